//! The way of notices, without a network: laws that hold whatever targets answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use restante::model::limits::{NOTICES_AT_ONCE, NOTICES_AT_ONCE_PER_TARGET};
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
    slips: BTreeMap<String, Slip>,
    /// What was sent, and is not answered yet.
    sent: BTreeMap<String, Target>,
    outputs: Vec<Output>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (now, slips, sent) = (Duration::from_secs(1000), BTreeMap::new(), BTreeMap::new());
        Self { post: Post::new(CONFIG, Mint::from_number(seed)), now, number: 0, slips, sent, outputs: Vec::new() }
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
                self.sent.insert(id.clone(), target.clone());
                let to = self.sent.values().filter(|other| *other == target).count();
                let most = if matches!(target, Target::Sip(_)) { 1 } else { NOTICES_AT_ONCE_PER_TARGET };
                assert!(to <= most, "{to} on their way to {target}");
                let all = self.sent.values().filter(|other| other.way() == target.way()).count();
                assert!(all <= NOTICES_AT_ONCE, "too many on their way");
            }
            self.outputs.push(output);
        }
    }

    /// A notice about this subject for the webhook of this name, due at once.
    fn post(&mut self, hook: &str, subject: &str) -> String {
        self.post_to(Target::Hook(hook.to_owned()), subject)
    }

    fn post_to(&mut self, target: Target, subject: &str) -> String {
        self.number += 1;
        let (number, id, subject) = (self.number, format!("n{}", self.number), subject.to_owned());
        let (next, expires) = (self.now().wall, self.now().wall.after(CONFIG.lifetime));
        let slip = Slip { number, id: id.clone(), target, subject, attempts: 0, next, expires };
        self.slips.insert(id.clone(), slip.clone());
        self.input(Input::Known(slip));
        id
    }

    fn hurry(&mut self, id: &str) {
        self.input(Input::Hurry(self.slips[id].clone()));
    }

    fn answer_all(&mut self, verdict: &Verdict) {
        for id in self.sent.keys().cloned().collect::<Vec<_>>() {
            self.answer(&id, verdict.clone());
        }
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
        assert!(!world.sent.is_empty(), "one is on its way");
        world.answer_all(&away());
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
    let number = NOTICES_AT_ONCE_PER_TARGET + 3;
    let ids: Vec<String> = (0..number).map(|number| world.post("hook", &number.to_string())).collect();
    let other = world.post("other", "0");
    world.answer(&ids[0], Verdict::Gone("410".to_owned()));
    world.answer(&ids[1], Verdict::Taken);
    assert!(matches!(world.ended(&ids[1])[..], [Output::Taken(_)]), "it was on its way");
    for id in &ids[2..NOTICES_AT_ONCE_PER_TARGET] {
        world.answer(id, away());
    }
    for id in ids.iter().filter(|id| **id != ids[1]) {
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

/// A row that could not be read, or a media type that a telephone does not take, used to end everything for its target.
#[test]
fn a_notice_that_is_lost_ends_alone() {
    let mut world = World::new(7);
    let bob = || Target::Sip("sip:bob@example.org".to_owned());
    let (lost, other) = (world.post_to(bob(), "a"), world.post_to(bob(), "b"));
    world.answer(&lost, Verdict::Lost("answered 415".to_owned()));
    assert!(matches!(world.ended(&lost)[..], [Output::Dead(..)]) && world.ended(&other).is_empty());
    assert_eq!(world.sent(), [&other]);
}

/// All notices had one pool of 64: so many SIP URIs that do not answer, which anybody can name, and no webhook heard anything.
#[test]
fn sip_uris_that_do_not_answer_keep_no_webhook_waiting_and_urls_do_not_either() {
    let mut world = World::new(8);
    for number in 0..=NOTICES_AT_ONCE {
        world.post_to(Target::Sip(format!("sip:{number}@example.org")), "a");
        world.post_to(Target::Url(format!("https://{number}.example.org/")), "a");
    }
    assert_eq!(world.sent.len(), 2 * NOTICES_AT_ONCE);
    let id = world.post("hook", "a");
    assert!(world.sent.contains_key(&id));
}

/// One notice was on its way to a webhook at a time: with 20 ms a round trip, 50 a second, and whatever came faster was lost.
#[test]
fn a_webhook_that_answers_is_told_several_things_at_once_and_one_that_fails_is_asked_by_one() {
    let mut world = World::new(9);
    let ids: Vec<String> = (0..20).map(|number| world.post("hook", &number.to_string())).collect();
    let bob = || Target::Sip("sip:bob@example.org".to_owned());
    let message = world.post_to(bob(), "a");
    world.post_to(bob(), "b");
    assert_eq!(world.sent.len(), NOTICES_AT_ONCE_PER_TARGET + 1, "RFC 3428 §8: one MESSAGE");
    world.answer(&message, away());
    world.answer(&ids[0], Verdict::Taken);
    assert_eq!(world.sent.len(), NOTICES_AT_ONCE_PER_TARGET);
    let before = world.now;
    world.answer_all(&away());
    assert!(world.sent.is_empty() && world.wait());
    assert!((world.now - before).as_secs() <= 5, "several that fail at once are one failure");
    while world.sent.is_empty() {
        assert!(world.wait());
    }
    assert!(world.sent.values().all(|target| world.sent.values().filter(|other| *other == target).count() == 1));
}

/// One answers 429 and wants an hour, another that was on its way with it is taken: the hour holds.
#[test]
fn who_wants_to_be_left_alone_is_also_when_what_was_on_its_way_is_taken() {
    let mut world = World::new(10);
    let (first, second) = (world.post("hook", "a"), world.post("hook", "b"));
    let before = world.now;
    world.answer(&first, Verdict::Away("429".to_owned(), Some(Duration::from_secs(3600))));
    world.answer(&second, Verdict::Taken);
    assert!(world.sent.is_empty() && world.wait());
    assert_eq!((world.now - before).as_secs(), 3600);
    world.answer(&first, Verdict::Taken);
    assert!(world.post.is_empty());
}

/// Its line was kept for ever, as that of one that has failed.
#[test]
fn of_a_target_that_was_away_nothing_is_left_when_its_last_notice_is_given_up_or_dropped() {
    let mut world = World::new(11);
    for number in 0..10 {
        let id = world.post_to(Target::Sip(format!("sip:{number}@example.org")), "a");
        world.answer(&id, away());
        if number % 2 == 0 {
            world.input(Input::Drop(id));
        }
    }
    while !world.sent.is_empty() || world.wait() {
        world.answer_all(&away());
    }
    assert!(world.post.is_empty());
}

/// Its row was dead, it was on its way, and an operator has it sent again: the post knew it already, and dropped it.
#[test]
fn one_that_is_dropped_on_its_way_and_wanted_again_is_sent_again_and_one_that_was_taken_says_so() {
    let mut world = World::new(12);
    let (again, taken) = (world.post("hook", "a"), world.post("hook", "b"));
    world.input(Input::Drop(again.clone()));
    world.input(Input::Drop(taken.clone()));
    world.input(Input::Known(world.slips[&again].clone()));
    world.answer(&taken, Verdict::Taken);
    assert!(matches!(world.ended(&taken)[..], [Output::Taken(_)]), "its row is not left as one that was given up");
    world.answer(&again, Verdict::Refused("500".to_owned()));
    assert!(world.wait());
    assert_eq!(world.sent(), [&again]);
    world.answer(&again, Verdict::Taken);
    assert_eq!(world.ended(&again).len(), 1);
}

/// The disk was full when its end was to be written down: it waits in the outbox, and nobody sends it.
#[test]
fn one_that_waits_in_the_outbox_alone_is_sent_when_somebody_hurries_it() {
    let mut world = World::new(13);
    let id = world.post("hook", "a");
    world.answer(&id, Verdict::Gone("410".to_owned()));
    assert!(world.sent.is_empty());
    world.hurry(&id);
    assert_eq!(world.sent(), [&id]);
}

#[test]
fn somebody_who_hurries_a_notice_does_not_wait_for_a_target_to_be_asked_again() {
    let mut world = World::new(6);
    let id = world.post("hook", "a");
    world.answer(&id, away());
    assert!(world.sent.is_empty());
    world.hurry(&id);
    assert_eq!(world.sent(), [&id]);
    world.input(Input::Drop(id.clone()));
    world.answer(&id, away());
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
                0..=2 => {
                    let (to, subject) = (chance / 8 % 5, format!("s{}", chance / 64 % 4));
                    let target = match to {
                        0 => Target::Sip("sip:bob@example.org".to_owned()),
                        1 => Target::Url("https://example.org/".to_owned()),
                        _ => Target::Hook(format!("t{to}")),
                    };
                    ids.push(world.post_to(target, &subject));
                }
                3 => _ = world.wait(),
                4 if !ids.is_empty() => {
                    let id = ids[(chance / 8) as usize % ids.len()].clone();
                    if !world.ended(&id).is_empty() || dropped.contains(&id) {
                        continue;
                    }
                    if chance.is_multiple_of(3) {
                        world.hurry(&id);
                    } else {
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
            let ended = world.ended(id);
            match dropped.contains(id) {
                true => assert!(matches!(ended[..], [] | [Output::Taken(_)]), "seed {seed}: {id} {ended:?}"),
                false => assert_eq!(ended.len(), 1, "seed {seed}: {id}"),
            }
        }
        assert!(world.post.is_empty(), "seed {seed}");
    }
}

fn answer_one(world: &mut World, mint: &mut Mint, taken: bool) {
    let chance = mint.number();
    let Some(id) = world.sent.keys().nth(chance as usize % world.sent.len().max(1)).cloned() else { return };
    let why = || "why".to_owned();
    let verdict = match chance / 64 % 9 {
        _ if taken => Verdict::Taken,
        0..=2 => Verdict::Taken,
        3..=4 => Verdict::Refused(why()),
        5 => Verdict::Away(why(), Some(Duration::from_secs(chance % 100_000))),
        6 => away(),
        7 => Verdict::Lost(why()),
        _ => Verdict::Gone(why()),
    };
    world.answer(&id, verdict);
}
