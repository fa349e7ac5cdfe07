//! Work in progress: what each table of the engine holds while something is under way.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::delivery::DeliveryKey;
use super::link::{LinkId, Source};
use super::order::OrderId;
use super::watching::WatchKey;
use crate::model::{FileInfo, FileRange, Instant, Now};
use crate::msml::{self, ContextId, FetchKey, PlayFile, PrimitiveKey, Record};
use crate::msrp::{InboundKey, KnockId, MsrpUri, OutboundKey, Path, SessionKey};
use crate::queue;
use crate::sdp::{Description, Names, StreamOffer, Verdict};
use crate::sip::{self, Body, CallKey};
use crate::spool::{Change, Committed, EnvelopeDraft, Icon, OverQuota};

/// What a command's answer is for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// What is in this box.
    List(String),
    /// An object is looked for, so that this can be done with it.
    Find(Change),
}

/// What a ticket was taken for.
#[derive(Debug)]
pub(super) enum Errand {
    /// A primitive looks for the file it shall play.
    Play(PrimitiveKey),
    /// And for the picture of that file.
    Picture(PrimitiveKey),
    /// A recorder asks whether there is room for what may come.
    Room(PrimitiveKey),
    /// A file that the peer has is being deleted.
    Delete(PrimitiveKey),
    /// An application server asks about boxes and objects.
    Ask(ContextId, Asked),
    /// An object is changed on its word.
    Change(ContextId),
    /// A stream of an INVITE wants a file, or goes on with one.
    Stream { call: CallKey, round: u64, index: usize },
    /// A dialog waits for its script.
    Script(FetchKey),
    /// Host names in a description of this call are looked up.
    Names(CallKey),
    /// Somebody wants to hear what waits in a box.
    Count(WatchKey),
    /// A script has a file moved.
    Move(PrimitiveKey),
    /// A file is looked for that shall be forwarded.
    Forward(PrimitiveKey),
    /// An application server asks for a job that nobody works at.
    Known(ContextId),
    /// A primitive wants to hear what nobody has heard of its job.
    Recall(PrimitiveKey),
    /// An object that its owner has fetched is marked.
    Read,
    /// The object of an attempt is looked for.
    Deliver(DeliveryKey),
    /// And where its recipient is.
    Locate(DeliveryKey),
    /// And for a message.
    Page(u64),
    /// A received file is being committed.
    Commit(LinkId, InboundKey),
}

/// Why the engine wants to be woken for its own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A message waits for a `<record>`.
    Hold(SessionKey, LinkId, InboundKey),
    /// A `<record>` waits for its first message.
    First(PrimitiveKey),
    /// A `<play>` waits for the peer's connection.
    Connect(SessionKey),
    /// The peer has put a call with a file on hold.
    OnHold(SessionKey),
    /// A file that has failed is tried again.
    Again(PrimitiveKey),
    /// A stream has done its file.
    Retire(SessionKey),
    /// A drain has waited long enough for its peers.
    Linger,
    /// An INVITE of ours waits for its answer.
    Answer(CallKey),
    /// Every chunk is answered, and the success REPORT is not there yet.
    Report(OutboundKey),
    /// No stream of a call has a connection.
    Deserted(CallKey),
    /// A box may be counted again.
    Count(WatchKey),
    /// An application server has been told that a file is due.
    Bind(u64),
    /// Somebody waits for a path through our relay.
    Relay(u64),
    /// A stream's path through our relay will soon be void, or is.
    Renew(SessionKey),
    /// The peer has hung up; what is on its way may still come.
    Leave(CallKey),
}

/// An input that waits for its machine.
#[derive(Debug)]
pub(super) enum Turn {
    Sip(sip::Input),
    Msml(msml::Input),
    Queue(queue::Input),
}

/// Who hears of a file coming in or going out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A `<record>` or `<play>`.
    Primitive(PrimitiveKey),
    /// A client command.
    Client(OrderId),
    /// An attempt of the queue's.
    Delivery(DeliveryKey),
    /// Nobody: filed by the Request-URI, or pulled (RFC 5547 §8.3.2).
    Nobody,
}

