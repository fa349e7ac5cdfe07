//! A file that is still arriving, in the hands of one session.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::model::{Digest, FileInfo, ObjectUri, Ranges};

use super::arrival::Arrival;
use super::carry;
use super::error::{SpoolError, StageError};
use super::journal::Journal;
use super::layout::STAGE;
use super::receipt::Sealed;
use super::remote::Report;
use super::shared::{Holder, Live, Shared, Writer, locked};

/// Where octets go before anything is promised of them.
///
/// Dropped, it waits for its sender as after [`Stage::suspend`], except that a power cut may cost what was not synced.
/// A stage without a resume key is then removed.
pub struct Stage {
    live: Live,
    /// Empty once a newer session has taken the octets over.
    slot: Arc<Mutex<Option<Arrival>>>,
    /// Under which the desk knows it.
    key: Option<String>,
    object: ObjectUri,
    overwrite: bool,
    /// Octets leave for the bucket while others still arrive.
    streams: bool,
}

/// A stage could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Octets are missing. The stage is given back.
    #[error("octets from {from} on are missing")]
    Hole {
        /// The first missing octet, counted from zero.
        from: u64,
        /// The stage, as it was.
        stage: Box<Stage>,
    },
    /// More or fewer octets than declared. The stage is discarded.
    #[error("{received} octets of a file declared as {declared}")]
    Size {
        /// The declared size in octets.
        declared: u64,
        /// What arrived.
        received: u64,
    },
    /// The octets are not those that were declared. The stage is discarded.
    #[error("{} is {measured:?}, declared {declared:?}", declared.algorithm().name())]
    Digest {
        /// The digest that was declared.
        declared: Digest,
        /// The digest of what arrived.
        measured: Digest,
    },
    /// The stage could not be used; only what was synced is kept.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl Stage {
    pub(super) fn new(live: Live, arrival: Arrival, object: ObjectUri, overwrite: bool) -> Self {
        let (key, file) = (arrival.plan.resume.clone(), arrival.plan.file.clone());
        let slot = Arc::new(Mutex::new(Some(arrival)));
        if let Some(key) = key.clone() {
            let writer = Writer { slot: Arc::downgrade(&slot), file };
            locked(&live.shared().desk).holders.insert(key, Holder::Live(writer));
        }
        let streams = carry::report(live.shared(), object.box_name()) == Report::Bucket;
        Self { live, slot, key, object, overwrite, streams }
    }

    /// The id the object will have.
    pub fn id(&self) -> String {
        self.live.id().to_string()
    }

    /// The name the object will have; minted if the plan named a box.
    pub const fn object(&self) -> &ObjectUri {
        &self.object
    }

    /// Which octets are in the stage; none once it was taken over.
    pub fn received(&self) -> Ranges {
        locked(&self.slot).as_ref().map_or_else(Ranges::new, |arrival| arrival.received.clone())
    }

    /// How many octets came twice and differed. The last ones count.
    pub fn conflicts(&self) -> u64 {
        locked(&self.slot).as_ref().map_or(0, |arrival| arrival.conflicts)
    }

    /// Takes octets that belong at `offset`, counted from zero. They are not durable yet.
    ///
    /// # Errors
    /// [`StageError::Overrun`] and [`StageError::TooManyHoles`] change nothing; after [`StageError::Full`] or an I/O
    /// error the stage is broken and only [`Stage::suspend`] and [`Stage::discard`] make sense.
    pub fn write(&mut self, offset: u64, octets: &[u8]) -> Result<(), StageError> {
        let shared = self.live.shared();
        let mut slot = locked(&self.slot);
        let arrival = slot.as_mut().ok_or(StageError::TakenOver)?;
        retract(shared, arrival, offset, octets).inspect_err(|_| arrival.broken = true)?;
        arrival.write(shared.files.as_ref(), offset, octets).inspect_err(|error| shared.observe(error))?;
        self.offer(arrival);
        Ok(())
    }

    /// Lets octets that have come leave for the bucket. What the digests have passed does not change unnoticed.
    fn offer(&self, arrival: &mut Arrival) {
        if arrival.key.is_some() {
            return; // a frame is encrypted anew whenever something is added to it: it leaves when it is whole
        }
        let Some(carriage) = self.streams.then(|| self.live.shared().remote.as_ref()).flatten() else { return };
        let carriage = &carriage.carriage;
        if arrival.conflicts > 0 {
            return carriage.spoil(arrival.id);
        }
        arrival.offered = arrival.offered.max(arrival.hashes.end());
        carriage.offer(arrival.id, arrival.plan.size(), arrival.offered);
    }

    /// Makes all that was written durable, and the knowledge of it too: from now on these octets survive a crash and
    /// may be reported (RFC 4975 §7.1.3). Returns how many octets from zero on are durable.
    ///
    /// # Errors
    /// [`StageError::Sync`] if the disk failed: the stage is broken, and the spool takes nothing more.
    pub fn sync(&mut self) -> Result<u64, StageError> {
        let mut slot = locked(&self.slot);
        let arrival = slot.as_mut().ok_or(StageError::TakenOver)?;
        if arrival.broken {
            return Err(StageError::Broken);
        }
        if arrival.dirty {
            persist(self.live.shared(), arrival).inspect_err(|error| {
                arrival.broken = true;
                if arrival.journal.as_ref().is_some_and(|journal| journal.turn() == 0) {
                    arrival.journal = None; // nobody knows what of it has reached the disk: the next one is made anew
                    self.live.shared().shred(arrival.id, &arrival.id.journal());
                }
                self.live.shared().observe(error);
            })?;
        }
        Ok(arrival.durable.prefix())
    }

    /// What has come from the first octet on without a hole, at most so many octets.
    ///
    /// # Errors
    /// [`StageError::TakenOver`], [`StageError::Spool`].
    pub fn peek(&self, octets: usize) -> Result<Vec<u8>, StageError> {
        let slot = locked(&self.slot);
        let arrival = slot.as_ref().ok_or(StageError::TakenOver)?;
        Ok(arrival.peek(octets).map_err(SpoolError::io("reading a stage back"))?)
    }

    /// Says that the content begins at this offset, behind a wrapper, so that it is hashed from there while it arrives.
    /// What was said last counts, until [`Stage::seal_content`] has the final word.
    ///
    /// # Errors
    /// [`StageError::TakenOver`].
    pub fn content_from(&mut self, offset: u64) -> Result<(), StageError> {
        locked(&self.slot).as_mut().ok_or(StageError::TakenOver).map(|arrival| arrival.skip(offset))
    }

    /// Declares the file complete with `total` octets and checks it against what was expected.
    ///
    /// # Errors
    /// Each says what becomes of the stage.
    pub fn seal(self, total: u64, expected: &FileInfo) -> Result<Sealed, SealError> {
        self.seal_content(0..total, expected)
    }

    /// As [`Stage::seal`], for a file that came in a wrapper: of what arrived, these octets are the file, to the end.
    /// All of it is kept; size and digests are the file's alone.
    ///
    /// # Errors
    /// Each says what becomes of the stage.
    pub fn seal_content(self, content: Range<u64>, expected: &FileInfo) -> Result<Sealed, SealError> {
        let Range { start: offset, end: total } = content;
        let mut slot = locked(&self.slot);
        let arrival = slot.as_mut().ok_or(StageError::TakenOver)?;
        let received = arrival.received.end().max(total).saturating_sub(offset);
        let declared = expected.size.unwrap_or_else(|| total.saturating_sub(offset));
        if declared != received || offset > total {
            drop(slot);
            self.discard();
            return Err(SealError::Size { declared, received });
        }
        if !arrival.received.covers(total) {
            let from = arrival.received.prefix();
            drop(slot);
            return Err(SealError::Hole { from, stage: Box::new(self) });
        }
        arrival.skip(offset);
        let measured = measure(arrival, total).inspect_err(|_| arrival.broken = true)?;
        if measured.length != total {
            drop(slot);
            self.discard();
            return Err(SealError::Size { declared, received: measured.length.saturating_sub(offset) });
        }
        for measured in [Digest::sha1(measured.sha1), Digest::sha256(measured.sha256)] {
            if let Some(declared) = expected.digest(measured.algorithm()).filter(|declared| **declared != measured) {
                drop(slot);
                self.discard();
                return Err(SealError::Digest { declared: declared.clone(), measured });
            }
        }
        let arrival = slot.take();
        drop(slot);
        Ok(Sealed {
            live: Live::new(self.live.shared(), self.live.id()),
            arrival,
            object: self.object.clone(),
            overwrite: self.overwrite,
            offset,
            size: declared,
            sha1: measured.sha1,
            sha256: measured.sha256,
        })
    }

    /// Keeps octets and ranges so that a later offer with the same resume key goes on where this one stopped.
    ///
    /// # Errors
    /// As [`Stage::sync`]; what was durable before is kept even so.
    pub fn suspend(mut self) -> Result<(), StageError> {
        self.sync().map(|_| ())
    }

    /// Removes the octets.
    pub fn discard(self) {
        if let Some(arrival) = locked(&self.slot).take() {
            self.live.shared().remove_stage(arrival.id);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Parked before the slot is let go: who waits for the slot then finds the octets at the desk.
        let mut slot = locked(&self.slot);
        if let Some(arrival) = slot.take() {
            return self.live.shared().park(arrival);
        }
        drop(slot);
        let Some(key) = &self.key else { return };
        locked(&self.live.shared().desk).release(key, &Arc::downgrade(&self.slot));
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({} {})", self.live.id(), self.object)
    }
}

