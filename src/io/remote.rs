//! The bucket of a node: opened, tried out, and fed by threads that carry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::Readiness;
use super::bucket::{OpenError, S3Bucket, examine};
use crate::config::{self, Report as Wish, Settings};
use crate::model::{Mint, Wall};
use crate::spool::{Carried, Remote, Report, Spool};

/// Threads that carry parts into the bucket, besides those of commits that wait for it.
const CARRIERS: usize = 4;

/// Envelopes that a start without an index reads from the bucket at once: at 20 ms each that makes a thousand a second.
const READERS: usize = 32;

/// How long a carrier waits for something to do before it looks whether the node stops.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a carrier rests after the bucket has failed, which it has tried for a while by then.
const REST: Duration = Duration::from_secs(5);

/// What the settings say of a bucket, if there is one.
///
/// # Errors
/// [`OpenError`].
pub fn open(settings: &config::Spool, boxes: &[config::BoxClass]) -> Result<Option<Remote>, OpenError> {
    let Some(url) = &settings.url else { return Ok(None) };
    let bucket = Arc::new(S3Bucket::open(url, settings)?);
    let classes: Vec<_> =
        boxes.iter().filter_map(|class| Some((class.matches.clone()?, class.report.map(report)))).collect();
    let all = report(settings.report());
    let is_awaited = all == Report::Bucket || classes.iter().any(|(_, report)| *report == Some(Report::Bucket));
    let of_box = move |mailbox: &str| {
        let class = classes.iter().find(|(boxes, _)| boxes.fits(mailbox));
        class.and_then(|(_, report)| *report).unwrap_or(all)
    };
    let remote = Remote::new(bucket, settings.part, Box::new(of_box)).reading(at_once);
    Ok(Some(if is_awaited { remote } else { remote.unawaited() }))
}

/// Does something for each number, on so many threads.
fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            work(number);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..READERS.min(count) {
            scope.spawn(worker);
        }
    });
}

const fn report(wish: Wish) -> Report {
    match wish {
        Wish::Disk => Report::Disk,
        Wish::Bucket => Report::Bucket,
        Wish::DiskThenBucket => Report::DiskThenBucket,
    }
}

/// Why the bucket can't be relied on, if any box does.
pub(super) fn refusal(settings: &Settings, mut mint: Mint, now: Wall) -> Result<Option<String>, OpenError> {
    let is_used = settings.reports().any(|report| report != Wish::Disk);
    let Some(url) = settings.spool.url.as_ref().filter(|_| is_used) else { return Ok(None) };
    let bucket = S3Bucket::open(url, &settings.spool)?;
    Ok(examine(&bucket, &mut mint, now).refusal().map(|why| format!("{url} can't be relied on: {why}")))
}

/// Puts the carriers to work. A bucket that can't be relied on gets nothing, and the node is not ready.
pub(super) fn carry(
    spool: &Spool,
    refusal: Option<String>,
    readiness: &Readiness,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    if !spool.has_bucket() {
        return;
    }
    if let Some(why) = refusal {
        tracing::error!(why, "nothing is taken into the bucket");
        spool.refuse(why.clone());
        readiness.object("bucket", why);
        return;
    }
    for _ in 0..CARRIERS {
        tasks.spawn(carrier(spool.clone(), stop.clone()));
    }
}

async fn carrier(spool: Spool, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let carrying = spool.clone();
        match tokio::task::spawn_blocking(move || carrying.carry(PATIENCE)).await {
            Ok(Carried::Failed) => {
                tokio::select! {
                    () = tokio::time::sleep(REST) => {}
                    () = stop.cancelled() => {}
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
    spool.stop_carrying();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::Clock;
    use crate::io::files::HostFiles;
    use crate::spool::Index;

    #[tokio::test]
    async fn where_there_is_no_bucket_nobody_waits_for_something_to_carry() {
        let (clock, dir) = (Clock::start(), tempfile::tempdir().expect("a directory"));
        let files = Arc::new(HostFiles::new(dir.path()).expect("a directory"));
        let (spool, _) = Spool::open(files, Index::in_memory(), Mint::from_number(1), clock.now()).expect("a spool");
        let tasks = TaskTracker::new();
        carry(&spool, None, &Readiness::new(), &tasks, &CancellationToken::new());
        assert!(tasks.is_empty());
    }
}
