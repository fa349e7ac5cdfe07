//! What the databases of a spool that are no caches have in common: where they lie, and under which key they are sealed.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::model::{Mint, Now};

use super::files::Files;
use super::layout::Id;
use super::vault::{DataKey, Keys, Wrapped};

/// The table that [`fact`] reads.
pub(super) const FACTS: &str = "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/// Writes a fact down.
pub(super) const SET: &str = "INSERT OR REPLACE INTO facts VALUES (?1, ?2)";

/// The fact by what everything else is sealed.
const KEY: &str = "key";

/// What it is called, where it lies, and where it goes when it can't be read.
pub(super) struct Place<'a> {
    pub(super) what: &'static str,
    pub(super) name: &'static str,
    pub(super) aside: &'static str,
    pub(super) dir: &'a Path,
}

impl Place<'_> {
    /// Opens a database. One that can't be read is set aside; where none can be written it lasts as long as the process.
    pub(super) fn open<T>(&self, files: &dyn Files, open: impl Fn(Option<PathBuf>) -> rusqlite::Result<T>) -> T {
        let Self { what, name, aside, dir } = self;
        let path = dir.join(name);
        let again = |error| {
            tracing::error!(%error, "the {what} can't be read: it is set aside as {aside}, and a new one begun");
            let _ = files.rename(name, aside); // what can't be moved can't be opened either
            for rest in ["-wal", "-shm"] {
                let _ = files.remove(&format!("{name}{rest}"));
            }
            open(Some(path.clone()))
        };
        let opened = open(Some(path.clone())).or_else(again).or_else(|error| {
            tracing::error!(%error, "there is no {what} on the disk: it is kept in memory");
            open(None)
        });
        opened.expect("a database in memory can be made")
    }
}

/// A database in a file or, without one, in memory. Says no to one that does not pass SQLite's own check.
pub(super) fn connect(place: Option<PathBuf>) -> rusqlite::Result<Connection> {
    let connection = match place {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" { Ok(connection) } else { Err(rusqlite::Error::InvalidQuery) }
}

/// What is written down under this name.
pub(super) fn fact(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
    select.query_row([name], |row| row.get(0)).optional()
}

/// The key of this database: the one it has, under the first master key, or a new one. Without master keys everything lies
/// open, as files do. A database whose key is not at hand can't be read: it makes place for a new one.
pub(super) fn key(
    connection: &Connection,
    keys: &Keys,
    mint: &mut Mint,
    now: Now,
) -> rusqlite::Result<Option<(Id, DataKey)>> {
    let known = fact(connection, KEY)?.map(|text| serde_json::from_str::<(String, Wrapped)>(&text));
    let unreadable = rusqlite::Error::InvalidQuery;
    let (id, key) = match known {
        Some(Ok((id, wrapped))) => {
            let id = Id::parse(&id).ok_or(unreadable)?;
            let key = keys.unwrap(id, &wrapped).map_err(|_| rusqlite::Error::InvalidQuery)?;
            (id, keys.rewrap(id, &wrapped, mint).ok().flatten().unwrap_or(key))
        }
        Some(Err(_)) => return Err(unreadable),
        None => {
            let id = Id::mint(mint, now.wall);
            let Some(key) = keys.data_key(id, mint) else { return Ok(None) };
            (id, key)
        }
    };
    let text = serde_json::to_string(&(id.as_str(), &key.wrapped)).expect("a key is strings");
    connection.execute(SET, params![KEY, text])?;
    Ok(Some((id, key)))
}

/// SQLite counts to 2^63; no date and no number of ours is past that.
pub(super) fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
