//! Where the client commands stand: a node of their own for the length of the command.

use std::future::Future;
use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use restante::config::{Host, Listen, Settings, Transport as Listened};
use restante::engine::CallMedia;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::io::node::{Node, Options};
use restante::model::ObjectUri;
use restante::sip::Transport;
use restante::spool::{Spool, StagePlan};
use tempfile::TempDir;
use tokio::net::UdpSocket;

use super::call::{Call, Watch};
use super::serve::Signals;
use super::server::Server;
use super::voice::Failure;

/// More than any file: a client takes what it asked for, and its disk is the limit.
pub(crate) const MAX_SIZE: u64 = i64::MAX as u64;

/// What a station needs besides its server.
#[derive(Debug, Default)]
pub(crate) struct Gear {
    /// Octets of one chunk, instead of the usual.
    pub(crate) chunk: Option<u64>,
    /// Connects MSRP here, whatever SDP says.
    pub(crate) msrp_via: Option<SocketAddr>,
    /// Octets go over TLS, and not otherwise.
    pub(crate) tls: bool,
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
        settings.msrp.listen = vec![listen(if gear.tls { Listened::Tls } else { Listened::Tcp })];
        settings.msrp.max_size = MAX_SIZE;
        settings.control.trusted = Vec::new();
        settings.spool.path = scratch.path().join("spool");
        settings.spool.reserve = 0;
        settings.spool.high_water = 100;
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

    /// Lets a file of which `part` is the beginning go on in this station's spool. Returns the key it waits under and how
    /// many octets that is.
    ///
    /// # Errors
    /// It can't be read, or there is no room for it.
    pub(crate) fn prefill(&self, part: &Path) -> Result<(String, u64), Failure> {
        let failed = |why: String| Failure::new(format!("{}: {why}", part.display()));
        let mut file = std::fs::File::open(part).map_err(|error| failed(error.to_string()))?;
        let object = ObjectUri::mailbox("inbox").map_err(|error| failed(error.to_string()))?;
        let key = Some(PART.to_owned());
        let plan = StagePlan { resume_key: key.clone(), file_key: key, ..StagePlan::new(object) };
        let mut stage =
            self.node.spool().stage(plan, self.node.clock().now()).map_err(|error| failed(error.to_string()))?;
        let (mut buffer, mut octets) = (vec![0; COPY_OCTETS], 0);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    stage.write(octets, &buffer[..read]).map_err(|error| failed(error.to_string()))?;
                    octets += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        stage.suspend().map_err(|error| failed(error.to_string()))?;
        Ok((PART.to_owned(), octets))
    }

    /// Stops the node and puts the file that was arriving, if any, to `part`. Returns how many octets there are of it.
    ///
    /// # Errors
    /// It can't be put there.
    pub(crate) async fn close_and_keep(self, part: &Path) -> std::io::Result<Option<u64>> {
        self.node.stop().await;
        let files = HostFiles::existing(self.scratch.path().join("spool"))?;
        let spool = Spool::read_only(Arc::new(files)).map_err(std::io::Error::other)?;
        let stages = spool.stages().map_err(std::io::Error::other)?;
        // One with a hole is of no use: what comes before it would have to come again.
        let whole = stages.into_iter().filter(|stage| stage.durable == stage.length && stage.durable > 0);
        let Some(stage) = whole.max_by_key(|stage| stage.durable) else { return Ok(None) };
        std::fs::rename(self.scratch.path().join("spool/stage").join(&stage.id), part)?;
        Ok(Some(stage.durable))
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

/// The key of a file that a command has begun before.
const PART: &str = "part";

/// Octets copied at a time.
const COPY_OCTETS: usize = 256 * 1024;

/// A Message-ID that nobody has used (RFC 4975 §7.1).
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn fresh_id() -> Result<String, Failure> {
    let mut mint = entropy::mint().map_err(|error| Failure::new(error.to_string()))?;
    Ok(mint.token(MESSAGE_ID_LETTERS))
}

/// RFC 4975 §7.1 wants 64 random bits; 22 letters carry 130.
const MESSAGE_ID_LETTERS: usize = 22;

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
