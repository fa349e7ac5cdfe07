//! `restante retrieve`: fetches an object, as application server and receiving endpoint in one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use restante::engine::{CallMedia, Wanted};
use restante::model::{FileInfo, ObjectUri};
use restante::msml::{self, Event};
use restante::spool::Committed;
use serde_json::json;

use super::call::{Exit, Watch};
use super::documents::Documents;
use super::local;
use super::server::ServerArgs;
use super::station::{self, Gear, Station};
use super::voice::{Failure, Voice};

/// What the exit event is asked to tell.
const NAMELIST: &[&str] = &["play.end", "play.amt", "ft.result", "ft.size", "ft.hash", "ft.name", "ft.type"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The object, spool:/BOX/NAME
    #[arg(value_name = "URI", value_parser = object)]
    uri: ObjectUri,
    /// Where to put it; without it, the current directory and the object's own file name
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Where to put the file's preview picture, if it has one
    #[arg(long, value_name = "FILE")]
    icon_out: Option<PathBuf>,
    /// Move the octets over TLS (TCP/TLS/MSRP, msrps), and not otherwise
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A file that has come and is still in the station's own spool.
pub(crate) struct Retrieved {
    /// It.
    pub(crate) object: Committed,
    /// How long the call took.
    pub(crate) took: Duration,
}

/// An object as it is typed.
pub(super) fn object(text: &str) -> Result<ObjectUri, String> {
    let uri: ObjectUri = text.parse().map_err(|error| format!("{error}"))?;
    match uri.name() {
        Some(_) => Ok(uri),
        None => Err("that is a box; `restante spool list` shows the objects in it".to_owned()),
    }
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    args.server.start_log();
    station::unless_interrupted(fetch(args, voice)).await
}

async fn fetch(args: &Args, voice: Voice) -> Result<(), Failure> {
    if let Some(path) = args.output.as_deref().filter(|path| !args.force && path.exists()) {
        return Err(occupied(path));
    }
    // Beside the file it will be, so that it gets there whole or not at all.
    let dir = args.output.as_deref().map_or_else(|| Path::new("."), local::parent);
    let part = args.output.as_deref().map(part_of);
    let gear = Gear { from: args.server.from.clone(), tls: args.tls, ..Gear::default() };
    let station = Station::open(&args.server.server, station::scratch(Some(dir))?, gear).await?;
    let retrieved = match any_way(&station, args, part.as_deref(), voice).await {
        Ok(retrieved) => retrieved,
        Err(failure) => return Err(keep(station, part.as_deref(), failure).await),
    };
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(local::plain_name(&retrieved.object)));
    place(&station, &retrieved.object, &path, args.force)?;
    if let Some(part) = part.filter(|part| part.exists()) {
        fs::remove_file(&part).map_err(|error| Failure::new(format!("{}: {error}", part.display())))?;
    }
    let pictured = args.icon_out.as_deref().map(|path| place_icon(&retrieved.object, path)).transpose()?;
    station.close().await;
    tell(args, &retrieved, &path, pictured, voice)
}

/// Goes on with the part that there is, if the server still has the same file; from the beginning otherwise.
async fn any_way(station: &Station, args: &Args, part: Option<&Path>, voice: Voice) -> Result<Retrieved, Failure> {
    let watch = Watch { voice, label: format!("fetch {}", args.uri), octets: None, documents: Documents::Hidden };
    let part = part.filter(|part| part.metadata().is_ok_and(|metadata| metadata.len() > 0));
    if part.is_none() && args.icon_out.is_none() {
        return retrieve(station, &args.uri, watch).await;
    }
    let before = part.map(|part| tokio::task::block_in_place(|| station.prefill(part))).transpose()?;
    match pull(station, &args.uri, before.clone(), watch.clone()).await {
        Err(failure) if failure.is_refusal() && before.is_some() => retrieve(station, &args.uri, watch).await,
        pulled => pulled,
    }
}

/// Asks for the object by its name, or for what is missing of it (RFC 5547 §8.2.2). The server has to trust us for that.
async fn pull(
    station: &Station,
    uri: &ObjectUri,
    part: Option<(String, u64)>,
    watch: Watch,
) -> Result<Retrieved, Failure> {
    let began = Instant::now();
    let selector = FileInfo { name: uri.name().map(str::to_owned), ..FileInfo::default() };
    let media = CallMedia::Pull(Box::new(Wanted { selector, part }));
    let mut call = station.call(uri.box_name(), media, watch).await?;
    let object = call.pulled().await;
    let took = began.elapsed();
    call.end().await;
    Ok(Retrieved { object: object?, took })
}

