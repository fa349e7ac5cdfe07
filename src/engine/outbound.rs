//! Messages going out: when each begins, what its peer says to it, and whom that concerns.

use std::time::Duration;

use bytes::Bytes;

use super::core::Engine;
use super::failure::ReceiveFailure;
use super::jobs::{Outgoing, Owner, Play, Sending, Timer};
use super::link::Command;
use super::order::Happening;
use super::playing::Broken;
use super::port::Output;
use super::transfers::StreamEnd;
use super::wrapping::{MESSAGE_ID_LETTERS, disposition, media_type};
use crate::model::{Ending, Now, Outbox};
use crate::msml::{self, PrimitiveKey};
use crate::msrp::{FailureReport, OutboundKey, OutboundSpec, SendFailure, SessionKey};

impl Engine {
    /// Sends what waits for this stream, if its peer is there.
    pub(super) fn start_sending(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let Some(link) = stream.link().filter(|_| stream.sending.is_none() && !stream.spent && !stream.on_hold) else {
            return;
        };
        let outgoing = if let Some(primitive) = stream.player {
            let play = self.plays.get(&primitive).filter(|play| !play.held); // until resume
            let Some(outgoing) = play.and_then(|play| play.outgoing(primitive)) else { return };
            outgoing
        } else if let Some(outgoing) = self.pushes.remove(&session) {
            outgoing
        } else {
            return;
        };
        let message = OutboundKey(self.number());
        let spec = self.outbound(now, message, session, &outgoing);
        let (size, total) = (outgoing.octets(), spec.total);
        let Outgoing { owner, source, info, part, reported, .. } = outgoing;
        tracing::info!(message_id = %spec.message_id, octets = size, from = part.start, name = info.name.as_deref(), "sending");
        let stream = self.board.streams.get_mut(&session).expect("the stream was looked up above");
        stream.sending = Some(message);
        stream.player = None;
        let transfer_id = stream.file.as_ref().and_then(|file| file.info.transfer_id.clone());
        let sending = Sending { session, owner, octets: size, total, acknowledged: 0, reported, told: 0 };
        self.sendings.insert(message, sending);
        if let Owner::Primitive(primitive) = owner {
            self.begun(now, primitive, message, transfer_id, out);
        }
        if total == 0 && reported {
            self.wake(now, REPORT_WAIT, Timer::Report(message)); // no octet of it will ever be acknowledged
        }
        out.push(Output::Link(link, Command::Send(spec, source)));
    }

    /// The peer has put the call on hold, or goes on. A pause that the application ordered outlasts the peer's.
    pub(super) fn hold_call(&mut self, now: Now, session: SessionKey, on_hold: bool, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        if std::mem::replace(&mut stream.on_hold, on_hold) == on_hold {
            return;
        }
        let sending = stream.sending.zip(stream.link());
        if on_hold {
            self.wake(now, self.policy.answer_timeout, Timer::OnHold(session));
        }
        let Some((message, link)) = sending else {
            return self.start_sending(now, session, out);
        };
        let owner = self.sendings.get(&message).map(|sending| sending.owner);
        let is_paused = |play: &Play| play.held;
        let paused = matches!(owner, Some(Owner::Primitive(key)) if self.plays.get(&key).is_some_and(is_paused));
        let command = if on_hold || paused { Command::PauseSend(message) } else { Command::ResumeSend(message) };
        out.push(Output::Link(link, command));
    }

    fn outbound(&mut self, now: Now, message: OutboundKey, session: SessionKey, outgoing: &Outgoing) -> OutboundSpec {
        let message_id = outgoing.message_id.clone().unwrap_or_else(|| self.mint.token(MESSAGE_ID_LETTERS));
        let stream = &self.board.streams[&session];
        let wrapper = self.wrapper(now.wall, stream.call, &stream.peer, outgoing, &message_id);
        let preamble = Bytes::from(wrapper.unwrap_or_default());
        let (content_type, disposition) = if preamble.is_empty() {
            (media_type(&outgoing.info), disposition(&outgoing.info))
        } else {
            ("message/cpim".to_owned(), None) // what the file is, its wrapper says
        };
        OutboundSpec {
            message,
            session,
            message_id,
            total: outgoing.octets().saturating_add(preamble.len() as u64),
            content_type,
            headers: disposition.map(|value| ("Content-Disposition".to_owned(), value)).into_iter().collect(),
            success_report: outgoing.reported,
            failure_report: FailureReport::Yes,
            chunk: self.chunk(now, session),
            preamble,
            skip: outgoing.part.start,
        }
    }

