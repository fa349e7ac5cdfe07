//! RFC 4975's rules for whoever receives, one story each.

mod msrp;

use msrp::{PHONE, STORE, Side, chunk, message, report, response, spec};
use restante::model::Ranges;
use restante::msrp::{
    AbortReason, CloseReason, Config, InboundKey, Input, OutboundSpec, Output, SessionKey, SessionSpec, StatusCode,
};

const FIRST: InboundKey = InboundKey(1);

fn request(start: &str, headers: &str, end: &str) -> String {
    let tid = start.split(' ').nth(1).expect("a tid");
    format!("{start}\r\n{headers}-------{tid}{end}\r\n")
}

fn paths() -> String {
    format!("To-Path: {STORE}\r\nFrom-Path: {PHONE}\r\n")
}

// ---- Sessions ----

// M4975-5.4-13 M4975-5.4-15 M4975-7.3-03 M4975-7.3-04 M4975-3-01
#[test]
fn a_request_for_a_session_that_is_not_here_gets_what_the_owner_says() {
    for (status, report, expected) in [
        (StatusCode::NO_SUCH_SESSION, "", &["481"][..]),
        (StatusCode::WRONG_CONNECTION, "", &["506"]),
        (StatusCode::NO_SUCH_SESSION, "Failure-Report: partial\r\n", &["481"]),
        (StatusCode::NO_SUCH_SESSION, "Failure-Report: no\r\n", &[]),
    ] {
        let mut store = Side::with(Config::default(), 1);
        store.hear(chunk("kn0ck", "m0001", "1-4/4", report, "data", '$'));
        let Some(Output::Knock { knock, .. }) = store.take_events().pop() else { panic!("a knock") };
        assert!(!store.connection.wants_octets());
        store.give(Input::Refuse { knock, status });
        assert_eq!(store.said_in_short(), expected);
        assert_eq!((store.take_events(), store.connection.wants_octets()), (vec![], true));
    }
}

// M4975-7.3-02 M4975-7.2-04
#[test]
fn a_to_path_of_two_uris_is_no_session_of_ours_and_the_answer_goes_to_the_previous_hop() {
    let mut store = Side::store();
    let relayed = String::from_utf8(chunk("tw0Uris", "m0001", "1-4/4", "", "data", '$')).expect("text");
    let relay = "msrp://relay.example.net:2855/hop;tcp";
    store.hear(relayed.replace(STORE, &format!("{STORE} {relay}")));
    assert_eq!(store.said_in_short(), ["481"]);
    store.hear(relayed.replace(PHONE, &format!("{relay} {PHONE}")));
    assert_eq!(
        store.said(),
        format!("MSRP tw0Uris 200 OK\r\nTo-Path: {relay}\r\nFrom-Path: {STORE}\r\n-------tw0Uris$\r\n")
    );
}

// M4975-7.1.3-04
#[test]
fn a_report_goes_all_the_way_back() {
    let mut store = Side::store();
    let relay = "msrp://relay.example.net:2855/hop;tcp";
    let relayed =
        String::from_utf8(chunk("rel4yed", "m0001", "1-4/4", "Success-Report: yes\r\n", "data", '$')).expect("text");
    store.hear(relayed.replace(PHONE, &format!("{relay} {PHONE}")));
    assert!(store.said().contains(&format!("REPORT\r\nTo-Path: {relay} {PHONE}\r\nFrom-Path: {STORE}\r\n")));
}

// M4975-5.4-16
#[test]
fn a_lost_connection_ends_all_its_messages_and_says_what_arrived() {
    let mut store = Side::store();
    store.hear(chunk("l0stOne", "m0001", "1-*/8", "", "data", '+'));
    store.take_events();
    store.give(Input::Closed);
    let mut ranges = Ranges::new();
    ranges.insert(0, 4, 1).expect("one piece");
    let why = AbortReason::ConnectionLost;
    assert_eq!(store.take_events(), [Output::Aborted { message: FIRST, why, ranges, total: Some(8) }]);
    assert_eq!((store.connection.sessions(), store.connection.wants_octets()), (0, false));
}

