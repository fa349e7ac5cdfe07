//! The spool's bucket calls on a real object store that speaks S3.
//!
//! All calls block the thread they come from; the requests themselves are made on a small runtime of their own, so that
//! they go on whatever the caller's thread belongs to.

mod doctor;
mod told;
mod unfinished;

use std::ffi::OsString;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, RetryConfig, TagSet, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

pub use doctor::{Examination, Finding, examine};

use told::told;

use crate::config::{self, BucketUrl, Sse};
use crate::model::Wall;
use crate::spool::{Bucket, BucketError, Stored, Unfinished};

/// One request may take so long, its octets included: 8 MiB at 1 Mbit/s.
const REQUEST: Duration = Duration::from_secs(70);

/// A bucket that nobody answers for.
const CONNECT: Duration = Duration::from_secs(5);

/// A failed request is made again for so long at most: a peer waits for its REPORT meanwhile.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 },
    max_retries: 5,
    retry_timeout: Duration::from_secs(15),
};

/// Why there is no bucket to talk to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The environment says something that makes no sense.
    #[error("{url}: {why}")]
    Settings {
        /// The bucket.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The machine has no thread left.
    #[error("no thread for the bucket: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A bucket behind S3, below a prefix.
pub struct S3Bucket {
    /// There until the end.
    runtime: Option<Runtime>,
    store: Arc<AmazonS3>,
    http: ClientOptions,
    prefix: Path,
    tags: TagSet,
}

type Answer<T> = Result<T, BucketError>;

impl S3Bucket {
    /// The bucket of this address. Endpoint, region and credentials come from the environment; nothing is asked yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(url: &BucketUrl, settings: &config::Spool) -> Result<Self, OpenError> {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::open_in(url, settings, std::env::vars_os().filter_map(text))
    }

    /// As [`S3Bucket::open`], in an environment of these variables.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_in(
        url: &BucketUrl,
        settings: &config::Spool,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenError> {
        let wrong = |error: object_store::Error| OpenError::Settings { url: url.to_string(), why: error.to_string() };
        let mut builder = AmazonS3Builder::new();
        let mut http = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
        for (name, value) in variables.into_iter().filter(|(name, _)| name.starts_with("AWS_")) {
            if name == "AWS_ALLOW_HTTP" {
                http = http.with_allow_http(value == "1" || value.eq_ignore_ascii_case("true"));
            } else if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        builder = builder
            .with_client_options(http.clone())
            .with_bucket_name(&url.bucket)
            .with_retry(RETRY)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_checksum_algorithm(Checksum::SHA256);
        builder = match (settings.sse, &settings.sse_key) {
            (Sse::None, _) => builder,
            (Sse::Aes256, _) => builder.with_config(encryption("aws_server_side_encryption"), "AES256"),
            (Sse::Kms, None) => builder.with_config(encryption("aws_server_side_encryption"), "aws:kms"),
            (Sse::Kms, Some(key)) => builder.with_sse_kms_encryption(key),
        };
        let mut tags = TagSet::default();
        settings.tags.iter().for_each(|tag| tags.push(&tag.key, &tag.value));
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build()?;
        let store = Arc::new(builder.build().map_err(wrong)?);
        Ok(Self { runtime: Some(runtime), store, http, prefix: Path::from(url.prefix.as_str()), tags })
    }

    fn path(&self, key: &str) -> Path {
        Path::from(format!("{}/{key}", self.prefix))
    }

    /// Makes a request on the bucket's own runtime and waits for its end.
    fn ask<T: Send + 'static>(&self, request: impl Future<Output = Answer<T>> + Send + 'static) -> Answer<T> {
        let (sender, receiver) = sync_channel(1);
        let runtime = self.runtime.as_ref().expect("it is there until the end");
        runtime.spawn(async move { sender.send(request.await) });
        receiver.recv().unwrap_or_else(|_| Err(BucketError::Unclear("the request was cut off".to_owned())))
    }

    fn put_as(&self, key: &str, octets: &[u8], mode: PutMode) -> Answer<String> {
        let (store, path, payload) = (Arc::clone(&self.store), self.path(key), Bytes::copy_from_slice(octets));
        let options = PutOptions { mode, tags: self.tags.clone(), ..PutOptions::default() };
        self.ask(async move {
            let put = store.put_opts(&path, PutPayload::from_bytes(payload), options).await.map_err(told)?;
            Ok(put.e_tag.unwrap_or_default())
        })
    }

    /// What the bucket says of an object, under the key that the spool knows.
    fn stored(prefix: &Path, meta: ObjectMeta) -> Option<Stored> {
        let key: Path = meta.location.prefix_match(prefix)?.collect();
        Some(Stored {
            key: key.to_string(),
            size: meta.size,
            tag: meta.e_tag.unwrap_or_default(),
            modified: Wall::from_micros(u64::try_from(meta.last_modified.timestamp_micros()).unwrap_or(0)),
        })
    }
}

