//! The master keys of the operator, and the data key of each body: made, wrapped, unwrapped, and forgotten.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::model::{Digest, DigestAlgorithm, FileInfo, Mint};

use super::super::error::SpoolError;
use super::super::layout::Id;

/// Octets of a master key, and of a data key: AES-256.
pub const KEY_OCTETS: usize = 32;

/// Octets that a sealed text is longer than the text: nonce and tag.
pub(super) const SEAL_OCTETS: usize = NONCE_LEN + TAG_OCTETS;

/// Octets of a tag of AES-GCM.
const TAG_OCTETS: usize = 16;

/// The master keys at hand. The first one wraps the keys of new bodies, all of them unwrap.
#[derive(Default)]
pub struct Keys {
    masters: Vec<Master>,
}

impl Keys {
    /// No key: nothing is encrypted, and what is encrypted stays closed.
    pub const fn none() -> Self {
        Self { masters: Vec::new() }
    }

    /// Named keys, the one for new bodies first.
    pub fn new(keys: impl IntoIterator<Item = (String, [u8; KEY_OCTETS])>) -> Self {
        Self { masters: keys.into_iter().map(|(name, octets)| Master::new(name, &octets)).collect() }
    }

    /// The name of the key that wraps those of new bodies.
    pub fn current(&self) -> Option<&str> {
        self.masters.first().map(|master| master.name.as_str())
    }

    /// By what the index tells the keys at hand from others.
    pub(in super::super) fn checks(&self) -> Vec<&str> {
        self.masters.iter().map(|master| master.check.as_str()).collect()
    }

    /// A key for the body of this id; `None` without a master key.
    pub(in super::super) fn data_key(&self, body: Id, mint: &mut Mint) -> Option<DataKey> {
        let mut octets = [0; KEY_OCTETS];
        octets.fill_with(|| mint.octet());
        let master = self.masters.first()?;
        Some(DataKey::new(&octets, body, master.wrap(&octets, body, mint), master))
    }

    /// The key of the body of this id.
    pub(in super::super) fn unwrap(&self, body: Id, wrapped: &Wrapped) -> Result<DataKey, Locked> {
        let (master, octets) = self.open(body, wrapped)?;
        Ok(DataKey::new(&octets, body, wrapped.clone(), master))
    }

    /// The same key wrapped by the first master key; `None` if it is already.
    pub(in super::super) fn rewrap(
        &self,
        body: Id,
        wrapped: &Wrapped,
        mint: &mut Mint,
    ) -> Result<Option<DataKey>, Locked> {
        let (_, octets) = self.open(body, wrapped)?;
        let newer = self.masters.first().filter(|master| master.name != wrapped.master);
        Ok(newer.map(|master| DataKey::new(&octets, body, master.wrap(&octets, body, mint), master)))
    }

    fn open(&self, body: Id, wrapped: &Wrapped) -> Result<(&Master, [u8; KEY_OCTETS]), Locked> {
        let open = || {
            let master = self.masters.iter().find(|master| master.name == wrapped.master)?;
            let sealed = BASE64.decode(wrapped.key.as_bytes()).ok()?;
            let octets = open(&master.key, &master.context(body), &sealed)?;
            Some((master, octets.try_into().ok()?))
        };
        open().ok_or_else(|| Locked { master: wrapped.master.clone() })
    }

    /// What to look for in the index: the selector as it is, for objects that are not encrypted, and as it reads under each
    /// master key. One that names neither a file nor a digest picks both alike.
    pub(in super::super) fn lookups(&self, selector: &FileInfo) -> Vec<Lookup> {
        let plain = Lookup::plain(selector);
        if plain == Lookup::default() {
            return vec![plain];
        }
        let veiled = self.masters.iter().map(|master| plain.veiled(&master.index));
        let veiled: Vec<_> = veiled.collect();
        [plain.clone()].into_iter().chain(veiled).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.masters.iter().map(|master| &master.name)).finish()
    }
}

/// A key of the operator.
struct Master {
    name: String,
    key: LessSafeKey,
    index: hmac::Key,
    /// Tells this key from another one of the same name, and nothing else.
    check: String,
}

impl Master {
    fn new(name: String, octets: &[u8; KEY_OCTETS]) -> Self {
        let index = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, octets), b"restante index 1");
        let index = hmac::Key::new(hmac::HMAC_SHA256, index.as_ref());
        let check = veil(&index, "key", &name);
        Self { name, key: aes(octets), index, check }
    }

    fn wrap(&self, octets: &[u8; KEY_OCTETS], body: Id, mint: &mut Mint) -> Wrapped {
        let mut sealed = Vec::new();
        seal(&self.key, &self.context(body), octets, mint, &mut sealed);
        Wrapped { master: self.name.clone(), key: BASE64.encode(&sealed) }
    }

    /// A wrapped key opens no other body, and under no other name.
    fn context(&self, body: Id) -> String {
        format!("restante key 1 {body} {}", self.name)
    }
}

/// A data key as it lies in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Wrapped {
    /// The name of the master key.
    pub(in super::super) master: String,
    /// Nonce, key and tag in base 64.
    key: String,
}

/// The master key that opens something is not at hand, or is another one of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Locked {
    /// Its name.
    pub(in super::super) master: String,
}

