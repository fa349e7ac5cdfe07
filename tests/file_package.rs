//! `<ft:receive>` and `<ft:send>` from the script to the stream and back: each option, each result, each variable.

mod board;

use std::sync::Arc;
use std::time::Duration;

use board::{Board, Call};
use restante::engine::{
    Command, Found, Grant, Input, Notice, Output, Query, ReceiveFailure, Source, Ticket, Unattended,
};
use restante::io::files::HostFiles;
use restante::model::{Digest, FileInfo, Mint, ObjectUri, Wall};
use restante::msrp::{InboundKey, OutboundKey, OutboundSpec, SendFailure, SessionKey, StatusCode};
use restante::spool::{
    Change, Committed, EnvelopeDraft, Filter, Icon, Index, Mark, Measure, OverQuota, Sealed, Spool, StagePlan,
};
use tempfile::TempDir;

/// A call with one connected stream.
struct Scene {
    board: Board,
    call: Call,
    session: SessionKey,
    spool: Spool,
    _folder: TempDir,
}

const OCTETS: &[u8] = b"0123456789";

impl Scene {
    fn new() -> Self {
        let mut board = Board::new(Unattended::Hold);
        board.now.wall = Wall::from_micros(1_795_000_000_000_000);
        let call = board.invite(1);
        board.link(1);
        let Some(Command::Bind(spec)) = board.knock(1, &call.paths[0]) else { panic!("the session is known") };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Arc::new(HostFiles::new(folder.path()).expect("a folder"));
        let (spool, _) = Spool::open(files, Index::in_memory(), Mint::from_number(1), board.now).expect("a spool");
        Self { board, call, session: spec.key, spool, _folder: folder }
    }

    /// Starts a dialog of this description, which reports these variables.
    fn start(&mut self, description: &str, namelist: &str) -> Vec<Output> {
        let conn = self.call.conn();
        let dialog = format!(
            "<dialogstart target=\"conn:{conn}\" name=\"d\">{description}<exit namelist=\"{namelist}\"/></dialogstart>"
        );
        self.board.say(&self.call, &dialog)
    }

    fn send(&mut self, event: &str, to: &str) -> Vec<Output> {
        let target = format!("conn:{}/dialog:d/{to}", self.call.conn());
        self.board.say(&self.call, &format!("<send event=\"{event}\" target=\"{target}\"/>"))
    }

    /// A message comes, and gets its grant.
    fn granted(&mut self) -> Box<Grant> {
        let outputs = self.board.arrives(1, self.session, 1);
        let grant = commands(outputs).find_map(|command| match command {
            Command::Receive(grant) => Some(grant),
            _ => None,
        });
        grant.expect("a grant")
    }

    /// A message comes, and is refused: the status, and what the script says of it.
    fn refused(&mut self, receive: &str) -> (u16, Vec<(String, String)>) {
        self.start(receive, RESULTS);
        let mut outputs = self.board.arrives(1, self.session, 1);
        let status = outputs.iter().find_map(|output| match output {
            Output::Link(_, Command::Reject(_, status)) => Some(status.0),
            _ => None,
        });
        outputs.retain(|output| matches!(output, Output::Transmit { .. }));
        (status.expect("a refusal"), self.said(outputs))
    }

    fn notice(&mut self, notice: Notice) -> Vec<(String, String)> {
        let outputs = self.board.notice(1, notice);
        self.said(outputs)
    }

    /// The variables of the first event in these outputs.
    fn said(&mut self, outputs: Vec<Output>) -> Vec<(String, String)> {
        let heard = self.board.heard(outputs);
        heard.first().map(|(_, body)| variables(body)).unwrap_or_default()
    }

    fn object(&self, name: &str, draft: EnvelopeDraft) -> Committed {
        self.spool.commit(*self.sealed(name), draft, self.board.now).expect("a commit")
    }

    fn sealed(&self, name: &str) -> Box<Sealed> {
        let uri: ObjectUri = name.parse().expect("a name");
        let mut stage = self.spool.stage(StagePlan::new(uri), self.board.now).expect("a stage");
        stage.write(0, OCTETS).expect("room");
        Box::new(stage.seal(OCTETS.len() as u64, &FileInfo::default()).expect("a whole file"))
    }

