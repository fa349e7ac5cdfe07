//! Bits that flip in each kind of file: found by whoever reads everything again, a server or a person.

#[path = "sim/disk.rs"]
mod disk;

use std::sync::Arc;

use disk::SimFiles;
use restante::io::files::HostFiles;
use restante::model::{FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{Check, Damage, EnvelopeDraft, Files, Index, Query, Scrub, Spool, StagePlan, damaged_records};

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn open(files: Arc<dyn Files>, index: Index) -> Spool {
    Spool::open(files, index, Mint::from_number(1), now()).expect("a spool").0
}

fn uri(name: &str) -> ObjectUri {
    format!("spool:/bob/{name}").parse().expect("a name")
}

fn deposit(spool: &Spool, name: &str) {
    let octets: Vec<u8> = (0..5000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut stage = spool.stage(StagePlan::new(uri(name)), now()).expect("a stage");
    stage.write(0, &octets).expect("octets");
    let sealed = stage.seal(5000, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
}

/// Two objects, a deletion, and a file of which half has come.
fn furnish(spool: &Spool) {
    ["one", "two", "three"].iter().for_each(|name| deposit(spool, name));
    let three = spool.find(&uri("three")).expect("an answer").expect("an object");
    spool.delete(&three, "a test", now()).expect("a deletion");
    let plan = StagePlan { resume_key: Some("key".to_owned()), ..StagePlan::new(uri("half")) };
    let mut stage = spool.stage(plan, now()).expect("a stage");
    stage.write(0, &[5; 3000]).expect("octets");
    stage.suspend().expect("a claim");
}

fn scrubbed(spool: &Spool) -> Vec<Damage> {
    let mut scrub = Scrub::new(spool, 7).expect("lists");
    while scrub.step(1000).expect("a disk that can be read").is_some() {}
    scrub.take_damage()
}

/// The files whose octets are under a checksum: not the lock, the ballast, nor a stage, which is not whole yet.
fn guarded(files: &SimFiles) -> Vec<String> {
    let bare = |path: &String| {
        ["lock", "ballast", "VERSION"].contains(&path.as_str())
            || (path.starts_with("stage/") && !path.ends_with(".ranges"))
    };
    files.paths().into_iter().filter(|path| !bare(path)).collect()
}

/// Where a flipped bit means something: the padding of journals does not.
fn places(octets: &[u8], journal: bool) -> Vec<usize> {
    let all = (0..octets.len()).filter(|at| !journal || !matches!(octets[*at], 0 | b' '));
    let all: Vec<usize> = all.collect();
    all.iter().copied().step_by((all.len() / 25).max(1)).collect()
}

// R9
#[test]
fn one_flipped_bit_in_any_kind_of_file_is_found_in_one_pass_of_the_scrubber() {
    let files = SimFiles::new();
    furnish(&open(Arc::new(files.clone()), Index::in_memory()));
    let kinds = guarded(&files);
    assert_eq!(kinds.len(), 6, "two envelopes, two bodies, a state, a journal: {kinds:?}");
    for path in kinds {
        let octets = files.octets(&path);
        for at in places(&octets, path.ends_with(".ranges")) {
            let rotten = files.kill();
            let spool = open(Arc::new(rotten.clone()), Index::in_memory());
            assert_eq!(scrubbed(&spool), [], "it is sound before");
            let mut flipped = octets.clone();
            flipped[at] ^= 1 << (at % 8);
            rotten.overwrite(&path, &flipped);
            let found = scrubbed(&spool);
            let id = path.rsplit('/').next().expect("a name").trim_end_matches(".ranges");
            assert!(found.len() == 1 && found[0].path.contains(id), "{path} at {at}: {found:?}");
            // What can't be used any more is out of the way. A journal stays: its octets may still be good.
            let again = scrubbed(&spool);
            assert!(again.is_empty() || path.ends_with(".ranges"), "{path}: {again:?}");
        }
    }
}

// R9
#[test]
fn one_flipped_bit_or_a_lost_tail_is_found_by_who_only_reads() {
    let files = SimFiles::new();
    furnish(&open(Arc::new(files.clone()), Index::in_memory()));
    let verified = |files: &SimFiles| {
        let spool = Spool::read_only(Arc::new(files.clone())).expect("a spool");
        let ids = files.list("queued").expect("a list");
        let checks = ids.iter().filter(|id| spool.verify(id).expect("a disk that can be read") != Check::Sound).count();
        checks + damaged_records(&spool).expect("a disk that can be read").len()
    };
    assert_eq!(verified(&files), 0);
    for path in guarded(&files) {
        let octets = files.octets(&path);
        for at in places(&octets, path.ends_with(".ranges")) {
            let rotten = files.kill();
            let mut flipped = octets.clone();
            flipped[at] ^= 1 << (at % 8);
            rotten.overwrite(&path, &flipped);
            assert_eq!(verified(&rotten), 1, "{path} at {at}");
        }
        let torn = files.kill();
        torn.overwrite(&path, &octets[..octets.len() - 1]);
        assert_eq!(verified(&torn), 1, "{path} without its last octet");
    }
}

// R9, R10
#[test]
fn an_index_that_has_forgotten_a_name_is_told_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spool/index.sqlite");
    let files = Arc::new(HostFiles::new(dir.path().join("spool")).expect("a directory"));
    let spool = open(files, Index::open(&path));
    deposit(&spool, "one");
    assert_eq!(spool.list(&Query::default()).expect("a list").len(), 1); // now it is in SQLite
    let index = rusqlite::Connection::open(&path).expect("SQLite");
    index.execute("UPDATE objects SET name = 'ono'", []).expect("a flipped bit");
    assert_eq!(spool.find(&uri("one")).expect("an answer"), None, "the index is wrong");
    assert_eq!(scrubbed(&spool), [], "it is a cache: nothing is lost");
    assert!(spool.find(&uri("one")).expect("an answer").is_some());
    assert_eq!(spool.status().objects, 1);
}
