//! What the server says: `<result>` and `<event>`, in the exact form that clients which search for substrings can read.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::limits::MSML_AUDIT_OCTETS;

use super::ask::Listing;
use super::audit::{Audited, ConnectionReport, results};
use super::fault::Code;
use super::markup::escape;
use super::vocabulary::FILE_NAMESPACE;

/// The declaration and line break before every document we emit.
pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";

/// Where `<dialogid>` stands: RFC 5707 §7.3 and its schema say inside `<result>`, its §12.1 shows it after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DialogIdStyle {
    /// `<result><dialogid>`.
    #[default]
    Child,
    /// `<result/><dialogid>`.
    Sibling,
}

/// What `msml.dialog.exit` carries after an `<exit>`: RFC 5707 §9.6.1 against §7.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitStyle {
    /// The namelist that `moml.exit` carried before it.
    #[default]
    Repeat,
    /// Nothing.
    Empty,
}

/// How one peer is read and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The place of `<dialogid>`.
    pub dialogid: DialogIdStyle,
    /// The content of `msml.dialog.exit`.
    pub exit: ExitStyle,
    /// Whether its requests are held to the schemas.
    pub strict: bool,
    /// `maxtime` of a `<record>` that gives none.
    pub maxtime: Duration,
}

impl Default for Style {
    fn default() -> Self {
        let (dialogid, exit) = (DialogIdStyle::default(), ExitStyle::default());
        Self { dialogid, exit, strict: false, maxtime: Duration::from_secs(3600) }
    }
}

/// The outcome of a transaction (RFC 5707 §7.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The response code.
    pub(super) code: Code,
    /// RFC 5707 §5: of the last command that succeeded and had one. Told on failure.
    pub(super) mark: Option<String>,
    /// Why it failed.
    pub(super) description: Option<String>,
    /// Dialogs started, by whole identifier.
    pub(super) dialogids: Vec<String>,
    /// RFC 5707 §10: objects asked about.
    pub(super) audited: Vec<Audited>,
    /// Boxes asked about.
    pub(super) listings: Vec<Listing>,
}

impl Verdict {
    /// A command was executed.
    pub(super) fn pass(&mut self, mark: Option<String>) {
        self.mark = mark.or_else(|| self.mark.take());
    }

    /// One was not.
    pub(super) fn refuse(&mut self, (code, why): (Code, String)) {
        self.code = code;
        self.description = Some(why).filter(|why| !why.is_empty());
    }
}

/// The answer to a request, complete but for what only the owner of audited connections knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(super) verdict: Verdict,
    pub(super) dialogid: DialogIdStyle,
}

/// An answer ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response code in it.
    pub response: u16,
    /// The document.
    pub body: String,
}

impl Reply {
    /// Writes it. `look` is asked about each connection of which more than its id is told.
    pub fn answer(mut self, look: impl Fn(&str) -> Option<ConnectionReport>) -> Answer {
        let audits = results(&self.verdict.audited, look).map(|audits| audits + &listings(&self.verdict.listings));
        let audits = audits.filter(|text| text.len() <= MSML_AUDIT_OCTETS).unwrap_or_else(|| {
            self.verdict.code = Code::LimitExceeded;
            let why = format!("the answer would be longer than {MSML_AUDIT_OCTETS} octets: ask about less at once");
            self.verdict.description = Some(why);
            String::new()
        });
        Answer { response: self.verdict.code.number(), body: result(&self.verdict, self.dialogid, &audits) }
    }
}

/// What is in boxes. The namespace stands here alone: clients look for the root as it always is (checklist F-1).
fn listings(listings: &[Listing]) -> String {
    let mut text = String::new();
    for listing in listings {
        let _ = write!(text, "<ft:listresult xmlns:ft=\"{FILE_NAMESPACE}\" box=\"{}\">", escape(&listing.mailbox));
        for object in &listing.objects {
            let uri = object.uri.to_string();
            let _ = write!(
                text,
                "<ft:object uri=\"{}\" size=\"{}\" stored=\"{}\"",
                escape(&uri),
                object.size,
                object.stored
            );
            for (name, value) in [("name", &object.name), ("type", &object.media_type), ("from", &object.from)] {
                if let Some(value) = value {
                    let _ = write!(text, " {name}=\"{}\"", escape(value));
                }
            }
            text.push_str("/>");
        }
        text.push_str("</ft:listresult>");
    }
    text
}

/// A whole document around `content`.
pub(super) fn document(content: &str) -> String {
    format!("{DECLARATION}<msml version=\"1.1\">{content}</msml>")
}

/// RFC 5707 §7.3. The ids of dialogs that were started are there even after a failure: nothing is rolled back (§5).
fn result(verdict: &Verdict, style: DialogIdStyle, audits: &str) -> String {
    let ids: String = verdict.dialogids.iter().map(|id| format!("<dialogid>{}</dialogid>", escape(id))).collect();
    let mut text = format!("<result response=\"{}\"", verdict.code.number());
    if let Some(mark) = verdict.mark.as_ref().filter(|_| verdict.code != Code::Ok) {
        let _ = write!(text, " mark=\"{}\"", escape(mark));
    }
    let (inside, after) = match style {
        DialogIdStyle::Child => (ids.as_str(), ""),
        DialogIdStyle::Sibling => ("", ids.as_str()),
    };
    let description = verdict
        .description
        .as_ref()
        .map_or_else(String::new, |reason| format!("<description>{}</description>", escape(reason)));
    match (description.as_str(), inside, audits) {
        ("", "", "") => text.push_str("/>"),
        (description, inside, audits) => {
            let _ = write!(text, ">{description}{inside}{audits}</result>");
        }
    }
    document(&(text + after))
}

/// RFC 5707 §7.4: `name` first, then `id`, then the pairs.
pub(super) fn event(name: &str, id: &str, values: &[(String, String)]) -> String {
    let mut text = format!("<event name=\"{}\" id=\"{}\"", escape(name), escape(id));
    if values.is_empty() {
        return document(&(text + "/>"));
    }
    text.push('>');
    for (name, value) in values {
        let _ = write!(text, "<name>{}</name><value>{}</value>", escape(name), escape(value));
    }
    document(&(text + "</event>"))
}
