//! Spools that releases have written, kept octet for octet under `tests/golden`: every later release has to open them.
//!
//! `RESTANTE_BLESS=1 cargo test --test spool_golden the_format` writes those of the release in `Cargo.toml`.

#[path = "spool_golden/disk.rs"]
mod disk;
#[path = "spool_golden/inventory.rs"]
mod inventory;
#[path = "spool_golden/newer.rs"]
mod newer;
#[path = "spool_golden/scenes.rs"]
mod scenes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use disk::{copied, tree};
use scenes::{SCENES, Scene};

/// The file beside a golden spool that says what is in it.
const INVENTORY: &str = "inventory.json";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name of ours");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry")).filter(|e| e.path().is_dir()).map(name).collect();
    names.sort();
    names
}

/// Every golden spool, as `RELEASE/SCENE`.
fn all() -> Vec<PathBuf> {
    let releases = names(&golden()).into_iter().map(|release| golden().join(release));
    releases.flat_map(|release| names(&release).into_iter().map(move |scene| release.join(scene))).collect()
}

/// A scene played again by this code: its spool, and what is in it.
fn played(scene: &Scene, dir: &Path) -> (BTreeMap<String, Vec<u8>>, String) {
    (scene.play)(dir);
    let written = tree(dir);
    let copy = copied(dir);
    (written, inventory::taken(copy.path()))
}

// R20
#[test]
fn the_format_of_this_release_is_the_one_that_lies_in_its_golden_spools() {
    for scene in SCENES {
        let dir = tempfile::tempdir().expect("a directory");
        let (written, inventory) = played(scene, dir.path());
        let place = golden().join(env!("CARGO_PKG_VERSION")).join(scene.name);
        if std::env::var_os("RESTANTE_BLESS").is_some() {
            let _ = fs::remove_dir_all(&place); // it may be the first of its kind
            disk::write(&place.join("spool"), &written);
            fs::write(place.join(INVENTORY), &inventory).expect("an inventory");
        }
        let kept = if place.is_dir() { tree(&place.join("spool")) } else { BTreeMap::new() };
        let differing: Vec<_> =
            written.keys().chain(kept.keys()).filter(|path| written.get(*path) != kept.get(*path)).collect();
        assert!(
            differing.is_empty(),
            "{}: the format has changed in {differing:?}: if that is meant, older releases leave alone what they would \
             misread, and spool/README.md says so, run RESTANTE_BLESS=1 cargo test --test spool_golden the_format",
            scene.name
        );
    }
}

// R20
#[test]
fn every_golden_spool_opens_with_the_objects_stages_and_damage_it_was_left_with() {
    assert!(!all().is_empty(), "there is nothing in {}", golden().display());
    for place in all() {
        let expected = fs::read_to_string(place.join(INVENTORY)).expect("an inventory");
        let copy = copied(&place.join("spool"));
        assert_eq!(inventory::taken(copy.path()), expected, "{}", place.display());
    }
}

#[test]
fn opening_a_golden_spool_changes_no_object_no_state_and_nothing_that_was_set_aside() {
    for place in all() {
        let copy = copied(&place.join("spool"));
        let kept = |tree: BTreeMap<String, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
            let settled = |path: &str| {
                ["queued/", "data/", "state/", "corrupt/", "VERSION"].iter().any(|dir| path.starts_with(dir))
            };
            tree.into_iter().filter(|(path, _)| settled(path)).collect()
        };
        let before = kept(tree(copy.path()));
        drop(disk::opened(copy.path()));
        assert!(before == kept(tree(copy.path())), "{}", place.display());
    }
}

#[test]
fn a_stage_of_a_golden_spool_goes_on_where_it_was_broken_off() {
    let mut resumed = 0;
    for place in all() {
        let copy = copied(&place.join("spool"));
        resumed += scenes::resume(&disk::opened(copy.path()));
    }
    assert!(resumed > 0, "no golden spool has a stage");
}