    /// The spool has the object that these outputs ask for.
    fn found(&mut self, outputs: &[Output], object: &Committed) -> Vec<Output> {
        let (ticket, _) = question(outputs).expect("a question");
        self.board.give(Input::Found(ticket, Ok(Found::Object(Some(object.clone())))))
    }

    /// Sends one file, `obj` being the attributes beside its name, up to its message.
    fn sending(&mut self, send: &str, obj: &str) -> (Box<OutboundSpec>, Source) {
        let object = self.object("spool:/bob/a", EnvelopeDraft::default());
        let outputs = self.start(&format!("<ft:send {send}><ft:obj uri=\"spool:/bob/a\" {obj}/></ft:send>"), RESULTS);
        let outputs = self.found(&outputs, &object);
        sent(outputs).expect("a message")
    }
}

const RESULTS: &str = "ft.result ft.status ft.bytes ft.offset ft.range ft.objects ft.report ft.attempts ft.duration ft.rate \
    ft.uri ft.name ft.type ft.size ft.hash ft.disposition ft.date ft.transferid";

fn commands(outputs: Vec<Output>) -> impl Iterator<Item = Command> {
    outputs.into_iter().filter_map(|output| if let Output::Link(_, command) = output { Some(command) } else { None })
}

fn question(outputs: &[Output]) -> Option<(Ticket, Query)> {
    outputs.iter().find_map(|output| match output {
        Output::Find(ticket, query) => Some((*ticket, query.clone())),
        _ => None,
    })
}

fn sent(outputs: Vec<Output>) -> Option<(Box<OutboundSpec>, Source)> {
    commands(outputs).find_map(|command| match command {
        Command::Send(spec, source) => Some((Box::new(spec), source)),
        _ => None,
    })
}

fn variables(body: &str) -> Vec<(String, String)> {
    let pair = |text: &str| {
        let (name, rest) = text.split_once("</name><value>")?;
        Some((name.to_owned(), rest.split('<').next()?.to_owned()))
    };
    body.split("<name>").skip(1).filter_map(pair).collect()
}

fn value<'a>(said: &'a [(String, String)], name: &str) -> &'a str {
    said.iter().find(|(known, _)| known == name).map_or("unsaid", |(_, value)| value)
}

const RECEIVE: &str = "<ft:receive dest=\"spool:/bob/\"/>";

// Attributes of ft:receive: dest overwrite max-size idletimeout report resume
#[test]
fn what_a_receive_asks_for_is_in_the_grant_of_its_message() {
    let mut scene = Scene::new();
    scene.start(
        "<ft:receive dest=\"spool:/bob/a\" overwrite=\"true\" max-size=\"100\" idletimeout=\"7s\" report=\"whole\" \
         resume=\"false\" types=\"text/*\"><ft:onprogress bytes=\"131072\"/></ft:receive>",
        "",
    );
    let grant = scene.granted();
    assert_eq!((grant.plan.object.to_string().as_str(), grant.plan.overwrite), ("spool:/bob/a", true));
    assert_eq!((grant.limit, grant.idle), (100, Duration::from_secs(7)));
    assert_eq!((grant.tell_every, grant.incremental), (131_072, false));
    assert_eq!((grant.plan.resume_key, grant.plan.file_key), (None, None));
    let mut scene = Scene::new();
    scene.start(RECEIVE, "");
    let grant = scene.granted();
    assert!(!grant.plan.overwrite && grant.incremental && grant.plan.resume_key.is_some());
    assert_eq!((grant.limit, grant.tell_every), (1 << 30, 1024 * 1024));
}

// Attributes of ft:receive: types verify; results ft.badtype ft.rejected.CODE
#[test]
fn a_receive_refuses_what_it_does_not_want_before_the_first_octet() {
    let (status, said) = Scene::new().refused("<ft:receive dest=\"spool:/bob/\" types=\"audio/* image/png\"/>");
    assert_eq!((status, value(&said, "ft.result"), value(&said, "ft.status")), (415, "ft.badtype", "415"));
    let (status, said) = Scene::new().refused("<ft:receive dest=\"spool:/bob/\" verify=\"required\"/>");
    assert_eq!((status, value(&said, "ft.result"), value(&said, "ft.status")), (403, "ft.rejected.403", "403"));
}

