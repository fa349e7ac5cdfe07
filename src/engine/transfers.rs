//! The files a peer offers or asks for (RFC 5547): which transfer each is, and what the spool has to say about it.

use super::ReceiveFailure;
use super::call::{Parties, Purpose};
use super::core::Engine;
use super::description::file_offer;
use super::jobs::{Outgoing, Owner, Timer};
use super::link::{Command, LinkId};
use super::owner::box_of;
use super::paths::in_sdp;
use super::port::{Found, Output, Query};
use crate::model::limits::{BROKEN_STREAM_KEPT, ICON_OCTETS, SPENT_STREAM_KEPT};
use crate::model::{DigestAlgorithm, FileInfo, Now, Outbox};
use crate::msrp::{InboundKey, SessionKey};
use crate::sdp::{self, Direction, FileOffer, LocalStream, Route, StreamOffer, Terms, Verdict, Wish};
use crate::sip::{self, Body, CallKey};
use crate::spool::{Committed, Icon, StagePlan};

// What an offer wants of the spool.
impl Engine {
    /// A file is pushed. `None`: the spool has to say whether it has room for it, or the octets that will not come again.
    pub(super) fn judge_push(
        &mut self,
        now: Now,
        key: CallKey,
        stream: &StreamOffer,
        file: &FileOffer,
    ) -> Option<Verdict> {
        let info = &file.info;
        let fits = info.size.is_none_or(|size| size <= self.policy.max_size);
        let liked = info.media_type.as_deref().is_none_or(|kind| self.policy.accepts(kind));
        if !fits || !liked {
            tracing::warn!(size = info.size, media_type = info.media_type.as_deref(), "file refused by policy");
            return Some(Verdict::Reject);
        }
        match missing_before(file) {
            Ok(0) if self.unattended_box(key).is_none() => {
                Some(self.local_stream(now, key, Direction::RecvOnly, stream, Some(file.clone())))
            }
            Ok(_) => None,
            Err(why) => {
                // RFC 5547 §8.3.1: a range we do not take refuses the file.
                tracing::warn!(why, range = file.range.map(|range| range.to_string()), "part of a file refused");
                Some(Verdict::Reject)
            }
        }
    }

    /// What the spool is asked about a line of an offer; `None` if there is nothing to ask.
    pub(super) fn question(&self, key: CallKey, stream: &StreamOffer) -> Option<Query> {
        let call = self.board.calls.get(&key)?;
        let room = |size: u64| Some(Query::Room(vec![self.unattended_box(key)?.box_name().to_owned()], size));
        match &stream.wish {
            Wish::Push(file) if file.offset() == 0 => room(file.info.size.unwrap_or(0)),
            Wish::Push(file) => Some(Query::Waiting(file_key(&call.parties, &file.info)?)),
            // The box is the Request-URI's, the object the selector's.
            Wish::Pull(file) => Some(Query::Select(box_of(&call.parties.user)?, Box::new(file.info.clone()))),
            Wish::Session(_) => room(0),
            Wish::Unsupported(_) => None,
        }
    }

