//! Who may be told: the webhooks that are configured, and where else the operator lets notices go.

use std::collections::BTreeSet;

use url::Url;

use crate::model::limits::NOTIFY_OCTETS;
use crate::model::{SiteError, Sites};
use crate::spool::Target;

/// Everybody who may be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The names of webhooks.
    pub hooks: BTreeSet<String>,
    /// Sites of others: `policy.put`.
    pub sites: Sites,
}

/// Why somebody is not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// It is no URL, nor the name of a webhook.
    #[error("notify is the name of one of [[webhooks]], or an http: or https: URL of {NOTIFY_OCTETS} octets at most")]
    Unknown,
    /// The operator does not want that.
    #[error("{0}")]
    NotAllowed(String),
}

impl Audience {
    /// Whom `notify` means.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub fn target(&self, notify: &str) -> Result<Target, NoTarget> {
        if self.hooks.contains(notify) {
            return Ok(Target::Hook(notify.to_owned()));
        }
        let url = Url::parse(notify).ok().filter(|_| notify.len() <= NOTIFY_OCTETS).ok_or(NoTarget::Unknown)?;
        self.admit(&url).map(|()| Target::Url(url.into()))
    }

    /// Whether notices may go there.
    ///
    /// # Errors
    /// [`NoTarget::NotAllowed`].
    pub fn admit(&self, url: &Url) -> Result<(), NoTarget> {
        // Lists of sites speak of what is fetched.
        let of_put = |error: SiteError| NoTarget::NotAllowed(error.to_string().replace("policy.fetch", "policy.put"));
        self.sites.admit(url).map_err(of_put)
    }
}
