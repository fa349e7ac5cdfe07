//! Where the client commands stand: the server they talk to, and a node of their own for the length of the command.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use restante::config::{Host, Level, Listen, Log, Settings, Transport as Listened};
use restante::engine::CallMedia;
use restante::io::log;
use restante::io::node::{Node, Options};
use restante::sip::Transport;
use tempfile::TempDir;
use tokio::net::{UdpSocket, lookup_host};

use super::call::{Call, Watch};
use super::serve::Signals;
use super::voice::Failure;

/// RFC 3261 §25.1: what a user part may hold unescaped, without the marks that confuse people.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// More than any file: a client takes what it asked for, and its disk is the limit.
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

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

    async fn resolve(&self) -> Result<SocketAddr, Failure> {
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

/// What a station needs besides its server.
#[derive(Debug, Default)]
pub(crate) struct Gear {
    /// Octets of one chunk, instead of the usual.
    pub(crate) chunk: Option<u64>,
    /// Connects MSRP here, whatever SDP says.
    pub(crate) msrp_via: Option<SocketAddr>,
    /// Who calls.
    pub(crate) from: Option<String>,
}

/// A node for one command: both the application server and the endpoint of the calls it places.
pub(crate) struct Station {
    pub(crate) node: Node,
    server: Server,
    remote: SocketAddr,
    from: String,
    scratch: TempDir,
}

impl Station {
    /// Starts a node on the address from which the server is reached. Its spool is in `scratch` and goes with it.
    ///
    /// # Errors
    /// The server's name means nothing, or the machine refuses a socket or a directory.
    pub(crate) async fn open(server: &Server, scratch: TempDir, gear: Gear) -> Result<Self, Failure> {
        let remote = server.resolve().await?;
        let local = probe(remote).await.and_then(|socket| socket.local_addr());
        let local = local.map_err(|error| server.absent(&error.to_string()))?.ip();
        let host = Host { name: local.to_string(), port: Some(0) };
        let listen = |transport| Listen { transport, host: host.clone() };
        let mut settings = Settings::default();
        settings.sip.listen = vec![listen(Listened::Udp), listen(Listened::Tcp)];
        settings.msrp.listen = vec![listen(Listened::Tcp)];
        settings.msrp.max_size = MAX_SIZE;
        settings.control.trusted = Vec::new();
        settings.spool.path = scratch.path().join("spool");
        settings.spool.reserve = 0;
        if let Some(chunk) = gear.chunk {
            settings.msrp.chunk = chunk;
        }
        let options = Options { msrp_via: gear.msrp_via, ..Options::default() };
        let node = Node::start(&settings, options).await.map_err(|error| Failure::new(error.to_string()))?;
        let from = gear.from.unwrap_or_else(|| format!("sip:restante@{}", Host { name: host.name, port: None }));
        Ok(Self { node, server: server.clone(), remote, from, scratch })
    }

    /// Calls `user` at the server and waits for the answer.
    ///
    /// # Errors
    /// Nobody is there, or the call is refused.
    pub(crate) async fn call(&self, user: &str, media: CallMedia, watch: Watch) -> Result<Call, Failure> {
        let stopped = |error: std::io::Error| Failure::new(error.to_string());
        let line = self.node.line().await.map_err(stopped)?;
        let target = self.server.user(user);
        line.call(target, self.from.clone(), self.remote, self.server.transport, media).await;
        let mut call = Call::new(line, watch);
        tokio::select! {
            answered = call.answered(&self.server) => answered?,
            why = self.nobody() => return Err(self.server.absent(&why)),
        }
        Ok(call)
    }

    /// A directory for the length of the command.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Its node's spool.
    pub(crate) fn spool_path(&self) -> PathBuf {
        self.scratch.path().join("spool")
    }

    /// Stops the node and removes what it left on disk.
    pub(crate) async fn close(self) {
        self.node.stop().await;
    }

    /// Ends when it is certain that nobody listens there. A UDP socket of its own hears of that at once, the one that
    /// SIP uses, which talks to everybody, never does.
    async fn nobody(&self) -> String {
        if self.server.transport == Transport::Udp
            && let Ok(socket) = probe(self.remote).await
            // RFC 3261 §7.5: a receiver ignores CRLFs where a message may begin.
            && socket.send(b"\r\n\r\n").await.is_ok()
            && let Err(error) = socket.recv(&mut [0]).await
            && error.kind() == ErrorKind::ConnectionRefused
        {
            return error.to_string();
        }
        std::future::pending().await
    }
}

/// A UDP socket that knows no other peer.
async fn probe(remote: SocketAddr) -> std::io::Result<UdpSocket> {
    let any = if remote.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(remote).await?;
    Ok(socket)
}

/// A directory that goes with its owner, in `parent` or where the system keeps such things.
///
/// # Errors
/// It can't be made.
pub(crate) fn scratch(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    TempDir::with_prefix_in(".restante-", &parent).map_err(|error| {
        Failure::new(format!("no directory can be made in {}: {error}", parent.display()))
            .next("make it writable, or set TMPDIR to a directory that is")
    })
}

/// Does the work unless a signal comes first: what the work has made for itself is removed in either case.
///
/// # Errors
/// Those of the work, or that it was interrupted.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut signals = Signals::new()?;
    tokio::select! {
        done = work => done,
        () = signals.next() => Err(Failure::new("interrupted")),
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
