//! Files that lie behind the wrapper they came in: the object is the file, the body is everything.

#[path = "sim/disk.rs"]
mod disk;

use std::sync::Arc;

use disk::SimFiles;
use proptest::prelude::*;
use restante::model::{Digest, Disposition, FileInfo, Imdn, Mint, Now, Party, Wall, Wrapper};
use restante::spool::{Check, Committed, EnvelopeDraft, Index, Query, SealError, Spool, SpoolError, Stage, StagePlan};
use sha2::{Digest as _, Sha256};

const HEAD: &[u8] = b"From: <sip:erin@example.net>\r\n\r\nContent-Type: text/plain\r\n\r\n";
const FILE: &[u8] = b"what she wrote";

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn open(files: &SimFiles) -> Spool {
    Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now()).expect("a spool").0
}

fn plan() -> StagePlan {
    let uri = "spool:/bob/x".parse().expect("a name");
    StagePlan { resume_key: Some("erin".to_owned()), overwrite: true, ..StagePlan::new(uri) }
}

fn whole() -> Vec<u8> {
    [HEAD, FILE].concat()
}

fn declared(octets: &[u8]) -> FileInfo {
    let digests = vec![Digest::sha256(Sha256::digest(octets).into())];
    FileInfo { size: Some(octets.len() as u64), digests, ..FileInfo::default() }
}

fn asking() -> Imdn {
    Imdn {
        message_id: "34jk324j".to_owned(),
        wants: vec![Disposition::NegativeDelivery, Disposition::Processing],
        original_to: Some("sip:list@example.org".to_owned()),
        record_route: vec!["sip:first@example.net".to_owned(), "sip:second@example.net".to_owned()],
        route: Vec::new(),
        shown: true,
    }
}

fn wrapper() -> Wrapper {
    Wrapper {
        from: Some(Party { name: Some("Erin \"E\"".to_owned()), uri: "sip:erin@example.net".to_owned() }),
        to: vec![Party::new("sip:bob@example.org"), Party::new("sip:carol@example.org")],
        cc: vec![Party::new("sip:dave@example.org")],
        sent: Some("2026-11-22T23:00:00+01:00".to_owned()),
        subject: Some("Rückruf\n".to_owned()),
        language: Some("de".to_owned()),
        imdn: Some(asking()),
    }
}

fn commit(spool: &Spool, stage: Stage) -> Committed {
    let all = whole();
    let sealed = stage.seal_content(HEAD.len() as u64..all.len() as u64, &declared(FILE)).expect("a whole file");
    assert_eq!(sealed.size(), FILE.len() as u64);
    let draft = EnvelopeDraft { wrappers: vec![Wrapper::default(), wrapper()], ..EnvelopeDraft::default() };
    spool.commit(sealed, draft, now()).expect("an object")
}

fn filled(spool: &Spool) -> Stage {
    let mut stage = spool.stage(plan(), now()).expect("a stage");
    stage.write(0, &whole()).expect("octets");
    stage
}

fn deposit(spool: &Spool) -> Committed {
    commit(spool, filled(spool))
}

fn content(spool: &Spool, object: &Committed) -> Vec<u8> {
    let body = spool.read(object).expect("a body");
    let mut octets = vec![0; body.size() as usize + 10];
    let read = body.read_at(0, &mut octets).expect("octets");
    octets.truncate(read);
    let mut last = [0; 4];
    assert_eq!(body.read_at(body.size() - 2, &mut last).expect("octets"), 2, "nothing behind the end");
    octets
}

#[test]
fn the_object_is_the_file_and_the_octets_lie_as_they_came_also_after_a_restart() {
    let files = SimFiles::new();
    let object = deposit(&open(&files));
    let files = files.kill();
    let spool = open(&files);
    let found = spool.find_id(&object.envelope().id).expect("no damage").expect("the object");
    assert_eq!(found, object);
    let envelope = found.envelope();
    assert_eq!((envelope.size(), envelope.offset), (FILE.len() as u64, HEAD.len() as u64));
    assert_eq!(envelope.wrappers, [Wrapper::default(), wrapper()]);
    assert_eq!(content(&spool, &found), FILE);
    assert_eq!(spool.verify(&envelope.id).expect("a check"), Check::Sound);
    assert_eq!(spool.select("bob", &declared(FILE)).expect("a selection"), std::slice::from_ref(&found));
    assert_eq!(spool.select("bob", &declared(&whole())).expect("a selection"), []);
    assert_eq!(spool.list(&Query::default()).expect("a list"), std::slice::from_ref(envelope));
    assert_eq!(files.octets(&found.body_path()), whole());
}

