//! Whole MSML conversations, word for word: what a client asks, what the server starts, and what it says.

mod msml;
#[path = "msml/talk.rs"]
mod talk;

use std::time::Duration;

use restante::model::Machine;
use restante::msml::{
    Action, ConnectionReport, ContextId, DialogIdStyle, ExitStyle, FetchKey, Input, Kind, Limits, Motion, Primitive,
    PrimitiveKey, Script, SipReport, Step, StreamReport, Style, TransferReport, check,
};

use talk::{ALICE, CONTROL, Talk};

fn dialog(content: &str) -> String {
    format!("<dialogstart target=\"conn:TagOfAlice\" type=\"application/moml+xml\" name=\"d\">{content}</dialogstart>")
}

const ID: &str = "conn:TagOfAlice/dialog:d";
const STARTED: &str = "<result response=\"200\"><dialogid>conn:TagOfAlice/dialog:d</dialogid></result>";
const OK: &str = "<result response=\"200\"/>";
const RECORD: &str = "<record dest=\"spool:/bob/\" format=\"x\" maxtime=\"60s\"/>";
const STOP: &str = "Terminate { discard: false }";

fn gone(to: u64) -> String {
    format!("to {to}: <event name=\"msml.dialog.exit\" id=\"{ID}\"/>")
}

// TX-4, ID-4, DC-6, DC-7, DC-10, DC-14, DC-15, F-1, F-4, F-6, M5707-3.1-02, M5707-3.1-03, RE-10, RE-16, RE-18
#[test]
fn a_deposit_from_dialogstart_to_exit() {
    let mut talk = Talk::new();
    let script = "<record dest=\"spool:/bob/\" format=\"x\" maxtime=\"60s\">\
        <recordexit><send target=\"source\" event=\"done\" namelist=\"record.len nonsense\"/></recordexit></record>\
        <exit namelist=\"record.end record.recordid\"/>";
    assert_eq!(talk.ask(&dialog(script)), [STARTED, "start 1: record spool:/bob/"]);
    let results = [("record.len", "10020"), ("record.recordid", "spool:/bob/<&\u{1}>")];
    let values = "<name>record.end</name><value>record.complete</value>\
        <name>record.recordid</name><value>spool:/bob/&lt;&amp;\u{fffd}&gt;</value>";
    assert_eq!(
        talk.ended(1, "record.complete", &results),
        [
            format!(
                "to 9: <event name=\"done\" id=\"{ID}\"><name>record.len</name><value>10020</value>\
                <name>nonsense</name><value>undefined</value></event>"
            ),
            format!("to 9: <event name=\"moml.exit\" id=\"{ID}\">{values}</event>"),
            format!("to 9: <event name=\"msml.dialog.exit\" id=\"{ID}\">{values}</event>"),
        ]
    );
    assert_eq!(talk.interpreter.dialogs(), 0);
}

// Checklist 15 (1), (10)
#[test]
fn a_peer_can_have_its_ids_beside_the_result_and_its_last_event_empty() {
    let mut talk = Talk::new();
    talk.style = Style { dialogid: DialogIdStyle::Sibling, exit: ExitStyle::Empty, ..Style::default() };
    let exit = format!("{RECORD}<exit namelist=\"record.end\"/>");
    let started = format!("<result response=\"200\"/><dialogid>{ID}</dialogid>");
    assert_eq!(talk.ask(&dialog(&exit))[0], started);
    let pair = "<name>record.end</name><value>record.complete</value>";
    let moml_exit = format!("to 9: <event name=\"moml.exit\" id=\"{ID}\">{pair}</event>");
    assert_eq!(talk.ended(1, "record.complete", &[]), [moml_exit, gone(9)]);
}

// ID-3, ID-4, TX-7
#[test]
fn a_dialog_without_a_name_gets_one_and_the_client_is_told() {
    let mut talk = Talk::new();
    let reply = talk.ask(&dialog(RECORD).replace(" name=\"d\"", ""));
    let id = reply[0].split("<dialogid>conn:TagOfAlice/dialog:").nth(1).and_then(|rest| rest.split('<').next());
    assert_eq!(id.map(str::len), Some(12));
}

