//! A MSML request after validation: commands, and inside `<dialogstart>` the steps of its script.

use std::num::NonZeroU32;
use std::time::Duration;

use super::ask::Ask;
use super::fault::Position;
use super::object::{Identifier, Query};
use super::state::States;
use super::status::Told;
use super::transfer::{FileWork, Place};
use super::work::{Forward, Play, PlayFile, Record};

/// RFC 5707 §7.1: one request, its commands in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What to do.
    pub commands: Vec<Command>,
}

/// One child of `<msml>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// RFC 5707 §5: reported when a later command fails.
    pub mark: Option<String>,
    /// Where it stands, for descriptions.
    pub position: Position,
    /// What it asks for.
    pub action: Action,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// RFC 5707 §7.2: an event for an object.
    Send {
        /// The event's name.
        event: String,
        /// The object.
        target: Identifier,
        /// What comes with it: of `ft.bind`, a connection.
        values: String,
    },
    /// RFC 5707 §9.6.1.
    DialogStart {
        /// The connection or conference.
        target: Identifier,
        /// The dialog's name; assigned if absent.
        name: Option<String>,
        /// What to run.
        script: Script,
    },
    /// RFC 5707 §9.6.2.
    DialogEnd {
        /// The dialog.
        id: Identifier,
    },
    /// The spool is asked or told.
    Spool(Ask),
    /// RFC 5707 §10.1.1.
    Audit {
        /// Whom it is about.
        query: Query,
        /// What shall be told.
        states: States,
    },
}

/// Where a dialog's description is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// In the document.
    Inline(Vec<Step>),
    /// At this URL, the value of `src`.
    External(String),
}

/// RFC 5707 §9.2: one step of a dialog; steps run one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One primitive alone.
    Primitive(Primitive),
    /// Several at once.
    Group(Group),
    /// `<send>` between them, or `<exit>` and `<disconnect>` at the end.
    Deed(Deed),
}

/// RFC 5707 §9.8: primitives that start together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The members.
    pub primitives: Vec<Primitive>,
    /// `<groupexit>`.
    pub exit: Vec<Deed>,
}

/// What a script does in no time (RFC 5707 §9.6.3-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Sends an event.
    Send(Send),
    /// Ends the dialog with these results.
    Exit {
        /// Shadow variables.
        namelist: Vec<String>,
    },
    /// Ends the dialog and the connection.
    Disconnect {
        /// Shadow variables.
        namelist: Vec<String>,
    },
}

/// RFC 5707 §9.6.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The event's name.
    pub event: String,
    /// A primitive type with an optional id, `group`, or anything else: the environment.
    pub target: String,
    /// Shadow variables.
    pub namelist: Vec<String>,
}

/// A media primitive (RFC 5707 §9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primitive {
    /// Its id, if events are to reach it among others of its kind.
    pub id: Option<String>,
    /// What it does.
    pub kind: Kind,
    /// `<playexit>`, `<recordexit>` or `<dtmfexit>`.
    pub exit: Vec<Deed>,
}

/// What a primitive does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RFC 5707 §9.7.1: send files.
    Play {
        /// Which, and how.
        play: Play,
        /// Limit of the whole.
        maxtime: Option<Duration>,
    },
    /// RFC 5707 §9.7.4: receive a file.
    Record {
        /// What and where to.
        record: Box<Record>,
        /// Limit of the whole.
        maxtime: Option<Duration>,
    },
    /// `<ft:receive>`: receive a file.
    Receive {
        /// What and where to.
        record: Box<Record>,
        /// Limit of the whole.
        maxtime: Option<Duration>,
        /// What the client wants to hear of it.
        told: Told,
    },
    /// `<ft:send>`: send files.
    Send {
        /// Which, and how.
        play: Play,
        /// What the client wants to hear of it.
        told: Told,
    },
    /// `<ft:forward>`: a file is brought to somebody.
    Forward {
        /// Which, and how.
        forward: Forward,
        /// What the client wants to hear of it.
        told: Told,
    },
    /// The transfer package: files one after the other.
    Transfer(Box<Transfer>),
    /// RFC 5707 §9.7.5: `<collect>` or `<dtmf>`. A message stream carries no digits, so only its timer can act.
    Collect(Collect),
}

