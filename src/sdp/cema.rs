//! CEMA (RFC 6714): connections that go where `c=` and `m=` say, because a middlebox has put its own address there.

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::Address;
use super::answer::{StreamOffer, Wish};
use super::description::{Description, Media};
use super::error::Unsupported;
use super::msrp::{CEMA, DISCARD_PORT, Role, Route, Setup};
use super::offer::AgreedStream;
use crate::model::limits::SDP_NAMES;
use crate::msrp::MsrpUri;

/// Addresses of host names, as far as they have been looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(HashMap<String, Vec<IpAddr>>);

impl Names {
    /// Notes what a lookup gave; of a name that leads nowhere, nothing.
    pub fn learn(&mut self, name: &str, addresses: Vec<IpAddr>) {
        self.0.insert(name.to_ascii_lowercase(), addresses);
    }

    fn addresses(&self, host: &Host) -> Vec<IpAddr> {
        match host {
            Host::Ip(address) => vec![*address],
            Host::Name(name) => self.0.get(name).cloned().unwrap_or_default(),
        }
    }

    fn knows(&self, host: &Host) -> bool {
        match host {
            Host::Ip(_) => true,
            Host::Name(name) => self.0.contains_key(name),
        }
    }
}

/// A host for comparisons: RFC 5952 has one spelling per address, DNS has none for names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Host {
    fn of_uri(uri: &MsrpUri) -> Self {
        let name = || percent_encoding::percent_decode_str(&uri.host).decode_utf8_lossy().to_ascii_lowercase();
        uri.address().map_or_else(|| Self::Name(name()), |address| Self::Ip(address.to_canonical()))
    }

    fn of_line(address: &Address) -> Self {
        match address {
            Address::Ip(address) => Self::Ip(address.to_canonical()),
            Address::Name(name) => Self::Name(name.to_ascii_lowercase()),
        }
    }

    /// RFC 6714 §4.4: of several addresses of a name, one that is equal is enough.
    fn equals(&self, other: &Self, names: &Names) -> bool {
        self == other || {
            let others = names.addresses(other);
            names.addresses(self).iter().any(|address| others.contains(address))
        }
    }
}

/// Where a line's `c=` and `m=` lead.
struct Transport<'a> {
    address: &'a Address,
    port: u16,
    /// RFC 4145 §4.1: who connects names the discard port, so there is none to compare.
    portless: bool,
}

impl<'a> Transport<'a> {
    fn read(description: &'a Description, media: &'a Media) -> Option<Self> {
        let address = media.connection.as_ref().or(description.connection.as_ref())?;
        let portless = media.port == DISCARD_PORT && Setup::read(media) == Some(Setup::Active);
        Some(Self { address, port: media.port, portless })
    }

    /// RFC 6714 §4.4, with any URI of the path: without a middlebox, `c=` is the endpoint's or its relay's.
    fn matches(&self, path: &[MsrpUri], names: &Names) -> bool {
        let host = Host::of_line(self.address);
        path.iter().any(|uri| (self.portless || uri.port == Some(self.port)) && host.equals(&Host::of_uri(uri), names))
    }

    /// The same as a URI, with scheme and transport of the path's.
    fn hop(&self, first: &MsrpUri) -> MsrpUri {
        let host = match self.address {
            Address::Ip(IpAddr::V6(address)) => format!("[{address}]"),
            Address::Ip(IpAddr::V4(address)) => address.to_string(),
            Address::Name(name) => name.clone(),
        };
        MsrpUri { user: None, host, port: Some(self.port), ..first.clone() }
    }
}

fn speaks(media: &Media) -> bool {
    media.attribute(CEMA).is_some()
}

