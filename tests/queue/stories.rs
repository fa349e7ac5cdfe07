//! What is promised of single deliveries.

use std::time::Duration;

use restante::model::{BoxClass, Ending, Retention};
use restante::queue::{Config, Input, Name, Refusal, Tell, Unwritten, Wait};
use restante::spool::{Change, Delivery, Hold, Progress, SpoolError};

use super::disk::Fault;
use super::world::{ATTEMPT, World, refused};

const BOB: &str = "sip:bob@example.net";
const SOON: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn unreachable() -> Ending {
    Ending::Unreachable("nobody listens".to_owned())
}

#[test]
fn a_delivery_is_written_down_before_it_is_answered_for_and_before_each_step() {
    let mut world = World::new(1);
    let id = world.forward(BOB);
    assert!(world.accepted.is_empty() && world.stored().is_empty());
    while world.accepted.is_empty() {
        world.step();
    }
    assert_eq!(world.stored_progress(&id), Some(Progress::Waiting));
    while world.attempts.is_empty() {
        world.step();
    }
    assert_eq!(world.stored_progress(&id), Some(Progress::Trying));
    assert!(world.settled.is_empty());
    world.run_out();
    assert_eq!(world.stored_progress(&id), Some(Progress::Delivered));
    assert_eq!(world.settled[&id].progress, Progress::Delivered);
    assert_eq!((world.has[&id], world.deferred), (1, 0));
}

#[test]
fn what_fails_for_now_is_tried_again_later_each_time_and_says_why_it_waits() {
    let mut world = World::new(2);
    world.script(BOB, vec![refused(486); 6]);
    let id = world.forward(BOB);
    world.run_for(SOON);
    let (queue, wait) = world.queue.wait(world.now(), &id).expect("it waits");
    assert_eq!(queue, Name::Deferred);
    assert!(matches!(wait, Wait::BackOff(left, _) if left > Duration::from_secs(200)), "{wait:?}");
    assert!(wait.to_string().starts_with("the peer answered 486; again in "), "{wait}");
    world.run_out();
    let at = world.attempts_of(&id);
    let waits: Vec<u64> = at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    for (wait, longest) in waits.iter().zip([300, 600, 1200, 2400, 4000, 4000]) {
        assert!((longest * 3 / 4..=longest + 3).contains(wait), "{waits:?}");
    }
    assert_eq!(world.settled[&id].attempts, 7);
    assert_eq!(world.deferred, 6);
}

#[test]
fn what_will_never_succeed_is_given_up_at_once_and_aloud() {
    let mut world = World::new(3);
    for (number, ending) in [refused(404), Ending::BadType, Ending::Msrp { status: 415 }].into_iter().enumerate() {
        let to = format!("sip:user{number}@example.net");
        world.script(&to, [ending.clone()]);
        let id = world.forward(&to);
        world.run_out();
        let settled = &world.settled[&id];
        assert_eq!((settled.progress, settled.attempts), (Progress::Failed, 1));
        assert_eq!(settled.reason, ending.to_string());
        assert_eq!(world.stored_progress(&id), Some(Progress::Failed));
    }
}

#[test]
fn a_delivery_whose_time_is_over_expires_and_says_what_was_wrong_before() {
    let mut world = World::new(4);
    world.script(BOB, vec![refused(480); 1000]);
    let id = world.forward(BOB);
    world.run_for(5 * DAY - MINUTE);
    assert!(world.settled.is_empty());
    let tried = world.attempts.len();
    assert!((100..200).contains(&tried), "{tried} attempts in five days");
    world.run_for(2 * MINUTE);
    let settled = &world.settled[&id];
    assert_eq!(settled.progress, Progress::Expired);
    assert_eq!(settled.reason, "its time is over; before that: the peer answered 480");
}

#[test]
fn an_attempt_that_runs_when_its_time_is_over_is_broken_off() {
    let mut world = World::new(5);
    world.endless = true;
    let id = world.forward(BOB);
    world.run_for(5 * DAY + MINUTE);
    assert_eq!(world.settled[&id].progress, Progress::Expired);
    assert!(world.running.is_empty());
}

