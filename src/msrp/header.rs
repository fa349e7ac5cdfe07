//! Reads a head line by line: start line, header lines, and what is wrong with them (RFC 4975 §9).

use std::str;

use crate::model::ByteRange;
use crate::model::limits::MSRP_HEADERS;

use super::frame::{FailureReport, Method, Path, RequestHead, ResponseHead, Status, StatusCode, is_ident};
use super::uri::MsrpUri;

/// Longest Message-ID we take. RFC 4975 §9 says 32, but peers use UUIDs with a host behind.
const MESSAGE_ID_OCTETS: usize = 255;

/// What is wrong with a head whose frame can still be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Neither a method in capitals nor a status code of three digits.
    #[error("neither a method nor a status code")]
    StartLine,
    /// Not `name: value`, not UTF-8, or a folded line.
    #[error("a line is no header")]
    Header,
    /// More headers than the limit.
    #[error("more than {MSRP_HEADERS} headers")]
    TooManyHeaders,
    /// A header that may be there once is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// A header that has to be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header's value does not follow its grammar.
    #[error("the value of {0} is malformed")]
    Value(&'static str),
}

/// A frame that can be followed but not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Transaction id.
    pub tid: String,
    /// The request's method; `None` if it is a response, or has no legal method.
    pub method: Option<Method>,
    /// Whether it is a response, which is dropped and never answered.
    pub response: bool,
    /// Where it was meant to go, if that could be read.
    pub to_path: Option<Path>,
    /// Where it came from, if that could be read.
    pub from_path: Option<Path>,
    /// Which responses it wants, as far as that could be read.
    pub failure_report: FailureReport,
    /// The first fault.
    pub fault: HeadFault,
}

/// A complete head.
#[derive(Debug)]
pub(super) enum Head {
    Request(RequestHead),
    Response(ResponseHead),
    Malformed(Malformed),
}

/// The last path read, so that a session's chunks parse their paths once.
#[derive(Debug, Default)]
pub(super) struct PathCache {
    value: Vec<u8>,
    path: Option<Path>,
}

impl PathCache {
    fn read(&mut self, value: &[u8]) -> Option<Path> {
        if let Some(path) = self.path.as_ref().filter(|_| self.value == value) {
            return Some(path.clone());
        }
        let path: Path = MsrpUri::parse_path(text(value).ok()?).ok()?.into();
        value.clone_into(&mut self.value);
        self.path = Some(path.clone());
        Some(path)
    }
}

/// One cache per direction of a path.
#[derive(Debug, Default)]
pub(super) struct Paths {
    to: PathCache,
    from: PathCache,
}

#[derive(Debug)]
enum Start {
    Request(Method),
    Response(StatusCode, String),
    Unknown { response: bool },
}

/// Collects one head.
#[derive(Debug)]
pub(super) struct HeadReader {
    tid: String,
    start: Start,
    headers: usize,
    to_path: Option<Path>,
    from_path: Option<Path>,
    message_id: Option<String>,
    byte_range: Option<ByteRange>,
    success_report: Option<bool>,
    failure_report: Option<FailureReport>,
    status: Option<Status>,
    content_type: Option<String>,
    others: Vec<(String, String)>,
    fault: Option<HeadFault>,
}

