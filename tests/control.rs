//! Who may command, over real sockets: by certificate or as a user, wherever they are; and whom the server believes.

mod support;

#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/card.rs"]
mod card;
#[path = "control/users.rs"]
mod users;
#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/wire.rs"]
mod wire;

use std::path::Path;

use card::{Authority, Card};
use rustls::version::{TLS12, TLS13};
use support::eventually;
use support::msrp::{Message as File, Stream};
use support::server::{Server, json};
use support::sip::{Call, Message, Wire, description, dialogstart};
use tempfile::TempDir;

/// The application server that the operator has named.
const AS: &str = "as.example.net";

/// A server that trusts no network, and over TLS whom an authority calls by that name.
fn serve(dir: &Path, authority: &Authority, variables: &[(&str, &str)]) -> Server {
    let text = |path: std::path::PathBuf| path.to_str().expect("a plain path").to_owned();
    let (cert, key) = authority.certify("store.example.net", 2100).write(dir);
    let (cert, key, ca) = (text(cert), text(key), text(authority.write(dir)));
    let mut all = vec![
        ("RESTANTE_SIP__LISTEN", "tls:127.0.0.1:0,tcp:127.0.0.1:0"),
        ("RESTANTE_SIP__TLS__CERT", &*cert),
        ("RESTANTE_SIP__TLS__KEY", &*key),
        ("RESTANTE_SIP__TLS__CLIENT_CA", &*ca),
        ("RESTANTE_SIP__ANSWER_TIMEOUT", "1s"),
        ("RESTANTE_CONTROL__TRUSTED", ""),
        ("RESTANTE_CONTROL__CERTIFIED", AS),
    ];
    all.extend(variables);
    Server::start(dir, &all)
}

/// SIP over TLS with this certificate, and the one that the server has shown.
fn secure(server: &Server, card: Option<&Card>, version: &'static rustls::SupportedProtocolVersion) -> (Wire, Vec<u8>) {
    let (tcp, tls) = wire::shake(server.sip("tls"), card, version).expect("a handshake");
    let shown = tls.conn.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
    (Wire::over(tcp, tls), shown)
}

/// A call that would send a file.
fn call(wire: Wire, server: &Server, session: &str) -> (Call, Message) {
    let (call, answer) =
        Call::invite_on(wire, server.sip("tcp"), "bob", &description(session, &["a=sendonly"])).expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    (call, answer)
}

fn plain(server: &Server) -> Wire {
    Wire::connect(server.sip("tcp"), None).expect("a connection")
}

const RECORD: &str = "<record dest=\"spool:/bob/\"/>";

#[test]
fn an_application_server_commands_by_its_certificate_and_who_has_another_or_none_does_not() {
    let (dir, authority) = (TempDir::new().expect("a directory"), Authority::new());
    let server = serve(dir.path(), &authority, &[]);
    let (right, other) = (authority.certify(AS, 2100), authority.certify("phone.example.net", 2100));
    let (outdated, foreign) = (authority.certify(AS, 2001), Authority::new().certify(AS, 2100));
    for version in [&TLS12, &TLS13] {
        for (card, status) in [
            (Some(&right), 200),
            (Some(&other), 403),
            (Some(&outdated), 403),
            (Some(&foreign), 403),
            (Some(&Card::own(AS)), 403),
            (None, 403),
        ] {
            let (mut call, _) = call(secure(&server, card, version).0, &server, "s1");
            let answer = call.start(RECORD).expect("an answer");
            assert_eq!(answer.status(), status, "{answer:?}");
            assert_eq!(answer.body.contains("response=\"200\""), status == 200, "{answer:?}");
        }
    }
    assert_eq!(call(plain(&server), &server, "s1").0.start(RECORD).expect("an answer").status(), 403);
    server.logged(&["MSML from outside control.trusted"]);
}

/// Sends five octets to where an answer wants them.
fn deposit(server: &Server, answer: &Message, session: &str) {
    let to = answer.attribute("path").to_owned();
    let file = File { to, from: format!("msrp://127.0.0.1:9/{session};tcp"), id: format!("m{session}"), total: 5 };
    let mut stream = Stream::connect(server.msrp(), None).expect("a connection");
    stream.write(&file.chunk(0, b"hello").1).expect("a connection");
    assert_eq!(stream.read().expect("an answer").status(), 200);
}

// RFC 3325 §5: whose word counts is the operator's to say, and a phone's does not.
#[test]
fn an_asserted_identity_is_believed_of_whom_is_trusted_and_of_nobody_else() {
    let (dir, authority) = (TempDir::new().expect("a directory"), Authority::new());
    let server = serve(dir.path(), &authority, &[]);
    let card = authority.certify(AS, 2100);
    let asserts = "P-Asserted-Identity: \"The Boss\" <sip:boss@example.net>";
    let (mut control, _) = call(secure(&server, Some(&card), &TLS13).0, &server, "c1");
    let mut senders = Vec::new();
    for (session, wire) in [("s1", plain(&server)), ("s2", secure(&server, Some(&card), &TLS13).0)] {
        let (uri, offer) = (format!("sip:bob@{}", server.sip("tcp")), description(session, &["a=sendonly"]));
        let (mut phone, answer) =
            Call::begin_saying(wire, uri, ("application/sdp", &offer), vec![asserts.to_owned()]).expect("an answer");
        phone.acknowledge(&answer, "").expect("a connection");
        assert_eq!(control.msml(&dialogstart(phone.conn(), RECORD)).expect("an answer").status(), 200);
        deposit(&server, &answer, session);
        let objects = eventually("the object", || {
            let objects = json(dir.path(), &["spool", "list", "--json", "--box", "bob"]);
            (objects.len() == senders.len() + 1).then_some(objects)
        });
        let newest = objects.iter().map(|object| object["id"].as_str().expect("an id")).max().expect("an object");
        let shown = json(dir.path(), &["spool", "show", newest, "--json"]);
        senders.push(shown[0]["from"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(senders, ["sip:alice@phone.example.net", "sip:boss@example.net"]);
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_calls_go_on_under_the_old_one() {
    let (dir, authority) = (TempDir::new().expect("a directory"), Authority::new());
    let server = serve(dir.path(), &authority, &[]);
    let card = authority.certify(AS, 2100);
    let (wire, old) = secure(&server, Some(&card), &TLS13);
    let (mut running, answer) = call(wire, &server, "s1");
    assert_eq!(running.start(&format!("{RECORD}<exit namelist=\"record.end\"/>")).expect("an answer").status(), 200);

    let new = authority.certify("store.example.net", 2101);
    new.write(dir.path());
    server.hang_up();
    server.logged(&["SIGHUP", "were read again"]);
    eventually("the new certificate", || (secure(&server, None, &TLS13).1 == new.certificate.to_vec()).then_some(()));
    assert_ne!(old, new.certificate.to_vec());

    // The call is as it was: the file comes in, its end is told on the old connection, and more may be asked for there.
    deposit(&server, &answer, "s1");
    assert_eq!(running.event("msml.dialog.exit").expect("the end").value("record.end"), "record.complete");
    assert_eq!(running.msml("<msml version=\"1.1\"><audit queryid=\"1\"/></msml>").expect("an answer").status(), 200);
    assert_eq!(running.bye().expect("an answer").status(), 200);
    let (mut next, _) = call(secure(&server, Some(&card), &TLS13).0, &server, "s2");
    assert_eq!(next.start(RECORD).expect("an answer").status(), 200);
}
