//! The way of notices, without a network: laws that hold whatever targets answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use restante::model::limits::NOTICES_AT_ONCE;
use restante::model::{Backoff, Instant, Machine as _, Mint, Now, Outbox, Wall};
use restante::notices::{Config, Input, Output, Post, Verdict};
use restante::spool::{Slip, Target};

const CONFIG: Config = Config {
    backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(3600) },
    lifetime: Duration::from_secs(86_400),
};

struct World {
    post: Post,
    now: Duration,
    number: u64,
    /// What was sent, and is not answered yet.
    sent: BTreeMap<String, Target>,
    outputs: Vec<Output>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (now, sent) = (Duration::from_secs(1000), BTreeMap::new());
        Self { post: Post::new(CONFIG, Mint::from_number(seed)), now, number: 0, sent, outputs: Vec::new() }
    }

    fn now(&self) -> Now {
        let wall = Wall::from_micros(1_790_000_000_000_000).after(self.now);
        Now { instant: Instant::from_origin(self.now), wall }
    }

    fn input(&mut self, input: Input) {
        let mut out = Outbox::new();
        self.post.handle(self.now(), input, &mut out);
        for output in out.drain() {
            if let Output::Send(id, target) = &output {
                assert!(!self.sent.values().any(|other| other == target), "two on their way to {target}");
                self.sent.insert(id.clone(), target.clone());
                assert!(self.sent.len() <= NOTICES_AT_ONCE, "too many on their way");
            }
            self.outputs.push(output);
        }
    }

    /// A notice about this subject for this target, due at once.
    fn post(&mut self, target: &str, subject: &str) -> String {
        self.number += 1;
        let (number, id) = (self.number, format!("n{}", self.number));
        let (target, subject) = (Target::Hook(target.to_owned()), subject.to_owned());
        let (next, expires) = (self.now().wall, self.now().wall.after(CONFIG.lifetime));
        self.input(Input::Known(Slip { number, id: id.clone(), target, subject, attempts: 0, next, expires }));
        id
    }

    fn answer(&mut self, id: &str, verdict: Verdict) {
        self.sent.remove(id).expect("it was sent");
        self.input(Input::Answered(id.to_owned(), verdict));
    }

    /// Lets time pass until something is due. Says no if nothing ever is.
    fn wait(&mut self) -> bool {
        let Some((at, _)) = self.post.deadline() else { return false };
        self.now = self.now.max(at.since_origin());
        self.input(Input::Timeout);
        true
    }

    fn sent(&self) -> Vec<&str> {
        self.sent.keys().map(String::as_str).collect()
    }

    fn ended(&self, id: &str) -> Vec<&Output> {
        let ends = |output: &&Output| matches!(output, Output::Taken(of) | Output::Dead(of, ..) if of == id);
        self.outputs.iter().filter(ends).collect()
    }
}

fn away() -> Verdict {
    Verdict::Away("503".to_owned(), None)
}

#[test]
fn a_target_that_is_down_slows_nobody_else_and_is_asked_less_and_less() {
    let mut world = World::new(1);
    for number in 0..10 {
        world.post("down", &format!("a{number}"));
    }
    let mut waits = Vec::new();
    for _ in 0..8 {
        let before = world.now;
        let id = world.sent().first().expect("one is on its way").to_string();
        world.answer(&id, away());
        assert!(world.sent.is_empty(), "nobody else knocks there meanwhile");
        let other = world.post("up", "b");
        world.answer(&other, Verdict::Taken);
        assert!(world.wait());
        waits.push((world.now - before).as_secs());
    }
    assert!(waits.is_sorted() && waits[0] >= 3 && waits[7] >= 480, "{waits:?}");
}

#[test]
fn what_is_about_one_object_goes_in_its_order_and_a_notice_that_is_refused_keeps_back_no_other_object() {
    let mut world = World::new(2);
    let stored = world.post("hook", "a");
    let delivered = world.post("hook", "a");
    let other = world.post("hook", "b");
    world.answer(&stored, Verdict::Refused("500".to_owned()));
    assert_eq!(world.sent(), [&other]);
    world.answer(&other, Verdict::Taken);
    assert!(world.sent.is_empty() && world.wait());
    assert_eq!(world.sent(), [&stored]);
    world.answer(&stored, Verdict::Taken);
    assert_eq!(world.sent(), [&delivered]);
}

