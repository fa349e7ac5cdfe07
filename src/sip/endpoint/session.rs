//! Session timers (RFC 4028): sessions that are refreshed now and then, so that a lost BYE does not keep them for ever.
//!
//! We ask for [`SESSION_SECS`] and take what the peer makes of it, but nothing shorter than [`SESSION_SECS_MIN`]. A
//! refresh of ours is an UPDATE without an offer, or the owner's last offer again to a peer that knows no UPDATE.

use std::time::Duration;

use rsip::{Headers, Method, Request, Response};

use super::{Alarm, Endpoint, Reply};
use crate::model::limits::{SESSION_SECS, SESSION_SECS_MIN};
use crate::model::{Now, Outbox};
use crate::sip::call::{HangUp, Phase};
use crate::sip::command::Output;
use crate::sip::event::{EndReason, Event};
use crate::sip::flow::CallKey;
use crate::sip::layer::Purpose;
use crate::sip::message::{header, tokens, value};

/// RFC 4028 §10: the last this long of a session, or a third of a shorter one, is for its BYE.
const LAST_SECS: u32 = 32;

/// A refresh that came at the wrong moment is tried again after this time.
const REFRESH_AGAIN: Duration = Duration::from_secs(5);

/// A number of seconds before whatever parameters there are; nothing if it is none.
pub(super) fn seconds(headers: &Headers, name: &str) -> Option<u32> {
    value(headers, name)?.split(';').next()?.trim().parse().ok()
}

/// Who refreshes, if that is said.
fn refresher(headers: &Headers) -> Option<String> {
    let params = value(headers, "Session-Expires")?.split(';').skip(1);
    let named =
        |param: &str| param.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let (_, side) = params.filter_map(named).find(|(name, _)| name.eq_ignore_ascii_case("refresher"))?;
    Some(side.to_ascii_lowercase())
}

fn knows_timers(headers: &Headers) -> bool {
    tokens(headers, "Supported").any(|option| option.eq_ignore_ascii_case("timer"))
}

impl Endpoint {
    /// RFC 4028 §7.1, §7.4: what a request of ours says of the session; the first one leaves it to the peer who refreshes.
    pub(super) fn describe_session(&self, key: CallKey, headers: &mut Headers) {
        let call = self.calls.get(&key);
        let least = call.and_then(|call| call.min_se).unwrap_or(SESSION_SECS_MIN);
        let value = match call.and_then(|call| call.session) {
            Some((secs, ours)) => format!("{};refresher={}", secs.max(least), if ours { "uac" } else { "uas" }),
            None => SESSION_SECS.max(least).to_string(),
        };
        headers.push(header("Session-Expires", &value));
        if least > SESSION_SECS_MIN {
            headers.push(header("Min-SE", &least.to_string()));
        }
    }

    /// RFC 4028 §9: an interval that would have everybody do nothing else.
    pub(super) fn too_short(request: &Request) -> Option<Reply> {
        let timed = matches!(request.method, Method::Invite | Method::Update) && knows_timers(&request.headers);
        let short = seconds(&request.headers, "Session-Expires").is_some_and(|secs| secs < SESSION_SECS_MIN);
        (timed && short).then(|| Reply::status(422).with("Min-SE", SESSION_SECS_MIN.to_string()))
    }

    /// RFC 4028 §9: what our 2xx says of the session that the peer asks for.
    pub(super) fn agree_on_session(&mut self, now: Now, key: CallKey, request: &Request, mut reply: Reply) -> Reply {
        let Some(call) = self.calls.get_mut(&key) else { return reply };
        call.updates = tokens(&request.headers, "Allow").any(|method| method == "UPDATE");
        call.min_se = call.min_se.max(seconds(&request.headers, "Min-SE"));
        // RFC 4028 §5: nobody may raise what is too short, and nobody can be told who knows no timers.
        let asked = seconds(&request.headers, "Session-Expires").filter(|secs| *secs >= SESSION_SECS_MIN);
        let Some(secs) = asked else {
            self.settle_session(now, key, None);
            return reply;
        };
        // A peer that knows no timers has a proxy that does: then it is on us.
        let known = knows_timers(&request.headers);
        let ours = !known || refresher(&request.headers).as_deref() == Some("uas");
        reply = reply.with("Session-Expires", format!("{secs};refresher={}", if ours { "uas" } else { "uac" }));
        if known {
            reply = reply.with("Require", "timer");
        }
        self.settle_session(now, key, Some((secs, ours)));
        reply
    }

