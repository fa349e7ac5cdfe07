//! What every offer and answer has to be, with nothing in between.

use std::collections::{BTreeSet, HashSet};

use restante::engine::{Bearer, CallMedia, Command, Input, LinkId, LocalFile, Notice, Trunk};
use restante::model::FileInfo;
use restante::msrp::{Carrier, KnockId, MsrpUri, StatusCode};

use super::table::{PHONE, STORE, Table, description, policy};

const DIRECT: (&str, u16) = (PHONE, 7001);
const PATH: &str = "a=path:msrp://192.0.2.7:7001/p1;tcp";

fn table() -> Table {
    Table::new(Trunk::default())
}

fn push() -> CallMedia {
    let info = FileInfo { name: Some("a.txt".to_owned()), size: Some(5), ..FileInfo::default() };
    CallMedia::Push(Box::new(LocalFile { path: "a.txt".to_owned(), info, ..LocalFile::default() }))
}

/// Somebody says on link 7 that it wants the session of this path; what the link is told.
fn knock(table: &mut Table, to: &str) -> Vec<Command> {
    let path = |text: &str| -> restante::msrp::Path { MsrpUri::parse_path(text).expect("a path").as_slice().into() };
    let (to_path, from_path) = (path(to), path("msrp://192.0.2.7:7001/p1;tcp"));
    table.give(Input::Linked(LinkId(7), Bearer { carrier: Carrier::Tcp, remote: None, certificate: None }));
    table.give(Input::Notice(LinkId(7), Notice::Knock { knock: KnockId(1), to_path, from_path }));
    table.links.drain(..).map(|(_, command)| command).collect()
}

fn is_bound(told: &[Command]) -> bool {
    matches!(told, [Command::Bind(_)])
}

// M3264-5.1-01 M4975-15.6-01 M8866-5.2-02 M4145-4.1-04 M6135-3-02
#[test]
fn an_offer_of_ours_says_which_way_it_goes_and_where_we_are() {
    for (media, direction) in [(push(), "sendonly"), (CallMedia::Receive, "recvonly")] {
        let invite = table().call(media);
        assert_eq!(invite.lines("m="), ["message 2855 TCP/MSRP *"]);
        assert_eq!(invite.lines("c="), [format!("IN IP4 {STORE}")]);
        assert!(invite.lines("o=")[0].starts_with("- "), "{}", invite.body);
        assert_eq!(invite.lines("a=").iter().filter(|line| line.ends_with("only")).collect::<Vec<_>>(), [&direction]);
        assert_eq!(invite.lines("a=setup:"), ["actpass"]);
    }
}

// M3264-6.1-01 M3264-6.1-04 M4975-6-01 M4975-8.2-04 M6135-4.2.2-01
// M3261-13.3.1.4-02
#[test]
fn an_answer_has_our_address_and_port_even_where_nothing_will_come_in() {
    for (theirs, ours) in [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")] {
        let way = format!("a={theirs}");
        let answer = table().invite(&description(1, DIRECT, &[PATH, "a=setup:actpass", &way]));
        assert_eq!(answer.lines("m="), ["message 2855 TCP/MSRP *"]);
        assert_eq!(answer.lines("c="), [format!("IN IP4 {STORE}")]);
        assert_eq!(answer.lines(&format!("a={ours}")), [""], "{}", answer.body);
        let uri: MsrpUri = answer.lines("a=path:")[0].parse().expect("one URI");
        assert_eq!((uri.host.as_str(), uri.port, uri.transport.as_str()), (STORE, Some(2855), "tcp"));
    }
    let audio = "m=audio 4000 RTP/AVP 0\r\n";
    let answer = table().invite(&(description(1, DIRECT, &[PATH]) + audio));
    assert_eq!(answer.lines("m="), ["message 2855 TCP/MSRP *", "audio 0 RTP/AVP 0"]);
}

