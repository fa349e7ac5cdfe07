//! How much waits for whom, and for what.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::api::Api;
use super::ask::Asked;
use super::deliveries::{ask, stopped};
use super::fault::Fault;
use crate::engine::Wish;
use crate::io::driver::Request;
use crate::queue::{AGES, Lane};

/// The queue at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Table {
    /// By host, those with the most first.
    items: Vec<Row>,
}

/// What waits for one host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Row {
    destination: String,
    /// Jobs.
    total: usize,
    /// By queue: `incoming`, `active`, `deferred`, `hold`.
    queues: BTreeMap<&'static str, usize>,
    /// By what they wait for.
    waits: BTreeMap<&'static str, usize>,
    ages: Vec<Age>,
    /// When the oldest was asked for (RFC 3339).
    #[schema(required)]
    oldest: Option<String>,
}

/// A column of the table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Age {
    /// Younger than so many minutes, and not in a column before; null for the oldest.
    #[schema(required)]
    minutes: Option<u64>,
    jobs: usize,
}

impl From<(String, Lane)> for Row {
    fn from((destination, lane): (String, Lane)) -> Self {
        let bounds = AGES.iter().copied().map(Some).chain([None]);
        let ages: Vec<Age> = bounds.zip(lane.ages).map(|(minutes, jobs)| Age { minutes, jobs }).collect();
        let total = lane.ages.iter().sum();
        let oldest = lane.oldest.map(crate::model::Wall::rfc3339);
        Self { destination, total, queues: lane.queues, waits: lane.waits, ages, oldest }
    }
}

/// How many jobs wait for which host, how old they are, and what they wait for.
#[utoipa::path(get, path = "/api/v1/queue", responses(
    (status = 200, description = "The queue", body = Table),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn table(State(api): State<Api>) -> Result<Json<Table>, Fault> {
    let (answer, queued) = oneshot::channel();
    let _ = api.requests.send(Request::Look(answer)).await; // a node that has stopped does not answer
    let mut items: Vec<Row> = queued.await.map_err(|_| stopped())?.into_iter().map(Row::from).collect();
    items.sort_by_key(|row| std::cmp::Reverse(row.total));
    Ok(Json(Table { items }))
}

/// Who is there.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Who {
    /// `sip:USER@HOST`, or `sip:HOST` for everybody there.
    who: String,
}

/// Says that somebody is there just now, because he has registered, say: what waits for him is tried at once.
#[utoipa::path(post, path = "/api/v1/queue/wake", params(Who), responses(
    (status = 204, description = "It is tried"),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn wake(State(api): State<Api>, Asked(asked): Asked<Who>) -> Result<StatusCode, Fault> {
    ask(&api, Wish::Present(asked.who)).await.map(|_| StatusCode::NO_CONTENT)
}