// TX-1, TX-5, TX-6, TX-7, TX-9, DC-3, DC-9
#[test]
fn a_transaction_stops_at_its_first_error_keeps_what_it_did_and_names_the_last_mark() {
    let mut talk = Talk::new();
    let first = dialog(RECORD).replace(" name", " mark=\"m1\" name");
    let second = dialog("<play><audio uri=\"file://a\"/></play>").replace(" name", " mark=\"m2\" name");
    assert_eq!(
        talk.ask(&format!("{first}\n{second}<dialogend id=\"{ID}\" mark=\"m3\"/>")),
        [
            format!(
                "<result response=\"431\" mark=\"m1\"><description>line 2, column 1: conn:TagOfAlice already has a \
                dialog &quot;d&quot;</description><dialogid>{ID}</dialogid></result>"
            ),
            "start 1: record spool:/bob/".to_owned(),
        ]
    );
    assert_eq!(
        talk.ask("<dialogend id=\"conn:TagOfAlice/dialog:x\" mark=\"m1\"/>"),
        ["<result response=\"430\"><description>line 1, column 21: there is no \
         &quot;conn:TagOfAlice/dialog:x&quot;</description></result>"]
    );
}

// TX-3
#[test]
fn nothing_of_a_document_is_executed_if_its_last_word_is_wrong() {
    let mut talk = Talk::new();
    let first = dialog(RECORD).replace(" name", " mark=\"m1\" name");
    let reply = talk.ask(&format!("{first}<join id1=\"conn:a\" id2=\"conn:b\"/>"));
    assert_eq!(reply.len(), 1);
    assert!(reply[0].starts_with("<result response=\"402\"><description>line 1, column "), "{reply:?}");
    assert_eq!(talk.interpreter.dialogs(), 0);
}

// F-6, M6086-4.2.2-05
// M6086-4.2.2-06
#[test]
fn whatever_arrives_is_answered_with_a_msml_body() {
    let mut talk = Talk::new();
    let body = bytes::Bytes::from_static(b"\xFF\xFE<\0");
    talk.requests = 1;
    assert_eq!(
        talk.tell(Input::Request { context: CONTROL, request: 1, style: Style::default(), body }),
        ["<result response=\"400\"><description>line 1, column 1: the document is UTF-16; send \
         UTF-8</description></result>"]
    );
}

// TX-2
#[test]
fn a_transaction_that_cannot_be_afforded_as_a_whole_starts_nothing() {
    let limits = Limits { dialogs: 3, dialogs_per_connection: 2 };
    let mut talk = Talk::with(limits);
    let three: String = ["a", "b", "c"].map(|name| dialog(RECORD).replace("\"d\"", &format!("\"{name}\""))).concat();
    let reply = talk.ask(&three);
    assert_eq!(reply.len(), 1);
    assert!(reply[0].starts_with("<result response=\"520\"><description>at most 2 dialogs"), "{reply:?}");
    assert_eq!(talk.ask(&dialog(RECORD)).len(), 2);
}

// Checklist 13: 510
#[test]
fn a_draining_server_starts_no_dialogs_and_finishes_those_it_has() {
    let mut talk = Talk::new();
    talk.ask(&dialog(RECORD));
    talk.tell(Input::Drain(true));
    assert!(talk.ask(&dialog(RECORD))[0].starts_with("<result response=\"510\">"));
    assert_eq!(talk.ask(&format!("<dialogend id=\"{ID}\"/>")), [OK, &format!("order 1: {STOP}")]);
    assert_eq!(talk.ended(1, "record.aborted", &[]), [gone(9)]);
}

const SRC: &str = "http://scripts.example.org/a.moml";

/// A dialog whose script is elsewhere.
fn fetching() -> String {
    dialog("").replace(" name", &format!(" src=\"{SRC}\" name"))
}

fn fetched(talk: &mut Talk, fetch: u64, result: Result<&str, &str>) -> Vec<String> {
    let result = result.map(|script| script.to_owned().into()).map_err(str::to_owned);
    talk.tell(Input::Fetched { fetch: FetchKey(fetch), result })
}

// DC-4, F-8, SIP-8
#[test]
fn a_script_by_url_is_accepted_and_a_fetch_that_fails_is_an_event() {
    let mut talk = Talk::new();
    assert_eq!(talk.ask(&fetching()), [STARTED, &format!("fetch 1: {SRC}")]);
    assert_eq!(
        fetched(&mut talk, 1, Err("it answered 404")),
        [format!(
            "to 9: <event name=\"msml.dialog.exit\" id=\"{ID}\"><name>dialog.exit.status</name><value>423</value>\
            <name>dialog.exit.description</name><value>it answered 404</value></event>"
        )]
    );
    assert!(fetched(&mut talk, 1, Ok("<moml/>")).is_empty(), "it is over");
}

