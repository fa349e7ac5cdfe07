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

/// RFC 5707 §11, as far as a file server needs them. Those of a dialog that fails are in its `msml.dialog.exit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Code {
    /// OK.
    #[default]
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
    /// What a `<play>` shall send could not be opened.
    Unopened = 434,
    /// The connection has no message stream.
    NoStream = 441,
    /// The peer does not take files of this type.
    PeerRefusesType = 450,
    /// No stream goes in this direction, and the peer refused a new one.
    WrongDirection = 451,
    /// The spool could not take the file.
    Unavailable = 503,
    /// The server is draining.
    NotInService = 510,
    /// A limit would be passed, so nothing was executed.
    NoResource = 520,
    /// Larger than a limit allows.
    LimitExceeded = 521,
}

impl Code {
    /// All of them, with what they mean here.
    pub const ALL: &[(Self, &str)] = &[
        (Self::Ok, "everything was executed"),
        (Self::BadRequest, "the document is not well-formed, or not MSML"),
        (Self::UnknownElement, "the element is in no package that is known"),
        (Self::UnsupportedElement, "the element is known and means nothing for a file"),
        (Self::MissingContent, "an element that must be there is not"),
        (Self::ForbiddenContent, "the element is known, but may not stand there"),
        (Self::InvalidContent, "text where only elements may be"),
        (Self::UnknownAttribute, "the attribute is not declared; only with strict validation"),
        (Self::UnsupportedAttribute, "the attribute, or this value of it, is known and means nothing for a file"),
        (Self::MissingAttribute, "an attribute that must be there is not"),
        (Self::InvalidValue, "an attribute's value is not of its shape"),
        (Self::UnsupportedLanguage, "the dialog's language is VoiceXML"),
        (Self::UnknownLanguage, "the dialog's language is another one"),
        (Self::Ambiguous, "there is a src and an inline description"),
        (Self::Fetch, "the description that src names was not fetched"),
        (Self::NoSuchObject, "there is no such connection, dialog, or object to play"),
        (Self::NameInUse, "the dialog's name is taken, or an object of that name exists"),
        (Self::Unopened, "the object to play could not be opened"),
        (Self::NoStream, "the connection has no message stream"),
        (Self::PeerRefusesType, "the peer does not accept files of this type"),
        (Self::WrongDirection, "no stream goes in this direction, and the peer refused a new one"),
        (Self::Unavailable, "the spool could not take the file"),
        (Self::NotInService, "the server is going out of service and starts no dialogs"),
        (Self::NoResource, "there is no room for the whole request, and nothing of it was executed"),
        (Self::LimitExceeded, "the file is larger than the peer takes, or the answer larger than SIP carries"),
    ];

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
    /// Where the rule stands that was broken.
    pub rule: &'static str,
}

impl Fault {
    pub(super) fn new(at: Position, code: Code, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, code, message: message.into(), hint: None, rule: WELL_FORMED }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) const fn by(mut self, rule: &'static str) -> Self {
        self.rule = rule;
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

/// RFC 5707 §5: a request is checked as a whole before any of it is executed.
pub(super) const WELL_FORMED: &str = "RFC 5707 §5";

/// A value as it may be quoted in a description: short, whatever the client sent.
pub(super) fn quoted(value: &str) -> String {
    const SHOWN: usize = 60;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}...\"", &value[..end]),
        None => format!("\"{value}\""),
    }
}
