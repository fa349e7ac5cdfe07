//! One MSML dialog: its steps one after the other, a group's primitives side by side, and how it ends.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Instant;

use super::audit::DialogReport;
use super::document::{Deed, Kind, Moment, Primitive, Send, Step, is_target, primitives};
use super::event::is_in_class;
use super::fault::Code;
use super::keys::{ContextId, PrimitiveKey};
use super::ledger::{DialogKey, Turn};
use super::object::DialogId;
use super::ongoing::Next;
use super::port::{End, Output, Work};
use super::primitive::{Reaction, Running};
use super::reply::{self, ExitStyle};
use super::variables::Variables;

/// How a dialog ends, once that is known.
#[derive(Debug)]
enum Ending {
    Exit(Vec<String>),
    Disconnect(Vec<String>),
    Failed { status: u16, description: String, results: Vec<(String, String)> },
}

/// Who a dialog is and whom it reports to.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) key: DialogKey,
    pub(super) id: DialogId,
    pub(super) context: ContextId,
    pub(super) exit_style: ExitStyle,
    /// `maxtime` of a `<record>` that gives none.
    pub(super) maxtime: Duration,
    /// Whether its script is held to the schemas.
    pub(super) strict: bool,
    /// Where its script lies, if that is elsewhere.
    pub(super) src: Option<String>,
    /// Whether the request came on the very SIP dialog of the connection, so that its BYE can carry the last event.
    pub(super) on_own_connection: bool,
    /// Whether it came with an INVITE (RFC 5707 §9.4): then the client hears of what it has asked for and of faults, and
    /// no more.
    pub(super) invited: bool,
}

/// A dialog between `<dialogstart>` and `msml.dialog.exit`.
#[derive(Debug)]
pub(super) struct Dialog {
    who: Identity,
    name: String,
    since: Instant,
    /// Whether the script is still being fetched (RFC 5707 §9.6.1).
    fetching: bool,
    steps: VecDeque<Step>,
    /// Class and id of every primitive in the script: what a `<send>` can mean (RFC 5707 §9.6.3).
    cast: Vec<(&'static str, Option<String>)>,
    crew: Vec<Running>,
    /// The running group's `<groupexit>`.
    group_exit: Option<Vec<Deed>>,
    /// Whether the crew had anyone who is not inert.
    had_work: bool,
    deeds: VecDeque<Deed>,
    variables: Variables,
    /// No further primitive starts.
    terminated: bool,
    connection_gone: bool,
    ending: Option<Ending>,
}

impl Dialog {
    /// A dialog with its script, or one whose script is yet to be [fetched](Dialog::fetched).
    pub(super) fn new(who: Identity, steps: Option<Vec<Step>>, since: Instant) -> Self {
        let fetching = steps.is_none();
        let steps = steps.unwrap_or_default();
        Self {
            name: who.id.to_string(),
            who,
            since,
            fetching,
            cast: cast(&steps),
            steps: steps.into(),
            crew: Vec::new(),
            group_exit: None,
            had_work: false,
            deeds: VecDeque::new(),
            variables: Variables::default(),
            terminated: false,
            connection_gone: false,
            ending: None,
        }
    }

    pub(super) fn id(&self) -> &DialogId {
        &self.who.id
    }

    /// Whether its script is held to the schemas.
    pub(super) const fn is_strict(&self) -> bool {
        self.who.strict
    }

    /// The SIP dialog that started it.
    pub(super) const fn context(&self) -> ContextId {
        self.who.context
    }

    /// What an audit is told (RFC 5707 §10.4). Who works comes first.
    pub(super) fn report(&self, now: Instant, controller: Option<String>) -> DialogReport {
        let (inert, working): (Vec<_>, Vec<_>) = self.crew.iter().partition(|running| running.is_inert());
        let crew = working.into_iter().chain(inert);
        let crew = crew.map(|running| (running.key, running.primitive.kind.audited())).collect();
        let (name, src) = (self.who.id.name.clone(), self.who.src.clone());
        DialogReport { name, src, runs: now.since(self.since), crew, controller }
    }

    /// Its script is here, or will never be. A dialog that was terminated meanwhile has said so already.
    pub(super) fn fetched(&mut self, script: Result<Vec<Step>, (Code, String)>, turn: &mut Turn<'_>) {
        self.fetching = false;
        match script {
            Ok(steps) => {
                self.cast = cast(&steps);
                self.steps = steps.into();
            }
            Err((code, description)) => {
                self.end_with(Ending::Failed { status: code.number(), description, results: Vec::new() }, turn);
            }
        }
    }

    /// Whether an outside `<send>` can mean `target`.
    pub(super) fn has_target(&self, target: &str) -> bool {
        target == "group" || self.cast.iter().any(|(class, id)| is_target(target, class, id.as_deref()))
    }

