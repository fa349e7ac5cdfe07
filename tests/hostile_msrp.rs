//! Peers that mean ill or know no better, on a real server: whatever they do, a file of somebody else comes in meanwhile.

mod msrp;
mod support;

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use bytes::Bytes;
use restante::engine::link::{Command, Input, Link, Notice, Output};
use restante::model::limits::MSRP_LONELY;
use restante::model::{Mint, Now, Outbox};
use restante::msrp::{Config, Connection, Decoder, Event, Flag};
use support::deposit::{Depositor, Plan, Promise, deposit_works};
use support::msrp::{Message, Stream};
use support::server::{Server, json};
use support::sip::{Call, description};
use tempfile::TempDir;

/// A server that files whatever comes, and a deposit that goes on while others are at work.
struct Scene {
    server: Server,
    dir: TempDir,
    victim: Depositor,
    promise: Promise,
    sent: usize,
    plan: Plan,
}

const STEP: usize = 8192;

impl Scene {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Server::start(dir.path(), &[("RESTANTE_CONTROL__UNATTENDED", "deposit")]);
        let content: Vec<u8> = (0..400_000_u32).map(|n| (n % 249) as u8).collect();
        let plan = Plan { chunk: STEP, ..Plan::new("victim", content) };
        let victim = Depositor::connect(&server, &plan).expect("a call");
        let mut scene = Self { server, dir, victim, promise: Promise::default(), sent: 0, plan };
        scene.victim_sends();
        scene
    }

    /// One more chunk of the other's file, answered 200.
    fn victim_sends(&mut self) {
        let (at, end) = (self.sent, self.plan.content.len().min(self.sent + STEP));
        let (tid, frame) = self.victim.message.chunk(at as u64, &self.plan.content[at..end]);
        self.victim.stream.write(&frame).expect("a write");
        let answer = self.victim.answer(&tid, &mut self.promise).expect("an answer");
        assert_eq!(answer.status(), 200, "the other's file is disturbed: {answer:?}");
        self.sent = end;
    }

    /// The rest of the other's file. Gives the names of all objects there are then.
    fn ends_well(mut self) -> Vec<String> {
        while self.sent < self.plan.content.len() {
            self.victim_sends();
        }
        self.victim.finish(&mut self.promise).expect("the end is told");
        assert!(self.promise.complete);
        assert!(self.server.is_running());
        deposit_works(&self.server, "proof");
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
        let objects = json(self.dir.path(), &["spool", "list", "--json"]);
        objects.iter().map(|object| object["sha256"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A plain message session, connected.
    fn session(&self, name: &str) -> (Call, Stream, Message) {
        let offer = description(name, &["a=sendrecv"]);
        let (call, answer) = Call::invite(self.server.sip("tcp"), "mallory", &offer).expect("a call");
        let message = Message {
            to: answer.attribute("path").to_owned(),
            from: format!("msrp://127.0.0.1:9/{name};tcp"),
            id: format!("m-{name}"),
            total: 4,
        };
        (call, Stream::connect(self.server.msrp(), None).expect("a connection"), message)
    }
}

/// One chunk with whatever stands in its Byte-Range.
fn ranged(message: &Message, range: &str, octets: &[u8], flag: char) -> Vec<u8> {
    let (tid, frame) = message.frame(0, octets, flag as u8);
    let text = String::from_utf8(frame).expect("text");
    let line = text.lines().find(|line| line.starts_with("Byte-Range")).expect("a Byte-Range").to_owned();
    assert!(text.contains(&tid));
    text.replace(&line, &format!("Byte-Range: {range}")).into_bytes()
}

// ---- Sessions that are somebody else's ----

// S5 S6 M4975-7.3-02 M4975-5.4-13 M4975-5.4-14
#[test]
fn no_to_path_but_its_own_leads_to_a_session() {
    let mut scene = Scene::new();
    let (_call, mut own, message) = scene.session("own");
    assert_eq!(own.greet(&message.to, &message.from).expect("an answer").status(), 200);
    let theirs = scene.victim.message.to.clone();
    let address = scene.server.msrp();
    let (head, id) = message.to.rsplit_once('/').expect("a session id");
    let other_case: String = id
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    for (to, status) in [
        (theirs.clone(), 506),
        (format!("{} {theirs}", message.to), 481),
        (format!("{theirs} {}", message.to), 481),
        (format!("{} {}", message.to, message.to), 481),
        (format!("msrp://{address};tcp"), 481),
        (format!("{head}/{};tcp", &id[..8]), 481),
        (format!("{head}/{}", other_case.replace(";TCP", ";tcp")), 481),
        (message.to.replace("127.0.0.1", "127.0.0.2"), 481),
        (message.to.replace("msrp://", "msrps://"), 481),
        (message.to.replace(&format!(":{}", address.port()), ":1"), 481),
    ] {
        let stray = Message { to: to.clone(), id: "stray".to_owned(), ..message.clone() };
        own.write(&stray.chunk(0, b"data").1).expect("a write");
        let answer = own.read().expect("an answer");
        assert_eq!(answer.status(), status, "{to}: {answer:?}");
        scene.victim_sends();
    }
    assert_eq!(own.greet(&message.to, &message.from).expect("an answer").status(), 200, "its own still does");
    assert_eq!(scene.ends_well().len(), 2, "the victim's file, the proof, and nothing else");
}

// M4975-5.4-18
#[test]
fn a_connection_that_comes_back_without_a_new_offer_finds_no_session() {
    let scene = Scene::new();
    let (_call, mut first, message) = scene.session("returns");
    assert_eq!(first.greet(&message.to, &message.from).expect("an answer").status(), 200);
    drop(first);
    // The server hears of the end when it reads; until then the session is bound elsewhere.
    let status = support::eventually("the end of the first connection", || {
        let mut second = Stream::connect(scene.server.msrp(), None).expect("a connection");
        let status = second.greet(&message.to, &message.from).expect("an answer").status();
        (status != 506).then_some(status)
    });
    assert_eq!(status, 481);
    scene.ends_well();
}

// M4975-3-02 M4975-3-03 S20
#[test]
fn session_ids_are_told_to_the_peer_and_to_nobody_else() {
    let mut scene = Scene::new();
    let (_call, mut own, message) = scene.session("secret");
    assert_eq!(own.greet(&message.to, &message.from).expect("an answer").status(), 200);
    let mut thief = Stream::connect(scene.server.msrp(), None).expect("a connection");
    assert_eq!(thief.greet(&message.to, &message.from).expect("an answer").status(), 506);
    scene.victim_sends();
    let log = scene.server.log();
    assert!(log.contains("506"), "what happened is in the log: {log}");
    for uri in [&message.to, &scene.victim.message.to] {
        let id = uri.rsplit_once('/').and_then(|(_, rest)| rest.split(';').next()).expect("a session id");
        assert!(id.len() >= 14 && !log.contains(id), "{id} is in the log: {log}");
        assert!(!scene.server.http("/metrics").contains(id));
        assert!(!scene.server.http("/readyz").contains(id));
    }
    scene.ends_well();
}

// M4975-3-02 S20
#[test]
fn a_refusing_server_writes_no_session_id_into_its_log_however_much_it_logs() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[("RESTANTE_LOG__LEVEL", "debug"), ("RESTANTE_MSRP__MAX_SIZE", "64KiB")]);
    let peer = "msrp://198.51.100.7:9/peerSecret0;tcp";
    let offer = |lines: &[&str]| description("peerSecret1", lines);
    let selector = "a=file-selector:name:\"big\" size:65537";
    for (refused, offer) in [
        ("a file that is too large", offer(&["a=sendonly", selector, "a=file-transfer-id:t1"])),
        ("a file that is not there", offer(&["a=recvonly", "a=file-selector:name:\"none\"", "a=file-transfer-id:t2"])),
        ("no listener", offer(&[]).replace("TCP/MSRP", "TCP/TLS/MSRP").replace("msrp://", "msrps://")),
        ("a WebSocket that is not here", offer(&[]).replace(";tcp", ";ws")),
        ("a path that is none", offer(&[]).replace(";tcp", "")),
    ] {
        let (_, answer) = Call::invite(server.sip("tcp"), "bob", &offer).expect("an answer");
        assert!(answer.status() >= 400, "{refused}: {answer:?}");
    }
    let (_call, answer) = Call::invite(server.sip("tcp"), "bob", &offer(&[])).expect("an answer");
    let ours = answer.attribute("path").to_owned();
    let id = ours.rsplit_once('/').and_then(|(_, rest)| rest.split(';').next()).expect("a session id");
    let unknown = ours.replace(id, "guessSecret");
    let mut streams = [(); 2].map(|()| Stream::connect(server.msrp(), None).expect("a connection"));
    assert_eq!(streams[0].greet(&unknown, peer).expect("an answer").status(), 481);
    assert_eq!(streams[0].greet(&ours, peer).expect("an answer").status(), 200);
    assert_eq!(streams[1].greet(&ours, peer).expect("an answer").status(), 506);
    assert_eq!(streams[1].greet(&format!("{ours} {ours}"), peer).expect("an answer").status(), 481);
    server.logged(&["506"]);
    let log = server.log();
    assert!(log.matches("refused").count() >= 3 && log.contains("no such session"), "{log}");
    for secret in ["Secret", id] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

// ---- Byte-Range ----

// R26
// S7 S16 M4975-14.5-03
#[test]
fn no_byte_range_makes_the_server_allocate_wrap_or_serve_what_never_came() {
    let mut scene = Scene::new();
    let bombs: [(&str, &[u8], char, u16); 11] = [
        ("1-*/9223372036854775808", b"data", '+', 413),
        ("1-*/18446744073709551615", b"data", '$', 413),
        ("1-4/18446744073709551616", b"data", '+', 400),
        ("9-3/20", b"data", '+', 400),
        ("0-3/4", b"data", '$', 400),
        ("18446744073709551615-*/*", b"data", '+', 413),
        ("18446744073709551616-*/*", b"data", '+', 400),
        ("9223372036854775807-9223372036854775810/*", b"data", '$', 413),
        ("-1-4/4", b"data", '$', 400),
        ("1-4/", b"data", '$', 400),
        // The last octet first: taken, but a file of a gigabyte is neither made nor served.
        ("1073741824-1073741824/1073741824", b"x", '$', 200),
    ];
    let before = scene.server.memory("VmRSS");
    for (number, (range, octets, flag, status)) in bombs.into_iter().enumerate() {
        let (mut call, mut stream, message) = scene.session(&format!("bomb{number}"));
        stream.write(&ranged(&message, range, octets, flag)).expect("a write");
        let answer = stream.read().expect("an answer");
        assert_eq!(answer.status(), status, "{range}: {answer:?}");
        scene.victim_sends();
        call.bye().expect("an answer");
    }
    let grown = scene.server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    let on_disk = blocks(&scene.dir.path().join("spool"));
    assert!(on_disk < 8 * 1024 * 1024, "{on_disk} octets on the disk");
    assert_eq!(scene.ends_well().len(), 2);
}

/// Octets that the files below a directory really take.
fn blocks(dir: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => blocks(&entry.path()),
            Ok(data) => data.blocks() * 512,
            Err(_) => 0, // gone meanwhile
        })
        .sum()
}

