//! What our requests look like on the wire, whatever they are for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::hand::{Hand, field, kinds};
use super::outgoing::{CALL, CHALLENGE, call_out, places, reliable, response, with_account};
use crate::sip::{Body, CallKey, Command, Config, Transport};

fn options(token: u64) -> Command {
    let (target, remote) = ("sip:192.0.2.9".to_owned(), places()[0].remote);
    Command::Options { token, target, remote, transport: Transport::Udp }
}

/// One call of ours from its INVITE to its BYE, with a request of each kind in it.
fn a_whole_call() -> Vec<String> {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    let mut said = vec![invite.clone()];
    let prack = hand.udp(&reliable(&invite, 7));
    hand.udp(&response(&prack[0], "200 OK", &[]));
    said.extend(prack);
    let timer = ["Session-Expires: 600;refresher=uac", "Allow: INVITE, UPDATE"];
    said.extend(hand.udp(&response(&invite, "200 OK", &timer)));
    let reinvite = hand.command(Command::Reinvite { call: CALL, body: Body::new("application/sdp", "offer") });
    said.extend(reinvite.clone());
    said.extend(hand.udp(&response(&reinvite[0], "488 Not Acceptable Here", &[])));
    let info = hand.command(Command::Info { call: CALL, token: 1, body: Body::new("text/xml", "<a/>") });
    said.extend(info.clone());
    hand.udp(&response(&info[0], "200 OK", &[]));
    let (_, update) = hand.pass(Duration::from_secs(300)).swap_remove(0);
    hand.udp(&response(&update, "200 OK", &[]));
    said.push(update);
    said.extend(hand.command(Command::Bye { call: CALL, body: None, reason: None }));
    said
}

/// What is said outside of it.
fn others() -> Vec<String> {
    let mut hand = Hand::new(Config::default());
    let invite = call_out(&mut hand, places());
    hand.udp(&response(&invite, "180 Ringing", &[]));
    [hand.command(Command::Cancel { call: CALL }), hand.command(options(1))].concat()
}

fn count(text: &str, name: &str) -> usize {
    text.split("\r\n").filter(|line| line.starts_with(&format!("{name}: "))).count()
}

// M3261-7-01 M3261-7.1-01 M3261-7.4.2-01 M3261-8.1.1.5-01 M3261-8.1.1.6-01 M3261-8.1.1.9-01 M3261-8.1.1.9-02 M3261-20.14-01
// M6086-4.2.1-03 M6086-7.1-01
#[test]
fn every_request_of_ours_has_the_form_that_sip_wants() {
    let said = [a_whole_call(), others()].concat();
    let methods: BTreeSet<&str> = kinds(&said).into_iter().collect();
    let all = ["ACK", "BYE", "CANCEL", "INFO", "INVITE", "OPTIONS", "PRACK", "UPDATE"];
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), all);
    for text in &said {
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        let (line, _) = head.split_once("\r\n").expect("headers");
        assert!(line.ends_with(" SIP/2.0") && line.split(' ').count() == 3, "{line}");
        assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head}");
        for name in ["To", "From", "CSeq", "Call-ID", "Max-Forwards", "Via", "Content-Length"] {
            assert_eq!(count(head, name), 1, "{name} in {head}");
        }
        let method = line.split(' ').next().expect("a method");
        let (number, named) = field(text, "CSeq").and_then(|value| value.split_once(' ')).expect("a CSeq");
        assert!(number.parse::<u32>().is_ok_and(|number| number < 1 << 31) && named == method, "{head}");
        assert_eq!(field(text, "Max-Forwards"), Some("70"));
        assert_eq!(field(text, "Content-Length"), Some(body.len().to_string().as_str()), "{head}");
        assert_eq!(count(head, "Content-Type"), usize::from(!body.is_empty()), "{head}");
        // What it takes to answer it is never more than a peer of RFC 3261 has; what it may use beside is said.
        assert_eq!((count(head, "Require"), count(head, "Proxy-Require")), (0, 0), "{head}");
        assert_eq!(count(head, "Supported"), usize::from(!["ACK", "CANCEL"].contains(&method)), "{head}");
        for never in ["Transfer-Encoding", "Content-Encoding", "Info-Package", "Recv-Info"] {
            assert_eq!(count(head, never), 0, "{head}");
        }
    }
}

// M3261-12.2.1.1-01 M6086-4.2.1-01
#[test]
fn every_request_of_a_dialog_has_its_tags_and_its_call_id_and_a_number_of_its_own() {
    let said = a_whole_call();
    let of = |text: &String, name| field(text, name).expect(name).to_owned();
    let mut last = 0;
    for text in &said[1..] {
        assert_eq!((of(text, "Call-ID"), of(text, "From")), (of(&said[0], "Call-ID"), of(&said[0], "From")));
        assert_eq!(of(text, "To"), format!("{};tag=peer", of(&said[0], "To")));
        let number =
            of(text, "CSeq").split(' ').next().and_then(|number| number.parse::<u32>().ok()).expect("a number");
        // An ACK has the number of its INVITE.
        let due = if text.starts_with("ACK ") { number <= last.max(1) } else { number > last };
        assert!(due, "{number} after {last}: {text}");
        last = last.max(number);
    }
}

// M3261-8.1.1.4-01 M3261-19.3-01
#[test]
fn no_two_calls_have_a_name_or_a_tag_in_common_and_nobody_guesses_either() {
    let mut hand = Hand::new(Config::default());
    let mut names = BTreeSet::new();
    for call in 0..200 {
        let sent = hand.command(Command::Invite {
            call: CallKey(call),
            target: "sip:box@example.com".to_owned(),
            from: "sip:us@example.net".to_owned(),
            to: "sip:box@example.com".to_owned(),
            route: None,
            places: places(),
            body: None,
            headers: Vec::new(),
        });
        let (_, tag) = field(&sent[0], "From").and_then(|from| from.split_once(";tag=")).expect("a tag");
        for name in [field(&sent[0], "Call-ID").expect("a name"), tag] {
            // 22 of 62 letters: 130 bits, where 32 are asked for.
            assert!(name.len() == 22 && name.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{name}");
            names.insert(name.to_owned());
        }
    }
    assert_eq!(names.len(), 400);
}

// M3261-7.3.1-02
#[test]
fn each_proof_of_an_account_stands_on_a_line_of_its_own() {
    let mut hand = with_account();
    let invite = call_out(&mut hand, places());
    let second = CHALLENGE.replace("example.com", "edge.example.com");
    let sent = hand.udp(&response(&invite, "407 Proxy Authentication Required", &[CHALLENGE, &second]));
    let proofs: Vec<_> = sent[1].split("\r\n").filter(|line| line.starts_with("Proxy-Authorization: ")).collect();
    assert_eq!(proofs.len(), 2, "{}", sent[1]);
    assert!(proofs.iter().all(|proof| proof.matches("realm=").count() == 1), "{proofs:?}");
}