#[test]
fn a_script_may_allow_fewer_attempts() {
    let mut world = World::new(6);
    world.script(BOB, vec![refused(486); 9]);
    let object = world.deposit("few");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(Delivery { most: Some(2), backoff: Some(900), ..delivery });
    world.run_out();
    let settled = &world.settled[&id];
    assert_eq!((settled.progress, settled.attempts), (Progress::Failed, 2));
    assert_eq!(settled.reason, "tried 2 times: the peer answered 486");
    let at = world.attempts_of(&id);
    assert!(at[1] - at[0] >= Duration::from_secs(900));
}

#[test]
fn a_host_that_is_down_is_not_hammered() {
    let mut world = World::new(7);
    for number in 0..50 {
        let to = format!("sip:user{number}@down.example.net");
        world.script(&to, vec![unreachable(); 3]);
        world.forward(&to);
    }
    world.run_for(Duration::from_secs(200));
    assert_eq!(world.attempts.len(), 1, "one has found out for all");
    let lanes = world.queue.lanes(world.now());
    assert_eq!(lanes["down.example.net"].waits["host down"], 49);
    assert_eq!(lanes["down.example.net"].queues["incoming"], 49);
    world.run_for(Duration::from_secs(3600));
    assert!(world.attempts.len() < 8, "{} knocks in an hour", world.attempts.len());
    world.answers.clear();
    world.run_out();
    assert_eq!(world.has.len(), 50);
}

#[test]
fn a_host_gets_more_at_once_as_it_proves_to_take_it_and_never_more_than_allowed() {
    let mut world = World::with(8, Config { concurrency: 4, ..Config::default() });
    for number in 0..40 {
        world.forward(&format!("sip:user{number}@example.net"));
    }
    world.run_for(ATTEMPT / 2);
    assert_eq!(world.running.len(), 1);
    world.run_for(ATTEMPT);
    assert_eq!(world.running.len(), 2);
    world.run_out();
    assert_eq!(world.most_running, 4);
}

#[test]
fn attempts_are_bounded_all_together_and_hosts_take_turns() {
    let mut world = World::with(9, Config { active: 3, ..Config::default() });
    for number in 0..20 {
        world.forward(&format!("sip:user{number}@big.example.net"));
    }
    world.forward("sip:one@small.example.net");
    world.run_out();
    assert_eq!(world.most_running, 3);
    let small = world.attempts.iter().position(|(.., to)| to.ends_with("small.example.net"));
    assert!(small < Some(4), "the small host waited behind {small:?} files of the big one");
}

#[test]
fn what_is_new_and_what_was_deferred_take_turns() {
    let mut world = World::with(10, Config { active: 1, ..Config::default() });
    let old: Vec<String> = (0..20).map(|number| format!("sip:old{number}@example.net")).collect();
    for to in &old {
        world.script(to, [refused(480)]);
        world.forward(to);
    }
    world.run_for(Duration::from_secs(200));
    assert_eq!(world.attempts.len(), 20);
    // Everything that was deferred is due when as many new files come in.
    world.at = world.at + Duration::from_secs(250);
    for number in 0..20 {
        world.forward(&format!("sip:new{number}@example.net"));
    }
    world.run_for(10 * (ATTEMPT + SOON / 100));
    let later: Vec<bool> = world.attempts[20..].iter().map(|(.., to)| to.contains("old")).collect();
    let deferred = later.iter().filter(|old| **old).count();
    assert!(deferred >= 4 && later.len() - deferred >= 4, "{later:?}");
}

#[test]
fn whoever_takes_something_gets_everything_that_waits_for_him() {
    let mut world = World::new(11);
    world.script(BOB, [refused(480)]);
    for _ in 0..5 {
        world.forward(BOB);
    }
    world.run_for(SOON);
    assert_eq!(world.attempts.len(), 1, "a recipient that is away is called once");
    world.run_for(Duration::from_secs(310));
    assert_eq!(world.has.len(), 5);
}

