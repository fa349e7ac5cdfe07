//! MSRP (RFC 4975) for one byte stream with any number of sessions: octets in, files out, and back.

pub mod uri;

pub use uri::{MSRP_PORT, MsrpUri, MsrpUriError};
