//! A cache of the published envelopes that can be asked by name, size and hash. Nothing durable depends on it.
//!
//! Commits do not wait for SQLite: what they enter lies in memory until so much has come together, or until somebody
//! asks for something that is not answered from there, and then goes in as one transaction.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::model::limits::ENTRIES_BEHIND;
use crate::model::{FileInfo, ObjectUri, Wall};

use super::envelope::Envelope;
use super::layout::Id;
use super::rows::{BY_NAME, BY_REPLACED, Entered, checksum, digest, entered, id, known_standings};
use super::standing::{Filter, Listed, Standing, Written};
use super::vault::Lookup;

/// Version of the tables; another one means that the cache is made anew.
const TABLES: u32 = 5;

/// The last column of a table is the checksum of those before it. `written` is named by its checksum on the disk, `named`.
const SCHEMA: &str = "
    CREATE TABLE objects (
        id TEXT PRIMARY KEY, box TEXT NOT NULL, name TEXT NOT NULL, stored INTEGER NOT NULL, replaces TEXT,
        size INTEGER NOT NULL, sha1 TEXT, sha256 TEXT, file_name TEXT, envelope TEXT NOT NULL, key TEXT, opened TEXT,
        expires INTEGER, sum INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE standings (
        id TEXT PRIMARY KEY, named INTEGER NOT NULL, fate INTEGER NOT NULL, mark INTEGER NOT NULL, urgent INTEGER NOT NULL,
        held INTEGER NOT NULL, written TEXT NOT NULL, sum INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sweeps (date INTEGER NOT NULL);
    CREATE INDEX objects_by_name ON objects (box, name, size);
    CREATE INDEX objects_by_replaced ON objects (replaces) WHERE replaces IS NOT NULL;
    CREATE INDEX objects_closed ON objects (key) WHERE key IS NOT NULL AND opened IS NULL;
    PRAGMA user_version = 5;";

const ENTER: &str =
    "INSERT OR IGNORE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Objects that listings show.
const IS_LISTED: &str = "NOT EXISTS (SELECT 1 FROM standings WHERE standings.id = objects.id AND fate > 0)";

/// The SQLite index of a spool. It is opened by the spool, and made anew whenever it is missing, damaged or strange.
#[derive(Debug)]
pub struct Index {
    path: Option<PathBuf>,
    connection: Option<Connection>,
    behind: Behind,
}

/// What an index has been found to know, in the order of ids.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) objects: Vec<Id>,
    /// By which record it knows what has become of an object.
    pub(super) standings: Vec<(Id, u64)>,
}

/// What has not reached SQLite yet.
#[derive(Debug, Default)]
struct Behind {
    changes: Vec<Change>,
    /// The object that has a name now, for the names among the changes.
    names: HashMap<ObjectUri, Id>,
}

/// What an object that is listed takes from the quota of its box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) mailbox: String,
    pub(super) octets: u64,
}

#[derive(Debug)]
enum Change {
    Enter(Vec<Value>),
    Forget(String),
}

