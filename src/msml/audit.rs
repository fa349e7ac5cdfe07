//! `<auditresult>` (RFC 5707 §10): what is told about connections, their dialogs, streams and transfers.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::limits::MSML_AUDIT_OCTETS;

use super::keys::PrimitiveKey;
use super::markup::escape;
use super::state::{State, States};

/// What only its owner knows of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Its SIP dialog.
    pub sip: Option<SipReport>,
    /// Our session description.
    pub local_sdp: Option<String>,
    /// The peer's.
    pub remote_sdp: Option<String>,
    /// Its message streams, in the order of their m= lines.
    pub streams: Vec<StreamReport>,
    /// The files that move on it.
    pub transfers: Vec<TransferReport>,
}

/// RFC 5707 §10.3.2: the state of a SIP dialog (RFC 3261 §12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SipReport {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's; RFC 2543 knows none.
    pub remote_tag: String,
    /// CSeq number of our last request; none before the first.
    pub local_seq: Option<u32>,
    /// Of the peer's.
    pub remote_seq: Option<u32>,
    /// Our URI.
    pub local_uri: String,
    /// The peer's.
    pub remote_uri: String,
    /// The peer's Contact.
    pub remote_target: String,
    /// In their order.
    pub routes: Vec<String>,
}

/// A message stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Whether files may go out on it.
    pub sends: bool,
    /// Whether they may come in.
    pub receives: bool,
    /// Who uses it.
    pub user: Option<PrimitiveKey>,
}

/// A file that moves, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferReport {
    /// For whom.
    pub primitive: PrimitiveKey,
    /// Whether it comes in.
    pub receives: bool,
    /// The object, or the box in which it will be one.
    pub uri: Option<String>,
    /// Octets of the file.
    pub size: Option<u64>,
    /// Octets that have moved.
    pub octets: u64,
    /// Since when.
    pub took: Duration,
    /// How it is.
    pub motion: Motion,
}

/// How a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Nothing has come yet, or its stream is not there.
    Waiting,
    /// Octets move.
    Moving,
    /// It was told to pause.
    Paused,
    /// All are there and become an object.
    Committing,
}

impl Motion {
    const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Moving => "moving",
            Self::Paused => "paused",
            Self::Committing => "committing",
        }
    }
}

/// What the interpreter tells of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DialogReport {
    pub(super) name: String,
    pub(super) src: Option<String>,
    pub(super) runs: Duration,
    /// The first that works, with those that run beside it.
    pub(super) crew: Vec<(PrimitiveKey, &'static str)>,
    /// The connection whose SIP dialog brought it, while that exists.
    pub(super) controller: Option<String>,
}

/// One object of an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audited {
    pub(super) conn: String,
    pub(super) states: States,
    pub(super) dialogs: Vec<DialogReport>,
}

/// All results of a transaction, or nothing if they are longer than [`MSML_AUDIT_OCTETS`].
pub(super) fn results(audited: &[Audited], look: impl Fn(&str) -> Option<ConnectionReport>) -> Option<String> {
    let mut text = String::new();
    for object in audited {
        object.write(&mut text, &look);
        if text.len() > MSML_AUDIT_OCTETS {
            return None;
        }
    }
    Some(text)
}

impl Audited {
    fn write(&self, text: &mut String, look: impl Fn(&str) -> Option<ConnectionReport>) {
        let _ = write!(text, "<auditresult targetid=\"conn:{}\"", escape(&self.conn));
        if self.states.is_empty() {
            return text.push_str("/>");
        }
        text.push('>');
        let report = look(&self.conn).unwrap_or_default();
        if let Some(sip) = report.sip.as_ref().filter(|_| self.states.has(State::SipDialog)) {
            self.sip(text, sip);
        }
        self.leaf(text, State::LocalSdp, "localsdp", report.local_sdp.as_deref());
        self.leaf(text, State::RemoteSdp, "remotesdp", report.remote_sdp.as_deref());
        if self.states.has(State::Dialog) {
            self.dialogs.iter().for_each(|dialog| self.dialog(text, dialog));
        }
        if self.states.has(State::Stream) {
            report.streams.iter().for_each(|stream| self.stream(text, *stream));
        }
        if self.states.has(State::Transfer) {
            report.transfers.iter().for_each(|transfer| self.transfer(text, transfer));
        }
        text.push_str("</auditresult>");
    }

