//! What waits in a box, by classes of messages (RFC 3842, 3458, 3938): counted in one transaction of the index, from the
//! marks that a listing shows too, so that there is nothing that could drift.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::model::media::bare;

use super::catalog::{ask, read_envelope};
use super::error::SpoolError;
use super::index::Index;
use super::layout::Id;
use super::rows::id;
use super::shared::Shared;
use super::standing::{Filter, Mark};

/// What kind of message an object is, by the type of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageClass {
    /// Speech.
    Voice,
    /// Pictures that move.
    Video,
    /// A fax: TIFF (RFC 3302).
    Fax,
    /// Something to read.
    Text,
    /// Whatever else there is.
    Multimedia,
}

impl MessageClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Voice, Self::Video, Self::Fax, Self::Text, Self::Multimedia];

    /// The class of a file of this type; of one without a type it is not known what it is.
    pub fn of(media_type: Option<&str>) -> Self {
        let kind = bare(media_type.unwrap_or_default()).to_ascii_lowercase();
        match kind.split_once('/') {
            Some(("audio", _)) => Self::Voice,
            Some(("video", _)) => Self::Video,
            Some(("image", "tiff" | "tiff-fx")) => Self::Fax,
            Some(("text", _)) => Self::Text,
            _ => Self::Multimedia,
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nobody has seen these.
    pub new: u64,
    /// Somebody has these.
    pub old: u64,
    /// Of the new ones these should not wait.
    pub urgent_new: u64,
    /// And of the old ones.
    pub urgent_old: u64,
}

/// What waits in a box. A class of which nothing is there is missing.
pub type BoxSummary = BTreeMap<MessageClass, Tally>;

/// One row of the count.
struct Row {
    class: Option<MessageClass>,
    id: Option<Id>,
    mark: bool,
    urgent: bool,
    count: u64,
}

/// What waits in a box.
///
/// # Errors
/// [`SpoolError::Index`], [`SpoolError::Io`].
pub(super) fn summary(shared: &Shared, mailbox: &str) -> Result<BoxSummary, SpoolError> {
    let mut summary = BoxSummary::new();
    for row in ask(shared, |index| rows(index, mailbox))? {
        // What only a key opens is not in the index. An envelope never changes, so it may be read afterwards.
        let read = row.id.and_then(|id| read_envelope(shared, id).ok()?.ok());
        let class = row.class.unwrap_or_else(|| {
            MessageClass::of(read.as_ref().and_then(|envelope| envelope.file.media_type.as_deref()))
        });
        let tally = summary.entry(class).or_default();
        let (all, urgent) = match row.mark {
            false => (&mut tally.new, &mut tally.urgent_new),
            true => (&mut tally.old, &mut tally.urgent_old),
        };
        *all += row.count;
        *urgent += if row.urgent { row.count } else { 0 };
    }
    Ok(summary)
}

/// Objects of one type, mark and urgency together; encrypted ones each for itself.
fn rows(index: &mut Index, mailbox: &str) -> rusqlite::Result<Vec<Row>> {
    let mut select = index.settled()?.prepare_cached(&format!(
        "SELECT max(objects.id), key IS NOT NULL AS closed, json_extract(envelope, '$.media_type') AS kind,
             coalesce(mark, 0) > 0 AS old, coalesce(urgent, 0) AS pressing, count(*)
         FROM objects LEFT JOIN standings ON standings.id = objects.id
         WHERE box = ?1 AND {} GROUP BY CASE WHEN key IS NULL THEN '' ELSE objects.id END, kind, old, pressing",
        Filter::condition(None)
    ))?;
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Row> {
        let closed: bool = row.get(1)?;
        let kind: Option<String> = row.get(2)?;
        Ok(Row {
            class: (!closed).then(|| MessageClass::of(kind.as_deref())),
            id: if closed { id(row)? } else { None },
            mark: row.get(3)?,
            urgent: row.get(4)?,
            count: row.get::<_, i64>(5)?.unsigned_abs(),
        })
    };
    select.query_map(params![mailbox], row)?.collect()
}

const _: () = assert!(Mark::New as i64 == 0, "the index has the mark as a number, and the new ones are those of 0");

#[cfg(test)]
mod tests {
    use super::*;

    // M3842-3.5-09
    #[test]
    fn the_class_of_a_message_is_that_of_its_files_type() {
        for (kind, class) in [
            (Some("Audio/AMR; octet-align=1"), MessageClass::Voice),
            (Some("video/3gpp"), MessageClass::Video),
            (Some("image/tiff;application=faxbw"), MessageClass::Fax),
            (Some("image/png"), MessageClass::Multimedia),
            (Some("text/plain;charset=utf-8"), MessageClass::Text),
            (Some("message/cpim"), MessageClass::Multimedia),
            (Some("audio"), MessageClass::Multimedia),
            (None, MessageClass::Multimedia),
        ] {
            assert_eq!(MessageClass::of(kind), class, "{kind:?}");
        }
    }
}
