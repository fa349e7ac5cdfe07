//! Hostile documents (attack S11) and laws that hold for every document and every order of events.

mod msml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use restante::model::{Instant, Machine, Mint, Now, Outbox};
use restante::msml::{
    ContextId, End, FetchKey, Input, Interpreter, Limits, Output, PrimitiveKey, Style, check, read_message,
};

/// The first fault's message, which must be a 400.
fn refusal(body: &[u8]) -> String {
    let faults = check(body, false).expect_err("a refusal");
    assert_eq!(faults[0].code.number(), 400, "{faults:?}");
    faults[0].message.clone()
}

fn utf16(text: &str, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
    units.flat_map(u16::to_be_bytes).collect()
}

// S11
#[test]
fn entities_are_never_expanded() {
    let laughs =
        "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\"><!ENTITY c \"&b;&b;\">]><msml version=\"1.1\">&c;</msml>";
    assert!(refusal(laughs.as_bytes()).contains("document type"));
    let external = "<!DOCTYPE m SYSTEM \"file:///etc/passwd\"><msml version=\"1.1\"/>";
    assert!(refusal(external.as_bytes()).contains("document type"));
    assert!(refusal(b"<msml version=\"1.1\">&c;</msml>").contains("unknown reference"));
}

// S11
#[test]
fn depth_size_and_counts_are_bounded() {
    let deep = format!("<msml version=\"1.1\">{}", "<a>".repeat(80_000));
    assert!(refusal(deep.as_bytes()).contains("nested 64 deep"));
    let wide = format!("<msml version=\"1.1\">{}</msml>", "<a/>".repeat(50_000));
    assert!(refusal(wide.as_bytes()).contains("4096 elements"));
    let tiny = format!("<msml version=\"1.1\">{}</msml>", "<a/>".repeat(4000));
    assert!(refusal(tiny.as_bytes()).contains("1065 elements"), "{}", refusal(tiny.as_bytes()));
    let named = format!("<msml {}=''/>", "a".repeat(1025));
    assert!(refusal(named.as_bytes()).contains("1024 octets"));
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=''")).collect();
    assert!(refusal(format!("<msml{attributes}/>").as_bytes()).contains("64 attributes"));
    let all = format!("<msml version=\"1.1\">{}</msml>", "<a b='' c='' d=''/>".repeat(3000));
    assert!(refusal(all.as_bytes()).contains("8192 attributes"));
    let namespaces: String = (0..40).map(|n| format!(" xmlns:n{n}='urn:example:n'")).collect();
    assert!(refusal(format!("<msml{namespaces}/>").as_bytes()).contains("32 namespaces"));
    assert!(refusal(&vec![b' '; 100 * 1024 * 1024]).contains("262144 octets"));
}

// S11
#[test]
fn other_encodings_are_refused_by_name() {
    let text = "<msml version=\"1.1\"/>";
    for body in [utf16(text, true), utf16(text, false)] {
        assert!(refusal(&body).contains("UTF-16"));
    }
    assert!(refusal(b"<msml version=\"\xE9\"/>").contains("not UTF-8"));
    assert!(refusal(b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><msml/>").contains("\"UTF-7\" is not accepted"));
}

// S11: XInclude is a foreign element like any other
#[test]
fn xinclude_includes_nothing() {
    let body = b"<msml version=\"1.1\" xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\"/></msml>";
    assert_eq!(check(body, false).expect_err("a refusal")[0].code.number(), 401);
}

#[test]
fn a_quoted_value_in_a_description_is_short_whatever_was_sent() {
    let body = format!("<msml version=\"1.1\"><dialogend id=\"{}\"/></msml>", "\u{1F600}".repeat(10_000));
    let faults = check(body.as_bytes(), false).expect_err("a refusal");
    assert!(faults[0].description().len() < 500, "{}", faults[0]);
}

// S11: found by the fuzz target msml_document; the answer was as long as the document, too long for SIP
#[test]
fn a_wrong_end_tag_is_not_sent_back_whole() {
    let fault = refusal(format!("<msml version=\"1.1\"></{}>", "\u{e9}".repeat(100_000)).as_bytes());
    assert!(fault.starts_with("expected `</msml>`, but") && fault.len() < 500, "{fault}");
}

