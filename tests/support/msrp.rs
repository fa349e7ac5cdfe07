//! MSRP by hand: frames out, frames in, nothing clever.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use super::PATIENCE;
use super::tape::Tape;

static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

/// One frame as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) tid: String,
    /// What follows the transaction id: a method, or a status with its comment.
    pub(crate) what: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) flag: u8,
}

impl Frame {
    /// The status of a response; 0 for a request.
    pub(crate) fn status(&self) -> u16 {
        self.what.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The status that a REPORT brings; 0 if this is none.
    pub(crate) fn reported(&self) -> u16 {
        if self.what != "REPORT" {
            return 0;
        }
        self.header("Status").split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}

/// What all chunks of a message have in common.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) id: String,
    pub(crate) total: u64,
}

impl Message {
    /// One SEND, whose octets begin at `offset`; the last one of a message ends in `$`.
    pub(crate) fn chunk(&self, offset: u64, octets: &[u8]) -> (String, Vec<u8>) {
        let end = offset + octets.len() as u64;
        self.frame(offset, octets, if end == self.total { b'$' } else { b'+' })
    }

    pub(crate) fn frame(&self, offset: u64, octets: &[u8], flag: u8) -> (String, Vec<u8>) {
        let Self { to, from, id, total } = self;
        let tid = format!("t{:08}", TRANSACTIONS.fetch_add(1, Ordering::Relaxed));
        let end = offset + octets.len() as u64;
        // RFC 4975 §7.1.1: above 2048 octets the end stays open.
        let range = if octets.len() > 2048 { "*".to_owned() } else { end.to_string() };
        let mut text = format!(
            "MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\nSuccess-Report: yes\r\n\
             Byte-Range: {}-{range}/{total}\r\nContent-Type: application/octet-stream\r\n\r\n",
            offset + 1
        )
        .into_bytes();
        text.extend_from_slice(octets);
        text.extend_from_slice(format!("\r\n-------{tid}{}\r\n", char::from(flag)).as_bytes());
        (tid, text)
    }
}

/// What carries frames: TCP itself, or what runs over it.
pub(crate) trait Octets: Read + Write + Send {}

impl<T: Read + Write + Send> Octets for T {}

/// One connection to the server.
pub(crate) struct Stream {
    stream: Box<dyn Octets>,
    tcp: TcpStream,
    unread: Vec<u8>,
    tape: Option<Tape>,
}

impl Stream {
    pub(crate) fn connect(server: SocketAddr, tape: Option<Tape>) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream.try_clone()?), tcp: stream, unread: Vec::new(), tape })
    }

    /// Something that runs over this TCP connection.
    pub(crate) fn over(tcp: TcpStream, stream: impl Octets + 'static) -> Self {
        Self { stream: Box::new(stream), tcp, unread: Vec::new(), tape: None }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if let Some(tape) = &self.tape {
            tape.sent(&self.tcp, octets);
        }
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    /// The socket itself, for those who do not keep to frames.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.tcp
    }

    /// The next frame.
    pub(crate) fn read(&mut self) -> io::Result<Frame> {
        loop {
            if let Some((frame, octets)) = parse(&self.unread) {
                if let Some(tape) = &self.tape {
                    tape.received(&self.tcp, &self.unread[..octets]);
                }
                self.unread.drain(..octets);
                return Ok(frame);
            }
            let mut piece = [0; 64 * 1024];
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// A SEND without content, which shows the server that we are there (RFC 4975 §5.4).
    pub(crate) fn greet(&mut self, to: &str, from: &str) -> io::Result<Frame> {
        let text = format!(
            "MSRP hello001 SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: hello\r\nByte-Range: 1-0/0\r\n\
             -------hello001$\r\n"
        );
        self.write(text.as_bytes())?;
        self.read()
    }

    /// The 200 to a request.
    pub(crate) fn accept(&mut self, request: &Frame) -> io::Result<()> {
        let (tid, to, from) = (&request.tid, request.header("From-Path"), request.header("To-Path"));
        self.write(format!("MSRP {tid} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{tid}$\r\n").as_bytes())
    }

    /// Receives one message whole, answers its chunks, and reports it.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let frame = self.read()?;
            if frame.what != "SEND" {
                continue;
            }
            content.extend_from_slice(&frame.body);
            self.accept(&frame)?;
            if frame.flag == b'$' && !frame.header("Content-Type").is_empty() {
                self.report(&frame, content.len())?;
                return Ok(content);
            }
        }
    }

    /// The success REPORT of a message with so many octets.
    pub(crate) fn report(&mut self, last: &Frame, total: usize) -> io::Result<()> {
        let (to, from, id) = (last.header("From-Path"), last.header("To-Path"), last.header("Message-ID"));
        self.write(
            format!(
                "MSRP rep00001 REPORT\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\n\
                 Byte-Range: 1-{total}/{total}\r\nStatus: 000 200 OK\r\n-------rep00001$\r\n"
            )
            .as_bytes(),
        )
    }
}

pub(crate) fn parse(octets: &[u8]) -> Option<(Frame, usize)> {
    let line = octets.windows(2).position(|window| window == b"\r\n")?;
    let start = String::from_utf8_lossy(&octets[..line]);
    let (tid, what) = start.strip_prefix("MSRP ")?.split_once(' ')?;
    let end_line = format!("\r\n-------{tid}");
    let end = octets.windows(end_line.len()).position(|window| window == end_line.as_bytes())?;
    let after = end + end_line.len();
    let flag = *octets.get(after)?;
    octets.get(after + 2)?;
    let content = &octets[line..end];
    let blank = content.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = blank.map_or((content, &[][..]), |at| (&content[..at], &content[at + 4..]));
    let head = String::from_utf8_lossy(head);
    let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = head.split("\r\n").filter_map(split).collect();
    let frame = Frame { tid: tid.to_owned(), what: what.to_owned(), headers, body: body.to_owned(), flag };
    Some((frame, after + 3))
}
