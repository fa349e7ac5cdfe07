//! What a server refuses by itself, request by request.

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds};
use crate::sip::{Body, CallKey, Command, Config, EndReason, Event, Input};

pub(super) const SDP: &str = "Content-Type: application/sdp";

fn hand() -> Hand {
    Hand::new(Config::default())
}

/// Takes a call up to its ACK; returns the call and our tag.
pub(super) fn called(hand: &mut Hand) -> (CallKey, String) {
    hand.udp(&fresh("INVITE", 1, &[SDP], "offer"));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: Some(Body::new("application/sdp", "answer")) });
    hand.udp(&inside("ACK", 1, &tag, &[], ""));
    assert_eq!(hand.events.pop(), Some(Event::Acked { call, body: None }));
    (call, tag)
}

// M3261-9.2-01
#[test]
fn each_fault_of_a_request_outside_dialogs_has_its_status_and_its_remedy() {
    let table = [
        // M3261-8.2.1-01, M3261-21.4.6-01
        (fresh("PUBLISH", 1, &[], ""), "405", "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, SUBSCRIBE"),
        // M3261-21.5.2-01
        (fresh("FROBNICATE", 1, &[], ""), "501", "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, SUBSCRIBE"),
        // M3261-8.2.2.3-01, M3261-20.32-01, M3262-3-02
        (fresh("INVITE", 1, &["Require: 100rel", "Require: foo"], ""), "420", "Unsupported", "100rel, foo"),
        // M3261-8.2.3-02
        (fresh("INVITE", 1, &[SDP, "Content-Encoding: gzip"], "x"), "415", "Accept-Encoding", "identity"),
        // M3261-12.2.2-01, M6086-4.2.2-07, M3261-15.1.2-01, M3261-9.1-01
        (inside("INFO", 1, "unknown", &[], ""), "481", "CSeq", "1 INFO"),
        (fresh("INFO", 1, &[], ""), "481", "CSeq", "1 INFO"),
        (fresh("BYE", 1, &[], ""), "481", "CSeq", "1 BYE"),
        (fresh("UPDATE", 1, &[SDP], "offer"), "481", "CSeq", "1 UPDATE"),
        (fresh("CANCEL", 1, &[], ""), "481", "CSeq", "1 CANCEL"),
        // M6086-4.2.2-01
        (inside("INFO", 1, "unknown", &["Info-Package: nope"], ""), "469", "Recv-Info", ""),
    ];
    for (text, status, name, want) in table {
        let mut hand = hand();
        let sent = hand.udp(&text);
        assert_eq!(kinds(&sent), [status], "{text}");
        assert_eq!(field(&sent[0], name), Some(want), "{text}\n{}", sent[0]);
        assert!(hand.events.is_empty(), "{text}");
    }
}

#[test]
fn a_body_of_a_foreign_type_gets_415_with_the_list_unless_it_is_optional() {
    // M3261-8.2.3-01, M4475-3.3.6-01
    let mut hand = hand();
    let sent = hand.udp(&fresh("INVITE", 1, &["Content-Type: text/xyz"], "x"));
    assert_eq!(kinds(&sent), ["415"]);
    assert!(
        field(&sent[0], "Accept")
            .is_some_and(|list| list.contains("application/sdp") && list.contains("multipart/mixed"))
    );
    let optional = ["Content-Type: text/xyz", "Content-Disposition: icon;handling=optional"];
    hand.udp(&fresh("INVITE", 2, &optional, "x"));
    assert!(matches!(hand.events.pop(), Some(Event::Invited { .. })));
}

#[test]
fn an_accept_without_sdp_makes_an_invite_unanswerable() {
    // M4475-3.3.15-01
    assert_eq!(kinds(&hand().udp(&fresh("INVITE", 1, &["Accept: text/none"], ""))), ["406"]);
    assert!(hand().udp(&fresh("INVITE", 1, &["Accept: text/none, application/*;q=0.1"], "")).is_empty());
}

