//! How much each box holds and how much of it is promised to files that still arrive: here quotas are kept.
//!
//! ```text
//!            a stage begins            octets come             commit
//!   nothing ----------------> promised -------------> promised ------> held ----> left: deleted, expired, damaged
//!                                 |   of no declared size: more         ^
//!                                 +---> given back, when it is dropped  +-- entered: a copy, a start
//! ```
//! Whether something fits is decided and written down under one lock, so that a thousand at once are taken as if they
//! came one after the other. What is held is what a listing of the box shows; nothing of it is on the disk, it is counted
//! when the spool is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::limits::BOX_EVENTS;
use crate::model::{BoxClass, Quota, Retention};

use super::news::{BoxEvent, BoxUsage, News};

/// What would go over a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The octets of its files.
    Octets,
    /// Its objects.
    Objects,
}

/// A box has no room for one more file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("box {mailbox} may hold {quota} {}, and {used} are there or on their way", self.measure.word())]
pub struct OverQuota {
    /// The box.
    pub mailbox: String,
    /// Which of its quotas.
    pub measure: Measure,
    /// That quota.
    pub quota: u64,
    /// What it holds, with what is promised.
    pub used: u64,
}

impl Measure {
    const fn word(self) -> &'static str {
        match self {
            Self::Octets => "octets",
            Self::Objects => "objects",
        }
    }
}

/// What all boxes of a class hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassUsage {
    /// The pattern of the class; empty for boxes that fit none.
    pub class: String,
    /// Boxes that hold something.
    pub boxes: u64,
    /// Their objects.
    pub objects: u64,
    /// Octets of their files.
    pub octets: u64,
    /// Boxes that have reached the share at which somebody is warned.
    pub nearly_full: u64,
    /// Files that were refused because of a quota, since the start.
    pub refused: u64,
}

/// The accounts of all boxes.
#[derive(Default)]
pub(super) struct Usage {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    classes: Vec<BoxClass>,
    accounts: HashMap<String, Account>,
    /// Of each class, and at the end of those boxes that fit none.
    totals: Vec<ClassUsage>,
    news: News,
    /// Boxes that have become nearly full, each as it was last.
    nearly_full: BTreeMap<String, BoxUsage>,
    /// And those that have refused something.
    refused: BTreeMap<String, OverQuota>,
}

#[derive(Clone, Copy, Default)]
struct Account {
    class: usize,
    objects: u64,
    octets: u64,
    promised_objects: u64,
    promised_octets: u64,
    nearly_full: bool,
}

impl Usage {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What holds for which boxes from now on.
    pub(super) fn set_classes(&self, classes: Vec<BoxClass>) {
        let mut books = self.books();
        books.classes = classes;
        books.sort_in();
    }

    /// Whether what arrives in a box is encrypted.
    pub(super) fn is_encrypted(&self, mailbox: &str) -> bool {
        BoxClass::of(mailbox, &self.books().classes).is_some_and(|class| class.encrypt)
    }

    /// How long what lies in a box is kept.
    pub(super) fn keep(&self, mailbox: &str) -> Retention {
        let books = self.books();
        books.classes.get(books.opened(mailbox).class).map(|class| class.keep).unwrap_or_default()
    }

    /// Objects that listings show.
    pub(super) fn objects(&self) -> u64 {
        self.books().totals.iter().map(|class| class.objects).sum()
    }

    /// Forgets what was held and holds this: objects and octets by box.
    pub(super) fn recount(&self, held: Vec<(String, u64, u64)>) {
        let mut books = self.books();
        for account in books.accounts.values_mut() {
            (account.objects, account.octets) = (0, 0);
        }
        for (mailbox, objects, octets) in held {
            let account = books.accounts.entry(mailbox).or_default();
            (account.objects, account.octets) = (objects, octets);
        }
        books.accounts.retain(|_, account| !account.is_empty());
        books.sort_in();
    }

