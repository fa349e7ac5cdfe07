//! Domains that an operator lets the server call of its own accord.

use std::fmt;
use std::str::FromStr;

/// One entry: a host, `*.DOMAIN` for every host below one, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Whether it has this host: a name, or an address without brackets. Case means nothing in names (RFC 4343).
    pub fn has(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self.0.strip_prefix('*') {
            None => self.0.eq_ignore_ascii_case(host),
            Some("") => true,
            // The dot before the domain keeps `*.example.org` from having badexample.org.
            Some(below) => {
                let at = host.len().checked_sub(below.len()).filter(|at| *at > 0);
                at.and_then(|at| host.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(below))
            }
        }
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = || format!("\"{text}\" is no domain: expected a host, an address, *.DOMAIN or *");
        let host = text.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(text);
        let name = host.strip_prefix("*.").unwrap_or(host);
        let is_name = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._".contains(&letter));
        let is_address = name == host && name.parse::<std::net::IpAddr>().is_ok();
        if host == "*" || (!name.is_empty() && (is_name || is_address)) {
            return Ok(Self(host.to_owned()));
        }
        Err(why())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_own_host_and_a_star_all_hosts_below_a_domain() {
        let has = |entry: &str, host: &str| entry.parse::<Domain>().expect("a domain").has(host);
        assert!(has("Example.org", "example.ORG.") && has("127.0.0.1", "127.0.0.1") && has("[::1]", "::1"));
        assert!(has("*.example.org", "sip.Example.org") && has("*", "anything"));
        for (entry, host) in [
            ("example.org", "sip.example.org"),
            ("*.example.org", "example.org"),
            ("*.example.org", "badexample.org"),
            ("*.example.org", ".example.org"),
            ("127.0.0.1", "127.0.0.10"),
        ] {
            assert!(!has(entry, host), "{entry} {host}");
        }
        for bad in ["", "*.", "sip:example.org", "a b", "*example.org", "exa*mple.org", "*.::1"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad}");
        }
    }
}
