//! The input is the value of a file selector (RFC 5547 §6): what is read of it is offered on, and then read alike.

use restante::model::Mint;
use restante::sdp::{
    Address, Description, Direction, FileOffer, LocalSession, OfferedStream, Terms, Wish, offer, read_offer,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=message 7001 TCP/MSRP *\r\n\
    a=accept-types:*\r\na=path:msrp://192.0.2.7:7001/p1;tcp\r\na=sendonly\r\na=file-selector:";

pub(crate) fn run(data: &[u8]) {
    let text = [HEAD.as_bytes(), data, b"\r\n"].concat();
    let Some(file) = Description::parse(&text).ok().and_then(|offered| pushed(&offered)) else { return };
    let terms = Terms {
        path: vec!["msrp://store.example.org:2855/s9Xk2vQ7;tcp".parse().expect("a URI")],
        accept_types: vec!["*".to_owned()],
        ..Terms::default()
    };
    let local = LocalSession::new(Address::Name("store.example.org".to_owned()), &mut Mint::from_number(1));
    let stream = OfferedStream { terms, direction: Direction::SendOnly, reachable: true, file: Some(file.clone()) };
    let ours = offer(&local, &[stream]);
    let Some(again) = Description::parse(&ours.to_bytes()).ok().and_then(|offered| pushed(&offered)) else { return };
    assert_eq!((&again.info.name, again.info.size), (&file.info.name, file.info.size), "{ours}");
    assert_eq!(again.info.media_type, file.info.media_type, "{ours}");
}

fn pushed(description: &Description) -> Option<FileOffer> {
    match &read_offer(description).first()?.wish {
        Wish::Push(file) => Some(file.clone()),
        _ => None,
    }
}
