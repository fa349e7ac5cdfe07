//! The attributes of one MSRP stream (RFC 4975 §8) and who connects to whom (RFC 6135 §4.2).

use super::description::{Attribute, Media};
use super::fingerprint::Fingerprint;
use crate::model::media::{accepts, bare};
use crate::msrp::{Carrier, MsrpUri};

/// Which way content flows, from the side that says so (RFC 8866 §6.7). REPORTs and empty SENDs flow both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The speaker sends.
    SendOnly,
    /// The speaker receives.
    RecvOnly,
    /// Neither way, for now.
    Inactive,
}

impl Direction {
    /// The direction that sends and receives as said.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the speaker may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the speaker may receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What is left of our wish when the peer says `peer` (RFC 3264 §6.1).
    #[must_use]
    pub const fn facing(self, peer: Self) -> Self {
        Self::new(self.sends() && peer.receives(), self.receives() && peer.sends())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The first direction among the attributes.
    fn find(attributes: &[Attribute]) -> Option<Self> {
        const ALL: [Direction; 4] =
            [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        attributes
            .iter()
            .find_map(|attribute| ALL.into_iter().find(|way| attribute.name.eq_ignore_ascii_case(way.name())))
    }

    /// The direction of a media line; the session's is its default, and `sendrecv` the default of that.
    pub fn read(media: &[Attribute], session: &[Attribute]) -> Self {
        Self::find(media).or_else(|| Self::find(session)).unwrap_or(Self::SendRecv)
    }
}

/// `a=setup` (RFC 4145 §4): who will open the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The speaker will.
    Active,
    /// The other side shall.
    Passive,
    /// Either may.
    ActPass,
}

impl Setup {
    /// The word in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }

    /// A media line's `a=setup`. RFC 6135 §4.2.1: `holdconn` is ignored as if the attribute were not there.
    pub fn read(media: &Media) -> Option<Self> {
        let value = media.value("setup")?;
        [Self::Active, Self::Passive, Self::ActPass].into_iter().find(|setup| setup.name().eq_ignore_ascii_case(value))
    }
}

/// What we do about the connection of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We connect to the first URI of the peer's path.
    Active,
    /// The peer connects to us.
    Passive,
}

/// The wrapper that every endpoint has to understand (RFC 4975 §13).
const CPIM: &str = "message/cpim";

/// How a file goes to a peer (RFC 4975 §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// The message is the file.
    Bare,
    /// The message is a `message/cpim` with the file in it.
    Wrapped,
}

/// How the active side finds the passive one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By the first URI of its path (RFC 4975 §5.4): CEMA has no say.
    #[default]
    Path,
    /// By its `c=` and `m=` (RFC 6714 §4.2, §4.3), here as a URI. To-Path and From-Path stay those of the paths.
    Media(MsrpUri),
    /// Not at all: a middlebox has changed `c=` and `m=`, and only an offer without CEMA makes it pass messages on.
    Anchored,
}

/// What one side says of itself in an MSRP media line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// `a=path`: the session is the last URI, the connection goes to the first.
    pub path: Vec<MsrpUri>,
    /// `a=accept-types`: what may be the content of a message.
    pub accept_types: Vec<String>,
    /// `a=accept-wrapped-types`: what may be so only inside of a wrapper.
    pub accept_wrapped_types: Vec<String>,
    /// `a=max-size`: octets of a whole message, wrapper and all.
    pub max_size: Option<u64>,
    /// `a=msrp-cema`: the connection may go where `c=` and `m=` say (RFC 6714).
    pub cema: bool,
    /// `a=fingerprint`: of the certificates it may show (RFC 8122 §5). Nothing without TLS.
    pub fingerprints: Vec<Fingerprint>,
}

impl Terms {
    /// Reads them, but for the fingerprints; `None` if there is no usable path. RFC 4975 §8.2: each of its URIs needs a
    /// port.
    pub(super) fn read(media: &Media) -> Option<Self> {
        let path = MsrpUri::parse_path(media.value("path")?).ok()?;
        let usable = path.iter().all(|uri| uri.port.is_some())
            && path.last()?.session_id.is_some()
            && match Carrier::of(path.first()?) {
                // RFC 7977 §5.2.2: a WebSocket client connects to us itself, or a relay of its stands first.
                Some(carrier) => !carrier.is_websocket() || path.len() == 1,
                None => false,
            };
        usable.then(|| Self {
            path,
            accept_types: types(media.value("accept-types")),
            accept_wrapped_types: types(media.value("accept-wrapped-types")),
            max_size: media.value("max-size").and_then(|size| size.parse().ok()),
            cema: media.attribute(CEMA).is_some(),
            fingerprints: Vec::new(),
        })
    }

