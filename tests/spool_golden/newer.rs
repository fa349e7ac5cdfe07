//! What a release does with the work of a later one: it refuses the spool, or leaves the record alone.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use restante::io::files::HostFiles;
use restante::model::{Digest, Mint};
use restante::spool::{Index, Spool, SpoolError};
use sha2::{Digest as _, Sha256};

use super::disk::{copied, now, opened, tree};
use super::{all, golden};

/// A sound record of a version that nobody knows yet.
fn record(kind: &str) -> Vec<u8> {
    let json = b"{\"to be\":\"seen\"}\n";
    let head = format!("{kind} 99 {}", json.len());
    let sum = Digest::sha256(Sha256::digest([format!("{head}\n").as_bytes(), json].concat()).into()).hex();
    [format!("restante {head} {sum}\n").as_bytes(), json].concat()
}

// R20
#[test]
fn a_spool_of_a_later_version_is_refused_by_name_before_anything_in_it_changes() {
    for place in all() {
        let copy = copied(&place.join("spool"));
        fs::write(copy.path().join("VERSION"), "restante-spool 2\n").expect("another version");
        let before = tree(copy.path());
        let files = Arc::new(HostFiles::new(copy.path()).expect("a directory"));
        let refused =
            Spool::open(files.clone(), Index::open(copy.path().join("index.sqlite")), Mint::from_number(1), now());
        let Err(error) = refused else { panic!("{} was opened", place.display()) };
        let said = "the spool has format \"restante-spool 2\" and this release knows 1: use the release that wrote it";
        assert_eq!(error.to_string(), said);
        assert!(matches!(Spool::read_only(files), Err(SpoolError::Version { .. })));
        assert!(before == tree(copy.path()), "{}", place.display());
        assert!(!copy.path().join("lock").exists());
    }
}

// R20
#[test]
fn objects_and_stages_that_a_later_release_wrote_wait_for_it_to_come_again() {
    let copy = copied(&golden().join("0.1.0/plain/spool"));
    let ids = ["01M0000000000000000000000A", "01M0000000000000000000000B", "01M0000000000000000000000C"];
    let [object, stage, interrupted] = ids;
    let journal = |slots: &[u8], plan: &[u8]| {
        let mut octets = slots.to_vec();
        octets.resize(8192, b' ');
        [octets.as_slice(), plan].concat()
    };
    let later = [
        (format!("queued/{object}"), record("envelope")),
        (format!("data/A/{object}"), b"its body".to_vec()),
        (format!("state/{object}"), record("state")),
        (format!("stage/{stage}"), b"octets".to_vec()),
        (format!("stage/{stage}.ranges"), journal(b"", &record("plan"))),
        (format!("data/C/{interrupted}"), b"octets".to_vec()),
        (format!("stage/{interrupted}.ranges"), journal(&record("ranges"), &record("plan"))),
    ];
    for (path, octets) in &later {
        write(copy.path(), path, octets);
    }
    let objects = opened(copy.path()).status().objects;
    let spool = opened(copy.path());
    assert!(matches!(spool.find_id(object), Err(SpoolError::Newer { .. })));
    assert_eq!(spool.status().objects, objects, "it is not counted");
    spool.sweep(now()).expect("a sweep");
    for (path, octets) in &later {
        assert!(fs::read(copy.path().join(path)).is_ok_and(|there| there == *octets), "{path}");
    }
}

fn write(dir: &Path, path: &str, octets: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, octets).expect("a file");
}