/// A generator of numbers, for documents that a seed reproduces.
struct Dice(Mint);

impl Dice {
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let index = self.0.number() % of.len() as u64;
        of[usize::try_from(index).expect("an index")]
    }

    /// `name="value"` with one of these values; the empty choice leaves the attribute out.
    fn attribute(&mut self, name: &str, values: &[&str]) -> String {
        match self.pick(values) {
            "" => String::new(),
            value => format!(" {name}=\"{value}\""),
        }
    }

    fn many(&mut self, most: u64, of: impl Fn(&mut Self) -> String) -> String {
        (0..self.0.number() % (most + 1)).map(|_| of(self)).collect()
    }

    fn send(&mut self) -> String {
        let event = self.attribute("event", &["done", "done", "done", "terminate.x", "9", "-a"]);
        let target = self.attribute("target", &["source", "source", "record.a", "group", "", "a b"]);
        format!("<send{event}{target}{}/>", self.attribute("namelist", &["", "record.len  play.end"]))
    }

    fn deeds(&mut self) -> String {
        let sends = self.many(2, Self::send);
        sends + self.pick(&["", "<exit/>", "<disconnect namelist=\"a\"/>", "<exit namelist=\"\"/>"])
    }

    fn exit(&mut self, name: &str) -> String {
        match self.pick(&["", "exit"]) {
            "" => String::new(),
            _ => format!("<{name}>{}</{name}>", self.deeds()),
        }
    }

    fn primitive(&mut self) -> String {
        let id = self.attribute("id", &["", "", "a.1", "_"]);
        let maxtime = self.attribute("maxtime", &["1s", "1s", "+.5s", "60", ""]);
        match self.pick(&["record", "play", "collect", "dtmf", "vad"]) {
            "record" => {
                let dest = self.attribute("dest", &["spool:/a/", "file://x", "FILE:/a/b", "http://example.org/"]);
                let format = self.attribute("format", &["a", "a", ""]);
                let initial = self.attribute("initial", &["", "create", "suspend", "generate"]);
                let append = self.attribute("prespeech", &["", "", "0s", "-1s"]);
                format!("<record{id}{dest}{format}{maxtime}{initial}{append}>{}</record>", self.exit("recordexit"))
            }
            "play" => {
                let iterate = self.attribute("iterate", &["", "1", "2"]);
                let offset = self.attribute("offset", &["", "0s", "0.00ms", "1s"]);
                let file = self.pick(&["<audio uri=\"file://a\" xml:lang=\"de\"/>", "<video uri=\"spool:/a/b\"/>", ""]);
                let media = self.pick(&["", "<media><audio uri=\"file://a\"/></media>", "<media/>", "<var/>"]);
                format!("<play{id}{maxtime}{iterate}{offset}>{file}{media}{}</play>", self.exit("playexit"))
            }
            name => {
                let fdt = self.attribute("fdt", &["", "3s", "x"]);
                let timer = self.attribute("starttimer", &["", "true", "yes"]);
                let iterate = self.attribute("iterate", &["", "7", "-1", "forever", "0", "-2"]);
                let digits = self.attribute("digits", &["#", "#", ""]);
                let inside =
                    format!("<pattern{digits}><exit/></pattern>{}{}", self.exit("noinput"), self.exit("dtmfexit"));
                format!("<{name}{id}{fdt}{timer}{iterate}>{inside}</{name}>")
            }
        }
    }

    fn step(&mut self) -> String {
        match self.pick(&["primitive", "primitive", "send", "group"]) {
            "primitive" => self.primitive(),
            "send" => self.send(),
            _ => {
                let topology = self.attribute("topology", &["parallel", "parallel", "serial", ""]);
                format!("<group{topology}>{}{}</group>", self.many(2, Self::primitive), self.exit("groupexit"))
            }
        }
    }

    fn document(&mut self) -> String {
        let target = self.attribute("target", &["conn:a", "conn:a", "conf:b", "conn:*"]);
        let kind = self.attribute("type", &["application/moml+xml", "application/moml+xml", "text/x", ""]);
        let name = self.attribute("name", &["", "n:1", "n/1"]);
        // An empty description without src is beyond schemas, so there always is a step.
        let steps = self.step() + &self.many(1, Self::step) + self.pick(&["", "<exit/>"]);
        let version = self.pick(&["1.1", "1.1", "1.1", "1.0"]);
        let end = self.pick(&["", "<dialogend id=\"conn:a/dialog:b\" mark=\"1\"/>", "<dialogend id=\"conn:a\"/>"]);
        format!("<msml version=\"{version}\"><dialogstart{target}{kind}{name}>{steps}</dialogstart>{end}</msml>")
    }
}