/// First the octets, then the claim; and then the names of both files, if they are not durable yet.
fn persist(shared: &Shared, arrival: &mut Arrival) -> Result<(), StageError> {
    let journal_error = |error| StageError::from(SpoolError::io("writing the ranges of a stage")(error));
    shared.sync(arrival.file.as_ref()).map_err(StageError::Sync)?;
    if arrival.journal.is_none() {
        let mut mint = locked(&shared.mint);
        let plan = arrival.plan.encode(arrival.id, arrival.key.as_deref().map(|key| (key, &mut *mint)));
        drop(mint); // nobody else waits for the disk
        let journal = Journal::create(shared.files.as_ref(), arrival.id, &plan).map_err(journal_error)?;
        arrival.journal = Some(journal);
    }
    let claimed = arrival.claimable();
    let journal = arrival.journal.as_mut().expect("it was made above");
    journal.claim(&claimed).map_err(journal_error)?;
    shared.sync(journal.file()).map_err(StageError::Sync)?;
    journal.settle();
    if !arrival.named {
        shared.sync_dir(STAGE).map_err(StageError::Sync)?;
        arrival.named = true;
    }
    arrival.durable = claimed;
    arrival.dirty = false;
    Ok(())
}

/// RFC 4975 §7.3.1: the last chunk wins, also against what is durable already. Under a key that is a frame written again,
/// which a crash may tear: so first it is called durable no longer, and at the next sync it is again.
fn retract(shared: &Shared, arrival: &mut Arrival, offset: u64, octets: &[u8]) -> Result<(), StageError> {
    let contradicted = arrival.contradicts(offset, octets).map_err(SpoolError::io("reading a stage back"))?;
    let (Some(durable), Some(journal)) = (contradicted, arrival.journal.as_mut()) else { return Ok(()) };
    let claimed = journal.claim(&durable);
    claimed.map_err(SpoolError::io("writing the ranges of a stage"))?;
    shared.sync(journal.file()).map_err(StageError::Sync)?;
    journal.settle();
    arrival.durable = durable;
    arrival.dirty = true;
    Ok(())
}

struct Measured {
    length: u64,
    sha1: [u8; 20],
    sha256: [u8; 32],
}

/// Both digests of the whole content, reading again only what did not come in order. The file may be longer if a crash
/// cost us the knowledge of its end and the sender has changed its mind since.
fn measure(arrival: &mut Arrival, total: u64) -> Result<Measured, StageError> {
    if arrival.broken {
        return Err(StageError::Broken);
    }
    let file = arrival.file.as_ref();
    if arrival.key.is_some() {
        file.release().map_err(SpoolError::io("writing to the stage"))?; // nothing more comes: what is in hand goes to the disk
    }
    arrival.hashes.catch_up(file, total).map_err(SpoolError::io("reading a stage back"))?;
    let length = file.size().map_err(SpoolError::io("measuring a stage"))?;
    let (sha1, sha256) = arrival.hashes.clone().finish();
    Ok(Measured { length, sha1, sha256 })
}
