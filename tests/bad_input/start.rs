//! Starts that can't succeed: exit code 1, and a text that says what to do.

use std::fs;
use std::process::{Command, Output, Stdio};

use super::House;
use super::support::eventually;
use super::support::server::serve;
use tempfile::TempDir;

/// Runs a server that must give up by itself.
fn refused(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    eventually("the end of a server that can't start", || child.try_wait().expect("a child can be asked"));
    child.wait_with_output().expect("its output")
}

fn tells(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word} is not in: {text}"));
}

#[test]
fn a_spool_that_cannot_be_written_is_named_with_a_way_out() {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("file"), "").expect("a file where the spool should be");
    tells(&refused(serve(dir.path(), &[("RESTANTE_SPOOL__PATH", "file/spool")])), &["file/spool", "--spool"]);
}

#[test]
fn a_directory_that_is_something_else_is_not_taken_for_a_spool() {
    let dir = TempDir::new().expect("a directory");
    fs::create_dir(dir.path().join("spool")).expect("a directory");
    fs::write(dir.path().join("spool/VERSION"), "restante 99\n").expect("the future");
    tells(&refused(serve(dir.path(), &[])), &["spool", "99"]);
}

#[test]
fn a_spool_that_another_server_has_is_left_alone() {
    let house = House::new(&[]);
    tells(&refused(serve(house.dir.path(), &[])), &["spool", "--spool"]);
    house.ends_well();
}

#[test]
fn an_address_that_is_taken_is_named_with_its_key() {
    let house = House::new(&[]);
    let other = TempDir::new().expect("a directory");
    let taken = format!("tcp:{}", house.server.msrp());
    let output = refused(serve(other.path(), &[("RESTANTE_MSRP__LISTEN", &taken)]));
    tells(&output, &["msrp.listen", house.server.msrp().to_string().as_str()]);
    house.ends_well();
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
    let dir = TempDir::new().expect("a directory");
    tells(&refused(serve(dir.path(), &[("RESTANTE_MSRP__HOLD", "soon")])), &["RESTANTE_MSRP__HOLD", "soon"]);
}
