//! Incidents with objects, their records and their deliveries, each as it was.

#[path = "sim/disk.rs"]
mod disk;

use std::sync::Arc;
use std::time::Duration;

use disk::SimFiles;
use restante::io::files::HostFiles;
use restante::model::{BoxClass, FileInfo, Instant, Machine as _, Mint, Now, Outbox, Retention, Wall};
use restante::queue::{Config, Input, Output, Queue, Unwritten};
use restante::spool::{
    Change, Committed, Delivery, EnvelopeDraft, Fate, Files, Hold, Index, Progress, Query, Sealed, Spool, SpoolError,
    StagePlan,
};

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Now {
    Now { instant: Instant::from_origin(DAY), wall: Wall::from_micros(1_795_000_000_000_000) }
}

fn open(files: Arc<dyn Files>) -> Spool {
    Spool::open(files, Index::in_memory(), Mint::from_number(1), now()).expect("a spool").0
}

fn deposit(spool: &Spool, now: Now) -> Committed {
    let stage = spool.stage(StagePlan::new("spool:/bob/a".parse().expect("a name")), now).expect("a stage");
    let sealed = stage.seal(0, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, EnvelopeDraft::default(), now).expect("an object")
}

fn delivery(object: &Committed, number: usize, now: Now) -> Delivery {
    Delivery {
        id: format!("01M7Q5CQG00000000000000{number:03}"),
        object: object.envelope().id.clone(),
        uri: object.envelope().uri.to_string(),
        to: "sip:bob@example.org".to_owned(),
        created: now.wall,
        next: now.wall,
        changed: now.wall,
        expires: now.wall.after(DAY * 5),
        ..Delivery::default()
    }
}

fn deleting(object: &Committed, number: usize) -> Delivery {
    Delivery { told: vec![("delete".to_owned(), "true".to_owned())], ..delivery(object, number, now()) }
}

fn delivered(delivery: &Delivery) -> Delivery {
    Delivery { progress: Progress::Delivered, token: 1, ..delivery.clone() }
}

/// Of a box whose deletions can be taken back.
fn undelete(spool: &Spool) {
    let keep = Retention { undelete: DAY, ..Retention::default() };
    spool.set_classes(vec![BoxClass { matches: "*".parse().expect("all boxes"), keep, ..BoxClass::default() }]);
}

// The server was killed between the word "delivered" and the deletion that the script had asked for with it.
#[test]
fn an_object_that_shall_go_with_its_delivery_goes_in_the_same_record() {
    let files = SimFiles::new();
    let spool = open(Arc::new(files.clone()));
    undelete(&spool);
    let object = deposit(&spool, now());
    let job = deleting(&object, 1);
    spool.deliver(&job, now()).expect("a delivery");
    spool.deliver(&delivered(&job), now()).expect("its end");
    drop(spool); // and nothing else was done
    let standing = open(Arc::new(files)).standing(&object).expect("a standing");
    assert_eq!((standing.fate, standing.deliveries[0].progress), (Fate::Deleted, Progress::Delivered));
    assert_eq!(standing.ended.map(|deed| deed.by).as_deref(), Some("whoever had it forwarded"));
}

#[test]
fn an_object_that_shall_go_with_its_delivery_is_at_its_end_where_nothing_can_be_brought_back() {
    let files = SimFiles::new();
    let spool = open(Arc::new(files.clone()));
    let object = deposit(&spool, now());
    let job = deleting(&object, 1);
    spool.deliver(&job, now()).expect("a delivery");
    spool.deliver(&delivered(&job), now()).expect("its end");
    assert!(spool.find_id(&object.envelope().id).expect("an answer").is_none());
}

#[test]
fn an_object_stays_though_it_shall_go_while_others_are_to_have_it_or_somebody_holds_it() {
    let spool = open(Arc::new(SimFiles::new()));
    undelete(&spool);
    let object = deposit(&spool, now());
    let (one, two) = (deleting(&object, 1), deleting(&object, 2));
    [&one, &two].iter().for_each(|job| spool.deliver(job, now()).expect("a delivery"));
    spool.deliver(&delivered(&one), now()).expect("its end");
    assert_eq!(spool.standing(&object).expect("a standing").fate, Fate::Stored);
    spool.change(&object, Change::Hold(Hold::Legal), "the law", now()).expect("a hold");
    spool.deliver(&delivered(&two), now()).expect("its end");
    assert_eq!(spool.standing(&object).expect("a standing").fate, Fate::Stored);
}