// Attribute firsttimeout; result ft.timeout.first
#[test]
fn a_receive_ends_when_its_first_octet_does_not_come_in_time() {
    let mut scene = Scene::new();
    scene.start("<ft:receive dest=\"spool:/bob/\" firsttimeout=\"5s\"/>", RESULTS);
    let outputs = scene.board.pass(Duration::from_millis(4999));
    assert!(scene.board.heard(outputs).is_empty());
    let outputs = scene.board.pass(Duration::from_millis(1));
    let said = scene.said(outputs);
    assert_eq!((value(&said, "ft.result"), value(&said, "ft.bytes")), ("ft.timeout.first", "0"));
    assert_eq!((value(&said, "ft.objects"), value(&said, "ft.uri")), ("0", "undefined"));
}

// Attribute maxtime; result ft.timeout.max
#[test]
fn a_receive_that_takes_too_long_is_stopped_and_says_so() {
    let mut scene = Scene::new();
    scene.start("<ft:receive dest=\"spool:/bob/\" maxtime=\"9s\"/>", RESULTS);
    scene.granted();
    let outputs = scene.board.pass(Duration::from_secs(9));
    assert!(commands(outputs).any(|command| matches!(command, Command::Stop { discard: false, .. })));
    let said = scene.notice(Notice::Lost(InboundKey(1), ReceiveFailure::Terminated, 3));
    assert_eq!((value(&said, "ft.result"), value(&said, "ft.bytes")), ("ft.timeout.max", "3"));
}

// Results of ft:receive; checklist 13 for those that fail the dialog
#[test]
fn every_way_in_which_a_file_does_not_arrive_has_its_result() {
    use ReceiveFailure::{
        AbortedRemote, BadType, Disconnected, Exists, HashMismatch, Idle, SizeMismatch, Storage, TakenOver, Terminated,
        TooLarge,
    };
    for (failure, result, status) in [
        (HashMismatch, "ft.hashmismatch", None),
        (SizeMismatch, "ft.sizemismatch", None),
        (TooLarge, "ft.toolarge", None),
        (BadType, "ft.badtype", None),
        (AbortedRemote, "ft.aborted.remote", None),
        (Disconnected, "ft.disconnected", None),
        (TakenOver, "ft.disconnected", None),
        (Idle, "ft.timeout.idle", None),
        (Terminated, "ft.aborted.local", None),
        (Exists, "ft.rejected.431", Some("431")),
        (Storage("the disk".to_owned()), "ft.storage", Some("503")),
    ] {
        let mut scene = Scene::new();
        scene.start(RECEIVE, RESULTS);
        scene.granted();
        scene.board.pass(Duration::from_secs(2));
        let said = scene.notice(Notice::Lost(InboundKey(1), failure.clone(), 4));
        assert_eq!(value(&said, "ft.result"), result, "{failure:?}");
        assert_eq!((value(&said, "ft.bytes"), value(&said, "ft.range")), ("4", "1-4"));
        assert_eq!((value(&said, "ft.duration"), value(&said, "ft.rate")), ("2000", "2"));
        assert_eq!(value(&said, "ft.type"), "text/plain");
        assert_eq!(value(&said, "dialog.exit.status"), status.unwrap_or("unsaid"));
    }
}

// Result ft.quota; checklist 13
#[test]
fn a_receive_into_a_full_box_ends_with_quota_before_a_message_comes_and_its_stream_takes_the_next() {
    let over = OverQuota { mailbox: "bob".to_owned(), measure: Measure::Objects, quota: 7, used: 7 };
    let mut scene = Scene::new();
    let outputs = scene.start(RECEIVE, RESULTS);
    let (ticket, query) = question(&outputs).expect("a question");
    assert_eq!(query, Query::Room(vec!["bob".to_owned()], 0));
    let outputs = scene.board.give(Input::Found(ticket, Ok(Found::Room(Some(over.clone())))));
    let said = scene.said(outputs);
    for (name, wanted) in
        [("ft.result", "ft.quota"), ("ft.status", "520"), ("dialog.exit.status", "520"), ("ft.bytes", "0")]
    {
        assert_eq!(value(&said, name), wanted, "{name}");
    }
    assert!(value(&said, "dialog.exit.description").contains("box bob may hold 7 objects"), "{said:?}");
    // A message that has begun is for its stage to decide.
    let outputs = scene.start(RECEIVE, RESULTS);
    let (ticket, _) = question(&outputs).expect("a question");
    scene.granted();
    let outputs = scene.board.give(Input::Found(ticket, Ok(Found::Room(Some(over)))));
    assert!(outputs.is_empty(), "{outputs:?}");
}

