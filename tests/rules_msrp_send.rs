//! RFC 4975's rules for whoever sends, one story each.

mod msrp;

use bytes::Bytes;
use msrp::{PHONE, STORE, Side, chunk, message, path, report, response, spec};
use restante::model::Mint;
use restante::msrp::{
    Config, FailureReport, Input, MsrpUri, OutboundKey, OutboundSpec, Output, SendFailure, SessionKey, StatusCode,
};

/// The ids that the store's chunks will have.
fn tids(count: usize) -> Vec<String> {
    let mut mint = Mint::from_number(1).fork();
    (0..count).map(|_| mint.token(16)).collect()
}

fn store_with(source: impl Into<Bytes>) -> Side {
    let mut store = Side::store();
    store.source = source.into();
    store
}

fn ranges(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("Byte-Range: ")).collect()
}

// ---- Chunks ----

// M4975-7.1.1-25 M4975-7.1.1-28 M4975-7.1.1-18 M4975-7.1.1-09
#[test]
fn an_idle_wire_carries_few_large_chunks_without_waiting_for_answers() {
    let mut store = store_with(vec![b'x'; 150_000]);
    store.give(Input::Send(message(1, "m0001", 150_000)));
    let said = store.said();
    assert_eq!(ranges(&said), ["1-*/150000", "65537-*/150000", "131073-*/150000"]);
    assert_eq!(said.matches("Message-ID: m0001").count(), 3);
}

// M4975-7.1.1-02 M4975-7.1.1-04
#[test]
fn every_chunk_has_the_message_id_and_asks_for_the_same_reports() {
    for (failure_report, words) in [
        (FailureReport::Yes, "Success-Report: yes\r\n"),
        (FailureReport::Partial, "Success-Report: yes\r\nFailure-Report: partial\r\n"),
        (FailureReport::No, "Success-Report: yes\r\nFailure-Report: no\r\n"),
    ] {
        let mut store = store_with(vec![b'x'; 5000]);
        let spec = OutboundSpec { chunk: 2048, success_report: true, failure_report, ..message(1, "m0001", 5000) };
        store.give(Input::Send(spec));
        let said = store.said();
        let heads: Vec<&str> = said.split("MSRP ").skip(1).filter_map(|frame| frame.split("\r\n\r\n").next()).collect();
        assert_eq!(heads.len(), 3);
        for head in heads {
            assert!(head.contains("\r\nMessage-ID: m0001\r\n") && head.contains(words), "{head}");
        }
    }
}

#[test]
fn a_whole_file_can_go_in_one_chunk() {
    let mut store = store_with(vec![b'x'; 150_000]);
    store.give(Input::Send(OutboundSpec { chunk: usize::MAX, ..message(1, "m0001", 150_000) }));
    let said = store.said();
    assert_eq!((ranges(&said), said.len() > 150_000), (vec!["1-*/150000"], true));
}

