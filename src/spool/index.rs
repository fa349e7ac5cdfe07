//! A cache of the published envelopes that can be asked by name, size and hash. Nothing durable depends on it.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{FileInfo, ObjectUri};

use super::envelope::Envelope;
use super::layout::Id;
use super::vault::Lookup;

/// Version of the tables; another one means that the cache is made anew.
const TABLES: u32 = 2;

const SCHEMA: &str = "
    CREATE TABLE objects (
        id TEXT PRIMARY KEY, box TEXT NOT NULL, name TEXT NOT NULL, stored INTEGER NOT NULL, replaces TEXT,
        size INTEGER NOT NULL, sha1 TEXT, sha256 TEXT, file_name TEXT, envelope TEXT NOT NULL, key TEXT, opened TEXT
    ) WITHOUT ROWID;
    CREATE INDEX objects_by_name ON objects (box, name);
    CREATE INDEX objects_by_replaced ON objects (replaces) WHERE replaces IS NOT NULL;
    CREATE INDEX objects_by_key ON objects (key, opened) WHERE key IS NOT NULL;
    PRAGMA user_version = 2;";

/// The SQLite index of a spool. It is opened by the spool, and made anew whenever it is missing, damaged or strange.
#[derive(Debug)]
pub struct Index {
    path: Option<PathBuf>,
    connection: Option<Connection>,
    objects: u64,
}

