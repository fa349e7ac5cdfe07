//! The non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//!              request from the user
//!                   | send, start E and F
//!                   v
//!   E: resend   +--------+   F: timeout, transport error: tell the user
//!      +------->| Trying |------------------------------------------+
//!      +--------|        |--- 200-699: deliver, start K ---+        |
//!               +--------+                                 |        |
//!       1xx: deliver |                                     |        |
//!                    v                                     v        |
//!   E: resend  +------------+   200-699: deliver     +-----------+  |
//!   1xx  +---->| Proceeding |----------------------->| Completed |  |
//!        +-----|            |                        +-----------+  |
//!              +------------+                            K |        |
//!                    | F, transport error                  v        |
//!                    |                               +------------+ |
//!                    +------------------------------>| Terminated |<+
//!                                                    +------------+
//! ```

use super::{Act, Span, Step};

/// Where the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum State {
    /// Nobody has answered.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came; copies of it are swallowed.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Event {
    /// The user asks for it.
    Begin,
    /// Timer E.
    Resend,
    /// Timer F or K.
    Over,
    /// 100-199.
    Provisional,
    /// 200-699.
    Final,
    /// The transport failed.
    TransportFailed,
}

/// One step of the picture.
pub(in crate::sip) const fn step(state: State, event: Event) -> Step<State> {
    use State::{Completed, Proceeding, Terminated, Trying};
    Some(match (state, event) {
        (Trying, Event::Begin) => (Trying, &[Act::Send, Act::StartResending, Act::Start(Span::Timeout)]),
        (Trying | Proceeding, Event::Resend) => (state, &[Act::Resend]),
        (Trying | Proceeding, Event::Over) => (Terminated, &[Act::ReportTimeout]),
        (Trying, Event::Provisional) => (Proceeding, &[Act::SlowResending, Act::Deliver]),
        (Proceeding, Event::Provisional) => (Proceeding, &[Act::Deliver]),
        (Trying | Proceeding, Event::Final) => (Completed, &[Act::StopTimers, Act::Start(Span::Network), Act::Deliver]),
        (Trying | Proceeding, Event::TransportFailed) => (Terminated, &[Act::ReportTransport]),
        (Completed, Event::Over) => (Terminated, &[]),
        _ => return None,
    })
}

/// All states, for the table's test.
#[cfg(test)]
pub(super) const STATES: [State; 4] = [State::Trying, State::Proceeding, State::Completed, State::Terminated];

/// All events, for the table's test.
#[cfg(test)]
pub(super) const EVENTS: [Event; 6] =
    [Event::Begin, Event::Resend, Event::Over, Event::Provisional, Event::Final, Event::TransportFailed];
