//! The date, as far as it can be believed: a clock that leaps forward must not make everything old at once.

use std::sync::Mutex;
use std::time::Duration;

use crate::model::{Instant, Now, Wall};

use super::locked::locked;

/// Clocks that are set by the network drift by less than this between two sweeps.
const DRIFT: Duration = Duration::from_secs(300);

/// A leap that has stood for so much uptime was meant: somebody has looked at the machine by then.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);

/// At a start the clock may be so far ahead of the last date that is known of the spool: it was off for a while. More may
/// be a clock that was set wrong.
const OFF: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is known of the wall clock.
#[derive(Default)]
pub(super) struct Calendar(Mutex<Seen>);

#[derive(Clone, Copy, Default)]
enum Seen {
    #[default]
    Nothing,
    /// The last date of an earlier process.
    Before(Wall),
    Known(Known),
}

#[derive(Clone, Copy)]
struct Known {
    /// The last moment whose date was believed.
    sober: Now,
    /// Since when the clock has been ahead of what uptime allows.
    ahead: Option<Instant>,
}

impl Calendar {
    /// The last date that is known of the spool.
    pub(super) fn begin(&self, last: Wall) {
        *locked(&self.0) = Seen::Before(last);
    }

    /// The date by which things may be called old: that of the clock, or the last one that was believed and the uptime
    /// since, whichever is earlier.
    pub(super) fn date(&self, now: Now) -> Wall {
        let mut known = locked(&self.0);
        let Known { sober, ahead } = match *known {
            Seen::Known(known) => known,
            Seen::Before(last) if now.wall > later(last, OFF) => {
                Known { sober: Now { wall: last, ..now }, ahead: None }
            }
            Seen::Before(_) | Seen::Nothing => Known { sober: now, ahead: None },
        };
        let uptime = now.instant - sober.instant;
        let expected = later(sober.wall, uptime);
        if now.wall <= later(expected, DRIFT) {
            *known = Seen::Known(Known { sober: now, ahead: None });
            return now.wall;
        }
        let since = ahead.unwrap_or(now.instant);
        if now.instant - since > BELIEVED {
            *known = Seen::Known(Known { sober: now, ahead: None });
            return now.wall;
        }
        if ahead.is_none() {
            tracing::warn!(
                clock = now.wall.rfc3339(),
                expected = expected.rfc3339(),
                "the clock has leapt: nothing expires by it for a day"
            );
        }
        *known = Seen::Known(Known { sober, ahead: Some(since) });
        expected
    }
}

/// So much later by the wall clock.
pub(super) fn later(wall: Wall, by: Duration) -> Wall {
    Wall::from_micros(wall.micros().saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(uptime: Duration, wall: Duration) -> Now {
        Now { instant: Instant::default() + uptime, wall: later(Wall::default(), wall) }
    }

    // R21
    #[test]
    fn a_leap_forward_makes_nothing_old_before_it_has_stood_for_a_day() {
        let (calendar, years) = (Calendar::default(), HOUR * 24 * 3650);
        let date = |uptime, wall| calendar.date(at(uptime, wall)).micros() / 3_600_000_000;
        assert_eq!(date(HOUR, HOUR * 100), 100);
        assert_eq!(date(HOUR * 2, HOUR * 101 + years), 101, "an hour of uptime is an hour");
        assert_eq!(date(HOUR * 5, HOUR * 104), 104, "it was set right again");
        assert_eq!(date(HOUR * 6, HOUR * 105 + years), 105);
        assert_eq!(date(HOUR * 20, HOUR * 119 + years), 119);
        assert_eq!(date(HOUR * 31, HOUR * 130 + years), 130 + 87_600, "somebody meant it");
    }

    // R21
    #[test]
    fn a_leap_back_makes_everything_younger_and_the_next_date_is_counted_from_there() {
        let calendar = Calendar::default();
        let date = |uptime, wall| calendar.date(at(uptime, wall)).micros() / 3_600_000_000;
        assert_eq!((date(HOUR, HOUR * 100), date(HOUR * 2, HOUR * 50), date(HOUR * 3, HOUR * 51)), (100, 50, 51));
    }
}
