//! Calls that we place: the INVITE with its offer, to wherever its next hop was found.

use super::call::{Call, Offered, Parties, Proposed, Purpose, SDP_TYPE};
use super::core::Engine;
use super::jobs::Timer;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::sdp::{self, LocalSession, OfferedStream};
use crate::sip::{self, Body, CallKey, Place};

/// A call to be placed.
pub(super) struct Calling {
    pub(super) purpose: Purpose,
    /// Unlike any MSML connection id.
    pub(super) tag: String,
    /// Request-URI.
    pub(super) target: String,
    /// The URI for To.
    pub(super) to: String,
    /// Our own.
    pub(super) from: String,
    /// A proxy that it goes through.
    pub(super) route: Option<String>,
    /// Where the INVITE goes, the first first; there is at least one.
    pub(super) places: Vec<Place>,
    /// How many hops it may take, if they are counted.
    pub(super) hops: Option<u8>,
    /// What is offered; nothing on a control dialog.
    pub(super) stream: Option<Proposed>,
    /// The picture of the file that is offered.
    pub(super) icon: Option<Body>,
}

impl Engine {
    pub(super) fn begin_call(&mut self, now: Now, call: CallKey, calling: Calling, out: &mut Outbox<Output>) {
        let Calling { purpose, tag, target, to, from, route, places, hops, stream, icon } = calling;
        let Some(source) = places.first().map(|place| place.remote) else { return };
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let trunk = self.policy.trunk(source.ip());
        let streams: Vec<OfferedStream> = stream.iter().map(|stream| self.offered_stream(stream, trunk)).collect();
        let description = sdp::offer(&local, &streams);
        let body = self.with_icons(&description, icon.as_slice());
        let parties = Parties { from: from.clone(), to: to.clone(), ..Parties::default() };
        let added: Vec<_> = stream.into_iter().enumerate().collect();
        self.await_answer(call, &added);
        let offered = Offered { pictures: icon.into_iter().collect(), ..Offered::new(description.clone(), added) };
        self.board.add_call(
            call,
            Call {
                trunk,
                description: Some(description),
                offered: Some(offered),
                waits_since: now.instant,
                takes_icons: true,
                ..Call::new(tag, purpose, parties, source, local)
            },
        );
        // RFC 5547 §8.3.2: an answer may bring a picture, if it is allowed to.
        let mut headers = vec![("Accept".to_owned(), format!("{SDP_TYPE}, multipart/related"))];
        headers.extend(hops.map(|hops| ("Max-Forwards".to_owned(), hops.to_string())));
        let command = sip::Command::Invite { call, target, from, to, route, places, body: Some(body), headers };
        self.wake(now, self.policy.answer_timeout, Timer::Answer(call));
        self.command(now, command, out);
    }

    /// Nobody answered our INVITE in time: it is cancelled.
    pub(super) fn unanswered(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        let waits = |call: &&Call| call.offered.is_some() && call.streams.is_empty();
        match self.board.calls.get(&call).filter(waits).map(|call| call.purpose) {
            Some(Purpose::Delivery(key)) => self.give_up(now, key, crate::model::Ending::NoAnswer, out),
            Some(_) => self.command(now, sip::Command::Cancel { call }, out),
            None => {}
        }
    }
}
