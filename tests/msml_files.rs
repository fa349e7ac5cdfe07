//! The package for files as a client meets it: what its words ask for, and what it is told while files move.

mod msml;
#[path = "msml/talk.rs"]
mod talk;

use std::time::Duration;

use restante::model::{FileRange, ObjectUri};
use restante::msml::{
    Action, Code, Every, Input, Kind, Listed, Listing, Play, PlayFile, PrimitiveKey, Record, Script, Step, Told, check,
};

use talk::{CONTROL, Talk};

const ID: &str = "conn:TagOfAlice/dialog:d";
const NS: &str = "xmlns:ft=\"urn:restante:msml-file:1\"";

fn dialog(content: &str) -> String {
    let head = "<dialogstart target=\"conn:TagOfAlice\" type=\"application/moml+xml\" name=\"d\"";
    format!("{head} {NS}>{content}</dialogstart>")
}

fn event(name: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: String =
        pairs.iter().map(|(name, value)| format!("<name>{name}</name><value>{value}</value>")).collect();
    format!("to 9: <event name=\"{name}\" id=\"{ID}\">{pairs}</event>")
}

fn uri(text: &str) -> ObjectUri {
    text.parse().expect("a name")
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What the only primitive of a dialog asks for.
fn only(content: &str) -> Kind {
    let document = format!("<msml version=\"1.1\">{}</msml>", dialog(content));
    let mut document = check(document.as_bytes(), true).expect("a good document");
    let Action::DialogStart { script: Script::Inline(mut steps), .. } = document.commands.remove(0).action else {
        panic!("a dialog")
    };
    let Step::Primitive(primitive) = steps.remove(0) else { panic!("a primitive") };
    primitive.kind
}

fn code(content: &str) -> u16 {
    let document = format!("<msml version=\"1.1\">{}</msml>", dialog(content));
    check(document.as_bytes(), false).map_or_else(|faults| faults[0].code.number(), |_| 200)
}

// P-2, P-3
#[test]
fn every_attribute_of_a_receive_is_read() {
    let told = Told { start: true, progress: None, object: true, complete: true };
    let full = "<ft:receive id=\"r\" dest=\"spool:/bob/\" overwrite=\"true\" append=\"false\" max-size=\"1000\" \
        types=\" audio/* image/png \" verify=\"required\" resume=\"false\" firsttimeout=\"5s\" idletimeout=\"7s\" \
        maxtime=\"60s\" report=\"whole\" expires=\"3600s\"><ft:onstart/><ft:onobject/><ft:oncomplete/></ft:receive>";
    let record = Record {
        dest: Some(uri("spool:/bob/")),
        overwrite: true,
        max_size: Some(1000),
        types: vec!["audio/*".to_owned(), "image/png".to_owned()],
        needs_digest: true,
        afresh: true,
        first_timeout: Some(Duration::from_secs(5)),
        idle_timeout: Some(Duration::from_secs(7)),
        reports_whole: true,
        expires: Some(Duration::from_secs(3600)),
        ..Record::default()
    };
    let record = Box::new(record);
    assert_eq!(only(full), Kind::Receive { record, maxtime: Some(Duration::from_secs(60)), told });
    let record = Box::new(Record { dest: Some(uri("spool:/bob/")), ..Record::default() });
    let bare = Kind::Receive { record, maxtime: None, told: Told::default() };
    assert_eq!(only("<ft:receive dest=\"spool:/bob/\"/>"), bare);
    let plain = "<ft:receive dest=\"spool:/bob/\" verify=\"declared\" resume=\"true\" report=\"ranges\"/>";
    assert_eq!(only(plain), bare, "what is said is what holds without saying");
}

// P-3
#[test]
fn every_attribute_of_a_send_and_its_objects_is_read() {
    let digest = "0123456789abcdef0123456789abcdef01234567";
    let full = format!(
        "<ft:send id=\"s\" report=\"none\" retry=\"3\" delay=\"2s\"><ft:obj uri=\"spool:/bob/a\" name=\"a b.wav\" \
         type=\"audio/wav\" disposition=\"attachment\" range=\"5-9\" hash=\"sha-1:{digest}\" icon=\"spool:/bob/i\" \
         date=\"Fri, 27 Nov 2026 10:00:00 +0000\" delete=\"true\"/><ft:obj uri=\"file:b\"/>\
         <ft:onprogress bytes=\"4096\" interval=\"2s\"/></ft:send>"
    );
    let Kind::Send { play, told } = only(&full) else { panic!("a send") };
    assert_eq!(told.progress, Some(Every { octets: Some(4096), interval: Some(Duration::from_secs(2)) }));
    let Play { files, suspended: false, unreported: true, retry: 3, delay, watched: Some(4096) } = play else {
        panic!("{play:?}")
    };
    assert_eq!((delay, files.len()), (Duration::from_secs(2), 2));
    assert_eq!(files[1], PlayFile::new(uri("file:b")));
    let first = &files[0];
    assert_eq!((first.name.as_deref(), first.media_type.as_deref()), (Some("a b.wav"), Some("audio/wav")));
    assert_eq!(first.disposition.as_deref(), Some("attachment"));
    assert_eq!(first.created.as_deref(), Some("Fri, 27 Nov 2026 10:00:00 +0000"));
    assert_eq!(first.range, Some(FileRange { start: 5, stop: Some(9) }));
    assert_eq!(first.digest.as_ref().map(|digest| digest.hex()).as_deref(), Some(digest));
    assert_eq!((first.icon.clone(), first.delete), (Some(uri("spool:/bob/i")), true));
    let Kind::Send { play, told } = only("<ft:send><ft:obj uri=\"file:b\"/><ft:onprogress/></ft:send>") else {
        panic!("a send")
    };
    assert_eq!((play.unreported, play.retry, play.delay), (false, 0, Duration::from_secs(5)));
    assert_eq!(told.progress, Some(Every { octets: Some(1024 * 1024), interval: None }));
}

// Checklist 7.1: generic files are a child of our own
#[test]
fn a_plain_play_sends_a_file_of_any_type() {
    let Kind::Play { play, .. } = only("<play><audio uri=\"file:a\"/><ft:file uri=\"file:b\"/></play>") else {
        panic!("a play")
    };
    let files = ["file:a", "file:b"].map(|name| PlayFile::new(uri(name)));
    assert_eq!(play.files, files);
}

// P-2
#[test]
fn the_package_is_known_by_its_namespace_and_by_nothing_else() {
    assert_eq!(code("<x:receive xmlns:x=\"urn:restante:msml-file:1\" dest=\"spool:/bob/\"/>"), 200);
    assert_eq!(code("<receive xmlns=\"urn:restante:msml-file:1\" dest=\"spool:/bob/\"/>"), 200);
    assert_eq!(code("<receive dest=\"spool:/bob/\"/>"), 401);
    assert_eq!(code("<ft:receive xmlns:ft=\"urn:restante:msml-file:2\" dest=\"spool:/bob/\"/>"), 401);
    assert_eq!(code("<ft:conduct/>"), 401);
    assert_eq!(code("<ft:play><ft:audio uri=\"file:a\"/></ft:play>"), 401);
    assert_eq!(code("<ft:obj uri=\"file:a\"/>"), 404);
    assert_eq!(code("<ft:receive/>"), 408);
    assert_eq!(code("<ft:send/>"), 403);
    assert_eq!(code("<ft:receive dest=\"spool:/bob/a\" append=\"true\"/>"), 407);
    assert_eq!(code("<ft:receive dest=\"spool:/bob/\" max-size=\"0\"/>"), 410);
    assert_eq!(code("<ft:send><ft:obj uri=\"spool:/bob/a\" range=\"9-5\"/></ft:send>"), 410);
}

const STATUSES: &str = "<ft:onstart/><ft:onprogress bytes=\"100\" interval=\"10s\"/><ft:onobject/><ft:oncomplete/>";

// Checklist 11: the mechanism of 9.12.1.4-9
#[test]
fn a_client_is_told_of_start_progress_object_and_completion_if_it_asks() {
    let mut talk = Talk::new();
    let script = format!(
        "<ft:receive id=\"r\" dest=\"spool:/bob/\">{STATUSES}<ft:receiveexit><send event=\"done\" target=\"source\" \
         namelist=\"ft.result ft.r.bytes ft.job receive.end\"/></ft:receiveexit></ft:receive>"
    );
    talk.ask(&dialog(&script));
    let primitive = PrimitiveKey(1);
    let known = [("ft.uri", "spool:/bob/"), ("ft.name", "a"), ("ft.size", "250"), ("ft.offset", "0")];
    let start = event(
        "ft.start",
        &[
            ("ft.uri", "spool:/bob/"),
            ("ft.name", "a"),
            ("ft.type", "undefined"),
            ("ft.size", "250"),
            ("ft.transferid", "undefined"),
            ("ft.offset", "0"),
        ],
    );
    assert_eq!(talk.tell(Input::Began { primitive, variables: pairs(&known) }), [start]);
    let progress = |octets: &str, millis: &str, rate: &str| {
        let moved = [("ft.bytes", octets), ("ft.duration", millis), ("ft.rate", rate)];
        event("ft.progress", &[&[("ft.uri", "spool:/bob/"), ("ft.size", "250")][..], &moved].concat())
    };
    talk.clock += Duration::from_secs(2);
    assert_eq!(talk.tell(Input::Progress { primitive, octets: 99 }), [""; 0]);
    assert_eq!(talk.tell(Input::Progress { primitive, octets: 100 }), [progress("100", "2000", "50")]);
    assert_eq!(talk.tell(Input::Progress { primitive, octets: 200 }), [""; 0], "too soon for another");
    assert_eq!(talk.tell(Input::Progress { primitive, octets: 199 }), [""; 0]);
    assert_eq!(talk.wake(), (10, vec![progress("199", "10000", "19")]));
    assert_eq!(talk.wake(), (20, vec![progress("199", "20000", "9")]), "whether or not anything moves");
    let ended = [("ft.result", "ft.success"), ("ft.status", "200"), ("ft.bytes", "250"), ("record.len", "20001")];
    let object = talk.tell(Input::Through { primitive, variables: pairs(&ended) });
    let nothing = "undefined";
    assert_eq!(
        object,
        [event(
            "ft.object",
            &[
                ("ft.result", "ft.success"),
                ("ft.status", "200"),
                ("ft.uri", nothing),
                ("ft.name", nothing),
                ("ft.type", nothing),
                ("ft.size", nothing),
                ("ft.hash", nothing),
                ("ft.bytes", "250"),
                ("ft.duration", nothing),
                ("ft.attempts", nothing),
            ]
        )]
    );
    let complete = event(
        "ft.complete",
        &[
            ("ft.result", "ft.success"),
            ("ft.status", "200"),
            ("ft.report", nothing),
            ("ft.objects", nothing),
            ("ft.bytes", "250"),
            ("ft.duration", nothing),
            ("ft.rate", nothing),
        ],
    );
    let done = event(
        "done",
        &[("ft.result", "ft.success"), ("ft.r.bytes", "250"), ("ft.job", nothing), ("receive.end", nothing)],
    );
    let over = format!("to 9: <event name=\"msml.dialog.exit\" id=\"{ID}\"/>");
    assert_eq!(talk.ended(1, "record.complete", &ended), [complete, done, over]);
}

// DC-15
#[test]
fn who_asks_for_nothing_hears_nothing_before_the_exit() {
    let mut talk = Talk::new();
    talk.ask(&dialog("<ft:send><ft:obj uri=\"file:a\"/></ft:send>"));
    let primitive = PrimitiveKey(1);
    assert_eq!(talk.tell(Input::Began { primitive, variables: Vec::new() }), [""; 0]);
    assert_eq!(talk.tell(Input::Progress { primitive, octets: 1 << 30 }), [""; 0]);
    assert_eq!(talk.tell(Input::Through { primitive, variables: Vec::new() }), [""; 0]);
}

// DC-12, DC-13, checklist 7: pause, resume, terminate and terminate.cancelled
#[test]
fn receive_and_send_understand_their_events() {
    for (script, class) in [
        ("<ft:receive id=\"x\" dest=\"spool:/bob/\"/>", "receive"),
        ("<ft:send id=\"x\"><ft:obj uri=\"file:a\"/></ft:send>", "send"),
    ] {
        for (event, order) in [
            ("pause", "Pause"),
            ("terminate", "Terminate { discard: false }"),
            (
                "terminate.cancelled",
                if class == "receive" { "Terminate { discard: true }" } else { "Terminate { discard: false }" },
            ),
        ] {
            let mut talk = Talk::new();
            talk.ask(&dialog(script));
            let mut send = |event: &str| talk.ask(&format!("<send event=\"{event}\" target=\"{ID}/{class}.x\"/>"));
            assert_eq!(send(event)[1..], [format!("order 1: {order}")], "{class} {event}");
            if event == "pause" {
                assert_eq!(send("resume")[1..], ["order 1: Resume"], "{class}");
            }
        }
    }
}

// Checklist 13: maxtime
#[test]
fn a_receive_that_takes_too_long_has_its_own_result() {
    let mut talk = Talk::new();
    let script = "<ft:receive dest=\"spool:/bob/\" maxtime=\"30s\"/><exit namelist=\"ft.result\"/>";
    talk.ask(&dialog(script));
    talk.tell(Input::Started { primitive: PrimitiveKey(1) });
    assert_eq!(talk.wake(), (30, vec!["order 1: Terminate { discard: false }".to_owned()]));
    let said = talk.ended(1, "record.failed.terminated", &[("ft.result", "ft.aborted.local")]);
    assert_eq!(said[0], event("moml.exit", &[("ft.result", "ft.timeout.max")]));
    let mut talk = Talk::new();
    talk.ask(&dialog(script));
    talk.wake();
    let said = talk.ended(1, "record.complete", &[("ft.result", "ft.success")]);
    assert_eq!(said[0], event("moml.exit", &[("ft.result", "ft.success")]), "it was whole in time after all");
}

//
#[test]
fn an_audit_names_them_by_the_words_of_its_closed_list() {
    let mut talk = Talk::new();
    talk.ask(&dialog("<ft:receive dest=\"spool:/bob/\"/>"));
    let audit = talk.ask("<audit queryid=\"conn:TagOfAlice\" statelist=\"audit.conn.dialog.primitive\"/>");
    assert!(audit[0].contains("<primitive>record</primitive>"), "{audit:?}");
}

// TX-2
#[test]
fn where_no_file_is_taken_a_receive_is_refused_before_anything_is_executed() {
    let mut talk = Talk::new();
    talk.tell(Input::Taking(false));
    assert!(talk.ask(&dialog("<ft:receive dest=\"spool:/bob/\"/>"))[0].starts_with("<result response=\"520\">"));
    assert!(
        talk.ask(&dialog("<ft:send><ft:obj uri=\"file:a\"/></ft:send>"))[0].starts_with("<result response=\"200\">")
    );
}

fn answered(talk: &mut Talk, result: Result<Option<Listing>, (Code, String)>) -> Vec<String> {
    talk.tell(Input::Answered { context: CONTROL, result })
}

// TX-1, TX-7; ft:list: box state max
#[test]
fn a_list_is_answered_when_the_spool_has_and_tells_what_is_in_the_box() {
    let mut talk = Talk::new();
    let asked = talk.ask(&format!("<ft:list {NS} box=\"bob\" state=\"new\" max=\"2\"/>"));
    assert_eq!(asked, ["ask for 9: List { mailbox: \"bob\", state: Some(\"new\"), most: 2 }"]);
    let object = Listed {
        uri: uri("spool:/bob/a&b"),
        name: Some("a<b>.wav".to_owned()),
        media_type: None,
        size: 7,
        stored: "2026-11-27T04:00:00.000Z".to_owned(),
        from: Some("sip:alice@example.org".to_owned()),
    };
    let listing = Listing { mailbox: "bob".to_owned(), objects: vec![object] };
    let said = answered(&mut talk, Ok(Some(listing)));
    let list = "<ft:listresult xmlns:ft=\"urn:restante:msml-file:1\" box=\"bob\"><ft:object uri=\"spool:/bob/a%26b\" \
        size=\"7\" stored=\"2026-11-27T04:00:00.000Z\" name=\"a&lt;b&gt;.wav\" from=\"sip:alice@example.org\"/></ft:listresult>";
    assert_eq!(said, [format!("<result response=\"200\">{list}</result>")]);
    let asked = talk.ask(&format!("<ft:list {NS} box=\"bob\"/>"));
    assert_eq!(asked, ["ask for 9: List { mailbox: \"bob\", state: None, most: 50 }"]);
    let empty = Listing { mailbox: "bob".to_owned(), objects: Vec::new() };
    assert!(answered(&mut talk, Ok(Some(empty)))[0].contains("box=\"bob\"></ft:listresult>"));
}

// TX-1, TX-5, TX-6, TX-9; ft:delete, ft:mark
#[test]
fn commands_for_the_spool_are_executed_in_turn_up_to_the_first_that_fails() {
    let mut talk = Talk::new();
    let delete = format!("<ft:delete {NS} uri=\"spool:/bob/b\" mark=\"two\"/>");
    let document = format!(
        "<ft:mark {NS} uri=\"spool:/bob/a\" state=\"seen\" mark=\"one\"/>{}{delete}{}",
        dialog("<ft:receive dest=\"spool:/bob/\"/>"),
        delete.replace("/b\"", "/c\"")
    );
    let asked = talk.ask(&document);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("ask for 9: Mark(") && asked[0].ends_with("\"seen\")"), "{asked:?}");
    let then = answered(&mut talk, Ok(None));
    assert!(then.len() == 2 && then[0].starts_with("ask for 9: Delete("), "{then:?}");
    assert_eq!(then[1], "start 1: record spool:/bob/", "what it has started runs");
    let said = answered(&mut talk, Err((Code::NoSuchObject, "there is no such object".to_owned())));
    let [said] = &said[..] else { panic!("one answer, and the second deletion is not tried") };
    assert!(said.starts_with("<result response=\"430\" mark=\"one\"><description>line 1, column "), "{said}");
    assert!(said.contains(&format!("<dialogid>{ID}</dialogid>")), "{said}");
}

