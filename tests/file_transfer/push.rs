//! Files that are pushed to us: one transfer an id, one file a line, and every way in which one ends.

use super::support::deposit::{Depositor, Plan, Promise};
use super::support::msrp::{Message, Stream};
use super::support::sip::{Call, HEAD, description, media};
use super::{House, content, ports, sha1};

/// A call whose first chunk is in, and the octets after it.
fn begun(house: &House, plan: &Plan) -> Depositor {
    let mut depositor = Depositor::connect(&house.server, plan).expect("a call");
    let (tid, frame) = depositor.message.chunk(0, &plan.content[..plan.chunk]);
    depositor.stream.write(&frame).expect("a write");
    assert_eq!(depositor.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
    depositor
}

/// The value that an exit gives to `record.end`.
fn end_of(call: &mut Call) -> String {
    call.event("msml.dialog.exit").expect("the end is told").value("record.end").to_owned()
}

// M5547-8.3.1-02 M5547-8.1-06, pitfall P28, F-7
#[test]
fn a_refresh_in_mid_transfer_is_answered_as_before_and_the_octets_flow_on() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    let refreshed = depositor.call.reinvite(&plan.offer()).expect("an answer");
    assert_eq!((refreshed.status(), refreshed.attribute("path")), (200, depositor.message.to.as_str()));
    let mut promise = Promise::default();
    assert!(depositor.send(plan.chunk as u64, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    assert_eq!(house.objects().len(), 1);
}

// RFC 3264 section 8.4
#[test]
fn a_file_whose_sender_puts_the_call_on_hold_goes_on_where_it_was() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    let held = depositor.call.reinvite(&plan.offer().replace("a=sendonly", "a=inactive")).expect("an answer");
    assert_eq!((held.status(), held.attribute("path")), (200, depositor.message.to.as_str()));
    assert!(held.body.contains("a=inactive\r\n"), "{held:?}");
    assert_eq!(held.attribute("file-transfer-id"), "m1");
    let back = depositor.call.reinvite(&plan.offer()).expect("an answer");
    assert_eq!((back.status(), back.attribute("path")), (200, depositor.message.to.as_str()));
    assert!(back.body.contains("a=recvonly\r\n"), "{back:?}");
    let mut promise = Promise::default();
    assert!(depositor.send(plan.chunk as u64, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    assert_eq!(house.objects().len(), 1);
}

// M5547-8.1-06 M5547-4-01 M5547-8.7-02
#[test]
fn a_transfer_id_that_was_used_starts_nothing_and_a_line_takes_one_file() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(3000));
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
    while !promise.reported {
        promise.reported = depositor.stream.read().expect("a REPORT").reported() == 200;
    }
    // Another message in the session of a file that is done ...
    let second = Message { id: "m2".to_owned(), ..depositor.message.clone() };
    depositor.stream.write(&second.chunk(0, &plan.content).1).expect("a write");
    assert_eq!(depositor.stream.read().expect("an answer").status(), 413);
    // ... and its id on a line of its own.
    let again = media("again", &plan.offer().lines().filter(|line| line.contains("=file-")).collect::<Vec<_>>());
    let offer = format!("{}{}", plan.offer(), again.replace("a=path", "a=sendonly\r\na=path"));
    let answer = depositor.call.reinvite(&offer).expect("an answer");
    assert_eq!((answer.status(), ports(&answer.body)[1]), (200, "0"), "{answer:?}");
    assert!(answer.body.ends_with("a=file-transfer-id:m1\r\n"), "{answer:?}");
    assert_eq!(house.objects().len(), 1);
}

// M5547-8.1-09
#[test]
fn a_new_id_in_mid_transfer_ends_the_old_file_and_begins_the_new_one() {
    let house = House::new(&[]);
    let (old, new) = (Plan::new("m1", content(50_000)), Plan::new("m2", content(9000)));
    let mut depositor = begun(&house, &old);
    let answer = depositor.call.reinvite(&new.offer()).expect("an answer");
    assert_eq!((answer.status(), answer.attribute("file-transfer-id")), (200, "m2"));
    assert_ne!(answer.attribute("path"), depositor.message.to);
    assert_eq!(end_of(&mut depositor.call), "record.failed.disconnected");
    depositor.call.start(&new.script()).expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let message = Message {
        to: answer.attribute("path").to_owned(),
        from: "msrp://127.0.0.1:9/sm2;tcp".to_owned(),
        id: "m2".to_owned(),
        total: 9000,
    };
    stream.write(&message.chunk(0, &new.content).1).expect("a write");
    assert_eq!(stream.read().expect("an answer").status(), 200);
    assert_eq!(end_of(&mut depositor.call), "record.complete");
    let objects = house.objects();
    assert_eq!((objects.len(), objects[0]["sha256"].as_str()), (1, Some(new.sha256().as_str())));
}

// M5547-8.1-10 M5547-8.1-11
#[test]
fn a_known_id_may_say_more_of_its_file_but_not_mean_another() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    let more = plan.offer().replace(" type:", &format!(" hash:sha-256:{} type:", "00:".repeat(31) + "00"));
    assert_eq!(ports(&depositor.call.reinvite(&more).expect("an answer").body).len(), 1);
    let other = plan.offer().replace("size:50000", "size:50001");
    let answer = depositor.call.reinvite(&other).expect("an answer");
    assert_eq!(ports(&answer.body), ["0"], "{answer:?}");
    assert!(end_of(&mut depositor.call).starts_with("record.failed."));
    assert!(house.objects().is_empty());
}

