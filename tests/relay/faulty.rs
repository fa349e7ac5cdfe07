//! A relay of our own that does what relays should not, or what happens to them.

use std::net::TcpListener;
use std::thread::JoinHandle;

use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

use super::behind;
use super::card::{Authority, Card};
use super::phone::{call, description};
use super::support::msrp::{Frame, Message as SendMessage, Stream};
use super::support::server::Server;
use super::support::sip::{Call, Message, Wire};
use super::wire::{self, Shaken};

const LOCAL: &str = "msrps://127.0.0.1:9/sphone;tcp";
const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", opaque=\"o\"\r\n";

/// The relay's listener and certificate.
struct Relay {
    listener: TcpListener,
    card: Card,
}

struct House {
    server: Server,
    _dir: TempDir,
    authority: Authority,
}

impl Relay {
    /// One with a certificate for this host.
    fn new(authority: &Authority, host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { listener, card: authority.certify(host, 2100) }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("its address").port()
    }

    fn accept(&self) -> Shaken {
        wire::accept(&self.listener, &self.card, &TLS13).expect("the server connects")
    }

    fn use_path(&self, id: &str) -> String {
        format!("msrps://localhost:{}/{id};tcp", self.port())
    }
}

/// A server behind this relay.
fn house(relay: impl FnOnce(&Authority) -> Relay, more: &[(&str, &str)]) -> (House, Relay) {
    let dir = TempDir::new().expect("a directory");
    let authority = Authority::new();
    let relay = relay(&authority);
    let server = behind(dir.path(), &authority, relay.port(), more);
    (House { server, _dir: dir, authority }, relay)
}

/// The next AUTH on the stream.
fn auth(stream: &mut Stream) -> Frame {
    let frame = stream.read().expect("an AUTH");
    assert_eq!(frame.what, "AUTH", "{frame:?}");
    frame
}

/// Answers it, with these header lines.
fn answer(stream: &mut Stream, frame: &Frame, status: &str, headers: &str) {
    let (tid, to, from) = (&frame.tid, frame.header("From-Path"), frame.header("To-Path"));
    let text = format!("MSRP {tid} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------{tid}$\r\n");
    stream.write(text.as_bytes()).expect("the server listens");
}

/// Asks for credentials, takes what comes, and lets the client in by this path.
fn let_in(stream: &mut Stream, use_path: &str) -> Frame {
    let first = auth(stream);
    assert_eq!(first.header("Authorization"), "", "the first one has none");
    answer(stream, &first, "401 Unauthorized", CHALLENGE);
    let second = auth(stream);
    answer(stream, &second, "200 OK", &format!("Use-Path: {use_path}\r\nExpires: 600\r\n"));
    second
}

impl House {
    /// A phone calls; its answer comes in time, while the test is the relay.
    fn phone(&self, lines: &'static [&'static str]) -> JoinHandle<(Call, Message)> {
        let server = self.server.sip("tcp");
        std::thread::spawn(move || {
            let wire = Wire::connect(server, None).expect("the server is there");
            Call::invite_on(wire, server, "bob", &description(LOCAL, lines)).expect("an answer")
        })
    }

    fn refused(&self, why: &str) {
        let (_, answer) = call(&self.server, &description(LOCAL, &["a=sendonly", "a=setup:active"]));
        assert_eq!(answer.status(), 503, "{answer:?}");
        assert!(answer.header("Warning").contains(why), "{answer:?}");
    }
}

const PUSH: &[&str] = &["a=sendonly", "a=setup:active"];

