//! The control context of RFC 5707 §5: takes requests, runs dialogs, and says what has to be done.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::model::limits::MSML_AUDIT_OBJECTS;
use crate::model::{Instant, Machine, Mint, Now, Outbox};

use super::audit::Audited;
use super::dialog::{self, Dialog, Identity};
use super::document::{self, Action, Script};
use super::event::{BIND, is_in_class};
use super::fault::{Code, quoted};
use super::keys::{ContextId, FetchKey, PrimitiveKey};
use super::ledger::{DialogKey, Ledger, Turn};
use super::object::{DialogId, Identifier, Query, Root};
use super::parse::{Standalone, check_script};
use super::pending::{Asker, Unfinished};
use super::port::{Input, Limits, Output, Reason};
use super::reply::{Style, Verdict};
use super::state::{State, States};

/// Letters of a name we give a dialog: it only has to be new on its connection.
const NAME_LETTERS: usize = 12;

/// A connection and the dialogs on it.
#[derive(Debug)]
struct Connection {
    context: ContextId,
    dialogs: BTreeMap<String, DialogKey>,
}

/// Why a command failed.
pub(super) type Refusal = (Code, String);

/// Runs MSML. See the [room's page](super) for what it promises.
#[derive(Debug)]
pub struct Interpreter {
    limits: Limits,
    mint: Mint,
    draining: bool,
    /// Whether new files are taken.
    taking: bool,
    connections: BTreeMap<String, Connection>,
    /// Tags by their lower-case form, for clients that lose the case (checklist F-2).
    lowered: BTreeMap<String, Vec<String>>,
    /// The connection that each SIP dialog is.
    names: BTreeMap<ContextId, String>,
    dialogs: BTreeMap<DialogKey, Dialog>,
    last_dialog: u64,
    ledger: Ledger,
    /// Requests of which a command is with the spool.
    pub(super) asking: BTreeMap<ContextId, Unfinished>,
}

impl Machine for Interpreter {
    type Input = Input;
    type Output = Output;
    type Reason = Reason;

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox<Output>) {
        let now = now.instant;
        match input {
            Input::Request { context, request, style, body } => {
                self.ledger.context_lives(context);
                self.request(now, Asker { context, style, invited: false }, request, body, out);
            }
            Input::Answered { context, result } => self.answered(now, context, result, out),
            Input::Connected { conn, context } => self.connected(conn, context),
            Input::Invited { conn, style, script } => self.invited(now, conn, style, &script, out),
            Input::Disconnected { conn } => self.disconnected(now, &conn, out),
            Input::ContextGone(context) => self.ledger.context_is_gone(context),
            Input::Started { primitive } => {
                self.on_primitive(now, primitive, out, |d, turn| d.started(primitive, turn))
            }
            Input::Queued { primitive, job } => {
                self.on_primitive(now, primitive, out, |dialog, _| dialog.queued(primitive, job));
            }
            Input::Say { primitive, name, values } => {
                self.on_primitive(now, primitive, out, |dialog, turn| dialog.pass_on(&name, &values, turn));
            }
            Input::Began { primitive, variables } => {
                self.on_primitive(now, primitive, out, |dialog, turn| dialog.began(primitive, variables, turn));
            }
            Input::Progress { primitive, octets } => {
                self.on_primitive(now, primitive, out, |dialog, turn| dialog.progressed(primitive, octets, turn));
            }
            Input::Through { primitive, variables } => {
                self.on_primitive(now, primitive, out, |dialog, turn| dialog.through(primitive, variables, turn));
            }
            Input::Ended { primitive, end } => {
                self.on_primitive(now, primitive, out, |dialog, turn| dialog.ended(primitive, end, turn));
            }
            Input::Fetched { fetch, result } => self.fetched(now, fetch, result, out),
            Input::Drain(draining) => self.draining = draining,
            Input::Taking(taking) => self.taking = taking,
            Input::Timeout => self.timeout(now, out),
        }
    }

    fn deadline(&self) -> Option<(Instant, Reason)> {
        self.ledger.next().map(|(instant, key)| (instant, Reason::Primitive(key)))
    }
}

impl Interpreter {
    /// An interpreter without connections. The mint names dialogs.
    pub fn new(limits: Limits, mint: Mint) -> Self {
        Self {
            limits,
            mint,
            draining: false,
            taking: true,
            connections: BTreeMap::new(),
            lowered: BTreeMap::new(),
            names: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            last_dialog: 0,
            ledger: Ledger::default(),
            asking: BTreeMap::new(),
        }
    }

    /// How many dialogs are alive.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// Whether a dialog is alive whose events are for this SIP dialog.
    pub fn has_dialogs(&self, context: ContextId) -> bool {
        self.ledger.has_dialogs(context)
    }