// M5547-8.3.1-01 M5547-8.4-07 M5547-8.3-02
#[test]
fn a_line_offered_with_port_0_is_over_and_its_file_stays_for_a_return() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    let closed = plan.offer().replace("m=message 9", "m=message 0");
    let answer = depositor.call.reinvite(&closed).expect("an answer");
    assert_eq!((answer.status(), ports(&answer.body)), (200, vec!["0"]));
    assert_eq!(answer.attribute("file-transfer-id"), "m1");
    assert!(plan.offer().contains(answer.attribute("file-selector")), "mirrored: {answer:?}");
    assert_eq!(end_of(&mut depositor.call), "record.failed.disconnected");
    assert_eq!((house.objects().len(), house.stages().len()), (0, 1));
}

/// The server's offer that closes the one line of this call.
fn assert_closed(call: &mut Call, plan: &Plan) {
    let offer = call.asked("INVITE").expect("an offer");
    assert_eq!(ports(&offer.body), ["0"], "{offer:?}");
    assert_eq!(offer.attribute("file-transfer-id"), plan.message_id);
    assert!(plan.offer().contains(offer.attribute("file-selector")), "{offer:?}");
    assert!(offer.body.contains("a=recvonly\r\n") && offer.body.contains("a=path:"), "{offer:?}");
}

// M5547-8.4-01 M5547-8.4-02 M5547-8.4-06
#[test]
fn a_sender_that_breaks_off_and_does_not_close_its_line_has_it_closed() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    depositor.stream.write(&depositor.message.frame(8192, &plan.content[8192..9000], b'#').1).expect("a write");
    assert_eq!(depositor.stream.read().expect("an answer").status(), 200);
    assert_eq!(end_of(&mut depositor.call), "record.failed.aborted");
    assert_closed(&mut depositor.call, &plan);
}

// M5547-8.4-08 M5547-8.4-09 M5547-8.4-10 M5547-8.4-11
#[test]
fn a_file_that_we_break_off_gets_413_and_its_line_is_closed_under_the_same_id() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = begun(&house, &plan);
    let end = format!(
        "<?xml version=\"1.0\"?><msml version=\"1.1\"><dialogend id=\"conn:{}/dialog:d\"/></msml>",
        depositor.call.conn()
    );
    depositor.call.msml(&end).expect("an answer");
    assert_ne!(end_of(&mut depositor.call), "record.complete");
    depositor.stream.write(&depositor.message.chunk(8192, &plan.content[8192..16_384]).1).expect("a write");
    let told = depositor.stream.read().expect("a refusal");
    assert!(told.status() == 413 || told.reported() == 413, "{told:?}");
    assert_closed(&mut depositor.call, &plan);
}

