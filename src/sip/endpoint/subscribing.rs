//! Subscriptions: who asks for one, how long it lasts, and what it is told (RFC 6665 §4.2).

use std::sync::Arc;
use std::time::Duration;

use rsip::{Method, Request, Response};

use super::{Endpoint, FULL_RETRY_SECS, Reply, TOKEN_LETTERS, allow, next_hop};
use crate::model::limits::{SUBSCRIPTION_SECS, SUBSCRIPTION_SECS_MAX, SUBSCRIPTION_SECS_MIN};
use crate::model::{Now, Outbox};
use crate::sip::address::tag;
use crate::sip::call::Path;
use crate::sip::command::Output;
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::event::{Event, Opening};
use crate::sip::flow::{Body, Flow, SubscriptionKey};
use crate::sip::layer::{Purpose, ServerId};
use crate::sip::message::{cseq_number, header, text, tokens, value, values};
use crate::sip::subscription::{Asked, NOTIFY_SPACING, News, Subscription, Wake};
use crate::sip::syntax::{is_token, params};

/// RFC 6665 §4.2.1.1: nobody may be told that less than an hour is needed.
const BRIEF_SECS: u32 = 3600;

// What subscribers say.
impl Endpoint {
    /// A SUBSCRIBE: of somebody new, or of who has a subscription already.
    pub(super) fn subscribe(
        &mut self,
        now: Now,
        flow: Flow,
        id: ServerId,
        request: &Arc<Request>,
        out: &mut Outbox<Output>,
    ) {
        let wanted = self.wanted_event(request).and_then(|event| interval(request).map(|secs| (event, secs)));
        let (event, secs) = match wanted {
            Ok(wanted) => wanted,
            Err(reply) => return self.reply(now, id, None, *reply, out),
        };
        match tag(text(&request.headers, "To")) {
            Some(tag) => {
                let dialog = DialogId { call_id: text(&request.headers, "Call-ID").to_owned(), tag: tag.to_owned() };
                match self.subscriptions.find(&dialog) {
                    Some(key) => self.resubscribe(now, flow, (id, key), request, (event, secs), out),
                    // RFC 6665 §4.5.2: a dialog of its own. The call, if there is one, goes on.
                    None if self.dialogs.contains_key(&dialog) => {
                        self.reply(now, id, None, Reply::status(403), out);
                    }
                    None => self.reply(now, id, None, Reply::status(481), out),
                }
            }
            None => self.subscribe_anew(now, flow, id, request, (event, secs), out),
        }
    }

    /// The package, and its id, if there is one (RFC 6665 §8.2.1); or why it is not to be had.
    fn wanted_event(&self, request: &Request) -> Result<String, Box<Reply>> {
        let names = || self.event_packages();
        let bad_event = || Box::new(Reply::status(489).with("Allow-Events", names()));
        let value = value(&request.headers, "Event").ok_or_else(bad_event)?;
        let (name, list) = value.split_once(';').map_or((value, None), |(name, list)| (name, Some(list)));
        let name = name.trim();
        let package = self.config.events.iter().find(|package| package.name == name).ok_or_else(bad_event)?;
        let list = list.map_or(Some(Vec::new()), params).ok_or_else(|| Box::new(Reply::status(400)))?;
        let id = list.iter().find(|(name, _)| name.eq_ignore_ascii_case("id")).and_then(|(_, id)| *id);
        // RFC 6665 §4.2.1: who names other forms than this could not read what comes.
        let range = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let takes = |range: &str| ["*/*", "application/*", &package.media_type].contains(&range);
        let mut ranges = tokens(&request.headers, "Accept").map(range).peekable();
        if ranges.peek().is_some() && !ranges.any(|range| takes(&range)) {
            return Err(Box::new(Reply::status(406).with("Accept", &package.media_type)));
        }
        match id {
            Some(id) if !is_token(id) => Err(Box::new(Reply::status(400))),
            Some(id) => Ok(format!("{name};id={id}")),
            None => Ok(name.to_owned()),
        }
    }

    fn subscribe_anew(
        &mut self,
        now: Now,
        flow: Flow,
        id: ServerId,
        request: &Arc<Request>,
        (event, secs): (String, u32),
        out: &mut Outbox<Output>,
    ) {
        let source = flow.remote.ip();
        let unavailable = |secs: u32| Reply::status(503).with("Retry-After", secs.to_string());
        if let Some(secs) = self.draining {
            return self.reply(now, id, None, unavailable(secs), out);
        }
        let (most, most_of_it) = (self.config.subscriptions_max, self.config.subscriptions_per_address_max);
        if self.subscriptions.len() >= most || self.subscriptions.of(source) >= most_of_it {
            return self.reply(now, id, None, unavailable(FULL_RETRY_SECS), out);
        }
        // RFC 3261 §8.1.1.8: who makes a dialog says where its requests go. From is no address for what was not asked for.
        if value(&request.headers, "Contact").is_none() {
            return self.reply(now, id, None, Reply::status(400), out);
        }
        let tag = self.mint.token(TOKEN_LETTERS);
        let dialog = Dialog::callee(request, &tag);
        let asked = Asked { id, secs };
        let key = self.subscriptions.add(Subscription::new(dialog, Path::from(flow), source, event, asked));
        self.ask_owner(now, flow, (id, key), request, true, out);
    }

