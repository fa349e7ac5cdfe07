//! The dialog service: an INVITE for `sip:dialog@HOST;moml=cid:ID` brings its script in its body (RFC 5707 §9.4).

use super::support::msrp::{Message as File, Stream};
use super::support::server::House;
use super::support::sip::{Call, Message, Wire, description};

/// What its events are known by.
const ID: &str = "mail";

fn moml(steps: &str) -> String {
    format!("<?xml version=\"1.0\"?><moml version=\"1.0\" id=\"{ID}\">{steps}</moml>")
}

/// A body of parts: type, Content-ID if it has one, and content.
fn multipart(parts: &[(&str, Option<&str>, &str)]) -> String {
    let part = |(kind, id, content): &(&str, Option<&str>, &str)| {
        let id = id.map_or(String::new(), |id| format!("Content-Id: <{id}>\r\n"));
        format!("--b7\r\nContent-Type: {kind}\r\n{id}\r\n{content}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--b7--\r\n"
}

/// Calls the service by these parameters, and leaves the answer unacknowledged.
fn call(house: &House, parameters: &str, body: &str) -> (Call, Message) {
    let server = house.server.sip("tcp");
    let wire = Wire::connect(server, None).expect("a connection");
    let kind = "multipart/mixed;boundary=b7";
    Call::begin_with(wire, format!("sip:dialog@{server}{parameters}"), (kind, body)).expect("an answer")
}

/// An offer and this script, from the call to its ACK.
fn serve(house: &House, offer: &str, script: &str) -> (Call, Message) {
    let parts = [("application/sdp", None, offer), ("application/moml+xml", Some("14@as.example.net"), script)];
    let (mut call, answer) = call(house, ";moml=cid:14@as.example.net", &multipart(&parts));
    assert_eq!(answer.status(), 200, "{answer:?}");
    call.acknowledge(&answer, "").expect("a connection");
    (call, answer)
}

// SIP-13
// M5707-3.1-01
#[test]
fn a_script_that_comes_with_its_invite_records_the_file_that_is_offered_with_it() {
    let house = House::new(&[]);
    let script = moml("<record dest=\"spool:/bob/\"/><exit namelist=\"record.end record.recordid\"/>");
    let (mut call, answer) = serve(&house, &description("s1", &["a=sendonly"]), &script);
    let file = File {
        to: answer.attribute("path").to_owned(),
        from: "msrp://127.0.0.1:9/s1;tcp".to_owned(),
        id: "m1".to_owned(),
        total: 5,
    };
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    stream.write(&file.chunk(0, b"hello").1).expect("a connection");
    assert_eq!(stream.read().expect("an answer").status(), 200);
    let exit = call.event("moml.exit").expect("the exit is told");
    assert_eq!(exit.value("record.end"), "record.complete");
    assert!(exit.value("record.recordid").starts_with("spool:/bob/"), "{exit:?}");
    assert!(exit.body.contains(&format!("id=\"conn:{}/dialog:{ID}\"", call.conn())), "{exit:?}");
    // More is said of a dialog only if a request has begun it: the next such event is of that one.
    call.start("<exit/>").expect("an answer");
    let gone = call.event("msml.dialog.exit").expect("the end is told");
    assert!(gone.body.contains("/dialog:d\""), "{gone:?}");
}

// SIP-7, SIP-13, DC-11
#[test]
fn a_disconnect_of_such_a_script_says_its_last_words_in_the_bye() {
    let house = House::new(&[]);
    let steps = "<send target=\"source\" event=\"begun\"/><disconnect namelist=\"record.end\"/>";
    let (mut call, _) = serve(&house, &description("s1", &["a=sendrecv"]), &moml(steps));
    assert!(call.next_request().expect("a request").is_event("begun"));
    let bye = call.next_request().expect("a request");
    assert!(bye.start.starts_with("BYE ") && bye.body.contains("moml.disconnect"), "{bye:?}");
    assert_eq!(bye.value("record.end"), "undefined");
}

// SIP-14
#[test]
fn what_is_wrong_with_such_a_script_is_told_as_an_error_with_status_and_description() {
    let house = House::new(&[]);
    let error = |script: &str| {
        let (mut call, _) = serve(&house, &description("s1", &["a=sendrecv"]), script);
        let error = call.next_request().expect("a request");
        assert!(error.is_event("moml.error") && error.body.contains(call.conn()), "{error:?}");
        error
    };
    let invalid = error(&moml("<record dest=\"http://example.org/\"/>"));
    assert_eq!(invalid.value("moml.error.status"), "410");
    assert!(invalid.value("moml.error.description").contains("line 1, column"), "{invalid:?}");
    assert_eq!(error("no XML").value("moml.error.status"), "400");
    let failed = error(&moml("<play><audio uri=\"spool:/bob/none\"/></play>"));
    assert_eq!((failed.value("moml.error.status"), failed.value("play.end")), ("430", "play.failed.notfound"));
}

// SIP-11, SIP-13
#[test]
fn an_invite_with_a_script_and_no_offer_gets_ours_and_its_script_runs_when_that_is_answered() {
    let house = House::new(&[]);
    let script = moml("<exit namelist=\"record.end\"/>");
    let body = multipart(&[("application/vnd.radisys.moml+xml", Some("a%b"), &script)]);
    let (mut call, offer) = call(&house, ";MOML=CID:a%25b", &body);
    assert!(offer.body.contains("m=message "), "{offer:?}");
    call.acknowledge(&offer, &description("s1", &["a=sendrecv"])).expect("a connection");
    assert_eq!(call.event("moml.exit").expect("the exit is told").value("record.end"), "undefined");
}

// SIP-13
#[test]
fn the_dialog_service_without_a_script_in_its_body_is_refused() {
    let house = House::new(&[]);
    let (offer, script) = (description("s1", &["a=sendrecv"]), moml("<exit/>"));
    let sdp = ("application/sdp", None, offer.as_str());
    let scripted = multipart(&[sdp, ("application/moml+xml", Some("1"), &script)]);
    let voice = multipart(&[sdp, ("application/voicexml+xml", Some("1"), "<vxml/>")]);
    for (parameters, body, status) in [
        ("", &scripted, 488),
        (";voicexml=http://example.org/a.vxml", &scripted, 488),
        (";moml=http://example.org/a.moml", &scripted, 488),
        (";moml=cid:1", &voice, 488),
        (";moml=cid:2", &scripted, 400),
        (";moml=cid:1", &multipart(&[sdp]), 400),
    ] {
        let (mut call, answer) = call(&house, parameters, body);
        assert_eq!(answer.status(), status, "{parameters}: {answer:?}");
        assert!(!answer.header("Warning").is_empty(), "it says why: {answer:?}");
        call.acknowledge(&answer, "").expect("a connection");
    }
    let stranger = House::new(&[("RESTANTE_CONTROL__TRUSTED", "192.0.2.0/24")]);
    assert_eq!(call(&stranger, ";moml=cid:1", &scripted).1.status(), 403);
}