    /// The spool's answer to one line of an offer.
    pub(super) fn stream_found(
        &mut self,
        now: Now,
        key: CallKey,
        (round, index): (u64, usize),
        result: Result<Found, String>,
        out: &mut Outbox<Output>,
    ) {
        if self.offers.get(&key).is_none_or(|pending| pending.round != round) {
            return; // that offer was given up
        }
        let Some(mut pending) = self.offers.remove(&key) else { return };
        let Some(at) = pending.streams.iter().position(|stream| stream.index == index) else { return };
        let stream = &pending.streams[at];
        let verdict = match (result, &stream.wish) {
            (Ok(Found::Object(Some(object))), Wish::Pull(asked)) => {
                match self.servable(key, &stream.terms, asked, &object) {
                    Ok(()) => {
                        let mut file = pulled_file(asked, &object);
                        let takes = self.board.calls.get(&key).is_some_and(|call| call.takes_icons);
                        let icon = object.envelope().icon.as_ref().filter(|_| takes);
                        pending.pictures.extend(icon.and_then(|icon| self.name_icon(icon, &mut file)));
                        pending.pulled.insert(index, object);
                        Some(self.local_stream(now, key, Direction::SendOnly, stream, Some(file)))
                    }
                    Err(why) => {
                        tracing::warn!(uri = %object.envelope().uri, why, "pull refused");
                        None
                    }
                }
            }
            (Ok(Found::Waiting(octets)), Wish::Push(file)) if missing_before(file).is_ok_and(|from| from <= octets) => {
                Some(self.local_stream(now, key, Direction::RecvOnly, stream, Some(file.clone())))
            }
            (Ok(Found::Waiting(octets)), Wish::Push(_)) => {
                tracing::warn!(octets, "a file shall go on where no earlier one of its sender has stopped: refused");
                None
            }
            (Ok(Found::Room(None)), Wish::Push(file)) => {
                Some(self.local_stream(now, key, Direction::RecvOnly, stream, Some(file.clone())))
            }
            (Ok(Found::Room(None)), Wish::Session(direction)) => {
                Some(self.local_stream(now, key, Direction::SendRecv.facing(*direction), stream, None))
            }
            (Ok(Found::Room(over)), _) => {
                pending.full = over;
                None
            }
            (Ok(_), _) => None,
            (Err(why), _) => {
                tracing::warn!(%why, "the spool could not be asked");
                None
            }
        };
        pending.verdicts[at] = Some(verdict.unwrap_or(Verdict::Reject));
        self.offers.insert(key, pending);
        self.answer_if_decided(now, key, out);
    }

    /// RFC 4975 §8.6, RFC 5547 §8.7: nothing is sent that the peer does not take, by type or by size, and no octets are
    /// promised that the file does not have (§8.3.2).
    fn servable(
        &self,
        call: CallKey,
        terms: &Terms,
        asked: &FileOffer,
        object: &Committed,
    ) -> Result<(), &'static str> {
        if asked.range.is_some_and(|range| range.of(object.envelope().size()).is_none()) {
            return Err("the file has no such range");
        }
        let outgoing = Outgoing::object(Owner::Nobody, object.clone(), asked.range);
        if self.takes(call, terms, &outgoing) {
            return Ok(());
        }
        Err("the caller does not accept its type, or it is larger than the caller's max-size")
    }

    /// Whether this peer takes this message, in a wrapper or without one.
    pub(super) fn takes(&self, call: CallKey, peer: &Terms, outgoing: &Outgoing) -> bool {
        let wrapper = self.wrapper_octets(call, peer, outgoing);
        wrapper.is_some_and(|wrapper| peer.accept_size(outgoing.octets().saturating_add(wrapper)))
    }

    /// A line that repeats a stream we have (session timers do, RFC 4028): the same again, nothing starts anew.
    pub(super) fn kept(&self, key: CallKey, stream: &StreamOffer) -> Option<Verdict> {
        let call = self.board.calls.get(&key)?;
        let have =
            call.streams.get(stream.index).copied().flatten().and_then(|session| self.board.streams.get(&session));
        let same_path = have.is_some_and(|have| have.is_path(&stream.terms.path));
        let file = match (&stream.wish, have.and_then(|have| have.file.as_ref())) {
            (Wish::Push(file) | Wish::Pull(file), ours) => {
                // RFC 5547 §8.1: another id is another transfer, whatever the path; the same id stays the same file.
                let ours = ours.filter(|ours| ours.info.transfer_id == file.info.transfer_id);
                let again = ours.is_some() || call.knows(file);
                let done = have.is_none_or(|have| have.spent || have.sends);
                let refused = match ours {
                    Some(ours) => file.contradicts(&ours.info) || (done && !same_path),
                    None => again,
                };
                if refused {
                    let transfer_id = file.info.transfer_id.as_deref();
                    tracing::warn!(call_id = %call.parties.call_id, transfer_id, "a known file-transfer-id starts nothing");
                    return Some(Verdict::Reject);
                }
                Some(ours?.clone())
            }
            (Wish::Session(_), None) => None,
            // RFC 3264 §8.4: the call is on hold, and the file is the one it was.
            (Wish::Session(Direction::Inactive), Some(ours)) => Some(ours.clone()),
            _ => return None,
        };
        // RFC 8122 §6.2: a connection goes on only under a fingerprint that it matches.
        let proven = |link| self.proven(&stream.terms, link).is_ok();
        let have = have.filter(|have| same_path && have.link().is_none_or(proven))?;
        let direction = match &stream.wish {
            Wish::Session(peer) => Direction::SendRecv.facing(*peer),
            _ => Direction::new(have.sends, have.receives),
        };
        let mut terms = Terms { cema: stream.route != Route::Path, ..self.terms(in_sdp(&have.relays, &have.local)) };
        // A connection shows the certificate it began with, whatever has been read since.
        let told = call.description.as_ref().and_then(|told| told.media.get(stream.index));
        if let Some(told) = told.filter(|_| have.link().is_some()) {
            terms.fingerprints = told.fingerprints();
        }
        Some(Verdict::Accept(LocalStream { terms, direction, role: have.role, file }))
    }
}

