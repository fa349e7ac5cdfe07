//! From the first octets of a message to where its file begins.

use super::error::CpimError;
use super::head::read;
use super::text::Lines;
use crate::model::Wrapper;
use crate::model::limits::{CPIM_DEPTH, CPIM_HEAD_OCTETS};
use crate::model::media::covers;

/// What is in the envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Where it begins: octets of the message before it.
    pub offset: u64,
    /// Its media type with parameters.
    pub media_type: String,
    /// Its Content-Disposition, unparsed.
    pub disposition: Option<String>,
    /// Its Content-ID.
    pub content_id: Option<String>,
    /// What stands on the envelopes, the outermost first; at least one.
    pub wrappers: Vec<Wrapper>,
}

/// Whether a message of this type is an envelope. RFC 3862 §7.1: whatever the case.
pub fn is_cpim(media_type: &str) -> bool {
    covers("message/cpim", media_type)
}

/// Opens a `message/cpim` of which these are the first octets, or all. `None`: more octets are needed; more than
/// `CPIM_HEAD_OCTETS` are never looked at.
///
/// # Errors
/// [`CpimError`], which knows the status to answer.
pub fn open(octets: &[u8]) -> Result<Option<Content>, CpimError> {
    let mut lines = Lines::new(&octets[..octets.len().min(CPIM_HEAD_OCTETS)]);
    let mut wrappers = Vec::new();
    while wrappers.len() < CPIM_DEPTH {
        let Some((wrapper, mut mime)) = read(&mut lines)? else {
            return if octets.len() >= CPIM_HEAD_OCTETS { Err(CpimError::HeadTooLong) } else { Ok(None) };
        };
        wrappers.push(wrapper);
        let media_type = mime.content_type()?;
        // RFC 3862 §6: whoever had something to add has put the message into another envelope.
        if !is_cpim(&media_type) {
            let (disposition, content_id) = (mime.disposition, mime.content_id);
            return Ok(Some(Content { offset: lines.at as u64, media_type, disposition, content_id, wrappers }));
        }
    }
    Err(CpimError::TooDeep)
}
