//! The flows of RFC 4975 §5.1 and §11, octet for octet, with our own names and right lengths, in both directions.

mod msrp;

use msrp::{PHONE, STORE, Side, converse, message, path, report, response, spec};
use restante::model::ByteRange;
use restante::msrp::{Config, FailureReport, Input, OutboundKey, Output, SendFailure, SessionKey, StatusCode};

/// A frame as it is printed here: with bare line feeds, `S` for the store's URI and `P` for the phone's.
fn frame(text: &str) -> String {
    let text = text.replace("-Path: S\n", &format!("-Path: {STORE}\n"));
    text.replace("-Path: P\n", &format!("-Path: {PHONE}\n")).replace('\n', "\r\n")
}

fn ok_of_store(tid: &str) -> String {
    frame(&format!("MSRP {tid} 200 OK\nTo-Path: P\nFrom-Path: S\n-------{tid}$\n"))
}

/// What the store makes of the phone's frames: the file, and what it said.
fn received(frames: &str) -> (Vec<u8>, String, Vec<Output>) {
    let mut store = Side::store();
    store.hear(frames);
    let file = store.files.values().next().cloned().unwrap_or_default();
    (file, store.said(), store.take_events())
}

// ---- §11.1 Basic session: one message each way ----

const HELLO: &str = "MSRP c0ffee11 SEND
To-Path: S
From-Path: P
Message-ID: phone-0001
Byte-Range: 1-22/22
Content-Type: text/plain

Good morning, archive!
-------c0ffee11$
";

// M4975-7.2-01 M4975-7.2-03 M4975-7.2-06 M4975-5.4-05 M4975-5.4-11
#[test]
fn a_basic_session_answers_the_first_message_and_sends_one_back() {
    let mut store = Side::with(Config::default(), 1);
    store.hear(frame(HELLO));
    let [Output::Knock { to_path, from_path, .. }] = &store.take_events()[..] else { panic!("a knock") };
    assert_eq!((&to_path[..], &from_path[..]), (&path(STORE)[..], &path(PHONE)[..]));
    assert_eq!((store.said().as_str(), store.connection.wants_octets()), ("", false));

    store.give(Input::Bind(spec(STORE, PHONE)));
    assert_eq!(store.said(), ok_of_store("c0ffee11"));
    let events = store.take_events();
    assert_eq!(events[0], Output::Greeted { session: SessionKey(1) });
    assert!(matches!(&events[1], Output::Arrived { head, .. } if head.total == Some(22)));
    assert!(matches!(&events[3], Output::Complete { total: 22, .. }));
    assert_eq!(store.files.values().next().expect("a file"), b"Good morning, archive!");

    store.source = "Good morning, phone!".into();
    store.give(Input::Send(message(7, "store-0001", 20)));
    let expected = "MSRP V5x89VBO5MXTAkDA SEND
To-Path: P
From-Path: S
Message-ID: store-0001
Byte-Range: 1-20/20
Content-Type: text/plain

Good morning, phone!
-------V5x89VBO5MXTAkDA$
";
    assert_eq!(store.said(), frame(expected));
    store.hear(response("V5x89VBO5MXTAkDA", "200 OK"));
    assert_eq!(
        store.take_events()[1..],
        [Output::Progress { message: OutboundKey(7), acknowledged: 20 }, Output::Delivered { message: OutboundKey(7) }]
    );
    assert_eq!(store.said(), "");
}

// M4975-5.4-04 M4975-7.1-08 M4975-7.1-09 M4975-7.1.1-23 M6135-4.2.2-08
#[test]
fn the_active_side_greets_with_a_bodiless_send_at_once() {
    let mut store = Side::with(Config::default(), 1);
    let mut greeting = spec(STORE, PHONE);
    greeting.greet = true;
    store.give(Input::Bind(greeting));
    let said = store.said();
    let id = said.split("Message-ID: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a Message-ID");
    let expected = format!(
        "MSRP V5x89VBO5MXTAkDA SEND\nTo-Path: P\nFrom-Path: S\nMessage-ID: {id}\nByte-Range: 1-0/0\n-------V5x89VBO5MXTAkDA$\n"
    );
    assert_eq!((said.as_str(), id.len()), (frame(&expected).as_str(), 22));

    let mut phone = Side::phone();
    phone.hear(&said);
    assert_eq!(phone.take_events(), [Output::Greeted { session: SessionKey(1) }]);
    store.hear(phone.said());
    assert_eq!(store.take_events(), [Output::Greeted { session: SessionKey(1) }]);
}

