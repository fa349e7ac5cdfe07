//! A second server, to which a rule of the first forwards everything that arrives: calls over the same bad network, a callee
//! with moods, partitions, and both sides dying at times.
//!
//! ```text
//! I1  what is stored is being forwarded, and what is said to be delivered is there, octet for octet
//! I2  what is there was forwarded by somebody
//! I3  each delivery ends once, stays so over every crash, and what has ended is not tried again; attempts only grow
//! I4  however often it was sent, it is there once
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restante::engine::{self, Input};
use restante::model::Route;
use restante::queue::{self, Unwritten};
use restante::spool::{Delivery, Progress, Query, Spool, SpoolError};

use crate::faults::Bug;
use crate::oracle::body;
use crate::plan::Crash;
use crate::world::{Event, ProcessId, SERVER, World};

/// How patiently is forwarded: a world lives two hours.
pub(crate) const PATIENCE: queue::Config = queue::Config {
    backoff_min: Duration::from_secs(2),
    backoff_max: Duration::from_secs(200),
    lifetime: Duration::from_secs(2000),
    concurrency: 3,
    active: 6,
};

/// How a callee is when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// It answers by itself.
    Well,
    /// It says this and nothing else.
    Says(&'static str, &'static str),
    /// It hears nothing of this call.
    Deaf,
}

const MOODS: [Mood; 7] = [
    Mood::Says("486 Busy Here", ""),
    Mood::Says("408 Request Timeout", ""),
    Mood::Says("480 Temporarily Unavailable", ""),
    Mood::Says("500 Server Internal Error", ""),
    Mood::Says("503 Service Unavailable", "Retry-After: 7\r\n"),
    Mood::Says("302 Moved Temporarily", "Contact: <sip:moved@HOST>\r\n"),
    Mood::Deaf,
];

/// The second server and what is between.
#[derive(Default)]
pub(crate) struct Far {
    /// Its node.
    node: usize,
    /// Of a hundred calls so many find it in a mood.
    moods: u64,
    calls: BTreeMap<String, Mood>,
    /// Nothing goes there or comes from there until then.
    parted: restante::model::Instant,
    jobs: BTreeMap<String, Job>,
}

/// One delivery as the observer knows it.
struct Job {
    /// The message that its object came in.
    letter: String,
    token: u64,
    ended: Option<Progress>,
}

impl Far {
    pub(crate) fn new(node: usize, moods: u64) -> Self {
        Self { node, moods, ..Self::default() }
    }

