//! Application servers as they are: each option of `[[control.peers]]` with a document as that client writes it, what an
//! audit tells of a real call, and in which order things happen.

mod board;

use std::time::Duration;

use board::{Board, sip_text};
use restante::engine::{Command, ErrorStyle, Manners, Notice, Output, Peer, ReceiveFailure, Unattended};
use restante::msml::{DialogIdStyle, ExitStyle, Style};
use restante::msrp::InboundKey;

const OURS: &str = "application/msml+xml";

/// A board on which clients of this User-Agent have these manners.
fn house(agent: &'static str, manners: Manners) -> Board {
    let peer = Peer { network: None, user_agent: Some(agent.to_owned()), manners };
    let mut board = Board::with(Unattended::Hold, |policy| policy.peers.push(peer));
    board.agent = agent;
    board
}

/// A call with a connected stream on which the first message waits.
fn deposit(board: &mut Board) -> board::Call {
    let call = board.invite(1);
    let link = call.number();
    board.link(link);
    let Some(Command::Bind(spec)) = board.knock(link, &call.paths[0]) else { panic!("the session is known") };
    board.arrives(link, spec.key, link);
    call
}

/// The file of this call breaks off; what the client hears.
fn broken_off(board: &mut Board, call: &board::Call) -> Vec<(String, String)> {
    let lost = Notice::Lost(InboundKey(call.number()), ReceiveFailure::AbortedRemote, 3);
    let outputs = board.notice(call.number(), lost);
    board.heard(outputs)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status")
}

/// A script of a voice mail, as a client writes it that cuts our documents at fixed strings: no `type`, a `maxtime` without
/// a unit, attributes of its vendor, a name with a colon.
fn voice_script(conn: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"US-ASCII\"?><msml version=\"1.0\" id=\"conn:{conn}\">\
         <dialogstart target=\"conn:{conn}\" name=\"DIALOG:Record\"><group topology=\"parallel\">\
         <record beep=\"true\" dest=\"file:///media/Mailbox_7.wav\" format=\"audio/wav;codec=mulaw\" maxtime=\"3600\">\
         <recordexit><exit namelist=\"record.end record.len\"/></recordexit></record>\
         <collect cleardb=\"true\"><pattern digits=\"#\"><send target=\"record\" event=\"terminate\"/></pattern></collect>\
         </group></dialogstart></msml>"
    )
}

const RESULTS: &str =
    "<name>record.end</name><value>record.failed.aborted</value><name>record.len</name><value>0</value>";

// Checklist 15 (1), (10); F-1 F-4 SIP-12 DC-1
#[test]
fn a_client_that_cuts_documents_at_strings_gets_ids_beside_the_result_and_an_empty_last_event() {
    let style = Style { dialogid: DialogIdStyle::Sibling, exit: ExitStyle::Empty, ..Style::default() };
    let mut board = house("Sample App/1.2", Manners { style, ..Manners::default() });
    let call = deposit(&mut board);
    let answer = board.info(&call, "application/xml", &voice_script(call.conn()));
    let id = format!("conn:{}/dialog:DIALOG:Record", call.conn());
    assert!(answer.ends_with(&format!("<result response=\"200\"/><dialogid>{id}</dialogid></msml>")), "{answer}");
    assert!(answer.contains("\r\nContent-Type: application/xml\r\n"), "{answer}");
    let heard = broken_off(&mut board, &call);
    let frame =
        |event: &str| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<msml version=\"1.1\">{event}</msml>");
    let events = [
        frame(&format!("<event name=\"moml.exit\" id=\"{id}\">{RESULTS}</event>")),
        frame(&format!("<event name=\"msml.dialog.exit\" id=\"{id}\"/>")),
    ];
    assert_eq!(heard, events.map(|body| ("application/xml".to_owned(), body)));
}

// Checklist 15 (1), (10)
#[test]
fn any_other_client_gets_ids_inside_the_result_and_the_namelist_once_more() {
    let style = Style { dialogid: DialogIdStyle::Sibling, exit: ExitStyle::Empty, ..Style::default() };
    let mut board = house("Sample App/1.2", Manners { style, ..Manners::default() });
    board.agent = "Another/1";
    let call = deposit(&mut board);
    let answer = board.info(&call, OURS, &voice_script(call.conn()));
    assert!(answer.contains("<result response=\"200\"><dialogid>conn:"), "{answer}");
    let heard = broken_off(&mut board, &call);
    assert_eq!(heard.len(), 2);
    assert!(heard[1].1.contains("msml.dialog.exit") && heard[1].1.contains(RESULTS), "{heard:?}");
}

