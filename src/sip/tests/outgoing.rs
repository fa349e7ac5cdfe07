//! Calls of ours and what their answers ask for: credentials, another place, a PRACK, a refresh.

use std::time::Duration;

use super::hand::{Hand, field, inside, kinds};
use crate::model::digest_auth::Credentials;
use crate::sip::{Body, CallKey, Command, Config, EndReason, Event, Input, Place, Refusal, Transport};

const SECS: fn(u64) -> Duration = Duration::from_secs;

pub(super) const CALL: CallKey = CallKey(1);

pub(super) fn places() -> Vec<Place> {
    let place = |transport, text: &str| Place { transport, remote: text.parse().expect("an address") };
    vec![place(Transport::Udp, "192.0.2.9:5060"), place(Transport::Tcp, "192.0.2.8:5070")]
}

pub(super) fn call_out(hand: &mut Hand, places: Vec<Place>) -> String {
    call_by(hand, None, places)
}

pub(super) fn call_by(hand: &mut Hand, route: Option<&str>, places: Vec<Place>) -> String {
    let sent = hand.command(Command::Invite {
        call: CALL,
        target: "sip:box@example.com".to_owned(),
        from: "sip:us@example.net".to_owned(),
        to: "sip:box@example.com".to_owned(),
        route: route.map(str::to_owned),
        places,
        body: Some(Body::new("application/sdp", "offer")),
        headers: Vec::new(),
    });
    sent.into_iter().next().expect("an INVITE")
}

pub(super) fn response(request: &str, status: &str, extra: &[&str]) -> String {
    let get = |name| field(request, name).expect(name);
    let to = if get("To").contains(";tag=") { get("To").to_owned() } else { format!("{};tag=peer", get("To")) };
    let extra: String = extra.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:box@192.0.2.9>\r\n{extra}Content-Length: 0\r\n\r\n",
        get("Via"),
        get("From"),
        get("Call-ID"),
        get("CSeq")
    )
}

pub(super) fn refusal(hand: &Hand) -> Option<&Refusal> {
    hand.events.iter().find_map(|event| if let Event::Refused { refusal, .. } = event { Some(refusal) } else { None })
}

pub(super) fn with_account() -> Hand {
    let credentials = Credentials { user: "us".to_owned(), password: "secret".to_owned() };
    Hand::new(Config { credentials: Some(credentials), ..Config::default() })
}

pub(super) const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";

// M8760-2.4-01 M8760-2.4-02 M7616-3.4-01 M3261-22.2-02 M3261-22.3-01 M3261-8.1.3.5-01 M3261-13.2.2.4-02
#[test]
fn a_challenge_is_answered_in_a_new_transaction_and_every_later_request_proves_it_unasked() {
    let mut hand = with_account();
    let invite = call_out(&mut hand, places());
    assert_eq!(field(&invite, "Proxy-Authorization"), None);
    let weaker = "Proxy-Authenticate: Digest realm=\"example.com\", nonce=\"n0\", qop=\"auth\"";
    let unknown = weaker.replace("n0", "n9").replace("qop", "algorithm=SHA-1, qop");
    let challenges = [unknown.as_str(), CHALLENGE, weaker];
    let sent = hand.udp(&response(&invite, "407 Proxy Authentication Required", &challenges));
    assert_eq!(kinds(&sent), ["ACK", "INVITE"]);
    let again = &sent[1];
    assert_eq!((field(again, "Call-ID"), field(again, "From")), (field(&invite, "Call-ID"), field(&invite, "From")));
    assert_eq!(field(again, "CSeq"), Some("2 INVITE"));
    assert_ne!(field(again, "Via"), field(&invite, "Via"));
    let proof = field(again, "Proxy-Authorization").expect("a proof");
    for part in ["username=\"us\"", "nonce=\"n1\"", "uri=\"sip:box@example.com\"", "algorithm=SHA-256", "nc=00000001"] {
        assert!(proof.contains(part), "{part} in {proof}");
    }
    assert!(!again.contains("secret"));
    let sent = hand.udp(&response(again, "200 OK", &[]));
    assert_eq!(kinds(&sent), ["ACK"]);
    // The INVITE's own: nobody can ask an ACK for others.
    assert_eq!(field(&sent[0], "Proxy-Authorization"), Some(proof));
    assert_eq!(field(&sent[0], "CSeq"), Some("2 ACK"));
    let info = |token| Command::Info { call: CALL, token, body: Body::new("text/plain", "x") };
    let sent = hand.command(info(1));
    assert!(field(&sent[0], "Proxy-Authorization").is_some_and(|proof| proof.contains("nc=00000002")), "{}", sent[0]);
    assert_eq!(field(&sent[0], "CSeq"), Some("3 INFO"));
    // M7616-3.5-01
    hand.udp(&response(&sent[0], "200 OK", &["Proxy-Authentication-Info: nextnonce=\"n2\", qop=auth"]));
    let sent = hand.command(info(2));
    let proof = field(&sent[0], "Proxy-Authorization").expect("a proof");
    assert!(proof.contains("nonce=\"n2\"") && proof.contains("nc=00000001"), "{proof}");
}

