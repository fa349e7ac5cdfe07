//! The shapes of attribute values: what each may look like, how it is read, and what to say when it is wrong.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::limits::MSML_NAMELIST;
use crate::model::{FileRange, ObjectUri};

use super::fault::{Code, quoted};
use super::object::{INSTANCE_OCTETS, Identifier, is_instance, is_moml_name};
use super::transfer::{Place, Spot};
use super::{shapes, state};

/// One year: longer limits are typing errors, and the clock's sums stay far from overflow.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// What the value of an attribute looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// Any text but none.
    Filled,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// `msml@version`: 1.1. Field: 1.0, which RFC 5707 §13.6 has, too.
    Version,
    /// RFC 5707 §16.1.2 `msmlInstanceID.datatype`.
    Instance,
    /// A `mark`. Field: any text; results repeat it, so it is short even so.
    Mark,
    /// RFC 5707 §16.3.2 `momlID.datatype`.
    Id,
    /// An event or target inside a dialog. Field: with `#` and `:`.
    InnerName,
    /// Shadow variables, separated by white space.
    Namelist,
    /// RFC 5707 §6.2: a connection or conference.
    Independent,
    /// RFC 5707 §6.2: a dialog.
    Dialog,
    /// RFC 5707 §7.2: an object, and for a dialog what runs in it.
    Target,
    /// RFC 5707 §10.1.1: an object, or all of a class.
    Query,
    /// RFC 5707 §10.1.1: audit states, separated by white space.
    States,
    /// XML 1.0 §2.12: `xml:lang`.
    Tongue,
    /// RFC 5707 §9.6.1: the dialog's language.
    Language,
    /// An object of the spool.
    Object,
    /// An object of the spool, or a box in which a name is minted.
    Place,
    /// RFC 5707 §16.1.2 `posDuration.datatype`. Field: `3600` without a unit is seconds.
    Time,
    /// A time that is not none.
    Limit,
    /// A time that has to be none.
    NoTime,
    /// `true` or `false`.
    Flag,
    /// RFC 5707 §16.3.2 `iterate.datatype`.
    Times,
    /// The same, and only once means something for a file.
    Once,
    /// The name of a box.
    BoxName,
    /// Where a file of a transfer lies.
    Source,
    /// Where it goes: a box as well.
    Sink,
    /// A number of octets, at least one.
    Octets,
    /// A small number.
    Count,
    /// A MIME type without parameters.
    MediaType,
    /// MIME types, `type/*` and `*`, separated by white space.
    MediaTypes,
    /// Octets of a file, counted from 1: RFC 5547 §6.
    Range,
    /// A digest as `ft.hash` has it.
    Digest,
    /// A date of RFC 5322.
    Date,
    /// The name of a file.
    FileName,
    /// A small number that is not none.
    Tries,
    /// A SIP URI.
    SipUri,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: Code,
    /// The sentence; none for the usual one, which names attribute and value.
    pub(super) message: Option<String>,
    pub(super) hint: Option<String>,
}

impl Misfit {
    fn value(hint: impl Into<String>) -> Self {
        Self { code: Code::InvalidValue, message: None, hint: Some(hint.into()) }
    }

    fn unsupported(message: &str) -> Self {
        Self { code: Code::UnsupportedAttribute, message: Some(message.to_owned()), hint: None }
    }
}

const INSTANCE: &str = "letters, digits and . : - _";
const MOML_NAME: &str = "a letter or digit, then letters, digits and . _ -";
const TIME: &str = "a time such as 30s or 500ms, at most a year";
const SOURCE: &str = "xmsrp:, spool:/BOX/NAME, file:NAME, or an http: or https: URL";
const SINK: &str =
    "xmsrp://?file=NAME, spool:/BOX/NAME, spool:/BOX/ for a new name in it, file:NAME, or an http: or https: URL";
const TIMES: &str = "a positive number, -1 or forever";

