//! Disks that fill up, and disks that can't be written for a while: what is taken, what goes on, and when it is over.

#[path = "sim/disk.rs"]
mod disk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use disk::{Fault, SimFiles};
use restante::model::{FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{EnvelopeDraft, Index, Marks, Spool, Stage, StageError, StagePlan, Swept};

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn open(files: &SimFiles) -> Spool {
    Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now()).expect("a spool").0
}

fn uri(name: &str) -> ObjectUri {
    format!("spool:/bob/{name}").parse().expect("a name")
}

fn offer(spool: &Spool, name: &str, size: Option<u64>) -> Result<Stage, StageError> {
    let declared = FileInfo { size, ..FileInfo::default() };
    spool.stage(StagePlan { declared, ..StagePlan::new(uri(name)) }, now())
}

fn finish(spool: &Spool, mut stage: Stage, octets: &[u8]) {
    stage.write(0, octets).expect("the room was promised");
    let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
}

/// The same file each time, by the same sender.
fn come_back(spool: &Spool) -> Result<Stage, StageError> {
    let declared = FileInfo { size: Some(5000), ..FileInfo::default() };
    spool.stage(StagePlan { declared, resume_key: Some("key".to_owned()), ..StagePlan::new(uri("one")) }, now())
}

fn is_full(result: &Result<Stage, StageError>) -> bool {
    matches!(result, Err(StageError::Full { .. }))
}

// R7
#[test]
fn room_that_was_promised_to_one_file_is_not_promised_to_another() {
    let files = SimFiles::new();
    files.set_capacity(1_200_000);
    let spool = open(&files);
    let first = offer(&spool, "one", Some(500_000)).expect("room");
    let second = offer(&spool, "two", Some(500_000)).expect("room");
    assert!(is_full(&offer(&spool, "three", Some(500_000))), "neither of the two has sent an octet yet");
    finish(&spool, first, &vec![1; 500_000]);
    assert!(is_full(&offer(&spool, "three", Some(500_000))), "now it is on the disk");
    drop(second);
    offer(&spool, "three", Some(500_000)).expect("what nobody needs any more is free");
}

// R7
#[test]
fn fifty_files_that_were_taken_are_finished_while_nothing_new_is_taken() {
    let files = SimFiles::new();
    files.set_capacity(3_000_000);
    let spool = open(&files);
    let stages: Vec<Stage> = (0..50).map(|n| offer(&spool, &n.to_string(), Some(10_000)).expect("room")).collect();
    files.set_capacity(1_400_000); // somebody else fills the disk, but for what was promised
    spool.set_marks(Marks { high_percent: 50, low_percent: 50, ..Marks::default() });
    assert!(!spool.status().writable);
    assert!(is_full(&offer(&spool, "new", Some(1))));
    for stage in stages {
        finish(&spool, stage, &[7; 10_000]);
    }
    assert_eq!(spool.status().objects, 50);
}

// R7
#[test]
fn between_the_marks_it_stays_as_it_was() {
    let files = SimFiles::new();
    let spool = open(&files);
    spool.set_marks(Marks { high_percent: 90, low_percent: 60, ..Marks::default() });
    finish(&spool, offer(&spool, "one", Some(1_000_000)).expect("room"), &vec![1; 1_000_000]);
    let in_use = |percent: u64| {
        files.set_capacity(files.used() * 100 / percent);
        spool.status().reason
    };
    assert_eq!(in_use(70), None, "it has not been above the high mark");
    let why = in_use(95).expect("above the high mark");
    assert!(why.contains("95%") && why.contains("90%") && why.contains("60%"), "{why}");
    assert!(in_use(70).is_some() && is_full(&offer(&spool, "two", Some(1))), "not yet below the low mark");
    assert_eq!(in_use(55), None);
    assert!(in_use(70).is_none() && offer(&spool, "two", Some(1)).is_ok());
}

// R7
#[test]
fn a_disk_without_names_for_more_files_takes_none() {
    let files = SimFiles::new();
    let spool = open(&files);
    files.set_names(files.paths().len() as u64 + 8);
    let first = offer(&spool, "one", Some(10)).expect("room");
    let second = offer(&spool, "two", Some(10)).expect("room");
    assert!(is_full(&offer(&spool, "three", Some(10))), "each needs three");
    finish(&spool, first, &[1; 10]);
    finish(&spool, second, &[1; 10]);
}

// R7
#[test]
fn a_file_without_a_declared_size_does_not_eat_what_was_promised_to_others() {
    let files = SimFiles::new();
    files.set_capacity(1_300_000);
    let spool = open(&files);
    let promised = offer(&spool, "declared", Some(600_000)).expect("room");
    let mut greedy = offer(&spool, "undeclared", None).expect("room");
    greedy.write(0, &vec![1; 400_000]).expect("room");
    let refused = greedy.write(400_000, &vec![1; 400_000]);
    assert!(matches!(refused, Err(StageError::Full { .. })), "{refused:?}");
    greedy.discard();
    finish(&spool, promised, &vec![2; 600_000]);
}

// R7: deletion is the way out of a full disk, and it has to be written down first.
#[test]
fn on_a_disk_that_is_full_to_the_last_octet_an_object_can_be_deleted_for_good() {
    let files = SimFiles::new();
    let spool = open(&files);
    finish(&spool, offer(&spool, "one", Some(5000)).expect("room"), &[1; 5000]);
    files.set_capacity(files.used());
    files.set_names(files.paths().len() as u64);
    let object = spool.find(&uri("one")).expect("an answer").expect("an object");
    spool.delete(&object, "a test", now()).expect("a deletion");
    assert_eq!(spool.find(&uri("one")).expect("an answer"), None);
    drop(spool);
    let spool = open(&files.crash(1));
    assert_eq!(spool.find(&uri("one")).expect("an answer"), None, "it stays deleted");
}

