//! Envelopes, pictures and broken transfers, each with the Python endpoint as the other end.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::deposit::Plan;
use super::support::endpoint::{WAV, endpoint};
use super::support::missing;
use super::support::server::{House, json};
use super::support::sip::{Call, HEAD, Message, Wire, description, media};

/// Ends within a chunk of either side.
const BREAK: usize = 20_000;

impl House {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn objects(&self) -> Vec<Value> {
        json(self.dir.path(), &["spool", "list", "--json"])
    }

    /// Lets the endpoint do its part in the session of this answer or offer.
    fn endpoint(&self, role: &str, description: &Message, session: &str, words: &[&str]) -> Value {
        let local = format!("msrp://127.0.0.1:9/{session};tcp");
        let path = description.attribute("path");
        let session = [role, "--path", path, "--local", &local, "--type", "application/octet-stream"];
        endpoint(self.dir.path(), &[&session, words].concat())
    }

    /// Calls with this offer and has the file recorded.
    fn recorded(&self, offer: &str, plan: &Plan) -> (Call, Message) {
        let (mut call, answer) = Call::invite(self.server.sip("tcp"), &plan.mailbox, offer).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let result = call.start(&plan.script()).expect("a result");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
        (call, answer)
    }

    /// Has the one object fetched under these lines, by an endpoint with these words.
    fn fetch(&self, types: &str, lines: &[&str], words: &[&str]) -> Value {
        let offer = description("back", lines).replace("accept-types:*", &format!("accept-types:{types}"));
        let (mut call, answer) = Call::invite(self.server.sip("tcp"), "bob", &offer).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        if !lines.iter().any(|line| line.starts_with("a=file-selector")) {
            let uri = self.objects()[0]["uri"].as_str().expect("a URI").to_owned();
            call.start(&format!("<play><audio uri=\"{uri}\"/></play>")).expect("a result");
        }
        let told = self.endpoint("receive", &answer, "back", words);
        call.bye().expect("an answer");
        told
    }
}

fn recording(id: &str) -> Plan {
    Plan::new(id, fs::read(WAV).expect("a recording"))
}

fn complete(call: &mut Call) {
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");
}

/// An offer that goes on after the break, under an id of its own.
fn rest(offer: &str) -> String {
    offer.replace("file-transfer-id:", "file-transfer-id:new") + &format!("a=file-range:{}-*\r\n", BREAK + 1)
}

#[test]
fn an_envelope_of_another_stack_is_opened_and_one_of_ours_is_opened_by_it() {
    if missing("python3") {
        return;
    }
    let (house, plan) = (House::new(&[]), recording("py1"));
    let (mut call, answer) = house.recorded(&plan.offer(), &plan);
    let words = ["--file", WAV, "--message-id", "py1", "--chunk", "5000", "--cpim", "Rückruf"];
    let told = house.endpoint("send", &answer, "spy1", &words);
    assert_eq!(told["accepted"], told["chunks"], "{told}");
    complete(&mut call);
    let object = house.objects().remove(0);
    assert_eq!(object["sha256"].as_str(), Some(&*plan.sha256()));
    let wrapper = &object["wrappers"][0];
    assert_eq!(
        (&wrapper["subject"], &wrapper["from"]["uri"]),
        (&"Rückruf".into(), &"sip:erin@phone.example.net".into())
    );

    let back = house.at("back.wav");
    let lines = ["a=accept-wrapped-types:*", "a=recvonly"];
    let told = house.fetch("message/cpim", &lines, &["--file", back.to_str().expect("a plain path")]);
    assert_eq!(told["sha256"].as_str(), Some(&*plan.sha256()), "{told}");
    let wrapped = &told["wrapped"];
    assert_eq!(wrapped["headers"]["From"], "Erin <sip:erin@phone.example.net>", "{told}");
    assert_eq!((&wrapped["headers"]["Subject"], &told["type"]), (&"Rückruf".into(), &"message/cpim".into()));
    assert_eq!(wrapped["content"]["Content-Type"], object["media_type"]);
}

