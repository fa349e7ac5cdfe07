//! How long a spool with many objects takes to start, with its index and without: `cargo bench --bench start`.
//!
//! `START_OBJECTS` says how many; they are made first, without a sync, and that takes longest. What counts is a start of a
//! million in less than 5 s. `START_DIR` names a directory where they are kept for the next run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::model::{FileInfo, ObjectUri};
use restante::spool::{EnvelopeDraft, File, Files, Index, Lock, Mode, Space, Spool, StagePlan};

/// They are spread over so many boxes.
const BOXES: u64 = 5000;

fn main() {
    let wanted = std::env::var("START_OBJECTS").map_or(10_000, |text| text.parse().expect("START_OBJECTS is a number"));
    let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory beside the build");
    let dir = std::env::var("START_DIR").map_or_else(|_| temporary.path().to_owned(), PathBuf::from);
    fill(&dir, wanted);
    for round in ["first", "second", "third"] {
        println!("{round} start with its index");
        start(&dir);
    }
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("index.sqlite{end}")));
    }
    println!("start without an index");
    start(&dir);
}

fn open(dir: &Path, files: Arc<dyn Files>) -> Spool {
    let mint = entropy::mint().expect("chance");
    Spool::open(files, Index::open(dir.join("index.sqlite")), mint, Clock::start().now()).expect("a spool").0
}

fn start(dir: &Path) {
    let files = Arc::new(HostFiles::new(dir).expect("a directory"));
    let begun = Instant::now();
    let spool = open(dir, files);
    let taken = begun.elapsed().as_secs_f64();
    println!("  {} objects ready in {taken:.2} s, peak memory {} MiB", spool.status().objects, peak_mib());
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Objects of no octets through the front door, on a disk that syncs nothing.
fn fill(dir: &Path, wanted: u64) {
    let files = Arc::new(Hasty(HostFiles::new(dir).expect("a directory")));
    let spool = open(dir, files);
    let clock = Clock::start();
    let begun = Instant::now();
    let there = spool.status().objects;
    for number in there..wanted {
        let object = ObjectUri::mailbox(&format!("box{}", number % BOXES)).expect("a box");
        let stage = spool.stage(StagePlan::new(object), clock.now()).expect("a stage");
        let sealed = stage.seal(0, &FileInfo::default()).expect("a whole file");
        spool.commit(sealed, EnvelopeDraft::default(), clock.now()).expect("an object");
    }
    println!("{} objects made in {:.1} s", wanted.saturating_sub(there), begun.elapsed().as_secs_f64());
}

struct Hasty(HostFiles);

impl Files for Hasty {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.0.create_dir(dir)
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Box<dyn File>> {
        self.0.open(path, mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.link(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self, _syncs: usize) -> io::Result<bool> {
        Ok(true)
    }

    fn space(&self) -> io::Result<Space> {
        self.0.space()
    }

    fn may_write(&self, dir: &str) -> io::Result<()> {
        self.0.may_write(dir)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        self.0.lock(path)
    }
}