// M4976-9.2-02 M4976-9.2-06 M4976-5.1-06 M4976-5.1-07 M4976-9.1-06 M4976-9.1-07 M4976-9.1-08 M4976-9.1-09 M4976-8-03
// M4976-7-02
#[test]
fn the_relay_hears_its_name_no_certificate_and_a_digest_on_one_line() {
    let (house, relay) = house(|authority| Relay::new(authority, "localhost"), &[]);
    let phone = house.phone(PUSH);
    let Shaken { mut stream, shown, name } = relay.accept();
    assert_eq!((name.as_deref(), shown.len()), (Some("localhost"), 0));
    let credentials = let_in(&mut stream, &relay.use_path("u1"));
    let text = credentials.header("Authorization");
    let uri = format!("msrps://localhost:{};tcp", relay.port());
    let value = |name: &str| text.split_once(name).map_or("", |(_, rest)| rest.split(',').next().unwrap_or_default());
    assert!(text.starts_with("Digest username=\"store\", realm=\"r\", nonce=\"n1\", "), "{text}");
    assert_eq!((value("uri="), credentials.header("To-Path")), (format!("\"{uri}\"").as_str(), uri.as_str()));
    assert_eq!((value("qop="), value("nc="), value("opaque=")), ("auth", "00000001", "\"o\""));
    let hexadecimal = value("response=").trim_matches('"');
    assert!(hexadecimal.len() == 32 && hexadecimal.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{text}");
    let (_, answer) = phone.join().expect("the phone's thread");
    let path = format!("{} {}", relay.use_path("u1"), credentials.header("From-Path"));
    assert_eq!((answer.status(), answer.attribute("path")), (200, path.as_str()));

    // The next session asks on the same connection, with the nonce that it knows.
    let phone = house.phone(PUSH);
    let next = auth(&mut stream);
    assert!(next.header("Authorization").contains("nc=00000002"), "{next:?}");
    assert_ne!(next.header("From-Path"), credentials.header("From-Path"));
    answer_ok(&mut stream, &next, &relay.use_path("u2"));
    assert!(phone.join().expect("the phone's thread").1.attribute("path").starts_with(&relay.use_path("u2")));
}

fn answer_ok(stream: &mut Stream, frame: &Frame, use_path: &str) {
    answer(stream, frame, "200 OK", &format!("Use-Path: {use_path}\r\nExpires: 600\r\n"));
}

// M4976-9.2-05
#[test]
fn a_relay_with_another_name_or_without_an_authority_hears_nothing() {
    let (house, relay) = house(|authority| Relay::new(authority, "elsewhere.example.org"), &[]);
    for card in [None, Some(Card::own("localhost"))] {
        let relay = Relay {
            card: card.unwrap_or_else(|| house.authority.certify("elsewhere.example.org", 2100)),
            listener: relay.listener.try_clone().expect("a socket"),
        };
        let server = std::thread::spawn(move || {
            // With TLS 1.2 the handshake itself fails; nothing may come after it either way.
            wire::accept(&relay.listener, &relay.card, &TLS12).and_then(|mut shaken| shaken.stream.read()).is_err()
        });
        house.refused("the MSRP relay cannot be reached");
        assert!(server.join().expect("the relay's thread"), "not one frame");
    }
    house.server.logged(&["cannot reach the MSRP relay", "does not name localhost"]);
}

// M4976-10.3-01 M4976-9.1-02 M4976-4.2-01
#[test]
fn a_relay_that_does_not_serve_us_makes_every_call_fail_with_its_reason() {
    let (house, relay) = house(|authority| Relay::new(authority, "localhost"), &[]);
    let phone = house.phone(PUSH);
    let mut stream = relay.accept().stream;
    let expect = |phone: JoinHandle<(Call, Message)>, why: &str| {
        let (_, answer) = phone.join().expect("the phone's thread");
        assert!(answer.status() == 503 && answer.header("Warning").contains(why), "{answer:?}");
    };
    for _ in 0..2 {
        let frame = auth(&mut stream);
        answer(&mut stream, &frame, "401 Unauthorized", CHALLENGE);
    }
    expect(phone, "refuses our credentials");
    for (status, headers, why) in [
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "the scheme Basic is not Digest"),
        ("200 OK", "Use-Path: msrps://127.0.0.1:9000/u1;tcp\r\n", "an address instead of a name"),
        ("200 OK", "", "no usable path"),
        ("403 Forbidden", "", "answers 403"),
    ] {
        let phone = house.phone(PUSH);
        let frame = auth(&mut stream);
        assert!(!frame.header("Authorization").starts_with("Basic"));
        answer(&mut stream, &frame, status, headers);
        expect(phone, why);
    }
}

// M4976-4.6-02 M4976-5.1-10
#[test]
fn a_lifetime_that_is_too_short_for_the_relay_is_made_longer() {
    let (house, relay) =
        house(|authority| Relay::new(authority, "localhost"), &[("RESTANTE_MSRP__RELAY_EXPIRES", "10s")]);
    let phone = house.phone(PUSH);
    let mut stream = relay.accept().stream;
    let first = auth(&mut stream);
    assert_eq!(first.header("Expires"), "10");
    answer(&mut stream, &first, "423 Interval Out-of-Bounds", "Min-Expires: 60\r\n");
    let second = auth(&mut stream);
    assert_eq!(second.header("Expires"), "60");
    answer_ok(&mut stream, &second, &relay.use_path("u1"));
    assert_eq!(phone.join().expect("the phone's thread").1.status(), 200);
}