    fn leaf(&self, text: &mut String, state: State, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|_| self.states.has(state)) {
            let _ = write!(text, "<{name}>{}</{name}>", escape(value));
        }
    }

    fn sip(&self, text: &mut String, sip: &SipReport) {
        let [call_id, local, remote] = [&sip.call_id, &sip.local_tag, &sip.remote_tag].map(|value| escape(value));
        let _ = write!(text, "<sipdialog callid=\"{call_id}\" localtag=\"{local}\" remotetag=\"{remote}\">");
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        self.leaf(text, State::LocalSeq, "localseq", number(sip.local_seq).as_deref());
        self.leaf(text, State::RemoteSeq, "remoteseq", number(sip.remote_seq).as_deref());
        self.leaf(text, State::LocalUri, "localuri", Some(&sip.local_uri));
        self.leaf(text, State::RemoteUri, "remoteuri", Some(&sip.remote_uri));
        self.leaf(text, State::RemoteTarget, "remotetarget", Some(&sip.remote_target));
        let routes = Some(sip.routes.join(",")).filter(|routes| !routes.is_empty());
        self.leaf(text, State::RouteSet, "routeset", routes.as_deref());
        text.push_str("</sipdialog>");
    }

    fn dialog(&self, text: &mut String, dialog: &DialogReport) {
        let name = escape(&dialog.name);
        let _ = write!(text, "<dialog name=\"{name}\" type=\"application/moml+xml\"");
        if let Some(src) = &dialog.src {
            let _ = write!(text, " src=\"{}\"", escape(src));
        }
        text.push('>');
        // §16.4.7: a positive integer.
        let seconds = dialog.runs.as_secs().saturating_add(1).to_string();
        self.leaf(text, State::Duration, "duration", Some(&seconds));
        let primitive = dialog.crew.first().map_or("none", |(_, class)| *class);
        self.leaf(text, State::Primitive, "primitive", Some(primitive));
        let controller = dialog.controller.as_ref().map(|conn| format!("conn:{conn}"));
        self.leaf(text, State::Controller, "controller", controller.as_deref());
        text.push_str("</dialog>");
    }

    /// §10.5.2: each direction is a stream.
    fn stream(&self, text: &mut String, stream: StreamReport) {
        let dialog = stream.user.and_then(|user| self.dialog_of(user));
        let joined = dialog.map_or_else(|| self.conn.clone(), |dialog| format!("{}/dialog:{}", self.conn, dialog.name));
        for dir in directions(stream.receives, stream.sends) {
            let joined = escape(&joined);
            let _ = write!(text, "<stream joinwith=\"conn:{joined}\" media=\"message\" dir=\"{dir}\"/>");
        }
    }

    fn transfer(&self, text: &mut String, transfer: &TransferReport) {
        let Some(dialog) = self.dialog_of(transfer.primitive) else { return };
        let class = dialog.crew.iter().find(|(key, _)| *key == transfer.primitive).map_or("none", |(_, class)| *class);
        let dir = if transfer.receives { "from" } else { "to" };
        let name = escape(&dialog.name);
        let _ = write!(text, "<ft dialog=\"{name}\" primitive=\"{class}\" dir=\"{dir}\">");
        self.leaf(text, State::TransferUri, "uri", transfer.uri.as_deref());
        let size = transfer.size.map(|size| size.to_string());
        self.leaf(text, State::TransferSize, "size", size.as_deref());
        self.leaf(text, State::TransferBytes, "bytes", Some(&transfer.octets.to_string()));
        self.leaf(text, State::TransferDuration, "duration", Some(&transfer.took.as_millis().to_string()));
        self.leaf(text, State::TransferState, "state", Some(transfer.motion.word()));
        text.push_str("</ft>");
    }

    fn dialog_of(&self, primitive: PrimitiveKey) -> Option<&DialogReport> {
        self.dialogs.iter().find(|dialog| dialog.crew.iter().any(|(key, _)| *key == primitive))
    }
}

/// From the connection's point of view: what we receive comes from it.
fn directions(receives: bool, sends: bool) -> impl Iterator<Item = &'static str> {
    let from = receives.then_some("from");
    let to = sends.then_some("to");
    from.into_iter().chain(to)
}
