//! Which octets of a stage are durable, in a file beside it, so that a stage outlives the process.
//!
//! ```text
//! 0      slot A, padded with spaces     the younger of the two slots that pass their checksum counts
//! 4096   slot B, padded with spaces
//! 8192   the plan: written once
//! ```
//! A slot is only written after the octets it speaks of have been synced, and never the slot that counts.

use std::io;

use serde::{Deserialize, Serialize};

use crate::model::limits::{ENVELOPE_OCTETS, HOLES_PER_MESSAGE};
use crate::model::{Digest, DigestAlgorithm, FileInfo, Ranges};

use super::files::{File, Files, Mode, read_small};
use super::layout::Id;
use super::record::{self, Kind, Unreadable};

/// Octets of a slot: 64 ranges of two 20-digit numbers fit.
const SLOT_OCTETS: usize = 4096;

/// Why a stage exists, as far as a later offer has to agree with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// SHA-256 of the resume key: of bounded length, and no identity is left on disk.
    pub(super) resume: Option<String>,
    /// SHA-256 of the file key, by which the same file is known under a new id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// Declared size in octets.
    size: Option<u64>,
    /// Declared SHA-1.
    sha1: Option<String>,
    /// Declared SHA-256.
    sha256: Option<String>,
}

impl Plan {
    pub(super) fn new(resume: Option<String>, file: Option<String>, declared: &FileInfo) -> Self {
        let hex = |algorithm| declared.digest(algorithm).map(Digest::hex);
        let (sha1, sha256) = (hex(DigestAlgorithm::Sha1), hex(DigestAlgorithm::Sha256));
        Self { resume, file, size: declared.size, sha1, sha256 }
    }

    /// The same plan under another resume key.
    pub(super) fn known_as(self, key: String) -> Self {
        Self { resume: Some(key), ..self }
    }

    /// Whether both are about the same file of the same sender.
    pub(super) fn is_of_file(&self, file: &str) -> bool {
        self.file.as_deref() == Some(file)
    }

    /// Declared size in octets.
    pub(super) const fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether nothing that both declare speaks against one and the same file.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: Option<&T>, two: Option<&T>) -> bool {
            one.is_none() || two.is_none() || one == two
        }
        same(self.size.as_ref(), other.size.as_ref())
            && same(self.sha1.as_ref(), other.sha1.as_ref())
            && same(self.sha256.as_ref(), other.sha256.as_ref())
    }
}

#[derive(Serialize, Deserialize)]
struct Slot {
    turn: u64,
    ranges: Vec<(u64, u64)>,
}

/// An open journal.
pub(super) struct Journal {
    file: Box<dyn File>,
    turn: u64,
}

impl Journal {
    /// Makes the journal of a new stage. Nothing of it is durable yet.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn create(files: &dyn Files, id: Id, plan: &Plan) -> io::Result<Self> {
        let file = files.open(&id.journal(), Mode::Create)?;
        let json = serde_json::to_vec(plan).expect("a plan is strings and numbers");
        file.write_at(&record::encode(Kind::Plan, &json), 2 * SLOT_OCTETS as u64)?;
        Ok(Self { file, turn: 0 })
    }

    /// Opens a journal that was read before.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn reopen(files: &dyn Files, id: Id, turn: u64) -> io::Result<Self> {
        Ok(Self { file: files.open(&id.journal(), Mode::Write)?, turn })
    }

    /// How many slots have been written.
    pub(super) const fn turn(&self) -> u64 {
        self.turn
    }

    /// Writes down that `durable` is durable; the claim counts from the next sync of [`Journal::file`] on.
    ///
    /// # Errors
    /// As reported by the file; the claim before this one still stands.
    pub(super) fn claim(&mut self, durable: &Ranges) -> io::Result<()> {
        let turn = self.turn + 1;
        let slot = Slot { turn, ranges: durable.pieces().to_vec() };
        let json = serde_json::to_vec(&slot).expect("a slot is numbers");
        let mut octets = record::encode(Kind::Ranges, &json);
        assert!(octets.len() <= SLOT_OCTETS, "a stage has at most {HOLES_PER_MESSAGE} pieces");
        octets.resize(SLOT_OCTETS, b' ');
        self.file.write_at(&octets, (turn % 2) * SLOT_OCTETS as u64)?;
        self.turn = turn;
        Ok(())
    }

    /// The file to sync.
    pub(super) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }
}

/// What a journal says after a restart.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) plan: Plan,
    pub(super) durable: Ranges,
    pub(super) turn: u64,
}

/// Whether there is a journal of `id`.
pub(super) fn is_there(files: &dyn Files, id: Id) -> bool {
    files.open(&id.journal(), Mode::Read).is_ok()
}

/// Reads the journal of `id`; damaged is also one that is missing.
///
/// # Errors
/// The disk could not say: then nothing may be concluded, least of all that octets are worthless.
pub(super) fn read(files: &dyn Files, id: Id) -> io::Result<Result<Claim, Unreadable>> {
    use io::ErrorKind::{FileTooLarge, NotFound, UnexpectedEof};
    match read_small(files, &id.journal(), 2 * SLOT_OCTETS + ENVELOPE_OCTETS) {
        Ok(octets) => Ok(decode(&octets)),
        Err(error) if matches!(error.kind(), NotFound | FileTooLarge | UnexpectedEof) => Ok(Err(Unreadable::Damaged)),
        Err(error) => Err(error),
    }
}

fn decode(octets: &[u8]) -> Result<Claim, Unreadable> {
    let record = |kind, at: usize, end: usize| {
        octets.get(at..end).map_or(Err(Unreadable::Damaged), |octets| record::decode(kind, octets))
    };
    let plan = record(Kind::Plan, 2 * SLOT_OCTETS, octets.len())?;
    let plan = serde_json::from_slice(plan).map_err(|_| Unreadable::Damaged)?;
    let slot = |at: usize| -> Result<Slot, Unreadable> {
        serde_json::from_slice(record(Kind::Ranges, at, at + SLOT_OCTETS)?).map_err(|_| Unreadable::Damaged)
    };
    let slots = [slot(0), slot(SLOT_OCTETS)];
    if slots.iter().any(|slot| matches!(slot, Err(Unreadable::Newer))) {
        return Err(Unreadable::Newer); // it may be the one that counts
    }
    let slot = slots.into_iter().flatten().max_by_key(|slot| slot.turn).ok_or(Unreadable::Damaged)?;
    let mut durable = Ranges::new();
    for (start, end) in slot.ranges {
        durable.insert(start, end, HOLES_PER_MESSAGE).map_err(|_| Unreadable::Damaged)?;
    }
    Ok(Claim { plan, durable, turn: slot.turn })
}
