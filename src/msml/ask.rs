//! What a request asks of the spool, and what it is answered.

use crate::model::ObjectUri;

/// A command for the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `<ft:list>`: what is in a box.
    List {
        /// The box.
        mailbox: String,
        /// Only those of which this has become, by its word; without it those that are there.
        state: Option<String>,
        /// How many at most.
        most: usize,
    },
    /// `<ft:delete>`: an object goes.
    Delete(ObjectUri),
    /// `<ft:attach>`: whether there is a job of this name.
    Attach(String),
    /// `<ft:mark>`: its reader has got so far, by its word.
    Mark(ObjectUri, String),
}

/// What is in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The box.
    pub mailbox: String,
    /// Its objects, the oldest first.
    pub objects: Vec<Listed>,
}

/// One object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the spool.
    pub uri: ObjectUri,
    /// The file's own.
    pub name: Option<String>,
    /// Its MIME type.
    pub media_type: Option<String>,
    /// Its octets.
    pub size: u64,
    /// When it was committed.
    pub stored: String,
    /// Who brought it.
    pub from: Option<String>,
}