impl HeadReader {
    /// Reads a start line without its CRLF; `None` if no frame starts here.
    pub(super) fn start(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"MSRP ")?;
        let space = memchr::memchr(b' ', rest)?;
        let (tid, rest) = (&rest[..space], &rest[space + 1..]);
        if !is_ident(tid) {
            return None;
        }
        let start = start(rest);
        let fault = matches!(start, Start::Unknown { .. }).then_some(HeadFault::StartLine);
        Some(Self {
            tid: str::from_utf8(tid).ok()?.to_owned(),
            start,
            headers: 0,
            to_path: None,
            from_path: None,
            message_id: None,
            byte_range: None,
            success_report: None,
            failure_report: None,
            status: None,
            content_type: None,
            others: Vec::new(),
            fault,
        })
    }

    /// The transaction id, which also ends the frame.
    pub(super) fn tid(&self) -> &str {
        &self.tid
    }

    /// Takes one header line without its CRLF.
    pub(super) fn header(&mut self, line: &[u8], paths: &mut Paths) {
        self.headers += 1;
        let taken = match self.headers > MSRP_HEADERS {
            true => Err(HeadFault::TooManyHeaders),
            false => self.take(line, paths),
        };
        if let Err(fault) = taken {
            self.fault.get_or_insert(fault);
        }
    }

    fn take(&mut self, line: &[u8], paths: &mut Paths) -> Result<(), HeadFault> {
        let colon = memchr::memchr(b':', line).ok_or(HeadFault::Header)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // RFC 4975 §9: hname starts with a letter, so a folded line never looks like a header.
        if !name.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(HeadFault::Header);
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is(TO_PATH) {
            return once(&mut self.to_path, TO_PATH, paths.to.read(value));
        }
        if is(FROM_PATH) {
            return once(&mut self.from_path, FROM_PATH, paths.from.read(value));
        }
        let value = text(value)?;
        if is(MESSAGE_ID) {
            return once(&mut self.message_id, MESSAGE_ID, message_id(value));
        }
        if is(BYTE_RANGE) {
            return once(&mut self.byte_range, BYTE_RANGE, byte_range(value));
        }
        if is(SUCCESS_REPORT) {
            return once(&mut self.success_report, SUCCESS_REPORT, success_report(value));
        }
        if is(FAILURE_REPORT) {
            return once(&mut self.failure_report, FAILURE_REPORT, failure_report(value));
        }
        if is(STATUS) {
            return once(&mut self.status, STATUS, status(value));
        }
        if is(CONTENT_TYPE) {
            let media_type = (!value.is_empty()).then(|| value.to_owned());
            return once(&mut self.content_type, CONTENT_TYPE, media_type);
        }
        if !name.iter().all(u8::is_ascii_graphic) {
            return Err(HeadFault::Header);
        }
        let name = String::from_utf8_lossy(name);
        self.others.push((name.into_owned(), value.to_owned()));
        Ok(())
    }

    /// The head, once its last line has been taken.
    pub(super) fn finish(self) -> Head {
        let fault = self.fault.clone().or_else(|| self.missing());
        let (to_path, from_path) = match (self.to_path, self.from_path, fault) {
            (Some(to_path), Some(from_path), None) => (to_path, from_path),
            (to_path, from_path, fault) => {
                let (method, response) = match self.start {
                    Start::Request(method) => (Some(method), false),
                    Start::Response(..) => (None, true),
                    Start::Unknown { response } => (None, response),
                };
                let failure_report = self.failure_report.unwrap_or_default();
                let fault = fault.unwrap_or(HeadFault::Missing(TO_PATH));
                let tid = self.tid;
                return Head::Malformed(Malformed { tid, method, response, to_path, from_path, failure_report, fault });
            }
        };
        match self.start {
            Start::Response(code, comment) => {
                Head::Response(ResponseHead { tid: self.tid, code, comment, to_path, from_path, others: self.others })
            }
            Start::Request(method) => Head::Request(RequestHead {
                tid: self.tid,
                method,
                to_path,
                from_path,
                message_id: self.message_id,
                byte_range: self.byte_range,
                success_report: self.success_report.unwrap_or(false),
                failure_report: self.failure_report.unwrap_or_default(),
                status: self.status,
                content_type: self.content_type,
                others: self.others,
            }),
            Start::Unknown { .. } => unreachable!("an unknown start line is a fault"),
        }
    }

    fn missing(&self) -> Option<HeadFault> {
        if self.to_path.is_none() {
            return Some(HeadFault::Missing(TO_PATH));
        }
        if self.from_path.is_none() {
            return Some(HeadFault::Missing(FROM_PATH));
        }
        // RFC 4975 §7.1.1: every SEND names its message.
        let send = matches!(self.start, Start::Request(Method::Send));
        (send && self.message_id.is_none()).then_some(HeadFault::Missing(MESSAGE_ID))
    }
}

