//! The index is a cache: whatever becomes of it, a start finds the same objects, and none that is gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante::io::files::HostFiles;
use restante::model::{BoxClass, FileInfo, Mint, Now, ObjectUri, Retention, Wall};
use restante::spool::{Committed, Envelope, EnvelopeDraft, Index, Query, Spool, StagePlan};

/// How often the index is torn or has a bit flipped.
const DAMAGES: u64 = 60;

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn uri(text: &str) -> ObjectUri {
    text.parse().expect("a name")
}

/// A spool in a directory, started again and again. One mint for all starts: ids never come again.
struct House {
    dir: tempfile::TempDir,
    mint: Mint,
}

impl House {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), mint: Mint::from_number(1) }
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join("index.sqlite")
    }

    fn start(&mut self) -> Spool {
        let files = Arc::new(HostFiles::new(self.dir.path()).expect("the directory"));
        Spool::open(files, Index::open(self.index()), self.mint.fork(), now()).expect("a spool").0
    }

    /// Puts something else in the place of the index.
    fn replace_index(&self, octets: Option<&[u8]>) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.index().display()));
        }
        if let Some(octets) = octets {
            std::fs::write(self.index(), octets).expect("an index");
        }
    }
}

fn deposit(spool: &Spool, name: &str, octets: &[u8]) -> Committed {
    let plan = StagePlan { overwrite: true, ..StagePlan::new(uri(name)) };
    let mut stage = spool.stage(plan, now()).expect("a stage");
    stage.write(0, octets).expect("octets");
    let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object")
}

/// Everything that can be asked of an index.
#[derive(Debug, PartialEq)]
struct Answers {
    listed: Vec<Envelope>,
    by_name: Vec<Option<String>>,
    by_hash: Vec<usize>,
    objects: u64,
}

fn answers(spool: &Spool, names: &[&str]) -> Answers {
    let listed = spool.list(&Query::default()).expect("a page");
    let id = |found: Option<Committed>| found.map(|object| object.envelope().id.clone());
    let by_hash = |envelope: &Envelope| {
        let wanted = FileInfo { digests: vec![envelope.sha256().clone()], ..FileInfo::default() };
        spool.select(envelope.uri.box_name(), &wanted).expect("an answer").len()
    };
    Answers {
        by_name: names.iter().map(|name| id(spool.find(&uri(name)).expect("an answer"))).collect(),
        by_hash: listed.iter().map(by_hash).collect(),
        objects: spool.status().objects,
        listed,
    }
}

const NAMES: [&str; 4] = ["spool:/bob/kept", "spool:/bob/replaced", "spool:/bob/deleted", "spool:/eve/other"];

/// A story that replaces and deletes, and the index as it was before and after.
fn story(house: &mut House) -> (Vec<u8>, Vec<u8>, Answers) {
    let spool = house.start();
    for name in &NAMES[..3] {
        deposit(&spool, name, name.as_bytes());
    }
    drop(spool);
    let yesterday = std::fs::read(house.index()).expect("the index");
    let spool = house.start();
    deposit(&spool, NAMES[1], b"another");
    let doomed = spool.find(&uri(NAMES[2])).expect("an answer").expect("an object");
    spool.delete(&doomed, "a test", now()).expect("a deletion");
    deposit(&spool, NAMES[3], b"a fourth");
    let all = answers(&spool, &NAMES);
    assert_eq!((all.objects, all.by_name[2].as_ref()), (3, None));
    drop(spool);
    (yesterday, std::fs::read(house.index()).expect("the index"), all)
}

#[test]
fn the_index_may_be_deleted_or_yesterdays_or_something_else_and_the_same_objects_are_there() {
    let mut house = House::new();
    let (yesterday, today, all) = story(&mut house);
    let nonsense = b"this is not a database, and long enough to look like one".as_slice();
    for octets in [None, Some(yesterday.as_slice()), Some(nonsense), Some(&today), Some(b"")] {
        house.replace_index(octets);
        for start in ["first", "second"] {
            assert_eq!(
                answers(&house.start(), &NAMES),
                all,
                "{start} start after {:?} octets",
                octets.map(<[u8]>::len)
            );
        }
    }
}

#[test]
fn a_torn_or_flipped_index_hides_nothing_and_brings_nothing_back() {
    let mut house = House::new();
    let (_, sound, all) = story(&mut house);
    let mut chance = Mint::from_number(7);
    let mut below = |limit: usize| {
        chance.ulid(now().wall).bytes().rev().take(8).fold(0usize, |sum, octet| sum * 31 + usize::from(octet)) % limit
    };
    for damage in 0..DAMAGES {
        let mut index = sound.clone();
        let at = below(index.len());
        if damage % 3 == 0 {
            index.truncate(at);
        } else {
            index[at] ^= 1 << below(8);
        }
        house.replace_index(Some(&index));
        let spool = house.start();
        assert_eq!(answers(&spool, &NAMES), all, "damage {damage} at {at}");
        drop(spool);
        assert_eq!(answers(&house.start(), &NAMES), all, "damage {damage} at {at}, the second start");
    }
}

