//! Single messages of ours (RFC 3428), as notifications are sent: a way is found as for a call (RFC 3263), and each is
//! answered for once.

use std::time::Duration;

use super::core::Engine;
use super::jobs::Errand;
use super::port::{Output, Page, PageEnd};
use crate::model::{Now, Outbox};
use crate::sip::{self, Body, Place};

/// Silence, as the endpoint words it.
const NO_ANSWER: u16 = 408;

impl Engine {
    /// Sends a message to somebody whom `policy.forward` has.
    pub(super) fn page(&mut self, number: u64, page: Page, out: &mut Outbox<Output>) {
        if !self.may_forward(&page.to) {
            return out.push(Output::Paged(number, PageEnd::NotAllowed));
        }
        match self.next_hop(&page.to) {
            Ok(target) => {
                let ticket = self.errand(Errand::Page(number));
                self.pages.insert(number, page);
                out.push(Output::Locate(ticket, target));
            }
            Err(why) => out.push(Output::Paged(number, PageEnd::Unreachable(why))),
        }
    }

    /// Where it goes is known, or that it leads nowhere.
    pub(super) fn page_located(
        &mut self,
        now: Now,
        number: u64,
        places: Result<Vec<Place>, String>,
        out: &mut Outbox<Output>,
    ) {
        let Some(Page { to, content_type, octets }) = self.pages.remove(&number) else { return };
        let places = match places {
            Ok(places) if !places.is_empty() => places,
            Ok(_) => {
                let nowhere = "its name leads nowhere".to_owned();
                return out.push(Output::Paged(number, PageEnd::Unreachable(nowhere)));
            }
            Err(why) => return out.push(Output::Paged(number, PageEnd::Unreachable(why))),
        };
        let message = sip::Command::Message {
            token: number,
            target: to.clone(),
            from: self.policy.outbound.from.clone(),
            to,
            route: self.policy.outbound.proxy.clone(),
            places,
            body: Body::new(&content_type, octets),
            headers: Vec::new(),
        };
        self.command(now, message, out);
    }

    pub(super) fn page_answered(
        &self,
        number: u64,
        status: u16,
        silent: bool,
        retry_after: Option<u32>,
        out: &mut Outbox<Output>,
    ) {
        let end = match status {
            NO_ANSWER if silent => PageEnd::Unreachable("nobody answered in time".to_owned()),
            _ if silent => PageEnd::Unreachable("nothing there takes the message".to_owned()),
            _ => PageEnd::Answered(status, retry_after.map(|secs| Duration::from_secs(secs.into()))),
        };
        out.push(Output::Paged(number, end));
    }
}
