//! Random lives of boxes against a model that is a list: what is listed and counted, what has become of each object, and
//! what a restart finds, after a power cut too, and with whatever index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use restante::model::{BoxClass, Mint, Quota, Retention};
use restante::spool::{
    Change, Committed, Deed, Fate, Hold, Index, Mark, Query, Spool, SpoolError, StageError, Standing,
};

use super::disk::{Fault, SimFiles};
use super::house::{class, deposit, now};

const BOXES: [&str; 3] = ["ann", "bob", "eve"];
const QUOTA: Quota = Quota { octets: Some(500), objects: Some(6), warn_percent: Some(50) };
const WHO: &str = "a test";

#[derive(Clone, Debug)]
enum Step {
    Deposit(usize, usize),
    Change(usize, Change),
    /// The same, and the power fails at this call of it.
    Cut(usize, Change, usize, u64),
    Restart(Option<u64>, Cache),
}

/// Which index a restart finds.
#[derive(Clone, Copy, Debug)]
enum Cache {
    Kept,
    Yesterdays,
    Gone,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hold = || prop::sample::select(vec![Hold::Operator, Hold::Legal]);
    let change = || {
        prop_oneof![
            3 => Just(Change::Delete),
            2 => Just(Change::Undelete),
            2 => Just(Change::Purge),
            1 => Just(Change::Expire),
            1 => hold().prop_map(Change::Hold),
            2 => hold().prop_map(Change::Release),
            2 => prop::sample::select(Mark::ALL.to_vec()).prop_map(Change::Mark),
            1 => Just(Change::Read),
            1 => any::<bool>().prop_map(Change::Urgent),
        ]
    };
    let cache = prop::sample::select(vec![Cache::Kept, Cache::Yesterdays, Cache::Gone]);
    let step = prop_oneof![
        4 => (0..BOXES.len(), 0usize..200).prop_map(|(mailbox, octets)| Step::Deposit(mailbox, octets)),
        6 => (0usize..12, change()).prop_map(|(object, change)| Step::Change(object, change)),
        2 => (0usize..12, change(), 0usize..12, any::<u64>())
            .prop_map(|(object, change, at, seed)| Step::Cut(object, change, at, seed)),
        2 => (prop::option::of(any::<u64>()), cache).prop_map(|(seed, cache)| Step::Restart(seed, cache)),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the model knows of an object; at its end it has no standing.
struct Entry {
    object: Committed,
    standing: Option<Standing>,
}

#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    /// Objects and octets of a box.
    fn held(&self, mailbox: &str) -> (u64, u64) {
        let of_box = |entry: &&Entry| {
            let is_listed = entry.standing.as_ref().is_some_and(|standing| standing.fate == Fate::Stored);
            is_listed && entry.object.envelope().uri.box_name() == mailbox
        };
        self.0.iter().filter(of_box).fold((0, 0), |sum, entry| (sum.0 + 1, sum.1 + entry.object.envelope().size()))
    }

    fn fits(&self, mailbox: &str, octets: u64) -> bool {
        let held = self.held(mailbox);
        held.0 < QUOTA.objects.expect("a quota") && held.1 + octets <= QUOTA.octets.expect("a quota")
    }

    /// What an object will have become; `Err` if the change is refused.
    fn after(&self, at: usize, change: Change) -> Result<Option<Standing>, ()> {
        let Entry { object, standing } = &self.0[at];
        let Some(before) = standing else { return Err(()) };
        let deed = || Some(Deed { by: WHO.to_owned(), at: now().wall });
        let mut after = before.clone();
        let is_held = before.held.is_some() || before.legal.is_some();
        match change {
            Change::Delete | Change::Purge | Change::Expire if is_held => return Err(()),
            Change::Purge => return Ok(None),
            Change::Delete => (after.fate, after.ended) = (Fate::Deleted, deed()),
            Change::Expire if before.fate == Fate::Stored => (after.fate, after.ended) = (Fate::Expired, deed()),
            Change::Expire => {}
            Change::Undelete if before.fate == Fate::Stored => {}
            Change::Undelete => {
                let envelope = object.envelope();
                if !self.fits(envelope.uri.box_name(), envelope.size()) {
                    return Err(());
                }
                (after.fate, after.ended) = (Fate::Stored, None);
            }
            Change::Hold(Hold::Operator) => after.held = deed(),
            Change::Hold(Hold::Legal) => after.legal = deed(),
            Change::Release(Hold::Operator) => after.held = None,
            Change::Release(Hold::Legal) => after.legal = None,
            Change::Mark(mark) => (after.mark, after.marked) = (mark, deed()),
            Change::Read if before.mark == Mark::New => (after.mark, after.marked) = (Mark::Seen, deed()),
            Change::Read => {}
            Change::Urgent(urgent) => after.urgent = urgent,
        }
        Ok(Some(after))
    }
}

/// A spool, its disk, its index, and an older copy of that.
struct House {
    files: SimFiles,
    spool: Option<Spool>,
    dir: tempfile::TempDir,
    mints: u64,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut house = Self { files: SimFiles::new(), spool: None, dir, mints: 0 };
        house.open();
        house
    }

