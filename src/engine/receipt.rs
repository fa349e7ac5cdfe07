//! Files coming in: who asked for them, where they go, and the commit before anything is reported.

use std::time::Duration;

use super::call::{Parties, Purpose, RENDER, Waiting};
use super::core::Engine;
use super::failure::ReceiveFailure;
use super::jobs::{Errand, Owner, Receipt, Recorder, Timer};
use super::link::{Command, Grant, LinkId};
use super::order::Happening;
use super::policy::Unattended;
use super::port::{Output, Ticket};
use super::transfers::{self, StreamEnd};
use crate::model::limits::MSRP_IDLE;
use crate::model::media::bare;
use crate::model::{DigestAlgorithm, FileInfo, Now, ObjectUri, Outbox};
use crate::msml::{self, End, PrimitiveKey, Record};
use crate::msrp::cpim::{Content, is_cpim};
use crate::msrp::{Arrival, InboundKey, SessionKey, StatusCode};
use crate::sdp::FileOffer;
use crate::spool::{CommitError, Committed, EnvelopeDraft, Sealed, StagePlan};

// What the application wants.
impl Engine {
    /// A `<record>` starts on this connection.
    pub(super) fn record(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        conn: &str,
        work: Record,
        out: &mut Outbox<Output>,
    ) {
        let call = self.board.by_tag(conn);
        let streams = call.map(|call| self.board.streams_of(call)).unwrap_or_default();
        let Some(call) = call.filter(|_| !streams.is_empty()) else {
            return self.record_refused(now, primitive, (441, "the connection has no message stream".to_owned()), out);
        };
        match streams.into_iter().find(|key| self.board.streams[key].free_to_receive()) {
            Some(session) => self.record_on(now, primitive, session, work, out),
            // Design: wrong direction or a busy stream is a reason for a re-INVITE with a new one, and then for 451.
            None => {
                self.asking.insert(primitive, (call, work));
                self.reoffer(now, primitive, out);
            }
        }
    }

    /// The record has its stream.
    pub(super) fn record_on(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        session: SessionKey,
        work: Record,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        stream.recorder = Some(primitive);
        let held = work.suspended;
        self.recorders.insert(primitive, Recorder { session, work, held, message: None });
        self.msml(now, msml::Input::Started { primitive }, out);
        self.await_first(now, primitive);
        self.dial_if_active(now, session, out);
        self.grant_waiting(now, session, out);
    }

    /// `prespeech` runs while the recorder does.
    fn await_first(&mut self, now: Now, primitive: PrimitiveKey) {
        let Some(recorder) = self.recorders.get(&primitive) else { return };
        let waits = !recorder.held && recorder.message.is_none();
        if let Some(first) = recorder.work.first_timeout.filter(|_| waits) {
            self.wake(now, first, Timer::First(primitive));
        }
    }

    /// A recorder that still waits goes on waiting on another stream; one whose file is whole is done with streams.
    pub(super) fn hand_over(&mut self, primitive: PrimitiveKey, session: SessionKey) {
        if let Some(recorder) = self.recorders.get_mut(&primitive).filter(|recorder| recorder.message.is_none())
            && let Some(stream) = self.board.streams.get_mut(&session)
        {
            stream.recorder = Some(primitive);
            recorder.session = session;
        }
    }

    /// The recorder is over: nothing leads to it any more.
    fn dismiss(&mut self, primitive: PrimitiveKey) {
        self.asking.remove(&primitive);
        if let Some(recorder) = self.recorders.remove(&primitive)
            && let Some(stream) = self.board.streams.get_mut(&recorder.session)
            && stream.recorder == Some(primitive)
        {
            stream.recorder = None;
        }
    }

