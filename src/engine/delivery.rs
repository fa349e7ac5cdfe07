//! What the queue asks for, one attempt at a time, and the one end that it hears of.
//!
//! An attempt goes in as [`Input::Deliver`](super::Input::Deliver). It ends with exactly one [`Handed`] in
//! [`Output::Handed`](super::Output::Handed), whatever happens, and with the delivery and token it came with. An attempt
//! that [`Input::CallBack`](super::Input::CallBack) calls back ends, too, and with the truth: [`Ending::Delivered`] if the
//! peer was quicker. Nothing here waits for ever: an INVITE for `sip.answer_timeout`, the peer's connection likewise, and
//! octets as MSRP has it. Whether to try again is the queue's to judge, and so is how many attempts there are at a time.

use crate::model::{Ending, FileInfo};

/// One attempt to hand an object on by a call of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery. It is the Message-ID of what is sent, in every attempt: whoever gets the file twice can tell
    /// (RFC 4975 §5.4).
    pub delivery: String,
    /// The token of this attempt, which comes back with its end.
    pub token: u64,
    /// The id of the object.
    pub object: String,
    /// The recipient's SIP URI.
    pub to: String,
    /// Octets from the start of the file that the recipient has reported in earlier attempts: they are not sent again if
    /// the peer understands `file-range` (RFC 5547 §6).
    pub reported: u64,
    /// The last 200 is enough: no REPORT is asked for.
    pub unreported: bool,
    /// How many hops the call may take, if they are counted.
    pub hops: Option<u8>,
    /// What the recipient is told of the file (name, type, disposition, creation) instead of what its envelope says.
    pub told: FileInfo,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The delivery.
    pub delivery: String,
    /// The attempt's token.
    pub token: u64,
    /// How it has ended.
    pub ending: Ending,
}

/// Names an attempt at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeliveryKey(pub(super) u64);
