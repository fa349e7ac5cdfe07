//! The server connects: it is the TLS client, and knows whom it wants.

use std::net::{SocketAddr, TcpListener};

use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

use super::card::{Authority, Card, sha256_line};
use super::phone::{Deposit, finish, plan, serve};
use super::wire;

/// A phone that listens, and its path with this host.
fn listener(host: &str, id: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, format!("msrps://{host}:{port}/s{id};tcp"))
}

// M4975-5.4-06 M4975-14.2-01 M8122-6.2-02 M6135-4.3-01 M6135-6-01
#[test]
fn the_server_shows_the_certificate_of_its_answer_and_asks_for_the_host_by_name() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    for (version, host, name) in [(&TLS12, "localhost", Some("localhost")), (&TLS13, "127.0.0.1", None)] {
        let card = Card::own("whoever.example.net");
        let id = format!("{:?}", version.version);
        let (listener, path) = listener(host, &id);
        let deposit = Deposit::offer(&server, &plan(&id), &path, "passive", &[&card.line()]);
        assert_eq!(deposit.answer.attribute("setup"), "active");
        let shaken = wire::accept(&listener, &card, version).expect("the server connects");
        assert_eq!(shaken.name.as_deref(), name);
        let own = sha256_line(&shaken.shown).replace("SHA", "sha");
        assert!(!shaken.shown.is_empty() && deposit.answer.body.contains(&own), "{:?}", deposit.answer);
        let mut depositor = deposit.over(shaken);
        let greeting = depositor.stream.read().expect("a greeting");
        depositor.stream.accept(&greeting).expect("octets leave");
        finish(depositor);
    }
}

// M8122-6.2-04 M8122-5.1-04 M4975-14.4-05
#[test]
fn a_listener_with_another_certificate_gets_bad_certificate_and_nothing_else() {
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let (right, wrong) = (Card::own("localhost"), Card::own("localhost"));
    for version in [&TLS12, &TLS13] {
        let id = format!("{:?}", version.version);
        let (listener, path) = listener("localhost", &id);
        let _deposit = Deposit::offer(&server, &plan(&id), &path, "passive", &[&right.line()]);
        let error = wire::accept(&listener, &wrong, version).err().expect("an alert").to_string();
        assert!(error.contains("BadCertificate"), "{error}");
    }
    server.logged(&["cannot reach the peer's MSRP address", "has not the fingerprint"]);
}

// M4975-5.4-07 M8122-6.1-01
#[test]
fn a_listener_without_a_fingerprint_needs_an_authority_and_its_name() {
    let dir = TempDir::new().expect("a directory");
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.write(dir.path());
    let server = serve(dir.path(), &[("RESTANTE_SIP__TLS__CLIENT_CA", ca.to_str().expect("a plain path"))]);
    for (id, card, why) in [
        ("good", authority.certify("localhost", 2999), None),
        ("name", authority.certify("elsewhere.example.org", 2999), Some("does not name localhost")),
        ("late", authority.certify("localhost", 2001), Some("no authority of ours vouches")),
        ("who", stranger.certify("localhost", 2999), Some("no authority of ours vouches")),
    ] {
        let (listener, path) = listener("localhost", id);
        let deposit = Deposit::offer(&server, &plan(id), &path, "passive", &[]);
        let shaken = wire::accept(&listener, &card, &TLS13);
        match why {
            None => {
                let mut depositor = deposit.over(shaken.expect("the server connects"));
                let greeting = depositor.stream.read().expect("a greeting");
                depositor.stream.accept(&greeting).expect("octets leave");
                finish(depositor);
            }
            Some(why) => {
                assert!(shaken.err().expect("an alert").to_string().contains("BadCertificate"), "{id}");
                server.logged(&["cannot reach the peer's MSRP address", why]);
            }
        }
    }
}
