//! The observer: it sees what goes over the wire, remembers every promise, and looks whether the disk keeps it.
//!
//! ```text
//! I1  what was reported, whole or in part, is there after any number of crashes, octet for octet
//! I2  what is there was sent by somebody, is complete, and nothing half-written can be seen
//! I3  each file and each dialog ends exactly once, and nobody is told what is not so
//! I4  a retrieved message comes once per play, under an id of its own
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use restante::model::{Digest, FileInfo, Mint, Now, ObjectUri, Ranges};
use restante::msml::{self, Message};
use restante::msrp::{Decoder, Event, Method, RequestHead};
use restante::spool::{Check, Committed, Envelope, Index, Keys, Query, Spool, SpoolError, StagePlan};
use sha2::{Digest as _, Sha256};

use crate::bucket::SimBucket;
use crate::disk::SimFiles;
use crate::net::End;
use crate::node::remote;
use crate::phone::BOX;
use crate::plan::{Declares, Pail};
use crate::world::{ProcessId, SERVER};

/// What a peer must not be told of a file that is as it was declared.
const WRONGS: [&str; 5] = ["hashmismatch", "sizemismatch", "toolarge", "badtype", "exists"];

/// A file that somebody sends, and what was promised of it.
pub(crate) struct Letter {
    content: Bytes,
    declares: Declares,
    /// From URI of its sender.
    from: String,
    /// Octets from the first on that were reported.
    reported: u64,
    /// Reported as a whole.
    promised: bool,
    /// Where events have said that it is.
    told: BTreeSet<ObjectUri>,
    attempts: usize,
    refused: usize,
}

impl Letter {
    pub(crate) const fn new(content: Bytes, declares: Declares, from: String) -> Self {
        let told = BTreeSet::new();
        Self { content, declares, from, reported: 0, promised: false, told, attempts: 0, refused: 0 }
    }
}

/// A MSML dialog that was answered with 200.
struct Dialog {
    call_id: String,
    life: u64,
    exits: u32,
}

#[derive(Default)]
pub(crate) struct Oracle {
    letters: BTreeMap<String, Letter>,
    /// Message-IDs by the connection identifier of the call that brings them.
    attempts: BTreeMap<String, String>,
    dialogs: BTreeMap<String, Dialog>,
    /// Calls that somebody has hung up.
    byes: BTreeSet<String>,
    /// SIP messages of the server: what is sent again says nothing new.
    said: BTreeSet<[String; 3]>,
    decoders: BTreeMap<End, Decoder>,
    /// Octets reported, by connection and Message-ID.
    reports: BTreeMap<(End, String), Ranges>,
    /// Which connection carries a message of the server's.
    outgoing: BTreeMap<String, End>,
    /// What the server forwards, by the Message-ID under which it does.
    pub(crate) forwards: BTreeSet<String>,
    /// The server's process.
    pub(crate) life: u64,
    /// Its disk fails, or its bucket now and then.
    pub(crate) sick: bool,
    pub(crate) faults: Vec<String>,
}

// What is seen.
impl Oracle {
    pub(crate) fn blame(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Somebody will send this.
    pub(crate) fn expect(&mut self, message_id: String, letter: Letter) {
        self.letters.insert(message_id, letter);
    }

    pub(crate) fn content(&self, message_id: &str) -> Bytes {
        self.letters.get(message_id).map(|letter| letter.content.clone()).unwrap_or_default()
    }

    /// A call that will bring this message was answered.
    pub(crate) fn attempt(&mut self, tag: &str, message_id: &str) {
        self.attempts.insert(tag.to_owned(), message_id.to_owned());
        if let Some(letter) = self.letters.get_mut(message_id) {
            letter.attempts += 1;
        }
    }

    /// Objects that the server has told of, with their Message-IDs.
    pub(crate) fn known(&self) -> Vec<(ObjectUri, String)> {
        let told = self.letters.iter().flat_map(|(id, letter)| letter.told.iter().map(|uri| (uri.clone(), id.clone())));
        told.collect()
    }

    /// Files that the server has promised to keep.
    pub(crate) fn stored(&self) -> usize {
        self.letters.values().filter(|letter| letter.promised || !letter.told.is_empty()).count()
    }

    /// A process puts a SIP message on the wire.
    pub(crate) fn sip_sent(&mut self, id: ProcessId, octets: &[u8]) {
        let text = String::from_utf8_lossy(octets);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return };
        let start = head.lines().next().unwrap_or_default().to_owned();
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        let call_id = header("Call-ID");
        if start.starts_with("BYE ") {
            self.byes.insert(call_id.clone());
        }
        if id.node != SERVER || body.is_empty() || !self.said.insert([call_id.clone(), header("CSeq"), start]) {
            return;
        }
        match msml::read_message(body.as_bytes()) {
            Ok(Message::Result(result)) if result.response == 200 => {
                for dialog in result.dialogids {
                    let fresh = Dialog { call_id: call_id.clone(), life: self.life, exits: 0 };
                    self.dialogs.entry(dialog).or_insert(fresh);
                }
            }
            Ok(Message::Event(event)) if event.name == "msml.dialog.exit" => self.exit(&event, call_id),
            _ => {}
        }
    }

