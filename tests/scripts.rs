//! Scripts against the real process: from the spool and from a web server, what is not fetched, what an INVITE brings,
//! what is begun anew, and files that it moves.

#[path = "scripts/invited.rs"]
mod invited;
#[path = "scripts/moved.rs"]
mod moved;
#[path = "scripts/restarted.rs"]
mod restarted;
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use support::deposit::{Plan, Promise, deposit};
use support::server::{House, run};
use support::sip::{Call, Message};

/// A script that ends at once and says so.
const SCRIPT: &str = "<?xml version=\"1.0\"?><moml version=\"1.0\" id=\"s\"><exit namelist=\"record.end\"/></moml>";

/// A web server for one answer a request, chosen by the path.
struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// `answer` is given the path and whether the request has a validator.
    fn serve(answer: impl Fn(&str, bool) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a client");
                let head = head(&mut stream);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let validated = head.to_ascii_lowercase().contains("if-none-match: \"v1\"");
                heard.lock().expect("nobody panicked").push(head.clone());
                let _ = stream.write_all(&answer(&path, validated)); // who has heard enough has hung up
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("nobody panicked").len()
    }

    /// A server that may fetch from here and from nowhere else.
    fn house(&self) -> House {
        House::new(&[("RESTANTE_POLICY__FETCH", &self.address.to_string())])
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut octet), Ok(1)) {
        head.push(octet[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn moved_to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Starts the dialog of this script on a control dialog's own connection, and gives how it ended.
fn end_of(house: &House, src: &str) -> Message {
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let (mut call, _) = Call::invite(house.server.sip("tcp"), "control", offer).expect("a control dialog");
    let conn = call.conn().to_owned();
    let start = format!(
        "<msml version=\"1.1\"><dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\" name=\"d\" src=\"{src}\"/></msml>"
    );
    let answer = call.msml(&start).expect("an answer");
    assert!(answer.body.contains("response=\"200\""), "the fetch is asynchronous: {answer:?}");
    call.event("msml.dialog.exit").expect("the end is told")
}

/// Why it was not run.
fn refusal(house: &House, src: &str) -> String {
    let exit = end_of(house, src);
    assert_eq!(exit.value("dialog.exit.status"), "423", "{src}: {exit:?}");
    exit.value("dialog.exit.description").to_owned()
}

// DC-4, DC-5
#[test]
fn a_script_of_the_spool_is_run() {
    let house = House::new(&[]);
    let mut promise = Promise::default();
    deposit(&house.server, &Plan::new("m1", SCRIPT.as_bytes().to_vec()), &mut promise).expect("a deposit");
    assert_eq!(end_of(&house, &promise.uri).value("record.end"), "undefined");
    assert!(refusal(&house, "spool:/bob/nothing").contains("there is no spool:/bob/nothing"));
    assert!(refusal(&house, "file:///etc/passwd").contains("there is no spool:/files/"), "file: is virtual");
}

// DC-4, attack S10
#[test]
fn a_script_by_http_is_run_and_asked_for_by_its_validator_the_next_time() {
    let web = Web::serve(|path, validated| match (path, validated) {
        ("/a.moml", true) => b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec(),
        ("/a.moml", false) => ok("ETag: \"v1\"\r\n", SCRIPT.as_bytes()),
        _ => moved_to("/a.moml"),
    });
    let house = web.house();
    for path in ["a.moml", "a.moml", "elsewhere"] {
        assert_eq!(end_of(&house, &format!("http://{}/{path}", web.address)).value("record.end"), "undefined");
    }
    let asked = web.asked.lock().expect("nobody panicked").clone();
    let validated = |head: &String| head.to_ascii_lowercase().contains("if-none-match");
    assert_eq!(asked.iter().map(validated).collect::<Vec<_>>(), [false, true, false, true]);
}

// Attack S10
#[test]
fn nothing_is_fetched_that_the_operator_has_not_allowed() {
    let web = Web::serve(|path, _| match path {
        "/to-metadata" => moved_to("http://169.254.169.254/latest/meta-data"),
        "/to-file" => moved_to("file:///etc/passwd"),
        "/round" => moved_to("/round"),
        _ => ok("", SCRIPT.as_bytes()),
    });
    let at = |path: &str| format!("http://{}/{path}", web.address);
    assert!(refusal(&House::new(&[]), &at("a.moml")).contains("policy.fetch does not allow 127.0.0.1"));
    assert_eq!(web.asked(), 0);
    let house = web.house();
    let port = web.address.port();
    for src in [
        format!("http://127.0.0.2:{port}/a"),
        format!("http://[::ffff:127.0.0.1]:{port}/a"),
        format!("http://localhost:{port}/a"),
        format!("http://user:secret@127.0.0.1:{port}/a"),
        format!("gopher://127.0.0.1:{port}/1"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        refusal(&house, &src);
    }
    assert_eq!(web.asked(), 0);
    assert!(refusal(&house, &at("to-metadata")).contains("does not allow 169.254.169.254"));
    assert!(refusal(&house, &at("to-file")).contains("file:"));
    assert!(refusal(&house, &at("round")).contains("redirects"));
    // A name on the list that leads inside: its network has to be on a list, too.
    let named = format!("localhost:{port}");
    let inside = House::new(&[("RESTANTE_POLICY__FETCH", &named)]);
    let why = refusal(&inside, &format!("http://localhost:{port}/a"));
    assert!(why.contains("policy.fetch_networks does not allow"), "{why}");
    let networks = ("RESTANTE_POLICY__FETCH_NETWORKS", "127.0.0.0/8,::1");
    let allowed = House::new(&[("RESTANTE_POLICY__FETCH", &named), networks]);
    assert_eq!(end_of(&allowed, &format!("http://localhost:{port}/a")).value("record.end"), "undefined");
    assert!(!house.server.log().contains("secret"), "credentials are not logged");
}

// DC-4, F-8
#[test]
fn a_script_that_is_no_script_fails_as_an_event_and_says_why() {
    let web = Web::serve(|path, _| match path {
        "/long" => ok("", &vec![b' '; 300 * 1024]),
        "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n<moml".to_vec(),
        "/missing" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        "/wrong" => ok("", b"<moml version=\"1.0\" id=\"s\"><recrod/></moml>"),
        _ => ok("", b"not XML"),
    });
    let house = web.house();
    let at = |path: &str| format!("http://{}/{path}", web.address);
    assert!(refusal(&house, &at("long")).contains("longer than 262144 octets"));
    refusal(&house, &at("short"));
    assert!(refusal(&house, &at("missing")).contains("answered 404"));
    let exit = |path| end_of(&house, &at(path));
    assert_eq!(exit("wrong").value("dialog.exit.status"), "401");
    assert!(exit("wrong").value("dialog.exit.description").contains("recrod"));
    assert_eq!(exit("text").value("dialog.exit.status"), "400");
    // And the server has not been harmed.
    assert!(house.server.http("/livez").starts_with("HTTP/1.1 200"));
    assert!(run(house.dir.path(), &["spool", "list"]).status.success());
}
