//! A page in a real browser deposits a picture over `wss` and fetches it back (RFC 7977). The browser's SIP leg is played
//! here: the page's offers come by HTTP, as they would come to the application that serves it.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use support::missing;
use support::server::{Server, json};
use support::sip::Call;

/// A browser takes its time to start, on a busy machine a lot of it.
const PATIENCE: Duration = Duration::from_secs(90);

const PHOTO: &[u8] = include_bytes!("media/photo.jpg");

const RECORD: &str = "<record dest=\"spool:/dana/\" format=\"image/jpeg\" maxtime=\"60s\"/>\
                      <exit namelist=\"record.end record.recordid\"/>";

/// A browser without a window. It and all its helpers are killed when it goes out of scope.
struct Browser(Child);

impl Browser {
    fn open(profile: &Path, url: &str) -> Self {
        let mut command = Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--disable-dev-shm-usage", "--disable-breakpad", "--ignore-certificate-errors"]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
        command.env("HOME", profile).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.process_group(0).spawn().expect("chromium runs"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL); // it may have ended
        let _ = self.0.wait();
    }
}

/// Serves the page and places its calls.
struct Application {
    sip: SocketAddr,
    /// The page's call; a new one ends the one before.
    call: Mutex<Option<Call>>,
    done: mpsc::Sender<String>,
}

impl Application {
    /// Listens, and gives the address of the page.
    fn open(sip: SocketAddr, done: mpsc::Sender<String>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let application = Arc::new(Self { sip, call: Mutex::new(None), done });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let application = Arc::clone(&application);
                std::thread::spawn(move || application.serve(stream));
            }
        });
        address
    }

    /// One request, one answer. A browser also connects only to be quick later: then there is none.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
        let mut octets = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                octets = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; octets];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let (status, kind, answer) = self.answer(&path, body);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            answer.len()
        );
        let mut stream = reader.into_inner();
        stream.write_all(&[head.as_bytes(), &answer].concat()).ok()
    }

    fn answer(&self, path: &str, body: String) -> (&'static str, &'static str, Vec<u8>) {
        let html = "text/html; charset=utf-8";
        match path {
            "/" => ("200 OK", html, include_bytes!("interop/browser/index.html").to_vec()),
            "/page.js" => ("200 OK", "text/javascript", include_bytes!("interop/browser/page.js").to_vec()),
            "/msrp.js" => ("200 OK", "text/javascript", include_bytes!("interop/browser/msrp.js").to_vec()),
            "/photo.jpg" => ("200 OK", "image/jpeg", PHOTO.to_vec()),
            "/call/record" => self.place(RECORD, &body),
            "/call/play" => {
                let uri = self.recorded();
                self.place(&format!("<play><audio uri=\"{uri}\"/></play>"), &body)
            }
            "/done" => {
                let _ = self.done.send(body); // the test may have given up
                ("200 OK", html, Vec::new())
            }
            _ => ("404 Not Found", html, Vec::new()),
        }
    }

    /// Calls with the page's offer, has this script run on the call, and gives the answer.
    fn place(&self, script: &str, offer: &str) -> (&'static str, &'static str, Vec<u8>) {
        let (mut call, answer) = Call::invite(self.sip, "dana", offer).expect("an answer");
        if answer.status() != 200 {
            return ("502 Bad Gateway", "text/plain", answer.start.into_bytes());
        }
        let result = call.start(script).expect("an answer");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
        ("200 OK", "application/sdp", answer.body.into_bytes())
    }

    /// Waits for the end of the recording and hangs up.
    fn recorded(&self) -> String {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a recording");
        let exit = call.event("msml.dialog.exit").expect("an event");
        assert_eq!(exit.value("record.end"), "record.complete", "{exit:?}");
        call.bye().expect("an answer");
        exit.value("record.recordid").to_owned()
    }
}

// M7977-5.1-02 M7977-9-01 M7977-5.2.2-01 M7977-5.1-01
#[test]
fn a_browser_deposits_a_picture_and_fetches_the_same_picture() {
    if missing("chromium") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let profile = TempDir::new().expect("a directory");
    let server = Server::start(dir.path(), &[("RESTANTE_MSRP__LISTEN", "tcp:127.0.0.1:0,wss:127.0.0.1:0")]);
    let (done, outcome) = mpsc::channel();
    let page = Application::open(server.sip("tcp"), done);
    let url = format!("http://{page}/?server=wss://{}/", server.msrp_by("wss"));
    let _browser = Browser::open(profile.path(), &url);
    let outcome = outcome.recv_timeout(PATIENCE).expect("the page comes to an end");
    assert_eq!(outcome, "the same picture");
    let objects = json(dir.path(), &["spool", "list", "--json", "--box", "dana"]);
    assert_eq!((objects.len(), objects[0]["size"].as_u64()), (1, Some(PHOTO.len() as u64)), "{objects:?}");
}
