//! MESSAGE outside of calls (RFC 3428).

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds};
use crate::model::digest_auth::Credentials;
use crate::sip::{Body, Command, Config, Event, Place, Transport};

fn place(address: &str) -> Place {
    Place { transport: Transport::Udp, remote: address.parse().expect("an address") }
}

fn message(places: &[&str], route: Option<&str>) -> Command {
    Command::Message {
        token: 7,
        target: "sip:alice@example.net".to_owned(),
        from: "sip:store@example.com".to_owned(),
        to: "sip:alice@example.net".to_owned(),
        route: route.map(str::to_owned),
        places: places.iter().map(|address| place(address)).collect(),
        body: Body::new("message/cpim", "From: <sip:a@b>\r\n"),
        headers: vec![("Date".to_owned(), "today".to_owned())],
    }
}

fn answer(request: &str, status: &str, extra: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let value = field(request, name).expect(name);
        format!("{name}: {value}\r\n")
    });
    format!("SIP/2.0 {status}\r\n{}{extra}Content-Length: 0\r\n\r\n", copied.concat())
}

fn outcome(hand: &mut Hand) -> Option<(u16, bool)> {
    match hand.events.pop() {
        Some(Event::MessageAnswered { token: 7, status, silent, .. }) => Some((status, silent)),
        _ => None,
    }
}

#[test]
fn a_message_leaves_through_its_proxy_and_its_answer_comes_back_once() {
    let mut hand = Hand::new(Config::default());
    let sent = hand.command(message(&["192.0.2.1:5060"], Some("sip:proxy.example.com")));
    let [text] = &sent[..] else { panic!("{sent:?}") };
    assert!(text.starts_with("MESSAGE sip:alice@example.net SIP/2.0\r\n"));
    assert_eq!(field(text, "Route"), Some("<sip:proxy.example.com;lr>"));
    assert_eq!(field(text, "Date"), Some("today"));
    assert!(field(text, "Contact").is_none(), "it makes no dialog");
    assert!(text.ends_with("From: <sip:a@b>\r\n"));
    hand.udp(&answer(text, "100 Trying", ""));
    assert_eq!(outcome(&mut hand), None);
    hand.udp(&answer(text, "202 Accepted", ""));
    assert_eq!(outcome(&mut hand), Some((202, false)));
    hand.udp(&answer(text, "202 Accepted", ""));
    assert_eq!(outcome(&mut hand), None);
}

#[test]
fn a_place_that_is_not_there_is_followed_by_the_next_and_the_last_ones_end_is_told() {
    let mut hand = Hand::new(Config::default());
    let first = hand.command(message(&["192.0.2.1:5060", "192.0.2.2:5060"], None));
    let second = hand.udp(&answer(&first[0], "503 Away", ""));
    assert_eq!((kinds(&second), hand.to), (vec!["MESSAGE"], "192.0.2.2:5060".parse().ok()));
    assert_eq!(field(&second[0], "Call-ID"), field(&first[0], "Call-ID"));
    assert_eq!(field(&second[0], "CSeq"), Some("2 MESSAGE"));
    hand.pass(Duration::from_secs(40));
    assert_eq!(outcome(&mut hand), Some((408, true)));
    assert!(hand.command(message(&[], None)).is_empty());
    assert_eq!(outcome(&mut hand), Some((503, true)));
}

// M3261-22.2-01
#[test]
fn a_challenge_is_answered_once_and_behind_a_proxy_only_the_proxys() {
    let credentials = Some(Credentials { user: "store".to_owned(), password: "secret".to_owned() });
    let challenge =
        |name: &str| format!("{name}: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n");
    for (route, status, name, proof) in [
        (None, "401 Who", "WWW-Authenticate", Some("Authorization")),
        (Some("sip:p.example.com"), "407 Who", "Proxy-Authenticate", Some("Proxy-Authorization")),
        (Some("sip:p.example.com"), "401 Who", "WWW-Authenticate", None),
    ] {
        let mut hand = Hand::new(Config { credentials: credentials.clone(), ..Config::default() });
        let sent = hand.command(message(&["192.0.2.1:5060"], route));
        let again = hand.udp(&answer(&sent[0], status, &challenge(name)));
        let Some(proof) = proof else {
            assert_eq!(outcome(&mut hand), Some((401, false)));
            continue;
        };
        assert!(field(&again[0], proof).is_some_and(|value| value.contains("username=\"store\"")), "{again:?}");
        hand.udp(&answer(&again[0], status, &challenge(name)));
        assert!(matches!(outcome(&mut hand), Some((401 | 407, false))));
    }
}

// M3261-8.2.1-01
#[test]
fn a_message_of_a_peers_is_a_method_that_is_not_served_outside_of_calls_and_in_them() {
    let mut hand = Hand::new(Config::default());
    hand.udp(&fresh("INVITE", 1, &[], ""));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: None });
    let plain = ["Content-Type: text/plain"];
    for message in [fresh("MESSAGE", 2, &plain, "hello"), inside("MESSAGE", 3, &tag, &plain, "hello")] {
        let sent = hand.udp(&message);
        assert_eq!(kinds(&sent), ["405"]);
        assert!(field(&sent[0], "Allow").is_some_and(|allow| !allow.contains("MESSAGE")), "{sent:?}");
        assert_eq!(hand.udp(&message), sent, "a copy gets the same");
    }
    assert!(hand.events.is_empty());
}
