//! Objects handed on by real calls: to a phone, by what DNS says of its domain, and through a proxy over TLS that wants to
//! know who calls.

mod support;

#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/card.rs"]
mod card;
#[path = "outbound/dns.rs"]
mod dns;
#[path = "outbound/house.rs"]
mod house;
#[path = "outbound/kills.rs"]
mod kills;
#[allow(dead_code, reason = "the tests of the commands use the rest")]
#[path = "support/process.rs"]
mod process;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use card::Authority;
use house::{House, came, octets};
use process::Running;
use restante::model::Ending;
use support::server::Server;
use support::{eventually, missing};
use tempfile::TempDir;

fn dir() -> TempDir {
    TempDir::new().expect("a directory")
}

/// A phone that listens by this transport, and its address.
fn phone(dir: &Path, transport: &str) -> (Running, String) {
    let listen = format!("{transport}:127.0.0.1:0");
    let mut phone = Running::start(dir, &["answer", "--json", "--listen", &listen, "--dir", "in"], &[]);
    let address = phone.json()["sip"][0].as_str().expect("an address").replace(&format!("{transport}:"), "");
    (phone, address)
}

const UDP: &str = "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_answers_gets_the_file_and_one_that_is_not_there_is_unreachable() {
    let place = dir();
    for transport in ["udp", "tcp"] {
        let (mut phone, address) = phone(place.path(), transport);
        let house = House::new(dir(), UDP).await;
        let to = format!("sip:bob@{address};transport={transport}");
        assert_eq!(house.deliver(&to).await, Ending::Delivered);
        assert_eq!(phone.json()["octets"], octets().len());
        assert!(came(&place.path().join("in")));
        fs::remove_dir_all(place.path().join("in")).expect("it is there");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let house = House::new(dir(), UDP).await;
    let ending = house.deliver(&format!("sip:bob@{nobody};transport=tcp")).await;
    assert!(matches!(ending, Ending::Unreachable(_)), "{ending:?}");
}

/// What refuses this INVITE.
fn busy(invite: &str) -> String {
    let copied = |line: &&str| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let lines: String = invite.lines().filter(copied).map(|line| format!("{line}\r\n")).collect();
    let to = invite.lines().find(|line| line.starts_with("To:")).expect("a To");
    format!("SIP/2.0 486 Busy Here\r\n{lines}{to};tag=phone\r\nContent-Length: 0\r\n\r\n")
}

/// Takes an INVITE, refuses it, and returns it.
fn hears_a_datagram(phone: &UdpSocket) -> String {
    phone.set_read_timeout(Some(support::PATIENCE)).expect("a timeout");
    let mut buffer = [0; 65_536];
    let (length, from) = phone.recv_from(&mut buffer).expect("a datagram");
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    phone.send_to(busy(&invite).as_bytes(), from).expect("a datagram");
    invite
}

