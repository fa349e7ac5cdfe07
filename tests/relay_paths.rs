//! The engine and its relay (RFC 4976), with the test as SIP peer and relay: which session gets which path, and when.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use restante::engine::{
    Bearer, Command, Door, Doors, Engine, Input, LinkId, Manners, Notice, Output, Policy, Trunk, Unattended, Verify,
};
use restante::model::digest_auth::Credentials;
use restante::model::{Mint, Network, Now, Outbox};
use restante::msml::{self, Interpreter};
use restante::msrp::{Carrier, KnockId, MsrpUri, RelayAccount, RelayAsk, SessionSpec, StatusCode};
use restante::sdp::{Fingerprint, HashFunction};
use restante::sip::{self, Endpoint, Flow, FlowId, Transport};

const RELAY: &str = "msrps://relay.example.org:2855;tcp";
const LINK: LinkId = LinkId(1);

/// A server that has to use the relay, and everything it wanted done.
struct House {
    engine: Engine,
    now: Now,
    outputs: Vec<Output>,
    cseq: u32,
    /// The tag of the answer.
    to: String,
}

fn uri(text: &str) -> MsrpUri {
    text.parse().expect("a URI")
}

fn path(text: &str) -> Vec<MsrpUri> {
    MsrpUri::parse_path(text).expect("a path")
}

fn server() -> SocketAddr {
    "192.0.2.1:5060".parse().expect("an address")
}

fn phone() -> SocketAddr {
    "198.51.100.7:5060".parse().expect("an address")
}

impl House {
    fn new() -> Self {
        Self::with(Vec::new())
    }

    fn with(trunks: Vec<(Network, Trunk)>) -> Self {
        let credentials = Credentials { user: "store".to_owned(), password: "open sesame".to_owned() };
        let policy = Policy {
            doors: Doors {
                first: Door { carrier: Carrier::Tcp, host: "store.example.org".to_owned(), port: 7000 },
                others: Vec::new(),
            },
            address: "192.0.2.1".parse().expect("an address"),
            hold: Duration::from_secs(20),
            chunk: 65_536,
            max_size: 1 << 20,
            accept_types: vec!["*".to_owned()],
            accept_wrapped_types: Vec::new(),
            trusted: vec!["198.51.100.0/24".parse().expect("a network")],
            unattended: Unattended::Hold,
            manners: Manners::default(),
            peers: Vec::new(),
            verify: Verify::Either,
            hashes: vec![HashFunction::Sha256],
            fingerprints: vec![Fingerprint::of(b"a certificate", HashFunction::Sha256)],
            trunks,
            relay: Some(RelayAccount { relays: vec![uri(RELAY)], credentials, expires: None }),
            answer_timeout: Duration::from_secs(20),
            forward: Vec::new(),
            certified: Vec::new(),
            owners: std::collections::BTreeSet::new(),
            owner_domains: Vec::new(),
            routed: false,
            challenge: false,
            outbound: restante::engine::Outbound::default(),
        };
        let mut mint = Mint::from_number(7);
        let endpoint = Endpoint::new(sip::Config::default(), mint.fork());
        let interpreter = Interpreter::new(msml::Limits::default(), mint.fork());
        let engine = Engine::new(policy, endpoint, interpreter, mint);
        Self { engine, now: Now::default(), outputs: Vec::new(), cseq: 0, to: "<sip:bob@192.0.2.1>".to_owned() }
    }

    /// One whose connection to the relay stands from now on.
    fn connected() -> Self {
        let mut house = Self::new();
        house.invite("c0", &[("m=message 9 TCP/TLS/MSRP *", "active")]);
        house.relay_stands(LINK);
        house.let_in("warmup", "");
        house.answer().expect("the answer");
        house.bye("c0");
        house.outputs.clear();
        house
    }

    fn give(&mut self, input: Input) {
        let mut out = Outbox::new();
        self.engine.handle(self.now, input, &mut out);
        self.outputs.extend(out.drain());
    }

    fn pass(&mut self, secs: u64) {
        let until = self.now.instant + Duration::from_secs(secs);
        while let Some(due) = self.engine.deadline().filter(|due| *due <= until) {
            self.now.instant = due;
            self.give(Input::Timeout);
        }
        self.now.instant = until;
    }

