//! The drawing: rooms, what each may import, and what only the door may touch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::scan::{Path, Role, Scan, scan};

/// Room, and the rooms it may import besides itself.
const TABLE: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("msrp", &["model"]),
    ("sip", &["model"]),
    ("msml", &["model"]),
    ("spool", &["model"]),
    ("config", &["model"]),
    ("sdp", &["model", "msrp"]),
    ("queue", &["model", "spool"]),
    ("notices", &["model", "spool"]),
    ("engine", &["model", "msrp", "sip", "msml", "spool", "sdp", "queue", "notices"]),
    ("io", &["model", "msrp", "sip", "msml", "spool", "sdp", "queue", "notices", "engine", "config"]),
    ("cli", &["model", "msrp", "sip", "msml", "spool", "sdp", "queue", "notices", "engine", "config", "io"]),
];

/// Only these rooms touch the world.
const DOORS: [&str; 2] = ["io", "cli"];

/// Beginnings of foreign paths that touch the world, with what to do instead.
const WORLD: [(&[&str], &str); 10] = [
    (&["tokio"], "sans-IO: take the event as an input"),
    (&["std", "fs"], "files come through a trait that io/ implements"),
    (&["std", "net", "Tcp"], "sockets live in io/"),
    (&["std", "net", "Udp"], "sockets live in io/"),
    (&["std", "time", "Instant"], "time comes in as `Now`"),
    (&["std", "time", "SystemTime"], "time comes in as `Now`"),
    (&["std", "thread"], "threads live in io/"),
    (&["rand"], "chance comes in as `Mint`"),
    (&["getrandom"], "chance comes in as `Mint`"),
    (&["socket2"], "sockets live in io/"),
];

/// Ends of paths that read a clock, whatever the type was imported as.
const CLOCKS: [&[&str]; 4] = [&["Instant", "now"], &["SystemTime", "now"], &["Utc", "now"], &["Local", "now"]];

/// A source file, named from `src/` on.
pub(crate) struct File {
    name: String,
    module: Vec<String>,
    scan: Scan,
}

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let stem = name.strip_suffix(".rs").unwrap_or(name);
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if matches!(stem, "lib" | "main") || stem.ends_with("/mod") {
            module.pop();
        }
        Self { name: name.to_owned(), module, scan: scan(text) }
    }

    fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }
}

/// Everything that is not as drawn, one line each.
pub(crate) fn faults(files: &[File]) -> Vec<String> {
    let house = House::new(files);
    let mut faults = Vec::new();
    for file in &house.files {
        if file.room().is_some_and(|room| TABLE.iter().all(|(known, _)| *known != room)) {
            faults.push(format!("src/{}: no such room in tests/tidy/house.rs and docs/architecture.md", file.name));
        }
        faults.extend(
            file.scan
                .unsafe_lines
                .iter()
                .map(|line| format!("src/{}:{line}: `unsafe`; there is always another way", file.name)),
        );
        for path in &file.scan.paths {
            faults.extend(house.foreign(file, path));
            faults.extend(house.neighbour(file, path));
        }
    }
    faults.extend(house.circles());
    faults
}

struct House<'a> {
    files: Vec<&'a File>,
    modules: BTreeMap<&'a [String], usize>,
}

impl<'a> House<'a> {
    fn new(files: &'a [File]) -> Self {
        let tests: BTreeSet<Vec<String>> = files
            .iter()
            .flat_map(|file| {
                file.scan
                    .test_children
                    .iter()
                    .map(|child| [file.module.as_slice(), std::slice::from_ref(child)].concat())
            })
            .collect();
        let in_tests = |file: &File| (1..=file.module.len()).any(|end| tests.contains(&file.module[..end]));
        let files: Vec<&File> = files.iter().filter(|file| !in_tests(file)).collect();
        // lib.rs and main.rs are both the root; the library's is the one that others mean.
        let named = files.iter().enumerate().filter(|(_, file)| file.name != "main.rs");
        let modules = named.map(|(index, file)| (file.module.as_slice(), index)).collect();
        Self { files, modules }
    }

