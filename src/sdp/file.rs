//! The file a media line is about: RFC 5547's attributes, read and printed.

use chrono::DateTime;

use super::description::{Attribute, Media};
use super::error::FileError;
use super::selector::{content_type, decode, is_token, quote, type_selector, unquoted, words};
use crate::model::{Digest, DigestAlgorithm, FileInfo, FileRange};

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

pub(super) const SELECTOR: &str = "file-selector";
pub(super) const TRANSFER_ID: &str = "file-transfer-id";
pub(super) const RANGE: &str = "file-range";

impl FileOffer {
    /// How many octets of the file come before those of this transfer (RFC 5547 §6 `file-range`).
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.range.map_or(0, |range| range.start.saturating_sub(1))
    }

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
            let slot = match kind.to_ascii_lowercase().as_str() {
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

    /// Whether `file` meets every criterion of the selector (RFC 5547 §5).
    pub fn selects(&self, file: &FileInfo) -> bool {
        self.compare(file).all(|met| met == Some(true))
    }

    /// Whether the selector cannot mean the same file as an earlier one did. RFC 5547 §8.1: that is an error under a
    /// known `file-transfer-id`, while a criterion more or less is none.
    pub fn contradicts(&self, earlier: &FileInfo) -> bool {
        self.compare(earlier).any(|met| met == Some(false))
    }

    /// Of each criterion that is given, whether the file meets it, if that is known.
    fn compare(&self, file: &FileInfo) -> impl Iterator<Item = Option<bool>> {
        fn met<T: PartialEq>(asked: Option<T>, known: Option<T>) -> Option<Option<bool>> {
            asked.map(|asked| known.map(|known| known == asked))
        }
        let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let asked = &self.info;
        let digests = [DigestAlgorithm::Sha1, DigestAlgorithm::Sha256];
        [
            met(asked.name.as_ref(), file.name.as_ref()),
            met(asked.size, file.size),
            met(asked.media_type.as_deref().map(essence), file.media_type.as_deref().map(essence)),
        ]
        .into_iter()
        .chain(digests.map(|algorithm| met(asked.digest(algorithm), file.digest(algorithm))))
        .flatten()
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
        let mut attributes = Vec::from_iter(print_selector(&self.info));
        attributes.extend(self.info.transfer_id.as_ref().map(|id| Attribute::valued(TRANSFER_ID, id.clone())));
        attributes.extend(self.range.map(|range| Attribute::valued(RANGE, range.to_string())));
        attributes
    }

    /// What we add to an answer when a file is pulled from us. RFC 5547 §8.3.2: type and hash help the receiver; name,
    /// size and dates come with the file, in its Content-Disposition.
    pub(super) fn print_pulled(&self) -> (Option<Attribute>, Vec<Attribute>) {
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
pub fn numeric_zone(date: &str) -> Option<String> {
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
        match kind.to_ascii_lowercase().as_str() {
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

/// The selector of a file. What SDP cannot say of it is left out; if that is everything, there is none.
fn print_selector(info: &FileInfo) -> Option<Attribute> {
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
    (!words.is_empty()).then(|| Attribute::valued(SELECTOR, words.join(" ")))
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::msrp::{Direction, Setup, Terms, media_line};
    use proptest::prelude::*;

    fn read(attributes: &[(&str, &str)]) -> Result<Option<FileOffer>, FileError> {
        let mut media = media_line(&Terms::default(), Direction::SendOnly, Setup::ActPass);
        media.attributes =
            attributes.iter().map(|(name, value)| Attribute::valued(name, (*value).to_owned())).collect();
        FileOffer::read(&media)
    }

    fn selected(selector: &str) -> FileInfo {
        read(&[(SELECTOR, selector)]).expect("a selector").expect("a file").info
    }

    // M5547-6-06 M5547-6-07 M5547-6-08 M8866-5-05
    #[test]
    fn a_name_is_quoted_and_what_could_be_structure_is_encoded() {
        for (name, printed) in [
            ("my picture.jpg", "\"my picture.jpg\""),
            ("a\"b%c.txt", "\"a%22b%25c.txt\""),
            ("a/b\\c", "\"a%2Fb%5Cc\""),
            ("été\r\na=x", "\"été%0D%0Aa=x\""),
        ] {
            let info = FileInfo { name: Some(name.to_owned()), size: Some(1), ..FileInfo::default() };
            let printed = format!("name:{printed} size:1");
            assert_eq!(print_selector(&info), Some(Attribute::valued(SELECTOR, printed.clone())));
            assert_eq!(selected(&printed), info);
        }
    }

    // M5547-6-13
    #[test]
    fn a_selector_is_read_as_data_however_hostile_its_name() {
        assert_eq!(selected("name:\"..%2F..%2Fetc%2Fpasswd%00\"").name.as_deref(), Some("../../etc/passwd\0"));
        assert_eq!(selected("name:\"size:1 hash:x\" size:2").name.as_deref(), Some("size:1 hash:x"));
        assert_eq!(selected("name:\"100%.txt\"").name.as_deref(), Some("100%.txt"));
        assert_eq!(selected("name:\"%2525\"").name.as_deref(), Some("%25"), "decoded once");
        assert_eq!(selected("name:plain.txt").name.as_deref(), Some("plain.txt"));
        let sha1 = Digest::sha1([0xAB; 20]);
        let sha256 = Digest::sha256([1; 32]);
        let hashes =
            format!("hash:sha-256:{} hash:md5:00 hash:SHA-1:{}", sha256.colons(), sha1.colons().to_lowercase());
        assert_eq!(selected(&hashes).digests, [sha256, sha1]);
    }

    // M5547-6-04 M5547-8.3.1-08
    #[test]
    fn a_selector_or_range_that_means_nothing_refuses_the_file() {
        for bad in
            ["size:", "size:-1", "size:x", "type:jpeg", "hash:sha-1:00", "hash:sha-1", "x", "name:\"\"", "hash:md5:00"]
        {
            assert_eq!(read(&[(SELECTOR, bad)]), Err(FileError::Selector), "{bad}");
        }
        for bad in ["", "10-5", "0-5", "5", "a-b", "-5", "5-", "+1-5", "1-99999999999999999999"] {
            assert_eq!(read(&[(SELECTOR, "size:1"), (RANGE, bad)]), Err(FileError::Range), "{bad}");
        }
        assert_eq!(read(&[(TRANSFER_ID, "x")]), Ok(None));
    }

    // M5547-6-21 M5547-6-22 M5547-6-23
    #[test]
    fn a_range_is_one_based_and_inclusive_and_has_to_lie_in_the_file() {
        let range = |text| read(&[(SELECTOR, "size:9"), (RANGE, text)]).expect("a file").and_then(|file| file.range);
        assert_eq!(range("5001-9000").and_then(|range| range.of(9000)), Some(5000..9000));
        assert_eq!(range("5001-9000").and_then(|range| range.of(8999)), None);
        assert_eq!(range("1-*").and_then(|range| range.of(0)), Some(0..0));
        assert_eq!(range("3-*").and_then(|range| range.of(1)), None);
        assert_eq!(FileRange::from_offset(4000).to_string(), "4001-*");
    }

    // M5547-6-16 M5547-6-17 M5547-6-18 M5547-6-19
    #[test]
    fn dates_are_quoted_once_each_and_their_zone_is_a_number() {
        let dates = "creation:\"Mon, 2 Nov 2026 10:00:00 GMT\" read:\"x\" creation:\"later\"";
        let mut file = read(&[(SELECTOR, "size:9"), ("file-date", dates)]).expect("a file").expect("a file");
        assert_eq!(file.info.created.as_deref(), Some("Mon, 2 Nov 2026 10:00:00 GMT"));
        assert_eq!(file.info.read.as_deref(), Some("x"));
        file.info.modified = Some("Tue, 3 Nov 2026 10:00:00 -0330".to_owned());
        let printed = "creation:\"Mon, 2 Nov 2026 10:00:00 +0000\" modification:\"Tue, 3 Nov 2026 10:00:00 -0330\"";
        assert_eq!(file.print_dates(), Some(Attribute::valued("file-date", printed.to_owned())));
        file.info.created = Some("x\"\r\na=evil:1 +0000".to_owned());
        file.info.modified = None;
        assert_eq!(file.print_dates(), None);
    }

    // M5547-5-05 M5547-8.1-11
    #[test]
    fn a_selector_selects_what_meets_all_of_it_and_contradicts_what_breaks_any_of_it() {
        let file = FileInfo {
            name: Some("a.wav".to_owned()),
            size: Some(7),
            media_type: Some("audio/wav;rate=8000".to_owned()),
            digests: vec![Digest::sha1([1; 20])],
            ..FileInfo::default()
        };
        let (right, wrong) = (Digest::sha1([1; 20]).colons(), Digest::sha1([2; 20]).colons());
        let unknown = format!("name:\"a.wav\" hash:sha-256:{}", Digest::sha256([3; 32]).colons());
        for (selector, selects, contradicts) in [
            ("name:\"a.wav\" size:7 type:Audio/WAV", true, false),
            (&format!("hash:sha-1:{right}"), true, false),
            (&format!("size:7 hash:sha-1:{wrong}"), false, true),
            ("name:\"b.wav\" size:7", false, true),
            ("size:8", false, true),
            ("type:audio/ogg", false, true),
            (&unknown, false, false),
        ] {
            let offer = FileOffer { info: selected(selector), ..FileOffer::default() };
            assert_eq!((offer.selects(&file), offer.contradicts(&file)), (selects, contradicts), "{selector}");
        }
    }

    // M5547-6-12
    #[test]
    fn hashes_are_printed_only_with_sha_1_among_them_and_first() {
        let (sha1, sha256) = (Digest::sha1([1; 20]), Digest::sha256([2; 32]));
        let both = FileInfo { digests: vec![sha256.clone(), sha1.clone()], size: Some(1), ..FileInfo::default() };
        let printed = format!("size:1 hash:sha-1:{} hash:sha-256:{}", sha1.colons(), sha256.colons());
        assert_eq!(print_selector(&both), Some(Attribute::valued(SELECTOR, printed)));
        let one = FileInfo { digests: vec![sha256], ..FileInfo::default() };
        assert_eq!(print_selector(&one), None);
    }

    proptest! {
        #[test]
        fn a_selector_that_is_printed_is_read_back(
            name in prop_oneof!["\\PC{1,20}", "[\"%/\\\\ .:\\x00-\\x20a-f0-9]{1,20}"],
            size in prop::option::of(any::<u64>()),
            kind in prop::option::of("[a-z]{1,5}/[a-z.+-]{1,9}"),
            parameter in prop::option::of("[\"%/\\\\ ;=a-f0-9é]{1,9}"),
            sha1 in prop::option::of(any::<[u8; 20]>()),
        ) {
            let media_type = kind.map(|kind| match &parameter {
                Some(value) if is_token(value) => format!("{kind};x={value}"),
                Some(value) => format!("{kind};x=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
                None => kind,
            });
            let digests = sha1.map(Digest::sha1).into_iter().collect();
            let info = FileInfo { name: Some(name), size, media_type, digests, ..FileInfo::default() };
            let printed = print_selector(&info).and_then(|attribute| attribute.value).expect("it has a name");
            prop_assert!(!printed.contains(char::is_control), "{}", printed);
            prop_assert_eq!(selected(&printed), info);
        }

        #[test]
        fn no_selector_makes_the_reader_panic(text in "((name|size|type|hash)?:?\\PC{0,9} ?){0,4}") {
            let _ = read(&[(SELECTOR, &text), ("file-date", &text), (RANGE, &text)]);
        }
    }
}
