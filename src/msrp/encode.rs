//! Heads and end-lines into octets, and the check that no body holds its own end-line (RFC 4975 §7.1, §9).

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::frame::{Flag, RequestHead, StatusCode};
use super::header::{BYTE_RANGE, CONTENT_TYPE, FAILURE_REPORT, FROM_PATH, MESSAGE_ID, STATUS, SUCCESS_REPORT, TO_PATH};
use super::uri::MsrpUri;

/// Start line and headers. With a Content-Type the blank line is included and the body comes next; without one comes
/// the end-line (RFC 4975 §7.1).
pub(super) fn request_head(head: &RequestHead) -> BytesMut {
    let mut octets = BytesMut::with_capacity(512);
    line(&mut octets, format_args!("MSRP {} {}", head.tid, head.method.token()));
    paths(&mut octets, &head.to_path, &head.from_path);
    if let Some(message_id) = &head.message_id {
        line(&mut octets, format_args!("{MESSAGE_ID}: {message_id}"));
    }
    if let Some(range) = head.byte_range {
        line(&mut octets, format_args!("{BYTE_RANGE}: {range}"));
    }
    // RFC 4975 §7.1.1: what is default need not be said.
    if head.success_report {
        line(&mut octets, format_args!("{SUCCESS_REPORT}: yes"));
    }
    if head.failure_report != Default::default() {
        line(&mut octets, format_args!("{FAILURE_REPORT}: {}", head.failure_report.token()));
    }
    if let Some(status) = &head.status {
        let text = format!("{:03} {} {}", status.namespace, status.code, status.comment);
        line(&mut octets, format_args!("{STATUS}: {}", text.trim_end()));
    }
    for (name, value) in &head.others {
        line(&mut octets, format_args!("{name}: {}", harmless(value)));
    }
    if let Some(content_type) = &head.content_type {
        // RFC 4975 §7.1: Content-Type is the last header, and a blank line follows it.
        line(&mut octets, format_args!("{CONTENT_TYPE}: {}\r\n", harmless(content_type)));
    }
    octets
}

/// A whole request without a body.
pub(super) fn bodiless(head: &RequestHead) -> Bytes {
    let mut octets = request_head(head);
    octets.extend_from_slice(&end_line(&head.tid).concat());
    octets.freeze()
}

/// A whole response.
pub(super) fn response(tid: &str, status: StatusCode, to_path: &[MsrpUri], from: &MsrpUri) -> Bytes {
    response_with(tid, status, to_path, from, &[])
}

/// A whole response with further headers.
pub(super) fn response_with(
    tid: &str,
    status: StatusCode,
    to_path: &[MsrpUri],
    from: &MsrpUri,
    headers: &[(&'static str, String)],
) -> Bytes {
    let mut octets = BytesMut::with_capacity(256);
    let start = format!("MSRP {tid} {status} {}", status.comment());
    line(&mut octets, format_args!("{}", start.trim_end()));
    paths(&mut octets, to_path, std::slice::from_ref(from));
    for (name, value) in headers {
        line(&mut octets, format_args!("{name}: {}", harmless(value)));
    }
    octets.extend_from_slice(&end_line(tid).concat());
    octets.freeze()
}

/// What ends a frame that has a body: the CRLF is not body (RFC 4975 §7.1).
pub(super) fn body_end(tid: &str, flag: Flag) -> Bytes {
    [b"\r\n-------", tid.as_bytes(), &[flag.octet()], b"\r\n"].concat().into()
}

/// What ends a frame that has none.
fn end_line(tid: &str) -> [&[u8]; 3] {
    [b"-------", tid.as_bytes(), b"$\r\n"]
}

/// How many octets of `piece` may follow `before` in a chunk of this transaction before the seven hyphens and the id
/// would be in its body; `None` if all of them. RFC 4975 §7.1 forbids them anywhere, not only at a line's start (P4).
pub(super) fn clash(tid: &str, before: &[u8], piece: &[u8]) -> Option<usize> {
    let mark = [b"-------", tid.as_bytes()].concat();
    let (reach, ahead) = (before.len().min(mark.len() - 1), piece.len().min(mark.len() - 1));
    let seam = [&before[before.len() - reach..], &piece[..ahead]].concat();
    if memmem::find(&seam, &mark).is_some() {
        return Some(0);
    }
    memmem::find(piece, &mark)
}

/// A value that came from a peer's file name or SDP must not begin a header of its own.
fn harmless(value: &str) -> String {
    value.replace(|c: char| c.is_ascii_control(), " ")
}

fn paths(octets: &mut BytesMut, to_path: &[MsrpUri], from_path: &[MsrpUri]) {
    line(octets, format_args!("{TO_PATH}: {}", MsrpUri::print_path(to_path)));
    line(octets, format_args!("{FROM_PATH}: {}", MsrpUri::print_path(from_path)));
}

fn line(octets: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    octets.write_fmt(text).and_then(|()| octets.write_str("\r\n")).expect("a buffer that grows takes every octet");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::frame::Method;
    use proptest::prelude::*;

    fn head() -> RequestHead {
        let path = |text| MsrpUri::parse_path(text).expect("a path").into();
        let to_path = path("msrp://relay.example.net:1/r;tcp msrp://h:1/a;tcp");
        RequestHead::new("t1234567".to_owned(), Method::Send, to_path, path("msrp://h:2/b;tcp"))
    }

    // M4975-7.1-03 M4975-7.1-05 M4975-7.1-06 M4975-9-04
    #[test]
    fn content_type_is_the_last_header_and_brings_the_blank_line() {
        let mut head = head();
        head.content_type = Some("a/b".to_owned());
        head.others = vec![("Content-Disposition".to_owned(), "attachment; filename=\"a\r\nX: y\"".to_owned())];
        let expected = "MSRP t1234567 SEND\r\n\
            To-Path: msrp://relay.example.net:1/r;tcp msrp://h:1/a;tcp\r\n\
            From-Path: msrp://h:2/b;tcp\r\n\
            Content-Disposition: attachment; filename=\"a  X: y\"\r\n\
            Content-Type: a/b\r\n\r\n";
        assert_eq!(request_head(&head), expected);
    }

    proptest! {
        // M4975-7.1-16 M4975-7.1-17
        #[test]
        fn octets_up_to_a_clash_never_hold_the_mark(
            parts in prop::collection::vec(prop_oneof![Just("-------"), Just("t1"), Just("t1-------t1234"), Just("234"), Just("x")], 0..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let body = parts.concat();
            let (before, piece) = body.as_bytes().split_at(cut.index(body.len() + 1));
            prop_assume!(memmem::find(before, b"-------t1234").is_none());
            let fits = clash("t1234", before, piece);
            let sent = [before, &piece[..fits.unwrap_or(piece.len())]].concat();
            prop_assert!(memmem::find(&sent, b"-------t1234").is_none());
            prop_assert_eq!(fits.is_none(), memmem::find(body.as_bytes(), b"-------t1234").is_none());
        }
    }
}
