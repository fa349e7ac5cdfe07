//! Quotas: nothing goes over them, however many come at once, and what is given back is there for the next.

use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};

use restante::spool::{ClassUsage, Measure, OverQuota, Spool, StageError, StagePlan};

use super::disk::SimFiles;
use super::house::{deposit, deposit_at, limited, now, open, plan, uri, usage};

const AT_ONCE: usize = 1000;

/// So many deposits into one box, which all begin in the same moment. Returns the ids of those that were taken.
fn rush(spool: &Spool, plan: impl Fn(usize) -> StagePlan + Sync, octets: usize) -> BTreeSet<String> {
    let (start, taken) = (Barrier::new(AT_ONCE), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (start, taken, plan) = (&start, &taken, &plan);
            let deposit = move || {
                start.wait();
                match deposit_at(spool, plan(number), &vec![number as u8; octets], now()) {
                    Ok(object) => assert!(taken.lock().expect("no panic").insert(object.envelope().id.clone())),
                    Err(StageError::Quota(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, deposit).expect("a thread");
        }
    });
    taken.into_inner().expect("no panic")
}

// R19: unique ids, exact counts. I6: quota equals a recount.
#[test]
fn of_a_thousand_deposits_at_once_a_box_takes_exactly_what_its_quota_of_objects_allows() {
    let (files, classes) = (SimFiles::new(), [limited("*", None, Some(300))]);
    let spool = open(&files, &classes);
    let taken = rush(&spool, |_| plan("spool:/bob/", 10), 10);
    assert_eq!((taken.len(), usage(&spool, "bob")), (300, (300, 3000)));
    let refused = spool.status().classes[0].refused;
    assert_eq!(refused, AT_ONCE as u64 - 300);
    drop(spool);
    assert_eq!(usage(&open(&files, &classes), "bob"), (300, 3000), "a recount");
}

#[test]
fn of_a_thousand_files_of_undeclared_size_at_once_no_octet_goes_over_the_quota_and_no_promise_is_left() {
    let (files, classes) = (SimFiles::new(), [limited("*", Some(50_000), None)]);
    let spool = open(&files, &classes);
    let taken = rush(&spool, |_| StagePlan::new(uri("spool:/bob/")), 300);
    let held = usage(&spool, "bob");
    assert!(held.1 <= 50_000 && held == (taken.len() as u64, taken.len() as u64 * 300), "{held:?}");
    let left = 50_000 - held.1;
    deposit(&spool, "spool:/bob/", &vec![1; left as usize]).expect("everything that is left can be had");
    assert!(matches!(deposit(&spool, "spool:/bob/", b"x"), Err(StageError::Quota(_))));
}

#[test]
fn a_declared_size_is_refused_before_its_first_octet_and_says_which_box_and_what_it_may_hold() {
    let spool = open(&SimFiles::new(), &[limited("bob", Some(1000), Some(2)), limited("*", None, None)]);
    deposit(&spool, "spool:/bob/one", &[1; 600]).expect("room");
    let Err(StageError::Quota(over)) = spool.stage(plan("spool:/bob/two", 401), now()) else { panic!("it was taken") };
    let wanted = OverQuota { mailbox: "bob".to_owned(), measure: Measure::Octets, quota: 1000, used: 600 };
    assert_eq!(over, wanted);
    assert_eq!(over.to_string(), "box bob may hold 1000 octets, and 600 are there or on their way");
    let waiting = spool.stage(plan("spool:/bob/two", 400), now()).expect("room to the last octet");
    let Err(StageError::Quota(over)) = spool.stage(plan("spool:/bob/three", 0), now()) else { panic!("it was taken") };
    assert_eq!((over.measure, over.quota, over.used), (Measure::Objects, 2, 2));
    waiting.discard();
    deposit(&spool, "spool:/bob/three", &[3; 400]).expect("what was given back is there");
    deposit(&spool, "spool:/eve/one", &[3; 5000]).expect("another class, without a quota");
}

#[test]
fn who_waits_for_its_sender_takes_no_room_and_needs_room_when_it_comes_back() {
    let spool = open(&SimFiles::new(), &[limited("*", Some(1000), None)]);
    let resumable = || StagePlan { resume_key: Some("alice".to_owned()), ..plan("spool:/bob/one", 800) };
    let mut stage = spool.stage(resumable(), now()).expect("room");
    stage.write(0, &[7; 500]).expect("octets");
    stage.suspend().expect("they are kept");
    deposit(&spool, "spool:/bob/two", &[2; 700]).expect("room that nobody has");
    assert!(matches!(spool.stage(resumable(), now()), Err(StageError::Quota(_))));
    let object = spool.find(&uri("spool:/bob/two")).expect("an index").expect("an object");
    spool.delete(&object, "a test", now()).expect("it goes");
    let stage = spool.stage(resumable(), now()).expect("room again");
    assert_eq!(stage.received().octets(), 500, "its octets have waited through the refusal");
}

#[test]
fn the_refused_rest_of_a_file_leaves_its_octets_where_its_sender_was_told_they_are() {
    let spool = open(&SimFiles::new(), &[limited("*", Some(1000), None)]);
    let unknown = || StagePlan { resume_key: Some("alice".to_owned()), ..StagePlan::new(uri("spool:/bob/one")) };
    let mut stage = spool.stage(unknown(), now()).expect("a stage");
    stage.write(0, &[7; 900]).expect("octets");
    assert_eq!(stage.sync().expect("a disk"), 900);
    assert!(matches!(stage.write(900, &[7; 101]), Err(StageError::Quota(_))));
    stage.write(900, &[7; 100]).expect("to the last octet");
    stage.suspend().expect("a disk");
    assert_eq!(spool.stage(unknown(), now()).expect("room").received().octets(), 1000);
}

#[test]
fn a_class_tells_how_many_of_its_boxes_are_nearly_full() {
    let spool = open(&SimFiles::new(), &[limited("b*", Some(1000), None)]);
    let class = |spool: &Spool| spool.status().classes.into_iter().next().expect("a class");
    deposit(&spool, "spool:/bob/one", &[1; 799]).expect("room");
    deposit(&spool, "spool:/ben/one", &[1; 10]).expect("room");
    assert_eq!((class(&spool).boxes, class(&spool).nearly_full), (2, 0));
    let last = deposit(&spool, "spool:/bob/two", b"1").expect("room");
    let wanted = ClassUsage { class: "b*".to_owned(), boxes: 2, objects: 3, octets: 810, nearly_full: 1, refused: 0 };
    assert_eq!(class(&spool), wanted);
    spool.delete(&last, "a test", now()).expect("it goes");
    assert_eq!(class(&spool).nearly_full, 0);
    deposit(&spool, "spool:/eve/one", &[1; 5]).expect("room");
    let rest = spool.status().classes.pop().expect("those that fit no class");
    assert_eq!((rest.class.as_str(), rest.boxes, rest.octets), ("", 1, 5));
}
