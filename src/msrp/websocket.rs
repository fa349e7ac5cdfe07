//! One chunk a WebSocket message, in both directions (RFC 7977 §5.1): the check of what comes, the cutting of what goes.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use crate::model::limits::MSRP_HEAD_OCTETS;

use super::frame::{Flag, is_ident};

/// Why a WebSocket message is not one chunk, request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOneFrame {
    /// It does not begin with an MSRP start line.
    #[error("the peer's WebSocket message is no MSRP")]
    NoMsrp,
    /// Its end-line is not there: half a chunk.
    #[error("the peer's WebSocket message holds half a chunk")]
    Half,
    /// Something follows the end-line: a second chunk.
    #[error("the peer's WebSocket message holds more than one chunk")]
    More,
}

/// Whether a WebSocket message holds exactly one frame, as the decoder sees it.
///
/// # Errors
/// [`NotOneFrame`]: RFC 7977 §5.1 lets neither two chunks nor a part of one be in a message.
pub fn check_frame(message: &[u8]) -> Result<(), NotOneFrame> {
    let tid = transaction_id(message).ok_or(NotOneFrame::NoMsrp)?;
    match frame_end(&mark(tid), message, 0) {
        Some(end) if end == message.len() => Ok(()),
        Some(_) => Err(NotOneFrame::More),
        None => Err(NotOneFrame::Half),
    }
}

/// Cuts our own octet stream into frames, however the octets come.
///
/// Ours alone: it relies on every frame being well-formed and on no body holding its end-line, which the sender sees to.
#[derive(Debug, Default)]
pub struct FrameCutter {
    pending: BytesMut,
    /// CRLF, seven hyphens and the transaction id of the frame that is pending, once its start line is whole.
    mark: Vec<u8>,
    /// So many octets of it hold no end-line.
    searched: usize,
}

impl FrameCutter {
    /// Adds octets; [`FrameCutter::next`] gives the frames that are whole now.
    pub fn push(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
    }

    /// The next whole frame.
    #[expect(clippy::should_implement_trait, reason = "there may be more after a `None`")]
    pub fn next(&mut self) -> Option<Bytes> {
        if self.mark.is_empty() {
            self.mark = mark(transaction_id(&self.pending)?);
        }
        let Some(end) = frame_end(&self.mark, &self.pending, self.searched) else {
            // An end-line may have begun in the last octets.
            self.searched = self.pending.len().saturating_sub(self.mark.len() + AFTER_MARK);
            return None;
        };
        self.mark.clear();
        self.searched = 0;
        Some(self.pending.split_to(end).freeze())
    }

    /// Octets of a frame that is not whole yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

/// Flag and CRLF.
const AFTER_MARK: usize = 3;

/// What ends the frame of this transaction, without its flag. In a head and after a body it stands at a line's start.
fn mark(tid: &[u8]) -> Vec<u8> {
    [b"\r\n-------", tid].concat()
}

/// The transaction id of a frame's start line.
fn transaction_id(frame: &[u8]) -> Option<&[u8]> {
    let line = &frame[..frame.len().min(MSRP_HEAD_OCTETS)];
    let line = &line[..memmem::find(line, b"\r\n")?];
    let rest = line.strip_prefix(b"MSRP ")?;
    let tid = &rest[..memchr::memchr(b' ', rest)?];
    is_ident(tid).then_some(tid)
}

/// Where the first frame of `octets` ends; nothing before `from` ends it.
fn frame_end(mark: &[u8], octets: &[u8], from: usize) -> Option<usize> {
    let finder = memmem::Finder::new(mark);
    finder.find_iter(&octets[from..]).find_map(|found| {
        let after = from + found + mark.len();
        match octets.get(after..after + AFTER_MARK)? {
            // RFC 4975 §9: without a flag and CRLF behind it, it is data (P4).
            [flag, b'\r', b'\n'] => Flag::from_octet(*flag).map(|_| after + AFTER_MARK),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn response(tid: &str) -> String {
        format!(
            "MSRP {tid} 200 OK\r\nTo-Path: msrp://a.invalid:1/x;ws\r\nFrom-Path: msrp://b:2/y;tcp\r\n-------{tid}$\r\n"
        )
    }

    fn chunk(tid: &str, body: &str) -> String {
        let paths = "To-Path: msrp://b:2/y;tcp\r\nFrom-Path: msrp://a.invalid:1/x;ws";
        format!("MSRP {tid} SEND\r\n{paths}\r\nMessage-ID: m1\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------{tid}+\r\n")
    }

    // M7977-5.1-03 M7977-5.1-04 M7977-4.1-04
    #[test]
    fn a_message_holds_one_chunk_and_neither_two_nor_a_half() {
        let one = chunk("abcd1", "x");
        assert_eq!(check_frame(one.as_bytes()), Ok(()));
        assert_eq!(check_frame(response("abcd1").as_bytes()), Ok(()));
        for length in 0..one.len() {
            let why = if length < one.find("\r\n").expect("a start line") + 2 {
                NotOneFrame::NoMsrp
            } else {
                NotOneFrame::Half
            };
            assert_eq!(check_frame(&one.as_bytes()[..length]), Err(why), "{length}");
        }
        for more in ["\r\n", "x", &response("abcd1"), &one] {
            assert_eq!(check_frame(format!("{one}{more}").as_bytes()), Err(NotOneFrame::More), "{more}");
        }
        for no in ["", "\r\n", "hello", "MSRP a b\r\n", "GET / HTTP/1.1\r\n\r\n", "msrp abcd SEND\r\n"] {
            assert_eq!(check_frame(no.as_bytes()), Err(NotOneFrame::NoMsrp), "{no}");
        }
    }

    #[test]
    fn what_only_looks_like_the_end_line_is_data() {
        for body in ["\r\n-------abcd1", "x-------abcd1+\r\n", "\r\n-------abcd2+\r\n", "\r\n-------abcd1-\r\n"] {
            assert_eq!(check_frame(chunk("abcd1", body).as_bytes()), Ok(()), "{body:?}");
        }
        let twice = chunk("abcd1", "\r\n-------abcd1+\r\n");
        assert_eq!(check_frame(twice.as_bytes()), Err(NotOneFrame::More));
    }

    proptest! {
        // M7977-5.1-03
        #[test]
        fn however_the_octets_come_the_same_frames_leave(
            frames in prop::collection::vec(prop_oneof![
                Just(response("abcd1")),
                "[ -~\r\n-]{0,300}".prop_map(|body| chunk("zz99", &body.replace("-------zz99", ""))),
                Just(chunk("abcd2", "\r\n-------abcd1$\r\n")),
            ], 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let stream = frames.concat().into_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let (mut cutter, mut left) = (FrameCutter::default(), Vec::new());
            for pair in at.windows(2) {
                cutter.push(&stream[pair[0]..pair[1]]);
                left.extend(std::iter::from_fn(|| cutter.next()));
            }
            prop_assert_eq!(left, frames);
            prop_assert_eq!(cutter.pending(), 0);
        }
    }
}
