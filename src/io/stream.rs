//! One MSRP byte stream: the task that reads, writes and keeps its stages and sources.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::connection::{MsrpStream, Pulse, ReadHalf, WriteHalf};
use super::metrics;
use super::reader::Reader;
use super::tls::HANDSHAKE_RECORD;
use super::transfers::{About, By, Direction, Transfer, Transfers};
use crate::engine::Input;
use crate::engine::link::{self, Command, Link, LinkId, Notice, Output, Source};
use crate::model::{FileInfo, Outbox, Ranges};
use crate::msrp::{Carrier, InboundKey, OutboundKey};
use crate::spool::{Check, Committed, Spool, Stage, StageError, StagePlan};

/// Octets asked of the socket at a time: one chunk of the usual size with its head.
const READ_OCTETS: usize = 128 * 1024;

/// A stream that has said goodbye flushes for this long at most.
const FLUSH: Duration = Duration::from_secs(5);

/// What every link of a node shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) spool: Spool,
    pub(super) transfers: Transfers,
    pub(super) clock: Clock,
    pub(super) engine: mpsc::Sender<Input>,
    pub(super) stop: CancellationToken,
}

/// Where an outgoing message's octets are read.
enum Reading {
    Object(Box<Reader>),
    Local(File),
}

/// A file coming in.
struct Incoming {
    stage: Stage,
    transfer: Transfer,
}

/// A file going out.
struct Outgoing {
    reading: Reading,
    transfer: Transfer,
}

/// One stream at work.
struct Task {
    id: LinkId,
    link: Link,
    shared: Shared,
    stages: HashMap<InboundKey, Incoming>,
    sources: HashMap<OutboundKey, Outgoing>,
    outgoing: VecDeque<Bytes>,
    outputs: Outbox<Output>,
    notices: VecDeque<Notice>,
    /// Something was written since the last flush.
    unflushed: bool,
    closing: bool,
}

/// Serves one stream until either side ends it. The engine's last word from here is always [`Notice::Closed`].
pub(super) async fn serve(
    id: LinkId,
    stream: MsrpStream,
    link: Link,
    mut commands: mpsc::Receiver<Command>,
    shared: Shared,
) {
    let MsrpStream { mut reader, mut writer, bearer, place: _place, pulse } = stream;
    let mut heard = 0;
    let mut unheard = bearer.carrier == Carrier::Tcp;
    let stop = shared.stop.clone();
    let mut task = Box::new(Task {
        id,
        link,
        shared,
        stages: HashMap::new(),
        sources: HashMap::new(),
        outgoing: VecDeque::new(),
        outputs: Outbox::new(),
        notices: VecDeque::new(),
        unflushed: false,
        closing: false,
    });
    let mut buffer = BytesMut::new();
    while !task.closing {
        if task.tell_engine().await.is_err() {
            break;
        }
        let deadline = task.link.deadline().map(|deadline| task.shared.clock.at(deadline));
        let input = tokio::select! {
            read = read(&mut reader, &mut buffer), if task.link.wants_octets() => match read {
                Ok(octets) if !octets.is_empty() => {
                    if std::mem::take(&mut unheard) && octets.first() == Some(&HANDSHAKE_RECORD) {
                        let why = "a TLS handshake on the plain MSRP port: is the peer set to TCP/TLS/MSRP?";
                        tracing::warn!(peer = ?bearer.remote, why, "connection closed");
                        break;
                    }
                    link::Input::Octets(octets)
                }
                _ => {
                    // The peer says no more, and may still listen: what was decided meanwhile is for it, too.
                    while let Ok(command) = commands.try_recv() {
                        task = task.handle(link::Input::Command(command)).await;
                    }
                    break;
                }
            },
            wrote = write(&mut writer, &task.outgoing), if task.unflushed || !task.outgoing.is_empty() => match wrote {
                Ok(Wrote::Octets(octets)) if octets > 0 => task.sent(octets),
                Ok(Wrote::Everything) => {
                    task.unflushed = false;
                    continue;
                }
                _ => break,
            },
            command = commands.recv() => match command {
                Some(command) => link::Input::Command(command),
                None => break,
            },
            () = sleep_until(deadline), if deadline.is_some() => {
                let octets = pulse.as_ref().map_or(0, Pulse::octets);
                if std::mem::replace(&mut heard, octets) != octets {
                    task = task.handle(link::Input::Heard).await; // of a message that has not come as a whole
                }
                link::Input::Timeout
            }
            () = stop.cancelled() => break,
        };
        task = task.handle(input).await;
    }
    let _ = tokio::time::timeout(FLUSH, task.flush(&mut writer)).await;
    task = task.handle(link::Input::Closed).await;
    // Whatever is still open waits on disk for its sender.
    let stages: Vec<Stage> = task.stages.drain().map(|(_, incoming)| incoming.stage).collect();
    on_disk(|| stages.into_iter().for_each(suspend));
    let _ = task.tell_engine().await;
}

