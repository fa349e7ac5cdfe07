//! What a reader, and time, do with objects: marks, copies, expiry, and what was deleted coming back.

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::Api;
use super::ask::{Asked, Named};
use super::change::{Wish, change, whose};
use super::fault::Fault;
use super::object::find;
use super::shape::Object;
use crate::io::guard::Lease;
use crate::io::stream::on_disk;
use crate::model::ObjectUri;
use crate::spool::{self, Change, Mark, Standing};

/// As what an object is marked.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Word {
    /// Nobody has seen it.
    New,
    /// It was seen.
    Seen,
    /// It was seen, and shall be kept.
    Saved,
    /// Its reader should not wait.
    Urgent,
    /// Its reader may wait.
    Calm,
}

impl From<Word> for Change {
    fn from(word: Word) -> Self {
        match word {
            Word::New => Self::Mark(Mark::New),
            Word::Seen => Self::Mark(Mark::Seen),
            Word::Saved => Self::Mark(Mark::Saved),
            Word::Urgent => Self::Urgent(true),
            Word::Calm => Self::Urgent(false),
        }
    }
}

/// As what, and whose wish it is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Marking {
    /// As what.
    #[serde(rename = "as")]
    #[param(rename = "as", inline)]
    word: Word,
    /// Who wants it, for the record; `http` if nothing is said.
    by: Option<String>,
}

/// Where a copy goes, and whose wish it is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Copying {
    /// `spool:/BOX/NAME`, or `spool:/BOX/` for a name of its own.
    to: String,
    /// Who wants it, for the record; `http` if nothing is said.
    by: Option<String>,
}

/// Says how far the reader of an object is.
#[utoipa::path(post, path = "/api/v1/objects/{id}/mark", params(("id" = String, Path, description = "Its id"), Marking),
responses(
    (status = 200, description = "The object", body = Object),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn mark(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Marking>,
) -> Result<Json<Object>, Fault> {
    change(&api, &id, wanted.word.into(), wanted.by).map(Json)
}

/// Brings an object back that was deleted or has expired.
#[utoipa::path(post, path = "/api/v1/objects/{id}/undelete", params(("id" = String, Path, description = "Its id"), Wish),
responses(
    (status = 200, description = "The object", body = Object),
    (status = 409, description = "exists: another one has its name", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn undelete(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Wish>,
) -> Result<Json<Object>, Fault> {
    change(&api, &id, Change::Undelete, wanted.by).map(Json)
}

/// Lets an object expire before its time. Its octets go after the `notice` of the `[[boxes]]` of its box.
#[utoipa::path(post, path = "/api/v1/objects/{id}/expire", params(("id" = String, Path, description = "Its id"), Wish),
responses(
    (status = 200, description = "The object", body = Object),
    (status = 409, description = "held: somebody holds it", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn expire(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Wish>,
) -> Result<Json<Object>, Fault> {
    change(&api, &id, Change::Expire, wanted.by).map(Json)
}

/// Makes another object of the same octets, which are not written again where the disk can have it so.
#[utoipa::path(post, path = "/api/v1/objects/{id}/copy", params(("id" = String, Path, description = "Its id"), Copying),
responses(
    (status = 201, description = "The copy is durable", body = Object, headers(("Location" = String))),
    (status = 409, description = "exists: the name is taken; held: an operator keeps it", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn copy(
    State(api): State<Api>,
    ConnectInfo(lease): ConnectInfo<Lease>,
    Named(id): Named,
    Asked(wanted): Asked<Copying>,
) -> Result<Response, Fault> {
    if api.draining.is_cancelled() {
        return Err(Fault::unavailable("the server is going out of service and takes no files"));
    }
    let to: ObjectUri = wanted.to.parse().map_err(|error| Fault::bad(format!("to={}: {error}", wanted.to)))?;
    let by = whose(wanted.by)?;
    let object = find(&api, &id)?;
    let _waits = lease.work();
    let (work, spool, clock) = (api.uploads.token(), api.spool.clone(), api.clock);
    // It goes on to its end, whether somebody still listens or not: it may have to write all octets again.
    let copied = tokio::task::spawn_blocking(move || {
        let copy = spool.copy(&object, &to, &by, clock.now());
        drop(work);
        copy
    });
    let copy = copied.await.map_err(|error| Fault::unavailable(error.to_string()))??;
    if let Some(observer) = &api.committed {
        let _ = observer.send(copy.clone()).await; // an observer that left wants to hear nothing
    }
    let location = format!("/api/v1/objects/{}", copy.envelope().id);
    let object = Object::new(copy.envelope(), &Standing::default());
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(object)).into_response())
}

/// What a sweep takes, or would take.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Due {
    items: Vec<DueObject>,
}

/// An object that time takes away.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DueObject {
    id: String,
    uri: String,
    /// Octets.
    size: u64,
    /// `expires`: it is said that its time is over; `ends`: its octets go.
    what: &'static str,
    /// By which rule.
    why: &'static str,
}

impl From<spool::Due> for DueObject {
    fn from(due: spool::Due) -> Self {
        let what = if due.ends { "ends" } else { "expires" };
        Self { id: due.id, uri: due.uri.to_string(), size: due.octets, what, why: due.why }
    }
}

/// What the next sweep would let expire or end, and by which rule, if the clock is right. Changes nothing.
#[utoipa::path(get, path = "/api/v1/due", responses(
    (status = 200, description = "What is due", body = Due),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn due(State(api): State<Api>) -> Result<Json<Due>, Fault> {
    let due = on_disk(|| api.spool.due(api.clock.now()))?;
    Ok(Json(Due { items: due.into_iter().map(DueObject::from).collect() }))
}

/// How much a sweep has taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Swept {
    /// Objects of which it was said that their time is over.
    expired: u64,
    /// Objects whose octets are gone.
    ended: u64,
}

/// Sweeps now instead of within the hour: what is due expires or ends. After the clock has leapt it may be less than
/// `GET /api/v1/due` shows: such a clock is not believed at once.
#[utoipa::path(post, path = "/api/v1/due", responses(
    (status = 200, description = "What has gone", body = Swept),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn sweep(
    State(api): State<Api>,
    ConnectInfo(lease): ConnectInfo<Lease>,
) -> Result<Json<Swept>, Fault> {
    let _waits = lease.work();
    let spool::Swept { expired, ended, .. } = on_disk(|| api.spool.sweep(api.clock.now()))?;
    Ok(Json(Swept { expired, ended }))
}
