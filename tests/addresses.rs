//! Where things really are: IPv6, and a middlebox that stands where the phone is not (RFC 6714), over real sockets.

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use support::PATIENCE;
use support::deposit::{Depositor, Plan, Promise};
use support::msrp::{Message, Stream};
use support::server::{Server, serve};
use support::sip::{Call, description};
use tempfile::TempDir;

fn plan(id: &str) -> Plan {
    Plan::new(id, (0..30_000_u32).map(|n| (n % 251) as u8).collect())
}

/// Takes the server's connection, greeting and all.
fn accepted(listener: &TcpListener) -> (Stream, String) {
    let (tcp, _) = listener.accept().expect("the server connects");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let mut stream = Stream::over(tcp.try_clone().expect("a socket"), tcp);
    let greeting = stream.read().expect("a greeting");
    stream.accept(&greeting).expect("octets leave");
    (stream, greeting.header("To-Path").to_owned())
}

/// Sends the file of a call that is answered and recorded, and sees it committed.
fn finish(call: Call, stream: Stream, to: &str, from: &str, plan: &Plan) -> String {
    let message = Message {
        to: to.to_owned(),
        from: from.to_owned(),
        id: plan.message_id.clone(),
        total: plan.content.len() as u64,
    };
    let mut depositor = Depositor { call, stream, message, plan: plan.clone() };
    let mut promise = Promise::default();
    let refused = depositor.send(0, &mut promise).expect("the server answers");
    assert!(refused.is_none(), "{refused:?}");
    depositor.finish(&mut promise).expect("a report and an exit");
    assert!(promise.reported && promise.complete, "{promise:?}");
    promise.uri
}

// ---- IPv6 ----

/// A description as it is where there is no IPv4, with this path.
fn v6(text: &str, path: &str) -> String {
    let (before, rest) = text.split_once("a=path:").expect("a path");
    let (_, after) = rest.split_once("\r\n").expect("a line");
    format!("{before}a=path:{path}\r\n{after}").replace("IN IP4 127.0.0.1", "IN IP6 ::1")
}

