//! The answerer: what each line of an offer wants of us, and the answer to it (RFC 3264 §6, 5547 §8.3, 6135 §4.2).

use super::description::{Attribute, Description, LocalSession, Media};
use super::error::Unsupported;
use super::file::{FileOffer, RANGE, SELECTOR, TRANSFER_ID};
use super::fingerprint::Fingerprint;
use super::msrp::{Direction, Role, Route, Setup, TCP, TLS, Terms, media_line};

/// What one `m=` line of an offer wants of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `sendonly` with a file selector: they send us this file.
    Push(FileOffer),
    /// `recvonly` with a file selector: we shall send them the file it selects.
    Pull(FileOffer),
    /// A session for messages; the direction is the peer's.
    Session(Direction),
    /// Nothing we can give: it is answered with port 0 whatever the verdict.
    Unsupported(Unsupported),
}

/// One `m=` line of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOffer {
    /// Which `m=` line, from 0.
    pub index: usize,
    /// What it wants.
    pub wish: Wish,
    /// What the peer says of itself; empty if the line is unsupported.
    pub terms: Terms,
    /// The peer's `a=setup`.
    pub setup: Option<Setup>,
    /// What we do about the connection: passive unless the peer is. To `actpass` we may be active too.
    pub role: Role,
    /// Where it goes if we make it; [`route_offer`](super::cema::route_offer) may say otherwise than the path.
    pub route: Route,
}

/// Reads an offer, line by line.
pub fn read_offer(offer: &Description) -> Vec<StreamOffer> {
    offer.media.iter().enumerate().map(|(index, media)| read_stream(offer, index, media)).collect()
}

/// Whether an offer wants no media: a dialog for control alone.
pub fn is_control(offer: &Description) -> bool {
    offer.media.is_empty()
}

fn read_stream(offer: &Description, index: usize, media: &Media) -> StreamOffer {
    let setup = Setup::read(media);
    let (wish, terms) = match wish(offer, media) {
        Ok(wanted) => wanted,
        Err(why) => (Wish::Unsupported(why), Terms::default()),
    };
    StreamOffer { index, wish, terms, setup, role: role(setup, Role::Passive), route: Route::Path }
}

/// RFC 6135 §4.2.2; without the attribute the offerer connects (RFC 4975 §5.4).
const fn role(offered: Option<Setup>, preferred: Role) -> Role {
    match offered {
        Some(Setup::Passive) => Role::Active,
        Some(Setup::ActPass) => preferred,
        Some(Setup::Active) | None => Role::Passive,
    }
}

fn wish(offer: &Description, media: &Media) -> Result<(Wish, Terms), Unsupported> {
    if media.is_closed() {
        return Err(Unsupported::Closed);
    }
    let terms = check_line(media, &offer.attributes)?;
    if terms.accept_types.is_empty() {
        return Err(Unsupported::AcceptTypes);
    }
    let direction = Direction::read(&media.attributes, &offer.attributes);
    let wish = match (FileOffer::read(media).map_err(Unsupported::File)?, direction) {
        (Some(file), Direction::SendOnly) => Wish::Push(file),
        (Some(file), Direction::RecvOnly) => Wish::Pull(file),
        (_, direction) => Wish::Session(direction),
    };
    Ok((wish, terms))
}

/// What offers and answers have in common (RFC 4975 §8.1, §8.2). The session's attributes are defaults of the line's.
pub(super) fn check_line(media: &Media, session: &[Attribute]) -> Result<Terms, Unsupported> {
    if !media.kind.eq_ignore_ascii_case("message") {
        return Err(Unsupported::Medium);
    }
    let secure = media.protocol.eq_ignore_ascii_case(TLS);
    if !secure && !media.protocol.eq_ignore_ascii_case(TCP) {
        return Err(Unsupported::Protocol);
    }
    // RFC 4975 §15.6: the format list is one "*".
    if media.formats != "*" {
        return Err(Unsupported::Formats);
    }
    if media.ports.is_some_and(|ports| ports != 1) {
        return Err(Unsupported::Ports);
    }
    let terms = Terms::read(media).ok_or(Unsupported::Path)?;
    // RFC 7977 §5.2.2: a WebSocket client says TCP/TLS/MSRP whatever it comes by, and some say TCP/MSRP.
    if terms.is_secure() != secure && !terms.is_websocket() {
        return Err(Unsupported::Scheme);
    }
    if !secure {
        return Ok(terms);
    }
    let fingerprints = Fingerprint::read(media, session).ok_or(Unsupported::Fingerprint)?;
    Ok(Terms { fingerprints, ..terms })
}

