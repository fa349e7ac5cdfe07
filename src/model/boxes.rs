//! Classes of boxes: what holds for all boxes whose names fit a pattern.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What holds for a class of boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxClass {
    /// Which boxes it is for.
    pub matches: BoxPattern,
    /// How much each of them may hold.
    pub quota: Quota,
    /// How long what lies there is kept.
    pub keep: Retention,
    /// Whether what arrives there is encrypted on the disk.
    pub encrypt: bool,
}

impl BoxClass {
    /// The class of a box: the first that it fits.
    pub fn of<'a>(mailbox: &str, classes: &'a [Self]) -> Option<&'a Self> {
        classes.iter().find(|class| class.matches.fits(mailbox))
    }
}

/// How much a box may hold. What is unset has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Octets of all its files together.
    pub octets: Option<u64>,
    /// Objects.
    pub objects: Option<u64>,
    /// From this share of either on somebody is warned, in percent.
    pub warn_percent: Option<u8>,
}

impl Quota {
    /// Whether a box that holds so much has reached the share that is worth a warning.
    pub fn is_nearly_used(&self, octets: u64, objects: u64) -> bool {
        let Some(percent) = self.warn_percent else { return false };
        let near = |used: u64, quota: Option<u64>| {
            quota.is_some_and(|quota| u128::from(used) * 100 >= u128::from(quota) * u128::from(percent))
        };
        near(octets, self.octets) || near(objects, self.objects)
    }
}

/// How long objects are kept, by what has become of them. What is unset is kept for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// From the commit on, whatever its mark.
    pub any: Option<Duration>,
    /// While it is neither seen nor saved, from the commit on.
    pub new: Option<Duration>,
    /// Since it was marked as seen.
    pub seen: Option<Duration>,
    /// Since it was marked as saved.
    pub saved: Option<Duration>,
    /// A deleted object can be brought back for so long.
    pub undelete: Duration,
    /// Between the word that an object has expired and its end.
    pub notice: Duration,
}

/// Names of boxes: each `*` stands for any letters, none among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxPattern(String);

impl BoxPattern {
    /// Whether a box has such a name.
    pub fn fits(&self, mailbox: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = mailbox.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            // The first place is the best: it leaves most for what follows.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl FromStr for BoxPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.contains('/') {
            return Err("not the name of a box, with * for any letters");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BoxPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, mailbox: &str) -> bool {
        pattern.parse::<BoxPattern>().expect("a pattern").fits(mailbox)
    }

    #[test]
    fn a_star_stands_for_any_letters_and_everything_else_for_itself() {
        for (pattern, mailbox) in
            [("*", "bob"), ("bob", "bob"), ("b*", "bob"), ("*b", "bob"), ("b*b", "bob"), ("*o*", "bob"), ("b**b", "bb")]
        {
            assert!(fits(pattern, mailbox), "{pattern} {mailbox}");
        }
        for (pattern, mailbox) in [("bob", "bobby"), ("b*b", "b"), ("*x*", "bob"), ("a*", "bob"), ("Bob", "bob")] {
            assert!(!fits(pattern, mailbox), "{pattern} {mailbox}");
        }
    }

    #[test]
    fn the_first_class_that_fits_counts() {
        let class = |pattern: &str, objects| BoxClass {
            matches: pattern.parse().expect("a pattern"),
            quota: Quota { objects: Some(objects), ..Quota::default() },
            ..BoxClass::default()
        };
        let classes = [class("fax-*", 1), class("*", 2)];
        let quota = |mailbox| BoxClass::of(mailbox, &classes).and_then(|class| class.quota.objects);
        assert_eq!((quota("fax-1"), quota("bob")), (Some(1), Some(2)));
        assert_eq!(BoxClass::of("bob", &classes[..1]), None);
    }

    #[test]
    fn a_warning_is_due_at_the_share_and_not_before() {
        let quota = Quota { octets: Some(1000), objects: Some(10), warn_percent: Some(80) };
        assert!(!quota.is_nearly_used(799, 7));
        assert!(quota.is_nearly_used(800, 0) && quota.is_nearly_used(0, 8));
        assert!(!Quota { warn_percent: None, ..quota }.is_nearly_used(1000, 10));
    }
}
