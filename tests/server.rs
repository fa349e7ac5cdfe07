//! The server as a process that is killed without warning, again and again: what it promised is there, and nothing else.

#[path = "server/audit.rs"]
mod audit;
mod support;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audit::Attempt;
use support::Chance;
use support::deposit::{Depositor, Plan, Promise, deposit, deposit_works};
use support::server::{Server, json};

/// Times the server is killed.
const ROUNDS: u64 = 50;

/// Phones that deposit at the same time.
const PHONES: u64 = 8;

/// The server lives at most so long after it is ready, in milliseconds: long enough for a few dozen deposits, short
/// enough that most rounds are cut in the middle of some.
const LIFE_MS: u64 = 300;

/// From the variable `RESTANTE_TEST_SEED`, else from the clock; printed, so that a failure can be replayed.
fn seed() -> u64 {
    let given = std::env::var("RESTANTE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let seed = given.unwrap_or_else(clock);
    println!("RESTANTE_TEST_SEED={seed}");
    seed
}

/// Sizes around the borders: nothing, one octet, one chunk and its neighbours, several chunks.
fn plan(id: &str, chance: &mut Chance) -> Plan {
    let octets = match chance.below(8) {
        0 => 0,
        1 => 1,
        2 => 2047 + chance.below(3),
        3..=5 => chance.below(20_000),
        _ => chance.below(400_000),
    };
    let chunk = [2048, 8192, 65_536][chance.below(3) as usize];
    Plan { chunk, ..Plan::new(id, chance.octets(octets as usize)) }
}

/// Deposits until the server is gone.
fn phone(server: &Server, name: &str, chance: &mut Chance, book: &Mutex<BTreeMap<String, Attempt>>, over: &AtomicBool) {
    for number in 0.. {
        let plan = plan(&format!("{name}n{number}"), chance);
        let mut promise = Promise::default();
        let result = deposit(server, &plan, &mut promise);
        let attempt = Attempt { sha256: plan.sha256(), size: plan.content.len() as u64, promise };
        book.lock().expect("nobody panicked").insert(plan.message_id, attempt);
        match result {
            Ok(()) if over.load(Ordering::Relaxed) => return,
            Ok(()) => {}
            Err(error) => {
                let hangs = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!hangs, "the server neither answers nor is gone");
                return;
            }
        }
    }
}

/// One life of the server, from start to SIGKILL.
fn life(dir: &Path, round: u64, chance: &mut Chance, book: &Mutex<BTreeMap<String, Attempt>>) {
    let server = Server::start(dir, &[]);
    audit::objects(dir, &book.lock().expect("nobody panicked"));
    let over = AtomicBool::new(false);
    let moment = Duration::from_millis(chance.below(LIFE_MS));
    let (_never, end) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for number in 0..PHONES {
            let mut chance = Chance::new(chance.below(u64::MAX));
            let (server, over) = (&server, &over);
            scope.spawn(move || phone(server, &format!("r{round}p{number}"), &mut chance, book, over));
        }
        let _ = end.recv_timeout(moment);
        over.store(true, Ordering::Relaxed);
        server.shoot();
    });
}

#[test]
fn whatever_was_reported_outlives_fifty_kills_and_nothing_half_written_is_seen() {
    let mut chance = Chance::new(seed());
    let dir = tempfile::tempdir().expect("a directory");
    let book = Mutex::new(BTreeMap::new());
    (0..ROUNDS).for_each(|round| life(dir.path(), round, &mut chance, &book));
    let book = book.into_inner().expect("nobody panicked");
    let (all, kept) = (book.len(), book.values().filter(|attempt| attempt.promise.reported).count());
    println!("{all} deposits, {kept} of them reported");
    assert!(kept as u64 > ROUNDS && all > kept, "the kills came in the middle of the work");
    let server = Server::start(dir.path(), &[]);
    deposit_works(&server, "proof");
    audit::objects(dir.path(), &book);
    server.kill();
    audit::octets(dir.path());
    audit::leftovers(dir.path(), &book);
}

#[test]
fn a_file_that_a_kill_has_cut_is_completed_by_its_sender_in_a_second_call() {
    let mut chance = Chance::new(seed());
    let dir = tempfile::tempdir().expect("a directory");
    let plan = Plan { chunk: 4096, ..Plan::new("m1", chance.octets(200_000)) };
    let mut promise = Promise::default();
    {
        let server = Server::start(dir.path(), &[]);
        let mut depositor = Depositor::connect(&server, &plan).expect("a call");
        for start in (0..100_000).step_by(plan.chunk) {
            let (tid, frame) = depositor.message.chunk(start as u64, &plan.content[start..start + plan.chunk]);
            depositor.stream.write(&frame).expect("a write");
            assert_eq!(depositor.answer(&tid, &mut promise).expect("an answer").status(), 200);
        }
        server.kill();
    }
    let server = Server::start(dir.path(), &[]);
    assert!(json(dir.path(), &["spool", "list", "--json"]).is_empty(), "half a file is no object");
    let mut promise = Promise::default();
    deposit(&server, &plan, &mut promise).expect("the second call brings everything again");
    assert!(promise.reported && promise.complete, "{promise:?}");
    let objects = json(dir.path(), &["spool", "list", "--json"]);
    assert_eq!((objects.len(), objects[0]["sha256"].as_str()), (1, Some(plan.sha256().as_str())));
    server.kill();
    audit::octets(dir.path());
}
