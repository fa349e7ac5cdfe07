//! A link at work: the connection's outputs, the stage's answers, the engine's word.

use std::collections::BTreeMap;
use std::time::Duration;

use super::port::{Command, Grant, Input, Notice, Output};
use super::wrapper::{Unwrapping, Verdict};
use crate::engine::failure::ReceiveFailure;
use crate::model::limits::{CPIM_HEAD_OCTETS, MSRP_LONELY, MSRP_RELAY_KEPT};
use crate::model::{FileInfo, Instant, Machine, Now, Outbox, Ranges};
use crate::msrp::{self, AbortReason, Connection, InboundKey, StatusCode};
use crate::spool::{SealError, Sealed, StageError};

/// One inbound message that has its grant.
#[derive(Debug)]
struct Inbound {
    limit: u64,
    /// Where in the file the message begins (RFC 5547 `file-range`): MSRP counts from there, the stage from the file's start.
    offset: u64,
    declared: FileInfo,
    idle: Duration,
    last_octet: Instant,
    received: u64,
    /// What the engine was last told of it.
    told: u64,
    tell_every: u64,
    incremental: bool,
    /// Nobody could go on with it: its octets are not kept.
    afresh: bool,
    durable: u64,
    /// The stage has octets of an earlier session, whose sender may have been told that they are durable.
    resumed: bool,
    step: Step,
    /// It is a `message/cpim`.
    wrapper: Option<Unwrapping>,
}

/// How far an inbound message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The stage is being opened.
    Opening,
    /// Octets flow.
    Open,
    /// Octets are held on the application's wish.
    Held,
    /// Everything is in; the stage is with the sealer.
    Sealing,
    /// The sealed file is with the engine.
    Sealed,
}

/// One byte stream with its sessions, stages and sources.
#[derive(Debug)]
pub struct Link {
    connection: Connection,
    inbound: BTreeMap<InboundKey, Inbound>,
    /// No message is idle for too long before this. Octets put it off without a look at each message, of which there may be
    /// thousands: when it comes, it is seen who has really been silent.
    idle_before: Option<Instant>,
    /// Since when the stream has carried no session.
    lonely_since: Option<Instant>,
    /// How long it may.
    lonely_most: Duration,
    closed: bool,
    scratch: Outbox<msrp::Output>,
}

impl Link {
    /// A link over a fresh connection.
    pub fn new(connection: Connection, now: Now) -> Self {
        let lonely_since = Some(now.instant);
        Self {
            connection,
            inbound: BTreeMap::new(),
            idle_before: None,
            lonely_since,
            lonely_most: MSRP_LONELY,
            closed: false,
            scratch: Outbox::new(),
        }
    }

    /// Whether the owner may read the stream; false is back-pressure.
    pub fn wants_octets(&self) -> bool {
        !self.closed && self.connection.wants_octets()
    }

