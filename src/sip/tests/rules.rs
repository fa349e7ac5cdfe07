//! Rules of SIP that a few messages show.

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds, udp};
use super::outgoing::{CALL, call_out, places, refusal, response};
use super::refusals::{SDP, called};
use crate::sip::{Body, CallKey, Command, Config, EndReason, Event, FlowId, Input, Transport};

fn hand() -> Hand {
    Hand::new(Config::default())
}

fn sdp(text: &str) -> Body {
    Body::new("application/sdp", text.to_owned())
}

/// A response with a description.
fn describing(request: &str, status: &str, extra: &[&str], sdp: &str) -> String {
    let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    response(request, status, extra).replace("Content-Length: 0\r\n\r\n", &body)
}

fn bye(hand: &mut Hand, call: CallKey) -> String {
    hand.command(Command::Bye { call, body: None, reason: None }).remove(0)
}

fn answer(hand: &Hand) -> Option<Body> {
    hand.events.iter().find_map(|event| if let Event::Answered { body, .. } = event { body.clone() } else { None })
}

// M3261-8.1.3.2-01
#[test]
fn a_status_nobody_knows_counts_as_the_first_of_its_class() {
    for status in [299, 399, 499, 599, 699] {
        let mut hand = hand();
        let invite = call_out(&mut hand, places()[..1].to_vec());
        assert_eq!(kinds(&hand.udp(&response(&invite, &format!("{status} Whatever"), &[]))), ["ACK"]);
        assert_eq!(hand.endpoint.calls(), usize::from(status < 300), "{status}");
        assert_eq!(refusal(&hand).map(|refusal| refusal.status), Some(status).filter(|status| *status >= 300));
    }
    let mut hand = hand();
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "199 Whatever", &[]));
    assert_eq!(hand.events, [Event::Progress { call: CALL, status: 199 }]);
    assert_eq!(kinds(&hand.command(Command::Cancel { call: CALL })), ["CANCEL"], "it is as good as a 183");
}

// M3261-8.2-01
#[test]
fn a_request_that_is_refused_changes_nothing() {
    let moved =
        |method: &str, tag: &str| inside(method, 2, tag, &[SDP], "offer").replace("@192.0.2.9:5070", "@192.0.2.77");
    let mut hand = hand();
    let (call, tag) = called(&mut hand);
    hand.udp(&moved("INVITE", &tag));
    let refuse = Command::Refuse { call, status: 488, reason: None, retry_after: None, warning: None };
    assert_eq!(kinds(&hand.command(refuse)), ["488"]);
    hand.udp(&moved("UPDATE", &tag).replace("CSeq: 2", "CSeq: 3"));
    let Some(Event::Updated { request, .. }) = hand.events.pop() else { panic!("an offer") };
    hand.command(Command::Answer { request, status: 488, reason: None, body: None, headers: Vec::new() });
    assert_eq!(kinds(&hand.udp(&moved("INVITE", &tag).replace("CSeq: 2", "CSeq: 4\r\nRequire: foo\r\nX"))), ["400"]);
    assert!(bye(&mut hand, call).starts_with("BYE sip:carol@192.0.2.9:5070 SIP/2.0\r\n"));
}