    pub(super) fn acknowledged(&mut self, now: Now, message: OutboundKey, octets: u64, out: &mut Outbox<Output>) {
        let Some(sending) = self.sendings.get_mut(&message) else { return };
        sending.acknowledged = octets;
        let (owner, of_file) = (sending.owner, sending.of_file(octets));
        if octets >= sending.total && sending.reported {
            self.wake(now, REPORT_WAIT, Timer::Report(message));
        }
        match owner {
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Sent(of_file))),
            Owner::Primitive(primitive) => self.progressed(now, primitive, message, of_file, out),
            Owner::Delivery(_) | Owner::Nobody => {}
        }
    }

    /// The peer has every octet and does not report them: nothing proves that it kept them.
    pub(super) fn unreported(&mut self, now: Now, message: OutboundKey, out: &mut Outbox<Output>) {
        let Some(sending) = self.sendings.get(&message) else { return };
        if let Some(link) = self.board.streams.get(&sending.session).and_then(|stream| stream.link()) {
            out.push(Output::Link(link, Command::Abort(message)));
        }
        self.send_failed(now, message, &SendFailure::Timeout, sending.octets, out);
    }

    /// Every chunk was answered with 200 and the success REPORT is in: only now is it delivered.
    pub(super) fn delivered(&mut self, now: Now, message: OutboundKey, out: &mut Outbox<Output>) {
        let Some(sending) = self.sent(message) else { return };
        self.retire(now, sending.session, StreamEnd::Sent);
        match sending.owner {
            Owner::Primitive(primitive) => self.file_through(now, primitive, sending.octets, out),
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Delivered)),
            Owner::Delivery(key) => {
                let wrapped = sending.total > sending.octets;
                let ending = if wrapped { Ending::DeliveredWrapped } else { Ending::Delivered };
                self.give_up(now, key, ending, out);
            }
            Owner::Nobody => self.fetched(sending.session, out),
        }
    }

    pub(super) fn send_failed(
        &mut self,
        now: Now,
        message: OutboundKey,
        why: &SendFailure,
        octets: u64,
        out: &mut Outbox<Output>,
    ) {
        let Some(sending) = self.sent(message) else { return };
        let ours = matches!(why, SendFailure::Aborted | SendFailure::Source | SendFailure::Timeout);
        self.retire(now, sending.session, if ours { StreamEnd::Ours } else { StreamEnd::Theirs });
        tracing::warn!(?why, reported = octets, "the message did not get through");
        match sending.owner {
            Owner::Primitive(primitive) if *why == SendFailure::Aborted && self.begins_again(primitive) => {
                if let Some(play) = self.plays.get_mut(&primitive) {
                    play.sending = None;
                }
                self.choose_stream(now, primitive, out);
            }
            Owner::Primitive(primitive) => {
                let broken = Broken::message(why, sending.of_file(sending.acknowledged), octets);
                match why {
                    SendFailure::Aborted | SendFailure::Source => self.play_failed(now, primitive, broken, out),
                    _ => self.play_broke(now, primitive, broken, out),
                }
            }
            Owner::Delivery(key) => self.delivery_broke(now, key, why, sending.kept(octets), out),
            Owner::Client(order) => {
                let of_file = sending.kept(octets);
                out.push(Output::Happened(order, Happening::Reported(of_file)));
                out.push(Output::Happened(order, Happening::SendFailed(*why)));
            }
            Owner::Nobody => {}
        }
    }

    /// A file of a play begins to go out.
    fn begun(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        message: OutboundKey,
        transfer_id: Option<String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        play.sending = Some(message);
        play.started.get_or_insert(now.instant);
        let Some(ready) = &mut play.ready else { return };
        ready.since = Some(now.instant);
        ready.attempts += 1;
        ready.info.transfer_id = transfer_id;
        let variables = ready.variables(now, 0);
        self.msml(now, msml::Input::Began { primitive, variables }, out);
    }

    /// So many octets of a play's file are answered for.
    fn progressed(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        message: OutboundKey,
        octets: u64,
        out: &mut Outbox<Output>,
    ) {
        let Some(watched) = self.plays.get(&primitive).and_then(|play| play.watched) else { return };
        let Some(sending) = self.sendings.get_mut(&message) else { return };
        if octets >= sending.told.saturating_add(watched) {
            sending.told = octets;
            self.msml(now, msml::Input::Progress { primitive, octets }, out);
        }
    }

    fn sent(&mut self, message: OutboundKey) -> Option<Sending> {
        let sending = self.sendings.remove(&message)?;
        if let Some(stream) = self.board.streams.get_mut(&sending.session) {
            stream.sending = None;
            stream.spent |= stream.file.is_some();
        }
        Some(sending)
    }

    /// The peer's connection did not come in time.
    pub(super) fn nobody_connected(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        if self.board.streams.get(&session).is_some_and(|stream| stream.link().is_none()) {
            self.no_connection(now, session, out);
        }
    }

    /// There is no connection: what waited for one has failed.
    pub(super) fn no_connection(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let recorder = stream.recorder.filter(|_| stream.receiving.is_empty());
        if let Some(player) = stream.player {
            self.play_broke(now, player, Broken::new("noconnection", "ft.disconnected"), out);
        }
        if let Some(recorder) = recorder {
            self.nothing_recorded(now, recorder, &ReceiveFailure::Disconnected, out);
        }
        self.pull_lost(session, out);
        match self.pushes.remove(&session).map(|outgoing| outgoing.owner) {
            Some(Owner::Client(order)) => {
                out.push(Output::Happened(order, Happening::SendFailed(SendFailure::ConnectionLost)));
            }
            Some(Owner::Delivery(key)) => {
                let why = "there is no MSRP connection to it".to_owned();
                self.give_up(now, key, Ending::Unreachable(why), out);
            }
            _ => {}
        }
    }
}

/// How long after the last 200 a success REPORT may take: the peer syncs a disk, or an archive behind it.
const REPORT_WAIT: Duration = Duration::from_secs(120);