// ---- §11.2 A message with structured content ----

const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head><title>Opening hours</title></head>\n <body><p>See <a href=\"http://example.org/hours\">the list</a>.</p></body>\n</html>";

fn page_frame(tid: &str, to: &str, from: &str) -> String {
    let length = PAGE.len() + PAGE.matches('\n').count();
    frame(&format!(
        "MSRP {tid} SEND\nTo-Path: {to}\nFrom-Path: {from}\nMessage-ID: page-0002\nByte-Range: 1-{length}/{length}\nContent-Type: application/xhtml+xml\n\n{PAGE}\n-------{tid}$\n"
    ))
}

// M4975-7.1-04 M4975-7.1-11 M4975-7.1-12 M4975-7.1-13 M4975-7.1.1-14 M4975-7.1.1-17 M4975-7.1.1-19
#[test]
fn a_message_with_xhtml_travels_both_ways() {
    let (file, said, _) = received(&page_frame("p4geT1d", "S", "P"));
    assert_eq!((file, said), (PAGE.replace('\n', "\r\n").into_bytes(), ok_of_store("p4geT1d")));

    let mut store = Side::store();
    store.source = PAGE.replace('\n', "\r\n").into();
    let mut page = message(1, "page-0002", store.source.len() as u64);
    page.content_type = "application/xhtml+xml".to_owned();
    store.give(Input::Send(page));
    assert_eq!(store.said(), page_frame("V5x89VBO5MXTAkDA", "P", "S"));
}

// ---- §5.1 and §11.3 A chunked message ----

const FIRST_HALF: &str = "MSRP ha1fOne SEND
To-Path: S
From-Path: P
Message-ID: halves-003
Byte-Range: 1-*/8
Content-Type: text/plain

1234
-------ha1fOne+
";
const SECOND_HALF: &str = "MSRP ha1fTwo SEND
To-Path: S
From-Path: P
Message-ID: halves-003
Byte-Range: 5-8/8
Content-Type: text/plain

5678
-------ha1fTwo$
";

// M4975-7.3.1-02 M4975-7.3.1-05 M4975-7.1.1-22
#[test]
fn a_message_in_two_chunks_is_one_file_in_whichever_order_they_come() {
    let (first, second) = (frame(FIRST_HALF), frame(SECOND_HALF));
    let (file, said, events) = received(&[first.clone(), second.clone()].concat());
    assert_eq!((&file[..], said), (&b"12345678"[..], [ok_of_store("ha1fOne"), ok_of_store("ha1fTwo")].concat()));
    assert!(matches!(events.last(), Some(Output::Complete { total: 8, .. })));

    let (file, said, events) = received(&[second, first].concat());
    assert_eq!((&file[..], said), (&b"12345678"[..], [ok_of_store("ha1fTwo"), ok_of_store("ha1fOne")].concat()));
    assert!(matches!(events.last(), Some(Output::Complete { total: 8, .. })));
}

// M4975-7.1-15 M4975-7.1.1-15 M4975-7.1.1-16 M4975-7.1.1-21
#[test]
fn a_message_is_sent_in_chunks_of_the_size_asked_for() {
    let mut store = Side::store();
    store.source = "12345678".into();
    store.give(Input::Send(restante::msrp::OutboundSpec { chunk: 4, ..message(1, "halves-003", 8) }));
    let expected = "MSRP V5x89VBO5MXTAkDA SEND
To-Path: P
From-Path: S
Message-ID: halves-003
Byte-Range: 1-4/8
Content-Type: text/plain

1234
-------V5x89VBO5MXTAkDA+
MSRP aP8HdO8IA0zSyi26 SEND
To-Path: P
From-Path: S
Message-ID: halves-003
Byte-Range: 5-8/8
Content-Type: text/plain

5678
-------aP8HdO8IA0zSyi26$
";
    assert_eq!(store.said(), frame(expected));
    store.hear(response("V5x89VBO5MXTAkDA", "200 OK"));
    assert!(!store.has_delivered(1));
    store.hear(response("aP8HdO8IA0zSyi26", "200 OK"));
    assert!(store.has_delivered(1));
}

