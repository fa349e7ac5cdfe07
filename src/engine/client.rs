//! Calls that our own commands place: the engine as an application server with an endpoint of its own.

use super::call::{MSML_TYPE, Purpose, TRANSFER_ID_LETTERS};
use super::calling::Calling;
use super::core::Engine;
use super::order::{CallMedia, Happening, LocalFile, Order};
use super::paths::Waiting;
use super::port::Output;
use crate::model::{FileInfo, FileRange, Now, Outbox};
use crate::sdp::FileOffer;
use crate::sip::{self, Body, CallKey, EndReason, Place};

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
        let path = if need > 0 { self.own_path(call, None) } else { None };
        let mut icon = None;
        let stream = match &media {
            CallMedia::Push(local) => {
                let mut file = self.wanted_file(&local.info, local.offset);
                icon = local.icon.as_ref().and_then(|icon| self.name_icon(icon, &mut file));
                path.map(|path| path.sending(file))
            }
            CallMedia::Pull(wanted) => {
                let file = self.wanted_file(&wanted.selector, wanted.part.as_ref().map_or(0, |(_, octets)| *octets));
                path.map(|path| path.receiving(Some(file)))
            }
            CallMedia::Receive | CallMedia::Control => path.map(|path| path.receiving(None)),
        };
        self.orders.insert(id, call);
        match media {
            CallMedia::Push(local) => drop(self.local_files.insert(call, (again, *local))),
            CallMedia::Pull(wanted) => drop(wanted.part.map(|(key, _)| self.parts.insert(call, key))),
            CallMedia::Receive | CallMedia::Control => {}
        }
        let calling = Calling {
            purpose: Purpose::Client(id),
            tag: format!("order-{}", id.0),
            to: target.clone(),
            target,
            from,
            route: None,
            places: vec![Place { transport, remote }],
            hops: None,
            stream,
            icon,
        };
        self.begin_call(now, call, calling, out);
    }

    /// A file as our offer names it: under a new id, for it is a new transfer (RFC 5547 §8.1), and from this octet on.
    pub(super) fn wanted_file(&mut self, info: &FileInfo, offset: u64) -> FileOffer {
        let transfer_id = Some(self.mint.token(TRANSFER_ID_LETTERS));
        let range = (offset > 0).then(|| FileRange::from_offset(offset));
        FileOffer { info: FileInfo { transfer_id, ..info.clone() }, range, ..FileOffer::default() }
    }

    /// Our INVITE was refused. RFC 5547 §8.8: who does not take a picture may still take the file.
    pub(super) fn refused(&mut self, now: Now, call: CallKey, refusal: sip::Refusal, out: &mut Outbox<Output>) {
        let Some(entry) = self.board.calls.get(&call) else { return };
        let with_icon = entry.offered.as_ref().is_some_and(|offer| !offer.pictures.is_empty());
        if let Purpose::Delivery(key) = entry.purpose {
            return self.delivery_refused(now, key, with_icon, refusal, out);
        }
        let sip::Refusal { status, reason, .. } = refusal;
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
}
