//! What the directories and the index say of every id: each listed once, sorted, and walked through side by side.

use super::error::SpoolError;
use super::file_store;
use super::index::Known;
use super::layout::{Id, JOURNAL, STAGE, States, UPLOAD, split};
use super::objects;
use super::shared::Shared;

/// What there is of one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traces {
    pub(super) envelope: bool,
    /// The bucket has the envelope.
    pub(super) remote: bool,
    /// The index has it.
    pub(super) known: bool,
    pub(super) body: bool,
    pub(super) stage: bool,
    pub(super) journal: bool,
    pub(super) state: bool,
    /// What is written down of what has become of it is not what the index knows.
    pub(super) news: bool,
}

impl Traces {
    /// There is an envelope, wherever it is.
    pub(super) const fn is_published(&self) -> bool {
        self.envelope || self.remote
    }
}

/// All ids that are anywhere. A spool may have millions, so they are kept as lists and in no table.
pub(super) struct Survey {
    published: Vec<Id>,
    remotes: Vec<Id>,
    known: Vec<Id>,
    bodies: Vec<Id>,
    stages: Vec<Id>,
    journals: Vec<Id>,
    states: States,
    known_standings: Vec<(Id, u64)>,
    /// How many files were removed because they are never more than drafts.
    pub(super) drafts: u64,
}

impl Survey {
    /// Lists all directories once, and removes drafts.
    ///
    /// # Errors
    /// [`SpoolError::Io`] if one can't be listed.
    pub(super) fn of(shared: &Shared, known: Known) -> Result<Self, SpoolError> {
        let listing = || SpoolError::io("listing the spool");
        let mut survey = Self {
            published: file_store::published(shared).map_err(listing())?,
            remotes: Vec::new(),
            known: known.objects,
            bodies: file_store::bodies(shared).map_err(listing())?,
            stages: Vec::new(),
            journals: Vec::new(),
            states: objects::states(shared).map_err(listing())?,
            known_standings: known.standings,
            drafts: 0,
        };
        if let Some(remote) = &shared.remote {
            survey.remotes = remote.store.published().map_err(SpoolError::io("listing the bucket"))?;
        }
        for name in shared.files.list(STAGE).map_err(listing())? {
            match split(&name) {
                Some((id, "")) => survey.stages.push(id),
                Some((id, JOURNAL)) => survey.journals.push(id),
                Some((_, UPLOAD)) => {} // swept when it is nobody's
                Some((id, _)) => {
                    shared.shred(id, &format!("{STAGE}/{name}"));
                    survey.drafts += 1;
                }
                None => {} // not ours, and not under a name we would ever use
            }
        }
        let Self { published, remotes, known, bodies, stages, journals, .. } = &mut survey;
        for ids in [published, remotes, known, bodies, stages, journals] {
            ids.sort_unstable();
        }
        Ok(survey)
    }

    /// Whether there is an envelope of this id, wherever it is.
    pub(super) fn is_published(&self, id: Id) -> bool {
        [&self.published, &self.remotes].iter().any(|ids| ids.binary_search(&id).is_ok())
    }

    /// The published object that was begun last.
    pub(super) fn newest(&self) -> Option<Id> {
        self.published.last().max(self.remotes.last()).copied()
    }

    /// How many envelopes there are; one that is on its way into the bucket counts twice.
    pub(super) fn published(&self) -> usize {
        self.published.len() + self.remotes.len()
    }

    /// The checksums of what is written down of what has become of an object: more than one after a crash.
    pub(super) fn standings(&self, id: Id) -> impl Iterator<Item = u64> {
        let all = &self.states.standings;
        all[all.partition_point(|(other, _)| *other < id)..]
            .iter()
            .take_while(move |(other, _)| *other == id)
            .map(|(_, sum)| *sum)
    }

    /// What is written down of ids of which there is nothing else.
    pub(super) fn alone(&self) -> impl Iterator<Item = (Id, u64)> {
        let Self { published, remotes, known, bodies, stages, journals, states, .. } = self;
        let lists = [published, remotes, bodies, stages, journals, known, &states.ended];
        states.standings.iter().copied().filter(move |(id, _)| !lists.iter().any(|list| list.binary_search(id).is_ok()))
    }

    /// Every id once, the oldest first. One of which there is nothing but what has become of it is none.
    pub(super) fn ids(&self) -> impl Iterator<Item = (Id, Traces)> {
        let Self { published, remotes, known, bodies, stages, journals, states, known_standings, .. } = self;
        let mut lists = [published, remotes, known, bodies, stages, journals, &states.ended].map(Vec::as_slice);
        let mut standings = [&states.standings, known_standings].map(Vec::as_slice);
        std::iter::from_fn(move || {
            let id = lists.iter().filter_map(|list| list.first()).min().copied()?;
            let [envelope, remote, known, body, stage, journal, state] = lists.each_mut().map(|list| {
                let is_here = list.first() == Some(&id);
                *list = &list[usize::from(is_here)..];
                is_here
            });
            let [there, known_there] = standings.each_mut().map(|list| of(list, id));
            let news = there != known_there;
            Some((id, Traces { envelope, remote, known, body, stage, journal, state, news }))
        })
    }
}

/// What a sorted list has of an id, where everything before it is done with.
fn of<'a>(list: &mut &'a [(Id, u64)], id: Id) -> &'a [(Id, u64)] {
    let before = list.iter().take_while(|(other, _)| *other < id).count();
    let count = list[before..].iter().take_while(|(other, _)| *other == id).count();
    let (of, rest) = list[before..].split_at(count);
    *list = rest;
    of
}
