//! A bucket that fails before and after every single call of an object's life, a process that is killed at every one, and
//! a disk that loses power meanwhile.

#[path = "sim/bucket.rs"]
mod bucket;
#[path = "sim/disk.rs"]
mod disk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bucket::{Lapse, SimBucket};
use disk::{Fault, SimFiles};
use restante::io::files::HostFiles;
use restante::model::{Digest, FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{
    Bucket as _, Carried, Change, Check, Committed, EnvelopeDraft, Hold, Index, Keys, Mark, Query, Remote, Report,
    Spool, SpoolError, StagePlan, Standing,
};
use sha2::{Digest as _, Sha256};

/// Small parts, so that small files have several.
const PART_OCTETS: u64 = 1000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn uri() -> ObjectUri {
    "spool:/bob/one".parse().expect("a name")
}

/// The third file is shorter than a part.
fn content(generation: u8) -> Vec<u8> {
    let length = if generation == 3 { 700 } else { 3500 };
    (0..length).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ generation.wrapping_mul(77)).collect()
}

fn declared(octets: &[u8]) -> FileInfo {
    let digest = Digest::sha256(Sha256::digest(octets).into());
    FileInfo { size: Some(octets.len() as u64), digests: vec![digest], ..FileInfo::default() }
}

fn plan(generation: u8) -> StagePlan {
    let resume_key = Some(format!("key {generation}"));
    StagePlan { resume_key, declared: declared(&content(generation)), overwrite: true, ..StagePlan::new(uri()) }
}

/// A disk and a bucket, as the next process finds them.
struct World {
    disk: SimFiles,
    bucket: SimBucket,
    report: Report,
}

impl World {
    fn fresh(report: Report) -> Self {
        let world = Self { disk: SimFiles::new(), bucket: SimBucket::new(), report };
        world.bucket.set_clock(now().wall);
        drop(world.open(1).expect("a new spool"));
        world.restart()
    }

    fn restart(&self) -> Self {
        Self { disk: self.disk.kill(), bucket: self.bucket.restart(), report: self.report }
    }

    fn power_cut(&self, seed: u64) -> Self {
        Self { disk: self.disk.crash(seed), ..self.restart() }
    }

    fn open(&self, seed: u64) -> Outcome<Spool> {
        self.open_with(Index::in_memory(), seed)
    }

    fn open_with(&self, index: Index, seed: u64) -> Outcome<Spool> {
        let report = self.report;
        let remote = Remote::new(Arc::new(self.bucket.clone()), PART_OCTETS, Box::new(move |_| report));
        let (files, mint) = (Arc::new(self.disk.clone()), Mint::from_number(seed));
        Ok(Spool::open_with_bucket(files, Some(remote), index, Keys::none(), mint, now())?.0)
    }
}

/// What the other side has been told, kept outside of the spool.
#[derive(Debug)]
struct Ledger {
    /// What may be found under the name: one thing when it was reported, two while a step is under way.
    allowed: Vec<Option<u8>>,
    /// Octets of the file with this generation that were reported durable and not yet committed.
    durable: BTreeMap<u8, u64>,
    /// What was said of the first file.
    seen: bool,
    urgent: bool,
    done: bool,
}

impl Ledger {
    fn new() -> Self {
        Self { allowed: vec![None], durable: BTreeMap::new(), seen: false, urgent: false, done: false }
    }
}

/// Carries until there is nothing to do, or until something fails.
fn carry(spool: &Spool) -> Carried {
    loop {
        match spool.carry(Duration::ZERO) {
            Carried::Something => {}
            end => return end,
        }
    }
}

/// Deposit, mark, replace, delete, deposit again: everything that changes a name, and what has become of an object before
/// and after it is in the bucket.
fn story(spool: &Spool, ledger: &mut Ledger) -> Outcome<()> {
    ledger.allowed = vec![None];
    let object = deposit(spool, ledger, 1)?;
    spool.change(&object, Change::Mark(Mark::Seen), "a test", now())?;
    ledger.seen = true;
    carry(spool);
    spool.change(&object, Change::Urgent(true), "a test", now())?;
    ledger.urgent = true;
    deposit(spool, ledger, 2)?;
    let object = spool.find(&uri())?.ok_or("a committed object is there")?;
    ledger.allowed.push(None);
    spool.delete(&object, "a test", now())?;
    ledger.allowed = vec![None];
    deposit(spool, ledger, 3)?;
    carry(spool);
    ledger.done = true;
    Ok(())
}

