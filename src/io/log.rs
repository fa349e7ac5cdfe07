//! Log lines on standard error: text for people, JSON for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Format, Level, Log};

/// Starts logging for the whole process; a second call changes nothing.
///
/// Other people's libraries are heard from `warn` on, our own rooms from the configured level on.
pub fn start(log: &Log) {
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(directives(log.level))).with_writer(stderr);
    // `try_init` fails only if a subscriber is already there: then the first one goes on.
    let _ = match log.format {
        Format::Text => lines.with_ansi(stderr().is_terminal()).with_target(false).try_init(),
        Format::Json => lines.json().flatten_event(true).with_target(false).try_init(),
    };
}

fn directives(level: Level) -> String {
    let (theirs, ours) = match level {
        Level::Error => ("error", "error"),
        Level::Warn => ("warn", "warn"),
        Level::Info => ("warn", "info"),
        Level::Debug => ("warn", "debug"),
        Level::Trace => ("warn", "trace"),
    };
    format!("{theirs},restante={ours}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::filter::LevelFilter;

    #[test]
    fn our_rooms_speak_from_the_configured_level_on() {
        for (level, most) in [
            (Level::Error, LevelFilter::ERROR),
            (Level::Warn, LevelFilter::WARN),
            (Level::Info, LevelFilter::INFO),
            (Level::Debug, LevelFilter::DEBUG),
            (Level::Trace, LevelFilter::TRACE),
        ] {
            let filter = EnvFilter::try_new(directives(level)).expect("legal directives");
            assert_eq!(filter.max_level_hint(), Some(most));
        }
    }
}
