//! A spool on a model of a disk, with classes of boxes.

use std::sync::Arc;

use restante::model::{BoxClass, FileInfo, Mint, Now, ObjectUri, Quota, Wall};
use restante::spool::{BoxUsage, Committed, EnvelopeDraft, Index, Spool, StageError, StagePlan};

use super::disk::SimFiles;

pub(crate) fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

pub(crate) fn uri(text: &str) -> ObjectUri {
    text.parse().expect("a name")
}

pub(crate) fn class(pattern: &str) -> BoxClass {
    BoxClass { matches: pattern.parse().expect("a pattern"), ..BoxClass::default() }
}

pub(crate) fn limited(pattern: &str, octets: Option<u64>, objects: Option<u64>) -> BoxClass {
    BoxClass { quota: Quota { octets, objects, warn_percent: Some(80) }, ..class(pattern) }
}

pub(crate) fn open(files: &SimFiles, classes: &[BoxClass]) -> Spool {
    let mint = Mint::from_number(files.paths().len() as u64);
    let spool = Spool::open(Arc::new(files.clone()), Index::in_memory(), mint, now()).expect("a spool").0;
    spool.set_classes(classes.to_vec());
    spool
}

/// A file that declares its size.
pub(crate) fn plan(name: &str, octets: u64) -> StagePlan {
    let declared = FileInfo { size: Some(octets), ..FileInfo::default() };
    StagePlan { declared, ..StagePlan::new(uri(name)) }
}

pub(crate) fn deposit_at(spool: &Spool, plan: StagePlan, octets: &[u8], now: Now) -> Result<Committed, StageError> {
    let mut stage = spool.stage(plan, now)?;
    for (number, chunk) in octets.chunks(100).enumerate() {
        stage.write(100 * number as u64, chunk)?;
    }
    let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
    Ok(spool.commit(sealed, EnvelopeDraft::default(), now).expect("room was promised"))
}

pub(crate) fn deposit(spool: &Spool, name: &str, octets: &[u8]) -> Result<Committed, StageError> {
    deposit_at(spool, plan(name, octets.len() as u64), octets, now())
}

/// Objects and octets of a box.
pub(crate) fn usage(spool: &Spool, mailbox: &str) -> (u64, u64) {
    let held = |usage: &BoxUsage| (usage.mailbox == mailbox).then_some((usage.objects, usage.octets));
    spool.boxes().iter().find_map(held).unwrap_or_default()
}
