//! Clients that break the rules: each loses its own WebSocket, and nobody else anything.

use super::House;
use super::support::deposit::deposit_works;
use super::support::websocket::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket};

const PAGE: &str = "msrp://k3v9w2.invalid:2855/page0001;ws";

/// A request that is answered, whatever its session.
fn knock(tid: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: msrp://store.example.org:2855/nobody;ws\r\nFrom-Path: {PAGE}\r\nMessage-ID: m1\r\n\
         Byte-Range: 1-0/0\r\n-------{tid}$\r\n"
    )
}

// M7977-4.1-04 M7977-5.1-04 M7977-5.1-03
#[test]
fn a_message_that_is_not_one_chunk_ends_the_websocket_with_1002() {
    let house = House::new();
    let one = knock("one00001");
    for (message, why) in [
        (format!("{one}{}", knock("two00001")), "more than one chunk"),
        (one[..one.len() - 4].to_owned(), "half a chunk"),
        ("hello".to_owned(), "no MSRP"),
        (String::new(), "no MSRP"),
        ("\r\n".to_owned(), "no MSRP"),
    ] {
        for opcode in [TEXT, BINARY] {
            let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
            page.send(knock("first001")).expect("it is taken");
            assert_eq!(page.read().expect("an answer").status(), 481);
            page.put(true, opcode, true, message.as_bytes()).expect("it is taken");
            assert_eq!(page.closed().expect("a Close"), 1002, "{why}");
            house.server.logged(&["closing the WebSocket", "1002", why]);
        }
    }
    deposit_works(&house.server, "after1");
}

#[test]
fn what_breaks_rfc_6455_ends_the_websocket_with_its_code() {
    let house = House::new();
    let giant = (128 << 56_u64 | 1_u64 << 40).to_be_bytes();
    let giant: Vec<u8> = [&[0x82, 0xff][..], &giant[..], &[0; 4]].concat();
    let giant_length: Vec<u8> = [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    type Crime = Box<dyn Fn(&mut WebSocket) -> std::io::Result<()>>;
    let crimes: Vec<(&str, u16, Crime)> = vec![
        ("unmasked", 1002, Box::new(|page| page.put(true, BINARY, false, knock("bare0001").as_bytes()))),
        ("a terabyte announced", 1009, Box::new(move |page| page.raw(&giant_length))),
        ("a negative length", 1009, Box::new(move |page| page.raw(&giant))),
        (
            "too much in fragments",
            1009,
            Box::new(|page| {
                page.put(false, BINARY, true, &[b'x'; 200_000])?;
                page.put(true, CONTINUATION, true, &[b'x'; 100_000])
            }),
        ),
        ("text that is no UTF-8", 1007, Box::new(|page| page.put(true, TEXT, true, b"MSRP \xff\xfe"))),
        ("an unknown opcode", 1002, Box::new(|page| page.put(true, 3, true, b""))),
        ("a reserved bit", 1002, Box::new(|page| page.raw(&[0xc2, 0x80, 0, 0, 0, 0]))),
        ("a fragmented Ping", 1002, Box::new(|page| page.put(false, PING, true, b""))),
        ("a Ping of 126 octets", 1002, Box::new(|page| page.put(true, PING, true, &[0; 126]))),
        ("a rest without a beginning", 1002, Box::new(|page| page.put(true, CONTINUATION, true, b"x"))),
    ];
    for (name, code, crime) in crimes {
        let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
        // The server may close before the last of it is written.
        let _ = crime(&mut page);
        assert_eq!(page.closed().unwrap_or_else(|error| panic!("{name}: {error}")), code, "{name}");
    }
    deposit_works(&house.server, "after2");
}

#[test]
fn a_message_in_fragments_with_pings_between_them_is_one_message() {
    let house = House::new();
    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    let message = knock("parts001");
    let mut first = BINARY;
    for piece in message.as_bytes().chunks(7) {
        page.put(false, first, true, piece).expect("it is taken");
        page.put(true, PING, true, b"p").expect("it is taken");
        first = CONTINUATION;
    }
    page.put(true, CONTINUATION, true, b"").expect("it is taken");
    let answer = loop {
        let heard = page.hear().expect("something");
        if heard.opcode != PONG {
            break heard.frame();
        }
    };
    assert_eq!((answer.tid.as_str(), answer.status()), ("parts001", 481));
}

#[test]
fn a_flood_of_pings_keeps_nobody_from_working() {
    let house = House::new();
    let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
    let flood = std::thread::spawn(move || {
        // Its Pongs are never read, so at last the server takes no more: that is its own loss.
        for _ in 0..200_000 {
            if page.put(true, PING, true, &[b'p'; 125]).is_err() {
                return;
            }
        }
    });
    deposit_works(&house.server, "meanwhile");
    drop(house);
    flood.join().expect("it ends with the server");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_message_leaves_nothing_behind() {
    let house = House::new();
    for end in [true, false] {
        let mut page = WebSocket::connect(house.ws()).expect("a WebSocket");
        page.put(false, BINARY, true, b"MSRP half0001 SEND\r\n").expect("it is taken");
        if end {
            page.put(true, CLOSE, true, &1001_u16.to_be_bytes()).expect("it is taken");
            assert_eq!(page.closed().expect("a Close"), 1001);
        }
    }
    deposit_works(&house.server, "after3");
}