// A clock that was never set had made it in 2000; when it was set, five days were over at once.
#[test]
fn a_delivery_that_was_made_by_a_clock_that_was_never_set_is_dated_as_objects_are() {
    let spool = open(Arc::new(SimFiles::new()));
    let unset = |secs| Now {
        instant: Instant::from_origin(DAY + Duration::from_secs(secs)),
        wall: Wall::from_micros((946_684_800 + secs) * 1_000_000),
    };
    let object = deposit(&spool, unset(0));
    let job = delivery(&object, 1, unset(10));
    spool.deliver(&job, unset(10)).expect("a delivery");
    let written = spool.delivery(&job.id).expect("an answer").expect("a delivery");
    assert!(written.created >= object.envelope().stored, "{} {}", written.created, object.envelope().stored);
    assert_eq!(written.expires.since(written.created), DAY * 5);
    // The queue goes on with the dates of its clock, also when that is right.
    let later = Now { wall: now().wall, ..unset(60) };
    let next = later.wall.after(Duration::from_secs(300));
    spool.deliver(&Delivery { next, attempts: 1, token: 1, ..job.clone() }, later).expect("an attempt");
    let again = spool.delivery(&job.id).expect("an answer").expect("a delivery");
    assert_eq!((again.created, again.expires, again.next), (written.created, written.expires, next));
}

// One more recipient than an object may have was told to come again: 503.
#[test]
fn a_recipient_too_many_is_told_from_a_disk_that_refuses() {
    let spool = open(Arc::new(SimFiles::new()));
    let object = deposit(&spool, now());
    for number in 0..64 {
        spool.deliver(&delivery(&object, number, now()), now()).expect("a delivery");
    }
    let one_more = spool.deliver(&delivery(&object, 64, now()), now());
    assert!(matches!(one_more, Err(SpoolError::TooManyDeliveries { limit: 64, .. })));
}

#[test]
fn a_delivery_is_found_by_its_id_whatever_else_is_said_of_others() {
    let spool = open(Arc::new(SimFiles::new()));
    let object = deposit(&spool, now());
    let (one, two) = (delivery(&object, 1, now()), delivery(&object, 2, now()));
    let reason = format!("{{\"id\":\"{}\"", two.id);
    spool.deliver(&Delivery { reason, ..one.clone() }, now()).expect("a delivery");
    assert_eq!(spool.delivery(&two.id).expect("an answer"), None);
    spool.deliver(&two, now()).expect("a delivery");
    assert_eq!(spool.delivery(&two.id).expect("an answer"), Some(two.clone()));
    assert_eq!(spool.deliveries_of(&object.envelope().id).expect("an answer").len(), 2);
    assert_eq!(spool.delivery("nonsense\"").expect("an answer"), None);
}

// The first damaged state of an object was all that told who had held it; the second one took its place under `corrupt/`.
#[test]
fn a_second_damaged_state_of_an_object_does_not_take_the_place_of_the_first_in_what_is_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = || Arc::new(HostFiles::new(dir.path()).expect("a directory"));
    let spool = open(files());
    let object = deposit(&spool, now());
    spool.change(&object, Change::Hold(Hold::Operator), "an operator", now()).expect("a hold");
    drop(spool);
    for damaged in 1..=2 {
        for entry in std::fs::read_dir(dir.path().join("state")).expect("a directory") {
            let path = entry.expect("an entry").path();
            let mut octets = std::fs::read(&path).expect("a state");
            *octets.last_mut().expect("octets") ^= 1;
            std::fs::write(&path, octets).expect("damage");
        }
        drop(open(files()));
        let aside = std::fs::read_dir(dir.path().join("corrupt")).expect("a directory").count();
        assert_eq!(aside, damaged);
    }
}

/// A message of alice's as it has arrived in bob's box, and what is known of it.
fn arrived(spool: &Spool, message_id: &str) -> (Sealed, EnvelopeDraft) {
    let (from, inbox) = ("sip:alice@example.net", "spool:/bob/".parse().expect("a box"));
    let resume_key = Some(StagePlan::sender_key(from, message_id, &inbox));
    let mut stage = spool.stage(StagePlan { resume_key, ..StagePlan::new(inbox) }, now()).expect("a stage");
    stage.write(0, message_id.as_bytes()).expect("room");
    let sealed = stage.seal(message_id.len() as u64, &FileInfo::default()).expect("a whole file");
    let (from, message_id) = (Some(from.to_owned()), Some(message_id.to_owned()));
    (sealed, EnvelopeDraft { from, message_id, ..EnvelopeDraft::default() })
}

