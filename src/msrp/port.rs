//! What goes into a connection and what comes out of it: the whole of its contract with its owner.

use std::time::Duration;

use bytes::Bytes;

use crate::model::limits::{
    MSRP_TRANSACTION_TIMEOUT, REPORT_EVERY_OCTETS, SEND_WINDOW_OCTETS, SESSIONS_PER_CONNECTION, SESSIONS_PER_TRUNK,
    UNSENT_OCTETS, UNWRITTEN_OCTETS,
};
use crate::model::{ByteRange, Instant, Ranges};

use super::auth::RelayAsk;
use super::decode::DecodeError;
use super::frame::{FailureReport, Path, StatusCode};
use super::uri::{MsrpUri, SessionMatch};

/// A session, chosen by the owner, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// A message that arrives, chosen by the connection, unique in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundKey(pub u64);

/// A message that we send, chosen by the owner, unique on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboundKey(pub u64);

/// A request for a session the connection does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KnockId(pub u64);

/// An AUTH that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthId(pub u64);

/// What an operator or a test may set; the rest is in `model::limits`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Octets asked for in one [`Output::Fetch`].
    pub fetch_octets: usize,
    /// Octets of a message sent or being fetched, and not yet answered.
    pub window_octets: u64,
    /// Octets handed out by [`Output::Transmit`] and not yet [`Input::Sent`]; above it no new body is made. More than
    /// `fetch_octets` and a head, or bodies alone could keep a connection from reading its answers.
    pub unsent_octets: usize,
    /// Octets handed out by [`Output::Write`] and not yet [`Input::Written`]; above it nothing is decoded.
    pub unwritten_octets: usize,
    /// How many new octets are worth an incremental success REPORT.
    pub report_every_octets: u64,
    /// RFC 4975 §7.1.1: how long a response may take after the last octet of its request has left.
    pub transaction_timeout: Duration,
    /// Most octets of one chunk of ours, whatever [`OutboundSpec::chunk`] says.
    pub chunk_octets: usize,
    /// Whether it is a WebSocket, whose client may ask for a relay URI by AUTH (RFC 7977 §5.3). On others that gets 501.
    pub websocket: bool,
    /// Whether it leads to a relay of our own: then the sessions of all calls share it, and others are about to come even
    /// while it carries one.
    pub trunk: bool,
}

impl Config {
    /// Sessions that may be bound at a time.
    pub(super) const fn sessions_most(&self) -> usize {
        if self.trunk { SESSIONS_PER_TRUNK } else { SESSIONS_PER_CONNECTION }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fetch_octets: 64 * 1024,
            window_octets: SEND_WINDOW_OCTETS,
            unsent_octets: UNSENT_OCTETS,
            unwritten_octets: UNWRITTEN_OCTETS,
            report_every_octets: REPORT_EVERY_OCTETS,
            transaction_timeout: MSRP_TRANSACTION_TIMEOUT,
            chunk_octets: usize::MAX,
            websocket: false,
            trunk: false,
        }
    }
}

/// A session as SDP has agreed on it.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// Its key.
    pub key: SessionKey,
    /// Our URI: the To-Path of what we receive, the From-Path of what we send.
    pub local: MsrpUri,
    /// The peer's `a=path`: the To-Path of what we send.
    pub remote_path: Vec<MsrpUri>,
    /// The relay URI that the peer got from us by AUTH and names before its own: we are its relay and its correspondent
    /// in one (RFC 7977 §5.1). It stands before `local` in both directions.
    pub relay: Option<Box<MsrpUri>>,
    /// Largest message we take, in octets; above it we answer 413.
    pub max_size: Option<u64>,
    /// Media types we take, as in `a=accept-types`; `*` and `type/*` are wildcards. Others get 415.
    pub accept_types: Vec<String>,
    /// Whether we take content. If not it gets 403, but bodiless SENDs and `message/imdn+xml` pass (P25).
    pub receives: bool,
    /// Whether we are the active side, which sends a bodiless SEND at once (RFC 4975 §5.4).
    pub greet: bool,
    /// How To-Path has to agree with `local`.
    pub session_match: SessionMatch,
}

/// A WebSocket client wants a relay URI (RFC 4976 §6.3, 7977 §5.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    /// Whom it asks.
    pub to: MsrpUri,
    /// Who asks.
    pub from: MsrpUri,
    /// Its Expires, unparsed.
    pub expires: Option<String>,
}

/// The answer to an AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthAnswer {
    /// 200, or why not.
    pub status: StatusCode,
    /// Use-Path, Expires and their like.
    pub headers: Vec<(&'static str, String)>,
    /// Until when the relay URI is good; so long the connection is of use without a session.
    pub until: Option<Instant>,
}

