//! The SIP dialog (RFC 3261 §12): what both sides agreed on, and the next request from it.

use rsip::{Headers, Method, Request, Response, Scheme, Uri};

use super::address::{self, NameAddr, is_loose};
use super::build::{Outline, request};
use super::message::{self, header, text, value, values};

/// Call-ID and our tag. The peer's tag is compared apart, for before the first 2xx there may be several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DialogId {
    /// Call-ID.
    pub(super) call_id: String,
    /// Our tag.
    pub(super) tag: String,
}

/// What there is to tell about a SIP dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogReport {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's; none of a peer of RFC 2543.
    pub remote_tag: String,
    /// CSeq number of our last request; none before the first.
    pub local_seq: Option<u32>,
    /// Of the peer's.
    pub remote_seq: Option<u32>,
    /// Our URI.
    pub local_uri: String,
    /// The peer's.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// The proxies on the way, in their order.
    pub routes: Vec<String>,
}

/// The state of RFC 3261 §12.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    /// Call-ID and our tag.
    pub(super) id: DialogId,
    /// Our From or To value with our tag.
    local: String,
    /// The peer's with its tag.
    remote: String,
    /// The peer's tag; `None` for a peer of RFC 2543, and before the first response.
    pub(super) remote_tag: Option<String>,
    local_seq: u32,
    remote_seq: Option<u32>,
    /// The peer's Contact.
    pub(super) target: Uri,
    routes: Vec<String>,
    /// It is one of `sips` URIs: our Contact is one, too.
    pub(super) secure: bool,
}

impl Dialog {
    /// RFC 3261 §12.1.1: the callee's side.
    pub(super) fn callee(invite: &Request, tag: &str) -> Self {
        let headers = &invite.headers;
        let remote = text(headers, "From");
        Self {
            id: DialogId { call_id: text(headers, "Call-ID").to_owned(), tag: tag.to_owned() },
            local: format!("{};tag={tag}", text(headers, "To")),
            remote: remote.to_owned(),
            remote_tag: address::tag(remote).map(str::to_owned),
            local_seq: 0,
            remote_seq: Some(message::cseq_number(headers)),
            // RFC 2543 callers may leave Contact away; their From is the next best.
            target: contact(headers).or_else(|| named_uri(remote)).unwrap_or_else(|| invite.uri.clone()),
            routes: values(headers, "Record-Route").map(str::to_owned).collect(),
            // RFC 3261 §12.1.1: by what it was sent to, or by the way back that it names.
            secure: is_secure(invite, "Record-Route").or_else(|| is_secure(invite, "Contact")).unwrap_or_default(),
        }
    }

    /// The caller's side before any response.
    pub(super) fn caller(invite: &Request, tag: &str) -> Self {
        let headers = &invite.headers;
        Self {
            id: DialogId { call_id: text(headers, "Call-ID").to_owned(), tag: tag.to_owned() },
            local: text(headers, "From").to_owned(),
            remote: text(headers, "To").to_owned(),
            remote_tag: None,
            local_seq: message::cseq_number(headers),
            remote_seq: None,
            target: invite.uri.clone(),
            routes: Vec::new(),
            // RFC 3261 §8.1.1.8.
            secure: is_secure(invite, "Route").unwrap_or_default(),
        }
    }

    /// RFC 3261 §12.1.2: the same once the 2xx is there.
    pub(super) fn answered(mut self, response: &Response) -> Self {
        let headers = &response.headers;
        let remote = text(headers, "To");
        remote.clone_into(&mut self.remote);
        self.remote_tag = address::tag(remote).map(str::to_owned);
        self.routes = values(headers, "Record-Route").map(str::to_owned).collect();
        self.routes.reverse();
        self.refresh(headers);
        self
    }

    /// Itself, for an audit.
    pub(super) fn report(&self) -> DialogReport {
        let uri = |value: &str| NameAddr::parse(value).map_or(value, |address| address.uri).to_owned();
        DialogReport {
            call_id: self.id.call_id.clone(),
            local_tag: self.id.tag.clone(),
            remote_tag: self.remote_tag.clone().unwrap_or_default(),
            local_seq: Some(self.local_seq).filter(|seq| *seq > 0),
            remote_seq: self.remote_seq,
            local_uri: uri(&self.local),
            remote_uri: uri(&self.remote),
            remote_target: self.target.to_string(),
            routes: self.routes.iter().map(|route| uri(route)).collect(),
        }
    }

    /// RFC 3261 §12.2: a request or 2xx that refreshes the target.
    pub(super) fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// RFC 3261 §12.2.2: whether a request comes in order; then it is the last one.
    pub(super) fn in_order(&mut self, seq: u32) -> bool {
        let in_order = self.remote_seq.is_none_or(|last| seq >= last);
        if in_order {
            self.remote_seq = Some(seq);
        }
        in_order
    }

    /// Whether this tag is the peer's.
    pub(super) fn is_peer(&self, tag: Option<&str>) -> bool {
        self.remote_tag.as_deref() == tag
    }

    /// The number of a further request.
    pub(super) const fn count(&mut self) -> u32 {
        self.local_seq += 1;
        self.local_seq
    }

    /// RFC 3261 §12.2.1.1: numbers only grow, from the early dialog to the one that it has become.
    pub(super) fn go_on_from(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
    }

    /// The next request; its CSeq is one higher than the last one's.
    pub(super) fn next(&mut self, method: Method, via: &str) -> Request {
        let seq = self.count();
        self.request(method, seq, via)
    }

    /// RFC 3261 §13.2.2.4: the ACK to a 2xx has the INVITE's CSeq number.
    pub(super) fn ack(&self, seq: u32, via: &str) -> Request {
        self.request(Method::Ack, seq, via)
    }

    /// RFC 3261 §12.2.1.1: with loose routes the target is the Request-URI; a strict first route takes its place.
    fn request(&self, method: Method, seq: u32, via: &str) -> Request {
        let first = self.first_route();
        let (uri, routes) = match first {
            Some(first) if !is_loose(&first) => {
                let last = format!("<{}>", self.target);
                (first, self.routes[1..].iter().cloned().chain([last]).collect())
            }
            _ => (self.target.clone(), self.routes.clone()),
        };
        let (from, to, call_id) = (self.local.as_str(), self.remote.as_str(), self.id.call_id.as_str());
        let mut request = request(Outline { method, uri, via, from, to, call_id, seq });
        routes.iter().for_each(|route| request.headers.push(header("Route", route)));
        request
    }

    fn first_route(&self) -> Option<Uri> {
        self.routes.first().and_then(|route| named_uri(route))
    }

    /// The URI whose host gets the next request.
    pub(super) fn next_hop(&self) -> Uri {
        self.first_route().unwrap_or_else(|| self.target.clone())
    }
}

fn named_uri(value: &str) -> Option<Uri> {
    address::uri(NameAddr::parse(value)?.uri).ok()
}

/// Whether a request is for a `sips` URI, or the first of these headers has one; nothing if there is no such header.
fn is_secure(request: &Request, name: &str) -> Option<bool> {
    if request.uri.scheme == Some(Scheme::Sips) {
        return Some(true);
    }
    let first = NameAddr::parse(value(&request.headers, name)?)?;
    Some(first.uri.to_ascii_lowercase().starts_with("sips:"))
}

fn contact(headers: &Headers) -> Option<Uri> {
    named_uri(value(headers, "Contact")?)
}
