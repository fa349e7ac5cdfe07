//! Files coming in: who asked for them, where they go, and the commit before anything is reported.

use std::time::Duration;

use super::call::{Purpose, Waiting};
use super::core::Engine;
use super::failure::ReceiveFailure;
use super::filing::{disposition_filename, draft, misfit_of, plan};
use super::jobs::{Errand, Owner, Receipt, Timer};
use super::link::{Command, Grant, LinkId};
use super::order::Happening;
use super::port::{Output, Ticket};
use super::transfers::StreamEnd;
use super::variables;
use crate::model::limits::{MSRP_IDLE, TELL_EVERY_OCTETS, TELL_LEAST_OCTETS};
use crate::model::{Now, ObjectUri, Outbox};
use crate::msml::{self, End};
use crate::msrp::cpim::{Content, is_cpim};
use crate::msrp::{Arrival, InboundKey, SessionKey, StatusCode};
use crate::spool::{CommitError, Committed, Sealed};

// What the peer brings.
impl Engine {
    /// A message begins. Nothing past its first head has been read, and nothing will be until it has a grant.
    pub(super) fn arrived(
        &mut self,
        now: Now,
        link: LinkId,
        session: SessionKey,
        message: InboundKey,
        head: Box<Arrival>,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else {
            return out.push(Output::Link(link, Command::Reject(message, StatusCode::NO_SUCH_SESSION)));
        };
        if !stream.receives {
            // The connection has taken the IMDNs that may come whatever the direction (pitfall P25).
            return out.push(Output::Link(link, Command::Reject(message, StatusCode::FORBIDDEN)));
        }
        let busy = !stream.waiting.is_empty() || !stream.receiving.is_empty();
        if stream.spent || (stream.file.is_some() && busy) {
            // RFC 5547 §8.7: one file per file stream.
            return out.push(Output::Link(link, Command::Reject(message, StatusCode::STOP_SENDING)));
        }
        stream.waiting.push_back(Waiting { link, message, head, since: now.instant });
        self.grant_waiting(now, session, out);
        if self.board.streams.get(&session).is_some_and(|stream| stream.waits(link, message)) {
            self.wake(now, self.policy.hold, Timer::Hold(session, link, message));
        }
    }

    /// Gives the messages that wait on this stream their grants, in their order and as far as anybody wants them.
    pub(super) fn grant_waiting(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        while self.grant_next(now, session, out).is_some() {}
    }