// DC-4, DC-5, DC-3
#[test]
fn a_script_by_url_runs_when_it_is_there_and_holds_its_name_until_then() {
    let mut talk = Talk::new();
    talk.ask(&fetching());
    assert!(talk.ask(&fetching())[0].starts_with("<result response=\"431\">"));
    let script = format!("<moml version=\"1.0\" id=\"s\">{RECORD}<exit namelist=\"record.end\"/></moml>");
    assert!(fetched(&mut talk, 1, Ok(&script))[0].starts_with("start 1: record"));
    assert!(talk.ended(1, "record.complete", &[])[0].contains("<value>record.complete</value>"));
    // Without the wrapper that nobody writes.
    talk.ask(&fetching());
    assert!(fetched(&mut talk, 2, Ok(RECORD))[0].starts_with("start 2: record"));
}

// DC-4, DC-8
#[test]
fn a_dialog_that_is_ended_while_its_script_is_fetched_never_runs_it() {
    let mut talk = Talk::new();
    talk.ask(&fetching());
    assert_eq!(talk.ask(&format!("<dialogend id=\"{ID}\"/>")), [OK, &gone(9)]);
    assert!(fetched(&mut talk, 1, Ok(RECORD)).is_empty());
    talk.ask(&fetching());
    assert_eq!(talk.tell(Input::Disconnected { conn: "TagOfAlice".to_owned() }), [gone(9)]);
    assert!(fetched(&mut talk, 2, Ok(RECORD)).is_empty());
}

// DC-8, DC-13, TX-8
#[test]
fn dialogend_terminates_what_runs_starts_nothing_new_and_lets_the_script_report() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{RECORD}<send target=\"source\" event=\"e\" namelist=\"record.end\"/>{RECORD}<exit/>")));
    assert_eq!(talk.ask(&format!("<dialogend id=\"{ID}\"/>")), [OK, &format!("order 1: {STOP}")]);
    assert_eq!(talk.ask(&format!("<dialogend id=\"{ID}\"/>")), [OK]);
    let event = "<name>record.end</name><value>terminate</value></event>";
    let sent = format!("to 9: <event name=\"e\" id=\"{ID}\">{event}");
    assert_eq!(talk.ended(1, "record.aborted", &[]), [sent, gone(9)]);
}

// 7.2 of RFC 5707, DC-12, checklist 7.1 and 7.2, RE-11, RE-13, PL-1, DC-16
#[test]
fn events_from_outside_reach_the_primitive_they_name() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{}<exit namelist=\"record.end\"/>", RECORD.replace(" dest", " id=\"r\" dest"))));
    let mut send = |event: &str, target: &str| talk.ask(&format!("<send event=\"{event}\" target=\"{target}\"/>"));
    assert_eq!(send("pause", &format!("{ID}/record.r")), [OK, "order 1: Pause"]);
    assert_eq!(send("pause", &format!("{ID}/record")), [OK]);
    assert_eq!(send("toggle-state", &format!("{ID}/record")), [OK, "order 1: Resume"]);
    assert_eq!(send("forward", &format!("{ID}/record")), [OK]);
    assert_eq!(send("nonsense", ID), [OK]);
    for (target, code) in [(&*format!("{ID}/play"), 430), ("conn:Nobody/dialog:d", 430), ("conn:TagOfAlice", 410)] {
        assert!(send("pause", target)[0].starts_with(&format!("<result response=\"{code}\">")), "{target}");
    }
    let cancelled = send("terminate.cancelled.by.user", &format!("{ID}/record"));
    assert_eq!(cancelled, [OK, "order 1: Terminate { discard: true }"]);
    let exits = talk.ended(1, "record.aborted", &[]);
    assert!(exits[0].contains("<name>record.end</name><value>terminate.cancelled.by.user</value>"), "{exits:?}");
}

