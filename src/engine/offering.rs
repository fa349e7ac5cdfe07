//! We offer: calls of our own, streams for a `<play>`, and what the peer's answer leaves of them.

use super::call::{Call, Offered, Proposed, Purpose, SDP_TYPE, Stream, TRANSFER_ID_LETTERS};
use super::core::Engine;
use super::description::{file_offer, read_description};
use super::jobs::{Outgoing, Owner, Timer};
use super::link::Source;
use super::order::{Happening, LocalFile};

use super::paths::{OwnPath, Waiting, in_sdp};
use super::playing::Broken;
use super::policy::Trunk;
use super::port::Output;
use super::transfers::{icon_of, icons};
use crate::model::limits::ICON_OFFERED_OCTETS;
use crate::model::{FileInfo, Now, Outbox};
use crate::msml::PrimitiveKey;
use crate::msrp::{Carrier, MsrpUri, SessionKey};
use crate::sdp::{self, AgreedStream, Description, Direction, FileOffer, LocalSession, OfferedStream, Terms};
use crate::sip::{self, Body, CallKey};
use crate::spool::Icon;

impl Engine {
    pub(super) fn offered_stream(&self, proposed: &Proposed, trunk: Trunk) -> OfferedStream {
        OfferedStream {
            terms: Terms { cema: trunk.cema, ..self.terms(in_sdp(&proposed.relays, &proposed.local)) },
            direction: Direction::new(proposed.sends, proposed.receives),
            reachable: true,
            file: proposed.file.clone(),
        }
    }

    /// A call of ours is answered.
    pub(super) fn answered(
        &mut self,
        now: Now,
        key: CallKey,
        peer_tag: String,
        body: Option<Body>,
        out: &mut Outbox<Output>,
    ) {
        self.tell(key, Happening::Answered(peer_tag), out);
        let call_id = self.endpoint.report(key).map(|report| report.call_id).unwrap_or_default();
        if let Some(call) = self.board.calls.get_mut(&key) {
            call.parties.call_id = call_id;
        }
        let Some(offered) = self.board.calls.get_mut(&key).and_then(|call| call.offered.take()) else { return };
        let wanted = !offered.added.is_empty();
        let icons = icons(body.as_ref());
        let Some(agreed) = self.agree_with(now, key, offered, body, out) else { return };
        self.answer_decided(now, key, out);
        match agreed.first() {
            Some(session) => self.use_stream(now, key, *session, &icons, out),
            None if wanted => self.unwanted(now, key, out),
            None => {}
        }
    }

    /// The peer takes nothing of what the call was placed for.
    fn unwanted(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        match self.board.calls.get(&key).map(|call| call.purpose) {
            Some(Purpose::Delivery(delivery)) => self.delivery_unwanted(now, delivery, out),
            _ => self.tell(key, Happening::NoMedia, out),
        }
    }

    /// What a command's call is for, once the stream for it is there: a file comes, with its picture, or goes.
    fn use_stream(
        &mut self,
        now: Now,
        key: CallKey,
        session: SessionKey,
        icons: &[(String, Icon)],
        out: &mut Outbox<Output>,
    ) {
        if let Some(stream) = self.board.streams.get_mut(&session) {
            stream.icon = stream.file.as_ref().and_then(|file| icon_of(file, icons));
        }
        if let Some(Purpose::Delivery(delivery)) = self.board.calls.get(&key).map(|call| call.purpose) {
            return self.deliver_on(now, delivery, session, out);
        }
        if let Some((_, local)) = self.local_files.remove(&key)
            && let Some(Purpose::Client(order)) = self.board.calls.get(&key).map(|call| call.purpose)
        {
            let LocalFile { path, info, message_id, .. } = local;
            let offset = self.board.streams[&session].file.as_ref().map_or(0, FileOffer::offset);
            let part = offset..info.size.unwrap_or_default().max(offset);
            let (owner, source, info) = (Owner::Client(order), Source::Local(path), Box::new(info));
            let outgoing = Outgoing { owner, source, info, part, message_id, reported: true };
            if !self.takes(key, &self.board.streams[&session].peer, &outgoing) {
                return self.tell(key, Happening::NoMedia, out);
            }
            self.wake(now, self.policy.answer_timeout, Timer::Connect(session));
            self.pushes.insert(session, outgoing);
            self.start_sending(now, session, out);
        }
    }