    fn sip(&mut self, text: String) {
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local: server(), remote: phone() };
        self.give(Input::Sip(sip::Input::Octets { flow, octets: Bytes::from(text) }));
    }

    fn request(&mut self, method: &str, call: &str, body: &str) {
        self.cseq += u32::from(method != "ACK");
        let (cseq, to, phone) = (self.cseq, self.to.clone(), phone());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.sip(format!(
            "{method} sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bK{call}{cseq}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@example.net>;tag=a{call}\r\nTo: {to}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@{phone}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// An offer with these lines, each with its `a=setup`.
    fn invite(&mut self, call: &str, lines: &[(&str, &str)]) {
        self.to = "<sip:bob@192.0.2.1>".to_owned();
        self.request("INVITE", call, &description(lines));
    }

    fn bye(&mut self, call: &str) {
        self.request("ACK", call, "");
        self.request("BYE", call, "");
        self.pass(5);
    }

    /// The session description of the 200 that has gone out since the last look, and notes its tag.
    fn answer(&mut self) -> Option<String> {
        let text = self.said("SIP/2.0 200 OK")?;
        let to = text.lines().find_map(|line| line.strip_prefix("To: "))?;
        self.to = to.to_owned();
        Some(text.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// Every SIP message that has gone out.
    fn texts(&self) -> impl Iterator<Item = String> {
        self.outputs.iter().filter_map(text)
    }

    /// Takes the first SIP message that begins so.
    fn said(&mut self, start: &str) -> Option<String> {
        let at = self.outputs.iter().position(|output| text(output).is_some_and(|text| text.starts_with(start)))?;
        text(&self.outputs.remove(at))
    }

    /// Takes the AUTH that is out.
    fn auth(&mut self) -> Option<(LinkId, RelayAsk)> {
        let at = self.outputs.iter().position(|output| matches!(output, Output::Link(_, Command::AskRelay(_))))?;
        match self.outputs.remove(at) {
            Output::Link(link, Command::AskRelay(request)) => Some((link, request)),
            _ => None,
        }
    }

    fn auth_is_out(&self) -> bool {
        self.outputs.iter().any(|output| matches!(output, Output::Link(_, Command::AskRelay(_))))
    }

    /// Takes the Bind of a session.
    fn bound(&mut self) -> Option<(LinkId, SessionSpec)> {
        let at = self.outputs.iter().position(|output| matches!(output, Output::Link(_, Command::Bind(_))))?;
        match self.outputs.remove(at) {
            Output::Link(link, Command::Bind(spec)) => Some((link, spec)),
            _ => None,
        }
    }

    fn dials(&self) -> Vec<String> {
        let dialled = |output: &Output| match output {
            Output::DialRelay(uri) => Some(uri.to_string()),
            Output::Dial(_, uri, _) => Some(format!("peer {uri}")),
            _ => None,
        };
        self.outputs.iter().filter_map(dialled).collect()
    }

    fn relay_stands(&mut self, link: LinkId) {
        self.give(Input::Linked(link, bearer()));
        self.give(Input::RelayDialled(Ok(link)));
    }

    /// The relay's 200 to the AUTH that is out, with a Use-Path of this id; gives the URI it was for.
    fn let_in(&mut self, id: &str, expires: &str) -> MsrpUri {
        let (link, request) = self.auth().expect("an AUTH is out");
        let mut headers = vec![("Use-Path".to_owned(), use_path(id))];
        headers.extend((!expires.is_empty()).then(|| ("Expires".to_owned(), expires.to_owned())));
        self.give(Input::Notice(link, Notice::AuthAnswered(StatusCode::OK, headers)));
        request.from_path
    }
}

fn text(output: &Output) -> Option<String> {
    match output {
        Output::Transmit { octets, .. } => Some(String::from_utf8_lossy(octets).into_owned()),
        _ => None,
    }
}

fn bearer() -> Bearer {
    Bearer { carrier: Carrier::Tls, remote: None, certificate: None }
}

fn use_path(id: &str) -> String {
    format!("msrps://relay.example.org:9000/{id};tcp")
}

fn description(lines: &[(&str, &str)]) -> String {
    let mut text = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n".to_owned();
    for (number, (line, setup)) in lines.iter().enumerate() {
        text += &format!(
            "{line}\r\na=sendonly\r\na=accept-types:*\r\na=setup:{setup}\r\n\
             a=path:msrps://198.51.100.7:7654/p{number};tcp\r\n"
        );
    }
    text
}

const LINE: &str = "m=message 9 TCP/TLS/MSRP *";

fn attribute<'a>(sdp: &'a str, name: &str) -> Vec<&'a str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')).collect()
}

