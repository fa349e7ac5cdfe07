//! `restante spool verify`: every octet is read again.

use std::collections::BTreeMap;

use restante::spool::{Check, Damage, Query, SpoolError, damaged_records};
use serde_json::json;

use super::super::progress::Progress;
use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::store::{KEYS_WANTED, Store, failure};

#[derive(clap::Args)]
pub(super) struct Args {
    /// spool:/BOX/NAME or ids; without any, everything that is published
    objects: Vec<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let store = Store::open(&args.place)?;
    let sizes: BTreeMap<String, u64> =
        store.all(Query::default())?.into_iter().map(|(envelope, _)| (envelope.id.clone(), envelope.size())).collect();
    let ids = ids(&store, args)?;
    let total = ids.iter().filter_map(|id| sizes.get(id)).sum();
    let mut progress = Progress::new(voice, "verify", total);
    let (mut lines, mut checked, mut damaged, mut closed) = (String::new(), 0, 0, 0);
    for id in &ids {
        let check = match store.spool.verify(id) {
            Ok(check) => check,
            // The running server may delete what was listed a moment ago; what was asked for by name has to be there.
            Err(SpoolError::Gone { .. }) if args.objects.is_empty() => continue,
            Err(SpoolError::KeyMissing { key, .. }) => {
                closed += 1;
                lines += &closed_line(id, &key, voice);
                continue;
            }
            Err(error) => return Err(failure(&error)),
        };
        checked += 1;
        damaged += u64::from(check != Check::Sound);
        lines += &line(id, &check, voice);
        progress.add(sizes.get(id).copied().unwrap_or(0));
    }
    progress.end();
    let records = if args.objects.is_empty() { records(&store)? } else { Vec::new() };
    lines.extend(records.iter().map(|damage| record(damage, voice)));
    voice.result(&lines)?;
    if !records.is_empty() {
        return Err(Failure::new(format!("{} records and {damaged} of {checked} objects are damaged", records.len())).next(
            "a server sets states aside under corrupt/; of a stage whose journal is damaged the sender has to begin again",
        ));
    }
    if damaged > 0 {
        return Err(Failure::new(format!("{damaged} of {checked} objects are damaged")).next(
            "a server sets them aside under corrupt/ when it is asked to send them; bring them back from a backup",
        ));
    }
    if closed > 0 {
        return Err(Failure::new(format!("{closed} objects are encrypted and were not checked")).next(KEYS_WANTED));
    }
    if voice.quiet || voice.json {
        return Ok(());
    }
    let aside = store.spool.status().corrupt;
    let aside = if aside > 0 { format!("; {aside} files lie in corrupt/ from before") } else { String::new() };
    voice.result(&format!("{checked} objects are sound{aside}"))
}

/// What `queued/` has, not what the index knows: a damaged envelope is in the one and not in the other.
fn ids(store: &Store, args: &Args) -> Result<Vec<String>, Failure> {
    if !args.objects.is_empty() {
        return args.objects.iter().map(|name| store.id(name)).collect();
    }
    store.spool.published().map_err(|error| failure(&error))
}

/// States and journals. A journal that is being written may look torn for a moment, so it is looked at twice.
fn records(store: &Store) -> Result<Vec<Damage>, Failure> {
    let look = || damaged_records(&store.spool).map_err(|error| failure(&error));
    let first = look()?;
    if first.is_empty() {
        return Ok(first);
    }
    let again = look()?;
    Ok(first.into_iter().filter(|damage| again.contains(damage)).collect())
}

fn record(damage: &Damage, voice: Voice) -> String {
    let Damage { path, what } = damage;
    if voice.json {
        format!("{}\n", json!({ "path": path, "sound": false, "what": what }))
    } else {
        format!("damaged  {path}  {what}\n")
    }
}

fn line(id: &str, check: &Check, voice: Voice) -> String {
    match (check, voice.json) {
        (Check::Sound, true) => format!("{}\n", json!({ "id": id, "sound": true })),
        (Check::Damaged { what }, true) => format!("{}\n", json!({ "id": id, "sound": false, "what": what })),
        (Check::Sound, false) => String::new(),
        (Check::Damaged { what }, false) => format!("damaged  {id}  {what}\n"),
    }
}

fn closed_line(id: &str, key: &str, voice: Voice) -> String {
    if voice.json { format!("{}\n", json!({ "id": id, "key": key })) } else { format!("closed   {id}  key {key}\n") }
}
