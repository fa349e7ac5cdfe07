//! Bugs planted around the real code, to see that the observer is worth something.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use restante::model::{FileInfo, Mint, Now, ObjectUri};
use restante::spool::{Committed, EnvelopeDraft, File, Files, Index, Lock, Mode, Space, Spool, StagePlan};

use crate::disk::SimFiles;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Syncs of files are left out.
    FileSync,
    /// Syncs of directories are left out.
    DirSync,
    /// A file is reported before it is published.
    Early,
    /// One write is lost, and reports pass over the hole.
    Hole,
    /// No timer ever goes off.
    Timer,
    /// One write lands an octet too far.
    Offset,
    /// The bucket says that it has an envelope, and has none.
    Bucket,
    /// The end of a delivery is told before it is written down, and never is.
    Unrecorded,
    /// An attempt that has failed is taken for one that got through.
    Handed,
}

impl Bug {
    /// Which call its disk leaves out.
    pub(crate) const fn forgets(self) -> Option<Forgets> {
        match self {
            Self::FileSync => Some(Forgets::Files),
            Self::DirSync => Some(Forgets::Dirs),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgets {
    Files,
    Dirs,
}

/// How late a commit comes that was reported early.
pub(crate) const LATE: Duration = Duration::from_secs(3);

/// A disk on which some syncs do nothing.
pub(crate) struct Forgetful {
    pub(crate) files: SimFiles,
    pub(crate) what: Forgets,
}

struct ForgetfulFile(Box<dyn File>);

impl Files for Forgetful {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.files.create_dir(dir)
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Box<dyn File>> {
        let file = self.files.open(path, mode)?;
        Ok(if self.what == Forgets::Files { Box::new(ForgetfulFile(file)) } else { file })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.link(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.files.remove(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.files.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        // Only where envelopes are published: without its other directories there is no spool to look at.
        let spared = self.what == Forgets::Files || dir != "queued";
        if spared { self.files.sync_dir(dir) } else { Ok(()) }
    }

    fn sync_all(&self, _syncs: usize) -> io::Result<bool> {
        Ok(false) // it forgets some of those that are done one by one
    }

    fn space(&self) -> io::Result<Space> {
        self.files.space()
    }

    fn may_write(&self, dir: &str) -> io::Result<()> {
        self.files.may_write(dir)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.files.lock(path)
    }
}

impl File for ForgetfulFile {
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(octets, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        self.0.reserve(octets)
    }

    fn release(&self) -> io::Result<()> {
        self.0.release()
    }
}

/// A receipt for an object that lies on another disk: what a careless owner might pass on too early.
pub(crate) fn shadow(content: &[u8], draft: &EnvelopeDraft, object: &ObjectUri, now: Now) -> Committed {
    let files = Arc::new(SimFiles::new());
    let (spool, _) = Spool::open(files, Index::in_memory(), Mint::from_number(5), now).expect("an empty disk");
    let mut stage = spool.stage(StagePlan::new(object.clone()), now).expect("a stage");
    stage.write(0, content).expect("room");
    let sealed = stage.seal(content.len() as u64, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, draft.clone(), now).expect("a commit")
}
