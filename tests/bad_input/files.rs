//! Files that must not come in: for nobody, in nobody's session, too large, by the wrong way, or broken off.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::House;
use super::support::deposit::{Depositor, Plan, Promise};
use super::support::msrp::{Message, Stream};
use super::support::server::{json, run};
use super::support::sip::{Call, description};

#[test]
// M4975-5.4-13
fn a_send_to_a_session_that_does_not_exist_is_answered_481() {
    let house = House::new(&[]);
    let address = house.server.msrp();
    let mut stream = Stream::connect(address, None).expect("a connection");
    let message = Message {
        to: format!("msrp://{address}/nobody;tcp"),
        from: "msrp://127.0.0.1:9/x;tcp".to_owned(),
        id: "m1".to_owned(),
        total: 5,
    };
    let (tid, frame) = message.chunk(0, b"hello");
    stream.write(&frame).expect("a write");
    let answer = stream.read().expect("an answer");
    assert_eq!((answer.tid, answer.what.split(' ').next()), (tid, Some("481")));
    house.ends_well();
}

#[test]
// M4975-5.4-14 M4975-5.4-15 M4975-7.2-07
fn a_session_is_not_given_to_a_second_connection() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", vec![1; 30_000]);
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let (to, from) = (depositor.message.to.clone(), depositor.message.from.clone());
    assert_eq!(depositor.stream.greet(&to, &from).expect("an answer").status(), 200);
    let mut thief = Stream::connect(house.server.msrp(), None).expect("a second connection");
    assert_eq!(thief.greet(&to, &from).expect("an answer").status(), 506);
    // The first goes on unharmed.
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.complete);
    house.ends_well();
}

#[test]
// M4975-8.6-10
fn a_message_above_max_size_is_stopped() {
    let house = House::new(&[("RESTANTE_MSRP__MAX_SIZE", "64KiB")]);
    let offer = description("s1", &["a=sendrecv"]);
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
    assert_eq!(answer.attribute("max-size"), "65536");
    call.start("<record dest=\"spool:/bob/\" maxtime=\"60s\"/>").expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let message = Message {
        to: answer.attribute("path").to_owned(),
        from: "msrp://127.0.0.1:9/s1;tcp".to_owned(),
        id: "m1".to_owned(),
        total: 65_537,
    };
    stream.write(&message.frame(0, &[0; 2048], b'+').1).expect("a write");
    let refused = stream.read().expect("an answer");
    assert_eq!(refused.status(), 413, "{refused:?}");
    house.ends_well();
}

#[test]
// M5547-8.3.1-12 M5547-8.3.1-13
fn a_message_that_declares_less_than_it_brings_is_stopped() {
    let house = House::new(&[]);
    let mut depositor = Depositor::connect(&house.server, &Plan::new("m1", vec![0; 3000])).expect("a call");
    depositor.stream.write(&depositor.message.frame(0, &[0; 9000], b'$').1).expect("a write");
    let refused = depositor.stream.read().expect("an answer");
    assert_eq!(refused.status(), 413, "{refused:?}");
    let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.sizemismatch", "ft.sizemismatch"));
    assert!(json(house.dir.path(), &["spool", "list", "--json"]).is_empty());
    house.ends_well();
}

#[test]
// M5547-8.3.1-09 M5547-8.3.1-10 M5547-8.3.1-11
fn a_file_with_another_digest_than_declared_is_refused() {
    let house = House::new(&[]);
    let mut depositor = Depositor::connect(&house.server, &Plan::new("m1", vec![0; 3000])).expect("a call");
    depositor.stream.write(&depositor.message.frame(0, &[1; 3000], b'$').1).expect("a write");
    // RFC 4975 §7.1.4: 400 in the answer, or in a REPORT if the chunk was answered before it was checked.
    let first = depositor.stream.read().expect("an answer");
    let told =
        if first.status() == 200 { depositor.stream.read().expect("a REPORT").reported() } else { first.status() };
    assert_eq!(told, 400);
    let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.hashmismatch", "ft.hashmismatch"));
    assert!(json(house.dir.path(), &["spool", "list", "--json"]).is_empty());
    house.ends_well();
}

#[test]
fn a_message_that_nobody_records_is_refused_when_its_time_is_over() {
    let house = House::new(&[("RESTANTE_MSRP__HOLD", "300ms")]);
    let mut depositor = Depositor::call(&house.server, &Plan::new("m1", vec![0; 30_000]), None).expect("a call");
    let refused = depositor.send(0, &mut Promise::default()).expect("an answer").expect("a refusal");
    assert_eq!(refused.status(), 413, "{refused:?}");
    house.server.logged(&["nobody recorded", "m1"]);
    house.ends_well();
}