    fn spool(&self) -> &Spool {
        self.spool.as_ref().expect("it is open")
    }

    fn index(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&mut self) {
        self.mints += 1;
        let (files, index) = (Arc::new(self.files.clone()), Index::open(self.index("index.sqlite")));
        let spool = Spool::open(files, index, Mint::from_number(self.mints), now()).expect("a spool").0;
        let keep = Retention { undelete: Duration::from_secs(3600), ..Retention::default() };
        spool.set_classes(vec![BoxClass { quota: QUOTA, keep, ..class("*") }]);
        self.spool = Some(spool);
    }

    fn restart(&mut self, power_cut: Option<u64>, cache: Cache) {
        self.spool = None;
        self.files = power_cut.map_or_else(|| self.files.kill(), |seed| self.files.crash(seed));
        let (now, yesterday) = (self.index("index.sqlite"), self.index("yesterday"));
        match cache {
            Cache::Kept => _ = std::fs::copy(&now, &yesterday).expect("a copy"),
            Cache::Yesterdays if yesterday.exists() => _ = std::fs::copy(&yesterday, &now).expect("a copy"),
            Cache::Yesterdays | Cache::Gone => std::fs::remove_file(&now).expect("it was there"),
        }
        self.open();
    }

    /// What has become of an object.
    fn standing(&self, object: &Committed) -> Option<Standing> {
        let there = self.spool().find_id(&object.envelope().id).expect("a disk");
        there.map(|object| self.spool().standing(&object).expect("an index"))
    }
}

/// I6: quota equals a recount, and both equal the model.
fn audit(house: &House, model: &Model) {
    let mut held = BTreeMap::new();
    for envelope in house.spool().list(&Query::default()).expect("a listing") {
        let sums: &mut (u64, u64) = held.entry(envelope.uri.box_name().to_owned()).or_default();
        *sums = (sums.0 + 1, sums.1 + envelope.size());
    }
    let counted: BTreeMap<_, _> =
        house.spool().boxes().into_iter().map(|usage| (usage.mailbox, (usage.objects, usage.octets))).collect();
    assert_eq!(counted, held, "a recount of the listing");
    for mailbox in BOXES {
        assert_eq!(held.get(mailbox).copied().unwrap_or_default(), model.held(mailbox), "{mailbox}");
    }
    for Entry { object, standing } in &model.0 {
        assert_eq!(&house.standing(object), standing, "{}", object.envelope().uri);
    }
    let needed: BTreeSet<_> =
        model.0.iter().filter(|entry| entry.standing.is_some()).map(|entry| entry.object.body_path()).collect();
    let there = house.files.paths().into_iter().filter(|path| path.starts_with("data/")).collect();
    assert_eq!(needed, there, "no body is lost, and none is left");
}

fn play(steps: Vec<Step>) {
    let (mut house, mut model) = (House::new(), Model::default());
    for step in steps {
        match step {
            Step::Deposit(mailbox, octets) => {
                let mailbox = BOXES[mailbox];
                let fits = model.fits(mailbox, octets as u64);
                match deposit(house.spool(), &format!("spool:/{mailbox}/"), &vec![7; octets]) {
                    Ok(object) => model.0.push(Entry { object, standing: Some(Standing::default()) }),
                    Err(error) => assert!(!fits && matches!(error, StageError::Quota(_)), "{error:?}"),
                }
            }
            Step::Change(at, change) if at < model.0.len() => {
                let done = house.spool().change(&model.0[at].object, change, WHO, now());
                let expected = model.after(at, change);
                assert_eq!(done.is_ok(), expected.is_ok(), "{change:?}: {done:?}");
                if let Ok(after) = expected {
                    model.0[at].standing = after;
                }
            }
            Step::Cut(at, change, call, seed) if at < model.0.len() => {
                house.files.inject(house.files.calls().len() + call, Fault::Crash);
                let done = house.spool().change(&model.0[at].object, change, WHO, now());
                house.restart(Some(seed), Cache::Kept);
                let (before, after) = (model.0[at].standing.clone(), model.after(at, change));
                let found = house.standing(&model.0[at].object);
                match (done, after) {
                    (Ok(_), after) => model.0[at].standing = after.expect("the model would have refused"),
                    // It is not known whether it was done.
                    (Err(SpoolError::Io { .. } | SpoolError::NotWritable { .. }), Ok(after)) if found == after => {
                        model.0[at].standing = after;
                    }
                    (Err(_), _) => assert_eq!(found, before),
                }
            }
            Step::Change(..) | Step::Cut(..) => {}
            Step::Restart(power_cut, cache) => house.restart(power_cut, cache),
        }
        audit(&house, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn whatever_happens_to_objects_a_list_could_have_told(steps in steps()) {
        play(steps);
    }
}
