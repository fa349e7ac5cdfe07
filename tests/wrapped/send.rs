//! What a peer takes in an envelope only goes to it in one, and everything else goes bare.

use super::phone::{FROM_TO, House, Phone, cpim, sha256};
use super::support::msrp::Stream;
use super::support::sip::{Call, description};

const CPIM: &str = "message/cpim";

/// Deposits a message and gives the URI of its object.
fn deposited(house: &House, session: &str, kind: &str, message: &[u8]) -> String {
    let mut phone = Phone::recorded(house, session, &["a=sendonly"]);
    assert_eq!(phone.whole(session, kind, message), 200);
    phone.committed(message.len());
    house.objects().last().expect("an object")["uri"].as_str().expect("a URI").to_owned()
}

/// Head and content of an envelope of the server's.
fn unwrapped(message: &[u8]) -> (Vec<String>, Vec<String>, Vec<u8>) {
    let lines =
        |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("UTF-8").split("\r\n").map(str::to_owned).collect();
    let blank = |octets: &[u8]| octets.windows(4).position(|window| window == b"\r\n\r\n").expect("a blank line");
    let first = blank(message);
    let rest = &message[first + 4..];
    let second = blank(rest);
    (lines(&message[..first]), lines(&rest[..second]), rest[second + 4..].to_vec())
}

// M4975-13-12 M4975-13-07 M4975-8.6-05 M4975-8.6-08 M4975-8.6-09 M3862-2.4-01
#[test]
fn a_peer_that_takes_files_in_an_envelope_only_gets_them_so() {
    let house = House::new(&[("RESTANTE_MSRP__CHUNK", "2048")]);
    let file = vec![b'w'; 5000];
    let uri = deposited(&house, "in", "audio/x-wav", &file);
    let mut phone = Phone::call(&house, "out", CPIM, &["a=accept-wrapped-types:audio/*", "a=recvonly"]);
    let (first, message) = phone.played(&uri);
    assert_eq!(first.header("Content-Type"), CPIM);
    assert_eq!(first.header("Byte-Range"), format!("1-2048/{}", message.len()));
    let (envelope, mime, content) = unwrapped(&message);
    assert_eq!(content, file);
    assert_eq!(envelope[0], "From: <sip:alice@phone.example.net>", "who left the file");
    assert_eq!(envelope[1], "To: <sip:alice@phone.example.net>", "who fetches it");
    assert!(envelope[2].starts_with("DateTime: 20") && envelope.len() == 3, "{envelope:?}");
    assert_eq!(mime[0], "Content-Type: audio/x-wav");
    assert!(mime[1].starts_with("Content-ID: <") && mime.len() == 2, "{mime:?}");
}

// M3862-6-01 M3862-2.2-01
#[test]
fn a_file_that_came_in_an_envelope_goes_bare_or_in_a_new_one_of_the_same_author() {
    let house = House::new(&[]);
    let headers = format!("{FROM_TO}DateTime: 2026-05-15T15:02:31-03:00\nSubject:;lang=de Rückruf\n");
    let mime = "Content-Type: text/html\nContent-Disposition: render; filename=\"a b.html\"\n";
    let message = cpim(&headers, mime, b"<p>hi</p>");
    let uri = deposited(&house, "in", CPIM, &message);
    let mut bare = Phone::call(&house, "bare", "text/html message/cpim", &["a=recvonly"]);
    let (first, content) = bare.played(&uri);
    assert_eq!((first.header("Content-Type"), content.as_slice()), ("text/html", &b"<p>hi</p>"[..]));
    let mut wrapped = Phone::call(&house, "wrapped", CPIM, &["a=accept-wrapped-types:*", "a=recvonly"]);
    let (_, content) = wrapped.played(&uri);
    let (envelope, mime, content) = unwrapped(&content);
    assert_eq!(
        envelope,
        [
            "From: Erin <sip:erin@phone.example.net>",
            "To: <sip:alice@phone.example.net>",
            "DateTime: 2026-05-15T15:02:31-03:00",
            "Subject:;lang=de Rückruf",
        ]
    );
    assert_eq!(mime[..2], ["Content-Type: text/html", "Content-Disposition: render; filename=\"a b.html\"; size=9"]);
    assert_eq!(content, b"<p>hi</p>");
    let object = house.objects().remove(0);
    assert_eq!((house.stored(&object), object["sha256"].as_str()), (message, Some(&*sha256(b"<p>hi</p>"))));
}

