//! One client transaction: its state and what its machine does.

use std::time::Duration;

use bytes::Bytes;

use super::words::{Parcel, Purpose};
use crate::sip::address::Via;
use crate::sip::transaction::{Act, Timer, invite_client, request_client};

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Invite(invite_client::State),
    Request(request_client::State),
}

/// What can happen to either kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Begin,
    Response(u16),
    Timer(Timer),
    TransportFailed,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) state: State,
    pub(super) key: String,
    pub(super) purpose: Purpose,
    pub(super) parcel: Parcel,
    pub(super) ack: Option<Bytes>,
    pub(super) interval: Duration,
}

impl Client {
    /// RFC 3261 §18.1.1: back to the datagram that it is too large for, if nobody has answered the connection yet.
    pub(super) fn fall_back(&mut self) -> bool {
        let silent = matches!(
            self.state,
            State::Invite(invite_client::State::Calling) | State::Request(request_client::State::Trying)
        );
        silent && self.parcel.fall_back()
    }

    pub(super) fn step(&self, event: Event) -> Option<(State, &'static [Act])> {
        match self.state {
            State::Invite(state) => {
                let event = match event {
                    Event::Begin => invite_client::Event::Begin,
                    Event::Response(100..=199) => invite_client::Event::Provisional,
                    Event::Response(200..=299) => invite_client::Event::Success,
                    Event::Response(_) => invite_client::Event::Failure,
                    Event::Timer(Timer::Resend) => invite_client::Event::Resend,
                    Event::Timer(Timer::Over) => invite_client::Event::Over,
                    Event::Timer(Timer::Trying) => return None,
                    Event::TransportFailed => invite_client::Event::TransportFailed,
                };
                invite_client::step(state, event).map(|(next, acts)| (State::Invite(next), acts))
            }
            State::Request(state) => {
                let event = match event {
                    Event::Begin => request_client::Event::Begin,
                    Event::Response(100..=199) => request_client::Event::Provisional,
                    Event::Response(_) => request_client::Event::Final,
                    Event::Timer(Timer::Resend) => request_client::Event::Resend,
                    Event::Timer(Timer::Over) => request_client::Event::Over,
                    Event::Timer(Timer::Trying) => return None,
                    Event::TransportFailed => request_client::Event::TransportFailed,
                };
                request_client::step(state, event).map(|(next, acts)| (State::Request(next), acts))
            }
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(
            self.state,
            State::Invite(invite_client::State::Terminated) | State::Request(request_client::State::Terminated)
        )
    }
}

/// RFC 3261 §17.1.3: the branch of the top Via and the method of CSeq.
pub(super) fn key(via: &str, method: &str) -> Option<String> {
    let via = Via::parse(via)?;
    via.branch().map(|branch| format!("{branch}|{method}"))
}
