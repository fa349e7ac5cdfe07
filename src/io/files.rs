//! The spool's file system calls on a real directory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, FallocateFlags, FlockOperation, access, fallocate, flock, statvfs};

use super::whole_disk::WholeDisk;
use crate::spool::{File, Files, Lock, Mode, Space};

/// A directory of the host, and nothing outside it: paths come from the spool's layout, which has no `..`.
#[derive(Clone, Debug)]
pub struct HostFiles {
    root: PathBuf,
    whole: Arc<WholeDisk>,
}

impl HostFiles {
    /// The tree under `root`, which is made if it is missing.
    ///
    /// # Errors
    /// As reported by the operating system.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        let there = root.ancestors().find(|path| path.is_dir()).map(Path::to_path_buf);
        fs::create_dir_all(&root)?;
        // The name of every directory that was made is durable before anything in it is; and an earlier run may have
        // been cut off between making the last one and syncing its name.
        let made = root.canonicalize()?;
        let there = there.and_then(|path| path.canonicalize().ok()).unwrap_or_else(|| made.clone());
        for parent in made.ancestors().skip(1) {
            match fs::File::open(parent) {
                Ok(dir) => dir.sync_all()?,
                // Not ours to read, so not ours to have made.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
            if !parent.starts_with(&there) || parent == there {
                break;
            }
        }
        Self::existing(root)
    }

    /// The tree under a directory that must be there.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if it is not.
    pub fn existing(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::read_dir(&root)?;
        let whole = Arc::new(WholeDisk::of(&root)?);
        Ok(Self { root, whole })
    }

    /// Where the tree begins.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Files for HostFiles {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        match fs::create_dir(self.path(dir)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        match mode {
            Mode::Create => options.read(true).write(true).create_new(true).mode(0o640),
            Mode::Write => options.read(true).write(true),
            Mode::Read => options.read(true),
        };
        Ok(Box::new(HostFile(options.open(self.path(path))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is not one of the spool's.
        let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| OsString::into_string(entry.file_name()).ok());
        fs::read_dir(self.path(dir))?.filter_map(|entry| name(entry).transpose()).collect()
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        fs::File::open(self.path(dir))?.sync_all()
    }

    fn sync_all(&self, syncs: usize) -> io::Result<bool> {
        self.whole.sync(syncs)
    }

    fn space(&self) -> io::Result<Space> {
        let stat = statvfs(&self.root)?;
        let octets = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space {
            used_octets: octets(stat.f_blocks.saturating_sub(stat.f_bfree)),
            free_octets: octets(stat.f_bavail),
            used_names: stat.f_files.saturating_sub(stat.f_ffree),
            // Some file systems make inodes as they need them, and say that they have none.
            free_names: if stat.f_files == 0 { u64::MAX } else { stat.f_favail },
        })
    }

    fn may_write(&self, dir: &str) -> io::Result<()> {
        Ok(access(self.path(dir), Access::WRITE_OK | Access::EXEC_OK)?)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(self.path(path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(HostLock { file, path: self.path(path) }))
    }
}

struct HostFile(fs::File);

impl File for HostFile {
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data() // fdatasync also writes the length, and nothing of a spool file's other metadata matters
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        Ok(fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, octets)?)
    }

    fn release(&self) -> io::Result<()> {
        self.0.set_len(self.size()?) // blocks past the end go even if the length stays as it is
    }
}

struct HostLock {
    file: fs::File,
    path: PathBuf,
}

impl Lock for HostLock {
    fn is_in_place(&self) -> io::Result<()> {
        let (ours, named) = (self.file.metadata()?, fs::metadata(&self.path)?);
        if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "another directory lies in its place"))
    }
}
