//! Whoever wants to hear what has become of objects, deliveries and boxes is told.
//!
//! ```text
//!   spool ── outcomes ──> notices ──> outbox (durable) ──> post: who is due ──> courier ──> webhook, MESSAGE
//!                                        ^                                          |
//!                                        └────────── taken, deferred, dead <────────┘
//! ```
//! One task has the outbox and the post. What a crash has kept from the outbox is looked for in the spool at the next start,
//! before anything else is swept away there.

mod message;
mod said;
mod sender;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use self::said::Readers;
use self::sender::Senders;
use self::webhook::Courier;
use super::clock::Clock;
use super::driver::Request;
use super::{metrics, terms};
use crate::config::Settings;
use crate::model::limits::{NOTICE_WISHES, NOTICES_AT_ONCE};
use crate::model::{Instant, Machine as _, Mint, Outbox, Wall};
use crate::notices::{Audience, Input, Output, Post, Verdict};
use crate::spool::{
    Added, Notice, NoticeChange, NoticeLog, NoticeQuery, NoticeState, Outcome, Outcomes, Spool, SpoolError,
};

/// How often is looked for what rings no bell: boxes that are full.
const LOOK: Duration = Duration::from_secs(1);

/// How old the date before which nothing is missing may become while nothing has to be written down.
const COMPLETE_AGAIN: Duration = Duration::from_secs(60);

/// What an operator wants of a notice; answered with whether there is such a one.
#[derive(Debug)]
pub(super) enum Wish {
    /// Send it now, also if it was given up.
    Retry(String, oneshot::Sender<bool>),
    /// Forget it.
    Drop(String, oneshot::Sender<bool>),
}

/// Where wishes are told, and who may be told of things.
#[derive(Clone)]
pub(super) struct Ear {
    wishes: mpsc::Sender<Wish>,
    pub(super) audience: Arc<Audience>,
}

impl Ear {
    /// To a node that does not tell anybody.
    #[cfg(test)]
    pub(super) fn deaf() -> Self {
        Self { wishes: mpsc::channel(1).0, audience: Arc::default() }
    }

    /// Asks for something. A node that has stopped does not answer.
    pub(super) async fn tell(&self, wish: Wish) {
        let _ = self.wishes.send(wish).await;
    }
}

/// The task that tells others.
pub(super) struct Herald {
    spool: Spool,
    log: Arc<NoticeLog>,
    clock: Clock,
    post: Post,
    readers: Readers,
    senders: Senders,
    courier: Arc<Courier>,
    bell: Arc<Notify>,
    wishes: mpsc::Receiver<Wish>,
    /// How attempts have ended.
    verdicts: mpsc::Receiver<Ended>,
    ended: mpsc::Sender<Ended>,
    /// What has become of notices and could not be written down.
    unwritten: Vec<NoticeChange>,
    /// What is to be sent as soon as the node runs.
    first: Vec<String>,
    /// Something may be missing in the outbox.
    behind: bool,
    /// When it was last written down before which date nothing is.
    completed: Instant,
}

/// How an attempt to bring this notice has ended.
type Ended = (String, Verdict);

/// Why some outcomes are not in the outbox yet.
#[derive(Debug, thiserror::Error)]
enum Unsaid {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the outbox: {0}")]
    Outbox(#[from] rusqlite::Error),
}

impl Herald {
    /// Takes up what waits from an earlier run, and what that has not come to write down. Blocks.
    ///
    /// # Errors
    /// A setting can't be used.
    pub(super) fn open(
        settings: &Settings,
        spool: &Spool,
        log: Arc<NoticeLog>,
        (clock, mint): (Clock, Mint),
    ) -> Result<(Self, Ear), String> {
        let bell = Arc::new(Notify::new());
        let rung = Arc::clone(&bell);
        spool.keep_outcomes(move || rung.notify_one());
        let (wishes, ears) = mpsc::channel(NOTICE_WISHES);
        let (ended, verdicts) = mpsc::channel(NOTICES_AT_ONCE);
        let audience = Arc::new(terms::audience(settings));
        let mut herald = Self {
            spool: spool.clone(),
            log,
            clock,
            post: Post::new(terms::notices(settings), mint),
            readers: Readers::new(settings),
            senders: Senders::new(settings),
            courier: Arc::new(Courier::new(settings, Arc::clone(&audience))?),
            bell,
            wishes: ears,
            verdicts,
            ended,
            unwritten: Vec::new(),
            first: Vec::new(),
            behind: true,
            completed: Instant::default(),
        };
        let mut sends = Vec::new();
        if let Err(error) = herald.take_up(&mut sends) {
            tracing::error!(%error, "the outbox can't be read: what waits in it is told after the next start");
        }
        herald.listen(&mut sends);
        herald.first = sends;
        Ok((herald, Ear { wishes, audience }))
    }

