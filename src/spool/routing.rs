//! Objects that are forwarded by a rule: their deliveries are written down before the commit point, so that both are there
//! from the same moment on, or neither is.

use std::io;

use super::catalog::stand;
use super::delivery::Delivery;
use super::envelope::Envelope;
use super::error::SpoolError;
use super::file_store;
use super::layout::Id;
use super::objects;
use super::remote::Report;
use super::shared::{Shared, locked};
use super::standing::{Standing, Written};
use crate::model::Wall;

/// What is written down of an object that is not there yet.
pub(super) struct Ahead {
    id: Id,
    sum: u64,
    written: Written,
    deliveries: Vec<Delivery>,
}

/// Writes down where this object goes, if it goes anywhere. Durable when it returns, and nothing of an object as long as
/// there is none. `clock` is the clock of whoever commits.
///
/// # Errors
/// It could not be made durable.
pub(super) fn prepare(
    shared: &Shared,
    id: Id,
    envelope: &Envelope,
    (report, hops, clock): (Report, Option<u8>, Wall),
) -> io::Result<Option<Ahead>> {
    let deliveries = locked(&shared.routes).of(envelope, hops, clock);
    if deliveries.is_empty() {
        return Ok(None);
    }
    let date = envelope.stored;
    let dated = deliveries.iter().map(|delivery| delivery.dated(date, date.since(clock))).collect();
    let written = Written { turn: 1, standing: Standing { deliveries: dated, ..Standing::default() } };
    let (sum, record) = written.encode();
    match (report, &shared.remote) {
        (Report::Bucket, Some(remote)) => remote.store.put_standing(id, sum, &record)?,
        _ => file_store::put_standing(shared, id, sum, &record)?,
    }
    Ok(Some(Ahead { id, sum, written, deliveries }))
}

impl Ahead {
    /// The object is there.
    pub(super) fn publish(self, shared: &Shared) {
        let Self { id, sum, written, deliveries } = self;
        for Delivery { id: delivery, to, .. } in &deliveries {
            tracing::info!(object = %id, delivery, to, "forwarded by a rule");
        }
        if let Err(error) = stand(shared, id, sum, &written) {
            tracing::error!(object = %id, %error, "it is to be forwarded, and the index does not know");
        }
        locked(&shared.routes).add(deliveries);
    }

    /// The object is not there.
    pub(super) fn withdraw(self, shared: &Shared) {
        objects::forget_standing(shared, self.id, self.sum);
    }
}

/// Forgets what was written ahead of a commit that a crash has interrupted: the next one says anew where its object goes.
///
/// # Errors
/// [`SpoolError::Io`].
pub(super) fn forget(shared: &Shared, id: Id, sum: u64) -> Result<(), SpoolError> {
    if !is_ahead(shared, id, sum) {
        return Ok(());
    }
    // What is set aside as damaged somebody may bring back, and this with it.
    let aside = objects::aside(shared).map_err(SpoolError::io("listing what is damaged"))?;
    if !aside.iter().any(|name| name.contains(id.as_str())) {
        objects::forget_standing(shared, id, sum);
    }
    Ok(())
}

/// Whether nothing has become of the object since this was written.
fn is_ahead(shared: &Shared, id: Id, sum: u64) -> bool {
    let written = objects::standing(shared, id, sum).ok().and_then(|record| Written::decode(sum, &record).ok());
    written.is_some_and(|Written { turn, standing }| {
        let untried = standing.deliveries.iter().all(|delivery| delivery.attempts == 0);
        let of_rules = standing.deliveries.iter().all(|delivery| delivery.hops.is_some());
        turn == 1 && untried && of_rules && !standing.deliveries.is_empty()
    })
}
