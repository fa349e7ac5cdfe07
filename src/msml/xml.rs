//! A bounded reader of XML 1.0: octets in, a small tree with positions out, or the first thing that is not well-formed.

use std::borrow::Cow;

use memchr::{memchr_iter, memrchr};
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::{Error, Reader};

use crate::model::limits::{
    MSML_ATTRIBUTES, MSML_ATTRIBUTES_IN_ALL, MSML_DEPTH, MSML_ELEMENT_OCTETS, MSML_ELEMENTS, MSML_ELEMENTS_OF_ANY_SIZE,
    MSML_NAME_OCTETS, MSML_NAMESPACES, MSML_OCTETS,
};

use super::fault::{Code, Fault, Position, quoted};
use super::markup::{attributes, is_char, resolve, unescape};
use super::vocabulary::{FILE_NAMESPACE, file_word};

/// RFC 5707 §18.3 announces this namespace, its schemas use none: both name our elements.
const MSML_NAMESPACE: &str = "urn:ietf:params:xml:ns:msml";
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// Which vocabulary an element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// MSML's: no namespace, or the one of RFC 5707 §18.3; and the words of our package for files.
    Msml,
    /// The namespace of that package. Its words stand in the vocabulary under the prefix `ft`, whatever theirs is.
    File,
    /// `xml:`.
    Xml,
    /// Another one.
    Foreign,
}

/// One attribute with its references resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// As written, with its prefix.
    pub(super) name: &'a str,
    /// Whether it has no prefix, so belongs to its element.
    pub(super) plain: bool,
    /// The value.
    pub(super) value: &'a str,
}

/// A whole document: elements in document order, and nothing copied of it that need not be. Where things stand is kept in
/// few octets: `<a/>` has four, and whoever sends thousands of them must not cost us more than they are.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Without namespace declarations, which mean nothing to us.
    attributes: Vec<Written>,
    /// Values that are not what was written: it had references in it.
    values: Vec<String>,
    /// Character data that is not white space alone, with the element that it is in; children's not included.
    texts: Vec<(usize, Cow<'a, str>)>,
}

/// A name in the text. [`MSML_NAME_OCTETS`] bounds it.
#[derive(Clone, Copy, Debug)]
struct Name {
    at: u32,
    octets: u16,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    position: Position,
    /// Without its prefix.
    name: Name,
    /// Where its attributes end; they begin where those of the element before end.
    attributes: u16,
    /// The element after its last descendant.
    end: u16,
    space: Space,
    /// A word of our package for files, which stands in the vocabulary under another name.
    file_word: bool,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    name: Name,
    plain: bool,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    /// In the text: from where, and how many octets.
    Text(u32, u32),
    /// In [`Tree::values`].
    Resolved(u32),
}

/// One element with all that is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'t> {
    tree: &'t Tree<'t>,
    index: usize,
}

impl<'t> Element<'t> {
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.index]
    }

    /// Without its prefix, but for a word of our package for files.
    pub(super) fn name(self) -> &'t str {
        let local = self.tree.name(self.node().name);
        if self.node().file_word { file_word(local).unwrap_or(local) } else { local }
    }

    /// Its name, if it belongs to MSML's vocabulary; of others, none.
    pub(super) fn own_name(self) -> &'t str {
        if self.space() == Space::Msml { self.name() } else { "" }
    }

    /// Its vocabulary.
    pub(super) fn space(self) -> Space {
        self.node().space
    }

    /// Where its `<` is.
    pub(super) fn position(self) -> Position {
        self.node().position
    }

    /// Its character data, if that is more than white space.
    pub(super) fn text(self) -> Option<&'t str> {
        let own = self.tree.texts.iter().find(|(index, _)| *index == self.index);
        own.map(|(_, text)| text.as_ref()).filter(|text| !text.trim().is_empty())
    }

    /// Its attributes, in document order.
    pub(super) fn attributes(self) -> impl Iterator<Item = Attribute<'t>> {
        let begin = self.index.checked_sub(1).map_or(0, |before| self.tree.nodes[before].attributes);
        self.tree.attributes[usize::from(begin)..usize::from(self.node().attributes)].iter().map(|written| Attribute {
            name: self.tree.name(written.name),
            plain: written.plain,
            value: self.tree.value(written.value),
        })
    }

    /// The value of a plain attribute.
    pub(super) fn attribute(self, name: &str) -> Option<&'t str> {
        self.attributes().find(|attribute| attribute.plain && attribute.name == name).map(|attribute| attribute.value)
    }

    /// Its children, in document order.
    pub(super) fn children(self) -> impl Iterator<Item = Self> + Clone {
        let (tree, end) = (self.tree, usize::from(self.node().end));
        let at = move |index: usize| (index < end).then_some(Self { tree, index });
        std::iter::successors(at(self.index + 1), move |child| at(usize::from(child.node().end)))
    }
}

