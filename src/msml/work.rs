//! What a primitive wants of the owner: one file in, or files out, and everything a script can say about how.

use std::time::Duration;

use crate::model::{Digest, FileRange, ObjectUri};

use super::shapes;

/// One file to receive, and where it goes: at least one destination is there. The default asks for nothing special.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The object, or the box where a name is minted, for every type that has none of its own.
    pub dest: Option<ObjectUri>,
    /// For `audio/...`.
    pub audiodest: Option<ObjectUri>,
    /// For `video/...`.
    pub videodest: Option<ObjectUri>,
    /// `format` as written; voice scripts put codecs here, so nothing is enforced with it.
    pub format: Option<String>,
    /// Nothing is read before [`Order::Resume`](super::Order::Resume).
    pub suspended: bool,
    /// How long the first octet may take.
    pub first_timeout: Option<Duration>,
    /// How long silence between octets may last.
    pub idle_timeout: Option<Duration>,
    /// An object of the same name is replaced.
    pub overwrite: bool,
    /// Octets that the file may have, if that is less than the server takes.
    pub max_size: Option<u64>,
    /// Types that are taken, as `a=accept-types` has them; none at all for all that the server takes.
    pub types: Vec<String>,
    /// A sender that declares no digest is refused.
    pub needs_digest: bool,
    /// Nothing of an earlier session is used, and nothing is kept for a later one.
    pub afresh: bool,
    /// Only the committed file is reported, no range of it before.
    pub reports_whole: bool,
    /// How long the object is kept.
    pub expires: Option<Duration>,
    /// Somebody wants to hear after so many octets of progress.
    pub watched: Option<u64>,
}

impl Record {
    /// Where a file of this type goes.
    pub fn dest_for(&self, media_type: &str) -> Option<&ObjectUri> {
        let kind = media_type.split('/').next().unwrap_or_default().trim();
        let own = match kind.to_ascii_lowercase().as_str() {
            "audio" => self.audiodest.as_ref(),
            "video" => self.videodest.as_ref(),
            _ => None,
        };
        own.or(self.dest.as_ref())
    }

    /// All destinations.
    pub fn destinations(&self) -> impl Iterator<Item = &ObjectUri> {
        [&self.dest, &self.audiodest, &self.videodest].into_iter().flatten()
    }
}

/// Files to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// In order, at least one.
    pub files: Vec<PlayFile>,
    /// Nothing is sent before [`Order::Resume`](super::Order::Resume).
    pub suspended: bool,
    /// No success REPORT is asked for: the last 200 is enough.
    pub unreported: bool,
    /// How often a file that the peer or the path has failed is tried again.
    pub retry: u32,
    /// How long after.
    pub delay: Duration,
    /// Somebody wants to hear after so many octets of progress.
    pub watched: Option<u64>,
}

impl Play {
    /// Files to send once each, as they are.
    pub const fn new(files: Vec<PlayFile>, suspended: bool) -> Self {
        Self { files, suspended, unreported: false, retry: 0, delay: Duration::ZERO, watched: None }
    }
}

/// A file to be brought to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    /// By a new job.
    New(Box<Job>),
    /// By a job that is there.
    Attach(String),
}

/// A job that is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The recipient's SIP URI.
    pub to: String,
    /// Whoever asks makes the connection, too.
    pub by_client: bool,
    /// How long to wait before the first attempt.
    pub after: Duration,
    /// How many attempts there may be.
    pub attempts: Option<u32>,
    /// How long to wait between two of them, at least.
    pub backoff: Option<Duration>,
    /// How long it is tried.
    pub expires: Option<Duration>,
    /// The recipient's last 200 is enough.
    pub unreported: bool,
    /// Who is told of its end, as the operator knows them.
    pub notify: Option<String>,
    /// The file, and what is said of it.
    pub file: PlayFile,
    /// The same as the script has it: attributes of `<ft:obj>` and their values.
    pub told: Vec<(String, String)>,
}

/// One file to send, and what its receiver is told instead of what its envelope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayFile {
    /// Where it lies.
    pub uri: ObjectUri,
    /// Its name.
    pub name: Option<String>,
    /// Its type, without codecs.
    pub media_type: Option<String>,
    /// What its receiver shall do with it.
    pub disposition: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// The octets to send; all of them if absent.
    pub range: Option<FileRange>,
    /// What its octets have to be.
    pub digest: Option<Digest>,
    /// The object that is its preview picture.
    pub icon: Option<ObjectUri>,
    /// It is deleted when the peer has it.
    pub delete: bool,
}

impl PlayFile {
    /// A file as it is.
    pub const fn new(uri: ObjectUri) -> Self {
        Self {
            uri,
            name: None,
            media_type: None,
            disposition: None,
            created: None,
            range: None,
            digest: None,
            icon: None,
            delete: false,
        }
    }

    /// A file, and what `<ft:obj>` says of it.
    pub fn told<'a>(uri: ObjectUri, told: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |name| told(name).map(str::to_owned);
        Self {
            name: text("name"),
            media_type: text("type"),
            disposition: text("disposition"),
            created: text("date"),
            range: told("range").and_then(FileRange::parse),
            icon: told("icon").and_then(|icon| icon.parse().ok()),
            delete: told("delete") == Some("true"),
            digest: told("hash").and_then(shapes::digest),
            ..Self::new(uri)
        }
    }
}