    /// Keeps room for one object of so many octets in a box.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn promise(self: &Arc<Self>, mailbox: &str, octets: u64) -> Result<Share, OverQuota> {
        let mut books = self.books();
        let account = books.opened(mailbox);
        let quota = books.quota(account.class);
        account.fits(&quota, octets, 1).map_err(|over| books.refuse(account.class, over.of(mailbox)))?;
        let account = books.accounts.entry(mailbox.to_owned()).or_insert(account);
        account.promised_objects += 1;
        account.promised_octets += octets;
        Ok(Share { usage: Arc::clone(self), mailbox: mailbox.to_owned(), objects: 1, octets })
    }

    /// Whether a box that is full as it is could take a file of so many octets at all. What is promised does not count:
    /// it may be given back, or it is promised to this very file. Nothing is kept: only [`Usage::promise`] does that.
    ///
    /// # Errors
    /// It could not.
    pub(super) fn could_take(&self, mailbox: &str, octets: u64) -> Result<(), OverQuota> {
        let mut books = self.books();
        let account = books.opened(mailbox);
        let held = Account { promised_objects: 0, promised_octets: 0, ..account };
        let fits = held.fits(&books.quota(account.class), octets, 1);
        fits.map_err(|over| books.refuse(account.class, over.of(mailbox)))
    }

    /// An object is there that nobody had promised room to.
    pub(super) fn enter(&self, mailbox: &str, octets: u64) {
        let mut books = self.books();
        books.hold(mailbox, |account| {
            account.objects += 1;
            account.octets += octets;
        });
    }

    /// An object is there no longer.
    pub(super) fn leave(&self, mailbox: &str, octets: u64) {
        let mut books = self.books();
        books.hold(mailbox, |account| {
            account.objects = account.objects.saturating_sub(1);
            account.octets = account.octets.saturating_sub(octets);
        });
    }

    /// Somebody may want to hear of this.
    pub(super) fn tell(&self, event: BoxEvent) {
        self.books().news.add(event);
    }

    /// Boxes that were nearly full, and that have refused something, since this was asked last.
    pub(super) fn pressed(&self) -> (Vec<BoxUsage>, Vec<OverQuota>) {
        let mut books = self.books();
        let (nearly_full, refused) = (std::mem::take(&mut books.nearly_full), std::mem::take(&mut books.refused));
        (nearly_full.into_values().collect(), refused.into_values().collect())
    }

    /// What nobody has heard of yet.
    pub(super) fn news(&self) -> Vec<BoxEvent> {
        self.books().news.take()
    }

    /// Every box that holds something, by name.
    pub(super) fn boxes(&self) -> Vec<BoxUsage> {
        let books = self.books();
        let held = books.accounts.iter().filter(|(_, account)| account.objects > 0);
        let mut boxes: Vec<_> = held
            .map(|(mailbox, account)| BoxUsage {
                mailbox: mailbox.clone(),
                objects: account.objects,
                octets: account.octets,
                quota: books.quota(account.class),
            })
            .collect();
        boxes.sort_unstable_by(|a, b| a.mailbox.cmp(&b.mailbox));
        boxes
    }

    /// What each class holds, and at the end what fits none, if there is anything of it.
    pub(super) fn classes(&self) -> Vec<ClassUsage> {
        let mut totals = self.books().totals.clone();
        if totals.last().is_some_and(|rest| rest.class.is_empty() && rest.boxes == 0) {
            totals.pop();
        }
        totals
    }
}

impl Books {
    /// The account as it is, or would be.
    fn opened(&self, mailbox: &str) -> Account {
        let new = || Account { class: self.class_of(mailbox), ..Account::default() };
        self.accounts.get(mailbox).copied().unwrap_or_else(new)
    }

    fn class_of(&self, mailbox: &str) -> usize {
        self.classes.iter().position(|class| class.matches.fits(mailbox)).unwrap_or(self.classes.len())
    }

    fn quota(&self, class: usize) -> Quota {
        self.classes.get(class).map(|class| class.quota).unwrap_or_default()
    }

    fn refuse(&mut self, class: usize, over: OverQuota) -> OverQuota {
        if let Some(totals) = self.totals.get_mut(class) {
            totals.refused += 1;
        }
        press(&mut self.refused, &over.mailbox, &over);
        over
    }

    /// Changes what a box holds, and the total of its class with it.
    fn hold(&mut self, mailbox: &str, change: impl FnOnce(&mut Account)) {
        let before = self.opened(mailbox);
        let mut after = before;
        change(&mut after);
        let quota = self.quota(after.class);
        after.nearly_full = quota.is_nearly_used(after.octets, after.objects);
        if after.nearly_full && !before.nearly_full {
            let (octets, objects, mailbox) = (after.octets, after.objects, mailbox.to_owned());
            tracing::warn!(mailbox, octets, objects, ?quota, "the box has nearly used its quota");
            let usage = BoxUsage { mailbox: mailbox.clone(), objects, octets, quota };
            press(&mut self.nearly_full, &mailbox, &usage);
            self.news.add(BoxEvent::NearlyFull(usage));
        }
        if let Some(totals) = self.totals.get_mut(after.class) {
            totals.replace(&before, &after);
        }
        if after.is_empty() {
            self.accounts.remove(mailbox);
        } else {
            self.accounts.insert(mailbox.to_owned(), after);
        }
    }

