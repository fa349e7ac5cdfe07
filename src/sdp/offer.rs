//! The offerer: what we ask for, and what a peer's answer leaves of it (RFC 3264 §5, §7, §8, 5547 §8.2).

use super::answer::check_line;
use super::description::{Attribute, Description, LocalSession, Media};
use super::error::{SdpError, Unsupported};
use super::file::{FileOffer, SELECTOR};
use super::msrp::{Direction, Role, Route, Setup, Terms, media_line};
use crate::msrp::Carrier;

/// One stream we offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedStream {
    /// Our path and what we take.
    pub terms: Terms,
    /// `SendOnly` with a file is a push, `RecvOnly` with one a pull.
    pub direction: Direction,
    /// Whether the peer can connect to our path. If not, we are `active`, else `actpass` (RFC 6135 §4.2.2).
    pub reachable: bool,
    /// The file, with a transfer id never used before in this session (RFC 5547 §8.1).
    pub file: Option<FileOffer>,
}

impl OfferedStream {
    fn line(&self) -> Media {
        let setup = if self.reachable { Setup::ActPass } else { Setup::Active };
        let mut line = media_line(&self.terms, self.direction, setup);
        match &self.file {
            Some(file) if self.direction.sends() => line.attributes.extend(file.print_push()),
            Some(file) => line.attributes.extend(file.print_pull()),
            None => {}
        }
        line
    }
}

/// An offer of these streams; of none for a control dialog.
pub fn offer(local: &LocalSession, streams: &[OfferedStream]) -> Description {
    local.describe(vec![(0, 0)], streams.iter().map(OfferedStream::line).collect())
}

/// What OPTIONS is answered with (RFC 3264 §9, 5547 §8.5). `local` must be a fresh session; of the terms the path is
/// not told.
pub fn capabilities(local: &LocalSession, terms: &Terms) -> Description {
    let protocol = terms.protocol().to_owned();
    let terms = Terms { path: Vec::new(), fingerprints: Vec::new(), ..terms.clone() };
    let mut attributes = terms.print();
    attributes.push(Attribute::flag(SELECTOR));
    let media = Media {
        kind: "message".to_owned(),
        port: 0,
        ports: None,
        protocol,
        formats: "*".to_owned(),
        connection: None,
        attributes,
    };
    local.describe(vec![(0, 0)], vec![media])
}

/// The next offer of a session: `previous` is what we said last, as offerer or answerer.
///
/// The lines of `finished`, to which those belong that the peer has refused, get port 0 and keep their file's selector and id (RFC 5547 §8.1, §8.4). The `added` stream
/// takes the first line with port 0, else a new one at the end (RFC 3264 §8.1); its index is where its path is.
/// Without change the version stays, as for a session refresh.
pub fn reoffer(previous: &Description, finished: &[usize], added: Option<&OfferedStream>) -> Description {
    let mut next = previous.clone();
    for (index, media) in next.media.iter_mut().enumerate() {
        if finished.contains(&index) {
            *media = closed(media);
        }
        unpassive(media);
    }
    if let Some(line) = added.map(OfferedStream::line) {
        match next.media.iter_mut().find(|media| media.is_closed()) {
            Some(slot) => *slot = line,
            None => next.media.push(line),
        }
    }
    next.succeeding(previous)
}

/// RFC 5547 §8.4: an offer that closes a stream still is an offer of that stream, so only its port changes.
fn closed(media: &Media) -> Media {
    Media { port: 0, ..media.clone() }
}

/// RFC 6135 §4.2.2: no offer is `passive`, though our answer was.
fn unpassive(media: &mut Media) {
    for attribute in &mut media.attributes {
        if attribute.name == "setup" && attribute.value.as_deref() == Some(Setup::Passive.name()) {
            attribute.value = Some(Setup::ActPass.name().to_owned());
        }
    }
}

/// One stream both sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedStream {
    /// Which `m=` line, from 0.
    pub index: usize,
    /// What the peer says of itself: where it is and what it takes.
    pub terms: Terms,
    /// What we may do.
    pub direction: Direction,
    /// What we do about the connection.
    pub role: Role,
    /// Where it goes if we make it; [`route_answer`](super::cema::route_answer) may say otherwise than the path.
    pub route: Route,
    /// The file as the answer describes it; `None` if the peer speaks RFC 4975 alone.
    pub file: Option<FileOffer>,
}

