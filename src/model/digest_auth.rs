//! HTTP Digest authentication (RFC 7616 and its ancestor 2617): the client's half for relays and proxies, and what a
//! server makes of an answer.

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// A name and its password. It can be printed: the password is not.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub user: String,
    /// Its secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, ..)", self.user)
    }
}

/// What is hashed with, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// What every relay and proxy knows.
    Md5,
    /// What RFC 7616 wants.
    Sha256,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        [("MD5", Self::Md5), ("SHA-256", Self::Sha256)]
            .into_iter()
            .find_map(|(known, algorithm)| known.eq_ignore_ascii_case(name).then_some(algorithm))
    }
}

/// A `Digest` challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose account is asked for.
    pub realm: String,
    /// The number to be used.
    pub nonce: String,
    /// To be given back as it is.
    pub opaque: Option<String>,
    /// `None` if the challenge did not say, which means MD5.
    pub algorithm: Option<Algorithm>,
    /// The credentials were right and only the nonce was too old.
    pub stale: bool,
    /// `qop` is asked for. Without it the proof is that of RFC 2069, which old proxies still want.
    pub qop: bool,
    /// The name is wanted hashed (RFC 7616 §3.4.4).
    pub userhash: bool,
}

/// Why a challenge can't be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeFault {
    /// No challenge at all.
    #[error("there is no challenge")]
    None,
    /// Another scheme. `Basic` would give the password away.
    #[error("the scheme {0} is not Digest")]
    Scheme(String),
    /// Not a list of parameters.
    #[error("the challenge is malformed")]
    Malformed,
    /// A parameter that has to be there is not.
    #[error("the challenge has no {0}")]
    Missing(&'static str),
    /// Neither MD5 nor SHA-256.
    #[error("the algorithm {0} is not known")]
    Algorithm(String),
    /// Only protections other than `auth` are offered.
    #[error("qop {0} does not have auth")]
    Qop(String),
}

impl Challenge {
    /// Reads the value of one `WWW-Authenticate`. Parameters come in any order; unknown ones, and `domain`, are ignored.
    ///
    /// # Errors
    /// Why it can't be answered.
    pub fn parse(text: &str) -> Result<Self, ChallengeFault> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(ChallengeFault::Scheme(scheme.to_owned()));
        }
        let params = parameters(rest).ok_or(ChallengeFault::Malformed)?;
        let value = |name: &str| find(&params, name).map(str::to_owned);
        let is_true = |name: &str| find(&params, name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let qop = value("qop");
        let auth = |qop: &String| qop.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth"));
        if let Some(qop) = qop.as_ref().filter(|qop| !auth(qop)) {
            return Err(ChallengeFault::Qop(qop.clone()));
        }
        let algorithm = match value("algorithm") {
            None => None,
            Some(name) => Some(Algorithm::named(&name).ok_or(ChallengeFault::Algorithm(name))?),
        };
        Ok(Self {
            realm: value("realm").ok_or(ChallengeFault::Missing("realm"))?,
            nonce: value("nonce").ok_or(ChallengeFault::Missing("nonce"))?,
            opaque: value("opaque"),
            algorithm,
            stale: is_true("stale"),
            qop: qop.is_some(),
            userhash: is_true("userhash"),
        })
    }

    /// The strongest of several challenges that can be answered (RFC 7616 §5.8); the first of equals.
    ///
    /// # Errors
    /// What is wrong with the first one if none can be.
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, ChallengeFault> {
        let mut best: Result<Self, ChallengeFault> = Err(ChallengeFault::None);
        for value in values {
            let read = Self::parse(value);
            let better = match (&best, &read) {
                (Err(ChallengeFault::None), _) | (Err(_), Ok(_)) => true,
                (Ok(best), Ok(read)) => read.algorithm() > best.algorithm(),
                (_, Err(_)) => false,
            };
            if better {
                best = read;
            }
        }
        best
    }

    /// What is hashed with, said or not.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Md5)
    }

    fn hash(&self, text: &str) -> String {
        match self.algorithm() {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }

    /// RFC 7616 §3.4.1: `KD(H(A1), nonce:nc:cnonce:qop:H(A2))` with qop `auth`.
    fn proof(&self, credentials: &Credentials, a2: &str, use_: &Use<'_>) -> String {
        let a1 = self.hash(&format!("{}:{}:{}", credentials.user, self.realm, credentials.password));
        let (count, cnonce) = (use_.count, use_.cnonce);
        if !self.qop {
            return self.hash(&format!("{a1}:{}:{}", self.nonce, self.hash(a2)));
        }
        self.hash(&format!("{a1}:{}:{count:08x}:{cnonce}:auth:{}", self.nonce, self.hash(a2)))
    }

    /// The value of `Authorization` that answers this challenge, on one line.
    pub fn authorization(&self, credentials: &Credentials, use_: &Use<'_>) -> String {
        let Use { method, uri, cnonce, count } = use_;
        let response = self.proof(credentials, &format!("{method}:{uri}"), use_);
        // RFC 7616 §3.4.4: the hash is over the name and the realm.
        let user = match self.userhash {
            true => self.hash(&format!("{}:{}", credentials.user, self.realm)),
            false => credentials.user.clone(),
        };
        let mut text = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(&user),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri)
        );
        match self.algorithm {
            Some(Algorithm::Md5) => text += ", algorithm=MD5",
            Some(Algorithm::Sha256) => text += ", algorithm=SHA-256",
            None => {}
        }
        if self.qop {
            // RFC 7616 §3.4: qop and nc have no quotes here, although qop has them in a challenge.
            text += &format!(", cnonce={}, qop=auth, nc={count:08x}", quoted(cnonce));
        }
        if let Some(opaque) = &self.opaque {
            text += &format!(", opaque={}", quoted(opaque));
        }
        if self.userhash {
            text += ", userhash=true";
        }
        text
    }

    /// What `rspauth` has to be if the other side knows the password, too (RFC 7616 §3.5: A2 has no method).
    pub fn response_proof(&self, credentials: &Credentials, use_: &Use<'_>) -> String {
        self.proof(credentials, &format!(":{}", use_.uri), use_)
    }
}