// M3264-6.1-05 M4975-8.6-07
#[test]
fn a_file_of_a_type_we_do_not_take_is_not_acceptable() {
    let mut choosy = policy(Trunk::default());
    choosy.accept_types = vec!["audio/*".to_owned()];
    for (kind, status) in [("audio/wav", 200), ("image/tiff", 488)] {
        let selector = format!("a=file-selector:name:\"x\" type:{kind} size:4");
        let offer = description(1, DIRECT, &[PATH, "a=sendonly", &selector, "a=file-transfer-id:t1"]);
        let answer = Table::with(choosy.clone()).invite(&offer);
        assert_eq!(answer.status(), status, "{kind}");
        // Beside a line that is taken it gets port 0.
        let both = offer + "m=message 7002 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://192.0.2.7:7002/p2;tcp\r\n";
        let ports = Table::with(choosy.clone()).invite(&both);
        assert_eq!(ports.lines("m=message ")[0].starts_with("0 "), status == 488);
    }
    // A format list that is not "*" is of another protocol than ours.
    let odd = description(1, DIRECT, &[PATH]).replace("TCP/MSRP *", "TCP/MSRP 98");
    assert_eq!(table().invite(&odd).status(), 488);
}

// M4975-8.8-01
#[test]
fn a_call_is_answered_at_once_and_rings_nowhere() {
    let mut table = table();
    table.request("INVITE", &description(1, DIRECT, &[PATH]));
    let first = table.next("response", |message| message.status() > 100);
    assert_eq!(first.status(), 200);
}

// M3264-6.1-06 M4145-4.1-05
#[test]
fn who_connects_before_its_ack_is_let_in() {
    let mut table = table();
    table.request("INVITE", &description(1, DIRECT, &[PATH, "a=setup:active"]));
    let path = table.response().lines("a=path:")[0].to_owned();
    assert!(is_bound(&knock(&mut table, &path)));
}

// M3264-5.1-03
#[test]
fn who_connects_before_its_answer_is_here_waits_for_it() {
    let answer = description(1, DIRECT, &[PATH, "a=setup:active"]);
    // Our offer in the 200, its answer in the ACK.
    let mut table = table();
    table.request("INVITE", "");
    let path = table.response().lines("a=path:")[0].to_owned();
    assert!(knock(&mut table, &path).is_empty(), "it waits");
    table.request("ACK", &answer);
    assert!(is_bound(&table.links.drain(..).map(|(_, command)| command).collect::<Vec<_>>()));

    // Our offer in an INVITE, and a phone that refuses after all.
    for (status, sdp, bound) in [(200, answer.as_str(), true), (603, "", false)] {
        let mut table = self::table();
        let invite = table.call(CallMedia::Receive);
        assert!(knock(&mut table, invite.lines("a=path:")[0]).is_empty());
        table.answer(&invite, status, sdp);
        let told: Vec<Command> = table.links.drain(..).map(|(_, command)| command).collect();
        assert_eq!(is_bound(&told), bound, "{told:?}");
        assert_eq!(matches!(told[..], [Command::Refuse(_, StatusCode::NO_SUCH_SESSION)]), !bound, "{told:?}");
    }
}

// M4145-4.1-01 M4145-6.1-01 M4975-6.2-01 M4975-8.1-08 M4975-8.3-02
// M3264-7-01
#[test]
fn the_active_side_connects_to_the_first_uri_at_once_whatever_the_other_lines_say() {
    let mut table = table();
    let path = "a=path:msrp://192.0.2.60:7060/r1;tcp msrp://192.0.2.7:7001/p1;tcp";
    let answer = table.invite(&description(1, ("192.0.2.80", 4444), &[path, "a=setup:passive"]));
    assert_eq!((answer.lines("a=setup:"), answer.lines("m=message ")), (vec!["active"], vec!["9 TCP/MSRP *"]));
    assert_eq!(table.dialled[0].1.to_string(), "msrp://192.0.2.60:7060/r1;tcp");
    let spec = table.connect(1);
    assert!(spec.greet, "with nothing to send it says that it is there");
}

// M4145-6.3-01
// M3261-15-01
#[test]
fn a_connection_that_carries_no_session_any_more_is_closed() {
    let mut table = table();
    table.invite(&description(1, DIRECT, &[PATH, "a=setup:passive"]));
    table.connect(3);
    table.request("BYE", "");
    let closed = |(link, command): &(LinkId, Command)| *link == LinkId(3) && matches!(command, Command::Close);
    assert!(table.links.iter().any(closed), "{:?}", table.links);
}

