//! What an event means to a primitive: the longest known name that is a prefix, token by token (RFC 5707 §9.3).

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// End now.
    Terminate {
        /// And delete what has arrived.
        discard: bool,
    },
    /// Suspend.
    Pause,
    /// End the suspension.
    Resume,
    /// Either of the two.
    Toggle,
    /// End, if nothing has arrived yet.
    NoSpeech,
    /// Start the first digit timer.
    StartTimer,
    /// Begin the file anew.
    Restart,
    /// The connection for the file is there.
    Bind,
    /// Not for this kind of primitive, or without meaning for files.
    Nothing,
}

use Meaning::{Bind, NoSpeech, Pause, Restart, Resume, StartTimer, Terminate, Toggle};

/// An event that a primitive understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Understood {
    /// `play`, `record`, `receive`, `send`, `forward`, `transfer`, `dtmf` or `group`.
    pub class: &'static str,
    /// Its name; every name that goes on with a dot and more means the same, unless that is a name of its own.
    pub event: &'static str,
    /// What happens.
    pub effect: &'static str,
    meaning: Meaning,
}

const fn understood(class: &'static str, event: &'static str, meaning: Meaning, effect: &'static str) -> Understood {
    Understood { class, event, effect, meaning }
}

/// Names the connection for a file that is due.
pub(super) const BIND: &str = "ft.bind";

const KEPT: Meaning = Terminate { discard: false };

/// Every event that something in a dialog understands (RFC 5707 §9.7.1, §9.7.4, §9.7.5, §9.8.1). `generate` stands only in
/// its prose. forward and backward skip through audio, which a file is not.
pub const EVENTS: &[Understood] = &[
    understood("play", "terminate", KEPT, "breaks the transfer off"),
    understood("play", "pause", Pause, "sends no further chunk"),
    understood("play", "resume", Resume, "goes on where it stopped, or begins after initial=\"suspend\""),
    understood("play", "generate", Resume, "the same"),
    understood("play", "toggle-state", Toggle, "one or the other"),
    understood("play", "restart", Restart, "breaks the file off that is being sent, and sends it anew"),
    understood("record", "terminate", KEPT, "stops receiving; what has come is kept for a resume"),
    // terminate.finalsilence trims silence, so for a file it is any terminate.
    understood(
        "record",
        "terminate.cancelled",
        Terminate { discard: true },
        "stops receiving, and what has come is deleted",
    ),
    understood("record", "pause", Pause, "reads no further chunk; nothing is discarded"),
    understood("record", "resume", Resume, "reads on, or begins after initial=\"suspend\""),
    understood("record", "toggle-state", Toggle, "one or the other"),
    understood("record", "nospeech", NoSpeech, "terminates if no octet has come yet"),
    understood("receive", "terminate", KEPT, "stops receiving; what has come is kept for a resume"),
    understood(
        "receive",
        "terminate.cancelled",
        Terminate { discard: true },
        "stops receiving, and what has come is deleted",
    ),
    understood("receive", "pause", Pause, "reads no further chunk; nothing is discarded"),
    understood("receive", "resume", Resume, "reads on"),
    understood("receive", "toggle-state", Toggle, "one or the other"),
    understood("send", "terminate", KEPT, "breaks the transfer off"),
    understood("send", "pause", Pause, "sends no further chunk"),
    understood("send", "resume", Resume, "goes on where it stopped"),
    understood("send", "toggle-state", Toggle, "one or the other"),
    understood("send", "restart", Restart, "breaks the file off that is being sent, and sends it anew"),
    understood("forward", "terminate", KEPT, "lets go of the job, which goes on; <ft:attach> follows it again"),
    understood("forward", "terminate.cancelled", Terminate { discard: true }, "calls the job back"),
    understood(
        "forward",
        BIND,
        Bind,
        "from <send> with valuelist=\"conn:NAME\": the file goes there, now if ft.due was said, and else at an attempt that this begins",
    ),
    understood("transfer", "terminate", KEPT, "breaks off what moves, and begins nothing more"),
    understood("transfer", "pause", Pause, "holds what moves to or from the peer, and begins nothing more"),
    understood("transfer", "resume", Resume, "goes on, or begins after initial=\"suspend\""),
    understood("transfer", "transmit", Resume, "the same"),
    understood("transfer", "toggle-state", Toggle, "one or the other"),
    understood("dtmf", "terminate", KEPT, "ends the collector"),
    understood("dtmf", "starttimer", StartTimer, "lets fdt run"),
    understood("group", "terminate", KEPT, "goes to everything that runs in the group, or in the dialog"),
];

/// What `event` means to a primitive of this class (`play`, `record`, `receive`, `send`, `forward`, `transfer` or `dtmf`).
pub(super) fn meaning(class: &str, event: &str) -> Meaning {
    let matching = EVENTS.iter().filter(|known| known.class == class && is_in_class(event, known.event));
    matching.max_by_key(|known| known.event.len()).map_or(Meaning::Nothing, |known| known.meaning)
}

/// Whether `event` is `class` or an extension of it by further tokens.
pub(super) fn is_in_class(event: &str, class: &str) -> bool {
    event.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    // DC-12, RE-14
    #[test]
    fn the_longest_known_name_decides_token_by_token() {
        let discard = |class, event| match meaning(class, event) {
            Terminate { discard } => Some(discard),
            _ => None,
        };
        assert_eq!(discard("record", "terminate"), Some(false));
        assert_eq!(discard("record", "terminate.frowning"), Some(false));
        assert_eq!(discard("record", "terminate.cancelled"), Some(true));
        assert_eq!(discard("record", "terminate.cancelled.by.user"), Some(true));
        assert_eq!(discard("record", "terminate.cancelledly"), Some(false));
        assert_eq!(discard("play", "terminate.cancelled"), Some(false));
        assert_eq!(discard("dtmf", "terminated"), None);
        assert_eq!(meaning("play", "generate"), Resume);
        assert_eq!(meaning("play", "nospeech"), Meaning::Nothing);
        assert_eq!(meaning("record", "starttimer"), Meaning::Nothing);
    }
}
