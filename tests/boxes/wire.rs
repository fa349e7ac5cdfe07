//! A full box as phone and application server see it.

use std::fs::File;
use std::io::Write as _;

use super::support::deposit::{Depositor, Plan, Promise, deposit, deposit_works};
use super::support::eventually;
use super::support::server::{Server, serve};
use tempfile::TempDir;

fn house(boxes: &str) -> (TempDir, Server) {
    let dir = TempDir::new().expect("a directory");
    let command = serve(dir.path(), &[]);
    let mut file = File::options().append(true).open(dir.path().join("restante.toml")).expect("a configuration");
    file.write_all(boxes.as_bytes()).expect("an entry");
    let server = Server::launch(dir.path(), command);
    (dir, server)
}

/// The message ends in 413 and the dialog says that it was the quota.
fn is_over_quota(server: &Server, plan: &Plan) {
    let mut depositor = Depositor::connect(server, plan).expect("a call");
    let refused = depositor.send(0, &mut Promise::default()).expect("an answer").expect("a refusal");
    assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
    let exit = depositor.call.event("msml.dialog.exit").expect("the end is told");
    assert_eq!((exit.value("record.end"), exit.value("ft.result")), ("record.failed.quota", "ft.quota"));
    depositor.call.bye().expect("an answer");
}

#[test]
fn a_full_box_refuses_a_file_with_413_and_quota_and_other_boxes_go_on() {
    let (_dir, server) =
        house("[[boxes]]\nmatch = \"bo*\"\nquota_octets = \"32KiB\"\nquota_objects = 2\nwarn = \"50%\"\n");
    is_over_quota(&server, &Plan::new("big", vec![5; 40_000]));
    deposit_works(&server, "m1");
    server.logged(&["nearly used", "bob"]);
    is_over_quota(&server, &Plan::new("m2", vec![5; 20_000]));
    let line = server.logged(&["over quota", "m2"]);
    assert!(line.contains("call_id") && line.contains("box bob may hold 32768 octets"), "{line}");
    let mut promise = Promise::default();
    let elsewhere = Plan { mailbox: "eve".to_owned(), ..Plan::new("m3", vec![5; 40_000]) };
    deposit(&server, &elsewhere, &mut promise).expect("another box");
    assert!(promise.complete);
    let counted = || {
        let metrics = server.http("/metrics");
        let has = |line: &str| metrics.contains(&format!("\n{line}\n"));
        (has("restante_spool_quota_refusals_total{class=\"bo*\"} 2")
            && has("restante_spool_octets{class=\"bo*\"} 20000")
            && has("restante_spool_boxes_nearly_full{class=\"bo*\"} 1")
            && has("restante_spool_octets{class=\"\"} 40000"))
        .then_some(())
    };
    eventually("the numbers of the class", counted);
}

#[test]
fn of_many_phones_at_once_as_many_get_through_as_the_box_may_hold() {
    const PHONES: usize = 24;
    let (_dir, server) = house("[[boxes]]\nmatch = \"*\"\nquota_objects = 7\n");
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let phone = |number: usize| {
            let server = &server;
            scope.spawn(move || {
                let plan = Plan::new(&format!("m{number}"), vec![number as u8; 9000]);
                let mut depositor = Depositor::connect(server, &plan).expect("a call");
                let mut promise = Promise::default();
                match depositor.send(0, &mut promise).expect("an answer") {
                    None => {
                        depositor.finish(&mut promise).expect("an end");
                        promise.complete
                    }
                    Some(refused) => {
                        assert_eq!(refused.status().max(refused.reported()), 413, "{refused:?}");
                        false
                    }
                }
            })
        };
        let phones: Vec<_> = (0..PHONES).map(phone).collect();
        phones.into_iter().map(|phone| phone.join().expect("no panic")).collect()
    });
    // A share is taken when the first octet comes and kept to the end, so no place is lost to who was refused.
    assert_eq!(outcomes.iter().filter(|complete| **complete).count(), 7);
}
