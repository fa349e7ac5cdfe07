//! A whole deposit and a whole retrieval, recorded and read by tshark's dissectors.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::support::deposit::{Depositor, Plan, Promise};
use super::support::missing;
use super::support::msrp::Stream;
use super::support::server::Server;
use super::support::sip::{Call, Message, Wire, description};
use super::support::tape::Tape;

/// Chunks in which the file goes in, and comes out.
const CHUNKS: usize = 5;

/// Octets of each.
const CHUNK: usize = 1000;

fn retrieve(server: &Server, uri: &str, tape: &Tape) -> io::Result<Vec<u8>> {
    let address = server.sip("tcp");
    let wire = Wire::connect(address, Some(tape.clone()))?;
    let (mut call, answer) = Call::invite_on(wire, address, "bob", &description("s2", &["a=recvonly"]))?;
    let mut stream = Stream::connect(server.msrp(), Some(tape.clone()))?;
    stream.greet(answer.attribute("path"), "msrp://127.0.0.1:9/s2;tcp")?;
    let play = format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end play.amt\"/>");
    let result: Message = call.start(&play)?;
    assert!(result.body.contains("response=\"200\""), "{result:?}");
    let content = stream.receive()?;
    assert_eq!(call.event("msml.dialog.exit")?.value("play.end"), "play.complete");
    call.bye()?;
    Ok(content)
}

/// What tshark makes of these fields, one frame a line.
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
fn count(rows: &[Vec<String>], column: usize) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for value in rows.iter().flat_map(|row| row[column].split(',')).filter(|value| !value.is_empty()) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

#[test]
fn tshark_finds_nothing_malformed_and_every_message_that_was_sent() {
    if missing("tshark") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[("RESTANTE_MSRP__CHUNK", "1000")]);
    let tape = Tape::default();
    let content: Vec<u8> = (0..CHUNKS * CHUNK).map(|n| (n % 251) as u8).collect();
    let plan = Plan { chunk: CHUNK, ..Plan::new("m1", content.clone()) };
    let mut depositor = Depositor::call(&server, &plan, Some(tape.clone())).expect("a call");
    depositor.call.start(&plan.script()).expect("an answer");
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert_eq!(retrieve(&server, &promise.uri, &tape).expect("a retrieval"), content);
    let capture = dir.path().join("talk.pcap");
    tape.save(&capture);
    let fields = [
        "_ws.malformed",
        "sip.Method",
        "sip.Status-Code",
        "msrp.method",
        "msrp.status.code",
        "xml.tag",
        "sdp.media.media",
        "sdp.media.proto",
    ];
    let rows = read(&capture, &server, &fields);
    assert_eq!(count(&rows, 0), BTreeMap::new(), "nothing is malformed");
    // Two calls; in each one INFO of ours and two of the server's.
    assert_eq!(count(&rows, 1), BTreeMap::from([("ACK", 2), ("BYE", 2), ("INFO", 6), ("INVITE", 2)]));
    assert_eq!(count(&rows, 2).get("200"), Some(&10), "every request but ACK has its 200");
    // In and out, and our greeting; every SEND has its 200, every file its REPORT.
    assert_eq!(count(&rows, 3), BTreeMap::from([("REPORT", 2), ("SEND", 2 * CHUNKS + 1)]));
    assert_eq!(count(&rows, 4), BTreeMap::from([("200", 2 * CHUNKS + 1)]));
    assert_eq!(
        (count(&rows, 6), count(&rows, 7)),
        (BTreeMap::from([("message", 4)]), BTreeMap::from([("TCP/MSRP", 4)]))
    );
    let tags = count(&rows, 5);
    let tagged =
        |start: &str| tags.iter().filter(|(tag, _)| tag.starts_with(start)).map(|(_, count)| count).sum::<usize>();
    assert_eq!([tagged("<dialogstart "), tagged("<result "), tagged("<event ")], [2, 2, 4], "{tags:?}");
}
