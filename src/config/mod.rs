//! Settings as data: read once, validated once, and from then on only values.
//!
//! ```text
//! restante.toml ─┐
//! RESTANTE_S__K ─┼─▶ Settings::load ─▶ Settings ─▶ the rest of the house
//! flags ─────────┘    │  every fault with its file:line, variable or flag
//!                     └─ table: key, field, meaning ─▶ config print, docs/configuration.md
//! ```
//!
//! It promises: a key that is not in the table is an error that names the nearest known one; a value outside its type
//! is an error that says what would fit; what loads is usable as it is. Types and defaults are written once, at the
//! field. It does not read files or the environment (the caller hands them in), and nothing can change afterwards.

mod address;
mod bucket;
mod error;
mod keys;
mod load;
mod print;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod webhook;
mod words;

pub use address::{Host, Listen, Relay, Transport};
pub use bucket::{BucketUrl, Tag};
pub use error::{ConfigError, Fault, Origin};
pub use keys::{KeyPlace, KeySource};
pub use load::Sources;
pub use print::manual;
pub use settings::{
    BoxClass, Certificate, Control, Http, Log, Msrp, Node, Outbound, Peer, Policy, Queue, Route, Settings, Sip, Spool,
    Trunk,
};
pub use value::duration;
pub use webhook::{Notices, Webhook};
pub use words::{
    DialogId, ErrorStyle, Exit, FingerprintHash, Format, Level, MsmlType, Report, SessionMatch, Sse, Unattended,
    Validation, Verify,
};
