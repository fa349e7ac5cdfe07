//! Looks after the spool: keeps readiness, gauges and the engine's willingness true; and beside that it sweeps.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use super::admin::Readiness;
use super::clock::Clock;
use super::events::{self, Notebook};
use super::{descriptors, metrics};
use crate::engine::Input;
use crate::spool::Spool;

/// How often the spool is asked how it is.
const LOOK: Duration = Duration::from_secs(1);

/// How often what is too old is swept.
const SWEEP: Duration = Duration::from_secs(3600);

pub(super) struct Watch {
    spool: Spool,
    readiness: Readiness,
    engine: mpsc::Sender<Input>,
    notebook: Notebook,
    clock: Clock,
    /// What the engine was told last.
    taking: bool,
}

impl Watch {
    pub(super) fn new(
        spool: &Spool,
        readiness: &Readiness,
        engine: &mpsc::Sender<Input>,
        notebook: Notebook,
        clock: Clock,
    ) -> Self {
        let (spool, readiness, engine) = (spool.clone(), readiness.clone(), engine.clone());
        Self { spool, readiness, engine, notebook, clock, taking: true }
    }

    /// Looks and looks again until the node stops.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => self.look().await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Finds out whether new files can be taken, and tells whoever has to know.
    pub(super) async fn look(&mut self) {
        let status = block_in_place(|| self.spool.status());
        metrics::spool(&status);
        for event in self.spool.news() {
            self.notebook.take(events::of_box(event, self.clock.now().wall));
        }
        let scarcity = descriptors::scarcity();
        let taking = status.reason.is_none() && scarcity.is_none();
        if taking != self.taking {
            self.taking = taking;
            if taking {
                tracing::info!("new files are taken again");
            } else {
                tracing::error!(spool = status.reason, descriptors = scarcity, "no new file is taken");
            }
            let _ = self.engine.send(Input::Taking(taking)).await; // a node that has stopped takes nothing
        }
        self.readiness.warn("index", status.index_lost.map(|why| format!("it is kept in memory: {why}")));
        self.tell("spool", status.reason);
        self.tell("descriptors", scarcity);
    }

    fn tell(&self, part: &'static str, why: Option<String>) {
        match why {
            Some(why) => self.readiness.object(part, why),
            None => self.readiness.clear(part),
        }
    }
}

/// Sweeps until the node stops. A sweep of a large bucket takes minutes, and nobody's looking waits for it.
pub(super) async fn sweep(spool: Spool, clock: Clock, stop: CancellationToken) {
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = sweep.tick() => {
                match block_in_place(|| spool.sweep(clock.now())) {
                    Ok(swept) => metrics::swept(&swept),
                    Err(error) => tracing::warn!(%error, "sweeping failed"),
                }
            }
            () = stop.cancelled() => return,
        }
    }
}