#[test]
fn whoever_asks_to_be_left_alone_is_left_alone_for_so_long() {
    let mut world = World::new(3);
    let id = world.post("hook", "a");
    let before = world.now;
    world.answer(&id, Verdict::Away("429".to_owned(), Some(Duration::from_secs(7200))));
    assert!(world.wait());
    assert_eq!((world.now - before).as_secs(), 7200);
}

#[test]
fn a_target_that_is_gone_gets_nothing_more_of_what_waits() {
    let mut world = World::new(4);
    let ids: Vec<String> = (0..3).map(|number| world.post("hook", &number.to_string())).collect();
    let other = world.post("other", "0");
    world.answer(&ids[0], Verdict::Gone("410".to_owned()));
    for id in &ids {
        assert!(matches!(world.ended(id)[..], [Output::Dead(..)]), "{id}");
    }
    assert_eq!(world.sent(), [&other]);
    let again = world.post("hook", "3");
    world.answer(&again, Verdict::Taken);
}

#[test]
fn a_notice_is_given_up_when_its_time_is_over_with_the_last_word_about_it() {
    let mut world = World::new(5);
    let id = world.post("hook", "a");
    while world.ended(&id).is_empty() {
        if world.sent.is_empty() {
            assert!(world.wait());
        } else {
            world.answer(&id, Verdict::Refused("answered 500".to_owned()));
        }
    }
    let ended = world.ended(&id);
    assert!(
        matches!(ended[..], [Output::Dead(_, attempts, reason)] if reason.contains("answered 500") && *attempts > 20)
    );
    assert!(!world.wait(), "nothing is left");
}

#[test]
fn somebody_who_hurries_a_notice_does_not_wait_for_a_target_to_be_asked_again() {
    let mut world = World::new(6);
    let id = world.post("hook", "a");
    world.answer(&id, away());
    assert!(world.sent.is_empty());
    world.input(Input::Hurry(id.clone()));
    assert_eq!(world.sent(), [&id]);
    world.input(Input::Drop(id.clone()));
    world.answer(&id, Verdict::Taken);
    assert!(world.ended(&id).is_empty() && !world.wait(), "nobody wants to hear of it");
}

/// Every notice ends once, whatever its target answers and however long that takes; of one subject none overtakes another.
#[test]
fn every_notice_that_comes_ends_exactly_once() {
    for seed in 0..200 {
        let mut mint = Mint::from_number(seed);
        let mut world = World::new(seed);
        let (mut ids, mut dropped) = (Vec::new(), BTreeSet::new());
        for _ in 0..300 {
            let chance = mint.number();
            match chance % 8 {
                0..=2 => ids.push(world.post(&format!("t{}", chance / 8 % 5), &format!("s{}", chance / 64 % 4))),
                3 => _ = world.wait(),
                4 if !ids.is_empty() => {
                    let id = ids[(chance / 8) as usize % ids.len()].clone();
                    if chance.is_multiple_of(3) {
                        world.input(Input::Hurry(id));
                    } else if world.ended(&id).is_empty() {
                        dropped.insert(id.clone());
                        world.input(Input::Drop(id));
                    }
                }
                _ => answer_one(&mut world, &mut mint, false),
            }
        }
        while !world.sent.is_empty() || world.wait() {
            answer_one(&mut world, &mut mint, true);
        }
        for id in &ids {
            let ends = usize::from(!dropped.contains(id));
            assert_eq!(world.ended(id).len(), ends, "seed {seed}: {id}");
        }
    }
}

fn answer_one(world: &mut World, mint: &mut Mint, taken: bool) {
    let chance = mint.number();
    let Some(id) = world.sent.keys().nth(chance as usize % world.sent.len().max(1)).cloned() else { return };
    let why = || "why".to_owned();
    let verdict = match chance / 64 % 8 {
        _ if taken => Verdict::Taken,
        0..=2 => Verdict::Taken,
        3..=4 => Verdict::Refused(why()),
        5 => Verdict::Away(why(), Some(Duration::from_secs(chance % 100_000))),
        6 => away(),
        _ => Verdict::Gone(why()),
    };
    world.answer(&id, verdict);
}
