//! Machines that run out of descriptors and of memory.

use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use super::is_ready;
use super::support::deposit::{Depositor, Plan, deposit_works};
use super::support::missing;
use super::support::server::{House, Server, json, serve};
use super::support::{PATIENCE, eventually};

/// Descriptors of the server.
const DESCRIPTORS: u64 = 256;

// R27
#[test]
fn a_server_without_descriptors_refuses_files_and_recovers() {
    if missing("prlimit") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let server = serve(dir.path(), &[]);
    let mut command = Command::new("prlimit");
    command.current_dir(dir.path()).arg(format!("--nofile={DESCRIPTORS}")).arg(server.get_program());
    command.args(server.get_args());
    let mut server = Server::launch(dir.path(), command);
    let crowd = |to| (0..DESCRIPTORS).map(move |_| TcpStream::connect(to).expect("the system takes it"));
    // MSRP alone can't take them all.
    let files: Vec<TcpStream> = crowd(server.msrp()).collect();
    server.logged(&["too many MSRP connections"]);
    let talk: Vec<TcpStream> = crowd(server.sip("tcp")).collect();
    server.logged(&["no new file is taken", "descriptors"]);
    let refused = eventually("an answer to a caller with a file", || invite_by_datagram(&server));
    assert!(refused.starts_with("SIP/2.0 503 ") && refused.contains("Retry-After: 60"), "{refused}");
    drop((files, talk));
    is_ready(&server);
    assert!(server.is_running());
    deposit_works(&server, "proof");
}

/// Over UDP nobody needs a descriptor. The first answer that is final.
fn invite_by_datagram(server: &Server) -> Option<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let (own, offer) = (socket.local_addr().expect("an address"), Plan::new("refused", vec![5; 1000]).offer());
    let invite = format!(
        "INVITE sip:bob@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{port}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@{own}>;tag=1\r\nTo: <sip:bob@{server}>\r\nCall-ID: {port}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:alice@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}",
        server = server.sip("udp"),
        port = own.port(),
        length = offer.len(),
    );
    socket.send_to(invite.as_bytes(), server.sip("udp")).expect("a datagram");
    let mut answer = [0; 8192];
    loop {
        let length = socket.recv(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        if !text.starts_with("SIP/2.0 1") {
            return Some(text);
        }
    }
}

// R26: who gets no memory dies at once, and that is like any other kill.
#[test]
fn a_server_that_runs_out_of_memory_keeps_what_it_has_promised() {
    if missing("prlimit") {
        return;
    }
    let House { mut server, dir } = House::new(&[]);
    let kept: Vec<String> = (0..10).map(|number| deposit_works(&server, &format!("m{number}")).uri).collect();
    server.limit("data", server.memory("VmData") * 1024); // not one page more
    let mut open = Vec::new();
    // Each call that stays open needs a little more.
    while let Ok(depositor) = Depositor::connect(&server, &Plan::new(&format!("o{}", open.len()), vec![9; 300_000])) {
        open.push(depositor);
    }
    eventually("the end", || (!server.is_running()).then_some(()));
    drop(server);
    let server = Server::start(dir.path(), &[]);
    let found: Vec<_> = json(dir.path(), &["spool", "list", "--json"])
        .iter()
        .map(|object| object["uri"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(kept.iter().all(|uri| found.contains(uri)), "{kept:?} of {found:?}");
    deposit_works(&server, "proof");
}