impl Drop for S3Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // whoever drops it may be on another runtime, where nobody may wait
        }
    }
}

fn encryption(key: &str) -> AmazonS3ConfigKey {
    key.parse().expect("the library has this key")
}

impl Bucket for S3Bucket {
    fn put(&self, key: &str, octets: &[u8]) -> Answer<String> {
        self.put_as(key, octets, PutMode::Overwrite)
    }

    fn create(&self, key: &str, octets: &[u8]) -> Answer<String> {
        self.put_as(key, octets, PutMode::Create)
    }

    fn replace(&self, key: &str, tag: &str, octets: &[u8]) -> Answer<String> {
        let version = UpdateVersion { e_tag: Some(tag.to_owned()), version: None };
        self.put_as(key, octets, PutMode::Update(version))
    }

    fn get(&self, key: &str, range: Range<u64>) -> Answer<Vec<u8>> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        self.ask(async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            let found = store.get_opts(&path, options).await.map_err(told)?;
            Ok(found.bytes().await.map_err(told)?.into())
        })
    }

    fn head(&self, key: &str) -> Answer<Stored> {
        let (store, path, prefix) = (Arc::clone(&self.store), self.path(key), self.prefix.clone());
        self.ask(async move {
            let meta = store.head(&path).await.map_err(told)?;
            Self::stored(&prefix, meta).ok_or(BucketError::Missing)
        })
    }

    fn list(&self, prefix: &str, after: &str) -> Answer<Vec<Stored>> {
        let (store, root) = (Arc::clone(&self.store), self.prefix.clone());
        let below = format!("{}/", self.path(prefix));
        let offset = (!after.is_empty()).then(|| self.path(after).to_string());
        self.ask(async move {
            let options = PaginatedListOptions { offset, ..PaginatedListOptions::default() };
            let page = store.list_paginated(Some(&below), options).await.map_err(told)?;
            Ok(page.result.objects.into_iter().filter_map(|meta| Self::stored(&root, meta)).collect())
        })
    }

    fn delete(&self, key: &str) -> Answer<()> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        self.ask(async move { gone_is_fine(store.delete(&path).await.map_err(told)) })
    }

    fn begin(&self, key: &str) -> Answer<String> {
        let (store, path, tags) = (Arc::clone(&self.store), self.path(key), self.tags.clone());
        self.ask(async move {
            let options = PutMultipartOptions { tags, ..PutMultipartOptions::default() };
            store.create_multipart_opts(&path, options).await.map_err(told)
        })
    }

    fn part(&self, key: &str, upload: &str, number: usize, octets: Bytes) -> Answer<String> {
        let (store, path, upload) = (Arc::clone(&self.store), self.path(key), upload.to_owned());
        self.ask(
            async move { Ok(store.put_part(&path, &upload, number, octets.into()).await.map_err(told)?.content_id) },
        )
    }

    fn complete(&self, key: &str, upload: &str, parts: &[String]) -> Answer<()> {
        let (store, path, upload) = (Arc::clone(&self.store), self.path(key), upload.to_owned());
        let parts: Vec<PartId> = parts.iter().map(|tag| PartId { content_id: tag.clone() }).collect();
        self.ask(async move { store.complete_multipart(&path, &upload, parts).await.map(drop).map_err(told) })
    }

    fn abort(&self, key: &str, upload: &str) -> Answer<()> {
        let (store, path, upload) = (Arc::clone(&self.store), self.path(key), upload.to_owned());
        self.ask(async move { gone_is_fine(store.abort_multipart(&path, &upload).await.map_err(told)) })
    }

    fn unfinished(&self, prefix: &str) -> Answer<Vec<Unfinished>> {
        let (store, http, root) = (Arc::clone(&self.store), self.http.clone(), self.prefix.clone());
        let below = format!("{}/", self.path(prefix));
        self.ask(async move { unfinished::list(&store, &http, &root, &below).await })
    }
}

fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(BucketError::Missing) => Ok(()),
        answer => answer,
    }
}
