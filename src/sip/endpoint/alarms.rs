//! What calls are woken for.

use std::time::Duration;

use super::{Alarm, Endpoint};
use crate::model::{Now, Outbox};
use crate::sip::call::{HangUp, Phase};
use crate::sip::command::Output;
use crate::sip::event::EndReason;
use crate::sip::flow::CallKey;

/// RFC 3261 §13.3.1.1: a proxy gives up after three minutes without a provisional response.
pub(super) const REMIND_EVERY: Duration = Duration::from_secs(60);

/// RFC 3261 §13.3.1: 183 says no more than that somebody is at work.
const SESSION_PROGRESS: u16 = 183;

impl Endpoint {
    pub(super) fn alarm(&mut self, now: Now, key: CallKey, alarm: Alarm, out: &mut Outbox<Output>) {
        match alarm {
            Alarm::RepeatSuccess => self.repeat_success(now, key, out),
            Alarm::AckOverdue => self.ack_overdue(now, key, out),
            Alarm::Remind => {
                self.provisional(now, key, SESSION_PROGRESS, out);
                self.alarms.set((key, Alarm::Remind), now.instant + REMIND_EVERY);
            }
            Alarm::Unanswered => self.give_up_waiting(now, key, out),
            Alarm::CancelOverdue => self.refused(now, key, 487, None, out),
            Alarm::Retry => self.pump(now, key, out),
            Alarm::Refresh => self.refresh(now, key, out),
            Alarm::SessionOver => self.session_over(now, key, out),
        }
    }

    fn repeat_success(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(unacked) = &mut call.unacked else { return };
        unacked.interval = (unacked.interval * 2).min(self.config.timer_t2);
        self.alarms.set((key, Alarm::RepeatSuccess), now.instant + unacked.interval);
        self.layer.repeat_success(now, unacked.id, out);
    }

    /// RFC 3261 §13.3.1.4: without an ACK the dialog stands, but the session is to be ended with BYE.
    fn ack_overdue(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        self.alarms.clear((key, Alarm::RepeatSuccess));
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.unacked = None;
        if call.phase == Phase::Up {
            let hang_up = call.hang_up.take().unwrap_or_else(HangUp::default);
            self.send_bye(now, key, hang_up, EndReason::NoAck, out);
        }
    }
}