// M4976-5.1-02 M4976-5.1-06 M4976-8-01 M6714-4.3-06 M6714-4.3-07 M6135-4.5-01 M6135-4.5-02
#[test]
fn the_answer_waits_for_the_relays_path_and_names_the_relay_first() {
    let mut house = House::new();
    house.invite("c1", &[(LINE, "actpass")]);
    assert_eq!(house.dials(), [RELAY], "we always connect to our relay ourselves");
    assert_eq!(house.answer(), None);
    house.relay_stands(LINK);
    let own = house.let_in("u1", "900");
    let sdp = house.answer().expect("the answer");
    assert_eq!(attribute(&sdp, "path"), [format!("{} {own}", use_path("u1"))]);
    assert_eq!(attribute(&sdp, "setup"), ["passive"]);
    assert_eq!(attribute(&sdp, "fingerprint"), [""; 0], "the certificate that the peer meets is the relay's");
    assert!(sdp.contains("\r\nm=message 9000 TCP/TLS/MSRP *\r\nc=IN IP4 relay.example.org\r\n"), "{sdp}");
    house.request("ACK", "c1", "");
    assert!(house.bound().is_none(), "nothing is sent before the peer has shown up");
    // The peer's first SEND, by way of the relay.
    let (to_path, from_path) =
        (vec![own.clone()].into(), path(&format!("{} msrps://198.51.100.7:7654/p0;tcp", use_path("u1"))));
    house.give(Input::Notice(LINK, Notice::Knock { knock: KnockId(1), to_path, from_path: from_path.into() }));
    let (link, spec) = house.bound().expect("the session is bound");
    let way = path(&format!("{} msrps://198.51.100.7:7654/p0;tcp", use_path("u1")));
    assert_eq!((link, spec.local, spec.remote_path, spec.greet), (LINK, own, way, false));
}

// M4976-5.1-05 M4976-5.2-02 M4976-9.4-01 M6135-4.5-01
#[test]
fn the_active_side_sends_first_and_by_the_relays_connection() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "passive")]);
    let own = house.let_in("u1", "");
    let sdp = house.answer().expect("the answer");
    assert_eq!(attribute(&sdp, "setup"), ["active"]);
    assert!(sdp.contains("m=message 9000 "), "the relay listens although we are active: {sdp}");
    house.request("ACK", "c1", "");
    let (link, spec) = house.bound().expect("the session is bound");
    let way = path(&format!("{} msrps://198.51.100.7:7654/p0;tcp", use_path("u1")));
    assert_eq!((link, spec.local, spec.remote_path, spec.greet), (LINK, own, way, true));
    assert_eq!(house.dials(), [""; 0]);
}

// M4976-5.1-04 M4976-3.1-01 M4976-9.1-11 M4975-8.3-03
#[test]
fn each_session_gets_a_path_of_its_own_one_after_the_other() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "active"), (LINE, "active")]);
    let first = house.let_in("u1", "");
    assert_eq!(house.answer(), None, "one path is not enough for two streams");
    let second = house.let_in("u2", "");
    assert!(house.auth().is_none());
    let sdp = house.answer().expect("the answer");
    assert_ne!(first, second);
    assert_eq!(
        attribute(&sdp, "path"),
        [format!("{} {first}", use_path("u1")), format!("{} {second}", use_path("u2"))]
    );
    // The same offer again, as session timers send it, costs nothing.
    house.request("ACK", "c1", "");
    house.request("INVITE", "c1", &description(&[(LINE, "active"), (LINE, "active")]));
    assert!(house.auth().is_none());
    assert_eq!(attribute(&house.answer().expect("the answer"), "path"), attribute(&sdp, "path"));
}

// M4976-5.1-03 M4976-9.1-01
#[test]
fn without_the_relay_a_call_is_refused_with_the_reason_and_the_next_one_tries_again() {
    let mut house = House::new();
    house.invite("c1", &[(LINE, "active")]);
    house.give(Input::RelayDialled(Err("refused".to_owned())));
    let refusal = house.said("SIP/2.0 503").expect("a refusal");
    assert!(refusal.contains("relay cannot be reached"), "{refusal}");

    house.invite("c2", &[(LINE, "active")]);
    assert_eq!(house.dials(), [RELAY, RELAY]);
    house.relay_stands(LINK);
    let challenge = "Basic realm=\"relay.example.org\"".to_owned();
    house.auth().expect("an AUTH");
    let headers = vec![("WWW-Authenticate".to_owned(), challenge)];
    house.give(Input::Notice(LINK, Notice::AuthAnswered(StatusCode::UNAUTHORIZED, headers)));
    let refusal = house.said("SIP/2.0 503").expect("a refusal");
    assert!(refusal.contains("the scheme Basic is not Digest"), "{refusal}");
    assert!(house.auth().is_none());

    house.invite("c3", &[(LINE, "active")]);
    house.auth().expect("an AUTH that is never answered");
    house.outputs.clear();
    house.pass(19);
    let late = |house: &House| house.texts().any(|text| text.contains("the MSRP relay does not answer in time"));
    assert!(!late(&house));
    house.pass(1);
    assert!(late(&house));
}

