//! How one attempt to hand a file on has ended, as whoever called has seen it.
//!
//! The caller only tells; whether to try again is the queue's to judge (RFC 5321 §4.5.4.1 draws the same line between
//! transient and permanent).

use std::time::Duration;

/// The end of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The peer has answered 200 to the last chunk, and its success REPORT is in if one was asked for.
    #[error("delivered")]
    Delivered,
    /// The same, and it went in the wrapper with what its sender asks to be told (RFC 5438): that is for the peer to answer.
    #[error("delivered in its wrapper")]
    DeliveredWrapped,
    /// A final answer to the INVITE other than 2xx (RFC 3261 §21).
    #[error("the peer answered {status}")]
    Refused {
        /// The status code, 300-699.
        status: u16,
        /// `Retry-After` (RFC 3261 §20.33).
        retry_after: Option<Duration>,
    },
    /// No final answer came in time.
    #[error("nobody answered in time")]
    NoAnswer,
    /// The answer has no stream for the file, or one that makes no sense.
    #[error("the peer's answer takes no file: {0}")]
    NoStream(String),
    /// The answer's `a=max-size` is below the file's size (RFC 4975 §8.6).
    #[error("the peer takes {max_size} octets at most")]
    TooLarge {
        /// Octets.
        max_size: u64,
    },
    /// The answer's `a=accept-types` have neither the file's type nor a wrapper for it.
    #[error("the peer does not accept the file's type")]
    BadType,
    /// A chunk or a REPORT was answered with a status other than 200 (RFC 4975 §10).
    #[error("the peer answered {status} over MSRP")]
    Msrp {
        /// The status code.
        status: u16,
    },
    /// The MSRP stream or the call was lost before the end.
    #[error("the transfer broke off after {reported} octets")]
    Broken {
        /// Octets from the start of the file of which the peer's reports say that it has them.
        reported: u64,
    },
    /// The peer's name leads nowhere, or nothing there takes a connection.
    #[error("the peer can't be reached: {0}")]
    Unreachable(String),
    /// The peer wants credentials that the operator has not given, or refuses those (RFC 3261 §22.2).
    #[error("the peer wants other credentials")]
    Credentials,
    /// `policy.forward` does not have the peer's domain.
    #[error("policy.forward does not allow {0}")]
    NotAllowed(String),
    /// The object is gone, held or damaged, or the spool could not be read.
    #[error("the file can't be read: {0}")]
    Unreadable(String),
    /// We broke off: the server stops, or somebody has called the delivery back.
    #[error("broken off here")]
    Stopped,
}