fn deposit(spool: &Spool, ledger: &mut Ledger, generation: u8) -> Outcome<Committed> {
    let octets = content(generation);
    let half = octets.len() / 2;
    let mut stage = spool.stage(plan(generation), now())?;
    stage.write(0, &octets[..half])?;
    ledger.durable.insert(generation, stage.sync()?);
    carry(spool);
    stage.write(half as u64, &octets[half..])?;
    let sealed = stage.seal(octets.len() as u64, &declared(&octets))?;
    ledger.allowed.push(Some(generation));
    let committed = spool.commit(sealed, EnvelopeDraft::default(), now())?;
    ledger.allowed = vec![Some(generation)];
    ledger.durable.remove(&generation);
    Ok(committed)
}

fn body(spool: &Spool, object: &Committed) -> Outcome<Vec<u8>> {
    let body = spool.read(object)?;
    let mut octets = vec![0; usize::try_from(body.size())?];
    body.read_at(0, &mut octets)?;
    Ok(octets)
}

/// I1: what was reported is there, and identical. I2: nothing else is. I5: nothing is left behind.
fn audit(world: &World, ledger: &Ledger) -> Outcome<()> {
    let spool = world.open(99)?;
    look(&spool, ledger)?;
    if carry(&spool) != Carried::Nothing {
        return Err("what follows into the bucket does not get there".into());
    }
    look(&spool, ledger)?;
    if world.disk.paths().iter().any(|path| path.starts_with("queued/") || path.matches('/').count() == 2) {
        return Err(format!("I5: still on the disk: {:?}", world.disk.paths()).into());
    }
    // What only time can tell to be nobody's goes after a week.
    let later = Wall::from_micros(now().wall.micros() + 8 * 24 * 3600 * 1_000_000);
    spool.sweep(Now { wall: later, ..now() })?;
    let stages = spool.status().stages;
    let staged = world.disk.paths().into_iter().filter(|path| path.starts_with("stage/") && !path.ends_with(".upload"));
    if staged.count() as u64 != 2 * stages || world.bucket.uploads() as u64 > stages {
        return Err(
            format!("I5: {:?} and {} uploads of {stages} stages", world.disk.paths(), world.bucket.uploads()).into()
        );
    }
    ledger.durable.iter().try_for_each(|(generation, prefix)| resume(&spool, *generation, *prefix))
}

fn look(spool: &Spool, ledger: &Ledger) -> Outcome<()> {
    let object = spool.find(&uri())?;
    let found = object.as_ref().map(|object| body(spool, object)).transpose()?;
    if let Some(object) = object.filter(|_| found == Some(content(1))) {
        let Standing { mark, urgent, .. } = spool.standing(&object)?;
        if (ledger.seen && mark != Mark::Seen) || (ledger.urgent && !urgent) {
            return Err(format!("I1: {mark:?} and urgent {urgent} after {ledger:?}").into());
        }
    }
    if !ledger.allowed.iter().any(|generation| generation.map(content) == found) {
        return Err(format!("I1: found {:?} octets, allowed {:?}", found.map(|o| o.len()), ledger.allowed).into());
    }
    let listed = spool.list(&Query::default())?;
    if listed.len() != usize::from(found.is_some()) || spool.status().objects != listed.len() as u64 {
        return Err(format!("I2: {} objects are visible", listed.len()).into());
    }
    for object in listed {
        if spool.verify(&object.id)? != Check::Sound {
            return Err("I2: the object is damaged".into());
        }
    }
    if spool.status().corrupt > 0 { Err("a crash alone damages nothing".into()) } else { Ok(()) }
}