#[test]
// M4975-5.4-24
fn a_connection_that_is_cut_leaves_what_the_next_one_goes_on_with() {
    let house = House::new(&[]);
    let content: Vec<u8> = (0..50_000_u32).map(|n| (n % 253) as u8).collect();
    let plan = Plan::new("m1", content);
    let (first, second) = (plan.content.split_at(8192).0, &plan.content[8192..16_384]);
    {
        let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
        let (tid, frame) = depositor.message.chunk(0, first);
        depositor.stream.write(&frame).expect("a write");
        assert_eq!(depositor.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
        let (_, frame) = depositor.message.chunk(8192, second);
        depositor.stream.write(&frame[..4000]).expect("half a chunk");
        let Depositor { mut call, stream, .. } = depositor;
        drop(stream);
        let exit = call.event("msml.dialog.exit").expect("the end is told");
        assert_eq!(exit.value("record.end"), "record.failed.disconnected");
        call.bye().expect("an answer");
    }
    assert!(json(house.dir.path(), &["spool", "list", "--json"]).is_empty(), "half a file is no object");
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a second call");
    let mut promise = Promise::default();
    assert!(depositor.send(8192, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    let objects = json(house.dir.path(), &["spool", "list", "--json"]);
    assert_eq!((objects.len(), objects[0]["sha256"].as_str()), (1, Some(plan.sha256().as_str())));
    house.ends_well();
}

#[test]
fn a_sender_of_one_octet_at_a_time_gets_through() {
    let house = House::new(&[]);
    let mut depositor = Depositor::connect(&house.server, &Plan::new("m1", b"slow but sure".to_vec())).expect("a call");
    let (tid, frame) = depositor.message.chunk(0, b"slow but sure");
    for octet in frame.chunks(1) {
        depositor.stream.write(octet).expect("a write");
    }
    let mut promise = Promise::default();
    assert_eq!(depositor.answer(&tid, &mut promise).expect("an answer").status(), 200);
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.complete);
    house.ends_well();
}

#[test]
fn a_stream_that_turns_to_garbage_is_closed() {
    let house = House::new(&[]);
    let mut depositor = Depositor::connect(&house.server, &Plan::new("m1", vec![0; 30_000])).expect("a call");
    assert!(depositor.stream.write(b"MSRP a SEND\r\nTo-Path\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n").is_ok());
    let error = loop {
        match depositor.stream.read() {
            Ok(frame) => assert_ne!(frame.status(), 200, "{frame:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    house.ends_well();
}

/// Every file below this directory, by its path from there.
fn below(root: &Path, at: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(at).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            below(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).expect("below the root").to_owned());
        }
    }
}

#[test]
// M5547-6-09 M5547-10-08
fn a_hostile_file_name_neither_leaves_its_directory_nor_names_a_file_of_the_spool() {
    let house = House::new(&[]);
    for (number, name) in
        ["..%2F..%2Fevil", "%2Ftmp%2Fevil", "..%5Cevil%00", "-evil%0A", "spool%2Fevil"].iter().enumerate()
    {
        // Given a file that is pushed under this name, when it is stored ...
        let selector = format!("a=file-selector:name:\"{name}\" type:application/octet-stream size:5");
        let transfer = format!("a=file-transfer-id:t{number}");
        let offer = description("s1", &["a=sendonly", &selector, &transfer]);
        let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
        call.start("<record dest=\"spool:/bob/\" maxtime=\"60s\"/><exit namelist=\"record.recordid\"/>")
            .expect("an answer");
        let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        let (to, from) = (answer.attribute("path").to_owned(), "msrp://127.0.0.1:9/s1;tcp".to_owned());
        let message = Message { to, from, id: format!("m{number}"), total: 5 };
        stream.write(&message.chunk(0, b"hello").1).expect("a write");
        let uri = call.event("msml.dialog.exit").expect("the end is told").value("record.recordid").to_owned();
        call.bye().expect("an answer");

        // ... then no file of the spool has it, and who retrieves it gets one file where they are, and nowhere else.
        let (mut before, mut after) = (Vec::new(), Vec::new());
        below(house.dir.path(), house.dir.path(), &mut before);
        let named = |path: &&PathBuf| !path.starts_with("deep") && path.to_string_lossy().contains("evil");
        assert_eq!(before.iter().find(named), None, "{name}");
        let inner = house.dir.path().join(format!("deep/inner{number}"));
        fs::create_dir_all(&inner).expect("a directory");
        let server = format!("sip:{};transport=tcp", house.server.sip("tcp"));
        let retrieved = run(&inner, &["retrieve", &uri, "--quiet", "--server", &server]);
        let told = String::from_utf8_lossy(&retrieved.stderr).into_owned();
        below(house.dir.path(), house.dir.path(), &mut after);
        after.retain(|path| !before.contains(path));
        assert_eq!((retrieved.status.code(), after.len()), (Some(0), 1), "{name}: {after:?} {told}");
        assert_eq!(after[0].parent(), Some(Path::new(&format!("deep/inner{number}"))), "{name}: {after:?}");
        assert!(!Path::new("/tmp/evil").exists(), "{name}");
    }
    house.ends_well();
}
