//! Elements checked against their words, and their attributes read: a fault is noted, and the search for the next goes on.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::ObjectUri;
use crate::model::limits::MSML_FAULTS;

use super::fault::{Code, Fault, quoted};
use super::object::{Identifier, Query};
use super::shape::{self, Misfit};
use super::vocabulary::{Attribute, Need, Slot, Word, is_spoken, is_unspoken, rule_of};
use super::xml::{Element, Space};

/// The faults of one document so far, and how strict to be.
pub(super) struct Checker {
    pub(super) strict: bool,
    pub(super) faults: Vec<Fault>,
}

// What is wrong.
impl Checker {
    pub(super) fn note(&mut self, fault: Fault) {
        if self.faults.len() < MSML_FAULTS {
            self.faults.push(fault);
        }
    }

    pub(super) fn fault(&mut self, element: Element<'_>, code: Code, message: impl Into<String>) {
        self.note(Fault::new(element.position(), code, message).by(rule_of(element.name())));
    }

    /// Notes what an element's word does not allow: text, values of another shape, in strict mode attributes that it does
    /// not have; and what it asks for and is not there.
    pub(super) fn attributes(&mut self, element: Element<'_>, word: &Word) {
        if element.text().is_some() {
            let message = format!("<{}> may not contain text", element.name());
            self.note(Fault::new(element.position(), Code::InvalidContent, message).by(word.rule));
        }
        self.given(element, word);
    }

    /// [`Self::attributes`] for an element that is a text.
    pub(super) fn text_leaf(&mut self, element: Element<'_>, word: &Word) {
        self.given(element, word);
        if let Some(child) = element.children().next() {
            self.misplaced(child, word);
        }
    }

    fn given(&mut self, element: Element<'_>, word: &Word) {
        for given in element.attributes() {
            match word.attribute(given.name) {
                Some(attribute) if self.strict || !attribute.is_inert() => {
                    self.value(element, word, attribute, given.value)
                }
                Some(_) => {}
                None if self.strict => {
                    let message = format!("<{}> has no attribute {}", element.name(), quoted(given.name));
                    self.note(Fault::new(element.position(), Code::UnknownAttribute, message).by(word.rule));
                }
                None => {}
            }
        }
        for attribute in word.attributes {
            if self.needs(attribute.need) && element.attribute(attribute.name).is_none() {
                self.missing(element, word, attribute.name);
            }
        }
    }

    pub(super) fn missing(&mut self, element: Element<'_>, word: &Word, name: &str) {
        let message = format!("<{}> needs the attribute {name}", element.name());
        self.note(Fault::new(element.position(), Code::MissingAttribute, message).by(word.rule));
    }

