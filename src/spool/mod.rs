#![doc = include_str!("../../spool/README.md")]

mod arrival;
mod arriving;
mod catalog;
mod commit;
mod envelope;
mod error;
mod files;
mod hashes;
mod index;
mod journal;
mod layout;
mod objects;
mod receipt;
mod record;
pub mod recover;
mod rewrap;
mod shared;
mod stage;
mod staging;
mod store;
mod sweep;
mod tree;
mod vault;

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
pub use vault::{KEY_OCTETS, Keys};
