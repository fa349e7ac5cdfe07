//! What has to be true of a spool after a crash, seen with the program's own commands and in its directories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::support::deposit::Promise;
use super::support::server::json;

/// One deposit that was tried, and what was promised in its course.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) promise: Promise,
}

/// Every object is a whole file that somebody sent, once; everything that was reported is an object.
pub(crate) fn objects(dir: &Path, book: &BTreeMap<String, Attempt>) {
    let mut found = BTreeMap::new();
    for object in json(dir, &["spool", "list", "--json"]) {
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        let id = text("message_id");
        if id == "proof" {
            continue;
        }
        let attempt = book.get(&id).unwrap_or_else(|| panic!("nobody sent {object}"));
        assert_eq!((text("sha256"), object["size"].as_u64()), (attempt.sha256.clone(), Some(attempt.size)), "{id}");
        assert!(found.insert(id, text("uri")).is_none(), "two objects of one message: {object}");
    }
    for (id, attempt) in book {
        let promised = attempt.promise.reported || attempt.promise.complete;
        assert!(!promised || found.contains_key(id), "{id} was promised and is lost: {attempt:?}");
        assert!(!attempt.promise.complete || found[id] == attempt.promise.uri, "{id} has another name: {attempt:?}");
    }
}

/// Every object has the octets of its digest.
pub(crate) fn octets(dir: &Path) {
    let checked = json(dir, &["spool", "verify", "--json"]);
    assert!(!checked.is_empty() && checked.iter().all(|check| check["sound"] == true), "{checked:?}");
}

/// Nothing lies about but whole objects, and what their senders may come back for.
pub(crate) fn leftovers(dir: &Path, book: &BTreeMap<String, Attempt>) {
    let spool = dir.join("spool");
    let envelopes = names(&spool.join("queued"));
    let bodies: BTreeSet<String> =
        names(&spool.join("data")).iter().flat_map(|shard| names(&spool.join("data").join(shard))).collect();
    assert_eq!(bodies, envelopes, "every body has its envelope and the other way round");
    let stage = names(&spool.join("stage"));
    let stages = stage.iter().filter(|name| name.len() == 26).count();
    for name in &stage {
        let body = name.strip_suffix(".ranges").unwrap_or(name);
        assert!(stage.contains(body) && body.len() == 26, "{name} is left over in stage/: {stage:?}");
    }
    let orphans = names(&spool.join("corrupt"));
    assert!(orphans.iter().all(|name| name.ends_with(".orphan")), "{orphans:?}");
    let unfinished = book.values().filter(|attempt| !attempt.promise.reported).count();
    assert!(stages + orphans.len() <= unfinished, "{stages} stages, {orphans:?}, {unfinished} unfinished deposits");
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
