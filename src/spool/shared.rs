//! What all handles of one spool share: the files, the desk where stages are known, and the spool's health.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::model::{Mint, Now, ObjectUri};

use super::arrival::{Arrival, Parked};
use super::calendar::Calendar;
use super::claims::{Claimed, Claims};
use super::error::{SpoolError, StageError, is_full};
use super::files::{File, Files, Lock, Mode};
use super::group::Group;
use super::index::Index;
use super::layout::Id;
pub(super) use super::locked::locked;
use super::outcome::Waiting;
use super::remote::Remote;
use super::repeats::Repeats;
use super::routes::Routes;
use super::stir::Stir;
use super::trouble::Trouble;
use super::usage::Usage;
use super::vault::{DataKey, Keys};
use super::water::Water;

/// More than an envelope or a journal ever has.
const SHREDDED_OCTETS: usize = 1024 * 1024;

pub(super) struct Shared {
    pub(super) files: Arc<dyn Files>,
    /// The bucket, if there is one.
    pub(super) remote: Option<Remote>,
    pub(super) index: Mutex<Index>,
    /// Why the index is in memory, if it should not be.
    pub(super) index_lost: Mutex<Option<String>>,
    pub(super) mint: Mutex<Mint>,
    pub(super) desk: Mutex<Desk>,
    pub(super) repeats: Mutex<Repeats>,
    /// Where what arrives goes by itself.
    pub(super) routes: Mutex<Routes>,
    /// Objects of which nobody knows whether their last change was written down: disk or bucket have not said.
    pub(super) unsure: Mutex<HashMap<Id, Unsure>>,
    /// What each box holds, and may hold.
    pub(super) usage: Arc<Usage>,
    pub(super) stir: Stir,
    pub(super) keys: Keys,
    /// What others may want to hear of.
    pub(super) outcomes: Waiting,
    /// Commits that wait for the disk.
    pub(super) commits: Group<Job>,
    pub(super) water: Arc<Water>,
    pub(super) trouble: Trouble,
    pub(super) calendar: Calendar,
    /// The disk would not sync everything at once when it was asked last.
    pub(super) one_by_one: AtomicBool,
    pub(super) sync_errors: AtomicU64,
    /// Names that are being committed, replaced or deleted right now.
    naming: Claims<ObjectUri>,
    /// Resume keys of what is being committed right now: what comes again meanwhile is the same file.
    pub(super) repeating: Claims<String>,
    failure: Mutex<Option<String>>,
    /// Held by the one process that writes; `None` if this handle only reads.
    lock: Option<Box<dyn Lock>>,
}

/// What may have been written down of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsure {
    /// A record of this turn.
    Turn(u64),
    /// Its end.
    End,
}

/// A commit that waits for the disk.
pub(super) struct Job {
    pub(super) arrival: Arrival,
    /// Whether the body's octets still have to be synced.
    pub(super) unsynced: bool,
    /// The draft of its envelope, if that still has to be synced.
    pub(super) draft: Option<Box<dyn File>>,
}

/// Where stages are known by id and by resume key.
#[derive(Default)]
pub(super) struct Desk {
    /// How many values in memory use the files of an id.
    live: HashMap<Id, usize>,
    /// Who has, or had, the octets of a resume key.
    pub(super) holders: HashMap<String, Holder>,
    /// Stages of a later release, which wait for it.
    pub(super) newer: HashSet<Id>,
}

/// The holder of a resume key.
pub(super) enum Holder {
    /// A session that may still be writing.
    Live(Writer),
    /// Nobody; the stage waits.
    Parked(Box<Parked>),
}

/// The session that has a stage, found by the stage's keys.
pub(super) struct Writer {
    pub(super) slot: Weak<Mutex<Option<Arrival>>>,
    pub(super) file: Option<String>,
}

impl Holder {
    fn is_of_file(&self, file: &str) -> bool {
        match self {
            Self::Live(writer) => writer.file.as_deref() == Some(file),
            Self::Parked(parked) => parked.plan.is_of_file(file),
        }
    }
}

impl Desk {
    /// The resume keys under which stages of this file are known: more than one if its sender has begun it anew.
    pub(super) fn keys_of(&self, file: &str) -> Vec<String> {
        self.holders.iter().filter(|(_, holder)| holder.is_of_file(file)).map(|(key, _)| key.clone()).collect()
    }

    /// Stages alive or waiting.
    pub(super) fn stages(&self) -> usize {
        self.live.len() + self.parked().count()
    }

