//! How the door says no: a status, a word for programs, and a sentence for people.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::spool::{CommitError, SealError, SpoolError, StageError};

/// When somebody who was refused for want of room, or of a sound disk, may ask again. The spool is looked at each second;
/// what has to happen first takes people or deletions longer.
const RETRY: Duration = Duration::from_secs(30);

/// Every answer that is not what was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::io) struct Fault {
    #[serde(skip)]
    status: StatusCode,
    /// What went wrong, for programs: a word that does not change.
    #[schema(value_type = String, example = "quota")]
    error: &'static str,
    /// What went wrong, for people.
    reason: String,
}

impl Fault {
    pub(in crate::io) fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        Self { status, error, reason: reason.into() }
    }

    /// The request can't be understood.
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    pub(super) fn no_object(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no object {id:?}, or not any more"))
    }

    pub(super) fn too_large(limit: u64) -> Self {
        let reason = format!("a file may have {limit} octets at most (msrp.max_size)");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason)
    }

    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason)
    }

    fn exists(reason: String) -> Self {
        Self::new(StatusCode::CONFLICT, "exists", reason)
    }

    fn quota(reason: String) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "quota", reason)
    }

    fn no_room(reason: String) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "no_room", reason)
    }

    /// Time, or an operator, may mend it.
    fn may_pass(&self) -> bool {
        matches!(self.error, "no_room" | "unavailable")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, retry) = (self.status, self.may_pass());
        let mut response = (status, Json(self)).into_response();
        if retry {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY.as_secs()));
        }
        response
    }
}

impl From<SpoolError> for Fault {
    fn from(error: SpoolError) -> Self {
        let reason = error.to_string();
        match error {
            SpoolError::Gone { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", reason),
            SpoolError::Held { .. } => Self::new(StatusCode::CONFLICT, "held", reason),
            SpoolError::Exists(_) => Self::exists(reason),
            SpoolError::Quota(_) => Self::quota(reason),
            SpoolError::Corrupt { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", reason),
            SpoolError::Newer { .. } | SpoolError::KeyMissing { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "closed", reason)
            }
            _ => Self::unavailable(reason),
        }
    }
}

impl From<StageError> for Fault {
    fn from(error: StageError) -> Self {
        let reason = error.to_string();
        match error {
            StageError::Exists(_) | StageError::Held(_) => Self::exists(reason),
            StageError::Full { .. } => Self::no_room(reason),
            StageError::Quota(_) => Self::quota(reason),
            StageError::Spool(error) => error.into(),
            _ => Self::unavailable(reason),
        }
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Stage(error) => error.into(),
            SealError::Digest { .. } => Self::new(StatusCode::BAD_REQUEST, "digest_mismatch", error.to_string()),
            SealError::Size { .. } | SealError::Hole { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "incomplete", error.to_string())
            }
        }
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        let reason = error.to_string();
        match error {
            CommitError::Exists(_) | CommitError::Held(_) => Self::exists(reason),
            CommitError::EnvelopeTooLarge { .. } => Self::bad(reason),
            CommitError::Full => Self::no_room(reason),
            CommitError::Spool(error) => error.into(),
        }
    }
}
