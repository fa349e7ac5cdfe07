//! A queue, the spool it writes to, the peers it calls, and the time: all of it in one thread.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use restante::model::{Ending, FileInfo, Instant, Machine as _, Mint, Now, Outbox, Wall};
use restante::queue::{AskKey, Config, Input, Output, Queue, Refusal, Tell, Unwritten};
use restante::spool::{Caller, Committed, Delivery, EnvelopeDraft, Index, Progress, Spool, SpoolError, StagePlan};

use super::disk::SimFiles;

const START: u64 = 1_795_000_000_000_000;

/// How long a write and an attempt take.
pub(crate) const WRITE: Duration = Duration::from_millis(10);
pub(crate) const ATTEMPT: Duration = Duration::from_secs(2);

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    Written(Box<Delivery>),
    Ended(String, u64, Ending),
}

pub(crate) struct World {
    pub(crate) disk: SimFiles,
    pub(crate) spool: Option<Spool>,
    pub(crate) queue: Queue,
    pub(crate) config: Config,
    pub(crate) at: Instant,
    /// How far the clock on the wall has been set.
    pub(crate) leap: i64,
    events: BTreeMap<(Instant, u64), Event>,
    next: u64,
    mint: Mint,
    /// What peers say to the next calls, by recipient; then they take everything.
    pub(crate) answers: HashMap<String, VecDeque<Ending>>,
    /// What they have, by delivery.
    pub(crate) has: BTreeMap<String, u32>,
    pub(crate) accepted: Vec<String>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) told: usize,
    pub(crate) deferred: usize,
    pub(crate) settled: BTreeMap<String, Delivery>,
    /// Every attempt: when, which, to whom.
    pub(crate) attempts: Vec<(Instant, String, String)>,
    /// Those that run, by delivery.
    pub(crate) running: BTreeMap<String, (u64, String)>,
    pub(crate) most_running: usize,
    /// Attempts stay until they are stopped.
    pub(crate) endless: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, Config::default())
    }

    pub(crate) fn with(seed: u64, config: Config) -> Self {
        let disk = SimFiles::new();
        let mut mint = Mint::from_number(seed);
        let queue = Queue::new(config, mint.fork());
        let mut world = Self {
            spool: None,
            disk,
            queue,
            config,
            at: Instant::from_origin(Duration::from_secs(1)),
            leap: 0,
            events: BTreeMap::new(),
            next: 0,
            mint,
            answers: HashMap::new(),
            has: BTreeMap::new(),
            accepted: Vec::new(),
            refused: Vec::new(),
            told: 0,
            deferred: 0,
            settled: BTreeMap::new(),
            attempts: Vec::new(),
            running: BTreeMap::new(),
            most_running: 0,
            endless: false,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let mint = self.mint.fork();
        let (spool, _) =
            Spool::open(Arc::new(self.disk.clone()), Index::in_memory(), mint, self.now()).expect("a spool");
        self.spool = Some(spool);
    }

    pub(crate) fn spool(&self) -> &Spool {
        self.spool.as_ref().expect("it is open")
    }

    pub(crate) fn now(&self) -> Now {
        let micros = i64::try_from(self.at.since_origin().as_micros()).expect("some years");
        let wall = START.cast_signed() + micros + self.leap;
        Now { instant: self.at, wall: Wall::from_micros(wall.cast_unsigned()) }
    }

    pub(crate) fn deposit(&self, name: &str) -> Committed {
        let plan = StagePlan::new(format!("spool:/bob/{name}").parse().expect("a name"));
        let mut stage = self.spool().stage(plan, self.now()).expect("room");
        stage.write(0, name.as_bytes()).expect("room");
        let sealed = stage.seal(name.len() as u64, &FileInfo::default()).expect("a whole file");
        self.spool().commit(sealed, EnvelopeDraft::default(), self.now()).expect("a disk")
    }

    pub(crate) fn delivery(&mut self, object: &Committed, to: &str) -> Delivery {
        let now = self.now();
        Delivery {
            id: self.mint.ulid(now.wall),
            object: object.envelope().id.clone(),
            to: to.to_owned(),
            caller: Caller::Uac,
            created: now.wall,
            next: now.wall,
            expires: now.wall.after(self.config.lifetime),
            ..Delivery::default()
        }
    }

    /// Asks for a delivery, without waiting for the answer. Returns its id.
    pub(crate) fn ask(&mut self, delivery: Delivery) -> String {
        let id = delivery.id.clone();
        self.next += 1;
        let ask = AskKey(self.next);
        self.input(Input::Forward(ask, Box::new(delivery)));
        id
    }

    /// A file of its own to this recipient.
    pub(crate) fn forward(&mut self, to: &str) -> String {
        let name = format!("file{}", self.next);
        let object = self.deposit(&name);
        let delivery = self.delivery(&object, to);
        self.ask(delivery)
    }

    pub(crate) fn tell(&mut self, id: &str, tell: Tell) {
        self.next += 1;
        let ask = AskKey(self.next);
        self.input(Input::Tell(ask, id.to_owned(), tell));
    }

    pub(crate) fn input(&mut self, input: Input) {
        let mut out = Outbox::new();
        let now = self.now();
        self.queue.handle(now, input, &mut out);
        while let Some(output) = out.pop() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Write(delivery) => self.after(WRITE, Event::Written(delivery)),
            Output::Attempt(delivery) => self.attempt(*delivery),
            Output::Stop(id, token) => {
                let running = self.running.get(&id).is_some_and(|(running, _)| *running == token);
                assert!(running, "stopped what does not run");
                self.after(WRITE, Event::Ended(id, token, Ending::Stopped));
            }
            Output::Accepted(_, id) => self.accepted.push(id),
            Output::Told(_) => self.told += 1,
            Output::Refused(_, why) => self.refused.push(why),
            Output::Deferred(delivery) => {
                assert!(!delivery.reason.is_empty(), "a failure without a reason");
                self.deferred += 1;
            }
            Output::Settled(delivery) => {
                assert!(!delivery.reason.is_empty(), "an end without a reason");
                let before = self.settled.insert(delivery.id.clone(), *delivery);
                assert!(before.is_none(), "settled twice: {before:?}");
            }
        }
    }

    fn attempt(&mut self, delivery: Delivery) {
        let Delivery { id, to, token, .. } = delivery;
        assert!(!self.settled.contains_key(&id), "{id} is settled, and tried again");
        let before = self.running.insert(id.clone(), (token, to.clone()));
        assert!(before.is_none(), "two attempts of {id} at once");
        let of = |end: &str| self.running.values().filter(|(_, to)| to.ends_with(end)).count();
        assert_eq!(of(&to), 1, "{to} is called twice at once");
        let host = to.split_once('@').expect("a recipient").1;
        assert!(of(host) <= self.config.concurrency, "too much for {host}");
        assert!(self.running.len() <= self.config.active, "too much at once");
        self.most_running = self.most_running.max(self.running.len());
        self.attempts.push((self.at, id.clone(), to.clone()));
        if self.endless {
            return;
        }
        let ending = self.answers.get_mut(&to).and_then(VecDeque::pop_front).unwrap_or(Ending::Delivered);
        self.after(ATTEMPT, Event::Ended(id, token, ending));
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.next += 1;
        self.events.insert((self.at + wait, self.next), event);
    }

    /// The moment of what happens next.
    pub(crate) fn upcoming(&self) -> Option<Instant> {
        let alarm = self.queue.deadline().map(|(at, _)| at);
        let event = self.events.keys().next().map(|(at, _)| *at);
        [alarm, event].into_iter().flatten().min()
    }

    /// Whatever happens next. Says no if nothing does.
    pub(crate) fn step(&mut self) -> bool {
        let Some(at) = self.upcoming() else { return false };
        self.at = self.at.max(at);
        if let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.at) {
            match entry.remove() {
                Event::Written(delivery) => {
                    let result = self.spool().deliver(&delivery, self.now()).map_err(unwritten);
                    self.input(Input::Written(delivery.id.clone(), result));
                }
                Event::Ended(id, token, ending) => self.end(&id, token, ending),
            }
        } else {
            self.input(Input::Timeout);
        }
        true
    }

    pub(crate) fn end(&mut self, id: &str, token: u64, ending: Ending) {
        if self.running.get(id).is_some_and(|(running, _)| *running == token) {
            self.running.remove(id);
        }
        if ending == Ending::Delivered {
            *self.has.entry(id.to_owned()).or_default() += 1;
        }
        self.input(Input::Ended { id: id.to_owned(), token, ending });
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.at + time;
        while self.upcoming().is_some_and(|at| at <= end) {
            self.step();
        }
        self.at = end;
    }

    /// Until everything that was accepted is settled.
    pub(crate) fn run_out(&mut self) {
        for _ in 0..1_000_000 {
            if self.accepted.iter().all(|id| self.settled.contains_key(id)) && self.events.is_empty() {
                return;
            }
            assert!(self.step(), "nothing happens any more, and not everything is settled");
        }
        panic!("it does not come to an end");
    }

    /// The process dies, the disk loses what was not synced, and another process begins.
    pub(crate) fn crash(&mut self, seed: Option<u64>) {
        self.spool = None;
        self.disk = seed.map_or_else(|| self.disk.kill(), |seed| self.disk.crash(seed));
        self.events.clear();
        self.running.clear();
        self.open();
        self.queue = Queue::new(self.config, self.mint.fork());
        for delivery in self.stored() {
            self.input(Input::Known(Box::new(delivery)));
        }
    }

    /// Every delivery that the spool has.
    pub(crate) fn stored(&self) -> Vec<Delivery> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (page, next) = self.spool().deliveries(&cursor).expect("an index");
            all.extend(page);
            match next {
                Some(next) => cursor = next,
                None => return all,
            }
        }
    }

    pub(crate) fn stored_progress(&self, id: &str) -> Option<Progress> {
        self.stored().into_iter().find(|delivery| delivery.id == id).map(|delivery| delivery.progress)
    }

    pub(crate) fn chance(&mut self, of: u64) -> u64 {
        self.mint.number() % of
    }

    pub(crate) fn script(&mut self, to: &str, endings: impl IntoIterator<Item = Ending>) {
        self.answers.entry(to.to_owned()).or_default().extend(endings);
    }

    pub(crate) fn attempts_of(&self, id: &str) -> Vec<Instant> {
        self.attempts.iter().filter(|(_, of, _)| of == id).map(|(at, ..)| *at).collect()
    }
}

pub(crate) fn unwritten(error: SpoolError) -> Unwritten {
    match error {
        SpoolError::Gone { .. } | SpoolError::Corrupt { .. } => Unwritten::Gone(error.to_string()),
        SpoolError::Held { by, .. } => Unwritten::Held(by),
        SpoolError::Superseded { .. } => Unwritten::Superseded,
        other => Unwritten::Failed(other.to_string()),
    }
}

/// A final answer to an INVITE.
pub(crate) const fn refused(status: u16) -> Ending {
    Ending::Refused { status, retry_after: None }
}
