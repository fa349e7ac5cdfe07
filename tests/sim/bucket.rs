//! A bucket in memory that fails when told to, before it has done what it was asked or after.
#![allow(dead_code, reason = "each test crate that borrows this module uses its own part of it")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use restante::model::Wall;
use restante::spool::{Bucket, BucketError, Stored, Unfinished};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// It is not done, and nobody says so.
    Before,
    /// It is done, and nobody says so.
    After,
    /// It is refused.
    Refused,
    /// There is nothing of the kind, it says.
    Missing,
    /// It is not done, and the process ends: so is nothing after it.
    CrashBefore,
    /// It is done, and the process ends.
    CrashAfter,
}

/// One simulated bucket. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct SimBucket {
    inner: Arc<Mutex<Inner>>,
    meeting: Arc<(Mutex<Meeting>, Condvar)>,
}

/// Readers of envelopes that wait for each other.
#[derive(Clone, Copy, Default)]
struct Meeting {
    wanted: usize,
    inside: usize,
    most: usize,
}

/// How long one waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
struct Inner {
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    uploads: BTreeMap<String, Upload>,
    calls: Vec<String>,
    lapses: HashMap<usize, Lapse>,
    off: bool,
    moods: Moods,
    lies: bool,
    hidden: BTreeSet<String>,
    turn: u64,
    clock: Wall,
}

/// How often a call fails by itself, and by which numbers.
#[derive(Clone, Default)]
struct Moods {
    percent: u64,
    state: u64,
    lapses: u64,
}

impl Moods {
    fn next(&mut self) -> Option<Lapse> {
        if self.percent == 0 {
            return None;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let kind = [Lapse::Before, Lapse::After, Lapse::Refused][(self.state >> 40) as usize % 3];
        let lapse = (self.state % 100 < self.percent).then_some(kind);
        self.lapses += u64::from(lapse.is_some());
        lapse
    }
}

#[derive(Clone)]
struct Upload {
    key: String,
    parts: BTreeMap<usize, (String, Vec<u8>)>,
    begun: Wall,
}

type Answer<T> = Result<T, BucketError>;

impl SimBucket {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The calls so far, each as `NAME KEY`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.inner().calls.clone()
    }

    /// Lets the call of this number fail.
    pub(crate) fn inject(&self, at: usize, lapse: Lapse) {
        self.inner().lapses.insert(at, lapse);
    }

    /// Lets so many of a hundred calls fail, before they have done something or after; which ones, the seed decides.
    pub(crate) fn fail_at_random(&self, percent: u64, seed: u64) {
        self.inner().moods = Moods { percent, state: seed | 1, lapses: 0 };
    }

    /// From now on nothing is created, and it says that it was.
    pub(crate) fn lie(&self) {
        self.inner().lies = true;
    }

    /// From now on no listing has this key.
    pub(crate) fn hide(&self, key: &str) {
        self.inner().hidden.insert(key.to_owned());
    }

    /// From now on nobody gets an envelope before so many want one at once; after a while they do, one by one.
    pub(crate) fn meet(&self, readers: usize) {
        *self.meeting.0.lock().expect("no test panics inside the bucket") =
            Meeting { wanted: readers, ..<_>::default() };
    }

    /// How many wanted an envelope at once at most.
    pub(crate) fn met(&self) -> usize {
        self.meeting.0.lock().expect("no test panics inside the bucket").most
    }

    fn wait_for_others(&self) {
        let (meeting, moved) = &*self.meeting;
        let mut here = meeting.lock().expect("no test panics inside the bucket");
        here.inside += 1;
        here.most = here.most.max(here.inside);
        moved.notify_all();
        let alone = |here: &mut Meeting| here.most < here.wanted;
        let (mut here, _) = moved.wait_timeout_while(here, PATIENCE, alone).expect("no test panics inside the bucket");
        here.inside -= 1;
    }

    /// What its clock says from now on.
    pub(crate) fn set_clock(&self, wall: Wall) {
        self.inner().clock = wall;
    }

    /// The bucket after a crash of whoever used it: all that it has done is there.
    pub(crate) fn restart(&self) -> Self {
        let inner = self.inner();
        let fresh =
            Inner { calls: Vec::new(), lapses: HashMap::new(), off: false, moods: Moods::default(), ..inner.clone() };
        Self { inner: Arc::new(Mutex::new(fresh)), meeting: Arc::default() }
    }

    /// Envelopes that it got, and calls that it failed by itself.
    pub(crate) fn tally(&self) -> (u64, u64) {
        let inner = self.inner();
        let envelopes = inner.objects.keys().filter(|key| key.starts_with("queued/")).count();
        (envelopes as u64, inner.moods.lapses)
    }

    /// The keys of its objects.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }

    /// Uploads that were neither completed nor given up.
    pub(crate) fn uploads(&self) -> usize {
        self.inner().uploads.len()
    }

    /// Forgets all uploads, as a bucket with a lifecycle rule does.
    pub(crate) fn lose_uploads(&self) {
        self.inner().uploads.clear();
    }

