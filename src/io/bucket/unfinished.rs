//! Uploads that were begun and not ended: the one call of S3 that the library does not have.

use object_store::ClientOptions;
use object_store::aws::AmazonS3;
use object_store::client::{HttpConnector as _, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::told::told;
use crate::model::Wall;
use crate::spool::{BucketError, Unfinished};

/// How long the address of the request is good.
const SIGNED: std::time::Duration = std::time::Duration::from_secs(60);

/// Octets of one answer: a page has 1,000 uploads at most.
const ANSWER_OCTETS: usize = 4 * 1024 * 1024;

/// Pages that are asked for; the next sweep sees the rest.
const PAGES: usize = 100;

pub(super) async fn list(
    store: &AmazonS3,
    http: &ClientOptions,
    root: &Path,
    below: &str,
) -> Result<Vec<Unfinished>, BucketError> {
    let client = ReqwestConnector::default().connect(http).map_err(told)?;
    let mut all = Vec::new();
    let mut marker: Option<(String, String)> = None;
    for _ in 0..PAGES {
        let mut query = vec![("uploads", String::new()), ("prefix", below.to_owned())];
        if let Some((key, upload)) = marker.take() {
            query.extend([("key-marker", key), ("upload-id-marker", upload)]);
        }
        let options = SignedUrlOptions::new().with_query(query);
        let signed = store.signed_url_opts(Method::GET, &Path::default(), SIGNED, &options).await.map_err(told)?;
        let request = axum::http::Request::get(signed.as_str()).body(HttpRequestBody::empty());
        let request = request.map_err(|error| BucketError::Refused(error.to_string()))?;
        let unclear = |what: String| BucketError::Unclear(format!("listing uploads: {what}"));
        let response = client.execute(request).await.map_err(|error| unclear(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 | 405 | 501 => return Err(BucketError::Unsupported("it does not list uploads".to_owned())),
            status @ (401 | 403) => return Err(BucketError::Denied(format!("listing uploads: status {status}"))),
            status @ 400..=499 => return Err(BucketError::Refused(format!("listing uploads: status {status}"))),
            status => return Err(unclear(format!("status {status}"))),
        }
        let body = response.into_body().bytes().await.map_err(|error| unclear(error.to_string()))?;
        let page = page(&body).ok_or_else(|| unclear("no XML that can be read".to_owned()))?;
        all.extend(page.uploads.into_iter().filter_map(|upload| known(root, upload)));
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    Ok(all)
}

/// An upload under the key that the spool knows.
fn known(root: &Path, upload: Unfinished) -> Option<Unfinished> {
    let whole = Path::parse(&upload.key).ok()?;
    let key: Path = whole.prefix_match(root)?.collect();
    Some(Unfinished { key: key.to_string(), ..upload })
}

#[derive(Default)]
struct Page {
    uploads: Vec<Unfinished>,
    next: Option<(String, String)>,
}

/// Reads a `ListMultipartUploadsResult`.
fn page(octets: &[u8]) -> Option<Page> {
    let text = str::from_utf8(octets).ok().filter(|text| text.len() <= ANSWER_OCTETS)?;
    let mut reader = Reader::from_str(text);
    let (mut page, mut path, mut word) = (Page::default(), Vec::<String>::new(), String::new());
    let (mut key, mut id) = (String::new(), String::new());
    let (mut is_truncated, mut next_key, mut next_id) = (false, String::new(), String::new());
    let mut begun = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                word.clear();
            }
            Event::Text(piece) => word.push_str(&piece),
            Event::GeneralRef(piece) => word.push_str(reference(&piece)?),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                match names.as_slice() {
                    [_, "Upload", "Key"] => key = std::mem::take(&mut word),
                    [_, "Upload", "UploadId"] => id = std::mem::take(&mut word),
                    [_, "Upload", "Initiated"] => begun = moment(&word),
                    [_, "Upload"] => page.uploads.push(Unfinished {
                        key: std::mem::take(&mut key),
                        upload: std::mem::take(&mut id),
                        begun: begun.take()?,
                    }),
                    [_, "IsTruncated"] => is_truncated = word == "true",
                    [_, "NextKeyMarker"] => next_key = std::mem::take(&mut word),
                    [_, "NextUploadIdMarker"] => next_id = std::mem::take(&mut word),
                    _ => {}
                }
                path.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    page.next = (is_truncated && !next_key.is_empty()).then_some((next_key, next_id));
    Some(page)
}

/// The entities that XML has by itself; S3 uses no others in a key or an id.
fn reference(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

fn moment(text: &str) -> Option<Wall> {
    let moment = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(Wall::from_micros(u64::try_from(moment.timestamp_micros()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_read_with_their_keys_ids_and_times_and_the_place_of_the_next_page() {
        let text = "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Bucket>b</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>p/data/B</NextKeyMarker>\
            <NextUploadIdMarker>two</NextUploadIdMarker>\
            <Upload><Key>p/data/A</Key><UploadId>a&amp;b</UploadId><Owner><ID>x</ID></Owner>\
            <Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let found = page(text.as_bytes()).expect("a page");
        let begun = Wall::from_micros(1_767_323_045_000_000);
        let upload = Unfinished { key: "p/data/A".to_owned(), upload: "a&b".to_owned(), begun };
        assert_eq!(found.uploads, std::slice::from_ref(&upload));
        assert_eq!(found.next, Some(("p/data/B".to_owned(), "two".to_owned())));
        assert_eq!(known(&Path::from("p"), upload).map(|upload| upload.key).as_deref(), Some("data/A"));
        assert!(page(b"<a><Upload></Upload></a>").is_none(), "an upload without a time");
    }
}