// TX-10
#[test]
fn a_client_whose_request_is_with_the_spool_waits_with_the_next_and_others_do_not() {
    let mut talk = Talk::new();
    let list = format!("<ft:list {NS} box=\"bob\"/>");
    assert_eq!(talk.ask(&list).len(), 1);
    assert_eq!(talk.ask("<audit queryid=\"conn:TagOfAlice\"/>"), [""; 0]);
    assert_eq!(talk.ask(&list), [""; 0]);
    assert!(
        talk.ask_on(talk::ALICE, "<audit queryid=\"conn:TagOfAlice\"/>")[0].starts_with("<result response=\"200\">")
    );
    let said = answered(&mut talk, Err((Code::Unavailable, "the disk is away".to_owned())));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("<result response=\"503\">") && said[1].contains("<auditresult "), "{said:?}");
    assert!(said[2].starts_with("ask for 9: List"), "{said:?}");
    for _ in 0..16 {
        assert_eq!(talk.ask(&list), [""; 0]);
    }
    assert!(talk.ask(&list)[0].starts_with("<result response=\"520\">"));
    assert_eq!(answered(&mut talk, Ok(None)).len(), 2, "an answer, and the next question");
}

// RC-1
#[test]
fn a_command_for_the_spool_that_is_wrong_is_refused_before_the_spool_is_asked() {
    let code = |command: &str| {
        let document = format!("<msml version=\"1.1\" {NS}>{command}</msml>");
        check(document.as_bytes(), false).map_or_else(|faults| faults[0].code.number(), |_| 200)
    };
    assert_eq!(code("<ft:list/>"), 408);
    assert_eq!(code("<ft:list box=\"a/b\"/>"), 410);
    assert_eq!(code("<ft:list box=\"bob\" state=\"strange\"/>"), 410);
    assert_eq!(code("<ft:list box=\"bob\" max=\"100\"/>"), 410);
    assert_eq!(code("<ft:delete uri=\"spool:/bob/\"/>"), 410);
    assert_eq!(code("<ft:mark uri=\"spool:/bob/a\"/>"), 408);
    assert_eq!(code("<ft:listresult box=\"bob\"/>"), 404);
}

#[test]
fn what_a_call_of_the_servers_can_not_send_is_refused_and_what_is_deleted_is_always_reported() {
    let forward = |mode: &str, attributes: &str| {
        format!(
            "<ft:forward {mode} to=\"sip:bob@example.net\"><ft:obj uri=\"spool:/bob/a\" {attributes}/></ft:forward>"
        )
    };
    for attributes in ["range=\"5-9\"", "icon=\"spool:/bob/i\""] {
        assert_eq!((code(&forward("", attributes)), code(&forward("mode=\"as\"", attributes))), (407, 200));
    }
    let unreported = |attributes: &str| {
        let document = format!("<msml version=\"1.1\">{}</msml>", dialog(&forward("report=\"none\"", attributes)));
        format!("{:?}", check(document.as_bytes(), false).expect("a document")).contains("unreported: true")
    };
    assert_eq!((unreported(""), unreported("delete=\"true\"")), (true, false));
}
