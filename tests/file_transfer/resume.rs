//! Files that go on after a break: the same Message-ID, `file-range`, a predecessor that is still open, a killed server.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::support::deposit::{Depositor, Plan, Promise, deposit};
use super::support::eventually;
use super::support::msrp::{Message, Stream};
use super::support::server::{Server, json, run};
use super::support::sip::Call;
use super::{House, content};

/// Octets that have come before the break.
const BEFORE: usize = 24_576;

/// A call whose first octets are in the stage.
fn begun(server: &Server, plan: &Plan) -> Depositor {
    let mut depositor = Depositor::connect(server, plan).expect("a call");
    for at in (0..BEFORE).step_by(plan.chunk) {
        let (tid, frame) = depositor.message.chunk(at as u64, &plan.content[at..at + plan.chunk]);
        depositor.stream.write(&frame).expect("a write");
        assert_eq!(depositor.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
    }
    depositor
}

/// The rest of the plan's file, as a sender with `file-range` brings it: under new ids, counted from one.
fn bring_rest(server: &Server, plan: &Plan, from: usize) -> io::Result<(Call, Result<Stream, u16>)> {
    let id = format!("{}b", plan.message_id);
    let range = format!("a=file-range:{}-*\r\n", from + 1);
    let offer = plan.offer().replace("file-transfer-id:", "file-transfer-id:new") + &range;
    let (mut call, answer) = Call::invite(server.sip("tcp"), &plan.mailbox, &offer)?;
    if answer.status() != 200 {
        return Ok((call, Err(answer.status())));
    }
    assert_eq!(format!("a=file-range:{}\r\n", answer.attribute("file-range")), range);
    call.start(&plan.script())?;
    let mut stream = Stream::connect(server.msrp(), None)?;
    let rest = &plan.content[from..];
    let (to, from) = (answer.attribute("path").to_owned(), format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id));
    let message = Message { to, from, id, total: rest.len() as u64 };
    stream.write(&message.chunk(0, rest).1)?;
    assert_eq!(stream.read()?.status(), 200);
    Ok((call, Ok(stream)))
}

fn assert_stored(house: &House, plan: &Plan) {
    let objects = house.objects();
    assert_eq!((objects.len(), objects[0]["sha256"].as_str()), (1, Some(plan.sha256().as_str())));
    assert!(house.stages().is_empty());
}

// M5547-8.3.1-07 M5547-6-14 M5547-6-23, pitfall P11
#[test]
fn a_sender_that_names_the_octets_it_still_has_goes_on_under_a_new_id() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(60_000));
    let Depositor { mut call, stream, .. } = begun(&house.server, &plan);
    drop(stream);
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.failed.disconnected");
    assert_eq!(house.stages()[0]["durable"], BEFORE);
    let (mut call, stream) = bring_rest(&house.server, &plan, BEFORE).expect("the server answers");
    let exit = call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.size")), ("record.complete", "60000"));
    let report = stream.expect("accepted").read().expect("a REPORT");
    assert_eq!((report.reported(), report.header("Byte-Range")), (200, "1-35424/35424"));
    assert_stored(&house, &plan);
}

// M5547-8.3.1-08
#[test]
fn a_part_without_what_comes_before_or_after_it_is_refused() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(60_000));
    assert_eq!(bring_rest(&house.server, &plan, BEFORE).expect("an answer").1.err(), Some(488));
    drop(begun(&house.server, &plan).stream);
    eventually("the stage waits", || (house.stages()[0]["durable"] == BEFORE).then_some(()));
    for (from, why) in [(BEFORE + 1, "a hole"), (60_001, "past the end")] {
        assert_eq!(bring_rest(&house.server, &plan, from).expect("an answer").1.err(), Some(488), "{why}");
    }
    let middle = plan.offer() + "a=file-range:1-50000\r\n";
    assert_eq!(Call::invite(house.server.sip("tcp"), "bob", &middle).expect("an answer").1.status(), 488);
    // Somebody else has not sent what came before, nor did this sender to another box.
    let elsewhere = Plan { mailbox: "carol".to_owned(), ..plan.clone() };
    assert_eq!(bring_rest(&house.server, &elsewhere, BEFORE).expect("an answer").1.err(), Some(488));
}

