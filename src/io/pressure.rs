//! Whether there is more to do than can be done: judged by how long requests have waited before anybody looks at them.

use std::time::Duration;

use crate::model::Instant;

/// A wait that nobody notices: a tenth of the time after which a SIP peer says everything again (RFC 3261, T1).
const WAIT: Duration = Duration::from_millis(50);

/// For so long every request has to have waited longer, with others behind it. A crowd that came at once is gone sooner, and so
/// is what has gathered while the machine was at something else: only a queue that stands still is more than we can do.
/// Short enough for those who are taken to be answered within T1 even if three times as many come as can be served.
const STANDING: Duration = Duration::from_millis(200);

/// The pressure of one queue.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    /// When the queue will have stood for too long.
    until: Option<Instant>,
    busy: bool,
}

impl Pressure {
    /// A request is looked at that has waited for so long, and is the `last` one or is not. Says whether it is too much, if
    /// that has changed.
    pub(super) fn measure(&mut self, now: Instant, waited: Duration, last: bool) -> Option<bool> {
        let stands = waited >= WAIT && !last;
        let until = *self.until.get_or_insert(now + STANDING);
        if !stands {
            self.until = None;
        }
        let busy = stands && (self.busy || now >= until);
        (std::mem::replace(&mut self.busy, busy) != busy).then_some(busy)
    }

    /// Whether it is too much.
    pub(super) const fn is_high(&self) -> bool {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What requests of these milliseconds make of the node: when each is looked at, how long it has waited, how many wait
    /// behind it.
    fn told(requests: &[(u64, u64, u32)]) -> Vec<(u64, bool)> {
        let mut pressure = Pressure::default();
        let told = requests.iter().filter_map(|(at, waited, behind)| {
            let now = Instant::from_origin(Duration::from_millis(*at));
            pressure.measure(now, Duration::from_millis(*waited), *behind == 0).map(|busy| (*at, busy))
        });
        told.collect()
    }

    #[test]
    fn a_queue_that_stands_is_too_much_until_somebody_is_served_at_once() {
        let requests = [(0, 50, 9), (100, 60, 9), (199, 70, 9), (200, 70, 9), (300, 90, 9), (400, 49, 9), (500, 50, 9)];
        assert_eq!(told(&requests), [(200, true), (400, false)]);
    }

    #[test]
    fn a_queue_that_is_gone_is_not_too_much_however_long_it_has_waited() {
        assert_eq!(told(&[(0, 900, 5), (100, 1000, 0), (250, 900, 1), (449, 50, 1), (450, 50, 0)]), []);
        assert_eq!(told(&[(0, 90, 5), (200, 90, 5), (201, 90, 0), (210, 90, 9)]), [(200, true), (201, false)]);
    }
}
