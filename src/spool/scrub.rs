//! Bit rot, looked for before anybody asks: everything that lies here is read again, a little at a time.

use std::io;

use crate::model::Digest;

use super::catalog::{ask, load, open_body, quarantine};
use super::envelope::Envelope;
use super::error::{BROKEN_FRAME, SpoolError};
use super::fates::standing as standing_of;
use super::file_store;
use super::hashes::Hashes;
use super::journal;
use super::layout::{Id, JOURNAL, STAGE, States, split};
use super::receipt::Committed;
use super::record::Unreadable;
use super::shared::{Shared, locked};
use super::standing::{Tombstone, Written};
use super::store::{Body, Spool};

/// Something that does not pass its checks any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it lies in the spool's directory, or lay before it was set aside.
    pub path: String,
    /// Which check failed.
    pub what: &'static str,
}

/// One pass over the spool, in pieces.
pub struct Scrub {
    spool: Spool,
    /// What is still to be looked at.
    left: Vec<Item>,
    /// A body that is half read.
    reading: Option<Reading>,
    damaged: Vec<Damage>,
}

/// What is checked in one go, apart from bodies.
#[derive(Clone, Copy)]
enum Item {
    Object(Id),
    State(Id),
    Standing(Id, u64),
    Journal(Id),
}

struct Reading {
    object: Committed,
    body: Body,
    hashes: Hashes,
}

impl Scrub {
    /// A pass over what is there now. It begins anywhere, so that passes that are cut short get everywhere too.
    ///
    /// # Errors
    /// [`SpoolError::Io`] if the directories can't be listed.
    pub fn new(spool: &Spool, begin: u64) -> Result<Self, SpoolError> {
        let shared = spool.shared();
        let listing = || SpoolError::io("listing what is to be read again");
        let published = file_store::published(shared).map_err(listing())?;
        let mut left: Vec<Item> = published.into_iter().map(Item::Object).collect();
        let States { ended, standings } = file_store::states(shared).map_err(listing())?;
        left.extend(ended.into_iter().map(Item::State));
        left.extend(standings.into_iter().map(|(id, sum)| Item::Standing(id, sum)));
        left.extend(
            locked(&shared.desk).parked().filter(|parked| parked.turn.is_some()).map(|parked| Item::Journal(parked.id)),
        );
        if !left.is_empty() {
            let middle = usize::try_from(begin % left.len() as u64).unwrap_or(0);
            left.rotate_left(middle);
        }
        Ok(Self { spool: spool.clone(), left, reading: None, damaged: Vec::new() })
    }

    /// Reads on, at most about so many octets, and says how many it were; `None` when everything has been read.
    ///
    /// # Errors
    /// [`SpoolError`] if the disk can't be read: nothing is concluded from that.
    pub fn step(&mut self, octets: u64) -> Result<Option<u64>, SpoolError> {
        if let Some(reading) = self.reading.take() {
            return self.read_on(reading, octets).map(Some);
        }
        let Some(item) = self.left.pop() else { return Ok(None) };
        let shared = self.spool.shared();
        let found = match item {
            Item::Object(id) => return self.begin(id),
            Item::State(id) => state(shared, id),
            Item::Standing(id, sum) => standing(shared, id, sum),
            Item::Journal(id) => parked_journal(shared, id),
        };
        self.damaged.extend(found.map_err(SpoolError::io("reading a record"))?);
        Ok(Some(RECORD_OCTETS))
    }

    /// What was found damaged since this was asked last; it is in the log, and what can't be used lies under `corrupt/`.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damaged)
    }

    fn begin(&mut self, id: Id) -> Result<Option<u64>, SpoolError> {
        let shared = self.spool.shared();
        let begun = load(shared, id).and_then(|object| {
            enter_again(shared, &object)?;
            let body = self.spool.read(&object)?;
            Ok(Reading { hashes: body.hashes(), object, body })
        });
        match begun {
            Ok(reading) => self.reading = Some(reading),
            Err(error) => self.conclude(id, error)?,
        }
        Ok(Some(RECORD_OCTETS))
    }

    fn read_on(&mut self, mut reading: Reading, octets: u64) -> Result<u64, SpoolError> {
        let read = match reading.body.hash_on(&mut reading.hashes, octets) {
            Err(error) if error.is_broken_frame() => {
                self.damaged(reading.object.envelope(), BROKEN_FRAME)?;
                return Ok(octets);
            }
            read => read?,
        };
        if !reading.body.is_hashed(&reading.hashes) {
            self.reading = Some(reading);
            return Ok(read);
        }
        let envelope = reading.object.envelope();
        let (sha1, sha256) = reading.hashes.finish();
        if (&Digest::sha1(sha1), &Digest::sha256(sha256)) != (envelope.sha1(), envelope.sha256()) {
            self.damaged(envelope, "the body does not have the digests its envelope says")?;
        }
        Ok(read)
    }

    /// A body is not what it was. It may have been deleted or replaced meanwhile, and its room used for something else.
    fn damaged(&mut self, envelope: &Envelope, what: &'static str) -> Result<(), SpoolError> {
        let Some(id) = Id::parse(&envelope.id) else { return Ok(()) };
        let shared = self.spool.shared();
        let error = match open_body(shared, id, envelope) {
            Ok(_) => quarantine(shared, id, what),
            Err(error) => error,
        };
        self.conclude(id, error)
    }

    /// Takes note of damage. What has gone is none, and neither is what a later release wrote; what waits for its key is not looked at.
    fn conclude(&mut self, id: Id, error: SpoolError) -> Result<(), SpoolError> {
        match error {
            SpoolError::Corrupt { what, .. } => self.damaged.push(Damage { path: id.envelope(), what }),
            SpoolError::Gone { .. } | SpoolError::Newer { .. } | SpoolError::KeyMissing { .. } => {}
            error => return Err(error),
        }
        Ok(())
    }
}

