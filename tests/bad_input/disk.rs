//! A disk that is full.

use std::process::{Command, Stdio};

use super::support::deposit::{Depositor, Plan, Promise, deposit_works};
use super::support::server::{Server, serve};
use tempfile::TempDir;

/// Runs a command with a file system of one MiB at `spool`, in a mount name space of its own: nothing has to be
/// cleaned up, and no right is needed where users may have name spaces.
const SMALL_DISK: &str = "mkdir -p spool && mount -t tmpfs -o size=1m restante spool && exec \"$@\"";

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command
}

/// Whether this machine lets us have a small disk.
fn possible() -> bool {
    let mut probe = unshare();
    probe.args(["sh", "-c", "mount -t tmpfs -o size=1m restante /tmp"]).stderr(Stdio::null());
    let possible = probe.status().is_ok_and(|status| status.success());
    if !possible {
        assert!(std::env::var_os("CI").is_none(), "unshare and mount are not allowed here");
        eprintln!("skipped: no mount name space here");
    }
    possible
}

#[test]
fn a_full_disk_stops_the_file_that_fills_it_and_takes_the_next_that_fits() {
    if !possible() {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let server = serve(dir.path(), &[]);
    let mut command = unshare();
    command.current_dir(dir.path()).args(["sh", "-c", SMALL_DISK, "sh"]);
    command.arg(server.get_program()).args(server.get_args());
    let server = Server::launch(dir.path(), command);
    for round in 0..2 {
        let plan = Plan { chunk: 60_000, ..Plan::new(&format!("big{round}"), vec![5; 3_000_000]) };
        let mut depositor = Depositor::connect(&server, &plan).expect("a call");
        let refused = depositor.send(0, &mut Promise::default()).expect("an answer").expect("a refusal");
        let status = refused.status().max(refused.reported());
        assert_eq!(status, 413, "RFC 4975 has no code for a full disk but \"stop\": {refused:?}");
        let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
        assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.storage", "ft.storage"));
        depositor.call.bye().expect("an answer");
        deposit_works(&server, &format!("small{round}"));
    }
}
