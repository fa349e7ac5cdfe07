//! The scripts of `docs/scripts`, each run as it stands there.

#[path = "support/s3.rs"]
mod s3;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use s3::S3;
use support::phone::Phone;
use support::server::{House, json, run};
use support::sip::Message as Sip;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scripts")
}

fn scripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the scripts").map(|entry| entry.expect("an entry").path());
    let mut scripts: Vec<PathBuf> = entries.collect();
    scripts.sort();
    scripts
}

/// Runs a script on the phone's connection, in the way of `restante msml --conn`.
fn perform(phone: &mut Phone, script: &str) {
    let script = fs::read_to_string(folder().join(script)).expect("a script");
    let document = script.replace("{conn}", &format!("conn:{}", phone.call.conn()));
    let answer = phone.call.msml(&document).expect("an answer");
    assert!(answer.body.contains("response=\"200\""), "{answer:?}");
}

/// Puts something into the spool under this name.
fn keep(house: &House, uri: &str, media_type: &str, content: &[u8]) {
    let mut phone = Phone::speaking(house, "keep");
    phone.start(&format!(
        "<record dest=\"{uri}\" format=\"{media_type}\" maxtime=\"60s\"/><exit namelist=\"record.end\"/>"
    ));
    phone.send("kept", media_type, content);
    assert_eq!(phone.end().value("record.end"), "record.complete");
    phone.call.bye().expect("an answer");
}

fn is_complete(exit: &Sip, beginning: &str) {
    assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
    assert!(exit.value("record.recordid").starts_with(beginning), "{exit:?}");
}

#[test]
fn every_script_is_good_msml_and_stands_in_the_manual() {
    let manual = fs::read_to_string(folder().join("../msml.md")).expect("the manual");
    for script in scripts() {
        let name = script.file_name().expect("a file").to_string_lossy().into_owned();
        let path = script.to_str().expect("a path");
        let output = run(Path::new("."), &["msml", path, "--check", "--strict"]);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(manual.contains(&format!("(scripts/{name})")), "docs/msml.md does not lead to {name}");
    }
}

#[test]
fn a_voice_message_is_taken() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "voice-mail-deposit.xml");
    phone.send("m1", "audio/wav", b"hello Bob");
    assert_eq!(phone.call.event("recorded").expect("an event").value("record.end"), "record.complete");
    let exit = phone.end();
    is_complete(&exit, "spool:/bob/");
    assert_eq!(exit.value("ft.size"), "9");
}

#[test]
fn a_voice_message_is_brought() {
    let house = House::new(&[]);
    keep(&house, "spool:/bob/monday", "audio/wav", b"hello Bob");
    let mut phone = Phone::listening(&house, "s1");
    perform(&mut phone, "voice-mail-retrieval.xml");
    assert_eq!(phone.stream.receive().expect("the message"), b"hello Bob");
    assert_eq!(phone.call.event("played").expect("an event").value("play.end"), "play.complete");
    assert_eq!(phone.end().value("ft.result"), "ft.success");
}

#[test]
fn a_video_message_goes_to_the_box_for_videos() {
    let house = House::new(&[]);
    for (media_type, place) in [("video/mp4", "spool:/bob-video/"), ("audio/wav", "spool:/bob-voice/")] {
        let mut phone = Phone::speaking(&house, "s1");
        perform(&mut phone, "video-mail.xml");
        phone.send("m1", media_type, b"moving");
        let exit = phone.end();
        is_complete(&exit, place);
        assert_eq!(exit.value("ft.type"), media_type);
    }
}

#[test]
fn after_the_greeting_comes_the_message() {
    let house = House::new(&[]);
    keep(&house, "spool:/files/greeting.wav", "audio/wav", b"please leave a message");
    let mut phone = Phone::call(&house, "s1", &["a=sendrecv"]);
    perform(&mut phone, "menu.xml");
    assert_eq!(phone.stream.receive().expect("the greeting"), b"please leave a message");
    assert_eq!(phone.call.event("greeted").expect("an event").value("play.end"), "play.complete");
    phone.send("m1", "audio/wav", b"hello Bob");
    assert_eq!(phone.call.event("done").expect("an event").value("record.end"), "record.complete");
    is_complete(&phone.end(), "spool:/bob/");
}

#[test]
fn a_script_lies_in_the_spool() {
    let house = House::new(&[]);
    let stored = "<?xml version=\"1.0\"?><moml version=\"1.0\"><record dest=\"spool:/bob/\" format=\"audio/wav\" \
                  maxtime=\"60s\"/><exit namelist=\"record.end record.recordid\"/></moml>";
    keep(&house, "spool:/scripts/deposit", "application/moml+xml", stored.as_bytes());
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "script-by-url.xml");
    phone.send("m1", "audio/wav", b"hello Bob");
    is_complete(&phone.end(), "spool:/bob/");
}

