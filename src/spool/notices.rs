//! The outbox of notices: what others are to be told, until they have taken it or it was given up.
//!
//! ```text
//!   add ----> waiting ----> taken, dropped: done, which is remembered for a while
//!              |   ^
//!    given up  v   | revived
//!             dead-+
//! ```
//! What is written down outlives a kill and a power cut. What was not written down when the process died is found again by
//! whoever asks the spool for its [outcomes](super::Outcomes) since [`NoticeLog::complete`]; an id that is known, or done,
//! is not added again. Nothing is kept without bound: past its limits the oldest notice of a target is given up, and the
//! oldest of those that were given up is forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::limits::{LISTED_NOTICES, NOTICE_OCTETS, NOTICES, NOTICES_DEAD, NOTICES_DONE, NOTICES_PER_TARGET};
use crate::model::{Mint, Now, Wall};

use super::database::{self, DatabaseError, FACTS, Place, SET, clamp, fact, key};
use super::files::Files;
use super::layout::{Id, NOTICES as NAME, NOTICES_ASIDE};
use super::locked::locked;
use super::notice::{Notice, NoticeState, Posted, Slip, Target};
use super::vault::{DataKey, Keys};

const TABLES: u32 = 2;

/// `lane` is a fingerprint of the target, which may be a secret itself.
const SCHEMA: &str = "
    CREATE TABLE notices (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, dead INTEGER NOT NULL,
        lane INTEGER NOT NULL, created INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL,
        expires INTEGER NOT NULL, reason TEXT NOT NULL, notice TEXT NOT NULL, sum INTEGER NOT NULL);
    CREATE INDEX notices_by_lane ON notices (dead, lane, number);
    CREATE TABLE done (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);";

/// What the second version has come to know: by what a notice goes, as a number. Of older ones the first way is said.
const WAYS: &str = "
    ALTER TABLE notices ADD COLUMN way INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX notices_by_way ON notices (dead, way, number);
    PRAGMA user_version = 2;";

/// The kind of record under which a notice is sealed.
const SEALED: &str = "notice";

/// Why one is given up of which nobody knows what it says.
const UNREADABLE: &str = "it is not what was written down";

/// The fact before which date nothing is missing.
const COMPLETE: &str = "complete";

/// What has become of notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeChange {
    /// Its target has it, or nobody wants it to.
    Done(String),
    /// It was not taken, and will be tried again.
    Deferred {
        /// Which.
        id: String,
        /// Attempts that have failed.
        attempts: u32,
        /// When.
        next: Wall,
        /// Why.
        reason: String,
    },
    /// It is given up, after so many attempts, because of this.
    Dead(String, u32, String),
}

/// What has come of adding notices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Those that are new.
    pub slips: Vec<Slip>,
    /// Those that had to make room for them, and are given up.
    pub displaced: Vec<String>,
}

/// Which notices to list.
#[derive(Clone, Debug, Default)]
pub struct NoticeQuery {
    /// Only those.
    pub state: Option<NoticeState>,
    /// Only those after this place.
    pub after: u64,
    /// How many at most; bounded by [`LISTED_NOTICES`].
    pub limit: Option<usize>,
}

/// A part of the outbox, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticePage {
    /// The notices.
    pub notices: Vec<Posted>,
    /// Where to read on, if there are more.
    pub next: Option<u64>,
}

/// How much is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoticeTally {
    /// Notices that wait.
    pub waiting: u64,
    /// Those that were given up.
    pub dead: u64,
    /// When the oldest of those that wait was written down.
    pub oldest: Option<Wall>,
}

/// The outbox of a spool. All calls block.
pub struct NoticeLog(Mutex<Log>);

struct Log {
    connection: Connection,
    /// Under which notices are sealed, if files are.
    key: Option<(Id, DataKey)>,
    mint: Mint,
}

/// A notice as it is written down.
#[derive(Serialize, Deserialize)]
struct Wire {
    target: String,
    occasion: String,
    subject: String,
    at: u64,
    body: String,
}

impl NoticeLog {
    /// Opens the outbox in the directory of a spool. One that is damaged is set aside, and a new one begun.
    ///
    /// # Errors
    /// It can't be used, and nothing of it is touched: what others have to be told is in it.
    pub fn open(files: &dyn Files, dir: &Path, keys: &Keys, mint: Mint, now: Now) -> Result<Self, DatabaseError> {
        let place = Place { what: "outbox of notices", name: NAME, aside: NOTICES_ASIDE, dir };
        let log = place.open(files, |place| Log::open(place, keys, mint.clone(), now))?;
        Ok(Self(Mutex::new(log)))
    }

