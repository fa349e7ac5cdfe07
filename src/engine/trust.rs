//! Whom a TLS connection may belong to: what a session's peer has to prove, and what a certificate proves.

use std::net::IpAddr;

use super::policy::{Policy, Verify};
use crate::msrp::MsrpUri;
use crate::sdp::{Fingerprint, HashFunction, Terms};

/// The certificate that a peer has shown and proven to have the key of, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// One for each [`HashFunction`].
    pub fingerprints: Vec<Fingerprint>,
    /// The hosts it names (subjectAltName, RFC 5280 §4.2.1.6), wildcards as written.
    pub hosts: Vec<HostName>,
    /// Whether an authority that we accept vouches for it, today; if not, why.
    pub vouched: Result<(), String>,
}

/// A host in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// dNSName
    Name(String),
    /// iPAddress
    Address(IpAddr),
}

/// What the peer of one session has to prove by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// It has to match one of these, unless there are none (RFC 8122 §5.1).
    pub fingerprints: Vec<Fingerprint>,
    /// An authority has to vouch for it, and it has to name this host (RFC 4975 §5.4).
    pub host: Option<String>,
    /// We show no certificate of ours, even if we are asked (RFC 4976 §9.2: to relays).
    pub anonymous: bool,
}

/// Why a certificate, or a peer's description, does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// `msrp.tls.verify = "fingerprint"`, and there is none.
    #[error("the peer's description has no fingerprint, which msrp.tls.verify demands")]
    NoFingerprint,
    /// There are fingerprints, and none of them counts here (RFC 8122 §5: MD5 never does).
    #[error("none of the peer's fingerprints is of a hash function in msrp.tls.hashes")]
    WeakFingerprints,
    /// RFC 8122 §6.2: who connects shows a certificate, too.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// RFC 8122 §5.1.
    #[error("the certificate has not the fingerprint of the peer's description")]
    WrongFingerprint,
    /// RFC 4975 §5.4.
    #[error("no authority of ours vouches for the certificate: {0}")]
    Unvouched(String),
    /// RFC 4975 §5.4, 8122 §6.1.
    #[error("the certificate does not name {0}")]
    WrongName(String),
}

impl Demand {
    /// What the peer of a session with these terms has to prove.
    ///
    /// Behind a relay the first hop is the relay, whose certificate the endpoint's fingerprints are not of.
    ///
    /// # Errors
    /// It could not prove anything: [`Distrust::NoFingerprint`], [`Distrust::WeakFingerprints`].
    pub fn new(policy: &Policy, peer: &Terms) -> Result<Self, Distrust> {
        let direct = peer.path.len() == 1;
        let fingerprints = if direct { preferred(&policy.hashes, &peer.fingerprints)? } else { Vec::new() };
        let pinned = !fingerprints.is_empty();
        if policy.verify == Verify::Fingerprint && direct && !pinned {
            return Err(Distrust::NoFingerprint);
        }
        let by_name = policy.verify == Verify::Authority || !pinned;
        let host = peer.path.first().filter(|_| by_name).map(|hop| hop.host.clone());
        Ok(Self { fingerprints, host, anonymous: false })
    }

    /// What a host has to prove that is known by its URI alone, as our own relay is.
    pub fn of_host(uri: &MsrpUri) -> Self {
        Self { fingerprints: Vec::new(), host: Some(uri.host.clone()), anonymous: true }
    }

    /// Whether this certificate proves it.
    ///
    /// # Errors
    /// Why not.
    pub fn met_by(&self, certificate: Option<&PeerCertificate>) -> Result<(), Distrust> {
        let certificate = certificate.ok_or(Distrust::NoCertificate)?;
        let pinned = |fingerprint| certificate.fingerprints.contains(fingerprint);
        if !self.fingerprints.is_empty() && !self.fingerprints.iter().any(pinned) {
            return Err(Distrust::WrongFingerprint);
        }
        let Some(host) = &self.host else { return Ok(()) };
        certificate.vouched.clone().map_err(Distrust::Unvouched)?;
        if !certificate.hosts.iter().any(|name| name.is(host)) {
            return Err(Distrust::WrongName(host.clone()));
        }
        Ok(())
    }
}

impl HostName {
    /// RFC 8122 §6.1: exactly this host; a wildcard is none.
    fn is(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match (self, bare.parse::<IpAddr>()) {
            (Self::Address(own), Ok(address)) => *own == address,
            (Self::Name(own), Err(_)) => own.eq_ignore_ascii_case(bare),
            _ => false,
        }
    }
}

