//! What arrives in an envelope is the file that is in it.

use super::phone::{FROM_TO, House, Phone, cpim, exported, selector, sha256};
use super::support::server::json;
use super::support::sip::{Call, description};

const FILE: &[u8] = b"RIFF\r\n\r\nFrom: here on it is sound\x00\xff";
const CPIM: &str = "message/cpim";

fn memo() -> Vec<u8> {
    let headers = format!(
        "{FROM_TO}To: <sip:carol@store.example.org>\nDateTime: 2026-11-22T23:00:00+01:00\nX-Mood:  odd \nSubject: Rückruf\n"
    );
    cpim(&headers, "Content-Type: audio/x-wav\nContent-Disposition: attachment; filename=\"other.wav\"\n", FILE)
}

// M4975-13-05 M4975-13-08 M3862-2.2-01 M3862-2.2-11 M3862-2.2-12 M3862-6-01 M5547-8.7-05
// Pitfall P22: size and hash of the selector are those of the file in the envelope.
#[test]
fn a_pushed_file_is_taken_out_of_its_envelope_whatever_the_order_of_its_chunks() {
    let (house, message) = (House::new(&[]), memo());
    let mut phone =
        Phone::recorded(&house, "s1", &["a=sendonly", &selector("audio/x-wav", FILE), "a=file-transfer-id:t1"]);
    let total = message.len();
    let chunk = |from: usize, to: usize| (format!("{}-{to}/{total}", from + 1), message[from..to].to_vec());
    for (range, octets, flag) in [(chunk(200, total), '$'), (chunk(0, 70), '+'), (chunk(60, 200), '+')]
        .map(|((range, octets), flag)| (range, octets, flag))
    {
        phone.say("m1", "Message/CPIM", &range, &octets, flag);
    }
    let exit = phone.committed(total);
    assert_eq!((exit.value("ft.size"), exit.value("ft.bytes")), (&*FILE.len().to_string(), &*FILE.len().to_string()));
    assert_eq!(exit.value("ft.hash"), format!("sha-256:{}", sha256(FILE)));
    assert_eq!((exit.value("ft.type"), exit.value("ft.name")), ("audio/x-wav", "memo.wav"));
    assert!(exit.value("record.len").parse::<u64>().is_ok(), "{exit:?}");
    let object = house.objects().remove(0);
    assert_eq!((object["size"].as_u64(), object["sha256"].as_str()), (Some(FILE.len() as u64), Some(&*sha256(FILE))));
    assert_eq!((object["media_type"].as_str(), object["file_name"].as_str()), (Some("audio/x-wav"), Some("memo.wav")));
    let wrapper = &object["wrappers"][0];
    assert_eq!(wrapper["from"]["uri"], "sip:erin@phone.example.net");
    assert_eq!((&wrapper["from"]["name"], &wrapper["subject"]), (&"Erin".into(), &"Rückruf".into()));
    assert_eq!(
        (&wrapper["to"][1]["uri"], &wrapper["sent"]),
        (&"sip:carol@store.example.org".into(), &"2026-11-22T23:00:00+01:00".into())
    );
    assert_eq!(house.stored(&object), message, "the octets lie as they came");
    assert_eq!(exported(&house, &object), FILE);
    assert_eq!(json(house.dir.path(), &["spool", "verify", "--json"])[0]["sound"], true);
}

// Pitfalls P2, F15
#[test]
fn the_layout_of_the_pictures_is_understood_and_the_file_name_comes_from_the_envelope() {
    let house = House::new(&[]);
    let mut phone = Phone::recorded(&house, "s1", &["a=sendonly"]);
    let message = memo();
    let text = [b"\r\n\r\nContent-Type", &b""[..]].concat();
    let at = message.windows(text.len()).position(|window| window == text).expect("a blank line");
    let merged = [&message[..at], &message[at + 2..]].concat();
    assert_eq!(phone.whole("m1", CPIM, &merged), 200);
    assert_eq!(phone.committed(merged.len()).value("ft.name"), "other.wav");
    let object = house.objects().remove(0);
    assert_eq!((object["sha256"].as_str(), house.stored(&object)), (Some(&*sha256(FILE)), merged));
}

