//! Envelopes as RFC 3862 has them, as peers send them, and as nobody may.

use proptest::prelude::*;

use super::{Content, CpimError, Enclosed, is_cpim, open, print};
use crate::model::limits::{CPIM_DEPTH, CPIM_HEAD_OCTETS, CPIM_LINES};
use crate::model::{Disposition, Imdn, Party, Wrapper};
use crate::msrp::StatusCode;

/// Lines end in CRLF on the wire.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn opened(text: &str) -> (Content, Vec<u8>) {
    let octets = wire(text);
    let content = open(&octets).expect("an envelope").expect("a whole head");
    let rest = octets[content.offset as usize..].to_vec();
    (content, rest)
}

/// The wrapper of an envelope with these headers.
fn wrapper(headers: &str) -> Wrapper {
    opened(&format!("{headers}\n\nContent-Type: text/plain\n\nhi")).0.wrappers.remove(0)
}

fn fault(headers: &str) -> CpimError {
    open(&wire(&format!("{headers}\n\nContent-Type: text/plain\n\nhi"))).expect_err(headers)
}

fn party(name: &str, uri: &str) -> Party {
    Party { name: Some(name.to_owned()), uri: uri.to_owned() }
}

// M3862-2-01 M4975-13-08 M4975-13-09 M4975-13-10 M3862-4.1-01 M3862-4.2-01 M3862-4.4-01 M3862-3.3-01
#[test]
fn an_envelope_tells_who_wrote_to_whom_when_and_about_what_and_where_its_content_begins() {
    let (content, rest) = opened(
        "From: Erin Gray <sip:erin@example.net>\nTo: \"Bob, \\\"7\\\"\" <sip:bob@example.org>\nTo: <im:carol@example.org>\n\
         cc: <mailto:dave@example.com>\nDateTime: 2026-05-15T15:02:31-03:00\nSubject:;lang=fr Un r\\u00e9pondeur\n\n\
         Content-Type: audio/wav; rate=8000\nContent-Disposition: attachment;\n\tfilename=\"a.wav\"\nContent-ID: <c1@example.net>\n\n\
         RIFF\n\nFrom: content",
    );
    let expected = Wrapper {
        from: Some(party("Erin Gray", "sip:erin@example.net")),
        to: vec![party("Bob, \"7\"", "sip:bob@example.org"), Party::new("im:carol@example.org")],
        cc: vec![Party::new("mailto:dave@example.com")],
        sent: Some("2026-05-15T15:02:31-03:00".to_owned()),
        subject: Some("Un répondeur".to_owned()),
        language: Some("fr".to_owned()),
        imdn: None,
    };
    assert_eq!(content.wrappers, [expected]);
    assert_eq!(
        (content.media_type.as_str(), rest.as_slice()),
        ("audio/wav; rate=8000", &wire("RIFF\n\nFrom: content")[..])
    );
    assert_eq!(content.disposition.as_deref(), Some("attachment; filename=\"a.wav\""));
    assert_eq!(content.content_id.as_deref(), Some("<c1@example.net>"));
}

// Pitfalls P2, F15
#[test]
fn the_blank_line_between_the_two_kinds_of_headers_may_be_missing() {
    let (content, rest) = opened(
        "From: <sip:erin@example.net>\nContent-type: text/plain\nContent-Disposition: render;\n filename=x\n\
         To: <sip:bob@example.org>\n\nhi\n\nthere",
    );
    assert_eq!((content.media_type.as_str(), rest), ("text/plain", wire("hi\n\nthere")));
    assert_eq!(content.disposition.as_deref(), Some("render; filename=x"));
    assert_eq!(content.wrappers[0].to, [Party::new("sip:bob@example.org")]);
}

#[test]
fn lines_that_end_in_a_line_feed_alone_are_lines_too_and_an_envelope_may_be_blank() {
    let content = open(b"\nContent-Type: text/plain\n\nhi").expect("an envelope").expect("a whole head");
    assert_eq!((content.offset, &content.wrappers[..]), (27, &[Wrapper::default()][..]));
}