// M5547-8.4-12
#[test]
fn a_sender_that_wants_no_failures_told_hears_of_the_end_by_the_offer_alone() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(50_000));
    let mut depositor = Depositor::connect(&house.server, &plan).expect("a call");
    let quiet = |at: usize, message: &Message| {
        let (_, mut frame) = message.chunk(at as u64, &plan.content[at..at + 8192]);
        let text = b"Success-Report: yes";
        let head = frame.windows(text.len()).position(|window| window == text).expect("the header");
        frame.splice(head..head + text.len(), *b"Failure-Report: no");
        frame
    };
    depositor.stream.write(&quiet(0, &depositor.message)).expect("a write");
    let began = || house.server.log().contains("receiving").then_some(());
    super::support::eventually("the first chunk", began);
    let end = format!(
        "<?xml version=\"1.0\"?><msml version=\"1.1\"><dialogend id=\"conn:{}/dialog:d\"/></msml>",
        depositor.call.conn()
    );
    depositor.call.msml(&end).expect("an answer");
    assert_closed(&mut depositor.call, &plan);
    // The line is closed and with it the connection: nothing was said on it.
    assert!(depositor.stream.read().is_err());
}

// M5547-8.3.1-12 M5547-8.3.1-13 M5547-8.3.1-11
#[test]
fn a_message_of_another_type_than_the_selector_says_is_refused_and_told() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(3000));
    let offer = plan.offer().replace("type:application/octet-stream", "type:image/png");
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
    call.start(&plan.script()).expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let (to, from) = (answer.attribute("path").to_owned(), "msrp://127.0.0.1:9/sm1;tcp".to_owned());
    let message = Message { to, from, id: "m1".to_owned(), total: 3000 };
    stream.write(&message.chunk(0, &plan.content).1).expect("a write");
    assert_eq!(stream.read().expect("an answer").status(), 415);
    assert_eq!(end_of(&mut call), "record.failed.badtype");
    assert!(house.objects().is_empty());
}

// M5547-8.2.3-01 M5547-8.3.1-04, ID-2
#[test]
fn two_files_of_one_offer_come_on_two_lines_and_a_third_that_is_too_large_is_refused_alone() {
    let house = House::new(&[("RESTANTE_MSRP__MAX_SIZE", "64KiB")]);
    let plans = [Plan::new("one", content(9000)), Plan::new("two", content(5000)), Plan::new("big", content(65_537))];
    let lines: String =
        plans.iter().map(|plan| plan.offer().split_once("t=0 0\r\n").expect("a t=").1.to_owned()).collect();
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &format!("{HEAD}{lines}")).expect("a call");
    let answered = ports(&answer.body);
    assert!(answered[0] != "0" && answered[1] != "0" && answered[2] == "0", "{answer:?}");
    let paths: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("a=path:")).collect();
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    // The application server takes them in the order of their lines, over one connection.
    for (plan, path) in plans.iter().zip(&paths) {
        call.start(&plan.script()).expect("an answer");
        let (to, from) = ((*path).to_owned(), format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id));
        let message = Message { to, from, id: plan.message_id.clone(), total: plan.content.len() as u64 };
        stream.write(&message.chunk(0, &plan.content).1).expect("a write");
        assert_eq!(end_of(&mut call), "record.complete");
    }
    let stored: Vec<String> =
        house.objects().iter().map(|object| object["sha256"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(stored, [plans[0].sha256(), plans[1].sha256()]);
}

// M5547-10-06
#[test]
fn nothing_is_made_on_disk_for_an_offer_that_nobody_has_asked_for() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(3_000_000));
    let mut depositor = Depositor::call(&house.server, &plan, None).expect("a call");
    depositor.stream.write(&depositor.message.chunk(0, &plan.content[..2048]).1).expect("a write");
    assert_eq!(depositor.call.reinvite(&plan.offer()).expect("an answer").status(), 200);
    assert_eq!(std::fs::read_dir(house.dir.path().join("spool/stage")).expect("the stage").count(), 0);
}