    /// A primitive needs a stream of its own: a re-INVITE offers one, one re-INVITE at a time.
    pub(super) fn reoffer(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some((key, mut file)) = self.wanted_stream(primitive) else { return };
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        if call.offered.is_some() || call.offered_in_2xx.is_some() {
            return call.reoffers.push_back(primitive);
        }
        let Some(previous) = call.description.clone() else { return };
        let trunk = call.trunk;
        if self.lacks_paths(key, 1) {
            return self.apply(now, key, 1, Waiting::Reoffer(primitive), out);
        }
        let carrier = self.usual_carrier(key);
        let Some(OwnPath { relays, local }) = self.own_path(key, carrier) else { return };
        let icon = self.icon_to_offer(primitive, file.as_mut());
        let proposed = Proposed { relays, local, sends: file.is_some(), receives: file.is_none(), file };
        let offered_stream = self.offered_stream(&proposed, trunk);
        let description = sdp::reoffer(&previous, &self.finished_lines(key), Some(&offered_stream));
        let path = &offered_stream.terms.path;
        let index = description.media.iter().position(|media| media.value("path") == Some(&MsrpUri::print_path(path)));
        let Some(index) = index else { return };
        let body = self.with_icons(&description, icon.as_slice());
        let added = vec![(index, proposed)];
        self.await_answer(key, &added);
        let call = self.board.calls.get_mut(&key).expect("the call was looked up above");
        call.offered = Some(Offered {
            purpose: Some(primitive),
            pictures: icon.into_iter().collect(),
            ..Offered::new(description, added)
        });
        self.command(now, sip::Command::Reinvite { call: key, body }, out);
    }

    /// The picture of what a play sends, and its name in the offer; none if it is too big, or the peer has refused it.
    fn icon_to_offer(&mut self, primitive: PrimitiveKey, file: Option<&mut FileOffer>) -> Option<Body> {
        let play = self.plays.get(&primitive).filter(|play| !play.plain)?;
        let icon = play.ready.as_ref()?.icon.clone()?;
        self.name_icon(&icon, file?)
    }

    /// RFC 5547 §8.8: the picture travels beside the description, which names it.
    pub(super) fn name_icon(&mut self, icon: &Icon, file: &mut FileOffer) -> Option<Body> {
        if icon.octets.len() > ICON_OFFERED_OCTETS {
            return None;
        }
        let id = format!("{}@{}", self.mint.token(CONTENT_ID_LETTERS), self.policy.doors.first.host);
        file.icon = Some(format!("cid:{id}"));
        let body = Body::new(&icon.media_type, icon.octets.clone());
        Some(Body { id: Some(id), disposition: Some("icon;handling=optional".to_owned()), ..body })
    }

    /// A description as a body, with the pictures it names.
    pub(super) fn with_icons(&mut self, description: &Description, icons: &[Body]) -> Body {
        let root = Body::new(SDP_TYPE, description.to_bytes());
        if icons.is_empty() {
            return root;
        }
        let boundary = self.mint.token(TRANSFER_ID_LETTERS); // too random to be in a picture
        sip::multipart::related(&root, icons, &boundary)
    }

    /// What carries this call's first stream: the peer that took it takes another one like it.
    fn usual_carrier(&self, key: CallKey) -> Option<Carrier> {
        let session = self.board.streams_of(key).first().copied()?;
        Carrier::of(&self.board.streams.get(&session)?.local)
    }

