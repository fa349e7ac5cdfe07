//! SIGHUP: another certificate, under running transfers and under calls that have not connected yet.

use std::fs;
use std::path::Path;

use rustls::version::TLS13;
use tempfile::TempDir;

use super::card::{Card, sha256_line};
use super::phone::{Deposit, call, description, finish, plan, serve};
use super::support::deposit::Promise;
use super::support::eventually;
use super::support::server::Server;
use super::wire;

/// The certificate that a handshake shows now.
fn shown(server: &Server) -> Vec<u8> {
    wire::connect(server.msrp_by("tls"), Some(&Card::own("phone.example.net")), &TLS13).expect("a connection").shown
}

/// The answer to a fresh offer.
fn told(server: &Server) -> String {
    let line = Card::own("phone.example.net").line();
    call(server, &description("msrps://127.0.0.1:9/s1;tcp", &["a=setup:active", &line])).1.body
}

fn has(answer: &str, card: &Card) -> bool {
    answer.contains(&sha256_line(&card.certificate).replace("SHA", "sha"))
}

fn started(dir: &Path, card: &Card) -> Server {
    let (cert, key) = card.write(dir);
    let (cert, key) = (cert.to_str().expect("a plain path"), key.to_str().expect("a plain path"));
    let variables =
        [("RESTANTE_SIP__TLS__CERT", cert), ("RESTANTE_SIP__TLS__KEY", key), ("RESTANTE_SIP__ANSWER_TIMEOUT", "8s")];
    serve(dir, &variables)
}

// M8122-5.1-01
#[test]
fn a_new_certificate_is_shown_when_nobody_can_expect_the_old_one_any_more() {
    let dir = TempDir::new().expect("a directory");
    let (old, new) = (Card::own("old.example.org"), Card::own("new.example.org"));
    let server = started(dir.path(), &old);
    let card = Card::own("phone.example.net");
    assert_eq!(shown(&server), old.certificate.to_vec());
    let running = Deposit::active(&server, &plan("running"), &[&card.line()]);
    let mut running = running.try_with(&server, Some(&card), &TLS13).expect("a connection");
    let (tid, frame) = running.message.chunk(0, &running.plan.content[..8192]);
    running.stream.write(&frame).expect("octets leave");
    assert_eq!(running.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
    let waiting = Deposit::active(&server, &plan("waiting"), &[&card.line()]);
    assert!(has(&waiting.answer.body, &old) && !has(&waiting.answer.body, &new));

    new.write(dir.path());
    server.hang_up();
    server.logged(&["SIGHUP", "were read again"]);
    let both = eventually("both fingerprints", || Some(told(&server)).filter(|answer| has(answer, &new)));
    assert!(has(&both, &old), "until the new one is shown the old one counts: {both}");
    let shaken = wire::connect(server.msrp_by("tls"), Some(&card), &TLS13).expect("a connection");
    assert_eq!(shaken.shown, old.certificate.to_vec(), "whom the old one was promised to is shown it");
    finish(waiting.over(shaken));

    eventually("the new certificate", || (shown(&server) == new.certificate.to_vec()).then_some(()));
    eventually("the new fingerprint alone", || Some(told(&server)).filter(|answer| !has(answer, &old)));
    let again = description(&running.message.from, &["a=sendonly", "a=setup:active", &card.line()]);
    let refreshed = running.call.request("INVITE", "application/sdp", &again).expect("an answer");
    running.call.acknowledge(&refreshed, "").expect("octets leave");
    assert!(has(&refreshed.body, &old) && !has(&refreshed.body, &new), "a connection goes on under what it began with");
    let mut promise = Promise::default();
    let rest = running.send(8192, &mut promise).expect("the server answers");
    assert!(rest.is_none(), "{rest:?}");
    running.finish(&mut promise).expect("a report and an exit");
    assert!(promise.complete, "the transfer went on through the change");
}

#[test]
fn a_file_that_is_no_certificate_changes_nothing_and_is_named() {
    let dir = TempDir::new().expect("a directory");
    let old = Card::own("old.example.org");
    let server = started(dir.path(), &old);
    for (name, content) in [("cert.pem", "no certificate"), ("key.pem", "no key")] {
        let good = fs::read(dir.path().join(name)).expect("a file");
        fs::write(dir.path().join(name), content).expect("a file");
        server.hang_up();
        server.logged(&["the certificate in use stays", name]);
        fs::write(dir.path().join(name), good).expect("a file");
    }
    assert_eq!(shown(&server), old.certificate.to_vec());
    assert!(has(&told(&server), &old));
}

#[test]
fn a_certificate_without_its_key_is_no_start() {
    let dir = TempDir::new().expect("a directory");
    let (cert, _) = Card::own("one.example.org").write(dir.path());
    let cert = fs::rename(cert, dir.path().join("one.pem")).map(|()| dir.path().join("one.pem")).expect("a file");
    let (_, key) = Card::own("another.example.org").write(dir.path());
    let mut command = super::support::server::serve(dir.path(), &[]);
    command.env("RESTANTE_MSRP__TLS__CERT", &cert).env("RESTANTE_MSRP__TLS__KEY", &key);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("key.pem") && said.contains("not the certificate's key"), "{said}");
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}
