//! What the engine asks the spool.

use tokio::sync::mpsc;

use crate::engine::{Found, Input, Query, Ticket};
use crate::spool::{self, Spool};

/// Asks on a thread that may block; the answer is the engine's next input.
pub(super) fn find(spool: Spool, engine: mpsc::Sender<Input>, ticket: Ticket, query: Query) {
    tokio::task::spawn_blocking(move || {
        let found = match query {
            Query::Object(uri) => spool.call_for(&uri).map(Found::Object),
            Query::Forward(id) => spool.forwarded(&id).map(Found::Object),
            Query::Select(mailbox, selector) => spool.select_one(mailbox.box_name(), &selector).map(Found::Object),
            Query::List { mailbox, state, most } => {
                let query =
                    spool::Query { mailbox: Some(mailbox), state, limit: Some(most), ..spool::Query::default() };
                spool.list(&query).map(Found::List)
            }
            Query::Picture(uri) => spool.picture(&uri).map(Found::Picture),
            Query::Room(boxes, octets) => Ok(room(&spool, &boxes, octets)),
            Query::Summary(mailbox) => spool.summary(&mailbox).map(Found::Summary),
            Query::Waiting(file) => Ok(Found::Waiting(spool.waiting(&file))),
        };
        let _ = engine.blocking_send(Input::Found(ticket, found.map_err(|error| error.to_string())));
    });
}

/// Whether one of these boxes could take a file of so many octets: this asks no disk.
pub(super) fn room(spool: &Spool, boxes: &[String], octets: u64) -> Found {
    Found::Room(spool.has_room(boxes, octets).err())
}
