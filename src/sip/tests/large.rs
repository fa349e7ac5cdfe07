//! Requests that are too large for a datagram (RFC 3261 §18.1.1).

use std::net::SocketAddr;
use std::time::Duration;

use super::hand::{Hand, field, kinds, tcp};
use super::outgoing::{CALL, call_out, places, refusal, response};
use crate::sip::{Body, Command, Config, Event, Flow, Input, Transport};

fn peer() -> SocketAddr {
    places()[0].remote
}

/// A call to a peer that is named by its address, with an offer of so many octets, or none.
fn call(hand: &mut Hand, call: u64, octets: usize) -> String {
    let sent = hand.command(Command::Invite {
        call: crate::sip::CallKey(call),
        target: "sip:box@192.0.2.9".to_owned(),
        from: "sip:us@example.net".to_owned(),
        to: "sip:box@example.com".to_owned(),
        route: None,
        places: vec![places()[0]],
        body: Some("o".repeat(octets))
            .filter(|offer| !offer.is_empty())
            .map(|offer| Body::new("application/sdp", offer)),
        headers: Vec::new(),
    });
    sent.into_iter().next().expect("an INVITE")
}

fn info(octets: usize) -> Command {
    Command::Info { call: CALL, token: 1, body: Body::new("application/msml+xml", "x".repeat(octets)) }
}

fn refuses_tcp(hand: &mut Hand) -> Vec<String> {
    hand.input(Input::Unconnected { transport: Transport::Tcp, remote: peer(), refused: true })
}

fn by(text: &str) -> &str {
    field(text, "Via").and_then(|via| via.strip_prefix("SIP/2.0/")?.get(..3)).expect("a Via")
}

// M3261-18.1.1-01 M6086-8.3-01
#[test]
fn a_request_too_large_for_a_datagram_leaves_by_tcp_unless_that_is_configured_otherwise() {
    for (large_by_tcp, want) in [(false, "UDP"), (true, "TCP")] {
        let mut hand = Hand::new(Config { large_by_tcp, ..Config::default() });
        let invite = call_out(&mut hand, places());
        assert_eq!(by(&invite), "UDP");
        hand.udp(&response(&invite, "200 OK", &[]));
        let sent = hand.command(info(2000));
        assert_eq!((by(&sent[0]), hand.to), (want, Some(peer())));
        // What comes after it is a datagram again.
        hand.udp(&response(&sent[0], "200 OK", &[]));
        assert_eq!(by(&hand.command(info(20))[0]), "UDP");
        assert_eq!(by(&call(&mut Hand::new(Config { large_by_tcp, ..Config::default() }), 1, 1300)), want);
    }
}

// M3261-18.1.1-01
#[test]
fn a_peer_without_tcp_gets_a_datagram_all_the_same_and_is_not_dialled_again_for_an_hour() {
    let mut hand = Hand::new(Config::default());
    let invite = call(&mut hand, 1, 1500);
    let again = refuses_tcp(&mut hand);
    assert_eq!((kinds(&again), by(&again[0])), (vec!["INVITE"], "UDP"));
    for name in ["Call-ID", "CSeq", "From", "To", "Contact", "Content-Length"] {
        assert_eq!(field(&again[0], name), field(&invite, name), "{name}");
    }
    assert_ne!(field(&again[0], "Via"), field(&invite, "Via"));
    // It is a datagram like any other: resent, cancelled by its own branch, answered.
    assert_eq!(hand.pass(Duration::from_millis(500)).len(), 1);
    hand.udp(&response(&again[0], "180 Ringing", &[]));
    let cancel = hand.command(Command::Cancel { call: CALL });
    assert_eq!((kinds(&cancel), field(&cancel[0], "Via")), (vec!["CANCEL"], field(&again[0], "Via")));
    assert_eq!(kinds(&hand.udp(&response(&again[0], "487 Request Terminated", &[]))), ["ACK"]);
    assert!(hand.udp(&response(&invite, "200 OK", &[])).is_empty(), "of the first nobody knows any more");

    assert_eq!(by(&call(&mut hand, 2, 1500)), "UDP");
    hand.pass(Duration::from_secs(3600));
    assert_eq!(by(&call(&mut hand, 3, 1500)), "TCP");
}

#[test]
fn an_info_that_is_too_large_reaches_a_caller_by_udp_who_has_no_tcp() {
    let mut hand = Hand::new(Config::default());
    let (call, _) = super::refusals::called(&mut hand);
    let info = |token| Command::Info { call, token, body: Body::new("application/msml+xml", "x".repeat(1500)) };
    assert_eq!(by(&hand.command(info(1))[0]), "TCP");
    let remote = hand.to.expect("a peer");
    let sent = hand.input(Input::Unconnected { transport: Transport::Tcp, remote, refused: true });
    assert_eq!((kinds(&sent), by(&sent[0]), hand.to), (vec!["INFO"], "UDP", Some(remote)));
    hand.udp(&response(&sent[0], "200 OK", &[]));
    assert!(matches!(hand.events.last(), Some(Event::InfoAnswered { token: 1, status: 200, .. })));
    assert_eq!(by(&hand.command(info(2))[0]), "UDP");
}

