//! Jobs that bring an object to somebody: between the queue, the scripts that asked for them, and the plays that are their
//! attempts.
//!
//! ```text
//!   <ft:forward> ──> delivery ──> queue ──> Attempt ──> ft.due ──> ft.bind ──> a play on conn:Y ──┐
//!        ^                          ^                      └── nobody binds: no answer ───────────┤
//!        └── ft.queued, ft.object, the end                 └────────────── Ended ─────────────────┘
//! ```
//! Who follows a job hears of it; of a job that nobody follows the event log hears, until `<ft:attach>`.

use std::time::Duration;

use super::core::Engine;
use super::follow::{Asker, DUE, Following};
use super::jobs::Errand;
use super::playing::{Broken, ready};
use super::port::{Output, Query, Ticket};
use super::variables::{self, Variables};
use super::wish::Order as Wanted;
use crate::model::limits::DELIVERY_TOLD_OCTETS;
use crate::model::{Now, Outbox};
use crate::msml::{self, Code, ContextId, End, Forward, PrimitiveKey};
use crate::notices::{Audience, NoTarget};
use crate::queue::{self, AskKey, Queue, Refusal, Tell, Unwritten};
use crate::spool::{Caller, Committed, Delivery, Event, EventPage, EventQuery, LoggedEvent, Progress};

// A script wants a job, or wants to hear of one.
impl Engine {
    /// Forwards as patiently as the operator wants.
    #[must_use]
    pub fn patience(mut self, config: queue::Config, bind: Duration) -> Self {
        self.forwarding.queue = Queue::new(config, self.forwarding.mint.fork());
        self.forwarding.bind = bind;
        self
    }

    /// Lets scripts name these, who are told of the end of a job.
    #[must_use]
    pub fn audience(mut self, audience: Audience) -> Self {
        self.forwarding.audience = audience;
        self
    }

    /// An `<ft:forward>` begins.
    pub(super) fn forward(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        dialog: String,
        work: Forward,
        out: &mut Outbox<Output>,
    ) {
        let mut following = Following::new(dialog);
        match work {
            Forward::New(wanted) => {
                let query = Query::Object(wanted.file.uri.clone());
                following.wanted = Some(wanted);
                self.forwarding.following.insert(primitive, following);
                let ticket = self.errand(Errand::Forward(primitive));
                out.push(Output::Find(ticket, query));
            }
            Forward::Attach(job) => {
                if let Some(before) = self.forwarding.followers.insert(job.clone(), primitive) {
                    self.let_go(now, before, out);
                }
                self.forwarding.followers.insert(job.clone(), primitive);
                (following.job, following.recalls) = (Some(job.clone()), Some(Vec::new()));
                self.forwarding.following.insert(primitive, following);
                self.msml(now, msml::Input::Queued { primitive, job: job.clone() }, out);
                self.recall(primitive, job, None, out);
            }
        }
    }

    /// The spool has the object, or has not.
    pub(super) fn forward_found(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        found: Result<Option<Committed>, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(following) = self.forwarding.following.get_mut(&primitive) else { return };
        let Some(wanted) = following.wanted.take() else { return };
        let dialog = following.dialog.clone();
        let msml::Job { to, by_client, after, attempts, backoff, expires, unreported, notify, file, told } = *wanted;
        let object = match ready(file, found) {
            Ok(ready) => ready.object,
            Err(broken) => return self.not_forwarded(now, primitive, &broken, out),
        };
        if told.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > DELIVERY_TOLD_OCTETS {
            let failure = (521, format!("what is said of the file has more than {DELIVERY_TOLD_OCTETS} octets"));
            return self.not_forwarded(now, primitive, &Broken::new("", "ft.rejected.521").failing(failure), out);
        }
        let notify = match notify.map(|notify| self.forwarding.audience.target(&notify)).transpose() {
            Ok(target) => target.map(|target| target.to_string()),
            Err(why) => {
                let (code, result) =
                    if why == NoTarget::Unknown { (410, "ft.rejected.410") } else { (403, "ft.rejected.403") };
                let failing = Broken::new("", result).failing((code, why.to_string()));
                return self.not_forwarded(now, primitive, &failing, out);
            }
        };
        let caller = if by_client { Caller::As } else { Caller::Uac };
        if !by_client && !self.may_forward(&to) {
            let failure = (403, format!("policy.forward does not allow {to}"));
            return self.not_forwarded(now, primitive, &Broken::new("", "ft.rejected.403").failing(failure), out);
        }
        let dialog = Some(dialog);
        let order = Wanted { caller, after, attempts, backoff, expires, unreported, dialog, told, notify };
        let delivery = self.delivery(now, &object, to, order);
        let ask = self.asks(Asker::Primitive(primitive));
        self.queue(now, queue::Input::Forward(ask, Box::new(delivery)), out);
    }

