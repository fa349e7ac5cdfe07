//! A relay's client (RFC 4976 §5.1): AUTH to each relay in turn, until a path through all of them is ours.

use std::time::Duration;

use crate::model::Mint;
use crate::model::digest_auth::{AuthenticationInfo, Challenge, ChallengeFault, Credentials, Use};
use crate::model::limits::{MSRP_AUTH_TRIES, MSRP_PATH_URIS};

use super::frame::StatusCode;
use super::uri::{MsrpUri, MsrpUriError};

const METHOD: &str = "AUTH";

/// Letters of a cnonce: 130 random bits.
const CNONCE_LETTERS: usize = 22;

/// The relays that work for us, and who we are to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAccount {
    /// Inner relay first: we connect to it, and each of the others is reached through those before it.
    pub relays: Vec<MsrpUri>,
    /// Name and password.
    pub credentials: Credentials,
    /// How long we wish a path to be valid; the relay's own choice if unset.
    pub expires: Option<Duration>,
}

/// One AUTH to be sent to the first relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAsk {
    /// The way to the relay that is asked.
    pub to_path: Vec<MsrpUri>,
    /// The session the path shall be for: our own URI.
    pub from_path: MsrpUri,
    /// `Authorization` and `Expires`.
    pub headers: Vec<(String, String)>,
}

/// A way through the relays, for one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsePath {
    /// Our own URI, for which it was asked.
    pub local: MsrpUri,
    /// In the order of a To-Path: our own relay first.
    pub uris: Vec<MsrpUri>,
    /// How long it is valid, if the relays said so.
    pub lifetime: Option<Duration>,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// Send this.
    Ask(RelayAsk),
    /// The path is ours.
    Done(UsePath),
    /// There will be none.
    Failed(AuthFailure),
}

