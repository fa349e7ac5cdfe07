//! MSML documents as they pass, for people who want to see what a call says.

use std::io::{IsTerminal, Write, stdout};

use quick_xml::{Reader, Writer, events};
use serde_json::json;

use super::voice::Voice;

/// Whether documents are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Documents {
    Shown,
    Hidden,
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    FromServer,
}

impl Documents {
    /// Puts a document on standard output, indented, dim on a terminal.
    pub(crate) fn show(self, voice: Voice, way: Way, document: &str) {
        if self == Self::Hidden || voice.quiet {
            return;
        }
        let text = if voice.json {
            let way = if way == Way::ToServer { "to server" } else { "from server" };
            json!({ "msml": document, "way": way }).to_string()
        } else {
            let arrow = if way == Way::ToServer { "-->" } else { "<--" };
            let lines: Vec<String> = indented(document).lines().map(|line| format!("  {arrow} {line}")).collect();
            let lines = lines.join("\n");
            if stdout().is_terminal() { format!("\u{1b}[2m{lines}\u{1b}[0m") } else { lines }
        };
        let _ = writeln!(stdout(), "{text}"); // what nobody reads is no failure
    }
}

/// The document with one element a line, a value beside its name; as it is if it can't be read.
fn indented(document: &str) -> String {
    let safe: String = document.chars().filter(|letter| !letter.is_control()).collect();
    let mut reader = Reader::from_str(&safe);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    loop {
        match reader.read_event() {
            Ok(events::Event::Eof) => break,
            Ok(events::Event::Decl(_)) => {}
            Ok(event) => {
                if writer.write_event(event).is_err() {
                    return safe;
                }
            }
            Err(_) => return safe,
        }
    }
    let mut text = String::new();
    for line in String::from_utf8_lossy(&writer.into_inner()).lines() {
        let value = line.trim_start();
        let (gap, line) = if value.starts_with("<value>") { ("", value) } else { ("\n", line) };
        text += if text.is_empty() { "" } else { gap };
        text += line;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_one_element_a_line_and_a_value_beside_its_name() {
        let document =
            "<?xml version=\"1.0\"?>\r\n<msml><event name=\"x\"><name>a</name><value>b &amp; c</value></event></msml>";
        let wanted = "<msml>\n  <event name=\"x\">\n    <name>a</name><value>b &amp; c</value>\n  </event>\n</msml>";
        assert_eq!(indented(document), wanted);
    }

    #[test]
    fn what_is_no_xml_is_shown_as_it_is_but_cannot_write_on_the_terminal() {
        assert_eq!(indented("<a\u{1b}[31m"), "<a[31m");
    }
}
