//! The queue itself: each delivery's way from being asked for to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::limits::DELIVERIES;
use crate::model::{Ending, Instant, Machine, Mint, Now, Outbox};
use crate::spool::{Delivery, Progress};

use super::classify::{Scope, Verdict, Why, classify};
use super::job::{Job, Phase};
use super::parties::Parties;
use super::port::{AskKey, Input, Output, Refusal, Unwritten};
use super::retry::Config;

/// What could not be written down is tried again after so long: somebody has to make room on the disk.
const WRITE_AGAIN: Duration = Duration::from_secs(30);

/// So often it is looked whether an object is still held. A release says so itself; this is for one behind our back.
const HELD_LOOK: Duration = Duration::from_secs(300);

/// Letters of a reason that are written down.
const REASON_LETTERS: usize = 200;

/// Why the queue wants to be woken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A delivery is due.
    Due(String),
    /// Its time is over.
    Expires(String),
    /// A host has been left alone for long enough.
    Host(String),
    /// A recipient has.
    Recipient(String),
}

/// All deliveries that are not settled. See the room's front page.
#[derive(Debug)]
pub struct Queue {
    pub(super) config: Config,
    mint: Mint,
    pub(super) jobs: BTreeMap<String, Job>,
    /// Deliveries of the same name as one of these, and of another object: each comes after the one before it.
    later: BTreeMap<String, Vec<Delivery>>,
    pub(super) parties: Parties,
    alarms: BTreeSet<(Instant, Alarm)>,
    /// Attempts that have a place.
    pub(super) active: usize,
    pub(super) draining: bool,
}

impl Machine for Queue {
    type Input = Input;
    type Output = Output;
    type Reason = Alarm;

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Forward(ask, delivery) => self.forward(now, ask, *delivery, out),
            Input::Known(delivery) => self.known(now, *delivery),
            Input::Written(id, result) => self.written(now, &id, result, out),
            Input::Ended { id, token, ending } => self.ended(now, &id, token, &ending, out),
            Input::Tell(ask, id, tell) => self.tell(now, ask, &id, tell, out),
            Input::Present(who) => self.present(now, &who),
            Input::Released(object) => self.released(now, &object),
            Input::Drain => self.drain(out),
            Input::Timeout => self.timeout(now, out),
        }
        self.begin_what_can(now, out);
    }

    fn deadline(&self) -> Option<(Instant, Alarm)> {
        self.alarms.first().cloned()
    }
}

// How a delivery comes.
impl Queue {
    /// A queue in which nothing waits. The mint is the chance in its waits.
    pub fn new(config: Config, mint: Mint) -> Self {
        Self {
            config,
            mint,
            jobs: BTreeMap::new(),
            later: BTreeMap::new(),
            parties: Parties::default(),
            alarms: BTreeSet::new(),
            active: 0,
            draining: false,
        }
    }

    /// How patiently it works.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether it takes no more wishes.
    pub fn is_full(&self) -> bool {
        self.jobs.len() >= DELIVERIES
    }

    fn forward(&mut self, now: Now, ask: AskKey, delivery: Delivery, out: &mut Outbox<Output>) {
        if self.draining {
            return out.push(Output::Refused(ask, Refusal::Draining));
        }
        if self.is_full() {
            return out.push(Output::Refused(ask, Refusal::Full(DELIVERIES)));
        }
        out.push(Output::Write(Box::new(delivery.clone())));
        self.take(Job::new(delivery, Phase::Registering(ask), now, &self.config));
    }

    fn known(&mut self, now: Now, delivery: Delivery) {
        if delivery.progress.is_settled() {
            return; // it ended since the spool was asked
        }
        if let Some(job) = self.jobs.get(&delivery.id) {
            // Else it came since then. A rule gives what comes again, when its object was deleted, the name it had.
            if job.record.object != delivery.object {
                let later = self.later.entry(delivery.id.clone()).or_default();
                if later.iter().all(|known| known.object != delivery.object) {
                    later.push(delivery);
                }
            }
            return;
        }
        let job = Job::new(delivery, Phase::Waiting, now, &self.config);
        let id = job.record.id.clone();
        self.take(job);
        self.arm(&id);
    }

    fn take(&mut self, job: Job) {
        self.parties.join(&job.recipient, &job.record.id);
        self.jobs.insert(job.record.id.clone(), job);
    }

    /// Sets both alarms of a delivery that waits.
    fn arm(&mut self, id: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        self.alarms.insert((job.due, Alarm::Due(id.to_owned())));
        self.alarms.insert((job.expires, Alarm::Expires(id.to_owned())));
    }