/// The files that libxml2 cannot read, or `None` where xmllint is not installed.
fn ill_formed(paths: &[PathBuf]) -> Option<BTreeSet<PathBuf>> {
    let said = msml::xmllint(&["--nonet"], paths)?;
    let errors = said.lines().filter(|line| line.contains("error"));
    let names = errors.filter_map(|line| line.split_once(".xml:"));
    Some(names.map(|(name, _)| PathBuf::from(format!("{name}.xml"))).collect())
}

/// A good fixture after one to three slips of the finger.
fn damaged(seeds: &[String], mint: &mut Mint) -> String {
    let slips: Vec<char> = "<<>>&&\"\"''==  //!!??--[]::;;##x0aA1.\n\t]]\u{e9}\u{d7}".chars().collect();
    let mut below = |bound: usize| usize::try_from(mint.number() % bound as u64).expect("an index");
    let mut text: Vec<char> = seeds[below(seeds.len())].chars().collect();
    for _ in 0..=below(3) {
        let (at, slip) = (below(text.len()), slips[below(slips.len())]);
        match below(3) {
            0 => text[at] = slip,
            1 => text.insert(at, slip),
            _ => drop(text.remove(at)),
        }
    }
    text.into_iter().collect()
}

// S11: quick-xml alone accepts much that is not XML
#[test]
fn what_another_parser_finds_not_well_formed_we_refuse_with_400() {
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msml/good");
    let entries = std::fs::read_dir(good).expect("fixtures").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    let seeds: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).expect("a fixture")).collect();
    let (mut mint, folder) = (Mint::from_number(11), tempfile::tempdir().expect("a temporary folder"));
    let paths: Vec<PathBuf> = (0..2000).map(|n| folder.path().join(format!("{n}.xml"))).collect();
    paths.iter().for_each(|path| std::fs::write(path, damaged(&seeds, &mut mint)).expect("a file"));
    let Some(ill) = ill_formed(&paths) else { return };
    assert!((500..1900).contains(&ill.len()), "{} of 2000 are not well-formed: a poor mixture", ill.len());
    for path in ill {
        let text = std::fs::read(&path).expect("a file");
        let faults = check(&text, false).expect_err(&String::from_utf8_lossy(&text));
        assert_eq!(faults[0].code.number(), 400, "{}", String::from_utf8_lossy(&text));
    }
}

/// An interpreter with two connections, whoever owns its primitives, and what must hold at every moment.
struct World {
    interpreter: Interpreter,
    clock: Duration,
    running: Vec<PrimitiveKey>,
    fetches: Vec<FetchKey>,
    started: usize,
    exited: usize,
}

