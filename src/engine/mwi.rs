//! Message waiting (RFC 3842): who subscribes to a box hears how much waits there, whenever that changes.
//!
//! ```text
//!   SUBSCRIBE ──> watch the box ──> count ──> Grant         a change ──> count, once a second at most ──> Notify
//!                                   └── one count at a time for a box, whoever wants it ──┘
//! ```
//! Nothing of it is kept: after a restart a refresh gets 481, and the subscriber subscribes anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::call::Access;
use super::core::Engine;
use super::jobs::{Errand, Timer};
use super::owner::box_of;
use super::port::{Found, Output, Query};
use super::watching::{Subscriber, WatchKey, Watched};
use crate::model::limits::SUBSCRIPTIONS_PER_BOX;
use crate::model::{Now, Outbox};
use crate::sip::{self, Body, Opening, SubscriptionKey};
use crate::spool::{BoxSummary, MessageClass, Tally};

/// The type of what NOTIFYs say (RFC 3842 §5).
const SUMMARY: &str = "application/simple-message-summary";

/// A box is not counted more often: RFC 3842 §3.11 wants no more than one NOTIFY a second.
const COUNT_SPACING: Duration = Duration::from_secs(1);

impl Engine {
    /// Somebody wants to hear of a box, or goes on wanting to.
    pub(super) fn subscribed(&mut self, now: Now, key: SubscriptionKey, subscribe: &Opening, out: &mut Outbox<Output>) {
        let Opening { source, call_id, request_uri, user, .. } = subscribe;
        let trusted = self.may_command(source.ip(), subscribe.flow, user.as_deref());
        let named = self.named_before(key).unwrap_or_else(|| subscribe.uri_user.clone());
        if let Access::Nothing(status) = self.access(subscribe, &named, trusted) {
            tracing::warn!(%source, call_id, request_uri, status, "a subscription by somebody who may not read the box: refused");
            return self.command(now, sip::Command::Decline { subscription: key, status }, out);
        }
        if let Some(watch) = self.watching.subscribers.get(&key).copied() {
            self.owe(key, watch);
            return self.count(now, watch, out);
        }
        let Some(mailbox) = box_of(&named).map(|uri| uri.box_name().to_owned()) else {
            return self.command(now, sip::Command::Decline { subscription: key, status: 404 }, out);
        };
        tracing::info!(%source, call_id, mailbox, "SUBSCRIBE");
        let watch = self.watch(mailbox, out);
        if self.watching.boxes.get(&watch).is_some_and(|watched| watched.subscribers.len() >= SUBSCRIPTIONS_PER_BOX) {
            tracing::warn!(%source, call_id, limit = SUBSCRIPTIONS_PER_BOX, "too many subscribe to one box: refused");
            return self.command(now, sip::Command::Decline { subscription: key, status: 503 }, out);
        }
        let subscriber = Subscriber { account: account(request_uri), user: named, owed: true };
        self.watching.subscribers.insert(key, watch);
        if let Some(watched) = self.watching.boxes.get_mut(&watch) {
            watched.subscribers.insert(key, subscriber);
        }
        self.count(now, watch, out);
    }

    /// Whose box a subscription that goes on is to.
    fn named_before(&self, key: SubscriptionKey) -> Option<String> {
        let watched = self.watching.boxes.get(self.watching.subscribers.get(&key)?)?;
        watched.subscribers.get(&key).map(|subscriber| subscriber.user.clone())
    }

    fn owe(&mut self, key: SubscriptionKey, watch: WatchKey) {
        let watched = self.watching.boxes.get_mut(&watch);
        if let Some(subscriber) = watched.and_then(|watched| watched.subscribers.get_mut(&key)) {
            subscriber.owed = true;
        }
    }

    /// The box from now on says when it has changed. It is counted after that, so that no change is missed.
    fn watch(&mut self, mailbox: String, out: &mut Outbox<Output>) -> WatchKey {
        if let Some(watch) = self.watching.by_name.get(&mailbox) {
            return *watch;
        }
        let watch = WatchKey(self.number());
        out.push(Output::Watch(mailbox.clone(), true));
        self.watching.by_name.insert(mailbox.clone(), watch);
        let (subscribers, last, since) = (BTreeMap::new(), None, None);
        let watched = Watched { mailbox, subscribers, last, since, counting: false, stale: false };
        self.watching.boxes.insert(watch, watched);
        watch
    }

    pub(super) fn unsubscribed(&mut self, key: SubscriptionKey, out: &mut Outbox<Output>) {
        let Some(watch) = self.watching.subscribers.remove(&key) else { return };
        let Some(watched) = self.watching.boxes.get_mut(&watch) else { return };
        watched.subscribers.remove(&key);
        if watched.subscribers.is_empty() {
            let mailbox = std::mem::take(&mut watched.mailbox);
            self.watching.boxes.remove(&watch);
            self.watching.by_name.remove(&mailbox);
            out.push(Output::Watch(mailbox, false));
        }
    }

    /// These boxes are not what they were.
    pub(super) fn stirred(&mut self, now: Now, mailboxes: &[String], out: &mut Outbox<Output>) {
        for mailbox in mailboxes {
            let Some(watch) = self.watching.by_name.get(mailbox).copied() else { continue };
            let Some(watched) = self.watching.boxes.get_mut(&watch) else { continue };
            let due = watched.since.map(|since| since + COUNT_SPACING).filter(|due| *due > now.instant);
            match due {
                // It waits already.
                Some(_) if watched.stale => {}
                Some(due) => {
                    watched.stale = true;
                    self.wake_at(due, Timer::Count(watch));
                }
                None => self.count(now, watch, out),
            }
        }
    }

