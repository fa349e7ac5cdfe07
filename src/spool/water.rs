//! How full the disk is: marks above which nothing new begins, and room that is promised to what has begun.
//!
//! ```text
//!            in use rises to the high mark
//!   taking --------------------------------> refusing
//!      ^                                        |
//!      +---- in use falls below the low mark ---+
//! ```
//! What has begun goes on while it refuses: its room was set aside when it was taken.

use std::io;
use std::sync::{Arc, Mutex};

use super::files::{Files, Space};
use super::locked::locked;

/// Octets that a file costs besides its own: three blocks of its journal, and its envelope.
const OVERHEAD_OCTETS: u64 = 16 * 1024;

/// Names that a file costs: body, journal, envelope.
const NAMES: u64 = 3;

/// A sender that declares no size is given room in pieces of this, so that the disk is asked once for each.
const STEP_OCTETS: u64 = 1024 * 1024;

/// How full the disk may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Octets that are never promised to anybody.
    pub reserve_octets: u64,
    /// From this share of octets or names in use on nothing new is taken, in percent.
    pub high_percent: u8,
    /// Below this share it is again, in percent.
    pub low_percent: u8,
}

impl Default for Marks {
    fn default() -> Self {
        Self { reserve_octets: 0, high_percent: 100, low_percent: 100 }
    }
}

/// Why there is no room.
#[derive(Debug)]
pub(super) enum NoRoom {
    /// The disk is too full, in words.
    Full(String),
    /// It does not say how full it is.
    Unknown(io::Error),
}

/// The level of the disk and what was promised of it.
#[derive(Default)]
pub(super) struct Water {
    level: Mutex<Level>,
}

#[derive(Default)]
struct Level {
    marks: Marks,
    /// Octets that were promised and are not on the disk yet.
    octets: u64,
    /// Names that were promised.
    names: u64,
    /// The high mark was reached, and the low one not since.
    refusing: bool,
}

impl Water {
    pub(super) fn set(&self, marks: Marks) {
        locked(&self.level).marks = marks;
    }

    /// Looks at the disk: why nothing new may begin, if so.
    pub(super) fn look(&self, space: Space) -> Option<String> {
        locked(&self.level).look(space)
    }

    /// Sets room aside for a file of so many octets.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn claim(self: &Arc<Self>, files: &dyn Files, octets: u64) -> Result<Claim, NoRoom> {
        let space = files.space().map_err(NoRoom::Unknown)?;
        let mut level = locked(&self.level);
        if let Some(why) = level.look(space) {
            return Err(NoRoom::Full(why));
        }
        level.promise(space, octets.saturating_add(OVERHEAD_OCTETS), NAMES)?;
        drop(level);
        Ok(Claim { water: Arc::clone(self), octets: octets.saturating_add(OVERHEAD_OCTETS), backed: 0 })
    }
}

impl Level {
    fn look(&mut self, space: Space) -> Option<String> {
        let octets = percent(space.used_octets.saturating_add(self.octets), space.used_octets, space.free_octets);
        let names = percent(space.used_names.saturating_add(self.names), space.used_names, space.free_names);
        let fullest = octets.max(names);
        let mark = if self.refusing { self.marks.low_percent } else { self.marks.high_percent };
        self.refusing = fullest >= u64::from(mark);
        if space.free_octets <= self.marks.reserve_octets {
            let (free, reserve) = (space.free_octets, self.marks.reserve_octets);
            return Some(format!("{free} octets are free and {reserve} are kept in reserve"));
        }
        let what = if names > octets { "names (inodes)" } else { "octets" };
        let Marks { high_percent, low_percent, .. } = self.marks;
        self.refusing.then(|| {
            format!(
                "{fullest}% of the disk's {what} are in use or promised; \
                 the high mark is {high_percent}%, and files are taken again below {low_percent}%"
            )
        })
    }

    fn promise(&mut self, space: Space, octets: u64, names: u64) -> Result<(), NoRoom> {
        let free = space.free_octets.saturating_sub(self.marks.reserve_octets).saturating_sub(self.octets);
        let free_names = space.free_names.saturating_sub(self.names);
        if octets > free || names > free_names {
            let why = format!("{octets} octets are wanted, and {free} and {free_names} names are not promised yet");
            return Err(NoRoom::Full(why));
        }
        self.octets += octets;
        self.names += names;
        Ok(())
    }
}

/// What share of the disk is in use, rounded down.
fn percent(wanted: u64, used: u64, free: u64) -> u64 {
    let whole = u128::from(used) + u128::from(free);
    let share = (u128::from(wanted) * 100).checked_div(whole).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Room that is kept for one file until this is dropped.
pub(super) struct Claim {
    water: Arc<Water>,
    /// Octets of the promise that are not on the disk yet.
    octets: u64,
    /// The disk itself has set room aside for so many octets.
    backed: u64,
}

impl Claim {
    /// The disk has set room aside for a file of so many octets, and counts it as used.
    pub(super) fn back(&mut self, octets: u64) {
        self.backed = octets;
        self.spend(octets);
    }

    /// Octets come: from so many that are there to so many.
    ///
    /// # Errors
    /// They are more than was promised, and there is no room for them.
    pub(super) fn grow(&mut self, files: &dyn Files, from: u64, to: u64) -> Result<(), NoRoom> {
        let grown = to.saturating_sub(from.max(self.backed));
        let lacking = grown.saturating_sub(self.octets.saturating_sub(OVERHEAD_OCTETS));
        if lacking > 0 {
            let space = files.space().map_err(NoRoom::Unknown)?;
            let mut level = locked(&self.water.level);
            let more =
                [lacking.max(STEP_OCTETS), lacking].into_iter().find(|more| level.promise(space, *more, 0).is_ok());
            let Some(more) = more else { return level.promise(space, lacking, 0) };
            self.octets += more;
        }
        self.spend(grown);
        Ok(())
    }

    fn spend(&mut self, octets: u64) {
        let spent = octets.min(self.octets);
        self.octets -= spent;
        locked(&self.water.level).octets -= spent;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut level = locked(&self.water.level);
        level.octets -= self.octets;
        level.names -= NAMES;
    }
}
