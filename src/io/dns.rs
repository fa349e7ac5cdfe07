//! DNS queries for the records that the system's resolver does not look up. It keeps nothing: the name server does.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::model::Mint;
use crate::sip::{Naptr, Srv};

/// How long a name server has for one answer; then the next is asked, and each twice.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Name servers that are asked; who has more has enough that do not answer.
const SERVERS_MAX: usize = 3;

/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 32;

/// Octets of a datagram without EDNS (RFC 1035 §4.2.1), and some to spare.
const DATAGRAM_OCTETS: usize = 4096;

/// Where to ask.
#[derive(Clone, Debug)]
pub(super) struct Dns {
    servers: Vec<SocketAddr>,
}

impl Dns {
    /// These name servers, or those of the system.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        let mut servers = if servers.is_empty() { of_system() } else { servers };
        servers.truncate(SERVERS_MAX);
        Self { servers }
    }

    pub(super) async fn naptr(&self, name: &str, mint: &mut Mint) -> Vec<Naptr> {
        let read = |data: &RData<'_>| match data {
            RData::NAPTR(record) => Some(Naptr {
                order: record.order,
                preference: record.preference,
                flags: record.flags.to_string(),
                service: record.services.to_string(),
                replacement: record.replacement.to_string(),
            }),
            _ => None,
        };
        self.ask(name, TYPE::NAPTR, mint, read).await
    }

    pub(super) async fn srv(&self, name: &str, mint: &mut Mint) -> Vec<Srv> {
        let read = |data: &RData<'_>| match data {
            RData::SRV(record) => Some(Srv {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                host: record.target.to_string(),
            }),
            _ => None,
        };
        self.ask(name, TYPE::SRV, mint, read).await
    }

    /// The records of a name; none if there are none, or nobody says.
    async fn ask<R>(&self, name: &str, kind: TYPE, mint: &mut Mint, read: impl Fn(&RData<'_>) -> Option<R>) -> Vec<R> {
        for server in self.servers.iter().chain(&self.servers) {
            let Some((id, query)) = query(name, kind, mint) else { return Vec::new() };
            match tokio::time::timeout(PATIENCE, answer(*server, id, &query)).await {
                Ok(Ok(octets)) => {
                    let packet = Packet::parse(&octets);
                    let answers = packet.iter().flat_map(|packet| &packet.answers).take(RECORDS_MAX);
                    return answers.filter_map(|record| read(&record.rdata)).collect();
                }
                failed => tracing::debug!(%server, name, ?kind, ?failed, "the name server does not answer"),
            }
        }
        Vec::new()
    }
}

fn query(name: &str, kind: TYPE, mint: &mut Mint) -> Option<(u16, Vec<u8>)> {
    let id = (mint.number() & 0xFFFF) as u16;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).ok()?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), CLASS::IN.into(), false));
    Some((id, packet.build_bytes_vec().ok()?))
}

/// Asks by datagram, and by TCP if the answer does not fit into one (RFC 7766).
async fn answer(server: SocketAddr, id: u16, query: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?; // the kernel drops what others send
    socket.send(query).await?;
    let mut octets = vec![0; DATAGRAM_OCTETS];
    loop {
        let length = socket.recv(&mut octets).await?;
        let answer = &octets[..length];
        let is_ours = simple_dns::header_buffer::id(answer) == Ok(id)
            && simple_dns::header_buffer::has_flags(answer, PacketFlag::RESPONSE) == Ok(true);
        if !is_ours {
            continue;
        }
        if simple_dns::header_buffer::has_flags(answer, PacketFlag::TRUNCATION) != Ok(true) {
            octets.truncate(length);
            return Ok(octets);
        }
        return by_tcp(server, query).await;
    }
}

async fn by_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut octets = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

/// The `nameserver` lines of the system's own file.
fn of_system() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
    };
    text.lines().filter_map(named).collect()
}