    /// RFC 5707 §5: resources for the complete transaction, or 520 and nothing.
    pub(super) fn affordable<'a>(&self, starts: impl Iterator<Item = (&'a Root, &'a Script)>) -> Result<(), Refusal> {
        let mut wanted: BTreeMap<&String, usize> = BTreeMap::new();
        let (mut total, mut records) = (0, false);
        for (root, script) in starts {
            total += 1;
            records |= matches!(script, Script::Inline(steps) if document::records(steps));
            if let Some(conn) = self.resolve(root) {
                *wanted.entry(conn).or_default() += 1;
            }
        }
        if total > 0 && self.draining {
            return Err((Code::NotInService, "the server is going out of service and starts no dialogs".to_owned()));
        }
        if !self.taking && records {
            return Err((Code::NoResource, "there is no room for new files: nothing can be recorded now".to_owned()));
        }
        let limits = self.limits;
        if self.dialogs.len() + total > limits.dialogs {
            return Err((Code::NoResource, format!("at most {} dialogs at once", limits.dialogs)));
        }
        let running = |conn: &String| self.connections.get(conn).map_or(0, |connection| connection.dialogs.len());
        match wanted.iter().find(|(conn, wanted)| running(conn) + **wanted > limits.dialogs_per_connection) {
            Some((conn, _)) => {
                let limit = limits.dialogs_per_connection;
                Err((Code::NoResource, format!("at most {limit} dialogs at once on conn:{conn}")))
            }
            None => Ok(()),
        }
    }

    /// Executes one command, and puts into the verdict what it has to tell.
    pub(super) fn execute(
        &mut self,
        now: Instant,
        asker: Asker,
        action: Action,
        verdict: &mut Verdict,
        out: &mut Outbox<Output>,
    ) -> Result<(), Refusal> {
        match action {
            Action::DialogStart { target, name, script } => {
                verdict.dialogids.push(self.start(now, asker, &target, name, script, out)?);
            }
            Action::DialogEnd { id } => {
                let key = self.find(&id)?;
                self.on_dialog(now, key, out, |dialog, turn| dialog.terminate("terminate", turn));
            }
            Action::Send { event, target, values } if is_in_class(&event, BIND) => {
                self.bind(now, &target, &values, out)?
            }
            Action::Send { event, target, .. } => self.send(now, &target, &event, out)?,
            // RFC 5707 §5: whoever executes a request asks the spool itself, and waits.
            Action::Spool(_) => {}
            Action::Audit { query, states } => verdict.audited.extend(self.audit(now, &query, states)?),
        }
        Ok(())
    }

    /// RFC 5707 §10.1.2: one result for each object that is there; none is no error.
    fn audit(&self, now: Instant, query: &Query, states: States) -> Result<Vec<Audited>, Refusal> {
        let conns: Vec<&String> = match query {
            Query::Connections => self.connections.keys().collect(),
            Query::One(root) => self.resolve(root).into_iter().collect(),
            Query::Conferences => Vec::new(),
        };
        if conns.len() > MSML_AUDIT_OBJECTS {
            let reason = format!("{} connections are more than an answer takes: ask about single ones", conns.len());
            return Err((Code::LimitExceeded, reason));
        }
        let wants_dialogs = [State::Dialog, State::Stream, State::Transfer].into_iter().any(|state| states.has(state));
        let audited = |conn: &String| {
            let dialogs = self.connections[conn].dialogs.values().filter(|_| wants_dialogs);
            let report = |dialog: &Dialog| dialog.report(now, self.names.get(&dialog.context()).cloned());
            let dialogs = dialogs.filter_map(|key| self.dialogs.get(key)).map(report).collect();
            Audited { conn: conn.clone(), states, dialogs }
        };
        Ok(conns.into_iter().map(audited).collect())
    }

    /// A dialog on the connection that asks, which follows a job (`<ft:attach>`).
    pub(super) fn attach(
        &mut self,
        now: Instant,
        asker: Asker,
        job: &str,
        out: &mut Outbox<Output>,
    ) -> Result<String, Refusal> {
        let Some(conn) = self.names.get(&asker.context).cloned() else {
            return Err((Code::NoSuchObject, "the connection is gone".to_owned()));
        };
        let target = Identifier { root: Root::Connection(conn), dialog: None, inner: None };
        let script = Script::Inline(vec![document::following(job)]);
        self.affordable(std::iter::once((&target.root, &script)))?;
        self.start(now, asker, &target, Some(job.to_owned()), script, out)
    }

    fn start(
        &mut self,
        now: Instant,
        asker: Asker,
        target: &Identifier,
        name: Option<String>,
        script: Script,
        out: &mut Outbox<Output>,
    ) -> Result<String, Refusal> {
        let Some(conn) = self.resolve(&target.root).cloned() else { return Err(no_such(target)) };
        let Some(connection) = self.connections.get_mut(&conn) else { return Err(no_such(target)) };
        if let Some(name) = name.as_ref().filter(|name| connection.dialogs.contains_key(*name)) {
            return Err((Code::NameInUse, format!("conn:{conn} already has a dialog {}", quoted(name))));
        }
        let name = name.unwrap_or_else(|| {
            loop {
                let name = self.mint.token(NAME_LETTERS);
                if !connection.dialogs.contains_key(&name) {
                    break name;
                }
            }
        });
        let id = DialogId { conn, name };
        let text = id.to_string();
        self.last_dialog += 1;
        let key = DialogKey(self.last_dialog);
        let on_own_connection = connection.context == asker.context;
        connection.dialogs.insert(id.name.clone(), key);
        let (src, steps) = match script {
            Script::Inline(steps) => (None, Some(steps)),
            // RFC 5707 §9.6.1: the fetch is asynchronous, so its failure is an event.
            Script::External(src) => (Some(src), None),
        };
        if let Some(src) = src.clone() {
            out.push(Output::Fetch { fetch: FetchKey(key.0), src, dialog: text.clone() });
        }
        let Asker { context, style: Style { exit: exit_style, maxtime, strict, .. }, invited } = asker;
        let who = Identity { key, id, context, exit_style, maxtime, strict, src, on_own_connection, invited };
        self.ledger.dialog_begins(context);
        self.dialogs.insert(key, Dialog::new(who, steps, now));
        self.on_dialog(now, key, out, |_, _| {});
        Ok(text)
    }

    /// RFC 5707 §9.4: a script that came with its INVITE; nothing of it has an answer, so all that is wrong is an event.
    fn invited(&mut self, now: Instant, conn: String, style: Style, script: &[u8], out: &mut Outbox<Output>) {
        let Some(context) = self.connections.get(&conn).map(|connection| connection.context) else { return };
        let asker = Asker { context, style, invited: true };
        let id = format!("conn:{conn}");
        let target = Identifier { root: Root::Connection(conn), dialog: None, inner: None };
        let begun = usable(script, style.strict).and_then(|Standalone { id, steps }| {
            let script = Script::Inline(steps);
            self.affordable(std::iter::once((&target.root, &script)))?;
            self.start(now, asker, &target, id, script, out)
        });
        if let Err((code, reason)) = begun {
            let mut turn = Turn { now, ledger: &mut self.ledger, out };
            turn.event(context, "moml.error", &id, &dialog::failure("moml.error", code.number(), reason));
        }
    }

    /// RFC 5707 §9.6.1 and §11: a script that can't be had is 423, one that can't be used has the code of its first fault.
    fn fetched(&mut self, now: Instant, fetch: FetchKey, result: Result<Bytes, String>, out: &mut Outbox<Output>) {
        let strict = self.dialogs.get(&DialogKey(fetch.0)).is_some_and(Dialog::is_strict);
        let script = result.map_err(|why| (Code::Fetch, why)).and_then(|body| usable(&body, strict));
        let script = script.map(|standalone| standalone.steps);
        self.on_dialog(now, DialogKey(fetch.0), out, |dialog, turn| dialog.fetched(script, turn));
    }

    fn send(
        &mut self,
        now: Instant,
        target: &Identifier,
        event: &str,
        out: &mut Outbox<Output>,
    ) -> Result<(), Refusal> {
        if target.dialog.is_none() {
            return match self.resolve(&target.root) {
                Some(conn) => Err((Code::InvalidValue, format!("conn:{conn} takes no events, only its dialogs do"))),
                None => Err(no_such(target)),
            };
        }
        let key = self.find(target)?;
        let Some(inner) = target.inner.as_deref() else {
            if is_in_class(event, "terminate") {
                self.on_dialog(now, key, out, |dialog, turn| dialog.terminate(event, turn));
            }
            return Ok(());
        };
        if !self.dialogs.get(&key).is_some_and(|dialog| dialog.has_target(inner)) {
            return Err((Code::NoSuchObject, format!("the dialog has no {}", quoted(inner))));
        }
        self.on_dialog(now, key, out, |dialog, turn| dialog.deliver(inner, event, turn));
        Ok(())
    }

    /// `ft.bind`: a connection for a file that is due in this dialog.
    fn bind(
        &mut self,
        now: Instant,
        target: &Identifier,
        values: &str,
        out: &mut Outbox<Output>,
    ) -> Result<(), Refusal> {
        let key = self.find(target)?;
        let connection = Identifier::parse(values.trim()).ok().filter(|connection| connection.dialog.is_none());
        let Some(connection) = connection else {
            return Err((Code::InvalidValue, format!("{BIND} needs valuelist=\"conn:NAME\", the connection")));
        };
        let Some(conn) = self.resolve(&connection.root).cloned() else { return Err(no_such(&connection)) };
        let mut found = false;
        self.on_dialog(now, key, out, |dialog, turn| found = dialog.bind(target.inner.as_deref(), &conn, turn));
        match found {
            true => Ok(()),
            false => {
                Err((Code::NoSuchObject, "the dialog has no <ft:forward> that a file could be due for".to_owned()))
            }
        }
    }

    /// The connection an identifier means: its exact tag, or the only one that differs in case (checklist F-2).
    fn resolve(&self, root: &Root) -> Option<&String> {
        let Root::Connection(conn) = root else { return None };
        if let Some((known, _)) = self.connections.get_key_value(conn) {
            return Some(known);
        }
        match self.lowered.get(conn).map(Vec::as_slice) {
            Some([only]) => Some(only),
            _ => None,
        }
    }

    fn find(&self, target: &Identifier) -> Result<DialogKey, Refusal> {
        let name = target.dialog.as_deref().unwrap_or_default();
        let connection = self.resolve(&target.root).and_then(|conn| self.connections.get(conn));
        connection.and_then(|connection| connection.dialogs.get(name).copied()).ok_or_else(|| no_such(target))
    }

    fn connected(&mut self, conn: String, context: ContextId) {
        self.ledger.context_lives(context);
        self.names.insert(context, conn.clone());
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.context = context; // said twice: its dialogs stay
            return;
        }
        let lowered = conn.to_ascii_lowercase();
        if lowered != conn {
            self.lowered.entry(lowered).or_default().push(conn.clone());
        }
        let connection = Connection { context, dialogs: BTreeMap::new() };
        self.connections.insert(conn, connection);
    }

    fn disconnected(&mut self, now: Instant, conn: &str, out: &mut Outbox<Output>) {
        let Some(connection) = self.connections.remove(conn) else { return };
        self.ledger.context_is_gone(connection.context);
        self.names.remove(&connection.context);
        let lowered = conn.to_ascii_lowercase();
        if let Some(tags) = self.lowered.get_mut(&lowered) {
            tags.retain(|tag| tag != conn);
            if tags.is_empty() {
                self.lowered.remove(&lowered);
            }
        }
        for key in connection.dialogs.into_values() {
            self.on_dialog(now, key, out, Dialog::lose_connection);
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some((_, key)) = self.ledger.next().filter(|(deadline, _)| *deadline <= now) {
            self.on_primitive(now, key, out, |dialog, turn| dialog.timeout(key, turn));
        }
    }

    fn on_primitive(
        &mut self,
        now: Instant,
        primitive: PrimitiveKey,
        out: &mut Outbox<Output>,
        act: impl FnOnce(&mut Dialog, &mut Turn<'_>),
    ) {
        if let Some(key) = self.ledger.dialog(primitive) {
            self.on_dialog(now, key, out, act);
        }
    }

    /// Does something to a dialog, lets it go on as far as it can, and forgets it when it is over.
    fn on_dialog(
        &mut self,
        now: Instant,
        key: DialogKey,
        out: &mut Outbox<Output>,
        act: impl FnOnce(&mut Dialog, &mut Turn<'_>),
    ) {
        let Some(dialog) = self.dialogs.get_mut(&key) else { return };
        let mut turn = Turn { now, ledger: &mut self.ledger, out };
        act(dialog, &mut turn);
        if !dialog.settle(&mut turn) {
            return;
        }
        let DialogId { conn, name } = dialog.id();
        // A connection of the same tag may have come since; its dialogs are others.
        if let Some(connection) = self.connections.get_mut(conn).filter(|c| c.dialogs.get(name) == Some(&key)) {
            connection.dialogs.remove(name);
        }
        self.ledger.dialog_is_over(dialog.context());
        self.dialogs.remove(&key);
    }
}

fn usable(script: &[u8], strict: bool) -> Result<Standalone, Refusal> {
    check_script(script, strict).map_err(|faults| match faults.into_iter().next() {
        Some(fault) => (fault.code, format!("in the script: {}", fault.description())),
        None => (Code::BadRequest, "the script can't be used".to_owned()),
    })
}

fn no_such(target: &Identifier) -> Refusal {
    let root = match &target.root {
        Root::Connection(name) => format!("conn:{name}"),
        Root::Conference(name) => format!("conf:{name}"),
    };
    let whole = target.dialog.as_ref().map_or_else(|| root.clone(), |dialog| format!("{root}/dialog:{dialog}"));
    (Code::NoSuchObject, format!("there is no {}", quoted(&whole)))
}
