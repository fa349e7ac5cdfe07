//! The other side of the conversation, for our own commands: writes requests, reads results and events.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::ObjectUri;

use super::fault::{Code, Fault};
use super::markup::escape;
use super::reply::document;
use super::vocabulary::FILE_NAMESPACE;
use super::xml::{Element, read};

/// What a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The answer to a request.
    Result(TransactionResult),
    /// Something that happened.
    Event(Event),
}

/// RFC 5707 §7.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionResult {
    /// The response code; 200 is success.
    pub response: u16,
    /// The mark of the last command executed before a failure.
    pub mark: Option<String>,
    /// Why it failed.
    pub description: Option<String>,
    /// Dialogs started, by whole identifier.
    pub dialogids: Vec<String>,
}

/// RFC 5707 §7.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The object it is about.
    pub id: String,
    /// Name and value pairs in document order.
    pub values: Vec<(String, String)>,
}

impl Event {
    /// The first value of this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

/// Reads a document that a server sent. Ids are found inside and after `<result>`, events with and without `<msml>`
/// around them, as servers in the field do either.
///
/// # Errors
/// A [`Fault`] if it is not well-formed or neither of the two.
pub fn read_message(body: &[u8]) -> Result<Message, Fault> {
    let tree = read(body)?;
    let root = tree.root();
    let elements: Vec<Element<'_>> = if root.name() == "msml" { root.children().collect() } else { vec![root] };
    let child = |name: &str| elements.iter().copied().find(|element| element.own_name() == name);
    if let Some(result) = child("result") {
        return read_result(result, &elements).map(Message::Result);
    }
    let fault = Fault::new(root.position(), Code::BadRequest, "neither a <result> nor an <event>");
    child("event").map_or_else(|| Err(fault), |event| read_event(event).map(Message::Event))
}

fn missing(element: Element<'_>, name: &str) -> Fault {
    let message = format!("<{}> needs the attribute {name}", element.name());
    Fault::new(element.position(), Code::MissingAttribute, message)
}

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>, name: &str) -> Vec<String> {
    let named = elements.filter(|element| element.name() == name);
    named.map(|element| element.text().unwrap_or_default().trim().to_owned()).collect()
}

fn read_result(result: Element<'_>, siblings: &[Element<'_>]) -> Result<TransactionResult, Fault> {
    let code = result.attribute("response").and_then(|code| code.parse().ok());
    let mut dialogids = texts(result.children(), "dialogid");
    dialogids.extend(texts(siblings.iter().copied(), "dialogid"));
    Ok(TransactionResult {
        response: code.ok_or_else(|| missing(result, "response"))?,
        mark: result.attribute("mark").map(str::to_owned),
        description: texts(result.children(), "description").into_iter().next(),
        dialogids,
    })
}

fn read_event(event: Element<'_>) -> Result<Event, Fault> {
    let attribute = |name: &str| event.attribute(name).map(str::to_owned).ok_or_else(|| missing(event, name));
    let names = texts(event.children(), "name").into_iter();
    Ok(Event {
        name: attribute("name")?,
        id: attribute("id")?,
        values: names.zip(texts(event.children(), "value")).collect(),
    })
}

/// `<dialogstart>` with one `<record>` into `dest` and an `<exit>` that reports `namelist`.
pub fn record_request(conn: &str, name: &str, dest: &ObjectUri, maxtime: Duration, namelist: &[&str]) -> String {
    let (dest, maxtime) = (escape(&dest.to_string()), maxtime.as_millis());
    // RFC 5707 §9.7.4 makes format mandatory; the sender's own word for its file is what counts.
    let record = format!("<record dest=\"{dest}\" format=\"application/octet-stream\" maxtime=\"{maxtime}ms\"/>");
    dialogstart(conn, name, &record, namelist)
}

