//! `restante spool queue|retry`: what is to be forwarded, to whom, and since when.

use std::collections::BTreeMap;

use restante::io::clock::Clock;
use restante::model::Wall;
use restante::queue::{AGES, Lane, Name, host};
use restante::spool::{Delivery, Progress, Spool};
use serde_json::json;

use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::alone;
use super::store::{Store, failure};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The deliveries one by one, those that have ended included
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

/// Works beside a server: what each delivery waits for this moment, only the server knows.
pub(super) fn show(args: &Args, voice: Voice) -> Result<(), Failure> {
    let store = Store::open(&args.place)?;
    let mut deliveries = all(&store.spool)?;
    if !args.all {
        deliveries.retain(|delivery| !delivery.progress.is_settled());
    }
    if voice.json {
        return voice.result(&deliveries.iter().map(|delivery| format!("{}\n", line(delivery))).collect::<String>());
    }
    if deliveries.is_empty() && !voice.quiet {
        eprintln!("nothing is to be forwarded");
    }
    voice.result(&if args.all { list(&deliveries) } else { table(&deliveries, Clock::start().now().wall) })
}

fn all(spool: &Spool) -> Result<Vec<Delivery>, Failure> {
    let (mut all, mut next) = (Vec::new(), Some(String::new()));
    while let Some(cursor) = next {
        let (page, more) = spool.deliveries(&cursor).map_err(|error| failure(&error))?;
        all.extend(page);
        next = more;
    }
    Ok(all)
}

fn line(delivery: &Delivery) -> serde_json::Value {
    let Delivery { id, object, uri, to, progress, attempts, reason, created, next, expires, .. } = delivery;
    let next = (!progress.is_settled()).then(|| next.rfc3339());
    json!({ "id": id, "object": object, "uri": uri, "to": to, "state": word(delivery), "attempts": attempts,
        "reason": reason, "created": created.rfc3339(), "next_attempt": next, "expires": expires.rfc3339() })
}

fn queue(delivery: &Delivery) -> Name {
    match (delivery.progress, delivery.attempts) {
        (Progress::Trying, _) => Name::Active,
        (_, 0) => Name::Incoming,
        _ => Name::Deferred,
    }
}

fn word(delivery: &Delivery) -> &'static str {
    if delivery.progress.is_settled() { delivery.progress.word() } else { queue(delivery).word() }
}

fn list(deliveries: &[Delivery]) -> String {
    let row = |delivery: &Delivery| {
        let Delivery { id, uri, to, attempts, reason, .. } = delivery;
        format!("{id}  {:9}  {attempts:>3}  {uri}  {to}  {reason}\n", word(delivery))
    };
    deliveries.iter().map(row).collect()
}

/// Hosts against ages, those with the most first.
fn table(deliveries: &[Delivery], now: Wall) -> String {
    let mut lanes: BTreeMap<String, Lane> = BTreeMap::new();
    for delivery in deliveries {
        lanes.entry(host(&delivery.to)).or_default().count(queue(delivery), None, delivery.created, now);
    }
    let mut rows: Vec<(String, [usize; AGES.len() + 1])> =
        lanes.into_iter().map(|(host, lane)| (host, lane.ages)).collect();
    rows.sort_by_key(|(_, ages)| std::cmp::Reverse(ages.iter().sum::<usize>()));
    if rows.is_empty() {
        return String::new();
    }
    let columns = AGES.iter().map(|minutes| format!("<{minutes}m")).chain(["older".to_owned()]);
    let mut text = format!("{:32} {:>7}", "DESTINATION", "ALL");
    columns.for_each(|column| text += &format!(" {column:>6}"));
    for (host, ages) in rows {
        text += &format!("\n{host:32} {:>7}", ages.iter().sum::<usize>());
        ages.iter().for_each(|count| text += &format!(" {count:>6}"));
    }
    text + "\n"
}

#[derive(clap::Args)]
pub(super) struct Retry {
    /// Ids of deliveries, or of objects for all of theirs; `all` is all there are
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Needs the spool for itself: a running server has its own mind.
pub(super) fn retry(args: &Retry, voice: Voice) -> Result<(), Failure> {
    let spool = alone::open(
        &args.place,
        "a server runs on this spool, and only it may change what is to be forwarded",
        "have it try again over HTTP (POST /api/v1/deliveries/ID/retry), or stop it first",
    )?;
    let now = Clock::start().now();
    let open: Vec<Delivery> = all(&spool)?.into_iter().filter(|delivery| !delivery.progress.is_settled()).collect();
    for id in &args.ids {
        let meant = |delivery: &&Delivery| id == "all" || *id == delivery.id || *id == delivery.object;
        let mut meant = open.iter().filter(meant).peekable();
        if meant.peek().is_none() && id != "all" {
            return Err(
                Failure::new(format!("{id} is not to be forwarded")).next("`restante spool queue --all` shows what is")
            );
        }
        for delivery in meant {
            let hurried = Delivery { next: now.wall, changed: now.wall, ..delivery.clone() };
            spool.deliver(&hurried, now).map_err(|error| failure(&error))?;
            let told = if voice.json {
                line(&hurried).to_string()
            } else {
                format!("{}  is due when a server starts", delivery.id)
            };
            voice.result(&told)?;
        }
    }
    Ok(())
}