// M3261-22.1-02
#[test]
fn refused_credentials_are_not_tried_again_and_a_stale_nonce_is_replaced() {
    let mut hand = with_account();
    let invite = call_out(&mut hand, places());
    let again = hand.udp(&response(&invite, "407 Proxy Authentication Required", &[CHALLENGE])).remove(1);
    let stale = CHALLENGE.replace("n1", "n2") + ", stale=true";
    let again = hand.udp(&response(&again, "407 Proxy Authentication Required", &[&stale])).remove(1);
    assert!(field(&again, "Proxy-Authorization").is_some_and(|proof| proof.contains("nonce=\"n2\"")), "{again}");
    let sent = hand.udp(&response(&again, "407 Proxy Authentication Required", &[CHALLENGE]));
    assert_eq!(kinds(&sent), ["ACK"]);
    assert_eq!(refusal(&hand).map(|refusal| refusal.status), Some(407));
    assert_eq!(hand.endpoint.calls(), 0);
}

#[test]
fn a_nonce_that_is_said_to_be_stale_is_replaced_once_for_each_answer_and_by_nothing_weaker() {
    let required = "407 Proxy Authentication Required";
    let stale = |nonce: &str| CHALLENGE.replace("n1", nonce) + ", stale=true";
    let begun = || {
        let mut hand = with_account();
        let invite = call_by(&mut hand, Some("sip:proxy.example.com"), places());
        let again = hand.udp(&response(&invite, required, &[CHALLENGE])).remove(1);
        (hand, again)
    };
    for weaker in [stale("n2").replace(", algorithm=SHA-256", ""), stale("n2").replace(" qop=\"auth\",", "")] {
        let (mut hand, invite) = begun();
        assert_eq!(kinds(&hand.udp(&response(&invite, required, &[&weaker]))), ["ACK"], "{weaker}");
    }
    // Whoever is behind the proxy, and says in its name that each is stale, has one proof for each answer.
    let (mut hand, invite) = begun();
    let again = hand.udp(&response(&invite, required, &[&stale("n2")])).remove(1);
    assert_eq!(kinds(&hand.udp(&response(&again, required, &[&stale("n3")]))), ["ACK"]);
    let (mut hand, invite) = begun();
    hand.udp(&response(&invite, "200 OK", &[]));
    for token in 1..=3 {
        let info = hand.command(Command::Info { call: CALL, token, body: Body::new("text/plain", "x") }).remove(0);
        let again = hand.udp(&response(&info, required, &[&stale("n4")])).remove(0);
        assert!(field(&again, "Proxy-Authorization").is_some_and(|proof| proof.contains("n4")), "{token}: {again}");
        hand.udp(&response(&again, "200 OK", &[]));
    }
}

#[test]
fn without_an_account_or_with_a_foreign_scheme_the_challenge_is_the_answer() {
    for (mut hand, challenge) in [
        (Hand::new(Config::default()), CHALLENGE),
        (with_account(), "Proxy-Authenticate: Basic realm=\"example.com\""),
        (with_account(), "Proxy-Authenticate: Digest realm=\"example.com\", nonce=\"n\", algorithm=FOO"),
    ] {
        let invite = call_out(&mut hand, places());
        hand.udp(&response(&invite, "407 Proxy Authentication Required", &[challenge]));
        assert_eq!(refusal(&hand).map(|refusal| refusal.status), Some(407), "{challenge}");
    }
}

#[test]
fn who_has_called_us_gets_no_proof_of_our_account() {
    let mut hand = with_account();
    answered(&mut hand, &["Session-Expires: 100;refresher=uas", "Supported: timer", "Allow: UPDATE"]);
    let (_, refresh) = hand.pass(SECS(50)).swap_remove(0);
    assert_eq!(kinds(std::slice::from_ref(&refresh)), ["UPDATE"]);
    for status in ["407 Proxy Authentication Required", "401 Unauthorized"] {
        let challenge =
            if status.starts_with("401") { CHALLENGE.replace("Proxy", "WWW") } else { CHALLENGE.to_owned() };
        let sent = hand.udp(&response(&refresh, status, &[&challenge]));
        assert!(sent.iter().all(|text| !text.contains("Authorization:")), "{sent:?}");
    }
}

