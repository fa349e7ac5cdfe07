//! Whole calls between two endpoints, in every weather.

use std::time::Duration;

use super::network::{CALM, STORM, Weather, Who, World, address};
use crate::sip::{Body, CallKey, Command, EndReason, Event, Place, RequestKey, Transport};

const CALL: CallKey = CallKey(7);

fn sdp(text: &str) -> Body {
    Body::new("application/sdp", text.to_owned())
}

fn invite(transport: Transport, body: Option<Body>) -> Command {
    Command::Invite {
        call: CALL,
        target: "sip:box@192.0.2.2".to_owned(),
        from: "sip:alice@example.org".to_owned(),
        to: "sip:box@example.net".to_owned(),
        route: None,
        places: vec![Place { transport, remote: address(Who::Bob) }],
        body,
        headers: vec![("X-Note".to_owned(), "one\r\ntwo".to_owned())],
    }
}

fn invited(event: &Event) -> Option<CallKey> {
    if let Event::Invited { call, .. } = event { Some(*call) } else { None }
}

fn info(event: &Event) -> Option<(RequestKey, Body)> {
    if let Event::Info { request, body, .. } = event { Some((*request, body.clone()?)) } else { None }
}

fn info_answered(event: &Event) -> Option<(u64, u16)> {
    if let Event::InfoAnswered { token, status, .. } = event { Some((*token, *status)) } else { None }
}

fn ended(event: &Event) -> Option<EndReason> {
    if let Event::Ended { why, .. } = event { Some(*why) } else { None }
}

fn answered(event: &Event) -> Option<Option<Body>> {
    if let Event::Answered { body, .. } = event { Some(body.clone()) } else { None }
}

fn acked(event: &Event) -> Option<Option<Body>> {
    if let Event::Acked { body, .. } = event { Some(body.clone()) } else { None }
}

fn answer(request: RequestKey, body: Body) -> Command {
    Command::Answer { request, status: 200, reason: None, body: Some(body), headers: Vec::new() }
}

fn hang_up(call: CallKey) -> Command {
    Command::Bye { call, body: None, reason: None }
}

/// INVITE, 200, ACK; returns Bob's key.
fn set_up(world: &mut World, transport: Transport) -> CallKey {
    world.command(Who::Alice, invite(transport, Some(sdp("offer"))));
    let call = world.wait(Who::Bob, invited);
    world.command(Who::Bob, Command::Accept { call, body: Some(sdp("answer")) });
    assert_eq!(world.wait(Who::Alice, answered), Some(sdp("answer")));
    assert_eq!(world.wait(Who::Bob, acked), None);
    call
}

/// One side sends INFOs with these tokens, the other answers each with the token's text.
fn talk(world: &mut World, from: Who, call: CallKey, tokens: std::ops::Range<u64>) {
    for token in tokens.clone() {
        let body = Body::new("application/msml+xml", format!("event {token} \0\u{e9}"));
        world.command(from, Command::Info { call, token, body });
    }
    let to = if from == Who::Alice { Who::Bob } else { Who::Alice };
    for token in tokens {
        // F-4: in order, one by one.
        let (request, body) = world.wait(to, info);
        assert_eq!(body.octets, format!("event {token} \0\u{e9}"));
        world.command(to, answer(request, Body::new("application/msml+xml", "<msml/>")));
        assert_eq!(world.wait(from, info_answered), (token, 200));
    }
}

