//! What the handlers work on.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::clock::Clock;
use crate::io::transfers::Transfers;
use crate::spool::{Committed, Spool};

/// Clones share everything.
#[derive(Clone)]
pub(in crate::io) struct Api {
    pub(in crate::io) spool: Spool,
    pub(in crate::io) transfers: Transfers,
    pub(in crate::io) clock: Clock,
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