#[test]
fn octets_that_are_too_few_for_a_chunk_do_not_close_the_window() {
    let config = Config { fetch_octets: 5000, window_octets: 5000, ..Config::default() };
    let mut store = Side::with(config, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    store.source = vec![b'x'; 6000].into();
    store.give(Input::Send(OutboundSpec { chunk: 2048, ..message(1, "m0001", 6000) }));
    assert_eq!(ranges(&store.said()), ["1-2048/6000", "2049-4096/6000"]);
    for tid in tids(2) {
        store.hear(response(&tid, "200 OK"));
    }
    assert_eq!(ranges(&store.said()), ["4097-6000/6000"]);
}

#[test]
fn a_chunk_that_is_longer_than_the_window_goes_out_whole() {
    let config = Config { window_octets: 100_000, ..Config::default() };
    let mut store = Side::with(config, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    store.source = vec![b'x'; 300_000].into();
    store.give(Input::Send(OutboundSpec { chunk: usize::MAX, ..message(1, "m0001", 300_000) }));
    assert_eq!(store.said_in_short(), ["SEND"], "no answer can make room before its end");
}

// M4975-7.1.1-26 M4975-7.1.1-16 M4975-7.1.1-17
#[test]
fn short_chunks_name_their_end() {
    let mut store = store_with(vec![b'x'; 5000]);
    store.give(Input::Send(OutboundSpec { chunk: 2048, ..message(1, "m0001", 5000) }));
    assert_eq!(ranges(&store.said()), ["1-2048/5000", "2049-4096/5000", "4097-5000/5000"]);
}

#[test]
fn short_chunks_are_whole_even_if_the_source_gives_crumbs() {
    let mut store = store_with(vec![b'x'; 3000]);
    store.habits.fetches = false;
    store.give(Input::Send(OutboundSpec { chunk: 2048, ..message(1, "m0001", 3000) }));
    for start in (0..3000).step_by(300) {
        let octets = store.source.slice(start..start + 300);
        store.give(Input::Fetched { message: OutboundKey(1), offset: start as u64, octets });
    }
    assert_eq!(ranges(&store.said()), ["1-2048/3000", "2049-3000/3000"]);
}

// M5547-6-23
#[test]
fn a_part_of_a_file_is_numbered_from_one() {
    let mut store = store_with(b"0123456789".as_slice());
    store.give(Input::Send(OutboundSpec { skip: 6, ..message(1, "m0001", 4) }));
    let said = store.said();
    assert!(said.contains("Byte-Range: 1-4/4\r\n") && said.contains("\r\n\r\n6789\r\n"), "{said}");
}

// M4975-7.1-16 M4975-7.1-17
#[test]
fn a_body_never_holds_its_own_end_line() {
    let tids = tids(3);
    // The first id is in the first piece, so it is never used; the second lies across two
    // pieces, so its chunk ends between them.
    let early = format!("-------{} and the rest", tids[0]);
    let late = [&"x".repeat(65_536 - 10), "--", "-----", &tids[1], "$ and the end"].concat();
    let source = [early.as_str(), &late[early.len()..], "tail"].concat();
    let mut store = store_with(source.clone());
    store.give(Input::Send(OutboundSpec { chunk: usize::MAX, ..message(1, "m0001", source.len() as u64) }));
    let said = store.said();
    assert!(said.starts_with(&format!("MSRP {} SEND", tids[1])));
    for tid in &tids[1..] {
        assert_eq!(said.matches(&format!("-------{tid}")).count(), 1);
    }
    let mut phone = Side::phone();
    phone.hear(&said);
    assert_eq!(phone.files.values().next().expect("a file")[..], source.as_bytes()[..]);
    assert_eq!(phone.said_in_short(), ["200", "200"]);
}

// M4975-7.1-10 M4975-7.1.1-23
#[test]
fn an_empty_file_is_sent_with_a_type_and_an_empty_body() {
    let mut store = store_with("");
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 0) }));
    let said = store.said();
    assert!(said.contains("Byte-Range: 1-0/0\r\n"), "{said}");
    assert!(said.contains("Content-Type: text/plain\r\n\r\n\r\n-------"), "{said}");
    store.hear(response(&tids(1)[0], "200 OK"));
    assert!(!store.has_delivered(1));
    store.hear(report("m0001", "1-0/0", "200 OK"));
    assert!(store.has_delivered(1));
}

// ---- Sharing the wire ----

// M4975-7.1.1-31 M4975-5.4-25
#[test]
fn messages_of_two_sessions_take_turns_and_keep_to_their_paths() {
    let other = "msrp://phone.example.net:7655/0therOne;tcp";
    // Given a socket that takes little at once, so that neither file is gone before the other begins ...
    let mut store = Side::with(Config { unsent_octets: 8192, fetch_octets: 8192, ..Config::default() }, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    store.source = vec![b'x'; 200_000].into();
    let mut second = spec("msrp://store.example.org:2855/sEc0nd;tcp", other);
    second.key = SessionKey(2);
    store.give(Input::Bind(second));
    store.habits.sends = false;
    for (key, session) in [(1, 1), (2, 2)] {
        let message = message(key, &format!("m000{key}"), 200_000);
        store.give(Input::Send(OutboundSpec { session: SessionKey(session), chunk: usize::MAX, ..message }));
    }
    store.habits.sends = true;
    let transmitted = store.transmitted.len();
    store.give(Input::Sent(transmitted));
    let said = store.said();
    let ids: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("Message-ID: ")).collect();
    assert!(ids.len() >= 6, "nobody waits for the end of the other's file: {ids:?}");
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "they take turns: {ids:?}");
    let to = |uri: &str, id: &str| {
        format!("To-Path: {uri}\r\nFrom-Path: {STORE}\r\nMessage-ID: {id}")
            .replace(STORE, if uri == PHONE { STORE } else { "msrp://store.example.org:2855/sEc0nd;tcp" })
    };
    assert_eq!(
        said.matches("To-Path: ").count(),
        said.matches(&to(PHONE, "m0001")).count() + said.matches(&to(other, "m0002")).count()
    );
}

