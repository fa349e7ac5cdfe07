//! The sessions bound to a connection, and what each remembers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::model::media::{accepts, bare};

use super::cpim::is_cpim;
use super::frame::{Path, StatusCode};
use super::port::{InboundKey, SessionKey, SessionSpec};
use super::uri::MsrpUri;

/// Finished messages a session remembers, to know a duplicate when it sees one (RFC 4975 §5.4). A peer that repeats
/// an older one is taken for a new sender; the spool still knows the Message-ID.
const REMEMBERED_PER_SESSION: usize = 64;

/// IMDNs may go against a one-way session (P25), bare or in a `message/cpim`.
const IMDN: &str = "message/imdn+xml";

/// What became of a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed {
        total: u64,
    },
    /// A notification against the direction of the session: heard and not kept.
    Noted,
    Refused(StatusCode),
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) spec: SessionSpec,
    /// Paths of what we send.
    pub(super) to_path: Path,
    pub(super) from_path: Path,
    /// A request has come or our greeting was answered.
    pub(super) live: bool,
    /// The peer refused the session: nothing more is sent in it.
    pub(super) failed: bool,
    /// A message of it has kept the others on the connection waiting, which none may again.
    pub(super) has_blocked: bool,
    /// RFC 4975 §10.6: types the peer answered with 415.
    pub(super) refused_types: Vec<String>,
    /// Messages that arrive now.
    pub(super) arriving: Vec<InboundKey>,
    finished: VecDeque<(String, Outcome)>,
}

impl Session {
    fn new(spec: SessionSpec) -> Self {
        Self {
            to_path: spec.remote_path.as_slice().into(),
            from_path: spec.relay.as_deref().into_iter().chain([&spec.local]).cloned().collect(),
            spec,
            live: false,
            failed: false,
            has_blocked: false,
            refused_types: Vec::new(),
            arriving: Vec::new(),
            finished: VecDeque::new(),
        }
    }

    /// What became of the message of this id.
    pub(super) fn outcome(&self, message_id: &str) -> Option<Outcome> {
        self.finished.iter().find(|(id, _)| id == message_id).map(|(_, outcome)| *outcome)
    }

    pub(super) fn remember(&mut self, message_id: String, outcome: Outcome) {
        if self.finished.len() == REMEMBERED_PER_SESSION {
            self.finished.pop_front();
        }
        self.finished.push_back((message_id, outcome));
    }

    /// Why content of this type cannot be taken in this session, if so.
    pub(super) fn refusal(&self, content_type: &str) -> Option<StatusCode> {
        let media_type = bare(content_type);
        if !self.spec.receives {
            return (!is_imdn(media_type) && !is_cpim(media_type)).then_some(StatusCode::FORBIDDEN);
        }
        (!accepts(&self.spec.accept_types, media_type)).then_some(StatusCode::UNSUPPORTED_MEDIA)
    }
}

/// Whether this is the type of a disposition notification (RFC 5438).
pub(super) fn is_imdn(media_type: &str) -> bool {
    bare(media_type).eq_ignore_ascii_case(IMDN)
}

/// More sessions than one connection may have.
#[derive(Debug)]
pub(super) struct TooManySessions;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: BTreeMap<SessionKey, Session>,
    by_id: HashMap<Option<String>, SessionKey>,
}

impl Sessions {
    /// At most so many; one that is there already may always be bound anew.
    pub(super) fn bind(&mut self, spec: SessionSpec, most: usize) -> Result<(), TooManySessions> {
        let key = spec.key;
        let new = match self.by_key.remove(&key) {
            Some(old) => {
                self.by_id.remove(&old.spec.local.session_id);
                Session {
                    finished: old.finished,
                    arriving: old.arriving,
                    live: old.live,
                    has_blocked: old.has_blocked,
                    ..Session::new(spec)
                }
            }
            None if self.by_key.len() >= most => return Err(TooManySessions),
            None => Session::new(spec),
        };
        self.by_id.insert(new.spec.local.session_id.clone(), key);
        self.by_key.insert(key, new);
        Ok(())
    }

    pub(super) fn unbind(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.by_key.remove(&key)?;
        self.by_id.remove(&session.spec.local.session_id);
        Some(session)
    }

