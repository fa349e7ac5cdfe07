//! From the element tree to a typed request: RFC 5707 §7 and §9 as far as files can follow them.

use super::document::{Action, Command, Document, Script, Step};
use super::fault::{Code, Fault, Position, quoted};
use super::value::Checker;
use super::xml::{Element, Space, read};

const COMMANDS: &[&str] = &["dialogstart", "dialogend", "send"];

/// Reads and validates a request.
///
/// # Errors
/// Every fault found, in document order: one if the document is not well-formed, else at most
/// [`MSML_FAULTS`](crate::model::limits::MSML_FAULTS).
pub fn check(body: &[u8], strict: bool) -> Result<Document, Vec<Fault>> {
    let root = read(body).map_err(|fault| vec![fault])?;
    let mut checker = Checker { strict, faults: Vec::new() };
    let document = checker.document(&root);
    if checker.faults.is_empty() {
        return Ok(document);
    }
    checker.faults.sort_by_key(|fault| Position { line: fault.line, column: fault.column });
    Err(checker.faults)
}

/// Reads and validates a script that was fetched: the content of `<dialogstart>`, in the `<moml>` that RFC 5707 §9.7.6
/// wants around it, or a single primitive or group.
///
/// # Errors
/// As [`check`].
pub(super) fn check_script(body: &[u8], strict: bool) -> Result<Vec<Step>, Vec<Fault>> {
    let root = read(body).map_err(|fault| vec![fault])?;
    let mut checker = Checker { strict, faults: Vec::new() };
    let steps = checker.description(std::slice::from_ref(&root));
    if checker.faults.is_empty() {
        return Ok(steps);
    }
    checker.faults.sort_by_key(|fault| Position { line: fault.line, column: fault.column });
    Err(checker.faults)
}

impl Checker {
    fn document(&mut self, root: &Element) -> Document {
        if root.space != Space::Msml || root.name != "msml" {
            let message = format!("the root element is {}", quoted(&root.name));
            self.note(Fault::new(root.position, Code::BadRequest, message).hint("expected <msml version=\"1.1\">"));
            return Document { commands: Vec::new() };
        }
        self.shape(root, &["version"]);
        // RFC 5707 §7.1 says 1.1; its own §13.6 and older clients say 1.0.
        match self.required(root, "version") {
            None | Some("1.1") => {}
            Some("1.0") if !self.strict => {}
            Some(other) => {
                let message = format!("<msml> has version={}", quoted(other));
                self.note(Fault::new(root.position, Code::InvalidValue, message).hint("expected 1.1"));
            }
        }
        if self.strict && root.children.is_empty() {
            self.fault(root, Code::MissingContent, "<msml> without a command");
        }
        Document { commands: root.children.iter().filter_map(|element| self.command(element)).collect() }
    }

    fn command(&mut self, element: &Element) -> Option<Command> {
        let action = match (element.space, element.name.as_str()) {
            (Space::Msml, "dialogstart") => self.dialogstart(element),
            (Space::Msml, "dialogend") => self.dialogend(element),
            (Space::Msml, "send") => self.msml_send(element),
            _ => {
                self.misplaced(element, "msml", COMMANDS);
                None
            }
        };
        let mark = self.mark(element);
        action.map(|action| Command { mark, position: element.position, action })
    }

    fn msml_send(&mut self, element: &Element) -> Option<Action> {
        self.leaf(element, &["event", "target", "valuelist", "mark"]);
        let event = self.required(element, "event").map(str::to_owned);
        let target = self.target(element, "target");
        Some(Action::Send { event: event?, target: target? })
    }

    fn dialogend(&mut self, element: &Element) -> Option<Action> {
        self.leaf(element, &["id", "mark"]);
        let id = self.target(element, "id")?;
        if id.dialog.is_none() || id.inner.is_some() {
            self.fault(element, Code::InvalidValue, "<dialogend> needs the identifier of a dialog");
        }
        Some(Action::DialogEnd { id })
    }

    fn dialogstart(&mut self, element: &Element) -> Option<Action> {
        self.shape(element, &["target", "type", "name", "src", "mark"]);
        let target = self.target(element, "target");
        if target.as_ref().is_some_and(|target| target.dialog.is_some()) {
            self.fault(element, Code::InvalidValue, "<dialogstart> needs a connection as target");
        }
        self.language(element);
        let name = self.instance(element, "name");
        let script = self.script(element);
        Some(Action::DialogStart { target: target?, name, script })
    }

    /// RFC 5707 §9.6.1 says vxml+xml, its schema voicexml+xml.
    fn language(&mut self, element: &Element) {
        let Some(language) = self.required_if_strict(element, "type") else { return };
        let (code, what) = match language.trim().to_ascii_lowercase().as_str() {
            "application/moml+xml" => return,
            "application/vxml+xml" | "application/voicexml+xml" => (Code::UnsupportedLanguage, "not supported"),
            _ => (Code::UnknownLanguage, "unknown"),
        };
        let message = format!("the dialog language {} is {what}", quoted(language));
        self.note(Fault::new(element.position, code, message).hint("expected application/moml+xml"));
    }

    fn script(&mut self, element: &Element) -> Script {
        if let Some(src) = element.attribute("src") {
            if !element.children.is_empty() {
                self.fault(element, Code::Ambiguous, "<dialogstart> has both src and an inline description");
            }
            if src.trim().is_empty() {
                self.fault(element, Code::InvalidValue, "<dialogstart> has an empty src");
            }
            return Script::External(src.trim().to_owned());
        }
        if element.children.is_empty() {
            self.fault(element, Code::MissingContent, "<dialogstart> has neither src nor an inline description");
        }
        Script::Inline(self.description(&element.children))
    }

    fn description(&mut self, elements: &[Element]) -> Vec<Step> {
        match elements {
            // RFC 5707 §9.7.6 demands this wrapper, its examples and schema do not have it.
            [moml] if moml.space == Space::Msml && moml.name == "moml" => {
                self.shape(moml, &["version", "id"]);
                self.required_if_strict(moml, "id");
                self.required_if_strict(moml, "version");
                self.choice(moml, "version", &["1.0"]);
                self.steps(&moml.children)
            }
            elements => self.steps(elements),
        }
    }
}
