//! A full box as phone and application server see it.

use std::fs::File;
use std::io::Write as _;

use super::support::deposit::{Depositor, Plan, Promise, deposit, deposit_works};
use super::support::eventually;
use super::support::http::{ask, items};
use super::support::server::{Server, serve};
use super::support::sip::{Call, description};
use tempfile::TempDir;

fn house(boxes: &str) -> (TempDir, Server) {
    let dir = TempDir::new().expect("a directory");
    let command = serve(dir.path(), &[]);
    let mut file = File::options().append(true).open(dir.path().join("restante.toml")).expect("a configuration");
    file.write_all(boxes.as_bytes()).expect("an entry");
    let server = Server::launch(dir.path(), command);
    (dir, server)
}

/// The dialog says that it was the quota, and what is sent after all ends in 413.
fn is_over_quota(server: &Server, plan: &Plan) {
    let mut depositor = Depositor::connect(server, plan).expect("a call");
    let refused = depositor.send(0, &mut Promise::default()).expect("an answer").expect("a refusal");
    assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
    exit_says_quota(&mut depositor.call);
    depositor.call.bye().expect("an answer");
}

fn exit_says_quota(call: &mut Call) {
    let exit = call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.quota", "ft.quota"));
    assert_eq!(exit.value("dialog.exit.status"), "520");
}

#[test]
fn a_box_without_room_for_the_declared_file_says_so_before_anything_is_sent() {
    let (_dir, server) = house("[[boxes]]\nmatch = \"bob\"\nquota_octets = \"32KiB\"\nquota_objects = 2\n");
    let too_large = Plan::new("big", vec![5; 40_000]);
    let mut depositor = Depositor::connect(&server, &too_large).expect("a call");
    exit_says_quota(&mut depositor.call);
    let line = server.logged(&["refused before the first octet"]);
    assert!(line.contains("call_id") && line.contains("box bob may hold 32768 octets"), "{line}");
    for message_id in ["m1", "m2"] {
        deposit(&server, &Plan::new(message_id, vec![5; 100]), &mut Promise::default()).expect("room");
    }
    // Of a plain session nobody knows what will come: but for no object at all there is room.
    let offer = description("s9", &["a=sendonly"]);
    let (mut call, answer) = Call::invite(server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!(answer.status(), 200);
    call.start(&Plan::new("m3", Vec::new()).script()).expect("an answer");
    exit_says_quota(&mut call);
    let elsewhere = Plan { mailbox: "eve".to_owned(), ..too_large };
    deposit(&server, &elsewhere, &mut Promise::default()).expect("another box");
}

#[test]
fn a_box_that_is_nearly_full_and_an_object_whose_time_is_over_are_events_in_the_log() {
    let (_dir, server) = house("[[boxes]]\nmatch = \"bob\"\nquota_objects = 2\nwarn = \"50%\"\n");
    deposit_works(&server, "m1");
    let named = |name: &str| {
        let request = "GET /api/v1/events?dialog=spool:/bob/";
        let told = ask(server.door(), request, &["Accept: application/json"]).json();
        told["items"].as_array().expect("events").iter().find(|event| event["name"] == name).cloned()
    };
    let has = |event: &serde_json::Value, name: &str, value: &str| {
        let pair = serde_json::json!({ "name": name, "value": value });
        assert!(event["namelist"].as_array().expect("values").contains(&pair), "{name}={value}: {event}");
    };
    let full = eventually("the warning", || named("box.nearlyfull"));
    for (name, value) in [("box.objects", "1"), ("box.octets", "20000"), ("box.quota_objects", "2")] {
        has(&full, name, value);
    }
    assert_eq!((&full["conn"], &full["delivered"]), (&serde_json::json!(""), &serde_json::json!(false)));
    let object = items(server.door(), "/api/v1/objects").remove(0);
    let id = object["id"].as_str().expect("an id");
    let expire = format!("POST /api/v1/objects/{id}/expire?by=carol");
    assert_eq!(ask(server.door(), &expire, &["Content-Length: 0"]).status, 200);
    let expired = eventually("the expiry", || named("box.expired"));
    let uri = object["uri"].as_str().expect("a name");
    for (name, value) in [("ft.uri", uri), ("ft.id", id), ("ft.size", "20000"), ("ft.why", "carol")] {
        has(&expired, name, value);
    }
}

#[test]
fn a_full_box_refuses_a_file_with_413_and_quota_and_other_boxes_go_on() {
    let (_dir, server) =
        house("[[boxes]]\nmatch = \"bo*\"\nquota_octets = \"32KiB\"\nquota_objects = 2\nwarn = \"50%\"\n");
    is_over_quota(&server, &Plan::new("big", vec![5; 40_000]));
    deposit_works(&server, "m1");
    server.logged(&["nearly used", "bob"]);
    is_over_quota(&server, &Plan::new("m2", vec![5; 20_000]));
    let line = server.logged(&["over quota", "20000 are there"]);
    assert!(line.contains("call_id") && line.contains("box bob may hold 32768 octets"), "{line}");
    let mut promise = Promise::default();
    let elsewhere = Plan { mailbox: "eve".to_owned(), ..Plan::new("m3", vec![5; 40_000]) };
    deposit(&server, &elsewhere, &mut promise).expect("another box");
    assert!(promise.complete);
    let counted = || {
        let metrics = server.http("/metrics");
        let has = |line: &str| metrics.contains(&format!("\n{line}\n"));
        (has("restante_spool_quota_refusals_total{class=\"bo*\"} 2")
            && has("restante_spool_octets{class=\"bo*\"} 20000")
            && has("restante_spool_boxes_nearly_full{class=\"bo*\"} 1")
            && has("restante_spool_octets{class=\"\"} 40000"))
        .then_some(())
    };
    eventually("the numbers of the class", counted);
}

#[test]
fn of_many_phones_at_once_as_many_get_through_as_the_box_may_hold() {
    const PHONES: usize = 24;
    let (_dir, server) = house("[[boxes]]\nmatch = \"*\"\nquota_objects = 7\n");
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let phone = |number: usize| {
            let server = &server;
            scope.spawn(move || {
                let plan = Plan::new(&format!("m{number}"), vec![number as u8; 9000]);
                let mut depositor = Depositor::connect(server, &plan).expect("a call");
                let mut promise = Promise::default();
                match depositor.send(0, &mut promise).expect("an answer") {
                    None => {
                        depositor.finish(&mut promise).expect("an end");
                        promise.complete
                    }
                    Some(refused) => {
                        assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
                        false
                    }
                }
            })
        };
        let phones: Vec<_> = (0..PHONES).map(phone).collect();
        phones.into_iter().map(|phone| phone.join().expect("no panic")).collect()
    });
    // A share is taken when the first octet comes and kept to the end, so no place is lost to who was refused.
    assert_eq!(outcomes.iter().filter(|complete| **complete).count(), 7);
}