/// The records apart from envelopes: what has become of objects, and the journals of stages. Nothing is moved by a handle
/// that only reads.
///
/// # Errors
/// [`SpoolError::Io`] if the disk can't be read.
pub fn damaged_records(spool: &Spool) -> Result<Vec<Damage>, SpoolError> {
    let shared = spool.shared();
    let records = || {
        let mut damaged = Vec::new();
        let States { ended, standings } = file_store::states(shared)?;
        for id in ended {
            damaged.extend(state(shared, id)?);
        }
        for (id, sum) in standings {
            damaged.extend(standing(shared, id, sum)?);
        }
        for name in shared.files.list(STAGE)? {
            if let Some((id, JOURNAL)) = split(&name) {
                damaged.extend(journal(shared, id)?);
            }
        }
        Ok(damaged)
    };
    records().map_err(SpoolError::io("reading records"))
}

/// What looking at one small record counts for: a block of the disk.
const RECORD_OCTETS: u64 = 4096;

/// The index has to know an object by its name. One that is wrong is told again, for it is a cache.
fn enter_again(shared: &Shared, object: &Committed) -> Result<(), SpoolError> {
    let envelope = object.envelope();
    let _name = shared.claim(&envelope.uri);
    let known = ask(shared, |index| index.find(&envelope.uri))?;
    let has_the_name = |id| load(shared, id).is_ok_and(|known| known.envelope().uri == envelope.uri);
    let still_there = || Id::parse(&envelope.id).is_some_and(|id| load(shared, id).is_ok());
    let is_listed =
        Id::parse(&envelope.id).map_or(Ok(false), |id| standing_of(shared, id).map(|known| known.is_listed()))?;
    if known.is_some_and(has_the_name) || !still_there() || !is_listed {
        return Ok(()); // it is known, or another object took its place, or it was deleted meanwhile
    }
    tracing::error!(object = envelope.id, uri = %envelope.uri, "the index did not know it: it is entered again");
    ask(shared, |index| index.renew(envelope))
}

/// The last record of an object.
fn state(shared: &Shared, id: Id) -> io::Result<Option<Damage>> {
    if !is_damaged(file_store::state(shared, id), |octets| Tombstone::decode(octets).err())? {
        return Ok(None);
    }
    let damage = Damage { path: id.state(), what: "the state does not pass its checksum" };
    if shared.writable().is_ok() {
        tracing::error!(object = %id, what = damage.what, "a state is damaged");
        file_store::set_state_aside(shared, id, &id.state())?;
    }
    Ok(Some(damage))
}

/// What has become of an object that is there. It stays where it is: the index knows what it said, and the next change
/// takes its place.
fn standing(shared: &Shared, id: Id, sum: u64) -> io::Result<Option<Damage>> {
    let read = file_store::standing(shared, id, sum);
    if !is_damaged(read, |octets| Written::decode(sum, octets).err())? {
        return Ok(None);
    }
    let damage = Damage { path: id.standing(sum), what: "the state does not pass its checksum" };
    if shared.writable().is_ok() {
        tracing::error!(object = %id, what = damage.what, "a state is damaged");
    }
    Ok(Some(damage))
}

fn is_damaged(read: io::Result<Vec<u8>>, judge: impl Fn(&[u8]) -> Option<Unreadable>) -> io::Result<bool> {
    match read {
        Ok(octets) => Ok(judge(&octets) == Some(Unreadable::Damaged)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false), // it was replaced meanwhile
        Err(error) if matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::UnexpectedEof) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The journal of a stage. Of its two slots one may be torn, as a power cut leaves it.
fn journal(shared: &Shared, id: Id) -> io::Result<Option<Damage>> {
    let damaged = matches!(journal::read(shared.files.as_ref(), id, &shared.keys)?, Err(Unreadable::Damaged));
    let what = "the journal does not pass its checksum: its sender has to begin again";
    Ok((damaged && journal::is_there(shared.files.as_ref(), id)).then(|| Damage { path: id.journal(), what }))
}

/// As [`journal()`], of a stage that waits: what it claimed is known.
fn parked_journal(shared: &Shared, id: Id) -> io::Result<Option<Damage>> {
    let claim = journal::read(shared.files.as_ref(), id, &shared.keys)?;
    let desk = locked(&shared.desk);
    // One that was taken up meanwhile is written to.
    let Some(parked) = desk.parked().find(|parked| parked.id == id) else { return Ok(None) };
    if claim.is_ok_and(|claim| Some(claim.turn) >= parked.turn) {
        return Ok(None);
    }
    let what = "the journal does not say any more what was reported";
    tracing::error!(object = %id, what, "a journal is damaged: a restart would not know all that was reported");
    Ok(Some(Damage { path: id.journal(), what }))
}