// M4975-5.4-27
#[test]
fn a_session_that_ends_leaves_the_connection_to_the_other() {
    let mut store = Side::store();
    let other = "msrp://store.example.org:2855/sEc0nd;tcp";
    store.give(Input::Bind(SessionSpec { key: SessionKey(2), ..spec(other, PHONE) }));
    store.give(Input::Unbind(SessionKey(1)));
    assert_eq!(store.take_events(), [], "nobody closes anything");
    let next = String::from_utf8(chunk("g0esOn", "m0001", "1-4/4", "", "data", '$')).expect("text");
    store.hear(next.replace(STORE, other));
    assert_eq!((store.said_in_short(), store.connection.sessions()), (vec!["200".to_owned()], 1));
}

// M4975-7.1.2-09
#[test]
fn after_the_session_nothing_is_answered_reported_or_accepted() {
    let mut store = Side::store();
    (store.habits.writes, store.habits.commits) = (false, false);
    store.hear(chunk("l4test", "m0001", "1-4/4", "Success-Report: yes\r\n", "data", '$'));
    store.give(Input::Unbind(SessionKey(1)));
    store.give(Input::Written { message: FIRST, octets: 4 });
    store.give(Input::Committed { message: FIRST });
    assert_eq!(store.said(), "");
    assert!(matches!(store.take_events().last(), Some(Output::Aborted { why: AbortReason::Unbound, .. })));
    store.hear(chunk("t00late", "m0002", "1-4/4", "", "data", '$'));
    assert!(matches!(store.take_events()[..], [Output::Knock { .. }]));
}

// ---- What cannot be understood ----

// M4975-10.2-01 M4975-7.1-04 M4975-7.1.1-02 M4975-7.1.1-13 M4975-9-08 M4975-12-02 M4975-10.9-01
#[test]
fn a_request_that_cannot_be_understood_is_answered_and_the_next_one_is_taken() {
    for (octets, expected) in [
        (request("MSRP b4dOne SEND", &paths(), "$"), "400"),
        (request("MSRP b4dOne SEND", &format!("{}Message-ID: m0001\r\n\r\ndata\r\n", paths()), "$"), "400"),
        (request("MSRP b4dOne SEND", &format!("{}Message-ID: m0001\r\nByte-Range: 0-9/10\r\n", paths()), "$"), "400"),
        (
            request("MSRP b4dOne SEND", &format!("{}Message-ID: m0001\r\nFailure-Report: maybe\r\n", paths()), "$"),
            "400",
        ),
        (request("MSRP b4dOne FILEOFFSET", &paths(), "$"), "501"),
        (request("MSRP b4dOne AUTH", &format!("{}Failure-Report: no\r\n", paths()), "$"), "501"),
    ] {
        let mut store = Side::store();
        store.hear(&octets);
        store.hear(chunk("g00d", "m0002", "1-4/4", "", "data", '$'));
        assert_eq!(store.said_in_short(), [expected, "200"], "{octets}");
    }
}

// M4975-7.2-05
#[test]
fn the_answer_to_another_method_goes_all_the_way_back() {
    let mut store = Side::store();
    let relay = "msrp://relay.example.net:2855/hop;tcp";
    store.hear(request("MSRP fr0mAfar FILEOFFSET", &paths().replace(PHONE, &format!("{relay} {PHONE}")), "$"));
    let said = store.said();
    assert!(said.starts_with("MSRP fr0mAfar 501 "), "{said}");
    assert!(said.contains(&format!("\r\nTo-Path: {relay} {PHONE}\r\nFrom-Path: {STORE}\r\n")), "{said}");
}

