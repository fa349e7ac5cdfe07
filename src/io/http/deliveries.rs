//! Jobs that bring an object to somebody: what there is, what it waits for, and what an operator wants of it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::api::Api;
use super::ask::{Asked, Named};
use super::fault::Fault;
use super::page::{Page, limit};
use crate::engine::Wish;
use crate::io::driver::Request;
use crate::io::stream::on_disk;
use crate::queue::{Name, Refusal, Tell, Unwritten, Wait};
use crate::spool::{Caller, Committed, Delivery, Progress};

/// A job that brings an object to one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Job {
    /// Unique for ever.
    id: String,
    /// The id of the object.
    object: String,
    /// What the object was called when the job was made.
    uri: String,
    /// SIP URI of the recipient.
    to: String,
    /// `uac`: we call; `as`: an application server does.
    mode: Mode,
    state: JobState,
    /// Attempts that have begun.
    attempts: u32,
    /// What it waits for, or how it has ended.
    reason: String,
    /// When it was asked for (RFC 3339).
    created: String,
    /// When the next attempt is due (RFC 3339); null if there will be none.
    #[schema(required)]
    next_attempt: Option<String>,
    /// When it is given up (RFC 3339).
    expires: String,
}

/// Who calls.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// We do.
    #[serde(skip_deserializing)]
    Uac,
    /// An application server does, and says so by `ft.bind`.
    As,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum JobState {
    /// It has never been tried.
    Incoming,
    /// An attempt runs.
    Active,
    /// It has failed, and is tried again.
    Deferred,
    /// An operator keeps its object.
    Hold,
    /// The recipient has the file.
    Delivered,
    /// It was given up.
    Failed,
    /// Its time is over.
    Expired,
    /// It was called back.
    Cancelled,
}

impl Job {
    fn new(delivery: &Delivery, wait: Option<&(Name, Wait)>) -> Self {
        let Delivery { id, object, uri, to, attempts, reason, .. } = delivery;
        let settled = delivery.progress.is_settled();
        Self {
            id: id.clone(),
            object: object.clone(),
            uri: uri.clone(),
            to: to.clone(),
            mode: match delivery.caller {
                Caller::Uac => Mode::Uac,
                Caller::As => Mode::As,
            },
            state: state(delivery, wait.map(|(name, _)| *name)),
            attempts: *attempts,
            reason: wait.map_or_else(|| reason.clone(), |(_, wait)| wait.to_string()),
            created: delivery.created.rfc3339(),
            next_attempt: (!settled).then(|| delivery.next.rfc3339()),
            expires: delivery.expires.rfc3339(),
        }
    }
}

fn state(delivery: &Delivery, queue: Option<Name>) -> JobState {
    match (delivery.progress, queue) {
        (Progress::Delivered, _) => JobState::Delivered,
        (Progress::Failed, _) => JobState::Failed,
        (Progress::Expired, _) => JobState::Expired,
        (Progress::Cancelled, _) => JobState::Cancelled,
        (_, Some(Name::Hold)) => JobState::Hold,
        (Progress::Trying, _) | (_, Some(Name::Active)) => JobState::Active,
        (Progress::Waiting, _) if delivery.attempts == 0 => JobState::Incoming,
        (Progress::Waiting, _) => JobState::Deferred,
    }
}

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
    let (mut jobs, mut next) = (Vec::new(), Some(wanted.object.clone().unwrap_or_else(|| from.to_owned())));
    while let Some(cursor) = next.take().filter(|_| jobs.len() <= limit) {
        let (page, more) = on_disk(|| api.spool.deliveries(&cursor))?;
        let waits = waits(&api, page.iter().map(|delivery| delivery.id.clone()).collect()).await?;
        for (delivery, wait) in page.iter().zip(waits) {
            let seen = delivery.object == from && *delivery.id <= *after;
            let of_it = wanted.object.as_ref().is_none_or(|object| *object == delivery.object);
            let job = Job::new(delivery, wait.as_ref());
            if !seen && of_it && wanted.state.is_none_or(|state| state == job.state) {
                jobs.push(job);
            }
        }
        next = more.filter(|_| wanted.object.is_none());
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
    mode: Mode,
    /// How long it is tried, such as `24h`; without it as long as `queue.lifetime` says, which is also the most.
    #[serde(default)]
    expires: Option<String>,
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
    let object = on_disk(|| find(&api, &order.object))?;
    let id = object.envelope().id.clone();
    let caller = match order.mode {
        Mode::Uac => Caller::Uac,
        Mode::As => Caller::As,
    };
    let job = ask(&api, Wish::Forward { object, to: order.to, caller, expires }).await?;
    Ok((StatusCode::CREATED, Json(of_object(&api, &id, &job).await?)))
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
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let (page, more) = on_disk(|| api.spool.deliveries(&cursor))?;
        if let Some(delivery) = page.iter().find(|delivery| delivery.id == id) {
            return of_object(api, &delivery.object, &id).await.map(Json);
        }
        next = more;
    }
    Err(Fault::new(StatusCode::NOT_FOUND, "not_found", "its object is gone, and the delivery with it"))
}

/// One job of an object.
async fn of_object(api: &Api, object: &str, id: &str) -> Result<Job, Fault> {
    let (page, _) = on_disk(|| api.spool.deliveries(object))?;
    let wait = waits(api, vec![id.to_owned()]).await?.pop().flatten();
    let delivery = page.iter().find(|delivery| delivery.id == id);
    delivery.map(|delivery| Job::new(delivery, wait.as_ref())).ok_or_else(|| Fault::no_object(object))
}

fn find(api: &Api, name: &str) -> Result<Committed, Fault> {
    let found = match name.parse() {
        Ok(uri) => api.spool.call_for(&uri)?,
        Err(_) => api.spool.call_for_id(name)?,
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

impl From<Refusal> for Fault {
    fn from(why: Refusal) -> Self {
        let reason = why.to_string();
        match why {
            Refusal::Unknown => Self::new(StatusCode::NOT_FOUND, "not_found", reason),
            Refusal::Settled(_) => Self::new(StatusCode::CONFLICT, "settled", reason),
            Refusal::Unwritten(Unwritten::Gone(_)) => Self::new(StatusCode::NOT_FOUND, "not_found", reason),
            Refusal::Unwritten(Unwritten::Held(_)) => Self::new(StatusCode::CONFLICT, "held", reason),
            Refusal::Full(_) | Refusal::Draining | Refusal::Unwritten(_) => Self::unavailable(reason),
        }
    }
}
