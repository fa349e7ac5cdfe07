//! Marks, holds, deletions that can be taken back, expiry with notice: each by time that is handed in.

use std::sync::Arc;
use std::time::Duration;

use restante::model::{BoxClass, Instant, Mint, Now, Retention, Wall};
use restante::spool::{
    Change, Committed, EnvelopeDraft, Fate, Filter, Hold, Index, Mark, Query, Spool, SpoolError, StageError, StagePlan,
};

use super::disk::SimFiles;
use super::house::{class, deposit, deposit_at, limited, now, open, plan, uri, usage};

const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// So much later by both clocks.
fn after(by: Duration) -> Now {
    jumped(by, by)
}

fn jumped(uptime: Duration, wall: Duration) -> Now {
    let micros = u64::try_from(wall.as_micros()).expect("a few years");
    Now { instant: Instant::from_origin(uptime), wall: Wall::from_micros(now().wall.micros() + micros) }
}

fn keeping(keep: Retention) -> Vec<BoxClass> {
    vec![BoxClass { keep, ..class("*") }]
}

fn names(spool: &Spool, state: Option<Filter>) -> Vec<String> {
    let listed = spool.list(&Query { state, ..Query::default() }).expect("a listing");
    let mut names: Vec<_> = listed.iter().map(|envelope| envelope.uri.name().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

fn put(spool: &Spool, name: &str) -> Committed {
    deposit(spool, &format!("spool:/bob/{name}"), name.as_bytes()).expect("room")
}

/// Sweeps hour by hour, as a server does, until so much uptime.
fn sweep_until(spool: &Spool, from: Duration, to: Duration) -> (u64, u64) {
    let (mut at, mut taken) = (from, (0, 0));
    while at <= to {
        let swept = spool.sweep(after(at)).expect("a sweep");
        taken = (taken.0 + swept.expired, taken.1 + swept.ended);
        at += Duration::from_secs(3600);
    }
    taken
}

#[test]
fn marks_are_durable_and_listings_can_be_asked_for_them() {
    let files = SimFiles::new();
    let spool = open(&files, &[]);
    let [one, two, _three] = ["one", "two", "three"].map(|name| put(&spool, name));
    spool.change(&one, Change::Mark(Mark::Seen), "bob", now()).expect("a mark");
    spool.change(&two, Change::Mark(Mark::Saved), "bob", now()).expect("a mark");
    spool.change(&two, Change::Urgent(true), "alice", now()).expect("a flag");
    drop(spool);
    let spool = open(&files.kill(), &[]);
    assert_eq!(names(&spool, None), ["one", "three", "two"]);
    for (word, shown) in [
        ("new", vec!["three"]),
        ("seen", vec!["one"]),
        ("saved", vec!["two"]),
        ("urgent", vec!["two"]),
        ("held", vec![]),
    ] {
        assert_eq!(names(&spool, Filter::of(word)), shown, "{word}");
    }
    let standing = spool.standing(&two).expect("a standing");
    assert_eq!(
        (standing.mark, standing.urgent, standing.marked.map(|deed| deed.by)),
        (Mark::Saved, true, Some("bob".to_owned()))
    );
}

#[test]
fn what_an_operator_holds_is_neither_delivered_nor_expired_until_it_is_released() {
    let spool = open(&SimFiles::new(), &keeping(Retention { any: Some(DAY), ..Retention::default() }));
    let object = put(&spool, "one");
    let name = uri("spool:/bob/one");
    spool.change(&object, Change::Hold(Hold::Operator), "carol", now()).expect("a hold");
    assert!(matches!(spool.call_for(&name), Err(SpoolError::Held { by, .. }) if by == "carol"));
    assert!(spool.select("bob", &Default::default()).expect("an index").is_empty());
    assert!(spool.find(&name).expect("an index").is_some(), "it is there");
    assert_eq!(
        (names(&spool, None), names(&spool, Filter::of("held"))),
        (vec!["one".to_owned()], vec!["one".to_owned()])
    );
    assert_eq!(sweep_until(&spool, DAY, 3 * DAY), (0, 0));
    assert!(matches!(spool.delete(&object, "bob", now()), Err(SpoolError::Held { by, .. }) if by == "carol"));
    let replaced = spool.stage(StagePlan { overwrite: true, ..plan("spool:/bob/one", 1) }, now());
    assert!(matches!(replaced, Err(StageError::Held(_))), "nothing takes its place");
    spool.change(&object, Change::Release(Hold::Operator), "carol", now()).expect("a release");
    assert!(spool.call_for(&name).expect("an index").is_some());
    assert_eq!(sweep_until(&spool, 4 * DAY, 5 * DAY), (1, 1));
}

#[test]
fn a_legal_hold_stands_before_every_end() {
    let files = SimFiles::new();
    let keep = Retention { any: Some(DAY), undelete: DAY, ..Retention::default() };
    let spool = open(&files, &keeping(keep));
    let object = put(&spool, "one");
    spool.change(&object, Change::Hold(Hold::Legal), "court", now()).expect("a hold");
    assert!(spool.call_for(&uri("spool:/bob/one")).expect("an index").is_some(), "it can be heard");
    for change in [Change::Delete, Change::Purge, Change::Expire] {
        let refused = spool.change(&object, change, "bob", now());
        assert!(matches!(&refused, Err(SpoolError::Held { by, .. }) if by == "court"), "{change:?}: {refused:?}");
    }
    spool.change(&object, Change::Hold(Hold::Operator), "carol", now()).expect("another hold");
    spool.change(&object, Change::Release(Hold::Operator), "carol", now()).expect("the other's release");
    let replaced = spool.stage(StagePlan { overwrite: true, ..plan("spool:/bob/one", 1) }, now());
    assert!(matches!(replaced, Err(StageError::Held(_))));
    let spool = {
        drop(spool);
        open(&files.kill(), &keeping(keep))
    };
    assert_eq!(sweep_until(&spool, YEAR, YEAR + 3 * DAY), (0, 0));
    assert!(matches!(spool.delete(&object, "bob", now()), Err(SpoolError::Held { .. })));
    spool.change(&object, Change::Release(Hold::Legal), "court", now()).expect("its release");
    spool.change(&object, Change::Purge, "bob", now()).expect("the end");
    assert!(spool.find_id(&object.envelope().id).expect("a disk").is_none());
}

#[test]
fn a_commit_that_would_replace_what_was_held_meanwhile_is_refused() {
    let spool = open(&SimFiles::new(), &[]);
    let object = put(&spool, "one");
    let mut stage = spool.stage(StagePlan { overwrite: true, ..plan("spool:/bob/one", 3) }, now()).expect("a stage");
    stage.write(0, b"new").expect("octets");
    spool.change(&object, Change::Hold(Hold::Legal), "court", now()).expect("a hold");
    let sealed = stage.seal(3, &Default::default()).expect("a whole file");
    let refused = spool.commit(sealed, EnvelopeDraft::default(), now());
    assert!(matches!(refused, Err(restante::spool::CommitError::Held(_))), "{refused:?}");
    assert_eq!((usage(&spool, "bob"), spool.status().stages), ((1, 3), 0));
}

#[test]
fn a_deletion_can_be_taken_back_for_as_long_as_the_class_says_and_frees_the_quota_at_once() {
    let files = SimFiles::new();
    let classes =
        [BoxClass { keep: Retention { undelete: DAY, ..Retention::default() }, ..limited("*", None, Some(1)) }];
    let spool = open(&files, &classes);
    let object = put(&spool, "one");
    spool.delete(&object, "bob", now()).expect("a deletion");
    assert!(spool.find(&uri("spool:/bob/one")).expect("an index").is_none());
    assert_eq!((names(&spool, None).len(), names(&spool, Filter::of("deleted"))), (0, vec!["one".to_owned()]));
    let second = put(&spool, "one");
    let back = |spool: &Spool| spool.change(&object, Change::Undelete, "bob", now());
    assert!(matches!(back(&spool), Err(SpoolError::Exists(_))), "its name has been given away");
    spool.change(&second, Change::Purge, "bob", now()).expect("the end of the second");
    let third = put(&spool, "three");
    assert!(matches!(back(&spool), Err(SpoolError::Quota(_))), "its room has been given away");
    spool.change(&third, Change::Purge, "bob", now()).expect("the end of the third");
    drop(spool);
    let files = files.kill();
    let spool = open(&files, &classes);
    assert_eq!(usage(&spool, "bob"), (0, 0), "a recount");
    assert_eq!(back(&spool).expect("it comes back").fate, Fate::Stored);
    assert_eq!((names(&spool, None), usage(&spool, "bob")), (vec!["one".to_owned()], (1, 3)));
    spool.delete(&object, "bob", now()).expect("a deletion");
    assert_eq!(sweep_until(&spool, Duration::ZERO, DAY - Duration::from_secs(3600)), (0, 0));
    assert_eq!(sweep_until(&spool, DAY, DAY), (0, 1));
    assert!(spool.find_id(&object.envelope().id).expect("a disk").is_none());
    assert!(matches!(back(&spool), Err(SpoolError::Gone { .. })));
    assert!(!files.paths().iter().any(|path| path.starts_with("data/") && path.len() > 7));
}

#[test]
fn it_is_said_that_an_object_has_expired_before_its_octets_go() {
    let files = SimFiles::new();
    let keep = Retention { any: Some(2 * DAY), notice: DAY, ..Retention::default() };
    let spool = open(&files, &keeping(keep));
    let object = put(&spool, "one");
    assert_eq!(sweep_until(&spool, Duration::ZERO, 2 * DAY - Duration::from_secs(3600)), (0, 0));
    assert_eq!(sweep_until(&spool, 2 * DAY, 2 * DAY), (1, 0));
    drop(spool);
    let spool = open(&files.kill(), &keeping(keep));
    let object = spool.find_id(&object.envelope().id).expect("a disk").expect("its octets are there");
    let standing = spool.standing(&object).expect("a standing");
    assert_eq!((standing.word(), standing.ended.expect("a deed").by.as_str()), ("expired", "keep"));
    assert_eq!((names(&spool, None).len(), names(&spool, Filter::of("expired"))), (0, vec!["one".to_owned()]));
    let second = spool.change(&object, Change::Undelete, "bob", after(2 * DAY)).expect("it can come back");
    assert_eq!(second.fate, Fate::Stored);
    assert_eq!(sweep_until(&spool, 2 * DAY, 2 * DAY), (1, 0), "and its time is still over");
    assert_eq!(sweep_until(&spool, 3 * DAY - Duration::from_secs(3600), 3 * DAY), (0, 1));
}

#[test]
fn each_mark_has_its_own_age_and_a_dry_run_says_what_would_go_and_why() {
    let keep = Retention { new: Some(10 * DAY), seen: Some(2 * DAY), saved: Some(20 * DAY), ..Retention::default() };
    let spool = open(&SimFiles::new(), &keeping(keep));
    let [_new, seen, saved] = ["new", "seen", "saved"].map(|name| put(&spool, name));
    spool.change(&seen, Change::Mark(Mark::Seen), "bob", after(5 * DAY)).expect("a mark");
    spool.change(&saved, Change::Mark(Mark::Saved), "bob", after(5 * DAY)).expect("a mark");
    let due = |days: u32| -> Vec<(String, &str)> {
        let due = spool.due(after(days * DAY)).expect("a report");
        let mut due: Vec<_> = due.into_iter().map(|due| (due.uri.to_string(), due.why)).collect();
        due.sort();
        due
    };
    let (new, seen, saved) = (
        ("spool:/bob/new".to_owned(), "keep_new"),
        ("spool:/bob/seen".to_owned(), "keep_seen"),
        ("spool:/bob/saved".to_owned(), "keep_saved"),
    );
    assert_eq!(due(6), []);
    assert_eq!(due(7), std::slice::from_ref(&seen));
    assert_eq!(due(10), [new.clone(), seen.clone()]);
    assert_eq!(due(25), [new, saved, seen]);
    assert_eq!(names(&spool, None).len(), 3, "a report changes nothing");
    assert_eq!(sweep_until(&spool, 25 * DAY, 25 * DAY), (3, 0));
}

#[test]
fn what_its_sender_has_said_of_its_expiry_counts_without_any_rule() {
    let spool = open(&SimFiles::new(), &[]);
    let mut stage = spool.stage(plan("spool:/bob/one", 3), now()).expect("a stage");
    stage.write(0, b"abc").expect("octets");
    let sealed = stage.seal(3, &Default::default()).expect("a whole file");
    let draft = EnvelopeDraft { expires: Some(after(DAY).wall), ..EnvelopeDraft::default() };
    spool.commit(sealed, draft, now()).expect("an object");
    assert_eq!(sweep_until(&spool, Duration::ZERO, DAY - Duration::from_secs(3600)), (0, 0));
    assert_eq!(sweep_until(&spool, DAY, 2 * DAY), (1, 1));
}

// R21
#[test]
fn a_clock_that_jumps_ten_years_ahead_takes_nobodys_files() {
    let files = SimFiles::new();
    let classes = keeping(Retention { any: Some(30 * DAY), ..Retention::default() });
    let spool = open(&files, &classes);
    for number in 0..20 {
        put(&spool, &format!("{number}"));
    }
    assert_eq!(sweep_until(&spool, Duration::ZERO, DAY), (0, 0));
    for hour in 1..20 {
        let uptime = DAY + Duration::from_secs(3600 * hour);
        let swept = spool.sweep(jumped(uptime, uptime + 10 * YEAR)).expect("a sweep");
        assert_eq!((swept.expired, swept.ended), (0, 0), "hour {hour}");
    }
    drop(spool);
    let spool = open(&files.kill(), &classes);
    let swept = spool.sweep(jumped(Duration::ZERO, 10 * YEAR)).expect("a sweep after a restart");
    assert_eq!((swept.expired, names(&spool, None).len()), (0, 20));
    let swept = spool.sweep(jumped(DAY / 2, 2 * DAY)).expect("a sweep when it is set right");
    assert_eq!((swept.expired, names(&spool, None).len()), (0, 20));
    assert_eq!(spool.sweep(jumped(DAY, 31 * DAY)).expect("a sweep").expired, 0, "another jump");
    assert_eq!(spool.sweep(jumped(2 * DAY, 32 * DAY)).expect("a sweep").expired, 20, "it has run evenly for a day");
}

#[test]
fn a_deposit_in_the_future_is_no_reason_to_expire_it() {
    let spool = open(&SimFiles::new(), &keeping(Retention { any: Some(DAY), ..Retention::default() }));
    deposit_at(&spool, plan("spool:/bob/one", 1), b"x", jumped(Duration::ZERO, 10 * YEAR)).expect("room");
    assert_eq!(sweep_until(&spool, Duration::ZERO, 3 * DAY), (0, 0));
}

#[test]
fn a_start_reads_of_what_has_become_of_objects_only_what_its_index_does_not_know() {
    let (files, dir) = (SimFiles::new(), tempfile::tempdir().expect("a directory"));
    let start = |files: &SimFiles, mint| {
        let index = Index::open(dir.path().join("index.sqlite"));
        Spool::open(Arc::new(files.clone()), index, Mint::from_number(mint), now()).expect("a spool").0
    };
    let reads = |files: &SimFiles| files.calls().iter().filter(|call| call.starts_with("open state/")).count();
    let spool = start(&files, 1);
    let objects: Vec<_> = (0..20).map(|number| put(&spool, &number.to_string())).collect();
    for object in &objects {
        spool.change(object, Change::Mark(Mark::Seen), "bob", now()).expect("a mark");
    }
    drop(spool);
    let again = files.kill();
    assert_eq!(names(&start(&again, 2), Filter::of("seen")).len(), 20);
    assert_eq!(reads(&again), 0, "{:?}", again.calls());

    // What is done while the index is away is read, and nothing else.
    let spool = open(&again, &[]);
    spool.change(&objects[3], Change::Mark(Mark::Saved), "bob", now()).expect("a mark");
    spool.change(&objects[4], Change::Purge, "bob", now()).expect("the end");
    drop(spool);
    let third = again.kill();
    let spool = start(&third, 3);
    assert_eq!(
        (names(&spool, Filter::of("seen")).len(), names(&spool, Filter::of("saved"))),
        (18, vec!["3".to_owned()])
    );
    // The end is read to know the message again if that comes once more.
    assert_eq!(reads(&third), 2, "{:?}", third.calls());
}

#[test]
fn an_object_whose_state_is_damaged_is_held_until_somebody_has_looked() {
    let files = SimFiles::new();
    let spool = open(&files, &[]);
    let object = put(&spool, "one");
    spool.change(&object, Change::Hold(Hold::Legal), "court", now()).expect("a hold");
    drop(spool);
    let files = files.kill();
    let state = files.paths().into_iter().find(|path| path.starts_with("state/")).expect("a state");
    let mut octets = files.octets(&state);
    octets[90] ^= 1;
    files.overwrite(&state, &octets);
    let spool = open(&files, &[]);
    let standing = spool.standing(&object).expect("an index");
    assert!(standing.held.is_some_and(|deed| deed.by.contains("damaged")));
    assert_eq!(spool.status().corrupt, 1);
    assert!(matches!(spool.delete(&object, "bob", now()), Err(SpoolError::Held { .. })));
    drop(spool);
    let spool = open(&files.kill(), &[]);
    spool.change(&object, Change::Release(Hold::Operator), "carol", now()).expect("a release");
    spool.delete(&object, "bob", now()).expect("a deletion");
}

// R21
#[test]
fn what_came_while_the_clock_stood_at_the_year_2000_is_not_too_old_when_it_is_set_right() {
    let files = SimFiles::new();
    let keep = Retention { any: Some(30 * DAY), undelete: DAY, ..Retention::default() };
    let spool = open(&files, &keeping(keep));
    put(&spool, "before");
    spool.sweep(now()).expect("a sweep");
    drop(spool);
    // The machine starts again without a battery, and takes files for two days before somebody sets its clock.
    let in_2000 = |uptime: Duration| {
        let micros = 946_684_800_000_000 + u64::try_from(uptime.as_micros()).expect("a few days");
        Now { instant: Instant::from_origin(uptime), wall: Wall::from_micros(micros) }
    };
    let files = files.kill();
    let mint = Mint::from_number(9);
    let opened = Spool::open(Arc::new(files.clone()), Index::in_memory(), mint, in_2000(Duration::ZERO));
    let spool = opened.expect("a spool").0;
    spool.set_classes(keeping(keep));
    let sent = |name: &str, at: Now| {
        let (octets, draft) =
            (name.as_bytes(), EnvelopeDraft { expires: Some(at.wall.after(10 * DAY)), ..<_>::default() });
        let mut stage = spool.stage(plan(&format!("spool:/bob/{name}"), octets.len() as u64), at).expect("room");
        stage.write(0, octets).expect("room");
        let sealed = stage.seal(octets.len() as u64, &Default::default()).expect("a whole file");
        spool.commit(sealed, draft, at).expect("an object")
    };
    let first = sent("first", in_2000(DAY / 24));
    let gone = sent("gone", in_2000(DAY / 24));
    spool.delete(&gone, "bob", in_2000(DAY / 12)).expect("a deletion");
    let mut uptime = Duration::ZERO;
    while uptime < 2 * DAY {
        spool.sweep(in_2000(uptime)).expect("a sweep");
        uptime += DAY / 24;
    }
    sent("second", in_2000(uptime));
    assert!(
        first.envelope().stored >= Wall::from_micros(1_767_225_600_000_000),
        "{}",
        first.envelope().stored.rfc3339()
    );
    // Now it is set right, and believed a day later.
    let right = |uptime: Duration| jumped(uptime, uptime);
    let mut swept = (0, 0);
    while uptime < 4 * DAY {
        let taken = spool.sweep(right(uptime)).expect("a sweep");
        swept = (swept.0 + taken.expired, swept.1 + taken.ended);
        uptime += DAY / 24;
    }
    assert_eq!((swept.0, names(&spool, None)), (0, ["before", "first", "second"].map(str::to_owned).to_vec()));
}

#[test]
fn an_object_whose_last_state_is_damaged_is_held_though_an_older_one_is_sound() {
    let files = SimFiles::new();
    let spool = open(&files, &[]);
    let object = put(&spool, "one");
    spool.change(&object, Change::Mark(Mark::Seen), "bob", now()).expect("a mark");
    let states = |files: &SimFiles| files.paths().into_iter().find(|path| path.starts_with("state/")).expect("a state");
    let older = (states(&files), files.octets(&states(&files)));
    spool.change(&object, Change::Hold(Hold::Legal), "court", now()).expect("a hold");
    drop(spool);
    let files = files.kill();
    let newest = states(&files);
    let mut octets = files.octets(&newest);
    octets[90] ^= 1;
    files.overwrite(&newest, &octets);
    files.overwrite(&older.0, &older.1); // the removal of the one before never got to the disk
    let spool = open(&files, &[]);
    let standing = spool.standing(&object).expect("an index");
    assert!(standing.held.is_some_and(|deed| deed.by.contains("damaged")), "a legal hold may have been in it");
    assert_eq!((standing.mark, spool.status().corrupt), (Mark::Seen, 1));
    assert!(matches!(spool.delete(&object, "bob", now()), Err(SpoolError::Held { .. })));
    drop(spool);
    let again = open(&files.kill(), &[]).standing(&object).expect("an index");
    assert!(again.held.is_some(), "and stays held");
}