impl World {
    fn tell(&mut self, input: Input) {
        let request = matches!(input, Input::Request { .. });
        let mut out = Outbox::new();
        let now = Now { instant: Instant::from_origin(self.clock), ..Now::default() };
        self.interpreter.handle(now, input, &mut out);
        let outputs: Vec<Output> = out.drain().collect();
        let replies = outputs.iter().filter(|output| matches!(output, Output::Reply { .. })).count();
        assert_eq!(replies, usize::from(request), "one reply to each request, at once");
        assert!(!request || matches!(outputs[0], Output::Reply { .. }), "the reply comes first");
        for output in outputs {
            match output {
                Output::Start { primitive, .. } => self.running.push(primitive),
                Output::Ask { .. } => unreachable!("no document of the dice asks the spool"),
                Output::Fetch { fetch, .. } => self.fetches.push(fetch),
                Output::Order { primitive, .. } | Output::Bind { primitive, .. } => {
                    assert!(self.running.contains(&primitive));
                }
                Output::Reply { reply, .. } => {
                    self.started += reply.answer(|_| None).body.matches("<dialogid>").count()
                }
                Output::Event { name, body, .. } | Output::EventLost { name, body, .. } => {
                    assert!(read_message(body.as_bytes()).is_ok());
                    self.exited += usize::from(name == "msml.dialog.exit");
                }
                Output::Disconnect { conn, .. } => assert!(["a", "b"].contains(&conn.as_str())),
            }
        }
        assert_eq!(self.started - self.exited, self.interpreter.dialogs(), "one msml.dialog.exit for each dialog");
    }

    fn end(&mut self, index: usize, end: End) {
        if !self.running.is_empty() {
            let primitive = self.running.remove(index % self.running.len());
            self.tell(Input::Ended { primitive, end });
        }
    }

    fn step(&mut self, choice: u8, dice: &mut Dice) {
        let context = ContextId(u64::from(choice % 3));
        match choice / 8 {
            0..=12 => {
                let text = dice.document().replace("conf:b", "conn:b").replace("serial", "parallel");
                self.tell(Input::Request { context, request: 1, style: Style::default(), body: text.into() });
            }
            13..=20 => {
                let name = dice.pick(&["record.complete", "play.failed.x"]).to_owned();
                let failure = choice.is_multiple_of(8).then(|| (441, "no stream".to_owned()));
                self.end(choice.into(), End { name, variables: vec![], failure });
            }
            21..=24 => {
                self.clock += Duration::from_millis(700);
                self.tell(Input::Timeout);
            }
            25 => self.tell(Input::Disconnected { conn: dice.pick(&["a", "b"]).to_owned() }),
            26 => self.tell(Input::Connected { conn: "c".to_owned(), context }),
            27 => self.tell(Input::ContextGone(context)),
            29 => {
                let result = Ok(dice.document().into());
                let fetch = self.fetches.pop().unwrap_or(FetchKey(0)); // or one that nobody waits for
                self.tell(Input::Fetched { fetch, result });
            }
            28 => self.tell(Input::Started { primitive: PrimitiveKey(choice.into()) }),
            _ => self.tell(Input::Progress { primitive: PrimitiveKey(choice.into()), octets: 1 }),
        }
    }
}

proptest! {
    // TX-7, DC-7, F-6
    #[test]
    fn every_request_is_answered_and_every_dialog_ends_once(seed: u64, choices in prop::collection::vec(any::<u8>(), 1..60)) {
        let mut dice = Dice(Mint::from_number(seed));
        let interpreter = Interpreter::new(Limits::default(), Mint::from_number(seed));
        let mut world = World { interpreter, clock: Duration::ZERO, running: vec![], fetches: vec![], started: 0, exited: 0 };
        for (conn, context) in [("a", 0), ("b", 1)] {
            world.tell(Input::Connected { conn: conn.to_owned(), context: ContextId(context) });
        }
        choices.into_iter().for_each(|choice| world.step(choice, &mut dice));
        for conn in ["a", "b"] {
            world.tell(Input::Disconnected { conn: conn.to_owned() });
        }
        while !world.running.is_empty() {
            world.end(0, End::default());
        }
        prop_assert_eq!(world.interpreter.dialogs(), 0);
        prop_assert_eq!(world.interpreter.deadline(), None);
    }

    // S11, S2
    #[test]
    fn no_octets_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200), seed: u64, cut: u16, put: u8) {
        let _ = check(&body, true);
        let mut text = Dice(Mint::from_number(seed)).document().into_bytes();
        let place = usize::from(cut) % text.len();
        text[place] = put;
        let _ = check(&text, false);
        text.truncate(place);
        prop_assert!(check(&text, false).is_err());
    }
}
