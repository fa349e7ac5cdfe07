//! Requests (RFC 5707 §5): validated as a whole, executed in document order, answered once.
//!
//! A command for the spool is answered when the spool has; until then the rest of its request waits, and so do other
//! requests of the same context (checklist TX-10). Dialogs that the request has started meanwhile run.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::model::limits::MSML_REQUESTS_WAITING;
use crate::model::{Instant, Outbox};

use super::ask::{Ask, Listing};
use super::document::{Action, Document};
use super::fault::{Code, Fault, Position};
use super::interpreter::{Interpreter, Refusal};
use super::keys::ContextId;
use super::parse::check;
use super::pending::{Asker, Unfinished};
use super::port::Output;
use super::reply::{Reply, Style, Verdict};

impl Interpreter {
    pub(super) fn request(&mut self, now: Instant, asker: Asker, request: u64, body: Bytes, out: &mut Outbox<Output>) {
        let mut verdict = Verdict::default();
        if let Some(unfinished) = self.asking.get_mut(&asker.context) {
            if unfinished.next.len() < MSML_REQUESTS_WAITING {
                return unfinished.next.push_back((request, asker.style, body));
            }
            let why = format!("{MSML_REQUESTS_WAITING} requests of this client wait already");
            verdict.refuse((Code::NoResource, why));
            return conclude(request, asker, verdict, Outbox::new(), out);
        }
        let commands = match self.affordable_commands(&body, asker) {
            Ok(document) => document.commands.into(),
            Err(refusal) => {
                verdict.refuse(refusal);
                VecDeque::new()
            }
        };
        let (at, next) = ((Position::START, None), VecDeque::new());
        self.go_on(now, Unfinished { request, asker, commands, at, follows: None, verdict, next }, out);
    }

    /// RFC 5707 §5: nothing is executed before the whole has been validated and found affordable.
    fn affordable_commands(&self, body: &[u8], asker: Asker) -> Result<Document, Refusal> {
        let document = check(body, asker.style.strict).map_err(|faults| {
            let code = faults.first().map_or(Code::BadRequest, |fault| fault.code);
            (code, faults.first().map(Fault::description).unwrap_or_default())
        })?;
        let starts = document.commands.iter().filter_map(|command| match &command.action {
            Action::DialogStart { target, script, .. } => Some((&target.root, script)),
            _ => None,
        });
        self.affordable(starts).map(|()| document)
    }

    fn go_on(&mut self, now: Instant, mut work: Unfinished, out: &mut Outbox<Output>) {
        // The answer goes out before the events of dialogs that end at once (checklist F-4).
        let mut later = Outbox::new();
        while let Some(command) = work.commands.pop_front() {
            let context = work.asker.context;
            if let Action::Spool(ask) = command.action {
                if let Ask::Attach(job) = &ask {
                    work.follows = Some(job.clone());
                }
                out.push(Output::Ask { context, ask });
                later.drain().for_each(|output| out.push(output));
                work.at = (command.position, command.mark);
                self.asking.insert(context, work);
                return;
            }
            match self.execute(now, work.asker, command.action, &mut work.verdict, &mut later) {
                Ok(()) => work.verdict.pass(command.mark),
                // RFC 5707 §5: stop at the first error, roll nothing back, return the last mark.
                Err((code, reason)) => {
                    work.verdict.refuse((code, format!("{}: {reason}", command.position)));
                    work.commands.clear();
                }
            }
        }
        conclude(work.request, work.asker, work.verdict, later, out);
        self.next_request(now, work.asker.context, work.next, out);
    }

    /// The spool's answer to an [`Output::Ask`].
    pub(super) fn answered(
        &mut self,
        now: Instant,
        context: ContextId,
        result: Result<Option<Listing>, Refusal>,
        out: &mut Outbox<Output>,
    ) {
        let Some(mut work) = self.asking.remove(&context) else { return };
        let (position, mark) = std::mem::replace(&mut work.at, (Position::START, None));
        let mut later = Outbox::new();
        let result = match (result, work.follows.take()) {
            (Ok(_), Some(job)) => self.attach(now, work.asker, &job, &mut later).map(|dialog| {
                work.verdict.dialogids.push(dialog);
                None
            }),
            (result, _) => result,
        };
        match result {
            Ok(listing) => {
                work.verdict.listings.extend(listing);
                work.verdict.pass(mark);
            }
            Err((code, reason)) => {
                work.verdict.refuse((code, format!("{position}: {reason}")));
                work.commands.clear();
            }
        }
        self.go_on(now, work, out);
        later.drain().for_each(|output| out.push(output));
    }

    /// What has waited for a request comes to its turn.
    fn next_request(
        &mut self,
        now: Instant,
        context: ContextId,
        mut next: VecDeque<(u64, Style, Bytes)>,
        out: &mut Outbox<Output>,
    ) {
        while let Some((request, style, body)) = next.pop_front() {
            self.request(now, Asker { context, style, invited: false }, request, body, out);
            if let Some(unfinished) = self.asking.get_mut(&context) {
                return unfinished.next.append(&mut next);
            }
        }
    }
}

/// The answer, and what it went before.
fn conclude(request: u64, asker: Asker, verdict: Verdict, mut later: Outbox<Output>, out: &mut Outbox<Output>) {
    out.push(Output::Reply { request, reply: Reply { verdict, dialogid: asker.style.dialogid } });
    later.drain().for_each(|output| out.push(output));
}
