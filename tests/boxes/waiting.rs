//! Message waiting (RFC 3842) as a telephone sees it: SUBSCRIBE and NOTIFY by hand over UDP, and from Python.

use std::net::UdpSocket;
use std::process::{Command, Stdio};

use super::support::http::{ask, post};
use super::support::server::Server;
use super::support::{PATIENCE, eventually, missing};
use tempfile::TempDir;

/// A telephone that has a lamp.
struct Phone {
    socket: UdpSocket,
    server: std::net::SocketAddr,
    id: String,
    to: String,
    /// Its Contact, once it has answered.
    target: Option<String>,
    seq: u32,
}

impl Phone {
    fn new(server: &Server, mailbox: &str, id: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let server = server.sip("udp");
        Self { socket, server, id: id.to_owned(), to: format!("<sip:{mailbox}@{server}>"), target: None, seq: 0 }
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).expect("it is sent");
    }

    fn read(&self) -> String {
        let mut octets = [0; 4096];
        let length = self.socket.recv(&mut octets).expect("something comes");
        String::from_utf8_lossy(&octets[..length]).into_owned()
    }

    /// Sends SUBSCRIBE and returns its final answer.
    fn subscribe(&mut self, extra: &str) -> String {
        self.seq += 1;
        let (Self { id, to, seq, .. }, local) = (&*self, self.socket.local_addr().expect("its port"));
        let uri = self.target.as_deref().unwrap_or_else(|| to.split(['<', '>']).nth(1).expect("a URI"));
        self.send(&format!(
            "SUBSCRIBE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{id}{seq}\r\nMax-Forwards: 70\r\n\
             From: <sip:phone@{local}>;tag=p1\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {seq} SUBSCRIBE\r\n\
             Contact: <sip:phone@{local}>\r\nEvent: message-summary\r\n{extra}Content-Length: 0\r\n\r\n"
        ));
        let answer = loop {
            let answer = self.read();
            if !answer.starts_with("SIP/2.0 1") {
                break answer;
            }
        };
        if answer.starts_with("SIP/2.0 200") {
            self.to = field(&answer, "To").to_owned();
            self.target = field(&answer, "Contact").split(['<', '>']).nth(1).map(str::to_owned);
        }
        answer
    }

    /// The next NOTIFY, answered with 200.
    fn notified(&self) -> String {
        let request = self.read();
        assert!(request.starts_with("NOTIFY "), "{request}");
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let copied: String = copied.iter().map(|name| format!("{name}: {}\r\n", field(&request, name))).collect();
        self.send(&format!("SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n"));
        request
    }

    /// Reads NOTIFYs until one has this line.
    fn hears(&self, line: &str) -> String {
        eventually(line, || Some(self.notified()).filter(|notify| notify.contains(&format!("\r\n{line}\r\n"))))
    }
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// A file of this type in a box; returns its id.
fn file(server: &Server, mailbox: &str, kind: &str) -> String {
    let stored = post(server.door(), &format!("box={mailbox}"), &[&format!("Content-Type: {kind}")], b"a message");
    assert_eq!(stored.status, 201);
    stored.json()["id"].as_str().expect("an id").to_owned()
}

fn change(server: &Server, id: &str, what: &str) {
    let answer = ask(server.door(), &format!("POST /api/v1/objects/{id}/{what}"), &["Content-Length: 0"]);
    assert!(answer.status < 300, "{what}: {}", answer.status);
}

