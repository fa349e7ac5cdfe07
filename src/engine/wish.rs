//! What is wished of deliveries.

use std::time::Duration;

use crate::queue::Tell;
use crate::spool::{Caller, Committed};

/// What is wished from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// An object is to be brought to somebody.
    Forward {
        /// The object.
        object: Committed,
        /// The recipient's SIP URI.
        to: String,
        /// Who calls.
        caller: Caller,
        /// How long it is tried.
        expires: Option<Duration>,
        /// Who is told of its end: a word for a [`Target`](crate::spool::Target).
        notify: Option<String>,
    },
    /// Something is to be done with this delivery.
    Tell(String, Tell),
    /// This recipient, or everybody at this host, is there just now.
    Present(String),
    /// Nobody keeps this object any more.
    Released(String),
}

/// How a delivery is to be made, beyond what is usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pub(super) caller: Caller,
    pub(super) after: Duration,
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<Duration>,
    pub(super) expires: Option<Duration>,
    pub(super) unreported: bool,
    pub(super) dialog: Option<String>,
    pub(super) told: Vec<(String, String)>,
    pub(super) notify: Option<String>,
}