// Variables of ft:receive; attribute expires; result ft.success
#[test]
fn a_received_file_is_committed_with_its_expiry_and_told_with_every_variable() {
    let mut scene = Scene::new();
    scene.start("<ft:receive dest=\"spool:/bob/\" expires=\"3600s\"/>", RESULTS);
    scene.granted();
    scene.board.pass(Duration::from_secs(5));
    let sealed = scene.sealed("spool:/bob/x");
    let outputs = scene.board.notice(1, Notice::Sealed(InboundKey(1), sealed));
    let (ticket, sealed, mut draft) = outputs
        .into_iter()
        .find_map(|output| match output {
            Output::Commit(ticket, sealed, draft) => Some((ticket, sealed, draft)),
            _ => None,
        })
        .expect("a commit");
    assert_eq!(draft.expires, Some(Wall::from_micros(scene.board.now.wall.micros() + 3_600_000_000)));
    draft.file.name = Some("a.txt".to_owned());
    draft.file.created = Some("Fri, 27 Nov 2026 10:00:00 +0000".to_owned());
    draft.file.transfer_id = Some("t1".to_owned());
    let object = scene.spool.commit(*sealed, *draft, scene.board.now).expect("a commit");
    let sha256 = object.envelope().sha256().hex();
    let outputs = scene.board.give(Input::Committed(ticket, Ok(object)));
    let said = scene.said(outputs);
    for (name, wanted) in [
        ("ft.result", "ft.success"),
        ("ft.status", "200"),
        ("ft.report", "complete"),
        ("ft.uri", "spool:/bob/x"),
        ("ft.name", "a.txt"),
        ("ft.type", "text/plain"),
        ("ft.size", "10"),
        ("ft.bytes", "10"),
        ("ft.range", "1-10"),
        ("ft.offset", "0"),
        ("ft.hash", &format!("sha-256:{sha256}")),
        ("ft.disposition", "render"),
        ("ft.date", "Fri, 27 Nov 2026 10:00:00 +0000"),
        ("ft.transferid", "t1"),
        ("ft.objects", "1"),
        ("ft.duration", "5000"),
        ("ft.rate", "2"),
        ("ft.attempts", "undefined"),
    ] {
        assert_eq!(value(&said, name), wanted, "{name}");
    }
}

// Events of ft:receive: pause, resume, terminate, terminate.cancelled
#[test]
fn a_receive_is_held_and_read_on_and_ends_with_or_without_what_has_come() {
    for (event, discards) in [("terminate", false), ("terminate.cancelled", true)] {
        let mut scene = Scene::new();
        scene.start(RECEIVE, RESULTS);
        scene.granted();
        let held = scene.send("pause", "receive");
        assert!(commands(held).any(|command| matches!(command, Command::Hold(InboundKey(1)))));
        let goes_on = scene.send("resume", "receive");
        assert!(commands(goes_on).any(|command| matches!(command, Command::Resume(InboundKey(1)))));
        let ended = scene.send(event, "receive");
        let stopped = commands(ended).find_map(|command| match command {
            Command::Stop { discard, .. } => Some(discard),
            _ => None,
        });
        assert_eq!(stopped, Some(discards), "{event}");
    }
}

