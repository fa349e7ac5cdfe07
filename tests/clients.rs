//! Server and clients as they are started: separate processes that find each other by what they print.

mod support {
    pub(crate) mod process;
}

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::process::{Running, json_lines, run, run_in, stderr};
use tempfile::TempDir;

/// A photo, and what it is called.
const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/photo.jpg");
const MESSAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/message.wav");

/// A server on free ports, with its spool in `dir`.
fn serve(dir: &Path, more: &[&str]) -> Running {
    let any = ["--sip", "udp:127.0.0.1:0", "--sip", "tcp:127.0.0.1:0", "--msrp", "tcp:127.0.0.1:0"];
    let mut arguments = vec!["serve", "--json", "--http", "127.0.0.1:0", "--spool", "spool"];
    arguments.extend(any.iter().chain(more));
    Running::start(dir, &arguments, &[("RESTANTE_LOG__FORMAT", "json")])
}

/// The server's SIP URI for `udp` or `tcp`, out of its first line.
fn address(listening: &Value, transport: &str) -> String {
    let all = listening["sip"].as_array().expect("addresses");
    let found = all.iter().find_map(|address| address.as_str()?.strip_prefix(&format!("{transport}:")));
    let parameter = if transport == "tcp" { ";transport=tcp" } else { "" };
    format!("sip:{}{parameter}", found.expect("an address"))
}

#[test]
fn what_is_deposited_by_one_process_is_retrieved_by_another_octet_for_octet() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let listening = server.json();
    for transport in ["udp", "tcp"] {
        let uri = address(&listening, transport);
        let deposited = run(dir.path(), &["deposit", PHOTO, MESSAGE, "--box", "böx 1", "--json", "--server", &uri]);
        assert_eq!(deposited.status.code(), Some(0), "{}", stderr(&deposited));
        let stored = json_lines(&deposited);
        for (object, original) in stored.iter().zip([PHOTO, MESSAGE]) {
            let name = object["uri"].as_str().expect("a URI");
            assert!(name.starts_with("spool:/b%C3%B6x%201/") && object["verified"] == true, "{object}");
            let fetched = run(dir.path(), &["retrieve", name, "-o", "back", "--force", "--json", "--server", &uri]);
            assert_eq!(fetched.status.code(), Some(0), "{}", stderr(&fetched));
            assert_eq!(fs::read(dir.path().join("back")).expect("a file"), fs::read(original).expect("the original"));
            assert_eq!(json_lines(&fetched)[0]["sha256"], object["sha256"]);
        }
        assert_eq!(stored.len(), 2);
    }
    let left: Vec<_> = fs::read_dir(dir.path()).expect("the directory").filter_map(Result::ok).collect();
    let names = left.iter().map(|entry| entry.file_name()).filter(|name| name != "spool" && name != "back").count();
    assert_eq!(names, 0, "scratch directories are left: {left:?}");
}

#[test]
fn a_retrieved_file_takes_its_own_name_and_overwrites_nothing() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let uri = address(&server.json(), "udp");
    let deposited = run(dir.path(), &["deposit", MESSAGE, "--box", "bob", "--quiet", "--server", &uri]);
    let name = String::from_utf8(deposited.stdout).expect("UTF-8").trim().to_owned();
    let retrieve = || run(dir.path(), &["retrieve", &name, "--quiet", "--server", &uri]);
    let first = retrieve();
    assert_eq!((first.status.code(), first.stdout.as_slice()), (Some(0), &b"message.wav\n"[..]), "{}", stderr(&first));
    fs::write(dir.path().join("message.wav"), "mine").expect("another file");
    let second = retrieve();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("message.wav exists") && stderr(&second).contains("--force"),
        "{}",
        stderr(&second)
    );
    assert_eq!(fs::read(dir.path().join("message.wav")).expect("a file"), b"mine");
}

#[test]
fn one_file_that_cannot_be_deposited_does_not_keep_the_others_back() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let uri = address(&server.json(), "udp");
    let output = run(dir.path(), &["deposit", "nowhere.txt", PHOTO, "--box", "bob", "--json", "--server", &uri]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json_lines(&output).len(), 1);
    assert!(stderr(&output).contains("nowhere.txt") && stderr(&output).contains("1 of 2 files"), "{}", stderr(&output));
    let none = run(dir.path(), &["retrieve", "spool:/bob/none", "--server", &uri]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("the server has no spool:/bob/none"), "{}", stderr(&none));
}

