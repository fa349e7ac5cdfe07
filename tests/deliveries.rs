//! Attempts to hand an object on, from the queue's word to the one end of each: whom we call, what we offer, and what
//! becomes of it.

mod board;
#[path = "deliveries/scene.rs"]
mod scene;

use std::time::Duration;

use board::{Board, sip_text};
use restante::engine::{Attempt, Command, Input, LinkId, Notice, Output, Source, Unattended};
use restante::model::limits::DELIVERIES;
use restante::model::{Ending, FileInfo};
use restante::msrp::{SendFailure, StatusCode};
use restante::sip::{self, Transport};
use restante::spool::{Delivery, EnvelopeDraft, Icon};
use scene::{OCTETS, Scene, TAKEN, calls, field, handed, sent};

fn attempt() -> Attempt {
    Attempt {
        delivery: "01DELIVERY".to_owned(),
        token: 7,
        to: "sip:bob@peer.example.org".to_owned(),
        ..Attempt::default()
    }
}

fn refused(status: u16) -> Ending {
    Ending::Refused { status, retry_after: None }
}

// M5547-8.2.1-01 M5547-8.2.1-02 M5547-8.2.1-03 M5547-8.2.1-04
#[test]
fn an_object_is_offered_sent_and_hung_up_and_the_end_is_told_once() {
    let mut scene = Scene::new();
    let draft = EnvelopeDraft {
        file: FileInfo {
            name: Some("message.wav".to_owned()),
            media_type: Some("audio/wav".to_owned()),
            created: Some("Sat, 14 Mar 2026 09:26:53 +0100".to_owned()),
            ..FileInfo::default()
        },
        ..EnvelopeDraft::default()
    };
    let invite = scene.calls(attempt(), draft);
    assert!(invite.starts_with("INVITE sip:bob@peer.example.org SIP/2.0\r\n"), "{invite}");
    assert_eq!(field(&invite, "To"), "<sip:bob@peer.example.org>");
    assert!(field(&invite, "From").starts_with("<sip:restante@192.0.2.10>;tag="));
    for line in [
        "a=sendonly",
        "a=setup:actpass",
        "a=file-selector:name:\"message.wav\" type:audio/wav size:10 hash:sha-1:87:AC:EC:17:CD:9D:CD:20:A7:16:CC:2C:F6:74:17:B7:1C:8A:70:16",
        "a=file-date:creation:\"Sat, 14 Mar 2026 09:26:53 +0100\"",
    ] {
        assert!(invite.contains(&format!("{line}\r\n")), "{line} in {invite}");
    }
    assert!(invite.contains("a=file-transfer-id:") && !invite.contains("a=file-range"), "{invite}");

    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    assert_eq!(calls(&outputs), ["ACK"]);
    let (spec, source) = scene.connects(outputs);
    assert_eq!((spec.message_id.as_str(), spec.total, spec.skip, spec.success_report), ("01DELIVERY", 10, 0, true));
    assert!(matches!(source, Source::Object(_)));
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    assert_eq!(
        (handed(&outputs), calls(&outputs)),
        (Some(("01DELIVERY".to_owned(), 7, Ending::Delivered)), vec!["BYE"])
    );
    let bye = scene.spoken(&outputs);
    assert_eq!(handed(&scene.answers(&bye, "200 OK", &[], "")), None);
    assert_eq!(scene.board.engine.census().calls, 0);
}

#[test]
fn whom_the_operator_does_not_know_is_never_called() {
    let mut scene = Scene::allowing("*.example.org");
    for to in
        ["sip:bob@example.com", "sip:bob@example.org.evil.example", "tel:+15550100", "mailto:bob@peer.example.org"]
    {
        let outputs = scene.board.give(Input::Deliver(Box::new(Attempt { to: to.to_owned(), ..attempt() })));
        assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::NotAllowed(to.to_owned())));
        assert_eq!(outputs.len(), 1);
    }
}

