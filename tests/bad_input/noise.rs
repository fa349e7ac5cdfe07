//! Octets that are no protocol of ours, and connections that say nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use super::support::Chance;
use super::{A_WHILE, House};

/// More than a server should take in before it has seen the end of a head.
const ENDLESS: usize = 200_000;

fn noises() -> Vec<Vec<u8>> {
    let mut chance = Chance::new(1);
    let mut noises = vec![
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20),
        b"MSRP\r\n\r\nMSRP d93kswow SEND\r\n\r\n-------d93kswow$\r\n".to_vec(),
        b"INVITE sip:bob@example.org SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"INVITE sip:bob@example.org SIP/2.0\r\nContent-Length: -1\r\n\r\n".to_vec(),
        vec![b'a'; ENDLESS],
        vec![0; ENDLESS],
        b"\r\n".repeat(ENDLESS / 2),
    ];
    noises.extend((0..20).map(|_| {
        let octets = chance.below(2000) as usize + 1;
        chance.octets(octets)
    }));
    noises
}

/// Sends this on a connection of its own and reads whatever comes until it is closed, by them or by us.
fn shout(address: SocketAddr, noise: &[u8]) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(A_WHILE)).expect("a timeout");
    let _ = stream.write_all(noise);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.len() < ENDLESS, "noise is not answered at length");
}

#[test]
fn noise_on_the_msrp_port_disturbs_nobody() {
    let house = House::new(&[]);
    noises().iter().for_each(|noise| shout(house.server.msrp(), noise));
    house.ends_well();
}

#[test]
fn noise_on_the_sip_ports_disturbs_nobody() {
    let house = House::new(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for noise in noises() {
        shout(house.server.sip("tcp"), &noise);
        let datagram = &noise[..noise.len().min(60_000)];
        socket.send_to(datagram, house.server.sip("udp")).expect("a datagram");
    }
    house.ends_well();
}

#[test]
fn a_request_that_lacks_what_every_request_has_is_told_so() {
    let house = House::new(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(A_WHILE)).expect("a timeout");
    let local = socket.local_addr().expect("an address");
    let request = format!(
        "OPTIONS sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKone\r\n\
         From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: one\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), house.server.sip("udp")).expect("a datagram");
    let mut answer = [0; 4096];
    let read = socket.recv(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("SIP/2.0 400 ") && answer.contains("CSeq"), "{answer}");
    house.ends_well();
}

#[test]
fn connections_that_say_nothing_or_half_a_word_hold_nobody_up() {
    let house = House::new(&[]);
    let addresses = [house.server.msrp(), house.server.sip("tcp")];
    let open = |index: usize| {
        let mut stream = TcpStream::connect(addresses[index % 2]).expect("a connection");
        let word: &[u8] = match index % 4 {
            0 => b"MSRP ab12cd34 SEND\r\nTo-Path: msrp://",
            1 => b"INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/TC",
            _ => b"",
        };
        stream.write_all(word).expect("a write");
        stream
    };
    let open: Vec<TcpStream> = (0..200).map(open).collect();
    house.ends_well();
    drop(open);
}
