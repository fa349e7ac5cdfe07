//! Why a file did not arrive, in the words of MSRP, of MSML and of the `ft` package at once.

use crate::msrp::cpim::CpimError;
use crate::msrp::{AbortReason, StatusCode};
use crate::spool::{CommitError, OverQuota, SealError, StageError};

/// Why a received message did not become an object. Whose fault it was comes first: the peer's, the operator's, ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveFailure {
    /// The sender's octets do not have the digest it declared.
    #[error("the file's digest is not the declared one")]
    HashMismatch,
    /// The sender's message does not have the size it declared.
    #[error("the file's size is not the declared one")]
    SizeMismatch,
    /// The message is larger than `max-size`.
    #[error("the file is larger than max-size allows")]
    TooLarge,
    /// The sender declares no digest, and the script wants one.
    #[error("the sender declares no digest of the file")]
    NoDigest,
    /// The message is the rest of a file of which the script wants all.
    #[error("it is the rest of a file, and all of it is wanted")]
    Rest,
    /// The message's type is not accepted here.
    #[error("the media type is not accepted")]
    BadType,
    /// The sender's `message/cpim` can't be opened.
    #[error("message/cpim: {0}")]
    Wrapper(#[from] CpimError),
    /// The sender broke the message off.
    #[error("the sender broke off")]
    AbortedRemote,
    /// The stream was lost before the last octet.
    #[error("the connection was lost")]
    Disconnected,
    /// The same file of the same sender goes on in a newer session.
    #[error("a newer session of its sender has taken the file over")]
    TakenOver,
    /// Nothing came for too long, and nothing had come before.
    #[error("no octet came in time")]
    First,
    /// Nothing more came for too long.
    #[error("the sender paused too long")]
    Idle,
    /// The application stopped it.
    #[error("the application ended the transfer")]
    Terminated,
    /// An object of that name exists.
    #[error("an object of that name exists")]
    Exists,
    /// The box may not hold more.
    #[error("{0}")]
    Quota(OverQuota),
    /// The spool could not take it.
    #[error("storage failed: {0}")]
    Storage(String),
}

/// Why a file that a script has moved did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFailure {
    /// There is no such object or page.
    #[error("there is no {0}")]
    NotFound(String),
    /// An object of that name exists.
    #[error("{0} exists")]
    Exists(String),
    /// It was replaced while something was put behind it.
    #[error("{0} has changed meanwhile")]
    Changed(String),
    /// The operator's lists do not have the site.
    #[error("{0}")]
    NotAllowed(String),
    /// The site has answered with this status.
    #[error("the site answered {0}")]
    Refused(u16),
    /// The site can't be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// The site was silent for too long.
    #[error("the site said nothing for too long")]
    Idle,
    /// It is larger than `msrp.max_size`.
    #[error("the file is larger than msrp.max_size")]
    TooLarge,
    /// The octets are not as many as were announced, or not those of the object.
    #[error("the octets are not those that were announced")]
    Mismatch,
    /// The box may not hold more.
    #[error("{0}")]
    Quota(OverQuota),
    /// The spool could not take or give it.
    #[error("{0}")]
    Storage(String),
    /// The script ended it.
    #[error("the script ended it")]
    Stopped,
}

impl FileFailure {
    /// `ft.result`.
    pub fn result(&self) -> String {
        match self {
            Self::Unreachable(_) => "ft.disconnected".to_owned(),
            Self::Idle => "ft.timeout.idle".to_owned(),
            Self::TooLarge => "ft.toolarge".to_owned(),
            Self::Mismatch => "ft.sizemismatch".to_owned(),
            Self::Quota(_) => "ft.quota".to_owned(),
            Self::Storage(_) => "ft.storage".to_owned(),
            Self::Stopped => "ft.aborted.local".to_owned(),
            Self::NotFound(_) | Self::Exists(_) | Self::Changed(_) | Self::NotAllowed(_) | Self::Refused(_) => {
                format!("ft.rejected.{}", self.code().unwrap_or_default())
            }
        }
    }

    /// `ft.status`: a response code of RFC 5707 §11, or the site's own.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::NotFound(_) => Some(430),
            Self::Exists(_) | Self::Changed(_) => Some(431),
            Self::NotAllowed(_) => Some(410),
            Self::Refused(status) => Some(*status),
            Self::TooLarge => Some(521),
            Self::Quota(_) => Some(520),
            Self::Storage(_) => Some(503),
            Self::Unreachable(_) | Self::Idle | Self::Mismatch | Self::Stopped => None,
        }
    }
}

