//! TLS as a phone speaks it: either role, either version, with or without a certificate.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use super::card::Card;
use super::support::msrp::Stream;
use super::support::{PATIENCE, eventually};

/// A phone that takes whatever certificate it is shown, and lets the test look at it.
#[derive(Debug)]
struct Trusting;

/// A connection whose handshake is done, and what was seen in it.
pub(crate) struct Shaken {
    pub(crate) stream: Stream,
    /// The server's certificate.
    pub(crate) shown: Vec<u8>,
    /// The name the server asked for, if it connected.
    pub(crate) name: Option<String>,
}

/// Connects to the server. With TLS 1.3 its verdict on our certificate comes only with its next octets.
pub(crate) fn connect(
    server: SocketAddr,
    card: Option<&Card>,
    version: &'static SupportedProtocolVersion,
) -> io::Result<Shaken> {
    let (tcp, tls) = shake(server, card, version)?;
    let shown = tls.conn.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
    Ok(Shaken { stream: Stream::over(tcp, tls), shown, name: None })
}

/// A connection to the server whose handshake is done, whatever it is for.
pub(crate) fn shake(
    server: SocketAddr,
    card: Option<&Card>,
    version: &'static SupportedProtocolVersion,
) -> io::Result<(TcpStream, StreamOwned<ClientConnection, TcpStream>)> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[version]).expect("a version");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting));
    let config = match card {
        Some(card) => {
            builder.with_client_auth_cert(vec![card.certificate.clone()], card.key.clone_key()).expect("a key")
        }
        None => builder.with_no_client_auth(),
    };
    let mut tcp = TcpStream::connect(server)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::from(server.ip());
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok((tcp.try_clone()?, StreamOwned::new(tls, tcp)))
}

/// Takes the server's connection.
pub(crate) fn accept(
    listener: &TcpListener,
    card: &Card,
    version: &'static SupportedProtocolVersion,
) -> io::Result<Shaken> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[version]).expect("a version");
    let config = builder
        .with_client_cert_verifier(Arc::new(Trusting))
        .with_single_cert(vec![card.certificate.clone()], card.key.clone_key())
        .expect("a key");
    // Not for ever: who never comes is a failure that says so.
    listener.set_nonblocking(true)?;
    let (mut tcp, _) = eventually("a connection", || listener.accept().ok());
    tcp.set_nonblocking(false)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut tls = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    let shown = tls.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
    let name = tls.server_name().map(str::to_owned);
    let stream = Stream::over(tcp.try_clone()?, StreamOwned::new(tls, tcp));
    Ok(Shaken { stream, shown, name })
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for Trusting {
    fn client_auth_mandatory(&self) -> bool {
        false // whoever shows none is seen to show none
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
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

fn schemes() -> Vec<SignatureScheme> {
    default_provider().signature_verification_algorithms.supported_schemes()
}
