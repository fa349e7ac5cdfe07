//! Attempts to hand a file on: an application server is told, names a connection, and a play brings the file there.

use super::core::Engine;
use super::delivery::{Attempt as Calling, Handed};
use super::follow::{Asker, DUE, Due, attempt_of};
use super::jobs::{Attempt, Play, Timer};
use super::playing::Broken;
use super::port::Output;
use super::variables::{self, Variables};
use crate::model::{Ending, FileInfo, Now, ObjectUri, Outbox};
use crate::msml::{self, PlayFile, PrimitiveKey};
use crate::queue::{self, Tell};
use crate::sip::CallKey;
use crate::spool::{Caller, Delivery};

impl Engine {
    /// It is time for an attempt: we call, or an application server does.
    pub(super) fn attempt(&mut self, now: Now, delivery: Delivery, out: &mut Outbox<Output>) {
        if delivery.caller == Caller::Uac {
            return self.deliver(calling(&delivery), out);
        }
        let number = self.number();
        let (id, uri, attempts) = (delivery.id.clone(), delivery.uri.clone(), delivery.attempts.to_string());
        let values = [("ft.job", id.clone()), ("ft.uri", uri), ("ft.attempts", attempts)];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        tracing::info!(delivery = id, object = delivery.object, to = delivery.to, attempt = delivery.attempts, "due");
        self.tell_job(now, &delivery, DUE, values, out);
        self.forwarding.dues.insert(id.clone(), Due { number, delivery, bound: false });
        self.wake(now, self.forwarding.bind, Timer::Bind(number));
        let follower = self.forwarding.followers.get(&id).copied();
        let early = follower.and_then(|follower| self.forwarding.following.get_mut(&follower)?.early.take());
        if let Some((primitive, conn)) = follower.zip(early) {
            self.bound(now, primitive, &conn, out);
        }
    }

    /// Nobody has named a connection in time.
    pub(super) fn unbound(&mut self, now: Now, number: u64, out: &mut Outbox<Output>) {
        let due = self.forwarding.dues.values().find(|due| due.number == number && !due.bound);
        let Some(attempt) = due.map(|due| attempt_of(&due.delivery)) else { return };
        let mut variables = Variables::new();
        variables::ended(&mut variables, "ft.timeout.first", None, None);
        self.attempt_over(now, attempt, Ending::NoAnswer, variables, out);
    }

    /// `ft.bind`: there is a connection for the file.
    pub(super) fn bound(&mut self, now: Now, primitive: PrimitiveKey, conn: &str, out: &mut Outbox<Output>) {
        let Some(following) = self.forwarding.following.get_mut(&primitive) else { return };
        let Some(job) = following.job.clone() else { return };
        let due = match self.forwarding.dues.get_mut(&job) {
            Some(due) if due.bound => return tracing::warn!(conn, job, "ft.bind, and the file is on its way already"),
            Some(due) => due,
            None => {
                // A connection is the best reason for an attempt that there is.
                following.early = Some(conn.to_owned());
                let ask = self.asks(Asker::Nobody);
                return self.queue(now, queue::Input::Tell(ask, job, Tell::Retry), out);
            }
        };
        due.bound = true;
        let delivery = &due.delivery;
        let attempt = attempt_of(delivery);
        let told = |name: &str| delivery.told.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let Ok(uri) = delivery.uri.parse::<ObjectUri>() else { return };
        // It goes when the delivery is settled.
        let file = PlayFile { delete: false, ..PlayFile::told(uri, told) };
        let play = msml::Play { unreported: delivery.unreported, ..msml::Play::new(vec![file], false) };
        let call = self.board.by_tag(conn).filter(|call| !self.board.streams_of(*call).is_empty());
        let play = Play { attempt: Some(attempt), ..Play::new(call.unwrap_or(CallKey(0)), play) };
        self.plays.insert(primitive, play);
        if call.is_none() {
            let failure = (441, "the connection has no message stream".to_owned());
            return self.play_failed(now, primitive, Broken::new("nostream", "ft.rejected.441").failing(failure), out);
        }
        self.next_file(now, primitive, out);
    }

