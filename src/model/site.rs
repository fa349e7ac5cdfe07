//! Web sites an operator lets the server fetch from, and which addresses their names may lead to.
//!
//! A URL that a script names is a request to connect somewhere on its author's behalf. So the site has to be on a list,
//! a redirect is a new question, and a name on the list may lead to the public internet only, unless the operator has
//! also named the network: who controls a name's DNS must not choose an address inside.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

use super::network::Network;

/// One entry of the list: `HOST`, `HOST:PORT`, or a URL whose path all others have to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    host: Host<String>,
    port: Option<u16>,
    scheme: Option<String>,
    path: String,
    text: String,
}

/// All that may be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// The list.
    pub allowed: Vec<Site>,
    /// Networks that names on it may lead to besides the public internet.
    pub networks: Vec<Network>,
}

/// Why something is not fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// Neither `http:` nor `https:`.
    #[error("the scheme {scheme}: is not fetched")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The URL carries a user or a password.
    #[error("a URL with credentials in it is not fetched")]
    Credentials,
    /// No entry of the list has it.
    #[error("policy.fetch does not allow {site}")]
    NotAllowed {
        /// Host, and port if the URL has one.
        site: String,
    },
    /// The name leads to an address that is not public, and no network on the list has it.
    #[error("{host} leads to {address}, which policy.fetch_networks does not allow")]
    Inside {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
    },
}

impl Site {
    fn admits(&self, url: &Url) -> bool {
        let port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        let below = url.path().strip_prefix(self.path.as_str());
        let below = below.is_some_and(|rest| self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
        let scheme = self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme());
        let host = url.host().is_some_and(|host| host.to_owned() == self.host);
        host && port && scheme && below
    }
}

impl FromStr for Site {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = || format!("\"{text}\" is no site: expected HOST, HOST:PORT or https://HOST/PATH");
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        let url = if is_url { Url::parse(text) } else { Url::parse(&format!("http://{text}/")) };
        let url = url.map_err(|_| why())?;
        let extra = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
        if extra || !is_url && (text.contains(['/', '?', '#', '@']) || url.path() != "/") {
            return Err(why());
        }
        Ok(Self {
            host: url.host().ok_or_else(why)?.to_owned(),
            port: url.port(),
            scheme: is_url.then(|| url.scheme().to_owned()),
            path: url.path().to_owned(),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Sites {
    /// Whether this URL may be asked for; a redirect to it is the same question.
    ///
    /// # Errors
    /// [`SiteError`] says why not.
    pub fn admit(&self, url: &Url) -> Result<(), SiteError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SiteError::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(SiteError::Credentials);
        }
        if self.allowed.iter().any(|site| site.admits(url)) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        Err(SiteError::NotAllowed { site: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")) })
    }

    /// Whether a name on the list may lead to this address. An address on the list is what the operator wrote: it is not
    /// asked about here.
    ///
    /// # Errors
    /// [`SiteError::Inside`].
    pub fn admit_address(&self, host: &str, address: IpAddr) -> Result<(), SiteError> {
        if is_public(address) || self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        Err(SiteError::Inside { host: host.to_owned(), address })
    }
}

/// The special-purpose registries of RFC 6890 and what multicast and translation add: none of it is the public internet.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(_) => !special().any(|network| network.contains(address)),
        // Global unicast, without the blocks in it that lead elsewhere: Teredo and its neighbours, documentation, 6to4.
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let elsewhere = first == 0x2001 && (second < 0x0200 || second == 0x0DB8) || first == 0x2002;
            is_global_unicast(address) && !elsewhere
        }
    }
}

/// RFC 4291 §2.4: what is assigned of it, `2000::/3`.
const fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xE000 == 0x2000
}

fn special() -> impl Iterator<Item = Network> {
    SPECIAL.iter().map(|text| text.parse().expect("the list holds networks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(allowed: &[&str], networks: &[&str]) -> Sites {
        Sites {
            allowed: allowed.iter().map(|text| text.parse().expect("a site")).collect(),
            networks: networks.iter().map(|text| text.parse().expect("a network")).collect(),
        }
    }

    fn admits(sites: &Sites, url: &str) -> bool {
        sites.admit(&Url::parse(url).expect("a URL")).is_ok()
    }

    #[test]
    fn a_site_is_a_host_and_its_ports_or_a_path_and_what_is_below_it() {
        let sites = sites(&["scripts.example.org", "ivr.example.org:8080", "https://as.example.org/moml/v1"], &[]);
        for url in [
            "http://scripts.example.org/a.moml",
            "https://SCRIPTS.example.org./../a.moml".replace("org.", "org").as_str(),
            "http://ivr.example.org:8080/x?y",
            "https://as.example.org/moml/v1",
            "https://as.example.org/moml/v1/a/b.moml",
        ] {
            assert!(admits(&sites, url), "{url}");
        }
        for url in [
            "http://scripts.example.org:8080/a.moml",
            "http://scripts.example.org.evil.example/a.moml",
            "http://evil.example/scripts.example.org",
            "http://scripts.example.org@evil.example/",
            "http://user:secret@scripts.example.org/",
            "http://ivr.example.org/x",
            "http://as.example.org/moml/v1/a.moml",
            "https://as.example.org/moml/v1evil",
            "https://as.example.org/moml/v1/../v2/a.moml",
            "https://as.example.org/moml/v1/%2e%2e/v2/a.moml",
            "gopher://scripts.example.org/1",
            "ftp://scripts.example.org/a",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert!(!admits(&sites, url), "{url}");
        }
    }

    #[test]
    fn a_name_leads_to_the_public_internet_or_to_a_network_that_is_named() {
        let sites = sites(&["a.example"], &["10.1.0.0/16"]);
        for inside in [
            "127.0.0.1",
            "10.2.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001:0:4136:e378::1",
            "2001:db8::1",
        ] {
            let address = inside.parse().expect("an address");
            assert!(matches!(sites.admit_address("a.example", address), Err(SiteError::Inside { .. })), "{inside}");
        }
        for public in ["93.184.215.14", "10.1.2.3", "::ffff:10.1.2.3", "2606:2800:21f:cb07::1", "2a00:1450::1"] {
            assert_eq!(sites.admit_address("a.example", public.parse().expect("an address")), Ok(()), "{public}");
        }
    }

    #[test]
    fn what_is_no_site_is_no_entry_of_the_list() {
        for bad in
            ["", "*", "a b", "host/path", "user@host", "https://u:p@host/", "https://host/?q", "ftp://host/", "a:b"]
        {
            assert!(bad.parse::<Site>().is_err() || bad == "*", "{bad}");
        }
        assert_eq!("[::1]:80".parse::<Site>().map(|site| site.to_string()), Ok("[::1]:80".to_owned()));
    }
}
