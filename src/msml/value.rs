//! Typed attributes: each reader gives the value or notes the fault, and validation goes on to find the next one.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::ObjectUri;
use crate::model::limits::{MSML_FAULTS, MSML_NAMELIST};

use super::fault::{Code, Fault, quoted};
use super::object::{INSTANCE_OCTETS, Identifier, is_instance, is_moml_name};
use super::xml::{Element, Space};

/// One year: longer limits are typing errors, and the clock's sums stay far from overflow.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// How often something happens (RFC 5707 §16.3.2 `iterate.datatype`); `None` is for ever.
pub(super) type Times = Option<NonZeroU32>;

/// The faults of one document so far, and how strict to be.
pub(super) struct Checker {
    pub(super) strict: bool,
    pub(super) faults: Vec<Fault>,
}

impl Checker {
    pub(super) fn note(&mut self, fault: Fault) {
        if self.faults.len() < MSML_FAULTS {
            self.faults.push(fault);
        }
    }

    pub(super) fn fault(&mut self, element: &Element, code: Code, message: impl Into<String>) {
        self.note(Fault::new(element.position, code, message));
    }

    fn bad_value(&mut self, element: &Element, name: &str, value: &str, expected: &str) {
        let message = format!("<{}> has {name}={}", element.name, quoted(value));
        self.note(Fault::new(element.position, Code::InvalidValue, message).hint(format!("expected {expected}")));
    }

    /// Notes text where the schema has none, and in strict mode attributes that it does not have.
    pub(super) fn shape(&mut self, element: &Element, declared: &[&str]) {
        if !element.text.trim().is_empty() {
            self.fault(element, Code::InvalidContent, format!("<{}> may not contain text", element.name));
        }
        if !self.strict {
            return;
        }
        for attribute in &element.attributes {
            let known = declared.contains(&attribute.name.as_str());
            if !known {
                let message = format!("<{}> has no attribute {}", element.name, quoted(&attribute.name));
                self.fault(element, Code::UnknownAttribute, message);
            }
        }
    }

    /// [`Self::shape`] for an element that also has no children.
    pub(super) fn leaf(&mut self, element: &Element, declared: &[&str]) {
        self.shape(element, declared);
        if let Some(child) = element.children.first() {
            self.misplaced(child, &element.name, &[]);
        }
    }

    /// Notes a child that `parent` cannot have.
    pub(super) fn misplaced(&mut self, element: &Element, parent: &str, allowed: &[&str]) {
        let name = quoted(&element.name);
        let ours = element.space == Space::Msml;
        let (code, message) = if ours && SPOKEN.contains(&element.name.as_str()) {
            (Code::ForbiddenContent, format!("the element {name} cannot stand in <{parent}>"))
        } else if ours && UNSUPPORTED.contains(&element.name.as_str()) {
            (Code::UnsupportedElement, format!("the element {name} is not supported by this server"))
        } else {
            (Code::UnknownElement, format!("the element {name} is unknown"))
        };
        let fault = Fault::new(element.position, code, message);
        self.note(match allowed {
            [] => fault.hint(format!("<{parent}> is empty")),
            allowed => fault.hint(format!("<{parent}> can have {}", allowed.join(", "))),
        });
    }

