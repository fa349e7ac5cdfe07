//! Outcomes as they are taken: those that were told, and those that a crash has kept from it.

use std::sync::Arc;

use rusqlite::{Row, params};

use crate::model::limits::LISTED_OBJECTS;
use crate::model::{Now, Wall};

use super::catalog::{ask, load};
use super::database::clamp;
use super::delivery::Delivery;
use super::envelope::Envelope;
use super::error::SpoolError;
use super::index::{self, Index};
use super::layout::Id;
use super::outcome::{Outcome, Outcomes, plain};
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
        let next = (page.len() == LISTED_OBJECTS).then(|| page.last().map(|touched| touched.id.to_string())).flatten();
        let mut outcomes = Vec::new();
        for Touched { id, stored, standing } in page.into_iter().filter(|touched| touched.is_since(date)) {
            // Of one that is damaged, gone or closed nobody is told.
            if let Ok(object) = load(shared, id) {
                outcomes.extend(of_object(object.envelope(), standing, date, stored));
            }
        }
        Ok((outcomes, next))
    }

    /// A delivery has ended whose object is at its end: nothing was written down of it.
    pub fn tell_of_lost(&self, delivery: &Delivery) {
        self.shared().outcomes.tell(Outcome::Settled(Box::new(delivery.clone())));
    }
}

/// An object of which others may have to be told.
struct Touched {
    id: Id,
    stored: Wall,
    standing: Standing,
}

impl Touched {
    fn is_since(&self, date: Wall) -> bool {
        self.stored >= date || has_expired(&self.standing, date) || settled(&self.standing, date).next().is_some()
    }
}

fn has_expired(standing: &Standing, date: Wall) -> bool {
    standing.fate == Fate::Expired && standing.ended.as_ref().is_some_and(|deed| deed.at >= date)
}

fn settled(standing: &Standing, date: Wall) -> impl Iterator<Item = &Delivery> {
    standing.deliveries.iter().filter(move |delivery| delivery.progress.is_settled() && delivery.changed >= date)
}

fn of_object(envelope: &Envelope, standing: Standing, date: Wall, stored: Wall) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    if stored >= date {
        outcomes.push(Outcome::Stored(Box::new(plain(envelope))));
    }
    outcomes.extend(settled(&standing, date).map(|delivery| {
        let object = envelope.id.clone();
        Outcome::Settled(Box::new(Delivery { object, ..delivery.clone() }))
    }));
    if has_expired(&standing, date) {
        outcomes.extend(standing.ended.map(|deed| Outcome::Expired(Box::new(plain(envelope)), deed)));
    }
    outcomes
}

impl Index {
    /// Objects that have come since this date, have expired, or are or were being forwarded.
    fn touched_since(&mut self, date: Wall, cursor: &str, limit: usize) -> rusqlite::Result<Vec<Touched>> {
        let mut select = self.settled()?.prepare_cached(
            "SELECT objects.id, stored, written FROM objects LEFT JOIN standings ON standings.id = objects.id
             WHERE objects.id > ?1 AND (stored >= ?2 OR fate = 2 OR instr(written, '\"deliveries\":[') > 0)
             ORDER BY objects.id LIMIT ?3",
        )?;
        let touched = |row: &Row<'_>| -> rusqlite::Result<Option<Touched>> {
            let stored = Wall::from_micros(row.get::<_, i64>(1)?.unsigned_abs());
            let standing = index::standing(row, 2)?;
            Ok(rows::id(row)?.map(|id| Touched { id, stored, standing }))
        };
        let date = clamp(date.micros());
        select.query_map(params![cursor, date, limit as i64], touched)?.filter_map(Result::transpose).collect()
    }
}
