//! Calls that hand an object on (design §8): whom they go to, what they offer, and how each attempt ends.
//!
//! ```text
//!  Deliver -> object -> where? -> INVITE -> answer -> connection -> octets -> REPORT -> Handed
//!                        ^ ^        |  |
//!                        | +- 3xx --+  +- 415 with a picture, a range that is not taken: again without
//!                        +--- next Contact
//! ```

use super::attempts::Delivering;
use super::call::Purpose;
use super::calling::Calling;
use super::core::Engine;
use super::delivery::{Attempt, DeliveryKey, Handed};
use super::jobs::{Errand, Outgoing, Owner, Timer};
use super::link::Command;
use super::paths::Waiting;
use super::port::{Output, Query};
use crate::model::limits::SIP_REDIRECTIONS;
use crate::model::{Ending, Now, Outbox};
use crate::msrp::{SendFailure, SessionKey};
use crate::sip::{self, CallKey, Place, Target, Transport};
use crate::spool::Committed;

// To the peer's answer.
impl Engine {
    /// The queue wants an object handed on.
    pub(super) fn deliver(&mut self, attempt: Attempt, out: &mut Outbox<Output>) {
        let key = DeliveryKey(self.number());
        let (object, to) = (attempt.object.clone(), attempt.to.clone());
        self.deliveries.insert(key, Delivering::new(attempt));
        if self.drain.is_some() {
            return self.handed(key, Ending::Stopped, out);
        }
        if !self.may_forward(&to) {
            return self.handed(key, Ending::NotAllowed(to), out);
        }
        let ticket = self.errand(Errand::Deliver(key));
        out.push(Output::Find(ticket, Query::Forward(object)));
    }

    /// S14: we call nobody whom the operator does not know, whoever asks for it.
    pub(super) fn may_forward(&self, uri: &str) -> bool {
        Target::of(uri).is_some_and(|target| self.policy.forward.iter().any(|domain| domain.has(&target.host)))
    }

    /// The spool has the object, or has not.
    pub(super) fn delivery_found(
        &mut self,
        key: DeliveryKey,
        result: Result<Option<Committed>, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(delivering) = self.deliveries.get_mut(&key) else { return };
        match result {
            Ok(Some(object)) => {
                // Somebody else's number, or an older one's, must not leave anything away of this file.
                if delivering.offset >= object.envelope().size() {
                    delivering.offset = 0;
                }
                delivering.object = Some(object);
                self.locate(key, out);
            }
            Ok(None) => self.handed(key, Ending::Unreadable("there is no such object".to_owned()), out),
            Err(why) => self.handed(key, Ending::Unreadable(why), out),
        }
    }

    fn locate(&mut self, key: DeliveryKey, out: &mut Outbox<Output>) {
        let Some(delivering) = self.deliveries.get(&key) else { return };
        match self.next_hop(&delivering.target) {
            Ok(target) => {
                let ticket = self.errand(Errand::Locate(key));
                out.push(Output::Locate(ticket, target));
            }
            Err(why) => self.handed(key, Ending::Unreachable(why), out),
        }
    }

    /// What has to be looked up for a request to this URI: itself, or our proxy.
    pub(super) fn next_hop(&self, uri: &str) -> Result<Target, String> {
        let hop = self.policy.outbound.proxy.as_deref().unwrap_or(uri);
        let mut target = Target::of(hop).ok_or_else(|| format!("{hop} is no URI that can be called"))?;
        // RFC 3261 §26.2.2: what goes to a sips URI goes over TLS on every hop, and ours to the proxy is one.
        if is_secure(uri) && !target.secure {
            if matches!(target.transport, Some(Transport::Udp | Transport::Tcp)) {
                return Err("the proxy is not reached by TLS".to_owned());
            }
            (target.secure, target.transport) = (true, Some(Transport::Tls));
        }
        Ok(target)
    }

    /// Where the next hop is, as RFC 3263 finds it.
    pub(super) fn located(
        &mut self,
        now: Now,
        key: DeliveryKey,
        result: Result<Vec<Place>, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(delivering) = self.deliveries.get_mut(&key) else { return };
        match result {
            Ok(places) if !places.is_empty() => {
                delivering.places = places;
                self.call_peer(now, key, out);
            }
            Ok(_) => self.handed(key, Ending::Unreachable("its name leads nowhere".to_owned()), out),
            Err(why) => self.handed(key, Ending::Unreachable(why), out),
        }
    }

