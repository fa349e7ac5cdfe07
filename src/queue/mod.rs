//! Deliveries: jobs that forward an object to one recipient, tried until the recipient has it or there is no sense in it.
//!
//! It promises: a delivery is answered for once it is written down, and then ends in exactly one way: delivered, failed,
//! expired, or called back by somebody. Each end is told, and so is each failed attempt; whatever waits can say what for.
//! Of a delivery one attempt runs at a time: each has a token that is written down before it begins, and what is heard
//! of an older one counts no more. Nothing is tried again that the spool knows to be delivered.
//!
//! ```text
//!                 written        due, and there is room: written         written
//!   Forward ──> registering ──> incoming ──> active ──> Ended ──┬──> settled
//!                                   ^          ^                │
//!                    (a start)      │          └── deferred <───┤ to be tried again, when its time has come
//!                                   └── hold <──────────────────┘ an operator keeps the object
//! ```
//! * [`Config`]: back-off, lifetime, how much at once. [`classify()`]: what an [`Ending`](crate::model::Ending) means.
//! * A host takes as many attempts at once as have proven to get through; one that is down is left alone, and so is a
//!   recipient that is away. Whoever is heard of again gets everything that waits for him at once ([`Input::Present`]).
//! * Hosts take turns, and at each host what is new and what was deferred take turns.
//! * The clock on the wall only says what is written down. A leap of it expires nothing and hurries nothing.
//!
//! Limits: [`DELIVERIES`](crate::model::limits::DELIVERIES) at once, [`Config::active`] attempts, [`Config::concurrency`] of
//! them to one host, one to one recipient; past the first of these a delivery is refused.
//!
//! It does not call anybody, read a file, or write one: whoever owns it performs its [outputs](Output).

mod classify;
mod destination;
mod job;
mod machine;
mod parties;
mod port;
mod retry;
mod telling;
mod view;

pub use classify::{Scope, Verdict, Why, classify};
pub use destination::host;
pub use machine::{Alarm, Queue};
pub use port::{AskKey, Input, Output, Refusal, Tell, Unwritten};
pub use retry::Config;
pub use view::{AGES, Lane, Name, Wait};
