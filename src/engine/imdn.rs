//! Disposition notifications (RFC 5438): what the sender of a message is told of its fate, and how that reads.
//!
//! We are an intermediary, a store that forwards (§8): `stored` once the message is committed; `failed` when it will not get
//! there; `delivered` only where nobody else can say it, since the recipient took the file without the wrapper that asks
//! (§12.2: a 2xx is no delivery). What goes on in its wrapper carries its request with it, and the recipient answers that.
//!
//! Whom it goes to is said by the message itself, and whoever wrote that may lie, also in the From of its call: nobody is
//! told unless its call has shown who calls (§14, attack S19). Then that one is, or the recorded route, and either only within
//! `policy.forward`.

use std::fmt::Write as _;

use crate::model::media::covers;
use crate::model::{Disposition, Imdn, Occasion, Party, Wall, Wrapper};
use crate::msrp::cpim::{Enclosed, print};
use crate::sip;
use crate::spool::{Envelope, Notice, Target};

/// The type of a notification (RFC 5438 §11.1.8).
pub const IMDN_TYPE: &str = "message/imdn+xml";

/// Its namespace (§11.1).
const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// A longer subject is left out, for a MESSAGE that is to go by UDP has 1300 octets (RFC 3428 §8).
const SUBJECT_OCTETS: usize = 128;

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is committed here, and goes on later.
    Stored,
    /// Its recipient has it.
    Delivered,
    /// Its recipient does not get it.
    Failed,
}

impl Fate {
    /// What its sender has to have asked for.
    const fn asked(self) -> Disposition {
        match self {
            Self::Stored => Disposition::Processing,
            Self::Delivered => Disposition::PositiveDelivery,
            Self::Failed => Disposition::NegativeDelivery,
        }
    }

    /// The element of its kind, and that of its status (§11.1.6, §11.1.7).
    const fn elements(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored => ("processing-notification", "stored"),
            Self::Delivered => ("delivery-notification", "delivered"),
            Self::Failed => ("delivery-notification", "failed"),
        }
    }

    const fn occasion(self) -> Occasion {
        match self {
            Self::Stored => Occasion::Stored,
            Self::Delivered => Occasion::Delivered,
            Self::Failed => Occasion::Failed,
        }
    }
}

/// The notification that the sender of a message has asked for, if there is one for this fate.
pub fn notification(envelope: &Envelope, fate: Fate, at: Wall) -> Option<Notice> {
    let media_type = envelope.file.media_type.as_deref().unwrap_or_default();
    if covers(IMDN_TYPE, media_type) {
        return None; // §7.2.1: none for a notification, whatever it asks for
    }
    let wrapper = envelope.wrappers.last()?;
    let imdn = wrapper.imdn.as_ref().filter(|imdn| imdn.wants(fate.asked()) && !imdn.message_id.is_empty())?;
    let sender = wrapper.from.as_ref()?;
    if !imdn.shown {
        let Envelope { id, call_id, .. } = envelope;
        tracing::warn!(object = id, call_id, "who has called has not shown who that is: no disposition notification");
        return None;
    }
    let shown = envelope.from.as_deref().unwrap_or_default();
    let hop = match imdn.record_route.first() {
        Some(first) => first,
        None if whose(&sender.uri).is_some_and(|sender| whose(shown) == Some(sender)) => &sender.uri,
        None => {
            let Envelope { id, call_id, .. } = envelope;
            tracing::warn!(object = id, call_id, "its sender is not who has called: no disposition notification");
            return None;
        }
    };
    let target = Target::Sip(as_sip(hop)?);
    let (kind, _) = fate.elements();
    // §7.2.1, §8.2: one of each kind for a message and a recipient, who has a box, so that `delivered` is never followed by `failed`.
    let id = Notice::id_of(
        Occasion::Stored,
        &format!("{kind} {} {} {}", sender.uri, imdn.message_id, envelope.uri.box_name()),
        &target,
    );
    // §6.3: nobody guesses it, for nobody outside knows the object's.
    let own = Notice::id_of(fate.occasion(), &envelope.id, &target);
    let body = message(envelope, wrapper, imdn, fate, &own, at);
    Some(Notice { id, target, occasion: fate.occasion(), subject: envelope.id.clone(), at, body })
}

/// The whole `message/cpim`. Its Message-ID stays, however often it is sent: whoever gets it twice can tell.
fn message(envelope: &Envelope, wrapper: &Wrapper, imdn: &Imdn, fate: Fate, id: &str, at: Wall) -> String {
    let recipient = recipient(envelope, wrapper);
    let own = Imdn { message_id: id.to_owned(), route: imdn.record_route.clone(), ..Imdn::default() };
    let outside = Wrapper {
        from: Some(recipient.clone()),
        to: wrapper.from.iter().cloned().collect(),
        sent: Some(at.rfc3339()),
        imdn: Some(own),
        ..Wrapper::default()
    };
    let document = document(envelope, wrapper, imdn, fate, &recipient);
    let enclosed =
        Enclosed { media_type: IMDN_TYPE.to_owned(), disposition: Some("notification".to_owned()), content_id: None };
    let mut text = String::from_utf8_lossy(&print(&outside, &enclosed)).into_owned();
    text.push_str(&document);
    text
}

