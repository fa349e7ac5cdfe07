//! What is known of boxes that somebody watches (RFC 3842): who, and what they were told last.

use std::collections::{BTreeMap, HashMap};

use crate::model::Instant;
use crate::sip::SubscriptionKey;
use crate::spool::BoxSummary;

/// Names a box that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WatchKey(pub(super) u64);

/// Boxes that somebody watches, and who.
#[derive(Debug, Default)]
pub(super) struct Watching {
    pub(super) boxes: HashMap<WatchKey, Watched>,
    pub(super) by_name: HashMap<String, WatchKey>,
    pub(super) subscribers: HashMap<SubscriptionKey, WatchKey>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) mailbox: String,
    pub(super) subscribers: BTreeMap<SubscriptionKey, Subscriber>,
    /// What the last count has come to.
    pub(super) last: Option<BoxSummary>,
    /// When it was asked for.
    pub(super) since: Option<Instant>,
    /// The spool counts.
    pub(super) counting: bool,
    /// And has to count again.
    pub(super) stale: bool,
}

/// Somebody who is told of a box.
#[derive(Debug)]
pub(super) struct Subscriber {
    /// By which name the box was subscribed to.
    pub(super) account: String,
    /// The user part of that name: later requests of the subscription go to our Contact.
    pub(super) user: String,
    /// A SUBSCRIBE waits for our answer.
    pub(super) owed: bool,
}
