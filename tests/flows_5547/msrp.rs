//! The same flows with their MSRP frames: what SDP has agreed on is bound to a connection, and the file goes through.

use bytes::Bytes;
use restante::model::{Digest, FileInfo, Machine, Mint, Now, Outbox, Ranges};
use restante::msrp::{
    Config, Connection, FailureReport, Input, MsrpUri, OutboundKey, OutboundSpec, Output, SessionKey, SessionMatch,
    SessionSpec,
};
use restante::sdp::{Direction, FileOffer, OfferedStream, Role, Wish, answer, offer, read_answer, read_offer, reoffer};

use sha1::{Digest as _, Sha1};

use super::texts::*;

/// One connection of Restante's, with the stage it writes to and the file it reads from.
struct Line {
    connection: Connection,
    out: Outbox<Output>,
    /// What it has said since it was last asked.
    wire: Vec<u8>,
    stage: Vec<u8>,
    source: Vec<u8>,
}

impl Line {
    fn new() -> Self {
        let connection = Connection::new(Config::default(), Mint::from_number(5547));
        Self { connection, out: Outbox::new(), wire: Vec::new(), stage: Vec::new(), source: Vec::new() }
    }

    /// Gives one input, performs what can be performed at once, and returns the rest of the outputs.
    fn give(&mut self, input: Input) -> Vec<Output> {
        let mut rest = Vec::new();
        self.connection.handle(Now::default(), input, &mut self.out);
        while let Some(output) = self.out.pop() {
            let done = match output {
                Output::Transmit(octets) => {
                    self.wire.extend_from_slice(&octets);
                    Input::Sent(octets.len())
                }
                Output::Write { message, offset, octets } => {
                    assert_eq!(offset, self.stage.len() as u64);
                    self.stage.extend_from_slice(&octets);
                    Input::Written { message, octets: octets.len() }
                }
                Output::Fetch { message, offset, octets } => {
                    let start = offset as usize;
                    let end = self.source.len().min(start + octets);
                    Input::Fetched { message, offset, octets: Bytes::copy_from_slice(&self.source[start..end]) }
                }
                output => {
                    rest.push(output);
                    continue;
                }
            };
            self.connection.handle(Now::default(), done, &mut self.out);
        }
        rest
    }