/// What the first chunk of a message says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its Message-ID.
    pub message_id: String,
    /// Its media type with parameters.
    pub content_type: String,
    /// Its Content-Disposition (RFC 2183), unparsed.
    pub disposition: Option<String>,
    /// The chunk's Byte-Range. A start above 1 is a message resumed or out of order.
    pub byte_range: Option<ByteRange>,
    /// Size of the message in octets, as the peer declares it.
    pub total: Option<u64>,
    /// Whether success REPORTs are asked for.
    pub success_report: bool,
    /// Which responses and failure REPORTs are asked for.
    pub failure_report: FailureReport,
    /// Every other header in order.
    pub others: Vec<(String, String)>,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct OutboundSpec {
    /// Its key.
    pub message: OutboundKey,
    /// Its session.
    pub session: SessionKey,
    /// Its Message-ID; the same again when it is sent again (RFC 4975 §5.4).
    pub message_id: String,
    /// Octets of the message, preamble and all; what Byte-Range counts.
    pub total: u64,
    /// Its media type.
    pub content_type: String,
    /// Content-Disposition and other MIME headers.
    pub headers: Vec<(String, String)>,
    /// Whether to ask for success REPORTs.
    pub success_report: bool,
    /// Which responses to ask for.
    pub failure_report: FailureReport,
    /// Octets of the message before those of the source: the head of a `message/cpim`. Mostly none.
    pub preamble: Bytes,
    /// Octets per chunk. Above 2048 the chunk is interruptible; a huge number sends all in one chunk.
    pub chunk: usize,
    /// Where in the source the message begins (RFC 5547 `file-range`): added to the offset of every Fetch.
    pub skip: u64,
}

/// What can happen to a connection.
#[derive(Debug)]
pub enum Input {
    /// Octets read from the stream.
    Octets(Bytes),
    /// The socket has taken that many of the octets handed out by [`Output::Transmit`].
    Sent(usize),
    /// The stream is gone.
    Closed,
    /// The deadline has passed.
    Timeout,
    /// This session may use this connection: the answer to a Knock, or we are active. Again with the same key it
    /// replaces the spec (re-INVITE).
    Bind(SessionSpec),
    /// The answer to a Knock: 481 if the session is unknown, 506 if it is bound elsewhere.
    Refuse {
        /// Which knock.
        knock: KnockId,
        /// What to answer.
        status: StatusCode,
    },
    /// The answer to an AUTH.
    Auth(AuthId, AuthAnswer),
    /// The session is over.
    Unbind(SessionKey),
    /// The grant: octets of this message may flow.
    Receive {
        /// Which message.
        message: InboundKey,
        /// Octets the stage has already.
        resume: Ranges,
        /// Most octets we take; above it we answer 413.
        limit: u64,
    },
    /// Take no more octets of this message than these, after all.
    Limit {
        /// Which message.
        message: InboundKey,
        /// Most octets we take; above it we answer 413.
        limit: u64,
    },
    /// Answer this to the message, and to every later chunk of it. Also for a Receive that goes wrong later.
    Reject {
        /// Which message.
        message: InboundKey,
        /// What to answer.
        status: StatusCode,
    },
    /// Decode no more octets of this message for now; nothing is thrown away.
    Hold(InboundKey),
    /// The end of a Hold.
    Resume(InboundKey),
    /// The stage has taken the next octets of the message, in the order of its Writes.
    Written {
        /// Which message.
        message: InboundKey,
        /// How many octets.
        octets: usize,
    },
    /// The stage could not take the next Write.
    WriteFailed {
        /// Which message.
        message: InboundKey,
        /// What to answer: 413 if there is no space (P8).
        status: StatusCode,
    },
    /// The first `octets` octets of the message are durable.
    Durable {
        /// Which message.
        message: InboundKey,
        /// How many, from the first on, without a hole.
        octets: u64,
    },
    /// The whole message is committed.
    Committed {
        /// Which message.
        message: InboundKey,
    },
    /// The message could not be committed.
    Failed {
        /// Which message.
        message: InboundKey,
        /// What to report.
        status: StatusCode,
    },
    /// Send this message.
    Send(OutboundSpec),
    /// The answer to a Fetch: octets at its offset, at least one, at most as many as asked for.
    Fetched {
        /// Which message.
        message: OutboundKey,
        /// The Fetch's offset.
        offset: u64,
        /// The octets.
        octets: Bytes,
    },
    /// The source is broken.
    FetchFailed {
        /// Which message.
        message: OutboundKey,
    },
    /// Give the message up, with `#` if the peer has part of it.
    Abort {
        /// Which message.
        message: OutboundKey,
    },
    /// Send no more of the message for now.
    PauseSend(OutboundKey),
    /// The end of a PauseSend.
    ResumeSend(OutboundKey),
    /// Send this AUTH to the relay at the other end; one at a time (RFC 4976 §9.1).
    AskRelay(RelayAsk),
    /// End every session and close the stream.
    Close,
}

