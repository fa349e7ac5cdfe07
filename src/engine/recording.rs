//! A `<record>` from its start to its exit: which stream it takes, what the application orders, and what it is told.

use std::time::Duration;

use super::core::Engine;
use super::failure::ReceiveFailure;
use super::jobs::{Recorder, Timer};
use super::link::Command;
use super::port::Output;
use super::variables::{self, Variables};
use crate::model::{Now, Outbox};
use crate::msml::{self, End, PrimitiveKey, Record};
use crate::msrp::SessionKey;

// What the application wants.
impl Engine {
    /// A `<record>` starts on this connection.
    pub(super) fn record(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        conn: &str,
        work: Box<Record>,
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
        work: Box<Record>,
        out: &mut Outbox<Output>,
    ) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        stream.recorder = Some(primitive);
        let held = work.suspended;
        self.recorders.insert(primitive, Recorder { session, work, held, message: None });
        self.msml(now, msml::Input::Started { primitive }, out);
        self.await_first(now, primitive);
        if self.board.streams.get(&session).is_some_and(|stream| stream.waiting.is_empty()) {
            self.ask_for_room(primitive, out); // for what is there already its stage will ask
        }
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
    pub(super) fn dismiss(&mut self, primitive: PrimitiveKey) {
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
            return self.nothing_recorded(now, primitive, &ReceiveFailure::Terminated, out);
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
            msml::Order::Restart => {} // of a play
            msml::Order::Terminate { discard } => match message {
                // A whole file is past stopping: its seal and its commit decide, and the exit tells.
                Some(key) if self.receipts.get(&key).is_some_and(|receipt| receipt.whole) => {}
                Some((link, message)) => out.push(Output::Link(link, Command::Stop { message, discard })),
                None => self.nothing_recorded(now, primitive, &ReceiveFailure::Terminated, out),
            },
        }
    }

    /// `prespeech` is over and no octet came.
    pub(super) fn nothing_came(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(recorder) = self.recorders.get(&primitive) else { return };
        match recorder.message {
            None => self.nothing_recorded(now, primitive, &ReceiveFailure::First, out),
            Some(key) if self.receipts.get(&key).is_some_and(|receipt| receipt.octets == 0) => {
                out.push(Output::Link(key.0, Command::Stop { message: key.1, discard: true }));
            }
            Some(_) => {}
        }
    }

    /// Ends a `<record>` to which no message came.
    pub(super) fn nothing_recorded(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        why: &ReceiveFailure,
        out: &mut Outbox<Output>,
    ) {
        let mut variables = Variables::new();
        variables::volume(&mut variables, 0, Duration::ZERO);
        variables::ended(&mut variables, why.result(), why.code(), None);
        self.record_over(now, primitive, why, variables, Duration::ZERO, out);
    }

    /// Ends a `<record>` that brought no object.
    pub(super) fn record_over(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        why: &ReceiveFailure,
        mut variables: Variables,
        took: Duration,
        out: &mut Outbox<Output>,
    ) {
        self.dismiss(primitive);
        variables::set(&mut variables, "record.len", took.as_millis());
        variables::set(&mut variables, "ft.objects", 0);
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
        let mut variables = Variables::new();
        variables::ended(&mut variables, &format!("ft.rejected.{}", failure.0), Some(failure.0), None);
        let end = End { name: "record.failed.nostream".to_owned(), variables, failure: Some(failure) };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }
}
