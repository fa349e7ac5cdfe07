//! What a MSML request costs: parsed, checked and executed, beside the bare XML reader over the same octets; and what attack
//! S11 costs, in time and memory: `cargo bench --bench msml`.
//!
//! A number alone says more about the machine than about the parser; the shares carry over from one to another. Each figure
//! is the best of several rounds, for noise only ever makes a round slower.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::Event;
use restante::model::limits::MSML_OCTETS;
use restante::model::{Machine as _, Mint, Now, Outbox};
use restante::msml::{ContextId, End, Input, Interpreter, Limits, Output, PrimitiveKey, Style, check};

const ROUNDS: usize = 7;
const DOCUMENTS: usize = 20_000;

/// A deposit as most clients write it.
const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<msml version=\"1.1\">\n\
    <dialogstart target=\"conn:TagOfAlice1234567\" type=\"application/moml+xml\" name=\"deposit\">\n\
    <record dest=\"spool:/bob/\" format=\"application/octet-stream\" maxtime=\"600s\" prespeech=\"20s\">\n\
    <recordexit><send target=\"source\" event=\"done\" namelist=\"record.end record.len\"/></recordexit></record>\n\
    <exit namelist=\"record.end record.recordid ft.hash\"/>\n</dialogstart>\n</msml>\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--attack") {
        return suffer(&arguments[at + 1]);
    }
    speed();
    attacks();
}

/// Documents a second, best of some rounds.
fn rate(mut once: impl FnMut()) -> f64 {
    let round = |once: &mut dyn FnMut()| {
        let begun = Instant::now();
        (0..DOCUMENTS).for_each(|_| once());
        begun.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round(&mut once)).min().unwrap_or_default();
    DOCUMENTS as f64 / best.as_secs_f64()
}

fn speed() {
    println!("a <dialogstart> of {} octets, best of {ROUNDS} rounds of {DOCUMENTS}", DOCUMENT.len());
    let bare = rate(|| {
        let mut reader = Reader::from_str(DOCUMENT);
        while !matches!(black_box(reader.read_event()), Ok(Event::Eof) | Err(_)) {}
    });
    row("quick-xml's reader alone", bare, bare);
    row("parsed and checked, lenient", rate(|| drop(black_box(check(DOCUMENT.as_bytes(), false)))), bare);
    row("parsed and checked, strict", rate(|| drop(black_box(check(DOCUMENT.as_bytes(), true)))), bare);
    row("parsed, checked, executed, answered", executed(), bare);
}

fn row(name: &str, rate: f64, bare: f64) {
    println!("{name:>38} {rate:>10.0} a second, {:>5.2} of the bare reader", rate / bare);
}

/// The whole of it: the request with its answer, and the end of its dialog with its events.
fn executed() -> f64 {
    let mut interpreter = Interpreter::new(Limits::default(), Mint::from_number(1));
    let (now, mut out) = (Now::default(), Outbox::new());
    let context = ContextId(1);
    interpreter.handle(now, Input::Connected { conn: "TagOfAlice1234567".to_owned(), context }, &mut out);
    let body = Bytes::from_static(DOCUMENT.as_bytes());
    let mut started = 0;
    rate(|| {
        interpreter.handle(
            now,
            Input::Request { context, request: 1, style: Style::default(), body: body.clone() },
            &mut out,
        );
        let mut running = None;
        for output in out.drain() {
            match output {
                Output::Reply { reply, .. } => drop(black_box(reply.answer(|_| None))),
                Output::Start { primitive, .. } => running = Some(primitive),
                other => drop(black_box(other)),
            }
        }
        started += 1;
        let primitive: PrimitiveKey = running.expect("the dialog has started");
        let end = End { name: "record.complete".to_owned(), variables: Vec::new(), failure: None };
        interpreter.handle(now, Input::Ended { primitive, end }, &mut out);
        assert_eq!(black_box(out.drain().count()), 3, "the events of dialog {started}");
    })
}

