//! The octets of one file that is still arriving: where they are, which are there, and their running digests.

use std::io;
use std::sync::Arc;

use crate::model::limits::{CATCH_UP_OCTETS, HOLES_PER_MESSAGE};
use crate::model::{Instant, Mint, Ranges};

use super::error::{SpoolError, StageError, is_full};
use super::files::{File, Files, Mode, read_exact_at};
use super::hashes::Hashes;
use super::journal::{Journal, Plan};
use super::layout::Id;
use super::usage::Share;
use super::vault::{DataKey, Keys, Vaulted, whole};
use super::water::{Claim, NoRoom};

/// Octets that are compared at once with what is there already.
const COMPARED_OCTETS: usize = 16 * 1024;

/// An arriving file with its handles open.
pub(super) struct Arrival {
    pub(super) id: Id,
    pub(super) plan: Plan,
    pub(super) file: Box<dyn File>,
    /// The room that is kept for it; none if it goes on where there is none left.
    pub(super) claim: Option<Claim>,
    /// The key of its octets on the disk, if they are encrypted.
    pub(super) key: Option<Arc<DataKey>>,
    pub(super) journal: Option<Journal>,
    /// Whether the names of both files are durable.
    pub(super) named: bool,
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
    /// Octets, from the first on, that may be uploaded already: whatever changes them is a conflict.
    pub(super) offered: u64,
    /// Its part of what the box may hold; who waits for a sender has none.
    pub(super) share: Option<Share>,
}

impl Arrival {
    /// Makes the empty file of a new stage.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn begin(
        files: &dyn Files,
        id: Id,
        plan: Plan,
        failures: u64,
        key: Option<(Arc<DataKey>, Mint)>,
    ) -> io::Result<Self> {
        let file = files.open(&id.stage(), Mode::Create)?;
        let (file, key) = under(file, key, &Ranges::new());
        Ok(Self {
            id,
            plan,
            file,
            claim: None,
            key,
            journal: None,
            named: false,
            received: Ranges::new(),
            durable: Ranges::new(),
            hashes: Hashes::default(),
            dirty: true,
            broken: false,
            failures,
            conflicts: 0,
            offered: 0,
            share: None,
        })
    }

    /// Writes octets at their place and hashes them if they come in order.
    ///
    /// # Errors
    /// Those of [`super::Stage::write`].
    pub(super) fn write(&mut self, files: &dyn Files, offset: u64, octets: &[u8]) -> Result<(), StageError> {
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
        if let Some(share) = &mut self.share {
            share.grow(end)?;
        }
        let before = self.received.octets();
        self.received
            .insert(offset, end, HOLES_PER_MESSAGE)
            .map_err(|error| StageError::TooManyHoles { limit: error.limit })?;
        self.find_room(files, before)?;
        self.place(offset, octets).map_err(|error| {
            self.broken = true; // how much was written is not known
            if is_full(&error) {
                return StageError::Full { octets: octets.len() as u64 };
            }
            SpoolError::io("writing to the stage")(error).into()
        })
    }

    /// Counts what has come since there were so many octets against the room that was promised.
    fn find_room(&mut self, files: &dyn Files, before: u64) -> Result<(), StageError> {
        let Some(claim) = &mut self.claim else { return Ok(()) };
        let now = self.received.octets();
        claim.grow(files, before, now).map_err(|no| {
            self.broken = true; // it counts as received, and nobody has written it
            match no {
                NoRoom::Full(_) => StageError::Full { octets: now - before },
                NoRoom::Unknown(error) => SpoolError::io("asking for free space")(error).into(),
            }
        })
    }

    fn place(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let hashed = self.hashes.end();
        let seen = |end: u64| usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(octets.len());
        let again = seen(hashed.max(self.offered));
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
            self.hashes.update(&octets[seen(hashed)..]);
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

    /// What may be called durable after a sync: of an encrypted file whole frames, since others are written again.
    pub(super) fn claimable(&self) -> Ranges {
        if self.key.is_some() { whole(&self.received, self.plan.size()) } else { self.received.clone() }
    }

    /// Which of these octets are durable under a key and are others there: then the frames they lie in are written again.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn contradicts(&self, offset: u64, octets: &[u8]) -> io::Result<Option<Ranges>> {
        let end = offset.saturating_add(octets.len() as u64);
        if self.key.is_none() || !self.durable.overlaps(offset, end) || self.broken {
            return Ok(None);
        }
        let (mut at, mut there) = (0, vec![0; octets.len().min(COMPARED_OCTETS)]);
        while at < octets.len() {
            let piece = &octets[at..octets.len().min(at + COMPARED_OCTETS)];
            let from = offset + at as u64;
            let is_durable = self.durable.overlaps(from, from + piece.len() as u64);
            at += piece.len();
            let read = if is_durable { self.file.read_at(&mut there[..piece.len()], from)? } else { 0 };
            if there[..read] != piece[..read] {
                return Ok(Some(whole(&self.durable.without(offset, end), self.plan.size())));
            }
        }
        Ok(None)
    }

    /// Closes the file and keeps what is known. Of a broken arrival that is what its journal has.
    pub(super) fn park(self) -> Parked {
        let (received, hashes) =
            if self.broken { (self.durable.clone(), Hashes::default()) } else { (self.received, self.hashes) };
        let hashes = if self.conflicts > 0 { Hashes::default() } else { hashes };
        let turn = self.journal.as_ref().map(Journal::turn);
        let Self { id, plan, named, durable, failures, .. } = self;
        Parked { id, plan, received, durable, hashes, turn, named, failures, since: None }
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
    /// Whether the names of its files are durable.
    pub(super) named: bool,
    /// As those of its [`Arrival`].
    pub(super) failures: u64,
    /// When the sweep first saw it waiting.
    pub(super) since: Option<Instant>,
}

