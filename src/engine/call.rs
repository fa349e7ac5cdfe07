//! Calls and their message streams: the tables that every other file of the engine looks things up in.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use super::delivery::DeliveryKey;
use super::link::LinkId;
use super::order::OrderId;
use super::policy::{Manners, Trunk};
use crate::model::Instant;
use crate::model::limits::TRANSFER_IDS_PER_CALL;
use crate::msml::PrimitiveKey;
use crate::msrp::{Arrival, Carrier, InboundKey, MsrpUri, OutboundKey, SessionKey, SessionMatch, SessionSpec};
use crate::sdp::{Description, FileOffer, LocalSession, Role, Route, Terms};
use crate::sip::{Body, CallKey, RequestKey};
use crate::spool::{Committed, Icon};

/// Which side of the application this call serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody called us, or we serve an application server.
    Service,
    /// A command of ours placed it.
    Client(OrderId),
    /// It hands an object on.
    Delivery(DeliveryKey),
}

/// What a caller may read without an application server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything: it commands us.
    All,
    /// The box that it has called: it is its own.
    Own,
    /// Nothing, and this is what it is told.
    Nothing(u16),
}

/// Who and what a call is about; copied into envelopes and logs.
#[derive(Clone, Debug, Default)]
pub(super) struct Parties {
    /// User part of the Request-URI: the box, when nothing else says.
    pub(super) user: String,
    /// From URI.
    pub(super) from: String,
    /// To URI.
    pub(super) to: String,
    /// Call-ID.
    pub(super) call_id: String,
    /// What is left of its Max-Forwards.
    pub(super) hops: Option<u8>,
    /// Whoever calls has shown that it is whom `from` names, or is believed.
    pub(super) shown: bool,
}

/// One SIP dialog and what was agreed on it.
#[derive(Debug)]
pub(super) struct Call {
    /// The local tag: the MSML connection id.
    pub(super) tag: String,
    pub(super) purpose: Purpose,
    pub(super) parties: Parties,
    pub(super) source: SocketAddr,
    /// It may command us: by its network, its certificate or its credentials.
    pub(super) trusted: bool,
    /// What it may read on its own.
    pub(super) access: Access,
    pub(super) manners: Manners,
    pub(super) trunk: Trunk,
    /// The content type of our MSML: the peer's last one, unless its manners say otherwise.
    pub(super) msml_type: String,
    pub(super) local: LocalSession,
    /// Our last session description.
    pub(super) description: Option<Description>,
    /// The peer's, as far as we have answered or agreed to it.
    pub(super) remote: Option<Description>,
    /// An offer of ours in an INVITE or re-INVITE: a 2xx answers it.
    pub(super) offered: Option<Offered>,
    /// An offer of ours in a 2xx: its ACK answers it.
    pub(super) offered_in_2xx: Option<Offered>,
    /// What the INVITE has brought to be run as soon as the call stands.
    pub(super) script: Option<Bytes>,
    /// The UPDATE whose offer is being considered.
    pub(super) updating: Option<RequestKey>,
    /// Primitives that wait for their turn to re-INVITE.
    pub(super) reoffers: VecDeque<PrimitiveKey>,
    /// The streams in the order of their m= lines; `None` for a refused line.
    pub(super) streams: Vec<Option<SessionKey>>,
    /// Since when its streams wait for a connection, if none has one.
    pub(super) waits_since: Instant,
    /// Every `file-transfer-id` that was ever accepted on this call (RFC 5547 §8.1).
    pub(super) transfers: VecDeque<String>,
    /// It takes descriptions with pictures.
    pub(super) takes_icons: bool,
    /// A line has done its file, and the offer that closes it waits for its turn.
    pub(super) closing: bool,
    /// Set when the peer has hung up and the last octets may still be on their way.
    pub(super) leaving: bool,
}

/// An offer we made and the streams that come to life with its answer.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) description: Description,
    /// The stream added, by m-line index.
    pub(super) added: Vec<(usize, Proposed)>,
    /// The primitive the re-INVITE was made for.
    pub(super) purpose: Option<PrimitiveKey>,
    /// The stream that gets another path through our relay, and that path.
    pub(super) renewed: Option<(SessionKey, Vec<MsrpUri>)>,
    /// The pictures that the description came with, which not every peer takes (RFC 5547 §8.8).
    pub(super) pictures: Vec<Body>,
}

