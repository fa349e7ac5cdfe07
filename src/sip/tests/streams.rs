//! TCP: framing in every split, keep-alives, and streams that lose their frame.

use bytes::Bytes;
use proptest::prelude::*;

use super::hand::{Hand, fresh, kinds, tcp};
use crate::model::limits::{SIP_FLOWS, SIP_HEAD_OCTETS, SIP_MESSAGE_OCTETS};
use crate::sip::stream::{Frame, Stream};
use crate::sip::{Config, Event, Flow, FlowId, Input, SipError};

/// The frames of these pieces.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    let (mut stream, mut frames) = (Stream::default(), Vec::new());
    for piece in pieces {
        stream.push(piece);
        while let Some(frame) = stream.next() {
            frames.push(frame);
        }
    }
    frames
}

proptest! {
    #[test]
    fn every_split_of_a_stream_gives_the_same_frames(
        kinds in prop::collection::vec(0usize..5, 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let pieces: Vec<String> = kinds
            .iter()
            .map(|kind| match kind {
                0 => fresh("INFO", 1, &["Content-Type: text/plain"], "a\r\n\r\nSIP/2.0 b"),
                1 => fresh("OPTIONS", 2, &[], ""),
                2 => "\r\n\r\n".to_owned(),
                3 => "\r\n".to_owned(),
                _ => "OPTIONS x SIP/2.0\r\nNo-Length: here\r\n\r\n".to_owned(),
            })
            .collect();
        let whole = pieces.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let split = cuts.windows(2).map(|pair| &whole[pair[0]..pair[1]]);
        prop_assert_eq!(frames(split), frames([&whole[..]]));
    }
}

#[test]
fn messages_in_one_piece_are_all_found_and_a_ping_is_answered() {
    // M3261-7.5-01, M3261-18.3-02
    let mut hand = Hand::new(Config::default());
    let two = format!("\r\n{}\r\n{}\r\n\r\n", fresh("BYE", 1, &[], ""), fresh("BYE", 2, &[], ""));
    let sent = hand.tcp(&two);
    assert_eq!(kinds(&sent[..2]), ["481", "481"]);
    assert_eq!(sent[2..], ["\r\n"]);
    assert!(!hand.closed);
}

#[test]
fn a_stream_without_a_sound_length_gets_400_and_is_closed() {
    // M3261-18.3-02, M4475-3.1.2.3-01, M4475-3.3.9-01
    let good = fresh("OPTIONS", 1, &[], "");
    let table = [
        (good.replace("Content-Length: 0\r\n", ""), "Missing Content-Length Header"),
        (good.replace("Content-Length: 0", "Content-Length: -1"), "Malformed Content-Length Header"),
        (good.replace("Content-Length: 0", "Content-Length: 0\r\nl: 0"), "Repeated Content-Length Header"),
    ];
    for (text, reason) in table {
        let mut hand = Hand::new(Config::default());
        let sent = hand.tcp(&text);
        assert!(sent[0].starts_with(&format!("SIP/2.0 400 {reason}\r\n")), "{sent:?}");
        assert!(hand.closed, "{reason}");
        assert!(hand.tcp(&good).is_empty(), "nothing after it is read: {reason}");
        // A new connection with the owner's new number begins afresh.
        hand.input(Input::FlowClosed(tcp()));
        hand.tcp(&good);
        assert!(matches!(hand.events.pop(), Some(Event::Options { .. })), "{reason}");
    }
}

#[test]
fn a_body_that_never_ends_is_waited_for_and_an_endless_head_is_not() {
    // M4475-3.1.2.2-01: over TCP the rest may still come.
    let mut hand = Hand::new(Config::default());
    assert!(hand.tcp(&fresh("OPTIONS", 1, &[], "").replace("Content-Length: 0", "Content-Length: 9999")).is_empty());
    assert!(!hand.closed);
    let long = vec![b'x'; SIP_HEAD_OCTETS + 1];
    let broken = |frame: Option<&Frame>| matches!(frame, Some(Frame::Broken { error: SipError::TooLarge, .. }));
    assert!(broken(frames([&long[..]]).last()));
    let huge = format!("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: {}\r\n\r\n", usize::MAX);
    assert!(broken(frames([huge.as_bytes()]).last()));
    let large = format!("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: {SIP_MESSAGE_OCTETS}\r\n\r\n");
    assert!(broken(frames([large.as_bytes()]).last()));
}

#[test]
fn a_connection_past_the_limit_is_closed_and_one_that_goes_makes_room() {
    let mut hand = Hand::new(Config::default());
    let open = |hand: &mut Hand, id| {
        let flow = Flow { id: FlowId(id), ..tcp() };
        hand.input(Input::Octets { flow, octets: Bytes::from_static(b"x") });
        std::mem::take(&mut hand.closed)
    };
    let limit = SIP_FLOWS as u64;
    assert!((0..limit).all(|id| !open(&mut hand, id)));
    assert!(open(&mut hand, limit));
    hand.input(Input::FlowClosed(Flow { id: FlowId(7), ..tcp() }));
    assert!(!open(&mut hand, limit + 1));
}

#[test]
fn octets_that_are_no_sip_close_the_stream_without_an_answer() {
    let mut hand = Hand::new(Config::default());
    assert!(hand.tcp("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").is_empty());
    assert!(hand.closed);
}
