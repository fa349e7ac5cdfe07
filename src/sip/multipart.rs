//! Multipart bodies (RFC 5621, RFC 2046 §5.1) taken apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::flow::Body;
use super::message;
use super::normalise::{head, head_end};

/// Parts of one multipart body, nested ones included.
const PARTS_MAX: usize = 32;

/// Multiparts inside multiparts.
const DEPTH_MAX: usize = 4;

/// A session description, or what has one as its root, that is no use without being understood.
const REQUIRED: &str = "session;handling=required";

/// The parts of a body in order, nested multiparts opened; the body itself if it is no multipart.
pub fn parts(body: &Body) -> Vec<Body> {
    let mut found = Vec::new();
    collect(body, DEPTH_MAX, &mut found);
    found
}

/// The first part of this media type (without parameters, in lower case).
pub fn part(body: &Body, media_type: &str) -> Option<Body> {
    parts(body).into_iter().find(|part| part.media_type() == media_type)
}

/// Whether a Content-Disposition has this value of `handling` (RFC 5621 §8.2).
pub fn handling(disposition: Option<&str>, value: &str) -> bool {
    let list = disposition.and_then(|disposition| disposition.split_once(';')).map_or("", |(_, list)| list);
    let mut params = super::syntax::params(list.trim()).unwrap_or_default().into_iter();
    params.any(|(name, given)| {
        name.eq_ignore_ascii_case("handling")
            && given.is_some_and(|given| given.trim_matches('"').eq_ignore_ascii_case(value))
    })
}

