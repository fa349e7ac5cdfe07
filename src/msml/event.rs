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
    /// Not for this kind of primitive, or without meaning for files.
    Nothing,
}

use Meaning::{NoSpeech, Pause, Resume, StartTimer, Terminate, Toggle};

// RFC 5707 §9.7.1; `generate` only in its prose. forward, backward and restart skip through audio, which a file is not.
const PLAY: &[(&str, Meaning)] = &[
    ("terminate", Terminate { discard: false }),
    ("pause", Pause),
    ("resume", Resume),
    ("generate", Resume),
    ("toggle-state", Toggle),
];

// RFC 5707 §9.7.4. terminate.finalsilence trims silence, so for a file it is any terminate.
const RECORD: &[(&str, Meaning)] = &[
    ("terminate", Terminate { discard: false }),
    ("terminate.cancelled", Terminate { discard: true }),
    ("pause", Pause),
    ("resume", Resume),
    ("toggle-state", Toggle),
    ("nospeech", NoSpeech),
];

// RFC 5707 §9.7.5
const COLLECT: &[(&str, Meaning)] = &[("terminate", Terminate { discard: false }), ("starttimer", StartTimer)];

/// What `event` means to a primitive of this class (`play`, `record` or `dtmf`).
pub(super) fn meaning(class: &str, event: &str) -> Meaning {
    let known = match class {
        "play" => PLAY,
        "record" => RECORD,
        _ => COLLECT,
    };
    let matching = known.iter().filter(|(name, _)| is_in_class(event, name));
    matching.max_by_key(|(name, _)| name.len()).map_or(Meaning::Nothing, |(_, meaning)| *meaning)
}

/// Whether `event` is `class` or an extension of it by further tokens.
pub(super) fn is_in_class(event: &str, class: &str) -> bool {
    event.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    // DC-12
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
