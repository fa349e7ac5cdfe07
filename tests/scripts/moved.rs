//! Files that a script moves: `<transfer>` and `<fileop>`, between objects, a web server and the peer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::support::deposit::{Plan, Promise, deposit};
use super::support::eventually;
use super::support::http::{ask, items};
use super::support::msrp::{Message as File, Stream};
use super::support::server::{House, json};
use super::support::sip::{Call, HEAD, Message, description};

const NAMELIST: &str = "transfer.end transfer.duration ft.result ft.uri ft.hash ft.size ft.type ft.name ft.objects";

/// A control dialog, which needs no stream for all this.
fn control(house: &House) -> Call {
    Call::invite(house.server.sip("tcp"), "control", HEAD).expect("a control dialog").0
}

/// Runs these steps, and gives what the exit tells.
fn exit_of(house: &House, steps: &str) -> Message {
    let mut call = control(house);
    let answer = call.start(&format!("{steps}<exit namelist=\"{NAMELIST}\"/>")).expect("an answer");
    assert!(answer.body.contains("response=\"200\""), "{answer:?}");
    call.event("moml.exit").expect("the end is told")
}

/// `transfer.end` and `ft.result`.
fn result_of(exit: &Message) -> (&str, &str) {
    (exit.value("transfer.end"), exit.value("ft.result"))
}

const COMPLETE: (&str, &str) = ("transfer.complete", "ft.success");

fn failed(result: &'static str) -> (&'static str, &'static str) {
    ("transfer.failed", result)
}

fn hash(content: &[u8]) -> String {
    let octets: String = Sha256::digest(content).iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha-256:{octets}")
}

fn op(operation: &str, src: &str, dest: &str) -> String {
    format!("<fileop operation=\"{operation}\" src=\"{src}\" dest=\"{dest}\"/>")
}

fn content(octets: u32) -> Vec<u8> {
    (0..octets).map(|n| (n % 241) as u8).collect()
}

/// A house with one object, and its name.
fn stocked(house: House, octets: &[u8]) -> (House, String) {
    let mut promise = Promise::default();
    deposit(&house.server, &Plan::new("m1", octets.to_vec()), &mut promise).expect("a deposit");
    (house, promise.uri)
}

// Transfer package: fileop, transfer.end, transfer.duration
#[test]
fn an_object_is_copied_put_behind_another_moved_and_deleted_and_each_time_the_exit_tells() {
    let file = content(300_000);
    let (house, uri) = stocked(House::new(&[]), &file);
    let copied = exit_of(&house, &op("copy", &uri, "spool:/bob/copy"));
    assert_eq!(result_of(&copied), COMPLETE, "{copied:?}");
    assert_eq!((copied.value("ft.uri"), copied.value("ft.hash")), ("spool:/bob/copy", hash(&file).as_str()));
    assert_eq!((copied.value("ft.name"), copied.value("ft.type")), ("m1.bin", "application/octet-stream"));
    assert!(copied.value("transfer.duration").parse::<u64>().is_ok(), "{copied:?}");
    let again = op("copy", &uri, "spool:/bob/copy");
    assert_eq!(result_of(&exit_of(&house, &again)), failed("ft.rejected.431"), "what is there is not replaced");
    let replaced = exit_of(&house, &again.replace("/>", " overwrite=\"true\"/>"));
    assert_eq!((result_of(&replaced), replaced.value("ft.size")), (COMPLETE, "300000"));
    let appended = exit_of(&house, &op("append", &uri, "spool:/bob/copy"));
    assert_eq!(result_of(&appended), COMPLETE, "{appended:?}");
    assert_eq!(appended.value("ft.hash"), hash(&[file.clone(), file.clone()].concat()));
    let moved = exit_of(&house, &op("move", "spool:/bob/copy", "file:///media/a.bin"));
    assert_eq!((result_of(&moved), moved.value("ft.size")), (COMPLETE, "600000"));
    let gone = op("copy", "spool:/bob/copy", "spool:/eve/");
    assert_eq!(result_of(&exit_of(&house, &gone)), failed("ft.rejected.430"), "it was moved");
    let delete = "<fileop id=\"o\" operation=\"delete\" src=\"file:///media/a.bin\"/>";
    assert_eq!(result_of(&exit_of(&house, delete)), COMPLETE);
    assert_eq!(result_of(&exit_of(&house, delete)), failed("ft.rejected.430"));
}

