//! How far a transfer is: a bar on a terminal, now and then a line elsewhere, JSON lines for programs, or nothing.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::voice::Voice;

/// A line comes after this much time and this much progress: no log drowns in them, however fast or long it goes.
const LINE_EVERY: Duration = Duration::from_secs(2);
const LINE_EVERY_PERCENT: u64 = 5;

const STYLE: &str = "{msg:<28!} [{bar:32}] {bytes:>11} of {total_bytes:<11} {bytes_per_sec:>13} {eta:>4}";
const COUNTED: &str = "{msg:<28!} [{bar:32}] {human_pos:>11} of {human_len:<11} {per_sec:>13} {eta:>4}";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Octets,
    Objects,
}

/// The progress of one thing that moves octets, or goes through objects. It goes to standard error; results stay alone on standard output.
pub(crate) struct Progress {
    label: String,
    total: u64,
    done: u64,
    began: Instant,
    unit: Unit,
    face: Face,
}

enum Face {
    Bar(ProgressBar),
    Lines { json: bool, told: Instant, told_percent: u64 },
    Silent,
}

impl Progress {
    /// Something called `label` begins to move `total` octets.
    pub(crate) fn new(voice: Voice, label: impl Into<String>, total: u64) -> Self {
        Self::of(voice, label, total, Unit::Octets)
    }

    /// Something called `label` begins to go through `total` objects.
    pub(crate) fn objects(voice: Voice, label: impl Into<String>, total: u64) -> Self {
        Self::of(voice, label, total, Unit::Objects)
    }

    fn of(voice: Voice, label: impl Into<String>, total: u64, unit: Unit) -> Self {
        let (label, now) = (label.into(), Instant::now());
        let face = match voice {
            Voice { quiet: true, .. } => Face::Silent,
            Voice { json: true, .. } => Face::Lines { json: true, told: now, told_percent: 0 },
            _ if stderr().is_terminal() => Face::Bar(bar(&label, total, unit)),
            _ => Face::Lines { json: false, told: now, told_percent: 0 },
        };
        Self { label, total, done: 0, began: now, unit, face }
    }

    /// `done` octets are there by now.
    pub(crate) fn at(&mut self, done: u64) {
        self.done = done;
        let percent = self.percent();
        match &mut self.face {
            Face::Bar(bar) => bar.set_position(done),
            Face::Lines { json, told, told_percent } => {
                if !due(told.elapsed(), percent - (*told_percent).min(percent)) {
                    return;
                }
                (*told, *told_percent) = (Instant::now(), percent);
                let json = *json;
                self.line(json, false);
            }
            Face::Silent => {}
        }
    }

    /// So many more octets are there.
    pub(crate) fn add(&mut self, octets: u64) {
        self.at(self.done.saturating_add(octets));
    }

    /// Prints something while the bar makes room for it.
    pub(crate) fn beside(&self, print: impl FnOnce()) {
        match &self.face {
            Face::Bar(bar) => bar.suspend(print),
            Face::Lines { .. } | Face::Silent => print(),
        }
    }

    /// It is over; whether well or badly is told by others.
    pub(crate) fn end(self) {
        match &self.face {
            Face::Bar(bar) => bar.finish(),
            Face::Lines { json: false, told_percent: 100, .. } => {} // the last line has said so
            Face::Lines { json, .. } => self.line(*json, true),
            Face::Silent => {}
        }
    }

    fn percent(&self) -> u64 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u64::try_from(percent).unwrap_or(100).min(100)
    }

    fn line(&self, json: bool, end: bool) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = if json {
            let (label, done, total) = (&self.label, self.done, self.total);
            let unit = if self.unit == Unit::Octets { "octets" } else { "objects" };
            json!({ "progress": label, unit: done, "total": total, "millis": millis, "end": end }).to_string()
        } else if self.unit == Unit::Objects {
            format!("{}: {} of {} objects ({} %)", self.label, self.done, self.total, self.percent())
        } else {
            let (done, total) = (indicatif::BinaryBytes(self.done), indicatif::BinaryBytes(self.total));
            format!("{}: {done} of {total} ({} %)", self.label, self.percent())
        };
        let _ = writeln!(stderr(), "{text}"); // progress that nobody can see is no failure
    }
}

fn bar(label: &str, total: u64, unit: Unit) -> ProgressBar {
    let template = if unit == Unit::Octets { STYLE } else { COUNTED };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(label.to_owned())
}

fn due(elapsed: Duration, percent: u64) -> bool {
    elapsed >= LINE_EVERY && percent >= LINE_EVERY_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_after_some_time_with_some_progress_and_not_before() {
        assert!(due(LINE_EVERY, LINE_EVERY_PERCENT));
        assert!(!due(LINE_EVERY / 2, 100) && !due(LINE_EVERY * 2, LINE_EVERY_PERCENT - 1));
    }

    #[test]
    fn an_empty_file_and_one_that_grew_have_a_percentage_too() {
        let quiet = Voice { quiet: true, json: false };
        let mut empty = Progress::new(quiet, "empty", 0);
        empty.at(0);
        assert_eq!(empty.percent(), 0);
        empty.add(u64::MAX);
        assert_eq!(empty.percent(), 100);
    }
}
