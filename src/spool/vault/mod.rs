//! Encryption at rest: keys, frames, and files that are plain to the spool and unreadable on the disk.
//!
//! A body has a data key of its own, which a master key of the operator wraps. Nothing here does I/O, and chance comes in.

mod file;
mod frame;
mod keys;
#[cfg(test)]
mod tests;

pub(super) use file::Vaulted;
pub(super) use frame::{stored_octets, whole};
pub(super) use keys::{DataKey, Lookup, Wrapped};
pub use keys::{KEY_OCTETS, Keys};