    /// Their attributes, without the path of a capability answer.
    pub(super) fn print(&self) -> Vec<Attribute> {
        let mut attributes = vec![Attribute::valued("accept-types", self.accept_types.join(" "))];
        if !self.accept_wrapped_types.is_empty() {
            attributes.push(Attribute::valued("accept-wrapped-types", self.accept_wrapped_types.join(" ")));
        }
        if let Some(size) = self.max_size {
            attributes.push(Attribute::valued("max-size", size.to_string()));
        }
        if !self.path.is_empty() {
            attributes.push(Attribute::valued("path", MsrpUri::print_path(&self.path)));
        }
        if self.cema {
            attributes.push(Attribute::flag(CEMA));
        }
        attributes.extend(self.fingerprints.iter().filter_map(Fingerprint::print));
        attributes
    }

    /// Whether the endpoint is a WebSocket client (RFC 7977 §5.2.2).
    pub fn is_websocket(&self) -> bool {
        self.path.last().and_then(Carrier::of).is_some_and(Carrier::is_websocket)
    }

    /// Whether the first hop of the path is TLS: the transport is that of the leftmost URI (RFC 4975 §5.4).
    pub fn is_secure(&self) -> bool {
        self.path.first().is_some_and(|hop| hop.secure)
    }

    /// The protocol of their media line (RFC 4975 §8.1).
    pub(super) fn protocol(&self) -> &'static str {
        if self.is_secure() { TLS } else { TCP }
    }

    /// Whether this side takes a message of this type (RFC 4975 §8.6).
    pub fn accept(&self, media_type: &str) -> bool {
        accepts(&self.accept_types, media_type)
    }

    /// Whether this side takes this type inside of a wrapper.
    pub fn accept_wrapped(&self, media_type: &str) -> bool {
        self.accept(media_type) || accepts(&self.accept_wrapped_types, media_type)
    }

    /// How a file of this type may be sent to this side, if at all.
    pub fn carriage(&self, media_type: &str) -> Option<Carriage> {
        let wrapped = self.accept(CPIM) && self.accept_wrapped(media_type);
        // RFC 4975 §13: whoever names the wrapper first wants instant messages in it. Files are none.
        let first = self.accept_types.first().is_some_and(|first| bare(first).eq_ignore_ascii_case(CPIM));
        let instant = media_type.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
        match self.accept(media_type) {
            true if !(wrapped && first && instant) => Some(Carriage::Bare),
            _ => wrapped.then_some(Carriage::Wrapped),
        }
    }

    /// Whether this side takes a message of so many octets.
    pub fn accept_size(&self, octets: u64) -> bool {
        self.max_size.is_none_or(|most| octets <= most)
    }
}

/// The entries of a format-list. A quoted parameter may hold spaces.
fn types(list: Option<&str>) -> Vec<String> {
    let mut quoted = false;
    let words = list.unwrap_or_default().split(|c| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    });
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// MSRP over TCP, as an `m=` line names it.
pub(super) const TCP: &str = "TCP/MSRP";

/// MSRP over TLS.
pub(super) const TLS: &str = "TCP/TLS/MSRP";

/// One media line for MSRP.
pub(super) fn media_line(terms: &Terms, direction: Direction, setup: Setup) -> Media {
    let mut attributes = vec![Attribute::flag(direction.name())];
    attributes.extend(terms.print());
    attributes.push(Attribute::valued("setup", setup.name().to_owned()));
    // RFC 6135 §4.2.2, 4145 §4.1: who connects has no port to name, and 9 is the discard port.
    let own = terms.path.last().and_then(|uri| uri.port).unwrap_or(DISCARD_PORT);
    let port = if setup == Setup::Active { DISCARD_PORT } else { own };
    Media {
        kind: "message".to_owned(),
        port,
        ports: None,
        protocol: terms.protocol().to_owned(),
        formats: "*".to_owned(),
        connection: None,
        attributes,
    }
}

/// What who connects names as its port (RFC 4145 §4.1).
pub(super) const DISCARD_PORT: u16 = 9;

/// RFC 6714 §5.2: an attribute without a value.
pub(super) const CEMA: &str = "msrp-cema";

#[cfg(test)]
mod tests {
    use super::*;

    fn media(attributes: &[(&str, &str)]) -> Media {
        let mut media = media_line(&Terms::default(), Direction::SendRecv, Setup::ActPass);
        media.attributes =
            attributes.iter().map(|(name, value)| Attribute::valued(name, (*value).to_owned())).collect();
        media
    }

