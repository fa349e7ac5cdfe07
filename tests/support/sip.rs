//! SIP by hand, over TCP or what runs over it: one call, its MSML in INFO, and what the server says in it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use super::PATIENCE;
use super::msrp::Octets;
use super::tape::Tape;

/// Calls of this process; makes ids that nobody else has.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// A request or response, taken apart as far as a test looks into it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    /// The status code; 0 for a request.
    pub(crate) fn status(&self) -> u16 {
        self.start.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
    }

    /// The first header of this name; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The value of an SDP attribute.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.body.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')).unwrap_or("")
    }

    /// The value that an MSML event gives to a variable.
    pub(crate) fn value(&self, name: &str) -> &str {
        let pair = format!("<name>{name}</name><value>");
        let rest = self.body.split_once(&pair).map_or("", |(_, rest)| rest);
        rest.split('<').next().unwrap_or_default()
    }

    /// Whether this is an INFO with the MSML event of this name.
    pub(crate) fn is_event(&self, name: &str) -> bool {
        self.start.starts_with("INFO ") && self.body.contains(&format!("<event name=\"{name}\""))
    }
}

/// One connection to the server.
pub(crate) struct Wire {
    stream: Box<dyn Octets>,
    tcp: TcpStream,
    unread: Vec<u8>,
    tape: Option<Tape>,
}

impl Wire {
    pub(crate) fn connect(server: SocketAddr, tape: Option<Tape>) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream.try_clone()?), tcp: stream, unread: Vec::new(), tape })
    }

    /// Something that runs over this TCP connection.
    pub(crate) fn over(tcp: TcpStream, stream: impl Octets + 'static) -> Self {
        Self { stream: Box::new(stream), tcp, unread: Vec::new(), tape: None }
    }

    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        if let Some(tape) = &self.tape {
            tape.sent(&self.tcp, text.as_bytes());
        }
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }

    pub(crate) fn read(&mut self) -> io::Result<Message> {
        loop {
            if let Some((message, octets)) = parse(&self.unread) {
                if let Some(tape) = &self.tape {
                    tape.received(&self.tcp, &self.unread[..octets]);
                }
                self.unread.drain(..octets);
                return Ok(message);
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&piece[..read]),
            }
        }
    }
}

fn parse(octets: &[u8]) -> Option<(Message, usize)> {
    let end = octets.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&octets[..end]);
    let mut lines = head.split("\r\n");
    let start = lines.next()?.to_owned();
    let split =
        |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let mut message = Message { start, headers: lines.filter_map(split).collect(), body: String::new() };
    let length: usize = message.header("Content-Length").parse().unwrap_or(0);
    let body = octets.get(end + 4..end + 4 + length)?;
    message.body = String::from_utf8_lossy(body).into_owned();
    Some((message, end + 4 + length))
}

/// One call, from its INVITE on.
pub(crate) struct Call {
    wire: Wire,
    local: SocketAddr,
    /// Its Call-ID.
    pub(crate) id: String,
    from: String,
    to: String,
    pub(crate) target: String,
    cseq: u32,
    /// What the server has asked meanwhile; each was answered with 200, unless `replies` has something else.
    asked: VecDeque<Message>,
    /// What the server's next INVITEs are answered with: a status, and a description or nothing.
    pub(crate) replies: VecDeque<(u16, String)>,
    /// Header lines of the next request.
    pub(crate) more: Vec<String>,
}

impl Call {
    /// Sends an INVITE and acknowledges whatever comes back.
    pub(crate) fn invite(server: SocketAddr, user: &str, offer: &str) -> io::Result<(Self, Message)> {
        Self::invite_on(Wire::connect(server, None)?, server, user, offer)
    }

    pub(crate) fn invite_on(wire: Wire, server: SocketAddr, user: &str, offer: &str) -> io::Result<(Self, Message)> {
        Self::invite_with(wire, server, user, ("application/sdp", offer))
    }

    /// As [`Call::invite_on`], with a body of any type.
    pub(crate) fn invite_with(
        wire: Wire,
        server: SocketAddr,
        user: &str,
        (kind, offer): (&str, &str),
    ) -> io::Result<(Self, Message)> {
        let (mut call, answer) = Self::begin_with(wire, format!("sip:{user}@{server}"), (kind, offer))?;
        call.acknowledge(&answer, "")?;
        Ok((call, answer))
    }

    /// Sends an INVITE and leaves its answer unacknowledged.
    pub(crate) fn begin(wire: Wire, server: SocketAddr, user: &str, offer: &str) -> io::Result<(Self, Message)> {
        Self::begin_with(wire, format!("sip:{user}@{server}"), ("application/sdp", offer))
    }

    /// As [`Call::begin`], with any Request-URI and a body of any type.
    pub(crate) fn begin_with(wire: Wire, uri: String, body: (&str, &str)) -> io::Result<(Self, Message)> {
        Self::begin_saying(wire, uri, body, Vec::new())
    }

    /// As [`Call::begin_with`], with more header lines.
    pub(crate) fn begin_saying(
        wire: Wire,
        uri: String,
        (kind, body): (&str, &str),
        more: Vec<String>,
    ) -> io::Result<(Self, Message)> {
        let local = wire.tcp.local_addr()?;
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let mut call = Self {
            wire,
            local,
            id: format!("{}-{}-{number}", std::process::id(), local.port()),
            from: "<sip:alice@phone.example.net>;tag=a1".to_owned(),
            to: format!("<{uri}>"),
            target: uri,
            cseq: 0,
            asked: VecDeque::new(),
            replies: VecDeque::new(),
            more,
        };
        let answer = call.request("INVITE", kind, body)?;
        call.to = answer.header("To").to_owned();
        if answer.status() == 200 {
            call.target = answer.header("Contact").split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        }
        Ok((call, answer))
    }

