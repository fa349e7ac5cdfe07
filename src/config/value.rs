//! Values of settings: how each type is read, written and named.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{Host, Listen, Relay};
use super::bucket::{BucketUrl, Tag};
use super::keys::KeySource;
use url::Url;

use crate::model::{BoxPattern, Domain, Network, Occasion, Recipient, Site};

/// A value as a file, a variable or a flag gave it, before a key gives it a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// One text or number.
    One(String),
    /// A list. In a variable the items are separated by commas.
    Many(Vec<String>),
}

/// Why a value doesn't fit its key; the text says what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit(pub(super) String);

/// A field of the settings that can be read from text and written back.
pub(super) trait Setting {
    /// Replaces the value.
    fn set(&mut self, given: &Given) -> Result<(), Misfit>;
    /// The value as it would be written; `None` if the key is unset.
    fn shown(&self) -> Option<Given>;
    /// What may be written, for the manual.
    fn kind(&self) -> String;
}

/// A type that one piece of text stands for.
pub(super) trait Scalar: Sized {
    fn read(text: &str) -> Result<Self, Misfit>;
    fn write(&self) -> String;
    fn form() -> String;
}

fn one<S: Scalar>(given: &Given) -> Result<S, Misfit> {
    match given {
        Given::One(text) => S::read(text),
        Given::Many(_) => Err(Misfit(format!("expected one value ({}), not a list", S::form()))),
    }
}

impl<S: Scalar> Setting for S {
    fn set(&mut self, given: &Given) -> Result<(), Misfit> {
        *self = one(given)?;
        Ok(())
    }

    fn shown(&self) -> Option<Given> {
        Some(Given::One(self.write()))
    }

    fn kind(&self) -> String {
        S::form()
    }
}

impl<S: Scalar> Setting for Option<S> {
    fn set(&mut self, given: &Given) -> Result<(), Misfit> {
        *self = Some(one(given)?);
        Ok(())
    }

    fn shown(&self) -> Option<Given> {
        self.as_ref().map(|value| Given::One(value.write()))
    }

    fn kind(&self) -> String {
        S::form()
    }
}

impl<S: Scalar> Setting for Vec<S> {
    fn set(&mut self, given: &Given) -> Result<(), Misfit> {
        *self = match given {
            Given::Many(items) => items.iter().map(|item| S::read(item.trim())).collect::<Result<_, _>>()?,
            Given::One(text) if text.is_empty() => Self::new(),
            Given::One(text) => text.split(',').map(|item| S::read(item.trim())).collect::<Result<_, _>>()?,
        };
        Ok(())
    }

    fn shown(&self) -> Option<Given> {
        Some(Given::Many(self.iter().map(S::write).collect()))
    }

    fn kind(&self) -> String {
        format!("list of {}", S::form())
    }
}

/// A closed set of words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Every word with what it stands for.
    const WORDS: &'static [(&'static str, Self)];
}

impl<C: Choice> Scalar for C {
    fn read(text: &str) -> Result<Self, Misfit> {
        let found = C::WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| Misfit(format!("\"{text}\" is none of {}", C::form())))
    }

    fn write(&self) -> String {
        let found = C::WORDS.iter().find(|(_, choice)| choice == self);
        found.map(|(word, _)| (*word).to_owned()).expect("every choice has a word")
    }

    fn form() -> String {
        C::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
    }
}

/// A switch: `true` or `false`.
impl Choice for bool {
    const WORDS: &'static [(&'static str, Self)] = &[("false", false), ("true", true)];
}

impl Scalar for String {
    fn read(text: &str) -> Result<Self, Misfit> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err(Misfit("expected a text without control characters".to_owned()));
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }

    fn form() -> String {
        "text".to_owned()
    }
}