// M3862-6-02
#[test]
fn an_envelope_in_an_envelope_is_opened_and_both_are_kept() {
    let (content, rest) = opened(
        "From: <sip:desk@example.org>\nTo: <sip:7@example.org>\n\nContent-Type: Message/CPIM\n\n\
         From: <sip:erin@example.net>\nTo: <sip:desk@example.org>\n\nContent-Type: text/plain\n\nhi",
    );
    let from: Vec<_> = content.wrappers.iter().filter_map(|wrapper| Some(wrapper.from.clone()?.uri)).collect();
    assert_eq!(
        (from, rest),
        (vec!["sip:desk@example.org".to_owned(), "sip:erin@example.net".to_owned()], b"hi".to_vec())
    );
    let nested = "From: <sip:erin@example.net>\n\nContent-Type: message/cpim\n\n".repeat(CPIM_DEPTH);
    assert_eq!(open(&wire(&nested)), Err(CpimError::TooDeep));
}

// M3862-2.2-09 M3862-2.2-10 M3862-3-01
#[test]
fn names_match_exactly_and_unknown_headers_are_passed_over() {
    let wrapper =
        wrapper("from: nobody\nFROM: nobody\nX-Mood: good\nX-Mood: better\nTo: <sip:bob@example.org>\nCc: nobody");
    assert_eq!(wrapper, Wrapper { to: vec![Party::new("sip:bob@example.org")], ..Wrapper::default() });
}

// M3862-7.1-01
#[test]
fn the_type_of_an_envelope_has_no_case() {
    assert!(is_cpim("Message/CPIM; x=y") && is_cpim("message/cpim") && !is_cpim("message/cpim2"));
}

// M4975-13-14 M4975-13-16
#[test]
fn a_header_that_must_not_repeat_refuses_the_message_and_the_others_may() {
    for name in ["From", "DateTime", "Subject", "Require"] {
        let line = match name {
            "From" => "From: <sip:erin@example.net>",
            "DateTime" => "DateTime: 2026-05-15T15:02:31Z",
            "Subject" => "Subject: x",
            _ => "Require: From",
        };
        assert_eq!(fault(&format!("{line}\n{line}")), CpimError::Repeated(name));
        assert_eq!(fault(&format!("{line}\n{line}")).status(), StatusCode::BAD_REQUEST);
        let again = format!("NS: c <urn:ietf:params:cpim-headers:>\n{line}\nc.{line}");
        assert_eq!(fault(&again), CpimError::Repeated(name), "by another name");
    }
    let wrapper = wrapper(
        "NS: a <urn:a:1>\nNS: b <urn:b:1>\na.x: 1\na.x: 2\nTo: <sip:a@example.org>\nTo: <sip:b@example.org>\n\
         cc: <sip:c@example.org>\ncc: <sip:d@example.org>",
    );
    assert_eq!((wrapper.to.len(), wrapper.cc.len()), (2, 2));
}

// M3862-3.5-01 M3862-3.5-02 M4975-13-15
#[test]
fn what_is_required_and_not_known_refuses_the_message() {
    let required = |value: &str| fault(&format!("NS: m <urn:example:m>\nRequire: {value}\nm.Vital: 1"));
    for (value, unknown) in [
        ("m.Vital", "m.Vital"),
        ("From,To, m.MustSing", "m.MustSing"),
        ("from", "from"),
        ("x.From", "x.From"),
        ("", ""),
    ] {
        assert_eq!(required(value), CpimError::Requires(unknown.to_owned()));
        assert_eq!(required(value).status(), StatusCode::UNSUPPORTED_MEDIA);
    }
    let known =
        "NS: c <urn:ietf:params:cpim-headers:>\nRequire: From, To,cc,c.DateTime,Subject,NS,Require\nSubject: yes";
    assert_eq!(wrapper(known).subject.as_deref(), Some("yes"));
}

// M4975-13-11 M3862-3.4-03
#[test]
fn headers_are_known_by_their_namespace_and_not_by_their_prefix() {
    let wrapper = wrapper(
        "late.Subject: undeclared\nNS: late <urn:ietf:params:cpim-headers:>\nlate.From: <sip:erin@example.net>\n\
         NS: <urn:example:other>\nFrom: no address, and no From of ours\nlate.To: <sip:bob@example.org>",
    );
    let (from, to) = (Some(Party::new("sip:erin@example.net")), vec![Party::new("sip:bob@example.org")]);
    assert_eq!(wrapper, Wrapper { from, to, ..Wrapper::default() });
}