/// Each attack, as large as a document may be. None of them is answered with anything but a refusal.
fn attack(name: &str) -> Vec<u8> {
    let head = "<msml version=\"1.1\">";
    let filled = |piece: &str| piece.repeat((MSML_OCTETS - 100) / piece.len());
    let text = match name {
        "billion laughs" => {
            format!("<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"{}\">]>{head}&b;</msml>", filled("&a;"))
        }
        "external entity" => format!("<!DOCTYPE m SYSTEM \"file:///etc/passwd\">{head}{}", filled(" ")),
        "deep nesting" => format!("{head}{}", filled("<a>")),
        "many elements" => format!("{head}{}", filled("<a/>")),
        "many known elements" => format!("{head}{}", filled("<send/>")),
        "few octets, many elements" => format!("{head}{}", "<a/>".repeat(16_000)),
        "many attributes" => format!("<msml {}/>", filled("a='' ")),
        "many namespaces" => format!("<msml {}/>", filled("xmlns:a='u' ")),
        "one long name" => format!("<{}/>", filled("a")),
        "one long value" => format!("<msml version=\"{}\"/>", filled("a")),
        "one long text" => format!("{head}{}</msml>", filled("a")),
        "character references" => format!("{head}{}</msml>", filled("&#65;")),
        "character data sections" => format!("{head}{}</msml>", filled("<![CDATA[a]]>")),
        "one long comment" => format!("{head}<!--{}", filled("a")),
        "many comments" => format!("{head}{}", filled("<!---->")),
        "another encoding" => {
            format!("\u{feff}{head}{}", filled("\u{e9}")).encode_utf16().map(|unit| unit as u8 as char).collect()
        }
        "many wrong values" => {
            format!("{head}{}</msml>", filled("<send event='' target='conn:*' mark='/'/>").split_at(200_000).0)
        }
        other => panic!("no attack {other}"),
    };
    text.into_bytes()
}

const ATTACKS: &[&str] = &[
    "billion laughs",
    "external entity",
    "deep nesting",
    "many elements",
    "many known elements",
    "few octets, many elements",
    "many attributes",
    "many namespaces",
    "one long name",
    "one long value",
    "one long text",
    "character references",
    "character data sections",
    "one long comment",
    "many comments",
    "another encoding",
    "many wrong values",
];

fn attacks() {
    println!("\nattack S11: each in a process of its own, refused at once");
    println!("{:>28} {:>8} {:>12} {:>14}", "attack", "KiB", "ms per KiB", "times its size");
    let own = std::env::current_exe().expect("this program");
    for name in ATTACKS {
        let output = Command::new(&own).args(["--attack", name]).output().expect("a process");
        print!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn suffer(name: &str) {
    let body = attack(name);
    let kib = body.len() as f64 / 1024.0;
    let refuse = || {
        let begun = Instant::now();
        assert!(black_box(check(&body, false)).is_err(), "{name} is accepted");
        begun.elapsed()
    };
    // The pages of this program that refusing anything at all brings into memory are not the document's.
    for other in ATTACKS.iter().filter(|other| **other != name) {
        drop(black_box(check(&attack(other)[..200], false)));
    }
    let memory = peak_growth(|| _ = refuse());
    let time = (0..ROUNDS).map(|_| refuse()).min().unwrap_or(Duration::ZERO);
    let (slow, large) = (time.as_secs_f64() * 1000.0 / kib, memory.map(|octets| octets as f64 / body.len() as f64));
    let large = large.map_or_else(|| "unknown".to_owned(), |times| format!("{times:.2}"));
    println!("{name:>28} {kib:>8.0} {slow:>12.4} {large:>14}");
}

/// By how many octets the largest resident set exceeds the one before.
fn peak_growth(act: impl FnOnce()) -> Option<u64> {
    let read = |key: &str| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    std::fs::write("/proc/self/clear_refs", "5").ok()?; // the peak is counted from here
    let before = read("VmRSS:")?;
    act();
    Some(read("VmHWM:")?.saturating_sub(before))
}