    /// So many deliveries have got through, and so many of them not at once.
    pub(crate) fn delivered(&self) -> (u64, u64) {
        let all = || self.jobs.values().filter(|job| job.ended == Some(Progress::Delivered));
        (all().count() as u64, all().filter(|job| job.token > 1).count() as u64)
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// Everything that is written down of deliveries.
fn written(spool: &Spool) -> Result<Vec<Delivery>, SpoolError> {
    let (mut all, mut next) = (Vec::new(), Some(String::new()));
    while let Some(cursor) = next {
        let (page, after) = spool.deliveries(&cursor)?;
        all.extend(page);
        next = after;
    }
    Ok(all)
}

// What happens.
impl World {
    /// The first server has its rule, and knows what the one before it has left.
    pub(crate) fn begin_forwarding(&mut self) {
        let Some(far) = &self.far else { return };
        let to = format!("sip:{{box}}@{}", self.nodes[far.node].host);
        let rule =
            Route { matches: "*".parse().expect("a pattern"), to: to.parse().expect("a URI"), ..Route::default() };
        let Some(process) = &self.nodes[SERVER].process else { return };
        process.spool.set_routes(vec![rule], PATIENCE.lifetime, Arc::new(|| {}));
        self.compare_deliveries();
        let Some(process) = &self.nodes[SERVER].process else { return };
        let mut open = written(&process.spool).unwrap_or_default();
        open.retain(|delivery| !delivery.progress.is_settled());
        self.hand_over(open);
    }

    /// What a rule has made of a commit.
    pub(crate) fn hand_over_routed(&mut self, id: ProcessId) {
        if self.far.is_none() || id.node != SERVER {
            return;
        }
        let Some(process) = self.process(id) else { return };
        let fresh = process.spool.routed();
        if !fresh.is_empty() {
            self.hand_over(fresh);
        }
    }

    fn hand_over(&mut self, deliveries: Vec<Delivery>) {
        let Some(process) = &self.nodes[SERVER].process else { return };
        // From the index: a bucket may be away just now.
        let listed = process.spool.list(&Query::default()).unwrap_or_default();
        let letter = |delivery: &Delivery| {
            let envelope = listed.iter().find(|envelope| envelope.id == delivery.object);
            envelope.and_then(|envelope| envelope.message_id.clone()).unwrap_or_default()
        };
        let letters: Vec<String> = deliveries.iter().map(letter).collect();
        let Some(far) = &mut self.far else { return };
        self.oracle.forwards.extend(deliveries.iter().map(|delivery| delivery.id.clone()));
        for (delivery, letter) in deliveries.iter().zip(letters) {
            far.jobs.entry(delivery.id.clone()).or_insert(Job { letter, token: delivery.token, ended: None });
        }
        let (id, delay) = (self.nodes[SERVER].id(SERVER), self.chatter());
        self.time.after(delay, Event::Engine(id, Box::new(Input::Deliveries(deliveries))));
    }

    /// A delivery is written down.
    pub(crate) fn record(&mut self, id: ProcessId, delivery: &Delivery) {
        let now = self.time.now();
        let forgets = self.bug == Some(Bug::Unrecorded) && delivery.progress.is_settled();
        let Some(process) = self.process(id) else { return };
        let result = if forgets { Ok(()) } else { process.spool.deliver(delivery, now).map_err(unwritten) };
        if result.is_ok() && id.node == SERVER {
            self.is_in_order(delivery);
        }
        let delay = self.chatter();
        self.time.after(delay, Event::Engine(id, Box::new(Input::Recorded(delivery.id.clone(), result))));
    }

    /// I3: what has ended is over, and no attempt is made under an old token.
    fn is_in_order(&mut self, delivery: &Delivery) {
        let Some(job) = self.far.as_mut().and_then(|far| far.jobs.get_mut(&delivery.id)) else {
            return self.oracle.blame(format!("I2: {delivery:?} was never asked for"));
        };
        let fresh = delivery.progress == Progress::Trying;
        let fault = match job.ended {
            Some(ended) => Some(format!("I3: {} is {ended:?} and then {:?}", delivery.id, delivery.progress)),
            None if delivery.token < job.token || (fresh && delivery.token == job.token) => {
                Some(format!("I3: {} goes on with token {} after {}", delivery.id, delivery.token, job.token))
            }
            None => None,
        };
        job.token = job.token.max(delivery.token);
        job.ended = Some(delivery.progress).filter(|progress| progress.is_settled());
        fault.into_iter().for_each(|fault| self.oracle.blame(fault));
    }

    /// An attempt is over, unless this bug has it another way.
    pub(crate) fn handed(&self, mut handed: engine::Handed) -> Input {
        if self.bug == Some(Bug::Handed) {
            handed.ending = restante::model::Ending::Delivered;
        }
        Input::Handed(handed)
    }

    /// Nothing gets to the second server for a while, and its connections break.
    pub(crate) fn part(&mut self, pause: Duration) {
        let now = self.time.now().instant;
        let Some(far) = &mut self.far else { return };
        far.parted = now + pause;
        let id = self.nodes[far.node].id(far.node);
        self.net.bury(&mut self.time, id);
    }

    /// The second server dies, and another one starts on what is left of its disk.
    pub(crate) fn crash_far(&mut self, crash: Crash) {
        let Some(node) = self.far.as_ref().map(|far| far.node) else { return };
        let id = self.nodes[node].id(node);
        if self.nodes[node].process.take().is_none() {
            return;
        }
        self.nodes[node].files = match crash {
            Crash::Kill => self.nodes[node].files.kill(),
            Crash::Power(seed) => self.nodes[node].files.crash(seed),
        };
        self.net.bury(&mut self.time, id);
        let pause = self.dice.between((Duration::from_millis(100), Duration::from_secs(4)));
        self.time.after(pause, Event::Rise(node));
    }

    /// Whether the network between the two takes this datagram with it, or the callee's mood does.
    pub(crate) fn is_lost(&mut self, from: SocketAddr, to: SocketAddr, octets: &Bytes) -> bool {
        let now = self.time.now().instant;
        let Some(far) = &mut self.far else { return false };
        let host = self.nodes[far.node].host;
        if from.ip() != host && to.ip() != host {
            return false;
        }
        if now < far.parted {
            return true;
        }
        let text = String::from_utf8_lossy(octets);
        let call = format!("{} {}", header(&text, "Call-ID"), text.lines().next().unwrap_or_default());
        let is_call = to.ip() == host && text.starts_with("INVITE sip:bob@") && !header(&text, "To").contains(";tag=");
        if is_call && !far.calls.contains_key(&call) {
            let moody = self.dice.percent(far.moods);
            far.calls.insert(call.clone(), if moody { self.dice.pick(&MOODS) } else { Mood::Well });
        }
        match far.calls.get(&call).filter(|_| is_call) {
            None | Some(Mood::Well) => false,
            Some(Mood::Deaf) => true,
            Some(Mood::Says(status, more)) => {
                let more = more.replace("HOST", &host.to_string());
                let copied = ["Via", "From", "Call-ID", "CSeq"];
                let copied: String = copied.iter().map(|name| format!("{name}: {}\r\n", header(&text, name))).collect();
                let answer = format!(
                    "SIP/2.0 {status}\r\n{copied}To: {};tag=mood\r\n{more}Content-Length: 0\r\n\r\n",
                    header(&text, "To")
                );
                self.net.send_datagram(&mut self.time, to, from, &Bytes::from(answer));
                true
            }
        }
    }

    /// Whether nobody is reached there now.
    pub(crate) fn is_parted(&self, from: usize, to: SocketAddr) -> bool {
        let Some(far) = self.far.as_ref().filter(|far| self.time.now().instant < far.parted) else { return false };
        from == far.node || to.ip() == self.nodes[far.node].host
    }
}

fn unwritten(error: SpoolError) -> Unwritten {
    match error {
        SpoolError::Gone { .. } | SpoolError::Corrupt { .. } => Unwritten::Gone(error.to_string()),
        SpoolError::Held { by, .. } => Unwritten::Held(by),
        SpoolError::Superseded { .. } => Unwritten::Superseded,
        error => Unwritten::Failed(error.to_string()),
    }
}

// What is checked.
impl World {
    /// I1, I3: what is stored has its delivery, and each stands as it was last said to.
    fn compare_deliveries(&mut self) {
        let (Some(far), Some(process)) = (&self.far, &self.nodes[SERVER].process) else { return };
        let (Ok(known), Ok(listed)) = (written(&process.spool), process.spool.list(&Query::default())) else { return };
        let objects: BTreeSet<&str> = known.iter().map(|delivery| delivery.object.as_str()).collect();
        let mut faults = Vec::new();
        for envelope in listed.iter().filter(|envelope| !objects.contains(envelope.id.as_str())) {
            faults.push(format!("I1: {} is stored and nobody forwards it", envelope.uri));
        }
        for (id, job) in &far.jobs {
            let stands: Vec<_> =
                known.iter().filter(|delivery| delivery.id == *id).map(|known| known.progress).collect();
            match (job.ended, stands.as_slice()) {
                (_, []) => faults.push(format!("I1: delivery {id} is lost")),
                (Some(ended), stands) if !stands.contains(&ended) => {
                    faults.push(format!("I3: delivery {id} was {ended:?} and is {stands:?}"));
                }
                _ => {}
            }
        }
        self.oracle.faults.extend(faults);
    }

    /// When all is over: has everything come to one end, and is it where it is said to be?
    pub(crate) fn judge_forwarding(&mut self) {
        self.compare_deliveries();
        let Some(far) = &self.far else { return };
        let Some(process) = &self.nodes[far.node].process else { return };
        let (mut faults, mut there, mut boxes) = (Vec::new(), BTreeMap::<String, usize>::new(), BTreeSet::new());
        for envelope in process.spool.list(&Query::default()).unwrap_or_default() {
            let id = envelope.message_id.clone().unwrap_or_default();
            *there.entry(id.clone()).or_default() += 1;
            // Who was moved in the middle of it has two boxes.
            if !boxes.insert((id.clone(), envelope.uri.box_name().to_owned())) {
                faults.push(format!("I4: delivery {id} is there twice"));
            }
            let Some(job) = far.jobs.get(&id) else {
                faults.push(format!("I2: a phantom: {envelope:?}"));
                continue;
            };
            let object = process.spool.find_id(&envelope.id).ok().flatten();
            let octets = object.and_then(|object| body(&process.spool, &object).ok());
            if octets.as_deref() != Some(&self.oracle.content(&job.letter)[..]) {
                faults.push(format!("I1: delivery {id} has brought other octets"));
            }
        }
        for (id, job) in &far.jobs {
            let count = there.get(id).copied().unwrap_or(0);
            match job.ended {
                None => faults.push(format!("wedged: delivery {id} never ends")),
                Some(Progress::Delivered) if count == 0 => {
                    faults.push(format!("I1: delivery {id} has brought nothing"))
                }
                Some(Progress::Delivered | Progress::Expired) => {}
                Some(other) => faults.push(format!("I3: delivery {id} is {other:?}, and nobody wanted that")),
            }
            if self.calm && self.bug.is_none() && job.ended != Some(Progress::Delivered) {
                faults.push(format!("in fair weather delivery {id} is {:?}", job.ended));
            }
        }
        self.oracle.faults.extend(faults);
    }
}
