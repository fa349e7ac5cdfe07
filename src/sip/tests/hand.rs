//! One endpoint that is spoken to in text.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::model::{Instant, Machine as _, Mint, Now, Outbox};
use crate::sip::{Command, Config, Endpoint, Event, Flow, FlowId, Input, Output, Transport};

pub(super) struct Hand {
    pub(super) endpoint: Endpoint,
    pub(super) now: Now,
    pub(super) events: Vec<Event>,
    pub(super) closed: bool,
    /// What was transmitted last and where to.
    pub(super) to: Option<SocketAddr>,
}

pub(super) fn udp() -> Flow {
    flow(1, Transport::Udp)
}

pub(super) fn tcp() -> Flow {
    flow(2, Transport::Tcp)
}

fn flow(id: u64, transport: Transport) -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    Flow { id: FlowId(id), transport, local: address("192.0.2.2:5060"), remote: address("192.0.2.9:4444") }
}

impl Hand {
    pub(super) fn new(config: Config) -> Self {
        let endpoint = Endpoint::new(config, Mint::from_number(1));
        Self { endpoint, now: Now::default(), events: Vec::new(), closed: false, to: None }
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<String> {
        let mut out = Outbox::new();
        self.endpoint.handle(self.now, input, &mut out);
        let mut sent = Vec::new();
        for output in out.drain() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Close(_) => self.closed = true,
                Output::Transmit { remote, octets, .. } => {
                    self.to = Some(remote);
                    sent.push(String::from_utf8_lossy(&octets).into_owned());
                }
            }
        }
        sent
    }

    /// One datagram in, the messages out.
    pub(super) fn udp(&mut self, text: &str) -> Vec<String> {
        self.input(Input::Octets { flow: udp(), octets: Bytes::copy_from_slice(text.as_bytes()) })
    }

    /// One piece of a stream in.
    pub(super) fn tcp(&mut self, text: &str) -> Vec<String> {
        self.input(Input::Octets { flow: tcp(), octets: Bytes::copy_from_slice(text.as_bytes()) })
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<String> {
        self.input(Input::Command(command))
    }

    /// Lets time pass; returns what was sent, each with the milliseconds since the start.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<(u128, String)> {
        let end = self.now.instant + time;
        let mut sent = Vec::new();
        while let Some((at, _)) = self.endpoint.deadline().filter(|(at, _)| *at <= end) {
            self.now.instant = at.max(self.now.instant);
            let at = self.now.instant.since_origin().as_millis();
            sent.extend(self.input(Input::Timeout).into_iter().map(|text| (at, text)));
        }
        self.now.instant = end;
        sent
    }

    pub(super) fn at(&mut self, time: Duration) {
        self.now.instant = Instant::from_origin(time);
    }
}

/// The first line's status or method of each message.
pub(super) fn kinds(sent: &[String]) -> Vec<&str> {
    sent.iter().map(|text| text.strip_prefix("SIP/2.0 ").unwrap_or(text).split(' ').next().unwrap_or("")).collect()
}

/// The value of the first header of this name.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A request with the usual headers; `edit` changes or adds lines, and a body gets its Content-Length.
pub(super) fn request(method: &str, seq: u32, extra: &[&str], body: &str) -> String {
    let extra: String = extra.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{method} sip:box@192.0.2.2 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK{method}{seq};rport\r\n\
         From: \"Carol\" <sip:carol@example.com>;tag=c4r0l\r\n\
         Call-ID: by-hand@example.com\r\nCSeq: {seq} {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:carol@192.0.2.9:5070>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request outside any dialog.
pub(super) fn fresh(method: &str, seq: u32, extra: &[&str], body: &str) -> String {
    request(method, seq, &[&["To: <sip:box@example.net>"], extra].concat(), body)
}

/// A request inside the dialog of this tag of ours.
pub(super) fn inside(method: &str, seq: u32, tag: &str, extra: &[&str], body: &str) -> String {
    let to = format!("To: <sip:box@example.net>;tag={tag}");
    request(method, seq, &[&[to.as_str()], extra].concat(), body)
}
