//! MESSAGE outside of calls (RFC 3428): ours alone, a peer's gets 405.

use std::collections::VecDeque;

use rsip::{Method, Response};

use super::again::{AGAIN_MAX, answers, prove};
use super::sending::{bracketed, loose};
use super::{Endpoint, TOKEN_LETTERS};
use crate::model::{Now, Outbox};
use crate::sip::address;
use crate::sip::build::{self, Outline};
use crate::sip::command::{Command, Output};
use crate::sip::event::Event;
use crate::sip::layer::{Hop, Outcome, Purpose};
use crate::sip::message::{header, retry_after};
use crate::sip::page::Page;

impl Endpoint {
    /// A MESSAGE of the owner's.
    pub(super) fn page(&mut self, now: Now, command: Command, out: &mut Outbox<Output>) {
        let Command::Message { token, target, from, to, route, places, body, headers } = command else { return };
        let mut places = VecDeque::from(places);
        let Ok(uri) = address::uri(&target) else { return answered(token, 416, None, out) };
        let Some(place) = places.pop_front().filter(|_| !self.layer.is_full() && !self.pages.contains_key(&token))
        else {
            return answered(token, 503, None, out);
        };
        let tag = self.mint.token(TOKEN_LETTERS);
        let page = Page {
            uri,
            from: format!("{};tag={tag}", bracketed(&from)),
            to: bracketed(&to),
            call_id: self.mint.token(TOKEN_LETTERS),
            seq: 0,
            route,
            headers,
            body,
            place,
            places,
            proofs: Vec::new(),
            again: 0,
        };
        self.pages.insert(token, page);
        self.send_page(now, token, out);
    }

    /// RFC 3261 §8.1.3.5: each try is a request of its own, and the same message.
    fn send_page(&mut self, now: Now, token: u64, out: &mut Outbox<Output>) {
        let Some(place) = self.pages.get(&token).map(|page| page.place) else { return };
        let via = self.via(place.transport, None);
        let Some(page) = self.pages.get_mut(&token) else { return };
        page.seq += 1;
        let outline = Outline {
            method: Method::Message,
            uri: page.uri.clone(),
            via: &via,
            from: &page.from,
            to: &page.to,
            call_id: &page.call_id,
            seq: page.seq,
        };
        let mut request = build::request(outline);
        page.route.iter().for_each(|route| request.headers.push(header("Route", &loose(route))));
        page.headers.iter().for_each(|(name, value)| request.headers.push(header(name, value)));
        if let Some(credentials) = &self.config.credentials {
            prove(credentials, &mut self.mint, &mut page.proofs, &mut request);
        }
        let body = page.body.clone();
        let hop = Hop { flow: None, transport: place.transport, remote: place.remote };
        self.send(now, Purpose::Message(token), hop, request, Some(body), out);
    }

    /// What has become of it: it is tried again with credentials, or elsewhere, or this is its end.
    pub(super) fn page_outcome(&mut self, now: Now, token: u64, outcome: &Outcome, out: &mut Outbox<Output>) {
        let response = if let Outcome::Response(response) = outcome { Some(&**response) } else { None };
        let status = match (outcome, response) {
            (_, Some(response)) => response.status_code.code(),
            (Outcome::Timeout, _) => 408,
            _ => 503,
        };
        if status < 200 {
            return;
        }
        let knows_us = self.config.credentials.is_some();
        let Some(page) = self.pages.get_mut(&token) else { return };
        let again = match response {
            Some(response) if matches!(status, 401 | 407) && knows_us && page.again < AGAIN_MAX => {
                page.again += 1;
                answers(page.route.is_some(), &mut page.proofs, response)
            }
            _ => page.goes_elsewhere(status, response),
        };
        if again {
            return self.send_page(now, token, out);
        }
        self.pages.remove(&token);
        answered(token, status, response, out);
    }
}

fn answered(token: u64, status: u16, response: Option<&Response>, out: &mut Outbox<Output>) {
    let retry_after = response.and_then(|response| retry_after(&response.headers));
    out.push(Output::Event(Event::MessageAnswered { token, status, silent: response.is_none(), retry_after }));
}
