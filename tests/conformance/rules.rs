//! The rules in our own words: reads `docs/rules/rfc<number>.md`, which people write.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::scan::Rule;

/// How much an RFC asks: by the keyword of the sentence, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Must,
    Should,
    /// `MAY`, and what grammar or plain text says without a keyword.
    Other,
}

impl Level {
    pub(crate) const ALL: [Self; 3] = [Self::Must, Self::Should, Self::Other];

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Must => "MUST, MUST NOT",
            Self::Should => "SHOULD, SHOULD NOT",
            Self::Other => "MAY, text",
        }
    }
}

/// What a line of a book says of a rule.
pub(crate) struct Words {
    /// The RFC's keyword, or `TEXT`.
    pub(crate) keyword: String,
    /// Whom it binds.
    pub(crate) who: String,
    /// What holds if it is kept.
    pub(crate) text: String,
}

impl Words {
    pub(crate) fn level(&self) -> Level {
        match self.keyword.as_str() {
            "MUST" | "MUST NOT" => Level::Must,
            "SHOULD" | "SHOULD NOT" => Level::Should,
            _ => Level::Other,
        }
    }
}

/// One RFC, or the checklist of MSML.
pub(crate) struct Book {
    /// 0 of the checklist.
    pub(crate) rfc: u32,
    pub(crate) title: String,
    pub(crate) rules: BTreeMap<Rule, Words>,
}

impl Book {
    /// Reads one file, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let head = text.lines().next().unwrap_or_default();
        let (rfc, title) = match head.strip_prefix("# RFC ").and_then(|rest| rest.split_once(": ")) {
            Some((number, title)) => (number.parse().map_err(|_| format!("{number} is no number of an RFC"))?, title),
            None if head == CHECKLIST => (0, CHECKLIST.trim_start_matches("# ")),
            None => return Err("the first line is no `# RFC <number>: <title>`".to_owned()),
        };
        let mut rules = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule ")) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [id, keyword, who, text] = cells[..] else { return Err(format!("not four cells: {line}")) };
            let rule = Rule::parse(id)
                .filter(|rule| rule.rfc().unwrap_or(0) == rfc)
                .ok_or_else(|| format!("{id} is no rule"))?;
            if !["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "TEXT"].contains(&keyword) {
                return Err(format!("{id}: {keyword} is no level"));
            }
            if !text.ends_with('.') {
                return Err(format!("{id} has no sentence"));
            }
            if rules.last_key_value().is_some_and(|(last, _)| *last >= rule) {
                return Err(format!("{id} stands twice or in the wrong place"));
            }
            let [keyword, who, text] = [keyword, who, text].map(str::to_owned);
            rules.insert(rule, Words { keyword, who, text });
        }
        Ok(Self { rfc, title: title.to_owned(), rules })
    }
}

/// The first line of the checklist.
const CHECKLIST: &str = "# The MSML checklist";

/// All books, by number.
pub(crate) fn books(folder: &Path) -> Vec<Book> {
    let entries = fs::read_dir(folder).expect("docs/rules");
    let paths = entries.map(|entry| entry.expect("an entry of the checkout").path());
    let mut books: Vec<Book> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a file of rules");
            let book = Book::parse(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            let name = if book.rfc == 0 { "msml.md".to_owned() } else { format!("rfc{}.md", book.rfc) };
            assert!(path.ends_with(name), "{} has RFC {}", path.display(), book.rfc);
            book
        })
        .collect();
    books.sort_by_key(|book| book.rfc);
    books
}
