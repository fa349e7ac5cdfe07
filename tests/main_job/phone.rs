//! A phone in a few lines: SIP over UDP written by hand, so that a test decides what is said when.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::PATIENCE;

/// Its session, in SDP and in From-Path.
pub(crate) const PATH: &str = "msrp://127.0.0.1:9/phone1234567890abcdef;tcp";

pub(crate) struct Phone {
    socket: UdpSocket,
    server: SocketAddr,
    uri: String,
    call_id: String,
    tag: String,
}

impl Phone {
    pub(crate) async fn new(server: SocketAddr, user: &str, call_id: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("sip:{user}@{server}");
        Self { socket, server, uri, call_id: call_id.to_owned(), tag: String::new() }
    }

    /// INVITE with one message stream and these lines about it; the 200.
    pub(crate) async fn invite(&mut self, lines: &str) -> String {
        self.invite_to(PATH, "active", lines).await
    }

    /// The same with a path of its own, and its own say on who connects.
    pub(crate) async fn invite_to(&mut self, path: &str, setup: &str, lines: &str) -> String {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n\
             a=accept-types:*\r\na=setup:{setup}\r\na=path:{path}\r\n{lines}"
        );
        let length = sdp.len();
        let head = self.head("INVITE", "one");
        self.send(&format!("{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}")).await;
        let answer = self.next(|text| text.starts_with("SIP/2.0 200")).await;
        let to = answer.lines().find_map(|line| line.strip_prefix("To: ")?.split_once(";tag="));
        self.tag = to.expect("a tag").1.to_owned();
        answer
    }

    pub(crate) async fn ack(&self) {
        self.send(&format!("{}Content-Length: 0\r\n\r\n", self.head("ACK", "two"))).await;
    }

    /// Our dialog's tag at the server: MSML's connection id.
    pub(crate) fn conn(&self) -> &str {
        &self.tag
    }

    /// The next message that `fits`.
    pub(crate) async fn next(&self, fits: impl Fn(&str) -> bool) -> String {
        let mut buffer = vec![0; 65_536];
        loop {
            let read = timeout(PATIENCE, self.socket.recv(&mut buffer)).await.expect("in time").expect("received");
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if fits(&text) {
                return text;
            }
        }
    }

    fn head(&self, method: &str, branch: &str) -> String {
        let ours = self.socket.local_addr().expect("an address");
        let to = if self.tag.is_empty() { String::new() } else { format!(";tag={}", self.tag) };
        let (uri, call_id) = (&self.uri, &self.call_id);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bK{call_id}{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:chat@127.0.0.1>;tag=phone\r\nTo: <{uri}>{to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:chat@{ours}>\r\n"
        )
    }

    async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.server).await.expect("sent");
    }
}
