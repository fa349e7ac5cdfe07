//! Lists come in pages: each says where the next one begins.

use serde::Serialize;
use utoipa::ToSchema;

use super::fault::Fault;
use crate::model::limits::LISTED_OBJECTS;

/// Entries of a page if nothing is said.
const USUAL: usize = 100;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T: ToSchema> {
    items: Vec<T>,
    /// `cursor` of the page after this one; null if this is the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl<T: ToSchema> Page<T> {
    /// Of these entries, if the next page begins there.
    pub(super) const fn of(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { items, next_cursor }
    }

    /// Of entries of which one more than `limit` was asked for.
    pub(super) fn new(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(cursor);
        Self { items, next_cursor }
    }
}

/// How many entries a page shall have.
///
/// # Errors
/// It is none, or too many.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Fault> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=LISTED_OBJECTS).contains(&limit) {
        return Ok(limit);
    }
    Err(Fault::bad(format!("limit is 1 to {LISTED_OBJECTS}, not {limit}")))
}
