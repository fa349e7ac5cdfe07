//! What others have not taken yet: what waits for whom, what was given up, and what an operator wants of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::api::Api;
use super::ask::{Asked, Named};
use super::deliveries::stopped;
use super::fault::Fault;
use super::page::{Page, limit};
use super::shape::shown;
use crate::io::notices::Wish;
use crate::io::stream::on_disk;
use crate::spool::{self, NoticeQuery, Posted};

/// A word about one fate for one target, which was not taken yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notice {
    /// The `webhook-id` under which it is sent, each time.
    id: String,
    /// `hook:NAME` for a webhook that is configured, a URL, or the `sip:` URI of a sender that is told (RFC 5438).
    target: String,
    /// Of what: `stored`, `delivered`, `failed`, `expired`, `cancelled` or `quota`.
    event: String,
    /// The id of the object, or the name of the box, that it is about.
    subject: String,
    state: NoticeState,
    /// Attempts that have failed.
    attempts: u32,
    /// Why it was not taken yet, or was given up.
    reason: String,
    /// When it came about (RFC 3339).
    time: String,
    /// When it is tried next (RFC 3339); null if it is not.
    #[schema(required)]
    next_attempt: Option<String>,
    /// When it is given up (RFC 3339).
    expires: String,
}

/// Where a notice is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum NoticeState {
    /// It is sent, or will be.
    Waiting,
    /// It was given up.
    Dead,
}

impl From<Posted> for Notice {
    fn from(posted: Posted) -> Self {
        let Posted { notice, slip, state, reason, .. } = posted;
        let waits = state == spool::NoticeState::Waiting;
        Self {
            id: notice.id,
            target: shown(&notice.target),
            event: notice.occasion.to_string(),
            subject: notice.subject,
            state: if waits { NoticeState::Waiting } else { NoticeState::Dead },
            attempts: slip.attempts,
            reason,
            time: notice.at.rfc3339(),
            next_attempt: waits.then(|| slip.next.rfc3339()),
            expires: slip.expires.rfc3339(),
        }
    }
}

/// Which notices to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those in this state.
    #[param(inline)]
    state: Option<NoticeState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Notices that were not taken yet, the oldest first.
#[utoipa::path(get, path = "/api/v1/notices", params(Wanted), responses(
    (status = 200, description = "A page of notices", body = Page<Notice>),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn list(State(api): State<Api>, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Notice>>, Fault> {
    let limit = limit(wanted.limit)?;
    let state = wanted.state.map(|state| match state {
        NoticeState::Waiting => spool::NoticeState::Waiting,
        NoticeState::Dead => spool::NoticeState::Dead,
    });
    let after = wanted.cursor.as_deref().map_or(Ok(0), str::parse);
    let after = after.map_err(|_| Fault::bad("cursor is next_cursor of the page before"))?;
    let page = on_disk(|| api.notices.read(&NoticeQuery { state, after, limit: Some(limit) })).map_err(unreadable)?;
    let items = page.notices.into_iter().map(Notice::from).collect();
    Ok(Json(Page::of(items, page.next.map(|next| next.to_string()))))
}

/// Sends it now, whatever it waits for, also if it was given up; and whatever else waits for its target.
#[utoipa::path(post, path = "/api/v1/notices/{id}/retry", params(("id" = String, Path, description = "Its id")),
responses(
    (status = 202, description = "It will be sent"),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn retry(State(api): State<Api>, Named(id): Named) -> Result<StatusCode, Fault> {
    ask(&api, &id, Wish::Retry).await.map(|()| StatusCode::ACCEPTED)
}

/// Forgets it: its target is not told.
#[utoipa::path(post, path = "/api/v1/notices/{id}/drop", params(("id" = String, Path, description = "Its id")),
responses(
    (status = 204, description = "It is forgotten"),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn drop_one(State(api): State<Api>, Named(id): Named) -> Result<StatusCode, Fault> {
    ask(&api, &id, Wish::Drop).await.map(|()| StatusCode::NO_CONTENT)
}

async fn ask(api: &Api, id: &str, wish: fn(String, oneshot::Sender<bool>) -> Wish) -> Result<(), Fault> {
    let (answer, done) = oneshot::channel();
    api.ear.tell(wish(id.to_owned(), answer)).await;
    if done.await.map_err(|_| stopped())? {
        return Ok(());
    }
    Err(Fault::new(StatusCode::NOT_FOUND, "not_found", "no notice of this id waits, or was given up"))
}

fn unreadable(error: rusqlite::Error) -> Fault {
    Fault::unavailable(format!("the outbox: {error}"))
}
