//! Jobs that bring an object to somebody: what there is, what it waits for, and what an operator wants of it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::api::Api;
use super::ask::{Asked, Named};
use super::fault::Fault;
use super::page::{Page, limit};
use super::shape::{Job, JobState, Mode};
use crate::engine::Wish;
use crate::io::driver::Request;
use crate::io::stream::on_disk;
use crate::notices::NoTarget;
use crate::queue::{Name, Refusal, Tell, Unwritten, Wait};
use crate::spool::{Caller, Committed};

/// Which jobs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those of this object.
    object: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<JobState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Jobs in the order of the age of their objects. Of an object the last 64 are known.
#[utoipa::path(get, path = "/api/v1/deliveries", params(Wanted), responses(
    (status = 200, description = "A page of jobs", body = Page<Job>),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn list(State(api): State<Api>, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Job>>, Fault> {
    let limit = limit(wanted.limit)?;
    let (from, after) = wanted.cursor.as_deref().and_then(|cursor| cursor.split_once('.')).unwrap_or_default();
    let (mut jobs, mut next) = (Vec::new(), Some(from.to_owned()));
    while let Some(cursor) = next.take().filter(|_| jobs.len() <= limit) {
        let (page, more) = match &wanted.object {
            Some(object) => (on_disk(|| api.spool.deliveries_of(object))?, None),
            None => on_disk(|| api.spool.deliveries(&cursor))?,
        };
        let waits = waits(&api, page.iter().map(|delivery| delivery.id.clone()).collect()).await?;
        for (delivery, wait) in page.iter().zip(waits) {
            let seen = delivery.object == from && *delivery.id <= *after;
            let job = Job::new(delivery, wait.as_ref());
            if !seen && wanted.state.is_none_or(|state| state == job.state) {
                jobs.push(job);
            }
        }
        next = more;
    }
    Ok(Json(Page::new(jobs, limit, |job| format!("{}.{}", job.object, job.id))))
}

/// An object, and whom it is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Its id, or its URI.
    object: String,
    /// SIP URI of the recipient.
    to: String,
    #[serde(default)]
    mode: Mode,
    /// How long it is tried, such as `24h`; without it as long as `queue.lifetime` says, which is also the most.
    #[serde(default)]
    expires: Option<String>,
    /// Who is told of its end: the name of one of `[[webhooks]]`, or a URL that `policy.put` allows.
    #[serde(default)]
    notify: Option<String>,
}

/// Has an object brought to somebody. The answer comes when the job is written down.
#[utoipa::path(post, path = "/api/v1/deliveries", request_body = Order, responses(
    (status = 201, description = "The job", body = Job),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn forward(
    State(api): State<Api>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<(StatusCode, Json<Job>), Fault> {
    let Json(order) = order.map_err(|error| Fault::bad(error.body_text()))?;
    if !crate::msml::is_sip_uri(&order.to) {
        return Err(Fault::bad("to is sip:USER@HOST or sips:USER@HOST"));
    }
    let expires = order.expires.as_deref().map(duration).transpose()?;
    let notify = order.notify.as_deref().map(|notify| api.ear.audience.target(notify)).transpose()?;
    let notify = notify.map(|target| target.to_string());
    let object = on_disk(|| find(&api, &order.object))?;
    let caller = match order.mode {
        Mode::Uac => Caller::Uac,
        Mode::As => Caller::As,
    };
    let id = ask(&api, Wish::Forward { object, to: order.to, caller, expires, notify }).await?;
    Ok((StatusCode::CREATED, Json(job(&api, &id).await?)))
}

/// Tries it now, whatever it waits for.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", params(("id" = String, Path, description = "Its id")),
responses(
    (status = 200, description = "The job", body = Job),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn retry(State(api): State<Api>, Named(id): Named) -> Result<Json<Job>, Fault> {
    tell(&api, id, Tell::Retry).await
}

/// Calls it back. An attempt that runs is broken off; if it has succeeded meanwhile, that is the answer.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/cancel", params(("id" = String, Path, description = "Its id")),
responses(
    (status = 200, description = "The job", body = Job),
    (status = 409, description = "settled: it has ended otherwise", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn cancel(State(api): State<Api>, Named(id): Named) -> Result<Json<Job>, Fault> {
    tell(&api, id, Tell::Cancel("an operator".to_owned())).await
}

async fn tell(api: &Api, id: String, tell: Tell) -> Result<Json<Job>, Fault> {
    let id = ask(api, Wish::Tell(id, tell)).await?;
    job(api, &id).await.map(Json)
}

/// One job.
async fn job(api: &Api, id: &str) -> Result<Job, Fault> {
    let wait = waits(api, vec![id.to_owned()]).await?.pop().flatten();
    let delivery = on_disk(|| api.spool.delivery(id))?;
    let gone = || Fault::new(StatusCode::NOT_FOUND, "not_found", "its object is gone, and the delivery with it");
    delivery.map(|delivery| Job::new(&delivery, wait.as_ref())).ok_or_else(gone)
}

fn find(api: &Api, name: &str) -> Result<Committed, Fault> {
    let found = match name.parse() {
        Ok(uri) => api.spool.call_for(&uri)?,
        Err(_) => api.spool.forwarded(name)?,
    };
    found.ok_or_else(|| Fault::no_object(name))
}

fn duration(text: &str) -> Result<Duration, Fault> {
    crate::config::duration(text).map_err(Fault::bad)
}

async fn waits(api: &Api, ids: Vec<String>) -> Result<Vec<Option<(Name, Wait)>>, Fault> {
    let (answer, waits) = oneshot::channel();
    let _ = api.requests.send(Request::Waits(ids, answer)).await; // a node that has stopped does not answer
    waits.await.map_err(|_| stopped())
}

/// Has the engine do something, and waits until it is done.
pub(super) async fn ask(api: &Api, wish: Wish) -> Result<String, Fault> {
    let (answer, done) = oneshot::channel();
    let _ = api.requests.send(Request::Wish(wish, answer)).await; // a node that has stopped does not answer
    Ok(done.await.map_err(|_| stopped())??)
}

pub(super) fn stopped() -> Fault {
    Fault::unavailable("the server is stopping")
}

impl From<NoTarget> for Fault {
    fn from(why: NoTarget) -> Self {
        match why {
            NoTarget::Unknown => Self::bad(why.to_string()),
            NoTarget::NotAllowed(_) => Self::new(StatusCode::FORBIDDEN, "not_allowed", why.to_string()),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(why: Refusal) -> Self {
        let reason = why.to_string();
        match why {
            Refusal::Unknown => Self::new(StatusCode::NOT_FOUND, "not_found", reason),
            Refusal::Settled(_) => Self::new(StatusCode::CONFLICT, "settled", reason),
            Refusal::Unwritten(Unwritten::Gone(_)) => Self::new(StatusCode::NOT_FOUND, "not_found", reason),
            Refusal::Unwritten(Unwritten::TooMany(_)) => Self::new(StatusCode::CONFLICT, "too_many", reason),
            Refusal::Unwritten(Unwritten::Held(_)) => Self::new(StatusCode::CONFLICT, "held", reason),
            Refusal::NotAllowed(_) => Self::new(StatusCode::FORBIDDEN, "not_allowed", reason),
            Refusal::Full(_) | Refusal::Draining | Refusal::Unwritten(_) => Self::unavailable(reason),
        }
    }
}
