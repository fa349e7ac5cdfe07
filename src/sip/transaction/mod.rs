//! The four transaction machines of RFC 3261 §17, with RFC 6026 and RFC 4320: tables without data.

pub(super) mod invite_client;
pub(super) mod invite_server;
pub(super) mod request_client;
pub(super) mod request_server;

/// The timers of RFC 3261 table 4, and of RFC 6026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A, E, G: send the message again. An unreliable transport's affair, so a reliable one never starts it.
    Resend,
    /// B, F, H: give up waiting. D, I, J, K, L, M: nothing of it can still be on its way.
    Over,
    /// RFC 3261 §17.2.1 and RFC 4320 §4.1: say that we work on it.
    Trying,
}

/// Which span of time the one [`Timer::Over`] of a transaction measures now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// B, F, H, L, M: 64*T1, on any transport.
    Timeout,
    /// D: at least 32 s; nothing on a reliable transport.
    Copies,
    /// J: 64*T1; nothing on a reliable transport.
    Repeats,
    /// I, K: T4; nothing on a reliable transport.
    Network,
}

/// What a machine wants done on its way to the next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Send the request, or the last response.
    Send,
    /// Send the same octets again and double the interval, up to T2 where the machine has one.
    Resend,
    /// Send 100 Trying.
    SendTrying,
    /// Build and send, or send again, the ACK to a 300-699.
    SendAck,
    /// Hand the message to the transaction user.
    Deliver,
    /// Tell the transaction user that nobody answered, as a 408 (RFC 3261 §8.1.3.1).
    ReportTimeout,
    /// Tell the transaction user that the transport failed, as a 503.
    ReportTransport,
    /// Start resending, first after T1, on an unreliable transport.
    StartResending,
    /// From now on resend every T2 (RFC 3261 §17.1.2.2, Proceeding).
    SlowResending,
    /// Stop resending and stop the wait for 100 Trying.
    StopTimers,
    /// Start or restart [`Timer::Over`].
    Start(Span),
    /// Stop [`Timer::Over`].
    StopOver,
}

/// The next state and what to do, in order. `None` instead of a step: the event means nothing in this state.
pub(super) type Step<S> = Option<(S, &'static [Act])>;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn table<S: Copy + Debug, E: Copy + Debug>(states: &[S], events: &[E], step: fn(S, E) -> Step<S>) -> String {
        let mut text = String::new();
        for (state, event) in states.iter().flat_map(|state| events.iter().map(move |event| (*state, *event))) {
            let line = match step(state, event) {
                Some((next, acts)) => format!("{state:?} {event:?} -> {next:?} {acts:?}\n"),
                None => format!("{state:?} {event:?} -> ignored\n"),
            };
            text.push_str(&line);
        }
        text
    }

    #[test]
    fn every_pair_of_the_four_machines_is_as_frozen() {
        let found = [
            ("INVITE client", table(&invite_client::STATES, &invite_client::EVENTS, invite_client::step)),
            ("non-INVITE client", table(&request_client::STATES, &request_client::EVENTS, request_client::step)),
            ("INVITE server", table(&invite_server::STATES, &invite_server::EVENTS, invite_server::step)),
            ("non-INVITE server", table(&request_server::STATES, &request_server::EVENTS, request_server::step)),
        ];
        let found: String = found.iter().map(|(name, table)| format!("# {name}\n{table}\n")).collect();
        assert_eq!(found, include_str!("tables.txt"), "the tables changed; they are now:\n{found}");
    }
}
