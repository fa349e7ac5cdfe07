//! What the demonstration carries: a photo, a recording, and as many octets as it takes to see a rate.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// See tests/media/README.md for where they come from.
const PHOTO: &[u8] = include_bytes!("../../../tests/media/photo.jpg");
const MESSAGE: &[u8] = include_bytes!("../../../tests/media/message.wav");

/// Octets written and compared at a time.
const BLOCK_OCTETS: usize = 1 << 20;

/// Any number but zero will do: the same octets every time.
const SEED: u64 = 0x5250_4C41_4E54_4553;

/// Writes the photo.
///
/// # Errors
/// The directory takes nothing.
pub(super) fn photo(dir: &Path) -> io::Result<PathBuf> {
    write(dir, "photo.jpg", PHOTO)
}

/// Writes the voice message.
///
/// # Errors
/// The directory takes nothing.
pub(super) fn message(dir: &Path) -> io::Result<PathBuf> {
    write(dir, "message.wav", MESSAGE)
}

fn write(dir: &Path, name: &str, octets: &[u8]) -> io::Result<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, octets)?;
    Ok(path)
}

/// Writes so many octets that no compression shortens and no block repeats.
///
/// # Errors
/// The directory takes nothing, or not so much.
pub(super) fn noise(dir: &Path, octets: u64) -> io::Result<PathBuf> {
    let path = dir.join("noise.bin");
    let mut file = File::create(&path)?;
    let (mut state, mut left, mut block) = (SEED, octets, vec![0; BLOCK_OCTETS]);
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            // Marsaglia's xorshift: fast, and random enough for a file.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let length = usize::try_from(left).map_or(BLOCK_OCTETS, |left| left.min(BLOCK_OCTETS));
        file.write_all(&block[..length])?;
        left -= length as u64;
    }
    Ok(path)
}

/// Whether two files have the same octets.
///
/// # Errors
/// One can't be read.
pub(super) fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    let (mut ours, mut theirs) = (Vec::with_capacity(BLOCK_OCTETS), Vec::with_capacity(BLOCK_OCTETS));
    loop {
        ours.clear();
        theirs.clear();
        (&one).take(BLOCK_OCTETS as u64).read_to_end(&mut ours)?;
        (&other).take(BLOCK_OCTETS as u64).read_to_end(&mut theirs)?;
        if ours != theirs {
            return Ok(false);
        }
        if ours.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_as_long_as_asked_and_the_same_every_time() {
        let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let octets = BLOCK_OCTETS as u64 + 3;
        let paths = [&one, &two].map(|dir| noise(dir.path(), octets).expect("noise"));
        assert_eq!(fs::metadata(&paths[0]).expect("a file").len(), octets);
        assert!(same(&paths[0], &paths[1]).expect("two files"));
    }

    #[test]
    fn files_differ_by_their_last_octet_or_their_length() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str, octets: &[u8]| write(dir.path(), name, octets).expect("a file");
        let (a, b, c) = (path("a", &[1; 9]), path("b", &[1, 1, 1, 1, 1, 1, 1, 1, 2]), path("c", &[1; 8]));
        assert!(!same(&a, &b).expect("two files") && !same(&a, &c).expect("two files") && same(&a, &a).expect("one"));
    }
}
