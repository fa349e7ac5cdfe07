//! What the values in our package for files look like. The patterns are those of `schemas/msml-dialog-file.xsd`.

use crate::model::{Digest, DigestAlgorithm};

/// A MIME type without parameters.
pub(super) fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// An entry of `a=accept-types`: a type, all of a kind, or all.
pub(super) fn is_media_range(text: &str) -> bool {
    text == "*" || text.strip_suffix("/*").map_or_else(|| is_media_type(text), is_token)
}

/// RFC 6838 §4.2's letters of a type.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet))
}

/// A number that is not none: eighteen digits are more octets than any disk has.
pub(super) fn is_octets(text: &str) -> bool {
    (1..=18).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0')
}

/// A small number.
pub(super) fn is_count(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// `FIRST-LAST` or `FIRST-*`, as RFC 5547 §6 has it.
pub(super) fn is_range(text: &str) -> bool {
    text.split_once('-').is_some_and(|(first, last)| is_octets(first) && (last == "*" || is_octets(last)))
}

/// A digest as `ft.hash` has it.
pub(super) fn digest(text: &str) -> Option<Digest> {
    let (algorithm, hex) = text.split_once(':')?;
    let plain = hex.bytes().all(|octet| octet.is_ascii_hexdigit());
    Digest::from_hex(DigestAlgorithm::from_name(algorithm)?, hex).filter(|_| plain)
}

/// The name of a file: one line.
pub(super) fn is_file_name(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.contains(['\t', '\r', '\n'])
}

/// A SIP URI with somebody in it. What a scheme and a host are is for whoever calls there to say.
pub fn is_sip_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let known = ["sip", "sips"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let plain = !rest.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "<>\"".contains(letter));
    let (user, host) = rest.split_once('@').unwrap_or_default();
    known && plain && !user.is_empty() && !host.is_empty() && rest.len() <= 1000
}

/// A date of RFC 5322 with its zone in digits: `Fri, 27 Nov 2026 10:00:00 +0100`.
pub(super) fn is_date(text: &str) -> bool {
    let is = |text: Option<&str>, digits: &[usize]| {
        text.is_some_and(|text| digits.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit()))
    };
    let date = match text.split_once(", ") {
        Some((day, date)) if DAYS.contains(&day) => date,
        Some(_) => return false,
        None => text,
    };
    let mut parts = date.split(' ');
    let day = is(parts.next(), &[1, 2]);
    let month = parts.next().is_some_and(|month| MONTHS.contains(&month));
    let year = is(parts.next(), &[4]);
    let clock: Vec<&str> = parts.next().unwrap_or_default().split(':').collect();
    let clock = clock.len() == 3 && clock.iter().all(|part| is(Some(part), &[2]));
    let zone = is(parts.next().and_then(|zone| zone.strip_prefix(['+', '-'])), &[4]);
    day && month && year && clock && zone && parts.next().is_none()
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
