//! One subscription as its notifier remembers it (RFC 6665 §4.2), and all of them.
//!
//! ```text
//!   SUBSCRIBE --> asked --Grant--> active --its time, the owner, Expires: 0--> NOTIFY terminated --> gone
//!                   |               ^   |
//!                   +-Decline       +---+-- NOTIFY active, one at a time      refused NOTIFY, silence --> gone
//! ```

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::call::Path;
use super::dialog::{Dialog, DialogId};
use super::flow::{Body, SubscriptionKey};
use super::layer::ServerId;
use crate::model::Instant;

/// RFC 3842 §3.11: not more often than once a second.
pub(super) const NOTIFY_SPACING: Duration = Duration::from_secs(1);

/// What a subscription is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// It is over, or its owner has not answered.
    Over,
    /// What waits may be sent.
    Notify,
}

/// The SUBSCRIBE that the owner has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Its transaction.
    pub(super) id: ServerId,
    /// For how long.
    pub(super) secs: u32,
}

/// What the next NOTIFY says.
#[derive(Clone, Debug)]
pub(super) struct News {
    /// The state.
    pub(super) body: Option<Body>,
    /// It follows a SUBSCRIBE, or is the last one: it waits for nothing but the one before it.
    pub(super) at_once: bool,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The SIP dialog.
    pub(super) dialog: Dialog,
    /// How the subscriber is reached.
    pub(super) path: Path,
    /// Who subscribed.
    pub(super) source: IpAddr,
    /// The value of Event: the package and its id, if it has one.
    pub(super) event: String,
    /// The SUBSCRIBE under way.
    pub(super) asked: Option<Asked>,
    /// The end of its time, once it is granted.
    pub(super) until: Option<Instant>,
    /// What its last NOTIFY will say besides `terminated`.
    pub(super) ending: Option<String>,
    /// A NOTIFY waits for its answer.
    pub(super) notifying: bool,
    /// What has not been said yet.
    pub(super) news: Option<News>,
    /// When the last NOTIFY left.
    pub(super) last: Option<Instant>,
}

impl Subscription {
    /// One that nobody has granted yet.
    pub(super) const fn new(dialog: Dialog, path: Path, source: IpAddr, event: String, asked: Asked) -> Self {
        Self {
            dialog,
            path,
            source,
            event,
            asked: Some(asked),
            until: None,
            ending: None,
            notifying: false,
            news: None,
            last: None,
        }
    }

    /// RFC 6665 §4.2.2: the value of Subscription-State.
    pub(super) fn state(&self, now: Instant) -> String {
        match (&self.ending, self.until) {
            (Some(reason), _) => format!("terminated;{reason}"),
            (None, until) => {
                let left = until.map_or(Duration::ZERO, |until| until.since(now));
                format!("active;expires={}", left.as_secs())
            }
        }
    }
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<SubscriptionKey, Subscription>,
    by_dialog: HashMap<DialogId, SubscriptionKey>,
    by_source: HashMap<IpAddr, usize>,
    next: u64,
}

impl Subscriptions {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many of this address.
    pub(super) fn of(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, subscription: Subscription) -> SubscriptionKey {
        self.next += 1;
        let key = SubscriptionKey(self.next);
        self.by_dialog.insert(subscription.dialog.id.clone(), key);
        *self.by_source.entry(subscription.source).or_default() += 1;
        self.all.insert(key, subscription);
        key
    }

    pub(super) fn remove(&mut self, key: SubscriptionKey) -> Option<Subscription> {
        let subscription = self.all.remove(&key)?;
        self.by_dialog.remove(&subscription.dialog.id);
        if let Some(count) = self.by_source.get_mut(&subscription.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&subscription.source);
            }
        }
        Some(subscription)
    }

    pub(super) fn find(&self, id: &DialogId) -> Option<SubscriptionKey> {
        self.by_dialog.get(id).copied()
    }

    pub(super) fn at(&mut self, key: SubscriptionKey) -> Option<&mut Subscription> {
        self.all.get_mut(&key)
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.all.values_mut()
    }

    pub(super) fn keys(&self) -> Vec<SubscriptionKey> {
        self.all.keys().copied().collect()
    }
}
