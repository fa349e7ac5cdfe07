//! A phone whose octets go over TLS: what it offers, and its deposit up to the first octet.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustls::SupportedProtocolVersion;

use super::card::Card;
use super::support::deposit::{Depositor, Plan, Promise};
use super::support::msrp::Message;
use super::support::server::Server;
use super::support::sip::{Call, Message as Answer, Wire};
use super::wire::{self, Shaken};

/// A server that takes TLS first and plain TCP as well.
pub(crate) fn serve(dir: &Path, variables: &[(&str, &str)]) -> Server {
    let mut all = vec![("RESTANTE_MSRP__LISTEN", "tls:127.0.0.1:0,tcp:127.0.0.1:0")];
    all.extend(variables);
    Server::start(dir, &all)
}

/// A description with one stream over TLS; `lines` go under its `m=`.
pub(crate) fn description(path: &str, lines: &[&str]) -> String {
    media(&format!("m=message 9 TCP/TLS/MSRP *\r\na=accept-types:*\r\na=path:{path}"), lines)
}

/// A description with these media lines.
pub(crate) fn media(media: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{media}\r\n{lines}")
}

/// A file of some chunks.
pub(crate) fn plan(id: &str) -> Plan {
    Plan::new(id, (0..30_000_u32).map(|n| (n % 251) as u8).collect())
}

/// Calls with this offer.
pub(crate) fn call(server: &Server, offer: &str) -> (Call, Answer) {
    let address: SocketAddr = server.sip("tcp");
    let wire = Wire::connect(address, None).expect("the server is there");
    Call::invite_on(wire, address, "bob", offer).expect("an answer")
}

/// A call that is answered and whose file is asked for; nobody has connected yet.
pub(crate) struct Deposit {
    pub(crate) call: Call,
    pub(crate) answer: Answer,
    pub(crate) plan: Plan,
    path: String,
}

impl Deposit {
    /// Offers the file by this path and setup, with these lines about certificates.
    pub(crate) fn offer(server: &Server, plan: &Plan, path: &str, setup: &str, lines: &[&str]) -> Self {
        let setup = format!("a=setup:{setup}");
        let mut all = vec!["a=sendonly", setup.as_str()];
        all.extend(lines);
        let (mut call, answer) = call(server, &description(path, &all));
        assert_eq!(answer.status(), 200, "{answer:?}");
        let result = call.start(&plan.script()).expect("a result");
        assert!(result.body.contains("response=\"200\""), "{result:?}");
        Self { call, answer, plan: plan.clone(), path: path.to_owned() }
    }

    /// The same, from a phone that will connect.
    pub(crate) fn active(server: &Server, plan: &Plan, lines: &[&str]) -> Self {
        let path = format!("msrps://127.0.0.1:9/s{};tcp", plan.message_id);
        Self::offer(server, plan, &path, "active", lines)
    }

    /// The rest of it, over this connection.
    pub(crate) fn over(self, shaken: Shaken) -> Depositor {
        let message = Message {
            to: self.answer.attribute("path").to_owned(),
            from: self.path,
            id: self.plan.message_id.clone(),
            total: self.plan.content.len() as u64,
        };
        Depositor { call: self.call, stream: shaken.stream, message, plan: self.plan }
    }

    /// Connects with this card, and sends the first chunk. What the server says to it, or that it hung up.
    pub(crate) fn try_with(
        self,
        server: &Server,
        card: Option<&Card>,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Depositor> {
        let shaken = wire::connect(server.msrp_by("tls"), card, version)?;
        let mut depositor = self.over(shaken);
        let (to, from) = (depositor.message.to.clone(), depositor.message.from.clone());
        let frame = depositor.stream.greet(&to, &from)?;
        if frame.status() == 200 { Ok(depositor) } else { Err(io::Error::other(format!("{frame:?}"))) }
    }
}

/// Sends the whole file and sees it committed.
pub(crate) fn finish(mut depositor: Depositor) {
    let mut promise = Promise::default();
    let refused = depositor.send(0, &mut promise).expect("the server answers");
    assert!(refused.is_none(), "{refused:?}");
    depositor.finish(&mut promise).expect("a report and an exit");
    assert!(promise.reported && promise.complete, "{promise:?}");
}
