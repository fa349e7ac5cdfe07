//! From the element tree to a typed request: RFC 5707 §7 and §9 as far as files can follow them.

use super::document::{Action, Command, Document, Script, Step};
use super::fault::{Code, Fault, Position, quoted};
use super::object::{Query, Root, is_instance};
use super::state::{self, Wanted};
use super::value::Checker;
use super::vocabulary::{AUDIT, DIALOGEND, DIALOGSTART, MOML, MSML, SEND};
use super::xml::{Element, read};

/// Reads and validates a request.
///
/// # Errors
/// Every fault found, in document order: one if the document is not well-formed, else at most
/// [`MSML_FAULTS`](crate::model::limits::MSML_FAULTS).
pub fn check(body: &[u8], strict: bool) -> Result<Document, Vec<Fault>> {
    checked(body, strict, Checker::document)
}

/// A description that stands alone.
#[derive(Debug)]
pub(super) struct Standalone {
    /// RFC 5707 §9.7.6: what its events are known by; `None` if a dialog can't be called that.
    pub(super) id: Option<String>,
    pub(super) steps: Vec<Step>,
}

/// Reads and validates a script that stands alone: the content of `<dialogstart>`, in the `<moml>` that RFC 5707 §9.7.6
/// wants around it, or a single primitive or group.
///
/// # Errors
/// As [`check`].
pub(super) fn check_script(body: &[u8], strict: bool) -> Result<Standalone, Vec<Fault>> {
    checked(body, strict, Checker::standalone)
}

fn checked<T>(
    body: &[u8],
    strict: bool,
    read_root: impl FnOnce(&mut Checker, Element<'_>) -> T,
) -> Result<T, Vec<Fault>> {
    let tree = read(body).map_err(|fault| vec![fault])?;
    let mut checker = Checker { strict, faults: Vec::new() };
    let found = read_root(&mut checker, tree.root());
    if checker.faults.is_empty() {
        return Ok(found);
    }
    checker.faults.sort_by_key(|fault| Position { line: fault.line, column: fault.column });
    Err(checker.faults)
}

impl Checker {
    fn document(&mut self, root: Element<'_>) -> Document {
        if root.own_name() != "msml" {
            let message = format!("the root element is {}", quoted(root.name()));
            let fault = Fault::new(root.position(), Code::BadRequest, message).by(MSML.rule);
            self.note(fault.hint("expected <msml version=\"1.1\">"));
            return Document { commands: Vec::new() };
        }
        self.attributes(root, &MSML);
        self.content(root, &MSML);
        Document { commands: root.children().filter_map(|element| self.command(element)).collect() }
    }

    fn command(&mut self, element: Element<'_>) -> Option<Command> {
        let action = match element.own_name() {
            "dialogstart" => self.dialogstart(element),
            "dialogend" => {
                self.leaf(element, &DIALOGEND);
                Self::identifier(element, "id").map(|id| Action::DialogEnd { id })
            }
            "send" => {
                self.leaf(element, &SEND);
                let event = Self::text(element, "event");
                let target = Self::identifier(element, "target");
                let values = element.attribute("valuelist").unwrap_or_default().to_owned();
                event.zip(target).map(|(event, target)| Action::Send { event, target, values })
            }
            "audit" => self.audit(element),
            "ft:list" | "ft:delete" | "ft:mark" | "ft:attach" => self.ask(element).map(Action::Spool),
            _ => None,
        };
        let mark = Self::text(element, "mark");
        action.map(|action| Command { mark, position: element.position(), action })
    }

    fn audit(&mut self, element: Element<'_>) -> Option<Action> {
        self.leaf(element, &AUDIT);
        let query = Self::query(element, "queryid")?;
        let Wanted { of_connections, states } =
            state::parse(element.attribute("statelist").unwrap_or_default()).ok()?;
        let asks_connections = matches!(query, Query::Connections | Query::One(Root::Connection(_)));
        // RFC 5707 §10.1.1: a state of another class than the object's.
        if of_connections.is_some_and(|of_connections| of_connections != asks_connections) {
            let fault = Fault::new(element.position(), Code::InvalidValue, "<audit> asks for states of another class");
            let class = if asks_connections { "audit.conn" } else { "audit.conf" };
            self.note(fault.by(AUDIT.rule).hint(format!("expected states of {class}, as the queryid is")));
        }
        Some(Action::Audit { query, states })
    }

    fn dialogstart(&mut self, element: Element<'_>) -> Option<Action> {
        self.attributes(element, &DIALOGSTART);
        let script = self.script(element);
        let target = Self::identifier(element, "target")?;
        Some(Action::DialogStart { target, name: Self::text(element, "name"), script })
    }

    fn script(&mut self, element: Element<'_>) -> Script {
        if let Some(src) = element.attribute("src") {
            if element.children().next().is_some() {
                self.fault(element, Code::Ambiguous, "<dialogstart> has both src and an inline description");
            }
            return Script::External(src.trim().to_owned());
        }
        let mut children = element.children();
        let steps = match (children.next(), children.next()) {
            (None, _) => {
                self.fault(element, Code::MissingContent, "<dialogstart> has neither src nor an inline description");
                Vec::new()
            }
            // RFC 5707 §9.7.6 demands this wrapper, its examples and schema do not have it.
            (Some(moml), None) if moml.own_name() == "moml" => self.framed(moml),
            _ => self.steps(element, &DIALOGSTART),
        };
        Script::Inline(steps)
    }

    fn framed(&mut self, moml: Element<'_>) -> Vec<Step> {
        self.attributes(moml, &MOML);
        self.steps(moml, &MOML)
    }

    fn standalone(&mut self, root: Element<'_>) -> Standalone {
        let framed = root.own_name() == "moml";
        let steps = match root.own_name() {
            "moml" => self.framed(root),
            name if DIALOGSTART.children().any(|child| child == name) => self.step(root).into_iter().collect(),
            _ => {
                self.misplaced(root, &DIALOGSTART);
                Vec::new()
            }
        };
        let id = Self::text(root, "id").filter(|id| framed && is_instance(id));
        Standalone { id, steps }
    }
}
