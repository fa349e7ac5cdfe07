//! Files that a script moves without a peer (the transfer package): read in one place, written in another, and durable
//! before anything is said of it.
//!
//! Sites are asked as scripts are fetched: only those of the operator's lists, each redirect and each address asked about.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Client, Response, StatusCode, Url};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::fetch::{self, reason};
use super::reader::Reader;
use crate::engine::{FileFailure, Moved, Ticket};
use crate::model::limits::{FILES_MOVING, MSML_FETCH_REDIRECTS, SITE_SILENCE};
use crate::model::{FileInfo, ObjectUri, Sites};
use crate::msml::{FileWork, Origin, Place};
use crate::spool::{self, Check, Committed, EnvelopeDraft, Spool, Stage, StagePlan};

/// What is read and written at a time.
const PIECE_OCTETS: usize = 256 * 1024;

/// Pieces on their way to a site.
const PIECES: usize = 2;

/// Sites of one list.
struct Web {
    sites: Arc<Sites>,
    client: OnceCell<Client>,
}

/// Moves files.
pub(super) struct Mover {
    spool: Spool,
    clock: Clock,
    sources: Web,
    targets: Web,
    /// Octets of a file from elsewhere.
    limit: u64,
    turns: Semaphore,
    at_work: Mutex<HashMap<Ticket, CancellationToken>>,
    /// The node stops.
    stopping: CancellationToken,
    /// Two that append to the same object do it one after the other.
    appending: Mutex<()>,
}

impl Web {
    fn new(sites: Sites) -> Self {
        Self { sites: Arc::new(sites), client: OnceCell::new() }
    }

    fn admit(&self, url: &Url) -> Result<(), FileFailure> {
        self.sites.admit(url).map_err(|why| FileFailure::NotAllowed(why.to_string()))
    }

    async fn client(&self) -> Result<&Client, FileFailure> {
        let made = self.client.get_or_try_init(async || fetch::builder(Arc::clone(&self.sites)).build()).await;
        made.map_err(|error| FileFailure::Unreachable(reason(&error)))
    }
}