    /// Takes one input; everything that follows from it is appended to `out` in the order to be performed.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Octets(octets) => self.drive(now, msrp::Input::Octets(octets), out),
            Input::Heard => self.heard(now),
            Input::Sent(octets) => self.drive(now, msrp::Input::Sent(octets), out),
            Input::Closed => self.close(now, out),
            Input::Timeout => self.timeout(now, out),
            Input::Command(command) => self.command(now, command, out),
            Input::Staged(message, result) => self.staged(now, message, result, out),
            Input::Written(message, octets, result) => self.written(now, message, octets, result, out),
            Input::Peeked(message, result) => self.peeked(now, message, result, out),
            Input::Synced(message, result) => self.synced(now, message, result, out),
            Input::Sealed(message, result) => self.sealed(now, message, result, out),
            Input::Fetched(message, offset, Some(octets)) => {
                self.drive(now, msrp::Input::Fetched { message, offset, octets }, out);
            }
            Input::Fetched(message, _, None) => self.drive(now, msrp::Input::FetchFailed { message }, out),
        }
    }

    /// When the link wants [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let connection = self.connection.deadline().map(|(instant, _)| instant);
        [self.idle_before, connection, self.lonely_until()].into_iter().flatten().min()
    }

    /// Somebody's octets are awaited from now on.
    fn watch(&mut self, deadline: Option<Instant>) {
        self.idle_before = [self.idle_before, deadline].into_iter().flatten().min();
    }

    /// Until when the stream is kept without a session. A client with a relay URI waits for its next call.
    fn lonely_until(&self) -> Option<Instant> {
        let since = self.lonely_since?;
        Some(self.connection.relay_until().unwrap_or(since).max(since + self.lonely_most))
    }

    fn command(&mut self, now: Now, command: Command, out: &mut Outbox<Output>) {
        let input = match command {
            Command::Bind(spec) => msrp::Input::Bind(spec),
            Command::Refuse(knock, status) => msrp::Input::Refuse { knock, status },
            Command::Auth(auth, answer) => msrp::Input::Auth(auth, answer),
            Command::Unbind(session) => msrp::Input::Unbind(session),
            Command::Receive(grant) => return self.granted(now, *grant, out),
            Command::Reject(message, status) => msrp::Input::Reject { message, status },
            Command::Hold(message) => return self.hold(now, message, out),
            Command::Resume(message) => return self.resume(now, message, out),
            Command::Stop { message, discard } => return self.stop(now, message, discard, out),
            Command::Committed(message, _receipt) => {
                self.inbound.remove(&message);
                msrp::Input::Committed { message }
            }
            Command::Failed(message, why) => {
                self.inbound.remove(&message);
                msrp::Input::Failed { message, status: why.status() }
            }
            Command::Send(spec, source) => {
                out.push(Output::Source(spec.message, source));
                msrp::Input::Send(spec)
            }
            Command::Abort(message) => msrp::Input::Abort { message },
            Command::PauseSend(message) => msrp::Input::PauseSend(message),
            Command::ResumeSend(message) => msrp::Input::ResumeSend(message),
            Command::AskRelay(request) => {
                self.lonely_most = MSRP_RELAY_KEPT;
                msrp::Input::AskRelay(request)
            }
            Command::Close => msrp::Input::Close,
        };
        self.drive(now, input, out);
    }
}

// Inbound: what the stage answers.
impl Link {
    fn granted(&mut self, now: Now, grant: Grant, out: &mut Outbox<Output>) {
        if !self.connection.has(grant.message) {
            return out.push(Output::Notice(Notice::Withdrawn(grant.message))); // refused while the grant was on its way
        }
        let inbound = Inbound {
            declared: grant.declared,
            idle: grant.idle,
            limit: grant.limit,
            offset: grant.plan.offset,
            last_octet: now.instant,
            received: 0,
            told: 0,
            tell_every: grant.tell_every,
            incremental: grant.incremental,
            afresh: grant.plan.resume_key.is_none() && grant.plan.file_key.is_none(),
            durable: 0,
            resumed: false,
            step: Step::Opening,
            wrapper: grant.wrapped_types.map(Unwrapping::new),
        };
        self.inbound.insert(grant.message, inbound);
        out.push(Output::Open(grant.message, grant.plan));
    }

    fn staged(&mut self, now: Now, message: InboundKey, result: Result<Ranges, StageError>, out: &mut Outbox<Output>) {
        let Some(inbound) = self.inbound.get_mut(&message) else {
            return out.push(Output::Suspend(message)); // the stream broke while the stage was opened
        };
        match result {
            Ok(resume) => {
                inbound.resumed = resume.octets() > 0;
                let resume = resume.from(inbound.offset);
                inbound.received = resume.octets();
                inbound.last_octet = now.instant;
                if inbound.step == Step::Opening {
                    inbound.step = Step::Open;
                }
                let (limit, deadline) = (inbound.limit, inbound.idle_deadline());
                self.watch(deadline);
                self.drive(now, msrp::Input::Receive { message, resume, limit }, out);
            }
            Err(error) => {
                let why = ReceiveFailure::from(&error);
                self.inbound.remove(&message);
                let status = why.status();
                out.push(Output::Notice(Notice::Lost(message, why, 0)));
                self.drive(now, msrp::Input::Reject { message, status }, out);
            }
        }
    }

    fn written(
        &mut self,
        now: Now,
        message: InboundKey,
        octets: usize,
        result: Result<(), StageError>,
        out: &mut Outbox<Output>,
    ) {
        let Err(error) = result else {
            if let Some(inbound) = self.inbound.get_mut(&message) {
                inbound.received += octets as u64;
                inbound.last_octet = now.instant;
                if inbound.told == 0 || inbound.received >= inbound.told.saturating_add(inbound.tell_every) {
                    inbound.told = inbound.received;
                    out.push(Output::Notice(Notice::Received(message, inbound.received)));
                }
                if let Some(wrapper) = inbound.wrapper.as_mut().filter(|wrapper| wrapper.wants_written()) {
                    if wrapper.written(octets) {
                        out.push(Output::Peek(message, CPIM_HEAD_OCTETS));
                    }
                    return; // the chunk is answered when it is known whether its wrapper can be taken
                }
            }
            return self.drive(now, msrp::Input::Written { message, octets }, out);
        };
        self.lose(message, ReceiveFailure::from(&error), out);
        self.drive(now, msrp::Input::WriteFailed { message, status: StatusCode::STOP_SENDING }, out);
    }