#[test]
fn no_more_is_made_than_the_socket_and_the_window_allow() {
    let config = Config { unsent_octets: 1000, window_octets: 100_000, ..Config::default() };
    let mut store = Side::with(config, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    store.source = vec![b'x'; 500_000].into();
    store.habits.sends = false;
    store.give(Input::Send(message(1, "m0001", 500_000)));
    assert_eq!(store.said_in_short(), ["SEND+"]);
    store.habits.sends = true;
    store.give(Input::Sent(100_000));
    // 65,536 octets are unanswered, and another 65,536 would not fit into the window.
    assert_eq!(store.said_in_short(), Vec::<String>::new());
    store.hear(response(&tids(1)[0], "200 OK"));
    assert_eq!(store.said_in_short(), ["SEND+"]);
}

#[test]
fn a_paused_message_makes_way_and_goes_on() {
    let mut store = store_with(vec![b'x'; 100_000]);
    store.habits.fetches = false;
    store.give(Input::Send(OutboundSpec { chunk: usize::MAX, ..message(1, "m0001", 100_000) }));
    let fetched = |offset: usize, end: usize, store: &Side| Input::Fetched {
        message: OutboundKey(1),
        offset: offset as u64,
        octets: store.source.slice(offset..end),
    };
    store.give(fetched(0, 65_536, &store));
    store.give(Input::PauseSend(OutboundKey(1)));
    store.give(fetched(65_536, 100_000, &store));
    assert_eq!(store.said_in_short(), ["SEND+"]);
    store.give(Input::ResumeSend(OutboundKey(1)));
    let said = store.said();
    assert_eq!(ranges(&said), ["65537-*/100000"]);
}

// M4975-8.2-03 M4975-7.1-03 M4975-8.3-01
#[test]
fn the_to_path_is_the_peers_whole_path() {
    let mut store = store_with("data");
    let relayed = format!("msrp://relay.example.net:2855/hop;tcp {PHONE}");
    let mut through_relay = spec(STORE, PHONE);
    through_relay.remote_path = path(&relayed);
    store.give(Input::Bind(through_relay));
    store.give(Input::Send(message(1, "m0001", 4)));
    assert!(store.said().contains(&format!("To-Path: {relayed}\r\nFrom-Path: {STORE}\r\n")));
}

// M4975-5.4-26 M4975-8.4-02
#[test]
fn after_a_new_exchange_requests_go_to_the_new_path() {
    let mut store = store_with("data");
    let new = "msrp://phone.example.net:7000/n3wOne;tcp";
    store.give(Input::Bind(spec(STORE, new)));
    store.give(Input::Send(message(1, "m0001", 4)));
    let said = store.said();
    assert!(said.contains(&format!("To-Path: {new}\r\n")) && !said.contains(PHONE), "{said}");
}

// ---- Answers ----

// M4975-7.1.1-07 M4975-10.4-01
#[test]
fn no_answer_in_thirty_seconds_is_a_timeout_and_so_is_a_408() {
    let mut store = store_with("data");
    store.habits.sends = false;
    store.give(Input::Send(message(1, "m0001", 4)));
    store.pass(50);
    let transmitted = store.transmitted.len();
    store.give(Input::Sent(transmitted));
    store.pass(29);
    assert_eq!(store.failures(), []);
    store.pass(1);
    assert_eq!(store.failures(), [SendFailure::Timeout]);
    store.give(Input::Send(message(2, "m0002", 4)));
    store.hear(response(&tids(2)[1], "408 Timeout"));
    assert_eq!(store.failures(), [SendFailure::Timeout; 2]);
}

// M4975-7.1.1-08 M4975-10.3-01
#[test]
fn with_partial_reports_silence_is_success_and_an_error_is_not() {
    let mut store = store_with("data");
    let partial = |key| OutboundSpec { failure_report: FailureReport::Partial, ..message(key, "m0001", 4) };
    store.give(Input::Send(partial(1)));
    assert!(!store.has_delivered(1));
    store.pass(30);
    assert!(store.has_delivered(1));
    store.give(Input::Send(partial(2)));
    store.said();
    store.hear(response(&tids(2)[1], "403 Forbidden"));
    assert_eq!(store.failures(), [SendFailure::Status(StatusCode::FORBIDDEN)]);
    store.pass(600);
    assert_eq!((store.said().as_str(), store.due()), ("", None), "it is not tried again");
}

// M4975-10.5-01 M4975-10.5-02 M4975-7.3.2-04
#[test]
fn a_413_in_the_middle_of_a_chunk_ends_it_and_the_message() {
    let mut store = store_with(vec![b'x'; 100_000]);
    store.habits.fetches = false;
    store.give(Input::Send(OutboundSpec { chunk: usize::MAX, ..message(1, "m0001", 100_000) }));
    let octets = store.source.slice(..65_536);
    store.give(Input::Fetched { message: OutboundKey(1), offset: 0, octets });
    store.said();
    store.hear(response(&tids(1)[0], "413 Stop Sending"));
    assert_eq!(store.said(), format!("\r\n-------{}#\r\n", tids(1)[0]));
    assert_eq!(store.failures(), [SendFailure::Status(StatusCode::STOP_SENDING)]);
    let octets = store.source.slice(65_536..);
    store.give(Input::Fetched { message: OutboundKey(1), offset: 65_536, octets });
    assert_eq!((store.said().as_str(), store.due()), ("", None));
}

// M4975-10.8-01 M4975-10.10-01
#[test]
fn a_481_or_506_ends_everything_in_the_session() {
    for status in [StatusCode::NO_SUCH_SESSION, StatusCode::WRONG_CONNECTION] {
        let mut store = store_with("data");
        store.give(Input::Send(message(1, "m0001", 4)));
        store.give(Input::Send(message(2, "m0002", 4)));
        store.said();
        store.hear(response(&tids(1)[0], &status.to_string()));
        let why = SendFailure::Status(status);
        assert_eq!(store.failures(), [why; 2]);
        assert!(store.events.contains(&Output::SessionFailed { session: SessionKey(1), why }));
        store.give(Input::Send(message(3, "m0003", 4)));
        assert_eq!((store.failures().last(), store.said().as_str()), (Some(&SendFailure::Unbound), ""));
    }
}

#[test]
fn a_greeting_that_is_refused_or_never_answered_fails_the_session() {
    for refusal in [Some("481"), None] {
        let mut store = Side::with(Config::default(), 1);
        let mut active = spec(STORE, PHONE);
        active.greet = true;
        store.give(Input::Bind(active));
        match refusal {
            Some(status) => store.hear(response(&tids(1)[0], status)),
            None => store.pass(30),
        }
        assert!(matches!(store.take_events()[..], [Output::SessionFailed { .. }]));
    }
}

// M4975-7.1-14
#[test]
fn giving_up_between_chunks_is_told_by_an_empty_chunk() {
    for input in [Input::Abort { message: OutboundKey(1) }, Input::FetchFailed { message: OutboundKey(1) }] {
        let mut store = store_with(vec![b'x'; 100_000]);
        store.habits.fetches = false;
        store.give(Input::Send(message(1, "m0001", 100_000)));
        let octets = store.source.slice(..65_536);
        store.give(Input::Fetched { message: OutboundKey(1), offset: 0, octets });
        assert_eq!(store.said_in_short(), ["SEND+"]);
        store.give(input);
        let said = store.said();
        assert_eq!(ranges(&said), ["65537-*/100000"]);
        assert!(said.ends_with("#\r\n"), "{said}");
        assert_eq!(store.failures().len(), 1);
    }
}

#[test]
fn a_source_that_gives_nothing_or_too_much_is_broken() {
    for octets in [0, 5] {
        let mut store = store_with("data");
        store.habits.fetches = false;
        store.give(Input::Send(message(1, "m0001", 4)));
        store.give(Input::Fetched { message: OutboundKey(1), offset: 0, octets: vec![b'x'; octets].into() });
        assert_eq!((store.failures(), store.said().as_str()), (vec![SendFailure::Source], ""));
    }
}

// M4975-7.1.1-32 M4975-7.3.2-01
#[test]
fn success_reports_in_pieces_of_the_peers_choice_add_up() {
    let mut store = store_with("0123456789");
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 10) }));
    store.hear(response(&tids(1)[0], "200 OK"));
    store.hear(report("m0001", "8-10/10", "200 OK"));
    store.hear(report("n0body", "1-10/10", "200 OK"));
    store.hear(report("m0001", "1-5/10", "200 OK"));
    assert!(!store.has_delivered(1));
    store.hear(report("m0001", "4-*/*", "200 OK"));
    assert!(store.has_delivered(1));
}