    /// Goes on until something has to be waited for. True when the dialog is over and has said so.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> bool {
        loop {
            if let Some(deed) = self.deeds.pop_front() {
                self.perform(deed, turn);
                continue;
            }
            if self.fetching && !self.terminated || !self.crew_is_done(turn) {
                return false;
            }
            if let Some(exit) = self.group_exit.take() {
                if self.ending.is_none() {
                    self.deeds.extend(exit);
                }
                continue;
            }
            match self.next_step() {
                Some(step) => self.enter(step, turn),
                None => {
                    self.close(turn);
                    return true;
                }
            }
        }
    }

    /// RFC 5707 §9.6.2 and §9.7.6: what runs is terminated and nothing new starts, but what the script says about its
    /// results right after is still said.
    pub(super) fn terminate(&mut self, event: &str, turn: &mut Turn<'_>) {
        self.terminated = true;
        self.deliver_to_all(event, turn);
    }

    /// Its connection is gone: every transfer ends, and the owner will say how.
    pub(super) fn lose_connection(&mut self, turn: &mut Turn<'_>) {
        self.terminated = true;
        self.connection_gone = true;
        for key in self.keys() {
            self.react(key, turn, |running, _| running.lose());
        }
    }

    /// An event from outside for something inside (RFC 5707 §7.2).
    pub(super) fn deliver(&mut self, target: &str, event: &str, turn: &mut Turn<'_>) {
        if target == "group" {
            // RFC 5707 §9.8.1: terminate is all that a group understands.
            if self.group_exit.is_some() && is_in_class(event, "terminate") {
                self.deliver_to_all(event, turn);
            }
            return;
        }
        let members = self.crew.iter().filter(|running| running.is_target(target));
        for key in members.map(|running| running.key).collect::<Vec<_>>() {
            self.react(key, turn, |running, now| running.deliver(event, now));
        }
    }

    /// The client has a connection for what is due, in this part of the dialog or wherever it is. Says no if nothing here
    /// could be due.
    pub(super) fn bind(&self, inner: Option<&str>, conn: &str, turn: &mut Turn<'_>) -> bool {
        let meant = |running: &&Running| inner.is_none_or(|inner| running.is_target(inner)) && running.can_be_bound();
        let mut meant = self.crew.iter().filter(meant).map(|running| running.key).peekable();
        let found = meant.peek().is_some();
        meant.for_each(|primitive| turn.out.push(Output::Bind { primitive, conn: conn.to_owned() }));
        found
    }

    /// Its job has a name.
    pub(super) fn queued(&mut self, key: PrimitiveKey, job: String) {
        if let Some(running) = self.crew.iter_mut().find(|running| running.key == key) {
            running.queued(job);
        }
    }

    /// What the owner has to say to the client.
    pub(super) fn pass_on(&self, name: &str, values: &[(String, String)], turn: &mut Turn<'_>) {
        turn.event(self.who.context, name, &self.name, values);
    }

    pub(super) fn started(&mut self, key: PrimitiveKey, turn: &mut Turn<'_>) {
        self.react(key, turn, |running, now| {
            running.started(now);
            Reaction::Nothing
        });
    }

    /// A file begins to move.
    pub(super) fn began(&mut self, key: PrimitiveKey, variables: Vec<(String, String)>, turn: &mut Turn<'_>) {
        self.react(key, turn, |running, now| running.began(variables, now));
    }

    pub(super) fn progressed(&mut self, key: PrimitiveKey, octets: u64, turn: &mut Turn<'_>) {
        self.react(key, turn, |running, now| running.progressed(octets, now));
    }

    /// A file has stopped moving.
    pub(super) fn through(&mut self, key: PrimitiveKey, variables: Vec<(String, String)>, turn: &mut Turn<'_>) {
        self.react(key, turn, |running, _| running.through(variables));
    }

    pub(super) fn timeout(&mut self, key: PrimitiveKey, turn: &mut Turn<'_>) {
        self.react(key, turn, Running::timeout);
    }

    /// What a primitive had to have done is over, and the primitive too, unless it is a transfer with more to do.
    pub(super) fn ended(&mut self, key: PrimitiveKey, end: End, turn: &mut Turn<'_>) {
        let running = self.crew.iter_mut().find(|running| running.key == key);
        match running.and_then(|running| running.ongoing.as_mut()) {
            Some(ongoing) => {
                ongoing.ended(end, turn.now);
                self.go_on(key, turn);
            }
            None => self.over(key, end, turn),
        }
    }