    /// RFC 4028 §7.2: what the peer's 2xx says of it. Without a word there is no timer.
    pub(super) fn session_answered(&mut self, now: Now, key: CallKey, response: &Response) {
        let secs = seconds(&response.headers, "Session-Expires").map(|secs| secs.max(SESSION_SECS_MIN));
        let ours = refresher(&response.headers).as_deref() != Some("uas");
        if let Some(call) = self.calls.get_mut(&key)
            && value(&response.headers, "Allow").is_some()
        {
            call.updates = tokens(&response.headers, "Allow").any(|method| method == "UPDATE");
        }
        self.settle_session(now, key, secs.map(|secs| (secs, ours)));
    }

    fn settle_session(&mut self, now: Now, key: CallKey, session: Option<(u32, bool)>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.session = session;
        self.alarms.clear((key, Alarm::Refresh));
        self.alarms.clear((key, Alarm::SessionOver));
        let Some((secs, ours)) = session else { return };
        let after = |secs: u32| now.instant + Duration::from_secs(secs.into());
        if ours {
            self.alarms.set((key, Alarm::Refresh), after(secs / 2));
        }
        self.alarms.set((key, Alarm::SessionOver), after(secs - LAST_SECS.min(secs / 3)));
    }

    /// Half of the time is over, and it is on us.
    pub(super) fn refresh(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.calls.get(&key).filter(|call| call.phase == Phase::Up) else { return };
        // Any offer under way refreshes the session itself.
        if call.inviting.is_some() || call.waiting.is_some() || call.updating.is_some() || call.hang_up.is_some() {
            return self.alarms.set((key, Alarm::Refresh), now.instant + REFRESH_AGAIN);
        }
        if !call.updates {
            return out.push(Output::Event(Event::RefreshDue { call: key }));
        }
        let Some((mut request, hop)) = self.next_request(key, Method::Update) else { return };
        if let Some(contact) = self.calls.get(&key).map(|call| self.contact(&call.path, call.dialog.secure)) {
            request.headers.push(header("Contact", &contact));
        }
        self.describe_session(key, &mut request.headers);
        self.send(now, Purpose::Refresh(key), hop, request, None, out);
    }

    /// Our UPDATE has its answer.
    pub(super) fn refreshed(
        &mut self,
        now: Now,
        key: CallKey,
        status: u16,
        response: Option<&Response>,
        out: &mut Outbox<Output>,
    ) {
        match (status, response) {
            (200..=299, Some(response)) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.dialog.refresh(&response.headers); // RFC 3311 §5.1
                }
                self.session_answered(now, key, response);
            }
            (408 | 481, _) => self.after(now, key, status, out),
            (491 | 500.., _) => self.alarms.set((key, Alarm::Refresh), now.instant + REFRESH_AGAIN),
            _ => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.updates = false;
                    out.push(Output::Event(Event::RefreshDue { call: key }));
                }
            }
        }
    }

    /// RFC 4028 §10: nobody has refreshed the session in time.
    pub(super) fn session_over(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        if self.calls.get(&key).is_some_and(|call| call.phase == Phase::Up) {
            let reason = Some("SIP;cause=408;text=\"Session Expired\"".to_owned());
            self.send_bye(now, key, HangUp { body: None, reason }, EndReason::Gone(408), out);
        }
    }
}