// M3862-6-02
#[test]
fn all_envelopes_are_opened_and_each_is_written_down() {
    let house = House::new(&[]);
    let mut phone = Phone::recorded(&house, "s1", &["a=sendonly"]);
    let outer = cpim(
        "From: <sip:desk@store.example.org>\nTo: <sip:bob@store.example.org>\n",
        "Content-Type: message/CPIM\n",
        &memo(),
    );
    assert_eq!(phone.whole("m1", CPIM, &outer), 200);
    phone.committed(outer.len());
    let object = house.objects().remove(0);
    assert_eq!(object["wrappers"][0]["from"]["uri"], "sip:desk@store.example.org");
    assert_eq!(object["wrappers"][1]["from"]["uri"], "sip:erin@phone.example.net");
    assert_eq!(exported(&house, &object), FILE);
}

#[test]
fn a_message_that_breaks_off_inside_its_envelope_goes_on_there() {
    let (house, message) = (House::new(&[]), memo());
    let total = message.len();
    let mut phone = Phone::recorded(&house, "s1", &["a=sendonly"]);
    phone.say("m1", CPIM, &format!("1-40/{total}"), &message[..40], '+');
    assert_eq!(phone.heard().status(), 200);
    drop(phone.stream);
    assert_eq!(
        phone.call.event("msml.dialog.exit").expect("the end").value("record.end"),
        "record.failed.disconnected"
    );
    let mut phone = Phone::recorded(&house, "s2", &["a=sendonly"]);
    phone.say("m1", CPIM, &format!("41-{total}/{total}"), &message[40..], '$');
    phone.committed(total);
    assert_eq!(exported(&house, &house.objects()[0]), FILE);
}

/// The lines of a push of [`FILE`] under this transfer id, from this octet on, counted from one.
fn push(transfer_id: &str, first: usize) -> Vec<String> {
    let range = format!("a=file-range:{first}-*");
    let id = format!("a=file-transfer-id:{transfer_id}");
    vec!["a=sendonly".to_owned(), selector("audio/x-wav", FILE), id, range]
}

