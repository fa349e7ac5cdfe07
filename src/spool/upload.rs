//! One body on its way into a bucket: in parts, while it still arrives, and going on after a restart where it stopped.
//!
//! `stage/<id>.upload` has what is needed for that: a record of the upload, and after it one of each part that the bucket
//! has. It is never synced: what a power cut takes of it is uploaded again.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::model::limits::{BUCKET_ATTEMPTS, PARTS, UNDECLARED_PARTS};

use super::bucket::BucketError;
use super::bucket_store::{BucketStore, body_key};
use super::files::{File, Files, Mode, read_exact_at, read_small};
use super::layout::Id;
use super::lent::Lent;
use super::record::{self, Kind};

/// Octets that the records of an upload may have: 10,000 parts.
const LOG_OCTETS: usize = 8 * 1024 * 1024;

/// Where an upload keeps its records, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) store: &'a BucketStore,
}

/// The upload of one body.
pub(super) struct Upload {
    id: Id,
    /// Declared length, which gives the length of the parts.
    declared: Option<u64>,
    /// The shortest part there may be, but for the last one of a body.
    floor: u64,
    begun: Option<Begun>,
    /// How many parts, from the first on, are known to be what the body has. After a restart they have to be compared.
    sure: usize,
}

/// An upload that the bucket knows.
struct Begun {
    head: Head,
    parts: Vec<Part>,
    /// Where the next record goes.
    end: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    upload: String,
    part_octets: u64,
}

/// How far the parts of an upload are what the body has.
struct Sound {
    end: usize,
    /// The part at the end is not; else nobody knows yet.
    is_damaged: bool,
}

#[derive(Serialize, Deserialize)]
struct Part {
    octets: u64,
    /// What the bucket wants to hear of it at the end.
    tag: String,
    sha256: String,
}

/// How an upload went that was to be completed.
enum Finished {
    /// The body is there.
    Whole,
    /// The bucket has other parts than it said: it will never be.
    Other(io::Error),
}

impl Upload {
    /// Nothing is known yet; an upload that was begun before is found by its records.
    pub(super) const fn new(id: Id, declared: Option<u64>, floor: u64) -> Self {
        Self { id, declared, floor, begun: None, sure: 0 }
    }

    /// The octets of the body may have changed since they were uploaded.
    pub(super) const fn doubt(&mut self) {
        self.sure = 0;
    }

    /// How long the body is turns out before anything was uploaded.
    pub(super) const fn declare(&mut self, total: u64) {
        if self.begun.is_none() {
            self.declared = Some(total);
        }
    }

    /// How many octets from the first on the bucket has, as far as is known.
    pub(super) fn uploaded(&self) -> u64 {
        self.begun.as_ref().map_or(0, |begun| begun.parts.len() as u64 * begun.head.part_octets)
    }

    /// Octets of its next part.
    pub(super) fn part_octets(&self) -> u64 {
        self.begun.as_ref().map_or_else(|| self.first_part(), |begun| begun.head.part_octets)
    }

