//! Whole calls of every kind that goes without TLS, recorded and read by tshark's dissectors: they find nothing malformed,
//! and of every kind of message exactly as many as were said.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::support::deposit::{Depositor, Plan, Promise};
use super::support::missing;
use super::support::msrp::{Message, Stream};
use super::support::server::{Server, json};
use super::support::sip::{Call, HEAD, Wire, description, media};
use super::support::tape::Tape;

/// Chunks in which a file goes in, and comes out.
const CHUNKS: usize = 5;

/// Octets of each.
const CHUNK: usize = 1000;

/// What was said, by the first words of each message.
type Census = BTreeMap<String, usize>;

/// One server whose calls are on tape.
struct Studio {
    dir: TempDir,
    server: Server,
    tape: Tape,
}

impl Studio {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Server::start(dir.path(), &[("RESTANTE_MSRP__CHUNK", "1000")]);
        Self { dir, server, tape: Tape::default() }
    }

    fn wire(&self) -> Wire {
        Wire::connect(self.server.sip("tcp"), Some(self.tape.clone())).expect("a connection")
    }

    fn stream(&self) -> Stream {
        Stream::connect(self.server.msrp(), Some(self.tape.clone())).expect("a connection")
    }

    /// Calls with this offer and this body's type, and has the file recorded.
    fn recorded(&self, kind: &str, offer: &str, plan: &Plan) -> (Call, Message) {
        let (mut call, answer) =
            Call::invite_with(self.wire(), self.server.sip("tcp"), "bob", (kind, offer)).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let result = call.start(&plan.script()).expect("a result");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
        let (to, from) = (answer.attribute("path").to_owned(), format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id));
        (call, Message { to, from, id: plan.message_id.clone(), total: plan.content.len() as u64 })
    }

    /// Brings the rest of the file, and hangs up.
    fn finish(&self, call: Call, message: Message, plan: &Plan) -> String {
        let mut promise = Promise::default();
        let mut depositor = Depositor { call, stream: self.stream(), message, plan: plan.clone() };
        assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
        depositor.finish(&mut promise).expect("the end is told");
        assert!(promise.complete, "{promise:?}");
        promise.uri
    }

    fn push(&self, plan: &Plan) -> String {
        let (call, message) = self.recorded("application/sdp", &plan.offer(), plan);
        self.finish(call, message, plan)
    }

    /// Fetches something under these lines of an offer; without a selector it is this object, played.
    fn fetch(&self, uri: &str, types: &str, lines: &[&str]) -> Vec<u8> {
        let offer = description("back", lines).replace("accept-types:*", &format!("accept-types:{types}"));
        let (mut call, answer) = Call::invite_on(self.wire(), self.server.sip("tcp"), "bob", &offer).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let mut stream = self.stream();
        stream.greet(answer.attribute("path"), "msrp://127.0.0.1:9/back;tcp").expect("an answer");
        if !uri.is_empty() {
            let play = format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end play.amt\"/>");
            call.start(&play).expect("a result");
        }
        let content = stream.receive().expect("a file");
        if !uri.is_empty() {
            assert_eq!(call.event("msml.dialog.exit").expect("the end").value("play.end"), "play.complete");
        }
        call.bye().expect("an answer");
        content
    }

    /// What tshark makes of these fields, one frame a line.
    fn read(&self, fields: &[&str]) -> Vec<Vec<String>> {
        let capture = self.dir.path().join("talk.pcap");
        self.tape.save(&capture);
        read(&capture, &self.server, fields)
    }

    /// Everything that was said was understood; gives the tags of the MSML in it.
    fn is_understood(&self) -> BTreeMap<String, usize> {
        let rows = self.read(&[
            "_ws.malformed",
            "sip.Method",
            "sip.Status-Code",
            "msrp.method",
            "msrp.status.code",
            "xml.tag",
            "sdp.media.proto",
        ]);
        assert_eq!(count(&rows, 0), Census::new(), "nothing is malformed");
        let said = self.tape.starts();
        let of = |prefix: &str| -> Census {
            said.iter().filter_map(|(start, n)| Some((start.strip_prefix(prefix)?.to_owned(), *n))).collect()
        };
        assert_eq!(count(&rows, 1), of("SIP "), "requests of SIP");
        assert_eq!(count(&rows, 2), of("SIP/2.0 "), "responses of SIP");
        assert_eq!(count(&rows, 3), of("MSRP "), "requests of MSRP");
        assert_eq!(count(&rows, 4), of("MSRP/ "), "responses of MSRP");
        assert_eq!(count(&rows, 6).into_keys().collect::<Vec<_>>(), ["TCP/MSRP"]);
        count(&rows, 5)
    }
}

