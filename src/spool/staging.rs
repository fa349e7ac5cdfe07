//! Where a stage comes from: octets an earlier offer left, or an empty file with room for what was declared.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};

use crate::model::limits::STAGES;
use crate::model::{Digest, FileInfo, Now, ObjectUri};

use super::arrival::Arrival;
use super::catalog::ask;
use super::error::{SpoolError, StageError, is_full};
use super::journal::Plan;
use super::layout::Id;
use super::shared::{Holder, Live, Shared, locked};
use super::stage::Stage;

/// Declared sizes from here on are reserved on the disk; below, the reserve of the whole spool is room enough.
const RESERVED_FROM_OCTETS: u64 = 1024 * 1024;

/// What is to arrive, and where it belongs.
#[derive(Clone, Debug)]
pub struct StagePlan {
    /// The object, or a box in which the name is minted.
    pub object: ObjectUri,
    /// What a sender would say again when it comes back for the same file: its identity with the Message-ID, say.
    pub resume_key: Option<String>,
    /// What the sender declares.
    pub declared: FileInfo,
    /// Whether an object of that name may be replaced.
    pub overwrite: bool,
    /// Call-ID of the SIP dialog, for the log.
    pub call_id: Option<String>,
    /// Message-ID of the MSRP message, for the log.
    pub message_id: Option<String>,
}

impl StagePlan {
    /// A plan for an object or a box, with nothing declared.
    pub fn new(object: ObjectUri) -> Self {
        let declared = FileInfo::default();
        Self { object, resume_key: None, declared, overwrite: false, call_id: None, message_id: None }
    }
}

/// A stage for this plan.
///
/// # Errors
/// Those of [`super::Spool::stage`].
pub(super) fn begin(shared: &Arc<Shared>, plan: StagePlan, now: Now) -> Result<Stage, StageError> {
    shared.writable()?;
    refuse_duplicate(shared, &plan)?;
    let wanted = Plan::new(plan.resume_key.as_deref().map(fingerprint), &plan.declared);
    let (live, arrival) = match resumed(shared, &wanted) {
        Some(arrival) => arrival,
        None => begun(shared, &wanted, now)?,
    };
    let object = match plan.object.name() {
        Some(_) => plan.object,
        None => plan.object.with_name(live.id().as_str()).expect("an id is a legal name"),
    };
    let stage = Stage::new(live, arrival, object, plan.overwrite);
    tracing::debug!(object = stage.id(), call_id = plan.call_id, message_id = plan.message_id, "stage opened");
    Ok(stage)
}

fn refuse_duplicate(shared: &Shared, plan: &StagePlan) -> Result<(), StageError> {
    let is_taken = || ask(shared, |index| index.find(&plan.object));
    if plan.object.name().is_none() || plan.overwrite || is_taken()?.is_none() {
        return Ok(());
    }
    let uri = plan.object.clone();
    tracing::warn!(%uri, call_id = plan.call_id, message_id = plan.message_id, "refused: the object exists");
    Err(StageError::Exists(uri))
}

/// The octets an earlier offer left, if they can still be used.
fn resumed(shared: &Arc<Shared>, wanted: &Plan) -> Option<(Live, Arrival)> {
    let mut desk = locked(&shared.desk);
    let (live, parked) = match desk.holders.remove(wanted.resume.as_ref()?)? {
        Holder::Parked(parked) => {
            let live = Live::enter(shared, &mut desk, parked.id);
            drop(desk);
            (live, parked)
        }
        Holder::Live(slot) => {
            drop(desk); // a session holds its slot while it writes, and may ask for the desk meanwhile
            let slot = slot.upgrade()?;
            let mut slot = locked(&slot);
            let arrival = slot.take()?;
            let live = Live::new(shared, arrival.id);
            if !arrival.broken && arrival.plan.agrees(wanted) {
                return Some((live, arrival));
            }
            (live, Box::new(arrival.park()))
        }
    };
    if parked.plan.agrees(wanted) {
        match parked.resume(shared.files.as_ref()) {
            Ok(arrival) => return Some((live, arrival)),
            Err(error) => tracing::warn!(object = %live.id(), %error, "stage not resumed"),
        }
    }
    shared.remove_stage(live.id());
    None
}

fn begun(shared: &Arc<Shared>, wanted: &Plan, now: Now) -> Result<(Live, Arrival), StageError> {
    if locked(&shared.desk).stages() >= STAGES {
        return Err(StageError::TooManyStages { limit: STAGES });
    }
    let octets = wanted.size().unwrap_or(0);
    let free = shared.files.free_octets().map_err(SpoolError::io("asking for free space"))?;
    if free.saturating_sub(shared.reserve_octets.load(Ordering::Relaxed)) < octets.max(1) {
        return Err(StageError::Full { octets });
    }
    let live = Live::new(shared, Id::mint(&mut locked(&shared.mint), now.wall));
    let begun = Arrival::begin(shared.files.as_ref(), live.id(), wanted.clone());
    let reserved = begun.and_then(|arrival| match octets {
        RESERVED_FROM_OCTETS.. => reserve(arrival, octets),
        _ => Ok(arrival),
    });
    match reserved {
        Ok(arrival) => Ok((live, arrival)),
        Err(error) => {
            shared.remove_stage(live.id());
            let full = is_full(&error);
            Err(if full { StageError::Full { octets } } else { SpoolError::io("making a stage")(error).into() })
        }
    }
}

fn reserve(arrival: Arrival, octets: u64) -> io::Result<Arrival> {
    match arrival.file.reserve(octets) {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(arrival), // where room can't be reserved, the reserve of the whole spool has to do
    }
}

fn fingerprint(key: &str) -> String {
    Digest::sha256(Sha256::digest(key).into()).hex()
}
