//! The rows of the index: each says by its checksum that it is what was entered, and all together that SQLite's own indexes
//! have the same.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sha2::{Digest as _, Sha256};

use super::layout::Id;

/// What is found through the indexes of SQLite's has to be in the table, and the other way round.
pub(super) const BY_NAME: &str = "SELECT box, name, size, id FROM objects INDEXED BY objects_by_name";
pub(super) const BY_REPLACED: &str =
    "SELECT replaces, id FROM objects INDEXED BY objects_by_replaced WHERE replaces IS NOT NULL";
/// Over kinds, lengths and octets of all columns.
pub(super) fn checksum<'a>(columns: impl Iterator<Item = ValueRef<'a>>) -> i64 {
    let mut hash = Sha256::new();
    for column in columns {
        match column {
            ValueRef::Null => hash.update([0]),
            ValueRef::Integer(number) => {
                hash.update([1]);
                hash.update(number.to_le_bytes());
            }
            ValueRef::Real(number) => {
                hash.update([2]);
                hash.update(number.to_le_bytes());
            }
            ValueRef::Text(octets) | ValueRef::Blob(octets) => {
                hash.update([3]);
                hash.update((octets.len() as u64).to_le_bytes());
                hash.update(octets);
            }
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    i64::from_le_bytes(digest[..8].try_into().expect("eight of 32 octets"))
}

/// What one walk through all objects says of them: a million of them are not to be walked through twice.
#[derive(Default)]
pub(super) struct Entered {
    /// Their ids in their order.
    pub(super) known: Vec<Id>,
    /// Those of encrypted objects that none of the keys has opened.
    pub(super) strange: Vec<Id>,
    /// What [`BY_NAME`] should give.
    pub(super) by_name: Rows,
    /// What [`BY_REPLACED`] should give.
    pub(super) by_replaced: Rows,
}

/// # Errors
/// Some row is not what was entered.
pub(super) fn entered(connection: &Connection, keys: &[&str]) -> rusqlite::Result<Entered> {
    let mut select = connection.prepare("SELECT * FROM objects ORDER BY id")?;
    let (last, key, opened) = (select.column_count() - 1, select.column_index("key")?, select.column_index("opened")?);
    let [name, replaced] = [["box", "name", "size", "id"].as_slice(), &["replaces", "id"]]
        .map(|names| names.iter().map(|name| select.column_index(name)).collect::<rusqlite::Result<Vec<_>>>());
    let (name, replaced) = (name?, replaced?);
    let mut rows = select.query([])?;
    let mut entered = Entered::default();
    while let Some(row) = rows.next()? {
        is_as_entered(row, last)?;
        entered.by_name.add(row, &name)?;
        if row.get_ref(replaced[0])? != ValueRef::Null {
            entered.by_replaced.add(row, &replaced)?;
        }
        let is_strange = || -> rusqlite::Result<bool> {
            let opened: Option<String> = row.get(opened)?;
            Ok(row.get_ref(key)? != ValueRef::Null && opened.is_none_or(|opened| !keys.contains(&opened.as_str())))
        };
        let list = if is_strange()? { &mut entered.strange } else { &mut entered.known };
        list.extend(id(row)?);
    }
    Ok(entered)
}

/// The records by which it knows what has become of objects, if every row is what was entered.
pub(super) fn known_standings(connection: &Connection) -> rusqlite::Result<Vec<(Id, u64)>> {
    let mut select = connection.prepare("SELECT * FROM standings ORDER BY id")?;
    let last = select.column_count() - 1;
    let mut rows = select.query([])?;
    let mut known = Vec::new();
    while let Some(row) = rows.next()? {
        is_as_entered(row, last)?;
        let sum = row.get::<_, i64>(1)?.cast_unsigned();
        known.extend(id(row)?.map(|id| (id, sum)));
    }
    Ok(known)
}

/// # Errors
/// The checksum in the last column is not that of the others.
fn is_as_entered(row: &Row<'_>, last: usize) -> rusqlite::Result<()> {
    let columns = (0..last).map(|column| row.get_ref(column)).collect::<rusqlite::Result<Vec<_>>>()?;
    let is_as_entered = row.get_ref(last)? == ValueRef::Integer(checksum(columns.into_iter()));
    if is_as_entered { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
}

/// Is the same for the same rows, in whatever order they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    count: u64,
    sum: u64,
}

impl Rows {
    fn add(&mut self, row: &Row<'_>, columns: &[usize]) -> rusqlite::Result<()> {
        let mut hash = DefaultHasher::new();
        for column in columns {
            match row.get_ref(*column)? {
                ValueRef::Integer(number) => number.hash(&mut hash),
                text => text.as_str()?.hash(&mut hash),
            }
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash.finish());
        Ok(())
    }
}

pub(super) fn digest(connection: &Connection, query: &str) -> rusqlite::Result<Rows> {
    let mut select = connection.prepare(query)?;
    let columns: Vec<usize> = (0..select.column_count()).collect();
    let (mut rows, mut all) = (select.query([])?, Rows::default());
    while let Some(row) = rows.next()? {
        all.add(row, &columns)?;
    }
    Ok(all)
}

pub(super) fn id(row: &Row<'_>) -> rusqlite::Result<Option<Id>> {
    Ok(Id::parse(row.get_ref(0)?.as_str()?))
}
