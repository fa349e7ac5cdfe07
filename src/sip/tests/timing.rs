//! What goes out when, to the millisecond.

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds};
use crate::sip::{Body, CallKey, Command, Config, EndReason, Event, Input, Place, Refusal, Transport};

const SECS: fn(u64) -> Duration = Duration::from_secs;

/// When messages of this kind were sent.
fn times(sent: &[(u128, String)], kind: &str) -> Vec<u128> {
    sent.iter().filter(|(_, text)| kinds(std::slice::from_ref(text)) == [kind]).map(|(at, _)| *at).collect()
}

fn hand() -> Hand {
    Hand::new(Config::default())
}

fn call_out(hand: &mut Hand) -> String {
    let sent = hand.command(Command::Invite {
        call: CallKey(1),
        target: "sip:box@192.0.2.9".to_owned(),
        from: "sip:us@example.net".to_owned(),
        to: "sip:box@example.com".to_owned(),
        route: None,
        places: vec![Place { transport: Transport::Udp, remote: "192.0.2.9:5060".parse().expect("an address") }],
        body: Some(Body::new("application/sdp", "offer")),
        headers: Vec::new(),
    });
    sent.into_iter().next().expect("an INVITE")
}

/// A response to a request of ours.
fn response(request: &str, status: &str, to_tag: &str, extra: &[&str]) -> String {
    let get = |name| field(request, name).expect(name);
    let extra: String = extra.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag={to_tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: 0\r\n\r\n",
        get("Via"),
        get("From"),
        get("To"),
        get("Call-ID"),
        get("CSeq")
    )
}

#[test]
fn an_invite_nobody_answers_is_resent_seven_times_and_given_up_as_408() {
    // M3261-17.1.1.2-01, M3261-8.1.3.1-01
    let mut hand = hand();
    call_out(&mut hand);
    let sent = hand.pass(SECS(40));
    assert_eq!(times(&sent, "INVITE"), [500, 1500, 3500, 7500, 15500, 31500]);
    assert!(matches!(
        hand.events[..],
        [
            Event::Refused { refusal: Refusal { status: 408, .. }, .. },
            Event::Ended { why: EndReason::Refused(408), .. }
        ]
    ));
    assert_eq!((hand.endpoint.calls(), hand.endpoint.transactions()), (0, 0));
}

#[test]
fn a_cancel_waits_for_a_provisional_and_repeats_the_invites_place() {
    // M3261-9.1-02, M3261-9.1-03, M3261-9.1-04
    let mut hand = hand();
    let invite = call_out(&mut hand);
    assert!(hand.command(Command::Cancel { call: CallKey(1) }).is_empty());
    let sent = hand.udp(&response(&invite, "100 Trying", "x", &[]));
    assert_eq!(kinds(&sent), ["CANCEL"]);
    for name in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(field(&sent[0], name), field(&invite, name));
    }
    assert_eq!(field(&sent[0], "CSeq"), Some("1 CANCEL"));
    assert_eq!(field(&sent[0], "Require"), None);
    // RFC 3261 §9.1: a peer that answers neither is given up after 64*T1.
    hand.pass(SECS(33));
    assert!(matches!(
        hand.events[..],
        [Event::Refused { refusal: Refusal { status: 487, .. }, .. }, Event::Ended { why: EndReason::Cancelled, .. }]
    ));
}

#[test]
fn another_forks_2xx_gets_ack_and_bye_and_a_copy_only_ack() {
    // M3261-13.2.2.4-01, M3261-13.2.2.4-04, M6026-7.2-01, M6026-7.2-02
    let mut hand = hand();
    let invite = call_out(&mut hand);
    let ok = |tag| response(&invite, "200 OK", tag, &["Contact: <sip:box@192.0.2.9>"]);
    assert_eq!(kinds(&hand.udp(&ok("one"))), ["ACK"]);
    assert_eq!(kinds(&hand.udp(&ok("one"))), ["ACK"]);
    hand.at(SECS(20));
    let sent = hand.udp(&ok("two"));
    assert_eq!(kinds(&sent), ["ACK", "BYE"]);
    assert!(sent.iter().all(|text| field(text, "To").is_some_and(|to| to.ends_with(";tag=two"))));
    assert_eq!(hand.endpoint.calls(), 1);
}

#[test]
fn a_fork_that_answers_without_tag_makes_a_call_too() {
    // M3261-12.1.2-02
    let mut hand = hand();
    let invite = call_out(&mut hand);
    let ok = response(&invite, "200 OK", "one", &["Contact: <sip:box@192.0.2.9>"]).replace(";tag=one", "");
    assert_eq!(kinds(&hand.udp(&ok)), ["ACK"]);
    assert!(matches!(hand.events[..], [Event::Answered { .. }]));
}

