//! What is wrong with a document: where, which response code, and what would be right.

use std::fmt;

use thiserror::Error;

/// A place in a document, both counted from 1; columns count characters, not octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in that line.
    pub column: u32,
}

impl Position {
    /// Where every document begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// RFC 5707 §11, as far as a file server needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Code {
    /// OK.
    Ok = 200,
    /// Bad Request: not well-formed, or not MSML.
    BadRequest = 400,
    /// The element is in no package we know.
    UnknownElement = 401,
    /// The element is known but has no meaning for files, or is not built.
    UnsupportedElement = 402,
    /// A child element that must be there is not.
    MissingContent = 403,
    /// The element exists, but not here.
    ForbiddenContent = 404,
    /// Text where only elements may be.
    InvalidContent = 405,
    /// Strict validation only: the attribute is not declared.
    UnknownAttribute = 406,
    /// The attribute, or this value of it, is known and not supported.
    UnsupportedAttribute = 407,
    /// An attribute that must be there is not.
    MissingAttribute = 408,
    /// The attribute's value breaks its type.
    InvalidValue = 410,
    /// VoiceXML.
    UnsupportedLanguage = 420,
    /// Any other dialog language.
    UnknownLanguage = 421,
    /// Both `src` and an inline description.
    Ambiguous = 422,
    /// The script named by `src` could not be fetched.
    Fetch = 423,
    /// No such connection, conference or dialog.
    NoSuchObject = 430,
    /// The dialog's name is taken on that connection.
    NameInUse = 431,
    /// The server is draining.
    NotInService = 510,
    /// A limit on dialogs would be passed, so nothing was executed.
    NoResource = 520,
}

impl Code {
    /// The three digits.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Fault {
    /// The line, from 1.
    pub line: u32,
    /// The character in that line, from 1.
    pub column: u32,
    /// RFC 5707 §11.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What would be right, when that is known.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(at: Position, code: Code, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, code, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The sentence for `<description>`: place, fault, and the way out.
    pub fn description(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }
}

/// A value as it may be quoted in a description: short, whatever the client sent.
pub(super) fn quoted(value: &str) -> String {
    const SHOWN: usize = 60;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", &value[..end]),
        None => format!("\"{value}\""),
    }
}
