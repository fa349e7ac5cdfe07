//! What has become of an object is changed: an operator holds it, releases it, or deletes it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::api::Api;
use super::ask::{Asked, Named};
use super::deliveries::ask;
use super::fault::Fault;
use super::object::find;
use super::shape::Object;
use crate::engine;
use crate::io::stream::on_disk;
use crate::model::limits::BY_OCTETS;
use crate::spool::{Change, Hold, Standing};

/// Which hold is meant, and whose wish it is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Holding {
    /// The legal one: the object is delivered as ever, and neither ended nor replaced.
    #[serde(default)]
    legal: bool,
    /// Who wants it, for the record; `http` if nothing is said.
    by: Option<String>,
}

/// Whose wish a change is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wish {
    /// Who wants it, for the record; `http` if nothing is said.
    pub(super) by: Option<String>,
}

/// How final a deletion is, and whose wish.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Deleting {
    /// It can't be taken back, whatever its box says, and the octets go at once.
    #[serde(default)]
    now: bool,
    /// Who wants it, for the record; `http` if nothing is said.
    by: Option<String>,
}

impl Holding {
    const fn hold(&self) -> Hold {
        if self.legal { Hold::Legal } else { Hold::Operator }
    }
}

/// Keeps an object from delivery, expiry, deletion and replacement.
#[utoipa::path(post, path = "/api/v1/objects/{id}/hold", params(("id" = String, Path, description = "Its id"), Holding),
responses(
    (status = 200, description = "The object", body = Object),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn hold(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Holding>,
) -> Result<Json<Object>, Fault> {
    change(&api, &id, Change::Hold(wanted.hold()), wanted.by).map(Json)
}

/// Takes a hold back.
#[utoipa::path(post, path = "/api/v1/objects/{id}/release", params(("id" = String, Path, description = "Its id"), Holding),
responses(
    (status = 200, description = "The object", body = Object),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn release(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Holding>,
) -> Result<Json<Object>, Fault> {
    let released = change(&api, &id, Change::Release(wanted.hold()), wanted.by)?;
    // The hold is lifted, whoever hears of it: an engine that is gone looks for itself when it is there again.
    let _ = ask(&api, engine::Wish::Released(id)).await;
    Ok(Json(released))
}

/// Deletes an object. `undelete` of the `[[boxes]]` of its box says how long that can be taken back.
#[utoipa::path(delete, path = "/api/v1/objects/{id}", params(("id" = String, Path, description = "Its id"), Deleting),
responses(
    (status = 204, description = "It is deleted"),
    (status = 409, description = "held: somebody holds it", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn delete(
    State(api): State<Api>,
    Named(id): Named,
    Asked(wanted): Asked<Deleting>,
) -> Result<StatusCode, Fault> {
    let how = if wanted.now { Change::Purge } else { Change::Delete };
    change(&api, &id, how, wanted.by).map(|_| StatusCode::NO_CONTENT)
}

/// Under which name a change is put on record.
pub(super) fn whose(by: Option<String>) -> Result<String, Fault> {
    let by = by.unwrap_or_else(|| "http".to_owned());
    if by.len() > BY_OCTETS {
        return Err(Fault::bad(format!("by may have {BY_OCTETS} octets")));
    }
    Ok(by)
}

pub(super) fn change(api: &Api, id: &str, change: Change, by: Option<String>) -> Result<Object, Fault> {
    let object = find(api, id)?;
    let by = whose(by)?;
    let standing: Standing = on_disk(|| api.spool.change(&object, change, &by, api.clock.now()))?;
    Ok(Object::new(object.envelope(), &standing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileInfo;
    use crate::spool::{EnvelopeDraft, Hold, StagePlan};

    // The hold was lifted, and 503 said that it was not.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_release_is_answered_though_no_engine_is_there_to_hear_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (api, wanted) = (Api::idle(dir.path()), || Asked(Holding { legal: false, by: None }));
        let stage = api.spool.stage(StagePlan::new("spool:/bob/a".parse().expect("a name")), api.clock.now());
        let sealed = stage.expect("a stage").seal(0, &FileInfo::default()).expect("a whole file");
        let object = api.spool.commit(sealed, EnvelopeDraft::default(), api.clock.now()).expect("an object");
        api.spool.change(&object, Change::Hold(Hold::Operator), "x", api.clock.now()).expect("a hold");
        let id = || Named(object.envelope().id.clone());
        assert!(release(State(api.clone()), id(), wanted()).await.is_ok());
        assert!(api.spool.standing(&object).expect("a standing").held.is_none());
    }
}