    /// Moves the moment at which a delivery may be tried.
    pub(super) fn postpone(&mut self, id: &str, due: Instant) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        self.alarms.remove(&(job.due, Alarm::Due(id.to_owned())));
        job.due = due;
        self.alarms.insert((due, Alarm::Due(id.to_owned())));
    }

    fn forget(&mut self, now: Now, id: &str) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        self.alarms.remove(&(job.due, Alarm::Due(id.to_owned())));
        self.alarms.remove(&(job.expires, Alarm::Expires(id.to_owned())));
        self.parties.leave(&job.host, &job.recipient, id, now.instant);
        self.later.remove(id).into_iter().flatten().for_each(|delivery| self.known(now, delivery));
        Some(job)
    }
}

// How it is tried.
impl Queue {
    fn timeout(&mut self, now: Now, out: &mut Outbox<Output>) {
        while let Some((at, alarm)) = self.alarms.first().cloned()
            && at <= now.instant
        {
            self.alarms.pop_first();
            match alarm {
                Alarm::Due(id) => self.due(&id, out),
                Alarm::Expires(id) => self.end_by(now, &id, Progress::Expired, "its time is over", out),
                Alarm::Host(host) => self.parties.call_up(&host),
                Alarm::Recipient(recipient) => self.unpark(&recipient),
            }
        }
    }

    fn due(&mut self, id: &str, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match job.phase {
            Phase::Waiting if !job.queued => {
                job.queued = true;
                let fresh = job.record.attempts == 0;
                self.parties.line_up(&job.host, id.to_owned(), fresh);
            }
            Phase::Recording | Phase::Closing if std::mem::take(&mut job.unwritten) => {
                out.push(Output::Write(Box::new(job.record.clone())));
            }
            _ => {}
        }
    }

    fn begin_what_can(&mut self, now: Now, out: &mut Outbox<Output>) {
        while !self.draining && self.active < self.config.active {
            let Some(id) = self.parties.next(now.instant) else { return };
            // It may have been settled while it stood there.
            let Some(job) = self.jobs.get_mut(&id).filter(|job| job.phase == Phase::Waiting) else { continue };
            let Some(recipient) = self.parties.recipients.get_mut(&job.recipient) else { continue };
            let quiet = recipient.destination.quiet(now.instant);
            if quiet.is_some() || !recipient.destination.has_room() {
                let name = job.recipient.clone();
                self.parties.park(&name, id);
                self.alarms.extend(quiet.map(|until| (until, Alarm::Recipient(name))));
                continue;
            }
            recipient.destination.begin();
            if let Some(host) = self.parties.hosts.get_mut(&job.host) {
                host.destination.begin();
            }
            self.active += 1;
            (job.phase, job.queued, job.held) = (Phase::Opening, false, None);
            let record = &mut job.record;
            record.attempts += 1;
            record.token += 1;
            (record.progress, record.changed) = (Progress::Trying, now.wall);
            out.push(Output::Write(Box::new(record.clone())));
        }
    }

    /// Its place is free again.
    fn give_back(&mut self, id: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        self.active = self.active.saturating_sub(1);
        let (host, recipient) = (job.host.clone(), job.recipient.clone());
        if let Some(host) = self.parties.hosts.get_mut(&host) {
            host.destination.over();
        }
        if let Some(recipient) = self.parties.recipients.get_mut(&recipient) {
            recipient.destination.over();
        }
        self.parties.call_up(&host);
        self.unpark(&recipient);
    }

    pub(super) fn unpark(&mut self, recipient: &str) {
        for id in self.parties.unpark(recipient) {
            if let Some(job) = self.jobs.get(&id) {
                self.parties.line_up(&job.host, id, job.record.attempts == 0);
            }
        }
    }

    fn ended(&mut self, now: Now, id: &str, token: u64, ending: &Ending, out: &mut Outbox<Output>) {
        let current = |job: &&mut Job| job.phase == Phase::Trying && job.record.token == token;
        let Some(job) = self.jobs.get_mut(id).filter(current) else { return };
        job.record.changed = now.wall;
        let verdict = classify(ending);
        let wanted = job.wanted.take().filter(|_| verdict != Verdict::Delivered);
        match verdict {
            Verdict::Delivered => {
                job.record.wrapped = *ending == Ending::DeliveredWrapped;
                let recipient = job.recipient.clone();
                self.answered(id, Scope::File);
                self.give_back(id);
                self.settle(now, id, Progress::Delivered, "delivered", out);
                // Whoever has just taken something gets everything else that waits for him.
                self.recipient_is_there(now, &recipient);
            }
            Verdict::Permanent(why) => {
                self.answered(id, why.scope);
                self.give_back(id);
                let (progress, reason) = wanted.unwrap_or((Progress::Failed, why.reason));
                self.settle(now, id, progress, &reason, out);
            }
            Verdict::Temporary(why) => {
                job.record.reported = job.record.reported.max(why.reported);
                let stopped = *ending == Ending::Stopped;
                self.defer(now, id, why, stopped, wanted, out);
            }
        }
    }

