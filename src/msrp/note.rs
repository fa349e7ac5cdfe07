//! A message that goes against the direction of its session: a notification is heard, anything else is not allowed.

use crate::model::ByteRange;
use crate::model::limits::CPIM_HEAD_OCTETS;

use super::cpim::{is_cpim, open};
use super::frame::{Flag, RequestHead, StatusCode};
use super::port::SessionKey;
use super::session::{Outcome, Sessions, is_imdn};
use super::wire::{Ask, Subject, Wire};

/// One chunk of it, while it is decoded. Nothing of it is kept: what became of a message of ours is news for the log, and
/// a peer that may not send files must not fill the spool with what it calls a notification.
#[derive(Debug)]
pub(super) struct Note {
    session: SessionKey,
    ask: Ask,
    subject: Subject,
    success_report: bool,
    content_type: String,
    /// Where in the message the chunk begins, from zero on.
    offset: u64,
    /// Its octets.
    octets: u64,
    /// The first of them.
    head: Vec<u8>,
}

impl Note {
    pub(super) fn new(
        session: SessionKey,
        ask: Ask,
        head: &RequestHead,
        content_type: String,
        message_id: String,
    ) -> Self {
        let (to_path, from_path) = (head.to_path.clone(), head.from_path.clone());
        Self {
            session,
            ask,
            subject: Subject { to_path, from_path, message_id },
            success_report: head.success_report,
            content_type,
            offset: head.offset(),
            octets: 0,
            head: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        let room = CPIM_HEAD_OCTETS - self.head.len();
        self.head.extend_from_slice(&octets[..octets.len().min(room)]);
    }

    /// The chunk is over: 200 for a notification, and 403 for what is none (RFC 4975 §8.9, pitfall P25).
    pub(super) fn close(self, flag: Flag, sessions: &mut Sessions, wire: &mut Wire) {
        let Err(status) = self.is_notification() else { return self.noted(flag, sessions, wire) };
        tracing::warn!(message_id = %self.subject.message_id, content_type = %self.content_type, ?status,
            "a message against the direction of its session, and no notification: refused");
        wire.answer(&self.ask, status);
        if let Some(session) = sessions.get_mut(self.session) {
            session.remember(self.subject.message_id, Outcome::Refused(status));
        }
    }

    fn noted(self, flag: Flag, sessions: &mut Sessions, wire: &mut Wire) {
        let message_id = self.subject.message_id.clone();
        tracing::info!(%message_id, octets = self.octets, "the peer notifies: heard and not kept");
        wire.answer(&self.ask, StatusCode::OK);
        let whole = self.offset == 0 && flag == Flag::Complete;
        let outcome = if whole { Outcome::Committed { total: self.octets } } else { Outcome::Noted };
        if whole && self.success_report {
            let all = ByteRange { start: 1, end: Some(self.octets), total: Some(self.octets) };
            wire.report(&self.subject, all, StatusCode::OK);
        }
        if let Some(session) = sessions.get_mut(self.session) {
            session.remember(message_id, outcome);
        }
    }

    /// # Errors
    /// What to answer if it is none.
    fn is_notification(&self) -> Result<(), StatusCode> {
        if is_imdn(&self.content_type) {
            return Ok(());
        }
        if self.offset > 0 || !is_cpim(&self.content_type) {
            return Err(StatusCode::FORBIDDEN);
        }
        match open(&self.head) {
            Ok(Some(content)) if is_imdn(&content.media_type) => Ok(()),
            Ok(_) => Err(StatusCode::FORBIDDEN),
            Err(error) => Err(error.status()),
        }
    }
}
