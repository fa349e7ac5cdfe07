//! A WebSocket client by hand (RFC 6455): it can do what no library would let it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use super::msrp::{Frame, Message, parse};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The key of RFC 6455's own example and what has to come back for it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What masks our payloads; any four octets will do.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An octet stream, over TLS or not.
pub(crate) trait Octets: Read + Write + Send {}
impl<T: Read + Write + Send> Octets for T {}

/// One frame of the server, which never sends fragments here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    /// The code of a Close.
    pub(crate) fn code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }

    pub(crate) fn frame(&self) -> Frame {
        assert_eq!(self.opcode, BINARY, "{self:?}");
        let (frame, octets) = parse(&self.payload).expect("a whole MSRP frame");
        assert_eq!(octets, self.payload.len(), "one frame a message");
        frame
    }
}

/// One WebSocket to the server.
pub(crate) struct WebSocket {
    stream: Box<dyn Octets>,
    unread: Vec<u8>,
    /// The 101.
    pub(crate) welcome: String,
}

/// The answer to a handshake with these further header lines, and the stream after it.
pub(crate) fn handshake(server: SocketAddr, lines: &str) -> io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let answer = greet(&mut stream, lines)?;
    Ok((stream, answer))
}

/// The head of the answer to a handshake. No octet after it is taken.
pub(crate) fn greet(stream: &mut impl Octets, lines: &str) -> io::Result<String> {
    let request = format!(
        "GET /msrp HTTP/1.1\r\nHost: store.example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

impl WebSocket {
    pub(crate) fn connect(server: SocketAddr) -> io::Result<Self> {
        let (stream, welcome) = handshake(server, "Sec-WebSocket-Protocol: msrp\r\n")?;
        assert!(welcome.starts_with("HTTP/1.1 101 "), "{welcome}");
        Ok(Self { stream: Box::new(stream), unread: Vec::new(), welcome })
    }

    /// One frame on the wire, as it is told.
    pub(crate) fn put(&mut self, last: bool, opcode: u8, masked: bool, payload: &[u8]) -> io::Result<()> {
        let mut octets = vec![u8::from(last) << 7 | opcode];
        let mask = u8::from(masked) << 7;
        match payload.len() {
            length @ 0..126 => octets.push(mask | length as u8),
            length @ 126..65_536 => {
                octets.push(mask | 126);
                octets.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                octets.push(mask | 127);
                octets.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if masked {
            octets.extend_from_slice(&MASK);
            octets.extend(payload.iter().zip(MASK.iter().cycle()).map(|(octet, mask)| octet ^ mask));
        } else {
            octets.extend_from_slice(payload);
        }
        self.stream.write_all(&octets)
    }

    /// Octets as they are.
    pub(crate) fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// One binary message.
    pub(crate) fn send(&mut self, message: impl AsRef<[u8]>) -> io::Result<()> {
        self.put(true, BINARY, true, message.as_ref())
    }

    /// The next frame of the server, Pings and all.
    pub(crate) fn hear(&mut self) -> io::Result<Heard> {
        loop {
            if let Some((heard, octets)) = decode(&self.unread) {
                self.unread.drain(..octets);
                return Ok(heard);
            }
            let mut piece = [0; 64 * 1024];
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// The next MSRP frame.
    pub(crate) fn read(&mut self) -> io::Result<Frame> {
        Ok(self.hear()?.frame())
    }

    /// The code the server closes with, whatever it says before.
    pub(crate) fn closed(&mut self) -> io::Result<u16> {
        loop {
            let heard = self.hear()?;
            if heard.opcode == CLOSE {
                return Ok(heard.code());
            }
        }
    }

    /// An AUTH with these header lines, and its answer.
    pub(crate) fn auth(&mut self, from: &str, lines: &str) -> io::Result<Frame> {
        self.send(format!(
            "MSRP auth0001 AUTH\r\nTo-Path: msrp://dana@store.example.org:443;ws\r\nFrom-Path: {from}\r\n{lines}-------auth0001$\r\n"
        ))?;
        self.read()
    }

    /// The relay URI that an AUTH brings.
    pub(crate) fn relay(&mut self, from: &str) -> io::Result<String> {
        let answer = self.auth(from, "")?;
        assert_eq!(answer.status(), 200, "{answer:?}");
        Ok(answer.header("Use-Path").to_owned())
    }

    /// Sends a message in chunks, each after the answer to the one before, and waits for its success REPORT.
    pub(crate) fn deposit(&mut self, message: &Message, content: &[u8], chunk: usize, opcode: u8) -> io::Result<()> {
        let mut reported = false;
        for (index, piece) in content.chunks(chunk).enumerate() {
            let (tid, octets) = message.chunk((index * chunk) as u64, piece);
            self.put(true, opcode, true, &octets)?;
            loop {
                let frame = self.read()?;
                reported |= frame.reported() == 200;
                if frame.tid == tid {
                    assert_eq!(frame.status(), 200, "{frame:?}");
                    break;
                }
            }
        }
        while !reported {
            reported = self.read()?.reported() == 200;
        }
        Ok(())
    }
}

fn decode(octets: &[u8]) -> Option<(Heard, usize)> {
    let (first, second) = (*octets.first()?, *octets.get(1)?);
    assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "whole and unmasked");
    let number = |length: usize| {
        let digits = octets.get(2..2 + length)?;
        Some(digits.iter().fold(0_usize, |number, octet| number << 8 | usize::from(*octet)))
    };
    let (length, start) = match second {
        126 => (number(2)?, 4),
        127 => (number(8)?, 10),
        short => (usize::from(short), 2),
    };
    let payload = octets.get(start..start + length)?.to_vec();
    Some((Heard { opcode: first & 0x0f, payload }, start + length))
}