    /// The beginning of a `message/cpim`, on its way in or when all of it is there.
    fn peeked(&mut self, now: Now, message: InboundKey, result: Result<Vec<u8>, StageError>, out: &mut Outbox<Output>) {
        let Some(inbound) = self.inbound.get_mut(&message) else { return };
        let Some(wrapper) = &mut inbound.wrapper else { return };
        let (octets, total) = wrapper.peeked();
        let verdict =
            result.map_err(|error| ReceiveFailure::from(&error)).and_then(|head| wrapper.judge(&head, total.is_some()));
        match verdict {
            Ok(Verdict::Unknown) => {}
            Ok(Verdict::Known(content)) => {
                let offset = content.offset;
                out.push(Output::ContentFrom(message, offset));
                out.push(Output::Notice(Notice::Unwrapped(message, content)));
                // P22: max-size counts the wrapper, and the size that was declared does not.
                let most = inbound.declared.size.map_or(u64::MAX, |size| size.saturating_add(offset));
                inbound.limit = inbound.limit.min(most);
                let limit = inbound.limit;
                match total {
                    Some(total) => out.push(Output::Seal(message, offset..total, inbound.declared.clone())),
                    None => self.drive(now, msrp::Input::Limit { message, limit }, out),
                }
            }
            Err(why) => return self.refuse(now, message, why, out),
        }
        if octets > 0 {
            self.drive(now, msrp::Input::Written { message, octets }, out);
        }
    }

    /// Ends a message that is not taken after all.
    fn refuse(&mut self, now: Now, message: InboundKey, why: ReceiveFailure, out: &mut Outbox<Output>) {
        let status = why.status();
        let awaited = self.inbound.get(&message).is_some_and(|inbound| inbound.step == Step::Sealing);
        self.lose(message, why, out);
        self.drive(now, msrp::Input::Failed { message, status }, out);
        if self.closed && awaited {
            self.say_closed(out);
        }
    }

    fn synced(&mut self, now: Now, message: InboundKey, result: Result<u64, StageError>, out: &mut Outbox<Output>) {
        match result {
            Ok(prefix) => {
                let prefix = prefix.saturating_sub(self.offset(message));
                if let Some(inbound) = self.inbound.get_mut(&message) {
                    inbound.durable = prefix;
                }
                self.drive(now, msrp::Input::Durable { message, octets: prefix }, out);
            }
            Err(error) => self.refuse(now, message, ReceiveFailure::from(&error), out),
        }
    }

    fn sealed(
        &mut self,
        now: Now,
        message: InboundKey,
        result: Result<Box<Sealed>, SealError>,
        out: &mut Outbox<Output>,
    ) {
        let awaited = self.inbound.get(&message).is_some_and(|inbound| inbound.step == Step::Sealing);
        match result {
            Ok(sealed) => {
                if let Some(inbound) = self.inbound.get_mut(&message) {
                    inbound.step = Step::Sealed;
                }
                out.push(Output::Notice(Notice::Sealed(message, sealed)));
            }
            Err(error) => {
                let why = ReceiveFailure::from(&error);
                let status = why.status();
                let received = self.inbound.remove(&message).map_or(0, |inbound| inbound.received);
                out.push(Output::Notice(Notice::Lost(message, why, received)));
                self.drive(now, msrp::Input::Failed { message, status }, out);
            }
        }
        if self.closed && awaited {
            self.say_closed(out);
        }
    }

    /// Gives a message up: its octets stay for a resume if the sender was ever told that some are durable, or if the
    /// reason may pass; a full disk gets them back at once.
    fn lose(&mut self, message: InboundKey, why: ReceiveFailure, out: &mut Outbox<Output>) {
        let Some(inbound) = self.inbound.remove(&message) else { return };
        let keep = (inbound.durable > 0 || inbound.resumed || why.resumable()) && !inbound.afresh;
        out.push(if keep { Output::Suspend(message) } else { Output::Discard(message) });
        out.push(Output::Notice(Notice::Lost(message, why, inbound.received)));
    }

