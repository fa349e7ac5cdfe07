//! The server that a client command talks to, as it is typed.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::Args;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use restante::config::{Host, Level, Log};
use restante::io::log;
use restante::sip::Transport;
use tokio::net::lookup_host;

use super::voice::Failure;

/// RFC 3261 §25.1: what a user part may hold unescaped, without the marks that confuse people.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// The flags of commands that talk to a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArgs {
    /// The server, sip:HOST[:PORT][;transport=tcp]
    #[arg(long, value_name = "SIP-URI", default_value = "sip:127.0.0.1:5060")]
    pub(crate) server: Server,
    /// Who we say we are, a SIP URI
    #[arg(long, value_name = "SIP-URI")]
    pub(crate) from: Option<String>,
    /// Log what happens below, twice for each step
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl ServerArgs {
    /// Starts the log, at errors alone if nothing else is wished.
    pub(crate) fn start_log(&self) {
        let level = [Level::Error, Level::Info, Level::Debug, Level::Trace][usize::from(self.verbose.min(3))];
        log::start(&Log { level, ..Log::default() });
    }
}

/// A server's SIP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: Host,
    pub(crate) transport: Transport,
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("\"{text}\" is not a server: expected sip:HOST[:PORT][;transport=tcp]");
        let rest = text.strip_prefix("sip:").ok_or_else(shape)?;
        let (host, parameter) = rest.split_once(';').map_or((rest, None), |(host, rest)| (host, Some(rest)));
        let transport = match parameter.map(str::to_ascii_lowercase).as_deref() {
            None | Some("transport=udp") => Transport::Udp,
            Some("transport=tcp") => Transport::Tcp,
            Some(_) => return Err(shape()),
        };
        Ok(Self { host: host.parse()?, transport })
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let transport = if self.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        write!(f, "sip:{}{transport}", self.host)
    }
}

impl Server {
    /// A user of it, as a Request-URI.
    pub(crate) fn user(&self, user: &str) -> String {
        self.to_string().replacen("sip:", &format!("sip:{}@", utf8_percent_encode(user, ESCAPED)), 1)
    }

    /// Its first address.
    ///
    /// # Errors
    /// The name means nothing.
    pub(crate) async fn resolve(&self) -> Result<SocketAddr, Failure> {
        // RFC 3261 §19.1.2: the port when none is written.
        let port = self.host.port.unwrap_or(5060);
        let unknown = |why: &str| {
            Failure::new(format!("{}: {why}", self.host.name)).next("check the name, or give --server an IP address")
        };
        let mut found =
            lookup_host((self.host.name.as_str(), port)).await.map_err(|error| unknown(&error.to_string()))?;
        found.next().ok_or_else(|| unknown("the name has no address"))
    }

    /// Nobody is there.
    pub(crate) fn absent(&self, why: &str) -> Failure {
        Failure::new(format!("no server answers at {self}: {why}"))
            .next("start one with `restante serve`, or name another one with --server sip:HOST:PORT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_with_and_without_port_and_transport() {
        let read = |text: &str| text.parse::<Server>().map(|server| server.to_string());
        for text in ["sip:127.0.0.1:5060", "sip:example.org", "sip:[::1]:5070;transport=tcp"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        assert_eq!(read("sip:h;transport=udp").as_deref(), Ok("sip:h"));
        for bad in ["", "127.0.0.1", "sips:h", "sip:bob@h", "sip:h;transport=tls", "sip:h:99999", "sip:"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_box_with_an_odd_name_is_still_one_user() {
        let server: Server = "sip:example.org;transport=tcp".parse().expect("a server");
        assert_eq!(server.user("bob & söhne"), "sip:bob%20%26%20s%C3%B6hne@example.org;transport=tcp");
    }
}
