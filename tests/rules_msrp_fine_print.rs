//! The smaller print of RFC 4975: what is easily passed over, one story each.

mod msrp;

use std::collections::BTreeSet;

use msrp::{PHONE, STORE, Side, chunk, converse, message, report, response, spec};
use restante::model::Mint;
use restante::msrp::{
    Config, InboundKey, Input, OutboundKey, OutboundSpec, Output, SendFailure, SessionKey, StatusCode,
};

const FIRST: InboundKey = InboundKey(1);

/// The id of the first chunk that the store sends.
fn first_tid() -> String {
    Mint::from_number(1).fork().token(16)
}

fn store_with(source: &str) -> Side {
    let mut store = Side::store();
    store.source = source.to_owned().into();
    store
}

// ---- §3, §5 ----

// M4975-3-04 M4975-7.1.1-35 M4975-14.3-02
#[test]
fn nothing_is_said_that_rfc_4975_does_not_have() {
    // given: messages both ways, with reports, answers and a greeting
    let (mut store, mut phone) = (store_with("from the store"), Side::phone());
    phone.source = vec![b'x'; 5000].into();
    let mut greeting = spec(STORE, PHONE);
    greeting.greet = true;
    store.give(Input::Bind(greeting));
    let disposition = ("Content-Disposition".to_owned(), "attachment; filename=\"a.txt\"; size=14".to_owned());
    let reported = OutboundSpec { success_report: true, headers: vec![disposition], ..message(1, "m0001", 14) };
    store.give(Input::Send(reported));
    phone.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0002", 5000) }));
    let mut said = String::from_utf8(store.transmitted.clone()).expect("text");
    phone.hear(std::mem::take(&mut store.transmitted));
    store.hear(std::mem::take(&mut phone.transmitted));
    said += &String::from_utf8(store.transmitted.clone()).expect("text");
    // then
    let known = [
        "To-Path",
        "From-Path",
        "Message-ID",
        "Byte-Range",
        "Success-Report",
        "Failure-Report",
        "Status",
        "Content-Type",
        "Content-Disposition",
    ];
    let (mut starts, mut headers) = (BTreeSet::new(), 0);
    for line in said.split("\r\n") {
        if let Some(start) = line.strip_prefix("MSRP ") {
            starts.insert(start.split(' ').nth(1).expect("a method or status").to_owned());
        } else if let Some((name, _)) = line.split_once(": ") {
            assert!(known.contains(&name), "{line}");
            headers += 1;
        }
    }
    assert_eq!(starts, ["200", "REPORT", "SEND"].map(str::to_owned).into());
    assert!(headers > 15, "{said}");
}

// M4975-5.3-03
#[test]
fn a_failure_is_reported_to_those_who_asked_for_it() {
    for (headers, expected) in [
        ("", &["200", "REPORT"][..]),
        ("Failure-Report: partial\r\n", &["REPORT"]),
        ("Failure-Report: no\r\n", &[]),
        ("Failure-Report: no\r\nSuccess-Report: yes\r\n", &[]),
    ] {
        let mut store = Side::store();
        store.habits.commits = false;
        store.hear(chunk("wh0le", "m0001", "1-4/4", headers, "data", '$'));
        store.give(Input::Failed { message: FIRST, status: StatusCode::BAD_REQUEST });
        let said = String::from_utf8_lossy(&store.transmitted).into_owned();
        assert_eq!(store.said_in_short(), expected, "{headers}");
        assert_eq!(said.contains("Status: 000 400"), !expected.is_empty());
    }
}

// M4975-7.1.1-01
#[test]
fn message_ids_of_two_lives_never_meet() {
    let mut ids = BTreeSet::new();
    for life in 0..2 {
        let mut side = Side::with(Config::default(), life);
        for number in 0..2000 {
            let mut session = spec(&format!("msrp://store.example.org:2855/s{number};tcp"), PHONE);
            (session.key, session.greet) = (SessionKey(number), true);
            side.give(Input::Bind(session));
        }
        ids.extend(side.said().lines().filter_map(|line| line.strip_prefix("Message-ID: ")).map(str::to_owned));
    }
    assert_eq!(ids.len(), 4000);
    assert!(ids.iter().all(|id| id.len() == 22));
}

// ---- §7.1 ----

// M4975-7.1.1-06
#[test]
fn a_session_that_ends_without_the_report_asked_for_leaves_the_message_unconfirmed() {
    let mut store = store_with("data");
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 4) }));
    store.hear(response(&first_tid(), "200 OK"));
    assert!(!store.has_delivered(1));
    store.give(Input::Unbind(SessionKey(1)));
    let failed =
        Output::SendFailed { message: OutboundKey(1), why: SendFailure::Unbound, acknowledged: 4, reported: 0 };
    assert_eq!(store.take_events().last(), Some(&failed));
}

// M4975-7.1.2-06
#[test]
fn a_report_has_no_body_and_nothing_depends_on_one() {
    let mut store = Side::store();
    store.hear(chunk("wh0le", "m0001", "1-4/4", "Success-Report: yes\r\n", "data", '$'));
    let said = store.said();
    let report = said.split("MSRP ").find(|frame| frame.contains(" REPORT\r\n")).expect("a REPORT");
    assert!(!report.contains("\r\n\r\n") && !report.contains("Content-Type"), "{report}");

    // Nor does anything depend on the body of one that comes.
    let mut store = store_with("data");
    store.give(Input::Send(OutboundSpec { success_report: true, ..message(1, "m0001", 4) }));
    store.hear(response(&first_tid(), "200 OK"));
    let body = "Content-Type: text/plain\r\n\r\nI have not got it.\r\n-------r3p0rt$\r\n";
    store.hear(report_with(body));
    assert!(store.has_delivered(1));
}

