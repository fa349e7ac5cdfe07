//! What stands on the envelope that a file came in: who wrote it to whom, when, and about what.

use super::imdn::Imdn;

/// A person or box, as an envelope names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Its name for people, without quotes and escapes.
    pub name: Option<String>,
    /// Its address: an absolute URI.
    pub uri: String,
}

impl Party {
    /// Somebody of whom only the address is known.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { name: None, uri: uri.into() }
    }
}

/// The headers of one `message/cpim` (RFC 3862 §4) that we understand. They are the sender's word and nobody's proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrapper {
    /// `From`: who wrote it.
    pub from: Option<Party>,
    /// `To`: for whom it is.
    pub to: Vec<Party>,
    /// `cc`: who gets a copy.
    pub cc: Vec<Party>,
    /// `DateTime`: when it was sent, as written (RFC 3339).
    pub sent: Option<String>,
    /// `Subject`, without escapes.
    pub subject: Option<String>,
    /// The `lang` of the subject.
    pub language: Option<String>,
    /// What it asks to be told of its fate.
    pub imdn: Option<Imdn>,
}
