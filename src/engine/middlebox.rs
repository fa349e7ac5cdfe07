//! Trunks with a middlebox in the way: names are looked up before CEMA compares them, and an offer is made again
//! without CEMA where the middlebox does not take part.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::call::Offered;
use super::core::Engine;
use super::description::read_description;
use super::jobs::Errand;
use super::policy::Trunk;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::sdp::{self, AgreedStream, Description, Names, Route, StreamOffer};
use crate::sip::{self, CallKey, Event};

impl Engine {
    /// Keeps an event back while names in its description are looked up; `None` if it did.
    pub(super) fn with_names(&mut self, event: Event, out: &mut Outbox<Output>) -> Option<Event> {
        let key = match &event {
            // The end of a call waits for nothing.
            Event::Bye { call, .. } | Event::Ended { call, .. } => {
                self.lookups.held.remove(call);
                if matches!(event, Event::Ended { .. }) {
                    self.lookups.names.remove(call);
                }
                return Some(event);
            }
            Event::Invited { call, .. }
            | Event::Reinvited { call, .. }
            | Event::Updated { call, .. }
            | Event::Acked { call, .. }
            | Event::Answered { call, .. }
            | Event::ReinviteAnswered { call, .. }
            | Event::Cancelled { call }
            | Event::Info { call, .. }
            | Event::ReinviteRefused { call, .. } => *call,
            _ => return Some(event),
        };
        if let Some(held) = self.lookups.held.get_mut(&key) {
            held.push_back(event);
            return None;
        }
        let names = self.unknown_names(key, &event);
        if names.is_empty() {
            return Some(event);
        }
        self.lookups.held.insert(key, VecDeque::from([event]));
        let ticket = self.errand(Errand::Names(key));
        out.push(Output::Resolve(ticket, names));
        None
    }

    fn unknown_names(&self, key: CallKey, event: &Event) -> Vec<String> {
        let (trunk, body) = match event {
            Event::Invited { invite, .. } => (self.policy.trunk(invite.source.ip()), &invite.body),
            Event::Reinvited { body, .. }
            | Event::Updated { body, .. }
            | Event::Acked { body, .. }
            | Event::Answered { body, .. }
            | Event::ReinviteAnswered { body, .. } => (self.trunk(key), body),
            _ => return Vec::new(),
        };
        let Some(Ok(Some(description))) = trunk.cema.then(|| read_description(body.clone())) else {
            return Vec::new();
        };
        let known = self.lookups.names.get(&key).cloned().unwrap_or_default();
        sdp::unknown_names(&description, &known)
    }

    /// What the names lead to: the events that waited go on, until one has names of its own.
    pub(super) fn resolved(
        &mut self,
        now: Now,
        key: CallKey,
        found: Vec<(String, Vec<IpAddr>)>,
        out: &mut Outbox<Output>,
    ) {
        let Some(mut held) = self.lookups.held.remove(&key) else { return }; // the call is over
        let names = self.lookups.names.entry(key).or_default();
        for (name, addresses) in found {
            tracing::debug!(%name, ?addresses, "looked up for CEMA");
            names.learn(&name, addresses);
        }
        // One lookup a description: names beyond its limit stay unknown.
        if let Some(event) = held.pop_front() {
            self.event(now, event, out);
        }
        for event in held {
            if let Some(event) = self.with_names(event, out) {
                self.event(now, event, out);
            }
        }
    }

    /// What holds for the peer of this call.
    pub(super) fn trunk(&self, key: CallKey) -> Trunk {
        self.board.calls.get(&key).map(|call| call.trunk).unwrap_or_default()
    }

    /// RFC 6714 §4.3: how the streams of an offer are connected.
    pub(super) fn route_offer(&self, key: CallKey, offer: &Description, streams: &mut [StreamOffer]) {
        if self.trunk(key).cema {
            let none = Names::default();
            sdp::route_offer(
                offer,
                streams,
                self.policy.relay.is_some(),
                self.lookups.names.get(&key).unwrap_or(&none),
            );
        }
    }

    /// RFC 6714 §4.2: how the streams of an answer are connected; false if only an offer without CEMA gets through.
    pub(super) fn route_answer(
        &self,
        key: CallKey,
        ours: &Description,
        answer: &Description,
        agreed: &mut [Option<AgreedStream>],
    ) -> bool {
        let none = Names::default();
        sdp::route_answer(ours, answer, agreed, self.lookups.names.get(&key).unwrap_or(&none));
        agreed.iter().flatten().all(|stream| stream.route != Route::Anchored)
    }

    /// RFC 6714 §4.2: a middlebox without CEMA stands in the way. Offered plainly, it passes messages on itself.
    pub(super) fn offer_plainly(&mut self, now: Now, key: CallKey, offered: Offered, out: &mut Outbox<Output>) {
        let description = sdp::cema::without(&offered.description);
        let body = self.with_icons(&description, &offered.pictures);
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        tracing::info!(call_id = %call.parties.call_id, "the answer leads past its middlebox: offering again without CEMA");
        call.description = Some(offered.description);
        call.trunk.cema = false;
        call.offered = Some(Offered { description, ..offered });
        self.command(now, sip::Command::Reinvite { call: key, body }, out);
    }
}
