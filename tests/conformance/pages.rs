//! Writes `docs/conformance.md` and the page of each RFC in `docs/conformance/`.

use std::fmt::Write as _;

use super::rules::{Book, Level};
use super::scan::Rule;
use super::verdict::{BINDING, Findings, Known, Verdict};

const MADE: &str =
    "Made by `tests/conformance.rs`; don't edit it, run `RESTANTE_BLESS=1 cargo test --test conformance`.";

/// Every page: its place in `docs/` and its text.
pub(crate) fn pages(books: &[Book], findings: &Findings) -> Vec<(String, String)> {
    let (checklists, rfcs): (Vec<&Book>, Vec<&Book>) = books.iter().partition(|book| book.rfc == 0);
    let pages = rfcs.iter().map(|book| (format!("conformance/rfc{}.md", book.rfc), page(book, findings)));
    let checklists = checklists.iter().map(|book| ("conformance/msml.md".to_owned(), checklist(book, findings)));
    let overview = ("conformance.md".to_owned(), overview(&rfcs, findings));
    std::iter::once(overview).chain(checklists).chain(pages).collect()
}

/// How many rules of a book have this verdict; `None` stands for all levels or all verdicts.
fn count(book: &Book, findings: &Findings, level: Option<Level>, verdict: Option<Verdict>) -> usize {
    let fits = |rule: &Rule, is: Level| {
        level.is_none_or(|level| level == is) && verdict.is_none_or(|verdict| findings.rules[rule].verdict() == verdict)
    };
    book.rules.iter().filter(|(rule, words)| fits(rule, words.level())).count()
}

fn counts(book: &Book, findings: &Findings, level: Option<Level>) -> String {
    let all = count(book, findings, level, None);
    let cells: String =
        Verdict::ALL.map(|verdict| format!(" {} |", count(book, findings, level, Some(verdict)))).concat();
    format!(" {all} |{cells}")
}

fn verdicts() -> String {
    Verdict::ALL.map(|verdict| format!(" {} |", verdict.word())).concat()
}

fn overview(books: &[&Book], findings: &Findings) -> String {
    let total = |verdict| books.iter().map(|book| count(book, findings, None, verdict)).sum::<usize>();
    let [met, deviates, not_applicable, later, not_shown] = Verdict::ALL.map(|verdict| total(Some(verdict)));
    let binding = BINDING.map(|rfc| rfc.to_string()).join(", ");
    let mut text = format!(
        "# Conformance

{MADE}
It is made of the rules in `rules/`, of the tests that name them, and of `deviations.toml`.

{all} rules for a server like this one stand in {rfcs} RFCs. We have restated each in our own words, as what holds on the wire if
it is kept; its name is `M<rfc>-<section>-<number>`, its level the RFC's keyword, or `TEXT` if grammar or plain text says so.

* **{met} are `met`**: a test that runs with every change names the rule and would fail if we broke it;
* {deviates}: we `deviate` on purpose, each with the reason;
* {not_applicable} are `not applicable`: they speak of something this server never is or does;
* {later} are for `later`: they belong to something that is not built yet;
* {not_shown} are `not shown`: nobody has written a test for them.

`met` is a claim about the tests as they are: it doesn't mean that every consequence of a rule has been tried. In the RFCs of SIP,
of MSRP and of file transfer ({binding}) no rule of level MUST or SHOULD
may stay unshown: a change that leaves one without a test or a reason fails.

| RFC | Title | Rules |{verdicts} of these MUST | SHOULD | Note |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|
",
        all = total(None),
        rfcs = books.len(),
        verdicts = verdicts(),
    );
    for book in books {
        let [must, should] =
            [Level::Must, Level::Should].map(|level| count(book, findings, Some(level), Some(Verdict::NotShown)));
        let note = findings.unbuilt.get(&book.rfc).map_or("", String::as_str);
        let (rfc, title, cells) = (book.rfc, &book.title, counts(book, findings, None));
        let _ = writeln!(text, "| [{rfc}](conformance/rfc{rfc}.md) | {title} |{cells} {must} | {should} | {note} |");
    }
    text.push_str("\nThe [MSML checklist](conformance/msml.md) has a page, too: what RFC 5707 and its clients ask for, and what it means for files.\n");
    text
}

fn page(book: &Book, findings: &Findings) -> String {
    let mut text = format!("# RFC {}: {}\n\n{MADE}\n", book.rfc, book.title);
    if let Some(why) = findings.unbuilt.get(&book.rfc) {
        let _ = writeln!(text, "\nFor later: {why}.");
    }
    let _ = write!(text, "\n| Level | Rules |{}\n|---|---:|---:|---:|---:|---:|---:|\n", verdicts());
    for level in Level::ALL {
        let _ = writeln!(text, "| {} |{}", level.words(), counts(book, findings, Some(level)));
    }
    text.push_str("\n| Rule | Level | Who | What holds | Verdict | Shown by |\n|---|---|---|---|---|---|\n");
    for (rule, words) in &book.rules {
        let known = &findings.rules[rule];
        let why = known.why().map(|why| format!(": {why}")).unwrap_or_default();
        let (id, keyword, who, holds) = (&rule.id, &words.keyword, &words.who, &words.text);
        let (verdict, shown) = (known.verdict().word(), shown(known));
        let _ = writeln!(text, "| {id} | {keyword} | {who} | {holds} | {verdict}{why} | {shown} |");
    }
    text
}

fn checklist(book: &Book, findings: &Findings) -> String {
    let mut text = format!(
        "# The MSML checklist\n\n{MADE}\n\nWhat RFC 5707 asks of a server, and what clients in the field do, for a server whose media \
         are files: it holds as it stands\n(`same`), is given a meaning for files (`mapped`), is refused with a code (`refused`), or \
         comes from the field alone (`field`).\n\n| Rule | Level | Kind | What holds | Verdict | Shown by |\n|---|---|---|---|---|---|\n"
    );
    for (rule, words) in &book.rules {
        let known = &findings.rules[rule];
        let why = known.why().map(|why| format!(": {why}")).unwrap_or_default();
        let (id, keyword, kind, holds) = (&rule.id, &words.keyword, &words.who, &words.text);
        let (verdict, shown) = (known.verdict().word(), shown(known));
        let _ = writeln!(text, "| {id} | {keyword} | {kind} | {holds} | {verdict}{why} | {shown} |");
    }
    text
}

fn shown(known: &Known) -> String {
    let links = known.tests.iter().map(|(file, test)| format!("[{test}](../../{file})"));
    links.collect::<Vec<_>>().join("<br>")
}
