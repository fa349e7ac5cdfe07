//! Files that a script has moved from place to place, and how it names the places (the transfer package).

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::model::ObjectUri;

/// What is done with a file without the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileWork {
    /// The file.
    pub src: Origin,
    /// Where a copy of it goes, if there shall be one.
    pub dest: Option<Place>,
    /// An object of the same name is replaced.
    pub overwrite: bool,
    /// The copy goes behind what is there: both together replace it.
    pub append: bool,
    /// The file goes away when that is done.
    pub delete: bool,
    /// Its type, instead of what is known of it.
    pub media_type: Option<String>,
    /// What its receiver shall do with it, instead of what is known of it.
    pub disposition: Option<String>,
    /// How long a site may take to the first octet.
    pub first_timeout: Option<Duration>,
    /// How long it may take to the next.
    pub idle_timeout: Option<Duration>,
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It lies there.
    Place(Place),
    /// The script has it.
    Text(String),
}

impl Default for Origin {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// Where a file lies, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the spool; as a destination also a box in which its name is minted.
    Object(ObjectUri),
    /// At this URL. Whether it may be asked for is the operator's list's to say.
    Url(String),
}

/// One end of a move, as a script has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// The message stream of the dialog's target, and the file's name there.
    Stream(Option<String>),
    Place(Place),
    /// The text itself.
    Text(String),
}

impl Spot {
    /// Reads a `src` or `dest`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        if scheme.eq_ignore_ascii_case("xmsrp") {
            return Some(Self::Stream(name_in(rest)));
        }
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return text.parse().ok().map(|uri| Self::Place(Place::Object(uri)));
        }
        let good = rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty());
        (good && !text.contains(char::is_whitespace)).then(|| Self::Place(Place::Url(text.to_owned())))
    }
}

/// `file=NAME` in `//?offerer=..;answerer=..;file=NAME`. Who offers is for the session descriptions to say.
fn name_in(rest: &str) -> Option<String> {
    let (_, query) = rest.split_once('?')?;
    let name = query.split([';', '&']).find_map(|part| part.strip_prefix("file="))?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Transfer package: xmsrp
    #[test]
    fn an_end_is_the_stream_an_object_a_box_or_a_url() {
        let name = |text| match Spot::read(text) {
            Some(Spot::Stream(name)) => name,
            other => panic!("{text}: {other:?}"),
        };
        let full = "xmsrp://?offerer=sip:a@example.net;answerer=sip:b@example.net;file=a%20b.wav";
        assert_eq!(name(full).as_deref(), Some("a b.wav"));
        assert_eq!(name("XMSRP://?file=x&offerer=1").as_deref(), Some("x"));
        for unnamed in ["xmsrp:", "xmsrp://?offerer=1", "xmsrp://?file=", "xmsrp://?file=%ff"] {
            assert_eq!(name(unnamed), None, "{unnamed}");
        }
        assert_eq!(Spot::read("HTTPS://h/a"), Some(Spot::Place(Place::Url("HTTPS://h/a".to_owned()))));
        for object in ["file:///a/b.wav", "spool:/bob/", "spool:/bob/a"] {
            assert!(matches!(Spot::read(object), Some(Spot::Place(Place::Object(_)))), "{object}");
        }
        for bad in ["http:", "http://", "http:/h/a", "http://a b", "s3://bucket/a", "", "spool:/", "/etc/passwd"] {
            assert_eq!(Spot::read(bad), None, "{bad}");
        }
    }
}