/// What was reported durable need not be sent again.
fn resume(spool: &Spool, generation: u8, prefix: u64) -> Outcome<()> {
    let octets = content(generation);
    let mut stage = spool.stage(plan(generation), now())?;
    if !stage.received().contains(0, prefix) {
        // A commit that got through without its answer has used the octets up.
        let committed = spool.find(&uri())?.map(|object| body(spool, &object)).transpose()?;
        return if committed.as_ref() == Some(&octets) { Ok(()) } else { Err("I1: a reported range is lost".into()) };
    }
    stage.write(prefix, &octets[usize::try_from(prefix)?..])?;
    let sealed = stage.seal(octets.len() as u64, &declared(&octets))?;
    let committed = spool.commit(sealed, EnvelopeDraft::default(), now())?;
    carry(spool);
    if body(spool, &committed)? == octets { Ok(()) } else { Err("I1: a resumed file differs".into()) }
}

const MODES: [Report; 2] = [Report::Bucket, Report::DiskThenBucket];

/// How many calls the story makes on the bucket and on the disk.
fn rehearsal(report: Report) -> (usize, usize) {
    let (world, mut ledger) = (World::fresh(report), Ledger::new());
    story(&world.open(2).expect("the spool again"), &mut ledger).expect("a story without faults");
    assert!(ledger.done);
    audit(&world.restart(), &ledger).expect("a story without faults");
    (world.bucket.calls().len(), world.disk.calls().len())
}

#[test]
fn a_bucket_that_fails_before_or_after_any_call_loses_nothing_and_shows_nothing_half_done() {
    for report in MODES {
        let (calls, _) = rehearsal(report);
        for at in 0..=calls {
            for lapse in [Lapse::Before, Lapse::After, Lapse::Refused] {
                let (world, mut ledger) = (World::fresh(report), Ledger::new());
                world.bucket.inject(at, lapse);
                let _ = world.open(2).and_then(|spool| story(&spool, &mut ledger));
                let call = world.bucket.calls().get(at).cloned();
                audit(&world.restart(), &ledger)
                    .unwrap_or_else(|why| panic!("{report:?}, {lapse:?} at {at} {call:?}: {why}"));
            }
        }
    }
}

#[test]
fn a_process_that_ends_before_or_after_any_call_of_the_bucket_loses_nothing() {
    for report in MODES {
        let (calls, _) = rehearsal(report);
        for at in 0..=calls {
            for lapse in [Lapse::CrashBefore, Lapse::CrashAfter] {
                let (world, mut ledger) = (World::fresh(report), Ledger::new());
                world.bucket.inject(at, lapse);
                let _ = world.open(2).and_then(|spool| story(&spool, &mut ledger));
                let call = world.bucket.calls().get(at).cloned();
                for seed in 0..4 {
                    audit(&world.power_cut(seed), &ledger)
                        .unwrap_or_else(|why| panic!("{report:?}, {lapse:?} at {at} {call:?}, seed {seed}: {why}"));
                }
            }
        }
    }
}

#[test]
fn a_power_cut_at_any_call_of_the_disk_loses_nothing_that_is_on_its_way_into_the_bucket() {
    for report in MODES {
        let (_, calls) = rehearsal(report);
        for at in 0..=calls {
            let (world, mut ledger) = (World::fresh(report), Ledger::new());
            world.disk.inject(at, Fault::Crash);
            let _ = world.open(2).and_then(|spool| story(&spool, &mut ledger));
            for seed in 0..4 {
                let call = world.disk.calls().get(at).cloned();
                audit(&world.power_cut(seed), &ledger)
                    .unwrap_or_else(|why| panic!("{report:?}, call {at} {call:?}, seed {seed}: {why}"));
            }
        }
    }
}

// R22: a bucket that is not found is not an object that is gone.
#[test]
fn what_the_bucket_has_lost_or_denies_to_know_follows_when_it_is_itself_again() {
    let world = World::fresh(Report::DiskThenBucket);
    let spool = world.open(2).expect("a spool");
    deposit(&spool, &mut Ledger::new(), 1).expect("an object");
    world.bucket.inject(world.bucket.calls().len() + 1, Lapse::Missing);
    assert_eq!(carry(&spool), Carried::Failed);
    assert!(world.bucket.calls().last().is_some_and(|call| call.starts_with("begin ")), "{:?}", world.bucket.calls());
    assert_eq!(spool.status().following, 1);
    assert_eq!(carry(&spool), Carried::Nothing);
    assert!(!world.disk.paths().iter().any(|path| path.starts_with("queued/")));
}