// M4975-12-01
#[test]
fn unknown_headers_of_requests_and_responses_change_nothing() {
    let mut store = Side::store();
    store.hear(chunk("stranger", "m0001", "1-4/4", "X-Colour: blue\r\nRequire: ;;,\r\n", "data", '$'));
    assert_eq!((store.said_in_short(), &store.files[&FIRST][..]), (vec!["200".to_owned()], &b"data"[..]));
    store.source = "data".into();
    store.give(Input::Send(message(1, "m0002", 4)));
    let said = store.said();
    let tid = said.split(' ').nth(1).expect("a tid");
    store.hear(response(tid, "200 OK").replace("\r\n-------", "\r\nX-Colour: blue\r\n-------"));
    assert!(store.has_delivered(1));
}

// M4975-7.1.2-05 M4975-7.1-07
#[test]
fn a_report_may_have_a_body_and_one_that_is_too_long_does_no_harm() {
    for octets in [10, 10_240, 20_000] {
        let mut store = Side::store();
        store.source = "data".into();
        store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 4) }));
        let said = store.said();
        let tid = said.split(' ').nth(1).expect("a tid");
        store.hear(response(tid, "200 OK"));
        let body = format!("\r\nContent-Type: text/plain\r\n\r\n{}\r\n-------", "x".repeat(octets));
        store.hear(report("m0001", "1-4/4", "200 OK").replace("\r\n-------", &body));
        assert!(octets > 10_240 || store.has_delivered(1), "{octets} octets that explain it");
        store.hear(chunk("aft3r", "m0009", "1-4/4", "", "data", '$'));
        assert_eq!(store.said_in_short(), ["200"], "no word about the REPORT, and the next request is understood");
    }
}

// M4975-7.1.2-02 M4975-7.1.2-07 M4975-7.1.2-08 M4975-7.1.1-12 M4975-5.1-02 M4975-9-07
#[test]
fn reports_and_responses_are_never_answered() {
    let mut store = Side::store();
    for octets in [
        request("MSRP rep0rt REPORT", &format!("{}Message-ID: none\r\nStatus: 000 200 OK\r\n", paths()), "$"),
        request("MSRP rep0rt REPORT", &format!("{}Message-ID: none\r\nStatus: 000 481\r\n", paths()), "+"),
        request("MSRP rep0rt REPORT", &format!("{}Success-Report: yes\r\n", paths()), "$"),
        request("MSRP rep0rt REPORT", "To-Path: nonsense\r\n", "$"),
        request("MSRP rep0rt REPORT", &format!("{}Message-ID: none\r\nStatus: nonsense\r\n", paths()), "$"),
        request("MSRP rep0rt REPORT", &format!("{}no header at all\r\n", paths()), "$"),
        request("MSRP rep0rt REPORT", &format!("{}Status: 000 200\r\n", paths()).replace("s9Xk", "n0ne"), "$"),
        request("MSRP n0body 200 OK", &paths(), "$"),
        request("MSRP n0body 20 OK", &paths(), "$"),
        request("MSRP n0body 413", "", "$"),
    ] {
        store.hear(&octets);
        assert_eq!((store.said().as_str(), store.take_events()), ("", vec![]), "{octets}");
    }
}

#[test]
fn octets_that_are_no_msrp_close_the_stream() {
    let mut store = Side::store();
    store.hear(chunk("l4st", "m0001", "1-*/8", "", "data", '+'));
    store.hear("GET / HTTP/1.1\r\n\r\n");
    let events = store.take_events();
    assert!(matches!(events[events.len() - 2], Output::Aborted { why: AbortReason::ConnectionLost, .. }));
    assert!(matches!(events[events.len() - 1], Output::Close(CloseReason::Protocol(_))));
    store.hear(chunk("n0more", "m0001", "1-*/8", "", "data", '+'));
    assert_eq!(store.take_events(), []);
}

// ---- Content ----

