//! Deliveries on the disk: part of what has become of their object, so that both are read, moved and deleted together.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Row, params};

use crate::model::limits::{DELIVERIES_PER_OBJECT, LISTED_OBJECTS};
use crate::model::{Now, Route};

use super::catalog::{ask, load};
use super::delivery::{Delivery, Progress};
use super::error::SpoolError;
use super::fates;
use super::index::{self, Index};
use super::layout::Id;
use super::rows;
use super::shared::{Shared, locked};
use super::standing::{Deed, Standing};
use super::store::Spool;

impl Spool {
    /// Has what arrives forwarded by these rules, each delivery for `lifetime` if its rule says nothing else. `wake` is
    /// called when there is something to [take](Spool::routed), by whoever commits, and must not wait.
    pub fn set_routes(&self, rules: Vec<Route>, lifetime: Duration, wake: Arc<dyn Fn() + Send + Sync>) {
        locked(&self.shared().routes).set(rules, lifetime, wake);
    }

    /// Deliveries that rules have made since this was asked last. They are written down.
    pub fn routed(&self) -> Vec<Delivery> {
        locked(&self.shared().routes).take()
    }

    /// Writes down how a delivery stands. Durable when it returns. Its dates are those of the clock of `now`: they are written
    /// down as dates of the spool are, so that nothing is over at once that was begun by a clock that was never set.
    ///
    /// # Errors
    /// [`SpoolError::Gone`] if its object is at its end or, for one that is not settled, on its way out;
    /// [`SpoolError::Held`] if an attempt shall begin and an operator keeps the object; [`SpoolError::Superseded`] if it is
    /// settled already or a later attempt has begun; [`SpoolError::TooManyDeliveries`]; or it could not be made durable.
    pub fn deliver(&self, delivery: &Delivery, now: Now) -> Result<(), SpoolError> {
        write(self.shared(), delivery, now)
    }

    /// Deliveries of the objects whose ids do not sort before `cursor`, and the cursor of the next page if there is one.
    ///
    /// # Errors
    /// [`SpoolError::Index`], [`SpoolError::Io`].
    pub fn deliveries(&self, cursor: &str) -> Result<(Vec<Delivery>, Option<String>), SpoolError> {
        let page = ask(self.shared(), |index| index.delivering(cursor, LISTED_OBJECTS))?;
        let next = (page.len() == LISTED_OBJECTS).then(|| page.last().map(|(id, _)| format!("{id}0"))).flatten();
        let of = |(id, standing): (Id, Standing)| {
            standing.deliveries.into_iter().map(move |delivery| Delivery { object: id.to_string(), ..delivery })
        };
        Ok((page.into_iter().flat_map(of).collect(), next))
    }
}

impl Index {
    /// Objects that are being forwarded, or were, from `cursor` on, and what has become of them.
    fn delivering(&mut self, cursor: &str, limit: usize) -> rusqlite::Result<Vec<(Id, Standing)>> {
        let mut select = self.settled()?.prepare_cached(
            "SELECT id, written FROM standings WHERE id >= ?1 AND instr(written, '\"deliveries\":[') > 0
             ORDER BY id LIMIT ?2",
        )?;
        let delivering = |row: &Row<'_>| Ok(rows::id(row)?.zip(Some(index::standing(row, 1)?)));
        select.query_map(params![cursor, limit as i64], delivering)?.filter_map(Result::transpose).collect()
    }
}

fn write(shared: &Shared, delivery: &Delivery, now: Now) -> Result<(), SpoolError> {
    shared.writable()?;
    let date = shared.dated(now).wall;
    let _begun = shared.outcomes.begin(date);
    let delivery = &delivery.dated(date, date.since(now.wall));
    let gone = || SpoolError::Gone { id: delivery.object.clone() };
    let id = Id::parse(&delivery.object).ok_or_else(gone)?;
    let envelope = load(shared, id)?.envelope().clone();
    let _name = shared.claim(&envelope.uri);
    load(shared, id)?;
    let mut standing = fates::standing(shared, id)?;
    let settled = delivery.progress.is_settled();
    if !settled && !standing.is_listed() {
        return Err(gone());
    }
    // What has ended is written down whoever holds the object.
    if let (Progress::Trying, Some(Deed { by, .. })) = (delivery.progress, &standing.held) {
        return Err(SpoolError::Held { id: id.to_string(), by: by.clone() });
    }
    enter(&mut standing.deliveries, delivery)?;
    fates::put(shared, id, &envelope, &standing)
}

/// Puts it in the place of what is known of it. The oldest of those that are settled makes room.
fn enter(deliveries: &mut Vec<Delivery>, delivery: &Delivery) -> Result<(), SpoolError> {
    if let Some(known) = deliveries.iter_mut().find(|known| known.id == delivery.id) {
        if !delivery.follows(known) {
            return Err(SpoolError::Superseded { id: delivery.id.clone() });
        }
        // When it was asked for, and until when it is wanted, was said once.
        *known = Delivery { created: known.created, expires: known.expires, ..delivery.clone() };
        return Ok(());
    }
    if deliveries.len() >= DELIVERIES_PER_OBJECT {
        let settled = deliveries.iter().position(|known| known.progress.is_settled());
        let limit = DELIVERIES_PER_OBJECT;
        deliveries.remove(settled.ok_or_else(|| SpoolError::TooManyDeliveries { id: delivery.object.clone(), limit })?);
    }
    deliveries.push(delivery.clone());
    Ok(())
}
