//! The outbox by itself: what it keeps, for how long, and that nothing is said twice.

use std::path::Path;
use std::time::Duration;

use restante::io::files::HostFiles;
use restante::model::limits::{NOTICES, NOTICES_DEAD, NOTICES_PER_TARGET};
use restante::model::{Instant, Mint, Now, Occasion, Wall};
use restante::spool::{
    DatabaseError, KEY_OCTETS, Keys, Notice, NoticeChange, NoticeLog, NoticeQuery, NoticeState, Target,
};

fn now() -> Now {
    Now { instant: Instant::from_origin(Duration::from_secs(1000)), wall: Wall::from_micros(1_790_000_000_000_000) }
}

fn open(dir: &Path, keys: &Keys) -> NoticeLog {
    try_open(dir, keys).expect("an outbox")
}

fn try_open(dir: &Path, keys: &Keys) -> Result<NoticeLog, DatabaseError> {
    let files = HostFiles::new(dir).expect("a directory");
    NoticeLog::open(&files, dir, keys, Mint::from_number(7), now())
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
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
}

/// An outbox whose key was not in the configuration used to be renamed, its log deleted, and a new one begun in its place.
#[test]
fn an_outbox_that_can_not_be_used_now_is_left_where_it_is_and_its_notices_are_there_when_it_can() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = |name: &str, octet| Keys::new(vec![(name.to_owned(), [octet; KEY_OCTETS])]);
    add(&open(dir.path(), &keys("k1", 7)), &[notice("a", &hook())]);
    let path = dir.path().join("notices.sqlite");
    for keys in [Keys::none(), keys("k2", 8), keys("k1", 9)] {
        assert!(matches!(try_open(dir.path(), &keys), Err(DatabaseError::Locked)));
    }
    let version = |version: u32| {
        let rows = rusqlite::Connection::open(&path).expect("SQLite");
        let before: u32 = rows.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version");
        rows.execute_batch(&format!("PRAGMA user_version = {version}")).expect("it is written");
        before
    };
    let before = version(1000);
    assert!(matches!(try_open(dir.path(), &keys("k1", 7)), Err(DatabaseError::Newer)));
    version(before);
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).expect("it is moved");
    std::fs::create_dir(&path).expect("what is no file can't be opened");
    assert!(matches!(try_open(dir.path(), &keys("k1", 7)), Err(DatabaseError::Sqlite(_))));
    std::fs::remove_dir(&path).expect("it is empty");
    std::fs::rename(&elsewhere, &path).expect("it is moved");
    assert!(!names(dir.path()).iter().any(|name| name.contains("aside")), "nothing is moved");
    assert_eq!(waiting(&open(dir.path(), &keys("k1", 7))), ["a"]);
}

/// The second damaged outbox used to take the place of the first, and the log of either was deleted.
#[test]
fn an_outbox_that_is_damaged_is_set_aside_with_its_log_and_takes_the_place_of_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    for number in ["first", "second"] {
        let (path, log) = (dir.path().join("notices.sqlite"), dir.path().join("notices.sqlite-wal"));
        std::fs::write(path, number.repeat(1000)).expect("it is written");
        std::fs::write(log, format!("log of the {number}")).expect("it is written");
        let outbox = open(dir.path(), &Keys::none());
        assert_eq!(waiting(&outbox), [""; 0]);
        assert_eq!(add(&outbox, &[notice(number, &hook())]), 1);
    }
    for (name, number) in [("notices.aside", "first"), ("notices.aside.2", "second")] {
        assert_eq!(std::fs::read_to_string(dir.path().join(name)).expect("it is there"), number.repeat(1000));
        let log = std::fs::read_to_string(dir.path().join(format!("{name}-wal"))).expect("it is there");
        assert_eq!(log, format!("log of the {number}"));
    }
}

#[test]
fn a_notice_that_has_lost_a_letter_is_not_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    add(&log, &[notice("a", &hook()), notice("b", &hook())]);
    let rows = rusqlite::Connection::open(dir.path().join("notices.sqlite")).expect("SQLite");
    rows.execute("UPDATE notices SET notice = replace(notice, '\"a\"', '\"c\"')", []).expect("it can be changed");
    assert_eq!(waiting(&log), ["b"]);
    let tally = log.tally().expect("it is read");
    assert_eq!((tally.waiting, tally.dead), (1, 1), "it does not wait for ever");
    let (id, later) = (notice("a", &hook()).id, now().wall.after(Duration::from_secs(7200)));
    assert_eq!(log.revive(&id, later, now()).expect("it is read"), None);
    assert!(log.has(&id).expect("it is read"));
    log.change(&[NoticeChange::Done(id.clone())]).expect("it is written");
    assert!(!log.has(&id).expect("it is read"), "an operator can forget it");
}

/// Whoever sends files with a From of his own makes notices by SIP: so many, and those of webhooks were given up.
#[test]
fn notices_by_sip_take_no_room_of_those_for_webhooks() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &Keys::none());
    let hooked = notice("the oldest", &hook());
    add(&log, std::slice::from_ref(&hooked));
    let mut displaced = Vec::new();
    for from in (0..=NOTICES).step_by(NOTICES / 4) {
        let one = |number| notice("x", &Target::Sip(format!("sip:{number}@example.org")));
        let many: Vec<Notice> = (from..(from + NOTICES / 4).min(NOTICES + 1)).map(one).collect();
        displaced.extend(log.add(&many, now().wall, now().wall, now()).expect("it is written").displaced);
    }
    assert_eq!(displaced, [notice("x", &Target::Sip("sip:0@example.org".to_owned())).id]);
    assert_eq!(log.tally().expect("it is read").waiting, NOTICES as u64 + 1);
    assert_eq!(log.notice(&hooked.id).expect("it is read").map(|posted| posted.state), Some(NoticeState::Waiting));
}

#[test]
fn an_outbox_of_the_version_before_is_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    add(&open(dir.path(), &Keys::none()), &[notice("a", &hook())]);
    let rows = rusqlite::Connection::open(dir.path().join("notices.sqlite")).expect("SQLite");
    let before = "DROP INDEX notices_by_way; ALTER TABLE notices DROP COLUMN way; PRAGMA user_version = 1";
    rows.execute_batch(before).expect("it is as it was");
    drop(rows);
    let log = open(dir.path(), &Keys::none());
    assert_eq!(add(&log, &[notice("a", &hook()), notice("b", &hook())]), 1);
    assert_eq!(waiting(&log), ["a", "b"]);
}
