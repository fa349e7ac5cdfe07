//! What can go wrong, by the step it happens in.

use std::io;

use crate::model::ObjectUri;

use super::usage::OverQuota;

/// The spool as a whole, or an object in it, could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process serves this spool.
    #[error("another process has this spool open: stop it, or use another --spool")]
    Locked,
    /// The directory holds something, but no VERSION file.
    #[error("the directory is in use and has no VERSION file: it is not a spool, and no new one is made in it")]
    NotASpool,
    /// VERSION names a format this release does not know.
    #[error("the spool has format {found:?} and this release knows {known}: use the release that wrote it")]
    Version {
        /// What VERSION says.
        found: String,
        /// The version of this release.
        known: u32,
    },
    /// The object does not pass its checks. It is not served, and lies under `corrupt/` if this handle may write.
    #[error("object {id} is damaged: {what}")]
    Corrupt {
        /// The object.
        id: String,
        /// Which check failed.
        what: &'static str,
    },
    /// The envelope was written by a later release.
    #[error("object {id} was written by a later release")]
    Newer {
        /// The object.
        id: String,
    },
    /// The object, or the stage, is encrypted, and what opens it is not here.
    #[error("{id} is encrypted with the key {key:?}, which is not at hand, or is another one of that name")]
    KeyMissing {
        /// The object.
        id: String,
        /// The name of the master key.
        key: String,
    },
    /// What arrives in this box is to be encrypted.
    #[error("what arrives in the box {mailbox} is encrypted, and there is no key")]
    NoKey {
        /// The box.
        mailbox: String,
    },
    /// There is no such object, or not any more.
    #[error("object {id} is gone")]
    Gone {
        /// The object.
        id: String,
    },
    /// Somebody holds it: an operator from delivery and from its end, or the law from its end.
    #[error("object {id} is held by {by}: release it first")]
    Held {
        /// The object.
        id: String,
        /// Who holds it.
        by: String,
    },
    /// The delivery is settled, or a later attempt of it has begun.
    #[error("delivery {id} was settled or tried again meanwhile")]
    Superseded {
        /// The delivery.
        id: String,
    },
    /// The object is being forwarded to so many already.
    #[error("object {id} is being forwarded to {limit} recipients already")]
    TooManyDeliveries {
        /// The object.
        id: String,
        /// How many there may be.
        limit: usize,
    },
    /// What has become of the object would be longer than can be read again.
    #[error("more is told of object {id} than the {limit} octets that are kept with it")]
    TooMuch {
        /// The object.
        id: String,
        /// Octets.
        limit: usize,
    },
    /// The name is in use.
    #[error("{0} exists")]
    Exists(ObjectUri),
    /// The box may not hold more.
    #[error(transparent)]
    Quota(#[from] OverQuota),
    /// This handle may only read, or a sync has failed and nothing is written any more.
    #[error("the spool takes nothing: {why}")]
    NotWritable {
        /// What happened.
        why: String,
    },
    /// The file system refused.
    #[error("{doing}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        error: io::Error,
    },
    /// SQLite failed twice, the second time in memory.
    #[error("the index can't even be kept in memory: {0}")]
    Index(#[from] rusqlite::Error),
}

/// What is said of an encrypted body that does not open as it was sealed.
pub(super) const BROKEN_FRAME: &str = "a frame of the body is not what was sealed at its place";

impl SpoolError {
    /// Whether a frame of an encrypted body did not open.
    pub(super) fn is_broken_frame(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::InvalidData)
    }

    pub(super) const fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { doing, error }
    }
}

/// Octets could not be taken into a stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The sender goes past the size it declared, or past what can be counted.
    #[error("octets up to {end} of a file declared as {declared}")]
    Overrun {
        /// The declared size in octets.
        declared: u64,
        /// Where the octets would end.
        end: u64,
    },
    /// The sender skips about too much.
    #[error("more than {limit} separate pieces")]
    TooManyHoles {
        /// The limit.
        limit: usize,
    },
    /// The same file has been offered again, and the new stage has all that was received.
    #[error("a newer session has taken this stage over")]
    TakenOver,
    /// The sender leaves out octets that are not here.
    #[error("the octets before {offset} are not here")]
    NothingBefore {
        /// Where the sender wants to begin, counted from zero.
        offset: u64,
    },
    /// The name is in use and may not be replaced.
    #[error("{0} exists")]
    Exists(ObjectUri),
    /// An object of that name is held, and nothing may take its place.
    #[error("{0} is held")]
    Held(ObjectUri),
    /// The disk has no room above what is kept in reserve.
    #[error("no room for {octets} octets")]
    Full {
        /// How many octets were wanted.
        octets: u64,
    },
    /// The box may not hold more.
    #[error(transparent)]
    Quota(#[from] OverQuota),
    /// Too many stages are alive or wait to be resumed.
    #[error("more than {limit} stages")]
    TooManyStages {
        /// The limit.
        limit: usize,
    },
    /// An earlier error of this stage left its octets in doubt.
    #[error("this stage has failed before")]
    Broken,
    /// A sync failed: what was written since the one before may be lost, whatever a later one says.
    #[error("sync: {0}")]
    Sync(io::Error),
    /// The spool as a whole.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// A sealed file did not become an object.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The name has come into use meanwhile and may not be replaced. The octets are discarded.
    #[error("{0} exists")]
    Exists(ObjectUri),
    /// An object of that name is held, and nothing may take its place. The octets are discarded.
    #[error("{0} is held")]
    Held(ObjectUri),
    /// The envelope would be longer than its limit. The octets are discarded.
    #[error("the envelope would be longer than {limit} octets, or its icon too big")]
    EnvelopeTooLarge {
        /// The limit in octets.
        limit: usize,
    },
    /// The disk has no room. A stage with a resume key waits for its sender.
    #[error("no room for the envelope")]
    Full,
    /// The spool or its disk. A stage with a resume key waits for its sender.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// No room on the disk, whichever way the operating system puts it.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The same error for another of those that share it.
pub(super) fn alike(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}
