//! Disks that are full, and disks that are kept from being.

use std::fs::{self, File};
use std::path::Path;

use super::support::apart::{apart, tmpfs};
use super::support::deposit::{Depositor, Plan, Promise, deposit_works};
use super::support::missing;
use super::support::server::{House, Server, json, serve};
use super::{is_ready, is_refused, is_stopped, is_unready, stops};

/// Calls whose files were promised room when the disk filled up.
const UNDER_WAY: usize = 50;

// R6, R7
#[test]
fn a_full_disk_stops_the_file_that_fills_it_and_takes_the_next_that_fits() {
    apart(|dir| {
        tmpfs(&dir.join("spool"), "size=1m");
        let server = Server::start(dir, &[]);
        for round in 0..2 {
            is_stopped(&server, &Plan { chunk: 60_000, ..Plan::new(&format!("big{round}"), vec![5; 3_000_000]) });
            deposit_works(&server, &format!("small{round}"));
        }
    });
}

// R7
#[test]
fn a_file_that_would_eat_into_the_reserve_is_refused_and_the_operator_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::launch_any(dir.path(), serve(dir.path(), &[("RESTANTE_SPOOL__RESERVE", "900000GiB")]));
    is_unready(&server, &["in reserve"]);
}

/// Somebody else writes so many octets to the disk of the spool.
fn hog(dir: &Path, octets: u64) {
    fs::write(dir.join("spool/hog"), vec![0; octets as usize]).expect("there is room for it");
}

// R7, R19
#[test]
fn above_the_high_mark_only_what_was_promised_room_is_finished_until_there_is_room_again() {
    apart(|dir| {
        tmpfs(&dir.join("spool"), "size=16m");
        let marks = [("RESTANTE_SPOOL__HIGH_WATER", "70%"), ("RESTANTE_SPOOL__LOW_WATER", "50%")];
        let server = Server::start(dir, &marks);
        let call = |number| Depositor::connect(&server, &Plan::new(&format!("m{number}"), vec![number as u8; 60_000]));
        let mut under_way: Vec<Depositor> = (0..UNDER_WAY).map(|number| call(number).expect("a call")).collect();
        for depositor in &mut under_way {
            let (tid, frame) = depositor.message.chunk(0, &depositor.plan.content[..8192]);
            depositor.stream.write(&frame).expect("a write");
            assert_eq!(depositor.answer(&tid, &mut Promise::default()).expect("an answer").status(), 200);
        }
        let agreed = Depositor::connect(&server, &Plan::new("late", vec![1; 1000])).expect("a call");
        hog(dir, 9 << 20);
        is_unready(&server, &["high mark is 70%"]);
        stops(agreed);
        for mut depositor in under_way {
            let mut promise = Promise::default();
            assert!(depositor.send(8192, &mut promise).expect("an answer").is_none(), "it had room");
            depositor.finish(&mut promise).expect("an end");
            assert!(promise.reported && promise.complete, "{promise:?}");
        }
        is_refused(&server);
        assert_eq!(json(dir, &["spool", "list", "--json"]).len(), UNDER_WAY);
        hog(dir, 2 << 20); // with the files, the index and both logs less than half of it
        is_ready(&server);
        deposit_works(&server, "proof");
    });
}

// R7
#[test]
fn a_disk_without_inodes_takes_nothing_until_it_has_some_again() {
    apart(|dir| {
        tmpfs(&dir.join("spool"), "size=16m,nr_inodes=400");
        let server = Server::start(dir, &[("RESTANTE_SPOOL__HIGH_WATER", "90%"), ("RESTANTE_SPOOL__LOW_WATER", "80%")]);
        let litter: Vec<_> =
            (0..).map(|n| dir.join(format!("spool/litter{n}"))).take_while(|path| File::create(path).is_ok()).collect();
        assert!(litter.len() > 100);
        is_unready(&server, &["inodes"]);
        litter.iter().for_each(|path| fs::remove_file(path).expect("it is there"));
        is_ready(&server);
        deposit_works(&server, "proof");
    });
}

// R6: the write stops in the middle of a chunk, and the next one says that the file is too large.
#[test]
fn a_write_that_ends_in_the_middle_of_a_chunk_stops_that_file_alone() {
    if missing("prlimit") {
        return;
    }
    let house = House::new(&[]);
    house.server.limit("fsize", 100_000);
    is_stopped(&house.server, &Plan { chunk: 30_000, ..Plan::new("big", vec![5; 150_000]) });
    deposit_works(&house.server, "proof");
    assert_eq!(json(house.dir.path(), &["spool", "list", "--json"]).len(), 1, "no partial commit");
}