fn whole_call(seed: u64, weather: Weather, transport: Transport) -> World {
    let mut world = World::new(seed, weather);
    let bobs = set_up(&mut world, transport);
    talk(&mut world, Who::Alice, CALL, 0..3);
    talk(&mut world, Who::Bob, bobs, 10..13);
    world.command(Who::Bob, Command::Reinvite { call: bobs, body: sdp("offer 2") });
    let offer = world.wait(Who::Alice, |event| match event {
        Event::Reinvited { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(offer, Some(sdp("offer 2")));
    world.command(Who::Alice, Command::Accept { call: CALL, body: Some(sdp("answer 2")) });
    let answer = world.wait(Who::Bob, |event| match event {
        Event::ReinviteAnswered { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(answer, Some(sdp("answer 2")));
    assert_eq!(world.wait(Who::Alice, acked), None);
    world.command(Who::Alice, hang_up(CALL));
    world.wait(Who::Bob, |event| matches!(event, Event::Bye { .. }).then_some(()));
    assert_eq!(world.wait(Who::Bob, ended), EndReason::ByeReceived);
    assert_eq!(world.wait(Who::Alice, ended), EndReason::ByeSent);
    world.assert_empty();
    world
}

// M3261-13.1-01 M3261-18-01 M3261-18.1.1-03 M6086-4.3.2-03 M3264-8-01
#[test]
fn a_whole_call_needs_each_message_once_when_nothing_is_lost() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let world = whole_call(1, CALM, transport);
        let alices = ["INVITE", "ACK", "INFO", "BYE"].map(|method| world.count(Who::Alice, method));
        assert_eq!(alices, [1, 1, 3, 1], "{transport:?}");
        let bobs = ["INVITE", "ACK", "INFO", "BYE"].map(|method| world.count(Who::Bob, method));
        assert_eq!(bobs, [1, 1, 3, 0], "{transport:?}");
        assert_eq!((world.count(Who::Alice, "SIP/2.0 200"), world.count(Who::Bob, "SIP/2.0 200")), (4, 5));
        assert_eq!(world.connections(), usize::from(transport == Transport::Tcp), "one for the whole call");
    }
}

#[test]
fn a_whole_call_survives_loss_doubles_and_disorder() {
    // M3261-17.1.1.2-01, M3261-17.1.2.2-01, M3261-17.2.2-01, M6026-6-01, M3261-13.2.2.4-01
    for seed in 0..60 {
        whole_call(seed, STORM, Transport::Udp);
        whole_call(seed, STORM, Transport::Tcp);
    }
}

#[test]
fn the_same_seed_gives_the_same_octets_and_another_seed_others() {
    let run = |seed| whole_call(seed, STORM, Transport::Udp).sides.map(|side| side.sent);
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}

#[test]
fn what_the_requests_say_is_what_the_rules_ask_for() {
    let world = whole_call(3, CALM, Transport::Udp);
    let sent = &world.sides[Who::Alice as usize].sent;
    let invite = sent.iter().find(|text| text.starts_with("INVITE ")).expect("an INVITE");
    // M3261-8.1.1-01, M3261-8.1.1.2-01, M3261-8.1.1.3-01, M3261-8.1.1.7-01, M3261-8.1.1.8-01, M3261-13.2.1-01
    assert!(invite.starts_with("INVITE sip:box@192.0.2.2 SIP/2.0\r\n"), "{invite}");
    assert!(invite.contains("\r\nTo: <sip:box@example.net>\r\n"), "{invite}");
    assert!(invite.contains("\r\nFrom: <sip:alice@example.org>;tag="), "{invite}");
    // M3581-3-01
    assert!(invite.contains("\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK"), "{invite}");
    assert!(invite.contains("\r\nMax-Forwards: 70\r\n") && invite.contains("\r\nCSeq: 1 INVITE\r\n"), "{invite}");
    assert_eq!(invite.matches("\r\nContact: <sip:").count(), 1);
    assert!(invite.contains("\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, SUBSCRIBE\r\n"), "{invite}");
    assert!(invite.contains("\r\nX-Note: one  two\r\n"), "a value can't make a header: {invite}");
    // M3261-12.2.1.1-02: CSeq rises by one; M3261-13.2.2.4-02: the ACK has the INVITE's.
    let cseq = |text: &String| text.split("\r\n").find_map(|line| line.strip_prefix("CSeq: ")).map(str::to_owned);
    let own = |text: &&String| !text.starts_with("SIP/2.0");
    let seqs: Vec<_> = sent.iter().filter(own).filter_map(cseq).collect();
    assert_eq!(seqs, ["1 INVITE", "1 ACK", "2 INFO", "3 INFO", "4 INFO", "5 BYE"]);
    // M6086-3-01, M6086-4.2.1-04
    assert!(sent.iter().all(|text| !text.contains("Info-Package") && !text.contains("Recv-Info")));
    // F-2: nothing stands behind our To tag.
    let ok = world.sides[Who::Bob as usize].sent.iter().find(|text| text.starts_with("SIP/2.0 200")).expect("a 200");
    let to = ok.split("\r\n").find(|line| line.starts_with("To:")).expect("a To");
    let tag = to.split_once(";tag=").expect("a tag").1;
    assert!(tag.len() >= 16 && tag.bytes().all(|c| c.is_ascii_alphanumeric()), "{to}");
}

// SIP-11
// M6026-7.2-03
#[test]
fn an_invite_without_offer_gets_ours_and_answers_in_its_ack() {
    // M3261-13.2.1-03, M3261-13.2.2.4-03
    for seed in 0..20 {
        let mut world = World::new(seed, STORM);
        world.command(Who::Alice, invite(Transport::Udp, None));
        let call = world.wait(Who::Bob, invited);
        world.command(Who::Bob, Command::Accept { call, body: Some(sdp("offer")) });
        assert_eq!(world.wait(Who::Alice, answered), Some(sdp("offer")));
        world.command(Who::Alice, Command::Ack { call: CALL, body: Some(sdp("answer")) });
        assert_eq!(world.wait(Who::Bob, acked), Some(sdp("answer")));
        world.command(Who::Bob, hang_up(call));
        assert_eq!(world.wait(Who::Bob, ended), EndReason::ByeSent);
        assert_eq!(world.wait(Who::Alice, ended), EndReason::ByeReceived);
    }
}

// M3261-13.1-01
#[test]
fn a_cancelled_invite_ends_on_both_sides_whoever_was_faster() {
    // M3261-9.1-03, M3261-9.2-02
    for seed in 0..60 {
        let mut world = World::new(seed, STORM);
        world.command(Who::Alice, invite(Transport::Udp, Some(sdp("offer"))));
        let call = world.wait(Who::Bob, invited);
        world.command(Who::Bob, Command::Ring { call });
        world.command(Who::Alice, Command::Cancel { call: CALL });
        if seed % 2 == 0 {
            // The owner answers while the CANCEL is under way.
            world.pass(Duration::from_millis(400));
            world.command(Who::Bob, Command::Accept { call, body: Some(sdp("answer")) });
        }
        let bobs = world.wait(Who::Bob, ended);
        assert!(matches!(bobs, EndReason::Cancelled | EndReason::ByeReceived), "seed {seed}: {bobs:?}");
        assert_eq!(world.wait(Who::Alice, ended), EndReason::Cancelled, "seed {seed}");
        world.pass(Duration::from_secs(100));
        assert_eq!(world.sides[0].endpoint.calls() + world.sides[1].endpoint.calls(), 0);
    }
}

#[test]
fn a_refused_call_ends_with_its_status_and_its_ack_is_repeated() {
    // M3261-17.1.1.2-02, M3261-17.2.1-03
    for seed in 0..20 {
        let mut world = World::new(seed, STORM);
        world.command(Who::Alice, invite(Transport::Udp, Some(sdp("offer"))));
        let call = world.wait(Who::Bob, invited);
        let (reason, retry_after, warning) = (Some("No Box".to_owned()), Some(5), Some("no \"box\"".to_owned()));
        world.command(Who::Bob, Command::Refuse { call, status: 488, reason, retry_after, warning });
        assert_eq!(world.wait(Who::Bob, ended), EndReason::Refused(488));
        let refused = world.wait(Who::Alice, |event| match event {
            Event::Refused { refusal, .. } => Some((refusal.status, refusal.reason.clone(), refusal.retry_after)),
            _ => None,
        });
        assert_eq!(refused, (488, "No Box".to_owned(), Some(5)));
        assert_eq!(world.wait(Who::Alice, ended), EndReason::Refused(488));
        world.pass(Duration::from_secs(100));
        assert!(world.count(Who::Alice, "ACK ") >= 1);
        assert!(world.sides[1].sent.iter().any(|text| text.contains("\r\nWarning: 399 restante \"no 'box'\"\r\n")));
    }
}

#[test]
fn two_reinvites_that_meet_are_both_done_after_a_while() {
    // M3261-14.1-03, M3261-14.2-02
    let mut world = World::new(5, CALM);
    let bobs = set_up(&mut world, Transport::Udp);
    world.command(Who::Alice, Command::Reinvite { call: CALL, body: sdp("from alice") });
    world.command(Who::Bob, Command::Reinvite { call: bobs, body: sdp("from bob") });
    let reinvited = |event: &Event| matches!(event, Event::Reinvited { .. }).then_some(());
    let done = |event: &Event| matches!(event, Event::ReinviteAnswered { .. }).then_some(());
    // The owner of the Call-ID waits longer, so Bob comes first.
    world.wait(Who::Alice, reinvited);
    world.command(Who::Alice, Command::Accept { call: CALL, body: Some(sdp("yes")) });
    world.wait(Who::Bob, done);
    world.wait(Who::Bob, reinvited);
    world.command(Who::Bob, Command::Accept { call: bobs, body: Some(sdp("yes")) });
    world.wait(Who::Alice, done);
    assert!(world.count(Who::Alice, "SIP/2.0 491") + world.count(Who::Bob, "SIP/2.0 491") >= 2);
}

#[test]
fn bye_leaves_after_the_infos_before_it_and_later_infos_are_refused() {
    let mut world = World::new(6, CALM);
    let bobs = set_up(&mut world, Transport::Tcp);
    for token in 1..=2 {
        world.command(Who::Bob, Command::Info { call: bobs, token, body: Body::new("text/xml", "<a/>") });
    }
    let last = Some(Body::new("text/xml", "<bye/>"));
    world.command(Who::Bob, Command::Bye { call: bobs, body: last.clone(), reason: Some("SIP;cause=200".to_owned()) });
    world.command(Who::Bob, Command::Info { call: bobs, token: 3, body: Body::new("text/xml", "<a/>") });
    // M6086-4.2.1-05
    assert_eq!(world.wait(Who::Bob, info_answered), (3, 481));
    for token in 1..=2 {
        let (request, _) = world.wait(Who::Alice, info);
        world.command(Who::Alice, answer(request, Body::new("text/xml", "<b/>")));
        assert_eq!(world.wait(Who::Bob, info_answered), (token, 200));
    }
    // M5707-3.1-05
    let body =
        world.wait(Who::Alice, |event| if let Event::Bye { body, .. } = event { Some(body.clone()) } else { None });
    assert_eq!(body, last);
    assert_eq!(world.wait(Who::Bob, ended), EndReason::ByeSent);
}

// SIP-17
// M3261-11-01
#[test]
fn options_outside_and_the_answer_to_it_carry_what_we_can() {
    let mut world = World::new(8, CALM);
    let (target, remote, transport) = ("sip:192.0.2.2".to_owned(), address(Who::Bob), Transport::Udp);
    world.command(Who::Alice, Command::Options { token: 4, target, remote, transport });
    let request = world.wait(Who::Bob, |event| match event {
        Event::Options { request, call: None, accept, .. } if accept.contains(&"application/sdp".to_owned()) => {
            Some(*request)
        }
        _ => None,
    });
    world.command(Who::Bob, answer(request, sdp("v=0")));
    let (status, headers) = world.wait(Who::Alice, |event| match event {
        Event::OptionsAnswered { token: 4, status, headers, .. } => Some((*status, headers.clone())),
        _ => None,
    });
    assert_eq!(status, 200);
    // M3261-11.2-02, M3261-20.5-01
    for name in ["Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported"] {
        assert!(headers.iter().any(|(found, _)| found == name), "{name} in {headers:?}");
    }
    world.assert_empty();
}
