//! What stands on a wrapper, in the JSON of an envelope.

use serde::{Deserialize, Serialize};

use crate::model::{Disposition, Imdn, Party, Wrapper};

/// One wrapper in the JSON.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WireWrapper {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<WireParty>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<WireParty>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cc: Vec<WireParty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    imdn: Option<WireImdn>,
}

/// What a message asks to be told of its fate, in the JSON.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct WireImdn {
    #[serde(default)]
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wants: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original_to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    record_route: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    route: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
}

impl From<&Imdn> for WireImdn {
    fn from(imdn: &Imdn) -> Self {
        Self {
            id: imdn.message_id.clone(),
            wants: imdn.wants.iter().map(|one| one.word().to_owned()).collect(),
            original_to: imdn.original_to.clone(),
            record_route: imdn.record_route.clone(),
            route: imdn.route.clone(),
            shown: imdn.shown,
        }
    }
}

impl From<WireImdn> for Imdn {
    fn from(imdn: WireImdn) -> Self {
        Self {
            message_id: imdn.id,
            wants: imdn.wants.iter().filter_map(|word| Disposition::of(word)).collect(),
            original_to: imdn.original_to,
            record_route: imdn.record_route,
            route: imdn.route,
            shown: imdn.shown,
        }
    }
}

/// One party in the JSON.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct WireParty {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    uri: String,
}

impl From<&Party> for WireParty {
    fn from(party: &Party) -> Self {
        Self { name: party.name.clone(), uri: party.uri.clone() }
    }
}

impl From<WireParty> for Party {
    fn from(party: WireParty) -> Self {
        Self { name: party.name, uri: party.uri }
    }
}

impl From<&Wrapper> for WireWrapper {
    fn from(wrapper: &Wrapper) -> Self {
        Self {
            from: wrapper.from.as_ref().map(WireParty::from),
            to: wrapper.to.iter().map(WireParty::from).collect(),
            cc: wrapper.cc.iter().map(WireParty::from).collect(),
            sent: wrapper.sent.clone(),
            subject: wrapper.subject.clone(),
            language: wrapper.language.clone(),
            imdn: wrapper.imdn.as_ref().map(WireImdn::from),
        }
    }
}

impl From<WireWrapper> for Wrapper {
    fn from(wrapper: WireWrapper) -> Self {
        Self {
            from: wrapper.from.map(Party::from),
            to: wrapper.to.into_iter().map(Party::from).collect(),
            cc: wrapper.cc.into_iter().map(Party::from).collect(),
            sent: wrapper.sent,
            subject: wrapper.subject,
            language: wrapper.language,
            imdn: wrapper.imdn.map(Imdn::from),
        }
    }
}
