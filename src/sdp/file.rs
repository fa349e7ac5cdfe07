//! The file a media line is about: RFC 5547's attributes, read and printed.

use std::fmt;

use chrono::DateTime;

use super::description::{Attribute, Media};
use super::error::FileError;
use super::selector::{content_type, decode, is_token, quote, type_selector, unquoted, words};
use crate::model::{Digest, DigestAlgorithm, FileInfo};

/// A file that is offered, asked for, or agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOffer {
    /// The selector (name, size, type, digests), the transfer id, the disposition and the dates.
    pub info: FileInfo,
    /// `a=file-icon`: a `cid:` URL.
    pub icon: Option<String>,
    /// `a=file-range`; `None` is the whole file.
    pub range: Option<FileRange>,
}

/// `a=file-range`: octets of the file, counted from 1, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The first octet.
    pub start: u64,
    /// The last octet; `None` (`*`) is the file's last.
    pub stop: Option<u64>,
}

impl FileRange {
    /// Everything from the zero-based octet `offset` on.
    pub const fn from_offset(offset: u64) -> Self {
        Self { start: offset.saturating_add(1), stop: None }
    }

    /// The zero-based half-open range of octets it means in a file of `size` octets; `None` if the file has not all of
    /// them.
    pub fn of(self, size: u64) -> Option<std::ops::Range<u64>> {
        let (start, end) = (self.start.checked_sub(1)?, self.stop.unwrap_or(size));
        (start <= end && end <= size).then_some(start..end)
    }

    fn parse(text: &str) -> Option<Self> {
        let (start, stop) = text.trim().split_once('-')?;
        let start = number(start)?;
        let stop = if stop == "*" { None } else { Some(number(stop)?) };
        (start > 0 && stop.is_none_or(|stop| start <= stop)).then_some(Self { start, stop })
    }
}

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stop {
            Some(stop) => write!(f, "{}-{stop}", self.start),
            None => write!(f, "{}-*", self.start),
        }
    }
}

pub(super) const SELECTOR: &str = "file-selector";
pub(super) const TRANSFER_ID: &str = "file-transfer-id";
pub(super) const RANGE: &str = "file-range";

impl FileOffer {
    /// The file a media line is about; `None` without a selector, or with the bare one that states an ability.
    ///
    /// # Errors
    /// [`FileError`]: the stream has to be refused.
    pub fn read(media: &Media) -> Result<Option<Self>, FileError> {
        let Some(selector) = media.value(SELECTOR) else { return Ok(None) };
        let mut info = read_selector(selector)?;
        info.transfer_id = media.value(TRANSFER_ID).map(str::to_owned);
        info.disposition = media.value("file-disposition").map(str::to_owned);
        for word in words(media.value("file-date").unwrap_or_default()) {
            let Some((kind, date)) = word.split_once(':') else { continue };
            let slot = match kind {
                "creation" => &mut info.created,
                "modification" => &mut info.modified,
                "read" => &mut info.read,
                _ => continue,
            };
            slot.get_or_insert_with(|| unquoted(date).to_owned());
        }
        let icon = media.value("file-icon").map(str::to_owned);
        let range = match media.value(RANGE) {
            Some(range) => Some(FileRange::parse(range).ok_or(FileError::Range)?),
            None => None,
        };
        Ok(Some(Self { info, icon, range }))
    }

    /// Every attribute of a file we offer to send (RFC 5547 §8.2.1).
    pub(super) fn print_push(&self) -> Vec<Attribute> {
        let mut attributes = self.print_pull();
        let range = attributes.pop_if(|attribute| attribute.name == RANGE);
        attributes.extend(self.print_disposition());
        attributes.extend(self.print_dates());
        attributes.extend(self.print_icon());
        attributes.extend(range);
        attributes
    }

    /// What RFC 5547 §8.2.2 has in an offer to receive a file: selector, id, range.
    pub(super) fn print_pull(&self) -> Vec<Attribute> {
        let mut attributes = vec![print_selector(&self.info)];
        attributes.extend(self.info.transfer_id.as_ref().map(|id| Attribute::valued(TRANSFER_ID, id.clone())));
        attributes.extend(self.range.map(|range| Attribute::valued(RANGE, range.to_string())));
        attributes
    }

