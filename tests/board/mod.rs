//! An engine without a world: calls come in as SIP, streams as notices, and what it wants is left to be looked at.
#![allow(dead_code, reason = "each test and benchmark uses its part")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use restante::engine::link::Bearer;
use restante::engine::policy::{Door, Doors};
use restante::engine::{Command, Engine, Input, LinkId, Manners, Notice, Output, Policy, Unattended};
use restante::model::{Mint, Now, Outbox};
use restante::msml::{self, Interpreter};
use restante::msrp::{Arrival, Carrier, FailureReport, InboundKey, KnockId, MsrpUri, SessionKey};
use restante::sdp::Address;
use restante::sip::{self, Endpoint, Flow, FlowId, Transport};

const STORE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PHONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const PHONE_PATH: &str = "msrp://192.0.2.9:9/phone;tcp";

pub(crate) struct Board {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) out: Outbox<Output>,
    /// The phones' User-Agent.
    pub(crate) agent: &'static str,
    /// What is said otherwise in the phones' descriptions.
    pub(crate) instead: Vec<(&'static str, &'static str)>,
    pub(crate) flow: Flow,
    calls: u64,
    knocks: u64,
    cseq: u32,
}

/// A call that was answered.
pub(crate) struct Call {
    number: u64,
    /// The To header with its tag.
    to: String,
    /// Our paths, in the order of the `m=` lines.
    pub(crate) paths: Vec<Vec<MsrpUri>>,
}

impl Call {
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn conn(&self) -> &str {
        self.to.split_once("tag=").map_or("", |(_, tag)| tag)
    }
}

impl Board {
    pub(crate) fn new(unattended: Unattended) -> Self {
        Self::with(unattended, |_| {})
    }

