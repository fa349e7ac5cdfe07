//! Jobs that bring an object to somebody, over sockets: what an application server hears of them, and what outlives what.

mod support;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use support::eventually;
use support::http::{Answer, Visit, ask};
use support::phone::Phone;
use support::server::{House, Server, run};
use support::sip::{Call, HEAD, Message as Sip};

/// A queue that does not make a test wait.
const HASTY: [(&str, &str); 2] = [("RESTANTE_QUEUE__BACKOFF_MIN", "20ms"), ("RESTANTE_QUEUE__BACKOFF_MAX", "40ms")];

const NS: &str = "xmlns:ft=\"urn:restante:msml-file:1\"";

/// An application server on a control dialog.
struct Control {
    call: Call,
}

impl Control {
    fn call(server: &Server) -> Self {
        let (call, answer) = Call::invite(server.sip("tcp"), "control", HEAD).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        Self { call }
    }

    /// Sends a command; gives the whole answer.
    fn command(&mut self, command: &str) -> String {
        self.call.msml(&format!("<msml version=\"1.1\" {NS}>{command}</msml>")).expect("an answer").body
    }

    /// Has `spool:/bob/monday` forwarded.
    fn forward(&mut self, attributes: &str) -> String {
        let conn = self.call.conn().to_owned();
        self.command(&format!(
            "<dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\" name=\"f\">\
             <ft:forward to=\"sip:bob@example.net\" mode=\"as\" {attributes}><ft:obj uri=\"spool:/bob/monday\"/>\
             <ft:onobject/></ft:forward><exit namelist=\"ft.job ft.result ft.attempts\"/></dialogstart>"
        ))
    }

    fn bind(&mut self, dialog: &str, conn: &str) -> String {
        self.command(&format!("<send event=\"ft.bind\" target=\"{dialog}\" valuelist=\"conn:{conn}\"/>"))
    }

    fn event(&mut self, name: &str) -> Sip {
        self.call.event(name).expect("an event")
    }

    /// A file is due: its job, and the dialog to answer to.
    fn due(&mut self) -> (String, String) {
        let due = self.event("ft.due");
        assert_eq!(due.value("ft.uri"), "spool:/bob/monday");
        let id = due.body.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
        (due.value("ft.job").to_owned(), id.to_owned())
    }
}

fn is_ok(answer: &str) {
    assert!(answer.contains("response=\"200\""), "{answer}");
}

fn keep(house: &House) {
    let mut phone = Phone::speaking(house, "keep");
    phone.start("<record dest=\"spool:/bob/monday\" format=\"audio/wav\" maxtime=\"60s\"/>");
    phone.send("kept", "audio/wav", b"hello Bob");
    phone.end();
    phone.call.bye().expect("an answer");
}

fn events_of(door: SocketAddr, job: &str) -> Vec<Value> {
    let answer: Answer = ask(door, &format!("GET /api/v1/events?job={job}"), &["Accept: application/json"]);
    answer.json()["items"].as_array().expect("items").clone()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["name"].as_str().expect("a name")).collect()
}

fn post(door: SocketAddr, path: &str, body: &Value) -> Answer {
    let text = body.to_string();
    let length = format!("Content-Length: {}", text.len());
    let mut visit = Visit::begin(door, &format!("POST {path}"), &["Content-Type: application/json", &length]);
    visit.write(text.as_bytes()).expect("a write");
    visit.answer()
}

fn jobs(door: SocketAddr) -> Vec<Value> {
    ask(door, "GET /api/v1/deliveries", &[]).json()["items"].as_array().expect("items").clone()
}

/// Takes the file as bob does, under the name of the job.
fn take(control: &mut Control, house: &House, session: &str) -> Phone {
    let (job, dialog) = control.due();
    let mut bob = Phone::listening(house, session);
    is_ok(&control.bind(&dialog, bob.call.conn()));
    let chunk = bob.chunk();
    assert_eq!((chunk.body.as_slice(), chunk.header("Message-ID")), (&b"hello Bob"[..], job.as_str()));
    bob.stream.accept(&chunk).expect("a write");
    bob.stream.report(&chunk, chunk.body.len()).expect("a write");
    bob
}

