//! Does a bucket do what the spool relies on? It is tried out, and cleaned up after.

use std::thread;

use bytes::Bytes;

use crate::model::limits::PART_OCTETS_MIN;
use crate::model::{Mint, Wall};
use crate::spool::{Bucket, BucketError};

/// Creators that race for one key.
const CREATORS: usize = 8;

/// Races: a bucket that is wrong only now and then shows in some of them.
const RACES: usize = 3;

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the bucket should do.
    pub what: &'static str,
    /// Whether the spool relies on it.
    pub needed: bool,
    /// What is wrong, if something is.
    pub fault: Option<String>,
}

/// All that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// In the order in which it was tried.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Why the spool can't use the bucket, if it can't.
    pub fn refusal(&self) -> Option<String> {
        let faults = self.findings.iter().filter(|finding| finding.needed);
        let faults: Vec<String> =
            faults.filter_map(|finding| Some(format!("{}: {}", finding.what, finding.fault.as_ref()?))).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

type Trial = (&'static str, bool, fn(&Ward<'_>) -> Result<(), String>);

/// Tries everything out below `doctor/` in the bucket.
pub fn examine(bucket: &dyn Bucket, mint: &mut Mint, now: Wall) -> Examination {
    let ward = Ward { bucket, room: format!("doctor/{}", mint.ulid(now)) };
    let trials: [Trial; 8] = [
        ("create only where nothing is", true, |ward| ward.creates_once()),
        ("one winner among many creators", true, |ward| ward.race_has_one_winner()),
        ("replace only what was read (ETag)", false, |ward| ward.replaces_what_was_read()),
        ("list what was just written", true, |ward| ward.lists_after_write()),
        ("read a range", true, |ward| ward.reads_a_range()),
        ("upload in parts, each with its checksum", true, |ward| ward.uploads_in_parts()),
        ("give an upload up", true, |ward| ward.gives_up()),
        ("list unfinished uploads", false, |ward| ward.lists_unfinished()),
    ];
    let findings = trials.into_iter().map(|(what, needed, trial)| Finding { what, needed, fault: trial(&ward).err() });
    let findings = findings.collect();
    ward.clean_up();
    Examination { findings }
}

/// Where the trials are made.
struct Ward<'a> {
    bucket: &'a dyn Bucket,
    room: String,
}

fn said(error: BucketError) -> String {
    error.to_string()
}