impl ReceiveFailure {
    /// What a chunk or a REPORT says about it. MSRP has no code for "internal error" (RFC 4975 §10): trouble with the
    /// disk is 413, stop sending.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::HashMismatch | Self::SizeMismatch => StatusCode::BAD_REQUEST,
            Self::BadType => StatusCode::UNSUPPORTED_MEDIA,
            Self::Wrapper(error) => error.status(),
            Self::Exists | Self::NoDigest | Self::Rest => StatusCode::FORBIDDEN,
            Self::First | Self::Idle => StatusCode::TIMEOUT,
            Self::TooLarge
            | Self::AbortedRemote
            | Self::Disconnected
            | Self::TakenOver
            | Self::Terminated
            | Self::Quota(_)
            | Self::Storage(_) => StatusCode::STOP_SENDING,
        }
    }

    /// The `dialog.exit.status` (checklist 13) of a failure that is ours or the script's. What the peer did wrong is told
    /// by `record.end` alone.
    pub const fn code(&self) -> Option<u16> {
        match self {
            Self::Exists => Some(431),
            Self::Quota(_) => Some(520),
            Self::Storage(_) => Some(503),
            _ => None,
        }
    }

    /// REASON in `record.failed.REASON`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::HashMismatch => "hashmismatch",
            Self::SizeMismatch => "sizemismatch",
            Self::TooLarge => "toolarge",
            Self::NoDigest => "nodigest",
            Self::Rest => "rest",
            Self::BadType | Self::Wrapper(_) => "badtype",
            Self::AbortedRemote => "aborted",
            Self::Disconnected => "disconnected",
            Self::TakenOver => "takenover",
            Self::First => "prespeech",
            Self::Idle => "postspeech",
            Self::Terminated => "terminated",
            Self::Exists => "exists",
            Self::Quota(_) => "quota",
            Self::Storage(_) => "storage",
        }
    }

    /// The value of `ft.result`.
    pub const fn result(&self) -> &'static str {
        match self {
            Self::HashMismatch => "ft.hashmismatch",
            Self::SizeMismatch => "ft.sizemismatch",
            Self::TooLarge => "ft.toolarge",
            Self::NoDigest | Self::Rest => "ft.rejected.403",
            Self::BadType | Self::Wrapper(_) => "ft.badtype",
            Self::AbortedRemote => "ft.aborted.remote",
            Self::Disconnected | Self::TakenOver => "ft.disconnected",
            Self::First => "ft.timeout.first",
            Self::Idle => "ft.timeout.idle",
            Self::Terminated => "ft.aborted.local",
            Self::Exists => "ft.rejected.431",
            Self::Quota(_) => "ft.quota",
            Self::Storage(_) => "ft.storage",
        }
    }

    /// Whether a later session may bring the rest, so that the octets are worth keeping.
    pub const fn resumable(&self) -> bool {
        matches!(self, Self::AbortedRemote | Self::Disconnected | Self::TakenOver | Self::Idle | Self::Terminated)
    }
}

impl From<AbortReason> for ReceiveFailure {
    fn from(why: AbortReason) -> Self {
        match why {
            AbortReason::Sender => Self::AbortedRemote,
            AbortReason::ConnectionLost | AbortReason::Unbound => Self::Disconnected,
            AbortReason::TooLarge | AbortReason::TooManyHoles | AbortReason::InTheWay => Self::TooLarge,
            AbortReason::BeyondEnd => Self::SizeMismatch,
        }
    }
}

impl From<&StageError> for ReceiveFailure {
    fn from(error: &StageError) -> Self {
        match error {
            StageError::Exists(_) | StageError::Held(_) => Self::Exists,
            StageError::Overrun { .. } => Self::SizeMismatch,
            StageError::TooManyHoles { .. } => Self::TooLarge,
            StageError::TakenOver => Self::TakenOver,
            StageError::Quota(over) => Self::Quota(over.clone()),
            other => Self::Storage(other.to_string()),
        }
    }
}

impl From<&SealError> for ReceiveFailure {
    fn from(error: &SealError) -> Self {
        match error {
            SealError::Digest { .. } => Self::HashMismatch,
            SealError::Size { .. } | SealError::Hole { .. } => Self::SizeMismatch,
            SealError::Stage(error) => Self::from(error),
        }
    }
}

impl From<&CommitError> for ReceiveFailure {
    fn from(error: &CommitError) -> Self {
        match error {
            CommitError::Exists(_) | CommitError::Held(_) => Self::Exists,
            other => Self::Storage(other.to_string()),
        }
    }
}
