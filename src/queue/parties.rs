//! Who files go to: hosts that take turns, and recipients of whom each is called once at a time.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::model::Instant;

use super::destination::Destination;

/// A host, and who waits for it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) destination: Destination,
    /// Never tried.
    fresh: VecDeque<String>,
    /// Tried before.
    deferred: VecDeque<String>,
    /// Whose turn it was the last time.
    fresh_was_last: bool,
    /// It stands in the rota.
    in_rota: bool,
}

/// A recipient.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) destination: Destination,
    /// Everything that is for it.
    pub(super) jobs: BTreeSet<String>,
    /// What would go out if it were not busy, or away.
    parked: VecDeque<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Parties {
    pub(super) hosts: HashMap<String, Host>,
    pub(super) recipients: HashMap<String, Recipient>,
    /// Hosts of which an attempt may begin, in turn.
    rota: VecDeque<String>,
}

impl Parties {
    /// A delivery for this recipient is known from now on.
    pub(super) fn join(&mut self, recipient: &str, id: &str) {
        let new = || Recipient { destination: Destination::new(), jobs: BTreeSet::new(), parked: VecDeque::new() };
        self.recipients.entry(recipient.to_owned()).or_insert_with(new).jobs.insert(id.to_owned());
    }

    /// It is known no longer. Of a recipient for whom there is nothing any more nothing is remembered.
    pub(super) fn leave(&mut self, host: &str, recipient: &str, id: &str, now: Instant) {
        let Some(known) = self.recipients.get_mut(recipient) else { return };
        known.jobs.remove(id);
        if known.jobs.is_empty() && known.destination.is_idle(now) {
            self.recipients.remove(recipient);
        }
        let idle = |host: &Host| host.destination.is_idle(now) && host.fresh.is_empty() && host.deferred.is_empty();
        if self.hosts.get(host).is_some_and(idle) {
            self.hosts.remove(host);
            self.rota.retain(|known| known != host);
        }
    }

    /// A delivery stands in line at its host.
    pub(super) fn line_up(&mut self, host: &str, id: String, fresh: bool) {
        let new = || Host {
            destination: Destination::new(),
            fresh: VecDeque::new(),
            deferred: VecDeque::new(),
            fresh_was_last: false,
            in_rota: false,
        };
        let known = self.hosts.entry(host.to_owned()).or_insert_with(new);
        if fresh {
            known.fresh.push_back(id)
        } else {
            known.deferred.push_back(id)
        }
        self.call_up(host);
    }

    /// A delivery waits for its recipient.
    pub(super) fn park(&mut self, recipient: &str, id: String) {
        if let Some(known) = self.recipients.get_mut(recipient) {
            known.parked.push_back(id);
        }
    }

    /// Whoever has waited for this recipient stands in line again.
    pub(super) fn unpark(&mut self, recipient: &str) -> VecDeque<String> {
        self.recipients.get_mut(recipient).map(|known| std::mem::take(&mut known.parked)).unwrap_or_default()
    }

    /// An attempt may begin at this host: it takes its turn.
    pub(super) fn call_up(&mut self, host: &str) {
        if let Some(known) = self.hosts.get_mut(host).filter(|known| !known.in_rota) {
            known.in_rota = true;
            self.rota.push_back(host.to_owned());
        }
    }

    /// The next delivery in turn whose host has room; it leaves the line. Hosts without room, or without work, leave the
    /// rota until they are called up.
    pub(super) fn next(&mut self, now: Instant) -> Option<String> {
        while let Some(name) = self.rota.pop_front() {
            let Some(host) = self.hosts.get_mut(&name) else { continue };
            host.in_rota = false;
            if !host.destination.has_room() || host.destination.quiet(now).is_some() {
                continue;
            }
            let Some(id) = host.take() else { continue };
            self.call_up(&name);
            return Some(id);
        }
        None
    }
}

impl Host {
    /// What is new and what was deferred take turns.
    fn take(&mut self) -> Option<String> {
        let (first, second) = match self.fresh_was_last {
            true => (&mut self.deferred, &mut self.fresh),
            false => (&mut self.fresh, &mut self.deferred),
        };
        match first.pop_front() {
            Some(id) => {
                self.fresh_was_last = !self.fresh_was_last;
                Some(id)
            }
            None => second.pop_front(),
        }
    }
}