impl Index {
    /// An index in a file; in a spool directory that is `index.sqlite`.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), connection: None, behind: Behind::default() }
    }

    /// An index that lasts as long as the process, for simulations and for readers.
    pub fn in_memory() -> Self {
        Self { path: None, connection: None, behind: Behind::default() }
    }

    /// Whether it outlives the process.
    pub(super) const fn is_on_disk(&self) -> bool {
        self.path.is_some()
    }

    /// Opens the file, or memory, and reads all of it once: a flipped bit must not hide an object. Encrypted objects that
    /// none of these keys has opened are forgotten: with other keys they read otherwise. Returns what is in it.
    pub(super) fn connect(&mut self, keys: &[&str]) -> rusqlite::Result<Known> {
        let connection = match &self.path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        // A cache may lose its last transactions in a power cut, it only must not be torn.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            connection.execute_batch(SCHEMA)?;
        } else if version != TABLES {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let Entered { known: objects, strange, by_name, by_replaced } = entered(&connection, keys)?;
        if digest(&connection, BY_NAME)? != by_name || digest(&connection, BY_REPLACED)? != by_replaced {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let standings = known_standings(&connection)?;
        self.connection = Some(connection);
        self.behind.changes.extend(strange.iter().map(|id| Change::Forget(id.to_string())));
        self.settle()?;
        Ok(Known { objects, standings })
    }

    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }

    /// SQLite, when it knows everything.
    pub(super) fn settled(&mut self) -> rusqlite::Result<&Connection> {
        self.settle()?;
        self.connection()
    }

    /// Carries what is behind to SQLite, all or nothing.
    fn settle(&mut self) -> rusqlite::Result<()> {
        if self.behind.changes.is_empty() {
            return Ok(());
        }
        let connection = self.connection()?;
        let alone = connection.is_autocommit(); // else it is part of a batch
        if alone {
            connection.execute_batch("BEGIN")?;
        }
        for change in &self.behind.changes {
            match change {
                Change::Enter(row) => connection.prepare_cached(ENTER)?.execute(params_from_iter(row))?,
                Change::Forget(id) => connection.prepare_cached("DELETE FROM objects WHERE id = ?1")?.execute([id])?,
            };
        }
        if alone {
            connection.execute_batch("COMMIT")?;
        }
        self.behind = Behind::default();
        Ok(())
    }

    /// Everything until [`Index::end_batch`] is one transaction.
    pub(super) fn begin_batch(&mut self) -> rusqlite::Result<()> {
        self.settled()?.execute_batch("BEGIN")
    }

    /// Ends the transaction; an index that was made anew meanwhile has none.
    pub(super) fn end_batch(&mut self) -> rusqlite::Result<()> {
        let connection = self.settled()?;
        if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("COMMIT") }
    }

    /// Enters an object, and forgets the one it replaces, which is returned.
    pub(super) fn publish(&mut self, envelope: &Envelope) -> rusqlite::Result<Option<Held>> {
        let replaced = envelope.replaces.as_deref().map_or(Ok(None), |replaced| self.forget(replaced))?;
        if let Some(id) = Id::parse(&envelope.id) {
            self.behind.names.insert(envelope.uri.clone(), id);
        }
        self.behind.changes.push(Change::Enter(row(envelope)));
        if self.behind.changes.len() >= ENTRIES_BEHIND {
            self.settle()?;
        }
        Ok(replaced)
    }

    /// Enters an object anew: its envelope says the same in another way.
    pub(super) fn renew(&mut self, envelope: &Envelope) -> rusqlite::Result<()> {
        self.behind.changes.push(Change::Forget(envelope.id.clone()));
        self.behind.changes.push(Change::Enter(row(envelope)));
        self.settle()
    }

    /// The box of an object it knows.
    pub(super) fn mailbox(&mut self, id: Id) -> rusqlite::Result<Option<String>> {
        let mut select = self.settled()?.prepare_cached("SELECT box FROM objects WHERE id = ?1")?;
        select.query_row([id.as_str()], |row| row.get(0)).optional()
    }

    /// Forgets an object, and says what it was if it was there.
    pub(super) fn forget(&mut self, id: &str) -> rusqlite::Result<Option<Held>> {
        let listed = self.listed(id)?;
        self.behind.changes.push(Change::Forget(id.to_owned()));
        self.settled()?.prepare_cached("DELETE FROM standings WHERE id = ?1")?.execute([id])?;
        Ok(listed)
    }

    /// What the box of an object holds of it.
    fn listed(&mut self, id: &str) -> rusqlite::Result<Option<Held>> {
        let held = |row: &Row<'_>| Ok(Held { mailbox: row.get(0)?, octets: row.get::<_, i64>(1)?.unsigned_abs() });
        let select = format!("SELECT box, size FROM objects WHERE id = ?1 AND {IS_LISTED}");
        self.settled()?.prepare_cached(&select)?.query_row([id], held).optional()
    }

    /// Notes what has become of an object, and by which record that is known. Returns what its box held of it until now.
    pub(super) fn stand(&mut self, id: Id, sum: u64, written: &Written) -> rusqlite::Result<Option<Held>> {
        let listed = self.listed(id.as_str())?;
        let Standing { fate, mark, urgent, .. } = written.standing;
        let mut row = vec![
            Value::Text(id.to_string()),
            Value::Integer(sum.cast_signed()),
            Value::Integer(fate as i64),
            Value::Integer(mark as i64),
            Value::Integer(urgent.into()),
            Value::Integer(written.standing.holds().into()),
            Value::Text(written.json()),
        ];
        row.push(Value::Integer(checksum(row.iter().map(ValueRef::from))));
        self.connection()?
            .prepare_cached("INSERT OR REPLACE INTO standings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params_from_iter(row))?;
        Ok(listed)
    }

    /// Nothing has become of an object since its commit.
    pub(super) fn unstand(&mut self, id: Id) -> rusqlite::Result<()> {
        self.settled()?.prepare_cached("DELETE FROM standings WHERE id = ?1")?.execute([id.as_str()]).map(drop)
    }

    /// What has become of an object since its commit, and by which record that is known.
    pub(super) fn standing(&mut self, id: Id) -> rusqlite::Result<Option<(u64, Written)>> {
        let written = |row: &Row<'_>| {
            let written = Written::from_json(&row.get::<_, String>(1)?).ok_or(rusqlite::Error::InvalidQuery)?;
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), written))
        };
        self.settled()?
            .prepare_cached("SELECT named, written FROM standings WHERE id = ?1")?
            .query_row([id.as_str()], written)
            .optional()
    }

    /// Objects in the order of their ids, after `cursor`, as the sweep wants them.
    pub(super) fn page(&mut self, cursor: &str, limit: usize) -> rusqlite::Result<Vec<Listed>> {
        let mut select = self.settled()?.prepare_cached(
            "SELECT objects.id, box, name, size, stored, expires, written FROM objects
             LEFT JOIN standings ON standings.id = objects.id WHERE objects.id > ?1 ORDER BY objects.id LIMIT ?2",
        )?;
        let wall = |micros: i64| Wall::from_micros(micros.unsigned_abs());
        let listed = |row: &Row<'_>| -> rusqlite::Result<Option<Listed>> {
            let Some(id) = id(row)? else { return Ok(None) };
            Ok(Some(Listed {
                id,
                mailbox: row.get(1)?,
                name: row.get(2)?,
                octets: row.get::<_, i64>(3)?.unsigned_abs(),
                stored: wall(row.get(4)?),
                expires: row.get::<_, Option<i64>>(5)?.map(wall),
                standing: standing(row, 6)?,
            }))
        };
        select.query_map(params![cursor, limit as i64], listed)?.filter_map(Result::transpose).collect()
    }

    /// The date of the last sweep.
    pub(super) fn swept(&mut self) -> rusqlite::Result<Option<Wall>> {
        let date = |row: &Row<'_>| Ok(Wall::from_micros(row.get::<_, i64>(0)?.unsigned_abs()));
        self.settled()?.query_row("SELECT date FROM sweeps", [], date).optional()
    }

    /// Remembers the date of a sweep.
    pub(super) fn sweep(&mut self, date: Wall) -> rusqlite::Result<()> {
        let connection = self.settled()?;
        connection.execute("DELETE FROM sweeps", [])?;
        connection.execute("INSERT INTO sweeps VALUES (?1)", [clamp(date.micros())]).map(drop)
    }

    /// What each box holds: objects and octets.
    pub(super) fn held(&mut self) -> rusqlite::Result<Vec<(String, u64, u64)>> {
        let select = format!("SELECT box, count(*), sum(size) FROM objects WHERE {IS_LISTED} GROUP BY box");
        let mut select = self.settled()?.prepare(&select)?;
        let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        select.query_map([], |row| Ok((row.get(0)?, number(row, 1)?, number(row, 2)?)))?.collect()
    }

    /// The object that has this name now.
    pub(super) fn find(&mut self, uri: &ObjectUri) -> rusqlite::Result<Option<Id>> {
        if let Some(id) = self.behind.names.get(uri) {
            return Ok(Some(*id));
        }
        // What is behind is of other names, and those it replaced had the same.
        self.connection()?
            .prepare_cached(&format!(
                "SELECT id FROM objects WHERE box = ?1 AND name = ?2 AND {IS_LISTED} ORDER BY stored DESC LIMIT 1"
            ))?
            .query_row(params![uri.box_name(), uri.name()], id)
            .optional()
            .map(Option::flatten)
    }

    /// Whether a known object has taken this one's place.
    pub(super) fn is_replaced(&mut self, id: Id) -> rusqlite::Result<bool> {
        self.settled()?.prepare_cached("SELECT 1 FROM objects WHERE replaces = ?1")?.exists([id.as_str()])
    }

    /// How many objects wait for each master key.
    pub(super) fn waiting(&mut self) -> rusqlite::Result<Vec<(String, u64)>> {
        let mut select = self.settled()?.prepare(
            "SELECT key, count(*) FROM objects WHERE key IS NOT NULL AND opened IS NULL GROUP BY key ORDER BY key",
        )?;
        select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
    }

    /// The objects of a box that have the name, size and digests of a selector, the youngest first. An object's own name is
    /// as good as its file's. The name of the file and its digests are looked for as `wanted` has them.
    pub(super) fn select(
        &mut self,
        mailbox: &str,
        selector: &FileInfo,
        wanted: &Lookup,
        limit: usize,
    ) -> rusqlite::Result<Vec<Id>> {
        let mut select = self.settled()?.prepare_cached(&format!(
            "SELECT id FROM objects WHERE box = ?1 AND (?2 IS NULL OR file_name = ?2 OR name = ?7) AND (?3 IS NULL OR size = ?3)
             AND (?4 IS NULL OR sha1 = ?4) AND (?5 IS NULL OR sha256 = ?5) AND {IS_LISTED} ORDER BY stored DESC LIMIT ?6",
        ))?;
        let Lookup { file_name, sha1, sha256, .. } = wanted;
        let size = selector.size.map(clamp);
        select
            .query_map(params![mailbox, file_name, size, sha1, sha256, limit as i64, selector.name], id)?
            .filter_map(Result::transpose)
            .collect()
    }

    /// Envelopes in the order of their ids, after `cursor`, without icons, and what has become of their objects.
    pub(super) fn list(
        &mut self,
        mailbox: Option<&str>,
        filter: Option<Filter>,
        cursor: &str,
        limit: usize,
    ) -> rusqlite::Result<Vec<(Envelope, Standing)>> {
        let mut select = self.settled()?.prepare_cached(&format!(
            "SELECT envelope, written FROM objects LEFT JOIN standings ON standings.id = objects.id
             WHERE objects.id > ?1 AND (?2 IS NULL OR box = ?2) AND {} ORDER BY objects.id LIMIT ?3",
            Filter::condition(filter)
        ))?;
        let entry = |row: &Row<'_>| -> rusqlite::Result<Option<(Envelope, Standing)>> {
            let envelope = Envelope::from_index(&row.get::<_, String>(0)?);
            let standing = standing(row, 1)?;
            Ok(envelope.map(|envelope| (envelope, standing)))
        };
        select.query_map(params![cursor, mailbox, limit as i64], entry)?.filter_map(Result::transpose).collect()
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if let Err(error) = self.settle() {
            tracing::warn!(%error, "the index lacks the last objects; the next start enters them");
        }
    }
}

