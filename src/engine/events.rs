//! MSML events on their way to application servers, and into the event log whatever becomes of them.

use super::call::Call;
use super::core::Engine;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::msml::ContextId;
use crate::sip::{self, Body, CallKey};
use crate::spool::{Event, EventNote};

/// The variable that names a durable job.
const JOB: &str = "ft.job";

impl Engine {
    /// An event as the log has it.
    pub(super) fn logged(
        &self,
        now: Now,
        context: ContextId,
        name: String,
        dialog: String,
        values: Vec<(String, String)>,
    ) -> Event {
        let call = self.board.calls.get(&CallKey(context.0)).map(|call| &call.parties.call_id);
        let call_id = call.or_else(|| self.departed.get(&context)).cloned();
        let job = values.iter().find(|(name, _)| name == JOB).map(|(_, job)| job.clone());
        Event { at: now.wall, dialog, name, values, call_id, job }
    }

    /// Sends an event to the SIP dialog that asked. Whether it has got there is told by the answer to its INFO: there always
    /// is one, if only ours that the dialog is gone.
    pub(super) fn send_event(
        &mut self,
        now: Now,
        context: ContextId,
        event: Event,
        text: String,
        out: &mut Outbox<Output>,
    ) {
        let call = CallKey(context.0);
        let Some(kind) = self.board.calls.get(&call).map(|call| call.msml_type.clone()) else {
            return self.keep_event(event, out);
        };
        tracing::info!(event = event.name, dialog = event.dialog, "MSML event");
        let token = self.number();
        self.untold.insert(token);
        out.push(Output::Note(EventNote::Sent(token, Box::new(event))));
        let body = Body::new(&kind, text);
        self.command(now, sip::Command::Info { call, token, body }, out);
    }

    /// RFC 5707 §3.1: nobody is there any more who could be told. Whoever comes back can read it.
    pub(super) fn keep_event(&self, event: Event, out: &mut Outbox<Output>) {
        if event.dialog.is_empty() {
            // Nobody's dialog has asked: a rule has, or somebody over HTTP.
            tracing::debug!(event = event.name, job = event.job, "the event is in the event log");
        } else {
            tracing::warn!(
                event = event.name,
                dialog = event.dialog,
                call_id = event.call_id,
                "the control dialog is gone: the event is in the event log alone"
            );
        }
        out.push(Output::Note(EventNote::Unsent(Box::new(event))));
    }

    pub(super) fn event_answered(&mut self, token: u64, status: u16, out: &mut Outbox<Output>) {
        if self.untold.remove(&token) {
            out.push(Output::Note(EventNote::Answered(token, (200..300).contains(&status))));
        }
    }

    /// A call has gone whose dialogs may still have something to tell: what it was called is needed until then.
    pub(super) fn remember_departed(&mut self, key: CallKey, call: &Call) {
        let context = ContextId(key.0);
        if self.interpreter.has_dialogs(context) {
            self.departed.insert(context, call.parties.call_id.clone());
        }
    }

    pub(super) fn forget_departed(&mut self) {
        let interpreter = &self.interpreter;
        self.departed.retain(|context, _| interpreter.has_dialogs(*context));
    }
}