#[test]
fn a_transfer_that_completed_while_it_was_being_terminated_stays_complete() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{RECORD}<exit namelist=\"record.end\"/>")));
    talk.ask(&format!("<send event=\"terminate\" target=\"{ID}\"/>"));
    assert!(talk.ended(1, "record.complete", &[])[0].contains("<value>record.complete</value>"));
}

// RFC 5707 §9.7.4: nospeech, RE-15
#[test]
fn nospeech_ends_a_recording_only_while_nothing_has_arrived() {
    let mut talk = Talk::new();
    talk.ask(&dialog(RECORD));
    let nospeech = format!("<send event=\"nospeech\" target=\"{ID}/record\"/>");
    talk.tell(Input::Progress { primitive: PrimitiveKey(1), octets: 1 });
    assert_eq!(talk.ask(&nospeech), [OK]);
    talk.ask(&dialog(RECORD).replace("\"d\"", "\"e\""));
    assert_eq!(talk.ask(&nospeech.replace(":d/", ":e/")), [OK, &format!("order 2: {STOP}")]);
}

const GROUP: &str = "<group topology=\"parallel\">\
    <record dest=\"spool:/bob/\" format=\"x\" maxtime=\"60s\" initial=\"suspend\">\
        <recordexit><send target=\"source\" event=\"recorded\"/></recordexit></record>\
    <play><audio uri=\"file://a\"/><playexit><send target=\"record\" event=\"resume\"/></playexit></play>\
    <dtmf><pattern digits=\"#\"><send target=\"record\" event=\"terminate.termkey\"/></pattern>\
        <dtmfexit><send target=\"source\" event=\"keys\"/></dtmfexit></dtmf>\
    <groupexit><send target=\"source\" event=\"grouped\" namelist=\"record.end play.end dtmf.end\"/></groupexit></group>";

// G-1, G-2, DC-10, DC-13, checklist 7.3, OT-1, PL-12, RE-5, DC-16
#[test]
fn a_group_runs_side_by_side_and_an_inert_collector_does_not_keep_it_alive() {
    let mut talk = Talk::new();
    assert_eq!(
        talk.ask(&dialog(GROUP)),
        [STARTED, "start 1: record spool:/bob/ suspended", "start 2: play spool:/files/a"]
    );
    assert_eq!(talk.ended(2, "play.complete", &[]), ["order 1: Resume"]);
    assert_eq!(
        talk.ended(1, "record.complete", &[]),
        [
            format!("to 9: <event name=\"recorded\" id=\"{ID}\"/>"),
            format!(
                "to 9: <event name=\"grouped\" id=\"{ID}\"><name>record.end</name><value>record.complete</value>\
                <name>play.end</name><value>play.complete</value><name>dtmf.end</name><value>undefined</value></event>"
            ),
            gone(9)
        ]
    );
}

// G-3
#[test]
fn a_terminated_group_leaves_when_all_its_primitives_have_ended() {
    let mut talk = Talk::new();
    talk.ask(&dialog(GROUP));
    let terminate = format!("<send event=\"terminate\" target=\"{ID}/group\"/>");
    let keys = format!("to 9: <event name=\"keys\" id=\"{ID}\"/>");
    assert_eq!(talk.ask(&terminate), [OK, &format!("order 1: {STOP}"), &format!("order 2: {STOP}"), &keys]);
    assert_eq!(talk.ended(2, "play.aborted", &[]), Vec::<String>::new());
    let last = talk.ended(1, "record.aborted", &[]);
    assert!(last[1].contains("<name>dtmf.end</name><value>terminate</value>"), "{last:?}");
    assert_eq!(last[2], gone(9));
}

// Checklist 7.3: fdt, noinput; RFC 5707 §9.7.5, OT-1
#[test]
fn a_collector_can_still_run_out_of_time() {
    let mut talk = Talk::new();
    let collect = "<collect fdt=\"5s\" iterate=\"2\"><noinput><send target=\"source\" event=\"quiet\"/></noinput>\
        <dtmfexit><exit namelist=\"collect.end\"/></dtmfexit></collect>";
    assert_eq!(talk.ask(&dialog(collect)), [STARTED]);
    assert_eq!(talk.interpreter.deadline(), None);
    talk.ask(&format!("<send event=\"starttimer\" target=\"{ID}/collect\"/>"));
    let quiet = format!("to 9: <event name=\"quiet\" id=\"{ID}\"/>");
    assert_eq!(talk.wake(), (5, vec![quiet.clone()]));
    let pair = "<name>collect.end</name><value>dtmf.noinput</value>";
    let exits =
        ["moml.exit", "msml.dialog.exit"].map(|n| format!("to 9: <event name=\"{n}\" id=\"{ID}\">{pair}</event>"));
    assert_eq!(talk.wake(), (10, [vec![quiet], exits.to_vec()].concat()));
}

