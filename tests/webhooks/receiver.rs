//! Somebody who is told by HTTP, and answers as the test wants.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::support::eventually;

/// Instead of an answer: nothing, for as long as the test lasts.
pub(crate) const STALL: &str = "stall";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Posted {
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let fields = self.head.iter().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

#[derive(Default)]
struct State {
    answers: VecDeque<String>,
    seen: Vec<Posted>,
    stalled: Vec<TcpStream>,
}

/// Whoever is told.
pub(crate) struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next request that has no answer yet gets this one; without any, 204.
    pub(crate) fn answer(&self, answer: &str) {
        self.state().answers.push_back(answer.to_owned());
    }

    pub(crate) fn forget_answers(&self) {
        self.state().answers.clear();
    }

    pub(crate) fn seen(&self) -> Vec<Posted> {
        self.state().seen.clone()
    }

    /// Waits until so many requests have come.
    pub(crate) fn posted(&self, count: usize) -> Vec<Posted> {
        eventually("a notice", || Some(self.seen()).filter(|seen| seen.len() >= count))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(posted) = read(&mut reader) {
        let answer = {
            let mut state = state.lock().expect("nobody panics with it");
            state.seen.push(posted);
            state.answers.pop_front().unwrap_or_else(|| "204 No Content".to_owned())
        };
        if answer == STALL {
            state.lock().expect("nobody panics with it").stalled.push(reader.into_inner());
            return;
        }
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        if reader
            .get_mut()
            .write_all(answer.replace("204 No Content\r\nContent-Length: 0", "204 No Content").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut posted = Posted { head, body: Vec::new() };
    posted.body = vec![0; posted.find("content-length")?.parse().ok()?];
    reader.read_exact(&mut posted.body).ok()?;
    Some(posted)
}
