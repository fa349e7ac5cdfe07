//! `restante serve` as a child process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, eventually};

const CONFIGURATION: &str = r#"
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[msrp]
listen = ["tcp:127.0.0.1:0"]
[http]
listen = "127.0.0.1:0"
[spool]
path = "spool"
reserve = 0
high_water = "100%"
low_water = "100%"
"#;

/// A server that runs. It is killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    listening: Value,
}

impl Server {
    /// Starts one in `dir`, whose spool is `dir/spool`; variables change its settings.
    pub(crate) fn start(dir: &Path, variables: &[(&str, &str)]) -> Self {
        Self::launch(dir, serve(dir, variables))
    }

    /// Starts one by this command, which ends in being the server, and waits until it is ready.
    pub(crate) fn launch(dir: &Path, command: Command) -> Self {
        let server = Self::launch_any(dir, command);
        eventually("readiness", || server.http("/readyz").starts_with("HTTP/1.1 200").then_some(()));
        server
    }

    /// Starts one that need not become ready.
    pub(crate) fn launch_any(dir: &Path, mut command: Command) -> Self {
        let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log");
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = BufReader::new(stdout).read_line(&mut text);
            let _ = line.send(text);
        });
        let first = lines.recv_timeout(PATIENCE).unwrap_or_default();
        let listening = serde_json::from_str(&first).unwrap_or_default();
        let server = Self { child, dir: dir.to_owned(), listening };
        assert!(server.listening["http"].is_string(), "the server does not start:\n{}", server.log());
        server
    }

    pub(crate) fn sip(&self, transport: &str) -> SocketAddr {
        address(&self.listening["sip"], transport)
    }

    pub(crate) fn msrp(&self) -> SocketAddr {
        self.msrp_by("tcp")
    }

    pub(crate) fn msrp_by(&self, transport: &str) -> SocketAddr {
        address(&self.listening["msrp"], transport)
    }

    /// SIGHUP: it reads its certificates again.
    pub(crate) fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is alive");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sets a limit of the running process by its name in prlimit(1).
    pub(crate) fn limit(&self, what: &str, limit: u64) {
        let status =
            Command::new("prlimit").args(["--pid", &self.pid().to_string(), &format!("--{what}={limit}")]).status();
        assert!(status.is_ok_and(|status| status.success()), "prlimit --{what}={limit}");
    }

    /// Where its HTTP door is.
    pub(crate) fn door(&self) -> SocketAddr {
        self.listening["http"].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// The whole answer to a GET; empty if there is none.
    pub(crate) fn http(&self, path: &str) -> String {
        let mut answer = String::new();
        let Ok(mut stream) = TcpStream::connect(self.listening["http"].as_str().expect("an address")) else {
            return answer;
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        if stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(request.as_bytes())).is_ok() {
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }

    /// Everything it has written on standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Waits for a line of the log that has all these words.
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        let find = || {
            let log = self.log();
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        };
        eventually(&format!("{words:?} in the log"), find)
    }

    /// A number of `/proc/PID/status`, in KiB: `VmRSS` is the memory it has, `VmHWM` the most it has had.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a number");
        line.trim().trim_end_matches(" kB").parse().expect("KiB")
    }

    /// Processor time it has taken, in clock ticks of the kernel.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a process");
        let after_name = stat.rsplit_once(") ").expect("a name in brackets").1;
        // proc(5): fields 14 and 15, of which two came before.
        after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// SIGKILL, while others still talk to it: no farewell of any kind.
    pub(crate) fn shoot(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        self.end();
    }
}

fn address(list: &Value, transport: &str) -> SocketAddr {
    let mut all = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    let found = all.find_map(|text| text.strip_prefix(transport)?.strip_prefix(':')?.parse().ok());
    found.expect("the server listens by this transport")
}

/// `restante serve` in `dir`, not yet started.
pub(crate) fn serve(dir: &Path, variables: &[(&str, &str)]) -> Command {
    fs::write(dir.join("restante.toml"), CONFIGURATION).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command.current_dir(dir).args(["serve", "--json"]).envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs another command of the program in `dir`.
pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    run_with(dir, &[], arguments)
}

/// As [`run`], with more variables.
pub(crate) fn run_with(dir: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command.current_dir(dir).envs(variables.iter().copied()).args(arguments);
    command.output().expect("the command runs")
}

/// The lines of a command that must end well, as JSON.
pub(crate) fn json(dir: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = run(dir, arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A server with a spool of its own.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

impl House {
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Server::start(dir.path(), variables);
        Self { server, dir }
    }
}