impl Shape {
    /// The shape in words.
    pub fn form(self) -> String {
        let words = match self {
            Self::Text => "any text",
            Self::Filled => "a text that is not empty",
            Self::OneOf(choices) => return choices.join(" or "),
            Self::Version => "1.1",
            Self::Instance | Self::Mark => INSTANCE,
            Self::Id | Self::InnerName => MOML_NAME,
            Self::Namelist => "names of variables, separated by white space",
            Self::Independent => "conn:NAME",
            Self::Dialog => "conn:NAME/dialog:NAME",
            Self::Target => "conn:NAME/dialog:NAME, optionally with what runs in it: /record, /play.ID, /group",
            Self::Query => "conn:NAME or conn:*",
            Self::States => "audit states, separated by white space, * for the last part of a name",
            Self::Tongue => "a language tag such as en-GB",
            Self::Language => "application/moml+xml",
            Self::Object => "spool:/BOX/NAME, or file:NAME for an object of the box files",
            Self::Place => "spool:/BOX/NAME, spool:/BOX/ for a new name in it, or file:NAME",
            Self::Time => TIME,
            Self::Limit => "a time such as 30s or 500ms, more than none and at most a year",
            Self::NoTime => "0s",
            Self::Flag => "true or false",
            Self::Times => TIMES,
            Self::Once => "1",
            Self::BoxName => "the name of a box, without /",
            Self::Source => SOURCE,
            Self::Sink => SINK,
            Self::Octets => "a number of octets",
            Self::Count => "a number, at most 99",
            Self::MediaType => "a type such as audio/wav, without parameters",
            Self::MediaTypes => "types such as audio/wav, audio/* or *, separated by white space",
            Self::Range => "octets such as 1-400 or 401-*",
            Self::Digest => "sha-256: or sha-1: and the hexadecimal octets",
            Self::Date => "a date such as Fri, 27 Nov 2026 10:00:00 +0000",
            Self::FileName => "a name of one line, at most 255 letters",
            Self::Tries => "a number from 1 to 99",
            Self::SipUri => "sip:USER@HOST or sips:USER@HOST, at most 1000 letters, without white space",
        };
        words.to_owned()
    }

    /// What is wrong with this value, if anything is.
    pub(super) fn misfit(self, value: &str, strict: bool) -> Option<Misfit> {
        let unless = |good: bool| (!good).then(|| Misfit::value(format!("expected {}", self.form())));
        match self {
            Self::Text => None,
            Self::Filled => unless(!value.trim().is_empty()),
            Self::OneOf(choices) => unless(choices.contains(&value)),
            Self::Version => unless(value == "1.1" || (value == "1.0" && !strict)),
            Self::Instance => unless(is_instance(value)),
            Self::Mark => unless(value.len() <= INSTANCE_OCTETS && (!strict || is_instance(value))),
            Self::Id => unless(is_moml_name(value)),
            Self::InnerName if strict => unless(is_moml_name(value)),
            Self::InnerName => unless(is_moml_name(&value.replace(['#', ':'], "_"))),
            Self::Namelist => (value.split_ascii_whitespace().nth(MSML_NAMELIST).is_some())
                .then(|| Misfit::value(format!("a namelist may have {MSML_NAMELIST} variables"))),
            Self::Independent | Self::Dialog | Self::Target => self.object_misfit(value),
            Self::Query => Identifier::parse_query(value).err().map(|error| Misfit::value(error.to_string())),
            Self::States => state::parse(value).err().map(Misfit::value),
            Self::Tongue => unless(is_language_tag(value)),
            Self::Language => language_misfit(value),
            Self::Object | Self::Place => match value.parse::<ObjectUri>() {
                Ok(uri) if self == Self::Object && uri.name().is_none() => {
                    Some(Misfit::value(format!("{uri} is a box; expected the name of an object in it")))
                }
                Ok(_) => None,
                Err(error) => Some(Misfit::value(error.to_string())),
            },
            Self::Time => unless(duration(value, strict).is_some()),
            Self::Limit => unless(duration(value, strict).is_some_and(|limit| !limit.is_zero())),
            Self::NoTime => match duration(value, strict) {
                None => Some(Misfit::value(format!("expected {TIME}"))),
                // Time has no place in a file; RFC 5707 allows an offset for audio only.
                Some(offset) => {
                    (!offset.is_zero()).then(|| Misfit::unsupported("a file cannot start at an offset in time"))
                }
            },
            Self::Flag => unless(matches!(value, "true" | "false")),
            Self::Times => unless(times(value).is_some()),
            Self::BoxName => ObjectUri::mailbox(value).err().map(|error| Misfit::value(error.to_string())),
            Self::Source => unless(Spot::read(value).is_some_and(|spot| !is_box(&spot))),
            Self::Sink => unless(Spot::read(value).is_some()),
            Self::Octets => unless(shapes::is_octets(value)),
            Self::Count => unless(shapes::is_count(value)),
            Self::MediaType => unless(shapes::is_media_type(value)),
            Self::MediaTypes => {
                let mut types = value.split_ascii_whitespace().peekable();
                unless(types.peek().is_some() && types.all(shapes::is_media_range))
            }
            Self::Range => unless(shapes::is_range(value) && FileRange::parse(value).is_some()),
            Self::Digest => unless(shapes::digest(value).is_some()),
            Self::Date => unless(shapes::is_date(value)),
            Self::FileName => unless(shapes::is_file_name(value)),
            Self::Tries => unless(shapes::is_count(value) && value.bytes().any(|digit| digit != b'0')),
            Self::SipUri => unless(shapes::is_sip_uri(value)),
            Self::Once => match times(value) {
                None => Some(Misfit::value(format!("expected {TIMES}"))),
                Some(times) => (times != Some(NonZeroU32::MIN))
                    // Files are sent once; a repetition would be another file in the receiver's eyes.
                    .then(|| Misfit::unsupported("a file is sent once: only iterate=\"1\" is supported")),
            },
        }
    }