impl Index {
    /// An index in a file; in a spool directory that is `index.sqlite`.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), connection: None, objects: 0 }
    }

    /// An index that lasts as long as the process, for simulations and for readers.
    pub const fn in_memory() -> Self {
        Self { path: None, connection: None, objects: 0 }
    }

    /// Opens the file, or memory.
    pub(super) fn connect(&mut self) -> rusqlite::Result<()> {
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
        let objects: i64 = connection.query_row("SELECT count(*) FROM objects", [], |row| row.get(0))?;
        self.objects = objects.unsigned_abs();
        self.connection = Some(connection);
        Ok(())
    }

    /// How many objects it knows.
    pub(super) const fn objects(&self) -> u64 {
        self.objects
    }

    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }

    /// Everything until [`Index::end_batch`] is one transaction.
    pub(super) fn begin_batch(&self) -> rusqlite::Result<()> {
        self.connection()?.execute_batch("BEGIN")
    }

    /// Ends the transaction; an index that was made anew meanwhile has none.
    pub(super) fn end_batch(&self) -> rusqlite::Result<()> {
        let connection = self.connection()?;
        if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("COMMIT") }
    }

    /// Enters an object, and forgets the one it replaces.
    pub(super) fn publish(&mut self, envelope: &Envelope) -> rusqlite::Result<()> {
        let known = self.contains(&envelope.id)?;
        let lookup = envelope.lookup();
        self.connection()?
            .prepare_cached(
                "INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                envelope.id,
                envelope.uri.box_name(),
                envelope.uri.name(),
                clamp(envelope.stored.micros()),
                envelope.replaces,
                clamp(envelope.size()),
                lookup.sha1,
                lookup.sha256,
                lookup.file_name,
                envelope.index_json(),
                envelope.wrapped().map(|wrapped| &wrapped.master),
                lookup.opened,
            ])?;
        self.objects += u64::from(!known);
        envelope.replaces.as_deref().map_or(Ok(()), |replaced| self.forget(replaced))
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, id: &str) -> rusqlite::Result<()> {
        let gone = self.connection()?.prepare_cached("DELETE FROM objects WHERE id = ?1")?.execute([id])?;
        self.objects = self.objects.saturating_sub(gone as u64);
        Ok(())
    }

    fn contains(&self, id: &str) -> rusqlite::Result<bool> {
        self.connection()?.prepare_cached("SELECT 1 FROM objects WHERE id = ?1")?.exists([id])
    }

    /// The object that has this name now.
    pub(super) fn find(&self, uri: &ObjectUri) -> rusqlite::Result<Option<Id>> {
        self.connection()?
            .prepare_cached("SELECT id FROM objects WHERE box = ?1 AND name = ?2 ORDER BY stored DESC LIMIT 1")?
            .query_row(params![uri.box_name(), uri.name()], id)
            .optional()
            .map(Option::flatten)
    }

    /// Whether a known object has taken this one's place.
    pub(super) fn is_replaced(&self, id: Id) -> rusqlite::Result<bool> {
        self.connection()?.prepare_cached("SELECT 1 FROM objects WHERE replaces = ?1")?.exists([id.as_str()])
    }

    /// The ids of all objects it knows.
    pub(super) fn ids(&self) -> rusqlite::Result<Vec<Id>> {
        let mut select = self.connection()?.prepare("SELECT id FROM objects")?;
        select.query_map([], id)?.filter_map(Result::transpose).collect()
    }

    /// Forgets the encrypted objects that none of these keys has opened: with other keys they read otherwise.
    pub(super) fn forget_closed(&mut self, keys: &[&str]) -> rusqlite::Result<()> {
        let connection = self.connection()?;
        let mut select = connection.prepare("SELECT DISTINCT opened FROM objects WHERE key IS NOT NULL")?;
        let opened: Vec<Option<String>> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let strange = |opened: &&Option<String>| opened.as_deref().is_none_or(|opened| !keys.contains(&opened));
        let mut gone = 0;
        for opened in opened.iter().filter(strange) {
            gone += connection.execute("DELETE FROM objects WHERE key IS NOT NULL AND opened IS ?1", [opened])?;
        }
        drop(select);
        self.objects = self.objects.saturating_sub(gone as u64);
        Ok(())
    }

    /// How many objects wait for each master key.
    pub(super) fn waiting(&self) -> rusqlite::Result<Vec<(String, u64)>> {
        let mut select = self.connection()?.prepare(
            "SELECT key, count(*) FROM objects WHERE key IS NOT NULL AND opened IS NULL GROUP BY key ORDER BY key",
        )?;
        select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
    }

    /// The objects of a box that have the name, size and digests of a selector, the youngest first. An object's own name is
    /// as good as its file's.
    pub(super) fn select(
        &self,
        mailbox: &str,
        selector: &FileInfo,
        wanted: &Lookup,
        limit: usize,
    ) -> rusqlite::Result<Vec<Id>> {
        let mut select = self.connection()?.prepare_cached(
            "SELECT id FROM objects WHERE box = ?1 AND (?2 IS NULL OR file_name = ?2 OR name = ?7) AND (?3 IS NULL OR size = ?3)
             AND (?4 IS NULL OR sha1 = ?4) AND (?5 IS NULL OR sha256 = ?5) ORDER BY stored DESC LIMIT ?6",
        )?;
        let Lookup { file_name, sha1, sha256, .. } = wanted;
        let size = selector.size.map(clamp);
        select
            .query_map(params![mailbox, file_name, size, sha1, sha256, limit as i64, selector.name], id)?
            .filter_map(Result::transpose)
            .collect()
    }

    /// Envelopes in the order of their ids, after `cursor`, without icons.
    pub(super) fn list(&self, mailbox: Option<&str>, cursor: &str, limit: usize) -> rusqlite::Result<Vec<Envelope>> {
        let mut select = self.connection()?.prepare_cached(
            "SELECT envelope FROM objects WHERE id > ?1 AND (?2 IS NULL OR box = ?2) ORDER BY id LIMIT ?3",
        )?;
        let envelope = |row: &Row<'_>| -> rusqlite::Result<Option<Envelope>> {
            Ok(Envelope::from_index(&row.get::<_, String>(0)?))
        };
        select.query_map(params![cursor, mailbox, limit as i64], envelope)?.filter_map(Result::transpose).collect()
    }
}

/// SQLite counts to 2^63; no file and no date is past that.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn id(row: &Row<'_>) -> rusqlite::Result<Option<Id>> {
    Ok(Id::parse(row.get_ref(0)?.as_str()?))
}
