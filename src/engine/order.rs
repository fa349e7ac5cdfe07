//! What our own commands ask of the engine, and what it tells them.

use std::net::SocketAddr;

use super::failure::ReceiveFailure;
use crate::model::FileInfo;
use crate::msrp::SendFailure;
use crate::sip::{EndReason, Transport};
use crate::spool::{Committed, Icon};

/// Names a command's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// What a command wants.
#[derive(Clone, Debug)]
pub enum Order {
    /// Call somebody.
    Call {
        /// Names the call from now on.
        id: OrderId,
        /// Request-URI.
        target: String,
        /// Our own URI.
        from: String,
        /// Where to send the INVITE.
        remote: SocketAddr,
        /// By what.
        transport: Transport,
        /// What to offer.
        media: CallMedia,
    },
    /// Send an MSML document on the call.
    Info(OrderId, u64, String),
    /// Hang up.
    Bye(OrderId),
}

/// What a command's call offers.
#[derive(Clone, Debug)]
pub enum CallMedia {
    /// Push this local file.
    Push(Box<LocalFile>),
    /// Pull the file that a selector picks in the box we call.
    Pull(Box<Wanted>),
    /// A plain message session on which we receive.
    Receive,
    /// No media: a control dialog.
    Control,
}

/// A file of this machine, to be pushed.
#[derive(Clone, Debug, Default)]
pub struct LocalFile {
    /// Its path, for the driver.
    pub path: String,
    /// What is declared of it.
    pub info: FileInfo,
    /// A preview picture; a peer that refuses it gets the file without.
    pub icon: Option<Icon>,
    /// How many octets the peer has already: only the rest is sent (RFC 5547 `file-range`).
    pub offset: u64,
    /// The Message-ID, when a file is sent once more (RFC 4975 §5.4); otherwise it is a new one.
    pub message_id: Option<String>,
}

/// A file of the peer's, to be pulled.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The selector.
    pub selector: FileInfo,
    /// The [`StagePlan::file_key`](crate::spool::StagePlan::file_key) under which what came before waits, and how many
    /// octets that is.
    pub part: Option<(String, u64)>,
}

/// What happened on a command's call.
#[derive(Debug)]
pub enum Happening {
    /// The peer answered; this is its tag, the MSML connection id.
    Answered(String),
    /// The peer refused, or could not be reached.
    Refused(u16, String),
    /// The answer took none of what was offered.
    NoMedia,
    /// An INFO got its response.
    InfoAnswered(u64, u16, Option<String>),
    /// The peer sent an MSML document.
    Msml(String),
    /// So many octets of our file were answered with 200.
    Sent(u64),
    /// The file will not get through; so many octets of it the peer has reported as received for good.
    Reported(u64),
    /// The peer has our file.
    Delivered,
    /// It has not.
    SendFailed(SendFailure),
    /// A file begins to come in; so many octets are announced.
    Receiving(Option<u64>),
    /// So many octets of a file have come in.
    Received(u64),
    /// A file came in and is committed in our spool.
    Committed(Committed),
    /// It did not.
    ReceiveFailed(ReceiveFailure),
    /// The call is over.
    Ended(EndReason),
}