    /// Stages that wait.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Parked> {
        self.holders.values().filter_map(|holder| match holder {
            Holder::Parked(parked) => Some(parked.as_ref()),
            Holder::Live(_) => None,
        })
    }

    /// Forgets a session that is over, unless another one has the key now.
    pub(super) fn release(&mut self, key: &str, slot: &Weak<Mutex<Option<Arrival>>>) {
        if matches!(self.holders.get(key), Some(Holder::Live(writer)) if writer.slot.ptr_eq(slot)) {
            self.holders.remove(key);
        }
    }

    /// Ids whose files belong to somebody.
    pub(super) fn owned(&self) -> HashSet<Id> {
        let parked = self.parked().map(|parked| parked.id);
        self.live.keys().copied().chain(parked).chain(self.newer.iter().copied()).collect()
    }
}

impl Shared {
    pub(super) fn new(
        files: Arc<dyn Files>,
        remote: Option<Remote>,
        index: Index,
        keys: Keys,
        mint: Mint,
        lock: Option<Box<dyn Lock>>,
    ) -> Self {
        Self {
            files,
            remote,
            index: Mutex::new(index),
            index_lost: Mutex::default(),
            mint: Mutex::new(mint),
            desk: Mutex::default(),
            repeats: Mutex::default(),
            routes: Mutex::default(),
            unsure: Mutex::default(),
            usage: Arc::default(),
            stir: Stir::default(),
            keys,
            outcomes: Waiting::default(),
            commits: Group::new(),
            water: Arc::default(),
            trouble: Trouble::default(),
            calendar: Calendar::default(),
            one_by_one: AtomicBool::new(false),
            sync_errors: AtomicU64::new(0),
            naming: Claims::default(),
            repeating: Claims::default(),
            failure: Mutex::default(),
            lock,
        }
    }

    /// The same moment, with the date that is written down for it.
    pub(super) fn dated(&self, now: Now) -> Now {
        Now { wall: self.calendar.stamp(now), ..now }
    }

    /// Syncs a file. An error is remembered for good: what the kernel dropped it will not report twice. A full disk is
    /// different: the octets of this one file are lost, and the next file finds out by itself.
    pub(super) fn sync(&self, file: &dyn File) -> io::Result<()> {
        file.sync().inspect_err(|error| self.fail("a file", error))
    }

