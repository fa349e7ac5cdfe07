//! Names of what lies in the spool: `spool:/BOX/NAME`, `spool:/BOX/`, and MSML's virtual `file:` names.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::limits::NAME_OCTETS;

/// RFC 3986 unreserved characters and a few harmless ones stay readable; everything else is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b'+')
    .remove(b'=')
    .remove(b',');

/// The box in which MSML's `file:` names live. It is part of the spool, never the host's file system.
const FILE_BOX: &str = "files";

/// An object, or a box where a deposit mints the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectUri {
    mailbox: String,
    name: Option<String>,
}

/// Why a text is not the name of anything in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectUriError {
    /// Neither `spool:` nor `file:`.
    #[error("the scheme is neither spool: nor file:")]
    Scheme,
    /// `spool:` must be followed by `/BOX/NAME` or `/BOX/`.
    #[error("expected spool:/BOX/NAME or spool:/BOX/")]
    Shape,
    /// A name is empty, too long, `.` or `..`, holds `/` or a control character, or is not UTF-8.
    #[error(
        "a box or object name must be 1-255 octets of UTF-8 without '/' or control characters, and not '.' or '..'"
    )]
    Name,
}

impl ObjectUri {
    /// The object `name` in `mailbox`.
    ///
    /// # Errors
    /// [`ObjectUriError::Name`] if either breaks the rule for names.
    pub fn object(mailbox: &str, name: &str) -> Result<Self, ObjectUriError> {
        Ok(Self { mailbox: checked(mailbox)?, name: Some(checked(name)?) })
    }

    /// The box `mailbox` itself.
    ///
    /// # Errors
    /// [`ObjectUriError::Name`] if it breaks the rule for names.
    pub fn mailbox(mailbox: &str) -> Result<Self, ObjectUriError> {
        Ok(Self { mailbox: checked(mailbox)?, name: None })
    }

    /// The box.
    pub fn box_name(&self) -> &str {
        &self.mailbox
    }

    /// The object's name; `None` if this names a box.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The object of this name in the same box.
    ///
    /// # Errors
    /// [`ObjectUriError::Name`] if the name breaks the rule for names.
    pub fn with_name(&self, name: &str) -> Result<Self, ObjectUriError> {
        Self::object(&self.mailbox, name)
    }
}

fn checked(name: &str) -> Result<String, ObjectUriError> {
    let length = 1..=NAME_OCTETS;
    let hostile = |c: char| c == '/' || c.is_control();
    if !length.contains(&name.len()) || name == "." || name == ".." || name.contains(hostile) {
        return Err(ObjectUriError::Name);
    }
    Ok(name.to_owned())
}

fn decoded(segment: &str) -> Result<String, ObjectUriError> {
    let text = percent_decode_str(segment).decode_utf8().map_err(|_| ObjectUriError::Name)?;
    checked(&text)
}

/// `file:///media/a b.wav` and `file://a.wav` name one object of the box `files`. A slash inside the path becomes part
/// of the name as `%2F`, so that two paths never share a name; `..` has no meaning there and is refused.
fn file_name(path: &str) -> Result<String, ObjectUriError> {
    let segments: Vec<String> =
        path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect::<Result<_, _>>()?;
    let escaped: Vec<String> = segments.iter().map(|segment| segment.replace('%', "%25")).collect();
    checked(&escaped.join("%2F"))
}

impl FromStr for ObjectUri {
    type Err = ObjectUriError;

    fn from_str(text: &str) -> Result<Self, ObjectUriError> {
        let (scheme, rest) = text.split_once(':').ok_or(ObjectUriError::Scheme)?;
        if scheme.eq_ignore_ascii_case("file") {
            return Self::object(FILE_BOX, &file_name(rest)?);
        }
        if !scheme.eq_ignore_ascii_case("spool") {
            return Err(ObjectUriError::Scheme);
        }
        let path = rest.strip_prefix('/').ok_or(ObjectUriError::Shape)?;
        match path.split_once('/') {
            Some((mailbox, "")) => Ok(Self { mailbox: decoded(mailbox)?, name: None }),
            Some((mailbox, name)) => Ok(Self { mailbox: decoded(mailbox)?, name: Some(decoded(name)?) }),
            None => Err(ObjectUriError::Shape),
        }
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spool:/{}/", utf8_percent_encode(&self.mailbox, ESCAPED))?;
        match &self.name {
            Some(name) => write!(f, "{}", utf8_percent_encode(name, ESCAPED)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_never_become_objects() {
        for bad in [
            "spool:/",
            "spool:/bob",
            "spool:bob/x",
            "spool://bob/x",
            "spool:/bob/a/b",
            "spool:/../x",
            "spool:/bob/..",
            "spool:/bob/%2e%2e",
            "spool:/bob/a%2Fb",
            "spool:/bob/%00",
            "spool:/bob/%ff",
            "file:///../etc/passwd",
            "file://",
            "http://x/y",
            "bob",
            "",
        ] {
            assert!(bad.parse::<ObjectUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_uri_is_a_name_in_the_box_files() {
        let short: ObjectUri = "file://greeting.wav".parse().expect("a file name");
        assert_eq!((short.box_name(), short.name()), ("files", Some("greeting.wav")));
        let long: ObjectUri = "file:///media/Mailbox%207.wav".parse().expect("a file name");
        assert_eq!(long.name(), Some("media%2FMailbox 7.wav"));
        assert_eq!(long.to_string().parse(), Ok(long));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(mailbox in "\\PC{1,20}", name in "\\PC{1,20}") {
            prop_assume!(![mailbox.as_str(), name.as_str()].iter().any(|n| n.contains('/') || *n == "." || *n == ".."));
            let uri = ObjectUri::object(&mailbox, &name).expect("a legal name");
            prop_assert_eq!(uri.to_string().parse::<ObjectUri>(), Ok(uri));
        }
    }
}
