//! What goes into the interpreter and what comes out of it.

use bytes::Bytes;

use crate::model::limits::{DIALOGS_PER_CONNECTION, MSML_DIALOGS};

use super::ask::{Ask, Listing};
use super::fault::Code;
use super::keys::{ContextId, FetchKey, PrimitiveKey};
use super::reply::{Reply, Style};
use super::transfer::FileWork;
use super::work::{Forward, Play, Record};

/// How many dialogs may be alive; one more is answered 520 and nothing of its request is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// On the whole server.
    pub dialogs: usize,
    /// On one connection.
    pub dialogs_per_connection: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { dialogs: MSML_DIALOGS, dialogs_per_connection: DIALOGS_PER_CONNECTION }
    }
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// A MSML document arrived; it is answered with exactly one [`Output::Reply`], in the same turn unless the spool is asked.
    Request {
        /// Where from.
        context: ContextId,
        /// The owner's key for the answer.
        request: u64,
        /// How this peer is read and answered.
        style: Style,
        /// The document.
        body: Bytes,
    },
    /// This connection now exists.
    Connected {
        /// Our tag of its SIP dialog.
        conn: String,
        /// That SIP dialog.
        context: ContextId,
    },
    /// This connection's INVITE has brought a script (RFC 5707 §9.4). What comes of it goes to its own SIP dialog.
    Invited {
        /// The connection.
        conn: String,
        /// How this peer is read and answered.
        style: Style,
        /// The description, as a `src` would lead to.
        script: Bytes,
    },
    /// BYE, or it was lost: its dialogs end, and its own context is gone. Their primitives still owe an [`Input::Ended`].
    Disconnected {
        /// The connection.
        conn: String,
    },
    /// No event can be delivered there any more.
    ContextGone(ContextId),
    /// The primitive has its stream; its `maxtime` counts anew from here.
    Started {
        /// Which.
        primitive: PrimitiveKey,
    },
    /// Its job is written down.
    Queued {
        /// Which.
        primitive: PrimitiveKey,
        /// The job.
        job: String,
    },
    /// The client is to be told this of it.
    Say {
        /// Of which.
        primitive: PrimitiveKey,
        /// The event.
        name: String,
        /// Its namelist.
        values: Vec<(String, String)>,
    },
    /// A file begins to move.
    Began {
        /// For which.
        primitive: PrimitiveKey,
        /// What is known of it, as shadow variables.
        variables: Vec<(String, String)>,
    },
    /// Octets have moved. Saying so once is enough, unless its work is [watched](Record::watched).
    Progress {
        /// For which.
        primitive: PrimitiveKey,
        /// So many of the file.
        octets: u64,
    },
    /// A file that [`Input::Began`] has stopped moving, well or not. The primitive may go on with another.
    Through {
        /// For which.
        primitive: PrimitiveKey,
        /// What has become of it, as shadow variables.
        variables: Vec<(String, String)>,
    },
    /// The primitive is over, whether by itself or by [`Order::Terminate`].
    Ended {
        /// Which.
        primitive: PrimitiveKey,
        /// How.
        end: End,
    },
    /// An [`Output::Fetch`] was performed: the script, or why there is none.
    Fetched {
        /// Which.
        fetch: FetchKey,
        /// What came of it.
        result: Result<Bytes, String>,
    },
    /// An [`Output::Ask`] was performed: what is in the box, nothing if it was told something, or why not.
    Answered {
        /// Who asked.
        context: ContextId,
        /// What came of it.
        result: Result<Option<Listing>, (Code, String)>,
    },
    /// Whether new dialogs are refused with 510.
    Drain(bool),
    /// Whether new files are taken: if not, a `<record>` is refused with 520.
    Taking(bool),
    /// The [deadline](crate::model::Machine::deadline) has passed.
    Timeout,
}

/// How a primitive ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// `record.complete`, `record.failed.hashmismatch`, `play.complete`, ... without regard to an order to terminate,
    /// which the interpreter knows of. A completed transfer stays completed even if it was being terminated.
    pub name: String,
    /// Shadow variables by full name: `record.len`, `record.recordid`, `play.amt`, `ft.result`, ...
    pub variables: Vec<(String, String)>,
    /// The dialog fails: `dialog.exit.status` and `dialog.exit.description`.
    pub failure: Option<(u16, String)>,
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The answer to a request: always a MSML body.
    Reply {
        /// The owner's key.
        request: u64,
        /// The answer.
        reply: Reply,
    },
    /// An event for the SIP dialog that asked.
    Event {
        /// Where to.
        context: ContextId,
        /// Its name.
        name: String,
        /// The dialog it is about.
        id: String,
        /// Its namelist.
        values: Vec<(String, String)>,
        /// The document.
        body: String,
    },
    /// An event whose SIP dialog is gone (RFC 5707 §3.1 discards it); for the event log.
    EventLost {
        /// Where it would have gone.
        context: ContextId,
        /// Its name.
        name: String,
        /// The dialog it is about.
        id: String,
        /// Its namelist.
        values: Vec<(String, String)>,
        /// The document.
        body: String,
    },
    /// The spool is asked; answered with [`Input::Answered`], until when its context asks nothing else.
    Ask {
        /// For whom.
        context: ContextId,
        /// What.
        ask: Ask,
    },
    /// A primitive begins; it ends with [`Input::Ended`], never otherwise.
    Start {
        /// Its key from now on.
        primitive: PrimitiveKey,
        /// The connection it works on.
        conn: String,
        /// The whole identifier of its dialog.
        dialog: String,
        /// What it does.
        work: Work,
    },
    /// A script has to be fetched (RFC 5707 §9.6.1); answered with [`Input::Fetched`].
    Fetch {
        /// Its key from now on.
        fetch: FetchKey,
        /// Where it lies, as the client wrote it.
        src: String,
        /// The whole identifier of its dialog.
        dialog: String,
    },
    /// An event for a running primitive.
    Order {
        /// Which.
        primitive: PrimitiveKey,
        /// What.
        order: Order,
    },
    /// `ft.bind`: the connection for a file that is due.
    Bind {
        /// Whose file.
        primitive: PrimitiveKey,
        /// The connection.
        conn: String,
    },
    /// `<disconnect>`: BYE, after the events put out before it.
    Disconnect {
        /// The connection.
        conn: String,
        /// `moml.disconnect`, if the BYE travels to the SIP dialog that asked (RFC 5707 §3.1).
        body: Option<String>,
    },
}

/// What a running primitive is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hold the transfer; nothing is discarded.
    Pause,
    /// Go on.
    Resume,
    /// Break off the file that is being sent, and send it anew; of a play.
    Restart,
    /// Stop, and answer with [`Input::Ended`].
    Terminate {
        /// `terminate.cancelled`: delete what has arrived.
        discard: bool,
    },
}

/// What a primitive does. Its `maxtime` is the interpreter's own deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Receive a file.
    Record(Box<Record>),
    /// Send files in order.
    Play(Play),
    /// Bring a file to somebody by a job that outlives it. [`Order::Terminate`] lets go of it, or calls it back.
    Forward(Forward),
    /// Move a file without the peer. It is not held: of orders only [`Order::Terminate`] has an effect.
    File(Box<FileWork>),
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A primitive's `maxtime`, or a collector's first digit timer.
    Primitive(PrimitiveKey),
}
