//! Calls that our own commands place: the engine as an application server with an endpoint of its own.

use std::collections::VecDeque;

use super::call::{Call, MSML_TYPE, Offered, Parties, Proposed, Purpose, SDP_TYPE, TRANSFER_ID_LETTERS};
use super::core::Engine;
use super::jobs::Timer;
use super::order::{CallMedia, Happening, Order};
use super::paths::{OwnPath, Waiting};
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::sdp::{self, FileOffer, LocalSession, OfferedStream};
use crate::sip::{self, Body, CallKey, EndReason};

impl Engine {
    pub(super) fn order(&mut self, now: Now, order: Order, out: &mut Outbox<Output>) {
        let command = match order {
            Order::Call { .. } => {
                let call = CallKey(self.number());
                return self.place_call(now, call, order, out);
            }
            Order::Info(id, token, text) => {
                let Some(call) = self.orders.get(&id).copied() else { return };
                sip::Command::Info { call, token, body: Body::new(MSML_TYPE, text) }
            }
            Order::Bye(id) if self.withdraw(id) => {
                return out.push(Output::Happened(id, Happening::Ended(EndReason::Cancelled)));
            }
            Order::Bye(id) => {
                let Some(call) = self.orders.get(&id).copied() else { return };
                sip::Command::Bye { call, body: None, reason: None }
            }
        };
        self.sip(now, sip::Input::Command(command), out);
    }

    pub(super) fn place_call(&mut self, now: Now, call: CallKey, order: Order, out: &mut Outbox<Output>) {
        let need = usize::from(!matches!(order, Order::Call { media: CallMedia::Control, .. }));
        if self.lacks_paths(call, need) {
            return self.apply(now, call, need, Waiting::Order(Box::new(order)), out);
        }
        let Order::Call { id, target, from, remote, transport, media } = order else { return };
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let trunk = self.policy.trunk(remote.ip());
        let path = if need > 0 { self.own_path(call, None) } else { None };
        let proposed = match &media {
            CallMedia::Push { info, .. } => {
                let mut info = info.as_ref().clone();
                info.transfer_id.get_or_insert_with(|| self.mint.token(TRANSFER_ID_LETTERS));
                let file = FileOffer { info, ..FileOffer::default() };
                path.map(|OwnPath { relays, local }| Proposed {
                    relays,
                    local,
                    sends: true,
                    receives: false,
                    file: Some(file),
                })
            }
            CallMedia::Receive => path.map(|OwnPath { relays, local }| Proposed {
                relays,
                local,
                sends: false,
                receives: true,
                file: None,
            }),
            CallMedia::Control => None,
        };
        let streams: Vec<OfferedStream> = proposed.iter().map(|stream| self.offered_stream(stream, trunk)).collect();
        let description = sdp::offer(&local, &streams);
        let body = Body::new(SDP_TYPE, description.to_bytes());
        let parties = Parties { user: String::new(), from: from.clone(), to: target.clone(), call_id: String::new() };
        let added: Vec<_> = proposed.into_iter().enumerate().collect();
        self.await_answer(call, &added);
        let offered = Offered { description: description.clone(), added, purpose: None, renewed: None };
        self.board.add_call(
            call,
            Call {
                tag: format!("order-{}", id.0),
                purpose: Purpose::Client(id),
                parties,
                source: remote,
                style: crate::msml::Style::default(),
                trunk,
                msml_type: MSML_TYPE.to_owned(),
                local,
                description: Some(description),
                offered: Some(offered),
                offered_in_2xx: None,
                updating: None,
                reoffers: VecDeque::new(),
                streams: Vec::new(),
                waits_since: now.instant,
                leaving: false,
            },
        );
        self.orders.insert(id, call);
        if let CallMedia::Push { path, info } = media {
            self.local_files.insert(call, (path, info));
        }
        let command = sip::Command::Invite {
            call,
            to: target.clone(),
            target,
            from,
            remote,
            transport,
            body: Some(body),
            headers: Vec::new(),
        };
        self.wake(now, self.policy.answer_timeout, Timer::Answer(call));
        self.sip(now, sip::Input::Command(command), out);
    }

    /// Nobody answered our INVITE in time: it is cancelled.
    pub(super) fn unanswered(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        if self.board.calls.get(&call).is_some_and(|call| call.offered.is_some() && call.streams.is_empty()) {
            self.command(now, sip::Command::Cancel { call }, out);
        }
    }
}
