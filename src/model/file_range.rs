//! `file-range` of RFC 5547 §6: which octets of a file are meant.

use std::fmt;
use std::ops::Range;

/// Octets of a file, counted from 1, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The first octet.
    pub start: u64,
    /// The last octet; `None` (`*`) is the file's last.
    pub stop: Option<u64>,
}

impl FileRange {
    /// Everything from the zero-based octet `offset` on.
    pub const fn from_offset(offset: u64) -> Self {
        Self { start: offset.saturating_add(1), stop: None }
    }

    /// The zero-based half-open range of octets it means in a file of `size` octets; `None` if the file has not all of
    /// them.
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let (start, end) = (self.start.checked_sub(1)?, self.stop.unwrap_or(size));
        (start <= end && end <= size).then_some(start..end)
    }

    /// Reads `FIRST-LAST` or `FIRST-*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, stop) = text.trim().split_once('-')?;
        let start = number(start)?;
        let stop = if stop == "*" { None } else { Some(number(stop)?) };
        (start > 0 && stop.is_none_or(|stop| start <= stop)).then_some(Self { start, stop })
    }
}

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stop {
            Some(stop) => write!(f, "{}-{stop}", self.start),
            None => write!(f, "{}-*", self.start),
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}
