//! One TCP connection's octets cut into messages (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::{Buf as _, Bytes, BytesMut};

use super::check;
use super::error::SipError;
use super::normalise::{head, head_end};
use crate::model::limits::{SIP_HEAD_OCTETS, SIP_MESSAGE_OCTETS};

/// What a stream yields next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, not parsed yet.
    Message(Bytes),
    /// Two CRLFs where a message could begin: owed is one CRLF (RFC 5626 §3.5.1).
    Ping,
    /// The stream can't be framed any more; the octets are the head to answer, if any.
    Broken {
        /// Why.
        error: SipError,
        /// The head that caused it.
        head: Bytes,
    },
}

/// The unread octets of one connection; never more than one message and one piece.
#[derive(Debug, Default)]
pub struct Stream {
    unread: BytesMut,
    scanned: usize,
    /// Where the message that waits for its body will end.
    awaited: Option<usize>,
    breaks: u8,
    broken: bool,
}

impl Stream {
    /// Takes the next piece. The owner then calls [`Stream::next`] until it has nothing left.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.broken {
            self.unread.extend_from_slice(octets);
        }
    }

    /// The next frame, if it is complete.
    #[allow(clippy::should_implement_trait, reason = "more may come after None")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        while self.awaited.is_none() && self.unread.starts_with(b"\r\n") {
            self.unread.advance(2);
            self.breaks += 1;
            if self.breaks == 2 {
                self.breaks = 0;
                return Some(Frame::Ping);
            }
        }
        if self.unread.is_empty() || (self.unread.len() == 1 && self.unread[0] == b'\r') {
            return None;
        }
        let Some(whole) = self.awaited else { return self.read_head() };
        self.take(whole)
    }

    fn read_head(&mut self) -> Option<Frame> {
        let Some((end, start)) = head_end(&self.unread, self.scanned) else {
            self.scanned = self.unread.len();
            return (self.scanned > SIP_HEAD_OCTETS).then(|| self.break_off(SipError::TooLarge, 0));
        };
        match self.length(end).map(|length| start.saturating_add(length)) {
            Ok(whole) if whole > SIP_MESSAGE_OCTETS => Some(self.break_off(SipError::TooLarge, end)),
            Ok(whole) => self.take(whole),
            Err(error) => Some(self.break_off(error, end)),
        }
    }

    fn take(&mut self, whole: usize) -> Option<Frame> {
        if self.unread.len() < whole {
            self.awaited = Some(whole);
            return None;
        }
        (self.scanned, self.breaks, self.awaited) = (0, 0, None);
        Some(Frame::Message(self.unread.split_to(whole).freeze()))
    }

    fn length(&self, end: usize) -> Result<usize, SipError> {
        let head = head(&self.unread[..end])?;
        // RFC 3261 §18.3: without Content-Length nobody knows where the next message begins.
        check::length(&head.headers)?.ok_or(SipError::HeaderMissing { name: "Content-Length" })
    }

    fn break_off(&mut self, error: SipError, end: usize) -> Frame {
        self.broken = true;
        let head = self.unread.split_to(end).freeze();
        self.unread = BytesMut::new();
        Frame::Broken { error, head }
    }
}
