//! `restante deposit`: brings files into a box, as application server and sending endpoint in one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use restante::engine::CallMedia;
use restante::model::ObjectUri;
use restante::msml::{self, Event};
use serde_json::json;

use super::call::Watch;
use super::documents::Documents;
use super::local::LocalFile;
use super::server::ServerArgs;
use super::station::{self, Gear, Station};
use super::voice::{Failure, Voice};

/// Longer than any transfer: the server's clock for a `<record>` shall not cut off a slow line.
const MAXTIME: Duration = Duration::from_secs(24 * 3600);

/// What the exit event is asked to tell.
const NAMELIST: &[&str] =
    &["record.end", "record.recordid", "record.len", "ft.result", "ft.bytes", "ft.size", "ft.hash"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to deposit
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The box it goes to
    #[arg(long = "box", value_name = "BOX", value_parser = mailbox)]
    mailbox: ObjectUri,
    #[command(flatten)]
    server: ServerArgs,
    /// Octets of one MSRP chunk
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u64).range(1..))]
    chunk: Option<u64>,
    /// Move the octets over TLS (TCP/TLS/MSRP, msrps), and not otherwise
    #[arg(long)]
    tls: bool,
    /// Send no MSML: the server files it by the Request-URI (control.unattended = "deposit")
    #[arg(long)]
    unattended: bool,
}

/// What became of one file.
struct Deposited {
    /// The object's name; unknown without MSML.
    uri: Option<String>,
    /// How long the transfer took.
    took: Duration,
}

/// A box as it is typed.
fn mailbox(text: &str) -> Result<ObjectUri, String> {
    let typed = if text.starts_with("spool:") { text.parse() } else { ObjectUri::mailbox(text) };
    typed.map_err(|error| error.to_string()).and_then(|uri| match uri.name() {
        None => Ok(uri),
        Some(_) => Err("that is an object, not a box".to_owned()),
    })
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    args.server.start_log();
    station::unless_interrupted(all(args, voice)).await
}

async fn all(args: &Args, voice: Voice) -> Result<(), Failure> {
    let gear = Gear { chunk: args.chunk, from: args.server.from.clone(), tls: args.tls, ..Gear::default() };
    let station = Station::open(&args.server.server, station::scratch(None)?, gear).await?;
    let mut failures = Vec::new();
    for path in &args.files {
        if let Err(failure) = one(&station, args, path, voice).await {
            failures.push(failure);
        }
    }
    station.close().await;
    let (failed, all) = (failures.len(), args.files.len());
    match failures.pop() {
        None => Ok(()),
        Some(only) if all == 1 => Err(only),
        Some(last) => {
            failures.iter().chain([&last]).for_each(|failure| _ = failure.tell(voice));
            Err(Failure::new(format!("{failed} of {all} files were not deposited")))
        }
    }
}

async fn one(station: &Station, args: &Args, path: &Path, voice: Voice) -> Result<(), Failure> {
    let named = |failure: Failure| failure.about(&path.display().to_string());
    let file = tokio::task::block_in_place(|| LocalFile::read(path, voice))?;
    let watch = watch(&file, voice, Documents::Hidden);
    let done = if args.unattended {
        push(station, &file, &args.mailbox, watch).await
    } else {
        deposit(station, &file, &args.mailbox, watch).await
    };
    tell(&file, &args.mailbox, &done.map_err(named)?, voice)
}

/// What a transfer of this file looks like.
pub(crate) fn watch(file: &LocalFile, voice: Voice, documents: Documents) -> Watch {
    Watch { voice, label: format!("send {}", file.name()), octets: Some(file.size), documents }
}

/// Sends the file on a call, and MSML that records it.
///
/// # Errors
/// The file is not in the box, and why.
async fn deposit(station: &Station, file: &LocalFile, mailbox: &ObjectUri, watch: Watch) -> Result<Deposited, Failure> {
    let (exit, took) = record(station, file, mailbox, watch).await?;
    Ok(Deposited { uri: Some(stored(&exit, file)?), took })
}