#[test]
fn a_merged_request_gets_482() {
    // M3261-8.2.2.2-01
    let mut hand = hand();
    let first = fresh("INVITE", 1, &[], "");
    assert!(hand.udp(&first).is_empty());
    assert_eq!(kinds(&hand.udp(&first.replace("z9hG4bKINVITE1", "z9hG4bKother"))), ["482"]);
    assert_eq!(hand.events.len(), 1);
}

#[test]
fn max_forwards_of_zero_is_served_for_we_forward_nothing() {
    // M4475-3.3.11-01
    let mut hand = hand();
    hand.udp(&fresh("OPTIONS", 1, &[], "").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert!(matches!(hand.events.pop(), Some(Event::Options { .. })));
}

#[test]
fn a_lower_cseq_gets_500_and_a_gap_is_fine() {
    // M3261-12.2.2-02, M3261-12.2.2-03, M6086-4.4-01
    let mut hand = hand();
    let (_, tag) = called(&mut hand);
    hand.udp(&inside("INFO", 9, &tag, &[], ""));
    assert!(matches!(hand.events.pop(), Some(Event::Info { body: None, .. })));
    assert_eq!(kinds(&hand.udp(&inside("INFO", 8, &tag, &[], ""))), ["500"]);
    assert!(hand.events.is_empty());
}

#[test]
fn a_stranger_with_our_tag_but_not_the_peers_is_outside_the_dialog() {
    let mut hand = hand();
    let (_, tag) = called(&mut hand);
    let sent = hand.udp(&inside("BYE", 5, &tag, &[], "").replace("tag=c4r0l", "tag=mallory"));
    assert_eq!(kinds(&sent), ["481"]);
    assert_eq!(hand.endpoint.calls(), 1);
}

#[test]
fn an_overlapping_reinvite_gets_500_and_one_that_meets_ours_491() {
    // M3261-14.2-01, M3261-14.2-02
    let mut hand = hand();
    let (call, tag) = called(&mut hand);
    hand.udp(&inside("INVITE", 2, &tag, &[SDP], "offer"));
    let sent = hand.udp(&inside("INVITE", 3, &tag, &[SDP], "offer"));
    assert_eq!(kinds(&sent), ["500"]);
    let secs: u32 = field(&sent[0], "Retry-After").and_then(|secs| secs.parse().ok()).expect("Retry-After");
    assert!(secs <= 10);
    hand.command(Command::Refuse { call, status: 488, reason: None, retry_after: None, warning: None });
    hand.command(Command::Reinvite { call, body: Body::new("application/sdp", "ours") });
    assert_eq!(kinds(&hand.udp(&inside("INVITE", 4, &tag, &[SDP], "offer"))), ["491"]);
    assert_eq!(hand.endpoint.calls(), 1, "M3261-14.1-02: the dialog lives");
}

#[test]
fn a_bye_gets_200_and_what_still_waits_487() {
    // M3261-15.1.2-02, M3261-15.1.2-03
    let mut hand = hand();
    let (call, tag) = called(&mut hand);
    hand.udp(&inside("INVITE", 2, &tag, &[SDP], "offer"));
    hand.udp(&inside("INFO", 3, &tag, &[], ""));
    hand.events.clear();
    let sent = hand.udp(&inside("BYE", 4, &tag, &[], ""));
    assert_eq!(kinds(&sent), ["200", "487", "487"]);
    let why = EndReason::ByeReceived;
    assert_eq!(hand.events, [Event::Bye { call, body: None }, Event::Ended { call, why }]);
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    // M3261-9.2-02
    let mut hand = hand();
    let cancel = fresh("CANCEL", 1, &[], "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1");
    let (_, tag) = called(&mut hand);
    let sent = hand.udp(&cancel);
    assert_eq!(kinds(&sent), ["200"]);
    assert_eq!(hand.endpoint.calls(), 1, "{tag}");
}

#[test]
fn a_cancel_gets_200_and_its_invite_487_with_one_tag() {
    // M3261-9.2-02, M3261-8.2.6.2-02
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &[], ""));
    let sent = hand.udp(&fresh("CANCEL", 1, &["Require: foo"], "").replace("z9hG4bKCANCEL1", "z9hG4bKINVITE1"));
    assert_eq!(kinds(&sent), ["200", "487"]);
    assert_eq!(field(&sent[0], "To"), field(&sent[1], "To"));
    assert!(matches!(hand.events[..], [Event::Invited { .. }, Event::Cancelled { .. }, Event::Ended { .. }]));
}

