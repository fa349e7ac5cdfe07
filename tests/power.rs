//! Power cuts on a real file system, at any moment under load: what was reported is there afterwards, and nothing else.
//!
//! `POWER_ROUNDS=100` cuts more often.

#[path = "server/audit.rs"]
mod audit;
#[path = "server/load.rs"]
mod load;
mod support;

use std::fs::{self, File};
use std::io::Write as _;

use load::{Book, lifetime};
use support::deposit::deposit_works;
use support::disk::{Disk, loop_disk};
use support::server::Server;
use support::{Chance, rounds, seed};

/// Cuts per mode of ext4's journal.
const ROUNDS: u64 = 5;

fn cuts(disk: &Disk, options: &str) {
    let mut chance = Chance::new(seed());
    let (book, rounds) = (Book::default(), rounds("POWER_ROUNDS", ROUNDS));
    disk.mount(options);
    for round in 0..rounds {
        let server = Server::start(disk.dir(), &[]);
        book.audit(disk.dir());
        lifetime(&server, round, &mut chance, &book, || {
            disk.cut();
            server.shoot();
        });
        server.kill();
        disk.unmount();
        disk.mount(options);
    }
    let server = Server::start(disk.dir(), &[]);
    deposit_works(&server, "proof");
    let told = book.told();
    println!("{options}: {rounds} power cuts, {told}: none lost, no phantom");
    assert!(told.reported > rounds && told.all > told.reported, "the cuts came in the middle of the work: {told}");
    book.audit(disk.dir());
    server.kill();
    audit::octets(disk.dir());
    book.leftovers(disk.dir());
    disk.unmount();
}

// R2
#[test]
fn whatever_was_reported_outlives_power_cuts_with_an_ordered_journal() {
    loop_disk(|disk| cuts(&disk, "data=ordered"));
}

// R2
#[test]
fn whatever_was_reported_outlives_power_cuts_with_a_journal_of_names_alone() {
    loop_disk(|disk| cuts(&disk, "data=writeback"));
}

/// Makes `name` by way of another name, as a commit does, and says so to the disk as far as asked.
fn renamed(disk: &Disk, name: &str, sync_dir: bool) {
    let (draft, path) = (disk.root().join(format!("{name}.draft")), disk.root().join(name));
    let mut file = File::create(&draft).expect("a file");
    file.write_all(b"content").expect("octets");
    file.sync_all().expect("a sync");
    fs::rename(&draft, &path).expect("a rename");
    if sync_dir {
        File::open(disk.root()).and_then(|dir| dir.sync_all()).expect("a sync");
    }
}

/// By itself ext4 writes down everything every 5 s, and a busy machine may take longer for this test.
const PATIENT: &str = "data=ordered,commit=300";

// R4: the disk that is cut off here forgets what a real one would, or the tests above show nothing.
#[test]
fn a_name_whose_directory_was_not_synced_is_lost_and_one_whose_directory_was_is_not() {
    loop_disk(|disk| {
        disk.mount(PATIENT);
        renamed(&disk, "synced", true);
        renamed(&disk, "unsynced", false);
        fs::write(disk.root().join("neither"), b"content").expect("a file");
        disk.cut();
        disk.unmount();
        disk.mount(PATIENT);
        let there = |name: &str| disk.root().join(name).exists();
        assert_eq!(fs::read(disk.root().join("synced")).expect("a durable file"), b"content");
        assert!(!there("synced.draft"));
        assert!(there("unsynced.draft") && !there("unsynced"), "it is back under its old name");
        assert!(!there("neither"));
    });
}
