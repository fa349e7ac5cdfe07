//! Objects from stage to deletion: assembly, refusals, replacement, take-over, damage.

#[path = "sim/disk.rs"]
mod disk;

use std::sync::Arc;
use std::time::Duration;

use disk::SimFiles;
use proptest::prelude::*;
use restante::io::files::HostFiles;
use restante::model::limits::{HOLES_PER_MESSAGE, LISTED_OBJECTS, STAGE_KEPT, TOMBSTONE_KEPT};
use restante::model::{Digest, FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::recover::Verdict;
use restante::spool::{
    Check, CommitError, Committed, EnvelopeDraft, EventLog, Index, Keep, Keys, Marks, NoticeLog, Query, SealError,
    Sealed, Spool, SpoolError, Stage, StageError, StagePlan, Swept,
};
use sha2::{Digest as _, Sha256};

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn later(by: Duration) -> Now {
    let micros = u64::try_from(by.as_micros()).expect("a few weeks");
    Now { instant: now().instant + by, wall: Wall::from_micros(now().wall.micros() + micros) }
}

fn open(files: &SimFiles) -> Spool {
    Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now()).expect("a spool").0
}

fn uri(text: &str) -> ObjectUri {
    text.parse().expect("a name")
}

fn digest(octets: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(octets).into())
}

fn declared(octets: &[u8]) -> FileInfo {
    FileInfo { size: Some(octets.len() as u64), digests: vec![digest(octets)], ..FileInfo::default() }
}

fn plan(name: &str, key: &str) -> StagePlan {
    StagePlan { resume_key: Some(key.to_owned()), ..StagePlan::new(uri(name)) }
}

fn filled(spool: &Spool, plan: StagePlan, octets: &[u8]) -> Stage {
    let mut stage = spool.stage(plan, now()).expect("a stage");
    stage.write(0, octets).expect("octets");
    stage
}

fn deposit(spool: &Spool, name: &str, octets: &[u8]) -> Committed {
    let stage = filled(spool, StagePlan { overwrite: true, ..StagePlan::new(uri(name)) }, octets);
    let sealed = stage.seal(octets.len() as u64, &declared(octets)).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object")
}

fn content(spool: &Spool, object: &Committed) -> Vec<u8> {
    let body = spool.read(object).expect("a body");
    let mut octets = vec![0; body.size() as usize];
    assert_eq!(body.read_at(0, &mut octets).expect("octets"), octets.len());
    octets
}

fn under<'a>(paths: &'a [String], dir: &'a str) -> Vec<&'a String> {
    paths.iter().filter(|path| path.starts_with(dir)).collect()
}

