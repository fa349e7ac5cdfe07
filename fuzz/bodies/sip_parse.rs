//! The first octet chooses the cuts, the rest is a SIP message, or a stream of them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use restante::model::limits::SIP_MESSAGE_OCTETS;
use restante::model::{Machine as _, Mint, Now, Outbox};
use restante::sip::stream::{Frame, Stream};
use restante::sip::{
    Body, CallKey, Command, Config, Endpoint, Event, Flow, FlowId, Input, Output, SipError, SipMessage, Transport,
    multipart, parse, serialise,
};

use crate::pieces::pieces;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, octets)) = data.split_first() else { return };
    let cut = pieces(octets, choice);
    reprint(octets);
    let frames = frames(&cut);
    for frame in &frames {
        if let Frame::Message(octets) = frame {
            reprint(octets);
        }
    }
    assert_eq!(self::frames(&[octets]), frames, "every split gives the same frames");
    let datagrams: Vec<&[u8]> = frames.iter().filter_map(message).collect();
    Hand::new(Transport::Udp).converse(if datagrams.is_empty() { vec![octets] } else { datagrams });
    Hand::new(Transport::Tcp).converse(cut);
}

/// What is printed of a message is read as the same message.
fn reprint(octets: &[u8]) {
    let Ok(message) = parse(octets) else { return };
    let printed = print(&message);
    if printed.len() > SIP_MESSAGE_OCTETS {
        return; // compact names were written out
    }
    let again = match parse(&printed) {
        Ok(again) => again,
        Err(fault) => {
            assert!(printed.len() > octets.len(), "{fault:?}: {}", String::from_utf8_lossy(&printed));
            return; // likewise, over the limit of a head
        }
    };
    assert_eq!(print(&again), printed, "printing and reading changes nothing");
    if let SipMessage::Request(request) = &message {
        let body = Body::new("multipart/mixed;boundary=edge", request.body.clone());
        let parts = multipart::parts(&body);
        assert!(parts.iter().map(|part| part.octets.len()).sum::<usize>() <= body.octets.len());
    }
}

fn print(message: &SipMessage) -> Bytes {
    match message {
        SipMessage::Request(request) => serialise::request(request),
        SipMessage::Response(response) => serialise::response(response),
    }
}

fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let (mut stream, mut frames) = (Stream::default(), Vec::new());
    for piece in pieces {
        stream.push(piece);
        while let Some(frame) = stream.next() {
            frames.push(frame);
        }
    }
    frames
}

fn message(frame: &Frame) -> Option<&[u8]> {
    match frame {
        Frame::Message(octets) => Some(octets),
        Frame::Ping | Frame::Broken { .. } => None,
    }
}

/// Whether this is what a peer can frame and read. A refusal copies what was wrong or missing, and may have more than
/// one Via, for it goes through proxies.
fn is_sip(octets: &[u8]) -> bool {
    let refusal = octets.starts_with(b"SIP/2.0 4") || octets.starts_with(b"SIP/2.0 5");
    match &frames(&[octets])[..] {
        [Frame::Message(whole)] => whole == octets && (refusal || is_sound(octets)),
        _ => octets == b"\r\n", // the answer to a ping
    }
}

fn is_sound(octets: &[u8]) -> bool {
    match parse(octets) {
        Ok(_) => true,
        Err(fault) => fault.error == SipError::ForeignVia,
    }
}

/// An endpoint whose owner takes every call and answers everything.
struct Hand {
    endpoint: Endpoint,
    now: Now,
    flow: Flow,
    alive: BTreeSet<CallKey>,
}

impl Hand {
    fn new(transport: Transport) -> Self {
        let endpoint = Endpoint::new(Config::default(), Mint::from_number(1));
        let address = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 5060));
        let flow = Flow { id: FlowId(1), transport, local: address(2), remote: address(9) };
        Self { endpoint, now: Now::default(), flow, alive: BTreeSet::new() }
    }

    /// Hears it all, hangs up, and waits until everything has come to its end.
    fn converse(&mut self, pieces: Vec<&[u8]>) {
        for piece in pieces {
            self.give(Input::Octets { flow: self.flow, octets: Bytes::copy_from_slice(piece) });
        }
        for call in self.alive.clone() {
            self.give(Input::Command(Command::Bye { call, body: None, reason: None }));
        }
        let mut turns = 0;
        while let Some((at, _)) = self.endpoint.deadline() {
            turns += 1;
            assert!(turns < 20_000, "timers come to an end");
            self.now.instant = at.max(self.now.instant);
            self.give(Input::Timeout);
        }
        assert_eq!(self.alive, BTreeSet::new(), "every call ends");
        assert_eq!((self.endpoint.calls(), self.endpoint.transactions()), (0, 0), "nothing is left behind");
    }

    fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Outbox::new();
            self.endpoint.handle(self.now, input, &mut out);
            for output in out.drain() {
                match output {
                    Output::Transmit { octets, .. } => assert!(is_sip(&octets), "{octets:?}"),
                    Output::Close(_) => {}
                    Output::Event(event) => inputs.extend(self.hear(event).map(Input::Command)),
                }
            }
        }
    }

    fn hear(&mut self, event: Event) -> Option<Command> {
        match event {
            Event::Invited { call, .. } => {
                assert!(self.alive.insert(call), "a key comes once");
                Some(Command::Accept { call, body: Some(Body::new("application/sdp", "v=0\r\n")) })
            }
            Event::Reinvited { call, .. } => Some(Command::Accept { call, body: None }),
            Event::Acked { call, .. } => Some(Command::Info { call, token: 1, body: Body::new("text/plain", "hello") }),
            Event::Info { request, .. } | Event::Options { request, .. } => {
                Some(Command::Answer { request, status: 200, reason: None, body: None, headers: Vec::new() })
            }
            Event::Ended { call, .. } => {
                assert!(self.alive.remove(&call), "a call ends once");
                None
            }
            _ => None,
        }
    }
}