/// Somebody has restored the directory from a backup, and not the index.
#[test]
fn an_index_from_a_later_moment_than_the_directory_speaks_of_nothing_that_is_not_there() {
    let mut house = House::new();
    let spool = house.start();
    deposit(&spool, NAMES[0], b"one");
    drop(spool);
    let backup = tempfile::tempdir().expect("a directory");
    copy(house.dir.path(), backup.path());
    let before = answers(&house.start(), &NAMES);
    let (_, later, _) = story(&mut house);
    house.dir = backup;
    house.replace_index(Some(&later));
    assert_eq!(answers(&house.start(), &NAMES), before);
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn whoever_asks_right_after_a_commit_is_told_of_it_whether_or_not_it_has_reached_the_index() {
    let mut house = House::new();
    let spool = house.start();
    for number in 0..270 {
        let name = format!("spool:/bob/{number}");
        let object = deposit(&spool, &name, b"abc");
        assert_eq!(spool.find(&uri(&name)).expect("an answer").as_ref(), Some(&object));
        if number % 90 == 0 {
            assert_eq!(spool.status().objects, number + 1);
        }
        if number % 7 == 0 {
            let again = deposit(&spool, &name, b"abcd");
            assert_eq!(spool.find(&uri(&name)).expect("an answer"), Some(again));
        }
    }
    // A server that is killed leaves some of them to the next start.
    let copied = tempfile::tempdir().expect("a directory");
    copy(house.dir.path(), copied.path());
    house.dir = copied;
    assert_eq!(house.start().status().objects, 270);
}

// R21
#[test]
fn a_file_that_came_while_the_clock_was_wrong_does_not_make_the_next_start_believe_it() {
    let mut house = House::new();
    let keep = Retention { any: Some(Duration::from_secs(30 * 86_400)), ..Retention::default() };
    let class = BoxClass { matches: "*".parse().expect("a pattern"), keep, ..BoxClass::default() };
    let leapt = Now { wall: Wall::from_micros(now().wall.micros() + 10 * 365 * 86_400 * 1_000_000), ..now() };
    let spool = house.start();
    deposit(&spool, NAMES[0], b"before");
    spool.sweep(now()).expect("a sweep");
    let mut stage = spool.stage(StagePlan::new(uri(NAMES[1])), leapt).expect("a stage");
    stage.write(0, b"after").expect("octets");
    let sealed = stage.seal(5, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), leapt).expect("an object");
    drop(spool);
    let files = Arc::new(HostFiles::new(house.dir.path()).expect("the directory"));
    let (spool, _) = Spool::open(files, Index::open(house.index()), house.mint.fork(), leapt).expect("a spool");
    spool.set_classes(vec![class]);
    for _ in 0..2 {
        spool.sweep(leapt).expect("a sweep");
    }
    assert!(spool.find(&uri(NAMES[0])).expect("an answer").is_some(), "ten years have not gone by");
}

// R10
#[test]
fn an_index_that_fails_under_a_server_goes_on_in_memory_and_the_operator_is_told() {
    let mut house = House::new();
    let spool = house.start();
    let one = deposit(&spool, "spool:/bob/one", b"one");
    assert_eq!(spool.status().index_lost, None);
    let other = rusqlite::Connection::open(house.index()).expect("the index");
    other.execute_batch("DROP TABLE objects").expect("it is there");
    let two = deposit(&spool, "spool:/bob/two", b"two");
    for object in [&one, &two] {
        assert_eq!(spool.find(&object.envelope().uri).expect("an answer").as_ref(), Some(object));
    }
    assert_eq!(spool.list(&Query::default()).expect("a listing").len(), 2);
    assert!(spool.status().index_lost.is_some_and(|why| why.contains("objects")));
    assert!(spool.status().writable, "files are taken as ever");
    drop((spool, other));
    assert_eq!(house.start().status().index_lost, None, "the next start makes it anew");
    let other = tempfile::tempdir().expect("a directory");
    let files = Arc::new(HostFiles::new(other.path()).expect("a directory"));
    let nowhere = Index::open(house.dir.path().join("nowhere/index.sqlite"));
    let spool = Spool::open(files, nowhere, Mint::from_number(1), now()).expect("a spool").0;
    assert!(spool.status().index_lost.is_some());
}