// Transfer package: transfer, fileobj, messageobj, content, transferstart, transferobjstart, transferobjdone, transferexit
#[test]
fn a_transfer_tells_of_its_beginning_its_files_and_its_end_and_stops_at_the_first_that_fails() {
    let (house, uri) = stocked(House::new(&[]), b"one");
    let say = |event: &str, names: &str| format!("<send target=\"source\" event=\"{event}\" namelist=\"{names}\"/>");
    let steps = format!(
        "<transfer id=\"t\" maxtime=\"60s\">\
         <fileobj src=\"{uri}\" dest=\"spool:/bob/a\" objid=\"first\" contenttype=\"text/x-a\"/>\
         <messageobj dest=\"spool:/bob/b\" objid=\"second\"><content>h&amp;llo</content></messageobj>\
         <fileobj src=\"{uri}\" dest=\"spool:/bob/c\" objid=\"third\" delete=\"true\"/>\
         <fileobj src=\"spool:/bob/none\" dest=\"spool:/bob/d\" objid=\"fourth\"/>\
         <fileobj src=\"spool:/bob/a\" dest=\"spool:/bob/e\"/>\
         <transferstart>{}</transferstart><transferobjstart>{}</transferobjstart>\
         <transferobjdone>{}</transferobjdone><transferexit>{}</transferexit></transfer>",
        say("begun", "transfer.end"),
        say("next", "transfer.objid"),
        say("done", "transfer.objid ft.uri ft.type ft.hash ft.result"),
        say("over", "transfer.t.end ft.objects"),
    );
    let mut call = control(&house);
    call.start(&format!("{steps}<exit namelist=\"{NAMELIST}\"/>")).expect("an answer");
    let mut next = |name: &str| {
        let event = call.next_request().expect("an event");
        assert!(event.is_event(name), "{name}: {event:?}");
        event
    };
    next("begun");
    for (objid, uri, kind, octets) in [
        ("first", "spool:/bob/a", "text/x-a", &b"one"[..]),
        ("second", "spool:/bob/b", "text/plain", b"h&llo"),
        ("third", "spool:/bob/c", "application/octet-stream", b"one"),
    ] {
        assert_eq!(next("next").value("transfer.objid"), objid);
        let done = next("done");
        assert_eq!((done.value("transfer.objid"), done.value("ft.uri"), done.value("ft.type")), (objid, uri, kind));
        assert_eq!((done.value("ft.hash"), done.value("ft.result")), (hash(octets).as_str(), "ft.success"));
    }
    assert_eq!(next("next").value("transfer.objid"), "fourth");
    assert_eq!(next("done").value("ft.result"), "ft.rejected.430");
    let over = next("over");
    assert_eq!((over.value("transfer.t.end"), over.value("ft.objects")), ("transfer.failed", "3"));
    assert_eq!(result_of(&next("moml.exit")), failed("ft.rejected.430"));
    let gone = op("copy", &uri, "spool:/bob/f");
    assert_eq!(result_of(&exit_of(&house, &gone)), failed("ft.rejected.430"), "delete=\"true\" has deleted it");
    let unreached = op("copy", "spool:/bob/e", "spool:/bob/f");
    assert_eq!(result_of(&exit_of(&house, &unreached)), failed("ft.rejected.430"), "nothing begins after a failure");
}

/// What a web server was given: paths and bodies.
type Deliveries = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A web server that answers by path and keeps what is put to it.
struct Shelf {
    address: String,
    put: Deliveries,
}

impl Shelf {
    fn new(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let put = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&put);
        thread::spawn(move || {
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream: TcpStream = stream.expect("a client");
                let head = super::head(&mut stream);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.filter(|_| path != "/hasty").unwrap_or(0)];
                if stream.read_exact(&mut body).is_ok() && head.starts_with("PUT ") {
                    kept.lock().expect("nobody panicked").push((head, body));
                }
                let _ = stream.write_all(&answer(&path, number)); // who has heard enough has hung up
                if path == "/silent" {
                    open.push(stream);
                }
            }
        });
        Self { address, put }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A server that may fetch from here and put here.
    fn house(&self) -> House {
        House::new(&[("RESTANTE_POLICY__FETCH", &self.address), ("RESTANTE_POLICY__PUT", &self.address)])
    }
}