async fn read(reader: &mut ReadHalf, buffer: &mut BytesMut) -> io::Result<Bytes> {
    buffer.reserve(READ_OCTETS);
    let mut read = reader.read_buf(buffer).await?;
    // TLS hands out one record at a time, 16 KiB at most: those that are there already come along.
    while read > 0 && buffer.len() < READ_OCTETS {
        let mut more = pin!(reader.read_buf(buffer));
        match poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx))).await {
            Poll::Ready(Ok(octets)) => read = octets,
            Poll::Ready(Err(_)) | Poll::Pending => break, // the next call meets the error again
        }
    }
    Ok(buffer.split().freeze())
}

/// What a step of writing has done.
enum Wrote {
    /// So many octets were taken.
    Octets(usize),
    /// Nothing is left, nor in the buffers that TLS and WebSocket have.
    Everything,
}

async fn write(writer: &mut WriteHalf, outgoing: &VecDeque<Bytes>) -> io::Result<Wrote> {
    if outgoing.is_empty() {
        return writer.flush().await.map(|()| Wrote::Everything);
    }
    let mut slices = [IoSlice::new(&[]); 16];
    let count = outgoing.len().min(slices.len());
    for (slice, octets) in slices.iter_mut().zip(outgoing) {
        *slice = IoSlice::new(octets);
    }
    writer.write_vectored(&slices[..count]).await.map(Wrote::Octets)
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

fn suspend(stage: Stage) {
    // One that was taken over is in good hands.
    if let Err(error) = stage.suspend()
        && !matches!(error, StageError::TakenOver)
    {
        tracing::warn!(%error, "a partial file could not be kept for its sender");
    }
}

impl Task {
    /// One input and everything that follows from it. Disk work has a thread of its own, and is waited for: a stream's
    /// octets are in its stage before it reads more, which is all the back-pressure there is.
    ///
    /// One thread for all that follows, however much: tiny chunks come by the hundred. To block this one in place would
    /// have the runtime replace it each time, and each replacement that it has not yet needed is a thread, too.
    async fn handle(mut self: Box<Self>, input: link::Input) -> Box<Self> {
        let now = self.shared.clock.now();
        self.link.handle(now, input, &mut self.outputs);
        while let Some(output) = self.outputs.pop() {
            if waits_for_disk(&output) {
                let work = tokio::task::spawn_blocking(move || {
                    self.go_on(output);
                    self
                });
                return work.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            }
            self.perform(output);
        }
        self
    }

    fn go_on(&mut self, first: Output) {
        let mut next = Some(first);
        while let Some(output) = next {
            if let Some(input) = self.perform(output) {
                let now = self.shared.clock.now();
                self.link.handle(now, input, &mut self.outputs);
            }
            next = self.outputs.pop();
        }
    }

    fn perform(&mut self, output: Output) -> Option<link::Input> {
        match output {
            Output::Transmit(octets) => {
                count_sent(&octets);
                self.outgoing.push_back(octets);
                None
            }
            Output::Open(message, plan) => {
                let about = about(&plan);
                let opened = self.shared.spool.stage(plan, self.shared.clock.now());
                Some(link::Input::Staged(message, opened.map(|stage| self.keep(message, stage, about))))
            }
            Output::Write(message, offset, octets) => {
                metrics::received(octets.len());
                let Incoming { stage, transfer } = self.stages.get_mut(&message)?;
                transfer.moved(self.shared.clock.now().instant, octets.len());
                Some(link::Input::Written(message, octets.len(), stage.write(offset, &octets)))
            }
            Output::Sync(message) => {
                let Incoming { stage, .. } = self.stages.get_mut(&message)?;
                Some(link::Input::Synced(message, stage.sync()))
            }
            Output::Peek(message, octets) => {
                let Incoming { stage, .. } = self.stages.get(&message)?;
                Some(link::Input::Peeked(message, stage.peek(octets)))
            }
            Output::ContentFrom(message, offset) => {
                // A stage that a newer session has taken over says so at the next write.
                let _ = self.stages.get_mut(&message)?.stage.content_from(offset);
                None
            }
            Output::Seal(message, content, expected) => self.seal(message, content, &expected),
            Output::Suspend(message) => {
                let Incoming { stage, .. } = self.stages.remove(&message)?;
                suspend(stage);
                None
            }
            Output::Discard(message) => {
                let Incoming { stage, .. } = self.stages.remove(&message)?;
                stage.discard();
                None
            }
            Output::Source(message, source) => {
                match self.open(&source) {
                    Ok(reading) => {
                        let transfer = self.shared.transfers.begin(outgoing(&source), 0, self.shared.clock.now());
                        self.sources.insert(message, Outgoing { reading, transfer });
                    }
                    Err(why) => tracing::warn!(?source, %why, "cannot open what was to be sent"),
                }
                None
            }
            Output::Fetch(message, offset, octets) => {
                Some(link::Input::Fetched(message, offset, self.fetch(message, offset, octets)))
            }
            Output::Release(message) => {
                self.sources.remove(&message);
                None
            }
            Output::Notice(notice) => {
                self.notices.push_back(notice);
                None
            }
            Output::Close => {
                self.closing = true;
                None
            }
        }
    }

    fn keep(&mut self, message: InboundKey, stage: Stage, about: About) -> Ranges {
        let received = stage.received();
        let about = About { uri: Some(stage.object().to_string()), ..about };
        let transfer = self.shared.transfers.begin(about, received.octets(), self.shared.clock.now());
        self.stages.insert(message, Incoming { stage, transfer });
        received
    }

    fn seal(&mut self, message: InboundKey, content: Range<u64>, expected: &FileInfo) -> Option<link::Input> {
        let Incoming { stage, .. } = self.stages.remove(&message)?;
        let sealed = stage.seal_content(content, expected);
        Some(link::Input::Sealed(message, sealed.map(Box::new)))
    }

    fn open(&self, source: &Source) -> Result<Reading, String> {
        match source {
            Source::Object(object) | Source::Part(object) => {
                if matches!(source, Source::Part(_)) {
                    self.check(object)?;
                }
                let reader = Reader::open(&self.shared.spool, object.clone()).map_err(|error| error.to_string())?;
                Ok(Reading::Object(Box::new(reader)))
            }
            Source::Local(path) => File::open(path).map(Reading::Local).map_err(|error| format!("{path}: {error}")),
        }
    }

    /// RFC 5547 §10: what is sent is what its selectors say, which a part alone does not show.
    fn check(&self, object: &Committed) -> Result<(), String> {
        match self.shared.spool.verify(&object.envelope().id) {
            Ok(Check::Sound) => Ok(()),
            Ok(Check::Damaged { what }) => Err(what.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn fetch(&mut self, message: OutboundKey, offset: u64, octets: usize) -> Option<Bytes> {
        let mut buffer = vec![0; octets];
        let Outgoing { reading, transfer } = self.sources.get_mut(&message)?;
        let read = match reading {
            Reading::Object(reader) => reader.read_at(offset, &mut buffer),
            Reading::Local(file) => file.read_at(&mut buffer, offset).map_err(|error| error.to_string()),
        };
        match read {
            Ok(0) => None,
            Ok(length) => {
                buffer.truncate(length);
                metrics::sent(length);
                transfer.moved(self.shared.clock.now().instant, length);
                Some(Bytes::from(buffer))
            }
            Err(why) => {
                self.distrust(message, &why);
                None
            }
        }
    }

    fn distrust(&self, message: OutboundKey, why: &str) {
        match self.sources.get(&message) {
            Some(Outgoing { reading: Reading::Object(reader), .. }) => reader.distrust(&self.shared.spool, why),
            _ => tracing::error!(why, "cannot read what is being sent"),
        }
    }

    /// The socket has taken octets.
    fn sent(&mut self, octets: usize) -> link::Input {
        self.unflushed = true;
        let mut left = octets;
        while left > 0 {
            let Some(front) = self.outgoing.front_mut() else { break };
            let taken = left.min(front.len());
            front.advance(taken);
            left -= taken;
            if front.is_empty() {
                self.outgoing.pop_front();
            }
        }
        link::Input::Sent(octets)
    }

    async fn flush(&mut self, writer: &mut WriteHalf) -> io::Result<()> {
        while let Some(octets) = self.outgoing.pop_front() {
            writer.write_all(&octets).await?;
        }
        writer.shutdown().await
    }

    /// Hands over what the engine has to know; a busy engine slows the link down, never the other way round.
    async fn tell_engine(&mut self) -> Result<(), mpsc::error::SendError<Input>> {
        while let Some(notice) = self.notices.pop_front() {
            self.shared.engine.send(Input::Notice(self.id, notice)).await?;
        }
        Ok(())
    }
}

fn about(plan: &StagePlan) -> About {
    About {
        direction: Direction::In,
        by: By::Msrp,
        uri: None,
        size: plan.declared.size,
        call_id: plan.call_id.clone(),
        message_id: plan.message_id.clone(),
    }
}

fn outgoing(source: &Source) -> About {
    let (uri, size) = match source {
        Source::Object(object) | Source::Part(object) => {
            let envelope = object.envelope();
            (Some(envelope.uri.to_string()), Some(envelope.size()))
        }
        Source::Local(_) => (None, None),
    };
    About { direction: Direction::Out, by: By::Msrp, uri, size, call_id: None, message_id: None }
}

/// Disk work, on a thread that the runtime replaces meanwhile.
pub(super) fn on_disk<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Whether the disk may keep whoever performs this waiting.
const fn waits_for_disk(output: &Output) -> bool {
    !matches!(output, Output::Transmit(_) | Output::Notice(_) | Output::Close)
}

/// Counts responses and REPORTs by looking at the start of what goes out.
fn count_sent(octets: &[u8]) {
    let Some(line) = octets.strip_prefix(b"MSRP ") else { return };
    let line = &line[..line.iter().take(128).position(|octet| *octet == b'\r').unwrap_or(0)];
    let Some(word) = line.split(|octet| *octet == b' ').nth(1).and_then(|word| std::str::from_utf8(word).ok()) else {
        return;
    };
    metrics::msrp_sent(word, octets);
}
