//! Deliveries as they are asked for: by scripts and by whoever uses the operator's door.

use super::core::Engine;
use super::follow::Asker;
use super::port::Output;
use super::wish::{Order, Wish};
use crate::model::{Now, Outbox};
use crate::queue::{self, AskKey, Name, Refusal, Wait};
use crate::spool::{Caller, Committed, Delivery};

impl Engine {
    /// Fulfils a wish from outside.
    pub(super) fn wish(&mut self, now: Now, number: u64, wish: Wish, out: &mut Outbox<Output>) {
        match wish {
            // Feature 7: who asks in vain hears so at once.
            Wish::Forward { to, caller: Caller::Uac, .. } if !self.may_forward(&to) => {
                out.push(Output::Answered(number, Err(Refusal::NotAllowed(to))));
            }
            Wish::Forward { object, to, caller, expires, notify } => {
                let order = Order { caller, expires, notify, ..Order::default() };
                let delivery = self.delivery(now, &object, to, order);
                let ask = self.asks(Asker::Outside(number, delivery.id.clone()));
                self.queue(now, queue::Input::Forward(ask, Box::new(delivery)), out);
            }
            Wish::Tell(id, tell) => {
                let ask = self.asks(Asker::Outside(number, id.clone()));
                self.queue(now, queue::Input::Tell(ask, id, tell), out);
            }
            Wish::Present(who) => {
                self.queue(now, queue::Input::Present(who.clone()), out);
                out.push(Output::Answered(number, Ok(who)));
            }
            Wish::Released(object) => {
                self.queue(now, queue::Input::Released(object.clone()), out);
                out.push(Output::Answered(number, Ok(object)));
            }
        }
    }

    /// A delivery of this object, not written down yet.
    pub(super) fn delivery(&mut self, now: Now, object: &Committed, to: String, order: Order) -> Delivery {
        let lifetime = self.forwarding.queue.config().lifetime;
        let Order { caller, after, attempts, backoff, expires, unreported, dialog, told, notify } = order;
        let lives = expires.map_or(lifetime, |expires| expires.min(lifetime));
        Delivery {
            id: self.mint.ulid(now.wall),
            object: object.envelope().id.clone(),
            uri: object.envelope().uri.to_string(),
            to,
            caller,
            created: now.wall,
            next: now.wall.after(after.min(lives)),
            expires: now.wall.after(lives),
            changed: now.wall,
            most: attempts,
            backoff: backoff.map(|backoff| backoff.as_secs()),
            unreported,
            dialog,
            told,
            notify,
            ..Delivery::default()
        }
    }

    pub(super) fn asks(&mut self, asker: Asker) -> AskKey {
        let ask = AskKey(self.number());
        self.forwarding.asks.insert(ask, asker);
        ask
    }

    /// In which queue a delivery is, and what it waits for; nothing of one that is settled.
    pub fn waits(&self, now: Now, id: &str) -> Option<(Name, Wait)> {
        self.forwarding.queue.wait(now, id)
    }

    /// What waits, by host.
    pub fn lanes(&self, now: Now) -> std::collections::BTreeMap<String, queue::Lane> {
        self.forwarding.queue.lanes(now)
    }

    /// How much is in each queue.
    pub fn queued(&self) -> [(Name, usize); 4] {
        self.forwarding.queue.counts()
    }
}
