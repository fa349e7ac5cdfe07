//! A phone that is its own application server: it starts dialogs on the call that it makes.

use super::msrp::{Frame, Message, Stream};
use super::server::House;
use super::sip::{Call, Message as Sip, description};

/// A phone on a call, which may start dialogs itself: it is its own application server.
pub(crate) struct Phone {
    pub(crate) call: Call,
    pub(crate) stream: Stream,
    pub(crate) to: String,
    pub(crate) from: String,
}

impl Phone {
    /// Calls with these lines under `m=`, and connects.
    pub(crate) fn call(house: &House, session: &str, lines: &[&str]) -> Self {
        Self::offering(house, session, &description(session, lines))
    }

    pub(crate) fn offering(house: &House, session: &str, offer: &str) -> Self {
        let (call, answer) = Call::invite(house.server.sip("tcp"), "bob", offer).expect("a call");
        assert_eq!(answer.status(), 200, "{answer:?}");
        let (to, from) = (answer.attribute("path").to_owned(), format!("msrp://127.0.0.1:9/{session};tcp"));
        let mut stream = Stream::connect(house.server.msrp(), None).expect("a connection");
        stream.greet(&to, &from).expect("an answer");
        Self { call, stream, to, from }
    }

    /// One that receives.
    pub(crate) fn listening(house: &House, session: &str) -> Self {
        Self::call(house, session, &["a=recvonly"])
    }

    /// One that has messages of any size to send.
    pub(crate) fn speaking(house: &House, session: &str) -> Self {
        Self::call(house, session, &["a=sendonly"])
    }

    pub(crate) fn start(&mut self, script: &str) {
        let answer = self.call.start(script).expect("an answer");
        assert!(answer.body.contains("response=\"200\""), "{answer:?}");
    }

    /// An event for what runs in the dialog.
    pub(crate) fn tell(&mut self, event: &str, target: &str) {
        let conn = self.call.conn();
        let send =
            format!("<msml version=\"1.1\"><send target=\"conn:{conn}/dialog:d/{target}\" event=\"{event}\"/></msml>");
        let answer = self.call.msml(&send).expect("an answer");
        assert!(answer.body.contains("response=\"200\""), "{answer:?}");
    }

    /// How the dialog ended.
    pub(crate) fn end(&mut self) -> Sip {
        self.call.event("msml.dialog.exit").expect("the end is told")
    }

    pub(crate) fn message(&self, id: &str, total: u64) -> Message {
        Message { to: self.to.clone(), from: self.from.clone(), id: id.to_owned(), total }
    }

    /// The next SEND with content.
    pub(crate) fn chunk(&mut self) -> Frame {
        loop {
            let frame = self.stream.read().expect("a chunk");
            if frame.what == "SEND" {
                return frame;
            }
        }
    }

    /// The answer to this transaction; what comes before it is passed over.
    pub(crate) fn answer(&mut self, tid: &str) -> Frame {
        loop {
            let frame = self.stream.read().expect("an answer");
            if frame.tid == tid {
                return frame;
            }
        }
    }

    /// Sends a whole message of this type.
    pub(crate) fn send(&mut self, id: &str, media_type: &str, content: &[u8]) {
        let (tid, frame) = self.message(id, content.len() as u64).chunk(0, content);
        let head = frame.len() - content.len() - format!("\r\n-------{tid}$\r\n").len();
        let named = String::from_utf8_lossy(&frame[..head]).replace("application/octet-stream", media_type);
        self.stream.write(&[named.as_bytes(), &frame[head..]].concat()).expect("a write");
        assert_eq!(self.answer(&tid).status(), 200);
    }

    /// Takes chunks until the one with `#`.
    pub(crate) fn chunk_is_not_the_last(&mut self, octets: &mut usize) -> bool {
        let chunk = self.chunk();
        *octets += chunk.body.len();
        if chunk.flag == b'#' {
            return false;
        }
        assert_eq!(chunk.flag, b'+', "the message is not whole");
        self.stream.accept(&chunk).expect("a write");
        true
    }
}