pub(super) const TO_PATH: &str = "To-Path";
pub(super) const FROM_PATH: &str = "From-Path";
pub(super) const MESSAGE_ID: &str = "Message-ID";
pub(super) const BYTE_RANGE: &str = "Byte-Range";
pub(super) const SUCCESS_REPORT: &str = "Success-Report";
pub(super) const FAILURE_REPORT: &str = "Failure-Report";
pub(super) const STATUS: &str = "Status";
pub(super) const CONTENT_TYPE: &str = "Content-Type";

/// A header's value without the space around it.
fn text(value: &[u8]) -> Result<&str, HeadFault> {
    if value.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
        return Err(HeadFault::Header);
    }
    Ok(str::from_utf8(value).map_err(|_| HeadFault::Header)?.trim_matches([' ', '\t']))
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), HeadFault> {
    if slot.is_some() {
        return Err(HeadFault::Twice(name));
    }
    *slot = Some(value.ok_or(HeadFault::Value(name))?);
    Ok(())
}

fn start(text: &[u8]) -> Start {
    let response = text.first().is_some_and(u8::is_ascii_digit);
    let read = || {
        let text = str::from_utf8(text).ok()?;
        if response {
            let (code, comment) = text.split_once(' ').unwrap_or((text, ""));
            return Some(Start::Response(status_code(code)?, comment.to_owned()));
        }
        Some(Start::Request(match text {
            "SEND" => Method::Send,
            "REPORT" => Method::Report,
            "AUTH" => Method::Auth,
            _ if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_uppercase()) => {
                Method::Other(text.to_owned())
            }
            _ => return None,
        }))
    };
    read().unwrap_or(Start::Unknown { response })
}

fn message_id(value: &str) -> Option<String> {
    let fits = (1..=MESSAGE_ID_OCTETS).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic());
    fits.then(|| value.to_owned())
}