/// Sends the file on a call, and MSML that records it. Returns the dialog's exit event, good or bad, and how long the
/// transfer took.
///
/// # Errors
/// It did not come to an exit event.
pub(crate) async fn record(
    station: &Station,
    file: &LocalFile,
    mailbox: &ObjectUri,
    watch: Watch,
) -> Result<(Event, Duration), Failure> {
    let began = Instant::now();
    let mut call = station.call(mailbox.box_name(), media(file), watch).await?;
    let request = msml::record_request(call.conn(), "deposit", mailbox, MAXTIME, NAMELIST);
    let outcome = call.dialog(request, false).await;
    // The exit event and the REPORT come by different ways, and both are owed.
    let reported = match &outcome {
        Ok(exit) if exit.event.value("record.end") == Some("record.complete") => call.delivered().await,
        _ => Ok(()),
    };
    let took = began.elapsed();
    call.end().await;
    let exit = outcome?;
    reported?;
    Ok((exit.event, took))
}

/// Sends the file on a call and nothing else.
async fn push(station: &Station, file: &LocalFile, mailbox: &ObjectUri, watch: Watch) -> Result<Deposited, Failure> {
    let began = Instant::now();
    let mut call = station.call(mailbox.box_name(), media(file), watch).await?;
    let outcome = call.delivered().await;
    let took = began.elapsed();
    call.end().await;
    outcome.map_err(|failure| failure.next("without MSML the server needs control.unattended = \"deposit\""))?;
    Ok(Deposited { uri: None, took })
}

fn media(file: &LocalFile) -> CallMedia {
    CallMedia::Push { path: file.path.display().to_string(), info: Box::new(file.info.clone()) }
}

/// The object's name, if the exit event says that it is there and the same as ours.
///
/// # Errors
/// Nothing was stored, or something else.
pub(crate) fn stored(exit: &Event, file: &LocalFile) -> Result<String, Failure> {
    if exit.value("record.end") != Some("record.complete") {
        return Err(rejected(exit));
    }
    let ours = format!("sha-256:{}", file.sha256.hex());
    if exit.value("ft.hash") != Some(&ours) {
        let theirs = exit.value("ft.hash").unwrap_or("nothing");
        return Err(Failure::new(format!("the server has stored {theirs}, and the file is {ours}"))
            .next("the file changed while it was sent, or the path is damaged: send it again"));
    }
    exit.value("record.recordid").map(str::to_owned).ok_or_else(|| Failure::new("the server did not name the object"))
}

/// Why a `<record>` brought no object.
fn rejected(exit: &Event) -> Failure {
    let result = exit.value("ft.result").or_else(|| exit.value("record.end")).unwrap_or("it gives no result");
    if let Some(status) = exit.value("dialog.exit.status") {
        let description = exit.value("dialog.exit.description").unwrap_or(result);
        return Failure::new(format!("nothing was stored: the dialog ended with {status}: {description}"));
    }
    let failure = Failure::new(format!("nothing was stored: {result}"));
    match result {
        "ft.hashmismatch" => {
            failure.next("octets were damaged on the way, or the file changed meanwhile: send it again")
        }
        "ft.sizemismatch" => failure.next("the file changed while it was sent: send it again"),
        "ft.toolarge" => failure.next("the server's msrp.max_size is smaller than the file"),
        "ft.badtype" => failure.next("the server's msrp.accept_types does not name the file's type"),
        "ft.storage" => failure.next("the server's disk refuses: its log says why"),
        "ft.disconnected" => failure.next("the MSRP connection broke: send it again"),
        _ => failure.next("the server's log says more"),
    }
}

fn tell(file: &LocalFile, mailbox: &ObjectUri, done: &Deposited, voice: Voice) -> Result<(), Failure> {
    let (path, size, hash) = (file.path.display().to_string(), file.size, file.sha256.hex());
    if voice.json {
        let millis = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX);
        let verified = done.uri.is_some();
        let line = json!({ "file": path, "uri": done.uri, "box": mailbox.box_name(), "octets": size, "sha256": hash,
            "verified": verified, "millis": millis });
        return voice.result(&line.to_string());
    }
    match &done.uri {
        Some(uri) if voice.quiet => voice.result(uri),
        Some(uri) => voice.result(&format!("{uri}  {path}, {size} octets, sha-256 {hash} verified")),
        None => voice.result(&format!("delivered to {mailbox}  {path}, {size} octets, sha-256 {hash}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_typed_bare_or_as_its_uri() {
        assert_eq!(mailbox("bob").map(|uri| uri.to_string()).as_deref(), Ok("spool:/bob/"));
        assert_eq!(mailbox("spool:/bob/"), mailbox("bob"));
        for bad in ["", "..", "a/b", "spool:/bob/x", "spool:/"] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
    }
}