#[test]
fn an_object_whose_key_was_wrapped_anew_when_it_lay_in_both_places_still_leaves_the_disk() {
    let world = World::fresh(Report::DiskThenBucket);
    let spool = world.open(2).expect("a spool");
    let object = deposit(&spool, &mut Ledger::new(), 1).expect("an object");
    let envelope = format!("queued/{}", object.envelope().id);
    let record = world.disk.octets(&envelope);
    let before = [&record[..], b"in another wrapping"].concat();
    world.bucket.tamper(&envelope, Some(before));
    assert_eq!(carry(&spool), Carried::Nothing);
    assert_eq!((world.bucket.object(&envelope), world.disk.paths().contains(&envelope)), (Some(record), false));
}

// R5
#[test]
fn octets_that_the_disk_has_lost_are_not_reported_because_the_bucket_took_what_was_read_in_their_place() {
    let world = World::fresh(Report::Bucket);
    let spool = world.open(2).expect("a spool");
    let octets = content(1);
    let mut stage = spool.stage(plan(1), now()).expect("a stage");
    stage.write(0, &octets).expect("room");
    let sealed = stage.seal(octets.len() as u64, &declared(&octets)).expect("a whole file");
    world.disk.fail_next_sync();
    spool.commit(sealed, EnvelopeDraft::default(), now()).expect_err("the disk has lost something");
    assert_eq!(spool.find(&uri()).expect("an answer"), None);
    assert!(!world.bucket.keys().iter().any(|key| key.starts_with("queued/")), "{:?}", world.bucket.keys());
}

#[test]
fn an_envelope_that_a_power_cut_brings_back_to_the_disk_puts_nothing_aside_that_is_in_the_bucket() {
    let dir = tempfile::tempdir().expect("a directory");
    let index = || Index::open(dir.path().join("index.sqlite"));
    let world = World::fresh(Report::DiskThenBucket);
    let spool = world.open_with(index(), 2).expect("a spool");
    let object = deposit(&spool, &mut Ledger::new(), 1).expect("an object");
    let envelope = format!("queued/{}", object.envelope().id);
    let record = world.disk.octets(&envelope);
    assert_eq!(carry(&spool), Carried::Nothing);
    drop(spool);
    let world = world.restart();
    world.disk.overwrite(&envelope, &record);
    let spool = world.open_with(index(), 3).expect("a spool");
    let found = spool.find(&uri()).expect("an answer").expect("the object");
    assert_eq!((body(&spool, &found).expect("a body"), spool.status().corrupt), (content(1), 0));
    assert!(!world.disk.paths().contains(&envelope));
}

/// A deletion that could not remove the envelope, if `faulty`, and the calls of the bucket that it took.
fn deleted(faulty: Option<usize>) -> (World, Spool, Vec<String>) {
    let world = World::fresh(Report::Bucket);
    let spool = world.open(2).expect("a spool");
    let object = deposit(&spool, &mut Ledger::new(), 1).expect("an object");
    let since = world.bucket.calls().len();
    faulty.into_iter().for_each(|at| world.bucket.inject(since + at, Lapse::Before));
    spool.delete(&object, "a test", now()).expect("a deletion");
    let calls = world.bucket.calls().split_off(since);
    (world, spool, calls)
}

// R22
#[test]
fn a_deletion_is_not_forgotten_before_it_is_known_that_its_object_has_gone() {
    let removal = deleted(None).2.iter().position(|call| call.starts_with("delete queued/"));
    let month = Duration::from_secs(31 * 24 * 3600);
    let later = Wall::from_micros(now().wall.micros() + 31 * 24 * 3600 * 1_000_000);
    let sweep = |fault: Option<usize>| {
        let (world, spool, _) = deleted(removal);
        assert!(world.bucket.keys().iter().any(|key| key.starts_with("queued/")));
        spool.sweep(now()).expect("a sweep"); // from here on the date is known
        let since = world.bucket.calls().len();
        fault.into_iter().for_each(|at| world.bucket.inject(since + at, Lapse::Before));
        let _ = spool.sweep(Now { instant: now().instant + month, wall: later });
        let calls = world.bucket.calls().split_off(since);
        let found = world.restart().open(3).expect("a spool").find(&uri()).expect("an answer");
        assert_eq!(found, None, "it comes back after {fault:?}, {calls:?}");
        calls.len()
    };
    for at in 0..sweep(None) {
        sweep(Some(at));
    }
}