/// What somebody has answered to a challenge of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The account.
    pub user: String,
    /// Whose account it is.
    pub realm: String,
    /// The number that was used.
    pub nonce: String,
    /// `None` if it is none that we know; one that is not said is MD5.
    pub algorithm: Option<Algorithm>,
    /// How often the nonce was used, if that is told.
    pub count: Option<u32>,
    /// It protects the request line alone, which is what we ask for.
    pub is_auth: bool,
    /// What the request is for, as it was proven.
    pub uri: String,
    cnonce: String,
    response: String,
}

impl Answer {
    /// Reads the value of one `Authorization`; `None` if it is no digest, or not a whole one.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let params = parameters(rest).filter(|_| scheme.eq_ignore_ascii_case("Digest"))?;
        let value = |name: &str| find(&params, name).map(str::to_owned);
        let algorithm = match find(&params, "algorithm") {
            None => Some(Algorithm::Md5),
            Some(name) => Algorithm::named(name),
        };
        Some(Self {
            user: value("username")?,
            realm: value("realm")?,
            nonce: value("nonce")?,
            algorithm,
            count: find(&params, "nc").and_then(|count| u32::from_str_radix(count, 16).ok()),
            is_auth: find(&params, "qop").is_some_and(|qop| qop.eq_ignore_ascii_case("auth")),
            uri: value("uri")?,
            cnonce: value("cnonce").unwrap_or_default(),
            response: value("response")?,
        })
    }

    /// Whether who answered knows this password. It takes the same time wherever the first difference is.
    pub fn is_of(&self, credentials: &Credentials, algorithm: Algorithm, method: &str) -> bool {
        let challenge = Challenge {
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            opaque: None,
            algorithm: Some(algorithm),
            stale: false,
            qop: true,
            userhash: false,
        };
        let use_ = Use { method, uri: &self.uri, cnonce: &self.cnonce, count: self.count.unwrap_or_default() };
        let wanted = challenge.proof(credentials, &format!("{method}:{}", self.uri), &use_);
        let differ = |(a, b): (u8, u8)| a ^ b;
        let differences = wanted.bytes().zip(self.response.bytes()).map(differ).fold(0, |all, one| all | one);
        differences == 0 && wanted.len() == self.response.len()
    }
}

/// One use of a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's target, as it is written there.
    pub uri: &'a str,
    /// Our own random text.
    pub cnonce: &'a str,
    /// How often the nonce has been used, this time included.
    pub count: u32,
}

/// What a relay or server says after it has let us in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationInfo {
    /// The nonce to use next; its count starts anew.
    pub nextnonce: Option<String>,
    /// The other side's own proof.
    pub rspauth: Option<String>,
}

impl AuthenticationInfo {
    /// Reads the value of `Authentication-Info`; what can't be read says nothing.
    pub fn parse(text: &str) -> Self {
        let params = parameters(text).unwrap_or_default();
        let value = |name: &str| find(&params, name).map(str::to_owned);
        Self { nextnonce: value("nextnonce"), rspauth: value("rspauth") }
    }
}

fn find<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// `name=value, name="value"`: with or without space after the comma (pitfall P17).
fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut params = Vec::new();
    let mut rest = text.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(inside) => quoted_string(inside)?,
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        params.push((name.trim().to_owned(), value));
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t', ',']);
        }
    }
    Some(params)
}