impl Tree<'_> {
    /// The one element that all others are in.
    pub(super) fn root(&self) -> Element<'_> {
        Element { tree: self, index: 0 }
    }

    fn name(&self, name: Name) -> &str {
        let at = name.at as usize;
        self.text.get(at..at + usize::from(name.octets)).unwrap_or_default()
    }

    fn value(&self, value: Value) -> &str {
        match value {
            Value::Text(at, octets) => self.text.get(at as usize..(at as usize + octets as usize)).unwrap_or_default(),
            Value::Resolved(index) => self.values.get(index as usize).map_or("", String::as_str),
        }
    }

    /// Where a piece of the text begins.
    fn offset(&self, piece: &str) -> u32 {
        wide(piece.as_ptr() as usize - self.text.as_ptr() as usize)
    }
}

/// Reads one document.
///
/// # Errors
/// The first [`Fault`], always with [`Code::BadRequest`].
pub(super) fn read(body: &[u8]) -> Result<Tree<'_>, Fault> {
    let text = decode(body)?;
    let mut tree = Builder {
        tree: Tree { text, nodes: Vec::new(), attributes: Vec::new(), values: Vec::new(), texts: Vec::new() },
        open: Vec::new(),
        bindings: Vec::new(),
        written: Vec::new(),
        at: Cursor { offset: 0, position: Position::START },
    };
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        tree.at.advance(text, start);
        match reader.read_event() {
            Ok(Event::Eof) => return tree.finish(),
            Ok(event) => {
                let end = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
                tree.take(&event, text.get(start..end).unwrap_or_default(), start)?;
            }
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
    // Only control characters and U+FFFE and U+FFFF, whose first octet is EF, are to be looked for.
    let plain = |octet: &u8| (0x20..0xEF).contains(octet) || b"\t\n\r".contains(octet);
    if text.bytes().all(|octet| plain(&octet)) {
        return Ok(text);
    }
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
        let Some(passed) = text.as_bytes().get(self.offset..to) else { return };
        let characters = |octets: &[u8]| octets.iter().filter(|octet| !(0x80..0xC0).contains(*octet)).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        match memrchr(b'\n', passed) {
            Some(last) => {
                self.position.line += count(memchr_iter(b'\n', passed).count());
                self.position.column = 1 + count(characters(&passed[last + 1..]));
            }
            None => self.position.column += count(characters(passed)),
        }
        self.offset = to;
    }
}

/// A tree that grows.
struct Builder<'a> {
    tree: Tree<'a>,
    /// The elements that have begun and not ended, the innermost last.
    open: Vec<usize>,
    /// Prefix, vocabulary and the depth of the element that declared it, innermost last.
    bindings: Vec<(&'a str, Space, usize)>,
    /// The attributes of the tag at hand, as written.
    written: Vec<(&'a str, &'a str)>,
    at: Cursor,
}

