//! One session description: parsed from a peer's octets, printed as RFC 8866 §9 orders its lines.

use std::fmt;

use sdp_rs::SessionDescription;

use super::address::Address;
use super::error::SdpError;
use super::sanitise::{Sanitised, sanitise};
use crate::model::Mint;

/// A session description, as far as MSRP has a use for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `o=`: who made it, and which edition of which session it is.
    pub origin: Origin,
    /// The session's `c=`.
    pub connection: Option<Address>,
    /// `t=`: start and stop, in seconds since 1900.
    pub times: Vec<(u64, u64)>,
    /// The session's attributes.
    pub attributes: Vec<Attribute>,
    /// The `m=` lines in order. Nothing ever removes one (RFC 3264 §8).
    pub media: Vec<Media>,
}

/// `o=` (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name without spaces, or `-`.
    pub username: String,
    /// Which session.
    pub session_id: u64,
    /// Which edition of it; RFC 3264 §8: one more with every change.
    pub version: u64,
    /// The host that made it.
    pub address: Address,
}

/// What we are in `o=` and `c=` of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSession {
    /// Our address: the one in our MSRP URIs (RFC 4975 §8.1).
    pub address: Address,
    /// Unique per session, below 2^62.
    pub session_id: u64,
    /// RFC 3264 §5: the first is below 2^62.
    pub version: u64,
}

impl LocalSession {
    /// A fresh session.
    pub fn new(address: Address, mint: &mut Mint) -> Self {
        Self { address, session_id: mint.number() >> 2, version: 1 }
    }

    /// The description of this session with these media lines.
    pub(super) fn describe(&self, times: Vec<(u64, u64)>, media: Vec<Media>) -> Description {
        let origin = Origin {
            username: "-".to_owned(),
            session_id: self.session_id,
            version: self.version,
            address: self.address.clone(),
        };
        Description { origin, connection: Some(self.address.clone()), times, attributes: Vec::new(), media }
    }
}

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, if it has one.
    pub value: Option<String>,
}

impl Attribute {
    /// `a=name`.
    pub(super) fn flag(name: &str) -> Self {
        Self { name: name.to_owned(), value: None }
    }

    /// `a=name:value`.
    pub(super) fn valued(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value: Some(value) }
    }
}

/// One `m=` line with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `message`, `audio` ...
    pub kind: String,
    /// Its port; 0 refuses or closes the stream.
    pub port: u16,
    /// How many ports, if the line says so. MSRP has no use for more than one.
    pub ports: Option<u8>,
    /// `TCP/MSRP`, `RTP/AVP` ...
    pub protocol: String,
    /// The formats as written: `*` for MSRP.
    pub formats: String,
    /// Its own `c=`, which overrides the session's.
    pub connection: Option<Address>,
    /// All its attributes, in order.
    pub attributes: Vec<Attribute>,
}

impl Media {
    /// The first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The value of the first attribute of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.value.as_deref()
    }

    /// Whether the port says that this stream is refused or closed.
    pub const fn is_closed(&self) -> bool {
        self.port == 0
    }
}

/// The parser quotes what it could not read; of that, so many characters are enough.
const DETAIL_CHARS: usize = 120;

impl Description {
    /// Reads a peer's description. Line order within a section, line ends and unknown attributes are of no matter.
    ///
    /// # Errors
    /// What is wrong with it. RFC 3261 §13.3.1.3: an offer that cannot be read is answered 488, or 400.
    pub fn parse(octets: &[u8]) -> Result<Self, SdpError> {
        let Sanitised { text, origin, connections } = sanitise(octets)?;
        let parsed = SessionDescription::try_from(text.as_str())
            .map_err(|error| SdpError::Syntax { detail: error.to_string().chars().take(DETAIL_CHARS).collect() })?;
        let number = |text: &str| text.parse().map_err(|_| SdpError::Origin);
        let description = Self {
            origin: Origin {
                username: parsed.origin.username,
                session_id: number(&parsed.origin.sess_id)?,
                version: number(&parsed.origin.sess_version)?,
                address: origin,
            },
            connection: connections.first().cloned().flatten(),
            times: parsed.times.iter().map(|time| (time.active.start, time.active.stop)).collect(),
            attributes: parsed.attributes.iter().map(attribute).collect(),
            media: parsed
                .media_descriptions
                .into_iter()
                .zip(connections.iter().skip(1))
                .map(|(parsed, connection)| media(parsed, connection.clone()))
                .collect(),
        };
        if description.media.len() + 1 != connections.len() {
            return Err(SdpError::Line { number: text.lines().count() }); // the parser stops at what it cannot read
        }
        // RFC 8866 §5.7; a closed stream goes nowhere, so it needs no address.
        let homeless = |media: &Media| media.connection.is_none() && !media.is_closed();
        if description.connection.is_none() && description.media.iter().any(homeless) {
            return Err(SdpError::Missing { letter: 'c' });
        }
        Ok(description)
    }

