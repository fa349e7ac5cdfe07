//! What goes into the queue and what comes out of it.

use crate::model::Ending;
use crate::spool::Delivery;

/// Names a question of the owner's, whose answer will carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskKey(pub u64);

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// Forward an object; answered with [`Output::Accepted`] or [`Output::Refused`].
    Forward(AskKey, Box<Delivery>),
    /// The spool has this delivery, from an earlier run.
    Known(Box<Delivery>),
    /// An [`Output::Write`] was performed.
    Written(String, Result<(), Unwritten>),
    /// An attempt is over; of one that has been superseded nothing is heard.
    Ended {
        /// Which delivery.
        id: String,
        /// The token of its attempt.
        token: u64,
        /// How.
        ending: Ending,
    },
    /// Somebody has something done with a delivery; answered with [`Output::Told`] or [`Output::Refused`].
    Tell(AskKey, String, Tell),
    /// This recipient (`sip:USER@HOST`), or everybody at this host (`sip:HOST`), is there just now.
    Present(String),
    /// Nobody keeps this object any more.
    Released(String),
    /// Begin nothing more, and break off what runs: it goes on after the restart.
    Drain,
    /// The deadline has passed.
    Timeout,
}

/// What can be done with a delivery that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Try it now.
    Retry,
    /// It is called back, by this one.
    Cancel(String),
    /// Its time is over, says this one.
    Expire(String),
}

/// Why something could not be written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritten {
    /// The object is gone, or damaged.
    #[error("the object is gone: {0}")]
    Gone(String),
    /// An operator keeps it.
    #[error("the object is held by {0}")]
    Held(String),
    /// The delivery is settled, or a later attempt has begun.
    #[error("the delivery was settled or tried again meanwhile")]
    Superseded,
    /// So many deliveries of the object, or so much that is told of it, can't be kept with it.
    #[error("{0}")]
    TooMany(String),
    /// The disk refused.
    #[error("{0}")]
    Failed(String),
}

/// Why a wish is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// So many wait already.
    #[error("{0} deliveries wait already")]
    Full(usize),
    /// It could not be written down.
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    /// No open delivery has this id.
    #[error("there is no open delivery of this id")]
    Unknown,
    /// It was settled otherwise meanwhile.
    #[error("it is {0} meanwhile")]
    Settled(&'static str),
    /// `policy.forward` does not have the recipient's domain.
    #[error("policy.forward does not allow {0}")]
    NotAllowed(String),
    /// Everything is being handed back for a restart.
    #[error("the server is going out of service")]
    Draining,
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write a delivery down; answered with [`Input::Written`].
    Write(Box<Delivery>),
    /// Hand the object on. Answered with [`Input::Ended`] under the token of the delivery, always and once.
    Attempt(Box<Delivery>),
    /// Break the attempt off, and say how it has ended nevertheless.
    Stop(String, u64),
    /// The delivery of this id is written down.
    Accepted(AskKey, String),
    /// What was told is done.
    Told(AskKey),
    /// It is not.
    Refused(AskKey, Refusal),
    /// An attempt has failed, and another will be made.
    Deferred(Box<Delivery>),
    /// It is over, one way or another.
    Settled(Box<Delivery>),
}
