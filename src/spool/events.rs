//! The event log: what application servers were told, and what they could not be told, for those that come back and ask.
//!
//! ```text
//!   sent ----> unanswered ----> logged, with the word whether it was delivered
//!                   |                ^            |
//!                   |  a start       |            +--> forgotten: too old, or too much
//!                   +----------------+
//!   nobody is there to be told ------+
//! ```
//! An event is logged once, when it is known whether somebody has it, and never changes: who reads on from a cursor
//! misses none and sees none twice. What was not answered when the process died is logged at the next start, as not
//! delivered. Cursors only grow, also past a lost log: they are made from the date.
//!
//! It is kept in SQLite: rows go at one end and come at the other, and whoever reads meanwhile sees whole ones. What is
//! written is in the hands of the operating system when it can be read, so a kill takes nothing of it. A power cut may take the last
//! ones: an event promises nothing that its object does not keep.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::limits::LISTED_EVENTS;
use crate::model::{Mint, Now, Wall};

use super::calendar::Calendar;
use super::database::{self, DatabaseError, FACTS, Place, SET, clamp, fact, key};
use super::files::Files;
use super::layout::{EVENTS, EVENTS_ASIDE, Id};
use super::locked::locked;
use super::vault::{DataKey, Keys};

const TABLES: u32 = 1;

/// A row of `events` without `event` says that some are missing there.
const SCHEMA: &str = "
    CREATE TABLE events (cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, dialog TEXT, job TEXT, delivered INTEGER NOT NULL,
        event TEXT, octets INTEGER NOT NULL, sum INTEGER NOT NULL);
    CREATE INDEX events_by_at ON events (at);
    CREATE TABLE unanswered (token INTEGER PRIMARY KEY, at INTEGER NOT NULL, dialog TEXT, job TEXT, event TEXT NOT NULL);
    PRAGMA user_version = 1;";

/// What a row takes besides its event, about.
const ROW_OCTETS: u64 = 100;

/// The kind of record under which an event is sealed.
const SEALED: &str = "event";

/// A MSML event (RFC 5707 §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was meant to be sent.
    pub at: Wall,
    /// The whole identifier of the MSML dialog it is about.
    pub dialog: String,
    /// Its name.
    pub name: String,
    /// Its namelist.
    pub values: Vec<(String, String)>,
    /// Call-ID of the SIP dialog for which it was.
    pub call_id: Option<String>,
    /// The durable job it is about.
    pub job: Option<String>,
}

/// What the log is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventNote {
    /// An event went out under this token.
    Sent(u64, Box<Event>),
    /// It was answered: whether it was delivered.
    Answered(u64, bool),
    /// Nobody is there who could be told.
    Unsent(Box<Event>),
    /// Events could not be noted.
    Missed,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place.
    pub cursor: u64,
    /// Itself.
    pub event: Event,
    /// Whether the SIP dialog that asked has answered it with 2xx.
    pub delivered: bool,
}

/// Which events to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only those after this one; without it from the oldest on.
    pub after: Option<u64>,
    /// Only those about this MSML dialog.
    pub dialog: Option<String>,
    /// Only those about this job.
    pub job: Option<String>,
    /// How many at most; bounded by [`LISTED_EVENTS`].
    pub limit: Option<usize>,
}

/// A part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events, the oldest first.
    pub events: Vec<LoggedEvent>,
    /// Where to read on.
    pub next: u64,
    /// Between the cursor asked for and the end of this page there were others that are not kept any more, or never were.
    pub lost: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// For how long.
    pub time: Duration,
    /// How many octets, about.
    pub octets: u64,
}

/// The log of a spool. All calls block.
pub struct EventLog(Mutex<Log>);

struct Log {
    connection: Connection,
    keep: Keep,
    calendar: Calendar,
    /// Under which events are sealed, if files are.
    key: Option<(Id, DataKey)>,
    mint: Mint,
    /// The cursor of the last one.
    newest: u64,
    /// Octets of all that are kept.
    octets: u64,
}

