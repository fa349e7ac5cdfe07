//! `restante spool stages|drop`: files of which not everything has come yet.

use restante::spool::Arriving;
use serde_json::json;

use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::alone;
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
    let spool = alone::open(
        place,
        "a server runs on this spool, and the sender may still be at work",
        "stop the server first; what nobody comes back for it removes by itself after a day",
    )?;
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
