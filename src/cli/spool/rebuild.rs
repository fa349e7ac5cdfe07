//! `restante spool rebuild`: the index made anew from the envelopes.

use std::sync::Arc;

use restante::io::clock::Clock;
use restante::io::entropy;
use restante::io::files::HostFiles;
use restante::io::remote;
use restante::spool::recover::Verdict;
use restante::spool::{Index, Spool, SpoolError};
use serde_json::json;

use super::super::progress::Progress;
use super::super::settings::Place;
use super::super::voice::{Failure, Voice};
use super::store::{failure, missing};

pub(super) fn run(place: &Place, voice: Voice) -> Result<(), Failure> {
    let (settings, _) = place.spool()?;
    let remote = remote::open(&settings, &[]).map_err(|error| Failure::new(error.to_string()))?;
    let path = settings.path;
    let files = HostFiles::existing(&path).map_err(|error| missing(&path, &error.to_string()))?;
    let mint = entropy::mint().map_err(|error| Failure::new(format!("no randomness: {error}")))?;
    let index = Index::open(path.join("index.sqlite"));
    let mut progress = None;
    let mut told = |judged, all| progress.get_or_insert_with(|| Progress::objects(voice, "rebuild", all)).at(judged);
    let (keys, now) = (place.keys()?, Clock::start().now());
    let rebuilt = Spool::rebuild(Arc::new(files), remote, index, keys, mint, now, &mut told);
    let (spool, recovery) = rebuilt.map_err(|error| match error {
        SpoolError::Locked => Failure::new("a server runs on this spool, and needs its index")
            .next("stop the server first; one that is started without index.sqlite makes it anew by itself"),
        SpoolError::NotASpool => missing(&path, "the directory has no VERSION file"),
        error => failure(&error),
    })?;
    if let Some(progress) = progress {
        progress.end();
    }
    drop(spool); // what is still in memory goes to the file
    let found: Vec<(&str, &str)> =
        recovery.verdicts.iter().filter_map(|(id, verdict)| Some((id.as_str(), words(*verdict)?))).collect();
    let damaged = recovery.verdicts.iter().filter(|(_, verdict)| is_damage(*verdict)).count();
    voice.result(&if voice.json {
        let found: Vec<_> = found.iter().map(|(id, what)| json!({ "id": id, "what": what })).collect();
        json!({ "objects": recovery.objects, "damaged": damaged, "found": found }).to_string()
    } else {
        let lines: String = found.iter().map(|(id, what)| format!("{id}  {what}\n")).collect();
        format!("{lines}{} objects are in the index", recovery.objects)
    })?;
    if damaged == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{damaged} objects are damaged and lie under corrupt/ now"))
        .next("bring them back from a backup"))
}

const fn is_damage(verdict: Verdict) -> bool {
    use Verdict::{BodyMissing, BodyTorn, EnvelopeDamaged, EnvelopeMissing};
    matches!(verdict, EnvelopeDamaged | EnvelopeMissing | BodyMissing | BodyTorn)
}

/// What is worth telling of an id: all but whole objects, and files that wait for their senders.
const fn words(verdict: Verdict) -> Option<&'static str> {
    Some(match verdict {
        Verdict::Newer => "written by a later release, and left alone",
        Verdict::Bury => "deleted; the deletion is finished now",
        Verdict::EnvelopeDamaged => "damaged: the envelope does not pass its checksum",
        Verdict::EnvelopeMissing => "damaged: the envelope is missing",
        Verdict::BodyMissing => "damaged: the body is missing",
        Verdict::BodyTorn => "damaged: the body has another length than its envelope says",
        Verdict::Orphan => "a body without an envelope; set aside",
        _ => return None,
    })
}
