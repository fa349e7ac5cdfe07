//! Requests that are sent again because their answer says how: with credentials, elsewhere, for a longer interval.

use rsip::{Header, Method, Request, Response};

use super::Endpoint;
use crate::model::digest_auth::{AuthenticationInfo, Challenge, Credentials, Use};
use crate::model::{Mint, Now, Outbox};
use crate::sip::build;
use crate::sip::call::{Call, Cancel, Proof};
use crate::sip::command::Output;
use crate::sip::flow::CallKey;
use crate::sip::layer::{ClientId, Hop, Outcome, Purpose};
use crate::sip::message::{self, cseq_number, header, method_name, value, values};

/// Proxies on the way that each want credentials of their own.
const REALMS_MAX: usize = 4;

/// How often one request is sent again because of what it was answered.
pub(super) const AGAIN_MAX: u8 = 4;

impl Endpoint {
    /// Sends the request of this outcome again, if there is a way that promises more; false if there is none.
    pub(super) fn again(
        &mut self,
        now: Now,
        (id, purpose): (ClientId, Purpose),
        outcome: &Outcome,
        out: &mut Outbox<Output>,
    ) -> bool {
        let Some(key) = super::outcomes::call_of(&purpose) else { return false };
        let given_up = |call: &Call| call.inviting.as_ref().is_some_and(|ours| ours.cancel != Cancel::Unwanted);
        if self.calls.get(&key).is_none_or(|call| call.again >= AGAIN_MAX || given_up(call)) {
            return false;
        }
        let response = if let Outcome::Response(response) = outcome { Some(&**response) } else { None };
        let changed = match (response.map_or(503, |response| response.status_code.code()), response) {
            (401 | 407, Some(response)) => self.with_credentials(key, id, response),
            (422, Some(response)) => self.with_longer_interval(key, id, response),
            (503, _) => return self.elsewhere(now, key, purpose, out), // as often as there are places
            _ => None,
        };
        let Some((mut request, hop)) = changed else { return false };
        self.renumber(key, &mut request);
        self.resend(now, key, purpose, hop, request, out);
        true
    }

    /// RFC 3261 §22.2, §22.3: the same request, and what answers each challenge in it. Only in calls of ours: the account
    /// is for whom we chose to call, and who has called us must not get its digest over a nonce of his choice.
    fn with_credentials(&mut self, key: CallKey, id: ClientId, response: &Response) -> Option<(Request, Hop)> {
        self.config.credentials.as_ref()?;
        let (mut request, hop) = self.layer.sent(id).map(|(request, hop)| (request.clone(), hop))?;
        let call = self.calls.get_mut(&key).filter(|call| call.caller)?;
        if !answers(call.proxied, &mut call.proofs, response) {
            return None;
        }
        request.headers.retain(|field| !matches!(field, Header::Authorization(_) | Header::ProxyAuthorization(_)));
        self.authorize(key, &mut request);
        Some((request, hop))
    }

    /// RFC 4028 §7.3: the peer wants to be refreshed less often.
    fn with_longer_interval(&mut self, key: CallKey, id: ClientId, response: &Response) -> Option<(Request, Hop)> {
        let (mut request, hop) = self.layer.sent(id).map(|(request, hop)| (request.clone(), hop))?;
        let least = super::session::seconds(&response.headers, "Min-SE")?;
        let asked = super::session::seconds(&request.headers, "Session-Expires")?;
        let longer = asked.max(least);
        if let Some(call) = self.calls.get_mut(&key) {
            call.min_se = call.min_se.max(Some(least));
        }
        let named = |field: &Header, name: &str| message::field(field).0.eq_ignore_ascii_case(name);
        request.headers.retain(|field| !named(field, "Session-Expires") && !named(field, "Min-SE"));
        request.headers.push(header("Session-Expires", &longer.to_string()));
        request.headers.push(header("Min-SE", &least.to_string()));
        Some((request, hop))
    }

    /// RFC 3263 §4.3: a place that is not there is followed by the next, in a transaction of its own.
    fn elsewhere(&mut self, now: Now, key: CallKey, purpose: Purpose, out: &mut Outbox<Output>) -> bool {
        if !matches!(purpose, Purpose::Invite(_)) {
            return false;
        }
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let Some((place, request)) = call.places.pop_front().zip(call.invite.as_deref().cloned()) else { return false };
        tracing::info!(transport = place.transport.name(), remote = %place.remote, "the next place is tried");
        let hop = Hop { flow: None, transport: place.transport, remote: place.remote };
        self.resend(now, key, purpose, hop, request, out);
        if let Some(call) = self.calls.get_mut(&key) {
            (call.path.flow, call.path.transport, call.path.remote) = (None, place.transport, place.remote);
        }
        true
    }

    /// In a transaction of its own (RFC 3261 §8.1.3.5).
    fn resend(
        &mut self,
        now: Now,
        key: CallKey,
        purpose: Purpose,
        hop: Hop,
        mut request: Request,
        out: &mut Outbox<Output>,
    ) {
        let local = self.calls.get(&key).and_then(|call| call.path.local);
        let via = self.via(hop.transport, local);
        build::replace_via(&mut request, &via);
        let seq = cseq_number(&request.headers);
        let id = self.begin(now, purpose, hop, request.clone(), out);
        let Some(call) = self.calls.get_mut(&key) else { return };
        if let Some(inviting) = call.inviting.as_mut().filter(|_| request.method == Method::Invite) {
            (inviting.id, inviting.seq) = (id, seq);
        }
        if matches!(purpose, Purpose::Invite(_)) {
            call.invite = Some(Box::new(request));
        }
    }

