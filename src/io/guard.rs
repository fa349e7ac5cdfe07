//! A listener for HTTP that holds a bounded number of connections, none of them for ever: one lasts as long as files and
//! events move on it, and a little longer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use crate::model::limits::{HTTP_CONNECTION_LIFE, HTTP_CONNECTIONS, HTTP_LEAST_OCTETS};

pub(super) struct Guarded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Guarded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(HTTP_CONNECTIONS)) }
    }
}

impl Listener for Guarded {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("nobody closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Visit::new(stream, place), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How long a connection may last.
#[derive(Clone, Debug)]
pub(super) struct Lease(Arc<Mutex<Left>>);

#[derive(Debug)]
struct Left {
    end: Instant,
    /// Octets since it was renewed.
    moved: usize,
    /// Pieces of work whose end the visitor waits for.
    works: usize,
}

impl Left {
    fn new() -> Self {
        Self { end: Instant::now() + HTTP_CONNECTION_LIFE, moved: 0, works: 0 }
    }

    fn renew(&mut self) {
        (self.end, self.moved) = (Instant::now() + HTTP_CONNECTION_LIFE, 0);
    }
}

impl Lease {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Left::new())))
    }

    /// Something has happened: the connection's time begins anew.
    pub(super) fn renew(&self) {
        self.left().renew();
    }

    /// We work for the visitor, and he can do nothing but wait: his time does not pass until the work is done.
    pub(super) fn work(&self) -> Work {
        self.left().works += 1;
        Work(self.clone())
    }

    /// So many octets of a file have moved. A few of them do not keep a place.
    pub(super) fn moved(&self, octets: usize) {
        let mut left = self.left();
        left.moved = left.moved.saturating_add(octets);
        if left.moved >= HTTP_LEAST_OCTETS {
            left.renew();
        }
    }

    fn end(&self) -> Instant {
        let mut left = self.left();
        if left.works > 0 {
            left.renew();
        }
        left.end
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work for a visitor, until this is dropped.
pub(super) struct Work(Lease);

impl Drop for Work {
    fn drop(&mut self) {
        let mut left = self.0.left();
        left.works -= 1;
        left.renew();
    }
}

impl Connected<IncomingStream<'_, Guarded>> for Lease {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Self {
        stream.io().lease.clone()
    }
}

/// A connection that fails once its time is over.
pub(super) struct Visit {
    stream: TcpStream,
    lease: Lease,
    alarm: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Visit {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        let lease = Lease::new();
        let alarm = Box::pin(tokio::time::sleep_until(lease.end()));
        Self { stream, lease, alarm, _place: place }
    }

    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let end = self.lease.end();
            if end <= self.alarm.deadline() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(end);
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl AsyncRead for Visit {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Duration, timeout};

    #[tokio::test]
    async fn the_connection_past_the_limit_waits_until_a_place_is_free() {
        let mut guarded = Guarded::new(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        let address = guarded.local_addr().expect("an address");
        let (mut clients, mut visits) = (Vec::new(), Vec::new());
        for _ in 0..HTTP_CONNECTIONS {
            clients.push(TcpStream::connect(address).await.expect("a connection"));
            visits.push(guarded.accept().await);
        }
        clients.push(TcpStream::connect(address).await.expect("a connection in the listen queue"));
        assert!(timeout(Duration::from_millis(20), guarded.accept()).await.is_err());
        visits.pop();
        timeout(Duration::from_secs(5), guarded.accept()).await.expect("a free place");
    }

    #[tokio::test]
    async fn a_visitor_who_says_nothing_is_shown_out() {
        let mut guarded = Guarded::new(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        let address = guarded.local_addr().expect("an address");
        let _client = TcpStream::connect(address).await.expect("a connection");
        let (mut visit, _) = guarded.accept().await;
        end_now(&mut visit);
        let error = visit.read_u8().await.expect_err("time is over");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_visitor_whose_file_moves_stays() {
        let mut guarded = Guarded::new(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        let mut client = TcpStream::connect(guarded.local_addr().expect("an address")).await.expect("a connection");
        let (mut visit, _) = guarded.accept().await;
        end_now(&mut visit);
        visit.lease.moved(HTTP_LEAST_OCTETS);
        client.write_u8(7).await.expect("a write");
        assert_eq!(visit.read_u8().await.expect("an octet"), 7);
    }

    // A copy of many gigabytes was cut after 60 s, and nobody was told whether it had been made.
    #[tokio::test]
    async fn a_visitor_for_whom_we_work_stays_until_he_has_his_answer() {
        let mut guarded = Guarded::new(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        let mut client = TcpStream::connect(guarded.local_addr().expect("an address")).await.expect("a connection");
        let (mut visit, _) = guarded.accept().await;
        let work = visit.lease.work();
        end_now(&mut visit);
        client.write_u8(7).await.expect("a write");
        assert_eq!(visit.read_u8().await.expect("an octet"), 7);
        end_now(&mut visit);
        drop(work);
        client.write_u8(8).await.expect("a write");
        assert_eq!(visit.read_u8().await.expect("an octet"), 8);
        end_now(&mut visit);
        assert_eq!(visit.read_u8().await.expect_err("time is over").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_visitor_whose_file_drips_is_shown_out() {
        let mut guarded = Guarded::new(TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
        let _client = TcpStream::connect(guarded.local_addr().expect("an address")).await.expect("a connection");
        let (mut visit, _) = guarded.accept().await;
        end_now(&mut visit);
        (1..HTTP_LEAST_OCTETS).step_by(1024).for_each(|_| visit.lease.moved(1));
        assert_eq!(visit.read_u8().await.expect_err("time is over").kind(), io::ErrorKind::TimedOut);
    }

    fn end_now(visit: &mut Visit) {
        visit.lease.left().end = Instant::now();
        visit.alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
    }
}
