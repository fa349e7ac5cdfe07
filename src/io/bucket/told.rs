//! What the library's errors mean for the spool.

use crate::spool::BucketError;

/// What an error of the library means for the spool. Its text has no secrets: keys are only ever in headers.
pub(super) fn told(error: object_store::Error) -> BucketError {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => BucketError::Missing,
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => BucketError::Taken,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => BucketError::Denied(in_short(&error)),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => BucketError::Unsupported(in_short(&error)),
        error => {
            let text = in_short(&error);
            // The library keeps the status of an answer to itself but for this text.
            let status = text.split("status code: ").nth(1).and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
            match status {
                Some(501) => BucketError::Unsupported(text),
                Some(400..=499) => BucketError::Refused(text),
                _ => BucketError::Unclear(text),
            }
        }
    }
}

/// Octets of a bucket's own words that are repeated.
const WORDS_OCTETS: usize = 400;

fn in_short(error: &object_store::Error) -> String {
    let text = error.to_string().replace(char::is_control, " ");
    let end = (0..=WORDS_OCTETS.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}
