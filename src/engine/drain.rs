//! Going out of service: no new work, the work at hand to its end, then a farewell to whoever is still connected.

use std::time::Duration;

use super::core::Engine;
use super::jobs::{Drain, Timer};
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::sip;

/// What a caller that meets a draining server is told, in seconds: the restart will be over by then.
const RETRY_AFTER_SECS: u32 = 30;

/// The last REPORTs and exit events are on their way, and a BYE must not overtake them; a control dialog that stays
/// open for ever is worth no more than this.
const LINGER: Duration = Duration::from_secs(2);

impl Engine {
    pub(super) fn begin_drain(&mut self, now: Now, out: &mut Outbox<Output>) {
        self.drain.get_or_insert(Drain::Finishing);
        self.command(now, sip::Command::Drain { retry_after: RETRY_AFTER_SECS }, out);
        self.msml(now, crate::msml::Input::Drain(true), out);
        self.queue(now, crate::queue::Input::Drain, out);
    }

    /// Takes the next step if nothing is in its way; called after every input.
    pub(super) fn go_on_draining(&mut self, now: Now, out: &mut Outbox<Output>) {
        let Some(drain) = self.drain.filter(|drain| *drain != Drain::Done) else { return };
        if self.is_busy() {
            return;
        }
        if self.board.calls.is_empty() {
            self.drain = Some(Drain::Done);
            out.push(Output::Drained);
        } else if drain == Drain::Finishing {
            self.drain = Some(Drain::Lingering);
            self.wake(now, LINGER, Timer::Linger);
        }
    }

    /// Whether a file moves, or will as soon as the spool or the peer has answered.
    fn is_busy(&self) -> bool {
        let idle = self.receipts.is_empty() && self.sendings.is_empty() && self.plays.is_empty();
        !idle || self.forwarding.is_recording() || !self.pushes.is_empty() || !self.errands.is_empty()
    }

    pub(super) fn lingered(&mut self, now: Now, out: &mut Outbox<Output>) {
        match self.drain {
            Some(Drain::Lingering) if self.is_busy() => self.drain = Some(Drain::Finishing),
            Some(Drain::Lingering) => {
                self.drain = Some(Drain::Parting);
                self.wake(now, LINGER, Timer::Linger);
                let mut calls: Vec<_> = self.board.calls.keys().copied().collect();
                calls.sort_unstable();
                for call in calls {
                    self.command(now, sip::Command::Bye { call, body: None, reason: None }, out);
                }
            }
            Some(Drain::Parting) => {
                self.drain = Some(Drain::Done);
                out.push(Output::Drained);
            }
            _ => {}
        }
    }
}
