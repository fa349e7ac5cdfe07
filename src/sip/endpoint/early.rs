//! Provisional responses to our INVITE: the dialogs that they begin, what they describe, and their PRACK (RFC 3262).

use rsip::{Method, Response};

use super::{Endpoint, next_hop};
use crate::model::{Now, Outbox};
use crate::sip::address::tag;
use crate::sip::call::Early;
use crate::sip::command::Output;
use crate::sip::dialog::Dialog;
use crate::sip::flow::{Body, CallKey};
use crate::sip::layer::{ClientId, Purpose};
use crate::sip::message::{body, cseq_number, header, text, tokens, value};
use crate::sip::multipart;

/// Forks of one INVITE of ours that are told apart before one answers; a further one repeats its reliable responses in vain.
const FORKS_MAX: usize = 16;

impl Endpoint {
    /// Keeps what a provisional response describes, and acknowledges it if it wants that. False: it is a copy, or came out
    /// of order (RFC 3262 §4).
    pub(super) fn acknowledge(
        &mut self,
        now: Now,
        key: CallKey,
        id: ClientId,
        response: &Response,
        out: &mut Outbox<Output>,
    ) -> bool {
        let headers = &response.headers;
        let early = response.status_code.code() > 100;
        let reliable = early && tokens(headers, "Require").any(|option| option.eq_ignore_ascii_case("100rel"));
        let number = value(headers, "RSeq").and_then(|number| number.trim().parse::<u32>().ok());
        let number = number.filter(|_| reliable);
        let describes = |body: &Body| early && multipart::part(body, "application/sdp").is_some();
        let described = body(headers, &response.body).filter(describes);
        if number.is_none() && described.is_none() {
            return true;
        }
        let Some((at, seq)) = self.early(key, id, response) else { return number.is_none() };
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let early = &mut call.early[at];
        if number.is_some() && early.last.is_some_and(|last| number != last.checked_add(1)) {
            return false;
        }
        // RFC 3261 §13.2.1: the first is the answer, whatever comes after it in the same dialog.
        early.answer = early.answer.take().or(described);
        let Some(number) = number else { return true };
        early.last = Some(number);
        let (path, hop) = (call.path, next_hop(&call.path, &call.early[at].dialog));
        let via = self.via(hop.transport, path.local);
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let mut prack = call.early[at].dialog.next(Method::PRack, &via);
        prack.headers.push(header("RAck", &format!("{number} {seq} INVITE")));
        self.authorize(key, &mut prack);
        self.send(now, Purpose::Prack(key), hop, prack, None, out);
        true
    }

    /// The dialog that a provisional response belongs to, begun with its first one, and the number of our INVITE.
    fn early(&mut self, key: CallKey, id: ClientId, response: &Response) -> Option<(usize, u32)> {
        let (invite, _) = self.layer.sent(id)?;
        let seq = cseq_number(&invite.headers);
        let ours = tag(text(&invite.headers, "From")).unwrap_or_default();
        let dialog = Dialog::caller(invite, ours).answered(response);
        let early = &mut self.calls.get_mut(&key)?.early;
        if let Some(at) = early.iter().position(|early| early.dialog.remote_tag == dialog.remote_tag) {
            return Some((at, seq));
        }
        if early.len() >= FORKS_MAX || dialog.remote_tag.is_none() {
            return None;
        }
        early.push(Early { dialog, last: None, answer: None });
        Some((early.len() - 1, seq))
    }

    /// What is known of the dialog that a 2xx completes: the number of its last request, and the session description that a
    /// provisional response has brought.
    pub(super) fn completed(&mut self, key: CallKey, dialog: &mut Dialog) -> Option<Body> {
        let call = self.calls.get_mut(&key)?;
        let early = std::mem::take(&mut call.early);
        let early = early.into_iter().find(|early| early.dialog.remote_tag == dialog.remote_tag)?;
        dialog.go_on_from(&early.dialog);
        early.answer
    }
}