// M3261-18.1.1-01
#[tokio::test(flavor = "multi_thread")]
async fn an_invite_too_large_for_a_datagram_comes_by_tcp_and_by_udp_to_who_has_none() {
    let refused = Ending::Refused { status: 486, retry_after: None };
    let name = "n".repeat(250);
    // Given a phone that has UDP alone,
    let phone = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let to = format!("sip:bob@{}", phone.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || hears_a_datagram(&phone));
    // when it is called, then the INVITE is there, whatever its size.
    let house = House::new(dir(), UDP).await;
    assert_eq!(house.deliver_as(&name, &to).await, refused);
    let invite = asked.join().expect("an INVITE");
    assert!(invite.len() > 1300 && invite.contains("Via: SIP/2.0/UDP "), "{} octets: {invite}", invite.len());

    // And one that has both hears of it by TCP.
    let phone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = format!("sip:bob@{}", phone.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = phone.accept().expect("a connection");
        stream.set_read_timeout(Some(support::PATIENCE)).expect("a timeout");
        let (mut invite, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&invite).contains("a=file-selector") {
            let length = stream.read(&mut buffer).expect("octets");
            assert!(length > 0, "{invite:?}");
            invite.extend_from_slice(&buffer[..length]);
        }
        let invite = String::from_utf8_lossy(&invite).into_owned();
        stream.write_all(busy(&invite).as_bytes()).expect("octets");
        (stream, invite)
    });
    assert_eq!(house.deliver_as(&name, &to).await, refused);
    let (_stream, invite) = asked.join().expect("an INVITE");
    assert!(invite.contains("Via: SIP/2.0/TCP "), "{invite}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_whose_answers_would_find_no_tcp_there_calls_by_udp_whatever_the_size() {
    let phone = TcpListener::bind("127.0.0.1:0").expect("a port");
    phone.set_nonblocking(true).expect("a mode");
    let address = phone.local_addr().expect("an address");
    let ear = UdpSocket::bind(address).expect("a socket");
    let asked = std::thread::spawn(move || hears_a_datagram(&ear));
    let house = House::new(dir(), "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n").await;
    let refused = Ending::Refused { status: 486, retry_after: None };
    assert_eq!(house.deliver_as(&"n".repeat(250), &format!("sip:bob@{address}")).await, refused);
    let invite = asked.join().expect("an INVITE");
    assert!(invite.len() > 1300 && invite.contains("Via: SIP/2.0/UDP "), "{} octets: {invite}", invite.len());
    assert_eq!(phone.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

// M3261-8.1.2-01
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_reached_as_its_naptr_and_srv_records_say_and_at_the_next_place_where_nobody_is() {
    let place = dir();
    let (mut phone, address) = phone(place.path(), "tcp");
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let server = dns::serve(nobody.port(), port);
    let house = House::new(dir(), &format!("{UDP}nameservers = [\"{server}\"]\n")).await;
    assert_eq!(house.deliver("sip:bob@files.test").await, Ending::Delivered);
    assert_eq!(phone.json()["octets"], octets().len());
    let ending = house.deliver("sip:bob@elsewhere.test").await;
    assert!(matches!(ending, Ending::Unreachable(_)), "{ending:?}");
}

/// Kamailio as a proxy; it ends with the test.
struct Proxy {
    child: Child,
    port: u16,
    log: std::path::PathBuf,
}

impl Proxy {
    fn start(dir: &Path, authority: &Authority, next: u16, algorithm: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        authority.certify("localhost", 2100).write(dir);
        let text = include_str!("interop/proxy.cfg").replace("@DIR@", dir.to_str().expect("a plain path"));
        let text = text.replace("@PORT@", &free.port().to_string()).replace("@NEXT@", &next.to_string());
        let (file, log) = (dir.join("kamailio.cfg"), dir.join("kamailio.log"));
        fs::write(&file, text.replace("@ALGORITHM@", algorithm)).expect("a file");
        let mut command = Command::new("kamailio");
        command.args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"]).arg(dir).arg("-P").arg(dir.join("pid"));
        command.arg("-f").arg(file).stdout(Stdio::null()).stderr(File::create(&log).expect("a file"));
        let proxy = Self { child: command.spawn().expect("kamailio starts"), port: free.port(), log };
        eventually("Kamailio listens", || TcpStream::connect(free).ok());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Kamailio's log:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        // Its workers end when their parent is asked to; one that was shot would leave them.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_hand_on_through_a_proxy_over_tls_that_wants_credentials() {
    if missing("kamailio") {
        return;
    }
    for algorithm in ["MD5", "SHA-256"] {
        let (theirs, between, ours) = (dir(), dir(), dir());
        let authority = Authority::new();
        let (cert, key) = authority.certify("127.0.0.1", 2100).write(theirs.path());
        let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
        let variables = [
            ("RESTANTE_SIP__LISTEN", "tls:127.0.0.1:0"),
            ("RESTANTE_SIP__TLS__CERT", &text(&cert)),
            ("RESTANTE_SIP__TLS__KEY", &text(&key)),
            ("RESTANTE_CONTROL__UNATTENDED", "deposit"),
        ];
        let receiver = Server::start(theirs.path(), &variables);
        let proxy = Proxy::start(between.path(), &authority, receiver.sip("tls").port(), algorithm);
        let ca = text(&authority.write(ours.path()));
        for (password, ending) in [("open sesame", Ending::Delivered), ("guessed", Ending::Credentials)] {
            let file = between.path().join("password");
            fs::write(&file, password).expect("a file");
            let more = format!(
                "[sip]\nlisten = [\"tls:127.0.0.1:0\"]\ntls.client_ca = \"{ca}\"\n\
                 outbound.proxy = \"sip:localhost:{};transport=tls\"\noutbound.user = \"store\"\n\
                 outbound.password_file = \"{}\"\n",
                proxy.port,
                text(&file)
            );
            let house = House::new(dir(), &more).await;
            assert_eq!(house.deliver("sip:bob@localhost").await, ending, "{algorithm}");
        }
        let objects = support::server::json(theirs.path(), &["spool", "list", "--json", "--box", "bob"]);
        let sha256: String =
            <sha2::Sha256 as sha2::Digest>::digest(octets()).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(objects.len(), 1, "{objects:?}");
        assert_eq!(objects[0]["sha256"].as_str(), Some(sha256.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_whose_certificate_no_authority_of_ours_vouches_for_is_not_called() {
    if missing("kamailio") {
        return;
    }
    let (between, ours) = (dir(), dir());
    let proxy = Proxy::start(between.path(), &Authority::new(), 9, "MD5");
    let ca = Authority::new().write(ours.path());
    let more = format!(
        "[sip]\nlisten = [\"tls:127.0.0.1:0\"]\ntls.client_ca = \"{}\"\noutbound.proxy = \"sip:localhost:{};transport=tls\"\n",
        ca.display(),
        proxy.port
    );
    let house = House::new(dir(), &more).await;
    let ending = house.deliver("sip:bob@localhost").await;
    assert!(matches!(ending, Ending::Unreachable(_)), "{ending:?}");
}
