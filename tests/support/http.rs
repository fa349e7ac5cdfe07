//! HTTP by hand: a client of the door that shares no code with it: what is written is what is sent.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The word for programs in a refusal, which has to have a sentence as well.
    pub(crate) fn error(&self) -> (u16, String) {
        let json = self.json();
        assert!(json["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{json}");
        (self.status, json["error"].as_str().expect("a word").to_owned())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// A connection to the door.
pub(crate) struct Visit {
    reader: BufReader<TcpStream>,
}

impl Visit {
    /// Connects and sends the head of a request.
    pub(crate) fn begin(door: SocketAddr, request: &str, headers: &[&str]) -> Self {
        let mut stream = TcpStream::connect(door).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        let mut head = format!("{request} HTTP/1.1\r\n");
        if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
            head.push_str(&format!("Host: {door}\r\n"));
        }
        headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).expect("a request");
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    /// A chunk of a body whose length is not known yet; an empty one ends it.
    pub(crate) fn chunk(&mut self, octets: &[u8]) -> io::Result<()> {
        self.write(format!("{:x}\r\n", octets.len()).as_bytes())?;
        self.write(octets)?;
        self.write(b"\r\n")
    }

    /// A line, without its end; empty at the end of the stream.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The head of the answer, past a `100 Continue`.
    pub(crate) fn head(&mut self) -> String {
        loop {
            let mut head = String::new();
            loop {
                let line = self.line();
                if line.is_empty() {
                    break;
                }
                head.push_str(&line);
                head.push('\n');
            }
            if !head.starts_with("HTTP/1.1 100") {
                return head;
            }
        }
    }

    /// The rest of the answer; also one that breaks off.
    pub(crate) fn answer(mut self) -> Answer {
        let head = self.head();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut body = Vec::new();
        let _ = self.reader.read_to_end(&mut body);
        if header(&head, "transfer-encoding").is_some() {
            body = unchunked(&body);
        }
        Answer { status: status.unwrap_or_else(|| panic!("no status: {head:?}")), head, body }
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|pair| pair == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let (Some(length), rest) = (length, &body[end + 2..]) else { break };
        whole.extend_from_slice(&rest[..length.min(rest.len())]);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// Asks once.
pub(crate) fn ask(door: SocketAddr, request: &str, headers: &[&str]) -> Answer {
    Visit::begin(door, request, headers).answer()
}

pub(crate) fn get(door: SocketAddr, path: &str) -> Answer {
    ask(door, &format!("GET {path}"), &[])
}

/// Brings a file whose length is said.
pub(crate) fn post(door: SocketAddr, query: &str, headers: &[&str], content: &[u8]) -> Answer {
    let length = format!("Content-Length: {}", content.len());
    let mut visit = Visit::begin(door, &format!("POST /api/v1/objects?{query}"), &[headers, &[&length]].concat());
    let _ = visit.write(content); // a refusal may come before all of it is taken
    visit.answer()
}

/// What is in the spool, as the door tells.
pub(crate) fn items(door: SocketAddr, path: &str) -> Vec<Value> {
    let answer = get(door, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().expect("items").clone()
}
