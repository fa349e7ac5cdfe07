//! Copies: objects of their own about the same octets, which go with the last of them and not before.

use std::time::Duration;

use restante::model::{BoxClass, Retention};
use restante::spool::{Change, Check, Committed, Hold, Query, Spool, SpoolError};

use super::disk::{Fault, SimFiles};
use super::house::{class, deposit, limited, now, open, uri, usage};

fn octets(spool: &Spool, object: &Committed) -> Vec<u8> {
    let body = spool.read(object).expect("a body");
    let mut octets = vec![0; usize::try_from(body.size()).expect("a small file")];
    assert_eq!(body.read_at(0, &mut octets).expect("a disk"), octets.len());
    octets
}

fn under(files: &SimFiles, dir: &str) -> usize {
    files.paths().iter().filter(|path| path.starts_with(dir)).count()
}

fn purge(spool: &Spool, object: &Committed) {
    spool.change(object, Change::Purge, "a test", now()).expect("the end");
}

#[test]
fn a_copy_is_an_object_of_its_own_and_no_octet_is_written_again() {
    let files = SimFiles::new();
    let spool = open(&files, &[]);
    let original = deposit(&spool, "spool:/bob/one", &[7; 100_000]).expect("room");
    let before = files.used();
    let copy = spool.copy(&original, &uri("spool:/eve/two"), "bob", now()).expect("a copy");
    let again = spool.copy(&copy, &uri("spool:/eve/"), "bob", now()).expect("a copy of a copy");
    assert!(files.used() - before < 20_000, "two envelopes: {} octets", files.used() - before);
    assert_ne!(copy.envelope().id, original.envelope().id);
    assert_eq!((usage(&spool, "bob"), usage(&spool, "eve")), ((1, 100_000), (2, 200_000)));
    assert!(matches!(spool.copy(&original, &uri("spool:/eve/two"), "bob", now()), Err(SpoolError::Exists(_))));
    drop(spool);
    let spool = open(&files.kill(), &[]);
    assert_eq!((usage(&spool, "eve"), spool.status().corrupt), ((2, 200_000), 0));
    for object in spool.list(&Query::default()).expect("a listing") {
        assert_eq!(spool.verify(&object.id).expect("a disk"), Check::Sound);
    }
    assert_eq!(octets(&spool, &again), [7; 100_000]);
}

#[test]
fn whoever_goes_first_the_others_keep_their_octets() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let files = SimFiles::new();
        let spool = open(&files, &[]);
        let original = deposit(&spool, "spool:/bob/one", b"the octets").expect("room");
        let copies = ["spool:/eve/two", "spool:/ann/three"].map(|to| spool.copy(&original, &uri(to), "bob", now()));
        let [two, three] = copies.map(|copy| copy.expect("a copy"));
        let all = [original, two, three];
        for (gone, at) in order.into_iter().enumerate() {
            purge(&spool, &all[at]);
            assert!(order[gone + 1..].iter().all(|left| octets(&spool, &all[*left]) == b"the octets"), "{order:?}");
        }
        assert_eq!(
            (
                under(&files, "queued/"),
                files.paths().iter().filter(|path| path.len() > 30 && path.starts_with("data/")).count()
            ),
            (0, 0)
        );
    }
}

#[test]
fn a_copy_needs_room_in_its_box_and_something_that_may_be_copied() {
    let keep = Retention { undelete: Duration::from_secs(60), ..Retention::default() };
    let spool = open(&SimFiles::new(), &[limited("eve", Some(15), None), BoxClass { keep, ..class("*") }]);
    let original = deposit(&spool, "spool:/bob/one", b"the octets").expect("room");
    let copy = |to: &str| spool.copy(&original, &uri(to), "bob", now());
    copy("spool:/eve/").expect("room for one");
    assert!(matches!(copy("spool:/eve/"), Err(SpoolError::Quota(_))));
    spool.change(&original, Change::Hold(Hold::Operator), "carol", now()).expect("a hold");
    assert!(matches!(copy("spool:/ann/"), Err(SpoolError::Held { .. })));
    spool.change(&original, Change::Release(Hold::Operator), "carol", now()).expect("a release");
    spool.delete(&original, "bob", now()).expect("a deletion");
    assert!(matches!(copy("spool:/ann/"), Err(SpoolError::Gone { .. })));
    assert_eq!(usage(&spool, "eve"), (1, 10));
}

#[test]
fn where_a_file_has_only_one_name_its_octets_are_written_again() {
    let files = SimFiles::new();
    let spool = open(&files, &[]);
    let original = deposit(&spool, "spool:/bob/one", &[7; 100_000]).expect("room");
    let before = files.used();
    files.inject_lasting("link", Fault::Eio);
    let copy = spool.copy(&original, &uri("spool:/eve/two"), "bob", now()).expect("a copy");
    assert!(files.used() - before >= 100_000);
    purge(&spool, &original);
    assert_eq!(octets(&spool, &copy), [7; 100_000]);
    assert_eq!((usage(&spool, "bob"), usage(&spool, "eve")), ((0, 0), (1, 100_000)));
}

// R2, R3
#[test]
fn a_power_cut_at_any_call_of_a_copy_leaves_the_original_and_a_whole_copy_or_none() {
    for fresh in [SimFiles::new(), SimFiles::one_by_one()] {
        deposit(&open(&fresh, &[]), "spool:/bob/one", b"the octets").expect("room");
        let copy = |spool: &Spool| {
            let original = spool.find(&uri("spool:/bob/one"))?.expect("it is there");
            spool.copy(&original, &uri("spool:/eve/two"), "bob", now())
        };
        let rehearsal = fresh.kill();
        let spool = open(&rehearsal, &[]);
        let opened = rehearsal.calls().len();
        copy(&spool).expect("a copy");
        for at in 0..=rehearsal.calls().len() - opened {
            let disk = fresh.kill();
            let spool = open(&disk, &[]);
            disk.inject(disk.calls().len() + at, Fault::Crash);
            let said = copy(&spool).is_ok();
            drop(spool);
            for seed in 0..12 {
                let spool = open(&disk.crash(seed), &[]);
                let found = spool.find(&uri("spool:/eve/two")).expect("an index");
                assert!(found.is_some() || !said, "call {at}, seed {seed}: a copy that was reported is lost");
                let original = spool.find(&uri("spool:/bob/one")).expect("an index").expect("the original");
                for object in found.iter().chain([&original]) {
                    assert_eq!(octets(&spool, object), b"the octets", "call {at}, seed {seed}");
                }
                assert_eq!(spool.status().corrupt, 0, "a crash alone damages nothing");
            }
        }
    }
}
