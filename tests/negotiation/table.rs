//! Restante's engine on a table: SIP by hand in, everything it wants done out. No socket, no clock.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use restante::engine::{
    CallMedia, Command, Door, Doors, Engine, Found, Input, LinkId, Manners, Order, OrderId, Output, Policy, Query,
    Ticket, Trunk, Unattended, Verify,
};
use restante::model::{Mint, Now, Outbox};
use restante::msml::{self, Interpreter};
use restante::msrp::{Carrier, MsrpUri, SessionKey, SessionSpec};
use restante::sip::{self, Endpoint, Flow, FlowId, Transport};

/// The peer's address, of its SIP and in its SDP.
pub(crate) const PHONE: &str = "192.0.2.7";
/// Ours.
pub(crate) const STORE: &str = "198.51.100.1";

/// A message of SIP, taken apart as far as a test looks into it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.head.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn is(&self, method: &str) -> bool {
        self.head.starts_with(method) && self.head.as_bytes().get(method.len()) == Some(&b' ')
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().filter_map(|line| line.split_once(':'));
        found.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next().unwrap_or("")
    }

    /// The lines of the body that begin so, without that beginning.
    pub(crate) fn lines<'a>(&'a self, start: &'a str) -> Vec<&'a str> {
        self.body.lines().filter_map(|line| line.strip_prefix(start)).collect()
    }
}

/// The engine, and one SIP peer.
pub(crate) struct Table {
    engine: Engine,
    now: Now,
    out: Outbox<Output>,
    /// SIP that has been said and not looked at.
    said: VecDeque<Message>,
    pub(crate) dialled: Vec<(SessionKey, MsrpUri)>,
    pub(crate) links: Vec<(LinkId, Command)>,
    pub(crate) wanted: Vec<(Ticket, Vec<String>)>,
    store_tag: String,
    cseq: u32,
    invite_cseq: u32,
    call_id: String,
}

pub(crate) fn policy(trunk: Trunk) -> Policy {
    Policy {
        verify: Verify::Either,
        hashes: Vec::new(),
        fingerprints: Vec::new(),
        doors: Doors { first: Door { carrier: Carrier::Tcp, host: STORE.to_owned(), port: 2855 }, others: Vec::new() },
        address: STORE.parse::<IpAddr>().expect("an address").into(),
        hold: Duration::from_secs(20),
        chunk: 2048,
        max_size: 1 << 20,
        accept_types: vec!["*".to_owned()],
        accept_wrapped_types: Vec::new(),
        trusted: vec!["192.0.2.0/24".parse().expect("a network")],
        unattended: Unattended::Deposit,
        manners: Manners::default(),
        peers: Vec::new(),
        trunks: vec![("192.0.2.0/24".parse().expect("a network"), trunk)],
        relay: None,
        answer_timeout: Duration::from_secs(60),
        forward: Vec::new(),
        certified: Vec::new(),
        owners: std::collections::BTreeSet::new(),
        owner_domains: Vec::new(),
        routed: false,
        challenge: false,
        outbound: restante::engine::Outbound::default(),
    }
}

impl Table {
    /// A command of ours calls the phone; its INVITE.
    pub(crate) fn call(&mut self, media: CallMedia) -> Message {
        self.order(Order::Call {
            id: OrderId(1),
            target: format!("sip:dana@{PHONE}"),
            from: "sip:box@example.org".to_owned(),
            remote: SocketAddr::new(PHONE.parse().expect("an address"), 5060),
            transport: Transport::Udp,
            media,
        });
        self.next("INVITE", |message| message.is("INVITE"))
    }

    pub(crate) fn new(trunk: Trunk) -> Self {
        Self::with(policy(trunk))
    }

    pub(crate) fn with(policy: Policy) -> Self {
        let mut mint = Mint::from_number(6714);
        let endpoint = Endpoint::new(sip::Config::default(), mint.fork());
        let interpreter = Interpreter::new(msml::Limits::default(), mint.fork());
        Self {
            engine: Engine::new(policy, endpoint, interpreter, mint),
            now: Now::default(),
            out: Outbox::new(),
            said: VecDeque::new(),
            dialled: Vec::new(),
            links: Vec::new(),
            wanted: Vec::new(),
            store_tag: String::new(),
            cseq: 0,
            invite_cseq: 0,
            call_id: "c1".to_owned(),
        }
    }