/// `<dialogstart>` with one `<play>` of `files` and an `<exit>` that reports `namelist`.
pub fn play_request(conn: &str, name: &str, files: &[ObjectUri], namelist: &[&str]) -> String {
    let mut play = "<play>".to_owned();
    for uri in files {
        let _ = write!(play, "<audio uri=\"{}\"/>", escape(&uri.to_string()));
    }
    dialogstart(conn, name, &(play + "</play>"), namelist)
}

/// `<dialogstart>` with one `<ft:forward>` of an object to a recipient whom the server calls.
pub fn forward_request(
    conn: &str,
    name: &str,
    uri: &ObjectUri,
    to: &str,
    expires: Option<Duration>,
    notify: Option<&str>,
) -> String {
    let notify = notify.map_or_else(String::new, |notify| format!(" notify=\"{}\"", escape(notify)));
    let expires = expires.map_or_else(String::new, |expires| format!(" expires=\"{}ms\"", expires.as_millis()));
    let (uri, to) = (escape(&uri.to_string()), escape(to));
    let forward = format!(
        "<ft:forward xmlns:ft=\"{FILE_NAMESPACE}\" to=\"{to}\"{expires}{notify}><ft:obj uri=\"{uri}\"/><ft:onobject/></ft:forward>"
    );
    dialogstart(conn, name, &forward, &["ft.job", "ft.result", "ft.attempts"])
}

/// `<dialogend>` for a dialog by its whole identifier.
pub fn dialogend_request(id: &str) -> String {
    document(&format!("<dialogend id=\"{}\"/>", escape(id)))
}

fn dialogstart(conn: &str, name: &str, content: &str, namelist: &[&str]) -> String {
    let (conn, name, namelist) = (escape(conn), escape(name), escape(&namelist.join(" ")));
    let exit = format!("<exit namelist=\"{namelist}\"/>");
    document(&format!(
        "<dialogstart target=\"conn:{conn}\" type=\"application/moml+xml\" name=\"{name}\">{content}{exit}</dialogstart>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msml::check;

    // Checklist 15 (1): ids inside and after the result
    #[test]
    fn a_result_is_read_in_both_shapes() {
        for ids in [
            "<result response=\"200\"><dialogid> conn:a/dialog:b </dialogid></result>",
            "<result response=\"200\" /><dialogid>conn:a/dialog:b</dialogid>",
        ] {
            let Ok(Message::Result(result)) = read_message(format!("<msml version=\"1.1\">{ids}</msml>").as_bytes())
            else {
                panic!("{ids}")
            };
            assert_eq!((result.response, result.dialogids), (200, vec!["conn:a/dialog:b".to_owned()]));
        }
    }

    // Checklist 15 (12): RFC 5707 §9.6.1 shows an event without <msml>
    #[test]
    fn an_event_is_read_with_and_without_its_frame() {
        let event = "<event name=\"done\" id=\"conn:a/dialog:b\"><name>x</name><value>1 &amp; 2</value></event>";
        for text in [event.to_owned(), document(event)] {
            let Ok(Message::Event(event)) = read_message(text.as_bytes()) else { panic!("{text}") };
            assert_eq!((event.name.as_str(), event.value("x"), event.value("y")), ("done", Some("1 & 2"), None));
        }
    }

    #[test]
    fn what_is_neither_result_nor_event_is_refused() {
        for text in ["<msml version=\"1.1\"/>", "<html/>", "<msml><result/></msml>", "<event name=\"a\"/>", "200 OK"] {
            assert!(read_message(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn our_own_requests_pass_strict_validation() {
        let uri: ObjectUri = "spool:/b&b/a.jpg".parse().expect("an object");
        let names = ["record.end", "record.recordid"];
        for request in [
            record_request("Tag4Alice", "d1", &uri, Duration::from_millis(1500), &names),
            play_request("Tag4Alice", "d1", &[uri.clone(), uri], &names),
            dialogend_request("conn:Tag4Alice/dialog:d1"),
        ] {
            assert!(check(request.as_bytes(), true).is_ok(), "{request}");
        }
    }
}
