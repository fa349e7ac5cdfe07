//! The event log by itself: what is in it, for how long, and what a reader is told of what is not.

use std::path::Path;
use std::time::Duration;

use restante::io::files::HostFiles;
use restante::model::{Instant, Mint, Now, Wall};
use restante::spool::{Event, EventLog, EventNote, EventPage, EventQuery, KEY_OCTETS, Keep, Keys};

const DAY: Duration = Duration::from_secs(86_400);

/// So many seconds after a day in 2026 on which everything here begins.
fn at(secs: u64) -> Now {
    let wall = Wall::from_micros((1_790_000_000 + secs) * 1_000_000);
    Now { instant: Instant::from_origin(Duration::from_secs(1000 + secs)), wall }
}

fn event(name: &str, secs: u64) -> Box<Event> {
    Box::new(Event {
        at: at(secs).wall,
        dialog: "conn:abc/dialog:d".to_owned(),
        name: name.to_owned(),
        values: vec![("record.recordid".to_owned(), "spool:/bob/canary".to_owned())],
        call_id: Some("call-1".to_owned()),
        job: None,
    })
}

fn open_with(dir: &Path, keep: Keep, keys: &Keys, now: Now) -> EventLog {
    let files = HostFiles::new(dir).expect("a directory");
    EventLog::open(&files, dir, keep, keys, Mint::from_number(7), now)
}

fn open(dir: &Path, now: Now) -> EventLog {
    open_with(dir, Keep { time: DAY, octets: 1 << 20 }, &Keys::none(), now)
}

fn read(log: &EventLog, after: Option<u64>) -> EventPage {
    log.read(&EventQuery { after, ..EventQuery::default() }).expect("it can be read")
}

fn names(page: &EventPage) -> Vec<(&str, bool)> {
    page.events.iter().map(|logged| (logged.event.name.as_str(), logged.delivered)).collect()
}

/// Logs an event that nobody is there to be told.
fn unsent(log: &EventLog, name: &str, secs: u64) {
    log.note(&[EventNote::Unsent(event(name, secs))], at(secs)).expect("it is written");
}

#[test]
fn an_event_is_in_the_log_once_it_is_known_whether_it_was_delivered() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    log.note(&[EventNote::Sent(1, event("a", 1)), EventNote::Sent(2, event("b", 1))], at(1)).expect("it is written");
    assert_eq!(names(&read(&log, None)), []);
    log.note(&[EventNote::Answered(2, true), EventNote::Answered(1, false)], at(2)).expect("it is written");
    let page = read(&log, None);
    assert_eq!(names(&page), [("b", true), ("a", false)]);
    assert_eq!(page.events[1].event, *event("a", 1), "all of it");
    log.note(&[EventNote::Answered(1, true)], at(3)).expect("it is nothing");
    assert_eq!(read(&log, None), page, "it never changes");
}

#[test]
fn what_was_not_answered_when_the_process_died_is_logged_by_the_next_as_not_delivered() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    unsent(&log, "before", 1);
    log.note(&[EventNote::Sent(1, event("in flight", 1))], at(1)).expect("it is written");
    let before = read(&log, None);
    std::mem::forget(log); // nothing is closed
    let log = open(dir.path(), at(5));
    let after = read(&log, Some(before.next));
    assert_eq!(
        (names(&before), names(&after), after.lost),
        (vec![("before", false)], vec![("in flight", false)], false)
    );
    log.note(&[EventNote::Sent(1, event("of this run", 6))], at(6)).expect("tokens begin anew");
    drop(log);
    assert_eq!(names(&read(&open(dir.path(), at(7)), Some(after.next))), [("of this run", false)]);
}

#[test]
fn who_reads_on_from_a_cursor_misses_none_and_sees_none_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    let all: Vec<String> = (0..25).map(|n| n.to_string()).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    for (n, name) in all.iter().enumerate() {
        unsent(&log, name, 1); // all in one microsecond
        if n % 10 == 9 {
            let page = log.read(&EventQuery { after, limit: Some(7), ..EventQuery::default() }).expect("a page");
            assert!(!page.lost && page.events.len() == 7);
            seen.extend(page.events.into_iter().map(|logged| logged.event.name));
            after = Some(page.next);
        }
    }
    let rest = read(&log, after);
    seen.extend(rest.events.into_iter().map(|logged| logged.event.name));
    assert_eq!(seen, all);
    assert_eq!(read(&log, Some(rest.next)), EventPage { next: rest.next, ..EventPage::default() });
}

#[test]
fn a_reader_of_one_dialog_goes_past_the_others_and_is_not_told_that_it_has_lost_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    for (name, dialog, job) in
        [("a", "conn:x/dialog:1", Some("j")), ("b", "conn:x/dialog:2", None), ("c", "conn:x/dialog:1", None)]
    {
        let event = Event { dialog: dialog.to_owned(), job: job.map(str::to_owned), ..*event(name, 1) };
        log.note(&[EventNote::Unsent(Box::new(event))], at(1)).expect("it is written");
    }
    let of = |dialog: Option<&str>, job: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        log.read(&EventQuery { dialog: owned(dialog), job: owned(job), ..EventQuery::default() }).expect("a page")
    };
    assert_eq!(names(&of(Some("conn:x/dialog:1"), None)), [("a", false), ("c", false)]);
    assert_eq!(names(&of(None, Some("j"))), [("a", false)]);
    let nothing = of(Some("conn:x/dialog:3"), None);
    assert_eq!((nothing.events.len(), nothing.next, nothing.lost), (0, log.newest(), false));
}

