//! WebSocket clients (RFC 7977): the relay URIs they get from us by AUTH, and the links these lead to.

use std::collections::HashMap;
use std::time::Duration;

use super::core::Engine;
use super::link::{Command, LinkId};
use super::port::Output;
use crate::model::limits::{RELAY_URI_LIFE, RELAY_URI_LIVES, RELAY_URIS, RELAY_URIS_PER_CONNECTION};
use crate::model::{Instant, Now, Outbox};
use crate::msrp::{AuthAnswer, AuthId, AuthRequest, Carrier, MsrpUri, SessionKey, StatusCode};
use crate::sdp::Role;

/// A URI at which the sessions of one WebSocket client are reached.
#[derive(Debug)]
struct Relay {
    uri: MsrpUri,
    link: LinkId,
    until: Instant,
}

/// Every relay URI given out, by its session id.
#[derive(Debug, Default)]
pub(super) struct Relays {
    by_id: HashMap<String, Relay>,
    by_link: HashMap<LinkId, Vec<String>>,
}

impl Relays {
    /// The link that a peer's path leads to: the relay URI, then the client's own.
    pub(super) fn link(&self, path: &[MsrpUri]) -> Option<LinkId> {
        self.find(path).map(|relay| relay.link)
    }

    /// The same for a session that begins now: an expired URI leads nowhere new. RFC 4976 §6.3: what was agreed before
    /// goes on, for the hop behind the URI is we ourselves.
    pub(super) fn live_link(&self, now: Now, path: &[MsrpUri]) -> Option<LinkId> {
        self.find(path).filter(|relay| relay.until > now.instant).map(|relay| relay.link)
    }

    fn find(&self, path: &[MsrpUri]) -> Option<&Relay> {
        let [first, _] = path else { return None };
        let relay = self.by_id.get(first.session_id.as_ref()?)?;
        relay.uri.matches(first).then_some(relay)
    }

    /// Notes a URI, if there is room. Expired ones make way.
    fn add(&mut self, now: Now, relay: Relay) -> Result<(), &'static str> {
        let of_link = self.by_link.entry(relay.link).or_default();
        if of_link.len() >= RELAY_URIS_PER_CONNECTION {
            let by_id = &mut self.by_id;
            of_link.retain(|id| by_id.get(id).is_some_and(|relay| relay.until > now.instant));
            by_id.retain(|_, other| other.link != relay.link || other.until > now.instant);
        }
        if of_link.len() >= RELAY_URIS_PER_CONNECTION {
            return Err("the connection has too many relay URIs");
        }
        if self.by_id.len() >= RELAY_URIS {
            return Err("too many relay URIs are given out");
        }
        let Some(id) = relay.uri.session_id.clone() else { return Err("a relay URI has a session id") };
        of_link.push(id.clone());
        self.by_id.insert(id, relay);
        Ok(())
    }

    /// RFC 4976 §6.3: the URI is of no use once its connection has gone.
    pub(super) fn forget(&mut self, link: LinkId) {
        for id in self.by_link.remove(&link).unwrap_or_default() {
            self.by_id.remove(&id);
        }
    }
}

impl Engine {
    /// A WebSocket client asks for a URI at which it can be reached.
    pub(super) fn auth(
        &mut self,
        now: Now,
        link: LinkId,
        auth: AuthId,
        request: &AuthRequest,
        out: &mut Outbox<Output>,
    ) {
        let answer = match expiry(request.expires.as_deref()) {
            Ok(life) => self.grant_relay(now, link, life),
            Err(answer) => answer,
        };
        tracing::debug!(from = %request.from, status = %answer.status, "AUTH");
        out.push(Output::Link(link, Command::Auth(auth, answer)));
    }

    fn grant_relay(&mut self, now: Now, link: LinkId, life: Duration) -> AuthAnswer {
        let uri = self.relay_side_uri(link);
        let until = now.instant + life;
        if let Err(why) = self.relays.add(now, Relay { uri: uri.clone(), link, until }) {
            tracing::warn!(link = link.0, why, "AUTH refused: 403");
            return AuthAnswer { status: StatusCode::FORBIDDEN, headers: Vec::new(), until: None };
        }
        let headers = vec![("Use-Path", uri.to_string()), ("Expires", life.as_secs().to_string())];
        AuthAnswer { status: StatusCode::OK, headers, until: Some(until) }
    }