impl Scalar for PathBuf {
    fn read(text: &str) -> Result<Self, Misfit> {
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Misfit(format!("{scheme}: is not supported; expected a directory or file on this machine")));
        }
        String::read(text).map(Self::from)
    }

    fn write(&self) -> String {
        self.display().to_string()
    }

    fn form() -> String {
        "path".to_owned()
    }
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("s", 1000), ("m", 60_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// `24h` with `[("h", 3_600_000), ..]`: the number times its unit.
fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The first unit of the list that divides `amount` gives the text.
fn with_unit(amount: u64, units: &[(&str, u64)]) -> String {
    let (smallest, _) = units[units.len() - 1];
    let exact = units.iter().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    exact.map_or_else(|| format!("{amount}{smallest}"), |(name, factor)| format!("{}{name}", amount / factor))
}

/// A duration as configuration has it: `24h`.
///
/// # Errors
/// What would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    <Duration as Scalar>::read(text).map_err(|Misfit(why)| why)
}

/// Durations are whole milliseconds: `200ms`, `20s`, `5m`, `24h`, `5d`.
impl Scalar for Duration {
    fn read(text: &str) -> Result<Self, Misfit> {
        let millis = in_units(text, &DURATION_UNITS);
        let why =
            || Misfit(format!("\"{text}\" is not a duration: a whole number with ms, s, m, h or d, like \"20s\""));
        millis.map(Self::from_millis).ok_or_else(why)
    }

    fn write(&self) -> String {
        with_unit(u64::try_from(self.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
    }

    fn form() -> String {
        "duration".to_owned()
    }
}

/// A size in octets: `65536`, `64KiB`, `4GiB`.
impl Scalar for u64 {
    fn read(text: &str) -> Result<Self, Misfit> {
        let why =
            || Misfit(format!("\"{text}\" is not a size: a whole number of octets, or with KiB, MiB, GiB or TiB"));
        in_units(text, &SIZE_UNITS).ok_or_else(why)
    }

    fn write(&self) -> String {
        with_unit(*self, &SIZE_UNITS)
    }

    fn form() -> String {
        "size".to_owned()
    }
}

/// A share: `98%`.
impl Scalar for u8 {
    fn read(text: &str) -> Result<Self, Misfit> {
        let share =
            text.strip_suffix('%').and_then(|number| number.parse().ok()).filter(|share| (1..=100).contains(share));
        share.ok_or_else(|| Misfit(format!("\"{text}\" is not a share: 1% to 100%")))
    }

    fn write(&self) -> String {
        format!("{self}%")
    }

    fn form() -> String {
        "share".to_owned()
    }
}

/// A count: `100`.
impl Scalar for u32 {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|_| Misfit(format!("\"{text}\" is not a number of things: 0 to {}", Self::MAX)))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "number".to_owned()
    }
}

impl Scalar for Host {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "HOST or HOST:PORT".to_owned()
    }
}

impl Scalar for Listen {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "udp:, tcp:, tls:, ws: or wss:HOST:PORT".to_owned()
    }
}

impl Scalar for Relay {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "msrps://HOST:PORT;tcp".to_owned()
    }
}

impl Scalar for BoxPattern {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|why| Misfit(format!("\"{text}\" is {why}")))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "name of boxes, * for any letters".to_owned()
    }
}

impl Scalar for Recipient {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|why| Misfit(format!("\"{text}\": {why}")))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "SIP URI with a user".to_owned()
    }
}

impl Scalar for Site {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "HOST, HOST:PORT or https://HOST/PATH".to_owned()
    }
}

impl Scalar for Url {
    fn read(text: &str) -> Result<Self, Misfit> {
        let url = Self::parse(text).map_err(|error| Misfit(format!("\"{text}\" is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(Misfit(format!("\"{text}\" is not {}", Self::form())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Misfit("a URL is printed and logged: no user or password in it".to_owned()));
        }
        Ok(url)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "https://HOST/PATH or http://HOST/PATH".to_owned()
    }
}

impl Scalar for Occasion {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.word().to_owned()
    }

    fn form() -> String {
        Self::ALL.map(|occasion| format!("\"{occasion}\"")).join(" or ")
    }
}

impl Scalar for Domain {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "HOST, *.DOMAIN or *".to_owned()
    }
}

impl Scalar for KeySource {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "NAME:FILE or NAME:$VARIABLE".to_owned()
    }
}

impl Scalar for BucketUrl {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "s3://BUCKET/PREFIX".to_owned()
    }
}

impl Scalar for Tag {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "KEY=VALUE".to_owned()
    }
}

impl Scalar for Network {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(Misfit)
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn form() -> String {
        "ADDRESS/PREFIX".to_owned()
    }
}