// M4975-5.1-01 M4975-7.1.1-18 M4975-7.1.1-24 M4975-7.1.1-29 M4975-7.1.1-30
#[test]
fn a_long_chunk_is_interrupted_for_an_answer_and_goes_on_with_the_next_octet() {
    let mut store = Side::store();
    store.habits.fetches = false;
    store.source = "x".repeat(70_000).into();
    store.give(Input::Send(restante::msrp::OutboundSpec { chunk: usize::MAX, ..message(1, "long-00004", 70_000) }));
    let fetched = |offset: u64, end: usize, store: &Side| Input::Fetched {
        message: OutboundKey(1),
        offset,
        octets: store.source.slice(offset as usize..end),
    };
    store.give(fetched(0, 65_536, &store));
    let head = frame(
        "MSRP V5x89VBO5MXTAkDA SEND\nTo-Path: P\nFrom-Path: S\nMessage-ID: long-00004\nByte-Range: 1-*/70000\nContent-Type: text/plain\n\n",
    );
    assert_eq!(store.said(), [head, "x".repeat(65_536)].concat());

    store.hear(frame(HELLO));
    let interruption = frame("\n-------V5x89VBO5MXTAkDA+\n");
    assert_eq!(store.said(), [interruption, ok_of_store("c0ffee11")].concat());

    store.give(fetched(65_536, 70_000, &store));
    let head = frame(
        "MSRP aP8HdO8IA0zSyi26 SEND\nTo-Path: P\nFrom-Path: S\nMessage-ID: long-00004\nByte-Range: 65537-*/70000\nContent-Type: text/plain\n\n",
    );
    assert_eq!(store.said(), [head, "x".repeat(4464), frame("\n-------aP8HdO8IA0zSyi26$\n")].concat());
}

// ---- §11.4 A chunked message/cpim ----

const CPIM: &str = "From: Carol <sip:carol@example.net>\nTo: Dave <sip:dave@example.org>\nDateTime: 2026-03-01T08:00:00Z\n\nContent-Type: text/plain\n\nqrstuv";

fn cpim_frames(tids: [&str; 2], to: &str, from: &str, cut: usize) -> String {
    let cpim = CPIM.replace('\n', "\r\n");
    let (total, next) = (cpim.len(), cut + 1);
    let head =
        |tid: &str| format!("MSRP {tid} SEND\nTo-Path: {to}\nFrom-Path: {from}\nMessage-ID: wrapped-05\nByte-Range: ");
    let (one, two) = (tids[0], tids[1]);
    [
        frame(&format!("{}1-{cut}/{total}\nContent-Type: message/cpim\n\n", head(one))),
        cpim[..cut].to_owned(),
        frame(&format!("\n-------{one}+\n{}{next}-{total}/{total}\nContent-Type: message/cpim\n\n", head(two))),
        cpim[cut..].to_owned(),
        frame(&format!("\n-------{two}$\n")),
    ]
    .concat()
}

// M4975-13-07
#[test]
fn a_wrapped_message_is_chunked_as_a_whole() {
    let cpim = CPIM.replace('\n', "\r\n");
    let cut = cpim.find("tuv").expect("inside the content");
    let (file, said, _) = received(&cpim_frames(["wr4pOne", "wr4pTwo"], "S", "P", cut));
    assert_eq!(file, cpim.as_bytes());
    assert_eq!(said, [ok_of_store("wr4pOne"), ok_of_store("wr4pTwo")].concat());

    let mut store = Side::store();
    store.source = cpim.clone().into();
    let mut wrapped = message(1, "wrapped-05", cpim.len() as u64);
    (wrapped.content_type, wrapped.chunk) = ("message/cpim".to_owned(), cut);
    store.give(Input::Send(wrapped));
    assert_eq!(store.said(), cpim_frames(["V5x89VBO5MXTAkDA", "aP8HdO8IA0zSyi26"], "P", "S", cut));
}

