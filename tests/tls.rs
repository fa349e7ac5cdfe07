//! MSRP over TLS against the real process: both roles, both versions, every kind of certificate, and what a peer does
//! that takes the wrong port, says nothing, or is somebody else.

mod support;

#[path = "tls/card.rs"]
mod card;
#[path = "tls/dialled.rs"]
mod dialled;
#[path = "tls/endpoint.rs"]
mod endpoint;
#[path = "tls/phone.rs"]
mod phone;
#[path = "tls/reload.rs"]
mod reload;
#[path = "tls/wire.rs"]
mod wire;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use card::{Authority, Card, sha1_line, sha256_line};
use phone::{Deposit, description, finish, media, plan, serve};
use rustls::version::{TLS12, TLS13};
use support::deposit::deposit_works;
use support::msrp::{Message, Stream};
use support::server::{Server, json};
use support::sip::{Call, Wire};
use support::{PATIENCE, eventually};
use tempfile::TempDir;

/// Objects in the phone's box.
fn stored(dir: &TempDir) -> usize {
    json(dir.path(), &["spool", "list", "--json", "--box", "bob"]).len()
}

// M8122-5-01 M8122-5.1-01 M8122-6.2-01 M4975-14.4-04 M4975-8.1-02 M6135-4.3-02
#[test]
fn a_file_comes_in_over_either_version_of_tls_under_the_fingerprints_of_both_sides() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let port = server.msrp_by("tls").port();
    for version in [&TLS12, &TLS13] {
        let card = Card::own("phone.example.net");
        let id = format!("{:?}", version.version);
        let deposit = Deposit::active(&server, &plan(&id), &[&card.line()]);
        let answer = deposit.answer.clone();
        assert!(answer.body.contains(&format!("m=message {port} TCP/TLS/MSRP *\r\n")), "{answer:?}");
        assert!(answer.attribute("path").starts_with(&format!("msrps://127.0.0.1:{port}/")), "{answer:?}");
        let shaken = wire::connect(server.msrp_by("tls"), Some(&card), version).expect("a connection");
        let own = sha256_line(&shaken.shown).replace("SHA", "sha");
        assert!(!shaken.shown.is_empty() && answer.body.contains(&own), "{answer:?}");
        finish(deposit.over(shaken));
    }
    assert_eq!(stored(&dir), 2);
    deposit_works(&server, "plain");
}

// M8122-5.1-04 M8122-6.2-03 M4975-14.4-05 M4975-5.4-09 M4975-5.4-11
#[test]
fn somebody_with_another_certificate_is_shown_out_and_the_session_waits_for_the_right_one() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let (right, wrong) = (Card::own("phone.example.net"), Card::own("phone.example.net"));
    let deposit = Deposit::active(&server, &plan("mine"), &[&right.line()]);
    let (to, from) = (deposit.answer.attribute("path").to_owned(), "msrps://127.0.0.1:9/smine;tcp");
    for version in [&TLS12, &TLS13] {
        let mut thief =
            wire::connect(server.msrp_by("tls"), Some(&wrong), version).expect("TLS itself has no objection");
        let refused = thief.stream.greet(&to, from).map(|frame| frame.status());
        assert!(matches!(refused, Ok(481) | Err(_)), "{refused:?}");
        assert!(thief.stream.read().is_err(), "the connection has to be closed");
    }
    server.logged(&["not the session's peer", "has not the fingerprint", "call_id"]);
    let plain = Stream::connect(server.msrp(), None).and_then(|mut stream| stream.greet(&to, from));
    assert_eq!(plain.expect("an answer").status(), 481, "nor does the plain port lead to it");
    finish(deposit.try_with(&server, Some(&right), &TLS13).expect("the right one"));
    assert_eq!(stored(&dir), 1);
}

// M8122-6.2-03
#[test]
fn who_shows_no_certificate_gets_no_connection() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    for version in [&TLS12, &TLS13] {
        let plan = plan("bare");
        let card = Card::own("phone.example.net");
        let refused = Deposit::active(&server, &plan, &[&card.line()]).try_with(&server, None, version);
        let error = refused.err().expect("no certificate").to_string();
        assert!(error.contains("AlertReceived") || error.contains("alert"), "{error}");
    }
    server.logged(&["no MSRP over TLS"]);
}

