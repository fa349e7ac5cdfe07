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

/// A clock that shows an earlier date than this is wrong, however long it does: no release is older.
const NO_EARLIER: Wall = Wall::from_micros(1_767_225_600_000_000); // 2026-01-01

/// What is known of the wall clock.
#[derive(Default)]
pub(super) struct Calendar(Mutex<Seen>);

#[derive(Clone, Copy, Default)]
enum Seen {
    #[default]
    Nothing,
    /// The last date of an earlier process, and whether it was believed then.
    Before(Wall, bool),
    Known(Known),
}

#[derive(Clone, Copy)]
struct Known {
    /// The last moment whose date was believed.
    sober: Now,
    /// Since when the clock has shown another date than uptime allows.
    astray: Option<Instant>,
}

impl Calendar {
    /// The last date that is known of the spool: of a sweep, which believed it, or of a file, which had it of some clock.
    pub(super) fn begin(&self, last: Wall, was_believed: bool) {
        *locked(&self.0) = Seen::Before(last, was_believed);
    }

    /// The date by which things may be called old: that of the clock or the believed one, whichever is earlier.
    pub(super) fn date(&self, now: Now) -> Wall {
        self.believed(now).min(now.wall)
    }

    /// The date that is written down for what happens now: that of the clock or the believed one, whichever is later. A
    /// clock that is behind would make it too old as soon as somebody sets it right.
    pub(super) fn stamp(&self, now: Now) -> Wall {
        self.believed(now).max(now.wall)
    }

    /// That of the clock, if it fits to the last one that was believed and the uptime since, or has not fitted for so long
    /// that it was meant; otherwise those two together.
    pub(super) fn believed(&self, now: Now) -> Wall {
        let mut known = locked(&self.0);
        let Known { sober, astray } = match *known {
            Seen::Known(known) => known,
            Seen::Before(last, true) if now.wall < last || now.wall > later(last, OFF) => Known::of(last, now),
            // The clock of one file was some clock: it says something only where ours says nothing.
            Seen::Before(last, false) if now.wall < NO_EARLIER || now.wall > later(last, OFF) => Known::of(last, now),
            Seen::Before(..) | Seen::Nothing => Known::of(now.wall, now),
        };
        let expected = later(sober.wall, now.instant - sober.instant);
        let since = astray.unwrap_or(now.instant);
        let fits = now.wall <= later(expected, DRIFT) && expected <= later(now.wall, DRIFT);
        if now.wall >= NO_EARLIER && (fits || now.instant - since > BELIEVED) {
            *known = Seen::Known(Known::of(now.wall, now));
            return now.wall;
        }
        if astray.is_none() {
            tracing::warn!(
                clock = now.wall.rfc3339(),
                expected = expected.rfc3339(),
                "the clock has leapt, or was never set: for a day nothing expires by it, and nothing gets an earlier date"
            );
        }
        *known = Seen::Known(Known { sober, astray: Some(since) });
        expected
    }
}

impl Known {
    /// This was the date now.
    fn of(wall: Wall, now: Now) -> Self {
        Self { sober: Now { wall: wall.max(NO_EARLIER), ..now }, astray: None }
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
        Now { instant: Instant::default() + uptime, wall: later(NO_EARLIER, wall) }
    }

    fn hours(date: Wall) -> i64 {
        (date.micros() as i64 - NO_EARLIER.micros() as i64) / 3_600_000_000
    }

    // R21
    #[test]
    fn a_leap_forward_makes_nothing_old_before_it_has_stood_for_a_day() {
        let (calendar, years) = (Calendar::default(), HOUR * 24 * 3650);
        let date = |uptime, wall| hours(calendar.date(at(uptime, wall)));
        assert_eq!(date(HOUR, HOUR * 100), 100);
        assert_eq!(date(HOUR * 2, HOUR * 101 + years), 101, "an hour of uptime is an hour");
        assert_eq!(date(HOUR * 5, HOUR * 104), 104, "it was set right again");
        assert_eq!(date(HOUR * 6, HOUR * 105 + years), 105);
        assert_eq!(date(HOUR * 20, HOUR * 119 + years), 119);
        assert_eq!(date(HOUR * 31, HOUR * 130 + years), 130 + 87_600, "somebody meant it");
    }

    // R21
    #[test]
    fn a_leap_back_makes_everything_younger_and_what_comes_then_gets_no_earlier_date_before_it_has_stood_for_a_day() {
        let calendar = Calendar::default();
        let both = |uptime, wall| {
            let now = at(uptime, wall);
            (hours(calendar.date(now)), hours(calendar.stamp(now)))
        };
        assert_eq!(both(HOUR, HOUR * 100), (100, 100));
        assert_eq!((both(HOUR * 2, HOUR * 50), both(HOUR * 3, HOUR * 51)), ((50, 101), (51, 102)));
        assert_eq!(both(HOUR * 4, HOUR * 103), (103, 103), "it was set right again");
        assert_eq!(both(HOUR * 5, HOUR * 50), (50, 104));
        assert_eq!(both(HOUR * 30, HOUR * 75), (75, 75), "somebody meant it");
    }

    // R21
    #[test]
    fn a_clock_that_was_never_set_dates_nothing_before_there_was_a_release_however_long_it_stays_so() {
        let calendar = Calendar::default();
        let in_2000 = |uptime: Duration| {
            let wall = later(Wall::from_micros(946_684_800_000_000), uptime);
            Now { instant: Instant::default() + uptime, wall }
        };
        for uptime in [HOUR, HOUR * 100] {
            assert_eq!(hours(calendar.stamp(in_2000(uptime))), (uptime.as_secs() / 3600 - 1) as i64);
            assert!(calendar.date(in_2000(uptime)) < NO_EARLIER);
        }
        let known = Calendar::default();
        known.begin(later(NO_EARLIER, HOUR * 500), true);
        assert_eq!(hours(known.stamp(in_2000(HOUR))), 500, "the last sweep had a clock");
        let of_a_file = Calendar::default();
        of_a_file.begin(later(NO_EARLIER, HOUR * 90_000), false);
        assert_eq!(
            hours(of_a_file.stamp(at(HOUR, HOUR * 500))),
            500,
            "one file may have come in a year that is not yet"
        );
    }
}