    /// RFC 3261 §8.1.3.5: what comes again comes as a new request.
    fn renumber(&mut self, key: CallKey, request: &mut Request) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.again += 1;
        let number = call.dialog.count();
        request.headers.retain(|field| !matches!(field, Header::CSeq(_)));
        request.headers.push(header("CSeq", &format!("{number} {}", method_name(request.method))));
    }

    /// RFC 3261 §22.2: what was asked for in this call once is given unasked from then on.
    pub(super) fn authorize(&mut self, key: CallKey, request: &mut Request) {
        let Some(credentials) = &self.config.credentials else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        prove(credentials, &mut self.mint, &mut call.proofs, request);
    }

    /// RFC 7616 §3.5: the nonce that the other side wants to see next.
    pub(super) fn next_nonce(&mut self, key: CallKey, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        for (name, proxy) in [("Authentication-Info", false), ("Proxy-Authentication-Info", true)] {
            let info = value(&response.headers, name).map(AuthenticationInfo::parse);
            let Some(nonce) = info.and_then(|info| info.nextnonce) else { continue };
            let mut of_side = call.proofs.iter_mut().filter(|proof| proof.proxy == proxy);
            // Whose it is is not said: with several it stays as it is, and is replaced when it is stale.
            if let (Some(proof), None) = (of_side.next(), of_side.next()) {
                (proof.challenge.nonce, proof.count) = (nonce, 0);
            }
        }
    }

    /// RFC 3261 §13.2.2.4: the ACK to a 2xx has the credentials of its INVITE, which nobody could ask it for.
    pub(super) fn credentials_of(&self, key: CallKey) -> Vec<Header> {
        let invite = self.calls.get(&key).and_then(|call| call.invite.as_ref());
        let is = |field: &&Header| matches!(field, Header::Authorization(_) | Header::ProxyAuthorization(_));
        invite.map(|invite| invite.headers.iter().filter(is).cloned().collect()).unwrap_or_default()
    }
}

/// Letters of a client nonce: 130 random bits (RFC 7616 §5.12 wants chosen plaintext to be out of reach).
const CNONCE_LETTERS: usize = 22;

impl Proof {
    /// RFC 7616 §3.3: the same credentials would be refused again, unless the nonce alone was too old. Anybody behind the
    /// proxy can say so in its name: once for each request that goes well, and in no weaker way than before (§5.8).
    fn may_become(&self, challenge: &Challenge) -> bool {
        let as_good = challenge.algorithm() >= self.challenge.algorithm() && challenge.qop >= self.challenge.qop;
        challenge.stale && as_good && !self.renewed
    }
}

/// Puts what answers every known challenge into a request.
pub(super) fn prove(credentials: &Credentials, mint: &mut Mint, proofs: &mut [Proof], request: &mut Request) {
    let (method, uri) = (method_name(request.method), request.uri.to_string());
    for proof in proofs {
        proof.count += 1;
        let cnonce = mint.token(CNONCE_LETTERS);
        let use_ = Use { method, uri: &uri, cnonce: &cnonce, count: proof.count };
        let name = if proof.proxy { "Proxy-Authorization" } else { "Authorization" };
        request.headers.push(header(name, &proof.challenge.authorization(credentials, &use_)));
    }
}

/// Whether what a response asks for can be answered the next time.
pub(super) fn answers(proxied: bool, proofs: &mut Vec<Proof>, response: &Response) -> bool {
    match (proxied, response.status_code.code()) {
        (false, _) => learn(proofs, response, REALMS_MAX),
        // Our proxy is the first that can ask; what anybody behind it asks for is not its account.
        (true, 407) => learn(proofs, response, 1),
        (true, _) => false,
    }
}

/// Notes every challenge of a response; false if the credentials were refused, or there is none that can be answered.
fn learn(proofs: &mut Vec<Proof>, response: &Response, realms_max: usize) -> bool {
    let mut learned = false;
    for (name, proxy) in [("WWW-Authenticate", false), ("Proxy-Authenticate", true)] {
        let mut realms = Vec::new();
        // RFC 8760 §2.4: of each realm's challenges the topmost that we understand.
        for challenge in values(&response.headers, name).filter_map(|value| Challenge::parse(value).ok()) {
            if realms.contains(&challenge.realm) {
                continue;
            }
            realms.push(challenge.realm.clone());
            let same = |proof: &Proof| proof.proxy == proxy && proof.challenge.realm == challenge.realm;
            let known = proofs.iter().position(same);
            match known {
                Some(at) if !proofs[at].may_become(&challenge) => return false,
                Some(at) => proofs[at] = Proof { proxy, challenge, count: 0, renewed: true },
                None if proofs.len() >= realms_max => return false,
                None => proofs.push(Proof { proxy, challenge, count: 0, renewed: false }),
            }
            learned = true;
        }
    }
    learned
}