// M4976-6.3-01
#[test]
fn when_the_connection_is_lost_the_same_session_gets_another_path_by_a_new_offer() {
    let (house, relay) = house(|authority| Relay::new(authority, "localhost"), &[]);
    let phone = house.phone(PUSH);
    let mut stream = relay.accept().stream;
    let first = let_in(&mut stream, &relay.use_path("u1"));
    let (mut call, _) = phone.join().expect("the phone's thread");
    drop(stream);
    let mut again = relay.accept().stream;
    let second = auth(&mut again);
    assert_eq!(second.header("From-Path"), first.header("From-Path"), "the session is the same");
    answer_ok(&mut again, &second, &relay.use_path("u2"));
    let offer = call.next_request().expect("a new offer");
    assert!(offer.start.starts_with("INVITE "), "{offer:?}");
    let path = format!("{} {}", relay.use_path("u2"), first.header("From-Path"));
    assert_eq!(offer.attribute("path"), path);
}

// M4976-6.4.1-02 M4976-5.1-05 M4976-5.2-02 M4976-5.3-01
#[test]
fn a_relay_that_reports_408_has_not_delivered() {
    let (house, relay) = house(|authority| Relay::new(authority, "localhost"), &[]);
    let phone = house.phone(PUSH);
    let mut stream = relay.accept().stream;
    let own = let_in(&mut stream, &relay.use_path("u1")).header("From-Path").to_owned();
    let (mut call, _) = phone.join().expect("the phone's thread");
    let object = deposit(&mut call, &mut stream, &own, &relay.use_path("u1"));
    let phone = house.phone(&["a=recvonly", "a=setup:active"]);
    let frame = auth(&mut stream);
    let own = frame.header("From-Path").to_owned();
    answer_ok(&mut stream, &frame, &relay.use_path("u2"));
    let (mut call, _) = phone.join().expect("the phone's thread");
    // The phone's first SEND, as the relay passes it on.
    let from = format!("{} {LOCAL}", relay.use_path("u2"));
    assert_eq!(stream.greet(&own, &from).expect("an answer").status(), 200);
    call.start(&format!("<play><audio uri=\"{object}\"/></play><exit namelist=\"play.end\"/>")).expect("a result");
    let send = stream.read().expect("a chunk");
    assert_eq!((send.what.as_str(), send.header("To-Path")), ("SEND", from.as_str()));
    stream.accept(&send).expect("the server listens");
    let id = send.header("Message-ID");
    stream
        .write(
            format!(
                "MSRP rep00001 REPORT\r\nTo-Path: {own}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\n\
                 Byte-Range: 1-5/5\r\nStatus: 000 408 Timeout\r\n-------rep00001$\r\n"
            )
            .as_bytes(),
        )
        .expect("the server listens");
    let exit = call.event("msml.dialog.exit").expect("an exit");
    assert_eq!(exit.value("play.end"), "play.failed.timeout", "{exit:?}");
}

/// Five octets by way of the relay, recorded; the object's URI.
fn deposit(call: &mut Call, stream: &mut Stream, own: &str, use_path: &str) -> String {
    let record = "<record dest=\"spool:/bob/\" format=\"text/plain\" maxtime=\"60s\"/>\
        <exit namelist=\"record.end record.recordid\"/>";
    call.start(record).expect("a result");
    let from = format!("{use_path} {LOCAL}");
    let message = SendMessage { to: own.to_owned(), from, id: "hello".to_owned(), total: 5 };
    let (tid, frame) = message.chunk(0, b"hello");
    stream.write(&frame).expect("the server listens");
    let answer = stream.read().expect("an answer");
    assert_eq!((answer.tid.as_str(), answer.status(), answer.header("To-Path")), (tid.as_str(), 200, use_path));
    let report = stream.read().expect("a REPORT");
    assert_eq!((report.reported(), report.header("To-Path")), (200, message.from.as_str()));
    let exit = call.event("msml.dialog.exit").expect("an exit");
    assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
    exit.value("record.recordid").to_owned()
}
