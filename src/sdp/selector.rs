//! The little languages inside of RFC 5547's attributes: quoted words, percent-encoding, media types.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// The words of a value, split at spaces outside of quotes: a quoted name holds raw spaces (P29).
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    split(text, ' ').filter(|word| !word.is_empty())
}

fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// What a quoted and percent-encoded text means. Decoded once, and data from then on: it may hold `/`, `..` or NUL.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(unquoted(text)).decode_utf8_lossy().into_owned()
}

pub(super) fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

/// A text in quotes. RFC 5547 §6: quotes, percent signs, line ends and what a file system takes for structure are
/// percent-encoded; we add the other control characters, which no peer has a use for.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        if c.is_control() || matches!(c, '"' | '%' | '/' | '\\') {
            let mut octets = [0; 4];
            for octet in c.encode_utf8(&mut octets).bytes() {
                write!(quoted, "%{octet:02X}").expect("a String takes every write");
            }
        } else {
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}

/// RFC 2045 and RFC 8866 tokens, as far as they agree.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&octet))
}

/// A `type` selector as a Content-Type; `None` if it is neither.
///
/// A parameter that decodes to control characters is refused: as a header it would be more than one line.
pub(super) fn content_type(selector: &str) -> Option<String> {
    let mut parts = split(selector, ';');
    let mut text = essence(parts.next()?)?;
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let value = decode(value);
        // RFC 5547 §6: the value in the quotes has at least one character, so an empty one could not be offered on.
        if !is_token(name) || value.is_empty() || value.contains(char::is_control) {
            return None;
        }
        let value = if is_token(&value) { value } else { backslashed(&value) };
        write!(text, ";{name}={value}").expect("a String takes every write");
    }
    Some(text)
}

/// A Content-Type as a `type` selector; `None` if it is none.
pub(super) fn type_selector(content_type: &str) -> Option<String> {
    let mut parts = parameters(content_type).into_iter();
    let mut text = essence(parts.next()?.trim())?;
    for part in parts {
        let (name, value) = part.trim().split_once('=')?;
        let value = plain(value);
        if !is_token(name) || value.is_empty() {
            return None;
        }
        write!(text, ";{name}={}", quote(&value)).expect("a String takes every write");
    }
    Some(text)
}

fn essence(text: &str) -> Option<String> {
    let (kind, subtype) = text.split_once('/')?;
    (is_token(kind) && is_token(subtype)).then(|| text.to_owned())
}

/// RFC 2045 quoted-string.
fn backslashed(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A Content-Type split at semicolons outside of quoted-strings.
fn parameters(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c| {
        let separates = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        separates
    })
    .collect()
}

/// A parameter's value without its quotes and backslashes.
fn plain(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::new();
    let mut escaped = false;
    for c in quoted.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => break,
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_re_encoded_between_selector_and_header() {
        for (selector, header) in [
            ("image/jpeg", "image/jpeg"),
            ("text/plain;charset=\"utf-8\"", "text/plain;charset=utf-8"),
            ("text/plain;name=\"a b\"", "text/plain;name=\"a b\""),
            ("text/plain;name=\"a%22;%5Cb\";x=\"1\"", "text/plain;name=\"a\\\";\\\\b\";x=1"),
        ] {
            assert_eq!(content_type(selector).as_deref(), Some(header));
            assert_eq!(type_selector(header).as_deref(), Some(selector));
        }
        assert_eq!(content_type("text/plain;charset=utf-8").as_deref(), Some("text/plain;charset=utf-8"));
        assert_eq!(type_selector("text/plain; charset=utf-8").as_deref(), Some("text/plain;charset=\"utf-8\""));
    }

    #[test]
    fn a_parameter_without_a_value_makes_no_type_in_either_form() {
        for bad in ["a/b;x=", "a/b;x=\"\"", "a/b;y=1;x="] {
            assert_eq!((content_type(bad), type_selector(bad)), (None, None), "{bad}");
        }
    }

    #[test]
    fn a_media_type_never_smuggles_a_line_into_a_header() {
        for bad in ["", "jpeg", "image/", "image/a b", "text/plain;x=\"a%0D%0AFrom: b\"", "text/plain;x y=1", "a/b;x"] {
            assert_eq!(content_type(bad), None, "{bad}");
        }
        for bad in ["", "jpeg", "image/a\r\nb", "image/png;x", "image/png;x=", "image/png;a b=c"] {
            assert_eq!(type_selector(bad), None, "{bad}");
        }
    }
}