impl Offered {
    pub(super) const fn new(description: Description, added: Vec<(usize, Proposed)>) -> Self {
        Self { description, added, purpose: None, renewed: None, pictures: Vec::new() }
    }
}

impl Call {
    /// A call with nothing agreed on it, whose peer may not command and is like any other.
    pub(super) fn new(
        tag: String,
        purpose: Purpose,
        parties: Parties,
        source: SocketAddr,
        local: LocalSession,
    ) -> Self {
        Self {
            tag,
            purpose,
            parties,
            source,
            trusted: false,
            access: Access::Nothing(403),
            manners: Manners::default(),
            trunk: Trunk::default(),
            msml_type: MSML_TYPE.to_owned(),
            local,
            description: None,
            remote: None,
            offered: None,
            offered_in_2xx: None,
            script: None,
            updating: None,
            reoffers: VecDeque::new(),
            streams: Vec::new(),
            waits_since: Instant::default(),
            transfers: VecDeque::new(),
            takes_icons: false,
            closing: false,
            leaving: false,
        }
    }

    /// Whether this id was used before. No id is none that could have been.
    pub(super) fn knows(&self, file: &FileOffer) -> bool {
        file.info.transfer_id.as_ref().is_some_and(|id| self.transfers.contains(id))
    }

    pub(super) fn remember(&mut self, file: &FileOffer) {
        let Some(id) = file.info.transfer_id.as_ref().filter(|_| !self.knows(file)) else { return };
        if self.transfers.len() >= TRANSFER_IDS_PER_CALL {
            self.transfers.pop_front();
        }
        self.transfers.push_back(id.clone());
    }
}

/// A stream that an answer may bring to life.
#[derive(Clone, Debug)]
pub(super) struct Proposed {
    /// Relays of ours before it, in the order of a To-Path (RFC 4976 §5.1).
    pub(super) relays: Vec<MsrpUri>,
    pub(super) local: MsrpUri,
    pub(super) sends: bool,
    pub(super) receives: bool,
    pub(super) file: Option<FileOffer>,
}

/// One `m=message` line that both sides agreed on.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) call: CallKey,
    /// Relays of ours before it, in the order of a To-Path (RFC 4976 §5.1).
    pub(super) relays: Vec<MsrpUri>,
    pub(super) local: MsrpUri,
    /// What the peer said of itself: where it is and what it takes.
    pub(super) peer: Terms,
    pub(super) sends: bool,
    pub(super) receives: bool,
    pub(super) role: Role,
    /// Where we connect if we are to.
    pub(super) route: Route,
    /// How strictly To-Path has to name it.
    pub(super) session_match: SessionMatch,
    /// The file this stream was negotiated for (RFC 5547): one file, then it is spent.
    pub(super) file: Option<FileOffer>,
    /// The preview picture that came with the offer.
    pub(super) icon: Option<Icon>,
    /// Set by the switchboard alone, which finds streams by it.
    link: Option<LinkId>,
    /// The WebSocket whose client said, by a relay URI of ours in its path, that it is reached there.
    pub(super) relay: Option<LinkId>,
    /// Its connection was lost. RFC 4975 §5.4: the session has failed with it, and only a new SDP exchange brings it back.
    pub(super) lost: bool,
    /// A connection to the peer is being made.
    pub(super) dialling: bool,
    /// Messages that wait for somebody to ask for them, in their order. As many as the connection lets begin.
    pub(super) waiting: VecDeque<Waiting>,
    /// The primitive that wants the next message.
    pub(super) recorder: Option<PrimitiveKey>,
    /// The messages being received: more than one if nobody has to say where each goes.
    pub(super) receiving: Vec<(LinkId, InboundKey)>,
    /// The message being sent.
    pub(super) sending: Option<OutboundKey>,
    /// The primitive that will send on it as soon as the peer has connected.
    pub(super) player: Option<PrimitiveKey>,
    pub(super) spent: bool,
    /// The peer has put its call on hold (`a=inactive`): what we send waits, and what comes is taken.
    pub(super) on_hold: bool,
    /// What its owner fetches on it, to the end.
    pub(super) fetched: Option<Committed>,
}