    /// Erin says these octets.
    fn hear(&mut self, text: &str) -> Vec<Output> {
        self.give(Input::Octets(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// Restante has said exactly this since it was last asked; `{0}`, `{1}` are the ids of its transactions.
    fn assert_said(&mut self, expected: &str) -> Vec<String> {
        let said = String::from_utf8(std::mem::take(&mut self.wire)).expect("text");
        let tids: Vec<String> = said
            .split("\r\n")
            .filter_map(|line| Some(line.strip_prefix("MSRP ")?.split(' ').next()?.to_owned()))
            .collect();
        let expected = tids
            .iter()
            .enumerate()
            .fold(expected.to_owned(), |text, (index, tid)| text.replace(&format!("{{{index}}}"), tid));
        assert_eq!(said, expected);
        tids
    }

    /// A knock for this session is answered with it.
    fn open(&mut self, heard: &[Output], session: &SessionSpec) -> Vec<Output> {
        let [Output::Knock { to_path, .. }] = heard else { panic!("{heard:?}") };
        assert!(to_path[0].matches(&session.local));
        self.give(Input::Bind(session.clone()))
    }

    /// The message that has just arrived is taken; the outputs are those of the grant.
    fn take(&mut self, heard: &[Output]) -> Vec<Output> {
        let arrived = heard.iter().find_map(|output| match output {
            Output::Arrived { message, head, .. } if head.content_type == "message/cpim" => Some(*message),
            _ => None,
        });
        let message = arrived.unwrap_or_else(|| panic!("{heard:?}"));
        self.give(Input::Receive { message, resume: Ranges::new(), limit: u64::MAX })
    }

    /// The message that is complete has these octets, and the file in it is the selected one; it is committed.
    fn assert_received(&mut self, heard: &[Output], content: &str, selector: &FileInfo) {
        let [Output::Complete { message, total }] = heard else { panic!("{heard:?}") };
        assert_eq!((*total, self.stage.as_slice()), (content.len() as u64, content.as_bytes()));
        let file = content.rsplit_once("\r\n\r\n").expect("headers of a wrapper").1;
        assert_eq!(selector.digests, [Digest::sha1(Sha1::digest(file).into())]);
        assert!(selector.size.is_none_or(|size| size == file.len() as u64));
        assert_eq!(self.give(Input::Committed { message: *message }), []);
        self.assert_said(""); // no success REPORT was asked for
        self.stage.clear();
    }
}

fn session(key: u64, ours: &str, theirs: &[MsrpUri], direction: Direction, role: Role) -> SessionSpec {
    SessionSpec {
        key: SessionKey(key),
        local: terms(ours).path[0].clone(),
        remote_path: theirs.to_vec(),
        relay: None,
        max_size: None,
        accept_types: terms(ours).accept_types,
        receives: direction.receives(),
        greet: role == Role::Active,
        session_match: SessionMatch::Uri,
    }
}

fn message(session: &SessionSpec, id: &str, content: &str, chunk: usize) -> Input {
    Input::Send(OutboundSpec {
        message: OutboundKey(session.key.0),
        session: session.key,
        message_id: id.to_owned(),
        total: content.len() as u64,
        content_type: "message/cpim".to_owned(),
        headers: Vec::new(),
        success_report: false,
        failure_report: FailureReport::Yes,
        chunk,
        preamble: Bytes::new(),
        skip: 0,
    })
}

/// RFC 3862: the file with what SDP has said of it.
fn cpim(from: &str, to: &str, info: &FileInfo, octets: Vec<u8>) -> String {
    format!(
        "From: {from}\r\nTo: {to}\r\nDateTime: 2026-11-04T08:00:00+01:00\r\n\r\n\
         Content-Disposition: render; filename=\"{}\"; creation-date=\"{}\"; size={}\r\nContent-Type: {}\r\n\r\n{}",
        info.name.as_deref().expect("a name"),
        info.created.as_deref().expect("a date"),
        info.size.expect("a size"),
        info.media_type.as_deref().expect("a type"),
        String::from_utf8(octets).expect("a file of text")
    )
}

const ERIN: &str = "Erin <sip:erin@example.net>";
const BOX: &str = "Box 7 <sip:7@store.example.org>";

fn send(tid: &str, to: &str, from: &str, id: &str, range: &str, content: &str, flag: char) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\nByte-Range: {range}\r\n\
         Content-Type: message/cpim\r\n\r\n{content}\r\n-------{tid}{flag}\r\n"
    )
}

/// RFC 4975 §5.4: the SEND with which the active side makes itself known.
fn greeting(tid: &str, to: &str, from: &str, id: &str) -> String {
    format!(
        "MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\nByte-Range: 1-0/0\r\n-------{tid}$\r\n"
    )
}

fn ok(tid: &str, to: &str, from: &str) -> String {
    format!("MSRP {tid} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{tid}$\r\n")
}

// §9.1 with Restante as Bob. P14: the From-Path is not the path of the offer.
// M5547-8.7-05 M5547-8.7-06 M5547-6-11
#[test]
fn a_pushed_file_arrives_in_two_chunks() {
    let (ours, theirs) = ("msrp://store.example.org:2855/s7Qm2v;tcp", "msrp://phone.example.net:7394/other1;tcp");
    let erin = parsed(&text(ERIN_PUSHES));
    let stream = &read_offer(&erin)[0];
    let Wish::Push(pushed) = &stream.wish else { panic!("a push") };
    let answer = answer(&erin, &[accepting("s7Qm2v", None)], &store(1));
    assert_eq!(answer.to_string(), text(STORE_RECEIVES));
    let session = session(1, "s7Qm2v", &stream.terms.path, Direction::RecvOnly, stream.role);
    let content = cpim(ERIN, BOX, &memo(), memo_octets());
    let total = content.len();
    let mut line = Line::new();

    let heard = line.hear(&send("d41kdow1", ours, theirs, "m1", &format!("1-2048/{total}"), &content[..2048], '+'));
    let heard = line.open(&heard, &session);
    line.take(&heard);
    line.assert_said(&ok("d41kdow1", theirs, ours));

    let range = format!("2049-{total}/{total}");
    let heard = line.hear(&send("op7nc2a1", ours, theirs, "m1", &range, &content[2048..], '$'));
    line.assert_said(&ok("op7nc2a1", theirs, ours));
    line.assert_received(&heard, &content, &pushed.info);
}

// §9.1 with Restante as Alice.
// M6135-4.2.2-08 M5547-8.2.1-05 M5547-8.7-01 M5547-8.7-05 M5547-8.7-06 M5547-8.7-09
#[test]
fn a_file_we_push_leaves_in_two_chunks_that_wait_for_no_answer() {
    let (ours, theirs) = ("msrp://store.example.org:2855/s8Rn3w;tcp", "msrp://phone.example.net:7394/ke93Jx;tcp");
    let file = FileOffer { info: with_id(memo(), "Yx5Jd1Kq8Ls4Mw0Nz7Pb2Rc6Tf9Vg3Hk"), ..FileOffer::default() };
    let pushed =
        OfferedStream { terms: terms("s8Rn3w"), direction: Direction::SendOnly, reachable: true, file: Some(file) };
    let offer = offer(&store(1), &[pushed]);
    let agreed = read_answer(&offer, &parsed(&text(ERIN_RECEIVES))).expect("an answer");
    let agreed = agreed[0].as_ref().expect("an accepted stream");
    let session = session(1, "s8Rn3w", &agreed.terms.path, agreed.direction, agreed.role);
    let content = cpim(BOX, ERIN, &memo(), memo_octets());
    let total = content.len();
    let mut line = Line::new();
    line.source = content.clone().into_bytes();

    line.give(Input::Bind(session.clone()));
    let said = String::from_utf8(line.wire.clone()).expect("text");
    let id = said.split("Message-ID: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a Message-ID");
    let tids = line.assert_said(&greeting("{0}", theirs, ours, id));
    let heard = line.hear(&ok(&tids[0], ours, theirs));
    assert_eq!(heard, [Output::Greeted { session: session.key }]);

    assert_eq!(line.give(message(&session, "m2", &content, 2048)), []);
    let first = send("{0}", theirs, ours, "m2", &format!("1-2048/{total}"), &content[..2048], '+');
    let second = send("{1}", theirs, ours, "m2", &format!("2049-{total}/{total}"), &content[2048..], '$');
    let tids = line.assert_said(&(first + &second));

    let heard = line.hear(&ok(&tids[0], ours, theirs));
    assert_eq!(heard, [Output::Progress { message: OutboundKey(1), acknowledged: 2048 }]);
    let heard = line.hear(&ok(&tids[1], ours, theirs));
    let all = Output::Progress { message: OutboundKey(1), acknowledged: total as u64 };
    assert_eq!(heard, [all, Output::Delivered { message: OutboundKey(1) }]);
}

// §9.2 with Restante as Bob: one file out, then one in, over one connection.
// M5547-8.3.2-02 M5547-8.6-01 M5547-8.7-13 M4975-8.9-01
#[test]
fn a_pulled_file_leaves_and_a_pushed_one_arrives_over_one_connection() {
    let (ours, theirs) = ("msrp://store.example.org:2855/s9So4x;tcp", "msrp://phone.example.net:7394/kf04Ky;tcp");
    let erin = parsed(&text(ERIN_PULLS));
    let stream = &read_offer(&erin)[0];
    let found = FileOffer { info: FileInfo { disposition: None, ..memo() }, ..FileOffer::default() };
    let first = answer(&erin, &[accepting("s9So4x", Some(found))], &store(1));
    assert_eq!(first.to_string(), text(STORE_SENDS));
    let sending = session(1, "s9So4x", &stream.terms.path, Direction::SendOnly, stream.role);
    let content = cpim(BOX, ERIN, &memo(), memo_octets());
    let total = content.len();
    let mut line = Line::new();
    line.source = content.clone().into_bytes();

    let heard = line.hear(&greeting("gr33ting", ours, theirs, "hello1"));
    assert_eq!(line.open(&heard, &sending), [Output::Greeted { session: sending.key }]);
    line.assert_said(&ok("gr33ting", theirs, ours));

    line.give(message(&sending, "m3", &content, 65_536));
    let tids = line.assert_said(&send("{0}", theirs, ours, "m3", &format!("1-*/{total}"), &content, '$'));
    let heard = line.hear(&ok(&tids[0], ours, theirs));
    assert!(heard.contains(&Output::Delivered { message: OutboundKey(1) }), "{heard:?}");

    let (ours, theirs) = ("msrp://store.example.org:2855/t0Tp5y;tcp", "msrp://phone.example.net:7394/kg15Lz;tcp");
    let erin = parsed(&text(ERIN_PUSHES_NEXT));
    let stream = &read_offer(&erin)[0];
    let Wish::Push(pushed) = &stream.wish else { panic!("a push") };
    let second = answer(&erin, &[accepting("t0Tp5y", None)], &store(1)).succeeding(&first);
    assert_eq!(second.to_string(), text(STORE_RECEIVES_NEXT));
    let receiving = session(2, "t0Tp5y", &stream.terms.path, Direction::RecvOnly, stream.role);
    line.give(Input::Unbind(sending.key));
    line.assert_said("");

    let content = cpim(ERIN, BOX, &photo(), photo_octets());
    let total = content.len();
    let heard = line.hear(&send("d5ksxox7", ours, theirs, "m4", &format!("1-{total}/{total}"), &content, '$'));
    let heard = line.open(&heard, &receiving);
    let heard = line.take(&heard);
    line.assert_said(&ok("d5ksxox7", theirs, ours));
    line.assert_received(&heard, &content, &pushed.info);
}

// §9.2 with Restante as Alice: one file in, then one out, over the connection that Erin has made.
// M5547-8.2.2-05 M5547-8.7-04 M6135-4.2.2-09 M4145-4.1-02
#[test]
fn a_file_we_pull_arrives_and_one_we_push_leaves_over_one_connection() {
    let (ours, theirs) = ("msrp://store.example.org:2855/t1Uq6z;tcp", "msrp://phone.example.net:7394/kh26Ma;tcp");
    let wanted = FileInfo { digests: memo().digests, ..FileInfo::default() };
    let file = FileOffer { info: with_id(wanted, "Gt5Hy9Ju3Ki7Lo1Mp6Na2Qb8Rc0Sd4Ve"), ..FileOffer::default() };
    let pulled =
        OfferedStream { terms: terms("t1Uq6z"), direction: Direction::RecvOnly, reachable: true, file: Some(file) };
    let first = offer(&store(1), &[pulled]);
    let agreed = read_answer(&first, &parsed(&text(ERIN_SENDS))).expect("an answer");
    let agreed = agreed[0].as_ref().expect("an accepted stream");
    let receiving = session(1, "t1Uq6z", &agreed.terms.path, agreed.direction, agreed.role);
    let told = agreed.file.clone().expect("a selector");
    assert!(!receiving.greet);
    let content = cpim(ERIN, BOX, &memo(), memo_octets());
    let total = content.len();
    let mut line = Line::new();

    let heard = line.hear(&send("a1b2c3d4", ours, theirs, "m5", &format!("1-*/{total}"), &content, '$'));
    let heard = line.open(&heard, &receiving);
    let heard = line.take(&heard);
    line.assert_said(&ok("a1b2c3d4", theirs, ours));
    line.assert_received(&heard, &content, &told.info);

    let (ours, theirs) = ("msrp://store.example.org:2855/t2Vr7a;tcp", "msrp://phone.example.net:7394/ki37Nb;tcp");
    let file = FileOffer { info: with_id(photo(), "Pz1Ox7Ic3Uv9Yb5Tn0Rm6Eq2Wl8Kj4Hg"), ..FileOffer::default() };
    let pushed =
        OfferedStream { terms: terms("t2Vr7a"), direction: Direction::SendOnly, reachable: true, file: Some(file) };
    let second = reoffer(&first, &[0], Some(&pushed));
    assert_eq!(second.to_string(), text(STORE_PUSHES_NEXT));
    let agreed = read_answer(&second, &parsed(&text(ERIN_RECEIVES_NEXT))).expect("an answer");
    let agreed = agreed[0].as_ref().expect("an accepted stream");
    let sending = session(2, "t2Vr7a", &agreed.terms.path, agreed.direction, agreed.role);
    line.give(Input::Unbind(receiving.key));
    line.give(Input::Bind(sending.clone()));

    let content = cpim(BOX, ERIN, &photo(), photo_octets());
    let total = content.len();
    line.source = content.clone().into_bytes();
    line.give(message(&sending, "m6", &content, 2048));
    let tids = line.assert_said(&send("{0}", theirs, ours, "m6", &format!("1-{total}/{total}"), &content, '$'));
    let heard = line.hear(&ok(&tids[0], ours, theirs));
    assert!(heard.contains(&Output::Delivered { message: OutboundKey(2) }), "{heard:?}");
}