// ---- §11.5 A system message: nobody answers ----

fn system_frame(tid: &str, to: &str, from: &str, reports: &str) -> String {
    frame(&format!(
        "MSRP {tid} SEND\nTo-Path: {to}\nFrom-Path: {from}\nMessage-ID: system-006\nByte-Range: 1-30/30\n{reports}Content-Type: text/plain\n\nThe archive closes in one hour\n-------{tid}$\n"
    ))
}

// M4975-7.1.4-03 M4975-7.1.4-04 M4975-7.1.3-06 M4975-7.1.1-03
#[test]
fn a_system_message_is_taken_without_a_word() {
    let (file, said, _) = received(&system_frame("sysT1d", "S", "P", "Failure-Report: no\nSuccess-Report: no\n"));
    assert_eq!((&file[..], said.as_str()), (&b"The archive closes in one hour"[..], ""));

    let mut store = Side::store();
    store.source = "The archive closes in one hour".into();
    let mut system = message(1, "system-006", 30);
    system.failure_report = FailureReport::No;
    store.give(Input::Send(system));
    assert_eq!(store.said(), system_frame("V5x89VBO5MXTAkDA", "P", "S", "Failure-Report: no\n"));
    assert!(store.has_delivered(1));
    assert_eq!(store.due(), None);
}

// ---- §11.6 A positive report ----

const WANTED: &str = "<html><body>\n<p>Your file: <a href=\"http://example.org/f\">f</a></p>\n</body></html>";

fn wanted_frame(tid: &str, to: &str, from: &str) -> String {
    let length = WANTED.len() + WANTED.matches('\n').count();
    frame(&format!(
        "MSRP {tid} SEND\nTo-Path: {to}\nFrom-Path: {from}\nMessage-ID: wanted-007\nByte-Range: 1-{length}/{length}\nSuccess-Report: yes\nFailure-Report: no\nContent-Type: text/html\n\n{WANTED}\n-------{tid}$\n"
    ))
}

fn report_frame(tid: &str, status: &str) -> String {
    let length = WANTED.len() + WANTED.matches('\n').count();
    frame(&format!(
        "MSRP {tid} REPORT\nTo-Path: P\nFrom-Path: S\nMessage-ID: wanted-007\nByte-Range: 1-{length}/{length}\nStatus: 000 {status}\n-------{tid}$\n"
    ))
}

// M4975-7.1.2-01 M4975-7.1.2-02 M4975-7.1.2-03 M4975-7.1.2-04 M4975-7.1.3-01 M4975-7.1.3-02 M4975-7.1.3-04
// M4975-7.1.3-05 M4975-5.3-02 M4975-7.1-07
#[test]
fn a_positive_report_follows_the_commit_and_not_the_octets() {
    let mut store = Side::store();
    store.habits.commits = false;
    store.hear(wanted_frame("w4ntT1d", "S", "P"));
    assert_eq!(store.said(), "");
    let Some(Output::Complete { message, .. }) = store.take_events().pop() else { panic!("complete") };
    store.give(Input::Committed { message });
    assert_eq!(store.said(), report_frame("V5x89VBO5MXTAkDA", "200 OK"));
}

// M4975-7.3.2-01 M4975-7.3.2-02 M4975-7.1.2-08 M4975-7.3.2-07
#[test]
fn a_message_is_delivered_when_its_positive_report_comes() {
    let mut store = Side::store();
    store.source = WANTED.replace('\n', "\r\n").into();
    let mut wanted = message(1, "wanted-007", store.source.len() as u64);
    (wanted.success_report, wanted.failure_report) = (true, FailureReport::No);
    wanted.content_type = "text/html".to_owned();
    store.give(Input::Send(wanted));
    assert_eq!(store.said(), wanted_frame("V5x89VBO5MXTAkDA", "P", "S"));
    assert!(!store.has_delivered(1));
    let length = store.source.len();
    store.hear(report("wanted-007", &format!("1-{length}/{length}"), "200 OK"));
    assert!(store.has_delivered(1));
    assert_eq!(store.said(), "");
}

