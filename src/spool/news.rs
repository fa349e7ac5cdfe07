//! What happens in boxes by itself, for whoever wants to be told: kept until it is asked for, and no longer than there is room.

use std::collections::VecDeque;

use crate::model::limits::BOX_EVENTS;
use crate::model::{ObjectUri, Quota, Wall};

/// What a box holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxUsage {
    /// The box.
    pub mailbox: String,
    /// Objects that a listing shows.
    pub objects: u64,
    /// Octets of their files.
    pub octets: u64,
    /// What it may hold.
    pub quota: Quota,
}

/// Something that has happened in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoxEvent {
    /// It has reached the share of its quota at which somebody is warned.
    NearlyFull(BoxUsage),
    /// The time of an object is over.
    Expired {
        /// Its id.
        id: String,
        /// Its name.
        uri: ObjectUri,
        /// Octets of its file.
        octets: u64,
        /// By which rule, or on whose word.
        why: String,
        /// When.
        at: Wall,
    },
}

/// What nobody has been told yet.
#[derive(Default)]
pub(super) struct News(VecDeque<BoxEvent>);

impl News {
    /// The oldest makes place: each is in the log of the process, too.
    pub(super) fn add(&mut self, event: BoxEvent) {
        if self.0.len() == BOX_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(super) fn take(&mut self) -> Vec<BoxEvent> {
        std::mem::take(&mut self.0).into()
    }
}
