//! CEMA (RFC 6714) and trunks that rewrite paths: a middlebox stands between the phone and us.

use restante::engine::{Bearer, CallMedia, Command, Input, LinkId, LocalFile, Notice, Trunk};
use restante::model::FileInfo;
use restante::msrp::{Carrier, KnockId, MsrpUri, SessionMatch, StatusCode};

use super::table::{Message, PHONE, Table, description};

const CEMA: Trunk = Trunk { cema: true, session_match: SessionMatch::Uri };
const PLAIN: Trunk = Trunk { cema: false, session_match: SessionMatch::Uri };

/// Where the middlebox says that the phone is.
const ANCHOR: (&str, u16) = ("192.0.2.100", 40_000);
const DIRECT: (&str, u16) = (PHONE, 7001);
const PATH: &str = "a=path:msrp://192.0.2.7:7001/p1;tcp";

/// A command of ours calls the phone to push a file; its INVITE.
fn push(table: &mut Table) -> Message {
    let info = FileInfo { name: Some("a.txt".to_owned()), size: Some(5), ..FileInfo::default() };
    table.call(CallMedia::Push(Box::new(LocalFile { path: "a.txt".to_owned(), info, ..LocalFile::default() })))
}

fn dialled(table: &Table) -> Vec<String> {
    table.dialled.iter().map(|(_, uri)| uri.to_string()).collect()
}

// M6714-4.3-01 P30
#[test]
fn an_offer_that_a_middlebox_without_cema_has_changed_is_refused_only_where_cema_is_on() {
    for (trunk, status) in [(CEMA, 488), (PLAIN, 200)] {
        let answer = Table::new(trunk).invite(&description(1, ANCHOR, &["a=setup:actpass", PATH]));
        assert_eq!(answer.status(), status, "{}", answer.head);
        assert_eq!(answer.head.contains("msrp-cema"), status == 488, "the warning says why: {}", answer.head);
    }
    // With another line to take, the one that was changed gets port 0.
    let sound = "m=message 7001 TCP/MSRP *\r\nc=IN IP4 192.0.2.7\r\na=accept-types:*\r\na=path:msrp://192.0.2.7:7001/p2;tcp\r\n";
    let answer = Table::new(CEMA).invite(&(description(1, ANCHOR, &["a=setup:actpass", PATH]) + sound));
    assert_eq!(answer.lines("m=message "), ["0 TCP/MSRP *", "2855 TCP/MSRP *"]);
}

// M6714-4.3-04 M6714-4.3-08 M6714-4.1-01 M6714-6.3-01
#[test]
fn an_offer_with_cema_is_answered_so_and_its_media_line_is_dialled_while_to_path_stays_the_path() {
    let mut table = Table::new(CEMA);
    let answer = table.invite(&description(1, ANCHOR, &["a=setup:passive", PATH, "a=msrp-cema"]));
    assert_eq!((answer.status(), answer.lines("a=msrp-cema").len()), (200, 1), "{}", answer.body);
    assert_eq!(dialled(&table), ["msrp://192.0.2.100:40000/p1;tcp"]);
    let spec = table.connect(1);
    assert_eq!(MsrpUri::print_path(&spec.remote_path), "msrp://192.0.2.7:7001/p1;tcp");

    // The middlebox gives the next session of the same phone another port: another connection.
    let mut table = Table::new(CEMA);
    let second = "m=message 40001 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://192.0.2.7:7001/p2;tcp\r\n\
                  a=setup:passive\r\na=msrp-cema\r\n";
    table.invite(&(description(1, ANCHOR, &["a=setup:passive", PATH, "a=msrp-cema"]) + second));
    assert_eq!(dialled(&table), ["msrp://192.0.2.100:40000/p1;tcp", "msrp://192.0.2.100:40001/p2;tcp"]);
}

// M6714-4.3-09 M6714-4.3-03
#[test]
fn the_passive_side_waits_and_a_trunk_without_cema_hears_nothing_of_it() {
    let mut table = Table::new(CEMA);
    let answer = table.invite(&description(1, ANCHOR, &["a=setup:actpass", PATH, "a=msrp-cema"]));
    assert_eq!((answer.lines("a=setup:"), answer.lines("a=msrp-cema").len()), (vec!["passive"], 1));
    assert!(table.dialled.is_empty());

    let mut table = Table::new(PLAIN);
    let answer = table.invite(&description(1, ANCHOR, &["a=setup:passive", PATH, "a=msrp-cema"]));
    assert!(!answer.body.contains("msrp-cema"));
    assert_eq!(dialled(&table), ["msrp://192.0.2.7:7001/p1;tcp"]);
}

