//! The transaction layer: which message belongs to which machine, its timers, and what the machines ask for.

mod client;
mod clients;
mod server;
mod servers;
mod table;
mod without_tcp;
mod words;

pub(super) use server::Owed;
pub(super) use table::Layer;
pub(super) use words::{Arrival, ClientId, Hop, Outcome, Parcel, Purpose, Report, ServerId};
