//! `restante deposit`: brings files into a box, as application server and sending endpoint in one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use restante::engine::{CallMedia, LocalFile as EngineFile};
use restante::model::ObjectUri;
use restante::msml::{self, Event};
use serde_json::json;

use super::call::{Call, Watch};
use super::documents::Documents;
use super::local::{self, LocalFile};
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
    /// A small preview picture of the file; a server that takes none gets the file without
    #[arg(long, value_name = "FILE")]
    icon: Option<PathBuf>,
    /// How often a deposit whose connection breaks is taken up again, where it stopped
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,
    /// Go on with a deposit that broke off, by the word it ended with
    #[arg(long, value_name = "WORD", value_parser = resumed)]
    resume: Option<Progressed>,
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
    if args.resume.is_some() && args.files.len() > 1 {
        return Err(Failure::usage("--resume is about one file"));
    }
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
    let mut file = tokio::task::block_in_place(|| LocalFile::read(path, voice))?;
    file.icon = args.icon.as_deref().map(local::icon).transpose()?;
    let done = stubborn(station, args, &file, voice).await;
    tell(&file, &args.mailbox, &done.map_err(named)?, voice)
}

/// Takes a deposit up again as long as it is the connection that breaks. The Message-ID stays: a server that still has the
/// older session open knows by it who has come back.
async fn stubborn(station: &Station, args: &Args, file: &LocalFile, voice: Voice) -> Result<Deposited, Failure> {
    let mut so_far = match &args.resume {
        Some(progressed) => progressed.clone(),
        None => Progressed { message_id: station::fresh_id()?, octets: 0, durable: 0 },
    };
    let (mut left, mut pause, mut broken) = (args.retries, PAUSE, false);
    loop {
        let watch = watch(file, voice, Documents::Hidden);
        let failure = match attempt(station, args, file, &mut so_far, watch, &mut broken).await {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if so_far.octets > 0 && failure.is_refusal() {
            // The server has not kept all that it had: less of it then, and in the end the whole under the same Message-ID.
            so_far.octets = if so_far.octets > so_far.durable { so_far.durable } else { 0 };
            continue;
        }
        if !broken {
            return Err(failure);
        }
        let Some(fewer) = left.checked_sub(1) else {
            return Err(failure.next(format!("go on with --resume {}-{}", so_far.octets, so_far.message_id)));
        };
        left = fewer;
        if !voice.quiet {
            eprintln!("{}: broken after {} octets, going on", file.path.display(), so_far.octets);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn attempt(
    station: &Station,
    args: &Args,
    file: &LocalFile,
    so_far: &mut Progressed,
    watch: Watch,
    broken: &mut bool,
) -> Result<Deposited, Failure> {
    let began = Instant::now();
    let mut call = station.call(args.mailbox.box_name(), media(file, so_far), watch).await?;
    let from = so_far.octets;
    let done = if args.unattended { push(&mut call).await } else { deposit(&mut call, file, &args.mailbox).await };
    (so_far.octets, so_far.durable) = (from + call.sent(), from + call.durable());
    *broken = call.is_broken();
    let took = began.elapsed();
    call.end().await;
    done.map(|uri| Deposited { uri, took })
}

/// How far a file has come, and under which Message-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progressed {
    message_id: String,
    octets: u64,
    /// Of these, how many a server has that was killed meanwhile.
    durable: u64,
}

/// `OCTETS-MESSAGEID`.
fn resumed(text: &str) -> Result<Progressed, String> {
    let parsed = text.split_once('-').and_then(|(octets, id)| Some((octets.parse().ok()?, id)));
    let letters = |id: &str| (4..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
    match parsed {
        Some((octets, id)) if letters(id) => Ok(Progressed { message_id: id.to_owned(), octets, durable: 0 }),
        _ => Err("it is a number, a hyphen and a Message-ID, as a broken deposit prints it".to_owned()),
    }
}

/// Before the first new attempt; then twice as long each time, so that a server has half a minute to come back.
const PAUSE: Duration = Duration::from_secs(1);

/// What a transfer of this file looks like.
pub(crate) fn watch(file: &LocalFile, voice: Voice, documents: Documents) -> Watch {
    Watch { voice, label: format!("send {}", file.name()), octets: Some(file.size), documents }
}

/// Sends the file on a call, and MSML that records it.
///
/// # Errors
/// The file is not in the box, and why.
async fn deposit(call: &mut Call, file: &LocalFile, mailbox: &ObjectUri) -> Result<Option<String>, Failure> {
    let exit = record_on(call, mailbox).await?;
    stored(&exit, file).map(Some)
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
    let so_far = Progressed { message_id: station::fresh_id()?, octets: 0, durable: 0 };
    let mut call = station.call(mailbox.box_name(), media(file, &so_far), watch).await?;
    let outcome = record_on(&mut call, mailbox).await;
    let took = began.elapsed();
    call.end().await;
    Ok((outcome?, took))
}

/// MSML that records what the call brings.
async fn record_on(call: &mut Call, mailbox: &ObjectUri) -> Result<Event, Failure> {
    let request = msml::record_request(call.conn(), "deposit", mailbox, MAXTIME, NAMELIST);
    let outcome = call.dialog(request, false).await;
    // The exit event and the REPORT come by different ways, and both are owed.
    let reported = match &outcome {
        Ok(exit) if exit.event.value("record.end") == Some("record.complete") => call.delivered().await,
        _ => Ok(()),
    };
    let exit = outcome?;
    reported?;
    Ok(exit.event)
}

/// Sends the file on a call and nothing else.
async fn push(call: &mut Call) -> Result<Option<String>, Failure> {
    let outcome = call.delivered().await;
    outcome.map_err(|failure| failure.next("without MSML the server needs control.unattended = \"deposit\""))?;
    Ok(None)
}

fn media(file: &LocalFile, so_far: &Progressed) -> CallMedia {
    let (path, info, icon) = (file.path.display().to_string(), file.info.clone(), file.icon.clone());
    let message_id = Some(so_far.message_id.clone());
    CallMedia::Push(Box::new(EngineFile { path, info, icon, offset: so_far.octets, message_id }))
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
    fn the_word_of_a_broken_deposit_says_how_far_and_under_which_id() {
        let progressed = Progressed { message_id: "aB3dE".to_owned(), octets: 70, durable: 0 };
        assert_eq!(resumed("70-aB3dE"), Ok(progressed));
        for bad in ["", "70", "x-aB3dE", "70-", "70-a b c", "70-aB3dE\r\n", "-5-aB3dE"] {
            assert!(resumed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_box_is_typed_bare_or_as_its_uri() {
        assert_eq!(mailbox("bob").map(|uri| uri.to_string()).as_deref(), Ok("spool:/bob/"));
        assert_eq!(mailbox("spool:/bob/"), mailbox("bob"));
        for bad in ["", "..", "a/b", "spool:/bob/x", "spool:/"] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
    }
}
