//! Encryption at rest as the spool's callers see it: nothing readable on the disk, nothing lost, keys that come and go.

#[path = "spool_vault/crashes.rs"]
mod crashes;
#[path = "sim/disk.rs"]
mod disk;
#[path = "spool_vault/keys.rs"]
mod keys;

use std::sync::Arc;

use disk::SimFiles;
use restante::model::{BoxClass, Digest, FileInfo, Mint, Now, Party, Wall, Wrapper};
use restante::spool::{Check, Committed, EnvelopeDraft, Icon, Index, Keys, Spool, SpoolError, Stage, StagePlan};
use sha2::{Digest as _, Sha256};

/// Stands in every body, and in everything that is known of a file.
const CANARY: &str = "the-canary-sings";

/// Octets of a frame (spool/README.md).
const FRAME: usize = 64 * 1024;

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn key(name: &str) -> (String, [u8; 32]) {
    (name.to_owned(), Sha256::digest(name).into())
}

fn open_with(files: &SimFiles, keys: &[&str], seed: u64) -> Result<Spool, SpoolError> {
    let keys = Keys::new(keys.iter().map(|name| key(name)));
    let opened = Spool::open_with(Arc::new(files.clone()), Index::in_memory(), keys, Mint::from_number(seed), now());
    let (spool, _) = opened?;
    spool.set_classes(vec![BoxClass {
        matches: "*".parse().expect("a pattern"),
        encrypt: true,
        ..BoxClass::default()
    }]);
    Ok(spool)
}

fn open(files: &SimFiles, keys: &[&str]) -> Spool {
    open_with(files, keys, 1).expect("a spool")
}

/// Octets with the canary at the beginning, at the end, and across every border of frames.
fn content(octets: usize) -> Vec<u8> {
    let mut all: Vec<u8> =
        (0..octets).map(|at| (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]).collect();
    let places = (0..=octets / FRAME)
        .map(|frame| (frame * FRAME).saturating_sub(7))
        .chain([octets.saturating_sub(CANARY.len())]);
    for at in places {
        if let Some(place) = all.get_mut(at..at + CANARY.len()) {
            place.copy_from_slice(CANARY.as_bytes());
        }
    }
    all
}

fn declared(octets: &[u8]) -> FileInfo {
    let digests = vec![Digest::sha256(Sha256::digest(octets).into())];
    FileInfo { size: Some(octets.len() as u64), digests, ..FileInfo::default() }
}

fn plan(name: &str, octets: &[u8]) -> StagePlan {
    let uri = name.parse().expect("a name");
    StagePlan {
        resume_key: Some(format!("{CANARY} {name}")),
        declared: declared(octets),
        overwrite: true,
        ..StagePlan::new(uri)
    }
}

/// Everything that can be known of a file, and the canary in all of it.
fn draft() -> EnvelopeDraft {
    let canary = || Some(CANARY.to_owned());
    let party = || Party { name: canary(), uri: format!("sip:{CANARY}@example.org") };
    EnvelopeDraft {
        from: Some(party().uri),
        to: Some(party().uri),
        call_id: canary(),
        message_id: canary(),
        file: FileInfo {
            name: canary(),
            media_type: Some(format!("application/{CANARY}")),
            disposition: canary(),
            created: canary(),
            modified: canary(),
            read: canary(),
            transfer_id: canary(),
            ..FileInfo::default()
        },
        icon: Some(Icon { media_type: format!("image/{CANARY}"), octets: content(60_000) }),
        expires: None,
        wrappers: vec![Wrapper { from: Some(party()), to: vec![party()], subject: canary(), ..Wrapper::default() }],
        hops: None,
    }
}

fn filled(spool: &Spool, name: &str, octets: &[u8]) -> Stage {
    let mut stage = spool.stage(plan(name, octets), now()).expect("a stage");
    for (number, chunk) in octets.chunks(10_000).enumerate() {
        stage.write(number as u64 * 10_000, chunk).expect("octets");
    }
    stage
}

fn deposit(spool: &Spool, name: &str, octets: &[u8]) -> Committed {
    let sealed = filled(spool, name, octets).seal(octets.len() as u64, &declared(octets)).expect("a whole file");
    spool.commit(sealed, draft(), now()).expect("an object")
}

fn read(spool: &Spool, object: &Committed) -> Vec<u8> {
    let body = spool.read(object).expect("a body");
    let mut octets = vec![0; body.size() as usize];
    assert_eq!(body.read_at(0, &mut octets).expect("octets"), octets.len());
    octets
}

