//! One message out of its octets: start line, fields, body; and what is left to answer with when it is not sound.

use rsip::{Headers, Request, Response, SipMessage, Version};

use super::address::{self, UriFault};
use super::check;
use super::error::SipError;
use super::message;
use super::normalise::{Head, head, head_end};
use crate::model::limits::SIP_MESSAGE_OCTETS;

/// What was found in the place of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub error: SipError,
    /// The headers of a request other than ACK, for the answer; `None` if nothing may be answered.
    pub headers: Option<Headers>,
}

impl From<SipError> for Fault {
    fn from(error: SipError) -> Self {
        Self { error, headers: None }
    }
}

/// Reads one datagram, or one message already framed by its Content-Length.
///
/// # Errors
/// [`Fault`]; never panics, whatever the octets.
pub fn parse(octets: &[u8]) -> Result<SipMessage, Fault> {
    if octets.len() > SIP_MESSAGE_OCTETS {
        return Err(SipError::TooLarge.into());
    }
    // RFC 3261 §7.5: CRLFs before the start line mean nothing.
    let leading = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let octets = &octets[leading..];
    let (end, body) = head_end(octets, 0).unwrap_or((octets.len(), octets.len()));
    let head = head(&octets[..end])?;
    let (rest, body) = (head.start, &octets[body..]);
    match rest.get(..4) {
        Some(name) if name.eq_ignore_ascii_case("SIP/") => Ok(SipMessage::Response(response(head, body)?)),
        _ if is_request(rest) => request(head, body).map(SipMessage::Request),
        _ => Err(SipError::NotSip.into()),
    }
}

/// The headers of a request that can't be read to its end, if it is one that is answered.
pub(super) fn answerable(octets: &[u8]) -> Option<Headers> {
    let head = head(octets).ok()?;
    (is_request(head.start) && !is_ack(head.start)).then_some(head.headers)
}

/// RFC 3261 §17: an ACK is never answered.
fn is_ack(start: &str) -> bool {
    start.starts_with("ACK ")
}

/// Something that at least means to be a Request-Line of SIP.
fn is_request(line: &str) -> bool {
    let last = line.split_whitespace().next_back();
    last.and_then(|version| version.get(..4)).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
}

fn request(head: Head<'_>, body: &[u8]) -> Result<Request, Fault> {
    let Head { start, headers, fault } = head;
    let answerable = !is_ack(start);
    let read = || {
        let (method, uri, version) = request_line(start)?;
        // RFC 3261 §7.1: the version is compared without case.
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(SipError::Version);
        }
        let known = message::method(method).ok_or_else(|| SipError::UnknownMethod { method: method.to_owned() })?;
        let uri = address::uri(uri).map_err(|fault| match fault {
            UriFault::Scheme(scheme) => SipError::UriScheme { scheme },
            UriFault::Grammar | UriFault::Headers => SipError::RequestUri,
        })?;
        fault.clone().map_or(Ok(()), Err)?;
        check::request(known, &headers)?;
        let body = check::body(&headers, body)?;
        Ok((known, uri, body.to_vec()))
    };
    match read() {
        Ok((method, uri, body)) => Ok(Request { method, uri, version: Version::V2, headers, body }),
        Err(error) => Err(Fault { error, headers: answerable.then_some(headers) }),
    }
}

/// RFC 3261 §7.1: three parts with one space between them.
fn request_line(line: &str) -> Result<(&str, &str, &str), SipError> {
    let mut parts = line.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SipError::RequestLine);
    };
    super::syntax::is_token(method).then_some((method, uri, version)).ok_or(SipError::RequestLine)
}

fn response(head: Head<'_>, body: &[u8]) -> Result<Response, SipError> {
    let (version, rest) = head.start.split_once(' ').ok_or(SipError::StatusLine)?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(SipError::Version);
    }
    // Some stacks leave the space before an empty reason phrase away.
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let digits = code.len() == 3 && code.bytes().all(|c| c.is_ascii_digit());
    let code: u16 = code.parse().ok().filter(|code| digits && (100..700).contains(code)).ok_or(SipError::StatusLine)?;
    head.fault.map_or(Ok(()), Err)?;
    check::response(&head.headers)?;
    let body = check::body(&head.headers, body)?.to_vec();
    let status_code = message::status(code, Some(reason));
    Ok(Response { status_code, version: Version::V2, headers: head.headers, body })
}
