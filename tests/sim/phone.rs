//! The phones: real engines that a small script orders about, and that try again when something breaks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use restante::engine::{CallMedia, Happening, LocalFile, Order, OrderId, Wanted};
use restante::model::{Digest, FileInfo, ObjectUri};
use restante::msml::{self, Message};
use restante::sip::{EndReason, Transport};
use sha1::Digest as _;

use crate::node::SIP_PORT;
use crate::oracle::{Letter, variable};
use crate::plan::{Declares, Deposit, Errand};
use crate::world::{Event, SERVER, World};

/// The box of every deposit.
pub(crate) const BOX: &str = "bob";

/// A call that is not over by then is hung up.
const PATIENCE: Duration = Duration::from_secs(240);

/// A call that is hung up and still not over is stuck: SIP gives up after 32 s, MSRP after 30 s.
const OVERDUE: Duration = Duration::from_secs(400);

/// What a phone asks to be told at the end.
const NAMES: [&str; 5] = ["record.end", "record.recordid", "play.end", "ft.result", "ft.hash"];

/// The phone's own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nudge {
    Begin,
    HangUp(OrderId),
    Patience(OrderId),
    Overdue(OrderId),
}

pub(crate) struct Phone {
    node: usize,
    errands: VecDeque<Errand>,
    call: Option<Call>,
    orders: u64,
}

/// One call under way.
struct Call {
    order: OrderId,
    errand: Errand,
    /// The object that is retrieved, and the Message-ID it was deposited with.
    wanted: Option<(ObjectUri, String)>,
    /// No dialog tells of its end: the file itself does.
    pulls: bool,
    received: u32,
    /// How the MSML dialog ended, or that a file went without one.
    end: Option<String>,
    hung_up: bool,
    planned: bool,
    life: u64,
    /// SIP connections that had broken before it began.
    lost_words: u64,
}

impl Phone {
    /// Whether it has nothing more to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.call.is_none() && self.errands.is_empty()
    }

    /// Nothing will ever come of what it does.
    pub(crate) fn forget(&mut self) {
        self.call = None;
        self.errands.clear();
    }
}

impl World {
    pub(crate) fn add_phone(&mut self, node: usize, errands: Vec<Errand>) {
        let from = self.address_of(node);
        for errand in &errands {
            let Errand::Deposit(deposit) = errand else { continue };
            self.nodes[node].locals.insert(deposit.path.clone(), deposit.content.clone());
            let letter = Letter::new(deposit.content.clone(), deposit.declares, from.clone());
            self.oracle.expect(deposit.path.clone(), letter);
        }
        self.phones.push(Phone { node, errands: errands.into(), call: None, orders: 0 });
        let pause = self.dice.between((Duration::ZERO, Duration::from_millis(800)));
        self.time.after(pause, Event::Phone(node - 1, Nudge::Begin));
    }

    fn address_of(&self, node: usize) -> String {
        format!("sip:phone{node}@{}", self.nodes[node].host)
    }

    pub(crate) fn nudge(&mut self, index: usize, nudge: Nudge) {
        let is_on = |call: &Call, order| call.order == order;
        match nudge {
            Nudge::Begin => self.begin(index),
            Nudge::HangUp(order) => {
                if let Some(call) = self.phones[index].call.as_mut().filter(|call| is_on(call, order)) {
                    call.planned = true;
                    self.hang_up(index);
                }
            }
            Nudge::Patience(order) => {
                let Some(call) = self.phones[index].call.as_ref().filter(|call| is_on(call, order)) else { return };
                if (call.life, call.lost_words) == (self.oracle.life, self.lost_words) {
                    self.oracle.blame(format!("I3: a call hears nothing for {PATIENCE:?}: {:?}", call.errand));
                }
                self.hang_up(index);
            }
            Nudge::Overdue(order) => {
                if self.phones[index].call.as_ref().is_some_and(|call| is_on(call, order)) {
                    self.oracle.blame(format!("wedged: a call is not over {OVERDUE:?} after its beginning"));
                }
            }
        }
    }

