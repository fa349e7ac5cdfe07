//! The main job between two nodes on loopback: real sockets, real files, real fsync.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use restante::config::{Listen, Settings};
use restante::engine::{CallMedia, Happening, LocalFile};
use restante::io::node::{Line, Node, Options};
use restante::model::{Digest, DigestAlgorithm, FileInfo, ObjectUri};
use restante::msml::{self, Message};
use restante::sip::Transport;
use sha1::Digest as _;

#[path = "main_job/phone.rs"]
mod phone;
#[path = "main_job/pulls.rs"]
mod pulls;

use phone::{PATH, Phone};

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
    dir: tempfile::TempDir,
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
    World { dir, server, client, file, content }
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

fn push(world: &World) -> CallMedia {
    let (path, info) = (world.file.display().to_string(), info(&world.content));
    CallMedia::Push(Box::new(LocalFile { path, info, ..LocalFile::default() }))
}

fn target(server: &Node, user: &str, transport: Transport) -> (String, SocketAddr) {
    let address = server.sip_address(transport).expect("the server listens");
    (format!("sip:{user}@{address}"), address)
}

async fn deposit(world: &World, transport: Transport) -> (Vec<(String, String)>, bool) {
    let mut line = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "bob", transport);
    let media = push(world);
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
            Happening::SendFailed(_) | Happening::Reported(_) => {}
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
            Happening::Receiving(_) | Happening::Received(_) => {}
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

/// What an application server sees of one connection: everything until `done` says so.
async fn until(line: &mut Line, mut done: impl FnMut(&Happening) -> bool) -> Vec<Happening> {
    let mut seen = Vec::new();
    loop {
        let happening = next(line).await;
        let enough = done(&happening);
        seen.push(happening);
        if enough {
            return seen;
        }
    }
}