// Checklist 7.2: maxtime, initial, RE-6
#[test]
fn maxtime_counts_from_the_stream_and_not_while_suspended() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{RECORD}<exit namelist=\"record.end\"/>")));
    talk.clock = Duration::from_secs(10);
    talk.tell(Input::Started { primitive: PrimitiveKey(1) });
    talk.clock = Duration::from_secs(30);
    talk.ask(&format!("<send event=\"pause\" target=\"{ID}/record\"/>"));
    assert_eq!(talk.interpreter.deadline(), None);
    talk.clock = Duration::from_secs(1000);
    talk.ask(&format!("<send event=\"resume\" target=\"{ID}/record\"/>"));
    assert_eq!(talk.wake(), (1040, vec![format!("order 1: {STOP}")]));
    assert!(talk.ended(1, "record.aborted", &[])[0].contains("<value>record.complete.maxlength</value>"));
}

// DC-7, F-8, F-9
#[test]
fn a_failing_dialog_says_so_once_and_stops_the_others_first() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{GROUP}<exit namelist=\"record.end\"/>")));
    assert_eq!(talk.failed(1, "record.failed.nostream", 441, "no message stream"), [format!("order 2: {STOP}")]);
    assert_eq!(
        talk.ended(2, "play.aborted", &[]),
        [format!(
            "to 9: <event name=\"msml.dialog.exit\" id=\"{ID}\"><name>dialog.exit.status</name><value>441</value>\
            <name>dialog.exit.description</name><value>no message stream</value>\
            <name>record.end</name><value>record.failed.nostream</value></event>"
        )]
    );
}

// DC-11, SIP-7, M5707-3.1-05
#[test]
fn disconnect_rides_in_the_bye_only_where_the_bye_goes_to_the_client_that_asked() {
    let script = format!("{RECORD}<disconnect namelist=\"record.end\"/>");
    let pair = "<name>record.end</name><value>record.complete</value></event>";
    let [own, exit] =
        ["moml.disconnect", "msml.dialog.exit"].map(|n| format!("<event name=\"{n}\" id=\"{ID}\">{pair}"));
    let mut talk = Talk::new();
    talk.ask_on(ALICE, &dialog(&script));
    let ended = talk.ended(1, "record.complete", &[]);
    assert_eq!(ended, [format!("to 1: {exit}"), format!("bye TagOfAlice: {own}")]);
    talk.ask(&dialog(&script));
    let ended = talk.ended(2, "record.complete", &[]);
    assert_eq!(ended, [format!("to 9: {own}"), format!("to 9: {exit}"), "bye TagOfAlice: ".to_owned()]);
}

// SIP-6, SIP-9, M5707-3.1-04
#[test]
fn a_lost_connection_ends_its_dialogs_and_only_control_dialogs_hear_of_it() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&format!("{RECORD}<exit namelist=\"record.end\"/>")));
    talk.ask_on(ALICE, &dialog(RECORD).replace("\"d\"", "\"e\""));
    let stops = [format!("order 1: {STOP}"), format!("order 2: {STOP}")];
    assert_eq!(talk.tell(Input::Disconnected { conn: "TagOfAlice".to_owned() }), stops);
    let heard = talk.ended(1, "record.failed.disconnected", &[]);
    assert!(
        heard[0].starts_with("to 9:") && heard[0].contains("<value>record.failed.disconnected</value>"),
        "{heard:?}"
    );
    let lost = "lost to 1: <event name=\"msml.dialog.exit\" id=\"conn:TagOfAlice/dialog:e\"/>";
    assert_eq!(talk.ended(2, "record.failed.disconnected", &[]), [lost]);
    assert!(talk.ask(&dialog(RECORD))[0].starts_with("<result response=\"430\">"));
    assert_eq!(talk.interpreter.dialogs(), 0);
}

