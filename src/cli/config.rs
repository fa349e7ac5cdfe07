//! `restante config check|print`.

use clap::Subcommand;
use restante::config::Settings;
use serde_json::json;

use super::settings::{self, SettingsArgs};
use super::voice::{Failure, Voice};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Name everything that is wrong with the configuration
    Check(SettingsArgs),
    /// Print the effective configuration: every key with its type, default and meaning
    Print(SettingsArgs),
}

pub(crate) fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    match &args.action {
        Action::Check(settings) => check(settings, voice),
        Action::Print(settings) => print(&settings.load()?, voice),
    }
}

fn check(args: &SettingsArgs, voice: Voice) -> Result<(), Failure> {
    let sources = args.sources()?;
    let file = sources.file.as_ref().map(|(name, _)| name);
    Settings::load(&sources).map_err(|errors| settings::failure(&errors))?;
    if voice.quiet {
        return Ok(());
    }
    let place = file.map_or_else(|| "no file, only defaults, variables and flags".to_owned(), Clone::clone);
    let text = format!("the configuration is good ({place})");
    voice.result(&if voice.json { json!({ "ok": true, "file": file }).to_string() } else { text })
}

fn print(settings: &Settings, voice: Voice) -> Result<(), Failure> {
    let text = settings.to_toml();
    if !voice.json {
        return voice.result(&text);
    }
    let table: toml::Table = text.parse().map_err(|error| Failure::new(format!("{error}")))?;
    voice.result(&json!(table).to_string())
}
