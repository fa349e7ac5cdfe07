//! The head of one envelope: its own headers, then those of its content.

use chrono::DateTime;

use super::error::CpimError;
use super::mime::Mime;
use super::namespace::{Namespaces, is_absolute, is_name};
use super::text::{Lines, unescape};
use crate::model::limits::{IMDN_ROUTES, IMDN_VALUE_OCTETS};
use crate::model::{Disposition, Imdn, Party, Wrapper};

/// The headers of RFC 3862 that we act on; what `Require` names has to be among them.
const KNOWN: [&str; 7] = ["From", "To", "cc", "DateTime", "Subject", "NS", "Require"];

/// Those of RFC 5438 §6.
const IMDN_KNOWN: [&str; 5] =
    ["Message-ID", "Disposition-Notification", "Original-To", "IMDN-Record-Route", "IMDN-Route"];

/// Reads a head to the blank line before the content; `None` if it is not all there yet.
///
/// # Errors
/// [`CpimError`] for the first fault.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Option<(Wrapper, Mime)>, CpimError> {
    let mut reader = Reader::default();
    loop {
        let Some(line) = lines.next()? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        reader.line(line, lines.number)?;
    }
    // P2: with a Content-Type among the envelope's headers, the blank line between the two kinds has been left out.
    if reader.mime.media_type.is_none() {
        loop {
            let Some(line) = lines.next()? else { return Ok(None) };
            if line.is_empty() {
                break;
            }
            reader.mime_line(line, lines.number)?;
        }
    }
    reader.wrapper.imdn.take_if(|imdn| *imdn == Imdn::default());
    Ok(Some((reader.wrapper, reader.mime)))
}

#[derive(Default)]
struct Reader<'a> {
    wrapper: Wrapper,
    mime: Mime,
    namespaces: Option<Namespaces<'a>>,
    /// Headers that have come and may not come again.
    seen: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// One line of the first block.
    fn line(&mut self, line: &'a str, number: usize) -> Result<(), CpimError> {
        let name = line.split(':').next().unwrap_or_default();
        if Mime::owns(name) || (self.mime.is_open() && line.starts_with([' ', '\t'])) {
            return self.mime_line(line, number);
        }
        // RFC 3862 §2.2: no control characters, and no white space where a line begins.
        if line.bytes().any(|octet| octet.is_ascii_control()) {
            return Err(CpimError::Control(number));
        }
        let (name, rest) = line.split_once(':').ok_or(CpimError::NotAHeader(number))?;
        let legal = match name.split_once('.') {
            Some((prefix, local)) => is_name(prefix) && is_name(local),
            None => is_name(name),
        };
        if !legal {
            return Err(CpimError::NotAHeader(number));
        }
        let (parameters, value) = split_parameters(rest);
        self.header(name, parameters, value.trim())
    }

    fn header(&mut self, name: &'a str, parameters: &str, value: &'a str) -> Result<(), CpimError> {
        let namespaces = self.namespaces.get_or_insert_with(Namespaces::new);
        // RFC 3862 §2.2: names match exactly; a header that is not known is ignored.
        let known = |name: &str| KNOWN.into_iter().find(|known| *known == name);
        if let Some(name) = namespaces.imdn(name) {
            imdn(self.wrapper.imdn.get_or_insert_default(), name, value);
        }
        let Some(name) = namespaces.core(name).and_then(known) else { return Ok(()) };
        // RFC 4975 §13: of RFC 3862's headers only these may come again.
        if !matches!(name, "NS" | "To" | "cc") {
            if self.seen.contains(&name) {
                return Err(CpimError::Repeated(name));
            }
            self.seen.push(name);
        }
        match name {
            "NS" => namespaces.declare(value)?,
            "Require" => require(namespaces, value)?,
            "From" => self.wrapper.from = Some(party(value).ok_or(CpimError::NotAParty(name))?),
            "To" => self.wrapper.to.push(party(value).ok_or(CpimError::NotAParty(name))?),
            "cc" => self.wrapper.cc.push(party(value).ok_or(CpimError::NotAParty(name))?),
            // A date that is none is worth no file: it stays where it came, and nothing is made of it.
            "DateTime" => self.wrapper.sent = DateTime::parse_from_rfc3339(value).ok().map(|_| value.to_owned()),
            _ => {
                self.wrapper.subject = Some(unescape(value));
                self.wrapper.language =
                    parameters.split(';').find_map(|one| one.strip_prefix("lang=")).map(str::to_owned);
            }
        }
        Ok(())
    }

    /// One line of the content's headers.
    fn mime_line(&mut self, line: &str, number: usize) -> Result<(), CpimError> {
        if line.bytes().any(|octet| octet.is_ascii_control() && octet != b'\t') {
            return Err(CpimError::Control(number));
        }
        if line.starts_with([' ', '\t']) {
            if !self.mime.is_open() {
                return Err(CpimError::NotAHeader(number));
            }
            self.mime.fold(line);
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or(CpimError::NotAHeader(number))?;
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(CpimError::NotAHeader(number));
        }
        self.mime.header(name, value)
    }
}

