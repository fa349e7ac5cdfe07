//! Files that are moving right now, by MSRP and by HTTP: how far they are, and how fast.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Instant, Now, Wall};

/// A rate is measured over so much time; whoever stalls for longer is seen to.
const WINDOW: Duration = Duration::from_secs(1);

/// Which way a file moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// Into the spool.
    In,
    /// Out of it.
    Out,
}

/// By what it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    /// RFC 4975.
    Msrp,
    /// The operator's door.
    Http,
}

/// What moves.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) direction: Direction,
    pub(super) by: By,
    pub(super) uri: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) call_id: Option<String>,
    pub(super) message_id: Option<String>,
}

/// One file that moves.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Moving {
    /// A number that no other transfer of this run of the server has.
    #[schema(minimum = 1)]
    id: u64,
    direction: Direction,
    by: By,
    /// The object, or what will be one.
    #[schema(required)]
    uri: Option<String>,
    /// Octets of the file, if that is known.
    #[schema(required)]
    size: Option<u64>,
    /// Octets that have moved, in an earlier session as well.
    octets: u64,
    /// Octets a second, over about the last second.
    rate: u64,
    /// When it began (RFC 3339).
    started: String,
    /// Call-ID of the SIP dialog, if the file comes in one.
    #[schema(required)]
    call_id: Option<String>,
    /// Message-ID of the MSRP message, if the file comes in one.
    #[schema(required)]
    message_id: Option<String>,
}

/// All of them. Clones share one list.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    last: u64,
    moving: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    about: About,
    started: Wall,
    octets: u64,
    pace: Pace,
}

/// Octets of the window that is open, and the rate of the one before it.
#[derive(Clone, Copy, Debug)]
struct Pace {
    since: Instant,
    octets: u64,
    before: Option<u64>,
}

impl Pace {
    fn count(&mut self, now: Instant, octets: u64) {
        self.octets += octets;
        if now - self.since >= WINDOW {
            *self = Self { since: now, octets: 0, before: Some(per_second(self.octets, now - self.since)) };
        }
    }

    fn rate(self, now: Instant) -> u64 {
        let open = now - self.since;
        match self.before {
            Some(before) if open < WINDOW => before,
            _ => per_second(self.octets, open),
        }
    }
}

fn per_second(octets: u64, time: Duration) -> u64 {
    let rate = u128::from(octets) * 1_000_000 / time.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

impl Transfers {
    /// A file begins to move, of which `octets` have moved before. It is listed until what this returns is dropped.
    pub(super) fn begin(&self, about: About, octets: u64, now: Now) -> Transfer {
        let mut list = self.lock();
        list.last += 1;
        let id = list.last;
        let pace = Pace { since: now.instant, octets: 0, before: None };
        list.moving.insert(id, Entry { about, started: now.wall, octets, pace });
        Transfer { list: self.clone(), id }
    }

    /// At most so many, in the order in which they began, from the one after `cursor` on.
    pub(super) fn list(&self, now: Instant, cursor: u64, limit: usize) -> Vec<Moving> {
        let list = self.lock();
        let from = (std::ops::Bound::Excluded(cursor), std::ops::Bound::Unbounded);
        let moving = |(id, entry): (&u64, &Entry)| {
            let About { direction, by, uri, size, call_id, message_id } = entry.about.clone();
            let (octets, rate, started) = (entry.octets, entry.pace.rate(now), entry.started.rfc3339());
            Moving { id: *id, direction, by, uri, size, octets, rate, started, call_id, message_id }
        };
        list.moving.range(from).take(limit).map(moving).collect()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moving {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }
}

/// A file that moves as long as this lives.
#[derive(Debug)]
pub(super) struct Transfer {
    list: Transfers,
    id: u64,
}

impl Transfer {
    /// Octets have moved.
    pub(super) fn moved(&self, now: Instant, octets: usize) {
        if let Some(entry) = self.list.lock().moving.get_mut(&self.id) {
            entry.octets += octets as u64;
            entry.pace.count(now, octets as u64);
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.list.lock().moving.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(millis))
    }

    fn begin(transfers: &Transfers, octets: u64) -> Transfer {
        let about = About {
            direction: Direction::In,
            by: By::Msrp,
            uri: None,
            size: Some(9000),
            call_id: None,
            message_id: None,
        };
        transfers.begin(about, octets, Now::default())
    }

    #[test]
    fn a_rate_is_that_of_the_last_second_and_falls_when_nothing_comes() {
        let transfers = Transfers::default();
        let transfer = begin(&transfers, 1000);
        let seen = |millis| transfers.list(at(millis), 0, 10).first().map(|moving| (moving.octets, moving.rate));
        assert_eq!(seen(0), Some((1000, 0)));
        transfer.moved(at(500), 2000);
        assert_eq!(seen(500), Some((3000, 4000)));
        transfer.moved(at(1000), 2000);
        assert_eq!(seen(1500), Some((5000, 4000)), "the window of 4000 octets a second is closed");
        assert_eq!(seen(2000), Some((5000, 0)), "and nothing has come since");
        drop(transfer);
        assert_eq!(seen(2000), None);
    }

    #[test]
    fn a_page_goes_on_after_the_one_before_it() {
        let transfers = Transfers::default();
        let all: Vec<Transfer> = (0..3).map(|_| begin(&transfers, 0)).collect();
        let ids = |cursor| transfers.list(at(0), cursor, 2).iter().map(Moving::id).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(2), ids(3)), (vec![1, 2], vec![3], vec![]));
        assert_eq!(all.len(), 3);
    }
}
