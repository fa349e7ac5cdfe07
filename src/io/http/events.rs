//! The event log over HTTP: as a list, and as a stream that goes on (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use super::api::Api;
use super::ask::Asked;
use super::fault::Fault;
use super::page::limit;
use crate::io::guard::Lease;
use crate::io::stream::on_disk;
use crate::spool::{EventPage, EventQuery, LoggedEvent};

/// Where a reader goes on whose connection broke (HTML, server-sent events).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events that a stream reads at a time: what it has in memory.
const READ: usize = 64;

/// A stream that has nothing to say says so this often, so that whoever is between does not think that it is dead.
const SILENCE: Duration = Duration::from_secs(15);

/// A MSML event that an application server was sent, or should have been.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Told {
    /// Its place in the log: a number that only grows.
    cursor: String,
    /// When it was to be sent (RFC 3339).
    at: String,
    /// Tag of the connection.
    conn: String,
    /// Whole identifier of the MSML dialog.
    dialog: String,
    /// As in `<event name=...>`.
    name: String,
    namelist: Vec<Pair>,
    /// Call-ID of the SIP dialog that it was for.
    #[schema(required)]
    call_id: Option<String>,
    /// The durable job that it is about.
    #[schema(required)]
    job: Option<String>,
    /// Whether that SIP dialog has answered it with 2xx.
    delivered: bool,
}

/// A variable of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pair {
    name: String,
    value: String,
}

/// A part of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    items: Vec<Told>,
    /// `cursor` of whoever wants to know what came after this page, now or later.
    next_cursor: String,
    /// Between the cursor asked for and this page's end there were events that are not kept any more.
    lost: bool,
}

impl From<&LoggedEvent> for Told {
    fn from(logged: &LoggedEvent) -> Self {
        let event = &logged.event;
        let conn = event.dialog.split('/').next().and_then(|root| root.strip_prefix("conn:")).unwrap_or_default();
        let pair = |(name, value): &(String, String)| Pair { name: name.clone(), value: value.clone() };
        Self {
            cursor: logged.cursor.to_string(),
            at: event.at.rfc3339(),
            conn: conn.to_owned(),
            dialog: event.dialog.clone(),
            name: event.name.clone(),
            namelist: event.values.iter().map(pair).collect(),
            call_id: event.call_id.clone(),
            job: event.job.clone(),
            delivered: logged.delivered,
        }
    }
}

/// Which events to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only those after this one; without it from the oldest on that is kept.
    cursor: Option<u64>,
    /// Only those about this MSML dialog, by its whole identifier.
    dialog: Option<String>,
    /// Only those about this job.
    job: Option<String>,
    /// Of a list: how many at most, 1 to 1000; 100 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What application servers were told, and what nobody was there to be told. With `Accept: application/json` a list; else a
/// stream of server-sent events, each with its cursor as `id`, that goes on with what comes. `event: msml` has an event as its
/// `data`; `event: lost` says that between the cursor before it and the next one there were events that are not kept any more.
#[utoipa::path(get, path = "/api/v1/events", params(Wanted,
    ("Last-Event-ID" = Option<u64>, Header, description = "The cursor again, as event sources send it; it counts more"),
), responses(
    (status = 200, description = "The events", content((Events = "application/json"), (String = "text/event-stream"))),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn events(
    State(api): State<Api>,
    ConnectInfo(lease): ConnectInfo<Lease>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let last = text(LAST_EVENT_ID).map(|id| id.parse().map_err(|_| Fault::bad("Last-Event-ID is the id of an event")));
    let after = last.transpose()?.or(wanted.cursor);
    let query = EventQuery { after, dialog: wanted.dialog, job: wanted.job, limit: Some(limit(wanted.limit)?) };
    if text(header::ACCEPT).is_some_and(|kinds| kinds.contains("application/json")) {
        let EventPage { events, next, lost } = read(&api, &query)?;
        let items = events.iter().map(Told::from).collect();
        return Ok(Json(Events { items, next_cursor: next.to_string(), lost }).into_response());
    }
    let place = api.readers.clone().try_acquire_owned();
    let place = place.map_err(|_| Fault::unavailable("too many wait for events already; a list can be had"))?;
    let query = EventQuery { limit: Some(READ), ..query };
    let newest = api.newest.clone();
    let reading = Reading { api, lease, query, newest, waiting: VecDeque::new(), _place: place };
    Ok(Sse::new(futures_util::stream::unfold(reading, Reading::next)).into_response())
}

fn read(api: &Api, query: &EventQuery) -> Result<EventPage, Fault> {
    on_disk(|| api.log.read(query)).map_err(|error| Fault::unavailable(format!("the event log can't be read: {error}")))
}

/// A stream to one reader. It asks for more when the reader has taken what there was.
struct Reading {
    api: Api,
    lease: Lease,
    query: EventQuery,
    newest: watch::Receiver<u64>,
    waiting: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            self.lease.renew();
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            self.newest.borrow_and_update(); // before the log is read: what comes meanwhile wakes
            let page = read(&self.api, &self.query).ok()?; // the reader comes again with its last id
            self.queue(page);
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                told = self.newest.changed() => told.ok()?,
                () = self.api.stop.cancelled() => return None,
                () = tokio::time::sleep(SILENCE) => return Some((Ok(Event::default().comment("")), self)),
            }
        }
    }

    fn queue(&mut self, page: EventPage) {
        let EventPage { events, next, lost } = page;
        if lost {
            let after = self.query.after.map(|after| after.to_string());
            let first = events.first().map_or(next, |logged| logged.cursor).to_string();
            let data = json!({ "after": after, "next": first }).to_string();
            self.waiting.push_back(Event::default().event("lost").data(data));
        }
        for logged in &events {
            let data = serde_json::to_string(&Told::from(logged)).expect("an event is strings");
            let kind = if logged.event.dialog.starts_with("spool:") { "box" } else { "msml" };
            self.waiting.push_back(Event::default().id(logged.cursor.to_string()).event(kind).data(data));
        }
        self.query.after = Some(next);
    }
}