/// The columns of an object, and their checksum.
fn row(envelope: &Envelope) -> Vec<Value> {
    let lookup = envelope.lookup();
    let text = |text: Option<&String>| text.map_or(Value::Null, |text| Value::Text(text.clone()));
    let mut row = vec![
        Value::Text(envelope.id.clone()),
        Value::Text(envelope.uri.box_name().to_owned()),
        Value::Text(envelope.uri.name().unwrap_or_default().to_owned()),
        Value::Integer(clamp(envelope.stored.micros())),
        text(envelope.replaces.as_ref()),
        Value::Integer(clamp(envelope.size())),
        text(lookup.sha1.as_ref()),
        text(lookup.sha256.as_ref()),
        text(lookup.file_name.as_ref()),
        Value::Text(envelope.index_json()),
        text(envelope.wrapped().map(|wrapped| &wrapped.master)),
        text(lookup.opened.as_ref()),
        envelope.expires.map_or(Value::Null, |wall| Value::Integer(clamp(wall.micros()))),
    ];
    row.push(Value::Integer(checksum(row.iter().map(ValueRef::from))));
    row
}

/// What has become of the object of a row; one of which nothing is written down is there, and new.
pub(super) fn standing(row: &Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    let written = row.get::<_, Option<String>>(column)?;
    let written = written.map(|json| Written::from_json(&json).ok_or(rusqlite::Error::InvalidQuery)).transpose()?;
    Ok(written.unwrap_or_default().standing)
}

/// SQLite counts to 2^63; no file and no date is past that.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
