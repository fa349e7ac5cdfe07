//! The input is chunks of one message, a line each: what stands in its Byte-Range, its flag, and how many octets it has
//! (`1-*/* + 9`). Beside the connection runs an account of the file that knows nothing of it.

use bytes::Bytes;
use restante::model::limits::HOLES_PER_MESSAGE;
use restante::model::{Machine as _, Mint, Now, Outbox, Ranges};
use restante::msrp::{AbortReason, Config, Connection, Input, MsrpUri, Output, SessionKey, SessionMatch, SessionSpec};

const STORE: &str = "msrp://store.example.org:2855/s9Xk2vQ7;tcp";
const PHONE: &str = "msrp://phone.example.net:7654/p4Jd8wLm;tcp";

/// Small enough to be accounted for octet by octet.
const MAX_SIZE: u64 = 4096;
/// More is no more of the same.
const CHUNKS: usize = 256;

pub(crate) fn run(data: &[u8]) {
    let mut file = File::new();
    for (number, line) in data.split(|octet| *octet == b'\n').take(CHUNKS).enumerate() {
        let mut words = line.rsplitn(3, |octet| *octet == b' ');
        let (count, flag, range) = (words.next(), words.next(), words.next());
        let count = count.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u8>().ok()).unwrap_or(4);
        let flag = flag.and_then(|text| text.first()).filter(|flag| b"+$#".contains(flag)).unwrap_or(&b'+');
        let range = range.unwrap_or(line);
        if range.contains(&b'\r') {
            continue; // another header, or none
        }
        file.chunk(number, range, *flag, count);
    }
}

/// A connection with an owner who takes everything, and what must have come of it.
struct File {
    connection: Connection,
    out: Outbox<Output>,
    /// Each octet that was written, and by which chunk.
    written: Vec<Option<u8>>,
    over: bool,
}

impl File {
    fn new() -> Self {
        let mut connection = Connection::new(Config::default(), Mint::from_number(1));
        let spec = SessionSpec {
            key: SessionKey(1),
            local: STORE.parse().expect("a URI"),
            remote_path: MsrpUri::parse_path(PHONE).expect("a path"),
            max_size: Some(MAX_SIZE),
            accept_types: vec!["*".to_owned()],
            receives: true,
            greet: false,
            relay: None,
            session_match: SessionMatch::Uri,
        };
        connection.handle(Now::default(), Input::Bind(spec), &mut Outbox::new());
        Self { connection, out: Outbox::new(), written: vec![None; MAX_SIZE as usize], over: false }
    }

    fn chunk(&mut self, number: usize, range: &[u8], flag: u8, count: u8) {
        let fill = b'a' + (number % 26) as u8;
        let head = format!(
            "MSRP ch{number:06} SEND\r\nTo-Path: {STORE}\r\nFrom-Path: {PHONE}\r\nMessage-ID: m0001\r\nByte-Range: "
        );
        let mut octets = [head.as_bytes(), range, b"\r\nContent-Type: text/plain\r\n\r\n"].concat();
        octets.resize(octets.len() + usize::from(count), fill);
        octets.extend_from_slice(format!("\r\n-------ch{number:06}{}\r\n", char::from(flag)).as_bytes());
        let start = start(range);
        let (mut answers, mut octets_written) = (0, 0);
        let mut inputs = vec![Input::Octets(Bytes::from(octets))];
        while let Some(input) = inputs.pop() {
            self.connection.handle(Now::default(), input, &mut self.out);
            for output in self.out.drain().collect::<Vec<_>>() {
                match output {
                    Output::Transmit(said) => {
                        answers += usize::from(said.starts_with(format!("MSRP ch{number:06} ").as_bytes()));
                        inputs.insert(0, Input::Sent(said.len()));
                    }
                    Output::Arrived { message, .. } => {
                        inputs.insert(0, Input::Receive { message, resume: Ranges::new(), limit: MAX_SIZE });
                    }
                    Output::Write { message, offset, octets } => {
                        assert_eq!(
                            Some(offset),
                            start.map(|start| start - 1 + octets_written),
                            "where the header says"
                        );
                        octets_written += octets.len() as u64;
                        self.write(offset, &octets);
                        inputs.insert(0, Input::Written { message, octets: octets.len() });
                    }
                    Output::Complete { message, total } => {
                        self.complete(total);
                        inputs.insert(0, Input::Committed { message });
                    }
                    Output::Aborted { ranges, why, .. } => {
                        assert!(ranges.pieces().len() <= HOLES_PER_MESSAGE + 1 && ranges.end() <= MAX_SIZE);
                        // Whoever gave up may come back, here to an owner who has kept nothing.
                        self.over = why != AbortReason::Sender;
                        self.written.fill(None);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(answers, 1, "each chunk has one answer: {}", String::from_utf8_lossy(range));
        assert!(octets_written <= u64::from(count), "no more is written than came");
    }

    fn write(&mut self, offset: u64, octets: &[u8]) {
        assert!(!self.over, "nothing is written of a message that is over");
        let end = offset.checked_add(octets.len() as u64).filter(|end| *end <= MAX_SIZE).expect("within its limit");
        for (place, octet) in self.written[offset as usize..end as usize].iter_mut().zip(octets) {
            *place = Some(*octet);
        }
    }

    fn complete(&mut self, total: u64) {
        let (file, rest) = self.written.split_at(total as usize);
        assert!(file.iter().all(Option::is_some), "a file with a hole is not whole");
        assert!(rest.iter().all(Option::is_none), "nothing lies beyond the end");
        self.over = true;
    }
}

/// RFC 4975 §9: the first octet's number; `None` if this is no Byte-Range of ours.
fn start(range: &[u8]) -> Option<u64> {
    let digits = range.split(|octet| *octet == b'-').next()?;
    std::str::from_utf8(digits).ok()?.trim().parse().ok().filter(|start| *start > 0)
}