    /// The box has rested for long enough.
    pub(super) fn count_is_due(&mut self, now: Now, watch: WatchKey, out: &mut Outbox<Output>) {
        if self.watching.boxes.get(&watch).is_some_and(|watched| watched.stale) {
            self.count(now, watch, out);
        }
    }

    fn count(&mut self, now: Now, watch: WatchKey, out: &mut Outbox<Output>) {
        let Some(watched) = self.watching.boxes.get_mut(&watch) else { return };
        if std::mem::replace(&mut watched.counting, true) {
            watched.stale = true;
            return;
        }
        (watched.stale, watched.since) = (false, Some(now.instant));
        let query = Query::Summary(watched.mailbox.clone());
        let ticket = self.errand(Errand::Count(watch));
        out.push(Output::Find(ticket, query));
    }

    /// The spool has counted.
    pub(super) fn counted(
        &mut self,
        now: Now,
        watch: WatchKey,
        found: Result<Found, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(watched) = self.watching.boxes.get_mut(&watch) else { return };
        watched.counting = false;
        let summary = match found {
            Ok(Found::Summary(summary)) => Some(summary),
            Ok(_) => None,
            Err(why) => {
                tracing::error!(mailbox = watched.mailbox, why, "nobody can say what waits in the box");
                None
            }
        };
        let changed = summary.is_some() && watched.last != summary;
        let again = watched.stale || summary.is_none();
        let mut commands = Vec::new();
        for (key, subscriber) in &mut watched.subscribers {
            let owed = std::mem::take(&mut subscriber.owed);
            let body = || summary.as_ref().map(|summary| body(&subscriber.account, summary));
            commands.extend(match (&summary, owed) {
                (Some(_), true) => Some(sip::Command::Grant { subscription: *key, body: body() }),
                (None, true) => Some(sip::Command::Decline { subscription: *key, status: 500 }),
                (Some(_), false) if changed => Some(sip::Command::Notify { subscription: *key, body: body() }),
                _ => None,
            });
        }
        watched.last = summary.or_else(|| watched.last.take());
        if again {
            watched.stale = true;
            self.wake(now, COUNT_SPACING, Timer::Count(watch));
        }
        commands.into_iter().for_each(|command| self.command(now, command, out));
    }
}

/// The URI of a box as its subscriber has it, without parameters.
fn account(request_uri: &str) -> String {
    let (user, host) = request_uri.split_once('@').unwrap_or(("", request_uri));
    let host = host.split([';', '?']).next().unwrap_or_default();
    format!("{user}@{host}")
}

/// What waits, as RFC 3842 §5.2 writes it. A class of which there is nothing is left out, but for the voice that old
/// telephones look for.
fn body(account: &str, summary: &BoxSummary) -> Body {
    let waiting = if summary.values().any(|tally| tally.new > 0) { "yes" } else { "no" };
    let mut text = format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\n");
    for class in MessageClass::ALL {
        let tally = summary.get(&class).copied();
        let tally = tally.or_else(|| (class == MessageClass::Voice).then(Tally::default));
        let Some(Tally { new, old, urgent_new, urgent_old }) = tally else { continue };
        // RFC 3842 §3.5: 32 bits.
        let [new, old, urgent_new, urgent_old] =
            [new, old, urgent_new, urgent_old].map(|count| count.min(u32::MAX.into()));
        let _ = write!(text, "{}: {new}/{old} ({urgent_new}/{urgent_old})\r\n", name(class));
    }
    Body::new(SUMMARY, text)
}

/// RFC 3842 §5.2, RFC 3938: the classes by the names of RFC 3458.
const fn name(class: MessageClass) -> &'static str {
    match class {
        MessageClass::Voice => "Voice-Message",
        MessageClass::Video => "Video-Message",
        MessageClass::Fax => "Fax-Message",
        MessageClass::Text => "Text-Message",
        MessageClass::Multimedia => "Multimedia-Message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M3842-3.5-02 M3842-3.5-03 M3842-3.5-04 M3842-5.2-01 M3842-3.8-04
    #[test]
    fn a_summary_names_the_account_and_every_class_of_which_there_is_something() {
        let text = |summary: &BoxSummary, uri: &str| {
            String::from_utf8(body(&account(uri), summary).octets.to_vec()).expect("text")
        };
        let empty = text(&BoxSummary::new(), "sip:alice%20b@store.example.com:5070;user=phone");
        assert_eq!(
            empty,
            "Messages-Waiting: no\r\nMessage-Account: sip:alice%20b@store.example.com:5070\r\nVoice-Message: 0/0 (0/0)\r\n"
        );
        let mut summary = BoxSummary::new();
        summary.insert(MessageClass::Video, Tally { new: 2, old: 1, urgent_new: 1, urgent_old: 0 });
        summary.insert(MessageClass::Voice, Tally { new: 0, old: 1 << 40, urgent_new: 0, urgent_old: 3 });
        let full = text(&summary, "sip:alice@example.com");
        assert_eq!(
            full,
            "Messages-Waiting: yes\r\nMessage-Account: sip:alice@example.com\r\nVoice-Message: 0/4294967295 (0/3)\r\n\
             Video-Message: 2/1 (1/0)\r\n"
        );
        summary.remove(&MessageClass::Video);
        assert!(
            text(&summary, "sip:alice@example.com").starts_with("Messages-Waiting: no\r\n"),
            "what is old waits no more"
        );
    }
}
