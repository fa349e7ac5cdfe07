//! A `<play>` from its start to its exit: its files one after the other, their streams, and what the application orders.

use std::borrow::Cow;

use super::call::{OCTET_STREAM, Stream};
use super::core::Engine;
use super::jobs::{Errand, Play, Ready, Timer};
use super::link::{Command, LinkId};
use super::port::{Output, Query};
use super::variables::{self, Variables};
use crate::model::{Ending, Now, Outbox};
use crate::msml::{self, End, PlayFile, PrimitiveKey};
use crate::msrp::{OutboundKey, SendFailure, SessionKey};
use crate::sip::CallKey;
use crate::spool::{Change, Committed, Icon};

// Which file, and by which stream.
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
        self.plays.insert(primitive, Play::new(call.unwrap_or(CallKey(0)), work));
        if call.is_none() {
            let failure = (441, "the connection has no message stream".to_owned());
            return self.play_failed(now, primitive, Broken::new("nostream", "ft.rejected.441").failing(failure), out);
        }
        self.msml(now, msml::Input::Started { primitive }, out);
        self.next_file(now, primitive, out);
    }

    pub(super) fn next_file(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        let Some(file) = play.files.front() else {
            return self.play_done(now, primitive, out);
        };
        if play.held || std::mem::replace(&mut play.finding, true) {
            return;
        }
        let query = match &play.attempt {
            Some(attempt) => Query::Forward(attempt.object.clone()),
            None => Query::Object(file.uri.clone()),
        };
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
        let Some(mut file) = play.files.pop_front() else { return };
        let icon = file.icon.take();
        match ready(file, result) {
            Ok(ready) => play.ready = Some(ready),
            Err(broken) => return self.play_failed(now, primitive, broken, out),
        }
        let Some(icon) = icon else { return self.choose_stream(now, primitive, out) };
        let ticket = self.errand(Errand::Picture(primitive));
        out.push(Output::Find(ticket, Query::Picture(icon)));
    }

    /// The preview picture that the script wants with the file at hand.
    pub(super) fn picture_found(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        result: Result<Option<Icon>, String>,
        out: &mut Outbox<Output>,
    ) {
        let ready = self.plays.get_mut(&primitive).and_then(|play| play.ready.as_mut());
        let Some(ready) = ready else { return };
        match result {
            Ok(Some(icon)) => ready.icon = Some(icon),
            Ok(None) => {
                let failure = (430, "the icon is no object, no picture, or too large for one".to_owned());
                let broken = Broken::new("notfound", "ft.rejected.430").failing(failure);
                return self.play_failed(now, primitive, broken, out);
            }
            Err(why) => {
                let failure = (434, format!("the icon cannot be opened: {why}"));
                return self.play_failed(now, primitive, Broken::new("storage", "ft.storage").failing(failure), out);
            }
        }
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
            Some(misfit) => self.play_failed(now, primitive, misfit, out),
            None => self.reoffer(now, primitive, out),
        }
    }

    /// Whether the peer of this stream takes what the play sends next (RFC 4975 §8.6, RFC 5547 §8.7).
    pub(super) fn fit(&self, primitive: PrimitiveKey, session: SessionKey) -> Result<(), Broken> {
        let Some((play, stream)) = self.plays.get(&primitive).zip(self.board.streams.get(&session)) else {
            return Ok(());
        };
        if !stream.sends {
            let failure = (451, "the peer does not receive on the stream".to_owned());
            return Err(Broken::new("nostream", "ft.rejected.451").failing(failure));
        }
        let Some(outgoing) = play.outgoing(primitive) else { return Ok(()) };
        let size = outgoing.octets();
        let Some(wrapper) = self.wrapper_octets(play.call, &stream.peer, &outgoing) else {
            let kind = outgoing.info.media_type.as_deref().unwrap_or_default();
            let failure = (450, format!("the peer does not accept {kind}"));
            return Err(Broken::new("badtype", "ft.badtype").failing(failure));
        };
        if !stream.peer.accept_size(size.saturating_add(wrapper)) {
            let why = format!("{size} octets, and {wrapper} of a wrapper, are more than the peer's max-size");
            return Err(Broken::new("toolarge", "ft.toolarge").failing((521, why)));
        }
        Ok(())
    }

    /// The play has its stream; it goes as soon as the peer is connected.
    pub(super) fn play_on(&mut self, now: Now, primitive: PrimitiveKey, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        stream.player = Some(primitive);
        self.wake(now, self.policy.answer_timeout, Timer::Connect(session));
        self.dial_if_active(now, session, out);
        self.start_sending(now, session, out);
    }
}