/// An event as it is written down.
#[derive(Serialize, Deserialize)]
struct Wire {
    at: u64,
    dialog: String,
    name: String,
    values: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

/// A row before it is logged.
struct Draft {
    at: u64,
    dialog: Option<String>,
    job: Option<String>,
    event: Option<String>,
}

impl EventLog {
    /// Opens the log in the directory of a spool, and logs what was not answered in an earlier run. One that can't be read is
    /// set aside; where none can be written it lasts as long as the process.
    pub fn open(files: &dyn Files, dir: &Path, keep: Keep, keys: &Keys, mint: Mint, now: Now) -> Self {
        let place = Place { what: "event log", name: EVENTS, aside: EVENTS_ASIDE, dir };
        Self(Mutex::new(place.open_anyhow(files, |place| Log::open(place, keep, keys, mint.clone(), now))))
    }

    /// Writes notes down, all of them or none, and forgets what is too old or too much.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn note(&self, notes: &[EventNote], now: Now) -> Result<(), rusqlite::Error> {
        locked(&self.0).note(notes, now)
    }

    /// The cursor of the last event.
    pub fn newest(&self) -> u64 {
        locked(&self.0).newest
    }

    /// A page of events.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn read(&self, query: &EventQuery) -> Result<EventPage, rusqlite::Error> {
        locked(&self.0).read(query)
    }
}

impl Log {
    fn open(place: Option<PathBuf>, keep: Keep, keys: &Keys, mut mint: Mint, now: Now) -> Result<Self, DatabaseError> {
        let mut connection = database::connect(place)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? {
            0 => {
                connection.execute_batch(&format!("BEGIN; {FACTS} {SCHEMA} COMMIT;"))?;
                // Whoever comes with a cursor from before has it of another log.
                connection.execute(SET, params![FORGOTTEN, now.wall.micros().to_string()])?;
            }
            TABLES => {}
            _ => return Err(DatabaseError::Newer),
        }
        let key = key(&connection, keys, &mut mint, now)?;
        let newest = connection.query_row("SELECT max(cursor) FROM events", [], |row| row.get::<_, Option<i64>>(0))?;
        let newest = newest.map_or(0, i64::unsigned_abs).max(forgotten(&connection)?);
        let octets = connection.query_row("SELECT total(octets) FROM events", [], |row| row.get::<_, f64>(0))? as u64;
        let before = connection
            .prepare("SELECT at, dialog, job, event FROM unanswered ORDER BY at, token")?
            .query_map([], draft)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let transaction = connection.transaction()?;
        let (mut newest, mut octets) = (newest, octets);
        for draft in before {
            (newest, octets) = enter(&transaction, (newest, octets), &draft, false, now)?;
        }
        transaction.execute("DELETE FROM unanswered", [])?;
        transaction.commit()?;
        Ok(Self { connection, keep, calendar: Calendar::default(), key, mint, newest, octets })
    }

    fn note(&mut self, notes: &[EventNote], now: Now) -> rusqlite::Result<()> {
        let date = self.calendar.date(now);
        let Self { connection, keep, key, mint, .. } = self;
        let mut seal = |event: &Event| draft_of(event, key.as_ref(), mint);
        let transaction = connection.transaction()?;
        let mut end = (self.newest, self.octets);
        for note in notes {
            match note {
                EventNote::Sent(token, event) => {
                    let Draft { at, dialog, job, event } = seal(event);
                    transaction
                        .prepare_cached("INSERT OR REPLACE INTO unanswered VALUES (?1, ?2, ?3, ?4, ?5)")?
                        .execute(params![clamp(*token), clamp(at), dialog, job, event])?;
                }
                EventNote::Answered(token, delivered) => {
                    let sent = transaction
                        .prepare_cached("DELETE FROM unanswered WHERE token = ?1 RETURNING at, dialog, job, event")?
                        .query_row([clamp(*token)], draft)
                        .optional()?;
                    if let Some(sent) = sent {
                        end = enter(&transaction, end, &sent, *delivered, now)?;
                    }
                }
                EventNote::Unsent(event) => end = enter(&transaction, end, &seal(event), false, now)?,
                EventNote::Missed => {
                    let gap = Draft { at: now.wall.micros(), dialog: None, job: None, event: None };
                    end = enter(&transaction, end, &gap, false, now)?;
                }
            }
        }
        end.1 = forget_old(&transaction, end.1, *keep, date)?;
        transaction.commit()?;
        (self.newest, self.octets) = end;
        Ok(())
    }

