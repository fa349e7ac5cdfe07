//! The spool as its callers see it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::model::limits::{LISTED_OBJECTS, SELECTED_OBJECTS};
use crate::model::{BoxClass, Digest, FileInfo, Mint, Now, ObjectUri};

use super::arriving::{self, Arriving};
use super::aside::{self, Aside};
use super::ballast;
use super::carry::{self, Carried};
use super::catalog::{ask, connect, load, open_body, quarantine, rebuilt, remove_index};
use super::commit;
use super::envelope::{Envelope, EnvelopeDraft};
use super::error::{BROKEN_FRAME, CommitError, SpoolError, StageError};
use super::files::{File, Files, Lock, Space};
use super::hashes::Hashes;
use super::health::ailment;
use super::index::Index;
use super::layout::{Id, LOCK_FILE, ORPHAN};
use super::news::BoxUsage;
use super::objects;
use super::recall::recall;
use super::receipt::{Committed, Sealed};
use super::recover::{Recovery, recover};
use super::remote::Remote;
use super::rewrap;
use super::shared::{Shared, locked};
use super::stage::Stage;
use super::staging::{self, StagePlan};
use super::standing::{Filter, Standing};
use super::sweep::{self, Swept};
use super::tree::{prepare, recognise, recognise_bucket};
use super::usage::ClassUsage;
use super::vault::Keys;
use super::water::Marks;

/// A durable spool. All calls block; clones are cheap and share everything.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

/// Which objects to list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only those of this box.
    pub mailbox: Option<String>,
    /// Only those of which this has become; without it those that are there.
    pub state: Option<Filter>,
    /// Only those whose ids sort after this one; the last id of the page before.
    pub cursor: Option<String>,
    /// How many at most; bounded by [`LISTED_OBJECTS`].
    pub limit: Option<usize>,
}

/// What became of an object's octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// They are what they were at the commit.
    Sound,
    /// They are not. The object lies under `corrupt/` now, if this handle may write.
    Damaged {
        /// Which check failed.
        what: &'static str,
    },
}

/// How the spool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Octets the disk has left.
    pub free_octets: u64,
    /// Names (inodes) the disk has left.
    pub free_names: u64,
    /// Committed objects that listings show.
    pub objects: u64,
    /// Stages alive or waiting for their senders.
    pub stages: u64,
    /// Committed objects that still have to follow into the bucket.
    pub following: u64,
    /// Files set aside under `corrupt/` because they are damaged.
    pub corrupt: u64,
    /// Syncs that failed since the start.
    pub sync_errors: u64,
    /// Whether new stages are taken.
    pub writable: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Why the index is kept in memory instead of on the disk: files are taken as ever, and the next start takes longer.
    pub index_lost: Option<String>,
    /// What the boxes of each class hold.
    pub classes: Vec<ClassUsage>,
}

impl Spool {
    /// Opens the spool in a directory tree, making it if the tree is empty: takes the lock, checks the version, judges
    /// everything that is there, and brings the index in line.
    ///
    /// # Errors
    /// [`SpoolError::Locked`], [`SpoolError::NotASpool`], [`SpoolError::Version`], [`SpoolError::Io`].
    pub fn open(files: Arc<dyn Files>, index: Index, mint: Mint, now: Now) -> Result<(Self, Recovery), SpoolError> {
        Self::open_with(files, index, Keys::none(), mint, now)
    }

