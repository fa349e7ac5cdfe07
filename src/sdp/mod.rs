//! SDP (RFC 8866) for MSRP sessions and file transfers: offers and answers, in both roles.
//!
//! It promises that no description makes it panic, that every answer fits its offer (RFC 3264 §6, 5547 §8.3, 6135 §4.2)
//! and that what it prints is strict SDP, whatever was read.
//!
//! ```text
//!   octets -> Description -> read_offer -> [StreamOffer] -> the owner's [Verdict] -> answer -> Description -> octets
//!             [OfferedStream] -> offer / reoffer -> Description -> ... the peer's answer -> read_answer -> [AgreedStream]
//! ```
//!
//! `sanitise` puts a peer's text in order for the parser, `address` and `description` are the text as lines, `selector` and `file`
//! are RFC 5547's attributes, `fingerprint` that of RFC 8122, `msrp` those of RFC 4975 and 6135, `answer` and `offer` the two roles,
//! `cema` what RFC 6714 changes in both.
//!
//! Limits: [`SDP_OCTETS`](crate::model::limits::SDP_OCTETS) and [`SDP_MEDIA`](crate::model::limits::SDP_MEDIA).
//!
//! It does not keep a session's state: which `file-transfer-id` was seen before and which stream is finished is the
//! owner's knowledge. It does not do any medium but `message`: those streams are
//! refused. It never reads or writes `a=connection` (RFC 6135 §4.4).

pub mod address;
pub mod answer;
pub mod cema;
pub mod description;
pub mod error;
pub mod file;
pub mod fingerprint;
pub mod msrp;
pub mod offer;
mod sanitise;
mod selector;

pub use address::Address;
pub use answer::{LocalStream, StreamOffer, Verdict, Wish, answer, is_control, read_offer};
pub use cema::{Names, route_answer, route_offer, unknown_names};
pub use description::{Attribute, Description, LocalSession, Media, Origin};
pub use error::{FileError, SdpError, Unsupported};
pub use file::{FileOffer, numeric_zone};
pub use fingerprint::{Fingerprint, HashFunction};
pub use msrp::{Carriage, Direction, Role, Route, Setup, Terms};
pub use offer::{AgreedStream, OfferedStream, capabilities, offer, read_answer, reoffer, repath};
pub use selector::is_token;
