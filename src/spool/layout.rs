//! Where things lie: object ids and the paths made of them. Nothing a peer says ever becomes part of a path.

use std::fmt;

use crate::model::{Mint, Wall};

/// Format of the spool that this code reads and writes.
pub(super) const VERSION: u32 = 1;

/// The file that names the format.
pub(super) const VERSION_FILE: &str = "VERSION";
/// Where [`VERSION_FILE`] is prepared.
pub(super) const VERSION_DRAFT: &str = "VERSION.new";
/// The lock of the one process that writes.
pub(super) const LOCK_FILE: &str = "lock";
/// Room that is held only to be given up.
pub(super) const BALLAST_FILE: &str = "ballast";
/// The SQLite index and its companions; a cache.
pub(super) const INDEX_FILES: [&str; 3] = ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"];

/// The event log.
pub(super) const EVENTS: &str = "events.sqlite";
/// An event log that could not be read.
pub(super) const EVENTS_ASIDE: &str = "events.aside";

/// The notices that wait to be taken.
pub(super) const NOTICES: &str = "notices.sqlite";
/// Notices that could not be read.
pub(super) const NOTICES_ASIDE: &str = "notices.aside";

/// What is arriving, and every file that is not finished.
pub(super) const STAGE: &str = "stage";
/// Bodies.
pub(super) const DATA: &str = "data";
/// Published envelopes: the commit point.
pub(super) const QUEUED: &str = "queued";
/// What has become of an object since.
pub(super) const STATE: &str = "state";
/// Objects an operator keeps from delivery.
pub(super) const HOLD: &str = "hold";
/// What does not pass its checks any more.
pub(super) const CORRUPT: &str = "corrupt";

/// The directories under the root.
pub(super) const DIRECTORIES: [&str; 6] = [STAGE, DATA, QUEUED, STATE, HOLD, CORRUPT];

/// Crockford's base 32: the letters of ids, and the names of the shards.
pub(super) const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// An opaque id: 26 characters, time first (a ULID), never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id([u8; 26]);

impl Id {
    /// A new id.
    pub(super) fn mint(mint: &mut Mint, wall: Wall) -> Self {
        Self::parse(&mint.ulid(wall)).expect("a mint makes ULIDs")
    }

    /// The id this text is, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = Self(text.as_bytes().try_into().ok()?);
        id.0.iter().all(|letter| LETTERS.contains(letter)).then_some(id)
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("an id is ASCII")
    }

    /// `data/<shard>`: the last letter is random, so shards fill evenly.
    pub(super) fn shard(self) -> String {
        shard(self.0[25])
    }

    /// `data/<shard>/<id>`.
    pub(super) fn body(self) -> String {
        format!("{}/{self}", self.shard())
    }

    /// `queued/<id>`.
    pub(super) fn envelope(self) -> String {
        format!("{QUEUED}/{self}")
    }

    /// `state/<id>`.
    pub(super) fn state(self) -> String {
        format!("{STATE}/{self}")
    }

    /// `state/<id>.<sum>`: what has become of an object that is there.
    pub(super) fn standing(self, sum: u64) -> String {
        format!("{STATE}/{self}.{sum:016x}")
    }

    /// `stage/<id>`.
    pub(super) fn stage(self) -> String {
        format!("{STAGE}/{self}")
    }

    /// `stage/<id>.ranges`.
    pub(super) fn journal(self) -> String {
        format!("{STAGE}/{self}{JOURNAL}")
    }

    /// `stage/<id>.upload`.
    pub(super) fn upload(self) -> String {
        format!("{STAGE}/{self}{UPLOAD}")
    }

    /// `stage/<id>.envelope`, before it is published.
    pub(super) fn envelope_draft(self) -> String {
        format!("{STAGE}/{self}.envelope")
    }

    /// `stage/<id>.state`, before it is put in force.
    pub(super) fn state_draft(self) -> String {
        format!("{STAGE}/{self}.state")
    }

    /// `stage/<id>.gone`: what is overwritten before it is removed.
    pub(super) fn gone(self) -> String {
        format!("{STAGE}/{self}.gone")
    }

    /// `corrupt/<id>.KIND`.
    pub(super) fn corrupt(self, kind: &str) -> String {
        format!("{CORRUPT}/{self}.{kind}")
    }

    /// `corrupt/<id>.orphan`.
    pub(super) fn orphan(self) -> String {
        format!("{CORRUPT}/{self}{ORPHAN}")
    }

    /// When it was minted, to the millisecond: the first ten letters.
    pub(super) fn minted(self) -> Wall {
        let digit = |letter: &u8| LETTERS.iter().position(|other| other == letter).unwrap_or(0) as u64;
        let millis = self.0[..10].iter().fold(0u64, |millis, letter| millis << 5 | digit(letter));
        Wall::from_micros(millis.saturating_mul(1000))
    }
}

