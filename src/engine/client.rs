//! Calls that our own commands place: the engine as an application server with an endpoint of its own.

use std::collections::VecDeque;

use super::call::{Call, MSML_TYPE, Offered, Parties, Proposed, Purpose, SDP_TYPE, TRANSFER_ID_LETTERS};
use super::core::Engine;
use super::jobs::Timer;
use super::order::{CallMedia, Happening, LocalFile, Order};
use super::paths::{OwnPath, Waiting};
use super::policy::Manners;
use super::port::Output;
use crate::model::{FileInfo, FileRange, Now, Outbox};
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
        let again = order.clone();
        let Order::Call { id, target, from, remote, transport, media } = order else { return };
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let trunk = self.policy.trunk(remote.ip());
        let path = if need > 0 { self.own_path(call, None) } else { None };
        let mut icon = None;
        let (sends, receives, file) = match &media {
            CallMedia::Push(local) => {
                let mut file = self.wanted_file(&local.info, local.offset);
                icon = local.icon.as_ref().and_then(|icon| self.name_icon(icon, &mut file));
                (true, false, Some(file))
            }
            CallMedia::Pull(wanted) => {
                let file = self.wanted_file(&wanted.selector, wanted.part.as_ref().map_or(0, |(_, octets)| *octets));
                (false, true, Some(file))
            }
            CallMedia::Receive | CallMedia::Control => (false, true, None),
        };
        let proposed = path.map(|OwnPath { relays, local }| Proposed { relays, local, sends, receives, file });
        let streams: Vec<OfferedStream> = proposed.iter().map(|stream| self.offered_stream(stream, trunk)).collect();
        let description = sdp::offer(&local, &streams);
        let body = self.with_icons(&description, icon.as_slice());
        let parties = Parties { user: String::new(), from: from.clone(), to: target.clone(), call_id: String::new() };
        let added: Vec<_> = proposed.into_iter().enumerate().collect();
        self.await_answer(call, &added);
        let offered = Offered { pictures: icon.into_iter().collect(), ..Offered::new(description.clone(), added) };
        self.board.add_call(
            call,
            Call {
                tag: format!("order-{}", id.0),
                purpose: Purpose::Client(id),
                parties,
                source: remote,
                manners: Manners::default(),
                trunk,
                msml_type: MSML_TYPE.to_owned(),
                local,
                description: Some(description),
                remote: None,
                offered: Some(offered),
                offered_in_2xx: None,
                script: None,
                updating: None,
                reoffers: VecDeque::new(),
                streams: Vec::new(),
                waits_since: now.instant,
                transfers: VecDeque::new(),
                takes_icons: true,
                closing: false,
                leaving: false,
            },
        );
        self.orders.insert(id, call);
        match media {
            CallMedia::Push(local) => drop(self.local_files.insert(call, (again, *local))),
            CallMedia::Pull(wanted) => drop(wanted.part.map(|(key, _)| self.parts.insert(call, key))),
            CallMedia::Receive | CallMedia::Control => {}
        }
        let command = sip::Command::Invite {
            call,
            to: target.clone(),
            target,
            from,
            remote,
            transport,
            body: Some(body),
            // RFC 5547 §8.3.2: an answer may bring a picture, if it is allowed to.
            headers: vec![("Accept".to_owned(), format!("{SDP_TYPE}, multipart/related"))],
        };
        self.wake(now, self.policy.answer_timeout, Timer::Answer(call));
        self.sip(now, sip::Input::Command(command), out);
    }

    /// A file as our offer names it: under a new id, for it is a new transfer (RFC 5547 §8.1), and from this octet on.
    fn wanted_file(&mut self, info: &FileInfo, offset: u64) -> FileOffer {
        let transfer_id = Some(self.mint.token(TRANSFER_ID_LETTERS));
        let range = (offset > 0).then(|| FileRange::from_offset(offset));
        FileOffer { info: FileInfo { transfer_id, ..info.clone() }, range, ..FileOffer::default() }
    }

    /// Our INVITE was refused. RFC 5547 §8.8: who does not take a picture may still take the file.
    pub(super) fn refused(&mut self, now: Now, call: CallKey, status: u16, reason: String, out: &mut Outbox<Output>) {
        let with_icon = self
            .board
            .calls
            .get(&call)
            .and_then(|call| call.offered.as_ref())
            .is_some_and(|offer| !offer.pictures.is_empty());
        let again = self.local_files.remove(&call).filter(|_| status == 415 && with_icon);
        let Some((Order::Call { id, target, from, remote, transport, .. }, local)) = again else {
            return self.tell(call, Happening::Refused(status, reason), out);
        };
        self.answer_decided(now, call, out);
        self.board.remove_call(call); // the command hears of the second call alone
        let media = CallMedia::Push(Box::new(LocalFile { icon: None, ..local }));
        let call = CallKey(self.number());
        self.place_call(now, call, Order::Call { id, target, from, remote, transport, media }, out);
    }

    /// Nobody answered our INVITE in time: it is cancelled.
    pub(super) fn unanswered(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        if self.board.calls.get(&call).is_some_and(|call| call.offered.is_some() && call.streams.is_empty()) {
            self.command(now, sip::Command::Cancel { call }, out);
        }
    }
}