    /// Whose call it is, and the file to push on the new stream; `None` for one to receive on.
    fn wanted_stream(&mut self, primitive: PrimitiveKey) -> Option<(CallKey, Option<FileOffer>)> {
        if let Some((call, _)) = self.asking.get(&primitive) {
            return Some((*call, None));
        }
        let play = self.plays.get(&primitive)?;
        let ready = play.ready.as_ref()?;
        let envelope = ready.object.envelope();
        let mut info = ready.info.clone();
        info.size = Some(envelope.size());
        info.digests = vec![envelope.sha1().clone()];
        info.transfer_id = Some(self.mint.token(TRANSFER_ID_LETTERS));
        Some((play.call, Some(FileOffer { range: ready.range, ..file_offer(info) })))
    }

    /// Which m= lines have done their file; they may be used again (RFC 3264 §8.1).
    pub(super) fn finished_lines(&self, key: CallKey) -> Vec<usize> {
        let Some(call) = self.board.calls.get(&key) else { return Vec::new() };
        let spent = |slot: &Option<SessionKey>| {
            slot.and_then(|session| self.board.streams.get(&session)).is_none_or(|stream| stream.spent)
        };
        call.streams.iter().enumerate().filter(|(_, slot)| spent(slot)).map(|(index, _)| index).collect()
    }

    pub(super) fn reoffer_answered(&mut self, now: Now, key: CallKey, body: Option<Body>, out: &mut Outbox<Output>) {
        let Some(offered) = self.board.calls.get_mut(&key).and_then(|call| call.offered.take()) else { return };
        let (purpose, renewed) = (offered.purpose, offered.renewed.clone());
        let description = offered.description.clone();
        let wanted = !offered.added.is_empty();
        let icons = icons(body.as_ref());
        let Some(agreed) = self.agree_with(now, key, offered, body, out) else { return };
        for (index, _) in description.media.iter().enumerate().filter(|(_, media)| media.is_closed()) {
            let session = self.board.calls.get(&key).and_then(|call| call.streams.get(index).copied().flatten());
            if let Some(session) = session {
                self.drop_stream(now, session, out); // closed, whatever the answer says
            }
        }
        self.answer_decided(now, key, out);
        if let Some(call) = self.board.calls.get_mut(&key) {
            call.description = Some(description);
        }
        if let Some((session, relays)) = renewed {
            self.take_path(session, relays, out);
        }
        match (purpose, agreed.first()) {
            (Some(primitive), Some(session)) => self.take_stream(now, primitive, *session, out),
            (Some(primitive), None) => self.reoffer_failed(now, primitive, "the peer refused the stream", out),
            // RFC 6714 §4.2: the offer of a call, made again without CEMA.
            (None, Some(session)) => self.use_stream(now, key, *session, &icons, out),
            (None, None) if wanted => self.unwanted(now, key, out),
            (None, None) => {}
        }
        self.serve(now, key, out);
        self.next_reoffer(now, key, out);
    }

    /// The stream a primitive asked for is there.
    fn take_stream(&mut self, now: Now, primitive: PrimitiveKey, session: SessionKey, out: &mut Outbox<Output>) {
        if let Some((_, work)) = self.asking.remove(&primitive) {
            if self.board.streams.get(&session).is_some_and(Stream::free_to_receive) {
                return self.record_on(now, primitive, session, work, out);
            }
            return self.record_refused(now, primitive, (451, "the peer does not send on the stream".to_owned()), out);
        }
        match self.fit(primitive, session) {
            Ok(()) => self.play_on(now, primitive, session, out),
            Err(misfit) => self.play_failed(now, primitive, misfit, out),
        }
    }