    fn begin(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        let Some(errand) = phone.errands.pop_front() else { return };
        let node = phone.node;
        let (mut wanted, mut pulls) = (None, false);
        let (transport, media, hang_up) = match &errand {
            Errand::Deposit(deposit) => {
                let (path, info) = (deposit.path.clone(), declaration(deposit));
                // A sender that comes back for the same file keeps its Message-ID (RFC 4975 §5.4).
                let message_id = Some(path.clone());
                let file = Box::new(LocalFile { path, info, message_id, ..LocalFile::default() });
                (deposit.transport, CallMedia::Push(file), deposit.hang_up)
            }
            Errand::Retrieve(retrieve) => {
                let known = self.oracle.known();
                if known.is_empty() {
                    return self.begin(index);
                }
                let at = self.dice.below(known.len() as u64) as usize;
                wanted = Some(known[at].clone());
                // Every other one is pulled by its name, without an application server (RFC 5547 §8.2.2).
                pulls = at % 2 == 1;
                let selector = FileInfo { name: known[at].0.name().map(str::to_owned), ..FileInfo::default() };
                let pull = CallMedia::Pull(Box::new(Wanted { selector, part: None }));
                (retrieve.transport, if pulls { pull } else { CallMedia::Receive }, retrieve.hang_up)
            }
        };
        let phone = &mut self.phones[index];
        phone.orders += 1;
        let order = OrderId(phone.orders);
        let (life, lost_words) = (self.oracle.life, self.lost_words);
        phone.call = Some(Call {
            order,
            errand,
            wanted,
            pulls,
            received: 0,
            end: None,
            hung_up: false,
            planned: false,
            life,
            lost_words,
        });
        for (delay, nudge) in [(PATIENCE, Nudge::Patience(order)), (OVERDUE, Nudge::Overdue(order))] {
            self.time.after(delay, Event::Phone(index, nudge));
        }
        if let Some(delay) = hang_up {
            self.time.after(delay, Event::Phone(index, Nudge::HangUp(order)));
        }
        self.call_server(node, order, transport, media);
    }

    fn call_server(&mut self, node: usize, id: OrderId, transport: Transport, media: CallMedia) {
        let remote = SocketAddr::new(self.nodes[SERVER].host, SIP_PORT);
        let (target, from) = (format!("sip:{BOX}@{remote}"), self.address_of(node));
        self.order(node, Order::Call { id, target, from, remote, transport, media });
    }

    fn hang_up(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        let node = phone.node;
        if let Some(call) = phone.call.as_mut().filter(|call| !call.hung_up) {
            call.hung_up = true;
            let order = Order::Bye(call.order);
            self.order(node, order);
        }
    }

    /// An engine tells its command what happened.
    pub(crate) fn happened(&mut self, node: usize, order: OrderId, happening: Happening) {
        let index = node - 1;
        let Some(call) = self.phones[index].call.as_mut().filter(|call| call.order == order) else { return };
        match happening {
            Happening::Answered(tag) => self.answered(index, &tag),
            Happening::InfoAnswered(_, status, body) => {
                let result = body.and_then(|body| msml::read_message(body.as_bytes()).ok());
                let accepted = matches!(result, Some(Message::Result(result)) if result.response == 200);
                if status != 200 || !accepted {
                    self.hang_up(index);
                }
            }
            Happening::Msml(text) => self.msml_heard(index, &text),
            Happening::Delivered | Happening::SendFailed(_) => {
                let alone = matches!(&call.errand, Errand::Deposit(deposit) if !deposit.record);
                if alone {
                    let delivered = matches!(happening, Happening::Delivered);
                    call.end = Some(if delivered { "record.complete" } else { "record.failed" }.to_owned());
                    self.hang_up(index);
                }
            }
            Happening::Committed(object) => {
                call.received += 1;
                let pulled = call.pulls;
                if pulled {
                    call.end = Some("play.complete".to_owned());
                }
                let (times, wanted) = (call.received, call.wanted.clone());
                let spool = &self.nodes[node].process.as_ref().expect("phones do not crash").spool;
                let octets = crate::oracle::body(spool, &object).expect("the disk has no faults");
                let message_id = wanted.map(|(_, message_id)| message_id).unwrap_or_default();
                self.oracle.retrieved(&message_id, &octets, times);
                if pulled {
                    self.hang_up(index);
                }
            }
            Happening::NoMedia => self.hang_up(index),
            Happening::Ended(why) => self.ended(index, why),
            Happening::ReceiveFailed(_) if call.pulls => self.hang_up(index),
            // The exit event tells the rest.
            Happening::Refused(..) | Happening::ReceiveFailed(_) => {}
            Happening::Sent(_) | Happening::Reported(_) | Happening::Receiving(_) | Happening::Received(_) => {}
        }
    }

