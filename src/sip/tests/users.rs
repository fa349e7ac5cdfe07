//! Who a request is from: users that prove it by digest (RFC 3261 §22, RFC 8760).

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds};
use crate::model::digest_auth::{Challenge, Credentials, Use};
use crate::sip::{Body, CallKey, Command, Config, Event};

const PASSWORD: &str = "open sesame";

fn guarded() -> Hand {
    let credentials = |user: &str, password: &str| Credentials { user: user.to_owned(), password: password.to_owned() };
    let users = vec![credentials("as", PASSWORD), credentials("other", "else")];
    Hand::new(Config { users, realm: "store".to_owned(), ..Config::default() })
}

fn challenges(response: &str) -> Vec<&str> {
    response.split("\r\n").filter_map(|line| line.strip_prefix("WWW-Authenticate: ")).collect()
}

/// The header that answers a challenge for this method.
fn proof(challenge: &str, account: (&str, &str), method: &str, count: u32) -> String {
    proof_for("sip:box@192.0.2.2", challenge, account, method, count)
}

fn proof_for(uri: &str, challenge: &str, (user, password): (&str, &str), method: &str, count: u32) -> String {
    let challenge = Challenge::parse(challenge).expect("a challenge");
    let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
    let use_ = Use { method, uri, cnonce: "c", count };
    format!("Authorization: {}", challenge.authorization(&credentials, &use_))
}

fn invite(seq: u32, extra: &[&str]) -> String {
    fresh("INVITE", seq, &[&["Content-Type: application/sdp"], extra].concat(), "offer")
}

/// The user of the last INVITE, if one has come.
fn invited(hand: &mut Hand) -> Option<(CallKey, Option<String>)> {
    match hand.events.pop() {
        Some(Event::Invited { call, invite, .. }) => Some((call, invite.user)),
        _ => None,
    }
}

/// A challenge of the owner's.
fn challenged(hand: &mut Hand) -> String {
    assert!(hand.udp(&invite(1, &[])).is_empty());
    let (call, user) = invited(hand).expect("nobody is challenged unasked");
    assert_eq!(user, None);
    let refuse = Command::Refuse { call, status: 401, reason: None, retry_after: None, warning: None };
    let sent = hand.command(refuse).pop().expect("a 401");
    hand.udp(&super::hand::request("ACK", 1, &[&format!("To: {}", field(&sent, "To").expect("a To"))], ""));
    hand.events.clear();
    sent
}

// M3261-22.2-01 M3261-22.4-01 M3261-22.4-02 M7616-3.3-01 M7616-3.7-01 M8760-2.6-01 M8760-3-01
#[test]
fn a_challenge_offers_the_better_algorithm_first_and_either_answer_names_its_user() {
    for (at, algorithm) in ["SHA-256", "MD5"].into_iter().enumerate() {
        let mut hand = guarded();
        let refusal = challenged(&mut hand);
        let offered = challenges(&refusal);
        assert_eq!((kinds(std::slice::from_ref(&refusal)), offered.len()), (vec!["401"], 2));
        for part in ["realm=\"store\"", "qop=\"auth\"", &format!("algorithm={algorithm}")] {
            assert!(offered[at].contains(part), "{part} in {}", offered[at]);
        }
        let answer = proof(offered[at], ("as", PASSWORD), "INVITE", 1);
        assert!(hand.udp(&invite(2, &[&answer])).is_empty());
        assert_eq!(invited(&mut hand).map(|(_, user)| user), Some(Some("as".to_owned())));
    }
}

// M7616-3.3-02 M7616-3.6-01
#[test]
fn wrong_credentials_are_refused_old_nonces_are_stale_and_a_count_is_good_for_once() {
    let mut hand = guarded();
    let refusal = challenged(&mut hand);
    let challenge = challenges(&refusal)[0].to_owned();
    let mut seq = 1;
    let mut tried = |hand: &mut Hand, answer: &str| {
        seq += 1;
        let sent = hand.udp(&invite(seq, &[answer]));
        let stale = sent.first().map(|text| challenges(text).iter().all(|challenge| challenge.contains("stale=true")));
        (kinds(&sent).first().map(|kind| (*kind).to_owned()), stale)
    };
    let refused = |stale| (Some("401".to_owned()), Some(stale));
    let served = (None, None);
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", "wrong"), "INVITE", 1)), refused(false));
    assert_eq!(tried(&mut hand, &proof(&challenge, ("nobody", ""), "INVITE", 1)), refused(false));
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", PASSWORD), "INFO", 1)), refused(false));
    let bare = challenge.replace(", qop=\"auth\"", "");
    assert_eq!(tried(&mut hand, &proof(&bare, ("as", PASSWORD), "INVITE", 1)), refused(false));
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", PASSWORD), "INVITE", 1)), served);
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", PASSWORD), "INVITE", 1)), refused(true), "a replay");
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", PASSWORD), "INVITE", 3)), served);
    let foreign = challenge.replace("nonce=\"", "nonce=\"x");
    assert_eq!(tried(&mut hand, &proof(&foreign, ("as", PASSWORD), "INVITE", 1)), refused(true));
    // Another realm's are not for us, and another scheme's neither.
    let others = challenge.replace("store", "elsewhere");
    assert_eq!(tried(&mut hand, &proof(&others, ("as", "x"), "INVITE", 1)), served);
    assert_eq!(tried(&mut hand, "Authorization: Basic YXM6eA=="), served);
    hand.pass(Duration::from_secs(301));
    assert_eq!(tried(&mut hand, &proof(&challenge, ("as", PASSWORD), "INVITE", 9)), refused(true));
}

