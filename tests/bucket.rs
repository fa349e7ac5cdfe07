//! One suite for every store: the disk, and buckets behind servers of two makes, one of which fails in every way that S3
//! is known for.

#[path = "support/s3.rs"]
mod s3;
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::Method;
use restante::io::bucket::{S3Bucket, examine};
use restante::io::files::HostFiles;
use restante::model::{Digest, FileInfo, Mint, Now, ObjectUri, Wall};
use restante::spool::{
    Bucket, Carried, Check, CommitError, Committed, EnvelopeDraft, Index, Keys, Query, Remote, Report, Spool,
    SpoolError, StagePlan,
};
use s3::{Fault, Moto, Plan, S3};
use sha2::{Digest as _, Sha256};
use support::Chance;
use tempfile::TempDir;

const PART_OCTETS: u64 = 5 * 1024 * 1024;

static OPENED: AtomicU64 = AtomicU64::new(1);

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn uri(name: &str) -> ObjectUri {
    format!("spool:/bob/{name}").parse().expect("a name")
}

/// A spool in `dir`, with a bucket if there is one.
fn open(dir: &Path, bucket: Option<(S3Bucket, Report)>) -> Spool {
    let files = HostFiles::new(dir.join("spool")).expect("a directory");
    let index = Index::open(dir.join("spool/index.sqlite"));
    let remote = bucket.map(|(bucket, report)| Remote::new(Arc::new(bucket), PART_OCTETS, Box::new(move |_| report)));
    let mint = Mint::from_number(OPENED.fetch_add(1, Ordering::Relaxed)); // no two processes mint the same
    let opened = Spool::open_with_bucket(Arc::new(files), remote, index, Keys::none(), mint, now());
    opened.expect("a spool").0
}

fn declared(octets: &[u8]) -> FileInfo {
    let digest = Digest::sha256(Sha256::digest(octets).into());
    FileInfo { size: Some(octets.len() as u64), digests: vec![digest], ..FileInfo::default() }
}

fn plan(name: &str, octets: &[u8]) -> StagePlan {
    let resume_key = Some(name.to_owned());
    StagePlan { resume_key, declared: declared(octets), overwrite: true, ..StagePlan::new(uri(name)) }
}

fn deposit(spool: &Spool, name: &str, octets: &[u8]) -> Result<Committed, CommitError> {
    let mut stage = spool.stage(plan(name, octets), now()).expect("a stage");
    let mut at = stage.received().prefix();
    for chunk in octets[usize::try_from(at).expect("it fits")..].chunks(64 * 1024) {
        stage.write(at, chunk).expect("octets");
        at += chunk.len() as u64;
        spool.carry(Duration::ZERO); // what can't be carried now is carried by the commit
    }
    let sealed = stage.seal(octets.len() as u64, &declared(octets)).expect("it is whole");
    spool.commit(sealed, EnvelopeDraft::default(), now())
}

fn carry(spool: &Spool) {
    while spool.carry(Duration::ZERO) == Carried::Something {}
}

fn body(spool: &Spool, object: &Committed) -> Vec<u8> {
    let body = spool.read(object).expect("a body");
    let mut octets = vec![0; usize::try_from(body.size()).expect("it fits")];
    let mut filled = 0;
    while filled < octets.len() {
        match body.read_at(filled as u64, &mut octets[filled..]).expect("octets") {
            0 => break,
            read => filled += read,
        }
    }
    octets
}

fn octets(count: usize) -> Vec<u8> {
    Chance::new(count as u64).octets(count)
}

