//! What the transaction layer is asked and what it answers.

use std::net::SocketAddr;

use bytes::Bytes;
use rsip::{Request, Response};

use crate::sip::command::Output;
use crate::sip::flow::{CallKey, FlowId, SubscriptionKey, Transport};
use crate::sip::transaction::Timer;
use crate::sip::{build, serialise};

/// A server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sip) struct ServerId(pub(in crate::sip) u64);

/// A client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sip) struct ClientId(pub(super) u64);

/// Where the messages of one transaction go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Hop {
    /// The flow, if there is one already.
    pub(in crate::sip) flow: Option<FlowId>,
    /// Its transport.
    pub(in crate::sip) transport: Transport,
    /// Its far end.
    pub(in crate::sip) remote: SocketAddr,
}

impl Hop {
    /// These octets on this hop.
    pub(in crate::sip) const fn transmit(self, octets: Bytes) -> Output {
        Output::Transmit { flow: self.flow, transport: self.transport, remote: self.remote, octets }
    }
}

/// A request on its way out.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Parcel {
    /// The request; its top Via names a branch of its own.
    pub(in crate::sip) request: Request,
    /// The same as octets.
    pub(in crate::sip) octets: Bytes,
    /// Where it goes.
    pub(in crate::sip) hop: Hop,
    /// The hop and the Via that it has for a peer without TCP, if it goes there for its size alone.
    pub(in crate::sip) instead: Option<(Hop, String)>,
}

impl Parcel {
    pub(in crate::sip) fn new(request: Request, hop: Hop) -> Self {
        Self { octets: serialise::request(&request), request, hop, instead: None }
    }

    /// RFC 3261 §18.1.1: back to the datagram that it is too large for. `false`: it was to be none.
    pub(in crate::sip) fn fall_back(&mut self) -> bool {
        let Some((hop, via)) = self.instead.take() else { return false };
        self.hop = hop;
        build::replace_via(&mut self.request, &via);
        self.octets = serialise::request(&self.request);
        true
    }

    /// Itself on its way.
    pub(in crate::sip) fn transmit(&self) -> Output {
        self.hop.transmit(self.octets.clone())
    }
}

/// What a request turned out to be.
#[derive(Debug)]
pub(in crate::sip) enum Arrival {
    /// The first of its transaction.
    New(ServerId),
    /// A request under way that came another way round too (RFC 3261 §8.2.2.2).
    Merged(ServerId),
    /// A copy, or an ACK to a 300-699: dealt with.
    Absorbed,
    /// An ACK to a 2xx.
    Ack(Box<Request>),
    /// No room for another transaction.
    Full(Box<Request>),
}

/// Why we sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Purpose {
    /// To begin this call.
    Invite(CallKey),
    /// To change its session.
    Reinvite(CallKey),
    /// The owner's INFO with this token.
    Info(CallKey, u64),
    /// To refresh its session.
    Refresh(CallKey),
    /// To acknowledge a provisional response.
    Prack(CallKey),
    /// To end it.
    Bye(CallKey),
    /// To give up its INVITE.
    Cancel(CallKey),
    /// To tell a subscriber.
    Notify(SubscriptionKey),
    /// The owner's MESSAGE with this token.
    Message(u64),
    /// The owner's OPTIONS with this token.
    Options(u64),
    /// Nobody waits for the answer.
    Courtesy,
}

/// What became of a request of ours.
#[derive(Debug)]
pub(in crate::sip) enum Outcome {
    /// A response, provisional or final.
    Response(Box<Response>),
    /// Nobody answered in time.
    Timeout,
    /// It could not be sent.
    TransportFailed,
}

/// An outcome with the request it belongs to.
pub(in crate::sip) type Report = (ClientId, Purpose, Outcome);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Server(ServerId, Timer),
    Client(ClientId, Timer),
}
