//! The few calls of an object store that the spool is built on, so that a model of a bucket can stand in for one.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::model::Wall;

/// Why a bucket did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// There is no such object, or no such upload.
    #[error("there is no such object")]
    Missing,
    /// Something has that key, or has changed since its tag was read.
    #[error("the key is in use, or was changed meanwhile")]
    Taken,
    /// Who asks may not, or not any more: nothing was done, and other credentials are needed.
    #[error("denied: {0}")]
    Denied(String),
    /// It was understood and refused: nothing was done, and asking again would not help.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer, or one that leaves open whether it was done.
    #[error("no clear answer: {0}")]
    Unclear(String),
    /// The bucket does not know this call.
    #[error("not supported: {0}")]
    Unsupported(String),
}

impl From<BucketError> for io::Error {
    fn from(error: BucketError) -> Self {
        let kind = match &error {
            BucketError::Missing => io::ErrorKind::NotFound,
            BucketError::Taken => io::ErrorKind::AlreadyExists,
            BucketError::Denied(_) => io::ErrorKind::PermissionDenied,
            BucketError::Refused(_) => io::ErrorKind::InvalidInput,
            BucketError::Unclear(_) => io::ErrorKind::TimedOut,
            BucketError::Unsupported(_) => io::ErrorKind::Unsupported,
        };
        Self::new(kind, format!("bucket: {error}"))
    }
}

/// What a bucket says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: String,
    /// Length in octets.
    pub size: u64,
    /// Stands for this version of its content (an ETag); empty if the bucket has none.
    pub tag: String,
    /// When it was put there, by the bucket's clock.
    pub modified: Wall,
}

/// An upload in parts that was begun and neither completed nor given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The key it is for.
    pub key: String,
    /// Its id.
    pub upload: String,
    /// When it was begun, by the bucket's clock.
    pub begun: Wall,
}

/// One bucket, below one prefix: keys are relative to it, and are made by the spool's layout alone. Every call blocks,
/// and tries again by itself for a bounded time before it says [`BucketError::Unclear`].
///
/// What a call has done is durable when it returns, and seen by every call after it.
///
/// # Errors
/// [`BucketError`], from every call.
pub trait Bucket: Send + Sync {
    /// Puts an object in the place of what may be there. Returns its tag.
    fn put(&self, key: &str, octets: &[u8]) -> Result<String, BucketError>;

    /// Puts an object where none is; [`BucketError::Taken`] if there is one. Of several callers at once one succeeds.
    fn create(&self, key: &str, octets: &[u8]) -> Result<String, BucketError>;

    /// Puts an object in the place of the version with this tag; [`BucketError::Taken`] if it is another.
    fn replace(&self, key: &str, tag: &str, octets: &[u8]) -> Result<String, BucketError>;

    /// Octets of an object; fewer only where it ends.
    fn get(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, BucketError>;

    /// What is known of an object.
    fn head(&self, key: &str) -> Result<Stored, BucketError>;

    /// The objects whose keys begin with `prefix`, which ends with `/`, sorted by key: one page of those after `after`,
    /// which is empty if there are none.
    fn list(&self, prefix: &str, after: &str) -> Result<Vec<Stored>, BucketError>;

    /// Removes an object; one that is not there is fine.
    fn delete(&self, key: &str) -> Result<(), BucketError>;

    /// Begins an upload in parts. Returns its id.
    fn begin(&self, key: &str) -> Result<String, BucketError>;

    /// Uploads a part, counted from zero, checked against its SHA-256 by the bucket. Returns what completes it.
    fn part(&self, key: &str, upload: &str, number: usize, octets: Bytes) -> Result<String, BucketError>;

    /// Makes an object of all parts; [`BucketError::Missing`] if there is no such upload, or not any more.
    fn complete(&self, key: &str, upload: &str, parts: &[String]) -> Result<(), BucketError>;

    /// Gives an upload up; one that is not there is fine.
    fn abort(&self, key: &str, upload: &str) -> Result<(), BucketError>;

    /// Uploads for keys that begin with `prefix`, which were neither completed nor given up.
    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, BucketError>;
}