    /// The text as octets, CRLF after each line.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// This description as the successor of `previous`: same session, and a new version if anything changed
    /// (RFC 3264 §8, 4975 §8.4).
    #[must_use]
    pub fn succeeding(mut self, previous: &Self) -> Self {
        self.origin = previous.origin.clone();
        if self != *previous {
            self.origin.version = self.origin.version.saturating_add(1);
        }
        self
    }
}

fn attribute(parsed: &sdp_rs::lines::Attribute) -> Attribute {
    let line = parsed.to_string();
    let line = line.strip_prefix("a=").unwrap_or(&line);
    // RFC 8866 §9 has no space after the colon, a sample of RFC 4976 has (P15).
    let (name, value) = line.split_once(':').map_or((line, ""), |(name, value)| (name, value.trim_start_matches(' ')));
    Attribute { name: name.to_owned(), value: (!value.is_empty()).then(|| value.to_owned()) }
}

fn media(parsed: sdp_rs::MediaDescription, connection: Option<Address>) -> Media {
    Media {
        kind: parsed.media.media.to_string(),
        port: parsed.media.port,
        ports: parsed.media.num_of_ports,
        protocol: parsed.media.proto.to_string(),
        formats: parsed.media.fmt.trim_end().to_owned(),
        connection,
        attributes: parsed.attributes.iter().map(attribute).collect(),
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { username, session_id, version, address } = &self.origin;
        // RFC 8866 §5.3: s= is never empty.
        write!(f, "v=0\r\no={username} {session_id} {version} {address}\r\ns=-\r\n")?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        for (start, stop) in &self.times {
            write!(f, "t={start} {stop}\r\n")?;
        }
        self.attributes.iter().try_for_each(|attribute| attribute.fmt(f))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {} {}\r\n", self.protocol, self.formats)?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        self.attributes.iter().try_for_each(|attribute| attribute.fmt(f))
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "a={}:{value}\r\n", self.name),
            None => write!(f, "a={}\r\n", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::{SDP_MEDIA, SDP_OCTETS};
    use proptest::prelude::*;
    use std::net::IpAddr;

    const PLAIN: &str = "v=0\r\no=- 71 3 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=sendonly\r\na=accept-types:*\r\n";

    fn parsed(text: &str) -> Description {
        Description::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    // M8866-5-01
    #[test]
    fn what_has_nothing_odd_about_it_is_printed_as_it_was_read() {
        assert_eq!(parsed(PLAIN).to_string(), PLAIN);
    }

    // M8866-5-03 M8866-5-04 M8866-5.3-02 M8866-5.7-02 M8866-5.7-03 M8866-5.8-01 M8866-5.12-01 M8866-5.13-01 M8866-9-01
    #[test]
    fn what_is_harmless_is_tolerated() {
        let odd = "s=\no=dana 7 8 IN IP6 phone.example.net\nv=0\nc=IN IP4 192.0.2.9/127\nb=XX:1\nu=http://x.example/\n\
            k=clear:x\nt=1 2\nt=3 4\nr=7d 1h 0 25h\nz=1 -1h\n\na=foo:bar\na=ptime:soon\nm=audio 0 RTP/AVP 0 8\n\
            a=rtpmap:nonsense\nm=message 9 TCP/MSRP *\na=accept-types: text/plain\ni=a picture\nc=IN IP6 2001:db8::5";
        let read = parsed(odd);
        assert_eq!(read.origin.address, Address::Name("phone.example.net".to_owned()));
        assert_eq!((read.origin.session_id, read.origin.version), (7, 8));
        assert_eq!(read.connection, Some("192.0.2.9".parse().expect("an address")));
        assert_eq!(read.times, [(1, 2), (3, 4)]);
        assert_eq!(read.attributes, [Attribute::valued("foo", "bar".to_owned())]);
        assert_eq!((read.media[0].port, read.media[0].formats.as_str()), (0, "0 8"));
        assert_eq!(read.media[1].value("accept-types"), Some("text/plain"));
        assert_eq!(read.media[1].connection, Some("2001:db8::5".parse().expect("an address")));
        assert!(read.to_string().contains("\r\ns=-\r\n"));
        assert!(!read.to_string().contains("\r\nk="));
        assert!(read.to_string().contains("\r\nc=IN IP6 2001:db8::5\r\n"));
    }

    // M8866-5-02 M8866-5.2-01 M8866-5.3-01 M8866-5.7-01 M8866-5-05
    #[test]
    fn what_is_no_description_is_refused_with_its_reason() {
        let missing = |letter| SdpError::Missing { letter };
        let many = PLAIN.to_owned() + &"m=message 0 TCP/MSRP *\r\n".repeat(SDP_MEDIA);
        for (text, error) in [
            (String::new(), missing('v')),
            (PLAIN.replace("s=-\r\n", ""), missing('s')),
            (PLAIN.replace("t=0 0\r\n", ""), missing('t')),
            (PLAIN.replace("c=IN IP4 192.0.2.7\r\n", ""), missing('c')),
            (PLAIN.replace("s=-", "s=-\r\ns=-"), SdpError::Repeated { letter: 's' }),
            (PLAIN.replace("s=-", "q=1"), SdpError::UnknownType { letter: 'q' }),
            (PLAIN.replace("o=- 71", "o=71"), SdpError::Origin),
            (PLAIN.replace("71 3", "71 three"), SdpError::Origin),
            (PLAIN.replace("71 3", "71 99999999999999999999"), SdpError::Origin),
            (PLAIN.replace("o=- 71 3 IN IP4 192.0.2.7", "o=- 71 3 IN IP4 a/b"), SdpError::Address),
            (PLAIN.replace("s=-", "s=-\0"), SdpError::Line { number: 3 }),
            (PLAIN.replace("a=sendonly", "sendonly"), SdpError::Line { number: 7 }),
            (PLAIN.replace("a=sendonly", "s=again"), SdpError::Line { number: 7 }),
            (PLAIN.replace("TCP/MSRP *", "TCP/MSRP"), SdpError::Line { number: 6 }),
            (PLAIN.replace("TCP/MSRP *", "TCP/MSRP "), SdpError::Line { number: 6 }),
            (many, SdpError::TooManyMedia { limit: SDP_MEDIA }),
            ("a".repeat(SDP_OCTETS + 1), SdpError::TooLarge { limit: SDP_OCTETS }),
        ] {
            assert_eq!(Description::parse(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(Description::parse(b"v=\xFF"), Err(SdpError::NotUtf8));
        for port in ["70000", "-1", "x", "2855/x"] {
            let text = PLAIN.replace("2855", port);
            assert!(matches!(Description::parse(text.as_bytes()), Err(SdpError::Syntax { .. })), "{text}");
        }
    }

    // M3264-5-02 M3264-9-01
    #[test]
    fn each_session_has_a_number_of_its_own_that_fits() {
        let mut mint = Mint::from_number(1);
        let ids: Vec<u64> = (0..64).map(|_| LocalSession::new(Address::NONE, &mut mint).session_id).collect();
        assert!(ids.iter().all(|id| *id < 1 << 62));
        assert!(ids.iter().enumerate().all(|(index, id)| !ids[..index].contains(id)));
    }

    // M8866-5.7-02
    #[test]
    fn every_media_line_may_have_its_own_address() {
        let line = "m=message 2855 TCP/MSRP *\r\nc=IN IP4 198.51.100.4\r\na=sendonly\r\n";
        let text = PLAIN.to_owned() + line + line;
        assert_eq!(parsed(&text).to_string(), text);
    }

    #[test]
    fn repeat_times_beyond_every_calendar_are_passed_over() {
        for line in ["r=604800 3600 0922337203685477580", "r=9223372036854775807d 1 1", "z=1 9223372036854775807h"] {
            let text = PLAIN.replace("t=0 0\r\n", &format!("t=0 0\r\n{line}\r\n"));
            assert_eq!(parsed(&text), parsed(PLAIN));
        }
    }

    // M3264-8-02 M3264-8-03 M4975-8.4-03
    #[test]
    fn a_successor_has_a_new_version_only_if_something_changed() {
        let first = parsed(PLAIN);
        let same = parsed(&PLAIN.replace("o=- 71 3", "o=- 5 6")).succeeding(&first);
        assert_eq!(same, first);
        let changed = parsed(&PLAIN.replace("sendonly", "inactive")).succeeding(&first);
        assert_eq!((changed.origin.session_id, changed.origin.version), (71, 4));
    }

    /// Lines that are right, that are almost right, and those sdp-rs cannot stand.
    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("m=message 2855 TCP/MSRP *".to_owned()),
            Just("m=audio 4000 RTP/AVP 0".to_owned()),
            Just("c=IN IP4 192.0.2.1".to_owned()),
            Just("a=file-selector:name:\"x y\" size:3".to_owned()),
            "t=[0-9]{1,20} [0-9]{1,20}",
            "[rz]=[0-9]{1,25}[smhd]? -?[0-9]{1,25}[smhd]?( [0-9]{1,25}[smhd]?)?",
            "k=(clear|base64|uri|prompt|x)(:[a-z]{0,4})?",
            "a=(ptime|rtpmap|orient|type|framerate|quality|sendrecv|setup|path|x)(:\\PC{0,9})?",
            "[a-z]=\\PC{0,20}",
            "\\PC{0,10}",
        ]
    }

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![
            any::<IpAddr>().prop_map(Address::Ip),
            "[a-z]{1,8}(\\.[a-z0-9-]{1,8}){1,2}\\.org".prop_map(Address::Name),
        ]
    }

    fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
        let attribute = ("x-[a-z-]{1,9}", prop::option::of("[!-~é][ -~é]{0,20}"))
            .prop_map(|(name, value)| Attribute { name, value });
        prop::collection::vec(attribute, 0..4)
    }

    fn media_lines() -> impl Strategy<Value = Vec<Media>> {
        let fields = ("[a-z]{1,9}", any::<u16>(), any::<Option<u8>>(), "[A-Z]{1,4}/[A-Z]{1,4}", "[*0-9]( [0-9]){0,2}");
        let media = (fields, prop::option::of(address()), attributes()).prop_map(|(fields, connection, attributes)| {
            let (kind, port, ports, protocol, formats) = fields;
            Media { kind, port, ports, protocol, formats, connection, attributes }
        });
        prop::collection::vec(media, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_back(
            numbers: (u64, u64),
            addresses in (address(), address()),
            times in prop::collection::vec(any::<(u64, u64)>(), 1..3),
            attributes in attributes(),
            media in media_lines(),
        ) {
            let (session_id, version) = numbers;
            let origin = Origin { username: "-".to_owned(), session_id, version, address: addresses.0 };
            let built = Description { origin, connection: Some(addresses.1), times, attributes, media };
            prop_assert_eq!(Description::parse(&built.to_bytes()), Ok(built));
        }

        #[test]
        fn no_description_makes_the_parser_panic_and_what_is_read_is_printed_alike(
            lines in prop::collection::vec(line(), 0..12),
            at in 0..9usize,
            ending in prop_oneof![Just("\r\n"), Just("\n")],
        ) {
            let mut text: Vec<String> = PLAIN.lines().map(str::to_owned).collect();
            text.splice(at.min(text.len())..at.min(text.len()), lines);
            if let Ok(read) = Description::parse(text.join(ending).as_bytes()) {
                prop_assert_eq!(Description::parse(&read.to_bytes()), Ok(read));
            }
        }

        #[test]
        fn no_changed_octet_makes_the_parser_panic(at in 0..PLAIN.len(), octet: u8, cut in 0..200usize) {
            let mut octets = PLAIN.as_bytes().to_vec();
            octets[at] = octet;
            octets.truncate(cut.max(at + 1));
            let _ = Description::parse(&octets);
        }
    }
}