    /// Uploads one part if the body, of which the first `settled` octets will not change any more, has one. Says whether
    /// it did.
    ///
    /// # Errors
    /// As reported by the bucket and the file system; what was uploaded before stays.
    pub(super) fn step(&mut self, route: Route<'_>, body: &dyn File, settled: u64) -> io::Result<bool> {
        if settled < self.first_part() {
            return Ok(false);
        }
        self.begin(route, body, settled)?;
        let is_sure = self.begun.as_ref().is_some_and(|begun| begun.parts.len() == self.sure);
        if !is_sure || settled - self.uploaded().min(settled) < self.part_octets() {
            return Ok(false);
        }
        match self.part(route, body, self.part_octets()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget(route)?; // the bucket has lost it, and it is begun anew
                Ok(true)
            }
            result => result.map(|()| true),
        }
    }

    /// Uploads what is left of a body of `total` octets and makes an object of it.
    ///
    /// # Errors
    /// As [`Upload::step`].
    pub(super) fn finish(&mut self, route: Route<'_>, body: &dyn File, total: u64) -> io::Result<()> {
        if total < self.first_part() && self.begun.is_none() && !has_log(route, self.id) {
            let _place = route.store.parts_in_flight().enter(total);
            return route.store.put_body(self.id, read(route, body, 0, total)?.as_ref());
        }
        let mut last = io::Error::from(BucketError::Missing);
        for _ in 0..BUCKET_ATTEMPTS {
            match self.try_finish(route, body, total) {
                Ok(Finished::Whole) => return Ok(()),
                Ok(Finished::Other(error)) => last = error,
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = error, // lost
                Err(error) => return Err(error),
            }
            tracing::warn!(object = %self.id, error = %last, "the upload is begun anew");
            self.reset(route)?;
        }
        Err(last)
    }

    fn try_finish(&mut self, route: Route<'_>, body: &dyn File, total: u64) -> io::Result<Finished> {
        self.begin(route, body, total)?;
        self.keep_sure(route)?;
        while self.uploaded() < total {
            self.part(route, body, self.part_octets().min(total - self.uploaded()))?;
        }
        let Some(begun) = &self.begun else { return Err(BucketError::Missing.into()) };
        let tags: Vec<String> = begun.parts.iter().map(|part| part.tag.clone()).collect();
        let key = body_key(self.id);
        let completed = route.store.note(route.store.bucket().complete(&key, &begun.head.upload, &tags));
        match completed {
            Err(error) => {
                // Done and the answer lost, now or in a try before: then the body is there, and of an upload that was begun
                // when none was.
                let is_there = route.store.head(&key).is_ok_and(|stored| stored.size == total);
                match error {
                    _ if is_there => Ok(Finished::Whole),
                    error @ BucketError::Refused(_) => Ok(Finished::Other(error.into())),
                    error => Err(error.into()),
                }
            }
            Ok(()) => Ok(Finished::Whole),
        }
    }

    /// Parts that go past the end of the body are not its parts.
    fn keep_sure(&mut self, route: Route<'_>) -> io::Result<()> {
        match &mut self.begun {
            Some(begun) if begun.parts.len() > self.sure => {
                begun.parts.truncate(self.sure);
                begun.rewrite(log(route, self.id)?.as_ref())
            }
            _ => Ok(()),
        }
    }

    /// Gives the upload up.
    ///
    /// # Errors
    /// As reported by the bucket: it has to be tried again.
    pub(super) fn reset(&mut self, route: Route<'_>) -> io::Result<()> {
        self.load(route)?;
        if let Some(begun) = &self.begun {
            // Some refuse what they no longer know.
            let aborted = route.store.note(route.store.bucket().abort(&body_key(self.id), &begun.head.upload));
            if let Err(error @ (BucketError::Unclear(_) | BucketError::Denied(_))) = aborted {
                return Err(error.into());
            }
        }
        self.forget(route)
    }

    fn forget(&mut self, route: Route<'_>) -> io::Result<()> {
        (self.begun, self.sure) = (None, 0);
        match route.files.remove(&self.id.upload()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Octets of a part of an upload that is begun now: all but the last are of one length, and there are never too many.
    const fn first_part(&self) -> u64 {
        match self.declared {
            Some(total) if total.div_ceil(PARTS) > self.floor => total.div_ceil(PARTS).next_multiple_of(self.floor),
            Some(_) => self.floor,
            None => self.floor.saturating_mul(UNDECLARED_PARTS),
        }
    }

    /// Goes on with what was begun, if its parts are what the body has, or begins.
    fn begin(&mut self, route: Route<'_>, body: &dyn File, settled: u64) -> io::Result<()> {
        self.load(route)?;
        if let Some(begun) = &mut self.begun
            && self.sure < begun.parts.len()
        {
            let sound = begun.sound(route, body, self.sure, settled)?;
            if sound.end < begun.parts.len() && sound.is_damaged {
                tracing::info!(object = %self.id, parts = sound.end, "the upload goes on where it differs");
                begun.parts.truncate(sound.end);
                begun.rewrite(log(route, self.id)?.as_ref())?;
            }
            self.sure = sound.end;
        }
        if self.begun.is_none() {
            route.store.delete_body(self.id)?; // what is there when this upload ends, it has made
            let upload = route.store.note(route.store.bucket().begin(&body_key(self.id)))?;
            let head = Head { upload, part_octets: self.first_part() };
            let log = route.files.open(&self.id.upload(), Mode::Create)?;
            let mut begun = Begun { head, parts: Vec::new(), end: 0 };
            begun.rewrite(log.as_ref())?;
            (self.begun, self.sure) = (Some(begun), 0);
        }
        Ok(())
    }

    /// Reads the records of an upload that was begun by an earlier process; without sound ones it never was.
    fn load(&mut self, route: Route<'_>) -> io::Result<()> {
        if self.begun.is_some() || !has_log(route, self.id) {
            return Ok(());
        }
        let octets = read_small(route.files, &self.id.upload(), LOG_OCTETS)?;
        match decode(&octets) {
            Some((head, parts, end)) => {
                self.begun = Some(Begun { head, parts, end });
                Ok(())
            }
            None => self.forget(route),
        }
    }

    fn part(&mut self, route: Route<'_>, body: &dyn File, length: u64) -> io::Result<()> {
        let at = self.uploaded();
        let Some(begun) = &mut self.begun else { return Err(BucketError::Missing.into()) };
        if begun.parts.len() as u64 >= PARTS {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {PARTS} parts")));
        }
        let _place = route.store.parts_in_flight().enter(length);
        let octets = read(route, body, at, length)?;
        let sha256 = Digest::sha256(Sha256::digest(octets.as_ref()).into()).hex();
        let (key, number) = (body_key(self.id), begun.parts.len());
        let tag =
            route.store.note(route.store.bucket().part(&key, &begun.head.upload, number, Bytes::from_owner(octets)))?;
        begun.parts.push(Part { octets: length, tag, sha256 });
        self.sure = begun.parts.len();
        begun.write_down(log(route, self.id)?.as_ref())
    }
}

impl Begun {
    /// Compares parts from this one on with what the body has within its first `settled` octets. The last part may be
    /// shorter, and is then the end of the whole.
    fn sound(&self, route: Route<'_>, body: &dyn File, from: usize, settled: u64) -> io::Result<Sound> {
        let mut end = from;
        while let Some(part) = self.parts.get(end) {
            let at = end as u64 * self.head.part_octets;
            let length = part.octets;
            if at + length > settled {
                break;
            }
            if Digest::sha256(Sha256::digest(read(route, body, at, length)?.as_ref()).into()).hex() != part.sha256 {
                return Ok(Sound { end, is_damaged: true });
            }
            end += 1;
        }
        Ok(Sound { end, is_damaged: false })
    }

    /// Appends the record of the youngest part.
    fn write_down(&mut self, log: &dyn File) -> io::Result<()> {
        let Some(part) = self.parts.last() else { return Ok(()) };
        let record = encode(Kind::Part, part);
        log.write_at(&record, self.end)?;
        self.end += record.len() as u64;
        Ok(())
    }

    /// Writes all records anew. What is behind them then is no record any more.
    fn rewrite(&mut self, log: &dyn File) -> io::Result<()> {
        let mut records = encode(Kind::Upload, &self.head);
        self.parts.iter().for_each(|part| records.append(&mut encode(Kind::Part, part)));
        let end = records.len() as u64;
        let behind = usize::try_from(log.size()?.saturating_sub(end)).unwrap_or(0).min(LOG_OCTETS);
        records.resize(records.len() + behind, b' ');
        log.write_at(&records, 0)?;
        self.end = end;
        Ok(())
    }
}

/// Gives up an upload of which only the records are left.
///
/// # Errors
/// As reported by the bucket: then the records are kept.
pub(super) fn abandon(route: Route<'_>, id: Id) -> io::Result<()> {
    let mut upload = Upload::new(id, None, 1);
    upload.reset(route)
}

/// The records of an upload. They are opened for each part: an upload may rest for a day, and many may.
fn log(route: Route<'_>, id: Id) -> io::Result<Box<dyn File>> {
    route.files.open(&id.upload(), Mode::Write)
}

fn has_log(route: Route<'_>, id: Id) -> bool {
    route.files.open(&id.upload(), Mode::Read).is_ok()
}

fn read(route: Route<'_>, body: &dyn File, at: u64, length: u64) -> io::Result<Lent> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut octets = route.store.buffer(length);
    read_exact_at(body, octets.as_mut(), at)?;
    Ok(octets)
}

fn encode(kind: Kind, record: &impl Serialize) -> Vec<u8> {
    record::encode(kind, &serde_json::to_vec(record).expect("a record of an upload is strings and numbers"))
}

fn decode(octets: &[u8]) -> Option<(Head, Vec<Part>, u64)> {
    let (head, mut rest) = record::decode_first(Kind::Upload, octets).ok()?;
    let head: Head = serde_json::from_slice(head).ok().filter(|head: &Head| head.part_octets > 0)?;
    let mut parts = Vec::new();
    while let Ok((part, behind)) = record::decode_first(Kind::Part, rest) {
        parts.push(serde_json::from_slice(part).ok()?);
        rest = behind;
    }
    Some((head, parts, (octets.len() - rest.len()) as u64))
}