/// What a connection wants done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these octets to the stream.
    Transmit(Bytes),
    /// A request came for a session that is not bound here: answer with Bind or Refuse. Until then nothing is decoded.
    Knock {
        /// Name it in Refuse.
        knock: KnockId,
        /// Its last URI is the session asked for. On a WebSocket a relay URI of ours may stand before it.
        to_path: Path,
        /// Who asks.
        from_path: Path,
    },
    /// A client asks for a relay URI: answer with [`Input::Auth`]. Until then nothing is decoded.
    Auth(AuthId, Box<AuthRequest>),
    /// The session is live: its first request arrived, or our greeting was answered.
    Greeted {
        /// Which session.
        session: SessionKey,
    },
    /// The peer refuses the session: 481, 506, a failure REPORT (RFC 4975 §7.3.2), or no answer to our greeting.
    /// No more is sent in it.
    SessionFailed {
        /// Which session.
        session: SessionKey,
        /// How it was refused.
        why: SendFailure,
    },
    /// The first chunk of a message with content: answer with Receive or Reject. Until then nothing is decoded.
    Arrived {
        /// Its session.
        session: SessionKey,
        /// Its key.
        message: InboundKey,
        /// What is known of it.
        head: Arrival,
    },
    /// Write these octets to the stage; a later Write wins where they overlap.
    Write {
        /// Which message.
        message: InboundKey,
        /// Zero-based offset in the message.
        offset: u64,
        /// The octets.
        octets: Bytes,
    },
    /// Enough new octets have arrived to report: answer with Durable when what was written so far is durable.
    SyncWanted {
        /// Which message.
        message: InboundKey,
    },
    /// Every octet of the message is written and its end was seen: answer with Committed or Failed.
    Complete {
        /// Which message.
        message: InboundKey,
        /// Its size in octets.
        total: u64,
    },
    /// The message will not be completed here.
    Aborted {
        /// Which message.
        message: InboundKey,
        /// Why.
        why: AbortReason,
        /// Every octet handed out by Write, and those of `Receive`'s resume.
        ranges: Ranges,
        /// The message's size: certain if its `$` chunk was seen, else as declared. If `ranges` covers it, the file is
        /// whole although nobody was told (P13).
        total: Option<u64>,
    },
    /// Read octets from the source.
    Fetch {
        /// Which message.
        message: OutboundKey,
        /// Zero-based offset in the source.
        offset: u64,
        /// How many at most.
        octets: usize,
    },
    /// More octets of the message have been answered 200.
    Progress {
        /// Which message.
        message: OutboundKey,
        /// How many, from the first on, without a hole.
        acknowledged: u64,
    },
    /// Every chunk was answered 200 and, if asked for, success REPORTs cover the message. Without Failure-Report there
    /// are no answers: then the socket took every octet.
    Delivered {
        /// Which message.
        message: OutboundKey,
    },
    /// The message is given up; nothing more is sent of it.
    SendFailed {
        /// Which message.
        message: OutboundKey,
        /// Why.
        why: SendFailure,
        /// Octets answered 200, from the first on.
        acknowledged: u64,
        /// Octets with a success REPORT, from the first on.
        reported: u64,
    },
    /// A relay on the way does not pass long frames: what it has not taken goes again in chunks of 2048 octets.
    Shortened {
        /// Which message.
        message: OutboundKey,
        /// What the long ones were answered with.
        status: StatusCode,
    },
    /// The answer to an AUTH; 408 if there is none.
    AuthAnswered {
        /// Its status.
        status: StatusCode,
        /// Its headers but the paths.
        headers: Vec<(String, String)>,
    },
    /// Close the stream when everything transmitted has left. The connection takes no more input.
    Close(CloseReason),
}

/// Why an inbound message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// The sender said `#`.
    Sender,
    /// The stream went away or could not be decoded.
    ConnectionLost,
    /// The session was unbound.
    Unbound,
    /// More octets than its limit; answered 413.
    TooLarge,
    /// More holes than `HOLES_PER_MESSAGE`; answered 413.
    TooManyHoles,
    /// Without a grant, and in the way of others on the connection; answered 413.
    InTheWay,
    /// Octets beyond the end that its `$` chunk had fixed, or two ends; answered 400.
    BeyondEnd,
}

/// Why an outbound message, or a session, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// An error response.
    Status(StatusCode),
    /// A failure REPORT.
    Report(StatusCode),
    /// No response in time, or a 408.
    Timeout,
    /// The stream went away.
    ConnectionLost,
    /// The source broke.
    Source,
    /// The owner gave it up.
    Aborted,
    /// The session is not, or no longer, bound here.
    Unbound,
    /// More sessions on one connection than the limit.
    TooManySessions,
}

/// Why the stream has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The owner asked for it.
    Asked,
    /// The peer's octets are no MSRP.
    Protocol(DecodeError),
    /// The peer takes too long for a head.
    SlowHead,
    /// The peer takes nothing of what we send.
    Stuck,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A response.
    Transaction,
    /// The rest of a head.
    Head,
    /// The peer, to take something.
    Taken,
    /// A grant, for which others wait.
    Grant,
}