#[test]
fn through_a_proxy_its_realm_alone_is_answered_and_nobody_behind_it() {
    let proxy = Some("sip:proxy.example.com");
    let mut hand = with_account();
    let invite = call_by(&mut hand, proxy, places());
    let behind = "WWW-Authenticate: Digest realm=\"elsewhere\", nonce=\"n1\", qop=\"auth\"";
    assert_eq!(kinds(&hand.udp(&response(&invite, "401 Unauthorized", &[behind]))), ["ACK"]);
    let mut hand = with_account();
    let invite = call_by(&mut hand, proxy, places());
    let again = hand.udp(&response(&invite, "407 Proxy Authentication Required", &[CHALLENGE])).remove(1);
    assert!(field(&again, "Proxy-Authorization").is_some());
    let other = CHALLENGE.replace("example.com", "elsewhere");
    assert_eq!(kinds(&hand.udp(&response(&again, "407 Proxy Authentication Required", &[&other]))), ["ACK"]);
    assert_eq!(refusal(&hand).map(|refusal| refusal.status), Some(407));
}

#[test]
fn a_challenge_without_qop_gets_the_proof_of_old() {
    let mut hand = with_account();
    let invite = call_out(&mut hand, places());
    let old = "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n1\"";
    let again = hand.udp(&response(&invite, "401 Unauthorized", &[old])).remove(1);
    let proof = field(&again, "Authorization").expect("a proof");
    assert!(!proof.contains("qop") && !proof.contains("cnonce") && proof.contains("response=\""), "{proof}");
}

#[test]
fn a_place_that_is_not_there_or_full_is_followed_by_the_next_with_the_same_request() {
    for how in ["503 Service Unavailable", "silence", "failure"] {
        let mut hand = Hand::new(Config::default());
        let invite = call_out(&mut hand, places());
        let sent = match how {
            "silence" => hand.pass(SECS(33)).into_iter().map(|(_, text)| text).collect(),
            "failure" => {
                let remote = places()[0].remote;
                hand.input(Input::TransportFailed { flow: None, transport: Transport::Udp, remote })
            }
            status => hand.udp(&response(&invite, status, &[])),
        };
        let next = sent.last().expect("another INVITE");
        assert!(next.starts_with("INVITE sip:box@example.com "), "{how}: {next}");
        assert!(field(next, "Via").is_some_and(|via| via.starts_with("SIP/2.0/TCP ")), "{how}: {next}");
        assert_eq!((field(next, "Call-ID"), field(next, "CSeq")), (field(&invite, "Call-ID"), Some("1 INVITE")));
        assert_eq!(hand.to, Some(places()[1].remote));
        hand.tcp(&response(next, "503 Service Unavailable", &[]));
        assert_eq!(refusal(&hand).map(|refusal| (refusal.status, refusal.silent)), Some((503, false)), "{how}");
    }
}

pub(super) fn reliable(invite: &str, number: u32) -> String {
    response(invite, "183 Session Progress", &["Require: 100rel", &format!("RSeq: {number}")])
}

// M3262-4-01 M3262-4-02 M3262-4-03 M3262-4-04 M3262-4-05
#[test]
fn provisional_responses_that_want_it_are_acknowledged_each_once_and_in_order() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    assert_eq!(field(&invite, "Supported"), Some("timer, 100rel"));
    assert_eq!(field(&invite, "Require"), None);
    let plain = response(&invite, "180 Ringing", &[]);
    let trying = response(&invite, "100 Trying", &["Require: 100rel", "RSeq: 5"]);
    assert!(hand.udp(&plain).is_empty() && hand.udp(&trying).is_empty());
    let sent = hand.udp(&reliable(&invite, 776));
    assert_eq!(kinds(&sent), ["PRACK"]);
    assert_eq!((field(&sent[0], "RAck"), field(&sent[0], "CSeq")), (Some("776 1 INVITE"), Some("2 PRACK")));
    assert!(sent[0].starts_with("PRACK sip:box@192.0.2.9 "), "{}", sent[0]);
    assert_eq!(field(&sent[0], "Require"), None);
    let progress = |hand: &Hand| hand.events.iter().filter(|event| matches!(event, Event::Progress { .. })).count();
    let before = progress(&hand);
    assert!(hand.udp(&reliable(&invite, 776)).is_empty(), "a copy");
    assert!(hand.udp(&reliable(&invite, 778)).is_empty(), "out of order");
    assert_eq!(progress(&hand), before);
    assert_eq!(field(&hand.udp(&reliable(&invite, 777))[0], "RAck"), Some("777 1 INVITE"));
    // The numbers of the early dialog go on in the one that it becomes.
    hand.udp(&response(&invite, "200 OK", &[]));
    let bye = hand.command(Command::Bye { call: CALL, body: None, reason: None });
    assert_eq!(field(&bye[0], "CSeq"), Some("4 BYE"));
}