    /// One that lasts as long as the process, beside one that can't be opened without its key.
    pub fn in_memory(keys: &Keys, mint: Mint, now: Now) -> Self {
        Self(Mutex::new(Log::open(None, keys, mint, now).expect("a database in memory can be made")))
    }

    /// Writes down those of these notices that are new, each to be given up at `expires`, and that nothing is missing before
    /// `complete`: all of it or nothing. Durable when it returns.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn add(&self, notices: &[Notice], expires: Wall, complete: Wall, now: Now) -> rusqlite::Result<Added> {
        let mut log = locked(&self.0);
        let Log { connection, key, mint } = &mut *log;
        let transaction = connection.transaction()?;
        let (mut added, mut lanes, mut ways) = (Added::default(), BTreeSet::new(), BTreeSet::new());
        for notice in notices {
            if let Some(slip) = enter(&transaction, notice, (key.as_ref(), mint), expires, now)? {
                lanes.insert(lane(&notice.target));
                ways.insert(notice.target.way());
                added.slips.push(slip);
            }
        }
        for lane in lanes {
            make_room(&transaction, ("lane", lane), NOTICES_PER_TARGET, &mut added)?;
        }
        for way in ways {
            make_room(&transaction, ("way", way as i64), NOTICES, &mut added)?;
        }
        forget_old(&transaction)?;
        transaction.execute(SET, params![COMPLETE, complete.micros().to_string()])?;
        transaction.commit()?;
        Ok(added)
    }

    /// Writes down what has become of notices. Durable when it returns.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn change(&self, changes: &[NoticeChange]) -> rusqlite::Result<()> {
        let mut log = locked(&self.0);
        let transaction = log.connection.transaction()?;
        for change in changes {
            match change {
                NoticeChange::Done(id) => done(&transaction, id)?,
                NoticeChange::Deferred { id, attempts, next, reason } => {
                    let row = params![id, attempts, clamp(next.micros()), reason];
                    transaction
                        .prepare_cached("UPDATE notices SET attempts = ?2, next = ?3, reason = ?4 WHERE id = ?1")?
                        .execute(row)?;
                }
                NoticeChange::Dead(id, attempts, reason) => bury(&transaction, id, *attempts, reason)?,
            }
        }
        forget_old(&transaction)?;
        transaction.commit()
    }

    /// Has one that was given up wait again, until `expires`. Nothing if there is no such.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn revive(&self, id: &str, expires: Wall, now: Now) -> rusqlite::Result<Option<Slip>> {
        let log = locked(&self.0);
        if log.posted(id)?.is_none() {
            return Ok(None);
        }
        let revived = "UPDATE notices SET dead = 0, attempts = 0, next = ?2, expires = ?3 WHERE id = ?1 AND dead = 1";
        let row = params![id, clamp(now.wall.micros()), clamp(expires.micros())];
        if log.connection.prepare_cached(revived)?.execute(row)? == 0 {
            return Ok(None);
        }
        Ok(log.posted(id)?.map(|posted| posted.slip))
    }

    /// The notice of this id, waiting or given up.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn notice(&self, id: &str) -> rusqlite::Result<Option<Posted>> {
        locked(&self.0).posted(id)
    }

    /// Whether there is one of this id, also if it can't be read any more.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn has(&self, id: &str) -> rusqlite::Result<bool> {
        locked(&self.0).connection.prepare_cached("SELECT 1 FROM notices WHERE id = ?1")?.exists([id])
    }

    /// A page of notices. One that waits and can't be read is given up: nobody can be told.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn read(&self, query: &NoticeQuery) -> rusqlite::Result<NoticePage> {
        let log = locked(&self.0);
        let limit = query.limit.unwrap_or(LISTED_NOTICES).min(LISTED_NOTICES);
        let dead = query.state.map(|state| state == NoticeState::Dead);
        let mut select = log.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM notices WHERE number > ?1 AND (?2 IS NULL OR dead = ?2) ORDER BY number LIMIT ?3"
        ))?;
        let mut rows = select.query(params![clamp(query.after), dead, clamp(limit as u64)])?;
        let (mut notices, mut unreadable, mut last, mut count) = (Vec::new(), Vec::new(), query.after, 0);
        while let Some(row) = rows.next()? {
            (last, count) = (row.get::<_, i64>(0)?.unsigned_abs(), count + 1);
            match log.posted_in(row)? {
                Some(posted) => notices.push(posted),
                None => unreadable.push(row.get::<_, String>(1)?),
            }
        }
        drop(rows);
        for id in unreadable {
            bury(&log.connection, &id, 0, UNREADABLE)?;
        }
        Ok(NoticePage { notices, next: (count == limit).then_some(last) })
    }

    /// Before which date nothing is missing; nothing if this outbox is new.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn complete(&self) -> rusqlite::Result<Option<Wall>> {
        let date = fact(&locked(&self.0).connection, COMPLETE)?;
        Ok(date.and_then(|date| date.parse().ok()).map(Wall::from_micros))
    }

    /// How much is there.
    ///
    /// # Errors
    /// SQLite or its disk.
    pub fn tally(&self) -> rusqlite::Result<NoticeTally> {
        let log = locked(&self.0);
        let count = |dead: bool| -> rusqlite::Result<u64> {
            let mut select = log.connection.prepare_cached("SELECT count(*) FROM notices WHERE dead = ?1")?;
            select.query_row([dead], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        };
        let mut select =
            log.connection.prepare_cached("SELECT created FROM notices WHERE dead = 0 ORDER BY number LIMIT 1")?;
        let oldest = select.query_row([], |row| row.get::<_, i64>(0)).optional()?;
        let oldest = oldest.map(|created| Wall::from_micros(created.unsigned_abs()));
        Ok(NoticeTally { waiting: count(false)?, dead: count(true)?, oldest })
    }
}

