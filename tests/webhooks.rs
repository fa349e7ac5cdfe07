//! Webhooks against the real server: who is told of what, how it is signed, and that nothing is missed, whatever the receiver
//! answers and whoever is killed meanwhile.

#[path = "webhooks/receiver.rs"]
mod receiver;
mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use receiver::{Posted, Receiver};
use serde_json::{Value, json};
use support::http::{self, Visit};
use support::server::{Server, run, serve};
use support::{eventually, missing};
use tempfile::TempDir;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Waits that a test can wait for.
const HASTE: [(&str, &str); 2] =
    [("RESTANTE_NOTICES__BACKOFF_MIN", "20ms"), ("RESTANTE_NOTICES__BACKOFF_MAX", "100ms")];

/// A server whose settings say this besides the usual.
fn start(dir: &Path, more: &str, variables: &[(&str, &str)]) -> Server {
    std::fs::write(dir.join("secret"), SECRET).expect("a secret");
    let command = serve(dir, &[&HASTE, variables].concat());
    let mut file = std::fs::File::options().append(true).open(dir.join("restante.toml")).expect("a configuration");
    file.write_all(more.as_bytes()).expect("settings");
    Server::launch(dir, command)
}

fn hook(name: &str, receiver: &Receiver, events: &str) -> String {
    let url = receiver.url();
    format!("[[webhooks]]\nname = \"{name}\"\nurl = \"{url}\"\nevents = {events}\nsecret_file = \"secret\"\n")
}

fn deposit(server: &Server, query: &str) -> Value {
    let answer = http::post(server.door(), query, &[], b"hello");
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn post(server: &Server, path: &str, body: &Value) -> http::Answer {
    let (body, kind) = (body.to_string(), "Content-Type: application/json");
    let length = format!("Content-Length: {}", body.len());
    let mut visit = Visit::begin(server.door(), &format!("POST {path}"), &[kind, &length]);
    visit.write(body.as_bytes()).expect("a body");
    visit.answer()
}

fn dead(server: &Server) -> Vec<Value> {
    http::items(server.door(), "/api/v1/notices?state=dead")
}

/// Standard Webhooks by the Python standard library, which shares nothing with the server.
fn python_signature(posted: &Posted) -> String {
    const SCRIPT: &str = "import base64, hashlib, hmac, sys\n\
        key = base64.b64decode(sys.argv[1].removeprefix('whsec_'))\n\
        text = (sys.argv[2] + '.' + sys.argv[3] + '.').encode() + sys.stdin.buffer.read()\n\
        print('v1,' + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode())";
    let (id, timestamp) = (posted.header("webhook-id"), posted.header("webhook-timestamp"));
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT, SECRET, id, timestamp])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    python.stdin.take().expect("it is piped").write_all(&posted.body).expect("a body");
    let output = python.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_webhook_is_told_of_a_commit_until_it_has_taken_it_each_time_under_the_same_id() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    let elsewhere = Receiver::new();
    let redirect = format!("302 Found\r\nLocation: {}", elsewhere.url());
    for answer in ["500 Oops", redirect.as_str(), "429 Slow Down\r\nRetry-After: 0"] {
        receiver.answer(answer);
    }
    let server = start(dir.path(), &hook("crm", &receiver, "[\"stored\"]"), &[]);
    let object = deposit(&server, "box=bob&name=monday");
    let posted = receiver.posted(4);
    for one in &posted {
        assert_eq!((one.header("webhook-id"), &one.body), (posted[0].header("webhook-id"), &posted[0].body));
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
    }
    let event = posted[0].json();
    assert_eq!(event["id"], posted[0].header("webhook-id"));
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("restante.object.stored")));
    assert_eq!((&event["subject"], &event["time"]), (&object["uri"], &object["created"]));
    assert!(event["source"].as_str().is_some_and(|source| source.starts_with("urn:restante:")), "{event}");
    assert_eq!((&event["datacontenttype"], &event["data"]["object"]), (&json!("application/json"), &object));
    eventually("an outbox without it", || http::items(server.door(), "/api/v1/notices").is_empty().then_some(()));
    assert!(elsewhere.seen().is_empty(), "no redirect is followed");
    let log = server.log();
    assert!(log.contains("answered 500") && log.contains("answered 302") && log.contains("answered 429"), "{log}");
    let metrics = server.http("/metrics");
    for line in ["restante_notices_total{result=\"taken\"} 1", "restante_notices_total{result=\"deferred\"} 3"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn what_is_sent_is_signed_as_an_independent_implementation_signs_it_and_no_secret_is_shown() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    let server = start(dir.path(), &hook("crm", &receiver, "[\"stored\"]"), &[]);
    deposit(&server, "box=bob&name=Gr%C3%BC%C3%9Fe");
    let posted = receiver.posted(1).remove(0);
    assert_eq!(posted.header("webhook-signature"), python_signature(&posted));
    let printed = run(dir.path(), &["config", "print"]);
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.contains("secret_file = \"secret\""), "{printed}");
    let secret = SECRET.trim_start_matches("whsec_");
    assert!(!printed.contains(secret) && !server.log().contains(secret));
}