    /// Gives the engine one input and notes what it wants.
    pub(crate) fn give(&mut self, input: Input) {
        self.engine.handle(self.now, input, &mut self.out);
        while let Some(output) = self.out.pop() {
            match output {
                Output::Transmit { octets, .. } => {
                    let text = String::from_utf8(octets.to_vec()).expect("text");
                    let (head, body) = text.split_once("\r\n\r\n").expect("a message");
                    self.said.push_back(Message { head: head.to_owned(), body: body.to_owned() });
                }
                Output::Dial(session, uri, _) => self.dialled.push((session, uri)),
                Output::Link(link, command) => self.links.push((link, command)),
                Output::Resolve(ticket, names) => self.wanted.push((ticket, names)),
                Output::Find(ticket, Query::Room(..)) => {
                    self.engine.handle(self.now, Input::Found(ticket, Ok(Found::Room(None))), &mut self.out);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.give(Input::Order(order));
    }

    /// The next thing said that fits; what came before it is passed over.
    pub(crate) fn next(&mut self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        while let Some(message) = self.said.pop_front() {
            if fits(&message) {
                return message;
            }
        }
        panic!("no {what} was said");
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.said.is_empty()
    }

    fn hear(&mut self, text: &str) {
        let remote = SocketAddr::new(PHONE.parse().expect("an address"), 5060);
        let local = SocketAddr::new(STORE.parse().expect("an address"), 5060);
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local, remote };
        self.give(Input::Sip(sip::Input::Octets { flow, octets: Bytes::copy_from_slice(text.as_bytes()) }));
    }

    /// Sends a request of the phone's in its call, with SDP if there is any.
    pub(crate) fn request(&mut self, method: &str, sdp: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let to = if self.store_tag.is_empty() { String::new() } else { format!(";tag={}", self.store_tag) };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        if method == "INVITE" {
            self.invite_cseq = self.cseq;
        }
        // RFC 3261 §13.2.2.4: the ACK has the INVITE's number.
        let cseq = if method == "ACK" { self.invite_cseq } else { self.cseq };
        let (call_id, length) = (&self.call_id, sdp.len());
        self.hear(&format!(
            "{method} sip:box@{STORE} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK{call_id}{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:dana@example.net>;tag=phone\r\nTo: <sip:box@{STORE}>{to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:dana@{PHONE}>\r\n{kind}\
             Content-Length: {length}\r\n\r\n{sdp}"
        ));
    }

    /// What the phone says next belongs to a new call.
    pub(crate) fn new_call(&mut self, call_id: &str) {
        call_id.clone_into(&mut self.call_id);
        self.store_tag.clear();
        self.cseq = 0;
        self.said.clear();
    }

    /// The final response to the phone's last request.
    pub(crate) fn response(&mut self) -> Message {
        let response = self.next("final response", |message| message.status() >= 200);
        if let Some((_, tag)) = response.header("To").split_once(";tag=") {
            tag.clone_into(&mut self.store_tag);
        }
        response
    }

    /// INVITE, its final response, and an ACK if that is a 200.
    pub(crate) fn invite(&mut self, sdp: &str) -> Message {
        self.request("INVITE", sdp);
        let response = self.response();
        if response.status() == 200 {
            self.request("ACK", "");
        }
        response
    }

    /// Gives up the phone's INVITE.
    pub(crate) fn cancel(&mut self) {
        let (cseq, call_id) = (self.cseq, &self.call_id);
        self.hear(&format!(
            "CANCEL sip:box@{STORE} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK{call_id}INVITE{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:dana@example.net>;tag=phone\r\nTo: <sip:box@{STORE}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} CANCEL\r\nContent-Length: 0\r\n\r\n"
        ));
    }

    /// Answers a request of the engine's.
    pub(crate) fn answer(&mut self, request: &Message, status: u16, sdp: &str) {
        let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", request.header(name)));
        let to = request.header("To");
        let tag = if to.contains("tag=") { "" } else { ";tag=phone" };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.hear(&format!(
            "SIP/2.0 {status} Answer\r\n{}To: {to}{tag}\r\nContact: <sip:dana@{PHONE}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            copied.concat(),
            sdp.len()
        ));
    }

    /// The phone hears what its names lead to.
    pub(crate) fn resolve(&mut self, records: &[&str]) {
        let (ticket, names) = self.wanted.remove(0);
        let addresses: Vec<IpAddr> = records.iter().map(|record| record.parse().expect("an address")).collect();
        let found = names.into_iter().map(|name| (name, addresses.clone())).collect();
        self.give(Input::Resolved(ticket, found));
    }

    /// The dialled connection stands; what its session is told.
    pub(crate) fn connect(&mut self, link: u64) -> SessionSpec {
        let (session, _) = self.dialled.remove(0);
        self.give(Input::Dialled(session, Ok(LinkId(link))));
        self.bound()
    }

    /// The last session that was bound to a link.
    pub(crate) fn bound(&mut self) -> SessionSpec {
        let mut bound = self.links.drain(..).filter_map(|(_, command)| match command {
            Command::Bind(spec) => Some(spec),
            _ => None,
        });
        bound.next_back().expect("a session is bound")
    }
}

/// The phone's description: its o= version, what c= and m= say, and the lines under m=.
pub(crate) fn description(version: u64, (address, port): (&str, u16), lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let kind = if address.contains(':') { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- 1 {version} IN IP4 {PHONE}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n\
         m=message {port} TCP/MSRP *\r\na=accept-types:*\r\n{lines}"
    )
}