/// Reads the answer to our offer: for each of our lines the agreed stream, or `None` if it is refused or closed.
///
/// # Errors
/// [`SdpError::MediaCount`] or [`SdpError::Stream`]: there is no agreement at all.
pub fn read_answer(offer: &Description, answer: &Description) -> Result<Vec<Option<AgreedStream>>, SdpError> {
    let (offered, answered) = (offer.media.len(), answer.media.len());
    if offered != answered {
        return Err(SdpError::MediaCount { offered, answered });
    }
    let pairs = offer.media.iter().zip(&answer.media).enumerate();
    pairs
        .map(|(index, (ours, theirs))| {
            if ours.is_closed() || theirs.is_closed() {
                return Ok(None);
            }
            if !ours.protocol.eq_ignore_ascii_case(&theirs.protocol) {
                return Err(SdpError::Stream { index, why: Unsupported::Protocol }); // RFC 3264 §6
            }
            let terms = check_line(theirs, &answer.attributes).map_err(|why| SdpError::Stream { index, why })?;
            let role = match terms.path.first().and_then(Carrier::of) {
                // RFC 7977 §5.1: only a WebSocket's client can open it, whatever the answer says.
                Some(carrier) if carrier.is_websocket() => Role::Passive,
                _ => role(Setup::read(ours), Setup::read(theirs)),
            };
            let wanted = Direction::read(&ours.attributes, &offer.attributes);
            let granted = Direction::read(&theirs.attributes, &answer.attributes);
            Ok(Some(AgreedStream {
                index,
                terms,
                direction: wanted.facing(granted), // an answer `sendrecv` to `sendonly` happens (F2)
                role,
                route: Route::Path,
                // The transfer can go on without the answer's file attributes (RFC 5547 §4), so also without bad ones.
                file: FileOffer::read(theirs).ok().flatten(),
            }))
        })
        .collect()
}