/// One header of RFC 5438. What is wrong there asks for nothing, and the file is as good as ever.
fn imdn(imdn: &mut Imdn, name: &str, value: &str) {
    let fits = value.len() <= IMDN_VALUE_OCTETS;
    let address = || party(value).filter(|_| fits).map(|party| party.uri);
    match name {
        // §10: a token; whoever writes others leaves out what would be read otherwise again.
        "Message-ID"
            if imdn.message_id.is_empty() && fits && value.bytes().all(|c| c.is_ascii_graphic() && c != b'\\') =>
        {
            value.clone_into(&mut imdn.message_id);
        }
        "Disposition-Notification" => {
            let wanted = value.split(',').filter_map(|word| Disposition::of(word.split(';').next()?.trim()));
            imdn.wants = Disposition::ALL.into_iter().filter(|one| wanted.clone().any(|word| word == *one)).collect();
        }
        // §6.4: it stands once and is never changed.
        "Original-To" if imdn.original_to.is_none() => imdn.original_to = address(),
        "IMDN-Record-Route" if imdn.record_route.len() < IMDN_ROUTES => imdn.record_route.extend(address()),
        "IMDN-Route" if imdn.route.len() < IMDN_ROUTES => imdn.route.extend(address()),
        _ => {}
    }
}

/// RFC 3862 §3.5: whoever does not understand what is required does not understand the message.
fn require(namespaces: &Namespaces<'_>, value: &str) -> Result<(), CpimError> {
    let understood = |name: &str| {
        let core = namespaces.core(name).is_some_and(|name| KNOWN.contains(&name));
        core || namespaces.imdn(name).is_some_and(|name| IMDN_KNOWN.contains(&name))
    };
    match value.split(',').map(str::trim).find(|name| !understood(name)) {
        Some(unknown) => Err(CpimError::Requires(unknown.to_owned())),
        None => Ok(()),
    }
}

/// `*(";" Parameter) SP value` (RFC 3862 §3.6): the parameters and the rest. A quoted parameter may hold spaces.
fn split_parameters(rest: &str) -> (&str, &str) {
    if !rest.starts_with(';') {
        return ("", rest);
    }
    let (mut quoted, mut escaped) = (false, false);
    let end = rest.find(|letter| {
        let ends = letter == ' ' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    });
    rest.split_at(end.unwrap_or(rest.len()))
}

/// `[Formal-name] "<" URI ">"` (RFC 3862 §4.1). A name in quotes may hold anything.
fn party(value: &str) -> Option<Party> {
    let (name, rest) = match value.strip_prefix('"') {
        Some(quoted) => {
            let mut escaped = false;
            let end = quoted.find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            })?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => value.split_at(value.find('<')?),
    };
    let uri = rest.trim().strip_prefix('<')?.strip_suffix('>').filter(|uri| is_absolute(uri))?;
    let name = unescape(name.trim());
    Some(Party { name: (!name.is_empty()).then_some(name), uri: uri.to_owned() })
}