#[test]
fn a_recipient_that_is_heard_of_is_called_at_once() {
    let mut world = World::new(12);
    world.script(BOB, [refused(480)]);
    let id = world.forward(BOB);
    world.run_for(SOON);
    world.input(Input::Present("sip:bob@example.net".to_owned()));
    world.run_for(SOON);
    assert_eq!(world.settled[&id].progress, Progress::Delivered);
    world.script(BOB, [unreachable()]);
    let id = world.forward(BOB);
    world.run_for(SOON);
    world.input(Input::Present("sip:example.net".to_owned()));
    world.run_for(SOON);
    assert_eq!(world.settled[&id].progress, Progress::Delivered);
}

#[test]
fn what_is_to_be_sent_later_is_sent_later_unless_an_operator_says_otherwise() {
    let mut world = World::new(13);
    let object = world.deposit("later");
    for by_hand in [false, true] {
        let delivery = world.delivery(&object, BOB);
        let next = delivery.created.after(DAY);
        let id = world.ask(Delivery { next, ..delivery });
        world.run_for(SOON);
        assert!(matches!(world.queue.wait(world.now(), &id), Some((Name::Incoming, Wait::Later(_)))));
        world.input(Input::Present(BOB.to_owned()));
        world.run_for(SOON);
        assert!(world.attempts_of(&id).is_empty());
        if by_hand {
            world.tell(&id, Tell::Retry);
        } else {
            world.run_for(DAY);
        }
        world.run_for(SOON);
        assert_eq!(world.settled[&id].progress, Progress::Delivered);
    }
}

#[test]
fn who_calls_a_delivery_back_is_told_when_it_is_written_down() {
    let mut world = World::new(14);
    let object = world.deposit("back");
    let delivery = world.delivery(&object, BOB);
    let next = delivery.created.after(DAY);
    let waits = world.ask(Delivery { next, ..delivery });
    world.endless = true;
    let runs = world.forward("sip:eve@example.net");
    world.run_for(SOON);
    for id in [waits, runs] {
        let told = world.told;
        world.tell(&id, Tell::Cancel("alice".to_owned()));
        assert_eq!(world.told, told);
        world.run_for(SOON);
        assert_eq!(world.told, told + 1);
        assert_eq!(world.settled[&id].reason, "called back by alice");
        assert_eq!(world.stored_progress(&id), Some(Progress::Cancelled));
        world.tell(&id, Tell::Retry);
        assert_eq!(world.refused.pop(), Some(Refusal::Unknown));
    }
    assert!(world.running.is_empty());
}

#[test]
fn of_an_attempt_that_was_superseded_nothing_is_heard() {
    let mut world = World::new(15);
    world.endless = true;
    let id = world.forward(BOB);
    world.run_for(SOON);
    let (token, _) = world.running[&id].clone();
    world.input(Input::Ended { id: id.clone(), token: token + 1, ending: Ending::Delivered });
    world.input(Input::Ended { id: id.clone(), token: token - 1, ending: Ending::Delivered });
    world.run_for(SOON);
    assert!(world.settled.is_empty());
    world.end(&id, token, refused(486));
    world.input(Input::Ended { id: id.clone(), token, ending: Ending::Delivered });
    world.run_for(SOON);
    assert!(world.settled.is_empty());
    // Neither may anybody write who knows only of an earlier attempt.
    let mut old = world.stored().remove(0);
    old.token -= 1;
    assert!(matches!(world.spool().deliver(&old, world.now()), Err(SpoolError::Superseded { .. })));
    old.token += 2;
    old.progress = Progress::Delivered;
    world.spool().deliver(&old, world.now()).expect("it follows");
    old.progress = Progress::Waiting;
    assert!(matches!(world.spool().deliver(&old, world.now()), Err(SpoolError::Superseded { .. })));
}

