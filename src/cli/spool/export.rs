//! `restante spool export`: objects as plain files, each checked on its way, with a list of what they are.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use restante::spool::{Body, Committed, Query};
use sha2::{Digest as _, Sha256};

use super::super::progress::Progress;
use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::object;
use super::store::{Store, failure};

/// Octets that are in memory at once.
const PART_OCTETS: usize = 8 * 1024 * 1024;

/// The list of what was exported, one JSON object a line.
const LIST: &str = "export.jsonl";

#[derive(clap::Args)]
pub(super) struct Args {
    /// spool:/BOX/NAME or ids; without any, everything
    objects: Vec<String>,
    /// Directory to write to: bodies as boxes/BOX/NAME, and export.jsonl with what is known of each
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Only objects of this box
    #[arg(long = "box", value_name = "BOX", conflicts_with = "objects")]
    mailbox: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let store = Store::open(&args.place)?;
    let objects = chosen(&store, args)?;
    let target = target(&args.to)?;
    let total: u64 = objects.iter().map(|object| object.envelope().size()).sum();
    let mut progress = Progress::new(voice, "export", total);
    let mut list = String::new();
    for object in &objects {
        let path = path(object);
        if !args.overwrite && target.head(&path).await.is_ok() {
            return Err(Failure::new(format!("{path} is there already in {}", args.to.display()))
                .next("choose another directory, or replace it with --overwrite"));
        }
        let body = store.spool.read(object).map_err(|error| failure(&error))?;
        copy(&target, &path, object, &body, &mut progress).await?;
        let standing = store.spool.standing(object).map_err(|error| failure(&error))?;
        let mut entry = object::json(object.envelope(), standing.word(), &standing);
        entry["path"] = path.to_string().into();
        list += &format!("{entry}\n");
    }
    progress.end();
    target.put(&Path::from(LIST), PutPayload::from(list.clone())).await.map_err(|error| unwritable(LIST, &error))?;
    if voice.json {
        return voice.result(&list);
    }
    let text = format!("{} objects, {total} octets, are in {}", objects.len(), args.to.display());
    if voice.quiet { Ok(()) } else { voice.result(&text) }
}

fn chosen(store: &Store, args: &Args) -> Result<Vec<Committed>, Failure> {
    if !args.objects.is_empty() {
        return args.objects.iter().map(|name| store.one(name)).collect();
    }
    store.is_open()?;
    let all = store.all(Query { mailbox: args.mailbox.clone(), ..Query::default() })?;
    let found = all.iter().map(|(envelope, _)| store.spool.find_id(&envelope.id).map_err(|error| failure(&error)));
    found.filter_map(Result::transpose).collect()
}

fn target(directory: &std::path::Path) -> Result<LocalFileSystem, Failure> {
    let refused = |why: String| Failure::new(format!("{}: {why}", directory.display()));
    fs::create_dir_all(directory).map_err(|error| refused(error.to_string()))?;
    // Without it nothing is synced, and an export is often the last copy before a disk is wiped.
    let target = LocalFileSystem::new_with_prefix(directory).map_err(|error| refused(error.to_string()))?;
    Ok(target.with_fsync(true))
}

/// Names are percent-encoded where a path could not carry them.
fn path(object: &Committed) -> Path {
    let uri = &object.envelope().uri;
    Path::from_iter(["boxes", uri.box_name(), uri.name().unwrap_or_default()])
}

async fn copy(
    target: &LocalFileSystem,
    path: &Path,
    object: &Committed,
    body: &Body,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let envelope = object.envelope();
    if body.size() == 0 {
        target.put(path, PutPayload::new()).await.map_err(|error| unwritable(path.as_ref(), &error))?;
        return Ok(());
    }
    let mut upload = target.put_multipart(path).await.map_err(|error| unwritable(path.as_ref(), &error))?;
    let copied = parts(upload.as_mut(), path, body, progress).await;
    let damaged = || Failure::new(format!("{} is damaged: its octets don't have its SHA-256", envelope.uri));
    let checked = copied.and_then(|sha256| if sha256 == envelope.sha256().octets() { Ok(()) } else { Err(damaged()) });
    if let Err(failure) = checked {
        let _ = upload.abort().await; // what is left of it has a temporary name
        return Err(failure);
    }
    upload.complete().await.map_err(|error| unwritable(path.as_ref(), &error))?;
    Ok(())
}

/// Moves the octets and gives their SHA-256.
async fn parts(
    upload: &mut dyn MultipartUpload,
    path: &Path,
    body: &Body,
    progress: &mut Progress,
) -> Result<Vec<u8>, Failure> {
    let (mut hash, mut offset) = (Sha256::new(), 0);
    while offset < body.size() {
        let part = part(body, offset)?;
        if part.is_empty() {
            break; // the body is shorter than its envelope says: the digest will tell
        }
        hash.update(&part);
        offset += part.len() as u64;
        upload.put_part(part.clone().into()).await.map_err(|error| unwritable(path.as_ref(), &error))?;
        progress.add(part.len() as u64);
    }
    Ok(hash.finalize().to_vec())
}

fn part(body: &Body, offset: u64) -> Result<Bytes, Failure> {
    let left = usize::try_from(body.size() - offset).unwrap_or(usize::MAX);
    let mut buffer = vec![0; left.min(PART_OCTETS)];
    let mut filled = 0;
    while filled < buffer.len() {
        let read = body.read_at(offset + filled as u64, &mut buffer[filled..]).map_err(|error| failure(&error))?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

fn unwritable(path: &str, error: &object_store::Error) -> Failure {
    Failure::new(format!("{path}: {error}"))
}
