//! The map of rules to tests: `docs/conformance.md` is made of the citations in the sources and of `docs/deviations.toml`.

#[path = "conformance/document.rs"]
mod document;
#[path = "conformance/scan.rs"]
mod scan;

use std::path::Path;
use std::{env, fs};

use document::{Exceptions, document};
use scan::Rule;

#[test]
fn the_map_of_rules_and_tests_is_what_the_sources_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (citations, faults) = scan::citations(root);
    assert!(faults.is_empty(), "a rule is M<rfc>-<section>-<two digits>:\n{}", faults.join("\n"));
    let exceptions = fs::read_to_string(root.join("docs/deviations.toml")).expect("docs/deviations.toml");
    let exceptions = Exceptions::parse(&exceptions).unwrap_or_else(|fault| panic!("docs/deviations.toml: {fault}"));
    let made = document(&citations, &exceptions);
    let path = root.join("docs/conformance.md");
    if env::var_os("RESTANTE_BLESS").is_some() {
        fs::write(&path, &made).expect("docs/ can be written");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let first = made.lines().zip(written.lines()).find(|(made, written)| made != written);
    assert!(
        written == made,
        "docs/conformance.md is out of date: run RESTANTE_BLESS=1 cargo test --test conformance\n{first:#?}"
    );
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
