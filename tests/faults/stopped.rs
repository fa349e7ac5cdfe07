//! A server that stands still for a while, as a machine that swaps or is moved to another host does.

use std::sync::mpsc;
use std::time::Duration;

use super::support::deposit::{Depositor, Plan, Promise, deposit_works};
use super::support::server::House;

/// How long, in seconds: `STOP_SECONDS=120` for longer. Past 30 s a phone's transactions have failed (RFC 4975 §7.1.1).
fn pause() -> Duration {
    let given = std::env::var("STOP_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(5))
}

// R11
#[test]
fn a_server_that_stood_still_goes_on_where_it_was() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", vec![5; 100_000]);
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let mut promise = Promise::default();
    let (tid, frame) = depositor.message.chunk(0, &plan.content[..8192]);
    depositor.stream.write(&frame).expect("a write");
    assert_eq!(depositor.answer(&tid, &mut promise).expect("an answer").status(), 200);
    house.server.signal(rustix::process::Signal::STOP);
    let (tid, frame) = depositor.message.chunk(8192, &plan.content[8192..16_384]);
    depositor.stream.write(&frame).expect("the system takes it");
    let (_never, end) = mpsc::channel::<()>();
    let _ = end.recv_timeout(pause());
    house.server.signal(rustix::process::Signal::CONT);
    assert_eq!(depositor.answer(&tid, &mut promise).expect("an answer").status(), 200);
    assert!(depositor.send(16_384, &mut promise).expect("an answer").is_none());
    depositor.finish(&mut promise).expect("an end");
    assert!(promise.reported && promise.complete, "{promise:?}");
    deposit_works(&house.server, "proof");
}