fn empty(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

// Transfer package: http, policy.fetch, policy.put, attack S10
#[test]
fn files_come_from_sites_and_go_to_sites_that_the_operator_has_listed_and_no_others() {
    let file = content(700_000);
    let served = file.clone();
    let shelf = Shelf::new(move |path, _| match path {
        "/a%20b.wav" => super::ok("Content-Type: audio/wav\r\n", &served),
        "/moved" => super::moved_to("/a%20b.wav"),
        "/away" => super::moved_to("http://169.254.169.254/"),
        "/broken" => b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nhalf".to_vec(),
        "/in" => empty("201 Created"),
        "/full" => empty("507 Insufficient Storage"),
        _ => empty("404 Not Found"),
    });
    let house = shelf.house();
    let fetched = exit_of(&house, &op("copy", &shelf.url("/moved"), "spool:/bob/a"));
    assert_eq!(result_of(&fetched), COMPLETE, "{fetched:?}");
    assert_eq!((fetched.value("ft.hash"), fetched.value("ft.name")), (hash(&file).as_str(), "a b.wav"));
    assert_eq!(fetched.value("ft.type"), "audio/wav");
    assert_eq!(result_of(&exit_of(&house, &op("move", "spool:/bob/a", &shelf.url("/in")))), COMPLETE);
    let (head, body) = shelf.put.lock().expect("nobody panicked").pop().expect("a file");
    assert!(head.starts_with("PUT /in ") && head.to_ascii_lowercase().contains("content-type: audio/wav"), "{head}");
    assert!(body == file, "{} octets of {}", body.len(), file.len());
    assert_eq!(result_of(&exit_of(&house, &op("copy", "spool:/bob/a", "spool:/bob/b"))), failed("ft.rejected.430"));
    for (path, result) in [("/none", "ft.rejected.430"), ("/away", "ft.rejected.410"), ("/broken", "ft.disconnected")] {
        assert_eq!(
            result_of(&exit_of(&house, &op("copy", &shelf.url(path), "spool:/bob/b"))),
            failed(result),
            "{path}"
        );
    }
    let text = |url: &str| format!("<transfer><messageobj dest=\"{url}\"><content>x</content></messageobj></transfer>");
    assert_eq!(result_of(&exit_of(&house, &text(&shelf.url("/full")))), failed("ft.rejected.507"));
    assert_eq!(result_of(&exit_of(&house, &text("http://127.0.0.1:1/in"))), failed("ft.rejected.410"));
    assert_eq!(
        result_of(&exit_of(&house, &op("copy", "http://127.0.0.1:1/a", "spool:/bob/b"))),
        failed("ft.rejected.410")
    );
}

// Transfer package: move
#[test]
fn a_site_that_thanks_before_it_has_the_file_gets_no_move_and_the_object_stays() {
    let shelf = Shelf::new(|_, _| empty("200 OK"));
    let (house, uri) = stocked(shelf.house(), &content(16 << 20));
    let moved = exit_of(&house, &op("move", &uri, &shelf.url("/hasty")));
    assert_eq!(moved.value("transfer.end"), "transfer.failed", "{moved:?}");
    assert_eq!(result_of(&exit_of(&house, &op("copy", &uri, "spool:/bob/b"))), COMPLETE);
}

// Transfer package: copy, move
#[test]
fn a_script_gets_nothing_of_an_object_that_an_operator_holds() {
    let shelf = Shelf::new(|_, _| empty("201 Created"));
    let (house, uri) = stocked(shelf.house(), &content(1000));
    let id = json(house.dir.path(), &["spool", "list", "--json"])[0]["id"].as_str().expect("an id").to_owned();
    let hold = format!("POST /api/v1/objects/{id}/hold");
    assert_eq!(ask(house.server.door(), &hold, &["Content-Length: 0"]).status, 200);
    for dest in ["spool:/bob/b", &shelf.url("/in")] {
        assert_eq!(result_of(&exit_of(&house, &op("move", &uri, dest))), failed("ft.storage"), "{dest}");
    }
    assert!(shelf.put.lock().expect("nobody panicked").is_empty());
}

// Transfer package: retry, wait, delay, ftt, itt, starttimer
#[test]
fn a_file_that_has_failed_is_tried_again_as_often_as_the_script_says() {
    let shelf = Shelf::new(|path, number| match (path, number) {
        ("/silent", _) => b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf".to_vec(),
        (_, 0 | 1) => empty("503 Service Unavailable"),
        _ => super::ok("", b"there"),
    });
    let house = shelf.house();
    let get = |of_transfer: &str, of_file: &str, path: &str| {
        let url = shelf.url(path);
        format!("<transfer {of_transfer}><fileobj src=\"{url}\" dest=\"spool:/bob/\" {of_file}/></transfer>")
    };
    assert_eq!(result_of(&exit_of(&house, &get("retry=\"9\"", "retry=\"0\"", "/a"))), failed("ft.rejected.503"));
    let tried = exit_of(&house, &get("retry=\"1\" delay=\"3600s\"", "wait=\"10ms\"", "/a"));
    assert_eq!((result_of(&tried), tried.value("ft.size")), (COMPLETE, "5"));
    let silent = exit_of(&house, &get("ftt=\"9s\" itt=\"100ms\" starttimer=\"true\"", "", "/silent"));
    assert_eq!(result_of(&silent), failed("ft.timeout.idle"));
}

// Transfer package: initial, maxtime, terminate, transmit
#[test]
fn a_transfer_is_held_let_go_limited_and_broken_off() {
    let shelf = Shelf::new(|path, _| match path {
        "/silent" => b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf".to_vec(),
        _ => super::ok("", b"there"),
    });
    let house = shelf.house();
    let get = |attributes: &str, path: &str| {
        let url = shelf.url(path);
        format!(
            "<transfer {attributes}><fileobj src=\"{url}\" dest=\"spool:/bob/\"/></transfer><exit namelist=\"{NAMELIST}\"/>"
        )
    };
    let mut call = control(&house);
    let send = |call: &Call, event: &str| {
        let target = format!("conn:{}/dialog:d/transfer", call.conn());
        format!("<msml version=\"1.1\"><send event=\"{event}\" target=\"{target}\"/></msml>")
    };
    call.start(&get("initial=\"suspend\"", "/a")).expect("an answer");
    let go = send(&call, "transmit");
    assert!(call.msml(&go).expect("an answer").body.contains("response=\"200\""));
    assert_eq!(result_of(&call.event("moml.exit").expect("the end is told")), COMPLETE);
    call.start(&get("maxtime=\"200ms\"", "/silent")).expect("an answer");
    assert_eq!(result_of(&call.event("moml.exit").expect("the end is told")), failed("ft.timeout.max"));
    call.start(&get("", "/silent")).expect("an answer");
    let stop = send(&call, "terminate");
    call.msml(&stop).expect("an answer");
    let stopped = call.event("moml.exit").expect("the end is told");
    assert_eq!((result_of(&stopped), stopped.value("ft.objects")), (failed("ft.aborted.local"), "0"));
    eventually("what had come is gone", || {
        let stages = std::fs::read_dir(house.dir.path().join("spool/stage")).expect("a folder");
        (stages.count() == 0).then_some(())
    });
}

// Transfer package: xmsrp as src and dest, delete
#[test]
fn a_transfer_takes_the_peers_next_message_and_sends_it_back_under_another_name_and_type() {
    let house = House::new(&[]);
    let offer = description("p1", &["a=sendrecv"]);
    let (mut call, answer) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
    let (to, from) = (answer.attribute("path").to_owned(), "msrp://127.0.0.1:9/p1;tcp".to_owned());
    let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
    assert_eq!(stream.greet(&to, &from).expect("an answer").status(), 200);
    let script = format!(
        "<transfer retry=\"1\"><fileobj src=\"xmsrp:\" dest=\"spool:/bob/echo\"/>\
         <fileobj src=\"spool:/bob/echo\" dest=\"xmsrp://?offerer=a;answerer=b;file=new%20name\" \
         contenttype=\"text/x-echo\" delete=\"true\"/></transfer><exit namelist=\"{NAMELIST}\"/>"
    );
    assert!(call.start(&script).expect("an answer").body.contains("response=\"200\""));
    let file = File { to, from, id: "m1".to_owned(), total: 5 };
    stream.write(&file.chunk(0, b"hello").1).expect("a connection");
    let sent = loop {
        let frame = stream.read().expect("a frame");
        if frame.what == "SEND" {
            break frame;
        }
    };
    assert_eq!((sent.header("Content-Type"), &sent.body[..]), ("text/x-echo", &b"hello"[..]));
    assert!(sent.header("Content-Disposition").contains("new name"), "{:?}", sent.headers);
    stream.accept(&sent).expect("a connection");
    stream.report(&sent, 5).expect("a connection");
    let exit = call.event("moml.exit").expect("the end is told");
    assert_eq!((result_of(&exit), exit.value("ft.objects")), (COMPLETE, "2"), "{exit:?}");
    let gone = op("copy", "spool:/bob/echo", "spool:/bob/again");
    assert_eq!(result_of(&exit_of(&house, &gone)), failed("ft.rejected.430"), "it was deleted when the peer had it");
}

// Transfer package: ftt, itt, retry from the peer
#[test]
fn a_peer_that_sends_nothing_is_waited_for_as_long_as_the_script_says() {
    let house = House::new(&[]);
    let offer = description("p1", &["a=sendrecv"]);
    let (mut call, _) = Call::invite(house.server.sip("tcp"), "bob", &offer).expect("an answer");
    let receive = "<fileobj src=\"xmsrp:\" dest=\"spool:/bob/\"/>";
    let exit = format!("<exit namelist=\"{NAMELIST}\"/>");
    call.start(&format!("<transfer ftt=\"50ms\" retry=\"1\" delay=\"10ms\">{receive}</transfer>{exit}"))
        .expect("an answer");
    assert_eq!(result_of(&call.event("moml.exit").expect("the end is told")), failed("ft.timeout.first"));
    let held = "<transfer ftt=\"50ms\" starttimer=\"false\" maxtime=\"200ms\">";
    call.start(&format!("{held}{receive}</transfer>{exit}")).expect("an answer");
    assert_eq!(result_of(&call.event("moml.exit").expect("the end is told")), failed("ft.timeout.max"));
    let mut other = control(&house);
    other.start(&format!("<transfer>{receive}</transfer>{exit}")).expect("an answer");
    assert_eq!(result_of(&other.event("moml.exit").expect("the end is told")), failed("ft.rejected.441"));
}

#[test]
fn octets_that_have_rotted_are_neither_copied_nor_put_before_others() {
    let file = content(300_000);
    let (house, uri) = stocked(House::new(&[]), &file);
    let mut promise = Promise::default();
    deposit(&house.server, &Plan::new("m2", b"sound".to_vec()), &mut promise).expect("a deposit");
    let id = uri.rsplit('/').next().expect("a name");
    let body = house.dir.path().join("spool/data").join(&id[25..]).join(id);
    let mut rotten = file.clone();
    rotten[150_000] ^= 1;
    std::fs::write(&body, &rotten).expect("a flipped bit");
    let exit = exit_of(&house, &op("append", &promise.uri, &uri));
    assert_eq!(exit.value("ft.result"), "ft.storage", "{exit:?}");
    assert_eq!(
        result_of(&exit_of(&house, &op("copy", &uri, "spool:/eve/"))),
        failed("ft.rejected.430"),
        "it is set aside"
    );
}

#[test]
fn what_the_law_holds_is_not_moved_and_leaves_no_copy() {
    let (house, uri) = stocked(House::new(&[]), b"evidence");
    let id = uri.rsplit('/').next().expect("a name");
    let door = house.server.door();
    let hold = format!("POST /api/v1/objects/{id}/hold?legal=true");
    assert_eq!(ask(door, &hold, &["Content-Length: 0"]).status, 200);
    let exit = exit_of(&house, &op("move", &uri, "spool:/eve/copy"));
    assert_eq!(exit.value("ft.result"), "ft.storage", "{exit:?}");
    assert_eq!(items(door, "/api/v1/objects").len(), 1);
    assert_eq!(result_of(&exit_of(&house, &op("copy", &uri, "spool:/eve/copy"))), COMPLETE, "a copy it may have");
}
