//! The parser's strict mode against the schemas, on documents made of the vocabulary and on damaged ones.

#[path = "msml/grammar.rs"]
mod grammar;
mod msml;

use std::collections::BTreeMap;
use std::path::PathBuf;

use grammar::{Dice, Node};
use restante::model::Mint;
use restante::msml::{Fault, check};

/// What XML Schema 1.0 cannot say: it lies between attributes, or in an element and an attribute at once.
fn is_beyond_schemas(fault: &Fault) -> bool {
    let said = |text: &str| fault.message.contains(text);
    match fault.code.number() {
        403 => said("neither src nor"),
        407 => said("is for mode=\"as\""),
        408 => said("<record> needs the attribute dest") || said("<fileop> needs the attribute dest"),
        410 => said("; expected"),
        422 => true,
        _ => false,
    }
}

/// How often both said yes, and how often no.
fn agreement(documents: &[String]) -> Option<(usize, usize)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files: BTreeMap<PathBuf, &String> =
        documents.iter().enumerate().map(|(n, text)| (folder.path().join(format!("{n}.xml")), text)).collect();
    files.iter().for_each(|(path, text)| std::fs::write(path, text).expect("a file"));
    let valid = msml::valid(&files.keys().cloned().collect::<Vec<_>>())?;
    let (mut good, mut bad) = (0, 0);
    for (path, text) in files {
        match check(text.as_bytes(), true) {
            Ok(_) => {
                assert!(valid.contains(&path), "the schemas refuse what strict validation accepts: {text}");
                assert!(check(text.as_bytes(), false).is_ok(), "strict accepts more than lenient: {text}");
                good += 1;
            }
            Err(faults) if faults.iter().all(is_beyond_schemas) => {}
            Err(faults) => {
                assert!(
                    !valid.contains(&path),
                    "the schemas accept what strict validation refuses: {text}\n{faults:?}"
                );
                bad += 1;
            }
        }
    }
    Some((good, bad))
}

// TX-3, P-5: the schemas are the profile's, and the parser is their judge, P-1, PL-5, RE-4
#[test]
fn what_the_vocabulary_allows_is_accepted_by_strict_validation_and_by_the_schemas() {
    let mut dice = Dice(Mint::from_number(1));
    let documents: Vec<String> = (0..1500).map(|_| Node::request(&mut dice).text()).collect();
    let Some((good, bad)) = agreement(&documents) else { return };
    assert_eq!(bad, 0);
    // A few say what no schema can forbid: a message object for the peer that lies in the web, say.
    assert!(good * 50 > documents.len() * 49, "{good} of {}", documents.len());
}

// TX-3, P-5
#[test]
fn strict_validation_and_the_schemas_agree_on_damaged_documents() {
    let mut dice = Dice(Mint::from_number(2));
    let damaged = |dice: &mut Dice| {
        let mut request = Node::request(dice);
        (0..=dice.below(2)).for_each(|_| request.slip(dice));
        request.text()
    };
    let documents: Vec<String> = (0..3000).map(|_| damaged(&mut dice)).collect();
    let Some((good, bad)) = agreement(&documents) else { return };
    assert!(good > 100 && bad > 1500, "{good} good and {bad} bad: a poor mixture");
}