    /// The path from the root of the house, or `None` if it leads outside.
    fn inner(&self, file: &File, path: &Path) -> Option<Vec<String>> {
        let mut here = [file.module.as_slice(), &path.inside].concat();
        let mut rest = path.segments.as_slice();
        match rest.first()?.as_str() {
            "crate" | "restante" => here.clear(),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
                return Some([here.as_slice(), rest].concat());
            }
            child if file.scan.children.iter().any(|known| known == child) => {
                return Some([file.module.as_slice(), rest].concat());
            }
            _ => return None,
        }
        Some([here.as_slice(), &rest[1..]].concat())
    }

    /// The file a path really leads to: through what other files hand on, to where the thing is.
    fn target(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        for _hop in 0..8 {
            let end = (0..=path.len()).rev().find(|end| self.modules.contains_key(&path[..*end]))?;
            let index = self.modules[&path[..end]];
            let file = self.files[index];
            let handed_on = path.get(end).and_then(|name| {
                let mut imports =
                    file.scan.paths.iter().filter(|import| import.role != Role::Code && import.inside.is_empty());
                imports.find(|import| import.segments.last() == Some(name)).and_then(|import| self.inner(file, import))
            });
            match handed_on {
                Some(onward) if onward != path => path = onward,
                _ => return Some(index),
            }
        }
        None
    }

    fn neighbour(&self, file: &File, path: &Path) -> Option<String> {
        let (room, inner) = (file.room()?, self.inner(file, path)?);
        let other = inner.first().filter(|segment| TABLE.iter().any(|(known, _)| known == segment))?;
        let (_, allowed) = TABLE.iter().find(|(known, _)| *known == room)?;
        if other == room || allowed.contains(&other.as_str()) {
            return None;
        }
        let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        Some(format!(
            "src/{}:{}: {room} imports {other} ({}); it may import {list}",
            file.name,
            path.line,
            path.segments.join("::")
        ))
    }

    fn foreign(&self, file: &File, path: &Path) -> Option<String> {
        if file.room().is_none_or(|room| DOORS.contains(&room)) || self.inner(file, path).is_some() {
            return None;
        }
        let written = path.segments.join("::");
        let clock = CLOCKS.iter().any(|clock| ends(&path.segments, clock));
        let why = WORLD.iter().find(|(world, _)| begins(&path.segments, world)).map(|(_, why)| *why);
        let why = why.or_else(|| clock.then_some("time comes in as `Now`"))?;
        Some(format!("src/{}:{}: {written} outside io/ and cli/; {why}", file.name, path.line))
    }

    /// For each file the files it leans on. What a file only hands on, it doesn't lean on.
    fn leans(&self) -> Vec<BTreeSet<usize>> {
        let leans = |(index, file): (usize, &&File)| {
            let used = file.scan.paths.iter().filter(|path| path.role != Role::Export);
            let found = used.filter_map(|path| self.target(&self.inner(file, path)?));
            found.filter(|target| *target != index).collect()
        };
        self.files.iter().enumerate().map(leans).collect()
    }

    /// The shortest way from each file back to itself; each circle is told once.
    fn circles(&self) -> Vec<String> {
        let (leans, mut told, mut faults) = (self.leans(), BTreeSet::new(), Vec::new());
        for start in 0..self.files.len() {
            let Some(way) = way_back(&leans, start) else { continue };
            if told.contains(&start) {
                continue;
            }
            let names: Vec<&str> = way.iter().map(|index| self.files[*index].name.as_str()).collect();
            told.extend(way);
            faults.push(format!("import circle: src/{}", names.join(" -> src/")));
        }
        faults
    }
}