// What the application wants.
impl Engine {
    /// Pause, resume, restart or terminate from the application.
    pub(super) fn order_play(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        order: msml::Order,
        out: &mut Outbox<Output>,
    ) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        let message = play.sending;
        let stream = message
            .and_then(|message| self.sendings.get(&message))
            .and_then(|sending| self.board.streams.get(&sending.session));
        let (link, on_hold) = (stream.and_then(Stream::link), stream.is_some_and(|stream| stream.on_hold));
        match (order, message.zip(link)) {
            (msml::Order::Pause, target) => {
                play.held = true;
                out_to(out, target, Command::PauseSend);
            }
            (msml::Order::Resume, Some(target)) => {
                play.held = false;
                if !on_hold {
                    out_to(out, Some(target), Command::ResumeSend);
                }
            }
            (msml::Order::Resume, None) => {
                play.held = false;
                let (call, waits) = (play.call, play.ready.is_some());
                let sessions = self.board.streams_of(call);
                match sessions.into_iter().find(|key| self.board.streams[key].player == Some(primitive)) {
                    Some(session) => self.start_sending(now, session, out),
                    None if !waits => self.next_file(now, primitive, out),
                    None => {} // its stream is being asked for, or the file waits to be tried again
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
            (msml::Order::Terminate { .. }, None) if play.is_closing() => {} // its end is told in a moment
            (msml::Order::Terminate { .. }, None) => {
                self.play_failed(now, primitive, Broken::new("terminated", "ft.aborted.local"), out);
            }
        }
    }

    /// Whether the file was broken off to be sent anew.
    pub(super) fn begins_again(&mut self, primitive: PrimitiveKey) -> bool {
        self.plays.get_mut(&primitive).is_some_and(|play| std::mem::take(&mut play.again))
    }
}

// How it ends.
impl Engine {
    /// The peer has the file at hand.
    pub(super) fn file_through(&mut self, now: Now, primitive: PrimitiveKey, octets: u64, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        play.sending = None;
        play.octets += octets;
        play.objects += 1;
        let Some(ready) = play.ready.take() else { return self.next_file(now, primitive, out) };
        let mut variables = ready.variables(now, octets);
        let report = variables::reported(play.is_reported(&ready));
        variables::ended(&mut variables, "ft.success", Some(200), Some(report));
        play.variables = variables.clone();
        play.finding = ready.delete;
        if play.attempt.is_none() {
            self.msml(now, msml::Input::Through { primitive, variables }, out);
        }
        if !ready.delete {
            return self.next_file(now, primitive, out);
        }
        let ticket = self.errand(Errand::Delete(primitive));
        out.push(Output::Change(ticket, ready.object, Change::Delete, "a script, once it was sent".to_owned()));
    }

    /// The file that the peer has is deleted, or lies there still.
    pub(super) fn play_deleted(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        result: Result<(), String>,
        out: &mut Outbox<Output>,
    ) {
        if let Err(why) = result {
            tracing::warn!(why, "the object was sent, and cannot be deleted");
        }
        if let Some(play) = self.plays.get_mut(&primitive) {
            play.finding = false;
        }
        self.next_file(now, primitive, out);
    }

    /// The peer or the path has failed the file at hand: it is tried again if that is wanted, or the play has failed.
    pub(super) fn play_broke(&mut self, now: Now, primitive: PrimitiveKey, broken: Broken, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.get_mut(&primitive) else { return };
        let leaving = self.board.calls.get(&play.call).is_none_or(|call| call.leaving);
        if play.retry == 0 || play.ready.is_none() || leaving {
            return self.play_failed(now, primitive, broken, out);
        }
        tracing::warn!(why = &*broken.reason, left = play.retry, "the file did not get through: it is tried again");
        play.retry -= 1;
        play.sending = None;
        play.waits = true;
        let delay = play.delay;
        self.forget_player(primitive);
        self.wake(now, delay, Timer::Again(primitive));
    }

