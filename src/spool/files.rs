//! The few file-system calls the spool is built on, so that a model of a disk can stand in for the disk.

use std::io;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For reading and writing; it must not exist yet.
    Create,
    /// For reading and writing; it must exist.
    Write,
    /// For reading; it must exist.
    Read,
}

/// How full a disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Octets in use.
    pub used_octets: u64,
    /// Octets that we may still write.
    pub free_octets: u64,
    /// Names (inodes) in use.
    pub used_names: u64,
    /// Names that we may still make; no limit where the disk has none.
    pub free_names: u64,
}

/// One directory tree. Paths are relative to its root, separated by `/`, and are made by the spool's layout alone.
///
/// Nothing here is durable by itself: octets are after [`File::sync`], names after [`Files::sync_dir`] of the
/// directory that holds them. A rename becomes durable as a whole, at the latest with a sync of its target directory.
///
/// # Errors
/// Every call reports what the operating system said, with its [`io::ErrorKind`].
pub trait Files: Send + Sync {
    /// Makes a directory whose parent exists; one that is already there is fine.
    fn create_dir(&self, dir: &str) -> io::Result<()>;

    /// Opens a file.
    fn open(&self, path: &str, mode: Mode) -> io::Result<Box<dyn File>>;

    /// Moves a file, replacing what has the name `to`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file a second name, in the place of none. [`io::ErrorKind::Unsupported`] where a file has only one.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// The names in a directory, in no order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Makes the names in a directory durable; `""` is the root.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Makes everything of this tree durable that was written and named before the call, octets and names. Says no, and
    /// has done nothing, where the disk can't do that or it isn't worth it for this many syncs one by one.
    ///
    /// An error may be about anything that was written before the call ended. Of its kind it is told once, and then again
    /// to the next [`File::sync`] of each file that lost something.
    fn sync_all(&self, syncs: usize) -> io::Result<bool>;

    /// How full the disk of this tree is.
    fn space(&self) -> io::Result<Space>;

    /// Whether names may be made and removed in a directory, as far as the system says without trying.
    fn may_write(&self, dir: &str) -> io::Result<()>;

    /// Takes the exclusive lock of this name until the result is dropped; [`io::ErrorKind::WouldBlock`] if another
    /// process has it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>>;
}

/// An open file. All access is positional, so that no call depends on the one before it.
///
/// # Errors
/// As for [`Files`].
pub trait File: Send + Sync {
    /// Writes all of `octets` at `offset`.
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()>;

    /// Reads at `offset`; zero octets mean the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes octets and length durable. After an error nothing is known of what was written since the last success,
    /// and trying again proves nothing.
    fn sync(&self) -> io::Result<()>;

    /// Length in octets.
    fn size(&self) -> io::Result<u64>;

    /// Reserves room for `octets` without changing the length. [`io::ErrorKind::Unsupported`] where that is unknown.
    fn reserve(&self, octets: u64) -> io::Result<()>;

    /// Gives back what was reserved and not written; the length stays.
    fn release(&self) -> io::Result<()>;
}

/// A lock that is held until it is dropped.
pub trait Lock: Send + Sync {
    /// Whether its name still leads to what was locked, and not to another tree that was put in its place.
    ///
    /// # Errors
    /// It does not, or nothing can be found out.
    fn is_in_place(&self) -> io::Result<()>;
}

/// Fills `buffer` from `offset`; [`io::ErrorKind::UnexpectedEof`] if the file ends before.
pub(super) fn read_exact_at(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            octets => filled += octets,
        }
    }
    Ok(())
}

/// A small file whole; [`io::ErrorKind::FileTooLarge`] if it is longer than `limit` octets.
pub(super) fn read_small(files: &dyn Files, path: &str, limit: usize) -> io::Result<Vec<u8>> {
    let file = files.open(path, Mode::Read)?;
    let length = usize::try_from(file.size()?).unwrap_or(usize::MAX);
    if length > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut octets = vec![0; length];
    read_exact_at(file.as_ref(), &mut octets, 0)?;
    Ok(octets)
}