// R27
#[test]
fn uploads_that_wait_for_their_senders_hold_no_file_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = HostFiles::new(dir.path()).expect("a directory");
    let remote = Remote::new(Arc::new(SimBucket::new()), PART_OCTETS, Box::new(|_| Report::Bucket));
    let mint = Mint::from_number(1);
    let opened = Spool::open_with_bucket(Arc::new(files), Some(remote), Index::in_memory(), Keys::none(), mint, now());
    let spool = opened.expect("a spool").0;
    let mut stage = spool.stage(plan(1), now()).expect("a stage");
    stage.write(0, &content(1)[..2500]).expect("room");
    carry(&spool);
    stage.suspend().expect("a report");
    let place = dir.path().join("stage").canonicalize().expect("a path");
    let open =
        std::fs::read_dir("/proc/self/fd").expect("a list").filter_map(|entry| entry.ok()?.path().read_link().ok());
    let open: Vec<_> = open.filter(|path| path.starts_with(&place)).collect();
    assert_eq!(open, Vec::<std::path::PathBuf>::new());
    let log = std::fs::read_dir(&place).expect("a list").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert_eq!(log.filter(|name| name.ends_with(".upload")).count(), 1, "an upload has begun");
}

// R22
#[test]
fn a_body_is_not_removed_because_a_listing_lacks_its_envelope() {
    let world = World::fresh(Report::Bucket);
    let spool = world.open(2).expect("a spool");
    let object = deposit(&spool, &mut Ledger::new(), 1).expect("an object");
    let week = Duration::from_secs(8 * 24 * 3600);
    spool.sweep(now()).expect("a sweep"); // from here on the date is known
    world.bucket.hide(&format!("queued/{}", object.envelope().id));
    spool.sweep(Now { instant: now().instant + week, wall: now().wall.after(week) }).expect("a sweep");
    assert_eq!(body(&spool, &object).expect("a body"), content(1));
}

// R22
#[test]
fn an_object_at_its_end_that_the_bucket_would_not_let_go_of_goes_with_the_next_sweep() {
    let removal = deleted(None).2.iter().position(|call| call.starts_with("delete queued/"));
    let (world, spool, _) = deleted(removal);
    let there =
        |world: &World| world.bucket.keys().iter().any(|key| key.starts_with("queued/") || key.starts_with("data/"));
    assert!(there(&world));
    spool.sweep(now()).expect("a sweep");
    assert!(!there(&world), "{:?}", world.bucket.keys());
}

// R22
#[test]
fn an_upload_goes_on_with_its_parts_when_credentials_that_have_expired_are_renewed() {
    let calls = |lapse: Option<usize>| {
        let world = World::fresh(Report::Bucket);
        let spool = world.open(2).expect("a spool");
        let since = world.bucket.calls().len();
        lapse.into_iter().for_each(|at| world.bucket.inject(since + at, Lapse::Refused));
        let outcome = deposit(&spool, &mut Ledger::new(), 1).or_else(|_| deposit(&spool, &mut Ledger::new(), 1));
        outcome.expect("the second try");
        world.bucket.calls().split_off(since)
    };
    let rehearsal = calls(None);
    let complete = rehearsal.iter().position(|call| call.starts_with("complete ")).expect("an upload");
    let parts = |calls: &[String]| calls.iter().filter(|call| call.starts_with("part ")).count();
    let denied = calls(Some(complete));
    assert_eq!(parts(&denied), parts(&rehearsal), "no part is uploaded twice: {denied:?}");
    assert!(!denied.iter().any(|call| call.starts_with("abort ")), "{denied:?}");
}