    /// The time between two attempts is over.
    pub(super) fn tried_again(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        if self.plays.get_mut(&primitive).is_some_and(|play| std::mem::take(&mut play.waits)) {
            self.choose_stream(now, primitive, out);
        }
    }

    fn play_done(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(play) = self.plays.remove(&primitive) else { return };
        let took = play.took(now);
        let mut variables = play.variables;
        variables::volume(&mut variables, play.octets, took);
        variables::set(&mut variables, "ft.objects", play.objects);
        variables::set(&mut variables, "play.amt", took.as_millis());
        if let Some(attempt) = play.attempt {
            return self.attempt_over(now, attempt, Ending::Delivered, variables, out);
        }
        let end = End { name: "play.complete".to_owned(), variables, failure: None };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }

    pub(super) fn play_failed(&mut self, now: Now, primitive: PrimitiveKey, broken: Broken, out: &mut Outbox<Output>) {
        self.forget_player(primitive);
        let Some(play) = self.plays.remove(&primitive) else { return };
        if let Some(call) = self.board.calls.get_mut(&play.call) {
            call.reoffers.retain(|waiting| *waiting != primitive);
        }
        let mut variables = match &play.ready {
            Some(ready) => ready.variables(now, broken.octets),
            None => Variables::new(),
        };
        let report = if broken.reported > 0 { "partial" } else { "none" };
        variables::ended(&mut variables, &broken.result, broken.status(), Some(report));
        if let Some(attempt) = play.attempt {
            return self.attempt_over(now, attempt, broken.ending(), variables, out);
        }
        if play.ready.as_ref().is_some_and(|ready| ready.since.is_some()) {
            self.msml(now, msml::Input::Through { primitive, variables: variables.clone() }, out);
        }
        let took = play.took(now);
        variables::volume(&mut variables, play.octets.saturating_add(broken.octets), took);
        variables::set(&mut variables, "ft.objects", play.objects);
        variables::set(&mut variables, "play.amt", took.as_millis());
        if play.objects > 0 {
            variables::set(&mut variables, "ft.result", "ft.partial");
        }
        let end = End { name: format!("play.failed.{}", broken.reason), variables, failure: broken.failure };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }

    /// No stream waits for this play any more.
    fn forget_player(&mut self, primitive: PrimitiveKey) {
        let Some(call) = self.plays.get(&primitive).map(|play| play.call) else { return };
        for session in self.board.streams_of(call) {
            let stream = self.board.streams.get_mut(&session).expect("a call's streams are in the table");
            stream.player.take_if(|player| *player == primitive);
        }
    }
}

impl Ready {
    /// What is known of it when so many octets have moved.
    pub(super) fn variables(&self, now: Now, octets: u64) -> Variables {
        let mut variables = variables::of_file(&self.info);
        variables::set(&mut variables, "ft.uri", &self.object.envelope().uri);
        let start = self.part().start;
        let took = self.since.map(|since| now.instant.since(since)).unwrap_or_default();
        variables::moved(&mut variables, start..start.saturating_add(octets), took);
        variables::set(&mut variables, "ft.attempts", self.attempts);
        variables
    }
}

/// The file as its receiver shall see it, or why it cannot go.
pub(super) fn ready(file: PlayFile, found: Result<Option<Committed>, String>) -> Result<Ready, Broken> {
    let uri = &file.uri;
    let object = match found {
        Ok(Some(object)) => object,
        Ok(None) => {
            let failure = (430, format!("there is no object {uri}"));
            return Err(Broken::new("notfound", "ft.rejected.430").failing(failure));
        }
        Err(why) => {
            let failure = (434, format!("{uri} cannot be opened: {why}"));
            return Err(Broken::new("storage", "ft.storage").failing(failure));
        }
    };
    let envelope = object.envelope();
    if let Some(digest) = &file.digest
        && envelope.file.digest(digest.algorithm()) != Some(digest)
    {
        return Err(Broken::new("hashmismatch", "ft.hashmismatch"));
    }
    if let Some(range) = file.range.filter(|range| range.of(envelope.size()).is_none()) {
        let failure = (410, format!("{uri} has {} octets, so no range {range}", envelope.size()));
        return Err(Broken::new("norange", "ft.rejected.410").failing(failure));
    }
    let mut info = envelope.file.clone();
    let told =
        [(&mut info.name, file.name), (&mut info.disposition, file.disposition), (&mut info.created, file.created)];
    told.into_iter().for_each(|(known, told)| *known = told.or_else(|| known.take()));
    let kind = file.media_type.or_else(|| info.media_type.take());
    info.media_type = Some(kind.unwrap_or_else(|| OCTET_STREAM.to_owned()));
    let icon = envelope.icon.clone();
    // A peer that has a part of it does not have the object.
    let delete = file.delete && file.range.is_none();
    let range = file.range;
    Ok(Ready { object, info, range, icon, delete, since: None, attempts: 0 })
}

fn out_to(out: &mut Outbox<Output>, target: Option<(OutboundKey, LinkId)>, command: fn(OutboundKey) -> Command) {
    if let Some((message, link)) = target {
        out.push(Output::Link(link, command(message)));
    }
}

/// Why a file does not get through.
#[derive(Debug)]
pub(super) struct Broken {
    /// REASON in `play.failed.REASON`.
    reason: Cow<'static, str>,
    /// The value of `ft.result`.
    result: Cow<'static, str>,
    /// The dialog fails with it.
    failure: Option<(u16, String)>,
    /// Octets of the file that the peer has answered for.
    octets: u64,
    /// And has reported.
    reported: u64,
}

impl Broken {
    pub(super) const fn new(reason: &'static str, result: &'static str) -> Self {
        let (reason, result) = (Cow::Borrowed(reason), Cow::Borrowed(result));
        Self { reason, result, failure: None, octets: 0, reported: 0 }
    }