// M6714-4.4-01
#[test]
fn names_are_looked_up_before_an_offer_is_judged_and_what_comes_meanwhile_waits() {
    let named = ["a=setup:actpass", "a=path:msrp://phone.example.net:7001/p1;tcp"];
    for (records, status) in [(&["192.0.2.50", PHONE][..], 200), (&["192.0.2.50"], 488), (&[], 488)] {
        let mut table = Table::new(CEMA);
        table.request("INVITE", &description(1, DIRECT, &named));
        assert!(table.is_silent() || table.next("100", |_| true).status() == 100);
        assert_eq!(table.wanted[0].1, ["phone.example.net"]);
        table.resolve(records);
        assert_eq!(table.response().status(), status, "{records:?}");
        assert!(table.wanted.is_empty(), "once is enough");
    }
    // Without CEMA nobody looks anything up.
    let mut table = Table::new(PLAIN);
    assert_eq!(table.invite(&description(1, DIRECT, &named)).status(), 200);
    assert!(table.wanted.is_empty());
}

#[test]
fn a_caller_who_hangs_up_while_its_names_are_looked_up_leaves_nothing_behind() {
    let mut table = Table::new(CEMA);
    table.request("INVITE", &description(1, DIRECT, &["a=path:msrp://phone.example.net:7001/p1;tcp"]));
    let ticket = table.wanted[0].0;
    table.cancel();
    assert_eq!(table.next("487", |message| message.status() >= 300).status(), 487);
    table.give(Input::Resolved(ticket, Vec::new()));
    assert!(table.is_silent() && table.dialled.is_empty());
}

// M6714-4.2-01 M6714-4.2-02 M6714-4.2-12
#[test]
fn our_offer_speaks_cema_and_the_answers_media_line_is_dialled() {
    for (attributes, line, hop) in [
        (&["a=setup:passive", PATH, "a=msrp-cema"][..], ANCHOR, "msrp://192.0.2.100:40000/p1;tcp"),
        (&["a=setup:passive", PATH], ANCHOR, "msrp://192.0.2.100:40000/p1;tcp"),
        (&[PATH], DIRECT, "msrp://192.0.2.7:7001/p1;tcp"),
    ] {
        let mut table = Table::new(CEMA);
        let invite = push(&mut table);
        assert_eq!((invite.lines("a=msrp-cema"), invite.lines("a=setup:")), (vec![""], vec!["actpass"]));
        table.answer(&invite, 200, &description(1, line, attributes));
        assert_eq!(dialled(&table), [hop]);
        let spec = table.connect(1);
        assert_eq!(MsrpUri::print_path(&spec.remote_path), "msrp://192.0.2.7:7001/p1;tcp");
    }
    assert!(!push(&mut Table::new(PLAIN)).body.contains("msrp-cema"));
}

// M6714-4.2-05 M6714-4.2-06 M6714-4.2-07
#[test]
fn an_answer_that_leads_past_its_middlebox_makes_us_offer_again_without_cema() {
    let mut table = Table::new(CEMA);
    let invite = push(&mut table);
    table.answer(&invite, 200, &description(1, ANCHOR, &["a=setup:active", PATH]));
    assert!(table.dialled.is_empty());
    let again = table.next("re-INVITE", |message| message.is("INVITE"));
    assert!(!again.body.contains("msrp-cema"), "{}", again.body);
    assert_eq!(again.lines("a=path:"), invite.lines("a=path:"));
    assert_eq!(again.lines("a=file-transfer-id:"), invite.lines("a=file-transfer-id:"));

    // Now the middlebox takes the phone's place in the path, too; the file goes there.
    let own = "a=path:msrp://192.0.2.100:40000/m1;tcp";
    table.answer(&again, 200, &description(2, ANCHOR, &["a=recvonly", "a=setup:passive", own]));
    assert_eq!(dialled(&table), ["msrp://192.0.2.100:40000/m1;tcp"]);
    let (session, _) = table.dialled.remove(0);
    table.give(Input::Dialled(session, Ok(LinkId(1))));
    assert!(table.links.iter().any(|(_, command)| matches!(command, Command::Send(..))), "the file is sent");
}

