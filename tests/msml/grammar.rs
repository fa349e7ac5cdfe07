//! Documents made of the vocabulary itself: every element, attribute and order that it allows, and then slips.

use restante::model::Mint;
use restante::msml::vocabulary::{self, Need, Shape, Word};

/// A generator of numbers, for documents that a seed reproduces.
pub(crate) struct Dice(pub(crate) Mint);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.number() % bound as u64).expect("an index")
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// An element, still to be damaged.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    name: String,
    word: &'static Word,
    attributes: Vec<(String, String)>,
    children: Vec<Self>,
    text: String,
}

/// Values of a shape and values that are not, each for parser and schema alike.
fn values(shape: Shape) -> (&'static [&'static str], &'static [&'static str]) {
    match shape {
        Shape::Text => (&["a", "", "a &amp; b"], &[]),
        Shape::Filled => (&["http://example.org/a"], &[""]),
        Shape::OneOf(["parallel", ..]) => (&["parallel"], &["serial", "fullduplex", "Parallel", ""]),
        Shape::OneOf(["append", ..]) => (&["append", "copy", "delete", "move"], &["convert", "Copy", ""]),
        Shape::OneOf(choices) => (choices, &["", "neither", "true "]),
        Shape::Version => (&["1.1"], &["1.0", "2", ""]),
        Shape::Instance | Shape::Mark => (&["a", "A:b.c-d_e", "9"], &["", "a b", "a/b", "*"]),
        Shape::Id | Shape::InnerName => (&["a", "9.b-c_d", "record.a"], &["", "_", ".a", "a:b", "a b"]),
        Shape::Namelist => (&["record.len", " play.end  record.end ", ""], &[]),
        Shape::Independent => (&["conn:a", "conf:b"], &["conn:*", "conn:", "conn:a/dialog:b", "a", "oper:a"]),
        Shape::Dialog => {
            (&["conn:a/dialog:b", "conf:a/dialog:b:c"], &["conn:a", "conn:a/dialog:*", "conn:a/dialog:b/play"])
        }
        Shape::Target => (
            &["conn:a/dialog:b/play.x", "conn:a", "conn:a/dialog:b"],
            &["conn:a/b", "conn:a/dialog:b/_", "conn:*", "conn:a/dialog:b/c/d"],
        ),
        Shape::Query => (&["conn:*", "conn:a"], &["*", "conn:a*", "conn:a/dialog:*", "dialog:*"]),
        Shape::States => (
            &[
                "",
                "audit.conn",
                "audit.conn.*",
                " audit.conn.ft.URI\n audit.conn.dialog.* ",
                "audit.conn.sipdialog.localURI",
            ],
            &[
                "audit",
                "audit.*",
                "audit.conn.*.a",
                "audit.conn.",
                "audit.conn.dialog.",
                "audit.conn.ft.x",
                "audit.conn.STREAM",
            ],
        ),
        Shape::Tongue => (&["de", "en-GB-x-1", ""], &["-", "a b", "deutschland", "1a", "de--AT"]),
        Shape::Language => (&["application/moml+xml"], &["application/vxml+xml", "text/x", ""]),
        Shape::Object => {
            (&["spool:/a/b", "file://a", "FILE:/a/b", "file:a"], &["http://example.org/a", "a", "spool:/", "file:"])
        }
        Shape::Place => (&["spool:/a/", "spool:/a/b", "file://a"], &["s3://a/b", "", "spool:", "/a"]),
        Shape::Time => (&["1s", "+.5s", "0ms", "30.25s"], &["60", "-1s", "1m", "", "1.s", " 1s"]),
        Shape::Limit => (&["1s", "+.5s", "30.25s"], &["60", "-1s", "1m", ""]),
        Shape::NoTime => (&["0s", "0.00ms", "+.0s"], &["1s", "0", "x"]),
        Shape::Flag => (&["true", "false"], &["yes", "1", ""]),
        Shape::Times => (&["1", "7", "-1", "forever"], &["0", "-2", "", "x", "5000000000"]),
        Shape::Source => (
            &["spool:/s/1", "file://s", "HTTP://h/s", "xmsrp://?file=s"],
            &["spool:/s/", "http://", "s3://a/b", "", "h"],
        ),
        Shape::Sink => (&["spool:/d/", "spool:/d/1", "https://h/d", "XMSRP:"], &["http:/h", "spool:", "s3://a/b", ""]),
        Shape::Once => (&["1"], &["2", "-1", "forever", "x"]),
        Shape::BoxName => (&["bob", "Bob Q"], &["", "a/b"]),
        Shape::Octets => (&["1", "1048576"], &["0", "-1", "", "1k", "01", "1234567890123456789"]),
        Shape::Count => (&["0", "3", "99"], &["100", "-1", "", "x"]),
        Shape::MediaType => (&["audio/wav", "image/svg+xml"], &["audio", "audio/*", "a/b;c=d", "a/b/c", ""]),
        Shape::MediaTypes => (&["audio/*", " audio/wav  * "], &["", "audio", "*/*", "a/b;c=d", "a/b, c/d"]),
        Shape::Range => (&["1-*", "5-9"], &["0-4", "5", "5-", "*-9", "1-1k", ""]),
        Shape::Digest => (
            &[
                "sha-1:0123456789abcdef0123456789ABCDEF01234567",
                "SHA-256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            ],
            &["", "sha-1:01", "md5:0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef01234567"],
        ),
        Shape::Date => (
            &["Fri, 27 Nov 2026 10:00:00 +0000", "1 Jan 2026 00:00:00 -0130"],
            &["2026-11-27T10:00:00Z", "Fri, 27 Nov 2026 10:00:00 GMT", "Now, 27 Nov 2026 10:00:00 +0000", ""],
        ),
        Shape::Tries => (&["1", "07", "99"], &["0", "00", "100", "-1", "", "x"]),
        Shape::SipUri => (
            &["sip:bob@example.net", "SIPS:b%40c;p=1@[2001:db8::1]:5061;transport=tcp"],
            &[
                "",
                "bob@example.net",
                "sip:example.net",
                "sip:@h",
                "sip:b@",
                "sip:b c@h",
                "tel:+49@h",
                "sip:&lt;b@h&gt;",
            ],
        ),
        Shape::FileName => (&["a b.wav", "\u{e4}&amp;b"], &["", "a&#10;b"]),
    }
}

/// The word of a child: `<send>` has two meanings.
fn word_of(parent: &Word, child: &str) -> &'static Word {
    match (parent.name, child) {
        ("msml", "send") => &vocabulary::SEND,
        (_, "send") => &vocabulary::INNER_SEND,
        _ => vocabulary::WORDS.iter().find(|word| word.name == child).expect("children are words"),
    }
}

