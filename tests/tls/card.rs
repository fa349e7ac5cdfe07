//! Certificates for phones, and fingerprints of them reckoned without the server's code.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha1::Digest as _;

/// A certificate and its key.
pub(crate) struct Card {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pem: (String, String),
}

/// Who signs other people's certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Card {
    /// One that nobody vouches for.
    pub(crate) fn own(host: &str) -> Self {
        let params = CertificateParams::new([host.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self::new(&certificate, &key)
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            pem: (certificate.pem(), key.serialize_pem()),
        }
    }

    /// The line that tells of it.
    pub(crate) fn line(&self) -> String {
        sha256_line(&self.certificate)
    }

    /// Writes both files, which replaces what is there.
    pub(crate) fn write(&self, dir: &Path) -> (PathBuf, PathBuf) {
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert, &self.pem.0).expect("a file");
        std::fs::write(&key, &self.pem.1).expect("a file");
        (cert, key)
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// A certificate for this host, which is good up to that year.
    pub(crate) fn certify(&self, host: &str, last_year: i32) -> Card {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Card::new(&certificate, &key)
    }

    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("authority.pem");
        std::fs::write(&path, self.issuer.pem()).expect("a file");
        path
    }
}

/// `a=fingerprint` by SHA-256.
pub(crate) fn sha256_line(certificate: &[u8]) -> String {
    format!("a=fingerprint:SHA-256 {}", colons(&sha2::Sha256::digest(certificate)))
}

/// `a=fingerprint` by SHA-1.
pub(crate) fn sha1_line(certificate: &[u8]) -> String {
    format!("a=fingerprint:sha-1 {}", colons(&sha1::Sha1::digest(certificate)))
}

fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}
