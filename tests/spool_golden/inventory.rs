//! What is in a spool, as text that can be compared: objects with all that is known of them, deletions, stages, damage.

use std::fs;
use std::path::Path;

use restante::model::Wrapper;
use restante::spool::{Check, Envelope, Query, Spool, Standing};
use serde_json::{Value, json};

use super::disk::opened;

/// Opens the spool in `dir` and tells everything of it. Bodies are read whole.
pub(crate) fn taken(dir: &Path) -> String {
    let spool = opened(dir);
    let listed = spool.list(&Query::default()).expect("a list");
    let objects: Vec<Value> = listed.iter().map(|envelope| object(&spool, &envelope.id)).collect();
    let mut fates = Vec::new();
    for id in spool.published().expect("a listing") {
        let object = spool.find_id(&id).expect("an envelope").expect("an object");
        let standing = spool.standing(&object).expect("an index");
        if standing != Standing::default() {
            fates.push(json!({ "name": object.envelope().uri.name(), "standing": standing }));
        }
    }
    let stages = spool.stages().expect("stages");
    let stages =
        stages.iter().map(|stage| json!({ "id": stage.id, "declared": stage.declared, "durable": stage.durable }));
    let under = |name: &str| -> Vec<String> {
        let entries = fs::read_dir(dir.join(name)).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours")).collect();
        names.sort();
        names
    };
    let mut all = json!({
        "objects": objects,
        "stages": stages.collect::<Vec<_>>(),
        "states": under("state"),
        "corrupt": under("corrupt"),
    });
    if !fates.is_empty() {
        all["fates"] = fates.into();
    }
    format!("{}\n", serde_json::to_string_pretty(&all).expect("values are JSON"))
}

fn object(spool: &Spool, id: &str) -> Value {
    let object = spool.find_id(id).expect("an envelope").expect("an object");
    assert_eq!(spool.verify(id).expect("an answer"), Check::Sound, "{id}");
    assert_eq!(spool.find(&object.envelope().uri).expect("an answer").as_ref(), Some(&object), "{id}");
    let Envelope {
        id,
        uri,
        from,
        to,
        call_id,
        message_id,
        file,
        icon,
        stored,
        expires,
        replaces,
        wrappers,
        offset,
        ..
    } = object.envelope();
    let digests: Vec<String> = file.digests.iter().map(|digest| digest.hex()).collect();
    json!({
        "id": id, "uri": uri.to_string(), "from": from, "to": to, "call_id": call_id, "message_id": message_id,
        "name": file.name, "size": file.size, "media_type": file.media_type, "digests": digests,
        "disposition": file.disposition, "created": file.created, "modified": file.modified, "read": file.read,
        "transfer_id": file.transfer_id, "icon": icon.as_ref().map(|icon| (&icon.media_type, icon.octets.len())),
        "stored": stored.micros(), "expires": expires.map(restante::model::Wall::micros), "replaces": replaces,
        "offset": offset, "wrappers": wrappers.iter().map(wrapper).collect::<Vec<_>>(),
    })
}

fn wrapper(wrapper: &Wrapper) -> Value {
    let Wrapper { from, to, cc, sent, subject, language, imdn: _ } = wrapper;
    let uris = |parties: &[restante::model::Party]| parties.iter().map(|party| party.uri.clone()).collect::<Vec<_>>();
    json!({
        "from": from.as_ref().map(|party| (&party.name, &party.uri)), "to": uris(to), "cc": uris(cc),
        "sent": sent, "subject": subject, "language": language,
    })
}