// M4976-4.6-01 M4976-9.4-02
#[test]
fn a_path_is_renewed_by_a_new_offer_before_it_runs_out() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "passive")]);
    let own = house.let_in("u1", "60");
    let first = house.answer().expect("the answer");
    house.request("ACK", "c1", "");
    house.bound().expect("the session is bound");
    house.pass(39);
    assert!(house.auth().is_none());
    house.pass(2);
    assert_eq!(house.let_in("u2", "60"), own, "the same session");
    let offer = house.said("INVITE ").expect("a new offer");
    let (head, sdp) = offer.split_once("\r\n\r\n").expect("a body");
    assert_eq!(attribute(sdp, "path"), [format!("{} {own}", use_path("u2"))]);
    assert!(version(sdp) > version(&first), "{sdp}");
    assert!(house.bound().is_none(), "the old path is good until the peer knows the new one");
    house.agree(head);
    let (link, spec) = house.bound().expect("the new path");
    let way = path(&format!("{} msrps://198.51.100.7:7654/p0;tcp", use_path("u2")));
    assert_eq!((link, spec.local, spec.remote_path, spec.greet), (LINK, own, way, false));
    house.pass(41);
    assert!(house.auth().is_some(), "and so on");
}

// M4976-6.3-01
#[test]
fn a_lost_relay_is_connected_again_and_the_peer_gets_a_new_path() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "passive")]);
    let own = house.let_in("u1", "900");
    house.answer().expect("the answer");
    house.request("ACK", "c1", "");
    house.bound().expect("the session is bound");
    house.give(Input::Notice(LINK, Notice::Closed));
    assert_eq!(house.dials(), [RELAY]);
    house.give(Input::RelayDialled(Err("refused".to_owned())));
    house.pass(10);
    assert_eq!(house.dials(), [RELAY, RELAY], "it is tried again");
    let again = LinkId(2);
    house.relay_stands(again);
    assert_eq!(house.let_in("u2", "900"), own);
    let offer = house.said("INVITE ").expect("a new offer");
    let (head, sdp) = offer.split_once("\r\n\r\n").expect("a body");
    assert_eq!(attribute(sdp, "path"), [format!("{} {own}", use_path("u2"))]);
    house.agree(head);
    let (link, spec) = house.bound().expect("the session goes on");
    assert_eq!((link, spec.local, spec.greet), (again, own, true));
}

// M4976-8-05 M4976-9.2-04
#[test]
fn nothing_is_said_to_a_relay_over_a_plain_connection() {
    let mut house = House::new();
    house.invite("c1", &[(LINE, "active")]);
    house.give(Input::Linked(LINK, Bearer { carrier: Carrier::Tcp, ..bearer() }));
    house.give(Input::RelayDialled(Ok(LINK)));
    assert!(house.auth().is_none());
    assert!(house.outputs.iter().any(|output| matches!(output, Output::Link(LINK, Command::Close))));
    assert!(house.said("SIP/2.0 503").is_some());
}

#[test]
fn a_caller_who_gives_up_is_forgotten_and_so_is_the_path_asked_for_him() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "active")]);
    let cseq = house.cseq;
    let phone = phone();
    house.sip(format!(
        "CANCEL sip:bob@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bKc1{cseq}INVITE\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.net>;tag=ac1\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: c1\r\n\
         CSeq: {cseq} CANCEL\r\nContent-Length: 0\r\n\r\n"
    ));
    assert!(house.said("SIP/2.0 487").is_some());
    house.let_in("u1", "");
    house.said("SIP/2.0 200 OK").expect("of the CANCEL");
    assert_eq!(house.answer(), None);
    house.invite("c2", &[(LINE, "active")]);
    house.let_in("u2", "");
    assert!(house.answer().is_some_and(|sdp| sdp.contains(&use_path("u2"))), "nobody gets another's path");
}

#[test]
fn a_peer_that_wants_no_tls_is_refused_because_the_relay_gives_nothing_else() {
    let mut house = House::connected();
    let plain = description(&[("m=message 9 TCP/MSRP *", "active")]).replace("msrps:", "msrp:");
    house.to = "<sip:bob@192.0.2.1>".to_owned();
    house.request("INVITE", "c1", &plain);
    house.let_in("u1", "");
    assert!(house.said("SIP/2.0 488").is_some_and(|text| text.contains("no listener")));
}

