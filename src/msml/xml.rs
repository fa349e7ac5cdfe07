//! A bounded reader of XML 1.0: octets in, a small tree with positions out, or the first thing that is not well-formed.

use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Error, Reader};

use crate::model::limits::{MSML_ATTRIBUTES, MSML_DEPTH, MSML_ELEMENTS, MSML_NAMESPACES, MSML_OCTETS};

use super::fault::{Code, Fault, Position, quoted};
use super::markup::{attributes, is_char, resolve, unescape};

/// RFC 5707 §18.3 announces this namespace, its schemas use none: both name our elements.
const MSML_NAMESPACE: &str = "urn:ietf:params:xml:ns:msml";
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// Which vocabulary an element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// MSML's: no namespace, or the one of RFC 5707 §18.3.
    Msml,
    /// `xml:`.
    Xml,
    /// Another one.
    Foreign,
}

/// One attribute with its references resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    /// As written, with its prefix.
    pub(super) name: String,
    /// Whether it has no prefix, so belongs to its element.
    pub(super) plain: bool,
    /// The value.
    pub(super) value: String,
}

/// One element with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Without its prefix.
    pub(super) name: String,
    /// Its vocabulary.
    pub(super) space: Space,
    /// Without namespace declarations, which mean nothing to us.
    pub(super) attributes: Vec<Attribute>,
    /// In document order.
    pub(super) children: Vec<Self>,
    /// All character data in it, children's not included.
    pub(super) text: String,
    /// Where its `<` is.
    pub(super) position: Position,
}

impl Element {
    /// The value of a plain attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.plain && attribute.name == name)
            .map(|attribute| attribute.value.as_str())
    }
}

/// Reads one document.
///
/// # Errors
/// The first [`Fault`], always with [`Code::BadRequest`].
pub(super) fn read(body: &[u8]) -> Result<Element, Fault> {
    let text = decode(body)?;
    let mut tree = Tree {
        text,
        open: Vec::new(),
        root: None,
        bindings: Vec::new(),
        elements: 0,
        at: Cursor { offset: 0, position: Position::START },
    };
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        tree.at.advance(text, start);
        match reader.read_event() {
            Ok(Event::Eof) => return tree.finish(),
            Ok(event) => tree.take(event, start)?,
            Err(error) => {
                tree.at.advance(text, usize::try_from(reader.error_position()).unwrap_or(start));
                return Err(tree.refuse(explain(&error)));
            }
        }
    }
}

/// RFC 3629 and nothing else; a byte order mark is allowed.
fn decode(body: &[u8]) -> Result<&str, Fault> {
    let refuse = |position, message: String| Err(Fault::new(position, Code::BadRequest, message));
    if body.len() > MSML_OCTETS {
        return refuse(
            Position::START,
            format!("a document may have {MSML_OCTETS} octets, this one has {}", body.len()),
        );
    }
    if body.starts_with(&[0xFE, 0xFF]) || body.starts_with(&[0xFF, 0xFE]) || body.get(..2) == Some(&[0, b'<']) {
        return refuse(Position::START, "the document is UTF-16; send UTF-8".to_owned());
    }
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let good = std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default();
            return refuse(Cursor::end_of(good), "an octet that is not UTF-8".to_owned());
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((offset, c)) = text.char_indices().find(|(_, c)| !is_char(*c)) {
        let position = Cursor::end_of(&text[..offset]);
        return refuse(position, format!("XML cannot carry the character U+{:04X}", u32::from(c)));
    }
    Ok(text)
}

/// The parser quotes what it could not read, whole; of that, so many characters are enough.
const EXPLAINED_CHARS: usize = 160;