impl Mover {
    /// Files come from these sites, none longer than so many octets, and go to those.
    pub(super) fn new(
        spool: Spool,
        clock: Clock,
        (sources, targets): (Sites, Sites),
        limit: u64,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            spool,
            clock,
            sources: Web::new(sources),
            targets: Web::new(targets),
            limit,
            turns: Semaphore::new(FILES_MOVING),
            at_work: Mutex::default(),
            stopping,
            appending: Mutex::default(),
        }
    }

    /// Takes the work on: from here on it can be [stopped](Self::stop).
    pub(super) fn begin(&self, ticket: Ticket) -> CancellationToken {
        let stop = self.stopping.child_token();
        self.locked().insert(ticket, stop.clone());
        stop
    }

    /// Does what was begun.
    pub(super) async fn work(
        self: Arc<Self>,
        ticket: Ticket,
        work: FileWork,
        stop: CancellationToken,
    ) -> Result<Moved, FileFailure> {
        let done = self.turn(work, stop).await;
        self.locked().remove(&ticket);
        done
    }

    async fn turn(self: &Arc<Self>, work: FileWork, stop: CancellationToken) -> Result<Moved, FileFailure> {
        let _turn = tokio::select! {
            turn = self.turns.acquire() => turn.map_err(|_| FileFailure::Stopped)?,
            () = stop.cancelled() => return Err(FileFailure::Stopped),
        };
        let mover = Arc::clone(self);
        let worked = tokio::task::spawn_blocking(move || Job { mover: &mover, stop, work: &work }.run()).await;
        worked.map_err(|_| FileFailure::Storage("the work could not be done".to_owned()))?
    }

    pub(super) fn stop(&self, ticket: Ticket) {
        if let Some(stop) = self.locked().get(&ticket) {
            stop.cancel();
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Ticket, CancellationToken>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One piece of work on a thread of its own.
struct Job<'a> {
    mover: &'a Mover,
    stop: CancellationToken,
    work: &'a FileWork,
}

/// A file that is being read.
struct Source {
    octets: Octets,
    /// Of all of it, if that is known.
    size: Option<u64>,
    draft: EnvelopeDraft,
    /// The object that it is.
    object: Option<Committed>,
}

enum Octets {
    /// Hashed as it is read: what has rotted goes nowhere.
    Object {
        reader: Box<Reader>,
        at: u64,
    },
    Web(Response),
    Text(Bytes),
}

impl Job<'_> {
    fn run(&self) -> Result<Moved, FileFailure> {
        let mut source = self.source()?;
        if let Some(object) = source.object.as_ref().filter(|_| self.work.delete)
            && let Some(deed) = self.mover.spool.standing(object).map_err(stored)?.holder()
        {
            // It could not be deleted in the end, and a copy would be left of what was to be moved.
            let (id, by) = (object.envelope().id.clone(), deed.by.clone());
            return Err(stored(spool::SpoolError::Held { id, by }));
        }
        let moved = match &self.work.dest {
            None => Moved::default(),
            Some(Place::Object(dest)) => self.to_spool(&mut source, dest)?,
            Some(Place::Url(dest)) => self.to_site(&mut source, dest)?,
        };
        let Some(object) = source.object.filter(|_| self.work.delete) else { return Ok(moved) };
        match self.mover.spool.delete(&object, "script", self.mover.clock.now()) {
            Err(spool::SpoolError::Gone { .. }) if self.work.dest.is_some() => Ok(moved),
            Err(error) => Err(stored(error)),
            Ok(()) => Ok(moved),
        }
    }

    fn source(&self) -> Result<Source, FileFailure> {
        let mut source = match &self.work.src {
            Origin::Text(text) => {
                let octets = Octets::Text(Bytes::copy_from_slice(text.as_bytes()));
                let (draft, object) = (EnvelopeDraft::default(), None);
                Source { octets, size: Some(text.len() as u64), draft, object }
            }
            Origin::Place(Place::Object(uri)) => self.object(uri)?,
            Origin::Place(Place::Url(url)) => self.web(url)?,
        };
        let file = &mut source.draft.file;
        file.media_type = self.work.media_type.clone().or_else(|| file.media_type.take());
        file.disposition = self.work.disposition.clone().or_else(|| file.disposition.take());
        Ok(source)
    }

    fn object(&self, uri: &ObjectUri) -> Result<Source, FileFailure> {
        let object = self.mover.spool.call_for(uri).map_err(stored)?;
        self.opened(object.ok_or_else(|| FileFailure::NotFound(uri.to_string()))?)
    }

    fn opened(&self, object: Committed) -> Result<Source, FileFailure> {
        let reader = Box::new(Reader::open(&self.mover.spool, object.clone()).map_err(stored)?);
        let (draft, size) = (EnvelopeDraft::from(object.envelope().clone()), object.envelope().size());
        Ok(Source { size: Some(size), octets: Octets::Object { reader, at: 0 }, draft, object: Some(object) })
    }

    fn web(&self, text: &str) -> Result<Source, FileFailure> {
        let mut url = Url::parse(text).map_err(|error| FileFailure::NotAllowed(error.to_string()))?;
        for _ in 0..=MSML_FETCH_REDIRECTS {
            self.mover.sources.admit(&url)?;
            let response = self.wait(self.work.first_timeout, async {
                let client = self.mover.sources.client().await?;
                client.get(url.clone()).send().await.map_err(|error| FileFailure::Unreachable(reason(&error)))
            })?;
            let status = response.status();
            if status == StatusCode::OK && response.content_length().is_some_and(|octets| octets > self.mover.limit) {
                return Err(FileFailure::TooLarge);
            }
            if status == StatusCode::OK {
                return Ok(from_site(&url, response));
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            match location.filter(|_| status.is_redirection()).and_then(|location| url.join(location).ok()) {
                Some(next) => url = next,
                None if status == StatusCode::NOT_FOUND => return Err(FileFailure::NotFound(text.to_owned())),
                None => return Err(FileFailure::Refused(status.as_u16())),
            }
        }
        Err(FileFailure::NotAllowed(format!("more than {MSML_FETCH_REDIRECTS} redirects")))
    }

    /// The next octets; none at the end.
    fn next(&self, source: &mut Source) -> Result<Bytes, FileFailure> {
        if self.stop.is_cancelled() {
            return Err(FileFailure::Stopped);
        }
        match &mut source.octets {
            Octets::Text(text) => Ok(std::mem::take(text)),
            Octets::Object { reader, at } => {
                let mut piece = vec![0; PIECE_OCTETS];
                let octets = reader.read_at(*at, &mut piece).map_err(|why| {
                    reader.distrust(&self.mover.spool, &why);
                    FileFailure::Storage(why)
                })?;
                *at += octets as u64;
                piece.truncate(octets);
                Ok(piece.into())
            }
            Octets::Web(response) => {
                let chunk = self.wait(self.work.idle_timeout, async {
                    response.chunk().await.map_err(|error| FileFailure::Unreachable(reason(&error)))
                })?;
                Ok(chunk.unwrap_or_default())
            }
        }
    }

    fn to_spool(&self, source: &mut Source, dest: &ObjectUri) -> Result<Moved, FileFailure> {
        let spool = &self.mover.spool;
        let before = if self.work.append { spool.find(dest).map_err(stored)? } else { None };
        let known = source.size.unwrap_or(0) + before.as_ref().map_or(0, |object| object.envelope().size());
        let size = source.size.map(|_| known);
        let plan = StagePlan {
            declared: FileInfo { size, ..FileInfo::default() },
            // What has come under the name since it was looked for is somebody else's.
            overwrite: self.work.overwrite || before.is_some(),
            ..StagePlan::new(dest.clone())
        };
        let mut stage = spool.stage(plan, self.mover.clock.now()).map_err(staged)?;
        let total = match self.pour(before.as_ref(), source, &mut stage) {
            Ok(total) => total,
            Err(why) => {
                stage.discard();
                return Err(why);
            }
        };
        let digests = if before.is_none() { source.draft.file.digests.clone() } else { Vec::new() };
        let expected = FileInfo { size: size.or(Some(total)), digests, ..FileInfo::default() };
        let sealed = stage.seal(total, &expected).map_err(sealed)?;
        let mut draft = source.draft.clone();
        if let Some(before) = &before {
            draft.file = before.envelope().file.clone(); // what it is, its beginning says
        }
        // Nobody else puts something behind it between this look and the commit.
        let lock = || self.mover.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let appending = self.work.append.then(lock);
        if appending.is_some() {
            let id = |object: &Committed| object.envelope().id.clone();
            let now = spool.find(dest).map_err(stored)?;
            if now.as_ref().map(id) != before.as_ref().map(id) {
                return Err(FileFailure::Changed(dest.to_string()));
            }
        }
        let object = spool.commit(sealed, draft, self.mover.clock.now()).map_err(committed)?;
        drop(appending);
        Ok(Moved { octets: total, object: Some(object) })
    }

    /// Everything into the stage, what is there already first.
    fn pour(&self, before: Option<&Committed>, source: &mut Source, stage: &mut Stage) -> Result<u64, FileFailure> {
        let mut at = 0;
        if let Some(before) = before {
            at = self.drain(&mut self.opened(before.clone())?, stage, at)?;
        }
        self.drain(source, stage, at)
    }

    fn drain(&self, source: &mut Source, stage: &mut Stage, mut at: u64) -> Result<u64, FileFailure> {
        loop {
            let piece = self.next(source)?;
            if piece.is_empty() {
                return Ok(at);
            }
            let end = at + piece.len() as u64;
            if end > self.mover.limit && matches!(source.octets, Octets::Web(_)) {
                return Err(FileFailure::TooLarge);
            }
            stage.write(at, &piece).map_err(staged)?;
            at = end;
        }
    }

    fn to_site(&self, source: &mut Source, text: &str) -> Result<Moved, FileFailure> {
        let url = Url::parse(text).map_err(|error| FileFailure::NotAllowed(error.to_string()))?;
        self.mover.targets.admit(&url)?;
        if let Some(object) = &source.object
            && self.mover.spool.verify(&object.envelope().id).map_err(stored)? != Check::Sound
        {
            return Err(FileFailure::Storage("the object is damaged".to_owned()));
        }
        let client = self.wait(None, self.mover.targets.client())?;
        let (pieces, queue) = mpsc::channel::<Bytes>(PIECES);
        let handed = Arc::new(AtomicU64::new(0));
        let body = stream::unfold((queue, Arc::clone(&handed)), |(mut queue, handed)| async move {
            let piece = queue.recv().await?;
            handed.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Some((Ok::<_, io::Error>(piece), (queue, handed)))
        });
        let mut request = client.put(url).body(Body::wrap_stream(body));
        if let Some(size) = source.size {
            request = request.header(CONTENT_LENGTH, size);
        }
        if let Some(media_type) = &source.draft.file.media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        let answer = Handle::current().spawn(request.send());
        let sent = self.send(source, pieces).inspect_err(|_| answer.abort());
        let octets = sent?;
        let answer = self.wait(self.work.first_timeout, async {
            answer.await.map_err(|_| FileFailure::Stopped)?.map_err(|error| FileFailure::Unreachable(reason(&error)))
        })?;
        match answer.status() {
            // A site that thanks for a part has not the file.
            status if status.is_success() && handed.load(Ordering::Relaxed) < octets.max(source.size.unwrap_or(0)) => {
                Err(FileFailure::Mismatch)
            }
            status if status.is_success() => Ok(Moved { octets, object: None }),
            status => Err(FileFailure::Refused(status.as_u16())),
        }
    }

    fn send(&self, source: &mut Source, pieces: mpsc::Sender<Bytes>) -> Result<u64, FileFailure> {
        let mut octets = 0;
        loop {
            let piece = self.next(source)?;
            if piece.is_empty() {
                return Ok(octets);
            }
            octets += piece.len() as u64;
            // A site that listens no longer says why in its answer.
            if self.wait(self.work.idle_timeout, async { Ok(pieces.send(piece).await) })?.is_err() {
                return Ok(octets);
            }
        }
    }

    /// Waits for a site, for so long at most.
    fn wait<T>(
        &self,
        within: Option<Duration>,
        what: impl Future<Output = Result<T, FileFailure>>,
    ) -> Result<T, FileFailure> {
        Handle::current().block_on(async {
            tokio::select! {
                done = tokio::time::timeout(within.unwrap_or(SITE_SILENCE), what) => {
                    done.unwrap_or(Err(FileFailure::Idle))
                }
                () = self.stop.cancelled() => Err(FileFailure::Stopped),
            }
        })
    }
}

fn from_site(url: &Url, response: Response) -> Source {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let name = url.path_segments().and_then(|mut segments| segments.next_back()).filter(|name| !name.is_empty());
    let name = name.map(|name| percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned());
    let file = FileInfo { name, media_type, ..FileInfo::default() };
    let draft = EnvelopeDraft { file, ..EnvelopeDraft::default() };
    Source { size: response.content_length(), octets: Octets::Web(response), draft, object: None }
}

fn stored(error: spool::SpoolError) -> FileFailure {
    FileFailure::Storage(error.to_string())
}

fn staged(error: spool::StageError) -> FileFailure {
    match error {
        spool::StageError::Exists(uri) => FileFailure::Exists(uri.to_string()),
        spool::StageError::Quota(quota) => FileFailure::Quota(quota),
        spool::StageError::Overrun { .. } => FileFailure::Mismatch,
        error => FileFailure::Storage(error.to_string()),
    }
}

fn sealed(error: spool::SealError) -> FileFailure {
    match error {
        spool::SealError::Stage(error) => staged(error),
        spool::SealError::Hole { stage, .. } => {
            stage.discard();
            FileFailure::Mismatch
        }
        spool::SealError::Size { .. } | spool::SealError::Digest { .. } => FileFailure::Mismatch,
    }
}

fn committed(error: spool::CommitError) -> FileFailure {
    match error {
        spool::CommitError::Exists(uri) => FileFailure::Exists(uri.to_string()),
        error => FileFailure::Storage(error.to_string()),
    }
}
