//! Files going out: `<play>`, the stream it goes by, and a command's own push.

use std::time::Duration;

use bytes::Bytes;

use super::call::OCTET_STREAM;
use super::core::Engine;
use super::failure::ReceiveFailure;
use super::filing::file_variables;
use super::jobs::{Errand, Outgoing, Owner, Play, Sending, Timer};
use super::link::Command;
use super::order::Happening;
use super::port::{Output, Query};
use super::transfers::StreamEnd;
use super::wrapping::{MESSAGE_ID_LETTERS, disposition, media_type};
use crate::model::{Now, Outbox};
use crate::msml::{self, End, PrimitiveKey};
use crate::msrp::{FailureReport, OutboundKey, OutboundSpec, SendFailure, SessionKey};
use crate::sip::CallKey;
use crate::spool::Committed;

impl Engine {
    /// A `<play>` starts on this connection.
    pub(super) fn play(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        conn: &str,
        work: msml::Play,
        out: &mut Outbox<Output>,
    ) {
        let call = self.board.by_tag(conn).filter(|call| !self.board.streams_of(*call).is_empty());
        let play = Play {
            call: call.unwrap_or(CallKey(0)),
            files: work.files.into(),
            held: work.suspended,
            finding: false,
            started: None,
            octets: 0,
            variables: Vec::new(),
            object: None,
            media_type: String::new(),
            sending: None,
            plain: false,
            again: false,
        };
        self.plays.insert(primitive, play);
        if call.is_none() {
            let failure = (441, "the connection has no message stream".to_owned());
            return self.play_failed(now, primitive, "nostream", "ft.rejected.441", Some(failure), out);
        }
        self.msml(now, msml::Input::Started { primitive }, out);
        self.next_file(now, primitive, out);
    }

    fn next_file(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        let Some(file) = play.files.front() else {
            return self.play_done(now, primitive, out);
        };
        if play.held || std::mem::replace(&mut play.finding, true) {
            return;
        }
        let query = Query::Object(file.uri.clone());
        let ticket = self.errand(Errand::Play(primitive));
        out.push(Output::Find(ticket, query));
    }

    pub(super) fn play_found(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        result: Result<Option<Committed>, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        play.finding = false;
        let Some(file) = play.files.pop_front() else { return };
        let object = match result {
            Ok(Some(object)) => object,
            Ok(None) => {
                let failure = (430, format!("there is no object {}", file.uri));
                return self.play_failed(now, primitive, "notfound", "ft.rejected.430", Some(failure), out);
            }
            Err(why) => {
                let failure = (434, format!("{} cannot be opened: {why}", file.uri));
                return self.play_failed(now, primitive, "storage", "ft.storage", Some(failure), out);
            }
        };
        let own = object.envelope().file.media_type.clone();
        play.media_type = file.media_type.or(own).unwrap_or_else(|| OCTET_STREAM.to_owned());
        play.object = Some(object);
        self.choose_stream(now, primitive, out);
    }

    /// Design: a free stream that may send and whose peer takes the file; else a re-INVITE with a stream of its own.
    pub(super) fn choose_stream(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get(&primitive) else { return };
        let mut streams = self.board.streams_of(play.call);
        streams.retain(|key| self.board.streams[key].free_to_send());
        let mut misfit = None;
        for session in streams {
            match self.fit(primitive, session) {
                Ok(()) => return self.play_on(now, primitive, session, out),
                Err(why) => misfit = Some(why),
            }
        }
        match misfit {
            Some(misfit) => self.play_misfit(now, primitive, misfit, out),
            None => self.reoffer(now, primitive, out),
        }
    }

    /// Whether the peer of this stream takes what the play sends next (RFC 4975 §8.6, RFC 5547 §8.7).
    pub(super) fn fit(&self, primitive: PrimitiveKey, session: SessionKey) -> Result<(), Misfit> {
        let Some((play, stream)) = self.plays.get(&primitive).zip(self.board.streams.get(&session)) else {
            return Ok(());
        };
        if !stream.sends {
            return Err(Misfit {
                code: 451,
                reason: "nostream",
                why: "the peer does not receive on the stream".to_owned(),
            });
        }
        let Some(object) = &play.object else { return Ok(()) };
        let mut outgoing = Outgoing::object(Owner::Primitive(primitive), object.clone(), None);
        outgoing.info.media_type = Some(play.media_type.clone());
        let size = outgoing.octets();
        let Some(wrapper) = self.wrapper_octets(play.call, &stream.peer, &outgoing) else {
            let why = format!("the peer does not accept {}", play.media_type);
            return Err(Misfit { code: 450, reason: "badtype", why });
        };
        if !stream.peer.accept_size(size.saturating_add(wrapper)) {
            let why = format!("{size} octets, and {wrapper} of a wrapper, are more than the peer's max-size");
            return Err(Misfit { code: 521, reason: "toolarge", why });
        }
        Ok(())
    }

