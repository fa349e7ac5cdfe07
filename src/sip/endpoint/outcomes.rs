//! What becomes of requests of ours.

use std::time::Duration;

use rsip::Response;

use super::{Alarm, Endpoint};
use crate::model::{Now, Outbox};
use crate::sip::address::{NameAddr, tag};
use crate::sip::call::{Cancel, HangUp, Path, Phase};
use crate::sip::command::Output;
use crate::sip::dialog::Dialog;
use crate::sip::event::{EndReason, Event, Refusal};
use crate::sip::flow::{CallKey, Flow};
use crate::sip::layer::{ClientId, Outcome, Purpose, Report};
use crate::sip::message::{body, cseq_number, pairs, reason, retry_after, text, values};

/// RFC 3261 §14.1: waits are multiples of this.
const GLARE_UNIT: Duration = Duration::from_millis(10);

impl Endpoint {
    pub(super) fn response(&mut self, now: Now, flow: Flow, response: Response, out: &mut Outbox<Output>) {
        let Some(report) = self.layer.receive(now, response, out) else { return };
        let (_, purpose, _) = &report;
        if let Some(call) = call_of(purpose).and_then(|key| self.calls.get_mut(&key)) {
            call.path = Path::from(flow);
        }
        self.outcome(now, report, out);
    }

    /// RFC 3261 §8.1.3.1: silence is a 408, a failed transport a 503.
    pub(super) fn outcome(&mut self, now: Now, report: Report, out: &mut Outbox<Output>) {
        let (id, purpose, outcome) = report;
        if let Purpose::Message(token) = purpose {
            return self.page_outcome(now, token, &outcome, out);
        }
        if self.again(now, (id, purpose), &outcome, out) {
            return;
        }
        if let (Some(key), Outcome::Response(response)) = (call_of(&purpose), &outcome)
            && (200..300).contains(&response.status_code.code())
        {
            self.next_nonce(key, response);
            if let Some(call) = self.calls.get_mut(&key) {
                call.again = 0;
                call.proofs.iter_mut().for_each(|proof| proof.renewed = false);
            }
        }
        let (status, response) = match outcome {
            Outcome::Response(response) => (response.status_code.code(), Some(response)),
            Outcome::Timeout => (408, None),
            Outcome::TransportFailed => (503, None),
        };
        let response = response.as_deref();
        let content = response.and_then(|response| body(&response.headers, &response.body));
        match purpose {
            Purpose::Invite(key) if status < 200 => {
                if let Some(response) = response {
                    self.progress(now, key, id, response, out);
                }
            }
            Purpose::Invite(key) if status < 300 => {
                if let Some(response) = response {
                    self.connected(now, key, id, response, out);
                }
            }
            Purpose::Invite(key) => self.refused(now, key, status, response, out),
            Purpose::Reinvite(key) if status >= 200 => self.reinvite_answered(now, key, status, response, out),
            Purpose::Info(call, token) if status >= 200 => {
                let Some(found) = self.calls.get_mut(&call) else { return };
                found.sent = None;
                out.push(Output::Event(Event::InfoAnswered { call, token, status, body: content }));
                self.after(now, call, status, out);
            }
            Purpose::Notify(key) if status >= 200 => self.notified(now, key, status, response, out),
            Purpose::Refresh(key) if status >= 200 => self.refreshed(now, key, status, response, out),
            Purpose::Bye(key) if status >= 200 => {
                if let Some(Phase::Closing(why)) = self.calls.get(&key).map(|call| call.phase) {
                    self.end(now, key, why, out);
                }
            }
            Purpose::Options(token) if status >= 200 => {
                let headers = response.map(|response| pairs(&response.headers)).unwrap_or_default();
                out.push(Output::Event(Event::OptionsAnswered { token, status, headers, body: content }));
            }
            // Provisional responses to what is no INVITE, and answers nobody waits for.
            _ => {}
        }
    }

    /// RFC 3261 §12.2.1.2: 481 and 408 inside a dialog end it; 469 and the rest do not (RFC 6086 §4.2.1).
    pub(super) fn after(&mut self, now: Now, key: CallKey, status: u16, out: &mut Outbox<Output>) {
        match status {
            481 => self.end(now, key, EndReason::Gone(status), out),
            408 => {
                if self.calls.get(&key).is_some_and(|call| call.phase == Phase::Up) {
                    self.send_bye(now, key, HangUp::default(), EndReason::Gone(status), out);
                }
            }
            _ => self.pump(now, key, out),
        }
    }

    fn progress(&mut self, now: Now, key: CallKey, id: ClientId, response: &Response, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(inviting) = &mut call.inviting else { return };
        inviting.provisional = true;
        let cancelled = inviting.cancel == Cancel::Wanted;
        let status = response.status_code.code();
        if self.acknowledge(now, key, id, response, out) && status > 100 {
            out.push(Output::Event(Event::Progress { call: key, status }));
        }
        if cancelled {
            self.cancel(now, key, out);
        }
    }

