//! `restante spool hold|release|mark|delete|undelete|expire`: changes what has become of objects.

use clap::ValueEnum;
use restante::io::clock::Clock;
use restante::model::ObjectUri;
use restante::spool::{Change, Committed, Filter, Hold, Mark, Query, Spool, Standing};

use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::store::{Store, failure};
use super::{alone, object};

#[derive(clap::Args)]
pub(super) struct Args {
    /// spool:/BOX/NAME or ids; what was deleted or has expired goes by its id
    #[arg(required = true, value_name = "OBJECT")]
    objects: Vec<String>,
    /// Who does it, for the record
    #[arg(long, value_name = "WHO", default_value = "operator")]
    by: String,
    #[command(flatten)]
    place: Place,
}

/// What an object can be marked as.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Word {
    /// Nobody has seen it
    New,
    /// It was seen
    Seen,
    /// It was seen and shall be kept
    Saved,
    /// Its reader should not wait
    Urgent,
    /// Its reader may wait
    Calm,
}

impl From<Word> for Change {
    fn from(word: Word) -> Self {
        match word {
            Word::New => Self::Mark(Mark::New),
            Word::Seen => Self::Mark(Mark::Seen),
            Word::Saved => Self::Mark(Mark::Saved),
            Word::Urgent => Self::Urgent(true),
            Word::Calm => Self::Urgent(false),
        }
    }
}

/// Which hold is meant.
#[derive(clap::Args)]
pub(super) struct Kind {
    /// The legal one: the object is delivered as ever, and neither ended nor replaced
    #[arg(long)]
    legal: bool,
}

impl Kind {
    pub(super) const fn hold(&self) -> Hold {
        if self.legal { Hold::Legal } else { Hold::Operator }
    }
}

/// Needs the spool for itself: a server knows by heart what has become of its objects.
pub(super) fn run(args: &Args, change: Change, voice: Voice) -> Result<(), Failure> {
    let spool = alone(&args.place, &route(change))?;
    let clock = Clock::start();
    for name in &args.objects {
        let object = named(&spool, name)?;
        let standing = spool.change(&object, change, &args.by, clock.now()).map_err(|error| failure(&error))?;
        let is_there = spool.find_id(&object.envelope().id).map_err(|error| failure(&error))?.is_some();
        let word = if is_there { standing.word() } else { "ended" };
        voice.result(&if voice.json {
            object::json(object.envelope(), word, &standing).to_string()
        } else {
            let state = if is_there { object::state(&standing) } else { word.to_owned() };
            format!("{}  {}  {state}", object.envelope().id, object.envelope().uri)
        })?;
    }
    Ok(())
}

/// How a running server is asked for the same.
fn route(change: Change) -> String {
    let word = match change {
        Change::Mark(mark) => format!("mark?as={}", mark.word()),
        Change::Read => "mark?as=seen".to_owned(),
        Change::Urgent(urgent) => format!("mark?as={}", if urgent { "urgent" } else { "calm" }),
        Change::Hold(Hold::Operator) => "hold".to_owned(),
        Change::Hold(Hold::Legal) => "hold?legal=true".to_owned(),
        Change::Release(Hold::Operator) => "release".to_owned(),
        Change::Release(Hold::Legal) => "release?legal=true".to_owned(),
        Change::Undelete => "undelete".to_owned(),
        Change::Expire => "expire".to_owned(),
        Change::Delete => return "DELETE /api/v1/objects/ID".to_owned(),
        Change::Purge => return "DELETE /api/v1/objects/ID?now=true".to_owned(),
    };
    format!("POST /api/v1/objects/ID/{word}")
}

fn alone(place: &Place, route: &str) -> Result<Spool, Failure> {
    let why = "a server runs on this spool, and only it may change what has become of its objects";
    alone::open(place, why, &format!("have it do that over HTTP ({route}), or stop it first"))
}

