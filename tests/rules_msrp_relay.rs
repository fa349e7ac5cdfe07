//! RFC 4976's rules for a client, as far as one stream shows them: AUTH, paths of several URIs, frames that are too long.

mod msrp;

use msrp::{PHONE, STORE, Side, message, path, report, spec};
use restante::msrp::{
    Config, FailureReport, Input, OutboundKey, OutboundSpec, Output, RelayAsk, SendFailure, SessionKey, StatusCode,
};

const RELAY: &str = "msrps://relay.example.org:9000/r7Lq;tcp";
const FOREIGN: &str = "msrp://relay.example.net:2855/f2Zx;tcp";

/// A store whose way to the phone leads through two relays.
fn store_with(source: Vec<u8>) -> Side {
    let mut store = Side::with(Config::default(), 1);
    store.give(Input::Bind(spec(STORE, &format!("{RELAY} {FOREIGN} {PHONE}"))));
    store.source = source.into();
    store
}

/// What the first relay answers the store.
fn answer(tid: &str, status: &str) -> String {
    format!("MSRP {tid} {status}\r\nTo-Path: {STORE}\r\nFrom-Path: {RELAY}\r\n-------{tid}$\r\n")
}

fn tids(said: &str) -> Vec<String> {
    let starts = said.lines().filter_map(|line| line.strip_prefix("MSRP ")?.strip_suffix(" SEND"));
    starts.map(str::to_owned).collect()
}

fn ranges(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("Byte-Range: ")).collect()
}

fn file(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| b'a' + (at % 23) as u8).collect()
}

// ---- AUTH ----

fn auth() -> RelayAsk {
    let headers = vec![("Authorization".to_owned(), "Digest x=\"y\"".to_owned())];
    RelayAsk { to_path: path(&format!("{RELAY} {FOREIGN}")), from_path: path(STORE).remove(0), headers }
}

// M4976-7-01 M4976-5.1-01 M4976-5.1-11
#[test]
fn an_auth_is_one_frame_without_a_body_and_its_answer_comes_with_its_headers() {
    let mut client = Side::with(Config::default(), 1);
    client.give(Input::AskRelay(auth()));
    let said = client.said();
    let tid = said["MSRP ".len()..].split(' ').next().expect("a tid");
    let expected = format!(
        "MSRP {tid} AUTH\r\nTo-Path: {RELAY} {FOREIGN}\r\nFrom-Path: {STORE}\r\nAuthorization: Digest x=\"y\"\r\n\
         -------{tid}$\r\n"
    );
    assert_eq!(said, expected);
    client.hear(format!(
        "MSRP {tid} 200 OK\r\nTo-Path: {STORE}\r\nFrom-Path: {RELAY} {FOREIGN}\r\nUse-Path: {RELAY} {FOREIGN}\r\n\
         Expires: 900\r\n-------{tid}$\r\n"
    ));
    let headers = vec![("Use-Path".to_owned(), format!("{RELAY} {FOREIGN}")), ("Expires".to_owned(), "900".to_owned())];
    assert_eq!(client.take_events(), [Output::AuthAnswered { status: StatusCode::OK, headers }]);
    client.hear(answer(tid, "401 Unauthorized"));
    assert_eq!(client.take_events(), [], "it is answered once");
}

#[test]
fn an_auth_that_nobody_answers_counts_as_408() {
    let mut client = Side::with(Config::default(), 1);
    client.give(Input::AskRelay(auth()));
    client.pass(29);
    assert_eq!(client.take_events(), []);
    client.pass(1);
    assert_eq!(client.take_events(), [Output::AuthAnswered { status: StatusCode::TIMEOUT, headers: Vec::new() }]);
}

// ---- Paths of several URIs ----

// M4976-5.1-05 M4976-5.2-04 M4976-5.2-02
#[test]
fn what_is_sent_names_every_hop_and_comes_from_us_alone() {
    let mut store = store_with(file(10));
    store.give(Input::Send(message(1, "m0001", 10)));
    let said = store.said();
    let head = format!("To-Path: {RELAY} {FOREIGN} {PHONE}\r\nFrom-Path: {STORE}\r\n");
    assert!(said.contains(&head), "{said}");
}

// M4976-9.4-02
#[test]
fn chunks_after_a_renewal_go_by_the_new_path() {
    let mut store = store_with(file(6000));
    store.habits.fetches = false;
    store.give(Input::Send(OutboundSpec { chunk: 2048, ..message(1, "m0001", 6000) }));
    let other = "msrps://relay.example.org:9000/r8Mn;tcp";
    store.give(Input::Bind(spec(STORE, &format!("{other} {PHONE}"))));
    store.give(Input::Fetched { message: OutboundKey(1), offset: 0, octets: store.source.clone() });
    let said = store.said();
    assert!(said.contains(&format!("To-Path: {other} {PHONE}\r\n")) && !said.contains(RELAY), "{said}");
}

