//! WebSockets (RFC 6455, 7977): the handshake, and the messages as the octets that a link reads and writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::connection::{MsrpStream, Pulse, ReadHalf, WriteHalf};
use crate::model::limits::{WEBSOCKET_HANDSHAKE, WEBSOCKET_MESSAGE_OCTETS, WEBSOCKET_PING};
use crate::msrp::{FrameCutter, check_frame};

/// RFC 7977 §4.1.
const SUBPROTOCOL: &str = "msrp";

/// Octets of a Ping or Pong of a client before its payload (RFC 6455 §5.2): a control frame is short, and masked.
const CONTROL_HEAD_OCTETS: usize = 6;

/// Octets read from a socket at a time. Allocated for every WebSocket, idle or not.
const READ_OCTETS: usize = 16 * 1024;

/// What an operator wants of WebSockets.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Origins whose pages may connect; `*` is all of them.
    origins: Arc<[String]>,
    /// After how long a silence a Ping is sent.
    ping: Duration,
    /// How long the handshake may take.
    handshake: Duration,
}

impl Terms {
    pub(super) fn new(origins: &[String]) -> Self {
        Self { origins: origins.into(), ping: WEBSOCKET_PING, handshake: WEBSOCKET_HANDSHAKE }
    }
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The client's fault, told to it if it understands HTTP.
    #[error("{0}")]
    Handshake(Box<Error>),
    /// It took too long.
    #[error("the client did not finish the WebSocket handshake within {} s", .0.as_secs())]
    Slow(Duration),
}

/// Makes a WebSocket of a stream of octets, on which it is then as if MSRP came and went without one.
pub(super) async fn accept(stream: MsrpStream, terms: Terms) -> Result<MsrpStream, Refusal> {
    let MsrpStream { reader, writer, bearer, place, .. } = stream;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_OCTETS)
        .write_buffer_size(0)
        .max_message_size(Some(WEBSOCKET_MESSAGE_OCTETS))
        .max_frame_size(Some(WEBSOCKET_MESSAGE_OCTETS));
    let origins = Arc::clone(&terms.origins);
    // The type of the error is the crate's.
    #[expect(clippy::result_large_err, reason = "the callback's signature")]
    let answer = move |request: &Request, response: Response| answer(&origins, request, response);
    let handshake = accept_hdr_async_with_config(Below::new(reader, writer), answer, Some(config));
    let socket = match tokio::time::timeout(terms.handshake, handshake).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return Err(Refusal::Handshake(Box::new(error))),
        Err(_) => return Err(Refusal::Slow(terms.handshake)),
    };
    let pulse = Some(socket.get_ref().pulse.clone());
    let (reader, writer) = tokio::io::split(Octets::new(socket, terms.ping));
    Ok(MsrpStream { reader: Box::new(reader), writer: Box::new(writer), bearer, place, pulse })
}

/// RFC 7977 §4.1 and §7: who may, and what the 101 says.
#[expect(clippy::result_large_err, reason = "the callback's signature")]
fn answer(origins: &[String], request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let headers = request.headers();
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|value| value.split(',')).any(|name| name.trim() == SUBPROTOCOL) {
        return Err(refusal(StatusCode::BAD_REQUEST, "Sec-WebSocket-Protocol has to name msrp (RFC 7977)"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let known = origin.to_str().is_ok_and(|origin| {
            origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin.trim_end_matches('/')))
        });
        if !known {
            return Err(refusal(StatusCode::FORBIDDEN, "pages of this origin may not connect here"));
        }
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

fn refusal(status: StatusCode, why: &'static str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(format!("{why}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(why.len() + 1));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What carries a WebSocket, with the pulse of its peer: a long message may take minutes, and until its end it gives no
/// other sign of life.
struct Below {
    octets: Join<ReadHalf, WriteHalf>,
    pulse: Pulse,
}

impl Below {
    fn new(reader: ReadHalf, writer: WriteHalf) -> Self {
        Self { octets: tokio::io::join(reader, writer), pulse: Pulse::default() }
    }
}

impl AsyncRead for Below {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.octets).poll_read(cx, buf))?;
        self.pulse.beat(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Below {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.octets).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_shutdown(cx)
    }
}

/// A WebSocket read and written as octets: each message that comes is one frame of MSRP, and so is each that goes.
struct Octets {
    socket: WebSocketStream<Below>,
    /// The rest of the message that is being read.
    unread: Bytes,
    cutter: FrameCutter,
    ping: Duration,
    alarm: Pin<Box<Sleep>>,
    /// Octets that had come by the last alarm.
    heard: u64,
    /// A Ping or Pong came since the last alarm.
    alive: bool,
    /// A Ping went out since something came.
    asked: bool,
    /// Nothing more is read.
    over: bool,
    /// What the peer is told at the end.
    farewell: CloseFrame,
    parting: Parting,
}