#[test]
fn a_failed_transport_ends_the_invite_as_503() {
    // M3261-8.1.3.1-02
    let mut hand = hand();
    call_out(&mut hand);
    let remote = "192.0.2.9:5060".parse().expect("an address");
    hand.input(Input::TransportFailed { flow: None, transport: Transport::Udp, remote });
    assert!(matches!(
        hand.events[..],
        [Event::Refused { refusal: Refusal { status: 503, .. }, .. }, Event::Ended { .. }]
    ));
}

#[test]
fn a_lost_connection_answers_the_info_on_it_with_503_and_the_next_one_opens_another() {
    let mut hand = hand();
    hand.tcp(&fresh("INVITE", 1, &[], ""));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: None });
    hand.tcp(&inside("ACK", 1, &tag, &[], ""));
    hand.events.clear();
    let info = |token| Command::Info { call, token, body: Body::new("text/xml", "<a/>") };
    hand.command(info(1));
    hand.input(Input::FlowClosed(super::hand::tcp()));
    assert_eq!(hand.events, [Event::InfoAnswered { call, token: 1, status: 503, body: None }]);
    assert_eq!(kinds(&hand.command(info(2))), ["INFO"]);
    assert_eq!(hand.to.map(|to| to.to_string()).as_deref(), Some("192.0.2.9:5070"), "the Contact, not the old port");
}

#[test]
fn after_491_the_owner_of_the_call_id_waits_2_to_4_seconds_whatever_else_goes_on() {
    // M3261-14.1-03
    let mut hand = hand();
    let invite = call_out(&mut hand);
    hand.udp(&response(&invite, "200 OK", "one", &["Contact: <sip:box@192.0.2.9>"]));
    let call = CallKey(1);
    let offer = || Body::new("application/sdp", "again");
    let sent = hand.command(Command::Reinvite { call, body: offer() });
    assert_eq!(kinds(&hand.udp(&again(&sent[0], "491 Request Pending"))), ["ACK"]);
    let sent = hand.command(Command::Info { call, token: 1, body: Body::new("text/xml", "<a/>") });
    assert!(hand.udp(&again(&sent[0], "200 OK")).is_empty(), "the answer to another request frees nothing");
    let sent = hand.pass(SECS(4));
    let at = times(&sent, "INVITE")[0];
    assert!((2100..=4000).contains(&at), "{at}");
    assert_eq!(field(&sent[0].1, "CSeq"), Some("4 INVITE"));
}

/// A response to a request inside the dialog.
fn again(request: &str, status: &str) -> String {
    response(request, status, "one", &[]).replace(";tag=one;tag=one", ";tag=one")
}

#[test]
fn a_stray_response_is_dropped() {
    // M6026-8.9-01, M6026-7.2-04
    let mut hand = hand();
    let invite = call_out(&mut hand);
    let stray = response(&invite, "200 OK", "x", &[]).replace("z9hG4bK", "z9hG4bKx");
    assert!(hand.udp(&stray).is_empty() && hand.events.is_empty());
}

#[test]
fn an_invite_gets_100_after_200_ms_and_183_each_minute_until_it_is_given_up() {
    // M3261-17.2.1-01, M3261-13.3.1.1-01, M3261-8.2.6.1-01
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &["Timestamp: 54"], ""));
    let sent = hand.pass(SECS(181));
    assert_eq!((times(&sent, "100"), times(&sent, "183")), (vec![200], vec![60_000, 120_000]));
    assert_eq!(field(&sent[0].1, "Timestamp"), Some("54"));
    assert_eq!(field(&sent[0].1, "To"), Some("<sip:box@example.net>"), "100 has no tag");
    assert_eq!(times(&sent, "487")[0], 180_000);
    assert!(matches!(hand.events[1..], [Event::Cancelled { .. }, Event::Ended { why: EndReason::Cancelled, .. }]));
}

#[test]
fn an_invite_ends_with_its_expires() {
    // M3261-13.3.1-01
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &["Expires: 1"], ""));
    assert_eq!(times(&hand.pass(SECS(1)), "487"), [1000]);
}

