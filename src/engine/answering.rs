//! The peer offers: what each of its streams gets, and the streams that follow from our answer.

use std::collections::HashMap;

use super::call::{Access, Call, MSML_TYPE, Offered, Parties, Proposed, Purpose, SDP_TYPE, Stream};
use super::core::Engine;
use super::description::{Refusal, read_description};
use super::jobs::{Errand, Outgoing, Owner, Pending, Timer};
use super::link::Command;
use super::owner;
use super::paths::{OwnPath, Waiting, from_sdp};
use super::port::Output;
use super::relay::UNAVAILABLE;
use super::transfers::{icon_of, icons};
use super::trust::Demand;
use crate::model::{Now, Outbox};
use crate::msml;
use crate::msrp::{Carrier, MsrpUri, SessionKey, SessionSpec};
use crate::sdp::{
    self, Description, Direction, FileOffer, LocalSession, LocalStream, OfferedStream, Role, Route, Setup, StreamOffer,
    Terms, Unsupported, Verdict, Wish,
};
use crate::sip::{self, Body, CallKey, Opening, RequestKey};
use crate::spool::{Committed, Icon};

// The peer offers.
impl Engine {
    pub(super) fn invited(&mut self, now: Now, key: CallKey, tag: String, invite: Opening, out: &mut Outbox<Output>) {
        let user_agent = invite.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        let accepts = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("accept") && value.to_ascii_lowercase().contains("multipart/related")
        };
        let takes_icons = invite.headers.iter().any(accepts);
        let manners = self.policy.manners(invite.source.ip(), user_agent.map(|(_, value)| value.as_str()));
        let trusted = self.may_command(invite.source.ip(), invite.flow, invite.user.as_deref());
        let script = self.script(&invite, trusted);
        let user = owner::called(&invite);
        let access = self.access(&invite, &user, trusted);
        let hops = invite.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("max-forwards"));
        let hops = hops.and_then(|(_, value)| value.trim().parse().ok());
        let shown = self.has_shown(&invite, trusted);
        let from = invite.asserted().filter(|_| trusted).unwrap_or(invite.from);
        let parties = Parties { user, from, to: invite.to, call_id: invite.call_id, hops, shown };
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let call = Call {
            trusted,
            access,
            manners,
            trunk: self.policy.trunk(invite.source.ip()),
            msml_type: manners.content_type.unwrap_or(MSML_TYPE).to_owned(),
            waits_since: now.instant,
            takes_icons,
            ..Call::new(tag, Purpose::Service, parties, invite.source, local)
        };
        tracing::info!(call_id = %call.parties.call_id, conn = %call.tag, from = %call.parties.from, source = %call.source, "INVITE");
        let control = is_control_user(&call.parties.user);
        self.board.add_call(key, call);
        let icons = icons(invite.body.as_ref());
        let offer = script.and_then(|script| {
            self.board.calls.get_mut(&key).expect("it was added above").script = script;
            read_description(invite.body)
        });
        match offer {
            Ok(Some(offer)) if self.has_no_room_for(&offer) => self.refuse_for_room(now, key, out),
            Ok(Some(offer)) => self.consider(now, key, offer, icons, out),
            Ok(None) => self.offer_ours(now, key, control, out),
            Err(refusal) => self.refuse(now, key, refusal, out),
        }
    }

    pub(super) fn reinvited(&mut self, now: Now, key: CallKey, body: Option<Body>, out: &mut Outbox<Output>) {
        self.yield_to_peer(now, key, out);
        let icons = icons(body.as_ref());
        match read_description(body) {
            Ok(Some(offer)) => self.consider(now, key, offer, icons, out),
            Ok(None) => {
                // RFC 3261 §14.2: an offerless re-INVITE is answered with an offer of what there is.
                let Some(call) = self.board.calls.get_mut(&key) else { return };
                let Some(description) = call.description.clone() else { return };
                let offered = Offered::new(description.clone(), Vec::new());
                call.offered_in_2xx = Some(offered);
                self.accept(now, key, &description, out);
            }
            Err(refusal) => {
                self.refuse(now, key, refusal, out);
                self.next_reoffer(now, key, out);
            }
        }
    }

    /// Our relay is not to be had, and nothing goes around it.
    pub(super) fn refuse_for_relay(&mut self, now: Now, call: CallKey, why: &str, out: &mut Outbox<Output>) {
        self.refuse_offer(now, call, Refusal { status: UNAVAILABLE, warning: why.to_owned() }, out);
    }

    /// Refuses what brought an offer, be it an INVITE or an UPDATE.
    fn refuse_offer(&mut self, now: Now, call: CallKey, refusal: Refusal, out: &mut Outbox<Output>) {
        match self.board.calls.get_mut(&call).and_then(|call| call.updating.take()) {
            Some(request) => {
                let Refusal { status, warning } = refusal;
                tracing::warn!(call = call.0, status, %warning, "UPDATE refused");
                let headers = Vec::new();
                self.command(now, sip::Command::Answer { request, status, reason: None, body: None, headers }, out);
            }
            None => self.refuse(now, call, refusal, out),
        }
        self.next_reoffer(now, call, out);
    }

    /// Glare (RFC 3261 §14.1): the peer's offer goes first, and ours is made anew of what that leaves.
    fn yield_to_peer(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        let Some(interrupted) = call.offered.take() else { return };
        if let Some(primitive) = interrupted.purpose {
            call.reoffers.push_front(primitive);
        }
        if let Some((session, _)) = interrupted.renewed {
            self.path_not_taken(now, session);
        }
        self.answer_decided(now, key, out);
    }

    /// RFC 3311 §5.2: an UPDATE with an offer gets the answer in its 200 (F13).
    pub(super) fn updated(
        &mut self,
        now: Now,
        key: CallKey,
        request: RequestKey,
        body: Option<Body>,
        out: &mut Outbox<Output>,
    ) {
        let answer = |status, body| sip::Command::Answer { request, status, reason: None, body, headers: Vec::new() };
        let icons = icons(body.as_ref());
        let offer = read_description(body);
        let Some(call) = self.board.calls.get_mut(&key).filter(|call| call.description.is_some()) else {
            return self.command(now, answer(500, None), out); // its INVITE has no answer yet
        };
        match offer {
            Ok(Some(offer)) => {
                call.updating = Some(request);
                self.yield_to_peer(now, key, out);
                self.consider(now, key, offer, icons, out);
            }
            Ok(None) => self.command(now, answer(200, None), out),
            Err(Refusal { status, warning }) => {
                tracing::warn!(call = key.0, status, %warning, "UPDATE refused");
                self.command(now, answer(status, None), out);
            }
        }
    }

    fn refuse(&mut self, now: Now, call: CallKey, refusal: Refusal, out: &mut Outbox<Output>) {
        let Refusal { status, warning } = refusal;
        tracing::warn!(call = call.0, status, %warning, "INVITE refused");
        let command = sip::Command::Refuse { call, status, reason: None, retry_after: None, warning: Some(warning) };
        self.command(now, command, out);
    }

    /// An INVITE without an offer gets ours: a control dialog nothing, anybody else a message session.
    pub(super) fn offer_ours(&mut self, now: Now, key: CallKey, control: bool, out: &mut Outbox<Output>) {
        if !control && self.lacks_paths(key, 1) {
            return self.apply(now, key, 1, Waiting::Offer, out);
        }
        let path = if control { None } else { self.own_path(key, None) };
        let proposed =
            path.map(|OwnPath { relays, local }| Proposed { relays, local, sends: true, receives: true, file: None });
        let trunk = self.trunk(key);
        let streams: Vec<OfferedStream> = proposed.iter().map(|stream| self.offered_stream(stream, trunk)).collect();
        let Some(call) = self.board.calls.get(&key) else { return };
        let description = sdp::offer(&call.local, &streams);
        let added: Vec<_> = proposed.into_iter().enumerate().collect();
        self.await_answer(key, &added);
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        call.offered_in_2xx = Some(Offered::new(description.clone(), added));
        self.accept(now, key, &description, out);
    }

    /// Decides on each stream of an offer; some wait for the spool.
    pub(super) fn consider(
        &mut self,
        now: Now,
        key: CallKey,
        offer: Description,
        icons: Vec<(String, Icon)>,
        out: &mut Outbox<Output>,
    ) {
        let mut streams = sdp::read_offer(&offer);
        self.route_offer(key, &offer, &mut streams);
        streams.iter_mut().for_each(|stream| self.refuse_unsafe(key, stream));
        // A line that repeats a stream looks like a pull, too, where we push.
        let pulls = |stream: &StreamOffer| matches!(stream.wish, Wish::Pull(_)) && self.kept(key, stream).is_none();
        if let Err(refusal) = if streams.iter().any(pulls) { self.may_read(key) } else { Ok(()) } {
            return self.refuse_offer(now, key, refusal, out);
        }
        let fresh = |stream: &&StreamOffer| {
            let websocket = self.relays.link(&stream.terms.path).is_some();
            !matches!(stream.wish, Wish::Unsupported(_)) && !websocket && self.kept(key, stream).is_none()
        };
        let need = streams.iter().filter(fresh).count();
        if self.lacks_paths(key, need) {
            return self.apply(now, key, need, Waiting::Answer(Box::new(offer), icons), out);
        }
        if let Some(carrier) = self.outermost_carrier(key) {
            for stream in &mut streams {
                let websocket = self.relays.link(&stream.terms.path).is_some();
                let misfit = !websocket && stream.terms.path.first().and_then(Carrier::of) != Some(carrier);
                // RFC 3264 §6: the answer's protocol is the offer's, and what the peer meets is the relay.
                if misfit && !matches!(stream.wish, Wish::Unsupported(_)) {
                    stream.wish = Wish::Unsupported(Unsupported::NoListener);
                }
            }
        }
        let verdicts: Vec<Option<Verdict>> = streams.iter().map(|stream| self.judge(now, key, stream)).collect();
        let round = self.number();
        let mut pending = Pending {
            round,
            offer,
            streams,
            verdicts,
            pulled: HashMap::new(),
            icons,
            pictures: Vec::new(),
            full: None,
        };
        let mut wanted = Vec::new();
        for (stream, verdict) in
            pending.streams.iter().zip(&mut pending.verdicts).filter(|(_, verdict)| verdict.is_none())
        {
            match self.question(key, stream) {
                Some(query) => wanted.push((stream.index, query)),
                None => *verdict = Some(Verdict::Reject),
            }
        }
        self.offers.insert(key, pending);
        for (index, query) in wanted {
            let ticket = self.errand(Errand::Stream { call: key, round, index });
            out.push(Output::Find(ticket, query));
        }
        self.answer_if_decided(now, key, out);
    }

    /// A stream is refused before anything else if nobody listens for its transport, or if its peer could prove nothing:
    /// protection that was asked for is never taken away (RFC 4975 §5.4: `msrps` is TLS).
    fn refuse_unsafe(&self, key: CallKey, stream: &mut StreamOffer) {
        let Some(carrier) = stream.terms.path.first().and_then(Carrier::of) else { return };
        if self.policy.relay.is_some() || self.relays.link(&stream.terms.path).is_some() {
            return; // what the peer meets is the relay, or its WebSocket is there already
        }
        if self.policy.doors.find(carrier).is_none() {
            stream.wish = Wish::Unsupported(Unsupported::NoListener);
        } else if carrier == Carrier::Tls
            && let Err(why) = Demand::new(&self.policy, &stream.terms)
        {
            let call_id = self.board.calls.get(&key).map(|call| call.parties.call_id.as_str());
            tracing::warn!(call_id, %why, index = stream.index, "stream refused");
            stream.wish = Wish::Unsupported(Unsupported::Unverifiable);
        }
    }

    /// `None`: the spool has to be asked.
    fn judge(&mut self, now: Now, key: CallKey, stream: &StreamOffer) -> Option<Verdict> {
        if let Some(kept) = self.kept(key, stream) {
            return Some(kept);
        }
        match &stream.wish {
            Wish::Push(_) | Wish::Session(_) | Wish::Pull(_) if !self.can_meet(stream.role, &stream.terms.path) => {
                tracing::warn!(
                    host = stream.terms.path.first().map(|uri| uri.host.as_str()),
                    "nobody connects to a WebSocket client, and no listener for it is here: stream refused"
                );
                Some(Verdict::Reject)
            }
            Wish::Push(_) | Wish::Session(_) | Wish::Pull(_)
                if !self.may_dial(key, stream.role, &stream.route, &stream.terms.path) =>
            {
                tracing::warn!(
                    host = stream.terms.path.first().map(|uri| uri.host.as_str()),
                    "a stranger asks us to connect to somebody else: stream refused"
                );
                Some(Verdict::Reject)
            }
            Wish::Push(file) => self.judge_push(now, key, stream, file),
            Wish::Pull(_) => None,
            Wish::Session(Direction::SendOnly) if self.unattended_box(key).is_some() => None,
            Wish::Session(direction) => {
                let ours = Direction::SendRecv.facing(*direction);
                Some(self.local_stream(now, key, ours, stream, None))
            }
            Wish::Unsupported(why) => {
                tracing::info!(%why, index = stream.index, "stream refused");
                Some(Verdict::Reject)
            }
        }
    }

    pub(super) fn local_stream(
        &mut self,
        now: Now,
        key: CallKey,
        direction: Direction,
        stream: &StreamOffer,
        file: Option<FileOffer>,
    ) -> Verdict {
        let path = match self.relays.live_link(now, &stream.terms.path) {
            Some(link) => Some(OwnPath { relays: Vec::new(), local: self.relay_side_uri(link) }),
            None => self.own_path(key, stream.terms.path.first().and_then(Carrier::of)),
        };
        let Some(path) = path else { return Verdict::Reject };
        // RFC 6714 §4.3: the attribute is in our answer if we do as it says.
        let terms = Terms { cema: stream.route != Route::Path, ..self.terms(path.in_sdp()) };
        Verdict::Accept(LocalStream { terms, direction, role: stream.role, file })
    }

    /// What we say of ourselves in every description.
    pub(super) fn terms(&self, path: Vec<MsrpUri>) -> Terms {
        // RFC 8122 §5: the fingerprint is of the certificate that a peer meets, and behind a relay it does not meet ours.
        let ours = matches!(path.as_slice(), [local] if local.secure);
        Terms {
            path,
            fingerprints: if ours { self.policy.fingerprints.clone() } else { Vec::new() },
            accept_types: self.policy.root_types(),
            accept_wrapped_types: self.policy.wrapped_only_types(),
            max_size: Some(self.policy.max_size),
            cema: false,
        }
    }

    /// RFC 4975 §14.5: whoever may call us must not make us connect to a victim. Those who may command us may have us
    /// connect anywhere; a stranger only to itself.
    pub(super) fn may_dial(&self, key: CallKey, role: Role, route: &Route, path: &[MsrpUri]) -> bool {
        let Some(call) = self.board.calls.get(&key) else { return false };
        let source = call.source.ip();
        let hop = if let Route::Media(hop) = route { Some(hop) } else { path.first() };
        let itself = || hop.and_then(MsrpUri::address) == Some(source);
        let here = || self.relays.link(path).is_some();
        role == Role::Passive || here() || call.purpose != Purpose::Service || call.trusted || itself()
    }

    pub(super) fn answer_if_decided(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let decided = self.offers.get(&key).is_some_and(|pending| pending.verdicts.iter().all(Option::is_some));
        let Some(pending) = decided.then(|| self.offers.remove(&key)).flatten() else { return };
        let verdicts: Vec<Verdict> = pending.verdicts.into_iter().flatten().collect();
        // F-3: some application servers send an ordinary call with sound to the control address.
        let asked = |call: &Call| is_control_user(&call.parties.user);
        let control = sdp::is_control(&pending.offer) || self.board.calls.get(&key).is_some_and(asked);
        let taken = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Accept(_)));
        let first = self.board.calls.get(&key).is_some_and(|call| call.description.is_none());
        if let Some(over) = pending.full.filter(|_| first && !taken && !control) {
            return self.refuse_for_quota(now, key, &over, out);
        }
        if first && !taken && !control {
            let warning = refusal_text(&pending.streams);
            return self.refuse(now, key, Refusal { status: 488, warning }, out);
        }
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        let mut description = sdp::answer(&pending.offer, &verdicts, &call.local);
        if let Some(previous) = &call.description {
            description = description.succeeding(previous);
        }
        call.remote = Some(pending.offer);
        let acknowledged = call.updating.is_none();
        let body = self.with_icons(&description, &pending.pictures);
        self.accept_with(now, key, &description, body, out);
        self.relay.waste(key);
        for (stream, verdict) in pending.streams.iter().zip(verdicts) {
            let (object, icon) = match &stream.wish {
                Wish::Push(file) => (None, icon_of(file, &pending.icons)),
                _ => (pending.pulled.get(&stream.index).cloned(), None),
            };
            self.settle(now, key, stream, verdict, (object, icon), out);
        }
        if !acknowledged {
            // No ACK will say that the peer has the answer.
            self.board.streams_of(key).into_iter().for_each(|session| self.dial_if_active(now, session, out));
        }
        self.next_reoffer(now, key, out);
    }

    /// Makes the stream that an answer of ours promised, or ends the one it refused.
    fn settle(
        &mut self,
        now: Now,
        key: CallKey,
        offered: &StreamOffer,
        verdict: Verdict,
        (object, icon): (Option<Committed>, Option<Icon>),
        out: &mut Outbox<Output>,
    ) {
        let have = self.board.calls.get(&key).and_then(|call| call.streams.get(offered.index).copied().flatten());
        let Verdict::Accept(local) = verdict else {
            if let Some(session) = have {
                self.drop_stream(now, session, out);
            }
            return;
        };
        let Some(path) = from_sdp(local.terms.path) else { return };
        if let Some(session) = have.filter(|session| self.board.streams[session].local == path.local) {
            return self.adjust(now, session, local.direction, offered, out);
        }
        // A `<record>` that waits goes on waiting on the stream that takes this one's place.
        let recorder = have.and_then(|session| self.board.streams.get_mut(&session)?.recorder.take());
        if let Some(session) = have {
            self.drop_stream(now, session, out);
        }
        let proposed = Proposed {
            relays: path.relays,
            local: path.local,
            sends: local.direction.sends(),
            receives: local.direction.receives(),
            file: local.file,
        };
        // RFC 5547 §8.3.1: a pushed file is the one of the offer.
        let file = match &offered.wish {
            Wish::Push(file) => Some(file.clone()),
            _ => proposed.file.clone(),
        };
        if let Some((call, file)) = self.board.calls.get_mut(&key).zip(file.as_ref()) {
            call.remember(file);
        }
        let mut stream =
            Stream::new(key, Proposed { file, ..proposed }, offered.terms.clone(), (local.role, offered.route.clone()));
        stream.relay = self.relays.live_link(now, &stream.peer.path);
        let range = stream.file.as_ref().and_then(|file| file.range);
        stream.icon = icon;
        let session = self.board.add_stream(offered.index, stream);
        self.keep_lease(session);
        self.wait_for_connection(now, key);
        if let Some(recorder) = recorder {
            self.hand_over(recorder, session);
        }
        if let Some(object) = object {
            self.wake(now, self.policy.answer_timeout, Timer::Connect(session));
            let outgoing = Outgoing::object(Owner::Nobody, object.clone(), range);
            let to_its_end = outgoing.part.end == object.envelope().size();
            let reads = self.board.calls.get(&key).is_some_and(|call| call.access == Access::Own) && to_its_end;
            if let Some(stream) = self.board.streams.get_mut(&session).filter(|_| reads) {
                stream.fetched = Some(object);
            }
            self.pushes.insert(session, outgoing);
        }
    }

    /// The same stream, offered again with another direction or other terms.
    fn adjust(
        &mut self,
        now: Now,
        session: SessionKey,
        direction: Direction,
        offered: &StreamOffer,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        // A file goes the way it went, or waits.
        let on_hold = stream.file.is_some() && direction == Direction::Inactive;
        if !on_hold {
            (stream.sends, stream.receives) = (direction.sends(), direction.receives());
        }
        stream.peer = offered.terms.clone();
        stream.route = offered.route.clone();
        if offered.setup != Some(Setup::ActPass) {
            stream.role = offered.role; // as our answer says; to `actpass` it repeats what was agreed
        }
        stream.lost = false;
        let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
        if let Some(link) = stream.link() {
            out.push(Output::Link(link, Command::Bind(SessionSpec { greet: false, ..spec })));
        }
        self.hold_call(now, session, on_hold, out);
    }

    /// 200 with this description; the call is a connection of MSML's from here on.
    fn accept(&mut self, now: Now, key: CallKey, description: &Description, out: &mut Outbox<Output>) {
        let body = Body::new(SDP_TYPE, description.to_bytes());
        self.accept_with(now, key, description, body, out);
    }

    fn accept_with(&mut self, now: Now, key: CallKey, description: &Description, body: Body, out: &mut Outbox<Output>) {
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        let new = call.description.is_none();
        call.description = Some(description.clone());
        let conn = call.tag.clone();
        let body = Some(body);
        let command = match call.updating.take() {
            Some(request) => sip::Command::Answer { request, status: 200, reason: None, body, headers: Vec::new() },
            None => sip::Command::Accept { call: key, body },
        };
        self.command(now, command, out);
        if new {
            let context = msml::ContextId(key.0);
            self.msml(now, msml::Input::Connected { conn, context }, out);
        }
    }

    /// The peer has our answer, or has answered our offer.
    pub(super) fn acked(&mut self, now: Now, key: CallKey, body: Option<Body>, out: &mut Outbox<Output>) {
        if let Some(offered) = self.board.calls.get_mut(&key).and_then(|call| call.offered_in_2xx.take()) {
            let empty = offered.description.media.is_empty();
            match read_description(body) {
                Ok(Some(answer)) if self.agree(now, key, offered, &answer, out).is_none() => {
                    return; // an offer without CEMA is on its way: who waits for an answer waits for that one's
                }
                Ok(Some(_)) => {}
                _ if empty => {} // a control dialog: its answer has nothing to say
                _ => {
                    tracing::warn!(call = key.0, "the ACK brings no usable answer to our offer");
                    self.command(now, sip::Command::Bye { call: key, body: None, reason: None }, out);
                }
            }
            self.answer_decided(now, key, out);
            self.serve(now, key, out);
            return self.next_reoffer(now, key, out);
        }
        // The peer listens from when it has our answer, so the dialling waited for its ACK.
        for session in self.board.streams_of(key) {
            self.dial_if_active(now, session, out);
        }
        self.serve(now, key, out);
    }
}

/// F-3: these users are where application servers send their control dialogs.
fn is_control_user(user: &str) -> bool {
    user.eq_ignore_ascii_case("control") || user.eq_ignore_ascii_case("msml")
}

fn refusal_text(streams: &[StreamOffer]) -> String {
    let reason = streams.iter().find_map(|stream| match &stream.wish {
        Wish::Unsupported(why) => Some(why.to_string()),
        Wish::Pull(_) => Some("no object of the box matches the file selector".to_owned()),
        Wish::Push(_) => Some("the file is larger than max-size or its type is not accepted".to_owned()),
        Wish::Session(_) => None,
    });
    reason.unwrap_or_else(|| "no m=message stream was offered".to_owned())
}
