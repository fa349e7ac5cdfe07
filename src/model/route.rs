//! Rules by which what arrives in some boxes is forwarded by itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::BoxPattern;
use super::media::accepts;

/// What may stand in the user part of a SIP URI as it is (RFC 3261 §25.1 `unreserved`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+');

/// Where the name of the box goes.
const BOX: &str = "{box}";

/// One rule. All that fit an object count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The boxes it is for.
    pub matches: BoxPattern,
    /// The MIME types it is for; all of them if there is none.
    pub types: Vec<String>,
    /// Whom it goes to.
    pub to: Recipient,
    /// How long after its arrival.
    pub after: Duration,
    /// How long it is tried; as long as any delivery if unset.
    pub expires: Option<Duration>,
    /// Whether the object is deleted when the recipient has it.
    pub delete: bool,
}

impl Route {
    /// Whether it is for what has come into this box with this type.
    pub fn takes(&self, mailbox: &str, media_type: Option<&str>) -> bool {
        let liked = || media_type.is_some_and(|media_type| accepts(&self.types, media_type));
        self.matches.fits(mailbox) && (self.types.is_empty() || liked())
    }
}

/// The SIP URI of a recipient, in whose user part `{box}` is the name of the box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient(String);

impl Recipient {
    /// The recipient of what is in this box.
    pub fn of(&self, mailbox: &str) -> String {
        self.0.replacen(BOX, &utf8_percent_encode(mailbox, ESCAPED).to_string(), 1)
    }

    /// The host, without brackets, and the port if there is one.
    pub fn place(&self) -> (&str, Option<u16>) {
        let place = self.0.split_once('@').map_or("", |(_, place)| place);
        let place = place.split(';').next().unwrap_or_default();
        let (host, port) = match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        (host, port.and_then(|port| port.parse().ok()))
    }
}

impl FromStr for Recipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHY: &str = "expected a SIP URI like sip:bob@example.org or sip:{box}@example.org";
        let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:")).ok_or(WHY)?;
        let (user, place) = rest.split_once('@').ok_or(WHY)?;
        let plain = user.replacen(BOX, "box", 1) + place;
        let is_odd = |letter: char| !letter.is_ascii_graphic() || "<>{}\"?@,".contains(letter);
        let recipient = Self(text.to_owned());
        let (host, port) = recipient.place();
        let has_port = place.split(';').next().is_some_and(|place| !place.starts_with('[') && place.contains(':'));
        if user.is_empty() || plain.contains(is_odd) || host.is_empty() || (has_port && port.is_none()) {
            return Err(WHY);
        }
        Ok(recipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(to: &str, types: &[&str]) -> Route {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        let (matches, to) = ("fax-*".parse().expect("a pattern"), to.parse().expect("a recipient"));
        Route { matches, types, to, ..Route::default() }
    }

    #[test]
    fn a_rule_takes_what_has_its_box_and_its_type() {
        let of_all = route("sip:bob@example.org", &[]);
        assert!(of_all.takes("fax-1", None) && of_all.takes("fax-1", Some("image/png")) && !of_all.takes("bob", None));
        let pictures = route("sip:bob@example.org", &["image/*"]);
        assert!(pictures.takes("fax-1", Some("Image/PNG; q=1")));
        assert!(!pictures.takes("fax-1", Some("audio/wav")) && !pictures.takes("fax-1", None));
    }

    #[test]
    fn the_name_of_a_box_becomes_a_user_and_nothing_else() {
        let of = |to: &str, mailbox: &str| route(to, &[]).to.of(mailbox);
        assert_eq!(of("sip:{box}@example.org", "bob"), "sip:bob@example.org");
        assert_eq!(of("sip:x-{box}@h:5070;transport=tcp", "b@c;d e"), "sip:x-b%40c%3Bd%20e@h:5070;transport=tcp");
        assert_eq!(of("sips:all@h", "bob"), "sips:all@h");
    }

    #[test]
    fn a_recipient_has_a_user_and_a_host() {
        let place = |to: &str| to.parse::<Recipient>().map(|to| (to.place().0.to_owned(), to.place().1));
        assert_eq!(place("sip:{box}@example.org;transport=tls"), Ok(("example.org".to_owned(), None)));
        assert_eq!(place("sip:bob@[::1]:5070"), Ok(("::1".to_owned(), Some(5070))));
        assert_eq!(place("sips:bob@192.0.2.1:5061"), Ok(("192.0.2.1".to_owned(), Some(5061))));
        for bad in [
            "bob@example.org",
            "tel:+1",
            "sip:example.org",
            "sip:@h",
            "sip:bob@",
            "sip:bob@{box}",
            "sip:{user}@h",
            "sip:bob@h:port",
            "sip:a b@h",
            "sip:bob@h?x=1",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
