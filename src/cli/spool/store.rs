//! A spool opened for reading, and its objects by the names that are typed.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use restante::io::files::HostFiles;
use restante::io::remote;
use restante::model::ObjectUri;
use restante::spool::{Committed, Envelope, Files, NoFiles, Query, Spool, SpoolError, Standing};

use super::super::settings::Place;
use super::super::voice::Failure;

/// A spool that is only read.
pub(super) struct Store {
    pub(super) spool: Spool,
}

impl Store {
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        let (settings, is_elsewhere) = place.spool()?;
        let path = &settings.path;
        let remote = remote::open(&settings, &[]).map_err(|error| Failure::new(error.to_string()))?;
        let files: Arc<dyn Files> = match HostFiles::existing(path) {
            _ if is_elsewhere => Arc::new(NoFiles),
            Ok(files) => Arc::new(files),
            Err(error) if remote.is_some() && error.kind() == ErrorKind::NotFound => Arc::new(NoFiles),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(missing(path, "there is no such directory"));
            }
            Err(error) => return Err(missing(path, &error.to_string())),
        };
        let bucket = settings.url.as_ref().filter(|_| remote.is_some());
        let spool =
            Spool::read_only_with_bucket(files, remote, place.keys()?).map_err(|error| match (error, bucket) {
                (SpoolError::NotASpool, Some(url)) => Failure::new(format!("no spool at {url}: there is no VERSION"))
                    .next("make one with `restante serve`"),
                (SpoolError::NotASpool, None) => missing(path, "the directory has no VERSION file"),
                (error, _) => failure(&error),
            })?;
        Ok(Self { spool })
    }

    /// Every object that fits a query, oldest first, and what has become of it.
    pub(super) fn all(&self, mut query: Query) -> Result<Vec<(Envelope, Standing)>, Failure> {
        let mut all = Vec::new();
        loop {
            let page = self.spool.listing(&query).map_err(|error| failure(&error))?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            query.cursor = Some(last.id.clone());
            all.extend(page);
        }
    }

    /// Fails if there are objects that no key at hand opens: who asks for all of them has to know.
    pub(super) fn is_open(&self) -> Result<(), Failure> {
        let waiting = self.spool.waiting_for_keys().map_err(|error| failure(&error))?;
        let Some((key, objects)) = waiting.first() else { return Ok(()) };
        let what = format!(
            "{objects} objects are encrypted with the key {key:?}, which is not at hand, or is another one of that name"
        );
        Err(Failure::new(what).next(KEYS_WANTED))
    }

    /// The object that `name`, an id or a URI, stands for.
    pub(super) fn one(&self, name: &str) -> Result<Committed, Failure> {
        let found = if name.contains(':') {
            let uri: ObjectUri = name.parse().map_err(|error| Failure::usage(format!("{name}: {error}")))?;
            if uri.name().is_none() {
                return Err(Failure::usage(format!("{name} is a box, not an object"))
                    .next(format!("`restante spool list --box {}` lists it", uri.box_name())));
            }
            self.spool.find(&uri)
        } else {
            self.spool.find_id(name)
        };
        let found = found.map_err(|error| failure(&error))?;
        let none = || Failure::new(format!("no object {name}")).next("`restante spool list` shows what there is");
        found.ok_or_else(none)
    }

    /// The id that `name` stands for. An id is taken as it is: its object may be damaged.
    pub(super) fn id(&self, name: &str) -> Result<String, Failure> {
        if name.contains(':') { Ok(self.one(name)?.envelope().id.clone()) } else { Ok(name.to_owned()) }
    }
}

pub(super) fn missing(path: &Path, why: &str) -> Failure {
    Failure::new(format!("no spool at {}: {why}", path.display()))
        .next("name it with --spool DIR, or make one with `restante serve`")
}

/// What to do when something can't be opened.
pub(super) const KEYS_WANTED: &str =
    "name the key as the server does: spool.keys in --config FILE, or RESTANTE_SPOOL__KEYS";

pub(super) fn failure(error: &SpoolError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        SpoolError::Corrupt { .. } => failure.next("`restante spool verify` checks everything"),
        SpoolError::KeyMissing { .. } => failure.next(KEYS_WANTED),
        SpoolError::Held { .. } => failure.next("`restante spool release` does, `--legal` if it is a legal hold"),
        _ => failure,
    }
}
