//! The post itself: each notice's way to its target.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::limits::NOTICES_AT_ONCE;
use crate::model::{Instant, Machine, Mint, Now, Outbox, Wall};
use crate::spool::{Slip, Target};

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
    /// When something may go to a target.
    due: BTreeSet<(Instant, Target)>,
    /// When a notice is given up.
    expiries: BTreeSet<(Instant, u64)>,
    sending: usize,
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
            Input::Hurry(id) => self.hurry(now, &id),
            Input::Drop(id) => self.drop_one(&id),
            Input::Timeout => self.expire(now, out),
        }
        self.send_what_can(now, out);
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let due = self.due.first().filter(|_| self.sending < NOTICES_AT_ONCE).map(|(at, _)| (*at, "a notice is due"));
        let expiry = self.expiries.first().map(|(at, _)| (*at, "a notice is given up"));
        [due, expiry].into_iter().flatten().min()
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
            due: BTreeSet::new(),
            expiries: BTreeSet::new(),
            sending: 0,
        }
    }

    /// How patiently it works.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn known(&mut self, now: Now, slip: Slip) {
        if self.numbers.contains_key(&slip.id) {
            return; // it came while the outbox was read
        }
        let left = |wall: Wall| wall.since(now.wall);
        let due = now.instant + left(slip.next).min(self.config.backoff.longest);
        let lives = match left(slip.expires) {
            Duration::ZERO => GRACE,
            lives => lives.min(self.config.lifetime),
        };
        let expires = now.instant + lives;
        let number = slip.number;
        self.numbers.insert(slip.id.clone(), number);
        self.expiries.insert((expires, number));
        let (target, subject) = (slip.target.clone(), slip.subject.clone());
        let reason = "it was not tried".to_owned();
        self.letters.insert(number, Letter { slip, due, expires, reason, over: None, dropped: false });
        self.on_line(&target, |line, _| line.enter(&subject, number, due));
    }

    /// Does something to the line of a target, and notes when it may be served next.
    fn on_line<T>(&mut self, target: &Target, change: impl FnOnce(&mut Line, &BTreeMap<u64, Letter>) -> T) -> T {
        let line = self.lines.entry(target.clone()).or_default();
        if let Some((at, _)) = line.next() {
            self.due.remove(&(at, target.clone()));
        }
        let done = change(line, &self.letters);
        match line.next() {
            Some((at, _)) => _ = self.due.insert((at, target.clone())),
            None if line.is_idle() => _ = self.lines.remove(target),
            None => {}
        }
        done
    }

    fn send_what_can(&mut self, now: Now, out: &mut Outbox<Output>) {
        while self.sending < NOTICES_AT_ONCE
            && let Some((at, target)) = self.due.first().cloned()
            && at <= now.instant
        {
            let number = self.on_line(&target, |line, letters| {
                let (_, number) = line.next().expect("a target that is due has something to be sent");
                line.send(letters[&number].due, number);
                number
            });
            self.sending += 1;
            out.push(Output::Send(self.letters[&number].slip.id.clone(), target));
        }
    }

    fn answered(&mut self, now: Now, id: &str, verdict: Verdict, out: &mut Outbox<Output>) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        let target = self.letters[&number].slip.target.clone();
        if self.lines.get(&target).is_none_or(|line| line.sending != Some(number)) {
            return; // it was not sent
        }
        self.sending -= 1;
        let (reason, away) = match verdict {
            Verdict::Taken => {
                self.heard_of(&target);
                let dropped = self.forget(number).dropped;
                if !dropped {
                    out.push(Output::Taken(id.to_owned()));
                }
                return;
            }
            Verdict::Gone(reason) => return self.gone(&target, &shortened(&reason), out),
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
                self.heard_of(&target);
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

    fn heard_of(&mut self, target: &Target) {
        self.on_line(target, |line, _| (line.failures, line.quiet) = (0, None));
    }

    /// Leaves a target alone, and says for how long.
    fn is_away(&mut self, now: Now, target: &Target, least: Option<Duration>, chance: u64) -> Duration {
        let Config { backoff, lifetime } = self.config;
        self.on_line(target, |line, _| {
            line.failures = line.failures.saturating_add(1);
            let wait = backoff.wait(line.failures, chance).max(least.unwrap_or_default().min(lifetime));
            line.quiet = Some(now.instant + wait);
            wait
        })
    }

    /// Everything for this target is given up at once.
    fn gone(&mut self, target: &Target, reason: &str, out: &mut Outbox<Output>) {
        let all = self.lines.get(target).map(Line::everything).unwrap_or_default();
        for number in all {
            self.give_up(number, reason, out);
        }
        self.heard_of(target);
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

    fn hurry(&mut self, now: Now, id: &str) {
        let Some(number) = self.numbers.get(id).copied() else { return };
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
        let target = letter.slip.target.clone();
        if self.lines.get(&target).is_some_and(|line| line.sending != Some(number)) {
            self.forget(number);
        }
    }

    fn expire(&mut self, now: Now, out: &mut Outbox<Output>) {
        while let Some((at, number)) = self.expiries.first().copied()
            && at <= now.instant
        {
            self.expiries.pop_first();
            let letter = self.letters.get_mut(&number).expect("a number leads to a letter");
            let reason = "its time is over".to_owned();
            if self.lines.get(&letter.slip.target).is_some_and(|line| line.sending == Some(number)) {
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