/// How far saying goodbye is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// Not begun.
    Open,
    /// Close is in the socket's buffer.
    Closing,
    /// We say no more; the peer's last octets are thrown away until it, too, has closed.
    Closed,
}

impl Octets {
    fn new(socket: WebSocketStream<Below>, ping: Duration) -> Self {
        Self {
            heard: socket.get_ref().pulse.octets(),
            socket,
            unread: Bytes::new(),
            cutter: FrameCutter::default(),
            ping,
            alarm: Box::pin(tokio::time::sleep(ping)),
            alive: false,
            asked: false,
            over: false,
            farewell: CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") },
            parting: Parting::Open,
        }
    }

    fn take(&mut self, message: Message) {
        let octets = match message {
            // RFC 7977 §4.2: what text says is octets, too. That it is UTF-8 has been seen to (RFC 6455 §8.1).
            Message::Text(text) => Bytes::from(text),
            Message::Binary(octets) => octets,
            Message::Close(_) => return self.over = true,
            Message::Ping(payload) | Message::Pong(payload) => return self.hear(payload.len()),
            Message::Frame(_) => return,
        };
        match check_frame(&octets) {
            Ok(()) => self.unread = octets,
            Err(why) => self.part(CloseCode::Protocol, &why.to_string()),
        }
    }

    /// A browser answers a Ping also for a page that has stopped in the middle of a file: the peer is there, and yet
    /// nothing of a message has come.
    fn hear(&mut self, payload: usize) {
        self.alive = true;
        self.socket.get_ref().pulse.take_back(CONTROL_HEAD_OCTETS + payload);
    }

    fn fail(&mut self, error: &Error) {
        let code = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => {
                tracing::debug!(%error, "the WebSocket has gone");
                return self.over = true;
            }
            _ => CloseCode::Protocol,
        };
        self.part(code, &error.to_string());
    }

    /// The peer broke a rule: it is told which, and no more of it is read.
    fn part(&mut self, code: CloseCode, why: &str) {
        tracing::warn!(code = u16::from(code), %why, "closing the WebSocket");
        self.over = true;
        // RFC 6455 §5.5: a control frame has 125 octets at most, two of which are the code.
        let reason: String = why.chars().filter(char::is_ascii).take(123).collect();
        self.farewell = CloseFrame { code, reason: reason.into() };
    }

    /// Notices a peer that is no longer there (RFC 7977 §6).
    fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let heard = self.socket.get_ref().pulse.octets();
            let silent = !std::mem::take(&mut self.alive) & (std::mem::replace(&mut self.heard, heard) == heard);
            if self.asked && silent {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the WebSocket's peer does not answer a Ping"));
            }
            self.asked = silent;
            if silent {
                Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new())).map_err(broken)?;
                // What is left of it goes with the next flush or message.
                let _ = Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)?;
            }
            self.alarm.as_mut().reset(Instant::now() + self.ping);
        }
        Ok(())
    }
}