/// Our decision on one `m=` line.
#[expect(clippy::large_enum_variant, reason = "a few live at a time, and none for long")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it.
    Accept(LocalStream),
    /// Port 0.
    Reject,
}

/// What we say of ourselves in the answer to one `m=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalStream {
    /// Our path and what we take.
    pub terms: Terms,
    /// What we want at most; the answer has of it what the offer leaves.
    pub direction: Direction,
    /// [`StreamOffer::role`]. Another wish has a say only when the offer is `actpass`.
    pub role: Role,
    /// Of a pull: the chosen file with everything known of it. The answer tells what RFC 5547 §8.3.2 wants told.
    /// `None` there repeats the offer's selector. Elsewhere that there is one has a say at most: the answer copies the offer.
    pub file: Option<FileOffer>,
}

/// Builds the answer. Verdicts are in the order of the `m=` lines; a missing one is a refusal.
pub fn answer(offer: &Description, verdicts: &[Verdict], local: &LocalSession) -> Description {
    let media = read_offer(offer)
        .iter()
        .zip(&offer.media)
        .map(|(stream, media)| match verdicts.get(stream.index) {
            Some(Verdict::Accept(local)) => accepted(stream, media, local).unwrap_or_else(|| refused(media)),
            Some(Verdict::Reject) | None => refused(media),
        })
        .collect();
    local.describe(offer.times.clone(), media) // RFC 3264 §6: t= equals the offer's
}

fn accepted(stream: &StreamOffer, media: &Media, local: &LocalStream) -> Option<Media> {
    let peer = match &stream.wish {
        Wish::Push(_) => Direction::SendOnly,
        Wish::Pull(_) => Direction::RecvOnly,
        Wish::Session(direction) => *direction,
        Wish::Unsupported(_) => return None,
    };
    // RFC 3264 §6: the answer's protocol is the offer's. Protection is neither taken away nor added: a WebSocket client
    // has its own already, whatever it says here (RFC 7977 §5.2.2).
    if !media.protocol.eq_ignore_ascii_case(local.terms.protocol()) && !stream.terms.is_websocket() {
        return None;
    }
    // RFC 6135 §4.2.1: a=setup is in every answer, even if the offer has none.
    let setup = match role(stream.setup, local.role) {
        Role::Active => Setup::Active,
        Role::Passive => Setup::Passive,
    };
    let mut line = media_line(&local.terms, local.direction.facing(peer), setup);
    line.protocol.clone_from(&media.protocol);
    match (&stream.wish, &local.file) {
        (Wish::Push(_), _) | (Wish::Pull(_), None) => {
            line.attributes.extend(copies(media, &[SELECTOR, TRANSFER_ID, RANGE]))
        }
        (Wish::Pull(_), Some(file)) => {
            let (selector, description) = file.print_pulled();
            line.attributes.extend(selector.or_else(|| media.attribute(SELECTOR).cloned()));
            line.attributes.extend(copies(media, &[TRANSFER_ID]));
            line.attributes.extend(description);
            line.attributes.extend(copies(media, &[RANGE]));
        }
        // A file on hold: the line is still its line.
        (Wish::Session(_), Some(_)) => line.attributes.extend(copies(media, &[SELECTOR, TRANSFER_ID, RANGE])),
        (Wish::Session(_) | Wish::Unsupported(_), _) => {}
    }
    Some(line)
}

/// RFC 3264 §6: port 0, and at least one format. RFC 5547 §8.3: the file's attributes are mirrored.
fn refused(media: &Media) -> Media {
    Media {
        port: 0,
        ports: None,
        connection: None,
        attributes: copies(media, &[SELECTOR, TRANSFER_ID]).collect(),
        ..media.clone()
    }
}