#[test]
fn a_file_is_due_and_bound_and_brought_and_both_sides_say_so() {
    let house = House::new(&HASTY);
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward(""));
    let job = control.event("ft.queued").value("ft.job").to_owned();
    let _bob = take(&mut control, &house, "b1");
    assert_eq!(control.event("ft.object").value("ft.result"), "ft.success");
    let exit = control.event("moml.exit");
    assert_eq!((exit.value("ft.job"), exit.value("ft.result")), (job.as_str(), "ft.success"));
    control.event("msml.dialog.exit");
    let all = jobs(house.server.door());
    assert_eq!((all[0]["id"].as_str(), all[0]["state"].as_str()), (Some(job.as_str()), Some("delivered")));
    assert_eq!((&all[0]["attempts"], &all[0]["next_attempt"]), (&json!(1), &Value::Null));
    let told =
        eventually("the events", || Some(events_of(house.server.door(), &job)).filter(|events| events.len() >= 5));
    assert_eq!(names(&told), ["ft.queued", "ft.due", "ft.object", "moml.exit", "msml.dialog.exit"]);
}

#[test]
fn what_fails_is_due_again_and_a_job_may_have_only_so_many_attempts() {
    let house = House::new(&[HASTY[0], HASTY[1], ("RESTANTE_QUEUE__BIND", "50ms")]);
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward("attempts=\"2\""));
    for attempt in ["1", "2"] {
        assert_eq!(control.event("ft.due").value("ft.attempts"), attempt);
        // Nobody binds.
        let failed = control.event("ft.object");
        assert_eq!((failed.value("ft.result"), failed.value("ft.attempts")), ("ft.timeout.first", attempt));
    }
    assert_eq!(control.event("moml.exit").value("ft.result"), "ft.timeout.first");
    let job = jobs(house.server.door()).remove(0);
    assert_eq!(job["state"], "failed");
    assert_eq!(job["reason"], "tried 2 times: nobody answered in time");
    house.server.logged(&["given up", "tried 2 times"]);
}

#[test]
fn a_recipient_that_refuses_or_breaks_off_or_is_the_wrong_connection() {
    let house = House::new(&HASTY);
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward(""));
    let (_, dialog) = control.due();
    let conn = control.call.conn().to_owned();
    is_ok(&control.bind(&dialog, &conn)); // a connection without a stream
    assert_eq!(control.event("ft.object").value("ft.result"), "ft.rejected.441");
    let (_, dialog) = control.due();
    let mut bob = Phone::listening(&house, "b1");
    is_ok(&control.bind(&dialog, bob.call.conn()));
    bob.chunk();
    drop(bob);
    assert_eq!(control.event("ft.object").value("ft.result"), "ft.disconnected");
    let _bob = take(&mut control, &house, "b2");
    assert_eq!(control.event("ft.object").value("ft.result"), "ft.success");
    assert_eq!(control.event("moml.exit").value("ft.attempts"), "3");
}

// R28
#[test]
fn a_job_outlives_its_control_dialog_and_whoever_attaches_hears_what_was_missed() {
    let house = House::new(&HASTY);
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward(""));
    let (job, _) = control.due();
    control.call.bye().expect("an answer");
    let door = house.server.door();
    eventually("the end of its dialog", || names(&events_of(door, &job)).contains(&"ft.due").then_some(()));
    // The attempt that was due fails, as nobody can bind any more; the next one is only in the log.
    let mut control = Control::call(&house.server);
    let attached = control.command(&format!("<ft:attach job=\"{job}\"/>"));
    is_ok(&attached);
    assert!(attached.contains(&format!("/dialog:{job}</dialogid>")), "{attached}");
    let dialog = format!("conn:{}/dialog:{job}", control.call.conn());
    let mut bob = Phone::listening(&house, "b1");
    is_ok(&control.bind(&dialog, bob.call.conn()));
    assert_eq!(bob.stream.receive().expect("the file"), b"hello Bob");
    let exit = control.event("moml.exit");
    assert_eq!((exit.value("ft.job"), exit.value("ft.result")), (job.as_str(), "ft.success"));
    // Over, and still known: whoever comes late hears how it ended.
    let mut late = Control::call(&house.server);
    is_ok(&late.command(&format!("<ft:attach job=\"{job}\"/>")));
    late.event("msml.dialog.exit");
    let unknown = late.command("<ft:attach job=\"nothing\"/>");
    assert!(unknown.contains("response=\"430\""), "{unknown}");
}

