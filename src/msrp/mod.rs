//! MSRP (RFC 4975) for one byte stream with any number of sessions: octets in, files out, and back.
//!
//! **Promises.** Any split of the octets has the same effect. A chunk is answered 200 when the owner has written all of
//! its octets, never before; a success REPORT goes out when the owner says durable or committed, never before; which
//! answers go out at all is the peer's Failure-Report. Chunks may come in any order, twice or overlapping (the later
//! wins), and their length is that of their data. What we send is cut into interruptible chunks that make way for
//! answers and take turns, and no body ever holds its own end-line.
//!
//! ```text
//!            octets                                                 Arrived, Write, SyncWanted, Complete, Aborted
//!   stream ---------> Decoder --events--> Connection ---> Receiver --------------------------------------> owner
//!                                          |      |          |     Receive, Written, Durable, Committed      |
//!                       Knock, Bind, Unbind|      |          | answers, REPORTs                              |
//!                                       Sessions  |          v                                               |
//!   stream <--------------------------------------+------- Wire                                              |
//!            Transmit, Sent                       |          ^                                               |
//!                                                 +----> Sender <--------------------------------------------+
//!                                                            Send, Fetched; Fetch, Progress, Delivered
//! ```
//!
//! **Limits.** [`crate::model::limits`]: octets and headers of a head, URIs of a path, sessions of a connection,
//! messages of a session, holes of a message; and [`Config`]: octets unwritten, unsent and unanswered. Nothing is
//! allocated from a length that a peer claims.
//!
//! **Not here.** Sockets, clocks, files, SDP, relaying (RFC 4976 AUTH is answered 501, but for WebSocket clients: RFC 7977), and what a message means.

pub mod carrier;
mod connection;
pub mod cpim;
mod decode;
mod encode;
mod frame;
mod header;
mod inbound;
mod note;
mod outbound;
mod patience;
mod port;
mod receiver;
mod sender;
mod session;
mod transaction;
pub mod uri;
mod websocket;
mod wire;

pub use carrier::Carrier;
pub use connection::Connection;
pub use decode::{DecodeError, Decoder, Event};
pub use frame::{FailureReport, Flag, Method, Path, RequestHead, ResponseHead, Status, StatusCode};
pub use header::{HeadFault, Malformed};
pub use port::{
    AbortReason, Arrival, AuthAnswer, AuthId, AuthRequest, CloseReason, Config, InboundKey, Input, KnockId,
    OutboundKey, OutboundSpec, Output, Reason, SendFailure, SessionKey, SessionSpec,
};
pub use uri::{MSRP_PORT, MsrpUri, MsrpUriError, SessionMatch};
pub use websocket::{FrameCutter, NotOneFrame, check_frame};
