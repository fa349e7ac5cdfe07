//! `restante spool list|show|verify|export`: looks into a spool, also while a server runs on it. Nothing in it changes.

mod export;
mod object;
mod verify;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use restante::io::files::HostFiles;
use restante::model::ObjectUri;
use restante::spool::{Committed, Envelope, Query, Spool, SpoolError};

use super::settings::Place;
use super::voice::{Failure, Voice};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the objects, oldest first
    List {
        /// Only those of this box
        #[arg(long = "box", value_name = "BOX")]
        mailbox: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Show everything that is known of one object
    Show {
        /// spool:/BOX/NAME or an id
        object: String,
        #[command(flatten)]
        place: Place,
    },
    /// Read objects whole and compare them with their digests; exit code 1 if any is damaged
    Verify(verify::Args),
    /// Copy objects into a directory
    Export(export::Args),
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    match &args.action {
        Action::List { mailbox, place } => list(&Store::open(place)?, mailbox.as_deref(), voice),
        Action::Show { object, place } => show(&Store::open(place)?, object, voice),
        Action::Verify(args) => verify::run(args, voice),
        Action::Export(args) => export::run(args, voice).await,
    }
}

/// A spool that is only read.
struct Store {
    spool: Spool,
    files: HostFiles,
}

impl Store {
    fn open(place: &Place) -> Result<Self, Failure> {
        let path = place.spool_path()?;
        let files = HostFiles::existing(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(&path, "there is no such directory"),
            _ => missing(&path, &error.to_string()),
        })?;
        let spool = Spool::read_only(Arc::new(files.clone())).map_err(|error| match error {
            SpoolError::NotASpool => missing(&path, "the directory has no VERSION file"),
            error => failure(&error),
        })?;
        Ok(Self { spool, files })
    }

    /// Every object, oldest first.
    fn all(&self, mailbox: Option<&str>) -> Result<Vec<Envelope>, Failure> {
        let mut query = Query { mailbox: mailbox.map(str::to_owned), ..Query::default() };
        let mut all = Vec::new();
        loop {
            let page = self.spool.list(&query).map_err(|error| failure(&error))?;
            let Some(last) = page.last() else { return Ok(all) };
            query.cursor = Some(last.id.clone());
            all.extend(page);
        }
    }

    /// The object that `name`, an id or a URI, stands for.
    fn one(&self, name: &str) -> Result<Committed, Failure> {
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
    fn id(&self, name: &str) -> Result<String, Failure> {
        if name.contains(':') { Ok(self.one(name)?.envelope().id.clone()) } else { Ok(name.to_owned()) }
    }
}

fn missing(path: &std::path::Path, why: &str) -> Failure {
    Failure::new(format!("no spool at {}: {why}", path.display()))
        .next("name it with --spool DIR, or make one with `restante serve`")
}

fn failure(error: &SpoolError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        SpoolError::Corrupt { .. } => failure.next("`restante spool verify` checks everything"),
        _ => failure,
    }
}

fn list(store: &Store, mailbox: Option<&str>, voice: Voice) -> Result<(), Failure> {
    let all = store.all(mailbox)?;
    if voice.json {
        return voice.result(&all.iter().map(|envelope| format!("{}\n", object::json(envelope))).collect::<String>());
    }
    if all.is_empty() && !voice.quiet {
        let place = mailbox.map_or_else(|| "the spool".to_owned(), |mailbox| format!("box {mailbox}"));
        eprintln!("{place} is empty");
    }
    voice.result(&object::table(&all))
}

fn show(store: &Store, name: &str, voice: Voice) -> Result<(), Failure> {
    let object = store.one(name)?;
    if voice.json {
        return voice.result(&object::json(object.envelope()).to_string());
    }
    voice.result(&object::page(object.envelope()))
}

/// The directory of the spool as a path, for results.
fn shown(path: &std::path::Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
