//! Restante behind a relay (RFC 4976), with real sockets and TLS: Kamailio as the relay, and one of our own that errs.

mod support;

#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/card.rs"]
mod card;
#[path = "relay/faulty.rs"]
mod faulty;
#[path = "relay/kamailio.rs"]
mod kamailio;
#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/phone.rs"]
mod phone;
#[allow(dead_code, reason = "the tests of TLS use the rest")]
#[path = "tls/wire.rs"]
mod wire;

use std::path::Path;

use support::server::Server;

/// A server whose sessions all go through the relay on this port of localhost.
fn behind(dir: &Path, authority: &card::Authority, port: u16, more: &[(&str, &str)]) -> Server {
    let password = dir.join("password");
    std::fs::write(&password, "open sesame\n").expect("a file");
    let ca = authority.write(dir);
    let relay = format!("msrps://localhost:{port};tcp");
    let mut variables = vec![
        ("RESTANTE_MSRP__RELAY", relay.as_str()),
        ("RESTANTE_MSRP__RELAY_USER", "store"),
        ("RESTANTE_MSRP__RELAY_PASSWORD_FILE", password.to_str().expect("a plain path")),
        ("RESTANTE_MSRP__TLS__CLIENT_CA", ca.to_str().expect("a plain path")),
    ];
    variables.extend(more);
    Server::start(dir, &variables)
}
