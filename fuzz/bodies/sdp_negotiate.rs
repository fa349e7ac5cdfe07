//! The input chooses an offer piece by piece and what we make of it; the answer has to fit, on whichever side it is read.

use restante::model::Mint;
use restante::model::limits::SDP_OCTETS;
use restante::sdp::{
    Address, Description, Direction, LocalSession, LocalStream, Names, Role, Route, StreamOffer, Terms, Verdict, Wish,
    answer, read_answer, read_offer, reoffer, route_offer,
};

/// One octet decides one choice; when none are left, every choice is the first.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn of<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[usize::from(self.octet()) % list.len()]
    }

    fn yes(&mut self) -> bool {
        self.octet() % 2 == 1
    }
}

const KINDS: [&str; 4] = ["message", "MESSAGE", "audio", "application"];
const PORTS: [&str; 5] = ["7001", "9", "0", "7001/2", "65535"];
const PROTOCOLS: [&str; 4] = ["TCP/MSRP", "tcp/msrp", "RTP/AVP", "UDP/MSRP"];
const PATHS: [&str; 6] = [
    "a=path:msrp://192.0.2.7:7001/p1;tcp",
    "a=path:msrp://[2001:db8::7]:7001/p1;tcp",
    "a=path:msrp://relay.example.net:2855/r1;tcp msrp://192.0.2.7:7001/p1;tcp",
    "a=path:msrp://phone.example.net:9/p1;tcp",
    "a=path:msrp://192.0.2.7/p1;tcp",
    "a=x",
];
const SETUPS: [&str; 7] =
    ["a=x", "a=setup:active", "a=setup:passive", "a=setup:actpass", "a=setup:holdconn", "a=setup:ActPass", "a=setup:"];
const WAYS: [&str; 6] = ["a=x", "a=sendonly", "a=recvonly", "a=inactive", "a=sendrecv", "a=SendOnly"];
const TYPES: [&str; 3] = ["a=accept-types:*", "a=accept-types:text/plain image/*", "a=x"];
const FILES: [&str; 5] = [
    "a=x",
    "a=file-selector:name:\"a b\" size:12",
    "a=file-selector",
    "a=file-selector:size:x",
    "a=file-selector:hash:sha-1:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13",
];
const RANGES: [&str; 4] = ["a=x", "a=file-range:1-*", "a=file-range:5-12", "a=file-range:9-1"];
const HOSTS: [&str; 4] = ["IN IP4 192.0.2.7", "IN IP4 203.0.113.5", "IN IP6 2001:db8::7", "IN IP4 phone.example.net"];

fn line(choices: &mut Choices<'_>) -> String {
    let first = format!("m={} {} {} *", choices.of(&KINDS), choices.of(&PORTS), choices.of(&PROTOCOLS));
    let connection = if choices.yes() { format!("c={}\r\n", choices.of(&HOSTS)) } else { String::new() };
    let attributes = [&PATHS[..], &TYPES, &SETUPS, &WAYS, &FILES, &RANGES, &["a=x", "a=file-transfer-id:t1"]]
        .map(|list| format!("{}\r\n", choices.of(list)));
    let cema = if choices.yes() { "a=msrp-cema\r\n" } else { "" };
    format!("{first}\r\n{connection}{}{cema}", attributes.concat())
}

fn offer(choices: &mut Choices<'_>) -> String {
    let head = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc={}\r\nt=0 0\r\n{}\r\n",
        choices.of(&HOSTS),
        choices.of(&WAYS)
    );
    let lines = usize::from(choices.octet()) % 5;
    (0..lines).fold(head, |text, _| text + &line(choices))
}

fn verdict(choices: &mut Choices<'_>, stream: &StreamOffer) -> Verdict {
    if choices.octet() % 4 == 3 {
        return Verdict::Reject;
    }
    let ways = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let direction = ways[usize::from(choices.octet()) % ways.len()];
    let role = if choices.yes() { Role::Active } else { stream.role };
    let terms = Terms {
        path: vec!["msrp://store.example.org:2855/s9Xk2vQ7;tcp".parse().expect("a URI")],
        accept_types: vec!["*".to_owned()],
        cema: stream.route != Route::Path,
        ..Terms::default()
    };
    let file = match &stream.wish {
        Wish::Pull(file) if choices.yes() => Some(file.clone()),
        _ => None,
    };
    Verdict::Accept(LocalStream { terms, direction, role, file })
}

pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices(data);
    let text = offer(&mut choices);
    let Ok(offered) = Description::parse(text.as_bytes()) else { return };
    let mut streams = read_offer(&offered);
    if choices.yes() {
        route_offer(&offered, &mut streams, choices.yes(), &Names::default());
    }
    let verdicts: Vec<Verdict> = streams.iter().map(|stream| verdict(&mut choices, stream)).collect();
    let local = LocalSession::new(Address::Name("store.example.org".to_owned()), &mut Mint::from_number(1));
    let answered = answer(&offered, &verdicts, &local);
    assert!(answered.to_bytes().len() <= SDP_OCTETS);
    let again = Description::parse(&answered.to_bytes()).expect("our answer can be read");
    assert_eq!(again, answered, "our answer is read as it was meant");

    // RFC 3264 §6: line for line, port 0 for what is refused and for nothing else.
    assert_eq!(answered.media.len(), offered.media.len(), "{text}{answered}");
    for ((stream, verdict), (ours, theirs)) in
        streams.iter().zip(&verdicts).zip(answered.media.iter().zip(&offered.media))
    {
        assert!(!theirs.is_closed() || ours.is_closed(), "a closed line stays closed: {text}{answered}");
        assert!(*verdict != Verdict::Reject || ours.is_closed(), "{text}{answered}");
        assert!(ours.attribute("msrp-cema").is_none() || theirs.attribute("msrp-cema").is_some(), "{text}{answered}");
        assert!(matches!(stream.wish, Wish::Unsupported(_)) || (ours.kind == "message" || ours.is_closed()));
    }

    // The offerer reads the same agreement, from the other end.
    let agreed = read_answer(&offered, &answered).expect("our answer is one to that offer");
    for (ours, theirs) in answered.media.iter().zip(&agreed) {
        assert_eq!(ours.is_closed(), theirs.is_none(), "{text}{answered}");
        let Some(theirs) = theirs else { continue };
        let active = ours.value("setup") == Some("active");
        assert_eq!(active, theirs.role == Role::Passive, "one side connects: {text}{answered}");
        let way = Direction::read(&ours.attributes, &answered.attributes);
        let mirrored = Direction::new(way.receives(), way.sends());
        assert_eq!(theirs.direction, mirrored, "what one sends the other receives: {text}{answered}");
    }

    // RFC 3264 §8: the next offer has every line of ours.
    let next = reoffer(&answered, &[0], None);
    assert_eq!(next.media.len(), answered.media.len());
    assert!(next.origin.version >= answered.origin.version);
    assert!(next.media.iter().all(|media| media.value("setup") != Some("passive")), "no offer is passive");
}