    pub(super) fn reoffer_refused(&mut self, now: Now, key: CallKey, status: u16, out: &mut Outbox<Output>) {
        let Some(offered) = self.board.calls.get_mut(&key).and_then(|call| call.offered.take()) else { return };
        if let Some((session, _)) = &offered.renewed {
            self.path_not_taken(now, *session);
        }
        self.answer_decided(now, key, out); // of this offer; who comes early for the next one is waited for
        if let Some(play) = offered
            .purpose
            .filter(|_| status == 415 && !offered.pictures.is_empty())
            .and_then(|key| self.plays.get_mut(&key))
        {
            // RFC 5547 §8.8: who does not take a picture may still take the file.
            play.plain = true;
            let again = offered.purpose.into_iter();
            again.for_each(|primitive| self.reoffer(now, primitive, out));
        } else if let Some(primitive) = offered.purpose {
            self.reoffer_failed(now, primitive, &format!("the peer refused the re-INVITE with {status}"), out);
        } else if !offered.added.is_empty() {
            self.unwanted(now, key, out);
        }
        self.next_reoffer(now, key, out);
    }

    /// Our relay is not to be had, and the stream would go through it.
    pub(super) fn reoffer_denied(
        &mut self,
        now: Now,
        key: CallKey,
        primitive: PrimitiveKey,
        why: &str,
        out: &mut Outbox<Output>,
    ) {
        self.reoffer_failed(now, primitive, why, out);
        self.next_reoffer(now, key, out);
    }

    fn reoffer_failed(&mut self, now: Now, primitive: PrimitiveKey, why: &str, out: &mut Outbox<Output>) {
        let failure = (451, why.to_owned());
        if self.asking.remove(&primitive).is_some() {
            return self.record_refused(now, primitive, failure, out);
        }
        self.play_broke(now, primitive, Broken::new("nostream", "ft.rejected.451").failing(failure), out);
    }

    /// Lets the primitives that waited for a re-INVITE go on, until one needs another.
    pub(super) fn next_reoffer(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        while let Some(call) = self.board.calls.get_mut(&key)
            && call.offered.is_none()
            && call.offered_in_2xx.is_none()
            && let Some(primitive) = call.reoffers.pop_front()
        {
            if self.asking.contains_key(&primitive) {
                self.reoffer(now, primitive, out);
            } else {
                self.choose_stream(now, primitive, out);
            }
        }
        let idle = |call: &mut Call| call.offered.is_none() && call.offered_in_2xx.is_none();
        let free = !self.offers.contains_key(&key) && self.board.calls.get_mut(&key).is_some_and(idle);
        if free && self.board.calls.get_mut(&key).is_some_and(|call| std::mem::take(&mut call.closing)) {
            self.close_lines(now, key, out);
        }
    }

    /// As [`Engine::agree`], with an answer that may be none.
    fn agree_with(
        &mut self,
        now: Now,
        key: CallKey,
        offered: Offered,
        body: Option<Body>,
        out: &mut Outbox<Output>,
    ) -> Option<Vec<SessionKey>> {
        let Ok(Some(answer)) = read_description(body) else {
            return Some(Vec::new());
        };
        self.agree(now, key, offered, &answer, out)
    }

