//! Requests that wait: for the spool, and behind one that does.

use std::collections::VecDeque;

use bytes::Bytes;

use super::document::Command;
use super::fault::Position;
use super::keys::ContextId;
use super::reply::{Style, Verdict};

/// Whom a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) context: ContextId,
    pub(super) style: Style,
    /// It came in an INVITE (RFC 5707 §9.4).
    pub(super) invited: bool,
}

/// A request of which a command is with the spool.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) request: u64,
    pub(super) asker: Asker,
    /// What is still to be executed.
    pub(super) commands: VecDeque<Command>,
    /// Where the command stands that is with the spool, and its mark.
    pub(super) at: (Position, Option<String>),
    /// The job that it wants to follow.
    pub(super) follows: Option<String>,
    pub(super) verdict: Verdict,
    /// Requests of the same context, which are executed after this one.
    pub(super) next: VecDeque<(u64, Style, Bytes)>,
}
