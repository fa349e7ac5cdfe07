//! `<play>` and `<record>` against the real process, as application server and phone see them: what each attribute, each
//! event and each end of theirs comes to on the wire.

mod support;

use std::time::Instant;

use support::deposit::{Depositor, Plan, Promise, deposit_works};
use support::phone::Phone;
use support::server::{House, json};
use support::sip::{Call, HEAD, Message as Sip, description};

const RECORD_END: &str = "<exit namelist=\"record.end record.len record.recordid ft.result\"/>";
const PLAY_END: &str = "<exit namelist=\"play.end play.amt ft.result\"/>";

fn record(attributes: &str) -> String {
    format!("<record dest=\"spool:/bob/\" format=\"application/octet-stream\" {attributes}/>{RECORD_END}")
}

fn play(uri: &str, attributes: &str) -> String {
    format!("<play {attributes}><audio uri=\"{uri}\" format=\"application/octet-stream\"/></play>{PLAY_END}")
}

fn plan(octets: usize) -> Plan {
    Plan::new("m1", (0..octets).map(|n| (n % 251) as u8).collect())
}

/// A house with one object of [`plan`] in it, and its URI.
fn stocked() -> (House, String) {
    let house = House::new(&[]);
    let uri = deposit_works(&house.server, "m0").uri;
    (house, uri)
}

fn is_failure(exit: &Sip, code: &str, end: (&str, &str)) {
    assert_eq!((exit.value("dialog.exit.status"), exit.value(end.0)), (code, end.1), "{exit:?}");
    assert!(!exit.value("dialog.exit.description").is_empty(), "{exit:?}");
}

// PL-3 PL-10
#[test]
fn a_suspended_play_sends_nothing_before_it_is_told_to_generate() {
    let (house, uri) = stocked();
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&play(&uri, "initial=\"suspend\""));
    // What is answered after the play has been started shows that nothing came in between.
    let pong = phone.stream.greet(&phone.to, &phone.from).expect("an answer");
    assert_eq!(pong.status(), 200, "{pong:?}");
    phone.tell("generate", "play");
    assert_eq!(phone.stream.receive().expect("the file").len(), 20_000);
    assert_eq!(phone.end().value("play.end"), "play.complete");
}

// PL-10 PL-12 PL-13 PL-14
#[test]
fn a_play_is_over_when_the_peer_has_reported_and_not_before() {
    let (house, uri) = stocked();
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&format!(
        "<play id=\"p\"><audio uri=\"{uri}\"/><playexit><send target=\"source\" event=\"played\" \
         namelist=\"play.end\"/></playexit></play>{PLAY_END}"
    ));
    let mut octets = 0;
    let last = loop {
        let chunk = phone.chunk();
        octets += chunk.body.len();
        phone.stream.accept(&chunk).expect("a write");
        if octets == 20_000 {
            break chunk;
        }
    };
    let audit = format!(
        "<msml version=\"1.1\"><audit queryid=\"conn:{}\" statelist=\"audit.conn.dialog.primitive\"/></msml>",
        phone.call.conn()
    );
    let busy = phone.call.msml(&audit).expect("an answer");
    assert!(busy.body.contains("<primitive>play</primitive>"), "it still runs: {busy:?}");
    phone.stream.report(&last, octets).expect("a write");
    assert_eq!(phone.call.event("played").expect("an event").value("play.end"), "play.complete");
    let exit = phone.end();
    assert_eq!((exit.value("play.end"), exit.value("ft.result")), ("play.complete", "ft.success"));
    exit.value("play.amt").parse::<u64>().expect("bare milliseconds");
}

// PL-11
#[test]
fn a_play_that_is_terminated_aborts_its_message() {
    let house = House::new(&[("RESTANTE_MSRP__CHUNK", "2KiB")]);
    let mut promise = Promise::default();
    let mut depositor = Depositor::connect(&house.server, &plan(4_000_000)).expect("a call");
    assert!(depositor.send(0, &mut promise).expect("answers").is_none());
    depositor.finish(&mut promise).expect("an end");
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&play(&promise.uri, ""));
    let first = phone.chunk();
    phone.tell("terminate", "play");
    phone.stream.accept(&first).expect("a write");
    // RFC 4975 §7.1.1: the flag of a message that does not go on.
    let mut octets = first.body.len();
    while phone.chunk_is_not_the_last(&mut octets) {}
    assert!(octets < 4_000_000, "it stopped on the way");
    assert_eq!(phone.end().value("play.end"), "terminate");
}

