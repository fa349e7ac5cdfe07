//! What the tests against the real process share: the server as a child process, and a phone and an application server
//! that share no code with it.

// Every test crate takes what it needs of this.
#![allow(dead_code)]

pub(crate) mod apart;
pub(crate) mod deposit;
pub(crate) mod disk;
pub(crate) mod endpoint;
pub(crate) mod http;
pub(crate) mod msrp;
pub(crate) mod phone;
pub(crate) mod server;
pub(crate) mod sip;
pub(crate) mod tape;
pub(crate) mod websocket;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longer than anything here takes on a busy machine; what is not there by then never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Leaves a test that needs a program which is not installed. In CI everything has to be.
pub(crate) fn missing(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()));
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} missing");
    }
    !found
}

/// How often something is done: as the variable says, else as given.
pub(crate) fn rounds(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// From the variable `RESTANTE_TEST_SEED`, else from the clock; printed, so that a failure can be replayed.
pub(crate) fn seed() -> u64 {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let given = std::env::var("RESTANTE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(clock);
    println!("RESTANTE_TEST_SEED={seed}");
    seed
}

/// A stream of numbers from a seed (SplitMix64): enough to choose sizes and moments, and to be replayed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn octets(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(count).collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