fn way_back(leans: &[BTreeSet<usize>], start: usize) -> Option<Vec<usize>> {
    let (mut from, mut queue) = (BTreeMap::new(), VecDeque::from([start]));
    while let Some(index) = queue.pop_front() {
        for next in &leans[index] {
            if *next == start {
                let mut way = vec![start, index];
                while let Some(before) = from.get(way.last()?) {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(next) {
                from.insert(*next, index);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// Whether the path begins like this; the last segment may be the beginning of a name (`Tcp` of `TcpStream`).
fn begins(path: &[String], world: &[&str]) -> bool {
    let (last, before) = world.split_last().expect("the table names something");
    path.len() >= world.len()
        && path.iter().zip(before).all(|(segment, wanted)| segment == wanted)
        && if before.len() == 2 { path[before.len()].starts_with(last) } else { path[before.len()] == *last }
}

fn ends(path: &[String], clock: &[&str]) -> bool {
    path.len() >= clock.len() && path[path.len() - clock.len()..].iter().eq(clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        faults(&files.iter().map(|(name, text)| File::new(name, text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_room_that_imports_upwards_is_named_with_its_line() {
        let found = found(&[
            ("msrp/frame.rs", "use crate::model::Now;\nuse crate::{model, engine::Engine};"),
            ("sdp/mod.rs", "use super::msrp::Uri;"),
        ]);
        assert_eq!(found, ["src/msrp/frame.rs:2: msrp imports engine (crate::engine::Engine); it may import model"]);
    }

    #[test]
    fn a_room_nobody_drew_is_no_room() {
        assert_eq!(found(&[("util/mod.rs", ""), ("helpers.rs", "")]).len(), 2);
    }

    #[test]
    fn a_path_in_code_counts_like_a_use() {
        let found = found(&[("spool/sweep.rs", "fn f() { let x = crate::sip::Call::new(); }")]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn the_world_is_touched_behind_the_door_alone() {
        for world in [
            "use tokio::net::TcpStream;",
            "use std::{fmt, fs};",
            "use std::net::{IpAddr, UdpSocket};",
            "fn f() { Instant::now(); }",
            "fn f() { std::time::SystemTime::now(); }",
            "fn f() { rand::random() }",
            "use std::fs::File;",
            "use chrono::Utc;\nfn f() { Utc::now(); }",
        ] {
            assert_eq!(found(&[("sip/call.rs", world)]).len(), 1, "{world}");
            assert_eq!(
                found(&[("io/files.rs", world), ("main.rs", world), ("cli/serve.rs", world)]),
                [""; 0],
                "{world}"
            );
        }
    }

    #[test]
    fn addresses_are_values_and_words_in_comments_strings_and_tests_are_free() {
        let text = r##"
            use std::net::{IpAddr, SocketAddr}; // tokio::spawn
            /* std::fs /* nested */ Instant::now() */
            const A: &str = "unsafe tokio::spawn \" std::fs";
            const B: &str = r#"Instant::now() " "#;
            const C: char = '"'; fn f<'a>(x: &'a str) -> char { '\'' }
            #[cfg(test)] mod tests { use std::fs; use crate::engine::Engine; fn g() { if true {} } }
            fn after() {}
        "##;
        assert_eq!(found(&[("msml/xml.rs", text)]), [""; 0]);
        assert_eq!(found(&[("msml/mod.rs", "#[cfg(test)]\nmod tests;"), ("msml/tests.rs", "use std::fs;")]), [""; 0]);
        assert_eq!(found(&[("msml/xml.rs", &format!("{text} use tokio::spawn;"))]).len(), 1);
    }

    #[test]
    fn two_files_that_lean_on_each_other_are_a_circle_even_through_what_their_room_hands_on() {
        let room = ("msrp/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;");
        let circle = found(&[room, ("msrp/a.rs", "use super::B;"), ("msrp/b.rs", "use crate::msrp::a::A;")]);
        assert_eq!(circle, ["import circle: src/msrp/a.rs -> src/msrp/b.rs -> src/msrp/a.rs"]);
        assert_eq!(found(&[room, ("msrp/a.rs", "use super::B;"), ("msrp/b.rs", "fn f() {}")]), [""; 0]);
    }

    #[test]
    fn a_room_may_hand_on_its_children_but_not_lean_on_those_that_lean_on_it() {
        let child = ("sdp/file.rs", "use super::Error;");
        assert_eq!(found(&[("sdp/mod.rs", "mod file;\npub use file::File;\npub enum Error {}"), child]), [""; 0]);
        let found = found(&[("sdp/mod.rs", "mod file;\npub enum Error {}\nfn f() { file::read() }"), child]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn an_inline_modules_super_is_its_own_file() {
        let text = "mod inner { use super::super::b::B; use super::X; }";
        assert_eq!(found(&[("sip/a.rs", text), ("sip/b.rs", "")]), [""; 0]);
        assert_eq!(found(&[("sip/a.rs", text), ("sip/b.rs", "use super::a::X;")]).len(), 1);
    }

    #[test]
    fn the_unsafe_keyword_is_found_wherever_it_stands() {
        assert_eq!(found(&[("io/files.rs", "\nfn f() { unsafe { g() } }")]).len(), 1);
    }
}
