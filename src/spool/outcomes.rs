//! Outcomes as they are taken: those that were told, and those that a crash has kept from it.

use std::sync::Arc;

use rusqlite::{Row, params};

use crate::model::limits::LISTED_OBJECTS;
use crate::model::{Now, Wall};

use super::catalog::{ask, load};
use super::delivery::Delivery;
use super::error::SpoolError;
use super::index::{self, Index};
use super::layout::Id;
use super::outcome::{Outcome, Outcomes, plain};
use super::receipt::Committed;
use super::rows;
use super::standing::{Fate, Standing};
use super::store::Spool;

impl Spool {
    /// From now on outcomes are kept until they are taken; `bell` is rung for each.
    pub fn keep_outcomes(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.shared().outcomes.keep(Arc::new(bell));
    }

    /// What has come about since this was asked last.
    pub fn outcomes(&self, now: Now) -> Outcomes {
        let shared = self.shared();
        let mut taken = shared.outcomes.take(shared.calendar.stamp(now));
        let (nearly_full, refused) = shared.usage.pressed();
        taken.outcomes.extend(nearly_full.into_iter().map(Outcome::NearlyFull));
        taken.outcomes.extend(refused.into_iter().map(Outcome::Refused));
        taken
    }

    /// What is written down of outcomes since this date, page by page: those of objects whose ids sort after `cursor`, and the
    /// cursor of the next page if there is one. Of an object that is at its end nothing is left.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn outcomes_since(&self, date: Wall, cursor: &str) -> Result<(Vec<Outcome>, Option<String>), SpoolError> {
        let shared = self.shared();
        let page = ask(shared, |index| index.touched_since(date, cursor, LISTED_OBJECTS))?;
        let next = (page.len() == LISTED_OBJECTS).then(|| page.last().map(|(id, _)| id.to_string())).flatten();
        let mut outcomes = Vec::new();
        for (id, standing) in page {
            // One that is damaged, gone or closed is not told of.
            if let Ok(object) = load(shared, id) {
                outcomes.extend(of_object(&object, standing, date));
            }
        }
        Ok((outcomes, next))
    }

    /// A delivery has ended whose object is at its end: nothing was written down of it.
    pub fn tell_of_lost(&self, delivery: &Delivery) {
        self.shared().outcomes.tell(Outcome::Settled(Box::new(delivery.clone())));
    }
}

fn of_object(object: &Committed, standing: Standing, date: Wall) -> Vec<Outcome> {
    let envelope = object.envelope();
    let mut outcomes = Vec::new();
    if envelope.stored >= date {
        outcomes.push(Outcome::Stored(Box::new(plain(envelope))));
    }
    let settled = |delivery: &Delivery| delivery.progress.is_settled() && delivery.changed >= date;
    outcomes.extend(
        standing
            .deliveries
            .into_iter()
            .filter(settled)
            .map(|delivery| Outcome::Settled(Box::new(Delivery { object: envelope.id.clone(), ..delivery }))),
    );
    let ended = standing.ended.filter(|deed| standing.fate == Fate::Expired && deed.at >= date);
    outcomes.extend(ended.map(|deed| Outcome::Expired(Box::new(plain(envelope)), deed)));
    outcomes
}

impl Index {
    /// Objects that have come, have expired, or are or were being forwarded, and may have been since this date.
    fn touched_since(&mut self, date: Wall, cursor: &str, limit: usize) -> rusqlite::Result<Vec<(Id, Standing)>> {
        let mut select = self.settled()?.prepare_cached(
            "SELECT objects.id, written FROM objects LEFT JOIN standings ON standings.id = objects.id
             WHERE objects.id > ?1 AND (stored >= ?2 OR fate = 2 OR instr(written, '\"deliveries\":[') > 0)
             ORDER BY objects.id LIMIT ?3",
        )?;
        let touched = |row: &Row<'_>| Ok(rows::id(row)?.zip(Some(index::standing(row, 1)?)));
        let date = i64::try_from(date.micros()).unwrap_or(i64::MAX);
        select.query_map(params![cursor, date, limit as i64], touched)?.filter_map(Result::transpose).collect()
    }
}
