//! How a commit becomes durable: body, envelope and their names, each before what depends on it, and many commits at once.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

use super::arrival::Arrival;
use super::files::{File, Mode};
use super::group::{self, Waiting};
use super::layout::QUEUED;
use super::shared::{Job, Shared};

/// A body of which so many octets are not durable yet is synced by its own commit before it joins the others, so that
/// small ones do not wait for a big one: the disk writes as much in the time of one sync.
const ALONE_OCTETS: u64 = 1024 * 1024;

type Line = Vec<Waiting<Job>>;
type Round = group::Round<Job>;
type Settled = (Waiting<Job>, io::Result<()>);

/// The order of design section 6. The last sync is the commit point. The octets come back in any case.
pub(super) fn settle(shared: &Shared, arrival: Arrival, envelope: &[u8]) -> (Arrival, io::Result<()>) {
    match write(shared, &arrival, envelope) {
        Err(error) => (arrival, Err(error)),
        Ok(Written { unsynced, draft, since }) => {
            let job = Job { arrival, unsynced, draft };
            let (job, result) = shared.commits.settle(job, since, |written, renamed| round(shared, written, renamed));
            (job.arrival, result)
        }
    }
}

/// What is left to a sync for all.
struct Written {
    /// The body.
    unsynced: bool,
    /// The envelope.
    draft: Option<Box<dyn File>>,
    /// How many of them had failed before the first of these octets came.
    since: u64,
}

/// Writes the draft of the envelope. Where there is no sync for all, everybody syncs files of their own side by side.
fn write(shared: &Shared, arrival: &Arrival, envelope: &[u8]) -> io::Result<Written> {
    let mut since = shared.commits.failures();
    let one_by_one = shared.one_by_one.load(Ordering::Relaxed);
    let pending = arrival.received.octets().saturating_sub(arrival.durable.octets());
    let mut unsynced = arrival.dirty;
    if unsynced && (one_by_one || pending >= ALONE_OCTETS || arrival.failures != since) {
        shared.sync(arrival.file.as_ref())?;
        unsynced = false;
    }
    if unsynced {
        since = arrival.failures;
    }
    let draft = shared.files.open(&arrival.id.envelope_draft(), Mode::Create)?;
    draft.write_at(envelope, 0)?;
    if one_by_one {
        shared.sync(draft.as_ref())?;
    }
    Ok(Written { unsynced, draft: (!one_by_one).then_some(draft), since })
}

/// One sync for all where the disk can do that, and else one by one.
fn round(shared: &Shared, written: Line, mut renamed: Line) -> Round {
    // Two files of the one, and a name in two directories of the other.
    match shared.sync_all(2 * (written.len() + renamed.len())) {
        Ok(true) => {
            let mut settled: Vec<_> = renamed.into_iter().map(|waiting| (waiting, Ok(()))).collect();
            // What was written has its octets and its names in `stage/`. If a power cut leaves only one of the two
            // new names, it is either a body that nothing was said of, or an envelope whose body is still a stage.
            let renamed = each(written, &mut settled, |job| {
                shared.files.rename(&job.arrival.id.stage(), &job.arrival.id.body())?;
                shared.files.rename(&job.arrival.id.envelope_draft(), &job.arrival.id.envelope())
            });
            Round::Done { settled, renamed }
        }
        Ok(false) => one_by_one(shared, written, renamed),
        Err(error) => {
            renamed.extend(written);
            Round::Failed(renamed, error)
        }
    }
}

/// Octets of each; names of the bodies, each directory once; and then the names of the envelopes, once.
fn one_by_one(shared: &Shared, written: Line, renamed: Line) -> Round {
    let mut settled = Vec::new();
    let written = each(written, &mut settled, |job| {
        if job.unsynced {
            shared.sync(job.arrival.file.as_ref())?;
        }
        shared.files.rename(&job.arrival.id.stage(), &job.arrival.id.body())
    });
    let shards: BTreeSet<String> =
        written.iter().chain(&renamed).map(|waiting| waiting.job.arrival.id.shard()).collect();
    if let Err(error) = shards.iter().try_for_each(|shard| shared.sync_dir(shard)) {
        return failed(settled, written.into_iter().chain(renamed), error);
    }
    let published = each(written, &mut settled, |job| {
        job.draft.as_ref().map_or(Ok(()), |draft| shared.sync(draft.as_ref()))?;
        shared.files.rename(&job.arrival.id.envelope_draft(), &job.arrival.id.envelope())
    });
    let published = published.into_iter().chain(renamed);
    if let Err(error) = shared.sync_dir(QUEUED) {
        return failed(settled, published, error);
    }
    settled.extend(published.map(|waiting| (waiting, Ok(()))));
    Round::Done { settled, renamed: Vec::new() }
}

/// Those whose step went well; the others are settled.
fn each(line: Line, settled: &mut Vec<Settled>, step: impl Fn(&Job) -> io::Result<()>) -> Line {
    let mut well = Vec::with_capacity(line.len());
    for waiting in line {
        match step(&waiting.job) {
            Ok(()) => well.push(waiting),
            Err(error) => settled.push((waiting, Err(error))),
        }
    }
    well
}

fn failed(settled: Vec<Settled>, others: impl Iterator<Item = Waiting<Job>>, error: io::Error) -> Round {
    Round::Failed(settled.into_iter().map(|(waiting, _)| waiting).chain(others).collect(), error)
}
