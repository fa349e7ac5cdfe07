//! What the engine holds of each attempt to hand an object on.

use std::collections::VecDeque;

use super::call::OCTET_STREAM;
use super::delivery::Attempt;
use crate::model::{DigestAlgorithm, FileInfo};
use crate::msrp::SessionKey;
use crate::sip::{CallKey, Place};
use crate::spool::{Committed, Icon};

/// An attempt at work.
#[derive(Debug)]
pub(super) struct Delivering {
    pub(super) attempt: Attempt,
    pub(super) object: Option<Committed>,
    /// Whom we call: the recipient, or where it has moved to.
    pub(super) target: String,
    /// Where that is.
    pub(super) places: Vec<Place>,
    /// Where else it may be, as redirections have it.
    pub(super) moved: VecDeque<String>,
    /// Every URI that was called or will be, so that no redirection leads in circles.
    pub(super) known: Vec<String>,
    /// Octets of the file that are left away.
    pub(super) offset: u64,
    /// The peer has refused a description with a picture.
    pub(super) plain: bool,
    pub(super) call: Option<CallKey>,
    pub(super) session: Option<SessionKey>,
}

impl Delivering {
    pub(super) fn new(attempt: Attempt) -> Self {
        Self {
            object: None,
            target: attempt.to.clone(),
            places: Vec::new(),
            moved: VecDeque::new(),
            known: vec![attempt.to.clone()],
            offset: attempt.reported,
            plain: false,
            call: None,
            session: None,
            attempt,
        }
    }

    /// What the recipient is told of the file.
    pub(super) fn info(&self) -> FileInfo {
        let Some(object) = &self.object else { return FileInfo::default() };
        let (known, told) = (object.envelope().file.clone(), self.attempt.told.clone());
        FileInfo {
            name: told.name.or(known.name),
            media_type: told.media_type.or(known.media_type).or_else(|| Some(OCTET_STREAM.to_owned())),
            disposition: told.disposition.or(known.disposition),
            created: told.created.or(known.created),
            // Of a digest that RFC 5547 does not have peers make nothing.
            digests: known.digests.into_iter().filter(|digest| digest.algorithm() == DigestAlgorithm::Sha1).collect(),
            ..known
        }
    }

    pub(super) fn icon(&self) -> Option<&Icon> {
        self.object.as_ref().and_then(|object| object.envelope().icon.as_ref()).filter(|_| !self.plain)
    }
}
