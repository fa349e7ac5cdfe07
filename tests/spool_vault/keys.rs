//! Master keys that are missing, wrong, or followed by others.

use std::sync::Arc;

use restante::model::{FileInfo, Mint};
use restante::spool::{Check, EnvelopeDraft, Index, Keys, Query, Spool, SpoolError, StageError, StagePlan};

use super::disk::SimFiles;
use super::{FRAME, content, declared, deposit, draft, key, now, open, open_with, plan, read};

fn waiting(spool: &Spool) -> Vec<(String, u64)> {
    spool.waiting_for_keys().expect("an answer")
}

#[test]
fn without_its_key_or_with_another_of_its_name_an_object_waits_and_everything_else_is_served() {
    let files = SimFiles::new();
    let octets = content(FRAME + 1);
    let old = deposit(&open(&files, &["one"]), "spool:/bob/old", &octets);
    let files = files.kill();
    let new = deposit(&open_with(&files, &["two", "one"], 2).expect("a spool"), "spool:/bob/new", &octets);
    let files = files.kill();
    let impostor = ("one".to_owned(), key("three").1);
    let before: Vec<_> = files.paths().into_iter().map(|path| (files.octets(&path), path)).collect();
    for keys in [Keys::new([key("two")]), Keys::new([key("two"), impostor])] {
        let spool = Spool::open_with(Arc::new(files.kill()), Index::in_memory(), keys, Mint::from_number(8), now());
        let (spool, recovery) = spool.expect("a spool");
        assert_eq!((recovery.objects, waiting(&spool)), (2, vec![("one".to_owned(), 1)]));
        assert!(read(&spool, &new) == octets);
        let id = &old.envelope().id;
        let said =
            format!("{id} is encrypted with the key \"one\", which is not at hand, or is another one of that name");
        for error in
            [spool.find_id(id).map(drop), spool.find(&old.envelope().uri).map(drop), spool.verify(id).map(drop)]
        {
            assert_eq!(error.expect_err("no key").to_string(), said);
        }
        let listed = spool.list(&Query { limit: Some(1), ..Query::default() }).expect("a list");
        assert_eq!(listed.iter().map(|envelope| &envelope.id).collect::<Vec<_>>(), [&new.envelope().id]);
        assert_eq!(spool.select("bob", &FileInfo::default()).expect("an answer").len(), 1);
        let taken = spool.stage(StagePlan::new(old.envelope().uri.clone()), now());
        assert!(matches!(taken, Err(StageError::Exists(_))), "its name is not free");
        assert_eq!(spool.status().corrupt, 0, "a missing key is no damage");
    }
    assert!(before.iter().all(|(octets, path)| files.octets(path) == *octets));
    let spool = open(&files, &["two", "one"]);
    assert_eq!(waiting(&spool), []);
    assert!(read(&spool, &old) == octets && read(&spool, &new) == octets);
}

#[test]
fn an_index_that_was_made_without_the_key_finds_the_object_when_the_key_is_there() {
    let files = SimFiles::new();
    let octets = content(100);
    deposit(&open(&files, &["one"]), "spool:/bob/a", &octets);
    let dir = tempfile::tempdir().expect("a directory");
    let start = |keys: Vec<(String, [u8; 32])>| {
        let index = Index::open(dir.path().join("index.sqlite"));
        let mint = Mint::from_number(3);
        Spool::open_with(Arc::new(files.kill()), index, Keys::new(keys), mint, now()).expect("a spool").0
    };
    assert_eq!(start(vec![key("two")]).select("bob", &declared(&octets)).expect("an answer"), []);
    assert_eq!(start(vec![key("one")]).select("bob", &declared(&octets)).expect("an answer").len(), 1);
}

#[test]
fn rewrapping_moves_everything_to_the_first_key_and_the_old_one_may_go() {
    let files = SimFiles::new();
    let octets = content(2 * FRAME + 3);
    let spool = open(&files, &["one"]);
    let objects = ["spool:/bob/a", "spool:/bob/b"].map(|name| deposit(&spool, name, &octets));
    drop(spool);
    let files = files.kill();
    let spool = open(&files, &["two", "one"]);
    let bodies = |files: &SimFiles| -> Vec<Vec<u8>> {
        files.paths().iter().filter(|path| path.starts_with("data/")).map(|path| files.octets(path)).collect()
    };
    let before = bodies(&files);
    assert_eq!(spool.rewrap().expect("new wrappings"), 2);
    assert_eq!(spool.rewrap().expect("nothing to do"), 0);
    assert!(bodies(&files) == before, "bodies stay as they are");
    for spool in [spool, open(&files.kill(), &["two"])] {
        for object in &objects {
            let found = spool.find_id(&object.envelope().id).expect("an envelope").expect("an object");
            assert!(read(&spool, &found) == octets);
            assert_eq!(found.envelope().file, object.envelope().file);
        }
        assert_eq!(spool.select("bob", &declared(&octets)).expect("an answer").len(), 2);
    }
    assert_eq!(waiting(&open(&files.kill(), &["one"])), [("two".to_owned(), 2)]);
}

#[test]
fn a_stage_goes_on_after_a_restart_with_its_own_key_and_without_it_its_sender_is_told() {
    let files = SimFiles::new();
    let octets = content(3 * FRAME);
    let spool = open(&files, &["one"]);
    let mut stage = spool.stage(plan("spool:/bob/a", &octets), now()).expect("a stage");
    stage.write(0, &octets[..2 * FRAME + 100]).expect("octets");
    assert_eq!(stage.sync().expect("a sync"), 2 * FRAME as u64, "whole frames are durable");
    drop(stage);
    let files = files.kill();
    let refused = open(&files, &["two"]).stage(plan("spool:/bob/a", &octets), now());
    assert!(matches!(refused, Err(StageError::Spool(SpoolError::KeyMissing { .. }))));
    let spool = open(&files.kill(), &["two", "one"]);
    let mut stage = spool.stage(plan("spool:/bob/a", &octets), now()).expect("the stage");
    assert_eq!(stage.received().pieces(), [(0, 2 * FRAME as u64)]);
    stage.write(2 * FRAME as u64, &octets[2 * FRAME..]).expect("the rest");
    let sealed = stage.seal(octets.len() as u64, &declared(&octets)).expect("a whole file");
    let object = spool.commit(sealed, EnvelopeDraft { icon: None, ..draft() }, now()).expect("an object");
    assert!(read(&spool, &object) == octets);
    assert_eq!(spool.verify(&object.envelope().id).expect("an answer"), Check::Sound);
}