#[test]
fn of_the_attempts_that_nobody_made_whoever_attaches_hears_of_the_last_alone() {
    let house = House::new(&[HASTY[0], HASTY[1], ("RESTANTE_QUEUE__BIND", "10ms")]);
    keep(&house);
    let door = house.server.door();
    let wanted = json!({"object": "spool:/bob/monday", "to": "sip:bob@example.net", "mode": "as"});
    let job = post(door, "/api/v1/deliveries", &wanted).json()["id"].as_str().expect("an id").to_owned();
    let due = || events_of(door, &job).iter().filter(|event| event["name"] == "ft.due").count();
    eventually("three attempts", || (due() >= 3).then_some(()));
    let mut control = Control::call(&house.server);
    is_ok(&control.command(&format!("<ft:attach job=\"{job}\"/>")));
    let told: Vec<u32> =
        (0..2).map(|_| control.event("ft.due").value("ft.attempts").parse().expect("a number")).collect();
    assert!(told[0] >= 3 && told[1] == told[0] + 1, "{told:?}");
}

// R1
#[test]
fn a_job_outlives_the_server_and_is_due_again_at_the_next() {
    let dir = tempfile::tempdir().expect("a directory");
    let house = House { server: Server::start(dir.path(), &HASTY), dir };
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward(""));
    let (job, _) = control.due();
    let House { server, dir } = house;
    server.kill();
    let house = House { server: Server::start(dir.path(), &HASTY), dir };
    let door = house.server.door();
    eventually("the next attempt", || {
        let due = |event: &&Value| event["name"] == "ft.due" && event["delivered"] == false;
        (events_of(door, &job).iter().filter(due).count() > 0).then_some(())
    });
    let mut control = Control::call(&house.server);
    is_ok(&control.command(&format!("<ft:attach job=\"{job}\"/>")));
    let (due, dialog) = control.due();
    assert_eq!((due.as_str(), dialog.ends_with(&job)), (job.as_str(), true));
    let mut bob = Phone::listening(&house, "b1");
    is_ok(&control.bind(&dialog, bob.call.conn()));
    assert_eq!(bob.stream.receive().expect("the file"), b"hello Bob");
    assert_eq!(control.event("moml.exit").value("ft.result"), "ft.success");
    // What is delivered is not due at a third.
    let House { server, dir } = house;
    server.kill();
    let server = Server::start(dir.path(), &HASTY);
    let settled = eventually("the list", || jobs(server.door()).into_iter().next());
    assert_eq!((settled["state"].as_str(), settled["attempts"].as_u64()), (Some("delivered"), Some(2)));
}

#[test]
fn a_script_calls_its_job_back_or_lets_go_of_it() {
    let house = House::new(&HASTY);
    keep(&house);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward("after=\"3600s\""));
    let job = control.event("ft.queued").value("ft.job").to_owned();
    let dialog = format!("conn:{}/dialog:f", control.call.conn());
    is_ok(&control.command(&format!("<dialogend id=\"{dialog}\"/>")));
    let exit = control.event("moml.exit");
    assert_eq!((exit.value("ft.job"), exit.value("ft.result")), (job.as_str(), "undefined"));
    is_ok(&control.command(&format!("<ft:attach job=\"{job}\"/>")));
    let dialog = format!("conn:{}/dialog:{job}/forward", control.call.conn());
    is_ok(&control.command(&format!("<send event=\"terminate.cancelled\" target=\"{dialog}\"/>")));
    assert_eq!(control.event("moml.exit").value("ft.result"), "ft.aborted.local");
    assert_eq!(jobs(house.server.door())[0]["state"], "cancelled");
}

