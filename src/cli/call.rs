//! One call of a command: what is said in MSML on it, and what comes of it.

use std::time::Duration;

use restante::engine::Happening;
use restante::io::node::Line;
use restante::msml::{self, Event, Message, TransactionResult};
use restante::msrp::SendFailure;
use restante::sip::EndReason;
use restante::spool::Committed;

use super::documents::{Documents, Way};
use super::progress::Progress;
use super::server::Server;
use super::voice::{Failure, Voice};

/// A server that says nothing for so long, while something is under way, has forgotten us.
const SILENCE: Duration = Duration::from_secs(120);

/// After our own side of a transfer has failed, the server's reason follows within this time or not at all.
const REASON: Duration = Duration::from_secs(5);

/// How long a server may take to answer our BYE.
const GOODBYE: Duration = Duration::from_secs(5);

/// What somebody can see of a call.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) voice: Voice,
    /// Names the transfer in its progress.
    pub(crate) label: String,
    /// Octets of the file, if they are known before it comes.
    pub(crate) octets: Option<u64>,
    /// Whether MSML documents are shown.
    pub(crate) documents: Documents,
}

/// A call that a command has placed.
pub(crate) struct Call {
    line: Line,
    conn: String,
    watch: Watch,
    progress: Option<Progress>,
    requests: u64,
    /// The peer has reported the whole file.
    reported: bool,
    /// Octets of our file that the peer has answered with 200.
    sent: u64,
    /// Octets of our file that the peer keeps whatever happens.
    durable: u64,
    /// The connection that our file goes by is gone.
    broken: bool,
}

/// What is heard on a call.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The answer to our request.
    Result(TransactionResult),
    /// Something that happened at the server.
    Event(Event),
    /// The peer has the whole file.
    Delivered,
    /// A file came in and is in our spool.
    Committed(Committed),
    /// The transfer failed on our side.
    Trouble(String),
    /// Octets moved, or something that nobody here waits for.
    Else,
}

/// How a dialog that we started has ended.
#[derive(Debug)]
pub(crate) struct Exit {
    /// The variables of its exit event.
    pub(crate) event: Event,
    /// The file that it sent us.
    pub(crate) committed: Option<Committed>,
}

impl Call {
    pub(crate) const fn new(line: Line, watch: Watch) -> Self {
        Self {
            line,
            conn: String::new(),
            watch,
            progress: None,
            requests: 0,
            reported: false,
            sent: 0,
            durable: 0,
            broken: false,
        }
    }

    /// The connection identifier that the server knows this call by, without `conn:`.
    pub(crate) fn conn(&self) -> &str {
        &self.conn
    }

    /// How many octets of our file the peer has.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// How many of them it keeps, whatever happens to it.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether the connection that our file goes by has broken.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Waits for the answer.
    pub(crate) async fn answered(&mut self, server: &Server) -> Result<(), Failure> {
        match self.line.next().await {
            Some(Happening::Answered(tag)) => {
                self.conn = tag;
                Ok(())
            }
            // What the endpoint says itself when nothing could be sent; a server's own 503 has another reason phrase.
            Some(Happening::Refused(503, reason)) if reason.is_empty() => {
                Err(server.absent("the connection is refused"))
            }
            Some(Happening::Refused(408, _)) => Err(server.absent("not a word within SIP's time limit")),
            Some(Happening::Refused(status, reason)) => Err(refused(status, &reason)),
            Some(Happening::Ended(why)) => Err(over(why)),
            _ => Err(Failure::new("the call ended before it was answered")),
        }
    }

    /// Sends a request; its result is heard like everything else.
    pub(crate) async fn send(&mut self, document: String) {
        self.requests += 1;
        self.show(Way::ToServer, &document);
        self.line.msml(self.requests, document).await;
    }