#[test]
fn an_application_server_of_its_own_records_the_call_of_somebody_else() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let uri = address(&server.json(), "udp");
    // Given a caller whose file waits, because nobody has asked for it,
    let caller = Running::start(
        dir.path(),
        &["deposit", PHOTO, "--box", "bob", "--unattended", "--json", "--server", &uri],
        &[],
    );
    let conn = server.logged(|line| Some(line["conn"].as_str()?.to_owned()));
    // when another process sends MSML that records it,
    let document = "<msml version=\"1.1\">\n<dialogstart target=\"{conn}\" type=\"application/moml+xml\" name=\"r\">\
        <record dest=\"spool:/bob/photo\" format=\"image/jpeg\" maxtime=\"60s\"/>\
        <exit namelist=\"record.end record.recordid\"/></dialogstart></msml>";
    fs::write(dir.path().join("record.xml"), document).expect("a document");
    let output = run(dir.path(), &["msml", "record.xml", "--conn", &conn, "--json", "--server", &uri]);
    // then it hears of the result and both events, and the caller of its delivery.
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = json_lines(&output);
    assert_eq!(lines[0]["result"], 200, "{lines:?}");
    assert_eq!(lines[0]["dialogids"][0], format!("conn:{conn}/dialog:r"));
    assert_eq!((&lines[1]["event"], &lines[2]["event"]), (&"moml.exit".into(), &"msml.dialog.exit".into()));
    assert_eq!(lines[1]["values"]["record.end"], "record.complete");
    assert_eq!(lines[1]["values"]["record.recordid"], "spool:/bob/photo");
    assert_eq!(caller.end(), Some(0));
    // And when it is sent again, the connection is gone and the result says so.
    let again = run(dir.path(), &["msml", "record.xml", "--conn", &conn, "--server", &uri]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("430"), "{}", stderr(&again));
}