#[test]
fn an_object_that_is_gone_or_held_and_a_name_that_leads_nowhere_end_an_attempt_before_any_call() {
    let mut scene = Scene::new();
    let end = |outputs: &[Output]| handed(outputs).map(|(_, _, ending)| ending);
    let outputs = scene.asks(attempt(), Ok(None));
    assert!(matches!(end(&outputs), Some(Ending::Unreadable(_))));
    let outputs = scene.asks(attempt(), Err("object x is held by an operator".to_owned()));
    assert_eq!(end(&outputs), Some(Ending::Unreadable("object x is held by an operator".to_owned())));
    let object = scene.object(EnvelopeDraft::default());
    let outputs = scene.asks(attempt(), Ok(Some(object)));
    let outputs = scene.located(&outputs, Err("peer.example.org: no such name".to_owned()));
    assert_eq!(end(&outputs), Some(Ending::Unreachable("peer.example.org: no such name".to_owned())));
}

// Ending: each answer to the INVITE
#[test]
fn each_final_answer_ends_the_attempt_with_its_status() {
    for (answer, extra, ending) in [
        ("486 Busy Here", &[][..], refused(486)),
        (
            "480 Away",
            &["Retry-After: 30;duration=60"][..],
            Ending::Refused { status: 480, retry_after: Some(Duration::from_secs(30)) },
        ),
        ("603 Decline", &[], refused(603)),
        ("488 Not Acceptable Here", &[], refused(488)),
        ("302 Moved", &["Contact: <sip:bob@elsewhere.example.com>"], refused(302)),
        ("401 Unauthorized", &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n\""], Ending::Credentials),
        ("407 Proxy", &["Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\""], Ending::Credentials),
        ("408 Request Timeout", &[], refused(408)),
    ] {
        let mut scene = Scene::allowing("*.example.org");
        let invite = scene.calls(attempt(), EnvelopeDraft::default());
        let outputs = scene.answers(&invite, answer, extra, "");
        assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(ending), "{answer}");
    }
}

#[test]
fn what_goes_to_a_sips_uri_leaves_over_tls_or_not_at_all() {
    let to_bob = || Attempt { to: "sips:bob@peer.example.org".to_owned(), ..attempt() };
    for (proxy, by_tls) in [
        ("sip:proxy.example.org", true),
        ("sip:proxy.example.org;transport=tls", true),
        ("sips:proxy.example.org;transport=tcp", true),
        ("sip:proxy.example.org;transport=udp", false),
        ("sip:proxy.example.org;transport=tcp", false),
    ] {
        let mut scene = Scene::through(proxy);
        let object = scene.object(EnvelopeDraft::default());
        let outputs = scene.asks(to_bob(), Ok(Some(object)));
        let hop = outputs.iter().find_map(|output| match output {
            Output::Locate(_, target) => Some((target.secure, target.transport)),
            _ => None,
        });
        assert_eq!(hop, by_tls.then_some((true, Some(Transport::Tls))), "{proxy}");
        let ending = Ending::Unreachable("the proxy is not reached by TLS".to_owned());
        assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), (!by_tls).then_some(ending), "{proxy}");
    }
    for (contact, followed) in [("sip:bob@peer.example.org", false), ("sips:bob@other.example.org", true)] {
        let mut scene = Scene::new();
        let invite = scene.calls(to_bob(), EnvelopeDraft::default());
        let outputs = scene.answers(&invite, "302 Moved", &[&format!("Contact: <{contact}>")], "");
        assert_eq!(handed(&outputs).is_none(), followed, "{contact}");
    }
}

// M4975-8.6-08
#[test]
fn what_the_answer_does_not_take_is_not_sent() {
    for (answer, ending) in [
        (TAKEN.replace("a=accept-types:*", "a=accept-types:text/plain"), Ending::BadType),
        (TAKEN.replace("a=accept-types:*", "a=accept-types:*\r\na=max-size:9"), Ending::TooLarge { max_size: 9 }),
        (TAKEN.replace("m=message 9", "m=message 0"), Ending::NoStream("the stream is refused".to_owned())),
        (TAKEN.replace("a=recvonly", "a=inactive"), Ending::NoStream("it does not receive".to_owned())),
    ] {
        let mut scene = Scene::new();
        let invite = scene.calls(attempt(), EnvelopeDraft::default());
        let outputs = scene.answers(&invite, "200 OK", &[], &answer);
        assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(ending), "{answer}");
        assert_eq!(calls(&outputs), ["ACK", "BYE"], "{answer}");
        assert!(sent(outputs).is_none());
    }
}