// M7616-3.4.6-01
#[test]
fn credentials_are_good_for_the_box_that_they_were_made_for() {
    let mut hand = guarded();
    let refusal = challenged(&mut hand);
    let challenge = challenges(&refusal)[0].to_owned();
    let proof = |uri, count| proof_for(uri, &challenge, ("as", PASSWORD), "INVITE", count);
    for (seq, uri) in (2..).zip(["sip:other@192.0.2.2", "sip:192.0.2.2", "/box"]) {
        assert_eq!(kinds(&hand.udp(&invite(seq, &[&proof(uri, 1)]))), ["400"], "{uri}");
    }
    // Not used up by any of them; and the host is a proxy's to write.
    assert!(hand.udp(&invite(9, &[&proof("sips:box@store.example:5061;transport=tcp;x", 1)])).is_empty());
    assert_eq!(invited(&mut hand).map(|(_, user)| user), Some(Some("as".to_owned())));
    let moml = |place: &str| invite(10, &[&proof("sip:box@192.0.2.2;moml=a", 2)]).replacen("192.0.2.2 ", place, 1);
    assert_eq!(kinds(&hand.udp(&moml("192.0.2.2;moml=b "))), ["400"]);
}

// M3261-22.1-01
#[test]
fn requests_inside_a_call_prove_each_for_itself_and_ack_and_cancel_are_not_asked() {
    let mut hand = guarded();
    let refusal = challenged(&mut hand);
    let challenge = challenges(&refusal)[0].to_owned();
    hand.udp(&invite(2, &[]));
    let cancel =
        fresh("CANCEL", 2, &["Authorization: Digest nonsense"], "").replace("z9hG4bKCANCEL2", "z9hG4bKINVITE2");
    assert_eq!(kinds(&hand.udp(&cancel)), ["200", "487"]);
    hand.events.clear();
    hand.udp(&invite(3, &[]));
    let Some(Event::Invited { call, tag, .. }) = hand.events.pop() else { panic!("a call") };
    hand.command(Command::Accept { call, body: Some(Body::new("application/sdp", "answer")) });
    hand.udp(&inside("ACK", 3, &tag, &["Authorization: Digest nonsense"], ""));
    assert!(matches!(hand.events.pop(), Some(Event::Acked { .. })));
    let answer = proof(&challenge, ("other", "else"), "INFO", 1);
    let user = |hand: &mut Hand| if let Some(Event::Info { user, .. }) = hand.events.pop() { user } else { None };
    hand.udp(&inside("INFO", 4, &tag, &[&answer], ""));
    assert_eq!(user(&mut hand), Some("other".to_owned()));
    hand.udp(&inside("INFO", 5, &tag, &[], ""));
    assert_eq!(user(&mut hand), None);
}

#[test]
fn one_address_does_not_take_every_call() {
    let mut hand = Hand::new(Config { calls_per_address_max: 2, ..Config::default() });
    let call = |number: u32| {
        invite(1, &[]).replace("by-hand", &format!("c{number}")).replace("bKINVITE1", &format!("bK{number}"))
    };
    assert!(hand.udp(&call(1)).is_empty() && hand.udp(&call(2)).is_empty());
    let sent = hand.udp(&call(3));
    assert_eq!(kinds(&sent), ["503"]);
    assert!(field(&sent[0], "Retry-After").is_some());
    let Some(Event::Invited { call: first, .. }) = hand.events.first().cloned() else { panic!("a call") };
    hand.command(Command::Refuse { call: first, status: 486, reason: None, retry_after: None, warning: None });
    assert!(hand.udp(&call(4)).is_empty());
}
