//! The Python endpoint over its own TLS, so that not the same code is on both ends.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::card::Card;
use super::phone::{call, description, serve};
use super::support::endpoint::WAV;
use super::support::missing;
use super::support::server::Server;

const LOCAL: &str = "msrps://127.0.0.1:9/pyendpoint;tcp";

/// Runs it to its end and gives what it has to tell.
fn endpoint(dir: &TempDir, card: &Card, answer: &super::support::sip::Message, words: &[&str]) -> Value {
    let (cert, key) = card.write(dir.path());
    let (cert, key) = (cert.to_str().expect("a plain path"), key.to_str().expect("a plain path"));
    let peer = answer.attribute("fingerprint").trim_start_matches("sha-256 ");
    let tls = ["--tls-peer", peer, "--tls-cert", cert, "--tls-key", key];
    let session = ["--path", answer.attribute("path"), "--local", LOCAL];
    super::support::endpoint::endpoint(dir.path(), &[words, &session, &tls].concat())
}

/// A deposit of the recording; gives the object's URI.
fn push(server: &Server, dir: &TempDir, card: &Card) -> String {
    let offer = description(LOCAL, &["a=sendonly", "a=setup:active", &card.line()]);
    let (mut call, answer) = call(server, &offer);
    let record = "<record dest=\"spool:/bob/\" format=\"audio/x-wav\" maxtime=\"60s\"/>\
        <exit namelist=\"record.end record.recordid\"/>";
    call.start(record).expect("a result");
    let told = endpoint(dir, card, &answer, &["send", "--file", WAV, "--message-id", "py1", "--chunk", "5000"]);
    assert_eq!(told["accepted"], told["chunks"], "{told}");
    let exit = call.event("msml.dialog.exit").expect("an exit");
    assert_eq!(exit.value("record.end"), "record.complete");
    exit.value("record.recordid").to_owned()
}

#[test]
fn a_recording_goes_in_and_comes_back_over_the_tls_of_another_stack() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let card = Card::own("phone.example.net");
    let uri = push(&server, &dir, &card);
    let offer = description(LOCAL, &["a=recvonly", "a=setup:active", &card.line()]);
    let (mut call, answer) = call(&server, &offer);
    call.start(&format!("<play><audio uri=\"{uri}\"/></play>")).expect("a result");
    let back = dir.path().join("back.wav");
    let told = endpoint(&dir, &card, &answer, &["receive", "--file", back.to_str().expect("a plain path")]);
    assert!(told["hello"].as_str().is_some_and(|hello| hello.starts_with("200")), "{told}");
    assert_eq!(fs::read(back).expect("a file"), fs::read(WAV).expect("the recording"));
}
