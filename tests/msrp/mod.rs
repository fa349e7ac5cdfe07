//! One side of an MSRP stream with an owner that can do what an engine does, or wait to be told.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use restante::model::{Instant, Machine as _, Mint, Now, Outbox, Ranges};
use restante::msrp::{
    Config, Connection, FailureReport, InboundKey, Input, MsrpUri, OutboundKey, OutboundSpec, Output, SendFailure,
    SessionKey, SessionMatch, SessionSpec,
};

pub(crate) const STORE: &str = "msrp://store.example.org:2855/s9Xk2vQ7;tcp";
pub(crate) const PHONE: &str = "msrp://phone.example.net:7654/p4Jd8wLm;tcp";

/// What the owner does by itself.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) grants: bool,
    pub(crate) writes: bool,
    pub(crate) commits: bool,
    pub(crate) fetches: bool,
    /// The socket takes everything at once.
    pub(crate) sends: bool,
}

pub(crate) const ALL: Habits = Habits { grants: true, writes: true, commits: true, fetches: true, sends: true };

pub(crate) struct Side {
    pub(crate) connection: Connection,
    pub(crate) habits: Habits,
    pub(crate) now: Now,
    /// Octets transmitted and not yet taken by `said`.
    pub(crate) transmitted: Vec<u8>,
    /// Every other output.
    pub(crate) events: Vec<Output>,
    pub(crate) files: BTreeMap<InboundKey, Vec<u8>>,
    pub(crate) resume: Ranges,
    /// Where Fetch reads.
    pub(crate) source: Bytes,
    out: Outbox<Output>,
}

pub(crate) fn path(text: &str) -> Vec<MsrpUri> {
    MsrpUri::parse_path(text).expect("a path")
}

pub(crate) fn spec(local: &str, remote: &str) -> SessionSpec {
    SessionSpec {
        key: SessionKey(1),
        local: local.parse().expect("a URI"),
        remote_path: path(remote),
        relay: None,
        max_size: None,
        accept_types: vec!["*".to_owned()],
        receives: true,
        greet: false,
        session_match: SessionMatch::Uri,
    }
}

/// A message of the whole source to session 1.
pub(crate) fn message(key: u64, message_id: &str, total: u64) -> OutboundSpec {
    OutboundSpec {
        message: OutboundKey(key),
        session: SessionKey(1),
        message_id: message_id.to_owned(),
        total,
        content_type: "text/plain".to_owned(),
        headers: Vec::new(),
        success_report: false,
        failure_report: FailureReport::Yes,
        chunk: 64 * 1024,
        preamble: Bytes::new(),
        skip: 0,
    }
}

impl Side {
    pub(crate) fn with(config: Config, seed: u64) -> Self {
        Self {
            connection: Connection::new(config, Mint::from_number(seed)),
            habits: ALL,
            now: Now::default(),
            transmitted: Vec::new(),
            events: Vec::new(),
            files: BTreeMap::new(),
            resume: Ranges::new(),
            source: Bytes::new(),
            out: Outbox::new(),
        }
    }

    /// The store with its session bound; its ids come from seed 1.
    pub(crate) fn store() -> Self {
        let mut side = Self::with(Config::default(), 1);
        side.give(Input::Bind(spec(STORE, PHONE)));
        side
    }

    /// The phone with its session bound; its ids come from seed 2.
    pub(crate) fn phone() -> Self {
        let mut side = Self::with(Config::default(), 2);
        side.give(Input::Bind(spec(PHONE, STORE)));
        side
    }

