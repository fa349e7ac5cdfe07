#![doc = include_str!("../../spool/README.md")]

mod arrival;
mod arriving;
mod catalog;
mod commit;
mod envelope;
mod error;
mod files;
mod health;
mod hashes;
mod index;
mod journal;
mod layout;
mod receipt;
mod record;
pub mod recover;
mod shared;
mod stage;
mod staging;
mod store;
mod sweep;
mod tree;
mod water;

pub use arriving::Arriving;
pub use envelope::{Envelope, EnvelopeDraft, Icon};
pub use error::{CommitError, SpoolError, StageError};
pub use files::{File, Files, Lock, Mode, Space};
pub use index::Index;
pub use receipt::{Committed, Sealed};
pub use recover::Recovery;
pub use stage::{SealError, Stage};
pub use staging::StagePlan;
pub use store::{Body, Check, Query, Spool, SpoolStatus};
pub use sweep::Swept;
pub use water::Marks;