// R26
// S7
#[test]
fn chunks_of_one_octet_take_no_more_memory_and_time_the_more_there_are() {
    // A multiple of two thousand; ten million take half an hour.
    let chunks: u64 = std::env::var("RESTANTE_TINY_CHUNKS").map_or(20_000, |count| count.parse().expect("a number"));
    let mut scene = Scene::new();
    let (_call, mut stream, mut message) = scene.session("tiny");
    message.total = chunks;
    let (mut memory, mut ticks, threads) = (Vec::new(), Vec::new(), scene.server.memory("Threads"));
    for quarter in 0..4 {
        let (rss, before) = (scene.server.memory("VmRSS"), scene.server.ticks());
        // The other's file goes on all the time.
        for part in quarter * 10..(quarter + 1) * 10 {
            for number in part * chunks / 40..(part + 1) * chunks / 40 {
                stream.write(&message.chunk(number, b"x").1).expect("a write");
                // In packs of fifty, so that nobody waits for anybody.
                if number % 50 == 49 {
                    (0..50).for_each(|_| assert_eq!(next_answer(&mut stream), 200));
                }
            }
            scene.victim_sends();
        }
        memory.push(scene.server.memory("VmRSS").saturating_sub(rss));
        ticks.push(scene.server.ticks() - before);
    }
    let threads = scene.server.memory("Threads").saturating_sub(threads);
    println!("{chunks} chunks: KiB more in each quarter {memory:?}, ticks {ticks:?}, {threads} threads more");
    assert!(memory[1..].iter().sum::<u64>() < 4 * 1024, "KiB more in each quarter: {memory:?}");
    assert!(ticks[3] < 3 * ticks[0] + 100, "ticks for each quarter: {ticks:?}");
    assert_eq!(scene.ends_well().len(), 3, "the file of single octets is a file");
}