    /// Puts every account into its class, and adds each class up.
    fn sort_in(&mut self) {
        let refused: HashMap<String, u64> =
            self.totals.iter().map(|totals| (totals.class.clone(), totals.refused)).collect();
        let names = self.classes.iter().map(|class| class.matches.to_string()).chain([String::new()]);
        let mut totals: Vec<_> = names
            .map(|class| ClassUsage {
                refused: refused.get(&class).copied().unwrap_or(0),
                class,
                ..ClassUsage::default()
            })
            .collect();
        let classes = std::mem::take(&mut self.classes);
        for (mailbox, account) in &mut self.accounts {
            account.class = classes.iter().position(|class| class.matches.fits(mailbox)).unwrap_or(classes.len());
            let quota = classes.get(account.class).map(|class| class.quota).unwrap_or_default();
            account.nearly_full = quota.is_nearly_used(account.octets, account.objects);
            totals[account.class].replace(&Account::default(), account);
        }
        (self.classes, self.totals) = (classes, totals);
    }
}

/// Of each box one word is kept, and of no more boxes than there is room for: the log has them all.
fn press<T: Clone>(boxes: &mut BTreeMap<String, T>, mailbox: &str, word: &T) {
    if boxes.len() < BOX_EVENTS || boxes.contains_key(mailbox) {
        boxes.insert(mailbox.to_owned(), word.clone());
    }
}

impl ClassUsage {
    fn replace(&mut self, before: &Account, after: &Account) {
        let holds = |account: &Account| u64::from(account.objects > 0);
        let exchanged = |total: u64, before: u64, after: u64| total.saturating_sub(before).saturating_add(after);
        self.boxes = exchanged(self.boxes, holds(before), holds(after));
        self.objects = exchanged(self.objects, before.objects, after.objects);
        self.octets = exchanged(self.octets, before.octets, after.octets);
        self.nearly_full = exchanged(self.nearly_full, before.nearly_full.into(), after.nearly_full.into());
    }
}

/// Why an account takes nothing more.
struct Over(Measure, u64, u64);

impl Over {
    fn of(self, mailbox: &str) -> OverQuota {
        OverQuota { mailbox: mailbox.to_owned(), measure: self.0, quota: self.1, used: self.2 }
    }
}

impl Account {
    const fn is_empty(&self) -> bool {
        self.objects == 0 && self.octets == 0 && self.promised_objects == 0 && self.promised_octets == 0
    }

    fn fits(&self, quota: &Quota, octets: u64, objects: u64) -> Result<(), Over> {
        let check = |measure, quota: Option<u64>, used: u64, more: u64| match quota {
            Some(quota) if more > 0 && used.saturating_add(more) > quota => Err(Over(measure, quota, used)),
            _ => Ok(()),
        };
        check(Measure::Objects, quota.objects, self.objects.saturating_add(self.promised_objects), objects)?;
        check(Measure::Octets, quota.octets, self.octets.saturating_add(self.promised_octets), octets)
    }
}

/// Room in a box that is kept for one file, until it is settled or dropped.
pub(super) struct Share {
    usage: Arc<Usage>,
    mailbox: String,
    objects: u64,
    octets: u64,
}

impl Share {
    /// Keeps room for so many octets in all; a share never shrinks.
    ///
    /// # Errors
    /// There is none, and the share is what it was.
    pub(super) fn grow(&mut self, octets: u64) -> Result<(), OverQuota> {
        let more = octets.saturating_sub(self.octets);
        if more == 0 {
            return Ok(());
        }
        let mut books = self.usage.books();
        let account = books.opened(&self.mailbox);
        let fits = account.fits(&books.quota(account.class), more, 0);
        fits.map_err(|over| books.refuse(account.class, over.of(&self.mailbox)))?;
        let account = books.accounts.entry(self.mailbox.clone()).or_insert(account);
        account.promised_octets += more;
        self.octets = octets;
        Ok(())
    }

    /// The file is an object of so many octets now.
    pub(super) fn settle(mut self, octets: u64) {
        self.give_back(|account| {
            account.octets += octets;
            account.objects += 1;
        });
    }

    fn give_back(&mut self, and: impl FnOnce(&mut Account)) {
        let (objects, octets) = (std::mem::take(&mut self.objects), std::mem::take(&mut self.octets));
        self.usage.books().hold(&self.mailbox, |account| {
            account.promised_objects = account.promised_objects.saturating_sub(objects);
            account.promised_octets = account.promised_octets.saturating_sub(octets);
            and(account);
        });
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.objects > 0 {
            self.give_back(|_| {});
        }
    }
}
