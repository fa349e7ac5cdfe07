//! An envelope of ours, in RFC 3862's form to the letter.

use super::namespace::{IMDN, is_name};
use super::text::escape;
use crate::model::{Imdn, Party, Wrapper};

/// The headers of what an envelope holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// Its media type with parameters.
    pub media_type: String,
    /// Its Content-Disposition.
    pub disposition: Option<String>,
    /// Its Content-ID without the angle brackets (RFC 2392).
    pub content_id: Option<String>,
}

/// Everything that goes before the content: the envelope's headers, a blank line, the content's headers, a blank line.
/// RFC 4975 §13: an envelope of ours has a `From` and a `To`, so a [`Wrapper`] without them is the caller's mistake.
pub fn print(wrapper: &Wrapper, enclosed: &Enclosed) -> Vec<u8> {
    let mut head = String::new();
    let mut line = |name: &str, value: &str| {
        // RFC 3862 §2.2: one space after the colon, none at either end of the line.
        head.push_str(&format!("{name} {}\r\n", value.trim()));
    };
    if let Some(from) = &wrapper.from {
        line("From:", &address(from));
    }
    wrapper.to.iter().for_each(|to| line("To:", &address(to)));
    wrapper.cc.iter().for_each(|cc| line("cc:", &address(cc)));
    if let Some(sent) = &wrapper.sent {
        line("DateTime:", &escape(sent, false));
    }
    if let Some(subject) = wrapper.subject.as_deref().filter(|subject| !subject.trim().is_empty()) {
        let language = wrapper.language.as_deref().filter(|language| is_name(language));
        let name = language.map_or_else(|| "Subject:".to_owned(), |language| format!("Subject:;lang={language}"));
        line(&name, &escape(subject, false));
    }
    wrapper.imdn.iter().flat_map(imdn).for_each(|(name, value)| line(name, &value));
    head.push_str("\r\n");
    let mut line = |name: &str, value: &str| {
        let clean: String = value.chars().filter(|letter| !letter.is_control()).collect();
        head.push_str(&format!("{name}: {}\r\n", clean.trim()));
    };
    line("Content-Type", &enclosed.media_type);
    if let Some(disposition) = &enclosed.disposition {
        line("Content-Disposition", disposition);
    }
    if let Some(content_id) = &enclosed.content_id {
        line("Content-ID", &format!("<{content_id}>"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// RFC 5438 §6, §10: the headers by which a message asks for notifications, or a notification is one.
fn imdn(imdn: &Imdn) -> Vec<(&'static str, String)> {
    let uri = |uri: &String| address(&Party::new(uri.clone()));
    let mut headers = vec![("NS:", format!("imdn <{IMDN}>"))];
    if !imdn.message_id.is_empty() {
        headers.push(("imdn.Message-ID:", escape(&imdn.message_id, false)));
    }
    if !imdn.wants.is_empty() {
        let words: Vec<&str> = imdn.wants.iter().map(|one| one.word()).collect();
        headers.push(("imdn.Disposition-Notification:", words.join(", ")));
    }
    headers.extend(imdn.original_to.iter().map(|to| ("imdn.Original-To:", uri(to))));
    headers.extend(imdn.record_route.iter().map(|route| ("imdn.IMDN-Record-Route:", uri(route))));
    headers.extend(imdn.route.iter().map(|route| ("imdn.IMDN-Route:", uri(route))));
    headers
}

/// RFC 3862 §3.6: `[ 1*( Token SP ) / String ] "<" URI ">"`; a string has no space behind it.
fn address(party: &Party) -> String {
    let uri: String = party.uri.chars().map(in_uri).collect();
    let name = party.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    match name {
        None => format!("<{uri}>"),
        Some(name) if name.split(' ').all(is_token) => format!("{name} <{uri}>"),
        Some(name) => format!("\"{}\"<{uri}>", escape(name, true)),
    }
}

fn is_token(word: &str) -> bool {
    let letter = |letter: char| !letter.is_ascii() || letter == '.' || is_name(letter.encode_utf8(&mut [0; 4]));
    !word.is_empty() && word.chars().all(letter)
}

/// A character that would end the URI, or the line, is written as RFC 3986 §2.1 has it.
fn in_uri(letter: char) -> String {
    if letter.is_ascii_graphic() && !"<>\"\\#".contains(letter) {
        return letter.to_string();
    }
    letter.encode_utf8(&mut [0; 4]).bytes().map(|octet| format!("%{octet:02X}")).collect()
}
