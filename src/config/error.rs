//! What is wrong with a configuration, and where it says so.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line, counted from 1, of a file.
    File {
        /// The file as the caller named it.
        name: String,
        /// The line.
        line: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// A flag of this name.
    Flag(String),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {fault}")]
pub struct ConfigError {
    /// Where.
    pub origin: Origin,
    /// What.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// No such section or key.
    #[error("unknown key {key}; did you mean {nearest}?")]
    UnknownKey {
        /// The key as given.
        key: String,
        /// The known key that looks most like it.
        nearest: String,
    },
    /// A key with a value that doesn't fit it.
    #[error("{key}: {why}")]
    Value {
        /// The key.
        key: String,
        /// What would fit.
        why: String,
    },
}