fn recipient(envelope: &Envelope, wrapper: &Wrapper) -> Party {
    let to = || Party::new(envelope.to.clone().unwrap_or_default());
    wrapper.to.first().cloned().unwrap_or_else(to)
}

/// §11.1: the document.
fn document(envelope: &Envelope, wrapper: &Wrapper, imdn: &Imdn, fate: Fate, recipient: &Party) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<imdn xmlns=\"{NAMESPACE}\">\r\n");
    let mut element = |name: &str, attributes: &str, value: &str| {
        let _ = write!(text, "<{name}{attributes}>{}</{name}>\r\n", escaped(value));
    };
    element("message-id", "", &imdn.message_id);
    let stored = envelope.stored.rfc3339();
    element("datetime", "", &wrapper.sent.as_deref().unwrap_or(&stored).to_ascii_uppercase().replace(' ', "T"));
    element("recipient-uri", "", &recipient.uri);
    if let Some(original) = &imdn.original_to {
        element("original-recipient-uri", "", original);
    }
    if let Some(subject) = wrapper.subject.as_ref().filter(|subject| subject.len() <= SUBJECT_OCTETS) {
        let language = wrapper.language.as_deref().filter(|language| is_language(language));
        let language = language.map_or_else(String::new, |language| format!(" xml:lang=\"{language}\""));
        element("subject", &language, subject);
    }
    let (kind, status) = fate.elements();
    let _ = write!(text, "<{kind}><status><{status}/></status></{kind}>\r\n</imdn>\r\n");
    text
}

/// XML 1.0 §2.4, and without what no document may have (§2.2).
fn escaped(text: &str) -> String {
    let sound = |letter: &char| matches!(letter, '\t' | ' '..='\u{fffd}' | '\u{10000}'..) && *letter != '\u{7f}';
    let text: String = text.chars().filter(sound).collect();
    quick_xml::escape::escape(text.as_str()).into_owned()
}

/// What XML takes for a language (XML Schema 2 §3.3.3).
fn is_language(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|letter| letter.is_ascii_alphanumeric());
    text.split('-').all(part) && text.split('-').next().is_some_and(|first| !first.bytes().any(|c| c.is_ascii_digit()))
}

/// Whose URI it is, whatever its scheme, port and parameters; nothing if it is of no user, or of none that SIP reaches.
pub fn whose(uri: &str) -> Option<String> {
    let uri = as_sip(uri)?;
    let host = sip::Target::of(&uri)?.host.to_ascii_lowercase();
    let (_, address) = uri.split_once(':')?;
    let (user, _) = address.split_once('@').filter(|(user, _)| !user.is_empty())?;
    Some(format!("{user}@{host}"))
}

/// RFC 3860: an address for messages, as SIP knows it.
fn as_sip(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "sip" | "sips" => Some(uri.to_owned()),
        "im" => Some(format!("sip:{rest}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_only_if_it_is_who_has_called() {
        for (one, other, same) in [
            ("sip:alice@example.org", "sips:alice@EXAMPLE.org:5061;transport=tls", true),
            ("im:alice@example.org", "sip:alice@example.org", true),
            ("sip:alice@example.org", "sip:bob@example.org", false),
            ("sip:alice@example.org", "sip:alice@example.net", false),
            ("sip:alice@[2001:db8::1]:5070", "sip:alice@[2001:DB8::1]", true),
            ("sip:alice@[2001:db8::1]", "sip:alice@[2001:db8::2]", false),
        ] {
            assert!(whose(one).is_some() && whose(other).is_some(), "{one} {other}");
            assert_eq!(whose(one) == whose(other), same, "{one} {other}");
        }
        for nobody in ["sip:example.org", "sip:@example.org", "tel:+1555", "alice@example.org"] {
            assert_eq!(whose(nobody), None, "{nobody}");
        }
        assert_eq!(as_sip("im:alice@example.org").as_deref(), Some("sip:alice@example.org"));
        assert_eq!(as_sip("mailto:alice@example.org"), None);
    }

    #[test]
    fn what_no_document_may_have_is_left_out_of_it() {
        assert_eq!(escaped("a<b>&\"\u{1}\u{ffff}c"), "a&lt;b&gt;&amp;&quot;c");
        assert!(is_language("pt-BR") && !is_language("x y") && !is_language("") && !is_language("9-a"));
    }
}
