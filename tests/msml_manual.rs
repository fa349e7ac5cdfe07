//! The tables of `docs/msml.md`: made of the vocabulary by which requests are checked, so that they cannot drift.

use std::fmt::Write as _;
use std::path::Path;

use restante::engine::ReceiveFailure;
use restante::msml::vocabulary::{self, Attribute, NOTICES, Need, OUTCOMES, Outcome, UNSPOKEN, VARIABLES, WORDS, Word};
use restante::msml::{Code, EVENTS, STATES, STATUSES};

const BEGIN: &str = "<!-- Made by tests/msml_manual.rs: run RESTANTE_BLESS=1 cargo test --test msml_manual -->\n";
const END: &str = "<!-- Made until here. -->\n";

fn row(text: &mut String, cells: &[&str]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn table(text: &mut String, heads: &[&str]) {
    text.push('\n');
    row(text, heads);
    let _ = writeln!(text, "|{}", "---|".repeat(heads.len()));
}

fn need(attribute: &Attribute) -> &'static str {
    match attribute.need {
        Need::Always => "yes",
        Need::Strict => "if strict",
        Need::Never => "",
    }
}

fn element(text: &mut String, word: &Word) {
    let _ = write!(text, "\n#### `<{}>`\n\n{} ({}, {})\n", word.name, word.meaning, word.package.name(), word.rule);
    let content: Vec<String> = word
        .content
        .iter()
        .map(|slot| {
            let names: Vec<String> = slot.names.iter().map(|name| format!("`{name}`")).collect();
            let many = if slot.many { ", any number" } else { "" };
            format!("{}{many}", names.join(" or "))
        })
        .collect();
    if !content.is_empty() {
        let _ = writeln!(text, "In it: {}.", content.join("; "));
    }
    if word.attributes.is_empty() {
        return;
    }
    table(text, &["attribute", "needed", "value", "effect"]);
    for attribute in word.attributes {
        let effect = if attribute.effect.is_empty() { "none on a file" } else { attribute.effect };
        row(text, &[&format!("`{}`", attribute.name), need(attribute), &attribute.shape.form(), effect]);
    }
}

fn outcomes(text: &mut String, heads: &[&str], outcomes: &[Outcome]) {
    table(text, heads);
    outcomes.iter().for_each(|outcome| row(text, &[&format!("`{}`", outcome.name), outcome.meaning]));
}

fn tables() -> String {
    let mut text = "\n### Elements\n".to_owned();
    WORDS.iter().for_each(|word| element(&mut text, word));
    text.push_str("\n### Elements that are known and refused\n\nThey mean nothing for a file: 402, never ignored.\n");
    table(&mut text, &["package", "elements"]);
    for (package, names) in UNSPOKEN {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        row(&mut text, &[package.name(), &names.join(" ")]);
    }
    text.push_str("\n### Events into a dialog\n\nAn event whose name goes on after a dot means the same, unless the longer name is known.\n");
    table(&mut text, &["for", "event", "effect"]);
    EVENTS.iter().for_each(|known| row(&mut text, &[known.class, &format!("`{}`", known.event), known.effect]));
    text.push_str("\n### Events for the client\n\nBesides every event that a script sends to it:\n");
    outcomes(&mut text, &["event", "when"], NOTICES);
    text.push_str("\n### Status requests\n\nWhat an element in `<ft:receive>`, `<ft:send>` or `<ft:forward>` asks for: the event and its variables; of the last also `ft.job`.\n");
    table(&mut text, &["event", "variables"]);
    for (event, names) in STATUSES {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        row(&mut text, &[&format!("`{event}`"), &names.join(" ")]);
    }
    text.push_str(
        "\n### Variables\n\nWhat was never set is `undefined`. `record.ID.len` is that of the record with this id.\n",
    );
    table(&mut text, &["variable", "value"]);
    VARIABLES.iter().for_each(|variable| row(&mut text, &[&format!("`{}`", variable.name), variable.meaning]));
    text.push_str("\n### Values of `.end` and `ft.result`\n");
    outcomes(&mut text, &["value", "when"], OUTCOMES);
    text.push_str("\n### Audit states\n");
    table(&mut text, &["state", "what is told"]);
    for (_, name, meaning) in STATES {
        row(&mut text, &[&format!("`audit.conn.{name}`"), &meaning.replace('<', "`<").replace('>', ">`")]);
    }
    text.push_str("\n### Response codes\n\nIn `<result>`, and in `dialog.exit.status` of a dialog that fails.\n");
    table(&mut text, &["code", "meaning"]);
    Code::ALL.iter().for_each(|(code, meaning)| row(&mut text, &[&code.number().to_string(), meaning]));
    text
}

// P-3, P-4
#[test]
fn the_manual_has_the_tables_that_the_parser_goes_by() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/msml.md");
    let written = std::fs::read_to_string(&path).expect("docs/msml.md");
    let (before, rest) = written.split_once(BEGIN).expect("the place where the tables begin");
    let (_, after) = rest.split_once(END).expect("the place where they end");
    let made = format!("{before}{BEGIN}{}\n{END}{after}", tables());
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        std::fs::write(&path, &made).expect("docs/ can be written");
        return;
    }
    let first = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "docs/msml.md is out of date: run RESTANTE_BLESS=1 cargo test --test msml_manual\n{first:#?}"
    );
}

#[test]
fn the_manual_knows_how_a_transfer_can_fail() {
    use ReceiveFailure::{
        AbortedRemote, BadType, Disconnected, Exists, First, HashMismatch, Idle, SizeMismatch, Storage, TakenOver,
        Terminated, TooLarge,
    };
    let all = [
        HashMismatch,
        SizeMismatch,
        TooLarge,
        BadType,
        AbortedRemote,
        Disconnected,
        TakenOver,
        First,
        Idle,
        Terminated,
        Exists,
        Storage(String::new()),
    ];
    for failure in all {
        for value in [format!("record.failed.{}", failure.reason()), failure.result().to_owned()] {
            assert!(vocabulary::is_outcome(&value), "{value}");
        }
        let code = failure.code();
        assert!(code.is_none_or(|code| Code::ALL.iter().any(|(known, _)| known.number() == code)), "{code:?}");
    }
    assert!(!vocabulary::is_outcome("play.failed.rejected.") && vocabulary::is_outcome("play.failed.rejected.413"));
}