    fn read(&self, query: &EventQuery) -> rusqlite::Result<EventPage> {
        let limit = query.limit.unwrap_or(LISTED_EVENTS).min(LISTED_EVENTS);
        // A cursor that we have not given is from a log whose end is gone: what comes now is new to its reader.
        let after = query.after.map(|after| after.min(self.newest));
        let forgotten = forgotten(&self.connection)?;
        let mut lost = after != query.after || after.is_some_and(|after| after < forgotten);
        let mut select = self.connection.prepare_cached(
            "SELECT cursor, delivered, event, sum FROM events WHERE cursor > ?1
             AND (event IS NULL OR ((?2 IS NULL OR dialog = ?2) AND (?3 IS NULL OR job = ?3))) ORDER BY cursor LIMIT ?4",
        )?;
        let mut rows =
            select.query(params![clamp(after.unwrap_or(0)), query.dialog, query.job, clamp(limit as u64)])?;
        let (mut events, mut next, mut count) = (Vec::new(), self.newest, 0);
        while let Some(row) = rows.next()? {
            let cursor = row.get::<_, i64>(0)?.unsigned_abs();
            count += 1;
            if count == limit {
                next = cursor;
            }
            match self.logged(cursor, row)? {
                Some(event) => events.push(event),
                None => lost = true,
            }
        }
        Ok(EventPage { events, next, lost })
    }

