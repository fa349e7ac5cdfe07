//! The data plane: one byte stream, its MSRP connection, and the stages and sources its messages use.
//!
//! ```text
//!   socket ──octets──▶ Connection ──Write──▶ stage ──Seal──▶ Sealed ──notice──▶ engine ──Commit──▶ REPORT
//!   socket ◀─Transmit─ Connection ◀─Fetched─ source                    ▲ grants ──────┘
//! ```
//! File octets stay on this side. The engine grants what may flow and hears what happened; it never sees an octet.

mod machine;
mod port;
mod wrapper;

pub use machine::Link;
pub use port::{Bearer, Command, Grant, Input, LinkId, Notice, Output, Source};
