//! A `message/cpim` on its way in: what is known of its content, and what waits until it is.

use crate::engine::failure::ReceiveFailure;
use crate::model::media::accepts;
use crate::msrp::cpim::{Content, CpimError, open};

/// What a look at the beginning of the message has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not enough has come to say.
    Unknown,
    /// This is in it, and it is taken.
    Known(Box<Content>),
}

/// One message in a wrapper. Its chunks are answered as they come once the content is known; until then each waits for a
/// look at the stage, so that 415 is the answer to the chunk that shows the type.
#[derive(Debug)]
pub(super) struct Unwrapping {
    /// Media types taken in it.
    types: Vec<String>,
    /// Octets before the content, once known.
    offset: Option<u64>,
    /// Looks that are under way.
    looks: usize,
    /// Octets written and not yet told to the connection.
    untold: usize,
    /// Octets of the message, once all are there.
    total: Option<u64>,
}

impl Unwrapping {
    pub(super) const fn new(types: Vec<String>) -> Self {
        Self { types, offset: None, looks: 0, untold: 0, total: None }
    }

    /// Octets before the content, as far as is known.
    pub(super) fn offset(&self) -> u64 {
        self.offset.unwrap_or(0)
    }

    /// Whether written octets go through [`Unwrapping::written`]. Those behind others that wait there wait, too.
    pub(super) const fn wants_written(&self) -> bool {
        self.offset.is_none() || self.untold > 0
    }

    /// So many octets more are in the stage. Whether to look at it now.
    pub(super) const fn written(&mut self, octets: usize) -> bool {
        self.untold += octets;
        let look = self.looks == 0;
        self.looks += look as usize;
        look
    }

    /// Everything is in the stage, and has to be looked at once more: its beginning may have come again since it was
    /// judged, and the last octets count (RFC 4975 §7.3.1).
    pub(super) const fn complete(&mut self, total: u64) {
        self.total = Some(total);
        self.looks += 1;
    }

    /// A look has been had: octets that may be told now, and how many there are in all if this look was at all of them.
    pub(super) const fn peeked(&mut self) -> (usize, Option<u64>) {
        self.looks -= 1;
        let total = if self.looks == 0 { self.total } else { None };
        (std::mem::replace(&mut self.untold, 0), total)
    }

    /// Decides by the first octets of the message, which may be all there will be.
    ///
    /// # Errors
    /// [`ReceiveFailure::Wrapper`] if it is none, [`ReceiveFailure::BadType`] if what is in it is not taken.
    pub(super) fn judge(&mut self, head: &[u8], last: bool) -> Result<Verdict, ReceiveFailure> {
        let Some(content) = open(head)? else {
            return if last { Err(CpimError::Short.into()) } else { Ok(Verdict::Unknown) };
        };
        if !accepts(&self.types, &content.media_type) {
            tracing::warn!(media_type = %content.media_type, "the type in the wrapper is not accepted: 415");
            return Err(ReceiveFailure::BadType);
        }
        self.offset = Some(content.offset);
        Ok(Verdict::Known(Box::new(content)))
    }
}
