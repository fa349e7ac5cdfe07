//! Boxes without any application server: files are brought by whoever calls, fetched by the owner, and by nobody else.

#[path = "unattended/owner.rs"]
mod owner;
#[path = "unattended/quota.rs"]
mod quota;
#[path = "unattended/route.rs"]
mod route;
mod support;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use restante::model::digest_auth::{Challenge, Credentials, Use};
use support::deposit::{Depositor, Plan, Promise};
use support::msrp::Stream;
use support::server::{Server, serve};
use support::sip::{Call, Message, Wire, description};
use tempfile::TempDir;

/// A server that files what comes and obeys nobody from here, with more lines in its configuration.
fn drop_box(dir: &Path, more: &str) -> Server {
    let variables = [("RESTANTE_CONTROL__UNATTENDED", "deposit"), ("RESTANTE_CONTROL__TRUSTED", "10.0.0.0/8")];
    configured(dir, &variables, more)
}

fn configured(dir: &Path, variables: &[(&str, &str)], more: &str) -> Server {
    let command = serve(dir, variables);
    let mut file = File::options().append(true).open(dir.join("restante.toml")).expect("a configuration");
    file.write_all(more.as_bytes()).expect("more of it");
    Server::launch(dir, command)
}

fn dir() -> TempDir {
    TempDir::new().expect("a directory")
}

/// Owners, as a file has them, and the setting that names it.
fn owners(dir: &Path, lines: &str) -> String {
    let file = dir.join("owners");
    std::fs::write(&file, lines).expect("a file");
    format!("[control]\nowners_file = \"{}\"\n", file.display())
}

/// Octets that are different everywhere.
fn content(octets: u32) -> Vec<u8> {
    (0..octets).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A stranger brings this file, and hears that it is stored.
fn brings(server: &Server, plan: &Plan) {
    let mut depositor = Depositor::call(server, plan, None).expect("a call");
    let refused = depositor.send(0, &mut Promise::default()).expect("octets flow");
    assert!(refused.is_none(), "{refused:?}");
    assert_eq!(depositor.stream.read().expect("a REPORT").reported(), 200);
    depositor.call.bye().expect("an answer");
}

/// Calls this URI for a file, saying more in the head.
fn asks(server: &Server, uri: &str, session: &str, selector: &str, more: Vec<String>) -> (Call, Message) {
    let (selector, id) = (format!("a=file-selector:{selector}"), format!("a=file-transfer-id:pull-{session}"));
    let offer = description(session, &["a=recvonly", &selector, &id]);
    let wire = Wire::connect(server.sip("tcp"), None).expect("a connection");
    let call = Call::begin_saying(wire, uri.to_owned(), ("application/sdp", &offer), more);
    let (mut call, answer) = call.expect("an answer");
    call.acknowledge(&answer, "").expect("a write");
    (call, answer)
}

/// The header that answers this challenge.
fn proof(challenge: &Message, uri: &str, method: &str, count: u32, (user, password): (&str, &str)) -> String {
    let challenge = Challenge::parse(challenge.header("WWW-Authenticate")).expect("a challenge");
    let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
    let use_ = Use { method, uri, cnonce: "c", count };
    format!("Authorization: {}", challenge.authorization(&credentials, &use_))
}

/// The same as somebody, who is asked to prove it.
fn asks_as(server: &Server, uri: &str, session: &str, selector: &str, account: (&str, &str)) -> (Call, Message) {
    let (_call, challenge) = asks(server, uri, session, selector, Vec::new());
    assert_eq!(challenge.status(), 401, "{challenge:?}");
    asks(server, uri, session, selector, vec![proof(&challenge, uri, "INVITE", 1, account)])
}

/// Takes the file that was agreed on.
fn takes(server: &Server, answer: &Message, session: &str) -> Vec<u8> {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let mut stream = Stream::connect(server.msrp(), None).expect("a connection");
    let greeting = stream.greet(answer.attribute("path"), &format!("msrp://127.0.0.1:9/{session};tcp"));
    assert_eq!(greeting.expect("an answer").status(), 200);
    stream.receive().expect("a file")
}
