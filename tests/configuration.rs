//! The manual says what the program does: `docs/configuration.md` is made from the table of keys.

use std::{env, fs};

#[test]
fn the_manual_of_the_configuration_is_the_table_of_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let manual = restante::config::manual();
    if env::var_os("RESTANTE_BLESS").is_some() {
        fs::write(path, &manual).expect("docs/ can be written");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == manual,
        "docs/configuration.md is out of date: run RESTANTE_BLESS=1 cargo test --test configuration"
    );
}
