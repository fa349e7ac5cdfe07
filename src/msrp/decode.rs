//! Octets into events, never holding a body: any split of the octets gives the same events (RFC 4975 §7.1, §9).

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use memchr::memmem::Finder;

use crate::model::limits::MSRP_HEAD_OCTETS;

use super::frame::{Flag, RequestHead, ResponseHead};
use super::header::{Head, HeadReader, Malformed, Paths};

/// What the octets say, in order. A `Request` is followed by any number of `Body` and one `End`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request's head is complete.
    Request(RequestHead),
    /// A piece of its body, a slice of the octets that were pushed.
    Body(Bytes),
    /// Its end-line.
    End(Flag),
    /// A whole response.
    Response(ResponseHead),
    /// A frame whose head cannot be understood. Its body is thrown away and no `End` follows.
    Malformed(Malformed),
}

/// The frames can no longer be told apart: the stream has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Where a frame must start there is no MSRP start line.
    #[error("the peer sent no MSRP start line where a frame must start")]
    StartLine,
    /// A head is longer than the limit.
    #[error("the peer sent a head of more than {MSRP_HEAD_OCTETS} octets")]
    HeadTooLong,
}

#[derive(Debug)]
enum State {
    /// Between frames.
    Start,
    /// Start line and perhaps headers read.
    Head(Box<HeadReader>),
    /// After the blank line.
    Body {
        end: Box<EndLine>,
        wanted: bool,
    },
    /// The end-line has been read; its flag is still to be told.
    Ended(Flag),
    Failed(DecodeError),
}

/// What ends the current frame.
#[derive(Debug)]
struct EndLine {
    /// CRLF, seven hyphens, transaction id.
    mark: Vec<u8>,
    /// The carry begins with the CRLF of the blank line, which may serve the end-line but is never body (P7).
    borrowed: usize,
}

impl EndLine {
    fn new(tid: &str) -> Self {
        Self { mark: [MARK_START, tid.as_bytes()].concat(), borrowed: CRLF.len() }
    }

    /// Mark, flag, CRLF.
    fn len(&self) -> usize {
        self.mark.len() + 1 + CRLF.len()
    }

    /// How far `octets` go along with an end-line from their first octet on.
    fn compare(&self, octets: &[u8]) -> Match {
        let mark = &self.mark[..];
        let common = octets.len().min(mark.len());
        if octets[..common] != mark[..common] {
            return Match::No;
        }
        let Some(octet) = octets.get(mark.len()) else { return Match::SoFar };
        let Some(flag) = Flag::from_octet(*octet) else { return Match::No };
        let line_end = &octets[mark.len() + 1..];
        let common = line_end.len().min(CRLF.len());
        if line_end[..common] != CRLF[..common] {
            return Match::No;
        }
        if common == CRLF.len() { Match::Whole(flag) } else { Match::SoFar }
    }

    /// Takes body off `octets` up to an end-line or to what may be the beginning of one, which goes into `carry`.
    fn scan(&self, start: &Finder<'_>, octets: &mut Bytes, carry: &mut Vec<u8>) -> (Bytes, Option<Flag>) {
        let mut from = 0;
        while let Some(found) = start.find(&octets[from..]) {
            let at = from + found;
            match self.compare(&octets[at..]) {
                Match::Whole(flag) => {
                    let piece = octets.split_to(at);
                    octets.advance(self.len());
                    return (piece, Some(flag));
                }
                Match::SoFar => return (carry_from(at, octets, carry), None),
                // RFC 4975 §9: without a flag and CRLF behind it, it is data (P4).
                Match::No => from = at + MARK_START.len(),
            }
        }
        // A mark has one CR, so only the last CR of the tail can begin one.
        let tail = from.max(octets.len().saturating_sub(self.mark.len() - 1));
        match memchr::memrchr(b'\r', &octets[tail..]) {
            Some(cr) if !matches!(self.compare(&octets[tail + cr..]), Match::No) => {
                (carry_from(tail + cr, octets, carry), None)
            }
            _ => (octets.split_to(octets.len()), None),
        }
    }

    /// Finds out with more octets whether `carry` begins an end-line. If not it is body.
    fn settle(&mut self, octets: &mut Bytes, carry: &mut Vec<u8>) -> (Bytes, Option<Flag>) {
        let carried = carry.len();
        let more = octets.len().min(self.len() - carried);
        carry.extend_from_slice(&octets[..more]);
        let flag = match self.compare(carry) {
            Match::No => {
                let piece = Bytes::copy_from_slice(&carry[std::mem::take(&mut self.borrowed)..carried]);
                carry.clear();
                return (piece, None);
            }
            Match::SoFar => None,
            Match::Whole(flag) => {
                carry.clear();
                Some(flag)
            }
        };
        octets.advance(more);
        (Bytes::new(), flag)
    }
}

