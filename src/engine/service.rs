//! The dialog service (RFC 4240 §4, RFC 5707 §9.4): the INVITE brings its script, `sip:dialog@HOST;moml=cid:ID`.

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::control::MSML_TYPES;
use super::core::Engine;
use super::description::Refusal;
use super::port::Output;
use crate::model::{Now, Outbox};
use crate::msml;
use crate::sip::{self, CallKey, Opening};

/// A description without `<dialogstart>` has types of its own, besides those of MSML.
const MOML_TYPES: [&str; 2] = ["application/moml+xml", "application/vnd.radisys.moml+xml"];

/// The script that an INVITE wants to be run; none if it does not ask for the service.
///
/// # Errors
/// RFC 5707 §9.4: 488 for what is not MSML in the body; 400 for a body part that is not there.
fn find(invite: &Opening) -> Result<Option<Bytes>, Refusal> {
    if !invite.uri_user.eq_ignore_ascii_case("dialog") {
        return Ok(None);
    }
    let refusal = |status, warning: &str| Err(Refusal { status, warning: warning.to_owned() });
    let Some(place) = parameter(&invite.request_uri, "moml") else {
        return refusal(488, "the dialog service runs MSML: sip:dialog@HOST;moml=cid:ID and the script in the body");
    };
    let id = match place.split_once(':') {
        Some((scheme, id)) if scheme.eq_ignore_ascii_case("cid") => percent_decode_str(id).decode_utf8_lossy(),
        _ => return refusal(488, "a script is taken from the body of its INVITE alone: moml=cid:ID"),
    };
    let parts = invite.body.as_ref().map(sip::multipart::parts).unwrap_or_default();
    let Some(part) = parts.into_iter().find(|part| part.id.as_deref() == Some(&*id)) else {
        return refusal(400, "no part of the body has the Content-ID that moml names");
    };
    let kind = part.media_type();
    if !MSML_TYPES.iter().chain(&MOML_TYPES).any(|known| *known == kind) {
        return refusal(488, "the part that moml names is no MSML");
    }
    Ok(Some(part.octets))
}

/// The value of a parameter of a SIP URI.
pub(super) fn parameter<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    // RFC 3261 §25.1: only escaped can an @ stand in a user part, so the first one ends it.
    let mut parameters = uri.split_once('@').map_or(uri, |(_, rest)| rest).split(';').skip(1);
    let value = |parameter: &'a str| {
        parameter.split_once('=').filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    parameters.find_map(value)
}

impl Engine {
    /// What an INVITE wants to be run, if it may.
    pub(super) fn script(&self, invite: &Opening, trusted: bool) -> Result<Option<Bytes>, Refusal> {
        let script = find(invite)?;
        if script.is_some() && !trusted {
            let warning = "MSML is not allowed from this address".to_owned();
            let known = invite.user.is_some(); // and may not, whatever else it could prove
            return Err(Refusal { status: if known { 403 } else { self.policy.not_allowed() }, warning });
        }
        Ok(script)
    }

    /// The streams of the call stand: what it came for begins.
    pub(super) fn serve(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let Some(call) = self.board.calls.get_mut(&key) else { return };
        let Some(script) = call.script.take() else { return };
        let (conn, style) = (call.tag.clone(), call.manners.style);
        self.msml(now, msml::Input::Invited { conn, style, script }, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_the_uri_may_have_an_at_sign_of_its_own() {
        assert_eq!(parameter("sip:dialog@h;moml=cid:1;lr", "MOML"), Some("cid:1"));
        assert_eq!(parameter("sip:dialog@h", "moml"), None);
        assert_eq!(parameter("sip:dialog@h;moml=cid:1@as.example.net", "moml"), Some("cid:1@as.example.net"));
    }
}