// M6026-7.1-03
#[test]
fn a_2xx_is_repeated_on_any_transport_until_bye_replaces_its_ack() {
    // M3261-13.3.1.4-03, M3261-13.3.1.4-04, M6026-7.1-01, M6026-7.1-02, M6026-7.1-05, M3261-15-03
    for stream in [false, true] {
        let mut hand = hand();
        let invite = fresh("INVITE", 1, &[], "");
        let copy = |hand: &mut Hand| if stream { hand.tcp(&invite) } else { hand.udp(&invite) };
        copy(&mut hand);
        let Some(Event::Invited { call, .. }) = hand.events.pop() else { panic!("no call") };
        hand.command(Command::Accept { call, body: None });
        assert!(copy(&mut hand).is_empty(), "a copy of the INVITE is swallowed");
        let bye = Command::Bye { call, body: None, reason: None };
        assert!(hand.command(bye).is_empty(), "no BYE before the ACK");
        let sent = hand.pass(SECS(31));
        assert_eq!(times(&sent, "200"), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500]);
        let sent = hand.pass(SECS(2));
        assert_eq!(times(&sent, "BYE")[0], 32_000);
        hand.pass(SECS(40));
        assert_eq!(hand.events, [Event::Ended { call, why: EndReason::NoAck }]);
    }
}

#[test]
fn a_refusal_is_resent_until_its_ack_on_udp_alone() {
    // M3261-17.2.1-03
    let refuse = |call| Command::Refuse { call, status: 486, reason: None, retry_after: None, warning: None };
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &[], ""));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(refuse(call));
    assert_eq!(times(&hand.pass(SECS(8)), "486"), [500, 1500, 3500, 7500]);
    let ack = inside("ACK", 1, &tag, &[], "").replace("z9hG4bKACK1", "z9hG4bKINVITE1");
    hand.udp(&ack);
    assert!(hand.pass(SECS(60)).is_empty());
    hand.tcp(&fresh("INVITE", 2, &[], ""));
    let Some(Event::Invited { call, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(refuse(call));
    assert!(hand.pass(SECS(60)).is_empty());
    assert_eq!(hand.endpoint.transactions(), 0);
}

#[test]
fn an_info_is_answered_once_and_its_answer_repeated_and_it_gets_100_late() {
    // M3261-17.2.2-01, M4320-4.1-01, M4320-4.1-02, M4320-4.1-03
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &[], ""));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: None });
    hand.udp(&inside("ACK", 1, &tag, &[], ""));
    hand.events.clear();
    let info = inside("INFO", 2, &tag, &["Content-Type: application/msml+xml"], "<msml/>");
    hand.udp(&info);
    assert!(hand.udp(&info).is_empty(), "nothing to repeat yet");
    assert_eq!(times(&hand.pass(SECS(5)), "100"), [3500]);
    let [Event::Info { request, .. }] = hand.events[..] else { panic!("one INFO: {:?}", hand.events) };
    let answer = |status| Command::Answer { request, status, reason: None, body: None, headers: Vec::new() };
    assert!(hand.command(answer(180)).is_empty());
    assert_eq!(kinds(&hand.command(answer(200))), ["200"]);
    assert_eq!(kinds(&hand.udp(&info)), ["200"]);
    assert!(hand.command(answer(500)).is_empty(), "a second answer is none");
    hand.pass(SECS(40));
    assert_eq!(hand.endpoint.transactions(), 0);
}

#[test]
fn an_info_that_is_never_answered_is_forgotten_without_408() {
    // M4320-4.2-01
    let mut hand = hand();
    hand.udp(&fresh("OPTIONS", 1, &[], ""));
    let sent = hand.pass(SECS(100));
    assert_eq!((times(&sent, "100").len(), sent.len()), (1, 1));
    assert_eq!(hand.endpoint.transactions(), 0);
}

#[test]
fn a_481_to_our_info_ends_the_dialog_and_a_469_does_not() {
    // M3261-12.2.1.2-02, M6086-4.2.1-07
    for (status, lives) in [("469 Bad Info Package", true), ("481 Gone", false)] {
        let mut hand = hand();
        let invite = call_out(&mut hand);
        hand.udp(&response(&invite, "200 OK", "one", &["Contact: <sip:box@192.0.2.9>"]));
        let body = Body::new("application/msml+xml", "<msml/>");
        let sent = hand.command(Command::Info { call: CallKey(1), token: 1, body });
        hand.udp(&again(&sent[0], status));
        assert_eq!(hand.endpoint.calls(), usize::from(lives), "{status}");
        let ended = matches!(hand.events.last(), Some(Event::Ended { why: EndReason::Gone(481), .. }));
        assert_eq!(ended, !lives, "{status}");
    }
}
