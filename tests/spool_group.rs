//! Commits of many threads at once, which share their syncs: each is told success only when its own object is durable.

#[path = "sim/disk.rs"]
mod disk;

use std::sync::{Arc, Mutex};

use disk::{Fault, SimFiles};
use restante::model::{FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{Check, EnvelopeDraft, Index, Query, Spool, StagePlan};

const THREADS: u8 = 6;
const TURNS: u8 = 3;

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn open(files: &SimFiles, seed: u64) -> Option<Spool> {
    Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(seed), now()).ok().map(|opened| opened.0)
}

fn name(thread: u8, turn: u8) -> ObjectUri {
    format!("spool:/bob/{thread}-{turn}").parse().expect("a name")
}

fn content(thread: u8, turn: u8) -> Vec<u8> {
    (0..1500u32)
        .map(|at| (at.wrapping_mul(40_503) >> 7) as u8 ^ thread.wrapping_mul(31) ^ turn.wrapping_mul(101))
        .collect()
}

fn deposit(spool: &Spool, thread: u8, turn: u8) -> Option<()> {
    let octets = content(thread, turn);
    let mut stage = spool.stage(StagePlan::new(name(thread, turn)), now()).ok()?;
    stage.write(0, &octets).ok()?;
    let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).ok()?;
    spool.commit(sealed, EnvelopeDraft::default(), now()).ok().map(drop)
}

/// All threads at once; returns what was committed by its own commit's word.
fn rush(spool: &Spool) -> Vec<(u8, u8)> {
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let told = &told;
            scope.spawn(move || {
                for turn in 0..TURNS {
                    if deposit(spool, thread, turn).is_some() {
                        told.lock().expect("no panic").push((thread, turn));
                    }
                }
            });
        }
    });
    told.into_inner().expect("no panic")
}

/// I1: what was committed is there and identical. I2: whatever else is there is whole. And nothing is damaged.
fn audit(disk: &SimFiles, told: &[(u8, u8)]) {
    let spool = open(disk, 99).expect("the spool again");
    for (thread, turn) in told {
        let found = spool.find(&name(*thread, *turn)).expect("an answer");
        let body = spool.read(&found.expect("I1: it was committed")).expect("a body");
        let mut octets = vec![0; 1500];
        assert_eq!(body.read_at(0, &mut octets).expect("octets"), octets.len());
        assert_eq!(octets, content(*thread, *turn), "I1");
    }
    let listed = spool.list(&Query::default()).expect("a page");
    assert!(listed.iter().all(|object| spool.verify(&object.id).is_ok_and(|check| check == Check::Sound)), "I2");
    assert_eq!(spool.status().corrupt, 0, "a crash alone damages nothing");
    spool.sweep(now()).expect("a sweep");
    assert!(!disk.paths().iter().any(|path| path.starts_with("stage/")), "I5: {:?}", disk.paths());
}

/// A disk with an empty spool, and how many calls the rush makes on it, more or less.
fn rehearsal(fresh: SimFiles) -> (SimFiles, usize) {
    drop(open(&fresh, 1).expect("a new spool"));
    let disk = fresh.kill();
    let spool = open(&disk, 2).expect("the spool");
    assert_eq!(rush(&spool).len(), usize::from(THREADS * TURNS));
    (fresh, disk.calls().len())
}

#[test]
fn whatever_happens_to_the_disk_no_commit_of_a_crowd_says_more_than_is_durable() {
    for (fresh, calls) in [SimFiles::new(), SimFiles::one_by_one()].map(rehearsal) {
        for at in (0..calls).step_by(7) {
            for fault in [Fault::Crash, Fault::Eio, Fault::Enospc] {
                let disk = fresh.kill();
                disk.inject(at, fault);
                let Some(spool) = open(&disk, 2) else { continue };
                let told = rush(&spool);
                (0..3).for_each(|seed| audit(&disk.crash(seed), &told));
            }
        }
    }
}

#[test]
fn when_a_shared_sync_fails_for_want_of_room_those_that_come_later_are_committed() {
    let (fresh, _) = rehearsal(SimFiles::new());
    let disk = fresh.kill();
    let spool = open(&disk, 2).expect("the spool");
    // The octets of both are written before the sync of the first fails, and lost by it.
    let octets = content(1, 1);
    let begin = |turn| {
        let mut stage = spool.stage(StagePlan::new(name(1, turn)), now()).expect("a stage");
        stage.write(0, &octets).expect("octets");
        stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file")
    };
    let (one, two) = (begin(1), begin(2));
    disk.inject(disk.calls().len() + 2, Fault::Enospc);
    assert!(spool.commit(one, EnvelopeDraft::default(), now()).is_err());
    assert_eq!(spool.status().sync_errors, 1, "{:?}", disk.calls().last());
    assert!(spool.status().writable);
    assert!(spool.commit(two, EnvelopeDraft::default(), now()).is_err(), "the first one's sync has lost its octets");
    assert!(deposit(&spool, 3, 1).is_some(), "there is room again");
    drop(spool);
    audit(&disk.crash(1), &[(3, 1)]);
}

#[test]
fn a_name_is_nobodys_at_no_moment_while_one_object_takes_the_place_of_another() {
    const TURNS: usize = 300;
    let spool = open(&SimFiles::new(), 1).expect("a spool");
    let replace = || {
        let plan = StagePlan { overwrite: true, ..StagePlan::new(name(0, 0)) };
        let mut stage = spool.stage(plan, now()).expect("a stage");
        stage.write(0, b"abc").expect("room");
        let sealed = stage.seal(3, &FileInfo::default()).expect("a whole file");
        spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
    };
    replace();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..TURNS).for_each(|_| replace()));
        while !writer.is_finished() {
            assert!(spool.find(&name(0, 0)).expect("an answer").is_some());
        }
    });
}
