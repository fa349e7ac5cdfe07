//! A mount name space for one test: what it mounts is seen by it and its children alone, and goes with it.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Set in there.
const INSIDE: &str = "RESTANTE_TEST_APART";

/// Tells the rest of the test in a name space of its own, with a directory in which it may mount what it likes.
///
/// Where this machine allows no such thing the test is left; in CI that is a failure.
pub(crate) fn apart(story: impl FnOnce(&Path)) {
    if std::env::var_os(INSIDE).is_some() {
        let dir = TempDir::new().expect("a directory");
        return story(dir.path());
    }
    let Some(mut command) = name_space() else {
        assert!(std::env::var_os("CI").is_none(), "this machine allows no mount");
        return eprintln!("skipped: this machine allows no mount");
    };
    let this = std::thread::current().name().expect("the harness names its threads by their tests").to_owned();
    assert_ne!(this, "main", "with one thread for all tests nobody knows which one this is");
    command.arg(std::env::current_exe().expect("a program")).args(["--exact", &this, "--nocapture"]).env(INSIDE, "1");
    assert!(command.status().expect("it runs").success(), "{this} failed in its name space");
}

/// As root, or as anybody where users may have name spaces.
fn name_space() -> Option<Command> {
    [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].into_iter().find_map(|flags| {
        let command = || {
            let mut command = Command::new("unshare");
            command.args(flags);
            command
        };
        let mut tried = command();
        tried.args(["sh", "-c", "mount -t tmpfs restante /mnt"]).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success()).then(command)
    })
}

/// Runs a program that has to succeed, and gives what it says.
pub(crate) fn sh(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file system in memory at `dir`, which is made.
pub(crate) fn tmpfs(dir: &Path, options: &str) {
    std::fs::create_dir_all(dir).expect("a directory");
    sh("mount", &["-t", "tmpfs", "-o", options, "restante", path(dir)]);
}

/// A path as an argument.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary directory is UTF-8")
}