// Status requests of ft:receive
#[test]
fn a_receive_tells_its_start_progress_object_and_completion() {
    let mut scene = Scene::new();
    let asks = "<ft:onstart/><ft:onprogress bytes=\"4\"/><ft:onobject/><ft:oncomplete/>";
    scene.start(&format!("<ft:receive dest=\"spool:/bob/\">{asks}</ft:receive>"), "");
    let outputs = scene.board.arrives(1, scene.session, 1);
    let said = scene.said(outputs);
    assert_eq!((value(&said, "ft.uri"), value(&said, "ft.type")), ("spool:/bob/", "text/plain"));
    let said = scene.notice(Notice::Received(InboundKey(1), 4));
    assert_eq!((value(&said, "ft.bytes"), value(&said, "ft.uri")), ("4", "spool:/bob/"));
    let outputs = scene.board.notice(1, Notice::Lost(InboundKey(1), ReceiveFailure::AbortedRemote, 6));
    let heard = scene.board.heard(outputs);
    let names: Vec<&str> =
        heard.iter().filter_map(|(_, body)| body.split("name=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(names, ["ft.object", "ft.complete", "moml.exit", "msml.dialog.exit"]);
    assert_eq!(value(&variables(&heard[0].1), "ft.bytes"), "6");
    assert_eq!(value(&variables(&heard[1].1), "ft.objects"), "0");
}

// Attributes of ft:obj: name type disposition date; of ft:send: report
#[test]
fn a_file_is_sent_as_its_object_element_describes_it() {
    let mut scene = Scene::new();
    let obj = "name=\"b.wav\" type=\"audio/wav\" disposition=\"attachment\" date=\"Fri, 27 Nov 2026 10:00:00 +0000\"";
    let (spec, source) = scene.sending("", obj);
    assert_eq!((spec.content_type.as_str(), spec.total, spec.success_report), ("audio/wav", 10, true));
    let disposition = "attachment; filename=\"b.wav\"; size=10; creation-date=\"Fri, 27 Nov 2026 10:00:00 +0000\"";
    assert_eq!(spec.headers, [("Content-Disposition".to_owned(), disposition.to_owned())]);
    assert!(matches!(source, Source::Object(_)));
    scene.board.pass(Duration::from_secs(2));
    let said = scene.notice(Notice::Delivered(spec.message));
    for (name, wanted) in [
        ("ft.result", "ft.success"),
        ("ft.status", "200"),
        ("ft.report", "complete"),
        ("ft.uri", "spool:/bob/a"),
        ("ft.name", "b.wav"),
        ("ft.type", "audio/wav"),
        ("ft.size", "10"),
        ("ft.bytes", "10"),
        ("ft.range", "1-10"),
        ("ft.offset", "0"),
        ("ft.disposition", "attachment"),
        ("ft.date", "Fri, 27 Nov 2026 10:00:00 +0000"),
        ("ft.objects", "1"),
        ("ft.attempts", "1"),
        ("ft.duration", "2000"),
        ("ft.rate", "5"),
    ] {
        assert_eq!(value(&said, name), wanted, "{name}");
    }
}

// Attributes report, range
#[test]
fn a_send_can_do_without_a_report_and_with_a_part_of_the_file() {
    let mut scene = Scene::new();
    let (spec, source) = scene.sending("report=\"none\"", "range=\"4-8\"");
    assert_eq!((spec.success_report, spec.total, spec.skip), (false, 5, 3));
    assert!(matches!(source, Source::Part(_)));
    let outputs = scene.board.notice(1, Notice::Acknowledged(spec.message, 5));
    assert!(scene.board.heard(outputs).is_empty());
    scene.board.pass(Duration::from_secs(600)); // no REPORT is waited for
    let said = scene.notice(Notice::Delivered(spec.message));
    assert_eq!((value(&said, "ft.result"), value(&said, "ft.report")), ("ft.success", "none"));
    assert_eq!((value(&said, "ft.range"), value(&said, "ft.offset")), ("4-8", "3"));
    assert_eq!((value(&said, "ft.bytes"), value(&said, "ft.size")), ("5", "10"));
}

// Attributes range, hash, icon; results ft.hashmismatch ft.rejected.CODE ft.storage
#[test]
fn nothing_is_sent_of_a_file_that_is_not_what_the_script_says() {
    let sha256 = "0".repeat(64);
    for (obj, result, status) in [
        (format!("hash=\"sha-256:{sha256}\""), "ft.hashmismatch", "unsaid"),
        ("range=\"5-11\"".to_owned(), "ft.rejected.410", "410"),
    ] {
        let mut scene = Scene::new();
        let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
        let outputs = scene.start(&format!("<ft:send><ft:obj uri=\"spool:/bob/a\" {obj}/></ft:send>"), RESULTS);
        let outputs = scene.found(&outputs, &object);
        let said = scene.said(outputs);
        assert_eq!((value(&said, "ft.result"), value(&said, "dialog.exit.status")), (result, status), "{obj}");
    }
    for (found, result, status) in [
        (Ok(Found::Object(None)), "ft.rejected.430", "430"),
        (Err("the disk is broken".to_owned()), "ft.storage", "434"),
    ] {
        let mut scene = Scene::new();
        let outputs = scene.start("<ft:send><ft:obj uri=\"spool:/bob/a\"/></ft:send>", RESULTS);
        let (ticket, _) = question(&outputs).expect("a question");
        let outputs = scene.board.give(Input::Found(ticket, found));
        let said = scene.said(outputs);
        assert_eq!((value(&said, "ft.result"), value(&said, "dialog.exit.status")), (result, status));
    }
    let right = Digest::sha1([0; 20]); // any digest but the object's own is wrong; its own is right
    let mut scene = Scene::new();
    let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
    assert_ne!(object.envelope().sha1(), &right);
    let own = object.envelope().sha1().hex();
    let outputs = scene.start(&format!("<ft:send><ft:obj uri=\"spool:/bob/a\" hash=\"SHA-1:{own}\"/></ft:send>"), "");
    let outputs = scene.found(&outputs, &object);
    assert!(sent(outputs).is_some());
}

// Attribute icon
#[test]
fn the_picture_of_a_file_is_looked_for_before_its_stream() {
    let icon = Icon { media_type: "image/png".to_owned(), octets: vec![1] };
    for (found, status) in [(Some(icon), None), (None, Some("430"))] {
        let mut scene = Scene::new();
        let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
        let outputs = scene.start("<ft:send><ft:obj uri=\"spool:/bob/a\" icon=\"spool:/bob/i\"/></ft:send>", RESULTS);
        let outputs = scene.found(&outputs, &object);
        let (ticket, query) = question(&outputs).expect("a question");
        assert_eq!(query, Query::Picture("spool:/bob/i".parse().expect("a name")));
        assert!(sent(outputs).is_none());
        let outputs = scene.board.give(Input::Found(ticket, Ok(Found::Picture(found))));
        match status {
            None => assert!(sent(outputs).is_some()),
            Some(status) => assert_eq!(value(&scene.said(outputs), "dialog.exit.status"), status),
        }
    }
}

// Attribute delete
#[test]
fn a_sent_file_is_deleted_when_the_peer_has_it_and_not_before() {
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("", "delete=\"true\"");
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    let deleted = outputs.iter().find_map(|output| match output {
        Output::Change(ticket, object, Change::Delete, _) => Some((*ticket, object.envelope().uri.to_string())),
        _ => None,
    });
    let (ticket, name) = deleted.expect("a deletion");
    assert_eq!(name, "spool:/bob/a");
    assert!(scene.board.heard(outputs).is_empty(), "it is not over before");
    let outputs = scene.board.give(Input::Changed(ticket, Ok(())));
    assert_eq!(value(&scene.said(outputs), "ft.result"), "ft.success");
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("", "delete=\"true\"");
    let outputs = scene.board.notice(1, failed(spec.message, SendFailure::ConnectionLost));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Change(..))));
}