// M3261-12.1.2-01 M3261-12.2.1.2-01 M3261-17.1.1.3-01
#[test]
fn a_call_of_ours_goes_by_the_routes_of_its_2xx_turned_round_and_to_where_its_peer_moves() {
    let mut hand = hand();
    let invite = call_out(&mut hand, places());
    let routes = ["Record-Route: <sip:192.0.2.51;lr>, <sip:192.0.2.52;lr>", "Record-Route: <sip:192.0.2.53;lr>"];
    let routes_of = |text: &str| -> String {
        text.split("\r\n").filter_map(|line| line.strip_prefix("Route: <sip:192.0.2.")?.get(..2)).collect()
    };
    let ack = hand.udp(&response(&invite, "200 OK", &routes)).remove(0);
    assert_eq!((routes_of(&ack).as_str(), hand.to), ("535251", "192.0.2.53:5060".parse().ok()));
    let reinvite = |hand: &mut Hand| hand.command(Command::Reinvite { call: CALL, body: sdp("offer") }).remove(0);
    // The ACK to a refusal is the INVITE's own: its branch, its way, its target; and the To is the refusal's.
    let second = reinvite(&mut hand);
    let refused = response(&second, "488 Not Acceptable Here", &[]).replace(";tag=peer", ";tag=peer;odd=1");
    let ack = hand.udp(&refused).remove(0);
    assert_eq!((field(&ack, "Via"), routes_of(&ack).as_str()), (field(&second, "Via"), "535251"));
    assert!(ack.starts_with("ACK sip:box@192.0.2.9 ") && field(&ack, "To").is_some_and(|to| to.ends_with(";odd=1")));
    // The routes stay what they were; the target is what the last 2xx says.
    let third = reinvite(&mut hand);
    let moved =
        response(&third, "200 OK", &["Record-Route: <sip:192.0.2.59;lr>"]).replace("box@192.0.2.9", "box@192.0.2.7");
    let ack = hand.udp(&moved).remove(0);
    assert!(ack.starts_with("ACK sip:box@192.0.2.7 ") && routes_of(&ack) == "535251", "{ack}");
    assert!(bye(&mut hand, CALL).starts_with("BYE sip:box@192.0.2.7 "));
}

// M3261-13.2.1-04
#[test]
fn the_first_description_of_a_dialog_is_its_answer_whatever_comes_after_it() {
    for (first, reliably) in [("183 Session Progress", false), ("183 Session Progress", true), ("180 Ringing", false)] {
        let mut hand = hand();
        let invite = call_out(&mut hand, places());
        let extra: &[&str] = if reliably { &["Require: 100rel", "RSeq: 1"] } else { &[] };
        hand.udp(&describing(&invite, first, extra, "first"));
        hand.udp(&describing(&invite, "183 Session Progress", &[], "second"));
        let other = describing(&invite, "183 Session Progress", &[], "other").replace(";tag=peer", ";tag=fork");
        hand.udp(&other);
        hand.udp(&describing(&invite, "200 OK", &[], "third"));
        assert_eq!(answer(&hand), Some(sdp("first")), "{first} {reliably}");
    }
    // Of another fork, and without a description before it, that of the 2xx is the first.
    let mut hand = hand();
    let invite = call_out(&mut hand, places());
    hand.udp(&describing(&invite, "183 Session Progress", &[], "first").replace(";tag=peer", ";tag=fork"));
    hand.udp(&describing(&invite, "200 OK", &[], "third"));
    assert_eq!(answer(&hand), Some(sdp("third")));
}

// M3261-13.2.1-05 M3261-15-02 M3261-14.1-01
#[test]
fn nothing_of_ours_leaves_in_a_call_before_it_stands_and_one_offer_at_a_time() {
    let offer = |call| Command::Reinvite { call, body: sdp("ours") };
    let mut hand = hand();
    hand.udp(&fresh("INVITE", 1, &[SDP], "offer"));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    assert!(hand.command(offer(call)).is_empty(), "it has not answered yet");
    assert_eq!(kinds(&hand.command(Command::Accept { call, body: Some(sdp("answer")) })), ["200"]);
    assert!(hand.command(Command::Bye { call, body: None, reason: None }).is_empty(), "nor is it confirmed");
    assert_eq!(kinds(&hand.udp(&inside("ACK", 1, &tag, &[], ""))), ["BYE"]);

    let mut hand = self::hand();
    let (call, _) = called(&mut hand);
    let first = hand.command(offer(call));
    assert_eq!(kinds(&first), ["INVITE"]);
    assert!(hand.command(offer(call)).is_empty(), "the first is open");
    let ok = response(&first[0], "200 OK", &[]);
    assert_eq!(kinds(&hand.udp(&ok)), ["ACK", "INVITE"]);

    // A call of ours that nobody has answered is cancelled, not hung up.
    let mut hand = self::hand();
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "180 Ringing", &[]));
    assert_eq!(kinds(&hand.command(Command::Bye { call: CALL, body: None, reason: None })), ["CANCEL"]);
}

