//! A delivery as it is written down with its object: a job that forwards the object to one recipient.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Wall;

use super::micros;

/// Who makes the call that hands the file on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Caller {
    /// We do.
    #[default]
    Uac,
    /// An application server does, and names the connection that it has made.
    As,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It waits for its first attempt, or for the next.
    #[default]
    Waiting,
    /// An attempt has begun, and nothing is known of its end.
    Trying,
    /// The recipient has the file.
    Delivered,
    /// It was given up: it can't succeed, or has been tried often enough.
    Failed,
    /// It was given up: its time is over.
    Expired,
    /// Somebody has called it back.
    Cancelled,
}

impl Progress {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Trying => "trying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will happen to it any more.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Waiting | Self::Trying)
    }
}

/// A delivery. It is written down whole whenever it changes, and never without the token of its last attempt: of two
/// writers the one with the older token is told no.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its name, never used again. Whoever receives the file twice can tell by it.
    pub id: String,
    /// The id of its object, with which it lies.
    #[serde(skip)]
    pub object: String,
    /// What the object was called then.
    #[serde(default)]
    pub uri: String,
    /// The recipient's SIP URI.
    pub to: String,
    /// Who calls.
    #[serde(default)]
    pub caller: Caller,
    /// How far it is.
    pub progress: Progress,
    /// When it was asked for.
    #[serde(with = "micros")]
    pub created: Wall,
    /// When its time is over.
    #[serde(with = "micros")]
    pub expires: Wall,
    /// When the next attempt is due.
    #[serde(with = "micros")]
    pub next: Wall,
    /// When this was written.
    #[serde(with = "micros")]
    pub changed: Wall,
    /// Attempts that have begun.
    #[serde(default)]
    pub attempts: u32,
    /// How many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
    /// Seconds between two attempts, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<u64>,
    /// The last 200 of the recipient is enough: no REPORT is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreported: bool,
    /// The token of its last attempt: they only grow.
    #[serde(default)]
    pub token: u64,
    /// Octets from the start of the file that the recipient has reported.
    #[serde(default)]
    pub reported: u64,
    /// It was delivered in a wrapper, with what its sender asks to be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapped: bool,
    /// Why it is not delivered yet, or how it has ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The MSML dialog that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialog: Option<String>,
    /// Who is told of its end: a word for a [`Target`](super::Target).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// How many hops its calls may take: it was forwarded before it came here (RFC 7332).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// What a script has said of the file: attributes of `<ft:obj>` and their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<(String, String)>,
}

impl Delivery {
    /// Whether this may be written over `known`: a settled one stays, and so does what a later attempt has written.
    pub(super) fn follows(&self, known: &Self) -> bool {
        !known.progress.is_settled() && known.token <= self.token
    }

    /// As the spool dates it, whose date is `date` where the clock is so much behind. What is not behind was dated before.
    pub(super) fn dated(&self, date: Wall, behind: Duration) -> Self {
        let set = |wall: Wall| if wall < date { wall.after(behind) } else { wall };
        let (created, expires, next) = (set(self.created), set(self.expires), set(self.next));
        Self { created, expires, next, changed: date, ..self.clone() }
    }
}
