//! The text of header values: escapes (RFC 3862 §2.3) and the lines they stand on.

use super::error::CpimError;
use crate::model::limits::CPIM_LINES;

/// The value without its escapes. RFC 3862 §2.3.1: unknown ones stand for the character after the backslash, and a lone
/// backslash at the end for nothing.
pub(super) fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { return plain };
        if let Some((unit, after)) = code_unit(rest) {
            rest = after;
            plain.push(wide(unit, &mut rest));
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        plain.push(match letter {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            other => other,
        });
    }
    plain.push_str(rest);
    plain
}

/// `u` and four hexadecimal digits at the beginning, and what follows them.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    let unit = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?;
    Some((unit?, &text[5..]))
}

/// Java, from which RFC 3862 §2.3 has the escapes, writes characters above U+FFFF as two of them.
fn wide(unit: u16, rest: &mut &str) -> char {
    if let Some(single) = char::from_u32(u32::from(unit)) {
        return single;
    }
    let second = rest.strip_prefix('\\').and_then(code_unit);
    let pair = second.and_then(|(low, after)| Some((char::decode_utf16([unit, low]).next()?.ok()?, after)));
    let Some((both, after)) = pair else { return char::REPLACEMENT_CHARACTER };
    *rest = after;
    both
}

/// The value with the escapes of RFC 3862 §2.3.1 and no others. Inside of a string its quotes are escaped too.
pub(super) fn escape(plain: &str, in_string: bool) -> String {
    let mut value = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '\\' => value.push_str("\\\\"),
            '\u{8}' => value.push_str("\\b"),
            '\t' => value.push_str("\\t"),
            '\n' => value.push_str("\\n"),
            '\r' => value.push_str("\\r"),
            '"' if in_string => value.push_str("\\\""),
            '\0'..='\u{1f}' | '\u{7f}' => value.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => value.push(other),
        }
    }
    value
}

/// Whole lines, one after the other. A lone line feed ends one too: there are senders that know no other end.
pub(super) struct Lines<'a> {
    octets: &'a [u8],
    /// Where the next line begins.
    pub(super) at: usize,
    /// Number of the last line given, from 1 on.
    pub(super) number: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0, number: 0 }
    }

    /// The next line without its end; `None` if it has none yet.
    ///
    /// # Errors
    /// [`CpimError::TooManyLines`], [`CpimError::NotUtf8`].
    pub(super) fn next(&mut self) -> Result<Option<&'a str>, CpimError> {
        let rest = &self.octets[self.at..];
        let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(None) };
        if self.number == CPIM_LINES {
            return Err(CpimError::TooManyLines);
        }
        self.at += end + 1;
        self.number += 1;
        let line = str::from_utf8(&rest[..end]).map_err(|_| CpimError::NotUtf8(self.number))?;
        Ok(Some(line.strip_suffix('\r').unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // M3862-2.3.1-01 M3862-2.3.1-03
    #[test]
    fn every_escape_of_the_rfc_is_written_and_read() {
        let plain = "\\ \u{8} \t \n \r \u{7} \u{7f} ü \u{1f600}";
        let value = "\\\\ \\b \\t \\n \\r \\u0007 \\u007f ü \u{1f600}";
        assert_eq!((escape(plain, true).as_str(), unescape(value).as_str()), (value, plain));
        assert_eq!(escape("a \"b\" 'c'", true), "a \\\"b\\\" 'c'");
        assert_eq!(unescape("Formal\\\"Name\\'s"), "Formal\"Name's");
    }

    // M3862-2.3.1-02
    #[test]
    fn nothing_else_is_escaped() {
        let plain = "a/b <c> \"d\" 'e' \u{80} \u{fffd} ~ é %";
        assert_eq!(escape(plain, false), plain);
    }

    // M3862-2.3.1-04
    #[test]
    fn other_escapes_are_read_as_what_they_seem_to_mean() {
        for (value, plain) in [
            ("\\q\\ü", "qü"),
            ("end\\", "end"),
            ("\\u00e9\\u0041", "éA"),
            ("\\ud83d\\ude00", "\u{1f600}"),
            ("\\ud83dx\\ude00", "\u{fffd}x\u{fffd}"),
            ("\\u12 \\u+123", "u12 u+123"),
        ] {
            assert_eq!(unescape(value), plain, "{value}");
        }
    }

    proptest! {
        // M3862-2.2-07 M3862-2.3-01
        #[test]
        fn what_is_escaped_has_no_control_character_and_comes_back(plain in any::<String>(), in_string in any::<bool>()) {
            let value = escape(&plain, in_string);
            prop_assert!(!value.bytes().any(|octet| octet.is_ascii_control()));
            prop_assert_eq!(unescape(&value), plain);
        }
    }
}