    fn value(&mut self, element: Element<'_>, word: &Word, attribute: &Attribute, value: &str) {
        let Some(Misfit { code, message, hint }) = attribute.shape.misfit(value, self.strict) else { return };
        let plain = || format!("<{}> has {}={}", element.name(), attribute.name, quoted(value));
        let message = message.map_or_else(plain, |message| format!("{}: {message}", plain()));
        let fault = Fault::new(element.position(), code, message).by(word.rule);
        self.note(match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        });
    }

    /// Notes children that an element's word does not allow, in strict mode also their order and number, and what has to
    /// be there and is not.
    pub(super) fn content(&mut self, element: Element<'_>, word: &Word) {
        let (mut at, mut taken, mut closed, mut strange) = (0, false, false, false);
        for child in element.children() {
            let named = |slot: &Slot| child.space() == Space::Msml && slot.names.contains(&child.name());
            let Some(index) = word.content.iter().position(named) else {
                self.misplaced(child, word);
                strange = true;
                continue;
            };
            let slot = &word.content[index];
            if closed {
                self.out_of_place(child, word, "nothing can follow <exit> or <disconnect>");
            } else if self.strict && (index < at || (index == at && taken && !slot.many)) {
                let order: Vec<String> = word.content.iter().map(|slot| slot.names.join(" or ")).collect();
                self.out_of_place(child, word, &format!("<{}> has, in this order, {}", word.name, order.join("; ")));
            } else {
                (at, taken) = (index, true);
            }
            closed |= slot.closes;
        }
        if self.needs(word.filled) && element.children().next().is_none() {
            let message = format!("<{}> without content", element.name());
            self.note(Fault::new(element.position(), Code::MissingContent, message).by(word.rule));
        }
        for slot in word.content {
            let there = element.children().any(|child| slot.names.contains(&child.name()));
            if self.needs(slot.need) && !there && !strange {
                let message = format!("<{}> without {}", element.name(), slot.names.join(" or "));
                self.note(Fault::new(element.position(), Code::MissingContent, message).by(word.rule));
            }
        }
    }

    fn out_of_place(&mut self, child: Element<'_>, word: &Word, why: &str) {
        let message = format!("<{}> may not stand here: {why}", child.name());
        self.note(Fault::new(child.position(), Code::ForbiddenContent, message).by(word.rule));
    }

    const fn needs(&self, need: Need) -> bool {
        match need {
            Need::Always => true,
            // RFC 5707 lists it as mandatory, clients leave it out (checklist 15).
            Need::Strict => self.strict,
            Need::Never => false,
        }
    }

    /// [`Self::attributes`] for an element that also has no children.
    pub(super) fn leaf(&mut self, element: Element<'_>, word: &Word) {
        self.attributes(element, word);
        if let Some(child) = element.children().next() {
            self.misplaced(child, word);
        }
    }

    /// Notes a child that `parent` cannot have.
    pub(super) fn misplaced(&mut self, element: Element<'_>, parent: &Word) {
        let ours = element.space() == Space::Msml;
        if let Some(fault) = unsupported_there(element, parent).filter(|_| ours) {
            return self.note(fault);
        }
        let name = quoted(element.name());
        let (code, message) = if ours && is_unspoken(element.name()) {
            (Code::UnsupportedElement, format!("the element {name} is not supported by this server"))
        } else if ours && is_spoken(element.name()) {
            (Code::ForbiddenContent, format!("the element {name} cannot stand in <{}>", parent.name))
        } else {
            (Code::UnknownElement, format!("the element {name} is unknown"))
        };
        let allowed: Vec<&str> = parent.children().collect();
        let hint = match &allowed[..] {
            [] => format!("<{}> is empty", parent.name),
            allowed => format!("<{}> can have {}", parent.name, allowed.join(", ")),
        };
        self.note(Fault::new(element.position(), code, message).by(parent.rule).hint(hint));
    }
}

// What is read. Whether a value is of its shape has been noted before.
impl Checker {
    pub(super) fn identifier(element: Element<'_>, name: &str) -> Option<Identifier> {
        Identifier::parse(element.attribute(name)?).ok()
    }

    pub(super) fn query(element: Element<'_>, name: &str) -> Option<Query> {
        Identifier::parse_query(element.attribute(name)?).ok()
    }

    pub(super) fn text(element: Element<'_>, name: &str) -> Option<String> {
        element.attribute(name).map(str::to_owned)
    }

    pub(super) fn uri(element: Element<'_>, name: &str) -> Option<ObjectUri> {
        element.attribute(name)?.parse().ok()
    }

    pub(super) fn time(&self, element: Element<'_>, name: &str) -> Option<Duration> {
        shape::duration(element.attribute(name)?, self.strict)
    }

    /// A time whose zero switches something off.
    pub(super) fn timer(&self, element: Element<'_>, name: &str) -> Option<Duration> {
        self.time(element, name).filter(|duration| !duration.is_zero())
    }

    pub(super) fn flag(element: Element<'_>, name: &str) -> bool {
        element.attribute(name) == Some("true")
    }

    /// `iterate`: once, if nothing is said; `None` is for ever.
    pub(super) fn times(element: Element<'_>) -> Option<NonZeroU32> {
        element.attribute("iterate").and_then(shape::times).unwrap_or(Some(NonZeroU32::MIN))
    }

    /// Shadow variables. Field: some clients write `valuelist` for `namelist`.
    pub(super) fn namelist(element: Element<'_>) -> Vec<String> {
        let list = element.attribute("namelist").or_else(|| element.attribute("valuelist")).unwrap_or_default();
        list.split_ascii_whitespace().map(str::to_owned).collect()
    }
}

/// What RFC 5707 allows and a message stream cannot do, with the way around it.
fn unsupported_there(element: Element<'_>, parent: &Word) -> Option<Fault> {
    let hint = match (parent.name, element.name()) {
        ("record" | "collect" | "dtmf", "play") => format!("put the <play> before the <{}>", parent.name),
        ("group", "group") => "put one <group> after the other".to_owned(),
        _ => return None,
    };
    // §9.7.4.1: for a prompt a stream that only receives has no direction.
    let message = format!("a <{}> inside <{}>", element.name(), parent.name);
    Some(Fault::new(element.position(), Code::UnsupportedElement, message).by(parent.rule).hint(hint))
}