/// A message whose first chunk's head has been read, and no more.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) link: LinkId,
    pub(super) message: InboundKey,
    pub(super) head: Box<Arrival>,
    pub(super) since: Instant,
}

impl Stream {
    /// A stream that both sides have just agreed on.
    pub(super) fn new(call: CallKey, agreed: Proposed, peer: Terms, (role, route): (Role, Route)) -> Self {
        Self {
            call,
            relays: agreed.relays,
            local: agreed.local,
            peer,
            sends: agreed.sends,
            receives: agreed.receives,
            role,
            route,
            session_match: SessionMatch::default(),
            file: agreed.file,
            icon: None,
            link: None,
            relay: None,
            lost: false,
            dialling: false,
            waiting: VecDeque::new(),
            recorder: None,
            receiving: Vec::new(),
            sending: None,
            player: None,
            spent: false,
            on_hold: false,
            fetched: None,
        }
    }

    /// Where we connect: to the first URI of the peer's path, or as CEMA says.
    pub(super) fn hop(&self) -> Option<&MsrpUri> {
        match &self.route {
            Route::Media(hop) => Some(hop),
            Route::Path | Route::Anchored => self.peer.path.first(),
        }
    }

    /// Whether the peer says this path again. Where middleboxes rewrite paths, the session id at its end is what counts.
    pub(super) fn is_path(&self, path: &[MsrpUri]) -> bool {
        let same = || Some((self.peer.path.last()?.session_id.as_ref()?, path.last()?.session_id.as_ref()?));
        match self.session_match {
            SessionMatch::Uri => self.peer.path == path,
            SessionMatch::Id => same().is_some_and(|(old, new)| old == new),
        }
    }

    /// The connection that carries it.
    pub(super) const fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// Whether a new message may be sent on it now or as soon as the peer connects.
    pub(super) fn free_to_send(&self) -> bool {
        self.sends
            && !self.spent
            && !self.lost
            && self.file.is_none()
            && self.sending.is_none()
            && self.player.is_none()
    }

    /// Whether this message waits on it.
    pub(super) fn waits(&self, link: LinkId, message: InboundKey) -> bool {
        self.waiting.iter().any(|waiting| (waiting.link, waiting.message) == (link, message))
    }

    /// Whether it can bring a file in for a `<record>` that starts now.
    pub(super) fn free_to_receive(&self) -> bool {
        self.receives && !self.spent && !self.lost && self.recorder.is_none() && self.receiving.is_empty()
    }

    /// Whether its requests may come on such a link. A relay URI has said on which one.
    pub(super) fn is_carried_by(&self, carrier: Carrier) -> bool {
        let by_websocket = || self.peer.path.first().and_then(Carrier::of).is_some_and(Carrier::is_websocket);
        // RFC 7977 §5.2.2: whoever answers our offer over TCP may come by WebSocket, and says so in its path.
        let instead = || carrier.is_websocket() && by_websocket() && carrier.is_secure() == self.local.secure;
        self.relay.is_some() || Carrier::of(&self.local) == Some(carrier) || instead()
    }

    /// What a link has to know of it.
    pub(super) fn spec(&self, key: SessionKey, limit: u64, accept_types: &[String]) -> SessionSpec {
        // RFC 7977 §8.2.3: the relay has taken itself off the path when the client sees it.
        let (relay, remote_path) = match &self.peer.path[..] {
            [relay, client @ ..] if self.relay.is_some() => (Some(Box::new(relay.clone())), client.to_vec()),
            path => (None, path.to_vec()),
        };
        SessionSpec {
            key,
            local: self.local.clone(),
            // RFC 4976 §5.1: our relays first, then the peer's.
            remote_path: self.relays.iter().cloned().chain(remote_path).collect(),
            relay,
            max_size: Some(limit),
            accept_types: accept_types.to_vec(),
            receives: self.receives,
            greet: self.role == Role::Active,
            session_match: self.session_match,
        }
    }
}

/// Every call and stream, found by key, tag, session id and link, none of them by looking through all.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    pub(super) calls: HashMap<CallKey, Call>,
    pub(super) streams: HashMap<SessionKey, Stream>,
    tags: HashMap<String, CallKey>,
    session_ids: HashMap<String, SessionKey>,
    links: HashMap<LinkId, BTreeSet<SessionKey>>,
    next_session: u64,
}

