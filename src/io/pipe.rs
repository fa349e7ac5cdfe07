//! What waits for the socket of a SIP connection: counted in octets, written in one go, and not for ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};

/// With so many octets waiting, nothing more is read from that peer: who asks faster than he listens is slowed down. What of him
/// has been read by then is answered still, and that is little: all peers together have no more read than
/// [`SIP_UNREAD_OCTETS`](crate::model::limits::SIP_UNREAD_OCTETS).
const PAUSE_OCTETS: usize = 64 * 1024;

/// With so many the connection is cut: what could not be said for so long nobody waits for.
const MAX_OCTETS: usize = 32 * 1024 * 1024;

/// What a message takes besides its octets, about.
const MESSAGE_OCTETS: usize = 64;

/// Messages that leave in one go at most.
const WRITTEN_AT_ONCE: usize = 64;

/// A peer that takes nothing for so long is gone: as long as SIP waits for anything (RFC 3261, 64*T1).
const STALLED: Duration = Duration::from_secs(32);

/// The end that takes messages. When the last of them is gone, the connection ends after what was put in.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    messages: mpsc::UnboundedSender<Bytes>,
    unsent: Arc<Unsent>,
}

/// How much waits.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    octets: AtomicUsize,
    fewer: Notify,
}

/// The end at the socket.
#[derive(Debug)]
pub(super) struct Mouth {
    messages: mpsc::UnboundedReceiver<Bytes>,
    pub(super) unsent: Arc<Unsent>,
}

/// Both ends.
pub(super) fn pipe() -> (Pipe, Mouth) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unsent = Arc::<Unsent>::default();
    (Pipe { messages: sender, unsent: Arc::clone(&unsent) }, Mouth { messages: receiver, unsent })
}

impl Pipe {
    /// Puts a message in. `false`: the connection is gone, or takes too little.
    pub(super) fn put(&self, octets: Bytes) -> bool {
        let size = octets.len() + MESSAGE_OCTETS;
        if self.unsent.octets.fetch_add(size, Ordering::Relaxed) + size > MAX_OCTETS {
            self.unsent.octets.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        self.messages.send(octets).is_ok()
    }

    /// Whether nothing comes out at the other end any more.
    pub(super) fn is_broken(&self) -> bool {
        self.messages.is_closed()
    }
}

impl Unsent {
    /// Waits until so little is left that more may be asked for.
    pub(super) async fn is_little(&self) {
        while self.octets.load(Ordering::Relaxed) > PAUSE_OCTETS {
            self.fewer.notified().await;
        }
    }
}

impl Mouth {
    /// Writes until nobody can put anything in any more, or the peer takes nothing.
    pub(super) async fn pour(&mut self, mut writer: impl AsyncWrite + Unpin) {
        let mut messages = Vec::new();
        while self.messages.recv_many(&mut messages, WRITTEN_AT_ONCE).await > 0 {
            let octets = messages.concat();
            let size = octets.len() + messages.len() * MESSAGE_OCTETS;
            messages.clear();
            if written(&mut writer, &octets).await.is_err() {
                return;
            }
            self.unsent.octets.fetch_sub(size, Ordering::Relaxed);
            self.unsent.fewer.notify_one();
        }
        let _ = tokio::time::timeout(STALLED, writer.shutdown()).await;
    }

    /// The next message, if one waits.
    #[cfg(test)]
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.messages.try_recv().ok()
    }
}

async fn written(writer: &mut (impl AsyncWrite + Unpin), mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        match tokio::time::timeout(STALLED, writer.write(octets)).await?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            taken => octets = &octets[taken..],
        }
    }
    // TLS keeps what was written until it is flushed.
    tokio::time::timeout(STALLED, writer.flush()).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_that_nobody_empties_takes_so_much_and_no_more() {
        let (pipe, mut mouth) = pipe();
        let large = Bytes::from(vec![b'x'; MAX_OCTETS - 2 * MESSAGE_OCTETS - 2]);
        assert!(pipe.put(large) && pipe.put(Bytes::from_static(b"xx")));
        assert!(!pipe.put(Bytes::from_static(b"")), "it is full");
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let pouring = tokio::spawn(async move { mouth.pour(ours).await });
        let mut nowhere = tokio::io::sink();
        let read = tokio::io::copy(&mut theirs, &mut nowhere);
        let unsent = Arc::clone(&pipe.unsent);
        let emptied = async {
            unsent.is_little().await;
            assert!(pipe.put(Bytes::from_static(b"x")), "there is room again");
            drop(pipe);
        };
        let (octets, ()) = tokio::join!(read, emptied);
        assert_eq!(octets.ok(), Some((MAX_OCTETS - 2 * MESSAGE_OCTETS + 1) as u64));
        pouring.await.expect("it ends when nobody can put anything in");
    }

    #[tokio::test]
    async fn a_pipe_to_nobody_is_broken() {
        let (pipe, mouth) = pipe();
        assert!(!pipe.is_broken());
        drop(mouth);
        assert!(pipe.is_broken() && !pipe.put(Bytes::from_static(b"x")));
    }
}
