//! `restante forward`: has an object of a server brought to somebody, by a job of the server.

use std::time::Duration;

use restante::config;
use restante::engine::CallMedia;
use restante::model::ObjectUri;
use restante::msml::{self, Event};
use serde_json::{Value, json};

use super::call::{self, Call, EXIT, Heard, Watch};
use super::documents::Documents;
use super::retrieve::object;
use super::server::ServerArgs;
use super::station::{self, Gear, Station};
use super::voice::{Failure, Voice};

/// The name of our dialog.
const DIALOG: &str = "forward";

/// How long the server may take to write the job down.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The object, spool:/BOX/NAME
    #[arg(value_name = "URI", value_parser = object)]
    uri: ObjectUri,
    /// The recipient
    #[arg(long, value_name = "SIP-URI", value_parser = recipient)]
    to: String,
    /// How long it is tried, such as 24h; at most, and without it, as long as the server's queue.lifetime says
    #[arg(long, value_name = "TIME", value_parser = config::duration)]
    expires: Option<Duration>,
    /// Who is told of its end: the name of one of the server's webhooks, or a URL that its policy.put allows
    #[arg(long, value_name = "NAME|URL")]
    notify: Option<String>,
    /// Wait until the recipient has it, or the server gives up; an interruption leaves the job to the server
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn recipient(text: &str) -> Result<String, String> {
    if msml::is_sip_uri(text) {
        Ok(text.to_owned())
    } else {
        Err("expected sip:USER@HOST or sips:USER@HOST".to_owned())
    }
}

pub(crate) async fn run(args: &Args, voice: Voice) -> Result<(), Failure> {
    args.server.start_log();
    station::unless_interrupted(forward(args, voice)).await
}

async fn forward(args: &Args, voice: Voice) -> Result<(), Failure> {
    let gear = Gear { from: args.server.from.clone(), ..Gear::default() };
    let station = Station::open(&args.server.server, station::scratch(None)?, gear).await?;
    let watch = Watch { voice, label: DIALOG.to_owned(), octets: None, documents: Documents::Hidden };
    let mut call = station.call("control", CallMedia::Control, watch).await?;
    let document =
        msml::forward_request(call.conn(), DIALOG, &args.uri, &args.to, args.expires, args.notify.as_deref());
    call.send(document).await;
    let outcome = follow(&mut call, args.wait, voice).await;
    call.end().await;
    station.close().await;
    outcome
}

async fn follow(call: &mut Call, wait: bool, voice: Voice) -> Result<(), Failure> {
    let mut queued = false;
    loop {
        let heard = if queued {
            call.hear().await?
        } else {
            let heard = tokio::time::timeout(PATIENCE, call.hear()).await;
            heard
                .map_err(|_| Failure::new("the server does not say that it has the job").next("its log says more"))??
        };
        match heard {
            Heard::Result(result) if result.response != 200 => return Err(call::failed(&result)),
            Heard::Event(event) if event.name == "ft.queued" => {
                queued = true;
                tell(&event, "queued", voice)?;
                if !wait {
                    return Ok(());
                }
            }
            Heard::Event(event) if event.name == "ft.object" && !voice.quiet && !is_success(&event) => {
                eprintln!("not yet: {}", value(&event, "ft.result"));
            }
            Heard::Event(event) if event.name == EXIT => return over(&event, voice),
            _ => {}
        }
    }
}

fn over(event: &Event, voice: Voice) -> Result<(), Failure> {
    if let Some(why) = event.value("dialog.exit.description") {
        return Err(Failure::new(why));
    }
    if is_success(event) {
        return tell(event, "delivered", voice);
    }
    let (result, attempts) = (value(event, "ft.result"), value(event, "ft.attempts"));
    Err(Failure::new(format!("given up after {attempts} attempts: {result}"))
        .next("GET /api/v1/deliveries of the server has the reason"))
}

fn is_success(event: &Event) -> bool {
    event.value("ft.result") == Some("ft.success")
}

fn value<'a>(event: &'a Event, name: &str) -> &'a str {
    event.value(name).unwrap_or("unknown")
}

fn tell(event: &Event, state: &str, voice: Voice) -> Result<(), Failure> {
    let (job, attempts) = (value(event, "ft.job"), event.value("ft.attempts"));
    if voice.json {
        let attempts: Option<Value> = attempts.and_then(|attempts| attempts.parse::<u32>().ok()).map(Value::from);
        return voice.result(&json!({ "job": job, "state": state, "attempts": attempts }).to_string());
    }
    voice.result(&format!("{state}  {job}"))
}
