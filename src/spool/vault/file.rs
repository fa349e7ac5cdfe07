//! An encrypted file that reads and writes like a plain one.
//!
//! Frames that come whole go to the disk as they come; of those that don't, one is in hand at a time. A frame that is
//! written again is written in place: only frames that are complete may be called durable (`frame::whole`).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Mint, Ranges};

use super::super::files::{File, read_exact_at};
use super::frame::{FRAME_OCTETS, STORED_FRAME_OCTETS, octets_in, stored_octets};
use super::keys::{DataKey, SEAL_OCTETS};

/// Octets of a whole frame, in memory.
const FRAME: usize = FRAME_OCTETS as usize;

/// The octets of a body under its key.
pub(in super::super) struct Vaulted {
    file: Box<dyn File>,
    key: Arc<DataKey>,
    state: Mutex<State>,
}

struct State {
    /// For nonces; `None` if the file is only read.
    mint: Option<Mint>,
    /// Numbers of the frames that were written. Others may have been torn by a crash, and read as zeros.
    written: Ranges,
    /// Octets in those of them that are not full.
    short: BTreeMap<u64, usize>,
    length: u64,
    /// The number of the frame in hand.
    number: Option<u64>,
    /// Its octets.
    plain: Vec<u8>,
    /// Whether they differ from what the file has.
    dirty: bool,
    /// One frame as it lies on the disk: room to seal and to open in.
    stored: Vec<u8>,
}

impl Vaulted {
    /// The body in `file`, of which these octets are there; without a mint it is only read.
    pub(in super::super) fn new(file: Box<dyn File>, key: Arc<DataKey>, there: &Ranges, mint: Option<Mint>) -> Self {
        let mut state = State {
            mint,
            written: Ranges::new(),
            short: BTreeMap::new(),
            length: there.end(),
            number: None,
            plain: Vec::new(),
            dirty: false,
            stored: Vec::new(),
        };
        for (start, end) in there.pieces() {
            let (first, last) = (start / FRAME_OCTETS, (end - 1) / FRAME_OCTETS);
            state.written.insert(first, last + 1, usize::MAX).expect("there is no limit");
            if first < last {
                state.short.remove(&first); // the piece before this one may have ended in it
            }
            state.note_length(last, (end - last * FRAME_OCTETS) as usize);
        }
        Self { file, key, state: Mutex::new(state) }
    }

    /// Nothing panics half-way through a change, so the state is whole in any case.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals a frame and writes it at its place.
    fn put(&self, state: &mut State, number: u64, plain: &[u8]) -> io::Result<()> {
        let mint = state.mint.as_mut().ok_or(io::ErrorKind::PermissionDenied)?;
        self.key.seal_frame(number, plain, mint, &mut state.stored);
        self.file.write_at(&state.stored, place(number)?)?;
        state.written.insert(number, number + 1, usize::MAX).expect("there is no limit");
        state.note_length(number, plain.len());
        Ok(())
    }

    /// Opens a written frame into `plain`, which has its length.
    fn fetch(&self, stored: &mut Vec<u8>, number: u64, plain: &mut [u8]) -> io::Result<()> {
        stored.resize(plain.len() + SEAL_OCTETS, 0);
        read_exact_at(self.file.as_ref(), stored, place(number)?)?;
        if self.key.open_frame(number, stored, plain) { Ok(()) } else { Err(not_authentic()) }
    }

    /// Writes what is in hand.
    fn flush(&self, state: &mut State) -> io::Result<()> {
        if let (true, Some(number)) = (state.dirty, state.number) {
            let plain = std::mem::take(&mut state.plain);
            let put = self.put(state, number, &plain);
            state.plain = plain;
            put?;
            state.dirty = false;
        }
        Ok(())
    }

    /// Takes a frame in hand.
    fn take(&self, state: &mut State, number: u64) -> io::Result<()> {
        if state.number == Some(number) {
            return Ok(());
        }
        self.flush(state)?;
        state.number = None;
        let State { plain, stored, .. } = state;
        plain.clear();
        if state.written.contains(number, number + 1) {
            plain.resize(state.short.get(&number).copied().unwrap_or(FRAME), 0);
            self.fetch(stored, number, plain)?;
        }
        state.number = Some(number);
        Ok(())
    }

    fn write_piece(&self, state: &mut State, number: u64, within: usize, octets: &[u8]) -> io::Result<()> {
        let is_new = state.number != Some(number) && !state.written.contains(number, number + 1);
        if is_new && octets.len() == FRAME {
            return self.put(state, number, octets);
        }
        self.take(state, number)?;
        let end = within + octets.len();
        if state.plain.len() < end {
            state.plain.resize(end, 0);
        } else if state.plain[within..end] == *octets {
            return Ok(()); // a frame that is whole is not touched by who brings it again
        }
        state.plain[within..end].copy_from_slice(octets);
        state.dirty = true;
        if end == FRAME { self.flush(state) } else { Ok(()) }
    }

    fn read_piece(&self, state: &mut State, number: u64, within: usize, buffer: &mut [u8]) -> io::Result<()> {
        let in_hand = state.number == Some(number);
        if !in_hand && !state.written.contains(number, number + 1) {
            buffer.fill(0);
            return Ok(());
        }
        if !in_hand && buffer.len() == FRAME && !state.short.contains_key(&number) {
            return self.fetch(&mut state.stored, number, buffer);
        }
        self.take(state, number)?;
        let there = state.plain.get(within..).unwrap_or_default();
        let octets = there.len().min(buffer.len());
        buffer[..octets].copy_from_slice(&there[..octets]);
        buffer[octets..].fill(0);
        Ok(())
    }
}

impl State {
    fn note_length(&mut self, number: u64, octets: usize) {
        if octets < FRAME {
            self.short.insert(number, octets);
        } else {
            self.short.remove(&number);
        }
    }
}

impl File for Vaulted {
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        let state = &mut *self.state();
        let (mut rest, mut at) = (octets, offset);
        while !rest.is_empty() {
            let (number, within) = (at / FRAME_OCTETS, (at % FRAME_OCTETS) as usize);
            let (piece, after) = rest.split_at(rest.len().min(FRAME - within));
            self.write_piece(state, number, within, piece)?;
            at += piece.len() as u64;
            state.length = state.length.max(at);
            rest = after;
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.state();
        let there = usize::try_from(state.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buffer.len().min(there);
        let mut filled = 0;
        while filled < want {
            let at = offset + filled as u64;
            let (number, within) = (at / FRAME_OCTETS, (at % FRAME_OCTETS) as usize);
            let end = want.min(filled + FRAME - within);
            self.read_piece(state, number, within, &mut buffer[filled..end])?;
            filled = end;
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.flush(&mut self.state())?;
        self.file.sync()
    }

    /// What a crash has left behind the octets that are known counts, too.
    fn size(&self) -> io::Result<u64> {
        Ok(self.state().length.max(octets_in(self.file.size()?)))
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        self.file.reserve(stored_octets(octets))
    }

    fn release(&self) -> io::Result<()> {
        self.flush(&mut self.state())?;
        self.file.release()
    }
}

/// Where a frame lies.
fn place(number: u64) -> io::Result<u64> {
    number.checked_mul(STORED_FRAME_OCTETS).ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

fn not_authentic() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is not what was sealed at its place")
}