/// RFC 6135 §4.2.2, §5: who answers nothing has never heard of it and waits. `actpass` is no answer but is given (F3):
/// that peer waits too.
const fn role(offered: Option<Setup>, answered: Option<Setup>) -> Role {
    match (offered, answered) {
        (Some(Setup::Active), _) => Role::Active,
        (_, Some(Setup::Active)) => Role::Passive,
        (_, Some(Setup::Passive | Setup::ActPass) | None) => Role::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileInfo;

    fn local() -> LocalSession {
        LocalSession { address: "192.0.2.7".parse().expect("an address"), session_id: 4, version: 1 }
    }

    fn stream(session_id: &str, direction: Direction) -> OfferedStream {
        let path = vec![format!("msrp://192.0.2.7:2855/{session_id};tcp").parse().expect("a URI")];
        let terms = Terms { path, accept_types: vec!["*".to_owned()], ..Terms::default() };
        let transfer_id = Some(format!("id-of-{session_id}"));
        let info = FileInfo { size: Some(7), transfer_id, ..FileInfo::default() };
        OfferedStream { terms, direction, reachable: true, file: Some(FileOffer { info, ..FileOffer::default() }) }
    }

    /// An answer of the peer with this media section.
    fn answered(media: &str) -> Description {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
        Description::parse(format!("{head}{media}").as_bytes()).expect("a description")
    }

    const TAKEN: &str =
        "m=message 2855 TCP/MSRP *\r\na=accept-types:text/plain\r\na=path:msrp://192.0.2.9:2855/p1;tcp\r\n";

    // M6135-4.2.2-03 M6135-4.2.2-04 M6135-4.2.2-05 M6135-4.4-01 M6135-4.2.1-03
    #[test]
    fn who_cannot_be_reached_offers_to_connect() {
        let reachable = offer(&local(), &[stream("s1", Direction::SendOnly)]).to_string();
        assert!(reachable.contains("m=message 2855 TCP/MSRP *") && reachable.contains("a=setup:actpass\r\n"));
        let hidden = OfferedStream { reachable: false, ..stream("s1", Direction::SendOnly) };
        let hidden = offer(&local(), &[hidden]).to_string();
        assert!(hidden.contains("m=message 9 TCP/MSRP *") && hidden.contains("a=setup:active\r\n"));
        assert!(!hidden.contains("a=connection"));
    }

    #[test]
    fn an_offer_of_nothing_is_a_control_dialog() {
        let text = "v=0\r\no=- 4 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n";
        assert_eq!(offer(&local(), &[]).to_string(), text);
        assert!(super::super::is_control(&Description::parse(text.as_bytes()).expect("a description")));
    }

    // M4975-5.4-02 M4975-5.4-03 M6135-5-01 M6135-4.2.2-09 M4145-4.1-02
    #[test]
    fn the_answer_says_who_connects() {
        for (reachable, setup, role) in [
            (true, "", Role::Active),
            (true, "a=setup:holdconn\r\n", Role::Active),
            (true, "a=setup:passive\r\n", Role::Active),
            (true, "a=setup:actpass\r\n", Role::Active), // F3
            (true, "a=setup:active\r\n", Role::Passive),
            (false, "a=setup:passive\r\n", Role::Active),
            (false, "a=setup:active\r\n", Role::Active),
        ] {
            let ours = offer(&local(), &[OfferedStream { reachable, ..stream("s1", Direction::SendOnly) }]);
            let agreed = read_answer(&ours, &answered(&format!("{TAKEN}{setup}"))).expect("an answer");
            assert_eq!(agreed[0].as_ref().map(|stream| stream.role), Some(role), "{setup}");
        }
    }

    // M5547-4-02 M5547-8.2.1-05
    #[test]
    fn a_peer_that_knows_no_file_transfer_takes_the_file_all_the_same() {
        let ours = offer(&local(), &[stream("s1", Direction::SendOnly)]);
        let agreed = read_answer(&ours, &answered(TAKEN)).expect("an answer");
        let agreed = agreed[0].as_ref().expect("an accepted stream");
        assert_eq!((agreed.direction, &agreed.file), (Direction::SendOnly, &None)); // F2: it answers sendrecv
        assert!(agreed.terms.accept("text/plain") && !agreed.terms.accept("image/png"));
        assert_eq!(agreed.terms.path[0].to_string(), "msrp://192.0.2.9:2855/p1;tcp");
    }

    // M3264-6-02 M3264-6-05
    #[test]
    fn an_answer_that_is_none_to_our_offer_is_an_error_and_port_0_is_a_refusal() {
        let ours = offer(&local(), &[stream("s1", Direction::SendOnly), stream("s2", Direction::SendOnly)]);
        let short = read_answer(&ours, &answered(TAKEN));
        assert_eq!(short, Err(SdpError::MediaCount { offered: 2, answered: 1 }));
        let pathless = format!("m=message 0 TCP/MSRP *\r\n{}", TAKEN.replace("a=path:", "a=road:"));
        let stream = SdpError::Stream { index: 1, why: Unsupported::Path };
        assert_eq!(read_answer(&ours, &answered(&pathless)), Err(stream));
        let refused = format!("m=message 0 TCP/MSRP *\r\n{TAKEN}");
        let agreed = read_answer(&ours, &answered(&refused)).expect("an answer");
        assert!(agreed[0].is_none() && agreed[1].is_some());
    }

    // M3264-8-02 M3264-8-03 M3264-8-05 M3264-8-06 M3264-8.1-01 M5547-8.1-13 M5547-8.1-14 M5547-8.4-04 M5547-8.4-05
    // M5547-8.7-03 M5547-8.7-04 M5547-8.1-12
    #[test]
    fn the_next_offer_keeps_every_line_and_a_new_stream_takes_a_finished_place() {
        let first = offer(&local(), &[stream("s1", Direction::SendOnly), stream("s2", Direction::SendOnly)]);
        assert_eq!(reoffer(&first, &[], None), first, "a refresh changes nothing");

        let closed = reoffer(&first, &[0], None);
        assert_eq!(closed.origin.version, 2);
        assert_eq!(closed.media[1], first.media[1]);
        assert_eq!(closed.media[0].to_string(), first.media[0].to_string().replacen("2855", "0", 1));

        let reused = reoffer(&closed, &[], Some(&stream("s3", Direction::RecvOnly)));
        assert_eq!((reused.origin.version, reused.media.len()), (3, 2));
        assert_eq!(reused.media[0].value("file-transfer-id"), Some("id-of-s3"));

        let longer = reoffer(&reused, &[], Some(&stream("s4", Direction::SendOnly)));
        assert_eq!(longer.media[..2], reused.media[..]);
        assert_eq!(longer.media[2].value("file-transfer-id"), Some("id-of-s4"));
    }

    // M6135-4.2.2-05
    #[test]
    fn what_was_our_passive_answer_is_offered_as_actpass() {
        let ours = answered(&format!("{TAKEN}a=setup:passive\r\n"));
        let next = reoffer(&ours, &[], None);
        assert_eq!(next.media[0].value("setup"), Some("actpass"));
        assert_eq!(next.origin.version, ours.origin.version + 1);
    }
}
