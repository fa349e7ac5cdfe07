//! Directory trees as maps of octets, and spools opened in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use restante::io::files::HostFiles;
use restante::model::{Mint, Now, Wall};
use restante::spool::{Index, Keys, Spool};
use tempfile::TempDir;

/// What has nothing in it.
const LEFT_OUT: [&str; 2] = ["lock", "ballast"];

pub(crate) fn now() -> Now {
    Now { wall: Wall::from_micros(1_795_000_000_000_000), ..Now::default() }
}

/// With the key of those that are encrypted.
pub(crate) fn opened(dir: &Path) -> Spool {
    let files = HostFiles::new(dir).expect("a directory");
    let (index, keys) = (Index::in_memory(), Keys::new([("golden".to_owned(), [7; 32])]));
    let opened = Spool::open_with(Arc::new(files), index, keys, Mint::from_number(7), now());
    opened.unwrap_or_else(|error| panic!("{}: {error}", dir.display())).0
}

/// Every file under `dir` by its path.
pub(crate) fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tree = BTreeMap::new();
    let mut dirs = vec![String::new()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(dir.join(&at)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = format!("{at}{}", entry.file_name().into_string().expect("a name of ours"));
            if entry.path().is_dir() {
                dirs.push(path + "/");
            } else if !LEFT_OUT.contains(&path.as_str()) {
                tree.insert(path, fs::read(entry.path()).expect("a file"));
            }
        }
    }
    tree
}

pub(crate) fn write(dir: &Path, tree: &BTreeMap<String, Vec<u8>>) {
    for (path, octets) in tree {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("a directory");
        fs::write(path, octets).expect("a file");
    }
}

/// A copy to play with: what is golden is never opened.
pub(crate) fn copied(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    write(copy.path(), &tree(dir));
    copy
}
