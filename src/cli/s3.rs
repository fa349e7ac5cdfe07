//! `restante s3 doctor`: does a bucket do what the spool relies on?

use std::path::PathBuf;

use restante::config::BucketUrl;
use restante::io::bucket::{Finding, S3Bucket, examine};
use restante::io::clock::Clock;
use restante::io::entropy;
use serde_json::json;

use super::settings::SettingsArgs;
use super::voice::{Failure, Voice};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Try out whether a bucket does what the spool relies on; it cleans up after itself
    Doctor {
        /// The bucket, s3://BUCKET/PREFIX; endpoint, region and credentials come from the AWS_ variables
        url: BucketUrl,
        /// Configuration file; without it ./restante.toml is read if there is one
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let Command::Doctor { url, config } = &args.command;
    let settings = SettingsArgs::of_file(config.clone()).load()?;
    let broken = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let bucket = S3Bucket::open(url, &settings.spool).map_err(|error| broken(&error))?;
    let mut mint = entropy::mint().map_err(|error| broken(&error))?;
    let examination = examine(&bucket, &mut mint, Clock::start().now().wall);
    let line = |finding| if voice.json { json(finding) } else { row(finding) };
    voice.result(&examination.findings.iter().map(line).collect::<String>())?;
    match examination.refusal() {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("{url} does not do what the spool relies on"))
            .next("use another bucket, or spool.report = \"disk\"")),
    }
}

fn json(finding: &Finding) -> String {
    let Finding { what, needed, fault } = finding;
    format!("{}\n", json!({ "what": what, "needed": needed, "ok": fault.is_none(), "fault": fault }))
}

fn row(finding: &Finding) -> String {
    let verdict = match (&finding.fault, finding.needed) {
        (None, _) => "ok",
        (Some(_), true) => "FAILS",
        (Some(_), false) => "lacks",
    };
    let fault = finding.fault.as_deref().map(|fault| format!("  {fault}")).unwrap_or_default();
    format!("{verdict:5}  {}{fault}\n", finding.what)
}
