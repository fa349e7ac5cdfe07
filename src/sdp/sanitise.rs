//! Puts a peer's text into the one shape that sdp-rs reads without refusing, losing or panicking over anything we need.

use std::fmt::Write as _;

use super::address::Address;
use super::error::SdpError;
use crate::model::limits::{SDP_MEDIA, SDP_OCTETS};

/// Attributes sdp-rs refuses a whole description for when their value is off. None of them concerns MSRP.
const REFUSABLE: [&str; 7] = ["ptime", "maxptime", "rtpmap", "orient", "type", "framerate", "quality"];

/// The lines we keep, in the order of RFC 8866 §9, for the session as for each media line. The other known letters mean
/// nothing to MSRP, and of those `r=` and `z=` with large numbers make sdp-rs panic; `k=` has to be discarded
/// (RFC 8866 §5.12).
const KEPT: &str = "vosmcta";
const DROPPED: &str = "iuepbrzk";

/// A text that sdp-rs reads, and the addresses it has placeholders for: sdp-rs knows no host names.
pub(super) struct Sanitised {
    pub(super) text: String,
    pub(super) origin: Address,
    /// Of the session, then of each media line.
    pub(super) connections: Vec<Option<Address>>,
}

/// The lines of the session, or of one media line.
#[derive(Default)]
struct Section<'a> {
    lines: Vec<(char, &'a str)>,
}

pub(super) fn sanitise(octets: &[u8]) -> Result<Sanitised, SdpError> {
    if octets.len() > SDP_OCTETS {
        return Err(SdpError::TooLarge { limit: SDP_OCTETS });
    }
    let text = std::str::from_utf8(octets).map_err(|_| SdpError::NotUtf8)?;
    let sections = sections(text)?;
    check_session(&sections[0])?;
    let mut sanitised =
        Sanitised { text: String::with_capacity(text.len()), origin: Address::NONE, connections: vec![] };
    for section in &sections {
        sanitised.connections.push(None);
        sanitised.print(section)?;
    }
    Ok(sanitised)
}

fn sections(text: &str) -> Result<Vec<Section<'_>>, SdpError> {
    let mut sections = vec![Section::default()];
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let malformed = SdpError::Line { number: index + 1 };
        let (letter, value) = line.split_once('=').ok_or_else(|| malformed.clone())?;
        let mut letters = letter.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { return Err(malformed) };
        if value.contains(['\0', '\r']) {
            return Err(malformed);
        }
        if DROPPED.contains(letter) {
            continue;
        }
        if !KEPT.contains(letter) {
            return Err(SdpError::UnknownType { letter }); // RFC 8866 §5: ignore the whole description
        }
        if letter == 'm' {
            if value.split(' ').take(4).filter(|field| !field.is_empty()).count() < 4 {
                return Err(malformed);
            }
            sections.push(Section::default());
        }
        if sections.len() > SDP_MEDIA + 1 {
            return Err(SdpError::TooManyMedia { limit: SDP_MEDIA });
        }
        let last = sections.len() - 1;
        if last > 0 && !"mca".contains(letter) {
            return Err(malformed);
        }
        sections[last].lines.push((letter, value));
    }
    Ok(sections)
}

fn check_session(session: &Section<'_>) -> Result<(), SdpError> {
    for (letter, most) in [('v', 1), ('o', 1), ('s', 1), ('c', 1), ('t', usize::MAX)] {
        let count = session.values(letter).count();
        if count == 0 && letter != 'c' {
            return Err(SdpError::Missing { letter });
        }
        if count > most {
            return Err(SdpError::Repeated { letter });
        }
    }
    Ok(())
}

impl<'a> Section<'a> {
    fn values(&self, letter: char) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |line| line.0 == letter).map(|line| line.1)
    }
}

impl Sanitised {
    fn print(&mut self, section: &Section<'_>) -> Result<(), SdpError> {
        for letter in KEPT.chars() {
            for value in section.values(letter) {
                match letter {
                    'o' => self.print_origin(value)?,
                    'c' => self.print_connection(value)?,
                    'a' if REFUSABLE.iter().any(|name| value.split(':').next() == Some(name)) => {}
                    _ => self.line(letter, value),
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, letter: char, value: &str) {
        write!(self.text, "{letter}={value}\r\n").expect("a String takes every write");
    }

    fn print_origin(&mut self, value: &str) -> Result<(), SdpError> {
        let (head, address) = value.rsplit_once(' ').ok_or(SdpError::Origin)?;
        if head.split(' ').count() != 5 {
            return Err(SdpError::Origin);
        }
        self.origin = address.parse()?;
        self.line('o', &format!("{head} {PLACEHOLDER}"));
        Ok(())
    }

    fn print_connection(&mut self, value: &str) -> Result<(), SdpError> {
        let (head, address) = value.rsplit_once(' ').ok_or(SdpError::Address)?;
        let address = address.split('/').next().unwrap_or_default(); // RFC 8866 §5.7: no TTL for unicast
        let slot = self.connections.last_mut().expect("each section pushes its slot before it prints");
        if slot.is_none() {
            *slot = Some(address.parse()?);
            self.line('c', &format!("{head} {PLACEHOLDER}"));
        }
        Ok(())
    }
}

const PLACEHOLDER: &str = "0.0.0.0";
