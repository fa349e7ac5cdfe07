//! What a request asks of the spool, and what waits for the answer.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::model::ObjectUri;

use super::document::Command;
use super::fault::Position;
use super::keys::ContextId;
use super::reply::{Style, Verdict};

/// A command for the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `<ft:list>`: what is in a box.
    List {
        /// The box.
        mailbox: String,
        /// Only those of which this has become, by its word; without it those that are there.
        state: Option<String>,
        /// How many at most.
        most: usize,
    },
    /// `<ft:delete>`: an object goes.
    Delete(ObjectUri),
    /// `<ft:mark>`: its reader has got so far, by its word.
    Mark(ObjectUri, String),
}

/// What is in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The box.
    pub mailbox: String,
    /// Its objects, the oldest first.
    pub objects: Vec<Listed>,
}

/// One object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the spool.
    pub uri: ObjectUri,
    /// The file's own.
    pub name: Option<String>,
    /// Its MIME type.
    pub media_type: Option<String>,
    /// Its octets.
    pub size: u64,
    /// When it was committed.
    pub stored: String,
    /// Who brought it.
    pub from: Option<String>,
}

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
    pub(super) verdict: Verdict,
    /// Requests of the same context, which are executed after this one.
    pub(super) next: VecDeque<(u64, Style, Bytes)>,
}