/// RFC 5547 §8.3: values come back as they were sent, octet by octet.
fn copies<'a>(media: &'a Media, names: &'a [&str]) -> impl Iterator<Item = Attribute> + 'a {
    names.iter().filter_map(|name| media.attribute(name).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, FileInfo};
    use crate::sdp::FileError;
    use proptest::prelude::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=5 6\r\n";
    const PATH: &str = "a=path:msrp://192.0.2.7:2855/dana1;tcp\r\n";
    const SECURE: &str = "a=path:msrps://192.0.2.7:2855/dana1;tcp\r\n";

    fn offered(media: &str) -> Description {
        Description::parse(format!("{HEAD}{media}").as_bytes()).expect("a description")
    }

    /// A usable line with these attributes.
    fn line(attributes: &str) -> String {
        format!("m=message 2855 TCP/MSRP *\r\na=accept-types:*\r\n{PATH}{attributes}")
    }

    fn local_stream() -> LocalStream {
        let path = vec!["msrp://198.51.100.1:2855/ours1;tcp".parse().expect("a URI")];
        let terms = Terms { path, accept_types: vec!["*".to_owned()], ..Terms::default() };
        LocalStream { terms, direction: Direction::SendRecv, role: Role::Passive, file: None }
    }

    fn local() -> LocalSession {
        LocalSession { address: "198.51.100.1".parse().expect("an address"), session_id: 8, version: 2 }
    }

    /// The media lines of our answer when we accept everything in this way.
    fn answered(offer: &Description, stream: &LocalStream) -> String {
        let verdicts = vec![Verdict::Accept(stream.clone()); offer.media.len()];
        let text = answer(offer, &verdicts, &local()).to_string();
        let head = "v=0\r\no=- 8 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=5 6\r\n";
        text.strip_prefix(head).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    // M3264-5.1-02 M3264-6-04 M3264-8.2-01 M4975-8.1-02 M4975-8.1-03 M4975-8.1-06 M4975-8.2-01 M4975-8.2-02
    // M4975-8.6-01 M8866-5.14-01 M5547-8.3.1-08 M4975-6-02
    #[test]
    fn a_line_we_cannot_serve_is_refused_even_if_the_verdict_says_otherwise() {
        let types = "a=accept-types:*\r\n";
        let closed = line("").replace("2855 TCP", "0 TCP");
        for (media, why) in [
            (closed.as_str(), Unsupported::Closed),
            ("m=audio 4000 RTP/AVP 0 8\r\n", Unsupported::Medium),
            ("m=application 4000 TCP/MSRP *\r\n", Unsupported::Medium),
            ("m=message 4000 UDP/MSRP *\r\n", Unsupported::Protocol),
            ("m=message 4000 TCP/TLS/MSRP *\r\n", Unsupported::Path),
            (&format!("m=message 4000 TCP/TLS/MSRP *\r\n{types}{PATH}"), Unsupported::Scheme),
            (&format!("m=message 4000 TCP/MSRP *\r\n{types}{SECURE}"), Unsupported::Scheme),
            (
                &format!("m=message 4000 tcp/tls/msrp *\r\n{types}{SECURE}a=fingerprint:sha-256 00\r\n"),
                Unsupported::Fingerprint,
            ),
            ("m=message 4000/2 TCP/MSRP *\r\n", Unsupported::Ports),
            ("m=message 4000 TCP/MSRP 98\r\n", Unsupported::Formats),
            (&format!("m=message 4000 TCP/MSRP *\r\n{types}"), Unsupported::Path),
            (&format!("m=message 4000 TCP/MSRP *\r\n{types}a=path:msrp://h.example/x;tcp\r\n"), Unsupported::Path),
            (&format!("m=message 4000 TCP/MSRP *\r\n{types}a=path:msrp://10.0.0.1/x;tcp\r\n"), Unsupported::Path),
            (&format!("m=message 4000 TCP/MSRP *\r\n{PATH}"), Unsupported::AcceptTypes),
            (&line("a=sendonly\r\na=file-selector:size:x\r\n"), Unsupported::File(FileError::Selector)),
            (
                &line("a=sendonly\r\na=file-selector:size:9\r\na=file-range:9-1\r\n"),
                Unsupported::File(FileError::Range),
            ),
        ] {
            let offer = offered(media);
            assert_eq!(read_offer(&offer)[0].wish, Wish::Unsupported(why), "{media}");
            let (first, rest) = media.split_once("\r\n").expect("a line");
            let refused = answered(&offer, &local_stream());
            let fields: Vec<&str> = first.split(' ').collect();
            let mirrored: String =
                rest.split_inclusive("\r\n").filter(|line| line.starts_with("a=file-selector")).collect();
            assert_eq!(refused, format!("{} 0 {}\r\n{mirrored}", fields[0], fields[2..].join(" ")));
        }
    }

    // M7977-5.2.2-01
    #[test]
    fn a_websocket_client_is_answered_with_the_protocol_that_it_says() {
        for (protocol, scheme) in [("TCP/TLS/MSRP", "msrp"), ("TCP/MSRP", "msrps"), ("TCP/TLS/MSRP", "msrps")] {
            let path = format!("a=path:{scheme}://192.0.2.7:443/r1;tcp {scheme}://k3v9.invalid:2855/page1;ws\r\n");
            let line = format!("m=message 2855 {protocol} *\r\na=accept-types:*\r\n{path}");
            let answer = answered(&offered(&line), &local_stream());
            assert!(answer.starts_with(&format!("m=message 2855 {protocol} *\r\n")), "{answer}");
            let phone = answered(&offered(&line.replace(";ws", ";tcp")), &local_stream());
            assert_eq!(phone.starts_with("m=message 0 "), (protocol, scheme) != ("TCP/MSRP", "msrp"), "{phone}");
        }
    }

    // M4975-8.1-02 M4975-14.4-04
    #[test]
    fn an_offer_of_tls_is_answered_with_tls_and_our_fingerprints_or_not_at_all() {
        let offer = offered(&format!("m=message 2855 TCP/TLS/MSRP *\r\na=accept-types:*\r\n{SECURE}"));
        let plain = answered(&offer, &local_stream());
        assert!(plain.starts_with("m=message 0 TCP/TLS/MSRP *"), "{plain}");
        let path = vec!["msrps://198.51.100.1:2856/ours1;tcp".parse().expect("a URI")];
        let fingerprints = vec![Fingerprint::of(b"ours", crate::sdp::HashFunction::Sha256)];
        let terms = Terms { path, fingerprints: fingerprints.clone(), ..local_stream().terms };
        let secure = answered(&offer, &LocalStream { terms, ..local_stream() });
        assert!(secure.starts_with("m=message 2856 TCP/TLS/MSRP *"), "{secure}");
        assert!(secure.contains(&format!("a=fingerprint:{}\r\n", fingerprints[0])), "{secure}");
    }

    // M6135-4.2.1-01 M6135-4.2.1-02 M6135-4.2.1-04 M6135-4.2.2-02 M6135-4.2.2-06 M6135-4.2.2-07 M6135-4.2.2-09 M6135-4.4-02
    // M6135-5-01 M4145-4.1-03
    #[test]
    fn the_answer_says_who_connects_and_the_offer_decides_it() {
        for (setup, wished, role, answer) in [
            ("", Role::Active, Role::Passive, "passive"),
            ("a=setup:holdconn\r\n", Role::Active, Role::Passive, "passive"),
            ("a=setup:active\r\na=connection:existing\r\n", Role::Active, Role::Passive, "passive"),
            ("a=setup:passive\r\n", Role::Passive, Role::Active, "active"),
            ("a=setup:actpass\r\n", Role::Passive, Role::Passive, "passive"),
            ("a=setup:actpass\r\n", Role::Active, Role::Passive, "active"),
        ] {
            let offer = offered(&line(setup));
            assert_eq!(read_offer(&offer)[0].role, role, "{setup}");
            let port = if answer == "active" { 9 } else { 2855 };
            let expected = format!(
                "m=message {port} TCP/MSRP *\r\na=sendrecv\r\na=accept-types:*\r\n\
                 a=path:msrp://198.51.100.1:2855/ours1;tcp\r\na=setup:{answer}\r\n"
            );
            assert_eq!(answered(&offer, &LocalStream { role: wished, ..local_stream() }), expected);
        }
    }

    // M3264-6.1-02 M3264-6.1-03 M8866-6.7-03 M5547-6-01 M5547-6-04
    #[test]
    fn a_message_session_is_answered_with_the_direction_it_leaves_us() {
        for (attributes, peer, answer) in [
            ("", Direction::SendRecv, "recvonly"),
            ("a=sendonly\r\na=file-selector\r\n", Direction::SendOnly, "recvonly"),
            ("a=recvonly\r\n", Direction::RecvOnly, "inactive"),
            ("a=inactive\r\na=file-selector:size:1\r\n", Direction::Inactive, "inactive"),
        ] {
            let offer = offered(&line(attributes));
            assert_eq!(read_offer(&offer)[0].wish, Wish::Session(peer));
            let text = answered(&offer, &LocalStream { direction: Direction::RecvOnly, ..local_stream() });
            assert!(text.contains(&format!("\r\na={answer}\r\n")), "{text}");
            assert!(!text.contains("a=file-"), "{text}");
        }
        let session_level = format!("a=sendonly\r\na=file-selector:size:1\r\n{}", line(""));
        assert_eq!(read_offer(&offered(&session_level))[0].wish, Wish::Session(Direction::SendOnly));
    }

    // M3264-6-01 M3264-6-02 M3264-6-03 M5547-8.2.3-01 M5547-8.3-01 M5547-8.3-02 M5547-8.1-08 M4975-8.1-07
    #[test]
    fn each_line_is_answered_in_its_place_and_a_refused_file_is_mirrored() {
        let file = "a=sendonly\r\na=file-selector:name:\"a%2Fb c\" size:12 odd:\"one\"\r\na=file-transfer-id:t1\r\n\
            a=file-disposition:render\r\n";
        let offer = offered(&format!("m=audio 4000 RTP/AVP 0\r\n{}{}{}", line(file), line(file), line(file)));
        let accept = Verdict::Accept(local_stream());
        let answer = answer(&offer, &[Verdict::Reject, Verdict::Reject, accept], &local());
        let ports: Vec<u16> = answer.media.iter().map(|media| media.port).collect();
        assert_eq!(ports, [0, 0, 2855, 0]);
        assert_eq!((answer.origin.session_id, &answer.times), (local().session_id, &offer.times));
        assert_eq!(
            answer.media[1].to_string(),
            "m=message 0 TCP/MSRP *\r\na=file-selector:name:\"a%2Fb c\" size:12 odd:\"one\"\r\na=file-transfer-id:t1\r\n"
        );
    }

    // M5547-8.3.2-05 M5547-8.3.2-10 M5547-8.3.2-11 M5547-8.3.2-12 M5547-8.3.2-13 M5547-8.3.2-16
    #[test]
    fn a_pulled_file_is_described_by_what_its_asker_cannot_know_otherwise() {
        let pull = "a=recvonly\r\na=file-selector:name:\"x\"\r\na=file-transfer-id:t2\r\na=file-range:3-*\r\n";
        let offer = offered(&line(pull));
        let digest = Digest::sha1([0x5A; 20]);
        let info = FileInfo {
            name: Some("x".to_owned()),
            size: Some(40),
            media_type: Some("audio/wav".to_owned()),
            digests: vec![digest.clone()],
            disposition: Some("attachment".to_owned()),
            created: Some("Mon, 2 Nov 2026 10:00:00 +0000".to_owned()),
            ..FileInfo::default()
        };
        let file = Some(FileOffer { info, ..FileOffer::default() });
        let text = answered(&offer, &LocalStream { file, ..local_stream() });
        let expected = format!(
            "a=setup:passive\r\na=file-selector:type:audio/wav hash:sha-1:{}\r\na=file-transfer-id:t2\r\n\
             a=file-disposition:attachment\r\na=file-range:3-*\r\n",
            digest.colons()
        );
        assert!(text.ends_with(&expected), "{text}");
        assert!(text.contains("a=sendonly\r\n"));
        let repeated = answered(&offer, &local_stream());
        assert!(repeated.ends_with(&pull.replace("a=recvonly", "a=setup:passive")), "{repeated}");
    }

    proptest! {
        // M3264-5-01 M3264-6-02
        #[test]
        fn an_answer_has_the_lines_of_its_offer_and_can_be_read(
            lines in prop::collection::vec(
                prop_oneof![
                    Just("m=audio 1 RTP/AVP 0 8".to_owned()),
                    Just("m=message 2855 TCP/MSRP *".to_owned()),
                    Just("a=accept-types:*".to_owned()),
                    Just(PATH.trim_end().to_owned()),
                    "a=(sendonly|recvonly|inactive|setup:(active|passive|actpass|x))",
                    "a=file-(selector|range|transfer-id|icon|date|disposition)(:\\PC{0,20})?",
                    "a=file-selector:size:[0-9]{1,3} name:\"\\PC{0,9}\"",
                    "[mca]=\\PC{0,20}",
                ],
                0..24,
            ),
            accepted in any::<u32>(),
        ) {
            let text = format!("{HEAD}{}\r\n", lines.join("\r\n"));
            let Ok(offer) = Description::parse(text.as_bytes()) else { return Ok(()) };
            let verdicts: Vec<Verdict> = (0..32)
                .map(|bit| if accepted >> bit & 1 == 1 { Verdict::Accept(local_stream()) } else { Verdict::Reject })
                .collect();
            let answer = answer(&offer, &verdicts, &local());
            prop_assert_eq!(answer.media.len(), offer.media.len());
            prop_assert_eq!(Description::parse(&answer.to_bytes()), Ok(answer.clone()));
            for (stream, media) in read_offer(&offer).iter().zip(&answer.media) {
                let wanted = !matches!(stream.wish, Wish::Unsupported(_)) && accepted >> stream.index & 1 == 1;
                prop_assert_eq!(media.is_closed(), !wanted);
            }
        }
    }
}
