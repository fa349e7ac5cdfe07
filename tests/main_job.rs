//! The main job between two nodes on loopback: real sockets, real files, real fsync.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use restante::config::{Listen, Settings};
use restante::engine::{CallMedia, Happening};
use restante::io::node::{Line, Node, Options};
use restante::model::{Digest, DigestAlgorithm, FileInfo, ObjectUri};
use restante::msml::{self, Message};
use restante::sip::Transport;
use sha1::Digest as _;

const PATIENCE: Duration = Duration::from_secs(20);

fn settings(spool: &Path) -> Settings {
    let listen = |text: &str| text.parse::<Listen>().expect("an address");
    let mut settings = Settings::default();
    settings.sip.listen = vec![listen("udp:127.0.0.1:0"), listen("tcp:127.0.0.1:0")];
    settings.msrp.listen = vec![listen("tcp:127.0.0.1:0")];
    settings.spool.path = spool.to_owned();
    settings.spool.reserve = 0;
    settings
}

struct World {
    _dir: tempfile::TempDir,
    server: Node,
    client: Node,
    file: std::path::PathBuf,
    content: Vec<u8>,
}

async fn world(octets: usize) -> World {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Node::start(&settings(&dir.path().join("server")), Options::default()).await.expect("a server");
    let client = Node::start(&settings(&dir.path().join("client")), Options::default()).await.expect("a client");
    let content: Vec<u8> = (0..octets).map(|n| (n * 31 % 251) as u8).collect();
    let file = dir.path().join("message.bin");
    std::fs::write(&file, &content).expect("a file");
    World { _dir: dir, server, client, file, content }
}

async fn next(line: &mut Line) -> Happening {
    tokio::time::timeout(PATIENCE, line.next()).await.expect("something happens in time").expect("the line is open")
}

fn info(content: &[u8]) -> FileInfo {
    FileInfo {
        name: Some("message.bin".to_owned()),
        size: Some(content.len() as u64),
        media_type: Some("application/octet-stream".to_owned()),
        digests: vec![Digest::sha1(sha1::Sha1::digest(content).into())],
        ..FileInfo::default()
    }
}

fn target(server: &Node, user: &str, transport: Transport) -> (String, SocketAddr) {
    let address = server.sip_address(transport).expect("the server listens");
    (format!("sip:{user}@{address}"), address)
}

async fn deposit(world: &World, transport: Transport) -> (Vec<(String, String)>, bool) {
    let mut line = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "bob", transport);
    let media = CallMedia::Push { path: world.file.display().to_string(), info: Box::new(info(&world.content)) };
    line.call(uri, "sip:alice@127.0.0.1".to_owned(), remote, transport, media).await;
    let mut delivered = false;
    loop {
        match next(&mut line).await {
            Happening::Answered(tag) => {
                let dest = ObjectUri::mailbox("bob").expect("a box");
                let names = ["record.end", "record.recordid", "record.len", "ft.hash", "ft.size", "ft.result"];
                line.msml(1, msml::record_request(&tag, "d", &dest, Duration::from_secs(60), &names)).await;
            }
            Happening::InfoAnswered(1, 200, Some(body)) => assert!(body.contains("response=\"200\""), "{body}"),
            Happening::Delivered => delivered = true,
            Happening::SendFailed(_) => {}
            Happening::Msml(text) => {
                if let Ok(Message::Event(event)) = msml::read_message(text.as_bytes())
                    && event.name == "msml.dialog.exit"
                {
                    line.hang_up().await;
                    return (event.values, delivered);
                }
            }
            Happening::Sent(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
}

fn value<'a>(values: &'a [(String, String)], name: &str) -> &'a str {
    values.iter().find(|pair| pair.0 == name).map_or("missing", |pair| pair.1.as_str())
}

async fn retrieve(world: &World, uri: &ObjectUri, transport: Transport) -> (Vec<u8>, Vec<(String, String)>) {
    let mut line = world.client.line().await.expect("a line");
    let (target, remote) = target(&world.server, "bob", transport);
    line.call(target, "sip:bob@127.0.0.1".to_owned(), remote, transport, CallMedia::Receive).await;
    let mut received = None;
    let mut exit = None;
    loop {
        match next(&mut line).await {
            Happening::Answered(tag) => {
                let names = ["play.end", "play.amt", "ft.hash"];
                line.msml(1, msml::play_request(&tag, "p", std::slice::from_ref(uri), &names)).await;
            }
            Happening::InfoAnswered(1, 200, Some(body)) => assert!(body.contains("response=\"200\""), "{body}"),
            Happening::Committed(object) => {
                let body = world.client.spool().read(&object).expect("the object is there");
                let mut octets = vec![0; object.envelope().size() as usize];
                let mut at = 0;
                while at < octets.len() {
                    let read = body.read_at(at as u64, &mut octets[at..]).expect("readable");
                    assert!(read > 0);
                    at += read;
                }
                received = Some(octets);
            }
            Happening::Msml(text) => {
                if let Ok(Message::Event(event)) = msml::read_message(text.as_bytes())
                    && event.name == "msml.dialog.exit"
                {
                    exit = Some(event.values);
                }
            }
            Happening::Received(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
        if received.is_some() && exit.is_some() {
            line.hang_up().await;
            return (received.take().expect("checked"), exit.take().expect("checked"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_deposited_and_retrieved_octet_for_octet_over_udp_and_tcp() {
    for (transport, octets) in [(Transport::Udp, 3_000_001), (Transport::Tcp, 70_000), (Transport::Udp, 1)] {
        let world = world(octets).await;
        let (values, _) = deposit(&world, transport).await;
        assert_eq!(value(&values, "record.end"), "record.complete", "{values:?}");
        assert_eq!(value(&values, "ft.result"), "ft.success");
        let sha256 = Digest::sha256(sha2::Sha256::digest(&world.content).into());
        assert_eq!(value(&values, "ft.hash"), format!("{}:{}", DigestAlgorithm::Sha256.name(), sha256.hex()));
        let uri: ObjectUri = value(&values, "record.recordid").parse().expect("a spool URI");
        let (octets, exit) = retrieve(&world, &uri, transport).await;
        assert_eq!(value(&exit, "play.end"), "play.complete", "{exit:?}");
        assert!(octets == world.content, "the retrieved octets are the deposited ones");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_what_was_declared_is_refused_by_its_digest() {
    let mut world = world(5_000).await;
    std::fs::write(&world.file, vec![7; 5_000]).expect("a file");
    world.content[0] ^= 1;
    let (values, delivered) = deposit(&world, Transport::Udp).await;
    assert_eq!(value(&values, "record.end"), "record.failed.hashmismatch", "{values:?}");
    assert_eq!(value(&values, "ft.result"), "ft.hashmismatch");
    assert!(!delivered);
    assert_eq!(world.server.spool().status().objects, 0);
}