/// Where the canary can be read, as it is or in the forms in which records write octets, and the digests of a body, by
/// which somebody who has it could tell that it is here.
fn betrayed(files: &SimFiles, body: &[u8]) -> Vec<String> {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let needles = [
        CANARY.to_owned(),
        hex(CANARY.as_bytes()),
        data_encoding::BASE64.encode(&CANARY.as_bytes()[..15]),
        digest_hex(body),
        hex(&sha1::Sha1::digest(body)),
    ];
    let is_in = |octets: &[u8], needle: &str| memchr::memmem::find(octets, needle.as_bytes()).is_some();
    let told = |path: &String| {
        let octets = files.octets(path);
        needles.iter().any(|needle| is_in(&octets, needle))
    };
    files.paths().into_iter().filter(told).collect()
}

fn digest_hex(octets: &[u8]) -> String {
    Digest::sha256(Sha256::digest(octets).into()).hex()
}

#[test]
fn nothing_of_a_file_can_be_read_on_the_disk_while_it_arrives_when_it_broke_off_and_when_it_is_there() {
    let files = SimFiles::new();
    let octets = content(3 * FRAME + 4321);
    let spool = open(&files, &["one"]);
    let mut stage = filled(&spool, "spool:/bob/a", &octets[..2 * FRAME + 9]);
    assert_eq!(betrayed(&files, &octets), Vec::<String>::new(), "while it arrives");
    stage.sync().expect("a durable stage");
    assert_eq!(betrayed(&files, &octets), Vec::<String>::new(), "when it is durable");
    drop(stage);
    deposit(&spool, "spool:/bob/b", &octets);
    deposit(&spool, "spool:/bob/small", CANARY.as_bytes());
    deposit(&spool, "spool:/bob/empty", b"");
    assert_eq!(betrayed(&files, &octets), Vec::<String>::new(), "when it is an object");
    let restarted = files.kill();
    drop(open(&restarted, &["one"]));
    assert_eq!(betrayed(&restarted, &octets), Vec::<String>::new(), "after a restart");
}

#[test]
fn what_is_read_is_what_arrived_whole_by_range_behind_a_wrapper_and_in_the_envelope() {
    let files = SimFiles::new();
    let spool = open(&files, &["one"]);
    let octets = content(3 * FRAME + 4321);
    let object = deposit(&spool, "spool:/bob/a", &octets);
    let mut stage = filled(&spool, "spool:/bob/wrapped", &octets);
    assert_eq!(stage.peek(100).expect("octets"), &octets[..100]);
    stage.content_from(FRAME as u64 + 5).expect("a stage");
    let file = &octets[FRAME + 5..];
    let sealed = stage.seal_content(FRAME as u64 + 5..octets.len() as u64, &declared(file)).expect("a whole file");
    let wrapped = spool.commit(sealed, draft(), now()).expect("an object");
    for spool in [spool.clone(), open(&files.kill(), &["one"])] {
        assert!(read(&spool, &object) == octets && read(&spool, &wrapped) == file);
        let body = spool.read(&object).expect("a body");
        for (start, length) in [(0, 1), (FRAME - 1, 2), (FRAME, FRAME), (5, 2 * FRAME), (3 * FRAME + 4320, 9)] {
            let mut buffer = vec![0; length];
            let got = body.read_at(start as u64, &mut buffer).expect("octets");
            assert!(buffer[..got] == octets[start..octets.len().min(start + length)], "{start} {length}");
        }
        let found = spool.find(&object.envelope().uri).expect("an answer").expect("the object");
        assert_eq!((&found, found.envelope().is_encrypted()), (&object, true));
        assert_eq!(found.envelope().icon, draft().icon);
        assert_eq!(found.envelope().wrappers, draft().wrappers);
        assert_eq!(spool.verify(&object.envelope().id).expect("an answer"), Check::Sound);
        let listed = spool.list(&restante::spool::Query::default()).expect("a list");
        assert_eq!(listed.iter().map(|envelope| envelope.file.name.as_deref()).collect::<Vec<_>>(), [Some(CANARY); 2]);
    }
}

#[test]
fn a_selector_finds_an_encrypted_file_by_its_name_its_size_and_its_digests() {
    let files = SimFiles::new();
    let spool = open(&files, &["one"]);
    let octets = content(1000);
    let object = deposit(&spool, "spool:/bob/a", &octets);
    deposit(&spool, "spool:/bob/b", &content(1001));
    let named = FileInfo { name: Some(CANARY.to_owned()), ..FileInfo::default() };
    for spool in [spool.clone(), open(&files.kill(), &["two", "one"])] {
        let picked = |selector: &FileInfo| spool.select("bob", selector).expect("an answer").len();
        assert_eq!(spool.select_one("bob", &declared(&octets)).expect("an answer").as_ref(), Some(&object));
        assert_eq!(picked(&FileInfo { digests: vec![object.envelope().sha1().clone()], ..named.clone() }), 1);
        assert_eq!((picked(&named), picked(&FileInfo::default())), (2, 2));
        assert_eq!(picked(&FileInfo { name: Some("a".to_owned()), ..FileInfo::default() }), 1, "the object's own name");
        assert_eq!(picked(&FileInfo { media_type: Some("text/plain".to_owned()), ..named.clone() }), 0);
    }
}