/// What [`Log::posted_in`] reads.
const COLUMNS: &str = "number, id, dead, created, attempts, next, expires, reason, notice, sum";

impl Log {
    fn open(place: Option<PathBuf>, keys: &Keys, mut mint: Mint, now: Now) -> Result<Self, DatabaseError> {
        let connection = database::connect(place)?;
        // FULL: what is written is on the disk, not only in the hands of the operating system.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? {
            0 => connection.execute_batch(&format!("BEGIN; {FACTS} {SCHEMA} {WAYS} COMMIT;"))?,
            1 => connection.execute_batch(&format!("BEGIN; {WAYS} COMMIT;"))?,
            TABLES => {}
            _ => return Err(DatabaseError::Newer),
        }
        let key = key(&connection, keys, &mut mint, now)?;
        Ok(Self { connection, key, mint })
    }

    fn posted(&self, id: &str) -> rusqlite::Result<Option<Posted>> {
        let mut select = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM notices WHERE id = ?1"))?;
        select.query_row([id], |row| self.posted_in(row)).optional().map(Option::flatten)
    }

    /// The notice of a row; `None` if that is not what was written.
    fn posted_in(&self, row: &Row<'_>) -> rusqlite::Result<Option<Posted>> {
        let (number, id, text): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(8)?);
        let opened = match &self.key {
            _ if row.get::<_, i64>(9)? != checksum(&id, &text) => None,
            Some((of, key)) if !text.starts_with('{') => key.reveal(SEALED, *of, &text),
            _ => Some(text.into_bytes()), // it was written when there was no key
        };
        let wire = opened.and_then(|json| serde_json::from_slice::<Wire>(&json).ok());
        let Some((wire, target, occasion)) = wire.and_then(|wire| {
            let (target, occasion) = (Target::parse(&wire.target)?, wire.occasion.parse().ok()?);
            Some((wire, target, occasion))
        }) else {
            tracing::error!(notice = id, "a notice is not what was written");
            return Ok(None);
        };
        let Wire { subject, at, body, .. } = wire;
        let wall = |column| row.get::<_, i64>(column).map(|micros| Wall::from_micros(micros.unsigned_abs()));
        let slip = Slip {
            number: number.unsigned_abs(),
            id: id.clone(),
            target: target.clone(),
            subject: subject.clone(),
            attempts: row.get(4)?,
            next: wall(5)?,
            expires: wall(6)?,
        };
        let notice = Notice { id, target, occasion, subject, at: Wall::from_micros(at), body };
        let state = if row.get(2)? { NoticeState::Dead } else { NoticeState::Waiting };
        Ok(Some(Posted { notice, slip, state, created: wall(3)?, reason: row.get(7)? }))
    }
}

