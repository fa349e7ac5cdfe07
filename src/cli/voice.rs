//! How a command speaks: results on standard output, failures with advice on standard error.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

/// The flags every command has.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Voice {
    /// Speak JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Voice {
    /// Puts a result, one or more lines, on standard output.
    ///
    /// # Errors
    /// It can't be written; that the reader went away (`| head`) is no error.
    pub(crate) fn result(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("standard output can't be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

/// Why a command ends badly.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    next: Option<String>,
    code: u8,
    refusal: bool,
}

impl Failure {
    /// Something failed: exit code 1.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), next: None, code: 1, refusal: false }
    }

    /// Something was typed wrong: exit code 2.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(what) }
    }

    /// With what to do next.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The server will not take this offer, and may take another.
    pub(crate) fn refusal(self) -> Self {
        Self { refusal: true, ..self }
    }

    /// See [`Failure::refusal`].
    pub(crate) const fn is_refusal(&self) -> bool {
        self.refusal
    }

    /// With what it is about, in front.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { what: format!("{what}: {}", self.what), ..self }
    }

    /// Tells it on standard error.
    pub(crate) fn tell(&self, voice: Voice) -> ExitCode {
        let text = if voice.json {
            json!({ "error": self.what, "next": self.next }).to_string()
        } else {
            let next = self.next.as_ref().map(|next| format!("\n  next: {next}"));
            format!("error: {}{}", self.what.replace('\n', "\n       "), next.unwrap_or_default())
        };
        // Nothing is left to be done if standard error is gone: the exit code still tells.
        let _ = writeln!(io::stderr(), "{text}");
        ExitCode::from(self.code)
    }
}
