//! The input is MSML documents with NUL octets between them, which a client sends one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use restante::model::{Instant, Machine as _, Mint, Now, Outbox};
use restante::msml::{
    Answer, ContextId, End, FetchKey, Input, Interpreter, Limits, Message, Order, Output, PrimitiveKey, Style, check,
    read_message,
};

/// Longer than any conversation of a reasonable input; the rest of it is not heard.
const DOCUMENTS: usize = 16;

pub(crate) fn run(data: &[u8]) {
    let _ = read_message(data);
    let documents: Vec<&[u8]> = data.split(|octet| *octet == 0).take(DOCUMENTS).collect();
    for document in &documents {
        let (lenient, strict) = (check(document, false), check(document, true));
        assert!(strict.is_err() || lenient.is_ok(), "strict accepts more than lenient");
        for faults in [lenient.err(), strict.err()].into_iter().flatten() {
            assert!(!faults.is_empty(), "a refusal has a reason");
            assert!(faults.iter().all(|fault| fault.description().len() < 500), "a reason is short");
        }
    }
    for strict in [false, true] {
        Talk::new(strict).converse(&documents);
    }
}

/// An interpreter, who owns its primitives, and what must hold at every moment.
struct Talk {
    interpreter: Interpreter,
    style: Style,
    clock: Duration,
    running: VecDeque<PrimitiveKey>,
    fetches: Vec<FetchKey>,
    /// Requests without a reply.
    owed: usize,
    started: usize,
    exited: usize,
}

impl Talk {
    fn new(strict: bool) -> Self {
        let interpreter = Interpreter::new(Limits::default(), Mint::from_number(1));
        let style = Style { strict, ..Style::default() };
        let (clock, running, fetches) = (Duration::ZERO, VecDeque::new(), Vec::new());
        Self { interpreter, style, clock, running, fetches, owed: 0, started: 0, exited: 0 }
    }

    fn converse(&mut self, documents: &[&[u8]]) {
        for (conn, context) in [("a", 1), ("TagOfAlice", 2)] {
            self.tell(Input::Connected { conn: conn.to_owned(), context: ContextId(context) });
        }
        for (request, document) in documents.iter().enumerate() {
            let (body, request) = (Bytes::copy_from_slice(document), request as u64);
            self.tell(Input::Request { context: ContextId(9), request, style: self.style, body });
            // Between two documents a moment passes and the oldest transfer comes to its end.
            self.clock += Duration::from_millis(700);
            self.tell(Input::Timeout);
            self.end("record.complete");
            // A script that is elsewhere is the next document.
            let next = documents.get(request as usize + 1);
            for fetch in std::mem::take(&mut self.fetches) {
                let result = next.map(|script| Bytes::copy_from_slice(script)).ok_or_else(|| "nothing".to_owned());
                self.tell(Input::Fetched { fetch, result });
            }
        }
        for conn in ["a", "TagOfAlice"] {
            self.tell(Input::Disconnected { conn: conn.to_owned() });
        }
        while !self.running.is_empty() {
            self.end("play.complete");
        }
        assert_eq!(self.interpreter.dialogs(), 0, "every dialog ends with its connection");
        assert_eq!(self.interpreter.deadline(), None, "and nothing waits for it");
    }

    fn end(&mut self, name: &str) {
        let Some(primitive) = self.running.pop_front() else { return };
        let variables = vec![("record.recordid".to_owned(), "spool:/b&b/<1>".to_owned())];
        self.tell(Input::Started { primitive });
        self.tell(Input::Began { primitive, variables: variables.clone() });
        self.tell(Input::Progress { primitive, octets: 1 });
        self.tell(Input::Through { primitive, variables: variables.clone() });
        self.tell(Input::Ended { primitive, end: End { name: name.to_owned(), variables, failure: None } });
    }

    fn tell(&mut self, input: Input) {
        self.owed += usize::from(matches!(input, Input::Request { .. }));
        let (mut out, mut asked) = (Outbox::new(), Vec::new());
        let now = Now { instant: Instant::from_origin(self.clock), ..Now::default() };
        self.interpreter.handle(now, input, &mut out);
        for output in out.drain() {
            match output {
                Output::Reply { reply, .. } => {
                    self.owed -= 1;
                    let Answer { response, body } = reply.answer(|_| None);
                    let Ok(Message::Result(result)) = read_message(body.as_bytes()) else { panic!("{body}") };
                    assert_eq!(result.response, response);
                    self.started += result.dialogids.len();
                }
                Output::Event { name, id, body, .. } | Output::EventLost { name, id, body, .. } => {
                    let Ok(Message::Event(event)) = read_message(body.as_bytes()) else { panic!("{body}") };
                    assert_eq!((&event.name, &event.id), (&name, &id));
                    self.exited += usize::from(name == "msml.dialog.exit");
                }
                Output::Ask { context, .. } => asked.push(context),
                Output::Fetch { fetch, .. } => self.fetches.push(fetch),
                Output::Start { primitive, .. } => self.running.push_back(primitive),
                Output::Order { primitive, order } => {
                    assert!(self.running.contains(&primitive), "{order:?} for nobody");
                    if matches!(order, Order::Terminate { discard: true }) {
                        // What is to be thrown away comes to its end first.
                        self.running.retain(|other| *other != primitive);
                        self.running.push_front(primitive);
                    }
                }
                Output::Bind { primitive, .. } => assert!(self.running.contains(&primitive), "a file for nobody"),
                Output::Disconnect { body, .. } => {
                    let readable = |body: &String| read_message(body.as_bytes()).is_ok();
                    assert!(body.as_ref().is_none_or(readable), "{body:?}");
                }
            }
        }
        for context in asked {
            self.tell(Input::Answered { context, result: Ok(None) });
        }
        assert_eq!(self.owed, 0, "one reply to each request, once the spool has answered");
        assert_eq!(self.started - self.exited, self.interpreter.dialogs(), "one msml.dialog.exit for each dialog");
    }
}