    /// An attempt is over.
    pub(super) fn attempt_over(
        &mut self,
        now: Now,
        attempt: Attempt,
        ending: Ending,
        variables: Variables,
        out: &mut Outbox<Output>,
    ) {
        let Attempt { job: id, token, .. } = attempt;
        self.forwarding.dues.remove(&id);
        self.forwarding.results.insert(id.clone(), variables);
        self.queue(now, queue::Input::Ended { id, token, ending }, out);
    }

    /// A call of ours is over.
    pub(super) fn call_over(&mut self, now: Now, handed: Handed, out: &mut Outbox<Output>) {
        let Handed { delivery: id, token, ending } = handed;
        let (result, status) = result_of(&ending);
        let mut variables = Variables::new();
        variables::ended(&mut variables, &result, status, None);
        self.forwarding.results.insert(id.clone(), variables);
        self.queue(now, queue::Input::Ended { id, token, ending }, out);
    }

    /// The queue does not want the attempt to go on. In a drain a file that moves may still arrive.
    pub(super) fn stop_attempt(&mut self, now: Now, id: &str, token: u64, out: &mut Outbox<Output>) {
        let Some(due) = self.forwarding.dues.get(id).filter(|due| due.delivery.token == token) else {
            if self.drain.is_none() {
                self.call_back(now, id, token, out);
            }
            return;
        };
        let attempt = attempt_of(&due.delivery);
        if !due.bound {
            return self.attempt_over(now, attempt, Ending::Stopped, Variables::new(), out);
        }
        if self.drain.is_some() {
            return;
        }
        let is_its = |play: &Play| play.attempt.as_ref().is_some_and(|attempt| attempt.job == id);
        let play = self.plays.iter().find(|(_, play)| is_its(play)).map(|(primitive, _)| *primitive);
        if let Some(primitive) = play {
            self.order_play(now, primitive, msml::Order::Terminate { discard: false }, out);
        }
    }

    /// A call is gone, and with it the attempts that were to use it and have not begun.
    pub(super) fn attempts_lost(&mut self, now: Now, call: CallKey, out: &mut Outbox<Output>) {
        let on_it = |play: &Play| play.attempt.is_some() && play.call == call;
        let mut lost: Vec<_> = self.plays.iter().filter(|(_, play)| on_it(play)).map(|(key, _)| *key).collect();
        lost.sort_unstable();
        for primitive in lost {
            self.play_failed(now, primitive, Broken::new("disconnected", "ft.disconnected"), out);
        }
    }
}

/// The attempt as a call of ours.
fn calling(delivery: &Delivery) -> Calling {
    let told = |name: &str| delivery.told.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Calling {
        delivery: delivery.id.clone(),
        token: delivery.token,
        object: delivery.object.clone(),
        to: delivery.to.clone(),
        reported: delivery.reported,
        unreported: delivery.unreported,
        hops: delivery.hops,
        told: FileInfo {
            name: told("name"),
            media_type: told("type"),
            disposition: told("disposition"),
            created: told("date"),
            ..FileInfo::default()
        },
    }
}

/// How a call has ended, in the words of `ft.result` and `ft.status`.
fn result_of(ending: &Ending) -> (String, Option<u16>) {
    let rejected = |status: u16| (format!("ft.rejected.{status}"), Some(status));
    let plain = |result: &str| (result.to_owned(), None);
    match ending {
        Ending::Delivered | Ending::DeliveredWrapped => ("ft.success".to_owned(), Some(200)),
        Ending::Refused { status, .. } | Ending::Msrp { status } => rejected(*status),
        Ending::NoAnswer => plain("ft.timeout.first"),
        Ending::NoStream(_) => rejected(488),
        Ending::TooLarge { .. } => plain("ft.toolarge"),
        Ending::BadType => plain("ft.badtype"),
        Ending::Broken { .. } | Ending::Unreachable(_) => plain("ft.disconnected"),
        Ending::Credentials => rejected(401),
        Ending::NotAllowed(_) => rejected(403),
        Ending::Unreadable(_) => plain("ft.storage"),
        Ending::Stopped => plain("ft.aborted.local"),
    }
}
