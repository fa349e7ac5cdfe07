//! What goes into the engine and what comes out of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

use super::delivery::{Attempt, Handed};
use super::failure::FileFailure;
use super::link::{Bearer, Command, LinkId, Notice};
use super::order::{Happening, Order, OrderId};
use super::trust::Demand;
use super::wish::Wish;
use crate::model::{FileInfo, ObjectUri};
use crate::msml::FileWork;
use crate::msrp::{MsrpUri, SessionKey};
use crate::queue::{Refusal, Unwritten};
use crate::sdp::Fingerprint;
use crate::sip::{self, FlowId, Place, Target, Transport};
use crate::spool::{
    BoxSummary, Change, CommitError, Committed, Delivery, Envelope, EnvelopeDraft, EventNote, EventPage, EventQuery,
    Filter, Icon, OverQuota, Sealed,
};

/// Names a question to the driver, whose answer will carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A question to the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The object of this name.
    Object(ObjectUri),
    /// The one object of a box that a file selector picks (RFC 5547 §8.3.2).
    Select(ObjectUri, Box<FileInfo>),
    /// One page of a catalog.
    List {
        /// Of this box.
        mailbox: String,
        /// Of these objects.
        state: Option<Filter>,
        /// So many at most.
        most: usize,
    },
    /// The object of this name as a preview picture.
    Picture(ObjectUri),
    /// The object of this id, to be handed on.
    Forward(String),
    /// Whether one of these boxes could take a file of so many octets.
    Room(Vec<String>, u64),
    /// What waits in a box.
    Summary(String),
    /// How much of the file with this [`StagePlan::file_key`](crate::spool::StagePlan::file_key) waits for its sender.
    Waiting(String),
}

/// Where a script lies that `<dialogstart src=...>` names (RFC 5707 §9.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptSource {
    /// In the spool, by a `spool:` name or a virtual `file:` one.
    Object(ObjectUri),
    /// Elsewhere; whether it may be asked for is the operator's list's to say.
    Url(String),
}

/// The spool's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// To [`Query::Object`], [`Query::Select`] and [`Query::Forward`].
    Object(Option<Committed>),
    /// To [`Query::List`].
    List(Vec<Envelope>),
    /// To [`Query::Picture`]; nothing if it is none.
    Picture(Option<Icon>),
    /// To [`Query::Room`]: why not.
    Room(Option<OverQuota>),
    /// To [`Query::Summary`].
    Summary(BoxSummary),
    /// To [`Query::Waiting`]: so many octets from the first on.
    Waiting(u64),
}

/// What has become of a file that was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Octets of it.
    pub octets: u64,
    /// What it is in the spool, if it went there.
    pub object: Option<Committed>,
}

/// A message for somebody, alone (RFC 3428).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A SIP URI.
    pub to: String,
    /// What it is.
    pub content_type: String,
    /// The message.
    pub octets: Bytes,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageEnd {
    /// This is the answer, and perhaps when to come back.
    Answered(u16, Option<Duration>),
    /// Nobody has answered.
    Unreachable(String),
    /// `policy.forward` has not whom it is for.
    NotAllowed,
}

