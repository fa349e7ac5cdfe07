//! How many attempts somebody can take at once, and whether he should be left alone for now.

use std::time::Duration;

use crate::model::Instant;

/// So many failures in a row, each of an attempt that ran beside others, and a destination is taken to be down.
const DOWN_AFTER: u32 = 3;

/// What is known of a host that files go to, or of one recipient there.
///
/// ```text
///   attempts at once:  1 ─ delivered ─> 2 ─ delivered ─> 3 .. most        (slow start)
///                      ^                                     |
///                      |   nobody answers: half as many      |
///                      +-------------------------------------+
///   nobody answers, and nothing has got through just now: nobody knocks until it is time for one attempt
/// ```
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// Attempts that may run at once.
    window: usize,
    /// Attempts that run.
    running: usize,
    /// Failures since something got through.
    failures: u32,
    /// Nobody knocks before this.
    quiet: Option<Instant>,
}

impl Destination {
    /// One of which nothing is known yet.
    pub(super) const fn new() -> Self {
        Self { window: 1, running: 0, failures: 0, quiet: None }
    }

    /// Until when nobody should knock; none if it is not so.
    pub(super) fn quiet(&self, now: Instant) -> Option<Instant> {
        self.quiet.filter(|until| *until > now)
    }

    /// Whether one more attempt fits beside those that run.
    pub(super) const fn has_room(&self) -> bool {
        self.running < self.window
    }

    /// Attempts that run.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    pub(super) const fn begin(&mut self) {
        self.running += 1;
    }

    /// An attempt is over, however.
    pub(super) const fn over(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Somebody answered there: one more at once, up to `most`.
    pub(super) fn answered(&mut self, most: usize) {
        (self.failures, self.quiet) = (0, None);
        self.window = (self.window + 1).min(most.max(1));
    }

    /// Nobody did. `wait` says for how long to leave it alone after so many failures.
    pub(super) fn failed(&mut self, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        let proven = self.window > 1;
        self.window = (self.window / 2).max(1);
        self.failures = self.failures.saturating_add(1);
        if !proven || self.failures >= DOWN_AFTER {
            self.window = 1;
            self.quiet = Some(now + wait(self.failures));
        }
    }

    /// Leaves it alone until then.
    pub(super) const fn hush(&mut self, until: Instant) {
        self.quiet = Some(until);
    }

    /// Somebody says that it is there: the next attempt may begin at once.
    pub(super) const fn wake(&mut self) {
        self.quiet = None;
    }

    /// Whether nothing is known of it that a new one would not know.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.running == 0 && self.failures == 0 && self.quiet(now).is_none()
    }
}

/// The host that a SIP URI leads to, as the queue has it.
pub fn host(uri: &str) -> String {
    parts(uri).0
}

/// The host that a SIP URI leads to, and the recipient there: what a window is kept for. The port belongs to the host; the
/// parameters do not.
pub(super) fn parts(uri: &str) -> (String, String) {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split(['?', '>']).next().unwrap_or(rest);
    // RFC 3261 §25.1: only escaped can an @ stand in a user part.
    let (user, host) = rest.split_once('@').map_or(("", rest), |(user, host)| (user, host));
    let host = host.split(';').next().unwrap_or(host).to_ascii_lowercase();
    let user = user.split([';', ':']).next().unwrap_or(user);
    let recipient = format!("{user}@{host}");
    (host, recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_origin(Duration::from_secs(100));

    #[test]
    fn a_window_opens_with_each_success_and_never_past_its_limit() {
        let mut destination = Destination::new();
        for expected in [2, 3, 4, 4] {
            destination.answered(4);
            assert_eq!(destination.window, expected);
        }
        for _ in 0..4 {
            assert!(destination.has_room());
            destination.begin();
        }
        assert!(!destination.has_room());
    }

    #[test]
    fn one_that_has_never_answered_is_down_at_once_and_another_after_three_failures() {
        let wait = |failures| Duration::from_secs(u64::from(failures));
        let mut unknown = Destination::new();
        unknown.failed(NOW, wait);
        assert_eq!(unknown.quiet(NOW), Some(NOW + Duration::from_secs(1)));
        let mut proven = Destination { window: 16, ..Destination::new() };
        for _ in 0..2 {
            proven.failed(NOW, wait);
            assert_eq!(proven.quiet(NOW), None);
        }
        proven.failed(NOW, wait);
        assert_eq!(proven.quiet(NOW), Some(NOW + Duration::from_secs(3)));
        assert_eq!(proven.quiet(NOW + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_uri_leads_to_a_host_and_to_somebody_there() {
        let told = |uri| {
            let (host, recipient) = parts(uri);
            format!("{host} {recipient}")
        };
        assert_eq!(told("sip:Bob@Example.NET;transport=tcp?x=y"), "example.net Bob@example.net");
        assert_eq!(told("sips:bob:secret@[2001:db8::1]:5061"), "[2001:db8::1]:5061 bob@[2001:db8::1]:5061");
        assert_eq!(told("sip:example.net"), "example.net @example.net");
        assert_eq!(told("nonsense"), "nonsense @nonsense");
    }
}
