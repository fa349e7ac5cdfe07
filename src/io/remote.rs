//! The bucket of a node: opened, tried out, and fed by threads that carry.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::Readiness;
use super::bucket::{OpenError, S3Bucket, examine};
use crate::config::{self, Report as Wish};
use crate::model::{Mint, Wall};
use crate::spool::{Carried, Remote, Report, Spool};

/// Threads that carry parts into the bucket, besides those of commits that wait for it.
const CARRIERS: usize = 4;

/// How long a carrier waits for something to do before it looks whether the node stops.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a carrier rests after the bucket has failed, which it has tried for a while by then.
const REST: Duration = Duration::from_secs(5);

/// What the settings say of a bucket, if there is one.
///
/// # Errors
/// [`OpenError`].
pub fn open(settings: &config::Spool) -> Result<Option<Remote>, OpenError> {
    let Some(url) = &settings.url else { return Ok(None) };
    let bucket = Arc::new(S3Bucket::open(url, settings)?);
    let report = match settings.report() {
        Wish::Disk => Report::Disk,
        Wish::Bucket => Report::Bucket,
        Wish::DiskThenBucket => Report::DiskThenBucket,
    };
    Ok(Some(Remote::new(bucket, settings.part, Box::new(move |_| report))))
}

/// Why the bucket can't be relied on, if any box does.
pub(super) fn refusal(settings: &config::Spool, mut mint: Mint, now: Wall) -> Result<Option<String>, OpenError> {
    let Some(url) = settings.url.as_ref().filter(|_| settings.report() != Wish::Disk) else { return Ok(None) };
    let bucket = S3Bucket::open(url, settings)?;
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
