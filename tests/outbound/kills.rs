//! Two servers and a proxy between them, one of the two killed at any moment: whatever was to be handed on arrives, once by
//! its id, and octet for octet.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::card::Authority;
use super::support::http::{self, Visit, ask};
use super::support::server::Server;
use super::support::{Chance, eventually, missing, rounds, seed};
use super::{Proxy, dir};

/// Objects of one round.
const OBJECTS: u64 = 3;

/// The end comes within so many microseconds: about as long as it takes to hand them on.
const MOMENT_MICROS: u64 = 250_000;

/// A server that can be started again as it was.
struct Side {
    place: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Side {
    fn start(&self) -> Server {
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Server::start(self.place.path(), &variables)
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

fn receiver(authority: &Authority, port: u16) -> Side {
    let place = dir();
    let (cert, key) = authority.certify("127.0.0.1", 2100).write(place.path());
    let variables = vec![
        ("RESTANTE_SIP__LISTEN", format!("tls:127.0.0.1:{port}")),
        ("RESTANTE_SIP__TLS__CERT", text(&cert)),
        ("RESTANTE_SIP__TLS__KEY", text(&key)),
        ("RESTANTE_CONTROL__UNATTENDED", "deposit".to_owned()),
    ];
    Side { place, variables }
}

fn sender(authority: &Authority, proxy: u16) -> Side {
    let place = dir();
    let password: PathBuf = place.path().join("password");
    std::fs::write(&password, "open sesame").expect("a file");
    let variables = vec![
        ("RESTANTE_SIP__LISTEN", "tls:127.0.0.1:0".to_owned()),
        ("RESTANTE_SIP__TLS__CLIENT_CA", text(&authority.write(place.path()))),
        ("RESTANTE_SIP__OUTBOUND__PROXY", format!("sip:localhost:{proxy};transport=tls")),
        ("RESTANTE_SIP__OUTBOUND__USER", "store".to_owned()),
        ("RESTANTE_SIP__OUTBOUND__PASSWORD_FILE", text(&password)),
        ("RESTANTE_SIP__ANSWER_TIMEOUT", "2s".to_owned()),
        ("RESTANTE_QUEUE__BACKOFF_MIN", "50ms".to_owned()),
        ("RESTANTE_QUEUE__BACKOFF_MAX", "200ms".to_owned()),
    ];
    Side { place, variables }
}

fn content(round: u64, number: u64) -> Vec<u8> {
    (0..400_000u64).map(|at| ((at * 31 + round * 7 + number) % 251) as u8).collect()
}

fn sha256(octets: &[u8]) -> String {
    <sha2::Sha256 as sha2::Digest>::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Puts the objects of a round into the sender's spool and has them forwarded; the digest of each by its job.
fn order(server: &Server, round: u64) -> BTreeMap<String, String> {
    let forward = |number: u64| {
        let (octets, name) = (content(round, number), format!("r{round}n{number}"));
        let made = http::post(server.door(), &format!("box=alice&name={name}"), &[], &octets);
        assert_eq!(made.status, 201, "{made:?}");
        let wanted =
            json!({"object": format!("spool:/alice/{name}"), "to": "sip:bob@localhost", "mode": "uac"}).to_string();
        let length = format!("Content-Length: {}", wanted.len());
        let mut visit =
            Visit::begin(server.door(), "POST /api/v1/deliveries", &["Content-Type: application/json", &length]);
        visit.write(wanted.as_bytes()).expect("a write");
        let job = visit.answer().json();
        (job["id"].as_str().expect("a job").to_owned(), sha256(&octets))
    };
    (0..OBJECTS).map(forward).collect()
}

fn delivered(server: &Server, job: &str) -> bool {
    let jobs = ask(server.door(), "GET /api/v1/deliveries?limit=1000", &[]).json();
    let state = |known: &Value| (known["id"] == job).then(|| known["state"].clone());
    let state = jobs["items"].as_array().into_iter().flatten().find_map(state).unwrap_or_default();
    assert!(state != "failed" && state != "expired", "{jobs}");
    state == "delivered"
}

#[test]
fn whoever_of_two_servers_is_killed_each_object_arrives_once_by_its_id_and_octet_for_octet() {
    if missing("kamailio") {
        return;
    }
    let (authority, between, mut chance) = (Authority::new(), dir(), Chance::new(seed()));
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let proxy = Proxy::start(between.path(), &authority, free.port(), "SHA-256");
    let (theirs, ours) = (receiver(&authority, free.port()), sender(&authority, proxy.port));
    let (mut to, mut from) = (theirs.start(), ours.start());
    let mut all = BTreeMap::new();
    for round in 0..rounds("FORWARD_ROUNDS", 2) {
        let jobs = order(&from, round);
        std::thread::park_timeout(Duration::from_micros(chance.below(MOMENT_MICROS)));
        if chance.below(2) == 0 {
            to.kill();
            to = theirs.start();
        } else {
            from.kill();
            from = ours.start();
        }
        for job in jobs.keys() {
            eventually("the object is delivered", || delivered(&from, job).then_some(()));
        }
        all.extend(jobs);
    }
    let objects = http::items(to.door(), "/api/v1/objects?box=bob&limit=1000");
    let told = |object: &Value| {
        let word = |name: &str| object[name].as_str().expect("a word").to_owned();
        (word("message_id"), word("sha256"))
    };
    let found: BTreeMap<String, String> = objects.iter().map(told).collect();
    println!("{} objects of {} jobs", objects.len(), all.len());
    assert_eq!(found, all);
}