// M3842-3.1-01 M3842-3.5-01 M3842-3.5-05 M3842-3.5-08 M3842-3.8-02 M3842-3.8-03 M3842-3.7-01
#[test]
fn a_telephone_hears_of_every_change_of_its_box_and_the_counts_are_those_of_the_box() {
    let dir = TempDir::new().expect("a directory");
    let mut server = Server::start(dir.path(), &[]);
    file(&server, "alice", "audio/amr");
    let mut phone = Phone::new(&server, "alice", "lamp");
    let mut other = Phone::new(&server, "alice", "second-lamp");
    let granted = phone.subscribe("Expires: 600\r\n");
    assert!(granted.starts_with("SIP/2.0 200"), "{granted}");
    assert_eq!(field(&granted, "Expires"), "600");
    let first = phone.notified();
    let body = |notify: &str| notify.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    let account = format!("sip:alice@{}", server.sip("udp"));
    assert_eq!(
        body(&first),
        format!("Messages-Waiting: yes\r\nMessage-Account: {account}\r\nVoice-Message: 1/0 (0/0)\r\n")
    );
    assert_eq!(field(&first, "Content-Type"), "application/simple-message-summary");
    assert_eq!(field(&first, "Subscription-State"), "active;expires=600");
    // What was told to one is as new to the other.
    other.subscribe("");
    assert_eq!(body(&other.notified()), body(&first));

    let video = file(&server, "alice", "video/3gpp");
    phone.hears("Video-Message: 1/0 (0/0)");
    other.hears("Video-Message: 1/0 (0/0)");
    file(&server, "bob", "video/3gpp");
    change(&server, &video, "mark?as=urgent");
    let told = phone.hears("Video-Message: 1/0 (1/0)");
    assert!(told.contains("Voice-Message: 1/0"), "{told}");
    change(&server, &video, "mark?as=seen");
    phone.hears("Video-Message: 0/1 (0/1)");
    change(&server, &video, "copy?to=spool:/alice/");
    phone.hears("Video-Message: 1/1 (0/1)");
    change(&server, &video, "expire");
    let told = phone.hears("Video-Message: 1/0 (0/0)");
    assert_eq!(body(&told).lines().count(), 4, "no headers of messages: {told}");

    // Whoever comes back after a restart is unknown, and subscribes anew.
    server.kill();
    server = Server::start(dir.path(), &[]);
    phone.server = server.sip("udp");
    let refused = phone.subscribe("");
    assert!(refused.starts_with("SIP/2.0 481"), "{refused}");
    let mut phone = Phone::new(&server, "alice", "lamp-again");
    phone.subscribe("");
    phone.hears("Video-Message: 1/0 (0/0)");
}

// M3842-6-01
#[test]
fn a_stranger_learns_nothing_of_a_box_and_nobody_is_told_of_one_that_cannot_be() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[("RESTANTE_CONTROL__TRUSTED", "192.0.2.0/24")]);
    let refused = Phone::new(&server, "alice", "stranger").subscribe("");
    assert!(refused.starts_with("SIP/2.0 403"), "{refused}");
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    let refused = Phone::new(&server, "%2E%2E", "nowhere").subscribe("");
    assert!(refused.starts_with("SIP/2.0 404"), "{refused}");
}

// M3842-3.7-01 M3842-3.8-05
#[test]
fn a_telephone_in_python_proves_who_it_is_and_hears_of_a_new_message_and_of_the_end() {
    if missing("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let users = dir.path().join("users");
    std::fs::write(&users, "alice:open sesame\n").expect("users");
    let variables = [
        ("RESTANTE_CONTROL__TRUSTED", "192.0.2.0/24"),
        ("RESTANTE_CONTROL__OWNERS_FILE", users.to_str().expect("a path")),
    ];
    let server = Server::start(dir.path(), &variables);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/subscriber.py");
    let address = server.sip("udp").to_string();
    let run = |password: &str| {
        let mut command = Command::new("python3");
        command.args([script, "--server", &address, "--box", "alice", "--user", "alice", "--password", password]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    };
    let wrong = run("another").output().expect("python runs");
    assert_eq!(String::from_utf8_lossy(&wrong.stdout).trim(), "refused 401");
    let phone = run("open sesame").spawn().expect("python runs");
    eventually("the subscription", || server.log().contains("SUBSCRIBE").then_some(()));
    file(&server, "alice", "audio/amr");
    let output = phone.wait_with_output().expect("it ends");
    let told: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(told.first().map(String::as_str), Some("active Messages-Waiting: no"));
    assert_eq!(told.get(told.len() - 2).map(String::as_str), Some("active Messages-Waiting: yes"));
    assert_eq!(told.last().map(String::as_str), Some("terminated Messages-Waiting: yes"), "{told:?}");
}
