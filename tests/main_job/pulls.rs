//! Files that one node pulls from another: whole, from where it stopped, and found to be something else in the end.

use restante::engine::{CallMedia, Happening, ReceiveFailure, Wanted};
use restante::model::{FileInfo, ObjectUri};
use restante::sip::Transport;
use restante::spool::{Committed, Query, StagePlan};

use super::{World, deposit, info, next, target, until, world};

/// Pulls the one file of bob's box by its name, going on with so many octets that are here already.
async fn pull(world: &World, part: Option<(String, u64)>) -> Happening {
    let mut line = world.client.line().await.expect("a line");
    let (uri, remote) = target(&world.server, "bob", Transport::Tcp);
    let selector = FileInfo { name: Some("message.bin".to_owned()), ..FileInfo::default() };
    let media = CallMedia::Pull(Box::new(Wanted { selector, part }));
    line.call(uri, "sip:bob@127.0.0.1".to_owned(), remote, Transport::Tcp, media).await;
    loop {
        let happening = next(&mut line).await;
        if matches!(happening, Happening::Committed(_) | Happening::ReceiveFailed(_) | Happening::Refused(..)) {
            line.hang_up().await;
            until(&mut line, |happening| matches!(happening, Happening::Ended(_))).await;
            return happening;
        }
    }
}

fn committed(happening: Happening) -> Committed {
    match happening {
        Happening::Committed(object) => object,
        other => panic!("{other:?}"),
    }
}

/// Lets these octets wait for the rest of their file.
fn prefill(world: &World, key: &str, octets: &[u8]) -> Option<(String, u64)> {
    let object = ObjectUri::mailbox("inbox").expect("a box");
    let (resume_key, file_key) = (Some(key.to_owned()), Some(key.to_owned()));
    let plan = StagePlan { resume_key, file_key, ..StagePlan::new(object) };
    let mut stage = world.client.spool().stage(plan, world.client.clock().now()).expect("a stage");
    stage.write(0, octets).expect("room");
    stage.suspend().expect("a sound disk");
    Some((key.to_owned(), octets.len() as u64))
}

// M5547-8.2.2-02 M5547-8.2.2-03 M5547-8.1-02 M5547-8.1-05 M5547-8.1-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_pulled_whole_or_from_where_it_stopped_and_each_time_under_a_new_id() {
    let world = world(200_000).await;
    deposit(&world, Transport::Tcp).await;
    let whole = committed(pull(&world, None).await);
    let rest = committed(pull(&world, prefill(&world, "part", &world.content[..150_000])).await);
    let sha1 = &info(&world.content).digests[0];
    for object in [&whole, &rest] {
        assert_eq!((object.envelope().size(), object.envelope().sha1()), (200_000, sha1));
    }
    let ids = [&whole, &rest].map(|object| object.envelope().file.transfer_id.clone().expect("an id"));
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() >= 32), "{ids:?}");
}

// M5547-8.2.2-06 M5547-8.2.2-07 M5547-8.2.2-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pulled_file_that_is_not_what_the_answer_said_has_failed_and_the_command_is_told() {
    let world = world(200_000).await;
    deposit(&world, Transport::Tcp).await;
    let mut damaged = world.content[..150_000].to_vec();
    damaged[7] ^= 1;
    let told = pull(&world, prefill(&world, "part", &damaged)).await;
    assert!(matches!(told, Happening::ReceiveFailed(ReceiveFailure::HashMismatch)), "{told:?}");
    assert_eq!(world.client.spool().status().objects, 0);
}

// M5547-8.3.2-17
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_file_has_cannot_be_gone_on_with() {
    let world = world(1000).await;
    deposit(&world, Transport::Tcp).await;
    let told = pull(&world, prefill(&world, "part", &[0; 1001])).await;
    assert!(matches!(told, Happening::Refused(488, _)), "{told:?}");
}

// M5547-8.4-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_whose_line_is_closed_before_an_octet_came_is_told_and_does_not_wait_for_ever() {
    let world = world(1000).await;
    deposit(&world, Transport::Tcp).await;
    let object = world.server.spool().list(&Query::default()).expect("a list").remove(0);
    let shards = std::fs::read_dir(world.dir.path().join("server/data")).expect("the bodies").flatten();
    let bodies = shards.map(|shard| shard.path().join(&object.id)).find(|path| path.exists());
    std::fs::remove_file(bodies.expect("its body")).expect("a damage");
    let told = pull(&world, None).await;
    assert!(matches!(told, Happening::ReceiveFailed(ReceiveFailure::Disconnected)), "{told:?}");
}
