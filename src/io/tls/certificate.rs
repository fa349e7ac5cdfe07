//! What we have to know of an X.509 certificate that nobody else tells us: the hosts it names, the hash it is signed with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::engine::HostName;
use crate::sdp::HashFunction;

/// Names read of one certificate, each of which is kept as long as the connection; an endpoint's has a few.
const NAMES: usize = 64;

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[3] EXPLICIT`, the extensions in a TBSCertificate.
const EXTENSIONS: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// Signature algorithms by the octets of their identifiers, up to the last, and what the last says (RFC 3279, 4055, 5758).
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
const ECDSA_SHA1: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01];
/// RFC 8410: Ed25519 is defined with SHA-512.
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];
/// NIST's hash functions, in the parameters of RSASSA-PSS.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// One DER element and what follows it.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

/// The first element; `None` if there is none, or not all of it.
fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&tag, after) = der.split_first()?;
    let (&first, after) = after.split_first()?;
    let (length, after) = match first {
        0..=0x7F => (usize::from(first), after),
        0x81..=0x83 => {
            let (octets, after) = after.split_at_checked(usize::from(first & 0x7F))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), after)
        }
        _ => return None,
    };
    let (content, rest) = after.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

/// The elements inside another one, as far as they are whole.
fn elements(mut der: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let element = element(der)?;
        der = element.rest;
        Some(element)
    })
}

/// The hosts in a certificate's subjectAltName (RFC 5280 §4.2.1.6).
pub(super) fn hosts(certificate: &[u8]) -> Vec<HostName> {
    let names = extension(certificate, SUBJECT_ALT_NAME).and_then(element);
    let names = names.into_iter().flat_map(|names| elements(names.content));
    names.take(NAMES).filter_map(|name| host(&name)).collect()
}

fn host(name: &Element<'_>) -> Option<HostName> {
    match name.tag {
        DNS_NAME => std::str::from_utf8(name.content).ok().map(|name| HostName::Name(name.to_owned())),
        IP_ADDRESS => {
            let four = <[u8; 4]>::try_from(name.content).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            let sixteen = || <[u8; 16]>::try_from(name.content).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
            four.or_else(|_| sixteen()).ok().map(HostName::Address)
        }
        _ => None,
    }
}

/// The content of an extension's value.
fn extension<'a>(certificate: &'a [u8], identifier: &[u8]) -> Option<&'a [u8]> {
    let certificate = element(certificate).filter(|outer| outer.tag == SEQUENCE)?;
    let body = element(certificate.content).filter(|body| body.tag == SEQUENCE)?;
    let extensions = elements(body.content).find(|field| field.tag == EXTENSIONS)?;
    let extensions = element(extensions.content)?;
    elements(extensions.content).find_map(|extension| {
        let is_it = element(extension.content)
            .is_some_and(|first| first.tag == OBJECT_IDENTIFIER && first.content == identifier);
        let value = || elements(extension.content).find(|field| field.tag == OCTET_STRING).map(|field| field.content);
        is_it.then(value)?
    })
}

/// The hash function of a certificate's signature; `None` if it has none that fingerprints are made with.
pub(super) fn signature_hash(certificate: &[u8]) -> Option<HashFunction> {
    let outer = element(certificate).filter(|outer| outer.tag == SEQUENCE)?;
    let algorithm = elements(outer.content).nth(1).filter(|algorithm| algorithm.tag == SEQUENCE)?;
    let identifier = element(algorithm.content).filter(|first| first.tag == OBJECT_IDENTIFIER)?;
    if let Some([last]) = identifier.content.strip_prefix(RSA) {
        return match last {
            0x05 => Some(HashFunction::Sha1),
            0x0A => Some(pss_hash(identifier.rest)),
            0x0B => Some(HashFunction::Sha256),
            0x0C => Some(HashFunction::Sha384),
            0x0D => Some(HashFunction::Sha512),
            0x0E => Some(HashFunction::Sha224),
            _ => None, // MD2 and MD5, which RFC 8122 §5 forbids
        };
    }
    match identifier.content.strip_prefix(ECDSA) {
        Some([0x01]) => Some(HashFunction::Sha224),
        Some([0x02]) => Some(HashFunction::Sha256),
        Some([0x03]) => Some(HashFunction::Sha384),
        Some([0x04]) => Some(HashFunction::Sha512),
        _ if identifier.content == ECDSA_SHA1 => Some(HashFunction::Sha1),
        _ => (identifier.content == ED25519).then_some(HashFunction::Sha512),
    }
}

/// RFC 4055 §3.1: RSASSA-PSS names its hash function in its parameters; SHA-1 is the default.
fn pss_hash(parameters: &[u8]) -> HashFunction {
    let named = || {
        let parameters = element(parameters)?;
        let hash = element(parameters.content).filter(|field| field.tag == 0xA0)?;
        let algorithm = element(hash.content)?;
        match element(algorithm.content)?.content.strip_prefix(SHA2)? {
            [0x01] => Some(HashFunction::Sha256),
            [0x02] => Some(HashFunction::Sha384),
            [0x03] => Some(HashFunction::Sha512),
            [0x04] => Some(HashFunction::Sha224),
            _ => None,
        }
    };
    named().unwrap_or(HashFunction::Sha1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    fn made(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate_for(algorithm).expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_hosts_are_those_of_the_subject_alt_name() {
        let der =
            made(&["phone.example.org", "*.example.net", "192.0.2.7", "2001:db8::7"], &rcgen::PKCS_ECDSA_P256_SHA256);
        let expected = [
            HostName::Name("phone.example.org".to_owned()),
            HostName::Name("*.example.net".to_owned()),
            HostName::Address("192.0.2.7".parse().expect("an address")),
            HostName::Address("2001:db8::7".parse().expect("an address")),
        ];
        assert_eq!(hosts(&der), expected);
        assert_eq!(hosts(&made(&[], &rcgen::PKCS_ECDSA_P256_SHA256)), []);
    }

    // M8122-5.1-01
    #[test]
    fn the_hash_of_the_signature_is_told_by_its_algorithm() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, HashFunction::Sha256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, HashFunction::Sha384),
            (&rcgen::PKCS_ED25519, HashFunction::Sha512),
        ] {
            assert_eq!(signature_hash(&made(&["a"], algorithm)), Some(hash));
        }
    }

    #[test]
    fn the_hash_of_an_rsa_signature_may_be_in_its_parameters() {
        let certificate = |algorithm: &[u8]| {
            let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
            wrap(SEQUENCE, &[wrap(SEQUENCE, &[]), wrap(SEQUENCE, algorithm)].concat())
        };
        let rsa = |last: u8, parameters: &[u8]| [&[0x06, 9], RSA, &[last], parameters].concat();
        let pss = [&[0x30, 15, 0xA0, 13, 0x30, 11, 0x06, 9], SHA2, &[0x02]].concat();
        for (algorithm, hash) in [
            (rsa(0x0D, &[0x05, 0]), Some(HashFunction::Sha512)),
            (rsa(0x0A, &pss), Some(HashFunction::Sha384)),
            (rsa(0x0A, &[0x30, 0]), Some(HashFunction::Sha1)),
            (rsa(0x04, &[0x05, 0]), None),
        ] {
            assert_eq!(signature_hash(&certificate(&algorithm)), hash, "{algorithm:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_reading_panic(at in 0usize..400, octet: u8, cut in 0usize..500, noise: Vec<u8>) {
            let mut der = made(&["phone.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256);
            let length = der.len();
            der[at % length] = octet;
            der.truncate(cut);
            let _ = (hosts(&der), signature_hash(&der), hosts(&noise), signature_hash(&noise));
        }
    }
}