#[test]
fn an_answer_that_a_reliable_provisional_brought_is_the_answer_of_a_2xx_without_one() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    let early = reliable(&invite, 1)
        .replace("Content-Length: 0\r\n\r\n", "Content-Type: application/sdp\r\nContent-Length: 6\r\n\r\nanswer");
    hand.udp(&early);
    hand.udp(&response(&invite, "200 OK", &[]));
    let body =
        hand.events.iter().find_map(|event| if let Event::Answered { body, .. } = event { body.clone() } else { None });
    assert_eq!(body.map(|body| body.octets), Some("answer".into()));
}

// M4028-7.1-01 M4028-7.1-02 M4028-7.1-04 M4028-4-02
// M4028-7.2-01
#[test]
fn our_session_is_half_an_hour_and_the_peer_says_who_refreshes() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    assert_eq!((field(&invite, "Session-Expires"), field(&invite, "Require")), (Some("1800"), None));
    hand.udp(&response(&invite, "200 OK", &["Session-Expires: 90;refresher=uas", "Require: timer"]));
    // M4028-10-04: it does not, so the call ends a little before its time.
    let sent = hand.pass(SECS(90));
    let byes: Vec<u128> = sent.iter().filter(|(_, text)| text.starts_with("BYE ")).map(|(at, _)| *at).take(1).collect();
    assert_eq!(byes, [60_000]);
    let bye = sent.iter().map(|(_, text)| text).find(|text| text.starts_with("BYE ")).expect("a BYE");
    assert_eq!(field(bye, "Supported"), Some("timer"));
    hand.udp(&response(bye, "200 OK", &[]));
    assert!(matches!(hand.events.last(), Some(Event::Ended { why: EndReason::Gone(408), .. })));
}

// M4028-7.2-02 M4028-7.2-04 M4028-7.4-02 M4028-7.4-03 M4028-7.4-04 M4028-10-01
#[test]
fn a_refresh_of_ours_is_an_update_at_half_time_and_what_it_is_answered_counts() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "200 OK", &["Session-Expires: 600;refresher=uac", "Allow: INVITE, UPDATE"]));
    let sent = hand.pass(SECS(300));
    let (at, update) = sent.first().expect("a refresh");
    assert_eq!((*at, kinds(std::slice::from_ref(update))), (300_000, vec!["UPDATE"]));
    assert_eq!(field(update, "Session-Expires"), Some("600;refresher=uac"));
    assert_eq!(field(update, "Content-Length"), Some("0"));
    hand.udp(&response(update, "200 OK", &["Session-Expires: 1200;refresher=uac"]));
    let sent = hand.pass(SECS(600));
    assert_eq!(sent.iter().map(|(at, _)| *at).next(), Some(900_000));
    // M4028-7.2-03: without a word there is no timer any more.
    hand.udp(&response(&sent[0].1, "200 OK", &[]));
    assert!(hand.pass(SECS(5000)).is_empty());
    assert_eq!(hand.endpoint.calls(), 1);
}

// M4028-7.4-05 M4028-10-03
#[test]
fn a_peer_without_update_is_refreshed_by_the_owners_offer_and_one_that_forgot_the_call_ends_it() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "200 OK", &["Session-Expires: 600;refresher=uac", "Allow: INVITE"]));
    assert!(hand.pass(SECS(300)).is_empty());
    assert_eq!(hand.events.last(), Some(&Event::RefreshDue { call: CALL }));
    let sent = hand.command(Command::Reinvite { call: CALL, body: Body::new("application/sdp", "offer") });
    assert_eq!((kinds(&sent), field(&sent[0], "Session-Expires")), (vec!["INVITE"], Some("600;refresher=uac")));
    hand.udp(&response(&sent[0], "481 Gone", &[]));
    assert!(matches!(hand.events.last(), Some(Event::Ended { why: EndReason::Gone(481), .. })));
}

