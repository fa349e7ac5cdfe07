//! Objects as JSON: one, and pages of them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::api::Api;
use super::ask::{Asked, Named};
use super::fault::Fault;
use super::page::{Page, limit};
use super::shape::{Object, ObjectState};
use crate::io::stream::on_disk;
use crate::spool::{Committed, Filter, Query};

/// Which objects to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those in this box.
    #[serde(rename = "box")]
    #[param(rename = "box")]
    mailbox: Option<String>,
    /// Only those in this state; without it those that are stored or held.
    #[param(inline)]
    state: Option<ObjectState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Objects in the order of their age.
#[utoipa::path(get, path = "/api/v1/objects", params(Wanted), responses(
    (status = 200, description = "A page of objects", body = Page<Object>),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn list(State(api): State<Api>, Asked(wanted): Asked<Wanted>) -> Result<Json<Page<Object>>, Fault> {
    let limit = limit(wanted.limit)?;
    let state = wanted.state.map(Filter::from);
    let query = Query { mailbox: wanted.mailbox, state, cursor: wanted.cursor, limit: Some(limit + 1) };
    let listed = on_disk(|| api.spool.listing(&query))?;
    let objects = listed.iter().map(|(envelope, standing)| Object::new(envelope, standing)).collect();
    Ok(Json(Page::new(objects, limit, |object| object.id.clone())))
}

/// One object.
#[utoipa::path(get, path = "/api/v1/objects/{id}", params(("id" = String, Path, description = "Its id")), responses(
    (status = 200, description = "The object", body = Object),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn show(State(api): State<Api>, Named(id): Named) -> Result<Json<Object>, Fault> {
    let object = find(&api, &id)?;
    let standing = on_disk(|| api.spool.standing(&object))?;
    Ok(Json(Object::new(object.envelope(), &standing)))
}

pub(super) fn find(api: &Api, id: &str) -> Result<Committed, Fault> {
    on_disk(|| api.spool.find_id(id))?.ok_or_else(|| Fault::no_object(id))
}
