//! UPDATE (RFC 3311), and refreshes by it or by re-INVITE.

use restante::engine::Trunk;

use super::table::{Message, PHONE, Table, description};

const DIRECT: (&str, u16) = (PHONE, 7001);
const PATH: &str = "a=path:msrp://192.0.2.7:7001/p1;tcp";

fn update(table: &mut Table, sdp: &str) -> Message {
    table.request("UPDATE", sdp);
    table.response()
}

// F13
#[test]
fn an_update_with_an_offer_is_answered_in_its_200() {
    let mut table = Table::new(Trunk::default());
    let first = table.invite(&description(1, DIRECT, &[PATH, "a=setup:active"]));
    let answer = update(&mut table, &description(2, DIRECT, &[PATH, "a=setup:active", "a=sendonly"]));
    assert_eq!((answer.status(), answer.header("Content-Type")), (200, "application/sdp"));
    assert_eq!(answer.lines("a=path:"), first.lines("a=path:"), "the stream goes on");
    assert_eq!((first.lines("a=recvonly").len(), answer.lines("a=recvonly").len()), (0, 1));
    assert!(answer.header("Contact").contains("sip:") && answer.header("Allow").contains("UPDATE"));

    // A new stream whose peer waits for us: no ACK comes, so we connect at once.
    let moved = ["a=path:msrp://192.0.2.7:7002/p2;tcp", "a=setup:passive"];
    assert_eq!(update(&mut table, &description(3, (PHONE, 7002), &moved)).lines("a=setup:"), ["active"]);
    assert_eq!(table.dialled[0].1.to_string(), "msrp://192.0.2.7:7002/p2;tcp");
}

// F-7
#[test]
fn an_update_without_an_offer_refreshes_and_changes_nothing() {
    let mut table = Table::new(Trunk::default());
    table.invite(&description(1, DIRECT, &[PATH, "a=setup:active"]));
    let answer = update(&mut table, "");
    assert_eq!((answer.status(), answer.body.as_str()), (200, ""));
    // The call is as it was: a refresh with its file is still the same file (P28).
    assert_eq!(table.invite(&description(1, DIRECT, &[PATH, "a=setup:active"])).status(), 200);
}

#[test]
fn an_update_whose_offer_cannot_be_read_leaves_the_session_as_it_was() {
    let mut table = Table::new(Trunk::default());
    let first = table.invite(&description(1, DIRECT, &[PATH, "a=setup:active"]));
    assert_eq!(update(&mut table, "v=0\r\nnonsense\r\n").status(), 400);
    let again = update(&mut table, &description(1, DIRECT, &[PATH, "a=setup:active"]));
    assert_eq!((again.status(), &again.body), (200, &first.body));
}

// M3264-4-01
#[test]
fn no_offer_is_taken_while_one_of_ours_is_open() {
    let mut table = Table::new(Trunk::default());
    table.request("INVITE", "");
    assert_eq!(table.response().status(), 200);
    assert_eq!(update(&mut table, &description(1, DIRECT, &[PATH])).status(), 491);
    // One without an offer is no second offer.
    assert_eq!(update(&mut table, "").status(), 200);
    table.request("ACK", &description(1, DIRECT, &[PATH, "a=setup:passive"]));
    assert_eq!(update(&mut table, &description(2, DIRECT, &[PATH, "a=setup:passive"])).status(), 200);
}

// M3264-4-01
#[test]
fn no_offer_is_taken_while_one_of_the_peers_is_being_considered() {
    let mut table = Table::new(Trunk { cema: true, ..Trunk::default() });
    table.invite(&description(1, DIRECT, &[PATH]));
    // This one takes a lookup.
    let named = ["a=path:msrp://phone.example.net:7001/p1;tcp"];
    table.request("UPDATE", &description(2, DIRECT, &named));
    for method in ["UPDATE", "INVITE"] {
        table.request(method, &description(3, DIRECT, &[PATH]));
        let refused = table.response();
        assert_eq!(refused.status(), 500, "{method}");
        assert!(refused.header("Retry-After").parse::<u8>().is_ok_and(|secs| secs <= 10), "{method}");
    }
    table.resolve(&[PHONE]);
    let answer = table.response();
    assert_eq!((answer.status(), answer.header("CSeq")), (200, "2 UPDATE"));
}

// M3261-14.2-04 M3261-13.3.1.4-02
#[test]
fn a_second_invite_without_an_offer_is_offered_what_is_under_way_and_leaves_it_so() {
    let mut table = Table::new(Trunk::default());
    let first = table.invite(&description(1, DIRECT, &[PATH, "a=setup:passive"]));
    table.connect(1);
    table.request("INVITE", "");
    let offered = table.response();
    assert_eq!((offered.status(), offered.lines("a=path:")), (200, first.lines("a=path:")));
    assert_eq!(offered.lines("m="), first.lines("m="));
    table.request("ACK", &description(1, DIRECT, &[PATH, "a=setup:passive"]));
    assert!(table.dialled.is_empty() && table.links.is_empty(), "{:?}", table.links);
}

// M3261-11.2-03 SIP-17
#[test]
fn who_asks_what_we_can_do_gets_a_description_of_it() {
    let mut table = Table::new(Trunk::default());
    table.request("OPTIONS", "");
    let answer = table.response();
    assert_eq!((answer.status(), answer.header("Content-Type")), (200, "application/sdp"));
    // RFC 3264 §9: port 0, for nothing is agreed on.
    let able = (answer.lines("m=message "), answer.lines("a=accept-types:"));
    assert_eq!(able, (vec!["0 TCP/MSRP *"], vec!["* message/cpim"]));
}
