//! Our own certificate: read from files, or made when there are none, with the fingerprints that tell peers of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::signature_hash;
use crate::sdp::{Fingerprint, HashFunction};

/// Why there is no certificate to show, or no authority to trust.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Mint(#[from] rcgen::Error),
    /// Certificate and key cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
}

impl Identity {
    /// From PEM files: the certificate, those that lead to its authority, and the private key.
    pub(super) fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = certificates(cert)?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error, "private key"))?;
        let key = CertifiedKey::from_der(chain, private, provider).map_err(|error| TlsError::File {
            path: key.to_owned(),
            why: format!("not the certificate's key: {error}"),
        })?;
        Ok(Self { key: Arc::new(key) })
    }

    /// A self-signed one for these hosts, which only its fingerprint can vouch for (RFC 4975 §14.4).
    pub(super) fn mint(hosts: Vec<String>, node: &str, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name.push(DnType::CommonName, node);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(vec![certificate.der().clone()], private, provider)?;
        Ok(Self { key: Arc::new(key) })
    }

    fn der(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |end| end.as_ref())
    }

    /// Whether both are the same certificate.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

/// What our descriptions say of these certificates, any of which a peer may be shown. RFC 8122 §5.1: SHA-256, the hash
/// functions of the signatures, and the same ones for every certificate.
pub(super) fn fingerprints(identities: &[&Identity]) -> Vec<Fingerprint> {
    let mut hashes = vec![HashFunction::Sha256];
    for hash in identities.iter().filter_map(|identity| signature_hash(identity.der())) {
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    identities.iter().flat_map(|identity| hashes.iter().map(|hash| Fingerprint::of(identity.der(), *hash))).collect()
}

/// The certificates of a PEM file; there is at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: &pem::Error| unreadable(path, error, "certificate");
    let all = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    if all.is_empty() {
        return Err(unreadable(&pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn unreadable(path: &Path, error: &pem::Error, what: &str) -> TlsError {
    let why = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("no {what} in it"),
        other => format!("no PEM: {other}"),
    };
    TlsError::File { path: path.to_owned(), why }
}