impl Locked {
    /// The error for what is of this id.
    pub(in super::super) fn of(self, id: Id) -> SpoolError {
        SpoolError::KeyMissing { id: id.to_string(), key: self.master }
    }
}

/// The key of one body.
pub(in super::super) struct DataKey {
    key: LessSafeKey,
    body: Id,
    index: hmac::Key,
    check: String,
    /// As it lies in records.
    pub(in super::super) wrapped: Wrapped,
}

impl DataKey {
    fn new(octets: &[u8; KEY_OCTETS], body: Id, wrapped: Wrapped, master: &Master) -> Self {
        Self { key: aes(octets), body, index: master.index.clone(), check: master.check.clone(), wrapped }
    }

    /// Seals a frame of the body: `stored` becomes nonce, ciphertext and tag.
    pub(super) fn seal_frame(&self, number: u64, plain: &[u8], mint: &mut Mint, stored: &mut Vec<u8>) {
        seal(&self.key, &self.frame(number), plain, mint, stored);
    }

    /// Opens a frame into `plain`, which has its length; says no if it is not what was sealed at this place.
    pub(super) fn open_frame(&self, number: u64, stored: &[u8], plain: &mut [u8]) -> bool {
        open_into(&self.key, &self.frame(number), stored, plain).is_some()
    }

    fn frame(&self, number: u64) -> String {
        format!("restante frame 1 {} {number}", self.body)
    }

    /// Seals a text of the record `kind` of the object `id`.
    pub(in super::super) fn hide(&self, kind: &str, id: Id, text: &[u8], mint: &mut Mint) -> String {
        let mut sealed = Vec::new();
        seal(&self.key, &format!("restante {kind} 1 {id}"), text, mint, &mut sealed);
        BASE64.encode(&sealed)
    }

    /// The text that [`DataKey::hide`] has sealed.
    pub(in super::super) fn reveal(&self, kind: &str, id: Id, sealed: &str) -> Option<Vec<u8>> {
        let sealed = BASE64.decode(sealed.as_bytes()).ok()?;
        open(&self.key, &format!("restante {kind} 1 {id}"), &sealed)
    }

    /// What the index may know of a file.
    pub(in super::super) fn lookup(&self, file: &FileInfo) -> Lookup {
        Lookup { opened: Some(self.check.clone()), ..Lookup::plain(file).veiled(&self.index) }
    }
}

/// By what an object is found in the index: as it is, or as fingerprints that only the master key can make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Lookup {
    /// The name of the file.
    pub(in super::super) file_name: Option<String>,
    /// Its SHA-1.
    pub(in super::super) sha1: Option<String>,
    /// Its SHA-256.
    pub(in super::super) sha256: Option<String>,
    /// Tells the master key that has opened it from others.
    pub(in super::super) opened: Option<String>,
}

impl Lookup {
    /// As it is.
    pub(in super::super) fn plain(file: &FileInfo) -> Self {
        let hex = |algorithm| file.digest(algorithm).map(Digest::hex);
        let (sha1, sha256) = (hex(DigestAlgorithm::Sha1), hex(DigestAlgorithm::Sha256));
        Self { file_name: file.name.clone(), sha1, sha256, opened: None }
    }

    fn veiled(&self, key: &hmac::Key) -> Self {
        let veil = |what: &str, value: &Option<String>| value.as_ref().map(|value| veil(key, what, value));
        Self {
            file_name: veil("name", &self.file_name),
            sha1: veil("sha1", &self.sha1),
            sha256: veil("sha256", &self.sha256),
            opened: None,
        }
    }
}

/// The fingerprint of a value that the index may have.
fn veil(key: &hmac::Key, what: &str, value: &str) -> String {
    HEXLOWER.encode(hmac::sign(key, format!("{what} {value}").as_bytes()).as_ref())
}

fn aes(octets: &[u8; KEY_OCTETS]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, octets).expect("the key has the length of its algorithm"))
}

/// Seals with a fresh nonce: `sealed` becomes nonce, ciphertext and tag.
fn seal(key: &LessSafeKey, context: &str, plain: &[u8], mint: &mut Mint, sealed: &mut Vec<u8>) {
    let mut nonce = [0; NONCE_LEN];
    nonce.fill_with(|| mint.octet());
    sealed.clear();
    sealed.resize(plain.len() + SEAL_OCTETS, 0);
    let (head, rest) = sealed.split_at_mut(NONCE_LEN);
    let (ciphertext, tag) = rest.split_at_mut(plain.len());
    head.copy_from_slice(&nonce);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_out_of_place_scatter(nonce, Aad::from(context), plain, ciphertext, &[], tag)
        .expect("a frame or a record is far below what AES-GCM can seal");
}

fn open(key: &LessSafeKey, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = vec![0; sealed.len().checked_sub(SEAL_OCTETS)?];
    open_into(key, context, sealed, &mut plain)?;
    Some(plain)
}

fn open_into(key: &LessSafeKey, context: &str, sealed: &[u8], plain: &mut [u8]) -> Option<()> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_OCTETS>()?;
    if ciphertext.len() != plain.len() {
        return None;
    }
    let nonce = Nonce::assume_unique_for_key(*nonce);
    key.open_separate_gather(nonce, Aad::from(context), ciphertext, tag, plain).ok()
}
