//! A sender that never marks the end of its message (pitfall P13) and leaves: what is whole is committed all the same.

#[path = "sim/disk.rs"]
mod disk;
mod msrp;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use disk::SimFiles;
use msrp::{PHONE, STORE, chunk, spec};
use restante::engine::link::{Command, Grant, Input, Link, Notice, Output};
use restante::model::{FileInfo, Mint, Now, ObjectUri, Outbox, Ranges};
use restante::msrp::{Config, Connection, InboundKey};
use restante::spool::{Index, Spool, StagePlan};

/// The names of what a link wants after this input; chunks are answered by the way.
fn give(link: &mut Link, input: Input) -> Vec<Output> {
    let mut out = Outbox::new();
    link.handle(Now::default(), input, &mut out);
    out.drain().filter(|output| !matches!(output, Output::Transmit(_))).collect()
}

#[test]
fn the_engine_hears_that_a_file_is_whole_before_it_hears_that_the_stream_is_gone() {
    let (spool, _) = Spool::open(Arc::new(SimFiles::new()), Index::in_memory(), Mint::from_number(1), Now::default())
        .expect("a spool");
    let plan = StagePlan::new(ObjectUri::mailbox("bob").expect("a box"));
    let message = InboundKey(1);
    let mut link = Link::new(Connection::new(Config::default(), Mint::from_number(2)), Now::default());

    // given: all ten octets have come, and no `$`
    give(&mut link, Input::Command(Command::Bind(spec(STORE, PHONE))));
    give(&mut link, Input::Octets(chunk("n0End", "m0001", "1-*/10", "", "1234567890", '+').into()));
    let grant = Grant {
        message,
        plan: plan.clone(),
        limit: u64::MAX,
        declared: FileInfo::default(),
        wrapped_types: None,
        idle: Duration::from_secs(60),
    };
    give(&mut link, Input::Command(Command::Receive(Box::new(grant))));
    give(&mut link, Input::Staged(message, Ok(Ranges::new())));
    give(&mut link, Input::Written(message, 10, Ok(())));

    // when: the stream ends
    let said = give(&mut link, Input::Closed);
    let [Output::Notice(Notice::Whole(_)), Output::Seal(key, Range { start: 0, end: 10 }, _)] = said[..] else {
        panic!("the file is not sealed: {said:?}")
    };

    // then
    let mut stage = spool.stage(plan, Now::default()).expect("a stage");
    stage.write(0, b"1234567890").expect("room");
    let sealed = stage.seal(10, &FileInfo::default()).expect("a whole file");
    let said = give(&mut link, Input::Sealed(key, Ok(Box::new(sealed))));
    assert!(
        matches!(said[..], [Output::Notice(Notice::Sealed(..)), Output::Notice(Notice::Closed)]),
        "the engine would take the file for lost: {said:?}"
    );
}