// Promise 9: a half-open predecessor is fenced at once
#[test]
fn a_sender_that_comes_back_while_its_old_session_is_open_takes_its_file_over() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(60_000));
    let mut old = begun(&house.server, &plan);
    let mut new = Depositor::connect(&house.server, &plan).expect("a second call");
    let mut promise = Promise::default();
    assert!(new.send(BEFORE as u64, &mut promise).expect("octets flow").is_none());
    new.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    assert_stored(&house, &plan);
    // The older session is told by every way it has: an event, a refusal, the end of its connection and of its call.
    let exit = old.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.takenover", "ft.disconnected"));
    let _ = old.stream.write(&old.message.chunk(BEFORE as u64, &plan.content[BEFORE..]).1);
    while let Ok(frame) = old.stream.read() {
        assert!(matches!((frame.status(), frame.reported()), (413 | 481, 0) | (0, 413)), "{frame:?}");
    }
    old.call.asked("BYE").expect("a farewell");
    assert_stored(&house, &plan);
}

#[test]
fn a_sender_with_a_range_takes_its_file_over_too() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(60_000));
    let mut old = begun(&house.server, &plan);
    let (mut call, _stream) = bring_rest(&house.server, &plan, BEFORE).expect("the server answers");
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");
    assert_eq!(old.call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.failed.takenover");
    assert_stored(&house, &plan);
}

// M4975-5.4-21 M4975-5.4-22 M4975-5.4-23
#[test]
fn a_message_that_comes_again_when_its_report_was_missed_is_reported_again_and_lies_there_once() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(20_000));
    let [first, again] = [0, 1].map(|_| {
        let mut promise = Promise::default();
        deposit(&house.server, &plan, &mut promise).expect("a deposit");
        promise
    });
    assert!(again.reported && again.complete && !again.uri.is_empty());
    assert_eq!(again.uri, first.uri);
    let mut promise = Promise::default();
    deposit(&house.server, &Plan::new("m1", content(19_000)), &mut promise).expect("a deposit");
    assert_ne!(promise.uri, first.uri, "other octets are another file, whatever their id");
    assert_eq!(json(house.dir.path(), &["spool", "list", "--json"]).len(), 2);
}

// M4975-5.4-22: a start knows what was stored before it, whether or not its index is there.
#[test]
fn a_message_that_comes_again_after_a_kill_lies_there_once_too() {
    let mut house = House::new(&[]);
    let plan = Plan::new("m1", content(20_000));
    let mut first = Promise::default();
    deposit(&house.server, &plan, &mut first).expect("a deposit");
    for index in ["kept", "removed"] {
        let spare = super::TempDir::new().expect("a place");
        std::mem::replace(&mut house.server, Server::start(spare.path(), &[])).kill();
        if index == "removed" {
            std::fs::remove_file(house.dir.path().join("spool/index.sqlite")).expect("an index");
        }
        house.server = Server::start(house.dir.path(), &[]);
        let mut again = Promise::default();
        deposit(&house.server, &plan, &mut again).expect("a deposit");
        assert!(again.reported && again.complete, "{index}: {again:?}");
        assert_eq!(again.uri, first.uri, "{index}");
    }
    assert_eq!(house.objects().len(), 1);
}

// Two who send the same octets do not get into each other's way.
#[test]
fn the_same_file_under_two_ids_is_two_files() {
    let house = House::new(&[]);
    let (one, two) = (Plan::new("m1", content(60_000)), Plan::new("m2", content(60_000)));
    let (mut first, mut second) = (begun(&house.server, &one), begun(&house.server, &two));
    for depositor in [&mut first, &mut second] {
        let mut promise = Promise::default();
        assert!(depositor.send(BEFORE as u64, &mut promise).expect("octets flow").is_none());
        depositor.finish(&mut promise).expect("the end is told");
        assert!(promise.complete);
    }
    assert_eq!(house.objects().len(), 2);
}