// M4975-7.1.1-10 M4975-7.1.1-11 M4975-7.1.3-06 M4975-7.1.4-01 M4975-7.1.4-04 M4975-7.1.4-05 M4975-7.1.4-06 M4975-7.2-01
// M4975-7.2-02 M4975-7.3.1-08
#[test]
fn who_hears_of_success_and_of_failure_is_what_the_two_headers_say() {
    for (reports, good, bad) in [
        ("", &["200"][..], &["415"][..]),
        ("Failure-Report: yes\r\n", &["200"], &["415"]),
        ("Success-Report: no\r\n", &["200"], &["415"]),
        ("Success-Report: yes\r\n", &["200", "REPORT"], &["415"]),
        ("Failure-Report: partial\r\n", &[], &["415"]),
        ("Failure-Report: partial\r\nSuccess-Report: yes\r\n", &["REPORT"], &["415"]),
        ("Failure-Report: no\r\n", &[], &[]),
        ("Failure-Report: no\r\nSuccess-Report: yes\r\n", &["REPORT"], &[]),
    ] {
        for (accepted, expected) in [("text/plain", good), ("image/png", bad)] {
            let mut store = Side::store();
            store.give(Input::Bind(SessionSpec { accept_types: vec![accepted.to_owned()], ..spec(STORE, PHONE) }));
            store.hear(chunk("wh0Hears", "m0001", "1-4/4", reports, "data", '$'));
            assert_eq!(store.said_in_short(), expected, "{reports:?}, {accepted} is taken");
        }
    }
}

// M4975-8.9-01
#[test]
fn a_session_that_only_sends_refuses_content_and_takes_bodiless_sends() {
    let mut store = Side::store();
    let mut sending = spec(STORE, PHONE);
    sending.receives = false;
    store.give(Input::Bind(sending));
    store.hear(chunk("c0ntent", "m0001", "1-4/4", "", "data", '$'));
    store.hear(request("MSRP b0diless SEND", &format!("{}Message-ID: m0002\r\n", paths()), "$"));
    assert_eq!(store.said_in_short(), ["403", "200"]);
}

// Pitfall P25. M4975-8.9-01
#[test]
fn a_session_that_only_sends_hears_notifications_and_keeps_none() {
    let mut store = Side::store();
    store.give(Input::Bind(SessionSpec { receives: false, ..spec(STORE, PHONE) }));
    let say = |kind: &str, tid: &str, id: &str, range: &str, body: &str, flag| {
        let text = String::from_utf8(chunk(tid, id, range, "Success-Report: yes\r\n", body, flag)).expect("text");
        text.replace("Content-Type: text/plain", &format!("Content-Type: {kind}"))
    };
    let [notice, file] = ["message/IMDN+xml", "audio/wav"].map(|kind| format!("\r\nContent-Type: {kind}\r\n\r\ndata"));
    store.hear(say("Message/imdn+xml;x=y", "b4re", "m0001", "1-4/4", "data", '$'));
    store.hear(say("message/CPIM", "wr4pped", "m0002", "1-*/*", &notice, '$'));
    store.hear(say("message/CPIM", "ag4in", "m0002", "1-*/*", &notice, '$'));
    assert_eq!(store.said_in_short(), ["200", "REPORT", "200", "REPORT", "200", "REPORT"]);
    store.hear(say("message/cpim", "h4lf", "m0003", "1-*/*", &notice, '+'));
    store.hear(say("message/cpim", "r3st", "m0003", "99-*/*", "more", '$'));
    assert_eq!(store.said_in_short(), ["200", "200"]);
    store.hear(say("message/cpim", "f1le", "m0004", "1-*/*", &file, '+'));
    store.hear(say("message/cpim", "l4ter", "m0004", "99-*/*", "more", '$'));
    store.hear(say("message/cpim", "m1ddle", "m0005", "99-*/*", &notice, '$'));
    store.hear(say("message/cpim", "n0ise", "m0006", "1-*/*", "noise\r\n", '$'));
    assert_eq!(store.said_in_short(), ["403", "403", "403", "400"]);
    assert_eq!(store.take_events(), [Output::Greeted { session: SessionKey(1) }]);
}