// SIP-12, P-6
#[test]
fn a_client_that_registers_one_type_hears_no_other_whatever_it_says() {
    let registered = "application/vnd.radisys.msml+xml";
    let mut board = house("Registered", Manners { content_type: Some(registered), ..Manners::default() });
    let call = deposit(&mut board);
    let answer = board.info(&call, "text/xml", &voice_script(call.conn()));
    assert!(answer.contains(&format!("\r\nContent-Type: {registered}\r\n")), "{answer}");
    let heard = broken_off(&mut board, &call);
    assert!(heard.len() == 2 && heard.iter().all(|(kind, _)| kind == registered), "{heard:?}");
}

// SIP-4, F-6
#[test]
fn a_client_that_reads_only_sip_hears_of_failures_by_sip_and_keeps_its_call() {
    let sip = Manners { error_style: ErrorStyle::Sip, ..Manners::default() };
    for (manners, client, server) in [(sip, "400", "500"), (Manners::default(), "200", "200")] {
        let mut board = house("Switch", manners);
        let call = deposit(&mut board);
        let unknown = voice_script("Nobody");
        let answer = board.info(&call, OURS, &unknown);
        assert_eq!(status(&answer), client);
        assert!(answer.contains("<result response=\"430\"><description>"), "{answer}");
        let answer = board.info(&call, OURS, &voice_script(call.conn()));
        assert_eq!(status(&answer), "200", "the call goes on: {answer}");
        board.give(restante::engine::Input::Drain);
        let answer = board.info(&call, OURS, &voice_script(call.conn()).replace("Record\"", "Again\""));
        assert_eq!(status(&answer), server);
        assert!(answer.contains("<result response=\"510\">"), "{answer}");
    }
}

// TX-3
#[test]
fn one_client_can_be_held_to_the_schemas_while_others_are_not() {
    let strict = Style { strict: true, ..Style::default() };
    let mut board = house("Careful", Manners { style: strict, ..Manners::default() });
    let call = deposit(&mut board);
    assert!(board.info(&call, OURS, &voice_script(call.conn())).contains("<result response=\"410\">"));
    let good = format!(
        "<msml version=\"1.1\"><dialogstart target=\"conn:{}\" type=\"application/moml+xml\">\
         <record dest=\"spool:/bob/\" format=\"audio/wav\" maxtime=\"3600s\"/></dialogstart></msml>",
        call.conn()
    );
    assert!(board.info(&call, OURS, &good).contains("<result response=\"200\">"));
    board.agent = "Careless";
    let other = deposit(&mut board);
    assert!(board.info(&other, OURS, &voice_script(other.conn())).contains("<result response=\"200\">"));
}

// Checklist 7.2: maxtime
#[test]
fn a_script_without_maxtime_has_the_one_of_its_client() {
    let patient = Style { maxtime: Duration::from_secs(90), ..Style::default() };
    let mut board = house("Patient", Manners { style: patient, ..Manners::default() });
    let call = deposit(&mut board);
    board.info(&call, OURS, &voice_script(call.conn()).replace(" maxtime=\"3600\"", ""));
    let stopped = |outputs: &[Output]| {
        outputs.iter().any(|output| matches!(output, Output::Link(_, Command::Stop { discard: false, .. })))
    };
    assert!(!stopped(&board.pass(Duration::from_secs(89))));
    assert!(stopped(&board.pass(Duration::from_secs(1))));
}

// TX-10, TX-1, SIP-1
#[test]
fn requests_are_executed_and_answered_in_the_order_of_their_arrival() {
    let mut board = house("Hasty", Manners::default());
    let call = deposit(&mut board);
    let script = voice_script(call.conn());
    let end = format!("<msml version=\"1.1\"><dialogend id=\"conn:{}/dialog:DIALOG:Record\"/></msml>", call.conn());
    let asked = [script.clone(), script, end.clone(), end.replace("Record", "None")];
    let responses = asked.map(|document| {
        let answer = board.info(&call, OURS, &document);
        answer.split_once("response=\"").and_then(|(_, rest)| rest.get(..3)).expect("a response").to_owned()
    });
    assert_eq!(responses, ["200", "431", "200", "430"]);
}

