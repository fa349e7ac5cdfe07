//! Objects in a bucket: the keys, the order in which they are put, and what is done when the bucket leaves open whether it was.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};

use crate::model::Wall;
use crate::model::limits::{BUCKET_ATTEMPTS, BUCKET_WINDOW_OCTETS, ENVELOPE_OCTETS, PARTS_IN_FLIGHT_OCTETS};

use super::bucket::{Bucket, BucketError, Stored, Unfinished};
use super::files::File;
use super::gate::Gate;
use super::layout::{self, CORRUPT, DATA, Id, QUEUED, STATE, States, VERSION_FILE};
use super::lent::{Buffers, Lent};
use super::locked::locked;

/// The objects of one bucket.
pub(super) struct BucketStore {
    bucket: Arc<dyn Bucket>,
    /// What the last call that failed for the bucket's own reasons said; none since one went well.
    trouble: Mutex<Option<String>>,
    parts_in_flight: Gate,
    buffers: Buffers,
}

impl BucketStore {
    pub(super) fn new(bucket: Arc<dyn Bucket>) -> Self {
        Self {
            bucket,
            trouble: Mutex::default(),
            parts_in_flight: Gate::new(PARTS_IN_FLIGHT_OCTETS),
            buffers: Buffers::default(),
        }
    }

