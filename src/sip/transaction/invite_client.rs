//! The INVITE client transaction: RFC 3261 §17.1.1 as RFC 6026 §8.4 corrects it.
//!
//! ```text
//!                 INVITE from the user
//!                   | send, start A and B
//!                   v
//!   A: resend   +---------+  B: timeout, transport error: tell the user
//!      +------->| Calling |-------------------------------------------+
//!      +--------|         |                                           |
//!               +---------+--- 2xx: deliver, start M ---------------+ |
//!         1xx: deliver |   \                                        | |
//!                      v    \ 300-699: deliver, ACK, start D        | |
//!        1xx  +------------+ \                                      | |
//!      +----->| Proceeding |--\------- 2xx: deliver, start M -----+ | |
//!      +------|            |   v                                  | | |
//!             +------------+  +-----------+ 300-699: ACK again    v v |
//!                   |         | Completed |<---+            +----------+
//!      300-699 ---->+-------->|           |----+            | Accepted |<-+ 2xx:
//!                             +-----------+                 |          |--+ deliver
//!                          D, transport |                   +----------+
//!                                       v                     M |     |
//!                               +------------+<-----------------+     |
//!                               | Terminated |<-----------------------+
//!                               +------------+
//! ```

use super::{Act, Span, Step};

/// Where the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum State {
    /// Nobody has answered.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// 300-699 came; the ACK is repeated for every copy.
    Completed,
    /// 2xx came; every copy and every fork's 2xx goes to the user.
    Accepted,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Event {
    /// The user asks for it.
    Begin,
    /// Timer A.
    Resend,
    /// Timer B, D or M.
    Over,
    /// 100-199.
    Provisional,
    /// 200-299.
    Success,
    /// 300-699.
    Failure,
    /// The transport failed.
    TransportFailed,
}

/// One step of the picture.
pub(in crate::sip) const fn step(state: State, event: Event) -> Step<State> {
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};
    Some(match (state, event) {
        (Calling, Event::Begin) => (Calling, &[Act::Send, Act::StartResending, Act::Start(Span::Timeout)]),
        (Calling, Event::Resend) => (Calling, &[Act::Resend]),
        (Calling, Event::Over) => (Terminated, &[Act::ReportTimeout]),
        // RFC 3261 §17.1.1.2: timers A and B belong to Calling alone.
        (Calling, Event::Provisional) => (Proceeding, &[Act::StopTimers, Act::StopOver, Act::Deliver]),
        (Proceeding, Event::Provisional) => (Proceeding, &[Act::Deliver]),
        (Calling | Proceeding, Event::Success) => {
            (Accepted, &[Act::StopTimers, Act::Start(Span::Timeout), Act::Deliver])
        }
        (Calling | Proceeding, Event::Failure) => {
            (Completed, &[Act::StopTimers, Act::Start(Span::Copies), Act::SendAck, Act::Deliver])
        }
        (Calling | Proceeding, Event::TransportFailed) => (Terminated, &[Act::ReportTransport]),
        (Completed, Event::Failure) => (Completed, &[Act::SendAck]),
        (Completed, Event::TransportFailed) => (Terminated, &[]),
        (Completed | Accepted, Event::Over) => (Terminated, &[]),
        (Accepted, Event::Success) => (Accepted, &[Act::Deliver]),
        _ => return None,
    })
}

/// All states, for the table's test.
#[cfg(test)]
pub(super) const STATES: [State; 5] =
    [State::Calling, State::Proceeding, State::Completed, State::Accepted, State::Terminated];

/// All events, for the table's test.
#[cfg(test)]
pub(super) const EVENTS: [Event; 7] = [
    Event::Begin,
    Event::Resend,
    Event::Over,
    Event::Provisional,
    Event::Success,
    Event::Failure,
    Event::TransportFailed,
];