    fn over(&mut self, key: PrimitiveKey, end: End, turn: &mut Turn<'_>) {
        let Some(running) = self.leave(key, turn) else { return };
        let name = running.end_name(&end);
        let (variables, notice) = running.over(end.variables);
        if let Some((event, values)) = notice {
            turn.event(self.who.context, event, &self.name, &values);
        }
        let results = self.remember(&running.primitive, &name, variables);
        match end.failure {
            Some((status, description)) if self.ending.is_none() => {
                // Checklist F-9: a failing dialog speaks through msml.dialog.exit alone.
                self.end_with(Ending::Failed { status, description, results }, turn);
            }
            None if self.ending.is_none() => self.deeds.extend(running.primitive.exit),
            _ => {}
        }
    }

    /// A transfer goes on from file to file.
    fn go_on(&mut self, key: PrimitiveKey, turn: &mut Turn<'_>) {
        loop {
            let Some(running) = self.crew.iter_mut().find(|running| running.key == key) else { return };
            let Some(next) = running.next(turn.now) else { return };
            turn.ledger.arm(key, running.deadline());
            match next {
                Next::Rest => return,
                Next::Say(moment, values) => self.say(key, moment, values, turn),
                Next::Work(work) => return self.start(key, work, turn),
                Next::Over(end) => return self.over(key, end, turn),
            }
        }
    }

    /// What the script has to say at this moment of a transfer.
    fn say(&mut self, key: PrimitiveKey, moment: Moment, values: Vec<(String, String)>, turn: &mut Turn<'_>) {
        let Some(running) = self.crew.iter().find(|running| running.key == key) else { return };
        let Kind::Transfer(transfer) = &running.primitive.kind else { return };
        let deeds = transfer.deeds[moment as usize].clone();
        self.variables.keep("transfer", running.primitive.id.as_deref(), values);
        for deed in deeds {
            if self.ending.is_none() {
                self.perform(deed, turn);
            }
        }
    }

    fn start(&self, primitive: PrimitiveKey, work: Work, turn: &mut Turn<'_>) {
        let (conn, dialog) = (self.who.id.conn.clone(), self.name.clone());
        turn.out.push(Output::Start { primitive, conn, dialog, work });
    }

    fn keys(&self) -> Vec<PrimitiveKey> {
        self.crew.iter().map(|running| running.key).collect()
    }

    fn deliver_to_all(&mut self, event: &str, turn: &mut Turn<'_>) {
        for key in self.keys() {
            self.react(key, turn, |running, now| running.deliver(event, now));
        }
    }

    /// Does something to one primitive and takes the consequences.
    fn react(&mut self, key: PrimitiveKey, turn: &mut Turn<'_>, act: impl FnOnce(&mut Running, Instant) -> Reaction) {
        let Some(running) = self.crew.iter_mut().find(|running| running.key == key) else { return };
        let reaction = act(running, turn.now);
        turn.ledger.arm(key, running.deadline());
        match reaction {
            Reaction::Nothing => {}
            Reaction::Order(order) => turn.out.push(Output::Order { primitive: key, order }),
            Reaction::NoInput => self.no_input(key),
            Reaction::NoInputOver => {
                self.no_input(key);
                self.collector_over(key, "dtmf.noinput", turn);
            }
            Reaction::Over(event) => self.collector_over(key, &event, turn),
            Reaction::GoOn => self.go_on(key, turn),
            Reaction::Say((event, values)) => turn.event(self.who.context, event, &self.name, &values),
        }
    }

    fn no_input(&mut self, key: PrimitiveKey) {
        let running = self.crew.iter().find(|running| running.key == key);
        if let Some(Kind::Collect(collect)) = running.map(|running| &running.primitive.kind) {
            self.deeds.extend(collect.noinput.iter().cloned());
        }
    }

    fn collector_over(&mut self, key: PrimitiveKey, name: &str, turn: &mut Turn<'_>) {
        let Some(running) = self.leave(key, turn) else { return };
        self.remember(&running.primitive, name, Vec::new());
        if self.ending.is_none() {
            self.deeds.extend(running.primitive.exit);
        }
    }

    fn leave(&mut self, key: PrimitiveKey, turn: &mut Turn<'_>) -> Option<Running> {
        let index = self.crew.iter().position(|running| running.key == key)?;
        turn.ledger.close(key);
        Some(self.crew.remove(index))
    }

    /// Keeps the shadow variables of a primitive that is over, `.end` first.
    fn remember(&mut self, of: &Primitive, end: &str, given: Vec<(String, String)>) -> Vec<(String, String)> {
        let class = of.kind.class();
        let end_variable = format!("{class}.end");
        let mut results = match of.kind.told() {
            Some(_) => Vec::new(), // ft.result has its place
            None => vec![(end_variable.clone(), end.to_owned())],
        };
        results.extend(given.into_iter().filter(|(name, _)| *name != end_variable));
        self.variables.keep(class, of.id.as_deref(), results.clone());
        results
    }