fn carry_from(at: usize, octets: &mut Bytes, carry: &mut Vec<u8>) -> Bytes {
    let piece = octets.split_to(at);
    carry.extend_from_slice(octets);
    octets.clear();
    piece
}

enum Match {
    No,
    /// All there is matches, but it is too short to tell.
    SoFar,
    Whole(Flag),
}

const CRLF: &[u8] = b"\r\n";

/// What every end-line after a body starts with: looking for this needs no searcher per frame.
const MARK_START: &[u8] = b"\r\n-------";

/// Decodes one stream. Push octets, then take events until there is none.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// A line, or what may become an end-line, that began in octets already consumed.
    carry: Vec<u8>,
    mark_start: Finder<'static>,
    rest: Bytes,
    queue: VecDeque<Bytes>,
    head_octets: usize,
    /// Heads that were read to their end.
    heads: u64,
    paths: Paths,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self {
            state: State::Start,
            carry: Vec::new(),
            mark_start: Finder::new(MARK_START),
            rest: Bytes::new(),
            queue: VecDeque::new(),
            head_octets: 0,
            heads: 0,
            paths: Paths::default(),
        }
    }

    /// Adds octets read from the stream.
    pub fn push(&mut self, octets: Bytes) {
        if self.rest.is_empty() && self.queue.is_empty() {
            self.rest = octets;
        } else {
            self.queue.push_back(octets);
        }
    }

    /// The next event, or `None` until more octets are pushed.
    ///
    /// # Errors
    /// [`DecodeError`], and the same again for ever after.
    pub fn poll(&mut self) -> Result<Option<Event>, DecodeError> {
        loop {
            if self.rest.is_empty()
                && let Some(octets) = self.queue.pop_front()
            {
                self.rest = octets;
            }
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Ended(flag) => {
                    let flag = *flag;
                    self.state = State::Start;
                    return Ok(Some(Event::End(flag)));
                }
                State::Body { .. } => {
                    if let Some(event) = self.body() {
                        return Ok(Some(event));
                    }
                    if matches!(self.state, State::Body { .. }) && self.rest.is_empty() && self.queue.is_empty() {
                        return Ok(None);
                    }
                }
                State::Start | State::Head(_) => {
                    let Some(line) = self.line()? else {
                        if self.queue.is_empty() {
                            return Ok(None);
                        }
                        continue;
                    };
                    if let Some(event) = self.head_line(&line)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// The number of the head that has begun and is not over, if there is one.
    pub(super) fn open_head(&self) -> Option<u64> {
        let begun = match &self.state {
            State::Head(_) => true,
            State::Start => !self.carry.is_empty(),
            State::Body { .. } | State::Ended(_) | State::Failed(_) => false,
        };
        begun.then_some(self.heads)
    }

    /// Takes a line with its CRLF off the octets, if it is complete.
    fn line(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let ends = |at: &usize| match at.checked_sub(1) {
            Some(before) => self.rest[before] == b'\r',
            None => self.carry.last() == Some(&b'\r'),
        };
        let end = memchr::memchr_iter(b'\n', &self.rest).find(ends).map(|at| at + 1);
        let taken = end.unwrap_or(self.rest.len());
        if self.head_octets + self.carry.len() + taken > MSRP_HEAD_OCTETS {
            return Err(self.fail(DecodeError::HeadTooLong));
        }
        let part = self.rest.split_to(taken);
        if end.is_some() && self.carry.is_empty() {
            self.head_octets += part.len();
            return Ok(Some(part));
        }
        self.carry.extend_from_slice(&part);
        if end.is_none() {
            return Ok(None);
        }
        self.head_octets += self.carry.len();
        Ok(Some(std::mem::take(&mut self.carry).into()))
    }

    fn head_line(&mut self, line: &[u8]) -> Result<Option<Event>, DecodeError> {
        let text = &line[..line.len() - CRLF.len()];
        let State::Head(reader) = &mut self.state else {
            // A CRLF between frames is no frame: some stacks keep a NAT binding alive with it.
            if text.is_empty() {
                self.head_octets = 0;
                return Ok(None);
            }
            let reader = HeadReader::start(text).ok_or(DecodeError::StartLine);
            let reader = reader.map_err(|error| self.fail(error))?;
            self.state = State::Head(Box::new(reader));
            return Ok(None);
        };
        if text.is_empty() {
            let end = Box::new(EndLine::new(reader.tid()));
            self.carry.extend_from_slice(CRLF);
            return Ok(self.head_done(|wanted| State::Body { end, wanted }));
        }
        if let Some(flag) = end_flag(text, reader.tid()) {
            return Ok(self.head_done(|wanted| if wanted { State::Ended(flag) } else { State::Start }));
        }
        reader.header(text, &mut self.paths);
        Ok(None)
    }

    /// Leaves the head for the state that `next` makes of whether the frame's body and end are wanted.
    fn head_done(&mut self, next: impl FnOnce(bool) -> State) -> Option<Event> {
        self.head_octets = 0;
        self.heads += 1;
        let State::Head(reader) = std::mem::replace(&mut self.state, State::Start) else { return None };
        let (event, wanted) = match reader.finish() {
            Head::Request(head) => (Event::Request(head), true),
            Head::Response(head) => (Event::Response(head), false),
            Head::Malformed(malformed) => (Event::Malformed(malformed), false),
        };
        self.state = next(wanted);
        Some(event)
    }

    /// The next piece of the body. `None` if there is nothing to tell yet, or nothing that is wanted.
    fn body(&mut self) -> Option<Event> {
        let State::Body { end, wanted } = &mut self.state else { return None };
        let wanted = *wanted;
        let (piece, flag) = match self.carry.is_empty() {
            true => end.scan(&self.mark_start, &mut self.rest, &mut self.carry),
            false => end.settle(&mut self.rest, &mut self.carry),
        };
        if let Some(flag) = flag {
            self.state = if wanted { State::Ended(flag) } else { State::Start };
        }
        (wanted && !piece.is_empty()).then_some(Event::Body(piece))
    }

    fn fail(&mut self, error: DecodeError) -> DecodeError {
        self.state = State::Failed(error);
        self.rest.clear();
        self.queue.clear();
        error
    }
}

/// The flag, if this line is the end-line of the transaction.
fn end_flag(line: &[u8], tid: &str) -> Option<Flag> {
    let rest = line.strip_prefix(b"-------")?.strip_prefix(tid.as_bytes())?;
    match rest {
        [octet] => Flag::from_octet(*octet),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::frame::StatusCode;
    use crate::msrp::header::HeadFault;
    use proptest::prelude::*;

    const HEAD: &str =
        "MSRP t1234 SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\nMessage-ID: m1234\r\n";

    /// Every event of these octets pushed in these pieces, adjacent bodies joined.
    fn events(pieces: &[&[u8]]) -> (Vec<Event>, Option<DecodeError>) {
        let (mut decoder, mut events) = (Decoder::new(), Vec::<Event>::new());
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            loop {
                match (decoder.poll(), events.last_mut()) {
                    (Ok(Some(Event::Body(more))), Some(Event::Body(body))) => {
                        *body = [&body[..], &more[..]].concat().into();
                    }
                    (Ok(Some(event)), _) => events.push(event),
                    (Ok(None), _) => break,
                    (Err(error), _) => return (events, Some(error)),
                }
            }
        }
        (events, None)
    }

    fn body_of(octets: &[u8]) -> Option<(Vec<u8>, Flag)> {
        match &events(&[octets]).0[..] {
            [Event::Request(_), Event::End(flag)] => Some((Vec::new(), *flag)),
            [Event::Request(_), Event::Body(body), Event::End(flag)] => Some((body.to_vec(), *flag)),
            _ => None,
        }
    }

    fn send(body: &[u8]) -> Vec<u8> {
        [HEAD.as_bytes(), b"Content-Type: a/b\r\n\r\n", body, b"\r\n-------t1234$\r\n"].concat()
    }

    // M4975-7.1-09 M4975-7.1-10 M4975-7.1-12 M4975-9-10
    #[test]
    fn a_body_is_what_stands_between_the_blank_line_and_the_crlf_of_the_end_line() {
        for body in [&b"abc"[..], b"abc\r\n", b"\r\n", b"", b"\0\r\xff\n", b"\r\n\r\n-------t1234"] {
            assert_eq!(body_of(&send(body)), Some((body.to_vec(), Flag::Complete)), "{body:?}");
        }
        // Pitfall P7: an empty body with the blank line alone.
        let one_crlf = [HEAD, "Content-Type: a/b\r\n\r\n-------t1234#\r\n"].concat();
        assert_eq!(body_of(one_crlf.as_bytes()), Some((Vec::new(), Flag::Aborted)));
        let bodiless = [HEAD, "-------t1234+\r\n"].concat();
        assert_eq!(body_of(bodiless.as_bytes()), Some((Vec::new(), Flag::More)));
    }

    #[test]
    fn what_only_looks_like_an_end_line_is_body() {
        for near in [
            "\r\n-------t1234",
            "\r\n-------t1234$",
            "\r\n-------t1234$\r",
            "\r\n-------t1234$x\r\n",
            "\r\n-------t1234!\r\n",
            "\r\n-------t12345$\r\n",
            "\r\n------t1234$\r\n",
            "\n-------t1234$\r\n",
            "-------t1234$",
            "\r\r\n-------t1234$\r\r",
        ] {
            let body = format!("x{near}x");
            assert_eq!(body_of(&send(body.as_bytes())), Some((body.into_bytes(), Flag::Complete)), "{near:?}");
        }
    }

    #[test]
    fn the_bodies_of_what_is_malformed_or_a_response_are_thrown_away() {
        let bad = [HEAD, "nonsense\r\n\r\nbody\r\n-------t1234$\r\n"].concat();
        let paths = "To-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n";
        let response = format!("MSRP r1234 200 OK\r\n{paths}\r\nbody\r\n-------r1234$\r\n\r\n");
        let (events, error) = events(&[bad.as_bytes(), response.as_bytes(), &send(b"x")]);
        assert_eq!(error, None);
        let [Event::Malformed(malformed), Event::Response(response), Event::Request(_), Event::Body(_), Event::End(_)] =
            &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(malformed.fault, HeadFault::Header);
        assert_eq!((response.code, response.comment.as_str()), (StatusCode::OK, "OK"));
    }

    #[test]
    fn without_a_start_line_or_an_end_of_the_head_the_stream_is_given_up() {
        assert_eq!(events(&[b"GET / HTTP/1.1\r\n"]), (vec![], Some(DecodeError::StartLine)));
        let endless = [HEAD.as_bytes(), &b"X-A: b\r\n".repeat(3000)].concat();
        assert_eq!(events(&[&endless]), (vec![], Some(DecodeError::HeadTooLong)));
        assert_eq!(events(&[&[b'x'; 20_000]]), (vec![], Some(DecodeError::HeadTooLong)));
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let octets = Bytes::from(send(&[b'x'; 100_000]));
        let mut decoder = Decoder::new();
        decoder.push(octets.clone());
        assert!(matches!(decoder.poll(), Ok(Some(Event::Request(_)))));
        let Ok(Some(Event::Body(body))) = decoder.poll() else { panic!("a body") };
        assert_eq!((body.len(), octets.as_ptr_range().contains(&body.as_ptr())), (100_000, true));
    }

    /// Bodies made of what end-lines are made of.
    fn hostile_body() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just(&b"\r\n-------t1234"[..]),
            Just(&b"\r\n"[..]),
            Just(&b"\r"[..]),
            Just(&b"-------"[..]),
            Just(&b"t1234"[..]),
            Just(&b"$"[..]),
            Just(&b"+x"[..]),
            Just(&b"data"[..]),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat()).prop_filter("a real end-line", |body| {
            let framed = [b"\r\n", &body[..], b"\r\n-------t1234$\r\n"].concat();
            let ends = ["$", "+", "#"].map(|flag| format!("\r\n-------t1234{flag}\r\n"));
            let first = ends.iter().filter_map(|end| memchr::memmem::find(&framed, end.as_bytes())).min();
            first == Some(body.len() + 2)
        })
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same_events(
            bodies in prop::collection::vec(hostile_body(), 1..4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| send(body)).collect();
            let whole = events(&[&stream]);
            let expected: Vec<Vec<u8>> = bodies.into_iter().filter(|body| !body.is_empty()).collect();
            let found: Vec<Vec<u8>> = whole.0.iter().filter_map(|event| match event {
                Event::Body(body) => Some(body.to_vec()),
                _ => None,
            }).collect();
            prop_assert_eq!(found, expected);

            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&events(&pieces), &whole);
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(&events(&single), &whole);
        }

        #[test]
        fn no_octets_make_the_decoder_panic(
            octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'-')], 0..200),
            cut in 0usize..200,
        ) {
            let stream = [HEAD.as_bytes(), &octets].concat();
            let cut = cut.min(stream.len());
            prop_assert_eq!(events(&[&stream]), events(&[&stream[..cut], &stream[cut..]]));
        }
    }
}
