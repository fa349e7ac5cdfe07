//! rsip's messages as octets: rsip's own printer would corrupt binary bodies and misspell reason phrases.

use bytes::Bytes;
use rsip::{Headers, Request, Response};

use super::message::{field, method_name, reason};

/// A request as octets. Content-Length is counted here, and no header may carry its own.
pub fn request(request: &Request) -> Bytes {
    let start = format!("{} {} SIP/2.0\r\n", method_name(request.method), request.uri);
    octets(start, &request.headers, &request.body)
}

/// A response as octets, likewise.
pub fn response(response: &Response) -> Bytes {
    let reason = clean(reason(&response.status_code));
    let start = format!("SIP/2.0 {} {reason}\r\n", response.status_code.code());
    octets(start, &response.headers, &response.body)
}

fn octets(start: String, headers: &Headers, body: &[u8]) -> Bytes {
    let mut text = start;
    for (name, value) in headers.iter().map(field).filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length")) {
        text.push_str(&clean(name));
        text.push_str(": ");
        text.push_str(&clean(value));
        text.push_str("\r\n");
    }
    // RFC 3261 §20.14: over a stream it has to be there, zero included.
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut octets = text.into_bytes();
    octets.extend_from_slice(body);
    octets.into()
}

/// A line break in a value would let its author write headers of ours.
fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}
