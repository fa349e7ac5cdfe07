//! `restante spool rewrap`: from one master key to the next.

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::spool::NoticeLog;
use serde_json::json;

use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::alone;
use super::store::{KEYS_WANTED, failure};

/// What notices are sealed by moves, too, when they are opened.
fn outbox(place: &Place) -> Result<(), Failure> {
    let path = place.spool()?.0.path;
    if !path.join("notices.sqlite").exists() {
        return Ok(());
    }
    let broken = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let (files, mint) = (HostFiles::existing(&path).map_err(broken)?, entropy::mint().map_err(broken)?);
    match NoticeLog::open(&files, files.root(), &place.keys()?, mint, Clock::start().now()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!("the outbox of notices can't be moved to another key: {error}"))
            .next("name the key that it lies under after the first in spool.keys, and run it again")),
    }
}

pub(super) fn run(place: &Place, voice: Voice) -> Result<(), Failure> {
    let keys = place.keys()?;
    let key = keys.current().ok_or_else(|| Failure::new("there is no key to wrap with").next(KEYS_WANTED))?;
    let spool =
        alone::open(place, "a server runs on this spool", "stop the server first; it reads old keys as well as new")?;
    let objects = spool.rewrap().map_err(|error| failure(&error))?;
    let waiting = spool.waiting_for_keys().map_err(|error| failure(&error))?;
    voice.result(&if voice.json {
        json!({ "key": key, "rewrapped": objects }).to_string()
    } else {
        format!("{objects} objects have moved to the key {key}")
    })?;
    match waiting.first() {
        Some((other, objects)) => {
            Err(Failure::new(format!("{objects} objects stay with the key {other}, which is not at hand"))
                .next("keep that key, and run it again with the key named after the first in spool.keys"))
        }
        None => outbox(place),
    }
}
