//! A deposit as application server and phone see it, step by step, with a note of what they were promised.

use std::io;
use std::net::SocketAddr;

use sha1::Digest as _;

use super::msrp::{Frame, Message, Stream};
use super::server::Server;
use super::sip::{Call, Wire, description};
use super::tape::Tape;

/// The variables that the dialog's exit reports.
const NAMELIST: &str = "record.end record.recordid record.len ft.result ft.hash ft.size";

/// One file to be deposited.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mailbox: String,
    pub(crate) message_id: String,
    pub(crate) content: Vec<u8>,
    pub(crate) chunk: usize,
}

impl Plan {
    pub(crate) fn new(message_id: &str, content: Vec<u8>) -> Self {
        Self { mailbox: "bob".to_owned(), message_id: message_id.to_owned(), content, chunk: 8192 }
    }

    pub(crate) fn sha256(&self) -> String {
        hex(&sha2::Sha256::digest(&self.content))
    }

    /// The `m=` attributes of its offer.
    pub(crate) fn offer(&self) -> String {
        let octets: Vec<String> =
            sha1::Sha1::digest(&self.content).iter().map(|octet| format!("{octet:02X}")).collect();
        let selector = format!(
            "a=file-selector:name:\"{}.bin\" type:application/octet-stream size:{} hash:sha-1:{}",
            self.message_id,
            self.content.len(),
            octets.join(":")
        );
        let transfer = format!("a=file-transfer-id:{}", self.message_id);
        description(&format!("s{}", self.message_id), &["a=sendonly", &selector, &transfer])
    }

    /// `<record>` into its box and the exit that tells how it went.
    pub(crate) fn script(&self) -> String {
        format!(
            "<record dest=\"spool:/{}/\" format=\"application/octet-stream\" maxtime=\"3600s\"/>\
             <exit namelist=\"{NAMELIST}\"/>",
            self.mailbox
        )
    }
}

/// What was promised in the course of a deposit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// A success REPORT came for the whole message.
    pub(crate) reported: bool,
    /// The dialog's exit said `record.complete`.
    pub(crate) complete: bool,
    /// The object's URI, once the exit has told.
    pub(crate) uri: String,
    /// The last 200 came for so many octets.
    pub(crate) answered: u64,
}

/// A call with a stream, up to its first octet.
pub(crate) struct Depositor {
    pub(crate) call: Call,
    pub(crate) stream: Stream,
    pub(crate) message: Message,
    pub(crate) plan: Plan,
}

impl Depositor {
    /// Calls, asks for the recording and connects.
    pub(crate) fn connect(server: &Server, plan: &Plan) -> io::Result<Self> {
        let mut depositor = Self::call(server, plan, None)?;
        let result = depositor.call.start(&plan.script())?;
        if !result.body.contains("response=\"200\"") {
            return Err(io::Error::other(format!("{result:?}")));
        }
        Ok(depositor)
    }

    /// Calls and connects; nobody has asked for the file.
    pub(crate) fn call(server: &Server, plan: &Plan, tape: Option<Tape>) -> io::Result<Self> {
        let address: SocketAddr = server.sip("tcp");
        let wire = Wire::connect(address, tape.clone())?;
        let (call, answer) = Call::invite_on(wire, address, &plan.mailbox, &plan.offer())?;
        if answer.status() != 200 {
            return Err(io::Error::other(format!("{answer:?}")));
        }
        let message = Message {
            to: answer.attribute("path").to_owned(),
            from: format!("msrp://127.0.0.1:9/s{};tcp", plan.message_id),
            id: plan.message_id.clone(),
            total: plan.content.len() as u64,
        };
        let stream = Stream::connect(server.msrp(), tape)?;
        Ok(Self { call, stream, message, plan: plan.clone() })
    }

    /// Sends everything from `offset` on, each chunk after the answer to the one before.
    ///
    /// Gives the first answer that is not 200, if one is.
    pub(crate) fn send(&mut self, offset: u64, promise: &mut Promise) -> io::Result<Option<Frame>> {
        let content = self.plan.content.clone();
        let mut at = offset as usize;
        loop {
            let end = content.len().min(at + self.plan.chunk);
            let (tid, frame) = self.message.chunk(at as u64, &content[at..end]);
            self.stream.write(&frame)?;
            let answer = self.answer(&tid, promise)?;
            if answer.status() != 200 {
                return Ok(Some(answer));
            }
            promise.answered = end as u64;
            at = end;
            if at == content.len() {
                return Ok(None);
            }
        }
    }

    /// The response to this transaction, or a REPORT of failure that comes in its place.
    pub(crate) fn answer(&mut self, tid: &str, promise: &mut Promise) -> io::Result<Frame> {
        loop {
            let frame = self.stream.read()?;
            if frame.tid == tid {
                return Ok(frame);
            }
            if !matches!(frame.reported(), 0 | 200) {
                return Ok(frame);
            }
            promise.note(&frame, self.message.total);
        }
    }

    /// Waits for the success REPORT of the whole message and for the dialog's exit, and hangs up.
    pub(crate) fn finish(&mut self, promise: &mut Promise) -> io::Result<()> {
        while !promise.reported {
            let frame = self.stream.read()?;
            if !matches!(frame.reported(), 0 | 200) {
                return Err(io::Error::other(format!("{frame:?}")));
            }
            promise.note(&frame, self.message.total);
        }
        let exit = self.call.event("msml.dialog.exit")?;
        promise.complete = exit.value("record.end") == "record.complete";
        promise.uri = exit.value("record.recordid").to_owned();
        self.call.bye().map(drop)
    }
}

impl Promise {
    fn note(&mut self, frame: &Frame, total: u64) {
        self.reported |= frame.reported() == 200 && frame.header("Byte-Range") == format!("1-{total}/{total}");
    }
}

/// The whole deposit. What was promised until it broke is in `promise` either way.
pub(crate) fn deposit(server: &Server, plan: &Plan, promise: &mut Promise) -> io::Result<()> {
    let mut depositor = Depositor::connect(server, plan)?;
    let refused = depositor.send(0, promise)?;
    match refused {
        Some(refused) => Err(io::Error::other(format!("{refused:?}"))),
        None => depositor.finish(promise),
    }
}

/// A deposit that must work: proof that the server is well.
pub(crate) fn deposit_works(server: &Server, message_id: &str) -> Promise {
    let content = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    let mut promise = Promise::default();
    deposit(server, &Plan::new(message_id, content), &mut promise).expect("the server answers");
    assert!(promise.reported && promise.complete, "{promise:?}");
    promise
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