#[test]
fn what_cannot_be_served_anyway_costs_no_path() {
    let mut house = House::connected();
    house.invite("c1", &[("m=audio 4000 RTP/AVP 0", "active")]);
    assert!(house.said("SIP/2.0 488").is_some() && house.auth().is_none());
}

#[test]
fn a_request_that_comes_before_the_answer_to_our_offer_does_not_hold_up_the_relays_connection() {
    let mut house = House::connected();
    house.to = "<sip:bob@192.0.2.1>".to_owned();
    house.request("INVITE", "c1", "");
    let own = house.let_in("u1", "");
    house.answer().expect("our offer");
    // No ACK, but a SEND by way of the relay: all other sessions come by the same connection.
    let from_path = path(&format!("{} msrps://198.51.100.7:7654/p0;tcp", use_path("u1")));
    let knock = Notice::Knock { knock: KnockId(1), to_path: vec![own].into(), from_path: from_path.into() };
    house.give(Input::Notice(LINK, knock));
    let refused = |output: &Output| matches!(output, Output::Link(LINK, Command::Refuse(KnockId(1), status)) if *status == StatusCode::NO_SUCH_SESSION);
    assert!(house.outputs.iter().any(refused), "{:?}", house.outputs);
}

#[test]
fn an_offer_of_many_streams_costs_the_relay_no_more_than_a_few_paths() {
    let mut house = House::connected();
    house.invite("c1", &[(LINE, "active"); 20]);
    let mut asked = 0;
    while house.auth_is_out() {
        asked += 1;
        house.let_in(&format!("u{asked}"), "");
    }
    let sdp = house.answer().expect("the answer");
    assert_eq!(asked, restante::model::limits::MSRP_RELAY_PATHS);
    assert_eq!((sdp.matches("m=message 9000 ").count(), sdp.matches("m=message 0 ").count()), (asked, 20 - asked));
}

/// A server whose phones are behind a middlebox that speaks CEMA.
fn behind_a_middlebox() -> House {
    let phones = "198.51.100.0/24".parse().expect("a network");
    House::with(vec![(phones, Trunk { cema: true, ..Trunk::default() })])
}

// M6714-4.2-01 M6714-4.2-03 M6714-4.2-04
#[test]
fn our_offer_through_a_middlebox_names_the_relay_everywhere_and_lets_the_peer_choose() {
    let mut house = behind_a_middlebox();
    house.request("INVITE", "c1", "");
    house.relay_stands(LINK);
    let own = house.let_in("u1", "");
    let sdp = house.answer().expect("our offer");
    assert_eq!(attribute(&sdp, "path"), [format!("{} {own}", use_path("u1"))]);
    assert!(sdp.contains("\r\nm=message 9000 TCP/TLS/MSRP *\r\nc=IN IP4 relay.example.org\r\n"), "{sdp}");
    assert_eq!(attribute(&sdp, "setup"), ["actpass"]);
    assert!(sdp.contains("\r\na=msrp-cema\r\n"), "{sdp}");
}

// M6714-4.3-02 M6714-4.3-03
#[test]
fn a_peer_that_insists_on_being_connected_to_gets_a_plain_answer_from_behind_the_relay() {
    let offer = |setup| description(&[(LINE, setup)]).replace("message 9", "message 7654") + "a=msrp-cema\r\n";
    for (setup, answered) in [("passive", false), ("active", true), ("actpass", true)] {
        let mut house = behind_a_middlebox();
        house.request("INVITE", "c1", &offer(setup));
        house.relay_stands(LINK);
        house.let_in("u1", "");
        let sdp = house.answer().expect("the answer");
        assert_eq!(sdp.contains("a=msrp-cema"), answered, "{setup}: {sdp}");
    }
}

impl House {
    /// The peer's answer to this re-INVITE: what it has said before.
    fn agree(&mut self, head: &str) {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let headers: String = head
            .lines()
            .filter(|line| copied.iter().any(|name| line.starts_with(&format!("{name}:"))))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let body = description(&[("m=message 7654 TCP/TLS/MSRP *", "passive")]);
        self.sip(format!(
            "SIP/2.0 200 OK\r\n{headers}Contact: <sip:alice@{}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            phone(),
            body.len()
        ));
    }
}

fn version(sdp: &str) -> u64 {
    let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("an origin");
    origin.split(' ').nth(2).and_then(|version| version.parse().ok()).expect("a version")
}