    pub(super) fn play_misfit(&mut self, now: Now, primitive: PrimitiveKey, misfit: Misfit, out: &mut Outbox<Output>) {
        let result = match misfit.code {
            450 => "ft.badtype",
            521 => "ft.toolarge",
            _ => "ft.rejected.451",
        };
        self.play_failed(now, primitive, misfit.reason, result, Some((misfit.code, misfit.why)), out);
    }

    /// The play has its stream; it goes as soon as the peer is connected.
    pub(super) fn play_on(&mut self, now: Now, primitive: PrimitiveKey, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        stream.player = Some(primitive);
        self.wake(now, self.policy.answer_timeout, Timer::Connect(session));
        self.dial_if_active(now, session, out);
        self.start_sending(now, session, out);
    }

    /// Sends what waits for this stream, if its peer is there.
    pub(super) fn start_sending(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session) else { return };
        let Some(link) = stream.link().filter(|_| stream.sending.is_none() && !stream.spent) else { return };
        let outgoing = if let Some(primitive) = stream.player {
            let Some((play, object)) = self.plays.get(&primitive).and_then(|play| Some((play, play.object.clone()?)))
            else {
                return;
            };
            if play.held {
                return; // until resume
            }
            let media_type = Some(play.media_type.clone());
            let mut outgoing = Outgoing::object(Owner::Primitive(primitive), object, None);
            outgoing.info.media_type = media_type;
            outgoing
        } else if let Some(outgoing) = self.pushes.remove(&session) {
            outgoing
        } else {
            return;
        };
        let message = OutboundKey(self.number());
        let spec = self.outbound(now, message, session, &outgoing);
        let (size, total) = (outgoing.octets(), spec.total);
        let Outgoing { owner, source, info, part, .. } = outgoing;
        tracing::info!(message_id = %spec.message_id, octets = size, from = part.start, name = info.name.as_deref(), "sending");
        let stream = self.board.streams.get_mut(&session).expect("the stream was looked up above");
        stream.sending = Some(message);
        stream.player = None;
        self.sendings.insert(message, Sending { session, owner, octets: size, total, acknowledged: 0 });
        if let Owner::Primitive(primitive) = owner
            && let Some(play) = self.plays.get_mut(&primitive)
        {
            play.sending = Some(message);
            play.started.get_or_insert(now.instant);
        }
        if total == 0 {
            self.wake(now, REPORT_WAIT, Timer::Report(message)); // no octet of it will ever be acknowledged
        }
        out.push(Output::Link(link, Command::Send(spec, source)));
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
            success_report: true,
            failure_report: FailureReport::Yes,
            chunk: self.chunk(now, session),
            preamble,
            skip: outgoing.part.start,
        }
    }

    pub(super) fn acknowledged(&mut self, now: Now, message: OutboundKey, octets: u64, out: &mut Outbox<Output>) {
        let Some(sending) = self.sendings.get_mut(&message) else { return };
        sending.acknowledged = octets;
        if let Owner::Client(order) = sending.owner {
            let of_file = octets.saturating_sub(sending.total - sending.octets);
            out.push(Output::Happened(order, Happening::Sent(of_file)));
        }
        if octets >= sending.total {
            self.wake(now, REPORT_WAIT, Timer::Report(message));
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
            Owner::Primitive(primitive) => {
                let Some(play) = self.plays.get_mut(&primitive) else { return };
                let took = play.took(now);
                play.sending = None;
                play.octets += sending.octets;
                if let Some(object) = play.object.take() {
                    play.variables = file_variables(&object, took);
                }
                self.next_file(now, primitive, out);
            }
            Owner::Client(order) => out.push(Output::Happened(order, Happening::Delivered)),
            Owner::Nobody => {}
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
                self.send_again(now, primitive, out);
            }
            Owner::Primitive(primitive) => {
                let (reason, result) = send_result(why);
                self.play_failed(now, primitive, &reason, &result, None, out);
            }
            Owner::Client(order) => {
                // A `file-range` goes on with octets of the file, and these are of its wrapper: it has to come whole again.
                let of_file = if sending.total == sending.octets { octets } else { 0 };
                out.push(Output::Happened(order, Happening::Reported(of_file)));
                out.push(Output::Happened(order, Happening::SendFailed(*why)));
            }
            Owner::Nobody => {}
        }
    }

    /// Whether the file was broken off to be sent anew.
    fn begins_again(&mut self, primitive: PrimitiveKey) -> bool {
        self.plays.get_mut(&primitive).is_some_and(|play| std::mem::take(&mut play.again))
    }

    fn send_again(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        play.sending = None;
        self.choose_stream(now, primitive, out);
    }

    fn sent(&mut self, message: OutboundKey) -> Option<Sending> {
        let sending = self.sendings.remove(&message)?;
        if let Some(stream) = self.board.streams.get_mut(&sending.session) {
            stream.sending = None;
            stream.spent |= stream.file.is_some();
        }
        Some(sending)
    }

    /// Pause, resume or terminate from the application.
    pub(super) fn order_play(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        order: msml::Order,
        out: &mut Outbox<Output>,
    ) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        let message = play.sending;
        let link = message
            .and_then(|message| self.sendings.get(&message))
            .and_then(|sending| self.board.streams.get(&sending.session)?.link());
        match (order, message.zip(link)) {
            (msml::Order::Pause, target) => {
                play.held = true;
                out_to(out, target, Command::PauseSend);
            }
            (msml::Order::Resume, Some(target)) => {
                play.held = false;
                out_to(out, Some(target), Command::ResumeSend);
            }
            (msml::Order::Resume, None) => {
                play.held = false;
                let (call, waits) = (play.call, play.object.is_some());
                let sessions = self.board.streams_of(call);
                match sessions.into_iter().find(|key| self.board.streams[key].player == Some(primitive)) {
                    Some(session) => self.start_sending(now, session, out),
                    None if !waits => self.next_file(now, primitive, out),
                    None => {} // its stream is being asked for
                }
            }
            (msml::Order::Restart, Some(target)) => {
                // What was sent so far is broken off (`#`); its end brings the new beginning.
                if !std::mem::replace(&mut play.again, true) {
                    out_to(out, Some(target), Command::Abort);
                }
            }
            (msml::Order::Restart, None) => {} // it has not begun
            (msml::Order::Terminate { .. }, Some(target)) => {
                // A restart has broken it off already, and is no more.
                if !std::mem::take(&mut play.again) {
                    out_to(out, Some(target), Command::Abort);
                }
            }
            (msml::Order::Terminate { .. }, None) => {
                self.play_failed(now, primitive, "terminated", "ft.aborted.local", None, out);
            }
        }
    }

    fn play_done(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.remove(&primitive) else { return };
        let took = play.took(now);
        let mut variables = play.variables;
        variables.push(("play.amt".to_owned(), took.as_millis().to_string()));
        variables.push(("ft.result".to_owned(), "ft.success".to_owned()));
        let end = End { name: "play.complete".to_owned(), variables, failure: None };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }

    pub(super) fn play_failed(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        reason: &str,
        result: &str,
        failure: Option<(u16, String)>,
        out: &mut Outbox<Output>,
    ) {
        let Some(play) = self.plays.remove(&primitive) else { return };
        for session in self.board.streams_of(play.call) {
            let stream = self.board.streams.get_mut(&session).expect("a call's streams are in the table");
            stream.player.take_if(|player| *player == primitive);
        }
        if let Some(call) = self.board.calls.get_mut(&play.call) {
            call.reoffers.retain(|waiting| *waiting != primitive);
        }
        let took: Duration = play.took(now);
        let variables = vec![
            ("play.amt".to_owned(), took.as_millis().to_string()),
            ("ft.bytes".to_owned(), play.octets.to_string()),
            ("ft.result".to_owned(), result.to_owned()),
        ];
        let end = End { name: format!("play.failed.{reason}"), variables, failure };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
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
            self.play_failed(now, player, "noconnection", "ft.disconnected", None, out);
        }
        if let Some(recorder) = recorder {
            self.record_over(now, recorder, &ReceiveFailure::Disconnected, 0, Duration::ZERO, out);
        }
        self.pull_lost(session, out);
        if let Some(Outgoing { owner: Owner::Client(order), .. }) = self.pushes.remove(&session) {
            out.push(Output::Happened(order, Happening::SendFailed(SendFailure::ConnectionLost)));
        }
    }
}

