//! A notice: one word about one fate for one target, and what it takes to bring it there.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::model::{Occasion, Wall};

/// Whom a notice is for, and by what it goes there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The webhook that is configured under this name.
    Hook(String),
    /// Whoever answers at this `http:` or `https:` URL, which somebody has asked for.
    Url(String),
    /// Whoever is reached at this `sip:` or `sips:` URI, by MESSAGE (RFC 3428).
    Sip(String),
}

/// By what a notice goes. Each way has room and time of its own: whoever can fill one keeps nobody waiting on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To whom the operator has configured.
    Hook,
    /// To a URL that somebody has asked for.
    Url,
    /// To whoever has sent something, or wherever he says.
    Sip,
}

/// What a webhook's name begins with where a target is one word.
const HOOK: &str = "hook:";

impl Target {
    /// By what a notice goes there.
    pub const fn way(&self) -> Way {
        match self {
            Self::Hook(_) => Way::Hook,
            Self::Url(_) => Way::Url,
            Self::Sip(_) => Way::Sip,
        }
    }

    /// The target of this word.
    pub fn parse(word: &str) -> Option<Self> {
        if let Some(name) = word.strip_prefix(HOOK) {
            return Some(Self::Hook(name.to_owned()));
        }
        if ["sip:", "sips:"].iter().any(|scheme| word.starts_with(scheme)) {
            return Some(Self::Sip(word.to_owned()));
        }
        ["http://", "https://"].iter().any(|scheme| word.starts_with(scheme)).then(|| Self::Url(word.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(name) => write!(f, "{HOOK}{name}"),
            Self::Url(uri) | Self::Sip(uri) => f.write_str(uri),
        }
    }
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its name, made of what it says and to whom: to say it twice is to say it once.
    pub id: String,
    /// Whom it is for.
    pub target: Target,
    /// Of what.
    pub occasion: Occasion,
    /// The object, or box, that it is about: what is about one keeps its order.
    pub subject: String,
    /// When it came about.
    pub at: Wall,
    /// What is said, as it goes out.
    pub body: String,
}

impl Notice {
    /// The id of the notice that says this of that (an object, a delivery, a box and an hour) to this target.
    pub fn id_of(occasion: Occasion, of: &str, target: &Target) -> String {
        let mut hash = Sha256::new();
        for part in [occasion.word(), of, &target.to_string()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()[..16].iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// Where a notice is that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// It is brought there, or will be.
    Waiting,
    /// It was given up.
    Dead,
}

/// What is known of the way of a notice, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// Its place among all.
    pub number: u64,
    /// Its id.
    pub id: String,
    /// Whom it is for.
    pub target: Target,
    /// What it is about.
    pub subject: String,
    /// Attempts that have failed.
    pub attempts: u32,
    /// When it is tried next.
    pub next: Wall,
    /// When it is given up.
    pub expires: Wall,
}

/// A notice as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Itself.
    pub notice: Notice,
    /// Its way.
    pub slip: Slip,
    /// Whether it waits, or was given up.
    pub state: NoticeState,
    /// When it was written down.
    pub created: Wall,
    /// Why it was not taken yet, or was given up.
    pub reason: String,
}
