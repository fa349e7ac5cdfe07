//! `restante demo`: the whole story on this machine, with real sockets and real files.
//!
//! ```text
//!   Alice ── INVITE, MSML, MSRP ──▶ Restante ── MSML, MSRP ──▶ Bob
//!     └── or, with --damage, by way of a wire that turns one bit of one octet over
//! ```

mod damage;
mod files;
mod table;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use restante::config::{Host, Level, Listen, Log, Settings, Transport as Listened};
use restante::io::log;
use restante::io::node::{Node, Options};
use restante::model::ObjectUri;
use restante::sip::Transport;
use restante::spool::Query;
use tempfile::TempDir;

use super::call::Watch;
use super::deposit;
use super::documents::Documents;
use super::local::{self, LocalFile};
use super::retrieve;
use super::server::Server;
use super::station::{self, Gear, Station};
use super::voice::{Failure, Voice};
use table::Row;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Carry this file instead of a photo, a voice message and noise
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Turn one bit over on the way in, and see that nothing false is stored; exit code 1
    #[arg(long)]
    damage: bool,
    /// Move the octets over TLS, under certificates that are made for the day and known by their fingerprints
    #[arg(long, conflicts_with = "damage")]
    tls: bool,
    /// Octets of noise
    #[arg(long, value_name = "N", default_value_t = 256 << 20, conflicts_with = "file")]
    octets: u64,
    /// Log what happens below
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let level = if args.verbose { Level::Info } else { Level::Error };
    log::start(&Log { level, ..Log::default() });
    station::unless_interrupted(play(args, voice)).await
}

async fn play(args: &Args, voice: Voice) -> Result<(), Failure> {
    let cast = Cast::enter(args, voice).await?;
    let played = if args.damage { cast.suffer(args).await } else { cast.carry_all(args).await };
    cast.leave().await;
    played
}

/// Everybody in the story. The directory goes with the last of them.
struct Cast {
    server: Node,
    alice: Station,
    bob: Station,
    mailbox: ObjectUri,
    voice: Voice,
    dir: TempDir,
}

impl Cast {
    async fn enter(args: &Args, voice: Voice) -> Result<Self, Failure> {
        let (damage, tls) = (args.damage, args.tls);
        let dir = station::scratch(None)?;
        let server = start_server(dir.path(), tls).await?;
        let (sip, msrp) = (server.sip_address(Transport::Udp), server.msrp_address());
        let (sip, msrp) = sip.zip(msrp).ok_or_else(|| Failure::new("the server has no address"))?;
        let msrp_via = if damage { Some(damage::relay(msrp).await.map_err(|error| unable(&error))?) } else { None };
        let uri =
            Server { host: Host { name: sip.ip().to_string(), port: Some(sip.port()) }, transport: Transport::Udp };
        let gear =
            |name: &str, msrp_via| Gear { from: Some(format!("sip:{name}@example.org")), msrp_via, tls, chunk: None };
        let alice = Station::open(&uri, station::scratch(Some(dir.path()))?, gear("alice", msrp_via)).await?;
        let bob = Station::open(&uri, station::scratch(Some(dir.path()))?, gear("bob", None)).await?;
        let mailbox = ObjectUri::mailbox("bob").map_err(|error| Failure::new(error.to_string()))?;
        let cast = Self { server, alice, bob, mailbox, voice, dir };
        cast.say(&format!(
            "Restante listens: SIP udp:{sip}, MSRP {}:{msrp}, spool {}/server",
            if tls { "tls" } else { "tcp" },
            cast.dir.path().display()
        ));
        Ok(cast)
    }

    async fn leave(self) {
        self.alice.close().await;
        self.bob.close().await;
        self.server.stop().await;
    }

    fn say(&self, line: &str) {
        if !self.voice.quiet && !self.voice.json {
            // A reader that has seen enough (`| head`) is no failure.
            let _ = writeln!(io::stdout(), "{line}");
        }
    }

    fn watch(&self, label: String, octets: u64) -> Watch {
        Watch { voice: self.voice, label, octets: Some(octets), documents: Documents::Shown }
    }

    /// Each file from Alice to the spool, and from there to Bob.
    async fn carry_all(&self, args: &Args) -> Result<(), Failure> {
        let paths = tokio::task::block_in_place(|| self.paths(args)).map_err(|error| unable(&error))?;
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for path in paths {
            let file = tokio::task::block_in_place(|| LocalFile::read(&path, self.voice))?;
            let mut row = Row::new(&file);
            if let Err(failure) = self.carry(&file, &mut row).await {
                failures.push(failure.about(file.name()));
            }
            rows.push(row);
        }
        self.voice.result(&if self.voice.json { table::json(&rows) } else { table::text(&rows) })?;
        failures.pop().map_or(Ok(()), Err)
    }

