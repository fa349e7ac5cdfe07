//! Machines that fail under a running server: what it can't keep it does not promise, it says why, and it goes on by itself
//! when the fault is gone.

#[path = "faults/broken.rs"]
mod broken;
#[path = "faults/full.rs"]
mod full;
#[path = "faults/rot.rs"]
mod rot;
#[path = "faults/scarce.rs"]
mod scarce;
#[path = "faults/stopped.rs"]
mod stopped;
mod support;
#[path = "faults/sync.rs"]
mod sync;

use std::io;

use support::deposit::{Depositor, Plan, Promise};
use support::eventually;
use support::server::Server;
use support::sip::{Call, Message, Wire};

/// The answer to an INVITE that brings this file.
fn invited(server: &Server, plan: &Plan) -> io::Result<Message> {
    let address = server.sip("tcp");
    Ok(Call::begin(Wire::connect(address, None)?, address, &plan.mailbox, &plan.offer())?.1)
}

/// RFC 3261 §21.5.4: the caller hears that it may try again later, before it has sent an octet.
fn is_refused(server: &Server) {
    eventually("503 for a caller with a file", || {
        let answer = invited(server, &Plan::new("refused", vec![5; 1000])).expect("an answer");
        ((answer.status(), answer.header("Retry-After")) == (503, "60")).then_some(())
    });
}

/// Waits until `/readyz` says no with these words, and sees that callers with files are refused.
fn is_unready(server: &Server, words: &[&str]) {
    eventually(&format!("{words:?} in /readyz"), || {
        let answer = server.http("/readyz");
        (answer.starts_with("HTTP/1.1 503") && words.iter().all(|word| answer.contains(word))).then_some(())
    });
    is_refused(server);
}

/// Waits until `/readyz` says yes.
fn is_ready(server: &Server) {
    eventually("readiness", || server.http("/readyz").starts_with("HTTP/1.1 200").then_some(()));
}

/// The message ends in 413 and the dialog in `ft.storage`.
fn is_stopped(server: &Server, plan: &Plan) {
    stops(Depositor::connect(server, plan).expect("a call"));
}

/// As [`is_stopped`], of a call that stands.
fn stops(mut depositor: Depositor) {
    let mut promise = Promise::default();
    let refused = match depositor.send(0, &mut promise).expect("an answer") {
        Some(refused) => refused,
        // Every chunk could be taken, and the whole could not.
        None => depositor.answer("no transaction", &mut promise).expect("a REPORT"),
    };
    assert!(!promise.reported, "{promise:?}");
    // RFC 4975 §10.5: the nearest there is to "the disk is full" is "stop".
    assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
    let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.storage", "ft.storage"));
    depositor.call.bye().expect("an answer");
}