// M8122-5-02 M8122-5.1-03 M4975-5.4-09
#[test]
fn a_peer_that_could_prove_nothing_is_refused_with_the_reason() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[("RESTANTE_MSRP__TLS__VERIFY", "fingerprint")]);
    let card = Card::own("phone.example.net");
    let path = "msrps://127.0.0.1:9/s1;tcp";
    let md5 = "a=fingerprint:md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    for lines in [vec![], vec![md5], vec![&*sha1_line(&card.certificate)], vec!["a=fingerprint:sha-256 00"]] {
        let lines: Vec<&str> = ["a=sendonly", "a=setup:active"].into_iter().chain(lines).collect();
        let (_, answer) = phone::call(&server, &description(path, &lines));
        assert_eq!(answer.status(), 488, "{lines:?}: {answer:?}");
        assert!(answer.header("Warning").contains("fingerprint"), "{answer:?}");
    }
    let (weak, strong) = (sha1_line(b"another"), card.line());
    let deposit = Deposit::active(&server, &plan("strong"), &[&weak, &strong, md5]);
    finish(deposit.try_with(&server, Some(&card), &TLS13).expect("the strongest counts"));
    let lines = [sha1_line(&card.certificate), sha256_line(b"another")];
    let deposit = Deposit::active(&server, &plan("weak"), &[&lines[0], &lines[1]]);
    assert!(deposit.try_with(&server, Some(&card), &TLS13).is_err(), "sha-1 is right and sha-256 is not");
    assert_eq!(stored(&dir), 1);
}

// M4975-8.1-02
#[test]
fn protection_is_neither_taken_away_nor_added() {
    let dirs = [TempDir::new().expect("a directory"), TempDir::new().expect("a directory")];
    let plain = Server::start(dirs[0].path(), &[]);
    let secure = Server::start(dirs[1].path(), &[("RESTANTE_MSRP__LISTEN", "tls:127.0.0.1:0")]);
    let card = Card::own("phone.example.net");
    let over_tls = description("msrps://127.0.0.1:9/s1;tcp", &["a=setup:active", &card.line()]);
    let over_tcp = support::sip::description("s1", &[]);
    for (server, offer) in [(&plain, &over_tls), (&secure, &over_tcp)] {
        let (_, answer) = phone::call(server, offer);
        assert_eq!(answer.status(), 488, "{answer:?}");
        assert!(answer.header("Warning").contains("no listener"), "{answer:?}");
    }
    let mixed = "m=message 9 TCP/TLS/MSRP *\r\na=accept-types:*\r\na=path:msrp://127.0.0.1:9/s1;tcp";
    assert_eq!(phone::call(&secure, &media(mixed, &[&card.line()])).1.status(), 488);
}

// M8122-5-03 M3264-6-02
#[test]
fn each_stream_of_an_offer_gets_the_listener_of_its_own_protocol() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let card = Card::own("phone.example.net");
    let lines = "m=message 9 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://127.0.0.1:9/s1;tcp\r\n\
        m=message 9 TCP/TLS/MSRP *\r\na=accept-types:*\r\na=path:msrps://127.0.0.1:9/s2;tcp";
    let session_level = media(lines, &[]).replace("t=0 0\r\n", &format!("t=0 0\r\n{}\r\n", card.line()));
    let (_, answer) = phone::call(&server, &session_level);
    let (tcp, tls) = (server.msrp().port(), server.msrp_by("tls").port());
    assert!(answer.body.contains(&format!("m=message {tcp} TCP/MSRP *\r\n")), "{answer:?}");
    assert!(answer.body.contains(&format!("m=message {tls} TCP/TLS/MSRP *\r\n")), "{answer:?}");
    assert!(answer.body.contains(&format!("a=path:msrp://127.0.0.1:{tcp}/")), "{answer:?}");
    assert_eq!(answer.body.matches("a=fingerprint:").count(), 1, "{answer:?}");
}

// M8122-6.1-01
#[test]
fn under_an_authority_the_certificate_has_to_name_the_host_in_the_peers_path() {
    let dir = TempDir::new().expect("a directory");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.write(dir.path());
    let ca = ca.to_str().expect("a plain path");
    let variables = [("RESTANTE_MSRP__TLS__VERIFY", "ca"), ("RESTANTE_MSRP__TLS__CLIENT_CA", ca)];
    let server = serve(dir.path(), &variables);
    for (id, card, lines, taken) in [
        ("good", authority.certify("127.0.0.1", 2999), 0, true),
        ("pinned", authority.certify("127.0.0.1", 2999), 1, true),
        ("name", authority.certify("127.0.0.2", 2999), 1, false),
        ("late", authority.certify("127.0.0.1", 2001), 1, false),
        ("who", stranger.certify("127.0.0.1", 2999), 1, false),
        ("self", Card::own("127.0.0.1"), 1, false),
    ] {
        let line = card.line();
        let lines: Vec<&str> = std::iter::repeat_n(line.as_str(), lines).collect();
        let deposit = Deposit::active(&server, &plan(id), &lines);
        let outcome = deposit.try_with(&server, Some(&card), &TLS13);
        assert_eq!(outcome.is_ok(), taken, "{id}");
        outcome.into_iter().for_each(finish);
    }
    assert_eq!(stored(&dir), 2);
}

