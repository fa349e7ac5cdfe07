//! What has become of an object that is still there: how far its reader is, who holds it, and whether it is on its way out.

use serde::{Deserialize, Serialize};

use crate::model::Wall;

use super::came::Came;
use super::delivery::Delivery;
use super::layout::Id;
use super::micros;
use super::record::{self, Kind, Unreadable};

/// How far an object's reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Nobody has seen it.
    #[default]
    New,
    /// It was seen.
    Seen,
    /// It was seen and shall be kept.
    Saved,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::New, Self::Seen, Self::Saved];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Seen => "seen",
            Self::Saved => "saved",
        }
    }
}

/// Whether an object is on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is there.
    #[default]
    Stored,
    /// It was deleted, and can still be brought back.
    Deleted,
    /// Its time is over, which is said before its octets go.
    Expired,
}

impl Fate {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
        }
    }
}

/// Who stands before the end of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// An operator, who keeps it from delivery, too.
    Operator,
    /// The law. It is delivered as ever.
    Legal,
}

/// Who did something, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Who.
    pub by: String,
    /// When, by the wall clock.
    #[serde(with = "micros")]
    pub at: Wall,
}

/// What has become of an object since its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it is on its way out.
    pub fate: Fate,
    /// By whom and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Deed>,
    /// How far its reader is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mark: Mark,
    /// By whom and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<Deed>,
    /// Its reader should not wait.
    #[serde(default, skip_serializing_if = "is_default")]
    pub urgent: bool,
    /// An operator keeps it: it is neither delivered nor ended nor replaced until this is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Deed>,
    /// It is delivered, but nothing may end or replace it until this is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal: Option<Deed>,
    /// To whom it is being forwarded, or was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
}

/// Which objects a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Those that are there and that nobody holds.
    Stored,
    /// Those that an operator holds.
    Held,
    /// Those under legal hold, also when they are on their way out.
    Legal,
    /// Those that can be brought back.
    Deleted,
    /// Those whose time is over.
    Expired,
    /// Those that are there, by their mark.
    Marked(Mark),
    /// Those that are there and urgent.
    Urgent,
}

impl Filter {
    /// All of them, by their words.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("stored", Self::Stored),
        ("held", Self::Held),
        ("legal", Self::Legal),
        ("deleted", Self::Deleted),
        ("expired", Self::Expired),
        ("new", Self::Marked(Mark::New)),
        ("seen", Self::Marked(Mark::Seen)),
        ("saved", Self::Marked(Mark::Saved)),
        ("urgent", Self::Urgent),
    ];

    /// The one of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, filter)| *filter)
    }

    /// What it asks of a row; without a filter everything that is there is shown.
    pub(super) const fn condition(filter: Option<Self>) -> &'static str {
        match filter {
            None => "coalesce(fate, 0) = 0",
            Some(Self::Stored) => "coalesce(fate, 0) = 0 AND coalesce(held, 0) & 1 = 0",
            Some(Self::Held) => "fate = 0 AND held & 1 = 1",
            Some(Self::Legal) => "held & 2 = 2",
            Some(Self::Deleted) => "fate = 1",
            Some(Self::Expired) => "fate = 2",
            Some(Self::Marked(Mark::New)) => "coalesce(fate, 0) = 0 AND coalesce(mark, 0) = 0",
            Some(Self::Marked(Mark::Seen)) => "fate = 0 AND mark = 1",
            Some(Self::Marked(Mark::Saved)) => "fate = 0 AND mark = 2",
            Some(Self::Urgent) => "fate = 0 AND urgent = 1",
        }
    }
}

impl Standing {
    /// Its word: `stored`, `held`, `deleted` or `expired`.
    pub const fn word(&self) -> &'static str {
        match self.fate {
            Fate::Stored if self.held.is_some() => "held",
            fate => fate.word(),
        }
    }

    /// Who stands before its end.
    pub const fn holder(&self) -> Option<&Deed> {
        match (&self.legal, &self.held) {
            (Some(deed), _) | (None, Some(deed)) => Some(deed),
            (None, None) => None,
        }
    }

    /// Which holds there are, for the index.
    pub(super) const fn holds(&self) -> u8 {
        self.held.is_some() as u8 | (self.legal.is_some() as u8) << 1
    }

    /// Whether a listing of its box shows it, and its quota counts it.
    pub const fn is_listed(&self) -> bool {
        matches!(self.fate, Fate::Stored)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The end of an object: the only state of version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tombstone {
    pub(super) state: String,
    #[serde(default)]
    pub(super) by: String,
    #[serde(default)]
    pub(super) at: u64,
    /// What it was, for a sender that has missed its report and does not know that its reader was quicker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) came: Option<Came>,
}

/// The word of a [`Tombstone`].
pub(super) const DELETED: &str = "deleted";

impl Tombstone {
    /// The one in a record; a word that is none says nothing.
    pub(super) fn decode(octets: &[u8]) -> Result<Option<Self>, Unreadable> {
        let tombstone: Self =
            serde_json::from_slice(record::decode(Kind::State, octets)?).map_err(|_| Unreadable::Damaged)?;
        Ok(Some(tombstone).filter(|tombstone| tombstone.state == DELETED))
    }

    /// The record that ends an object.
    pub(super) fn encode(by: &str, at: Wall, came: Option<Came>) -> Vec<u8> {
        let tombstone = Self { state: DELETED.to_owned(), by: by.to_owned(), at: at.micros(), came };
        record::encode(Kind::State, &serde_json::to_vec(&tombstone).expect("a state is strings and numbers"))
    }
}

/// What has become of an object, as it is written down. Of two the one with the higher turn counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) turn: u64,
    #[serde(flatten)]
    pub(super) standing: Standing,
}

impl Written {
    /// The record, and the checksum that is part of its name.
    pub(super) fn encode(&self) -> (u64, Vec<u8>) {
        let version = if self.standing.deliveries.is_empty() { record::STANDING } else { record::DELIVERING };
        let record = record::encode_as(version, Kind::State, self.json().as_bytes());
        (record::sum(&record).expect("a record has a checksum"), record)
    }

    /// What the record of this name says.
    pub(super) fn decode(sum: u64, octets: &[u8]) -> Result<Self, Unreadable> {
        let json = record::decode(Kind::State, octets)?;
        let written = serde_json::from_slice(json).ok().filter(|_| record::sum(octets) == Some(sum));
        written.ok_or(Unreadable::Damaged)
    }

    /// What the index keeps of it.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a state is strings and numbers")
    }

    /// What the index has kept.
    pub(super) fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// One object and what has become of it, as the sweep looks at it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: Id,
    pub(super) mailbox: String,
    pub(super) name: String,
    pub(super) octets: u64,
    pub(super) stored: Wall,
    pub(super) expires: Option<Wall>,
    pub(super) standing: Standing,
}