impl<'a> Builder<'a> {
    fn refuse(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.at.position, Code::BadRequest, message)
    }

    /// Takes an event that was read from `raw`, which begins at `start`.
    fn take(&mut self, event: &Event<'_>, raw: &'a str, start: usize) -> Result<(), Fault> {
        match event {
            Event::Start(tag) => self.enter(tag, start),
            Event::Empty(tag) => {
                self.enter(tag, start)?;
                self.leave();
                Ok(())
            }
            Event::End(_) => {
                self.leave();
                Ok(())
            }
            Event::Text(_) if raw.contains("]]>") => Err(self.refuse("\"]]>\" may not stand in text")),
            Event::Text(_) => self.characters(raw),
            Event::CData(_) if self.open.is_empty() => Err(self.refuse("text outside the root element")),
            Event::CData(_) => {
                let inside = raw.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>"));
                self.characters(inside.unwrap_or_default())
            }
            Event::GeneralRef(reference) => match resolve(reference) {
                Some(c) => self.character(c),
                None => Err(self.refuse(format!("unknown reference {}", quoted(&format!("&{};", &**reference))))),
            },
            Event::Comment(_) => Ok(()),
            Event::Decl(declaration) if start == 0 => self.declaration(declaration),
            Event::Decl(_) => Err(self.refuse("an XML declaration may only stand at the very beginning")),
            Event::PI(_) => Err(self.refuse("processing instructions are not accepted")),
            // RFC 5707 has no DTD; without one there is no external entity and no expansion.
            Event::DocType(_) => Err(self.refuse("a document type declaration is not accepted")),
            Event::Eof => Ok(()),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), Fault> {
        let content = declaration.strip_prefix("xml").unwrap_or_default();
        let mut parts = Vec::new();
        attributes(content, &mut parts).map_err(|reason| self.refuse(reason))?;
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

    fn characters(&mut self, text: &'a str) -> Result<(), Fault> {
        let blank = text.bytes().all(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
        match self.said() {
            Some(before) => before.to_mut().push_str(text),
            None if blank => {}
            None => self.say(Cow::Borrowed(text))?,
        }
        Ok(())
    }

    /// What a reference stands for.
    fn character(&mut self, c: char) -> Result<(), Fault> {
        match self.said() {
            Some(before) => before.to_mut().push(c),
            None => self.say(Cow::Owned(c.to_string()))?,
        }
        Ok(())
    }

    /// What the innermost element has said so far.
    fn said(&mut self) -> Option<&mut Cow<'a, str>> {
        let index = self.open.last()?;
        self.tree.texts.iter_mut().rev().find(|(known, _)| known == index).map(|(_, text)| text)
    }

    fn say(&mut self, text: Cow<'a, str>) -> Result<(), Fault> {
        let Some(index) = self.open.last() else { return Err(self.refuse("text outside the root element")) };
        self.tree.texts.push((*index, text));
        Ok(())
    }

    fn enter(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<(), Fault> {
        if self.open.is_empty() && !self.tree.nodes.is_empty() {
            return Err(self.refuse("a second root element"));
        }
        if self.open.len() >= MSML_DEPTH {
            return Err(self.refuse(format!("elements may be nested {MSML_DEPTH} deep")));
        }
        let most = MSML_ELEMENTS.min(MSML_ELEMENTS_OF_ANY_SIZE + self.tree.text.len() / MSML_ELEMENT_OCTETS);
        if self.tree.nodes.len() >= most {
            let octets = self.tree.text.len();
            return Err(self.refuse(format!("a document of {octets} octets may have {most} elements")));
        }
        // Slices of the text rather than of the event, so that they outlive it.
        let inside = self.tree.text.get(start + 1..start + 1 + tag.len()).unwrap_or_default();
        let (written_name, rest) = inside.split_at_checked(tag.name().as_ref().len()).unwrap_or((inside, ""));
        let (prefix, local) = self.split(written_name)?;
        let mut written = std::mem::take(&mut self.written);
        attributes(rest, &mut written).map_err(|reason| self.refuse(reason))?;
        if written.len() > MSML_ATTRIBUTES {
            return Err(self.refuse(format!("an element may have {MSML_ATTRIBUTES} attributes")));
        }
        if self.tree.attributes.len() + written.len() > MSML_ATTRIBUTES_IN_ALL {
            return Err(self.refuse(format!("a document may have {MSML_ATTRIBUTES_IN_ALL} attributes")));
        }
        self.bind(&written)?;
        let space = self.space(prefix)?;
        let file_word = space == Space::File && file_word(local).is_some();
        let space = if file_word { Space::Msml } else { space };
        let name = self.name(local);
        self.own_attributes(&written)?;
        self.written = written;
        let attributes = narrow(self.tree.attributes.len());
        self.open.push(self.tree.nodes.len());
        self.tree.nodes.push(Node { position: self.at.position, name, attributes, end: 0, space, file_word });
        Ok(())
    }

    /// The parts of a qualified name.
    fn split(&self, name: &'a str) -> Result<(&'a str, &'a str), Fault> {
        if name.len() > MSML_NAME_OCTETS {
            return Err(self.refuse(format!("a name may have {MSML_NAME_OCTETS} octets")));
        }
        split(name).ok_or_else(|| self.refuse(format!("{} is not a name", quoted(name))))
    }

    fn name(&self, name: &'a str) -> Name {
        Name { at: self.tree.offset(name), octets: narrow(name.len()) }
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
            let space = match uri.as_ref() {
                "" | MSML_NAMESPACE => Space::Msml,
                FILE_NAMESPACE => Space::File,
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

    fn own_attributes(&mut self, written: &[(&'a str, &'a str)]) -> Result<(), Fault> {
        for (index, (name, value)) in written.iter().enumerate() {
            let (prefix, local) = self.split(name)?;
            if written[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(self.refuse(format!("the attribute {} stands twice", quoted(name))));
            }
            if prefix == "xmlns" || (prefix.is_empty() && local == "xmlns") {
                continue;
            }
            if !prefix.is_empty() {
                self.space(prefix)?;
            }
            let value = match unescape(value).map_err(|reason| self.refuse(reason))? {
                Cow::Borrowed(value) => Value::Text(self.tree.offset(value), wide(value.len())),
                Cow::Owned(value) => {
                    self.tree.values.push(value);
                    Value::Resolved(wide(self.tree.values.len() - 1))
                }
            };
            self.tree.attributes.push(Written { name: self.name(name), plain: prefix.is_empty(), value });
        }
        Ok(())
    }

    fn leave(&mut self) {
        let Some(index) = self.open.pop() else { return };
        let depth = self.open.len();
        self.bindings.retain(|binding| binding.2 < depth);
        self.tree.nodes[index].end = narrow(self.tree.nodes.len());
    }

    fn finish(mut self) -> Result<Tree<'a>, Fault> {
        self.at.advance(self.tree.text, self.tree.text.len());
        if let Some(index) = self.open.last() {
            let Node { name, position, .. } = self.tree.nodes[*index];
            let name = quoted(self.tree.name(name));
            return Err(self.refuse(format!("the document ends inside {name}, opened at {position}")));
        }
        if self.tree.nodes.is_empty() {
            return Err(self.refuse("the document has no element"));
        }
        Ok(self.tree)
    }
}

/// A number that a limit keeps small.
fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// An octet's place in a document, of which the octets are limited.
fn wide(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A qualified name: prefix (may be empty) and local part.
fn split(name: &str) -> Option<(&str, &str)> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let prefixed = name.len() != local.len();
    (super::markup::is_name(local) && (!prefixed || super::markup::is_name(prefix))).then_some((prefix, local))
}
