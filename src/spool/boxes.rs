//! What may be done with the objects of boxes, as the spool's callers see it.

use crate::model::{Now, ObjectUri};

use super::copying;
use super::error::SpoolError;
use super::fates::{self, Change};
use super::layout::Id;
use super::news::BoxEvent;
use super::receipt::Committed;
use super::retention::{self, Due};
use super::standing::{Deed, Standing};
use super::store::Spool;
use super::summary::{self, BoxSummary};
use super::usage::OverQuota;

impl Spool {
    /// Changes an object; `by` is written down beside the time. Returns what has become of it.
    ///
    /// # Errors
    /// [`SpoolError::Gone`] if it is at its end; [`SpoolError::Held`] if somebody holds it; [`SpoolError::Exists`] and
    /// [`SpoolError::Quota`] if it can't come back; or the change could not be made durable.
    pub fn change(&self, object: &Committed, change: Change, by: &str, now: Now) -> Result<Standing, SpoolError> {
        fates::change(self.shared(), object, change, by, now)
    }

    /// Makes another object of the same octets, which are not written again where the disk can have it so. If `to` is a box,
    /// the copy gets a name of its own there.
    ///
    /// # Errors
    /// [`SpoolError::Gone`] if it is not there, or on its way out; [`SpoolError::Held`] if an operator keeps it;
    /// [`SpoolError::Exists`]; [`SpoolError::Quota`]; or the copy could not be made durable.
    pub fn copy(&self, object: &Committed, to: &ObjectUri, by: &str, now: Now) -> Result<Committed, SpoolError> {
        copying::copy(self.shared(), object, to, by, now)
    }

    /// Deletes an object. For as long as the class of its box says it can be brought back.
    ///
    /// # Errors
    /// As [`Spool::change`].
    pub fn delete(&self, object: &Committed, by: &str, now: Now) -> Result<(), SpoolError> {
        self.change(object, Change::Delete, by, now).map(drop)
    }

    /// What has become of an object, also of one that is on its way out.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn standing(&self, object: &Committed) -> Result<Standing, SpoolError> {
        let id = &object.envelope().id;
        fates::standing(self.shared(), Id::parse(id).ok_or_else(|| SpoolError::Gone { id: id.clone() })?)
    }

    /// The object of this name, to be delivered.
    ///
    /// # Errors
    /// [`SpoolError::Held`] if an operator keeps it; and as [`Spool::find`].
    pub fn call_for(&self, uri: &ObjectUri) -> Result<Option<Committed>, SpoolError> {
        let Some(object) = self.find(uri)? else { return Ok(None) };
        self.may_leave(&object).map(|()| Some(object))
    }

    /// As [`Spool::call_for`], by its id.
    ///
    /// # Errors
    /// The same.
    pub fn forwarded(&self, id: &str) -> Result<Option<Committed>, SpoolError> {
        let Some(object) = self.find_id(id)? else { return Ok(None) };
        self.may_leave(&object).map(|()| Some(object))
    }

    /// Whether an object may be delivered.
    ///
    /// # Errors
    /// [`SpoolError::Held`] if an operator keeps it; [`SpoolError::Gone`] if it is on its way out.
    pub fn may_leave(&self, object: &Committed) -> Result<(), SpoolError> {
        let (standing, id) = (self.standing(object)?, object.envelope().id.clone());
        match standing.held {
            _ if !standing.is_listed() => Err(SpoolError::Gone { id }),
            Some(Deed { by, .. }) => Err(SpoolError::Held { id, by }),
            None => Ok(()),
        }
    }

    /// Whether a file of so many octets could be taken into one of these boxes, as full as they are. Only a stage keeps
    /// room; this tells early who would be refused later.
    ///
    /// # Errors
    /// None of them could take it.
    pub fn has_room(&self, mailboxes: &[String], octets: u64) -> Result<(), OverQuota> {
        let mut full = Ok(());
        for mailbox in mailboxes {
            full = self.shared().usage.could_take(mailbox, octets);
            if full.is_ok() {
                break;
            }
        }
        full
    }

    /// What has happened in boxes by itself since this was asked last.
    pub fn news(&self) -> Vec<BoxEvent> {
        self.shared().usage.news()
    }

    /// What waits in a box.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn summary(&self, mailbox: &str) -> Result<BoxSummary, SpoolError> {
        summary::summary(self.shared(), mailbox)
    }

    /// Rings, on whatever thread it is, when a watched box has changed. There is one bell.
    pub fn hang_bell(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.shared().stir.hang(Box::new(bell));
    }

    /// From now on it is remembered when this box changes, or no longer.
    pub fn watch(&self, mailbox: &str, watched: bool) {
        match watched {
            true => self.shared().stir.watch(mailbox),
            false => self.shared().stir.leave(mailbox),
        }
    }

    /// Watched boxes that have changed since this was asked last.
    pub fn stirred(&self) -> Vec<String> {
        self.shared().stir.take()
    }

    /// What the next sweep would take, if the clock is right. Changes nothing.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn due(&self, now: Now) -> Result<Vec<Due>, SpoolError> {
        retention::due(self.shared(), now.wall)
    }
}
