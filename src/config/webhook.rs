//! Who is told of what, and how patiently.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::model::{BoxPattern, Occasion};

/// `[notices]`: how patiently others are told what has become of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// The wait after the first failure; it doubles with each one more.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// How long a notice is tried.
    pub lifetime: Duration,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            backoff_min: Duration::from_secs(5),
            backoff_max: Duration::from_secs(3600),
            lifetime: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

/// `[[webhooks]]`: one that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called.
    pub name: Option<String>,
    /// Where it is.
    pub url: Option<Url>,
    /// Of what it is told.
    pub events: Vec<Occasion>,
    /// Of which boxes; unset: of all.
    pub boxes: Option<BoxPattern>,
    /// Where the secrets lie that its notices are signed with.
    pub secret_file: Option<PathBuf>,
}

/// Letters of a webhook's name.
const NAME_LETTERS: usize = 64;

impl Webhook {
    /// Whether its name can stand in a URI, a log and a metric.
    pub(super) fn is_named(&self) -> bool {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        self.name.as_deref().is_some_and(|name| name.len() <= NAME_LETTERS && name.chars().all(fits))
    }
}
