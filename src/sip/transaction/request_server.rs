//! The non-INVITE server transaction (RFC 3261 §17.2.2, RFC 4320).
//!
//! ```text
//!                    request
//!                       | deliver, wait before 100
//!                       v
//!  request: nothing +--------+
//!              +--->| Trying |-----------+
//!              +----|        |           |
//!                   +--------+           |
//!    RFC 4320's wait: 100 |              | 200-699 from the user: send, start J
//!                         v              |
//!  request: send   +------------+        |        +-----------+  request: send
//!  100        +--->| Proceeding |--------+------->| Completed |<---+
//!             +----|            |                 |           |----+
//!                  +------------+                 +-----------+
//!                                                     J |
//!                                                       v
//!                                                 +------------+
//!                                                 | Terminated |
//!                                                 +------------+
//! ```
//! A transport error changes nothing: RFC 6026 §6 says so for INVITE, and here a copy gets the same answer too.

use super::{Act, Span, Step};

/// Where the transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum State {
    /// The user has not answered, nor have we said 100.
    Trying,
    /// 100 is sent.
    Proceeding,
    /// The final response is sent and repeated for every copy of the request.
    Completed,
    /// Over.
    Terminated,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Event {
    /// The request, or a copy of it.
    Request,
    /// The user sends 200-699.
    Final,
    /// RFC 4320 §4.1's wait is over.
    Trying,
    /// Timer J, or the user has forgotten the request.
    Over,
}

/// One step of the picture.
pub(in crate::sip) const fn step(state: State, event: Event) -> Step<State> {
    use State::{Completed, Proceeding, Terminated, Trying};
    Some(match (state, event) {
        (Trying, Event::Trying) => (Proceeding, &[Act::SendTrying]),
        (Proceeding | Completed, Event::Request) => (state, &[Act::Send]),
        (Trying | Proceeding, Event::Final) => (Completed, &[Act::StopTimers, Act::Send, Act::Start(Span::Repeats)]),
        // RFC 4320 §4.2: no 408; who asked has given up by then.
        (Trying | Proceeding | Completed, Event::Over) => (Terminated, &[]),
        _ => return None,
    })
}

/// All states, for the table's test.
#[cfg(test)]
pub(super) const STATES: [State; 4] = [State::Trying, State::Proceeding, State::Completed, State::Terminated];

/// All events, for the table's test.
#[cfg(test)]
pub(super) const EVENTS: [Event; 4] = [Event::Request, Event::Final, Event::Trying, Event::Over];
