//! WebSocket clients (RFC 7977): AUTH, and sessions that need no connecting.

use std::time::Duration;

use super::core::Engine;
use super::link::{Command, LinkId};
use super::port::Output;
use super::relays::Relay;
use crate::model::limits::{RELAY_URI_LIFE, RELAY_URI_LIVES};
use crate::model::{Now, Outbox};
use crate::msrp::{AuthAnswer, AuthId, AuthRequest, Carrier, MsrpUri, SessionKey, StatusCode};
use crate::sdp::Role;

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
        tracing::debug!(to = %request.to, from = %request.from, status = %answer.status, "AUTH");
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

    /// The session that a To-Path names. A WebSocket client sends through the relay URI that it has named in its own path
    /// (RFC 7977 §8.2.2), and nobody else through any.
    pub(super) fn session_at(&self, to_path: &[MsrpUri]) -> Option<SessionKey> {
        let (relay, uri) = to_path.split_at(to_path.len().saturating_sub(1));
        let session = self.board.by_path(uri)?;
        let stream = &self.board.streams[&session];
        let through = stream.relay.and_then(|_| stream.peer.path.first());
        let so_agreed = match relay {
            [] => through.is_none(),
            [relay] => through.is_some_and(|ours| ours.matches(relay)),
            _ => false,
        };
        so_agreed.then_some(session)
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
        let spec = stream.spec(session, self.policy.max_size, &self.policy.root_types());
        self.board.attach(session, link);
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
