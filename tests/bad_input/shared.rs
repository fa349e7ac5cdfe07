//! Sessions that share a connection, and what a peer has not let in.

use super::House;
use super::support::deposit::{Depositor, Plan, Promise, deposit_works};
use super::support::msrp::Stream;
use super::support::server::json;
use super::support::sip::{Call, description};

/// Two recordings that wait for their files, both on the connection of the first.
fn two_on_one(house: &House) -> (Depositor, Depositor) {
    let plan = |id: &str| Plan::new(id, vec![7; 30_000]);
    let mut first = Depositor::connect(&house.server, &plan("m1")).expect("a call");
    let second = Depositor::connect(&house.server, &plan("m2")).expect("a second call");
    for one in [first.message.clone(), second.message.clone()] {
        let answer = first.stream.greet(&one.to, &one.from).expect("an answer");
        assert_eq!(answer.status(), 200, "both sessions go over the first connection: {answer:?}");
    }
    (first, second)
}

#[test]
// M4975-5.4-16
fn a_connection_that_is_cut_fails_every_session_on_it() {
    let house = House::new(&[]);
    let (mut first, mut second) = two_on_one(&house);
    for one in [first.message.clone(), second.message.clone()] {
        let (tid, frame) = one.chunk(0, &[7; 2048]);
        first.stream.write(&frame).expect("a write");
        assert_eq!(first.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
    }
    let Depositor { call, stream, .. } = &mut first;
    *stream = Stream::connect(house.server.msrp(), None).expect("another connection"); // the first is closed
    for call in [call, &mut second.call] {
        let exit = call.event("msml.dialog.exit").expect("the end is told");
        assert_eq!(exit.value("record.end"), "record.failed.disconnected");
    }
    assert!(json(house.dir.path(), &["spool", "list", "--json"]).is_empty());
    house.ends_well();
}

#[test]
// M4975-5.4-27 M4975-5.4-11 M5547-8.7-13
fn a_call_that_hangs_up_leaves_the_connection_to_the_other() {
    let house = House::new(&[]);
    let (mut first, second) = two_on_one(&house);
    first.call.bye().expect("an answer");
    let Depositor { call, message, .. } = second;
    let mut rest = Depositor { call, message, ..first };
    let mut promise = Promise::default();
    assert!(rest.send(0, &mut promise).expect("octets flow").is_none());
    rest.finish(&mut promise).expect("the end is told");
    assert!(promise.reported && promise.complete, "{promise:?}");
    house.ends_well();
}

#[test]
// M4975-8.6-08 M4975-8.6-09 M4975-8.6-11 M5547-8.7-08
fn what_the_peer_has_not_let_in_by_type_or_size_is_not_sent() {
    let house = House::new(&[]);
    let uri = deposit_works(&house.server, "stored").uri;
    for (from, to, end) in [
        (
            "a=accept-types:*",
            "a=accept-types:message/cpim text/*\r\na=accept-wrapped-types:audio/*",
            "play.failed.badtype",
        ),
        ("a=accept-types:*", "a=accept-types:*\r\na=max-size:19999", "play.failed.toolarge"),
        ("a=accept-types:*", "a=accept-types:*\r\na=max-size:20000", "play.complete"),
    ] {
        let offer = description("s1", &["a=recvonly"]).replace(from, to);
        let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("a call");
        let path = answer.attribute("path").to_owned();
        let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        assert_eq!(stream.greet(&path, "msrp://127.0.0.1:9/s1;tcp").expect("an answer").status(), 200);
        let play = format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>");
        call.start(&play).expect("an answer");
        if end == "play.complete" {
            assert_eq!(stream.receive().expect("the file").len(), 20_000);
        } else {
            assert_eq!(call.event("msml.dialog.exit").expect("the end is told").value("play.end"), end, "{to}");
            let next = stream.greet(&path, "msrp://127.0.0.1:9/s1;tcp").expect("an answer");
            assert_eq!(next.what, "200 OK", "nothing was sent before: {next:?}");
        }
        call.bye().expect("an answer");
    }
    house.ends_well();
}
