//! Deliveries on the disk: part of what has become of their object, so that both are read, moved and deleted together.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::model::limits::{DELIVERIES_PER_OBJECT, LISTED_OBJECTS};
use crate::model::{Now, Route, Wall};

use super::catalog::{ask, load};
use super::delivery::{Delivery, Progress};
use super::envelope::Envelope;
use super::error::SpoolError;
use super::fates;
use super::index::{self, Index};
use super::layout::Id;
use super::rows;
use super::shared::{Shared, locked};
use super::standing::{Deed, Fate, Standing};
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
        Ok((page.into_iter().flat_map(|(id, standing)| of_object(id, standing)).collect(), next))
    }
}

impl Spool {
    /// The deliveries of one object, in their order.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn deliveries_of(&self, object: &str) -> Result<Vec<Delivery>, SpoolError> {
        let Some(id) = Id::parse(object) else { return Ok(Vec::new()) };
        Ok(of_object(id, fates::standing(self.shared(), id)?))
    }

    /// One delivery, of the youngest object if a rule has made it for several; nothing if its object is at its end, or it was
    /// among so many that it is forgotten.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn delivery(&self, id: &str) -> Result<Option<Delivery>, SpoolError> {
        if !id.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let object = ask(self.shared(), |index| index.object_of(id))?;
        let all = object.map(|object| self.deliveries_of(object.as_str())).transpose()?.unwrap_or_default();
        Ok(all.into_iter().find(|delivery| delivery.id == id))
    }
}

fn of_object(id: Id, standing: Standing) -> Vec<Delivery> {
    let of = |delivery| Delivery { object: id.to_string(), ..delivery };
    standing.deliveries.into_iter().map(of).collect()
}

impl Index {
    /// The object that is, or was, brought to somebody by this delivery.
    fn object_of(&mut self, delivery: &str) -> rusqlite::Result<Option<Id>> {
        let mut select = self
            .settled()?
            .prepare_cached("SELECT id FROM standings WHERE instr(written, ?1) > 0 ORDER BY id DESC LIMIT 1")?;
        // As it is written: no other field can hold this text, whose quotation marks would be escaped there.
        let written = format!("{{\"id\":\"{delivery}\"");
        select.query_row([written], rows::id).optional().map(Option::flatten)
    }

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
    let goes = standing.is_listed() && goes_with(delivery, &standing);
    if goes {
        (standing.fate, standing.ended) = (Fate::Deleted, Some(Deed { by: FORWARDED.to_owned(), at: date }));
    }
    fates::put(shared, id, &envelope, &standing)?;
    if goes && !shared.outcomes.are_kept() {
        end_of_forwarded(shared, id, &envelope, date);
    }
    Ok(())
}

/// Ends an object that went with its delivery, unless its class would have it undeleted. What is not ended now is ended by the
/// next sweep.
fn end_of_forwarded(shared: &Shared, id: Id, envelope: &Envelope, date: Wall) {
    if shared.usage.keep(envelope.uri.box_name()).undelete.is_zero() {
        let _ = fates::end(shared, id, FORWARDED, date);
    }
}

impl Spool {
    /// Whoever is told of the end of this delivery can be told after a kill, too: an object that went with it may end.
    pub fn end_with(&self, delivery: &Delivery, now: Now) {
        let shared = self.shared();
        let Some(id) = Id::parse(&delivery.object) else { return };
        let Ok(object) = load(shared, id) else { return };
        let _name = shared.claim(&object.envelope().uri);
        let Ok(standing) = fates::standing(shared, id) else { return };
        if standing.fate == Fate::Deleted && standing.ended.is_some_and(|deed| deed.by == FORWARDED) {
            end_of_forwarded(shared, id, object.envelope(), shared.dated(now).wall);
        }
    }
}

/// By whom an object is deleted that its recipient has.
const FORWARDED: &str = "whoever had it forwarded";

/// Whether a script, or a rule, wants the object to go with this end of a delivery: in one record with it, so that no crash comes between.
/// Not while others are still to have it: those deliveries have been taken, too.
fn goes_with(delivery: &Delivery, standing: &Standing) -> bool {
    let says = |wanted: &str| delivery.told.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let wanted = says("delete") == Some("true") && says("range").is_none();
    if delivery.progress != Progress::Delivered || !wanted {
        return false;
    }
    let Delivery { id, object, .. } = delivery;
    if standing.deliveries.iter().any(|other| !other.progress.is_settled()) {
        tracing::info!(delivery = id, object, "kept for its other recipients");
        return false;
    }
    if let Some(Deed { by, .. }) = standing.holder() {
        tracing::warn!(delivery = id, object, by, "it was to go, and somebody holds it");
        return false;
    }
    true
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
