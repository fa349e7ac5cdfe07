//! `restante spool list --corrupt`: what was set aside.

use restante::spool::Aside;
use serde_json::json;

use super::super::voice::{Failure, Voice};
use super::store::{Store, failure};

pub(super) fn list(store: &Store, voice: Voice) -> Result<(), Failure> {
    let all = store.spool.set_aside().map_err(|error| failure(&error))?;
    if all.is_empty() && !voice.quiet && !voice.json {
        eprintln!("nothing was set aside");
    }
    let line = |aside: &Aside| {
        let Aside { id, kind, octets, uri } = aside;
        if voice.json {
            return format!("{}\n", json!({ "id": id, "kind": kind, "octets": octets, "uri": uri }));
        }
        format!("{id:26}  {kind:8}  {octets:>14}  {}\n", uri.as_deref().unwrap_or("-"))
    };
    voice.result(&all.iter().map(line).collect::<String>())
}
