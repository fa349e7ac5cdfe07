//! A wire that turns one bit over: a TCP relay that harms the first octet of the first body that passes.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Octets carried at a time.
const CARRY_OCTETS: usize = 64 * 1024;

/// What ends the head of a chunk that has a body (RFC 4975 §9); one without has no empty line.
const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// Relays connections to `target` with one octet harmed on each, until the runtime ends. Returns where to connect.
///
/// # Errors
/// No port is free.
pub(super) async fn relay(target: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((target.ip(), 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, target));
        }
    });
    Ok(address)
}

async fn carry(client: TcpStream, target: SocketAddr) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::select! {
        () = harm(from_client, to_server) => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

async fn harm(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (mut harm, mut buffer) = (Harm::default(), vec![0; CARRY_OCTETS]);
    while let Ok(octets @ 1..) = from.read(&mut buffer).await {
        harm.pass(&mut buffer[..octets]);
        if to.write_all(&buffer[..octets]).await.is_err() {
            return;
        }
    }
}

/// Looks for the first body in a stream that comes in pieces.
#[derive(Default)]
struct Harm {
    /// How much of [`HEAD_END`] the last octets were.
    matched: usize,
    done: bool,
}

impl Harm {
    fn pass(&mut self, octets: &mut [u8]) {
        for octet in octets {
            if self.done {
                return;
            }
            if self.matched == HEAD_END.len() {
                *octet ^= 1;
                self.done = true;
            } else if *octet == HEAD_END[self.matched] {
                self.matched += 1;
            } else {
                self.matched = usize::from(*octet == HEAD_END[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_octet_of_the_first_body_is_harmed_however_the_stream_is_cut() {
        let whole = b"MSRP a SEND\r\nTo-Path: x\r\n-------a$\r\nMSRP b SEND\r\r\n\r\nbody\r\n\r\nmore";
        let body = whole.len() - b"body\r\n\r\nmore".len();
        for size in 1..=whole.len() {
            let (mut harm, mut octets) = (Harm::default(), whole.to_vec());
            octets.chunks_mut(size).for_each(|piece| harm.pass(piece));
            let harmed: Vec<usize> = (0..whole.len()).filter(|at| octets[*at] != whole[*at]).collect();
            assert_eq!(harmed, [body], "in pieces of {size}");
        }
    }
}