    /// RFC 4975 §7.3: exactly one To-Path URI, which maps to a session of this connection. Before it stands the relay
    /// URI, if the peer has one of us (RFC 7977 §8.2.2).
    pub(super) fn find(&self, to_path: &[MsrpUri]) -> Option<SessionKey> {
        let (uri, relay) = match to_path {
            [uri] => (uri, None),
            [relay, uri] => (uri, Some(relay)),
            _ => return None,
        };
        let key = *self.by_id.get(&uri.session_id)?;
        let spec = &self.get(key)?.spec;
        let by_relay = match (&spec.relay, relay) {
            (Some(ours), Some(theirs)) => ours.matches(theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        (by_relay && spec.local.names_session(uri, spec.session_match)).then_some(key)
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.by_key.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn first(&self) -> Option<SessionKey> {
        self.by_key.keys().next().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::SessionMatch;

    fn spec(key: u64, id: &str) -> SessionSpec {
        SessionSpec {
            key: SessionKey(key),
            local: MsrpUri::session(false, "store.example.org", 2855, id.to_owned()),
            remote_path: vec![MsrpUri::session(false, "phone.example.net", 7000, "p1".to_owned())],
            relay: None,
            max_size: None,
            accept_types: vec!["text/plain".to_owned(), "Image/*".to_owned()],
            receives: true,
            greet: false,
            session_match: SessionMatch::Uri,
        }
    }

    // M4975-8.6-12 M4975-8.9-01
    #[test]
    fn types_match_without_case_and_parameters_and_imdns_pass_everywhere() {
        let mut session = Session::new(spec(1, "a"));
        for good in ["TEXT/plain; charset=utf-8", "image/PNG", "text/plain"] {
            assert_eq!(session.refusal(good), None, "{good}");
        }
        for bad in ["text/html", "imag/png", "text", "é"] {
            assert_eq!(session.refusal(bad), Some(StatusCode::UNSUPPORTED_MEDIA), "{bad}");
        }
        session.spec.receives = false;
        assert_eq!(session.refusal("text/plain"), Some(StatusCode::FORBIDDEN));
        assert_eq!(session.refusal("message/imdn+xml"), None);
        session.spec.receives = true;
        session.spec.accept_types = vec!["*".to_owned()];
        assert_eq!(session.refusal("x/y"), None);
    }

    // M4975-7.3-02
    #[test]
    fn a_session_is_found_by_its_one_uri_and_a_new_spec_replaces_the_old() {
        let mut sessions = Sessions::default();
        sessions.bind(spec(1, "old"), 1).expect("room");
        let (old, new) = (spec(1, "old").local, spec(1, "new").local);
        assert_eq!(sessions.find(std::slice::from_ref(&old)), Some(SessionKey(1)));
        assert_eq!(sessions.find(&[old.clone(), old.clone()]), None);
        sessions.bind(spec(1, "new"), 1).expect("room");
        assert_eq!((sessions.find(&[old]), sessions.find(&[new])), (None, Some(SessionKey(1))));
        assert_eq!(sessions.len(), 1);
    }

    // F4
    #[test]
    fn only_where_the_id_is_to_count_alone_a_rewritten_host_still_names_the_session() {
        let rewritten = MsrpUri::session(true, "gateway.example.org", 1, "a".to_owned());
        for (session_match, found) in [(SessionMatch::Uri, None), (SessionMatch::Id, Some(SessionKey(1)))] {
            let mut sessions = Sessions::default();
            sessions.bind(SessionSpec { session_match, ..spec(1, "a") }, 1).expect("room");
            assert_eq!(sessions.find(std::slice::from_ref(&rewritten)), found);
            let other = MsrpUri { session_id: Some("b".to_owned()), ..rewritten.clone() };
            let none = MsrpUri { session_id: None, ..rewritten.clone() };
            assert_eq!((sessions.find(&[other]), sessions.find(&[none])), (None, None));
        }
    }

    #[test]
    fn the_oldest_outcome_is_forgotten_first() {
        let mut session = Session::new(spec(1, "a"));
        for number in 0..=REMEMBERED_PER_SESSION as u64 {
            session.remember(format!("m{number}"), Outcome::Committed { total: number });
        }
        assert_eq!(session.outcome("m0"), None);
        assert_eq!(session.outcome("m1"), Some(Outcome::Committed { total: 1 }));
    }
}
