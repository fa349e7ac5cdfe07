//! `restante spool`: looks into a spool, also while a server runs on it. Nothing in it changes, but by `drop`, `rebuild`
//! and `rewrap`.

mod alone;
mod aside;
mod export;
mod object;
mod rebuild;
mod rewrap;
mod stages;
mod store;
mod verify;

use clap::Subcommand;

use super::settings::Place;
use super::voice::{Failure, Voice};
use store::Store;

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
        /// What was set aside because it is damaged, instead
        #[arg(long, conflicts_with = "mailbox")]
        corrupt: bool,
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
    /// Make the index anew from the envelopes, each read and checked; no server may run on the spool
    Rebuild {
        #[command(flatten)]
        place: Place,
    },
    /// List the files of which not everything has come yet, and how much of each is durable
    Stages {
        #[command(flatten)]
        place: Place,
    },
    /// Wrap the keys of all encrypted objects with the first of spool.keys; no server may run on the spool
    Rewrap {
        #[command(flatten)]
        place: Place,
    },
    /// Give up files of which not everything has come; no server may run on the spool
    Drop {
        /// Ids of `restante spool stages`
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    match &args.action {
        Action::List { corrupt: true, place, .. } => aside::list(&Store::open(place)?, voice),
        Action::List { mailbox, place, .. } => list(&Store::open(place)?, mailbox.as_deref(), voice),
        Action::Show { object, place } => show(&Store::open(place)?, object, voice),
        Action::Verify(args) => verify::run(args, voice),
        Action::Export(args) => export::run(args, voice).await,
        Action::Rebuild { place } => rebuild::run(place, voice),
        Action::Stages { place } => stages::list(place, voice),
        Action::Rewrap { place } => rewrap::run(place, voice),
        Action::Drop { ids, place } => stages::remove(place, ids, voice),
    }
}

fn list(store: &Store, mailbox: Option<&str>, voice: Voice) -> Result<(), Failure> {
    let all = store.all(mailbox)?;
    if voice.json {
        voice.result(&all.iter().map(|envelope| format!("{}\n", object::json(envelope))).collect::<String>())?;
        return store.is_open();
    }
    if all.is_empty() && !voice.quiet {
        let place = mailbox.map_or_else(|| "the spool".to_owned(), |mailbox| format!("box {mailbox}"));
        eprintln!("{place} is empty");
    }
    voice.result(&object::table(&all))?;
    store.is_open()
}

fn show(store: &Store, name: &str, voice: Voice) -> Result<(), Failure> {
    let object = store.one(name)?;
    if voice.json {
        return voice.result(&object::json(object.envelope()).to_string());
    }
    voice.result(&object::page(object.envelope()))
}
