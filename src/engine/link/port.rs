//! What the engine, the driver and a link tell each other.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::engine::failure::ReceiveFailure;
use crate::engine::trust::PeerCertificate;
use crate::model::{FileInfo, Ranges};
use crate::msrp::cpim::Content;
use crate::msrp::{
    Arrival, AuthAnswer, AuthId, AuthRequest, Carrier, InboundKey, KnockId, OutboundKey, OutboundSpec, Path, RelayAsk,
    SendFailure, SessionKey, SessionSpec, StatusCode,
};
use crate::spool::{Committed, SealError, Sealed, StageError, StagePlan};

/// One byte stream, named by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What a link runs on and who is at its other end, as far as the transport can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The real socket's, whatever a URI says.
    pub carrier: Carrier,
    /// The peer's address; unknown if the stream was gone before it could be asked.
    pub remote: Option<SocketAddr>,
    /// What the peer has shown in the TLS handshake, if anything.
    pub certificate: Option<PeerCertificate>,
}

/// Where the octets of an outgoing message come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// An object of the spool.
    Object(Committed),
    /// An object of which only a part is sent: it is checked as a whole before.
    Part(Committed),
    /// A file of the machine the client runs on; the server never makes one.
    Local(String),
}

/// Leave to receive one message, from the engine.
#[derive(Debug)]
pub struct Grant {
    /// The message that waits.
    pub message: InboundKey,
    /// Where its octets go and what was declared of them.
    pub plan: StagePlan,
    /// The largest message taken, in octets (RFC 4975 §8.6).
    pub limit: u64,
    /// What the sealed file has to be; of a wrapped one that is what is in the wrapper (RFC 5547 §8.7).
    pub declared: FileInfo,
    /// The message is a `message/cpim`, and these are the media types taken in it.
    pub wrapped_types: Option<Vec<String>>,
    /// Longest pause between two pieces before the message counts as failed.
    pub idle: Duration,
    /// The engine hears of progress after so many octets.
    pub tell_every: u64,
    /// Whether ranges are reported as soon as they are durable, before the whole is committed (RFC 4975 §7.1.3).
    pub incremental: bool,
}

/// What the engine tells a link.
#[derive(Debug)]
pub enum Command {
    /// This session may use the stream.
    Bind(SessionSpec),
    /// The knock is refused: 481 or 506.
    Refuse(KnockId, StatusCode),
    /// The answer to an AUTH.
    Auth(AuthId, AuthAnswer),
    /// The session is over.
    Unbind(SessionKey),
    /// The message may be read.
    Receive(Box<Grant>),
    /// The message is refused.
    Reject(InboundKey, StatusCode),
    /// Stop reading this message between chunks.
    Hold(InboundKey),
    /// Read it again.
    Resume(InboundKey),
    /// Stop receiving; the octets are kept for a later resume, or thrown away.
    Stop {
        /// The message.
        message: InboundKey,
        /// `terminate.cancelled`: throw the octets away.
        discard: bool,
    },
    /// The file is committed: the success REPORT may go out. Only a [`Committed`] can cause one.
    Committed(InboundKey, Committed),
    /// The commit failed.
    Failed(InboundKey, ReceiveFailure),
    /// Send a message.
    Send(OutboundSpec, Source),
    /// Break it off with `#`.
    Abort(OutboundKey),
    /// Send no further chunk for now.
    PauseSend(OutboundKey),
    /// Go on.
    ResumeSend(OutboundKey),
    /// The stream leads to our relay: ask it for a path.
    AskRelay(RelayAsk),
    /// Close the stream once everything is flushed.
    Close,
}