    fn exit(&mut self, event: &msml::Event, call_id: String) {
        let fresh = Dialog { call_id, life: self.life, exits: 0 };
        let dialog = self.dialogs.entry(event.id.clone()).or_insert(fresh);
        dialog.exits += 1;
        if dialog.exits > 1 {
            self.blame(format!("I3: dialog {} exits {} times", event.id, self.dialogs[&event.id].exits));
        }
        match (variable(event, "record.end"), variable(event, "play.end")) {
            (Some(end), _) => self.recorded(event, end),
            // A bucket may be away for a while: then it is not there now, and that is said.
            (None, Some(end)) if end.ends_with("notfound") || (end.ends_with("storage") && !self.sick) => {
                self.blame(format!("I1: an object that was told of cannot be played: {end}"));
            }
            _ => {}
        }
    }

    fn recorded(&mut self, event: &msml::Event, end: &str) {
        let tag = event.id.strip_prefix("conn:").and_then(|id| id.split('/').next()).unwrap_or_default();
        let message_id = self.attempts.get(tag).cloned().unwrap_or_default();
        let Some(letter) = self.letters.get_mut(&message_id) else {
            return self.blame(format!("I3: {} exits, and nobody has called", event.id));
        };
        if end != "record.complete" {
            letter.refused += 1;
            let truthful = letter.declares != Declares::Lie;
            let storage = !self.sick && end.ends_with("storage");
            if truthful && (storage || WRONGS.iter().any(|wrong| end.ends_with(wrong))) {
                self.blame(format!("I3: a file as declared ends with {end}"));
            }
            return;
        }
        match event.value("record.recordid").and_then(|uri| uri.parse().ok()) {
            Some(uri) => drop(letter.told.insert(uri)),
            None => self.blame("I3: record.complete does not say where".to_owned()),
        }
    }

    /// The server puts octets on an MSRP stream.
    pub(crate) fn msrp_sent(&mut self, end: End, octets: &Bytes) {
        let decoder = self.decoders.entry(end).or_default();
        decoder.push(octets.clone());
        let mut heads = Vec::new();
        loop {
            match decoder.poll() {
                Ok(Some(Event::Request(head))) => heads.push(head),
                Ok(Some(Event::Malformed(malformed))) => self.faults.push(format!("the server sends {malformed:?}")),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return self.blame(format!("the server sends no MSRP: {error}")),
            }
        }
        for head in heads {
            match head.method {
                Method::Report => self.reported(end, &head),
                Method::Send if head.content_type.is_some() => self.sends(end, head),
                _ => {}
            }
        }
    }

    fn reported(&mut self, end: End, head: &RequestHead) {
        let success = head.status.as_ref().is_some_and(|status| status.code.is_success());
        let (Some(message_id), Some(range)) = (&head.message_id, head.byte_range) else { return };
        let Some(letter) = self.letters.get_mut(message_id).filter(|_| success) else { return };
        let total = letter.content.len() as u64;
        let last = range.end.unwrap_or(total);
        if last > total || range.total.is_some_and(|claimed| claimed != total) {
            return self.blame(format!("I2: {range} is reported of a message of {total} octets"));
        }
        let reports = self.reports.entry((end, message_id.clone())).or_default();
        reports.insert(range.start.saturating_sub(1), last, usize::MAX).expect("there is no limit");
        letter.reported = letter.reported.max(reports.prefix());
        letter.promised |= reports.covers(total);
    }

    fn sends(&mut self, end: End, head: RequestHead) {
        let Some(message_id) = head.message_id else { return };
        if self.forwards.contains(&message_id) {
            return; // it is the same in every attempt, so that whoever gets it twice can tell
        }
        let before = self.outgoing.insert(message_id.clone(), end);
        if before.is_some_and(|other| other != end) {
            self.blame(format!("I4: Message-ID {message_id} is used again"));
        }
    }

    /// A phone has received and stored a file.
    pub(crate) fn retrieved(&mut self, message_id: &str, octets: &[u8], times: u32) {
        if self.content(message_id) != octets {
            self.blame(format!("I4: {message_id} was retrieved with other octets than it was sent with"));
        }
        if times > 1 {
            self.blame(format!("I4: {message_id} came {times} times in one play"));
        }
    }
}

// What is checked.
impl Oracle {
    /// Opens a copy of the server's disk and compares it with every promise.
    pub(crate) fn audit(&mut self, copy: &SimFiles, bucket: Option<&(SimBucket, Pail)>, now: Now) {
        let result = self.compare(copy, bucket, now);
        self.faults.extend(result.err());
    }

