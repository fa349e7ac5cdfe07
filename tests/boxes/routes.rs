//! What a rule forwards: its delivery is there from the moment on in which its object is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::disk::{Fault, SimFiles};
use super::house::{now, open, uri};
use restante::model::limits::TOMBSTONE_KEPT;
use restante::model::{FileInfo, Now, Route};
use restante::spool::{CommitError, Committed, Delivery, EnvelopeDraft, Spool, StagePlan};

const SEEDS: u64 = 12;

fn rule(pattern: &str, to: &str) -> Route {
    let (matches, to) = (pattern.parse().expect("a pattern"), to.parse().expect("a recipient"));
    Route { matches, to, ..Route::default() }
}

/// A spool with rules, and how often it has said that there is something new.
fn start(files: &SimFiles, rules: Vec<Route>) -> (Spool, Arc<AtomicUsize>) {
    let (spool, woken) = (open(files, &[]), Arc::new(AtomicUsize::new(0)));
    let wake = Arc::clone(&woken);
    spool.set_routes(rules, Duration::from_secs(3600), Arc::new(move || _ = wake.fetch_add(1, Ordering::Relaxed)));
    (spool, woken)
}

/// Brings a message of alice's; an error is that of the disk.
fn bring(spool: &Spool, mailbox: &str, hops: Option<u8>) -> Result<Committed, CommitError> {
    let from = "sip:alice@example.net";
    let plan = StagePlan {
        resume_key: Some(StagePlan::sender_key(from, "m1", &uri(mailbox))),
        ..StagePlan::new(uri(mailbox))
    };
    let broken = |_| CommitError::Full;
    let mut stage = spool.stage(plan, now()).map_err(broken)?;
    stage.write(0, b"octets").map_err(broken)?;
    let sealed = stage.seal(6, &FileInfo::default()).map_err(|_| CommitError::Full)?;
    let (from, message_id) = (Some(from.to_owned()), Some("m1".to_owned()));
    spool.commit(sealed, EnvelopeDraft { from, message_id, hops, ..EnvelopeDraft::default() }, now())
}

/// Every delivery that is written down.
fn written(spool: &Spool) -> Vec<Delivery> {
    spool.deliveries("").expect("an index").0
}

#[test]
fn every_rule_that_fits_makes_one_delivery_and_two_to_the_same_recipient_make_one() {
    let rules = vec![
        rule("b*", "sip:{box}@one.example.org"),
        rule("bob", "sip:all@two.example.org"),
        rule("*", "sip:bob@one.example.org"),
        rule("eve", "sip:eve@one.example.org"),
    ];
    let (spool, woken) = start(&SimFiles::new(), rules);
    let object = bring(&spool, "spool:/bob/", None).expect("a commit");
    let told = spool.routed();
    let to: Vec<&str> = told.iter().map(|delivery| delivery.to.as_str()).collect();
    assert_eq!(to, ["sip:bob@one.example.org", "sip:all@two.example.org"]);
    assert_eq!((woken.load(Ordering::Relaxed), &told), (1, &written(&spool)));
    assert!(told.iter().all(|delivery| delivery.object == object.envelope().id && delivery.hops == Some(15)));
    assert!(spool.routed().is_empty(), "each is told once");
}

// R29
#[test]
fn what_was_forwarded_too_often_stays_where_it_is() {
    let rules = || vec![rule("*", "sip:bob@example.org")];
    for (came, goes) in [
        (None, Some(15)),
        (Some(70), Some(15)),
        (Some(9), Some(8)),
        (Some(2), Some(1)),
        (Some(1), None),
        (Some(0), None),
    ] {
        let (spool, _woken) = start(&SimFiles::new(), rules());
        bring(&spool, "spool:/bob/", came).expect("a commit");
        assert_eq!(written(&spool).first().and_then(|delivery| delivery.hops), goes, "{came:?}");
    }
}

// RFC 4975 section 5.4: whoever gets it twice can tell
#[test]
fn the_same_message_goes_on_under_the_same_name_though_its_object_was_deleted_meanwhile() {
    let (spool, _woken) = start(&SimFiles::new(), vec![rule("*", "sip:bob@example.org")]);
    let first = bring(&spool, "spool:/bob/", None).expect("a commit");
    let name = written(&spool)[0].id.clone();
    spool.delete(&first, "a rule", now()).expect("it may go");
    let much_later = Now { wall: now().wall.after(TOMBSTONE_KEPT * 2), instant: now().instant + TOMBSTONE_KEPT * 2 };
    spool.sweep(much_later).expect("a sweep"); // nothing is known of it any more
    let again = bring(&spool, "spool:/bob/", None).expect("a commit");
    assert_ne!(again.envelope().id, first.envelope().id);
    assert_eq!(written(&spool).iter().map(|delivery| &delivery.id).collect::<Vec<_>>(), [&name]);
    let elsewhere = bring(&spool, "spool:/eve/", None).expect("a commit");
    assert!(written(&spool).iter().any(|known| known.object == elsewhere.envelope().id && known.id != name));
}

#[test]
fn a_copy_arrives_too() {
    let (spool, _woken) = start(&SimFiles::new(), vec![rule("bob", "sip:bob@example.org")]);
    let object = bring(&spool, "spool:/eve/", None).expect("a commit");
    assert!(written(&spool).is_empty());
    let copy = spool.copy(&object, &uri("spool:/bob/"), "a test", now()).expect("a copy");
    assert_eq!(written(&spool)[0].object, copy.envelope().id);
}

// R1, R2, R3
#[test]
fn after_a_power_cut_at_any_call_there_are_object_and_delivery_or_neither_and_the_sender_can_go_on() {
    let rules = || vec![rule("bob", "sip:bob@example.org")];
    for fresh in [SimFiles::new(), SimFiles::one_by_one()] {
        drop(start(&fresh, rules()));
        let rehearsal = fresh.kill();
        let (spool, _woken) = start(&rehearsal, rules());
        let begun = rehearsal.calls().len();
        bring(&spool, "spool:/bob/", None).expect("nothing fails");
        drop(spool);
        for at in 0..=rehearsal.calls().len() - begun {
            let disk = fresh.kill();
            let (spool, _woken) = start(&disk, rules());
            disk.inject(disk.calls().len() + at, Fault::Crash);
            let said = bring(&spool, "spool:/bob/", None).is_ok();
            drop(spool);
            for seed in 0..SEEDS {
                let disk = disk.crash(seed);
                let (spool, _woken) = start(&disk, rules());
                let objects = spool.published().expect("a listing");
                let ours: Vec<String> = written(&spool).into_iter().map(|delivery| delivery.object).collect();
                assert_eq!(ours, objects, "call {at}, seed {seed}");
                assert!(!said || objects.len() == 1, "call {at}, seed {seed}: it was reported");
                // Whoever has heard nothing sends it once more.
                bring(&spool, "spool:/bob/", None).expect("nothing fails");
                let (objects, ours) = (spool.published().expect("a listing"), written(&spool));
                assert_eq!((objects.len(), ours.len()), (1, 1), "call {at}, seed {seed}: {ours:?}");
                // Beside a body that is kept for a while lies what is known of it.
                let paths = disk.paths();
                let kept = |id: &str| paths.iter().any(|path| path.starts_with(&format!("corrupt/{id}")));
                let id = |path: &str| path.split(['/', '.']).nth(1).unwrap_or_default().to_owned();
                let states = paths.iter().filter(|path| path.starts_with("state/") && !kept(&id(path))).count();
                assert_eq!(states, 1, "call {at}, seed {seed}: {paths:?}");
            }
        }
    }
}