// M3862-2.2-03 M3862-2.2-05
#[test]
fn a_line_is_as_long_as_it_is_and_in_utf_8() {
    let subject = "ü—雨 ".repeat(900);
    assert_eq!(wrapper(&format!("Subject: {subject}")).subject.as_deref(), Some(subject.trim()));
    let latin = [&b"Subject: caf\xe9\r\n\r\n"[..], b"Content-Type: text/plain\r\n\r\n"].concat();
    assert_eq!(open(&latin), Err(CpimError::NotUtf8(1)));
}

#[test]
fn what_is_no_envelope_has_a_name_and_a_status() {
    for (headers, why) in [
        ("From: sip:erin@example.net", CpimError::NotAParty("From")),
        ("To: Bob <bob>", CpimError::NotAParty("To")),
        ("cc: \"Bob <sip:bob@example.org>", CpimError::NotAParty("cc")),
        ("NS: x", CpimError::BadNamespace),
        ("no header", CpimError::NotAHeader(1)),
        ("To: <sip:bob@example.org>\n folded", CpimError::NotAHeader(2)),
        ("a.b.c: x", CpimError::NotAHeader(1)),
        ("Subject: a\u{7}b", CpimError::Control(1)),
        ("Content-Type: text/plain\ncontent-type: text/html", CpimError::Repeated("Content-Type")),
        ("Content-Type: text", CpimError::NoContentType),
    ] {
        assert_eq!(fault(headers), why, "{headers}");
        assert_eq!(why.status(), StatusCode::BAD_REQUEST);
    }
    let encoded = "Content-Type: text/plain\nContent-Transfer-Encoding: BASE64\n\naGk=";
    assert_eq!(open(&wire(encoded)), Err(CpimError::Encoded("BASE64".to_owned())));
    assert_eq!(open(&wire("To: <sip:b@example.org>\n\nContent-ID: <x@y>\n\nhi")), Err(CpimError::NoContentType));
    let lines = "a: b\n".repeat(CPIM_LINES + 1);
    assert_eq!(open(&wire(&lines)), Err(CpimError::TooManyLines));
    assert_eq!(open(&vec![b'a'; CPIM_HEAD_OCTETS]), Err(CpimError::HeadTooLong));
    assert_eq!(open(&vec![b'a'; CPIM_HEAD_OCTETS - 1]), Ok(None));
}

#[test]
fn a_date_that_is_none_is_left_where_it_came() {
    assert_eq!(wrapper("DateTime: yesterday\nSubject: x").sent, None);
}

// M3862-2.2-02 M3862-2.2-04 M3862-2.2-06 M3862-2.2-08 M3862-2.4-01 M4975-13-12 M3862-4.1-01
#[test]
fn an_envelope_of_ours_is_written_to_the_letter() {
    let wrapper = Wrapper {
        from: Some(party("Erin", "sip:erin@example.net")),
        to: vec![party("Bob \"7\"", "sip:bob@example.org"), party("Ünal R. Öz", "sip:o z@example.org")],
        cc: Vec::new(),
        sent: Some("2026-11-22T23:30:00.000Z".to_owned()),
        subject: Some(" two\nlines ".to_owned()),
        language: Some("en".to_owned()),
        imdn: None,
    };
    let enclosed = Enclosed {
        media_type: "audio/wav".to_owned(),
        disposition: Some("attachment; filename=\"a.wav\"".to_owned()),
        content_id: Some("c1@example.net".to_owned()),
    };
    let expected = "From: Erin <sip:erin@example.net>\nTo: \"Bob \\\"7\\\"\"<sip:bob@example.org>\n\
         To: Ünal R. Öz <sip:o%20z@example.org>\nDateTime: 2026-11-22T23:30:00.000Z\nSubject:;lang=en  two\\nlines\n\n\
         Content-Type: audio/wav\nContent-Disposition: attachment; filename=\"a.wav\"\nContent-ID: <c1@example.net>\n\n";
    assert_eq!(
        String::from_utf8(print(&wrapper, &enclosed)).expect("UTF-8"),
        expected.replace(";lang=en  ", ";lang=en ").replace('\n', "\r\n")
    );
}