/// What every store does. `open` opens the same one again and again.
fn suite(open: &dyn Fn() -> Spool) {
    let spool = open();
    let (small, large) = (octets(700), octets(12 * 1024 * 1024 + 17));
    // Nothing, little, and more than a part.
    for (name, octets) in [("nothing", &Vec::new()), ("small", &small), ("large", &large)] {
        let object = deposit(&spool, name, octets).expect("a commit");
        assert_eq!(&body(&spool, &object), octets, "{name}");
        carry(&spool);
        assert_eq!(&body(&spool, &object), octets, "{name} after it was carried");
        assert_eq!(spool.verify(&object.envelope().id).expect("a check"), Check::Sound, "{name}");
    }
    // A range, across whatever windows there are.
    let object = spool.find(&uri("large")).expect("an answer").expect("an object");
    let mut range = vec![0; 3_000_000];
    let (reader, mut filled) = (spool.read(&object).expect("a body"), 0);
    while filled < range.len() {
        filled += reader.read_at(4_000_001 + filled as u64, &mut range[filled..]).expect("octets");
    }
    assert!(range == large[4_000_001..7_000_001]);
    // Replaced, and deleted by whoever is first.
    let replaced = deposit(&spool, "small", b"another").expect("a commit");
    assert_eq!(body(&spool, &spool.find(&uri("small")).expect("an answer").expect("an object")), b"another");
    spool.delete(&replaced, "a test", now()).expect("a deletion");
    assert!(matches!(spool.delete(&replaced, "a test", now()), Err(SpoolError::Gone { .. })));
    assert_eq!(spool.find(&uri("small")).expect("an answer"), None);
    // Suspended, and gone on with by the next process.
    let mut stage = spool.stage(plan("later", &large), now()).expect("a stage");
    stage.write(0, &large[..11_000_000]).expect("octets");
    carry(&spool);
    stage.suspend().expect("a sync");
    drop(spool);
    let spool = open();
    let listed = spool.list(&Query::default()).expect("a list");
    let mut names: Vec<_> = listed.iter().filter_map(|envelope| envelope.uri.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["large", "nothing"]);
    let stage = spool.stage(plan("later", &large), now()).expect("a stage");
    assert_eq!(stage.received().prefix(), 11_000_000);
    drop(stage);
    let later = deposit(&spool, "later", &large).expect("a commit");
    carry(&spool);
    assert!(body(&spool, &later) == large);
    // A sender that changes its mind about what was uploaded long ago: the last chunk wins.
    let mut changed = large.clone();
    changed[..5].copy_from_slice(b"other");
    let mut stage = spool.stage(plan("changed", &changed), now()).expect("a stage");
    stage.write(0, &large).expect("octets");
    carry(&spool);
    stage.write(0, b"other").expect("octets");
    let sealed = stage.seal(changed.len() as u64, &declared(&changed)).expect("it is whole");
    let object = spool.commit(sealed, EnvelopeDraft::default(), now()).expect("a commit");
    carry(&spool);
    assert!(body(&spool, &object) == changed);
    assert_eq!(spool.verify(&object.envelope().id).expect("a check"), Check::Sound);
    drop(spool);
    assert_eq!(open().status().objects, 4);
}

#[test]
fn the_disk_passes_the_suite() {
    let dir = TempDir::new().expect("a directory");
    suite(&|| open(dir.path(), None));
}

#[test]
fn a_bucket_passes_the_suite() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    suite(&|| open(dir.path(), Some((s3.bucket("voice"), Report::Bucket))));
    // The upload that was suspended went on: one was begun for each of three large bodies.
    assert_eq!(s3.seen("POST", "?uploads"), 3, "of `large`, `later` and `changed`");
}

#[test]
fn a_disk_from_which_everything_follows_into_a_bucket_passes_the_suite() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    suite(&|| open(dir.path(), Some((s3.bucket("voice"), Report::DiskThenBucket))));
}

#[test]
fn a_bucket_of_another_make_passes_the_suite() {
    let Some(moto) = Moto::start() else { return };
    let dir = TempDir::new().expect("a directory");
    suite(&|| open(dir.path(), Some((moto.bucket("voice"), Report::Bucket))));
}

#[test]
fn the_doctor_finds_sound_buckets_sound_and_leaves_nothing_behind() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let bucket = s3.bucket("examined");
    let examination = examine(&bucket, &mut Mint::from_number(1), now().wall);
    assert_eq!(examination.refusal(), None, "{examination:?}");
    assert_eq!(bucket.list("doctor/", ""), Ok(Vec::new()));
    let Some(moto) = Moto::start() else { return };
    let bucket = moto.bucket("examined");
    let examination = examine(&bucket, &mut Mint::from_number(1), now().wall);
    assert_eq!(examination.refusal(), None, "{examination:?}");
    assert!(examination.findings.iter().all(|finding| finding.fault.is_none()), "{examination:?}");
    assert_eq!((bucket.list("doctor/", ""), bucket.unfinished("doctor/")), (Ok(Vec::new()), Ok(Vec::new())));
}