fn number(digits: &str) -> Option<u64> {
    // `parse` alone would take a plus sign.
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn number_or_star(text: &str) -> Option<Option<u64>> {
    if text == "*" { Some(None) } else { number(text).map(Some) }
}

fn byte_range(value: &str) -> Option<ByteRange> {
    let (start, rest) = value.split_once('-')?;
    let (end, total) = rest.split_once('/')?;
    let range = ByteRange { start: number(start)?, end: number_or_star(end)?, total: number_or_star(total)? };
    // RFC 4975 §7.1.1: the first octet is 1; an empty chunk ends right before its start, as `1-0/0` does.
    let ordered = range.end.is_none_or(|end| end >= range.start.saturating_sub(1));
    (range.start > 0 && ordered).then_some(range)
}

fn success_report(value: &str) -> Option<bool> {
    if value.eq_ignore_ascii_case("yes") {
        return Some(true);
    }
    value.eq_ignore_ascii_case("no").then_some(false)
}

fn failure_report(value: &str) -> Option<FailureReport> {
    let all = [FailureReport::Yes, FailureReport::No, FailureReport::Partial];
    all.into_iter().find(|report| value.eq_ignore_ascii_case(report.token()))
}

fn status_code(text: &str) -> Option<StatusCode> {
    (text.len() == 3).then(|| number(text))?.and_then(|code| u16::try_from(code).ok()).map(StatusCode)
}

fn status(value: &str) -> Option<Status> {
    let mut words = value.splitn(3, ' ');
    let namespace = status_code(words.next()?)?.0;
    let code = status_code(words.next()?)?;
    Some(Status { namespace, code, comment: words.next().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> Head {
        let mut reader = HeadReader::start(lines[0].as_bytes()).expect("a start line");
        let mut paths = Paths::default();
        lines[1..].iter().for_each(|line| reader.header(line.as_bytes(), &mut paths));
        reader.finish()
    }

    fn fault(extra: &[&str]) -> Option<HeadFault> {
        let base = ["MSRP t1234 SEND", "To-Path: msrp://h:1/a;tcp", "From-Path: msrp://h:2/b;tcp", "Message-ID: m1234"];
        match head(&[&base[..], extra].concat()) {
            Head::Malformed(malformed) => Some(malformed.fault),
            _ => None,
        }
    }

    // M4975-9-03 M4975-9-08 M4975-7.1.1-20
    #[test]
    fn names_and_tokens_have_no_case_and_unknown_headers_are_kept() {
        let Head::Request(head) = head(&[
            "MSRP t1234 SEND",
            "from-path:  msrp://h:2/b;tcp",
            "TO-PATH: msrp://h:1/a;tcp",
            "message-id: m1234",
            "Byte-range: 1-*/*",
            "success-REPORT: Yes",
            "X-Colour: blue",
        ]) else {
            panic!("a request");
        };
        assert_eq!(head.byte_range, Some(ByteRange { start: 1, end: None, total: None }));
        assert_eq!((head.success_report, head.failure_report), (true, FailureReport::Yes));
        assert_eq!(head.others, [("X-Colour".to_owned(), "blue".to_owned())]);
    }

    // M4975-9-05 M4975-9-08 M4975-9-09 M4975-7.1.1-02 M4975-7.1.1-13
    #[test]
    fn each_fault_has_its_name() {
        for (line, expected) in [
            (" folded", HeadFault::Header),
            ("no colon", HeadFault::Header),
            ("Content-Description: a\u{1}b", HeadFault::Header),
            ("Message-ID: again", HeadFault::Twice(MESSAGE_ID)),
            ("Success-Report: maybe", HeadFault::Value(SUCCESS_REPORT)),
            ("Failure-Report: maybe", HeadFault::Value(FAILURE_REPORT)),
            ("Status: 000 20", HeadFault::Value(STATUS)),
            ("Byte-Range: 0-9/10", HeadFault::Value(BYTE_RANGE)),
            ("Byte-Range: 9-5/10", HeadFault::Value(BYTE_RANGE)),
            ("Byte-Range: 1-9", HeadFault::Value(BYTE_RANGE)),
            ("Byte-Range: +1-9/10", HeadFault::Value(BYTE_RANGE)),
            ("Byte-Range: 99999999999999999999-*/*", HeadFault::Value(BYTE_RANGE)),
        ] {
            assert_eq!(fault(&[line]), Some(expected), "{line}");
        }
        assert_eq!(fault(&["X-A: b"; 70]), Some(HeadFault::TooManyHeaders));
        assert_eq!(fault(&["Byte-Range: 1-0/0"]), None);
        let Head::Malformed(malformed) =
            head(&["MSRP t1234 SEND", "To-Path: msrp://h:1/a;tcp", "From-Path: msrp://h:2/b;tcp"])
        else {
            panic!("a SEND without Message-ID");
        };
        assert_eq!(malformed.fault, HeadFault::Missing(MESSAGE_ID));
    }

    // M4975-9-01 M4975-9-02 M4975-9-06 M4975-9-07
    #[test]
    fn a_start_line_is_exact() {
        for none in ["msrp t1234 SEND", "MSRP t1234", "MSRP abc SEND", "MSRP -abc SEND", "MSRP  t1234 SEND", ""] {
            assert!(HeadReader::start(none.as_bytes()).is_none(), "{none}");
        }
        for (text, response) in [("MSRP t1234 send", false), ("MSRP t1234 20 OK", true), ("MSRP t1234 2000", true)] {
            let Head::Malformed(malformed) = head(&[text]) else { panic!("{text}") };
            assert_eq!((malformed.fault, malformed.response), (HeadFault::StartLine, response), "{text}");
        }
        let paths = ["To-Path: msrp://h:1/a;tcp", "From-Path: msrp://h:2/b;tcp"];
        let Head::Response(response) = head(&["MSRP t1234 200", paths[0], paths[1]]) else { panic!("a response") };
        assert_eq!((response.code, response.comment.as_str()), (StatusCode::OK, ""));
    }
}