    /// Makes sure that this is a spool of ours, or that it may become one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with what VERSION says if it is another release's.
    pub(super) fn recognise(&self, may_make: bool) -> io::Result<bool> {
        let ours = layout::version_line();
        match self.get(VERSION_FILE, 256) {
            Ok(octets) if octets == ours.as_bytes() => Ok(true),
            Ok(octets) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(&octets).trim().to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => {
                self.create(VERSION_FILE, ours.as_bytes()).map(|()| true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A buffer for a part of a body.
    pub(super) fn buffer(&self, length: usize) -> Lent {
        self.buffers.lend(length)
    }

    /// What the bucket's last failure was, if nothing went well since.
    pub(super) fn trouble(&self) -> Option<String> {
        locked(&self.trouble).clone()
    }

    /// Asks the bucket anything, to see whether it answers.
    pub(super) fn knock(&self) {
        let _ = self.head(VERSION_FILE);
    }

    /// The ids of the envelopes it has.
    pub(super) fn published(&self) -> io::Result<Vec<Id>> {
        self.list(QUEUED, |stored| Id::parse(name(stored)))
    }

    /// What is written down of what has become of objects.
    pub(super) fn states(&self) -> io::Result<States> {
        let mut states = States::default();
        for name in self.list(STATE, |stored| Some(name(stored).to_owned()))? {
            states.add(&name);
        }
        Ok(states)
    }

    /// What is wanted of everything below a directory, page after page: of a million objects no more is kept than that.
    fn list<T>(&self, dir: &str, wanted: impl Fn(&Stored) -> Option<T>) -> io::Result<Vec<T>> {
        let (prefix, mut all, mut after) = (format!("{dir}/"), Vec::new(), String::new());
        loop {
            let page = self.note(self.bucket.list(&prefix, &after))?;
            let Some(last) = page.last().filter(|last| last.key > after) else { return Ok(all) };
            after.clone_from(&last.key);
            all.extend(page.iter().filter_map(&wanted));
        }
    }

    /// The record of an envelope.
    pub(super) fn envelope(&self, id: Id) -> io::Result<Vec<u8>> {
        self.get(&id.envelope(), ENVELOPE_OCTETS)
    }

    /// The record of what has become of an object.
    pub(super) fn state(&self, id: Id) -> io::Result<Vec<u8>> {
        self.get(&id.state(), ENVELOPE_OCTETS)
    }

    /// A body, to be read.
    pub(super) fn body(&self, id: Id) -> io::Result<Box<dyn File>> {
        let key = body_key(id);
        let Stored { size, .. } = self.head(&key)?;
        Ok(Box::new(BucketBody { bucket: Arc::clone(&self.bucket), key, size, window: Mutex::default() }))
    }

    /// Whether there is an envelope or a body of this id.
    pub(super) fn is_there(&self, id: Id) -> io::Result<bool> {
        for key in [id.envelope(), body_key(id)] {
            match self.head(&key) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found.map(|_| true),
            }
        }
        Ok(false)
    }

    /// Whether there is an envelope of this id, published or set aside, whatever a listing says.
    pub(super) fn has_envelope(&self, id: Id) -> io::Result<bool> {
        for key in [id.envelope(), id.corrupt("envelope")] {
            match self.head(&key) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found.map(|_| true),
            }
        }
        Ok(false)
    }

    /// Publishes an object whose body is there. **The commit point.**
    /// [`io::ErrorKind::AlreadyExists`] if another record of the same id is there: that one counts.
    pub(super) fn publish(&self, id: Id, record: &[u8]) -> io::Result<()> {
        self.create(&id.envelope(), record)
    }

    /// Puts an envelope in the place of the one there is.
    pub(super) fn put_envelope(&self, id: Id, record: &[u8]) -> io::Result<()> {
        self.put(&id.envelope(), record)
    }

    /// Puts a state in the place of the one there may be.
    pub(super) fn put_state(&self, id: Id, record: &[u8]) -> io::Result<()> {
        self.put(&id.state(), record)
    }

    /// The record of what has become of an object that is there.
    pub(super) fn standing(&self, id: Id, sum: u64) -> io::Result<Vec<u8>> {
        self.get(&id.standing(sum), ENVELOPE_OCTETS)
    }

    /// Puts the record of an object that is there beside the one there may be.
    pub(super) fn put_standing(&self, id: Id, sum: u64, record: &[u8]) -> io::Result<()> {
        self.put(&id.standing(sum), record)
    }

    /// Forgets what had become of an object that is there.
    pub(super) fn forget_standing(&self, id: Id, sum: u64) -> io::Result<()> {
        self.delete(&id.standing(sum))
    }

    /// Forgets a state.
    pub(super) fn forget_state(&self, id: Id) -> io::Result<()> {
        self.delete(&id.state())
    }

    /// Puts a small body where none is, or where this one is.
    pub(super) fn put_body(&self, id: Id, octets: &[u8]) -> io::Result<()> {
        self.put(&body_key(id), octets)
    }

    /// Removes envelope and body, in that order: an envelope without its body would look like damage.
    pub(super) fn erase(&self, id: Id) -> io::Result<()> {
        self.delete(&id.envelope())?;
        self.delete(&body_key(id))
    }

    /// Takes the envelope away, and leaves the body.
    pub(super) fn retract(&self, id: Id) -> io::Result<()> {
        self.delete(&id.envelope())
    }

    /// Keeps a copy of a record under `corrupt/` and removes it. The body stays where it is: to move it is to read and
    /// write it whole.
    pub(super) fn set_aside(&self, id: Id, from: &str, kind: &str) -> io::Result<()> {
        match self.get(from, ENVELOPE_OCTETS) {
            Ok(record) => self.put(&id.corrupt(kind), &record)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.delete(from)
    }

    /// Whether a record of this kind was set aside before.
    pub(super) fn is_aside(&self, id: Id, kind: &str) -> io::Result<bool> {
        match self.get(&id.corrupt(kind), ENVELOPE_OCTETS) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Names below `corrupt/`.
    pub(super) fn aside(&self) -> io::Result<Vec<String>> {
        self.list(CORRUPT, |stored| Some(name(stored).to_owned()))
    }

    /// Bodies that have no envelope, neither published nor set aside, with the time when they were put there.
    pub(super) fn orphans(&self) -> io::Result<Vec<(Id, Wall)>> {
        // Before the envelopes: a commit puts them in this order.
        let mut bodies = self.list(DATA, |stored| Some((Id::parse(name(stored))?, stored.modified)))?;
        let published = self.published()?;
        let aside = self.aside()?;
        let mut named: HashSet<Id> = published.into_iter().collect();
        named.extend(aside.iter().filter_map(|name| layout::split(name)).map(|(id, _)| id));
        bodies.retain(|(id, _)| !named.contains(id));
        Ok(bodies)
    }

    /// Uploads of bodies that were neither completed nor given up; none if the bucket can't list them.
    pub(super) fn unfinished(&self) -> io::Result<Vec<Unfinished>> {
        match self.note(self.bucket.unfinished(&format!("{DATA}/"))) {
            Err(BucketError::Unsupported(_)) => Ok(Vec::new()),
            found => Ok(found?),
        }
    }

    /// Gives an upload up.
    pub(super) fn give_up(&self, unfinished: &Unfinished) -> io::Result<()> {
        Ok(self.note(self.bucket.abort(&unfinished.key, &unfinished.upload))?)
    }

    /// Removes a body.
    pub(super) fn delete_body(&self, id: Id) -> io::Result<()> {
        self.delete(&body_key(id))
    }

    /// Who uploads a part holds a place here.
    pub(super) const fn parts_in_flight(&self) -> &Gate {
        &self.parts_in_flight
    }

    /// The bucket itself, for what is made of several calls.
    pub(super) fn bucket(&self) -> &dyn Bucket {
        self.bucket.as_ref()
    }

    /// Length of an object in octets.
    pub(super) fn head(&self, key: &str) -> io::Result<Stored> {
        Ok(self.note(self.bucket.head(key))?)
    }

    /// A small object whole; [`io::ErrorKind::FileTooLarge`] if it is longer than `limit` octets.
    fn get(&self, key: &str, limit: usize) -> io::Result<Vec<u8>> {
        let octets = self.note(self.bucket.get(key, 0..limit as u64 + 1))?;
        if octets.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(octets) }
    }

    /// Puts an object where none is. If the bucket leaves open whether it did, what lies there decides.
    fn create(&self, key: &str, octets: &[u8]) -> io::Result<()> {
        self.settle(key, octets, || self.bucket.create(key, octets))
    }

    fn put(&self, key: &str, octets: &[u8]) -> io::Result<()> {
        self.settle(key, octets, || self.bucket.put(key, octets))
    }

    fn settle(&self, key: &str, octets: &[u8], put: impl Fn() -> Result<String, BucketError>) -> io::Result<()> {
        let mut last = BucketError::Missing;
        for _ in 0..BUCKET_ATTEMPTS {
            last = match self.note(put()) {
                Ok(_) => return Ok(()),
                Err(error @ (BucketError::Refused(_) | BucketError::Denied(_))) => return Err(error.into()),
                Err(error) => error,
            };
            // An answer that was lost, here or in a try before it, looks the same as somebody else's object.
            match self.bucket.get(key, 0..octets.len() as u64 + 1) {
                Ok(there) if there == octets => return Ok(()),
                Ok(_) if last == BucketError::Taken => return Err(last.into()),
                _ => {}
            }
        }
        Err(last.into())
    }

    fn delete(&self, key: &str) -> io::Result<()> {
        Ok(self.note(self.bucket.delete(key))?)
    }

    /// Remembers whether the bucket is well.
    pub(super) fn note<T>(&self, answer: Result<T, BucketError>) -> Result<T, BucketError> {
        let mut trouble = locked(&self.trouble);
        match &answer {
            Err(error @ (BucketError::Unclear(_) | BucketError::Refused(_) | BucketError::Denied(_))) => {
                if trouble.replace(error.to_string()).is_none() {
                    tracing::warn!(%error, "the bucket does not answer as it should");
                }
            }
            _ => *trouble = None,
        }
        answer
    }
}

/// What stands behind the last `/` of its key.
fn name(stored: &Stored) -> &str {
    stored.key.rsplit('/').next().unwrap_or_default()
}

/// `data/<id>`: a bucket needs no shards.
pub(super) fn body_key(id: Id) -> String {
    format!("{DATA}/{id}")
}

/// A body in a bucket. It is read through a window, so that a reader may take small steps.
struct BucketBody {
    bucket: Arc<dyn Bucket>,
    key: String,
    size: u64,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    start: u64,
    octets: Vec<u8>,
}

impl Window {
    /// How much of what begins at `offset` it has; copied out.
    fn copy(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let Some(skip) = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok()) else { return 0 };
        let there = self.octets.get(skip..).unwrap_or_default();
        let length = there.len().min(buffer.len());
        buffer[..length].copy_from_slice(&there[..length]);
        length
    }
}

impl File for BucketBody {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let mut window = locked(&self.window);
        let length = window.copy(offset, buffer);
        if length > 0 {
            return Ok(length);
        }
        let end = self.size.min(offset.saturating_add(BUCKET_WINDOW_OCTETS));
        let octets = self.bucket.get(&self.key, offset..end)?;
        if octets.len() as u64 != end - offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *window = Window { start: offset, octets };
        Ok(window.copy(offset, buffer))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn release(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
