//! When something is tried again: later each time, never later than the longest wait, and not everything at once.

use std::time::Duration;

use crate::model::Backoff;

/// The operator's choice of how patiently files are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The wait after the first failure; it doubles with each one more.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// How long a delivery is tried that names no time of its own, and the longest it may name.
    pub lifetime: Duration,
    /// Attempts at once with one destination.
    pub concurrency: usize,
    /// Attempts at once, all together.
    pub active: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_secs(300),
            backoff_max: Duration::from_secs(4000),
            lifetime: Duration::from_secs(5 * 24 * 3600),
            concurrency: 20,
            active: 200,
        }
    }
}

impl Config {
    /// How long to wait after so many failures, at least `least`.
    pub fn wait(&self, failures: u32, least: Option<Duration>, chance: u64) -> Duration {
        let wait = Backoff { first: self.backoff_min, longest: self.backoff_max }.wait(failures, chance);
        least.map_or(wait, |least| wait.max(least.min(self.lifetime)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_from_300_to_4000_seconds() {
        let waits: Vec<u64> = (0..7).map(|failures| Config::default().wait(failures, None, 0).as_secs()).collect();
        assert_eq!(waits, [300, 300, 600, 1200, 2400, 4000, 4000]);
    }

    #[test]
    fn the_peers_retry_after_is_the_least_and_never_past_the_lifetime() {
        let config = Config::default();
        assert_eq!(config.wait(1, Some(Duration::from_secs(7200)), 9), Duration::from_secs(7200));
        assert_eq!(config.wait(1, Some(Duration::from_secs(1)), 0), Duration::from_secs(300));
        assert_eq!(config.wait(1, Some(Duration::MAX), 0), config.lifetime);
    }

    proptest! {
        #[test]
        fn chance_shortens_a_wait_by_a_quarter_at_most(failures in any::<u32>(), chance in any::<u64>()) {
            let config = Config::default();
            let (longest, wait) = (config.wait(failures, None, 0), config.wait(failures, None, chance));
            prop_assert!(wait <= longest && wait >= longest - longest / 4);
        }
    }
}
