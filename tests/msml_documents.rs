//! MSML documents, good and bad: what the parser says of each, and whether `schemas/` say the same.

mod msml;

use std::fs;
use std::path::{Path, PathBuf};

use restante::msml::{Fault, check};

/// Bad documents in which XML Schema 1.0 cannot see the fault: it lies between attributes, in what a value means, or in
/// who sends what.
const BEYOND_SCHEMAS: &[&str] = &[
    "403-empty-dialog",
    "403-message-without-text",
    "404-result-as-command",
    "407-append",
    "408-copy-to-nowhere",
    "408-no-dest",
    "410-a-century",
    "410-append-to-a-box",
    "410-audit-of-another-class",
    "410-copy-from-the-peer",
    "410-copy-onto-itself",
    "410-deleted-to-somewhere",
    "410-from-a-site-to-the-peer",
    "410-from-peer-to-peer",
    "410-from-site-to-site",
    "410-move-from-a-site",
    "410-no-time-at-all",
    "410-path-traversal",
    "410-play-a-box",
    "422-message-with-src-and-text",
    "422-src-and-inline",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/msml").join(folder)).expect("a folder of fixtures");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures in {folder}");
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a readable name")
}

fn first_fault(path: &Path, strict: bool) -> Fault {
    let faults = check(&fs::read(path).expect("a fixture"), strict).expect_err(stem(path));
    faults.into_iter().next().expect("at least one fault")
}

// TX-3, DC-5, DC-6, ID-5
#[test]
fn good_documents_pass_even_strict_validation() {
    for path in fixtures("good") {
        let body = fs::read(&path).expect("a fixture");
        for strict in [true, false] {
            let checked = check(&body, strict);
            assert!(checked.is_ok(), "{}: {checked:?}", stem(&path));
        }
    }
}

// TX-3, DC-1, F-1: what real clients leave out or add, PL-5, RE-3, RE-4, RE-6
#[test]
fn lenient_documents_pass_by_default_and_some_rule_stops_them_when_strict() {
    for path in fixtures("lenient") {
        let body = fs::read(&path).expect("a fixture");
        let checked = check(&body, false);
        assert!(checked.is_ok(), "{}: {checked:?}", stem(&path));
        if !["namespace", "prefixed"].contains(&stem(&path)) {
            assert!(check(&body, true).is_err(), "{} passes strict validation", stem(&path));
        }
    }
}

// TX-3, checklist 13, DC-2, ID-7, ID-8, G-1, G-4, PL-2, PL-6, PL-7, RE-1, RE-9, OT-2, RC-1
#[test]
fn bad_documents_get_the_code_in_their_name_at_the_place_in_their_comment() {
    for path in fixtures("bad") {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a fixture")).into_owned();
        for strict in [true, false] {
            let fault = first_fault(&path, strict);
            assert_eq!(Some(fault.code.number()), stem(&path)[..3].parse().ok(), "{}: {fault}", stem(&path));
            if let Some((place, _)) = text.split_once("<!-- at ").and_then(|(_, after)| after.split_once(" -->")) {
                assert_eq!(format!("{}:{}", fault.line, fault.column), place, "{}: {fault}", stem(&path));
            }
        }
    }
}

#[test]
fn a_description_says_where_and_what_and_how_to_go_on() {
    let told = |name: &str| first_fault(&root().join("tests/msml/bad").join(name), false).description();
    assert_eq!(
        told("401-unknown-command.xml"),
        "line 4, column 3: the element \"dialogstrat\" is unknown; <msml> can have dialogstart, dialogend, send, audit, ft:list, ft:delete, ft:mark, ft:attach"
    );
    assert_eq!(told("408-no-target.xml"), "line 4, column 3: <dialogstart> needs the attribute target");
    assert_eq!(
        told("402-play-in-record.xml"),
        "line 4, column 66: a <play> inside <record>; put the <play> before the <record>"
    );
}

#[test]
fn check_names_every_fault_in_document_order() {
    let body =
        b"<msml version=\"3\">\n<dialogend/>\n<join/>\n<dialogstart target=\"conn:*\"><play/></dialogstart></msml>";
    let faults = check(body, false).expect_err("four faults");
    let seen: Vec<(u32, u16)> = faults.iter().map(|fault| (fault.line, fault.code.number())).collect();
    assert_eq!(seen, [(1, 410), (2, 408), (3, 402), (4, 410), (4, 403)]);
}

// P-5
#[test]
fn the_schemas_accept_good_documents_and_refuse_lenient_and_bad_ones() {
    let good = fixtures("good");
    let Some(valid) = msml::valid(&good) else { return };
    assert_eq!(valid, good.into_iter().collect());

    let others = [fixtures("lenient"), fixtures("bad")].concat();
    let valid = msml::valid(&others).expect("xmllint was there a moment ago");
    assert_eq!(valid.iter().map(|path| stem(path)).collect::<Vec<_>>(), BEYOND_SCHEMAS);
}