/// The status of the next response; REPORTs are passed over.
fn next_answer(stream: &mut Stream) -> u16 {
    loop {
        let status = stream.read().expect("an answer").status();
        if status != 0 {
            return status;
        }
    }
}

// ---- Peers that do not listen, or not to the end ----

// R26
// S15 R15
#[test]
fn a_peer_that_never_reads_its_answers_is_no_longer_read_and_costs_nothing_more() {
    let mut scene = Scene::new();
    let (_call, stream, message) = scene.session("deaf");
    let socket = stream.socket();
    socket.set_nonblocking(true).expect("a mode");
    let question = format!(
        "MSRP d3af0001 SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: q\r\n-------d3af0001$\r\n",
        message.to, message.from
    )
    .repeat(200);
    let before = scene.server.memory("VmRSS");
    let (mut written, mut refused) = (0_u64, 0);
    // What both kernels hold, and then no octet more. Between two tries the other has its file answered.
    while refused < 20 {
        assert!(written < 1 << 30, "the server reads on and on");
        let mut socket = socket;
        match socket.write(question.as_bytes()) {
            Ok(octets) => (written, refused) = (written + octets as u64, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refused += 1;
                scene.victim_sends();
            }
        }
    }
    let grown = scene.server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for answers that nobody reads");
    scene.ends_well();
}

