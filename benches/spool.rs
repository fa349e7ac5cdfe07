//! What durability costs, beside doing the same by hand in the same run: `cargo bench --bench spool`.
//!
//! A number alone says more about the disk than about the spool; the ratios carry over from one to another. Both sides
//! of a ratio take turns, because other people's writing makes a disk slower for minutes on end.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::model::{FileInfo, ObjectUri};
use restante::spool::{EnvelopeDraft, Index, Spool, StagePlan};

/// Turns of each side of a ratio.
const ROUNDS: usize = 5;
/// Files of a turn by hand; the spool, which is faster, gets [`MORE`] times as many.
const BY_HAND: usize = 400;
const MORE: usize = 10;
/// Octets of a small file.
const SMALL: usize = 1024;
/// Phones that deposit at the same time.
const PHONES: [usize; 3] = [16, 64, 256];
/// Deposits of each length for the delay.
const DEPOSITS: usize = 300;

fn main() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory beside the build");
    small_files(dir.path());
    delays(dir.path());
}

struct House {
    spool: Spool,
    clock: Clock,
    object: ObjectUri,
}

impl House {
    fn open(dir: &Path) -> Self {
        let files = HostFiles::new(dir).expect("a directory");
        let (mint, clock) = (entropy::mint().expect("chance"), Clock::start());
        let index = Index::open(dir.join("index.sqlite"));
        let (spool, _) = Spool::open(Arc::new(files), index, mint, clock.now()).expect("a spool");
        Self { spool, clock, object: "spool:/bob/".parse().expect("a box") }
    }

    /// A deposit, and the time from its last octet to its commit.
    fn deposit(&self, octets: &[u8]) -> Duration {
        let mut stage = self.spool.stage(StagePlan::new(self.object.clone()), self.clock.now()).expect("a stage");
        stage.write(0, octets).expect("room");
        let begun = Instant::now();
        let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
        self.spool.commit(sealed, EnvelopeDraft::default(), self.clock.now()).expect("an object");
        begun.elapsed()
    }
}

fn small_files(dir: &Path) {
    println!("small files of {SMALL} octets, each durable before anything is said of it; median of {ROUNDS} turns");
    let house = House::open(&dir.join("small"));
    let hand = Hand::new(&dir.join("by-hand"));
    let octets = vec![b'r'; SMALL];
    for phones in PHONES {
        let mut rates: Vec<(f64, f64)> =
            (0..ROUNDS).map(|_| (hand.turn(&octets), crowd(&house, phones, &octets))).collect();
        rates.sort_by(|one, two| (one.1 / one.0).total_cmp(&(two.1 / two.0)));
        let (by_hand, ours) = rates[ROUNDS / 2];
        println!(
            "  {phones:>4} phones {ours:>8.0} files/s   create, fsync, rename, fsync(dir) {by_hand:>6.0} files/s   ratio {:5.2} ({:.2} to {:.2})",
            ours / by_hand,
            rates[0].1 / rates[0].0,
            rates[ROUNDS - 1].1 / rates[ROUNDS - 1].0,
        );
    }
}

/// Objects a second, of so many at once.
fn crowd(house: &House, phones: usize, octets: &[u8]) -> f64 {
    let left = AtomicU64::new((BY_HAND * MORE) as u64);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..phones {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    house.deposit(octets);
                }
            });
        }
    });
    (BY_HAND * MORE) as f64 / begun.elapsed().as_secs_f64()
}

/// The same without a spool: one file after the other.
struct Hand {
    dir: std::path::PathBuf,
    next: AtomicU64,
}

impl Hand {
    fn new(dir: &Path) -> Self {
        for part in ["new", "done"] {
            fs::create_dir_all(dir.join(part)).expect("a directory");
        }
        Self { dir: dir.to_owned(), next: AtomicU64::new(0) }
    }

    fn turn(&self, octets: &[u8]) -> f64 {
        let done = File::open(self.dir.join("done")).expect("a directory");
        let begun = Instant::now();
        for _ in 0..BY_HAND {
            let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
            let (from, to) = (self.dir.join("new").join(&name), self.dir.join("done").join(&name));
            let mut file = File::create_new(&from).expect("a file");
            file.write_all(octets).and_then(|()| file.sync_all()).expect("room");
            fs::rename(from, to).and_then(|()| done.sync_all()).expect("a name");
        }
        BY_HAND as f64 / begun.elapsed().as_secs_f64()
    }
}

fn delays(dir: &Path) {
    println!("\nfrom the last octet of one deposit alone to its commit, beside one fdatasync of a file of that length");
    let house = House::open(&dir.join("delay"));
    for length in [SMALL, 64 * 1024, 1024 * 1024] {
        let octets = vec![b'r'; length];
        let mut times: [Vec<Duration>; 2] = Default::default();
        for number in 0..DEPOSITS {
            let file = File::create_new(dir.join(format!("sync-{length}-{number}"))).expect("a file");
            file.write_all_at(&octets, 0).expect("room");
            let begun = Instant::now();
            file.sync_data().expect("a sync");
            times[0].push(begun.elapsed());
            times[1].push(house.deposit(&octets));
        }
        times.iter_mut().for_each(|times| times.sort_unstable());
        let at = |times: &[Duration], share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
        let cell = |share: usize| {
            let (sync, ours) = (at(&times[0], share), at(&times[1], share));
            format!("p{share} {ours:>6.0} us, sync {sync:>6.0} us, ratio {:4.2}", ours / sync)
        };
        println!("  {length:>8} octets   {}   {}", cell(50), cell(99));
    }
}