#[test]
fn a_bit_that_is_flipped_in_a_body_or_an_envelope_puts_the_object_aside() {
    let octets = content(2 * FRAME + 99);
    for (dir, at) in
        [("data/", 5), ("data/", FRAME + 50), ("data/", 2 * FRAME + 150), ("queued/", 150), ("queued/", 700)]
    {
        let files = SimFiles::new();
        let id = deposit(&open(&files, &["one"]), "spool:/bob/a", &octets).envelope().id.clone();
        let path = files.paths().into_iter().find(|path| path.starts_with(dir)).expect("a file");
        let mut damaged = files.octets(&path);
        damaged[at] ^= 1;
        files.overwrite(&path, &damaged);
        let spool = open(&files.kill(), &["one"]);
        let check = spool.verify(&id);
        let gone = matches!(check, Err(SpoolError::Gone { .. })) && dir == "queued/"; // the start has found it
        assert!(gone || matches!(check, Ok(Check::Damaged { .. })), "{dir}{at}: {check:?}");
        assert_eq!(spool.status().corrupt, 2, "{dir}{at}");
    }
}

#[test]
fn a_deleted_object_takes_its_key_along_and_so_does_a_stage_that_is_given_up() {
    let files = SimFiles::new();
    let spool = open(&files, &["one"]);
    let octets = content(FRAME + 1);
    let object = deposit(&spool, "spool:/bob/a", &octets);
    let wrapped = |files: &SimFiles| -> Vec<String> {
        let has_key = |path: &String| String::from_utf8_lossy(&files.octets(path)).contains("\"master\"");
        files.paths().into_iter().filter(has_key).collect()
    };
    let envelope = format!("queued/{}", object.envelope().id);
    assert_eq!(wrapped(&files), std::slice::from_ref(&envelope));
    let key_of = files.octets(&envelope);
    let body = spool.read(&object).expect("a body");
    let before = files.calls().len();
    spool.delete(&object, "bob", now()).expect("a deletion");
    assert_eq!(wrapped(&files), Vec::<String>::new());
    let calls = files.calls().split_off(before);
    let place = |wanted: &str| calls.iter().position(|call| call.starts_with(wanted));
    let overwritten = place("write stage/").max(place("write_at stage/"));
    assert!(overwritten.is_some() && overwritten < place("remove data/"), "the key goes before the octets: {calls:?}");
    assert!(!files.paths().iter().any(|path| files.octets(path) == key_of));
    let mut one = [0];
    assert_eq!(body.read_at(0, &mut one).expect("who reads already reads on"), 1);
    let mut stage = filled(&spool, "spool:/bob/b", &octets);
    stage.sync().expect("a durable stage");
    assert_eq!(wrapped(&files).len(), 1);
    stage.discard();
    assert_eq!(wrapped(&files), Vec::<String>::new());
    let mut stage = filled(&spool, "spool:/bob/c", &octets);
    stage.sync().expect("a durable stage");
    let before = files.calls().len();
    let sealed = stage.seal(octets.len() as u64, &declared(&octets)).expect("a whole file");
    spool.commit(sealed, draft(), now()).expect("an object");
    let calls = files.calls().split_off(before);
    let journal = calls.iter().position(|call| call.ends_with(".ranges")).expect("the journal goes");
    let gone = calls[journal..].iter().filter(|call| call.ends_with(".gone")).map(|call| call.split(' ').next());
    let gone: Vec<_> = gone.flatten().collect();
    assert_eq!(gone, ["open", "size", "write", "sync", "remove"], "no other copy of the key outlives the deletion");
}

#[test]
fn a_box_that_is_not_to_be_encrypted_is_not_and_without_a_key_one_that_is_takes_nothing() {
    let files = SimFiles::new();
    let spool = open(&files, &["one"]);
    spool.set_classes(vec![
        BoxClass { matches: "open-*".parse().expect("a pattern"), encrypt: false, ..BoxClass::default() },
        BoxClass { matches: "*".parse().expect("a pattern"), encrypt: true, ..BoxClass::default() },
    ]);
    let octets = content(1000);
    let stage = filled(&spool, "spool:/open-bob/a", &octets);
    assert_eq!(betrayed(&files, &octets).len(), 1);
    stage.discard();
    drop(spool);
    let refused = open(&files.kill(), &[]).stage(plan("spool:/bob/a", &octets), now());
    let why = refused.expect_err("no key").to_string();
    assert_eq!(why, "what arrives in the box bob is encrypted, and there is no key");
}
