//! Encryption at rest in the real process: a file comes by MSRP and goes by MSRP, and the whole spool knows nothing of it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::Chance;
use support::deposit::{Depositor, Plan, Promise, deposit};
use support::server::{Server, json, run, serve};
use tempfile::TempDir;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A place for a spool, with two keys.
fn house() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("one.key"), format!("{KEY}\n")).expect("a key");
    fs::write(dir.path().join("two.key"), format!("{}\n", KEY.replace('0', "a"))).expect("a key");
    dir
}

/// A server that encrypts every box but one.
fn start(dir: &Path, keys: &str) -> Server {
    let command = serve(dir, &[]);
    let file = dir.join("restante.toml");
    let boxes = format!("keys = [{keys}]\n[[boxes]]\nmatch = \"open\"\n[[boxes]]\nmatch = \"*\"\nencrypt = true\n");
    let text = fs::read_to_string(&file).expect("a configuration") + &boxes;
    fs::write(file, text).expect("a configuration");
    Server::launch(dir, command)
}

/// Random octets that cannot be there by chance; each frame has some of them.
fn plan(id: &str) -> Plan {
    Plan { chunk: 60_000, ..Plan::new(id, Chance::new(7).octets(300_000)) }
}

/// Files under the spool that have any 24 octets of the content, or its name or type, in them.
fn betrayed(dir: &Path, plan: &Plan) -> Vec<PathBuf> {
    let needles: Vec<Vec<u8>> = plan.content.chunks(10_000).map(|chunk| chunk[..24].to_vec()).collect();
    let words = [format!("{}.bin", plan.message_id).into_bytes(), plan.sha256().into_bytes(), KEY.as_bytes().to_vec()];
    let needles: Vec<_> = needles.into_iter().chain(words).collect();
    let (mut dirs, mut told) = (vec![dir.join("spool")], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let Ok(octets) = fs::read(&path) else { continue }; // the server has just removed it
            if needles.iter().any(|needle| memchr::memmem::find(&octets, needle).is_some()) {
                told.push(path);
            }
        }
    }
    told
}

#[test]
fn a_file_that_breaks_off_goes_on_after_a_restart_and_comes_back_whole_and_the_spool_tells_nobody() {
    let dir = house();
    let plan = plan("canary-in-the-name");
    let mut promise = Promise::default();
    {
        let server = start(dir.path(), "\"one:one.key\"");
        let mut depositor = Depositor::connect(&server, &plan).expect("a call");
        let whole = std::mem::replace(&mut depositor.plan.content, plan.content[..180_000].to_vec());
        depositor.send(0, &mut promise).expect("chunks");
        assert_eq!(betrayed(dir.path(), &plan), Vec::<PathBuf>::new(), "while it arrives");
        depositor.plan.content = whole;
        drop(depositor);
        support::eventually("a stage that waits", || {
            let stages = json(dir.path(), &["spool", "stages", "--json"]);
            stages.first().filter(|stage| stage["durable"] == 131_072).map(drop)
        });
    }
    assert_eq!(betrayed(dir.path(), &plan), Vec::<PathBuf>::new(), "after the server was killed");
    let server = start(dir.path(), "\"one:one.key\"");
    let mut depositor = Depositor::connect(&server, &plan).expect("a call");
    depositor.send(120_000, &mut promise).expect("the rest");
    depositor.finish(&mut promise).expect("a report and an exit");
    assert!(promise.reported && promise.complete, "{promise:?}");
    assert_eq!(betrayed(dir.path(), &plan), Vec::<PathBuf>::new(), "when it is an object");
    let open = Plan { mailbox: "open".to_owned(), message_id: "not-hidden".to_owned(), ..plan.clone() };
    deposit(&server, &open, &mut Promise::default()).expect("a deposit");
    assert!(!betrayed(dir.path(), &open).is_empty(), "the search finds what is not encrypted");
    let sip = server.sip("udp").to_string();
    let out = dir.path().join("out.bin");
    let arguments = ["retrieve", &promise.uri, "--server", &format!("sip:{sip}"), "-o", out.to_str().expect("a path")];
    let output = run(dir.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(&out).expect("the file") == plan.content);
}

#[test]
fn the_commands_need_the_key_and_say_so_and_rewrap_moves_to_the_next() {
    let dir = house();
    let plan = plan("m1");
    let mut promise = Promise::default();
    let server = start(dir.path(), "\"one:one.key\"");
    deposit(&server, &plan, &mut promise).expect("a deposit");
    server.kill();
    let spool = |keys: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_restante"));
        command.current_dir(dir.path()).env("RESTANTE_SPOOL__KEYS", keys).arg("spool").args(arguments);
        let output = command.output().expect("the command runs");
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    for arguments in [&["list"][..], &["verify"], &["show", &promise.uri], &["export", "--to", "out"]] {
        let (done, _, why) = spool("other:two.key", arguments);
        assert!(!done && why.contains("spool.keys"), "{arguments:?}: {why}");
    }
    let (done, lines, _) = spool("other:two.key", &["verify", "--json"]);
    assert!(!done && lines.contains("\"key\":\"one\""), "{lines}");
    let (done, _, why) = spool("two:two.key", &["rewrap"]);
    assert!(!done && why.contains("1 objects stay with the key one"), "{why}");
    let (done, told, why) = spool("two:two.key,one:one.key", &["rewrap"]);
    assert!(done && told.contains("1 objects have moved to the key two"), "{told} {why}");
    for arguments in [&["list"][..], &["verify"], &["show", &promise.uri], &["export", "--to", "out"]] {
        let (done, _, why) = spool("two:two.key", arguments);
        assert!(done, "{arguments:?}: {why}");
    }
    let exported =
        fs::read_dir(dir.path().join("out/boxes/bob")).expect("a box").next().expect("a file").expect("an entry");
    assert!(fs::read(exported.path()).expect("a file") == plan.content);
    // What notices are sealed by has moved, too; a server without it would go on, and leave them where they are.
    let server = start(dir.path(), "\"other:one.key\"");
    server.logged(&["ERROR", "the outbox of notices waits for its key"]);
    server.kill();
    let server = start(dir.path(), "\"two:two.key\"");
    assert_eq!(server.log().matches("waits for its key").count(), 1, "the earlier one: {}", server.log());
    let output =
        run(dir.path(), &["retrieve", &promise.uri, "--server", &format!("sip:{}", server.sip("udp")), "-o", "back"]);
    assert!(output.status.success() && fs::read(dir.path().join("back")).expect("a file") == plan.content);
}

#[test]
fn a_key_that_cannot_be_read_is_named_and_boxes_that_want_one_are_an_error_without() {
    let dir = TempDir::new().expect("a directory");
    let refused = |text: &str| {
        fs::write(dir.path().join("restante.toml"), text).expect("a configuration");
        let output = run(
            dir.path(),
            &["serve", "--sip", "udp:127.0.0.1:0", "--msrp", "tcp:127.0.0.1:0", "--http", "127.0.0.1:0"],
        );
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let why = refused("[[boxes]]\nmatch = \"*\"\nencrypt = true\n");
    assert!(why.contains("boxes with encrypt = true need a key"), "{why}");
    let why = refused("[spool]\nkeys = [\"one:missing.key\"]\n");
    assert!(why.contains("spool.keys one:missing.key: No such file"), "{why}");
    let why = refused("[spool]\nkeys = [\"one:a\", \"one:b\"]\n[[boxes]]\nencrypt = true\n");
    assert!(why.contains("two keys have the same name") && why.contains("needs match to say"), "{why}");
}
