//! What moves right now.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::api::Api;
use super::ask::Asked;
use super::fault::Fault;
use super::page::{Page, limit};
use crate::io::transfers::Moving;

/// Which transfers to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `next_cursor` of the page before.
    cursor: Option<u64>,
    /// How many at most, 1 to 1000; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Files that are moving, by MSRP and by HTTP, in the order in which they began.
#[utoipa::path(get, path = "/api/v1/transfers", params(Wanted), responses(
    (status = 200, description = "A page of transfers", body = Page<Moving>),
    (status = "4XX", description = "Why not", body = Fault),
))]
pub(super) async fn list(State(api): State<Api>, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Moving>>, Fault> {
    let limit = limit(wanted.limit)?;
    let moving = api.transfers.list(api.clock.now().instant, wanted.cursor.unwrap_or(0), limit + 1);
    Ok(Json(Page::new(moving, limit, |moving| moving.id().to_string())))
}