    /// What an attempt has shown of whom it went to.
    fn answered(&mut self, id: &str, scope: Scope) {
        let answered = matches!(scope, Scope::File | Scope::Recipient);
        let Some(job) = self.jobs.get(id).filter(|_| answered) else { return };
        if let Some(host) = self.parties.hosts.get_mut(&job.host) {
            host.destination.answered(self.config.concurrency);
        }
        if let Some(recipient) = self.parties.recipients.get_mut(&job.recipient).filter(|_| scope == Scope::File) {
            recipient.destination.answered(1);
        }
    }

    fn defer(
        &mut self,
        now: Now,
        id: &str,
        why: Why,
        stopped: bool,
        wanted: Option<(Progress, String)>,
        out: &mut Outbox<Output>,
    ) {
        self.answered(id, why.scope);
        let chance = self.mint.number();
        let Some(job) = self.jobs.get_mut(id) else { return };
        if stopped {
            job.record.attempts -= 1; // the recipient has no part in it
        }
        let spent = job.record.most.is_some_and(|most| job.record.attempts >= most);
        let at_once = stopped || job.triggered;
        let least = why.retry_after.max(job.record.backoff.map(Duration::from_secs));
        let wait = if at_once { Duration::ZERO } else { self.config.wait(job.record.attempts, least, chance) };
        let until = now.instant + wait;
        if matches!(why.scope, Scope::Recipient | Scope::Silence)
            && !at_once
            && let Some(recipient) = self.parties.recipients.get_mut(&job.recipient)
        {
            recipient.destination.hush(until);
        }
        if why.scope == Scope::Destination
            && let Some(host) = self.parties.hosts.get_mut(&job.host)
        {
            let (config, least) = (self.config, why.retry_after);
            host.destination.failed(now.instant, |failures| config.wait(failures, least, chance));
            let quiet = host.destination.quiet(now.instant);
            self.alarms.extend(quiet.map(|until| (until, Alarm::Host(job.host.clone()))));
        }
        job.record.next = now.wall.after(wait);
        self.give_back(id);
        if let Some((progress, reason)) = wanted {
            return self.settle(now, id, progress, &reason, out);
        }
        if spent && !stopped {
            let job = &self.jobs[id];
            let reason = format!("tried {} times: {}", job.record.attempts, why.reason);
            return self.settle(now, id, Progress::Failed, &reason, out);
        }
        self.postpone(id, until);
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.phase = Phase::Recording;
        job.record.progress = Progress::Waiting;
        job.record.reason = shortened(&why.reason);
        out.push(Output::Write(Box::new(job.record.clone())));
    }
}

// How it ends.
impl Queue {
    /// Somebody, or time, ends it: at once if nothing runs, and else as soon as that is broken off.
    pub(super) fn end_by(&mut self, now: Now, id: &str, progress: Progress, why: &str, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let reason = match job.record.reason.as_str() {
            "" => why.to_owned(),
            last => format!("{why}; before that: {last}"),
        };
        match job.phase {
            Phase::Waiting => self.settle(now, id, progress, &reason, out),
            Phase::Closing => {}
            phase => {
                job.wanted = Some((progress, reason));
                if phase == Phase::Trying {
                    out.push(Output::Stop(id.to_owned(), job.record.token));
                }
            }
        }
    }

    fn settle(&mut self, now: Now, id: &str, progress: Progress, reason: &str, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        (job.phase, job.unwritten) = (Phase::Closing, false);
        (job.record.progress, job.record.changed) = (progress, now.wall);
        job.record.reason = shortened(reason);
        out.push(Output::Write(Box::new(job.record.clone())));
    }

    fn over(&mut self, now: Now, id: &str, out: &mut Outbox<Output>) {
        let Some(job) = self.forget(now, id) else { return };
        for ask in job.asks {
            out.push(match job.record.progress {
                Progress::Cancelled | Progress::Expired => Output::Told(ask),
                other => Output::Refused(ask, Refusal::Settled(other.word())),
            });
        }
        out.push(Output::Settled(Box::new(job.record)));
    }

