//! What a sender is told of the fate of its message (RFC 5438), as somebody in Python hears it.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use restante::model::digest_auth::{Challenge, Credentials, Use};
use serde_json::Value;

use super::bare::BarePhone;
use super::phone::{House, Phone, cpim};
use super::support::http::{Visit, items};
use super::support::server::Server;
use super::support::{eventually, missing};
use tempfile::TempDir;

/// Who has sent it, and waits for word.
struct Sender {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Sender {
    fn new(dir: &Path, port: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/imdn.py");
        let mut command = Command::new("python3");
        command.args([script, "--port", &port.to_string(), "--write", dir.to_str().expect("a path")]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("python runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let port = lines.next().expect("a port").expect("text").parse().expect("a number");
        Self { child, lines, port }
    }

    /// The next notification.
    fn told(&mut self) -> Value {
        let line = self.lines.next().expect("a notification").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FROM_TO: &str = "From: Alice <sip:alice@phone.example.net>\nTo: <sip:bob@store.example.org>\n";
const ASKS: &str = "NS: n <urn:ietf:params:imdn>\nn.Message-ID: 34jk324j\nn.Disposition-Notification: ";

fn house(port: u16) -> House {
    let proxy = format!("sip:127.0.0.1:{port}");
    House::new(&[
        ("RESTANTE_SIP__OUTBOUND__PROXY", &proxy),
        ("RESTANTE_POLICY__FORWARD", "phone.example.net,127.0.0.1"),
    ])
}

/// A message with these headers of its wrapper is deposited; returns its id.
fn deposit(house: &House, headers: &str, kind: &str) -> String {
    let session = format!("s{}", house.objects().len());
    let message = cpim(headers, &format!("Content-Type: {kind}\n"), b"a message");
    let mut phone = Phone::recorded(house, &session, &["a=sendonly"]);
    phone.say("m1", "message/cpim", &format!("1-{0}/{0}", message.len()), &message, '$');
    phone.committed(message.len());
    house.objects().pop().expect("an object")["id"].as_str().expect("an id").to_owned()
}

/// Somebody whom nobody knows.
const NOBODY: &str = "sip:carol@phone.example.net";

/// Has it brought to somebody.
fn forward(server: &Server, id: &str, to: &str) {
    let body = format!("{{\"object\":\"{id}\",\"to\":\"{to}\"}}");
    let headers = ["Content-Type: application/json", &format!("Content-Length: {}", body.len())];
    let mut visit = Visit::begin(server.door(), "POST /api/v1/deliveries", &headers);
    visit.write(body.as_bytes()).expect("a write");
    assert_eq!(visit.answer().status, 201);
}

// M5438-5.1-01 M5438-5.2-01 M5438-6.3-02 M5438-7.2.1-01 M5438-7.2.1-02 M5438-7.2.1-03 M5438-7.2.1-04 M5438-7.2.1-07 M5438-7.2.1-10
// M5438-7.2.1-11 M5438-7.2.1.1-01 M5438-8.1-01 M5438-8.1-02 M5438-8.2-01 M5438-8.2-02 M5438-8.2-03 M5438-9-01
// M5438-10-01 M5438-11.1-01 M5438-11.1-02 M5438-11.1.1-01 M5438-11.1.2-01 M5438-11.1.3-01 M5438-11.1.4-01 M5438-11.1.5-01
// M5438-11.1.6-01 M5438-11.1.8-01 M5438-12.1.3.1-01 M5438-12.2-02 M5438-12.2-03
#[test]
fn a_sender_hears_that_its_message_is_stored_and_then_that_it_cannot_be_delivered() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let mut sender = Sender::new(dir.path(), 0);
    let house = house(sender.port);
    let headers = format!(
        "{FROM_TO}DateTime: 2026-11-22T23:00:00+01:00\nSubject:;lang=de R\\u00fcckruf & <mehr>\n{ASKS}processing, negative-delivery\n\
         n.Original-To: <sip:team@store.example.org>\n"
    );
    let id = deposit(&house, &headers, "text/plain");
    let stored = sender.told();
    assert_eq!(stored["target"], "sip:alice@phone.example.net");
    assert!(stored["route"][0].as_str().is_some_and(|route| route.contains(";lr")), "{stored}");
    assert_eq!(stored["cpim"]["From"], "<sip:bob@store.example.org>");
    assert_eq!(stored["cpim"]["To"], "Alice <sip:alice@phone.example.net>");
    assert_eq!(stored["content"]["content-type"], "message/imdn+xml");
    assert_eq!(stored["content"]["content-disposition"], "notification");
    let own = stored["imdn"]["Message-ID"][0].as_str().expect("an id of its own").to_owned();
    assert!(own.len() >= 16 && own != "34jk324j", "{own}");
    assert!(
        stored["imdn"].get("Disposition-Notification").is_none() && stored["imdn"].get("IMDN-Record-Route").is_none()
    );
    let said = &stored["said"];
    assert_eq!((&said["kind"], &said["status"]), (&"processing-notification".into(), &"stored".into()));
    assert_eq!((&said["message-id"], &said["datetime"]), (&"34jk324j".into(), &"2026-11-22T23:00:00+01:00".into()));
    assert_eq!(said["recipient-uri"], "sip:bob@store.example.org");
    assert_eq!(said["original-recipient-uri"], "sip:team@store.example.org");
    assert_eq!(said["subject"], "Rückruf & <mehr>");

    forward(&house.server, &id, NOBODY);
    let failed = sender.told();
    let said = &failed["said"];
    assert_eq!((&said["kind"], &said["status"]), (&"delivery-notification".into(), &"failed".into()));
    assert_ne!(failed["imdn"]["Message-ID"][0].as_str(), Some(&*own));
    // A second failure of the same message is no news; that of the next is.
    forward(&house.server, &id, NOBODY);
    let next = deposit(&house, &headers.replace("34jk324j", "next"), "text/plain");
    assert_eq!(sender.told()["said"]["message-id"], "next");
    forward(&house.server, &next, NOBODY);
    let told = sender.told();
    assert_eq!((&told["said"]["message-id"], &told["said"]["status"]), (&"next".into(), &"failed".into()));
    valid(dir.path(), 4);
}

/// What was said is valid.
fn valid(dir: &Path, count: usize) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/imdn.xsd");
    let documents = (1..=count).map(|number| dir.join(format!("{number}.xml")));
    if missing("xmllint") {
        return;
    }
    let output = Command::new("xmllint").args(["--noout", "--nonet", "--schema", schema]).args(documents).output();
    let output = output.expect("xmllint runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

// M5438-12.2-01
#[test]
fn a_sender_hears_once_that_its_message_is_delivered_to_one_that_took_the_file_alone_and_reported_all_of_it() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let mut sender = Sender::new(dir.path(), 0);
    let house = House::new(&[("RESTANTE_POLICY__FORWARD", "127.0.0.1")]);
    let route = format!("n.IMDN-Record-Route: <sip:alice@127.0.0.1:{}>\n", sender.port);
    let asking = |wants: &str| format!("{FROM_TO}{ASKS}{wants}\n{route}");
    // Given somebody who takes files as they are,
    let mut phone = BarePhone::new();
    // when a message is brought there, and once more,
    let id = deposit(&house, &asking("positive-delivery"), "text/plain");
    for brought in 1..=2 {
        forward(&house.server, &id, &phone.uri());
        assert_eq!(phone.takes(), (b"a message".to_vec(), "text/plain".to_owned()));
        eventually("it is known to be there", || {
            let done = items(house.server.door(), "/api/v1/deliveries?state=delivered").len();
            (done == brought).then_some(())
        });
    }
    // then its sender is told so, and the next that it hears is of another message.
    let said = &sender.told()["said"];
    assert_eq!((&said["kind"], &said["status"]), (&"delivery-notification".into(), &"delivered".into()));
    assert_eq!(
        (&said["message-id"], &said["recipient-uri"]),
        (&"34jk324j".into(), &"sip:bob@store.example.org".into())
    );
    deposit(&house, &asking("processing").replace("34jk324j", "next"), "text/plain");
    assert_eq!(sender.told()["said"]["message-id"], "next");
    valid(dir.path(), 2);
}

// M5438-7.2.1-05 M5438-7.2.1-06 M5438-7.2.1-08 M5438-7.2.1-09 M5438-12.1.1-01 M5438-12.1.3.1-02
#[test]
fn a_notification_takes_the_recorded_route_and_nobody_is_told_who_is_not_the_sender() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let mut sender = Sender::new(dir.path(), 0);
    let house = house(sender.port);
    let asks = format!("{ASKS}processing\n");
    // Neither of these is told: a notification, somebody else's name, nobody's, and who is in none of our domains.
    deposit(&house, &format!("{FROM_TO}{asks}"), "message/imdn+xml");
    for from in ["sip:mallory@phone.example.net", "sip:anonymous@anonymous.invalid"] {
        deposit(&house, &format!("From: <{from}>\nTo: <sip:bob@store.example.org>\n{asks}"), "text/plain");
    }
    // What was refused was never ours: its answer has said so.
    let refused = cpim(&format!("{FROM_TO}{asks}Require: X-Future\n"), "Content-Type: text/plain\n", b"a message");
    assert!(Phone::recorded(&house, "refused", &["a=sendonly"]).whole("m1", "message/cpim", &refused) >= 400);
    let elsewhere = "n.IMDN-Record-Route: <sip:victim@elsewhere.example.org>\n";
    deposit(&house, &format!("{FROM_TO}{asks}{elsewhere}"), "text/plain");
    let routes = format!(
        "n.IMDN-Record-Route: <sip:first@127.0.0.1:{}>\nn.IMDN-Record-Route: <sip:second@example.net>\n",
        sender.port
    );
    deposit(&house, &format!("{FROM_TO}{asks}{routes}"), "text/plain");
    let told = sender.told();
    assert_eq!(told["target"], format!("sip:first@127.0.0.1:{}", sender.port));
    let first = format!("<sip:first@127.0.0.1:{}>", sender.port);
    assert_eq!(told["imdn"]["IMDN-Route"], serde_json::json!([first, "<sip:second@example.net>"]));
}

/// Brings a message that asks to be told that it is stored, with this in the head of the INVITE.
fn brings(house: &House, session: &str, headers: &str, more: Vec<String>) {
    let message = cpim(headers, "Content-Type: text/plain\n", b"a message");
    let mut phone = Phone::saying(house, session, &["a=sendonly"], more);
    assert_eq!(phone.whole(session, "message/cpim", &message), 200);
    while phone.heard().reported() != 200 {}
}

// S19
#[test]
fn whoever_forges_both_froms_has_nobody_told_and_a_recorded_route_is_believed_no_more_than_they_are() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let mut sender = Sender::new(dir.path(), 0);
    let owners = dir.path().join("owners");
    std::fs::write(&owners, "alice:open sesame\nbob:secret\n").expect("a file");
    let house = House::new(&[
        ("RESTANTE_SIP__OUTBOUND__PROXY", &format!("sip:127.0.0.1:{}", sender.port)),
        ("RESTANTE_POLICY__FORWARD", "phone.example.net"),
        ("RESTANTE_CONTROL__TRUSTED", "10.0.0.0/8"),
        ("RESTANTE_CONTROL__UNATTENDED", "deposit"),
        ("RESTANTE_CONTROL__OWNERS_FILE", owners.to_str().expect("a path")),
    ]);
    let asks = |id: &str| format!("{FROM_TO}{ASKS}processing\n").replace("34jk324j", id);
    let route = "n.IMDN-Record-Route: <sip:victim@phone.example.net:5099>\n";
    brings(&house, "forged1", &asks("forged"), Vec::new());
    brings(&house, "forged2", &format!("{}{route}", asks("routed")), Vec::new());
    // Who proves to be somebody is nobody else for it.
    let proof = |session: &str, account: (&str, &str)| {
        let challenged = Phone::saying(&house, session, &["a=recvonly", "a=file-selector:size:7"], Vec::new());
        assert_eq!(challenged.answer.status(), 401, "{:?}", challenged.answer);
        let challenge = Challenge::parse(challenged.answer.header("WWW-Authenticate")).expect("a challenge");
        let credentials = Credentials { user: account.0.to_owned(), password: account.1.to_owned() };
        let uri = format!("sip:bob@{}", house.server.sip("tcp"));
        let use_ = Use { method: "INVITE", uri: &uri, cnonce: "c", count: 1 };
        vec![format!("Authorization: {}", challenge.authorization(&credentials, &use_))]
    };
    brings(&house, "bobs", &asks("another"), proof("p1", ("bob", "secret")));
    brings(&house, "hers", &asks("hers"), proof("p2", ("alice", "open sesame")));
    assert_eq!(sender.told()["said"]["message-id"], "hers");
    let asked: Vec<bool> = house.objects().iter().map(|of| of["wrappers"][0]["imdn"]["shown"] == true).collect();
    assert_eq!(asked, [false, false, false, true]);
}

#[test]
fn a_kill_between_the_commit_and_the_word_of_it_takes_nothing_from_the_sender() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    // Nobody listens there yet.
    let port = Sender::new(dir.path(), 0).port;
    let mut house = house(port);
    // Nor can anything be written into the outbox before the kill.
    let outbox = rusqlite::Connection::open(house.dir.path().join("spool/notices.sqlite")).expect("SQLite");
    let count = |of: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {of}");
        outbox.query_row(&count, [], |row| row.get(0)).expect("a count")
    };
    outbox.execute_batch("BEGIN IMMEDIATE").expect("the only writer");
    deposit(&house, &format!("{FROM_TO}{ASKS}processing\n"), "text/plain");
    house.server.kill();
    assert_eq!((count("notices"), count("done")), (0, 0), "nothing was written down of it");
    outbox.execute_batch("ROLLBACK").expect("others may write");
    let mut sender = Sender::new(dir.path(), port);
    let proxy = format!("sip:127.0.0.1:{port}");
    let variables =
        [("RESTANTE_SIP__OUTBOUND__PROXY", proxy.as_str()), ("RESTANTE_POLICY__FORWARD", "phone.example.net")];
    house.server = Server::start(house.dir.path(), &variables);
    assert_eq!(sender.told()["said"]["status"], "stored");
    eventually("the outbox is empty", || ((count("notices"), count("done")) == (0, 1)).then_some(()));
}

