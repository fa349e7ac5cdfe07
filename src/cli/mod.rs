//! The commands: what is typed, what is told, and how it ends.
//!
//! ```text
//! arguments ─▶ Command ─▶ command::run(args, voice) ─▶ Ok: exit 0
//!                          │  stdout: results           Failure: exit 1, or 2 if it was typed wrong
//!                          └─ stderr: progress, errors with what to do next
//! ```
//!
//! One file a command, each with its `Args` and its `run`. The clients stand on a `Station`, a node of their own for the
//! length of the command, and speak on a `Call`; what SIP, MSML and MSRP are is known by the rooms below.

mod answer;
mod call;
mod config;
mod demo;
mod deposit;
mod documents;
mod forward;
mod local;
mod msml;
mod progress;
mod retrieve;
mod s3;
mod serve;
mod server;
mod settings;
mod spool;
mod station;
mod voice;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use voice::{Failure, Voice};

/// MSML-driven store-and-forward file transfer: MSRP in, a durable spool, MSRP out.
#[derive(Parser)]
#[command(name = "restante", version, about, max_term_width = 110, arg_required_else_help = true)]
struct Restante {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    voice: Voice,
}

#[derive(Subcommand)]
enum Command {
    /// See the whole story on this machine: server, Alice and Bob, real sockets, real files
    Demo(demo::Args),
    /// Run the server
    Serve(serve::Args),
    /// Bring files into a box of a server
    Deposit(deposit::Args),
    /// Fetch an object from a server
    Retrieve(retrieve::Args),
    /// Have an object of a server brought to somebody, tried until it succeeds or its time is over
    Forward(forward::Args),
    /// Be a phone: take every file that is sent, put it into a directory
    Answer(answer::Args),
    /// Send one MSML document and tell what comes of it, or check it here
    Msml(msml::Args),
    /// Look at the configuration: what is wrong with it, what is in force
    Config(config::Args),
    /// Look into the spool, also while a server runs on it
    Spool(spool::Args),
    /// Look at a bucket: can a spool rely on it?
    S3(s3::Args),
}

/// Threads that may wait for a disk at once: as many as streams of two busy peers; they cost nothing until they are needed.
const DISK_THREADS: usize = 16_384;

/// Runs the command that was typed.
pub(crate) fn main() -> ExitCode {
    let Restante { command, voice } = Restante::parse();
    // Disk work takes a thread for as long as the disk takes: a disk that hangs must not take the last one, or SIP and
    // /livez would hang with it.
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(DISK_THREADS).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(command, voice)),
        Err(error) => Err(Failure::new(format!("the runtime doesn't start: {error}"))),
    };
    outcome.map_or_else(|failure| failure.tell(voice), |()| ExitCode::SUCCESS)
}

async fn run(command: Command, voice: Voice) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, voice).await,
        Command::Serve(args) => serve::run(&args, voice).await,
        Command::Deposit(args) => deposit::run(&args, voice).await,
        Command::Retrieve(args) => retrieve::run(&args, voice).await,
        Command::Forward(args) => forward::run(&args, voice).await,
        Command::Answer(args) => answer::run(&args, voice).await,
        Command::Msml(args) => msml::run(&args, voice).await,
        Command::Config(args) => config::run(&args, voice),
        Command::Spool(args) => spool::run(&args, voice).await,
        Command::S3(args) => tokio::task::block_in_place(|| s3::run(&args, voice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Restante::command().debug_assert();
    }
}
