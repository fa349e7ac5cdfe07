//! The post itself: each notice's way to its target.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::limits::{NOTICES_AT_ONCE, NOTICES_AT_ONCE_PER_TARGET};
use crate::model::{Instant, Machine, Mint, Now, Outbox, Wall};
use crate::spool::{Slip, Target, Way};

use super::line::Line;
use super::port::{Config, Input, Output, Verdict};

/// A notice whose time was over while no server ran may still be tried for so long: a clock that was set wrong must not end
/// everything.
const GRACE: Duration = Duration::from_secs(3600);

/// Letters of a reason that are written down.
const REASON_LETTERS: usize = 200;

/// All notices that wait. See the room's front page.
#[derive(Debug)]
pub struct Post {
    config: Config,
    mint: Mint,
    letters: BTreeMap<u64, Letter>,
    numbers: HashMap<String, u64>,
    lines: BTreeMap<Target, Line>,
    /// By [`Way`].
    pools: [Pool; 3],
    /// When a notice is given up.
    expiries: BTreeSet<(Instant, u64)>,
}

/// What goes one way.
#[derive(Debug, Default)]
struct Pool {
    /// When something may go to a target.
    due: BTreeSet<(Instant, Target)>,
    sending: usize,
}

impl Pool {
    /// To whom something may go next, and since when; nobody while enough is on its way.
    fn next(&self) -> Option<&(Instant, Target)> {
        self.due.first().filter(|_| self.sending < NOTICES_AT_ONCE)
    }
}

/// A notice that waits, or is on its way.
#[derive(Debug)]
struct Letter {
    slip: Slip,
    due: Instant,
    expires: Instant,
    reason: String,
    /// Its end is decided as soon as it is back, unless it was taken.
    over: Option<String>,
    /// Nobody wants to hear of it.
    dropped: bool,
}

impl Machine for Post {
    type Input = Input;
    type Output = Output;
    type Reason = &'static str;

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::Known(slip) => self.known(now, slip),
            Input::Answered(id, verdict) => self.answered(now, &id, verdict, out),
            Input::Hurry(slip) => self.hurry(now, slip),
            Input::Drop(id) => self.drop_one(&id),
            Input::Timeout => self.expire(now, out),
        }
        self.send_what_can(now, out);
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let due = self.pools.iter().filter_map(Pool::next).map(|(at, _)| (*at, "a notice is due"));
        let expiry = self.expiries.first().map(|(at, _)| (*at, "a notice is given up"));
        due.chain(expiry).min()
    }
}

impl Post {
    /// One in which nothing waits. The mint is the chance in its waits.
    pub fn new(config: Config, mint: Mint) -> Self {
        Self {
            config,
            mint,
            letters: BTreeMap::new(),
            numbers: HashMap::new(),
            lines: BTreeMap::new(),
            pools: <[Pool; 3]>::default(),
            expiries: BTreeSet::new(),
        }
    }

    /// How patiently it works.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether nothing waits, and nothing is remembered of what has.
    pub fn is_empty(&self) -> bool {
        let idle = |pool: &Pool| pool.due.is_empty() && pool.sending == 0;
        let nothing = self.letters.is_empty() && self.numbers.is_empty() && self.expiries.is_empty();
        nothing && self.lines.is_empty() && self.pools.iter().all(idle)
    }

    fn known(&mut self, now: Now, slip: Slip) {
        let left = |wall: Wall| wall.since(now.wall);
        let due = now.instant + left(slip.next).min(self.config.backoff.longest);
        let lives = match left(slip.expires) {
            Duration::ZERO => GRACE,
            lives => lives.min(self.config.lifetime),
        };
        let expires = now.instant + lives;
        if let Some(number) = self.numbers.get(&slip.id).copied() {
            return self.wanted_again(number, &slip, expires);
        }
        let number = slip.number;
        self.numbers.insert(slip.id.clone(), number);
        self.expiries.insert((expires, number));
        let (target, subject) = (slip.target.clone(), slip.subject.clone());
        let reason = "it was not tried".to_owned();
        self.letters.insert(number, Letter { slip, due, expires, reason, over: None, dropped: false });
        self.on_line(&target, |line, _| line.enter(&subject, number, due));
    }

    /// It was dropped on its way, and is wanted after all; or it came while the outbox was read.
    fn wanted_again(&mut self, number: u64, slip: &Slip, expires: Instant) {
        let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
        if !std::mem::take(&mut letter.dropped) {
            return;
        }
        (letter.slip.attempts, letter.over) = (slip.attempts, None);
        self.expiries.remove(&(letter.expires, number));
        letter.expires = expires;
        self.expiries.insert((expires, number));
    }

    /// Does something to the line of a target, and notes when it may be served next.
    fn on_line<T>(&mut self, target: &Target, change: impl FnOnce(&mut Line, &BTreeMap<u64, Letter>) -> T) -> T {
        let way = target.way();
        // RFC 3428 §8
        let at_once = if way == Way::Sip { 1 } else { NOTICES_AT_ONCE_PER_TARGET };
        let line = self.lines.entry(target.clone()).or_insert_with(|| Line::new(at_once));
        let due = &mut self.pools[way as usize].due;
        if let Some((at, _)) = line.next() {
            due.remove(&(at, target.clone()));
        }
        let done = change(line, &self.letters);
        match line.next() {
            Some((at, _)) => _ = due.insert((at, target.clone())),
            None if line.is_idle() => _ = self.lines.remove(target),
            None => {}
        }
        done
    }

