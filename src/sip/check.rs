//! Which well-formed fields make a sound message: presence, number, range and grammar.

use rsip::{Headers, Method};

use super::address::{NameAddr, Via};
use super::error::SipError;
use super::message::{self, values};

/// Fields that stand at most once (RFC 3261 §7.3.1, table 2).
const SINGLE: [&str; 8] =
    ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type", "Content-Length", "Expires"];

/// Whether a request can be served.
///
/// # Errors
/// The first fault found.
pub(super) fn request(method: Method, headers: &Headers) -> Result<(), SipError> {
    common(headers)?;
    let (_, named) = message::cseq(message::text(headers, "CSeq"))?;
    if named != message::method_name(method) {
        return Err(SipError::CSeqMethod);
    }
    if let Some(hops) = message::value(headers, "Max-Forwards") {
        hops.parse::<u8>().map_err(|_| SipError::HeaderMalformed { name: "Max-Forwards" })?;
    }
    for name in ["Contact", "Route", "Record-Route"] {
        for value in values(headers, name).filter(|value| *value != "*") {
            NameAddr::parse(value).ok_or(SipError::HeaderMalformed { name })?;
        }
    }
    Ok(())
}

/// Whether a response can be matched and used.
///
/// # Errors
/// The first fault found.
pub(super) fn response(headers: &Headers) -> Result<(), SipError> {
    common(headers)?;
    message::cseq(message::text(headers, "CSeq"))?;
    // RFC 3261 §8.1.3.3: somebody else's response came here by mistake.
    if values(headers, "Via").count() > 1 {
        return Err(SipError::ForeignVia);
    }
    Ok(())
}

fn common(headers: &Headers) -> Result<(), SipError> {
    for name in SINGLE {
        if values(headers, name).count() > 1 {
            return Err(SipError::HeaderRepeated { name });
        }
    }
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        if message::value(headers, name).is_none_or(str::is_empty) {
            return Err(SipError::HeaderMissing { name });
        }
    }
    for via in values(headers, "Via") {
        Via::parse(via).ok_or(SipError::HeaderMalformed { name: "Via" })?;
    }
    for name in ["From", "To"] {
        NameAddr::parse(message::text(headers, name)).ok_or(SipError::HeaderMalformed { name })?;
    }
    Ok(())
}

/// The octets of the body: what Content-Length says, or all of them if it says nothing (RFC 3261 §18.3).
///
/// # Errors
/// If it is shorter than promised, has no type, or the promise is no number.
pub(super) fn body<'a>(headers: &Headers, octets: &'a [u8]) -> Result<&'a [u8], SipError> {
    let octets = match length(headers)? {
        // RFC 3261 §18.3: what lies behind the body in a datagram is dropped.
        Some(length) => octets.get(..length).ok_or(SipError::BodyShort)?,
        None => octets,
    };
    if !octets.is_empty() && message::value(headers, "Content-Type").is_none_or(str::is_empty) {
        return Err(SipError::BodyUntyped);
    }
    Ok(octets)
}

/// The Content-Length, if there is one.
///
/// # Errors
/// If there are two or it is no number.
pub(super) fn length(headers: &Headers) -> Result<Option<usize>, SipError> {
    let name = "Content-Length";
    let mut found = values(headers, name);
    let Some(value) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(SipError::HeaderRepeated { name });
    }
    let digits = !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit());
    let length = value.parse().ok().filter(|_| digits).ok_or(SipError::HeaderMalformed { name })?;
    Ok(Some(length))
}