// M5547-10-08 M5547-6-09, attack S9
#[test]
fn no_name_or_id_of_a_peer_becomes_a_path() {
    let house = House::new(&[]);
    let long = "x".repeat(4000);
    let hostile = [
        "..%2F..%2F..%2Fetc%2Fcron.d%2Fx",
        "%2Fetc%2Fpasswd",
        "a%00b",
        "CON",
        "%E2%80%AEgpj.exe",
        "..",
        ".",
        "~",
        &long,
        "..%5C..%5Cx",
        "%252e%252e%252fx",
        "C:%5Cx.txt",
        "-rf",
        "%0A%0Dx",
        "stage",
    ];
    for (number, name) in hostile.iter().enumerate() {
        let plan = Plan::new(&format!("h{number}"), content(100));
        let id = format!("..%2F..%2F{number}/../../x");
        let offer = plan.offer().replace(&format!("name:\"h{number}.bin\""), &format!("name:\"{name}\""));
        let offer = offer.replace(&format!("transfer-id:h{number}"), &format!("transfer-id:{id}"));
        let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
        assert_eq!((answer.status(), answer.attribute("file-transfer-id")), (200, id.as_str()), "{name}");
        call.start(&plan.script()).expect("an answer");
        let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        let (to, from) = (answer.attribute("path").to_owned(), format!("msrp://127.0.0.1:9/sh{number};tcp"));
        let message = Message { to, from, id: plan.message_id.clone(), total: 100 };
        stream.write(&message.chunk(0, &plan.content).1).expect("a write");
        assert_eq!(end_of(&mut call), "record.complete", "{name}");
    }
    // Every file of the house, and what an export makes of it, lies where it belongs and is called by us.
    super::support::server::run(house.dir.path(), &["spool", "export", "--to", "out"]);
    let (mut left, mut exported) = (vec![house.dir.path().to_owned()], 0);
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(path).expect("a directory").filter_map(Result::ok) {
            let (name, path) = (entry.file_name().into_string().expect("a plain name"), entry.path());
            let plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
            assert!(plain && name.len() < 100, "{}", path.display());
            exported += usize::from(path.starts_with(house.dir.path().join("out/boxes/bob")) && path.is_file());
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    assert_eq!(exported, hostile.len());
}

// M5547-7-01
#[test]
fn a_file_without_a_disposition_is_to_be_rendered() {
    let house = House::new(&[]);
    let mut promise = Promise::default();
    super::support::deposit::deposit(&house.server, &Plan::new("m1", content(10)), &mut promise).expect("a deposit");
    assert_eq!(house.objects()[0]["disposition"], "render");
}

// M5547-8.3.1-06 M5547-8.2.1-04
#[test]
fn an_answer_repeats_of_a_push_what_a_receiver_may_say_and_no_more() {
    let house = House::new(&[]);
    let selector = format!("a=file-selector:name:\"a b%25.txt\" size:9 hash:sha-1:{}", sha1(b"some text"));
    let lines = [
        "a=sendonly",
        &selector,
        "a=file-transfer-id:t1",
        "a=file-disposition:attachment",
        "a=file-range:1-*",
        "a=file-date:creation:\"Mon, 2 Nov 2026 10:00:00 +0000\"",
        "a=file-icon:cid:none@example.net",
    ];
    let (_call, answer) = Call::invite(house.server.sip("tcp"), "bob", &description("s1", &lines)).expect("a call");
    assert_eq!(answer.status(), 200, "{answer:?}");
    let said: Vec<&str> = answer.body.lines().filter(|line| line.starts_with("a=file-")).collect();
    assert_eq!(said, [selector.as_str(), "a=file-transfer-id:t1", "a=file-range:1-*"]);
}