// R23
#[test]
fn the_doctor_catches_a_bucket_whose_conditions_hold_only_when_nobody_hurries() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    s3.let_race();
    let examination = examine(&s3.bucket("examined"), &mut Mint::from_number(1), now().wall);
    let refusal = examination.refusal().expect("it is of no use");
    assert!(refusal.contains("were told that they had won"), "{refusal}");
}

// R23
#[test]
fn the_doctor_catches_a_bucket_that_ignores_its_conditions() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    s3.ignore_conditions();
    let examination = examine(&s3.bucket("examined"), &mut Mint::from_number(1), now().wall);
    let refusal = examination.refusal().expect("it is of no use");
    assert!(refusal.contains("If-None-Match is ignored"), "{refusal}");
    assert!(refusal.contains("were told that they had won"), "{refusal}");
}

const FAULTS: [Fault; 8] = [
    Fault::SlowDown,
    Fault::Internal,
    Fault::LostAnswer,
    Fault::DoneAndInternal,
    Fault::Truncated,
    Fault::WrongTag,
    Fault::Expired,
    Fault::Conflict,
];

/// One fault at each kind of request: whatever is reported is there, and what is not can be brought again.
fn survives(method: &Method, contains: &'static str, times: usize) {
    for fault in FAULTS {
        let dir = TempDir::new().expect("a directory");
        let s3 = S3::start(&dir.path().join("s3"));
        let spool = open(dir.path(), Some((s3.bucket("voice"), Report::Bucket)));
        let large = octets(6 * 1024 * 1024);
        s3.plan(Plan { method: method.clone(), contains, fault, times });
        let first = deposit(&spool, "one", &large);
        let object = match first {
            Ok(object) => object,
            Err(error) => {
                let again = deposit(&spool, "one", &large);
                again.unwrap_or_else(|second| panic!("{fault:?}: {error}, and again {second}"))
            }
        };
        let small = deposit(&spool, "two", b"small").or_else(|_| deposit(&spool, "two", b"small"));
        let small = small.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        drop(spool);
        let spool = open(dir.path(), Some((s3.bucket("voice"), Report::Bucket)));
        assert_eq!(spool.status().objects, 2, "{fault:?}");
        assert_eq!(spool.verify(&small.envelope().id).expect("a check"), Check::Sound, "{fault:?}");
        assert!(body(&spool, &object) == large, "{fault:?}");
    }
}

// R22
#[test]
fn a_fault_while_an_upload_begins_loses_nothing() {
    survives(&Method::POST, "?uploads", 1);
}

// R22
#[test]
fn a_fault_while_a_part_is_uploaded_loses_nothing() {
    survives(&Method::PUT, "partNumber=1", 1);
}

// R22
#[test]
fn a_fault_while_an_upload_is_completed_loses_nothing() {
    survives(&Method::POST, "uploadId=", 1);
}

// R22
#[test]
fn a_fault_while_an_envelope_is_put_loses_nothing_and_makes_no_second_object() {
    survives(&Method::PUT, "/queued/", 1);
}

// R22
#[test]
fn a_fault_while_a_small_body_is_put_loses_nothing() {
    survives(&Method::PUT, "/data/", 1);
}

// R22
#[test]
fn a_bucket_that_fails_for_longer_is_waited_for_no_longer_than_it_has_to_be() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let spool = open(dir.path(), Some((s3.bucket("voice"), Report::Bucket)));
    s3.plan(Plan { method: Method::PUT, contains: "/data/", fault: Fault::Expired, times: usize::MAX });
    assert!(deposit(&spool, "one", b"small").is_err());
    assert_eq!(s3.seen("PUT", ""), 1, "what is refused is not asked again");
    assert!(spool.status().reason.is_some_and(|why| why.contains("403")), "the operator hears of it");
}

// R22
#[test]
fn an_answer_that_ends_early_is_not_the_end_of_a_body() {
    let dir = TempDir::new().expect("a directory");
    let s3 = S3::start(&dir.path().join("s3"));
    let spool = open(dir.path(), Some((s3.bucket("voice"), Report::Bucket)));
    let large = octets(3 * 1024 * 1024);
    let object = deposit(&spool, "one", &large).expect("a commit");
    s3.plan(Plan { method: Method::GET, contains: "/data/", fault: Fault::Truncated, times: 2 });
    assert!(body(&spool, &object) == large);
}
