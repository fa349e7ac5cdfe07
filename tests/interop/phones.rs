//! Whole calls by SIPp, with their octets moved by `endpoint.py`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sha1::Digest as _;
use tempfile::TempDir;

use super::support::endpoint::{ENDPOINT, WAV};
use super::support::server::{Server, json};
use super::support::{eventually, missing};

/// A server, and a directory for what a call leaves.
struct House {
    server: Server,
    dir: TempDir,
}

/// One call to be made.
struct Scene<'a> {
    scenario: &'a str,
    transport: &'a str,
    user: &'a str,
    chunk: usize,
    /// Further words of the scenario, such as the object to be played.
    words: &'a [(&'a str, &'a str)],
}

impl House {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Server::start(dir.path(), &[]);
        Self { server, dir }
    }

    /// Makes the call and gives what the endpoint has to tell.
    fn call(&self, scene: &Scene<'_>) -> Value {
        let outcome = self.path("outcome");
        let _ = fs::remove_file(&outcome);
        self.sipp(scene);
        let text = eventually("the endpoint's result", || fs::read_to_string(&outcome).ok());
        let result: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(result["error"], Value::Null, "{result}");
        result
    }

    fn sipp(&self, scene: &Scene<'_>) {
        let wav = fs::read(WAV).expect("a recording");
        let octets = wav.len().to_string();
        let sha1: Vec<String> = sha1::Sha1::digest(&wav).iter().map(|octet| format!("{octet:02X}")).collect();
        let (sha1, outcome, chunk) = (sha1.join(":"), self.path("outcome"), scene.chunk.to_string());
        let words = [
            ("user", scene.user),
            ("endpoint", ENDPOINT),
            ("endpoint_path", "msrp://127.0.0.1:9/pyendpoint;tcp"),
            ("wav_file", WAV),
            ("wav_name", "message.wav"),
            ("wav_octets", &octets),
            ("wav_sha1", &sha1),
            ("outcome", outcome.to_str().expect("a plain path")),
            ("chunk", &chunk),
        ];
        let mut command = Command::new("sipp");
        command.current_dir(self.dir.path());
        command.args(["-sf", &format!("{}/tests/interop/{}.xml", env!("CARGO_MANIFEST_DIR"), scene.scenario)]);
        command.args(["-m", "1", "-i", "127.0.0.1", "-nostdin", "-timeout", "20s", "-timeout_error"]);
        command.args(["-trace_err", "-error_file", "sipp.err", "-trace_msg", "-message_file", "sipp.msg"]);
        command.args(["-t", if scene.transport == "tcp" { "t1" } else { "u1" }]);
        // SIPp takes the first of several words of one name.
        for (name, value) in scene.words.iter().chain(&words) {
            command.args(["-key", name, value]);
        }
        command.arg(self.server.sip(scene.transport).to_string());
        let output = command.output().expect("sipp runs");
        let told = |name: &str| fs::read_to_string(self.path(name)).unwrap_or_default();
        assert!(output.status.success(), "{}\n{}\n{}", scene.scenario, told("sipp.err"), told("sipp.msg"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The one object of this box.
    fn object(&self, mailbox: &str) -> Value {
        let mut objects = json(self.dir.path(), &["spool", "list", "--json", "--box", mailbox]);
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }
}

fn sha256(path: &Path) -> String {
    let octets = fs::read(path).expect("a file");
    sha2::Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether the programs are not there.
fn skipped() -> bool {
    missing("sipp") || missing("python3")
}

/// Every chunk was accepted, and the message as a whole was reported.
fn all_accepted(result: &Value, chunk: usize) {
    let octets = fs::metadata(WAV).expect("a recording").len();
    assert_eq!(result["chunks"], octets.div_ceil(chunk as u64), "{result}");
    assert_eq!((&result["accepted"], &result["in_order"]), (&result["chunks"], &Value::Bool(true)), "{result}");
    let last = result["reports"].as_array().and_then(|reports| reports.last()).expect("a REPORT");
    assert_eq!(
        (last["range"].as_str(), last["status"].as_str()),
        (Some(&*format!("1-{octets}/{octets}")), Some("000 200 OK"))
    );
}

#[test]
fn a_pushed_file_is_recorded_over_udp_and_tcp() {
    if skipped() {
        return;
    }
    let house = House::new();
    for (user, transport, chunk) in [("bob", "udp", 2048), ("carol", "tcp", 50_000)] {
        let result = house.call(&Scene { scenario: "push", transport, user, chunk, words: &[] });
        all_accepted(&result, chunk);
        let object = house.object(user);
        assert_eq!(object["sha256"].as_str(), Some(sha256(Path::new(WAV)).as_str()));
        assert_eq!(
            (object["file_name"].as_str(), object["media_type"].as_str()),
            (Some("message.wav"), Some("audio/x-wav"))
        );
    }
}

#[test]
fn a_call_without_an_offer_gets_one_and_records_too() {
    if skipped() {
        return;
    }
    let house = House::new();
    for (user, transport) in [("bob", "udp"), ("carol", "tcp")] {
        let result = house.call(&Scene { scenario: "offerless", transport, user, chunk: 10_000, words: &[] });
        all_accepted(&result, 10_000);
        assert_eq!(house.object(user)["sha256"].as_str(), Some(sha256(Path::new(WAV)).as_str()));
    }
}

#[test]
fn a_stored_file_is_pulled_by_its_name() {
    if skipped() {
        return;
    }
    let house = House::new();
    house.call(&Scene { scenario: "push", transport: "udp", user: "bob", chunk: 2048, words: &[] });
    let fetched = house.path("fetched.wav");
    let words = [("wav_file", fetched.to_str().expect("a plain path"))];
    let result = house.call(&Scene { scenario: "pull", transport: "udp", user: "bob", chunk: 0, words: &words });
    assert_eq!(result["sha256"].as_str(), Some(sha256(Path::new(WAV)).as_str()), "{result}");
    assert_eq!((result["hello"].as_str(), result["type"].as_str()), (Some("200 OK"), Some("audio/x-wav")));
    assert_eq!(sha256(&fetched), sha256(Path::new(WAV)));
}

#[test]
fn a_stored_file_is_played_to_a_phone_that_listens() {
    if skipped() {
        return;
    }
    let house = House::new();
    house.call(&Scene { scenario: "push", transport: "tcp", user: "bob", chunk: 2048, words: &[] });
    let object = house.object("bob")["uri"].as_str().expect("a URI").to_owned();
    for transport in ["udp", "tcp"] {
        let (mut phone, port) = listening(&house);
        let path = format!("msrp://127.0.0.1:{port}/pyendpoint;tcp");
        let words = [("object", object.as_str()), ("endpoint_port", &port), ("endpoint_path", &path)];
        house.sipp(&Scene { scenario: "play", transport, user: "bob", chunk: 0, words: &words });
        assert!(phone.wait().expect("the endpoint ends").success());
        let result = fs::read_to_string(house.path("heard")).expect("the endpoint's result");
        assert!(result.contains(&sha256(Path::new(WAV))), "{result}");
        assert!(result.contains(&path), "the To-Path is the phone's own: {result}");
    }
}

/// A Python endpoint that waits for the server's connection, and its port.
fn listening(house: &House) -> (Child, String) {
    let (file, result) = (house.path("heard.wav"), house.path("heard"));
    let mut command = Command::new("python3");
    command
        .args([ENDPOINT, "receive", "--listen", "--local", "unused", "--file"])
        .arg(file)
        .arg("--result")
        .arg(result);
    let mut phone = command.stdout(Stdio::piped()).spawn().expect("python3 runs");
    let mut port = String::new();
    BufReader::new(phone.stdout.take().expect("its output is piped")).read_line(&mut port).expect("a port");
    (phone, port.trim().to_owned())
}