    /// Gives the next message its grant.
    ///
    /// RFC 4975 §5.1: a sender may begin a message inside another one. Both are taken where nobody has to say where each
    /// of them goes; a `<record>` is for one, and the next message waits for the next.
    fn grant_next(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) -> Option<()> {
        let stream = self.board.streams.get(&session)?;
        let idle = stream.receiving.is_empty();
        let (waiting, call) = stream.waiting.front().zip(self.board.calls.get(&stream.call))?;
        let selected = stream.file.as_ref().and_then(|file| file.info.media_type.as_deref());
        let own_dest = |work: &msml::Record| work.dest_for(selected.unwrap_or(&waiting.head.content_type)).cloned();
        let mut misfit = None;
        let mut work = Box::<msml::Record>::default();
        let wanted = match (stream.recorder, call.purpose) {
            (Some(primitive), _) => {
                work = self.recorders.get(&primitive).filter(|recorder| idle && !recorder.held)?.work.clone();
                let dest = own_dest(&work);
                misfit = dest.is_none().then_some((ReceiveFailure::BadType, "its type has no destination"));
                dest.or_else(|| work.destinations().next().cloned()).map(|dest| (Owner::Primitive(primitive), dest))
            }
            (None, Purpose::Client(order)) if idle => client_box().map(|dest| (Owner::Client(order), dest)),
            (None, Purpose::Client(_) | Purpose::Delivery(_)) => None,
            (None, Purpose::Service) => self.unattended_box(stream.call).map(|dest| (Owner::Nobody, dest)),
        };
        let (owner, dest) = wanted?;
        let declared = stream.file.as_ref().map(|file| file.info.clone()).unwrap_or_default();
        // P22: max-size counts a wrapper, the size of the file selector does not.
        let wrapped_types = is_cpim(&waiting.head.content_type).then(|| match &work.types[..] {
            [] => self.policy.wrapped_types(),
            types => types.to_vec(),
        });
        let mut draft = Box::new(draft(&call.parties, stream.file.as_ref().map(|file| &file.info), &waiting.head));
        draft.icon.clone_from(&stream.icon);
        draft.expires = work.expires.map(|kept| now.wall.after(kept));
        let (named, shown) = (declared.name.is_some(), call.parties.shown);
        let (link, message, since) = (waiting.link, waiting.message, waiting.since);
        if let Owner::Client(order) = owner {
            out.push(Output::Happened(order, Happening::Receiving(waiting.head.total)));
        }
        tracing::info!(call_id = %call.parties.call_id, message_id = %waiting.head.message_id, to = %dest, "receiving");
        let mut plan = plan(&call.parties, &draft, dest, stream.file.as_ref(), self.parts.get(&stream.call));
        plan.overwrite = work.overwrite;
        if work.afresh {
            (plan.resume_key, plan.file_key) = (None, None);
        }
        let offset = plan.offset;
        let after = |octets: u64| octets.saturating_sub(offset);
        let most = declared.size.filter(|_| wrapped_types.is_none());
        let limits = [most.map(after), work.max_size.map(after)].into_iter().flatten();
        let limit = limits.fold(self.policy.max_size, u64::min);
        let misfit = misfit.or_else(|| misfit_of(&waiting.head.content_type, stream.file.as_ref(), &work));
        let reported = waiting.head.success_report;
        let mut variables = variables::of_file(&draft.file);
        variables::set(&mut variables, "ft.uri", &plan.object);
        variables::set(&mut variables, "ft.offset", offset);
        self.fence(now, &plan, out);
        let stream = self.board.streams.get_mut(&session).expect("the stream was looked up above");
        stream.waiting.pop_front();
        stream.receiving.push((link, message));
        if let Owner::Primitive(primitive) = owner {
            let recorder = self.recorders.get_mut(&primitive).expect("a stream's recorder is in the table");
            recorder.message = Some((link, message));
        }
        let keys: Vec<String> = plan.resume_key.iter().chain(&plan.file_key).cloned().collect();
        let key = (link, message);
        self.writers.extend(keys.iter().map(|written| (written.clone(), key)));
        let (whole, sealed) = (false, false);
        let receipt = Receipt {
            key,
            owner,
            session,
            since,
            octets: 0,
            named,
            draft,
            keys,
            offset,
            reported,
            whole,
            sealed,
            shown,
        };
        self.receipts.insert(key, receipt);
        if let Some((failure, why)) = misfit {
            // RFC 5547 §8.3.1: a file that is not what was selected has failed, and who waits for it is told.
            tracing::warn!(why, status = failure.status().0, "the message is not what is wanted here: refused");
            out.push(Output::Link(link, Command::Reject(message, failure.status())));
            self.lost(now, link, message, &failure, 0, out);
            return None;
        }
        if let Owner::Primitive(primitive) = owner {
            self.msml(now, msml::Input::Began { primitive, variables }, out);
        }
        let idle = work.idle_timeout.unwrap_or(MSRP_IDLE);
        let tell_every = work.watched.map_or(TELL_EVERY_OCTETS, |octets| octets.max(TELL_LEAST_OCTETS));
        let incremental = !work.reports_whole;
        let grant = Grant { message, plan, limit, declared, wrapped_types, idle, tell_every, incremental };
        out.push(Output::Link(link, Command::Receive(Box::new(grant))));
        Some(())
    }

    /// The connection has refused a message that had no octet yet: others waited for it. Who wanted it waits for the next.
    pub(super) fn withdrawn(&mut self, link: LinkId, message: InboundKey) {
        tracing::warn!(link = link.0, "a message had no grant and was in the way of others: refused with 413");
        if let Some(receipt) = self.receipts.remove(&(link, message)) {
            self.writers.retain(|_, writer| *writer != receipt.key);
            if let Some(stream) = self.board.streams.get_mut(&receipt.session) {
                stream.receiving.retain(|key| *key != (link, message));
            }
            if let Owner::Primitive(primitive) = receipt.owner
                && let Some(recorder) = self.recorders.get_mut(&primitive)
            {
                recorder.message = None;
            }
        }
        for session in self.board.streams_on(link) {
            if let Some(stream) = self.board.streams.get_mut(&session) {
                stream.waiting.retain(|waiting| (waiting.link, waiting.message) != (link, message));
            }
        }
    }

