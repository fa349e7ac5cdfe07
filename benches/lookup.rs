//! What it costs to find a session, and to end one, among few and among many: `cargo bench --bench lookup`.
//!
//! A number alone says more about the machine than about the tables; what counts is how it grows. A hundred sessions
//! share a connection, as those of a session border controller do.

#[path = "../tests/board/mod.rs"]
mod board;
#[path = "../tests/msrp/mod.rs"]
mod msrp;

use std::hint::black_box;
use std::time::{Duration, Instant};

use board::Board;
use msrp::{PHONE, Side, spec};
use restante::engine::{Notice, Unattended};
use restante::msrp::{Config, Input, MsrpUri, SessionKey};

const SESSIONS: [usize; 3] = [100, 10_000, 100_000];
const STREAMS_PER_CALL: usize = 10;
const SESSIONS_PER_LINK: usize = 100;
/// Sessions looked up, and ended, in each measurement.
const SAMPLE: usize = 100;
const ROUNDS: usize = 20;

fn main() {
    println!("ns for one session, best of {ROUNDS} rounds of {SAMPLE}");
    println!("{:>34} {:>10} {:>10} {:>10}", "sessions", SESSIONS[0], SESSIONS[1], SESSIONS[2]);
    let tables: Vec<Times> = SESSIONS.iter().map(|sessions| engine(*sessions)).collect();
    row("engine: To-Path to session", tables.iter().map(|times| times.knock));
    row("engine: a connection of 100 ends", tables.iter().map(|times| times.closed));
    row("engine: a call of 10 hangs up", tables.iter().map(|times| times.left));
    println!("{:>34} {:>10} {:>10} {:>10}", "sessions on one connection", 10, 400, 4000);
    row("connection: SEND, found, answered", [10, 400, 4000].into_iter().map(connection));
}

fn row(name: &str, times: impl Iterator<Item = f64>) {
    let times: Vec<f64> = times.collect();
    let cells: String = times.iter().map(|time| format!(" {time:>10.0}")).collect();
    let growth = times[times.len() - 1] / times[0];
    println!("{name:>34}{cells}   the last is {growth:.2} of the first");
}

struct Times {
    knock: f64,
    closed: f64,
    left: f64,
}

fn nanos(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// The best of several rounds, for noise only ever makes a round slower.
fn best(rounds: impl IntoIterator<Item = Duration>) -> Duration {
    rounds.into_iter().min().unwrap_or_default()
}

fn engine(sessions: usize) -> Times {
    let mut board = Board::new(Unattended::Deposit);
    let mut calls: Vec<board::Call> =
        (0..sessions / STREAMS_PER_CALL).map(|_| board.invite(STREAMS_PER_CALL)).collect();
    let paths: Vec<Vec<MsrpUri>> = calls.iter().flat_map(|call| call.paths.clone()).collect();
    assert_eq!((paths.len(), board.engine.census().sessions), (sessions, sessions));
    for (index, path) in paths.iter().enumerate() {
        let link = (index / SESSIONS_PER_LINK) as u64;
        board.link(link);
        board.knock(link, path).expect("the session is known");
    }
    // Spread over the whole table, so that no cache line serves two of them.
    let step = sessions / SAMPLE;
    let knock = best((0..ROUNDS).map(|_| {
        let begun = Instant::now();
        for sample in 0..SAMPLE {
            let index = sample * step;
            black_box(board.knock((index / SESSIONS_PER_LINK) as u64, &paths[index]));
        }
        begun.elapsed()
    }));
    // A session ends with its connection, so each connection can be closed once.
    let links = sessions / SESSIONS_PER_LINK;
    let rounds = ROUNDS.min(links);
    let closed = best((0..rounds).map(|round| {
        let begun = Instant::now();
        black_box(board.notice((round * links / rounds) as u64, Notice::Closed));
        begun.elapsed()
    }));
    let left = best((0..ROUNDS.min(calls.len() - 1)).map(|_| {
        let call = calls.swap_remove(calls.len() / 2);
        let begun = Instant::now();
        black_box(board.bye(&call));
        begun.elapsed()
    }));
    Times { knock: nanos(knock, SAMPLE), closed: nanos(closed, SESSIONS_PER_LINK), left: nanos(left, STREAMS_PER_CALL) }
}

fn connection(sessions: u64) -> f64 {
    let mut side = Side::with(Config::default(), 1);
    let uri = |number: u64| format!("msrp://store.example.org:2855/s{number:06};tcp");
    for number in 0..sessions {
        let mut bound = spec(&uri(number), PHONE);
        bound.key = SessionKey(number);
        side.give(Input::Bind(bound));
    }
    let requests: Vec<String> = (0..SAMPLE as u64)
        .map(|sample| {
            let to = uri(sample * sessions / SAMPLE as u64);
            format!("MSRP l00kUp SEND\r\nTo-Path: {to}\r\nFrom-Path: {PHONE}\r\nMessage-ID: m1\r\n-------l00kUp$\r\n")
        })
        .collect();
    let time = best((0..ROUNDS).map(|_| {
        let begun = Instant::now();
        for request in &requests {
            side.hear(request);
            assert!(!black_box(std::mem::take(&mut side.transmitted)).is_empty());
        }
        side.take_events();
        begun.elapsed()
    }));
    nanos(time, SAMPLE)
}
