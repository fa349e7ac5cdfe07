//! Provisional responses to our INVITE that want to be acknowledged (RFC 3262).

use rsip::{Method, Response};

use super::{Endpoint, next_hop};
use crate::model::{Now, Outbox};
use crate::sip::address::tag;
use crate::sip::call::Early;
use crate::sip::command::Output;
use crate::sip::dialog::Dialog;
use crate::sip::flow::CallKey;
use crate::sip::layer::{ClientId, Purpose};
use crate::sip::message::{body, cseq_number, header, text, tokens, value};

/// Forks of one INVITE of ours whose provisional responses are acknowledged; a further one repeats its own in vain.
const FORKS_MAX: usize = 16;

impl Endpoint {
    /// Acknowledges a provisional response if it wants that. False: it is a copy, or came out of order (RFC 3262 §4).
    pub(super) fn acknowledge(
        &mut self,
        now: Now,
        key: CallKey,
        id: ClientId,
        response: &Response,
        out: &mut Outbox<Output>,
    ) -> bool {
        let headers = &response.headers;
        let reliable = tokens(headers, "Require").any(|option| option.eq_ignore_ascii_case("100rel"));
        let number = value(headers, "RSeq").and_then(|number| number.trim().parse::<u32>().ok());
        let Some(number) = number.filter(|_| reliable && response.status_code.code() > 100) else { return true };
        let Some((invite, _)) = self.layer.sent(id) else { return false };
        let seq = cseq_number(&invite.headers);
        let ours = tag(text(&invite.headers, "From")).unwrap_or_default();
        let dialog = Dialog::caller(invite, ours).answered(response);
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let known = call.early.iter().position(|early| early.dialog.remote_tag == dialog.remote_tag);
        let at = match known {
            Some(at) if Some(number) != call.early[at].last.checked_add(1) => return false,
            Some(at) => at,
            None if call.early.len() >= FORKS_MAX || dialog.remote_tag.is_none() => return false,
            None => {
                call.early.push(Early { dialog, last: number, answer: None });
                call.early.len() - 1
            }
        };
        call.early[at].last = number;
        if let Some(answer) = body(headers, &response.body) {
            call.early[at].answer = Some(answer);
        }
        let (path, hop) = (call.path, next_hop(&call.path, &call.early[at].dialog));
        let via = self.via(hop.transport, path.local);
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let mut prack = call.early[at].dialog.next(Method::PRack, &via);
        prack.headers.push(header("RAck", &format!("{number} {seq} INVITE")));
        self.authorize(key, &mut prack);
        self.send(now, Purpose::Prack(key), hop, prack, None, out);
        true
    }

    /// What is known of the dialog that a 2xx completes: the number of its last request, and the answer if a provisional
    /// response has brought it (RFC 3262 §5).
    pub(super) fn completed(&mut self, key: CallKey, dialog: &mut Dialog) -> Option<crate::sip::flow::Body> {
        let call = self.calls.get_mut(&key)?;
        let early = std::mem::take(&mut call.early);
        let early = early.into_iter().find(|early| early.dialog.remote_tag == dialog.remote_tag)?;
        dialog.go_on_from(&early.dialog);
        early.answer
    }
}