/// What can happen to the engine.
#[derive(Debug)]
pub enum Input {
    /// From the SIP sockets.
    Sip(sip::Input),
    /// An authority of ours vouches for these hosts at the other end of this SIP connection. Comes before its first octet.
    Certified(FlowId, Vec<String>),
    /// A stream is at work as this link. Comes before anything else is heard of the link.
    Linked(LinkId, Bearer),
    /// From a link.
    Notice(LinkId, Notice),
    /// A [`Output::Dial`] was performed.
    Dialled(SessionKey, Result<LinkId, String>),
    /// A [`Output::DialRelay`] was performed.
    RelayDialled(Result<LinkId, String>),
    /// A [`Output::Find`] was performed.
    Found(Ticket, Result<Found, String>),
    /// A [`Output::Fetch`] was performed: the script, or why there is none.
    Fetched(Ticket, Result<Bytes, String>),
    /// A [`Output::Resolve`] was performed: each name with its addresses, none if it leads nowhere.
    Resolved(Ticket, Vec<(String, Vec<IpAddr>)>),
    /// A [`Output::Move`] was performed.
    Moved(Ticket, Result<Moved, FileFailure>),
    /// A [`Output::Handed`] that nobody but the queue has waited for.
    Handed(Handed),
    /// A [`Output::Recall`] was performed.
    Recalled(Ticket, Result<EventPage, String>),
    /// The spool has these deliveries, from an earlier run.
    Deliveries(Vec<Delivery>),
    /// A [`Output::Record`] of this delivery was performed.
    Recorded(String, Result<(), Unwritten>),
    /// Something is to be done with deliveries; answered with [`Output::Answered`] under the same number.
    Wish(u64, Wish),
    /// A [`Output::Commit`] was performed.
    Committed(Ticket, Result<Committed, CommitError>),
    /// A [`Output::Change`] was performed.
    Changed(Ticket, Result<(), String>),
    /// These watched boxes have changed.
    Stirred(Vec<String>),
    /// The certificates that we may show from now on have these fingerprints.
    Fingerprints(Vec<Fingerprint>),
    /// Whether new files are taken, or the node has no room for them.
    Taking(bool),
    /// A client command.
    Order(Order),
    /// Hand an object on: ends with one [`Output::Handed`].
    Deliver(Box<Attempt>),
    /// Send a message; ends with one [`Output::Paged`] of this number.
    Page(u64, Page),
    /// Break off the attempt of this delivery with this token; its end is told as any other.
    CallBack(String, u64),
    /// A [`Output::Locate`] was performed: the places in the order in which they are tried, or why there is none.
    Located(Ticket, Result<Vec<Place>, String>),
    /// Take no new calls; say when nothing moves any more.
    Drain,
    /// The deadline has passed.
    Timeout,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Output {
    /// Send a SIP message.
    Transmit {
        /// On this flow while it lives.
        flow: Option<FlowId>,
        /// By what.
        transport: Transport,
        /// To whom.
        remote: SocketAddr,
        /// The message.
        octets: Bytes,
    },
    /// Close a SIP connection.
    CloseFlow(FlowId),
    /// Tell a link.
    Link(LinkId, Command),
    /// Connect to this MSRP URI for a session, and over TLS only to who meets the demand; answer with [`Input::Dialled`].
    Dial(SessionKey, MsrpUri, Option<Demand>),
    /// Connect to our own relay over TLS, whose certificate has to bear the host's name (RFC 4976 §9.2); answer with
    /// [`Input::RelayDialled`].
    DialRelay(MsrpUri),
    /// Ask the spool; answer with [`Input::Found`].
    Find(Ticket, Query),
    /// Fetch a script; answer with [`Input::Fetched`].
    Fetch(Ticket, ScriptSource),
    /// Look up these host names; answer with [`Input::Resolved`].
    Resolve(Ticket, Vec<String>),
    /// Publish a sealed file; answer with [`Input::Committed`].
    Commit(Ticket, Box<Sealed>, Box<EnvelopeDraft>),
    /// Change an object, on the word of this one; answer with [`Input::Changed`].
    Change(Ticket, Committed, Change, String),
    /// Move a file from place to place; answer with [`Input::Moved`].
    Move(Ticket, Box<FileWork>),
    /// Break that off, and answer nevertheless.
    StopMove(Ticket),
    /// Say with [`Input::Stirred`] when this box changes, or no longer.
    Watch(String, bool),
    /// Write into the event log. It is not waited for.
    Note(EventNote),
    /// Read the event log, with everything that was noted before; answer with [`Input::Recalled`].
    Recall(Ticket, EventQuery),
    /// Write a delivery down; answer with [`Input::Recorded`].
    Record(Box<Delivery>),
    /// The answer to [`Input::Wish`]: the delivery that it is about.
    Answered(u64, Result<String, Refusal>),
    /// Find where requests to this target go (RFC 3263); answer with [`Input::Located`].
    Locate(Ticket, Target),
    /// The end of a [`Input::Page`].
    Paged(u64, PageEnd),
    /// An attempt of the queue's is over.
    Handed(Handed),
    /// Tell a client command.
    Happened(OrderId, Happening),
    /// After [`Input::Drain`]: no call and no transfer is left.
    Drained,
}

/// What is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// SIP dialogs.
    pub calls: usize,
    /// MSRP sessions.
    pub sessions: usize,
    /// Files coming in.
    pub receiving: usize,
    /// Files going out.
    pub sending: usize,
}
