//! What the handlers work on.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::io::clock::Clock;
use crate::io::driver::Request;
use crate::io::notices::Ear;
use crate::io::transfers::Transfers;
use crate::model::limits::EVENT_READERS;
use crate::spool::{Committed, EventLog, NoticeLog, Spool};

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
    /// What others are to be told.
    pub(in crate::io) notices: Arc<NoticeLog>,
    /// Who may be told, and what an operator wants of notices.
    pub(in crate::io) ear: Ear,
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
        (notices, ear): (Arc<NoticeLog>, Ear),
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
            notices,
            ear,
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

#[cfg(test)]
impl Api {
    /// Of a spool in this directory, beside no engine.
    pub(in crate::io) fn idle(dir: &std::path::Path) -> Self {
        use crate::io::files::HostFiles;
        use crate::model::Mint;
        use crate::spool::{Index, Keep, Keys};
        let (clock, files) = (Clock::start(), HostFiles::new(dir).expect("a directory"));
        let (spool, _) = Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), clock.now())
            .expect("a spool");
        let keep = Keep { time: std::time::Duration::MAX, octets: u64::MAX };
        let log = EventLog::open(&files, dir, keep, &Keys::none(), Mint::from_number(2), clock.now());
        let outbox = NoticeLog::open(&files, dir, &Keys::none(), Mint::from_number(3), clock.now()).expect("an outbox");
        let (events, notices) = ((Arc::new(log), watch::channel(0).1), (Arc::new(outbox), Ear::deaf()));
        Self::new(spool, events, notices, (clock, mpsc::channel(1).0), 1, None, CancellationToken::new())
    }
}
