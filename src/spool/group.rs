//! Commits that wait for the disk together: one of them leads, and what it syncs is synced for all.
//!
//! ```text
//!          written               renamed
//!  settle ---------> one round ----------> the next -------> settled
//!                    its sync is for the octets of those that came, and for the names of those the round before renamed
//! ```
//! Whoever finds nobody leading leads until its own commit is settled, and then hands the lead on. Here is only who waits
//! for whom; what a round does on the disk is its caller's.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::alike;

/// Those that wait, and how far they have come.
pub(super) struct Group<J> {
    line: Mutex<Line<J>>,
}

struct Line<J> {
    written: Vec<Waiting<J>>,
    renamed: Vec<Waiting<J>>,
    is_led: bool,
    /// Syncs for all that failed, and how the last of them did.
    failures: u64,
    failure: Option<io::Error>,
}

/// One that waits.
pub(super) struct Waiting<J> {
    pub(super) job: J,
    turn: Sender<Turn<J>>,
}

enum Turn<J> {
    Lead,
    Settled(J, io::Result<()>),
}

/// What a round has done with those it was given.
pub(super) enum Round<J> {
    /// Each was seen to by itself.
    Done {
        /// Those that got through, or did not.
        settled: Vec<(Waiting<J>, io::Result<()>)>,
        /// Those whose names the next round syncs.
        renamed: Vec<Waiting<J>>,
    },
    /// The sync for all failed: whatever anybody had written before is in doubt.
    Failed(Vec<Waiting<J>>, io::Error),
}

impl<J> Group<J> {
    pub(super) const fn new() -> Self {
        let line = Line { written: Vec::new(), renamed: Vec::new(), is_led: false, failures: 0, failure: None };
        Self { line: Mutex::new(line) }
    }

    /// How many syncs for all have failed. To be asked before something is written that such a sync shall make durable.
    pub(super) fn failures(&self) -> u64 {
        self.line().failures
    }

    /// Waits until `job` is settled, leading rounds if nobody else does. What it has written it began to write when
    /// [`Group::failures`] was `since`: a sync that has failed after that may have been the one that lost it.
    pub(super) fn settle(
        &self,
        job: J,
        since: u64,
        round: impl Fn(Vec<Waiting<J>>, Vec<Waiting<J>>) -> Round<J>,
    ) -> (J, io::Result<()>) {
        let (turn, turns) = channel();
        let mut leads = match self.enter(Waiting { job, turn }, since) {
            Ok(leads) => leads,
            Err((job, error)) => return (job, Err(error)),
        };
        loop {
            if leads {
                self.lead(&round);
            }
            let turn = if leads { turns.try_recv().ok() } else { turns.recv().ok() };
            match turn {
                Some(Turn::Lead) => leads = true,
                Some(Turn::Settled(job, result)) => {
                    if leads {
                        self.hand_on();
                    }
                    return (job, result);
                }
                None => assert!(leads, "who waits is settled or called to lead"),
            }
        }
    }

    /// Joins the line, and says whether to lead it.
    fn enter(&self, waiting: Waiting<J>, since: u64) -> Result<bool, (J, io::Error)> {
        let mut line = self.line();
        if let Some(failure) = line.failure.as_ref().filter(|_| line.failures != since) {
            return Err((waiting.job, alike(failure)));
        }
        line.written.push(waiting);
        Ok(!std::mem::replace(&mut line.is_led, true))
    }

    fn lead(&self, round: impl Fn(Vec<Waiting<J>>, Vec<Waiting<J>>) -> Round<J>) {
        let mut line = self.line();
        let (written, renamed) = (std::mem::take(&mut line.written), std::mem::take(&mut line.renamed));
        drop(line);
        let settled = match round(written, renamed) {
            Round::Done { settled, renamed } => {
                self.line().renamed = renamed;
                settled
            }
            Round::Failed(mut failed, error) => {
                let mut line = self.line();
                line.failures += 1;
                failed.append(&mut line.written); // written while the sync ran, and perhaps lost by it
                line.failure = Some(alike(&error));
                failed.into_iter().map(|waiting| (waiting, Err(alike(&error)))).collect()
            }
        };
        for (Waiting { job, turn }, result) in settled {
            let _ = turn.send(Turn::Settled(job, result)); // who waits listens until then
        }
    }

