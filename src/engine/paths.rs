//! What is known of a relay of ours and of the paths through it: who waits for one, who has one, until when.

use std::collections::{HashMap, VecDeque};

use super::call::Proposed;
use super::delivery::DeliveryKey;
use super::link::LinkId;
use super::order::Order;
use crate::model::{Instant, Mint};
use crate::msml::PrimitiveKey;
use crate::msrp::{Authenticator, MsrpUri, RelayAccount, SessionKey};
use crate::sdp::{Description, FileOffer};
use crate::sip::CallKey;
use crate::spool::Icon;

/// Our own URI and the relays before it.
#[derive(Clone, Debug)]
pub(super) struct OwnPath {
    /// In the order of a To-Path; none if there is no relay.
    pub(super) relays: Vec<MsrpUri>,
    pub(super) local: MsrpUri,
}

impl OwnPath {
    /// RFC 4976 §5.1: what SDP says is the Use-Path reversed, and our own URI behind it.
    pub(super) fn in_sdp(&self) -> Vec<MsrpUri> {
        in_sdp(&self.relays, &self.local)
    }

    /// A stream of ours on which this file goes out.
    pub(super) fn sending(self, file: FileOffer) -> Proposed {
        let Self { relays, local } = self;
        Proposed { relays, local, sends: true, receives: false, file: Some(file) }
    }

    /// One on which messages come in, or this file does.
    pub(super) fn receiving(self, file: Option<FileOffer>) -> Proposed {
        let Self { relays, local } = self;
        Proposed { relays, local, sends: false, receives: true, file }
    }
}

/// The same of its parts.
pub(super) fn in_sdp(relays: &[MsrpUri], local: &MsrpUri) -> Vec<MsrpUri> {
    relays.iter().rev().chain([local]).cloned().collect()
}

/// The other way round: what [`in_sdp`] made, taken apart.
pub(super) fn from_sdp(mut path: Vec<MsrpUri>) -> Option<OwnPath> {
    let local = path.pop()?;
    path.reverse();
    Some(OwnPath { relays: path, local })
}

/// What goes on when its paths are there.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The answer to this offer, and the pictures that came with it.
    Answer(Box<Description>, Vec<(String, Icon)>),
    /// Our offer to an INVITE without one.
    Offer,
    /// A stream for a primitive.
    Reoffer(PrimitiveKey),
    /// A command's call.
    Order(Box<Order>),
    /// A call that hands an object on.
    Delivery(DeliveryKey),
    /// The same stream by another path.
    Renew(SessionKey),
}

/// Whoever needs paths of a call.
#[derive(Debug)]
pub(super) struct Applicant {
    pub(super) ticket: u64,
    pub(super) call: CallKey,
    pub(super) need: usize,
    pub(super) what: Waiting,
}

/// The connection to the first relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Down,
    Dialling,
    Up(LinkId),
}

/// Everything the engine knows of its relay.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) client: Option<Authenticator>,
    pub(super) line: Line,
    pub(super) waiting: VecDeque<Applicant>,
    /// Whose AUTH is under way.
    pub(super) running: Option<u64>,
    pub(super) granted: HashMap<CallKey, VecDeque<OwnPath>>,
    /// When the paths of a call, by session id, have to be renewed.
    pub(super) leases: HashMap<CallKey, Vec<(Option<String>, Instant)>>,
}

impl Relay {
    pub(super) fn new(account: Option<RelayAccount>, mint: Mint) -> Self {
        Self {
            client: account.map(|account| Authenticator::new(account, mint)),
            line: Line::Down,
            waiting: VecDeque::new(),
            running: None,
            granted: HashMap::new(),
            leases: HashMap::new(),
        }
    }

    /// Whether this link leads to the relay.
    pub(super) fn is_on(&self, link: LinkId) -> bool {
        self.line == Line::Up(link)
    }

    /// Forgets a call and everything that waits for it.
    pub(super) fn forget(&mut self, call: CallKey) {
        self.granted.remove(&call);
        self.leases.remove(&call);
        self.waiting.retain(|applicant| applicant.call != call);
    }

    /// What was granted to an offer or answer that did not want it.
    pub(super) fn waste(&mut self, call: CallKey) {
        self.granted.remove(&call);
    }
}