#[test]
fn what_was_delivered_and_written_down_is_never_sent_again_and_what_was_not_goes_out_under_the_same_id() {
    let mut world = World::new(16);
    let id = world.forward(BOB);
    world.run_for(ATTEMPT / 2);
    let (token, _) = world.running[&id].clone();
    world.end(&id, token, Ending::Delivered);
    world.crash(Some(1)); // the peer has it, and the disk does not know yet
    world.run_out();
    assert_eq!(world.has[&id], 2, "the same id twice: its receiver can tell");
    assert_eq!(world.settled.len(), 1);
    let attempts = world.attempts.len();
    world.crash(Some(2));
    world.run_for(DAY);
    assert_eq!(world.attempts.len(), attempts);
    assert_eq!(world.stored_progress(&id), Some(Progress::Delivered));
}

#[test]
fn an_object_that_an_operator_holds_waits_and_goes_when_it_is_released() {
    let mut world = World::new(17);
    let object = world.deposit("held");
    world.spool().change(&object, Change::Hold(Hold::Operator), "ops", world.now()).expect("a hold");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.run_for(SOON);
    assert_eq!(world.queue.wait(world.now(), &id), Some((Name::Hold, Wait::Held("ops".to_owned()))));
    assert!(world.attempts.is_empty());
    world.spool().change(&object, Change::Release(Hold::Operator), "ops", world.now()).expect("a release");
    world.input(Input::Released(object.envelope().id.clone()));
    world.run_for(SOON);
    assert_eq!((world.settled[&id].progress, world.settled[&id].attempts), (Progress::Delivered, 1));
}

#[test]
fn a_delivery_whose_object_is_deleted_ends_aloud() {
    let mut world = World::new(18);
    world.script(BOB, [refused(480)]);
    let object = world.deposit("gone");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.run_for(SOON);
    world.spool().delete(&object, "ops", world.now()).expect("a deletion");
    world.run_for(Duration::from_secs(310));
    assert_eq!(world.settled[&id].progress, Progress::Failed);
    assert!(world.settled[&id].reason.contains("gone"), "{}", world.settled[&id].reason);
    let object = world.deposit("gone before");
    let delivery = world.delivery(&object, BOB);
    world.spool().delete(&object, "ops", world.now()).expect("a deletion");
    world.ask(delivery);
    world.run_for(SOON);
    assert!(matches!(world.refused.as_slice(), [Refusal::Unwritten(Unwritten::Gone(_))]));
}

#[test]
fn what_failed_with_its_object_does_not_begin_again_when_the_object_is_brought_back() {
    let mut world = World::new(20);
    let keep = Retention { undelete: 2 * DAY, ..Retention::default() };
    world.spool().set_classes(vec![BoxClass { matches: "*".parse().expect("a pattern"), keep, ..BoxClass::default() }]);
    world.script(BOB, [refused(480)]);
    let object = world.deposit("gone and back");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.run_for(SOON);
    world.spool().change(&object, Change::Delete, "ops", world.now()).expect("a deletion");
    world.run_for(Duration::from_secs(310));
    assert_eq!(world.settled[&id].progress, Progress::Failed);
    assert_eq!(world.stored_progress(&id), Some(Progress::Failed));
    world.spool().change(&object, Change::Undelete, "ops", world.now()).expect("it is back");
    let attempts = world.attempts.len();
    world.crash(None);
    world.run_for(DAY);
    assert_eq!(world.attempts.len(), attempts);
}

#[test]
fn the_end_of_an_attempt_is_written_down_though_somebody_holds_the_object_meanwhile() {
    let mut world = World::new(21);
    world.script(BOB, [refused(480)]);
    let object = world.deposit("held meanwhile");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.run_for(ATTEMPT / 2);
    assert!(world.running.contains_key(&id));
    world.spool().change(&object, Change::Hold(Hold::Operator), "ops", world.now()).expect("a hold");
    world.run_for(SOON);
    assert_eq!((world.stored_progress(&id), world.deferred), (Some(Progress::Waiting), 1));
    world.tell(&id, Tell::Cancel("ops".to_owned()));
    world.run_for(SOON);
    assert_eq!(world.settled[&id].progress, Progress::Cancelled);
}

