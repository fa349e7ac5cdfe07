//! The answerer: what each line of an offer wants of us, and the answer to it (RFC 3264 §6, 5547 §8.3, 6135 §4.2).

use super::description::{Attribute, Description, LocalSession, Media};
use super::error::Unsupported;
use super::file::{FileOffer, RANGE, SELECTOR, TRANSFER_ID};
use super::msrp::{Direction, Role, Setup, Terms, media_line};

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
    StreamOffer { index, wish, terms, setup, role: role(setup, Role::Passive) }
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
    let terms = check_line(media)?;
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

/// What offers and answers have in common (RFC 4975 §8.1, §8.2).
pub(super) fn check_line(media: &Media) -> Result<Terms, Unsupported> {
    if !media.kind.eq_ignore_ascii_case("message") {
        return Err(Unsupported::Medium);
    }
    if media.protocol.eq_ignore_ascii_case("TCP/TLS/MSRP") {
        return Err(Unsupported::Tls);
    }
    if !media.protocol.eq_ignore_ascii_case("TCP/MSRP") {
        return Err(Unsupported::Protocol);
    }
    if media.ports.is_some_and(|ports| ports != 1) {
        return Err(Unsupported::Ports);
    }
    Terms::read(media).ok_or(Unsupported::Path)
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
    /// `None` there repeats the offer's selector. Has no say elsewhere: an answer to a push copies the offer.
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
    // RFC 6135 §4.2.1: a=setup is in every answer, even if the offer has none.
    let setup = match role(stream.setup, local.role) {
        Role::Active => Setup::Active,
        Role::Passive => Setup::Passive,
    };
    let mut line = media_line(&local.terms, local.direction.facing(peer), setup);
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