// ---- §7.1.4, §10 Failures, which the RFC tells without a picture ----

// M4975-5.3-01 M4975-7.1.4-02 M4975-7.1.4-07 M4975-7.1.4-09
#[test]
fn a_failure_after_the_200_is_told_by_a_report() {
    let mut store = Side::store();
    store.habits.commits = false;
    store.hear(wanted_frame("w4ntT1d", "S", "P").replace("Failure-Report: no\r\n", ""));
    assert_eq!(store.said(), ok_of_store("w4ntT1d"));
    let Some(Output::Complete { message, .. }) = store.take_events().pop() else { panic!("complete") };
    store.give(Input::Failed { message, status: StatusCode::STOP_SENDING });
    assert_eq!(store.said(), report_frame("V5x89VBO5MXTAkDA", "413 Stop Sending"));
}

// M4975-7.1.4-01 M4975-7.3.1-08 M4975-10.6-01
#[test]
fn a_type_that_is_not_accepted_is_answered_415_and_not_tried_again() {
    let mut store = Side::store();
    let mut only_pictures = spec(STORE, PHONE);
    only_pictures.accept_types = vec!["image/jpeg".to_owned()];
    store.give(Input::Bind(only_pictures));
    store.hear(frame(HELLO));
    let refusal = frame("MSRP c0ffee11 415 Unsupported Media Type\nTo-Path: P\nFrom-Path: S\n-------c0ffee11$\n");
    assert_eq!((store.said(), store.files.len()), (refusal, 0));

    store.source = "12345678".into();
    store.give(Input::Send(message(1, "halves-003", 8)));
    store.said();
    store.hear(response("V5x89VBO5MXTAkDA", "415 Unsupported Media Type"));
    store.give(Input::Send(message(2, "halves-004", 8)));
    assert_eq!(store.failures(), [SendFailure::Status(StatusCode::UNSUPPORTED_MEDIA); 2]);
    assert_eq!(store.said(), "");
}

// M4975-7.3.2-03 M4975-7.3.2-05 M4975-7.1.4-08
#[test]
fn a_negative_report_fails_the_message_and_its_session() {
    let mut store = Side::store();
    store.source = "12345678".into();
    let mut wanted = message(1, "halves-003", 8);
    wanted.success_report = true;
    store.give(Input::Send(wanted));
    store.said();
    store.hear(response("V5x89VBO5MXTAkDA", "200 OK"));
    store.hear(report("halves-003", "1-8/8", "403 Forbidden"));
    let why = SendFailure::Report(StatusCode::FORBIDDEN);
    let message_failed = Output::SendFailed { message: OutboundKey(1), why, acknowledged: 8, reported: 0 };
    assert!(store.events.contains(&message_failed));
    assert!(store.events.contains(&Output::SessionFailed { session: SessionKey(1), why }));
    store.give(Input::Send(message(2, "halves-004", 8)));
    assert_eq!((store.said().as_str(), store.failures().last()), ("", Some(&SendFailure::Unbound)));
}

// ---- Both sides ours ----

#[test]
fn two_connections_carry_a_file_with_reports_and_without_words_left_over() {
    let (mut store, mut phone) = (Side::store(), Side::phone());
    phone.source = (0..300_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let mut file = message(1, "file-00008", 300_000);
    file.success_report = true;
    phone.give(Input::Send(file));
    converse(&mut phone, &mut store);
    assert!(phone.has_delivered(1));
    assert_eq!(store.files.values().next().expect("a file")[..], phone.source[..]);
    let Some(Output::Arrived { head, .. }) = store.events.get(1) else { panic!("{:?}", store.events) };
    assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: None, total: Some(300_000) }));
    assert_eq!((store.due(), phone.due()), (None, None));
}