// R7: what failed the first time is not taken for done the second time.
#[test]
fn a_first_report_that_found_the_disk_full_at_any_step_is_as_good_as_any_when_there_is_room_again() {
    let rehearsal = SimFiles::new();
    let mut stage = come_back(&open(&rehearsal)).expect("a stage");
    stage.write(0, &[7; 2000]).expect("room");
    let before = rehearsal.calls().len();
    stage.sync().expect("a report");
    for at in before..rehearsal.calls().len() {
        let files = SimFiles::new();
        let spool = open(&files);
        let mut stage = come_back(&spool).expect("a stage");
        stage.write(0, &[7; 2000]).expect("room");
        files.inject(at, Fault::Enospc);
        stage.sync().expect_err("no report");
        drop(stage);
        let mut stage = come_back(&spool).expect("the stage, or another");
        stage.write(0, &[7; 2000]).expect("room");
        assert_eq!(stage.sync().expect("a report"), 2000, "after {:?}", files.calls()[at]);
        for seed in 0..16 {
            let received = come_back(&open(&files.crash(seed))).expect("a stage").received();
            assert!(received.contains(0, 2000), "after {:?}, seed {seed}", files.calls()[at]);
        }
    }
}

// R8
#[test]
fn octets_that_wait_are_still_there_when_they_could_not_be_opened_for_a_while() {
    let files = SimFiles::new();
    let spool = open(&files);
    let mut stage = come_back(&spool).expect("a stage");
    stage.write(0, &[7; 2000]).expect("room");
    stage.suspend().expect("a report");
    files.inject_lasting("open", Fault::Eio);
    let why = come_back(&spool).expect_err("nothing can be opened").to_string();
    assert!(why.contains("going on with a stage"), "{why}");
    files.heal();
    assert_eq!(come_back(&spool).expect("a stage").received().prefix(), 2000);
}

// R8
#[test]
fn where_nothing_can_be_written_nothing_is_taken_until_it_can_be_again() {
    let files = SimFiles::new();
    let spool = open(&files);
    files.inject_lasting("open", Fault::Eio);
    assert!(offer(&spool, "one", Some(10)).is_err());
    let reason = spool.status().reason.expect("a reason");
    assert!(reason.contains("making a stage: EIO"), "{reason}");
    assert!(!spool.status().writable, "it was tried again, and failed again");
    files.heal();
    assert_eq!(spool.status().reason, None);
    finish(&spool, offer(&spool, "one", Some(10)).expect("a stage"), &[1; 10]);
}

// R21
#[test]
fn a_clock_that_leaps_ten_years_makes_nothing_old_and_no_id_a_second_time() {
    let files = SimFiles::new();
    let spool = open(&files);
    let hours = |uptime: u64, years: i64| Now {
        instant: now().instant + Duration::from_secs(3600 * uptime),
        wall: Wall::from_micros(now().wall.micros().saturating_add_signed(years * 365 * 86_400 * 1_000_000)),
    };
    let mut ids = BTreeSet::new();
    let mut deposit = |spool: &Spool, name: &str, now: Now| {
        let mut stage = spool.stage(StagePlan { overwrite: true, ..StagePlan::new(uri(name)) }, now).expect("a stage");
        stage.write(0, name.as_bytes()).expect("room");
        let sealed = stage.seal(name.len() as u64, &FileInfo::default()).expect("a whole file");
        let object = spool.commit(sealed, EnvelopeDraft::default(), now).expect("an object");
        assert!(ids.insert(object.envelope().id.clone()), "an id comes again");
    };
    deposit(&spool, "gone", now());
    let gone = spool.find(&uri("gone")).expect("an answer").expect("an object");
    spool.delete(&gone, "a test", now()).expect("a deletion");
    spool.sweep(now()).expect("a sweep");
    for (uptime, years) in [(1, 10), (2, -10), (3, 0), (4, 10)] {
        let swept = spool.sweep(hours(uptime, years)).expect("a sweep");
        assert_eq!(swept, Swept::default(), "after a leap of {years} years");
        deposit(&spool, &format!("kept{uptime}"), hours(uptime, years));
    }
    assert_eq!(spool.status().objects, 4);
    assert!(files.paths().iter().any(|path| path.starts_with("state/")), "by whom it was deleted is still known");
}

// R9
#[test]
fn one_envelope_that_the_disk_can_not_read_is_set_aside_and_shown_and_the_others_are_served() {
    let files = SimFiles::new();
    let spool = open(&files);
    for name in ["one", "two", "three"] {
        finish(&spool, offer(&spool, name, Some(10)).expect("a stage"), &[1; 10]);
    }
    let lost = spool.find(&uri("two")).expect("an answer").expect("an object").envelope().id.clone();
    drop(spool);
    let rehearsal = files.kill();
    drop(open(&rehearsal));
    let path = format!("queued/{lost}");
    let read = rehearsal.calls().iter().position(|call| *call == format!("open {path}")).expect("it is read");
    let files = files.kill();
    files.inject(read, Fault::Sector);
    let spool = open(&files);
    assert_eq!(spool.status().objects, 2);
    assert!(
        spool.find(&uri("one")).expect("an answer").is_some() && spool.find(&uri("two")).expect("an answer").is_none()
    );
    let mut aside = spool.set_aside().expect("a listing").into_iter().map(|aside| (aside.id, aside.kind));
    assert!(aside.any(|aside| aside == (lost.clone(), "envelope".to_owned())), "it is shown");
}