#[test]
fn draining_and_a_full_house_refuse_new_calls_with_retry_after() {
    let mut draining = hand();
    draining.command(Command::Drain { retry_after: 30 });
    let sent = draining.udp(&fresh("INVITE", 1, &[], ""));
    assert_eq!((kinds(&sent), field(&sent[0], "Retry-After")), (vec!["503"], Some("30")));
    // M3261-11.2-01
    assert_eq!(kinds(&draining.udp(&fresh("OPTIONS", 2, &[], ""))), ["503"]);
    for config in [Config { calls_max: 0, ..Config::default() }, Config { transactions_max: 0, ..Config::default() }] {
        let sent = Hand::new(config).udp(&fresh("INVITE", 1, &[], ""));
        assert_eq!((kinds(&sent), field(&sent[0], "Retry-After")), (vec!["503"], Some("10")));
    }
}

#[test]
fn who_is_too_busy_for_new_calls_serves_those_that_stand() {
    let mut busy = hand();
    let (_, tag) = called(&mut busy);
    busy.udp(&fresh("INVITE", 2, &[SDP], "offer"));
    busy.input(Input::Busy(true));
    // RFC 3261 §21.5.4
    let sent = busy.udp(&fresh("INVITE", 3, &[SDP], "offer"));
    assert_eq!((kinds(&sent), field(&sent[0], "Retry-After")), (vec!["503"], Some("10")));
    let again = busy.udp(&fresh("INVITE", 3, &[SDP], "offer"));
    assert_eq!(field(&sent[0], "To"), field(&again[0], "To"), "RFC 3261 §8.2.7");
    let other = busy.udp(&fresh("OPTIONS", 4, &[], ""));
    assert_eq!(kinds(&other), ["503"]);
    assert_ne!(field(&sent[0], "To"), field(&other[0], "To"));
    assert_eq!((busy.endpoint.calls(), busy.endpoint.transactions()), (2, 2), "nothing is kept of what was refused");
    assert_eq!(
        kinds(&busy.udp(&fresh("INVITE", 2, &[SDP], "offer"))),
        [""; 0],
        "a copy of what was taken is no new call"
    );
    busy.udp(&inside("INFO", 5, &tag, &["Content-Type: application/msml+xml"], "<msml/>"));
    assert!(matches!(busy.events.last(), Some(Event::Info { .. })), "{:?}", busy.events);
    assert_eq!(kinds(&busy.udp(&inside("BYE", 6, &tag, &[], ""))), ["200", "487"], "and the INFO has its end");
    busy.input(Input::Busy(false));
    busy.udp(&fresh("INVITE", 7, &[SDP], "offer"));
    assert_eq!(busy.endpoint.calls(), 2);
}

#[test]
fn responses_copy_what_they_must_and_go_where_rport_says() {
    // M3261-8.2.6.2-01, M3581-4-01, M3581-4-02, M3581-4-03, M3261-12.1.1-01, M3261-12.1.1-02, M3261-13.3.1.4-01
    let mut hand = hand();
    let route = [
        "Via: SIP/2.0/TCP far.example.com;branch=z9hG4bKfar",
        "Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>",
    ];
    hand.udp(&fresh("INVITE", 1, &route, ""));
    let Some(Event::Invited { call, tag, invite }) = hand.events.pop() else { panic!("no call") };
    assert_eq!((invite.request_uri.as_str(), invite.uri_user.as_str()), ("sip:box@192.0.2.2", "box"));
    assert_eq!((invite.from.as_str(), invite.to.as_str()), ("sip:carol@example.com", "sip:box@example.net"));
    let sent = hand.command(Command::Accept { call, body: None });
    let vias: Vec<_> = sent[0].split("\r\n").filter(|line| line.starts_with("Via:")).collect();
    let top = "Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKINVITE1;received=192.0.2.9;rport=4444";
    assert_eq!(vias, [top, "Via: SIP/2.0/TCP far.example.com;branch=z9hG4bKfar"]);
    assert_eq!(hand.to.map(|to| to.to_string()).as_deref(), Some("192.0.2.9:4444"));
    assert_eq!(field(&sent[0], "To"), Some(format!("<sip:box@example.net>;tag={tag}").as_str()));
    let routes: Vec<_> = sent[0].split("\r\n").filter_map(|line| line.strip_prefix("Record-Route: ")).collect();
    assert_eq!(routes, ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]);
    assert_eq!(field(&sent[0], "Contact"), Some("<sip:restante@192.0.2.2:5060>"));
    assert!(field(&sent[0], "Allow").is_some() && field(&sent[0], "Supported").is_some());
}

