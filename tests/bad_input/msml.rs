//! MSML that is wrong, and MSML from those who may not send any.

use super::House;
use super::support::deposit::{Depositor, Plan, Promise};
use super::support::sip::{Call, dialogstart};

/// A document with `{conn}` in it, the response code, and words of the description.
const FAULTS: [(&str, &str, &[&str]); 8] = [
    ("Please record this.", "400", &["line 1"]),
    ("<msml version=\"1.1\"><dialogstart></msml>", "400", &["line 1, column"]),
    (
        "<msml version=\"1.1\">\n<dialogstart target=\"conn:{conn}\">\n<dance/>\n</dialogstart></msml>",
        "401",
        &["line 3", "dance"],
    ),
    (
        "<msml version=\"1.1\"><dialogstart target=\"conn:{conn}\"><record/></dialogstart></msml>",
        "408",
        &["record", "dest"],
    ),
    (
        "<msml version=\"1.1\"><dialogstart target=\"conn:{conn}\"><record dest=\"/etc/passwd\" maxtime=\"9s\"/></dialogstart></msml>",
        "410",
        &["dest", "/etc/passwd"],
    ),
    (
        "<msml version=\"1.1\"><dialogstart target=\"conn:nobody\"><record dest=\"spool:/bob/\" maxtime=\"9s\"/></dialogstart></msml>",
        "430",
        &["nobody"],
    ),
    ("<msml version=\"1.1\"><dialogend id=\"conn:{conn}/dialog:none\"/></msml>", "430", &["none"]),
    ("<msml version=\"1.1\"><createconference name=\"c\"/></msml>", "402", &["createconference"]),
];

#[test]
fn every_fault_of_a_document_is_answered_with_its_code_and_named() {
    let house = House::new(&[]);
    let mut depositor = Depositor::call(&house.server, &Plan::new("m1", b"octets".to_vec()), None).expect("a call");
    let call = &mut depositor.call;
    for (document, code, words) in FAULTS {
        let result = call.msml(&document.replace("{conn}", call.conn())).expect("an answer");
        assert_eq!(result.status(), 200, "a fault of MSML is no fault of SIP: {result:?}");
        assert_eq!(result.header("Content-Type"), "application/msml+xml");
        assert!(result.body.contains(&format!("<result response=\"{code}\"")), "{document}: {}", result.body);
        let description = result.body.split_once("<description>").map_or("", |(_, rest)| rest);
        for word in words {
            assert!(description.contains(word), "{document}: {word} is not in {}", result.body);
        }
    }
    // None of them has spoiled the call: its file can still be recorded.
    let script = Plan::new("m1", Vec::new()).script();
    assert!(call.start(&script).expect("an answer").body.contains("response=\"200\""));
    let mut promise = Promise::default();
    assert!(depositor.send(0, &mut promise).expect("octets flow").is_none());
    depositor.finish(&mut promise).expect("the end is told");
    assert!(promise.complete);
    house.ends_well();
}

#[test]
fn a_body_that_is_no_msml_is_refused_with_the_types_that_are() {
    let house = House::new(&[]);
    let (mut call, _) = Call::invite(house.server.sip("tcp"), "control", "").expect("a control dialog");
    let answer = call.request("INFO", "text/plain", "hello").expect("an answer");
    assert_eq!(answer.status(), 415);
    assert!(answer.header("Accept").contains("application/msml+xml"), "{answer:?}");
    house.ends_well();
}

#[test]
fn msml_from_an_address_that_is_not_trusted_is_forbidden() {
    let variables = [("RESTANTE_CONTROL__TRUSTED", "192.0.2.0/24"), ("RESTANTE_CONTROL__UNATTENDED", "deposit")];
    let house = House::new(&variables);
    let plan = Plan::new("m1", vec![7; 5000]);
    let mut depositor = Depositor::call(&house.server, &plan, None).expect("a call");
    let script = dialogstart(depositor.call.conn(), &plan.script());
    let answer = depositor.call.msml(&script).expect("an answer");
    assert_eq!(answer.status(), 403, "{answer:?}");
    assert!(answer.start.contains("MSML"), "the reason names the fault: {}", answer.start);
    house.server.logged(&["control.trusted", "127.0.0.1"]);
    // Files without MSML are still taken.
    assert!(depositor.send(0, &mut Promise::default()).expect("octets flow").is_none());
    house.server.logged(&["committed", "m1"]);
}
