//! Which octets: a Byte-Range as a peer writes it, and the set of ranges that have arrived.

use std::fmt;

/// RFC 4975 §7.1: `start-end/total`, one-based and inclusive; an end or total of `*` is `None`.
///
/// An empty message is `1-0/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First octet, counted from 1.
    pub start: u64,
    /// Last octet, inclusive; unknown while the chunk may be interrupted.
    pub end: Option<u64>,
    /// Size of the whole message, if the sender knows it.
    pub total: Option<u64>,
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |n: Option<u64>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        write!(f, "{}-{}/{}", self.start, star(self.end), star(self.total))
    }
}

/// A set of zero-based half-open octet ranges, merged and sorted, with a bounded number of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    pieces: Vec<(u64, u64)>,
}

/// More separate pieces than the limit allows: the sender skips about too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} separate pieces")]
pub struct TooManyHoles {
    /// The limit that would be passed.
    pub limit: usize,
}

impl Ranges {
    /// The empty set.
    pub const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Adds `start..end`. Overlaps and duplicates merge; an empty range changes nothing.
    ///
    /// # Errors
    /// [`TooManyHoles`] if the set would need more than `limit` pieces; the set is then unchanged.
    pub fn insert(&mut self, start: u64, end: u64, limit: usize) -> Result<(), TooManyHoles> {
        if start >= end {
            return Ok(());
        }
        let first = self.pieces.partition_point(|piece| piece.1 < start);
        let after = self.pieces.partition_point(|piece| piece.0 <= end);
        if first == after && self.pieces.len() >= limit {
            return Err(TooManyHoles { limit });
        }
        let merged = self.pieces[first..after]
            .iter()
            .fold((start, end), |merged, piece| (merged.0.min(piece.0), merged.1.max(piece.1)));
        self.pieces.splice(first..after, [merged]);
        Ok(())
    }

    /// How many octets from zero on are there without a hole.
    pub fn prefix(&self) -> u64 {
        self.pieces.first().filter(|piece| piece.0 == 0).map_or(0, |piece| piece.1)
    }

    /// Whether every octet of `0..total` is there.
    pub fn covers(&self, total: u64) -> bool {
        self.prefix() >= total
    }

    /// Whether every octet of `start..end` is there.
    pub fn contains(&self, start: u64, end: u64) -> bool {
        start >= end || self.pieces.iter().any(|piece| piece.0 <= start && end <= piece.1)
    }

    /// Whether any octet of `start..end` is there.
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.pieces.iter().any(|piece| piece.0 < end && start < piece.1)
    }

    /// One past the highest octet.
    pub fn end(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.1)
    }

    /// How many octets are in the set.
    pub fn octets(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.1 - piece.0).sum()
    }

    /// The merged pieces in order, zero-based and half-open.
    pub fn pieces(&self) -> &[(u64, u64)] {
        &self.pieces
    }

    /// The octets from `start` on, counted from there.
    #[must_use]
    pub fn from(&self, start: u64) -> Self {
        let rest = self.pieces.iter().filter(|piece| piece.1 > start);
        Self { pieces: rest.map(|piece| (piece.0.saturating_sub(start), piece.1 - start)).collect() }
    }

    /// The octets that are not in `start..end`.
    #[must_use]
    pub fn without(&self, start: u64, end: u64) -> Self {
        let around = |piece: &(u64, u64)| [(piece.0, piece.1.min(start)), (piece.0.max(end), piece.1)];
        Self { pieces: self.pieces.iter().flat_map(around).filter(|piece| piece.0 < piece.1).collect() }
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hole_past_the_limit_is_refused_and_changes_nothing() {
        let mut ranges = Ranges::new();
        ranges.insert(0, 1, 2).expect("one piece");
        ranges.insert(4, 5, 2).expect("two pieces");
        assert_eq!(ranges.insert(8, 9, 2), Err(TooManyHoles { limit: 2 }));
        assert_eq!(ranges.pieces(), [(0, 1), (4, 5)]);
        ranges.insert(1, 4, 2).expect("filling a hole needs no new piece");
        assert_eq!(ranges.pieces(), [(0, 5)]);
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_map_of_octets(inserts in prop::collection::vec((0u64..60, 0u64..20), 0..30)) {
            let (mut ranges, mut map) = (Ranges::new(), [false; 80]);
            for (start, length) in inserts {
                ranges.insert(start, start + length, usize::MAX).expect("no limit");
                map[start as usize..(start + length) as usize].fill(true);
            }
            let octets = map.iter().filter(|there| **there).count() as u64;
            prop_assert_eq!(ranges.octets(), octets);
            prop_assert_eq!(ranges.prefix(), map.iter().take_while(|there| **there).count() as u64);
            prop_assert!(ranges.pieces().windows(2).all(|pair| pair[0].1 < pair[1].0));
            for start in 0..80 {
                let rest = ranges.from(start as u64);
                prop_assert_eq!(rest.octets(), map[start..].iter().filter(|there| **there).count() as u64);
                prop_assert!((start..80).all(|at| rest.contains((at - start) as u64, (at - start) as u64 + 1) == map[at]));
            }
            for total in 0..80 {
                prop_assert_eq!(ranges.covers(total), map[..total as usize].iter().all(|there| *there));
            }
        }
    }
}
