//! Where a master key is read from: its name, and a file or a variable. The key itself is never a setting.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A named key: `NAME:FILE`, or `NAME:$VARIABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// By what objects name it.
    pub name: String,
    /// Where it is.
    pub place: KeyPlace,
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            KeyPlace::File(path) => write!(f, "{}:{}", self.name, path.display()),
            KeyPlace::Variable(name) => write!(f, "{}:${name}", self.name),
        }
    }
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Whoever writes the key itself here does not read it again in an error message.
        let why = "expected NAME:FILE or NAME:$VARIABLE, a name of letters, digits, '-', '_' and '.', 64 at most";
        let (name, place) = text.split_once(':').ok_or(why)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) || place.contains(char::is_control) {
            return Err(why.to_owned());
        }
        let place = match place.strip_prefix('$') {
            Some("") => return Err(why.to_owned()),
            Some(variable) => KeyPlace::Variable(variable.to_owned()),
            None if place.is_empty() => return Err(why.to_owned()),
            None => KeyPlace::File(PathBuf::from(place)),
        };
        Ok(Self { name: name.to_owned(), place })
    }
}
