//! The offerer: what we ask for, and what a peer's answer leaves of it (RFC 3264 §5, §7, §8, 5547 §8.2).

use super::answer::check_line;
use super::description::{Attribute, Description, LocalSession, Media};
use super::error::SdpError;
use super::file::{FileOffer, SELECTOR};
use super::msrp::{Direction, Role, Setup, Terms, media_line};

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
    let terms = Terms { path: Vec::new(), ..terms.clone() };
    let mut attributes = terms.print();
    attributes.push(Attribute::flag(SELECTOR));
    let media = Media {
        kind: "message".to_owned(),
        port: 0,
        ports: None,
        protocol: "TCP/MSRP".to_owned(),
        formats: "*".to_owned(),
        connection: None,
        attributes,
    };
    local.describe(vec![(0, 0)], vec![media])
}

/// The next offer of a session: `previous` is what we said last, as offerer or answerer.
///
/// The lines of `finished` get port 0 and keep their file's selector and id (RFC 5547 §8.1, §8.4). The `added` stream
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
            let terms = check_line(theirs).map_err(|why| SdpError::Stream { index, why })?;
            let wanted = Direction::read(&ours.attributes, &offer.attributes);
            let granted = Direction::read(&theirs.attributes, &answer.attributes);
            Ok(Some(AgreedStream {
                index,
                terms,
                direction: wanted.facing(granted), // an answer `sendrecv` to `sendonly` happens (F2)
                role: role(Setup::read(ours), Setup::read(theirs)),
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
