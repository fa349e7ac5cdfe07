//! What the queue is told from outside: wishes of operators, and who was heard of.

use crate::model::{Now, Outbox};
use crate::spool::Progress;

use super::destination::parts;
use super::job::{Job, Phase};
use super::machine::Queue;
use super::port::{AskKey, Output, Refusal, Tell};

impl Queue {
    pub(super) fn tell(&mut self, now: Now, ask: AskKey, id: &str, tell: Tell, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.phase != Phase::Closing) else {
            return out.push(Output::Refused(ask, Refusal::Unknown));
        };
        let (progress, why) = match tell {
            Tell::Retry => {
                let (host, recipient) = (job.host.clone(), job.recipient.clone());
                let waits = job.phase == Phase::Waiting;
                self.wake(&host, &recipient);
                match waits {
                    true => self.postpone(id, now.instant), // also one that was to be sent later
                    false => self.try_now(now, id),
                }
                return out.push(Output::Told(ask));
            }
            Tell::Cancel(by) => (Progress::Cancelled, format!("called back by {by}")),
            Tell::Expire(by) => (Progress::Expired, format!("given up by {by}")),
        };
        job.asks.push(ask);
        self.end_by(now, id, progress, &why, out);
    }

    /// Somebody was heard of.
    pub(super) fn present(&mut self, now: Now, who: &str) {
        let (host, recipient) = parts(who);
        if !recipient.starts_with('@') {
            self.wake(&host, &recipient);
            return self.recipient_is_there(now, &recipient);
        }
        let there = |known: &&String| known.rsplit_once('@').is_some_and(|(_, known)| known == host);
        let recipients: Vec<String> = self.parties.recipients.keys().filter(there).cloned().collect();
        for recipient in recipients {
            self.wake(&host, &recipient);
            self.recipient_is_there(now, &recipient);
        }
    }

    fn wake(&mut self, host: &str, recipient: &str) {
        if let Some(known) = self.parties.hosts.get_mut(host) {
            known.destination.wake();
        }
        if let Some(known) = self.parties.recipients.get_mut(recipient) {
            known.destination.wake();
        }
        self.parties.call_up(host);
        self.unpark(recipient);
    }

    pub(super) fn recipient_is_there(&mut self, now: Now, recipient: &str) {
        let Some(known) = self.parties.recipients.get(recipient) else { return };
        for id in known.jobs.clone() {
            self.try_now(now, &id);
        }
    }

    /// Tries it as soon as there is room. What was asked to be sent later is sent later.
    fn try_now(&mut self, now: Now, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match job.phase {
            Phase::Waiting if job.record.attempts > 0 || job.held.is_some() => self.postpone(id, now.instant),
            Phase::Opening | Phase::Trying | Phase::Recording => job.triggered = true,
            _ => {}
        }
    }

    pub(super) fn released(&mut self, now: Now, object: &str) {
        let held = |job: &&Job| job.record.object == object && job.held.is_some();
        let released: Vec<String> = self.jobs.values().filter(held).map(|job| job.record.id.clone()).collect();
        for id in released {
            self.postpone(&id, now.instant);
        }
    }

    pub(super) fn drain(&mut self, out: &mut Outbox<Output>) {
        self.draining = true;
        let trying = self.jobs.values().filter(|job| job.phase == Phase::Trying);
        trying.for_each(|job| out.push(Output::Stop(job.record.id.clone(), job.record.token)));
    }
}