/// One message that has its grant.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) key: (LinkId, InboundKey),
    pub(super) owner: Owner,
    pub(super) session: SessionKey,
    pub(super) since: Instant,
    pub(super) octets: u64,
    /// The file selector has named the file.
    pub(super) named: bool,
    pub(super) draft: Box<EnvelopeDraft>,
    /// By what another session would be known to bring the same file.
    pub(super) keys: Vec<String>,
    /// Octets of the file before those that this message brings.
    pub(super) offset: u64,
    /// Its sender wants a success REPORT.
    pub(super) reported: bool,
    /// Every octet is in the stage.
    pub(super) whole: bool,
    /// It is being committed.
    pub(super) sealed: bool,
    /// Whoever brings it has shown who that is.
    pub(super) shown: bool,
}

/// A `<record>` at work.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) session: SessionKey,
    pub(super) work: Box<Record>,
    pub(super) held: bool,
    pub(super) message: Option<(LinkId, InboundKey)>,
}

/// A `<play>` at work: its files, one after the other.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) call: CallKey,
    /// What is still to be sent.
    pub(super) files: VecDeque<PlayFile>,
    /// The last 200 is enough.
    pub(super) unreported: bool,
    pub(super) retry: u32,
    pub(super) delay: Duration,
    /// The client wants to hear after so many octets.
    pub(super) watched: Option<u64>,
    pub(super) held: bool,
    /// The spool is at work for it: the next file is looked for, or the last one deleted.
    pub(super) finding: bool,
    /// When the first file began to go out.
    pub(super) started: Option<Instant>,
    /// Files that the peer has, and their octets.
    pub(super) objects: u32,
    pub(super) octets: u64,
    /// Of the last one that it has.
    pub(super) variables: Vec<(String, String)>,
    /// The file at hand.
    pub(super) ready: Option<Ready>,
    pub(super) sending: Option<OutboundKey>,
    /// Its peer has refused a description with a picture.
    pub(super) plain: bool,
    /// The file that is being broken off shall be sent anew.
    pub(super) again: bool,
    /// The file has failed, and waits to be tried again.
    pub(super) waits: bool,
    /// It is an attempt of this delivery.
    pub(super) attempt: Option<Attempt>,
}

/// An attempt of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// The delivery.
    pub(super) job: String,
    pub(super) token: u64,
    /// The id of its object.
    pub(super) object: String,
}

impl Play {
    pub(super) fn new(call: CallKey, work: msml::Play) -> Self {
        Self {
            call,
            files: work.files.into(),
            unreported: work.unreported,
            retry: work.retry,
            delay: work.delay,
            watched: work.watched,
            held: work.suspended,
            finding: false,
            started: None,
            objects: 0,
            octets: 0,
            variables: Vec::new(),
            ready: None,
            sending: None,
            plain: false,
            again: false,
            waits: false,
            attempt: None,
        }
    }

    pub(super) fn took(&self, now: Now) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.instant.since(started))
    }

    /// Whether its peer has everything, and only the spool is still at work.
    pub(super) fn is_closing(&self) -> bool {
        self.finding && self.files.is_empty() && self.ready.is_none()
    }

    /// The file at hand as a message for its peer.
    pub(super) fn outgoing(&self, primitive: PrimitiveKey) -> Option<Outgoing> {
        let ready = self.ready.as_ref()?;
        let outgoing = Outgoing::object(Owner::Primitive(primitive), ready.object.clone(), ready.range);
        // RFC 4975 §5.4: who gets a file twice can tell by the id that it is the same.
        let message_id = self.attempt.as_ref().map(|attempt| attempt.job.clone());
        let reported = self.is_reported(ready);
        Some(Outgoing { info: Box::new(ready.info.clone()), reported, message_id, ..outgoing })
    }

    /// Whether the peer's success REPORT has to come. What is deleted then has nobody else: no 200 is enough for that.
    pub(super) const fn is_reported(&self, ready: &Ready) -> bool {
        ready.delete || !self.unreported
    }
}

/// An object about to go out, as its receiver will see it.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) object: Committed,
    pub(super) info: FileInfo,
    /// Which octets of it; all if absent.
    pub(super) range: Option<FileRange>,
    pub(super) icon: Option<Icon>,
    /// It is deleted when the peer has it.
    pub(super) delete: bool,
    /// When it began to go out, of its last attempt.
    pub(super) since: Option<Instant>,
    /// How often it has begun.
    pub(super) attempts: u32,
}

