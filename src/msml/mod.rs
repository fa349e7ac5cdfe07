//! MSML (RFC 5707) for a server whose media are files: requests in, dialogs run, results and events out.
//!
//! It promises: a request is validated as a whole before any of it is executed; its commands run in document order,
//! stop at the first error and roll nothing back (§5); each request gets exactly one result; each dialog ends with
//! exactly one `msml.dialog.exit`, and every primitive it started has ended before that.
//!
//! ```text
//!   octets ──xml──> elements ──parse──> document ──interpreter──> Reply, Event, Disconnect
//!          markup         script, value    │            │
//!                                          │         dialog ──> Start, Order
//!                                          └─ steps ──> primitive <── Started, Progress, Ended
//! ```
//!
//! Packages: Core, Dialog Core, Group with `topology="parallel"`, a profile (§4.2) of Dialog Base: `<play>` and `<record>`,
//! with `<collect>` and `<dtmf>` inert, since a message stream carries no digits; and Audit of connections, their dialogs
//! and streams. The transfer package, in no namespace, and one of our own for files with `<ft:receive>`, `<ft:send>` and `<ft:forward>`. Every word of them is in [`vocabulary`], by which requests are checked and of which `docs/msml.md` is
//! made. The schemas are in `schemas/`.
//!
//! Limits: size, depth, elements, attributes, namespaces, namelists and dialogs as in [`limits`](crate::model::limits).
//!
//! It does not: fetch scripts itself, know conferences, tones, speech or fax (402), move a single octet of a file, or
//! decide whether a client may do what it asks.

mod ask;
mod audit;
mod client;
mod dialog;
mod document;
mod event;
mod fault;
mod files;
mod interpreter;
mod keys;
mod ledger;
mod markup;
mod moves;
mod object;
mod ongoing;
mod parse;
mod pending;
mod port;
mod primitive;
mod reply;
mod requests;
mod script;
mod shape;
mod shapes;
mod state;
mod status;
mod transfer;
mod value;
mod variables;
pub mod vocabulary;
mod work;
mod xml;

pub use ask::{Ask, Listed, Listing};
pub use audit::{ConnectionReport, Motion, SipReport, StreamReport, TransferReport};
pub use client::{Event, Message, TransactionResult, dialogend_request, play_request, read_message, record_request};
pub use document::{
    Action, Collect, Command, Deed, Document, Group, Item, Kind, Move, Primitive, Script, Send, Step, Transfer,
};
pub use event::{EVENTS, Understood};
pub use fault::{Code, Fault, Position};
pub use interpreter::Interpreter;
pub use keys::{ContextId, FetchKey, PrimitiveKey};
pub use object::{Identifier, ObjectError, Query, Root};
pub use parse::check;
pub use port::{End, Input, Limits, Order, Output, Reason, Work};
pub use reply::{Answer, DialogIdStyle, ExitStyle, Reply, Style};
pub use shapes::is_sip_uri;
pub use state::{STATES, State, States};
pub use status::{Every, STATUSES, Told};
pub use transfer::{FileWork, Origin, Place};
pub use work::{Forward, Job, Play, PlayFile, Record};
