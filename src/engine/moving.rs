//! Files that a script moves without a peer: the engine asks for it, and the script hears what came of it.

use super::core::Engine;
use super::failure::FileFailure;
use super::jobs::Errand;
use super::port::{Moved, Output, Ticket};
use super::variables::{self, Variables};
use crate::model::{Now, Outbox};
use crate::msml::{self, End, FileWork, PrimitiveKey};
use crate::spool::Committed;

impl Engine {
    /// A file of a `<transfer>` or `<fileop>`.
    pub(super) fn move_file(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        work: Box<FileWork>,
        out: &mut Outbox<Output>,
    ) {
        let ticket = self.errand(Errand::Move(primitive));
        self.moving.insert(primitive, (ticket, now.instant));
        out.push(Output::Move(ticket, work));
    }

    /// It can only be broken off: what is on the way between two places is not held.
    pub(super) fn order_move(&self, primitive: PrimitiveKey, order: msml::Order, out: &mut Outbox<Output>) {
        if let Some((ticket, _)) = self.moving.get(&primitive)
            && matches!(order, msml::Order::Terminate { .. })
        {
            out.push(Output::StopMove(*ticket));
        }
    }

    pub(super) fn moved(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<Moved, FileFailure>,
        out: &mut Outbox<Output>,
    ) {
        let Some(Errand::Move(primitive)) = self.errands.remove(&ticket) else { return };
        let Some((_, since)) = self.moving.remove(&primitive) else { return };
        let mut variables = Variables::new();
        let name = match &result {
            Ok(Moved { octets, object }) => {
                if let Some(envelope) = object.as_ref().map(Committed::envelope) {
                    variables = variables::of_file(&envelope.file);
                    variables::set(&mut variables, "ft.uri", &envelope.uri);
                }
                variables::volume(&mut variables, *octets, now.instant.since(since));
                variables::ended(&mut variables, "ft.success", Some(200), None);
                "file.complete"
            }
            Err(why) => {
                tracing::warn!(%why, "a file of a script was not moved");
                variables::ended(&mut variables, &why.result(), why.code(), None);
                "file.failed"
            }
        };
        let end = End { name: name.to_owned(), variables, failure: None };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }
}