    fn resubscribe(
        &mut self,
        now: Now,
        flow: Flow,
        (id, key): (ServerId, SubscriptionKey),
        request: &Arc<Request>,
        (event, secs): (String, u32),
        out: &mut Outbox<Output>,
    ) {
        let Some(subscription) = self.subscriptions.at(key) else { return };
        let theirs = tag(text(&request.headers, "From"));
        let status = match subscription {
            _ if !subscription.dialog.is_peer(theirs) || subscription.event != event => Some(481),
            _ if subscription.ending.is_some() => Some(481),
            _ if !subscription.dialog.in_order(cseq_number(&request.headers)) || subscription.asked.is_some() => {
                Some(500)
            }
            _ => None,
        };
        if let Some(status) = status {
            return self.reply(now, id, None, Reply::status(status), out);
        }
        (subscription.asked, subscription.path) = (Some(Asked { id, secs }), Path::from(flow));
        self.ask_owner(now, flow, (id, key), request, false, out);
    }

    fn ask_owner(
        &mut self,
        now: Now,
        flow: Flow,
        (id, key): (ServerId, SubscriptionKey),
        request: &Arc<Request>,
        first: bool,
        out: &mut Outbox<Output>,
    ) {
        self.layer.entrust(id, None);
        if first {
            self.wakes.set((key, Wake::Over), now.instant + self.layer.timeout());
        }
        let subscribe = Box::new(Opening::new(request, flow, self.user.take()));
        out.push(Output::Event(Event::Subscribed { subscription: key, first, subscribe }));
    }
}

// What the owner says.
impl Endpoint {
    /// 200 to the SUBSCRIBE that waits, and the NOTIFY that follows it at once (RFC 6665 §4.2.1.2).
    pub(super) fn grant(&mut self, now: Now, key: SubscriptionKey, body: Option<Body>, out: &mut Outbox<Output>) {
        let Some(subscription) = self.subscriptions.at(key) else { return };
        let Some(asked) = subscription.asked.take() else { return };
        let Some(request) = self.layer.request(asked.id) else { return };
        subscription.dialog.refresh(&request.headers);
        let until = now.instant + Duration::from_secs(asked.secs.into());
        subscription.until = Some(until);
        let (tag, path, secure) = (subscription.dialog.id.tag.clone(), subscription.path, subscription.dialog.secure);
        let mut reply = Reply::status(200).with("Expires", asked.secs.to_string());
        for route in values(&request.headers, "Record-Route") {
            reply = reply.with("Record-Route", route);
        }
        let reply = reply
            .with("Contact", self.contact(&path, secure))
            .with("Allow", allow())
            .with("Allow-Events", self.event_packages())
            .with("Supported", super::SUPPORTED);
        self.reply_tagged(now, asked.id, &tag, reply, out);
        if asked.secs == 0 {
            return self.terminate(now, key, "reason=timeout", body, out);
        }
        self.wakes.set((key, Wake::Over), until);
        self.tell(now, key, News { body, at_once: true }, out);
    }

    /// Refuses the SUBSCRIBE that waits. One that was granted before stays so until its time is over.
    pub(super) fn decline(&mut self, now: Now, key: SubscriptionKey, reply: Reply, out: &mut Outbox<Output>) {
        let Some(subscription) = self.subscriptions.at(key) else { return };
        let Some(asked) = subscription.asked.take() else { return };
        let (granted, tag) = (subscription.until.is_some(), subscription.dialog.id.tag.clone());
        let status = if (300..700).contains(&reply.status) { reply.status } else { 500 };
        let reply = self.challenging(now, Reply { status, ..reply });
        self.reply_tagged(now, asked.id, &tag, reply, out);
        if !granted {
            self.unsubscribed(key, out);
        }
    }

    /// What there is to tell a subscriber. Of several that come too fast the last one is told.
    pub(super) fn notify(&mut self, now: Now, key: SubscriptionKey, body: Option<Body>, out: &mut Outbox<Output>) {
        let granted = |subscription: &&mut Subscription| subscription.until.is_some() && subscription.ending.is_none();
        if let Some(subscription) = self.subscriptions.at(key).filter(granted) {
            let at_once = subscription.news.as_ref().is_some_and(|news| news.at_once);
            self.tell(now, key, News { body, at_once }, out);
        }
    }

    /// Ends a subscription; `reason` is what its last NOTIFY says of it.
    pub(super) fn terminate(
        &mut self,
        now: Now,
        key: SubscriptionKey,
        reason: &str,
        body: Option<Body>,
        out: &mut Outbox<Output>,
    ) {
        let Some(subscription) = self.subscriptions.at(key).filter(|known| known.ending.is_none()) else { return };
        subscription.ending = Some(reason.to_owned());
        self.tell(now, key, News { body, at_once: true }, out);
    }

