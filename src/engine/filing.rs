//! What is written down of a file that comes in: its envelope, its place in the spool, its variables.

use super::call::{Parties, RENDER};
use super::failure::ReceiveFailure;
use super::transfers;
use crate::model::media::{self, bare};
use crate::model::{FileInfo, ObjectUri};
use crate::msml::Record;
use crate::msrp::Arrival;
use crate::msrp::cpim::is_cpim;
use crate::sdp::FileOffer;
use crate::spool::{EnvelopeDraft, StagePlan};

/// What the envelope will say, from the call, the file selector and the first chunk's head.
pub(super) fn draft(parties: &Parties, selector: Option<&FileInfo>, head: &Arrival) -> EnvelopeDraft {
    let mut file = selector.cloned().unwrap_or_default();
    file.media_type = Some(head.content_type.clone());
    file.disposition.get_or_insert_with(|| RENDER.to_owned());
    if file.name.is_none() {
        file.name = head.disposition.as_deref().and_then(disposition_filename);
    }
    EnvelopeDraft {
        from: Some(parties.from.clone()),
        to: Some(parties.to.clone()),
        call_id: Some(parties.call_id.clone()),
        message_id: Some(head.message_id.clone()),
        file,
        icon: None,
        expires: None,
        wrappers: Vec::new(),
        hops: parties.hops,
    }
}

/// Where the octets go. A peer that comes back with the same identity and Message-ID goes on where it stopped
/// (RFC 4975 §5.4). What a file selector declared keeps other files out; in a wrapper the message is longer than that, so
/// its octets are never those that a `file-range` counts. `part` is the file key of a command that goes on with a file.
pub(super) fn plan(
    parties: &Parties,
    draft: &EnvelopeDraft,
    object: ObjectUri,
    file: Option<&FileOffer>,
    part: Option<&String>,
) -> StagePlan {
    let wrapped = is_cpim(draft.file.media_type.as_deref().unwrap_or_default());
    let declared = file.map(|file| file.info.clone()).unwrap_or_default();
    let message_id = draft.message_id.clone().unwrap_or_default();
    StagePlan {
        resume_key: Some(StagePlan::sender_key(&parties.from, &message_id, &object)),
        object,
        // RFC 5547 §8.1: with `file-range` it goes on under a new id, so the file has to speak for itself.
        file_key: part.cloned().or_else(|| transfers::file_key(parties, &declared)).filter(|_| !wrapped),
        offset: file.map_or(0, FileOffer::offset),
        declared: FileInfo { size: declared.size.filter(|_| !wrapped), ..declared },
        overwrite: false,
        call_id: draft.call_id.clone(),
        message_id: draft.message_id.clone(),
    }
}

/// Why a message is not what the file selector of its stream announced, or not what the script takes, and that for the log.
pub(super) fn misfit_of(
    content_type: &str,
    file: Option<&FileOffer>,
    work: &Record,
) -> Option<(ReceiveFailure, &'static str)> {
    let declared = file.map(|file| &file.info);
    let offset = file.map_or(0, FileOffer::offset);
    if is_cpim(content_type) && offset > 0 {
        // RFC 5547 §6: `file-range` counts octets of the file, and the chunks of a wrapped one count others.
        return Some((ReceiveFailure::BadType, "it is the rest of a file, and in a wrapper"));
    }
    if declared.is_some_and(|info| !is_of_type(content_type, info)) {
        return Some((ReceiveFailure::BadType, "its type is another one"));
    }
    let kind = declared.and_then(|info| info.media_type.as_deref()).unwrap_or(content_type);
    if !work.types.is_empty() && !media::accepts(&work.types, kind) && !is_cpim(kind) {
        return Some((ReceiveFailure::BadType, "the script does not take its type"));
    }
    let size = declared.and_then(|info| info.size);
    if size.zip(work.max_size).is_some_and(|(size, most)| size > most) {
        return Some((ReceiveFailure::TooLarge, "it is larger than the script takes"));
    }
    if work.needs_digest && declared.is_none_or(|info| info.digests.is_empty()) {
        return Some((ReceiveFailure::NoDigest, "the script wants a digest, and none is declared"));
    }
    (offset > 0 && work.afresh).then_some((ReceiveFailure::Rest, "it is the rest of a file, and the script wants all"))
}

/// Whether a message brings the type that its file selector names; inside of a wrapper only the wrapper's reader can say.
fn is_of_type(content_type: &str, selector: &FileInfo) -> bool {
    let kind = |text: &str| bare(text).to_ascii_lowercase();
    let brings = kind(content_type);
    let wrapped = brings == "message/cpim" || brings.starts_with("multipart/");
    wrapped || selector.media_type.as_deref().is_none_or(|wanted| kind(wanted) == brings)
}

/// `filename` of a Content-Disposition (RFC 2183 §2.3), quoted or not. It is data; it never becomes a path.
pub(super) fn disposition_filename(disposition: &str) -> Option<String> {
    let (_, parameters) = disposition.split_once(';')?;
    let at = parameters.to_ascii_lowercase().find("filename=")?;
    let value = parameters[at + "filename=".len()..].trim_start();
    let name = match value.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => value.split([';', ' ']).next().unwrap_or_default().to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

fn unquoted(quoted: &str) -> String {
    let mut name = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => name.extend(letters.next()),
            letter => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    // M5547-8.2.2-09
    #[test]
    fn a_message_is_of_its_selectors_type_whatever_its_parameters_unless_a_wrapper_hides_it() {
        for (selector, content_type, fits) in [
            (Some("audio/wav"), "Audio/WAV; rate=8000", true),
            (Some("text/plain;charset=utf-8"), "text/plain", true),
            (Some("audio/wav"), "audio/ogg", false),
            (Some("audio/wav"), "message/CPIM", true),
            (None, "audio/ogg", true),
        ] {
            let info = FileInfo { media_type: selector.map(str::to_owned), ..FileInfo::default() };
            assert_eq!(is_of_type(content_type, &info), fits, "{selector:?} {content_type}");
        }
    }

    // M4975-7.1.1-34
    #[test]
    fn a_filename_is_read_from_every_usual_form_of_content_disposition() {
        let name = |text: &str| disposition_filename(text);
        assert_eq!(name("attachment; filename=\"a \\\"b\\\".wav\"; size=3").as_deref(), Some("a \"b\".wav"));
        assert_eq!(name("render; FileName=x.png; size=1").as_deref(), Some("x.png"));
        assert_eq!(name("sparkle; filename=x.png").as_deref(), Some("x.png"), "whatever that asks for");
        assert_eq!(name("attachment"), None);
        assert_eq!(name("attachment; filename="), None);
    }
}