    /// What comes next, within this time.
    async fn next(&mut self, patience: Duration) -> Result<Heard, Failure> {
        tokio::time::timeout(patience, self.hear()).await.unwrap_or_else(|_| {
            Err(Failure::new(format!("the server has said nothing for {} s", patience.as_secs()))
                .next("look into its log for this call"))
        })
    }

    /// What comes next. Dropped while it waits, it has heard nothing.
    ///
    /// # Errors
    /// The call is over, or the request was refused.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Failure> {
        let happening = self.line.next().await;
        Ok(match happening {
            Some(Happening::InfoAnswered(_, 200..=299, Some(body))) | Some(Happening::Msml(body)) => {
                self.read(&body)?
            }
            Some(Happening::InfoAnswered(_, 200..=299, None)) => Heard::Else,
            Some(Happening::InfoAnswered(_, status, _)) => return Err(uncommanded(status)),
            Some(Happening::Sent(octets)) => {
                self.sent = octets;
                self.moved(octets)
            }
            Some(Happening::Reported(octets)) => {
                self.durable = octets;
                Heard::Else
            }
            Some(Happening::Received(octets)) => self.moved(octets),
            Some(Happening::Receiving(total)) => {
                self.watch.octets = total.or(self.watch.octets);
                Heard::Else
            }
            Some(Happening::Delivered) => {
                self.reported = true;
                if let Some(total) = self.watch.octets {
                    self.moved(total);
                }
                Heard::Delivered
            }
            Some(Happening::Committed(object)) => {
                self.moved(object.envelope().size());
                Heard::Committed(object)
            }
            Some(Happening::NoMedia) => return Err(Failure::new("the server takes none of what we offered").refusal()),
            Some(Happening::SendFailed(why)) => {
                self.broken |= matches!(why, SendFailure::ConnectionLost | SendFailure::Timeout);
                Heard::Trouble(format!("sending failed: {}", told(why)))
            }
            Some(Happening::ReceiveFailed(why)) => Heard::Trouble(format!("receiving failed: {why}")),
            Some(Happening::Ended(why)) => return Err(over(why)),
            Some(Happening::Answered(_) | Happening::Refused(..)) => Heard::Else,
            None => return Err(Failure::new("the call is over")),
        })
    }

    /// Runs one dialog to its end. A dialog that plays us a file has ended when the file is here, too.
    ///
    /// # Errors
    /// The request failed, our side of the transfer failed, or the call broke.
    pub(crate) async fn dialog(&mut self, document: String, brings_file: bool) -> Result<Exit, Failure> {
        self.send(document).await;
        let (mut exit, mut committed, mut trouble) = (None, None, None);
        loop {
            let patience = if trouble.is_some() { REASON } else { SILENCE };
            let heard = match self.next(patience).await {
                Ok(heard) => heard,
                Err(failure) => return Err(trouble.map_or(failure, Failure::new)),
            };
            match heard {
                Heard::Result(result) if result.response != 200 => return Err(failed(&result)),
                Heard::Event(event) if event.name == EXIT => exit = Some(event),
                Heard::Committed(object) => committed = Some(object),
                Heard::Trouble(why) => trouble = Some(why),
                Heard::Result(_) | Heard::Event(_) | Heard::Delivered | Heard::Else => {}
            }
            let waits = brings_file && committed.is_none() && trouble.is_none();
            match exit {
                Some(event) if !waits || !played(&event) => return Ok(Exit { event, committed }),
                other => exit = other,
            }
        }
    }

    /// Waits until the peer has the file that the call was placed for.
    ///
    /// # Errors
    /// It did not get it.
    pub(crate) async fn delivered(&mut self) -> Result<(), Failure> {
        while !self.reported {
            if let Heard::Trouble(why) = self.next(SILENCE).await? {
                return Err(Failure::new(why));
            }
        }
        Ok(())
    }

    /// Waits for the file that the call was placed to pull.
    ///
    /// # Errors
    /// It did not come.
    pub(crate) async fn pulled(&mut self) -> Result<Committed, Failure> {
        loop {
            match self.next(SILENCE).await? {
                Heard::Committed(object) => return Ok(object),
                Heard::Trouble(why) => return Err(Failure::new(why)),
                _ => {}
            }
        }
    }

    /// Hangs up and waits for the server to agree.
    pub(crate) async fn end(mut self) {
        if let Some(progress) = self.progress.take() {
            progress.end();
        }
        self.line.hang_up().await;
        let over = async { while !matches!(self.line.next().await, None | Some(Happening::Ended(_))) {} };
        let _ = tokio::time::timeout(GOODBYE, over).await; // a server that is gone needs no farewell
    }

    fn read(&self, body: &str) -> Result<Heard, Failure> {
        self.show(Way::FromServer, body);
        match msml::read_message(body.as_bytes()) {
            Ok(Message::Result(result)) => Ok(Heard::Result(result)),
            Ok(Message::Event(event)) => Ok(Heard::Event(event)),
            Err(fault) => Err(Failure::new(format!("the server's MSML can't be read: {fault}"))),
        }
    }

    fn show(&self, way: Way, document: &str) {
        let print = || self.watch.documents.show(self.watch.voice, way, document);
        match &self.progress {
            Some(progress) => progress.beside(print),
            None => print(),
        }
    }

    fn moved(&mut self, octets: u64) -> Heard {
        let Watch { voice, label, octets: total, .. } = &self.watch;
        let total = total.unwrap_or(octets);
        self.progress.get_or_insert_with(|| Progress::new(*voice, label.clone(), total)).at(octets);
        Heard::Else
    }
}