// S15
#[test]
fn many_half_heads_keep_nobody_from_sending() {
    let mut scene = Scene::new();
    let before = scene.server.memory("VmRSS");
    let drip = |number: usize| {
        let mut stream = Stream::connect(scene.server.msrp(), None).expect("a connection");
        stream.write(&b"MSRP s1owl0ris SEND\r\nTo-Path: msrp://"[..number % 36]).expect("a write");
        stream
    };
    let mut half: Vec<Stream> = (0..400).map(drip).collect();
    for _ in 0..5 {
        half.iter_mut().for_each(|stream| stream.write(b"a").expect("a write"));
        scene.victim_sends();
    }
    let grown = scene.server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 400 * 64, "{grown} KiB for 400 connections");
    drop(half);
    scene.ends_well();
}

// S15 M4975-5.4-10
#[test]
fn a_connection_without_a_session_is_closed_whatever_drips_in_and_hears_nothing_before() {
    let mut now = Now::default();
    let (mut link, mut out) = (Link::new(Connection::new(Config::default(), Mint::from_number(1)), now), Outbox::new());
    let due = now.instant + MSRP_LONELY;
    for octet in b"MSRP s1owl0ris SEND\r\n" {
        assert!(link.deadline().is_some_and(|at| at <= due), "a drop is no session");
        link.handle(now, Input::Octets(Bytes::copy_from_slice(&[*octet])), &mut out);
        now.instant = now.instant + Duration::from_secs(1);
    }
    assert!(out.drain().next().is_none(), "nothing is said to a stranger");
    now.instant = due;
    link.handle(now, Input::Timeout, &mut out);
    assert!(matches!(out.drain().last(), Some(Output::Close)));
    // A stranger that knocks at a door that is not there is no guest either.
    let mut link = Link::new(Connection::new(Config::default(), Mint::from_number(1)), Now::default());
    link.handle(Now::default(), Input::Octets(msrp::chunk("kn0ck", "m1", "1-4/4", "", "data", '$').into()), &mut out);
    let Some(Output::Notice(Notice::Knock { knock, .. })) = out.drain().last() else { panic!("a knock") };
    let refuse = Command::Refuse(knock, restante::msrp::StatusCode::NO_SUCH_SESSION);
    link.handle(now, Input::Command(refuse), &mut out);
    assert!(link.deadline().is_some_and(|at| at <= due));
}

// ---- End-lines that are none ----

