//! Where a stage comes from: octets an earlier offer left, or an empty file with room for what was declared.

use std::io;
use std::sync::Arc;

use crate::model::limits::STAGES;
use crate::model::{FileInfo, Now, ObjectUri};

use super::arrival::Arrival;
use super::came::{self, fingerprint};
use super::catalog::ask;
use super::error::{SpoolError, StageError, is_full};
use super::fates::may_be_replaced;
use super::journal::Plan;
use super::layout::Id;
use super::shared::{Holder, Live, Shared, locked};
use super::stage::Stage;
use super::usage::Share;
use super::water::{Claim, NoRoom};

/// Declared sizes from here on are reserved on the disk; below, our own count of promises does.
const RESERVED_FROM_OCTETS: u64 = 1024 * 1024;

/// What is to arrive, and where it belongs.
#[derive(Clone, Debug)]
pub struct StagePlan {
    /// The object, or a box in which the name is minted.
    pub object: ObjectUri,
    /// What a sender would say again when it comes back for the same file: its identity with the Message-ID, say.
    pub resume_key: Option<String>,
    /// What a sender would say of the same file under a new id: its identity with size and digest, say. It is only looked
    /// for when [`StagePlan::offset`] says that there has to be something.
    pub file_key: Option<String>,
    /// The first octet of the file that this sender will bring, counted from zero: those before it have to be there
    /// (RFC 5547 `file-range`).
    pub offset: u64,
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
        Self {
            object,
            resume_key: None,
            file_key: None,
            offset: 0,
            declared,
            overwrite: false,
            call_id: None,
            message_id: None,
        }
    }

    /// The [`StagePlan::resume_key`] of a sender that names its messages: what it brings under the same one is the same
    /// file (RFC 4975 §5.4), also when an object was made of it before this start.
    pub fn sender_key(from: &str, message_id: &str, object: &ObjectUri) -> String {
        came::sender_key(from, message_id, object)
    }
}

/// A stage for this plan.
///
/// # Errors
/// Those of [`super::Spool::stage`].
pub(super) fn begin(shared: &Arc<Shared>, plan: StagePlan, now: Now) -> Result<Stage, StageError> {
    shared.writable()?;
    let now = shared.dated(now);
    refuse_duplicate(shared, &plan)?;
    let fingerprint = |key: &Option<String>| key.as_deref().map(fingerprint);
    let wanted = Plan::new(fingerprint(&plan.resume_key), fingerprint(&plan.file_key), &plan.declared);
    let found = match plan.offset {
        0 => resumed(shared, &wanted)?,
        offset => Some(continued(shared, &wanted, offset)?),
    };
    let (live, arrival) = match found {
        Some(found) => rejoined(shared, &plan, found)?,
        None => {
            let share = promised(shared, &plan, wanted.size().unwrap_or(0))?;
            begun(shared, &wanted, plan.object.box_name(), share, now)?
        }
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
    if plan.object.name().is_none() {
        return Ok(());
    }
    let Some(there) = ask(shared, |index| index.find(&plan.object))? else { return Ok(()) };
    let uri = plan.object.clone();
    let error = match plan.overwrite {
        false => StageError::Exists(uri),
        true if may_be_replaced(shared, there)? => return Ok(()),
        true => StageError::Held(uri),
    };
    tracing::warn!(call_id = plan.call_id, message_id = plan.message_id, %error, "refused");
    Err(error)
}

/// Room in the box for so many octets.
fn promised(shared: &Shared, plan: &StagePlan, octets: u64) -> Result<Share, StageError> {
    let promise = shared.usage.promise(plan.object.box_name(), octets);
    promise.map_err(|over| {
        tracing::warn!(call_id = plan.call_id, message_id = plan.message_id, octets, %over, "refused: over quota");
        over.into()
    })
}

/// Who comes back needs room in the box again: while it was away it had none.
fn rejoined(
    shared: &Shared,
    plan: &StagePlan,
    (live, mut arrival): (Live, Arrival),
) -> Result<(Live, Arrival), StageError> {
    arrival.share = None; // it may be of another box
    let octets = arrival.plan.size().unwrap_or(0).max(arrival.received.end());
    match promised(shared, plan, octets) {
        Ok(share) => {
            arrival.share = Some(share);
            Ok((live, arrival))
        }
        Err(over) => {
            shared.park(arrival);
            Err(over)
        }
    }
}

/// A sender that names the octets it still has to bring goes on with the stage that has the others.
fn continued(shared: &Arc<Shared>, wanted: &Plan, offset: u64) -> Result<(Live, Arrival), StageError> {
    let taken = predecessor(shared, wanted).filter(|(_, octets)| *octets >= offset);
    let taken = taken.map(|(key, _)| resumed(shared, &wanted.clone().known_as(key))).transpose()?.flatten();
    taken.ok_or(StageError::NothingBefore { offset })
}

/// The resume key of the stage that has most of this file, and how many octets from the first on it has.
fn predecessor(shared: &Shared, wanted: &Plan) -> Option<(String, u64)> {
    let file = wanted.file.as_deref()?;
    let keys = locked(&shared.desk).keys_of(file);
    keys.into_iter().filter_map(|key| Some((prefix(shared, &key)?, key))).max().map(|(octets, key)| (key, octets))
}

/// How many octets from the first on the stage of this resume key has. A session that lets go of it meanwhile has parked
/// it when its slot is free: then the desk knows.
fn prefix(shared: &Shared, key: &str) -> Option<u64> {
    look(shared, key).or_else(|| look(shared, key))
}

fn look(shared: &Shared, key: &str) -> Option<u64> {
    let desk = locked(&shared.desk);
    let slot = match desk.holders.get(key)? {
        Holder::Parked(parked) => return Some(parked.received.prefix()),
        Holder::Live(writer) => writer.slot.clone(),
    };
    drop(desk); // as in `resumed`
    let slot = slot.upgrade()?;
    let slot = locked(&slot);
    slot.as_ref().map(|arrival| arrival.received.prefix())
}

/// How many octets of a file, from the first on, wait for a sender that goes on with it.
pub(super) fn waiting(shared: &Shared, file_key: &str) -> u64 {
    let wanted = Plan::new(None, Some(fingerprint(file_key)), &FileInfo::default());
    predecessor(shared, &wanted).map_or(0, |(_, octets)| octets)
}

/// The octets an earlier offer left, if they can still be used.
///
/// # Errors
/// [`SpoolError::KeyMissing`]: they are kept for a server that has the key. [`SpoolError::Io`]: they are kept for another try.
fn resumed(shared: &Arc<Shared>, wanted: &Plan) -> Result<Option<(Live, Arrival)>, SpoolError> {
    let mut desk = locked(&shared.desk);
    let Some(key) = &wanted.resume else { return Ok(None) };
    if let Some(Holder::Parked(parked)) = desk.holders.get(key) {
        parked.key(&shared.keys)?;
    }
    let (live, parked) = match desk.holders.remove(key) {
        None => return Ok(None),
        Some(Holder::Parked(parked)) => {
            let live = Live::enter(shared, &mut desk, parked.id);
            drop(desk);
            (live, parked)
        }
        Some(Holder::Live(writer)) => {
            drop(desk); // a session holds its slot while it writes, and may ask for the desk meanwhile
            // A session that has just let go of its stage has parked it meanwhile.
            let Some(slot) = writer.slot.upgrade() else { return resumed(shared, wanted) };
            let mut slot = locked(&slot);
            let Some(arrival) = slot.take() else { return resumed(shared, wanted) };
            let live = Live::new(shared, arrival.id);
            if !arrival.broken && arrival.plan.agrees(wanted) {
                return Ok(Some((live, arrival)));
            }
            (live, Box::new(arrival.park()))
        }
    };
    if parked.plan.agrees(wanted) {
        let data_key = parked.key(&shared.keys)?.map(|key| (key, locked(&shared.mint).fork()));
        match parked.resume(shared.files.as_ref(), data_key) {
            Ok(mut arrival) => {
                if let Some(remote) = &shared.remote {
                    remote.carriage.doubt(live.id());
                }
                // Where there is no room for the rest any more, its octets find out.
                let octets = arrival.plan.size().unwrap_or(0);
                let rest = octets.saturating_sub(arrival.received.octets());
                arrival.claim = shared.water.claim(shared.files.as_ref(), rest).ok();
                let _ = set_aside(&mut arrival, octets);
                return Ok(Some((live, arrival)));
            }
            Err((_, error)) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(object = %live.id(), %error, "stage not resumed");
            }
            Err((parked, error)) => {
                shared.let_wait(key.clone(), parked); // what was reported of it is still there
                shared.note("going on with a stage", &error);
                return Err(SpoolError::io("going on with a stage")(error));
            }
        }
    }
    shared.remove_stage(live.id());
    Ok(None)
}

