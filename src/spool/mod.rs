#![doc = include_str!("../../spool/README.md")]

mod arrival;
mod arriving;
mod catalog;
mod commit;
mod envelope;
mod error;
mod files;
mod group;
mod hashes;
mod index;
mod journal;
mod layout;
mod objects;
mod receipt;
mod record;
pub mod recover;
mod settle;
mod shared;
mod stage;
mod staging;
mod store;
mod survey;
mod sweep;
mod tree;

pub use arriving::Arriving;
pub use envelope::{Envelope, EnvelopeDraft, Icon};
pub use error::{CommitError, SpoolError, StageError};
pub use files::{File, Files, Lock, Mode};
pub use index::Index;
pub use receipt::{Committed, Sealed};
pub use recover::Recovery;
pub use stage::{SealError, Stage};
pub use staging::StagePlan;
pub use store::{Body, Check, Query, Spool, SpoolStatus};
pub use sweep::Swept;