fn exit_event(happening: &Happening) -> Option<msml::Event> {
    let Happening::Msml(text) = happening else { return None };
    match msml::read_message(text.as_bytes()) {
        Ok(Message::Event(event)) if event.name == "msml.dialog.exit" => Some(event),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_play_on_a_connection_that_only_sends_brings_its_own_stream_by_re_invite() {
    let world = world(40_000).await;
    let (values, _) = deposit(&world, Transport::Udp).await;
    let uri: ObjectUri = value(&values, "record.recordid").parse().expect("a spool URI");

    // Given a call whose one stream is a push towards the server, when a play is asked for on it ...
    let mut line = world.client.line().await.expect("a line");
    let (target, remote) = target(&world.server, "bob", Transport::Udp);
    let media = push(&world);
    line.call(target, "sip:alice@127.0.0.1".to_owned(), remote, Transport::Udp, media).await;
    let seen = until(&mut line, |happening| matches!(happening, Happening::Answered(_))).await;
    let Some(Happening::Answered(tag)) = seen.last() else { panic!("answered: {seen:?}") };
    let names = ["play.end", "ft.size"];
    line.msml(1, msml::play_request(tag, "p", &[uri.clone(), uri.clone()], &names)).await;

    // ... then each file comes on a stream of its own, octet for octet, under its own name.
    let (mut objects, mut exit) = (Vec::new(), None);
    while objects.len() < 2 || exit.is_none() {
        let happening = next(&mut line).await;
        exit = exit.or_else(|| exit_event(&happening));
        if let Happening::Committed(committed) = happening {
            objects.push(committed);
        }
    }
    let exit = exit.expect("checked");
    assert_eq!(exit.value("play.end"), Some("play.complete"), "{exit:?}");
    for object in objects {
        assert_eq!(object.envelope().file.name.as_deref(), Some("message.bin"));
        assert_eq!(object.envelope().sha1(), &info(&world.content).digests[0]);
    }
    line.hang_up().await;
    until(&mut line, |happening| matches!(happening, Happening::Ended(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_dialog_commands_a_connection_it_is_not_on_and_hears_of_its_end() {
    let world = world(5_000).await;
    let mut control = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "control", Transport::Tcp);
    control.call(uri, "sip:as@127.0.0.1".to_owned(), remote, Transport::Tcp, CallMedia::Control).await;
    until(&mut control, |happening| matches!(happening, Happening::Answered(_))).await;

    let mut phone = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "bob", Transport::Udp);
    let media = push(&world);
    phone.call(uri, "sip:alice@127.0.0.1".to_owned(), remote, Transport::Udp, media).await;
    let seen = until(&mut phone, |happening| matches!(happening, Happening::Answered(_))).await;
    let Some(Happening::Answered(tag)) = seen.last() else { panic!("answered: {seen:?}") };
    let script = format!(
        "<msml version=\"1.1\"><dialogstart target=\"conn:{tag}\" name=\"d\"><record dest=\"spool:/bob/\" maxtime=\"60s\"/>\
         <disconnect namelist=\"record.end\"/></dialogstart></msml>"
    );
    control.msml(7, script).await;
    let seen = until(&mut control, |happening| exit_event(happening).is_some()).await;
    let exit = seen.last().and_then(exit_event).expect("the last is the exit");
    assert_eq!(exit.id, format!("conn:{tag}/dialog:d"));
    assert_eq!(exit.value("record.end"), Some("record.complete"), "{exit:?}");
    // <disconnect> hangs the phone up, not the control dialog.
    until(&mut phone, |happening| matches!(happening, Happening::Ended(_))).await;
    control.msml(8, "<msml version=\"1.1\"><dialogend id=\"conn:none/dialog:d\"/></msml>".to_owned()).await;
    let seen = until(&mut control, |happening| matches!(happening, Happening::InfoAnswered(8, ..))).await;
    let Some(Happening::InfoAnswered(8, 200, Some(body))) = seen.last() else { panic!("{seen:?}") };
    assert!(body.contains("response=\"430\""), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_application_server_a_file_is_filed_by_the_request_uri_if_the_operator_wants_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = settings(&dir.path().join("server"));
    settings.control.unattended = restante::config::Unattended::Deposit;
    let mut world = world(9_999).await;
    world.server = Node::start(&settings, Options::default()).await.expect("a server");
    let mut line = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "carol%20k", Transport::Udp);
    let media = push(&world);
    line.call(uri, "sip:alice@127.0.0.1".to_owned(), remote, Transport::Udp, media).await;
    until(&mut line, |happening| matches!(happening, Happening::Delivered)).await;
    // The REPORT that made it "delivered" came after the commit.
    let objects = world.server.spool().list(&restante::spool::Query::default()).expect("a listing");
    assert_eq!(objects.iter().map(|object| object.uri.box_name()).collect::<Vec<_>>(), ["carol k"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_sent_back_to_back_on_a_plain_session_are_all_kept() {
    // Given a server that files what comes, and a phone with a plain message session ...
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = settings(&dir.path().join("server"));
    settings.control.unattended = restante::config::Unattended::Deposit;
    let server = Node::start(&settings, Options::default()).await.expect("a server");
    let address = server.sip_address(Transport::Udp).expect("the server listens");
    let mut phone = Phone::new(address, "bob", "back-to-back").await;
    let answer = phone.invite("").await;
    phone.ack().await;
    let path = answer.lines().find_map(|line| line.strip_prefix("a=path:")).expect("a path").to_owned();

    // ... when it writes ten messages in one go, without waiting for anything ...
    let mut stream = tokio::net::TcpStream::connect(server.msrp_address().expect("MSRP")).await.expect("connected");
    let mut buffer = vec![0; 65_536];
    let mut octets = String::new();
    for n in 0..10 {
        let text = format!("message number {n}");
        octets += &format!(
            "MSRP tid{n}aaaa SEND\r\nTo-Path: {path}\r\nFrom-Path: {PATH}\r\n\
             Message-ID: chat{n}\r\nSuccess-Report: yes\r\nByte-Range: 1-{length}/{length}\r\nContent-Type: text/plain\r\n\r\n\
             {text}\r\n-------tid{n}aaaa$\r\n",
            length = text.len()
        );
    }
    tokio::io::AsyncWriteExt::write_all(&mut stream, octets.as_bytes()).await.expect("written");

    // ... then every one of them is answered with 200, reported, and kept.
    let mut said = String::new();
    while said.matches("Status: 000 200").count() < 10 {
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer);
        let Ok(read) = tokio::time::timeout(PATIENCE, read).await else { panic!("nothing more after {said}") };
        let read = read.expect("readable");
        assert!(read > 0, "the server closed: {said}");
        said += &String::from_utf8_lossy(&buffer[..read]);
    }
    assert_eq!(said.matches(" 200 OK\r\nTo-Path").count(), 10, "{said}");
    assert_eq!(server.spool().status().objects, 10);
}

// M4975-6.2-02 M4975-5.4-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_with_a_host_name_is_connected_to_at_one_of_its_addresses_and_its_own_port() {
    // Given a phone that listens, and whose path has a name and not a number ...
    let dir = tempfile::tempdir().expect("a directory");
    let server = Node::start(&settings(&dir.path().join("server")), Options::default()).await.expect("a server");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let path = format!("msrp://localhost:{port}/named1234567890abcdef;tcp");
    let mut phone = Phone::new(server.sip_address(Transport::Udp).expect("SIP"), "bob", "named").await;

    // ... when it lets the server connect ...
    let answer = phone.invite_to(&path, "passive", "").await;
    assert!(answer.contains("a=setup:active\r\n"), "{answer}");
    phone.ack().await;

    // ... then the server comes to that port, and says at once who it is.
    let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("in time");
    let (mut stream, _) = accepted.expect("a connection");
    let mut buffer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, tokio::io::AsyncReadExt::read(&mut stream, &mut buffer)).await;
    let said = String::from_utf8_lossy(&buffer[..read.expect("in time").expect("readable")]).into_owned();
    assert!(said.contains(" SEND\r\n") && said.contains(&format!("To-Path: {path}\r\n")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_answers_the_200_and_not_the_re_invite_that_waits_behind_it() {
    // Given a call whose 200 is not acknowledged yet, on which an application server has started a play ...
    let world = world(5_000).await;
    let (values, _) = deposit(&world, Transport::Udp).await;
    let uri: ObjectUri = value(&values, "record.recordid").parse().expect("a spool URI");
    let address = world.server.sip_address(Transport::Udp).expect("the server listens");
    let mut phone = Phone::new(address, "bob", "late-ack").await;
    phone.invite("a=sendonly\r\n").await;
    let mut control = world.client.line().await.expect("a line");
    let (target, remote) = target(&world.server, "control", Transport::Udp);
    control.call(target, "sip:as@127.0.0.1".to_owned(), remote, Transport::Udp, CallMedia::Control).await;
    until(&mut control, |happening| matches!(happening, Happening::Answered(_))).await;
    control.msml(1, msml::play_request(phone.conn(), "p", &[uri], &["play.end"])).await;
    until(&mut control, |happening| matches!(happening, Happening::InfoAnswered(1, 200, _))).await;

    // ... when the ACK comes at last, then the re-INVITE follows it, and no BYE.
    phone.ack().await;
    let request = phone.next(|text| !text.starts_with("SIP/2.0")).await;
    assert!(request.starts_with("INVITE "), "{request}");
    assert!(request.contains("a=file-selector:name:\"message.bin\""), "{request}");
}

// M5547-10-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_rotted_on_disk_is_never_delivered_as_a_success() {
    // Given an object whose body has one wrong bit ...
    let world = world(300_000).await;
    let (values, _) = deposit(&world, Transport::Udp).await;
    let uri: ObjectUri = value(&values, "record.recordid").parse().expect("a spool URI");
    let id = world.server.spool().find(&uri).expect("readable").expect("there").envelope().id.clone();
    let data = world.dir.path().join("server/data");
    let shards = std::fs::read_dir(data).expect("a directory").map(|shard| shard.expect("an entry").path().join(&id));
    let body = shards.into_iter().find(|path| path.exists()).expect("the body");
    let mut octets = std::fs::read(&body).expect("readable");
    octets[100_000] ^= 1;
    std::fs::write(&body, octets).expect("writable");

    // ... when it is played, then the application server hears that it failed, and the object is set aside.
    let mut line = world.client.line().await.expect("a line");
    let (target, remote) = target(&world.server, "bob", Transport::Udp);
    line.call(target, "sip:bob@127.0.0.1".to_owned(), remote, Transport::Udp, CallMedia::Receive).await;
    let seen = until(&mut line, |happening| matches!(happening, Happening::Answered(_))).await;
    let Some(Happening::Answered(tag)) = seen.last() else { panic!("answered: {seen:?}") };
    line.msml(1, msml::play_request(tag, "p", std::slice::from_ref(&uri), &["play.end", "ft.result"])).await;
    let seen = until(&mut line, |happening| exit_event(happening).is_some()).await;
    let exit = seen.last().and_then(exit_event).expect("the last is the exit");
    assert_eq!(exit.value("play.end"), Some("play.failed.storage"), "{exit:?}");
    assert_eq!(exit.value("ft.result"), Some("ft.storage"));
    assert!(!seen.iter().any(|happening| matches!(happening, Happening::Committed(_))));
    let status = world.server.spool().status();
    assert!(status.corrupt > 0 && status.objects == 0, "{status:?}");
}
