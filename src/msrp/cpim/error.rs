//! Why an envelope cannot be opened, and what its sender is told.

use crate::model::limits::{CPIM_DEPTH, CPIM_HEAD_OCTETS, CPIM_LINES};
use crate::msrp::frame::StatusCode;

/// The sender's `message/cpim` is not one, or asks for what we cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpimError {
    /// It ends before its content begins.
    #[error("the message ends before its content begins")]
    Short,
    /// Its heads are longer than `CPIM_HEAD_OCTETS`.
    #[error("the content does not begin within {CPIM_HEAD_OCTETS} octets")]
    HeadTooLong,
    /// Its heads have more lines than `CPIM_LINES`.
    #[error("the heads have more than {CPIM_LINES} lines")]
    TooManyLines,
    /// More envelopes in envelopes than `CPIM_DEPTH`.
    #[error("more than {CPIM_DEPTH} envelopes, one in the other")]
    TooDeep,
    /// A line is not UTF-8 (RFC 3862 §2.2).
    #[error("line {0} is not UTF-8")]
    NotUtf8(usize),
    /// A line has a control character (RFC 3862 §2.2).
    #[error("line {0} has a control character")]
    Control(usize),
    /// A line is no header: no colon, no legal name, or white space at its beginning (RFC 3862 §2.2).
    #[error("line {0} is no header")]
    NotAHeader(usize),
    /// A header that may come once came twice (RFC 4975 §13).
    #[error("more than one {0}")]
    Repeated(&'static str),
    /// The value of `From`, `To` or `cc` is not `[name] <URI>` (RFC 3862 §4.1).
    #[error("{0} is not [name] <URI>")]
    NotAParty(&'static str),
    /// The value of `NS` is not `[prefix] <absolute URI>` (RFC 3862 §3.4).
    #[error("NS is not [prefix] <absolute URI>")]
    BadNamespace,
    /// `Require` names what we do not know (RFC 3862 §3.5).
    #[error("the message requires {0:?}, which is not known here")]
    Requires(String),
    /// The content has no usable Content-Type (RFC 3862 §2.4).
    #[error("the content has no Content-Type")]
    NoContentType,
    /// The content is encoded for a transport that MSRP is not.
    #[error("the content has the transfer encoding {0:?}, which is not undone here")]
    Encoded(String),
}

impl CpimError {
    /// RFC 4975 §10: 400 for what is unintelligible, 415 for what is well formed and not understood.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Requires(_) | Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