    pub(crate) fn give(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.connection.handle(self.now, input, &mut self.out);
            while let Some(output) = self.out.pop() {
                self.perform(output, &mut inputs);
            }
        }
    }

    fn perform(&mut self, output: Output, inputs: &mut std::collections::VecDeque<Input>) {
        let habits = self.habits;
        match &output {
            Output::Transmit(octets) => {
                self.transmitted.extend_from_slice(octets);
                if habits.sends {
                    inputs.push_back(Input::Sent(octets.len()));
                }
                return;
            }
            Output::Arrived { message, .. } if habits.grants => {
                inputs.push_back(Input::Receive { message: *message, resume: self.resume.clone(), limit: u64::MAX });
            }
            Output::Write { message, offset, octets } => {
                let (file, start) = (self.files.entry(*message).or_default(), *offset as usize);
                file.resize(file.len().max(start + octets.len()), 0);
                file[start..start + octets.len()].copy_from_slice(octets);
                if habits.writes {
                    inputs.push_back(Input::Written { message: *message, octets: octets.len() });
                }
            }
            Output::Complete { message, .. } if habits.commits => {
                inputs.push_back(Input::Committed { message: *message });
            }
            Output::Fetch { message, offset, octets } if habits.fetches => {
                let start = *offset as usize;
                let octets = self.source.slice(start..start + octets);
                inputs.push_back(Input::Fetched { message: *message, offset: *offset, octets });
            }
            _ => {}
        }
        self.events.push(output);
    }

    pub(crate) fn hear(&mut self, octets: impl AsRef<[u8]>) {
        self.give(Input::Octets(Bytes::copy_from_slice(octets.as_ref())));
    }

    pub(crate) fn pass(&mut self, secs: u64) {
        self.now.instant = self.now.instant + Duration::from_secs(secs);
        if self.connection.deadline().is_some_and(|(due, _)| due <= self.now.instant) {
            self.give(Input::Timeout);
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.connection.deadline().map(|(due, _)| due)
    }

    /// What was transmitted since the last call, as text.
    pub(crate) fn said(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.transmitted)).into_owned()
    }

    /// The status codes and flags of what was transmitted, for stories about who answers what: `["200", "SEND+"]`.
    pub(crate) fn said_in_short(&mut self) -> Vec<String> {
        let said = self.said();
        let (mut words, mut open) = (Vec::new(), None);
        for line in said.split("\r\n") {
            if let Some(start) = line.strip_prefix("MSRP ") {
                let mut parts = start.split(' ');
                open = Some((parts.next().expect("a tid"), parts.next().expect("a method or status")));
            }
            if let Some((tid, word)) = open
                && let Some(flag) = line.strip_prefix(&format!("-------{tid}"))
            {
                words.push(if flag == "$" { word.to_owned() } else { format!("{word}{flag}") });
            }
        }
        words
    }

    pub(crate) fn take_events(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn failures(&self) -> Vec<SendFailure> {
        let why = |event: &Output| match event {
            Output::SendFailed { why, .. } => Some(*why),
            _ => None,
        };
        self.events.iter().filter_map(why).collect()
    }

    pub(crate) fn has_delivered(&self, message: u64) -> bool {
        self.events.contains(&Output::Delivered { message: OutboundKey(message) })
    }
}

/// Carries octets both ways until both sides are silent.
pub(crate) fn converse(one: &mut Side, two: &mut Side) {
    while !one.transmitted.is_empty() || !two.transmitted.is_empty() {
        let (from_one, from_two) = (std::mem::take(&mut one.transmitted), std::mem::take(&mut two.transmitted));
        two.hear(from_one);
        one.hear(from_two);
    }
}

/// A chunk of the message as the phone sends it to the store.
pub(crate) fn chunk(
    tid: &str,
    message_id: &str,
    range: &str,
    extra: &str,
    body: impl AsRef<[u8]>,
    flag: char,
) -> Vec<u8> {
    let head = format!(
        "MSRP {tid} SEND\r\nTo-Path: {STORE}\r\nFrom-Path: {PHONE}\r\nMessage-ID: {message_id}\r\n\
        Byte-Range: {range}\r\n{extra}Content-Type: text/plain\r\n\r\n"
    );
    [head.as_bytes(), body.as_ref(), format!("\r\n-------{tid}{flag}\r\n").as_bytes()].concat()
}

/// What the phone answers the store.
pub(crate) fn response(tid: &str, status: &str) -> String {
    format!("MSRP {tid} {status}\r\nTo-Path: {STORE}\r\nFrom-Path: {PHONE}\r\n-------{tid}$\r\n")
}

/// A REPORT of the phone to the store.
pub(crate) fn report(message_id: &str, range: &str, status: &str) -> String {
    format!(
        "MSRP r3p0rt SEND\r\nTo-Path: {STORE}\r\nFrom-Path: {PHONE}\r\nMessage-ID: {message_id}\r\n\
        Byte-Range: {range}\r\nStatus: 000 {status}\r\n-------r3p0rt$\r\n"
    )
    .replacen("SEND", "REPORT", 1)
}