    // M3264-6.1-02 M3264-6.1-03
    #[test]
    fn a_direction_leaves_of_our_wish_what_the_peer_allows() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        for (ours, peer, rest) in [
            (SendRecv, SendRecv, SendRecv),
            (SendRecv, SendOnly, RecvOnly),
            (SendRecv, RecvOnly, SendOnly),
            (SendRecv, Inactive, Inactive),
            (RecvOnly, SendRecv, RecvOnly),
            (RecvOnly, RecvOnly, Inactive),
            (SendOnly, SendRecv, SendOnly),
        ] {
            assert_eq!(ours.facing(peer), rest, "{ours:?} facing {peer:?}");
        }
    }

    // M8866-6.7-01 M8866-6.7-02 M8866-6.7-03
    #[test]
    fn the_first_direction_counts_and_the_sessions_is_the_default() {
        let (send, receive) = (Attribute::flag("sendonly"), Attribute::flag("recvonly"));
        assert_eq!(Direction::read(&[], &[]), Direction::SendRecv);
        assert_eq!(Direction::read(&[], std::slice::from_ref(&send)), Direction::SendOnly);
        assert_eq!(Direction::read(&[receive.clone(), send.clone()], &[send]), Direction::RecvOnly);
    }

    // M6135-4.2.1-04
    #[test]
    fn holdconn_is_as_good_as_no_setup() {
        assert_eq!(Setup::read(&media(&[("setup", "Passive")])), Some(Setup::Passive));
        assert_eq!(Setup::read(&media(&[("setup", "holdconn")])), None);
        assert_eq!(Setup::read(&media(&[])), None);
    }

    // M4975-8.2-01 M4975-8.2-02 M4975-8.3-01 M7977-5.2.2-02
    #[test]
    fn a_path_is_used_only_if_its_uris_can_be() {
        for (path, usable) in [
            ("msrp://192.0.2.7:2855/s1;tcp", true),
            ("msrp://relay.example.org:2855/r1;tcp msrp://192.0.2.7:2855/s1;tcp", true),
            ("msrp://relay.example.org:2855/r1;tcp msrp://x.invalid:80/s1;ws", true),
            ("msrp://host.example.org/s1;tcp", false),
            ("msrp://192.0.2.7:2855;tcp", false),
            ("msrp://x.invalid:80/s1;ws", true),
            ("msrp://x.invalid:80/s1;ws msrp://y.invalid:80/s1;ws", false),
            ("msrp://192.0.2.7:2855/s1;sctp", false),
            ("msrp://relay.example.org:2855/r1;tcp msrp://x.invalid:80/s1;sctp", true),
            ("msrps://192.0.2.7:2855/s1;tcp", true),
            ("sip:dana@example.org", false),
            ("", false),
        ] {
            assert_eq!(Terms::read(&media(&[("path", path)])).is_some(), usable, "{path}");
        }
    }

    // M4975-8.6-08 M4975-8.6-09 M4975-8.6-11 M4975-8.6-12
    #[test]
    fn a_type_is_accepted_whatever_its_case_and_parameters() {
        let media = media(&[
            ("path", "msrp://192.0.2.7:2855/s1;tcp"),
            ("accept-types", "message/CPIM text/plain;x=\"a b\" image/*"),
            ("accept-wrapped-types", "*"),
            ("max-size", "1000"),
        ]);
        let terms = Terms::read(&media).expect("usable terms");
        assert_eq!(terms.accept_types, ["message/CPIM", "text/plain;x=\"a b\"", "image/*"]);
        for accepted in ["message/cpim", "Text/Plain; charset=utf-8", "image/png"] {
            assert!(terms.accept(accepted), "{accepted}");
        }
        for refused in ["video/mp4", "imagex/png", "text/plainer", ""] {
            assert!(!terms.accept(refused), "{refused}");
            assert!(terms.accept_wrapped(refused), "{refused}");
        }
        assert!(terms.accept_size(1000) && !terms.accept_size(1001));
    }

    // M4975-8.6-05 M4975-8.6-08 M4975-8.6-09 M4975-13-04
    #[test]
    fn a_file_goes_bare_where_it_may_and_wrapped_where_it_must() {
        use Carriage::{Bare, Wrapped};
        for (types, wrapped, media_type, carriage) in [
            ("*", "", "audio/wav", Some(Bare)),
            ("* message/cpim", "*", "text/plain", Some(Bare)),
            ("audio/* Message/CPIM", "", "Audio/WAV", Some(Bare)),
            ("message/cpim audio/*", "", "audio/wav", Some(Bare)),
            ("message/CPIM text/plain", "", "Text/Plain; charset=utf-8", Some(Wrapped)),
            ("message/cpim", "*", "audio/wav", Some(Wrapped)),
            ("text/plain message/cpim", "audio/*", "audio/wav", Some(Wrapped)),
            ("message/cpim", "text/plain", "audio/wav", None),
            ("message/cpim", "", "audio/wav", None),
            ("text/plain", "audio/wav", "audio/wav", None),
        ] {
            let [accept_types, accept_wrapped_types] = [types, wrapped].map(|list| super::types(Some(list)));
            let terms = Terms { accept_types, accept_wrapped_types, ..Terms::default() };
            assert_eq!(terms.carriage(media_type), carriage, "{types} | {wrapped} | {media_type}");
        }
    }
}