impl Switchboard {
    pub(super) fn add_call(&mut self, key: CallKey, call: Call) {
        self.tags.insert(call.tag.clone(), key);
        self.calls.insert(key, call);
    }

    /// Adds a stream and makes it findable by the session id in our URI (RFC 4975 §5.4: To-Path names the session).
    pub(super) fn add_stream(&mut self, index: usize, mut stream: Stream) -> SessionKey {
        self.next_session += 1;
        let key = SessionKey(self.next_session);
        if let Some(id) = &stream.local.session_id {
            self.session_ids.insert(id.clone(), key);
        }
        if let Some(call) = self.calls.get_mut(&stream.call) {
            stream.session_match = call.trunk.session_match;
            if call.streams.len() <= index {
                call.streams.resize(index + 1, None);
            }
            call.streams[index] = Some(key);
        }
        self.streams.insert(key, stream);
        key
    }

    pub(super) fn remove_stream(&mut self, key: SessionKey) -> Option<Stream> {
        self.detach(key);
        let stream = self.streams.remove(&key)?;
        if let Some(id) = &stream.local.session_id {
            self.session_ids.remove(id);
        }
        if let Some(call) = self.calls.get_mut(&stream.call) {
            call.streams.iter_mut().filter(|slot| **slot == Some(key)).for_each(|slot| *slot = None);
        }
        Some(stream)
    }

    pub(super) fn remove_call(&mut self, key: CallKey) -> Option<Call> {
        let call = self.calls.remove(&key)?;
        self.tags.remove(&call.tag);
        Some(call)
    }

    pub(super) fn by_tag(&self, tag: &str) -> Option<CallKey> {
        self.tags.get(tag).copied()
    }

    /// The session that this To-Path names: exactly one URI, and it is one of ours by value, or by its id where the trunk wants it so.
    pub(super) fn by_path(&self, to_path: &[MsrpUri]) -> Option<SessionKey> {
        let [uri] = to_path else { return None };
        let key = *self.session_ids.get(uri.session_id.as_ref()?)?;
        self.streams
            .get(&key)
            .is_some_and(|stream| stream.local.names_session(uri, stream.session_match))
            .then_some(key)
    }

    /// The live streams of a call, in the order of their m= lines.
    pub(super) fn streams_of(&self, call: CallKey) -> Vec<SessionKey> {
        self.calls.get(&call).map(|call| call.streams.iter().copied().flatten().collect()).unwrap_or_default()
    }

    /// The streams that a link carries.
    pub(super) fn streams_on(&self, link: LinkId) -> Vec<SessionKey> {
        self.links.get(&link).map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    /// Whether this stream is the only one that its link carries.
    pub(super) fn is_alone_on(&self, link: LinkId, key: SessionKey) -> bool {
        self.links.get(&link).is_some_and(|keys| keys.len() == 1 && keys.contains(&key))
    }

    /// The stream is carried by this link from now on.
    pub(super) fn attach(&mut self, key: SessionKey, link: LinkId) {
        self.detach(key);
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.link = Some(link);
            self.links.entry(link).or_default().insert(key);
        }
    }

    /// The stream has no connection any more.
    pub(super) fn detach(&mut self, key: SessionKey) {
        let Some(link) = self.streams.get_mut(&key).and_then(|stream| stream.link.take()) else { return };
        if let Some(keys) = self.links.get_mut(&link) {
            keys.remove(&key);
            if keys.is_empty() {
                self.links.remove(&link);
            }
        }
    }
}

/// RFC 5547 §6: the id is unique without coordination; 32 letters are 190 random bits.
pub(super) const TRANSFER_ID_LETTERS: usize = 32;

/// What our own documents are sent as.
pub(super) const MSML_TYPE: &str = "application/msml+xml";

/// What a file is called whose type nobody knows.
pub(super) const OCTET_STREAM: &str = "application/octet-stream";

/// The disposition of a file that has none (RFC 5547 §7).
pub(super) const RENDER: &str = "render";

/// The type of a session description.
pub(super) const SDP_TYPE: &str = "application/sdp";
