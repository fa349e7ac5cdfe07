//! Several sessions on one connection, and several messages in one session: who waits for whom, and for how long.

mod msrp;

use msrp::{PHONE, STORE, Side, chunk, spec};
use restante::model::Ranges;
use restante::model::limits::{
    COMMITS_PER_CONNECTION, MSRP_HEAD_TIMEOUT, MSRP_STUCK, PARKED_OCTETS, PARKED_PATIENCE, SESSIONS_PER_CONNECTION,
    SESSIONS_PER_TRUNK,
};
use restante::msrp::{
    AbortReason, CloseReason, Config, InboundKey, Input, Output, SendFailure, SessionKey, SessionSpec, StatusCode,
};

const OTHER: &str = "msrp://store.example.org:2855/t5Bn7cRw;tcp";
const SECOND: u64 = 1;

fn other() -> SessionSpec {
    SessionSpec { key: SessionKey(2), ..spec(OTHER, PHONE) }
}

/// The store with two sessions on its connection, and an owner who grants nothing by itself.
fn shared() -> Side {
    let mut store = Side::store();
    store.give(Input::Bind(other()));
    store.habits.grants = false;
    store
}

/// A chunk for the other session.
fn to_other(tid: &str, message_id: &str, range: &str, body: impl AsRef<[u8]>, flag: char) -> Vec<u8> {
    let octets = chunk(tid, message_id, range, "", body, flag);
    let at = octets.windows(STORE.len()).position(|window| window == STORE.as_bytes()).expect("a To-Path");
    [&octets[..at], OTHER.as_bytes(), &octets[at + STORE.len()..]].concat()
}

fn grant(store: &mut Side, message: u64) {
    store.give(Input::Receive { message: InboundKey(message), resume: Ranges::new(), limit: u64::MAX });
}

/// A body that is more than may be parked.
fn large() -> Vec<u8> {
    (0..PARKED_OCTETS + 50_000).map(|at| (at % 251) as u8).collect()
}

// ---- As many as there may be ----

#[test]
fn a_session_too_many_is_told_to_its_owner_and_a_trunk_has_room_for_all() {
    for (trunk, most) in [(false, SESSIONS_PER_CONNECTION), (true, SESSIONS_PER_TRUNK)] {
        let mut store = Side::with(Config { trunk, ..Config::default() }, 1);
        let session = |number: usize| {
            let local = format!("msrp://store.example.org:2855/s{number};tcp");
            SessionSpec { key: SessionKey(number as u64), ..spec(&local, PHONE) }
        };
        (0..most).for_each(|number| store.give(Input::Bind(session(number))));
        assert!(store.events.is_empty(), "{:?}", store.events);
        store.give(Input::Bind(session(most)));
        let key = SessionKey(most as u64);
        assert_eq!(store.events, [Output::SessionFailed { session: key, why: SendFailure::TooManySessions }]);
        // One that is there may change, and one that goes makes room.
        store.give(Input::Bind(session(0)));
        store.give(Input::Unbind(SessionKey(1)));
        store.give(Input::Bind(session(most)));
        assert_eq!((store.events.len(), store.connection.sessions()), (1, most));
    }
}

#[test]
fn the_only_session_of_a_trunk_does_not_keep_the_next_one_out() {
    for trunk in [false, true] {
        let mut store = Side::with(Config { trunk, ..Config::default() }, 1);
        store.give(Input::Bind(spec(STORE, PHONE)));
        store.habits.grants = false;
        store.hear(chunk("w4its", "m0001", "1-*/8", "", "1234", '+'));
        store.hear(to_other("kn0cks", "m0002", "1-4/4", "data", '$'));
        let knocks = store.events.iter().any(|event| matches!(event, Output::Knock { .. }));
        assert_eq!((store.connection.wants_octets(), knocks), (false, trunk), "a knock is waited for, too");
    }
}

// ---- Two sessions ----

#[test]
fn a_message_that_waits_for_its_grant_keeps_no_other_session_waiting() {
    let mut store = shared();
    // given: two chunks of a message that nobody has asked for yet
    store.hear(chunk("w4its", "m0001", "1-*/8", "", "1234", '+'));
    store.hear(chunk("w4itsToo", "m0001", "5-8/8", "", "5678", '$'));
    assert!(store.connection.wants_octets());
    // when: the other session brings a message that is asked for at once
    store.hear(to_other("g0esOn", "m0002", "1-4/4", "data", '$'));
    grant(&mut store, 2);
    assert_eq!(store.said_in_short(), ["200"]);
    assert_eq!(store.files[&InboundKey(2)], b"data");
    assert!(!store.files.contains_key(&InboundKey(1)), "nothing is written without a grant");
    // then: the first one has lost nothing
    grant(&mut store, 1);
    assert_eq!(store.said_in_short(), ["200", "200"]);
    assert_eq!(store.files[&InboundKey(1)], b"12345678");
    assert!(store.events.contains(&Output::Complete { message: InboundKey(1), total: 8 }));
}