/// Why a relay does not work for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// The relay does not take our name and password.
    #[error("the relay refuses our credentials")]
    Refused,
    /// Its challenge can't be answered.
    #[error("the relay's challenge cannot be answered: {0}")]
    Challenge(#[from] ChallengeFault),
    /// It answered 423 and nothing that helps, or asked again and again.
    #[error("the relay and we do not agree after {MSRP_AUTH_TRIES} requests")]
    TooManyTries,
    /// Another status.
    #[error("the relay answers {0}")]
    Status(StatusCode),
    /// It has let us in without a usable `Use-Path`.
    #[error("the relay gives no usable path: {0}")]
    UsePath(#[from] UsePathFault),
    /// Its own proof is wrong: it does not know our password (RFC 4976 §9.4).
    #[error("the relay does not prove that it knows the password")]
    Impostor,
}

/// What is wrong with a `Use-Path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsePathFault {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Its URIs can't be read.
    #[error("{0}")]
    Uri(#[from] MsrpUriError),
    /// RFC 4976 §4.2: every URI has a port.
    #[error("a URI has no port")]
    NoPort,
    /// RFC 4976 §4.2: every URI has a domain name. Kamailio's relay needs `use_path_addr` for that.
    #[error("a URI has an address instead of a name")]
    Numeric,
}

/// A challenge that was answered before, and how often its nonce has been used.
#[derive(Clone, Debug)]
struct Key {
    challenge: Challenge,
    count: u32,
}

/// A path on its way to be ours.
#[derive(Debug)]
struct Run {
    local: MsrpUri,
    /// Which relay is asked.
    stage: usize,
    /// The way through the relays before it.
    path: Vec<MsrpUri>,
    lifetime: Option<Duration>,
    expires: Option<u64>,
    /// Requests sent to this relay.
    tries: usize,
    /// The last one answered a challenge of this run: another refusal is final.
    answered: bool,
    /// cnonce of the last request, if it had credentials.
    cnonce: Option<String>,
}

/// Makes the AUTHs for one session after the other: they are never pipelined (RFC 4976 §9.1).
#[derive(Debug)]
pub struct Authenticator {
    account: RelayAccount,
    mint: Mint,
    /// RFC 4976 §9.1: what protects is realm and authority, so each relay has its own and all sessions share it.
    keys: Vec<Option<Key>>,
    run: Option<Run>,
}

impl Authenticator {
    /// One for this account; its random texts come from `mint`.
    pub fn new(account: RelayAccount, mint: Mint) -> Self {
        Self { keys: vec![None; account.relays.len()], account, mint, run: None }
    }

    /// The relay to connect to. RFC 4976 §5.1: the first one leads to all others.
    pub fn first(&self) -> Option<&MsrpUri> {
        self.account.relays.first()
    }

    /// Begins to get a path for the session of this URI of ours. An unfinished one is given up.
    pub fn begin(&mut self, local: MsrpUri) -> RelayAsk {
        let expires = self.account.expires.map(|wish| wish.as_secs());
        let run =
            Run { local, stage: 0, path: Vec::new(), lifetime: None, expires, tries: 0, answered: false, cnonce: None };
        self.ask(run)
    }

    /// The connection is gone, and with it whatever was asked on it.
    pub fn abandon(&mut self) {
        self.run = None;
    }

    /// The answer to the last request.
    pub fn answer(&mut self, status: StatusCode, headers: &[(String, String)]) -> AuthStep {
        let Some(run) = self.run.take() else { return AuthStep::Failed(AuthFailure::Status(status)) };
        let next = match status {
            StatusCode::UNAUTHORIZED => self.challenged(run, headers),
            StatusCode::OUT_OF_BOUNDS => another_expiry(run, headers),
            _ if status.is_success() => return self.let_in(run, headers),
            _ => Err(AuthFailure::Status(status)),
        };
        match next {
            Ok(run) if run.tries >= MSRP_AUTH_TRIES => AuthStep::Failed(AuthFailure::TooManyTries),
            Ok(run) => AuthStep::Ask(self.ask(run)),
            Err(failure) => AuthStep::Failed(failure),
        }
    }

    fn ask(&mut self, mut run: Run) -> RelayAsk {
        let relay = &self.account.relays[run.stage];
        let mut headers = Vec::new();
        run.tries += 1;
        run.cnonce = None;
        if let Some(key) = &mut self.keys[run.stage] {
            let cnonce = self.mint.token(CNONCE_LETTERS);
            key.count = key.count.saturating_add(1);
            // RFC 4976 §9.1: the digest is over the rightmost URI of the To-Path.
            let uri = relay.to_string();
            let use_ = Use { method: METHOD, uri: &uri, cnonce: &cnonce, count: key.count };
            headers.push(("Authorization".to_owned(), key.challenge.authorization(&self.account.credentials, &use_)));
            run.cnonce = Some(cnonce);
        }
        headers.extend(run.expires.map(|secs| ("Expires".to_owned(), secs.to_string())));
        let to_path = run.path.iter().chain([relay]).cloned().collect();
        let from_path = run.local.clone();
        self.run = Some(run);
        RelayAsk { to_path, from_path, headers }
    }

    /// RFC 4976 §10.3: a 401 asks for credentials, or says that the nonce was too old, or that they are wrong.
    fn challenged(&mut self, mut run: Run, headers: &[(String, String)]) -> Result<Run, AuthFailure> {
        // RFC 4976 §9.1: here `qop` always is `auth`, said or not.
        let challenge = Challenge { qop: true, ..Challenge::choose(values(headers, "WWW-Authenticate"))? };
        if run.answered && !challenge.stale {
            self.keys[run.stage] = None;
            return Err(AuthFailure::Refused);
        }
        run.answered = true;
        self.keys[run.stage] = Some(Key { challenge, count: 0 });
        Ok(run)
    }

    fn let_in(&mut self, mut run: Run, headers: &[(String, String)]) -> AuthStep {
        if let Err(failure) = self.check_relay(&run, headers) {
            return AuthStep::Failed(failure);
        }
        match use_path(headers) {
            Ok(path) => run.path = path,
            Err(fault) => return AuthStep::Failed(fault.into()),
        }
        // RFC 4976 §5.1: each relay has an expiry of its own, and the path is as good as its worst part.
        let lifetime = seconds(headers, "Expires").or(run.expires).map(Duration::from_secs);
        run.lifetime = [run.lifetime, lifetime].into_iter().flatten().min();
        run.stage += 1;
        if run.stage < self.account.relays.len() {
            (run.tries, run.answered) = (0, false);
            return AuthStep::Ask(self.ask(run));
        }
        AuthStep::Done(UsePath { local: run.local, uris: run.path, lifetime: run.lifetime })
    }

    /// Whether a relay that proves itself does it right; and what its next challenge would be.
    fn check_relay(&mut self, run: &Run, headers: &[(String, String)]) -> Result<(), AuthFailure> {
        let (Some(key), Some(cnonce)) = (&mut self.keys[run.stage], &run.cnonce) else { return Ok(()) };
        let mut infos = values(headers, "Authentication-Info");
        let info = infos.next().map(AuthenticationInfo::parse).unwrap_or_default();
        let uri = self.account.relays[run.stage].to_string();
        let use_ = Use { method: METHOD, uri: &uri, cnonce, count: key.count };
        let right = key.challenge.response_proof(&self.account.credentials, &use_);
        if info.rspauth.is_some_and(|proof| proof != right) {
            self.keys[run.stage] = None;
            return Err(AuthFailure::Impostor);
        }
        if let Some(nonce) = info.nextnonce {
            key.challenge.nonce = nonce;
            key.count = 0;
        }
        Ok(())
    }
}

/// RFC 4976 §4.6: a 423 says how short or long a time would have been taken.
fn another_expiry(mut run: Run, headers: &[(String, String)]) -> Result<Run, AuthFailure> {
    let before = run.expires;
    let bound = |name: &str| seconds(headers, name);
    run.expires = match (bound("Min-Expires"), bound("Max-Expires")) {
        (Some(least), most) if before.unwrap_or(0) < least => Some(most.map_or(least, |most| least.min(most))),
        (_, Some(most)) if before.is_none_or(|asked| asked > most) => Some(most),
        _ => return Err(AuthFailure::Status(StatusCode::OUT_OF_BOUNDS)),
    };
    Ok(run)
}

fn use_path(headers: &[(String, String)]) -> Result<Vec<MsrpUri>, UsePathFault> {
    let text = values(headers, "Use-Path").next().ok_or(UsePathFault::Missing)?;
    let path = MsrpUri::parse_path(text)?;
    // Our own URI has to fit behind it.
    if path.len() >= MSRP_PATH_URIS {
        return Err(UsePathFault::Uri(MsrpUriError::PathLength));
    }
    if path.iter().any(|uri| uri.port.is_none()) {
        return Err(UsePathFault::NoPort);
    }
    if path.iter().any(|uri| uri.address().is_some()) {
        return Err(UsePathFault::Numeric);
    }
    Ok(path)
}

fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A whole number of seconds. A year is for ever, and keeps sums of times from running over.
fn seconds(headers: &[(String, String)], name: &str) -> Option<u64> {
    const YEAR: u64 = 365 * 24 * 3600;
    let text = values(headers, name).next()?;
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().map_or(YEAR, |secs: u64| secs.min(YEAR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &str = "msrps://inner.example.org:2855;tcp";
    const OUTER: &str = "msrps://outer.example.net:9000;tcp";
    const OWN: &str = "msrps://store.example.org:7000/s1;tcp";

    fn uri(text: &str) -> MsrpUri {
        text.parse().expect("a URI")
    }

    fn account(relays: &[&str]) -> RelayAccount {
        let credentials = Credentials { user: "store".to_owned(), password: "open sesame".to_owned() };
        RelayAccount { relays: relays.iter().map(|relay| uri(relay)).collect(), credentials, expires: None }
    }

    fn client(relays: &[&str]) -> Authenticator {
        Authenticator::new(account(relays), Mint::from_number(1))
    }

    fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn challenge(nonce: &str) -> Vec<(String, String)> {
        headers(&[("WWW-Authenticate", &format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\""))])
    }

    fn header<'a>(request: &'a RelayAsk, name: &str) -> &'a str {
        request.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn asked(step: AuthStep) -> RelayAsk {
        match step {
            AuthStep::Ask(request) => request,
            other => panic!("{other:?}"),
        }
    }

    fn path(text: &str) -> Vec<MsrpUri> {
        MsrpUri::parse_path(text).expect("a path")
    }

    /// What a relay computes that knows the account, from what it was sent.
    fn is_right(request: &RelayAsk, uri: &str) -> bool {
        let text = header(request, "Authorization");
        let value = |name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=")).expect("the parameter");
            rest.split(',').next().expect("a value").trim_matches('"').to_owned()
        };
        let nonce = value(" nonce");
        let challenge =
            Challenge::parse(&format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"")).expect("a challenge");
        let count = u32::from_str_radix(&value("nc"), 16).expect("a count");
        let cnonce = value("cnonce");
        let use_ = Use { method: "AUTH", uri, cnonce: &cnonce, count };
        challenge.authorization(&account(&[]).credentials, &use_) == text
    }

    // M4976-5.1-07 M4976-5.1-08 M4976-5.1-03 M4976-9.1-01 M4976-9.1-08 M4976-5.1-11 M4976-4.6-01
    #[test]
    fn a_challenge_is_answered_once_and_the_path_is_ours() {
        let mut client = client(&[INNER]);
        let first = client.begin(uri(OWN));
        assert_eq!((first.to_path, first.from_path, first.headers), (path(INNER), uri(OWN), Vec::new()));
        let second = asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n1")));
        assert!(is_right(&second, INNER), "{second:?}");
        assert!(header(&second, "Authorization").contains("nc=00000001"));
        assert!(!header(&second, "Authorization").contains('\n'));
        let done = client.answer(
            StatusCode::OK,
            &headers(&[("Use-Path", "msrps://inner.example.org:9000/u1;tcp"), ("Expires", "60")]),
        );
        let uris = path("msrps://inner.example.org:9000/u1;tcp");
        assert_eq!(done, AuthStep::Done(UsePath { local: uri(OWN), uris, lifetime: Some(Duration::from_secs(60)) }));
    }

    // M4976-5.1-01 M4976-5.1-09 M4976-4.2-02
    #[test]
    fn the_outer_relay_is_asked_through_the_inner_one_and_its_use_path_counts() {
        let mut client = client(&[INNER, OUTER]);
        client.begin(uri(OWN));
        asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n1")));
        let inner = "msrps://inner.example.org:9000/u1;tcp";
        let third = asked(client.answer(StatusCode::OK, &headers(&[("Use-Path", inner), ("Expires", "900")])));
        assert_eq!(third.to_path, path(&format!("{inner} {OUTER}")));
        assert_eq!(third.headers, [], "another relay is another protection space");
        let fourth = asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n2")));
        assert!(is_right(&fourth, OUTER), "{fourth:?}");
        let whole = format!("{inner} msrps://outer.example.net:9000/u2;tcp");
        let done = client.answer(StatusCode::OK, &headers(&[("Use-Path", &whole), ("Expires", "1800")]));
        let lifetime = Some(Duration::from_secs(900));
        assert_eq!(done, AuthStep::Done(UsePath { local: uri(OWN), uris: path(&whole), lifetime }));
    }

    // M4976-10.3-01
    #[test]
    fn a_second_401_is_final_unless_only_the_nonce_was_stale() {
        let mut stale = client(&[INNER]);
        stale.begin(uri(OWN));
        asked(stale.answer(StatusCode::UNAUTHORIZED, &challenge("n1")));
        let old = headers(&[("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", stale=true")]);
        let again = asked(stale.answer(StatusCode::UNAUTHORIZED, &old));
        assert!(is_right(&again, INNER) && header(&again, "Authorization").contains("nonce=\"n2\""), "{again:?}");
        assert_eq!(stale.answer(StatusCode::UNAUTHORIZED, &challenge("n3")), AuthStep::Failed(AuthFailure::Refused));

        let mut endless = client(&[INNER]);
        endless.begin(uri(OWN));
        let steps = (0..10)
            .map(|_| endless.answer(StatusCode::UNAUTHORIZED, &old))
            .take_while(|step| matches!(step, AuthStep::Ask(_)));
        assert_eq!(steps.count(), MSRP_AUTH_TRIES - 1);
    }

    // M4976-9.1-04 M4976-9.1-11 M7616-3.5-01 M4976-9.1-07
    #[test]
    fn the_next_session_uses_the_nonce_again_or_the_next_one_that_was_given() {
        let mut client = client(&[INNER]);
        let ok = ("Use-Path", "msrps://inner.example.org:9000/u1;tcp");
        client.begin(uri(OWN));
        asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n1")));
        client.answer(StatusCode::OK, &headers(&[ok]));
        let second = client.begin(uri(OWN));
        assert!(is_right(&second, INNER) && header(&second, "Authorization").contains("nc=00000002"), "{second:?}");
        client
            .answer(StatusCode::OK, &headers(&[ok, ("Authentication-Info", "nextnonce=\"n2\",nc=00000002,qop=auth")]));
        let third = client.begin(uri(OWN));
        let text = header(&third, "Authorization");
        assert!(is_right(&third, INNER) && text.contains("nonce=\"n2\"") && text.contains("nc=00000001"), "{text}");
        let cnonce = |request: &RelayAsk| header(request, "Authorization").split("cnonce=").nth(1).map(str::to_owned);
        assert_ne!(cnonce(&second), cnonce(&third));
        // An old nonce is answered by a new challenge, and that one is answered, too.
        assert!(is_right(&asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n9"))), INNER));
    }

    // M4976-9.1-02 M4976-9.1-03
    #[test]
    fn a_challenge_that_is_not_digest_with_auth_is_never_answered() {
        for value in ["Basic realm=\"x\"", "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""] {
            let mut client = client(&[INNER]);
            client.begin(uri(OWN));
            let step = client.answer(StatusCode::UNAUTHORIZED, &headers(&[("WWW-Authenticate", value)]));
            assert!(matches!(step, AuthStep::Failed(AuthFailure::Challenge(_))), "{step:?}");
            assert_eq!(client.begin(uri(OWN)).headers, [], "nothing was learnt from it");
        }
    }

    // M4976-4.6-02 M4976-5.1-10
    #[test]
    fn a_lifetime_out_of_bounds_is_asked_for_again_within_them() {
        for (wish, bound, then) in [
            (Some(10), ("Min-Expires", "60"), Some("60")),
            (Some(7200), ("Max-Expires", "3600"), Some("3600")),
            (None, ("Max-Expires", "3600"), Some("3600")),
            (Some(600), ("Min-Expires", "60"), None),
            (Some(600), ("Max-Expires", "soon"), None),
        ] {
            let expires = wish.map(Duration::from_secs);
            let mut client = Authenticator::new(RelayAccount { expires, ..account(&[INNER]) }, Mint::from_number(1));
            let first = client.begin(uri(OWN));
            assert_eq!(header(&first, "Expires"), wish.map(|secs| secs.to_string()).unwrap_or_default());
            let step = client.answer(StatusCode::OUT_OF_BOUNDS, &headers(&[bound]));
            match then {
                Some(secs) => assert_eq!(header(&asked(step), "Expires"), secs),
                None => assert_eq!(step, AuthStep::Failed(AuthFailure::Status(StatusCode::OUT_OF_BOUNDS))),
            }
        }
    }

    // M4976-4.2-01
    #[test]
    fn a_use_path_without_names_or_ports_is_not_used() {
        let let_in = |lines: &[(&str, &str)]| {
            let mut client = client(&[INNER]);
            client.begin(uri(OWN));
            client.answer(StatusCode::OK, &headers(lines))
        };
        let long = ["msrps://r.example:1/a;tcp"; MSRP_PATH_URIS].join(" ");
        for (lines, fault) in [
            (&[][..], UsePathFault::Missing),
            (&[("Use-Path", "nonsense")], UsePathFault::Uri(MsrpUriError::Scheme)),
            (&[("Use-Path", "")], UsePathFault::Uri(MsrpUriError::PathLength)),
            (&[("Use-Path", long.as_str())], UsePathFault::Uri(MsrpUriError::PathLength)),
            (&[("Use-Path", "msrps://r.example/a;tcp")], UsePathFault::NoPort),
            (&[("Use-Path", "msrps://r.example:1/a;tcp msrps://192.0.2.1:9000/b;tcp")], UsePathFault::Numeric),
            (&[("Use-Path", "msrps://[2001:db8::1]:9000/b;tcp")], UsePathFault::Numeric),
        ] {
            assert_eq!(let_in(lines), AuthStep::Failed(AuthFailure::UsePath(fault)), "{lines:?}");
        }
    }

    #[test]
    fn a_relay_whose_proof_is_wrong_is_an_impostor() {
        let mut client = client(&[INNER]);
        client.begin(uri(OWN));
        asked(client.answer(StatusCode::UNAUTHORIZED, &challenge("n1")));
        let lines = [("Use-Path", "msrps://r.example:1/a;tcp"), ("Authentication-Info", "rspauth=\"00\"")];
        assert_eq!(client.answer(StatusCode::OK, &headers(&lines)), AuthStep::Failed(AuthFailure::Impostor));
    }

    #[test]
    fn any_other_status_is_the_end() {
        for status in [StatusCode::FORBIDDEN, StatusCode::TIMEOUT, StatusCode::NOT_IMPLEMENTED] {
            let mut client = client(&[INNER]);
            client.begin(uri(OWN));
            assert_eq!(client.answer(status, &[]), AuthStep::Failed(AuthFailure::Status(status)));
        }
    }
}
