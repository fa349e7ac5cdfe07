//! One MESSAGE of ours as the endpoint remembers it, until it is answered.

use std::collections::VecDeque;

use rsip::{Response, Uri};

use super::call::Proof;
use super::flow::Body;
use super::target::Place;

/// A MESSAGE of ours that has no final response yet.
#[derive(Debug)]
pub(super) struct Page {
    /// The Request-URI.
    pub(super) uri: Uri,
    /// The From value, our tag included.
    pub(super) from: String,
    /// The To value.
    pub(super) to: String,
    /// The Call-ID of every try.
    pub(super) call_id: String,
    /// The CSeq number of the last try.
    pub(super) seq: u32,
    /// A proxy that it goes through.
    pub(super) route: Option<String>,
    /// More headers.
    pub(super) headers: Vec<(String, String)>,
    /// The message.
    pub(super) body: Body,
    /// Where it was sent last.
    pub(super) place: Place,
    /// Where else it may be tried.
    pub(super) places: VecDeque<Place>,
    /// What we prove.
    pub(super) proofs: Vec<Proof>,
    /// How often it was sent again because of a challenge.
    pub(super) again: u8,
}

impl Page {
    /// RFC 3263 §4.3: a place that is not there is followed by the next.
    pub(super) fn goes_elsewhere(&mut self, status: u16, response: Option<&Response>) -> bool {
        let next = if response.is_none() || status == 503 { self.places.pop_front() } else { None };
        next.inspect(|next| self.place = *next).is_some()
    }
}