#[test]
fn a_kill_between_takes_nothing_of_what_waits_and_nothing_is_said_twice_that_was_taken() {
    let dir = TempDir::new().expect("a directory");
    let (away, there) = (Receiver::new(), Receiver::new());
    (0..1000).for_each(|_| away.answer("503 Away"));
    let hooks = hook("away", &away, "[\"stored\"]") + &hook("there", &there, "[\"stored\"]");
    let server = start(dir.path(), &hooks, &[]);
    let object = deposit(&server, "box=bob&name=monday");
    let first = away.posted(2).remove(0);
    assert_eq!(there.posted(1)[0].json()["data"]["object"], object);
    server.kill();
    away.forget_answers();
    let server = start(dir.path(), &hooks, &[]);
    eventually("an outbox without it", || http::items(server.door(), "/api/v1/notices").is_empty().then_some(()));
    let last = away.seen().pop().expect("it was told");
    assert_eq!((last.header("webhook-id"), &last.body), (first.header("webhook-id"), &first.body));
    assert_eq!(there.seen().len(), 1, "whoever has taken it is told no more");
}

/// The moment between the commit and the outbox is too short to be hit: what such a kill leaves is made.
#[test]
fn what_a_kill_has_kept_from_the_outbox_is_found_again_in_the_spool() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    (0..1000).for_each(|_| receiver.answer("503 Away"));
    let hooks = hook("crm", &receiver, "[\"stored\", \"expired\"]");
    let server = start(dir.path(), &hooks, &[]);
    let object = deposit(&server, "box=bob&name=monday");
    let id = object["id"].as_str().expect("an id");
    assert_eq!(http::ask(server.door(), &format!("POST /api/v1/objects/{id}/expire"), &[]).status, 200);
    let before = receiver.posted(1).remove(0);
    eventually("both", || (http::items(server.door(), "/api/v1/notices").len() == 2).then_some(()));
    server.kill();
    let outbox = rusqlite::Connection::open(dir.path().join("spool/notices.sqlite")).expect("SQLite");
    assert_eq!(outbox.execute("DELETE FROM notices", []).expect("rows"), 2);
    drop(outbox);
    receiver.forget_answers();
    let server = start(dir.path(), &hooks, &[]);
    eventually("an outbox without them", || http::items(server.door(), "/api/v1/notices").is_empty().then_some(()));
    let seen = receiver.seen();
    let [.., stored, expired] = &seen[..] else { panic!("{}", seen.len()) };
    assert_eq!((stored.header("webhook-id"), &stored.body), (before.header("webhook-id"), &before.body));
    let expired = expired.json();
    assert_eq!(
        (&expired["type"], &expired["data"]["object"]["state"]),
        (&json!("restante.object.expired"), &json!("expired"))
    );
}

#[test]
fn whoever_is_gone_is_left_alone_and_what_was_given_up_can_be_sent_again_or_forgotten() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    receiver.answer("410 Gone");
    receiver.answer("410 Gone");
    let server = start(dir.path(), &hook("crm", &receiver, "[\"stored\"]"), &[]);
    deposit(&server, "box=bob&name=monday");
    let first = eventually("a dead letter", || dead(&server).pop());
    assert_eq!((&first["target"], &first["event"]), (&json!("hook:crm"), &json!("stored")));
    assert_eq!((&first["reason"], &first["next_attempt"]), (&json!("answered 410"), &Value::Null));
    deposit(&server, "box=bob&name=tuesday");
    let two = eventually("two dead letters", || Some(dead(&server)).filter(|dead| dead.len() == 2));
    let path = |notice: &Value, what| format!("POST /api/v1/notices/{}/{what}", notice["id"].as_str().expect("an id"));
    assert_eq!(http::ask(server.door(), &path(&two[0], "retry"), &[]).status, 202);
    assert_eq!(receiver.posted(3)[2].header("webhook-id"), two[0]["id"]);
    assert_eq!(http::ask(server.door(), &path(&two[1], "drop"), &[]).status, 204);
    assert_eq!(http::ask(server.door(), &path(&two[1], "drop"), &[]).error(), (404, "not_found".to_owned()));
    eventually("no dead letter", || dead(&server).is_empty().then_some(()));
}

#[test]
fn a_receiver_that_stalls_keeps_nobody_else_waiting() {
    let dir = TempDir::new().expect("a directory");
    let (slow, quick) = (Receiver::new(), Receiver::new());
    slow.answer(receiver::STALL);
    let hooks = hook("slow", &slow, "[\"stored\"]") + &hook("quick", &quick, "[\"stored\"]");
    let server = start(dir.path(), &hooks, &[]);
    (0..20).for_each(|number| _ = deposit(&server, &format!("box=bob&name={number}")));
    assert_eq!(quick.posted(20).len(), 20);
    assert_eq!(slow.seen().len(), 1, "one at a time");
}