// M4975-5.4-11 M4976-9.2-05
#[test]
fn a_peer_behind_a_relay_is_vouched_for_by_an_authority_also_where_endpoints_need_fingerprints() {
    let dir = TempDir::new().expect("a directory");
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let ca = ca.to_str().expect("a plain path");
    let variables = [("RESTANTE_MSRP__TLS__VERIFY", "fingerprint"), ("RESTANTE_MSRP__TLS__CLIENT_CA", ca)];
    let server = serve(dir.path(), &variables);
    let endpoint = Card::own("phone.example.net").line();
    for (id, relay, taken) in [
        ("good", authority.certify("127.0.0.1", 2999), true),
        ("name", authority.certify("127.0.0.2", 2999), false),
        ("who", Card::own("127.0.0.1"), false),
    ] {
        let path = format!("msrps://127.0.0.1:9/relay{id};tcp msrps://phone.example.net:9/s{id};tcp");
        let deposit = Deposit::offer(&server, &plan(id), &path, "active", &[&endpoint]);
        let outcome = deposit.try_with(&server, Some(&relay), &TLS13);
        assert_eq!(outcome.is_ok(), taken, "{id}: {:?}", outcome.err());
        outcome.into_iter().for_each(finish);
    }
    assert_eq!(stored(&dir), 1);
}

// M8122-6.2-05 M8122-6.2-06
#[test]
fn a_connection_that_outraces_the_answer_waits_for_its_fingerprint() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[("RESTANTE_LOG__LEVEL", "debug")]);
    let (right, wrong) = (Card::own("phone.example.net"), Card::own("phone.example.net"));
    for (card, taken) in [(&right, true), (&wrong, false)] {
        let wire = Wire::connect(server.sip("tcp"), None).expect("the server is there");
        let (mut call, offer) = Call::begin(wire, server.sip("tcp"), "bob", "").expect("an offer");
        assert_eq!((offer.status(), offer.attribute("setup")), (200, "actpass"), "{offer:?}");
        let mut early = wire::connect(server.msrp_by("tls"), Some(card), &TLS13).expect("a connection").stream;
        let (to, from) = (offer.attribute("path").to_owned(), "msrps://127.0.0.1:9/searly;tcp");
        let message = Message { to, from: from.to_owned(), id: "early".to_owned(), total: 3 };
        let (tid, frame) = message.chunk(0, b"abc");
        early.write(&frame).expect("octets leave");
        let answer = description(from, &["a=sendonly", "a=setup:active", &right.line()]);
        call.acknowledge(&offer, &answer).expect("octets leave");
        let record = "<record dest=\"spool:/bob/\" format=\"text/plain\" maxtime=\"60s\"/>";
        assert!(call.start(record).expect("a result").body.contains("response=\"200\""));
        let first = early.read().map(|frame| (frame.tid.clone(), frame.status()));
        assert_eq!(first.as_ref().is_ok_and(|first| *first == (tid, 200)), taken, "{first:?}");
    }
    let wire = Wire::connect(server.sip("tcp"), None).expect("the server is there");
    let (mut call, offer) = Call::begin(wire, server.sip("tcp"), "bob", "").expect("an offer");
    let early = || wire::connect(server.msrp_by("tls"), Some(&right), &TLS13).expect("a connection").stream;
    let (mut first, mut second) = (early(), early());
    let (to, from) = (offer.attribute("path").to_owned(), "msrps://127.0.0.1:9/snever;tcp".to_owned());
    let message = Message { to: to.clone(), from: from.clone(), id: "never".to_owned(), total: 3 };
    first.write(&message.chunk(0, b"abc").1).expect("octets leave");
    server.logged(&["it waits", &call.id]);
    assert_eq!(second.greet(&to, &from).expect("a frame").status(), 481, "one may wait for a session");
    call.acknowledge(&offer, "").expect("octets leave");
    assert_eq!(first.read().expect("a frame").status(), 481, "no answer came, so there is no session");
    server.logged(&["not the session's peer"]);
    eventually("the file", || (stored(&dir) == 1).then_some(()));
}