    /// The next one leads, first of all one that would only wait for a sync.
    fn hand_on(&self) {
        let mut line = self.line();
        let next = line.renamed.first().or_else(|| line.written.first());
        let led = next.is_some_and(|next| next.turn.send(Turn::Lead).is_ok());
        line.is_led = led;
    }

    fn line(&self) -> MutexGuard<'_, Line<J>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::thread::{JoinHandle, spawn, yield_now};

    use super::*;

    const OTHERS: usize = 7;

    type Rounds = Arc<Mutex<Vec<(usize, usize)>>>;

    /// One commit, whose first round ends when all the others have joined the line, and the others. Returns who got
    /// through, and how many were written and renamed in each round.
    fn crowd(fails: usize) -> (Vec<bool>, Vec<(usize, usize)>) {
        let (group, rounds) = (Arc::new(Group::<usize>::new()), Rounds::default());
        let enter = |job| -> JoinHandle<bool> {
            let (group, rounds) = (Arc::clone(&group), Arc::clone(&rounds));
            spawn(move || {
                group.settle(job, 0, |written, renamed| round(&group, &rounds, fails, written, renamed)).1.is_ok()
            })
        };
        let first = enter(0);
        while rounds.lock().expect("no panic").is_empty() {
            yield_now();
        }
        let others: Vec<JoinHandle<bool>> = (1..=OTHERS).map(enter).collect();
        let through = [first].into_iter().chain(others).map(|thread| thread.join().expect("no panic")).collect();
        let rounds = rounds.lock().expect("no panic").clone();
        (through, rounds)
    }

    fn round(
        group: &Group<usize>,
        rounds: &Mutex<Vec<(usize, usize)>>,
        fails: usize,
        written: Vec<Waiting<usize>>,
        renamed: Vec<Waiting<usize>>,
    ) -> Round<usize> {
        let number = {
            let mut rounds = rounds.lock().expect("no panic");
            rounds.push((written.len(), renamed.len()));
            rounds.len()
        };
        while number == 1 && group.line().written.len() < OTHERS {
            yield_now();
        }
        if number == fails {
            let error = io::Error::other("the disk is gone");
            return Round::Failed(written.into_iter().chain(renamed).collect(), error);
        }
        Round::Done { settled: renamed.into_iter().map(|waiting| (waiting, Ok(()))).collect(), renamed: written }
    }

    #[test]
    fn those_that_come_while_the_disk_syncs_share_the_next_sync() {
        let (through, rounds) = crowd(usize::MAX);
        assert_eq!(through, [true; 1 + OTHERS]);
        assert_eq!(rounds, [(1, 0), (OTHERS, 1), (0, OTHERS)]);
    }

    #[test]
    fn a_sync_that_fails_fails_for_all_who_had_written_something_and_for_nobody_else() {
        let (through, rounds) = crowd(1);
        assert_eq!(through, [false; 1 + OTHERS], "seven had written before it ended");
        assert_eq!(rounds.len(), 1);
        let (through, _) = crowd(2);
        assert_eq!(through, [false; 1 + OTHERS]);
        let (through, _) = crowd(3);
        assert_eq!(through, [true, false, false, false, false, false, false, false]);
    }

    #[test]
    fn who_wrote_before_a_sync_failed_and_joins_after_it_is_told() {
        let group = Group::new();
        let before = group.failures();
        let failing = RefCell::new(true);
        let round = |written: Vec<Waiting<u8>>, renamed: Vec<Waiting<u8>>| match failing.take() {
            true => Round::Failed(written, io::ErrorKind::StorageFull.into()),
            false => Round::Done { settled: renamed.into_iter().map(|one| (one, Ok(()))).collect(), renamed: written },
        };
        assert!(group.settle(1, before, round).1.is_err());
        let late = group.settle(2, before, round).1.expect_err("its octets may be lost");
        assert_eq!(late.kind(), io::ErrorKind::StorageFull);
        assert!(group.settle(3, group.failures(), round).1.is_ok());
    }
}