// M4975-14.5-03 M4975-8.6-10
#[test]
fn what_is_too_large_is_refused_by_its_word_or_by_its_octets() {
    let mut store = Side::store();
    let mut small = spec(STORE, PHONE);
    small.max_size = Some(10);
    store.give(Input::Bind(small));
    store.hear(chunk("s4ysSo", "m0001", "1-*/99999999999999", "", "data", '+'));
    store.hear(chunk("f4rOff", "m0002", "18446744073709551615-*/*", "", "data", '+'));
    assert_eq!(store.said_in_short(), ["413", "413"]);
    assert_eq!(store.take_events(), [Output::Greeted { session: SessionKey(1) }]);

    // The 413 does not wait for the end of the chunk, and later chunks get it again.
    let whole = chunk("l1es", "m0003", "1-*/*", "", "0123456789A", '$');
    store.hear(&whole[..whole.len() - 5]);
    assert_eq!(store.said_in_short(), ["413"]);
    assert!(matches!(store.take_events().last(), Some(Output::Aborted { why: AbortReason::TooLarge, .. })));
    store.hear(&whole[whole.len() - 5..]);
    store.hear(chunk("aga1n", "m0003", "5-*/*", "", "x", '#'));
    assert_eq!(store.said_in_short(), ["413"]);
}

#[test]
fn a_sender_that_skips_about_is_stopped() {
    let mut store = Side::store();
    for hole in 0..65 {
        store.hear(chunk("sk1p", "m0001", &format!("{}-*/*", hole * 2 + 1), "", "x", '+'));
    }
    let said = store.said_in_short();
    assert_eq!((said.len(), said[63].as_str(), said[64].as_str()), (65, "200", "413"));
    assert!(matches!(store.take_events().last(), Some(Output::Aborted { why: AbortReason::TooManyHoles, .. })));
}

// M4975-7.1-10 M4975-7.1.1-27
#[test]
fn an_empty_file_is_a_file() {
    let mut store = Side::store();
    store.hear(chunk("empty", "m0001", "1-0/0", "Success-Report: yes\r\n", "", '$'));
    assert_eq!(store.said_in_short(), ["200", "REPORT"]);
    assert_eq!(store.take_events()[2..], [Output::Complete { message: FIRST, total: 0 }]);
}

// M4975-7.3.1-03 M4975-7.3.1-04
#[test]
fn the_length_is_that_of_the_data_whatever_the_header_says() {
    let mut store = Side::store();
    store.hear(chunk("sh0rt", "m0001", "1-100/100", "", "0123456789", '+'));
    store.hear(chunk("l4ter", "m0001", "11-102/100", "", "abcdefghij", '$'));
    assert!(store.events.contains(&Output::Complete { message: FIRST, total: 20 }));
    assert_eq!(store.files[&FIRST], b"0123456789abcdefghij");
}

#[test]
fn octets_beyond_the_end_are_a_contradiction() {
    for (first, second) in [(("1-*/*", '$'), ("3-*/*", '+')), (("3-*/*", '+'), ("1-*/*", '$'))] {
        let mut store = Side::store();
        store.habits.writes = false;
        store.hear(chunk("f1rst", "m0001", first.0, "", "data", first.1));
        store.hear(chunk("sec0nd", "m0001", second.0, "", "data", second.1));
        assert_eq!(store.said_in_short(), ["400", "400"]);
        assert!(matches!(store.take_events().last(), Some(Output::Aborted { why: AbortReason::BeyondEnd, .. })));
    }
}

// M5547-8.4-02 M4975-7.1-14
#[test]
fn an_aborted_message_is_answered_200_and_given_up() {
    let mut store = Side::store();
    store.hear(chunk("g1veUp", "m0001", "1-*/8", "", "data", '#'));
    assert_eq!(store.said_in_short(), ["200"]);
    assert!(matches!(store.take_events().last(), Some(Output::Aborted { why: AbortReason::Sender, .. })));
}

