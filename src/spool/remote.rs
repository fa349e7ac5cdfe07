//! The bucket of a spool: what lies there, what is on its way, and of which boxes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::bucket::Bucket;
use super::bucket_store::BucketStore;
use super::carriage::Carriage;
use super::layout::Id;

/// When an object of a box is reported as committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// When it is durable on the disk, where it stays.
    #[default]
    Disk,
    /// When it is in the bucket.
    Bucket,
    /// When it is durable on the disk. It then follows into the bucket, and leaves the disk when it is there.
    DiskThenBucket,
}

/// Says for the name of a box how its objects are reported.
pub type ReportOf = Box<dyn Fn(&str) -> Report + Send + Sync>;

/// Does something for each number below the given one, with several of them at once.
pub type AtOnce = fn(usize, &(dyn Fn(usize) + Sync));

/// A bucket for a spool.
pub struct Remote {
    pub(super) store: BucketStore,
    pub(super) carriage: Carriage,
    /// Objects at their end that the bucket would not let go of.
    pub(super) unerased: Mutex<BTreeSet<Id>>,
    /// Reads envelopes at once.
    pub(super) at_once: Option<AtOnce>,
    report: ReportOf,
    is_awaited: bool,
}

impl Remote {
    /// A bucket, how many octets a part of an upload has at least, and which boxes use it how. A commit waits for it in
    /// some boxes; see [`Remote::unawaited`].
    pub fn new(bucket: Arc<dyn Bucket>, part_octets: u64, report: ReportOf) -> Self {
        let (store, carriage) = (BucketStore::new(bucket), Carriage::new(part_octets));
        Self { store, carriage, unerased: Mutex::default(), at_once: None, report, is_awaited: true }
    }

    /// No box has [`Report::Bucket`]: a bucket that does not answer then keeps nobody from bringing files.
    #[must_use]
    pub fn unawaited(self) -> Self {
        Self { is_awaited: false, ..self }
    }

    /// A start reads envelopes with this, many at once; without it, one after the other.
    #[must_use]
    pub fn reading(self, at_once: AtOnce) -> Self {
        Self { at_once: Some(at_once), ..self }
    }

    /// Why files that need the bucket can't be brought.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.is_awaited { self.store.trouble() } else { None }
    }

    /// How objects of a box are reported.
    pub(super) fn report(&self, mailbox: &str) -> Report {
        (self.report)(mailbox)
    }
}
