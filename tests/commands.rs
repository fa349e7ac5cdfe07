//! The commands as they are typed: what they print, what they leave, how they end.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use restante::io::clock::Clock;
use restante::io::files::HostFiles;
use restante::model::{FileInfo, Mint, ObjectUri};
use restante::spool::{EnvelopeDraft, Index, Spool, StagePlan};
use serde_json::Value;
use tempfile::TempDir;

/// A name with everything that a file system, a URI or a terminal may stumble over.
const ODD_NAME: &str = "naïve 100% #1?.wav";

struct House {
    dir: TempDir,
    /// Keeps the spool locked, as a running server does.
    spool: Spool,
    /// Objects deposited so far: each is dated a millisecond later at least, and a list has them in this order.
    deposits: Cell<u32>,
}

impl House {
    /// A spool with an empty file, a small one and one of several parts.
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let files = HostFiles::new(dir.path().join("spool")).expect("a spool directory");
        let (spool, _) = Spool::open(Arc::new(files), Index::in_memory(), Mint::from_number(1), Clock::start().now())
            .expect("an empty spool");
        let house = Self { dir, spool, deposits: Cell::new(0) };
        house.deposit("bob", "empty.txt", b"");
        house.deposit("bob", ODD_NAME, b"RIFF");
        house.deposit("alice", "long", &vec![7; 9 * 1024 * 1024]);
        house
    }

    fn deposit(&self, mailbox: &str, name: &str, octets: &[u8]) -> String {
        let mut now = Clock::start().now();
        now.wall = now.wall.after(Duration::from_millis(1) * self.deposits.replace(self.deposits.get() + 1));
        let uri = ObjectUri::object(mailbox, name).expect("a name");
        let mut stage = self.spool.stage(StagePlan::new(uri), now).expect("a stage");
        if !octets.is_empty() {
            stage.write(0, octets).expect("room");
        }
        let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
        let file = FileInfo { name: Some("\u{1b}[31mred".into()), ..FileInfo::default() };
        let draft = EnvelopeDraft { from: Some("sip:alice@example.org".into()), file, ..EnvelopeDraft::default() };
        self.spool.commit(sealed, draft, now).expect("an object").envelope().id.clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `restante` in the directory above the spool.
    fn run(&self, arguments: &[&str]) -> Output {
        run(self.dir.path(), arguments, &[])
    }

    /// Turns over one octet of the body of `id`.
    fn damage(&self, id: &str) {
        let mut folders =
            fs::read_dir(self.path("spool/data")).expect("data/").map(|shard| shard.expect("a shard").path());
        let body = folders.find_map(|shard| Some(shard.join(id)).filter(|body| body.exists())).expect("the body");
        let mut octets = fs::read(&body).expect("the octets");
        octets[0] ^= 1;
        fs::write(body, octets).expect("damaged octets");
    }
}

fn run(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command.current_dir(dir).args(arguments).envs(variables.iter().copied()).output().expect("the command runs")
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("UTF-8")
}