/// The text up to the closing quote, without its backslashes, and what follows.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => {
                value.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, &text[at + 1..])),
            _ => value.push(letter),
        }
    }
    None
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credentials() -> Credentials {
        Credentials { user: "Mufasa".to_owned(), password: "Circle of Life".to_owned() }
    }

    /// The parameters of RFC 7616 §3.9.1, whose responses are published.
    fn published(algorithm: &str) -> Challenge {
        let text = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        Challenge::parse(&text).expect("a challenge")
    }

    const USE: Use<'_> =
        Use { method: "GET", uri: "/dir/index.html", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", count: 1 };

    // M7616-3.4-01 M4976-7-02 M4976-9.1-06 M4976-9.1-07 M4976-9.1-09
    #[test]
    fn the_published_responses_come_out_and_only_what_has_to_be_is_quoted() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let text = published(algorithm).authorization(&credentials(), &USE);
            let expected = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
                 response=\"{response}\", algorithm={algorithm}, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, nc=00000001, \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            assert_eq!(text, expected);
        }
    }

    // M7616-3.4.4-01
    #[test]
    fn a_hashed_name_is_sent_when_it_is_wanted() {
        let challenge = Challenge::parse("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, userhash=true");
        let text = challenge.expect("a challenge").authorization(&credentials(), &USE);
        let name = hex(&Sha256::digest(b"Mufasa:r"));
        assert!(text.starts_with(&format!("Digest username=\"{name}\"")) && text.ends_with("userhash=true"), "{text}");
    }

    // M4976-7-03 M4976-9.1-05 M4976-9.1-03 M4976-9.1-02
    #[test]
    fn a_challenge_is_read_in_any_order_and_refused_with_its_reason() {
        let challenge = Challenge::parse(
            "digest foo=bar,  NONCE=\"a\\\"b,c\" ,qop=auth, domain=\"msrps://x.example\",stale=TRUE, realm=\"\"",
        );
        let challenge = challenge.expect("a challenge");
        assert_eq!((challenge.nonce.as_str(), challenge.realm.as_str(), challenge.stale), ("a\"b,c", "", true));
        assert_eq!((challenge.algorithm, challenge.opaque), (None, None));
        for (text, fault) in [
            ("Basic realm=\"x\"", ChallengeFault::Scheme("Basic".to_owned())),
            ("", ChallengeFault::Scheme(String::new())),
            ("Digest realm=\"x\"", ChallengeFault::Missing("nonce")),
            ("Digest nonce=\"x\"", ChallengeFault::Missing("realm")),
            ("Digest realm=\"x", ChallengeFault::Malformed),
            ("Digest realm=\"x\" nonce=\"y\"", ChallengeFault::Malformed),
            ("Digest realm=\"x\", nonce=\"y\", algorithm=MD5-sess", ChallengeFault::Algorithm("MD5-sess".to_owned())),
            ("Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"", ChallengeFault::Qop("auth-int".to_owned())),
        ] {
            assert_eq!(Challenge::parse(text), Err(fault), "{text}");
        }
    }

    // M7616-3.3-03 M7616-5.8-01
    #[test]
    fn the_strongest_challenge_that_is_understood_is_answered() {
        let algorithm = |name: &str| format!("Digest realm=\"{name}\", nonce=\"n\", algorithm={name}");
        let (foo, md5, sha) = (algorithm("FOO"), algorithm("MD5"), algorithm("SHA-256"));
        let chosen = |values: &[&str]| Challenge::choose(values.iter().copied()).map(|challenge| challenge.realm);
        assert_eq!(chosen(&[&foo, &md5, &sha]).as_deref(), Ok("SHA-256"));
        assert_eq!(chosen(&[&sha, &md5]).as_deref(), Ok("SHA-256"));
        assert_eq!(chosen(&["Basic realm=\"x\"", &md5]).as_deref(), Ok("MD5"));
        assert_eq!(chosen(&[&foo]), Err(ChallengeFault::Algorithm("FOO".to_owned())));
        assert_eq!(chosen(&[]), Err(ChallengeFault::None));
    }

    // M4976-9.1-10
    #[test]
    fn authentication_info_is_read_with_and_without_space_after_the_commas() {
        for text in [
            "nextnonce=\"n2\",rspauth=\"0f\",cnonce=\"c\",nc=00000001,qop=auth",
            "qop=auth, rspauth=\"0f\", nc=00000001, cnonce=\"c\", nextnonce=\"n2\"",
        ] {
            let info = AuthenticationInfo::parse(text);
            assert_eq!((info.nextnonce.as_deref(), info.rspauth.as_deref()), (Some("n2"), Some("0f")), "{text}");
        }
    }

    #[test]
    fn the_proof_of_the_other_side_differs_from_ours_by_the_method_alone() {
        let challenge = published("MD5");
        let none = Use { method: "", ..USE };
        let theirs = challenge.response_proof(&credentials(), &USE);
        assert!(challenge.authorization(&credentials(), &none).contains(&theirs));
        assert!(!challenge.authorization(&credentials(), &USE).contains(&theirs));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", credentials()), "Credentials(\"Mufasa\", ..)");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_what_is_quoted_is_read_back(text in "\\PC{0,40}", value in "\\PC{0,20}") {
            let _ = Challenge::parse(&format!("Digest {text}"));
            let read = parameters(&format!("a={}, b=c", quoted(&value)));
            prop_assert_eq!(read, Some(vec![("a".to_owned(), value), ("b".to_owned(), "c".to_owned())]));
        }
    }
}
