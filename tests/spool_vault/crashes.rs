//! Encrypted files on a disk that fails at every call in turn.

use restante::spool::{Check, Query, Spool, StageError};

use super::disk::{Fault, SimFiles};
use super::{FRAME, betrayed, content, declared, draft, now, open, open_with, plan, read};

const NAME: &str = "spool:/bob/a";

/// What was promised so far.
#[derive(Debug, Default)]
struct Ledger {
    /// How many octets from the first on were reported durable.
    durable: usize,
    committed: bool,
    deleting: bool,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn octets() -> Vec<u8> {
    content(3 * FRAME + 500)
}

/// A file that comes out of order and is synced on the way, becomes an object, and is deleted.
fn story(files: &SimFiles, ledger: &mut Ledger) -> Outcome<()> {
    let (spool, octets) = (open_with(files, &["one"], 2)?, octets());
    let mut stage = spool.stage(plan(NAME, &octets), now())?;
    for (start, end) in [(0, 100), (2 * FRAME - 50, 3 * FRAME + 500), (100, FRAME + 9)] {
        stage.write(start as u64, &octets[start..end])?;
        ledger.durable = usize::try_from(stage.sync()?)?;
    }
    stage.write(FRAME as u64, &octets[FRAME..2 * FRAME])?;
    let sealed = stage.seal(octets.len() as u64, &declared(&octets))?;
    let object = spool.commit(sealed, draft(), now())?;
    (ledger.durable, ledger.committed) = (0, true);
    ledger.deleting = true;
    spool.delete(&object, "bob", now())?;
    ledger.committed = false;
    Ok(())
}

fn audit(files: &SimFiles, ledger: &Ledger) -> Result<(), String> {
    let octets = octets();
    let told = betrayed(files, &octets);
    if !told.is_empty() {
        return Err(format!("{told:?} can be read"));
    }
    let spool = open(files, &["one"]);
    if spool.status().corrupt > 0 {
        return Err("a crash alone damages nothing".to_owned());
    }
    let listed = spool.list(&Query::default()).map_err(|error| error.to_string())?;
    sound(&spool, &listed.iter().map(|envelope| envelope.id.clone()).collect::<Vec<_>>())?;
    if ledger.committed && !ledger.deleting && listed.is_empty() {
        return Err("a committed object is lost".to_owned());
    }
    if listed.is_empty() {
        let mut stage = spool.stage(plan(NAME, &octets), now()).map_err(|error| error.to_string())?;
        let there = stage.received();
        if !there.covers(ledger.durable as u64) {
            return Err(format!("{there:?} of {} durable octets", ledger.durable));
        }
        let rest = usize::try_from(there.prefix()).map_err(|error| error.to_string())?;
        stage.write(rest as u64, &octets[rest..]).map_err(|error| error.to_string())?;
        let sealed = stage.seal(octets.len() as u64, &declared(&octets)).map_err(|error| error.to_string())?;
        let object = spool.commit(sealed, draft(), now()).map_err(|error| error.to_string())?;
        if read(&spool, &object) != octets {
            return Err("a resumed file differs".to_owned());
        }
    }
    Ok(())
}

fn sound(spool: &Spool, ids: &[String]) -> Result<(), String> {
    ids.iter().try_for_each(|id| match spool.verify(id) {
        Ok(Check::Sound) => Ok(()),
        other => Err(format!("{other:?}")),
    })
}

#[test]
fn nothing_durable_is_lost_and_nothing_can_be_read_after_a_power_cut_or_a_kill_at_any_call() {
    let rehearsal = SimFiles::new();
    story(&rehearsal, &mut Ledger::default()).expect("a story without faults");
    let calls = rehearsal.calls().len();
    for at in 0..=calls {
        let (files, mut ledger) = (SimFiles::new(), Ledger::default());
        files.inject(at, Fault::Crash);
        let _ = story(&files, &mut ledger); // it ends where the disk does
        for (name, left) in [("kill", files.kill()), ("cut 1", files.crash(1)), ("cut 2", files.crash(2))] {
            audit(&left, &ledger).unwrap_or_else(|why| panic!("call {at} {:?}, {name}: {why}", files.calls().get(at)));
        }
    }
}

#[test]
fn a_sender_that_contradicts_durable_octets_has_the_last_word_and_no_crash_leaves_half_of_it() {
    let (old, new) = (vec![b'a'; 2 * FRAME], vec![b'b'; 2 * FRAME]);
    let undeclared = || restante::spool::StagePlan { declared: Default::default(), ..plan(NAME, &[]) };
    let run = |files: &SimFiles| -> Result<Vec<u8>, StageError> {
        let spool = open_with(files, &["one"], 2)?;
        let mut stage = spool.stage(undeclared(), now())?;
        stage.write(0, &old)?;
        stage.sync()?;
        stage.write(FRAME as u64 + 10, &new[..20])?;
        stage.sync()?;
        stage.peek(2 * FRAME)
    };
    let rehearsal = SimFiles::new();
    let expected = run(&rehearsal).expect("a stage");
    assert!(expected[..FRAME + 10] == old[..FRAME + 10] && expected[FRAME + 10..FRAME + 30] == new[..20]);
    for at in 0..rehearsal.calls().len() {
        let files = SimFiles::new();
        files.inject(at, Fault::Crash);
        let _ = run(&files);
        for seed in 0..4 {
            let spool = open(&files.crash(seed), &["one"]);
            let stage = spool.stage(undeclared(), now()).expect("a stage");
            let there = usize::try_from(stage.received().prefix()).expect("a few octets");
            let octets = stage.peek(there).expect("what is claimed can be read");
            assert!(octets == old[..there] || octets == expected[..there], "call {at}, seed {seed}");
        }
    }
}
