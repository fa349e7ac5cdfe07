//! Files that come and go over WebSockets, with the calls they belong to.

use sha1::Digest as _;

use super::House;
use super::support::msrp::Message;
use super::support::server::json;
use super::support::sip::{Call, Wire, description};
use super::support::websocket::{BINARY, TEXT, WebSocket};

const RECORD: &str = "<record dest=\"spool:/dana/\" format=\"application/octet-stream\" maxtime=\"60s\"/>\
                      <exit namelist=\"record.end record.recordid ft.hash\"/>";

fn page(session: &str) -> String {
    format!("msrp://k3v9w2.invalid:2855/{session};ws")
}

/// An offer whose path is this.
fn offer(path: &str, lines: &[&str]) -> String {
    description("unused", lines).replace("a=path:msrp://127.0.0.1:9/unused;tcp", &format!("a=path:{path}"))
}

fn sha256(content: &[u8]) -> String {
    sha2::Sha256::digest(content).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Receives one file as a client does, and looks at every frame: the file, and in how many chunks it came.
fn fetch(socket: &mut WebSocket, relay: &str, own: &str, ours: &str) -> (Vec<u8>, usize) {
    let (mut received, mut chunks) = (Vec::new(), 0);
    loop {
        let frame = socket.read().expect("a frame");
        assert_eq!(frame.what, "SEND", "{frame:?}");
        // RFC 7977 §8.2.3: the relay is off the To-Path and first on the From-Path.
        assert_eq!((frame.header("To-Path"), frame.header("From-Path")), (own, format!("{relay} {ours}").as_str()));
        assert!(frame.body.len() <= 64 * 1024, "{} octets in one message", frame.body.len());
        let tid = &frame.tid;
        let ok = format!("MSRP {tid} 200 OK\r\nTo-Path: {relay}\r\nFrom-Path: {own}\r\n-------{tid}$\r\n");
        socket.send(ok).expect("it is taken");
        if frame.header("Content-Type").is_empty() {
            continue; // a greeting (RFC 4975 §5.4)
        }
        received.extend_from_slice(&frame.body);
        chunks += 1;
        if frame.flag == b'$' {
            let id = frame.header("Message-ID");
            let report = format!(
                "MSRP rep00001 REPORT\r\nTo-Path: {relay} {ours}\r\nFrom-Path: {own}\r\nMessage-ID: {id}\r\n\
                 Byte-Range: 1-{0}/{0}\r\nStatus: 000 200 OK\r\n-------rep00001$\r\n",
                received.len()
            );
            socket.send(report).expect("it is taken");
            return (received, chunks);
        }
    }
}

impl House {
    fn call(&self, offer: &str) -> (Call, super::support::sip::Message) {
        Call::invite(self.server.sip("tcp"), "dana", offer).expect("an answer")
    }

    /// Deposits over a WebSocket and gives the object's URI.
    fn deposit(&self, content: &[u8], chunk: usize, opcode: u8) -> String {
        let mut socket = WebSocket::connect(self.ws()).expect("a WebSocket");
        let own = page("deposit1");
        let relay = socket.relay(&own).expect("an answer");
        let (mut call, answer) = self.call(&offer(&format!("{relay} {own}"), &["a=sendonly"]));
        assert_eq!(answer.status(), 200, "{answer:?}");
        call.start(RECORD).expect("an answer");
        let ours = answer.attribute("path");
        assert!(ours.starts_with(&format!("msrp://{}/", self.ws())) && ours.ends_with(";tcp"), "{ours}");
        let message = Message {
            to: format!("{relay} {ours}"),
            from: own,
            id: "picture1".to_owned(),
            total: content.len() as u64,
        };
        socket.deposit(&message, content, chunk, opcode).expect("it is stored");
        let exit = call.event("msml.dialog.exit").expect("an event");
        assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
        call.bye().expect("an answer");
        exit.value("record.recordid").to_owned()
    }

    fn object(&self) -> serde_json::Value {
        let mut objects = json(self.dir.path(), &["spool", "list", "--json", "--box", "dana"]);
        objects.pop().expect("an object")
    }
}

// M7977-4.2-01 M7977-4.2-02 M7977-5.1-01
#[test]
fn a_file_is_deposited_in_text_or_binary_messages_octet_for_octet() {
    for (content, opcode) in [
        ("Grüße aus 東京 🎏\u{1}\r\n".repeat(2000).into_bytes(), TEXT),
        ((0..=255).cycle().take(300_001).collect(), BINARY),
    ] {
        let house = House::new();
        // Cut between characters: whoever sends text has to.
        let chunk = "Grüße aus 東京 🎏\u{1}\r\n".len() * 300;
        house.deposit(&content, chunk, opcode);
        let object = house.object();
        assert_eq!(object["sha256"].as_str(), Some(sha256(&content).as_str()), "{object}");
    }
}

// M7977-5.1-03 M7977-5.1-05 M7977-5.1-01
#[test]
fn a_large_file_goes_out_in_chunks_each_a_message_of_its_own_and_only_to_the_client() {
    let house = House::with(&[("RESTANTE_MSRP__CHUNK", "4MiB")]);
    let content: Vec<u8> = (0..1_000_003_u32).map(|n| (n * 7 % 253) as u8).collect();
    let uri = house.deposit(&content, 60_000, BINARY);

    let mut socket = WebSocket::connect(house.ws()).expect("a WebSocket");
    let own = page("fetch1");
    let relay = socket.relay(&own).expect("an answer");
    let (mut call, answer) = house.call(&offer(&format!("{relay} {own}"), &["a=recvonly"]));
    assert_eq!(answer.status(), 200, "{answer:?}");
    let ours = answer.attribute("path").to_owned();
    call.start(&format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>")).expect("an answer");
    let (received, chunks) = fetch(&mut socket, &relay, &own, &ours);
    assert!(received == content && chunks >= 16, "{chunks} chunks, {} octets", received.len());
    let exit = call.event("msml.dialog.exit").expect("an event");
    assert_eq!(exit.value("play.end"), "play.complete", "{exit:?}");
    call.bye().expect("an answer");
    socket.relay(&own).expect("the WebSocket outlives the call, for the next one");
}

// M7977-5.1-01 M7977-5.2.2-02
#[test]
fn an_answer_that_names_a_relay_uri_is_met_on_its_websocket_and_nobody_is_connected_to() {
    let house = House::new();
    let content = b"for whoever answers".repeat(500);
    let uri = house.deposit(&content, 9500, BINARY);
    // `passive` and nothing at all both ask us to connect (RFC 6135 §4.2): the relay URI says where the client is.
    for setup in ["a=setup:active", "a=setup:passive", "a=x-nothing"] {
        let mut socket = WebSocket::connect(house.ws()).expect("a WebSocket");
        let own = page("answer1");
        let relay = socket.relay(&own).expect("an answer");
        let wire = Wire::connect(house.server.sip("tcp"), None).expect("a connection");
        let (mut call, offered) = Call::begin(wire, house.server.sip("tcp"), "dana", "").expect("an answer");
        let ours = offered.attribute("path").to_owned();
        let answer = offer(&format!("{relay} {own}"), &[]).replace("a=setup:active", setup);
        call.acknowledge(&offered, &answer).expect("it is taken");
        call.start(&format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>")).expect("an answer");
        assert!(fetch(&mut socket, &relay, &own, &ours).0 == content, "{setup}");
        let exit = call.event("msml.dialog.exit").expect("an event");
        assert_eq!(exit.value("play.end"), "play.complete", "{exit:?}");
    }
}

// M7977-6-02 M7977-6-03
#[test]
fn a_client_without_a_relay_uri_connects_to_the_address_of_the_answer() {
    let house = House::new();
    let own = page("direct1");
    let (mut call, answer) = house.call(&offer(&own, &["a=sendonly"]));
    assert_eq!(answer.status(), 200, "{answer:?}");
    call.start(RECORD).expect("an answer");
    let ours = answer.attribute("path").to_owned();
    assert!(ours.starts_with(&format!("msrp://{}/", house.ws())) && ours.ends_with(";ws"), "{ours}");
    let mut socket = WebSocket::connect(house.ws()).expect("a WebSocket");
    let hello = format!(
        "MSRP hello001 SEND\r\nTo-Path: {ours}\r\nFrom-Path: {own}\r\nMessage-ID: hello\r\nByte-Range: 1-0/0\r\n-------hello001$\r\n"
    );
    socket.send(&hello).expect("it is taken");
    assert_eq!(socket.read().expect("an answer").status(), 200);
    let content = b"from the page itself".repeat(100);
    let message = Message { to: ours, from: own, id: "direct1".to_owned(), total: content.len() as u64 };
    socket.deposit(&message, &content, 500, BINARY).expect("it is stored");
    let exit = call.event("msml.dialog.exit").expect("an event");
    assert_eq!(exit.value("ft.hash"), format!("sha-256:{}", sha256(&content)), "{exit:?}");
    socket.send(hello.replace("hello", "again")).expect("it is taken");
    assert_eq!(socket.read().expect("an answer").status(), 200, "a SEND without content keeps the session awake");
}

#[test]
fn nobody_else_gets_at_a_session_behind_a_relay_uri() {
    let house = House::new();
    let mut socket = WebSocket::connect(house.ws()).expect("a WebSocket");
    let own = page("mine0001");
    let relay = socket.relay(&own).expect("an answer");
    let (_call, answer) = house.call(&offer(&format!("{relay} {own}"), &["a=sendonly"]));
    let ours = answer.attribute("path").to_owned();
    let mut thief = WebSocket::connect(house.ws()).expect("a WebSocket");
    let thiefs = thief.relay(&own).expect("an answer");
    for (to, status) in [
        (format!("{relay} {ours}"), 506),
        (format!("{thiefs} {ours}"), 481),
        (ours.clone(), 481),
        (format!("{relay} {relay} {ours}"), 481),
        (relay.clone(), 481),
    ] {
        let hello = format!(
            "MSRP hello001 SEND\r\nTo-Path: {to}\r\nFrom-Path: {own}\r\nMessage-ID: hello\r\nByte-Range: 1-0/0\r\n-------hello001$\r\n"
        );
        thief.send(hello).expect("it is taken");
        assert_eq!(thief.read().expect("an answer").status(), status, "{to}");
    }
    let hello = format!(
        "MSRP hello001 SEND\r\nTo-Path: {relay} {ours}\r\nFrom-Path: {own}\r\nMessage-ID: hello\r\nByte-Range: 1-0/0\r\n-------hello001$\r\n"
    );
    socket.send(hello).expect("it is taken");
    let answer = socket.read().expect("an answer");
    assert_eq!((answer.status(), answer.header("From-Path")), (200, relay.as_str()));
}

// M7977-5.2.2-02
#[test]
fn a_client_that_wants_to_be_connected_to_is_refused() {
    let house = House::new();
    let passive = offer(&page("passive1"), &["a=sendonly"]).replace("a=setup:active", "a=setup:passive");
    let (_call, answer) = house.call(&passive);
    assert_eq!(answer.status(), 488, "{answer:?}");
    let unknown = offer("msrp://127.0.0.1:9/x1;sctp", &["a=sendonly"]);
    assert_eq!(house.call(&unknown).1.status(), 488);
}