// M3261-15.1.1-02
#[test]
fn a_call_is_over_whatever_its_bye_is_answered() {
    for status in ["200 OK", "403 Forbidden", "401 Unauthorized", "481 Gone", "500 Broken", "silence"] {
        let mut hand = hand();
        let (call, _) = called(&mut hand);
        let bye = bye(&mut hand, call);
        match status {
            "silence" => drop(hand.pass(Duration::from_secs(33))),
            status => drop(hand.udp(&response(&bye, status, &[]))),
        }
        assert_eq!(hand.events.last(), Some(&Event::Ended { call, why: EndReason::ByeSent }), "{status}");
        assert_eq!(hand.endpoint.calls(), 0, "{status}");
    }
}

// M3261-17.2.1-02 M6086-5.2.2-02 M6086-5.2.3-02 M6086-5.2.3-03 M6086-5.2.3-04
#[test]
fn a_copy_of_an_invite_hears_the_last_word_again_and_each_word_says_the_same_of_packages() {
    for asked in [false, true] {
        let mut hand = hand();
        let extra: &[&str] = if asked { &["Recv-Info: g.foo"] } else { &[] };
        let invite = fresh("INVITE", 1, extra, "");
        hand.udp(&invite);
        let Some(Event::Invited { call, .. }) = hand.events.pop() else { panic!("no call") };
        let mut last = String::new();
        for command in [Command::Ring { call }, Command::Accept { call, body: None }] {
            let sent = hand.command(command);
            assert_eq!(field(&sent[0], "Recv-Info"), asked.then_some(""), "{}", sent[0]);
            if sent[0].starts_with("SIP/2.0 180 ") {
                assert_eq!(hand.udp(&invite), sent, "the same again");
            }
            last.clone_from(&sent[0]);
        }
        assert!(hand.udp(&invite).is_empty() && last.starts_with("SIP/2.0 200 "), "the 2xx is the call's to repeat");
    }
}

// M3261-18.2.1-02
#[test]
fn a_via_that_does_not_name_its_source_is_told_of_it() {
    for (sent_by, received) in [
        ("192.0.2.9:5070", None),
        ("192.0.2.9", None),
        ("phone.example.com", Some("192.0.2.9")),
        ("10.0.0.5:5060", Some("192.0.2.9")),
        ("[2001:db8::9]", Some("192.0.2.9")),
    ] {
        let mut hand = hand();
        let sent = hand.udp(
            &fresh("BYE", 1, &[], "")
                .replace("192.0.2.9:5070;branch", &format!("{sent_by};branch"))
                .replace(";rport", ""),
        );
        let via = field(&sent[0], "Via").expect("a Via");
        assert_eq!(via.split(";received=").nth(1), received, "{via}");
    }
}

// M6086-4.2.1-08 M6086-4.2.2-04
#[test]
fn info_is_taken_in_every_early_dialog_of_a_call_of_ours_and_what_it_may_not_bring_is_refused() {
    let mut hand = hand();
    let invite = call_out(&mut hand, places());
    let ours = field(&invite, "From").expect("a From").to_owned();
    let call_id = field(&invite, "Call-ID").expect("a name").to_owned();
    let info = |fork: &str, seq, kind: &str| {
        inside("INFO", seq, "x", &[&format!("Content-Type: {kind}")], "<msml/>")
            .replace("To: <sip:box@example.net>;tag=x", &format!("To: {ours}"))
            .replace("tag=c4r0l", &format!("tag={fork}"))
            .replace("by-hand@example.com", &call_id)
            .replace("bKINFO", &format!("bK{fork}"))
    };
    for fork in ["one", "two"] {
        hand.udp(&response(&invite, "180 Ringing", &[]).replace(";tag=peer", &format!(";tag={fork}")));
        assert!(hand.udp(&info(fork, 5, "text/xml")).is_empty(), "{fork}");
        assert!(matches!(hand.events.pop(), Some(Event::Info { call: CALL, .. })), "{fork}");
    }
    assert_eq!(kinds(&hand.udp(&info("one", 6, "text/html"))), ["415"]);
}