// M4028-7.3-01 M4028-7.4-01 M4028-7.1-03
#[test]
fn a_session_that_is_too_short_for_somebody_is_asked_for_again_as_long_as_that_wants() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    let sent = hand.udp(&response(&invite, "422 Session Interval Too Small", &["Min-SE: 3600"]));
    assert_eq!(kinds(&sent), ["ACK", "INVITE"]);
    let get = |name| field(&sent[1], name);
    assert_eq!((get("Session-Expires"), get("Min-SE"), get("CSeq")), (Some("3600"), Some("3600"), Some("2 INVITE")));
    assert_eq!(get("Call-ID"), field(&invite, "Call-ID"));
    // M4028-10-02: not for ever.
    let mut last = sent[1].clone();
    for _ in 0..8 {
        match hand.udp(&response(&last, "422 Session Interval Too Small", &["Min-SE: 3600"])).pop() {
            Some(text) if text.starts_with("INVITE ") => last = text,
            _ => break,
        }
    }
    assert_eq!(refusal(&hand).map(|refusal| refusal.status), Some(422));
}

/// A call that came in and was answered: the 200, and our tag.
fn answered(hand: &mut Hand, extra: &[&str]) -> (String, String) {
    hand.udp(&super::hand::fresh("INVITE", 1, &[&["Content-Type: application/sdp"], extra].concat(), "offer"));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { return (String::new(), String::new()) };
    let sent = hand.command(Command::Accept { call, body: Some(Body::new("application/sdp", "answer")) });
    hand.udp(&inside("ACK", 1, &tag, &[], ""));
    (sent.into_iter().next().expect("a 200"), tag)
}

// M4028-4-01 M4028-9-02 M4028-9-03 M4028-9-04 M4028-9-05 M4028-5-02
// M3261-8.2.4-01 M3261-8.2.4-02
#[test]
fn who_refreshes_a_call_that_came_in_is_settled_by_what_its_peer_knows() {
    for (asked, known, told, required) in [
        ("Session-Expires: 91", true, Some("91;refresher=uac"), Some("timer")),
        ("x: 91;refresher=uac", true, Some("91;refresher=uac"), Some("timer")),
        ("Session-Expires: 91;refresher=uas", true, Some("91;refresher=uas"), Some("timer")),
        ("Session-Expires: 91", false, Some("91;refresher=uas"), None),
        ("Session-Expires: 60", false, None, None),
        ("Subject: none", true, None, None),
    ] {
        let mut hand = Hand::new(Config::default());
        let supported = if known { "Supported: timer" } else { "Supported: path" };
        let (ok, _) = answered(&mut hand, &[asked, supported]);
        assert_eq!((field(&ok, "Session-Expires"), field(&ok, "Require")), (told, required), "{asked} {known}");
        assert_eq!(field(&ok, "Min-SE"), None);
    }
}

// M4028-6-01 M4028-9-01 M4028-5-01
#[test]
fn a_session_of_seconds_is_refused_with_the_least_that_we_take() {
    let mut hand = Hand::new(Config::default());
    let extra = ["Session-Expires: 60", "Min-SE: 10", "Supported: timer"];
    let sent = hand.udp(&super::hand::fresh("INVITE", 1, &extra, ""));
    assert_eq!((kinds(&sent), field(&sent[0], "Min-SE")), (vec!["422"], Some("90")));
}

// M4028-9-06 M4028-10-04
#[test]
fn a_call_that_came_in_is_refreshed_by_us_or_ends_if_its_caller_does_not() {
    let mut hand = Hand::new(Config::default());
    answered(&mut hand, &["Session-Expires: 100;refresher=uas", "Supported: timer", "Allow: UPDATE"]);
    let sent = hand.pass(SECS(50));
    assert_eq!((sent[0].0, kinds(std::slice::from_ref(&sent[0].1))), (50_000, vec!["UPDATE"]));
    assert_eq!(field(&sent[0].1, "Session-Expires"), Some("100;refresher=uac"));

    let mut hand = Hand::new(Config::default());
    let (_, tag) = answered(&mut hand, &["Session-Expires: 99", "Supported: timer"]);
    hand.pass(SECS(60));
    let extra = ["Session-Expires: 99;refresher=uac", "Supported: timer"];
    let sent = hand.udp(&inside("UPDATE", 2, &tag, &extra, ""));
    assert_eq!((kinds(&sent), field(&sent[0], "Session-Expires")), (vec!["200"], Some("99;refresher=uac")));
    let sent = hand.pass(SECS(99));
    assert_eq!(sent.iter().find(|(_, text)| text.starts_with("BYE ")).map(|(at, _)| *at), Some(127_000));
}