    fn hold(&mut self, now: Now, message: InboundKey, out: &mut Outbox<Output>) {
        if let Some(inbound) = self.inbound.get_mut(&message)
            && inbound.step == Step::Open
        {
            inbound.step = Step::Held;
        }
        self.drive(now, msrp::Input::Hold(message), out);
    }

    fn resume(&mut self, now: Now, message: InboundKey, out: &mut Outbox<Output>) {
        if let Some(inbound) = self.inbound.get_mut(&message)
            && inbound.step == Step::Held
        {
            inbound.step = Step::Open;
            inbound.last_octet = now.instant;
            let deadline = inbound.idle_deadline();
            self.watch(deadline);
        }
        self.drive(now, msrp::Input::Resume(message), out);
    }

    fn stop(&mut self, now: Now, message: InboundKey, discard: bool, out: &mut Outbox<Output>) {
        let whole = |inbound: &Inbound| matches!(inbound.step, Step::Sealing | Step::Sealed);
        if self.inbound.get(&message).is_some_and(whole) {
            return; // too late: the seal and the commit decide
        }
        if discard && let Some(inbound) = self.inbound.remove(&message) {
            out.push(Output::Discard(message));
            out.push(Output::Notice(Notice::Lost(message, ReceiveFailure::Terminated, inbound.received)));
        } else {
            self.lose(message, ReceiveFailure::Terminated, out);
        }
        self.drive(now, msrp::Input::Reject { message, status: StatusCode::STOP_SENDING }, out);
    }

    /// No sender is to blame for a silence so far.
    fn heard(&mut self, now: Now) {
        self.inbound.values_mut().for_each(|inbound| inbound.last_octet = now.instant);
    }

    fn timeout(&mut self, now: Now, out: &mut Outbox<Output>) {
        if self.connection.waits_for_owner() {
            self.heard(now); // nothing was read of them: our disk or bucket takes its time
        }
        let late: Vec<InboundKey> = self
            .inbound
            .iter()
            .filter(|(_, inbound)| inbound.idle_deadline().is_some_and(|deadline| deadline <= now.instant))
            .map(|(message, _)| *message)
            .collect();
        for message in late {
            self.lose(message, ReceiveFailure::Idle, out);
            self.drive(now, msrp::Input::Reject { message, status: StatusCode::STOP_SENDING }, out);
        }
        self.idle_before = self.inbound.values().filter_map(Inbound::idle_deadline).min();
        if self.lonely_until().is_some_and(|until| until <= now.instant) {
            self.lonely_since = None;
            return self.drive(now, msrp::Input::Close, out);
        }
        self.drive(now, msrp::Input::Timeout, out);
    }

    fn close(&mut self, now: Now, out: &mut Outbox<Output>) {
        if self.closed {
            return;
        }
        self.drive(now, msrp::Input::Closed, out);
        self.closed = true;
        // A sealed file no longer needs the stream: the engine commits it, only its REPORT has nowhere to go.
        let whole = |inbound: &Inbound| matches!(inbound.step, Step::Sealing | Step::Sealed);
        let open: Vec<InboundKey> =
            self.inbound.iter().filter(|(_, inbound)| !whole(inbound)).map(|(key, _)| *key).collect();
        for message in open {
            self.lose(message, ReceiveFailure::Disconnected, out);
        }
        self.say_closed(out);
    }

    /// The last word of a link. It waits for the sealer: a file that turns out to be whole must not look cut off.
    fn say_closed(&self, out: &mut Outbox<Output>) {
        if self.inbound.values().all(|inbound| inbound.step != Step::Sealing) {
            out.push(Output::Notice(Notice::Closed));
        }
    }
}

// The connection's outputs.
impl Link {
    fn drive(&mut self, now: Now, input: msrp::Input, out: &mut Outbox<Output>) {
        let mut outputs = std::mem::take(&mut self.scratch);
        self.connection.handle(now, input, &mut outputs);
        while let Some(output) = outputs.pop() {
            self.perform(output, out);
        }
        self.scratch = outputs;
        self.lonely_since = match self.lonely_since {
            _ if self.connection.sessions() > 0 => None,
            None if !self.closed => Some(now.instant),
            since => since,
        };
    }

