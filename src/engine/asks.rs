//! Commands of application servers for the spool: what is in a box, and what becomes of an object.

use super::core::Engine;
use super::jobs::{Asked, Errand};
use super::port::{Found, Output, Query};
use crate::model::{Now, Outbox};
use crate::msml::{self, Ask, Code, ContextId, Listed, Listing};
use crate::spool::{Change, Envelope, Filter, Mark};

impl Engine {
    pub(super) fn ask(&mut self, now: Now, context: ContextId, ask: Ask, out: &mut Outbox<Output>) {
        let (asked, query) = match ask {
            Ask::Attach(job) => return self.ask_for_job(now, context, job, out),
            Ask::List { mailbox, state, most } => {
                let state = state.as_deref().and_then(Filter::of);
                (Asked::List(mailbox.clone()), Query::List { mailbox, state, most })
            }
            Ask::Delete(uri) => (Asked::Find(Change::Delete), Query::Object(uri)),
            Ask::Mark(uri, word) => (Asked::Find(change(&word)), Query::Object(uri)),
        };
        let ticket = self.errand(Errand::Ask(context, asked));
        out.push(Output::Find(ticket, query));
    }

    /// The spool's answer to it.
    pub(super) fn asked(
        &mut self,
        now: Now,
        context: ContextId,
        asked: Asked,
        found: Result<Found, String>,
        out: &mut Outbox<Output>,
    ) {
        let result = match (asked, found) {
            (Asked::Find(change), Ok(Found::Object(Some(object)))) => {
                let ticket = self.errand(Errand::Change(context));
                return out.push(Output::Change(ticket, object, change, "an application server".to_owned()));
            }
            (Asked::Find(_), Ok(_)) => Err((Code::NoSuchObject, "there is no such object".to_owned())),
            (Asked::List(mailbox), Ok(Found::List(page))) => {
                Ok(Some(Listing { mailbox, objects: page.iter().map(listed).collect() }))
            }
            (Asked::List(_), Ok(_)) => Err((Code::Unavailable, "the spool said something else".to_owned())),
            (_, Err(why)) => Err((Code::Unavailable, why)),
        };
        self.msml(now, msml::Input::Answered { context, result }, out);
    }

    /// The object was changed, or not.
    pub(super) fn asked_change(
        &mut self,
        now: Now,
        context: ContextId,
        result: Result<(), String>,
        out: &mut Outbox<Output>,
    ) {
        let result = result.map(|()| None).map_err(|why| (Code::Unavailable, why));
        self.msml(now, msml::Input::Answered { context, result }, out);
    }
}

/// The change of this word of `<ft:mark>`.
fn change(word: &str) -> Change {
    match word {
        "urgent" | "normal" => Change::Urgent(word == "urgent"),
        _ => Change::Mark(Mark::ALL.into_iter().find(|mark| mark.word() == word).unwrap_or_default()),
    }
}

fn listed(envelope: &Envelope) -> Listed {
    Listed {
        uri: envelope.uri.clone(),
        name: envelope.file.name.clone(),
        media_type: envelope.file.media_type.clone(),
        size: envelope.size(),
        stored: envelope.stored.rfc3339(),
        from: envelope.from.clone(),
    }
}