// ID-9
#[test]
fn a_connection_that_returns_under_its_old_tag_keeps_its_dialogs_apart_from_the_old_ones() {
    let mut talk = Talk::new();
    let connected = Input::Connected { conn: "TagOfAlice".to_owned(), context: ALICE };
    talk.ask(&dialog(RECORD));
    talk.tell(connected.clone());
    assert!(talk.ask(&dialog(RECORD))[0].starts_with("<result response=\"431\">"));
    talk.tell(Input::Disconnected { conn: "TagOfAlice".to_owned() });
    talk.tell(connected);
    assert_eq!(talk.ask(&dialog(RECORD))[0], STARTED);
    assert_eq!(talk.ended(1, "record.failed.disconnected", &[]), [gone(9)]);
    assert_eq!(talk.ask(&format!("<dialogend id=\"{ID}\"/>")), [OK, &format!("order 2: {STOP}")]);
}

// SIP-6
#[test]
fn events_for_a_control_dialog_that_is_gone_are_marked_as_lost() {
    let mut talk = Talk::new();
    talk.ask(&dialog(RECORD));
    talk.tell(Input::ContextGone(CONTROL));
    assert_eq!(talk.ended(1, "record.complete", &[]), [gone(9).replace("to 9", "lost to 9")]);
}

// F-2
#[test]
fn a_tag_in_lower_case_is_understood_while_only_one_connection_can_be_meant() {
    let mut talk = Talk::new();
    let lower = dialog(RECORD).replace("TagOfAlice", "tagofalice");
    assert_eq!(talk.ask(&lower)[0], STARTED);
    talk.tell(Input::Connected { conn: "tAGoFaLICE".to_owned(), context: ContextId(2) });
    assert!(talk.ask(&lower)[0].starts_with("<result response=\"430\">"));
    talk.tell(Input::Disconnected { conn: "tAGoFaLICE".to_owned() });
    assert!(talk.ask(&lower)[0].starts_with("<result response=\"431\">"));
}

// DC-10
#[test]
fn an_unknown_target_is_the_environment_and_a_known_one_that_rests_hears_nothing() {
    let mut talk = Talk::new();
    let script = format!(
        "<send target=\"vad\" event=\"a\"/><send target=\"record\" event=\"b\"/>\
        <send target=\"record.x\" event=\"c\"/><send target=\"source.log\" event=\"d\"/>{RECORD}"
    );
    let heard = ["a", "c", "d"].map(|name| format!("to 9: <event name=\"{name}\" id=\"{ID}\"/>"));
    let said = talk.ask(&dialog(&script));
    assert_eq!([&*said[0], &*said[4]], [STARTED, "start 1: record spool:/bob/"]);
    assert_eq!(said[1..4], heard);
}

// DC-6, DC-11
#[test]
fn an_exit_inside_a_group_waits_for_the_others_and_silences_the_rest_of_the_script() {
    let mut talk = Talk::new();
    talk.ask(&dialog(&GROUP.replace("<send target=\"record\" event=\"resume\"/>", "<exit namelist=\"record.end\"/>")));
    assert_eq!(talk.ended(2, "play.complete", &[]), [format!("order 1: {STOP}")]);
    let exits = talk.ended(1, "record.aborted", &[]);
    assert_eq!(exits.len(), 2);
    assert!(exits[0].contains("moml.exit") && exits[0].contains("<value>terminate</value>"), "{exits:?}");
}

// TX-3: control.validation = "strict"
#[test]
fn a_strict_server_holds_requests_to_the_schema() {
    let mut talk = Talk::new();
    talk.style.strict = true;
    assert!(talk.ask(&dialog("<record dest=\"spool:/bob/\"/>"))[0].starts_with("<result response=\"408\">"));
    assert!(talk.ask(&dialog(RECORD).replace(" name", " x=\"1\" name"))[0].starts_with("<result response=\"406\">"));
    assert_eq!(talk.ask(&dialog(RECORD))[0], STARTED);
}