    /// Calls, or calls again with another offer.
    fn call_peer(&mut self, now: Now, key: DeliveryKey, out: &mut Outbox<Output>) {
        let call = CallKey(self.number());
        if let Some(delivering) = self.deliveries.get_mut(&key) {
            (delivering.call, delivering.session) = (Some(call), None);
            self.call_with_path(now, call, key, out);
        }
    }

    /// The call has its path, if it needs one through a relay.
    pub(super) fn call_with_path(&mut self, now: Now, call: CallKey, key: DeliveryKey, out: &mut Outbox<Output>) {
        if self.lacks_paths(call, 1) {
            return self.apply(now, call, 1, Waiting::Delivery(key), out);
        }
        let Some(delivering) = self.deliveries.get(&key).filter(|delivering| delivering.call == Some(call)) else {
            return self.relay.waste(call);
        };
        let (info, offset, icon) = (delivering.info(), delivering.offset, delivering.icon().cloned());
        let (target, to, places) =
            (delivering.target.clone(), delivering.attempt.to.clone(), delivering.places.clone());
        let hops = delivering.attempt.hops;
        let mut file = self.wanted_file(&info, offset);
        let icon = icon.and_then(|icon| self.name_icon(&icon, &mut file));
        let Some(path) = self.own_path(call, None) else {
            return self.give_up(now, key, Ending::Unreachable("there is no path through the relay".to_owned()), out);
        };
        let calling = Calling {
            purpose: Purpose::Delivery(key),
            tag: format!("delivery-{}", key.0),
            target,
            to,
            from: self.policy.outbound.from.clone(),
            route: self.policy.outbound.proxy.clone(),
            places,
            hops,
            stream: Some(path.sending(file)),
            icon,
        };
        self.begin_call(now, call, calling, out);
    }

    /// Our relay is not to be had.
    pub(super) fn delivery_denied(&mut self, now: Now, key: DeliveryKey, why: &str, out: &mut Outbox<Output>) {
        self.give_up(now, key, Ending::Unreachable(why.to_owned()), out);
    }

    /// The INVITE was refused, or nobody was there to refuse it.
    pub(super) fn delivery_refused(
        &mut self,
        now: Now,
        key: DeliveryKey,
        with_icon: bool,
        refusal: sip::Refusal,
        out: &mut Outbox<Output>,
    ) {
        let Some(delivering) = self.deliveries.get_mut(&key) else { return };
        let (status, silent) = (refusal.status, refusal.silent);
        delivering.call = None;
        // RFC 5547 §8.8: who does not take a picture may still take the file.
        if status == 415 && with_icon {
            delivering.plain = true;
            return self.call_peer(now, key, out);
        }
        if matches!(status, 488 | 606) && delivering.offset > 0 {
            delivering.offset = 0;
            return self.call_peer(now, key, out);
        }
        let followed = (300..400).contains(&status) && self.redirected(key, &refusal.contacts);
        // RFC 3261 §8.1.3.4: a place that was moved to and fails is followed by the next.
        let next = self.deliveries.get_mut(&key).filter(|_| status < 600).and_then(|moved| moved.moved.pop_front());
        if let (Some(target), Some(delivering)) = (next, self.deliveries.get_mut(&key)) {
            tracing::info!(delivery = delivering.attempt.delivery, status, followed, %target, "redirected");
            delivering.target = target;
            return self.locate(key, out);
        }
        let retry_after = refusal.retry_after.map(|secs| std::time::Duration::from_secs(secs.into()));
        self.handed(
            key,
            match status {
                401 | 407 => Ending::Credentials,
                408 if silent => Ending::NoAnswer,
                _ if silent => Ending::Unreachable("nothing there takes the call".to_owned()),
                _ => Ending::Refused { status, retry_after },
            },
            out,
        );
    }

