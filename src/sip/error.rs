//! Every way in which octets fail to be a SIP message we can serve.

/// What is wrong with a message; all of it is the peer's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SipError {
    /// The first line is neither a Request-Line nor a Status-Line of SIP.
    #[error("Not a SIP message")]
    NotSip,
    /// RFC 3261 §7.1: exactly one space between method, Request-URI and version.
    #[error("Malformed Request-Line")]
    RequestLine,
    /// The Status-Line has no status of 100 to 699.
    #[error("Malformed Status-Line")]
    StatusLine,
    /// Another protocol version.
    #[error("Version Not Supported")]
    Version,
    /// A method that no table of ours knows.
    #[error("Method {method} Not Implemented")]
    UnknownMethod {
        /// Its name.
        method: String,
    },
    /// The Request-URI is of a scheme other than sip and sips.
    #[error("Unsupported URI Scheme {scheme}")]
    UriScheme {
        /// The scheme.
        scheme: String,
    },
    /// The Request-URI breaks the grammar of RFC 3261 §25.1.
    #[error("Malformed Request-URI")]
    RequestUri,
    /// A header line without a name or colon, or with a control character.
    #[error("Malformed Header Line")]
    HeaderLine,
    /// A header that every request needs is not there.
    #[error("Missing {name} Header")]
    HeaderMissing {
        /// Which.
        name: &'static str,
    },
    /// A header that may stand once stands twice.
    #[error("Repeated {name} Header")]
    HeaderRepeated {
        /// Which.
        name: &'static str,
    },
    /// A header breaks its grammar or range.
    #[error("Malformed {name} Header")]
    HeaderMalformed {
        /// Which.
        name: &'static str,
    },
    /// CSeq names another method than the Request-Line.
    #[error("CSeq Method Does Not Match Request-Line")]
    CSeqMethod,
    /// RFC 3261 §18.3: the datagram ends before its Content-Length.
    #[error("Body Shorter Than Content-Length")]
    BodyShort,
    /// A body without Content-Type.
    #[error("Missing Content-Type Header")]
    BodyUntyped,
    /// More headers or octets than our limits.
    #[error("Message Too Large")]
    TooLarge,
    /// A response with more than our Via (RFC 3261 §8.1.3.3).
    #[error("Response With Foreign Via")]
    ForeignVia,
}

impl SipError {
    /// The status of the answer to a request with this fault.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Version => 505,
            Self::UnknownMethod { .. } => 501,
            Self::UriScheme { .. } => 416,
            Self::TooLarge => 513,
            _ => 400,
        }
    }
}