    /// Acknowledges the INVITE's answer; `body` is our own answer if that was an offer.
    pub(crate) fn acknowledge(&mut self, answer: &Message, body: &str) -> io::Result<()> {
        // RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction; that of a 200 is its own.
        let ack = self.text("ACK", if answer.status() == 200 { "ack" } else { "" }, "application/sdp", body);
        self.wire.send(&ack)
    }

    /// Offers the call anew.
    pub(crate) fn reinvite(&mut self, offer: &str) -> io::Result<Message> {
        let answer = self.request("INVITE", "application/sdp", offer)?;
        let ack = self.text("ACK", if answer.status() == 200 { "ack" } else { "" }, "application/sdp", "");
        self.wire.send(&ack)?;
        Ok(answer)
    }

    /// The server's next request of this method; others wait to be asked for.
    pub(crate) fn asked(&mut self, method: &str) -> io::Result<Message> {
        self.next_that(|message| message.start.split(' ').next() == Some(method))
    }

    /// The connection's name in MSML: the server's tag.
    pub(crate) fn conn(&self) -> &str {
        self.to.split_once("tag=").map_or("", |(_, tag)| tag)
    }

    /// Sends MSML.
    pub(crate) fn msml(&mut self, document: &str) -> io::Result<Message> {
        self.request("INFO", "application/msml+xml", document)
    }

    /// `<dialogstart>` with this content on this connection.
    pub(crate) fn start(&mut self, content: &str) -> io::Result<Message> {
        let document = dialogstart(self.conn(), content);
        self.msml(&document)
    }

    pub(crate) fn bye(&mut self) -> io::Result<Message> {
        self.request("BYE", "", "")
    }

    /// The next event of this name; others wait to be asked for.
    pub(crate) fn event(&mut self, name: &str) -> io::Result<Message> {
        self.next_that(|message| message.is_event(name))
    }

    fn next_that(&mut self, fits: impl Fn(&Message) -> bool) -> io::Result<Message> {
        loop {
            if let Some(at) = self.asked.iter().position(&fits) {
                return Ok(self.asked.remove(at).expect("it was found there"));
            }
            let message = self.next_request()?;
            self.asked.push_back(message);
        }
    }

    /// The next request of any kind; it is answered with 200.
    pub(crate) fn next_request(&mut self) -> io::Result<Message> {
        loop {
            let message = self.wire.read()?;
            if message.status() == 0 {
                self.answer(&message)?;
                return Ok(message);
            }
        }
    }

    /// Sends a request and waits for its final answer.
    pub(crate) fn request(&mut self, method: &str, kind: &str, body: &str) -> io::Result<Message> {
        self.cseq += 1;
        let text = self.text(method, "", kind, body);
        self.more.clear();
        self.wire.send(&text)?;
        let cseq = format!("{} {method}", self.cseq);
        loop {
            let message = self.wire.read()?;
            if message.status() == 0 {
                self.answer(&message)?;
                self.asked.push_back(message);
            } else if message.status() >= 200 && message.header("CSeq") == cseq {
                return Ok(message);
            }
        }
    }

    fn text(&self, method: &str, branch: &str, kind: &str, body: &str) -> String {
        let Self { local, id, from, to, target, cseq, .. } = self;
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bK{id}-{cseq}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{local};transport=tcp>\r\n"
        );
        self.more.iter().for_each(|line| text += &format!("{line}\r\n"));
        if !body.is_empty() {
            text += &format!("Content-Type: {kind}\r\n");
        }
        text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn answer(&mut self, request: &Message) -> io::Result<()> {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        let copy = |(name, value): &(String, String)| {
            copied.iter().any(|known| name.eq_ignore_ascii_case(known)).then(|| format!("{name}: {value}\r\n"))
        };
        let headers: String = request.headers.iter().filter_map(copy).collect();
        let (method, contact) = (request.start.split(' ').next(), format!("<sip:alice@{};transport=tcp>", self.local));
        let (status, body) = match method {
            Some("ACK") => return Ok(()),
            Some("INVITE") => self.replies.pop_front().unwrap_or((200, String::new())),
            _ => (200, String::new()),
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.wire.send(&format!(
            "SIP/2.0 {status} Answer\r\n{headers}Contact: {contact}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

/// A document that starts a dialog with this content.
pub(crate) fn dialogstart(conn: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><msml version=\"1.1\"><dialogstart target=\"conn:{conn}\" \
         type=\"application/moml+xml\" name=\"d\">{content}</dialogstart></msml>"
    )
}

/// A session description of one message stream; `lines` go under its `m=`.
pub(crate) fn description(session: &str, lines: &[&str]) -> String {
    format!("{HEAD}{}", media(session, lines))
}

/// What every description begins with.
pub(crate) const HEAD: &str = "v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";

/// One message stream.
pub(crate) fn media(session: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "m=message 9 TCP/MSRP *\r\n\
         a=setup:active\r\na=accept-types:*\r\na=path:msrp://127.0.0.1:9/{session};tcp\r\n{lines}"
    )
}