    /// An object as it lies there.
    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.inner().objects.get(key).map(|(octets, _)| octets.clone())
    }

    /// Puts or, with no octets, removes an object behind everybody's back.
    pub(crate) fn tamper(&self, key: &str, octets: Option<Vec<u8>>) {
        match octets {
            Some(octets) => self.inner().store(key, &octets),
            None => {
                self.inner().objects.remove(key);
                String::new()
            }
        };
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics inside the bucket")
    }

    fn call<T>(&self, name: &str, key: &str, work: impl FnOnce(&mut Inner) -> Answer<T>) -> Answer<T> {
        let mut inner = self.inner();
        let mood = inner.moods.next();
        let lapse = inner.lapses.get(&inner.calls.len()).copied().or(mood);
        inner.calls.push(format!("{name} {key}"));
        let unclear = || BucketError::Unclear("time-out".to_owned());
        if inner.off {
            return Err(unclear());
        }
        match lapse {
            None => work(&mut inner),
            Some(Lapse::Refused) => Err(BucketError::Denied("403".to_owned())),
            Some(Lapse::Missing) => Err(BucketError::Missing),
            Some(Lapse::Before) => Err(unclear()),
            Some(Lapse::After) => work(&mut inner).and(Err(unclear())),
            Some(Lapse::CrashBefore) => {
                inner.off = true;
                Err(unclear())
            }
            Some(Lapse::CrashAfter) => {
                inner.off = true;
                work(&mut inner).and(Err(unclear()))
            }
        }
    }
}

impl Inner {
    fn store(&mut self, key: &str, octets: &[u8]) -> String {
        self.turn += 1;
        self.objects.insert(key.to_owned(), (octets.to_vec(), self.turn));
        self.turn.to_string()
    }

    fn stored(&self, key: &str) -> Answer<Stored> {
        let (octets, turn) = self.objects.get(key).ok_or(BucketError::Missing)?;
        let (size, tag) = (octets.len() as u64, turn.to_string());
        Ok(Stored { key: key.to_owned(), size, tag, modified: self.clock })
    }
}

impl Bucket for SimBucket {
    fn put(&self, key: &str, octets: &[u8]) -> Answer<String> {
        self.call("put", key, |inner| Ok(inner.store(key, octets)))
    }

    fn create(&self, key: &str, octets: &[u8]) -> Answer<String> {
        self.call("create", key, |inner| match inner.objects.contains_key(key) {
            true => Err(BucketError::Taken),
            false if inner.lies => Ok("nothing".to_owned()),
            false => Ok(inner.store(key, octets)),
        })
    }

    fn replace(&self, key: &str, tag: &str, octets: &[u8]) -> Answer<String> {
        self.call("replace", key, |inner| match inner.stored(key)?.tag == tag {
            true => Ok(inner.store(key, octets)),
            false => Err(BucketError::Taken),
        })
    }

    fn get(&self, key: &str, range: Range<u64>) -> Answer<Vec<u8>> {
        if key.starts_with("queued/") {
            self.wait_for_others();
        }
        self.call("get", key, |inner| {
            let (octets, _) = inner.objects.get(key).ok_or(BucketError::Missing)?;
            let (start, end) = (octets.len().min(range.start as usize), octets.len().min(range.end as usize));
            Ok(octets[start..end].to_vec())
        })
    }

    fn head(&self, key: &str) -> Answer<Stored> {
        self.call("head", key, |inner| inner.stored(key))
    }

    fn list(&self, prefix: &str, after: &str) -> Answer<Vec<Stored>> {
        self.call("list", prefix, |inner| {
            let listed =
                |key: &&String| key.starts_with(prefix) && key.as_str() > after && !inner.hidden.contains(*key);
            let keys = inner.objects.keys().filter(listed);
            keys.take(2).map(|key| inner.stored(key)).collect() // short pages, so that there are several
        })
    }

    fn delete(&self, key: &str) -> Answer<()> {
        self.call("delete", key, |inner| {
            inner.objects.remove(key);
            Ok(())
        })
    }

    fn begin(&self, key: &str) -> Answer<String> {
        self.call("begin", key, |inner| {
            inner.turn += 1;
            let (id, begun) = (format!("upload {}", inner.turn), inner.clock);
            inner.uploads.insert(id.clone(), Upload { key: key.to_owned(), parts: BTreeMap::new(), begun });
            Ok(id)
        })
    }

    fn part(&self, key: &str, upload: &str, number: usize, octets: Bytes) -> Answer<String> {
        self.call("part", key, |inner| {
            inner.turn += 1;
            let tag = format!("part {}", inner.turn);
            let upload = inner.uploads.get_mut(upload).ok_or(BucketError::Missing)?;
            upload.parts.insert(number, (tag.clone(), octets.to_vec()));
            Ok(tag)
        })
    }

    fn complete(&self, key: &str, upload: &str, parts: &[String]) -> Answer<()> {
        self.call("complete", key, |inner| {
            let there = inner.uploads.get(upload).ok_or(BucketError::Missing)?;
            let mut octets = Vec::new();
            for (number, tag) in parts.iter().enumerate() {
                match there.parts.get(&number) {
                    Some((known, part)) if known == tag => octets.extend_from_slice(part),
                    _ => return Err(BucketError::Refused("InvalidPart".to_owned())),
                }
            }
            inner.uploads.remove(upload);
            inner.store(key, &octets);
            Ok(())
        })
    }

    fn abort(&self, key: &str, upload: &str) -> Answer<()> {
        self.call("abort", key, |inner| {
            inner.uploads.remove(upload);
            Ok(())
        })
    }

    fn unfinished(&self, prefix: &str) -> Answer<Vec<Unfinished>> {
        self.call("unfinished", prefix, |inner| {
            let uploads = inner.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix));
            let unfinished = |(id, upload): (&String, &Upload)| Unfinished {
                key: upload.key.clone(),
                upload: id.clone(),
                begun: upload.begun,
            };
            Ok(uploads.map(unfinished).collect())
        })
    }
}