/// Standard output of a run that must end well.
fn good(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn lines(output: &Output) -> Vec<Value> {
    good(output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn objects_are_listed_and_shown_beside_a_running_server() {
    let house = House::new();
    let all = lines(&house.run(&["spool", "list", "--json"]));
    assert_eq!(all.iter().map(|o| o["box"].as_str()).collect::<Vec<_>>(), [Some("bob"), Some("bob"), Some("alice")]);
    let one = &lines(&house.run(&["spool", "list", "--box", "bob", "--json"]))[1];
    assert_eq!((one["name"].as_str(), one["size"].as_u64()), (Some(ODD_NAME), Some(4)));
    let (id, uri) = (one["id"].as_str().expect("an id"), one["uri"].as_str().expect("a URI"));
    for name in [id, uri] {
        assert_eq!(&lines(&house.run(&["spool", "show", name, "--json"]))[0], one);
        assert!(good(&house.run(&["spool", "show", name])).contains("sip:alice@example.org"));
    }
}

#[test]
fn a_peers_file_name_cannot_write_on_the_operators_terminal() {
    let house = House::new();
    let listed = house.run(&["spool", "list"]);
    assert!(good(&listed).contains("[31mred") && !good(&listed).contains('\u{1b}'), "{}", good(&listed));
}

#[test]
fn what_is_exported_is_what_was_stored_with_a_list_of_it() {
    let house = House::new();
    good(&house.run(&["spool", "export", "--to", "out", "--quiet"]));
    assert_eq!(fs::read(house.path("out/boxes/alice/long")).expect("a file"), vec![7; 9 * 1024 * 1024]);
    assert_eq!(fs::read(house.path("out/boxes/bob/empty.txt")).expect("a file"), b"");
    let list = fs::read_to_string(house.path("out/export.jsonl")).expect("the list");
    let odd: Value = serde_json::from_str(list.lines().nth(1).expect("a second line")).expect("JSON");
    let path = house.path("out").join(odd["path"].as_str().expect("a path"));
    assert_eq!(fs::read(&path).expect("the file the list names"), b"RIFF", "{}", path.display());
}

#[test]
fn an_export_replaces_nothing_unless_told_to() {
    let house = House::new();
    let export = ["spool", "export", "spool:/bob/empty.txt", "--to", "out"];
    good(&house.run(&export));
    fs::write(house.path("out/boxes/bob/empty.txt"), "mine").expect("a file of somebody's");
    let second = house.run(&export);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("--overwrite"), "{}", text(&second.stderr));
    assert_eq!(fs::read(house.path("out/boxes/bob/empty.txt")).expect("still there"), b"mine");
    good(&house.run(&[&export[..], &["--overwrite"]].concat()));
    assert_eq!(fs::read(house.path("out/boxes/bob/empty.txt")).expect("replaced"), b"");
}

#[test]
fn damage_is_found_named_and_not_exported() {
    let house = House::new();
    assert!(good(&house.run(&["spool", "verify"])).contains("3 objects are sound"));
    let id = house.deposit("bob", "short-lived", b"octets");
    house.damage(&id);
    let verified = house.run(&["spool", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stdout).contains(&format!("damaged  {id}")), "{}", text(&verified.stdout));
    assert!(text(&verified.stderr).contains("1 of 4 objects are damaged"), "{}", text(&verified.stderr));
    assert_eq!(house.run(&["spool", "export", "--to", "out", &id]).status.code(), Some(1));
    assert!(!house.path("out/boxes/bob/short-lived").exists());
}

#[test]
fn a_damaged_envelope_is_found_too_though_no_list_has_it() {
    let house = House::new();
    let id = house.deposit("bob", "x", b"octets");
    let envelope = house.path("spool/queued").join(&id);
    let octets = fs::read(&envelope).expect("an envelope");
    fs::write(&envelope, &octets[..octets.len() / 2]).expect("a torn envelope");
    let verified = house.run(&["spool", "verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1));
    let damaged = text(&verified.stdout).lines().find(|line| line.contains("\"sound\":false")).expect("a finding");
    assert!(damaged.contains(&id), "{damaged}");
}

#[test]
fn the_index_is_made_anew_from_what_lies_there_and_damage_is_told() {
    let house = House::new();
    let refused = house.run(&["spool", "rebuild"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("a server runs on this spool"), "{}", text(&refused.stderr));
    let torn = house.deposit("bob", "torn", b"octets");
    let House { dir, spool, .. } = house;
    drop(spool);
    let rebuild = |flags: &[&str]| run(dir.path(), &[&["spool", "rebuild"], flags].concat(), &[]);
    fs::write(dir.path().join("spool/index.sqlite"), b"what an old release may have left").expect("an index");
    let told = rebuild(&[]);
    assert!(good(&told).ends_with("4 objects are in the index\n"), "{}", text(&told.stdout));
    assert!(text(&told.stderr).contains("rebuild: 4 of 4 objects (100 %)"), "{}", text(&told.stderr));
    let envelope = dir.path().join("spool/queued").join(&torn);
    let octets = fs::read(&envelope).expect("an envelope");
    fs::write(&envelope, &octets[..octets.len() / 2]).expect("a torn envelope");
    let told = rebuild(&["--json"]);
    assert_eq!(told.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&result["objects"], &result["damaged"]), (&3.into(), &1.into()));
    assert_eq!(result["found"][0]["id"], *torn);
    assert!(text(&told.stderr).contains(r#""progress":"rebuild""#), "{}", text(&told.stderr));
    assert!(dir.path().join("spool/corrupt").join(format!("{torn}.envelope")).exists());
    let nowhere = run(dir.path(), &["spool", "rebuild", "--spool", "."], &[]);
    assert!(text(&nowhere.stderr).contains("no spool at ."), "{}", text(&nowhere.stderr));
}

#[test]
fn an_operator_marks_holds_deletes_and_brings_back_what_no_server_has_and_is_refused_beside_one() {
    let house = House::new();
    for (command, route) in [
        (&["hold", "spool:/alice/long"][..], "POST /api/v1/objects/ID/hold"),
        (&["release", "--legal", "spool:/alice/long"], "POST /api/v1/objects/ID/release?legal=true"),
        (&["mark", "seen", "spool:/alice/long"], "POST /api/v1/objects/ID/mark?as=seen"),
        (&["mark", "calm", "spool:/alice/long"], "POST /api/v1/objects/ID/mark?as=calm"),
        (&["copy", "spool:/alice/long", "spool:/bob/"], "POST /api/v1/objects/ID/copy?to=spool:/BOX/"),
        (&["delete", "spool:/alice/long"], "DELETE /api/v1/objects/ID"),
        (&["delete", "--now", "spool:/alice/long"], "DELETE /api/v1/objects/ID?now=true"),
        (&["undelete", "spool:/alice/long"], "POST /api/v1/objects/ID/undelete"),
        (&["expire", "spool:/alice/long"], "POST /api/v1/objects/ID/expire"),
    ] {
        let refused = house.run(&[&["spool"], command].concat());
        assert_eq!(refused.status.code(), Some(1));
        let told = text(&refused.stderr);
        assert!(told.contains("a server runs on this spool") && told.contains(&format!("({route})")), "{told}");
    }
    let House { dir, spool, .. } = house;
    drop(spool);
    fs::write(
        dir.path().join("restante.toml"),
        "[[boxes]]\nmatch = \"*\"\nquota_objects = 2\nundelete = \"1h\"\nkeep_seen = \"1ms\"\n",
    )
    .expect("a configuration");
    let spool = |arguments: &str| {
        let arguments: Vec<_> = ["spool"].into_iter().chain(arguments.split(' ')).collect();
        run(dir.path(), &arguments, &[])
    };
    let states = |state: &str| -> Vec<String> {
        let listed = lines(&spool(&format!("list --json --state {state}")));
        listed.iter().map(|object| object["uri"].as_str().expect("a URI").to_owned()).collect()
    };
    assert_eq!(spool("list --state odd").status.code(), Some(2));

    assert!(good(&spool("mark seen spool:/alice/long --by bob")).ends_with("seen\n"));
    assert!(good(&spool("due")).contains("keep_seen"));
    assert!(good(&spool("hold spool:/alice/long --by carol")).ends_with("held,seen\n"));
    assert_eq!((good(&spool("due")), states("held")), ("", vec!["spool:/alice/long".to_owned()]));
    let shown = &lines(&spool("show --json spool:/alice/long"))[0];
    assert_eq!((&shown["state"], &shown["mark"], &shown["held_by"]), (&"held".into(), &"seen".into(), &"carol".into()));
    let held = spool("delete spool:/alice/long");
    assert_eq!(held.status.code(), Some(1));
    assert!(text(&held.stderr).contains("held by carol"), "{}", text(&held.stderr));
    good(&spool("release spool:/alice/long"));

    let boxes = || lines(&spool("boxes --json")).iter().map(|usage| usage["objects"].as_u64()).collect::<Vec<_>>();
    let id = lines(&spool("delete --json spool:/alice/long"))[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!((states("deleted").len(), boxes()), (1, vec![Some(2)]));
    assert_eq!(spool("show spool:/alice/long").status.code(), Some(1));
    assert!(good(&spool(&format!("undelete {id}"))).contains("seen"));
    assert_eq!((states("deleted").len(), boxes()), (0, vec![Some(1), Some(2)]));
    good(&spool(&format!("expire {id}")));
    assert_eq!(states("expired"), ["spool:/alice/long"]);
    assert!(good(&spool(&format!("delete --now {id}"))).ends_with("ended\n"));
    assert_eq!(spool(&format!("undelete {id}")).status.code(), Some(1));
}

#[test]
fn looking_into_a_spool_changes_nothing_in_it() {
    let house = House::new();
    let tree = || {
        let mut found = Vec::new();
        let mut folders = vec![house.path("spool")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let modified = path.metadata().and_then(|meta| meta.modified()).expect("a time");
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push((path, modified));
            }
        }
        found.sort();
        found
    };
    let before = tree();
    for command in [&["spool", "list"][..], &["spool", "verify"], &["spool", "export", "--to", "out"]] {
        good(&house.run(command));
    }
    assert_eq!(tree(), before);
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let house = House::new();
    for (arguments, code, advice) in [
        (&["spool", "show", "spool:/bob/nothing"][..], 1, "restante spool list"),
        (&["spool", "show", "spool:/bob/"], 2, "restante spool list --box bob"),
        (&["spool", "show", "http://example.org/"], 2, "neither spool: nor file:"),
        (&["spool", "list", "--spool", "nowhere"], 1, "--spool DIR"),
        (&["spool", "list", "--spool", "."], 1, "VERSION"),
        (&["spool", "verify", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1, "gone"),
        (&["spool", "list", "--box"], 2, "--box <BOX>"),
    ] {
        let output = house.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(advice), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn the_configuration_is_checked_and_printed_from_file_variables_and_flags() {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join("restante.toml"), "[msrp]\nhold = \"7s\"\n").expect("a file");
    let variables = [("RESTANTE_MSRP__CHUNK", "2KiB")];
    let print = ["config", "print", "--json", "--http", "127.0.0.1:0"];
    let shown = &lines(&run(dir.path(), &print, &variables))[0];
    assert_eq!((shown["msrp"]["hold"].as_str(), shown["msrp"]["chunk"].as_str()), (Some("7s"), Some("2KiB")));
    assert_eq!(shown["http"]["listen"].as_str(), Some("127.0.0.1:0"));
    good(&run(dir.path(), &["config", "check"], &[]));
    fs::write(dir.path().join("restante.toml"), "[msrp]\nhodl = \"7s\"\n").expect("a file");
    let wrong = run(dir.path(), &["config", "check"], &[]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("restante.toml:2: unknown key msrp.hodl; did you mean msrp.hold?"));
    let mistyped = run(dir.path(), &["config", "check", "--sip", "here"], &[]);
    assert_eq!(mistyped.status.code(), Some(2));
    assert_eq!(run(dir.path(), &["config", "check", "--config", "none.toml"], &[]).status.code(), Some(1));
}