#[test]
fn damage_is_found_and_a_release_that_knows_no_wrappers_leaves_the_object_alone() {
    let files = SimFiles::new();
    let spool = open(&files);
    let object = deposit(&spool);
    let record = files.octets(&format!("queued/{}", object.envelope().id));
    assert!(record.starts_with(b"restante envelope 2 "), "its version says that the body is not the file");
    for damaged in [[HEAD, b"what she wrotf"].concat(), whole()[1..].to_vec(), FILE.to_vec()] {
        let object = deposit(&spool);
        files.overwrite(&object.body_path(), &damaged);
        assert!(matches!(spool.verify(&object.envelope().id).expect("a check"), Check::Damaged { .. }));
        assert_eq!(spool.find_id(&object.envelope().id).expect("an answer"), None);
    }
    let torn = deposit(&spool);
    files.overwrite(&torn.body_path(), FILE);
    assert!(matches!(spool.read(&torn), Err(SpoolError::Corrupt { .. })));
}

#[test]
fn size_and_digest_are_compared_with_the_file_alone() {
    let spool = open(&SimFiles::new());
    let (head, total) = (HEAD.len() as u64, whole().len() as u64);
    let wrong = filled(&spool).seal_content(head..total, &declared(&whole()));
    assert!(matches!(wrong, Err(SealError::Size { received: 14, .. })), "{wrong:?}");
    let other = FileInfo { digests: declared(&whole()).digests, ..declared(FILE) };
    assert!(matches!(filled(&spool).seal_content(head..total, &other), Err(SealError::Digest { .. })));
    let beyond = filled(&spool).seal_content(std::ops::Range { start: total + 1, end: total }, &FileInfo::default());
    assert!(matches!(beyond, Err(SealError::Size { .. })), "{beyond:?}");
    filled(&spool).seal_content(head..total, &declared(FILE)).expect("the file");
}

#[test]
fn a_look_at_a_stage_ends_at_its_first_hole() {
    let spool = open(&SimFiles::new());
    let mut stage = spool.stage(plan(), now()).expect("a stage");
    assert_eq!(stage.peek(10).expect("a look"), b"");
    stage.write(0, b"abc").expect("octets");
    stage.write(4, b"efg").expect("octets");
    assert_eq!(stage.peek(10).expect("a look"), b"abc");
    assert_eq!(stage.peek(2).expect("a look"), b"ab");
    let newer = spool.stage(plan(), now()).expect("the stage again");
    assert!(stage.peek(2).is_err() && stage.content_from(1).is_err(), "taken over");
    assert_eq!(newer.peek(10).expect("a look"), b"abc");
}

proptest! {
    // M4975-7.3.1-02 M4975-7.3.1-05 M4975-7.3.1-06
    #[test]
    fn whatever_was_said_of_the_content_while_it_came_its_seal_has_the_last_word(
        chunks in prop::collection::vec((0usize..60, 1usize..30, any::<bool>()), 0..8),
        hints in prop::collection::vec(0u64..200, 0..8),
        suspend_at in 0usize..8,
    ) {
        let (files, all) = (SimFiles::new(), whole());
        let spool = open(&files);
        let mut stage = spool.stage(plan(), now()).expect("a stage");
        for (index, (offset, length, garbled)) in chunks.iter().enumerate() {
            if index == suspend_at {
                stage.suspend().expect("a suspended stage");
                stage = spool.stage(plan(), now()).expect("the stage again");
            }
            let end = all.len().min(offset + length);
            let piece: Vec<u8> = all[*offset..end].iter().map(|octet| octet ^ u8::from(*garbled)).collect();
            stage.write(*offset as u64, &piece).expect("octets");
            if let Some(hint) = hints.get(index) {
                stage.content_from(*hint).expect("a stage of ours");
            }
        }
        let (front, back) = all.split_at(all.len() / 2);
        stage.write(front.len() as u64, back).expect("octets");
        stage.write(0, front).expect("octets");
        let object = commit(&spool, stage);
        prop_assert_eq!(content(&spool, &object), FILE);
        prop_assert_eq!(spool.verify(&object.envelope().id).expect("a check"), Check::Sound);
    }
}
