//! What is known of an object: made from a draft at commit, written once, never changed.

use serde::{Deserialize, Serialize};

use crate::model::limits::{ENVELOPE_OCTETS, ICON_OCTETS};
use crate::model::{Digest, DigestAlgorithm, FileInfo, ObjectUri, Party, Wall, Wrapper};

use super::layout::Id;
use super::record::{self, Kind, Unreadable};

/// A preview picture (RFC 5547 §6 `file-icon`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    /// Its MIME type.
    pub media_type: String,
    /// The picture.
    pub octets: Vec<u8>,
}

/// What the engine knows of an object and the spool can't find out by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeDraft {
    /// URI of who sent it.
    pub from: Option<String>,
    /// URI of whom it is for.
    pub to: Option<String>,
    /// Call-ID of the SIP dialog it came in.
    pub call_id: Option<String>,
    /// Message-ID of the MSRP message it came in.
    pub message_id: Option<String>,
    /// Name, type, disposition, dates and file-transfer-id as declared; size and digests are replaced by what the
    /// spool measured.
    pub file: FileInfo,
    /// The preview picture.
    pub icon: Option<Icon>,
    /// When nobody wants it any more.
    pub expires: Option<Wall>,
    /// What stood on the wrappers it came in (RFC 3862), the outermost first.
    pub wrappers: Vec<Wrapper>,
}

/// The metadata of one committed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The object's id: opaque, unique for ever, sorted by the time its stage began.
    pub id: String,
    /// Its name; always an object's, never a box's.
    pub uri: ObjectUri,
    /// URI of who sent it.
    pub from: Option<String>,
    /// URI of whom it is for.
    pub to: Option<String>,
    /// Call-ID of the SIP dialog it came in.
    pub call_id: Option<String>,
    /// Message-ID of the MSRP message it came in.
    pub message_id: Option<String>,
    /// The file: `size` and both digests are there and are what the spool measured, the rest is as declared. It can be
    /// offered to the next peer as it is.
    pub file: FileInfo,
    /// The preview picture.
    pub icon: Option<Icon>,
    /// When it was committed.
    pub stored: Wall,
    /// When nobody wants it any more.
    pub expires: Option<Wall>,
    /// Id of the object of the same name that this one took the place of.
    pub replaces: Option<String>,
    /// What stood on the wrappers it came in (RFC 3862), the outermost first; the sender's word.
    pub wrappers: Vec<Wrapper>,
    /// Where in the stored body the file begins: the octets before it are its wrappers, as they came.
    pub offset: u64,
}

/// What the spool adds to a draft.
pub(super) struct Facts {
    pub(super) id: Id,
    pub(super) uri: ObjectUri,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) sha1: [u8; 20],
    pub(super) sha256: [u8; 32],
    pub(super) stored: Wall,
    pub(super) replaces: Option<Id>,
}

impl Envelope {
    /// Length of the file in octets.
    pub fn size(&self) -> u64 {
        self.file.size.expect("an envelope knows its size")
    }

    /// Length of the stored body in octets: the file and the wrappers it came in.
    pub(super) fn stored_octets(&self) -> u64 {
        self.size().saturating_add(self.offset)
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &Digest {
        self.file.digest(DigestAlgorithm::Sha256).expect("an envelope has both digests")
    }

    /// SHA-1 of the file.
    pub fn sha1(&self) -> &Digest {
        self.file.digest(DigestAlgorithm::Sha1).expect("an envelope has both digests")
    }

    /// The envelope of a sealed body; `None` if it would be longer than the limit.
    pub(super) fn new(draft: EnvelopeDraft, facts: Facts) -> Option<Self> {
        if draft.icon.as_ref().is_some_and(|icon| icon.octets.len() > ICON_OCTETS) {
            return None;
        }
        let digests = vec![Digest::sha1(facts.sha1), Digest::sha256(facts.sha256)];
        let envelope = Self {
            id: facts.id.to_string(),
            uri: facts.uri,
            from: draft.from,
            to: draft.to,
            call_id: draft.call_id,
            message_id: draft.message_id,
            file: FileInfo { size: Some(facts.size), digests, ..draft.file },
            icon: draft.icon,
            stored: facts.stored,
            expires: draft.expires,
            replaces: facts.replaces.map(|id| id.to_string()),
            wrappers: draft.wrappers,
            offset: facts.offset,
        };
        (envelope.encode().len() <= ENVELOPE_OCTETS).then_some(envelope)
    }

    /// The record that lies under `queued/`.
    pub(super) fn encode(&self) -> Vec<u8> {
        let version = if self.offset > 0 { record::WRAPPED } else { record::VERSION };
        record::encode_as(version, Kind::Envelope, self.json().as_bytes())
    }

    /// The envelope of `id` in a record.
    pub(super) fn decode(id: Id, octets: &[u8]) -> Result<Self, Unreadable> {
        let json = record::decode(Kind::Envelope, octets)?;
        let envelope = Self::from_json(json).ok_or(Unreadable::Damaged)?;
        if envelope.id == id.as_str() { Ok(envelope) } else { Err(Unreadable::Damaged) }
    }

    /// The JSON inside the record.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(&Wire::from(self)).expect("an envelope is strings and numbers")
    }