// M4976-5.3-01 M4975-7.1.3-04
#[test]
fn a_message_by_way_of_relays_is_answered_to_the_last_hop_and_reported_all_the_way() {
    let mut store = store_with(Vec::new());
    let from = format!("{RELAY} {FOREIGN} {PHONE}");
    store.hear(format!(
        "MSRP t0001 SEND\r\nTo-Path: {STORE}\r\nFrom-Path: {from}\r\nMessage-ID: m0001\r\nSuccess-Report: yes\r\n\
         Byte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------t0001$\r\n"
    ));
    let said = store.said();
    assert!(said.contains(&format!("200 OK\r\nTo-Path: {RELAY}\r\nFrom-Path: {STORE}\r\n")), "{said}");
    assert!(said.contains(&format!("REPORT\r\nTo-Path: {from}\r\nFrom-Path: {STORE}\r\n")), "{said}");
}

// M4976-6.4.1-01
#[test]
fn a_relay_may_cut_and_join_chunks_as_it_likes() {
    let mut store = store_with(Vec::new());
    let send = |tid: &str, id: &str, range: &str, body: &str, flag: char| {
        format!(
            "MSRP {tid} SEND\r\nTo-Path: {STORE}\r\nFrom-Path: {RELAY} {PHONE}\r\nMessage-ID: {id}\r\n\
             Byte-Range: {range}\r\nContent-Type: text/plain\r\n\r\n{body}\r\n-------{tid}{flag}\r\n"
        )
    };
    // One message was cut in three and sent out of order, with another one between its pieces.
    store.hear(send("t0001", "m0001", "1-3/10", "abc", '+'));
    store.hear(send("t0002", "m0002", "1-4/4", "wxyz", '$'));
    store.hear(send("t0003", "m0001", "8-10/10", "hij", '$'));
    store.hear(send("t0004", "m0001", "4-*/10", "defg", '+'));
    let files: Vec<&[u8]> = store.files.values().map(Vec::as_slice).collect();
    assert_eq!(files, [&b"abcdefghij"[..], b"wxyz"]);
    let complete = |event: &&Output| matches!(event, Output::Complete { .. });
    assert_eq!(store.events.iter().filter(complete).count(), 2);
}

// M4976-6.4.1-02 M4976-6.4.3-01
#[test]
fn what_a_relay_reports_is_what_the_peer_would_have_answered() {
    for (status, why) in [
        ("408 Timeout", SendFailure::Timeout),
        ("415 Unsupported Media Type", SendFailure::Report(StatusCode::UNSUPPORTED_MEDIA)),
        ("481 No Such Session", SendFailure::Report(StatusCode::NO_SUCH_SESSION)),
    ] {
        let mut store = store_with(file(1000));
        store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 1000) }));
        let said = store.said();
        store.hear(answer(&tids(&said)[0], "200 OK"));
        store.hear(report("m0001", "1-1000/1000", status));
        assert_eq!(store.failures(), [why], "{status}");
        assert!(store.events.contains(&Output::SessionFailed { session: SessionKey(1), why }), "{status}");
    }
}

// ---- Relays that take no long frames ----

fn shortened(store: &Side) -> Option<StatusCode> {
    store.events.iter().find_map(|event| match event {
        Output::Shortened { status, .. } => Some(*status),
        _ => None,
    })
}

/// The offsets that ranges begin at, and the octets that follow, put together.
fn content(said: &str) -> Vec<u8> {
    let mut content = Vec::new();
    for frame in said.split("MSRP ").filter(|frame| frame.contains(" SEND\r\n")) {
        let (head, rest) = frame.split_once("\r\n\r\n").expect("a body");
        let body = rest.split_once("\r\n-------").expect("an end").0.as_bytes();
        let range = ranges(head)[0];
        let start: usize = range.split('-').next().and_then(|start| start.parse().ok()).expect("a range");
        content.resize(content.len().max(start - 1 + body.len()), 0);
        content[start - 1..start - 1 + body.len()].copy_from_slice(body);
    }
    content
}