    /// As [`Spool::open`], with the master keys of what is encrypted.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_with(
        files: Arc<dyn Files>,
        index: Index,
        keys: Keys,
        mint: Mint,
        now: Now,
    ) -> Result<(Self, Recovery), SpoolError> {
        Self::open_with_bucket(files, None, index, keys, mint, now)
    }

    /// As [`Spool::open_with`], with a bucket in which objects lie, too.
    ///
    /// # Errors
    /// As [`Spool::open`]; [`SpoolError::Io`] if the bucket does not answer.
    pub fn open_with_bucket(
        files: Arc<dyn Files>,
        remote: Option<Remote>,
        index: Index,
        keys: Keys,
        mint: Mint,
        now: Now,
    ) -> Result<(Self, Recovery), SpoolError> {
        recognise(files.as_ref())?; // before anything is written
        let lock = take_lock(files.as_ref())?;
        Self::start(files, remote, lock, index, keys, mint, now, &mut |_, _| {})
    }

    /// As [`Spool::open`] for a spool that is there, with an index that is made anew: every envelope is read and checked.
    /// `told` hears how many of how many have been.
    ///
    /// # Errors
    /// Those of [`Spool::open`]; [`SpoolError::NotASpool`] also for an empty directory.
    pub fn rebuild(
        files: Arc<dyn Files>,
        remote: Option<Remote>,
        index: Index,
        keys: Keys,
        mint: Mint,
        now: Now,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<(Self, Recovery), SpoolError> {
        if !recognise(files.as_ref())? {
            return Err(SpoolError::NotASpool);
        }
        let lock = take_lock(files.as_ref())?;
        remove_index(files.as_ref());
        Self::start(files, remote, lock, index, keys, mint, now, told)
    }

    fn start(
        files: Arc<dyn Files>,
        remote: Option<Remote>,
        lock: Box<dyn Lock>,
        index: Index,
        keys: Keys,
        mint: Mint,
        now: Now,
        told: &mut dyn FnMut(u64, u64),
    ) -> Result<(Self, Recovery), SpoolError> {
        let on_disk = index.is_on_disk();
        let (index, known) = connect(files.as_ref(), index, &keys)?;
        let lost = (on_disk && !index.is_on_disk()).then(|| "index.sqlite can't be written".to_owned());
        let shared = Arc::new(Shared::new(files, remote, index, keys, mint, Some(lock)));
        *locked(&shared.index_lost) = lost;
        prepare(&shared)?;
        recognise_bucket(&shared, true)?;
        let recovery = recover(&shared, known, now, told)?;
        recall(&shared)?;
        ballast::take_in(&shared);
        Ok((Self { shared }, recovery))
    }

    /// Opens the spool for reading, beside a server that may be running. Nothing on the disk changes.
    ///
    /// # Errors
    /// [`SpoolError::NotASpool`], [`SpoolError::Version`], [`SpoolError::Io`].
    pub fn read_only(files: Arc<dyn Files>) -> Result<Self, SpoolError> {
        Self::read_only_with(files, Keys::none())
    }

    /// As [`Spool::read_only`], with the master keys of what is encrypted.
    ///
    /// # Errors
    /// As [`Spool::read_only`].
    pub fn read_only_with(files: Arc<dyn Files>, keys: Keys) -> Result<Self, SpoolError> {
        Self::read_only_with_bucket(files, None, keys)
    }

    /// As [`Spool::read_only_with`], with the bucket of the spool. The directory of its server need not be at hand: an
    /// object that is not in the bucket yet is then not seen.
    ///
    /// # Errors
    /// As [`Spool::read_only`]; [`SpoolError::Io`] if the bucket does not answer.
    pub fn read_only_with_bucket(
        files: Arc<dyn Files>,
        remote: Option<Remote>,
        keys: Keys,
    ) -> Result<Self, SpoolError> {
        let is_here = recognise(files.as_ref())?;
        let shared = Shared::new(files, remote, Index::in_memory(), keys, Mint::from_number(0), None);
        if !recognise_bucket(&shared, false)? && !is_here {
            return Err(SpoolError::NotASpool);
        }
        let mut index = rebuilt(&shared)?;
        shared.usage.recount(index.held()?);
        *locked(&shared.index) = index;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether some of it is kept in a bucket.
    pub fn has_bucket(&self) -> bool {
        self.shared.remote.is_some()
    }

    /// Carries something one step further into the bucket, waiting for it at most for `patience`. To be called again and
    /// again, by as many threads as shall upload at once, if there is a bucket: without one it returns at once.
    pub fn carry(&self, patience: Duration) -> Carried {
        carry::carry(&self.shared, patience)
    }

    /// Lets nobody wait in [`Spool::carry`] any more.
    pub fn stop_carrying(&self) {
        if let Some(remote) = &self.shared.remote {
            remote.carriage.close();
        }
    }

    /// Takes nothing more, for this reason, until it is opened again.
    pub fn refuse(&self, why: String) {
        self.shared.refuse(why);
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How full the disk may become before no new stage is taken.
    pub fn set_marks(&self, marks: Marks) {
        self.shared.water.set(marks);
    }

    /// How many objects wait for each master key that is not at hand.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn waiting_for_keys(&self) -> Result<Vec<(String, u64)>, SpoolError> {
        ask(&self.shared, Index::waiting)
    }

    /// Wraps the keys of everything that is encrypted with the first master key. Says how many objects that were; those
    /// whose master key is not at hand stay as they are. What is interrupted is done the next time.
    ///
    /// # Errors
    /// [`SpoolError`] if the disk can't be read or written.
    pub fn rewrap(&self) -> Result<u64, SpoolError> {
        rewrap::rewrap(&self.shared)
    }

    /// What holds for which boxes: for each the first class that it fits. What is there stays, also over its quota.
    pub fn set_classes(&self, classes: Vec<BoxClass>) {
        self.shared.usage.set_classes(classes);
    }

    /// What every box holds, and may hold.
    pub fn boxes(&self) -> Vec<BoxUsage> {
        self.shared.usage.boxes()
    }

    /// A stage for a file that is about to arrive. If an earlier offer with the same resume key left octets, the stage
    /// has them, and a session that still writes there is shut out at once.
    ///
    /// # Errors
    /// [`StageError::Exists`], [`StageError::Quota`], [`StageError::Full`], [`StageError::TooManyStages`], [`StageError::Spool`].
    pub fn stage(&self, plan: StagePlan, now: Now) -> Result<Stage, StageError> {
        staging::begin(&self.shared, plan, now)
    }

    /// How many octets of a file, from the first on, a sender with this [`StagePlan::file_key`] need not bring again.
    pub fn waiting(&self, file_key: &str) -> u64 {
        staging::waiting(&self.shared, file_key)
    }

    /// Makes a sealed file an object: durable, complete, and visible from now on.
    ///
    /// # Errors
    /// Each says what becomes of the octets.
    pub fn commit(&self, sealed: Sealed, draft: EnvelopeDraft, now: Now) -> Result<Committed, CommitError> {
        commit::publish(sealed, draft, now)
    }

    /// The object of this name.
    ///
    /// # Errors
    /// [`SpoolError::Corrupt`] if it is there and may not be served; [`SpoolError::Io`].
    pub fn find(&self, uri: &ObjectUri) -> Result<Option<Committed>, SpoolError> {
        let mut before = None;
        loop {
            let known = ask(&self.shared, |index| index.find(uri))?;
            let Some(id) = known.filter(|id| before != Some(*id)) else { return Ok(None) };
            match self.loaded(id)? {
                Some(object) => return Ok(Some(object)),
                None => before = Some(id), // another object may just have taken its place
            }
        }
    }

    /// The object of this id.
    ///
    /// # Errors
    /// As [`Spool::find`].
    pub fn find_id(&self, id: &str) -> Result<Option<Committed>, SpoolError> {
        Id::parse(id).map_or(Ok(None), |id| self.loaded(id))
    }

    fn loaded(&self, id: Id) -> Result<Option<Committed>, SpoolError> {
        match load(&self.shared, id) {
            Ok(object) => Ok(Some(object)),
            Err(SpoolError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The objects of a box that a file selector picks (RFC 5547 §6: all of name, type, size and hash that it gives),
    /// the youngest first. Damaged ones are left out, and those that an operator holds.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn select(&self, mailbox: &str, selector: &FileInfo) -> Result<Vec<Committed>, SpoolError> {
        let mut picked: Vec<Committed> = Vec::new();
        let mut ids = Vec::new();
        for lookup in self.shared.keys.lookups(selector) {
            ids.append(&mut ask(&self.shared, |index| index.select(mailbox, selector, &lookup, SELECTED_OBJECTS))?);
        }
        for id in ids {
            match self.loaded(id) {
                Ok(Some(object)) if self.standing(&object)?.held.is_some() => {}
                Ok(Some(object)) if is_type(object.envelope(), selector) && !picked.contains(&object) => {
                    picked.push(object)
                }
                Ok(_) | Err(SpoolError::Corrupt { .. } | SpoolError::Newer { .. } | SpoolError::KeyMissing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        picked.sort_by_key(|object| std::cmp::Reverse(object.envelope().stored));
        picked.truncate(SELECTED_OBJECTS);
        Ok(picked)
    }

    /// The object that a file selector picks in a box; `None` if it picks none, or several: RFC 5547 §8.3.2 has no way
    /// to send more than one.
    ///
    /// # Errors
    /// As [`Spool::select`].
    pub fn select_one(&self, mailbox: &str, selector: &FileInfo) -> Result<Option<Committed>, SpoolError> {
        Ok(<[_; 1]>::try_from(self.select(mailbox, selector)?).ok().map(|[object]| object))
    }

    /// One page of envelopes in the order of their ids, from the index and without icons: for people to look at. Only
    /// [`Spool::find`] proves that an object is there. Of encrypted ones the index knows little, so they are read; those
    /// whose key is not at hand are left out.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn list(&self, query: &Query) -> Result<Vec<Envelope>, SpoolError> {
        Ok(self.listing(query)?.into_iter().map(|(envelope, _)| envelope).collect())
    }

    /// As [`Spool::list`], with what has become of each object.
    ///
    /// # Errors
    /// As [`Spool::list`].
    pub fn listing(&self, query: &Query) -> Result<Vec<(Envelope, Standing)>, SpoolError> {
        // One more than a page, for whoever has to say whether there is another.
        let limit = query.limit.unwrap_or(LISTED_OBJECTS).min(LISTED_OBJECTS + 1);
        let mut cursor = query.cursor.clone().unwrap_or_default();
        let mut page = Vec::new();
        while page.len() < limit {
            let want = limit - page.len();
            let rows = ask(&self.shared, |index| index.list(query.mailbox.as_deref(), query.state, &cursor, want))?;
            let Some(last) = rows.last() else { break };
            cursor.clone_from(&last.0.id);
            for (row, standing) in rows {
                let envelope = if row.is_encrypted() { self.opened(&row.id)? } else { Some(row) };
                page.extend(envelope.map(|envelope| (envelope, standing)));
            }
        }
        Ok(page)
    }

    /// The envelope of an encrypted object without its icon, if it can be opened.
    fn opened(&self, id: &str) -> Result<Option<Envelope>, SpoolError> {
        match self.find_id(id) {
            Ok(object) => Ok(object.map(|object| Envelope { icon: None, ..object.envelope().clone() })),
            Err(SpoolError::KeyMissing { .. } | SpoolError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids of everything that is published, sorted: damaged ones too, which [`Spool::list`] does not show.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn published(&self) -> Result<Vec<String>, SpoolError> {
        let mut ids = objects::published(&self.shared).map_err(SpoolError::io("listing the queue"))?;
        ids.sort_unstable();
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// Opens the body of an object.
    ///
    /// # Errors
    /// [`SpoolError::Gone`], [`SpoolError::Corrupt`] if its length is wrong, [`SpoolError::Io`].
    pub fn read(&self, object: &Committed) -> Result<Body, SpoolError> {
        let envelope = object.envelope();
        let id = Id::parse(&envelope.id).ok_or_else(|| SpoolError::Gone { id: envelope.id.clone() })?;
        let file = open_body(&self.shared, id, envelope)?;
        Ok(Body::new(file, envelope))
    }

    /// Reads an object whole and compares it with its envelope.
    ///
    /// # Errors
    /// [`SpoolError::Gone`] if there is no such object; [`SpoolError::Io`] if the disk can't be read.
    pub fn verify(&self, id: &str) -> Result<Check, SpoolError> {
        let checked = || {
            let object = self.find_id(id)?.ok_or_else(|| SpoolError::Gone { id: id.to_owned() })?;
            let body = self.read(&object)?;
            let id = Id::parse(id).ok_or_else(|| SpoolError::Gone { id: id.to_owned() })?;
            let mut hashes = body.hashes();
            match body.hash_on(&mut hashes, u64::MAX) {
                Err(error) if error.is_broken_frame() => return Err(quarantine(&self.shared, id, BROKEN_FRAME)),
                read => read?,
            };
            let (sha1, sha256) = hashes.finish();
            let envelope = object.envelope();
            if (&Digest::sha1(sha1), &Digest::sha256(sha256)) == (envelope.sha1(), envelope.sha256()) {
                return Ok(());
            }
            Err(quarantine(&self.shared, id, "the body does not have the digests its envelope says"))
        };
        match checked() {
            Ok(()) => Ok(Check::Sound),
            Err(SpoolError::Corrupt { what, .. }) => Ok(Check::Damaged { what }),
            Err(error) => Err(error),
        }
    }

    /// How the spool is. Where something could not be written, it is tried again.
    pub fn status(&self) -> SpoolStatus {
        let shared = &self.shared;
        let ailment = ailment(shared);
        let space = shared.files.space();
        let level = match &space {
            Ok(space) => shared.water.look(*space),
            Err(error) => Some(format!("free space is unknown: {error}")),
        };
        let trouble = || shared.remote.as_ref().and_then(Remote::trouble);
        let reason = ailment.or(level).or_else(trouble);
        let Space { free_octets, free_names, .. } = space.unwrap_or_default();
        SpoolStatus {
            free_octets,
            free_names,
            objects: shared.usage.objects(),
            stages: locked(&shared.desk).stages() as u64,
            following: shared.remote.as_ref().map_or(0, |remote| remote.carriage.followers()),
            corrupt: objects::aside(shared).map_or(0, |names| damaged(&names)),
            sync_errors: shared.sync_errors.load(Ordering::Relaxed),
            writable: reason.is_none(),
            reason,
            index_lost: locked(&shared.index_lost).clone(),
            classes: shared.usage.classes(),
        }
    }

    /// Files of which not everything has come yet, the oldest first. A handle that only reads sees what a running server
    /// has written down so far.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn stages(&self) -> Result<Vec<Arriving>, SpoolError> {
        arriving::list(&self.shared)
    }

    /// What was set aside because it does not pass its checks.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn set_aside(&self) -> Result<Vec<Aside>, SpoolError> {
        aside::list(&self.shared)
    }

    /// Removes a stage that waits for its sender; says no if nothing of this id waits.
    ///
    /// # Errors
    /// [`SpoolError::NotWritable`].
    pub fn forget_stage(&self, id: &str) -> Result<bool, SpoolError> {
        arriving::forget(&self.shared, id)
    }

    /// Removes what is too old or belongs to nobody. Once an hour is often enough.
    ///
    /// # Errors
    /// [`SpoolError`] if the disk can't be read or written.
    pub fn sweep(&self, now: Now) -> Result<Swept, SpoolError> {
        sweep::sweep(&self.shared, now)
    }
}

/// The open file of a committed object, without the wrappers it came in. A deletion meanwhile does not take it away.
pub struct Body {
    file: Box<dyn File>,
    offset: u64,
    size: u64,
}

impl Body {
    pub(super) fn new(file: Box<dyn File>, envelope: &Envelope) -> Self {
        Self { file, offset: envelope.offset, size: envelope.size() }
    }

    /// Length in octets.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Nothing of it is hashed yet.
    pub(super) fn hashes(&self) -> Hashes {
        Hashes::from(self.offset)
    }

    /// Hashes at most so many octets more, and says how many it were.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub(super) fn hash_on(&self, hashes: &mut Hashes, octets: u64) -> Result<u64, SpoolError> {
        let from = hashes.end();
        let end = from.saturating_add(octets).min(self.offset + self.size);
        hashes.catch_up(self.file.as_ref(), end).map_err(SpoolError::io("reading a body"))?;
        Ok(end - from)
    }

    /// Whether nothing is left to be hashed.
    pub(super) const fn is_hashed(&self, hashes: &Hashes) -> bool {
        hashes.end() >= self.offset + self.size
    }

    /// Reads at `offset`; zero octets mean the end.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SpoolError> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        self.file
            .read_at(&mut buffer[..want], self.offset.saturating_add(offset))
            .map_err(SpoolError::io("reading a body"))
    }
}

fn take_lock(files: &dyn Files) -> Result<Box<dyn Lock>, SpoolError> {
    files.lock(LOCK_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => SpoolError::Locked,
        _ => SpoolError::io("taking the lock")(error),
    })
}

/// Orphans of interrupted commits lie there too, and are no damage.
fn damaged(names: &[String]) -> u64 {
    names.iter().filter(|name| !name.ends_with(ORPHAN)).count() as u64
}

/// RFC 5547 §6: the type of a selector has to match without regard to case; parameters only if it has some.
fn is_type(envelope: &Envelope, selector: &FileInfo) -> bool {
    let Some(wanted) = selector.media_type.as_deref() else { return true };
    let Some(is) = envelope.file.media_type.as_deref() else { return false };
    let is = if wanted.contains(';') { is } else { is.split(';').next().unwrap_or_default().trim() };
    is.eq_ignore_ascii_case(wanted.trim())
}
