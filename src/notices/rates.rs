//! How often each of many may be told something, and each of many may have it told: a token bucket for each.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::Wall;
use crate::model::limits::RATES;

/// So many at once, and one more each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub burst: u32,
    /// How long a token takes to come back.
    pub every: Duration,
}

/// One bucket for each name. Its time is that of what is told, so that whatever is looked for again counts as it did.
#[derive(Debug)]
pub struct Rates {
    rate: Rate,
    /// When each bucket is full again; those that are full are forgotten.
    full: HashMap<String, Wall>,
}

impl Rates {
    /// All of them are full.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full: HashMap::new() }
    }

    /// Takes a token of this name, if there is one. Past [`RATES`] names at a time there is none for others.
    pub fn take(&mut self, name: &str, at: Wall) -> bool {
        let full = self.full.get(name).map_or(at, |full| at.max(*full));
        if full.since(at) > self.rate.every * self.rate.burst.saturating_sub(1) {
            return false;
        }
        if self.full.len() >= RATES && !self.full.contains_key(name) {
            self.full.retain(|_, full| *full > at);
            if self.full.len() >= RATES {
                return false;
            }
        }
        self.full.insert(name.to_owned(), full.after(self.rate.every));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(1) };

    fn at(seconds: u64) -> Wall {
        Wall::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn each_has_a_burst_of_its_own_and_then_one_for_each_token_that_comes_back() {
        let mut rates = Rates::new(RATE);
        let taken = |rates: &mut Rates, name, seconds| (0..9).filter(|_| rates.take(name, at(seconds))).count();
        assert_eq!(taken(&mut rates, "alice", 10), 3);
        assert_eq!(taken(&mut rates, "bob", 10), 3, "nobody else's are less for it");
        assert_eq!(taken(&mut rates, "alice", 12), 2);
        assert_eq!(taken(&mut rates, "alice", 60), 3, "and never more than a burst");
    }

    #[test]
    fn more_names_than_are_kept_have_none_until_others_are_full_again() {
        let mut rates = Rates::new(RATE);
        assert_eq!((0..RATES + 9).filter(|name| rates.take(&name.to_string(), at(10))).count(), RATES);
        assert!(rates.take("one more", at(11)));
    }
}
