//! One running primitive: its states, its clock, and what an event makes of it.
//!
//! ```text
//!              pause, toggle                     terminate, nospeech, maxtime
//!   running ─────────────────> suspended     any ─────────────────────────────> stopping ──Ended──> over
//!           <─────────────────                   (a collector has no peer to wait for: it is over at once)
//!              resume, toggle
//! ```

use std::time::Duration;

use crate::model::Instant;

use super::document::{Kind, Primitive, is_target};
use super::event::{BIND, Meaning, meaning};
use super::keys::PrimitiveKey;
use super::ongoing::{Next, Ongoing};
use super::port::{End, Order, Work};
use super::status::{Notice, Status};

/// A `<noinput>` that repeats for ever makes an event each time; no script needs them faster.
const NOINPUT_EVERY: Duration = Duration::from_secs(1);

/// What follows from an event or a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing.
    Nothing,
    /// The owner has to do this.
    Order(Order),
    /// The collector had no input, and goes on.
    NoInput,
    /// The collector had no input for the last time.
    NoInputOver,
    /// The collector is over, by this event.
    Over(String),
    /// A transfer goes on, or comes to its end.
    GoOn,
    /// The client is told.
    Say(Notice),
}

/// `ft.result` of what `maxtime` has ended.
const TIMEOUT: &str = "ft.timeout.max";

/// What ends a primitive when its `maxtime` is over.
const TIMEOUTS: [&str; 3] = [TIMEOUT, PLAYED_ENOUGH, RECORDED_ENOUGH];

const PLAYED_ENOUGH: &str = "play.complete.maxtime";

/// RFC 5707 §9.7.4
const RECORDED_ENOUGH: &str = "record.complete.maxlength";

/// Why a primitive was told to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// This is what `.end` will say.
    Event(String),
    /// Its connection is gone; the owner knows best what that did to the transfer.
    Lost,
}

/// A primitive between its start and its end.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) key: PrimitiveKey,
    pub(super) primitive: Primitive,
    suspended: bool,
    moved: bool,
    stop: Option<Stop>,
    noinputs: u32,
    limit: Option<Duration>,
    /// What is left of the limit while the clock stands.
    left: Option<Duration>,
    /// When the clock runs out.
    deadline: Option<Instant>,
    status: Status,
    /// Of a transfer.
    pub(super) ongoing: Option<Ongoing>,
    /// Of a forward: the job that was made for it.
    job: Option<String>,
}

impl Running {
    pub(super) fn new(key: PrimitiveKey, primitive: Primitive, default_maxtime: Duration, now: Instant) -> Self {
        let (suspended, limit, runs) = match &primitive.kind {
            Kind::Play { play, maxtime } => (play.suspended, *maxtime, !play.suspended),
            Kind::Record { record, maxtime } => {
                (record.suspended, Some(maxtime.unwrap_or(default_maxtime)), !record.suspended)
            }
            Kind::Receive { maxtime, .. } => (false, Some(maxtime.unwrap_or(default_maxtime)), true),
            Kind::Send { .. } | Kind::Forward { .. } => (false, None, true),
            Kind::Transfer(transfer) => {
                (transfer.suspended, Some(transfer.maxtime.unwrap_or(default_maxtime)), !transfer.suspended)
            }
            Kind::Collect(collect) => (false, collect.first_digit, collect.timer_runs),
        };
        let ongoing = match &primitive.kind {
            Kind::Transfer(transfer) => Some(Ongoing::new(transfer)),
            _ => None,
        };
        let status = Status::new(primitive.kind.told().unwrap_or_default());
        let mut running = Self {
            key,
            primitive,
            suspended,
            moved: false,
            stop: None,
            noinputs: 0,
            limit,
            left: limit,
            deadline: None,
            status,
            ongoing,
            job: None,
        };
        if runs {
            running.run_clock(now);
        }
        running
    }

    /// What the owner has to start; nothing for a collector, which has no digits to wait for, and for a transfer, which
    /// [goes on](Self::next) from file to file.
    pub(super) fn work(&self) -> Option<Work> {
        match &self.primitive.kind {
            Kind::Play { play, .. } | Kind::Send { play, .. } => Some(Work::Play(play.clone())),
            Kind::Record { record, .. } | Kind::Receive { record, .. } => Some(Work::Record(record.clone())),
            Kind::Forward { forward, .. } => Some(Work::Forward(forward.clone())),
            Kind::Transfer(_) | Kind::Collect(_) => None,
        }
    }

    /// What a transfer does next.
    pub(super) fn next(&mut self, now: Instant) -> Option<Next> {
        self.ongoing.as_mut().map(|ongoing| ongoing.next(self.suspended, now))
    }

    /// Whether it only waits for what cannot come.
    pub(super) fn is_inert(&self) -> bool {
        matches!(self.primitive.kind, Kind::Collect(_))
    }

