//! The first octet chooses the cuts, the rest is what a peer sends on an MSRP stream.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use restante::model::limits::MSRP_HEAD_OCTETS;
use restante::model::{Machine as _, Mint, Now, Outbox, Ranges};
use restante::msrp::{
    Config, Connection, DecodeError, Decoder, Event, FailureReport, InboundKey, Input, MsrpUri, OutboundKey,
    OutboundSpec, Output, SessionKey, SessionMatch, SessionSpec, StatusCode,
};

use crate::pieces::pieces;

const STORE: &str = "msrp://store.example.org:2855/s9Xk2vQ7;tcp";
const PHONE: &str = "msrp://phone.example.net:7654/p4Jd8wLm;tcp";

/// CRLF, seven hyphens, a transaction id of 32 characters, a flag and CRLF (RFC 4975 §9).
const END_LINE_OCTETS: usize = 2 + 7 + 32 + 1 + 2;

/// Octets of the message that the store sends meanwhile, so that responses and REPORTs have something to be about.
const OUTBOUND_OCTETS: u64 = 5000;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else { return };
    let cut = pieces(stream, choice);
    assert_eq!(decode(&[stream]), decode(&cut), "every split gives the same events");
    for pieces in [&cut[..], &[stream]] {
        obeyed(pieces);
        ignored(pieces);
    }
}