/// Host names of a peer's description whose addresses decide whether its `c=`, `m=` and `a=path` agree, and which
/// `names` does not know; at most [`SDP_NAMES`].
pub fn unknown_names(description: &Description, names: &Names) -> Vec<String> {
    let mut unknown = Vec::new();
    for media in description.media.iter().filter(|media| !media.is_closed()) {
        let path = media.value("path").and_then(|path| MsrpUri::parse_path(path).ok()).unwrap_or_default();
        let Some(transport) = Transport::read(description, media) else { continue };
        if transport.matches(&path, names) {
            continue;
        }
        let hosts = path.iter().map(Host::of_uri).chain([Host::of_line(transport.address)]);
        for host in hosts.filter(|host| !names.knows(host)) {
            match host {
                Host::Name(name) if !unknown.contains(&name) => unknown.push(name),
                _ => {}
            }
        }
    }
    unknown.truncate(SDP_NAMES);
    unknown
}

/// Says of each stream of an offer how CEMA has it connected, when we speak CEMA with this peer. `relayed`: our own
/// path leads over a relay. A stream whose middlebox would lose the connection becomes unsupported (RFC 6714 §4.3).
pub fn route_offer(offer: &Description, streams: &mut [StreamOffer], relayed: bool, names: &Names) {
    for stream in streams {
        let Some(media) = offer.media.get(stream.index) else { continue };
        let (Some(transport), Some(first)) = (Transport::read(offer, media), stream.terms.path.first()) else {
            continue;
        };
        let behind_relay = stream.terms.path.len() > 1;
        if !speaks(media) {
            if !transport.matches(&stream.terms.path, names) {
                stream.wish = Wish::Unsupported(Unsupported::Anchored);
            }
            continue;
        }
        // RFC 6714 §4.3: what falls back to RFC 4975.
        let plain = match stream.setup {
            Some(Setup::Passive) => relayed,
            Some(Setup::ActPass) => behind_relay && relayed,
            Some(Setup::Active) | None => behind_relay,
        };
        if plain {
            continue;
        }
        stream.route = Route::Media(transport.hop(first));
        // A relay connects by the path, past the middlebox (RFC 6714 §4.1): so whoever has none connects.
        if behind_relay && stream.setup == Some(Setup::ActPass) {
            stream.role = Role::Active;
        }
    }
}

/// Says of each stream of an answer how CEMA has it connected, where our line of the offer spoke it (RFC 6714 §4.2).
pub fn route_answer(ours: &Description, answer: &Description, agreed: &mut [Option<AgreedStream>], names: &Names) {
    for stream in agreed.iter_mut().flatten() {
        let (Some(mine), Some(theirs)) = (ours.media.get(stream.index), answer.media.get(stream.index)) else {
            continue;
        };
        let (Some(transport), Some(first)) = (Transport::read(answer, theirs), stream.terms.path.first()) else {
            continue;
        };
        if !speaks(mine) {
            continue;
        }
        let matches = transport.matches(&stream.terms.path, names);
        let behind_relay = stream.terms.path.len() > 1;
        let relayed = mine.value("path").is_some_and(|path| path.trim().contains(' '));
        stream.route = match stream.role {
            _ if speaks(theirs) && !relayed => Route::Media(transport.hop(first)),
            _ if speaks(theirs) => Route::Path,
            Role::Passive if !matches => Route::Anchored,
            Role::Active if !matches && (relayed || behind_relay) => Route::Anchored,
            _ if relayed || behind_relay => Route::Path,
            _ => Route::Media(transport.hop(first)),
        };
    }
}

