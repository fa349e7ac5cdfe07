//! `restante retrieve`: fetches an object, as application server and receiving endpoint in one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use restante::engine::CallMedia;
use restante::model::ObjectUri;
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
fn object(text: &str) -> Result<ObjectUri, String> {
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
    let gear = Gear { from: args.server.from.clone(), tls: args.tls, ..Gear::default() };
    let station = Station::open(&args.server.server, station::scratch(Some(dir))?, gear).await?;
    let watch = Watch { voice, label: format!("fetch {}", args.uri), octets: None, documents: Documents::Hidden };
    let retrieved = retrieve(&station, &args.uri, watch).await?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(local::plain_name(&retrieved.object)));
    place(&station, &retrieved.object, &path, args.force)?;
    station.close().await;
    tell(args, &retrieved, &path, voice)
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

fn tell(args: &Args, retrieved: &Retrieved, path: &Path, voice: Voice) -> Result<(), Failure> {
    let envelope = retrieved.object.envelope();
    let (place, size, hash) = (path.display().to_string(), envelope.size(), envelope.sha256().hex());
    if voice.json {
        let millis = u64::try_from(retrieved.took.as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "uri": args.uri.to_string(), "file": place, "octets": size, "sha256": hash,
            "type": envelope.file.media_type, "name": envelope.file.name, "verified": true, "millis": millis });
        return voice.result(&line.to_string());
    }
    let text = format!("{place}  {}, {size} octets, sha-256 {hash} verified", args.uri);
    voice.result(if voice.quiet { &place } else { &text })
}