// M4975-5.4-10
#[test]
fn the_server_says_nothing_to_a_connection_before_its_first_request() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let card = Card::own("phone.example.net");
    finish(
        Deposit::active(&server, &plan("sent"), &[&card.line()])
            .try_with(&server, Some(&card), &TLS13)
            .expect("a connection"),
    );
    let uri = json(dir.path(), &["spool", "list", "--json", "--box", "bob"]).remove(0)["uri"].clone();
    let from = "msrps://127.0.0.1:9/s2;tcp";
    let (mut call, answer) = phone::call(&server, &description(from, &["a=recvonly", "a=setup:active", &card.line()]));
    let mut silent = wire::connect(server.msrp_by("tls"), Some(&card), &TLS12).expect("a connection").stream;
    let play = format!("<play><audio uri=\"{}\"/></play>", uri.as_str().expect("a URI"));
    assert!(call.start(&play).expect("a result").body.contains("response=\"200\""));
    let first = silent.greet(answer.attribute("path"), from).expect("a frame");
    assert_eq!((first.tid.as_str(), first.status()), ("hello001", 200), "nothing came before our request was answered");
    assert_eq!(silent.receive().expect("the file"), plan("sent").content);
}

// M4975-6-03
#[test]
fn who_takes_one_port_for_the_other_is_told_of_in_the_log() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let mut plain = TcpStream::connect(server.msrp_by("tls")).expect("a connection");
    plain.set_read_timeout(Some(PATIENCE)).expect("a socket");
    plain.write_all(b"MSRP aaaa SEND\r\nTo-Path: msrp://127.0.0.1:9/s1;tcp\r\n").expect("octets leave");
    let end = plain.read(&mut [0; 64]).map_err(|error| error.kind());
    assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    server.logged(&["the peer speaks no TLS"]);
    assert!(wire::connect(server.msrp(), None, &TLS13).is_err());
    server.logged(&["a TLS handshake on the plain MSRP port"]);
}

/// A hello of this version that knows one cipher suite, TLS_RSA_WITH_AES_128_CBC_SHA, and these extensions.
fn old_hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut hello = [&version[..], &[7; 32], &[0], &[0, 2, 0, 0x2F], &[1, 0]].concat();
    if !extensions.is_empty() {
        hello.extend([0, u8::try_from(extensions.len()).expect("a few octets")]);
        hello.extend(extensions);
    }
    let length = u8::try_from(hello.len()).expect("a short hello");
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat()
}

#[test]
fn nothing_older_than_tls_1_2_is_agreed_on_and_no_key_exchange_by_rsa() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    // signature_algorithms: RSA with SHA-256; supported_groups: secp256r1.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 1, 0, 10, 0, 4, 0, 2, 0, 23];
    for (version, extensions, alert) in
        [([3, 2], &extensions[..], 70), ([3, 1], &[][..], 0), ([3, 3], &extensions[..], 40)]
    {
        let mut stream = TcpStream::connect(server.msrp_by("tls")).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(&old_hello(version, extensions)).expect("octets leave");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // it may be reset after the alert
        // RFC 5246 §7.2: a fatal alert and nothing else. 70: protocol_version, 40: handshake_failure.
        assert_eq!((answer.len(), answer.first(), answer.get(5)), (7, Some(&21), Some(&2)), "{answer:?}");
        assert!(alert == 0 || answer[6] == alert, "{answer:?}");
    }
}

#[test]
fn handshakes_that_nobody_finishes_hinder_nobody_and_end() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let begin = |octets: &[u8]| {
        let mut stream = TcpStream::connect(server.msrp_by("tls")).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(octets).expect("octets leave");
        stream
    };
    let stalled: Vec<TcpStream> =
        (0..300).map(|number| begin(if number % 2 == 0 { b"" } else { b"\x16\x03\x01\x02\x00\x01\x00" })).collect();
    let card = Card::own("phone.example.net");
    let deposit = Deposit::active(&server, &plan("meanwhile"), &[&card.line()]);
    finish(deposit.try_with(&server, Some(&card), &TLS13).expect("a connection"));
    for mut stream in stalled {
        let end = stream.read(&mut [0; 64]).map_err(|error| error.kind());
        assert!(!matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "it still waits: {end:?}");
    }
    server.logged(&["did not finish the TLS handshake within"]);
}