#[test]
fn a_large_message_without_a_grant_makes_way_after_a_second_and_the_next_one_of_its_session_at_once() {
    let mut store = shared();
    let (body, total) = (large(), large().len());
    let octets = chunk("b1gOne", "m0001", &format!("1-*/{total}"), "", &body, '$');
    store.hear(&octets);
    assert!(!store.connection.wants_octets(), "there is no room for more of it");
    store.hear(to_other("w4its", "m0002", "1-4/4", "data", '$'));
    assert_eq!(store.due(), Some(store.now.instant + PARKED_PATIENCE));
    store.pass(SECOND);
    assert_eq!(store.said_in_short(), ["413"]);
    assert!(store.connection.wants_octets());
    let aborted = |event: &Output| {
        matches!(event, Output::Aborted { message: InboundKey(1), why: AbortReason::InTheWay, ranges, .. }
            if ranges.is_empty())
    };
    assert!(store.events.iter().any(aborted));
    grant(&mut store, 2);
    assert_eq!(store.said_in_short(), ["200"], "the other session's message was behind it and is taken");

    // A session may do that once.
    store.hear(chunk("b1gAgain", "m0003", &format!("1-*/{total}"), "", &body, '$'));
    assert_eq!((store.said_in_short(), store.connection.wants_octets()), (vec!["413".to_owned()], true));
}

#[test]
fn a_grant_within_the_second_saves_a_large_message() {
    let mut store = shared();
    let body = large();
    store.hear(chunk("b1gOne", "m0001", &format!("1-*/{}", body.len()), "", &body, '$'));
    grant(&mut store, 1);
    assert_eq!(store.said_in_short(), ["200"]);
    assert_eq!(store.files[&InboundKey(1)], body);
    store.pass(SECOND);
    assert_eq!((store.said_in_short(), store.connection.wants_octets()), (vec![], true));
}

#[test]
fn a_refusal_answers_every_chunk_that_was_parked_and_makes_room() {
    let mut store = shared();
    for number in 0..200 {
        let range = format!("{}-*/*", number + 1);
        store.hear(chunk("p4rked", "m0001", &range, "", "x", '+'));
    }
    store.give(Input::Reject { message: InboundKey(1), status: StatusCode::FORBIDDEN });
    assert_eq!(store.said_in_short(), vec!["403"; 200]);
    // All the room is there again.
    let body = vec![b'x'; PARKED_OCTETS - 10_000];
    store.hear(to_other("f1ts", "m0002", "1-*/*", &body, '$'));
    assert!(store.connection.wants_octets());
    grant(&mut store, 2);
    assert_eq!(store.said_in_short(), ["200"]);
}

#[test]
fn chunks_of_one_octet_are_parked_for_what_they_cost() {
    let mut store = shared();
    let mut octets = Vec::new();
    for number in 0..2000 {
        octets.extend(chunk("t1ny", "m0001", &format!("{}-*/*", number + 1), "", "x", '+'));
    }
    store.hear(octets);
    assert!(!store.connection.wants_octets(), "two thousand heads are more than 256 KiB");
    store.pass(SECOND);
    assert_eq!(store.said_in_short().len(), 2000, "each has its 413");
}

#[test]
fn a_paused_message_holds_its_own_connection_and_no_shared_one() {
    for (sessions, wants) in [(1, false), (2, true)] {
        let mut store = Side::store();
        if sessions == 2 {
            store.give(Input::Bind(other()));
        }
        store.hear(chunk("f1rst", "m0001", "1-*/8", "", "1234", '+'));
        store.give(Input::Hold(InboundKey(1)));
        store.hear(chunk("sec0nd", "m0001", "5-8/8", "", "5678", '$'));
        assert_eq!((store.said_in_short().len(), store.connection.wants_octets()), (sessions, wants));
    }
}

// ---- Two messages in one session ----

