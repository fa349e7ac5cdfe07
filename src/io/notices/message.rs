//! A notice by SIP: one MESSAGE (RFC 3428), and what its answer means.

use tokio::sync::{mpsc, oneshot};

use crate::engine::{Page, PageEnd};
use crate::io::driver::Request;
use crate::notices::Verdict;

/// The type of what is sent: the notification is in its wrapper (RFC 5438 §12.1.1).
const CPIM_TYPE: &str = "message/cpim";

/// Sends a message to this URI, and says what has come of it.
pub(super) async fn bring(requests: &mpsc::Sender<Request>, to: String, message: String) -> Verdict {
    let (ended, end) = oneshot::channel();
    let page = Page { to, content_type: CPIM_TYPE.to_owned(), octets: message.into() };
    if requests.send(Request::Page(page, ended)).await.is_err() {
        return Verdict::Away("the node stops".to_owned(), None);
    }
    match end.await {
        Ok(end) => verdict(end),
        Err(_) => Verdict::Away("the node stops".to_owned(), None),
    }
}

/// RFC 3261 §21: who is away is asked again, and who is not there, or does not want to be told, never. What is wrong with one
/// message says nothing of the next.
fn verdict(end: PageEnd) -> Verdict {
    match end {
        PageEnd::Answered(200..=299, _) => Verdict::Taken,
        PageEnd::Answered(status, after) => {
            let reason = format!("answered {status}");
            match status {
                401 | 407 => Verdict::Refused(reason),
                400 | 413 | 415 | 482 | 483 | 488 | 493 => Verdict::Lost(reason),
                408 | 480 | 486 | 487 | 491 | 500..=600 if status != 501 && status != 505 => {
                    Verdict::Away(reason, after)
                }
                _ => Verdict::Gone(reason),
            }
        }
        PageEnd::Unreachable(why) => Verdict::Away(why, None),
        PageEnd::NotAllowed => Verdict::Gone("policy.forward does not allow it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_away_is_asked_again_and_who_does_not_want_it_never() {
        let of = |status| verdict(PageEnd::Answered(status, None));
        for status in [200, 202] {
            assert_eq!(of(status), Verdict::Taken);
        }
        for status in [408, 480, 486, 500, 503, 504, 600] {
            assert_eq!(of(status), Verdict::Away(format!("answered {status}"), None));
        }
        for status in [302, 403, 404, 405, 501, 505, 603, 604] {
            assert_eq!(of(status), Verdict::Gone(format!("answered {status}")));
        }
        for status in [400, 413, 415, 482, 483, 488, 493] {
            assert_eq!(of(status), Verdict::Lost(format!("answered {status}")), "others may be taken");
        }
        assert_eq!(of(407), Verdict::Refused("answered 407".to_owned()));
        assert!(matches!(verdict(PageEnd::NotAllowed), Verdict::Gone(_)));
    }
}