    /// What we add to an answer when a file is pulled from us. RFC 5547 §8.3.2: type and hash help the receiver; name,
    /// size and dates come with the file, in its Content-Disposition.
    pub(super) fn print_pulled(&self) -> (Attribute, Vec<Attribute>) {
        let known = FileInfo {
            media_type: self.info.media_type.clone(),
            digests: self.info.digests.clone(),
            ..FileInfo::default()
        };
        (print_selector(&known), self.print_disposition().into_iter().chain(self.print_icon()).collect())
    }

    fn print_disposition(&self) -> Option<Attribute> {
        let disposition = self.info.disposition.as_ref().filter(|disposition| is_token(disposition))?;
        Some(Attribute::valued("file-disposition", disposition.clone()))
    }

    fn print_icon(&self) -> Option<Attribute> {
        let icon = self.icon.as_ref().filter(|icon| icon.bytes().all(|octet| octet.is_ascii_graphic()))?;
        Some(Attribute::valued("file-icon", icon.clone()))
    }

    fn print_dates(&self) -> Option<Attribute> {
        let FileInfo { created, modified, read, .. } = &self.info;
        let dates: Vec<String> = [("creation", created), ("modification", modified), ("read", read)]
            .into_iter()
            .filter_map(|(kind, date)| Some(format!("{kind}:\"{}\"", numeric_zone(date.as_deref()?)?)))
            .collect();
        (!dates.is_empty()).then(|| Attribute::valued("file-date", dates.join(" ")))
    }
}

/// RFC 5547 §6: the zone of a date is a number. `None` if the text is no date we could say so of.
fn numeric_zone(date: &str) -> Option<String> {
    let zone = date.rsplit(' ').next()?.as_bytes();
    let numeric = zone.len() == 5 && b"+-".contains(&zone[0]) && zone[1..].iter().all(u8::is_ascii_digit);
    if numeric && date.bytes().all(|octet| octet != b'"' && (b' '..0x7F).contains(&octet)) {
        return Some(date.to_owned());
    }
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.to_rfc2822())
}

/// The selectors of RFC 5547 §6. Those we do not know, and hashes of other algorithms, are passed over.
fn read_selector(text: &str) -> Result<FileInfo, FileError> {
    let mut info = FileInfo::default();
    for word in words(text) {
        let (kind, value) = word.split_once(':').ok_or(FileError::Selector)?;
        match kind {
            "name" => info.name = Some(decode(value)).filter(|name| !name.is_empty()),
            "size" => info.size = Some(number(value).ok_or(FileError::Selector)?),
            "type" => info.media_type = Some(content_type(value).ok_or(FileError::Selector)?),
            "hash" => {
                let (name, hex) = value.split_once(':').ok_or(FileError::Selector)?;
                let Some(algorithm) = DigestAlgorithm::from_name(name) else { continue };
                info.digests.push(Digest::from_hex(algorithm, hex).ok_or(FileError::Selector)?);
            }
            _ => {}
        }
    }
    let empty = info.name.is_none() && info.size.is_none() && info.media_type.is_none() && info.digests.is_empty();
    if empty { Err(FileError::Selector) } else { Ok(info) }
}

/// The selector of a file. What SDP cannot say of it is left out.
fn print_selector(info: &FileInfo) -> Attribute {
    let mut words = Vec::new();
    words.extend(info.name.as_ref().filter(|name| !name.is_empty()).map(|name| format!("name:{}", quote(name))));
    words.extend(info.media_type.as_deref().and_then(type_selector).map(|text| format!("type:{text}")));
    words.extend(info.size.map(|size| format!("size:{size}")));
    // RFC 5547 §6: SHA-1 is among the hashes or there are none, and receivers that know but one look at the first.
    if info.digest(DigestAlgorithm::Sha1).is_some() {
        let mut digests: Vec<&Digest> = info.digests.iter().collect();
        digests.sort_by_key(|digest| digest.algorithm());
        words.extend(digests.iter().map(|digest| format!("hash:{}:{}", digest.algorithm().name(), digest.colons())));
    }
    Attribute::valued(SELECTOR, words.join(" "))
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}
