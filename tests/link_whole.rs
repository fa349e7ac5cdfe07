//! A sender that never marks the end of its message (pitfall P13) and leaves: what is whole is committed all the same.
//! And one that is slow, and not gone.

#[path = "sim/disk.rs"]
mod disk;
mod msrp;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use disk::SimFiles;
use msrp::{PHONE, STORE, chunk, spec};
use restante::engine::ReceiveFailure;
use restante::engine::link::{Command, Grant, Input, Link, Notice, Output};
use restante::model::{FileInfo, Mint, Now, ObjectUri, Outbox, Ranges};
use restante::msrp::{Config, Connection, InboundKey, StatusCode};
use restante::spool::{Index, Spool, StagePlan};

/// The names of what a link wants after this input; chunks are answered by the way.
fn give(link: &mut Link, input: Input) -> Vec<Output> {
    give_at(link, Now::default(), input)
}

fn give_at(link: &mut Link, now: Now, input: Input) -> Vec<Output> {
    let mut out = Outbox::new();
    link.handle(now, input, &mut out);
    let mut others = Vec::new();
    while let Some(output) = out.pop() {
        match output {
            Output::Transmit(octets) => link.handle(now, Input::Sent(octets.len()), &mut out),
            other => others.push(other),
        }
    }
    others
}

/// How long a sender may be silent.
const IDLE: Duration = Duration::from_secs(60);

/// A link that has been granted its first message, of which one chunk is written.
fn receiving(range: &str, body: &str, plan: &StagePlan) -> Link {
    let message = InboundKey(1);
    let mut link = Link::new(Connection::new(Config::default(), Mint::from_number(2)), Now::default());
    give(&mut link, Input::Command(Command::Bind(spec(STORE, PHONE))));
    give(&mut link, Input::Octets(chunk("n0End", "m0001", range, "", body, '+').into()));
    let grant = Grant {
        message,
        plan: plan.clone(),
        limit: u64::MAX,
        declared: FileInfo::default(),
        wrapped_types: None,
        idle: IDLE,
        tell_every: u64::MAX,
        incremental: true,
    };
    give(&mut link, Input::Command(Command::Receive(Box::new(grant))));
    give(&mut link, Input::Staged(message, Ok(Ranges::new())));
    give(&mut link, Input::Written(message, body.len(), Ok(())));
    link
}

#[test]
fn the_engine_hears_that_a_file_is_whole_before_it_hears_that_the_stream_is_gone() {
    let (spool, _) = Spool::open(Arc::new(SimFiles::new()), Index::in_memory(), Mint::from_number(1), Now::default())
        .expect("a spool");
    let plan = StagePlan::new(ObjectUri::mailbox("bob").expect("a box"));

    // given: all ten octets have come, and no `$`
    let mut link = receiving("1-*/10", "1234567890", &plan);

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

#[test]
fn a_sender_whose_next_chunk_is_on_its_way_is_not_silent_and_one_that_stops_is() {
    let plan = StagePlan::new(ObjectUri::mailbox("bob").expect("a box"));
    let mut link = receiving("1-*/*", "1234", &plan);
    let mut now = Now::default();
    let lost = |said: &[Output]| said.iter().any(|output| matches!(output, Output::Notice(Notice::Lost(..))));

    // given: a transport that hands out whole messages only, and one that takes three times as long as a silence may
    for _ in 0..3 {
        now.instant = link.deadline().expect("a sender is awaited");
        assert!(give_at(&mut link, now, Input::Heard).is_empty());
        let said = give_at(&mut link, now, Input::Timeout);
        assert!(!lost(&said), "{said:?}");
        assert_eq!(link.deadline(), Some(now.instant + IDLE));
    }

    // when, then: nothing comes any more
    now.instant = link.deadline().expect("a sender is awaited");
    let said = give_at(&mut link, now, Input::Timeout);
    assert!(lost(&said), "{said:?}");
    assert_eq!(link.deadline(), None, "nobody else is awaited");
}

#[test]
fn a_sender_is_not_blamed_for_a_silence_in_which_nothing_of_it_was_read() {
    let plan = StagePlan::new(ObjectUri::mailbox("bob").expect("a box"));
    let mut link = receiving("1-*/10", "12345", &plan);
    let after = |idles: u32| Now { instant: Now::default().instant + IDLE * idles, ..Now::default() };

    // A request of another session waits for the engine, and what comes behind it for both.
    let other = String::from_utf8(chunk("0ther", "m0002", "1-1/1", "", "x", '$')).expect("text");
    let other = other.replace(STORE, "msrp://192.0.2.10:2855/0therS3ss10n;tcp");
    let said = give(&mut link, Input::Octets(other.into()));
    let [Output::Notice(Notice::Knock { knock, .. })] = said[..] else { panic!("a knock: {said:?}") };
    assert!(matches!(give_at(&mut link, after(1), Input::Timeout)[..], []));

    give_at(&mut link, after(1), Input::Command(Command::Refuse(knock, StatusCode::NO_SUCH_SESSION)));
    let said = give_at(&mut link, after(2), Input::Timeout);
    assert!(matches!(said[..], [_, Output::Notice(Notice::Lost(_, ReceiveFailure::Idle, 5))]), "{said:?}");
}