    fn paths(&self, args: &Args) -> io::Result<Vec<PathBuf>> {
        let dir = self.dir.path();
        match &args.file {
            Some(file) => Ok(vec![file.clone()]),
            None => Ok(vec![files::photo(dir)?, files::message(dir)?, files::noise(dir, args.octets)?]),
        }
    }

    async fn carry(&self, file: &LocalFile, row: &mut Row) -> Result<(), Failure> {
        self.say(&format!("\nAlice deposits {}, {} octets, sha-256 {}", file.name(), file.size, file.sha256.hex()));
        let watch = self.watch(format!("Alice sends {}", file.name()), file.size);
        let (exit, took) = deposit::record(&self.alice, file, &self.mailbox, watch).await?;
        let uri = deposit::stored(&exit, file)?;
        row.deposited(took, &uri);
        let uri: ObjectUri = uri.parse().map_err(|error| Failure::new(format!("{uri}: {error}")))?;
        self.say(&format!("\nBob retrieves {uri}"));
        let watch = self.watch(format!("Bob fetches {}", file.name()), file.size);
        let retrieved = retrieve::retrieve(&self.bob, &uri, watch).await?;
        let same = tokio::task::block_in_place(|| self.compare(file, &retrieved)).map_err(|error| unable(&error))?;
        if !same {
            return Err(Failure::new("Bob's file is not Alice's").next("that must never be: please report it"));
        }
        row.retrieved(retrieved.took);
        self.say(&format!("Bob's file is Alice's, octet for octet: sha-256 {}", file.sha256.hex()));
        Ok(())
    }

    fn compare(&self, file: &LocalFile, retrieved: &retrieve::Retrieved) -> io::Result<bool> {
        let spool = self.bob.spool_path();
        let theirs = local::take_out_into(&self.bob.node, &spool, &retrieved.object, self.bob.scratch())?;
        let same = files::same(&file.path, &theirs)?;
        std::fs::remove_file(theirs)?;
        Ok(same)
    }

    /// One file over the bad wire: the server has to notice.
    async fn suffer(&self, args: &Args) -> Result<(), Failure> {
        let path = match &args.file {
            Some(file) => file.clone(),
            None => files::photo(self.dir.path()).map_err(|error| unable(&error))?,
        };
        let file = tokio::task::block_in_place(|| LocalFile::read(&path, self.voice))?;
        if file.size == 0 {
            return Err(Failure::usage(format!("{} is empty: it has no octet to damage", path.display())));
        }
        self.say(&format!(
            "\nAlice deposits {}; on the way in, one bit of its first octet is turned over",
            file.name()
        ));
        let watch = self.watch(format!("Alice sends {}", file.name()), file.size);
        let (exit, _) = deposit::record(&self.alice, &file, &self.mailbox, watch).await?;
        let query = Query { mailbox: Some(self.mailbox.box_name().to_owned()), ..Query::default() };
        let stored = self.server.spool().list(&query).map_err(|error| Failure::new(error.to_string()))?.len();
        let result = exit.value("ft.result").unwrap_or("no result");
        let seen = result == "ft.hashmismatch" && stored == 0;
        if !seen {
            return Err(Failure::new(format!(
                "the damage was not caught: {result}, objects in {}: {stored}",
                self.mailbox
            ))
            .next("that must never be: please report it"));
        }
        self.say(&format!("The server counted, hashed and compared: {result}. Objects in {}: {stored}", self.mailbox));
        Err(Failure::new("hashmismatch: the file was damaged on the way in, and nothing was stored")
            .next("that is how it has to be; `restante demo` without --damage shows the good end"))
    }
}

async fn start_server(dir: &Path, tls: bool) -> Result<Node, Failure> {
    let listen = |transport| Listen { transport, host: Host { name: "127.0.0.1".to_owned(), port: Some(0) } };
    let mut settings = Settings::default();
    settings.sip.listen = vec![listen(Listened::Udp), listen(Listened::Tcp)];
    settings.msrp.listen = vec![listen(if tls { Listened::Tls } else { Listened::Tcp })];
    settings.msrp.max_size = station::MAX_SIZE;
    settings.spool.path = dir.join("server");
    settings.spool.reserve = 0;
    settings.spool.high_water = 100;
    Node::start(&settings, Options::default()).await.map_err(|error| Failure::new(error.to_string()))
}

fn unable(error: &io::Error) -> Failure {
    Failure::new(format!("this machine refuses: {error}"))
        .next("make room in the temporary directory, or set TMPDIR to another")
}