#[test]
fn what_cannot_be_forwarded_is_refused_and_no_job_is_made() {
    let house = House::new(&HASTY);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward(""));
    let exit = control.event("msml.dialog.exit");
    assert_eq!((exit.value("dialog.exit.status"), exit.value("ft.result")), ("430", "ft.rejected.430"));
    keep(&house);
    let conn = control.call.conn().to_owned();
    let hash = format!("sha-1:{}", "0".repeat(40));
    is_ok(&control.command(&format!(
        "<dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\"><ft:forward to=\"sip:bob@example.net\" \
         mode=\"as\"><ft:obj uri=\"spool:/bob/monday\" hash=\"{hash}\"/></ft:forward><exit namelist=\"ft.result\"/></dialogstart>"
    )));
    assert_eq!(control.event("moml.exit").value("ft.result"), "ft.hashmismatch");
    assert!(jobs(house.server.door()).is_empty());
    let dialog = format!("conn:{conn}/dialog:nothing");
    assert!(control.bind(&dialog, &conn).contains("response=\"430\""));
}

/// `restante answer`: a phone that listens, and the directory that its files come into.
struct Bob {
    child: Child,
    dir: TempDir,
    address: String,
}

impl Bob {
    fn at(port: u16) -> Self {
        let dir = TempDir::new().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
        command.args(["answer", "--json", "--listen", &format!("tcp:127.0.0.1:{port}"), "--dir"]).arg(dir.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a phone");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
        let address = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        let address = format!("sip:bob@127.0.0.1:{};transport=tcp", address.unwrap_or_else(|| panic!("{line:?}")));
        Self { child, dir, address }
    }

    /// What has come, by name.
    fn files(&self) -> Vec<Vec<u8>> {
        let entries =
            std::fs::read_dir(self.dir.path()).expect("a directory").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a file")).collect()
    }
}

impl Drop for Bob {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_delivered(door: SocketAddr) -> Option<()> {
    (jobs(door)[0]["state"] == "delivered").then_some(())
}

#[test]
fn the_server_calls_a_recipient_and_the_file_is_there() {
    let house = House::new(&HASTY);
    keep(&house);
    let bob = Bob::at(0);
    let server = format!("sip:{};transport=tcp", house.server.sip("tcp"));
    let arguments = ["forward", "spool:/bob/monday", "--to", &bob.address, "--wait", "--server", &server, "--json"];
    let told = support::server::json(house.dir.path(), &arguments);
    assert_eq!((&told[0]["state"], &told[1]["state"]), (&json!("queued"), &json!("delivered")));
    assert_eq!((&told[0]["job"], &told[1]["attempts"]), (&told[1]["job"], &json!(1)));
    eventually("the file", || (bob.files() == [b"hello Bob"]).then_some(()));
    assert_eq!(jobs(house.server.door())[0]["state"], "delivered");
}

#[test]
fn an_object_that_one_script_would_delete_is_kept_while_it_is_to_be_brought_to_somebody_else() {
    let house = House::new(&HASTY);
    keep(&house);
    let bob = Bob::at(0);
    let mut control = Control::call(&house.server);
    is_ok(&control.forward("")); // to somebody else, whom nobody calls yet
    control.due();
    let conn = control.call.conn().to_owned();
    is_ok(&control.command(&format!(
        "<dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\" name=\"g\"><ft:forward to=\"{}\">\
         <ft:obj uri=\"spool:/bob/monday\" delete=\"true\"/></ft:forward><exit namelist=\"ft.result\"/></dialogstart>",
        bob.address
    )));
    let end = control.event("msml.dialog.exit");
    assert_eq!(end.value("ft.result"), "ft.success");
    assert_eq!(bob.files(), [b"hello Bob"]);
    house.server.logged(&["kept for its other recipients"]);
    assert_eq!(support::server::json(house.dir.path(), &["spool", "list", "--json"]).len(), 1);
}

// Feature 4, feature 6
#[test]
fn a_recipient_that_is_not_there_gets_it_when_somebody_says_that_he_is() {
    let house = House::new(&[]);
    keep(&house);
    let door = house.server.door();
    let gone = Bob::at(0);
    let address = gone.address.clone();
    drop(gone);
    let made = post(door, "/api/v1/deliveries", &json!({"object": "spool:/bob/monday", "to": address}));
    assert_eq!(made.status, 201, "{made:?}");
    let waits = || jobs(door)[0]["reason"].as_str().is_some_and(|reason| reason.contains("; again in "));
    eventually("a failure, and the time of the next attempt", || waits().then_some(()));
    assert_eq!(jobs(door)[0]["state"], "deferred");
    let port = address.trim_end_matches(";transport=tcp").rsplit(':').next().expect("a port").parse().expect("a port");
    let bob = Bob::at(port);
    assert_eq!(
        post(door, &format!("/api/v1/queue/wake?who={}", address.split(';').next().expect("a URI")), &Value::Null)
            .status,
        204
    );
    eventually("the delivery", || is_delivered(door));
    eventually("the file", || (bob.files() == [b"hello Bob"]).then_some(()));
}

// R1, I4
#[test]
fn a_job_whose_server_is_killed_is_delivered_by_the_next_and_once() {
    let dir = TempDir::new().expect("a directory");
    let house = House { server: Server::start(dir.path(), &HASTY), dir };
    keep(&house);
    let bob = Bob::at(0);
    let wanted = json!({"object": "spool:/bob/monday", "to": bob.address});
    assert_eq!(post(house.server.door(), "/api/v1/deliveries", &wanted).status, 201);
    let House { server, dir } = house;
    server.kill(); // before, in, or after its attempt
    let server = Server::start(dir.path(), &HASTY);
    eventually("the delivery", || is_delivered(server.door()));
    eventually("the file", || bob.files().contains(&b"hello Bob".to_vec()).then_some(()));
    server.kill();
    let server = Server::start(dir.path(), &HASTY);
    let job = eventually("the list", || jobs(server.door()).into_iter().next());
    assert_eq!(job["state"], "delivered");
}

#[test]
fn the_command_line_shows_the_queue_beside_a_server_and_hurries_it_without_one() {
    let house = House::new(&[]);
    keep(&house);
    let told = |arguments: &[&str]| String::from_utf8(run(house.dir.path(), arguments).stdout).expect("text");
    assert_eq!(told(&["spool", "queue"]), "");
    let gone = Bob::at(0);
    let address = gone.address.clone();
    drop(gone);
    let wanted = json!({"object": "spool:/bob/monday", "to": address});
    assert_eq!(post(house.server.door(), "/api/v1/deliveries", &wanted).status, 201);
    eventually("a failure", || (jobs(house.server.door())[0]["state"] == "deferred").then_some(()));
    let table = told(&["spool", "queue"]);
    let row = table.lines().nth(1).expect("a row").split_whitespace().collect::<Vec<_>>();
    assert_eq!((row[0].starts_with("127.0.0.1"), &row[1..4]), (true, &["1", "1", "0"][..]), "{table}");
    let one = support::server::json(house.dir.path(), &["spool", "queue", "--json"]).remove(0);
    assert_eq!((&one["state"], &one["attempts"]), (&json!("deferred"), &json!(1)));
    let id = one["id"].as_str().expect("an id");
    assert!(!run(house.dir.path(), &["spool", "retry", id]).status.success(), "a server runs");
    house.server.kill();
    let dir = house.dir;
    let retry = |id: &str| run(dir.path(), &["spool", "retry", "--json", id]);
    assert!(!retry("01M7Q5CQG00000000000000000").status.success());
    let hurried: Value = serde_json::from_slice(&retry(id).stdout).expect("JSON");
    assert!(hurried["next_attempt"].as_str() < one["next_attempt"].as_str(), "{hurried} {one}");
    let port = address.trim_end_matches(";transport=tcp").rsplit(':').next().expect("a port").parse().expect("a port");
    let bob = Bob::at(port);
    let server = Server::start(dir.path(), &[]);
    eventually("the delivery", || is_delivered(server.door()));
    eventually("the file", || (bob.files() == [b"hello Bob"]).then_some(()));
}

// S14
#[test]
fn nobody_is_called_whom_the_operator_does_not_know() {
    let house = House::new(&HASTY);
    keep(&house);
    let wanted = json!({"object": "spool:/bob/monday", "to": "sip:bob@example.net"});
    assert_eq!(post(house.server.door(), "/api/v1/deliveries", &wanted).error(), (403, "not_allowed".to_owned()));
    let mut control = Control::call(&house.server);
    let conn = control.call.conn().to_owned();
    is_ok(&control.command(&format!(
        "<dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\" name=\"g\">\
         <ft:forward to=\"sip:bob@example.net\"><ft:obj uri=\"spool:/bob/monday\"/></ft:forward></dialogstart>"
    )));
    let exit = control.event("msml.dialog.exit");
    assert_eq!((exit.value("dialog.exit.status"), exit.value("ft.result")), ("403", "ft.rejected.403"));
}

#[test]
fn the_door_makes_jobs_and_shows_what_they_wait_for() {
    let house = House::new(&[]);
    keep(&house);
    let door = house.server.door();
    let wanted = json!({"object": "spool:/bob/monday", "to": "sip:bob@example.net", "mode": "as", "expires": "1h"});
    let made = post(door, "/api/v1/deliveries", &wanted);
    assert_eq!(made.status, 201, "{made:?}");
    let job = made.json();
    let id = job["id"].as_str().expect("an id").to_owned();
    eventually("the attempt", || (jobs(door)[0]["state"] == "active").then_some(()));
    let table = eventually("the end of its writing", || {
        Some(ask(door, "GET /api/v1/queue", &[]).json()).filter(|table| table["items"][0]["waits"]["attempt"] == 1)
    });
    assert_eq!((&table["items"][0]["total"], &table["items"][0]["destination"]), (&json!(1), &json!("example.net")));
    let metrics = house.server.http("/metrics");
    assert!(metrics.contains("restante_delivery_attempts_total 1"), "{metrics}");
    let object = job["object"].as_str().expect("an id");
    assert_eq!(
        ask(door, &format!("GET /api/v1/deliveries?object={object}"), &[]).json()["items"][0]["id"],
        id.as_str()
    );
    assert_eq!(ask(door, "GET /api/v1/deliveries?state=failed", &[]).json()["items"], json!([]));
    let cancelled = post(door, &format!("/api/v1/deliveries/{id}/cancel"), &Value::Null);
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(post(door, &format!("/api/v1/deliveries/{id}/retry"), &Value::Null).error().0, 404);
    for (bad, status) in [
        (json!({"object": "spool:/bob/none", "to": "sip:bob@example.net", "mode": "as"}), 404),
        (json!({"object": "spool:/bob/monday", "to": "bob", "mode": "as"}), 400),
        (json!({"object": "spool:/bob/monday", "to": "sip:bob@example.net", "mode": "as", "expires": "soon"}), 400),
        (json!({"object": "spool:/bob/monday", "to": "sip:bob@example.net", "notify": "x"}), 400),
    ] {
        assert_eq!(post(door, "/api/v1/deliveries", &bad).error().0, status, "{bad}");
    }
    assert!(run(house.dir.path(), &["spool", "verify"]).status.success());
}