#[test]
fn a_message_begun_inside_another_one_is_taken_as_well() {
    let mut store = Side::store();
    store.hear(chunk("0uter", "m0001", "1-*/8", "", "1234", '+'));
    store.hear(chunk("1nner", "m0002", "1-5/5", "", "inner", '$'));
    store.hear(chunk("0uter2", "m0001", "5-8/8", "", "5678", '$'));
    assert_eq!(store.said_in_short(), ["200"; 3]);
    assert_eq!((&store.files[&InboundKey(1)][..], &store.files[&InboundKey(2)][..]), (&b"12345678"[..], &b"inner"[..]));
}

#[test]
fn a_message_begun_inside_another_one_that_nobody_wants_never_stops_the_outer_one() {
    let mut store = Side::store();
    store.hear(chunk("0uter", "m0001", "1-*/8", "", "1234", '+'));
    store.habits.grants = false;
    let body = large();
    store.hear(chunk("1nner", "m0002", &format!("1-*/{}", body.len()), "", &body, '$'));
    assert_eq!(store.said_in_short(), ["200", "413"], "at once: what it waits for would be behind it");
    store.hear(chunk("0uter2", "m0001", "5-8/8", "", "5678", '$'));
    assert_eq!(store.said_in_short(), ["200"]);
}

#[test]
fn a_message_after_a_whole_one_waits_in_the_socket_and_is_not_parked() {
    let mut store = Side::store();
    (store.habits.commits, store.habits.grants) = (false, true);
    store.hear(chunk("f1rst", "m0001", "1-4/4", "", "data", '$'));
    store.habits.grants = false;
    store.hear(chunk("sec0nd", "m0002", "1-*/*", "", "data", '+'));
    assert!(!store.connection.wants_octets());
}

#[test]
fn with_many_whole_messages_at_the_disk_the_next_octets_wait_for_it() {
    let mut store = Side::store();
    store.habits.commits = false;
    for number in 0..COMMITS_PER_CONNECTION {
        assert!(store.connection.wants_octets());
        store.hear(chunk("wh0le", &format!("m{number:04}"), "1-4/4", "", "data", '$'));
    }
    assert!(!store.connection.wants_octets());
    store.give(Input::Committed { message: InboundKey(1) });
    assert!(store.connection.wants_octets());
}

// ---- Peers that dawdle ----

// S15
#[test]
fn a_head_that_does_not_come_to_its_end_closes_the_connection() {
    let octets = chunk("sl0w", "m0001", "1-4/4", "", "data", '$');
    let mut store = Side::store();
    let due = store.now.instant + MSRP_HEAD_TIMEOUT;
    for octet in &octets[..29] {
        store.hear([*octet]);
        assert_eq!(store.due(), Some(due), "no octet of the head gives it more time");
        store.pass(1);
    }
    assert!(store.connection.wants_octets());
    store.pass(1);
    assert_eq!(store.take_events().last(), Some(&Output::Close(CloseReason::SlowHead)));
    assert!(!store.connection.wants_octets());
}

// S15
#[test]
fn each_head_has_its_own_time() {
    let mut store = Side::store();
    let octets = chunk("us4al", "m0001", "1-4/4", "", "data", '$');
    for number in 0..10 {
        let octets = String::from_utf8(octets.clone()).expect("text").replace("m0001", &format!("m{number:04}"));
        // Every read ends in a head: the last octets of one frame and the first ones of the next come together.
        store.hear(&octets[..20]);
        store.pass(20);
        store.hear(&octets[20..]);
    }
    assert_eq!(store.said_in_short(), ["200"; 10]);
}

// S15 R15
#[test]
fn a_peer_that_takes_nothing_of_what_it_is_sent_is_left() {
    let mut store = Side::store();
    store.habits.sends = false;
    store.hear(chunk("answ3r", "m0001", "1-4/4", "", "data", '$'));
    let due = store.now.instant + MSRP_STUCK;
    assert_eq!(store.due(), Some(due));
    store.pass(59);
    store.give(Input::Sent(1));
    store.pass(59);
    assert!(store.connection.wants_octets(), "one octet a minute is one octet");
    store.pass(1);
    assert_eq!(store.take_events().last(), Some(&Output::Close(CloseReason::Stuck)));
    assert_eq!(store.connection.sessions(), 0);
}

// S7
#[test]
fn ten_thousand_chunks_of_one_octet_leave_nothing_behind() {
    let mut store = Side::with(Config::default(), 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    for number in 0..10_000_u64 {
        let flag = if number == 9_999 { '$' } else { '+' };
        store.hear(chunk("t1ny", "m0001", &format!("{}-*/10000", number + 1), "", "x", flag));
        assert_eq!(store.said_in_short(), ["200"]);
    }
    assert!(store.events.contains(&Output::Complete { message: InboundKey(1), total: 10_000 }));
}