impl Parked {
    /// The key of its octets, if they are encrypted.
    ///
    /// # Errors
    /// [`SpoolError::KeyMissing`].
    pub(super) fn key(&self, keys: &Keys) -> Result<Option<Arc<DataKey>>, SpoolError> {
        let unwrap = |wrapped| keys.unwrap(self.id, wrapped).map(Arc::new);
        self.plan.key.as_ref().map(unwrap).transpose().map_err(|locked| locked.of(self.id))
    }

    /// Opens the files again.
    ///
    /// # Errors
    /// As reported by the file system; it then still waits.
    pub(super) fn resume(
        self: Box<Self>,
        files: &dyn Files,
        key: Option<(Arc<DataKey>, Mint)>,
    ) -> Result<Arrival, (Box<Self>, io::Error)> {
        let open = || {
            let journal = self.turn.map(|turn| Journal::reopen(files, self.id, turn)).transpose()?;
            Ok((files.open(&self.id.stage(), Mode::Write)?, journal))
        };
        let (file, journal) = match open() {
            Ok(opened) => opened,
            Err(error) => return Err((self, error)),
        };
        let (file, key) = under(file, key, &self.received);
        Ok(Arrival {
            id: self.id,
            plan: self.plan,
            file,
            claim: None,
            key,
            journal,
            named: self.named,
            received: self.received,
            durable: self.durable,
            hashes: self.hashes,
            dirty: true,
            broken: false,
            failures: self.failures,
            conflicts: 0,
            offered: 0,
            share: None,
        })
    }
}

/// The file as the spool sees it.
fn under(
    file: Box<dyn File>,
    key: Option<(Arc<DataKey>, Mint)>,
    there: &Ranges,
) -> (Box<dyn File>, Option<Arc<DataKey>>) {
    let Some((key, mint)) = key else { return (file, None) };
    (Box::new(Vaulted::new(file, Arc::clone(&key), there, Some(mint))), Some(key))
}
