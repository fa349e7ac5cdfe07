//! What is known of a file before and after it has arrived.

use std::fmt;

/// The algorithms of a file selector's `hash` (RFC 5547 §6), as far as we can check them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// `sha-1`, the one RFC 5547 requires.
    Sha1,
    /// `sha-256`, what the spool itself relies on.
    Sha256,
}

impl DigestAlgorithm {
    /// The name of RFC 4572's hash-func registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
        }
    }

    /// Length of a digest in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The algorithm of this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// A digest with its algorithm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    octets: Vec<u8>,
}

impl Digest {
    /// A SHA-1 digest.
    pub fn sha1(octets: [u8; 20]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha1, octets: octets.to_vec() }
    }

    /// A SHA-256 digest.
    pub fn sha256(octets: [u8; 32]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha256, octets: octets.to_vec() }
    }

    /// Octets of the right length for the algorithm, or `None`.
    pub fn new(algorithm: DigestAlgorithm, octets: &[u8]) -> Option<Self> {
        (octets.len() == algorithm.octets()).then(|| Self { algorithm, octets: octets.to_vec() })
    }

    /// Parses hexadecimal, with or without colons between the octets.
    pub fn from_hex(algorithm: DigestAlgorithm, hex: &str) -> Option<Self> {
        let digits: Vec<u8> = hex
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| (byte as char).to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()?;
        let octets: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect();
        digits.len().is_multiple_of(2).then(|| Self::new(algorithm, &octets))?
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Lower-case hexadecimal without separators, as the spool and the HTTP API write it.
    pub fn hex(&self) -> String {
        self.octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Upper-case hexadecimal with colons, as SDP writes it (RFC 5547 §6).
    pub fn colons(&self) -> String {
        self.octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

/// What a sender declares of a file, and what we hand on when we send it (RFC 5547 §6). All of it is the peer's word
/// until the spool has sealed the octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// The file's own name: data, never a path.
    pub name: Option<String>,
    /// Size of the file in octets, without any wrapper.
    pub size: Option<u64>,
    /// MIME type with parameters.
    pub media_type: Option<String>,
    /// The digests declared for it.
    pub digests: Vec<Digest>,
    /// `a=file-disposition`: `render` or `attachment`, say.
    pub disposition: Option<String>,
    /// `a=file-date` creation, as the peer wrote it (RFC 5322 date).
    pub created: Option<String>,
    /// `a=file-date` modification.
    pub modified: Option<String>,
    /// `a=file-date` last reading.
    pub read: Option<String>,
    /// `a=file-transfer-id`.
    pub transfer_id: Option<String>,
}

impl FileInfo {
    /// The declared digest of this algorithm.
    pub fn digest(&self, algorithm: DigestAlgorithm) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_goes_both_ways_and_odd_or_short_digits_are_refused() {
        let digest = Digest::sha1([0xAB; 20]);
        assert_eq!(Digest::from_hex(DigestAlgorithm::Sha1, &digest.colons()), Some(digest.clone()));
        assert_eq!(Digest::from_hex(DigestAlgorithm::Sha1, &digest.hex()), Some(digest.clone()));
        for bad in ["", "A", &digest.hex()[1..], &digest.hex()[2..], "zz"] {
            assert_eq!(Digest::from_hex(DigestAlgorithm::Sha1, bad), None, "{bad}");
        }
    }
}
