//! A directory that can't be written any more: nothing is taken, the operator hears why, and nobody has to restart.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::support::apart::{apart, path, sh, tmpfs};
use super::support::deposit::{Depositor, Plan, deposit_works};
use super::support::disk::loop_disk;
use super::support::missing;
use super::support::server::{House, Server, json, serve};
use super::{is_ready, is_unready, stops};

/// The story of each: it works, it breaks while a file is on its way, it is mended.
fn breaks(server: &mut Server, dir: &Path, damage: impl Fn(), words: &[&str], repair: impl Fn()) {
    deposit_works(server, "before");
    let on_its_way = Depositor::connect(server, &Plan::new("during", vec![5; 30_000])).expect("a call");
    damage();
    stops(on_its_way);
    is_unready(server, words);
    assert!(server.is_running());
    server.logged(&["no new file is taken", words[0]]);
    repair();
    is_ready(server);
    deposit_works(server, "after");
    assert_eq!(kept(dir), ["before", "after"]);
}

/// The Message-IDs of what is there.
fn kept(dir: &Path) -> Vec<String> {
    let objects = json(dir, &["spool", "list", "--json"]);
    objects.iter().map(|object| object["message_id"].as_str().unwrap_or_default().to_owned()).collect()
}

// R8: what ext4 does when it finds itself damaged. Nobody can ask for it otherwise while files are open for writing.
#[test]
fn a_disk_that_turns_read_only_takes_nothing_and_loses_nothing() {
    loop_disk(|disk| {
        disk.mount("errors=remount-ro");
        let mut server = Server::start(disk.dir(), &[]);
        deposit_works(&server, "before");
        let on_its_way = Depositor::connect(&server, &Plan::new("during", vec![5; 30_000])).expect("a call");
        disk.find_damage();
        stops(on_its_way);
        is_unready(&server, &["Read-only file system"]);
        assert!(server.is_running());
        server.kill();
        disk.unmount();
        disk.mount("errors=remount-ro");
        let server = Server::start(disk.dir(), &[]);
        deposit_works(&server, "after");
        assert_eq!(kept(disk.dir()), ["before", "after"]);
    });
}

// R8
#[test]
fn a_directory_that_is_moved_away_is_missed_and_found_again() {
    let mut house = House::new(&[]);
    let (here, away) = (house.dir.path().join("spool"), house.dir.path().join("away"));
    let damage = || fs::rename(&here, &away).expect("it can be moved");
    let repair = || fs::rename(&away, &here).expect("it can be moved back");
    breaks(&mut house.server, house.dir.path(), damage, &["its directory has gone"], repair);
}

// R8: the mount point of a disk may have a spool of its own, from a start before the disk was there.
#[test]
fn a_spool_that_appears_in_the_place_of_a_lost_disk_is_not_written() {
    apart(|dir| {
        let spool = dir.join("spool");
        drop(Server::start(dir, &[]));
        tmpfs(&spool, "size=16m");
        let server = Server::start(dir, &[]);
        deposit_works(&server, "before");
        sh("umount", &["--lazy", path(&spool)]);
        is_unready(&server, &["its directory has gone"]);
        assert_eq!(fs::read_dir(spool.join("queued")).expect("the old spool").count(), 0);
    });
}

// R8
#[test]
fn a_directory_that_loses_its_permissions_takes_nothing_until_it_has_them_again() {
    if missing("setpriv") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mode = |mode| {
        let stage = dir.path().join("spool/stage");
        fs::set_permissions(stage, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let server = serve(dir.path(), &[]);
    // Root may write anywhere; without these two capabilities it is like anybody else.
    let mut command = Command::new("setpriv");
    command
        .current_dir(dir.path())
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(server.get_program())
        .args(server.get_args());
    let mut server = Server::launch(dir.path(), command);
    breaks(&mut server, dir.path(), || mode(0o000), &["Permission denied"], || mode(0o755));
}
