//! The handshake, AUTH and the end of a WebSocket.

use std::io::Read as _;

use super::House;
use super::support::msrp::Stream;
use super::support::websocket::{ACCEPT, CLOSE, PING, PONG, WebSocket, handshake};

/// A client's own URI: nobody can connect to it.
const PAGE: &str = "msrp://k3v9w2.invalid:2855/page0001;ws";

// M7977-4.1-02 M7977-4.1-03
#[test]
fn a_client_that_asks_for_msrp_gets_it() {
    let house = House::new();
    let readyz = house.server.http("/readyz");
    assert!(readyz.contains(&format!("\"ws:{}\"", house.ws())), "{readyz}");
    let (_stream, answer) = handshake(house.ws(), "Sec-WebSocket-Protocol: chat, msrp\r\n").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("\r\nsec-websocket-protocol: msrp\r\n"), "{answer}");
    assert!(answer.contains(ACCEPT) && !lower.contains("access-control"), "{answer}");
}

// M7977-4.1-01
#[test]
fn a_client_that_does_not_ask_for_msrp_is_refused_with_400() {
    let house = House::new();
    for lines in ["", "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol: sip, MSRP\r\n"] {
        let (mut stream, answer) = handshake(house.ws(), lines).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let mut why = String::new();
        stream.read_to_string(&mut why).expect("the connection ends");
        assert!(why.contains("has to name msrp"), "{why}");
    }
}

// M7977-7-02
#[test]
fn a_handshake_with_an_origin_is_told_that_it_may_read_the_answer() {
    let house = House::new();
    let lines = "Origin: https://pages.example.org\r\nSec-WebSocket-Protocol: msrp\r\n";
    let (_stream, answer) = handshake(house.ws(), lines).expect("an answer");
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("\r\naccess-control-allow-origin: https://pages.example.org\r\n"), "{answer}");
}

#[test]
fn auth_gives_each_time_another_uri_that_leads_here_and_says_how_long_it_is_good() {
    let house = House::new();
    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    let answer = page.auth(PAGE, "Expires: 900\r\n").expect("an answer");
    assert_eq!((answer.status(), answer.header("Expires")), (200, "900"), "{answer:?}");
    assert_eq!(answer.header("To-Path"), PAGE);
    assert_eq!(answer.header("From-Path"), "msrp://dana@store.example.org:443;ws");
    let first = answer.header("Use-Path").to_owned();
    let start = format!("msrp://{}/", house.ws());
    let id = first.strip_prefix(&start).and_then(|rest| rest.strip_suffix(";tcp"));
    assert!(id.is_some_and(|id| id.len() >= 22), "{first} has more than 80 random bits");
    assert_ne!(page.relay(PAGE).expect("an answer"), first);

    for (wish, status, bound) in
        [("59", 423, "Min-Expires"), ("86401", 423, "Max-Expires"), ("soon", 400, "Use-Path"), ("", 400, "Use-Path")]
    {
        let answer = page.auth(PAGE, &format!("Expires: {wish}\r\n")).expect("an answer");
        assert_eq!(answer.status(), status, "{answer:?}");
        assert_eq!(answer.header(bound).is_empty(), status == 400, "{answer:?}");
    }
}

#[test]
fn auth_is_for_websockets_and_for_this_server_alone() {
    let house = House::new();
    let mut phone = Stream::connect(house.server.msrp(), None).expect("a connection");
    let auth = "MSRP a1b2c3d4 AUTH\r\nTo-Path: msrp://store.example.org:2855;tcp\r\nFrom-Path: msrp://phone.example.net:7/s1;tcp\r\n-------a1b2c3d4$\r\n";
    phone.write(auth.as_bytes()).expect("it is taken");
    assert_eq!(phone.read().expect("an answer").status(), 501);

    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    page.send(auth.replace(":2855;tcp", ":2855;ws msrp://relay.example.net:2855;tcp")).expect("it is taken");
    assert_eq!(page.read().expect("an answer").status(), 403, "we do not pass AUTH on");
}

#[test]
fn no_client_takes_more_than_its_share_of_relay_uris() {
    let house = House::new();
    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    for _ in 0..64 {
        page.relay(PAGE).expect("an answer");
    }
    assert_eq!(page.auth(PAGE, "").expect("an answer").status(), 403);
    house.server.logged(&["AUTH refused", "too many relay URIs"]);
    WebSocket::connect(house.ws()).and_then(|mut other| other.relay(PAGE)).expect("others are not touched");
}

#[test]
fn a_ping_is_answered_and_a_close_too() {
    let house = House::new();
    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    page.put(true, PING, true, b"there?").expect("it is taken");
    let pong = page.hear().expect("an answer");
    assert_eq!((pong.opcode, &pong.payload[..]), (PONG, &b"there?"[..]));
    page.put(true, CLOSE, true, &1000_u16.to_be_bytes()).expect("it is taken");
    assert_eq!(page.hear().expect("an answer").code(), 1000);
    assert!(page.hear().is_err(), "and the connection ends");
}