    fn not_forwarded(&mut self, now: Now, primitive: PrimitiveKey, broken: &Broken, out: &mut Outbox<Output>) {
        self.forwarding.following.remove(&primitive);
        let end = broken.end("forward.failed".to_owned());
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }

    /// What an application server orders: it lets go of the job, or calls it back.
    pub(super) fn order_forward(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        order: msml::Order,
        out: &mut Outbox<Output>,
    ) {
        let msml::Order::Terminate { discard } = order else { return };
        let Some(following) = self.forwarding.following.get_mut(&primitive) else { return };
        match (discard, following.job.clone()) {
            (false, _) => self.let_go(now, primitive, out),
            (true, None) => following.cancelled = true,
            (true, Some(job)) => self.call_job_back(now, job, out),
        }
    }

    fn call_job_back(&mut self, now: Now, job: String, out: &mut Outbox<Output>) {
        let ask = self.asks(Asker::Nobody);
        self.queue(now, queue::Input::Tell(ask, job, Tell::Cancel("a script".to_owned())), out);
    }

    /// The primitive is over; its job goes on without it.
    fn let_go(&mut self, now: Now, primitive: PrimitiveKey, out: &mut Outbox<Output>) {
        let Some(following) = self.forwarding.following.remove(&primitive) else { return };
        let mut variables = Variables::new();
        if let Some(job) = following.job {
            self.forwarding.followers.retain(|_, follower| *follower != primitive);
            variables::set(&mut variables, "ft.job", job);
        }
        let end = End { name: "forward.left".to_owned(), variables, failure: None };
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }
}

// What nobody has heard of a job.
impl Engine {
    /// An application server asks whether there is such a job.
    pub(super) fn ask_for_job(&mut self, now: Now, context: ContextId, job: String, out: &mut Outbox<Output>) {
        if self.waits(now, &job).is_some() {
            return self.msml(now, msml::Input::Answered { context, result: Ok(None) }, out);
        }
        let ticket = self.errand(Errand::Known(context));
        out.push(Output::Recall(ticket, EventQuery { job: Some(job), limit: Some(1), ..EventQuery::default() }));
    }

    fn recall(&mut self, primitive: PrimitiveKey, job: String, after: Option<u64>, out: &mut Outbox<Output>) {
        let ticket = self.errand(Errand::Recall(primitive));
        out.push(Output::Recall(ticket, EventQuery { after, job: Some(job), ..EventQuery::default() }));
    }

    /// What the event log has of it.
    pub(super) fn recalled(
        &mut self,
        now: Now,
        ticket: Ticket,
        page: Result<EventPage, String>,
        out: &mut Outbox<Output>,
    ) {
        match self.errands.remove(&ticket) {
            Some(Errand::Known(context)) => {
                let result = match page {
                    Ok(page) if !page.events.is_empty() => Ok(None),
                    Ok(_) => Err((Code::NoSuchObject, "nothing is known of this job".to_owned())),
                    Err(why) => Err((Code::Unavailable, why)),
                };
                self.msml(now, msml::Input::Answered { context, result }, out);
            }
            Some(Errand::Recall(primitive)) => self.catch_up(now, primitive, page, out),
            _ => {}
        }
    }