/// `<transfer>`; a `<fileop>` is one of a single file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// In order, at least one.
    pub items: Vec<Item>,
    /// `initial="suspend"`: nothing begins before `resume`.
    pub suspended: bool,
    /// Limit of the whole.
    pub maxtime: Option<Duration>,
    /// What the script says at each [moment](Moment).
    pub(super) deeds: [Vec<Deed>; 3],
}

/// When a script can say something of a transfer that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// `<transferstart>`.
    Start,
    /// `<transferobjstart>`.
    ItemStart,
    /// `<transferobjdone>`.
    ItemDone,
}

/// One file of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `objid`.
    pub id: Option<String>,
    /// What is done with it.
    pub what: Move,
    /// How often it is tried again.
    pub retry: u32,
    /// How long after.
    pub wait: Duration,
}

/// What is done with a file of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It goes to the peer.
    Send(Box<PlayFile>),
    /// It comes from the peer.
    Receive(Box<Record>),
    /// The peer has no part in it.
    File(Box<FileWork>),
}

impl Move {
    /// Whether it needs room for a file.
    fn fills_the_spool(&self) -> bool {
        match self {
            Self::Send(_) => false,
            Self::Receive(_) => true,
            Self::File(work) => matches!(work.dest, Some(Place::Object(_))),
        }
    }
}

/// What is left of a digit collector when no digit can come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collect {
    /// `fdt`: first-digit timer; `None` waits for ever.
    pub first_digit: Option<Duration>,
    /// `starttimer`: whether that timer runs from the start.
    pub timer_runs: bool,
    /// `<noinput>`.
    pub noinput: Vec<Deed>,
    /// How often `<noinput>` may happen; `None` is for ever.
    pub noinput_times: Option<NonZeroU32>,
}

impl Kind {
    /// The class a `<send>` names it by; `dtmf` and `collect` are one (RFC 5707 §9.7.5).
    pub fn class(&self) -> &'static str {
        match self {
            Self::Play { .. } => "play",
            Self::Record { .. } => "record",
            Self::Receive { .. } => "receive",
            Self::Send { .. } => "send",
            Self::Forward { .. } => "forward",
            Self::Transfer(_) => "transfer",
            Self::Collect(_) => "dtmf",
        }
    }

    /// The class an audit names it by: RFC 5707 §16.4.7 has a closed list.
    pub(super) fn audited(&self) -> &'static str {
        match self {
            Self::Receive { .. } => "record",
            Self::Send { .. } | Self::Forward { .. } => "play",
            plain => plain.class(),
        }
    }

    /// What the client wants to hear of it; `None` if its words are not of our package for files.
    pub(super) const fn told(&self) -> Option<Told> {
        match self {
            Self::Receive { told, .. } | Self::Send { told, .. } | Self::Forward { told, .. } => Some(*told),
            _ => None,
        }
    }
}

/// Whether `target` (`record`, `play.greeting`, `collect`) means a primitive of this class and id (RFC 5707 §9.6.3).
pub(super) fn is_target(target: &str, class: &str, id: Option<&str>) -> bool {
    let (wanted, wanted_id) = target.split_once('.').map_or((target, None), |(class, id)| (class, Some(id)));
    let wanted = match wanted {
        "collect" => "dtmf",
        "fileop" => "transfer",
        other => other,
    };
    wanted == class && (wanted_id.is_none() || wanted_id == id)
}

/// The script of a dialog that follows a job.
pub(super) fn following(job: &str) -> Step {
    let namelist = ["ft.job", "ft.result", "ft.attempts", "ft.uri"].map(str::to_owned).to_vec();
    let kind =
        Kind::Forward { forward: Forward::Attach(job.to_owned()), told: Told { object: true, ..Told::default() } };
    Step::Primitive(Primitive { id: None, kind, exit: vec![Deed::Exit { namelist }] })
}

/// The primitives of a step.
pub(super) fn primitives(step: &Step) -> &[Primitive] {
    match step {
        Step::Primitive(primitive) => std::slice::from_ref(primitive),
        Step::Group(group) => &group.primitives,
        Step::Deed(_) => &[],
    }
}

/// Whether anything in it receives files.
pub(super) fn records(steps: &[Step]) -> bool {
    steps.iter().flat_map(primitives).any(|primitive| match &primitive.kind {
        Kind::Record { .. } | Kind::Receive { .. } => true,
        Kind::Transfer(transfer) => transfer.items.iter().any(|item| item.what.fills_the_spool()),
        Kind::Play { .. } | Kind::Send { .. } | Kind::Forward { .. } | Kind::Collect(_) => false,
    })
}