    /// A 2xx to our first INVITE: the first one, a copy, or another fork's.
    fn connected(&mut self, now: Now, key: CallKey, id: ClientId, response: &Response, out: &mut Outbox<Output>) {
        let Some((invite, hop)) = self.layer.sent(id) else { return };
        let (seq, offered) = (cseq_number(&invite.headers), !invite.body.is_empty());
        let ours = tag(text(&invite.headers, "From")).unwrap_or_default();
        let mut dialog = Dialog::caller(invite, ours).answered(response);
        let Some(call) = self.calls.get(&key) else {
            let path = Path { flow: hop.flow, transport: hop.transport, remote: hop.remote, local: None };
            return self.dismiss(now, dialog, seq, &path, out);
        };
        let (path, phase) = (call.path, call.phase);
        if phase != Phase::Calling {
            if !call.dialog.is_peer(dialog.remote_tag.as_deref()) {
                return self.dismiss(now, dialog, seq, &path, out);
            }
            return self.repeat_ack(key, seq, out);
        }
        let early = self.completed(key, &mut dialog);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let given_up = call.inviting.take().is_some_and(|inviting| inviting.cancel != Cancel::Unwanted);
        self.alarms.clear((key, Alarm::CancelOverdue));
        let contact = dialog.target.to_string();
        call.dialog = dialog;
        call.phase = Phase::Up;
        if given_up {
            // RFC 3261 §9.1: the 2xx was faster than our CANCEL.
            self.send_ack(now, key, seq, None, out);
            return self.send_bye(now, key, HangUp::default(), EndReason::Cancelled, out);
        }
        if offered {
            self.send_ack(now, key, seq, None, out);
        } else {
            call.ack_owed = Some(seq);
        }
        self.session_answered(now, key, response);
        let status = response.status_code.code();
        // Without an offer of ours an early description is none of ours to answer: the offer is that of the 2xx.
        let body = early.filter(|_| offered).or_else(|| body(&response.headers, &response.body));
        let tags = self.calls.get(&key).map(|call| (call.dialog.id.tag.clone(), call.dialog.remote_tag.clone()));
        let (tag, peer_tag) = tags.unwrap_or_default();
        let peer_tag = peer_tag.unwrap_or_default();
        out.push(Output::Event(Event::Answered { call: key, tag, peer_tag, contact, status, body }));
        self.pump(now, key, out);
    }

    /// RFC 3261 §13.2.2.4: every copy of the 2xx gets the ACK again.
    fn repeat_ack(&mut self, key: CallKey, seq: u32, out: &mut Outbox<Output>) {
        let ack = self.calls.get(&key).and_then(|call| call.last_ack.as_ref()).filter(|ack| ack.seq == seq);
        if let Some(ack) = ack {
            out.push(ack.parcel.transmit());
        }
    }

    /// Our INVITE failed.
    pub(super) fn refused(
        &mut self,
        now: Now,
        key: CallKey,
        status: u16,
        response: Option<&Response>,
        out: &mut Outbox<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Calling) else { return };
        let inviting = call.inviting.take();
        let cancelled = inviting.as_ref().is_some_and(|inviting| inviting.cancel != Cancel::Unwanted);
        if let Some(inviting) = inviting.filter(|_| response.is_none()) {
            self.layer.abandon(inviting.id);
        }
        let uri = |contact| NameAddr::parse(contact).map(|addr| addr.uri.to_owned());
        let contacts = response.map(|response| values(&response.headers, "Contact").filter_map(uri).collect());
        let refusal = Refusal {
            status,
            silent: response.is_none(),
            reason: response.map(|response| reason(&response.status_code).to_owned()).unwrap_or_default(),
            retry_after: response.and_then(|response| retry_after(&response.headers)),
            contacts: contacts.filter(|_| status < 400).unwrap_or_default(),
        };
        out.push(Output::Event(Event::Refused { call: key, refusal }));
        self.end(now, key, if cancelled { EndReason::Cancelled } else { EndReason::Refused(status) }, out);
    }

    fn reinvite_answered(
        &mut self,
        now: Now,
        key: CallKey,
        status: u16,
        response: Option<&Response>,
        out: &mut Outbox<Output>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let seq = response.map(|response| cseq_number(&response.headers)).unwrap_or_default();
        let Some(inviting) = call.inviting.take() else { return self.repeat_ack(key, seq, out) };
        if status < 300 {
            if seq != inviting.seq {
                call.inviting = Some(inviting); // a late copy of an older 2xx
                return self.repeat_ack(key, seq, out);
            }
            let Some(response) = response else { return };
            call.dialog.refresh(&response.headers);
            self.session_answered(now, key, response);
            self.send_ack(now, key, seq, None, out);
            let body = body(&response.headers, &response.body);
            out.push(Output::Event(Event::ReinviteAnswered { call: key, body }));
            return self.pump(now, key, out);
        }
        if status == 491 && call.phase == Phase::Up {
            // A newer offer of the owner's replaces the one that met the peer's.
            call.reinvite = call.reinvite.take().or(inviting.offer);
            let caller = call.caller;
            let wait = self.glare_wait(caller);
            return self.alarms.set((key, Alarm::Retry), now.instant + wait);
        }
        out.push(Output::Event(Event::ReinviteRefused { call: key, status }));
        self.after(now, key, status, out);
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side 0 to 2 s.
    fn glare_wait(&mut self, caller: bool) -> Duration {
        let (least, steps) = if caller { (210, 191) } else { (0, 201) };
        GLARE_UNIT * (least + (self.mint.number() % steps) as u32)
    }
}

pub(super) const fn call_of(purpose: &Purpose) -> Option<CallKey> {
    match purpose {
        Purpose::Invite(call) | Purpose::Reinvite(call) | Purpose::Info(call, _) | Purpose::Bye(call) => Some(*call),
        Purpose::Cancel(call) | Purpose::Refresh(call) | Purpose::Prack(call) => Some(*call),
        Purpose::Notify(_) | Purpose::Message(_) | Purpose::Options(_) | Purpose::Courtesy => None,
    }
}