// Attributes delete, report
#[test]
fn a_file_that_shall_be_deleted_waits_for_its_report_though_none_was_wanted() {
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("report=\"none\"", "delete=\"true\"");
    assert!(spec.success_report, "a 200 says only that the octets have come");
    let outputs = scene.board.notice(1, Notice::Acknowledged(spec.message, 10));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Change(..))));
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    let deleted = outputs.iter().find_map(|output| match output {
        Output::Change(ticket, _, Change::Delete, _) => Some(*ticket),
        _ => None,
    });
    let outputs = scene.board.give(Input::Changed(deleted.expect("a deletion"), Ok(())));
    assert_eq!(value(&scene.said(outputs), "ft.report"), "complete");
}

// Attributes delete, range
#[test]
fn a_file_of_which_the_peer_has_a_part_is_not_deleted() {
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("", "delete=\"true\" range=\"1-3\"");
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Change(..))));
    assert_eq!(value(&scene.said(outputs), "ft.result"), "ft.success");
}

fn failed(message: OutboundKey, why: SendFailure) -> Notice {
    Notice::SendFailed(message, why, 0)
}

// Results of ft:send
#[test]
fn every_way_in_which_a_file_does_not_get_through_has_its_result() {
    for (why, result, status) in [
        (SendFailure::Status(StatusCode::STOP_SENDING), "ft.rejected.413", "413"),
        (SendFailure::Report(StatusCode::FORBIDDEN), "ft.rejected.403", "403"),
        (SendFailure::Timeout, "ft.timeout.idle", "undefined"),
        (SendFailure::ConnectionLost, "ft.disconnected", "undefined"),
        (SendFailure::Source, "ft.storage", "434"),
        (SendFailure::Aborted, "ft.aborted.local", "undefined"),
    ] {
        let mut scene = Scene::new();
        let (spec, _) = scene.sending("", "");
        scene.notice(Notice::Acknowledged(spec.message, 6));
        let said = scene.notice(Notice::SendFailed(spec.message, why, 4));
        assert_eq!((value(&said, "ft.result"), value(&said, "ft.status")), (result, status), "{why:?}");
        assert_eq!((value(&said, "ft.bytes"), value(&said, "ft.report")), ("6", "partial"));
        assert_eq!((value(&said, "ft.objects"), value(&said, "ft.uri")), ("0", "spool:/bob/a"));
    }
}

