//! How long to wait after a failure: longer each time, never longer than the longest wait, and not everybody as long.

use std::time::Duration;

/// Waits that double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest one.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures. Of each wait chance takes up to a quarter away, so that what has failed together
    /// does not come back together.
    pub fn wait(&self, failures: u32, chance: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let base = self.first.saturating_mul(1 << doublings).min(self.longest.max(self.first));
        let quarter = u64::try_from((base / 4).as_micros()).unwrap_or(u64::MAX - 1);
        base.saturating_sub(Duration::from_micros(chance % (quarter + 1)))
    }
}