// M5438-6.4-01 M5438-6.4-02 M5438-6.4-03 M5438-8-01 M5438-8-02
#[test]
fn what_a_sender_asks_goes_on_in_the_wrapper_and_says_whom_the_message_was_for() {
    let house = House::new(&[]);
    let asks = format!("{ASKS}positive-delivery, display\nn.IMDN-Record-Route: <sip:first@example.net>\n");
    let uri = |id: &str| {
        let object = house.objects().into_iter().find(|object| object["id"] == id).expect("it is there");
        assert_eq!(object["wrappers"][0]["imdn"]["wants"], serde_json::json!(["positive-delivery", "display"]));
        object["uri"].as_str().expect("a name").to_owned()
    };
    let team = "n.Original-To: <sip:team@store.example.org>\n";
    for (number, (before, original)) in
        [("", "sip:bob@store.example.org"), (team, "sip:team@store.example.org")].iter().enumerate()
    {
        let uri = uri(&deposit(&house, &format!("{FROM_TO}{asks}{before}"), "text/plain"));
        let lines = ["a=recvonly", "a=accept-wrapped-types:*"];
        let (_, message) = Phone::call(&house, &format!("p{number}"), "message/cpim", &lines).played(&uri);
        let message = String::from_utf8(message).expect("text");
        let head = message.split("\r\n\r\n").next().expect("a head");
        for line in [
            "NS: imdn <urn:ietf:params:imdn>",
            "imdn.Message-ID: 34jk324j",
            "imdn.Disposition-Notification: positive-delivery, display",
            &format!("imdn.Original-To: <{original}>"),
            "imdn.IMDN-Record-Route: <sip:first@example.net>",
        ] {
            assert_eq!(head.split("\r\n").filter(|known| *known == line).count(), 1, "{line} in {head}");
        }
        assert_eq!(head.matches("Original-To").count(), 1);
    }
}