    fn send_what_can(&mut self, now: Now, out: &mut Outbox<Output>) {
        while let Some((_, target)) =
            self.pools.iter().filter_map(Pool::next).find(|(at, _)| *at <= now.instant).cloned()
        {
            let number = self.on_line(&target, |line, letters| {
                let (_, number) = line.next().expect("a target that is due has something to be sent");
                line.send(letters[&number].due, number);
                number
            });
            self.pools[target.way() as usize].sending += 1;
            out.push(Output::Send(self.letters[&number].slip.id.clone(), target));
        }
    }

    fn answered(&mut self, now: Now, id: &str, verdict: Verdict, out: &mut Outbox<Output>) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        let target = self.letters[&number].slip.target.clone();
        if !self.is_on_its_way(number) {
            return; // it was not sent
        }
        self.pools[target.way() as usize].sending -= 1;
        let (reason, away) = match verdict {
            Verdict::Taken => {
                self.heard_of(now, &target);
                self.forget(number);
                out.push(Output::Taken(id.to_owned())); // also of one that was dropped: nobody shall send it again
                return;
            }
            Verdict::Gone(reason) => return self.gone(now, (&target, number), &shortened(&reason), out),
            Verdict::Lost(reason) => return self.give_up(number, &shortened(&reason), out),
            Verdict::Refused(reason) => (shortened(&reason), None),
            Verdict::Away(reason, least) => (shortened(&reason), Some(least)),
        };
        let chance = self.mint.number();
        let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
        letter.slip.attempts = letter.slip.attempts.saturating_add(1);
        letter.reason.clone_from(&reason);
        if letter.dropped || letter.over.is_some() {
            let reason = letter.over.clone().unwrap_or_default();
            return self.give_up(number, &format!("{reason}; before that: {}", self.letters[&number].reason), out);
        }
        let attempts = letter.slip.attempts;
        let wait = match away {
            None => {
                self.heard_of(now, &target);
                self.config.backoff.wait(attempts, chance)
            }
            Some(least) => self.is_away(now, &target, least, chance),
        };
        let (due, next) = (now.instant + wait, now.wall.after(wait));
        let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
        (letter.due, letter.slip.next) = (due, next);
        self.on_line(&target, |line, _| line.again(due, number));
        out.push(Output::Deferred { id: id.to_owned(), attempts, next, reason });
    }

    fn is_on_its_way(&self, number: u64) -> bool {
        self.lines.get(&self.letters[&number].slip.target).is_some_and(|line| line.sending.contains(&number))
    }

    /// It is there, unless it has asked to be left alone since this one was sent.
    fn heard_of(&mut self, now: Now, target: &Target) {
        self.on_line(target, |line, _| {
            if !line.is_quiet(now.instant) {
                (line.failures, line.quiet) = (0, None);
            }
        });
    }

    /// Leaves a target alone, and says for how long.
    fn is_away(&mut self, now: Now, target: &Target, least: Option<Duration>, chance: u64) -> Duration {
        let Config { backoff, lifetime } = self.config;
        self.on_line(target, |line, _| {
            let least = least.unwrap_or_default().min(lifetime);
            let wait = match line.quiet.filter(|_| line.is_quiet(now.instant)) {
                Some(quiet) => least.max(quiet - now.instant), // several have failed at once: that is one failure
                None => {
                    line.failures = line.failures.saturating_add(1);
                    backoff.wait(line.failures, chance).max(least)
                }
            };
            line.quiet = Some(now.instant + wait);
            wait
        })
    }

    /// Everything for this target is given up at once; what else is on its way there, unless it is taken.
    fn gone(&mut self, now: Now, (target, answered): (&Target, u64), reason: &str, out: &mut Outbox<Output>) {
        let all = self.lines.get(target).map(Line::everything).unwrap_or_default();
        for number in all {
            if number == answered || !self.is_on_its_way(number) {
                self.give_up(number, reason, out);
            } else {
                self.letters.get_mut(&number).expect("a number leads to a letter").over = Some(reason.to_owned());
            }
        }
        self.heard_of(now, target);
    }

    fn give_up(&mut self, number: u64, reason: &str, out: &mut Outbox<Output>) {
        let Letter { slip, dropped, .. } = self.forget(number);
        if !dropped {
            out.push(Output::Dead(slip.id, slip.attempts, shortened(reason)));
        }
    }

    fn forget(&mut self, number: u64) -> Letter {
        let (target, subject) = {
            let slip = &self.letters[&number].slip;
            (slip.target.clone(), slip.subject.clone())
        };
        self.on_line(&target, |line, letters| line.leave(&subject, number, |number| letters[&number].due));
        let letter = self.letters.remove(&number).expect("a number leads to a letter");
        self.numbers.remove(&letter.slip.id);
        self.expiries.remove(&(letter.expires, number));
        letter
    }

    /// One that is not known is one whose end could not be written down.
    fn hurry(&mut self, now: Now, slip: Slip) {
        let id = slip.id.clone();
        self.known(now, slip);
        let number = self.numbers[&id];
        let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
        let (before, target) = (std::mem::replace(&mut letter.due, now.instant), letter.slip.target.clone());
        self.on_line(&target, |line, _| {
            line.quiet = None;
            line.move_to(before, now.instant, number);
        });
    }

    fn drop_one(&mut self, id: &str) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
        letter.dropped = true;
        if !self.is_on_its_way(number) {
            self.forget(number);
        }
    }

    fn expire(&mut self, now: Now, out: &mut Outbox<Output>) {
        while let Some((at, number)) = self.expiries.first().copied()
            && at <= now.instant
        {
            self.expiries.pop_first();
            let on_its_way = self.is_on_its_way(number);
            let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
            let reason = "its time is over".to_owned();
            if on_its_way {
                letter.over = Some(reason);
            } else {
                let reason = format!("{reason}; before that: {}", letter.reason);
                self.give_up(number, &reason, out);
            }
        }
    }
}

fn shortened(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_control()).take(REASON_LETTERS).collect()
}
