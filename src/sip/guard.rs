//! Who a request is from, if it proves it: the server's half of digest authentication (RFC 3261 §22, 7616, 8760).
//!
//! Nobody is challenged here of its own accord: the owner says 401, and the endpoint adds what it takes to come back with
//! credentials. Credentials that are there are looked at before anybody hears of the request.

use std::collections::VecDeque;
use std::time::Duration;

use rsip::{Param, Request, Uri};

use super::address::{self, uri_param};
use super::message::{method_name, values};
use crate::model::digest_auth::{Answer, Credentials};
use crate::model::{Instant, Mint};

/// How long a nonce is good: long enough for a call to be set up, short enough to be of no use to who finds it in a log.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Nonces remembered, about 100 octets each; the oldest is forgotten first, and whoever has it is given another.
const NONCES_MAX: usize = 4096;

/// Letters of a nonce: 130 random bits.
const NONCE_LETTERS: usize = 22;

/// What a request has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It has no credentials for our realm.
    None,
    /// It is from this user.
    User(String),
    /// They are wrong; or, `stale`, right and only too old.
    Refused {
        /// The nonce is to blame.
        stale: bool,
    },
    /// They are right, for another request than this.
    Astray,
}

/// Those who are known, and the nonces that they were given.
#[derive(Debug)]
pub(super) struct Guard {
    realm: String,
    users: Vec<Credentials>,
    mint: Mint,
    /// The oldest first.
    nonces: VecDeque<Nonce>,
}

#[derive(Debug)]
struct Nonce {
    text: String,
    since: Instant,
    /// The highest count that it was used with.
    count: u32,
}

impl Guard {
    pub(super) const fn new(realm: String, users: Vec<Credentials>, mint: Mint) -> Self {
        Self { realm, users, mint, nonces: VecDeque::new() }
    }

    /// What a 401 says: one challenge for each algorithm, the one we like best first (RFC 8760 §2.4).
    pub(super) fn challenge(&mut self, now: Instant, stale: bool) -> Vec<(String, String)> {
        let text = self.mint.token(NONCE_LETTERS);
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.pop_front();
        }
        self.nonces.push_back(Nonce { text: text.clone(), since: now, count: 0 });
        let realm = self.realm.replace(['"', '\\'], "'");
        let stale = if stale { ", stale=true" } else { "" };
        ["SHA-256", "MD5"]
            .map(|algorithm| {
                let value =
                    format!("Digest realm=\"{realm}\", nonce=\"{text}\", algorithm={algorithm}, qop=\"auth\"{stale}");
                ("WWW-Authenticate".to_owned(), value)
            })
            .to_vec()
    }

    /// What a request proves. A count that a nonce was used with is used up (RFC 7616 §3.4: replays).
    pub(super) fn check(&mut self, now: Instant, request: &Request) -> Proof {
        let answers = values(&request.headers, "Authorization").filter_map(Answer::parse);
        let Some(answer) = { answers }.find(|answer| answer.realm == self.realm) else { return Proof::None };
        // RFC 7616 §3.3: without qop there is no count, and nothing to know a replay by.
        let Some((algorithm, count)) = answer.algorithm.zip(answer.count.filter(|_| answer.is_auth)) else {
            return Proof::Refused { stale: false };
        };
        let known = self.users.iter().find(|user| user.user == answer.user);
        // Whether there is such a user must not show in the time that it takes.
        let nobody = Credentials { user: answer.user.clone(), password: String::new() };
        let right = answer.is_of(known.unwrap_or(&nobody), algorithm, method_name(request.method));
        if !right || known.is_none() {
            return Proof::Refused { stale: false };
        }
        if !is_for(&answer.uri, &request.uri) {
            return Proof::Astray;
        }
        self.nonces.retain(|nonce| now.since(nonce.since) < NONCE_LIFE);
        match self.nonces.iter_mut().find(|nonce| nonce.text == answer.nonce) {
            Some(nonce) if count > nonce.count => {
                nonce.count = count;
                Proof::User(answer.user)
            }
            _ => Proof::Refused { stale: true },
        }
    }
}

/// RFC 7616 §3.4.6: whether the URI that was proven names what the request is for. RFC 3261 §22.4: a proxy on the way may
/// have written another scheme, host, port or transport; user and parameters say what is wanted here, and a parameter that
/// one of both lacks is passed over (RFC 3261 §19.1.4).
fn is_for(proven: &str, wanted: &Uri) -> bool {
    let Ok(proven) = address::uri(proven) else { return false };
    let same = |param: &Param| match param {
        Param::Other(name, _) if !name.value().eq_ignore_ascii_case("transport") => {
            let values = uri_param(&proven, name.value()).zip(uri_param(wanted, name.value()));
            values.is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
        }
        _ => true,
    };
    proven.user() == wanted.user() && proven.params.iter().all(same)
}

impl Proof {
    /// The user, if it is one.
    pub(super) fn user(self) -> Option<String> {
        if let Self::User(user) = self { Some(user) } else { None }
    }
}