/// What can happen to a link.
#[derive(Debug)]
pub enum Input {
    /// Octets read from the stream.
    Octets(Bytes),
    /// Octets came that are not a whole message of the transport below yet: the peer is at work.
    Heard,
    /// The socket took this many octets.
    Sent(usize),
    /// The stream is gone.
    Closed,
    /// The deadline has passed.
    Timeout,
    /// The engine's word.
    Command(Command),
    /// A stage is open; these octets were there already.
    Staged(InboundKey, Result<Ranges, StageError>),
    /// One [`Output::Write`] was performed, in order.
    Written(InboundKey, usize, Result<(), StageError>),
    /// One [`Output::Peek`] was performed.
    Peeked(InboundKey, Result<Vec<u8>, StageError>),
    /// One [`Output::Sync`] was performed: this prefix is durable.
    Synced(InboundKey, Result<u64, StageError>),
    /// One [`Output::Seal`] was performed.
    Sealed(InboundKey, Result<Box<Sealed>, SealError>),
    /// One [`Output::Fetch`] was performed; `None` if the source failed.
    Fetched(OutboundKey, u64, Option<Bytes>),
}

/// What a link wants done.
#[derive(Debug)]
pub enum Output {
    /// Write to the stream.
    Transmit(Bytes),
    /// Open a stage; answer with [`Input::Staged`].
    Open(InboundKey, StagePlan),
    /// Write octets at this offset of the stage; answer with [`Input::Written`].
    Write(InboundKey, u64, Bytes),
    /// Make the stage durable; answer with [`Input::Synced`].
    Sync(InboundKey),
    /// Read the first octets of the stage, at most so many; answer with [`Input::Peeked`].
    Peek(InboundKey, usize),
    /// The file begins at this offset of the stage: a hint, for its digests.
    ContentFrom(InboundKey, u64),
    /// Everything is in: check these octets, which are the file, and seal; answer with [`Input::Sealed`].
    Seal(InboundKey, Range<u64>, FileInfo),
    /// Keep the stage for a resume.
    Suspend(InboundKey),
    /// Throw the stage away.
    Discard(InboundKey),
    /// Open a source for the fetches that follow.
    Source(OutboundKey, Source),
    /// Read from the source; answer with [`Input::Fetched`].
    Fetch(OutboundKey, u64, usize),
    /// The source is no longer needed.
    Release(OutboundKey),
    /// Tell the engine.
    Notice(Notice),
    /// Close the stream.
    Close,
}

/// What a link tells the engine.
#[derive(Debug)]
pub enum Notice {
    /// A request for a session this stream does not carry yet; the stream is held until the answer.
    Knock {
        /// To be named in the answer.
        knock: KnockId,
        /// The request's To-Path.
        to_path: Path,
        /// The request's From-Path.
        from_path: Path,
    },
    /// A WebSocket client wants a relay URI; the stream is held until the answer.
    Auth(AuthId, Box<AuthRequest>),
    /// The peer has shown up in this session.
    Greeted(SessionKey),
    /// The peer refuses the session.
    SessionFailed(SessionKey, SendFailure),
    /// A message with content begins; the stream is held until it is granted or rejected.
    Arrived(SessionKey, InboundKey, Box<Arrival>),
    /// A message that had no grant yet was refused, for others waited for it. A grant that crossed with this is void.
    Withdrawn(InboundKey),
    /// So many octets of a message are in the stage.
    Received(InboundKey, u64),
    /// The message is a wrapper, and this is in it. Once more before it is sealed; the last word counts.
    Unwrapped(InboundKey, Box<Content>),
    /// Every octet of the message is in the stage; it is being checked.
    Whole(InboundKey),
    /// The message is whole, checked and sealed. The engine owes a commit.
    Sealed(InboundKey, Box<Sealed>),
    /// The message will not become an object; so many octets had arrived.
    Lost(InboundKey, ReceiveFailure, u64),
    /// So many octets of an outgoing message were answered with 200.
    Acknowledged(OutboundKey, u64),
    /// Every chunk was answered with 200, and reported if a report was asked for.
    Delivered(OutboundKey),
    /// The message did not get through; so many octets of it were reported as received for good.
    SendFailed(OutboundKey, SendFailure, u64),
    /// A relay on the way of an outgoing message answered its long frames with this; it goes on in short ones.
    Shortened(OutboundKey, StatusCode),
    /// Our relay's answer to an AUTH, with its headers; 408 if there is none.
    AuthAnswered(StatusCode, Vec<(String, String)>),
    /// The stream is gone, with every session on it.
    Closed,
}