impl Ready {
    /// The octets of the file that go out.
    pub(super) fn part(&self) -> Range<u64> {
        let size = self.object.envelope().size();
        self.range.and_then(|range| range.of(size)).unwrap_or(0..size)
    }
}

/// One message going out.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) session: SessionKey,
    pub(super) owner: Owner,
    /// Octets of the file.
    pub(super) octets: u64,
    /// Octets answered 200.
    pub(super) acknowledged: u64,
    /// Octets of the message: the file and, if it has one, its wrapper.
    pub(super) total: u64,
    /// Whether a success REPORT is awaited.
    pub(super) reported: bool,
    /// Octets of which its owner has heard.
    pub(super) told: u64,
}

/// A file that goes out as soon as its peer is there.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) owner: Owner,
    pub(super) source: Source,
    pub(super) info: Box<FileInfo>,
    /// Which octets of it.
    pub(super) part: Range<u64>,
    /// The message's id, if it is not a new message.
    pub(super) message_id: Option<String>,
    /// Whether a success REPORT is asked for.
    pub(super) reported: bool,
}

impl Sending {
    /// Octets of the file, of so many of the message.
    pub(super) const fn of_file(&self, octets: u64) -> u64 {
        octets.saturating_sub(self.total - self.octets)
    }

    /// Octets of the file that need not be sent again, when so many of the message are reported. A `file-range` goes on
    /// with octets of the file, and those of a message in a wrapper are its: it has to come whole again.
    pub(super) const fn kept(&self, octets: u64) -> u64 {
        if self.total == self.octets { octets } else { 0 }
    }
}

impl Outgoing {
    /// An object, or as much of it as the peer wants.
    pub(super) fn object(owner: Owner, object: Committed, range: Option<FileRange>) -> Self {
        let (info, size) = (Box::new(object.envelope().file.clone()), object.envelope().size());
        let part = range.and_then(|range| range.of(size)).unwrap_or(0..size);
        let source = if part == (0..size) { Source::Object(object) } else { Source::Part(object) };
        Self { owner, source, info, part, message_id: None, reported: true }
    }

    /// Whether all of the file goes out.
    pub(super) const fn is_whole(&self) -> bool {
        self.part.start == 0 && !matches!(self.source, Source::Part(_))
    }

    /// Octets of the file that go out.
    pub(super) const fn octets(&self) -> u64 {
        self.part.end - self.part.start
    }
}

/// An offer of the peer's whose answer waits for the spool.
#[derive(Debug)]
pub(super) struct Pending {
    /// Tells it from an earlier offer of the same call, whose answers may still come.
    pub(super) round: u64,
    pub(super) offer: Description,
    pub(super) streams: Vec<StreamOffer>,
    pub(super) verdicts: Vec<Option<Verdict>>,
    pub(super) pulled: HashMap<usize, Committed>,
    /// The pictures that came with it.
    pub(super) icons: Vec<(String, Icon)>,
    /// Those that go with the answer.
    pub(super) pictures: Vec<Body>,
    /// A file of it would go over a quota.
    pub(super) full: Option<OverQuota>,
}

/// How far going out of service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    /// Files are still moving.
    Finishing,
    /// Nothing moves; peers hear of the last results and may hang up themselves.
    Lingering,
    /// We have hung up.
    Parting,
    /// The driver was told.
    Done,
}

/// What CEMA has looked up for each call, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    pub(super) names: HashMap<CallKey, Names>,
    /// Events of calls whose names are being looked up, in order. SIP bounds them: it queues no more for a call.
    pub(super) held: HashMap<CallKey, VecDeque<sip::Event>>,
}

/// Sessions that we have offered and that nobody has accepted or refused yet.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    pub(super) calls: HashMap<CallKey, Vec<Slot>>,
    pub(super) by_id: HashMap<String, CallKey>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) local: MsrpUri,
    /// The first that came for it; a second one is refused.
    pub(super) early: Option<Early>,
}

/// A request that came too soon.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) link: LinkId,
    pub(super) knock: KnockId,
    pub(super) to_path: Path,
    pub(super) from_path: Path,
}