fn begun(
    shared: &Arc<Shared>,
    wanted: &Plan,
    mailbox: &str,
    share: Share,
    now: Now,
) -> Result<(Live, Arrival), StageError> {
    if locked(&shared.desk).stages() >= STAGES {
        return Err(StageError::TooManyStages { limit: STAGES });
    }
    let octets = wanted.size().unwrap_or(0);
    let claim = claim(shared, octets)?;
    let live = Live::new(shared, Id::mint(&mut locked(&shared.mint), now.wall));
    let key = shared.data_key(live.id(), mailbox)?;
    let plan = wanted.clone().under(key.as_ref().map(|key| key.wrapped.clone()));
    let key = key.map(|key| (key, locked(&shared.mint).fork()));
    let begun = Arrival::begin(shared.files.as_ref(), live.id(), plan, shared.commits.failures(), key);
    let reserved = begun.and_then(|mut arrival| {
        arrival.claim = Some(claim);
        set_aside(&mut arrival, octets).map(|()| arrival)
    });
    match reserved {
        Ok(mut arrival) => {
            arrival.share = Some(share);
            Ok((live, arrival))
        }
        Err(error) => {
            shared.remove_stage(live.id());
            shared.note("making a stage", &error);
            let full = is_full(&error);
            Err(if full { StageError::Full { octets } } else { SpoolError::io("making a stage")(error).into() })
        }
    }
}

/// Room for a new file of so many octets, which nobody else is promised.
fn claim(shared: &Shared, octets: u64) -> Result<Claim, StageError> {
    shared.water.claim(shared.files.as_ref(), octets).map_err(|no| match no {
        NoRoom::Full(why) => {
            tracing::warn!(octets, why, "refused: no room");
            StageError::Full { octets }
        }
        NoRoom::Unknown(error) => SpoolError::io("asking for free space")(error).into(),
    })
}

/// Has the disk itself set room aside for a large file. Where it can't, our own count of promises has to do.
fn set_aside(arrival: &mut Arrival, octets: u64) -> io::Result<()> {
    if octets < RESERVED_FROM_OCTETS {
        return Ok(());
    }
    match arrival.file.reserve(octets) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            if let Some(claim) = &mut arrival.claim {
                claim.back(octets);
            }
            Ok(())
        }
    }
}