/// A body with others that belong to it (RFC 2387): the first is the root, and has to be understood, and so has the whole
/// (RFC 5621 §8.2). The boundary must not occur in any of them.
pub fn related(root: &Body, others: &[Body], boundary: &str) -> Body {
    let mut octets = Vec::new();
    let root_disposition = root.disposition.clone().unwrap_or_else(|| REQUIRED.to_owned());
    let root = Body { disposition: Some(root_disposition), ..root.clone() };
    for part in std::iter::once(&root).chain(others) {
        let disposition = part.disposition.iter().map(|value| ("Content-Disposition", value.clone()));
        let id = part.id.iter().map(|id| ("Content-ID", format!("<{id}>")));
        octets.extend_from_slice(format!("--{boundary}\r\nContent-Type: {}\r\n", part.content_type).as_bytes());
        for (name, value) in id.chain(disposition) {
            octets.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&part.octets);
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    // RFC 2387 §3.1: the type of the root has to be named.
    let content_type = format!("multipart/related;type=\"{}\";boundary=\"{boundary}\"", root.media_type());
    Body { disposition: Some(REQUIRED.to_owned()), ..Body::new(&content_type, octets) }
}

fn collect(body: &Body, depth: usize, found: &mut Vec<Body>) {
    let multipart = body.media_type().starts_with("multipart/");
    let boundary = boundary(&body.content_type).filter(|_| multipart && depth > 0);
    let Some(boundary) = boundary else {
        if !multipart && found.len() < PARTS_MAX {
            found.push(body.clone());
        }
        return;
    };
    for section in sections(&body.octets, &boundary) {
        if found.len() >= PARTS_MAX {
            return;
        }
        if let Some(part) = read(section) {
            collect(&part, depth - 1, found);
        }
    }
}

/// The `boundary` parameter of a Content-Type.
fn boundary(content_type: &str) -> Option<String> {
    let (_, list) = content_type.split_once(';')?;
    let params = super::syntax::params(list.trim())?;
    let (_, value) = params.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    value.map(|value| value.trim_matches('"').to_owned()).filter(|boundary| !boundary.is_empty())
}

/// The octets between the delimiter lines; the CRLF before a delimiter belongs to it.
fn sections(octets: &Bytes, boundary: &str) -> Vec<Bytes> {
    let delimiter = format!("--{boundary}");
    let mut sections = Vec::new();
    let mut begun: Option<usize> = None;
    for at in memchr::memmem::find_iter(octets, delimiter.as_bytes()) {
        let starts_line = at == 0 || octets[..at].ends_with(b"\r\n");
        let rest = &octets[at + delimiter.len()..];
        let last = rest.starts_with(b"--");
        let line_end = memchr::memmem::find(rest, b"\r\n");
        // RFC 2046 §5.1.1: white space may follow the delimiter.
        let padded = line_end.is_some_and(|end| rest[..end].iter().all(|octet| matches!(octet, b' ' | b'\t')));
        if !starts_line || !(last || padded) {
            continue;
        }
        if let Some(start) = begun {
            sections.push(octets.slice(start..at.saturating_sub(2).max(start)));
        }
        begun = line_end.map(|end| at + delimiter.len() + end + 2);
        if last {
            break;
        }
    }
    sections
}

fn read(section: Bytes) -> Option<Body> {
    // RFC 2046 §5.1: a part without headers begins with the empty line; its type is text/plain.
    let (end, start) = match section.strip_prefix(b"\r\n") {
        Some(_) => (0, 2),
        None => head_end(&section, 0)?,
    };
    let fields = [b"\r\n", &section[..end]].concat();
    let head = head(&fields).ok()?;
    let encoding = message::value(&head.headers, "Content-Transfer-Encoding").unwrap_or("binary");
    let (octets, known) = match encoding.trim().to_ascii_lowercase().as_str() {
        "binary" | "8bit" | "7bit" => (section.slice(start..), true),
        "base64" => (plain(&section[start..])?, true),
        _ => (section.slice(start..), false),
    };
    let content_type = message::value(&head.headers, "Content-Type").unwrap_or("text/plain");
    Some(Body {
        // RFC 2045 §6.4: what is encoded in an unknown way is just octets.
        content_type: if known { content_type } else { "application/octet-stream" }.to_owned(),
        disposition: message::value(&head.headers, "Content-Disposition").map(str::to_owned),
        id: message::value(&head.headers, "Content-ID").map(|id| id.trim_matches(['<', '>', ' ']).to_owned()),
        octets,
    })
}

/// The octets that base64 stands for (RFC 2045 §6.8): mail libraries write pictures so, whatever may carry them.
fn plain(text: &[u8]) -> Option<Bytes> {
    let digits: Vec<u8> = text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    STANDARD.decode(digits).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    // M5621-4.2-02
    #[test]
    fn nested_parts_come_in_order_and_their_octets_unchanged() {
        // M5621-4.2-01, M6086-4.3.1-02, M4475-3.1.1.11-01
        let text = "preamble\r\n--one\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--one\r\n\
            Content-Type: multipart/alternative; boundary=\"two\"\r\n\r\n--two\r\n\r\nplain\0--two\r\n--two--\r\n--one \r\n\
            content-type: application/msml+xml\r\nContent-Disposition: render\r\n\r\n<msml/>\r\n--one--\r\nepilogue";
        let body = Body::new("multipart/mixed;boundary=one", text);
        let parts = parts(&body);
        let seen: Vec<_> = parts.iter().map(|part| (part.media_type(), &part.octets[..])).collect();
        let (sdp, plain, msml): (&[u8], &[u8], &[u8]) = (b"v=0\r\n", b"plain\0--two", b"<msml/>");
        let want = [("application/sdp", sdp), ("text/plain", plain), ("application/msml+xml", msml)];
        assert_eq!(seen, want.map(|(name, octets)| (name.to_owned(), octets)));
        assert_eq!(parts[2].disposition.as_deref(), Some("render"));
    }

    #[test]
    fn a_part_in_base64_is_what_it_stands_for_and_one_in_an_unknown_encoding_just_octets() {
        let part = |encoding: &str, text: &str| {
            let text = format!(
                "--x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{text}\r\n--x--"
            );
            parts(&Body::new("multipart/related;boundary=x", text)).pop().map(|part| (part.media_type(), part.octets))
        };
        let is = |kind: &str, octets: &'static [u8]| Some((kind.to_owned(), Bytes::from_static(octets)));
        assert_eq!(part("Base64", "AAEC\r\n/w==\r\n"), is("image/png", &[0, 1, 2, 255]));
        assert_eq!(part("8bit", "AAEC"), is("image/png", b"AAEC"));
        assert_eq!(part("quoted-printable", "=41"), is("application/octet-stream", b"=41"));
        assert_eq!(part("base64", "no digits!"), None);
    }

    // M5547-8.8-01 M5547-8.8-03 M5547-8.8-04
    // M5621-8.2-01 M5621-3.2-01
    // M5621-4.2-03
    #[test]
    fn a_body_and_what_it_points_to_travel_as_one_with_the_body_as_its_root() {
        let root = Body::new("application/sdp", "v=0\r\n");
        let icon = Body {
            id: Some("i1@example.org".to_owned()),
            disposition: Some("icon;handling=optional".to_owned()),
            ..Body::new("image/png", &b"\x89PNG\0--b"[..])
        };
        let whole = related(&root, std::slice::from_ref(&icon), "b4nd4ry");
        assert_eq!(whole.content_type, "multipart/related;type=\"application/sdp\";boundary=\"b4nd4ry\"");
        let required = "session;handling=required";
        let head =
            format!("--b4nd4ry\r\nContent-Type: application/sdp\r\nContent-Disposition: {required}\r\n\r\nv=0\r\n\r\n");
        assert!(whole.octets.starts_with(head.as_bytes()) && whole.disposition.as_deref() == Some(required));
        assert!(!String::from_utf8_lossy(&whole.octets).contains("Content-Transfer-Encoding"), "octets go as they are");
        assert_eq!(parts(&whole), [Body { disposition: Some(required.to_owned()), ..root }, icon]);
    }

    #[test]
    fn a_multipart_that_cannot_be_opened_has_no_parts_and_another_body_is_its_own_part() {
        assert!(parts(&Body::new("multipart/mixed", "--x\r\n\r\na\r\n--x--")).is_empty());
        assert!(part(&Body::new("multipart/mixed;boundary=x", "no delimiter"), "text/plain").is_none());
        let plain = Body::new("Application/SDP; x=y", "v=0");
        assert_eq!(part(&plain, "application/sdp"), Some(plain));
    }
}
