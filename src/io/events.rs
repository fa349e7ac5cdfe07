//! The event log beside the engine: notes go in without waiting, and readers hear when there is something new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use crate::engine::{Input, Ticket};
use crate::model::limits::EVENT_NOTES;
use crate::model::{ObjectUri, Wall};
use crate::spool::{BoxEvent, Event, EventLog, EventNote, EventPage, EventQuery};

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

/// What has happened in a box by itself, as the log has it: about the box instead of about a dialog, and told to nobody.
pub(super) fn of_box(event: BoxEvent, now: Wall) -> EventNote {
    let (at, dialog, name, values) = match event {
        BoxEvent::NearlyFull(usage) => {
            let mut values = vec![("box.objects", usage.objects.to_string()), ("box.octets", usage.octets.to_string())];
            values.extend(usage.quota.objects.map(|quota| ("box.quota_objects", quota.to_string())));
            values.extend(usage.quota.octets.map(|quota| ("box.quota_octets", quota.to_string())));
            let dialog = ObjectUri::mailbox(&usage.mailbox).map(|uri| uri.to_string());
            (now, dialog.unwrap_or(usage.mailbox), "box.nearlyfull", values)
        }
        BoxEvent::Expired { id, uri, octets, why, at } => {
            let dialog = ObjectUri::mailbox(uri.box_name()).map(|uri| uri.to_string());
            let values =
                vec![("ft.uri", uri.to_string()), ("ft.id", id), ("ft.size", octets.to_string()), ("ft.why", why)];
            (at, dialog.unwrap_or_default(), "box.expired", values)
        }
    };
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    EventNote::Unsent(Box::new(Event { at, dialog, name: name.to_owned(), values, call_id: None, job: None }))
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