    fn object_misfit(self, value: &str) -> Option<Misfit> {
        match Identifier::parse(value) {
            Err(error) => Some(Misfit::value(error.to_string())),
            Ok(object) => {
                let fits = match self {
                    Self::Independent => object.dialog.is_none(),
                    Self::Dialog => object.dialog.is_some() && object.inner.is_none(),
                    _ => true,
                };
                (!fits).then(|| Misfit::value(format!("expected {}", self.form())))
            }
        }
    }
}

/// XML Schema's `language`, or nothing.
fn is_language_tag(tag: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = tag.trim().split('-');
    let first = parts.next().is_some_and(|first| part(first) && !first.contains(|c: char| c.is_ascii_digit()));
    tag.is_empty() || (first && parts.all(part))
}

/// RFC 5707 §9.6.1 says vxml+xml, its schema voicexml+xml.
fn language_misfit(value: &str) -> Option<Misfit> {
    let (code, what) = match value.trim().to_ascii_lowercase().as_str() {
        "application/moml+xml" => return None,
        "application/vxml+xml" | "application/voicexml+xml" => (Code::UnsupportedLanguage, "not supported"),
        _ => (Code::UnknownLanguage, "unknown"),
    };
    let message = Some(format!("the dialog language {} is {what}", quoted(value)));
    Some(Misfit { code, message, hint: Some("expected application/moml+xml".to_owned()) })
}

/// How often something happens; the inner `None` is for ever.
pub(super) fn times(text: &str) -> Option<Option<NonZeroU32>> {
    match text {
        "-1" | "forever" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

fn is_box(spot: &Spot) -> bool {
    matches!(spot, Spot::Place(Place::Object(uri)) if uri.name().is_none())
}

pub(super) fn duration(text: &str, strict: bool) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => match text.strip_suffix('s') {
            None if strict => return None,
            seconds => (seconds.unwrap_or(text), Duration::from_secs(1)),
        },
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (if whole.is_empty() { "0" } else { whole }, fraction),
        None => (number, "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // Nine digits after the point are nanoseconds of a second; what follows is below the clock.
    let fraction = &fraction[..fraction.len().min(9)];
    let part: u32 = fraction.parse().ok()?;
    let scale = 10u32.pow(u32::try_from(fraction.len()).ok()?);
    let whole = unit.checked_mul(whole.parse().ok()?)?;
    let part = u128::from(part) * unit.as_nanos() / u128::from(scale);
    let sum = whole.checked_add(Duration::from_nanos(u64::try_from(part).ok()?))?;
    (sum <= DURATION_MAX).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_schema_writes_them() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("+1.5s", 1500), (".25s", 250), ("0s", 0), ("0.5ms", 0)]
        {
            assert_eq!(duration(text, true).map(|duration| duration.as_millis()), Some(millis), "{text}");
        }
        assert_eq!(duration("3600", false), Some(Duration::from_secs(3600)));
        for bad in ["3600", "", "s", "-1s", "1.s", "1m", "1 s", "٣s", "99999999999999999999s", "1e3s", "31708800s"] {
            assert_eq!(duration(bad, true), None, "{bad}");
        }
    }
}
