//! `restante answer`: a phone that takes every file it is sent and puts it into a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restante::config::{Host, Level, Listen, Log, Settings, Transport, Unattended};
use restante::io::log;
use restante::io::node::{Node, Options, StartError};
use restante::spool::{Envelope, Query};
use serde_json::json;
use tokio::sync::mpsc;

use super::local;
use super::serve::Signals;
use super::voice::{Failure, Voice};

/// Where the phone's own spool is, in its directory. It stays, so that a broken transfer can go on later.
const SPOOL: &str = ".restante";

/// Files that may be committed before they are put into the directory.
const UNPLACED: usize = 16;

/// How long calls may go on once the phone was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen for SIP, udp:HOST:PORT or tcp:HOST:PORT; may be repeated
    #[arg(long, required = true, value_name = "ADDRESS")]
    listen: Vec<Listen>,
    /// The directory that files are put into
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Take calls whose octets come over TLS (TCP/TLS/MSRP, msrps), and no others
    #[arg(long)]
    tls: bool,
    /// End after so many files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Log what happens below
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let level = if args.verbose { Level::Debug } else { Level::Error };
    log::start(&Log { level, ..Log::default() });
    let mut signals = Signals::new()?;
    let (committed, mut arrivals) = mpsc::channel(UNPLACED);
    let options = Options { committed: Some(committed), ..Options::default() };
    let node = Node::start(&settings(args), options).await.map_err(|error| refused(&error))?;
    let phone = Phone { node, dir: &args.dir, voice };
    phone.tell()?;
    phone.place_leftovers()?;
    let mut left = args.count;
    while left != Some(0) {
        tokio::select! {
            Some(object) = arrivals.recv() => {
                if phone.place(&object.envelope().id)? {
                    left = left.map(|left| left - 1);
                }
            }
            () = signals.next() => break,
        }
    }
    tokio::select! {
        _ = phone.node.drain(DRAIN) => {}
        () = signals.next() => {}
    }
    Ok(())
}

fn settings(args: &Args) -> Settings {
    let mut settings = Settings::default();
    // Octets come to the address that the first call comes to.
    let name = args.listen.first().map_or_else(String::new, |listen| listen.host.name.clone());
    settings.sip.listen.clone_from(&args.listen);
    let transport = if args.tls { Transport::Tls } else { Transport::Tcp };
    settings.msrp.listen = vec![Listen { transport, host: Host { name, port: Some(0) } }];
    settings.control.trusted = Vec::new();
    settings.control.unattended = Unattended::Deposit;
    settings.spool.path = args.dir.join(SPOOL);
    settings.spool.reserve = 0;
    settings.spool.high_water = 100;
    settings
}

fn refused(error: &StartError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        StartError::Listen { .. } => {
            failure.next("choose another address with --listen (port 0 lets the system choose)")
        }
        StartError::Settings(_) => failure.next("give --listen one address of this machine instead of all"),
        StartError::Spool { .. } => failure.next("--dir has to be writable, and no other phone may use it"),
        StartError::Io(_) | StartError::Outbox { .. } | StartError::Tls(_) | StartError::Bucket(_) => failure,
    }
}

struct Phone<'a> {
    node: Node,
    dir: &'a Path,
    voice: Voice,
}

impl Phone<'_> {
    fn tell(&self) -> Result<(), Failure> {
        let sip = &self.node.addresses().sip;
        let dir = self.dir.display().to_string();
        if self.voice.json {
            return self.voice.result(&json!({ "listening": true, "sip": sip, "dir": dir }).to_string());
        }
        if !self.voice.quiet {
            eprintln!("listening on {}; files go to {dir}; Ctrl-C ends it", sip.join(", "));
        }
        Ok(())
    }

    /// What was received before the last end of the phone, and not yet put into the directory.
    fn place_leftovers(&self) -> Result<(), Failure> {
        let mut query = Query::default();
        loop {
            let page = self.node.spool().list(&query).map_err(|error| Failure::new(error.to_string()))?;
            let Some(last) = page.last() else { return Ok(()) };
            query.cursor = Some(last.id.clone());
            for envelope in &page {
                self.place(&envelope.id)?;
            }
        }
    }

    /// Puts an object into the directory; says no if that has been done.
    fn place(&self, id: &str) -> Result<bool, Failure> {
        tokio::task::block_in_place(|| {
            let found = self.node.spool().find_id(id).map_err(|error| Failure::new(error.to_string()))?;
            let Some(object) = found else { return Ok(false) };
            let path = local::take_out_into(&self.node, &self.dir.join(SPOOL), &object, self.dir)
                .map_err(|error: io::Error| unplaced(self.dir, &error))?;
            self.tell_file(object.envelope(), &path)?;
            Ok(true)
        })
    }

    fn tell_file(&self, envelope: &Envelope, path: &Path) -> Result<(), Failure> {
        let (place, size, hash) = (path.display().to_string(), envelope.size(), envelope.sha256().hex());
        let from = envelope.from.as_deref().unwrap_or("nobody");
        if self.voice.json {
            let line = json!({ "file": place, "octets": size, "sha256": hash, "from": envelope.from, "to": envelope.to,
                "type": envelope.file.media_type, "name": envelope.file.name });
            return self.voice.result(&line.to_string());
        }
        let from: String = from.chars().filter(|letter| !letter.is_control()).collect();
        self.voice.result(&format!("{place}  {size} octets from {from}, sha-256 {hash}"))
    }
}

fn unplaced(dir: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", dir.display()))
        .next("what has come stays in its .restante and is put into the directory at the next start")
}