fn enter(
    transaction: &Transaction<'_>,
    notice: &Notice,
    (key, mint): (Option<&(Id, DataKey)>, &mut Mint),
    expires: Wall,
    now: Now,
) -> rusqlite::Result<Option<Slip>> {
    let Notice { id, target, occasion, subject, at, body } = notice;
    if body.len() > NOTICE_OCTETS {
        tracing::error!(notice = id, subject, octets = body.len(), "too long for a notice: nobody is told");
        return Ok(None);
    }
    if transaction.prepare_cached("SELECT 1 FROM done WHERE id = ?1")?.exists([id])? {
        return Ok(None);
    }
    let (word, occasion) = (target.to_string(), occasion.word().to_owned());
    let wire = Wire { target: word, occasion, subject: subject.clone(), at: at.micros(), body: body.clone() };
    let json = serde_json::to_string(&wire).expect("a notice is strings and numbers");
    let text = match key {
        Some((of, key)) => key.hide(SEALED, *of, json.as_bytes(), mint),
        None => json,
    };
    let (lane, next, sum) = (lane(target), clamp(now.wall.micros()), checksum(id, &text));
    let inserted = transaction
        .prepare_cached("INSERT OR IGNORE INTO notices VALUES (NULL, ?1, 0, ?2, ?3, 0, ?3, ?4, '', ?5, ?6, ?7)")?
        .execute(params![id, lane, next, clamp(expires.micros()), text, sum, target.way() as i64])?;
    let number = transaction.last_insert_rowid().unsigned_abs();
    let (id, target, subject) = (id.clone(), target.clone(), subject.clone());
    let slip = Slip { number, id, target, subject, attempts: 0, next: now.wall, expires };
    Ok((inserted > 0).then_some(slip))
}

/// A fingerprint of a target, by which its notices are counted.
fn lane(target: &Target) -> i64 {
    fingerprint(&[target.to_string().as_bytes()])
}

/// Gives the oldest notices up of those that have this in this column, if there are too many.
fn make_room(
    transaction: &Transaction<'_>,
    (column, value): (&str, i64),
    limit: usize,
    added: &mut Added,
) -> rusqlite::Result<()> {
    let of = format!("dead = 0 AND {column} = ?1");
    let count = format!("SELECT count(*) FROM notices WHERE {of}");
    let count = transaction.prepare_cached(&count)?.query_row([value], |row| row.get::<_, i64>(0))?;
    let excess = count.unsigned_abs().saturating_sub(limit as u64);
    if excess == 0 {
        return Ok(());
    }
    let oldest = format!("SELECT id FROM notices WHERE {of} ORDER BY number LIMIT ?2");
    let oldest: Vec<String> = transaction
        .prepare_cached(&oldest)?
        .query_map(params![value, clamp(excess)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &oldest {
        bury(transaction, id, 0, &format!("more than {limit} notices wait"))?;
    }
    added.slips.retain(|slip| !oldest.contains(&slip.id));
    added.displaced.extend(oldest);
    Ok(())
}

fn bury(connection: &Connection, id: &str, attempts: u32, reason: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE notices SET dead = 1, attempts = max(attempts, ?2), reason = ?3 WHERE id = ?1")?
        .execute(params![id, attempts, reason])
        .map(drop)
}

fn done(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM notices WHERE id = ?1")?.execute([id])?;
    transaction.prepare_cached("INSERT OR IGNORE INTO done VALUES (NULL, ?1)")?.execute([id]).map(drop)
}

/// What was given up, and what is done, is remembered for no longer than there is room.
fn forget_old(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let dead = transaction
        .prepare_cached("SELECT count(*) FROM notices WHERE dead = 1")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    let excess = dead.unsigned_abs().saturating_sub(NOTICES_DEAD as u64);
    if excess > 0 {
        let oldest = "SELECT id FROM notices WHERE dead = 1 ORDER BY number LIMIT ?1";
        let oldest: Vec<String> = transaction
            .prepare_cached(oldest)?
            .query_map([clamp(excess)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in oldest {
            tracing::error!(notice = id, "forgotten: more notices were given up than are kept");
            done(transaction, &id)?;
        }
    }
    transaction
        .prepare_cached("DELETE FROM done WHERE number <= (SELECT max(number) FROM done) - ?1")?
        .execute([clamp(NOTICES_DONE as u64)])
        .map(drop)
}

fn checksum(id: &str, notice: &str) -> i64 {
    fingerprint(&[id.as_bytes(), notice.as_bytes()])
}

fn fingerprint(parts: &[&[u8]]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    i64::from_le_bytes(digest[..8].try_into().expect("eight of 32 octets"))
}