// M6714-4.2-05
#[test]
fn an_answer_in_the_ack_that_leads_past_its_middlebox_is_asked_for_again() {
    let mut table = Table::new(CEMA);
    table.request("INVITE", "");
    let offer = table.response();
    assert_eq!(offer.lines("a=msrp-cema").len(), 1);
    table.request("ACK", &description(1, ANCHOR, &["a=setup:active", PATH]));
    let again = table.next("re-INVITE", |message| message.is("INVITE"));
    assert!(!again.body.contains("msrp-cema"));
    assert_eq!(again.lines("a=path:"), offer.lines("a=path:"));
}

// M4975-14.5-01
#[test]
fn a_stranger_cannot_have_us_connect_to_somebody_else_by_its_media_line_either() {
    let mut policy = super::table::policy(CEMA);
    policy.trusted.clear();
    let lines = ["a=setup:passive", PATH, "a=msrp-cema"];
    assert_eq!(Table::with(policy.clone()).invite(&description(1, ANCHOR, &lines)).status(), 488);
    let mut table = Table::with(policy);
    assert_eq!(table.invite(&description(1, (PHONE, 40_000), &lines)).status(), 200);
    assert_eq!(dialled(&table), ["msrp://192.0.2.7:40000/p1;tcp"]);
}

/// F4: a gateway rewrites our path in SDP, and the phone's To-Path has the gateway's host and port.
fn knock(table: &mut Table, to: &str) -> Vec<Command> {
    let path = |text: &str| -> restante::msrp::Path { MsrpUri::parse_path(text).expect("a path").as_slice().into() };
    let (to_path, from_path) = (path(to), path("msrp://10.1.1.1:5/other;tcp"));
    table.give(Input::Linked(LinkId(7), Bearer { carrier: Carrier::Tcp, remote: None, certificate: None }));
    table.give(Input::Notice(LinkId(7), Notice::Knock { knock: KnockId(1), to_path, from_path }));
    table.links.drain(..).map(|(_, command)| command).collect()
}

// M4975-7.3-02 F4 F5 P14
#[test]
fn a_to_path_that_was_rewritten_on_its_way_is_known_by_its_session_id_only_where_that_is_asked_for() {
    for (session_match, known) in [(SessionMatch::Id, true), (SessionMatch::Uri, false)] {
        let mut table = Table::new(Trunk { session_match, ..PLAIN });
        let answer = table.invite(&description(1, DIRECT, &["a=setup:active", PATH]));
        let ours: MsrpUri = answer.lines("a=path:")[0].parse().expect("a URI");
        let rewritten = MsrpUri { host: "203.0.113.9".to_owned(), port: Some(1), ..ours.clone() };
        let told = knock(&mut table, &rewritten.to_string());
        match &told[..] {
            [Command::Bind(spec)] if known => assert_eq!((&spec.local, spec.session_match), (&ours, session_match)),
            [Command::Refuse(_, StatusCode::NO_SUCH_SESSION)] if !known => {}
            other => panic!("{other:?}"),
        }
        let stranger = MsrpUri { session_id: Some("guessed".to_owned()), ..ours };
        let told = knock(&mut table, &stranger.to_string());
        assert!(matches!(told[..], [Command::Refuse(_, StatusCode::NO_SUCH_SESSION)]), "{told:?}");
    }
}

// F4
#[test]
fn a_refresh_whose_path_was_rewritten_otherwise_keeps_the_session_where_only_its_id_counts() {
    for (session_match, kept) in [(SessionMatch::Id, true), (SessionMatch::Uri, false)] {
        let mut table = Table::new(Trunk { session_match, ..PLAIN });
        let first = table.invite(&description(1, DIRECT, &["a=setup:active", PATH]));
        let again = ["a=setup:active", "a=path:msrp://192.0.2.200:9001/p1;tcp"];
        let second = table.invite(&description(2, DIRECT, &again));
        assert_eq!(first.lines("a=path:") == second.lines("a=path:"), kept);
    }
}