    /// Pause, resume or terminate from the application.
    pub(super) fn order_record(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        order: msml::Order,
        out: &mut Outbox<Output>,
    ) {
        if self.asking.contains_key(&primitive) && matches!(order, msml::Order::Terminate { .. }) {
            return self.record_over(now, primitive, &ReceiveFailure::Terminated, 0, Duration::ZERO, out);
        }
        let Some(recorder) = self.recorders.get_mut(&primitive) else { return };
        let (session, message) = (recorder.session, recorder.message);
        match order {
            msml::Order::Pause => {
                recorder.held = true;
                if let Some((link, message)) = message {
                    out.push(Output::Link(link, Command::Hold(message)));
                }
            }
            msml::Order::Resume => {
                recorder.held = false;
                match message {
                    Some((link, message)) => out.push(Output::Link(link, Command::Resume(message))),
                    None => {
                        self.await_first(now, primitive);
                        self.grant_waiting(now, session, out);
                    }
                }
            }
            msml::Order::Terminate { discard } => match message {
                // A whole file is past stopping: its seal and its commit decide, and the exit tells.
                Some(key) if self.receipts.get(&key).is_some_and(|receipt| receipt.whole) => {}
                Some((link, message)) => out.push(Output::Link(link, Command::Stop { message, discard })),
                None => self.record_over(now, primitive, &ReceiveFailure::Terminated, 0, Duration::ZERO, out),
            },
        }
    }
}

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
    fn grant_waiting(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
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
        let wanted = match (stream.recorder, call.purpose) {
            (Some(primitive), _) => {
                let recorder = self.recorders.get(&primitive)?;
                (idle && !recorder.held)
                    .then(|| (Owner::Primitive(primitive), recorder.work.dest.clone(), recorder.work.idle_timeout))
            }
            (None, Purpose::Client(order)) if idle => client_box().map(|dest| (Owner::Client(order), dest, None)),
            (None, Purpose::Client(_)) => None,
            (None, Purpose::Service) if self.policy.unattended == Unattended::Deposit => {
                unattended_box(&call.parties.user).map(|dest| (Owner::Nobody, dest, None))
            }
            (None, Purpose::Service) => None,
        };
        let (owner, dest, idle) = wanted?;
        let declared = stream.file.as_ref().map(|file| file.info.clone()).unwrap_or_default();
        // P22: max-size counts a wrapper, the size of the file selector does not.
        let wrapped_types = is_cpim(&waiting.head.content_type).then(|| self.policy.wrapped_types());
        let mut draft = Box::new(draft(&call.parties, stream.file.as_ref().map(|file| &file.info), &waiting.head));
        draft.icon.clone_from(&stream.icon);
        let named = declared.name.is_some();
        let (link, message, since) = (waiting.link, waiting.message, waiting.since);
        if let Owner::Client(order) = owner {
            out.push(Output::Happened(order, Happening::Receiving(waiting.head.total)));
        }
        tracing::info!(call_id = %call.parties.call_id, message_id = %waiting.head.message_id, to = %dest, "receiving");
        let plan = plan(&call.parties, &draft, dest, stream.file.as_ref(), self.parts.get(&stream.call));
        let most = declared.size.filter(|_| wrapped_types.is_none());
        let left = most.map_or(u64::MAX, |size| size.saturating_sub(plan.offset));
        let limit = left.min(self.policy.max_size);
        let misfit = misfit(&waiting.head.content_type, stream.file.as_ref());
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
        let receipt =
            Receipt { key, owner, session, since, octets: 0, named, draft, keys, whole: false, sealed: false };
        self.receipts.insert(key, receipt);
        if let Some(why) = misfit {
            // RFC 5547 §8.3.1: a file that is not what was selected has failed, and who waits for it is told.
            tracing::warn!(why, "the message is not the file of its stream: refused with 415");
            out.push(Output::Link(link, Command::Reject(message, StatusCode::UNSUPPORTED_MEDIA)));
            self.lost(now, link, message, &ReceiveFailure::BadType, 0, out);
            return None;
        }
        let idle = idle.unwrap_or(MSRP_IDLE);
        let grant = Grant { message, plan, limit, declared, wrapped_types, idle };
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

    /// `prespeech` is over and no octet came.
    pub(super) fn nothing_came(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(recorder) = self.recorders.get(&primitive) else { return };
        match recorder.message {
            None => self.record_over(now, primitive, &ReceiveFailure::First, 0, Duration::ZERO, out),
            Some(key) if self.receipts.get(&key).is_some_and(|receipt| receipt.octets == 0) => {
                out.push(Output::Link(key.0, Command::Stop { message: key.1, discard: true }));
            }
            Some(_) => {}
        }
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
            Owner::Primitive(primitive) => self.msml(now, msml::Input::Progress { primitive }, out),
            Owner::Nobody => {}
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
                let mut variables = file_variables(&object, took);
                variables.push(("record.len".to_owned(), took.as_millis().to_string()));
                variables.push(("record.recordid".to_owned(), envelope.uri.to_string()));
                variables.push(("ft.result".to_owned(), "ft.success".to_owned()));
                let end = End { name: "record.complete".to_owned(), variables, failure: None };
                self.msml(now, msml::Input::Ended { primitive, end }, out);
            }
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Committed(object))),
            Owner::Nobody => {}
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
            Owner::Primitive(primitive) => self.record_over(now, primitive, why, receipt.octets, took, out),
            Owner::Client(order) => out.push(Output::Happened(order, Happening::ReceiveFailed(why.clone()))),
            Owner::Nobody => {}
        }
    }

    /// Ends a `<record>` that brought no object.
    pub(super) fn record_over(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        why: &ReceiveFailure,
        octets: u64,
        took: Duration,
        out: &mut Outbox<Output>,
    ) {
        self.dismiss(primitive);
        let variables = vec![
            ("record.len".to_owned(), took.as_millis().to_string()),
            ("ft.bytes".to_owned(), octets.to_string()),
            ("ft.result".to_owned(), why.result().to_owned()),
        ];
        let failure = why.code().map(|code| (code, why.to_string()));
        let end = End { name: format!("record.failed.{}", why.reason()), variables, failure };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }

    /// Ends a `<record>` that never had a stream.
    pub(super) fn record_refused(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        failure: (u16, String),
        out: &mut Outbox<Output>,
    ) {
        let variables = vec![("ft.result".to_owned(), format!("ft.rejected.{}", failure.0))];
        let end = End { name: "record.failed.nostream".to_owned(), variables, failure: Some(failure) };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }
}

