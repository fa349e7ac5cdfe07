//! What an audit is told of a connection beside its dialogs (RFC 5707 §10): SIP, descriptions, streams, transfers.

use super::core::Engine;
use super::jobs::{Owner, Receipt};
use crate::model::{Instant, Now};
use crate::msml::{ConnectionReport, Motion, PrimitiveKey, SipReport, StreamReport, TransferReport};
use crate::sip::CallKey;
use crate::spool::Envelope;

impl Engine {
    /// The connection of this tag, as it is now.
    pub(super) fn report(&self, now: Now, conn: &str) -> Option<ConnectionReport> {
        let key = self.board.by_tag(conn)?;
        let call = self.board.calls.get(&key)?;
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        Some(ConnectionReport {
            sip: self.endpoint.report(key).map(|dialog| SipReport {
                call_id: dialog.call_id,
                local_tag: dialog.local_tag,
                remote_tag: dialog.remote_tag,
                local_seq: dialog.local_seq,
                remote_seq: dialog.remote_seq,
                local_uri: dialog.local_uri,
                remote_uri: dialog.remote_uri,
                remote_target: dialog.remote_target,
                routes: dialog.routes,
            }),
            local_sdp: call.description.as_ref().map(|description| text(description.to_bytes())),
            remote_sdp: call.remote.as_ref().map(|description| text(description.to_bytes())),
            streams: self.stream_reports(key),
            transfers: self.transfer_reports(now.instant, key),
        })
    }

    fn stream_reports(&self, call: CallKey) -> Vec<StreamReport> {
        let sessions = self.board.streams_of(call).into_iter();
        let live = sessions.filter_map(|session| self.board.streams.get(&session)).filter(|stream| !stream.spent);
        let user = |owner: Owner| if let Owner::Primitive(primitive) = owner { Some(primitive) } else { None };
        live.map(|stream| {
            let sending = || self.sendings.get(&stream.sending?).and_then(|sending| user(sending.owner));
            let receiving = || self.receipts.get(stream.receiving.first()?).and_then(|receipt| user(receipt.owner));
            let user = stream.recorder.or(stream.player).or_else(sending).or_else(receiving);
            StreamReport { sends: stream.sends, receives: stream.receives, user }
        })
        .collect()
    }

    fn transfer_reports(&self, now: Instant, call: CallKey) -> Vec<TransferReport> {
        let plays = self.plays.iter().filter(|(_, play)| play.call == call).map(|(key, _)| *key);
        let of_call = |session| self.board.streams.get(session).is_some_and(|stream| stream.call == call);
        let recorders = self.recorders.iter().filter(|(_, recorder)| of_call(&recorder.session)).map(|(key, _)| *key);
        let asking = self.asking.iter().filter(|(_, (asker, _))| *asker == call).map(|(key, _)| *key);
        let mut primitives: Vec<PrimitiveKey> = plays.chain(recorders).chain(asking).collect();
        primitives.sort_unstable();
        primitives.into_iter().filter_map(|primitive| self.transfer_report(now, primitive)).collect()
    }

    fn transfer_report(&self, now: Instant, primitive: PrimitiveKey) -> Option<TransferReport> {
        if let Some(play) = self.plays.get(&primitive) {
            let sending = play.sending.and_then(|message| self.sendings.get(&message));
            let object = play.ready.as_ref().map(|ready| ready.object.envelope());
            let uri = object.map(|envelope| envelope.uri.to_string());
            return Some(TransferReport {
                primitive,
                receives: false,
                uri: uri.or_else(|| play.files.front().map(|file| file.uri.to_string())),
                size: object.map(Envelope::size),
                octets: sending.map_or(0, |sending| sending.of_file(sending.acknowledged)),
                took: play.started.map(|started| now.since(started)).unwrap_or_default(),
                motion: motion(play.held, sending.is_some()),
            });
        }
        let recorder = self.recorders.get(&primitive);
        let work = recorder.map(|recorder| &recorder.work).or_else(|| Some(&self.asking.get(&primitive)?.1))?;
        let receipt = recorder.and_then(|recorder| self.receipts.get(&recorder.message?));
        let size = |receipt: &Receipt| receipt.draft.file.size;
        Some(TransferReport {
            primitive,
            receives: true,
            uri: work.destinations().next().map(ToString::to_string),
            size: receipt.and_then(size),
            octets: receipt.map_or(0, |receipt| receipt.octets),
            took: receipt.map(|receipt| now.since(receipt.since)).unwrap_or_default(),
            motion: match receipt {
                Some(receipt) if receipt.whole => Motion::Committing,
                receipt => motion(recorder.is_some_and(|recorder| recorder.held), receipt.is_some()),
            },
        })
    }
}

const fn motion(held: bool, moves: bool) -> Motion {
    match (held, moves) {
        (true, _) => Motion::Paused,
        (false, true) => Motion::Moving,
        (false, false) => Motion::Waiting,
    }
}