#[test]
fn a_message_that_fails_says_how_far_it_got() {
    let mut store = store_with(vec![b'x'; 100_000]);
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 100_000) }));
    store.hear(response(&tids(1)[0], "200 OK"));
    store.hear(report("m0001", "1-65000/100000", "200 OK"));
    store.give(Input::Closed);
    let (message, why) = (OutboundKey(1), SendFailure::ConnectionLost);
    let expected = Output::SendFailed { message, why, acknowledged: 65_536, reported: 65_000 };
    assert_eq!(store.take_events().last(), Some(&expected));
}

// M4975-7.1-02 M4975-7.1-01
#[test]
fn ten_thousand_transaction_ids_are_different() {
    let mut store = store_with(vec![b'x'; 20_480_000]);
    store.give(Input::Send(OutboundSpec {
        chunk: 2048,
        failure_report: FailureReport::No,
        ..message(1, "m0001", 20_480_000)
    }));
    let said = store.said();
    let mut ids: Vec<&str> = said.split("\r\n").filter(|line| line.starts_with("MSRP ")).collect();
    assert_eq!(ids.len(), 10_000);
    // A place that takes 32 values or more, none of them often, is worth 5 random bits: 64 bits need 13 such places.
    let is_random = |place: usize| {
        let mut counts = [0_usize; 256];
        ids.iter().for_each(|line| counts[line.as_bytes()["MSRP ".len() + place] as usize] += 1);
        counts.iter().filter(|count| **count > 0).count() >= 32 && counts.iter().all(|count| *count <= 10_000 / 32)
    };
    let random = (0..16).filter(|place| is_random(*place)).count();
    assert!(random >= 13, "only {random} of 16 places are random");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10_000);
}

// §11.7 Forked: one text to two sessions is two messages.
#[test]
fn what_a_user_says_to_two_sessions_goes_to_each_of_them() {
    let mut store = store_with("is anybody there?");
    let uris = ["msrp://balcony.example.net:7000/b4lcony;tcp", "msrp://chamber.example.net:7000/ch4mber;tcp"];
    for (key, uri) in [(2, uris[0]), (3, uris[1])] {
        let local = MsrpUri::session(false, "store.example.org", 2855, format!("f0rk{key}"));
        store.give(Input::Bind(restante::msrp::SessionSpec { key: SessionKey(key), ..spec(&local.to_string(), uri) }));
        store.give(Input::Send(OutboundSpec { session: SessionKey(key), ..message(key, &format!("m000{key}"), 17) }));
        assert!(store.said().contains(&format!("To-Path: {uri}\r\nFrom-Path: {local}\r\n")));
    }
    store.hear(chunk("st1llHere", "m0009", "1-4/4", "", "data", '$'));
    assert_eq!(store.said_in_short(), ["200"]);
}
