//! The octets of one file that is still arriving: where they are, which are there, and their running digests.

use std::io;

use crate::model::limits::{CATCH_UP_OCTETS, HOLES_PER_MESSAGE};
use crate::model::{Instant, Ranges};

use super::error::{SpoolError, StageError, is_full};
use super::files::{File, Files, Mode, read_exact_at};
use super::hashes::Hashes;
use super::journal::{Journal, Plan};
use super::layout::Id;

/// An arriving file with its handles open.
pub(super) struct Arrival {
    pub(super) id: Id,
    pub(super) plan: Plan,
    pub(super) file: Box<dyn File>,
    pub(super) journal: Option<Journal>,
    pub(super) received: Ranges,
    pub(super) durable: Ranges,
    pub(super) hashes: Hashes,
    /// Written since the last sync.
    pub(super) dirty: bool,
    /// Only what is durable is still known.
    pub(super) broken: bool,
    /// How many syncs for all had failed when its first octet came.
    pub(super) failures: u64,
    /// Octets that came twice and differed.
    pub(super) conflicts: u64,
}

impl Arrival {
    /// Makes the empty file of a new stage.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn begin(files: &dyn Files, id: Id, plan: Plan, failures: u64) -> io::Result<Self> {
        let file = files.open(&id.stage(), Mode::Create)?;
        Ok(Self {
            id,
            plan,
            file,
            journal: None,
            received: Ranges::new(),
            durable: Ranges::new(),
            hashes: Hashes::default(),
            dirty: true,
            broken: false,
            failures,
            conflicts: 0,
        })
    }

    /// Writes octets at their place and hashes them if they come in order.
    ///
    /// # Errors
    /// Those of [`super::Stage::write`].
    pub(super) fn write(&mut self, offset: u64, octets: &[u8]) -> Result<(), StageError> {
        if self.broken {
            return Err(StageError::Broken);
        }
        if octets.is_empty() {
            return Ok(());
        }
        let declared = self.plan.size().unwrap_or(i64::MAX as u64); // no file system counts further
        let end = offset.saturating_add(octets.len() as u64);
        if end > declared {
            return Err(StageError::Overrun { declared, end });
        }
        self.received
            .insert(offset, end, HOLES_PER_MESSAGE)
            .map_err(|error| StageError::TooManyHoles { limit: error.limit })?;
        self.place(offset, octets).map_err(|error| {
            self.broken = true; // how much was written is not known
            if is_full(&error) {
                return StageError::Full { octets: octets.len() as u64 };
            }
            SpoolError::io("writing to the stage")(error).into()
        })
    }

    fn place(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let hashed = self.hashes.end();
        let again = usize::try_from(hashed.saturating_sub(offset)).unwrap_or(usize::MAX).min(octets.len());
        if again > 0 && !self.holds(offset, &octets[..again])? {
            // RFC 4975 §7.3.1: the last chunk wins. The digests start again, once, when nothing can change any more.
            self.conflicts += again as u64;
            self.hashes = Hashes::from(self.hashes.start());
        }
        self.dirty = true;
        self.file.write_at(octets, offset)?;
        if self.conflicts > 0 {
            return Ok(());
        }
        if offset <= hashed {
            self.hashes.update(&octets[again..]);
        }
        let end = self.received.prefix().min(self.hashes.end() + CATCH_UP_OCTETS);
        self.hashes.catch_up(self.file.as_ref(), end)
    }

    /// The octets from zero on that have come without a hole, at most so many.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn peek(&self, octets: usize) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.received.prefix()).unwrap_or(octets).min(octets);
        let mut there = vec![0; length];
        read_exact_at(self.file.as_ref(), &mut there, 0)?;
        Ok(there)
    }

    /// The content begins at this offset: only what follows is hashed.
    pub(super) fn skip(&mut self, start: u64) {
        if self.hashes.start() != start && self.received.prefix() >= start {
            self.hashes = Hashes::from(start);
        }
    }

    /// Whether the file already has these octets at this place.
    fn holds(&self, offset: u64, octets: &[u8]) -> io::Result<bool> {
        let mut there = vec![0; octets.len()];
        read_exact_at(self.file.as_ref(), &mut there, offset)?;
        Ok(there == octets)
    }

    /// Closes the file and keeps what is known. Of a broken arrival that is what its journal has.
    pub(super) fn park(self) -> Parked {
        let (received, hashes) =
            if self.broken { (self.durable.clone(), Hashes::default()) } else { (self.received, self.hashes) };
        let hashes = if self.conflicts > 0 { Hashes::default() } else { hashes };
        let turn = self.journal.as_ref().map(Journal::turn);
        let Self { id, plan, durable, failures, .. } = self;
        Parked { id, plan, received, durable, hashes, turn, failures, since: None }
    }
}

/// A stage that waits for its sender to come back. No file is open.
pub(super) struct Parked {
    pub(super) id: Id,
    pub(super) plan: Plan,
    pub(super) received: Ranges,
    pub(super) durable: Ranges,
    pub(super) hashes: Hashes,
    /// Slots written to its journal; `None` if it has no journal.
    pub(super) turn: Option<u64>,
    /// As those of its [`Arrival`].
    pub(super) failures: u64,
    /// When the sweep first saw it waiting.
    pub(super) since: Option<Instant>,
}

impl Parked {
    /// Opens the files again.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn resume(self, files: &dyn Files) -> io::Result<Arrival> {
        let file = files.open(&self.id.stage(), Mode::Write)?;
        let journal = self.turn.map(|turn| Journal::reopen(files, self.id, turn)).transpose()?;
        Ok(Arrival {
            id: self.id,
            plan: self.plan,
            file,
            journal,
            received: self.received,
            durable: self.durable,
            hashes: self.hashes,
            dirty: true,
            broken: false,
            failures: self.failures,
            conflicts: 0,
        })
    }
}
