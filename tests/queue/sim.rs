//! Seeded worlds in which everything goes wrong: crashes, power cuts, lost answers, clocks that leap, peers that come and go.
//! `SIM_SEEDS` says how many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use restante::model::Ending;
use restante::queue::{Config, Input, Tell};
use restante::spool::Progress;

use super::world::{ATTEMPT, World, refused};

/// What an attempt may come to besides success; the flag says that the peer has the file nevertheless.
fn misfortune(world: &mut World) -> (Ending, bool) {
    match world.chance(10) {
        0 => (Ending::NoAnswer, false),
        1 => (Ending::Unreachable("partition".to_owned()), false),
        2 => (Ending::Broken { reported: 3 }, false),
        3 => (Ending::Broken { reported: 0 }, true), // the last answer was lost
        4 => (Ending::Msrp { status: 413 }, false),
        5 => (refused(503), false),
        6 => (refused(486), false),
        7 => (Ending::Stopped, false),
        8 => (refused(if world.chance(4) == 0 { 404 } else { 480 }), false),
        _ => (Ending::Credentials, false),
    }
}

fn recipient(world: &mut World) -> String {
    let (user, host) = (world.chance(6), world.chance(3));
    format!("sip:user{user}@host{host}.example.net")
}

struct Oracle {
    /// What was said to be settled, and how.
    settled: BTreeMap<String, Progress>,
    /// Attempts there had been of it by then.
    attempts: BTreeMap<String, usize>,
}

impl Oracle {
    fn look(&mut self, world: &World, seed: u64) {
        for (id, delivery) in &world.settled {
            let known = self.settled.entry(id.clone()).or_insert(delivery.progress);
            assert_eq!(*known, delivery.progress, "seed {seed}: {id} has ended twice");
            let tried = world.attempts_of(id).len();
            let before = *self.attempts.entry(id.clone()).or_insert(tried);
            assert_eq!(before, tried, "seed {seed}: {id} is settled and was tried again");
            if delivery.progress == Progress::Delivered {
                assert!(
                    world.has.contains_key(id),
                    "seed {seed}: {id} is said to be delivered, and its peer has nothing"
                );
            }
        }
    }

    /// I1, I3: after a crash everything that was accepted is there, as it was last said to be.
    fn after_a_crash(&self, world: &World, seed: u64) {
        let stored: BTreeMap<_, _> =
            world.stored().into_iter().map(|delivery| (delivery.id.clone(), delivery.progress)).collect();
        for id in &world.accepted {
            let found = stored.get(id);
            assert!(found.is_some(), "seed {seed}: {id} was accepted, and is lost");
            if let Some(said) = self.settled.get(id) {
                assert_eq!(found, Some(said), "seed {seed}: {id}");
            }
        }
    }
}

fn live(seed: u64) {
    let config = Config { concurrency: 3, active: 6, lifetime: Duration::from_secs(400_000), ..Config::default() };
    let mut world = World::with(seed, config);
    world.endless = true; // who ends attempts is this world
    let mut oracle = Oracle { settled: BTreeMap::new(), attempts: BTreeMap::new() };
    let troubled = 400;
    for round in 0.. {
        let calm = round >= troubled;
        match world.chance(if calm { 2 } else { 12 }) {
            0..=5 => _ = world.step(),
            6 if world.accepted.len() < 40 => {
                let to = recipient(&mut world);
                _ = world.forward(&to);
            }
            7 => {
                let to = recipient(&mut world);
                world.input(Input::Present(to));
            }
            8 if world.chance(4) == 0 => {
                let cut = (world.chance(2) == 0).then_some(seed ^ round);
                world.crash(cut);
                oracle.after_a_crash(&world, seed);
            }
            9 => world.leap = (world.chance(7200).cast_signed() - 3600) * 1_000_000,
            10 => {
                let pick = usize::try_from(world.chance(64)).expect("small");
                if let Some(id) = world.accepted.get(pick).cloned() {
                    let tell = if world.chance(3) == 0 { Tell::Cancel("seed".to_owned()) } else { Tell::Retry };
                    world.tell(&id, tell);
                }
            }
            _ => {}
        }
        end_some(&mut world, calm);
        oracle.look(&world, seed);
        let open: BTreeSet<_> = world.accepted.iter().filter(|id| !oracle.settled.contains_key(*id)).cloned().collect();
        for id in &open {
            assert!(world.queue.wait(world.now(), id).is_some(), "seed {seed}: {id} waits, and nobody knows for what");
        }
        if calm && open.is_empty() {
            break;
        }
        assert!(round < 20_000, "seed {seed}: {} deliveries do not come to an end", open.len());
    }
    world.crash(Some(seed));
    oracle.after_a_crash(&world, seed);
    let attempts = world.attempts.len();
    world.run_for(Duration::from_secs(3600));
    assert_eq!(world.attempts.len(), attempts, "seed {seed}: something settled was tried after the last crash");
}

/// Ends attempts that have run for long enough.
fn end_some(world: &mut World, calm: bool) {
    let running: Vec<(String, u64)> = world.running.iter().map(|(id, (token, _))| (id.clone(), *token)).collect();
    for (id, token) in running {
        let began = world.attempts_of(&id).last().copied().expect("it runs");
        if world.at < began + ATTEMPT {
            if world.upcoming().is_none_or(|next| next > began + ATTEMPT) {
                world.at = began + ATTEMPT;
            } else {
                continue;
            }
        }
        let (ending, has) = if calm || world.chance(2) == 0 { (Ending::Delivered, true) } else { misfortune(world) };
        if has && ending != Ending::Delivered {
            *world.has.entry(id.clone()).or_default() += 1;
        }
        world.end(&id, token, ending);
    }
}

// I1 I3 I4 R1 R2 R11 R21
#[test]
fn whatever_goes_wrong_each_delivery_ends_once_and_none_is_lost() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    for seed in 0..seeds {
        live(seed);
    }
}
