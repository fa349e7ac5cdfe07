//! What is on its way into a bucket: bodies that still arrive, and objects that were committed on the disk and follow.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::layout::Id;
use super::locked::locked;
use super::upload::Upload;

/// The list of what is to be carried, and who waits for more.
pub(super) struct Carriage {
    part_octets: u64,
    load: Mutex<Load>,
    more: Condvar,
}

#[derive(Default)]
struct Load {
    /// By id, so that those who carry go round and nobody waits for ever behind one that fails.
    freight: BTreeMap<Id, Freight>,
    last: Option<Id>,
    is_closed: bool,
}

/// One body.
struct Freight {
    upload: Arc<Mutex<Upload>>,
    /// How much of it will not change any more; all of an object that follows.
    settled: u64,
    /// From here on there is something to do.
    due: u64,
    follows: bool,
    is_spoiled: bool,
    is_doubted: bool,
    is_busy: bool,
}

/// One piece of work, for whoever took it.
pub(super) struct Task {
    pub(super) id: Id,
    upload: Arc<Mutex<Upload>>,
    pub(super) settled: u64,
    /// It is committed on the disk and follows; else it still arrives.
    pub(super) follows: bool,
    /// What was uploaded has to be compared with what is there.
    is_doubted: bool,
}

impl Task {
    /// The upload, for this caller alone.
    pub(super) fn upload(&self) -> MutexGuard<'_, Upload> {
        let mut upload = locked(&self.upload);
        if self.is_doubted {
            upload.doubt();
        }
        upload
    }
}

impl Carriage {
    /// An empty list; parts have at least so many octets.
    pub(super) fn new(part_octets: u64) -> Self {
        Self { part_octets, load: Mutex::default(), more: Condvar::new() }
    }

    /// Of an arriving body so many octets, from the first on, will not change any more.
    pub(super) fn offer(&self, id: Id, declared: Option<u64>, settled: u64) {
        let mut load = locked(&self.load);
        let freight = load.freight.entry(id).or_insert_with(|| Freight::new(id, declared, self.part_octets));
        freight.settled = freight.settled.max(settled);
        if freight.is_due() {
            self.more.notify_one();
        }
    }

    /// Octets that were offered have changed all the same: nothing more is uploaded before the body is whole.
    pub(super) fn spoil(&self, id: Id) {
        if let Some(freight) = locked(&self.load).freight.get_mut(&id) {
            freight.is_spoiled = true;
        }
    }

    /// A sender goes on with what was parked: what was uploaded has to be compared with what is there.
    pub(super) fn doubt(&self, id: Id) {
        if let Some(freight) = locked(&self.load).freight.get_mut(&id) {
            (freight.settled, freight.is_doubted) = (0, true);
        }
    }

    /// An object that was committed on the disk is to follow.
    pub(super) fn follow(&self, id: Id) {
        let mut load = locked(&self.load);
        let freight = load.freight.entry(id).or_insert_with(|| Freight::new(id, None, self.part_octets));
        (freight.follows, freight.due) = (true, 0);
        self.more.notify_one();
    }

    /// The upload of a body that is whole now: nobody else begins to carry it, and it will not change any more.
    pub(super) fn claim(&self, id: Id, total: u64) -> Task {
        let mut load = locked(&self.load);
        let freight = load.freight.entry(id).or_insert_with(|| Freight::new(id, Some(total), self.part_octets));
        freight.settled = 0;
        freight.is_doubted |= std::mem::take(&mut freight.is_spoiled);
        freight.task(id, total)
    }

    /// Nothing of this id is to be carried any more.
    pub(super) fn forget(&self, id: Id) {
        locked(&self.load).freight.remove(&id);
    }

    /// Objects that are still to follow.
    pub(super) fn following(&self) -> HashSet<Id> {
        locked(&self.load).freight.iter().filter(|(_, freight)| freight.follows).map(|(id, _)| *id).collect()
    }

    /// How many they are.
    pub(super) fn followers(&self) -> u64 {
        locked(&self.load).freight.values().filter(|freight| freight.follows).count() as u64
    }

    /// Something to do, for this caller alone until it says [`Carriage::done`]. Waits for it at most for `patience`.
    pub(super) fn take(&self, patience: Duration) -> Option<Task> {
        let mut load = locked(&self.load);
        if let Some(task) = load.take() {
            return Some(task);
        }
        if load.is_closed || patience.is_zero() {
            return None;
        }
        let (mut load, _) = self.more.wait_timeout(load, patience).unwrap_or_else(PoisonError::into_inner);
        load.take()
    }

    /// A task is done for now; the next one of the same body is due from `due` octets on, if there is one.
    pub(super) fn done(&self, id: Id, due: Option<u64>) {
        let mut load = locked(&self.load);
        if let Some(freight) = load.freight.get_mut(&id) {
            freight.is_busy = false;
            freight.due = due.unwrap_or(freight.due);
        }
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        locked(&self.load).is_closed = true;
        self.more.notify_all();
    }
}

impl Load {
    fn take(&mut self) -> Option<Task> {
        if self.is_closed {
            return None;
        }
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let round = self.freight.range((after, Bound::Unbounded)).chain(&self.freight);
        let next = round.filter(|(_, freight)| freight.is_due()).map(|(id, _)| *id).next()?;
        self.last = Some(next);
        let freight = self.freight.get_mut(&next)?;
        freight.is_busy = true;
        Some(freight.task(next, freight.settled))
    }
}

impl Freight {
    fn new(id: Id, declared: Option<u64>, part_octets: u64) -> Self {
        let upload = Upload::new(id, declared, part_octets);
        let due = upload.part_octets();
        let upload = Arc::new(Mutex::new(upload));
        Self { upload, settled: 0, due, follows: false, is_spoiled: false, is_doubted: false, is_busy: false }
    }

    fn task(&mut self, id: Id, settled: u64) -> Task {
        let is_doubted = std::mem::take(&mut self.is_doubted);
        Task { id, upload: Arc::clone(&self.upload), settled, follows: self.follows, is_doubted }
    }

    const fn is_due(&self) -> bool {
        !self.is_busy && (self.follows || (!self.is_spoiled && self.settled >= self.due))
    }
}
