//! A `<play>` that the application begins anew while its file is on the way.

use super::support::deposit::{Plan, Promise, deposit};
use super::support::msrp::Stream;
use super::support::server::House;
use super::support::sip::{Call, description};

/// More than two sockets hold between them, so that the restart finds the file on the way.
const OCTETS: u32 = 16 * 1024 * 1024;

// PL-10, checklist 7.1: restart
#[test]
fn a_play_that_is_restarted_breaks_its_message_off_and_sends_the_file_from_the_first_octet_as_a_new_one() {
    let house = House::new(&[]);
    let content: Vec<u8> = (0..OCTETS).map(|n| (n % 251) as u8).collect();
    let mut promise = Promise::default();
    let plan = Plan { chunk: 1024 * 1024, ..Plan::new("m1", content.clone()) };
    deposit(&house.server, &plan, &mut promise).expect("a deposit");
    let offer = description("p1", &["a=sendrecv"]);
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    let greeting = stream.greet(answer.attribute("path"), "msrp://127.0.0.1:9/p1;tcp").expect("an answer");
    assert_eq!(greeting.status(), 200);
    let script = format!("<play><audio uri=\"{}\"/></play><exit namelist=\"play.end ft.size\"/>", promise.uri);
    call.start(&script).expect("an answer");
    let mut frame = stream.read().expect("a chunk");
    let begun = frame.header("Message-ID").to_owned();
    let target = format!("conn:{}/dialog:d/play", call.conn());
    let restart = format!("<msml version=\"1.1\"><send event=\"restart\" target=\"{target}\"/></msml>");
    assert!(call.msml(&restart).expect("an answer").body.contains("response=\"200\""));
    let mut flag = frame.flag;
    while frame.header("Message-ID") == begun {
        flag = frame.flag;
        stream.accept(&frame).expect("a connection");
        frame = stream.read().expect("a chunk");
    }
    assert_eq!(flag, b'#', "broken off, not finished");
    assert!(frame.header("Byte-Range").starts_with("1-"), "{:?}", frame.headers);
    let mut received = frame.body.clone();
    stream.accept(&frame).expect("a connection");
    while frame.flag != b'$' {
        frame = stream.read().expect("a chunk");
        received.extend_from_slice(&frame.body);
        stream.accept(&frame).expect("a connection");
    }
    assert!(received == content, "{} octets of {}", received.len(), content.len());
    stream.report(&frame, received.len()).expect("a connection");
    let exit = call.event("moml.exit").expect("the end is told");
    assert_eq!((exit.value("play.end"), exit.value("ft.size")), ("play.complete", OCTETS.to_string().as_str()));
}
