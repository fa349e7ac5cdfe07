//! What the end of an attempt means: delivered, to be tried again, or never. One table, in which everything has a place.

use std::time::Duration;

use crate::model::Ending;

/// What is to be done after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The recipient has the file.
    Delivered,
    /// It may succeed another time.
    Temporary(Why),
    /// It will not succeed.
    Permanent(Why),
}

/// Why it was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// In words, for people.
    pub reason: String,
    /// What it concerns.
    pub scope: Scope,
    /// The peer wants to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// Octets from the start of the file that the peer has reported.
    pub reported: u64,
}

/// How much a failure says about others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: the fault is ours.
    Ours,
    /// The recipient answers, and does not take this file.
    File,
    /// The recipient does not answer, and nobody else has either.
    Silence,
    /// The recipient is away or busy, whatever is sent.
    Recipient,
    /// Nobody there can be reached.
    Destination,
}

/// Judges how an attempt has ended (features 4 and 7: nothing falls between).
pub fn classify(ending: &Ending) -> Verdict {
    use Scope::{Destination, File, Ours, Recipient, Silence};
    let why = |scope| Why { reason: ending.to_string(), scope, retry_after: None, reported: 0 };
    match ending {
        Ending::Delivered | Ending::DeliveredWrapped => Verdict::Delivered,
        Ending::Refused { status, retry_after } => {
            let (lasts, scope) = refused(*status, retry_after.is_some());
            let why = Why { retry_after: *retry_after, ..why(scope) };
            if lasts { Verdict::Permanent(why) } else { Verdict::Temporary(why) }
        }
        Ending::Msrp { status } if msrp_lasts(*status) => Verdict::Permanent(why(File)),
        Ending::Msrp { .. } => Verdict::Temporary(why(Recipient)),
        Ending::NoAnswer => Verdict::Temporary(why(Silence)),
        Ending::Broken { reported } => Verdict::Temporary(Why { reported: *reported, ..why(Recipient) }),
        Ending::Unreachable(_) => Verdict::Temporary(why(Destination)),
        // An operator can mend it meanwhile, and no file should be lost to a mistyped password.
        Ending::Credentials => Verdict::Temporary(why(Destination)),
        // Whether the object is still to be had, the spool says before the next attempt.
        Ending::Unreadable(_) | Ending::Stopped => Verdict::Temporary(why(Ours)),
        Ending::NotAllowed(_) => Verdict::Permanent(why(Ours)),
        Ending::NoStream(_) | Ending::TooLarge { .. } | Ending::BadType => Verdict::Permanent(why(File)),
    }
}

/// Whether a final answer to an INVITE lasts, and whom it concerns. An unknown one means what its class means (RFC 3261
/// §8.1.3.2).
const fn refused(status: u16, comes_back: bool) -> (bool, Scope) {
    use Scope::{Destination, File, Recipient};
    match status {
        // RFC 3261 §21.3.3: only this one says that it will not last.
        302 => (false, Recipient),
        // RFC 3261 §20.33: with Retry-After these are of now, and not for ever.
        404 | 413 | 603 => (!comes_back, Recipient),
        // Request timeout, conflict, interval too brief, flow failed, consent needed, temporarily unavailable, no such call,
        // merged requests (ours came by two ways when a connection broke), busy, terminated, request pending, preconditions
        // not met, busy everywhere.
        408 | 409 | 422 | 423 | 430 | 470 | 480 | 481 | 482 | 486 | 487 | 491 | 580 | 600 => (false, Recipient),
        // Proxies want credentials that were not asked of whoever called.
        401 | 407 => (false, Destination),
        // Not implemented, version not supported, message too large.
        501 | 505 | 513 => (true, File),
        502..=504 => (false, Destination),
        500..=599 => (false, Recipient),
        // The rest of 3xx, 4xx and 6xx, and what is no refusal at all.
        _ => (true, File),
    }
}

/// Whether an MSRP status (RFC 4975 §10) will come again. 413 is also how a peer without room, or without patience, stops a
/// message.
const fn msrp_lasts(status: u16) -> bool {
    !matches!(status, 401 | 408 | 413 | 481 | 506) && status < 500 || status == 501
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(ending: Ending) -> &'static str {
        match classify(&ending) {
            Verdict::Delivered => "delivered",
            Verdict::Temporary(_) => "temporary",
            Verdict::Permanent(_) => "permanent",
        }
    }

    fn sip(status: u16) -> &'static str {
        word(Ending::Refused { status, retry_after: None })
    }

    #[test]
    fn every_sip_status_has_its_place() {
        let temporary: Vec<u16> = (300..700).filter(|status| sip(*status) == "temporary").collect();
        let mut expected = vec![302, 401, 407, 408, 409, 422, 423, 430, 470, 480, 481, 482, 486, 487, 491];
        expected.extend((500..600).filter(|status| ![501, 505, 513].contains(status)));
        expected.push(600);
        assert_eq!(temporary, expected);
        for status in 0..=u16::MAX {
            assert_ne!(sip(status), "delivered", "{status}");
        }
    }

    #[test]
    fn a_refusal_with_retry_after_is_not_for_ever() {
        let retry_after = Some(Duration::from_secs(60));
        for status in [404, 413, 603] {
            assert_eq!(sip(status), "permanent");
            let Verdict::Temporary(why) = classify(&Ending::Refused { status, retry_after }) else {
                panic!("{status} with Retry-After is for ever")
            };
            assert_eq!(why.retry_after, retry_after);
        }
        assert_eq!(word(Ending::Refused { status: 415, retry_after }), "permanent");
    }

    #[test]
    fn every_msrp_status_has_its_place() {
        let msrp = |status| word(Ending::Msrp { status });
        let permanent: Vec<u16> = [400, 401, 403, 408, 413, 415, 423, 481, 501, 506, 599]
            .into_iter()
            .filter(|status| msrp(*status) == "permanent")
            .collect();
        assert_eq!(permanent, [400, 403, 415, 423, 501]);
        for status in 0..=u16::MAX {
            assert_ne!(msrp(status), "delivered", "{status}");
        }
    }

    #[test]
    fn whatever_else_can_happen_has_its_place() {
        let text = || "why".to_owned();
        let table = [
            (Ending::Delivered, "delivered"),
            (Ending::NoAnswer, "temporary"),
            (Ending::NoStream(text()), "permanent"),
            (Ending::TooLarge { max_size: 1 }, "permanent"),
            (Ending::BadType, "permanent"),
            (Ending::Broken { reported: 7 }, "temporary"),
            (Ending::Unreachable(text()), "temporary"),
            (Ending::Credentials, "temporary"),
            (Ending::NotAllowed(text()), "permanent"),
            (Ending::Unreadable(text()), "temporary"),
            (Ending::Stopped, "temporary"),
        ];
        for (ending, expected) in table {
            assert_eq!(word(ending.clone()), expected, "{ending:?}");
        }
    }
}
