//! Objects as JSON: one, and pages of them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::Api;
use super::ask::{Asked, Named};
use super::fault::Fault;
use super::page::{Page, limit};
use crate::io::stream::on_disk;
use crate::spool::{Committed, Envelope, Fate, Filter, Query, Standing};

/// What is known of an object.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Object {
    /// Unique for ever; ids sort by age.
    id: String,
    /// `spool:/BOX/NAME`.
    uri: String,
    #[serde(rename = "box")]
    mailbox: String,
    name: String,
    state: ObjectState,
    /// Octets.
    size: u64,
    /// Hexadecimal.
    sha256: String,
    /// Hexadecimal.
    sha1: String,
    #[schema(required)]
    media_type: Option<String>,
    /// Message-ID of the MSRP message in which it came.
    #[schema(required)]
    message_id: Option<String>,
    /// URI of who sent it.
    #[schema(required)]
    from: Option<String>,
    /// URI of whom it is for.
    #[schema(required)]
    to: Option<String>,
    /// When it was committed (RFC 3339).
    created: String,
    /// When nobody wants it any more (RFC 3339).
    #[schema(required)]
    expires: Option<String>,
}

/// What has become of an object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ObjectState {
    /// It is committed, and waits.
    Stored,
    /// The same, and an operator keeps it from delivery and from its end.
    Held,
    /// It was deleted, and can still be brought back.
    Deleted,
    /// Its time is over, and its octets will go.
    Expired,
}

impl From<&Standing> for ObjectState {
    fn from(standing: &Standing) -> Self {
        match standing.fate {
            Fate::Stored if standing.held.is_some() => Self::Held,
            Fate::Stored => Self::Stored,
            Fate::Deleted => Self::Deleted,
            Fate::Expired => Self::Expired,
        }
    }
}

impl From<ObjectState> for Filter {
    fn from(state: ObjectState) -> Self {
        match state {
            ObjectState::Stored => Self::Stored,
            ObjectState::Held => Self::Held,
            ObjectState::Deleted => Self::Deleted,
            ObjectState::Expired => Self::Expired,
        }
    }
}

impl Object {
    pub(super) fn new(envelope: &Envelope, standing: &Standing) -> Self {
        Self {
            id: envelope.id.clone(),
            uri: envelope.uri.to_string(),
            mailbox: envelope.uri.box_name().to_owned(),
            name: envelope.uri.name().unwrap_or_default().to_owned(),
            state: standing.into(),
            size: envelope.size(),
            sha256: envelope.sha256().hex(),
            sha1: envelope.sha1().hex(),
            media_type: envelope.file.media_type.clone(),
            message_id: envelope.message_id.clone(),
            from: envelope.from.clone(),
            to: envelope.to.clone(),
            created: envelope.stored.rfc3339(),
            expires: envelope.expires.map(crate::model::Wall::rfc3339),
        }
    }
}

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
