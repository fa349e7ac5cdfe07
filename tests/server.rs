//! The server as a process that is killed without warning, again and again: what it promised is there, and nothing else.
//!
//! `KILL_ROUNDS=200` kills it more often.

#[path = "server/audit.rs"]
mod audit;
#[path = "server/load.rs"]
mod load;
mod support;

use load::{Book, lifetime};
use support::deposit::{Depositor, Plan, Promise, deposit, deposit_works};
use support::server::{Server, json};
use support::{Chance, rounds, seed};

/// Times the server is killed.
const ROUNDS: u64 = 50;

// R1
#[test]
fn whatever_was_reported_outlives_fifty_kills_and_nothing_half_written_is_seen() {
    let mut chance = Chance::new(seed());
    let dir = tempfile::tempdir().expect("a directory");
    let (book, rounds) = (Book::default(), rounds("KILL_ROUNDS", ROUNDS));
    for round in 0..rounds {
        let server = Server::start(dir.path(), &[]);
        book.audit(dir.path());
        lifetime(&server, round, &mut chance, &book, || server.shoot());
    }
    let told = book.told();
    println!("{rounds} kills, {told}");
    assert!(told.reported > rounds && told.all > told.reported, "the kills came in the middle of the work: {told}");
    let server = Server::start(dir.path(), &[]);
    deposit_works(&server, "proof");
    book.audit(dir.path());
    server.kill();
    audit::octets(dir.path());
    book.leftovers(dir.path());
}

// M4975-5.4-19
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