/// Suffix of a body that was found without an envelope.
pub(super) const ORPHAN: &str = ".orphan";

/// Suffix of the record of an upload to a bucket.
pub(super) const UPLOAD: &str = ".upload";

/// Suffix of a stage's journal.
pub(super) const JOURNAL: &str = ".ranges";

/// What [`VERSION_FILE`] says.
pub(super) fn version_line() -> String {
    format!("restante-spool {VERSION}\n")
}

/// The directory of a shard.
pub(super) fn shard(letter: u8) -> String {
    format!("{DATA}/{}", char::from(letter))
}

/// The id a file name begins with, and what follows it.
pub(super) fn split(name: &str) -> Option<(Id, &str)> {
    let (head, suffix) = name.split_at_checked(26)?;
    Some((Id::parse(head)?, suffix))
}

/// As what a damaged state is set aside: as `state` or, if there is one of its object already, with what follows the id in
/// its name.
pub(super) fn aside_as(path: &str, taken: bool) -> String {
    match path.rsplit_once('.') {
        _ if !taken => "state".to_owned(),
        Some((_, sum)) => format!("state.{sum}"),
        None => "state.end".to_owned(),
    }
}

/// The id and the checksum in the name of a standing.
pub(super) fn split_standing(name: &str) -> Option<(Id, u64)> {
    let (id, suffix) = split(name)?;
    let sum = suffix.strip_prefix('.').filter(|sum| sum.len() == 16)?;
    let sum = u64::from_str_radix(sum, 16).ok()?;
    (id.standing(sum).strip_prefix(STATE)?.strip_prefix('/') == Some(name)).then_some((id, sum))
}

/// What the names under `state/` say.
#[derive(Debug, Default)]
pub(super) struct States {
    /// The ids of objects that are at their end, and of what else has a state of version 1.
    pub(super) ended: Vec<Id>,
    /// Ids of objects that are there, and the checksum of what has become of each.
    pub(super) standings: Vec<(Id, u64)>,
}

impl States {
    pub(super) fn add(&mut self, name: &str) {
        match Id::parse(name) {
            Some(id) => self.ended.push(id),
            None => self.standings.extend(split_standing(name)),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_becomes_a_path() {
        for hostile in
            ["", "..", "../../../../../etc/passwd1", "01JD0000000000000000000/..", "é1JD000000000000000000000"]
        {
            assert_eq!(Id::parse(hostile), None, "{hostile}");
        }
        let id = Id::mint(&mut Mint::from_number(1), Wall::from_micros(1_795_000_000_123_456));
        assert_eq!(id.minted(), Wall::from_micros(1_795_000_000_123_000));
        assert_eq!(Id::parse(id.as_str()), Some(id));
        assert_eq!(split(&format!("{id}{JOURNAL}")), Some((id, JOURNAL)));
        assert_eq!(id.body().split('/').count(), 3);
    }
}
