//! Bit rot under a running server, which finds it by itself.

use std::fs;
use std::os::unix::fs::FileExt as _;

use super::is_ready;
use super::support::deposit::deposit_works;
use super::support::eventually;
use super::support::server::{House, json, run};

// R9
#[test]
fn the_scrubber_finds_a_flipped_bit_before_anybody_asks_for_the_file() {
    let house = House::new(&[("RESTANTE_SPOOL__SCRUB", "100ms")]);
    let dir = house.dir.path();
    let (good, bad) = (deposit_works(&house.server, "good").uri, deposit_works(&house.server, "bad").uri);
    let found = json(dir, &["spool", "show", &bad, "--json"]);
    let id = found[0]["id"].as_str().expect("an id");
    let body = dir.join("spool/data").join(&id[25..]).join(id);
    let octet = fs::read(&body).expect("a body")[7777];
    // In its place: whoever reads a body that is cut short for a moment concludes nothing from it.
    let file = fs::OpenOptions::new().write(true).open(&body).expect("a body");
    file.write_all_at(&[octet ^ 0x10], 7777).expect("nobody holds it");
    eventually("the damage in the metrics", || {
        house.server.http("/metrics").lines().any(|line| line == "restante_scrub_corrupt_total 1").then_some(())
    });
    house.server.logged(&["ERROR", "object is damaged", id]);
    is_ready(&house.server);
    let aside = json(dir, &["spool", "list", "--corrupt", "--json"]);
    let kinds: Vec<_> =
        aside.iter().filter(|file| file["uri"] == bad.as_str()).map(|file| file["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("body"), Some("envelope")]);
    let left = json(dir, &["spool", "list", "--json"]);
    assert_eq!(left.iter().map(|object| object["uri"].as_str()).collect::<Vec<_>>(), [Some(good.as_str())]);
    assert!(run(dir, &["spool", "verify"]).status.success(), "what is left is sound");
}
