//! The objects' door: files come in and go out over HTTP, as durable as over MSRP.
//!
//! A 201 stands at the top of the ack ladder: it is sent when the file is committed. Octets pass through in pieces that
//! hyper bounds; a body is read no faster than the disk takes it. Every refusal has one shape, [`fault::Fault`].
//! Events are read from their log at each reader's own pace: one that is slow holds nobody up.
//! What it does not do: it knows nobody but who has the token.

mod api;
mod ask;
mod change;
mod content;
mod deliveries;
mod deposit;
mod events;
mod fates;
pub(super) mod fault;
mod notices;
mod object;
mod page;
mod queue;
pub(super) mod shape;
mod transfers;
pub(super) mod visitor;

use axum::routing::{MethodRouter, get, post};
use utoipa::OpenApi;

pub(super) use self::api::Api;

/// Every path of this room and what answers there.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Api>)> {
    vec![
        ("/api/v1/objects", get(object::list).post(deposit::deposit)),
        ("/api/v1/objects/{id}", get(object::show).delete(change::delete)),
        ("/api/v1/objects/{id}/hold", post(change::hold)),
        ("/api/v1/objects/{id}/release", post(change::release)),
        ("/api/v1/objects/{id}/mark", post(fates::mark)),
        ("/api/v1/objects/{id}/undelete", post(fates::undelete)),
        ("/api/v1/objects/{id}/expire", post(fates::expire)),
        ("/api/v1/objects/{id}/copy", post(fates::copy)),
        ("/api/v1/due", get(fates::due).post(fates::sweep)),
        ("/api/v1/objects/{id}/content", get(content::content)),
        ("/api/v1/transfers", get(transfers::list)),
        ("/api/v1/events", get(events::events)),
        ("/api/v1/deliveries", get(deliveries::list).post(deliveries::forward)),
        ("/api/v1/deliveries/{id}/retry", post(deliveries::retry)),
        ("/api/v1/deliveries/{id}/cancel", post(deliveries::cancel)),
        ("/api/v1/notices", get(notices::list)),
        ("/api/v1/notices/{id}/retry", post(notices::retry)),
        ("/api/v1/notices/{id}/drop", post(notices::drop_one)),
        ("/api/v1/queue", get(queue::table)),
        ("/api/v1/queue/wake", post(queue::wake)),
    ]
}

/// What is said of them (OpenAPI 3.1).
#[derive(OpenApi)]
#[openapi(paths(
    object::list,
    deposit::deposit,
    object::show,
    change::delete,
    change::hold,
    change::release,
    fates::mark,
    fates::undelete,
    fates::expire,
    fates::copy,
    fates::due,
    fates::sweep,
    content::content,
    transfers::list,
    events::events,
    deliveries::list,
    deliveries::forward,
    deliveries::retry,
    deliveries::cancel,
    notices::list,
    notices::retry,
    notices::drop_one,
    queue::table,
    queue::wake
))]
pub(super) struct Document;
