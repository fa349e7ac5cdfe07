//! `restante spool stages|drop`: files of which not everything has come yet.

use std::sync::Arc;

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::spool::{Arriving, Index, Spool, SpoolError};
use serde_json::json;

use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::store::{Store, failure};

pub(super) fn list(place: &Place, voice: Voice) -> Result<(), Failure> {
    let all = Store::open(place)?.spool.stages().map_err(|error| failure(&error))?;
    if voice.json {
        return voice.result(&all.iter().map(|stage| format!("{}\n", json(stage))).collect::<String>());
    }
    if all.is_empty() && !voice.quiet {
        eprintln!("every file is whole");
    }
    let head = (!all.is_empty()).then(|| line(["ID", "BEGUN", "DURABLE", "LENGTH", "DECLARED"].map(str::to_owned)));
    voice.result(&head.into_iter().chain(all.iter().map(row)).collect::<String>())
}

fn json(stage: &Arriving) -> serde_json::Value {
    let Arriving { id, begun, declared, durable, length } = stage;
    json!({ "id": id, "begun": begun.rfc3339(), "durable": durable, "length": length, "declared": declared })
}

fn row(stage: &Arriving) -> String {
    let declared = stage.declared.map_or_else(|| "-".to_owned(), |octets| octets.to_string());
    let (durable, length) = (stage.durable.to_string(), stage.length.to_string());
    line([stage.id.clone(), stage.begun.rfc3339(), durable, length, declared])
}

fn line([id, begun, durable, length, declared]: [String; 5]) -> String {
    format!("{id:26}  {begun:27}  {durable:>14}  {length:>14}  {declared:>14}\n")
}

/// Needs the spool for itself: only its owner knows whether somebody still writes.
pub(super) fn remove(place: &Place, ids: &[String], voice: Voice) -> Result<(), Failure> {
    drop(Store::open(place)?); // says what is wrong with the path
    let path = place.spool_path()?;
    let broken = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let files = HostFiles::existing(&path).map_err(broken)?;
    let mint = entropy::mint().map_err(broken)?;
    let index = Index::open(path.join("index.sqlite"));
    let opened = Spool::open(Arc::new(files), index, mint, Clock::start().now());
    let (spool, _) = opened.map_err(|error| match error {
        SpoolError::Locked => Failure::new("a server runs on this spool, and the sender may still be at work")
            .next("stop the server first; what nobody comes back for it removes by itself after a day"),
        error => failure(&error),
    })?;
    for id in ids {
        if !spool.forget_stage(id).map_err(|error| failure(&error))? {
            return Err(
                Failure::new(format!("nothing arrives as {id}")).next("`restante spool stages` shows what does")
            );
        }
        voice.result(&if voice.json {
            json!({ "id": id, "dropped": true }).to_string()
        } else {
            format!("dropped  {id}")
        })?;
    }
    Ok(())
}