#[test]
fn what_is_too_old_or_too_much_is_forgotten_and_a_reader_that_was_away_for_longer_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open_with(dir.path(), Keep { time: Duration::from_secs(100), octets: 1 << 20 }, &Keys::none(), at(0));
    unsent(&log, "a", 10);
    let first = read(&log, None);
    unsent(&log, "b", 60);
    unsent(&log, "c", 111);
    let page = read(&log, Some(first.next));
    assert_eq!((names(&page), page.lost), (vec![("b", false), ("c", false)], false), "it had seen what is gone");
    unsent(&log, "d", 161);
    let late = read(&log, Some(first.next));
    assert_eq!((names(&late), late.lost), (vec![("c", false), ("d", false)], true));
    drop(log);
    let log = open_with(dir.path(), Keep { time: DAY, octets: 2000 }, &Keys::none(), at(162));
    assert!(read(&log, Some(first.next)).lost, "after a restart, too");
    (0..50).for_each(|n| unsent(&log, &n.to_string(), 163));
    let kept = read(&log, None);
    assert!((2..10).contains(&kept.events.len()) && !kept.lost, "{} are kept", kept.events.len());
    assert_eq!(names(&kept).last(), Some(&("49", false)));
    assert!(read(&log, Some(late.next)).lost);
}

#[test]
fn a_log_that_is_damaged_is_set_aside_and_its_readers_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    unsent(&log, "a", 1);
    let cursor = read(&log, None).next;
    drop(log);
    std::fs::write(dir.path().join("events.sqlite"), [7; 8192]).expect("it can be written");
    let log = open(dir.path(), at(2));
    assert_eq!(std::fs::metadata(dir.path().join("events.aside")).expect("it is there").len(), 8192);
    unsent(&log, "b", 3);
    let page = read(&log, Some(cursor));
    assert_eq!((names(&page), page.lost), (vec![("b", false)], true));
    assert!(page.next > cursor, "cursors grow past the log that is lost");
}

#[test]
fn a_row_that_is_not_what_was_written_is_not_served_and_its_reader_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    unsent(&log, "a", 1);
    unsent(&log, "b", 1);
    drop(log);
    let rows = rusqlite::Connection::open(dir.path().join("events.sqlite")).expect("SQLite");
    let changed = rows.execute("UPDATE events SET event = replace(event, '\"a\"', '\"x\"')", []).expect("a change");
    assert_eq!(changed, 2);
    drop(rows);
    let page = read(&open(dir.path(), at(2)), None);
    assert_eq!((names(&page), page.lost), (vec![("b", false)], true));
}

#[test]
fn where_events_are_missing_the_log_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(0));
    unsent(&log, "a", 1);
    let before = read(&log, None);
    log.note(&[EventNote::Missed, EventNote::Unsent(event("b", 2))], at(2)).expect("it is written");
    let page = read(&log, Some(before.next));
    assert_eq!((before.lost, names(&page), page.lost), (false, vec![("b", false)], true));
    assert!(!read(&log, Some(page.next)).lost);
}

#[test]
fn a_clock_that_leaps_makes_no_cursor_smaller_and_forgets_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), at(1000));
    unsent(&log, "a", 1000);
    let leapt = Now { wall: Wall::from_micros(at(0).wall.micros() * 2), ..at(1001) };
    log.note(&[EventNote::Unsent(event("b", 1001))], leapt).expect("it is written");
    unsent(&log, "c", 10);
    let page = read(&log, None);
    assert_eq!((names(&page).len(), page.lost), (3, false));
    assert!(page.events.is_sorted_by(|a, b| a.cursor < b.cursor));
}

#[test]
fn with_master_keys_nothing_of_an_event_can_be_read_on_the_disk_and_with_others_it_waits() {
    let dir = tempfile::tempdir().expect("a directory");
    let keep = Keep { time: DAY, octets: 1 << 20 };
    let keys =
        |names: &[(&str, u8)]| Keys::new(names.iter().map(|(name, octet)| ((*name).to_owned(), [*octet; KEY_OCTETS])));
    let log = open_with(dir.path(), keep, &keys(&[("first", 1)]), at(0));
    unsent(&log, "the-canary-sings", 1);
    log.note(&[EventNote::Sent(1, event("the-canary-flies", 1))], at(1)).expect("it is written");
    drop(log);
    for entry in std::fs::read_dir(dir.path()).expect("a directory") {
        let octets = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!octets.windows(6).any(|window| window == b"canary"));
    }
    let log = open_with(dir.path(), keep, &keys(&[("second", 2), ("first", 1)]), at(2));
    assert_eq!(names(&read(&log, None)), [("the-canary-sings", false), ("the-canary-flies", false)]);
    drop(log);
    let log = open_with(dir.path(), keep, &keys(&[("second", 2)]), at(3));
    assert_eq!(read(&log, None).events.len(), 2, "the second key has wrapped the log's since");
    drop(log);
    let log = open_with(dir.path(), keep, &keys(&[("third", 3)]), at(4));
    assert_eq!(read(&log, None).events.len(), 0);
    assert!(dir.path().join("events.aside").exists(), "it waits for its key");
}
