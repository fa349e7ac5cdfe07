//! The input is an SDP body: read as an offer and answered, offered on, and read as the answer to an offer of ours.

use restante::model::Mint;
use restante::model::limits::{SDP_MEDIA, SDP_OCTETS};
use restante::sdp::{
    Address, Description, Direction, FileOffer, LocalSession, LocalStream, OfferedStream, Role, StreamOffer, Terms,
    Verdict, Wish, answer, is_control, offer, read_answer, read_offer, reoffer,
};

pub(crate) fn run(data: &[u8]) {
    let Ok(offered) = Description::parse(data) else { return };
    assert!(data.len() <= SDP_OCTETS && offered.media.len() <= SDP_MEDIA);
    // Ours is a little longer than theirs may be (s=-, CRLF), so only what fits has to be read again.
    if offered.to_bytes().len() <= SDP_OCTETS {
        let again = Description::parse(&offered.to_bytes()).expect("what is printed can be read");
        assert_eq!(again.to_bytes(), offered.to_bytes(), "printing and reading changes nothing");
    }
    let local = LocalSession::new(Address::Name("store.example.org".to_owned()), &mut Mint::from_number(1));
    let streams = read_offer(&offered);
    assert_eq!(streams.len(), offered.media.len());
    assert_eq!(is_control(&offered), streams.is_empty());
    let accept: Vec<Verdict> = streams.iter().map(accepted).collect();
    for verdicts in [&accept[..], &[], &accept[..accept.len() / 2]] {
        check_answer(&offered, &streams, &answer(&offered, verdicts, &local));
    }
    for file in streams.iter().filter_map(|stream| file(&stream.wish)) {
        offered_on(file, &local, &offered);
    }
    offered_on(&FileOffer::default(), &local, &offered);
}

fn terms() -> Terms {
    Terms {
        path: vec!["msrp://store.example.org:2855/s9Xk2vQ7;tcp".parse().expect("a URI")],
        accept_types: vec!["*".to_owned()],
        ..Terms::default()
    }
}

const fn file(wish: &Wish) -> Option<&FileOffer> {
    match wish {
        Wish::Push(file) | Wish::Pull(file) => Some(file),
        Wish::Session(_) | Wish::Unsupported(_) => None,
    }
}

fn accepted(stream: &StreamOffer) -> Verdict {
    let file = file(&stream.wish).cloned();
    Verdict::Accept(LocalStream { terms: terms(), direction: Direction::SendRecv, role: stream.role, file })
}

/// RFC 3264 §6: line for line, and never more than was offered.
fn check_answer(offered: &Description, streams: &[StreamOffer], answered: &Description) {
    assert_eq!(answered.media.len(), offered.media.len());
    assert_eq!(answered.times, offered.times);
    for ((answer, offer), stream) in answered.media.iter().zip(&offered.media).zip(streams) {
        assert!(answer.kind.eq_ignore_ascii_case(&offer.kind) && answer.protocol.eq_ignore_ascii_case(&offer.protocol));
        assert!(answer.is_closed() || !offer.is_closed(), "a closed line stays closed");
        assert!(answer.is_closed() || !matches!(stream.wish, Wish::Unsupported(_)));
        let (ours, theirs) =
            (Direction::read(&answer.attributes, &[]), Direction::read(&offer.attributes, &offered.attributes));
        assert!(answer.is_closed() || ours == ours.facing(theirs), "{ours:?} to {theirs:?}");
    }
    if answered.to_bytes().len() <= SDP_OCTETS {
        let again = Description::parse(&answered.to_bytes()).expect("our answer can be read");
        assert_eq!(&again, answered, "our answer is read as it was meant");
    }
    // What the peer would say to its own offer must not upset us either.
    let _ = read_answer(offered, answered);
}

/// A file that a peer described is offered to the next one; the input is that one's answer.
fn offered_on(file: &FileOffer, local: &LocalSession, input: &Description) {
    let stream =
        OfferedStream { terms: terms(), direction: Direction::SendOnly, reachable: true, file: Some(file.clone()) };
    let ours = offer(local, &[stream]);
    if ours.to_bytes().len() <= SDP_OCTETS {
        let again = Description::parse(&ours.to_bytes()).expect("our offer can be read");
        assert_eq!(again, ours, "our offer is read as it was meant");
    }
    if let Ok(agreed) = read_answer(&ours, input) {
        assert_eq!(agreed.len(), 1);
        assert!(agreed.iter().flatten().all(|stream| matches!(stream.role, Role::Active | Role::Passive)));
    }
    let next = reoffer(&ours, &[0], None);
    assert_eq!(next.media.len(), ours.media.len(), "no line ever goes away");
}
