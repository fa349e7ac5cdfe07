//! Files that are pulled from us: which one a selector means, what the answer says, which octets come, and how it ends.

use super::support::deposit::{Plan, Promise, deposit};
use super::support::msrp::{Frame, Stream};
use super::support::sip::{Call, HEAD, Message, description, media};
use super::{House, content, ports, sha1};

/// A house with these files in bob's box.
fn house(files: &[(&str, Vec<u8>)]) -> House {
    let house = House::new(&[]);
    for (name, octets) in files {
        deposit(&house.server, &Plan::new(name, octets.clone()), &mut Promise::default()).expect("a deposit");
    }
    house
}

fn pull(house: &House, session: &str, selector: &str, more: &[&str]) -> (Call, Message) {
    let (selector, id) = (format!("a=file-selector:{selector}"), format!("a=file-transfer-id:pull-{session}"));
    let lines = [&["a=recvonly", &selector, &id], more].concat();
    Call::invite(house.server.sip("tcp"), "bob", &description(session, &lines)).expect("an answer")
}

/// Connects as the one who asked.
fn greeted(house: &House, answer: &Message, session: &str) -> Stream {
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let greeting = stream.greet(answer.attribute("path"), &format!("msrp://127.0.0.1:9/{session};tcp"));
    assert_eq!(greeting.expect("an answer").status(), 200);
    stream
}

// M5547-8.3.2-02 M5547-8.3.2-06 M5547-8.3.2-07 M5547-8.3.2-10 M5547-8.3.2-11 M5547-6-02 M5547-5-01 M5547-5-05 M5547-8.3.2-15
#[test]
fn every_combination_of_selectors_picks_the_one_file_that_meets_all_of_it() {
    let (one, two) = (content(700), content(900));
    let house = house(&[("one", one.clone()), ("two", two.clone())]);
    let criteria = [
        "name:\"two.bin\"".to_owned(),
        "type:application/octet-stream".to_owned(),
        "size:900".to_owned(),
        format!("hash:sha-1:{}", sha1(&two)),
    ];
    for chosen in 1..16_usize {
        let words: Vec<&str> = criteria
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
            .map(|(_, word)| word.as_str())
            .collect();
        let (_call, answer) = pull(&house, "p1", &words.join(" "), &[]);
        if words == ["type:application/octet-stream"] {
            // M5547-8.3.2-15: both files have it, and nobody can say which is meant.
            assert_eq!(answer.status(), 488, "{answer:?}");
            continue;
        }
        assert_eq!(answer.status(), 200, "{words:?}: {answer:?}");
        assert!(answer.body.contains("a=sendonly\r\n"), "{answer:?}");
        let hash = format!("hash:sha-1:{}", sha1(&two));
        assert!(answer.attribute("file-selector").contains(&hash), "{words:?}: {answer:?}");
        assert_eq!(answer.attribute("file-transfer-id"), "pull-p1");
        let mut stream = greeted(&house, &answer, "p1");
        assert_eq!(stream.receive().expect("a file"), two);
    }
}