#[test]
fn an_archive_is_complete_when_the_bucket_has_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let mut variables = s3.variables();
    variables.push(("RESTANTE_SPOOL__URL".to_owned(), "s3://bucket/archive".to_owned()));
    variables.push(("RESTANTE_SPOOL__REPORT".to_owned(), "bucket".to_owned()));
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let house = House::new(&borrowed);
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "archive.xml");
    phone.send("m1", "application/octet-stream", b"for ever");
    is_complete(&phone.end(), "spool:/archive/");
    assert!(s3.seen("PUT", "") > 0, "the body is in the bucket");
    assert!(json(house.dir.path(), &["spool", "list", "--json"]).is_empty(), "and not on the disk");
}

#[test]
fn a_large_file_goes_on_where_its_line_broke() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "resume.xml");
    let (tid, first) = phone.message("m1", 10).frame(0, b"hello", b'+');
    phone.stream.write(&first).expect("a write");
    assert_eq!(phone.answer(&tid).status(), 200);
    phone.call.event("ft.start").expect("an event");
    drop(phone);
    let mut phone = Phone::speaking(&house, "s2");
    perform(&mut phone, "resume.xml");
    // RFC 4975 §5.4: the same Message-ID, from the octet on that is missing.
    let (tid, rest) = phone.message("m1", 10).frame(5, b" Bob!", b'$');
    phone.stream.write(&rest).expect("a write");
    assert_eq!(phone.answer(&tid).status(), 200);
    let exit = phone.end();
    assert_eq!((exit.value("ft.result"), exit.value("ft.size")), ("ft.success", "10"), "{exit:?}");
}

#[test]
fn several_files_are_brought_and_told_of_and_the_last_is_deleted() {
    let house = House::new(&[]);
    keep(&house, "spool:/files/greeting.wav", "audio/wav", b"here is your message");
    keep(&house, "spool:/bob/monday", "audio/wav", b"hello Bob");
    let mut phone = Phone::listening(&house, "s1");
    perform(&mut phone, "several.xml");
    for content in [&b"here is your message"[..], b"hello Bob"] {
        assert_eq!(phone.stream.receive().expect("a file"), content);
        assert_eq!(phone.call.event("ft.object").expect("an event").value("ft.result"), "ft.success");
    }
    let exit = phone.end();
    assert_eq!((exit.value("ft.result"), exit.value("ft.objects")), ("ft.success", "2"), "{exit:?}");
    assert!(json(house.dir.path(), &["spool", "list", "--json", "--box", "bob"]).is_empty());
}

#[test]
fn a_message_is_forwarded_by_a_job_when_the_application_server_has_called() {
    let house = House::new(&[]);
    keep(&house, "spool:/bob/monday", "audio/wav", b"hello Bob");
    let mut control = Phone::speaking(&house, "control");
    perform(&mut control, "forward.xml");
    let queued = control.call.event("ft.queued").expect("an event");
    let due = control.call.event("ft.due").expect("an event");
    assert_eq!((due.value("ft.uri"), due.value("ft.attempts")), ("spool:/bob/monday", "1"));
    assert_eq!(due.value("ft.job"), queued.value("ft.job"));
    let mut bob = Phone::listening(&house, "bob");
    let bind = format!(
        "<msml version=\"1.1\"><send event=\"ft.bind\" target=\"conn:{}/dialog:forward\" valuelist=\"conn:{}\"/></msml>",
        control.call.conn(),
        bob.call.conn()
    );
    let answer = control.call.msml(&bind).expect("an answer");
    assert!(answer.body.contains("response=\"200\""), "{answer:?}");
    assert_eq!(bob.stream.receive().expect("the message"), b"hello Bob");
    assert_eq!(control.call.event("ft.object").expect("an event").value("ft.name"), "monday.wav");
    let exit = control.end();
    assert_eq!((exit.value("ft.result"), exit.value("ft.attempts")), ("ft.success", "1"));
}

#[test]
fn a_notice_lies_in_three_boxes() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "broadcast.xml");
    phone.send("m1", "audio/wav", b"we are closed");
    let exit = phone.end();
    let complete = ["transfer.bob.end", "transfer.carol.end"].map(|name| exit.value(name));
    assert_eq!(complete, ["transfer.complete"; 2], "{exit:?}");
    for mailbox in ["ann", "bob", "carol"] {
        assert_eq!(json(house.dir.path(), &["spool", "list", "--json", "--box", mailbox]).len(), 1, "{mailbox}");
    }
}

#[test]
fn a_script_of_the_commercial_server_runs_as_it_is() {
    let house = House::new(&[]);
    let mut phone = Phone::speaking(&house, "s1");
    perform(&mut phone, "migration.xml");
    phone.send("m1", "audio/wav", b"hello Bob");
    for objid in ["message", "copy"] {
        let moved = phone.call.event("moved").expect("an event");
        assert_eq!((moved.value("transfer.objid"), moved.value("ft.size")), (objid, "9"));
    }
    assert_eq!(phone.call.event("all").expect("an event").value("transfer.end"), "transfer.complete");
    assert_eq!(phone.end().value("ft.objects"), "2");
}
