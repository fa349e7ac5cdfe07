//! The lexical rules of RFC 3261 §25.1 that several headers share.

/// Whether this is a `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&c))
}

/// Whether every `%` begins an escape and every octet is visible ASCII outside `forbidden`.
pub(super) fn is_escaped(text: &str, forbidden: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, c)| match c {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        c => c.is_ascii_graphic() && !forbidden.contains(c),
    })
}

/// Splits at `separator` wherever it stands outside quoted strings and angle brackets, and trims each piece.
///
/// `None` if a quote or bracket is left open.
pub(super) fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut pieces = Vec::new();
    let (mut quoted, mut escaped, mut bracketed, mut start) = (false, false, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            '<' => bracketed = true,
            '>' => bracketed = false,
            c if c == separator && !bracketed => {
                pieces.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text[start..].trim());
    (!quoted && !bracketed).then_some(pieces)
}

/// `;name[=value]` parameters, already without the leading semicolon.
///
/// `None` if one is empty or has a name that is no token, or a value that is neither free of spaces nor quoted.
pub(super) fn params(text: &str) -> Option<Vec<(&str, Option<&str>)>> {
    split(text, ';')?.into_iter().map(param).collect()
}

fn param(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (text, None),
    };
    let plain = |value: &str| !value.is_empty() && !value.contains([' ', '\t', '"', ',', '<', '>']);
    let quoted = |value: &str| value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    (is_token(name) && value.is_none_or(|value| plain(value) || quoted(value))).then_some((name, value))
}

/// A host and the port after it: a name, an IPv4 address or a bracketed IPv6 address.
pub(super) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_len = match text.find(']') {
        Some(end) if text.starts_with('[') => {
            text[1..end].parse::<std::net::Ipv6Addr>().ok()?;
            end + 1
        }
        Some(_) => return None,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_len);
    let host = host.trim_end();
    let named = |host: &str| host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c));
    if host.is_empty() || !(host.starts_with('[') || named(host)) {
        return None;
    }
    match rest.trim_start().strip_prefix(':') {
        None if rest.trim().is_empty() => Some((host, None)),
        None => None,
        Some(port) => {
            let port = port.trim();
            // parse() would accept a sign.
            let digits = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
            digits.then(|| port.parse().ok())?.map(|port| (host, Some(port)))
        }
    }
}

/// The address of a numeric host.
pub(super) fn numeric(host: &str) -> Option<std::net::IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_quotes_and_brackets_do_not_split() {
        assert_eq!(split(r#""a, \"b" <sip:x@y;a,b>, c"#, ','), Some(vec![r#""a, \"b" <sip:x@y;a,b>"#, "c"]));
        assert_eq!(split(r#""open"#, ','), None);
        assert_eq!(split("<sip:open", ','), None);
    }

    #[test]
    fn hosts_are_names_or_addresses_and_ports_are_numbers() {
        assert_eq!(host_port("[2001:db8::1]:5070"), Some(("[2001:db8::1]", Some(5070))));
        assert_eq!(host_port("192.0.2.1 : 5070"), Some(("192.0.2.1", Some(5070))));
        assert_eq!(host_port("sip.example.org"), Some(("sip.example.org", None)));
        for bad in ["", "2001:db8::1", "[2001:db8::1", "[::1]x", "a:", "a:+5", "a:65536", "a b", "[sip.example.org]"] {
            assert_eq!(host_port(bad), None, "{bad}");
        }
    }
}
