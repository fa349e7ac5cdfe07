//! The relay URIs that WebSocket clients got from us (RFC 7977 §8.1), and the links these lead to.

use std::collections::HashMap;

use super::link::LinkId;
use crate::model::limits::{RELAY_URIS, RELAY_URIS_PER_CONNECTION};
use crate::model::{Instant, Now};
use crate::msrp::MsrpUri;

/// A URI at which the sessions of one WebSocket client are reached.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) uri: MsrpUri,
    pub(super) link: LinkId,
    pub(super) until: Instant,
}

/// Every relay URI given out, by its session id.
#[derive(Debug, Default)]
pub(super) struct Relays {
    by_id: HashMap<String, Relay>,
    by_link: HashMap<LinkId, Vec<String>>,
}

impl Relays {
    /// The link that a peer's path leads to: the relay URI, then the client's own.
    pub(super) fn link(&self, path: &[MsrpUri]) -> Option<LinkId> {
        self.find(path).map(|relay| relay.link)
    }

    /// The same for a session that begins now: an expired URI leads nowhere new. RFC 4976 §6.3: what was agreed before
    /// goes on, for the hop behind the URI is we ourselves.
    pub(super) fn live_link(&self, now: Now, path: &[MsrpUri]) -> Option<LinkId> {
        self.find(path).filter(|relay| relay.until > now.instant).map(|relay| relay.link)
    }

    fn find(&self, path: &[MsrpUri]) -> Option<&Relay> {
        let [first, _] = path else { return None };
        let relay = self.by_id.get(first.session_id.as_ref()?)?;
        relay.uri.matches(first).then_some(relay)
    }

    /// Whether a client waits at this link for its next session.
    pub(super) fn lead_to(&self, link: LinkId) -> bool {
        self.by_link.contains_key(&link)
    }

    /// Notes a URI, if there is room. Expired ones make way.
    pub(super) fn add(&mut self, now: Now, relay: Relay) -> Result<(), &'static str> {
        let of_link = self.by_link.entry(relay.link).or_default();
        if of_link.len() >= RELAY_URIS_PER_CONNECTION {
            let by_id = &mut self.by_id;
            of_link.retain(|id| by_id.get(id).is_some_and(|relay| relay.until > now.instant));
            by_id.retain(|_, other| other.link != relay.link || other.until > now.instant);
        }
        if of_link.len() >= RELAY_URIS_PER_CONNECTION {
            return Err("the connection has too many relay URIs");
        }
        if self.by_id.len() >= RELAY_URIS {
            return Err("too many relay URIs are given out");
        }
        let Some(id) = relay.uri.session_id.clone() else { return Err("a relay URI has a session id") };
        of_link.push(id.clone());
        self.by_id.insert(id, relay);
        Ok(())
    }

    /// RFC 4976 §6.3: the URI is of no use once its connection has gone.
    pub(super) fn forget(&mut self, link: LinkId) {
        for id in self.by_link.remove(&link).unwrap_or_default() {
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn relay(link: u64, id: &str, until: Instant) -> Relay {
        Relay { uri: MsrpUri::session(true, "store.example.org", 443, id.to_owned()), link: LinkId(link), until }
    }

    fn path(id: &str) -> Vec<MsrpUri> {
        MsrpUri::parse_path(&format!("msrps://store.example.org:443/{id};tcp msrps://k3v.invalid:1/page;ws"))
            .expect("a path")
    }

    #[test]
    fn a_relay_uri_leads_to_its_websocket_until_it_expires_for_new_sessions_or_the_websocket_has_gone() {
        let now = Now::default();
        let later = Now { instant: now.instant + Duration::from_secs(60), ..now };
        let mut relays = Relays::default();
        relays.add(now, relay(1, "one", later.instant)).expect("room");
        relays.add(now, relay(2, "two", later.instant + Duration::from_secs(1))).expect("room");
        assert_eq!(
            (relays.live_link(now, &path("one")), relays.live_link(later, &path("one"))),
            (Some(LinkId(1)), None)
        );
        assert_eq!((relays.link(&path("one")), relays.link(&path("three"))), (Some(LinkId(1)), None));
        assert_eq!(relays.link(&path("one")[..1]), None, "a relay alone is no peer");
        relays.forget(LinkId(1));
        assert_eq!((relays.link(&path("one")), relays.live_link(later, &path("two"))), (None, Some(LinkId(2))));
    }

    #[test]
    fn expired_uris_make_way_and_live_ones_do_not() {
        let now = Now::default();
        let late = |seconds| now.instant + Duration::from_secs(seconds);
        let mut relays = Relays::default();
        for number in 0..RELAY_URIS_PER_CONNECTION {
            relays.add(now, relay(1, &format!("r{number}"), late(60 + number as u64))).expect("room");
        }
        assert!(relays.add(now, relay(1, "more", late(60))).is_err());
        let later = Now { instant: late(60), ..now };
        relays.add(later, relay(1, "more", late(90))).expect("the first has expired");
        assert_eq!((relays.link(&path("r0")), relays.link(&path("r1"))), (None, Some(LinkId(1))));
    }
}