#[test]
fn requests_in_a_dialog_follow_its_routes_and_its_freshest_target() {
    // M3261-12.1.1-03, M3261-12.2.2-04, M3261-12.2.1.1-03
    let bye = |route: &str| {
        let mut hand = hand();
        hand.udp(&fresh("INVITE", 1, &[&format!("Record-Route: {route}")], ""));
        let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
        hand.command(Command::Accept { call, body: Some(Body::new("application/sdp", "offer")) });
        hand.udp(&inside("ACK", 1, &tag, &[SDP], "answer"));
        let fresh = inside("INVITE", 2, &tag, &[SDP], "offer").replace("carol@192.0.2.9:5070", "carol@192.0.2.77");
        hand.udp(&fresh);
        hand.command(Command::Accept { call, body: None });
        hand.udp(&inside("ACK", 2, &tag, &[], ""));
        let sent = hand.command(Command::Bye { call, body: None, reason: None });
        let route = field(&sent[0], "Route").map(str::to_owned);
        (sent[0].split("\r\n").next().map(str::to_owned), route, hand.to.map(|to| to.to_string()))
    };
    let owned = |text: &str| Some(text.to_owned());
    let loose = bye("<sip:192.0.2.50:5090;lr>");
    assert_eq!(
        loose,
        (owned("BYE sip:carol@192.0.2.77 SIP/2.0"), owned("<sip:192.0.2.50:5090;lr>"), owned("192.0.2.50:5090"))
    );
    let strict = bye("<sip:192.0.2.50:5090>");
    assert_eq!(
        strict,
        (owned("BYE sip:192.0.2.50:5090 SIP/2.0"), owned("<sip:carol@192.0.2.77>"), owned("192.0.2.50:5090"))
    );
}

#[test]
fn a_caller_of_rfc_2543_without_tag_branch_and_contact_is_served() {
    // M3261-12.1.1-04, M4475-3.4.1-01, M3261-17.2.3-01, M6026-6-03
    let old = |method: &str, to: &str| {
        format!(
            "{method} sip:box@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP old.example.com\r\nFrom: <sip:o@192.0.2.9>\r\n\
             To: <sip:box@example.net>{to}\r\nCall-ID: old@example.com\r\nCSeq: 5 {method}\r\n\r\n"
        )
    };
    let mut hand = hand();
    hand.udp(&old("INVITE", ""));
    assert!(hand.udp(&old("INVITE", "")).is_empty(), "a copy is no second call");
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: Some(Body::new("application/sdp", "offer")) });
    hand.udp(&old("ACK", &format!(";tag={tag}")));
    assert_eq!(hand.events.pop(), Some(Event::Acked { call, body: None }));
    assert!(hand.pass(Duration::from_secs(3)).is_empty(), "the 2xx is not repeated any more");
    let sent = hand.command(Command::Bye { call, body: None, reason: None });
    assert!(sent[0].starts_with("BYE sip:o@192.0.2.9 SIP/2.0\r\n"), "{}", sent[0]);
}

#[test]
fn a_reply_over_a_stream_names_the_senders_own_port_for_a_new_connection() {
    // M3261-18.2.2-01
    let mut hand = hand();
    let sent = hand.tcp(&fresh("BYE", 1, &[], "").replace("UDP", "TCP"));
    assert_eq!(kinds(&sent), ["481"]);
    assert_eq!(hand.to.map(|to| to.to_string()).as_deref(), Some("192.0.2.9:5070"));
}