// SIP-2, SIP-3, SIP-5, SIP-9
#[test]
fn a_bye_ends_the_dialogs_of_its_call_keeps_what_has_come_and_who_asked_on_another_call_hears_of_it() {
    let mut board = house("Control", Manners::default());
    let (call, control) = (deposit(&mut board), board.invite(0));
    assert!(board.info(&control, OURS, &voice_script(call.conn())).contains("response=\"200\""));
    board.notice(call.number(), Notice::Received(InboundKey(call.number()), 1000));
    board.bye(&call);
    let outputs = board.pass(Duration::from_secs(2));
    let kept = |output: &Output| matches!(output, Output::Link(_, Command::Stop { discard: false, .. }));
    assert!(outputs.iter().any(kept), "what has come is kept: {outputs:?}");
    let heard = board.heard(outputs);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].1.contains("<value>record.failed.disconnected</value>"), "{heard:?}");
    let audit = format!("<msml version=\"1.1\"><audit queryid=\"conn:{}\"/></msml>", call.conn());
    assert!(board.info(&control, OURS, &audit).contains("<result response=\"200\"/>"), "the connection is gone");
}

// SIP-10
#[test]
fn an_audit_tells_the_whole_of_a_call() {
    let mut board = house("Curious", Manners::default());
    let call = deposit(&mut board);
    board.info(&call, OURS, &voice_script(call.conn()));
    board.notice(call.number(), Notice::Received(InboundKey(call.number()), 4096));
    board.pass(Duration::from_millis(1500));
    let conn = call.conn().to_owned();
    let audit = format!("<msml version=\"1.1\"><audit queryid=\"conn:{conn}\" statelist=\"audit.conn.*\"/></msml>");
    let told = board.info(&call, OURS, &audit);
    let number = call.number();
    for part in [
        format!(
            "<auditresult targetid=\"conn:{conn}\"><sipdialog callid=\"call-{number}\" localtag=\"{conn}\" remotetag=\"a{number}\">"
        ),
        "<remoteseq>".to_owned(),
        "<localuri>sip:bob@192.0.2.10</localuri><remoteuri>sip:alice@192.0.2.9</remoteuri>".to_owned(),
        "<remotetarget>sip:alice@192.0.2.9</remotetarget></sipdialog>".to_owned(),
        "<localsdp>v=0&#13;&#10;".to_owned(),
        format!("a=path:{}", restante::msrp::MsrpUri::print_path(&call.paths[0])),
        "a=path:msrp://192.0.2.9:9/phone;tcp".to_owned(),
        format!("<primitive>record</primitive><controller>conn:{conn}</controller></dialog>"),
        format!("<stream joinwith=\"conn:{conn}/dialog:DIALOG:Record\" media=\"message\" dir=\"from\"/>"),
        "<ft dialog=\"DIALOG:Record\" primitive=\"record\" dir=\"from\"><uri>spool:/files/media%252FMailbox_7.wav</uri>"
            .to_owned(),
        "<bytes>4096</bytes><duration>1500</duration><state>moving</state></ft></auditresult>".to_owned(),
    ] {
        assert!(told.contains(&part), "{part} is not in {told}");
    }
    board.info(
        &call,
        OURS,
        &format!(
            "<msml version=\"1.1\"><send target=\"conn:{conn}/dialog:DIALOG:Record/record\" event=\"pause\"/></msml>"
        ),
    );
    assert!(board.info(&call, OURS, &audit).contains("<state>paused</state>"));
}

// TX-2, checklist 13: 520
#[test]
fn a_record_is_not_begun_while_the_spool_takes_nothing_and_the_whole_request_with_it() {
    let mut board = house("Full", Manners::default());
    let call = deposit(&mut board);
    let script = voice_script(call.conn());
    board.give(restante::engine::Input::Taking(false));
    let both = script.replace("<dialogstart", "<audit queryid=\"conn:*\" mark=\"m\"/><dialogstart");
    let answer = board.info(&call, OURS, &both);
    assert!(answer.contains("<result response=\"520\"><description>"), "{answer}");
    assert!(answer.contains("no room for new files") && !answer.contains("auditresult"), "{answer}");
    board.give(restante::engine::Input::Taking(true));
    assert!(board.info(&call, OURS, &script).contains("<result response=\"200\">"));
}

// F-5
#[test]
fn an_empty_info_is_a_sign_of_life_and_answered_without_a_body() {
    let mut board = house("Alive", Manners::default());
    let call = deposit(&mut board);
    let answer = board.info(&call, "", "");
    assert_eq!((status(&answer), answer.contains("Content-Type")), ("200", false));
    assert!(board.heard(Vec::new()).is_empty());
    assert!(sip_text(&Output::Drained).is_none());
}