/// The same offer once more, without CEMA (RFC 6714 §4.2).
#[must_use]
pub fn without(offer: &Description) -> Description {
    let mut plain = offer.clone();
    for media in &mut plain.media {
        media.attributes.retain(|attribute| attribute.name != CEMA);
    }
    plain.succeeding(offer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{
        Direction, LocalSession, LocalStream, OfferedStream, Terms, Verdict, answer, offer, read_answer, read_offer,
    };

    const DIRECT: &str = "msrp://192.0.2.7:7001/p1;tcp";
    const RELAYED: &str = "msrp://relay.example.net:2855/r1;tcp msrp://192.0.2.7:7001/p1;tcp";
    const CEMA_LINE: &str = "a=msrp-cema\r\n";

    /// A peer's description whose `c=` and `m=` name this host and port.
    fn theirs(connection: &str, port: u16, path: &str, attributes: &str) -> Description {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN {connection}\r\nt=0 0\r\nm=message {port} TCP/MSRP *\r\n\
             a=accept-types:*\r\na=path:{path}\r\n{attributes}"
        );
        Description::parse(text.as_bytes()).expect("a description")
    }

    fn ours_session() -> LocalSession {
        LocalSession { address: "198.51.100.1".parse().expect("an address"), session_id: 8, version: 2 }
    }

    /// What an offer looks like to one who speaks CEMA.
    fn routed(offer: &Description, relayed: bool, names: &Names) -> StreamOffer {
        let mut streams = read_offer(offer);
        route_offer(offer, &mut streams, relayed, names);
        streams.remove(0)
    }

    /// Ours, with this path.
    fn terms(path: &str, cema: bool) -> Terms {
        let path = MsrpUri::parse_path(path).expect("a path");
        Terms { path, accept_types: vec!["*".to_owned()], cema, ..Terms::default() }
    }

    const OURS: &str = "msrp://198.51.100.1:2855/ours1;tcp";
    const OURS_RELAYED: &str = "msrp://relay.example.org:2855/r9;tcp msrp://198.51.100.1:2855/ours1;tcp";

    fn ours(path: &str, cema: bool) -> Description {
        let terms = terms(path, cema);
        offer(&ours_session(), &[OfferedStream { terms, direction: Direction::SendRecv, reachable: true, file: None }])
    }

    fn hop(host: &str, port: u16) -> Route {
        Route::Media(format!("msrp://{host}:{port}/p1;tcp").parse().expect("a URI"))
    }

    // M6714-4.3-01 M6714-4.4-02
    #[test]
    fn an_offer_without_the_attribute_is_refused_if_somebody_changed_its_address_or_port() {
        for (connection, port, path, attributes, sound) in [
            ("IP4 192.0.2.7", 7001, DIRECT, "", true),
            ("IP4 192.0.2.8", 7001, DIRECT, "", false),
            ("IP4 192.0.2.7", 7002, DIRECT, "", false),
            ("IP4 192.0.2.7", 9, DIRECT, "a=setup:active\r\n", true),
            ("IP4 192.0.2.8", 9, DIRECT, "a=setup:active\r\n", false),
            ("IP4 192.0.2.7", 9, DIRECT, "a=setup:actpass\r\n", false),
            ("IP4 192.0.2.7", 7001, RELAYED, "", true), // RFC 4975 §8.1 wants the endpoint in c=, not its relay
            ("IP6 2001:db8::7", 7001, "msrp://[2001:DB8:0:0:0:0:0:7]:7001/p1;tcp", "", true),
            ("IP6 2001:db8::8", 7001, "msrp://[2001:DB8:0:0:0:0:0:7]:7001/p1;tcp", "", false),
            ("IP4 PHONE.example.net", 7001, "msrp://phone.Example.net:7001/p1;tcp", "", true),
        ] {
            let stream = routed(&theirs(connection, port, path, attributes), false, &Names::default());
            let anchored = stream.wish == Wish::Unsupported(Unsupported::Anchored);
            assert_eq!((anchored, &stream.route), (!sound, &Route::Path), "{connection} {port} {path} {attributes}");
        }
    }

    // M6714-4.4-01
    #[test]
    fn a_name_agrees_with_an_address_if_any_of_its_records_does() {
        let named = "msrp://phone.example.net:7001/p1;tcp";
        let cases = [("IP4 192.0.2.7", named), ("IP4 phone.example.net", DIRECT)];
        let refused = Wish::Unsupported(Unsupported::Anchored);
        for (connection, path) in cases {
            let offer = theirs(connection, 7001, path, "");
            let mut names = Names::default();
            assert_eq!(unknown_names(&offer, &names), ["phone.example.net"]);
            assert_eq!(routed(&offer, false, &names).wish, refused, "nobody knows where the name leads");
            names.learn("phone.example.NET", vec!["2001:db8::7".parse().expect("an address")]);
            assert_eq!(unknown_names(&offer, &names), [""; 0]);
            assert_eq!(routed(&offer, false, &names).wish, refused, "{connection}");
            let records = ["192.0.2.99", "192.0.2.7"].map(|record| record.parse().expect("an address"));
            names.learn("phone.example.net", records.to_vec());
            assert_ne!(routed(&offer, false, &names).wish, refused, "{connection}");
        }
        assert_eq!(unknown_names(&theirs("IP4 192.0.2.7", 7001, DIRECT, ""), &Names::default()), [""; 0]);
    }

    #[test]
    fn no_description_makes_us_look_up_more_than_a_few_names() {
        let hosts = |from: usize| (from..from + 16).map(|n| format!("msrp://h{n}.example.net:1/s;tcp"));
        let lines = (0..4).map(|line| {
            let path = hosts(16 * line).collect::<Vec<_>>().join(" ");
            format!("m=message 7001 TCP/MSRP *\r\na=accept-types:*\r\na=path:{path}\r\n")
        });
        let offer = theirs("IP4 192.0.2.7", 7001, DIRECT, &lines.collect::<String>());
        assert_eq!(unknown_names(&offer, &Names::default()).len(), SDP_NAMES);
    }

    // M6714-4.3-02 M6714-4.3-03 M6714-4.3-04 M6714-4.3-05 M6714-4.3-07 M6714-4.3-08 M6714-4.3-09 M6714-5.2-01
    // M6714-4.5-01 M6714-4.1-01
    #[test]
    fn an_offer_with_the_attribute_is_answered_with_it_unless_a_relay_would_have_to_connect() {
        use Role::{Active, Passive};
        for (path, setup, relayed, cema, role) in [
            (DIRECT, "actpass", false, true, Passive),
            (DIRECT, "active", false, true, Passive),
            (DIRECT, "passive", false, true, Active),
            (RELAYED, "actpass", false, true, Active),
            (RELAYED, "active", false, false, Passive),
            (RELAYED, "none", false, false, Passive),
            (RELAYED, "actpass", true, false, Passive),
            (DIRECT, "actpass", true, true, Passive),
            (DIRECT, "passive", true, false, Active),
        ] {
            let attributes = format!("a=setup:{setup}\r\n{CEMA_LINE}");
            let offer = theirs("IP4 203.0.113.5", 40_000, path, &attributes);
            let stream = routed(&offer, relayed, &Names::default());
            let first = stream.terms.path[0].clone();
            let anchor = MsrpUri { host: "203.0.113.5".to_owned(), port: Some(40_000), ..first };
            let expected = if cema { Route::Media(anchor) } else { Route::Path };
            assert_eq!((&stream.route, stream.role), (&expected, role), "{path} {setup} {relayed}");
            // To-Path stays the path of the offer, wherever the connection goes.
            assert_eq!(MsrpUri::print_path(&stream.terms.path), path);

            let terms = terms(if relayed { OURS_RELAYED } else { OURS }, stream.route != Route::Path);
            let local = LocalStream { terms, direction: Direction::SendRecv, role: stream.role, file: None };
            let text = answer(&offer, &[Verdict::Accept(local)], &ours_session()).to_string();
            assert_eq!(text.matches(CEMA_LINE).count(), usize::from(cema), "{text}");
            let setup = if role == Active { "active" } else { "passive" };
            assert!(text.contains(&format!("\r\na=setup:{setup}\r\n")), "{text}");
        }
    }

    // M6714-4.2-01 M6714-4.2-02 M6714-4.2-04 M6714-5.2-01 M6714-3-01
    #[test]
    fn our_offer_has_the_attribute_only_if_it_is_asked_for() {
        for path in [OURS, OURS_RELAYED] {
            let text = ours(path, true).to_string();
            assert!(text.contains(&format!("\r\n{CEMA_LINE}")) && text.contains("\r\na=setup:actpass\r\n"), "{text}");
            assert!(!ours(path, false).to_string().contains("msrp-cema"));
        }
    }

    // M6714-4.2-05 M6714-4.2-07 M6714-4.2-08 M6714-4.2-09 M6714-4.2-11 M6714-4.2-12 M6714-4.2-13
    #[test]
    fn an_answer_says_whether_to_connect_by_its_media_line_by_its_path_or_not_at_all() {
        let (anchor, same) = (("IP4 203.0.113.5", 40_000), ("IP4 192.0.2.7", 7001));
        let media = || hop("203.0.113.5", 40_000);
        let relay = Route::Media("msrp://203.0.113.5:40000/r1;tcp".parse().expect("a URI"));
        for (mine, (connection, port), path, attributes, expected) in [
            // With the attribute: where c= and m= say.
            (OURS, anchor, DIRECT, "a=setup:passive\r\na=msrp-cema\r\n", media()),
            (OURS, anchor, RELAYED, "a=setup:passive\r\na=msrp-cema\r\n", relay),
            (OURS, anchor, DIRECT, "a=setup:active\r\na=msrp-cema\r\n", media()),
            // Case 1: the peer connects, but to a middlebox that does not pass messages on.
            (OURS, anchor, DIRECT, "a=setup:active\r\n", Route::Anchored),
            // Case 2: we would connect over a relay of ours.
            (OURS_RELAYED, anchor, DIRECT, "a=setup:passive\r\n", Route::Anchored),
            (OURS_RELAYED, anchor, DIRECT, "", Route::Anchored),
            // Case 3: we would connect to a relay of the peer's.
            (OURS, anchor, RELAYED, "a=setup:passive\r\n", Route::Anchored),
            (OURS, anchor, RELAYED, "", Route::Anchored),
            // A relay and no middlebox: plain RFC 4975.
            (OURS, same, RELAYED, "a=setup:passive\r\n", Route::Path),
            // None of these: where c= and m= say, too.
            (OURS, anchor, DIRECT, "a=setup:passive\r\n", media()),
            (OURS, anchor, DIRECT, "", media()),
            (OURS, same, DIRECT, "", hop("192.0.2.7", 7001)),
        ] {
            let (offered, answered) = (ours(mine, true), theirs(connection, port, path, attributes));
            let mut agreed = read_answer(&offered, &answered).expect("an answer");
            route_answer(&offered, &answered, &mut agreed, &Names::default());
            let stream = agreed[0].as_ref().expect("an accepted stream");
            assert_eq!(stream.route, expected, "{mine} {connection} {path} {attributes}");
            assert_eq!(MsrpUri::print_path(&stream.terms.path), path);
        }
    }

    // M6714-4.2-06
    #[test]
    fn the_offer_made_again_differs_only_in_the_attribute() {
        let first = ours(OURS, true);
        let again = without(&first);
        let expected = first.to_string().replace(CEMA_LINE, "").replace("o=- 8 2", "o=- 8 3");
        assert_eq!(again.to_string(), expected);
        let answered = theirs("IP4 203.0.113.5", 40_000, DIRECT, "a=setup:active\r\n");
        let mut agreed = read_answer(&again, &answered).expect("an answer");
        route_answer(&again, &answered, &mut agreed, &Names::default());
        assert_eq!(agreed[0].as_ref().map(|stream| &stream.route), Some(&Route::Path), "now it is RFC 4975's");
    }
}