    /// Brings to life what an answer took of our offer, and returns it; ends what the answer closes. `None`: the offer
    /// was made again, and its answer will decide.
    pub(super) fn agree(
        &mut self,
        now: Now,
        key: CallKey,
        offered: Offered,
        answer: &Description,
        out: &mut Outbox<Output>,
    ) -> Option<Vec<SessionKey>> {
        let mut agreed = match sdp::read_answer(&offered.description, answer) {
            Ok(agreed) => agreed,
            Err(error) => {
                tracing::warn!(call = key.0, %error, "the answer does not fit our offer");
                return Some(Vec::new());
            }
        };
        if !self.route_answer(key, &offered.description, answer, &mut agreed) {
            self.offer_plainly(now, key, offered, out);
            return None;
        }
        if let Some(call) = self.board.calls.get_mut(&key) {
            call.remote = Some(answer.clone());
        }
        let mut added = offered.added;
        let have = self.board.calls.get(&key).map(|call| call.streams.clone()).unwrap_or_default();
        for (index, (session, agreed)) in have.into_iter().zip(&agreed).enumerate() {
            let Some(session) = session.filter(|_| added.iter().all(|(new, _)| *new != index)) else { continue };
            let old = &self.board.streams[&session];
            match agreed {
                Some(stream) if old.is_path(&stream.terms.path) => continue,
                // Another endpoint takes the peer's place (3PCC): the same line, a new session with it.
                Some(_) => {
                    let (local, sends, receives) = (old.local.clone(), old.sends, old.receives);
                    let relays = old.relays.clone();
                    added.push((index, Proposed { relays, local, sends, receives, file: None }));
                }
                None => {}
            }
            self.drop_stream(now, session, out);
        }
        let mut sessions = Vec::new();
        for (index, proposed) in added {
            let Some(stream) = agreed.get(index).and_then(Option::as_ref) else { continue };
            if !self.may_dial(key, stream.role, &stream.route, &stream.terms.path) {
                tracing::warn!(
                    host = stream.terms.path.first().map(|uri| uri.host.as_str()),
                    "a stranger asks us to connect to somebody else: stream ignored"
                );
                continue;
            }
            if let Some(spent) = self.board.calls.get(&key).and_then(|call| *call.streams.get(index)?) {
                self.drop_stream(now, spent, out); // its line is used again
            }
            let mut stream = agreed_stream(key, proposed, stream);
            stream.relay = self.relays.live_link(now, &stream.peer.path);
            let session = self.board.add_stream(index, stream);
            self.keep_lease(session);
            self.wait_for_connection(now, key);
            self.dial_if_active(now, session, out);
            sessions.push(session);
        }
        Some(sessions)
    }

    /// RFC 4028: the session goes on as it is, and so says an offer that changes nothing.
    pub(super) fn refresh_due(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        if call.offered.is_some() || call.offered_in_2xx.is_some() {
            return; // that offer refreshes it
        }
        let Some(previous) = &call.description else { return };
        let description = sdp::reoffer(previous, &[], None);
        let body = Body::new(SDP_TYPE, description.to_bytes());
        call.offered = Some(Offered::new(description, Vec::new()));
        self.command(now, sip::Command::Reinvite { call: key, body }, out);
    }

    /// RFC 5547 §8.5: what an OPTIONS is told.
    pub(super) fn capability_description(&mut self) -> Body {
        let local = LocalSession::new(self.policy.address.clone(), &mut self.mint);
        let uri = self.mint_uri(None);
        let terms = self.terms(vec![uri]);
        let description = sdp::capabilities(&local, &terms);
        Body::new(SDP_TYPE, description.to_bytes())
    }
}

fn agreed_stream(call: CallKey, mut proposed: Proposed, agreed: &AgreedStream) -> Stream {
    // RFC 5547 §8.2.2: what is checked in the end is what the answer says of the file we asked for.
    if let Some((asked, told)) = proposed.file.as_mut().zip(agreed.file.as_ref()).filter(|_| proposed.receives) {
        let transfer_id = asked.info.transfer_id.take();
        asked.icon.clone_from(&told.icon);
        let digests = if told.info.digests.is_empty() {
            std::mem::take(&mut asked.info.digests)
        } else {
            told.info.digests.clone()
        };
        asked.info = FileInfo { transfer_id, digests, ..told.info.clone() };
    }
    // Pitfall P11: who answers without a selector has not read the range either, and gets all of the file.
    if let Some(offered) = proposed.file.as_mut().filter(|_| proposed.sends && agreed.file.is_none()) {
        offered.range = None;
    }
    proposed.sends &= agreed.direction.sends();
    proposed.receives &= agreed.direction.receives();
    Stream::new(call, proposed, agreed.terms.clone(), (agreed.role, agreed.route.clone()))
}

/// Letters of a Content-ID before its host: unique for ever (RFC 2392).
const CONTENT_ID_LETTERS: usize = 22;