// The end of a stream, and the end of one whose sender has come back.
impl Engine {
    /// No two sessions write one file: the sender of an older one has come back, and the older ends at once.
    pub(super) fn fence(&mut self, now: Now, plan: &StagePlan, out: &mut Outbox<Output>) {
        let older: Vec<_> = keys(plan).filter_map(|key| self.writers.get(key).copied()).collect();
        for key in older {
            self.take_over(now, key, out);
        }
    }

    fn take_over(&mut self, now: Now, older: (LinkId, InboundKey), out: &mut Outbox<Output>) {
        let Some(receipt) = self.receipts.get(&older).filter(|receipt| !receipt.whole) else { return };
        let (session, octets) = (receipt.session, receipt.octets);
        let call = self.board.streams.get(&session).map(|stream| stream.call);
        tracing::warn!(
            message_id = receipt.draft.message_id,
            octets,
            "its sender goes on in a newer session: taken over"
        );
        out.push(Output::Link(older.0, Command::Stop { message: older.1, discard: false }));
        self.lost(now, older.0, older.1, &ReceiveFailure::TakenOver, octets, out);
        if self.board.streams.get(&session).is_some_and(|stream| !stream.receiving.is_empty()) {
            return; // other messages come in the same session
        }
        self.drop_stream(now, session, out);
        let Some(call) = call.filter(|call| self.board.streams_of(*call).is_empty()) else { return };
        if self.board.calls.get(&call).is_some_and(|call| call.purpose == Purpose::Service) {
            self.command(now, sip::Command::Bye { call, body: None, reason: None }, out);
        }
    }

    /// A stream that was made for one file has done it, well or not: its line will be closed (RFC 5547 §8.4, §8.7).
    pub(super) fn retire(&mut self, now: Now, session: SessionKey, end: StreamEnd) {
        let is_file = self.board.streams.get(&session).is_some_and(|stream| stream.file.is_some());
        let after = match end {
            _ if !is_file => return,
            StreamEnd::Ours => std::time::Duration::ZERO,
            StreamEnd::Sent => SPENT_STREAM_KEPT,
            StreamEnd::Theirs => BROKEN_STREAM_KEPT,
        };
        self.wake(now, after, Timer::Retire(session));
    }

    /// Offers the call anew with port 0 for every line that has done its file.
    pub(super) fn retired(&mut self, now: Now, session: SessionKey, out: &mut Outbox<Output>) {
        let Some(stream) = self.board.streams.get(&session).filter(|stream| stream.spent) else { return };
        let key = stream.call;
        if let Some(call) = self.board.calls.get_mut(&key).filter(|call| call.purpose == Purpose::Service) {
            call.closing = !call.leaving;
            self.next_reoffer(now, key, out);
        }
    }