fn out_to(
    out: &mut Outbox<Output>,
    target: Option<(OutboundKey, super::link::LinkId)>,
    command: fn(OutboundKey) -> Command,
) {
    if let Some((message, link)) = target {
        out.push(Output::Link(link, command(message)));
    }
}

/// Why a file does not go by a stream.
pub(super) struct Misfit {
    code: u16,
    reason: &'static str,
    why: String,
}

/// REASON and `ft.result` of a failed `<play>`.
fn send_result(why: &SendFailure) -> (String, String) {
    match why {
        SendFailure::Status(status) | SendFailure::Report(status) => {
            (format!("rejected.{}", status.0), format!("ft.rejected.{}", status.0))
        }
        SendFailure::Timeout => ("timeout".to_owned(), "ft.timeout.idle".to_owned()),
        SendFailure::ConnectionLost | SendFailure::Unbound | SendFailure::TooManySessions => {
            ("disconnected".to_owned(), "ft.disconnected".to_owned())
        }
        SendFailure::Source => ("storage".to_owned(), "ft.storage".to_owned()),
        SendFailure::Aborted => ("terminated".to_owned(), "ft.aborted.local".to_owned()),
    }
}

/// How long after the last 200 a success REPORT may take: the peer syncs a disk, or an archive behind it.
const REPORT_WAIT: Duration = Duration::from_secs(120);
