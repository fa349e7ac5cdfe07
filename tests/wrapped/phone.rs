//! A phone that says what it likes in its envelopes.

use std::path::Path;

use serde_json::Value;
use sha1::Digest as _;
use tempfile::TempDir;

use super::support::msrp::{Frame, Stream};
use super::support::server::{Server, json};
use super::support::sip::{Call, Message, Wire, description};

/// A server with a spool of its own.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

impl House {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Server::start(dir.path(), variables);
        Self { server, dir }
    }

    /// The objects of the spool, the oldest first.
    pub(crate) fn objects(&self) -> Vec<Value> {
        json(self.dir.path(), &["spool", "list", "--json"])
    }

    /// The one body of the spool as it lies on the disk.
    pub(crate) fn stored(&self, object: &Value) -> Vec<u8> {
        let id = object["id"].as_str().expect("an id");
        std::fs::read(self.dir.path().join("spool/data").join(&id[25..]).join(id)).expect("a body")
    }
}

/// What a test's envelopes have in common.
pub(crate) const FROM_TO: &str = "From: Erin <sip:erin@phone.example.net>\nTo: <sip:bob@store.example.org>\n";

/// A `message/cpim`: these headers, a blank line, the content's headers, a blank line, the content.
pub(crate) fn cpim(headers: &str, mime: &str, content: &[u8]) -> Vec<u8> {
    [format!("{headers}\n{mime}\n").replace('\n', "\r\n").as_bytes(), content].concat()
}

/// A file selector for these octets.
pub(crate) fn selector(media_type: &str, octets: &[u8]) -> String {
    let sha1: Vec<String> = sha1::Sha1::digest(octets).iter().map(|octet| format!("{octet:02X}")).collect();
    format!("a=file-selector:name:\"memo.wav\" type:{media_type} size:{} hash:sha-1:{}", octets.len(), sha1.join(":"))
}

pub(crate) fn sha256(octets: &[u8]) -> String {
    sha2::Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A call with one message stream.
pub(crate) struct Phone {
    pub(crate) call: Call,
    pub(crate) answer: Message,
    pub(crate) stream: Stream,
    session: String,
    frames: u32,
}

impl Phone {
    /// Calls the box `bob` with these lines under its `m=`; `types` is what `a=accept-types` says.
    pub(crate) fn call(house: &House, session: &str, types: &str, lines: &[&str]) -> Self {
        let offer = description(session, lines).replace("accept-types:*", &format!("accept-types:{types}"));
        let (call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        Self { call, answer, stream, session: session.to_owned(), frames: 0 }
    }

    /// The same, saying more in the head of its INVITE.
    pub(crate) fn saying(house: &House, session: &str, lines: &[&str], more: Vec<String>) -> Self {
        let wire = Wire::connect(house.server.sip("tcp"), None).expect("a connection");
        let uri = format!("sip:bob@{}", house.server.sip("tcp"));
        let offer = ("application/sdp", &*description(session, lines));
        let (mut call, answer) = Call::begin_saying(wire, uri, offer, more).expect("an answer");
        call.acknowledge(&answer, "").expect("a write");
        let stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        Self { call, answer, stream, session: session.to_owned(), frames: 0 }
    }

    /// The same with a `<record>` into the box.
    pub(crate) fn recorded(house: &House, session: &str, lines: &[&str]) -> Self {
        let mut phone = Self::call(house, session, "*", lines);
        let script = "<record dest=\"spool:/bob/\" maxtime=\"60s\"/>\
             <exit namelist=\"record.end record.len ft.result ft.size ft.bytes ft.hash ft.type ft.name\"/>";
        let result = phone.call.start(script).expect("an answer");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
        phone
    }

    /// One SEND of these octets of a message.
    pub(crate) fn say(&mut self, id: &str, kind: &str, range: &str, octets: &[u8], flag: char) {
        self.frames += 1;
        let (to, session) = (self.answer.attribute("path").to_owned(), &self.session);
        let tid = format!("{session}x{:04}", self.frames);
        let head = format!(
            "MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: msrp://127.0.0.1:9/{session};tcp\r\nMessage-ID: {id}\r\n\
             Success-Report: yes\r\nByte-Range: {range}\r\nContent-Type: {kind}\r\n\r\n"
        );
        let end = format!("\r\n-------{tid}{flag}\r\n");
        self.stream.write(&[head.as_bytes(), octets, end.as_bytes()].concat()).expect("a write");
    }

    /// One message in one chunk, and the status of its answer.
    pub(crate) fn whole(&mut self, id: &str, kind: &str, octets: &[u8]) -> u16 {
        let range = format!("1-{0}/{0}", octets.len());
        self.say(id, kind, &range, octets, '$');
        self.heard().status()
    }

    pub(crate) fn heard(&mut self) -> Frame {
        self.stream.read().expect("a frame")
    }

    /// Waits for the success REPORT of so many octets and for the end of the recording.
    pub(crate) fn committed(&mut self, total: usize) -> Message {
        loop {
            let frame = self.heard();
            assert!(matches!(frame.status(), 0 | 200) && matches!(frame.reported(), 0 | 200), "{frame:?}");
            if frame.reported() == 200 && frame.header("Byte-Range") == format!("1-{total}/{total}") {
                break;
            }
        }
        let exit = self.call.event("msml.dialog.exit").expect("the end is told");
        assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
        exit
    }

    /// Shows itself and has this object played.
    fn play(&mut self, uri: &str) {
        let from = format!("msrp://127.0.0.1:9/{};tcp", self.session);
        let hello = self.stream.greet(self.answer.attribute("path"), &from).expect("an answer");
        assert_eq!(hello.status(), 200);
        let script =
            format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end ft.bytes ft.size ft.result\"/>");
        self.call.start(&script).expect("an answer");
    }

    /// The end of a play of which nothing is sent.
    pub(crate) fn denied(&mut self, uri: &str) -> Message {
        self.play(uri);
        self.call.event("msml.dialog.exit").expect("the end is told")
    }

    /// The head of the first chunk of a play, and the message.
    pub(crate) fn played(&mut self, uri: &str) -> (Frame, Vec<u8>) {
        self.play(uri);
        let first = self.heard();
        let mut content = first.body.clone();
        self.stream.accept(&first).expect("a write");
        let mut last = first.clone();
        while last.flag != b'$' {
            last = self.heard();
            content.extend_from_slice(&last.body);
            self.stream.accept(&last).expect("a write");
        }
        self.stream.report(&last, content.len()).expect("a write");
        let exit = self.call.event("msml.dialog.exit").expect("the end is told");
        assert_eq!(exit.value("play.end"), "play.complete", "{exit:?}");
        (first, content)
    }
}

/// The octets of an exported object.
pub(crate) fn exported(house: &House, object: &Value) -> Vec<u8> {
    let to = house.dir.path().join("out");
    let uri = object["uri"].as_str().expect("a URI");
    json(house.dir.path(), &["spool", "export", uri, "--to", "out", "--json", "--overwrite"]);
    std::fs::read(to.join("boxes/bob").join(Path::new(uri).file_name().expect("a name"))).expect("an export")
}