// Result ft.partial
#[test]
fn a_send_of_which_some_files_are_through_is_partial() {
    let mut scene = Scene::new();
    let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
    let outputs =
        scene.start("<ft:send><ft:obj uri=\"spool:/bob/a\"/><ft:obj uri=\"spool:/bob/b\"/></ft:send>", RESULTS);
    let outputs = scene.found(&outputs, &object);
    let (spec, _) = sent(outputs).expect("a message");
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    let outputs = scene.found(&outputs, &object);
    let (spec, _) = sent(outputs).expect("another message");
    let said = scene.notice(failed(spec.message, SendFailure::Status(StatusCode::STOP_SENDING)));
    assert_eq!((value(&said, "ft.result"), value(&said, "ft.status")), ("ft.partial", "413"));
    assert_eq!((value(&said, "ft.objects"), value(&said, "ft.bytes")), ("1", "10"));
}

// Attributes retry, delay; variable ft.attempts
#[test]
fn a_file_that_fails_is_tried_again_as_often_and_as_late_as_the_script_says() {
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("retry=\"2\" delay=\"3s\"", "");
    let mut message = spec.message;
    for _ in 0..2 {
        let outputs = scene.board.notice(1, failed(message, SendFailure::Status(StatusCode::STOP_SENDING)));
        assert!(scene.board.heard(outputs).is_empty());
        assert!(sent(scene.board.pass(Duration::from_millis(2999))).is_none());
        let (spec, _) = sent(scene.board.pass(Duration::from_millis(1))).expect("another message");
        message = spec.message;
    }
    let said = scene.notice(failed(message, SendFailure::Status(StatusCode::STOP_SENDING)));
    assert_eq!((value(&said, "ft.result"), value(&said, "ft.attempts")), ("ft.rejected.413", "3"));
}

// Events of ft:send: pause, resume, terminate
#[test]
fn a_send_is_held_and_goes_on_and_ends_also_between_two_attempts() {
    let mut scene = Scene::new();
    let (spec, _) = scene.sending("retry=\"1\" delay=\"3s\"", "");
    let held = scene.send("pause", "send");
    assert!(commands(held).any(|command| matches!(command, Command::PauseSend(_))));
    let goes_on = scene.send("resume", "send");
    assert!(commands(goes_on).any(|command| matches!(command, Command::ResumeSend(_))));
    scene.notice(failed(spec.message, SendFailure::Timeout));
    let outputs = scene.send("terminate", "send");
    let said = scene.said(outputs);
    assert_eq!(value(&said, "ft.result"), "ft.aborted.local");
    assert!(sent(scene.board.pass(Duration::from_secs(3))).is_none(), "it is not tried again after all");
    let mut scene = Scene::new();
    scene.sending("", "");
    let ended = scene.send("terminate.cancelled", "send");
    assert!(commands(ended).any(|command| matches!(command, Command::Abort(_))));
}