#[test]
fn who_asks_to_be_told_of_a_delivery_is_told_of_its_end_and_nobody_is_whom_the_operator_does_not_allow() {
    let dir = TempDir::new().expect("a directory");
    let (named, asked) = (Receiver::new(), Receiver::new());
    let put = format!("[policy]\nput = [\"127.0.0.1:{}\"]\n", asked.port());
    let server = start(dir.path(), &(put + &hook("crm", &named, "[]")), &[]);
    let object = deposit(&server, "box=bob&name=monday");
    let order = |notify: &str| {
        let order = json!({ "object": object["id"], "to": "sip:bob@127.0.0.1:9;transport=tcp", "notify": notify });
        post(&server, "/api/v1/deliveries", &order)
    };
    for inside in ["http://169.254.169.254/latest", "http://localhost/", "http://user:pw@127.0.0.1/"] {
        assert_eq!(order(inside).error(), (403, "not_allowed".to_owned()), "{inside}");
    }
    assert_eq!(order("nobody").error(), (400, "bad_request".to_owned()));
    assert_eq!(order("file:///etc/passwd").error().0, 403);
    for (notify, receiver) in [("crm".to_owned(), &named), (asked.url(), &asked)] {
        let answer = order(&notify);
        assert_eq!(answer.status, 201, "{answer:?}");
        let job = answer.json();
        let id = job["id"].as_str().expect("an id");
        let cancelled = http::ask(server.door(), &format!("POST /api/v1/deliveries/{id}/cancel"), &[]).json();
        let event = receiver.posted(1).remove(0).json();
        assert_eq!((&event["type"], &event["data"]["delivery"]), (&json!("restante.delivery.cancelled"), &cancelled));
    }
    assert!(named.seen()[0].find("webhook-signature").is_some());
    assert!(asked.seen()[0].find("webhook-signature").is_none(), "there is no secret with it");
}

#[test]
fn a_script_too_can_name_who_is_told_and_is_told_why_not() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    let server = start(dir.path(), &hook("crm", &receiver, "[]"), &[]);
    deposit(&server, "box=bob&name=monday");
    let sip = format!("sip:{}", server.sip("udp"));
    let forward = |notify: &str| {
        let to = "sip:bob@127.0.0.1:9;transport=tcp";
        run(dir.path(), &["forward", "spool:/bob/monday", "--to", to, "--notify", notify, "--server", &sip])
    };
    for (notify, why) in [("http://10.0.0.1/x", "policy.put does not allow 10.0.0.1"), ("nobody", "notify is the name")]
    {
        let refused = forward(notify);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(why), "{text}");
    }
    let taken = forward("crm");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let job = http::items(server.door(), "/api/v1/deliveries").remove(0);
    assert_eq!(job["notify"], "hook:crm");
    let id = job["id"].as_str().expect("an id");
    assert_eq!(http::ask(server.door(), &format!("POST /api/v1/deliveries/{id}/cancel"), &[]).status, 200);
    assert_eq!(receiver.posted(1)[0].json()["data"]["delivery"]["id"], job["id"]);
}

#[test]
fn a_box_that_is_full_says_so_once_and_a_hook_hears_of_its_own_boxes_alone() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    let boxes = "[[boxes]]\nmatch = \"small\"\nquota_objects = 1\n";
    let hooks = hook("crm", &receiver, "[\"quota\", \"stored\"]") + "boxes = \"small\"\n";
    let server = start(dir.path(), &(boxes.to_owned() + &hooks), &[]);
    deposit(&server, "box=bob&name=monday");
    deposit(&server, "box=small&name=monday");
    for _ in 0..3 {
        assert_eq!(http::post(server.door(), "box=small&name=x", &[], b"hello").status, 507);
    }
    let mut told: Vec<String> = receiver
        .posted(3)
        .iter()
        .map(|posted| {
            let event = posted.json();
            format!("{} {} {}", event["type"], event["subject"], event["data"]["state"])
        })
        .collect();
    told.sort_unstable();
    let expected = [
        "\"restante.box.quota\" \"spool:/small/\" \"nearly_full\"",
        "\"restante.box.quota\" \"spool:/small/\" \"refused\"",
        "\"restante.object.stored\" \"spool:/small/monday\" null",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_at_the_start_and_not_repeated() {
    let dir = TempDir::new().expect("a directory");
    let receiver = Receiver::new();
    let _ = serve(dir.path(), &[]);
    let mut file =
        std::fs::File::options().append(true).open(dir.path().join("restante.toml")).expect("a configuration");
    file.write_all(hook("crm", &receiver, "[]").as_bytes()).expect("settings");
    std::fs::write(dir.path().join("secret"), "hunter2").expect("a secret");
    let output = run(dir.path(), &["serve"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("webhooks.secret_file of crm"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