fn explain(error: &Error) -> String {
    let text = match error {
        Error::IllFormed(fault) => fault.to_string(),
        Error::Syntax(fault) => fault.to_string(),
        other => other.to_string(),
    };
    match text.char_indices().nth(EXPLAINED_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A place that only moves forward, so that finding all positions costs one pass.
#[derive(Clone, Copy)]
struct Cursor {
    offset: usize,
    position: Position,
}

impl Cursor {
    fn end_of(text: &str) -> Position {
        let mut cursor = Self { offset: 0, position: Position::START };
        cursor.advance(text, text.len());
        cursor.position
    }

    fn advance(&mut self, text: &str, to: usize) {
        let Some(passed) = text.get(self.offset..to) else { return };
        for c in passed.chars() {
            if c == '\n' {
                self.position = Position { line: self.position.line + 1, column: 1 };
            } else {
                self.position.column += 1;
            }
        }
        self.offset = to;
    }
}

struct Tree<'a> {
    text: &'a str,
    open: Vec<Element>,
    root: Option<Element>,
    /// Prefix, vocabulary and the depth of the element that declared it, innermost last.
    bindings: Vec<(&'a str, Space, usize)>,
    elements: usize,
    at: Cursor,
}

impl<'a> Tree<'a> {
    fn refuse(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.at.position, Code::BadRequest, message)
    }

    fn take(&mut self, event: Event<'a>, start: usize) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => self.enter(&tag, start),
            Event::Empty(tag) => {
                self.enter(&tag, start)?;
                self.leave();
                Ok(())
            }
            Event::End(_) => {
                self.leave();
                Ok(())
            }
            Event::Text(text) if text.contains("]]>") => Err(self.refuse("\"]]>\" may not stand in text")),
            Event::Text(text) => self.characters(&text),
            Event::CData(_) if self.open.is_empty() => Err(self.refuse("text outside the root element")),
            Event::CData(text) => self.characters(&text),
            Event::GeneralRef(reference) => match resolve(&reference) {
                Some(c) => self.characters(c.encode_utf8(&mut [0; 4])),
                None => Err(self.refuse(format!("unknown reference {}", quoted(&format!("&{};", &*reference))))),
            },
            Event::Comment(_) => Ok(()),
            Event::Decl(declaration) if start == 0 => self.declaration(&declaration),
            Event::Decl(_) => Err(self.refuse("an XML declaration may only stand at the very beginning")),
            Event::PI(_) => Err(self.refuse("processing instructions are not accepted")),
            // RFC 5707 has no DTD; without one there is no external entity and no expansion.
            Event::DocType(_) => Err(self.refuse("a document type declaration is not accepted")),
            Event::Eof => Ok(()),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), Fault> {
        let content = declaration.strip_prefix("xml").unwrap_or_default();
        let parts = attributes(content).map_err(|reason| self.refuse(reason))?;
        let names: Vec<&str> = parts.iter().map(|part| part.0).collect();
        if !matches!(
            names[..],
            ["version"] | ["version", "encoding" | "standalone"] | ["version", "encoding", "standalone"]
        ) {
            return Err(self.refuse("the XML declaration must have version, then encoding, then standalone"));
        }
        for (name, value) in parts {
            match name {
                "version" if value != "1.0" => return Err(self.refuse("only XML 1.0 is accepted")),
                "encoding" if !["utf-8", "utf8", "us-ascii"].contains(&value.to_ascii_lowercase().as_str()) => {
                    return Err(self.refuse(format!("the encoding {} is not accepted; send UTF-8", quoted(value))));
                }
                "standalone" if value != "yes" && value != "no" => {
                    return Err(self.refuse("standalone must be yes or no"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn characters(&mut self, text: &str) -> Result<(), Fault> {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
            return Ok(());
        }
        if text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
            return Ok(());
        }
        Err(self.refuse("text outside the root element"))
    }

    fn enter(&mut self, tag: &BytesStart<'a>, start: usize) -> Result<(), Fault> {
        if self.root.is_some() {
            return Err(self.refuse("a second root element"));
        }
        if self.open.len() >= MSML_DEPTH {
            return Err(self.refuse(format!("elements may be nested {MSML_DEPTH} deep")));
        }
        self.elements += 1;
        if self.elements > MSML_ELEMENTS {
            return Err(self.refuse(format!("a document may have {MSML_ELEMENTS} elements")));
        }
        // Slices of the text rather than of the event, so that declared prefixes outlive it.
        let inside = self.text.get(start + 1..start + 1 + tag.len()).unwrap_or_default();
        let (name, rest) = inside.split_at_checked(tag.name().as_ref().len()).unwrap_or((inside, ""));
        let (prefix, local) = split(name).ok_or_else(|| self.refuse(format!("{} is not a name", quoted(name))))?;
        let written = attributes(rest).map_err(|reason| self.refuse(reason))?;
        if written.len() > MSML_ATTRIBUTES {
            return Err(self.refuse(format!("an element may have {MSML_ATTRIBUTES} attributes")));
        }
        self.bind(&written)?;
        let space = self.space(prefix)?;
        let attributes = self.own_attributes(&written)?;
        let position = self.at.position;
        let (children, text) = (Vec::new(), String::new());
        self.open.push(Element { name: local.to_owned(), space, attributes, children, text, position });
        Ok(())
    }

    /// Takes in the namespace declarations of a tag.
    fn bind(&mut self, written: &[(&'a str, &'a str)]) -> Result<(), Fault> {
        for (name, value) in written {
            let prefix = match split(name) {
                Some(("", "xmlns")) => "",
                Some(("xmlns", prefix)) => prefix,
                _ => continue,
            };
            let uri = unescape(value).map_err(|reason| self.refuse(reason))?;
            if (prefix == "xml") != (uri == XML_NAMESPACE)
                || prefix == "xmlns"
                || (uri.is_empty() && !prefix.is_empty())
            {
                return Err(self.refuse(format!("the namespace prefix {} cannot be declared so", quoted(prefix))));
            }
            if self.bindings.len() >= MSML_NAMESPACES {
                return Err(self.refuse(format!("{MSML_NAMESPACES} namespaces may be in force at once")));
            }
            let space = match uri.as_str() {
                "" | MSML_NAMESPACE => Space::Msml,
                XML_NAMESPACE => Space::Xml,
                _ => Space::Foreign,
            };
            self.bindings.push((prefix, space, self.open.len()));
        }
        Ok(())
    }

    fn space(&self, prefix: &str) -> Result<Space, Fault> {
        if prefix == "xml" {
            return Ok(Space::Xml);
        }
        match self.bindings.iter().rev().find(|binding| binding.0 == prefix) {
            Some((_, space, _)) => Ok(*space),
            None if prefix.is_empty() => Ok(Space::Msml),
            None => Err(self.refuse(format!("the namespace prefix {} is not declared", quoted(prefix)))),
        }
    }

    fn own_attributes(&self, written: &[(&str, &str)]) -> Result<Vec<Attribute>, Fault> {
        let mut own: Vec<Attribute> = Vec::with_capacity(written.len());
        for (index, (name, value)) in written.iter().enumerate() {
            let (prefix, local) = split(name).ok_or_else(|| self.refuse(format!("{} is not a name", quoted(name))))?;
            if written[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(self.refuse(format!("the attribute {} stands twice", quoted(name))));
            }
            if prefix == "xmlns" || (prefix.is_empty() && local == "xmlns") {
                continue;
            }
            if !prefix.is_empty() {
                self.space(prefix)?;
            }
            let value = unescape(value).map_err(|reason| self.refuse(reason))?;
            own.push(Attribute { name: (*name).to_owned(), plain: prefix.is_empty(), value });
        }
        Ok(own)
    }

    fn leave(&mut self) {
        let Some(element) = self.open.pop() else { return };
        let depth = self.open.len();
        self.bindings.retain(|binding| binding.2 < depth);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn finish(mut self) -> Result<Element, Fault> {
        self.at.advance(self.text, self.text.len());
        if let Some(element) = self.open.last() {
            let message = format!("the document ends inside {}, opened at {}", quoted(&element.name), element.position);
            return Err(self.refuse(message));
        }
        let position = self.at.position;
        self.root.ok_or_else(|| Fault::new(position, Code::BadRequest, "the document has no element"))
    }
}

/// A qualified name: prefix (may be empty) and local part.
fn split(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let prefixed = name.len() != local.len();
    (super::markup::is_name(local) && (!prefixed || super::markup::is_name(prefix))).then_some((prefix, local))
}