#[test]
fn who_takes_the_connection_and_answers_there_is_not_asked_again_by_udp() {
    let mut hand = Hand::new(Config::default());
    let invite = call(&mut hand, 1, 1500);
    hand.tcp(&response(&invite, "100 Trying", &[]));
    assert!(refuses_tcp(&mut hand).is_empty());
    assert_eq!(refusal(&hand).map(|refusal| (refusal.status, refusal.silent)), Some((503, true)));
}

// M3261-18.1.1-01
#[test]
fn a_connection_that_takes_no_more_and_one_that_cannot_be_made_here_do_not_tell_that_a_peer_has_no_tcp() {
    let mut hand = Hand::new(Config::default());
    call(&mut hand, 1, 1500);
    let full = Input::TransportFailed { flow: None, transport: Transport::Tcp, remote: peer() };
    assert!(hand.input(full).is_empty());
    assert_eq!(refusal(&hand).map(|refusal| (refusal.status, refusal.silent)), Some((503, true)));
    assert_eq!(by(&call(&mut hand, 2, 1500)), "TCP");
    // What has not left at all goes the other way, once.
    let no_descriptors = Input::Unconnected { transport: Transport::Tcp, remote: peer(), refused: false };
    let sent = hand.input(no_descriptors);
    assert_eq!((kinds(&sent), by(&sent[0])), (vec!["INVITE"], "UDP"));
    assert_eq!(by(&call(&mut hand, 3, 1500)), "TCP");
}

// M3261-18.1.1-01
#[test]
fn an_invite_that_has_left_on_a_connection_is_not_sent_again_by_udp_when_that_closes() {
    for heard in [false, true] {
        let mut hand = Hand::new(Config::default());
        call(&mut hand, 1, 1500);
        let flow = Flow { remote: peer(), ..tcp() };
        if heard {
            hand.input(Input::Octets { flow, octets: bytes::Bytes::from_static(b"\r\n") });
        }
        assert!(
            hand.input(Input::FlowClosed(flow)).is_empty(),
            "a copy under another branch would be a merged request"
        );
        assert_eq!(refusal(&hand).map(|refusal| (refusal.status, refusal.silent)), Some((503, true)));
        assert_eq!(by(&call(&mut hand, 2, 1500)), "TCP");
    }
}

// M3261-18.1.1-01 M3261-13.2.2.4-01
#[test]
fn an_ack_with_an_answer_too_large_for_a_datagram_leaves_by_tcp_and_each_copy_of_the_2xx_gets_it_again() {
    for has_tcp in [true, false] {
        let mut hand = Hand::new(Config::default());
        let invite = call(&mut hand, 1, 0);
        let ok = response(&invite, "200 OK", &[]);
        assert!(hand.udp(&ok).is_empty(), "the owner owes the answer to the offer in it");
        let body = Some(Body::new("application/sdp", "a".repeat(1500)));
        let sent = hand.command(Command::Ack { call: CALL, body });
        assert_eq!((kinds(&sent), by(&sent[0]), hand.to), (vec!["ACK"], "TCP", Some(peer())));
        let last = if has_tcp { sent } else { refuses_tcp(&mut hand) };
        assert_eq!((kinds(&last), by(&last[0])), (vec!["ACK"], if has_tcp { "TCP" } else { "UDP" }));
        assert_eq!(hand.udp(&ok), last);
    }
}

// RFC 3428 section 8
#[test]
fn a_message_too_large_for_a_datagram_is_never_one_and_fails_where_there_is_no_tcp() {
    for large_by_tcp in [true, false] {
        let mut hand = Hand::new(Config { large_by_tcp, ..Config::default() });
        for _ in 0..2 {
            let sent = hand.command(Command::Message {
                token: 7,
                target: "sip:alice@192.0.2.9".to_owned(),
                from: "sip:store@example.com".to_owned(),
                to: "sip:alice@192.0.2.9".to_owned(),
                route: None,
                places: vec![places()[0]],
                body: Body::new("message/cpim", "x".repeat(1300)),
                headers: Vec::new(),
            });
            assert_eq!(by(&sent[0]), "TCP");
            assert!(refuses_tcp(&mut hand).is_empty());
            assert!(matches!(
                hand.events.pop(),
                Some(Event::MessageAnswered { token: 7, status: 503, silent: true, .. })
            ));
        }
    }
}
