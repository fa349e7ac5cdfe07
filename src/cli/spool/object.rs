//! Objects for people and for programs.

use restante::model::{Imdn, Party, Wrapper};
use restante::spool::{Deed, Envelope, Mark, Standing};
use serde_json::{Value, json as value};

/// What is known of an object, the most wanted first.
fn fields(envelope: &Envelope, state: &str, standing: &Standing) -> Vec<(&'static str, Value)> {
    let file = &envelope.file;
    let by = |deed: &Option<Deed>| -> Value { deed.as_ref().map(|deed| deed.by.clone()).into() };
    vec![
        ("id", envelope.id.clone().into()),
        ("uri", envelope.uri.to_string().into()),
        ("box", envelope.uri.box_name().into()),
        ("name", envelope.uri.name().into()),
        ("state", state.into()),
        ("mark", standing.mark.word().into()),
        ("urgent", standing.urgent.into()),
        ("held_by", by(&standing.held)),
        ("legal_hold_by", by(&standing.legal)),
        ("ended_by", by(&standing.ended)),
        ("ended", standing.ended.as_ref().map(|deed| deed.at.rfc3339()).into()),
        ("size", envelope.size().into()),
        ("sha256", envelope.sha256().hex().into()),
        ("sha1", envelope.sha1().hex().into()),
        ("media_type", file.media_type.clone().into()),
        ("file_name", file.name.clone().into()),
        ("disposition", file.disposition.clone().into()),
        ("icon", envelope.icon.as_ref().map(|icon| icon.media_type.clone()).into()),
        ("icon_octets", envelope.icon.as_ref().map(|icon| icon.octets.len()).into()),
        ("transfer_id", file.transfer_id.clone().into()),
        ("message_id", envelope.message_id.clone().into()),
        ("call_id", envelope.call_id.clone().into()),
        ("from", envelope.from.clone().into()),
        ("to", envelope.to.clone().into()),
        ("wrappers", wrappers(&envelope.wrappers)),
        ("created", envelope.stored.rfc3339().into()),
        ("expires", envelope.expires.map(|wall| wall.rfc3339()).into()),
    ]
}

/// What stood on the envelopes that the file came in (RFC 3862), the outermost first.
fn wrappers(wrappers: &[Wrapper]) -> Value {
    let party = |party: &Party| value!({ "name": party.name, "uri": party.uri });
    let all = |parties: &[Party]| parties.iter().map(party).collect::<Vec<_>>();
    let one = |wrapper: &Wrapper| {
        let Wrapper { from, to, cc, sent, subject, language, imdn } = wrapper;
        value!({
            "from": from.as_ref().map(party), "to": all(to), "cc": all(cc),
            "sent": sent, "subject": subject, "language": language, "imdn": imdn.as_ref().map(asked),
        })
    };
    if wrappers.is_empty() { Value::Null } else { wrappers.iter().map(one).collect() }
}

/// What a message asks to be told of its fate (RFC 5438).
fn asked(imdn: &Imdn) -> Value {
    let Imdn { message_id, wants, original_to, record_route, route, shown } = imdn;
    let wants: Vec<&str> = wants.iter().map(|one| one.word()).collect();
    value!({ "id": message_id, "wants": wants, "original_to": original_to, "record_route": record_route, "route": route,
        "shown": shown })
}

/// One JSON object.
pub(super) fn json(envelope: &Envelope, state: &str, standing: &Standing) -> Value {
    Value::Object(fields(envelope, state, standing).into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// One line an object, in columns.
pub(super) fn table(objects: &[(Envelope, Standing)]) -> String {
    let head = ["ID", "STORED", "SIZE", "STATE", "TYPE", "FILE", "URI"].map(str::to_owned);
    let rows: Vec<[String; 7]> = objects.iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<&[String; 7]> = [&head].into_iter().chain(&rows).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row((envelope, standing): &(Envelope, Standing)) -> [String; 7] {
    let plain = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
    [
        envelope.id.clone(),
        envelope.stored.rfc3339(),
        envelope.size().to_string(),
        state(standing),
        plain(&envelope.file.media_type),
        plain(&envelope.file.name),
        envelope.uri.to_string(),
    ]
}

/// SIZE is aligned to the right; the last column has no padding.
fn line(row: &[String; 7], widths: &[usize; 7]) -> String {
    let [id, stored, size, state, media_type, file, uri] = row;
    let [w_id, w_stored, w_size, w_state, w_type, w_file, _] = *widths;
    format!(
        "{id:w_id$}  {stored:w_stored$}  {size:>w_size$}  {state:w_state$}  {media_type:w_type$}  {file:w_file$}  {uri}\n"
    )
}

/// What has become of an object, in a word or two.
pub(super) fn state(standing: &Standing) -> String {
    let mark = standing.mark.word();
    let mut words = match (standing.word(), standing.mark) {
        ("stored", _) => mark.to_owned(),
        (word, Mark::New) => word.to_owned(),
        (word, _) => format!("{word},{mark}"),
    };
    for (is_so, word) in [(standing.urgent, ",urgent"), (standing.legal.is_some(), ",legal")] {
        words += if is_so { word } else { "" };
    }
    words
}

/// Everything, one field a line; fields that are not there are left out.
pub(super) fn page(envelope: &Envelope, standing: &Standing) -> String {
    let fields = fields(envelope, standing.word(), standing);
    let width = fields.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let line = |(key, value): &(&str, Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{key:width$}  {}\n", printable(text))),
        Value::Array(_) => None,
        value => Some(format!("{key:width$}  {value}\n")),
    };
    fields
        .iter()
        .filter_map(line)
        .chain(envelope.wrappers.iter().flat_map(|wrapper| inscription(wrapper, width)))
        .collect()
}

/// One wrapper for people, one header a line.
fn inscription(wrapper: &Wrapper, width: usize) -> Vec<String> {
    let person = |party: &Party| match &party.name {
        Some(name) => format!("{name} <{}>", party.uri),
        None => format!("<{}>", party.uri),
    };
    let mut lines: Vec<(&str, String)> = wrapper.from.iter().map(|from| ("written by", person(from))).collect();
    lines.extend(wrapper.to.iter().map(|to| ("written to", person(to))));
    lines.extend(wrapper.cc.iter().map(|cc| ("copy to", person(cc))));
    lines.extend(wrapper.sent.iter().map(|sent| ("sent", sent.clone())));
    lines.extend(wrapper.subject.iter().map(|subject| ("subject", subject.clone())));
    lines.into_iter().map(|(key, text)| format!("{key:width$}  {}\n", printable(&text))).collect()
}

/// Names come from peers: control characters would let them write anywhere on the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
