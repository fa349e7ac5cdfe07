//! The first octet chooses the cuts, the rest is one WebSocket message (RFC 7977 §5.1).

use bytes::Bytes;
use restante::msrp::{DecodeError, Decoder, Event, FrameCutter, NotOneFrame, check_frame};

use crate::pieces::pieces;

/// What a peer says next; it must be understood whatever came before.
const NEXT: &[u8] =
    b"MSRP next0001 200 OK\r\nTo-Path: msrp://b:2/y;tcp\r\nFrom-Path: msrp://a.invalid:1/x;ws\r\n-------next0001$\r\n";

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, message)) = data.split_first() else { return };
    match check_frame(message) {
        Ok(()) => {
            one_frame_for_the_decoder(message);
            cut_where_it_ends(message, choice);
        }
        Err(NotOneFrame::NoMsrp | NotOneFrame::Half) => nothing_is_cut_off(message, choice),
        Err(NotOneFrame::More) => {}
    }
}

/// What passes the check is one frame, and the decoder is ready for the next.
fn one_frame_for_the_decoder(message: &[u8]) {
    let mut decoder = Decoder::new();
    decoder.push(Bytes::copy_from_slice(message));
    let mut ended = 0;
    loop {
        match decoder.poll() {
            Ok(Some(Event::End(_) | Event::Response(_) | Event::Malformed(_))) => ended += 1,
            Ok(Some(Event::Request(_) | Event::Body(_))) => {}
            Ok(None) => break,
            Err(DecodeError::HeadTooLong) => return,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(ended, 1, "one frame");
    decoder.push(Bytes::from_static(NEXT));
    assert!(matches!(decoder.poll(), Ok(Some(Event::Response(head))) if head.tid == "next0001"), "then the next");
}

fn cut_where_it_ends(message: &[u8], choice: u8) {
    let stream = [message, NEXT].concat();
    let mut cutter = FrameCutter::default();
    let mut frames = Vec::new();
    for piece in pieces(&stream, choice) {
        cutter.push(piece);
        frames.extend(std::iter::from_fn(|| cutter.next()));
    }
    assert_eq!(frames, [message, NEXT]);
    assert_eq!(cutter.pending(), 0);
}

fn nothing_is_cut_off(message: &[u8], choice: u8) {
    let mut cutter = FrameCutter::default();
    for piece in pieces(message, choice) {
        cutter.push(piece);
        assert_eq!(cutter.next(), None);
    }
    assert_eq!(cutter.pending(), message.len());
}
