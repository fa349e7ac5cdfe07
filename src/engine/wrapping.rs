//! Files that go out in a `message/cpim`, because their peer takes them in no other way.

use super::call::{OCTET_STREAM, Purpose, RENDER};
use super::core::Engine;
use super::imdn::IMDN_TYPE;
use super::jobs::Outgoing;
use super::link::Source;
use crate::model::media::bare;
use crate::model::{FileInfo, Imdn, Party, Wall, Wrapper};
use crate::msrp::cpim::{Enclosed, print};
use crate::sdp::{self, Address, Carriage, Terms};
use crate::sip::CallKey;

/// The type of a wrapper.
const CPIM_TYPE: &str = "message/cpim";

/// Letters of a Message-ID of ours, and of a Content-ID: 130 random bits.
pub(super) const MESSAGE_ID_LETTERS: usize = 22;

impl Engine {
    /// How many octets a wrapper adds to this file on its way to this peer, zero if it goes without one; `None` if the
    /// peer does not take the file in either way (RFC 4975 §8.6).
    pub(super) fn wrapper_octets(&self, call: CallKey, peer: &Terms, outgoing: &Outgoing) -> Option<u64> {
        let any_id = "i".repeat(MESSAGE_ID_LETTERS); // every new id and every date of ours has the same length
        let message_id = outgoing.message_id.as_deref().unwrap_or(&any_id);
        let wrapper = self.wrapper(Wall::default(), call, peer, outgoing, message_id)?;
        Some(wrapper.len() as u64)
    }

    /// What goes before the file: nothing, or the head of its wrapper; `None` if the peer does not take it.
    pub(super) fn wrapper(
        &self,
        now: Wall,
        call: CallKey,
        peer: &Terms,
        outgoing: &Outgoing,
        message_id: &str,
    ) -> Option<Vec<u8>> {
        let media_type = media_type(&outgoing.info);
        if peer.carriage(&media_type)? == Carriage::Bare && !asks_on(peer, outgoing) {
            return Some(Vec::new());
        }
        if !outgoing.is_whole() {
            return None; // RFC 5547 §6: `file-range` counts the file's octets, and a wrapper before them would shift them
        }
        let enclosed = Enclosed {
            media_type,
            disposition: disposition(&outgoing.info),
            content_id: Some(format!("{message_id}@{}", host(&self.policy.address))),
        };
        Some(print(&self.inscription(now, call, &outgoing.source), &enclosed))
    }

    /// RFC 4975 §13: every wrapper of ours says from whom and to whom. An object's is of who wrote it, whatever it came in.
    fn inscription(&self, now: Wall, call: CallKey, source: &Source) -> Wrapper {
        let (mut ours, mut theirs) = (None, None);
        if let Some(call) = self.board.calls.get(&call) {
            let (from, to) = (Party::new(&call.parties.from), Party::new(&call.parties.to));
            (ours, theirs) = match call.purpose {
                Purpose::Service => (Some(to), Some(from)),
                Purpose::Client(_) | Purpose::Delivery(_) => (Some(from), Some(to)),
            };
        }
        let to: Vec<Party> = theirs.into_iter().collect();
        let Source::Object(object) = source else {
            return Wrapper { from: ours, to, sent: Some(now.rfc3339()), ..Wrapper::default() };
        };
        let envelope = object.envelope();
        let written = envelope.wrappers.last().cloned().unwrap_or_default();
        let sender = || envelope.from.clone().map(Party::new);
        Wrapper {
            imdn: written.imdn.map(|imdn| sent_on(imdn, written.to.first(), &to)),
            from: written.from.or_else(sender).or(ours),
            to,
            cc: Vec::new(),
            sent: written.sent.or_else(|| Some(envelope.stored.rfc3339())),
            subject: written.subject,
            language: written.language,
        }
    }
}

/// Whether what a sender asks to be told goes on to a peer that knows how to tell it: one that takes notifications makes them.
fn asks_on(peer: &Terms, outgoing: &Outgoing) -> bool {
    let Source::Object(object) = &outgoing.source else { return false };
    let asks = |wrapper: &Wrapper| wrapper.imdn.as_ref().is_some_and(|imdn| !imdn.wants.is_empty());
    let named = |list: &[String], kind: &str| list.iter().any(|entry| bare(entry).eq_ignore_ascii_case(kind));
    let tells = named(&peer.accept_types, CPIM_TYPE) && named(&peer.accept_wrapped_types, IMDN_TYPE);
    tells && outgoing.is_whole() && object.envelope().wrappers.last().is_some_and(asks)
}

/// RFC 5438 §6.4: who changes To says whom the message was for, unless somebody has said so before.
fn sent_on(imdn: Imdn, before: Option<&Party>, now: &[Party]) -> Imdn {
    let before = before.filter(|before| now.first().is_some_and(|now| now.uri != before.uri));
    Imdn { original_to: imdn.original_to.or_else(|| before.map(|before| before.uri.clone())), ..imdn }
}

/// The right side of a Content-ID (RFC 2392): a dot-atom, or a literal in brackets (RFC 5322 §3.6.4).
fn host(address: &Address) -> String {
    match address {
        Address::Name(name) => name.clone(),
        Address::Ip(ip) if ip.is_ipv4() => ip.to_string(),
        Address::Ip(ip) => format!("[{ip}]"),
    }
}

/// This name as a Message-ID, if it can be one (RFC 4975 §9, `ident`).
pub(super) fn as_message_id(name: &str) -> Option<String> {
    let fits = (4..=32).contains(&name.len()) && name.bytes().all(|letter| letter.is_ascii_alphanumeric());
    fits.then(|| name.to_owned())
}

/// The type a file is sent with.
pub(super) fn media_type(info: &FileInfo) -> String {
    info.media_type.clone().unwrap_or_else(|| OCTET_STREAM.to_owned())
}

/// RFC 5547 §6: of a named file, the header says what SDP says of it, in the words of RFC 2183.
pub(super) fn disposition(info: &FileInfo) -> Option<String> {
    let name = info.name.as_deref()?;
    // RFC 5547 §7: a file of which nobody says otherwise is to be rendered.
    let mut text = info.disposition.as_deref().filter(|word| sdp::is_token(word)).unwrap_or(RENDER).to_owned();
    text.push_str(&format!("; filename={}", quoted(name)));
    text.extend(info.size.map(|size| format!("; size={size}")));
    let dates = [("creation", &info.created), ("modification", &info.modified), ("read", &info.read)];
    for (kind, date) in dates {
        let date = date.as_deref().and_then(sdp::numeric_zone);
        text.extend(date.map(|date| format!("; {kind}-date=\"{date}\"")));
    }
    Some(text)
}

/// RFC 2183 §2: a quoted string; control characters have no place in a header.
fn quoted(name: &str) -> String {
    let clean: String = name.chars().filter(|letter| !letter.is_control()).collect();
    format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\""))
}
