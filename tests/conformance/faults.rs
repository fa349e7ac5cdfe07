//! The map of faults to tests: the table in `docs/reliability.md` is made of `docs/faults.toml` and of the tests that name
//! its faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;

use super::scan;

/// What the page has around the part that is made.
const BEGIN: &str = "<!-- made by tests/conformance: RESTANTE_BLESS=1 cargo test --test conformance -->\n";
const END: &str = "<!-- made until here -->\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    fault: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    id: String,
    what: String,
    how: String,
    holds: String,
    /// Why there is no test, or none of all of it.
    why: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> PathBuf {
    root().join("docs/reliability.md")
}

fn faults() -> Vec<Fault> {
    let text = fs::read_to_string(root().join("docs/faults.toml")).expect("docs/faults.toml");
    toml::from_str::<Faults>(&text).unwrap_or_else(|error| panic!("docs/faults.toml: {error}")).fault
}

/// `R` and a number: the name of a fault.
fn is_fault(word: &str) -> bool {
    let number = word.strip_prefix('R').unwrap_or_default();
    (1..=2).contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit())
}

/// The tests that name each fault, as (file, test).
fn tests() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut tests: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (fault, file, test) in scan::named_at_tests(root(), is_fault) {
        tests.entry(fault).or_default().insert((file, test));
    }
    tests
}

#[test]
fn every_fault_has_a_test_or_a_reason_and_every_name_is_that_of_a_fault() {
    let (faults, tests) = (faults(), tests());
    for fault in &faults {
        assert!(is_fault(&fault.id), "{} is no name", fault.id);
        assert!(tests.contains_key(&fault.id) || fault.why.is_some(), "{} has neither test nor reason", fault.id);
    }
    let known: BTreeSet<_> = faults.iter().map(|fault| fault.id.clone()).collect();
    assert_eq!(known.len(), faults.len(), "a fault stands twice");
    let unknown: Vec<_> = tests.iter().filter(|(id, _)| !known.contains(*id)).collect();
    assert!(unknown.is_empty(), "not in docs/faults.toml: {unknown:?}");
}

fn table() -> String {
    let (faults, tests) = (faults(), tests());
    let all: BTreeSet<_> = tests.values().flatten().collect();
    let shown = faults.iter().filter(|fault| tests.contains_key(&fault.id)).count();
    let mut text = format!(
        "{} faults; {shown} of them are made to happen by {} tests, which run with every change.\n\n\
         | Fault | What happens | How it is made to happen here | What holds | Tests |\n|---|---|---|---|---|\n",
        faults.len(),
        all.len()
    );
    for Fault { id, what, how, holds, why } in &faults {
        let links = tests.get(id).into_iter().flatten().map(|(file, test)| format!("[{test}](../{file})"));
        let why = why.iter().map(|why| format!("not here: {why}"));
        let tests = links.chain(why).collect::<Vec<_>>().join("<br>");
        let _ = writeln!(text, "| {id} | {what} | {how} | {holds} | {tests} |");
    }
    text
}

#[test]
fn the_table_is_what_faults_and_tests_say() {
    let written = fs::read_to_string(page()).expect("docs/reliability.md");
    let (head, rest) = written.split_once(BEGIN).expect("the mark before the table");
    let (_, tail) = rest.split_once(END).expect("the mark after the table");
    let made = format!("{head}{BEGIN}{}{END}{tail}", table());
    if env::var_os("RESTANTE_BLESS").is_some() {
        return fs::write(page(), made).expect("docs/ can be written");
    }
    let first = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        made == written,
        "docs/reliability.md is out of date: run RESTANTE_BLESS=1 cargo test --test conformance\n{first:#?}"
    );
}

/// `cargo nextest run --test conformance faults::counts --no-capture`
#[test]
fn counts() {
    let tests = tests();
    for fault in faults() {
        let count = tests.get(&fault.id).map_or(0, BTreeSet::len);
        println!("{:>4} {count:>3} tests  {}", fault.id, fault.what);
        assert!(count > 0 || fault.why.is_some(), "{}", fault.id);
    }
}