impl Ward<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.room)
    }

    fn read(&self, key: &str, octets: &[u8]) -> Result<(), String> {
        let found = self.bucket.get(key, 0..octets.len() as u64 + 1).map_err(said)?;
        if found == octets { Ok(()) } else { Err("other octets came back than were put".to_owned()) }
    }

    fn creates_once(&self) -> Result<(), String> {
        let key = self.key("create");
        self.bucket.create(&key, b"first").map_err(said)?;
        match self.bucket.create(&key, b"second") {
            Err(BucketError::Taken) => self.read(&key, b"first"),
            Ok(_) => {
                Err("If-None-Match is ignored: an object was overwritten that should have been left alone".to_owned())
            }
            Err(error) => Err(said(error)),
        }
    }

    fn race_has_one_winner(&self) -> Result<(), String> {
        for race in 0..RACES {
            let key = self.key(&format!("race-{race}"));
            let create = |number: usize| self.bucket.create(&key, format!("creator {number}").as_bytes());
            let answers: Vec<_> = thread::scope(|scope| {
                let racers: Vec<_> = (0..CREATORS).map(|number| scope.spawn(move || create(number))).collect();
                racers.into_iter().map(|racer| racer.join().expect("a racer does not panic")).collect()
            });
            let winners: Vec<usize> = (0..CREATORS).filter(|number| answers[*number].is_ok()).collect();
            match winners.as_slice() {
                [winner] => self.read(&key, format!("creator {winner}").as_bytes())?,
                [] => return Err("nobody won".to_owned()),
                many => return Err(format!("{} of {CREATORS} were told that they had won", many.len())),
            }
        }
        Ok(())
    }

    fn replaces_what_was_read(&self) -> Result<(), String> {
        let key = self.key("replace");
        let first = self.bucket.put(&key, b"first").map_err(said)?;
        let second = self.bucket.replace(&key, &first, b"second").map_err(said)?;
        if self.bucket.replace(&key, &first, b"third") != Err(BucketError::Taken) {
            return Err("If-Match is ignored: a newer version was overwritten".to_owned());
        }
        self.bucket.replace(&key, &second, b"third").map(drop).map_err(said)
    }

    fn lists_after_write(&self) -> Result<(), String> {
        let names = ["list/a", "list/b", "list/c"].map(|name| self.key(name));
        names.iter().try_for_each(|key| self.bucket.put(key, b"listed").map(drop)).map_err(said)?;
        let list = |after: &str| -> Result<Vec<String>, String> {
            let page = self.bucket.list(&self.key("list/"), after).map_err(said)?;
            Ok(page.into_iter().map(|stored| stored.key).collect())
        };
        if list("")? != names {
            return Err("what was put is not in the list".to_owned());
        }
        if list(&names[0])? != names[1..] {
            return Err("a list that should go on after a key does not".to_owned());
        }
        self.bucket.delete(&names[1]).map_err(said)?;
        if list("")?.contains(&names[1]) { Err("what was removed is still in the list".to_owned()) } else { Ok(()) }
    }

    fn reads_a_range(&self) -> Result<(), String> {
        let key = self.key("range");
        self.bucket.put(&key, b"0123456789").map_err(said)?;
        match self.bucket.get(&key, 3..7).map_err(said)?.as_slice() {
            b"3456" => Ok(()),
            _ => Err("other octets came back than were asked for".to_owned()),
        }
    }

    fn uploads_in_parts(&self) -> Result<(), String> {
        let key = self.key("parts");
        let first = vec![b'a'; usize::try_from(PART_OCTETS_MIN).expect("a part fits into memory")];
        let upload = self.bucket.begin(&key).map_err(said)?;
        let parts = [
            self.bucket.part(&key, &upload, 0, first.clone().into()).map_err(said)?,
            self.bucket.part(&key, &upload, 1, Bytes::from_static(b"the end")).map_err(said)?,
        ];
        if self.bucket.head(&key) != Err(BucketError::Missing) {
            return Err("the object is seen before the upload is complete".to_owned());
        }
        self.bucket.complete(&key, &upload, &parts).map_err(said)?;
        let size = self.bucket.head(&key).map_err(said)?.size;
        let tail = self.bucket.get(&key, PART_OCTETS_MIN - 1..size).map_err(said)?;
        if size == PART_OCTETS_MIN + 7 && tail == b"athe end" {
            Ok(())
        } else {
            Err("the parts were put together wrong".to_owned())
        }
    }

    fn gives_up(&self) -> Result<(), String> {
        let key = self.key("abort");
        let upload = self.bucket.begin(&key).map_err(said)?;
        let part = self.bucket.part(&key, &upload, 0, Bytes::from_static(b"a part")).map_err(said)?;
        self.bucket.abort(&key, &upload).map_err(said)?;
        match self.bucket.complete(&key, &upload, &[part]) {
            Err(_) if self.bucket.head(&key) == Err(BucketError::Missing) => Ok(()),
            _ => Err("an upload that was given up was completed all the same".to_owned()),
        }
    }

    fn lists_unfinished(&self) -> Result<(), String> {
        let key = self.key("unfinished");
        let upload = self.bucket.begin(&key).map_err(said)?;
        let found = self.bucket.unfinished(&format!("{}/", self.room)).map_err(said);
        self.bucket.abort(&key, &upload).map_err(said)?;
        match found?.iter().any(|unfinished| (&unfinished.key, &unfinished.upload) == (&key, &upload)) {
            true => Ok(()),
            false => Err("an upload that was begun is not in the list".to_owned()),
        }
    }

    /// What can't be removed stays: the trials have said why.
    fn clean_up(&self) {
        for key in ["create", "replace", "list/a", "list/b", "list/c", "range", "parts", "abort"].map(str::to_owned) {
            let _ = self.bucket.delete(&self.key(&key));
        }
        for race in 0..RACES {
            let _ = self.bucket.delete(&self.key(&format!("race-{race}")));
        }
    }
}
