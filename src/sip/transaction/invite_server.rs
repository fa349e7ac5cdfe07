//! The INVITE server transaction: RFC 3261 §17.2.1 as RFC 6026 §8.5 corrects it.
//!
//! ```text
//!                      INVITE
//!                        | deliver, wait 200 ms before 100
//!                        v
//!  INVITE: send   +------------+
//!  last 1xx  +--->| Proceeding |--- 2xx from the user: send, start L --------+
//!  1xx: send +----|            |                                             |
//!                 +------------+                                             |
//!                        | 300-699 from the user: send, start G and H        |
//!                        v                                                   v
//!  INVITE: send   +-----------+                        INVITE: nothing  +----------+
//!  G: resend +--->| Completed |--- H: give up ---+     ACK: deliver +-->| Accepted |
//!            +----|           |                  |     2xx: send    +---|          |
//!                 +-----------+                  |                      +----------+
//!                        | ACK: start I          |                         L |
//!                        v                       |                           |
//!                 +-----------+                  |                           |
//!                 | Confirmed |                  v                           |
//!                 +-----------+           +------------+                     |
//!                        +--- I --------->| Terminated |<--------------------+
//!                                         +------------+
//! ```
//! RFC 6026 §6: a transport error changes nothing, so that copies of the INVITE are still absorbed.

use super::{Act, Span, Step};

/// Where the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum State {
    /// The user has not answered.
    Proceeding,
    /// 300-699 is sent and not acknowledged.
    Completed,
    /// The ACK is in; its copies are swallowed.
    Confirmed,
    /// 2xx is sent; the user repeats it until its ACK comes.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Event {
    /// The INVITE, or a copy of it.
    Request,
    /// An ACK of the same branch.
    Ack,
    /// The user sends 101-199.
    Provisional,
    /// The user sends 2xx, for the first time or again.
    Success,
    /// The user sends 300-699.
    Failure,
    /// 200 ms have passed without a response.
    Trying,
    /// Timer G.
    Resend,
    /// Timer H, I or L.
    Over,
}

/// One step of the picture.
pub(in crate::sip) const fn step(state: State, event: Event) -> Step<State> {
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    Some(match (state, event) {
        (Proceeding, Event::Request) => (Proceeding, &[Act::Send]),
        (Proceeding, Event::Trying) => (Proceeding, &[Act::SendTrying]),
        (Proceeding, Event::Provisional) => (Proceeding, &[Act::StopTimers, Act::Send]),
        // RFC 6026 §7.1: the copies of the 2xx are the user's affair, so nothing is resent here.
        (Proceeding, Event::Success) => (Accepted, &[Act::StopTimers, Act::Send, Act::Start(Span::Timeout)]),
        (Proceeding, Event::Failure) => {
            (Completed, &[Act::StopTimers, Act::Send, Act::StartResending, Act::Start(Span::Timeout)])
        }
        (Completed, Event::Request) => (Completed, &[Act::Send]),
        (Completed, Event::Resend) => (Completed, &[Act::Resend]),
        (Completed, Event::Ack) => (Confirmed, &[Act::StopTimers, Act::Start(Span::Network)]),
        (Completed | Confirmed | Accepted, Event::Over) => (Terminated, &[]),
        (Accepted, Event::Ack) => (Accepted, &[Act::Deliver]),
        (Accepted, Event::Success) => (Accepted, &[Act::Send]),
        _ => return None,
    })
}

/// All states, for the table's test.
#[cfg(test)]
pub(super) const STATES: [State; 5] =
    [State::Proceeding, State::Completed, State::Confirmed, State::Accepted, State::Terminated];

/// All events, for the table's test.
#[cfg(test)]
pub(super) const EVENTS: [Event; 8] = [
    Event::Request,
    Event::Ack,
    Event::Provisional,
    Event::Success,
    Event::Failure,
    Event::Trying,
    Event::Resend,
    Event::Over,
];