#[test]
fn more_than_can_be_read_again_is_not_written_down() {
    let mut world = World::new(22);
    let object = world.deposit("many words");
    for _ in 0..64 {
        let told = vec![("name".to_owned(), "\u{1}".repeat(1500))];
        let delivery = Delivery { told, ..world.delivery(&object, BOB) };
        world.ask(delivery);
    }
    world.run_for(ATTEMPT / 2);
    let (taken, refused) = (world.accepted.len(), world.refused.len());
    assert!(taken > 20 && refused > 0, "{taken} and {refused}");
    world.crash(None);
    assert_eq!(world.stored().len(), taken);
}

#[test]
fn nothing_begins_that_can_not_be_written_down() {
    let mut world = World::new(19);
    let object = world.deposit("full");
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.step();
    world.disk.inject_lasting("open", Fault::Enospc);
    world.run_for(SOON);
    assert!(world.attempts.is_empty());
    let (_, wait) = world.queue.wait(world.now(), &id).expect("it waits");
    assert!(wait.to_string().contains("could not be written down"), "{wait}");
    world.disk.heal();
    world.run_for(MINUTE);
    assert_eq!(world.settled[&id].progress, Progress::Delivered);
}

#[test]
fn a_drain_breaks_off_what_runs_and_the_next_server_goes_on_at_once() {
    let mut world = World::new(20);
    world.endless = true;
    let id = world.forward(BOB);
    world.run_for(SOON);
    world.input(Input::Drain);
    world.run_for(SOON);
    assert!(world.running.is_empty());
    assert!(matches!(world.queue.wait(world.now(), &id), Some((_, Wait::Restart))));
    world.forward(BOB);
    assert_eq!(world.refused, [Refusal::Draining]);
    world.endless = false;
    world.crash(None);
    world.run_for(SOON);
    assert_eq!((world.settled[&id].progress, world.settled[&id].attempts), (Progress::Delivered, 1));
}

// R21
#[test]
fn a_leap_of_the_clock_expires_nothing_and_hurries_nothing() {
    for leap in [3600, -3600, 10 * 365 * 24 * 3600] {
        let mut world = World::new(21);
        world.script(BOB, [refused(480)]);
        let id = world.forward(BOB);
        world.run_for(SOON);
        world.leap = leap * 1_000_000;
        world.run_for(MINUTE);
        assert_eq!(world.attempts.len(), 1);
        assert!(world.settled.is_empty());
        world.run_for(Duration::from_secs(310));
        assert_eq!(world.settled[&id].progress, Progress::Delivered, "after a leap of {leap} s");
    }
}

// R21
#[test]
fn a_clock_that_is_wrong_at_a_start_neither_ends_nor_delays_anything() {
    for leap in [-400 * 24 * 3600, 10 * 365 * 24 * 3600] {
        let mut world = World::new(22);
        world.script(BOB, [refused(480)]);
        let id = world.forward(BOB);
        world.run_for(SOON);
        world.leap = leap * 1_000_000;
        world.crash(None);
        world.run_for(Duration::from_secs(4100));
        assert_eq!(world.settled[&id].progress, Progress::Delivered, "after a leap of {leap} s");
    }
}

#[test]
fn an_object_has_so_many_recipients_and_no_more() {
    let mut world = World::new(23);
    let object = world.deposit("many");
    for number in 0..70 {
        let to = format!("sip:user{number}@example.net");
        world.script(&to, [refused(480), refused(480)]);
        let delivery = world.delivery(&object, &to);
        world.ask(delivery);
        world.run_for(ATTEMPT);
    }
    assert_eq!((world.accepted.len(), world.refused.len()), (64, 6));
    world.answers.clear();
    world.run_out();
    let delivery = world.delivery(&object, BOB);
    let id = world.ask(delivery);
    world.run_out();
    assert_eq!(world.stored().len(), 64, "the oldest of those that have it made room");
    assert_eq!(world.stored_progress(&id), Some(Progress::Delivered));
}
