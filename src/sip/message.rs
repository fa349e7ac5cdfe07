//! Reading and making rsip's messages: header names, values, tags, methods and reason phrases.

use bytes::Bytes;
use rsip::headers::UntypedHeader as _;
use rsip::{Header, Headers, Method, StatusCode};

use super::error::SipError;
use super::flow::Body;

/// One row per rsip header gives both directions: from a name to the variant and from the variant to its full name.
macro_rules! known_headers {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The header of this full name; names rsip does not know become [`Header::Other`].
        pub(super) fn header(name: &str, value: &str) -> Header {
            $(if name.eq_ignore_ascii_case($name) {
                return Header::$variant(value.into());
            })*
            Header::Other(name.to_owned(), value.to_owned())
        }

        /// The full name and the value of a header.
        pub(super) fn field(header: &Header) -> (&str, &str) {
            match header {
                $(Header::$variant(value) => ($name, value.value()),)*
                Header::Other(name, value) => (name, value),
            }
        }
    };
}

known_headers! {
    Via "Via", From "From", To "To", CallId "Call-ID", CSeq "CSeq", MaxForwards "Max-Forwards", Contact "Contact",
    ContentLength "Content-Length", ContentType "Content-Type", Route "Route", RecordRoute "Record-Route",
    Allow "Allow", Supported "Supported", Accept "Accept", UserAgent "User-Agent", Server "Server",
    AcceptEncoding "Accept-Encoding", AcceptLanguage "Accept-Language", AlertInfo "Alert-Info",
    AuthenticationInfo "Authentication-Info", Authorization "Authorization", CallInfo "Call-Info",
    ContentDisposition "Content-Disposition", ContentEncoding "Content-Encoding", ContentLanguage "Content-Language",
    Date "Date", ErrorInfo "Error-Info", Event "Event", Expires "Expires", InReplyTo "In-Reply-To",
    MimeVersion "MIME-Version", MinExpires "Min-Expires", Organization "Organization", Priority "Priority",
    ProxyAuthenticate "Proxy-Authenticate", ProxyAuthorization "Proxy-Authorization", ProxyRequire "Proxy-Require",
    ReplyTo "Reply-To", Require "Require", RetryAfter "Retry-After", Subject "Subject",
    SubscriptionState "Subscription-State", Timestamp "Timestamp", Unsupported "Unsupported", Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// RFC 3261 §7.3.3 and the registry: the full name of a compact one.
pub(super) fn full_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        _ => name,
    }
}

/// The values of every header of this full name, in order.
pub(super) fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().map(field).filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The value of the first header of this full name.
pub(super) fn value<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a str> {
    values(headers, name).next()
}

/// The value of a header that `check` has found there; empty otherwise.
pub(super) fn text<'a>(headers: &'a Headers, name: &'a str) -> &'a str {
    value(headers, name).unwrap_or_default()
}

/// The members of every comma list under this name, trimmed.
pub(super) fn tokens<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    values(headers, name).flat_map(|list| list.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// All headers with their full names, for the owner.
pub(super) fn pairs(headers: &Headers) -> Vec<(String, String)> {
    headers.iter().map(field).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// RFC 3261 §7.1: methods are compared with case, which rsip does not do.
pub(super) fn method(name: &str) -> Option<Method> {
    METHODS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
}

/// The name of a method.
pub(super) fn method_name(method: Method) -> &'static str {
    METHODS.iter().find(|(_, known)| *known == method).map_or("", |(name, _)| *name)
}

const METHODS: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("INFO", Method::Info),
    ("OPTIONS", Method::Options),
    ("UPDATE", Method::Update),
    ("PRACK", Method::PRack),
    ("MESSAGE", Method::Message),
    ("NOTIFY", Method::Notify),
    ("PUBLISH", Method::Publish),
    ("REFER", Method::Refer),
    ("REGISTER", Method::Register),
    ("SUBSCRIBE", Method::Subscribe),
];

/// The number and the method name of a CSeq value.
///
/// # Errors
/// [`SipError::HeaderMalformed`] unless it is a number below 2^31 and a token (RFC 3261 §8.1.1.5).
pub(super) fn cseq(value: &str) -> Result<(u32, &str), SipError> {
    let malformed = || SipError::HeaderMalformed { name: "CSeq" };
    let (number, method) = value.trim().split_once([' ', '\t']).ok_or_else(malformed)?;
    if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(malformed()); // parse() would accept a sign
    }
    let number: u32 = number.parse().map_err(|_| malformed())?;
    let method = method.trim_start();
    (number < 1 << 31 && super::syntax::is_token(method)).then_some((number, method)).ok_or_else(malformed)
}

/// The CSeq number of a checked message.
pub(super) fn cseq_number(headers: &Headers) -> u32 {
    cseq(text(headers, "CSeq")).map_or(0, |(number, _)| number)
}

/// The body of a checked message, with what its headers say of it.
pub(super) fn body(headers: &Headers, octets: &[u8]) -> Option<Body> {
    (!octets.is_empty()).then(|| Body {
        id: None,
        content_type: text(headers, "Content-Type").to_owned(),
        disposition: value(headers, "Content-Disposition").map(str::to_owned),
        octets: Bytes::copy_from_slice(octets),
    })
}

/// The Retry-After of a response, in seconds.
pub(super) fn retry_after(headers: &Headers) -> Option<u32> {
    let value = value(headers, "Retry-After")?;
    // RFC 3261 §20.33: a comment or parameters may follow.
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A status with a reason phrase of its own; rsip's printed form has no spaces ("BusyHere").
pub(super) fn status(code: u16, reason: Option<&str>) -> StatusCode {
    StatusCode::Other(code, reason.unwrap_or_else(|| reason_phrase(code)).to_owned())
}

/// The reason phrase of a status line.
pub(super) fn reason(status: &StatusCode) -> &str {
    match status {
        StatusCode::Other(_, reason) => reason,
        known => reason_phrase(known.code()),
    }
}

/// RFC 3261 §21 and its extensions: the usual phrase for a status we may send.
fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200..=299 => "OK",
        300..=399 => "Redirection",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        606 => "Not Acceptable",
        code if code >= 600 => "Global Failure",
        code if code >= 500 => "Server Failure",
        code if code >= 400 => "Request Failure",
        _ => "Progress",
    }
}
