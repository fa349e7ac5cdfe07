//! `restante msml`: sends one document on a control dialog and tells what comes of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use restante::engine::CallMedia;
use restante::msml::{self, Event, Fault, TransactionResult};
use serde_json::{Map, Value, json};

use super::call::{self, Call, EXIT, Heard, Watch};
use super::documents::Documents;
use super::server::ServerArgs;
use super::station::{self, Gear, Station};
use super::voice::{Failure, Voice};

/// Stands in a document for the connection that --conn names.
const PLACEHOLDER: &str = "{conn}";

/// Where application servers send their control dialogs.
const CONTROL: &str = "control";

/// How long the request may wait for its result.
const RESULT: Duration = Duration::from_secs(40);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The MSML document
    #[arg(value_name = "DOC.xml")]
    document: PathBuf,
    /// Put conn:TAG in place of every {conn} in the document
    #[arg(long, value_name = "TAG")]
    conn: Option<String>,
    /// Send nothing: check the document here, and name every fault
    #[arg(long)]
    check: bool,
    /// Hold the document to the schemas; with --check
    #[arg(long, requires = "check")]
    strict: bool,
    /// How long to wait for the dialogs that it starts
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    let name = args.document.display();
    let text = fs::read_to_string(&args.document).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    if args.check {
        return check(args, &text.replace(PLACEHOLDER, "conn:check"), voice);
    }
    let document = match &args.conn {
        Some(tag) => text.replace(PLACEHOLDER, &format!("conn:{}", tag.trim_start_matches("conn:"))),
        None if text.contains(PLACEHOLDER) => {
            return Err(
                Failure::usage(format!("{name} has {PLACEHOLDER} in it")).next("say which connection with --conn TAG")
            );
        }
        None => text,
    };
    args.server.start_log();
    station::unless_interrupted(converse(args, document, voice)).await
}

fn check(args: &Args, document: &str, voice: Voice) -> Result<(), Failure> {
    let name = args.document.display().to_string();
    let Err(faults) = msml::check(document.as_bytes(), args.strict) else {
        let good =
            if voice.json { json!({ "ok": true, "file": name }).to_string() } else { format!("{name}: good MSML") };
        return if voice.quiet { Ok(()) } else { voice.result(&good) };
    };
    let tell = |fault: &Fault| {
        let (line, column, code) = (fault.line, fault.column, fault.code.number());
        if voice.json {
            let fault = json!({ "file": name, "line": line, "column": column, "code": code,
                "message": fault.message, "rule": fault.rule, "hint": fault.hint });
            return format!("{fault}\n");
        }
        let hint = fault.hint.as_ref().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
        format!("{name}:{line}:{column}: {code} {} ({}){hint}\n", fault.message, fault.rule)
    };
    voice.result(&faults.iter().map(tell).collect::<String>())?;
    Err(Failure::new(format!("{name}: {} faults", faults.len())).next("each is named with its line and column"))
}

/// The dialogs that a request has started, and how they went.
#[derive(Debug, Default)]
struct Dialogs {
    answered: bool,
    started: BTreeSet<String>,
    ended: BTreeSet<String>,
    failed: Vec<String>,
}

async fn converse(args: &Args, document: String, voice: Voice) -> Result<(), Failure> {
    let gear = Gear { from: args.server.from.clone(), ..Gear::default() };
    let station = Station::open(&args.server.server, station::scratch(None)?, gear).await?;
    let watch = Watch { voice, label: "msml".to_owned(), octets: None, documents: Documents::Hidden };
    let mut call = station.call(CONTROL, CallMedia::Control, watch).await?;
    call.send(document).await;
    let outcome = listen(&mut call, Duration::from_secs(args.wait), voice).await;
    call.end().await;
    station.close().await;
    let dialogs = outcome?;
    if dialogs.failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("failed: {}", dialogs.failed.join(", "))).next("dialog.exit.description says why"))
}

/// Tells everything that comes until all is over.
async fn listen(call: &mut Call, wait: Duration, voice: Voice) -> Result<Dialogs, Failure> {
    let mut dialogs = Dialogs::default();
    let began = Instant::now();
    while !dialogs.over() {
        let left = if dialogs.answered { wait.saturating_sub(began.elapsed()) } else { RESULT };
        if left.is_zero() {
            break;
        }
        let Ok(heard) = tokio::time::timeout(left, call.hear()).await else { break };
        match heard? {
            Heard::Result(result) => {
                tell_result(&result, voice)?;
                if result.response != 200 {
                    return Err(call::failed(&result));
                }
                dialogs.answered = true;
                dialogs.started.extend(result.dialogids);
            }
            Heard::Event(event) => {
                tell_event(&event, voice)?;
                dialogs.hear(&event);
            }
            _ => {}
        }
    }
    if !dialogs.answered {
        return Err(Failure::new(format!("no result within {} s", RESULT.as_secs())).next("the server's log says more"));
    }
    let running: Vec<&str> = dialogs.started.difference(&dialogs.ended).map(String::as_str).collect();
    if !running.is_empty() && !voice.quiet {
        eprintln!("still running after {} s: {}; their events are lost now", wait.as_secs(), running.join(", "));
    }
    Ok(dialogs)
}

impl Dialogs {
    fn over(&self) -> bool {
        self.answered && self.started.is_subset(&self.ended)
    }

    fn hear(&mut self, event: &Event) {
        if event.name != EXIT {
            return;
        }
        // Only a dialog that failed has a status (RFC 5707 §9.6.1 and checklist F-9).
        if let Some(status) = event.value("dialog.exit.status").filter(|status| *status != "200") {
            self.failed.push(format!("{} with {status}", event.id));
        }
        self.ended.insert(event.id.clone());
    }
}

fn tell_result(result: &TransactionResult, voice: Voice) -> Result<(), Failure> {
    if voice.json {
        let line = json!({ "result": result.response, "mark": result.mark, "description": result.description,
            "dialogids": result.dialogids });
        return voice.result(&line.to_string());
    }
    let mut text = format!("result {}\n", result.response);
    for (name, value) in [("mark", &result.mark), ("description", &result.description)] {
        if let Some(value) = value {
            text += &format!("  {name}: {}\n", visible(value));
        }
    }
    for id in &result.dialogids {
        text += &format!("  dialog: {}\n", visible(id));
    }
    voice.result(&text)
}

fn tell_event(event: &Event, voice: Voice) -> Result<(), Failure> {
    if voice.json {
        let values: Map<String, Value> =
            event.values.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        return voice.result(&json!({ "event": event.name, "id": event.id, "values": values }).to_string());
    }
    let mut text = format!("event {} {}\n", visible(&event.name), visible(&event.id));
    for (name, value) in &event.values {
        text += &format!("  {} = {}\n", visible(name), visible(value));
    }
    voice.result(&text)
}

/// What may be shown on a terminal.
fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(id: &str, values: &[(&str, &str)]) -> Event {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Event { name: EXIT.to_owned(), id: id.to_owned(), values }
    }

    #[test]
    fn it_is_over_when_every_dialog_has_exited_even_if_one_did_so_before_the_result_came() {
        let mut dialogs = Dialogs::default();
        dialogs.hear(&exit("a", &[]));
        assert!(!dialogs.over());
        dialogs.answered = true;
        dialogs.started = ["a", "b"].map(str::to_owned).into();
        assert!(!dialogs.over());
        dialogs.hear(&exit("b", &[("dialog.exit.status", "441")]));
        assert!(dialogs.over());
        assert_eq!(dialogs.failed, ["b with 441"]);
    }
}
