//! What others may want to be told of.

use std::fmt;
use std::str::FromStr;

/// A turn in the fate of an object, a delivery or a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// An object is committed.
    Stored,
    /// A recipient has its file.
    Delivered,
    /// A delivery was given up.
    Failed,
    /// The time of an object, or of a delivery, is over.
    Expired,
    /// A delivery was called back.
    Cancelled,
    /// A box has nearly used its quota, or has refused a file because of it.
    Quota,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Stored, Self::Delivered, Self::Failed, Self::Expired, Self::Cancelled, Self::Quota];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Quota => "quota",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Occasion {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|occasion| occasion.word() == word).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|occasion| occasion.word()).collect();
            format!("\"{word}\" is none of {}", words.join(", "))
        })
    }
}