fn read(capture: &Path, server: &Server, fields: &[&str]) -> Vec<Vec<String>> {
    let sip = format!("tcp.port=={},sip", server.sip("tcp").port());
    let msrp = format!("tcp.port=={},msrp", server.msrp().port());
    let mut command = Command::new("tshark");
    command.args(["-n", "-d", &sip, "-d", &msrp, "-d", "media_type==application/msml+xml,xml"]);
    command.arg("-r").arg(capture).args(["-T", "fields", "-E", "separator=|"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

/// How often each value occurs in a column; several of one frame are separated by commas.
fn count(rows: &[Vec<String>], column: usize) -> Census {
    let mut counts = Census::new();
    for value in rows.iter().flat_map(|row| row[column].split(',')).filter(|value| !value.is_empty()) {
        *counts.entry(value.to_owned()).or_default() += 1;
    }
    counts
}

fn plan(id: &str) -> Plan {
    Plan { chunk: CHUNK, ..Plan::new(id, (0..CHUNKS * CHUNK).map(|n| (n % 251) as u8).collect()) }
}

#[test]
fn a_deposit_and_a_retrieval() {
    if missing("tshark") {
        return;
    }
    let (studio, plan) = (Studio::new(), plan("m1"));
    let uri = studio.push(&plan);
    assert_eq!(studio.fetch(&uri, "*", &["a=recvonly"]), plan.content);
    let tags = studio.is_understood();
    let tagged =
        |start: &str| tags.iter().filter(|(tag, _)| tag.starts_with(start)).map(|(_, count)| count).sum::<usize>();
    assert_eq!([tagged("<dialogstart "), tagged("<result "), tagged("<event ")], [2, 2, 4], "{tags:?}");
    // In and out, and our greeting; every SEND has its 200, every file its REPORT.
    let said = studio.tape.starts();
    assert_eq!([said["MSRP SEND"], said["MSRP REPORT"], said["MSRP/ 200"]], [2 * CHUNKS + 1, 2, 2 * CHUNKS + 1]);
}

#[test]
fn a_pull_of_a_file_and_of_the_rest_of_one() {
    if missing("tshark") {
        return;
    }
    let (studio, plan) = (Studio::new(), plan("m1"));
    studio.push(&plan);
    let lines = ["a=recvonly", "a=file-selector:name:\"m1.bin\"", "a=file-transfer-id:p1"];
    assert_eq!(studio.fetch("", "*", &lines), plan.content);
    let lines = [&lines[..2], &["a=file-transfer-id:p2", "a=file-range:2501-*"]].concat();
    assert_eq!(studio.fetch("", "*", &lines), plan.content[2500..]);
    studio.is_understood();
}

#[test]
fn a_file_that_goes_on_after_a_break_in_its_message_and_as_a_range() {
    if missing("tshark") {
        return;
    }
    let studio = Studio::new();
    for (id, by_range) in [("same", false), ("range", true)] {
        let plan = plan(id);
        let (mut call, message) = studio.recorded("application/sdp", &plan.offer(), &plan);
        let mut stream = studio.stream();
        stream.write(&message.chunk(0, &plan.content[..CHUNK]).1).expect("octets leave");
        assert_eq!(stream.read().expect("an answer").status(), 200);
        drop(stream);
        assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.failed.disconnected");
        if by_range {
            let again = plan.offer().replace("file-transfer-id:", "file-transfer-id:new");
            let offer = again + &format!("a=file-range:{}-*\r\n", CHUNK + 1);
            let rest = Plan { content: plan.content[CHUNK..].to_vec(), ..plan.clone() };
            let (call, message) = studio.recorded("application/sdp", &offer, &plan);
            studio.finish(call, Message { total: rest.content.len() as u64, ..message }, &rest);
        } else {
            let (call, message) = studio.recorded("application/sdp", &plan.offer(), &plan);
            let mut depositor = Depositor { call, stream: studio.stream(), message, plan: plan.clone() };
            let mut promise = Promise::default();
            assert!(depositor.send(CHUNK as u64, &mut promise).expect("octets flow").is_none());
            depositor.finish(&mut promise).expect("the end is told");
        }
    }
    assert_eq!(json(studio.dir.path(), &["spool", "list", "--json"]).len(), 2);
    studio.is_understood();
}

#[test]
fn a_file_in_an_envelope() {
    if missing("tshark") {
        return;
    }
    let (studio, plan) = (Studio::new(), plan("m1"));
    let envelope = "From: <sip:erin@phone.example.net>\r\nTo: <sip:bob@store.example.org>\r\nSubject: odd\r\n\r\n\
         Content-Type: application/octet-stream\r\n\r\n";
    let wrapped = [envelope.as_bytes(), &plan.content].concat();
    let (mut call, message) = studio.recorded("application/sdp", &plan.offer(), &plan);
    let head = format!(
        "MSRP cp1m0001 SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: {}\r\nSuccess-Report: yes\r\n\
         Byte-Range: 1-*/{}\r\nContent-Type: message/cpim\r\n\r\n",
        message.to,
        message.from,
        message.id,
        wrapped.len()
    );
    let mut stream = studio.stream();
    stream.write(&[head.as_bytes(), &wrapped, b"\r\n-------cp1m0001$\r\n"].concat()).expect("octets leave");
    while stream.read().expect("an answer and a REPORT").reported() != 200 {}
    let exit = call.event("msml.dialog.exit").expect("the end");
    assert_eq!(exit.value("record.end"), "record.complete");
    call.bye().expect("an answer");
    let lines = ["a=accept-wrapped-types:*", "a=recvonly"];
    let back = studio.fetch(exit.value("record.recordid"), "message/cpim", &lines);
    assert!(back.ends_with(&plan.content) && back.starts_with(b"From: "));
    studio.is_understood();
}

#[test]
fn a_file_with_a_picture() {
    if missing("tshark") {
        return;
    }
    let (studio, plan) = (Studio::new(), plan("m1"));
    let offer = plan.offer() + "a=file-icon:cid:i1@phone.example.net\r\n";
    let body = format!(
        "--edge\r\nContent-Type: application/sdp\r\n\r\n{offer}\r\n--edge\r\nContent-Type: image/png\r\n\
         Content-Transfer-Encoding: binary\r\nContent-ID: <i1@phone.example.net>\r\nContent-Disposition: icon\r\n\r\n\
         a picture\r\n--edge--\r\n"
    );
    let kind = "multipart/related; type=\"application/sdp\"; boundary=edge";
    let (mut call, message) = studio.recorded(kind, &body, &plan);
    let mut stream = studio.stream();
    stream.write(&message.chunk(0, &plan.content).1).expect("octets leave");
    while stream.read().expect("an answer and a REPORT").reported() != 200 {}
    let exit = call.event("msml.dialog.exit").expect("the end");
    // The call's only stream has done its part: the server offers another, with the picture beside it.
    call.replies.push_back((200, format!("{HEAD}{}", media("back", &["a=recvonly"]))));
    let play = format!("<play><audio uri=\"{}\"/></play><exit namelist=\"play.end\"/>", exit.value("record.recordid"));
    call.start(&play).expect("a result");
    let offered = call.asked("INVITE").expect("an offer");
    assert!(offered.body.contains("a picture"), "{offered:?}");
    let mut stream = studio.stream();
    stream.greet(offered.attribute("path"), "msrp://127.0.0.1:9/back;tcp").expect("an answer");
    assert_eq!(stream.receive().expect("a file"), plan.content);
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("play.end"), "play.complete");
    call.bye().expect("an answer");
    studio.is_understood();
    let pictures = studio.read(&["mime_multipart.header.content-type"]);
    assert_eq!(count(&pictures, 0).get("image/png"), Some(&2), "{:?}", count(&pictures, 0));
}

#[test]
fn a_file_from_a_phone_behind_a_relay_of_its_own() {
    if missing("tshark") {
        return;
    }
    let (studio, plan) = (Studio::new(), plan("m1"));
    let path = "msrp://127.0.0.1:9/relay;tcp msrp://phone.example.net:9/sm1;tcp";
    let offer = plan.offer().replace("msrp://127.0.0.1:9/sm1;tcp", path);
    let (call, message) = studio.recorded("application/sdp", &offer, &plan);
    studio.finish(call, Message { from: path.to_owned(), ..message }, &plan);
    studio.is_understood();
}