#[derive(clap::Args)]
pub(super) struct CopyArgs {
    /// spool:/BOX/NAME or an id
    object: String,
    /// spool:/BOX/NAME, or spool:/BOX/ for a name of its own
    to: ObjectUri,
    /// Who does it, for the record
    #[arg(long, value_name = "WHO", default_value = "operator")]
    by: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn copy(args: &CopyArgs, voice: Voice) -> Result<(), Failure> {
    let spool = alone(&args.place, "POST /api/v1/objects/ID/copy?to=spool:/BOX/")?;
    let object = named(&spool, &args.object)?;
    let copy = spool.copy(&object, &args.to, &args.by, Clock::start().now()).map_err(|error| failure(&error))?;
    let envelope = copy.envelope();
    voice.result(&if voice.json {
        object::json(envelope, "stored", &Standing::default()).to_string()
    } else {
        format!("{}  {}  copied", envelope.id, envelope.uri)
    })
}

/// The object that `name` stands for, also if it is on its way out.
fn named(spool: &Spool, name: &str) -> Result<Committed, Failure> {
    let uri: Option<ObjectUri> = name
        .contains(':')
        .then(|| name.parse())
        .transpose()
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let found = match &uri {
        Some(uri) => spool.find(uri),
        None => spool.find_id(name),
    };
    let next = "`restante spool list` shows what there is, `--state deleted` and `--state expired` what can come back";
    found.map_err(|error| failure(&error))?.ok_or_else(|| Failure::new(format!("no object {name}")).next(next))
}

/// What the next sweep of a server would take, by which rule.
pub(super) fn due(place: &Place, voice: Voice) -> Result<(), Failure> {
    let spool = Store::open(place)?.spool;
    spool.set_classes(place.classes()?);
    let all = spool.due(Clock::start().now()).map_err(|error| failure(&error))?;
    let what = |ends: bool| if ends { "ends" } else { "expires" };
    for due in &all {
        voice.result(&if voice.json {
            serde_json::json!({
                "id": due.id, "uri": due.uri.to_string(), "size": due.octets, "what": what(due.ends), "why": due.why,
            })
            .to_string()
        } else {
            format!("{}  {:>14}  {:8}  {:26}  {}", due.id, due.octets, what(due.ends), due.why, due.uri)
        })?;
    }
    if all.is_empty() && !voice.quiet {
        eprintln!("nothing is due");
    }
    Ok(())
}

/// How much boxes hold, and may hold.
pub(super) fn boxes(place: &Place, voice: Voice) -> Result<(), Failure> {
    let spool = Store::open(place)?.spool;
    spool.set_classes(place.classes()?);
    let limit = |limit: Option<u64>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    let line = |[mailbox, objects, of_objects, octets, of_octets]: [String; 5]| {
        format!("{objects:>9}  {of_objects:>9}  {octets:>16}  {of_octets:>16}  {mailbox}\n")
    };
    let mut text = line(["BOX", "OBJECTS", "OF", "OCTETS", "OF"].map(str::to_owned));
    for usage in spool.boxes() {
        if voice.json {
            voice.result(
                &serde_json::json!({
                    "box": usage.mailbox, "objects": usage.objects, "octets": usage.octets,
                    "quota_objects": usage.quota.objects, "quota_octets": usage.quota.octets,
                })
                .to_string(),
            )?;
            continue;
        }
        let quota = usage.quota;
        text += &line([
            object::printable(&usage.mailbox),
            usage.objects.to_string(),
            limit(quota.objects),
            usage.octets.to_string(),
            limit(quota.octets),
        ]);
    }
    if voice.json { Ok(()) } else { voice.result(&text) }
}

/// The query for a listing of one box and of what has become of its objects.
pub(super) fn query(mailbox: Option<&str>, state: Option<&str>) -> Result<Query, Failure> {
    let state = state.map(|word| {
        let words = || Filter::WORDS.map(|(word, _)| word).join(", ");
        Filter::of(word).ok_or_else(|| Failure::usage(format!("{word} is none of {}", words())))
    });
    Ok(Query { mailbox: mailbox.map(str::to_owned), state: state.transpose()?, ..Query::default() })
}
