//! The one place that reads clocks.

use std::time::{Duration, SystemTime};

use crate::model::{Instant, Now, Wall};

/// Both clocks of this process. Its [`Instant`]s count from the moment it was made; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// A clock whose origin is this moment.
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    /// What both clocks say now.
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now {
            instant: Instant::from_origin(self.origin.elapsed()),
            wall: Wall::from_micros(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)),
        }
    }

    /// The runtime's instant for a deadline, as `tokio::time::sleep_until` takes it.
    pub fn at(&self, deadline: Instant) -> tokio::time::Instant {
        self.origin.checked_add(deadline.since_origin()).unwrap_or_else(|| self.origin + FAR)
    }
}

/// Stands for deadlines past what the runtime can name: nobody waits that long.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_goes_to_the_runtime_and_back_even_if_it_is_beyond_all_time() {
        let clock = Clock::start();
        let soon = clock.now().instant + Duration::from_secs(5);
        assert_eq!(clock.at(soon) - clock.at(Instant::default()), soon.since_origin());
        assert!(clock.at(Instant::from_origin(Duration::MAX)) > clock.at(soon));
    }

    #[test]
    fn the_wall_clock_counts_from_1970_in_microseconds() {
        let year_2020 = 1_577_836_800_000_000;
        assert!(Clock::start().now().wall.micros() > year_2020);
    }
}