    /// A fresh URI of ours behind or at the relay of this WebSocket. RFC 7977 §8.1.1: only between the relay and its
    /// client there is `ws`.
    pub(super) fn relay_side_uri(&mut self, link: LinkId) -> MsrpUri {
        let carrier = self.bearers.get(&link).map(|bearer| bearer.carrier);
        MsrpUri { transport: "tcp".to_owned(), ..self.mint_uri(carrier) }
    }

    /// RFC 7977 §5.1: nobody connects to a WebSocket client. Its WebSocket is there already, or it will open one.
    pub(super) fn can_meet(&self, role: Role, path: &[MsrpUri]) -> bool {
        let Some(carrier) = path.first().and_then(Carrier::of).filter(|carrier| carrier.is_websocket()) else {
            return true;
        };
        role == Role::Passive && self.policy.doors.find(carrier).is_some()
    }

    /// The link over which the peer of this stream is reached without connecting, if there is one.
    pub(super) fn bind_websocket(&mut self, now: Now, session: SessionKey, link: LinkId, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get_mut(&session) else { return };
        if self.relays.link(&stream.peer.path) != Some(link) {
            tracing::warn!(session = session.0, "the WebSocket of the peer's relay URI has gone");
            return self.no_connection(now, session, out);
        }
        stream.link = Some(link);
        let spec = stream.spec(session, self.policy.max_size, &self.policy.accept_types);
        out.push(Output::Link(link, Command::Bind(spec)));
        self.start_sending(now, session, out);
    }
}

/// RFC 4976 §6.3: the life a client wishes for is given to it or refused, never changed.
fn expiry(wish: Option<&str>) -> Result<Duration, AuthAnswer> {
    let refused = |status, headers| AuthAnswer { status, headers, until: None };
    let Some(wish) = wish else { return Ok(RELAY_URI_LIFE) };
    let Some(seconds) = wish.bytes().all(|octet| octet.is_ascii_digit()).then(|| wish.parse().ok()).flatten() else {
        return Err(refused(StatusCode::BAD_REQUEST, Vec::new()));
    };
    if seconds < *RELAY_URI_LIVES.start() {
        let least = RELAY_URI_LIVES.start().to_string();
        return Err(refused(StatusCode::OUT_OF_BOUNDS, vec![("Min-Expires", least)]));
    }
    if seconds > *RELAY_URI_LIVES.end() {
        let most = RELAY_URI_LIVES.end().to_string();
        return Err(refused(StatusCode::OUT_OF_BOUNDS, vec![("Max-Expires", most)]));
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(link: u64, id: &str, until: Instant) -> Relay {
        Relay { uri: MsrpUri::session(true, "store.example.org", 443, id.to_owned()), link: LinkId(link), until }
    }

    fn path(id: &str) -> Vec<MsrpUri> {
        MsrpUri::parse_path(&format!("msrps://store.example.org:443/{id};tcp msrps://k3v.invalid:1/page;ws"))
            .expect("a path")
    }

    #[test]
    fn a_relay_uri_leads_to_its_websocket_until_it_expires_for_new_sessions_or_the_websocket_has_gone() {
        let now = Now::default();
        let later = Now { instant: now.instant + Duration::from_secs(60), ..now };
        let mut relays = Relays::default();
        relays.add(now, relay(1, "one", later.instant)).expect("room");
        relays.add(now, relay(2, "two", later.instant + Duration::from_secs(1))).expect("room");
        assert_eq!(
            (relays.live_link(now, &path("one")), relays.live_link(later, &path("one"))),
            (Some(LinkId(1)), None)
        );
        assert_eq!((relays.link(&path("one")), relays.link(&path("three"))), (Some(LinkId(1)), None));
        assert_eq!(relays.link(&path("one")[..1]), None, "a relay alone is no peer");
        relays.forget(LinkId(1));
        assert_eq!((relays.link(&path("one")), relays.live_link(later, &path("two"))), (None, Some(LinkId(2))));
    }

    #[test]
    fn expired_uris_make_way_and_live_ones_do_not() {
        let now = Now::default();
        let late = |seconds| now.instant + Duration::from_secs(seconds);
        let mut relays = Relays::default();
        for number in 0..RELAY_URIS_PER_CONNECTION {
            relays.add(now, relay(1, &format!("r{number}"), late(60 + number as u64))).expect("room");
        }
        assert!(relays.add(now, relay(1, "more", late(60))).is_err());
        let later = Now { instant: late(60), ..now };
        relays.add(later, relay(1, "more", late(90))).expect("the first has expired");
        assert_eq!((relays.link(&path("r0")), relays.link(&path("r1"))), (None, Some(LinkId(1))));
    }
}