// M5547-8.3.2-08 M5547-8.3.2-09
#[test]
fn what_is_not_there_is_refused_alone_or_with_the_whole_call() {
    let house = house(&[("one", content(700))]);
    for selector in ["name:\"none\"", "size:701", "name:\"one.bin\" type:image/png", "hash:sha-256:00"] {
        let (_call, answer) = pull(&house, "p1", selector, &[]);
        assert_eq!(answer.status(), 488, "{selector}: {answer:?}");
    }
    let lines = ["one.bin", "none"].map(|name| {
        let selector = format!("a=file-selector:name:\"{name}\"");
        media(name, &["a=recvonly", &selector, &format!("a=file-transfer-id:{name}")])
    });
    let offer = format!("{HEAD}{}", lines.concat());
    let (_call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(ports(&answer.body)[0] != "0" && ports(&answer.body)[1] == "0", "{answer:?}");
    assert!(answer.body.ends_with("a=file-selector:name:\"none\"\r\na=file-transfer-id:none\r\n"), "{answer:?}");
}

// M5547-8.3.2-16 M5547-8.3.2-17 M5547-8.7-10
#[test]
fn of_a_range_exactly_its_octets_come_and_are_counted_from_one() {
    let file = content(9000);
    let house = house(&[("one", file.clone())]);
    for (range, octets) in
        [("1-*", &file[..]), ("5001-*", &file[5000..]), ("5001-7000", &file[5000..7000]), ("9000-9000", &file[8999..])]
    {
        let (_call, answer) = pull(&house, "p1", "size:9000", &[&format!("a=file-range:{range}")]);
        assert_eq!((answer.status(), answer.attribute("file-range")), (200, range));
        assert!(answer.attribute("file-selector").contains(&sha1(&file)), "the hash of the whole: {answer:?}");
        let mut stream = greeted(&house, &answer, "p1");
        let first = stream.read().expect("a chunk");
        assert!(first.header("Byte-Range").starts_with("1-"), "{first:?}");
        assert!(first.header("Byte-Range").ends_with(&format!("/{}", octets.len())), "{first:?}");
        assert!(first.header("Content-Disposition").ends_with("size=9000"), "{first:?}");
        assert_eq!(first.body, octets);
    }
    for range in ["9002-*", "1-9001", "5-4", "0-3"] {
        let (_call, answer) = pull(&house, "p1", "size:9000", &[&format!("a=file-range:{range}")]);
        assert_eq!(answer.status(), 488, "{range}");
    }
}

// M5547-6-05 M5547-6-10 M5547-6-15 M5547-6-20 M5547-8.3.2-13
// M4975-7.1.1-33 M5547-5-04
#[test]
fn the_header_says_what_the_description_leaves_out() {
    let house = House::new(&[]);
    let plan = Plan::new("m1", content(700));
    let offer = plan.offer()
        + "a=file-disposition:attachment\r\n\
           a=file-date:creation:\"Mon, 2 Nov 2026 10:00:00 +0000\" modification:\"Tue, 3 Nov 2026 10:00:00 +0100\"\r\n";
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
    call.start(&plan.script()).expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let (to, from) = (answer.attribute("path").to_owned(), "msrp://127.0.0.1:9/sm1;tcp".to_owned());
    let message = super::support::msrp::Message { to, from, id: "m1".to_owned(), total: 700 };
    stream.write(&message.chunk(0, &plan.content).1).expect("a write");
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");

    let (_call, answer) = pull(&house, "p1", "size:700", &[]);
    assert!(!answer.body.contains("name:") && !answer.body.contains("file-date"), "{answer:?}");
    assert_eq!(answer.attribute("file-disposition"), "attachment");
    let chunk = greeted(&house, &answer, "p1").read().expect("a chunk");
    assert_eq!(
        chunk.header("Content-Disposition"),
        "attachment; filename=\"m1.bin\"; size=700; creation-date=\"Mon, 2 Nov 2026 10:00:00 +0000\"; \
         modification-date=\"Tue, 3 Nov 2026 10:00:00 +0100\""
    );
}

// M5547-8.3.2-01 M5547-8.3.2-03 M5547-8.3.2-04 M5547-8.3.2-05 M5547-8.4-03 M5547-8.7-12
#[test]
fn a_pull_that_is_repeated_starts_no_second_transfer_and_its_line_is_closed_in_the_end() {
    let file = content(3000);
    let house = house(&[("one", file.clone())]);
    let (mut call, answer) = pull(&house, "p1", "size:3000", &[]);
    let mut stream = greeted(&house, &answer, "p1");
    assert_eq!(stream.receive().expect("a file"), file);
    let offer = description("p1", &["a=recvonly", "a=file-selector:size:3000", "a=file-transfer-id:pull-p1"]);
    let again = call.reinvite(&offer).expect("an answer");
    assert_eq!((again.status(), again.attribute("file-transfer-id")), (200, "pull-p1"));
    // The next thing that happens is the end of the session, not a file.
    let closing = call.asked("INVITE").expect("an offer");
    assert_eq!((ports(&closing.body), closing.attribute("file-transfer-id")), (vec!["0"], "pull-p1"));
    assert!(stream.read().is_err());
    assert_eq!(house.server.log().matches("sending message_id").count(), 1, "{}", house.server.log());
}

/// The chunks that are here by the time a question is answered, each accepted.
fn meanwhile(stream: &mut Stream, to: &str, content: &mut Vec<u8>) -> usize {
    let from = "msrp://127.0.0.1:9/p1;tcp";
    let mut frame = stream.greet(to, from).expect("a frame");
    let mut chunks = 0;
    while frame.what == "SEND" {
        content.extend_from_slice(&frame.body);
        stream.accept(&frame).expect("a write");
        chunks += 1;
        frame = stream.read().expect("a frame");
    }
    assert_eq!(frame.status(), 200);
    chunks
}

// RFC 3264 section 8.4
#[test]
fn a_file_whose_receiver_puts_the_call_on_hold_waits_and_goes_on() {
    let file = content(3_000_000);
    let house = house(&[("one", file.clone())]);
    let (mut call, answer) = pull(&house, "p1", "size:3000000", &[]);
    let (to, mut stream) = (answer.attribute("path"), greeted(&house, &answer, "p1"));
    let first = stream.read().expect("a chunk"); // not answered yet: the window fills
    let offer = description("p1", &["a=recvonly", "a=file-selector:size:3000000", "a=file-transfer-id:pull-p1"]);
    let held = call.reinvite(&offer.replace("a=recvonly", "a=inactive")).expect("an answer");
    assert_eq!((held.status(), held.attribute("path"), held.attribute("file-transfer-id")), (200, to, "pull-p1"));
    assert!(held.body.contains("a=inactive\r\n"), "{held:?}");
    stream.accept(&first).expect("a write");
    let mut octets = first.body;
    while meanwhile(&mut stream, to, &mut octets) > 0 {} // what was on its way
    assert_eq!([(); 5].map(|()| meanwhile(&mut stream, to, &mut octets)), [0; 5]);
    assert!(octets.len() < file.len());
    let back = call.reinvite(&offer).expect("an answer");
    assert!(back.body.contains("a=sendonly\r\n"), "{back:?}");
    octets.extend(stream.receive().expect("the rest"));
    assert!(octets == file);
}

/// The flags of all chunks until the stream ends.
fn flags(stream: &mut Stream) -> Vec<u8> {
    let chunks = std::iter::from_fn(|| stream.read().ok()).filter(|frame: &Frame| frame.what == "SEND");
    chunks.map(|frame| frame.flag).collect()
}

// M5547-8.4-13 M5547-8.4-14 M5547-8.3.1-01
#[test]
fn who_pulls_a_file_may_end_it_in_the_middle_and_the_chunk_on_its_way_is_aborted() {
    let house = house(&[("one", content(8_000_000))]);
    let (mut call, answer) = pull(&house, "p1", "size:8000000", &[]);
    let mut stream = greeted(&house, &answer, "p1");
    let first = stream.read().expect("a chunk"); // it is not answered: the window fills, and the rest waits
    assert_eq!(first.flag, b'+');
    let closed = description("p1", &["a=recvonly", "a=file-selector:size:8000000", "a=file-transfer-id:pull-p1"]);
    let answer = call.reinvite(&closed.replace("m=message 9", "m=message 0")).expect("an answer");
    assert_eq!((answer.status(), ports(&answer.body)), (200, vec!["0"]));
    assert_eq!(answer.attribute("file-transfer-id"), "pull-p1");
    let flags = flags(&mut stream);
    assert_eq!((flags.last(), flags.contains(&b'$')), (Some(&b'#'), false));
}

// M5547-10-05
#[test]
fn nobody_reads_a_box_without_the_right_to_command_us() {
    let house = House::new(&[("RESTANTE_CONTROL__UNATTENDED", "deposit"), ("RESTANTE_CONTROL__TRUSTED", "10.0.0.0/8")]);
    let plan = Plan::new("m1", content(700));
    let mut depositor = super::support::deposit::Depositor::call(&house.server, &plan, None).expect("a call");
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
    assert_eq!(depositor.stream.read().expect("a REPORT").reported(), 200);
    assert_eq!(house.objects().len(), 1);
    assert_eq!(pull(&house, "p1", "size:700", &[]).1.status(), 403);
}

// M5547-8.7-08 M5547-8.7-07
#[test]
fn a_file_larger_than_the_caller_takes_is_not_sent() {
    let house = house(&[("one", content(3000))]);
    for (max_size, status) in [("2999", 488), ("3000", 200)] {
        assert_eq!(pull(&house, "p1", "size:3000", &[&format!("a=max-size:{max_size}")]).1.status(), status);
    }
}