#[test]
fn a_file_goes_again_in_short_chunks_when_a_relay_refuses_long_ones() {
    let mut store = store_with(file(200_000));
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 200_000) }));
    let said = store.said();
    let long = tids(&said);
    assert_eq!(ranges(&said)[..2], ["1-*/200000", "65537-*/200000"]);
    store.hear(answer(&long[0], "501 Not Implemented"));
    assert_eq!(shortened(&store), Some(StatusCode::NOT_IMPLEMENTED));
    // The other long ones are refused as well: nobody asks.
    long[1..].iter().for_each(|tid| store.hear(answer(tid, "501 Not Implemented")));
    assert_eq!(store.failures(), []);

    let mut all = String::new();
    loop {
        let said = store.said();
        if said.is_empty() {
            break;
        }
        for tid in tids(&said) {
            store.hear(answer(&tid, "200 OK"));
        }
        all += &said;
    }
    let first = all.find("MSRP ").expect("a frame");
    assert_eq!(ranges(&all[first..])[0], "1-2048/200000");
    assert!(ranges(&all).iter().all(|range| !range.contains('*')), "each of them names its end");
    assert_eq!(content(&all[first..]), file(200_000));
    assert!(!store.has_delivered(1), "a relay's 200 proves nothing");
    store.hear(report("m0001", "1-200000/200000", "200 OK"));
    assert!(store.has_delivered(1));
}

#[test]
fn what_was_taken_from_the_first_octet_on_is_not_sent_again() {
    let mut store = store_with(file(200_000));
    store.give(Input::Send(message(1, "m0001", 200_000)));
    let long = tids(&store.said());
    store.hear(answer(&long[0], "200 OK"));
    store.hear(answer(&long[2], "200 OK"));
    store.hear(answer(&long[1], "400 Bad Request"));
    let said = store.said();
    assert_eq!(ranges(&said)[0], "65537-67584/200000", "after the first chunk, although the third was taken, too");
}

#[test]
fn silence_is_an_answer_too_but_only_once() {
    let mut store = store_with(file(5000));
    store.give(Input::Send(message(1, "m0001", 5000)));
    store.said();
    store.pass(30);
    assert_eq!((shortened(&store), store.failures()), (Some(StatusCode::TIMEOUT), Vec::new()));
    assert_eq!(ranges(&store.said()), ["1-2048/5000", "2049-4096/5000", "4097-5000/5000"]);
    store.pass(30);
    assert_eq!(store.failures(), [SendFailure::Timeout]);
}

#[test]
fn a_report_about_a_long_chunk_does_not_harm_the_short_ones() {
    let mut store = store_with(file(200_000));
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 200_000) }));
    for tid in tids(&store.said()) {
        store.hear(answer(&tid, "200 OK"));
    }
    // The second relay is the one that dislikes them, and says so of each.
    store.hear(report("m0001", "1-*/200000", "501 Not Implemented"));
    store.hear(report("m0001", "65537-*/200000", "501 Not Implemented"));
    assert_eq!(store.failures(), []);
    store.hear(report("m0001", "1-2048/200000", "501 Not Implemented"));
    assert_eq!(store.failures(), [SendFailure::Report(StatusCode::NOT_IMPLEMENTED)]);
}

// M4976-6.4.3-01
#[test]
fn what_a_further_relay_refuses_is_sent_again_although_the_first_had_answered_200() {
    let mut store = store_with(file(200_000));
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 200_000) }));
    loop {
        let said = store.said();
        if said.is_empty() {
            break;
        }
        tids(&said).iter().for_each(|tid| store.hear(answer(tid, "200 OK")));
    }
    store.hear(report("m0001", "65537-131072/200000", "501 Not Implemented"));
    assert_eq!(ranges(&store.said())[0], "65537-67584/200000", "from where the refused chunk began");
    // An earlier one is refused, too: what went before the new beginning will not go again, so the message has failed.
    store.hear(report("m0001", "1-65536/200000", "501 Not Implemented"));
    assert_eq!(store.failures(), [SendFailure::Report(StatusCode::NOT_IMPLEMENTED)]);
}

#[test]
fn nothing_is_shortened_without_a_relay_or_for_another_reason_or_twice() {
    let failures = |remote: &str, chunk: usize, failure_report, status: &str| {
        let mut store = Side::with(Config::default(), 1);
        store.give(Input::Bind(spec(STORE, remote)));
        store.source = file(5000).into();
        store.give(Input::Send(OutboundSpec { chunk, failure_report, ..message(1, "m0001", 5000) }));
        let first = tids(&store.said()).remove(0);
        store.hear(answer(&first, status));
        (store.failures().len(), shortened(&store).is_some())
    };
    let relayed = format!("{RELAY} {PHONE}");
    let yes = FailureReport::Yes;
    assert_eq!(failures(&relayed, 65_536, yes, "501 Not Implemented"), (0, true));
    assert_eq!(failures(PHONE, 65_536, yes, "501 Not Implemented"), (1, false));
    assert_eq!(failures(&relayed, 2048, yes, "501 Not Implemented"), (1, false));
    assert_eq!(failures(&relayed, 65_536, FailureReport::Partial, "501 Not Implemented"), (1, false));
    for status in ["403 Forbidden", "413 Stop Sending", "415 Unsupported Media Type", "481 No Such Session", "506 x"] {
        assert_eq!(failures(&relayed, 65_536, yes, status), (1, false), "{status}");
    }
}
