//! The event log beside the engine: notes go in without waiting, and readers hear when there is something new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use crate::engine::{Input, Ticket};
use crate::model::limits::EVENT_NOTES;
use crate::spool::{EventLog, EventNote, EventPage, EventQuery};

/// Notes that are written in one transaction at most.
const BATCH: usize = 1024;

/// Where notes are given in. The engine waits for nothing here.
#[derive(Clone)]
pub(super) struct Notebook {
    notes: mpsc::Sender<Entry>,
    missed: Arc<AtomicBool>,
}

/// What is given in.
enum Entry {
    Note(EventNote),
    /// The engine wants to read what was noted so far.
    Recall(Ticket, EventQuery),
}

impl Notebook {
    /// Takes a note. Of one too many the log says that it is missing.
    pub(super) fn take(&self, note: EventNote) {
        if let Err(error) = self.notes.try_send(Entry::Note(note))
            && !self.missed.swap(true, Ordering::Relaxed)
        {
            tracing::error!(%error, "an event is not in the event log");
        }
    }

    /// Asks for what was noted so far. Says no if too much waits there already.
    pub(super) fn recall(&self, ticket: Ticket, query: EventQuery) -> bool {
        self.notes.try_send(Entry::Recall(ticket, query)).is_ok()
    }
}

/// Who writes the notes down.
pub(super) struct Writer {
    log: Arc<EventLog>,
    clock: Clock,
    notes: mpsc::Receiver<Entry>,
    engine: mpsc::Sender<Input>,
    missed: Arc<AtomicBool>,
    newest: watch::Sender<u64>,
}

/// A log, its notebook, and what tells of the last cursor.
pub(super) fn open(
    log: Arc<EventLog>,
    clock: Clock,
    engine: mpsc::Sender<Input>,
) -> (Notebook, Writer, watch::Receiver<u64>) {
    let (sender, notes) = mpsc::channel(EVENT_NOTES);
    let (newest, told) = watch::channel(log.newest());
    let missed = Arc::new(AtomicBool::new(false));
    let notebook = Notebook { notes: sender, missed: Arc::clone(&missed) };
    (notebook, Writer { log, clock, notes, engine, missed, newest }, told)
}

impl Writer {
    /// Blocks until the last notebook is gone and everything in it is written.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while let Some(entry) = self.notes.blocking_recv() {
            let mut next = Some(entry);
            let mut recall = None;
            while let Some(entry) = next {
                match entry {
                    Entry::Note(note) => batch.push(note),
                    Entry::Recall(ticket, query) => recall = Some((ticket, query)),
                }
                next = if batch.len() < BATCH && recall.is_none() { self.notes.try_recv().ok() } else { None };
            }
            if self.missed.swap(false, Ordering::Relaxed) {
                batch.push(EventNote::Missed);
            }
            if let Err(error) = self.log.note(&batch, self.clock.now()) {
                tracing::error!(%error, notes = batch.len(), "events are not in the event log");
                self.missed.store(true, Ordering::Relaxed);
            }
            batch.clear();
            self.newest.send_replace(self.log.newest());
            if let Some((ticket, query)) = recall {
                let page: Result<EventPage, String> = self.log.read(&query).map_err(|error| error.to_string());
                let _ = self.engine.blocking_send(Input::Recalled(ticket, page)); // a node that has stopped asks nothing
            }
        }
    }
}
