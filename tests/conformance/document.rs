//! Writes `docs/conformance.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use super::scan::{Citation, Rule};

/// RFCs with their titles and how many rules for a server like this one we have found in them.
const BOOKS: [(u32, &str, usize); 27] = [
    (3261, "SIP", 134),
    (3262, "100rel", 20),
    (3264, "Offer/answer", 33),
    (3581, "rport", 5),
    (3842, "MWI", 22),
    (3862, "CPIM", 32),
    (4028, "Session timer", 30),
    (4145, "COMEDIA", 8),
    (4320, "Non-INVITE fix", 4),
    (4475, "Torture tests", 49),
    (4975, "MSRP", 252),
    (4976, "MSRP relays (client)", 54),
    (5438, "IMDN", 60),
    (5547, "File transfer SDP", 141),
    (5621, "SIP bodies", 6),
    (5707, "MSML in INFO (3.1)", 5),
    (6026, "INVITE 2xx fix", 13),
    (6086, "INFO", 41),
    (6135, "MSRP a=setup", 23),
    (6665, "Events", 15),
    (6714, "CEMA", 36),
    (7616, "Digest", 10),
    (7977, "MSRP over WebSocket", 22),
    (8122, "TLS in SDP", 15),
    (8591, "S/MIME messaging", 8),
    (8760, "SIP digest algorithms", 5),
    (8866, "SDP", 20),
];

/// Rules whose verdict is a person's, with the reason.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    #[serde(default)]
    deviates: Vec<Exception>,
    #[serde(default)]
    not_applicable: Vec<Exception>,
    #[serde(default)]
    later: Vec<Exception>,
    #[serde(default)]
    unbuilt: Vec<Unbuilt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbuilt {
    rfc: u32,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rules: Vec<String>,
    why: String,
}

impl Exceptions {
    /// Reads the file and proves that its rules have the form of rules and stand there once.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let exceptions: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut seen = BTreeSet::new();
        for id in exceptions.decided().iter().flat_map(|(_, list)| *list).flat_map(|exception| &exception.rules) {
            let rule = Rule::parse(id).ok_or_else(|| format!("{id} is no rule"))?;
            if !seen.insert(rule) {
                return Err(format!("{id} stands there twice"));
            }
        }
        Ok(exceptions)
    }

    fn decided(&self) -> [(Verdict, &[Exception]); 3] {
        [
            (Verdict::Deviates, &self.deviates),
            (Verdict::NotApplicable, &self.not_applicable),
            (Verdict::Later, &self.later),
        ]
    }
}

/// What is known of one rule.
#[derive(Default)]
struct Entry {
    tests: BTreeSet<String>,
    code: BTreeSet<String>,
    exception: Option<(Verdict, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A test shows it.
    Met,
    /// Code names it, no test does.
    Coded,
    /// We do otherwise on purpose.
    Deviates,
    /// It speaks of something this server never is or does.
    NotApplicable,
    /// Not built yet.
    Later,
}

impl Verdict {
    const ALL: [Self; 5] = [Self::Met, Self::Coded, Self::Deviates, Self::NotApplicable, Self::Later];

    const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Coded => "coded",
            Self::Deviates => "deviates",
            Self::NotApplicable => "not applicable",
            Self::Later => "later",
        }
    }
}

impl Entry {
    fn verdict(&self) -> Verdict {
        match &self.exception {
            Some((verdict, _)) => *verdict,
            None if self.tests.is_empty() => Verdict::Coded,
            None => Verdict::Met,
        }
    }

    fn row(&self, rule: &Rule) -> String {
        let named = if self.tests.is_empty() { &self.code } else { &self.tests };
        let named: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
        let why = self.exception.as_ref().map(|(_, why)| format!(": {why}")).unwrap_or_default();
        format!("| {} | {} | {}{why} |\n", rule.id, named.join("<br>"), self.verdict().word())
    }
}

type Entries = BTreeMap<Rule, Entry>;

