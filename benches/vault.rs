//! What encryption at rest costs: the same files through the spool with a key and without. `cargo bench --bench vault`.
//!
//! Both ways hash, write and sync alike, on the disk that `TMPDIR` is on, in turn; what counts is the ratio.

use std::sync::Arc;
use std::time::{Duration, Instant};

use restante::io::clock::Clock;
use restante::io::files::HostFiles;
use restante::model::{BoxClass, FileInfo, Mint};
use restante::spool::{Committed, EnvelopeDraft, Index, Keys, Spool, StagePlan};

const OCTETS: usize = 256 << 20;
const READ_OCTETS: usize = 64 << 10;
const ROUNDS: usize = 5;

fn main() {
    println!("{} MiB a file, best of {ROUNDS} rounds", OCTETS >> 20);
    println!("{:>24} {:>12} {:>12} {:>8}", "", "plain MiB/s", "AES MiB/s", "ratio");
    let dir = tempfile::tempdir().expect("a directory");
    let spools = ["plain", "encrypted"].map(|name| {
        let files = HostFiles::new(dir.path().join(name)).expect("a directory");
        let keys = Keys::new([("bench".to_owned(), [7; 32])]);
        let now = Clock::start().now();
        let opened = Spool::open_with(Arc::new(files), Index::in_memory(), keys, Mint::from_number(1), now);
        let (spool, _) = opened.expect("a spool");
        let class =
            BoxClass { matches: "*".parse().expect("a pattern"), encrypt: name == "encrypted", ..BoxClass::default() };
        spool.set_classes(vec![class]);
        spool
    });
    for chunk in [64 << 10, 2 << 10] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (spool, best) in spools.iter().zip(&mut best) {
                let began = Instant::now();
                let object = deposit(spool, chunk);
                *best = (*best).min(began.elapsed());
                spool.delete(&object, "bench", Clock::start().now()).expect("a deletion");
            }
        }
        row(&format!("arriving, {} KiB chunks", chunk >> 10), best);
    }
    let objects = [deposit(&spools[0], READ_OCTETS), deposit(&spools[1], READ_OCTETS)];
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for ((spool, object), best) in spools.iter().zip(&objects).zip(&mut best) {
            let began = Instant::now();
            read(spool, object);
            *best = (*best).min(began.elapsed());
        }
    }
    row("read, nothing else", best);
}

fn row(name: &str, [plain, encrypted]: [Duration; 2]) {
    let speed = |time: Duration| (OCTETS >> 20) as f64 / time.as_secs_f64();
    let ratio = plain.as_secs_f64() / encrypted.as_secs_f64();
    println!("{name:>24} {:>12.0} {:>12.0} {ratio:>8.2}", speed(plain), speed(encrypted));
}

fn deposit(spool: &Spool, chunk: usize) -> Committed {
    let octets: Vec<u8> = (0..chunk).map(|at| at as u8).collect();
    let now = Clock::start().now();
    let plan = StagePlan::new("spool:/bench/".parse().expect("a box"));
    let mut stage = spool.stage(plan, now).expect("a stage");
    for number in 0..OCTETS / chunk {
        stage.write((number * chunk) as u64, &octets).expect("octets");
    }
    let sealed = stage.seal(OCTETS as u64, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now).expect("an object")
}

fn read(spool: &Spool, object: &Committed) {
    let body = spool.read(object).expect("a body");
    let (mut buffer, mut at) = (vec![0; READ_OCTETS], 0);
    while at < OCTETS as u64 {
        at += body.read_at(at, &mut buffer).expect("octets") as u64;
    }
}