// R10
#[test]
fn a_start_without_an_index_reads_the_envelopes_of_a_bucket_side_by_side() {
    const READERS: usize = 4;
    fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
        let numbers: Vec<usize> = (0..count).collect();
        for some in numbers.chunks(READERS) {
            std::thread::scope(|scope| some.iter().for_each(|number| _ = scope.spawn(|| work(*number))));
        }
    }
    let world = World::fresh(Report::Bucket);
    let spool = world.open(2).expect("a spool");
    let names: Vec<ObjectUri> = (0..9).map(|n| format!("spool:/bob/{n}").parse().expect("a name")).collect();
    for name in &names {
        let mut stage = spool.stage(StagePlan::new(name.clone()), now()).expect("a stage");
        stage.write(0, b"octets").expect("room");
        let sealed = stage.seal(6, &FileInfo::default()).expect("a whole file");
        spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
    }
    drop(spool);
    let world = world.restart();
    world.bucket.meet(READERS);
    let remote =
        Remote::new(Arc::new(world.bucket.clone()), PART_OCTETS, Box::new(|_| Report::Bucket)).reading(at_once);
    let (files, mint) = (Arc::new(world.disk.clone()), Mint::from_number(3));
    let opened = Spool::open_with_bucket(files, Some(remote), Index::in_memory(), Keys::none(), mint, now());
    let spool = opened.expect("a spool").0;
    assert_eq!(world.bucket.met(), READERS);
    assert!(names.iter().all(|name| spool.find(name).expect("an index").is_some()));
    assert_eq!(spool.status().objects, 9);
}

/// A world with an object, whose bucket has taken the record of this change and has never said so.
fn silent(change: impl Fn(&Spool, &Committed) -> Result<(), SpoolError>) -> (World, Spool, Committed) {
    let scene = |from: Option<usize>| {
        let world = World::fresh(Report::Bucket);
        let spool = world.open(2).expect("a spool");
        let object = deposit(&spool, &mut Ledger::new(), 1).expect("an object");
        let since = world.bucket.calls().len();
        from.into_iter().flat_map(|from| from..from + 10).for_each(|at| world.bucket.inject(since + at, Lapse::After));
        let changed = change(&spool, &object);
        assert_eq!(changed.is_err(), from.is_some(), "{changed:?}");
        let calls = world.bucket.calls().split_off(since);
        (world, spool, object, calls)
    };
    let calls = scene(None).3;
    let record = calls.iter().position(|call| call.contains(" state/") && !call.starts_with("get ")).expect("a record");
    let (world, spool, object, calls) = scene(Some(record));
    // What is left of the silence is over.
    (0..10usize.saturating_sub(calls.len() - record)).for_each(|_| drop(world.bucket.head("nothing")));
    assert!(world.bucket.keys().iter().any(|key| key.starts_with("state/")));
    (world, spool, object)
}

// R22
#[test]
fn a_change_that_the_bucket_took_without_saying_so_does_not_win_over_a_later_one() {
    // Which of two records has the smaller checksum is chance, and must not matter.
    for who in 0..10 {
        let hold = |spool: &Spool, object: &Committed| {
            spool.change(object, Change::Hold(Hold::Operator), &format!("somebody {who}"), now()).map(drop)
        };
        let (world, spool, object) = silent(hold);
        spool.change(&object, Change::Mark(Mark::Saved), "a test", now()).expect("a change");
        drop(spool);
        let spool = world.restart().open(3).expect("a spool");
        let standing = spool.standing(&object).expect("what has become of it");
        assert_eq!((standing.mark, standing.held), (Mark::Saved, None), "{who}");
    }
}

// R22
#[test]
fn a_deletion_that_the_bucket_took_without_saying_so_is_finished_before_anything_else_is_promised() {
    let (world, spool, object) = silent(|spool, object| spool.delete(object, "a test", now()).map(drop));
    let promised = spool.change(&object, Change::Hold(Hold::Legal), "a court", now());
    assert!(matches!(promised, Err(SpoolError::Gone { .. })), "{promised:?}");
    assert_eq!(spool.find(&uri()).expect("an answer"), None);
    drop(spool);
    assert_eq!(world.restart().open(3).expect("a spool").find(&uri()).expect("an answer"), None);
}