    /// Tells a primitive what nobody has taken since the last event that somebody took, and then what has come meanwhile.
    fn catch_up(
        &mut self,
        now: Now,
        primitive: PrimitiveKey,
        page: Result<EventPage, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(job) = self.forwarding.following.get(&primitive).and_then(|following| following.job.clone()) else {
            return;
        };
        let page = page.unwrap_or_else(|why| {
            tracing::error!(job, why, "nobody can say what has happened to the job");
            EventPage::default()
        });
        let taken = page.events.iter().rposition(|logged| logged.delivered);
        let missed = page.events.iter().enumerate().skip(taken.map_or(0, |taken| taken + 1));
        let last_due = page.events.iter().rposition(|logged| logged.event.name == DUE);
        // How earlier dialogs have ended is not the end of the job, and nobody is to be called for each attempt that was.
        let concerns = |at: usize, name: &str| name.starts_with("ft.") && (name != DUE || Some(at) == last_due);
        for (_, LoggedEvent { event, .. }) in missed.filter(|(at, logged)| concerns(*at, &logged.event.name)) {
            let (name, values) = (event.name.clone(), event.values.clone());
            self.msml(now, msml::Input::Say { primitive, name, values }, out);
        }
        let Some(following) = self.forwarding.following.get_mut(&primitive) else { return };
        let tells = |logged: &&LoggedEvent| logged.event.values.iter().any(|(name, _)| name == "ft.result");
        if let Some(logged) = page.events.iter().rfind(tells) {
            following.last.clone_from(&logged.event.values);
        }
        if let Some(LoggedEvent { cursor, .. }) = page.events.last()
            && *cursor == page.next
        {
            return self.recall(primitive, job, Some(*cursor), out); // there may be another page
        }
        let held = following.recalls.take().unwrap_or_default();
        let (end, last) = (following.end.take(), std::mem::take(&mut following.last));
        for (name, values) in held {
            self.msml(now, msml::Input::Say { primitive, name, values }, out);
        }
        if end.is_none() && self.waits(now, &job).is_some() {
            return;
        }
        // It was over before anybody asked; the last event says how.
        let end = end.unwrap_or_else(|| End { name: "forward.over".to_owned(), variables: last, failure: None });
        self.follower_is_over(now, &job, primitive, end, out);
    }

    /// Tells whoever follows a job, and if nobody does, the event log.
    pub(super) fn tell_job(
        &mut self,
        now: Now,
        delivery: &Delivery,
        name: &str,
        values: Variables,
        out: &mut Outbox<Output>,
    ) {
        let Some(primitive) = self.forwarding.followers.get(&delivery.id).copied() else {
            let dialog = delivery.dialog.clone().unwrap_or_default();
            let (name, job) = (name.to_owned(), Some(delivery.id.clone()));
            let event = Event { at: now.wall, dialog, name, values, call_id: None, job };
            return self.keep_event(event, out);
        };
        let recalls = self.forwarding.following.get_mut(&primitive).and_then(|following| following.recalls.as_mut());
        match recalls {
            Some(held) => held.push((name.to_owned(), values)),
            None => self.msml(now, msml::Input::Say { primitive, name: name.to_owned(), values }, out),
        }
    }

    fn follower_is_over(&mut self, now: Now, job: &str, primitive: PrimitiveKey, end: End, out: &mut Outbox<Output>) {
        self.forwarding.followers.remove(job);
        self.forwarding.following.remove(&primitive);
        self.msml(now, msml::Input::Ended { primitive, end }, out);
    }
}

// What the queue says.
impl Engine {
    pub(super) fn queue_turn(&mut self, now: Now, input: queue::Input, out: &mut Outbox<Output>) {
        use crate::model::Machine as _;
        let mut outputs = Outbox::new();
        self.forwarding.queue.handle(now, input, &mut outputs);
        while let Some(output) = outputs.pop() {
            match output {
                queue::Output::Write(delivery) => {
                    self.forwarding.recording += 1;
                    out.push(Output::Record(delivery));
                }
                queue::Output::Attempt(delivery) => self.attempt(now, *delivery, out),
                queue::Output::Stop(id, token) => self.stop_attempt(now, &id, token, out),
                queue::Output::Accepted(ask, id) => self.accepted(now, ask, id, out),
                queue::Output::Told(ask) => {
                    if let Some(Asker::Outside(number, id)) = self.forwarding.asks.remove(&ask) {
                        out.push(Output::Answered(number, Ok(id)));
                    }
                }
                queue::Output::Refused(ask, why) => self.not_accepted(now, ask, why, out),
                queue::Output::Deferred(delivery) => self.deferred(now, &delivery, out),
                queue::Output::Settled(delivery) => self.settled(now, &delivery, out),
            }
        }
    }

    /// What was to be written down is, or is not.
    pub(super) fn recorded(&mut self, now: Now, id: String, result: Result<(), Unwritten>, out: &mut Outbox<Output>) {
        self.forwarding.recording = self.forwarding.recording.saturating_sub(1);
        self.queue(now, queue::Input::Written(id, result), out);
    }