#[test]
fn a_picture_beside_the_description_is_read_from_another_stack_and_by_it() {
    if missing("python3") {
        return;
    }
    let (house, plan) = (House::new(&[]), recording("py1"));
    // Text, for the wire of these tests writes none but text. The other stack makes base64 of it all the same.
    let picture = b"as good as any picture\r\n".repeat(20);
    fs::write(house.at("offer.sdp"), plan.offer()).expect("a file");
    fs::write(house.at("icon.png"), &picture).expect("a file");
    let file = |name: &str| house.at(name).to_str().expect("a plain path").to_owned();
    let dressed = endpoint(house.dir.path(), &["dress", "--file", &file("offer.sdp"), "--icon", &file("icon.png")]);
    let body = (dressed["type"].as_str().expect("a type"), dressed["body"].as_str().expect("a body"));
    let wire = Wire::connect(house.server.sip("tcp"), None).expect("a connection");
    let (mut call, answer) = Call::invite_with(wire, house.server.sip("tcp"), "bob", body).expect("a call");
    assert_eq!(answer.status(), 200, "{answer:?}");
    call.start(&plan.script()).expect("a result");
    house.endpoint("send", &answer, "spy1", &["--file", WAV, "--message-id", "py1", "--chunk", "5000"]);
    complete(&mut call);
    let object = house.objects().remove(0);
    let shown = json(house.dir.path(), &["spool", "show", object["id"].as_str().expect("an id"), "--json"]).remove(0);
    assert_eq!((&shown["icon"], &shown["icon_octets"]), (&"image/png".into(), &picture.len().into()));

    call.replies.push_back((200, format!("{HEAD}{}", media("back", &["a=recvonly"]))));
    let uri = object["uri"].as_str().expect("a URI");
    call.start(&format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>")).expect("a result");
    let offered = call.asked("INVITE").expect("an offer");
    fs::write(house.at("body"), &offered.body).expect("a file");
    let told =
        endpoint(house.dir.path(), &["undress", "--file", &file("body"), "--type", offered.header("Content-Type")]);
    assert_eq!(told["types"], serde_json::json!(["application/sdp", "image/png"]), "{told}");
    assert_eq!((&told["disposition"], &told["defects"]), (&"icon".into(), &serde_json::json!([])), "{told}");
    assert_eq!(told["picture"].as_str(), Some(&*Plan::new("icon", picture).sha256()));
    let told = house.endpoint("receive", &offered, "back", &["--file", &file("back.wav")]);
    assert_eq!(told["sha256"].as_str(), Some(&*plan.sha256()), "{told}");
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("play.end"), "play.complete");
}

// Pitfall P11: both ways of going on
#[test]
fn a_file_that_another_stack_broke_off_is_brought_to_its_end_in_the_same_message_or_as_a_range() {
    if missing("python3") {
        return;
    }
    let until = BREAK.to_string();
    for (id, again, word) in [("same", false, "--begin"), ("range", true, "--rest")] {
        let (house, plan) = (House::new(&[]), recording(id));
        let session = format!("s{id}");
        let words = ["--file", WAV, "--message-id", id, "--chunk", "3000"];
        let (mut broken, answer) = house.recorded(&plan.offer(), &plan);
        house.endpoint("send", &answer, &session, &[&words[..], &["--until", &until]].concat());
        let end = broken.event("msml.dialog.exit").expect("the end is told");
        assert_eq!(end.value("record.end"), "record.failed.disconnected", "{end:?}");
        let offer = if again { rest(&plan.offer()) } else { plan.offer() };
        let (mut call, answer) = house.recorded(&offer, &plan);
        house.endpoint("send", &answer, &session, &[&words[..], &[word, &until]].concat());
        complete(&mut call);
        let object = house.objects().remove(0);
        assert_eq!(object["sha256"].as_str(), Some(&*plan.sha256()), "{object}");
    }
}

#[test]
fn another_stack_that_has_the_beginning_of_a_file_pulls_the_rest() {
    if missing("python3") {
        return;
    }
    let (house, plan) = (House::new(&[]), recording("py1"));
    let (mut call, answer) = house.recorded(&plan.offer(), &plan);
    house.endpoint("send", &answer, "spy1", &["--file", WAV, "--message-id", "py1", "--chunk", "5000"]);
    complete(&mut call);
    let back = house.at("back.wav");
    fs::write(&back, &plan.content[..BREAK]).expect("a file");
    let (back, range) = (back.to_str().expect("a plain path"), format!("a=file-range:{}-*", BREAK + 1));
    let lines = ["a=recvonly", "a=file-selector:name:\"py1.bin\"", "a=file-transfer-id:pull1", &range];
    let told = house.fetch("*", &lines, &["--file", back, "--rest", &BREAK.to_string()]);
    assert_eq!(told["declared"].as_u64(), Some((plan.content.len() - BREAK) as u64), "{told}");
    assert!(fs::read(back).expect("a file") == plan.content, "the whole file is there");
}