// M4975-6-02 F10
#[test]
fn a_call_without_any_ipv4_brings_a_file_and_fetches_it_by_connections_of_either_side() {
    if UdpSocket::bind("[::1]:0").is_err() {
        assert!(std::env::var_os("CI").is_none(), "this machine has no IPv6");
        return eprintln!("skipped: this machine has no IPv6");
    }
    let dir = TempDir::new().expect("a directory");
    let server = Server::start(
        dir.path(),
        &[("RESTANTE_SIP__LISTEN", "udp:[::1]:0,tcp:[::1]:0"), ("RESTANTE_MSRP__LISTEN", "tcp:[::1]:0")],
    );
    let (sip, msrp) = (server.sip("tcp"), server.msrp());
    assert!(sip.is_ipv6() && msrp.is_ipv6());
    let (plan, from) = (plan("six"), "msrp://[::1]:9/ssix;tcp");
    let (mut call, answer) = Call::invite(sip, "bob", &v6(&plan.offer(), from)).expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    let to = answer.attribute("path").to_owned();
    assert!(to.starts_with(&format!("msrp://[::1]:{}/", msrp.port())), "{answer:?}");
    assert!(answer.body.contains("c=IN IP6 ::1\r\n"), "{answer:?}");
    call.start(&plan.script()).expect("a result");
    let uri = finish(call, Stream::connect(msrp, None).expect("a connection"), &to, from, &plan);

    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let path = format!("msrp://{}/back;tcp", listener.local_addr().expect("an address"));
    let offer = v6(&description("back", &["a=recvonly"]), &path).replace("setup:active", "setup:passive");
    let (mut call, answer) = Call::invite(sip, "bob", &offer).expect("an answer");
    assert_eq!((answer.status(), answer.attribute("setup")), (200, "active"), "{answer:?}");
    call.start(&format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>")).expect("a result");
    let (mut stream, to) = accepted(&listener);
    assert_eq!(to, path);
    assert!(stream.receive().expect("a file") == plan.content);
    assert_eq!(call.event("msml.dialog.exit").expect("the end").value("play.end"), "play.complete");
    answers_options(server.sip("udp"));
}

/// The same server answers datagrams, too.
fn answers_options(server: SocketAddr) {
    let socket = UdpSocket::bind("[::1]:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let own = socket.local_addr().expect("an address");
    let request = format!(
        "OPTIONS sip:bob@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKsix;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@{own}>;tag=six\r\nTo: <sip:bob@{server}>\r\nCall-ID: six-options\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(request.as_bytes(), server).expect("octets leave");
    let mut answer = [0; 4096];
    let octets = socket.recv(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..octets]);
    assert!(answer.starts_with("SIP/2.0 200 ") && answer.contains(&format!("rport={}", own.port())), "{answer}");
}

// ---- CEMA ----

/// A server whose local peers stand behind a middlebox.
fn trunk(dir: &TempDir) -> Server {
    let command = serve(dir.path(), &[]);
    let file = dir.path().join("restante.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let peers = "[[msrp.peers]]\nnetwork = \"127.0.0.0/8\"\ncema = true\n";
    std::fs::write(&file, text + peers).expect("a configuration");
    Server::launch(dir.path(), command)
}

/// A phone's offer after the middlebox has put itself into `c=` and `m=`; the path is as the phone wrote it.
fn anchored(plan: &Plan, path: &str, port: u16, setup: &str, lines: &str) -> String {
    let offer = plan.offer().replace("m=message 9 ", &format!("m=message {port} "));
    let own = format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id);
    offer.replace(&own, path).replace("setup:active", &format!("setup:{setup}")) + lines
}

// M6714-4.3-04 M6714-4.3-08 M6714-4.3-01 P30
#[test]
fn behind_a_middlebox_the_server_connects_to_it_and_speaks_to_the_phone() {
    let dir = TempDir::new().expect("a directory");
    let server = trunk(&dir);
    let middlebox = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = middlebox.local_addr().expect("an address").port();
    let (plan, path) = (plan("cema"), "msrp://192.0.2.7:7001/scema;tcp");
    let offer = anchored(&plan, path, port, "passive", "a=msrp-cema\r\n");
    let (mut call, answer) = Call::invite(server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!((answer.status(), answer.attribute("setup")), (200, "active"), "{answer:?}");
    assert!(answer.body.contains("a=msrp-cema\r\n"), "{answer:?}");
    call.start(&plan.script()).expect("a result");
    let (stream, to) = accepted(&middlebox);
    assert_eq!(to, path, "the middlebox passes on what is the phone's");
    finish(call, stream, answer.attribute("path"), path, &plan);

    // Where the phone does not speak CEMA, the middlebox would be gone around.
    let offer = anchored(&plan, path, port, "passive", "");
    let (_call, refused) = Call::invite(server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!(refused.status(), 488, "{refused:?}");
    assert!(refused.header("Warning").contains("msrp-cema"), "{refused:?}");
}

// M6714-4.3-09
#[test]
fn a_phone_that_comes_through_its_middlebox_is_taken_for_itself() {
    let dir = TempDir::new().expect("a directory");
    let server = trunk(&dir);
    let (plan, path) = (plan("comes"), "msrp://192.0.2.7:7001/scomes;tcp");
    let offer = anchored(&plan, path, 40_000, "active", "a=msrp-cema\r\n");
    let (mut call, answer) = Call::invite(server.sip("tcp"), "bob", &offer).expect("an answer");
    assert_eq!((answer.status(), answer.attribute("setup")), (200, "passive"), "{answer:?}");
    call.start(&plan.script()).expect("a result");
    let stream = Stream::connect(server.msrp(), None).expect("a connection");
    finish(call, stream, answer.attribute("path"), path, &plan);
}