// Promise 8: durable octets outlive the process, by either way of going on
#[test]
fn what_was_reported_before_a_kill_need_not_come_again() {
    for by_range in [false, true] {
        let mut house = House::new(&[]);
        let plan = Plan { chunk: 1024 * 1024, ..Plan::new("m1", content(20 * 1024 * 1024)) };
        let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
        let (mut at, mut durable) = (0, 0);
        while durable == 0 {
            let (tid, frame) = depositor.message.chunk(at as u64, &plan.content[at..at + plan.chunk]);
            depositor.stream.write(&frame).expect("a write");
            let mut answered = false;
            while !answered || (at + plan.chunk > 17 * 1024 * 1024 && durable == 0) {
                let frame = depositor.stream.read().expect("an answer");
                answered |= frame.tid == tid;
                if frame.reported() == 200 {
                    let range = frame.header("Byte-Range").split(['-', '/']).nth(1).expect("an end").to_owned();
                    durable = range.parse().expect("a number");
                }
            }
            at += plan.chunk;
        }
        house.server.shoot();
        let server =
            std::mem::replace(&mut house.server, Server::start(super::TempDir::new().expect("a place").path(), &[]));
        server.kill();
        house.server = Server::start(house.dir.path(), &[]);
        assert!(house.stages()[0]["durable"].as_u64() >= Some(durable as u64), "{:?}", house.stages());
        if by_range {
            let (mut call, _stream) = bring_rest(&house.server, &plan, durable).expect("the server answers");
            assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");
        } else {
            let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
            let mut promise = Promise::default();
            assert!(depositor.send(durable as u64, &mut promise).expect("octets flow").is_none());
            depositor.finish(&mut promise).expect("the end is told");
        }
        assert_stored(&house, &plan);
    }
}

#[test]
fn a_file_that_broke_off_holds_on_disk_what_came_of_it_and_can_be_dropped() {
    let mut house = House::new(&[]);
    let declared = 64 * 1024 * 1024;
    let plan = Plan::new("m1", content(declared));
    let held = |house: &House| {
        let files = std::fs::read_dir(house.dir.path().join("spool/stage")).expect("the stage").filter_map(Result::ok);
        files.map(|file| file.metadata().expect("metadata").blocks() * 512).sum::<u64>()
    };
    let depositor = begun(&house.server, &plan);
    if held(&house) < u64::from(declared) {
        return eprintln!("skipped: this file system reserves no room");
    }
    drop(depositor.stream);
    eventually("room given back", || (held(&house) < 1024 * 1024).then_some(()));
    // A process that was killed had no time to give anything back: the next start does.
    let _open = begun(&house.server, &Plan::new("m2", content(declared)));
    assert!(held(&house) > u64::from(declared));
    let other = super::TempDir::new().expect("a place");
    std::mem::replace(&mut house.server, Server::start(other.path(), &[])).kill();
    drop(Server::start(house.dir.path(), &[]));
    assert!(held(&house) < 1024 * 1024, "{}", held(&house));
    let stages = house.stages();
    assert_eq!((stages.len(), &stages[0]["declared"], &stages[0]["durable"]), (1, &declared.into(), &BEFORE.into()));
    let id = stages[0]["id"].as_str().expect("an id");
    assert_eq!(json(house.dir.path(), &["spool", "drop", id, "--json"])[0]["dropped"], true);
    assert!(house.stages().is_empty());
    assert_eq!(run(house.dir.path(), &["spool", "drop", id]).status.code(), Some(1));
}

#[test]
fn a_stage_is_not_dropped_beside_a_running_server() {
    let house = House::new(&[]);
    let _depositor = begun(&house.server, &Plan::new("m1", content(60_000)));
    let id = eventually("a stage", || house.stages().first().and_then(|stage| Some(stage["id"].as_str()?.to_owned())));
    let refused = run(house.dir.path(), &["spool", "drop", &id]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(told.contains("a server runs on this spool"), "{told}");
    assert_eq!(house.stages().len(), 1);
}