// M5547-8.7-11
#[test]
fn a_peer_that_takes_wrapped_messages_alone_gets_the_file_in_a_wrapper() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let wrapped = TAKEN.replace("a=accept-types:*", "a=accept-types:message/cpim\r\na=accept-wrapped-types:*");
    let outputs = scene.answers(&invite, "200 OK", &[], &wrapped);
    let (spec, _) = scene.connects(outputs);
    assert_eq!(spec.content_type, "message/cpim");
    assert_eq!(spec.total, 10 + spec.preamble.len() as u64);
}

#[test]
fn each_failure_of_the_message_ends_the_attempt_in_its_own_words() {
    for (why, ending) in [
        (SendFailure::Status(StatusCode(413)), Ending::Msrp { status: 413 }),
        (SendFailure::Report(StatusCode(403)), Ending::Msrp { status: 403 }),
        (SendFailure::ConnectionLost, Ending::Broken { reported: 4 }),
        (SendFailure::Timeout, Ending::Broken { reported: 4 }),
        (SendFailure::Aborted, Ending::Stopped),
    ] {
        let mut scene = Scene::new();
        let invite = scene.calls(attempt(), EnvelopeDraft::default());
        let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
        let (spec, _) = scene.connects(outputs);
        let outputs = scene.board.notice(1, Notice::SendFailed(spec.message, why, 4));
        assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(ending), "{why:?}");
        assert_eq!(calls(&outputs), ["BYE"], "{why:?}");
    }
}

#[test]
fn a_recipient_that_puts_the_call_on_hold_and_does_not_come_back_keeps_no_place() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    let (spec, _) = scene.connects(outputs);
    let held = TAKEN.replace("a=recvonly", "a=inactive").replacen(" 1 1 ", " 1 2 ", 1);
    let outputs = scene.offers(&invite, &held);
    let paused =
        |output: &Output| matches!(output, Output::Link(_, Command::PauseSend(message)) if *message == spec.message);
    assert!(outputs.iter().any(paused), "{outputs:?}");
    let outputs = scene.board.pass(Duration::from_secs(61));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Broken { reported: 0 }));
}

#[test]
fn a_file_that_broke_off_goes_on_with_a_range_and_without_one_for_a_peer_that_has_none() {
    let resumed = || Attempt { reported: 4, ..attempt() };
    let mut scene = Scene::new();
    let invite = scene.calls(resumed(), EnvelopeDraft::default());
    assert!(invite.contains("a=file-range:5-*\r\n"), "{invite}");
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    let (spec, _) = scene.connects(outputs);
    assert_eq!((spec.skip, spec.total), (4, 6));
    let outputs = scene.board.notice(1, Notice::SendFailed(spec.message, SendFailure::ConnectionLost, 3));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Broken { reported: 7 }));

    // An endpoint of RFC 4975 alone answers without a selector.
    let mut scene = Scene::new();
    let invite = scene.calls(resumed(), EnvelopeDraft::default());
    let plain = TAKEN.replace("a=file-selector:size:10\r\n", "");
    let outputs = scene.answers(&invite, "200 OK", &[], &plain);
    let (spec, _) = scene.connects(outputs);
    assert_eq!((spec.skip, spec.total), (0, OCTETS.len() as u64));

    // One that refuses the range is called again with all of the file.
    let mut scene = Scene::new();
    let invite = scene.calls(resumed(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "488 Not Acceptable Here", &[], "");
    let again = scene.spoken(&outputs);
    assert!(again.starts_with("INVITE ") && !again.contains("a=file-range") && handed(&outputs).is_none(), "{again}");
}

