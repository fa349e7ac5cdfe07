//! What the handlers work on.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::clock::Clock;
use crate::io::driver::Request;
use crate::io::transfers::Transfers;
use crate::model::limits::EVENT_READERS;
use crate::spool::{Committed, EventLog, Spool};

/// Clones share everything.
#[derive(Clone)]
pub(in crate::io) struct Api {
    pub(in crate::io) spool: Spool,
    pub(in crate::io) transfers: Transfers,
    pub(in crate::io) clock: Clock,
    /// The engine's ear.
    pub(in crate::io) requests: mpsc::Sender<Request>,
    pub(in crate::io) log: Arc<EventLog>,
    /// The cursor of its last event.
    pub(in crate::io) newest: watch::Receiver<u64>,
    /// Places for those who wait for events.
    pub(in crate::io) readers: Arc<Semaphore>,
    /// Octets of the largest file that is taken.
    pub(in crate::io) max_size: u64,
    /// Hears of every object.
    pub(in crate::io) committed: Option<mpsc::Sender<Committed>>,
    /// Files on their way in, and out.
    pub(in crate::io) uploads: TaskTracker,
    pub(in crate::io) downloads: TaskTracker,
    /// No new file is taken any more.
    pub(in crate::io) draining: CancellationToken,
    /// Nothing goes on.
    pub(in crate::io) stop: CancellationToken,
}

impl Api {
    /// With nothing under way.
    pub(in crate::io) fn new(
        spool: Spool,
        (log, newest): (Arc<EventLog>, watch::Receiver<u64>),
        (clock, requests): (Clock, mpsc::Sender<Request>),
        max_size: u64,
        committed: Option<mpsc::Sender<Committed>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            spool,
            transfers: Transfers::default(),
            clock,
            requests,
            log,
            newest,
            readers: Arc::new(Semaphore::new(EVENT_READERS)),
            max_size,
            committed,
            uploads: TaskTracker::new(),
            downloads: TaskTracker::new(),
            draining: CancellationToken::new(),
            stop,
        }
    }
}