    /// Whether a `<send>` to `target` means it.
    pub(super) fn is_target(&self, target: &str) -> bool {
        is_target(target, self.primitive.kind.class(), self.primitive.id.as_deref())
    }

    /// Its stream is there: waiting for it does not count.
    pub(super) fn started(&mut self, now: Instant) {
        if self.ongoing.is_some() {
            return; // the limit of a transfer is that of all its files
        }
        self.left = self.limit;
        if self.deadline.is_some() {
            self.run_clock(now);
        }
    }

    /// When [`Running::timeout`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let again = self.ongoing.as_ref().and_then(|ongoing| ongoing.again);
        [self.deadline, self.status.next(), again].into_iter().flatten().min()
    }

    /// The job that was made for it has this name, by which it can be found again.
    pub(super) fn queued(&mut self, job: String) {
        self.job = Some(job);
    }

    /// Whether it waits for a connection that the client names.
    pub(super) fn can_be_bound(&self) -> bool {
        self.stop.is_none() && meaning(self.primitive.kind.class(), BIND) == Meaning::Bind
    }

    /// What the client is told, if anything; of a forward also the name of the job.
    fn said(&self, notice: Option<Notice>) -> Reaction {
        let Some((name, mut values)) = notice else { return Reaction::Nothing };
        values.extend(self.job.iter().map(|job| ("ft.job".to_owned(), job.clone())));
        Reaction::Say((name, values))
    }

    /// A file begins to move.
    pub(super) fn began(&mut self, variables: Vec<(String, String)>, now: Instant) -> Reaction {
        let notice = self.status.began(variables, now);
        self.said(notice)
    }

    /// Octets have moved.
    pub(super) fn progressed(&mut self, octets: u64, now: Instant) -> Reaction {
        self.moved = true;
        let notice = self.status.progressed(octets, now);
        self.said(notice)
    }

    /// A file has stopped moving.
    pub(super) fn through(&mut self, variables: Vec<(String, String)>) -> Reaction {
        let notice = self.status.through(&self.results(variables));
        self.said(notice)
    }

    /// The variables of its end, and what the client hears of it.
    pub(super) fn over(&self, variables: Vec<(String, String)>) -> (Vec<(String, String)>, Option<Notice>) {
        let variables = self.results(variables);
        let notice = match self.said(self.status.complete(&variables)) {
            Reaction::Say(notice) => Some(notice),
            _ => None,
        };
        (variables, notice)
    }

    /// Of our own package, `ft.result` is all that tells how it ended; and the owner does not know of clocks.
    fn results(&self, mut variables: Vec<(String, String)>) -> Vec<(String, String)> {
        if self.primitive.kind.told().is_some() {
            variables.retain(|(name, _)| name.starts_with("ft."));
        }
        if matches!(&self.stop, Some(Stop::Event(event)) if TIMEOUTS.contains(&event.as_str())) {
            let result = variables.iter_mut().find(|(name, value)| name == "ft.result" && value == "ft.aborted.local");
            result.into_iter().for_each(|(_, value)| TIMEOUT.clone_into(value));
        }
        variables
    }

    /// Takes an event.
    pub(super) fn deliver(&mut self, event: &str, now: Instant) -> Reaction {
        if self.stop.is_some() {
            return Reaction::Nothing;
        }
        match meaning(self.primitive.kind.class(), event) {
            Meaning::Terminate { .. } if self.ongoing.is_some() => self.break_off("ft.aborted.local"),
            Meaning::Terminate { .. } if self.is_inert() => Reaction::Over(event.to_owned()),
            Meaning::Terminate { discard } => self.stop(Stop::Event(event.to_owned()), discard),
            // RFC 5707 §9.7.4: ignored once something has been recorded.
            Meaning::NoSpeech if !self.moved => self.stop(Stop::Event(event.to_owned()), false),
            Meaning::Pause | Meaning::Toggle if !self.suspended => {
                self.suspended = true;
                self.left = self.deadline.take().map(|deadline| deadline - now).or(self.left);
                Reaction::Order(Order::Pause)
            }
            Meaning::Resume | Meaning::Toggle if self.suspended => {
                self.suspended = false;
                self.run_clock(now);
                if self.ongoing.as_ref().is_some_and(|ongoing| !ongoing.working) {
                    return Reaction::GoOn;
                }
                Reaction::Order(Order::Resume)
            }
            Meaning::Restart => Reaction::Order(Order::Restart),
            Meaning::StartTimer if self.deadline.is_none() => {
                self.run_clock(now);
                Reaction::Nothing
            }
            _ => Reaction::Nothing,
        }
    }

    /// Its connection is gone.
    pub(super) fn lose(&mut self) -> Reaction {
        match self.stop {
            None if self.is_inert() => Reaction::Over("terminate".to_owned()),
            None if self.ongoing.is_some() => self.break_off("ft.disconnected"),
            None => self.stop(Stop::Lost, false),
            Some(_) => Reaction::Nothing,
        }
    }

    /// Its deadline has passed.
    pub(super) fn timeout(&mut self, now: Instant) -> Reaction {
        if self.ongoing.as_mut().is_some_and(|ongoing| ongoing.again.take_if(|again| *again <= now).is_some()) {
            return Reaction::GoOn;
        }
        if self.deadline.is_none_or(|deadline| deadline > now) {
            let notice = self.status.tick(now);
            return self.said(notice);
        }
        self.deadline = None;
        let name = match &self.primitive.kind {
            Kind::Play { .. } => PLAYED_ENOUGH,
            Kind::Record { .. } => RECORDED_ENOUGH,
            Kind::Receive { .. } | Kind::Send { .. } | Kind::Forward { .. } => TIMEOUT,
            Kind::Transfer(_) => return self.break_off(TIMEOUT),
            Kind::Collect(collect) => {
                self.noinputs = self.noinputs.saturating_add(1);
                if collect.noinput_times.is_some_and(|times| self.noinputs >= times.get()) {
                    return Reaction::NoInputOver;
                }
                self.left = self.limit.map(|limit| limit.max(NOINPUT_EVERY));
                self.run_clock(now);
                return Reaction::NoInput;
            }
        };
        self.stop(Stop::Event(name.to_owned()), false)
    }

    /// The value of its `.end` variable: the event that stopped it, unless it completed or failed all the same.
    pub(super) fn end_name(&self, end: &End) -> String {
        let completed = end.name.split_once('.').is_some_and(|(_, how)| how == "complete");
        match &self.stop {
            Some(Stop::Event(event)) if !completed && end.failure.is_none() => event.clone(),
            _ => end.name.clone(),
        }
    }

    fn stop(&mut self, stop: Stop, discard: bool) -> Reaction {
        self.stop = Some(stop);
        self.deadline = None;
        Reaction::Order(Order::Terminate { discard })
    }

    /// A transfer begins nothing more.
    fn break_off(&mut self, why: &'static str) -> Reaction {
        self.deadline = None;
        match self.ongoing.as_mut().is_some_and(|ongoing| ongoing.stop(why)) {
            true => Reaction::Order(Order::Terminate { discard: false }),
            false => Reaction::GoOn,
        }
    }

    fn run_clock(&mut self, now: Instant) {
        self.deadline = self.left.map(|left| now + left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msml::document::Collect;
    use crate::msml::work::{Play, PlayFile, Record};

    fn running(kind: Kind) -> Running {
        let primitive = Primitive { id: None, kind, exit: Vec::new() };
        Running::new(PrimitiveKey(1), primitive, Duration::from_secs(60), Instant::default())
    }

    fn kinds(suspended: bool) -> [Kind; 3] {
        let uri: crate::model::ObjectUri = "file://a".parse().expect("a name");
        let play = Play::new(vec![PlayFile::new(uri.clone())], suspended);
        let record = Box::new(Record { dest: Some(uri), suspended, ..Record::default() });
        let (first_digit, timer_runs) = (Some(Duration::from_secs(5)), false);
        [
            Kind::Play { play, maxtime: None },
            Kind::Record { record, maxtime: None },
            Kind::Collect(Collect { first_digit, timer_runs, noinput: Vec::new(), noinput_times: None }),
        ]
    }

    // DC-13, checklist 7, PL-3, PL-10, RE-11, RE-14, RE-15
    #[test]
    fn every_event_in_every_state_has_the_effect_that_is_written_here() {
        let events =
            ["pause", "resume", "generate", "toggle-state", "nospeech", "starttimer", "restart", "terminate.x"];
        let mut table = String::new();
        for (state, suspended) in [("running", false), ("suspended", true), ("stopping", false)] {
            for kind in kinds(suspended) {
                table += &format!("{state} {}:", kind.class());
                for event in events {
                    let mut running = running(kind.clone());
                    if state == "stopping" {
                        running.deliver("terminate", Instant::default());
                    }
                    table += match running.deliver(event, Instant::default()) {
                        Reaction::Nothing => " -",
                        Reaction::Order(Order::Pause) => " pause",
                        Reaction::Order(Order::Resume) => " resume",
                        Reaction::Order(Order::Restart) => " restart",
                        Reaction::Order(Order::Terminate { .. }) => " stop",
                        Reaction::Over(_) => " over",
                        Reaction::GoOn => " on",
                        Reaction::NoInput | Reaction::NoInputOver => " noinput",
                        Reaction::Say(_) => " says",
                    };
                }
                table.push('\n');
            }
        }
        let expected = "\
running play: pause - - pause - - restart stop
running record: pause - - pause stop - - stop
running dtmf: - - - - - - - over
suspended play: - resume resume resume - - restart stop
suspended record: - resume - resume stop - - stop
suspended dtmf: - - - - - - - over
stopping play: - - - - - - - -
stopping record: - - - - - - - -
stopping dtmf: - - - - - - - over
";
        assert_eq!(table, expected);
    }
}
