//! What can be wrong with a peer's SDP: with all of it, with one stream, with the file of a stream.

/// Why octets are not a session description we can use, or an answer not one to our offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Over [`SDP_OCTETS`](crate::model::limits::SDP_OCTETS).
    #[error("more than {limit} octets")]
    TooLarge {
        /// The limit in octets.
        limit: usize,
    },
    /// Over [`SDP_MEDIA`](crate::model::limits::SDP_MEDIA).
    #[error("more than {limit} m= lines")]
    TooManyMedia {
        /// The limit in lines.
        limit: usize,
    },
    /// RFC 8866 §5: SDP is UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not `letter=value`, or not at this place.
    #[error("line {number} is malformed or misplaced")]
    Line {
        /// Counted from 1.
        number: usize,
    },
    /// A type letter RFC 8866 does not know.
    #[error("{letter}= is not known")]
    UnknownType {
        /// The letter.
        letter: char,
    },
    /// A line that must be there is not.
    #[error("{letter}= is missing")]
    Missing {
        /// Its letter.
        letter: char,
    },
    /// A line that must be there once is there more often.
    #[error("{letter}= is there more than once")]
    Repeated {
        /// Its letter.
        letter: char,
    },
    /// `o=` has not six fields, or numbers that are none.
    #[error("o= is malformed")]
    Origin,
    /// An address is neither an IP address nor a host name.
    #[error("an address is neither an IP address nor a host name")]
    Address,
    /// Another line has the wrong fields.
    #[error("malformed: {detail}")]
    Syntax {
        /// What the parser says.
        detail: String,
    },
    /// RFC 3264 §6: an answer has as many `m=` lines as its offer.
    #[error("{answered} m= lines answer {offered}")]
    MediaCount {
        /// Lines of our offer.
        offered: usize,
        /// Lines of the answer.
        answered: usize,
    },
    /// An answer accepts a line in a way we cannot use.
    #[error("m= line {index}: {why}")]
    Stream {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        why: Unsupported,
    },
}

/// Why an `m=` line can only be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Port 0: the peer has closed this stream, or never opened it (RFC 3264 §5.1).
    #[error("the stream is closed")]
    Closed,
    /// Not `m=message`.
    #[error("the medium is not message")]
    Medium,
    /// Neither TCP/MSRP nor TCP/TLS/MSRP.
    #[error("the protocol is not MSRP")]
    Protocol,
    /// RFC 4975 §8.1: `msrps` goes with TCP/TLS/MSRP, `msrp` with TCP/MSRP.
    #[error("the scheme of the path does not fit the protocol")]
    Scheme,
    /// An `a=fingerprint` that is none, or too many of them.
    #[error("a fingerprint is malformed, or there are too many")]
    Fingerprint,
    /// Nobody listens for its transport here.
    #[error("there is no listener for MSRP by this transport")]
    NoListener,
    /// Its peer could not prove by its certificate who it is.
    #[error("no fingerprint that can be relied on, and none is not enough")]
    Unverifiable,
    /// RFC 4975 §15.6: a format list other than `*`.
    #[error("the format list of MSRP is *")]
    Formats,
    /// More than one port.
    #[error("a stream has one port")]
    Ports,
    /// RFC 4975 §8.2: no path, or a URI in it without port or session.
    #[error("the path is missing or unusable")]
    Path,
    /// RFC 4975 §8.6: no accept-types.
    #[error("accept-types is missing")]
    AcceptTypes,
    /// RFC 6714 §4.3: `c=` and `m=` lead elsewhere than the path, and nobody says `a=msrp-cema`.
    #[error("c= and m= differ from the path, but a=msrp-cema is missing")]
    Anchored,
    /// The file attributes make no sense.
    #[error(transparent)]
    File(FileError),
}

/// Why a media line's file attributes are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// A selector is malformed, or none of them is one we can compare.
    #[error("the file selector is malformed or empty")]
    Selector,
    /// RFC 5547 §8.3.1: a range that cannot be meant refuses the file.
    #[error("the file range is malformed or upside down")]
    Range,
}