/// Brings the first ten octets of a message on a file's stream and breaks off.
fn broken(house: &House, kind: &str, message: &[u8]) {
    let lines = push("t1", 1);
    let mut phone = Phone::recorded(house, "s1", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    phone.say("m1", kind, &format!("1-10/{}", message.len()), &message[..10], '+');
    assert_eq!(phone.heard().status(), 200);
    drop(phone.stream);
    let exit = phone.call.event("msml.dialog.exit").expect("the end");
    assert_eq!(exit.value("record.end"), "record.failed.disconnected");
}

// M5547-8.3.1-08. A range counts octets of the file, and an envelope's chunks count others.
#[test]
fn the_rest_of_a_file_comes_bare_and_not_in_an_envelope() {
    let house = House::new(&[]);
    broken(&house, "audio/x-wav", FILE);
    let lines = push("t2", 11);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let rest = cpim(FROM_TO, "Content-Type: audio/x-wav\n", &FILE[10..]);
    assert_eq!(refused(&house, "s2", &lines, &rest), (415, "record.failed.badtype".to_owned()));
    house.server.logged(&["the rest of a file, and in a wrapper"]);
    let mut phone = Phone::recorded(&house, "s3", &[&lines[..2], &["a=file-transfer-id:t3"], &lines[3..]].concat());
    assert_eq!(phone.whole("m3", "audio/x-wav", &FILE[10..]), 200);
    phone.committed(FILE.len() - 10);
    assert_eq!(exported(&house, &house.objects()[0]), FILE);
}

// M5547-8.3.1-08
#[test]
fn octets_that_broke_off_in_an_envelope_are_not_those_that_a_range_leaves_out() {
    let house = House::new(&[]);
    broken(&house, CPIM, &memo());
    let offer = description("s2", &push("t2", 11).iter().map(String::as_str).collect::<Vec<_>>());
    let (_call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!(answer.status(), 488, "{answer:?}");
}

/// Sends one message to a `<record>` of its own and gives the answer and how the recording ended.
fn refused(house: &House, session: &str, lines: &[&str], message: &[u8]) -> (u16, String) {
    let mut phone = Phone::recorded(house, session, lines);
    let status = phone.whole("m1", CPIM, message);
    let exit = phone.call.event("msml.dialog.exit").expect("the end is told");
    (status, exit.value("record.end").to_owned())
}

// Attack S17. M3862-3.5-01 M4975-13-14 M4975-8.6-04 M4975-7.3.1-08
#[test]
fn an_envelope_hides_no_type_and_one_that_cannot_be_opened_is_refused() {
    let house = House::new(&[
        ("RESTANTE_MSRP__ACCEPT_TYPES", "audio/*"),
        ("RESTANTE_MSRP__ACCEPT_WRAPPED_TYPES", "text/plain"),
    ]);
    let inside = |kind: &str| cpim(FROM_TO, &format!("Content-Type: {kind}\n"), b"hello");
    let headers = |headers: &str| cpim(&format!("{FROM_TO}{headers}\n"), "Content-Type: audio/wav\n", b"hello");
    let nested = cpim(FROM_TO, "Content-Type: message/cpim\n", &inside("image/gif"));
    for (number, (message, status, end)) in [
        (inside("image/gif"), 415, "record.failed.badtype"),
        (inside("Multipart/Mixed; boundary=audio/wav"), 415, "record.failed.badtype"),
        (nested, 415, "record.failed.badtype"),
        (headers("Require: x.Vital"), 415, "record.failed.badtype"),
        (headers("From: <sip:mallory@example.com>"), 400, "record.failed.badtype"),
        (headers("no header"), 400, "record.failed.badtype"),
        (b"From: <sip:erin@phone.example.net>\r\n".to_vec(), 200, "record.failed.badtype"),
        (inside("AUDIO/wav; rate=8000"), 200, "record.complete"),
        (inside("Text/Plain"), 200, "record.complete"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = refused(&house, &format!("s{number}"), &["a=sendonly"], &message);
        assert_eq!(told, (status, end.to_owned()), "{}", String::from_utf8_lossy(&message));
    }
    let mut phone = Phone::recorded(&house, "bare", &["a=sendonly"]);
    assert_eq!(phone.whole("m1", "text/plain", b"hello"), 415, "only in an envelope");
    assert_eq!(phone.answer.attribute("accept-types"), "audio/* message/cpim");
    assert_eq!(phone.answer.attribute("accept-wrapped-types"), "text/plain message/imdn+xml");
    assert_eq!(house.objects().len(), 2);
    house.server.logged(&["415", "image/gif"]);
    house.server.logged(&["x.Vital"]);
    house.server.logged(&["line 3 is no header"]);
}

// Pitfall P22. M5547-8.7-05
#[test]
fn max_size_counts_the_envelope_and_the_declared_size_does_not() {
    let house = House::new(&[("RESTANTE_MSRP__MAX_SIZE", "1000")]);
    let file = vec![b'x'; 700];
    let push = |octets: &[u8]| {
        vec!["a=sendonly".to_owned(), selector("text/plain", octets), "a=file-transfer-id:t".to_owned()]
    };
    let message = |padding: usize, content: &[u8]| {
        cpim(&format!("{FROM_TO}Subject: {}\n", "s".repeat(padding)), "Content-Type: text/plain\n", content)
    };
    for (number, (declared, message, status, end)) in [
        (&file, message(50, &file), 200, "record.complete"),
        (&file, message(300, &file), 413, ""),
        (&file, message(50, &file[1..]), 200, "record.failed.sizemismatch"),
        (&file, message(50, &[&file[..], b"y"].concat()), 200, "record.failed.sizemismatch"),
        (&vec![b'y'; 700], message(50, &file), 200, "record.failed.hashmismatch"),
    ]
    .into_iter()
    .enumerate()
    {
        let lines = push(declared);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut phone = Phone::recorded(&house, &format!("s{number}"), &lines);
        assert_eq!(phone.whole("m1", CPIM, &message), status, "{number}");
        if !end.is_empty() {
            let exit = phone.call.event("msml.dialog.exit").expect("the end is told");
            assert_eq!(exit.value("record.end"), end, "{number}");
        }
    }
    assert_eq!(house.objects().len(), 1);
}

// Pitfall P22
#[test]
fn a_file_that_goes_past_its_declared_size_is_stopped_there() {
    let house = House::new(&[]);
    let mut phone =
        Phone::recorded(&house, "s1", &["a=sendonly", &selector("text/plain", b"hi"), "a=file-transfer-id:t1"]);
    let message = cpim(FROM_TO, "Content-Type: text/plain\n", b"hi");
    phone.say("m1", CPIM, "1-*/*", &message, '+');
    assert_eq!(phone.heard().status(), 200);
    phone.say("m1", CPIM, &format!("{}-*/*", message.len() + 1), b"!", '+');
    assert_eq!(phone.heard().status(), 413);
    let exit = phone.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!(exit.value("record.end"), "record.failed.sizemismatch");
}

// Attack S17: the last octets count (RFC 4975 §7.3.1), so the envelope is judged again when all of them are there.
#[test]
fn an_envelope_that_is_changed_after_it_was_judged_is_judged_again() {
    let house = House::new(&[("RESTANTE_MSRP__ACCEPT_TYPES", "audio/*")]);
    let mut phone = Phone::recorded(&house, "s1", &["a=sendonly"]);
    let [good, bad] =
        ["audio/wav", "image/png"].map(|kind| cpim(FROM_TO, &format!("Content-Type: {kind}\n"), b"hello"));
    let total = good.len();
    phone.say("m1", CPIM, &format!("1-{}/{total}", total - 1), &good[..total - 1], '+');
    assert_eq!(phone.heard().status(), 200);
    phone.say("m1", CPIM, &format!("1-{}/{total}", total - 1), &bad[..total - 1], '+');
    assert_eq!(phone.heard().status(), 200);
    phone.say("m1", CPIM, &format!("{total}-{total}/{total}"), b"o", '$');
    assert_eq!((phone.heard().status(), phone.heard().reported()), (200, 415));
    assert!(house.objects().is_empty());
}

// M4975-14.3-01 M4975-7.3.1-09
#[test]
fn signed_content_is_stored_as_it_came_bare_or_in_an_envelope() {
    let house = House::new(&[]);
    let signed = b"--b\r\nContent-Type: message/cpim\r\n\r\nFrom: <sip:erin@phone.example.net>\r\n\r\n--b--\r\n";
    let kind = "multipart/signed; boundary=b; protocol=\"application/pkcs7-signature\"";
    for (session, outer, message) in
        [("s1", kind, signed.to_vec()), ("s2", CPIM, cpim(FROM_TO, &format!("Content-Type: {kind}\n"), signed))]
    {
        let mut phone = Phone::recorded(&house, session, &["a=sendonly"]);
        assert_eq!(phone.whole("m1", outer, &message), 200);
        phone.committed(message.len());
    }
    for object in house.objects() {
        assert_eq!((object["media_type"].as_str(), exported(&house, &object)), (Some(kind), signed.to_vec()));
    }
}

// Pitfall P19
#[test]
fn a_notification_in_an_envelope_is_a_message_like_any_other() {
    let house = House::new(&[("RESTANTE_MSRP__ACCEPT_TYPES", "audio/*")]);
    let message = cpim(FROM_TO, "Content-Type: Message/IMDN+xml\n", b"<imdn/>");
    assert_eq!(refused(&house, "s1", &["a=sendonly"], &message), (200, "record.complete".to_owned()));
}