// RFC 4975 section 5.4. The sender was killed while its message was being committed, and sent it again at once: the second
// commit looked for the first before that was through, and the box had the message twice.
#[test]
fn a_message_that_comes_again_while_it_is_being_committed_is_one_object() {
    let spool = open(Arc::new(SimFiles::new()));
    for turn in 1..=200 {
        let message_id = format!("m{turn}");
        let both = [arrived(&spool, &message_id), arrived(&spool, &message_id)];
        let start = std::sync::Barrier::new(both.len());
        let ids = std::thread::scope(|scope| {
            let commits = both.map(|(sealed, draft)| {
                let (spool, start) = (&spool, &start);
                scope.spawn(move || {
                    start.wait();
                    spool.commit(sealed, draft, now()).expect("an object").envelope().id.clone()
                })
            });
            commits.map(|commit| commit.join().expect("no panic"))
        });
        assert_eq!(ids[0], ids[1], "both are told of the same object");
        assert_eq!(spool.list(&Query::default()).expect("a page").len(), turn);
    }
}

fn bring(spool: &Spool, message_id: &str) -> Committed {
    let (sealed, draft) = arrived(spool, message_id);
    spool.commit(sealed, draft, now()).expect("success for its sender")
}

// RFC 4975 section 5.4. The REPORT was lost; bob had heard the message and deleted it before alice sent it again, and then
// he had it once more.
#[test]
fn a_message_that_comes_again_after_its_reader_has_deleted_it_is_answered_and_not_given_to_him_again() {
    for (restarts, brought_back) in [(false, false), (true, false), (false, true), (true, true)] {
        let files = SimFiles::new();
        let start = || {
            let spool = open(Arc::new(files.clone()));
            if brought_back {
                undelete(&spool);
            }
            spool
        };
        let mut spool = start();
        let first = bring(&spool, "m1");
        spool.change(&first, Change::Delete, "bob", now()).expect("he has heard it");
        if restarts {
            drop(spool);
            spool = start();
        }
        let again = bring(&spool, "m1");
        assert_eq!((&again.envelope().id, &again.envelope().uri), (&first.envelope().id, &first.envelope().uri));
        assert!(spool.list(&Query::default()).expect("a page").is_empty(), "restarts: {restarts}");
        assert_eq!(spool.status().stages, 0);
        // Another message is another one, and so are other octets under this one's id.
        let (sealed, _) = arrived(&spool, "m2");
        assert_ne!(spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object"), first);
        let inbox = "spool:/bob/".parse().expect("a box");
        let resume_key = Some(StagePlan::sender_key("sip:alice@example.net", "m1", &inbox));
        let stage = spool.stage(StagePlan { resume_key, ..StagePlan::new(inbox) }, now()).expect("a stage");
        let other = stage.seal(0, &FileInfo::default()).expect("a whole file");
        spool.commit(other, EnvelopeDraft::default(), now()).expect("an object");
        assert_eq!(spool.list(&Query::default()).expect("a page").len(), 2);
    }
}

// A rule names its delivery by the message. While that waited its object was deleted, and the message came again: the
// queue took the delivery of the second object for that of the first, and nobody delivered it before a restart.
#[test]
fn a_delivery_of_the_same_name_and_another_object_is_taken_when_the_one_before_it_is_over() {
    let spool = open(Arc::new(SimFiles::new()));
    let (one, two) = (bring(&spool, "m1"), bring(&spool, "m2"));
    let mut queue = Queue::new(Config::default(), Mint::from_number(1));
    let mut out = Outbox::new();
    for object in [&one, &two, &two] {
        queue.handle(now(), Input::Known(Box::new(delivery(object, 1, now()))), &mut out);
    }
    queue.handle(now(), Input::Timeout, &mut out);
    let (mut over, mut tried) = (Vec::new(), Vec::new());
    while let Some(output) = out.pop() {
        match output {
            Output::Write(job) => {
                let gone = job.object == one.envelope().id;
                let result = if gone { Err(Unwritten::Gone("deleted".to_owned())) } else { Ok(()) };
                queue.handle(now(), Input::Written(job.id.clone(), result), &mut out);
                queue.handle(now(), Input::Timeout, &mut out);
            }
            Output::Settled(job) => over.push(job.object),
            Output::Attempt(job) => tried.push(job.object),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((over, tried), (vec![one.envelope().id.clone()], vec![two.envelope().id.clone()]));
}
