//! Holds the architecture, and only that: who may import whom, no circles, and the world only behind its door.
//!
//! The rule and its reason are in `docs/architecture.md`. Tests inside a room (`#[cfg(test)]`) are free.

#[path = "tidy/house.rs"]
mod house;
#[path = "tidy/scan.rs"]
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use house::{File, faults};

/// Written in two halves so that this file doesn't name them itself.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// No text of ours is longer.
const TEXT_OCTETS: u64 = 1 << 20;

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry of the checkout").path();
        let skipped = ["target", ".git", "proptest-regressions"];
        if path.file_name().is_some_and(|name| skipped.iter().any(|skipped| name == *skipped)) {
            continue;
        }
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn checkout() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    found.sort();
    found
}

#[test]
fn the_house_is_built_as_it_is_drawn() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<File> = checkout()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| path.strip_prefix(&src).ok().map(|name| (name.display().to_string(), path)))
        .map(|(name, path)| File::new(&name, &fs::read_to_string(path).expect("a source file")))
        .collect();
    assert!(files.len() > 10, "found only {} source files", files.len());
    let faults = faults(&files);
    assert!(faults.is_empty(), "the house is not as it is drawn:\n{}", faults.join("\n"));
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    for path in checkout() {
        if path.metadata().is_ok_and(|meta| meta.len() > TEXT_OCTETS) {
            continue; // a recording, or somebody's spool
        }
        let Ok(text) = fs::read_to_string(&path) else { continue }; // pictures and recordings
        for (number, line) in text.lines().enumerate() {
            let found = MACHINE_PATHS.iter().find(|machine| line.contains(*machine));
            assert!(found.is_none(), "{}:{} names {}", path.display(), number + 1, found.unwrap_or(&""));
        }
    }
}
