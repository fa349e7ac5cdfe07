//! One server transaction: its state and what its machine does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rsip::{Method, Request};

use super::words::Hop;
use crate::sip::address::{Via, tag};
use crate::sip::flow::CallKey;
use crate::sip::message::{cseq_number, method_name, text};
use crate::sip::transaction::{Act, Timer, invite_server, request_server};

/// RFC 3261 §8.1.1.7: branches that begin with it are unique in space and time.
const MAGIC_COOKIE: &str = "z9hG4bK";

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Invite(invite_server::State),
    Request(request_server::State),
}

/// What can happen to either kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Request,
    Ack,
    Respond(u16),
    Timer(Timer),
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) state: State,
    pub(super) key: Arc<str>,
    pub(super) origin: Option<Arc<str>>,
    pub(super) hop: Hop,
    /// Until it has its final response. Most transactions only stay to swallow copies, half a minute each: they are small.
    pub(super) request: Option<Arc<Request>>,
    /// Until it is known to have arrived.
    pub(super) last: Option<Bytes>,
    pub(super) interval: Duration,
    pub(super) owed: Owed,
}

/// Whether the user still has to answer, and for which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Owed {
    /// It is answered, or was never handed over.
    No,
    /// A request outside any call.
    Outside,
    /// A request of this call.
    In(CallKey),
}

impl Server {
    /// The next state and its acts, or `None` if the event means nothing now.
    pub(super) fn step(&self, event: Event) -> Option<(State, &'static [Act])> {
        match self.state {
            State::Invite(state) => {
                let event = match event {
                    Event::Request => invite_server::Event::Request,
                    Event::Ack => invite_server::Event::Ack,
                    Event::Respond(100..=199) => invite_server::Event::Provisional,
                    Event::Respond(200..=299) => invite_server::Event::Success,
                    Event::Respond(_) => invite_server::Event::Failure,
                    Event::Timer(Timer::Trying) => invite_server::Event::Trying,
                    Event::Timer(Timer::Resend) => invite_server::Event::Resend,
                    Event::Timer(Timer::Over) => invite_server::Event::Over,
                };
                invite_server::step(state, event).map(|(next, acts)| (State::Invite(next), acts))
            }
            State::Request(state) => {
                let event = match event {
                    Event::Request => request_server::Event::Request,
                    Event::Respond(200..) => request_server::Event::Final,
                    Event::Timer(Timer::Trying) => request_server::Event::Trying,
                    Event::Timer(Timer::Over) => request_server::Event::Over,
                    // RFC 4320 §4.1: no provisional response but the machine's own 100.
                    Event::Ack | Event::Respond(_) | Event::Timer(Timer::Resend) => return None,
                };
                request_server::step(state, event).map(|(next, acts)| (State::Request(next), acts))
            }
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(
            self.state,
            State::Invite(invite_server::State::Terminated) | State::Request(request_server::State::Terminated)
        )
    }
}

/// RFC 3261 §17.2.3; an ACK has the key of its INVITE.
pub(super) fn key(request: &Request, method: Method) -> String {
    let headers = &request.headers;
    let top = text(headers, "Via");
    let method = method_name(if method == Method::Ack { Method::Invite } else { method });
    let via = Via::parse(top);
    let branch = via.as_ref().and_then(Via::branch).filter(|branch| branch.len() > MAGIC_COOKIE.len());
    match (via, branch.filter(|branch| branch.starts_with(MAGIC_COOKIE))) {
        (Some(via), Some(branch)) => {
            format!("{branch}|{}:{}|{method}", via.host.to_ascii_lowercase(), via.sent_by_port())
        }
        // RFC 2543 callers: everything that an ACK or copy repeats.
        _ => {
            let from = tag(text(headers, "From")).unwrap_or_default();
            format!("{}|{from}|{}|{}|{top}|{method}", request.uri, text(headers, "Call-ID"), cseq_number(headers))
        }
    }
}

/// RFC 3261 §8.2.2.2: what two copies of a request outside dialogs share when they came by different ways.
pub(super) fn origin(request: &Request) -> Option<String> {
    let headers = &request.headers;
    tag(text(headers, "To")).is_none().then(|| {
        let from = tag(text(headers, "From")).unwrap_or_default();
        format!("{from}|{}|{}", text(headers, "Call-ID"), text(headers, "CSeq"))
    })
}