    fn perform(&mut self, deed: Deed, turn: &mut Turn<'_>) {
        match deed {
            Deed::Send(send) => self.send(&send, turn),
            Deed::Exit { namelist } => self.end_with(Ending::Exit(namelist), turn),
            Deed::Disconnect { namelist } => self.end_with(Ending::Disconnect(namelist), turn),
        }
    }

    /// RFC 5707 §9.6.3: a target unknown inside the dialog is the environment.
    fn send(&mut self, send: &Send, turn: &mut Turn<'_>) {
        if self.has_target(&send.target) {
            return self.deliver(&send.target, &send.event, turn);
        }
        turn.event(self.who.context, &send.event, &self.name, &self.variables.pairs(&send.namelist));
    }

    /// The first ending counts; whoever still runs is terminated and waited for.
    fn end_with(&mut self, ending: Ending, turn: &mut Turn<'_>) {
        self.ending = Some(ending);
        self.deeds.clear();
        self.deliver_to_all("terminate", turn);
        self.deeds.clear();
    }

    /// Whether nobody is left to wait for. Collectors alone keep a group alive only if they were alone from the start.
    fn crew_is_done(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.had_work && self.crew.iter().all(Running::is_inert) {
            for key in self.keys() {
                self.leave(key, turn);
            }
        }
        self.crew.is_empty()
    }

    fn next_step(&mut self) -> Option<Step> {
        let step = self.steps.pop_front().filter(|_| self.ending.is_none())?;
        let starts_something = !matches!(step, Step::Deed(_));
        (!self.terminated || !starts_something).then_some(step)
    }

    fn enter(&mut self, step: Step, turn: &mut Turn<'_>) {
        let members = match step {
            Step::Deed(deed) => return self.deeds.push_back(deed),
            Step::Primitive(primitive) => vec![primitive],
            Step::Group(group) => {
                self.group_exit = Some(group.exit);
                group.primitives
            }
        };
        self.had_work = false;
        for primitive in members {
            let key = turn.ledger.open(self.who.key);
            let running = Running::new(key, primitive, self.who.maxtime, turn.now);
            turn.ledger.arm(key, running.deadline());
            self.had_work |= !running.is_inert();
            if let Some(work) = running.work() {
                self.start(key, work, turn);
            }
            self.crew.push(running);
            self.go_on(key, turn);
            if self.ending.is_some() {
                return; // a transfer's script has had enough
            }
        }
    }

    /// The last words (RFC 5707 §7.4 and §9.6.1; checklist F-4, F-8, F-9).
    fn close(&mut self, turn: &mut Turn<'_>) {
        let (context, id) = (self.who.context, self.name.as_str());
        let gone = |turn: &mut Turn<'_>, values: &[(String, String)]| {
            if !self.who.invited {
                turn.event(context, "msml.dialog.exit", id, values);
            }
        };
        let repeated = |values: &[(String, String)]| match self.who.exit_style {
            ExitStyle::Repeat => values.to_vec(),
            ExitStyle::Empty => Vec::new(),
        };
        match self.ending.take() {
            None => gone(turn, &[]),
            Some(Ending::Exit(namelist)) => {
                let values = self.variables.pairs(&namelist);
                turn.event(context, "moml.exit", id, &values);
                gone(turn, &repeated(&values));
            }
            Some(Ending::Disconnect(namelist)) => {
                let values = self.variables.pairs(&namelist);
                let by_bye = self.who.on_own_connection && !self.connection_gone;
                if !by_bye {
                    turn.event(context, "moml.disconnect", id, &values);
                }
                gone(turn, &repeated(&values));
                if !self.connection_gone {
                    // RFC 5707 §3.1: on the SIP dialog that ends, the BYE itself carries the event.
                    let body = by_bye.then(|| reply::event("moml.disconnect", id, &values));
                    turn.out.push(Output::Disconnect { conn: self.who.id.conn.clone(), body });
                }
            }
            Some(Ending::Failed { status, description, results }) => {
                let (event, prefix) =
                    if self.who.invited { ("moml.error", "moml.error") } else { ("msml.dialog.exit", "dialog.exit") };
                let mut values = failure(prefix, status, description).to_vec();
                values.extend(results);
                turn.event(context, event, id, &values);
            }
        }
    }
}

/// What an event says of a failure.
pub(super) fn failure(prefix: &str, status: u16, description: String) -> [(String, String); 2] {
    [(format!("{prefix}.status"), status.to_string()), (format!("{prefix}.description"), description)]
}

/// Class and id of every primitive of a script.
fn cast(steps: &[Step]) -> Vec<(&'static str, Option<String>)> {
    steps.iter().flat_map(primitives).map(|member| (member.kind.class(), member.id.clone())).collect()
}
