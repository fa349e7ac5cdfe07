//! Who reads a box without an application server.

use super::support::deposit::Plan;
use super::support::eventually;
use super::support::server::{Server, json};
use super::{TempDir, asks, asks_as, brings, configured, content, dir, drop_box, owners, proof, takes};

const BOB: (&str, &str) = ("bob", "open sesame");

fn uri(server: &Server, user: &str) -> String {
    format!("sip:{user}@{}", server.sip("tcp"))
}

/// How many objects of bob's are marked so.
fn marked(place: &TempDir, mark: &str) -> usize {
    json(place.path(), &["spool", "list", "--json", "--box", "bob", "--state", mark]).len()
}

// M5547-10-05
#[test]
fn a_box_is_read_by_who_proves_to_own_it_and_by_nobody_else_and_what_was_fetched_is_marked_as_seen() {
    let place = dir();
    let server = drop_box(place.path(), &owners(place.path(), "# of boxes\nbob:open sesame\ncarol:secret\n"));
    let plan = Plan::new("m1", content(20_000));
    brings(&server, &plan);
    let bob = uri(&server, "bob");
    for (account, status) in [(("carol", "secret"), 403), (("bob", "guessed"), 401), (("eve", "secret"), 401)] {
        assert_eq!(asks_as(&server, &bob, "p1", "size:20000", account).1.status(), status, "{account:?}");
    }
    // Whether there is such a file, or such a box, nobody else can tell.
    for (mailbox, selector) in [("bob", "size:7"), ("nobody", "size:20000")] {
        let (_call, answer) = asks_as(&server, &uri(&server, mailbox), "p1", selector, ("carol", "secret"));
        assert_eq!(answer.status(), 403, "{mailbox} {selector}");
    }
    assert_eq!((marked(&place, "new"), marked(&place, "seen")), (1, 0));
    let (mut call, answer) = asks_as(&server, &bob, "p2", "size:20000", BOB);
    assert_eq!(takes(&server, &answer, "p2"), plan.content);
    eventually("the mark", || (marked(&place, "seen") == 1).then_some(()));
    call.bye().expect("an answer");
    assert_eq!(asks_as(&server, &bob, "p3", "size:7", BOB).1.status(), 488, "there is no such file");
}

// S13
#[test]
fn an_owner_commands_nothing() {
    let place = dir();
    let server = drop_box(place.path(), &owners(place.path(), "bob:open sesame\n"));
    brings(&server, &Plan::new("m1", content(700)));
    let bob = uri(&server, "bob");
    let (_call, challenge) = asks(&server, &bob, "p1", "size:700", Vec::new());
    let (mut call, answer) = asks(&server, &bob, "p1", "size:700", vec![proof(&challenge, &bob, "INVITE", 1, BOB)]);
    let contact = answer.header("Contact").split(['<', '>']).nth(1).expect("a URI").to_owned();
    call.more = vec![proof(&challenge, &contact, "INFO", 2, BOB)];
    let refused = call.msml("<msml version=\"1.1\"><audit queryid=\"q\" statelist=\"audit.conn\"/></msml>");
    assert_eq!(refused.expect("an answer").status(), 403);
}

// RFC 4458 section 2
#[test]
fn a_call_that_a_service_takes_for_somebody_is_for_his_box() {
    let place = dir();
    let server = drop_box(place.path(), &owners(place.path(), "bob:open sesame\n"));
    let uri = format!("sip:mail@{};target=sip:bob%40example.org;cause=486", server.sip("tcp"));
    let plan = Plan::new("m1", content(700));
    let (call, answer) = {
        let wire = super::Wire::connect(server.sip("tcp"), None).expect("a connection");
        super::Call::begin_with(wire, uri.clone(), ("application/sdp", &plan.offer())).expect("an answer")
    };
    assert_eq!(answer.status(), 200, "{answer:?}");
    let mut depositor = super::Depositor {
        call,
        stream: super::Stream::connect(server.msrp(), None).expect("a connection"),
        message: super::support::msrp::Message {
            to: answer.attribute("path").to_owned(),
            from: "msrp://127.0.0.1:9/sm1;tcp".to_owned(),
            id: "m1".to_owned(),
            total: 700,
        },
        plan: plan.clone(),
    };
    depositor.call.acknowledge(&answer, "").expect("a write");
    assert!(depositor.send(0, &mut super::Promise::default()).expect("octets flow").is_none());
    assert_eq!(depositor.stream.read().expect("a REPORT").reported(), 200);
    assert_eq!(marked(&place, "new"), 1);
    let (_call, answer) = asks_as(&server, &uri, "p1", "size:700", BOB);
    assert_eq!(takes(&server, &answer, "p1"), plan.content);
}

// RFC 3325 section 9.1
#[test]
fn an_identity_that_a_trusted_peer_asserts_reads_its_own_box_if_it_is_of_a_domain_of_ours() {
    let place = dir();
    let deposit = [("RESTANTE_CONTROL__UNATTENDED", "deposit")];
    let server = configured(place.path(), &deposit, "[control]\nowner_domains = [\"example.org\"]\n");
    let plan = Plan::new("m1", content(700));
    brings(&server, &plan);
    let bob = uri(&server, "bob");
    let asserted = |identity: &str| vec![format!("P-Asserted-Identity: <{identity}>")];
    for (identity, status) in [
        ("sip:carol@example.org", 403),
        ("sip:bob@example.net", 403),
        ("sip:bob@example.org", 200),
        ("sips:b%6Fb@EXAMPLE.org:5061", 200),
        ("tel:+15551234>, <sip:bob@example.org", 200),
        ("tel:+15551234", 403),
        ("", 403),
    ] {
        assert_eq!(asks(&server, &bob, "p1", "size:700", asserted(identity)).1.status(), status, "{identity}");
    }
    let (_call, answer) = asks(&server, &bob, "p2", "size:700", asserted("sip:bob@example.org"));
    assert_eq!(takes(&server, &answer, "p2"), plan.content);
    let unknown = asks(&server, &bob, "p3", "size:700", Vec::new()).1.status();
    assert_eq!(unknown, 403, "a proxy of ours brings whoever calls, also whom it knows nothing of");
}

#[test]
fn who_commands_us_and_speaks_for_nobody_reads_everything_and_marks_nothing() {
    let place = dir();
    let server = configured(place.path(), &[("RESTANTE_CONTROL__UNATTENDED", "deposit")], "");
    brings(&server, &Plan::new("m1", content(700)));
    assert_eq!(asks(&server, &uri(&server, "bob"), "p1", "size:700", Vec::new()).1.status(), 200);
    assert_eq!((marked(&place, "new"), marked(&place, "seen")), (1, 0));
}

#[test]
fn a_name_is_that_of_an_owner_or_of_who_commands_but_not_of_both() {
    let place = dir();
    std::fs::write(place.path().join("users"), "bob:1\n").expect("a file");
    std::fs::write(place.path().join("owners"), "bob:2\n").expect("a file");
    let files = [("RESTANTE_CONTROL__USERS_FILE", "users"), ("RESTANTE_CONTROL__OWNERS_FILE", "owners")];
    let mut command = super::serve(place.path(), &files);
    let output = command.output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("control.owners_file has bob"), "{told}");
}
