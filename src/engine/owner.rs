//! A box without an application server: which one a call is for, and who may read it (RFC 5547 §10).
//!
//! Who has proven to be somebody is that one, wherever it calls from, and reads the box of its own name. Those who may
//! command us read everything; where trusted proxies say who calls, only if they have proven it by their password.

use percent_encoding::percent_decode_str;

use super::call::Access;
use super::core::Engine;
use super::description::Refusal;
use super::jobs::Errand;
use super::policy::Unattended;
use super::port::Output;
use super::service::parameter;
use crate::model::{ObjectUri, Outbox};
use crate::msrp::SessionKey;
use crate::sip::{CallKey, Opening, Target};
use crate::spool::Change;

/// Whom a call is for: the user of the Request-URI, or whom that is for where a service is called (RFC 4458 §2 `target`).
pub(super) fn called(invite: &Opening) -> String {
    let target = parameter(&invite.request_uri, "target").and_then(|target| {
        let uri = percent_decode_str(target).decode_utf8().ok()?;
        let (_, address) = uri.split_once(':')?;
        let user = address.split_once('@').map_or(address, |(user, _)| user);
        let user = user.split(';').next().filter(|user| !user.is_empty())?;
        Some(user.to_owned())
    });
    target.unwrap_or_else(|| invite.uri_user.clone())
}

/// The box of this user.
pub(super) fn box_of(user: &str) -> Option<ObjectUri> {
    let user = percent_decode_str(user).decode_utf8().ok()?;
    ObjectUri::mailbox(&user).ok()
}

/// The name of the user in this URI.
fn user_of(uri: &str) -> Option<String> {
    let (_, address) = uri.split_once(':')?;
    let (user, _) = address.split_once('@')?;
    percent_decode_str(user).decode_utf8().ok().map(|user| user.into_owned())
}

impl Engine {
    /// What whoever asks may read of the box of `user`, and hear of it.
    pub(super) fn access(&self, asker: &Opening, user: &str, trusted: bool) -> Access {
        let mailbox = box_of(user);
        let owns = |name: &str| mailbox.as_ref().is_some_and(|mailbox| mailbox.box_name() == name);
        let own = |is_own: bool| if is_own { Access::Own } else { Access::Nothing(403) };
        if let Some(name) = asker.user.as_ref().filter(|name| self.policy.owners.contains(*name)) {
            return own(owns(name));
        }
        if let Some(identity) = asker.asserted().filter(|_| trusted && !self.policy.owner_domains.is_empty()) {
            return own(self.local_user(&identity).is_some_and(|name| owns(&name)));
        }
        // Behind a proxy of ours everybody comes from a trusted address, also whom it knows nothing of.
        if trusted && (self.policy.owner_domains.is_empty() || asker.user.is_some()) {
            return Access::All;
        }
        if self.hosts.get(&asker.flow).into_iter().flatten().any(|host| owns(host)) {
            return Access::Own;
        }
        let known = asker.user.is_some();
        Access::Nothing(if self.policy.asks_who_owns() && !known { 401 } else { 403 })
    }

    /// Whether whoever calls has shown that it is whom `from` names, or who that is. A proxy that says who calls has to say
    /// it of this call, too; a user has shown its own name alone, and a certificate its host.
    pub(super) fn has_shown(&self, asker: &Opening, trusted: bool) -> bool {
        if trusted && asker.asserted().is_some() {
            return true;
        }
        let is_from = |name: &str| match self.policy.owner_domains.is_empty() {
            true => user_of(&asker.from).is_some_and(|user| user == name),
            false => self.local_user(&asker.from).is_some_and(|user| user == name),
        };
        if let Some(name) = asker.user.as_ref().filter(|name| self.policy.owners.contains(*name)) {
            return is_from(name);
        }
        if trusted && (self.policy.owner_domains.is_empty() || asker.user.is_some()) {
            return true;
        }
        let host = Target::of(&asker.from).map(|target| target.host);
        let certified =
            |name: &String| is_from(name) || host.as_ref().is_some_and(|host| host.eq_ignore_ascii_case(name));
        self.hosts.get(&asker.flow).into_iter().flatten().any(certified)
    }

    /// The name of an asserted user of ours (RFC 3325): of somebody else's users it says nothing.
    fn local_user(&self, identity: &str) -> Option<String> {
        let target = Target::of(identity)?;
        let ours = self.policy.owner_domains.iter().any(|domain| domain.has(&target.host));
        user_of(identity).filter(|_| ours)
    }

    /// Whether this call may read at all; whoever may not is told so before anybody looks whether there is something.
    pub(super) fn may_read(&self, key: CallKey) -> Result<(), Refusal> {
        match self.board.calls.get(&key).map(|call| call.access) {
            Some(Access::Nothing(status)) => Err(Refusal {
                status,
                warning: "a box is read by its owner, or on the word of who commands".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Where what this call brings is filed by itself, if it is.
    pub(super) fn unattended_box(&self, key: CallKey) -> Option<ObjectUri> {
        let files = self.policy.unattended == Unattended::Deposit && !self.is_backed_up();
        let call = self.board.calls.get(&key).filter(|_| files)?;
        box_of(&call.parties.user)
    }

    /// An owner has fetched what came out of this stream.
    pub(super) fn fetched(&mut self, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(object) = self.board.streams.get_mut(&session).and_then(|stream| stream.fetched.take()) else {
            return;
        };
        let ticket = self.errand(Errand::Read);
        out.push(Output::Change(ticket, object, Change::Read, "its owner".to_owned()));
    }
}