    fn perform(&mut self, output: msrp::Output, out: &mut Outbox<Output>) {
        let output = match output {
            msrp::Output::Transmit(octets) => Output::Transmit(octets),
            msrp::Output::Knock { knock, to_path, from_path } => {
                Output::Notice(Notice::Knock { knock, to_path, from_path })
            }
            msrp::Output::Auth(auth, request) => Output::Notice(Notice::Auth(auth, request)),
            msrp::Output::Greeted { session } => Output::Notice(Notice::Greeted(session)),
            msrp::Output::Arrived { session, message, head } => {
                Output::Notice(Notice::Arrived(session, message, Box::new(head)))
            }
            msrp::Output::Write { message, offset, octets } => {
                Output::Write(message, offset.saturating_add(self.offset(message)), octets)
            }
            msrp::Output::SyncWanted { message } => {
                if self.inbound.get(&message).is_some_and(|inbound| !inbound.incremental) {
                    return; // the commit makes it durable, and its report is the only one
                }
                Output::Sync(message)
            }
            msrp::Output::Complete { message, total } => return self.complete(message, total, out),
            msrp::Output::Aborted { message, why, ranges, total } => {
                return self.aborted(message, why, &ranges, total, out);
            }
            msrp::Output::SessionFailed { session, why } => Output::Notice(Notice::SessionFailed(session, why)),
            msrp::Output::Fetch { message, offset, octets } => Output::Fetch(message, offset, octets),
            msrp::Output::Progress { message, acknowledged } => {
                Output::Notice(Notice::Acknowledged(message, acknowledged))
            }
            msrp::Output::Delivered { message } => {
                out.push(Output::Release(message));
                Output::Notice(Notice::Delivered(message))
            }
            msrp::Output::SendFailed { message, why, reported, .. } => {
                out.push(Output::Release(message));
                Output::Notice(Notice::SendFailed(message, why, reported))
            }
            msrp::Output::Shortened { message, status } => Output::Notice(Notice::Shortened(message, status)),
            msrp::Output::AuthAnswered { status, headers } => Output::Notice(Notice::AuthAnswered(status, headers)),
            msrp::Output::Close(reason) => {
                tracing::debug!(?reason, "closing the MSRP stream");
                Output::Close
            }
        };
        out.push(output);
    }

    /// A sender that never says `$` (pitfall P13) and then leaves: what is whole is sealed like any other file, and
    /// the seal's checks decide.
    fn aborted(
        &mut self,
        message: InboundKey,
        why: AbortReason,
        ranges: &Ranges,
        total: Option<u64>,
        out: &mut Outbox<Output>,
    ) {
        let left = matches!(why, AbortReason::ConnectionLost | AbortReason::Unbound);
        match total.filter(|total| left && ranges.covers(*total) && !ranges.is_empty()) {
            Some(total) => self.complete(message, total, out),
            // The grant of a declared file ends where the file does, so it is not max-size that was overrun.
            None if why == AbortReason::TooLarge && self.ends_as_declared(message) => {
                self.lose(message, ReceiveFailure::SizeMismatch, out);
            }
            None if why == AbortReason::InTheWay => out.push(Output::Notice(Notice::Withdrawn(message))),
            None => self.lose(message, why.into(), out),
        }
    }

    fn offset(&self, message: InboundKey) -> u64 {
        self.inbound.get(&message).map_or(0, |inbound| inbound.offset)
    }

    fn ends_as_declared(&self, message: InboundKey) -> bool {
        let Some(inbound) = self.inbound.get(&message) else { return false };
        let wrapper = inbound.wrapper.as_ref().map_or(0, Unwrapping::offset);
        let end = inbound.limit.saturating_add(inbound.offset);
        inbound.declared.size.is_some_and(|size| size.saturating_add(wrapper) == end)
    }

    fn complete(&mut self, message: InboundKey, total: u64, out: &mut Outbox<Output>) {
        let Some(inbound) = self.inbound.get_mut(&message) else { return };
        inbound.step = Step::Sealing;
        out.push(Output::Notice(Notice::Whole(message)));
        let total = total.saturating_add(inbound.offset);
        match &mut inbound.wrapper {
            Some(wrapper) => {
                wrapper.complete(total);
                out.push(Output::Peek(message, CPIM_HEAD_OCTETS));
            }
            None => out.push(Output::Seal(message, 0..total, inbound.declared.clone())),
        }
    }
}

impl Inbound {
    fn idle_deadline(&self) -> Option<Instant> {
        (self.step == Step::Open).then(|| self.last_octet + self.idle)
    }
}