// PL-4
#[test]
fn a_play_that_takes_longer_than_it_may_is_broken_off() {
    let (house, uri) = stocked();
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&play(&uri, "maxtime=\"300ms\""));
    let chunk = phone.chunk(); // and never an answer
    assert!(!chunk.body.is_empty());
    let exit = phone.end();
    assert_eq!((exit.value("play.end"), exit.value("ft.result")), ("play.complete.maxtime", "ft.timeout.max"));
}

// PL-7 PL-8 PL-9
#[test]
fn files_go_one_after_the_other_each_with_its_type_and_one_that_is_missing_is_430() {
    let (house, uri) = stocked();
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&format!(
        "<play><audio uri=\"{uri}\" format=\"audio/wav;codecs=1\"/><video uri=\"{uri}\" format=\"video/mp4\"/></play>{PLAY_END}"
    ));
    for media_type in ["audio/wav", "video/mp4"] {
        let chunk = phone.chunk();
        assert!(chunk.header("Content-Type").starts_with(media_type), "{chunk:?}");
        phone.stream.accept(&chunk).expect("a write");
        phone.stream.report(&chunk, chunk.body.len()).expect("a write");
        assert_eq!(chunk.body.len(), 20_000);
    }
    assert_eq!(phone.end().value("play.end"), "play.complete");
    phone.start(&play("spool:/bob/nothing", ""));
    is_failure(&phone.end(), "430", ("play.end", "play.failed.notfound"));
}

// PL-8 RC-1
#[test]
fn a_file_that_is_there_and_cannot_be_opened_is_434() {
    let (house, uri) = stocked();
    let id = json(house.dir.path(), &["spool", "list", "--json"])[0]["id"].as_str().expect("an id").to_owned();
    let body = walk(&house.dir.path().join("spool/data"), &id);
    std::fs::remove_file(body).expect("the body goes");
    let mut phone = Phone::listening(&house, "s1");
    phone.start(&play(&uri, ""));
    is_failure(&phone.end(), "434", ("play.end", "play.failed.storage"));
}

fn walk(dir: &std::path::Path, id: &str) -> std::path::PathBuf {
    let found = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut found = found.map(|path| path.join(id)).filter(|path| path.exists());
    found.next().expect("the body of the object")
}

// PL-15
#[test]
fn a_peer_that_does_not_take_the_type_is_450_and_one_that_only_speaks_is_451() {
    let (house, uri) = stocked();
    let texts = description("s1", &["a=recvonly"]).replace("accept-types:*", "accept-types:text/plain");
    let mut phone = Phone::offering(&house, "s1", &texts);
    phone.start(&play(&uri, ""));
    is_failure(&phone.end(), "450", ("play.end", "play.failed.badtype"));
    let mut phone = Phone::speaking(&house, "s2");
    phone.call.replies.push_back((488, String::new()));
    phone.start(&play(&uri, ""));
    is_failure(&phone.end(), "451", ("play.end", "play.failed.nostream"));
}

// RE-5 RE-7 RE-11
#[test]
fn a_suspended_record_reads_nothing_and_its_prespeech_does_not_run() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    phone.start(&record("maxtime=\"60s\" initial=\"suspend\" prespeech=\"200ms\""));
    let message = phone.message("m1", 5);
    let (tid, frame) = message.chunk(0, b"hello");
    phone.stream.write(&frame).expect("a write");
    phone.tell("resume", "record");
    assert_eq!(phone.answer(&tid).status(), 200);
    assert_eq!(phone.end().value("record.end"), "record.complete");
}