// M4975-14.5-01
#[test]
fn a_stranger_who_lets_us_offer_cannot_name_somebody_else_in_its_answer() {
    let mut strict = policy(Trunk::default());
    strict.trusted.clear();
    for (host, dialled) in [("203.0.113.66", 0), (PHONE, 1)] {
        let mut table = Table::with(strict.clone());
        table.request("INVITE", "");
        table.response();
        let path = format!("a=path:msrp://{host}:80/x;tcp");
        table.request("ACK", &description(1, (host, 80), &[&path, "a=setup:passive"]));
        assert_eq!(table.dialled.len(), dialled, "{host}");
    }
}

// M4975-8.2-05 M4975-8.2-06 M4975-8.2-07 M4975-14.1-01
#[test]
fn no_two_sessions_have_one_name_and_nobody_guesses_it() {
    let mut table = table();
    let mut ids = HashSet::new();
    for number in 0..1000 {
        table.new_call(&format!("call{number}"));
        let answer = table.invite(&description(1, DIRECT, &[PATH]));
        let uri: MsrpUri = answer.lines("a=path:")[0].parse().expect("one URI");
        ids.insert(uri.session_id.expect("a session id"));
    }
    assert_eq!(ids.len(), 1000);
    // 14 letters of 64 are 80 bits: so many letters or more, and in each place many different ones.
    for place in 0..14 {
        let letters: BTreeSet<u8> = ids.iter().filter_map(|id| id.as_bytes().get(place).copied()).collect();
        assert!(letters.len() >= 48, "place {place}: {letters:?}");
    }
    assert!(ids.iter().all(|id| id.len() >= 14));
}

// M3264-8-04
#[test]
fn an_offer_of_the_same_version_gets_the_same_answer_again() {
    let mut table = table();
    let offer = description(1, DIRECT, &[PATH, "a=setup:active"]);
    let (first, second) = (table.invite(&offer), table.invite(&offer));
    assert_eq!((second.status(), second.body), (200, first.body));
}

// M3264-8.3.1-02
// M3261-14.2-03 M3264-8-01
#[test]
fn a_peer_that_moves_is_found_at_its_new_address_at_once() {
    let mut table = table();
    table.invite(&description(1, DIRECT, &[PATH, "a=setup:passive"]));
    table.connect(1);
    table.invite(&description(2, (PHONE, 7002), &["a=path:msrp://192.0.2.7:7002/p1;tcp", "a=setup:passive"]));
    assert_eq!(table.dialled[0].1.to_string(), "msrp://192.0.2.7:7002/p1;tcp");
}

// F10
#[test]
fn a_host_name_that_is_advertised_stands_in_path_and_address_and_ipv6_has_its_own_forms() {
    let mut named = policy(Trunk::default());
    named.doors.first.host = "store.example.org".to_owned();
    named.address = "store.example.org".parse().expect("a name");
    let answer = Table::with(named).invite(&description(1, DIRECT, &[PATH]));
    assert_eq!(answer.lines("c="), ["IN IP4 store.example.org"]);
    assert!(answer.lines("a=path:")[0].starts_with("msrp://store.example.org:2855/"), "{}", answer.body);

    let mut six = policy(Trunk::default());
    six.doors.first.host = "[2001:db8::1]".to_owned();
    six.address = "2001:db8::1".parse().expect("an address");
    let lines = ["a=path:msrp://[2001:db8::7]:7001/p1;tcp", "a=setup:passive"];
    let mut table = Table::with(six);
    let answer = table.invite(&description(1, ("2001:db8::7", 7001), &lines));
    assert_eq!(answer.lines("c="), ["IN IP6 2001:db8::1"]);
    assert!(answer.lines("a=path:")[0].starts_with("msrp://[2001:db8::1]:2855/"), "{}", answer.body);
    assert_eq!(table.dialled[0].1.to_string(), "msrp://[2001:db8::7]:7001/p1;tcp");
}
