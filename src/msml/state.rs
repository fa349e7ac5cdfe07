//! Audit states (RFC 5707 §10): which there are, and which ones a `statelist` names.

use super::fault::quoted;

/// A state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// §10.3: the SIP dialog, with its identifiers.
    SipDialog,
    /// Our sequence number.
    LocalSeq,
    /// The peer's.
    RemoteSeq,
    /// Our URI.
    LocalUri,
    /// The peer's.
    RemoteUri,
    /// The peer's Contact.
    RemoteTarget,
    /// The proxies on the way.
    RouteSet,
    /// Our session description.
    LocalSdp,
    /// The peer's.
    RemoteSdp,
    /// §10.4: the MSML dialogs.
    Dialog,
    /// How long each has been running.
    Duration,
    /// What it does.
    Primitive,
    /// Which SIP dialog started it.
    Controller,
    /// §10.5: the streams.
    Stream,
    /// Ours: the transfers.
    Transfer,
    /// The object's URI.
    TransferUri,
    /// Octets announced.
    TransferSize,
    /// Octets moved.
    TransferBytes,
    /// For how long.
    TransferDuration,
    /// Whether it moves.
    TransferState,
}

/// Each state by its name below `audit.conn.`, and what is told.
pub const STATES: &[(State, &str, &str)] = &[
    (State::SipDialog, "sipdialog", "the SIP dialog: Call-ID and both tags"),
    (State::LocalSeq, "sipdialog.localseq", "our CSeq number"),
    (State::RemoteSeq, "sipdialog.remoteseq", "the peer's CSeq number"),
    (State::LocalUri, "sipdialog.localuri", "our URI"),
    (State::RemoteUri, "sipdialog.remoteuri", "the peer's URI"),
    (State::RemoteTarget, "sipdialog.remotetarget", "the peer's Contact"),
    (State::RouteSet, "sipdialog.routeset", "the proxies on the way, separated by commas"),
    (State::LocalSdp, "localsdp", "our session description"),
    (State::RemoteSdp, "remotesdp", "the peer's session description"),
    (State::Dialog, "dialog", "one <dialog> for each MSML dialog: name and type"),
    (State::Duration, "dialog.duration", "seconds that the dialog has been running, the begun one included"),
    (
        State::Primitive,
        "dialog.primitive",
        "play, record, transfer, dtmf (of a collector, too) or none; in a group the first that works",
    ),
    (State::Controller, "dialog.controller", "the connection whose SIP dialog brought <dialogstart>"),
    (
        State::Stream,
        "stream",
        "one <stream media=\"message\"> for each direction of each message stream; joinwith is the dialog that uses it, or the connection",
    ),
    (State::Transfer, "ft", "one <ft> for each file that moves: its dialog, its primitive, and dir as of a stream"),
    (State::TransferUri, "ft.uri", "the object, or the box in which it will be one"),
    (State::TransferSize, "ft.size", "octets of the file, if that is known"),
    (State::TransferBytes, "ft.bytes", "octets that have moved"),
    (State::TransferDuration, "ft.duration", "since when it moves, in ms"),
    (State::TransferState, "ft.state", "waiting, moving, paused or committing"),
];

/// A set of states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// Whether this one was asked for, or one below it.
    pub const fn has(self, state: State) -> bool {
        self.0 & (1 << state as u8) != 0
    }

    /// Whether only ids were asked for.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, name: &str) {
        let (state, ..) = STATES.iter().find(|(_, known, _)| *known == name).expect("the name is in the table");
        self.0 |= 1 << *state as u8;
        // §10.1.1: an element stands in the element of the name before it.
        if let Some((parent, _)) = name.rsplit_once('.') {
            self.add(parent);
        }
    }
}

/// The class that a state list is for, and its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `None` for an empty list.
    pub(super) of_connections: Option<bool>,
    pub(super) states: States,
}

/// Reads a `statelist`.
///
/// # Errors
/// What would be right.
pub(super) fn parse(list: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted { of_connections: None, states: States::default() };
    for name in list.split_ascii_whitespace() {
        let (of_connections, rest) = class(name)
            .ok_or_else(|| format!("{} is no state; expected audit.conn and, after dots, what of it", quoted(name)))?;
        if wanted.of_connections.is_some_and(|before| before != of_connections) {
            return Err("a state list is for connections or for conferences, not for both".to_owned());
        }
        wanted.of_connections = Some(of_connections);
        if of_connections && !add(&mut wanted.states, rest) {
            return Err(format!("{} is no state of a connection", quoted(name)));
        }
    }
    Ok(wanted)
}

/// Whether a state is of connections, and the rest of its name. A wildcard may only be its whole last part.
fn class(name: &str) -> Option<(bool, &str)> {
    let rest = name.strip_prefix("audit.")?;
    let (class, rest) = rest.split_once('.').map_or((rest, None), |(class, rest)| (class, Some(rest)));
    let before_last = rest.and_then(|rest| rest.strip_suffix(".*")).or(rest).unwrap_or_default();
    let parts = || before_last.split('.');
    let good = rest.is_none_or(|rest| rest == "*" || parts().all(|part| !part.is_empty() && !part.contains('*')));
    match class {
        "conn" if good => Some((true, rest.unwrap_or_default())),
        "conf" if good => Some((false, rest.unwrap_or_default())),
        _ => None,
    }
}

fn add(states: &mut States, rest: &str) -> bool {
    // §10.3.1 writes localURI where §10.3.2 and the schema have localuri.
    let rest = rest.replace("URI", "uri");
    let class = rest.strip_suffix('*');
    let mut found = rest.is_empty();
    for (_, known, _) in STATES {
        if *known == rest || class.is_some_and(|class| known.starts_with(class)) {
            states.add(known);
            found = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<Vec<&'static str>, String> {
        let wanted = parse(list)?;
        Ok(STATES.iter().filter(|(state, ..)| wanted.states.has(*state)).map(|(_, name, _)| *name).collect())
    }

    // A-1 A-2
    #[test]
    fn a_state_brings_what_it_stands_in_and_a_wildcard_all_below_it() {
        assert_eq!(names(""), Ok(vec![]));
        assert_eq!(names("audit.conn"), Ok(vec![]));
        assert_eq!(names("audit.conn.sipdialog.localURI"), Ok(vec!["sipdialog", "sipdialog.localuri"]));
        assert_eq!(names("audit.conn.dialog  audit.conn.localsdp"), Ok(vec!["localsdp", "dialog"]));
        let dialog = ["dialog", "dialog.duration", "dialog.primitive", "dialog.controller"];
        assert_eq!(names("audit.conn.dialog.*"), Ok(dialog.to_vec()));
        assert_eq!(names("audit.conn.*").map(|names| names.len()), Ok(STATES.len()));
        assert_eq!(names("audit.conf.confconfig.*"), Ok(vec![]));
        let bad = [
            "conn",
            "audit.*",
            "audit.dialog",
            "audit.conn.*.localseq",
            "audit.conn.dia*",
            "audit.conn.nothing",
            "audit.conn.",
            "audit.conn.dialog audit.conf.dialog",
            "audit.conf..a",
            "audit.conf.*.a",
            "audit.conf.a*",
        ];
        for bad in bad {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
