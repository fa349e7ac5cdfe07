//! Our requests that wait for an answer, and when waiting has been in vain (RFC 4975 §7.1.1).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::model::Instant;

use super::frame::FailureReport;
use super::port::{OutboundKey, SessionKey};

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A chunk with octets `start..end` of the message.
    Chunk { message: OutboundKey, start: u64, end: u64 },
    /// The bodiless SEND of the active side.
    Greeting(SessionKey),
    /// An AUTH to our relay.
    Auth,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    pub(super) owner: Owner,
    pub(super) failure_report: FailureReport,
}

/// All transactions of a connection, in the order of their octets on the wire.
#[derive(Debug)]
pub(super) struct Transactions {
    timeout: Duration,
    by_tid: HashMap<String, Transaction>,
    /// Not yet wholly taken by the socket, with the stream position where each ends.
    unsent: VecDeque<(u64, String)>,
    /// Taken, with the instant when an answer is overdue.
    waiting: VecDeque<(Instant, String)>,
}

impl Transactions {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, by_tid: HashMap::new(), unsent: VecDeque::new(), waiting: VecDeque::new() }
    }

    pub(super) fn contains(&self, tid: &str) -> bool {
        self.by_tid.contains_key(tid)
    }

    /// Adds a request whose last octet is at `position` of the stream.
    pub(super) fn add(&mut self, tid: String, transaction: Transaction, position: u64) {
        self.by_tid.insert(tid.clone(), transaction);
        self.unsent.push_back((position, tid));
    }

    /// The socket has taken the stream up to `position`: the next request of which that is true.
    ///
    /// One that nobody answers (Failure-Report no) is forgotten, the others start waiting.
    pub(super) fn sent(&mut self, position: u64, now: Instant) -> Option<Transaction> {
        while self.unsent.front().is_some_and(|(end, _)| *end <= position) {
            let (_, tid) = self.unsent.pop_front()?;
            let Some(transaction) = self.by_tid.get(&tid).copied() else { continue };
            if transaction.failure_report == FailureReport::No {
                self.by_tid.remove(&tid);
            } else {
                self.waiting.push_back((now + self.timeout, tid));
            }
            return Some(transaction);
        }
        None
    }

    /// Takes the transaction this response answers.
    pub(super) fn take(&mut self, tid: &str) -> Option<Transaction> {
        let transaction = self.by_tid.remove(tid);
        self.skip_answered();
        transaction
    }

    /// Takes a transaction whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Transaction> {
        let (due, tid) = self.waiting.front()?;
        if *due > now {
            return None;
        }
        let transaction = self.by_tid.remove(tid);
        self.skip_answered();
        transaction
    }

    /// Takes the AUTH that this response answers, if it does.
    pub(super) fn take_auth(&mut self, tid: &str) -> bool {
        let auth = self.by_tid.get(tid).is_some_and(|transaction| transaction.owner == Owner::Auth);
        auth && self.take(tid).is_some()
    }

    /// Forgets the chunks of a message: whatever becomes of them, nobody waits for it.
    pub(super) fn forget(&mut self, key: OutboundKey) {
        let of_it = |owner| matches!(owner, Owner::Chunk { message, .. } if message == key);
        self.by_tid.retain(|_, transaction| !of_it(transaction.owner));
        self.skip_answered();
    }

    /// When the first of those that wait is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, _)| *due)
    }

    fn skip_answered(&mut self) {
        while self.waiting.front().is_some_and(|(_, tid)| !self.by_tid.contains_key(tid)) {
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(failure_report: FailureReport) -> Transaction {
        Transaction { owner: Owner::Greeting(SessionKey(1)), failure_report }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    // M4975-7.1.1-07 M4975-10.1-01
    #[test]
    fn the_timer_starts_when_the_last_octet_is_taken_and_stops_with_the_answer() {
        let mut transactions = Transactions::new(Duration::from_secs(30));
        transactions.add("one1".to_owned(), greeting(FailureReport::Yes), 100);
        transactions.add("two2".to_owned(), greeting(FailureReport::Yes), 200);
        assert!(transactions.sent(99, at(1)).is_none());
        assert_eq!(transactions.deadline(), None);
        assert!(transactions.sent(150, at(2)).is_some());
        assert!(transactions.sent(150, at(2)).is_none());
        assert!(transactions.sent(200, at(5)).is_some());
        assert_eq!(transactions.deadline(), Some(at(32)));

        assert!(transactions.take("one1").is_some());
        assert_eq!(transactions.deadline(), Some(at(35)));
        assert!(transactions.expired(at(34)).is_none());
        assert!(transactions.expired(at(35)).is_some());
        assert_eq!((transactions.deadline(), transactions.contains("two2")), (None, false));
    }

    #[test]
    fn a_request_that_nobody_answers_is_forgotten_when_it_has_left() {
        let mut transactions = Transactions::new(Duration::from_secs(30));
        transactions.add("one1".to_owned(), greeting(FailureReport::No), 100);
        assert!(transactions.sent(100, at(1)).is_some());
        assert!(!transactions.contains("one1"));
        assert_eq!(transactions.deadline(), None);
    }
}
