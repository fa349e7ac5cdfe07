//! MSRP and SIP over TLS (RFC 4975 §14.2, 8122, 5922): handshakes in both roles, and the certificate that is shown in them.
//!
//! It promises: TLS 1.2 and 1.3 with forward secrecy and nothing older; both sides show a certificate; a connection
//! comes out of here only with the peer's certificate as data, and one that we opened only to who met the engine's
//! demand. No session is ever resumed by TLS, so every connection shows its certificates anew.
//!
//! Limits: [`MSRP_HANDSHAKE`]; a peer that has said nothing costs a socket and a task, and no TLS state.

mod certificate;
mod identity;
mod sip;
mod verify;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use self::identity::TlsError;
use self::identity::{Identity, certificates, fingerprints};
pub(super) use self::sip::SipStream;
use self::verify::{Anybody, Judge, Wanted};
use super::connection::MsrpStream;
use super::places::Place;
use crate::config::{Certificate, Settings};
use crate::engine::{Bearer, Demand};
use crate::model::limits::MSRP_HANDSHAKE;
use crate::msrp::Carrier;
use crate::sdp::Fingerprint;

/// RFC 8996 and 9325: nothing older.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// The first octet of a TLS handshake record (RFC 8446 §5.1).
pub(super) const HANDSHAKE_RECORD: u8 = 0x16;

/// TLS for a node: what it shows and whom it trusts. Copies are the same.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    provider: Arc<CryptoProvider>,
    source: Source,
    client_ca: Option<PathBuf>,
    roots: RwLock<Roots>,
    /// Empty until somebody needs it: a node whose peers all speak TCP never makes a certificate.
    shown: RwLock<Option<Shown>>,
}

/// Where our certificate comes from.
#[derive(Debug)]
enum Source {
    Files { cert: PathBuf, key: PathBuf },
    Minted { hosts: Vec<String>, node: String },
}

/// What handshakes use until the next reload.
#[derive(Clone, Debug)]
struct Shown {
    identity: Identity,
    server: Arc<ServerConfig>,
    /// For SIP: phones have no certificate, and application servers may be known by theirs.
    sip: Arc<ServerConfig>,
    /// For WebSockets: a browser that is asked for a certificate asks its user for one.
    web: Arc<ServerConfig>,
}

