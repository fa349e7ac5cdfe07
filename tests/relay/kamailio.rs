//! Files both ways through Kamailio's msrp module.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustls::version::TLS13;
use tempfile::TempDir;

use super::behind;
use super::card::{Authority, Card};
use super::phone::{Deposit, call, description, finish};
use super::support::deposit::Plan;
use super::support::server::Server;
use super::support::{eventually, missing};
use super::wire;

const CONFIGURATION: &str = include_str!("../interop/kamailio.cfg");

/// Well above what Kamailio takes in one frame (14 KiB), and above several of our own chunks.
const OCTETS: u32 = 200_000;

/// Kamailio at work; it ends with the test.
struct Kamailio {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Kamailio {
    fn start(dir: &Path, authority: &Authority) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        authority.certify("localhost", 2100).write(dir);
        let text = CONFIGURATION.replace("@DIR@", dir.to_str().expect("a plain path"));
        let file = dir.join("kamailio.cfg");
        fs::write(&file, text.replace("@PORT@", &free.port().to_string())).expect("a file");
        let log = dir.join("kamailio.log");
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"])
            .arg(dir)
            .arg("-P")
            .arg(dir.join("pid"))
            .arg("-f")
            .arg(file);
        let child =
            command.stdout(Stdio::null()).stderr(File::create(&log).expect("a file")).spawn().expect("kamailio starts");
        let kamailio = Self { child, address: free, log };
        eventually("Kamailio listens", || TcpStream::connect(free).ok());
        kamailio
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Kamailio's log:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        // Its workers end when their parent is asked to; one that was shot would leave them.
        if let Ok(pid) = i32::try_from(self.child.id()).map(rustix::process::Pid::from_raw)
            && let Some(pid) = pid
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

struct House {
    server: Server,
    relay: Kamailio,
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let authority = Authority::new();
        let relay = Kamailio::start(dir.path(), &authority);
        let server = behind(dir.path(), &authority, relay.address.port(), &[]);
        Self { server, relay, dir }
    }

    /// A phone deposits the file by way of the relay.
    fn deposit(&self, plan: &Plan) {
        let deposit = Deposit::active(&self.server, plan, &[]);
        let relay = format!("msrps://localhost:{}/", self.relay.address.port());
        assert!(deposit.answer.attribute("path").starts_with(&relay), "{:?}", deposit.answer);
        assert_eq!(deposit.answer.attribute("path").split(' ').count(), 2);
        finish(deposit.over(wire::connect(self.relay.address, None, &TLS13).expect("the relay answers")));
    }

    /// A phone that waits for the relay's connection deposits the file. The relay learns from our greeting where it is.
    fn deposit_by_a_listener(&self, plan: &Plan) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let path = format!("msrps://127.0.0.1:{port}/s{};tcp", plan.message_id); // Kamailio looks names up by DNS alone
        let deposit = Deposit::offer(&self.server, plan, &path, "passive", &[]);
        assert_eq!(deposit.answer.attribute("setup"), "active", "{:?}", deposit.answer);
        let mut depositor =
            deposit.over(wire::accept(&listener, &Card::own("localhost"), &TLS13).expect("the relay connects"));
        let greeting = depositor.stream.read().expect("a greeting");
        assert_eq!(greeting.header("To-Path"), path, "the relay has taken itself out");
        depositor.stream.accept(&greeting).expect("the relay listens");
        finish(depositor);
    }

    /// A phone gets this object played by way of the relay; what arrives, and the longest frame.
    fn retrieve(&self, uri: &str) -> (Vec<u8>, usize) {
        let local = "msrps://127.0.0.1:9/sback;tcp";
        let (mut call, answer) = call(&self.server, &description(local, &["a=recvonly", "a=setup:active"]));
        assert_eq!(answer.status(), 200, "{answer:?}");
        let mut stream = wire::connect(self.relay.address, None, &TLS13).expect("the relay answers").stream;
        assert_eq!(stream.greet(answer.attribute("path"), local).expect("an answer").status(), 200);
        call.start(&format!("<play><audio uri=\"{uri}\"/></play><exit namelist=\"play.end\"/>")).expect("a result");
        let (mut content, mut longest) = (Vec::new(), 0);
        loop {
            let frame = stream.read().expect("a frame");
            if frame.what != "SEND" {
                continue;
            }
            stream.accept(&frame).expect("the relay listens");
            let mut numbers = frame.header("Byte-Range").split(['-', '/']).map(|number| number.parse::<usize>().ok());
            let start = numbers.next().flatten().expect("a start");
            let total = numbers.nth(1).flatten().expect("a total");
            longest = longest.max(frame.body.len());
            content.resize(content.len().max(start - 1 + frame.body.len()), 0);
            content[start - 1..start - 1 + frame.body.len()].copy_from_slice(&frame.body);
            if frame.flag == b'$' && !frame.body.is_empty() {
                stream.report(&frame, total).expect("the relay listens");
                break;
            }
        }
        let exit = call.event("msml.dialog.exit").expect("an exit");
        assert_eq!(exit.value("play.end"), "play.complete", "{exit:?}");
        call.bye().expect("an answer");
        (content, longest)
    }
}

// M4976-5.1-02 M4976-5.1-03 M4976-5.2-01 M4976-9.4-01 M4976-9.2-01 M4976-8-03 M4976-6.4.1-01
#[test]
fn a_file_goes_in_and_comes_back_through_kamailio_in_frames_that_it_takes() {
    if missing("kamailio") {
        return;
    }
    let house = House::new();
    let plan = Plan::new("through", (0..OCTETS).map(|n| (n % 251) as u8).collect());
    house.deposit(&plan);
    let objects = super::support::server::json(house.dir.path(), &["spool", "list", "--json", "--box", "bob"]);
    assert_eq!(objects[0]["sha256"].as_str(), Some(plan.sha256().as_str()));
    let uri = objects[0]["uri"].as_str().expect("a URI");
    let (content, longest) = house.retrieve(uri);
    assert!(content == plan.content, "{} octets came back", content.len());
    assert!(longest <= 8192, "{longest}");
}

// M6135-4.5-01
#[test]
fn kamailio_connects_for_us_to_a_phone_that_listens() {
    if missing("kamailio") {
        return;
    }
    let house = House::new();
    let plan = Plan::new("listens", (0..OCTETS).map(|n| (n % 241) as u8).collect());
    house.deposit_by_a_listener(&plan);
    let objects = super::support::server::json(house.dir.path(), &["spool", "list", "--json", "--box", "bob"]);
    assert_eq!(objects[0]["sha256"].as_str(), Some(plan.sha256().as_str()));
}
