//! Disks that are full, and disks that are kept from being.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::deposit::{Depositor, Plan, Promise, deposit_works};
use super::support::eventually;
use super::support::server::{Server, serve};
use tempfile::TempDir;

/// Runs a command with a file system of one MiB at `spool`. Its mount name space ends with it.
const SMALL_DISK: &str = "mkdir -p spool && mount -t tmpfs -o size=1m restante spool && exec \"$@\"";

/// A way to a mount name space of our own: as root, or as anybody where users may have name spaces.
fn unshare(dir: &Path) -> Option<Command> {
    [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].into_iter().find_map(|flags| {
        let command = || {
            let mut command = Command::new("unshare");
            command.current_dir(dir).args(flags).args(["sh", "-c", SMALL_DISK, "sh"]);
            command
        };
        let possible = command().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        possible.then(command)
    })
}

/// The message ends in 413 and the dialog in `ft.storage`.
fn is_stopped(server: &Server, plan: &Plan) {
    let mut depositor = Depositor::connect(server, plan).expect("a call");
    let refused = depositor.send(0, &mut Promise::default()).expect("an answer").expect("a refusal");
    // RFC 4975 §10.5: the nearest there is to "the disk is full" is "stop".
    assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
    let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.storage", "ft.storage"));
    depositor.call.bye().expect("an answer");
}

#[test]
fn a_full_disk_stops_the_file_that_fills_it_and_takes_the_next_that_fits() {
    let dir = TempDir::new().expect("a directory");
    let Some(mut command) = unshare(dir.path()) else {
        // A right of the machine that no package brings, so CI may lack it too.
        return eprintln!("skipped: this machine allows no mount");
    };
    let server = serve(dir.path(), &[]);
    command.arg(server.get_program()).args(server.get_args());
    let server = Server::launch(dir.path(), command);
    for round in 0..2 {
        is_stopped(&server, &Plan { chunk: 60_000, ..Plan::new(&format!("big{round}"), vec![5; 3_000_000]) });
        deposit_works(&server, &format!("small{round}"));
    }
}

#[test]
fn a_file_that_would_eat_into_the_reserve_is_refused_and_the_operator_is_told() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::launch_any(dir.path(), serve(dir.path(), &[("RESTANTE_SPOOL__RESERVE", "900000GiB")]));
    is_stopped(&server, &Plan::new("m1", vec![5; 10_000]));
    let told = || {
        let answer = server.http("/readyz");
        (answer.starts_with("HTTP/1.1 503") && answer.contains("in reserve")).then_some(())
    };
    eventually("a reason in /readyz", told);
}
