//! Everything that was written to a file system made durable by one call, where that call can be trusted and is worth it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, fstatfs, futimens, syncfs};
use rustix::system::uname;

/// File systems of which it is known that syncfs writes data, names and the journal, and waits for the drive: ext2 to
/// ext4, XFS, btrfs, F2FS, and tmpfs, where nothing lasts anyway. FUSE passes syncfs on to nobody.
const TRUSTED: [i64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

/// Before Linux 5.8, syncfs kept write errors to itself.
const TRUSTED_SINCE: (u32, u32) = (5, 8);

/// syncfs also writes what is none of our business, and makes us wait for it once: then it is written. Measured beside
/// builds that kept hundreds of MiB waiting, it was faster than syncs of single files throughout; this much for each of
/// those that it replaces is a bound for what somebody may be made to wait for.
const OCTETS_PER_SYNC: u64 = 64 * 1024 * 1024;

/// The file system that a directory is on.
#[derive(Debug)]
pub(super) struct WholeDisk {
    /// Open from before the first write: write errors since then are told to its next syncfs, once.
    root: Mutex<fs::File>,
    trusted: bool,
}

impl WholeDisk {
    /// # Errors
    /// As reported by the operating system.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let root = fs::File::open(root)?;
        let kind = fstatfs(&root)?.f_type;
        #[allow(clippy::unnecessary_cast, reason = "not an i64 on every machine")]
        let trusted = TRUSTED.contains(&(kind as i64)) && release() >= TRUSTED_SINCE;
        Ok(Self { root: Mutex::new(root), trusted })
    }

    /// Makes everything durable, or does nothing and says no: if the file system is none of those, or if too much waits to
    /// be written for what it would save, `syncs` syncs of single files.
    ///
    /// # Errors
    /// Of anything that was written since the call before; told once.
    pub(super) fn sync(&self, syncs: usize) -> io::Result<bool> {
        if !self.trusted || unwritten().is_none_or(|octets| octets > OCTETS_PER_SYNC * syncs as u64) {
            return Ok(false);
        }
        let root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        syncfs(&*root)?;
        // A file system that was shut down, or that its journal's errors made read-only, may have nothing to write and
        // say that this went well. It does not let anybody change a date.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        futimens(&*root, &Timestamps { last_access: now, last_modification: now })?;
        Ok(true)
    }
}

/// Major and minor release of the kernel.
fn release() -> (u32, u32) {
    let name = uname();
    let text = name.release().to_string_lossy();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Octets that the machine has in memory and still has to write, or is writing.
fn unwritten() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    Some((kib("Dirty:")? + kib("Writeback:")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_how_much_it_has_to_write_and_which_kernel_it_runs() {
        assert!(unwritten().is_some());
        assert!(release() > (2, 0), "{:?}", release());
    }
}