fn report_with(body: &str) -> String {
    report("m0001", "1-4/4", "200 OK").replace("-------r3p0rt$\r\n", body)
}

// ---- §7.2, §7.3 ----

// M4975-7.2-02
#[test]
fn with_partial_reports_what_cannot_be_processed_is_refused_before_its_last_octet() {
    let mut store = Side::store();
    let mut picky = spec(STORE, PHONE);
    picky.accept_types = vec!["image/png".to_owned()];
    store.give(Input::Bind(picky));
    let octets = chunk("p4rtial", "m0001", "1-*/9000", "Failure-Report: partial\r\n", [b'x'; 9000], '$');
    let head = octets.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    store.hear(&octets[..head]);
    assert_eq!(store.said_in_short(), ["415"]);
    store.hear(&octets[head..]);
    assert_eq!(store.said_in_short(), Vec::<String>::new());
}

// M4975-7.3-01
#[test]
fn the_session_is_looked_for_before_anything_else_is_looked_at() {
    let mut store = Side::with(Config::default(), 1);
    // A type that no session would take, and more octets than any would.
    store.hear(chunk("n0body", "m0001", "1-*/18446744073709551615", "", "data", '$'));
    let Some(Output::Knock { knock, .. }) = store.take_events().pop() else { panic!("a knock") };
    store.give(Input::Refuse { knock, status: StatusCode::NO_SUCH_SESSION });
    assert_eq!(store.said_in_short(), ["481"]);
}

// M4975-7.3.1-01
#[test]
fn one_chunk_that_begins_at_the_first_octet_and_ends_the_message_is_the_whole_of_it() {
    for range in ["", "Byte-Range: 1-4/4\r\n", "Byte-Range: 1-*/*\r\n"] {
        let mut store = Side::store();
        let octets = String::from_utf8(chunk("wh0le", "m0001", "1-4/4", "", "data", '$')).expect("text");
        store.hear(octets.replace("Byte-Range: 1-4/4\r\n", range));
        assert!(store.events.contains(&Output::Complete { message: FIRST, total: 4 }), "{range}");
        assert_eq!(store.files[&FIRST], b"data");
    }
}

// M4975-7.3.1-09 M4975-14.3-01 M4975-8.6-03
#[test]
fn messages_of_several_parts_are_taken_as_they_are() {
    let parts = "--edge\r\nContent-Type: text/plain\r\n\r\nhello\r\n--edge--\r\n";
    for kind in ["multipart/mixed", "multipart/alternative", "multipart/signed"] {
        let mut store = Side::store();
        let octets = String::from_utf8(chunk("p4rts", "m0001", "1-*/*", "", parts, '$')).expect("text");
        store.hear(octets.replace("text/plain\r\n\r\n--edge", &format!("{kind};boundary=edge\r\n\r\n--edge")));
        assert_eq!(store.said_in_short(), ["200"], "{kind}");
        assert_eq!(store.files[&FIRST], parts.as_bytes());
    }
}

// M4975-7.3.1-10
#[test]
fn a_success_report_goes_to_those_who_asked_for_one() {
    for (headers, expected) in [
        ("Success-Report: yes\r\n", &["200", "REPORT"][..]),
        ("Success-Report: no\r\n", &["200"]),
        ("", &["200"]),
        ("Success-Report: yes\r\nFailure-Report: no\r\n", &["REPORT"]),
    ] {
        let mut store = Side::store();
        store.hear(chunk("wh0le", "m0001", "1-4/4", headers, "data", '$'));
        assert_eq!(store.said_in_short(), expected, "{headers}");
    }
}

// M4975-7.3.2-06
#[test]
fn after_a_481_nothing_is_sent_until_the_session_was_agreed_on_again() {
    let mut store = store_with("data");
    store.give(Input::Send(message(1, "m0001", 4)));
    store.said();
    store.hear(response(&first_tid(), "481 No such session"));
    assert_eq!(store.failures(), [SendFailure::Status(StatusCode::NO_SUCH_SESSION)]);
    store.give(Input::Send(message(2, "m0001", 4)));
    assert_eq!((store.said().as_str(), store.failures().last()), ("", Some(&SendFailure::Unbound)));
    // A new SDP exchange has given it a new path; the message that is sent again has its old id.
    let again = "msrp://phone.example.net:7654/n3wPath8;tcp";
    store.give(Input::Bind(spec(STORE, again)));
    store.give(Input::Send(message(3, "m0001", 4)));
    let said = store.said();
    assert!(said.contains(&format!("To-Path: {again}\r\n")) && said.contains("Message-ID: m0001\r\n"), "{said}");
}

// M4975-9-11
#[test]
fn a_response_of_two_headers_is_one() {
    let (mut store, mut phone) = (store_with("data"), Side::phone());
    store.give(Input::Send(message(1, "m0001", 4)));
    phone.hear(std::mem::take(&mut store.transmitted));
    let answer = String::from_utf8(phone.transmitted.clone()).expect("text");
    assert_eq!(answer.matches(": ").count(), 2, "{answer}");
    converse(&mut store, &mut phone);
    assert!(store.has_delivered(1));
}