// A-1, A-3, ID-7, TX-6, A-7
#[test]
fn an_audit_without_states_tells_ids_and_of_nobody_nothing() {
    let mut talk = Talk::new();
    talk.tell(Input::Connected { conn: "TagOfBob".to_owned(), context: ContextId(2) });
    let id = |conn: &str| format!("<auditresult targetid=\"conn:{conn}\"/>");
    let result = |ids: &str| [format!("<result response=\"200\">{ids}</result>")];
    assert_eq!(talk.ask("<audit queryid=\"conn:*\"/>"), result(&(id("TagOfAlice") + &id("TagOfBob"))));
    assert_eq!(talk.ask("<audit queryid=\"conn:tagofbob\" statelist=\"audit.conn\"/>"), result(&id("TagOfBob")));
    for nobody in ["conn:Nobody", "conf:*", "conf:c"] {
        assert_eq!(talk.ask(&format!("<audit queryid=\"{nobody}\"/>")), [OK]);
    }
    let refused = talk.ask("<audit queryid=\"conn:*\" mark=\"a\"/><audit queryid=\"conn:*\" mark=\"b\"/>\n<dialogend id=\"conn:x/dialog:y\"/>");
    assert!(refused[0].starts_with("<result response=\"430\" mark=\"b\">"), "{refused:?}");
}

// A-3, A-5
#[test]
fn an_audit_tells_of_each_dialog_what_it_does_and_who_started_it() {
    let mut talk = Talk::new();
    talk.tell(Input::Connected { conn: "Control".to_owned(), context: CONTROL });
    talk.ask(&dialog(GROUP));
    talk.ask_on(ALICE, &dialog("<collect><pattern digits=\"#\"><exit/></pattern></collect>").replace("\"d\"", "\"e\""));
    talk.clock = Duration::from_millis(2500);
    let audit = "<audit queryid=\"conn:TagOfAlice\" statelist=\"audit.conn.dialog.*\"/>";
    let told = |name: &str, primitive: &str, controller: &str| {
        format!(
            "<dialog name=\"{name}\" type=\"application/moml+xml\"><duration>3</duration>\
            <primitive>{primitive}</primitive><controller>conn:{controller}</controller></dialog>"
        )
    };
    let dialogs = told("d", "record", "Control") + &told("e", "dtmf", "TagOfAlice");
    let result = |content: &str| {
        [format!("<result response=\"200\"><auditresult targetid=\"conn:TagOfAlice\">{content}</auditresult></result>")]
    };
    assert_eq!(talk.ask(audit), result(&dialogs));
    talk.tell(Input::ContextGone(CONTROL));
    talk.tell(Input::Disconnected { conn: "Control".to_owned() });
    assert_eq!(talk.ask(audit), result(&dialogs.replace("<controller>conn:Control</controller>", "")));
    let names = "<dialog name=\"d\" type=\"application/moml+xml\"></dialog>";
    assert_eq!(talk.ask(&audit.replace(".*", "")), result(&(names.to_owned() + &names.replace("\"d\"", "\"e\""))));
}

// A-2, A-4, A-6
#[test]
fn an_audit_tells_what_the_owner_of_a_connection_knows_as_far_as_it_was_asked() {
    let mut talk = Talk::new();
    talk.ask(&dialog(RECORD));
    let stream = |sends, receives, user| StreamReport { sends, receives, user };
    talk.report = ConnectionReport {
        sip: Some(SipReport {
            call_id: "a&b".to_owned(),
            local_tag: "TagOfAlice".to_owned(),
            remote_seq: Some(7),
            routes: vec!["sip:a;lr".to_owned(), "sip:b;lr".to_owned()],
            ..SipReport::default()
        }),
        local_sdp: Some("v=0\r\ns=-\r\n".to_owned()),
        remote_sdp: None,
        streams: vec![stream(false, true, Some(PrimitiveKey(1))), stream(true, true, None)],
        transfers: vec![TransferReport {
            primitive: PrimitiveKey(1),
            receives: true,
            uri: Some("spool:/bob/".to_owned()),
            size: Some(2048),
            octets: 1024,
            took: Duration::from_millis(350),
            motion: Motion::Moving,
        }],
    };
    let mut asked = |states: &str| {
        let told = talk.ask(&format!("<audit queryid=\"conn:TagOfAlice\" statelist=\"{states}\"/>")).remove(0);
        let content = told.strip_prefix("<result response=\"200\"><auditresult targetid=\"conn:TagOfAlice\">");
        content.and_then(|rest| rest.strip_suffix("</auditresult></result>")).expect("one connection").to_owned()
    };
    let sip = "<sipdialog callid=\"a&amp;b\" localtag=\"TagOfAlice\" remotetag=\"\">";
    assert_eq!(asked("audit.conn.sipdialog"), format!("{sip}</sipdialog>"));
    let states = "audit.conn.sipdialog.localseq audit.conn.sipdialog.remoteseq audit.conn.sipdialog.routeset";
    let leaves = "<remoteseq>7</remoteseq><routeset>sip:a;lr,sip:b;lr</routeset>";
    assert_eq!(asked(states), format!("{sip}{leaves}</sipdialog>"));
    assert_eq!(asked("audit.conn.localsdp audit.conn.remotesdp"), "<localsdp>v=0&#13;&#10;s=-&#13;&#10;</localsdp>");
    let stream =
        |of: &str, dir: &str| format!("<stream joinwith=\"conn:TagOfAlice{of}\" media=\"message\" dir=\"{dir}\"/>");
    assert_eq!(asked("audit.conn.stream"), stream("/dialog:d", "from") + &stream("", "from") + &stream("", "to"));
    let ft = "<ft dialog=\"d\" primitive=\"record\" dir=\"from\">";
    assert_eq!(asked("audit.conn.ft.bytes"), format!("{ft}<bytes>1024</bytes></ft>"));
    let leaves =
        "<uri>spool:/bob/</uri><size>2048</size><bytes>1024</bytes><duration>350</duration><state>moving</state>";
    assert_eq!(asked("audit.conn.ft.*"), format!("{ft}{leaves}</ft>"));
}