impl Node {
    /// A request that strict validation and the schemas accept.
    pub(crate) fn request(dice: &mut Dice) -> Self {
        let mut root = Self::new(&vocabulary::MSML, dice);
        root.attributes.push(("xmlns:ft".to_owned(), "urn:restante:msml-file:1".to_owned()));
        root
    }

    fn new(word: &'static Word, dice: &mut Dice) -> Self {
        let mut attributes = Vec::new();
        for attribute in word.attributes {
            if attribute.need != Need::Never || dice.below(4) == 0 {
                let value = dice.pick(values(attribute.shape).0);
                attributes.push((attribute.name.to_owned(), value.to_owned()));
            }
        }
        let mut node = Self { name: word.name.to_owned(), word, attributes, children: Vec::new(), text: String::new() };
        node.settle(dice);
        let has_src = node.has("src");
        for slot in word.content.iter().filter(|_| !has_src) {
            let least = usize::from(slot.need != Need::Never);
            let many = if slot.many { dice.below(3) } else { dice.below(2) };
            for _ in 0..many.max(least) {
                let child = dice.pick(slot.names);
                node.children.push(Self::new(word_of(word, child), dice));
            }
        }
        // An empty description is beyond schemas.
        let described = matches!(word.name, "dialogstart" | "messageobj") && !has_src;
        let filled = word.filled != Need::Never || described;
        if filled && node.children.is_empty() {
            let child = dice.pick(word.content[0].names);
            node.children.push(Self::new(word_of(word, child), dice));
        }
        let by_client = node.attributes.iter().any(|(name, value)| name == "mode" && value == "as");
        if word.name == "ft:forward" && !by_client {
            let whole = |(name, _): &(String, String)| name != "range" && name != "icon";
            node.children.iter_mut().for_each(|child| child.attributes.retain(whole));
        }
        node
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(known, _)| known == name)
    }

    /// What the meaning of attributes asks for, beyond their shapes.
    fn settle(&mut self, dice: &mut Dice) {
        match self.name.as_str() {
            "ft:receive" => self.attributes.retain(|(name, value)| name != "append" || value == "false"),
            "record" => {
                self.attributes.retain(|(name, value)| name != "append" || value == "false");
                if !["dest", "audiodest", "videodest"].iter().any(|name| self.has(name)) {
                    let name = dice.pick(&["dest", "audiodest", "videodest"]);
                    self.attributes.push((name.to_owned(), "spool:/bob/".to_owned()));
                }
            }
            "fileobj" | "messageobj" | "fileop" => self.settle_file(),
            "dialogstart" if dice.below(4) > 0 => self.attributes.retain(|(name, _)| name != "src"),
            _ => {}
        }
    }

    /// What `src` and `dest` allow together.
    fn settle_file(&mut self) {
        let is = |node: &Self, name: &str, values: &[&str]| {
            node.attributes.iter().any(|(known, value)| known == name && values.contains(&value.as_str()))
        };
        if self.name == "fileop" {
            self.attributes.retain(|(name, _)| name != "dest");
            if !is(self, "operation", &["delete"]) {
                self.attributes.push(("dest".to_owned(), "spool:/d/1".to_owned()));
            }
        }
        if is(self, "append", &["true"]) {
            self.put("dest", "spool:/d/1");
            self.put("src", "spool:/s/1");
        }
        if self.name == "messageobj" && !self.has("src") && is(self, "dest", &["XMSRP:"]) {
            self.put("dest", "spool:/d/"); // a text goes into the spool first
        }
        let away = is(self, "dest", &["https://h/d", "XMSRP:"]);
        if away || is(self, "delete", &["true"]) || self.name == "fileop" {
            self.put("src", "spool:/s/1");
        }
    }

    /// Changes an attribute that is there.
    fn put(&mut self, name: &str, value: &str) {
        for (_, old) in self.attributes.iter_mut().filter(|(known, _)| known == name) {
            value.clone_into(old);
        }
    }

    /// One slip at a place somewhere in it.
    pub(crate) fn slip(&mut self, dice: &mut Dice) {
        if !self.children.is_empty() && dice.below(4) > 0 {
            let index = dice.below(self.children.len());
            return self.children[index].slip(dice);
        }
        let attribute = (!self.attributes.is_empty()).then(|| dice.below(self.attributes.len()));
        let child = (!self.children.is_empty()).then(|| dice.below(self.children.len()));
        match (dice.below(8), attribute, child) {
            (0, Some(index), _) => drop(self.attributes.remove(index)),
            (1 | 2, Some(index), _) => {
                let (name, value) = &mut self.attributes[index];
                let shape = self.word.attributes.iter().find(|known| known.name == name).map(|known| known.shape);
                let bad = shape.map_or(&[][..], |shape| values(shape).1);
                if !bad.is_empty() {
                    dice.pick(bad).clone_into(value);
                }
            }
            (3, ..) if !self.has("colour") => self.attributes.push(("colour".to_owned(), "red".to_owned())),
            (4, _, Some(index)) => drop(self.children.remove(index)),
            (5, _, Some(index)) => self.children.push(self.children[index].clone()),
            (6, _, Some(index)) => self.children.swap(index, 0),
            (7, ..) => self.text = "some text".to_owned(),
            _ => {
                let word = dice.pick(vocabulary::WORDS);
                self.children.push(Self::new(word, dice));
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        let attributes: String = self.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        let children: String = self.children.iter().map(Self::text).collect();
        format!("<{0}{attributes}>{1}{children}</{0}>", self.name, self.text)
    }
}