// S8 M4975-9-10
#[test]
fn what_looks_like_an_end_line_is_content_wherever_it_is_cut() {
    for tid in ["abcd", "abcdefghijklmnopqrstuvwxyz012345"] {
        let near = |text: &str| text.replace("TID", tid);
        let body = near(
            "x\r\n-------TID\r\n\r\n-------TID!\r\n\r\n-------TIDx$\r\n\r\n------TID$\r\n\r\n-------TID$ \
             \r\n-------TID+\rx\r\n\r-------TID$\r\n\n-------TID#\r\n\r\n--------TID$\r\r\n-------tid$\r\n-------TID",
        )
        .replace("-------tid", &format!("-------{}", tid.to_uppercase()));
        for flag in [Flag::Complete, Flag::More, Flag::Aborted] {
            let letter = match flag {
                Flag::Complete => '$',
                Flag::More => '+',
                Flag::Aborted => '#',
            };
            let octets = msrp::chunk(tid, "m0001", "1-*/*", "", &body, letter);
            for cut in 0..=octets.len() {
                let (mut decoder, mut content, mut end) = (Decoder::new(), Vec::new(), None);
                for piece in [&octets[..cut], &octets[cut..]] {
                    decoder.push(Bytes::copy_from_slice(piece));
                    while let Some(event) = decoder.poll().expect("MSRP") {
                        match event {
                            Event::Body(octets) => content.extend_from_slice(&octets),
                            Event::End(flag) => end = Some(flag),
                            _ => {}
                        }
                    }
                }
                assert_eq!(
                    (String::from_utf8_lossy(&content), end),
                    (body.as_str().into(), Some(flag)),
                    "cut at {cut}"
                );
            }
        }
    }
}

// S8
#[test]
fn a_file_full_of_end_lines_of_others_arrives_as_it_is() {
    let mut scene = Scene::new();
    let (_call, mut stream, mut message) = scene.session("lookalike");
    let content = b"\r\n-------x00000001$\r\nMSRP x00000001 SEND\r\n-------t0000000$\r\n-------\r\n".repeat(500);
    message.total = content.len() as u64;
    let (_, frame) = message.chunk(0, &content);
    // Cut where it hurts most: at each line's end and in the middle of the hyphens.
    for piece in frame.chunks(13) {
        stream.write(piece).expect("a write");
    }
    assert_eq!(next_answer(&mut stream), 200);
    scene.victim_sends();
    let sha256 = Plan::new("same", content).sha256();
    support::eventually("the file", || {
        let objects = json(scene.dir.path(), &["spool", "list", "--json"]);
        objects.iter().any(|object| object["sha256"] == sha256.as_str()).then_some(())
    });
    scene.ends_well();
}

// ---- One connection for several sessions ----

#[test]
fn a_file_that_nobody_asks_for_stops_no_other_session_of_its_connection() {
    // given: a server without a script for one of two sessions on one connection
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let unwanted = Plan::new("unwanted", vec![7; 2_000_000]);
    let wanted = Plan::new("wanted", vec![9; 100_000]);
    let mut waits = Depositor::call(&server, &unwanted, None).expect("a call");
    let mut goes = Depositor::connect(&server, &wanted).expect("a call");
    for Message { to, from, .. } in [goes.message.clone(), waits.message.clone()] {
        assert_eq!(goes.stream.greet(&to, &from).expect("an answer").status(), 200);
    }
    // when: the one sends two megabytes in one chunk, and the other its file behind them
    let (big, frame) = waits.message.chunk(0, &unwanted.content);
    let mut writer = goes.stream.socket().try_clone().expect("a socket");
    let writing = std::thread::spawn(move || writer.write_all(&frame));
    // then: the one is refused, long before `msrp.hold` is over, and the other is answered
    let refused = goes.stream.read().expect("an answer");
    assert_eq!((refused.tid.as_str(), refused.status()), (big.as_str(), 413));
    writing.join().expect("a thread").expect("the server reads on");
    let mut promise = Promise::default();
    assert!(goes.send(0, &mut promise).expect("octets flow").is_none());
    goes.finish(&mut promise).expect("the end is told");
    assert!(promise.complete);
    // And whoever asks for the one's next message gets it.
    let result = waits.call.start(&unwanted.script()).expect("an answer");
    assert!(result.body.contains("response=\"200\""), "{result:?}");
    server.logged(&["in the way of others"]);
}
