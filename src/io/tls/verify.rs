//! The two places where rustls asks us about a certificate.
//!
//! Whoever holds the key is always checked by its signature. Who that is is decided here when we connect, and when the
//! session is known when somebody connects to us: a certificate alone does not say what it is for.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::certificate::hosts;
use crate::engine::{Demand, Distrust, PeerCertificate};
use crate::sdp::{Fingerprint, HashFunction};

/// Authorities and algorithms.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) provider: Arc<CryptoProvider>,
    /// Who may vouch for peers; `None` asks nobody.
    pub(super) roots: Option<Arc<RootCertStore>>,
}

impl Judge {
    /// A peer's certificate chain as plain data.
    pub(super) fn read(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<PeerCertificate> {
        let (end, others) = chain.split_first()?;
        Some(PeerCertificate {
            fingerprints: HashFunction::ALL.map(|hash| Fingerprint::of(end, hash)).to_vec(),
            hosts: hosts(end),
            vouched: self.vouch(end, others, now),
        })
    }

    /// RFC 4975 §5.4: signed by an acceptable authority, and valid today. A certificate for servers does for the side
    /// that connects, too: which side that is depends on NATs, and what counts is the host's name.
    fn vouch(&self, end: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), String> {
        let Some(roots) = self.roots.as_ref().filter(|roots| !roots.is_empty()) else {
            return Err("no authority is known here".to_owned());
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let as_server = ParsedCertificate::try_from(end)
            .and_then(|end| verify_server_cert_signed_by_trust_anchor(&end, roots, others, now, algorithms));
        let Err(why) = as_server else { return Ok(()) };
        let client = WebPkiClientVerifier::builder_with_provider(roots.clone(), self.provider.clone()).build();
        let as_client = client.is_ok_and(|client| client.verify_client_cert(end, others, now).is_ok());
        if as_client { Ok(()) } else { Err(why.to_string()) }
    }

    fn signed12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn signed13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// RFC 8122 §6.2: we ask for a certificate, and where it is mandatory there is no connection without one. Whose it has to
/// be shows with the first request.
#[derive(Debug)]
pub(super) struct Anybody {
    pub(super) judge: Judge,
    pub(super) mandatory: bool,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.signed12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.signed13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.schemes()
    }
}

/// Who connects knows whom it wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) judge: Judge,
    pub(super) demand: Demand,
    /// Why the peer is not the one, in words that rustls has no place for.
    pub(super) distrust: Mutex<Option<Distrust>>,
}

impl Wanted {
    /// Why the handshake failed, if it was for the certificate.
    pub(super) fn why(&self) -> Option<Distrust> {
        self.distrust.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for Wanted {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> = std::iter::once(end).chain(others).cloned().collect();
        let Err(why) = self.demand.met_by(self.judge.read(&chain, now).as_ref()) else {
            return Ok(ServerCertVerified::assertion());
        };
        *self.distrust.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        // RFC 8122 §6.2: the alert is bad_certificate; of rustls' errors this is one that says so.
        Err(CertificateError::NotValidForName.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.signed12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.signed13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.schemes()
    }
}