    /// `msrp.hold` is over and no `<record>` came. One that came and is suspended may take its time.
    pub(super) fn held_too_long(
        &mut self,
        now: Now,
        session: SessionKey,
        link: LinkId,
        message: InboundKey,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        let this = |waiting: &Waiting| (waiting.link, waiting.message) == (link, message);
        let Some(index) = stream.waiting.iter().position(this) else { return };
        if now.instant.since(stream.waiting[index].since) < self.policy.hold {
            return; // its time began anew, and another timer with it
        }
        // The message before it has its own time, and what comes after it may still be asked for.
        if stream.recorder.is_some() || !stream.receiving.is_empty() {
            return self.wake(now, self.policy.hold, Timer::Hold(session, link, message));
        }
        let Some(waiting) = stream.waiting.remove(index) else { return };
        let held_ms = now.instant.since(waiting.since).as_millis();
        tracing::warn!(message_id = %waiting.head.message_id, held_ms, "nobody recorded the message: refused with 413");
        out.push(Output::Link(link, Command::Reject(message, StatusCode::STOP_SENDING)));
    }

    pub(super) fn received(
        &mut self,
        now: Now,
        link: LinkId,
        message: InboundKey,
        octets: u64,
        out: &mut Outbox<Output>,
    ) {
        let Some(receipt) = self.receipts.get_mut(&(link, message)) else { return };
        receipt.octets = octets;
        match receipt.owner {
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Received(octets))),
            Owner::Primitive(primitive) => self.msml(now, msml::Input::Progress { primitive, octets }, out),
            Owner::Delivery(_) | Owner::Nobody => {}
        }
    }

    /// The message is a wrapper: the object will be what is in it.
    pub(super) fn unwrapped(&mut self, link: LinkId, message: InboundKey, content: Content) {
        let Some(receipt) = self.receipts.get_mut(&(link, message)) else { return };
        let draft = &mut receipt.draft;
        draft.file.media_type = Some(content.media_type);
        if !receipt.named {
            draft.file.name = content.disposition.as_deref().and_then(disposition_filename);
        }
        draft.wrappers = content.wrappers;
        draft.wrappers.iter_mut().flat_map(|wrapper| &mut wrapper.imdn).for_each(|imdn| imdn.shown = receipt.shown);
    }

    /// Every octet is in the stage: the next message of the session may come, but this one is not checked yet.
    pub(super) fn whole(&mut self, link: LinkId, message: InboundKey) {
        if let Some(receipt) = self.receipts.get_mut(&(link, message)) {
            receipt.whole = true;
        }
    }

    /// The file is whole and checked: from here to the commit nothing can stop it but the disk.
    pub(super) fn sealed(&mut self, link: LinkId, message: InboundKey, sealed: Box<Sealed>, out: &mut Outbox<Output>) {
        let Some(receipt) = self.receipts.get_mut(&(link, message)) else { return };
        receipt.sealed = true;
        let draft = receipt.draft.clone();
        let ticket = self.errand(Errand::Commit(link, message));
        out.push(Output::Commit(ticket, sealed, draft));
    }

    pub(super) fn committed(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<Committed, CommitError>,
        out: &mut Outbox<Output>,
    ) {
        let Some(Errand::Commit(link, message)) = self.errands.remove(&ticket) else { return };
        let Some(receipt) = self.receipts.remove(&(link, message)) else { return };
        self.free(now, &receipt);
        let took = now.instant.since(receipt.since);
        match result {
            Ok(object) => {
                out.push(Output::Link(link, Command::Committed(message, object.clone())));
                self.tell_committed(now, &receipt, object, took, out);
            }
            Err(error) => {
                let why = ReceiveFailure::from(&error);
                out.push(Output::Link(link, Command::Failed(message, why.clone())));
                self.tell_lost(now, &receipt, &why, took, out);
            }
        }
        self.grant_waiting(now, receipt.session, out);
        self.maybe_left(now, receipt.session, out);
    }

    pub(super) fn lost(
        &mut self,
        now: Now,
        link: LinkId,
        message: InboundKey,
        why: &ReceiveFailure,
        octets: u64,
        out: &mut Outbox<Output>,
    ) {
        if self.receipts.get(&(link, message)).is_some_and(|receipt| receipt.sealed) {
            return; // the commit decides
        }
        let Some(mut receipt) = self.receipts.remove(&(link, message)) else { return };
        receipt.octets = octets;
        self.free(now, &receipt);
        match why {
            ReceiveFailure::Disconnected | ReceiveFailure::TakenOver => {}
            ReceiveFailure::AbortedRemote | ReceiveFailure::HashMismatch => {
                self.retire(now, receipt.session, StreamEnd::Theirs);
            }
            _ => self.retire(now, receipt.session, StreamEnd::Ours),
        }
        let took = now.instant.since(receipt.since);
        self.tell_lost(now, &receipt, why, took, out);
        self.grant_waiting(now, receipt.session, out);
        self.maybe_left(now, receipt.session, out);
    }

    /// The link died with this message on it, or its session is over.
    pub(super) fn receipt_cut(&mut self, now: Now, key: (LinkId, InboundKey), out: &mut Outbox<Output>) {
        if self.receipts.get(&key).is_some_and(|receipt| !receipt.whole) {
            let octets = self.receipts[&key].octets;
            self.lost(now, key.0, key.1, &ReceiveFailure::Disconnected, octets, out);
        }
    }

    /// The stream can take the next message, unless it was made for one file. The time of those that wait begins now.
    fn free(&mut self, now: Now, receipt: &Receipt) {
        for key in &receipt.keys {
            if self.writers.get(key) == Some(&receipt.key) {
                self.writers.remove(key);
            }
        }
        let Some(stream) = self.board.streams.get_mut(&receipt.session) else { return };
        stream.receiving.retain(|key| *key != receipt.key);
        stream.spent |= stream.file.is_some();
        if let Owner::Primitive(primitive) = receipt.owner {
            stream.recorder.take_if(|recorder| *recorder == primitive);
        }
        stream.waiting.iter_mut().for_each(|waiting| waiting.since = now.instant);
        let waiting: Vec<_> = stream.waiting.iter().map(|waiting| (waiting.link, waiting.message)).collect();
        for (link, message) in waiting {
            self.wake(now, self.policy.hold, Timer::Hold(receipt.session, link, message));
        }
    }

    fn tell_committed(
        &mut self,
        now: Now,
        receipt: &Receipt,
        object: Committed,
        took: Duration,
        out: &mut Outbox<Output>,
    ) {
        let envelope = object.envelope();
        tracing::info!(object = %envelope.id, uri = %envelope.uri, call_id = receipt.draft.call_id,
            message_id = receipt.draft.message_id, octets = envelope.size(), "committed");
        match receipt.owner {
            Owner::Primitive(primitive) => {
                self.dismiss(primitive);
                let mut variables = variables::of_file(&envelope.file);
                variables::set(&mut variables, "ft.uri", &envelope.uri);
                variables::moved(&mut variables, receipt.offset..envelope.size(), took);
                let report = variables::reported(receipt.reported);
                variables::ended(&mut variables, "ft.success", Some(200), Some(report));
                self.msml(now, msml::Input::Through { primitive, variables: variables.clone() }, out);
                variables::set(&mut variables, "ft.objects", 1);
                variables::set(&mut variables, "record.len", took.as_millis());
                variables::set(&mut variables, "record.recordid", &envelope.uri);
                let end = End { name: "record.complete".to_owned(), variables, failure: None };
                self.msml(now, msml::Input::Ended { primitive, end }, out);
            }
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Committed(object))),
            Owner::Delivery(_) | Owner::Nobody => {}
        }
    }

    fn tell_lost(
        &mut self,
        now: Now,
        receipt: &Receipt,
        why: &ReceiveFailure,
        took: Duration,
        out: &mut Outbox<Output>,
    ) {
        tracing::warn!(call_id = receipt.draft.call_id, message_id = receipt.draft.message_id,
            octets = receipt.octets, why = %why, "the file did not arrive");
        match receipt.owner {
            Owner::Primitive(primitive) => {
                let mut variables = variables::of_file(&receipt.draft.file);
                let end = receipt.offset.saturating_add(receipt.octets);
                variables::moved(&mut variables, receipt.offset..end, took);
                variables::ended(&mut variables, why.result(), Some(why.status().0), None);
                self.msml(now, msml::Input::Through { primitive, variables: variables.clone() }, out);
                self.record_over(now, primitive, why, variables, took, out);
            }
            Owner::Client(order) => out.push(Output::Happened(order, Happening::ReceiveFailed(why.clone()))),
            Owner::Delivery(_) | Owner::Nobody => {}
        }
    }
}

/// The box into which a client's own node takes what is sent to it.
fn client_box() -> Option<ObjectUri> {
    ObjectUri::mailbox("inbox").ok()
}
