//! The input is what a start of the spool finds of one object: its envelope, its state, and the plan and the ranges of
//! its journal, with NUL octets between them. The first octet says in its lowest bits: 1, these are JSON and get sound
//! checksums (else they are whole records); 2, there is a body; 4, there is a stage.

#[path = "../../tests/sim/disk.rs"]
mod disk;

use std::sync::{Arc, OnceLock};

use disk::SimFiles;
use restante::model::limits::ENVELOPE_OCTETS;
use restante::model::{Mint, Now, ObjectUri, Wall};
use restante::spool::{Check, EnvelopeDraft, Index, Query, Spool, StagePlan};
use sha2::{Digest as _, Sha256};

const ID: &str = "01KAR51VGQ8Z3D5F7H9KMNPQRS";
const BODY: &[u8] = b"A body of twenty-nine octets.";
/// Whoever has this key may resume the stage, if the journal has its SHA-256.
const RESUME_KEY: &str = "alice";

/// An empty spool; each run works on its own copy.
static TREE: OnceLock<SimFiles> = OnceLock::new();

fn tree() -> SimFiles {
    let files = SimFiles::new();
    drop(open(&files));
    files
}

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let parts: Vec<&[u8]> = rest.splitn(4, |octet| *octet == 0).collect();
    let part = |at: usize, kind: &str| -> Vec<u8> {
        let octets = parts.get(at).copied().unwrap_or_default();
        if choice & 1 != 0 { record(kind, octets) } else { octets.to_vec() }
    };
    let files = TREE.get_or_init(tree).kill();
    if parts.first().is_some_and(|envelope| !envelope.is_empty()) {
        files.overwrite(&format!("queued/{ID}"), &part(0, "envelope"));
    }
    if parts.get(1).is_some_and(|state| !state.is_empty()) {
        files.overwrite(&format!("state/{ID}"), &part(1, "state"));
    }
    if parts.len() > 2 {
        let mut journal = part(3, "ranges");
        journal.resize(8192, b' ');
        journal.extend(part(2, "plan"));
        files.overwrite(&format!("stage/{ID}.ranges"), &journal);
    }
    if choice & 2 != 0 {
        files.overwrite(&format!("data/S/{ID}"), BODY);
    }
    if choice & 4 != 0 {
        files.overwrite(&format!("stage/{ID}"), &BODY[..20]);
    }
    starts(&files);
}

/// As spool/README.md has it, not as the code has it.
fn record(kind: &str, json: &[u8]) -> Vec<u8> {
    let head = format!("{kind} 1 {}\n", json.len() + 1);
    let sum = Sha256::digest([head.as_bytes(), json, b"\n"].concat());
    let sum: String = sum.iter().map(|octet| format!("{octet:02x}")).collect();
    [format!("restante {} {sum}\n", head.trim_end()).as_bytes(), json, b"\n"].concat()
}

fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

fn open(files: &SimFiles) -> Spool {
    Spool::open(Arc::new(files.clone()), Index::in_memory(), Mint::from_number(1), now()).expect("a spool opens").0
}

fn starts(files: &SimFiles) {
    let first = open(files);
    let seen = visible(&first);
    resume(&first);
    drop(first);
    let second = open(files);
    assert!(visible(&second).starts_with(&seen), "a second start finds what the first found");
    second.sweep(now()).expect("a sweep");
    let stages = second.status().stages;
    drop(second);
    let staged = files.paths().iter().filter(|path| path.starts_with("stage/")).count() as u64;
    assert!(staged <= 2 * stages, "{staged} files of {stages} stages");
    let reader = Spool::read_only(Arc::new(files.clone())).expect("a spool opens for reading");
    assert!(visible(&reader).starts_with(&seen), "a reader finds the same");
}

/// The ids of what is there, after every way to look at it has been tried.
fn visible(spool: &Spool) -> Vec<String> {
    let listed = spool.list(&Query::default()).expect("a list");
    assert_eq!(listed.len() as u64, spool.status().objects);
    for envelope in &listed {
        let object = spool.find_id(&envelope.id).expect("no damage").expect("what is listed is there");
        assert_eq!(object.envelope().uri, envelope.uri);
        let named = spool.find(&envelope.uri).expect("no damage").expect("it has its name");
        assert_eq!(named.envelope().id, envelope.id);
        let picked = spool.select(envelope.uri.box_name(), &object.envelope().file).expect("a selection");
        assert!(picked.iter().any(|picked| picked.envelope().id == envelope.id), "its own description picks it");
        assert_eq!(spool.read(&object).expect("a body").size(), envelope.size());
    }
    listed.into_iter().map(|envelope| envelope.id).collect()
}

/// Whoever sent the stage comes back and finishes it.
fn resume(spool: &Spool) {
    let uri: ObjectUri = "spool:/bob/resumed".parse().expect("a name");
    let plan = StagePlan { resume_key: Some(RESUME_KEY.to_owned()), overwrite: true, ..StagePlan::new(uri.clone()) };
    let mut stage = spool.stage(plan, now()).expect("a stage");
    if stage.write(20, &BODY[20..]).is_err() || stage.write(0, &BODY[..20]).is_err() || stage.sync().is_err() {
        return;
    }
    let Ok(sealed) = stage.seal(BODY.len() as u64, &Default::default()) else { return };
    let draft = EnvelopeDraft { from: Some("x".repeat(ENVELOPE_OCTETS / 64)), ..EnvelopeDraft::default() };
    let object = spool.commit(sealed, draft, now()).expect("a commit");
    assert_eq!(spool.verify(&object.envelope().id).expect("a check"), Check::Sound);
    assert_eq!(spool.find(&uri).expect("no damage").as_ref(), Some(&object));
}