    /// The event of a row; `None` if it says that some are missing, or is not what was written.
    fn logged(&self, cursor: u64, row: &Row<'_>) -> rusqlite::Result<Option<LoggedEvent>> {
        let (delivered, text, sum): (bool, Option<String>, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        if sum != checksum(cursor, delivered, text.as_deref()) {
            tracing::error!(cursor, "a row of the event log is not what was written");
            return Ok(None);
        }
        let opened = text.and_then(|text| match &self.key {
            Some((id, key)) if !text.starts_with('{') => key.reveal(SEALED, *id, &text),
            _ => Some(text.into_bytes()), // it was written when there was no key
        });
        let event = opened.and_then(|json| serde_json::from_slice::<Wire>(&json).ok()).map(Event::from);
        Ok(event.map(|event| LoggedEvent { cursor, event, delivered }))
    }
}

/// Logs one under the next cursor, and says what the last one is now and how much all of them take.
fn enter(
    transaction: &Transaction<'_>,
    (newest, octets): (u64, u64),
    draft: &Draft,
    delivered: bool,
    now: Now,
) -> rusqlite::Result<(u64, u64)> {
    let cursor = now.wall.micros().max(newest.saturating_add(1));
    let size = draft.event.as_ref().map_or(0, |event| event.len() as u64) + ROW_OCTETS;
    let Draft { at, dialog, job, event } = draft;
    let sum = checksum(cursor, delivered, event.as_deref());
    transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(params![
        clamp(cursor),
        clamp(*at),
        dialog,
        job,
        delivered,
        event,
        clamp(size),
        sum
    ])?;
    Ok((cursor, octets + size))
}

/// Forgets what is older than it has to be, and the oldest while there is too much. Returns how much is left.
fn forget_old(transaction: &Transaction<'_>, octets: u64, keep: Keep, date: Wall) -> rusqlite::Result<u64> {
    let age = u64::try_from(keep.time.as_micros()).unwrap_or(u64::MAX);
    let oldest = clamp(date.micros().saturating_sub(age));
    let old = transaction.prepare_cached(OLD)?.query_row([oldest], |row| row.get::<_, Option<i64>>(0))?;
    let mut last = old.unwrap_or(0);
    if octets > keep.octets {
        // A tenth more than has to go, so that not each one that comes drives out another.
        let mut excess = octets - keep.octets + keep.octets / 10;
        let mut select = transaction.prepare_cached("SELECT cursor, octets FROM events ORDER BY cursor")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()?.filter(|_| excess > 0) {
            last = last.max(row.get(0)?);
            excess = excess.saturating_sub(row.get::<_, i64>(1)?.unsigned_abs());
        }
    }
    if last == 0 {
        return Ok(octets);
    }
    let gone = transaction
        .prepare_cached("SELECT total(octets) FROM events WHERE cursor <= ?1")?
        .query_row([last], |row| row.get::<_, f64>(0))? as u64;
    transaction.prepare_cached("DELETE FROM events WHERE cursor <= ?1")?.execute([last])?;
    transaction.prepare_cached(SET)?.execute(params![FORGOTTEN, last.to_string()])?;
    Ok(octets.saturating_sub(gone))
}

/// The last one that is too old. By its index: left to itself, SQLite looks for the greatest cursor from the end of the log
/// on, and while nothing is too old that means all of it, with every note.
const OLD: &str = "SELECT max(+cursor) FROM events INDEXED BY events_by_at WHERE at < ?1";

/// The fact how far the log has been forgotten.
const FORGOTTEN: &str = "forgotten";

/// The last cursor that is not kept any more.
fn forgotten(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(fact(connection, FORGOTTEN)?.and_then(|cursor| cursor.parse().ok()).unwrap_or(0))
}

fn draft(row: &Row<'_>) -> rusqlite::Result<Draft> {
    Ok(Draft { at: row.get::<_, i64>(0)?.unsigned_abs(), dialog: row.get(1)?, job: row.get(2)?, event: row.get(3)? })
}

fn draft_of(event: &Event, key: Option<&(Id, DataKey)>, mint: &mut Mint) -> Draft {
    let Event { at, dialog, name, values, call_id, job } = event.clone();
    let wire = Wire { at: at.micros(), dialog: dialog.clone(), name, values, call_id, job: job.clone() };
    let json = serde_json::to_string(&wire).expect("an event is strings and numbers");
    let text = match key {
        Some((id, key)) => key.hide(SEALED, *id, json.as_bytes(), mint),
        None => json,
    };
    Draft { at: at.micros(), dialog: Some(dialog), job, event: Some(text) }
}

impl From<Wire> for Event {
    fn from(wire: Wire) -> Self {
        let Wire { at, dialog, name, values, call_id, job } = wire;
        Self { at: Wall::from_micros(at), dialog, name, values, call_id, job }
    }
}

/// Over all that a reader is told.
fn checksum(cursor: u64, delivered: bool, event: Option<&str>) -> i64 {
    let mut hash = Sha256::new();
    hash.update(cursor.to_le_bytes());
    hash.update([u8::from(delivered), u8::from(event.is_some())]);
    hash.update(event.unwrap_or_default());
    let digest: [u8; 32] = hash.finalize().into();
    i64::from_le_bytes(digest[..8].try_into().expect("eight of 32 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_is_found_without_a_walk_through_the_log() {
        let log = Connection::open_in_memory().expect("a database");
        log.execute_batch(SCHEMA).expect("its tables");
        let plan: String = log
            .query_row(&format!("EXPLAIN QUERY PLAN {OLD}"), [0], |row| row.get("detail"))
            .expect("a plan of one step");
        assert!(plan.starts_with("SEARCH events USING COVERING INDEX events_by_at (at<?)"), "{plan}");
    }
}
