//! Phones that deposit as fast as they can until the server is gone, and a book of what they were told.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::audit::{self, Attempt};
use super::support::Chance;
use super::support::deposit::{Plan, Promise, deposit};
use super::support::server::Server;

/// Phones that deposit at the same time.
const PHONES: u64 = 8;

/// The end comes after fewer deposits than this.
const DEPOSITS: u64 = 16;

/// And after less than this, in microseconds: about as long as a deposit takes.
const MOMENT_MICROS: u64 = 40_000;

/// Every deposit that was tried, by its Message-ID.
#[derive(Default)]
pub(crate) struct Book(Mutex<BTreeMap<String, Attempt>>);

/// What a book has.
pub(crate) struct Told {
    pub(crate) all: u64,
    pub(crate) reported: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deposits, {} of them reported", self.all, self.reported)
    }
}

impl Book {
    /// Compares the spool with what was told.
    pub(crate) fn audit(&self, dir: &Path) {
        audit::objects(dir, &self.0.lock().expect("nobody panicked"));
    }

    /// Looks for what should not be left.
    pub(crate) fn leftovers(&self, dir: &Path) {
        audit::leftovers(dir, &self.0.lock().expect("nobody panicked"));
    }

    pub(crate) fn told(&self) -> Told {
        let book = self.0.lock().expect("nobody panicked");
        let reported = book.values().filter(|attempt| attempt.promise.reported).count() as u64;
        Told { all: book.len() as u64, reported }
    }

    fn note(&self, plan: Plan, promise: Promise) {
        let attempt = Attempt { sha256: plan.sha256(), size: plan.content.len() as u64, promise };
        self.0.lock().expect("nobody panicked").insert(plan.message_id, attempt);
    }
}

/// Lets phones deposit, and ends it all under their hands: after a few deposits are through, and a moment.
pub(crate) fn lifetime(server: &Server, round: u64, chance: &mut Chance, book: &Book, end: impl FnOnce()) {
    let ending = AtomicBool::new(false);
    let (deposits, moment) = (chance.below(DEPOSITS), Duration::from_micros(chance.below(MOMENT_MICROS)));
    let (through, arrivals) = mpsc::channel();
    let (_kept, never) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        for number in 0..PHONES {
            let (mut chance, through) = (Chance::new(chance.below(u64::MAX)), through.clone());
            let ending = &ending;
            let name = format!("r{round}p{number}");
            scope.spawn(move || phone(server, &name, &mut chance, book, &through, ending));
        }
        drop(through);
        for _ in 0..deposits {
            arrivals.recv().expect("phones deposit until the end");
        }
        let _ = never.recv_timeout(moment);
        ending.store(true, Ordering::Relaxed);
        end();
    });
}

/// Deposits until the server is gone. Before its end comes it has no reason to refuse anything.
fn phone(
    server: &Server,
    name: &str,
    chance: &mut Chance,
    book: &Book,
    through: &mpsc::Sender<()>,
    ending: &AtomicBool,
) {
    for number in 0.. {
        let plan = plan(&format!("{name}n{number}"), chance);
        let mut promise = Promise::default();
        let result = deposit(server, &plan, &mut promise);
        book.note(plan, promise);
        if let Err(error) = result {
            let hangs = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!hangs, "the server neither answers nor is gone");
            assert!(ending.load(Ordering::Relaxed), "{error}");
            return;
        }
        let _ = through.send(()); // nobody counts any more at the end
    }
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