// M4975-5.4-21 M4975-5.4-22 M4975-5.4-23
#[test]
fn a_duplicate_is_answered_and_reported_but_not_written() {
    let mut store = Side::store();
    for tid in ["f1rst", "aga1n"] {
        store.hear(chunk(tid, "m0001", "1-4/4", "Success-Report: yes\r\n", "data", '$'));
        assert_eq!(store.said_in_short(), ["200", "REPORT"]);
    }
    let writes = store.events.iter().filter(|event| matches!(event, Output::Write { .. })).count();
    let arrived = store.events.iter().filter(|event| matches!(event, Output::Arrived { .. })).count();
    assert_eq!((writes, arrived), (1, 1));
}

// M4975-5.4-24
#[test]
fn a_message_goes_on_where_another_connection_left_it() {
    let mut store = Side::store();
    store.resume.insert(0, 4, 1).expect("one piece");
    store.hear(chunk("g0On", "m0001", "5-8/8", "", "5678", '$'));
    assert!(store.events.contains(&Output::Complete { message: FIRST, total: 8 }));
}

#[test]
fn more_messages_than_the_limit_are_refused_until_one_is_over() {
    let mut store = Side::store();
    for number in 0..9 {
        store.hear(chunk("m4ny", &format!("m000{number}"), "1-*/8", "", "data", '+'));
    }
    assert_eq!(store.said_in_short()[7..], ["200", "413"]);
    store.hear(chunk("m4ny", "m0000", "5-8/8", "", "data", '$'));
    store.hear(chunk("m4ny", "m0010", "1-*/8", "", "data", '+'));
    assert_eq!(store.said_in_short(), ["200", "200"]);
}

// ---- The ack ladder and back-pressure ----

// M4975-7.3.1-07
#[test]
fn a_chunk_is_answered_when_all_of_its_octets_are_written_and_not_before() {
    let mut store = Side::store();
    store.habits.writes = false;
    store.hear(chunk("f1rst", "m0001", "1-*/8", "", "1234", '+'));
    store.hear(chunk("sec0nd", "m0001", "5-8/8", "", "5678", '$'));
    store.give(Input::Written { message: FIRST, octets: 3 });
    assert_eq!(store.said_in_short(), Vec::<String>::new());
    store.give(Input::Written { message: FIRST, octets: 2 });
    assert_eq!(store.said_in_short(), ["200"]);
    assert!(!store.events.iter().any(|event| matches!(event, Output::Complete { .. })));
    store.give(Input::Written { message: FIRST, octets: 3 });
    assert_eq!(store.said_in_short(), ["200"]);
    assert!(store.events.contains(&Output::Complete { message: FIRST, total: 8 }));
}

#[test]
fn a_full_disk_is_told_to_every_chunk_that_waits_and_to_later_ones() {
    let mut store = Side::store();
    store.habits.writes = false;
    store.hear(chunk("f1rst", "m0001", "1-*/12", "", "1234", '+'));
    let second = chunk("sec0nd", "m0001", "5-8/12", "", "5678", '+');
    store.hear(&second[..second.len() - 10]);
    store.give(Input::WriteFailed { message: FIRST, status: StatusCode::STOP_SENDING });
    assert_eq!(store.said_in_short(), ["413", "413"]);
    store.hear(&second[second.len() - 10..]);
    store.hear(chunk("th1rd", "m0001", "9-12/12", "", "9abc", '$'));
    assert_eq!(store.said_in_short(), ["413"]);
}

