//! Notices on their way: who is told next, how often it is tried, and when it is given up.
//!
//! It promises: every notice that comes in goes out as taken or as dead, once; while it waits it says when it is tried next.
//! To a target one notice is on its way at a time (RFC 3428 §8 wants no more for a MESSAGE), and what is about one object goes
//! in its order. A target that is away is left alone, longer each time, and keeps nobody else waiting.
//!
//! ```text
//!                 due, and its target has room             taken ──> Done
//!   Known ──> waiting ─────────────────────────> on its way ──┤
//!                ^                                             ├──> Dead: gone for good, or its time is over
//!                └────── Deferred: later each time <───────────┘
//! ```
//! Limits: [`NOTICES_AT_ONCE`](crate::model::limits::NOTICES_AT_ONCE) on their way; how many wait is the spool's to bound.
//!
//! It sends nothing and writes nothing: whoever owns it performs its [outputs](Output). By what a notice goes is the
//! [`Target`](crate::spool::Target)'s to say.

mod audience;
mod line;
mod machine;
mod port;
mod rates;

pub use audience::{Audience, NoTarget};
pub use machine::Post;
pub use port::{Config, Input, Output, Verdict};
pub use rates::{Rate, Rates};
