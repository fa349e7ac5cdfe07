//! Requests and responses made from others.

use rsip::{Headers, Method, Request, Response, Uri, Version};

use super::address::tag;
use super::flow::Body;
use super::message::{self, header, text, value, values};

/// RFC 3261 §8.1.1.6.
const MAX_FORWARDS: &str = "70";

/// RFC 3261 §8.2.6: Via, From, To, Call-ID and CSeq are the request's; `to_tag` is added if the request's To has none.
pub(super) fn reply(request: &Headers, code: u16, reason: Option<&str>, to_tag: Option<&str>) -> Response {
    let mut headers = Headers::default();
    values(request, "Via").for_each(|via| headers.push(header("Via", via)));
    for name in ["From", "To", "Call-ID", "CSeq"] {
        match (name, value(request, name), to_tag) {
            ("To", Some(to), Some(ours)) if tag(to).is_none() => {
                headers.push(header("To", &format!("{to};tag={ours}")));
            }
            (_, Some(value), _) => headers.push(header(name, value)),
            (_, None, _) => {}
        }
    }
    Response { status_code: message::status(code, reason), version: Version::V2, headers, body: Vec::new() }
}

/// RFC 3261 §8.2.6.1: 100 has no To tag of ours and copies Timestamp.
pub(super) fn trying(request: &Request) -> Response {
    let mut response = reply(&request.headers, 100, None, None);
    if let Some(timestamp) = value(&request.headers, "Timestamp") {
        response.headers.push(header("Timestamp", timestamp));
    }
    response
}

/// RFC 3261 §17.1.1.3: the ACK to a 300-699 has the INVITE's branch and Route and the response's To.
pub(super) fn ack_failure(invite: &Request, response: &Response) -> Request {
    let mut ack = same_hop(invite, Method::Ack);
    ack.headers.retain(|field| !matches!(field, rsip::Header::To(_)));
    ack.headers.push(header("To", text(&response.headers, "To")));
    ack
}

/// RFC 3261 §9.1: CANCEL repeats the INVITE's Request-URI, Call-ID, To, From, CSeq number, Route and top Via.
pub(super) fn cancel(invite: &Request) -> Request {
    same_hop(invite, Method::Cancel)
}

fn same_hop(invite: &Request, method: Method) -> Request {
    let mut headers = Headers::default();
    headers.push(header("Via", text(&invite.headers, "Via")));
    headers.push(header("Max-Forwards", MAX_FORWARDS));
    for name in ["From", "To", "Call-ID"] {
        headers.push(header(name, text(&invite.headers, name)));
    }
    let number = message::cseq_number(&invite.headers);
    headers.push(header("CSeq", &format!("{number} {}", message::method_name(method))));
    values(&invite.headers, "Route").for_each(|route| headers.push(header("Route", route)));
    Request { method, uri: invite.uri.clone(), version: Version::V2, headers, body: Vec::new() }
}

/// What every request of ours says.
pub(super) struct Outline<'a> {
    /// The method.
    pub(super) method: Method,
    /// The Request-URI.
    pub(super) uri: Uri,
    /// The Via value, branch included.
    pub(super) via: &'a str,
    /// The From value, our tag included.
    pub(super) from: &'a str,
    /// The To value.
    pub(super) to: &'a str,
    /// The Call-ID.
    pub(super) call_id: &'a str,
    /// The CSeq number.
    pub(super) seq: u32,
}

/// A request with the headers of RFC 3261 §8.1.1.
pub(super) fn request(outline: Outline<'_>) -> Request {
    let mut headers = Headers::default();
    headers.push(header("Via", outline.via));
    headers.push(header("Max-Forwards", MAX_FORWARDS));
    headers.push(header("From", outline.from));
    headers.push(header("To", outline.to));
    headers.push(header("Call-ID", outline.call_id));
    headers.push(header("CSeq", &format!("{} {}", outline.seq, message::method_name(outline.method))));
    Request { method: outline.method, uri: outline.uri, version: Version::V2, headers, body: Vec::new() }
}

/// Gives a request of ours another Via, the only one that it has.
pub(super) fn replace_via(request: &mut Request, via: &str) {
    let rest = request.headers.iter().filter(|field| !matches!(field, rsip::Header::Via(_))).cloned();
    request.headers = std::iter::once(header("Via", via)).chain(rest).collect::<Vec<_>>().into();
}

/// Puts a body and its headers into a message.
pub(super) fn put_body(headers: &mut Headers, octets: &mut Vec<u8>, body: Body) {
    headers.push(header("Content-Type", &body.content_type));
    if let Some(disposition) = &body.disposition {
        headers.push(header("Content-Disposition", disposition));
    }
    *octets = body.octets.into();
}