// Status requests of ft:send
#[test]
fn a_send_tells_its_progress_as_it_is_answered() {
    let mut scene = Scene::new();
    let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
    let asks = "<ft:onstart/><ft:onprogress bytes=\"4\"/><ft:onobject/><ft:oncomplete/>";
    let outputs = scene.start(&format!("<ft:send><ft:obj uri=\"spool:/bob/a\"/>{asks}</ft:send>"), "");
    let mut outputs = scene.found(&outputs, &object);
    let at = outputs.iter().position(|output| matches!(output, Output::Link(_, Command::Send(..))));
    let Output::Link(_, Command::Send(spec, _)) = outputs.remove(at.expect("a message")) else { panic!() };
    assert_eq!(value(&scene.said(outputs), "ft.size"), "10");
    assert!(scene.notice(Notice::Acknowledged(spec.message, 3)).is_empty());
    let said = scene.notice(Notice::Acknowledged(spec.message, 7));
    assert_eq!((value(&said, "ft.bytes"), value(&said, "ft.size")), ("7", "10"));
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    let heard = scene.board.heard(outputs);
    let names: Vec<&str> =
        heard.iter().filter_map(|(_, body)| body.split("name=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(names, ["ft.object", "ft.complete", "moml.exit", "msml.dialog.exit"]);
    assert_eq!(value(&variables(&heard[0].1), "ft.attempts"), "1");
}

// ID-8, checklist 13: 441
#[test]
fn a_call_without_a_message_stream_can_neither_receive_nor_send() {
    for description in [RECEIVE, "<ft:send><ft:obj uri=\"spool:/bob/a\"/></ft:send>"] {
        let mut board = Board::new(Unattended::Hold);
        let call = board.invite(0);
        let dialog = format!("<dialogstart target=\"conn:{}\" name=\"d\">{description}</dialogstart>", call.conn());
        let outputs = board.say(&call, &dialog);
        let heard = board.heard(outputs);
        let said = variables(&heard[0].1);
        assert_eq!((value(&said, "dialog.exit.status"), value(&said, "ft.result")), ("441", "ft.rejected.441"));
        assert_eq!(value(&said, "ft.status"), "441");
    }
}

// ft:list, ft:mark, ft:delete
#[test]
fn boxes_are_listed_and_their_objects_marked_and_deleted_on_an_application_servers_word() {
    let mut scene = Scene::new();
    let object = scene.object("spool:/bob/a", EnvelopeDraft::default());
    let outputs = scene.board.say(&scene.call, "<ft:list box=\"bob\" state=\"stored\" max=\"7\"/>");
    let (ticket, query) = question(&outputs).expect("a question");
    assert_eq!(query, Query::List { mailbox: "bob".to_owned(), state: Some(Filter::Stored), most: 7 });
    let page = vec![object.envelope().clone()];
    let answer = answer_of(scene.board.give(Input::Found(ticket, Ok(Found::List(page)))));
    assert!(answer.contains("<ft:object uri=\"spool:/bob/a\" size=\"10\" stored=\"2026-"), "{answer}");
    for (command, change) in [
        ("<ft:mark uri=\"spool:/bob/a\" state=\"saved\"/>", Change::Mark(Mark::Saved)),
        ("<ft:mark uri=\"spool:/bob/a\" state=\"urgent\"/>", Change::Urgent(true)),
        ("<ft:mark uri=\"spool:/bob/a\" state=\"normal\"/>", Change::Urgent(false)),
        ("<ft:delete uri=\"spool:/bob/a\"/>", Change::Delete),
    ] {
        let outputs = scene.board.say(&scene.call, command);
        let outputs = scene.found(&outputs, &object);
        let asked = outputs.into_iter().find_map(|output| match output {
            Output::Change(ticket, object, asked, _) => Some((ticket, object.envelope().uri.to_string(), asked)),
            _ => None,
        });
        let (ticket, name, asked) = asked.expect("a change");
        assert_eq!((name.as_str(), format!("{asked:?}")), ("spool:/bob/a", format!("{change:?}")));
        let answer = answer_of(scene.board.give(Input::Changed(ticket, Ok(()))));
        assert!(answer.contains("<result response=\"200\"/>"), "{answer}");
    }
    let outputs = scene.board.say(&scene.call, "<ft:delete uri=\"spool:/bob/b\"/>");
    let (ticket, _) = question(&outputs).expect("a question");
    let answer = answer_of(scene.board.give(Input::Found(ticket, Ok(Found::Object(None)))));
    assert!(answer.contains("<result response=\"430\">"), "{answer}");
}

fn answer_of(outputs: Vec<Output>) -> String {
    outputs.iter().filter_map(board::sip_text).find(|text| text.starts_with("SIP/2.0 200")).expect("an answer")
}