    /// Notes where the peer has moved to, as far as we may call there and have not.
    fn redirected(&mut self, key: DeliveryKey, contacts: &[String]) -> bool {
        let mut allowed: Vec<String> = contacts.iter().filter(|contact| self.may_forward(contact)).cloned().collect();
        let Some(delivering) = self.deliveries.get_mut(&key) else { return false };
        // RFC 3261 §8.1.3.4: who was called by a sips URI is not called in clear because somebody moved.
        if is_secure(&delivering.target) {
            allowed.retain(|contact| is_secure(contact));
        }
        for contact in allowed {
            if delivering.known.len() <= SIP_REDIRECTIONS && !delivering.known.contains(&contact) {
                delivering.known.push(contact.clone());
                delivering.moved.push_back(contact);
            }
        }
        !delivering.moved.is_empty()
    }
}

/// Whether this URI wants TLS on every hop.
fn is_secure(uri: &str) -> bool {
    Target::of(uri).is_some_and(|target| target.secure)
}

// From its answer to the end.
impl Engine {
    /// The answer has a stream: the file goes out on it if the peer takes it (RFC 4975 §8.6), before the first octet.
    pub(super) fn deliver_on(&mut self, now: Now, key: DeliveryKey, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(delivering) = self.deliveries.get_mut(&key) else { return };
        let Some((object, stream)) = delivering.object.clone().zip(self.board.streams.get(&session)) else { return };
        delivering.session = Some(session);
        let range = stream.file.as_ref().and_then(|file| file.range);
        delivering.offset = stream.file.as_ref().map_or(0, crate::sdp::FileOffer::offset);
        let outgoing = Outgoing {
            info: Box::new(delivering.info()),
            message_id: super::wrapping::as_message_id(&delivering.attempt.delivery),
            reported: !delivering.attempt.unreported,
            ..Outgoing::object(Owner::Delivery(key), object, range)
        };
        let (call, sends, max_size) = (stream.call, stream.sends, stream.peer.max_size);
        let octets = outgoing.octets();
        let wrapper = self.wrapper_octets(call, &self.board.streams[&session].peer, &outgoing);
        let ending = match (wrapper, max_size) {
            _ if !sends => Ending::NoStream("it does not receive".to_owned()),
            // RFC 5547 §6: what travels in a wrapper has no ranges.
            (None, _) if !outgoing.is_whole() => return self.send_all_of_it(now, key, out),
            (None, _) => Ending::BadType,
            (Some(wrapper), Some(max_size)) if octets.saturating_add(wrapper) > max_size => {
                Ending::TooLarge { max_size }
            }
            (Some(_), _) => {
                self.wake(now, self.policy.answer_timeout, Timer::Connect(session));
                self.pushes.insert(session, outgoing);
                return self.start_sending(now, session, out);
            }
        };
        self.give_up(now, key, ending, out);
    }

    /// The peer takes the file, and not a part of it: another call brings all of it.
    fn send_all_of_it(&mut self, now: Now, key: DeliveryKey, out: &mut Outbox<Output>) {
        let Some(delivering) = self.deliveries.get_mut(&key) else { return };
        delivering.offset = 0;
        if let Some(call) = delivering.call.take() {
            self.command(now, sip::Command::Bye { call, body: None, reason: None }, out);
        }
        self.call_peer(now, key, out);
    }

    /// The answer takes nothing of what was offered.
    pub(super) fn delivery_unwanted(&mut self, now: Now, key: DeliveryKey, out: &mut Outbox<Output>) {
        if self.deliveries.get(&key).is_some_and(|delivering| delivering.offset > 0) {
            return self.send_all_of_it(now, key, out);
        }
        self.give_up(now, key, Ending::NoStream("the stream is refused".to_owned()), out);
    }

    /// The message has not got through.
    pub(super) fn delivery_broke(
        &mut self,
        now: Now,
        key: DeliveryKey,
        why: &SendFailure,
        reported: u64,
        out: &mut Outbox<Output>,
    ) {
        let offset = self.deliveries.get(&key).map_or(0, |delivering| delivering.offset);
        let ending = match why {
            SendFailure::Status(status) | SendFailure::Report(status) => Ending::Msrp { status: status.0 },
            SendFailure::Timeout
            | SendFailure::ConnectionLost
            | SendFailure::Unbound
            | SendFailure::TooManySessions => Ending::Broken { reported: offset.saturating_add(reported) },
            SendFailure::Source => Ending::Unreadable("the file's octets could not be read".to_owned()),
            SendFailure::Aborted => Ending::Stopped,
        };
        self.give_up(now, key, ending, out);
    }

