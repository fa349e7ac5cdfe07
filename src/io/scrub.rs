//! Reads the whole spool again and again, slowly, so that damage is found before somebody asks for what is damaged.

use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::metrics;
use crate::model::Mint;
use crate::spool::{Scrub, Spool, SpoolError};

/// Octets that are read in one go; at the usual rate four times a second.
const STEP_OCTETS: u64 = 1024 * 1024;

/// How long it rests after something could not be read.
const REST: Duration = Duration::from_secs(60);

/// How often, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From the beginning of one pass to that of the next; none if there shall be no passes.
    pub(super) every: Option<Duration>,
    /// Octets a second at most.
    pub(super) rate: u64,
}

/// Scrubs until the node stops.
pub(super) async fn run(spool: Spool, pace: Pace, mut mint: Mint, stop: CancellationToken) {
    let Some(every) = pace.every else { return };
    let passes = async {
        loop {
            let next = Instant::now() + every;
            match pass(&spool, pace, mint.number()).await {
                Ok(octets) => tracing::info!(octets, "the whole spool was read again"),
                Err(error) => tracing::error!(%error, "the spool can't be listed to be read again"),
            }
            sleep_until(next).await;
        }
    };
    tokio::select! {
        () = passes => {}
        () = stop.cancelled() => {}
    }
}

async fn pass(spool: &Spool, pace: Pace, begin: u64) -> Result<u64, SpoolError> {
    let mut scrub = block_in_place(|| Scrub::new(spool, begin))?;
    let mut all = 0;
    loop {
        match block_in_place(|| scrub.step(STEP_OCTETS)) {
            Ok(Some(octets)) => {
                all += octets;
                metrics::scrubbed(octets, scrub.take_damage().len());
                sleep(Duration::from_secs_f64(octets as f64 / pace.rate as f64)).await;
            }
            Ok(None) => return Ok(all),
            Err(error) => {
                tracing::error!(%error, "something can't be read again; it stays where it is");
                sleep(REST).await;
            }
        }
    }
}
