//! What went wrong when something was last written.

use std::io;
use std::sync::Mutex;

use super::error::is_full;
use super::locked::locked;

/// What went wrong when something was last written, until something can be written again.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// Something could not be written. A full disk is no trouble: it has marks of its own.
    pub(super) fn note(&self, doing: &str, error: &io::Error) {
        if is_full(error) {
            return;
        }
        let why = format!("{doing}: {error}");
        let mut trouble = locked(&self.0);
        if trouble.is_none() {
            tracing::error!(why, "the spool takes nothing until its directory can be written again");
        }
        *trouble = Some(why);
    }

    /// What it was.
    pub(super) fn why(&self) -> Option<String> {
        locked(&self.0).clone()
    }

    /// Something could be written again.
    pub(super) fn end(&self) {
        *locked(&self.0) = None;
    }
}