impl AsyncRead for Octets {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.unread.is_empty() && !this.over {
            match Pin::new(&mut this.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => this.take(message),
                Poll::Ready(Some(Err(error))) => this.fail(&error),
                Poll::Ready(None) => this.over = true,
                Poll::Pending => {
                    this.watch(cx)?;
                    return Poll::Pending;
                }
            }
        }
        let octets = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.unread[..octets]);
        this.unread.advance(octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Octets {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.socket).poll_ready(cx)).map_err(broken)?;
        this.cutter.push(octets);
        while let Some(frame) = this.cutter.next() {
            // RFC 7977 §4.2: bodies are octets, so it is always binary.
            Pin::new(&mut this.socket).start_send(Message::Binary(frame)).map_err(broken)?;
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    /// Says Close and waits until the peer has closed, too: an earlier end could overtake what we said (RFC 6455 §7.1.1).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.parting == Parting::Open {
            this.parting = Parting::Closing;
            // It fails if the peer has said Close before us, and is answered already.
            let _ = Pin::new(&mut this.socket).start_send(Message::Close(Some(this.farewell.clone())));
        }
        if this.parting == Parting::Closing {
            let _ = ready!(Pin::new(&mut this.socket).poll_flush(cx));
            ready!(Pin::new(this.socket.get_mut()).poll_shutdown(cx))?;
            this.parting = Parting::Closed;
        }
        let mut scrap = [0; READ_OCTETS];
        loop {
            let mut scrap = ReadBuf::new(&mut scrap);
            ready!(Pin::new(this.socket.get_mut()).poll_read(cx, &mut scrap))?;
            if scrap.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::BrokenPipe, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Bearer;
    use crate::msrp::Carrier;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// Short enough for a test, long enough for a busy machine to answer in between.
    const PING: Duration = Duration::from_millis(200);

    /// An empty Ping as a server sends it, and the client's Pong.
    const ASKED: [u8; 2] = [0x89, 0];
    const ANSWER: [u8; 6] = [0x8a, 0x80, 1, 2, 3, 4];

    async fn socket() -> (Octets, DuplexStream) {
        let (ours, theirs) = duplex(4096);
        let (reader, writer) = tokio::io::split(ours);
        let below = Below::new(Box::new(reader), Box::new(writer));
        (Octets::new(WebSocketStream::from_raw_socket(below, Role::Server, None).await, PING), theirs)
    }

    // M7977-6-01
    #[tokio::test]
    async fn a_silent_client_is_asked_by_ping_and_given_up_when_it_does_not_answer() {
        let (mut socket, mut client) = socket().await;
        let reading = tokio::spawn(async move { socket.read_u8().await });
        let mut heard = [0; 2];
        for _ in 0..2 {
            client.read_exact(&mut heard).await.expect("a Ping");
            assert_eq!(heard, ASKED);
            client.write_all(&ANSWER).await.expect("room");
        }
        client.read_exact(&mut heard).await.expect("a third Ping, which stays without answer");
        let error = reading.await.expect("no panic").expect_err("nothing was sent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_pong_keeps_the_websocket_and_is_no_part_of_a_file() {
        let (mut socket, mut client) = socket().await;
        let pulse = socket.socket.get_ref().pulse.clone();
        let reading = tokio::spawn(async move { socket.read_u8().await });
        let mut heard = [0; 2];
        for _ in 0..3 {
            client.read_exact(&mut heard).await.expect("a Ping");
            assert_eq!((heard, pulse.octets()), (ASKED, 0));
            client.write_all(&ANSWER).await.expect("room");
        }
        client.read_exact(&mut heard).await.expect("one more Ping");
        client.write_all(&[0x82, 0xfe, 0x40, 0]).await.expect("the beginning of a message");
        client.read_exact(&mut heard).await.expect("the next Ping");
        assert_eq!(pulse.octets(), 4);
        reading.abort();
    }

    // M7977-6-01
    #[tokio::test]
    async fn a_message_that_takes_longer_than_any_silence_may_is_waited_for() {
        let (mut socket, mut client) = socket().await;
        let reading = tokio::spawn(async move { socket.read_u8().await });
        client.write_all(&[0x82, 0xfe, 0x40, 0, 1, 2, 3, 4]).await.expect("room"); // binary, of 16 KiB
        let mut heard = [0; 2];
        for _ in 0..3 {
            client.read_exact(&mut heard).await.expect("a Ping");
            assert_eq!(heard, ASKED);
            client.write_all(&[0]).await.expect("an octet of the message instead of a Pong, which cannot overtake it");
        }
        client.read_exact(&mut heard).await.expect("a last Ping");
        let error = reading.await.expect("no panic").expect_err("nothing came any more");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_stops_in_the_middle_of_its_handshake_is_shown_out() {
        let (ours, mut theirs) = duplex(4096);
        theirs.write_all(b"GET / HTTP/1.1\r\nHost: store.example.org\r\n").await.expect("room");
        let bearer = Bearer { carrier: Carrier::Ws, remote: None, certificate: None };
        let terms = Terms { handshake: Duration::from_millis(20), ..Terms::new(&["*".to_owned()]) };
        let refused = accept(MsrpStream::new(ours, bearer, None), terms).await;
        assert!(matches!(refused, Err(Refusal::Slow(_))), "{refused:?}");
        assert_eq!(theirs.read(&mut [0]).await.expect("an end"), 0);
    }

    // M7977-7-01
    #[test]
    fn a_page_of_an_origin_that_is_not_listed_gets_403() {
        let origins = ["https://pages.example.org".to_owned(), "http://localhost:8000".to_owned()];
        let status = |origin: Option<&str>, origins: &[String]| {
            let mut request = Request::new(());
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("msrp"));
            if let Some(origin) = origin {
                request.headers_mut().insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"));
            }
            answer(origins, &request, Response::new(())).map_or_else(|refused| refused.status().as_u16(), |_| 101)
        };
        for (origin, expected) in [
            (Some("https://PAGES.example.org"), 101),
            (Some("http://localhost:8000"), 101),
            (Some("http://pages.example.org"), 403),
            (Some("https://pages.example.org.evil.example.net"), 403),
            (Some("null"), 403),
            (None, 101),
        ] {
            assert_eq!(status(origin, &origins), expected, "{origin:?}");
        }
        assert_eq!(status(Some("https://anywhere.example.net"), &["*".to_owned()]), 101);
    }
}