    /// The call is over, whoever ended it: if the attempt is not, it has broken off.
    pub(super) fn delivery_over(&mut self, now: Now, key: DeliveryKey, call: CallKey, out: &mut Outbox<Output>) {
        let of_call = |delivering: &&Delivering| delivering.call == Some(call);
        if let Some(reported) = self.deliveries.get(&key).filter(of_call).map(|delivering| delivering.offset) {
            self.give_up(now, key, Ending::Broken { reported }, out);
        }
    }

    /// Whoever is called has put the call on hold, and has not come back: it must not keep the place of others.
    pub(super) fn held_for_long(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let is_held = self.board.streams.get(&session).is_some_and(|stream| stream.on_hold);
        let on_it = |delivering: &Delivering| is_held && delivering.session == Some(session);
        let found = self.deliveries.iter().find(|(_, delivering)| on_it(delivering));
        if let Some((key, reported)) = found.map(|(key, delivering)| (*key, delivering.offset)) {
            self.give_up(now, key, Ending::Broken { reported }, out);
        }
    }

    /// The queue wants this attempt no more. What is on its way may still get there, and then it is delivered.
    pub(super) fn call_back(&mut self, now: Now, delivery: &str, token: u64, out: &mut Outbox<Output>) {
        let named =
            |delivering: &Delivering| delivering.attempt.delivery == delivery && delivering.attempt.token == token;
        let found = self.deliveries.iter().find(|(_, delivering)| named(delivering)).map(|(key, _)| *key);
        if let Some(key) = found {
            self.break_off(now, key, out);
        }
    }

    /// Breaks an attempt off.
    pub(super) fn break_off(&mut self, now: Now, key: DeliveryKey, out: &mut Outbox<Output>) {
        let session = self.deliveries.get(&key).and_then(|delivering| delivering.session);
        let stream = session.and_then(|session| self.board.streams.get(&session));
        match stream.and_then(|stream| stream.link().zip(stream.sending)) {
            Some((link, message)) => out.push(Output::Link(link, Command::Abort(message))),
            None => self.give_up(now, key, Ending::Stopped, out),
        }
    }

    /// Attempts of which not an octet is on its way go back to the queue: we are going out of service.
    pub(super) fn hand_back_deliveries(&mut self, now: Now, out: &mut Outbox<Output>) {
        let moving = |delivering: &Delivering| {
            let stream = delivering.session.and_then(|session| self.board.streams.get(&session));
            stream.is_some_and(|stream| stream.sending.is_some())
        };
        let mut idle: Vec<_> =
            self.deliveries.iter().filter(|(_, delivering)| !moving(delivering)).map(|(key, _)| *key).collect();
        idle.sort_unstable();
        idle.into_iter().for_each(|key| self.give_up(now, key, Ending::Stopped, out));
    }

    /// Ends an attempt and its call, however far that is.
    pub(super) fn give_up(&mut self, now: Now, key: DeliveryKey, ending: Ending, out: &mut Outbox<Output>) {
        let Some(delivering) = self.deliveries.get(&key) else { return };
        let (call, session) = (delivering.call, delivering.session);
        self.handed(key, ending, out);
        if let Some(session) = session {
            self.pushes.remove(&session); // the peer may still connect
        }
        if let Some(call) = call {
            self.command(now, sip::Command::Bye { call, body: None, reason: None }, out);
        }
    }

    /// The attempt has its end. There is no other.
    fn handed(&mut self, key: DeliveryKey, ending: Ending, out: &mut Outbox<Output>) {
        let Some(Delivering { attempt, call, .. }) = self.deliveries.remove(&key) else { return };
        let Attempt { delivery, token, object, to, .. } = attempt;
        let call_id = call.and_then(|call| self.board.calls.get(&call)).map(|call| call.parties.call_id.as_str());
        tracing::info!(delivery, token, object, to, call_id, %ending, "attempt over");
        out.push(Output::Handed(Handed { delivery, token, ending }));
    }
}
