//! `restante serve`: the server, until it is told to stop.

use std::time::Duration;

use restante::config::{Level, Settings};
use restante::io::log;
use restante::io::node::{Node, Options, StartError};
use restante::spool::SpoolError;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::settings::SettingsArgs;
use super::voice::{Failure, Voice};

/// How long transfers under way may go on after the first signal.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let mut settings = args.settings.load()?;
    if voice.quiet && settings.log.level != Level::Error {
        settings.log.level = Level::Warn;
    }
    log::start(&settings.log);
    let mut signals = Signals::new()?;
    // Heard before anybody can know that we listen: a SIGHUP that nobody hears ends the process.
    let mut hang_ups = Signals::listen(SignalKind::hangup())?;
    // A write past the limit of a file's size (RLIMIT_FSIZE) is an error of that file, and no reason to end.
    let _too_large = Signals::listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    let options = Options { http: true, ..Options::default() };
    let node = Node::start(&settings, options).await.map_err(|error| refused(&error))?;
    tell(&node, &settings, voice)?;
    until_stopped(&node, &mut signals, &mut hang_ups).await?;
    tracing::info!("draining: no new calls; a second signal stops at once");
    tokio::select! {
        finished = node.drain(DRAIN) => {
            if !finished {
                tracing::warn!("stopped with transfers under way: what has arrived is kept, and their senders can go on");
            }
            Ok(())
        }
        () = signals.next() => Err(Failure::new("stopped at once, with transfers under way")
            .next("nothing that was reported is lost; their senders can go on after the next start")),
    }
}

/// Serves until the first signal to stop. SIGHUP reads the certificates again.
async fn until_stopped(node: &Node, signals: &mut Signals, hang_ups: &mut Signal) -> Result<(), Failure> {
    loop {
        tokio::select! {
            () = signals.next() => return Ok(()),
            _ = hang_ups.recv() => match node.reload().await {
                Ok(()) => tracing::info!("SIGHUP: certificate, key and authorities were read again"),
                Err(error) => tracing::error!(%error, "SIGHUP: the certificate in use stays"),
            },
        }
    }
}

/// One line for programs; people read the same in the log.
fn tell(node: &Node, settings: &Settings, voice: Voice) -> Result<(), Failure> {
    if !voice.json {
        return Ok(());
    }
    let addresses = node.addresses();
    let (sip, msrp, http) = (&addresses.sip, &addresses.msrp, &addresses.http);
    let spool = settings.spool.path.display().to_string();
    voice.result(&json!({ "listening": true, "sip": sip, "msrp": msrp, "http": http, "spool": spool }).to_string())
}

/// Why the server does not start, with what the operator can do about it.
fn refused(error: &StartError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        StartError::Listen { key, .. } => {
            let flag = key.split('.').next().unwrap_or(key);
            failure.next(format!(
                "choose another address with --{flag} or {key} (port 0 lets the system choose), or stop what uses it"
            ))
        }
        StartError::Spool { error: SpoolError::Locked, .. } => {
            failure.next("stop the server that has it, or give this one a spool of its own with --spool DIR")
        }
        StartError::Spool { .. } => {
            failure.next("the directory needs to be writable by this user; --spool DIR or spool.path names another one")
        }
        StartError::Outbox { .. } => failure.next(
            "nothing of it was touched: mend that, or move notices.sqlite* elsewhere and do without the notices that wait",
        ),
        StartError::Tls(_) => failure.next(
            "sip.tls.cert and sip.tls.key, or those of msrp.tls, name PEM files of a certificate and its key; without them one is made",
        ),
        StartError::Bucket(_) => failure.next("spool.url names the bucket, and the AWS_ variables how to reach it"),
        StartError::Io(_) | StartError::Settings(_) => {
            failure.next("`restante config print` shows the settings in force")
        }
    }
}

/// What a service manager or a person at the keyboard says to stop a process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on these signals no longer kill the process.
    ///
    /// # Errors
    /// The system has no signals to listen to.
    pub(crate) fn new() -> Result<Self, Failure> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: Self::listen(terminate)?, interrupt: Self::listen(interrupt)? })
    }

    fn listen(kind: SignalKind) -> Result<Signal, Failure> {
        signal(kind).map_err(|error| Failure::new(format!("signals can't be heard: {error}")))
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