#[test]
fn an_audit_that_is_too_much_for_an_answer_says_so() {
    let mut talk = Talk::new();
    talk.report.local_sdp = Some("s".repeat(1000));
    for n in 0..100 {
        talk.tell(Input::Connected { conn: format!("c{n}"), context: ContextId(100 + n) });
    }
    let refused = talk.ask("<audit queryid=\"conn:*\" statelist=\"audit.conn.localsdp\"/>");
    assert!(refused[0].starts_with("<result response=\"521\"><description>the answer would be longer"), "{refused:?}");
    assert_eq!(talk.ask("<audit queryid=\"conn:*\"/>")[0].matches("<auditresult").count(), 101);
    for n in 100..1000 {
        talk.tell(Input::Connected { conn: format!("c{n}"), context: ContextId(100 + n) });
    }
    assert!(talk.ask("<audit queryid=\"conn:*\"/>")[0].starts_with("<result response=\"521\">"));
}

// Checklist 7.2: maxtime, whose default is the peer's, RE-6
#[test]
fn a_record_without_maxtime_has_the_limit_of_whoever_asked() {
    let mut talk = Talk::new();
    talk.style.maxtime = Duration::from_secs(90);
    talk.ask(&dialog("<record dest=\"spool:/bob/\"/>"));
    assert_eq!(talk.wake(), (90, vec![format!("order 1: {STOP}")]));
}

// Checklist 7.1: restart, PL-10
#[test]
fn a_play_can_be_begun_anew_and_a_record_cannot() {
    let mut talk = Talk::new();
    talk.ask(&dialog("<play><audio uri=\"file://a\"/></play>"));
    let restart = format!("<send event=\"restart\" target=\"{ID}/play\"/>");
    assert_eq!(talk.ask(&restart), [OK, "order 1: Restart"]);
    talk.ask(&dialog(RECORD).replace("\"d\"", "\"e\""));
    assert_eq!(talk.ask(&restart.replace(":d/play", ":e/record")), [OK]);
}

// Checklist 7.2: audiodest, videodest, RE-2
#[test]
fn a_record_may_say_where_each_type_goes() {
    let body = dialog("<record audiodest=\"spool:/a/\" dest=\"spool:/d/\" format=\"x\" maxtime=\"1s\"/>");
    let document = check(format!("<msml version=\"1.1\">{body}</msml>").as_bytes(), true).expect("a good document");
    let Action::DialogStart { script: Script::Inline(steps), .. } = &document.commands[0].action else { panic!() };
    let Step::Primitive(Primitive { kind: Kind::Record { record, .. }, .. }) = &steps[0] else { panic!() };
    let dest = |media_type| record.dest_for(media_type).map(ToString::to_string);
    assert_eq!(dest("Audio/wav; rate=1").as_deref(), Some("spool:/a/"));
    assert_eq!(dest("video/mp4").as_deref(), Some("spool:/d/"));
    assert_eq!(dest("message/cpim").as_deref(), Some("spool:/d/"));
}