    pub(super) fn required<'e>(&mut self, element: &'e Element, name: &str) -> Option<&'e str> {
        let value = element.attribute(name);
        if value.is_none() {
            self.fault(element, Code::MissingAttribute, format!("<{}> needs the attribute {name}", element.name));
        }
        value
    }

    /// RFC 5707 lists it as mandatory, clients leave it out (checklist 15): only strict validation asks for it.
    pub(super) fn required_if_strict<'e>(&mut self, element: &'e Element, name: &str) -> Option<&'e str> {
        if self.strict { self.required(element, name) } else { element.attribute(name) }
    }

    pub(super) fn mark(&mut self, element: &Element) -> Option<String> {
        let mark = element.attribute("mark")?;
        // Results repeat it, so even a lenient server keeps it short.
        if mark.len() > INSTANCE_OCTETS || (self.strict && !is_instance(mark)) {
            self.bad_value(element, "mark", mark, "letters, digits and . : - _");
        }
        Some(mark.to_owned())
    }

    pub(super) fn instance(&mut self, element: &Element, name: &str) -> Option<String> {
        let value = element.attribute(name)?;
        if !is_instance(value) {
            self.bad_value(element, name, value, "letters, digits and . : - _");
        }
        Some(value.to_owned())
    }

    pub(super) fn id(&mut self, element: &Element) -> Option<String> {
        let value = element.attribute("id")?;
        if !is_moml_name(value) {
            self.bad_value(element, "id", value, "a letter or digit, then letters, digits and . _ -");
        }
        Some(value.to_owned())
    }

    /// A name inside a dialog. Field: event names with `#` and `:` occur.
    pub(super) fn moml_name(&mut self, element: &Element, name: &str) -> Option<String> {
        let value = self.required(element, name)?;
        let good = match self.strict {
            true => is_moml_name(value),
            false => is_moml_name(&value.replace(['#', ':'], "_")),
        };
        if !good {
            self.bad_value(element, name, value, "a letter or digit, then letters, digits and . _ -");
        }
        Some(value.to_owned())
    }

    pub(super) fn target(&mut self, element: &Element, name: &str) -> Option<Identifier> {
        let value = self.required(element, name)?;
        match Identifier::parse(value) {
            Ok(identifier) => Some(identifier),
            Err(error) => {
                let message = format!("<{}> has {name}={}", element.name, quoted(value));
                self.note(Fault::new(element.position, Code::InvalidValue, message).hint(error.to_string()));
                None
            }
        }
    }

    pub(super) fn uri(&mut self, element: &Element, name: &str) -> Option<ObjectUri> {
        let value = self.required(element, name)?;
        match value.parse() {
            Ok(uri) => Some(uri),
            Err(error) => {
                let message = format!("<{}> has {name}={}", element.name, quoted(value));
                self.note(Fault::new(element.position, Code::InvalidValue, message).hint(format!("{error}")));
                None
            }
        }
    }

    /// RFC 5707 §16.1.2 `posDuration.datatype`. Field: `3600` without a unit is seconds.
    pub(super) fn duration(&mut self, element: &Element, name: &str) -> Option<Duration> {
        let value = element.attribute(name)?;
        let duration = duration(value, self.strict).filter(|duration| *duration <= DURATION_MAX);
        if duration.is_none() {
            self.bad_value(element, name, value, "a time such as 30s or 500ms, at most a year");
        }
        duration
    }

    /// A duration whose zero switches something off.
    pub(super) fn timer(&mut self, element: &Element, name: &str) -> Option<Duration> {
        self.duration(element, name).filter(|duration| !duration.is_zero())
    }

    /// The limit of a primitive: it has to leave some time.
    pub(super) fn maxtime(&mut self, element: &Element) -> Option<Duration> {
        let limit = self.duration(element, "maxtime")?;
        if limit.is_zero() {
            self.bad_value(element, "maxtime", "0", "more than no time at all");
        }
        Some(limit)
    }

    pub(super) fn flag(&mut self, element: &Element, name: &str) -> bool {
        self.choice(element, name, &["true", "false"]) == Some("true")
    }

    pub(super) fn choice<'e>(&mut self, element: &'e Element, name: &str, choices: &[&str]) -> Option<&'e str> {
        let value = element.attribute(name)?;
        if choices.contains(&value) {
            return Some(value);
        }
        self.bad_value(element, name, value, &choices.join(" or "));
        None
    }

    pub(super) fn times(&mut self, element: &Element) -> Times {
        match element.attribute("iterate") {
            None => Some(NonZeroU32::MIN),
            Some("-1" | "forever") => None,
            Some(value) => {
                let times = value.parse().ok();
                if times.is_none() {
                    self.bad_value(element, "iterate", value, "a positive number, -1 or forever");
                }
                times
            }
        }
    }

    /// Files are sent once; a repetition would be another file in the receiver's eyes.
    pub(super) fn only_once(&mut self, element: &Element) {
        let faults = self.faults.len();
        if self.times(element) != Some(NonZeroU32::MIN) && self.faults.len() == faults {
            let message = format!("<{}> can only have iterate=\"1\" here", element.name);
            self.fault(element, Code::UnsupportedAttribute, message);
        }
    }

    /// Shadow variables, separated by white space. Field: some clients write `valuelist` for `namelist`.
    pub(super) fn namelist(&mut self, element: &Element) -> Vec<String> {
        let list = element.attribute("namelist").or_else(|| element.attribute("valuelist")).unwrap_or_default();
        let names: Vec<String> = list.split_ascii_whitespace().take(MSML_NAMELIST + 1).map(str::to_owned).collect();
        if names.len() > MSML_NAMELIST {
            self.fault(element, Code::InvalidValue, format!("a namelist may have {MSML_NAMELIST} variables"));
        }
        names
    }
}

fn duration(text: &str, strict: bool) -> Option<Duration> {
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
    whole.checked_add(Duration::from_nanos(u64::try_from(part).ok()?))
}

/// Every element this server speaks.
const SPOKEN: &[&str] = &[
    "msml",
    "send",
    "result",
    "event",
    "name",
    "value",
    "description",
    "dialogstart",
    "dialogend",
    "dialogid",
    "moml",
    "exit",
    "disconnect",
    "play",
    "audio",
    "video",
    "media",
    "playexit",
    "record",
    "recordexit",
    "dtmf",
    "collect",
    "pattern",
    "detect",
    "noinput",
    "nomatch",
    "dtmfexit",
    "group",
    "groupexit",
];

/// Every other element of RFC 5707.
const UNSUPPORTED: &[&str] = &[
    "createconference",
    "modifyconference",
    "destroyconference",
    "reserve",
    "resource",
    "audiomix",
    "n-loudest",
    "asn",
    "videolayout",
    "root",
    "region",
    "selector",
    "join",
    "modifystream",
    "unjoin",
    "monitor",
    "stream",
    "gain",
    "clamp",
    "visual",
    "confid",
    "var",
    "tts",
    "dtmfgen",
    "dtmfgenexit",
    "tonegen",
    "tone",
    "tone1",
    "tone2",
    "silence",
    "tonegenexit",
    "vad",
    "voice",
    "tvoice",
    "tsilence",
    "agc",
    "gate",
    "relay",
    "speech",
    "grammar",
    "match",
    "speechexit",
    "faxdetect",
    "faxdetectexit",
    "faxsend",
    "sendobj",
    "hdrfooter",
    "rxpoll",
    "faxstart",
    "faxnegotiate",
    "faxpagedone",
    "faxobjectdone",
    "faxopcomplete",
    "faxpollstarted",
    "faxpollstart",
    "faxrcv",
    "faxrecv",
    "rcvobj",
    "txpoll",
    "audit",
    "auditresult",
];

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
        for bad in ["3600", "", "s", "-1s", "1.s", "1m", "1 s", "٣s", "99999999999999999999s", "1e3s"] {
            assert_eq!(duration(bad, true), None, "{bad}");
        }
    }
}
