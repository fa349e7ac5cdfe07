//! Offers of both sides that meet (RFC 3261 §14, RFC 3311 §5), and what they are answered.

use std::time::Duration;

use super::hand::{Hand, field, inside, kinds};
use super::outgoing::{call_out, places, response};
use super::refusals::{SDP, called};
use crate::sip::{Body, CallKey, Command, Config, Event};

fn offer(call: CallKey) -> Command {
    Command::Reinvite { call, body: Body::new("application/sdp", "ours") }
}

// M3261-14.2-02 M3264-4-01
#[test]
fn while_our_offer_is_open_an_offer_of_the_peers_gets_491_by_either_method_and_a_mere_refresh_is_served() {
    for (method, body, status) in [("INVITE", "offer", "491"), ("UPDATE", "offer", "491"), ("UPDATE", "", "200")] {
        let mut hand = Hand::new(Config::default());
        let (call, tag) = called(&mut hand);
        assert_eq!(kinds(&hand.command(offer(call))), ["INVITE"]);
        let extra: &[&str] = if body.is_empty() { &[] } else { &[SDP] };
        assert_eq!(kinds(&hand.udp(&inside(method, 2, &tag, extra, body))), [status], "{method} {body}");
        assert!(hand.events.is_empty(), "nobody hears of it: {method} {body}");
    }
}

#[test]
fn while_the_peers_offer_is_open_ours_waits_and_a_second_of_theirs_comes_too_early() {
    for method in ["INVITE", "UPDATE"] {
        for second in ["INVITE", "UPDATE"] {
            let mut hand = Hand::new(Config::default());
            let (call, tag) = called(&mut hand);
            hand.udp(&inside(method, 2, &tag, &[SDP], "offer"));
            assert!(hand.command(offer(call)).is_empty(), "{method}");
            let early = hand.udp(&inside(second, 3, &tag, &[SDP], "offer"));
            assert_eq!(kinds(&early), ["500"], "{second} in {method}");
            assert!(
                field(&early[0], "Retry-After").is_some_and(|secs| secs.parse::<u8>().is_ok_and(|secs| secs <= 10))
            );
            let sent = match hand.events.pop() {
                Some(Event::Updated { request, .. }) => hand.command(Command::Answer {
                    request,
                    status: 200,
                    reason: None,
                    body: None,
                    headers: Vec::new(),
                }),
                _ => hand.command(Command::Accept { call, body: None }),
            };
            let sent = [sent, hand.udp(&inside("ACK", 2, &tag, &[], ""))].concat();
            assert_eq!(kinds(&sent), ["200", "INVITE"], "now it is our turn");
        }
    }
}

// RFC 3311 §5.3
#[test]
fn a_refresh_of_ours_that_meets_an_offer_of_the_peers_comes_again() {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "200 OK", &["Session-Expires: 600;refresher=uac", "Allow: UPDATE"]));
    let (_, update) = hand.pass(Duration::from_secs(300)).swap_remove(0);
    hand.udp(&response(&update, "491 Request Pending", &[]));
    let again = hand.pass(Duration::from_secs(5));
    assert!(again.first().is_some_and(|(at, text)| *at == 305_000 && text.starts_with("UPDATE ")), "{again:?}");
}