    /// It is no delivery of ours, or not any more. Whoever waits for its end is told so.
    fn vanish(&mut self, now: Now, id: &str, out: &mut Outbox<Output>) {
        let asks = self.forget(now, id).map(|job| job.asks).unwrap_or_default();
        asks.into_iter().for_each(|ask| out.push(Output::Refused(ask, Refusal::Unknown)));
    }

    /// The spool has said what has become of the last word about a delivery.
    fn written(&mut self, now: Now, id: &str, result: Result<(), Unwritten>, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        match (job.phase, result) {
            (Phase::Registering(ask), Ok(())) => {
                out.push(Output::Accepted(ask, id.to_owned()));
                job.phase = Phase::Waiting;
                self.arm(id);
                self.do_what_is_wanted(now, id, out);
            }
            (Phase::Registering(ask), Err(why)) => {
                out.push(Output::Refused(ask, Refusal::Unwritten(why)));
                self.vanish(now, id, out);
            }
            (Phase::Opening, Ok(())) => {
                job.phase = Phase::Trying;
                let stays = job.wanted.is_some() || self.draining;
                let token = job.record.token;
                if !stays {
                    return out.push(Output::Attempt(Box::new(job.record.clone())));
                }
                self.ended(now, id, token, &Ending::Stopped, out);
            }
            (Phase::Opening, Err(why)) => self.not_opened(now, id, why, out),
            (Phase::Recording, Ok(())) => {
                job.phase = Phase::Waiting;
                out.push(Output::Deferred(Box::new(job.record.clone())));
                let due = if std::mem::take(&mut job.triggered) { now.instant } else { job.due };
                self.postpone(id, due);
                self.do_what_is_wanted(now, id, out);
            }
            (Phase::Closing, Ok(())) => self.over(now, id, out),
            (Phase::Recording, Err(Unwritten::Gone(why))) => self.without_object(now, id, &why, out),
            (Phase::Closing, Err(Unwritten::Gone(why))) => self.lost(now, id, &why, out),
            (Phase::Recording | Phase::Closing, Err(Unwritten::Superseded)) => self.vanish(now, id, out),
            (Phase::Recording | Phase::Closing, Err(_)) => {
                job.unwritten = true;
                self.postpone(id, now.instant + WRITE_AGAIN);
            }
            (Phase::Waiting | Phase::Trying, _) => {} // nothing is being written
        }
    }

    fn not_opened(&mut self, now: Now, id: &str, why: Unwritten, out: &mut Outbox<Output>) {
        self.give_back(id);
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.phase = Phase::Waiting;
        job.record.progress = Progress::Waiting;
        job.record.attempts -= 1;
        let look = match why {
            Unwritten::Gone(why) => return self.without_object(now, id, &why, out),
            Unwritten::Superseded => return self.vanish(now, id, out),
            Unwritten::Held(by) => {
                job.held = Some(by);
                HELD_LOOK
            }
            Unwritten::Failed(why) | Unwritten::TooMany(why) => {
                job.record.reason = shortened(&format!("could not be written down: {why}"));
                WRITE_AGAIN
            }
        };
        self.postpone(id, now.instant + look);
        self.do_what_is_wanted(now, id, out);
    }

    fn do_what_is_wanted(&mut self, now: Now, id: &str, out: &mut Outbox<Output>) {
        let wanted = self.jobs.get_mut(id).and_then(|job| job.wanted.take());
        if let Some((progress, reason)) = wanted {
            self.settle(now, id, progress, &reason, out);
        }
    }

    /// Its object is not there to be sent. Where it may still come back, the end is written down with it: nothing that was
    /// reported as failed begins again then.
    fn without_object(&mut self, now: Now, id: &str, why: &str, out: &mut Outbox<Output>) {
        self.settle(now, id, Progress::Failed, &format!("the object is gone: {why}"), out);
    }

    /// Its object has gone, and with it the place where its end could be written down. What is known of it counts.
    fn lost(&mut self, now: Now, id: &str, why: &str, out: &mut Outbox<Output>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if !job.record.progress.is_settled() {
            (job.record.progress, job.record.changed) = (Progress::Failed, now.wall);
            job.record.reason = shortened(&format!("the object is gone: {why}"));
        }
        self.over(now, id, out);
    }
}

fn shortened(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_control()).take(REASON_LETTERS).collect()
}
