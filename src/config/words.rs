//! The settings that are one of a few words.

use super::value::Choice;

/// What has to be equal for To-Path to name a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionMatch {
    /// The whole URI (RFC 4975 §6.1).
    #[default]
    Uri,
    /// The session id alone.
    Id,
}

impl Choice for SessionMatch {
    const WORDS: &'static [(&'static str, Self)] = &[("uri", Self::Uri), ("id", Self::Id)];
}

/// How closely MSML is held to its schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// What scripts in the field leave out or misspell is understood.
    #[default]
    Lenient,
    /// Only what the schemas allow.
    Strict,
}

impl Choice for Validation {
    const WORDS: &'static [(&'static str, Self)] = &[("lenient", Self::Lenient), ("strict", Self::Strict)];
}

/// How a peer hears that its request has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// By the response code in the body of a SIP 200.
    #[default]
    Msml,
    /// By a SIP 400 or 500 around it.
    Sip,
}

impl Choice for ErrorStyle {
    const WORDS: &'static [(&'static str, Self)] = &[("msml", Self::Msml), ("sip", Self::Sip)];
}

/// A MIME type in which MSML is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsmlType {
    /// What most servers say.
    Msml,
    /// What some clients say.
    Xml,
    /// What others say.
    TextXml,
    /// What RFC 5707 registers.
    Registered,
}

impl MsmlType {
    /// The type itself.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Msml => "application/msml+xml",
            Self::Xml => "application/xml",
            Self::TextXml => "text/xml",
            Self::Registered => "application/vnd.radisys.msml+xml",
        }
    }
}

impl Choice for MsmlType {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Msml.text(), Self::Msml),
        (Self::Xml.text(), Self::Xml),
        (Self::TextXml.text(), Self::TextXml),
        (Self::Registered.text(), Self::Registered),
    ];
}

/// What happens to files that no MSML asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unattended {
    /// They wait for MSML up to `msrp.hold` and are then refused.
    #[default]
    Hold,
    /// They are filed under the box that the Request-URI names.
    Deposit,
}

impl Choice for Unattended {
    const WORDS: &'static [(&'static str, Self)] = &[("hold", Self::Hold), ("deposit", Self::Deposit)];
}

/// Where `<dialogid>` is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DialogId {
    /// Inside `<result>`.
    #[default]
    Child,
    /// Beside `<result>`.
    Sibling,
}

impl Choice for DialogId {
    const WORDS: &'static [(&'static str, Self)] = &[("child", Self::Child), ("sibling", Self::Sibling)];
}

/// What `msml.dialog.exit` carries after `moml.exit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// The namelist again.
    #[default]
    Repeat,
    /// Nothing.
    Empty,
}

impl Choice for Exit {
    const WORDS: &'static [(&'static str, Self)] = &[("repeat", Self::Repeat), ("empty", Self::Empty)];
}

/// How peers prove by TLS who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// By the fingerprint in their description alone.
    Fingerprint,
    /// By an authority and their host's name; a fingerprint that is given has to fit as well.
    Ca,
    /// By the fingerprint if they give one, else by an authority and their host's name.
    #[default]
    Either,
}

impl Choice for Verify {
    const WORDS: &'static [(&'static str, Self)] =
        &[("fingerprint", Self::Fingerprint), ("ca", Self::Ca), ("either", Self::Either)];
}

/// A hash function of fingerprints (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerprintHash {
    /// Broken; only for peers that know no other.
    Sha1,
    /// SHA-224
    Sha224,
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Choice for FingerprintHash {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sha-512", Self::Sha512),
        ("sha-384", Self::Sha384),
        ("sha-256", Self::Sha256),
        ("sha-224", Self::Sha224),
        ("sha-1", Self::Sha1),
    ];
}

/// When an object is reported as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// When it is durable on the disk.
    Disk,
    /// When it is in the bucket.
    Bucket,
    /// When it is durable on the disk; it follows into the bucket.
    DiskThenBucket,
}

impl Choice for Report {
    const WORDS: &'static [(&'static str, Self)] =
        &[("disk", Self::Disk), ("bucket", Self::Bucket), ("disk+bucket", Self::DiskThenBucket)];
}

/// Encryption by the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sse {
    /// Whatever the bucket does by itself.
    #[default]
    None,
    /// With a key of the bucket.
    Aes256,
    /// With a key of KMS.
    Kms,
}

impl Choice for Sse {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("AES256", Self::Aes256), ("aws:kms", Self::Kms)];
}

/// Levels of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Something was lost or refused for our own reasons.
    Error,
    /// Something needs an eye.
    Warn,
    /// What came and went.
    #[default]
    Info,
    /// Each step.
    Debug,
    /// Each message.
    Trace,
}

impl Choice for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for Format {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}