    /// The offer of [`Engine::retired`], as soon as no other is under way.
    pub(super) fn close_lines(&mut self, now: Now, key: CallKey, out: &mut Outbox<Output>) {
        let finished = self.finished_lines(key);
        let Some(call) = self.board.calls.get_mut(&key).filter(|call| !call.leaving) else { return };
        let Some(previous) = &call.description else { return };
        let description = sdp::reoffer(previous, &finished, None);
        if description.media.iter().map(|media| media.port).eq(previous.media.iter().map(|media| media.port)) {
            return;
        }
        let body = Body::new(super::call::SDP_TYPE, description.to_bytes());
        call.offered = Some(super::call::Offered::new(description, Vec::new()));
        self.command(now, sip::Command::Reinvite { call: key, body }, out);
    }
}

/// Who ended a stream, or how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// We broke the file off.
    Ours,
    /// The peer did, or was told that what it sent is not what it declared.
    Theirs,
    /// We have sent it.
    Sent,
}

/// The keys by which a newer session shows that it brings the same file: an id it had before, or the file itself if the
/// session says that it goes on with it.
fn keys(plan: &StagePlan) -> impl Iterator<Item = &String> {
    plan.resume_key.iter().chain(plan.file_key.iter().filter(|_| plan.offset > 0))
}

/// A sender's file, whatever id it gives the transfer: none without a digest to know it by.
pub(super) fn file_key(parties: &Parties, info: &FileInfo) -> Option<String> {
    let sha1 = info.digest(DigestAlgorithm::Sha1)?.hex();
    Some(format!("{}\n{}\n{sha1}\n{}", parties.from, parties.user, info.size?))
}

/// How many octets of a pushed file will not be sent, because we should have them (RFC 5547 §6 `file-range`).
fn missing_before(file: &FileOffer) -> Result<u64, &'static str> {
    let Some(range) = file.range else { return Ok(0) };
    let size = file.info.size;
    if range.stop.is_some_and(|stop| size != Some(stop)) {
        return Err("it ends before the file does");
    }
    if size.is_some_and(|size| range.of(size).is_none()) {
        return Err("it begins after the file's end");
    }
    if range.start > 1 && (size.is_none() || file.info.digest(DigestAlgorithm::Sha1).is_none()) {
        return Err("nothing says which file it is of: the selector has no size or no SHA-1");
    }
    Ok(range.start - 1)
}

/// What a pull is answered with: the whole selector of the chosen file, and the caller's own transfer id.
fn pulled_file(asked: &FileOffer, object: &Committed) -> FileOffer {
    let envelope = object.envelope();
    let mut info = envelope.file.clone();
    info.size = Some(envelope.size());
    info.digests = vec![envelope.sha1().clone()];
    info.transfer_id.clone_from(&asked.info.transfer_id);
    FileOffer { range: asked.range, ..file_offer(info) }
}

/// The pictures of a body, by their Content-ID (RFC 5547 §8.8): those that are pictures, and small enough to be kept.
pub(super) fn icons(body: Option<&Body>) -> Vec<(String, Icon)> {
    let Some(body) = body.filter(|body| body.media_type() == "multipart/related") else { return Vec::new() };
    let icon = |part: Body| {
        let kept = part.media_type().starts_with("image/") && part.octets.len() <= ICON_OCTETS;
        let icon = Icon { media_type: part.media_type(), octets: part.octets.to_vec() };
        part.id.filter(|_| kept).map(|id| (id, icon))
    };
    sip::multipart::parts(body).into_iter().filter_map(icon).collect()
}

/// The picture that a file's `a=file-icon` names.
pub(super) fn icon_of(file: &FileOffer, icons: &[(String, Icon)]) -> Option<Icon> {
    let url = file.icon.as_deref()?.strip_prefix("cid:")?;
    let id = percent_encoding::percent_decode_str(url).decode_utf8().ok()?;
    icons.iter().find(|(known, _)| *known == id).map(|(_, icon)| icon.clone())
}
