//! Session descriptions in and out of SIP bodies.

use super::call::SDP_TYPE;
use crate::model::FileInfo;
use crate::sdp::{Description, FileOffer};
use crate::sip::{self, Body};

/// Why an INVITE is refused before its streams are looked at.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) warning: String,
}

/// The session description of a message, if it has one.
pub(super) fn read_description(body: Option<Body>) -> Result<Option<Description>, Refusal> {
    let Some(body) = body.filter(|body| !body.octets.is_empty()) else { return Ok(None) };
    let octets = match body.media_type().as_str() {
        SDP_TYPE => body.octets,
        kind if kind.starts_with("multipart/") => match sip::multipart::part(&body, SDP_TYPE) {
            Some(part) => part.octets,
            None => return Ok(None),
        },
        kind => return Err(Refusal { status: 415, warning: format!("a body of type {kind} is not understood here") }),
    };
    match Description::parse(&octets) {
        Ok(description) => Ok(Some(description)),
        // RFC 3261 §21.4.1: the reason names the fault.
        Err(error) => Err(Refusal { status: 400, warning: format!("bad session description: {error}") }),
    }
}

/// A whole file, as it is offered.
pub(super) fn file_offer(info: FileInfo) -> FileOffer {
    FileOffer { info, ..FileOffer::default() }
}
