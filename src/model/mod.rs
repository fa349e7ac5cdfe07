//! The words every room shares: time, chance, ranges, files, object names, limits and the one machine shape.
//!
//! Nothing here knows a protocol, and nothing here does I/O. A room that needs the hour, a random token or a size
//! limit gets it from here as a value, so that every run can be replayed.

pub mod backoff;
pub mod boxes;
pub mod digest_auth;
pub mod domain;
pub mod ending;
pub mod file;
pub mod file_range;
mod imdn;
pub mod limits;
pub mod machine;
pub mod media;
pub mod mint;
pub mod network;
pub mod occasion;
pub mod range;
pub mod route;
pub mod site;
pub mod time;
pub mod uri;
pub mod wrapper;

pub use backoff::Backoff;
pub use boxes::{BoxClass, BoxPattern, Quota, Retention};
pub use domain::Domain;
pub use ending::Ending;
pub use file::{Digest, DigestAlgorithm, FileInfo};
pub use file_range::FileRange;
pub use imdn::{Disposition, Imdn};
pub use machine::{Machine, Outbox};
pub use mint::Mint;
pub use network::Network;
pub use occasion::Occasion;
pub use range::{ByteRange, Ranges, TooManyHoles};
pub use route::{Recipient, Route};
pub use site::{Site, SiteError, Sites};
pub use time::{Instant, Now, Wall};
pub use uri::{ObjectUri, ObjectUriError};
pub use wrapper::{Party, Wrapper};