/// The last event of a dialog (RFC 5707 §9.6.1).
pub(crate) const EXIT: &str = "msml.dialog.exit";

fn played(event: &Event) -> bool {
    event.value("play.end") == Some("play.complete")
}

fn refused(status: u16, reason: &str) -> Failure {
    let failure = Failure::new(format!("the server refused the call: {status} {reason}"));
    match status {
        401 | 403 | 407 => failure.next("the server's control.trusted has to name this machine's network"),
        488 => failure.refusal().next("nothing there matches, or msrp.max_size or msrp.accept_types rule the file out"),
        503 | 480 => failure.next("the server is stopping or has no room: try again later"),
        _ => failure.next("the server's log says more"),
    }
}

fn over(why: EndReason) -> Failure {
    let what = match why {
        EndReason::ByeReceived => "the server hung up".to_owned(),
        EndReason::Gone(status) => format!("the server does not know the call any more ({status})"),
        EndReason::Refused(status) => format!("the server refused the call with {status}"),
        EndReason::ByeSent | EndReason::Cancelled | EndReason::NoAck => "the call is over".to_owned(),
    };
    Failure::new(what).next("try again; if it stays so, the server's log says more")
}

fn uncommanded(status: u16) -> Failure {
    let failure = Failure::new(format!("the server refused our MSML with SIP status {status}"));
    match status {
        403 => {
            failure.next("its control.trusted has to name this machine's network; deposit --unattended needs no MSML")
        }
        _ => failure.next("the server's log says more"),
    }
}

/// Why a request was not carried out.
pub(crate) fn failed(result: &TransactionResult) -> Failure {
    let why = result.description.as_deref().unwrap_or("it gives no reason");
    Failure::new(format!("the server answered {}: {why}", result.response))
}

fn told(why: SendFailure) -> String {
    match why {
        SendFailure::Status(status) => format!("MSRP status {status}"),
        SendFailure::Report(status) => format!("the server reported MSRP status {status}"),
        SendFailure::Timeout => "no MSRP response in time".to_owned(),
        SendFailure::ConnectionLost => "the MSRP connection was lost".to_owned(),
        SendFailure::Source => "the file can't be read any more".to_owned(),
        SendFailure::Aborted | SendFailure::Unbound | SendFailure::TooManySessions => {
            "the session was ended".to_owned()
        }
    }
}
