//! The objects' door: files come in and go out over HTTP, as durable as over MSRP.
//!
//! A 201 stands at the top of the ack ladder: it is sent when the file is committed. Octets pass through in pieces that
//! hyper bounds; a body is read no faster than the disk takes it. Every refusal has one shape, [`fault::Fault`].
//! Events are read from their log at each reader's own pace: one that is slow holds nobody up.
//! What it does not do: it forwards nothing, and it knows nobody but who has the token.

mod ask;
mod content;
mod deposit;
mod events;
pub(super) mod fault;
mod object;
mod page;
mod transfers;
pub(super) mod visitor;

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;

use super::clock::Clock;
use super::transfers::Transfers;
use crate::model::limits::EVENT_READERS;
use crate::spool::{Committed, EventLog, Spool};

/// What the handlers work on. Clones share everything.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) spool: Spool,
    pub(super) transfers: Transfers,
    pub(super) clock: Clock,
    pub(super) log: Arc<EventLog>,
    /// The cursor of its last event.
    pub(super) newest: watch::Receiver<u64>,
    /// Places for those who wait for events.
    pub(super) readers: Arc<Semaphore>,
    /// Octets of the largest file that is taken.
    pub(super) max_size: u64,
    /// Hears of every object.
    pub(super) committed: Option<mpsc::Sender<Committed>>,
    /// Files on their way in, and out.
    pub(super) uploads: TaskTracker,
    pub(super) downloads: TaskTracker,
    /// No new file is taken any more.
    pub(super) draining: CancellationToken,
    /// Nothing goes on.
    pub(super) stop: CancellationToken,
}

impl Api {
    /// With nothing under way.
    pub(super) fn new(
        spool: Spool,
        (log, newest): (Arc<EventLog>, watch::Receiver<u64>),
        clock: Clock,
        max_size: u64,
        committed: Option<mpsc::Sender<Committed>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            spool,
            transfers: Transfers::default(),
            clock,
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

/// Every path of this room and what answers there.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Api>)> {
    vec![
        ("/api/v1/objects", get(object::list).post(deposit::deposit)),
        ("/api/v1/objects/{id}", get(object::show)),
        ("/api/v1/objects/{id}/content", get(content::content)),
        ("/api/v1/transfers", get(transfers::list)),
        ("/api/v1/events", get(events::events)),
    ]
}

/// What is said of them (OpenAPI 3.1).
#[derive(OpenApi)]
#[openapi(paths(object::list, deposit::deposit, object::show, content::content, transfers::list, events::events))]
pub(super) struct Document;
