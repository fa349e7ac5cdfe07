//! What an MSRP frame says: heads of requests and responses, flags and status codes (RFC 4975 §9, §10).

use std::fmt;
use std::sync::Arc;

use crate::model::ByteRange;

use super::uri::MsrpUri;

/// The URIs of a To-Path or From-Path, leftmost first. Shared, because every chunk of a session repeats them.
pub type Path = Arc<[MsrpUri]>;

/// A status code of RFC 4975 §10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// The octets are taken.
    pub const OK: Self = Self(200);
    /// The request could not be understood.
    pub const BAD_REQUEST: Self = Self(400);
    /// Who asks has to prove who it is (relays).
    pub const UNAUTHORIZED: Self = Self(401);
    /// What was asked is not allowed; no retry.
    pub const FORBIDDEN: Self = Self(403);
    /// A relay waited in vain; the same as a local timeout.
    pub const TIMEOUT: Self = Self(408);
    /// Stop sending this message.
    pub const STOP_SENDING: Self = Self(413);
    /// The media type is not understood.
    pub const UNSUPPORTED_MEDIA: Self = Self(415);
    /// A parameter is out of bounds (relays).
    pub const OUT_OF_BOUNDS: Self = Self(423);
    /// There is no such session.
    pub const NO_SUCH_SESSION: Self = Self(481);
    /// The method is unknown.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// The session is bound to another connection.
    pub const WRONG_CONNECTION: Self = Self(506);

    /// Whether the request succeeded.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// The comment we print after it.
    pub const fn comment(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            408 => "Timeout",
            413 => "Stop Sending",
            415 => "Unsupported Media Type",
            423 => "Parameter Out Of Bounds",
            481 => "No Such Session",
            501 => "Not Implemented",
            506 => "Wrong Connection",
            _ => "",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Carries a message, a chunk of one, or nothing.
    Send,
    /// Says what became of a message. Never answered.
    Report,
    /// Asks a relay for a path (RFC 4976).
    Auth,
    /// Anything else in capitals.
    Other(String),
}

impl Method {
    /// The token on the wire.
    pub fn token(&self) -> &str {
        match self {
            Self::Send => "SEND",
            Self::Report => "REPORT",
            Self::Auth => "AUTH",
            Self::Other(token) => token,
        }
    }
}

/// The flag that ends a frame (RFC 4975 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `$`: this chunk ends the message.
    Complete,
    /// `+`: more chunks follow.
    More,
    /// `#`: the message is given up.
    Aborted,
}

impl Flag {
    /// The octet on the wire.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Complete => b'$',
            Self::More => b'+',
            Self::Aborted => b'#',
        }
    }

    /// The flag of this octet.
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::Complete),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// Which responses and failure REPORTs a sender wants (RFC 4975 §7.1.1, §7.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureReport {
    /// Every response, and failure REPORTs. The default.
    #[default]
    Yes,
    /// No response at all.
    No,
    /// Only error responses.
    Partial,
}

impl FailureReport {
    /// Whether a response with this status may be sent (RFC 4975 §7.1.4).
    pub const fn wants(self, status: StatusCode) -> bool {
        match self {
            Self::Yes => true,
            Self::No => false,
            Self::Partial => !status.is_success(),
        }
    }

    /// The value on the wire.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Partial => "partial",
        }
    }
}

/// The Status header of a REPORT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `000`: the code is one of RFC 4975's. Other namespaces have no meaning to us.
    pub namespace: u16,
    /// What became of the message.
    pub code: StatusCode,
    /// For humans.
    pub comment: String,
}

/// A request's start line and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Transaction id.
    pub tid: String,
    /// Method.
    pub method: Method,
    /// Where it goes, next hop first.
    pub to_path: Path,
    /// Where it comes from, last hop first.
    pub from_path: Path,
    /// Which message.
    pub message_id: Option<String>,
    /// Where in the message.
    pub byte_range: Option<ByteRange>,
    /// Whether success REPORTs are asked for.
    pub success_report: bool,
    /// Which responses are asked for.
    pub failure_report: FailureReport,
    /// Of a REPORT.
    pub status: Option<Status>,
    /// Present exactly if there is a body, even an empty one.
    pub content_type: Option<String>,
    /// Every other header in order: Content-Disposition, Content-ID, Expires, unknown ones.
    pub others: Vec<(String, String)>,
}

impl RequestHead {
    /// A request with nothing but its start line and paths.
    pub fn new(tid: String, method: Method, to_path: Path, from_path: Path) -> Self {
        Self {
            tid,
            method,
            to_path,
            from_path,
            message_id: None,
            byte_range: None,
            success_report: false,
            failure_report: FailureReport::Yes,
            status: None,
            content_type: None,
            others: Vec::new(),
        }
    }

    /// Zero-based offset of the body's first octet. RFC 4975 §7.3.1: without a Byte-Range it is the whole message.
    pub fn offset(&self) -> u64 {
        self.byte_range.map_or(0, |range| range.start.saturating_sub(1))
    }
}

/// A response's start line and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Transaction id of the request it answers.
    pub tid: String,
    /// Status code.
    pub code: StatusCode,
    /// For humans.
    pub comment: String,
    /// Where it goes.
    pub to_path: Path,
    /// Where it comes from.
    pub from_path: Path,
    /// Every other header in order. RFC 4975 defines none (pitfall: samples show Message-ID and Byte-Range).
    pub others: Vec<(String, String)>,
}

/// RFC 4975 §9 `ident`, a transaction id or Message-ID as the grammar has it: 4 to 32 characters.
pub(super) fn is_ident(text: &[u8]) -> bool {
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b".-+%=".contains(octet);
    (4..=32).contains(&text.len()) && text[0].is_ascii_alphanumeric() && text.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    // M4975-9-02
    #[test]
    fn an_ident_has_four_to_thirty_two_characters_and_starts_with_a_letter_or_digit() {
        for good in ["a1b2", "a.-+%=", &"x".repeat(32)] {
            assert!(is_ident(good.as_bytes()), "{good}");
        }
        for bad in ["", "abc", &"x".repeat(33), "-abc", "ab cd", "ab_cd", "abcé"] {
            assert!(!is_ident(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn failure_report_decides_which_responses_are_sent() {
        let wants = |report: FailureReport| (report.wants(StatusCode::OK), report.wants(StatusCode::STOP_SENDING));
        assert_eq!(wants(FailureReport::Yes), (true, true));
        assert_eq!(wants(FailureReport::Partial), (false, true));
        assert_eq!(wants(FailureReport::No), (false, false));
    }
}
