//! A power cut at every file-system call of all that can be done with an object.

use super::disk::{Fault, SimFiles};
use super::house::{class, deposit, now, open, uri};
use restante::model::{BoxClass, Retention};
use restante::spool::{Change, Fate, Hold, Mark, Spool, Standing};
use std::time::Duration;

const SEEDS: u64 = 12;

/// Everything that is done with the object, one after the other.
const STORY: [Change; 10] = [
    Change::Mark(Mark::Seen),
    Change::Urgent(true),
    Change::Hold(Hold::Operator),
    Change::Hold(Hold::Legal),
    Change::Release(Hold::Operator),
    Change::Release(Hold::Legal),
    Change::Delete,
    Change::Undelete,
    Change::Expire,
    Change::Purge,
];

fn start(files: &SimFiles) -> Spool {
    let keep = Retention { undelete: Duration::from_secs(3600), ..Retention::default() };
    open(files, &[BoxClass { keep, ..class("*") }])
}

/// What has become of the one object.
fn found(spool: &Spool) -> Option<Standing> {
    let id = spool.published().expect("a listing").into_iter().next()?;
    let object = spool.find_id(&id).expect("a disk").expect("it is published");
    Some(spool.standing(&object).expect("an index"))
}

/// Plays the story until something fails. Returns what the object had become by the last word that was said, and what it
/// would have become by the next.
fn play(spool: &Spool) -> (Option<Standing>, Option<Option<Standing>>) {
    let Ok(Some(object)) = spool.find(&uri("spool:/bob/one")) else { return (Some(Standing::default()), None) };
    let mut said = Some(Standing::default());
    for change in STORY {
        match spool.change(&object, change, "a test", now()) {
            Ok(_) if change == Change::Purge => said = None,
            Ok(standing) => said = Some(standing),
            Err(_) => return (said.clone(), Some(next(said, change))),
        }
    }
    (said, None)
}

/// What a change would have made of it, played where nothing fails.
fn next(said: Option<Standing>, change: Change) -> Option<Standing> {
    let files = SimFiles::new();
    let spool = start(&files);
    let object = deposit(&spool, "spool:/bob/one", b"octets").expect("room");
    for done in STORY.into_iter().take_while(|other| *other != change) {
        spool.change(&object, done, "a test", now()).expect("a change");
    }
    assert_eq!(spool.standing(&object).ok(), said);
    spool.change(&object, change, "a test", now()).expect("a change");
    found(&spool)
}

// R2, R3
#[test]
fn what_was_said_of_an_object_stays_so_after_a_power_cut_at_any_call() {
    for fresh in [SimFiles::new(), SimFiles::one_by_one()] {
        deposit(&start(&fresh), "spool:/bob/one", b"octets").expect("room");
        let rehearsal = fresh.kill();
        assert_eq!(play(&start(&rehearsal)), (None, None));
        for at in 0..=rehearsal.calls().len() {
            let disk = fresh.kill();
            let spool = start(&disk);
            let call = disk.calls().len() + at;
            disk.inject(call, Fault::Crash);
            let (said, next) = play(&spool);
            drop(spool);
            for seed in 0..SEEDS {
                let disk = disk.crash(seed);
                let spool = start(&disk);
                let found = found(&spool);
                assert!(
                    found == said || Some(&found) == next.as_ref(),
                    "call {at}, seed {seed}: {found:?}, said {said:?}, next {next:?}"
                );
                spool.sweep(now()).expect("a sweep");
                let states = disk.paths().iter().filter(|path| path.starts_with("state/")).count();
                assert!(states <= 1, "call {at}, seed {seed}: {:?}", disk.paths());
                let is_listed = found.is_some_and(|standing| standing.fate == Fate::Stored);
                assert_eq!(spool.status().objects, u64::from(is_listed));
                assert_eq!(spool.status().corrupt, 0, "a crash alone damages nothing");
            }
        }
    }
}
