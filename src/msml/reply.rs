//! What the server says: `<result>` and `<event>`, in the exact form that clients which search for substrings can read.

use std::fmt::Write as _;

use super::fault::Code;

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

/// How one peer wants to be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// The place of `<dialogid>`.
    pub dialogid: DialogIdStyle,
    /// The content of `msml.dialog.exit`.
    pub exit: ExitStyle,
}

/// The outcome of a transaction (RFC 5707 §7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The response code.
    pub(super) code: Code,
    /// RFC 5707 §5: of the last command that succeeded and had one. Given on failure.
    pub(super) mark: Option<String>,
    /// Why it failed.
    pub(super) description: Option<String>,
    /// Dialogs started, by whole identifier.
    pub(super) dialogids: Vec<String>,
}

/// A value made safe for content and attributes alike; what XML 1.0 cannot carry becomes U+FFFD.
pub(super) fn escape(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' => safe.push_str("&#9;"),
            '\n' => safe.push_str("&#10;"),
            '\r' => safe.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A whole document around `content`.
pub(super) fn document(content: &str) -> String {
    format!("{DECLARATION}<msml version=\"1.1\">{content}</msml>")
}

/// RFC 5707 §7.3. The ids of dialogs that were started are there even after a failure: nothing is rolled back (§5).
pub(super) fn result(verdict: &Verdict, style: DialogIdStyle) -> String {
    let ids: String = verdict.dialogids.iter().map(|id| format!("<dialogid>{}</dialogid>", escape(id))).collect();
    let mut text = format!("<result response=\"{}\"", verdict.code.number());
    if let Some(mark) = &verdict.mark {
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
    match (description.as_str(), inside) {
        ("", "") => text.push_str("/>"),
        (description, inside) => {
            let _ = write!(text, ">{description}{inside}</result>");
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
