//! MSRP (RFC 4975) for one byte stream with any number of sessions: octets in, files out, and back.

mod decode;
mod encode;
mod frame;
mod header;
mod port;
pub mod uri;

pub use decode::{DecodeError, Decoder, Event};
pub use frame::{FailureReport, Flag, Method, Path, RequestHead, ResponseHead, Status, StatusCode};
pub use header::{HeadFault, Malformed};
pub use port::{
    AbortReason, Arrival, CloseReason, Config, InboundKey, Input, KnockId, OutboundKey, OutboundSpec, Output, Reason,
    SendFailure, SessionKey, SessionSpec,
};
pub use uri::{MSRP_PORT, MsrpUri, MsrpUriError};