/// The box into which a client's own node takes what is sent to it.
fn client_box() -> Option<ObjectUri> {
    ObjectUri::mailbox("inbox").ok()
}

/// The box that a Request-URI's user part names.
fn unattended_box(user: &str) -> Option<ObjectUri> {
    let user = percent_encoding::percent_decode_str(user).decode_utf8().ok()?;
    ObjectUri::mailbox(&user).ok()
}

/// What the envelope will say, from the call, the file selector and the first chunk's head.
fn draft(parties: &Parties, selector: Option<&FileInfo>, head: &Arrival) -> EnvelopeDraft {
    let mut file = selector.cloned().unwrap_or_default();
    file.media_type = Some(head.content_type.clone());
    file.disposition.get_or_insert_with(|| RENDER.to_owned());
    if file.name.is_none() {
        file.name = head.disposition.as_deref().and_then(disposition_filename);
    }
    EnvelopeDraft {
        from: Some(parties.from.clone()),
        to: Some(parties.to.clone()),
        call_id: Some(parties.call_id.clone()),
        message_id: Some(head.message_id.clone()),
        file,
        icon: None,
        expires: None,
        wrappers: Vec::new(),
    }
}

/// Where the octets go. A peer that comes back with the same identity and Message-ID goes on where it stopped
/// (RFC 4975 §5.4). What a file selector declared keeps other files out; in a wrapper the message is longer than that, so
/// its octets are never those that a `file-range` counts. `part` is the file key of a command that goes on with a file.
fn plan(
    parties: &Parties,
    draft: &EnvelopeDraft,
    object: ObjectUri,
    file: Option<&FileOffer>,
    part: Option<&String>,
) -> StagePlan {
    let wrapped = is_cpim(draft.file.media_type.as_deref().unwrap_or_default());
    let declared = file.map(|file| file.info.clone()).unwrap_or_default();
    let message_id = draft.message_id.clone().unwrap_or_default();
    StagePlan {
        resume_key: Some(format!("{}\n{message_id}\n{object}", parties.from)),
        object,
        // RFC 5547 §8.1: with `file-range` it goes on under a new id, so the file has to speak for itself.
        file_key: part.cloned().or_else(|| transfers::file_key(parties, &declared)).filter(|_| !wrapped),
        offset: file.map_or(0, FileOffer::offset),
        declared: FileInfo { size: declared.size.filter(|_| !wrapped), ..declared },
        overwrite: false,
        call_id: draft.call_id.clone(),
        message_id: draft.message_id.clone(),
    }
}

