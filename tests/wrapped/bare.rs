//! A phone that is called and takes files as they are: it knows nothing of wrappers.

use std::net::{SocketAddr, TcpListener, TcpStream};

use super::support::PATIENCE;
use super::support::msrp::Stream;
use super::support::sip::{Message, Wire};

pub(crate) struct BarePhone {
    listener: TcpListener,
    /// The connection of its last call, on which the next one comes, too.
    wire: Option<Wire>,
}

impl BarePhone {
    pub(crate) fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a port"), wire: None }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:carol@{};transport=tcp", self.address())
    }

    /// Is called, takes one file, and reports all of it. Returns its octets and its type.
    pub(crate) fn takes(&mut self) -> (Vec<u8>, String) {
        let contact = self.uri();
        let accept = || {
            let (octets, tcp) = accepted(&self.listener);
            Wire::over(tcp, octets)
        };
        let wire = self.wire.get_or_insert_with(accept);
        let invite = next(wire, "INVITE");
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let answer = description(&invite, door.local_addr().expect("an address"));
        let more = format!("Contact: <{contact}>\r\nContent-Type: application/sdp\r\n");
        wire.send(&ok(&invite, &more, &answer)).expect("a write");
        let (octets, tcp) = accepted(&door);
        let content = Stream::over(tcp, octets).receive().expect("a file");
        let bye = next(wire, "BYE");
        wire.send(&ok(&bye, "", "")).expect("a write");
        let kind = invite.attribute("file-selector").split("type:").nth(1).unwrap_or_default();
        (content, kind.split(' ').next().unwrap_or_default().to_owned())
    }
}

fn accepted(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let (tcp, _) = listener.accept().expect("a connection");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    (tcp.try_clone().expect("a handle"), tcp)
}

fn next(wire: &mut Wire, method: &str) -> Message {
    loop {
        let message = wire.read().expect("a message");
        if message.start.starts_with(method) {
            return message;
        }
    }
}

/// Takes the file that is offered, in no wrapper.
fn description(offer: &Message, door: SocketAddr) -> String {
    let file = ["file-selector", "file-transfer-id"].map(|name| format!("a={name}:{}\r\n", offer.attribute(name)));
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=message {} TCP/MSRP *\r\na=recvonly\r\na=accept-types:*\r\na=path:msrp://{door}/bare;tcp\r\n{}",
        door.port(),
        file.concat()
    )
}

fn ok(request: &Message, more: &str, body: &str) -> String {
    let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", request.header(name)));
    let to = request.header("To").replace(";tag=bare", "");
    format!(
        "SIP/2.0 200 OK\r\n{}To: {to};tag=bare\r\n{more}Content-Length: {}\r\n\r\n{body}",
        copied.concat(),
        body.len()
    )
}