    /// Tells others until the node stops.
    pub(super) async fn run(mut self, requests: mpsc::Sender<Request>, stop: CancellationToken) {
        std::mem::take(&mut self.first).into_iter().for_each(|id| self.send(id, &requests));
        let mut look = tokio::time::interval(LOOK);
        let mut ended = Vec::new();
        loop {
            let deadline = self.post.deadline().map(|(at, _)| self.clock.at(at));
            let inputs = tokio::select! {
                () = self.bell.notified(), if !self.behind => None,
                _ = look.tick() => {
                    block_in_place(|| {
                        self.measure();
                        self.write_down();
                    });
                    None
                }
                // All that have come are written down with one sync.
                _ = self.verdicts.recv_many(&mut ended, NOTICES_AT_ONCE) => {
                    Some(ended.drain(..).map(|(id, verdict)| Input::Answered(id, verdict)).collect())
                }
                Some(wish) = self.wishes.recv() => match block_in_place(|| self.wish(wish)) {
                    Some(input) => Some(vec![input]),
                    None => continue,
                },
                () = sleep_until(deadline), if deadline.is_some() => Some(vec![Input::Timeout]),
                () = stop.cancelled() => return,
            };
            let sends = block_in_place(|| {
                let mut sends = Vec::new();
                match inputs {
                    Some(inputs) => self.take(inputs, &mut sends),
                    None => self.listen(&mut sends),
                }
                sends
            });
            sends.into_iter().for_each(|id| self.send(id, &requests));
        }
    }

    fn take_up(&mut self, sends: &mut Vec<String>) -> rusqlite::Result<()> {
        let mut query = NoticeQuery { state: Some(NoticeState::Waiting), ..NoticeQuery::default() };
        loop {
            let page = self.log.read(&query)?;
            self.take(page.notices.into_iter().map(|posted| Input::Known(posted.slip)).collect(), sends);
            match page.next {
                Some(next) => query.after = next,
                None => return Ok(()),
            }
        }
    }

    /// Writes down what is to be told of what has come about.
    fn listen(&mut self, sends: &mut Vec<String>) {
        let Outcomes { outcomes, complete, missed } = self.spool.outcomes(self.clock.now());
        self.behind |= missed;
        if let Err(error) = self.say(&outcomes, complete, sends) {
            // What could not be written down is found again in the spool.
            tracing::error!(%error, "what is to be told could not be written down: it is looked for again");
            self.behind = true;
        }
    }

    fn measure(&self) {
        match self.log.tally() {
            Ok(tally) => metrics::notices(&tally, self.clock.now().wall),
            Err(error) => tracing::warn!(%error, "nobody can say how many notices wait"),
        }
    }

    fn say(&mut self, outcomes: &[Outcome], complete: Wall, sends: &mut Vec<String>) -> Result<(), Unsaid> {
        if self.behind {
            self.catch_up(sends)?;
            self.behind = false;
        }
        let now = self.clock.now();
        let notices = self.notices(outcomes, now.wall);
        if !notices.is_empty() || now.instant - self.completed > COMPLETE_AGAIN || self.completed == Instant::default()
        {
            self.add(&notices, complete, sends)?;
            self.completed = now.instant;
        }
        // Not before: a start finds nothing of an object that is at its end.
        for outcome in outcomes {
            if let Outcome::Settled(delivery) = outcome {
                self.spool.end_with(delivery, now);
            }
        }
        Ok(())
    }

    /// What has come about since nothing was missing. A new outbox tells of nothing before it.
    fn catch_up(&mut self, sends: &mut Vec<String>) -> Result<(), Unsaid> {
        let Some(since) = self.log.complete()? else { return Ok(()) };
        let mut next = Some(String::new());
        while let Some(cursor) = next {
            let (outcomes, after) = self.spool.outcomes_since(since, &cursor)?;
            let now = self.clock.now().wall;
            let notices = self.notices(&outcomes, now);
            if !notices.is_empty() {
                self.add(&notices, since, sends)?;
            }
            next = after;
        }
        Ok(())
    }