    fn answered(&mut self, index: usize, tag: &str) {
        let phone = &self.phones[index];
        let Some(call) = &phone.call else { return };
        let node = phone.node;
        let document = match (&call.errand, &call.wanted) {
            (Errand::Deposit(deposit), _) => {
                self.oracle.attempt(tag, &deposit.path);
                let dest = ObjectUri::mailbox(BOX).expect("a box");
                deposit.record.then(|| msml::record_request(tag, "d", &dest, Duration::from_secs(60), &NAMES))
            }
            (Errand::Retrieve(_), Some((uri, _))) if !call.pulls => {
                Some(msml::play_request(tag, "d", std::slice::from_ref(uri), &NAMES))
            }
            (Errand::Retrieve(_), _) => None,
        };
        if let Some(document) = document {
            let order = Order::Info(call.order, 1, document);
            self.order(node, order);
        }
    }

    fn msml_heard(&mut self, index: usize, text: &str) {
        let Ok(Message::Event(event)) = msml::read_message(text.as_bytes()) else { return };
        let Some(call) = self.phones[index].call.as_mut().filter(|_| event.name == "msml.dialog.exit") else { return };
        let end =
            variable(&event, "record.end").or_else(|| variable(&event, "play.end")).unwrap_or("nothing").to_owned();
        if end == "play.complete" && call.received != 1 {
            self.oracle.blame(format!("I4: a complete play brought {} files", call.received));
        }
        call.end = Some(end);
        self.hang_up(index);
    }

    /// The call is over: is there something to be said about it, and is it worth another try?
    fn ended(&mut self, index: usize, why: EndReason) {
        let phone = &mut self.phones[index];
        let Some(call) = phone.call.take() else { return };
        let end = call.end.as_deref().unwrap_or("nothing");
        let complete = end == "record.complete" || end == "play.complete";
        let lie = matches!(&call.errand, Errand::Deposit(deposit) if deposit.declares == Declares::Lie);
        if self.calm && self.bug.is_none() && !lie && !complete && !call.planned {
            let node = phone.node;
            self.oracle.blame(format!("in fair weather phone {node} fails: {end}, {why:?}, {:?}", call.errand));
        }
        if let Errand::Deposit(mut deposit) = call.errand
            && !complete
            && !call.planned
            && !lie
            && deposit.retries > 0
        {
            deposit.retries -= 1;
            phone.errands.push_front(Errand::Deposit(deposit));
        }
        let pause = self.dice.between((Duration::ZERO, Duration::from_secs(3)));
        self.time.after(pause, Event::Phone(index, Nudge::Begin));
    }
}

fn declaration(deposit: &Deposit) -> FileInfo {
    let mut sha1: [u8; 20] = sha1::Sha1::digest(&deposit.content).into();
    if deposit.declares == Declares::Lie {
        sha1[0] ^= 1;
    }
    FileInfo {
        name: Some(format!("{}.bin", deposit.path)),
        size: Some(deposit.content.len() as u64),
        media_type: Some("application/octet-stream".to_owned()),
        digests: if deposit.declares == Declares::Nothing { Vec::new() } else { vec![Digest::sha1(sha1)] },
        ..FileInfo::default()
    }
}
