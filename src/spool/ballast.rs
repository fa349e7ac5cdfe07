//! Room that is held only to be given up: on a disk that is full to the last octet a deletion has to be written down
//! before it frees anything.

use std::io;

use super::error::is_full;
use super::files::Mode;
use super::layout::BALLAST_FILE;
use super::shared::Shared;

/// Sixteen blocks, each of which takes a state; and its name makes way for one.
const OCTETS: u64 = 64 * 1024;

/// Takes ballast in, if there is none and there is room.
pub(super) fn take_in(shared: &Shared) {
    let Ok(file) = shared.files.open(BALLAST_FILE, Mode::Create) else { return };
    let filled = match file.reserve(OCTETS) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => file.write_at(&vec![0; OCTETS as usize], 0),
        reserved => reserved,
    };
    if filled.is_err() {
        shared.remove_quietly(BALLAST_FILE); // half of it would look like all of it
    }
}

/// Does something small that must not fail for want of room: if it does, once more without the ballast.
///
/// # Errors
/// Those of what is done.
pub(super) fn within(shared: &Shared, what: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match what() {
        Err(error) if is_full(&error) && shared.files.remove(BALLAST_FILE).is_ok() => {
            tracing::warn!("the disk is full: the ballast is given up so that a state can be written down");
            what()
        }
        result => result,
    }
}