/// Where a file is as long as it is not whole.
fn part_of(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// What has come of a file that broke off stays beside where it belongs.
async fn keep(station: Station, part: Option<&Path>, failure: Failure) -> Failure {
    let Some(part) = part else {
        station.close().await;
        return failure;
    };
    match station.close_and_keep(part).await {
        Ok(Some(octets)) => {
            failure.next(format!("{octets} octets are in {}: the same command goes on with them", part.display()))
        }
        // The octets were given up when the whole turned out to be something else.
        Ok(None) if part.exists() && fs::remove_file(part).is_ok() => {
            failure.next(format!("what was in {} was of another file and is gone: fetch it again", part.display()))
        }
        Ok(None) => failure,
        Err(error) => failure.next(format!("what came of it could not be kept in {}: {error}", part.display())),
    }
}

/// Puts the picture of a file where it was asked for; says no if there is none.
fn place_icon(object: &Committed, path: &Path) -> Result<bool, Failure> {
    let Some(icon) = &object.envelope().icon else { return Ok(false) };
    fs::write(path, &icon.octets).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(true)
}

/// Has the object played to us and compares what came with what the server says it sent.
///
/// # Errors
/// It did not come, or not as it is.
pub(crate) async fn retrieve(station: &Station, uri: &ObjectUri, watch: Watch) -> Result<Retrieved, Failure> {
    let began = Instant::now();
    let mut call = station.call(uri.box_name(), CallMedia::Receive, watch).await?;
    let request = msml::play_request(call.conn(), "retrieve", std::slice::from_ref(uri), NAMELIST);
    let outcome = call.dialog(request, true).await;
    let took = began.elapsed();
    call.end().await;
    let Exit { event, committed } = outcome?;
    let Some(object) = committed.filter(|_| event.value("play.end") == Some("play.complete")) else {
        return Err(unplayed(uri, &event));
    };
    verify(&event, &object)?;
    Ok(Retrieved { object, took })
}

fn verify(exit: &Event, object: &Committed) -> Result<(), Failure> {
    let envelope = object.envelope();
    let ours = (envelope.size().to_string(), format!("sha-256:{}", envelope.sha256().hex()));
    let theirs = (exit.value("ft.size").unwrap_or_default(), exit.value("ft.hash").unwrap_or_default());
    if (ours.0.as_str(), ours.1.as_str()) == theirs {
        return Ok(());
    }
    let what = format!("{} octets, {} came; the server sent {} octets, {}", ours.0, ours.1, theirs.0, theirs.1);
    Err(Failure::new(what).next("octets were damaged on the way: fetch it again"))
}

/// Why a `<play>` brought nothing.
fn unplayed(uri: &ObjectUri, exit: &Event) -> Failure {
    let result = exit.value("ft.result").or_else(|| exit.value("play.end")).unwrap_or("it gives no result");
    match (exit.value("dialog.exit.status"), exit.value("dialog.exit.description")) {
        (Some("430"), _) => Failure::new(format!("the server has no {uri}"))
            .next(format!("`restante spool list --box {}` on its machine shows what there is", uri.box_name())),
        (Some(status), description) => {
            let why = description.unwrap_or(result);
            Failure::new(format!("{uri} did not come: the dialog ended with {status}: {why}"))
        }
        (None, _) => Failure::new(format!("{uri} did not come: {result}")).next("the server's log says more"),
    }
}

fn place(station: &Station, object: &Committed, path: &Path, force: bool) -> Result<(), Failure> {
    let spool = station.spool_path();
    let aside = station.scratch().join("file");
    let target = if force { &aside } else { path };
    let placed = local::take_out(&station.node, &spool, object, target);
    let placed = if force { placed.and_then(|()| fs::rename(&aside, path)) } else { placed };
    placed.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => occupied(path),
        _ => Failure::new(format!("{}: {error}", path.display())).next("name another place with -o FILE"),
    })
}

fn occupied(path: &Path) -> Failure {
    Failure::new(format!("{} exists", path.display()))
        .next("name another place with -o FILE, or replace it with --force")
}

fn tell(args: &Args, retrieved: &Retrieved, path: &Path, pictured: Option<bool>, voice: Voice) -> Result<(), Failure> {
    let envelope = retrieved.object.envelope();
    let (place, size, hash) = (path.display().to_string(), envelope.size(), envelope.sha256().hex());
    if voice.json {
        let millis = u64::try_from(retrieved.took.as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "uri": args.uri.to_string(), "file": place, "octets": size, "sha256": hash,
            "type": envelope.file.media_type, "name": envelope.file.name, "verified": true, "millis": millis, "icon": pictured });
        return voice.result(&line.to_string());
    }
    let icon = if pictured == Some(false) { ", no icon" } else { "" };
    let text = format!("{place}  {}, {size} octets, sha-256 {hash} verified{icon}", args.uri);
    voice.result(if voice.quiet { &place } else { &text })
}