/// RFC 8122 §5.1: of the peer's fingerprints those of the one hash function that we like best.
fn preferred(hashes: &[HashFunction], offered: &[Fingerprint]) -> Result<Vec<Fingerprint>, Distrust> {
    let of = |hash: &HashFunction| -> Vec<Fingerprint> {
        offered.iter().filter(|fingerprint| fingerprint.hash == Some(*hash)).cloned().collect()
    };
    let best = hashes.iter().map(of).find(|set| !set.is_empty());
    if best.is_none() && !offered.is_empty() {
        return Err(Distrust::WeakFingerprints);
    }
    Ok(best.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] = b"the certificate";

    fn certificate(hosts: &[&str]) -> PeerCertificate {
        let host = |text: &&str| text.parse().map_or_else(|_| HostName::Name((*text).to_owned()), HostName::Address);
        PeerCertificate {
            fingerprints: HashFunction::ALL.map(|hash| Fingerprint::of(OURS, hash)).to_vec(),
            hosts: hosts.iter().map(host).collect(),
            vouched: Ok(()),
        }
    }

    fn peer(host: &str, fingerprints: Vec<Fingerprint>) -> Terms {
        let path = vec![format!("msrps://{host}:2855/s1;tcp").parse().expect("a URI")];
        Terms { path, fingerprints, ..Terms::default() }
    }

    fn policy(verify: Verify) -> Policy {
        Policy { verify, ..super::super::policy::tests::policy() }
    }

    fn fingerprint(certificate: &[u8], hash: HashFunction) -> Fingerprint {
        Fingerprint::of(certificate, hash)
    }

    /// What becomes of a certificate for `phone.example.org`, vouched for, shown by this peer.
    fn verdict(verify: Verify, peer: &Terms) -> Result<(), Distrust> {
        Demand::new(&policy(verify), peer)?.met_by(Some(&certificate(&["phone.example.org"])))
    }

    // M8122-5.1-03 M8122-5.1-04
    #[test]
    fn the_fingerprint_of_our_most_preferred_hash_decides_alone() {
        use HashFunction::{Sha256, Sha512};
        let (right, wrong) = (OURS, b"another".as_slice());
        for (fingerprints, outcome) in [
            (vec![(right, Sha256)], Ok(())),
            (vec![(wrong, Sha256)], Err(Distrust::WrongFingerprint)),
            (vec![(right, Sha256), (wrong, Sha512)], Err(Distrust::WrongFingerprint)),
            (vec![(wrong, Sha256), (right, Sha512)], Ok(())),
            (vec![(wrong, Sha256), (right, Sha256)], Ok(())), // one for each certificate it may show
            (vec![(right, HashFunction::Sha1), (wrong, Sha256)], Err(Distrust::WrongFingerprint)),
        ] {
            let fingerprints: Vec<_> = fingerprints.iter().map(|(of, hash)| fingerprint(of, *hash)).collect();
            let peer = peer("phone.example.org", fingerprints);
            for verify in [Verify::Fingerprint, Verify::Either, Verify::Authority] {
                assert_eq!(verdict(verify, &peer), outcome, "{peer:?}");
            }
        }
    }

    // M8122-5-02
    #[test]
    fn md5_and_sha_1_are_as_good_as_a_wrong_fingerprint_unless_the_operator_allows_sha_1() {
        let md5 = Fingerprint::parse("md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF").expect("a fingerprint");
        let sha1 = fingerprint(OURS, HashFunction::Sha1);
        for only in [&md5, &sha1] {
            let peer = peer("phone.example.org", vec![only.clone()]);
            assert_eq!(verdict(Verify::Either, &peer), Err(Distrust::WeakFingerprints));
        }
        let lenient = Policy { hashes: vec![HashFunction::Sha256, HashFunction::Sha1], ..policy(Verify::Either) };
        let demand = Demand::new(&lenient, &peer("phone.example.org", vec![md5, sha1])).expect("something to prove");
        assert_eq!(demand.met_by(Some(&certificate(&[]))), Ok(()));
    }

    // M8122-6.1-01 M8122-6.1-02 M4975-5.4-07 M4975-5.4-08
    #[test]
    fn without_a_fingerprint_an_authority_and_the_exact_name_are_the_proof() {
        for (hosts, host, proven) in [
            (vec!["phone.example.org"], "phone.example.org", true),
            (vec!["other.example.org", "PHONE.example.org"], "Phone.Example.ORG", true),
            (vec!["*.example.org"], "phone.example.org", false),
            (vec!["example.org"], "phone.example.org", false),
            (vec!["192.0.2.7"], "192.0.2.7", true),
            (vec!["2001:db8::7"], "[2001:DB8:0::7]", true),
            (vec!["192.0.2.8"], "192.0.2.7", false),
            (vec![], "phone.example.org", false),
        ] {
            let demand = Demand::new(&policy(Verify::Either), &peer(host, Vec::new())).expect("something to prove");
            assert_eq!(demand.met_by(Some(&certificate(&hosts))).is_ok(), proven, "{hosts:?} for {host}");
            let expired = PeerCertificate { vouched: Err("expired".to_owned()), ..certificate(&hosts) };
            assert_eq!(demand.met_by(Some(&expired)), Err(Distrust::Unvouched("expired".to_owned())));
        }
    }

    // M8122-6.1-01 M8122-6.2-03
    #[test]
    fn the_policy_decides_whether_a_fingerprint_is_needed_and_whether_it_is_enough() {
        let pinned = peer("elsewhere.example.net", vec![fingerprint(OURS, HashFunction::Sha256)]);
        let bare = peer("phone.example.org", Vec::new());
        assert_eq!(verdict(Verify::Either, &pinned), Ok(()));
        assert_eq!(verdict(Verify::Fingerprint, &pinned), Ok(()));
        assert!(matches!(verdict(Verify::Authority, &pinned), Err(Distrust::WrongName(_))));
        assert_eq!(verdict(Verify::Authority, &bare), Ok(()));
        assert_eq!(verdict(Verify::Fingerprint, &bare), Err(Distrust::NoFingerprint));
        let demand = Demand::new(&policy(Verify::Either), &pinned).expect("something to prove");
        assert_eq!(demand.met_by(None), Err(Distrust::NoCertificate));
    }

    #[test]
    fn a_relay_is_known_by_its_name_and_not_by_the_endpoints_fingerprint() {
        let mut behind = peer("phone.example.org", vec![fingerprint(b"the endpoint's", HashFunction::Sha256)]);
        behind.path.push("msrps://endpoint.example.org:9/s1;tcp".parse().expect("a URI"));
        for verify in [Verify::Fingerprint, Verify::Either, Verify::Authority] {
            assert_eq!(verdict(verify, &behind), Ok(()));
        }
    }
}
