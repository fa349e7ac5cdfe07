//! A file goes out by HTTP, whole or a range of it (RFC 9110 §13, §14).

use std::io;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::api::Api;
use super::ask::Named;
use super::fault::Fault;
use super::object::find;
use crate::io::guard::Lease;
use crate::io::metrics;
use crate::io::reader::Reader;
use crate::io::stream::on_disk;
use crate::io::transfers::{About, By, Direction, Transfer};
use crate::spool::Envelope;

/// Octets that are read at a time.
const PIECE_OCTETS: usize = 128 * 1024;

/// The file. Its ETag is its SHA-256. A file that turns out to be damaged while it is read breaks off before its end.
#[utoipa::path(method(get, head), path = "/api/v1/objects/{id}/content", params(
    ("id" = String, Path, description = "The object's id"),
    ("Range" = Option<String>, Header, description = "One range of octets; several are answered with the whole"),
    ("If-Range" = Option<String>, Header, description = "Only if the file still has this ETag, else the whole"),
    ("If-None-Match" = Option<String>, Header, description = "Nothing if the file has one of these ETags"),
    ("If-Match" = Option<String>, Header, description = "Nothing if the file has none of these ETags"),
), responses(
    (status = 200, description = "The whole file", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, description = "The range", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 304, description = "The file is what If-None-Match has"),
    (status = 412, description = "precondition_failed: the file is not what If-Match has", body = Fault),
    (status = 416, description = "range: the file has no octet there", body = Fault),
    (status = "4XX", description = "Why not", body = Fault),
    (status = "5XX", description = "Why not", body = Fault),
))]
pub(super) async fn content(
    State(api): State<Api>,
    ConnectInfo(lease): ConnectInfo<Lease>,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let object = find(&api, &id)?;
    on_disk(|| api.spool.may_leave(&object))?;
    let envelope = object.envelope();
    let etag = format!("\"{}\"", envelope.sha256().hex());
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_MATCH).is_some_and(|tags| !names(tags, &etag)) {
        let reason = format!("the file's ETag is {etag}");
        return Err(Fault::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", reason));
    }
    if text(header::IF_NONE_MATCH).is_some_and(|tags| names(tags, &etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let size = envelope.size();
    let asked = text(header::RANGE).filter(|_| text(header::IF_RANGE).is_none_or(|tag| tag == etag));
    let mut answer = describe(envelope, &etag);
    let range = match asked.and_then(|range| part(range, size)) {
        None => 0..size,
        Some(Some(part)) => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            answer.headers_mut().insert(header::CONTENT_RANGE, ascii(said));
            part
        }
        Some(None) => {
            let reason = format!("the file has {size} octets");
            let fault = Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", reason);
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], fault).into_response());
        }
    };
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let about = About {
        direction: Direction::Out,
        by: By::Http,
        uri: Some(envelope.uri.to_string()),
        size: Some(size),
        call_id: None,
        message_id: None,
    };
    let reader = on_disk(|| Reader::open(&api.spool, object.clone()))?;
    let transfer = api.transfers.begin(about, 0, api.clock.now());
    let sending = Sending { reader, range, transfer, lease, _work: api.downloads.token(), api };
    *answer.body_mut() = Body::from_stream(futures_util::stream::unfold(sending, Sending::next));
    Ok(answer)
}

/// RFC 9110 §13.1: whether a list of entity tags has this one. Ours are strong, so a weak one of the same text is as good
/// where that is asked for, and nobody was given one where it is not.
fn names(tags: &str, etag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// RFC 9110 §14.1.2: the octets that a Range means. `None` if it is to be ignored: another unit, several ranges, or no
/// sense; `Some(None)` if there is no octet of it.
fn part(range: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
    let number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let part = match (first, last) {
        ("", suffix) => size.saturating_sub(number(suffix)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some((part.start < part.end).then_some(part))
}

/// What is said of a file whoever asks. It comes from strangers: no browser shall show it as a page of ours.
fn describe(envelope: &Envelope, etag: &str) -> Response {
    let media_type = envelope.file.media_type.as_deref().and_then(|kind| HeaderValue::from_str(kind).ok());
    let name = envelope.file.name.as_deref().or_else(|| envelope.uri.name()).unwrap_or_default();
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let headers = [
        (header::CONTENT_TYPE, media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
        (header::ETAG, ascii(etag.to_owned())),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_DISPOSITION, ascii(format!("attachment; filename*=UTF-8''{name}"))),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (HeaderMap::from_iter(headers), ()).into_response()
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("it is printable ASCII")
}

/// A file under way to its reader.
struct Sending {
    reader: Reader,
    /// What is still to be sent.
    range: Range<u64>,
    transfer: Transfer,
    lease: Lease,
    _work: TaskTrackerToken,
    api: Api,
}

impl Sending {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.range.is_empty() {
            return None;
        }
        tokio::task::yield_now().await; // what there is leaves before what comes next is looked at
        if self.api.stop.is_cancelled() {
            return Some((Err(io::Error::other("the server has stopped")), self));
        }
        let piece = self.read().inspect_err(|why| on_disk(|| self.reader.distrust(&self.api.spool, why)));
        Some((piece.map_err(io::Error::other), self))
    }

    fn read(&mut self) -> Result<Bytes, String> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(PIECE_OCTETS);
        let mut buffer = vec![0; left.min(PIECE_OCTETS)];
        let length = on_disk(|| self.reader.read_at(self.range.start, &mut buffer))?;
        if length == 0 {
            return Err("the body is shorter than its envelope says".to_owned());
        }
        buffer.truncate(length);
        self.range.start += length as u64;
        self.lease.moved(length);
        metrics::sent(length);
        self.transfer.moved(self.api.clock.now().instant, length);
        Ok(Bytes::from(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        let cases: [(&str, Option<Option<Range<u64>>>); 14] = [
            ("bytes=0-0", Some(Some(0..1))),
            ("bytes=2-5", Some(Some(2..6))),
            ("Bytes = 7-", Some(Some(7..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-99", Some(Some(0..10))),
            ("bytes=5-99999999999999999999", None),
            ("bytes=5-18446744073709551615", Some(Some(5..10))),
            ("bytes=10-", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("lines=1-2", None),
        ];
        for (range, meant) in cases {
            assert_eq!(part(range, 10), meant, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Some(None), "an empty file has no octets");
    }

    #[test]
    fn a_list_of_tags_has_the_one_in_it_or_all() {
        for tags in ["\"a\"", "\"b\", \"a\"", "W/\"a\"", "*"] {
            assert!(names(tags, "\"a\""), "{tags}");
        }
        assert!(!names("\"ab\", a", "\"a\""));
    }
}
