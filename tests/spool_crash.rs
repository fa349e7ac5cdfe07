//! Power cuts, kills, failing disks and planted bugs at every single file-system call of an object's life.

#[path = "sim/disk.rs"]
mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use disk::{Fault, SimFiles};
use restante::model::{Digest, FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{Check, Committed, EnvelopeDraft, Index, Query, Spool, StagePlan};
use sha2::{Digest as _, Sha256};

const SEEDS: u64 = 12;

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn uri() -> ObjectUri {
    "spool:/bob/one".parse().expect("a name")
}

/// The first and the second file of that name: longer than a few sectors, and different in every one.
fn content(generation: u8) -> Vec<u8> {
    (0..5000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ generation.wrapping_mul(77)).collect()
}

fn declared(octets: &[u8]) -> FileInfo {
    let digest = Digest::sha256(Sha256::digest(octets).into());
    FileInfo { size: Some(octets.len() as u64), digests: vec![digest], ..FileInfo::default() }
}

fn plan(octets: &[u8], key: &str) -> StagePlan {
    let resume_key = Some(key.to_owned());
    StagePlan { resume_key, declared: declared(octets), overwrite: true, ..StagePlan::new(uri()) }
}

/// What the other side has been told, kept outside of the spool.
#[derive(Debug, Default)]
struct Ledger {
    /// What may be found under the name: one thing when it was reported, two while a step is under way.
    allowed: Vec<Option<u8>>,
    /// Octets of the file with this generation that were reported durable and not yet committed.
    durable: BTreeMap<u8, u64>,
    /// The story ran to its end.
    done: bool,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Deposit, replace, delete, deposit again: everything that changes a name.
fn story(spool: &Spool, ledger: &mut Ledger) -> Outcome<()> {
    ledger.allowed = vec![None];
    deposit(spool, ledger, 1, true)?;
    deposit(spool, ledger, 2, false)?;
    let object = spool.find(&uri())?.ok_or("a committed object is there")?;
    ledger.allowed.push(None);
    spool.delete(&object, "a test", now())?;
    ledger.allowed = vec![None];
    deposit(spool, ledger, 3, true)?;
    ledger.done = true;
    Ok(())
}

fn deposit(spool: &Spool, ledger: &mut Ledger, generation: u8, report: bool) -> Outcome<Committed> {
    let octets = content(generation);
    let mut stage = spool.stage(plan(&octets, &format!("key {generation}")), now())?;
    stage.write(0, &octets[..2000])?;
    if report {
        let prefix = stage.sync()?;
        ledger.durable.insert(generation, prefix);
    }
    stage.write(3000, &octets[3000..])?; // out of order
    stage.write(2000, &octets[2000..3000])?;
    let sealed = stage.seal(octets.len() as u64, &declared(&octets))?;
    ledger.allowed.push(Some(generation));
    let committed = spool.commit(sealed, EnvelopeDraft::default(), now())?;
    ledger.allowed = vec![Some(generation)];
    ledger.durable.remove(&generation);
    Ok(committed)
}

fn open(files: &SimFiles, seed: u64) -> Outcome<Spool> {
    Ok(Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(seed), now())?.0)
}

fn body(spool: &Spool, object: &Committed) -> Outcome<Vec<u8>> {
    let body = spool.read(object)?;
    let mut octets = vec![0; usize::try_from(body.size())?];
    body.read_at(0, &mut octets)?;
    Ok(octets)
}

/// I1: what was reported is there, and identical. I2: nothing else is. I5: nothing is left behind.
fn audit(files: &SimFiles, ledger: &Ledger) -> Result<(), String> {
    let told = |error: Box<dyn std::error::Error>| format!("{error}");
    let spool = open(files, 99).map_err(told)?;
    let found = spool.find(&uri()).map_err(|error| error.to_string())?;
    let octets = found.map(|object| body(&spool, &object)).transpose().map_err(told)?;
    if !ledger.allowed.iter().any(|generation| generation.map(content) == octets) {
        return Err(format!("I1: found {:?} octets, allowed {:?}", octets.map(|o| o.len()), ledger.allowed));
    }
    let listed = spool.list(&Query::default()).map_err(|error| error.to_string())?;
    if listed.len() != usize::from(octets.is_some()) || spool.status().objects != listed.len() as u64 {
        return Err(format!("I2: {} objects are visible", listed.len()));
    }
    for object in listed {
        let check = spool.verify(&object.id).map_err(|error| error.to_string())?;
        if check != Check::Sound {
            return Err(format!("I2: {check:?}"));
        }
    }
    if spool.status().corrupt > 0 {
        return Err("a crash alone damages nothing".to_owned());
    }
    spool.sweep(now()).map_err(|error| error.to_string())?;
    let staged = files.paths().iter().filter(|path| path.starts_with("stage/")).count() as u64;
    if staged != 2 * spool.status().stages {
        return Err(format!("I5: {staged} files of {} stages", spool.status().stages));
    }
    ledger.durable.iter().try_for_each(|(generation, prefix)| resume(&spool, *generation, *prefix).map_err(told))
}

/// What was reported durable need not be sent again.
fn resume(spool: &Spool, generation: u8, prefix: u64) -> Outcome<()> {
    let octets = content(generation);
    let mut stage = spool.stage(plan(&octets, &format!("key {generation}")), now())?;
    if !stage.received().contains(0, prefix) {
        // A commit that got through without its answer has used the octets up.
        let committed = spool.find(&uri())?.map(|object| body(spool, &object)).transpose()?;
        return if committed.as_ref() == Some(&octets) { Ok(()) } else { Err("I1: a reported range is lost".into()) };
    }
    stage.write(prefix, &octets[usize::try_from(prefix)?..])?;
    let sealed = stage.seal(octets.len() as u64, &declared(&octets))?;
    let committed = spool.commit(sealed, EnvelopeDraft::default(), now())?;
    if body(spool, &committed)? == octets { Ok(()) } else { Err("I1: a resumed file differs".into()) }
}

/// A disk that syncs everything at once, and one that syncs file by file.
fn disks() -> [SimFiles; 2] {
    [SimFiles::new(), SimFiles::one_by_one()]
}

/// A fresh spool, and the number of file-system calls the story makes on it.
fn rehearsal(fresh: SimFiles) -> (SimFiles, usize) {
    drop(open(&fresh, 1).expect("a new spool"));
    let (disk, mut ledger) = (fresh.kill(), Ledger::default());
    story(&open(&disk, 2).expect("the spool again"), &mut ledger).expect("a story without faults");
    assert!(ledger.done);
    (fresh, disk.calls().len())
}

/// Runs the story with a fault at one call.
fn run(fresh: &SimFiles, at: usize, fault: Fault) -> (SimFiles, Ledger) {
    let (disk, mut ledger) = (fresh.kill(), Ledger { allowed: vec![None], ..Ledger::default() });
    disk.inject(at, fault);
    let _ = open(&disk, 2).and_then(|spool| story(&spool, &mut ledger));
    (disk, ledger)
}

// R2, R3
#[test]
fn nothing_reported_is_lost_and_nothing_half_written_is_seen_after_a_power_cut_at_any_call() {
    for (fresh, calls) in disks().map(rehearsal) {
        for at in 0..=calls {
            let (disk, ledger) = run(&fresh, at, Fault::Crash);
            for seed in 0..SEEDS {
                audit(&disk.crash(seed), &ledger)
                    .unwrap_or_else(|why| panic!("call {at} {:?}, seed {seed}: {why}", disk.calls().get(at)));
            }
        }
    }
}

// R1
// M4975-5.4-24: what was reported before the kill is not sent again, and the file is complete.
#[test]
fn nothing_reported_is_lost_after_a_kill_at_any_call() {
    for (fresh, calls) in disks().map(rehearsal) {
        for at in 0..=calls {
            let (disk, ledger) = run(&fresh, at, Fault::Crash);
            audit(&disk.kill(), &ledger).unwrap_or_else(|why| panic!("call {at} {:?}: {why}", disk.calls().get(at)));
        }
    }
}

// R2, R3
#[test]
fn a_second_power_cut_at_any_call_of_the_recovery_changes_nothing() {
    for (fresh, calls) in disks().map(rehearsal) {
        for at in (0..calls).step_by(7) {
            let (disk, ledger) = run(&fresh, at, Fault::Crash);
            let once = disk.crash(at as u64);
            let restart = once.kill();
            drop(open(&restart, 3).expect("a recovery without faults"));
            for again in 0..restart.calls().len() {
                let twice = once.kill();
                twice.inject(again, Fault::Crash);
                drop(open(&twice, 3));
                audit(&twice.crash(again as u64), &ledger).unwrap_or_else(|why| panic!("calls {at}, {again}: {why}"));
            }
        }
    }
}

#[test]
fn a_power_cut_while_a_new_spool_is_made_leaves_something_that_can_be_opened() {
    let rehearsal = SimFiles::new();
    drop(open(&rehearsal, 1).expect("a new spool"));
    for at in 0..rehearsal.calls().len() {
        let disk = SimFiles::new();
        disk.inject(at, Fault::Crash);
        // What comes after the last is not needed: a spool without ballast is one.
        assert!(open(&disk, 1).is_err() || rehearsal.calls()[at].ends_with(" ballast"));
        for seed in 0..SEEDS {
            let ledger = Ledger { allowed: vec![None], ..Ledger::default() };
            audit(&disk.crash(seed), &ledger).unwrap_or_else(|why| panic!("call {at}, seed {seed}: {why}"));
        }
    }
}

// R5, R6, R7
#[test]
fn a_failed_call_is_never_reported_as_success_and_a_failed_sync_never_tried_again() {
    for (fresh, calls) in disks().map(rehearsal) {
        for at in 0..calls {
            for fault in [Fault::Eio, Fault::Enospc] {
                let (disk, ledger) = run(&fresh, at, fault);
                for seed in 0..3 {
                    audit(&disk.crash(seed), &ledger).unwrap_or_else(|why| {
                        panic!("{fault:?} at {at} {:?}, seed {seed}: {why}", disk.calls().get(at))
                    });
                }
            }
        }
    }
}

// R5
#[test]
fn after_a_failed_sync_the_spool_takes_nothing_until_it_is_opened_again() {
    let (fresh, _) = rehearsal(SimFiles::new());
    let disk = fresh.kill();
    let spool = open(&disk, 2).expect("the spool");
    let octets = content(1);
    let mut stage = spool.stage(plan(&octets, "key"), now()).expect("a stage");
    stage.write(0, &octets).expect("octets");
    disk.inject(disk.calls().len(), Fault::Eio);
    assert!(stage.sync().is_err());
    assert!(stage.sync().is_err(), "the second sync of the kernel would succeed, and prove nothing");
    assert!(stage.seal(5000, &declared(&octets)).is_err());
    assert!(!spool.status().writable);
    assert_eq!(spool.status().sync_errors, 1);
    assert!(spool.stage(plan(&octets, "other"), now()).is_err());
    drop(spool);
    assert!(open(&disk, 3).expect("the spool again").status().writable);
}

// R7
#[test]
fn a_disk_that_was_full_is_used_again_when_it_has_room() {
    let (fresh, _) = rehearsal(SimFiles::new());
    let disk = fresh.kill();
    let spool = open(&disk, 2).expect("the spool");
    disk.set_capacity(3000);
    let mut ledger = Ledger { allowed: vec![None], ..Ledger::default() };
    assert!(deposit(&spool, &mut ledger, 1, false).is_err());
    assert!(!disk.paths().iter().any(|path| path.starts_with("queued/")), "no partial commit");
    disk.set_capacity(1 << 30);
    deposit(&spool, &mut ledger, 1, false).expect("a deposit");
    drop(spool);
    audit(&disk.crash(1), &ledger).expect("nothing is lost");
}

// R4
/// The auditor is worth something: leave out any sync of the commit, and some power cut shows it.
#[test]
fn a_commit_that_leaves_out_one_of_its_syncs_is_caught() {
    let ways = ["body, its directory, envelope, its directory", "both files, both names"];
    for ((fresh, _), way) in disks().map(rehearsal).into_iter().rev().zip(ways) {
        let rehearsed = fresh.kill();
        let spool = open(&rehearsed, 2).expect("the spool");
        let before = rehearsed.calls().len();
        deposit(&spool, &mut Ledger::default(), 1, false).expect("a deposit");
        let calls = rehearsed.calls();
        let syncs: Vec<usize> = (before..calls.len()).filter(|at| calls[*at].starts_with("sync")).collect();
        assert_eq!(syncs.len(), way.split(',').count(), "{way}: {calls:?}");
        for at in syncs {
            // The power goes right after the commit, or somewhere on its way.
            let caught = (at + 1..=calls.len()).any(|cut| {
                let (disk, mut ledger) = (fresh.kill(), Ledger { allowed: vec![None], ..Ledger::default() });
                disk.inject(at, Fault::Skip);
                disk.inject(cut, Fault::Crash);
                let spool = open(&disk, 2).expect("the spool");
                let _ = deposit(&spool, &mut ledger, 1, false);
                (0..40).any(|seed| audit(&disk.crash(seed), &ledger).is_err())
            });
            assert!(caught, "nobody missed `{}` of {way}", calls[at]);
        }
    }
}

// R4
/// The same for the incremental report: its octets, its claim, and the names of both.
#[test]
fn a_report_that_leaves_out_one_of_its_syncs_is_caught() {
    let (fresh, _) = rehearsal(SimFiles::new());
    let octets = content(1);
    let report = |disk: &SimFiles| {
        let spool = open(disk, 2).expect("the spool");
        let mut stage = spool.stage(plan(&octets, "key 1"), now()).expect("a stage");
        stage.write(0, &octets[..4096]).expect("octets");
        (disk.calls().len(), stage.sync().expect("a sync that believes in itself"))
    };
    let rehearsed = fresh.kill();
    let (before, _) = report(&rehearsed);
    let calls = rehearsed.calls();
    let syncs: Vec<usize> = (before..calls.len()).filter(|at| calls[*at].starts_with("sync")).collect();
    assert_eq!(syncs.len(), 3, "{calls:?}");
    for at in syncs {
        let disk = fresh.kill();
        disk.inject(at, Fault::Skip);
        let (_, prefix) = report(&disk);
        let ledger = Ledger { allowed: vec![None], durable: BTreeMap::from([(1, prefix)]), done: false };
        let caught = (0..40).any(|seed| audit(&disk.crash(seed), &ledger).is_err());
        assert!(caught, "nobody missed `{}`", calls[at]);
    }
}

// I2: its sender was told that it has failed, and will bring it again.
#[test]
fn a_commit_that_has_failed_is_not_brought_back_by_a_power_cut() {
    let octets = content(1);
    for fresh in disks() {
        let sealed = |disk: &SimFiles| {
            let spool = open(disk, 2).expect("a spool");
            let mut stage = spool.stage(plan(&octets, "key"), now()).expect("a stage");
            stage.write(0, &octets).expect("octets");
            let sealed = stage.seal(5000, &declared(&octets)).expect("a whole file");
            (spool, sealed)
        };
        let rehearsal = fresh.kill();
        let (spool, whole) = sealed(&rehearsal);
        let before = rehearsal.calls().len();
        spool.commit(whole, EnvelopeDraft::default(), now()).expect("a commit");
        for at in before..rehearsal.calls().len() {
            let disk = fresh.kill();
            let (spool, whole) = sealed(&disk);
            disk.inject(at, Fault::Eio);
            if spool.commit(whole, EnvelopeDraft::default(), now()).is_ok() {
                continue; // what came after the commit point failed
            }
            drop(spool);
            for seed in 0..SEEDS {
                let found = open(&disk.crash(seed), 3).expect("a spool").find(&uri()).expect("an index");
                assert_eq!(found, None, "{:?} failed, seed {seed}", disk.calls().get(at));
            }
        }
    }
}