    fn accepted(&mut self, now: Now, ask: AskKey, id: String, out: &mut Outbox<Output>) {
        match self.forwarding.asks.remove(&ask) {
            Some(Asker::Outside(number, _)) => out.push(Output::Answered(number, Ok(id))),
            Some(Asker::Primitive(primitive)) => {
                if let Some(following) = self.forwarding.following.get_mut(&primitive) {
                    following.job = Some(id.clone());
                    if following.cancelled {
                        self.call_job_back(now, id.clone(), out);
                    }
                    self.forwarding.followers.insert(id.clone(), primitive);
                    self.msml(now, msml::Input::Queued { primitive, job: id.clone() }, out);
                }
                // Its dialog may be gone already: then the log alone knows of the job.
                if let Some(delivery) = self.forwarding.queue.delivery(&id).cloned() {
                    self.tell_job(now, &delivery, "ft.queued", vec![("ft.job".to_owned(), id)], out);
                }
            }
            Some(Asker::Nobody) | None => {}
        }
    }

    fn not_accepted(&mut self, now: Now, ask: AskKey, why: Refusal, out: &mut Outbox<Output>) {
        match self.forwarding.asks.remove(&ask) {
            Some(Asker::Outside(number, _)) => out.push(Output::Answered(number, Err(why))),
            Some(Asker::Primitive(primitive)) => {
                let code = match &why {
                    Refusal::Full(_) | Refusal::Unwritten(Unwritten::TooMany(_)) => 520,
                    Refusal::Draining => 510,
                    Refusal::Unwritten(Unwritten::Gone(_)) => 430,
                    _ => 503,
                };
                let broken = Broken::new("storage", "ft.storage").failing((code, why.to_string()));
                self.not_forwarded(now, primitive, &broken, out);
            }
            Some(Asker::Nobody) | None => {}
        }
    }

    /// An attempt has failed, and another will come.
    fn deferred(&mut self, now: Now, delivery: &Delivery, out: &mut Outbox<Output>) {
        let Delivery { id, object, to, attempts, reason, next, .. } = delivery;
        tracing::warn!(delivery = id, object, to, attempts, reason, %next, "not delivered yet");
        let values = self.variables_of(delivery, None);
        self.file_of_job(now, delivery, values, out);
    }

    /// A job is over. Whatever it came to is said aloud.
    fn settled(&mut self, now: Now, delivery: &Delivery, out: &mut Outbox<Output>) {
        let Delivery { id, object, to, attempts, reason, progress, .. } = delivery;
        let result = match progress {
            Progress::Delivered => Some("ft.success"),
            Progress::Expired => Some("ft.expired"),
            Progress::Cancelled => Some("ft.aborted.local"),
            _ => None,
        };
        if *progress == Progress::Delivered {
            tracing::info!(delivery = id, object, to, attempts, "delivered");
        } else {
            tracing::error!(delivery = id, object, to, attempts, reason, state = progress.word(), "given up");
        }
        let values = self.variables_of(delivery, result);
        self.forwarding.results.remove(id);
        let name = if *progress == Progress::Delivered { "forward.complete" } else { "forward.failed" };
        let Some(primitive) = self.forwarding.followers.get(id).copied() else {
            return self.tell_job(now, delivery, "ft.complete", values, out);
        };
        self.file_of_job(now, delivery, values.clone(), out);
        let end = End { name: name.to_owned(), variables: values, failure: None };
        match self.forwarding.following.get_mut(&primitive) {
            Some(following) if following.recalls.is_some() => following.end = Some(end),
            _ => self.follower_is_over(now, id, primitive, end, out),
        }
    }

    /// What has become of the file at an attempt: for whoever wants to hear of each.
    fn file_of_job(&mut self, now: Now, delivery: &Delivery, variables: Variables, out: &mut Outbox<Output>) {
        match self.forwarding.followers.get(&delivery.id).copied() {
            Some(primitive) => self.msml(now, msml::Input::Through { primitive, variables }, out),
            None => self.tell_job(now, delivery, "ft.object", variables, out),
        }
    }

    fn variables_of(&self, delivery: &Delivery, result: Option<&str>) -> Variables {
        let mut variables = self.forwarding.results.get(&delivery.id).cloned().unwrap_or_default();
        let known = variables.iter().any(|(name, _)| name == "ft.result");
        if let Some(result) = result.or_else(|| (!known).then_some("ft.storage")) {
            variables::set(&mut variables, "ft.result", result);
        }
        variables::set(&mut variables, "ft.uri", &delivery.uri);
        variables::set(&mut variables, "ft.attempts", delivery.attempts);
        variables::set(&mut variables, "ft.job", &delivery.id);
        variables
    }
}
