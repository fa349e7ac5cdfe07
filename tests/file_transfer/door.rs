//! A door before a server: so many octets of the first connection pass, then nothing more until the server is gone.
//! What comes after that passes.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Opens a door before `server` and says where it is.
pub(super) fn stops_after(octets: u64, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        let mut allowed = octets;
        for client in listener.incoming() {
            let (client, server) = (client.expect("a client"), TcpStream::connect(server).expect("the server"));
            pass(client, server, allowed);
            allowed = u64::MAX;
        }
    });
    address
}

/// Both directions in threads of their own; an end of the server's is the client's end too.
fn pass(client: TcpStream, server: TcpStream, allowed: u64) {
    let (mut from_client, mut to_client) = (client.try_clone().expect("a socket"), client);
    let (mut from_server, mut to_server) = (server.try_clone().expect("a socket"), server);
    thread::spawn(move || copy(&mut from_client, &mut to_server, allowed));
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client); // a server that is killed resets it
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

/// Stops reading at the limit, which leaves the connection as it is.
fn copy(from: &mut TcpStream, to: &mut TcpStream, allowed: u64) {
    let mut buffer = [0; 65536];
    let mut left = allowed;
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Ok(read @ 1..) = from.read(&mut buffer[..most]) else { return };
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
        left -= read as u64;
    }
}