/// Why a message is not what the file selector of its stream announced.
fn misfit(content_type: &str, file: Option<&FileOffer>) -> Option<&'static str> {
    let file = file?;
    if is_cpim(content_type) && file.offset() > 0 {
        // RFC 5547 §6: `file-range` counts octets of the file, and the chunks of a wrapped one count others.
        return Some("it is the rest of a file, and in a wrapper");
    }
    (!is_of_type(content_type, &file.info)).then_some("its type is another one")
}

/// Whether a message brings the type that its file selector names; inside of a wrapper only the wrapper's reader can say.
fn is_of_type(content_type: &str, selector: &FileInfo) -> bool {
    let kind = |text: &str| bare(text).to_ascii_lowercase();
    let brings = kind(content_type);
    let wrapped = brings == "message/cpim" || brings.starts_with("multipart/");
    wrapped || selector.media_type.as_deref().is_none_or(|wanted| kind(wanted) == brings)
}

/// `filename` of a Content-Disposition (RFC 2183 §2.3), quoted or not. It is data; it never becomes a path.
fn disposition_filename(disposition: &str) -> Option<String> {
    let (_, parameters) = disposition.split_once(';')?;
    let at = parameters.to_ascii_lowercase().find("filename=")?;
    let value = parameters[at + "filename=".len()..].trim_start();
    let name = match value.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        None => value.split([';', ' ']).next().unwrap_or_default().to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

fn unquoted(quoted: &str) -> String {
    let mut name = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => name.extend(letters.next()),
            letter => name.push(letter),
        }
    }
    name
}

/// The `ft.*` variables of an object.
pub(super) fn file_variables(object: &Committed, took: Duration) -> Vec<(String, String)> {
    let envelope = object.envelope();
    let info = &envelope.file;
    let millis = took.as_millis().max(1) as u64;
    let mut variables = vec![
        ("ft.uri", envelope.uri.to_string()),
        ("ft.size", envelope.size().to_string()),
        ("ft.bytes", envelope.size().to_string()),
        ("ft.hash", format!("{}:{}", DigestAlgorithm::Sha256.name(), envelope.sha256().hex())),
        ("ft.duration", took.as_millis().to_string()),
        ("ft.rate", (envelope.size().saturating_mul(1000) / millis).to_string()),
        ("ft.objects", "1".to_owned()),
    ];
    let optional = [
        ("ft.name", &info.name),
        ("ft.type", &info.media_type),
        ("ft.disposition", &info.disposition),
        ("ft.date", &info.created),
        ("ft.transferid", &info.transfer_id),
    ];
    variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // M5547-8.2.2-09
    #[test]
    fn a_message_is_of_its_selectors_type_whatever_its_parameters_unless_a_wrapper_hides_it() {
        for (selector, content_type, fits) in [
            (Some("audio/wav"), "Audio/WAV; rate=8000", true),
            (Some("text/plain;charset=utf-8"), "text/plain", true),
            (Some("audio/wav"), "audio/ogg", false),
            (Some("audio/wav"), "message/CPIM", true),
            (None, "audio/ogg", true),
        ] {
            let info = FileInfo { media_type: selector.map(str::to_owned), ..FileInfo::default() };
            assert_eq!(is_of_type(content_type, &info), fits, "{selector:?} {content_type}");
        }
    }

    #[test]
    fn a_filename_is_read_from_every_usual_form_of_content_disposition() {
        let name = |text: &str| disposition_filename(text);
        assert_eq!(name("attachment; filename=\"a \\\"b\\\".wav\"; size=3").as_deref(), Some("a \"b\".wav"));
        assert_eq!(name("render; FileName=x.png; size=1").as_deref(), Some("x.png"));
        assert_eq!(name("attachment"), None);
        assert_eq!(name("attachment; filename="), None);
    }
}