// M5547-8.8-01
// M3261-8.1.3.5-02
#[test]
fn a_picture_goes_with_the_offer_and_who_refuses_it_is_asked_again_without() {
    let mut scene = Scene::new();
    let icon = Icon { media_type: "image/png".to_owned(), octets: b"\x89PNG".to_vec() };
    let invite = scene.calls(attempt(), EnvelopeDraft { icon: Some(icon), ..EnvelopeDraft::default() });
    assert!(field(&invite, "Content-Type").starts_with("multipart/related"), "{invite}");
    let outputs = scene.answers(&invite, "415 Unsupported Media Type", &["Accept: application/sdp"], "");
    assert_eq!((calls(&outputs), handed(&outputs)), (vec!["ACK", "INVITE"], None));
    let again = scene.spoken(&outputs);
    assert_eq!(field(&again, "Content-Type"), "application/sdp");
    let outputs = scene.answers(&again, "486 Busy Here", &[], "");
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(refused(486)));
}

// M3261-8.1.3.4-01 M3261-8.1.3.4-02 M3261-8.1.3.4-03
#[test]
fn redirections_are_followed_to_where_the_operator_allows_one_after_the_other_and_never_in_circles() {
    let mut scene = Scene::allowing("*.example.org");
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let moved = [
        "Contact: <sip:bob@evil.example.com>, <sip:bob@a.example.org>;q=0.9",
        "Contact: <sip:bob@b.example.org>, <sip:bob@peer.example.org>",
    ];
    let outputs = scene.answers(&invite, "302 Moved Temporarily", &moved, "");
    let outputs = scene.located_here(&outputs);
    let first = scene.spoken(&outputs);
    assert!(first.starts_with("INVITE sip:bob@a.example.org "), "{first}");
    assert_eq!(field(&first, "To"), "<sip:bob@peer.example.org>");
    let outputs = scene.answers(&first, "404 Not Found", &[], "");
    let outputs = scene.located_here(&outputs);
    let second = scene.spoken(&outputs);
    assert!(second.starts_with("INVITE sip:bob@b.example.org "), "{second}");
    let outputs = scene.answers(&second, "302 Moved Temporarily", &["Contact: <sip:bob@a.example.org>"], "");
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(refused(302)));
}

// M3261-13.2.1-02
#[test]
fn nobody_answers_in_time_and_the_call_is_cancelled() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    scene.answers(&invite, "180 Ringing", &[], "");
    let outputs = scene.board.pass(Duration::from_secs(20));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::NoAnswer));
    assert_eq!(calls(&outputs), ["CANCEL"]);
    let outputs = scene.answers(&invite, "487 Request Terminated", &[], "");
    assert_eq!((calls(&outputs), handed(&outputs)), (vec!["ACK"], None));
}

#[test]
fn who_answers_and_never_connects_is_hung_up() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let passive = TAKEN.replace("a=setup:passive", "a=setup:active");
    scene.answers(&invite, "200 OK", &[], &passive);
    let outputs = scene.board.pass(Duration::from_secs(20));
    assert!(matches!(handed(&outputs), Some((_, _, Ending::Unreachable(_)))), "{outputs:?}");
    assert_eq!(calls(&outputs), ["BYE"]);
}

#[test]
fn what_is_called_back_ends_at_once_or_with_what_has_become_of_its_octets() {
    let back = || Input::CallBack("01DELIVERY".to_owned(), 7);
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    assert!(scene.board.give(Input::CallBack("01DELIVERY".to_owned(), 6)).is_empty());
    scene.answers(&invite, "100 Trying", &[], "");
    let outputs = scene.board.give(back());
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Stopped));
    assert_eq!(calls(&outputs), ["CANCEL"]);
    // The answer was quicker than the CANCEL: it is acknowledged, and hung up.
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    assert_eq!((calls(&outputs), handed(&outputs)), (vec!["ACK", "BYE"], None));
    assert!(scene.board.give(back()).is_empty());

    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    let (spec, _) = scene.connects(outputs);
    let outputs = scene.board.give(back());
    assert!(matches!(outputs[..], [Output::Link(LinkId(1), Command::Abort(_))]), "{outputs:?}");
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Delivered));
}

#[test]
fn a_server_that_stops_hands_back_what_does_not_move_and_finishes_what_does() {
    let mut scene = Scene::new();
    scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.board.give(Input::Drain);
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Stopped));
    let outputs = scene.board.give(Input::Deliver(Box::new(attempt())));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Stopped));

    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    let (spec, _) = scene.connects(outputs);
    assert_eq!(handed(&scene.board.give(Input::Drain)), None);
    let outputs = scene.board.notice(1, Notice::Delivered(spec.message));
    assert_eq!(handed(&outputs).map(|(_, _, ending)| ending), Some(Ending::Delivered));
}

