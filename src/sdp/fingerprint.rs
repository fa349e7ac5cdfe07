//! `a=fingerprint` (RFC 8122 §5): which certificate the other side of a TLS connection has to show.

use std::fmt;
use std::str::FromStr;

use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use super::description::{Attribute, Media};

/// The attribute's name.
const FINGERPRINT: &str = "fingerprint";

/// Fingerprints read of one media line: a certificate for each transport and a hash of each is far less.
const FINGERPRINTS: usize = 32;

/// The hash functions of RFC 8122 §5 that we can compute. MD2 and MD5 are not among them: RFC 8122 §5 forbids their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
    /// `sha-1`, of which collisions are known.
    Sha1,
    /// `sha-224`
    Sha224,
    /// `sha-256`, which every endpoint has.
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl HashFunction {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Length of its values in octets.
    const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// Its name, whatever its case (RFC 8122 §5: a token of SDP's ABNF).
impl FromStr for HashFunction {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name)).ok_or(())
    }
}

/// One hash of one certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Its function; `None` for one that nobody may rely on, such as `md5`, or that nobody knows.
    pub hash: Option<HashFunction>,
    /// The value, as long as the function's values are.
    pub octets: Vec<u8>,
}

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8], hash: HashFunction) -> Self {
        let octets = match hash {
            HashFunction::Sha1 => Sha1::digest(certificate).to_vec(),
            HashFunction::Sha224 => Sha224::digest(certificate).to_vec(),
            HashFunction::Sha256 => Sha256::digest(certificate).to_vec(),
            HashFunction::Sha384 => Sha384::digest(certificate).to_vec(),
            HashFunction::Sha512 => Sha512::digest(certificate).to_vec(),
        };
        Self { hash: Some(hash), octets }
    }

    /// Reads the attribute's value; `None` if it has not the form of one.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, hex) = value.split_once(' ')?;
        let hash = name.parse().ok();
        let octet = |pair: &str| {
            let digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let octets: Vec<u8> = hex.trim_end_matches(' ').split(':').map(octet).collect::<Option<_>>()?;
        let whole = hash.is_none_or(|hash: HashFunction| hash.octets() == octets.len());
        whole.then_some(Self { hash, octets })
    }

    /// Those of a media line; the session's are its default (RFC 8122 §5). `None` if one is malformed: what it was to
    /// forbid cannot be known.
    pub(super) fn read(media: &Media, session: &[Attribute]) -> Option<Vec<Self>> {
        let own = |attributes: &[Attribute]| {
            let named = attributes.iter().filter(|attribute| attribute.name.eq_ignore_ascii_case(FINGERPRINT));
            let parse = |attribute: &Attribute| Self::parse(attribute.value.as_deref().unwrap_or_default());
            named.take(FINGERPRINTS + 1).map(parse).collect::<Option<Vec<_>>>()
        };
        let of_media = own(&media.attributes)?;
        let read = if of_media.is_empty() { own(session)? } else { of_media };
        (read.len() <= FINGERPRINTS).then_some(read)
    }

    pub(super) fn print(&self) -> Option<Attribute> {
        self.hash.map(|_| Attribute::valued(FINGERPRINT, self.to_string()))
    }
}

impl Media {
    /// Its own fingerprints, as far as they are well-formed.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        Fingerprint::read(self, &[]).unwrap_or_default()
    }
}

/// `sha-256 AB:CD:...`, in upper case as RFC 8122 §5 has it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.map_or("unknown", HashFunction::name))?;
        for (index, octet) in self.octets.iter().enumerate() {
            write!(f, "{}{octet:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Description;
    use proptest::prelude::*;

    fn read(session: &str, media: &str) -> Option<Vec<Fingerprint>> {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{session}\
             m=message 2855 TCP/TLS/MSRP *\r\n{media}"
        );
        let description = Description::parse(text.as_bytes()).expect("a description");
        Fingerprint::read(&description.media[0], &description.attributes)
    }

    fn line(certificate: &[u8], hash: HashFunction) -> String {
        format!("a=fingerprint:{}\r\n", Fingerprint::of(certificate, hash))
    }

    // M8122-5-03
    #[test]
    fn a_fingerprint_is_upper_case_with_colons_and_read_whatever_its_case() {
        let ours = Fingerprint::of(b"abc", HashFunction::Sha1);
        assert_eq!(ours.to_string(), "sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D");
        assert_eq!(Fingerprint::parse(&ours.to_string().replace("sha", "SHA").to_lowercase()), Some(ours.clone()));
        assert_eq!(Fingerprint::parse(&ours.to_string().replace("sha", "SHA")), Some(ours));
    }

    // M8122-5-03
    #[test]
    fn the_sessions_fingerprints_are_for_media_lines_without_their_own() {
        let (one, two) = (line(b"1", HashFunction::Sha256), line(b"2", HashFunction::Sha256));
        assert_eq!(read(&one, "").map(|all| all.len()), Some(1));
        assert_eq!(read(&one, &two), Some(vec![Fingerprint::of(b"2", HashFunction::Sha256)]));
        assert_eq!(read(&one, &(two + &one)).map(|all| all.len()), Some(2));
        assert_eq!(read("", ""), Some(Vec::new()));
    }

    // M8122-5-02
    #[test]
    fn md5_and_md2_are_read_as_nothing_to_rely_on_and_never_printed() {
        for name in ["md5", "MD2", "whirlpool"] {
            let read = Fingerprint::parse(&format!("{name} 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"));
            let read = read.expect("the form is right");
            assert_eq!((read.hash, read.print()), (None, None));
        }
    }

    #[test]
    fn one_malformed_fingerprint_makes_all_of_them_worthless() {
        let good = line(b"1", HashFunction::Sha256);
        for bad in ["sha-256", "sha-256 ", "sha-256 A:B", "sha-256 AABB", "sha-256 AA:+B", "sha-1 AA:BB", "sha-1 é:é"]
        {
            assert_eq!(read("", &format!("{good}a=fingerprint:{bad}\r\n")), None, "{bad}");
        }
        assert_eq!(read("", &good.repeat(FINGERPRINTS + 1)), None);
        assert!(read("", &good.repeat(FINGERPRINTS)).is_some());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(octets in prop::collection::vec(any::<u8>(), 0..64), which in 0usize..5) {
            let made = Fingerprint::of(&octets, HashFunction::ALL[which]);
            prop_assert_eq!(Fingerprint::parse(&made.to_string()), Some(made));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "(sha-256 )?\\PC{0,40}") {
            let _ = Fingerprint::parse(&text);
        }
    }
}