/// Events with bodies in one piece, and the error that ended them.
fn decode(pieces: &[&[u8]]) -> (Vec<Event>, Option<DecodeError>) {
    let (mut decoder, mut events) = (Decoder::new(), Vec::new());
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.poll() {
                Ok(Some(Event::Body(body))) => match events.last_mut() {
                    Some(Event::Body(before)) => *before = [&before[..], &body[..]].concat().into(),
                    _ => events.push(Event::Body(body)),
                },
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn connection(config: Config) -> Connection {
    let mut connection = Connection::new(config, Mint::from_number(1));
    let spec = SessionSpec {
        key: SessionKey(1),
        local: STORE.parse().expect("a URI"),
        remote_path: MsrpUri::parse_path(PHONE).expect("a path"),
        relay: None,
        max_size: Some(1 << 40),
        accept_types: vec!["text/*".to_owned(), "application/octet-stream".to_owned()],
        receives: true,
        greet: false,
        session_match: SessionMatch::Uri,
    };
    connection.handle(Now::default(), Input::Bind(spec), &mut Outbox::new());
    connection
}

fn outbound() -> Input {
    Input::Send(OutboundSpec {
        message: OutboundKey(1),
        session: SessionKey(1),
        message_id: "m0out".to_owned(),
        total: OUTBOUND_OCTETS,
        content_type: "text/plain".to_owned(),
        headers: Vec::new(),
        success_report: true,
        failure_report: FailureReport::Yes,
        chunk: 2048,
        preamble: Bytes::new(),
        skip: 0,
    })
}

/// What a stream came to with an owner who does at once whatever is wanted.
#[derive(Default)]
struct Outcome {
    transmitted: Vec<u8>,
    written: usize,
    arrived: BTreeSet<InboundKey>,
    /// Messages that came to an end, which each may once.
    over: BTreeSet<InboundKey>,
    closed: bool,
}

fn obeyed(pieces: &[&[u8]]) {
    let (mut connection, mut outcome) = (connection(Config::default()), Outcome::default());
    let mut inputs = VecDeque::from([outbound()]);
    inputs.extend(pieces.iter().map(|piece| Input::Octets(Bytes::copy_from_slice(piece))));
    while let Some(input) = inputs.pop_front() {
        let mut out = Outbox::new();
        connection.handle(Now::default(), input, &mut out);
        // Ahead of the next piece: the owner is faster than the peer.
        let mut answers: Vec<Input> = out.drain().filter_map(|output| obey(output, &mut outcome)).collect();
        if outcome.closed {
            break;
        }
        while let Some(answer) = answers.pop() {
            inputs.push_front(answer);
        }
    }
    let heard: usize = pieces.iter().map(|piece| piece.len()).sum();
    assert!(outcome.written <= heard, "nothing is written that was not heard");
    let (events, error) = decode(&[&outcome.transmitted]);
    let sound = |event: &Event| !matches!(event, Event::Malformed(_));
    assert!(error.is_none() && events.iter().all(sound), "what we say is MSRP: {events:?}");
}

fn obey(output: Output, outcome: &mut Outcome) -> Option<Input> {
    match output {
        Output::Transmit(octets) => {
            outcome.transmitted.extend_from_slice(&octets);
            Some(Input::Sent(octets.len()))
        }
        Output::Write { message, offset, octets } => {
            assert!(offset.checked_add(octets.len() as u64).is_some(), "an offset fits");
            assert!(outcome.arrived.contains(&message) && !outcome.over.contains(&message));
            outcome.written += octets.len();
            Some(Input::Written { message, octets: octets.len() })
        }
        Output::Knock { knock, .. } => Some(Input::Refuse { knock, status: StatusCode::NO_SUCH_SESSION }),
        Output::Arrived { message, .. } => {
            assert!(outcome.arrived.insert(message), "a key comes once");
            Some(Input::Receive { message, resume: Ranges::new(), limit: 1 << 40 })
        }
        Output::SyncWanted { message } => Some(Input::Durable { message, octets: 0 }),
        Output::Complete { message, .. } => {
            assert!(outcome.over.insert(message), "a message ends once");
            Some(Input::Committed { message })
        }
        Output::Aborted { message, .. } => {
            assert!(outcome.over.insert(message), "a message ends once");
            None
        }
        Output::Fetch { message, offset, octets } => {
            assert!(offset + octets as u64 <= OUTBOUND_OCTETS, "only what there is is fetched");
            Some(Input::Fetched { message, offset, octets: vec![b'x'; octets].into() })
        }
        Output::Close(_) => {
            outcome.closed = true;
            None
        }
        _ => None,
    }
}

/// An owner who grants and then neither writes nor sends: what waits for it has to stay bounded.
fn ignored(pieces: &[&[u8]]) {
    let config = Config { unwritten_octets: 200, unsent_octets: 300, ..Config::default() };
    let mut connection = connection(config.clone());
    let (mut unwritten, mut unsent) = (0, 0);
    let longest = pieces.iter().map(|piece| piece.len()).max().unwrap_or_default();
    let mut inputs = VecDeque::from([outbound()]);
    inputs.extend(pieces.iter().map(|piece| Input::Octets(Bytes::copy_from_slice(piece))));
    while let Some(input) = inputs.pop_front() {
        let waits = matches!(input, Input::Octets(_)) && !connection.wants_octets();
        if waits {
            break;
        }
        let mut out = Outbox::new();
        connection.handle(Now::default(), input, &mut out);
        for output in out.drain() {
            match output {
                Output::Transmit(octets) => unsent += octets.len(),
                Output::Write { octets, .. } => unwritten += octets.len(),
                Output::Arrived { message, .. } => {
                    inputs.push_front(Input::Receive { message, resume: Ranges::new(), limit: u64::MAX });
                }
                Output::Knock { knock, .. } => {
                    inputs.push_front(Input::Refuse { knock, status: StatusCode::NO_SUCH_SESSION });
                }
                Output::Close(_) => return,
                _ => {}
            }
        }
        // One event may go over the limit: a piece of a body, with what was held back before it because it might have
        // begun an end-line, or the answer to one head.
        assert!(
            unwritten <= config.unwritten_octets + longest + END_LINE_OCTETS,
            "{unwritten} octets wait to be written"
        );
        assert!(unsent <= 2 * config.unsent_octets + 2 * MSRP_HEAD_OCTETS, "{unsent} octets wait to be sent");
    }
}
