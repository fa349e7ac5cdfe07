//! A conversation with an interpreter, each output as one line, each document checked against the schemas.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::PathBuf;
use std::time::Duration;

use restante::model::{Instant, Machine, Mint, Now, Outbox};
use restante::msml::{
    ConnectionReport, ContextId, End, Forward, Input, Interpreter, Limits, Output, PrimitiveKey, Record, Style, Work,
};

use crate::msml;

/// Alice's SIP dialog, which is also a connection.
pub(crate) const ALICE: ContextId = ContextId(1);
/// A control dialog without media.
pub(crate) const CONTROL: ContextId = ContextId(9);

/// An interpreter, its clock, and everything it has said.
pub(crate) struct Talk {
    pub(crate) interpreter: Interpreter,
    pub(crate) clock: Duration,
    pub(crate) requests: u64,
    pub(crate) style: Style,
    /// What the owner of connections tells an audit.
    pub(crate) report: ConnectionReport,
    said: Vec<String>,
}

impl Talk {
    /// Alice is connected.
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let interpreter = Interpreter::new(limits, Mint::from_number(1));
        let mut talk = Self {
            interpreter,
            clock: Duration::ZERO,
            requests: 0,
            style: Style::default(),
            report: ConnectionReport::default(),
            said: vec![],
        };
        talk.tell(Input::Connected { conn: "TagOfAlice".to_owned(), context: ALICE });
        talk
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<String> {
        let mut out = Outbox::new();
        let now = Now { instant: Instant::from_origin(self.clock), ..Now::default() };
        self.interpreter.handle(now, input, &mut out);
        out.drain().map(|output| self.line(output)).collect()
    }

    /// Sends these commands on the control dialog.
    pub(crate) fn ask(&mut self, commands: &str) -> Vec<String> {
        self.ask_on(CONTROL, commands)
    }

    pub(crate) fn ask_on(&mut self, context: ContextId, commands: &str) -> Vec<String> {
        self.requests += 1;
        let body = format!("<msml version=\"1.1\">{commands}</msml>").into();
        self.tell(Input::Request { context, request: self.requests, style: self.style, body })
    }

    pub(crate) fn ended(&mut self, key: u64, name: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let end = End { name: name.to_owned(), variables, failure: None };
        self.tell(Input::Ended { primitive: PrimitiveKey(key), end })
    }

    pub(crate) fn failed(&mut self, key: u64, name: &str, status: u16, reason: &str) -> Vec<String> {
        let end = End { name: name.to_owned(), variables: vec![], failure: Some((status, reason.to_owned())) };
        self.tell(Input::Ended { primitive: PrimitiveKey(key), end })
    }

    /// Sleeps until the deadline and wakes the interpreter; gives the second it was.
    pub(crate) fn wake(&mut self) -> (u64, Vec<String>) {
        let (deadline, _) = self.interpreter.deadline().expect("a deadline");
        self.clock = deadline.since_origin();
        (self.clock.as_secs(), self.tell(Input::Timeout))
    }

    /// One output as one line; documents without what F-1 fixes for all of them.
    fn line(&mut self, output: Output) -> String {
        match output {
            Output::Reply { request, reply } => {
                assert!(request <= self.requests);
                let report = self.report.clone();
                self.content(&reply.answer(|_| Some(report.clone())).body)
            }
            Output::Event { context, body, .. } => format!("to {}: {}", context.0, self.content(&body)),
            Output::EventLost { context, body, .. } => format!("lost to {}: {}", context.0, self.content(&body)),
            Output::Start { primitive, conn, dialog, work } => {
                assert!(dialog.starts_with(&format!("conn:{conn}/dialog:")));
                let what = match work {
                    Work::Record(record) => format!("record {}{}", destinations(&record), mood(record.suspended)),
                    Work::Play(play) => {
                        let files: Vec<String> = play.files.iter().map(|file| file.uri.to_string()).collect();
                        format!("play {}{}", files.join(" "), mood(play.suspended))
                    }
                    Work::File(work) => format!("file {work:?}"),
                    Work::Forward(Forward::New(job)) => format!("forward {} to {}", job.file.uri, job.to),
                    Work::Forward(Forward::Attach(job)) => format!("follow {job}"),
                };
                format!("start {}: {what}", primitive.0)
            }
            Output::Ask { context, ask } => format!("ask for {}: {ask:?}", context.0),
            Output::Fetch { fetch, src, .. } => format!("fetch {}: {src}", fetch.0),
            Output::Bind { primitive, conn } => format!("bind {}: {conn}", primitive.0),
            Output::Order { primitive, order } => format!("order {}: {order:?}", primitive.0),
            Output::Disconnect { conn, body } => {
                let content = body.map(|body| self.content(&body)).unwrap_or_default();
                format!("bye {conn}: {content}")
            }
        }
    }

    // F-1: clients cut these documents at fixed strings.
    fn content(&mut self, body: &str) -> String {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<msml version=\"1.1\">";
        let content = body.strip_prefix(head).and_then(|rest| rest.strip_suffix("</msml>"));
        let content = content.expect("the fixed frame").to_owned();
        self.said.push(body.to_owned());
        content
    }
}

/// Every document of every conversation validates.
impl Drop for Talk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths: Vec<PathBuf> = (0..self.said.len()).map(|n| folder.path().join(format!("{n}.xml"))).collect();
        paths.iter().zip(&self.said).for_each(|(path, body)| std::fs::write(path, body).expect("a file"));
        if let Some(valid) = msml::valid(&paths) {
            let invalid = paths.iter().zip(&self.said).find(|(path, _)| !valid.contains(*path));
            assert_eq!(invalid, None);
        }
    }
}

fn destinations(record: &Record) -> String {
    record.destinations().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn mood(suspended: bool) -> &'static str {
    if suspended { " suspended" } else { "" }
}