/// Whom we let vouch. The system's authorities are read when they are asked for the first time.
type Roots = Arc<OnceLock<Arc<RootCertStore>>>;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It said nothing, or not enough.
    #[error("the peer did not finish the TLS handshake within {} s", MSRP_HANDSHAKE.as_secs())]
    Late,
    /// It went away before it said anything.
    #[error("the peer left before it said anything")]
    Left,
    /// Somebody takes this for the plain port.
    #[error("the peer speaks no TLS: is it set to TCP/MSRP?")]
    Plain,
    /// The certificate is not the one that was to come.
    #[error("{0}")]
    Distrust(#[from] crate::engine::Distrust),
    /// The host has no name that a certificate could have.
    #[error("{0}")]
    Name(#[from] InvalidDnsNameError),
    /// There is no certificate of ours that could be shown.
    #[error("{0}")]
    Own(#[from] TlsError),
    /// No common version, a broken record, an alert.
    #[error("the TLS handshake failed: {0}")]
    Failed(#[from] io::Error),
}

impl Tls {
    /// What MSRP shows and trusts; without a certificate one will be made for these hosts.
    pub(super) fn open(settings: &Settings, hosts: Vec<String>) -> Result<Self, TlsError> {
        let (own, node) = (&settings.msrp.tls, &settings.sip.tls);
        let pair = if own.cert.is_some() { own } else { node };
        let client_ca = own.client_ca.clone().or_else(|| node.client_ca.clone());
        Self::read(&Certificate { client_ca, ..pair.clone() }, settings, hosts)
    }

    /// What SIP shows and trusts.
    pub(super) fn open_sip(settings: &Settings, hosts: Vec<String>) -> Result<Self, TlsError> {
        Self::read(&settings.sip.tls, settings, hosts)
    }

    /// Reads certificate, key and authorities.
    fn read(files: &Certificate, settings: &Settings, hosts: Vec<String>) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let cert = files.cert.clone().zip(files.key.clone());
        let client_ca = files.client_ca.clone();
        let source = match cert {
            Some((cert, key)) => Source::Files { cert, key },
            None => Source::Minted { hosts, node: settings.node.name.clone() },
        };
        // Files are read now, so that a node with bad ones does not start.
        let shown = RwLock::new(match source {
            Source::Files { .. } => Some(Shown::new(source.identity(&provider)?, &provider)?),
            Source::Minted { .. } => None,
        });
        let roots = RwLock::new(authorities(client_ca.as_ref())?);
        Ok(Self(Arc::new(Shared { provider, source, client_ca, roots, shown })))
    }

    /// Of the certificate that is shown.
    pub(super) fn fingerprints(&self) -> Result<Vec<Fingerprint>, TlsError> {
        Ok(fingerprints(&[&self.shown()?.identity]))
    }

    /// Reads the files again. What is shown stays until [`Reload::show`], which is what the fingerprints are for: a
    /// description that went out before knows only the old certificate.
    pub(super) fn reload(&self) -> Result<Reload, TlsError> {
        let roots = authorities(self.0.client_ca.as_ref())?;
        if let Source::Minted { .. } = self.0.source {
            return Ok(Reload { tls: self.clone(), roots, read: None });
        }
        let (old, identity) = (self.shown()?.identity, self.0.source.identity(&self.0.provider)?);
        let same = identity.is(&old);
        let told = if same { fingerprints(&[&old]) } else { fingerprints(&[&old, &identity]) };
        let next = Shown::new(identity, &self.0.provider)?;
        Ok(Reload { tls: self.clone(), roots, read: Some(Read { next, told, same }) })
    }

    /// What is shown; a certificate that nobody has needed so far is made now.
    fn shown(&self) -> Result<Shown, TlsError> {
        if let Some(shown) = &*self.0.shown.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(shown.clone());
        }
        let mut shown = self.0.shown.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(made_meanwhile) = &*shown {
            return Ok(made_meanwhile.clone());
        }
        let made = tokio::task::block_in_place(|| self.0.source.identity(&self.0.provider))?;
        Ok(shown.insert(Shown::new(made, &self.0.provider)?).clone())
    }

    /// `asked`: whether an authority may have to vouch for the peer.
    fn judge(&self, asked: bool) -> Judge {
        let roots = || {
            let roots = self.0.roots.read().unwrap_or_else(PoisonError::into_inner).clone();
            roots.get_or_init(|| tokio::task::block_in_place(system_authorities)).clone()
        };
        Judge { provider: self.0.provider.clone(), roots: asked.then(roots) }
    }

    /// The handshake with somebody who has connected to us.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        place: Place,
        carrier: Carrier,
    ) -> Result<MsrpStream, HandshakeError> {
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await? {
                0 => return Err(HandshakeError::Left),
                _ if first[0] != HANDSHAKE_RECORD => return Err(HandshakeError::Plain),
                _ => {}
            }
            let Shown { server, web, .. } = self.shown()?;
            Ok(TlsAcceptor::from(if carrier.is_websocket() { web } else { server }).accept(stream).await?)
        };
        let stream = tokio::time::timeout(MSRP_HANDSHAKE, handshake).await.map_err(|_| HandshakeError::Late)??;
        let (socket, session) = stream.get_ref();
        // Whose connection it is shows with its first request. If that comes through a relay of the peer's, an authority
        // is the only one to vouch for it, whatever `msrp.tls.verify` says of endpoints (RFC 4976 §9.2).
        let bearer = self.bearer(socket, session.peer_certificates(), true);
        Ok(MsrpStream::new(stream, Bearer { carrier, ..bearer }, Some(place)))
    }

    /// The handshake with somebody whom we have connected to. RFC 6135 §6: who connects is the TLS client.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        demand: Demand,
    ) -> Result<MsrpStream, HandshakeError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // RFC 4975 §14.2, 6066 §3: a host's name is told in the hello, an address never.
        let name = ServerName::try_from(bare.to_owned())?;
        let asked = demand.host.is_some();
        let wanted = Arc::new(Wanted { judge: self.judge(asked), demand, distrust: Mutex::new(None) });
        let connector = TlsConnector::from(Arc::new(self.client(wanted.clone())?));
        let stream = match tokio::time::timeout(MSRP_HANDSHAKE, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(wanted.why().map_or_else(|| error.into(), HandshakeError::from)),
            Err(_) => return Err(HandshakeError::Late),
        };
        let (socket, session) = stream.get_ref();
        let bearer = self.bearer(socket, session.peer_certificates(), asked);
        Ok(MsrpStream::new(stream, bearer, None))
    }

    fn client(&self, wanted: Arc<Wanted>) -> Result<ClientConfig, HandshakeError> {
        let builder = ClientConfig::builder_with_provider(self.0.provider.clone());
        let builder = builder.with_protocol_versions(VERSIONS).map_err(io::Error::other)?;
        let anonymous = wanted.demand.anonymous;
        let builder = builder.dangerous().with_custom_certificate_verifier(wanted);
        let mut config = match anonymous {
            true => builder.with_no_client_auth(),
            false => {
                let own: Arc<CertifiedKey> = self.shown()?.identity.key;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
            }
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn bearer(&self, socket: &TcpStream, chain: Option<&[CertificateDer<'_>]>, asked: bool) -> Bearer {
        let certificate = chain.and_then(|chain| self.judge(asked).read(chain, UnixTime::now()));
        Bearer { carrier: Carrier::Tls, remote: socket.peer_addr().ok(), certificate }
    }
}

impl Source {
    /// The certificate of the files, or a new one.
    fn identity(&self, provider: &CryptoProvider) -> Result<Identity, TlsError> {
        match self {
            Self::Files { cert, key } => Identity::read(cert, key, provider),
            Self::Minted { hosts, node } => Identity::mint(hosts.clone(), node, provider),
        }
    }
}

impl Shown {
    fn new(identity: Identity, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let anybody = |mandatory| Anybody { judge: Judge { provider: provider.clone(), roots: None }, mandatory };
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(VERSIONS)?;
        let resolver = Arc::new(SingleCertAndKey::from(identity.key.clone()));
        let web = builder.clone().with_no_client_auth().with_cert_resolver(resolver.clone());
        let asking = |mandatory| {
            let asking = builder.clone().with_client_cert_verifier(Arc::new(anybody(mandatory)));
            let mut config = asking.with_cert_resolver(resolver.clone());
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Arc::new(config)
        };
        let (server, sip) = (asking(true), asking(false));
        Ok(Self { identity, server, sip, web: Arc::new(web) })
    }
}

/// What a reload has read.
pub(super) struct Reload {
    tls: Tls,
    roots: Roots,
    /// `None`: the certificate is of our own making, and stays.
    read: Option<Read>,
}

/// A certificate from a file.
#[derive(Debug)]
struct Read {
    next: Shown,
    told: Vec<Fingerprint>,
    same: bool,
}

impl Reload {
    /// For descriptions that go out from now on: any of these certificates may be shown to who reads them.
    pub(super) fn fingerprints(&self) -> Option<Vec<Fingerprint>> {
        self.read.as_ref().map(|read| read.told.clone())
    }

    /// Whether the certificate is another one than is shown so far.
    pub(super) fn changes(&self) -> bool {
        self.read.as_ref().is_some_and(|read| !read.same)
    }

    /// From here on handshakes go by what was read. Gives the fingerprints of that certificate alone.
    pub(super) fn show(self) -> Option<Vec<Fingerprint>> {
        *self.tls.0.roots.write().unwrap_or_else(PoisonError::into_inner) = self.roots;
        let Read { next, .. } = self.read?;
        let shown = fingerprints(&[&next.identity]);
        *self.tls.0.shown.write().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Some(shown)
    }
}

/// Those of the file, or none yet: then the system's count.
fn authorities(file: Option<&PathBuf>) -> Result<Roots, TlsError> {
    let Some(path) = file else { return Ok(Roots::default()) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::File { path: path.clone(), why: error.to_string() })?;
    }
    Ok(Arc::new(OnceLock::from(Arc::new(roots))))
}

/// What the system trusts, as far as we can use it. Without any, nobody can be vouched for, and that is what is said.
fn system_authorities() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "the system's authorities");
    }
    let (used, unusable) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(used, unusable, "the system's authorities were read");
    Arc::new(roots)
}