#[test]
fn a_peer_that_hangs_up_before_the_end_has_broken_it_off() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    scene.answers(&invite, "200 OK", &[], TAKEN);
    let mut outputs = scene.hangs_up(&invite);
    outputs.extend(scene.board.pass(Duration::from_secs(3)));
    assert!(matches!(handed(&outputs), Some((_, _, Ending::Unreachable(_) | Ending::Broken { .. }))), "{outputs:?}");
}

// M4028-7.4-06
#[test]
fn a_session_is_refreshed_by_the_offer_that_it_was_made_with_down_to_its_version() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "200 OK", &["Session-Expires: 600;refresher=uac", "Allow: INVITE"], TAKEN);
    scene.connects(outputs);
    for seconds in [300, 300] {
        let outputs = scene.board.pass(Duration::from_secs(seconds));
        let refresh = scene.spoken(&outputs);
        let described = |text: &str| text.split_once("\r\n\r\n").map(|(_, sdp)| sdp.to_owned());
        assert!(refresh.starts_with("INVITE ") && refresh.contains("\r\no="), "{refresh}");
        assert_eq!(described(&refresh), described(&invite));
        scene.answers(&refresh, "200 OK", &["Session-Expires: 600;refresher=uac", "Allow: INVITE"], TAKEN);
    }
}

// M4975-7.1.1-05
#[test]
fn who_has_every_octet_and_reports_nothing_is_waited_for_and_then_hung_up() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    let (spec, _) = scene.connects(outputs);
    assert!(scene.board.notice(1, Notice::Acknowledged(spec.message, spec.total)).is_empty());
    assert_eq!(handed(&scene.board.pass(Duration::from_secs(100))), None);
    let outputs = scene.board.pass(Duration::from_secs(20));
    assert!(handed(&outputs).is_some_and(|(_, _, ending)| ending != Ending::Delivered), "{outputs:?}");
    assert_eq!(calls(&outputs), ["BYE"]);
}

// M3261-13.2.2.4-04
#[test]
fn the_first_fork_to_answer_wins_and_every_other_is_acknowledged_and_hung_up() {
    let mut scene = Scene::new();
    let invite = scene.calls(attempt(), EnvelopeDraft::default());
    scene.answers(&invite, "200 OK", &[], TAKEN);
    scene.tag = "other".to_owned();
    let outputs = scene.answers(&invite, "200 OK", &[], TAKEN);
    assert_eq!((calls(&outputs), handed(&outputs)), (vec!["ACK", "BYE"], None));
    assert!(field(&scene.spoken(&outputs), "To").ends_with(";tag=other"));
}

#[test]
fn while_no_more_deliveries_fit_nothing_comes_in_that_a_rule_would_forward() {
    for (routed, room, refused) in [(true, 0, true), (true, 1, false), (false, 0, false)] {
        let mut board = Board::with(Unattended::Deposit, |policy| policy.routed = routed);
        let tomorrow = board.now.wall.after(Duration::from_secs(86_400));
        let waiting = |number: usize| Delivery {
            id: format!("{number:026}"),
            to: "sip:bob@peer.example.org".to_owned(),
            next: tomorrow,
            expires: tomorrow,
            ..Delivery::default()
        };
        board.give(Input::Deliveries((room..DELIVERIES).map(waiting).collect()));
        let offer = TAKEN.replace("a=recvonly", "a=sendonly").replace("size:10", "name:\"a\" type:text/plain size:10");
        let invite = format!(
            "INVITE sip:bob@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKpush\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@192.0.2.9>;tag=a\r\nTo: <sip:bob@192.0.2.10>\r\nCall-ID: push\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:alice@192.0.2.9>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        let outputs = board.give(Input::Sip(sip::Input::Octets { flow: board.flow, octets: invite.into() }));
        let answers: Vec<String> = outputs.iter().filter_map(sip_text).collect();
        let said = answers.iter().any(|text| text.starts_with("SIP/2.0 503") && text.contains("too much waits"));
        assert_eq!(said, refused, "{routed} {room}: {answers:?}");
    }
}