proptest! {
    // R17
    // M4975-7.3.1-02, M4975-7.3.1-05, M4975-7.3.1-06
    #[test]
    fn any_order_of_chunks_with_repeats_and_overlaps_gives_the_octets_of_a_byte_map(
        chunks in prop::collection::vec((0usize..3000, prop::collection::vec(any::<u8>(), 1..900)), 1..25),
        suspend_at in 0usize..25,
    ) {
        let (files, mut map, mut there) = (SimFiles::new(), vec![0u8; 4000], vec![false; 4000]);
        let spool = open(&files);
        let mut stage = spool.stage(plan("spool:/bob/x", "key"), now()).expect("a stage");
        for (index, (offset, octets)) in chunks.iter().enumerate() {
            if index == suspend_at {
                stage.suspend().expect("a suspended stage");
                stage = spool.stage(plan("spool:/bob/x", "key"), now()).expect("the stage again");
            }
            stage.write(*offset as u64, octets).expect("octets");
            map[*offset..offset + octets.len()].copy_from_slice(octets);
            there[*offset..offset + octets.len()].fill(true);
        }
        let total = there.iter().rposition(|there| *there).map_or(0, |last| last + 1);
        match stage.seal(total as u64, &FileInfo::default()) {
            Ok(sealed) => {
                prop_assert!(there[..total].iter().all(|there| *there));
                let object = spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
                prop_assert_eq!(object.envelope().sha256(), &digest(&map[..total]));
                prop_assert_eq!(content(&spool, &object), &map[..total]);
            }
            Err(SealError::Hole { from, stage }) => {
                prop_assert_eq!(Some(from as usize), there.iter().position(|there| !*there));
                prop_assert_eq!(stage.received().octets(), there.iter().filter(|there| **there).count() as u64);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn a_stage_with_a_hole_is_given_back_and_can_be_completed() {
    let spool = open(&SimFiles::new());
    let mut stage = filled(&spool, StagePlan::new(uri("spool:/bob/x")), b"ab");
    stage.write(4, b"ef").expect("octets");
    let Err(SealError::Hole { from: 2, mut stage }) = stage.seal(6, &FileInfo::default()) else {
        panic!("octets 2 and 3 are missing")
    };
    stage.write(2, b"cd").expect("octets");
    let sealed = stage.seal(6, &declared(b"abcdef")).expect("a whole file");
    let object = spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
    assert_eq!(content(&spool, &object), b"abcdef");
}

// M5547-8.3.1-09
#[test]
fn a_file_that_is_not_what_was_declared_is_discarded_and_can_be_sent_again() {
    let files = SimFiles::new();
    let spool = open(&files);
    let stage = filled(&spool, plan("spool:/bob/x", "key"), b"abcdeX");
    let Err(SealError::Digest { declared: promised, measured }) = stage.seal(6, &declared(b"abcdef")) else {
        panic!("the digest is wrong")
    };
    assert_eq!((promised, measured), (digest(b"abcdef"), digest(b"abcdeX")));
    let stage = filled(&spool, plan("spool:/bob/x", "key"), b"abcdefg");
    assert!(matches!(stage.seal(7, &declared(b"abcdef")), Err(SealError::Size { declared: 6, received: 7 })));
    assert!(under(&files.paths(), "stage/").is_empty());
    assert!(spool.stage(plan("spool:/bob/x", "key"), now()).expect("a stage").received().is_empty());
}

#[test]
fn octets_past_the_declared_size_and_holes_past_the_limit_change_nothing() {
    let spool = open(&SimFiles::new());
    let size = FileInfo { size: Some(1000), ..FileInfo::default() };
    let mut stage = spool.stage(StagePlan { declared: size, ..plan("spool:/bob/x", "key") }, now()).expect("a stage");
    assert!(matches!(stage.write(998, b"abc"), Err(StageError::Overrun { declared: 1000, end: 1001 })));
    assert!(matches!(stage.write(u64::MAX, b"abc"), Err(StageError::Overrun { .. })));
    for hole in 1..=HOLES_PER_MESSAGE as u64 {
        stage.write(2 * hole, b"x").expect("as many pieces as the limit");
    }
    assert!(matches!(stage.write(900, b"x"), Err(StageError::TooManyHoles { .. })));
    assert_eq!(stage.received().octets(), HOLES_PER_MESSAGE as u64);
    stage.sync().expect("a slot holds them all");
}

#[test]
fn an_empty_file_is_a_file() {
    let spool = open(&SimFiles::new());
    let object = deposit(&spool, "spool:/bob/empty", b"");
    assert_eq!((object.envelope().size(), content(&spool, &object)), (0, Vec::new()));
    assert_eq!(spool.verify(&object.envelope().id).expect("a verdict"), Check::Sound);
}

#[test]
fn a_new_session_takes_a_half_open_one_over_at_once_with_all_it_had() {
    let spool = open(&SimFiles::new());
    let mut stalled = filled(&spool, plan("spool:/bob/", "alice+m1"), b"abc");
    let mut stage = spool.stage(plan("spool:/bob/", "alice+m1"), now()).expect("the stage, not a lock");
    assert_eq!(stage.received().pieces(), [(0, 3)]);
    assert!(matches!(stalled.write(3, b"XYZ"), Err(StageError::TakenOver)));
    assert!(stalled.received().is_empty());
    drop(stalled);
    stage.write(3, b"def").expect("octets");
    let sealed = stage.seal(6, &declared(b"abcdef")).expect("a whole file");
    let object = spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
    assert_eq!(object.envelope().uri.name(), Some(object.envelope().id.as_str()), "a box mints the name");
    assert_eq!(spool.status().stages, 0);
}

#[test]
fn another_file_under_the_same_resume_key_begins_again() {
    let files = SimFiles::new();
    let spool = open(&files);
    let offer = |octets: &[u8]| StagePlan { declared: declared(octets), ..plan("spool:/bob/x", "key") };
    filled(&spool, offer(b"abcdef"), b"abc").suspend().expect("a suspended stage");
    assert!(spool.stage(offer(b"ABCDEF"), now()).expect("a stage").received().is_empty());
    assert_eq!(spool.status().stages, 1);
}

#[test]
fn a_suspended_stage_is_there_after_a_restart_and_one_without_a_key_is_not() {
    let files = SimFiles::new();
    let spool = open(&files);
    filled(&spool, plan("spool:/bob/x", "key"), b"abc").suspend().expect("a suspended stage");
    filled(&spool, StagePlan::new(uri("spool:/bob/y")), b"abc").suspend().expect("a stage nobody can name");
    drop(spool);
    let spool = open(&files.crash(1));
    assert_eq!(spool.status().stages, 1);
    assert_eq!(spool.stage(plan("spool:/bob/x", "key"), now()).expect("the stage").received().pieces(), [(0, 3)]);
}

#[test]
fn a_name_in_use_is_refused_before_octets_flow_and_again_at_the_commit() {
    let files = SimFiles::new();
    let spool = open(&files);
    let late = filled(&spool, StagePlan::new(uri("spool:/bob/x")), b"late");
    let first = deposit(&spool, "spool:/bob/x", b"first");
    assert!(matches!(spool.stage(StagePlan::new(uri("spool:/bob/x")), now()), Err(StageError::Exists(_))));
    let sealed = late.seal(4, &FileInfo::default()).expect("a whole file");
    assert!(matches!(spool.commit(sealed, EnvelopeDraft::default(), now()), Err(CommitError::Exists(_))));
    assert_eq!(spool.find(&uri("spool:/bob/x")).expect("an answer"), Some(first));
    assert!(under(&files.paths(), "stage/").is_empty());
}

#[test]
fn an_object_is_replaced_in_one_step_and_the_old_one_is_deleted_by_name() {
    let files = SimFiles::new();
    let spool = open(&files);
    let old = deposit(&spool, "spool:/bob/x", b"old");
    let body = spool.read(&old).expect("a reader that has begun");
    let new = deposit(&spool, "spool:/bob/x", b"newer");
    assert_eq!(new.envelope().replaces.as_deref(), Some(old.envelope().id.as_str()));
    assert_eq!(content(&spool, &new), b"newer");
    assert!(matches!(spool.read(&old), Err(SpoolError::Gone { .. })));
    let mut octets = [0; 3];
    assert_eq!((body.read_at(0, &mut octets).expect("still open"), &octets), (3, b"old"));
    assert_eq!((spool.status().objects, under(&files.paths(), "data/").len()), (1, 1));
    assert_eq!(under(&files.paths(), "state/").len(), 1);
}

#[test]
fn a_deletion_is_final_and_says_by_whom() {
    let files = SimFiles::new();
    let spool = open(&files);
    let object = deposit(&spool, "spool:/bob/x", b"abc");
    spool.delete(&object, "admin@example.org", now()).expect("a deletion");
    assert!(matches!(spool.delete(&object, "again", now()), Err(SpoolError::Gone { .. })));
    assert_eq!(spool.find(&uri("spool:/bob/x")).expect("an answer"), None);
    let state = files.octets(&format!("state/{}", object.envelope().id));
    assert!(String::from_utf8_lossy(&state).contains("admin@example.org"));
}

// R9
#[test]
fn a_flipped_bit_or_a_lost_tail_is_never_served_and_goes_to_corrupt() {
    let files = SimFiles::new();
    let id = deposit(&open(&files), "spool:/bob/x", b"the octets of a file").envelope().id.clone();
    for path in under(&files.paths(), "").into_iter().filter(|path| path.contains(&id)) {
        let octets = files.octets(path);
        for at in 0..octets.len() {
            for damaged in [octets[..at].to_vec(), {
                let mut flipped = octets.clone();
                flipped[at] ^= 1 << (at % 8);
                flipped
            }] {
                let disk = files.kill();
                disk.overwrite(path, &damaged);
                let spool = open(&disk);
                let check = spool.verify(&id);
                assert!(matches!(check, Ok(Check::Damaged { .. }) | Err(SpoolError::Gone { .. })), "{path} {check:?}");
                assert_eq!(spool.find(&uri("spool:/bob/x")).expect("an answer"), None);
                assert_eq!(under(&disk.paths(), &format!("corrupt/{id}")).len(), 2, "{path} at {at} is kept");
            }
        }
    }
}

// R9
#[test]
fn damage_that_comes_while_the_spool_is_open_is_noticed_when_the_object_is_asked_for() {
    let files = SimFiles::new();
    let spool = open(&files);
    let object = deposit(&spool, "spool:/bob/x", b"abc");
    files.overwrite(&format!("queued/{}", object.envelope().id), b"rubbish");
    assert!(matches!(spool.find(&uri("spool:/bob/x")), Err(SpoolError::Corrupt { .. })));
    assert_eq!(spool.find(&uri("spool:/bob/x")).expect("an answer"), None);
    let object = deposit(&spool, "spool:/bob/y", b"abc");
    files.lose(&format!("data/{}/{}", &object.envelope().id[25..], object.envelope().id));
    assert!(matches!(spool.read(&object), Err(SpoolError::Corrupt { .. })));
    assert_eq!((spool.status().objects, spool.status().corrupt), (0, 3));
}

// R9
#[test]
fn a_body_whose_envelope_got_lost_is_kept_however_old_it_is() {
    let files = SimFiles::new();
    let spool = open(&files);
    let id = deposit(&spool, "spool:/bob/x", b"abc").envelope().id.clone();
    drop(spool);
    files.lose(&format!("queued/{id}"));
    let (mint, year) = (Mint::from_number(2), later(Duration::from_secs(365 * 24 * 3600)));
    let opened = Spool::open(Arc::new(files.clone()), Index::in_memory(), mint, year);
    let (spool, recovery) = opened.expect("a spool");
    assert_eq!(recovery.verdicts, [(id.clone(), Verdict::EnvelopeMissing)]);
    assert_eq!(spool.sweep(year).expect("a sweep"), Swept::default());
    assert_eq!((files.octets(&format!("corrupt/{id}.body")), spool.status().corrupt), (b"abc".to_vec(), 1));
}

// R20
#[test]
fn what_a_later_release_wrote_is_left_alone() {
    let files = SimFiles::new();
    let id = deposit(&open(&files), "spool:/bob/x", b"abc").envelope().id.clone();
    let path = format!("queued/{id}");
    let json = b"{\"to be\":\"seen\"}\n";
    let head = format!("envelope 99 {}", json.len());
    let sum = digest(&[format!("{head}\n").as_bytes(), json].concat()).hex();
    let record = [format!("restante {head} {sum}\n").as_bytes(), json].concat();
    files.overwrite(&path, &record);
    let spool = open(&files);
    assert!(matches!(spool.find_id(&id), Err(SpoolError::Newer { .. })));
    assert_eq!(files.octets(&path), record);
    assert_eq!((spool.status().objects, spool.status().corrupt), (0, 0));
    drop(spool);
    files.overwrite("VERSION", b"restante-spool 2\n");
    let refused = Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now());
    assert!(matches!(refused, Err(SpoolError::Version { known: 1, .. })));
}

#[test]
fn a_selector_picks_by_name_type_size_and_hash_and_only_what_has_all_of_them() {
    let spool = open(&SimFiles::new());
    for (name, media_type, octets) in [("a.txt", "text/plain;charset=utf-8", b"one"), ("a.txt", "image/png", b"two")] {
        let sealed = filled(&spool, StagePlan::new(uri("spool:/bob/")), octets).seal(3, &FileInfo::default());
        let file =
            FileInfo { name: Some(name.to_owned()), media_type: Some(media_type.to_owned()), ..FileInfo::default() };
        let draft = EnvelopeDraft { file, ..EnvelopeDraft::default() };
        spool.commit(sealed.expect("a whole file"), draft, now()).expect("an object");
    }
    let name = Some("a.txt".to_owned());
    let picked = |selector: FileInfo| spool.select("bob", &selector).expect("an answer").len();
    let any = FileInfo { name, ..FileInfo::default() };
    assert_eq!(picked(any.clone()), 2);
    assert_eq!(picked(FileInfo { media_type: Some("TEXT/plain".to_owned()), ..any.clone() }), 1);
    assert_eq!(picked(FileInfo { digests: vec![digest(b"two")], ..any.clone() }), 1);
    assert_eq!(picked(FileInfo { size: Some(4), ..any.clone() }), 0);
    assert_eq!(spool.select("alice", &any).expect("an answer"), []);
}

#[test]
fn a_list_comes_in_pages_that_miss_nothing() {
    let spool = open(&SimFiles::new());
    let mut ids: Vec<String> = (0..7).map(|_| deposit(&spool, "spool:/bob/", b"x").envelope().id.clone()).collect();
    deposit(&spool, "spool:/alice/", b"x");
    ids.sort();
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let query = Query { mailbox: Some("bob".to_owned()), cursor, limit: Some(3), ..Query::default() };
        let page = spool.list(&query).expect("a page");
        cursor = page.last().map(|envelope| envelope.id.clone());
        listed.extend(page.into_iter().map(|envelope| envelope.id));
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
}

#[test]
fn time_takes_stages_by_uptime_and_never_a_stage_in_use() {
    let files = SimFiles::new();
    let spool = open(&files);
    filled(&spool, plan("spool:/bob/x", "key"), b"abc").suspend().expect("a suspended stage");
    let live = filled(&spool, plan("spool:/bob/y", "other"), b"abc");
    let object = deposit(&spool, "spool:/bob/z", b"abc");
    spool.delete(&object, "a test", now()).expect("a deletion");
    let jump = Now { instant: now().instant, wall: later(TOMBSTONE_KEPT * 100).wall };
    assert_eq!(spool.sweep(jump).expect("a sweep").stages, 0, "a clock that jumps costs nobody a stage");
    assert_eq!(under(&files.paths(), "state/").len(), 1, "and no deletion is forgotten by it");
    let swept = spool.sweep(later(STAGE_KEPT + Duration::from_secs(1))).expect("a sweep");
    assert_eq!((swept.stages, swept.leftovers), (1, 0));
    spool.sweep(later(TOMBSTONE_KEPT * 2)).expect("a sweep");
    assert_eq!(under(&files.paths(), "state/").len(), 0);
    live.seal(3, &declared(b"abc")).expect("untouched");
}

// M5547-10-07
#[test]
fn no_stage_is_taken_below_the_reserve() {
    let files = SimFiles::new();
    let spool = open(&files);
    files.set_capacity(files.used() + 100_000);
    spool.set_marks(Marks { reserve_octets: 50_000, ..Marks::default() });
    assert!(spool.status().writable);
    let big = FileInfo { size: Some(60_000), ..FileInfo::default() };
    let refused = spool.stage(StagePlan { declared: big, ..StagePlan::new(uri("spool:/bob/x")) }, now());
    assert!(matches!(refused, Err(StageError::Full { octets: 60_000 })));
    spool.set_marks(Marks { reserve_octets: 100_000, ..Marks::default() });
    assert!(!spool.status().writable);
    assert!(matches!(spool.stage(StagePlan::new(uri("spool:/bob/x")), now()), Err(StageError::Full { .. })));
}

#[test]
fn a_directory_with_something_else_in_it_is_left_as_it_is() {
    let files = SimFiles::new();
    files.overwrite("thesis.tex", b"three years of work");
    let refused = Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now());
    assert!(matches!(refused, Err(SpoolError::NotASpool)));
    assert_eq!((files.paths(), files.dirs()), (vec!["thesis.tex".to_owned()], Vec::new()));
}

#[test]
fn handles_go_from_thread_to_thread() {
    fn goes<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    goes::<Stage>();
    goes::<Sealed>();
    is_shared::<Committed>();
    is_shared::<Spool>();
}

// R19
#[test]
fn many_threads_commit_at_once_and_every_object_is_there_with_its_own_id() {
    let files = SimFiles::new();
    let spool = open(&files);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let spool = spool.clone();
            scope.spawn(move || (0..20u8).for_each(|turn| drop(deposit(&spool, "spool:/bob/", &[thread, turn]))));
        }
        // And some fight for one name.
        for thread in 0..4u8 {
            let spool = spool.clone();
            scope.spawn(move || (0..10u8).for_each(|turn| drop(deposit(&spool, "spool:/bob/one", &[thread, turn]))));
        }
    });
    assert_eq!(spool.status().objects, 161);
    let listed = spool.list(&Query::default()).expect("a page");
    assert!(listed.iter().all(|object| spool.verify(&object.id).is_ok_and(|check| check == Check::Sound)));
    drop(spool);
    assert_eq!(open(&files.kill()).status().objects, 161);
}