    /// The envelope this JSON describes, if it does.
    pub(super) fn from_json(json: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Wire>(json).ok()?.envelope()
    }
}

/// The names in the JSON, as spool/README.md has them. Unknown ones are ignored: a later release may add some.
#[derive(Serialize, Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "box")]
    mailbox: String,
    name: String,
    size: u64,
    sha256: String,
    sha1: String,
    stored: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transfer_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_modified: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_read: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wrappers: Vec<WireWrapper>,
}

/// One wrapper in the JSON.
#[derive(Serialize, Deserialize)]
struct WireWrapper {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<WireParty>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<WireParty>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cc: Vec<WireParty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

/// One party in the JSON.
#[derive(Serialize, Deserialize)]
struct WireParty {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    uri: String,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<&Party> for WireParty {
    fn from(party: &Party) -> Self {
        Self { name: party.name.clone(), uri: party.uri.clone() }
    }
}

impl From<WireParty> for Party {
    fn from(party: WireParty) -> Self {
        Self { name: party.name, uri: party.uri }
    }
}

impl From<&Wrapper> for WireWrapper {
    fn from(wrapper: &Wrapper) -> Self {
        Self {
            from: wrapper.from.as_ref().map(WireParty::from),
            to: wrapper.to.iter().map(WireParty::from).collect(),
            cc: wrapper.cc.iter().map(WireParty::from).collect(),
            sent: wrapper.sent.clone(),
            subject: wrapper.subject.clone(),
            language: wrapper.language.clone(),
        }
    }
}

impl From<WireWrapper> for Wrapper {
    fn from(wrapper: WireWrapper) -> Self {
        Self {
            from: wrapper.from.map(Party::from),
            to: wrapper.to.into_iter().map(Party::from).collect(),
            cc: wrapper.cc.into_iter().map(Party::from).collect(),
            sent: wrapper.sent,
            subject: wrapper.subject,
            language: wrapper.language,
        }
    }
}

impl From<&Envelope> for Wire {
    fn from(envelope: &Envelope) -> Self {
        let file = envelope.file.clone();
        Self {
            id: envelope.id.clone(),
            mailbox: envelope.uri.box_name().to_owned(),
            name: envelope.uri.name().unwrap_or_default().to_owned(),
            size: envelope.size(),
            sha256: envelope.sha256().hex(),
            sha1: envelope.sha1().hex(),
            stored: envelope.stored.micros(),
            from: envelope.from.clone(),
            to: envelope.to.clone(),
            call_id: envelope.call_id.clone(),
            message_id: envelope.message_id.clone(),
            transfer_id: file.transfer_id,
            file_name: file.name,
            media_type: file.media_type,
            disposition: file.disposition,
            file_created: file.created,
            file_modified: file.modified,
            file_read: file.read,
            icon_type: envelope.icon.as_ref().map(|icon| icon.media_type.clone()),
            icon: envelope.icon.as_ref().map(|icon| hex(&icon.octets)),
            expires: envelope.expires.map(Wall::micros),
            replaces: envelope.replaces.clone(),
            offset: envelope.offset,
            wrappers: envelope.wrappers.iter().map(WireWrapper::from).collect(),
        }
    }
}

impl Wire {
    fn envelope(self) -> Option<Envelope> {
        let icon = match (self.icon_type, self.icon) {
            (Some(media_type), Some(octets)) => Some(Icon { media_type, octets: unhex(&octets)? }),
            _ => None,
        };
        Some(Envelope {
            uri: ObjectUri::object(&self.mailbox, &self.name).ok()?,
            id: self.id,
            from: self.from,
            to: self.to,
            call_id: self.call_id,
            message_id: self.message_id,
            file: FileInfo {
                name: self.file_name,
                size: Some(self.size),
                media_type: self.media_type,
                digests: vec![
                    Digest::from_hex(DigestAlgorithm::Sha1, &self.sha1)?,
                    Digest::from_hex(DigestAlgorithm::Sha256, &self.sha256)?,
                ],
                disposition: self.disposition,
                created: self.file_created,
                modified: self.file_modified,
                read: self.file_read,
                transfer_id: self.transfer_id,
            },
            icon,
            stored: Wall::from_micros(self.stored),
            expires: self.expires.map(Wall::from_micros),
            replaces: self.replaces,
            wrappers: self.wrappers.into_iter().map(Wrapper::from).collect(),
            offset: self.offset,
        })
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks(2).map(pair).collect())?
}
