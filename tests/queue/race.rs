//! R18: a recipient that turns up while a file for it is being stored, tried or put aside does not wait for its next visit.

use std::time::Duration;

use restante::model::{Ending, Instant};
use restante::queue::Input;
use restante::spool::Progress;

use super::world::{World, refused};

const BOB: &str = "sip:bob@example.net";

/// What happens in a world where bob is away until `there`, and says so then. Returns when the file has reached him.
fn tried(there: Instant) -> (Duration, World) {
    let mut world = World::new(18);
    world.endless = true;
    let start = world.at;
    let first = world.forward(BOB);
    let (mut said, mut second) = (false, None);
    for _ in 0..1000 {
        if !said && world.upcoming().is_none_or(|at| at >= there) {
            world.at = world.at.max(there);
            world.input(Input::Present(BOB.to_owned()));
            said = true;
        }
        // A second file is stored in the middle of the first one's attempt.
        if second.is_none() && world.at >= start + Duration::from_millis(60) {
            second = Some(world.forward(BOB));
        }
        // Whoever is called answers 100 ms later, by where bob was when the call began.
        let due = |world: &World, id: &str| world.attempts_of(id).last().copied().expect("it runs");
        let over = world.running.iter().map(|(id, (token, _))| (due(&world, id), id.clone(), *token)).min();
        let ends = over.as_ref().map(|(began, ..)| *began + Duration::from_millis(100));
        match (ends, world.upcoming()) {
            (Some(ends), next) if next.is_none_or(|next| ends <= next) && (said || ends < there) => {
                let (began, id, token) = over.expect("it ends");
                world.at = world.at.max(ends);
                let ending = if began >= there { Ending::Delivered } else { refused(480) };
                world.end(&id, token, ending);
            }
            (_, Some(next)) if said || next < there => _ = world.step(),
            (_, _) if !said => world.at = there,
            _ => break,
        }
        let all = [Some(&first), second.as_ref()];
        if said && second.is_some() && all.iter().flatten().all(|id| world.settled.contains_key(*id)) {
            return (world.at - there, world);
        }
    }
    panic!("not everything was settled: {:?}", world.settled);
}

// R18
#[test]
fn a_recipient_that_turns_up_at_any_moment_has_everything_a_second_later() {
    for millis in 1000..1300 {
        let there = Instant::from_origin(Duration::from_millis(millis));
        let (took, world) = tried(there);
        assert!(took < Duration::from_secs(1), "there at {millis} ms, and everything only {took:?} later");
        assert!(world.settled.values().all(|delivery| delivery.progress == Progress::Delivered));
        assert!(world.attempts.len() <= 5, "{} calls", world.attempts.len());
    }
}