// M4975-13-13 M8591-8.2-01 M8591-8.2-02
#[test]
fn signed_content_in_an_envelope_of_ours_is_dated_and_every_chunk_has_its_range() {
    let house = House::new(&[("RESTANTE_MSRP__CHUNK", "200")]);
    let signed = "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--\r\n";
    let kind = "multipart/signed; boundary=b";
    let uri = deposited(&house, "in", kind, signed.as_bytes());
    let mut phone = Phone::call(&house, "out", CPIM, &["a=accept-wrapped-types:multipart/signed", "a=recvonly"]);
    let (first, message) = phone.played(&uri);
    assert_eq!(first.header("Byte-Range"), format!("1-200/{}", message.len()));
    let (envelope, mime, content) = unwrapped(&message);
    assert!(envelope.iter().any(|line| line.starts_with("DateTime: ")), "{envelope:?}");
    assert_eq!(
        (mime[0].as_str(), content.as_slice()),
        ("Content-Type: multipart/signed; boundary=b", signed.as_bytes())
    );
}

// M4975-13-03 M4975-13-04
#[test]
fn text_goes_in_an_envelope_to_whoever_names_it_first() {
    let house = House::new(&[]);
    let uri = deposited(&house, "in", "text/plain", b"hi");
    let mut phone = Phone::call(&house, "first", "message/cpim text/plain", &["a=recvonly"]);
    assert_eq!(phone.played(&uri).0.header("Content-Type"), CPIM);
    let mut phone = Phone::call(&house, "second", "text/plain message/cpim", &["a=recvonly"]);
    assert_eq!(phone.played(&uri).0.header("Content-Type"), "text/plain");
}

// M4975-8.6-08 M5547-8.7-04. Pitfall P22: the envelope counts.
#[test]
fn what_a_peer_takes_in_no_way_is_not_sent() {
    let house = House::new(&[]);
    let uri = deposited(&house, "in", "audio/x-wav", &[7; 500]);
    let exit = |session: &str, lines: &[&str]| {
        let mut phone = Phone::call(&house, session, CPIM, lines);
        phone.denied(&uri)
    };
    assert_eq!(exit("type", &["a=accept-wrapped-types:text/plain", "a=recvonly"]).value("ft.result"), "ft.badtype");
    let small = ["a=accept-wrapped-types:*", "a=max-size:520", "a=recvonly"];
    assert_eq!(exit("size", &small).value("ft.result"), "ft.toolarge");
}

// M5547-8.3.2-16 M5547-8.7-04. A range counts octets of the file, so its part goes bare or not at all.
#[test]
fn a_part_of_a_file_goes_bare_and_only_a_whole_one_in_an_envelope() {
    let house = House::new(&[]);
    deposited(&house, "in", "audio/x-wav", &[7; 500]);
    let pull = |session: &str, types: &str, range: &str| {
        let (id, range) = (format!("a=file-transfer-id:{session}"), format!("a=file-range:{range}"));
        let lines =
            ["a=recvonly", "a=accept-wrapped-types:audio/*", "a=file-selector:type:audio/x-wav size:500", &id, &range];
        let offer = description(session, &lines).replace("accept-types:*", &format!("accept-types:{types}"));
        let (call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
        if answer.status() != 200 {
            return (answer.status(), None);
        }
        let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        let from = format!("msrp://127.0.0.1:9/{session};tcp");
        assert_eq!(stream.greet(answer.attribute("path"), &from).expect("an answer").status(), 200);
        let chunk = stream.read().expect("a chunk");
        drop(call);
        (200, Some(chunk))
    };
    let (_, whole) = pull("p1", CPIM, "1-*");
    let whole = whole.expect("a chunk");
    assert_eq!((whole.header("Content-Type"), unwrapped(&whole.body).2), (CPIM, vec![7; 500]));
    let (_, part) = pull("p2", "message/cpim audio/x-wav", "101-*");
    let part = part.expect("a chunk");
    assert_eq!(
        (part.header("Content-Type"), part.header("Byte-Range"), part.body.len()),
        ("audio/x-wav", "1-400/400", 400)
    );
    assert_eq!(pull("p3", CPIM, "101-*").0, 488);
    assert_eq!(pull("p4", CPIM, "1-400").0, 488);
}

// Pitfall P25. M4975-8.9-01
#[test]
fn a_notification_from_somebody_who_only_listens_is_heard() {
    let house = House::new(&[]);
    let mut phone = Phone::call(&house, "out", "*", &["a=recvonly"]);
    assert_eq!(phone.whole("m1", "message/imdn+xml", b"<imdn/>"), 200);
    assert_eq!(phone.heard().reported(), 200);
    let wrapped = cpim(FROM_TO, "Content-Type: message/imdn+xml\n", b"<imdn/>");
    assert_eq!(phone.whole("m2", CPIM, &wrapped), 200);
    assert_eq!(phone.heard().reported(), 200);
    assert_eq!(phone.whole("m3", CPIM, &cpim(FROM_TO, "Content-Type: audio/wav\n", b"RIFF")), 403);
    assert_eq!(phone.whole("m4", CPIM, b"nothing\r\n"), 400);
    house.server.logged(&["the peer notifies", "m1"]);
    assert!(house.objects().is_empty());
}