fn parties(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Party>> {
    let name = any::<Option<String>>()
        .prop_map(|name| name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
    let one = (name, "sip:[a-z]{1,9}@example\\.(org|net)").prop_map(|(name, uri)| Party { name, uri });
    prop::collection::vec(one, count)
}

fn wrappers() -> impl Strategy<Value = Wrapper> {
    let subject =
        any::<String>().prop_map(|subject| Some(subject.trim().to_owned()).filter(|subject| !subject.is_empty()));
    (parties(1..2), parties(1..4), parties(0..3), subject, any::<bool>()).prop_map(
        |(mut from, to, cc, subject, tagged)| {
            let language = subject.as_ref().filter(|_| tagged).map(|_| "pt-BR".to_owned());
            let sent = Some("2026-11-22T23:30:00Z".to_owned());
            Wrapper { from: from.pop(), to, cc, sent, subject, language, imdn: None }
        },
    )
}

proptest! {
    // M3862-2.2-07 M3862-2.2-02 M3862-2.2-08
    #[test]
    fn an_envelope_of_ours_opens_to_what_was_put_in_and_every_cut_of_it_asks_for_more(
        wrapper in wrappers(),
        content in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let media_type = "application/x-thing; a=\"b c\"".to_owned();
        let enclosed = Enclosed { media_type: media_type.clone(), disposition: Some("render".to_owned()), content_id: None };
        let head = print(&wrapper, &enclosed);
        let message = [&head[..], &content].concat();
        let expected = Content {
            offset: head.len() as u64, media_type, disposition: Some("render".to_owned()), content_id: None, wrappers: vec![wrapper],
        };
        prop_assert_eq!(open(&message), Ok(Some(expected)));
        prop_assert_eq!(open(&message[..cut.index(head.len())]), Ok(None));
        let text = std::str::from_utf8(&head).expect("UTF-8");
        for line in text.split("\r\n") {
            prop_assert!(!line.bytes().any(|octet| octet.is_ascii_control()), "{:?}", line);
            prop_assert_eq!(line.trim_matches(' '), line);
            prop_assert!(line.is_empty() || line.split_once(": ").is_some() || line.starts_with("Subject:;lang=pt-BR "));
        }
    }

    #[test]
    fn no_octets_make_it_stumble(octets in prop::collection::vec(any::<u8>(), 0..300), lines in "([A-Za-z.:;<>\" \\\\\r]{0,20}\n){0,12}") {
        let _ = open(&octets);
        let _ = open(lines.as_bytes());
    }
}

// M5438-6.1-01 M5438-6.3-02 M5438-6.4-03 M5438-7.1.1.3-02
#[test]
fn what_a_message_asks_to_be_told_is_read_under_any_prefix_and_what_is_strange_asks_for_nothing() {
    let asked = |headers: &str| wrapper(headers).imdn;
    let imdn = asked(
        "NS: n <urn:ietf:params:imdn>\nn.Message-ID: 34jk324j\nn.Disposition-Notification: negative-delivery, processing, future\n\
         n.Original-To: List <sip:list@example.org>\nn.Original-To: <sip:other@example.org>\n\
         n.IMDN-Record-Route: <sip:first@example.net>\nn.IMDN-Record-Route: \"B\"<sip:second@example.net>\nn.Future: x",
    );
    let wants = vec![Disposition::NegativeDelivery, Disposition::Processing];
    let expected = Imdn {
        message_id: "34jk324j".to_owned(),
        wants,
        original_to: Some("sip:list@example.org".to_owned()),
        record_route: vec!["sip:first@example.net".to_owned(), "sip:second@example.net".to_owned()],
        ..Imdn::default()
    };
    assert_eq!(imdn, Some(expected.clone()));
    assert_eq!(asked("imdn.Message-ID: x\nSubject: y"), None, "the prefix was not declared");
    assert_eq!(asked("NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: a b\nimdn.Other: x"), None);
    let nothing = asked("NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: x\nimdn.Disposition-Notification: ");
    assert_eq!(nothing.map(|imdn| imdn.wants), Some(Vec::new()));
    // M5438-10-01: as it is written it is read again.
    let written = Wrapper { imdn: Some(expected), ..wrapper("From: <sip:a@b>") };
    let enclosed = Enclosed { media_type: "text/plain".to_owned(), disposition: None, content_id: None };
    let text = print(&written, &enclosed);
    assert!(
        String::from_utf8_lossy(&text).contains("\r\nimdn.Disposition-Notification: negative-delivery, processing\r\n")
    );
    let read = open(&text).expect("a head").expect("a whole one");
    assert_eq!(read.wrappers, [written]);
}