    /// And the dialog with it: `dialog.exit.status` and `dialog.exit.description`.
    pub(super) fn failing(self, failure: (u16, String)) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// A message that broke off.
    pub(super) fn message(why: &SendFailure, octets: u64, reported: u64) -> Self {
        let plain = |reason, result| Self::new(reason, result);
        let broken = match why {
            SendFailure::Status(status) | SendFailure::Report(status) => Self {
                reason: format!("rejected.{}", status.0).into(),
                result: format!("ft.rejected.{}", status.0).into(),
                ..plain("", "")
            },
            SendFailure::Timeout => plain("timeout", "ft.timeout.idle"),
            SendFailure::ConnectionLost | SendFailure::Unbound | SendFailure::TooManySessions => {
                plain("disconnected", "ft.disconnected")
            }
            SendFailure::Source => {
                plain("storage", "ft.storage").failing((434, "the file can't be read".to_owned())) // checklist 13
            }
            SendFailure::Aborted => plain("terminated", "ft.aborted.local"),
        };
        Self { octets, reported, ..broken }
    }

    /// The same as the queue judges it.
    fn ending(&self) -> Ending {
        let reported = self.reported;
        match (&*self.result, &self.failure) {
            ("ft.badtype", _) => Ending::BadType,
            ("ft.toolarge", Some((_, why))) => Ending::NoStream(why.clone()),
            // The connection that was named is not fit; another may be.
            ("ft.rejected.441" | "ft.rejected.451", _) => Ending::Broken { reported },
            (_, Some((_, why))) => Ending::Unreadable(why.clone()),
            ("ft.aborted.local", None) => Ending::Stopped,
            ("ft.hashmismatch", None) => Ending::Unreadable("it has another digest".to_owned()),
            (result, None) => match result.strip_prefix("ft.rejected.").and_then(|status| status.parse().ok()) {
                Some(status) => Ending::Msrp { status },
                None => Ending::Broken { reported },
            },
        }
    }

    /// What the script is told of it.
    pub(super) fn end(&self, name: String) -> End {
        let mut variables = Variables::new();
        variables::ended(&mut variables, &self.result, self.status(), None);
        End { name, variables, failure: self.failure.clone() }
    }

    /// The value of `ft.status`: the code of the failure, or the peer's.
    fn status(&self) -> Option<u16> {
        let rejected = || self.result.strip_prefix("ft.rejected.")?.parse().ok();
        self.failure.as_ref().map(|(code, _)| *code).or_else(rejected)
    }
}
