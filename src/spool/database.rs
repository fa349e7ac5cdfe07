//! What the databases of a spool that are no caches have in common: where they lie, and under which key they are sealed.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

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

/// Why a database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite or its disk.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
    /// It is for a later version to read.
    #[error("a newer version of Restante has written it")]
    Newer,
    /// It lies under another key.
    #[error("the key under which it is sealed is not among spool.keys")]
    Locked,
}

impl DatabaseError {
    /// Nobody will ever read it. What the disk can't give now, another version can, or another key, is not lost.
    fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                let code = error.sqlite_error_code();
                matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
            }
            Self::Damaged => true,
            Self::Newer | Self::Locked => false,
        }
    }
}

/// What it is called, where it lies, and where it goes when it can't be read.
pub(super) struct Place<'a> {
    pub(super) what: &'static str,
    pub(super) name: &'static str,
    pub(super) aside: &'static str,
    pub(super) dir: &'a Path,
}

impl Place<'_> {
    /// Opens a database that must not be lost: one that is damaged is set aside, and a new one begun.
    ///
    /// # Errors
    /// Whatever else keeps it from being used: it stays where it is.
    pub(super) fn open<T>(
        &self,
        files: &dyn Files,
        open: impl Fn(Option<PathBuf>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.open_or(files, DatabaseError::is_damage, &open)
    }

    /// Opens a database that others can do without: one that is not ours to read is set aside, too, and where none can be
    /// written it lasts as long as the process.
    pub(super) fn open_anyhow<T>(
        &self,
        files: &dyn Files,
        open: impl Fn(Option<PathBuf>) -> Result<T, DatabaseError>,
    ) -> T {
        let is_useless = |error: &DatabaseError| error.is_damage() || !matches!(error, DatabaseError::Sqlite(_));
        let opened = self.open_or(files, is_useless, &open).or_else(|error| {
            tracing::error!(%error, "there is no {} on the disk: it is kept in memory", self.what);
            open(None)
        });
        opened.expect("a database in memory can be made")
    }

    fn open_or<T>(
        &self,
        files: &dyn Files,
        is_useless: impl Fn(&DatabaseError) -> bool,
        open: &impl Fn(Option<PathBuf>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let path = self.dir.join(self.name);
        match open(Some(path.clone())) {
            Err(error) if is_useless(&error) => {
                let Ok(aside) = self.set_aside(files) else { return Err(error) };
                tracing::error!(%error, "the {} can't be used: it is set aside as {aside}, and a new one begun", self.what);
                open(Some(path))
            }
            opened => opened,
        }
    }

    /// With its log, under a name that nothing has yet.
    fn set_aside(&self, files: &dyn Files) -> io::Result<String> {
        let Self { name, aside, .. } = self;
        let taken = files.list("")?;
        let names = std::iter::once((*aside).to_owned()).chain((2_u64..).map(|number| format!("{aside}.{number}")));
        let aside = names.into_iter().find(|name| !taken.contains(name)).expect("numbers do not end");
        // The log first: without it, and under the old name, the rest is read again, and set aside, at the next start.
        if taken.contains(&format!("{name}-wal")) {
            files.rename(&format!("{name}-wal"), &format!("{aside}-wal"))?;
        }
        files.rename(name, &aside)?;
        let _ = files.remove(&format!("{name}-shm")); // made of the other two
        files.sync_dir("")?;
        Ok(aside)
    }
}

/// A database in a file or, without one, in memory. Says no to one that does not pass SQLite's own check.
pub(super) fn connect(place: Option<PathBuf>) -> Result<Connection, DatabaseError> {
    let connection = match place {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    // Who closes a damaged one deletes its log otherwise.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(DatabaseError::Damaged);
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

/// What is written down under this name.
pub(super) fn fact(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
    select.query_row([name], |row| row.get(0)).optional()
}

/// The key of this database: the one it has, under the first master key, or a new one. Without master keys everything lies
/// open, as files do.
///
/// # Errors
/// Its key is not at hand, or can't be written down.
pub(super) fn key(
    connection: &Connection,
    keys: &Keys,
    mint: &mut Mint,
    now: Now,
) -> Result<Option<(Id, DataKey)>, DatabaseError> {
    let (id, key) = match fact(connection, KEY)? {
        Some(text) => {
            let known = serde_json::from_str::<(String, Wrapped)>(&text).ok();
            let known = known.and_then(|(id, wrapped)| Some((Id::parse(&id)?, wrapped)));
            let (id, wrapped) = known.ok_or(DatabaseError::Damaged)?;
            match keys.rewrap(id, &wrapped, mint).map_err(|_| DatabaseError::Locked)? {
                Some(rewrapped) => (id, rewrapped),
                None => return Ok(Some((id, keys.unwrap(id, &wrapped).map_err(|_| DatabaseError::Locked)?))),
            }
        }
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
