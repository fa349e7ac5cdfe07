//! A recording of what went over the wire, one message a segment, as a capture file.
//!
//! Recorded where it is sent and parsed, so it needs no right to capture, loses nothing, and holds one MSRP frame a
//! segment: a dissector shows only the first frame of a segment that has several.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

struct Segment {
    from: SocketAddrV4,
    to: SocketAddrV4,
    octets: Vec<u8>,
}

/// Everything that was said, in order. Its clones write on the same tape.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Vec<Segment>>>);

impl Tape {
    pub(crate) fn sent(&self, stream: &TcpStream, octets: &[u8]) {
        let (from, to) = ends(stream);
        self.0.lock().expect("nobody panicked").push(Segment { from, to, octets: octets.to_owned() });
    }

    pub(crate) fn received(&self, stream: &TcpStream, octets: &[u8]) {
        let (to, from) = ends(stream);
        self.0.lock().expect("nobody panicked").push(Segment { from, to, octets: octets.to_owned() });
    }

    /// How many messages began in which way: `SIP INVITE`, `SIP/2.0 200`, `MSRP SEND`, `MSRP/ 200`.
    pub(crate) fn starts(&self) -> BTreeMap<String, usize> {
        let mut starts = BTreeMap::new();
        for segment in &*self.0.lock().expect("nobody panicked") {
            let text = String::from_utf8_lossy(&segment.octets);
            let words: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
            let start = match words[..] {
                ["SIP/2.0", status, ..] => format!("SIP/2.0 {status}"),
                ["MSRP", _, what, ..] if what.starts_with(|first: char| first.is_ascii_digit()) => {
                    format!("MSRP/ {what}")
                }
                ["MSRP", _, what] => format!("MSRP {what}"),
                [method, _, "SIP/2.0"] => format!("SIP {method}"),
                _ => panic!("neither SIP nor MSRP: {text}"),
            };
            *starts.entry(start).or_default() += 1;
        }
        starts
    }

    /// Writes a pcap file of Ethernet frames, one a segment.
    pub(crate) fn save(&self, path: &Path) {
        // Magic, version 2.4, time zone, accuracy, snapshot length, link type 1 (Ethernet).
        let mut file: Vec<u8> = Vec::new();
        for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 1] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        let mut sequence: HashMap<(SocketAddrV4, SocketAddrV4), u32> = HashMap::new();
        for (number, segment) in self.0.lock().expect("nobody panicked").iter().enumerate() {
            let acknowledged = *sequence.entry((segment.to, segment.from)).or_insert(1);
            let sequence = sequence.entry((segment.from, segment.to)).or_insert(1);
            let packet = packet(segment, *sequence, acknowledged);
            *sequence += segment.octets.len() as u32;
            let millis = number as u32;
            for word in [millis / 1000, millis % 1000 * 1000, packet.len() as u32, packet.len() as u32] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(&packet);
        }
        std::fs::write(path, file).expect("a capture file");
    }
}

fn ends(stream: &TcpStream) -> (SocketAddrV4, SocketAddrV4) {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(SocketAddr::V4(local)), Ok(SocketAddr::V4(peer))) => (local, peer),
        other => panic!("not an IPv4 connection: {other:?}"),
    }
}

/// Ethernet, IPv4 and TCP headers with checksums of zero, and the octets.
fn packet(segment: &Segment, sequence: u32, acknowledged: u32) -> Vec<u8> {
    let mut packet = vec![0; 12];
    packet.extend_from_slice(&[0x08, 0x00, 0x45, 0x00]);
    packet.extend_from_slice(&((segment.octets.len() + 40) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend_from_slice(&segment.from.ip().octets());
    packet.extend_from_slice(&segment.to.ip().octets());
    packet.extend_from_slice(&segment.from.port().to_be_bytes());
    packet.extend_from_slice(&segment.to.port().to_be_bytes());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&acknowledged.to_be_bytes());
    // Header of five words; PSH and ACK.
    packet.extend_from_slice(&[0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
    packet.extend_from_slice(&segment.octets);
    packet
}