    /// One whose policy differs.
    pub(crate) fn with(unattended: Unattended, differ: impl FnOnce(&mut Policy)) -> Self {
        let mut mint = Mint::from_number(1);
        let mut policy = Policy {
            doors: Doors {
                first: Door { carrier: Carrier::Tcp, host: STORE.to_string(), port: 2855 },
                others: Vec::new(),
            },
            address: Address::Ip(STORE.into()),
            hold: Duration::from_secs(20),
            chunk: 64 * 1024,
            max_size: 1 << 30,
            accept_types: vec!["*".to_owned()],
            verify: restante::engine::Verify::Either,
            hashes: Vec::new(),
            fingerprints: Vec::new(),
            accept_wrapped_types: Vec::new(),
            trusted: vec!["192.0.2.0/24".parse().expect("a network")],
            unattended,
            manners: Manners::default(),
            peers: Vec::new(),
            relay: None,
            trunks: Vec::new(),
            answer_timeout: Duration::from_secs(20),
            forward: vec!["*".parse().expect("a domain")],
            certified: Vec::new(),
            challenge: false,
            owners: std::collections::BTreeSet::new(),
            owner_domains: Vec::new(),
            routed: false,
            outbound: restante::engine::Outbound { proxy: None, from: "sip:restante@192.0.2.10".to_owned() },
        };
        differ(&mut policy);
        let endpoint = Endpoint::new(sip::Config::default(), mint.fork());
        let interpreter = Interpreter::new(msml::Limits::default(), mint.fork());
        let address = |host: Ipv4Addr| SocketAddr::from((host, 5060));
        Self {
            engine: Engine::new(policy, endpoint, interpreter, mint),
            now: Now::default(),
            out: Outbox::new(),
            agent: "Phone/1",
            instead: Vec::new(),
            flow: Flow { id: FlowId(1), transport: Transport::Udp, local: address(STORE), remote: address(PHONE) },
            calls: 0,
            knocks: 0,
            cseq: 1,
        }
    }

    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        self.engine.handle(self.now, input, &mut self.out);
        self.out.drain().collect()
    }

    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output> {
        self.now.instant = self.now.instant + time;
        self.give(Input::Timeout)
    }

    pub(crate) fn notice(&mut self, link: u64, notice: Notice) -> Vec<Output> {
        self.give(Input::Notice(LinkId(link), notice))
    }

    fn request(&mut self, method: &str, call: u64, to: &str, kind: &str, body: &str) -> Vec<Output> {
        self.cseq += 1;
        let (cseq, kind) =
            (self.cseq, if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") });
        let agent = self.agent;
        let body = self.instead.iter().fold(body.to_owned(), |body, (from, to)| body.replace(from, to));
        let text = format!(
            "{method} sip:bob@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{call}x{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.9>;tag=a{call}\r\nTo: {to}\r\nCall-ID: call-{call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.9>\r\nUser-Agent: {agent}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.give(Input::Sip(sip::Input::Octets { flow: self.flow, octets: text.into() }))
    }

    /// A call with so many plain message streams.
    pub(crate) fn invite(&mut self, streams: usize) -> Call {
        self.calls += 1;
        let number = self.calls;
        let offer = offer(streams, 1);
        let outputs = self.request("INVITE", number, "<sip:bob@192.0.2.10>", "application/sdp", &offer);
        let answer = outputs.iter().filter_map(sip_text).find(|text| text.starts_with("SIP/2.0 200")).expect("a 200");
        let paths = answer.lines().filter_map(|line| line.strip_prefix("a=path:"));
        let paths = paths.map(|path| MsrpUri::parse_path(path).expect("a path")).collect();
        let to = answer.lines().find_map(|line| line.strip_prefix("To: ")).expect("a To").trim().to_owned();
        // RFC 3261 §13.2.2.4: its CSeq is that of the INVITE.
        self.cseq -= 1;
        self.request("ACK", number, &to, "", "");
        Call { number, to, paths }
    }

    /// The same streams are offered again.
    pub(crate) fn reinvite(&mut self, call: &Call) -> Vec<Output> {
        let offer = offer(call.paths.len(), 2);
        let mut outputs = self.request("INVITE", call.number, &call.to, "application/sdp", &offer);
        self.cseq -= 1;
        outputs.extend(self.request("ACK", call.number, &call.to, "", ""));
        outputs
    }

    /// A call without an offer, whose ACK answers ours: the peer will be where `path` says.
    pub(crate) fn invite_without_offer(&mut self, path: &str) -> Vec<Output> {
        self.calls += 1;
        let number = self.calls;
        let outputs = self.request("INVITE", number, "<sip:bob@192.0.2.10>", "", "");
        let offered = outputs.iter().filter_map(sip_text).find(|text| text.starts_with("SIP/2.0 200")).expect("a 200");
        let to = offered.lines().find_map(|line| line.strip_prefix("To: ")).expect("a To").trim().to_owned();
        let answer = offer(1, 1).replace(PHONE_PATH, path).replace("setup:active", "setup:passive");
        self.cseq -= 1;
        self.request("ACK", number, &to, "application/sdp", &answer)
    }

    /// `<record>` on the call, into box bob.
    pub(crate) fn record(&mut self, call: &Call) -> Vec<Output> {
        let document = format!(
            "<?xml version=\"1.0\"?><msml version=\"1.1\"><dialogstart target=\"conn:{}\" type=\"application/moml+xml\">\
             <record dest=\"spool:/bob/\" maxtime=\"60s\"/></dialogstart></msml>",
            call.conn()
        );
        self.request("INFO", call.number, &call.to, "application/msml+xml", &document)
    }

    /// MSML on the call, and all that follows from it.
    pub(crate) fn say(&mut self, call: &Call, commands: &str) -> Vec<Output> {
        let document = format!("<msml version=\"1.1\" xmlns:ft=\"urn:restante:msml-file:1\">{commands}</msml>");
        self.request("INFO", call.number, &call.to, "application/msml+xml", &document)
    }

    /// MSML on the call, and the whole answer.
    pub(crate) fn info(&mut self, call: &Call, kind: &str, document: &str) -> String {
        let outputs = self.request("INFO", call.number, &call.to, kind, document);
        let answers = |text: &String| text.starts_with("SIP/2.0 ");
        outputs.iter().filter_map(sip_text).find(answers).expect("an answer")
    }

    /// The MSML that the engine says in INFOs of its own, each answered with 200: type and body.
    pub(crate) fn heard(&mut self, mut outputs: Vec<Output>) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        while let Some(info) = outputs.iter().filter_map(sip_text).find(|text| text.starts_with("INFO ")) {
            let (head, body) = info.split_once("\r\n\r\n").expect("a body");
            let kind = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).expect("a type");
            heard.push((kind.to_owned(), body.to_owned()));
            let copied = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
            let copied = head.lines().filter(|line| copied.iter().any(|name| line.starts_with(name)));
            let copied: String = copied.map(|line| format!("{line}\r\n")).collect();
            let octets = format!("SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n").into();
            outputs = self.give(Input::Sip(sip::Input::Octets { flow: self.flow, octets }));
        }
        heard
    }

    pub(crate) fn bye(&mut self, call: &Call) -> Vec<Output> {
        self.request("BYE", call.number, &call.to, "", "")
    }

    /// A connection has come in.
    pub(crate) fn link(&mut self, link: u64) {
        let bearer = Bearer { carrier: Carrier::Tcp, remote: Some(self.flow.remote), certificate: None };
        self.give(Input::Linked(LinkId(link), bearer));
    }

    /// The first request for a session on a link: what the engine says to it.
    pub(crate) fn knock(&mut self, link: u64, path: &[MsrpUri]) -> Option<Command> {
        self.knocks += 1;
        let from_path = MsrpUri::parse_path(PHONE_PATH).expect("a path").into();
        let outputs = self.notice(link, Notice::Knock { knock: KnockId(self.knocks), to_path: path.into(), from_path });
        outputs.into_iter().find_map(|output| match output {
            Output::Link(_, command @ (Command::Bind(_) | Command::Refuse(..))) => Some(command),
            _ => None,
        })
    }

    /// A message begins.
    pub(crate) fn arrives(&mut self, link: u64, session: SessionKey, message: u64) -> Vec<Output> {
        let head = Arrival {
            message_id: format!("m{message:04}"),
            content_type: "text/plain".to_owned(),
            disposition: None,
            byte_range: None,
            total: None,
            success_report: true,
            failure_report: FailureReport::Yes,
            others: Vec::new(),
        };
        self.notice(link, Notice::Arrived(session, InboundKey(message), Box::new(head)))
    }
}

fn offer(streams: usize, version: u32) -> String {
    let media = format!("m=message 9 TCP/MSRP *\r\na=setup:active\r\na=accept-types:*\r\na=path:{PHONE_PATH}\r\n");
    let session = format!("v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n");
    session + &media.repeat(streams)
}

/// The SIP message that this output sends.
pub(crate) fn sip_text(output: &Output) -> Option<String> {
    let Output::Transmit { octets, .. } = output else { return None };
    Some(String::from_utf8_lossy(octets as &Bytes).into_owned())
}

/// The messages that these outputs give their grants.
pub(crate) fn granted(outputs: &[Output]) -> Vec<u64> {
    let message = |output: &Output| match output {
        Output::Link(_, Command::Receive(grant)) => Some(grant.message.0),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

/// The messages that these outputs refuse, with their status.
pub(crate) fn rejected(outputs: &[Output]) -> HashMap<u64, u16> {
    let message = |output: &Output| match output {
        Output::Link(_, Command::Reject(message, status)) => Some((message.0, status.0)),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}
