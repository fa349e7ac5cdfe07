//! Calls that our own commands place: the engine as an application server with an endpoint of its own.

use std::net::SocketAddr;

use super::call::{Call, Offered, Parties, Proposed, Purpose};
use super::core::{Engine, Output};
use super::failure::ReceiveFailure;
use super::negotiation::TRANSFER_ID_LETTERS;
use crate::model::{FileInfo, Now, Outbox};
use crate::msrp::SendFailure;
use crate::sdp::{self, FileOffer, LocalSession, OfferedStream};
use crate::sip::{self, Body, CallKey, EndReason, Transport};
use crate::spool::Committed;

/// Names a command's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// What a command wants.
#[derive(Clone, Debug)]
pub enum Order {
    /// Call somebody.
    Call {
        /// Names the call from now on.
        id: OrderId,
        /// Request-URI.
        target: String,
        /// Our own URI.
        from: String,
        /// Where to send the INVITE.
        remote: SocketAddr,
        /// By what.
        transport: Transport,
        /// What to offer.
        media: CallMedia,
    },
    /// Send an MSML document on the call.
    Info(OrderId, u64, String),
    /// Hang up.
    Bye(OrderId),
}

/// What a command's call offers.
#[derive(Clone, Debug)]
pub enum CallMedia {
    /// Push this local file.
    Push {
        /// Its path, for the driver.
        path: String,
        /// What is declared of it.
        info: Box<FileInfo>,
    },
    /// A plain message session on which we receive.
    Receive,
    /// No media: a control dialog.
    Control,
}

/// What happened on a command's call.
#[derive(Debug)]
pub enum Happening {
    /// The peer answered; this is its tag, the MSML connection id.
    Answered(String),
    /// The peer refused, or could not be reached.
    Refused(u16, String),
    /// The answer took none of what was offered.
    NoMedia,
    /// An INFO got its response.
    InfoAnswered(u64, u16, Option<String>),
    /// The peer sent an MSML document.
    Msml(String),
    /// So many octets of our file were answered with 200.
    Sent(u64),
    /// The peer has our file.
    Delivered,
    /// It has not.
    SendFailed(SendFailure),
    /// A file begins to come in; so many octets are announced.
    Receiving(Option<u64>),
    /// So many octets of a file have come in.
    Received(u64),
    /// A file came in and is committed in our spool.
    Committed(Committed),
    /// It did not.
    ReceiveFailed(ReceiveFailure),
    /// The call is over.
    Ended(EndReason),
}

impl Engine {
    pub(super) fn order(&mut self, now: Now, order: Order, out: &mut Outbox<Output>) {
        let command = match order {
            Order::Call { .. } => return self.place_call(now, order, out),
            Order::Info(id, token, text) => {
                let Some(call) = self.orders.get(&id).copied() else { return };
                sip::Command::Info { call, token, body: Body::new(MSML_TYPE, text) }
            }
            Order::Bye(id) => {
                let Some(call) = self.orders.get(&id).copied() else { return };
                sip::Command::Bye { call, body: None, reason: None }
            }
        };
        self.sip(now, sip::Input::Command(command), out);
    }

    fn place_call(&mut self, now: Now, order: Order, out: &mut Outbox<Output>) {
        let Order::Call { id, target, from, remote, transport, media } = order else { return };
        let call = CallKey(self.number());
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let uri = self.mint_uri();
        let proposed = match &media {
            CallMedia::Push { info, .. } => {
                let mut info = info.as_ref().clone();
                info.transfer_id.get_or_insert_with(|| self.mint.token(TRANSFER_ID_LETTERS));
                let file = FileOffer { info, ..FileOffer::default() };
                Some(Proposed { local: uri, sends: true, receives: false, file: Some(file) })
            }
            CallMedia::Receive => Some(Proposed { local: uri, sends: false, receives: true, file: None }),
            CallMedia::Control => None,
        };
        let streams: Vec<OfferedStream> = proposed.iter().map(|stream| self.offered_stream(stream)).collect();
        let description = sdp::offer(&local, &streams);
        let body = Body::new(SDP_TYPE, description.to_bytes());
        let parties = Parties { user: String::new(), from: from.clone(), to: target.clone(), call_id: String::new() };
        let offered = Offered {
            description: description.clone(),
            added: proposed.into_iter().enumerate().collect(),
            purpose: None,
        };
        self.board.add_call(
            call,
            Call {
                tag: format!("order-{}", id.0),
                purpose: Purpose::Client(id),
                parties,
                source: remote,
                style: crate::msml::Style::default(),
                msml_type: MSML_TYPE.to_owned(),
                local,
                description: Some(description),
                offered: Some(offered),
                reoffers: Vec::new(),
                streams: Vec::new(),
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
        self.sip(now, sip::Input::Command(command), out);
    }
}

/// What our own documents are sent as.
pub(super) const MSML_TYPE: &str = "application/msml+xml";

/// The type of a session description.
pub(super) const SDP_TYPE: &str = "application/sdp";
