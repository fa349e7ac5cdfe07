//! What is known of an object: made from a draft at commit, written once, never changed.

use serde::{Deserialize, Serialize};

use crate::model::limits::{ENVELOPE_OCTETS, ICON_OCTETS};
use crate::model::{Digest, DigestAlgorithm, FileInfo, Mint, ObjectUri, Wall, Wrapper};

use super::inscription::WireWrapper;
use super::layout::Id;
use super::record::{self, Kind, Unreadable};
use super::vault::{DataKey, Keys, Lookup, Wrapped, stored_octets};

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
    /// How many hops its sender would have let it go; not part of the envelope, but of where a rule sends it.
    pub hops: Option<u8>,
}

impl From<Envelope> for EnvelopeDraft {
    /// All that was told of an object, for another one of the same octets. Its sender is told of the first alone (RFC 5438 §8).
    fn from(envelope: Envelope) -> Self {
        let Envelope { from, to, call_id, message_id, file, icon, expires, wrappers, .. } = envelope;
        let wrappers = of_copy(wrappers);
        Self { from, to, call_id, message_id, file, icon, expires, wrappers, hops: None }
    }
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
    /// How its body is encrypted, if it is.
    pub(super) seal: Option<Seal>,
}

/// What an encrypted object's envelope says in the open besides what has to be known of any object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// The key of its body; `None` where the index has it from.
    pub(super) wrapped: Option<Wrapped>,
    /// By what the index finds it; `None` if the envelope could not be opened: then the rest is missing in it.
    pub(super) lookup: Option<Lookup>,
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
        let octets = self.body_octets();
        if self.is_encrypted() { stored_octets(octets) } else { octets }
    }

    /// The same before it is encrypted.
    pub(super) fn body_octets(&self) -> u64 {
        self.size().saturating_add(self.offset)
    }

    /// Whether its body lies encrypted on the disk.
    pub const fn is_encrypted(&self) -> bool {
        self.seal.is_some()
    }

    /// The key of its body, as a master key has wrapped it.
    pub(super) fn wrapped(&self) -> Option<&Wrapped> {
        self.seal.as_ref()?.wrapped.as_ref()
    }

    /// The name of the master key that would open the rest of it; `None` if it is open.
    pub(super) fn waits_for(&self) -> Option<&str> {
        let closed = self.seal.as_ref().filter(|seal| seal.lookup.is_none())?;
        Some(closed.wrapped.as_ref().map_or("", |wrapped| &wrapped.master))
    }

    /// Whether both are of one and the same object, as far as can be said without a key.
    pub(super) fn is_of_object(&self, other: &Self) -> bool {
        let facts = |of: &Self| (of.id.clone(), of.uri.clone(), of.stored, of.size(), of.offset);
        facts(self) == facts(other)
    }

    /// Takes note that another master key wraps the key of its body.
    pub(super) fn wrap(&mut self, key: &DataKey) {
        self.seal = Some(Seal { wrapped: Some(key.wrapped.clone()), lookup: Some(key.lookup(&self.file)) });
    }

    /// By what the index finds it.
    pub(super) fn lookup(&self) -> Lookup {
        match &self.seal {
            Some(seal) => seal.lookup.clone().unwrap_or_default(),
            None => Lookup::plain(&self.file),
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &Digest {
        self.file.digest(DigestAlgorithm::Sha256).expect("an envelope has both digests")
    }

    /// SHA-1 of the file.
    pub fn sha1(&self) -> &Digest {
        self.file.digest(DigestAlgorithm::Sha1).expect("an envelope has both digests")
    }

    /// The envelope of a sealed body, and the record that is published; `None` if that would be longer than the limit.
    pub(super) fn new(
        draft: EnvelopeDraft,
        facts: Facts,
        key: Option<(&DataKey, &mut Mint)>,
    ) -> Option<(Self, Vec<u8>)> {
        if draft.icon.as_ref().is_some_and(|icon| icon.octets.len() > ICON_OCTETS) {
            return None;
        }
        let digests = vec![Digest::sha1(facts.sha1), Digest::sha256(facts.sha256)];
        let file = FileInfo { size: Some(facts.size), digests, ..draft.file };
        let seal =
            key.as_ref().map(|(key, _)| Seal { wrapped: Some(key.wrapped.clone()), lookup: Some(key.lookup(&file)) });
        let envelope = Self {
            id: facts.id.to_string(),
            uri: facts.uri,
            from: draft.from,
            to: draft.to,
            call_id: draft.call_id,
            message_id: draft.message_id,
            file,
            icon: draft.icon,
            stored: facts.stored,
            expires: draft.expires,
            replaces: facts.replaces.map(|id| id.to_string()),
            wrappers: draft.wrappers,
            offset: facts.offset,
            seal,
        };
        let record = envelope.encode(key);
        (record.len() <= ENVELOPE_OCTETS).then_some((envelope, record))
    }

    /// The record that lies under `queued/`. An encrypted object has all that is known of it in `private`.
    pub(super) fn encode(&self, key: Option<(&DataKey, &mut Mint)>) -> Vec<u8> {
        let Some((key, mint)) = key else {
            let version = if self.offset > 0 { record::WRAPPED } else { record::VERSION };
            return record::encode_as(version, Kind::Envelope, json(&Wire::from(self)).as_bytes());
        };
        let id = Id::parse(&self.id).expect("an envelope has the id of an object");
        let private = key.hide(PRIVATE, id, json(&Wire::from(self)).as_bytes(), mint);
        let wire = Wire { private: Some(private), key: Some(key.wrapped.clone()), ..Wire::cover(self) };
        record::encode_as(record::ENCRYPTED, Kind::Envelope, json(&wire).as_bytes())
    }

    /// The envelope of `id` in a record. If no key opens it, only what stands on it in the open is there.
    pub(super) fn decode(id: Id, octets: &[u8], keys: &Keys) -> Result<Self, Unreadable> {
        let wire: Wire = parsed(record::decode(Kind::Envelope, octets)?).ok_or(Unreadable::Damaged)?;
        if wire.id != id.as_str() {
            return Err(Unreadable::Damaged);
        }
        let Some(private) = &wire.private else { return wire.envelope().ok_or(Unreadable::Damaged) };
        let wrapped = wire.key.as_ref().ok_or(Unreadable::Damaged)?;
        let Ok(key) = keys.unwrap(id, wrapped) else { return wire.envelope().ok_or(Unreadable::Damaged) };
        let opened = key.reveal(PRIVATE, id, private).and_then(|json| parsed(&json)?.envelope());
        let mut envelope = opened.ok_or(Unreadable::Damaged)?;
        if Wire::cover(&envelope) != (Wire { private: Some(String::new()), key: None, ..wire.clone() }) {
            return Err(Unreadable::Damaged); // somebody has written on it
        }
        envelope.seal = Some(Seal { wrapped: wire.key, lookup: Some(key.lookup(&envelope.file)) });
        Ok(envelope)
    }

    /// What the index keeps of it: neither its key nor what only the key opens, nor its icon.
    pub(super) fn index_json(&self) -> String {
        if self.is_encrypted() {
            return json(&Wire::cover(self));
        }
        json(&Wire::from(&Self { icon: None, ..self.clone() }))
    }

    /// The envelope that the index has kept.
    pub(super) fn from_index(json: &str) -> Option<Self> {
        parsed(json.as_bytes())?.envelope()
    }
}

/// The wrappers of a copy: it tells nobody anything.
pub(super) fn of_copy(mut wrappers: Vec<Wrapper>) -> Vec<Wrapper> {
    wrappers.iter_mut().filter_map(|wrapper| wrapper.imdn.as_mut()).for_each(|imdn| imdn.shown = false);
    wrappers
}

/// The kind of record whose private part is sealed.
const PRIVATE: &str = "envelope";

fn json(wire: &Wire) -> String {
    serde_json::to_string(wire).expect("an envelope is strings and numbers")
}

fn parsed(json: &[u8]) -> Option<Wire> {
    serde_json::from_slice(json).ok()
}

/// The names in the JSON, as spool/README.md has them. Unknown ones are ignored: a later release may add some.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "box")]
    mailbox: String,
    name: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
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
    /// Of an encrypted object: the JSON it would have if it were not, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Wrapped>,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<&Envelope> for Wire {
    fn from(envelope: &Envelope) -> Self {
        let file = envelope.file.clone();
        Self {
            id: envelope.id.clone(),
            mailbox: envelope.uri.box_name().to_owned(),
            name: envelope.uri.name().unwrap_or_default().to_owned(),
            size: envelope.size(),
            sha256: Some(envelope.sha256().hex()),
            sha1: Some(envelope.sha1().hex()),
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
            private: None,
            key: None,
        }
    }
}

impl Wire {
    /// What stands on an encrypted object's envelope in the open: what a spool without the key needs to keep it in order.
    fn cover(envelope: &Envelope) -> Self {
        Self {
            id: envelope.id.clone(),
            mailbox: envelope.uri.box_name().to_owned(),
            name: envelope.uri.name().unwrap_or_default().to_owned(),
            size: envelope.size(),
            stored: envelope.stored.micros(),
            expires: envelope.expires.map(Wall::micros),
            replaces: envelope.replaces.clone(),
            offset: envelope.offset,
            private: Some(String::new()),
            ..Self::default()
        }
    }

    fn digests(&self) -> Option<Vec<Digest>> {
        if self.private.is_some() {
            return Some(Vec::new());
        }
        let digest = |algorithm, hex: &Option<String>| Digest::from_hex(algorithm, hex.as_deref()?);
        Some(vec![digest(DigestAlgorithm::Sha1, &self.sha1)?, digest(DigestAlgorithm::Sha256, &self.sha256)?])
    }

    fn envelope(self) -> Option<Envelope> {
        let digests = self.digests()?;
        let seal = self.private.is_some().then_some(Seal { wrapped: self.key, lookup: None });
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
                digests,
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
            seal,
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