// M6026-6-02
#[test]
fn a_response_that_could_not_be_sent_is_sent_again_to_a_copy_of_its_request() {
    let failed = || {
        let flow = udp();
        Input::TransportFailed { flow: Some(flow.id), transport: flow.transport, remote: flow.remote }
    };
    let mut hand = hand();
    let invite = fresh("INVITE", 1, &[], "");
    hand.udp(&invite);
    let Some(Event::Invited { call, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Refuse { call, status: 486, reason: None, retry_after: None, warning: None });
    assert!(hand.input(failed()).is_empty());
    assert_eq!(kinds(&hand.udp(&invite)), ["486"]);

    let mut hand = self::hand();
    hand.udp(&invite);
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("no call") };
    hand.command(Command::Accept { call, body: Some(sdp("answer")) });
    assert!(hand.input(failed()).is_empty());
    assert_eq!(
        kinds(&hand.pass(Duration::from_millis(500)).into_iter().map(|(_, text)| text).collect::<Vec<_>>()),
        ["200"]
    );
    // M6026-7.1-04
    hand.udp(&inside("ACK", 1, &tag, &[SDP], "answer"));
    assert!(matches!(hand.events.pop(), Some(Event::Acked { body: Some(_), .. })));
}

// M5621-8.4-01
#[test]
fn a_part_that_has_to_be_understood_and_is_not_gets_415() {
    let parts = |disposition: &str, kind: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: {kind}\r\n{disposition}\r\nx\r\n--b--\r\n"
        );
        fresh("INVITE", 1, &["Content-Type: multipart/mixed;boundary=b"], &body)
    };
    for (disposition, kind, status) in [
        ("Content-Disposition: signal;handling=required\r\n", "application/isup", Some("415")),
        ("Content-Disposition: signal; HANDLING=\"required\"\r\n", "application/isup", Some("415")),
        ("Content-Disposition: signal;handling=optional\r\n", "application/isup", None),
        ("", "application/pidf+xml", None),
        ("Content-Disposition: icon;handling=required\r\n", "image/png", None),
        ("Content-Disposition: render;handling=required\r\n", "application/msml+xml", None),
    ] {
        let sent = hand().udp(&parts(disposition, kind));
        assert_eq!(kinds(&sent).first().copied(), status, "{disposition}");
        assert!(sent.is_empty() || field(&sent[0], "Accept").is_some_and(|list| list.contains("multipart/mixed")));
    }
}

// M3261-8.1.1.8-02
#[test]
fn in_a_call_of_sips_our_contact_is_sips_and_everything_goes_over_tls() {
    let contact = |target: &str, route: Option<&str>| {
        let mut hand = hand();
        let place =
            crate::sip::Place { transport: Transport::Tls, remote: "192.0.2.9:5061".parse().expect("an address") };
        let sent = hand.command(Command::Invite {
            call: CALL,
            target: target.to_owned(),
            from: "sip:us@example.net".to_owned(),
            to: target.to_owned(),
            route: route.map(str::to_owned),
            places: vec![place],
            body: None,
            headers: Vec::new(),
        });
        field(&sent[0], "Contact").map(|contact| (contact.starts_with("<sips:"), contact.contains("transport")))
    };
    assert_eq!(contact("sips:box@example.com", None), Some((true, false)));
    assert_eq!(contact("sip:box@example.com", Some("sips:proxy.example.com")), Some((true, false)));
    assert_eq!(contact("sip:box@example.com;transport=tls", None), Some((false, true)));
    // And in a call to us: by its URI, or by the way back that it names.
    for (edit, secure) in [
        (("INVITE sip:", "INVITE sips:"), true),
        (("Contact: <sip:", "Contact: <sips:"), true),
        (("Contact: <", "Record-Route: <sips:edge.example.com;lr>\r\nContact: <"), true),
        (("Contact: <sip:", "Record-Route: <sip:edge.example.com;lr>\r\nContact: <sips:"), false),
        (("", ""), false),
    ] {
        let mut hand = hand();
        let flow = crate::sip::Flow { id: FlowId(3), transport: Transport::Tls, ..udp() };
        let text = fresh("INVITE", 1, &[SDP], "offer").replacen(edit.0, edit.1, 1).replace("/UDP", "/TLS");
        hand.input(Input::Octets { flow, octets: text.into() });
        let Some(Event::Invited { call, .. }) = hand.events.pop() else { panic!("no call") };
        let sent = hand.command(Command::Accept { call, body: None });
        let contact = field(&sent[0], "Contact").expect("a Contact");
        assert_eq!(contact.starts_with("<sips:restante@192.0.2.2"), secure, "{edit:?}: {contact}");
    }
}