    fn compare(&self, copy: &SimFiles, bucket: Option<&(SimBucket, Pail)>, now: Now) -> Result<(), String> {
        let told = |error: SpoolError| format!("I2: the spool: {error}");
        let remote = bucket.map(|(bucket, pail)| remote(&bucket.restart(), *pail));
        let (files, mint) = (Arc::new(copy.clone()), Mint::from_number(99));
        let (spool, _) =
            Spool::open_with_bucket(files, remote, Index::in_memory(), Keys::none(), mint, now).map_err(told)?;
        let listed = spool.list(&Query::default()).map_err(told)?;
        let mut objects: BTreeMap<&str, usize> = BTreeMap::new();
        for envelope in &listed {
            let message_id = envelope.message_id.as_deref().unwrap_or_default();
            *objects.entry(message_id).or_default() += 1;
            self.is_genuine(&spool, envelope)?;
        }
        if spool.status().corrupt > 0 {
            return Err(format!("I2: damaged objects: {:?}", copy.paths()));
        }
        for (message_id, letter) in &self.letters {
            let count = objects.get(message_id.as_str()).copied().unwrap_or(0);
            letter.is_kept(&spool, message_id, count, now)?;
        }
        Ok(())
    }

    /// I2: somebody has sent it, and all of it.
    fn is_genuine(&self, spool: &Spool, envelope: &Envelope) -> Result<(), String> {
        let letter = envelope.message_id.as_ref().and_then(|id| self.letters.get(id));
        let letter = letter.ok_or_else(|| format!("I2: a phantom: {envelope:?}"))?;
        let object = spool.find_id(&envelope.id).ok().flatten();
        let octets = object.and_then(|object| body(spool, &object).ok());
        if octets.as_deref() != Some(&letter.content[..]) {
            return Err(format!("I2: {} does not have the octets that were sent", envelope.uri));
        }
        if letter.declares == Declares::Lie {
            return Err(format!("I3: {} is stored although its digest is not the declared one", envelope.uri));
        }
        match spool.verify(&envelope.id) {
            Ok(Check::Sound) => Ok(()),
            other => Err(format!("I2: {}: {other:?}", envelope.uri)),
        }
    }

    /// When all is over: has every dialog had its end?
    pub(crate) fn close(&mut self) {
        let owed =
            |dialog: &Dialog| dialog.exits == 0 && dialog.life == self.life && !self.byes.contains(&dialog.call_id);
        let silent: Vec<&String> =
            self.dialogs.iter().filter(|(_, dialog)| owed(dialog)).map(|(name, _)| name).collect();
        if !silent.is_empty() {
            self.faults.push(format!("I3: no msml.dialog.exit for {silent:?}"));
        }
    }
}

impl Letter {
    /// I1 and I3: what was promised of it is there, and what was refused is not.
    fn is_kept(&self, spool: &Spool, message_id: &str, count: usize, now: Now) -> Result<(), String> {
        if self.promised && count == 0 {
            return Err(format!("I1: {message_id} was reported as a whole and is not there"));
        }
        if count > self.attempts.saturating_sub(self.refused) {
            let Self { attempts, refused, .. } = self;
            return Err(format!("I3: {count} objects of {message_id} after {attempts} attempts, {refused} refused"));
        }
        for uri in &self.told {
            if !matches!(spool.find(uri), Ok(Some(_))) {
                return Err(format!("I1: {uri} was told of and is not there"));
            }
        }
        // A file with another digest than declared is thrown away whole.
        if self.reported > 0 && count == 0 && self.declares != Declares::Lie {
            return self.can_go_on(spool, message_id, now);
        }
        Ok(())
    }

    /// I1: the sender may come back and go on after what was reported.
    fn can_go_on(&self, spool: &Spool, message_id: &str, now: Now) -> Result<(), String> {
        let object = ObjectUri::mailbox(BOX).expect("a box");
        let resume_key = Some(format!("{}\n{message_id}\n{object}", self.from));
        let told = |error: &dyn std::fmt::Display| format!("I1: {message_id} cannot be resumed: {error}");
        let mut stage = spool.stage(StagePlan { resume_key, ..StagePlan::new(object) }, now).map_err(|e| told(&e))?;
        let prefix = stage.received().prefix();
        if prefix < self.reported {
            return Err(format!("I1: {} octets of {message_id} were reported and {prefix} are there", self.reported));
        }
        stage.write(prefix, &self.content[prefix as usize..]).map_err(|error| told(&error))?;
        let whole = FileInfo {
            size: Some(self.content.len() as u64),
            digests: vec![Digest::sha256(Sha256::digest(&self.content).into())],
            ..FileInfo::default()
        };
        stage.seal(self.content.len() as u64, &whole).map(drop).map_err(|error| told(&error))
    }
}

/// A shadow variable; what was never set is called undefined.
pub(crate) fn variable<'a>(event: &'a msml::Event, name: &str) -> Option<&'a str> {
    event.value(name).filter(|value| *value != "undefined")
}

/// The octets of an object.
pub(crate) fn body(spool: &Spool, object: &Committed) -> Result<Vec<u8>, SpoolError> {
    let body = spool.read(object)?;
    let mut octets = vec![0; usize::try_from(body.size()).expect("files of simulations are small")];
    let mut at = 0;
    while at < octets.len() {
        match body.read_at(at as u64, &mut octets[at..])? {
            0 => break,
            read => at += read,
        }
    }
    Ok(octets)
}
