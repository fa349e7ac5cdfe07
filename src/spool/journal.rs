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
use crate::model::{Digest, DigestAlgorithm, FileInfo, Mint, Ranges};

use super::files::{File, Files, Mode, read_small};
use super::layout::Id;
use super::record::{self, Kind, Unreadable};
use super::vault::{DataKey, Keys, Wrapped};

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
    /// The key of the octets, if they are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Wrapped>,
    /// The declared digests of octets that are encrypted, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private: Option<String>,
}

/// The kind of record whose private part is sealed.
const PRIVATE: &str = "plan";

impl Plan {
    pub(super) fn new(resume: Option<String>, file: Option<String>, declared: &FileInfo) -> Self {
        let hex = |algorithm| declared.digest(algorithm).map(Digest::hex);
        let (sha1, sha256) = (hex(DigestAlgorithm::Sha1), hex(DigestAlgorithm::Sha256));
        Self { resume, file, size: declared.size, sha1, sha256, key: None, private: None }
    }

    /// The same plan under another resume key.
    pub(super) fn known_as(self, key: String) -> Self {
        Self { resume: Some(key), ..self }
    }

    /// The same plan for octets that are encrypted, if there is a key.
    pub(super) fn under(self, key: Option<Wrapped>) -> Self {
        Self { key, ..self }
    }

    /// The record of the plan; under a key the declared digests are readable by nobody else.
    pub(super) fn encode(&self, id: Id, key: Option<(&DataKey, &mut Mint)>) -> Vec<u8> {
        let json = |plan: &Self| serde_json::to_vec(plan).expect("a plan is strings and numbers");
        let Some((key, mint)) = key else { return record::encode(Kind::Plan, &json(self)) };
        let digests = serde_json::to_vec(&(&self.sha1, &self.sha256)).expect("digests are strings");
        let private = Some(key.hide(PRIVATE, id, &digests, mint));
        let plan = Self { sha1: None, sha256: None, key: Some(key.wrapped.clone()), private, ..self.clone() };
        record::encode_as(record::ENCRYPTED, Kind::Plan, &json(&plan))
    }

    /// The plan in a record. Without its key the digests are not known.
    fn decode(id: Id, json: &[u8], keys: &Keys) -> Option<Self> {
        let mut plan: Self = serde_json::from_slice(json).ok()?;
        if let (Some(private), Some(wrapped)) = (plan.private.take(), &plan.key)
            && let Ok(key) = keys.unwrap(id, wrapped)
        {
            (plan.sha1, plan.sha256) = serde_json::from_slice(&key.reveal(PRIVATE, id, &private)?).ok()?;
        }
        Some(plan)
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
    /// Makes the journal of a new stage with the record of its plan. Nothing of it is durable yet.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn create(files: &dyn Files, id: Id, plan: &[u8]) -> io::Result<Self> {
        let file = files.open(&id.journal(), Mode::Create)?;
        if let Err(error) = file.write_at(plan, 2 * SLOT_OCTETS as u64) {
            let _ = files.remove(&id.journal()); // or it could never be made again
            return Err(error);
        }
        Ok(Self { file, turn: 0 })
    }

    /// Opens a journal that was read before.
    ///
    /// # Errors
    /// As reported by the file system.
    pub(super) fn reopen(files: &dyn Files, id: Id, turn: u64) -> io::Result<Self> {
        Ok(Self { file: files.open(&id.journal(), Mode::Write)?, turn })
    }

    /// How many slots are durable.
    pub(super) const fn turn(&self) -> u64 {
        self.turn
    }

    /// Writes down that `durable` is durable; the claim counts from the next sync of [`Journal::file`] on, after which
    /// [`Journal::settle`] has to be called. A claim that could not be synced is written over by the next one.
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
        self.file.write_at(&octets, (turn % 2) * SLOT_OCTETS as u64)
    }

    /// The claim is synced.
    pub(super) const fn settle(&mut self) {
        self.turn += 1;
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
pub(super) fn read(files: &dyn Files, id: Id, keys: &Keys) -> io::Result<Result<Claim, Unreadable>> {
    use io::ErrorKind::{FileTooLarge, NotFound, UnexpectedEof};
    match read_small(files, &id.journal(), 2 * SLOT_OCTETS + ENVELOPE_OCTETS) {
        Ok(octets) => Ok(decode(id, &octets, keys)),
        Err(error) if matches!(error.kind(), NotFound | FileTooLarge | UnexpectedEof) => Ok(Err(Unreadable::Damaged)),
        Err(error) => Err(error),
    }
}

fn decode(id: Id, octets: &[u8], keys: &Keys) -> Result<Claim, Unreadable> {
    let record = |kind, at: usize, end: usize| {
        octets.get(at..end).map_or(Err(Unreadable::Damaged), |octets| record::decode(kind, octets))
    };
    let plan = record(Kind::Plan, 2 * SLOT_OCTETS, octets.len())?;
    let plan = Plan::decode(id, plan, keys).ok_or(Unreadable::Damaged)?;
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
