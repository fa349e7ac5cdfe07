//! Reads a source file as far as the architecture needs it: which paths it names, outside of tests.

/// A path as written, `super::frame::Head` say, with groups taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Names of the inline modules it stands in.
    pub(crate) inside: Vec<String>,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// In code.
    Code,
    /// `use`, for this module and those below it.
    Import,
    /// `pub use`: handed on.
    Export,
}

/// What one file says of itself.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) paths: Vec<Path>,
    /// `mod name;` of modules in their own files.
    pub(crate) children: Vec<String>,
    /// `#[cfg(test)] mod name;`
    pub(crate) test_children: Vec<String>,
    /// Lines with the keyword `unsafe`.
    pub(crate) unsafe_lines: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Identifiers, `::` and single signs; comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (bytes, mut at, mut line, mut found) = (text.as_bytes(), 0, 1, Vec::new());
    while at < bytes.len() {
        let length = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => text[at..].find('\n').unwrap_or(text.len() - at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment(&bytes[at..]),
            b'"' => quoted(&bytes[at..]),
            b'r' if raw_hashes(&bytes[at + 1..]).is_some() => 1 + raw(&text[at + 1..]),
            b'\'' => character(&text[at..]),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let length = text[at..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                let prefix = &text[at..at + length];
                // b"..", br"..", c"..": the prefix is not a word of its own.
                let is_prefix =
                    matches!(prefix, "b" | "c" | "br" | "cr") && matches!(bytes.get(at + length), Some(b'"' | b'#'));
                if !is_prefix {
                    found.push(Token { text: prefix, line });
                }
                match (is_prefix, prefix.ends_with('r')) {
                    (true, true) => length + raw(&text[at + length..]),
                    _ => length,
                }
            }
            b':' if bytes[at..].starts_with(b"::") => {
                found.push(Token { text: "::", line });
                2
            }
            byte if byte.is_ascii() && !byte.is_ascii_whitespace() => {
                found.push(Token { text: &text[at..=at], line });
                1
            }
            _ => 1,
        };
        line += bytes[at..at + length].iter().filter(|byte| **byte == b'\n').count();
        at += length;
    }
    found
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len().min(at + 1)
}

/// How many hashes a raw string has that begins here; `None` if none begins.
fn raw_hashes(bytes: &[u8]) -> Option<usize> {
    let hashes = bytes.iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(hashes) == Some(&b'"')).then_some(hashes)
}

fn raw(text: &str) -> usize {
    let Some(hashes) = raw_hashes(text.as_bytes()) else { return 0 };
    let end = format!("\"{}", "#".repeat(hashes));
    text[hashes + 1..].find(&end).map_or(text.len(), |found| hashes + 1 + found + end.len())
}

/// `'x'` and `'\n'` are characters; of a lifetime only the quote is passed over.
fn character(text: &str) -> usize {
    if text[1..].starts_with('\\') {
        return text[3..].find('\'').map_or(1, |end| end + 4);
    }
    let mut rest = text[1..].char_indices().skip(1);
    match rest.next() {
        Some((end, '\'')) => end + 2,
        _ => 1,
    }
}

fn is_name(token: &Token<'_>) -> bool {
    token.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Walks the tokens of one file once.
struct Walk<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    inside: Vec<(String, usize)>,
    scan: Scan,
}

/// Reads one file.
pub(crate) fn scan(text: &str) -> Scan {
    let mut walk = Walk { tokens: tokens(text), at: 0, depth: 0, inside: Vec::new(), scan: Scan::default() };
    while walk.at < walk.tokens.len() {
        walk.step();
    }
    walk.scan
}

impl<'a> Walk<'a> {
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn step(&mut self) {
        match self.text(0) {
            "#" if self.is_cfg_test() => self.skip_test(),
            "mod" => self.module(),
            "use" => self.import(),
            "{" => (self.depth, self.at) = (self.depth + 1, self.at + 1),
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.inside.retain(|(_, depth)| *depth <= self.depth);
                self.at += 1;
            }
            "unsafe" => {
                self.scan.unsafe_lines.push(self.tokens[self.at].line);
                self.at += 1;
            }
            _ if is_name(&self.tokens[self.at]) && self.text(1) == "::" => self.path(&[], Role::Code),
            _ => self.at += 1,
        }
    }

    fn is_cfg_test(&self) -> bool {
        (0..7).map(|ahead| self.text(ahead)).eq(["#", "[", "cfg", "(", "test", ")", "]"])
    }

    /// Passes over the item that `#[cfg(test)]` stands before.
    fn skip_test(&mut self) {
        self.at += 7;
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "mod" if depth == 0 && self.text(2) == ";" => self.scan.test_children.push(self.text(1).to_owned()),
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let ends = depth == 0 && matches!(self.text(0), ";" | "}");
            self.at += 1;
            if ends {
                return;
            }
        }
    }

    fn module(&mut self) {
        let name = self.text(1).to_owned();
        match self.text(2) {
            "{" => {
                self.depth += 1;
                self.inside.push((name, self.depth));
            }
            _ => self.scan.children.push(name),
        }
        self.at += 3;
    }

    fn import(&mut self) {
        let before = self.at.checked_sub(1).map_or("", |before| self.tokens[before].text);
        let role = if matches!(before, "pub" | ")") { Role::Export } else { Role::Import };
        self.at += 1;
        if self.text(0) == "::" {
            self.at += 1;
        }
        self.path(&[], role);
    }

    /// `a::b::{c, d::*}` from here on, with what stands before it.
    fn path(&mut self, before: &[String], role: Role) {
        let (mut segments, line) = (before.to_vec(), self.tokens.get(self.at).map_or(0, |token| token.line));
        loop {
            match self.text(0) {
                "{" if role != Role::Code => return self.group(&segments, role),
                "*" if role != Role::Code => {
                    segments.push("*".to_owned());
                    self.at += 1;
                }
                name if self.tokens.get(self.at).is_some_and(is_name) => {
                    segments.push(name.to_owned());
                    self.at += 1;
                }
                _ => {}
            }
            if self.text(0) != "::" {
                break;
            }
            self.at += 1;
        }
        let inside = self.inside.iter().map(|(name, _)| name.clone()).collect();
        self.scan.paths.push(Path { segments, line, inside, role });
    }

    fn group(&mut self, before: &[String], role: Role) {
        self.at += 1;
        while self.at < self.tokens.len() && self.text(0) != "}" {
            match self.text(0) {
                "," => self.at += 1,
                "as" => self.at += 2,
                _ => self.path(before, role),
            }
        }
        self.at += 1;
    }
}
