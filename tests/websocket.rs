//! MSRP over WebSocket (RFC 7977) against the real server, by a client that shares no code with it.

#[path = "websocket/calls.rs"]
mod calls;
#[path = "websocket/handshakes.rs"]
mod handshakes;
#[path = "websocket/hostile.rs"]
mod hostile;
mod support;

use std::net::SocketAddr;

use support::server::Server;
use tempfile::TempDir;

/// A server with a WebSocket listener, and the directory it lives in.
struct House {
    server: Server,
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        let listen = ("RESTANTE_MSRP__LISTEN", "tcp:127.0.0.1:0,ws:127.0.0.1:0");
        let server = Server::start(dir.path(), &[&[listen], variables].concat());
        Self { server, dir }
    }

    fn ws(&self) -> SocketAddr {
        self.server.msrp_by("ws")
    }
}