    /// Whoever is told of these.
    fn notices(&mut self, outcomes: &[Outcome], now: Wall) -> Vec<Notice> {
        let of = |outcome: &Outcome| {
            let senders = self.senders.notice(outcome, &self.spool);
            self.readers.notices(outcome, now).into_iter().chain(senders).collect::<Vec<_>>()
        };
        outcomes.iter().flat_map(of).collect()
    }

    fn add(&mut self, notices: &[Notice], complete: Wall, sends: &mut Vec<String>) -> rusqlite::Result<()> {
        let now = self.clock.now();
        let expires = now.wall.after(self.post.config().lifetime);
        let Added { slips, displaced } = self.log.add(notices, expires, complete, now)?;
        for id in &displaced {
            tracing::error!(notice = id, "given up: too many notices wait");
            metrics::notice("dead");
        }
        self.take(displaced.into_iter().map(Input::Drop).chain(slips.into_iter().map(Input::Known)).collect(), sends);
        Ok(())
    }

    fn wish(&mut self, wish: Wish) -> Option<Input> {
        let known = |id: &str| self.log.notice(id).ok().flatten();
        let (input, answer) = match wish {
            Wish::Retry(id, answer) => {
                let (now, lifetime) = (self.clock.now(), self.post.config().lifetime);
                let input = match known(&id) {
                    Some(posted) if posted.state == NoticeState::Waiting => Some(Input::Hurry(posted.slip)),
                    _ => self.log.revive(&id, now.wall.after(lifetime), now).ok().flatten().map(Input::Known),
                };
                (input, answer)
            }
            Wish::Drop(id, answer) => {
                let dropped =
                    self.log.has(&id).unwrap_or_default() && self.log.change(&[NoticeChange::Done(id.clone())]).is_ok();
                (dropped.then_some(Input::Drop(id)), answer)
            }
        };
        let _ = answer.send(input.is_some()); // whoever asked may have gone
        input
    }

    /// Has the post take inputs, and writes down what they come to. Says what is to be sent.
    fn take(&mut self, inputs: Vec<Input>, sends: &mut Vec<String>) {
        let mut out = Outbox::new();
        for input in inputs {
            self.post.handle(self.clock.now(), input, &mut out);
        }
        let changes = &mut self.unwritten;
        for output in out.drain() {
            match output {
                Output::Send(id, _) => sends.push(id),
                Output::Taken(id) => {
                    metrics::notice("taken");
                    changes.push(NoticeChange::Done(id));
                }
                Output::Deferred { id, attempts, next, reason } => {
                    tracing::warn!(notice = id, attempts, reason, %next, "a notice was not taken yet");
                    metrics::notice("deferred");
                    changes.push(NoticeChange::Deferred { id, attempts, next, reason });
                }
                Output::Dead(id, attempts, reason) => {
                    tracing::error!(notice = id, attempts, reason, "a notice was given up");
                    metrics::notice("dead");
                    changes.push(NoticeChange::Dead(id, attempts, reason));
                }
            }
        }
        self.write_down();
    }

    /// What can't be written down is tried again, but for what changes anyway.
    fn write_down(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        match self.log.change(&self.unwritten) {
            Ok(()) => self.unwritten.clear(),
            Err(error) => {
                tracing::error!(%error, "what has become of notices could not be written down: it is tried again");
                self.unwritten.retain(|change| !matches!(change, NoticeChange::Deferred { .. }));
            }
        }
    }

    /// By what a notice goes is its target's to say. Each way ends with one verdict.
    fn send(&self, id: String, requests: &mpsc::Sender<Request>) {
        let requests = requests.clone();
        let (courier, log, ended) = (Arc::clone(&self.courier), Arc::clone(&self.log), self.ended.clone());
        let now = self.clock.now().wall;
        tokio::spawn(async move {
            let verdict = match block_in_place(|| log.notice(&id)) {
                Ok(Some(posted)) => courier.bring(posted.notice, &requests, now).await,
                Ok(None) => Verdict::Lost("what was to be said is lost".to_owned()),
                Err(error) => Verdict::Away(error.to_string(), None),
            };
            let _ = ended.send((id, verdict)).await; // a node that stops hears nothing
        });
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}