fn entries(citations: &[Citation], exceptions: &Exceptions) -> Entries {
    let mut entries = Entries::new();
    for Citation { rule, file, test } in citations {
        let entry = entries.entry(rule.clone()).or_default();
        match test {
            Some(test) => entry.tests.insert(format!("{file}::{test}")),
            None => entry.code.insert(file.clone()),
        };
    }
    for (verdict, list) in exceptions.decided() {
        for exception in list {
            for id in &exception.rules {
                let rule = Rule::parse(id).expect("checked when it was read");
                entries.entry(rule).or_default().exception = Some((verdict, exception.why.clone()));
            }
        }
    }
    entries
}

/// The whole document.
pub(crate) fn document(citations: &[Citation], exceptions: &Exceptions) -> String {
    let entries = entries(citations, exceptions);
    let of = |rfc| entries.iter().filter(move |(rule, _)| rule.rfc() == Some(rfc));
    let mut text = head(&entries);
    for (rfc, title, rules) in BOOKS {
        let count = |verdict| of(rfc).filter(|(_, entry)| entry.verdict() == verdict).count();
        let counts = Verdict::ALL.map(count);
        let silent = rules.saturating_sub(counts.iter().sum());
        let [met, coded, deviates, not_applicable, later] = counts;
        let note = exceptions.unbuilt.iter().find(|unbuilt| unbuilt.rfc == rfc).map_or("", |unbuilt| &unbuilt.why);
        let _ = writeln!(
            text,
            "| {rfc} | {title} | {rules} | {met} | {coded} | {deviates} | {not_applicable} | {later} | {silent} | {note} |"
        );
    }
    for (rfc, title, _) in BOOKS {
        section(&mut text, &format!("RFC {rfc}: {title}"), of(rfc));
    }
    let unknown = entries.iter().filter(|(rule, _)| BOOKS.iter().all(|book| rule.rfc() != Some(book.0)));
    let (checklist, unlisted): (Vec<_>, Vec<_>) = unknown.partition(|(rule, _)| rule.rfc().is_none());
    section(&mut text, "The MSML checklist", checklist.into_iter());
    section(&mut text, "RFCs that are not in the list above", unlisted.into_iter());
    text
}

fn head(entries: &Entries) -> String {
    let rules: usize = BOOKS.iter().map(|book| book.2).sum();
    let count =
        |verdict| entries.iter().filter(|(rule, entry)| rule.rfc().is_some() && entry.verdict() == verdict).count();
    let [met, coded, deviates, not_applicable, later] = Verdict::ALL.map(count);
    format!(
        "# Conformance

Made by `tests/conformance.rs` from the rule names in the sources and from `deviations.toml`; don't edit it, run
`RESTANTE_BLESS=1 cargo test --test conformance`.

We found {rules} rules for a server like this one in {} RFCs. A rule's name is `M<rfc>-<section>-<number>`. Of these rules

* **{met} are `met`**: a test that runs with every change names the rule and shows it, or a part of it that matters on the wire;
* {coded} are `coded`: the code names the rule where it follows it, but no test does;
* {deviates} are rules from which we `deviate` on purpose, each with the reason;
* {not_applicable} are `not applicable`: they speak of something this server never is or does;
* {later} are for `later`: they belong to something that is not built yet.

The others are not shown here at all: nobody has looked yet whether we follow them, or nobody has written it down. This page says
which test speaks of a rule, not yet what the rule says; the words of each will follow. `met` is a claim about the tests as they are:
it does not mean that every consequence of a rule has been tried.

| RFC | Title | Rules | met | coded | deviates | not applicable | later | not shown | Note |
|---|---|---:|---:|---:|---:|---:|---:|---:|---|
",
        BOOKS.len(),
    )
}

fn section<'a>(text: &mut String, title: &str, entries: impl Iterator<Item = (&'a Rule, &'a Entry)>) {
    let rows: String = entries.map(|(rule, entry)| entry.row(rule)).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n## {title}\n\n| Rule | Shown by | Verdict |\n|---|---|---|\n{rows}");
    }
}
