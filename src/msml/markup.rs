//! The small rules of XML 1.0 that quick-xml leaves to its callers: characters, names, attributes, references.

use std::borrow::Cow;

use crate::model::limits::MSML_ATTRIBUTES;

/// XML 1.0 §2.2: `Char`.
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0 §2.3: `NameStartChar`, without the colon that namespaces take.
const fn starts_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// Namespaces in XML §3: `NCName`.
pub(super) fn is_name(name: &str) -> bool {
    if name.bytes().all(|octet| octet.is_ascii_lowercase()) {
        return !name.is_empty(); // as nearly all are
    }
    let continues = |c: char| {
        starts_name(c)
            || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
    };
    name.chars().next().is_some_and(starts_name) && name.chars().all(continues)
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Puts into `found` the `name="value"` pairs that follow an element's name, values still escaped (XML 1.0 §3.1), and
/// looks no further than one past what an element may have.
///
/// # Errors
/// What is wrong, as a sentence without a place.
pub(super) fn attributes<'a>(text: &'a str, found: &mut Vec<(&'a str, &'a str)>) -> Result<(), &'static str> {
    found.clear();
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches(is_space);
        if next.is_empty() || found.len() > MSML_ATTRIBUTES {
            return Ok(());
        }
        if next.len() == rest.len() {
            return Err("attributes must be separated by white space");
        }
        let (name, after) = next.split_once('=').ok_or("an attribute without a value")?;
        let after = after.trim_start_matches(is_space);
        let quote =
            after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or("an attribute value without quotes")?;
        let (value, after) = after[1..].split_once(quote).ok_or("an attribute value without its closing quote")?;
        if value.contains('<') {
            return Err("\"<\" may not stand in an attribute value; write &lt;");
        }
        found.push((name.trim_end_matches(is_space), value));
        rest = after;
    }
}

/// XML 1.0 §4.1 and §4.6: the five entities and character references; there are no others without a DTD.
pub(super) fn resolve(reference: &str) -> Option<char> {
    let number = match reference {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => reference.strip_prefix('#')?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None; // from_str_radix would take a sign
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_char(*c))
}

/// An attribute's value with its references resolved and white space normalised (XML 1.0 §3.3.3).
///
/// # Errors
/// What is wrong, as a sentence without a place.
pub(super) fn unescape(value: &str) -> Result<Cow<'_, str>, &'static str> {
    if !value.bytes().any(|octet| matches!(octet, b'&' | b'\t' | b'\r' | b'\n')) {
        return Ok(Cow::Borrowed(value));
    }
    let (mut plain, mut rest) = (String::with_capacity(value.len()), value);
    loop {
        let (before, after) = rest.split_once('&').map_or((rest, None), |(before, after)| (before, Some(after)));
        plain.extend(before.chars().map(|c| if is_space(c) { ' ' } else { c }));
        let Some(after) = after else { return Ok(Cow::Owned(plain)) };
        let (reference, after) = after.split_once(';').ok_or("a bare \"&\" in an attribute value; write &amp;")?;
        plain.push(resolve(reference).ok_or("an unknown reference in an attribute value")?);
        rest = after;
    }
}

/// A value made safe for content and attributes alike; what XML 1.0 cannot carry becomes U+FFFD.
pub(super) fn escape(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' => safe.push_str("&#9;"),
            '\n' => safe.push_str("&#10;"),
            '\r' => safe.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_the_five_entities_and_legal_characters() {
        assert_eq!(resolve("#x41").zip(resolve("#65")), Some(('A', 'A')));
        for bad in ["", "nbsp", "#", "#x", "#0", "#x0", "#xD800", "#x110000", "#+65", "#99999999999", "#X41"] {
            assert_eq!(resolve(bad), None, "{bad}");
        }
    }

    #[test]
    fn attributes_need_spaces_quotes_and_values() {
        let mut found = Vec::new();
        assert_eq!(attributes(" a = '1'\n b=\"'\"", &mut found), Ok(()));
        assert_eq!(found, [("a", "1"), ("b", "'")]);
        for bad in [" a", " a=1", " a='1", " a='1'b='2'", "a='1'", " a='<'"] {
            assert!(attributes(bad, &mut found).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_scanners_panic(text in "\\PC{0,40}") {
            let _ = (attributes(&text, &mut Vec::new()), unescape(&text), is_name(&text), resolve(&text));
        }
    }
}
