//! A disk that can't sync, as `strace` makes one of a sound disk.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::support::deposit::{Plan, deposit_works};
use super::support::eventually;
use super::support::missing;
use super::support::server::{House, Server, json};
use super::{is_refused, is_stopped, is_unready};

/// Changes what system calls of the server return, until it is dropped.
struct Tampering(Child);

impl Tampering {
    fn with(server: &Server, calls: &str, how: &str) -> Self {
        let (pid, trace, inject) =
            (server.pid().to_string(), format!("trace={calls}"), format!("inject={calls}:{how}"));
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid, "-e", &trace, "-e", &inject]).stderr(Stdio::piped());
        let mut strace = command.spawn().expect("strace runs");
        let mut told = BufReader::new(strace.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let attached = told.any(|line| line.contains("attached"));
        std::thread::spawn(move || told.for_each(drop)); // or it would wait for somebody to read on
        assert!(attached, "strace may not trace the server");
        Self(strace)
    }
}

impl Drop for Tampering {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT); // it then lets the server go
        let _ = self.0.wait();
    }
}

// R5
#[test]
fn a_sync_that_fails_promises_nothing_and_is_never_tried_again() {
    if missing("strace") {
        return;
    }
    let mut house = House::new(&[]);
    deposit_works(&house.server, "before");
    let tampering = Tampering::with(&house.server, "fsync,fdatasync,syncfs", "error=EIO");
    is_stopped(&house.server, &Plan::new("during", vec![5; 30_000]));
    is_unready(&house.server, &["sync of ", "Input/output error"]);
    eventually("the error in the metrics", || {
        let metrics = house.server.http("/metrics");
        let count = metrics.lines().find_map(|line| line.strip_prefix("restante_fsync_errors_total "))?;
        (count.parse::<u64>().expect("a number") > 0).then_some(())
    });
    drop(tampering);
    // The disk would sync again now, and say nothing of what it has lost.
    is_refused(&house.server);
    assert!(house.server.is_running());
    let House { server, dir } = house;
    server.kill();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(json(dir.path(), &["spool", "list", "--json"]).len(), 1, "what was not reported is not there");
    deposit_works(&server, "after");
}

// R6
#[test]
fn a_write_that_is_interrupted_is_taken_up_again() {
    if missing("strace") {
        return;
    }
    let house = House::new(&[]);
    let _tampering = Tampering::with(&house.server, "pwrite64", "error=EINTR:when=1+2");
    deposit_works(&house.server, "proof");
}