#[test]
fn one_process_writes_and_others_may_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = || Arc::new(HostFiles::new(dir.path()).expect("the directory"));
    assert!(matches!(Spool::read_only(files()), Err(SpoolError::NotASpool)));
    let (spool, _) = Spool::open(files(), Index::in_memory(), Mint::from_number(1), now()).expect("a spool");
    let object = deposit(&spool, "spool:/bob/x", b"abc");
    let second = Spool::open(files(), Index::in_memory(), Mint::from_number(2), now());
    assert!(matches!(second, Err(SpoolError::Locked)));
    let reader = Spool::read_only(files()).expect("a reader");
    assert_eq!(reader.find(&uri("spool:/bob/x")).expect("an answer"), Some(object.clone()));
    assert_eq!(reader.verify(&object.envelope().id).expect("a verdict"), Check::Sound);
    assert!(reader.stage(StagePlan::new(uri("spool:/bob/y")), now()).is_err());
    assert!(reader.delete(&object, "a reader", now()).is_err());
    assert!(reader.sweep(now()).is_err());
}

// R10
#[test]
fn a_fresh_spool_is_the_tree_that_its_readme_draws() {
    fn walk(root: &std::path::Path, at: &str, tree: &mut Vec<String>) {
        for entry in std::fs::read_dir(root.join(at)).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = format!("{at}{}", entry.file_name().to_string_lossy());
            match entry.file_type().expect("a type").is_dir() {
                true => {
                    tree.push(format!("{name}/"));
                    walk(root, &format!("{name}/"), tree);
                }
                false => tree.push(name),
            }
        }
    }
    let readme = include_str!("../spool/README.md");
    let drawn = readme.split("# Tree").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("a drawing");
    let drawn = drawn.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let mut expected: Vec<String> = vec!["data/".to_owned()];
    for path in drawn {
        match path.contains("<shard>") {
            true => expected.extend("0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().map(|c| format!("data/{c}/"))),
            false => expected.push(path.to_owned()),
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let files = Arc::new(HostFiles::new(dir.path().join("spool")).expect("a directory"));
    let index = Index::open(dir.path().join("spool/index.sqlite"));
    let spool = Spool::open(files.clone(), index, Mint::from_number(1), now()).expect("a spool");
    let keep = Keep { time: Duration::from_secs(1), octets: 1 };
    let log = EventLog::open(files.as_ref(), files.root(), keep, &Keys::none(), Mint::from_number(2), now());
    let outbox = NoticeLog::open(files.as_ref(), files.root(), &Keys::none(), Mint::from_number(3), now());
    assert!(outbox.is_ok());
    let mut tree = Vec::new();
    walk(&dir.path().join("spool"), "", &mut tree);
    tree.retain(|path| !path.ends_with("-wal") && !path.ends_with("-shm"));
    tree.sort();
    expected.sort();
    assert_eq!(tree, expected);
    drop((spool, log, outbox));
}

#[test]
fn a_listing_gives_one_more_than_a_page_to_whoever_has_to_know_whether_there_is_another() {
    let spool = open(&SimFiles::new());
    (0..LISTED_OBJECTS + 2).for_each(|number| drop(deposit(&spool, &format!("spool:/bob/{number}"), b"x")));
    let listed = |limit| spool.list(&Query { limit, ..Query::default() }).expect("a page").len();
    let most = [None, Some(LISTED_OBJECTS + 1), Some(LISTED_OBJECTS + 2)].map(listed);
    assert_eq!(most, [LISTED_OBJECTS, LISTED_OBJECTS + 1, LISTED_OBJECTS + 1]);
}
