//! The map of rules to tests: `docs/conformance.md` and its pages are made of the rules in `docs/rules`, of the citations in the
//! sources and of `docs/deviations.toml`. The same is done for faults: `docs/reliability.md`.

#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/pages.rs"]
mod pages;
#[path = "conformance/rules.rs"]
mod rules;
#[path = "conformance/scan.rs"]
mod scan;
#[path = "conformance/verdict.rs"]
mod verdict;

use std::path::Path;
use std::{env, fs};

use rules::{Book, books};
use scan::Rule;
use verdict::{Decisions, Findings, Verdict};

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn read(books: &[Book]) -> Findings {
    let (citations, faults) = scan::citations(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(faults.is_empty(), "a rule is M<rfc>-<section>-<two digits>:\n{}", faults.join("\n"));
    let decisions = fs::read_to_string(docs().join("deviations.toml")).expect("docs/deviations.toml");
    let decisions = Decisions::parse(&decisions).unwrap_or_else(|fault| panic!("docs/deviations.toml: {fault}"));
    Findings::new(books, &citations, &decisions)
}

fn is_blessing() -> bool {
    env::var_os("RESTANTE_BLESS").is_some()
}

#[test]
fn citations_and_decisions_name_rules_that_exist_and_dont_contradict_each_other() {
    let findings = read(&books(&docs().join("rules")));
    assert!(findings.faults.is_empty(), "{}", findings.faults.join("\n"));
}

#[test]
fn the_pages_are_what_rules_tests_and_decisions_say() {
    let books = books(&docs().join("rules"));
    let made = pages::pages(&books, &read(&books));
    for (name, made) in made {
        let path = docs().join(&name);
        if is_blessing() {
            fs::create_dir_all(docs().join("conformance")).expect("docs/ can be written");
            fs::write(&path, &made).expect("docs/ can be written");
        }
        let written = fs::read_to_string(path).unwrap_or_default();
        let first = made.lines().zip(written.lines()).find(|(made, written)| made != written);
        assert!(
            written == made,
            "docs/{name} is out of date: run RESTANTE_BLESS=1 cargo test --test conformance\n{first:#?}"
        );
    }
}

#[test]
fn what_binds_us_has_a_test_or_a_reason() {
    let books = books(&docs().join("rules"));
    let open = read(&books).open(&books);
    let names: String = open.iter().map(|rule| format!("{}\n", rule.id)).collect();
    assert!(names.is_empty(), "neither test nor reason in docs/deviations.toml for\n{names}");
}

#[test]
fn only_what_has_the_form_of_a_rule_is_one() {
    for good in ["M4975-7.1.1-03", "M4475-3.1.1.10-01", "M4975-9-10", "TX-5"] {
        assert!(Rule::parse(good).is_some(), "{good}");
    }
    for bad in ["-7.1-3", "-7.1", "-7..1-03", "-7.1-003", "-a-01", "-7.1-03-04"] {
        let bad = format!("M4975{bad}");
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        scan::read("x.rs", &format!("// {bad}."), &mut found, &mut faults);
        assert_eq!((found.len(), faults.len()), (0, 1), "{bad}");
    }
    assert!(Rule::parse("SHA-1").is_none() && Rule::parse("UTF-8").is_none());
}

#[test]
fn a_citation_belongs_to_the_test_below_or_around_it() {
    let (one, two, three, four) = ("M4975-7.1-01", "M4975-7.1-02", "M4975-7.1-03", "M4975-7.1-04");
    let text = format!(
        "// {one}\n#[test]\nfn above() {{\n    // TX-1\n    check(\"{two}\");\n}}\n\n/// {three}, TX-2\nfn code() {{}}\n\n// {four}\nconst C: u8 = 1;\n"
    );
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    scan::read("x.rs", &text, &mut found, &mut faults);
    let found: Vec<_> = found.iter().map(|found| (found.rule.id.as_str(), found.test.as_deref())).collect();
    let above = Some("above");
    assert_eq!(found, [(one, above), ("TX-1", above), (two, above), (three, None), (four, None)]);
    assert!(faults.is_empty());
}

#[test]
fn rules_are_in_the_order_of_their_books() {
    let mut ids = ["TX-10", "TX-9", "M4975-10-01", "M4975-7.1.1-02", "M4975-7.1-11", "M3261-8-01"]
        .map(|id| Rule::parse(id).expect("a rule"));
    ids.sort();
    let ids = ids.map(|rule| rule.id);
    assert_eq!(ids, ["M3261-8-01", "M4975-7.1-11", "M4975-7.1.1-02", "M4975-10-01", "TX-9", "TX-10"]);
}

const BOOK: &str =
    "# RFC 4975: MSRP\n\n| M4975-7.1-01 | MUST | sender | One. |\n| M4975-7.1-02 | SHOULD | all | Two. |\n";

#[test]
fn a_book_with_a_rule_twice_out_of_place_or_unsaid_is_refused() {
    let book = Book::parse(BOOK).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((book.rfc, book.rules.len()), (4975, 2));
    let row = "| M4975-7.1-01 | MUST | sender | One. |";
    for (from, to) in [
        (row, "| M4975-7.1-02 | MUST | sender | One. |"),
        (row, "| M4975-7.1-03 | MUST | sender | One. |"),
        (row, "| M4976-7.1-01 | MUST | sender | One. |"),
        ("MUST", "OUGHT"),
        ("One.", ""),
        ("| sender ", ""),
        ("# RFC 4975: ", "# "),
    ] {
        assert!(Book::parse(&BOOK.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn a_verdict_comes_from_the_tests_or_from_a_decision_that_doesnt_deny_them() {
    let books = [Book::parse(BOOK).unwrap_or_else(|fault| panic!("{fault}"))];
    let (one, two) = ("M4975-7.1-01", "M4975-7.1-02");
    let (mut citations, mut faults) = (Vec::new(), Vec::new());
    scan::read(
        "x.rs",
        &format!("// {one}\n#[test]\nfn shows() {{}}\n// {two}\nfn code() {{}}\n"),
        &mut citations,
        &mut faults,
    );
    let decided = |list: &str, id: &str| {
        let text = format!("[[{list}]]\nrules = [\"{id}\"]\nwhy = \"so\"\n");
        let decisions = Decisions::parse(&text).unwrap_or_else(|fault| panic!("{fault}"));
        let findings = Findings::new(&books, &citations, &decisions);
        let rule = Rule::parse(id).expect("a rule");
        let verdict = findings.rules.get(&rule).map(|known| known.verdict());
        (verdict, findings.faults.len(), findings.open(&books).len())
    };
    assert_eq!(decided("deviates", one), (Some(Verdict::Deviates), 0, 1), "code alone shows nothing");
    assert_eq!(decided("deviates", two), (Some(Verdict::Deviates), 0, 0));
    assert_eq!(decided("not_applicable", one), (Some(Verdict::Met), 1, 1));
    assert_eq!(decided("not_applicable", two), (Some(Verdict::NotApplicable), 0, 0));
    assert_eq!(decided("later", two), (Some(Verdict::NotShown), 1, 1));
    assert_eq!(decided("deviates", "M4975-7.1-09"), (None, 1, 1));
}

#[test]
fn a_citation_of_a_rule_that_is_in_no_book_is_a_fault() {
    let books = [Book::parse(BOOK).unwrap_or_else(|fault| panic!("{fault}"))];
    let (mut citations, mut faults) = (Vec::new(), Vec::new());
    scan::read("x.rs", "// M4975-7.1-03, TX-5\n#[test]\nfn shows() {}\n", &mut citations, &mut faults);
    let findings = Findings::new(&books, &citations, &Decisions::default());
    assert_eq!(findings.faults.len(), 2, "{:?}", findings.faults);
}