#[test]
fn until_the_grant_nothing_is_written_and_nothing_more_is_read() {
    let mut store = Side::store();
    store.habits.grants = false;
    store.hear(chunk("f1rst", "m0001", "1-4/4", "", "data", '$'));
    assert!(matches!(store.take_events()[..], [Output::Greeted { .. }, Output::Arrived { .. }]));
    assert!(!store.connection.wants_octets());
    store.give(Input::Receive { message: FIRST, resume: Ranges::new(), limit: 4 });
    assert_eq!((store.said_in_short(), store.connection.wants_octets()), (vec!["200".to_owned()], true));

    store.hear(chunk("sec0nd", "m0002", "1-4/4", "", "data", '$'));
    store.give(Input::Reject { message: InboundKey(2), status: StatusCode::FORBIDDEN });
    assert_eq!((store.said_in_short(), store.connection.wants_octets()), (vec!["403".to_owned()], true));
}

#[test]
fn a_held_message_goes_on_where_it_stopped() {
    let mut store = Side::store();
    store.hear(chunk("f1rst", "m0001", "1-*/8", "", "1234", '+'));
    store.give(Input::Hold(FIRST));
    store.hear(chunk("sec0nd", "m0001", "5-8/8", "", "5678", '$'));
    assert_eq!((store.said_in_short().len(), store.connection.wants_octets()), (1, false));
    store.give(Input::Resume(FIRST));
    assert_eq!((store.said_in_short().len(), store.connection.wants_octets()), (1, true));
    assert_eq!(store.files[&FIRST], b"12345678");
}

#[test]
fn a_slow_stage_stops_the_reading_and_a_peer_that_never_reads_stops_it_too() {
    let config = Config { unwritten_octets: 100, unsent_octets: 100, ..Config::default() };
    let mut store = Side::with(config, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    (store.habits.writes, store.habits.sends) = (false, false);
    store.hear(chunk("b1gOne", "m0001", "1-*/*", "", [b'x'; 150], '+'));
    assert!(!store.connection.wants_octets());
    store.give(Input::Written { message: FIRST, octets: 150 });
    assert!(store.connection.wants_octets());
    // The 200 of the chunk and two more are over twice the limit.
    for _ in 0..2 {
        store.hear(request("MSRP b0diless SEND", &format!("{}Message-ID: m0002\r\n", paths()), "$"));
    }
    assert!(!store.connection.wants_octets());
    let transmitted = store.transmitted.len();
    store.give(Input::Sent(transmitted));
    assert!(store.connection.wants_octets());
}

// M4975-7.1.3-03 M4975-7.1.3-01
#[test]
fn long_messages_are_reported_as_they_become_durable_and_whole_at_the_end() {
    let config = Config { report_every_octets: 4, ..Config::default() };
    let mut store = Side::with(config, 1);
    store.give(Input::Bind(spec(STORE, PHONE)));
    let yes = "Success-Report: yes\r\n";
    store.hear(chunk("f1rst", "m0001", "1-*/10", yes, "12345", '+'));
    assert!(store.events.contains(&Output::SyncWanted { message: FIRST }));
    store.give(Input::Durable { message: FIRST, octets: 5 });
    store.give(Input::Durable { message: FIRST, octets: 5 });
    store.hear(chunk("sec0nd", "m0001", "6-10/10", yes, "67890", '$'));
    let said = store.said();
    let ranges: Vec<&str> = said.lines().filter(|line| line.starts_with("Byte-Range")).collect();
    assert_eq!(ranges, ["Byte-Range: 1-5/10", "Byte-Range: 1-10/10"]);
}

// M4975-7.1.3-03
#[test]
fn only_the_commit_reports_the_last_octet() {
    let config = Config { report_every_octets: 10, ..Config::default() };
    for (declared, flag) in [("1-*/10", '$'), ("1-*/*", '+')] {
        let mut store = Side::with(config.clone(), 1);
        store.give(Input::Bind(spec(STORE, PHONE)));
        store.habits.commits = false;
        store.hear(chunk("wh0le", "m0001", declared, "Success-Report: yes\r\n", "1234567890", flag));
        store.give(Input::Durable { message: FIRST, octets: 10 });
        let said = store.said();
        assert!(said.contains("Byte-Range: 1-9/"), "{said}");
        assert!(!said.contains("1-10"), "reported before it is committed: {said}");
    }
}