    /// Syncs a directory, as [`Shared::sync`] does a file.
    pub(super) fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.files.sync_dir(dir).inspect_err(|error| self.fail(dir, error))
    }

    /// Syncs everything, as [`Files::sync_all`] has it, and as [`Shared::sync`] does a file.
    pub(super) fn sync_all(&self, syncs: usize) -> io::Result<bool> {
        let synced = self.files.sync_all(syncs).inspect_err(|error| self.fail("everything", error))?;
        self.one_by_one.store(!synced, Ordering::Relaxed);
        Ok(synced)
    }

    fn fail(&self, what: &str, error: &io::Error) {
        self.sync_errors.fetch_add(1, Ordering::Relaxed);
        if is_full(error) {
            return;
        }
        let why = format!("sync of {what}: {error}");
        tracing::error!(why, "the spool takes nothing more until it is opened again");
        locked(&self.failure).get_or_insert(why);
    }

    /// Nothing is written any more, for this reason or for an earlier one.
    pub(super) fn refuse(&self, why: String) {
        locked(&self.failure).get_or_insert(why);
    }

    /// An error that says something of the spool, and not of this one stage.
    pub(super) fn observe(&self, error: &StageError) {
        if let StageError::Spool(SpoolError::Io { doing, error }) = error {
            self.note(doing, error);
        }
    }

    /// Something could not be written, and that may be over soon; a sync that failed is not.
    pub(super) fn note(&self, doing: &str, error: &io::Error) {
        if self.failure().is_none() {
            self.trouble.note(doing, error);
        }
    }

    /// Why nothing may be written any more.
    pub(super) fn failure(&self) -> Option<String> {
        if self.lock.is_none() {
            return Some("it was opened for reading only".to_owned());
        }
        locked(&self.failure).clone()
    }

    /// # Errors
    /// [`SpoolError::NotWritable`] after a failed sync, if this handle only reads, or if another directory lies in the
    /// place of ours.
    pub(super) fn writable(&self) -> Result<(), SpoolError> {
        let gone = || self.is_in_place().err().map(|error| format!("its directory has gone: {error}"));
        self.failure().or_else(gone).map_or(Ok(()), |why| Err(SpoolError::NotWritable { why }))
    }

    /// Whether our paths still lead into the directory that was opened.
    pub(super) fn is_in_place(&self) -> io::Result<()> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.is_in_place())
    }

    /// Makes a small file with these octets and syncs it; its name is not durable yet.
    pub(super) fn write_small(&self, path: &str, octets: &[u8]) -> io::Result<()> {
        let file = self.files.open(path, Mode::Create)?;
        file.write_at(octets, 0)?;
        self.sync(file.as_ref())
    }

    /// Removes a file that may be missing; what can't be removed now is swept later.
    pub(super) fn remove_quietly(&self, path: &str) {
        match self.files.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(path, %error, "not removed"),
            _ => {}
        }
    }

    /// A key for the body of this id, if what arrives in its box is encrypted.
    ///
    /// # Errors
    /// [`SpoolError::NoKey`].
    pub(super) fn data_key(&self, id: Id, mailbox: &str) -> Result<Option<Arc<DataKey>>, SpoolError> {
        if !self.usage.is_encrypted(mailbox) {
            return Ok(None);
        }
        let key = self.keys.data_key(id, &mut locked(&self.mint));
        key.map(|key| Some(Arc::new(key))).ok_or_else(|| SpoolError::NoKey { mailbox: mailbox.to_owned() })
    }

    /// Removes a file that may have a wrapped key in it. Its octets are overwritten first, under another name: on a disk that
    /// writes in place the key is gone then. Where nothing is encrypted there is nothing to overwrite.
    pub(super) fn shred(&self, id: Id, path: &str) {
        if self.keys.current().is_none() || self.files.rename(path, &id.gone()).is_err() {
            return self.remove_quietly(path);
        }
        let overwrite = || {
            let file = self.files.open(&id.gone(), Mode::Write)?;
            let length = usize::try_from(file.size()?).unwrap_or(usize::MAX).min(SHREDDED_OCTETS);
            file.write_at(&vec![0; length], 0)?;
            self.sync(file.as_ref())
        };
        overwrite().unwrap_or_else(|error| tracing::warn!(object = %id, %error, "removed, but not overwritten"));
        self.remove_quietly(&id.gone());
    }

    /// Removes everything a stage has left.
    pub(super) fn remove_stage(&self, id: Id) {
        self.shred(id, &id.journal()); // first: octets without a journal claim nothing
        self.remove_quietly(&id.stage());
        if let Some(remote) = &self.remote {
            remote.carriage.forget(id); // what the bucket has of it is swept
        }
    }

    /// Lets a stage wait for its sender, or removes it if no sender could ever name it.
    pub(super) fn park(&self, mut arrival: Arrival) {
        let Some(key) = arrival.plan.resume.clone() else {
            return self.remove_stage(arrival.id);
        };
        let id = arrival.id;
        // A sender that never comes back holds what it sent, not what it announced.
        if let Err(error) = arrival.file.release() {
            tracing::warn!(object = %id, %error, "reserved room not given back");
            arrival.broken |= arrival.key.is_some(); // octets that were in hand are lost
        }
        self.let_wait(key, Box::new(arrival.park()));
    }

    /// Lets octets wait under their resume key, and removes those that have waited under it before.
    pub(super) fn let_wait(&self, key: String, parked: Box<Parked>) {
        let id = parked.id;
        let before = locked(&self.desk).holders.insert(key, Holder::Parked(parked));
        if let Some(Holder::Parked(older)) = before
            && older.id != id
        {
            self.remove_stage(older.id);
        }
    }

    /// Waits until nobody else is about to change what this name means.
    pub(super) fn claim(&self, uri: &ObjectUri) -> Claimed<'_, ObjectUri> {
        self.naming.claim(uri)
    }
}

/// The files of an id belong to a value in memory as long as this lives.
pub(super) struct Live {
    shared: Arc<Shared>,
    id: Id,
}

impl Live {
    pub(super) fn new(shared: &Arc<Shared>, id: Id) -> Self {
        Self::enter(shared, &mut locked(&shared.desk), id)
    }

    /// As [`Live::new`], for a caller that has the desk: between two owners of an id the sweep must not see it free.
    pub(super) fn enter(shared: &Arc<Shared>, desk: &mut Desk, id: Id) -> Self {
        *desk.live.entry(id).or_default() += 1;
        Self { shared: Arc::clone(shared), id }
    }

    pub(super) const fn id(&self) -> Id {
        self.id
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut desk = locked(&self.shared.desk);
        let Some(users) = desk.live.get_mut(&self.id) else { return };
        *users -= 1;
        if *users == 0 {
            desk.live.remove(&self.id);
        }
    }
}
