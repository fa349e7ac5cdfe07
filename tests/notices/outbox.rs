//! The outbox by itself: what it keeps, for how long, and that nothing is said twice.

use std::path::Path;
use std::time::Duration;

use restante::io::files::HostFiles;
use restante::model::limits::{NOTICES_DEAD, NOTICES_PER_TARGET};
use restante::model::{Instant, Mint, Now, Occasion, Wall};
use restante::spool::{KEY_OCTETS, Keys, Notice, NoticeChange, NoticeLog, NoticeQuery, NoticeState, Target};

fn now() -> Now {
    Now { instant: Instant::from_origin(Duration::from_secs(1000)), wall: Wall::from_micros(1_790_000_000_000_000) }
}

fn open(dir: &Path, keys: &Keys) -> NoticeLog {
    let files = HostFiles::new(dir).expect("a directory");
    NoticeLog::open(&files, dir, keys, Mint::from_number(7), now())
}

fn notice(of: &str, target: &Target) -> Notice {
    Notice {
        id: Notice::id_of(Occasion::Stored, of, target),
        target: target.clone(),
        occasion: Occasion::Stored,
        subject: of.to_owned(),
        at: now().wall,
        body: format!("{{\"of\":\"{of}\"}}"),
    }
}

fn hook() -> Target {
    Target::Hook("canary-hook".to_owned())
}

fn add(log: &NoticeLog, notices: &[Notice]) -> usize {
    let expires = now().wall.after(Duration::from_secs(3600));
    log.add(notices, expires, now().wall, now()).expect("it is written").slips.len()
}

fn waiting(log: &NoticeLog) -> Vec<String> {
    let query = NoticeQuery { state: Some(NoticeState::Waiting), ..NoticeQuery::default() };
    log.read(&query).expect("it is read").notices.into_iter().map(|posted| posted.notice.subject).collect()
}

#[test]
fn what_is_written_down_is_there_after_a_start_and_what_is_done_is_not_said_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    assert_eq!(log.complete().expect("it is read"), None, "a new one knows nothing");
    assert_eq!(add(&log, &[notice("a", &hook()), notice("b", &hook())]), 2);
    assert_eq!(add(&log, &[notice("a", &hook())]), 0, "it waits already");
    log.change(&[NoticeChange::Done(notice("a", &hook()).id)]).expect("it is written");
    let (id, reason) = (notice("b", &hook()).id, "it is away".to_owned());
    let next = now().wall.after(Duration::from_secs(60));
    log.change(&[NoticeChange::Deferred { id: id.clone(), attempts: 3, next, reason }]).expect("it is written");
    drop(log);
    let log = open(dir.path(), &Keys::none());
    assert_eq!(log.complete().expect("it is read"), Some(now().wall));
    assert_eq!(add(&log, &[notice("a", &hook()), notice("b", &hook())]), 0, "nothing is said twice");
    let posted = log.notice(&id).expect("it is read").expect("it waits");
    assert_eq!(posted.notice, notice("b", &hook()));
    assert_eq!((posted.slip.attempts, posted.slip.next, posted.reason.as_str()), (3, next, "it is away"));
    assert_eq!(add(&log, &[notice("a", &Target::Url("https://example.org/".to_owned()))]), 1, "another target");
}

#[test]
fn one_that_was_given_up_can_be_had_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    let id = notice("a", &hook()).id;
    add(&log, &[notice("a", &hook())]);
    log.change(&[NoticeChange::Dead(id.clone(), 9, "410".to_owned())]).expect("it is written");
    assert_eq!(waiting(&log), [""; 0]);
    assert_eq!(log.tally().expect("it is read").dead, 1);
    let expires = now().wall.after(Duration::from_secs(7200));
    let slip = log.revive(&id, expires, now()).expect("it is written").expect("it was there");
    assert_eq!((slip.attempts, slip.expires), (0, expires));
    assert_eq!(waiting(&log), ["a"]);
    assert_eq!(log.revive(&id, expires, now()).expect("it is read"), None, "it waits already");
}

#[test]
fn a_target_that_is_away_for_long_takes_no_more_than_its_room_and_the_oldest_is_given_up_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    let many: Vec<Notice> = (0..NOTICES_PER_TARGET).map(|number| notice(&format!("{number:06}"), &hook())).collect();
    add(&log, &many);
    let expires = now().wall.after(Duration::from_secs(3600));
    let added = log.add(&[notice("last", &hook())], expires, now().wall, now()).expect("it is written");
    assert_eq!(added.displaced, [many[0].id.clone()]);
    assert_eq!(add(&log, &[notice("last", &Target::Hook("other".to_owned()))]), 1);
    let dead: Vec<_> = many[1..].iter().map(|one| NoticeChange::Dead(one.id.clone(), 1, String::new())).collect();
    log.change(&dead).expect("it is written");
    let tally = log.tally().expect("it is read");
    assert_eq!((tally.waiting, tally.dead), (2, NOTICES_DEAD as u64));
}

#[test]
fn where_files_are_sealed_nobody_reads_a_notice_or_whom_it_is_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = || Keys::new(vec![("k1".to_owned(), [7; KEY_OCTETS])]);
    let log = open(dir.path(), &keys());
    add(&log, &[notice("canary-object", &hook())]);
    drop(log);
    for entry in std::fs::read_dir(dir.path()).expect("a directory") {
        let octets = std::fs::read(entry.expect("an entry").path()).expect("it can be read");
        assert!(!octets.windows(6).any(|window| window == b"canary"), "it lies open");
    }
    assert_eq!(waiting(&open(dir.path(), &keys())), ["canary-object"]);
    assert_eq!(waiting(&open(dir.path(), &Keys::none())), [""; 0], "it makes place for a new one");
    assert!(dir.path().join("notices.aside").exists());
}

#[test]
fn a_notice_that_has_lost_a_letter_is_not_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    add(&log, &[notice("a", &hook()), notice("b", &hook())]);
    let rows = rusqlite::Connection::open(dir.path().join("notices.sqlite")).expect("SQLite");
    rows.execute("UPDATE notices SET notice = replace(notice, '\"a\"', '\"c\"')", []).expect("it can be changed");
    assert_eq!(waiting(&log), ["b"]);
}
