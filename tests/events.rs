//! The event log of a running server: an application server that comes back reads what it has missed.

mod support;

use std::net::SocketAddr;

use serde_json::Value;

use support::deposit::{Depositor, Plan, Promise, deposit_works};
use support::eventually;
use support::http::{Answer, Visit, ask};
use support::server::{House, Server};

fn list(door: SocketAddr, query: &str) -> Value {
    let answer: Answer = ask(door, &format!("GET /api/v1/events{query}"), &["Accept: application/json"]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().expect("items").clone()
}

/// The events of these names and the word whether each was delivered, once so many are there.
fn told(door: SocketAddr, count: usize) -> Vec<Value> {
    eventually("the events", || Some(items(&list(door, ""))).filter(|items| items.len() >= count))
}

fn summary(items: &[Value]) -> Vec<(&str, bool)> {
    items.iter().map(|item| (item["name"].as_str().expect("a name"), item["delivered"] == true)).collect()
}

fn value<'a>(item: &'a Value, name: &str) -> &'a str {
    let pair = item["namelist"].as_array().into_iter().flatten().find(|pair| pair["name"] == name);
    pair.and_then(|pair| pair["value"].as_str()).unwrap_or_else(|| panic!("no {name} in {item}"))
}

/// The next event of a stream: its fields by name.
fn next(stream: &mut Visit) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    loop {
        let line = stream.line();
        match line.split_once(": ") {
            Some((name, value)) if !name.is_empty() => fields.push((name.to_owned(), value.to_owned())),
            None if line.is_empty() && !fields.is_empty() => return fields,
            _ => {} // the sizes of chunks, and comments
        }
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn stream(door: SocketAddr, query: &str, headers: &[&str]) -> Visit {
    let mut stream = Visit::begin(door, &format!("GET /api/v1/events{query}"), headers);
    let head = stream.head();
    assert!(head.starts_with("HTTP/1.1 200") && head.to_ascii_lowercase().contains("text/event-stream"), "{head}");
    stream
}

#[test]
fn what_an_application_server_was_told_can_be_read_after_it_and_after_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let promise = deposit_works(&server, "m1");
    let events = told(server.door(), 2);
    assert_eq!(summary(&events), [("moml.exit", true), ("msml.dialog.exit", true)]);
    for event in &events {
        assert_eq!(value(event, "record.recordid"), promise.uri);
        let (conn, dialog) = (event["conn"].as_str().expect("a tag"), event["dialog"].as_str().expect("an id"));
        assert_eq!(dialog, format!("conn:{conn}/dialog:d"));
        assert!(event["call_id"].is_string() && event["job"].is_null(), "{event}");
    }
    let dialog = events[0]["dialog"].as_str().expect("an id");
    assert_eq!(items(&list(server.door(), &format!("?dialog={dialog}"))).len(), 2);
    assert_eq!(items(&list(server.door(), "?dialog=conn:x/dialog:d")).len(), 0);
    server.kill();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(items(&list(server.door(), "")), events);
    let page = list(server.door(), &format!("?cursor={}", events[0]["cursor"].as_str().expect("a cursor")));
    assert_eq!((items(&page), page["lost"] == false), (vec![events[1].clone()], true));
    let after = format!("?cursor={}", page["next_cursor"].as_str().expect("a cursor"));
    deposit_works(&server, "m2");
    eventually("what came since", || (items(&list(server.door(), &after)).len() == 2).then_some(()));
}

#[test]
fn a_stream_goes_on_with_what_comes_and_after_a_break_where_it_was() {
    let house = House::new(&[]);
    let door = house.server.door();
    let mut first = stream(door, "", &[]);
    deposit_works(&house.server, "m1");
    let exit = next(&mut first);
    assert_eq!(field(&exit, "event"), "msml");
    let data: Value = serde_json::from_str(field(&exit, "data")).expect("JSON");
    assert_eq!((data["name"].as_str(), data["cursor"].as_str()), (Some("moml.exit"), Some(field(&exit, "id"))));
    drop(first);
    let mut second = stream(door, "", &[&format!("Last-Event-ID: {}", field(&exit, "id"))]);
    let data: Value = serde_json::from_str(field(&next(&mut second), "data")).expect("JSON");
    assert_eq!(data["name"], "msml.dialog.exit");
    deposit_works(&house.server, "m2");
    let names: Vec<Value> =
        (0..2).map(|_| serde_json::from_str(field(&next(&mut second), "data")).expect("JSON")).collect();
    assert_eq!(summary(&names), [("moml.exit", true), ("msml.dialog.exit", true)]);
    assert_eq!(ask(door, "GET /api/v1/events", &["Last-Event-ID: x"]).error().0, 400);
}

#[test]
fn an_event_in_flight_when_its_connection_breaks_is_in_the_log_as_not_delivered() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", vec![5; 20_000]);
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let (mut promise, call_id) = (Promise::default(), depositor.call.id.clone());
    depositor.send(0, &mut promise).expect("everything is taken");
    // The file is reported, so that its event is on its way; nobody reads it, and then nobody can.
    while depositor.stream.read().expect("a REPORT").reported() != 200 {}
    drop(depositor.call);
    let events = told(house.server.door(), 2);
    assert_eq!(summary(&events), [("moml.exit", false), ("msml.dialog.exit", false)]);
    assert_eq!(events[0]["call_id"], call_id.as_str());
    assert!(value(&events[0], "record.recordid").starts_with("spool:/bob/"), "{}", events[0]);
}

#[test]
fn an_event_after_the_control_dialog_has_hung_up_is_kept_with_its_call_id() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", vec![5; 20_000]);
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let call_id = depositor.call.id.clone();
    assert_eq!(depositor.call.bye().expect("an answer").status(), 200);
    let events = told(house.server.door(), 2);
    assert_eq!(summary(&events), [("moml.exit", false), ("msml.dialog.exit", false)]);
    assert!(events.iter().all(|event| event["call_id"] == call_id.as_str()), "{events:?}");
}

#[test]
fn a_reader_that_was_away_for_too_long_is_told_where_it_has_lost_its_place() {
    let house = House::new(&[("RESTANTE_EVENTS__MAX_SIZE", "1KiB")]);
    let door = house.server.door();
    deposit_works(&house.server, "m1");
    let first = told(door, 1)[0]["cursor"].as_str().expect("a cursor").to_owned();
    let mut count = 1;
    eventually("that it is forgotten", || {
        count += 1;
        deposit_works(&house.server, &format!("m{count}"));
        (list(door, &format!("?cursor={first}"))["lost"] == true).then_some(())
    });
    let mut late = stream(door, &format!("?cursor={first}"), &[]);
    let lost = next(&mut late);
    assert_eq!((field(&lost, "event"), field(&lost, "id")), ("lost", ""));
    let data: Value = serde_json::from_str(field(&lost, "data")).expect("JSON");
    assert_eq!(data["after"], first.as_str());
    assert_eq!(field(&next(&mut late), "id"), data["next"].as_str().expect("a cursor"));
}

#[test]
fn a_dialog_that_is_started_again_under_its_name_while_it_runs_runs_once() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", vec![5; 20_000]);
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let again = depositor.call.start(&plan.script()).expect("an answer");
    assert!(again.body.contains("response=\"431\""), "{again:?}"); // RFC 5707 §9.6.1
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("it is taken").is_none());
    depositor.finish(&mut promise).expect("one exit");
    assert_eq!(summary(&told(house.server.door(), 2)), [("moml.exit", true), ("msml.dialog.exit", true)]);
}
