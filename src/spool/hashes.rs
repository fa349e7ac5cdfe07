//! SHA-1 and SHA-256 over the same octets, in one pass while they are hot.

use std::io;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::files::File;

/// Octets hashed by one algorithm before the other has its turn: they stay in the first-level cache.
const TURN_OCTETS: usize = 16 * 1024;

/// Octets read at once when hashing what is already in a file.
const READ_OCTETS: usize = 128 * 1024;

/// Both running digests of a file's octets from some offset on, mostly zero, up to [`Hashes::end`].
#[derive(Clone, Default)]
pub(super) struct Hashes {
    sha1: Sha1,
    sha256: Sha256,
    start: u64,
    end: u64,
}

impl Hashes {
    /// Nothing hashed yet, and the octets before `start` never will be.
    pub(super) fn from(start: u64) -> Self {
        Self { start, end: start, ..Self::default() }
    }

    /// The offset of the first octet that counts.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// The offset up to which everything that counts has been hashed.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Hashes the octets that follow.
    pub(super) fn update(&mut self, octets: &[u8]) {
        for turn in octets.chunks(TURN_OCTETS) {
            self.sha1.update(turn);
            self.sha256.update(turn);
        }
        self.end += octets.len() as u64;
    }

    /// Hashes what follows in `file` up to `end`.
    ///
    /// # Errors
    /// As reported by the file; [`io::ErrorKind::UnexpectedEof`] if it is shorter than `end`.
    pub(super) fn catch_up(&mut self, file: &dyn File, end: u64) -> io::Result<()> {
        if self.end >= end {
            return Ok(());
        }
        let mut buffer = vec![0; READ_OCTETS.min(usize::try_from(end - self.end).unwrap_or(READ_OCTETS))];
        while self.end < end {
            let want = buffer.len().min(usize::try_from(end - self.end).unwrap_or(READ_OCTETS));
            match file.read_at(&mut buffer[..want], self.end)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.update(&buffer[..read]),
            }
        }
        Ok(())
    }

    /// The digests.
    pub(super) fn finish(self) -> ([u8; 20], [u8; 32]) {
        (self.sha1.finalize().into(), self.sha256.finalize().into())
    }
}
