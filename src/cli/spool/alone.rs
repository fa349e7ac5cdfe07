//! A spool that no server has: for commands that change something in it.

use std::sync::Arc;

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::io::remote;
use restante::spool::{Index, Spool, SpoolError};

use super::super::settings::Place;
use super::super::voice::Failure;
use super::store::{Store, failure};

/// Opens the spool for writing. If a server runs on it, `why` says why that won't do, and `next` what to do about it.
pub(super) fn open(place: &Place, why: &str, next: &str) -> Result<Spool, Failure> {
    drop(Store::open(place)?); // says what is wrong with the path
    let (settings, _) = place.spool()?;
    let remote = remote::open(&settings, &[]).map_err(|error| Failure::new(error.to_string()))?;
    let path = settings.path;
    let broken = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let files = HostFiles::existing(&path).map_err(broken)?;
    let mint = entropy::mint().map_err(broken)?;
    let index = Index::open(path.join("index.sqlite"));
    let (keys, now) = (place.keys()?, Clock::start().now());
    let opened = Spool::open_with_bucket(Arc::new(files), remote, index, keys, mint, now);
    let (spool, _) = opened.map_err(|error| match error {
        SpoolError::Locked => Failure::new(why).next(next),
        error => failure(&error),
    })?;
    spool.set_classes(place.classes()?);
    Ok(spool)
}
