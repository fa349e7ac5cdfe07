//! What is known of jobs: who follows each, what is due, and who waits for an answer.

use std::collections::HashMap;
use std::time::Duration;

use super::jobs::Attempt;
use super::variables::Variables;
use crate::model::Mint;
use crate::msml::{self, End, PrimitiveKey};
use crate::notices::Audience;
use crate::queue::{self, AskKey, Queue};
use crate::spool::Delivery;

/// The event by which an application server hears that it is time for an attempt.
pub(super) const DUE: &str = "ft.due";

/// How long an application server has to name a connection, if the operator says nothing.
const BIND: Duration = Duration::from_secs(120);

/// Everything about jobs.
#[derive(Debug)]
pub(super) struct Forwarding {
    pub(super) queue: Queue,
    pub(super) mint: Mint,
    pub(super) bind: Duration,
    /// Who may be told of the end of a job.
    pub(super) audience: Audience,
    /// Who waits for the queue.
    pub(super) asks: HashMap<AskKey, Asker>,
    /// Primitives that follow a job, or want one.
    pub(super) following: HashMap<PrimitiveKey, Following>,
    /// Who follows each job.
    pub(super) followers: HashMap<String, PrimitiveKey>,
    /// Attempts for which an application server has to name a connection, or has.
    pub(super) dues: HashMap<String, Due>,
    /// What the last attempt of each job came to, for its variables.
    pub(super) results: HashMap<String, Variables>,
    /// What is being written down.
    pub(super) recording: usize,
}

/// Who asked the queue for something.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    /// A script.
    Primitive(PrimitiveKey),
    /// Somebody outside, about this delivery.
    Outside(u64, String),
    /// Nobody who would listen.
    Nobody,
}

/// A primitive and its job.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) dialog: String,
    /// Until the job is written down it has none.
    pub(super) job: Option<String>,
    /// What is to be written down.
    pub(super) wanted: Option<Box<msml::Job>>,
    /// It hears first of what nobody has heard; what comes meanwhile waits.
    pub(super) recalls: Option<Vec<(String, Variables)>>,
    /// What the last event said that nobody has heard.
    pub(super) last: Variables,
    /// The job is over.
    pub(super) end: Option<End>,
    /// The client has named this connection before the file was due.
    pub(super) early: Option<String>,
    /// The script does not want the job that is being written down.
    pub(super) cancelled: bool,
}

/// An attempt that an application server is to make.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) number: u64,
    pub(super) delivery: Delivery,
    /// It has named the connection.
    pub(super) bound: bool,
}

impl Forwarding {
    pub(super) fn new(mut mint: Mint) -> Self {
        Self {
            queue: Queue::new(queue::Config::default(), mint.fork()),
            mint,
            bind: BIND,
            audience: Audience::default(),
            asks: HashMap::new(),
            following: HashMap::new(),
            followers: HashMap::new(),
            dues: HashMap::new(),
            results: HashMap::new(),
            recording: 0,
        }
    }

    pub(super) const fn is_recording(&self) -> bool {
        self.recording > 0
    }
}

impl Following {
    pub(super) fn new(dialog: String) -> Self {
        Self {
            dialog,
            job: None,
            wanted: None,
            recalls: None,
            last: Variables::new(),
            end: None,
            early: None,
            cancelled: false,
        }
    }
}

/// The attempt of a delivery that its token names.
pub(super) fn attempt_of(delivery: &Delivery) -> Attempt {
    Attempt { job: delivery.id.clone(), token: delivery.token, object: delivery.object.clone() }
}