// RE-7 RE-17
#[test]
fn a_record_of_which_nothing_comes_ends_with_prespeech() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    let began = Instant::now();
    phone.start(&record("maxtime=\"60s\" prespeech=\"300ms\""));
    let exit = phone.end();
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.prespeech", "ft.timeout.first"));
    assert!(began.elapsed().as_millis() >= 300);
}

// RE-8 RE-17
#[test]
fn a_record_whose_sender_pauses_too_long_ends_with_postspeech_and_what_came_is_kept() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    phone.start(&record("maxtime=\"60s\" postspeech=\"300ms\""));
    let (tid, frame) = phone.message("m1", 10).frame(0, b"hello", b'+');
    phone.stream.write(&frame).expect("a write");
    assert_eq!(phone.answer(&tid).status(), 200);
    let exit = phone.end();
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.postspeech", "ft.timeout.idle"));
    assert_eq!(json(house.dir.path(), &["spool", "stages", "--json"]).len(), 1, "for a resume");
}

// RE-6 RE-12 RE-13
#[test]
fn a_record_that_is_terminated_keeps_what_has_come_and_one_that_is_cancelled_does_not() {
    for (event, stages) in [("terminate", 1), ("terminate.cancelled", 0)] {
        let house = House::new(&[]);
        let mut phone = Phone::speaking(&house, "s1");
        phone.start(&record("maxtime=\"60s\""));
        let (tid, frame) = phone.message("m1", 10).frame(0, b"hello", b'+');
        phone.stream.write(&frame).expect("a write");
        assert_eq!(phone.answer(&tid).status(), 200);
        phone.tell(event, "record");
        let exit = phone.end();
        assert_eq!((exit.value("record.end"), exit.value("ft.result")), (event, "ft.aborted.local"));
        assert_eq!(json(house.dir.path(), &["spool", "stages", "--json"]).len(), stages, "{event}");
    }
}

// RE-6 RE-17
#[test]
fn a_record_that_takes_longer_than_maxtime_ends_with_maxlength() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    phone.start(&record("maxtime=\"300ms\""));
    let (tid, frame) = phone.message("m1", 10).frame(0, b"hello", b'+');
    phone.stream.write(&frame).expect("a write");
    assert_eq!(phone.answer(&tid).status(), 200);
    let exit = phone.end();
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.complete.maxlength", "ft.timeout.max"));
}

// RE-2 RE-16 RE-17 RE-18 OT-1
#[test]
fn a_record_in_a_group_with_digits_that_never_come_is_done_when_the_file_is() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    phone.start(&format!(
        "<group topology=\"parallel\"><record audiodest=\"spool:/voices/\" dest=\"spool:/others/\" \
         format=\"audio/wav\" maxtime=\"60s\" beep=\"true\"><recordexit><send target=\"source\" event=\"recorded\" \
         namelist=\"record.end\"/></recordexit></record>\
         <collect><pattern digits=\"#\"><send target=\"record\" event=\"terminate.termkey\"/></pattern></collect>\
         </group>{RECORD_END}"
    ));
    let frame = phone.message("m1", 5).chunk(0, b"hello").1;
    let frame = String::from_utf8(frame).expect("text").replace("application/octet-stream", "audio/wav");
    phone.stream.write(frame.as_bytes()).expect("a write");
    assert_eq!(phone.call.event("recorded").expect("an event").value("record.end"), "record.complete");
    let exit = phone.end();
    exit.value("record.len").parse::<u64>().expect("bare milliseconds");
    assert!(exit.value("record.recordid").starts_with("spool:/voices/"), "{exit:?}");
}

// F-3 SIP-3
#[test]
fn every_name_of_ours_serves_as_the_address_of_a_control_dialog() {
    let house = House::new(&[]);
    for user in ["msml", "control", "ivr"] {
        let (mut call, answer) = Call::invite(house.server.sip("tcp"), user, HEAD).expect("a call");
        assert_eq!((answer.status(), answer.body.contains("m=")), (200, false), "{answer:?}");
        let result = call.msml("<msml version=\"1.1\"><audit queryid=\"conn:*\"/></msml>").expect("an answer");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
    }
}
