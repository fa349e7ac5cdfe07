//! The two values that prove how far a file has come. Nothing outside this room can make one.

use std::sync::Arc;

use crate::model::{Digest, ObjectUri};

use super::arrival::Arrival;
use super::envelope::Envelope;
use super::layout::Id;
use super::shared::Live;

/// A complete body: every octet is there, and size and digests are what was declared. It is neither durable nor
/// visible. Dropped without a commit, it goes back to being a stage that waits for its sender.
pub struct Sealed {
    pub(super) live: Live,
    /// There until the commit takes it.
    pub(super) arrival: Option<Arrival>,
    pub(super) object: ObjectUri,
    pub(super) overwrite: bool,
    /// Octets of a wrapper before the file.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) sha1: [u8; 20],
    pub(super) sha256: [u8; 32],
}

impl Sealed {
    /// The id the object will have.
    pub fn id(&self) -> String {
        self.live.id().to_string()
    }

    /// The name the object will have.
    pub const fn object(&self) -> &ObjectUri {
        &self.object
    }

    /// Length of the file in octets, without any wrapper.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the body.
    pub fn sha256(&self) -> Digest {
        Digest::sha256(self.sha256)
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if let Some(arrival) = self.arrival.take() {
            self.live.shared().park(arrival);
        }
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} {} {} octets)", self.live.id(), self.object, self.size)
    }
}

/// A committed object: its body and its published envelope have been durable since before this value was made.
///
/// Only this may cause a final report, an exit event or a queue entry. Cloning it is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    envelope: Arc<Envelope>,
}

impl Committed {
    /// For an envelope that was just published, or just read where published envelopes lie.
    pub(super) fn published(envelope: Envelope) -> Self {
        Self { envelope: Arc::new(envelope) }
    }

    /// What is known of the object.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Where its body lies in the spool's directory, `data/<shard>/<id>`: for a caller that hands the file on as it is.
    /// The file begins at the envelope's `offset` there; one that is encrypted is of no use to anybody else.
    pub fn body_path(&self) -> String {
        Id::parse(&self.envelope.id).expect("an envelope that was published has an id").body()
    }
}
