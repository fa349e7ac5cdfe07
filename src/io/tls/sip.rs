//! SIP over TLS (RFC 3261 §26.3, RFC 5922): the server shows who it is, and a client may.

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{HANDSHAKE_RECORD, HandshakeError, Tls, Wanted};
use crate::engine::{Demand, HostName};
use crate::model::limits::SIP_HANDSHAKE;

/// Octets in both directions, whatever lies below.
pub(in crate::io) type SipStream = Box<dyn Duplex>;

/// What can be read and written.
pub(in crate::io) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Tls {
    /// The handshake with somebody who has connected to us, and the hosts that an authority of ours vouches for there:
    /// none if no certificate was shown, which nobody has to do here.
    pub(in crate::io) async fn accept_sip(
        &self,
        stream: TcpStream,
    ) -> Result<(SipStream, Vec<String>), HandshakeError> {
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => return Err(HandshakeError::Left),
                _ if first[0] != HANDSHAKE_RECORD => return Err(HandshakeError::Plain),
                _ => {}
            }
            Ok(TlsAcceptor::from(self.shown()?.sip).accept(stream).await?)
        };
        let stream = tokio::time::timeout(SIP_HANDSHAKE, handshake).await.map_err(|_| HandshakeError::Late)??;
        let hosts = self.vouched(stream.get_ref().1.peer_certificates());
        Ok((Box::new(stream), hosts))
    }

    /// The handshake with somebody whom we have connected to: the certificate names the host, and an authority of ours
    /// vouches for it (RFC 5922 §7.1).
    pub(in crate::io) async fn connect_sip(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<(SipStream, Vec<String>), HandshakeError> {
        let name = ServerName::try_from(host.to_owned())?;
        let demand = Demand { fingerprints: Vec::new(), host: Some(host.to_owned()), anonymous: false };
        let wanted =
            std::sync::Arc::new(Wanted { judge: self.judge(true), demand, distrust: std::sync::Mutex::new(None) });
        let connector = TlsConnector::from(std::sync::Arc::new(self.client(wanted.clone())?));
        let stream = match tokio::time::timeout(SIP_HANDSHAKE, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(wanted.why().map_or_else(|| error.into(), HandshakeError::from)),
            Err(_) => return Err(HandshakeError::Late),
        };
        let hosts = self.vouched(stream.get_ref().1.peer_certificates());
        Ok((Box::new(stream), hosts))
    }

    fn vouched(&self, chain: Option<&[CertificateDer<'_>]>) -> Vec<String> {
        let certificate = chain.and_then(|chain| self.judge(true).read(chain, UnixTime::now()));
        let name = |host: HostName| match host {
            HostName::Name(name) => name,
            HostName::Address(address) => address.to_string(),
        };
        certificate
            .filter(|shown| shown.vouched.is_ok())
            .map_or_else(Vec::new, |shown| shown.hosts.into_iter().map(name).collect())
    }
}
