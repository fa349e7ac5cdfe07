//! From octets to header fields: unfolded, with full names, one list member each.

use rsip::Headers;

use super::error::SipError;
use super::message::{full_name, header};
use super::syntax::{is_token, split};
use crate::model::limits::{SIP_HEAD_OCTETS, SIP_HEADERS};

/// A head cut into its first line and its fields.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// The start line.
    pub(super) start: &'a str,
    /// The fields as rsip's headers. They may be incomplete if `fault` is set.
    pub(super) headers: Headers,
    /// The first line that was no header field.
    pub(super) fault: Option<SipError>,
}

/// Headers whose comma lists are taken apart, because the order or the first of their members matters.
const LISTS: [&str; 4] = ["Via", "Route", "Record-Route", "Contact"];

/// Reads the octets before the empty line.
///
/// # Errors
/// [`SipError::NotSip`] or [`SipError::TooLarge`] if not even an answer could be made of it.
pub(super) fn head(octets: &[u8]) -> Result<Head<'_>, SipError> {
    if octets.len() > SIP_HEAD_OCTETS {
        return Err(SipError::TooLarge);
    }
    // RFC 3261 §7: header text is UTF-8.
    let text = std::str::from_utf8(octets).map_err(|_| SipError::NotSip)?;
    let (start, rest) = text.split_once("\r\n").unwrap_or((text, ""));
    let mut head = Head { start, headers: Headers::default(), fault: None };
    let mut fields = 0;
    for line in unfolded(rest) {
        fields += 1;
        if fields > SIP_HEADERS {
            head.fault = Some(SipError::TooLarge);
            break;
        }
        if let Err(fault) = push_field(&mut head.headers, &line) {
            head.fault.get_or_insert(fault);
        }
    }
    Ok(head)
}

/// RFC 3261 §7.3.1: a line that begins with white space continues the one before it.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn push_field(headers: &mut Headers, line: &str) -> Result<(), SipError> {
    let (name, value) = line.split_once(':').ok_or(SipError::HeaderLine)?;
    // RFC 3261 §7.3.1: white space may stand before the colon.
    let name = full_name(name.trim_end());
    if !is_token(name) || value.contains(|c: char| c.is_control() && c != '\t') {
        return Err(SipError::HeaderLine);
    }
    let listed = LISTS.iter().find(|list| list.eq_ignore_ascii_case(name));
    let Some(name) = listed else {
        headers.push(header(name, value.trim()));
        return Ok(());
    };
    let members = split(value, ',').ok_or(SipError::HeaderMalformed { name })?;
    members.into_iter().for_each(|member| headers.push(header(name, member)));
    Ok(())
}

/// Where the head ends: the length before the empty line and the length with it.
pub(super) fn head_end(octets: &[u8], scanned: usize) -> Option<(usize, usize)> {
    // The empty line may begin in the three octets that were the last of an earlier scan.
    let from = scanned.saturating_sub(3);
    memchr::memmem::find(&octets[from..], b"\r\n\r\n").map(|at| (from + at, from + at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::{text, values};

    #[test]
    fn folds_compact_names_and_lists_become_plain_fields() {
        // M3261-7.3.1-01, M3261-7.3.1-03, M3261-7.3.3-01, M4475-3.1.1.1-01
        let octets =
            b"X\r\ncALL-id :\r\n one\r\nv: SIP/2.0/UDP a ;branch=1 ,\r\n\tSIP/2.0/UDP b\r\nm: \"a, b\" <sip:c@d>";
        let head = head(octets).expect("a head");
        assert_eq!(head.fault, None);
        assert_eq!(text(&head.headers, "Call-ID"), "one");
        assert_eq!(values(&head.headers, "Via").collect::<Vec<_>>(), ["SIP/2.0/UDP a ;branch=1", "SIP/2.0/UDP b"]);
        assert_eq!(values(&head.headers, "Contact").collect::<Vec<_>>(), ["\"a, b\" <sip:c@d>"]);
    }
}