#[test]
fn a_document_is_checked_without_a_server_and_each_fault_has_its_place() {
    let dir = TempDir::new().expect("a directory");
    fs::write(
        dir.path().join("bad.xml"),
        "<msml version=\"1.1\">\n  <dialogstart target=\"{conn}\"/>\n  <nothing/>\n</msml>",
    )
    .expect("a document");
    fs::write(dir.path().join("good.xml"), "<msml version=\"1.1\"><dialogend id=\"conn:a/dialog:b\"/></msml>")
        .expect("a document");
    let bad = run(dir.path(), &["msml", "bad.xml", "--check"]);
    assert_eq!(bad.status.code(), Some(1));
    let told = String::from_utf8(bad.stdout).expect("UTF-8");
    assert!(told.contains("bad.xml:3:3: 401"), "{told}");
    assert_eq!(run(dir.path(), &["msml", "good.xml", "--check"]).status.code(), Some(0));
    let unnamed = run(dir.path(), &["msml", "bad.xml"]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(stderr(&unnamed).contains("--conn"), "{}", stderr(&unnamed));
}

#[test]
fn a_phone_puts_what_it_is_sent_into_its_directory_and_overwrites_nothing() {
    let dir = TempDir::new().expect("a directory");
    let phone = ["answer", "--listen", "udp:127.0.0.1:0", "--dir", "calls", "--count", "2", "--json"];
    let mut phone = Running::start(dir.path(), &phone, &[]);
    let uri = address(&phone.json(), "udp");
    let deposit = ["deposit", PHOTO, PHOTO, "--box", "bob", "--unattended", "--json", "--server", &uri];
    let sent = run(dir.path(), &deposit);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let taken = [phone.json(), phone.json()];
    assert_eq!(taken.each_ref().map(|line| &line["file"]), ["calls/photo.jpg", "calls/photo (2).jpg"]);
    for line in &taken {
        let file = dir.path().join(line["file"].as_str().expect("a path"));
        assert_eq!(fs::read(file).expect("a file"), fs::read(PHOTO).expect("the photo"));
        assert_eq!(line["sha256"], json_lines(&sent)[0]["sha256"]);
    }
    assert_eq!(phone.end(), Some(0));
}

#[test]
fn the_demonstration_ends_well_and_leaves_nothing_behind() {
    let dir = TempDir::new().expect("a directory");
    let output = run_in(dir.path(), &["demo", "--octets", "300000", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = json_lines(&output);
    let rows: Vec<_> = lines.iter().filter(|line| line["verdict"] == "same").map(|line| &line["file"]).collect();
    assert_eq!(rows, ["photo.jpg", "message.wav", "noise.bin"]);
    let documents = lines.iter().filter_map(|line| line["msml"].as_str());
    assert_eq!(documents.filter(|document| document.contains("msml.dialog.exit")).count(), 6);
    assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
}

#[test]
fn the_demonstration_goes_over_tls_too() {
    let dir = TempDir::new().expect("a directory");
    let output = run_in(dir.path(), &["demo", "--tls", "--octets", "300000", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(json_lines(&output).iter().filter(|line| line["verdict"] == "same").count(), 3);
}

#[test]
fn a_demonstration_that_is_interrupted_leaves_nothing_behind() {
    let dir = TempDir::new().expect("a directory");
    let temporary = dir.path().to_str().expect("UTF-8");
    let mut demo = Running::start(dir.path(), &["demo", "--json"], &[("TMPDIR", temporary)]);
    demo.json();
    demo.terminate();
    assert_eq!(demo.end(), Some(1));
    assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
}

#[test]
fn a_bit_that_is_turned_over_on_the_way_in_is_noticed_and_nothing_is_stored() {
    let dir = TempDir::new().expect("a directory");
    let output = run_in(dir.path(), &["demo", "--damage"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("hashmismatch"), "{}", stderr(&output));
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(told.contains("ft.hashmismatch") && told.contains("Objects in spool:/bob/: 0"), "{told}");
    assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
}

#[test]
fn without_a_server_every_client_says_at_once_how_to_get_one() {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("doc.xml"), "<msml version=\"1.1\"/>").expect("a document");
    // Port 1 is reserved (tcpmux), and nobody runs that any more.
    for server in ["sip:127.0.0.1:1", "sip:127.0.0.1:1;transport=tcp"] {
        for command in [&["deposit", PHOTO, "--box", "bob"][..], &["retrieve", "spool:/bob/x"], &["msml", "doc.xml"]] {
            let output = run(dir.path(), &[command, &["--server", server]].concat());
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            assert!(stderr(&output).contains("restante serve"), "{command:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn what_is_typed_wrong_is_a_matter_of_usage() {
    let dir = TempDir::new().expect("a directory");
    for command in [
        &["deposit", PHOTO][..],
        &["deposit", PHOTO, "--box", "a/b"],
        &["deposit", PHOTO, "--box", "bob", "--chunk", "0"],
        &["deposit", PHOTO, "--box", "bob", "--server", "tel:+123"],
        &["retrieve", "spool:/bob/"],
        &["answer", "--dir", "d"],
        &["demo", "--octets", "many"],
        &["serve", "--sip", "127.0.0.1:5060"],
    ] {
        assert_eq!(run(dir.path(), command).status.code(), Some(2), "{command:?}");
    }
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_is_under_way_and_takes_nothing_new() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let uri = address(&server.json(), "udp");
    let file = dir.path().join("long");
    fs::write(&file, vec![0x5a; 48 << 20]).expect("a long file");
    let caller = Running::start(dir.path(), &["deposit", "long", "--box", "bob", "--json", "--server", &uri], &[]);
    server.logged(|line| (line["message"] == "receiving").then_some(()));
    server.terminate();
    server.logged(|line| line["message"].as_str()?.starts_with("draining").then_some(()));
    let late = run(dir.path(), &["deposit", PHOTO, "--box", "bob", "--server", &uri]);
    assert_eq!(late.status.code(), Some(1), "a draining server takes no new call");
    assert_eq!(caller.end(), Some(0), "the transfer under way ends well");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_server_that_cannot_start_names_the_setting_and_the_way_out() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &[]);
    let listening = server.json();
    let taken = format!("udp:{}", address(&listening, "udp").trim_start_matches("sip:"));
    let any = ["--msrp", "tcp:127.0.0.1:0", "--http", "127.0.0.1:0"];
    let start =
        |spool: &str, sip: &str| run(dir.path(), &[&["serve", "--spool", spool, "--sip", sip], &any[..]].concat());
    let address = start("other", &taken);
    assert_eq!(address.status.code(), Some(1));
    assert!(stderr(&address).contains(&taken) && stderr(&address).contains("--sip"), "{}", stderr(&address));
    let spool = start("spool", "udp:127.0.0.1:0");
    assert_eq!(spool.status.code(), Some(1));
    assert!(stderr(&spool).contains("another process") && stderr(&spool).contains("--spool"), "{}", stderr(&spool));
}

#[test]
fn over_tls_it_is_the_same_and_without_a_listener_for_it_an_error_that_says_so() {
    let dir = TempDir::new().expect("a directory");
    let mut server = serve(dir.path(), &["--msrp", "tls:127.0.0.1:0"]);
    let uri = address(&server.json(), "udp");
    let deposited = run(dir.path(), &["deposit", PHOTO, "--box", "bob", "--tls", "--json", "--server", &uri]);
    assert_eq!(deposited.status.code(), Some(0), "{}", stderr(&deposited));
    let name = json_lines(&deposited)[0]["uri"].as_str().expect("a URI").to_owned();
    let fetched = run(dir.path(), &["retrieve", &name, "-o", "back", "--tls", "--json", "--server", &uri]);
    assert_eq!(fetched.status.code(), Some(0), "{}", stderr(&fetched));
    assert_eq!(fs::read(dir.path().join("back")).expect("a file"), fs::read(PHOTO).expect("the original"));

    let phone = TempDir::new().expect("a directory");
    let arguments = ["answer", "--listen", "udp:127.0.0.1:0", "--dir", "in", "--tls", "--count", "1", "--json"];
    let mut answering = Running::start(phone.path(), &arguments, &[]);
    let uri = address(&answering.json(), "udp");
    let push = |tls: &[&str]| {
        run(dir.path(), &[&["deposit", PHOTO, "--box", "x", "--unattended", "--server", &uri], tls].concat())
    };
    let plain = push(&[]);
    assert_eq!(plain.status.code(), Some(1));
    assert!(stderr(&plain).contains("488"), "{}", stderr(&plain));
    assert_eq!(push(&["--tls"]).status.code(), Some(0));
    assert_eq!(answering.end(), Some(0));
    assert_eq!(fs::read(phone.path().join("in/photo.jpg")).expect("a file"), fs::read(PHOTO).expect("the original"));
}
