//! `message/cpim` (RFC 3862): the envelope around a file, opened and made.
//!
//! **Promises.** [`open()`] finds where the content begins and what it is, from the first octets alone and without a copy
//! of the content; envelopes in envelopes are opened down to the file. It takes both layouts that are sent: with the
//! blank line between the envelope's headers and those of the content (RFC 3862 §2), and without it (as in the pictures
//! of RFC 4975 §11.4 and RFC 5547 §9). What an envelope demands and we do not know refuses the message. [`print()`] writes
//! RFC 3862's form to the letter.
//!
//! ```text
//!   From: Erin <sip:erin@example.net>       the envelope's headers: UTF-8, one a line, names exact
//!   To: <sip:bob@example.org>
//!                                           (may be missing)
//!   Content-Type: audio/wav                 the content's headers: MIME
//!
//!   RIFF...                                 the content, to the end of the message
//! ```
//! **Limits.** [`crate::model::limits`]: octets and lines of the heads, envelopes in envelopes.
//!
//! **Not here.** Signatures and encryption (S/MIME content is a file like any other), transfer encodings, and what
//! headers of other namespaces mean.

mod error;
mod head;
mod mime;
mod namespace;
mod open;
mod print;
mod text;

pub use error::CpimError;
pub use open::{Content, is_cpim, open};
pub use print::{Enclosed, print};

#[cfg(test)]
mod tests;
