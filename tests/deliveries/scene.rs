//! An engine with an object to hand on, and the peer that it calls.

use std::sync::Arc;

use restante::engine::LinkId;
use restante::engine::link::Bearer;
use restante::engine::{Attempt, Command, Found, Input, Notice, Output, Query, Source, Ticket, Unattended};
use restante::io::files::HostFiles;
use restante::model::{Ending, FileInfo, Mint, ObjectUri, Wall};
use restante::msrp::{Carrier, OutboundSpec};
use restante::sip::{self, Flow, FlowId, Place, Transport};
use restante::spool::{Committed, EnvelopeDraft, Index, Spool, StagePlan};
use tempfile::TempDir;

use super::board::{Board, sip_text};

pub(crate) const OCTETS: &[u8] = b"0123456789";

/// An answer that takes the file.
pub(crate) const TAKEN: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=setup:passive\r\na=accept-types:*\r\na=path:msrp://192.0.2.9:9/peer;tcp\r\na=recvonly\r\n\
    a=file-selector:size:10\r\n";

pub(crate) struct Scene {
    pub(crate) board: Board,
    /// The peer's tag.
    pub(crate) tag: String,
    spool: Spool,
    _folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::allowing("*")
    }

    /// With this in `policy.forward`.
    pub(crate) fn allowing(domain: &str) -> Self {
        Self::with(domain, None)
    }

    /// With this in `outbound.proxy`.
    pub(crate) fn through(proxy: &str) -> Self {
        Self::with("*", Some(proxy))
    }

    fn with(domain: &str, proxy: Option<&str>) -> Self {
        let mut board = Board::with(Unattended::Hold, |policy| {
            policy.forward = vec![domain.parse().expect("a domain")];
            policy.outbound.proxy = proxy.map(str::to_owned);
        });
        board.now.wall = Wall::from_micros(1_795_000_000_000_000);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Arc::new(HostFiles::new(folder.path()).expect("a folder"));
        let (spool, _) = Spool::open(files, Index::in_memory(), Mint::from_number(1), board.now).expect("a spool");
        Self { board, tag: "peer".to_owned(), spool, _folder: folder }
    }

    pub(crate) fn object(&self, draft: EnvelopeDraft) -> Committed {
        let uri: ObjectUri = "spool:/bob/".parse().expect("a name");
        let mut stage = self.spool.stage(StagePlan::new(uri), self.board.now).expect("a stage");
        stage.write(0, OCTETS).expect("room");
        let sealed = stage.seal(OCTETS.len() as u64, &FileInfo::default()).expect("a whole file");
        self.spool.commit(sealed, draft, self.board.now).expect("a commit")
    }

    /// The queue wants an attempt, and this is what the spool has.
    pub(crate) fn asks(&mut self, attempt: Attempt, found: Result<Option<Committed>, String>) -> Vec<Output> {
        let outputs = self.board.give(Input::Deliver(Box::new(attempt)));
        let ticket = outputs.iter().find_map(|output| match output {
            Output::Find(ticket, Query::Forward(_)) => Some(*ticket),
            _ => None,
        });
        self.board.give(Input::Found(ticket.expect("a question"), found.map(Found::Object)))
    }

    pub(crate) fn located(&mut self, outputs: &[Output], places: Result<Vec<Place>, String>) -> Vec<Output> {
        let ticket: Option<Ticket> = outputs.iter().find_map(|output| match output {
            Output::Locate(ticket, _) => Some(*ticket),
            _ => None,
        });
        self.board.give(Input::Located(ticket.expect("a name to look up"), places))
    }

    pub(crate) fn located_here(&mut self, outputs: &[Output]) -> Vec<Output> {
        let remote = "192.0.2.9:5060".parse().expect("an address");
        self.located(outputs, Ok(vec![Place { transport: Transport::Udp, remote }]))
    }

    /// The INVITE of an attempt.
    pub(crate) fn calls(&mut self, attempt: Attempt, draft: EnvelopeDraft) -> String {
        let object = self.object(draft);
        let outputs = self.asks(attempt, Ok(Some(object)));
        let outputs = self.located_here(&outputs);
        self.spoken(&outputs)
    }

    /// The last request in these outputs.
    pub(crate) fn spoken(&self, outputs: &[Output]) -> String {
        let requests = outputs.iter().filter_map(sip_text).filter(|text| !text.starts_with("SIP/2.0"));
        requests.last().unwrap_or_else(|| panic!("no request in {outputs:?}"))
    }

    /// The peer's answer to this request.
    pub(crate) fn answers(&mut self, request: &str, status: &str, extra: &[&str], sdp: &str) -> Vec<Output> {
        let to = field(request, "To");
        let to = if to.contains(";tag=") { to } else { format!("{to};tag={}", self.tag) };
        let same = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", field(request, name)));
        let extra: String = extra.iter().map(|line| format!("{line}\r\n")).collect();
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "SIP/2.0 {status}\r\n{}To: {to}\r\nContact: <sip:bob@192.0.2.9>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{sdp}",
            same.concat(),
            sdp.len()
        );
        self.hears(&text)
    }

    fn hears(&mut self, text: &str) -> Vec<Output> {
        let address = |text: &str| text.parse().expect("an address");
        let (local, remote) = (address("192.0.2.10:5060"), address("192.0.2.9:5060"));
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local, remote };
        self.board.give(Input::Sip(sip::Input::Octets { flow, octets: text.to_owned().into() }))
    }

    /// The peer's offer in the call of this INVITE.
    pub(crate) fn offers(&mut self, invite: &str, sdp: &str) -> Vec<Output> {
        let (from, to, call_id) = (field(invite, "From"), field(invite, "To"), field(invite, "Call-ID"));
        self.hears(&format!(
            "INVITE sip:restante@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKoffer\r\n\
             Max-Forwards: 70\r\nFrom: {to};tag={}\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:bob@192.0.2.9>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.tag,
            sdp.len()
        ))
    }

    /// The peer's BYE in the call of this INVITE.
    pub(crate) fn hangs_up(&mut self, invite: &str) -> Vec<Output> {
        let (from, to, call_id) = (field(invite, "From"), field(invite, "To"), field(invite, "Call-ID"));
        self.hears(&format!(
            "BYE sip:restante@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
             From: {to};tag={}\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            self.tag
        ))
    }

    /// The connection to the peer stands: what goes out on it.
    pub(crate) fn connects(&mut self, outputs: Vec<Output>) -> (Box<OutboundSpec>, Source) {
        let dialled = outputs.iter().find_map(|output| match output {
            Output::Dial(session, ..) => Some(*session),
            _ => None,
        });
        let bearer = Bearer { carrier: Carrier::Tcp, remote: None, certificate: None };
        self.board.give(Input::Linked(LinkId(1), bearer));
        let mut outputs = self.board.give(Input::Dialled(dialled.expect("a connection to be made"), Ok(LinkId(1))));
        outputs.extend(self.board.notice(1, Notice::Greeted(dialled.expect("it is dialled"))));
        sent(outputs).expect("a message")
    }
}

/// The message that goes out.
pub(crate) fn sent(outputs: Vec<Output>) -> Option<(Box<OutboundSpec>, Source)> {
    outputs.into_iter().find_map(|output| match output {
        Output::Link(_, Command::Send(spec, source)) => Some((Box::new(spec), source)),
        _ => None,
    })
}

/// The end of an attempt.
pub(crate) fn handed(outputs: &[Output]) -> Option<(String, u64, Ending)> {
    let mut ends = outputs.iter().filter_map(|output| match output {
        Output::Handed(handed) => Some((handed.delivery.clone(), handed.token, handed.ending.clone())),
        _ => None,
    });
    let end = ends.next();
    assert_eq!(ends.next(), None, "an attempt has one end");
    end
}

/// The methods of the requests in these outputs.
pub(crate) fn calls(outputs: &[Output]) -> Vec<&'static str> {
    let known = ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE"];
    let method = |text: String| known.into_iter().find(|method| text.starts_with(&format!("{method} ")));
    outputs.iter().filter_map(sip_text).filter_map(method).collect()
}

/// The value of a header.
pub(crate) fn field(message: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    let value = message.lines().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("no {name} in {message}")).to_owned()
}
