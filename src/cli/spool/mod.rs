//! `restante spool`: looks into a spool, also while a server runs on it. What changes something in it needs it for itself.

mod alone;
mod aside;
mod change;
mod export;
mod object;
mod queue;
mod rebuild;
mod rewrap;
mod stages;
mod store;
mod verify;

use clap::Subcommand;
use restante::spool::{Change, Query, Standing};

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
        /// Only those of which this has become: stored, held, legal, new, seen, saved, urgent; deleted and expired ones
        /// are shown by these words alone
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// What was set aside because it is damaged, instead
        #[arg(long, conflicts_with_all = ["mailbox", "state"])]
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
    /// How many objects and octets the boxes hold, and may hold
    Boxes {
        #[command(flatten)]
        place: Place,
    },
    /// Keep objects from delivery, expiry, deletion and replacement; no server may run on the spool
    Hold {
        #[command(flatten)]
        kind: change::Kind,
        #[command(flatten)]
        args: change::Args,
    },
    /// Take a hold back; no server may run on the spool
    Release {
        #[command(flatten)]
        kind: change::Kind,
        #[command(flatten)]
        args: change::Args,
    },
    /// Say how far the reader of objects is; no server may run on the spool
    Mark {
        /// As what
        mark: change::Word,
        #[command(flatten)]
        args: change::Args,
    },
    /// Delete objects; `undelete` of their [[boxes]] says how long that can be taken back. No server may run on the spool
    Delete {
        /// It can't be taken back, whatever [[boxes]] says, and the octets go at once
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        args: change::Args,
    },
    /// Make another object of the same octets, which are not written again; no server may run on the spool
    Copy(change::CopyArgs),
    /// Bring objects back that were deleted or have expired; no server may run on the spool
    Undelete(change::Args),
    /// Let objects expire before their time; no server may run on the spool
    Expire(change::Args),
    /// Show what a server's next sweep would let expire or end, and by which rule; changes nothing
    Due {
        #[command(flatten)]
        place: Place,
    },
    /// Show how much is to be forwarded, to which host, and since when
    Queue(queue::Args),
    /// Let what is to be forwarded be due at once; no server may run on the spool
    Retry(queue::Retry),
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
        Action::List { mailbox, state, place, .. } => {
            list(&Store::open(place)?, change::query(mailbox.as_deref(), state.as_deref())?, voice)
        }
        Action::Show { object, place } => show(&Store::open(place)?, object, voice),
        Action::Boxes { place } => change::boxes(place, voice),
        Action::Hold { kind, args } => change::run(args, Change::Hold(kind.hold()), voice),
        Action::Release { kind, args } => change::run(args, Change::Release(kind.hold()), voice),
        Action::Mark { mark, args } => change::run(args, (*mark).into(), voice),
        Action::Delete { now, args } => change::run(args, if *now { Change::Purge } else { Change::Delete }, voice),
        Action::Copy(args) => change::copy(args, voice),
        Action::Undelete(args) => change::run(args, Change::Undelete, voice),
        Action::Expire(args) => change::run(args, Change::Expire, voice),
        Action::Due { place } => change::due(place, voice),
        Action::Queue(args) => queue::show(args, voice),
        Action::Retry(args) => queue::retry(args, voice),
        Action::Verify(args) => verify::run(args, voice),
        Action::Export(args) => export::run(args, voice).await,
        Action::Rebuild { place } => rebuild::run(place, voice),
        Action::Stages { place } => stages::list(place, voice),
        Action::Rewrap { place } => rewrap::run(place, voice),
        Action::Drop { ids, place } => stages::remove(place, ids, voice),
    }
}

fn list(store: &Store, query: Query, voice: Voice) -> Result<(), Failure> {
    let place = query.mailbox.as_ref().map_or_else(|| "the spool".to_owned(), |mailbox| format!("box {mailbox}"));
    let is_all = query.state.is_none();
    let all = store.all(query)?;
    if voice.json {
        let json = |(envelope, standing): &(_, Standing)| object::json(envelope, standing.word(), standing);
        voice.result(&all.iter().map(|object| format!("{}\n", json(object))).collect::<String>())?;
        return store.is_open();
    }
    if all.is_empty() && !voice.quiet {
        eprintln!("{place} {}", if is_all { "is empty" } else { "has none" });
    }
    voice.result(&object::table(&all))?;
    store.is_open()
}

fn show(store: &Store, name: &str, voice: Voice) -> Result<(), Failure> {
    let object = store.one(name)?;
    let standing = store.spool.standing(&object).map_err(|error| store::failure(&error))?;
    if voice.json {
        return voice.result(&object::json(object.envelope(), standing.word(), &standing).to_string());
    }
    voice.result(&object::page(object.envelope(), &standing))
}
