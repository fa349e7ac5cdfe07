//! Finds citations of rules in the sources, and who cites them.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

/// Groups of the MSML checklist; other words with a hyphen and a number are just words.
const CHECKLIST: [&str; 12] = ["SIP", "ID", "TX", "DC", "G", "A", "P", "PL", "RE", "OT", "RC", "F"];

/// A rule's name, in the order of a book: `M4975-7.1.1-03` or `TX-5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// `M4975` or `TX`.
    pub(crate) book: String,
    section: Vec<u32>,
    number: u32,
    pub(crate) id: String,
}

impl Rule {
    /// The rule of this name, if it has the form of one.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (book, rest) = id.split_once('-')?;
        let rule = |section, number| Some(Self { book: book.to_owned(), section, number, id: id.to_owned() });
        if CHECKLIST.contains(&book) {
            return rule(Vec::new(), rest.parse().ok()?);
        }
        let (section, number) = rest.split_once('-')?;
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|octet| octet.is_ascii_digit());
        let sound = digits(book.strip_prefix('M')?, 4) && digits(number, 2);
        let section: Option<Vec<u32>> = section.split('.').map(|part| part.parse().ok()).collect();
        sound.then(|| rule(section?, number.parse().ok()?))?
    }

    /// The number of its RFC; `None` if it is the checklist's.
    pub(crate) fn rfc(&self) -> Option<u32> {
        self.book.strip_prefix('M')?.parse().ok()
    }
}

impl Ord for Rule {
    fn cmp(&self, other: &Self) -> Ordering {
        let group = |rule: &Self| CHECKLIST.iter().position(|known| *known == rule.book);
        let key = |rule: &Self| (group(rule), rule.book.clone(), rule.section.clone(), rule.number);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Rule {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One place that names a rule.
#[derive(Debug)]
pub(crate) struct Citation {
    pub(crate) rule: Rule,
    /// From the root of the checkout, with `/`.
    pub(crate) file: String,
    /// The test that names it, or that it is named at; `None` if it is named in other code.
    pub(crate) test: Option<String>,
}

/// Every citation in `src` and `tests`, and every word that looks like one and is none.
pub(crate) fn citations(root: &Path) -> (Vec<Citation>, Vec<String>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (file, text) in sources(root).into_iter().filter(|(file, _)| !file.starts_with("tests/conformance")) {
        read(&file, &text, &mut found, &mut faults); // the examples over there are no citations
    }
    (found, faults)
}

/// Every word that is wanted and stands in a comment at a test: the word, the file, the test.
pub(crate) fn named_at_tests(root: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (file, text) in sources(root) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("//")) {
            let test = owner(&lines, at).filter(|at| is_test(&lines, *at)).and_then(|at| function(lines[at]));
            let Some(test) = test else { continue };
            let named = words(line).filter(|word| wanted(word));
            found.extend(named.map(|word| (word.to_owned(), file.clone(), test.to_owned())));
        }
    }
    found
}

/// Every source file of `src` and `tests`, by its path in the checkout, with its text.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    ["src", "tests"].iter().for_each(|folder| walk(&root.join(folder), &mut paths));
    paths.sort();
    let name =
        |path: &Path| path.strip_prefix(root).expect("a path of the checkout").to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a source file"))).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry of the checkout").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

pub(crate) fn read(file: &str, text: &str, found: &mut Vec<Citation>, faults: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        for word in words(line) {
            let test = || owner(&lines, at).filter(|at| is_test(&lines, *at)).and_then(|at| function(lines[at]));
            match Rule::parse(word) {
                // The checklist's names are short: only at a test they are surely meant.
                Some(rule) if rule.rfc().is_some() || test().is_some() => {
                    found.push(Citation { rule, file: file.to_owned(), test: test().map(str::to_owned) });
                }
                Some(_) => {}
                None if means_a_rule(word) => faults.push(format!("{file}:{}: {word} is no rule", at + 1)),
                None => {}
            }
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let inside = |letter: char| letter.is_alphanumeric() || "-._".contains(letter);
    line.split(move |letter: char| !inside(letter)).map(|word| word.trim_end_matches('.'))
}

/// `M`, digits and a hyphen: nothing else begins so.
fn means_a_rule(word: &str) -> bool {
    let digits = word.strip_prefix('M').and_then(|rest| rest.split_once('-')).map(|(digits, _)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_aside(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with("#[")
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let begun = words.by_ref().find(|word| !matches!(*word, "pub" | "pub(crate)" | "pub(super)" | "async" | "const"));
    (begun? == "fn").then(|| words.next()?.split(['(', '<']).next()).flatten()
}

/// The line of the function below, if line `at` is a comment right above one, else of the function around it.
fn owner(lines: &[&str], at: usize) -> Option<usize> {
    let below = (at..lines.len()).find(|below| !is_aside(lines[*below]))?;
    if below > at && function(lines[below]).is_some() {
        return Some(below);
    }
    let around = |above: &usize| function(lines[*above]).is_some() && indent(lines[*above]) < indent(lines[at]);
    (0..at).rev().find(around)
}

fn is_test(lines: &[&str], function: usize) -> bool {
    let above = lines[..function].iter().rev().take_while(|line| is_aside(line));
    above.map(|line| line.trim_start()).any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}
