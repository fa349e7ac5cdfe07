//! Who may come in without a token: programs of this machine, and no page that a browser of this machine shows.
//!
//! A page of anybody's can have the browser send requests to loopback. It cannot choose their `Origin`; and with a name of
//! its own that suddenly leads to 127.0.0.1 (DNS rebinding) it cannot choose their `Host`.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use super::fault::Fault;

/// # Errors
/// The request comes from a page that is not ours.
pub(in crate::io) fn admit(headers: &HeaderMap) -> Result<(), Fault> {
    let forbid = |reason: &str| Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", reason));
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST);
    if host.is_some_and(|host| !is_loopback(host)) {
        return forbid("without http.token_file the door is known as localhost, 127.0.0.1 or [::1] only");
    }
    let own = host.map(|host| format!("http://{host}"));
    match text(header::ORIGIN) {
        Some(origin) if own.is_none_or(|own| !own.eq_ignore_ascii_case(origin)) => {
            forbid("pages of other origins have no access without a token")
        }
        _ => Ok(()),
    }
}

/// Whether a `Host` names this machine for itself.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().expect("a value")));
        admit(&headers).is_ok()
    }

    #[test]
    fn a_page_of_another_origin_is_refused_and_so_is_another_name_for_loopback() {
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "[::1]"] {
            assert!(admitted(host, None), "{host}");
            assert!(admitted(host, Some(&format!("http://{host}"))), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1:8080", "", ":80"]
        {
            assert!(!admitted(host, None), "{host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:8081", "https://localhost:8080", ""] {
            assert!(!admitted("localhost:8080", Some(origin)), "{origin}");
        }
    }
}
