//! A directory tree with nothing in it, for who looks into a bucket from elsewhere.

use std::io;

use super::files::{File, Files, Lock, Mode, Space};

/// Nothing is here, and nothing can be put here.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn create_dir(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self, _: &str, mode: Mode) -> io::Result<Box<dyn File>> {
        Err(if mode == Mode::Create { io::ErrorKind::Unsupported } else { io::ErrorKind::NotFound }.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn link(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_all(&self, _: usize) -> io::Result<bool> {
        Ok(false)
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space::default())
    }

    fn may_write(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, _: &str) -> io::Result<Box<dyn Lock>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