    /// RFC 3842 §3.8: who is going out of service says so, and for how long it may be.
    pub(super) fn end_subscriptions(&mut self, now: Now, retry_after: u32, out: &mut Outbox<Output>) {
        for key in self.subscriptions.keys() {
            self.terminate(now, key, &format!("reason=probation;retry-after={retry_after}"), None, out);
        }
    }

    pub(super) fn event_packages(&self) -> String {
        self.config.events.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

// What subscribers are told.
impl Endpoint {
    fn tell(&mut self, now: Now, key: SubscriptionKey, news: News, out: &mut Outbox<Output>) {
        if let Some(subscription) = self.subscriptions.at(key) {
            subscription.news = Some(news);
        }
        self.pump_notify(now, key, out);
    }

    /// Sends the NOTIFY that waits, if none is under way and the last one is long enough ago.
    fn pump_notify(&mut self, now: Now, key: SubscriptionKey, out: &mut Outbox<Output>) {
        let full = self.layer.is_full();
        let Some(subscription) = self.subscriptions.at(key).filter(|known| !known.notifying) else { return };
        let Some(news) = &subscription.news else { return };
        let due = subscription.last.filter(|_| !news.at_once).map(|last| last + NOTIFY_SPACING);
        let due = due.filter(|due| *due > now.instant).or_else(|| full.then(|| now.instant + NOTIFY_SPACING));
        if let Some(due) = due {
            return self.wakes.set((key, Wake::Notify), due);
        }
        let Some(News { body, .. }) = subscription.news.take() else { return };
        let (event, state, over) =
            (subscription.event.clone(), subscription.state(now.instant), subscription.ending.is_some());
        (subscription.notifying, subscription.last) = (true, Some(now.instant));
        let (hop, path) = (next_hop(&subscription.path, &subscription.dialog), subscription.path);
        let secure = subscription.dialog.secure;
        let via = self.via(hop.transport, path.local);
        let contact = self.contact(&path, secure);
        let Some(subscription) = self.subscriptions.at(key) else { return };
        let mut request = subscription.dialog.next(Method::Notify, &via);
        for (name, value) in [("Contact", &contact), ("Event", &event), ("Subscription-State", &state)] {
            request.headers.push(header(name, value));
        }
        request.headers.push(header("Allow-Events", &self.event_packages()));
        let purpose = if over { Purpose::Courtesy } else { Purpose::Notify(key) };
        self.send(now, purpose, hop, request, body, out);
        if over {
            self.unsubscribed(key, out);
        }
    }

    /// RFC 6665 §4.2.2: who refuses a NOTIFY in one of these ways, or says nothing to it, is no subscriber any more.
    pub(super) fn notified(
        &mut self,
        now: Now,
        key: SubscriptionKey,
        status: u16,
        response: Option<&Response>,
        out: &mut Outbox<Output>,
    ) {
        let Some(subscription) = self.subscriptions.at(key) else { return };
        subscription.notifying = false;
        match status {
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604 => self.unsubscribed(key, out),
            _ if response.is_none() => self.unsubscribed(key, out),
            _ => self.pump_notify(now, key, out),
        }
    }

    /// It is gone; nobody says more of it.
    fn unsubscribed(&mut self, key: SubscriptionKey, out: &mut Outbox<Output>) {
        if self.subscriptions.remove(key).is_some() {
            [Wake::Over, Wake::Notify].into_iter().for_each(|wake| self.wakes.clear((key, wake)));
            out.push(Output::Event(Event::Unsubscribed { subscription: key }));
        }
    }

    pub(super) fn wake(&mut self, now: Now, key: SubscriptionKey, wake: Wake, out: &mut Outbox<Output>) {
        let granted = self.subscriptions.at(key).is_some_and(|subscription| subscription.until.is_some());
        match wake {
            Wake::Notify => self.pump_notify(now, key, out),
            Wake::Over if granted => self.terminate(now, key, "reason=timeout", None, out),
            Wake::Over => self.decline(now, key, Reply::status(500), out),
        }
    }
}

/// For how long a subscription is wanted and granted: never longer than was asked for.
fn interval(request: &Request) -> Result<u32, Box<Reply>> {
    // RFC 3261 §20.19: what is no number counts as none.
    let asked = value(&request.headers, "Expires").and_then(|secs| secs.trim().parse::<u64>().ok());
    let secs = asked.map_or(SUBSCRIPTION_SECS, |secs| u32::try_from(secs).unwrap_or(u32::MAX));
    if (1..SUBSCRIPTION_SECS_MIN.min(BRIEF_SECS)).contains(&secs) {
        return Err(Box::new(Reply::status(423).with("Min-Expires", SUBSCRIPTION_SECS_MIN.to_string())));
    }
    Ok(secs.min(SUBSCRIPTION_SECS_MAX))
}
