//! Status requests (after RFC 5707 §9.12.1.4-9): what a transfer says of itself to the client while it runs.

use std::time::Duration;

use crate::model::Instant;
use crate::model::limits::MSML_PROGRESS_GAP;

/// What the client has asked to be told, each by an element of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// `<ft:onstart>`: a file begins to move.
    pub start: bool,
    /// `<ft:onprogress>`: it moves.
    pub progress: Option<Every>,
    /// `<ft:onobject>`: it has stopped moving, well or not.
    pub object: bool,
    /// `<ft:oncomplete>`: the primitive is over.
    pub complete: bool,
}

/// How often progress is told: after so many octets, after such a time, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// Octets; the owner says how finely it counts.
    pub octets: Option<u64>,
    /// Whether or not anything has moved meanwhile.
    pub interval: Option<Duration>,
}

/// The events of status requests, and the variables in each.
pub const STATUSES: &[(&str, &[&str])] = &[START, PROGRESS, OBJECT, COMPLETE];

type Event = (&'static str, &'static [&'static str]);
const START: Event = ("ft.start", &["ft.uri", "ft.name", "ft.type", "ft.size", "ft.transferid", "ft.offset"]);
const PROGRESS: Event = ("ft.progress", &["ft.uri", "ft.size", "ft.bytes", "ft.duration", "ft.rate"]);
const OBJECT: Event = (
    "ft.object",
    &[
        "ft.result",
        "ft.status",
        "ft.uri",
        "ft.name",
        "ft.type",
        "ft.size",
        "ft.hash",
        "ft.bytes",
        "ft.duration",
        "ft.attempts",
    ],
);
const COMPLETE: Event =
    ("ft.complete", &["ft.result", "ft.status", "ft.report", "ft.objects", "ft.bytes", "ft.duration", "ft.rate"]);

/// An event for the client: its name and its variables.
pub(super) type Notice = (&'static str, Vec<(String, String)>);

/// What one primitive owes to whoever asked.
#[derive(Debug, Default)]
pub(super) struct Status {
    told: Told,
    moving: Option<Moving>,
}

/// The file that moves.
#[derive(Debug)]
struct Moving {
    since: Instant,
    octets: u64,
    /// Of which the client has heard.
    said: u64,
    said_at: Option<Instant>,
    /// When it hears again, whatever moves.
    next: Option<Instant>,
    variables: Vec<(String, String)>,
}

impl Status {
    pub(super) const fn new(told: Told) -> Self {
        Self { told, moving: None }
    }

    /// A file begins to move.
    pub(super) fn began(&mut self, variables: Vec<(String, String)>, now: Instant) -> Option<Notice> {
        let interval = self.interval();
        let next = interval.map(|interval| now + interval);
        let notice = self.told.start.then(|| filled(START, &variables));
        self.moving = Some(Moving { since: now, octets: 0, said: 0, said_at: None, next, variables });
        notice
    }

    /// So many octets of it have moved.
    pub(super) fn progressed(&mut self, octets: u64, now: Instant) -> Option<Notice> {
        let moving = self.moving.as_mut()?;
        moving.octets = octets;
        let every = self.told.progress?.octets?;
        let soon = moving.said_at.is_some_and(|at| now.since(at) < MSML_PROGRESS_GAP);
        if soon || octets < moving.said.saturating_add(every) {
            return None;
        }
        (moving.said, moving.said_at) = (octets, Some(now));
        Some(moving.progress(now))
    }

    /// When [`Status::tick`] is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.moving.as_ref()?.next
    }

    /// Such a time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Notice> {
        let interval = self.interval()?;
        let moving = self.moving.as_mut()?;
        moving.next.take_if(|next| *next <= now)?;
        moving.next = Some(now + interval);
        Some(moving.progress(now))
    }

    fn interval(&self) -> Option<Duration> {
        Some(self.told.progress?.interval?.max(MSML_PROGRESS_GAP))
    }

    /// It has stopped moving.
    pub(super) fn through(&mut self, variables: &[(String, String)]) -> Option<Notice> {
        self.moving = None;
        self.told.object.then(|| filled(OBJECT, variables))
    }

    /// The primitive is over.
    pub(super) fn complete(&self, variables: &[(String, String)]) -> Option<Notice> {
        self.told.complete.then(|| filled(COMPLETE, variables))
    }
}

impl Moving {
    fn progress(&self, now: Instant) -> Notice {
        let millis = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        let mut variables = vec![
            ("ft.bytes".to_owned(), self.octets.to_string()),
            ("ft.duration".to_owned(), millis.to_string()),
            ("ft.rate".to_owned(), (self.octets.saturating_mul(1000) / millis.max(1)).to_string()),
        ];
        variables.extend(self.variables.iter().cloned());
        filled(PROGRESS, &variables)
    }
}

/// An event with the values of its variables; what nobody knows is `undefined`.
fn filled((event, names): Event, variables: &[(String, String)]) -> Notice {
    let value = |name: &str| variables.iter().find(|(known, _)| known == name).map_or("undefined", |(_, value)| value);
    (event, names.iter().map(|name| ((*name).to_owned(), value(name).to_owned())).collect())
}
