//! The objects' door: files come in and go out over HTTP, as durable as over MSRP.
//!
//! A 201 stands at the top of the ack ladder: it is sent when the file is committed. Octets pass through in pieces that
//! hyper bounds; a body is read no faster than the disk takes it. Every refusal has one shape, [`fault::Fault`].
//! What it does not do: it forwards nothing, and it knows nobody but who has the token.

mod ask;
mod content;
mod deposit;
pub(super) mod fault;
mod object;
mod page;
mod transfers;
pub(super) mod visitor;

use axum::routing::{MethodRouter, get};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;

use super::clock::Clock;
use super::transfers::Transfers;
use crate::spool::{Committed, Spool};

/// What the handlers work on. Clones share everything.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) spool: Spool,
    pub(super) transfers: Transfers,
    pub(super) clock: Clock,
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

/// Every path of this room and what answers there.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Api>)> {
    vec![
        ("/api/v1/objects", get(object::list).post(deposit::deposit)),
        ("/api/v1/objects/{id}", get(object::show)),
        ("/api/v1/objects/{id}/content", get(content::content)),
        ("/api/v1/transfers", get(transfers::list)),
    ]
}

/// What is said of them (OpenAPI 3.1).
#[derive(OpenApi)]
#[openapi(paths(object::list, deposit::deposit, object::show, content::content, transfers::list))]
pub(super) struct Document;
