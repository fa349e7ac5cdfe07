//! By what a message is known again when its sender, who has missed the report of it, sends it once more (RFC 4975 §5.4).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::envelope::Envelope;
use crate::model::{Digest, ObjectUri};

/// What is left of a message whose object is at its end. No identity is, and nothing can be read from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Came {
    /// The fingerprint of the key under which it came.
    under: String,
    /// That, with its octets.
    what: String,
}

impl Came {
    /// A body of this digest, under this fingerprint of a key. The file begins at `offset` in it.
    pub(super) fn new(under: String, sha256: &Digest, offset: u64) -> Self {
        let what = fingerprint(&format!("{under}\n{}\n{offset}", sha256.hex()));
        Self { under, what }
    }

    /// The fingerprint of the key under which it came, if that is one.
    pub(super) fn key(&self) -> Option<&str> {
        let is_one = self.under.len() == 64 && self.under.bytes().all(|letter| letter.is_ascii_hexdigit());
        is_one.then_some(&self.under)
    }

    /// The message that an object was, if it is one of a sender's. What was encrypted leaves nothing that depends on its
    /// octets.
    pub(super) fn of(envelope: &Envelope) -> Option<Self> {
        let key = key(envelope).filter(|_| envelope.wrapped().is_none())?;
        Some(Self::new(fingerprint(&key), envelope.sha256(), envelope.offset))
    }
}

/// The key under which this object has come, if it is one of a sender's messages.
pub(super) fn key(envelope: &Envelope) -> Option<String> {
    let (from, message_id) = (envelope.from.as_deref()?, envelope.message_id.as_deref()?);
    // Of a name that was minted here its sender knew nothing.
    let minted = envelope.uri.name() == Some(envelope.id.as_str());
    let mailbox = || ObjectUri::mailbox(envelope.uri.box_name()).ok();
    let object = if minted { mailbox()? } else { envelope.uri.clone() };
    Some(sender_key(from, message_id, &object))
}

/// The key of a sender that names its messages.
pub(super) fn sender_key(from: &str, message_id: &str, object: &ObjectUri) -> String {
    format!("{from}\n{message_id}\n{object}")
}

/// What becomes of a key that a sender would say again: of bounded length, and no identity is left on the disk.
pub(super) fn fingerprint(key: &str) -> String {
    Digest::sha256(Sha256::digest(key).into()).hex()
}
