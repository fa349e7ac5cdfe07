//! URIs, name-addrs and Via values, read where rsip's own parsers refuse or lose something.

use std::net::{IpAddr, SocketAddr};

use rsip::param::{OtherParam, OtherParamValue};
use rsip::{Auth, Domain, Host, HostWithPort, Param, Scheme, Uri};

use super::flow::Transport;
use super::syntax::{host_port, is_escaped, is_token, numeric, params, split};

/// Why a text is no SIP URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UriFault {
    /// Another scheme.
    Scheme(String),
    /// Broken grammar.
    Grammar,
    /// It has `?headers`, which rsip can't hold and a Request-URI must not have (RFC 3261 §19.1.1, table 1).
    Headers,
}

/// A sip or sips URI as rsip's type. IPv6 hosts become domains with brackets, for rsip would print them without.
///
/// # Errors
/// [`UriFault`]
pub(super) fn uri(text: &str) -> Result<Uri, UriFault> {
    let (scheme, rest) = text.split_once(':').ok_or(UriFault::Grammar)?;
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("sip") => Scheme::Sip,
        scheme if scheme.eq_ignore_ascii_case("sips") => Scheme::Sips,
        other if is_token(other) => return Err(UriFault::Scheme(other.to_owned())),
        _ => return Err(UriFault::Grammar),
    };
    let (auth, rest) = match rest.split_once('@') {
        Some((user, rest)) => (Some(userinfo(user).ok_or(UriFault::Grammar)?), rest),
        None => (None, rest),
    };
    if rest.contains('?') {
        return Err(UriFault::Headers);
    }
    let (place, list) = rest.split_once(';').map_or((rest, None), |(place, list)| (place, Some(list)));
    if place.contains([' ', '\t']) {
        return Err(UriFault::Grammar);
    }
    let (host, port) = host_port(place).ok_or(UriFault::Grammar)?;
    let params = list.map_or(Some(Vec::new()), uri_params).ok_or(UriFault::Grammar)?;
    let host = numeric(host).filter(IpAddr::is_ipv4).map_or_else(|| Host::Domain(Domain::new(host)), Host::IpAddr);
    let host_with_port = HostWithPort { host, port: port.map(Into::into) };
    Ok(Uri { scheme: Some(scheme), auth, host_with_port, params, headers: Vec::new() })
}

fn userinfo(text: &str) -> Option<Auth> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let sound = |part: &str| is_escaped(part, b"<>\"@[]\\^`{|}");
    (!user.is_empty() && sound(user) && password.is_none_or(sound))
        .then(|| Auth { user: user.to_owned(), password: password.map(str::to_owned) })
}

/// RFC 4240 services carry `play=file://a/b` and quoted values, so any visible character but a separator will do.
fn uri_params(list: &str) -> Option<Vec<Param>> {
    list.split(';')
        .map(|param| {
            let (name, value) = param.split_once('=').map_or((param, None), |(name, value)| (name, Some(value)));
            let sound =
                |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_graphic() && c != b'<' && c != b'>');
            (sound(name) && value.is_none_or(sound)).then(|| match (name, value) {
                (name, None) if name.eq_ignore_ascii_case("lr") => Param::Lr,
                (name, value) => Param::Other(OtherParam::new(name), value.map(OtherParamValue::new)),
            })
        })
        .collect()
}

/// Whether this route's proxy routes loosely (RFC 3261 §19.1.1 `lr`).
pub(super) fn is_loose(uri: &Uri) -> bool {
    uri.params.contains(&Param::Lr)
}

/// The value of a URI parameter.
pub(super) fn uri_param<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    uri.params.iter().find_map(|param| match param {
        Param::Other(found, value) if found.value().eq_ignore_ascii_case(name) => {
            value.as_ref().map(|value| value.value())
        }
        _ => None,
    })
}

/// `"name" <uri>;params` or `uri;params`, as From, To, Contact, Route and Record-Route have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameAddr<'a> {
    /// The URI without brackets.
    pub(super) uri: &'a str,
    /// The header's parameters.
    pub(super) params: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value; `None` if it breaks RFC 3261 §20.10's rules.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let Some(open) = opening_bracket(text)? else { return Self::bare(text) };
        let close = open + text[open..].find('>')?;
        let uri = &text[open + 1..close];
        let rest = text[close + 1..].trim();
        let params = match rest.strip_prefix(';') {
            None if rest.is_empty() => Vec::new(),
            None => return None,
            Some(list) => params(list)?,
        };
        is_uri(uri).then_some(Self { uri, params })
    }

    /// RFC 3261 §20.10: without brackets every parameter is the header's, and the URI has no comma or question mark.
    fn bare(text: &'a str) -> Option<Self> {
        let (uri, list) = text.split_once(';').map_or((text, None), |(uri, list)| (uri, Some(list)));
        let uri = uri.trim_end();
        let params = list.map_or(Some(Vec::new()), params)?;
        (is_uri(uri) && !uri.contains([',', '?'])).then_some(Self { uri, params })
    }

    /// The `tag` parameter.
    pub(super) fn tag(&self) -> Option<&'a str> {
        self.params.iter().find(|(name, _)| name.eq_ignore_ascii_case("tag")).and_then(|(_, value)| *value)
    }
}

/// Where the bracket of a name-addr stands, outside its display name; the outer `None` if the name's quote stays open.
fn opening_bracket(text: &str) -> Option<Option<usize>> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => return Some(Some(at)),
            _ => {}
        }
    }
    (!quoted).then_some(None)
}

fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(is_token) && text.bytes().all(|c| c.is_ascii_graphic() && c != b'<' && c != b'>' || c >= 0x80)
}

/// The tag of a From or To value.
pub(super) fn tag(value: &str) -> Option<&str> {
    NameAddr::parse(value)?.tag()
}

/// One Via value (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Via<'a> {
    /// The transport as it is written; any token is legal.
    pub(super) transport: &'a str,
    /// The host of sent-by.
    pub(super) host: &'a str,
    /// The port of sent-by.
    pub(super) port: Option<u16>,
    params: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Via<'a> {
    /// Reads one value; `None` if it breaks the grammar.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut protocol = text.splitn(3, '/').map(str::trim);
        let (name, version, rest) = (protocol.next()?, protocol.next()?, protocol.next()?);
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return None;
        }
        let (transport, rest) = rest.split_once([' ', '\t'])?;
        let pieces = split(rest, ';')?;
        let (host, port) = host_port(pieces.first()?)?;
        let params = match rest.split_once(';') {
            Some((_, list)) => params(list)?,
            None => Vec::new(),
        };
        is_token(transport).then_some(Self { transport, host, port, params })
    }

    fn param(&self, name: &str) -> Option<Option<&'a str>> {
        self.params.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The branch.
    pub(super) fn branch(&self) -> Option<&'a str> {
        self.param("branch").flatten()
    }

    /// Whether the peer asks for the response at its source port (RFC 3581).
    pub(super) fn wants_rport(&self) -> bool {
        self.param("rport").is_some()
    }

    /// The port of sent-by, written or not.
    pub(super) fn sent_by_port(&self) -> u16 {
        self.port.unwrap_or_else(|| Transport::named(self.transport).unwrap_or(Transport::Udp).port())
    }

    /// The value with what RFC 3261 §18.2.1 and RFC 3581 §4 add on arrival from `source`.
    pub(super) fn arrived(&self, text: &str, source: SocketAddr) -> String {
        let base = text.split_once(';').map_or(text, |(base, _)| base).trim_end();
        let mut value = base.to_owned();
        for (name, given) in &self.params {
            // A received or rport value that the peer wrote itself would send our response elsewhere.
            if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
                continue;
            }
            value.push(';');
            value.push_str(name);
            if let Some(given) = given {
                value.push('=');
                value.push_str(given);
            }
        }
        if self.wants_rport() || numeric(self.host) != Some(source.ip()) {
            value.push_str(&format!(";received={}", source.ip()));
        }
        if self.wants_rport() {
            value.push_str(&format!(";rport={}", source.port()));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_that_rsip_refuses_are_read_and_printed_the_same() {
        // M4475-3.1.1.9-01, M4475-3.1.1.3-01
        for text in [
            "sip:[2001:db8::7]:5070;transport=tcp",
            "sip:box;day=mon@host.example.org",
            "sip:dialog@192.0.2.9:5060;play=file://a/b.wav;lr",
            "sips:a%20b:pass%40word@example.net",
            "sip:nul%00nul@example.com",
        ] {
            assert_eq!(uri(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn broken_uris_are_refused_with_the_reason() {
        assert_eq!(uri("tel:+15550100"), Err(UriFault::Scheme("tel".to_owned())));
        assert_eq!(uri("sip:a@example.org?Subject=x"), Err(UriFault::Headers));
        for bad in
            ["sip", "<sip:a@b>", "sip:a b@c", "sip:@b", "sip:a@", "sip:a@b:port", "sip:a%2@b", "sip:a@b;;c", "sip:[::1"]
        {
            assert!(uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_addr_needs_a_closed_quote_and_a_whole_uri() {
        // M4475-3.1.1.6-01: no space before the bracket.
        assert_eq!(NameAddr::parse("caller<sip:a@b>;tag=7").map(|a| (a.uri, a.tag())), Some(("sip:a@b", Some("7"))));
        assert_eq!(NameAddr::parse("sip:a@b;tag=7").map(|a| (a.uri, a.tag())), Some(("sip:a@b", Some("7"))));
        assert_eq!(NameAddr::parse(r#""x <\" y" <sip:a@b;p>"#).map(|a| a.uri), Some("sip:a@b;p"));
        for bad in ["\"x <sip:a@b>", "< sip:a@b>", "<sip:a@b", "sip:a@b?x=y", "<sip:a@b> x", "<sip:a@b>;;", "x", ""] {
            assert_eq!(NameAddr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_via_is_read_loosely_and_completed_on_arrival() {
        let source = "192.0.2.5:4000".parse().expect("an address");
        let text = "SIP / 2.0 / UDP  client.example.org : 5080 ;branch=z9hG4bKa ;rport";
        let via = Via::parse("SIP/2.0/UDP client.example.org:5080;branch=z9hG4bKa;rport").expect("a Via");
        assert_eq!((via.host, via.sent_by_port(), via.branch()), ("client.example.org", 5080, Some("z9hG4bKa")));
        // M3581-4-01, M3581-4-02
        assert!(
            via.arrived("SIP/2.0/UDP client.example.org:5080;x", source).ends_with(";received=192.0.2.5;rport=4000")
        );
        assert!(Via::parse(text).is_some());
        for bad in ["SIP/2.0/UDP", "SIP/7.0/UDP a", "SIP/2.0/UDP a;;b", "SIP/2.0/UDP a;", "HTTP/2.0/UDP a"] {
            assert_eq!(Via::parse(bad), None, "{bad}");
        }
    }
}
